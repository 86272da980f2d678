"""The bettor's wealth as a drawing: of one suspect, question by question, or of all of them."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from wmlearn.labs._kit.cuts import cut
from wmlearn.labs._kit.replay import Replay
from wmlearn.labs._kit.svg import LEFT, Chart, End, Layers, count_to, is_narrow

Floats = npt.NDArray[np.float64]
_DECADE = math.log(10)
# wealth is drawn, and counted, up to 10^15: below 1 in 10^15 a leaked key is likelier than chance
CAP = 15
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
# How high the axis goes, in powers of ten, and how far apart its numbers are: low enough for what
# lies between innocent and accused to fill the chart, and the next as soon as a line leaves it.
_TOPS = {2: 1, 4: 1, 8: 2, CAP: 3}
# What stands at the end of each line, so that they differ in shape too. By the CSS class of the
# line.
MARKERS = {
    "wm-curve": "<circle class='wm-dot' cx='{x:.1f}' cy='{y:.1f}' r='5'/>",
    "wm-counting": "<path class='wm-counting wm-end' d='M{x:.1f} {y:.1f}m-4 -4h8v8h-8z'/>",
    "wm-nulls": "<path class='wm-nulls wm-end' d='M{x:.1f} {y:.1f}m0 -6l6 6l-6 6l-6 -6z'/>",
}
# The lines of the suspects where all are drawn: each has dashes of its own.
_SUSPECTS = ("wm-curve", "wm-nulls", "wm-counting", "wm-task wm-unmarked", "wm-explored")


def wealth_svg(
    lines: Mapping[str, Floats],
    n: int,
    *,
    sealed: float,
    alpha: float,
    caption: str,
    matches: Sequence[int] = (),
) -> Layers:
    """Draw the wealth of the first n questions against the line from which one may accuse.

    Parameters
    ----------
    lines : the log wealth after 0, 1, ... questions, all of them, as "wm-curve": the axis is as
        long as the sealed set. Before it others to compare with, log(1 / p), by CSS class (those
        of MARKERS)
    n : how many were asked; what comes later is not drawn
    sealed : the sealed alpha; its line is dashed
    alpha : the alpha that is only explored; its line is dotted, and not drawn where it is the
        sealed one
    caption : a sentence that holds the numbers, for those who do not see the drawing
    matches : after 0, 1, ... questions, where the drawing is cut into pieces by them
    """
    wealth, alone = lines["wm-curve"], len(lines) == 1
    title = "the bettor's wealth" if alone else "wealth, and 1 / p"
    top = highest(lines, n, min(sealed, alpha))
    chart = _empty(len(wealth) - 1, title, top)
    _accuse(chart, sealed)
    if alpha != sealed:
        words = f"exploring: from {amount(-math.log(alpha))} upwards"
        key = (124, 30) if is_narrow() else (345, 14)
        chart.level("wm-explored", -math.log10(alpha), words, key)
    chart.now(n)
    for css, line in lines.items():
        chart.cut(css, chart.y[1])
        chart.path(css, _steps(chart, line[: n + 1], css, matches) + cut("drawn"))
    chart.cut("ends", chart.y[1], n, *matches[n : n + 1])
    x = chart.across(n)
    for css, line in lines.items():
        chart.parts.append(MARKERS[css].format(x=x, y=chart.up(line[n] / _DECADE)))
    middle = (LEFT + chart.right) / 2
    y, value = chart.up(wealth[n] / _DECADE), amount(wealth[n])
    if x > (middle if alone else chart.right - 60):  # the value goes to the side that is free
        chart.text(x - 9, y - 7, value, "end", "wm-value")
    elif alone:
        chart.text(x + 9, y - 7, value, css="wm-value")
    else:
        chart.text(x + 10, y + 4, value, css="wm-value")
    return chart.layers(caption)


def highest(lines: Mapping[str, Floats], n: int, alpha: float) -> float:
    """Return the logarithm up to which there must be room for the first n questions."""
    return max(-math.log(alpha), *(float(line[: n + 1].max()) for line in lines.values()))


def suspects_svg(replays: Sequence[Replay]) -> str:
    """Draw the wealth of several suspects side by side, all their questions asked."""
    last = replays[0].n
    lines = {replay.name: replay.verdict.path for replay in replays}
    top = highest(lines, last, replays[0].triggers.alpha)
    chart = _empty(last, "the bettor's wealth", top, right=390)
    _accuse(chart, replays[0].triggers.alpha)
    ends = []
    for replay, css in zip(replays, itertools.cycle(_SUSPECTS)):
        path = replay.verdict.path
        chart.path(css, _steps(chart, path))
        ends.append(End(css, replay.name, last, path[-1] / _DECADE))
    chart.label(ends)
    return chart.svg("The bettor's wealth when every question has been asked.")


def _empty(questions: int, title: str, top: float, right: int = 548) -> Chart:
    """Return a chart with no line yet, up to where the logarithm `top` has room."""
    ends, powers = powers_of_ten(questions, top)
    chart = Chart((0, questions), ends, right)
    chart.fit()
    chart.cut("axes", ends[1])
    chart.rows(powers)
    chart.columns(count_to(questions))
    chart.frame(title, "questions asked")
    return chart


def powers_of_ten(questions: int, highest: float) -> tuple[tuple[int, int], dict[float, str]]:
    """Return the ends of a wealth axis and its numbers, as powers of ten: from the wealth with no
    match, 1 / (questions + 1), up to where the logarithm `highest` has room.
    """
    lowest = -math.ceil(math.log10(questions + 2))
    top = next((top for top in _TOPS if highest <= top * _DECADE), CAP)
    step = _TOPS[top]
    first = -(-lowest // step) * step
    powers = range(first, top + 1, step)
    return (lowest, top), {power: amount(power * _DECADE) for power in powers}


def _accuse(chart: Chart, alpha: float) -> None:
    words = f"accuse from {amount(-math.log(alpha))} upwards"
    chart.level("wm-line", -math.log10(alpha), words, (124 if is_narrow() else 150, 14))


def _steps(chart: Chart, line: Floats, css: str = "", matches: Sequence[int] = ()) -> str:
    """Return the path of a line that is level from question to question, flat steps left out."""
    heights = [f"{chart.up(power):.1f}" for power in line / _DECADE]
    last = len(heights) - 1
    steps = [f"M{chart.across(0):.1f} {heights[0]}"]
    for i, (before, height) in enumerate(itertools.pairwise(heights), 1):
        if height != before or i == last:
            mark = cut(f"{css} step", chart.y[1], i, *matches[i : i + 1])
            steps.append(f"{mark}H{chart.across(i):.1f}V{height}")
    return "".join(steps)


def amount(log_wealth: float) -> str:
    """Return a wealth as people read it, from its logarithm.

    Examples
    --------
    >>> [amount(math.log(wealth)) for wealth in (0.0321, 5.5, 1000, 123456, 2.5e7, 1e20)]
    ['0.032', '5.5', '1,000', '123,456', '10⁷', 'over 10¹⁵']
    """
    power = log_wealth / math.log(10) + 1e-9  # 10^6 is not to be 999,999 for want of a last digit
    if power < 1:
        return f"{math.exp(log_wealth):.2g}"
    if power < 6:
        return f"{math.floor(math.exp(log_wealth) + 1e-6):,}"
    if power > CAP + 1e-6:
        return f"over {_power_of_ten(CAP)}"
    return _power_of_ten(math.floor(power))


def _power_of_ten(power: int) -> str:
    return "10" + str(power).translate(_SUPERSCRIPT)
