"""Keep looking: accuse when p looks good, and see which innocents that hits, beside a bettor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wmlearn._display import plural
from wmlearn.evidence.answers import Flags
from wmlearn.labs._kit.cuts import cut
from wmlearn.labs._kit.lab import Frame
from wmlearn.labs._kit.svg import NARROW, Chart, Layers, is_narrow
from wmlearn.labs._kit.wealth_chart import Floats, amount, highest, powers_of_ten, wealth_svg
from wmlearn.labs._kit.words import verdict_box
from wmlearn.labs.lottery.draws import BETS, HUNDRED, N_DRAWS, Draws

_ASK, _NEXT = {"ask 1 more": 1, "ask 5 more": 5}, "next innocent"
_END = {"accuse": "✘ an innocent accused", "let go": "✔ an innocent let go"}
_HUNDRED = "an impatient owner does a hundred"


class Watched(NamedTuple):
    """Who is being questioned, how far, and what came of all.

    Attributes
    ----------
    innocent : the number of the draw under which the service is questioned
    asked : how many questions it was asked
    ends : what was done with each innocent so far, "accuse" or "let go"
    hundreds : how often the impatient owner was let at a hundred others
    """

    innocent: int = 0
    asked: int = 0
    ends: tuple[str, ...] = ()
    hundreds: int = 0

    @property
    def ended(self) -> bool:
        """Whether the one being questioned was accused or let go."""
        return len(self.ends) > self.innocent


class Peeking(Draws):
    """Innocents, one after the other, and a learner who may accuse at any moment.

    Pure functions of what was pressed, whatever shows them; its attributes are those of `Heap`.
    """

    start, end, picture = Watched(), Watched(hundreds=1), "detail"
    script = Path(__file__).with_suffix(".js")
    note = "Square, dashes: 1 / p, by counting. Dot, line: the bettor's wealth."

    def axes(self, state: Watched) -> dict[str, bool]:
        """Return for each button whether it can be pressed."""
        asking = dict.fromkeys(_ASK, state.asked < self.n)
        ending = dict.fromkeys(_END, state.asked > 0 and not state.ended)
        following = state.ended and state.innocent < HUNDRED - 1
        others = HUNDRED * (state.hundreds + 1) < N_DRAWS
        return asking | ending | {_NEXT: following, _HUNDRED: others}

    def press(self, state: Watched, button: str) -> Watched:
        """Return the state after a button is pressed."""
        if button in _ASK:
            return state._replace(asked=min(self.n, state.asked + _ASK[button]))
        if button == _HUNDRED:
            return state._replace(hundreds=state.hundreds + 1)
        if button == _NEXT:
            return state._replace(innocent=state.innocent + 1, asked=0)
        return state._replace(ends=(*state.ends, button))

    def frame(self, state: Watched) -> Frame:
        """Return what is shown, place by place."""
        parts = self._sentence(state), self._chart(state), self._people(state)
        return dict(zip(("sentence", "chart", "detail"), parts))

    def walk(self) -> Iterator[Frame]:
        """Yield parts of what can be shown, until every piece was there."""
        seen = set()
        for row in range(HUNDRED):
            tops = [*self._tops(row), 0]
            for asked in range(self.n + 1):
                at = tops[asked], asked, self.matches[row, asked]
                # the last of an axis holds the whole line
                if at not in seen or tops[asked + 1] != tops[asked]:
                    seen.add(at)
                    state = Watched(row, asked)
                    yield {"sentence": self._sentence(state), "chart": self._chart(state)}
            for end in _END:
                state = Watched(row, self.n, (end,) * (row + 1))
                yield {"sentence": self._sentence(state), "detail": self._people(state)}
        for hundreds in range(N_DRAWS // HUNDRED):
            yield {"detail": self._people(Watched(hundreds=hundreds))}

    def numbers(self) -> dict[str, Any]:
        """Return what the script of the page has to know."""
        watched = range(HUNDRED)
        others = {who: flags.astype(int).tolist() for who, flags in self.accused.items()}
        return {
            "matches": self.matches[:HUNDRED].tolist(),
            "tops": list(map(self._tops, watched)),
            "ask": _ASK,
            "others": others,
            "bets": BETS,
            "hundred": HUNDRED,
        }

    def _lines(self, row: int) -> dict[str, Floats]:
        """Return what is drawn of an innocent."""
        return {"wm-counting": -np.log(self.p[row]), "wm-curve": self.wealth[row]}

    def _tops(self, row: int) -> list[int]:
        """Return how high the axis goes after 0, 1, ... questions, in powers of ten."""
        lines = self._lines(row)
        needed = [highest(lines, asked, self.alpha) for asked in range(self.n + 1)]
        return [powers_of_ten(self.n, each)[0][1] for each in needed]

    def caption(self, state: Watched) -> str:
        """Return in one sentence who has accused how many innocents."""
        tallies = self._tallies(state)
        said = [f"{cut('who', who)}{who}: {_tally(flags)}" for who, flags in tallies.items()]
        return f"{cut('and')}; ".join(said) + f"{cut('stop')}."

    def _sentence(self, state: Watched) -> str:
        """Return p and, once it is accused or let go, what the bettor does."""
        row, asked = state.innocent, state.asked
        at = asked, self.matches[row, asked]
        p = f"p = {self.p[row, asked]:.2g}"
        heading = cut("p", *at) + p
        words = f"{at[1]} of {plural(asked, 'answer')} matched: {p}."
        words = cut("matched", *at) + words
        if state.ended:
            end = state.ends[row]
            heading = cut("end", end) + _END[end]
            decided = "accuses it, too" if self.accused[BETS][row] else "never accuses it"
            words += (
                f"{cut('bettor', row)} It cannot know the labels: they were drawn after it had "
                f"answered. The bettor, with {amount(self.wealth[row].max())} at their best, "
                f"{decided}."
            )
        return verdict_box(heading, words + cut("closed"), f"{cut('name', row)}innocent {row + 1}")

    def _chart(self, state: Watched) -> Layers:
        """Draw 1 / p and the wealth."""
        asked, matches = state.asked, self.matches[state.innocent]
        p, wealth = self.p[state.innocent, asked], self.wealth[state.innocent, asked]
        caption = (
            f"{cut('caption', asked, matches[asked])}After {plural(asked, 'question')} counting "
            f"says p = {p:.2g}; the bettor has {amount(wealth)}."
        )
        lines = self._lines(state.innocent)
        return wealth_svg(
            lines,
            asked,
            sealed=self.alpha,
            alpha=self.alpha,
            caption=caption,
            matches=matches.tolist(),
        )

    def _people(self, state: Watched) -> str:
        """Draw a mark for each innocent, a block for each of those that were accused."""
        chart, top, below = Chart((0, HUNDRED), (0, 1)), 42, 46
        apart, wide = 5.5, 3
        if is_narrow():
            chart.width, chart.height, top, below = NARROW, 330, 60, 60
            apart, wide = 3.4, 1
        title = "A mark for each innocent, a block for each that was accused"
        _write(chart, top - 28, title)
        for row, (who, accused) in enumerate(self._tallies(state).items()):
            y, last = top + below * row, accused[-HUNDRED:]
            chart.cut("row", row)
            _write(chart, y, f"{who}: {_tally(accused)}{cut('marks', row)}")
            marks = [
                f"{cut('mark', row, place)}M{1 + apart * place:g} {y + 13}v4"
                for place in np.flatnonzero(~last)
            ]
            blocks = [
                f"{cut('block', row, place)}M{1 + apart * place:g} {y + 8}h{wide}v14h-{wide}z"
                for place in np.flatnonzero(last)
            ]
            chart.path("wm-apart", "".join(marks) + cut("blocks"))
            chart.path("wm-square", "".join(blocks) + cut("told"))
        chart.cut("shown")
        return chart.svg(self.caption(state))

    def _tallies(self, state: Watched) -> dict[str, Flags]:
        """Return who accuses whom: beside the learner, then others."""
        tallies = {"you": np.array(state.ends) == "accuse"}
        tallies["a bettor beside you"] = self.accused[BETS][: len(state.ends)]
        for who, flags in self.accused.items():
            tallies[who] = flags[HUNDRED : HUNDRED * (state.hundreds + 1)]
        return tallies


def _tally(flags: Flags) -> str:
    """Return how many are accused, in words."""
    hit, of = np.count_nonzero(flags), len(flags)
    words = f"{cut('number', hit)}{hit:,}{cut('of')} of {cut('number', of)}{of:,}"
    return f"{words}{cut('tallied')} accused"


def _write(chart: Chart, y: int, words: str) -> None:
    """Write words, on a phone in two lines."""
    lines = [words]
    if is_narrow():
        lines = words.split(", ", 1)
    for line in reversed(lines):
        chart.text(0, y, line)
        y -= 15
