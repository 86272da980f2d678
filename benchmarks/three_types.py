"""Measure the three kinds of watermark side by side: what each costs, what innocents answer, what
survives fine-tuning.

For both data sets, the three kinds of trigger and both label modes, there is one row for each
network that is asked: the marked one and the clean one that ship, the first twenty null models, and
the marked one after a thief has fine-tuned it at four learning rates, with two more seeds at the
rates where the three kinds differ. `trained` counts the questions answered as sealed; `new` those
on the same noise, words or foreign class with images that nobody trained on (keyed unrelated images
have no new ones: each is a question of its own). `commonest` is the most frequent class for the
trigger images, and `share` its frequency.

The thief holds the first 2,000 images of the loot and trains on them for five epochs; all 10,000
would take two hours more. The column `loot` says how many they hold: with more, they change the
network further at the same rate.

Every row is written as soon as it is known; a second run adds what is missing. The rows of a model
that has been retrained are measured again. The script needs the full data sets::

    OMP_NUM_THREADS=1 python benchmarks/three_types.py [mnist] [cifar10]
"""

from __future__ import annotations

import functools
import itertools
import json
import sys
from collections.abc import Iterator

import _rows
import numpy as np
from torch import nn

import wmlearn as wm
from wmlearn import zoo

RESULTS = _rows.FOLDER / "three_types.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/three_types.py"
CASE = ("data", "trigger", "labels", "model", "digest", "loot", "lr", "seed")
MEASURED = ("task_accuracy", "questions", "trained", "new", "commonest", "share")

FOREIGN = {"mnist": "cifar10", "cifar10": "mnist"}  # where unrelated images come from
TRIGGERS = {"content": wm.Content, "unrelated": wm.Unrelated, "noise": wm.Noise}
IMAGES = {
    ("content", "keyed"): 150,
    ("unrelated", "keyed"): 100,
    ("noise", "keyed"): 100,
}  # the others have 150
NULLS = 20  # the first of those that ship
LOOT = 2_000  # how many images the thief holds
RATES = (1e-3, 5e-3, 1e-2, 2e-2)
REPEATED = {
    "fixed": (2e-2,),
    "keyed": (5e-3, 1e-2),
}  # where the three differ: with the other seeds too
SEEDS = (0, 1, 2)
EPOCHS = 5
Row = dict[str, str]


@functools.cache
def full(name: str) -> wm.Splits:
    """Return the whole data set, loaded once."""
    return wm.load_data(name, size="full")


@functools.cache
def sealed(
    data: str, trigger: str, labels: str
) -> tuple[wm.evidence.TriggerSet, wm.evidence.TriggerSet | None]:
    """Return the triggers of the shipped model, and new ones with the same answers."""
    recipe, n = TRIGGERS[trigger], IMAGES.get((trigger, labels), 150)
    triggers = recipe(labels=labels)(wm.load_data(data), n=n, key=wm.CLASSROOM_KEY)
    test = full(data).test
    elsewhere = wm.Splits(data, test, classes=full(data).classes)
    if trigger != "unrelated":
        return triggers, recipe(labels=labels)(elsewhere, n=n, key=wm.CLASSROOM_KEY)
    if labels == "keyed":
        return triggers, None
    return triggers, recipe(pool=full(FOREIGN[data]).test, labels=labels)(
        elsewhere, n=n, key=wm.CLASSROOM_KEY
    )


@functools.cache
def task_accuracy(model: nn.Module, data: str) -> float:
    """Return the task accuracy of a network on the test images, measured once."""
    return wm.accuracy(model, full(data).test)


def measure(model: nn.Module, data: str, trigger: str, labels: str) -> Row:
    """Ask one network the trained questions and the new ones, and measure its task accuracy."""
    triggers, fresh = sealed(data, trigger, labels)
    suspect = wm.BlackBox(model)
    replies = suspect(triggers.images)
    counts = np.bincount(replies, minlength=len(triggers.rules.classes))
    return {
        "task_accuracy": f"{task_accuracy(model, data):.4f}",
        "questions": str(triggers.n),
        "trained": str((triggers.answer(replies) == triggers.answers).sum()),
        "new": ""
        if fresh is None
        else str((fresh.answer(suspect(fresh.images)) == triggers.answers).sum()),
        "commonest": triggers.rules.classes[counts.argmax()],
        "share": f"{counts.max() / len(replies):.4f}",
    }


def released() -> dict[str, str]:
    """Return the first eight digits of every shipped model's digest."""
    return {
        name: found[:8]
        for name, found in json.loads(zoo.DIGESTS.read_text(encoding="utf-8")).items()
    }


def cases(names: list[str]) -> Iterator[Row]:
    """Yield the cases that the existing models allow; thefts come last, seed by seed, because they
    take long.
    """
    existing = released()
    kinds = [
        (
            {"data": data, "trigger": trigger, "labels": labels},
            f"{data}/{trigger}" + ("-fixed" * (labels == "fixed")),
        )
        for data, trigger, labels in itertools.product(names, TRIGGERS, ("fixed", "keyed"))
    ]
    for kind, owner in kinds:
        nulls = sorted(name for name in existing if name.startswith(f"{kind['data']}/null-"))[
            :NULLS
        ]
        for model in (owner, f"{kind['data']}/clean", *nulls):
            if model in existing:
                yield kind | {
                    "model": model,
                    "digest": existing[model],
                    "loot": "",
                    "lr": "",
                    "seed": "",
                }
    for seed, (kind, owner), lr in itertools.product(SEEDS, kinds, RATES):
        if owner in existing and (seed == SEEDS[0] or lr in REPEATED[kind["labels"]]):
            held = str(LOOT)
            yield kind | {
                "model": owner,
                "digest": existing[owner],
                "loot": held,
                "lr": str(lr),
                "seed": str(seed),
            }


def still_true(rows: list[Row]) -> list[Row]:
    """Return rows in order, without those of models that have been retrained."""
    existing = released()
    return sorted(
        (row for row in rows if existing.get(row["model"]) == row["digest"]),
        key=lambda row: [row[c] for c in CASE],
    )


@functools.cache
def shipped(name: str) -> nn.Module:
    """Return a shipped model, read only once because it is asked about six kinds of triggers."""
    return wm.load_model(name)


def taken(case: Row) -> nn.Module:
    """Return the shipped model of a case, or what a thief makes of it."""
    if not case["lr"]:
        return shipped(case["model"])
    theft = wm.theft.FineTune(epochs=EPOCHS, lr=float(case["lr"]), seed=int(case["seed"]))
    return theft(
        shipped(case["model"]), full(case["data"]).loot.take(range(int(case["loot"])))
    ).model


if __name__ == "__main__":
    table = _rows.Table(COMMAND, CASE, MEASURED, RESULTS)
    asked = cases(sys.argv[1:] or list(FOREIGN))
    table.fill(
        asked,
        lambda case: measure(taken(case), *(case[name] for name in CASE[:3])),
        still_true(table.known()),
    )
