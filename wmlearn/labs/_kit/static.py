"""The picture that stands for a lab where nothing runs: on GitHub, in print, before the first cell
is executed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wmlearn._display import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from wmlearn.labs._kit.svg import CAP, amount, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLES = (
    (BLUE, "-", 3.0),
    (ORANGE, (0, (4, 2)), 2.0),
    (GREEN, "-.", 2.0),
    (PURPLE, ":", 2.5),
    (SKY, "-", 1.2),
)


def wealth_png(paths: Mapping[str, Sequence[float]], alpha: float) -> bytes:
    """Draw the wealth of every suspect against the sealed line, and return the PNG file."""

    def draw(ax: Axes) -> None:
        """Draw a step line for every suspect, and the line to accuse."""
        for (_, path), (color, dashes, width) in zip(paths.items(), _STYLES * len(paths)):
            shown = 10 ** np.minimum(np.asarray(path) / math.log(10), CAP)
            ax.step(
                range(len(path)),
                shown,
                where="post",
                color=color,
                linestyle=dashes,
                linewidth=width,
            )
        ax.axhline(1 / alpha, color=VERMILLION, linestyle="--", linewidth=1.2)
        label_ends(ax, max(len(path) - 1 for path in paths.values()), _wealth_labels(paths, alpha))
        ax.set(
            yscale="log",
            ylim=(None, 10 ** (CAP + 1)),
            xlabel="questions asked",
            ylabel="the gambler's wealth",
        )
        ax.margins(x=0)

    return png(draw)


def png(draw: Callable[[Axes], None]) -> bytes:
    """Return a PNG file of what `draw` draws on a pair of axes.

    The figure is drawn off the screen, without pyplot, on white: it looks the same everywhere,
    twice running too.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), _default_style():
        figure = Figure(figsize=(7.4, 3.0), dpi=110, facecolor="white")
        ax = figure.add_axes((0.1, 0.16, 0.6, 0.78))
        draw(ax)
        ax.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _default_style() -> AbstractContextManager[None]:
    """Return a context in which no style of the notebook changes the picture."""
    from matplotlib import style

    return style.context("default")


class Label(NamedTuple):
    """Words for the end of a line: how high the line ends, how high the words stand, and the line's
    colour.
    """

    words: str
    end: float
    place: float
    color: str


def label_ends(ax: Axes, last: float, labels: Sequence[Label]) -> None:
    """Write the words beside the ends of their lines, right of the axes, each with a leader."""
    for label in labels:
        arrow = {"arrowstyle": "-", "color": label.color, "linewidth": 1}
        ax.annotate(
            label.words, (last, label.end), (1.05, label.place), textcoords=ax.get_yaxis_transform(),
            va="center", fontsize=9, arrowprops=arrow, annotation_clip=False,
        )  # fmt: skip


def _wealth_labels(paths: Mapping[str, Sequence[float]], alpha: float) -> list[Label]:
    """Return the name of each suspect, and what the line means, pushed apart where lines end
    together.
    """
    ends = {name: min(path[-1] / math.log(10), CAP) for name, path in paths.items()}  # in decades
    words = {name: name for name in paths} | {"": f"accuse from {amount(-math.log(alpha))} upwards"}
    colors = dict(zip(paths, [style[0] for style in _STYLES] * len(paths))) | {"": VERMILLION}
    ends[""] = -math.log10(alpha)
    places = spread(ends, apart=1.5, top=CAP + 0.5)
    return [
        Label(words[name], 10 ** ends[name], 10**place, colors[name])
        for name, place in places.items()
    ]
