"""Measure the embedding stage: is every kind of trigger learnt, and what does it cost the task?

Three kinds of trigger, both label modes and three seeds, on the mini MNIST that ships; from a fresh
model (the paper's method) and from a trained one, at two rates. The unmarked twin has the same
initial weights and the same order of images. Every row is written as soon as it is known, and
existing rows are not measured again::

    OMP_NUM_THREADS=1 python benchmarks/embedding.py
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import _rows

import wmlearn as wm
from wmlearn.training.history import Fitted

RESULTS = _rows.FOLDER / "embedding.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/embedding.py"
MEASURED = ("epochs", "watermark_accuracy", "task_accuracy", "twin_accuracy", "complete")
CASE = ("trigger", "labels", "seed", "start")

TRIGGERS = {
    "Content": (wm.Content, 150),
    "Unrelated": (wm.Unrelated, 100),
    "Noise": (wm.Noise, 100),
}
SEEDS = (0, 1, 2)
# from a fresh model, from a trained one, from a trained one at a lower rate: that is not always
# enough
STARTS = {
    "scratch": wm.Schedule(),
    "continue": wm.Schedule(epochs=4),
    "gentle": wm.Schedule(epochs=3, max_lr=2e-3),
}


@functools.cache
def twin(seed: int) -> Fitted:
    """Return the network trained without triggers, once for each seed."""
    data = wm.load_data("mnist")
    return wm.fit(wm.small_cnn(data, seed=seed), data, seed=seed)


def measure(trigger: str, labels: str, seed: int, start: str) -> dict[str, object]:
    """Embed one trigger set and return the results."""
    data = wm.load_data("mnist")
    recipe, n = TRIGGERS[trigger]
    triggers = recipe(labels=labels)(data, n=n, key=wm.CLASSROOM_KEY, seed=seed)
    model = wm.small_cnn(data, seed=seed) if start == "scratch" else twin(seed).model
    marked = wm.embed(model, data, triggers, schedule=STARTS[start], seed=seed)
    return {
        "epochs": len(marked.history.epochs),
        "watermark_accuracy": round(marked.watermark_accuracy, 4),
        "task_accuracy": round(marked.task_accuracy, 4),
        "twin_accuracy": round(twin(seed).task_accuracy, 4),
        "complete": marked.complete,
    }


def cases() -> Iterator[dict[str, object]]:
    """Yield the cases to measure, seed by seed."""
    for seed, start, trigger, labels in itertools.product(
        SEEDS, STARTS, TRIGGERS, ("keyed", "fixed")
    ):
        yield {"trigger": trigger, "labels": labels, "seed": seed, "start": start}


if __name__ == "__main__":
    _rows.Table(COMMAND, CASE, MEASURED, RESULTS).fill(cases(), lambda case: measure(**case))
