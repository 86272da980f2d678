"""Keep looking: accuse when p looks good, and see which innocents that hits, beside a bettor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wmlearn._display import plural
from wmlearn.evidence.answers import Flags
from wmlearn.labs._kit.lab import Frame
from wmlearn.labs._kit.svg import Chart, Layers
from wmlearn.labs._kit.wealth_chart import amount, wealth_svg
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

    def caption(self, state: Watched) -> str:
        """Return in one sentence who has accused how many innocents."""
        return "; ".join(self._tallies(state)) + "."

    def _sentence(self, state: Watched) -> str:
        """Return p and, once it is accused or let go, what the bettor does."""
        row, asked = state.innocent, state.asked
        heading = f"p = {self.p[row, asked]:.2g}"
        words = f"{self.matches[row, asked]} of {plural(asked, 'answer')} matched: {heading}."
        if state.ended:
            heading = _END[state.ends[row]]
            decided = "accuses it, too" if self.accused[BETS][row] else "never accuses it"
            words += (
                " It cannot know the labels: they were drawn after it had answered. The bettor, "
                f"with {amount(self.wealth[row].max())} at their best, {decided}."
            )
        return verdict_box(heading, words, f"innocent {row + 1}")

    def _chart(self, state: Watched) -> Layers:
        """Draw 1 / p and the wealth."""
        p, wealth = self.p[state.innocent], self.wealth[state.innocent]
        asked = state.asked
        caption = (
            f"After {plural(asked, 'question')} counting says p = {p[asked]:.2g}; the bettor has "
            f"{amount(wealth[asked])}."
        )
        lines = {"wm-counting": -np.log(p), "wm-curve": wealth}
        return wealth_svg(lines, asked, sealed=self.alpha, alpha=self.alpha, caption=caption)

    def _people(self, state: Watched) -> str:
        """Draw a mark for each innocent, a block for each of those that were accused."""
        chart = Chart((0, HUNDRED), (0, 1))
        chart.text(0, 14, "A mark for each innocent, a block for each that was accused")
        for place, (words, accused) in enumerate(self._tallies(state).items()):
            y, last = 42 + 46 * place, accused[-HUNDRED:]
            chart.text(0, y, words)
            chart.path("wm-apart", _marks(~last, f"{y + 13}v4"))
            chart.path("wm-square", _marks(last, f"{y + 8}h3v14h-3z"))
        return chart.svg(self.caption(state))

    def _tallies(self, state: Watched) -> dict[str, Flags]:
        """Return who accuses how many, in words, and whom: beside the learner, then others."""
        tallies = {"you": np.array(state.ends) == "accuse"}
        tallies["a bettor beside you"] = self.accused[BETS][: len(state.ends)]
        for who, flags in self.accused.items():
            tallies[who] = flags[HUNDRED : HUNDRED * (state.hundreds + 1)]
        return {
            f"{who}: {np.count_nonzero(flags)} of {len(flags):,} accused": flags
            for who, flags in tallies.items()
        }


def _marks(which: Flags, mark: str) -> str:
    return "".join(f"M{1 + 5.5 * place:g} {mark}" for place in np.flatnonzero(which))
