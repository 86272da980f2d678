"""The picture that stands for a lab where nothing runs: on GitHub, in print, before the first cell is executed."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

from wmlearn._show import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from wmlearn.labs._svg import CAP, amount, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLES = ((BLUE, "-", 3.0), (ORANGE, (0, (4, 2)), 2.0), (GREEN, "-.", 2.0), (PURPLE, ":", 2.5), (SKY, "-", 1.2))


def wealth_png(paths: Mapping[str, Sequence[float]], alpha: float) -> bytes:
    """Draw the wealth of every suspect against the sealed line, and return the PNG file.

    The figure is drawn off the screen, without pyplot, on white: it looks the same everywhere, twice running too.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with canvas() as (figure, ax):
        for (_, path), (color, dashes, width) in zip(paths.items(), _STYLES * len(paths)):
            shown = 10 ** np.minimum(np.asarray(path) / math.log(10), CAP)
            ax.step(range(len(path)), shown, where="post", color=color, linestyle=dashes, linewidth=width)
        ax.axhline(1 / alpha, color=VERMILLION, linestyle="--", linewidth=1.2)
        _label_ends(ax, paths, alpha)
        ax.set(yscale="log", ylim=(None, 10 ** (CAP + 1)), xlabel="questions asked", ylabel="the gambler's wealth")
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(x=0)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def default_style() -> AbstractContextManager[None]:
    """Return a context in which no style of the notebook changes the picture."""
    from matplotlib import style

    return style.context("default")


def _label_ends(ax: Axes, paths: Mapping[str, Sequence[float]], alpha: float) -> None:
    """Write each name beside the end of its line, pushed apart where the lines end together."""
    ends = {name: min(path[-1] / math.log(10), CAP) for name, path in paths.items()}
    words = {name: name for name in paths} | {"": f"accuse from {amount(-math.log(alpha))} upwards"}
    colours = dict(zip(paths, [style[0] for style in _STYLES] * len(paths))) | {"": VERMILLION}
    ends[""] = -math.log10(alpha)
    last = max(len(path) - 1 for path in paths.values())
    for name, place in spread(ends, apart=1.5, top=CAP + 0.5).items():
        arrow = {"arrowstyle": "-", "color": colours[name], "linewidth": 1}
        ax.annotate(
            words[name], (last, 10 ** ends[name]), (1.05, 10**place), textcoords=ax.get_yaxis_transform(),
            va="center", fontsize=9, arrowprops=arrow, annotation_clip=False,
        )  # fmt: skip
