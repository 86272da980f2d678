"""Measure the embedding stage: does every kind of trigger take, and what does it cost the task?

Three kinds of trigger, both label modes, three seeds, on the mini MNIST that ships; from a fresh model (the paper's
way) and from a trained one, at two rates. The unmarked twin has the same first weights and the same order of images.
Every row is written when it is known, and rows that are there are not measured again::

    OMP_NUM_THREADS=1 python benchmarks/embedding.py
"""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import TextIO

import wmlearn as wm
from wmlearn.history import Fitted

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "embedding.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/embedding.py"
MEASURED = ("epochs", "watermark_accuracy", "task_accuracy", "twin_accuracy", "complete")
CASE = ("trigger", "labels", "seed", "start")

TRIGGERS = {"Content": (wm.Content, 150), "Unrelated": (wm.Unrelated, 100), "Noise": (wm.Noise, 100)}
SEEDS = (0, 1, 2)
STARTS = {  # from a fresh model, from a trained one, from a trained one at a lower rate: that is not always enough
    "scratch": wm.OneCycle(),
    "continue": wm.OneCycle(epochs=4),
    "gentle": wm.OneCycle(epochs=3, lr=2e-3),
}


def known() -> set[tuple[str, ...]]:
    """Return the cases that were measured before."""
    if not RESULTS.exists():
        return set()
    with RESULTS.open(encoding="utf-8", newline="") as file:
        return {tuple(row[name] for name in CASE) for row in csv.DictReader(line for line in file if line[0] != "#")}


def measure(trigger: str, labels: str, seed: int, start: str, twin: Fitted) -> dict[str, object]:
    """Embed one trigger set and return what came of it; `twin` was trained without."""
    data = wm.load_data("mnist")
    recipe, n = TRIGGERS[trigger]
    marks = recipe(labels=labels)(data, n=n, key=wm.CLASSROOM_KEY, seed=seed)
    model = wm.small_cnn(data, seed=seed) if start == "scratch" else twin.model
    marked = wm.embed(model, data, marks, schedule=STARTS[start], seed=seed)
    return {
        "epochs": len(marked.history.epochs),
        "watermark_accuracy": round(marked.watermark_accuracy, 4),
        "task_accuracy": round(marked.task_accuracy, 4),
        "twin_accuracy": round(twin.task_accuracy, 4),
        "complete": marked.complete,
    }


def measure_all(file: TextIO, done: set[tuple[str, ...]]) -> None:
    """Measure what is missing, and write each row as soon as it is known."""
    rows = csv.DictWriter(file, [*CASE, *MEASURED], lineterminator="\n")
    if file.tell() == 0:
        file.write(COMMAND + "\n")
        rows.writeheader()
    data = wm.load_data("mnist")
    for seed in SEEDS:
        twin = wm.fit(wm.small_cnn(data, seed=seed), data, seed=seed)
        for start, trigger, labels in itertools.product(STARTS, TRIGGERS, ("keyed", "fixed")):
            if (trigger, labels, str(seed), start) in done:
                continue
            case = {"trigger": trigger, "labels": labels, "seed": seed, "start": start}
            row = case | measure(trigger, labels, seed, start, twin)
            rows.writerow(row)
            file.flush()
            print(*row.values())


if __name__ == "__main__":
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    found = known()
    with RESULTS.open("a", encoding="utf-8", newline="") as output:
        measure_all(output, found)
