"""The mini data sets: one PNG per part, with 100 images in a row, and a JSON description."""

import hashlib
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from wmlearn._files import readable
from wmlearn._types import Pixels
from wmlearn.data._sources import SOURCES, Stored, digest, expect

FOLDER = Path(__file__).parent / "_files"
PARTS = ("train", "loot", "test")
ACROSS = 100  # images in one row of a PNG


def read(name: str) -> list[Stored]:
    """Return images and labels of train, loot and test, each checked against its SHA-256."""
    path = FOLDER / f"{name}.json"
    with _intact(path):
        card = json.loads(path.read_text("utf-8"))
        expect(card_digest(card), SOURCES[name].mini)
    parts = []
    for part in PARTS:
        path = FOLDER / f"{name}-{part}.png"
        with _intact(path):
            parts.append(read_part(path, card["parts"][part], SOURCES[name].shape))
    return parts


def _intact(path: Path) -> AbstractContextManager[None]:
    return readable(
        f"{path} should be the file that wmlearn ships",
        "Reinstall it with: pip install --force-reinstall --no-deps wmlearn",
    )


def read_part(path: Path, card: dict[str, Any], shape: tuple[int, int, int]) -> Stored:
    """Return images and labels of one part, checked against its SHA-256."""
    from PIL import Image

    c, h, w = shape
    with Image.open(path) as image:
        rows = np.asarray(image).reshape(-1, h, ACROSS, w, c)
    pixels = rows.swapaxes(1, 2).reshape(-1, h, w, c)
    labels = np.array(" ".join(card["labels"]).split(), dtype=np.uint8)
    expect(digest(pixels, labels), card["sha256"])
    return pixels, labels


def mosaic(tiles: Pixels) -> Pixels:
    """Return images (rows, columns, c, h, w) in a grid, as one (c, rows * h, columns * w)."""
    rows, columns, c, h, w = tiles.shape
    return tiles.transpose(2, 0, 3, 1, 4).reshape(c, rows * h, columns * w)


def card_digest(card: dict[str, Any]) -> str:
    """Return the SHA-256 of a description's content, not of the file: git may change line ends."""
    return hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()
