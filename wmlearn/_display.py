"""How results look: a small table, the colours, numbers for people.

Knows arrays and strings, nothing of the field.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wmlearn._types import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette (2008): told apart under every common colour blindness.
BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
)


def html_table(title: str, rows: Mapping[str, object]) -> str:
    """Return a two-column HTML table, everything escaped."""
    body = "".join(
        f"<tr><th scope='row' style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    caption = f"<caption style='text-align:left;font-weight:bold;white-space:nowrap'>{html.escape(title)}</caption>"
    return f"<table>{caption}<tbody>{body}</tbody></table>"


def percent(fraction: float, digits: int = 1) -> str:
    """Return 0.9876 as '98.8 %', and NaN in words.

    Examples
    --------
    >>> percent(0.9876), percent(float("nan"))
    ('98.8 %', 'not measured')
    """
    return "not measured" if math.isnan(fraction) else f"{100 * fraction:.{digits}f} %"


def plural(count: int, noun: str) -> str:
    """Return '1 question', '30 questions'."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def picture(pixels: Pixels) -> np.ndarray:
    """Return one image (c, h, w) as matplotlib and Pillow want it: (h, w) for grey, (h, w, 3) for
    colour.
    """
    return pixels[0] if pixels.shape[0] == 1 else pixels.transpose(1, 2, 0)


def png_uri(pixels: Pixels) -> str:
    """Return one image (c, h, w), uint8, as a PNG in a data: address, for HTML that must not fetch
    anything.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture(pixels))).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def mosaic(
    pixels: Pixels, captions: Sequence[str], ax: Axes | None = None, *, columns: int = 6
) -> Axes:
    """Draw images (n, c, h, w) side by side on one pair of axes, each with its caption below;
    return the axes.
    """
    import matplotlib.pyplot as plt

    count, channels, height, width = pixels.shape
    rows = -(-count // columns)
    lines = 1 + max(caption.count("\n") for caption in captions)
    cell_h, cell_w = height + 4 + 6 * lines, width + 4  # room for the caption, and a gap
    canvas = np.full((rows * cell_h, columns * cell_w, 3), 255, np.uint8)
    if ax is None:
        _, ax = plt.subplots(figsize=(1.1 * columns, (11 + 2 * lines) / 10 * rows))
    for i in range(count):
        top, left = i // columns * cell_h, i % columns * cell_w + 2
        image = picture(pixels[i])
        canvas[top : top + height, left : left + width] = (
            image[..., None] if channels == 1 else image
        )
        ax.text(left + width / 2, top + height + 1, captions[i], ha="center", va="top", fontsize=8)
    ax.imshow(canvas, interpolation="nearest")
    ax.set_axis_off()
    return ax
