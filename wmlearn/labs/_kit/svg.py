"""Drawings in SVG: strings, built in a millisecond, that follow the theme of the notebook. First
the gambler's wealth.

Colours come from the lab's style sheet (`_style.py`) as CSS variables; nothing is told by colour
alone.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence

WIDTH, HEIGHT = 654, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 642, 40, 222  # the edges of the plot, in pixels
# wealth is drawn, and counted, up to 10^15: below 1 in 10^15 a leaked key is likelier than luck
CAP = 15
Scale = Callable[[float], float]  # from questions, or log wealth, to pixels
# What stands at the end of each line, so that they differ in shape too. By the CSS class of the
# line.
MARKERS = {
    "wm-curve": "<circle class='wm-dot' cx='{x:.1f}' cy='{y:.1f}' r='5'/>",
    "wm-counting": "<path class='wm-counting wm-end' d='M{x:.1f} {y:.1f}m-4 -4h8v8h-8z'/>",
    "wm-nulls": "<path class='wm-nulls wm-end' d='M{x:.1f} {y:.1f}m0 -6l6 6l-6 6l-6 -6z'/>",
}
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def amount(log_wealth: float) -> str:
    """Return a wealth as people read it, from its logarithm.

    Examples
    --------
    >>> [amount(math.log(wealth)) for wealth in (0.0321, 5.5, 1000, 123456, 2.5e7, 1e20)]
    ['0.032', '5.5', '1,000', '123,456', '10⁷', 'over 10¹⁵']
    """
    power = log_wealth / math.log(10) + 1e-9  # so that 10^6 is no 999,999 for want of a last digit
    if power < 1:
        return f"{math.exp(log_wealth):.2g}"
    if power < 6:
        return f"{math.floor(math.exp(log_wealth) + 1e-6):,}"
    return f"over {_power_of_ten(CAP)}" if power > CAP + 1e-6 else _power_of_ten(math.floor(power))


def wealth_svg(
    path: Sequence[float],
    n: int,
    *,
    sealed: float,
    alpha: float,
    caption: str,
    beside: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Draw the wealth of the first n questions against the line from which one may accuse.

    Parameters
    ----------
    path : log wealth after 0, 1, ... questions, all of them: the axis is as long as the sealed set
    n : how many were asked; what comes later is not drawn
    sealed : the sealed alpha; its line is dashed
    alpha : the alpha one is only exploring; its line is dotted, and not drawn where it is the
        sealed one
    caption : a sentence that holds the numbers, for those who do not see the drawing
    beside : other lines to compare with, log(1 / p) after 0, 1, ... questions, by CSS class (one of
        MARKERS)
    """
    across, up = _scales(len(path) - 1)
    title = "wealth, and 1 / p" if beside else "the gambler's wealth"
    parts = [
        *_axes(len(path) - 1, across, up),
        text(0, 14, title, "start"),
        *_lines(sealed, alpha, up),
    ]
    x, y = across(n), up(path[n])
    parts.append(f"<path class='wm-now' d='M{x:.1f} {_TOP}V{_BOTTOM}'/>")
    lines = {**(beside or {}), "wm-curve": path}  # the one that decides on top
    parts += [
        f"<path class='{css}' d='{_steps(line, n, across, up)}'/>" for css, line in lines.items()
    ]
    parts += [MARKERS[css].format(x=x, y=up(line[n])) for css, line in lines.items()]
    late = x > (
        _RIGHT - 60 if beside else (_LEFT + _RIGHT) / 2
    )  # the label goes to the side that is free
    at = (x - 9, y - 7) if late else (x + 10, y + 4) if beside else (x + 9, y - 7)
    parts.append(text(*at, amount(path[n]), "end" if late else "start", "wm-value"))
    return drawing(parts, caption)


def _steps(line: Sequence[float], n: int, across: Scale, up: Scale) -> str:
    """Return the path of a line that is level from one question to the next; a step of no height is
    left out.
    """
    heights = [f"{up(value):.1f}" for value in line[: n + 1]]
    steps = [
        f"H{across(i):.1f}V{heights[i]}"
        for i in range(1, n + 1)
        if i == n or heights[i] != heights[i - 1]
    ]
    return f"M{across(0):.1f} {heights[0]}{''.join(steps)}"


def drawing(parts: Sequence[str], caption: str) -> str:
    """Put the parts of a drawing together, with the sentence for those who do not see it."""
    return (
        f"<svg class='wm-chart' role='img' aria-label='{html.escape(caption, quote=True)}' "
        f"width='{WIDTH}' "
        f"height='{HEIGHT}' viewBox='0 0 {WIDTH} {HEIGHT}'>{''.join(parts)}</svg>"
    )


def text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    """Write words at a place in pixels that is their "start", "middle" or "end"."""
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' class='{kind}'>{html.escape(words)}</text>"


def tick(last: int) -> int:
    """Return a step that gives at most a dozen round numbers up to the last."""
    return next(
        step * 10**power
        for power in range(9)
        for step in (1, 2, 5)
        if last / (step * 10**power) <= 12
    )


def spread(ends: Mapping[str, float], *, apart: float, top: float) -> dict[str, float]:
    """Return places for the labels near the ends of their lines, at least so far apart and none
    above the top.

    Examples
    --------
    >>> spread({"a": 15.0, "b": 15.0, "c": 0.0}, apart=1.5, top=15.5)
    {'c': 0.0, 'a': 14.0, 'b': 15.5}
    """
    places: dict[str, float] = {}
    floor = -math.inf
    for name in sorted(ends, key=lambda name: ends[name]):  # upwards: push what is too close up
        places[name] = floor = max(ends[name], floor + apart)
    for name in reversed(places):  # downwards: push what is now too high down again
        places[name] = min(places[name], top)
        top = places[name] - apart
    return places


def _scales(questions: int) -> tuple[Scale, Scale]:
    """Return the two functions that turn questions and log wealth into pixels."""
    low = -math.ceil(
        math.log10(questions + 2)
    )  # with no match at all the wealth is 1 / (questions + 1)

    def across(n: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * n / questions

    def up(log_wealth: float) -> float:
        power = min(max(log_wealth / math.log(10), low), CAP)
        return _BOTTOM - (_BOTTOM - _TOP) * (power - low) / (CAP - low)

    return across, up


def _axes(questions: int, across: Scale, up: Scale) -> list[str]:
    parts = []
    for power in range(0, CAP + 1, 3):
        y = up(power * math.log(10))
        parts.append(f"<path class='wm-grid' d='M{_LEFT} {y:.1f}H{_RIGHT}'/>")
        parts.append(
            text(_LEFT - 7, y + 4, _power_of_ten(power) if power > 3 else f"{10**power:,}", "end")
        )
    for n in range(0, questions + 1, tick(questions)):
        parts.append(f"<path class='wm-axis' d='M{across(n):.1f} {_BOTTOM}v5'/>")
        parts.append(text(across(n), _BOTTOM + 18, str(n), "middle"))
    parts.append(f"<path class='wm-axis' d='M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}'/>")
    parts.append(text(_RIGHT, HEIGHT - 4, "questions asked", "end"))
    return parts


def _lines(sealed: float, alpha: float, up: Scale) -> list[str]:
    """Draw the sealed line and, when another alpha is being explored, that one too; the words stand
    above the plot.
    """
    drawn = _line(sealed, up, "wm-line", "accuse from", key=166)
    if alpha != sealed:
        drawn += _line(alpha, up, "wm-explored", "only exploring: from", key=398)
    return drawn


def _line(alpha: float, up: Scale, kind: str, words: str, *, key: float) -> list[str]:
    """Draw a line, and at `key` a piece of it with its words: beside the line the curve would run
    through them.
    """
    y = up(-math.log(alpha))
    line = f"<path class='{kind}' d='M{_LEFT} {y:.1f}H{_RIGHT}M{key} 10h28'/>"
    return [line, text(key + 34, 14, f"{words} {amount(-math.log(alpha))} upwards", "start")]


def _power_of_ten(power: int) -> str:
    return "10" + str(power).translate(_SUPERSCRIPT)
