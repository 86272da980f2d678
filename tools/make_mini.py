"""Make the small data sets that ship in `wmlearn/data/_files` from the full ones.

    python tools/make_mini.py

Each part becomes one PNG, with a hundred images per row in their original order, and each data set
gets one JSON file that says where every image came from. Running the script twice makes the same
bytes. If the draw ever changes, put the digest that this prints into `wmlearn/data/_sources.py`,
and retrain every model that was trained on the old images.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from PIL import Image

from wmlearn._display import picture
from wmlearn.data import _published, _shipped
from wmlearn.data._readers import cut
from wmlearn.data._sources import SOURCES, digest

ABOUT = (
    "Line r of labels and of original_indices belongs to row r of the picture. An index counts "
    "from 0 in the published "
    "training images (train, loot) or in the published test images (test). sha256 is taken over "
    "the pixels, "
    "(n, height, width, channels), and then the labels, one byte each."
)
PER_CLASS = {
    "mnist": {"train": 600, "loot": 200, "test": 200},
    "cifar10": {"train": 300, "loot": 100, "test": 100},
}
SEEDS = {"train": 1, "loot": 2, "test": 3}


def draw_parts(name: str) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return for each part the original positions, the images (n, h, w, c) and the labels."""
    x_train, x_test, y_train, y_test = _published.originals(name)
    train, loot = _published.owner_and_thief(y_train)
    pools = {"train": (x_train, y_train, train), "loot": (x_train, y_train, loot)}
    pools["test"] = (x_test, y_test, np.arange(len(y_test)))
    parts = {}
    for part, (images, labels, pool) in pools.items():
        count = PER_CLASS[name][part]
        chosen = pool[cut(labels[pool], lambda _, count=count: [count], SEEDS[part])[0]]
        parts[part] = chosen, images[chosen], labels[chosen]
    return parts


def check_no_duplicates(
    name: str, parts: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> None:
    """Stop if two images are identical, within a part or across parts."""
    images = [image.tobytes() for _, pixels, _ in parts.values() for image in pixels]
    if len(set(images)) < len(images):
        raise SystemExit(
            f"{name}: {len(images) - len(set(images))} images are there twice; choose another seed."
        )


def write_picture(name: str, part: str, pixels: np.ndarray) -> int:
    """Write one part as a PNG and return its size in bytes."""
    n, h, w, c = pixels.shape
    tiles = pixels.transpose(0, 3, 1, 2).reshape(n // _shipped.ACROSS, _shipped.ACROSS, c, h, w)
    path = _shipped.FOLDER / f"{name}-{part}.png"
    Image.fromarray(np.ascontiguousarray(picture(_shipped.mosaic(tiles)))).save(path, optimize=True)
    return path.stat().st_size


def rows(numbers: np.ndarray) -> list[str]:
    """Return the numbers as text, one line per row of the picture."""
    return [" ".join(map(str, row)) for row in numbers.reshape(-1, _shipped.ACROSS)]


def main() -> None:
    """Draw, write and describe both data sets."""
    for name in PER_CLASS:
        parts = draw_parts(name)
        check_no_duplicates(name, parts)
        card: dict[str, Any] = {"name": name, "about": ABOUT, "shape": SOURCES[name].shape}
        card |= {"classes": SOURCES[name].classes, "parts": {}}
        for part, (chosen, pixels, labels) in parts.items():
            size = write_picture(name, part, pixels)
            sha256 = digest(pixels, labels)
            print(
                f"{name}-{part}.png  {len(pixels):,} images  {size:,} bytes  sha256 of the pixels "
                f"and labels {sha256}"
            )
            card["parts"][part] = {
                "sha256": sha256,
                "labels": rows(labels),
                "original_indices": rows(chosen),
            }
        path = _shipped.FOLDER / f"{name}.json"
        path.write_bytes((json.dumps(card, indent=1) + "\n").encode())
        print(
            f"{name}.json  {path.stat().st_size:,} bytes  digest for SOURCES: "
            f"{_shipped.card_digest(card)}"
        )


if __name__ == "__main__":
    main()
