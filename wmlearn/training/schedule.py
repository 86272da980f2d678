"""How long a network is trained, and how fast."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wmlearn._checks import check_count, check_number

if TYPE_CHECKING:
    pass


Rate = Callable[[float], float]  # learning rate after so many epochs, fractions included


BATCH = 256  # images; MNIST learns as well in larger steps, and that is faster


RISE = 0.2  # the part of the one cycle in which the learning rate rises


@dataclass(frozen=True)
class Schedule:
    """How long to train and how fast: the learning rate rises for a fifth of the epochs, then falls
    to nothing.

    Parameters
    ----------
    epochs : how often every image is seen, at least 1
    max_lr : the highest learning rate; should the training go on after the cycle, it does so at a
        tenth of it
    batch_size : how many images it looks at before each change of the weights; the fewer, the more
        changes an epoch

    Source
    ------
    Smith and Topin (2018), "Super-convergence".

    Examples
    --------
    >>> rate = Schedule(epochs=10, max_lr=0.005)
    >>> [round(rate(done), 5) for done in (0, 1, 2, 6, 10, 11)]
    [0.0002, 0.0026, 0.005, 0.0025, 0.0005, 0.0005]
    """

    epochs: int = 8
    max_lr: float = 5e-3
    batch_size: int = BATCH

    def __post_init__(self) -> None:
        check_count(self.epochs, "epochs", low=1)
        check_number(self.max_lr, "max_lr", above=0, below=10)
        check_count(self.batch_size, "batch_size", low=1)

    def __call__(self, done: float) -> float:
        """Return the learning rate after so many epochs, fractions included."""
        part = done / self.epochs
        if part >= 1:
            return self.max_lr / 10
        if part < RISE:
            return self.max_lr * (1 + 24 * part / RISE) / 25
        return self.max_lr * (1 + math.cos(math.pi * (part - RISE) / (1 - RISE))) / 2
