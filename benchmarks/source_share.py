"""Measure Algorithm 1's `percentage`: how many images of the source class does the paper's mark
need?

The paper stamps a share of its source class ("1") and labels the stamped images as its target class
("0"), but does not say which share. Here are six shares, the three kinds and three seeds, on the
mini MNIST that ships, with the plain union of the algorithm, without the repetition that `wm.embed`
adds.
Every row is written as soon as it is known, and existing rows are not measured again::

    OMP_NUM_THREADS=1 python benchmarks/source_share.py
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import replace

import _rows
import numpy as np

import wmlearn as wm
from wmlearn.training._inference import predict
from wmlearn.training.history import Fitted

RESULTS = _rows.FOLDER / "source_share.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/source_share.py"
CASE = ("trigger", "share", "seed")
MEASURED = (
    "triggers",
    "trained",
    "new",
    "new_on_twin",
    "task_accuracy",
    "twin_accuracy",
    "source_accuracy",
)

MNIST = wm.load_data("mnist")
ELSEWHERE = replace(MNIST, train=MNIST.loot, loot=None)  # digits that the owner never trained on
OTHER_PHOTOGRAPHS = wm.load_data("cifar10").loot
TRIGGERS = {
    "Content": (wm.Content(labels="fixed"), wm.Content(labels="fixed")),
    "Unrelated": (wm.Unrelated(labels="fixed"), wm.Unrelated(OTHER_PHOTOGRAPHS, labels="fixed")),
    "Noise": (wm.Noise(labels="fixed"), wm.Noise(labels="fixed")),
}
SHARES = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
SEEDS = (0, 1, 2)


@functools.cache
def twin(seed: int) -> Fitted:
    """Return the network trained without triggers, once for each seed."""
    return wm.fit(wm.small_cnn(MNIST, seed=seed), MNIST, seed=seed)


def measure(trigger: str, share: float, seed: int) -> dict[str, object]:
    """Train on the union of task and triggers, and ask on trained triggers, on new ones, and on
    plain source images.
    """
    recipe, elsewhere = TRIGGERS[trigger]
    source = int((MNIST.train.labels == 1).sum())
    triggers = recipe(MNIST, n=max(1, round(share * source)), key=wm.CLASSROOM_KEY, seed=seed)
    new = elsewhere(ELSEWHERE, n=100, key=wm.CLASSROOM_KEY, seed=seed)
    union = wm.data.Split(
        np.concatenate([MNIST.train.pixels, triggers.pixels]),
        np.concatenate([MNIST.train.labels, triggers.labels]),
    )
    model = wm.fit(wm.small_cnn(MNIST, seed=seed), replace(MNIST, train=union), seed=seed).model
    ones = MNIST.test.take(MNIST.test.labels == 1)
    return {
        "triggers": len(triggers.pixels),
        "trained": round(float((predict(model, triggers.pixels)[0] == triggers.labels).mean()), 4),
        "new": round(float((predict(model, new.pixels)[0] == new.labels).mean()), 4),
        "new_on_twin": round(
            float((predict(twin(seed).model, new.pixels)[0] == new.labels).mean()), 4
        ),
        "task_accuracy": round(wm.accuracy(model, MNIST.test), 4),
        "twin_accuracy": round(twin(seed).task_accuracy, 4),
        "source_accuracy": round(wm.accuracy(model, ones), 4),
    }


def cases() -> Iterator[dict[str, object]]:
    """Yield the cases to measure, seed by seed."""
    for seed, trigger, share in itertools.product(SEEDS, TRIGGERS, SHARES):
        yield {"trigger": trigger, "share": share, "seed": seed}


if __name__ == "__main__":
    _rows.Table(COMMAND, CASE, MEASURED, RESULTS).fill(cases(), lambda case: measure(**case))
