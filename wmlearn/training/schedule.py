"""How long a network is trained, and how fast."""

import math
from dataclasses import KW_ONLY, dataclass, replace

from wmlearn._checks import Checked, check_count, check_number, checked

BATCH = 256  # images; on MNIST large steps learn as well, and faster
FEW = 2000  # images; with fewer, an epoch would have too few of such steps
SMALL_BATCH = 32
MOST = 2**23  # values in a batch, 32 MB of floats: large images need smaller batches
RISE = 0.2  # the share of the cycle in which the learning rate rises


def _check_if_given(value: int | None, name: str) -> None:
    if value is not None:
        check_count(value, name, low=1)


@dataclass(frozen=True)
class Schedule(Checked):
    """How long and how fast to train: the learning rate rises in the first fifth, then falls.

    Parameters
    ----------
    epochs : passes through the training images, at least 1
    max_lr : the highest learning rate, above 0 and below 10; a training that continues after the
        schedule uses a tenth of it
    batch_size : images per step; smaller batches mean more steps per epoch. By default 256, or 32
        if there are fewer than 2,000 training images, or 256 of them take more than 32 MB as floats
    steps : the total number of steps, instead of `epochs`; rounded up to whole epochs

    Raises
    ------
    TypeError, ValueError
        If a value is of the wrong kind or range.

    Source
    ------
    Smith and Topin (2018), "Super-convergence".

    Examples
    --------
    >>> rate = Schedule(epochs=10, max_lr=0.005)
    >>> [round(rate(done), 5) for done in (0, 1, 2, 6, 10, 11)]
    [0.0002, 0.0026, 0.005, 0.0025, 0.0005, 0.0005]
    >>> Schedule(steps=500).on(6000).epochs
    21
    >>> [Schedule().on(6000, (3, side, side)).batch_size for side in (32, 64, 224)]
    [256, 256, 32]
    """

    epochs: int = checked(check_count, 8, low=1)
    max_lr: float = checked(check_number, 5e-3, above=0, below=10)
    batch_size: int | None = checked(_check_if_given, None)
    _: KW_ONLY
    steps: int | None = checked(_check_if_given, None)

    def on(self, images: int, shape: tuple[int, ...] = ()) -> "Schedule":
        """Return the schedule with epochs and batch size for so many images of shape (c, h, w)."""
        batch_size = self.batch_size
        if batch_size is None:
            fits = images >= FEW and BATCH * math.prod(shape) <= MOST
            batch_size = BATCH if fits else SMALL_BATCH
        epochs = self.epochs
        if self.steps is not None:
            epochs = math.ceil(self.steps / math.ceil(images / batch_size))
        return replace(self, epochs=epochs, batch_size=batch_size, steps=None)

    def __call__(self, done: float) -> float:
        """Return the learning rate after so many epochs, with fractions."""
        part = done / self.epochs
        if part >= 1:
            return self.max_lr / 10
        if part < RISE:
            return self.max_lr * (1 + 24 * part / RISE) / 25
        return self.max_lr * (1 + math.cos(math.pi * (part - RISE) / (1 - RISE))) / 2
