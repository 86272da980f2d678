"""How results look: a small table, the colours, and numbers written for people.

This module knows arrays and strings, and nothing about watermarks.
"""

from __future__ import annotations

import base64
import html
import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wmlearn._types import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette (2008): distinct under every common kind of colour blindness.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILLION, SKY, PURPLE = "#D55E00", "#56B4E9", "#CC79A7"
GREY = "#737373"  # stands out from white and from black


def html_table(title: str, rows: Mapping[str, object]) -> str:
    """Return a two-column HTML table with all text escaped."""
    left = "style='text-align:left'"
    body = ""
    for name, value in rows.items():
        cell = html.escape(str(value))
        body += f"<tr><th scope='row' {left}>{html.escape(name)}</th><td {left}>{cell}</td></tr>"
    style = "text-align:left;font-weight:bold;white-space:nowrap"
    caption = f"<caption style='{style}'>{html.escape(title)}</caption>"
    return f"<table>{caption}<tbody>{body}</tbody></table>"


def wrapped(text: str) -> str:
    """Return a text in lines of at most 88 characters, without breaking a word or a number.

    Examples
    --------
    >>> wrapped("a word " * 20).count("\\n")
    1
    """
    return textwrap.fill(text, 88, break_long_words=False, break_on_hyphens=False)


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
    """Return a whole number as text, from 10**15 on as a power of ten: '1,000', 'about 10^507'."""
    if count < 10**15:
        return f"{count:,}"
    return f"about 10^{math.log10(count):.0f}"


def picture(pixels: Pixels) -> Pixels:
    """Return one image (c, h, w) as matplotlib and Pillow need it: grey (h, w), or (h, w, 3)."""
    if len(pixels) == 1:
        return pixels.squeeze(axis=0)
    if len(pixels) != 3:
        raise ValueError(
            "an image must have 1 or 3 channels to be drawn or saved as a picture; got "
            f"{len(pixels)}. Choose 1 or 3 of them first, such as pixels[:, :1]."
        )
    return pixels.transpose(1, 2, 0)


def png_uri(pixels: Pixels) -> str:
    """Return one image (c, h, w) as a data: URI that holds a PNG, for self-contained HTML."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture(pixels))).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def on_axes(ax: Axes | None, size: tuple[float, float] | None = None) -> Axes:
    """Return the axes given, or new ones whose labels are not cut off when the figure is saved."""
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    return ax


def mosaic(
    pixels: Pixels, captions: Sequence[str], ax: Axes | None = None, *, columns: int = 6
) -> Axes:
    """Draw images (n, c, h, w) in a grid, each with its caption below it, and return the axes."""
    count, _, height, width = pixels.shape
    rows = math.ceil(count / columns)
    lines = 1 + max(caption.count("\n") for caption in captions)
    cell_h, cell_w = height + 4 + 6 * lines, width + 4  # room for the caption, and a gap
    # Transparent where there is no image: the captions are on the style's own background.
    canvas = np.zeros((rows * cell_h, columns * cell_w, 4), np.uint8)
    ax = on_axes(ax, (1.1 * columns, (11 + 2 * lines) / 10 * rows))
    for i, (image, caption) in enumerate(zip(pixels, captions)):
        top, left = i // columns * cell_h, i % columns * cell_w + 2
        cell = canvas[top : top + height, left : left + width]
        cell[..., :3], cell[..., 3] = np.atleast_3d(picture(image)), 255
        ax.text(left + width / 2, top + height + 1, caption, ha="center", va="top", fontsize=8)
    ax.imshow(canvas, interpolation="nearest")
    ax.set_axis_off()
    return legible(ax)


# ---------------------------------------------------------------- any style of matplotlib


def legible(ax: Axes) -> Axes:
    """Make all text of axes black or white, whichever has more contrast, and return the axes.

    A figure without a background is left as it is: nobody knows on which page it will be shown.
    """
    paper: Any = ax.figure.get_facecolor()
    if not paper[3]:
        return ax
    legend = ax.get_legend()
    within = [*ax.texts]
    if legend is not None:
        within += [legend.get_title(), *legend.get_texts()]
    for text in within:
        text.set_color(ink(ax))
    outside = _ink(paper)
    for text in (ax.title, ax.xaxis.label, ax.yaxis.label):
        text.set_color(outside)
    ax.tick_params(which="both", labelcolor=outside)
    return ax


def ink(ax: Axes) -> str:
    """Return black or white, whichever has more contrast to the background of axes.

    Grey for a figure without a background, which may be shown on either.
    """
    paper: Any = ax.figure.get_facecolor()
    if not paper[3]:
        return GREY
    return _ink(paper, ax.get_facecolor()) if ax.axison else _ink(paper)


def _ink(*grounds: Any) -> str:
    """Return black or white, whichever has more contrast to these colours, laid over white paper.

    Source
    ------
    "Web content accessibility guidelines 2.2", W3C (2023): relative luminance.
    """
    seen = np.ones(3)
    for red, green, blue, alpha in grounds:
        seen = (1 - alpha) * seen + alpha * np.array([red, green, blue])
    luminance = seen**2.2 @ [0.2126, 0.7152, 0.0722]
    return "black" if luminance > 0.179 else "white"
