"""Draw the labels again: the histogram of matches grows, draw by draw, beside the real count."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wmlearn._display import plural
from wmlearn.evidence._sentences import p_words
from wmlearn.labs._kit.cuts import cut
from wmlearn.labs._kit.lab import Frame
from wmlearn.labs._kit.svg import BOTTOM, Chart, count_to
from wmlearn.labs._kit.views import small
from wmlearn.labs._kit.words import verdict_box
from wmlearn.labs.lottery.draws import N_DRAWS, Draws

_MORE, _AFRESH = {"draw 1": 1, "draw 10": 10, "draw 1,000": 1000}, "start again"
_FIRST = 15  # questions whose labels are shown
_TOPS = (1, 1.5, 2, 3, 4, 6, 8)  # how high the axis goes, times powers of ten


class Heap(Draws):
    """New draws of the labels, piled up by how many of them the service matches.

    Pure functions of how many have been drawn, whatever shows them.

    Attributes
    ----------
    start, end : where it begins, and what stands for it where nothing runs
    picture : the place whose drawing does
    note : what the drawing's signs mean
    script : of its page
    """

    start, end, picture = 0, N_DRAWS, "chart"
    script = Path(__file__).with_suffix(".js")
    note = "Bars with an outline: as many as in the real draw, or more."

    def axes(self, drawn: int) -> dict[str, bool]:
        """Return for each button whether it can be pressed."""
        return dict.fromkeys(_MORE, drawn < N_DRAWS) | {_AFRESH: drawn > 0}

    def press(self, drawn: int, button: str) -> int:
        """Return how many are drawn after a button is pressed."""
        return min(N_DRAWS, drawn + _MORE[button]) if button in _MORE else 0

    def frame(self, drawn: int) -> Frame:
        """Return what is shown, place by place."""
        parts = self._sentence(drawn), self._chart(drawn), self._latest(drawn)
        return dict(zip(("sentence", "chart", "detail"), parts))

    def walk(self) -> Iterator[Frame]:
        """Yield all that can be shown."""
        yield from map(self.frame, range(N_DRAWS + 1))

    def numbers(self) -> dict[str, Any]:
        """Return what the script of the page has to know."""
        tops = list(map(self.top, range(N_DRAWS + 1)))
        return {"matches": self.matches[:, -1].tolist(), "tops": tops, "more": _MORE}

    def caption(self, drawn: int) -> str:
        """Return in one sentence what the draws have shown."""
        real, as_good = self.answers.k, self.as_good(drawn)
        return cut("caption", drawn) + (
            f"{real} of {self.n} matched in the real draw, and as many or more in "
            f"{as_good:,} of {plural(drawn, 'new draw')} of the labels."
        )

    def _sentence(self, drawn: int) -> str:
        """Return p as the share of the draws so far, beside the exact one."""
        as_good = self.as_good(drawn)
        heading = plural(drawn, "new draw")
        if as_good:
            heading = f"p = {as_good:,} / {drawn:,} = {as_good / drawn:.2g}"
        exact = p_words(self.chances[self.answers.k])
        words = f"{self.caption(drawn)}{cut('exact')} The formula says {exact}."
        return verdict_box(f"{cut('p', drawn)}{heading}", words)

    def _latest(self, drawn: int) -> str:
        """Return the labels of the last draw below the answers, for the first questions."""
        mark = cut("last", drawn)
        if not drawn:
            return mark + small("Draw the labels again: the answers stay as they are.")
        says, labels = self.answers.per_question, self.labels[drawn - 1]
        rows = says, labels, np.where(says == labels, "^", " ")
        code = "\n".join(" ".join(map(str, row[:_FIRST])) for row in rows)
        words = f"The answers to the first questions, below them their labels in draw {drawn:,}:"
        return f"{mark}{small(words)}<p class='wm-code' aria-hidden='true'>{code}</p>"

    def top(self, drawn: int) -> int:
        """Return how many draws the axis has room for; it grows in steps, not at each draw."""
        heap = np.bincount(self.matches[:drawn, -1], minlength=1)
        needed = 1.1 * max(5, heap.max(), self._exact(drawn).max(initial=0))
        unit = 1
        while True:
            for step in _TOPS:
                if needed <= step * unit:
                    return int(step * unit)
            unit *= 10

    def _exact(self, drawn: int) -> npt.NDArray[np.float64]:
        """Return how many draws are expected to match 0, 1, ... questions."""
        return -drawn * np.diff(self.chances[: self._last + 1])

    @property
    def _last(self) -> int:
        """The last column."""
        return int(max(self.answers.k, self.matches[:, -1].max())) + 2

    def _chart(self, drawn: int) -> str:
        """Draw the histogram so far, with the real count and what the formula says."""
        real, last, top = self.answers.k, self._last, self.top(drawn)
        chart = Chart((-1, last), (0, top))
        chart.fit()
        chart.cut("axes", top)
        chart.rows(count_to(top))
        chart.columns(count_to(last))
        chart.frame("new draws (bars), and what the formula says (line)", f"matches, of {self.n}")
        heap = np.bincount(self.matches[:drawn, -1], minlength=1)
        for count in np.flatnonzero(heap):
            chart.cut("bar", top, count, heap[count])
            css = "wm-target" if count >= real else "wm-bar"
            left, right = chart.across(count - 0.4), chart.across(count + 0.4)
            high = f"V{chart.up(heap[count]):.1f}"
            chart.path(css, f"M{left:.1f} {BOTTOM}{high}H{right:.1f}V{BOTTOM}z")
        chart.cut("formula", drawn)
        chart.line("wm-nulls", enumerate(self._exact(drawn)))
        chart.cut("real")
        x, side = chart.across(real), "start" if 2 * real < last else "end"
        chart.path("wm-line", f"M{x:.1f} 24V{BOTTOM}")
        chart.text(x, 34, f"\u2002{real} in the real draw\u2002", side, "wm-value")
        return chart.svg(f"{self.caption(drawn)}{cut('pictured')}")
