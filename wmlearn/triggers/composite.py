"""`Composite`: questions inside the world that a thief walks through who copies a model through its
prediction API.

What it is worth: `docs/results/countermeasures.csv`, and lesson 09.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from wmlearn._checks import check_count
from wmlearn._random import StableRng
from wmlearn._types import Labels, Pixels
from wmlearn.data.splits import Split, Splits
from wmlearn.triggers.trigger import Trigger


@dataclass(frozen=True, eq=False)
class Composite(Trigger):
    """Put the upper half of an image of one class over the lower half of one of another.

    A pair of classes is one question with one answer, shown on n / pairs different images. With few
    of them a network learns the images by heart; with hundreds it learns the pair.

    Parameters
    ----------
    pairs : how many ordered pairs of different classes; `n` must give each at least one image

    Source
    ------
    Lv et al. (2024), "MEA-Defender", whose composites are of two source classes and share one
    target class; Lin et al. (2020), "Composite backdoor attack". Here every pair has an answer of
    its own, drawn by lot from the seal.

    Examples
    --------
    >>> import wmlearn as wm
    >>> triggers = Composite(pairs=10)(wm.load_data("mnist"), n=40, key=wm.CLASSROOM_KEY)
    >>> triggers
    TriggerSet(Composite(pairs=10): 40 images, 10 questions, alpha=0.001, seal 8c04171a…, classroom
    key)
    """

    pairs: int = 30

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(
            self.pairs,
            "pairs",
            low=2,
            why="a pair is one question, and one question proves nothing",
        )
        if self.labels != "keyed":
            raise ValueError(
                "labels must be 'keyed' for pairs, an answer drawn by lot for each; got 'fixed'. "
                "Leave labels out."
            )

    def make_for(self, data: Splits, n: int, rng: StableRng) -> tuple[Pixels, Labels, list[str]]:
        """Join halves; a question is named after both classes."""
        split = data.train
        present = np.unique(split.labels)
        every = list(permutations(present, 2))
        check_count(
            self.pairs,
            "pairs",
            low=2,
            high=len(every),
            why=f"{len(present)} classes make {len(every)} pairs",
        )
        check_count(n, "n", low=self.pairs, why=f"{self.pairs} pairs need an image each")
        pairs = [every[i] for i in rng.permutation(len(every))[: self.pairs]]
        pair_of = np.sort(np.arange(n) % self.pairs)
        upper, lower = [], []
        for (above, below), size in zip(pairs, np.bincount(pair_of)):
            upper.append(_drawn(split, above, size, rng))
            lower.append(_drawn(split, below, size, rng))
        joined, middle = np.concatenate(lower), data.shape[1] // 2
        joined[:, :, :middle] = np.concatenate(upper)[:, :, :middle]
        return joined, pair_of, [f"{data.classes[a]} over {data.classes[b]}" for a, b in pairs]


def _drawn(split: Split, label: int, size: int, rng: StableRng) -> Pixels:
    """Draw different images of a class."""
    rows = np.flatnonzero(split.labels == label)
    check_count(
        int(size), "n / pairs", low=1, high=len(rows), why=f"class {label} has {len(rows):,} images"
    )
    return split.pixels[rng.permutation(rows)[:size]]
