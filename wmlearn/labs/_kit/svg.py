"""Charts in SVG: strings, built in a millisecond, that follow the theme of the notebook.

Colours come from the labs' style sheet (`theme.py`) by CSS class; nothing is told by colour alone.
"""

import html
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from wmlearn.labs._kit.cuts import cut

WIDTH, HEIGHT = 560, 260
NARROW = 344  # the width of a drawing for a phone
LEFT, BOTTOM = 50, 222  # edges that all plots have, in pixels
_NARROW = ContextVar("narrow", default=False)


@contextmanager
def narrow() -> Iterator[None]:
    """Draw for a phone."""
    token = _NARROW.set(True)
    try:
        yield
    finally:
        _NARROW.reset(token)


def is_narrow() -> bool:
    """Return whether drawings are for a phone."""
    return _NARROW.get()


class End(NamedTuple):
    """Where a line ends, in the numbers of the chart, and what is written there."""

    css: str
    words: str
    x: float
    y: float


class Layers(NamedTuple):
    """A drawing in two pieces, one over the other: only what moves is drawn again."""

    moving: str
    behind: str


@dataclass
class Chart:
    """A chart, and what is drawn on it so far.

    Attributes
    ----------
    x, y : the numbers at the left and the right edge of the plot, and at its bottom and its top
    right, top : these edges, in pixels
    width, height : of the whole drawing, in pixels
    parts : the drawing so far
    behind : how many of the parts stay as they are where a slider moves
    """

    x: tuple[float, float]
    y: tuple[float, float]
    right: int = 548
    top: int = 40
    width: int = WIDTH
    height: int = HEIGHT
    parts: list[str] = field(default_factory=list)
    behind: int = 0

    def fit(self) -> None:
        """Make it as wide as a phone, where drawings are for one."""
        if is_narrow():
            self.right, self.width = NARROW - 18, NARROW

    # ------------------------------------------------------------ from numbers to pixels

    def across(self, value: float) -> float:
        """Return how far from the left, in pixels, a number is drawn."""
        return _between(value, self.x, LEFT, self.right)

    def up(self, value: float) -> float:
        """Return how far from the top, in pixels, a number is drawn; never outside the plot."""
        lowest, highest = self.y
        inside = min(max(value, lowest), highest)
        return _between(inside, self.y, BOTTOM, self.top)

    # ------------------------------------------------------------ drawn at numbers

    def rows(self, words: Mapping[float, str]) -> None:
        """Draw a thin line across the plot for each number, with its words at the left."""
        for value, label in words.items():
            self.level("wm-grid", value)
            self.text(LEFT - 7, self.up(value) + 4, label, "end")

    def columns(self, words: Mapping[float, str]) -> None:
        """Draw a tick below the plot for each number, with its words."""
        for value, label in words.items():
            x = self.across(value)
            self.path("wm-axis", f"M{x:.1f} {BOTTOM}v5")
            self.text(x, BOTTOM + 18, label, "middle")

    def level(self, css: str, value: float, words: str = "", key: tuple[int, int] = (0, 0)) -> None:
        """Draw a line across the plot; above it, at `key`, a piece of it with its words, if any.

        Beside the line itself a curve would run through them.
        """
        x, y = key
        line = f"M{LEFT} {self.up(value):.1f}H{self.right}"
        self.path(css, f"{line}M{x} {y - 4}h28" if words else line)
        if words:
            self.text(x + 34, y, words)

    def now(self, value: float) -> None:
        """Draw the vertical line where a slider is; what is drawn from here on moves."""
        self.behind = len(self.parts)
        self.path("wm-now", f"M{self.across(value):.1f} {self.top}V{BOTTOM}")

    def line(self, css: str, points: Iterable[tuple[float, float]]) -> None:
        """Draw a line from point to point; of no points, nothing."""
        places = [f"{self.across(x):.1f} {self.up(y):.1f}" for x, y in points]
        if places:
            self.path(css, "M" + "L".join(places))

    def dot(self, css: str, x: float, y: float, radius: float) -> None:
        """Draw a dot of so many pixels."""
        place = f"cx='{self.across(x):.1f}' cy='{self.up(y):.1f}' r='{radius}'"
        self.parts.append(f"<circle class='{css}' {place}/>")

    def label(self, ends: Sequence[End]) -> None:
        """Write right of the plot what each line is, with a piece of it and a leader to its end.

        Labels are pushed apart; of ends at one height the first has the highest label. On a phone
        they stand below the plot.
        """
        if is_narrow():
            self.width = NARROW
            self.height = HEIGHT + 17 * len(ends)
            for line, end in zip(range(HEIGHT, self.height, 17), ends):
                self.path(f"{end.css} wm-sample", f"M{LEFT} {line + 8}h26")
                self.text(LEFT + 31, line + 12, end.words)
            return
        heights = {end.words: BOTTOM - self.up(end.y) for end in reversed(ends)}
        places = spread(heights, apart=16, top=BOTTOM - self.top + 8)  # 16 pixels a line of text
        key = self.right + 12
        for end in ends:
            y = BOTTOM - places[end.words]
            start = f"{self.across(end.x) + 5:.1f} {self.up(end.y):.1f}"
            self.path("wm-leader", f"M{start}L{key} {y:.1f}")
            self.path(f"{end.css} wm-sample", f"M{key} {y:.1f}h26")
            self.text(key + 31, y + 4, end.words)

    # ------------------------------------------------------------ drawn at pixels

    def frame(self, title: str, below: str) -> None:
        """Draw the axes, with a title above the plot and what the columns are below it."""
        self.path("wm-axis", f"M{LEFT} {self.top}V{BOTTOM}H{self.right}")
        self.text(0, 14, title)
        self.text(self.right, HEIGHT - 4, below, "end")

    def cut(self, name: str, *at: object) -> None:
        """Begin a piece, where a game is recorded."""
        self.parts.append(cut(name, *at))

    def path(self, css: str, steps: str) -> None:
        """Draw a path, given as SVG writes it."""
        self.parts.append(f"<path class='{css}' d='{steps}'/>")

    def text(self, x: float, y: float, words: str, anchor: str = "start", css: str = "") -> None:
        """Write words at a place that is their "start", "middle" or "end"."""
        place = f"x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' class='{css}'"
        self.parts.append(f"<text {place}>{html.escape(words)}</text>")

    def svg(self, caption: str) -> str:
        """Return the drawing, with a sentence for those who do not see it."""
        attributes = f"class='wm-chart' role='img' aria-label='{html.escape(caption)}'"
        return self._svg(attributes, self.parts)

    def layers(self, caption: str) -> Layers:
        """Return the drawing in two pieces, with a sentence for those who do not see it."""
        moving = replace(self, parts=self.parts[self.behind :]).svg(caption)
        behind = self._svg("aria-hidden='true'", self.parts[: self.behind])
        return Layers(moving, f"<div class='wm-chart'>{behind}</div>")

    def _svg(self, attributes: str, parts: Sequence[str]) -> str:
        width, height = self.width, self.height
        size = f"width='{width}' height='{height}' viewBox='0 0 {width} {height}'"
        opening = f"<svg {attributes} xmlns='http://www.w3.org/2000/svg' {size}>"
        return f"{opening}{''.join(parts)}</svg>"


def _between(value: float, numbers: tuple[float, float], start: int, end: int) -> float:
    first, last = numbers
    return start + (end - start) * (value - first) / (last - first)


def count_to(last: int) -> dict[float, str]:
    """Return at most a dozen round numbers from zero up to the last, as a column's words.

    Examples
    --------
    >>> count_to(45)
    {0: '0', 5: '5', 10: '10', 15: '15', 20: '20', 25: '25', 30: '30', 35: '35', 40: '40', 45: '45'}
    """
    unit = 1
    while True:
        for step in (unit, 2 * unit, 5 * unit):
            if last <= 12 * step:
                return {number: str(number) for number in range(0, last + 1, step)}
        unit *= 10


def spread(ends: Mapping[str, float], *, apart: float, top: float) -> dict[str, float]:
    """Return places for labels near the ends of their lines, so far apart and none above the top.

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
