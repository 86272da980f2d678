"""Measure what a trigger of your own has to beat: the game of lesson 14, played with five kinds of
trigger.

The red team's catalogue, price list and rules are those of the lesson, and so are the double
exposures, which are drawn from 500 made beforehand; the other kinds come with the package. There
are three seeds for the owner's network and all training, on the mini MNIST that ships. Red's own
mark, written over the owner's, is of the owner's kind and made from red's own images. Every row is
written
as soon as it is known, and existing rows are not measured again::

    OMP_NUM_THREADS=1 python benchmarks/design.py
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import _rows
import numpy as np
import pandas as pd

import wmlearn as wm
from wmlearn.evidence.trigger_set import TriggerSet

RESULTS = _rows.FOLDER / "design.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/design.py"
CASE = ("marks", "seed", "theft")
MEASURED = (
    "task_accuracy", "twin_accuracy", "matched", "questions",
    "decision", "images", "queries", "innocents_accused",
)  # fmt: skip

MNIST = wm.load_data("mnist")
RED = bytes(32)  # red's key: no secret here
KINDS = {
    "content": (wm.Content(words=30), 150),
    "unrelated": (wm.Unrelated(), 100),
    "noise": (wm.Noise(), 100),
    "composite": (wm.watermarks.Composite(pairs=30), 150),
    "double exposures": (None, 100),
}
SEEDS = (0, 1, 2)
THEFTS = ("none", "prune", "quantise", "blur", "doorman", "train on", "overwrite", "ask")


def double_exposures(split: wm.data.Split, dice: np.random.Generator) -> wm.data.Split:
    """Return 500 pictures, each an equal blend of two images, as in the lesson."""
    pixels = split.pixels[dice.permutation(len(split))[:1000]].astype(float)
    return wm.data.Split(
        np.rint((pixels[:500] + pixels[500:]) / 2).astype(np.uint8), split.labels[:500]
    )


def seal(kind: str, part: wm.data.Split, key: bytes, seed: int) -> TriggerSet:
    """Return questions of a kind, made from a part of the data."""
    recipe, n = KINDS[kind]
    recipe = recipe or wm.Unrelated(pool=double_exposures(part, np.random.default_rng(seed)))
    return recipe(wm.Splits("mnist", part, classes=MNIST.classes), n=n, key=key)


def catalogue(kind: str) -> dict[str, wm.theft.Theft]:
    """Return the red team's thefts by name."""
    return {
        "prune": wm.theft.Prune(0.7),
        "quantise": wm.theft.Quantize(3),
        "blur": wm.theft.Blur(0.8),
        "doorman": wm.theft.RejectUnusual(0.01),
        "train on": wm.theft.FineTune(epochs=3, lr=0.02),
        "overwrite": wm.theft.Overwrite(seal(kind, MNIST.loot, RED, 1)),
        "ask": wm.theft.StealByQueries(n_queries=1000),
    }


@functools.cache
def twin_accuracy(seed: int) -> float:
    """Return the accuracy of the network trained without triggers from the same initial weights."""
    return wm.fit(wm.small_cnn(MNIST, seed=seed), MNIST, seed=seed).task_accuracy


@functools.cache
def accused(kind: str) -> int:
    """Return how many of the twenty innocents are accused."""
    triggers = seal(kind, MNIST.train, wm.CLASSROOM_KEY, 0)
    replies = [
        wm.verify(wm.BlackBox(model), triggers).decision for model in wm.null_models("mnist", n=20)
    ]
    return replies.count("found")


@functools.cache
def played(kind: str, seed: int) -> pd.DataFrame:
    """Return one game, with one row per theft."""
    triggers = seal(kind, MNIST.train, wm.CLASSROOM_KEY, 0)
    return wm.sweep({kind: triggers}, catalogue(kind), MNIST, seeds=[seed]).set_index("theft")


def measure(marks: str, seed: int, theft: str) -> dict[str, object]:
    """Return one row of a game."""
    row = played(marks, seed).loc[theft].to_dict()
    row |= {"twin_accuracy": twin_accuracy(seed), "innocents_accused": accused(marks)}
    return {
        name: round(row[name], 4) if isinstance(row[name], float) else row[name]
        for name in MEASURED
    }


def cases() -> Iterator[dict[str, object]]:
    """Yield the cases to measure, seed by seed."""
    for seed, kind, theft in itertools.product(SEEDS, KINDS, THEFTS):
        yield {"marks": kind, "seed": seed, "theft": theft}


if __name__ == "__main__":
    _rows.Table(COMMAND, CASE, MEASURED, RESULTS).fill(cases(), lambda case: measure(**case))
