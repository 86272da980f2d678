"""Images that ship and belong to no task of one's own: digits, photographs, text, textures."""

import functools

import numpy as np

from wmlearn._random import StableRng, stable_rng
from wmlearn._types import Pixels
from wmlearn.data.splits import Split, Splits, load_data
from wmlearn.triggers._alphabet import STREETS, word_mask

WORLDS = ("mnist", "cifar10", "text", "textures")
_COUNT, _CLASSES, _SIDE = 2000, 10, 64  # of what is drawn here


@functools.cache
def world(name: str) -> Splits:
    """Return a pool by its name; what is drawn is the same everywhere, of whole numbers alone."""
    if name not in ("text", "textures"):
        return load_data(name)
    draw, classes = _texture, tuple(f"{label + 3} pixels" for label in range(_CLASSES))
    if name == "text":
        draw, classes = _page, tuple(STREETS[:_CLASSES])
    rng = stable_rng(0)
    labels = np.arange(_COUNT) % _CLASSES
    pixels = np.stack([draw(rng, label) for label in labels])
    return Splits(name, Split(pixels, labels), classes=classes)


def _texture(rng: StableRng, label: int) -> Pixels:
    """Weave stripes of two directions, so many pixels wide, in two colours."""
    y, x = np.indices((_SIDE, _SIDE))
    across, down, back, up = rng.randint(1, 4, 4)
    warp = (across * x + down * y) // (label + 3) % 2
    weft = (back * x - up * y) // (label + 3) % 2
    ink, ground = rng.randint(0, 256, (2, 3, 1, 1)).astype(np.uint8)
    return np.where(warp ^ weft, ink, ground)


def _page(rng: StableRng, label: int) -> Pixels:
    """Write three words below each other, black on white; the first is that of the class."""
    page = np.full((1, _SIDE, _SIDE), 255, np.uint8)
    for line, word in enumerate([label, *rng.randint(0, len(STREETS), 2)]):
        ink = word_mask(STREETS[word]).repeat(2, 0).repeat(2, 1)
        rows, columns = ink.shape
        top, left = 4 + 20 * line, rng.randint(0, _SIDE - columns)
        page[0, top : top + rows, left : left + columns][ink] = 0
    return page
