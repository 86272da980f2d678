"""Shipped pools of images from other worlds: digits, photographs, text, textures."""

import functools

import numpy as np

from wmlearn._random import StableRng, stable_rng
from wmlearn._types import Pixels
from wmlearn.data.splits import Split, Splits, load_data
from wmlearn.triggers._alphabet import STREETS, word_mask

WORLDS = ("mnist", "cifar10", "text", "textures")
_COUNT, _CLASSES, _SIDE = 2000, 10, 64  # of text and textures


@functools.cache
def world(name: str) -> Splits:
    """Return a pool by its name; text and textures use whole numbers only, so never vary."""
    if name not in ("text", "textures"):
        return load_data(name)
    draw = {"text": _page, "textures": _texture}[name]
    rng = stable_rng(0)
    labels = np.arange(_COUNT) % _CLASSES
    pixels = np.stack([draw(rng, label) for label in labels.tolist()])
    return Splits(name, Split(pixels, labels))


def _texture(rng: StableRng, label: int) -> Pixels:
    """Return crossing stripes in two colours, uint8 (3, h, w); the class sets their width."""
    y, x = np.indices((_SIDE, _SIDE))
    across, down, back, up = rng.randint(1, 4, 4)
    width = 6 * (label + 3)  # wide enough to be visible at 8 x 8 pixels
    warp = (across * x + down * y) // width % 2
    weft = (back * x - up * y) // width % 2
    dark = rng.randint(0, 128, (3, 1, 1)).astype(np.uint8)
    return np.where(warp ^ weft, dark, dark + np.uint8(128))


def _page(rng: StableRng, label: int) -> Pixels:
    """Return three words in black on white, uint8 (1, h, w); the first is that of the class."""
    page = np.full((1, _SIDE, _SIDE), 255, np.uint8)
    for line, word in enumerate([label, *rng.randint(0, len(STREETS), 2)]):
        ink = word_mask(STREETS[word]).repeat(2, 0).repeat(2, 1)
        rows, columns = ink.shape
        top, left = 4 + 20 * line, rng.randint(0, _SIDE - columns)
        page[0, top : top + rows, left : left + columns][ink] = 0
    return page
