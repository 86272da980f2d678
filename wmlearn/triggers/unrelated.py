"""Unrelated data as a trigger: images from another world, made to fit the task."""

from dataclasses import dataclass

import numpy as np

from wmlearn._checks import check_kind, checked
from wmlearn._random import StableRng
from wmlearn._types import Pixels
from wmlearn.data.splits import Split, Splits, load_data
from wmlearn.triggers.trigger import Trigger

FOREIGN = {"mnist": "cifar10", "cifar10": "mnist"}  # where `Unrelated` finds its images


def _check_pool(pool: Split | None, name: str) -> None:
    if pool is None:
        return
    check_kind(pool, name, Split, "as wm.data.Split.from_images makes one")
    if not len(pool):
        raise ValueError("pool must hold at least one image; got none. Look at what chose them.")


@dataclass(frozen=True, eq=False)
class Unrelated(Trigger):
    """Take images from another world: digits for a model of objects, objects for one of digits.

    Keyed, each image is one question. Fixed, all come from the class `source` of that other world.

    Parameters
    ----------
    pool : a `Split` to draw from; by default the training part of the other data set, made to fit

    Source
    ------
    Zhang et al., ASIACCS 2018, WM_unrelated (the paper's MNIST model was shown letters).
    """

    pool: Split | None = checked(_check_pool, None)

    def _hidden(self) -> set[str]:
        return super()._hidden() | {"pool"}

    @property
    def own_source(self) -> None:
        """None: `source` is a class of the other world."""

    def make_for(self, data: Splits, n: int, rng: StableRng) -> Pixels:
        """Draw from the pool, and make the images fit the task."""
        pool = self.pool
        if pool is None:
            if data.name not in FOREIGN:
                raise ValueError(
                    f"unrelated images are known for {', '.join(FOREIGN)}; got {data.name!r}. "
                    "Give pool=."
                )
            pool = load_data(FOREIGN[data.name]).train
        return fit_pixels(self.draw(self.candidates(pool), n, rng).pixels, data.shape)


def fit_pixels(pixels: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """Make images fit a task: grey or colour, then cropped or padded with black around the middle.

    Parameters
    ----------
    pixels : uint8, shape (n, c, h, w)
    shape : (c, h, w) of the task, c being 1 or 3

    Returns
    -------
    Pixels, shape (n, *shape). Grey is the luminance of ITU-R BT.601.

    Raises
    ------
    ValueError
        If the images have neither the task's number of channels nor 1 or 3 that can be turned into
        it.
    """
    channels, height, width = shape
    if pixels.shape[1] == 3 and channels == 1:
        gray = np.einsum("nchw,c->nhw", pixels.astype(np.float64), [0.299, 0.587, 0.114])
        pixels = np.round(gray).astype(np.uint8)[:, None]
    elif pixels.shape[1] == 1 and channels == 3:
        pixels = np.repeat(pixels, 3, axis=1)
    if pixels.shape[1] != channels:
        raise ValueError(
            f"pool must have images of {channels} channels (grey and colour are made to fit); "
            f"got {pixels.shape[1]} channels. Choose some: wm.data.Split(pool.pixels[:, :1], "
            "pool.labels)."
        )
    size = np.array((height, width))
    rim = (max(0, *(size - pixels.shape[2:])) + 1) // 2
    padded = np.pad(pixels, ((0, 0), (0, 0), (rim, rim), (rim, rim)))
    top, left = (padded.shape[2:] - size) // 2
    return np.ascontiguousarray(padded[:, :, top : top + height, left : left + width])
