"""Accuracy epoch by epoch, of the marked model and of its unmarked twin: as a live drawing, a
picture, a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from wmlearn._display import BLUE, VERMILLION, percent, plural
from wmlearn.labs._kit.static import Label, label_ends, png
from wmlearn.labs._kit.svg import HEIGHT, drawing, spread, text, tick
from wmlearn.training.history import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEFT, RIGHT, TOP, BOTTOM = (
    50,
    420,
    30,
    222,
)  # the edges of the plot, in pixels; the labels stand right of it
_ZERO = BOTTOM - 8  # where 0 % is drawn: a line of zeros must not hide behind the axis
_LINE_OF_TEXT = 16  # pixels


class Look(NamedTuple):
    """How a line is told apart: a class of the style sheet, and the same for matplotlib; never the
    colour alone.
    """

    css: str
    color: str
    dashes: Any
    width: float


# Blue is the task, vermillion the watermark; thick is marked, thin is not; and each has dashes of
# its own.
LOOKS = {
    "marked, watermark": Look("wm-mark", VERMILLION, "-", 2.8),
    "marked, task": Look("wm-task", BLUE, (0, (5, 2)), 2.8),
    "unmarked, task": Look("wm-task wm-unmarked", BLUE, (0, (6, 2, 1, 2)), 1.4),
    "unmarked, watermark": Look("wm-mark wm-unmarked", VERMILLION, (0, (1, 2)), 1.8),
    "the copy, questions": Look("wm-mark", VERMILLION, "-", 2.8),
    "the copy, task": Look("wm-task", BLUE, (0, (5, 2)), 2.8),
}
Curves = dict[
    str, list[float]
]  # accuracies, 0 to 1, after epochs 1, 2, ...: one list for each of LOOKS


def curves(marked: Sequence[Epoch], unmarked: Sequence[Epoch]) -> Curves:
    """Return the accuracies to draw; what was never measured is left out."""
    found = {
        "marked, watermark": [record.watermark_accuracy for record in marked],
        "marked, task": [record.task_accuracy for record in marked],
        "unmarked, task": [record.task_accuracy for record in unmarked],
        "unmarked, watermark": [record.watermark_accuracy for record in unmarked],
    }
    return {name: line for name, line in found.items() if line and not math.isnan(line[-1])}


def accuracy_svg(lines: Curves, epochs: int, caption: str) -> str:
    """Draw the accuracies so far on an axis of so many epochs; longer, should the training go on."""
    last = max([epochs, *map(len, lines.values())])
    ticks = {_across(epoch, last): str(epoch) for epoch in range(0, last + 1, tick(last))}
    parts = axes("accuracy: on the test images, and on the secret questions", "epochs", ticks)
    for name, line in lines.items():
        points = "L".join(
            f"{_across(epoch, last):.1f} {up(value):.1f}" for epoch, value in enumerate(line, 1)
        )
        x, y = _across(len(line), last), up(line[-1])
        parts.append(f"<path class='{LOOKS[name].css}' d='M{points}'/>")
        parts.append(f"<circle class='{LOOKS[name].css}' cx='{x:.1f}' cy='{y:.1f}' r='3.5'/>")
    return drawing([*parts, *_labels(lines, last)], caption)


def _across(epoch: float, last: int) -> float:
    return LEFT + (RIGHT - LEFT) * epoch / last


def up(accuracy: float) -> float:
    """Return how high, in pixels, a share from 0 to 1 is drawn."""
    return _ZERO - (_ZERO - TOP) * accuracy


def axes(title: str, below: str, ticks: Mapping[float, str]) -> list[str]:
    """Draw the axes of a chart of shares.

    Parameters
    ----------
    ticks : what stands below, by its place in pixels
    """
    parts = []
    for hundredths in range(0, 101, 20):
        y = up(hundredths / 100)
        parts.append(f"<path class='wm-grid' d='M{LEFT} {y:.1f}H{RIGHT}'/>")
        parts.append(text(LEFT - 7, y + 4, f"{hundredths} %", "end"))
    for x, words in ticks.items():
        parts.append(f"<path class='wm-axis' d='M{x:.1f} {BOTTOM}v5'/>")
        parts.append(text(x, BOTTOM + 18, words, "middle"))
    parts.append(f"<path class='wm-axis' d='M{LEFT} {TOP}V{BOTTOM}H{RIGHT}'/>")
    parts.append(text(0, 14, title, "start"))
    parts.append(text(RIGHT, HEIGHT - 4, below, "end"))
    return parts


def _labels(lines: Curves, last: int) -> list[str]:
    """Write each name and number right of the plot, with a piece of its line and a leader to the
    end of it.
    """
    heights = {
        name: BOTTOM - up(line[-1]) for name, line in lines.items()
    }  # upwards from the bottom of the plot
    parts = []
    for name, place in spread(
        _in_order(heights), apart=_LINE_OF_TEXT, top=BOTTOM - TOP + 8
    ).items():
        x, y, label_y = _across(len(lines[name]), last), up(lines[name][-1]), BOTTOM - place
        parts.append(
            f"<path class='wm-leader' d='M{x + 5:.1f} {y:.1f}L{RIGHT + 12} {label_y:.1f}'/>"
        )
        parts.append(
            f"<path class='{LOOKS[name].css} wm-sample' d='M{RIGHT + 12} {label_y:.1f}h26'/>"
        )
        parts.append(text(RIGHT + 43, label_y + 4, f"{name} {percent(lines[name][-1])}", "start"))
    return parts


def _in_order(ends: Mapping[str, float]) -> dict[str, float]:
    """Return the ends so that of those of one height the first of LOOKS gets the highest label."""
    return {name: ends[name] for name in reversed(LOOKS) if name in ends}


def accuracy_png(lines: Curves, epochs: int) -> bytes:
    """Draw the same for where nothing runs, and return the PNG file."""
    last = max([epochs, *map(len, lines.values())])

    def draw(ax: Axes) -> None:
        """Draw the lines, and at their ends what they are."""
        for name, line in lines.items():
            look = LOOKS[name]
            ax.plot(
                range(1, len(line) + 1),
                line,
                color=look.color,
                linestyle=look.dashes,
                linewidth=look.width,
            )
            ax.plot(len(line), line[-1], "o", color=look.color, markersize=4)
        ends = {name: line[-1] for name, line in lines.items()}
        for name, place in spread(_in_order(ends), apart=0.09, top=1.04).items():
            words = f"{name} {percent(ends[name])}"
            label_ends(ax, len(lines[name]), [Label(words, ends[name], place, LOOKS[name].color)])
        ax.set(xlim=(0, last), ylim=(-0.04, 1.05), xlabel="epochs", ylabel="accuracy")
        ax.set_xticks(range(0, last + 1, tick(last)))
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")

    return png(draw)


def caption(lines: Curves) -> str:
    """Return the drawing as one sentence, for those who do not see it."""
    described = [
        f"the {who} model classifies {percent(lines[f'{who}, task'][-1])} of the test images "
        "rightly" + _answers(lines, who) + f" after {plural(len(lines[f'{who}, task']), 'epoch')}"
        for who in ("marked", "unmarked")
        if f"{who}, task" in lines
    ]
    if not described:
        return "Nothing is trained yet: accuracy will be drawn here epoch by epoch."
    sentence = "; ".join(described)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _answers(lines: Curves, who: str) -> str:
    name = f"{who}, watermark"
    return (
        f" and answers {percent(lines[name][-1])} of the secret questions as sealed"
        if name in lines
        else ""
    )
