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
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILLION, SKY, PURPLE = "#D55E00", "#56B4E9", "#CC79A7"


def html_table(title: str, rows: Mapping[str, object]) -> str:
    """Return a two-column HTML table, everything escaped."""
    left = "style='text-align:left'"
    body = ""
    for name, value in rows.items():
        cell = html.escape(str(value))
        body += f"<tr><th scope='row' {left}>{html.escape(name)}</th><td {left}>{cell}</td></tr>"
    style = "text-align:left;font-weight:bold;white-space:nowrap"
    caption = f"<caption style='{style}'>{html.escape(title)}</caption>"
    return f"<table>{caption}<tbody>{body}</tbody></table>"


def percent(fraction: float, digits: int = 1) -> str:
    """Return 0.9876 as '98.8 %', and NaN in words.

    Examples
    --------
    >>> percent(0.9876), percent(float("nan"))
    ('98.8 %', 'not measured')
    """
    if math.isnan(fraction):
        return "not measured"
    return f"{100 * fraction:.{digits}f} %"


def plural(count: int, noun: str) -> str:
    """Return '1 question', '30 questions'."""
    ending = "" if count == 1 else "s"
    return f"{count:,} {noun}{ending}"


def large(count: int) -> str:
    """Return a whole number, a very large one by its power of ten: '1,000', 'about 10^507'."""
    if count < 10**15:
        return f"{count:,}"
    return f"about 10^{math.log10(count):.0f}"


def picture(pixels: Pixels) -> Pixels:
    """Return one image (c, h, w) as matplotlib and Pillow want it: (h, w) if grey, or (h, w, 3)."""
    if len(pixels) == 1:
        return pixels.squeeze(axis=0)
    return pixels.transpose(1, 2, 0)


def png_uri(pixels: Pixels) -> str:
    """Return one image (c, h, w) as a PNG in a data: address, for HTML that must fetch nothing."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture(pixels))).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def mosaic(
    pixels: Pixels, captions: Sequence[str], ax: Axes | None = None, *, columns: int = 6
) -> Axes:
    """Draw images (n, c, h, w) on one pair of axes, each above its caption; return the axes."""
    import matplotlib.pyplot as plt

    count, _, height, width = pixels.shape
    rows = math.ceil(count / columns)
    lines = 1 + max(caption.count("\n") for caption in captions)
    cell_h, cell_w = height + 4 + 6 * lines, width + 4  # room for the caption, and a gap
    canvas = np.full((3, rows * cell_h, columns * cell_w), 255, np.uint8)
    if ax is None:
        _, ax = plt.subplots(figsize=(1.1 * columns, (11 + 2 * lines) / 10 * rows))
    for i, (image, caption) in enumerate(zip(pixels, captions)):
        top, left = i // columns * cell_h, i % columns * cell_w + 2
        canvas[:, top : top + height, left : left + width] = image
        ax.text(left + width / 2, top + height + 1, caption, ha="center", va="top", fontsize=8)
    ax.imshow(picture(canvas), interpolation="nearest")
    ax.set_axis_off()
    return ax
