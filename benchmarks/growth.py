"""Measure how cost grows: with images, triggers, classes, image size and queries.

Each curve varies one size and keeps the rest constant. Each point is the fastest of three runs, in
processor seconds, on one thread, on images of noise: what is learnt does not matter here. Each
curve has an exponent, the slope of the straight line through log(seconds) over log(size), without
the
smallest size; 1 is linear. The columns::

    act         epoch (of `wm.fit`), embed (two epochs, triggers included), accuracy, seal (a
                `TriggerSet` of noise), verify (a `wm.BlackBox`), ask (`wm.RemoteModel` and
                `wm.serve`, both in one process), tilt (a `Tilt` with three linear references), open
                (`open_evidence`), judge (named questions, opened), compare (`wm.verify` beside
                null models), verify_all (many suspects, one seal)
    over        what grows: images, triggers, classes, pixels (of an image), queries, nulls or
                suspects
    size        how large it is
    seconds     of the processor
    exponent    of the curve, in each of its rows

It takes a few minutes. To measure some curves only, name what grows; the other rows stay::

    OMP_NUM_THREADS=1 python benchmarks/growth.py
    OMP_NUM_THREADS=1 python benchmarks/growth.py nulls suspects
"""

from __future__ import annotations

import os

os.environ["TQDM_DISABLE"] = "1"

import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from _rows import FOLDER, Table

import wmlearn as wm
from wmlearn.data import Split
from wmlearn.evidence import TriggerSet, commitment

COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/growth.py"
TABLE = Table(COMMAND, ("act", "over", "size"), ("seconds", "exponent"), FOLDER / "growth.csv")
RUNS = 3


@dataclass(frozen=True)
class Sizes:
    """One task, on which the acts are measured."""

    images: int = 2000
    triggers: int = 100
    classes: int = 10
    pixels: int = 784
    queries: int = 1000
    nulls: int = 0
    suspects: int = 1

    @cached_property
    def data(self) -> wm.Splits:
        side = round(self.pixels**0.5)
        rng = np.random.RandomState(0)
        counts = {"train": self.images, "loot": 20, "test": 20}
        parts = []
        for count in counts.values():
            pixels = rng.randint(0, 256, (count, 1, side, side)).astype(np.uint8)
            parts.append(Split(pixels, np.arange(count) % self.classes))
        return wm.Splits("noise", *parts, tuple(map(str, range(self.classes))))

    @cached_property
    def model(self) -> torch.nn.Module:
        return wm.small_cnn(self.data)

    @cached_property
    def sealed(self) -> TriggerSet:
        return self.seal()

    @cached_property
    def folder(self) -> Path:
        return wm.evidence.save_evidence(self.sealed, tempfile.mkdtemp())

    def seal(self) -> TriggerSet:
        commitment.label_seed.cache_clear()  # as in a process that has not seen this seal
        return wm.Noise()(self.data, n=self.triggers, key=wm.CLASSROOM_KEY)

    def epoch(self) -> None:
        wm.fit(self.model, self.data, schedule=wm.Schedule(epochs=1, batch_size=50))

    def embed(self) -> None:
        two = wm.Schedule(epochs=2, batch_size=50)
        stop = lambda epoch: epoch.epoch == 2  # noqa: E731
        wm.embed(self.model, self.data, self.sealed, schedule=two, on_epoch=stop)

    def accuracy(self) -> None:
        wm.accuracy(self.model, self.data.train)

    def verify(self) -> None:
        wm.verify(wm.BlackBox(self.model), self.sealed)

    def compare(self) -> None:
        boxes = [wm.BlackBox(self.model) for _ in range(self.nulls)]
        wm.verify(wm.BlackBox(self.model), self.sealed, nulls=boxes)

    def verify_all(self) -> None:
        boxes = {str(number): wm.BlackBox(self.model) for number in range(self.suspects)}
        wm.verify_all(boxes, self.sealed)

    def tilt(self) -> None:
        sizes = self.pixels, self.classes
        models = [torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(*sizes)) for _ in "123"]
        wm.watermarks.Tilt()(self.data, references=models, key=wm.CLASSROOM_KEY)

    def ask(self) -> None:
        images = np.resize(self.data.train.images, (self.queries, *self.data.shape))
        with wm.serve(self.model) as service, wm.RemoteModel(service.url) as suspect:
            suspect(images)

    def open(self) -> None:
        commitment.label_seed.cache_clear()
        wm.evidence.open_evidence(self.folder)

    def judge(self) -> None:
        named = range(self.sealed.n)
        opened = wm.evidence.open_questions(self.sealed, named)
        suspect = wm.BlackBox(self.model)
        commitment.label_seed.cache_clear()
        wm.evidence.judge(suspect, opened, seal=self.sealed.seal, named=named)


CURVES = {
    "images": ((500, 1000, 2000, 4000, 8000), ("epoch", "embed", "accuracy", "tilt")),
    "triggers": (
        (100, 200, 400, 800, 1600),
        ("seal", "embed", "verify", "open", "judge"),
    ),
    "classes": ((10, 20, 50, 100, 200), ("epoch", "seal", "verify", "judge")),
    "pixels": (
        (784, 1600, 3136, 6400, 12544),
        ("epoch", "accuracy", "seal", "verify", "open", "judge", "tilt"),
    ),
    "queries": ((500, 1000, 2000, 4000, 8000), ("ask",)),
    "nulls": ((5, 10, 20, 40, 80), ("compare",)),
    "suspects": ((5, 10, 20, 40, 80), ("verify_all",)),
}


def seconds(act: Callable[[], object]) -> float:
    """Return the least processor time of a few runs, after a warm-up run."""
    act()
    found = []
    for _ in range(RUNS):
        start = time.process_time()
        act()
        found.append(time.process_time() - start)
    return min(found)


def exponent(sizes: Sequence[int], taken: Sequence[float]) -> float:
    """Return the slope of log(seconds) over log(size), without the smallest size.

    Examples
    --------
    >>> round(exponent([1, 10, 100, 1000], [9.0, 2.0, 20.0, 200.0]), 3)
    1.0
    """
    return float(np.polyfit(np.log(sizes[1:]), np.log(taken[1:]), 1)[0])


def rows(over: str) -> Iterator[dict[str, object]]:
    """Measure the curves for one size that grows, and yield their rows."""
    sizes, acts = CURVES[over]
    tasks = [replace(Sizes(), **{over: size}) for size in sizes]
    for act in acts:
        taken = [seconds(getattr(task, act)) for task in tasks]
        slope = f"{exponent(sizes, taken):.2f}"
        print(act, over, slope, *(f"{each:.3f}" for each in taken), flush=True)
        for size, each in zip(sizes, taken):
            case = {"act": act, "over": over, "size": size}
            yield {**case, "seconds": f"{each:.4f}", "exponent": slope}


def main(names: Sequence[str]) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # few triggers are too few for a judge
    for over in names or CURVES:
        for row in rows(over):
            TABLE.put(row)


if __name__ == "__main__":
    main(sys.argv[1:])
