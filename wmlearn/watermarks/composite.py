"""Composite triggers: questions close to the images that thieves send when they copy a service.

How well they work: `docs/results/countermeasures.csv`, and lesson 10.
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from wmlearn._checks import check_count, checked
from wmlearn._random import StableRng
from wmlearn._types import Pixels
from wmlearn.data.splits import Split, Splits
from wmlearn.triggers.trigger import Made, Trigger


@dataclass(frozen=True, eq=False)
class Composite(Trigger):
    """A trigger that joins the upper half of one class with the lower half of another class.

    A pair of classes is one question with one answer, shown on n / pairs different images. With few
    images per pair a network memorises the images; with hundreds it learns the pair.

    Parameters
    ----------
    pairs : the number of ordered pairs of different classes, at least 2; `n` must be at least as
        large
    labels : only "keyed"

    Source
    ------
    Lv et al. (2024), "MEA-Defender", whose composites are of two source classes and share one
    target class; Lin et al. (2020), "Composite backdoor attack". Here every pair has an answer of
    its own, drawn at random from the seal.

    Examples
    --------
    >>> import wmlearn as wm
    >>> triggers = Composite(pairs=10)(wm.load_data("mnist"), n=40, key=wm.CLASSROOM_KEY)
    >>> triggers.recipe, triggers.n, triggers.seal[:8]
    ('Composite(pairs=10)', 10, '8c04171a')
    """

    pairs: int = checked(
        check_count, 30, low=2, why="a pair is one question, and one question proves nothing"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels != "keyed":
            raise ValueError(
                "labels must be 'keyed' for pairs, as each has its own random label; got "
                "'fixed'. Leave labels out."
            )

    def make_for(self, data: Splits, n: int, rng: StableRng) -> Made:
        """Return the joined images, the question of each, and one name per pair of classes."""
        split = data.train
        present = np.unique(split.labels)
        every = list(permutations(present, 2))
        why = f"{len(present)} classes make {len(every)} pairs"
        check_count(self.pairs, "pairs", low=2, high=len(every), why=why)
        check_count(n, "n", low=self.pairs, why=f"{self.pairs} pairs need an image each")
        question = np.sort(np.arange(n) % self.pairs)
        middle = data.shape[1] // 2
        joined, names = [], []
        for pair, size in zip(rng.permutation(len(every)), np.bincount(question).tolist()):
            above, below = every[pair]
            upper = _drawn(split, above, size, rng)
            lower = _drawn(split, below, size, rng)
            lower[:, :, :middle] = upper[:, :, :middle]
            joined.append(lower)
            names.append(f"{data.classes[above]} over {data.classes[below]}")
        return np.concatenate(joined), question, names


def _drawn(split: Split, label: int, size: int, rng: StableRng) -> Pixels:
    """Return different random images of a class."""
    rows = np.flatnonzero(split.labels == label)
    why = f"class {label} has {len(rows):,} images"
    check_count(size, "n / pairs", low=1, high=len(rows), why=why)
    return split.take(rng.permutation(rows)[:size]).pixels
