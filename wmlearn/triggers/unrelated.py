"""Unrelated images as a trigger: images from another world, resized to fit the task."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wmlearn._checks import check_kind, checked
from wmlearn._forms import resized
from wmlearn._random import StableRng
from wmlearn._types import Pixels
from wmlearn.data import _readers
from wmlearn.data.splits import Split, Splits
from wmlearn.triggers._worlds import WORLDS, world
from wmlearn.triggers.trigger import Trigger

FOREIGN = {"mnist": "cifar10", "cifar10": "mnist"}  # the pool of `Unrelated`, by task
OWN = "textures"  # the pool for all other tasks
FOLDER_SIDE = 64  # pixels; images of a folder are resized to this height and width
_RIM = 4  # pixels that are cropped or padded: no resizing between 28 and 32


def _check_pool(pool: Any, name: str) -> None:
    if pool is None or isinstance(pool, (str, Path)):
        return
    check_kind(pool, name, Split, "a folder, or one of " + ", ".join(map(repr, WORLDS)))
    if not len(pool):
        raise ValueError("pool must hold at least one image; got none. Check how it was made.")


@dataclass(frozen=True, eq=False)
class Unrelated(Trigger):
    """A trigger of images from another world: digits for a model of objects, and vice versa.

    With keyed labels, each image is one question. With fixed labels, all images come from the class
    `source` of the other world.

    Parameters
    ----------
    pool : the source of the images: "mnist", "cifar10", "text" or "textures", which ship; a folder
        of images; or a `Split`. By default photographs for digits, digits for photographs, and
        textures for a task of your own. Images are resized to fit the task

    Source
    ------
    Zhang et al., ASIACCS 2018, WM_unrelated (the paper shows letters to its MNIST model).

    Examples
    --------
    >>> Unrelated(), Unrelated(pool="text")
    (Unrelated(), Unrelated(pool='text'))
    """

    pool: Split | str | Path | None = checked(_check_pool, None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.pool, (str, Path)) and self.pool not in WORLDS:
            pixels = _readers.pool(self.pool, (FOLDER_SIDE, FOLDER_SIDE))
            part = Split(pixels, np.zeros(len(pixels), np.int64))
            object.__setattr__(self, "pool", part)

    def _hidden(self) -> set[str]:
        hidden = super()._hidden()
        if self.pool is None:
            hidden.add("pool")
        return hidden

    def _for(self, data: Splits) -> Trigger:
        if self.pool is None and data.name not in FOREIGN:
            return replace(self, pool=OWN)
        return self

    @property
    def own_source(self) -> None:
        """Always None: `source` is a class of the other world."""

    def make_for(self, data: Splits, n: int, rng: StableRng) -> Pixels:
        """Return random images of the pool that fit the task, uint8, shape (n, c, h, w)."""
        pool = self.pool or FOREIGN.get(data.name, OWN)
        if not isinstance(pool, Split):
            pool = world(str(pool)).train
        return fit_pixels(self.draw(self.candidates(pool), n, rng).pixels, data.shape)


def fit_pixels(pixels: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """Return images in the shape of a task: converted between grey and RGB, then cut or resized.

    If no side differs by more than four pixels, images are cropped, or padded with black, around
    their centre; otherwise they are resized.

    Parameters
    ----------
    pixels : uint8, shape (n, c, h, w)
    shape : the shape (c, h, w) of the task, with c 1 or 3

    Returns
    -------
    array of uint8, shape (n, *shape)
        Grey is the luminance of ITU-R BT.601.

    Raises
    ------
    ValueError
        If the number of channels cannot be converted to that of the task.
    """
    channels, height, width = shape
    if pixels.shape[1] == 3 and channels == 1:
        gray = np.einsum("nchw,c->nhw", pixels.astype(np.float64), [0.299, 0.587, 0.114])
        pixels = np.round(gray).astype(np.uint8)[:, None]
    elif pixels.shape[1] == 1 and channels == 3:
        pixels = np.repeat(pixels, 3, axis=1)
    if pixels.shape[1] != channels:
        raise ValueError(
            f"pool must have images of {channels} channels (grey and RGB are converted); got "
            f"{pixels.shape[1]} channels. Choose some: wm.data.Split(pool.pixels[:, :1], "
            "pool.labels)."
        )
    size = np.array((height, width))
    if abs(size - pixels.shape[2:]).max() > _RIM:
        return resized(pixels, (height, width))
    rim = (max(0, *(size - pixels.shape[2:])) + 1) // 2
    padded = np.pad(pixels, ((0, 0), (0, 0), (rim, rim), (rim, rim)))
    top, left = (padded.shape[2:] - size) // 2
    return np.ascontiguousarray(padded[:, :, top : top + height, left : left + width])
