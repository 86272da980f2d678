"""How long a network is trained, and how fast."""

import math
from dataclasses import dataclass

from wmlearn._checks import Checked, check_count, check_number, checked

BATCH = 256  # images; MNIST learns as well in larger steps, and that is faster
RISE = 0.2  # the part of the one cycle in which the learning rate rises


@dataclass(frozen=True)
class Schedule(Checked):
    """How long to train and how fast: the learning rate rises for a fifth of it, then falls.

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

    epochs: int = checked(check_count, 8, low=1)
    max_lr: float = checked(check_number, 5e-3, above=0, below=10)
    batch_size: int = checked(check_count, BATCH, low=1)

    def __call__(self, done: float) -> float:
        """Return the learning rate after so many epochs, fractions included."""
        part = done / self.epochs
        if part >= 1:
            return self.max_lr / 10
        if part < RISE:
            return self.max_lr * (1 + 24 * part / RISE) / 25
        return self.max_lr * (1 + math.cos(math.pi * (part - RISE) / (1 - RISE))) / 2
