"""Accuracy epoch by epoch, of a marked model and of its unmarked twin: a drawing, a sentence."""

import math
from collections.abc import Sequence
from operator import attrgetter

from wmlearn._display import percent, plural
from wmlearn.labs._kit.svg import BOTTOM, Chart, End, count_to, is_narrow
from wmlearn.training.history import Epoch

RIGHT, TOP = 326, 30  # edges of the plot, in pixels; the labels stand right of it
_ROOM = 8  # pixels below 0 %: a line of zeros must not hide behind the axis
SHARES = {hundredths / 100: f"{hundredths} %" for hundredths in range(0, 101, 20)}
# How a line is told apart, by CSS class: blue is the task, vermillion the watermark; thick is
# marked, thin is not; and each has dashes of its own.
LOOKS = {
    "marked, watermark": "wm-mark",
    "marked, task": "wm-task",
    "unmarked, task": "wm-task wm-unmarked",
    "unmarked, watermark": "wm-mark wm-unmarked",
    "the copy, secrets": "wm-mark",
    "the copy, task": "wm-task",
}
# accuracies, 0 to 1, after epochs 1, 2, ...: one list for each of LOOKS, in that order
Curves = dict[str, list[float]]


def curves(marked: Sequence[Epoch], unmarked: Sequence[Epoch]) -> Curves:
    """Return the accuracies to draw; what was never measured is left out."""
    task, watermark = attrgetter("task_accuracy"), attrgetter("watermark_accuracy")
    found = {
        "marked, watermark": list(map(watermark, marked)),
        "marked, task": list(map(task, marked)),
        "unmarked, task": list(map(task, unmarked)),
        "unmarked, watermark": list(map(watermark, unmarked)),
    }
    return {name: line for name, line in found.items() if line and not math.isnan(line[-1])}


def share_chart(first: float, last: float) -> Chart:
    """Return an empty chart of shares, 0 to 1, with room for words at its right.

    Parameters
    ----------
    first, last : the numbers at the left and the right edge
    """
    below = -_ROOM / (BOTTOM - _ROOM - TOP)
    chart = Chart((first, last), (below, 1), RIGHT, TOP)
    chart.rows(SHARES)
    return chart


def accuracy_svg(lines: Curves, epochs: int, caption: str) -> str:
    """Draw the accuracies so far on an axis of so many epochs; longer if the training goes on."""
    last = max([epochs, *map(len, lines.values())])
    chart = share_chart(0, last)
    chart.columns(count_to(last))
    title = "accuracy: on test images" if is_narrow() else "accuracy: on the test images"
    chart.frame(f"{title}, and on the secret questions", "epochs")
    ends = []
    for name, line in lines.items():
        css, epoch, accuracy = LOOKS[name], len(line), line[-1]
        chart.line(css, enumerate(line, 1))
        chart.dot(css, epoch, accuracy, 3.5)
        ends.append(End(css, f"{name} {percent(accuracy)}", epoch, accuracy))
    chart.label(ends)
    return chart.svg(caption)


def caption(lines: Curves) -> str:
    """Return the drawing as one sentence, for those who do not see it."""
    described = []
    for who in ("marked", "unmarked"):
        if f"{who}, task" in lines:
            described.append(_described(lines, who))
    if not described:
        return "Nothing is trained yet: accuracy will be drawn here epoch by epoch."
    sentence = "; ".join(described)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _described(lines: Curves, who: str) -> str:
    task = lines[f"{who}, task"]
    words = f"the {who} model classifies {percent(task[-1])} of the test images correctly"
    if f"{who}, watermark" in lines:
        watermark = percent(lines[f"{who}, watermark"][-1])
        words += f" and answers {watermark} of the secret questions as sealed"
    return f"{words} after {plural(len(task), 'epoch')}"
