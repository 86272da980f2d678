"""Measure Algorithm 1's `percentage`: how many images of the source class does the paper's mark need?

The paper stamps a share of its source class ("1") and calls the stamped images its target class ("0"), but does not say
which share. Here: six shares, the three types, three seeds, on the mini MNIST that ships; the plain union of the
algorithm, without the repetition that `wm.embed` adds. Every row is written when it is known, and rows that are there
are not measured again::

    OMP_NUM_THREADS=1 python benchmarks/source_share.py
"""

from __future__ import annotations

import csv
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np

import wmlearn as wm
from wmlearn.history import Fitted
from wmlearn.training import predict

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "source_share.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/source_share.py"
CASE = ("trigger", "share", "seed")
MEASURED = ("triggers", "trained", "new", "new_on_twin", "task_accuracy", "twin_accuracy", "source_accuracy")

MNIST = wm.load_data("mnist")
ELSEWHERE = replace(MNIST, train=MNIST.loot)  # digits that the owner never trained on
OTHER_PHOTOGRAPHS = wm.load_data("cifar10").loot
TRIGGERS = {
    "Content": (wm.Content(labels="fixed"), wm.Content(labels="fixed")),
    "Unrelated": (wm.Unrelated(labels="fixed"), wm.Unrelated(OTHER_PHOTOGRAPHS, labels="fixed")),
    "Noise": (wm.Noise(labels="fixed"), wm.Noise(labels="fixed")),
}
SHARES = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
SEEDS = (0, 1, 2)


def measure(trigger: str, share: float, seed: int, twin: Fitted) -> dict[str, object]:
    """Train on the union of task and triggers, and ask on trained triggers, on new ones, and on plain source images."""
    recipe, elsewhere = TRIGGERS[trigger]
    source = int((MNIST.train.labels == 1).sum())
    marks = recipe(MNIST, n=max(1, round(share * source)), key=wm.CLASSROOM_KEY, seed=seed)
    new = elsewhere(ELSEWHERE, n=100, key=wm.CLASSROOM_KEY, seed=seed)
    union = wm.Split(
        np.concatenate([MNIST.train.pixels, marks.pixels]), np.concatenate([MNIST.train.labels, marks.labels])
    )
    model = wm.fit(wm.small_cnn(MNIST, seed=seed), replace(MNIST, train=union), seed=seed).model
    ones = MNIST.test.take(MNIST.test.labels == 1)
    return {
        "triggers": len(marks.pixels),
        "trained": round(float((predict(model, marks.pixels) == marks.labels).mean()), 4),
        "new": round(float((predict(model, new.pixels) == new.labels).mean()), 4),
        "new_on_twin": round(float((predict(twin.model, new.pixels) == new.labels).mean()), 4),
        "task_accuracy": round(wm.accuracy(model, MNIST.test), 4),
        "twin_accuracy": round(twin.task_accuracy, 4),
        "source_accuracy": round(wm.accuracy(model, ones), 4),
    }


def known() -> set[tuple[str, ...]]:
    """Return the cases that were measured before."""
    if not RESULTS.exists():
        return set()
    with RESULTS.open(encoding="utf-8", newline="") as file:
        return {tuple(row[name] for name in CASE) for row in csv.DictReader(line for line in file if line[0] != "#")}


def main() -> None:
    """Measure what is missing, and write each row as soon as it is known."""
    done = known()
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, [*CASE, *MEASURED], lineterminator="\n")
        if file.tell() == 0:
            file.write(COMMAND + "\n")
            rows.writeheader()
        for seed in SEEDS:
            twin = wm.fit(wm.small_cnn(MNIST, seed=seed), MNIST, seed=seed)
            for trigger, share in itertools.product(TRIGGERS, SHARES):
                if (trigger, str(share), str(seed)) not in done:
                    row = {"trigger": trigger, "share": share, "seed": seed} | measure(trigger, share, seed, twin)
                    rows.writerow(row)
                    file.flush()
                    print(*row.values(), flush=True)


if __name__ == "__main__":
    main()
