"""Keep looking: accuse when p looks good, and see which innocents that ruins, beside a bettor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from wmlearn._display import percent, plural
from wmlearn.evidence.answers import Flags
from wmlearn.labs._kit.svg import Chart, End, count_to
from wmlearn.labs._kit.words import verdict_box
from wmlearn.labs.lottery.draws import HUNDRED, Innocents
from wmlearn.labs.lottery.game import Game

_ASK = {"ask 1 more": 1, "ask 5 more": 5}
_ACCUSE, _LET_GO, _NEXT = "accuse", "let go", "next innocent"
_HUNDRED, _AFRESH = "let an impatient owner do it a hundred times", "start again"
_DECADE = math.log(10)


class Watched(NamedTuple):
    """Who is being questioned, how far, how it ended; and what came before.

    Attributes
    ----------
    innocent : the place of the service, from 0
    asked : how many questions it was asked
    ended : what was done then; empty while it is being questioned
    accused : the places of those that were accused
    hundreds : how often the impatient owner was let at a hundred others
    """

    innocent: int = 0
    asked: int = 0
    ended: str = ""
    accused: tuple[int, ...] = ()
    hundreds: int = 0


class Peeking(Game[Watched]):
    """Innocent services, one after the other, and a learner who may stop at any moment."""

    rows = (tuple(_ASK), (_ACCUSE, _LET_GO, _NEXT), (_HUNDRED,), (_AFRESH,))
    left = ("sentence",)
    right = "chart", "people"
    start = Watched()

    def __init__(self, innocents: Innocents) -> None:
        self._innocents = innocents

    def axes(self, state: Watched) -> dict[str, bool]:
        """Return for each button whether it can be pressed."""
        more = not state.ended and state.asked < self._innocents.n
        begun = not state.ended and state.asked > 0
        hundreds = len(self._innocents.p) // HUNDRED
        return {
            **dict.fromkeys(_ASK, more),
            _ACCUSE: begun,
            _LET_GO: begun,
            _NEXT: bool(state.ended) and state.innocent < HUNDRED - 1,
            _HUNDRED: state.hundreds < hundreds - 1,
            _AFRESH: state != self.start,
        }

    def press(self, state: Watched, button: str) -> Watched:
        """Return the state after a button is pressed."""
        if button in _ASK:
            return state._replace(asked=min(self._innocents.n, state.asked + _ASK[button]))
        following = {
            _ACCUSE: state._replace(ended=_ACCUSE, accused=(*state.accused, state.innocent)),
            _LET_GO: state._replace(ended=_LET_GO),
            _NEXT: state._replace(innocent=state.innocent + 1, asked=0, ended=""),
            _HUNDRED: state._replace(hundreds=state.hundreds + 1),
            _AFRESH: self.start,
        }
        return following[button]

    def frame(self, state: Watched) -> dict[str, str]:
        """Return what is shown, HTML or SVG, by its place."""
        sentence = self._sentence(state)
        return {"sentence": sentence, "chart": self._chart(state), "people": self._people(state)}

    def picture(self) -> str:
        """Draw what becomes of a hundred."""
        return self._people(Watched(hundreds=1))

    def lines(self) -> list[str]:
        """Return how many of all innocents each way of looking accuses."""
        seen = self._innocents
        return [
            f"  accused at p <= {seen.alpha:g}, looking after each: {percent(seen.peeked.mean())}",
            f"  accused at p <= {seen.alpha:g}, one look: {percent(seen.planned.mean())}",
            f"  accused by the bettor: {percent(seen.betted.mean())}",
        ]

    # ------------------------------------------------------------ what is shown

    def _sentence(self, state: Watched) -> str:
        """Return p and, once somebody is accused or let go, what they would have come to."""
        seen, row, asked = self._innocents, state.innocent, state.asked
        name, p = f"innocent {row + 1}", f"p = {seen.p[row, asked]:.2g}"
        if not asked:
            words = f"Ask; stop whenever you like. Accuse where p is {seen.alpha:g} or less."
            return verdict_box("? nothing asked yet", words, name)
        matched = f"{seen.matches[row, asked]} of {plural(asked, 'answer')} matched"
        if not state.ended:
            return verdict_box(p, f"{matched}. Accuse, let go, or keep looking?", name)
        heading = {_ACCUSE: "✘ an innocent accused", _LET_GO: "✔ an innocent let go"}
        decided = "accuses it, too" if seen.betted[row] else "does not accuse it"
        words = (
            f"{matched}: {p}; after all {seen.n} questions p = {seen.p[row, -1]:.2g}. It cannot "
            "have known the labels: they were drawn after it had answered. The bettor had "
            f"{_amount(seen.wealth[row].max())} at best, and {decided}."
        )
        return verdict_box(heading[state.ended], words, name)

    def _chart(self, state: Watched) -> str:
        """Draw 1 / p and the wealth; once it has ended, also what more questions would bring."""
        seen, row = self._innocents, state.innocent
        shown = seen.n if state.ended else state.asked
        lines = {
            "wm-counting": -np.log10(seen.p[row, : shown + 1]),
            "wm-curve": seen.wealth[row, : shown + 1] / _DECADE,
        }
        line = -math.log10(seen.alpha)
        low, high = -math.log10(seen.n + 1), max(line + 0.3, *map(np.max, lines.values()))
        chart = Chart((0, seen.n), (low, high), 390)
        chart.rows({power: f"{10.0**power:g}" for power in range(math.ceil(low), int(high) + 1)})
        chart.columns(count_to(seen.n))
        chart.frame("1 / p, and the bettor's wealth", "questions asked")
        chart.level("wm-line", line, f"accuse from {1 / seen.alpha:g} upwards", key=230)
        chart.now(state.asked)
        for css, heights in lines.items():
            chart.line(css, enumerate(heights))
        p, wealth = seen.p[row, shown], _amount(seen.wealth[row, shown])
        names = f"counting: p = {p:.2g}", f"bettor: {wealth}"
        ends = zip(lines, names, lines.values())
        chart.label([End(css, words, shown, heights[-1]) for css, words, heights in ends])
        return chart.svg(f"After {plural(shown, 'question')} {names[0]}; {names[1]}.")

    def _people(self, state: Watched) -> str:
        """Draw a mark for each innocent, a block for each of those that were accused."""
        chart, told = Chart((0, HUNDRED), (0, 1)), []
        chart.text(0, 14, "A mark for each innocent; a block: accused")
        for place, (who, accused) in enumerate(self._tallies(state)):
            words = f"{who}: {np.count_nonzero(accused)} of {len(accused)} accused"
            told.append(words)
            y = 42 + 46 * place
            chart.text(0, y, words)
            chart.path("wm-apart", _marks(~accused, f"{y + 13}v4"))
            chart.path("wm-square", _marks(accused, f"{y + 8}h3v14h-3z"))
        return chart.svg(f"Innocents accused. {'; '.join(told)}.")

    def _tallies(self, state: Watched) -> Iterator[tuple[str, Flags]]:
        """Yield who accuses, and which innocents: the learner's, then a hundred others."""
        seen, watched = self._innocents, state.innocent + bool(state.ended)
        yield "you", np.isin(np.arange(watched), state.accused)
        yield "a bettor beside you", seen.betted[:watched]
        others = slice(HUNDRED * state.hundreds, HUNDRED * (state.hundreds + 1))
        if state.hundreds:
            yield "an impatient owner, looking after each question", seen.peeked[others]
            yield f"a patient owner, one look after {seen.n} questions", seen.planned[others]
            yield "a bettor beside them", seen.betted[others]


def _marks(which: Iterable[bool], mark: str) -> str:
    return "".join(f"M{1 + 5.5 * place:g} {mark}" for place in np.flatnonzero(which))


def _amount(log_wealth: float) -> str:
    return f"{math.exp(log_wealth):.2g}"
