"""Draw the labels again: the heap of matches grows, draw by draw, beside the real count."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from wmlearn._display import plural
from wmlearn.evidence._sentences import expected, p_words
from wmlearn.labs._kit.svg import BOTTOM, Chart, count_to
from wmlearn.labs._kit.words import verdict_box
from wmlearn.labs.lottery.draws import N_DRAWS, Redrawn
from wmlearn.labs.lottery.game import Game

_MORE = {"draw 1": 1, "draw 10": 10, "draw 1,000": 1000}
_AFRESH = "start again"
_FIRST = 15  # questions whose labels are shown


class Drawn(NamedTuple):
    """Whose matches are counted, and how many of the new draws have been made."""

    suspect: str
    draws: int = 0


class Heap(Game[Drawn]):
    """New draws of the labels, piled up by how many of them a service matches."""

    rows = (tuple(_MORE), (_AFRESH,))
    left = "sentence", "latest"
    right = ("chart",)

    def __init__(self, services: Iterable[Redrawn]) -> None:
        self._services = {service.name: service for service in services}
        self.suspects = tuple(self._services)
        self.start = Drawn(self.suspects[0])

    def axes(self, state: Drawn) -> dict[str, bool]:
        """Return for each button whether it can be pressed."""
        return dict.fromkeys(_MORE, state.draws < N_DRAWS) | {_AFRESH: state.draws > 0}

    def press(self, state: Drawn, button: str) -> Drawn:
        """Return the state after a button is pressed."""
        if button == _AFRESH:
            return state._replace(draws=0)
        return state._replace(draws=min(N_DRAWS, state.draws + _MORE[button]))

    def frame(self, state: Drawn) -> dict[str, str]:
        """Return what is shown, HTML or SVG, by its place."""
        service, draws = self._services[state.suspect], state.draws
        return {
            "sentence": _sentence(service, draws),
            "latest": _latest(service, draws),
            "chart": _chart(service, draws),
        }

    def picture(self) -> str:
        """Draw all the draws."""
        return _chart(self._services[self.start.suspect], N_DRAWS)

    def lines(self) -> list[str]:
        """Return what each service matched, and how many draws do as well."""
        return [
            f"  {each.name}: {each.real} matched, {each.as_good(N_DRAWS):,} new draws do as well"
            for each in self._services.values()
        ]


def _sentence(service: Redrawn, draws: int) -> str:
    """Return p as the share of the draws so far, beside the exact one."""
    n = len(service.says)
    real = f"In the real draw {service.name} matched {service.real} of {n}"
    if not draws:
        words = f"{real}. Draw the labels again: its answers stay as they are."
        return verdict_box("? nothing drawn yet", words)
    as_good = service.as_good(draws)
    heading = f"{as_good:,} of {plural(draws, 'new draw')}: at least {service.real} matched"
    share = f"The share of the draws is {as_good / draws:.3g}"
    if not as_good:
        share = f"None came so far, so {plural(draws, 'draw')} cannot tell how small p is"
    words = (
        f"{real}, at most {expected(n * service.p0)} expected by chance. {share}; the formula "
        f"says {p_words(service.p)}."
    )
    return verdict_box(heading, words)


def _latest(service: Redrawn, draws: int) -> str:
    """Return the labels of the last draw below the answers, for the first questions."""
    says, labels = service.says[:_FIRST], service.labels[draws - 1, :_FIRST]
    title, drawn, signs = "the answers", np.full(len(says), "?"), np.full(len(says), " ")
    if draws:
        title = f"draw {draws:,}: {service.matches[draws - 1]} matched"
        drawn, signs = labels, np.where(labels == says, "^", " ")
    rows = {"says": says, "drawn": drawn, "match": signs}
    width = len(str(service.labels.max()))
    lines = [f"{name:6}{_spaced(signs, width)}" for name, signs in rows.items()]
    title = f"The first {len(says)} questions and {title}"
    code = "\n".join(lines)
    return f"<p class='wm-small'>{title}</p><p class='wm-code' aria-hidden='true'>{code}</p>"


def _spaced(signs: Iterable[object], width: int) -> str:
    return "".join(f" {sign:>{width}}" for sign in map(str, signs)).replace("-1", "–")


def _chart(service: Redrawn, draws: int) -> str:
    """Draw the heap so far, with the real count and what the formula says."""
    last = max(service.real, service.matches.max()) + 2
    heap = np.bincount(service.matches[:draws], minlength=last)
    exact = draws * -np.diff(service.chances, append=0)
    top = 1.1 * max(5.0, heap.max(), exact.max())
    chart = Chart((-1, last), (0, top))
    chart.rows(count_to(int(top)))
    chart.columns(count_to(last))
    chart.frame("new draws of the labels", f"matches, of {len(service.says)}")
    for matches in np.flatnonzero(heap):
        css = "wm-target" if matches >= service.real else "wm-bar"
        left, right = chart.across(matches - 0.4), chart.across(matches + 0.4)
        high = chart.up(heap[matches])
        chart.path(css, f"M{left:.1f} {BOTTOM}V{high:.1f}H{right:.1f}V{BOTTOM}z")
    if draws:
        chart.line("wm-nulls", enumerate(exact[:last]))
    chart.path("wm-nulls", "M190 10h28")
    chart.text(224, 14, "by the formula")
    x, side = chart.across(service.real), "start" if 2 * service.real < last else "end"
    away = {"start": 6, "end": -6}
    chart.path("wm-line", f"M{x:.1f} {chart.top - 14}V{BOTTOM}")
    real = f"{service.name}: {service.real} in the real draw"
    chart.text(x + away[side], chart.top - 4, real, side, "wm-value")
    caption = (
        f"{plural(draws, 'new draw')} of the labels by how many matched: {service.as_good(draws):,}"
        f" reach the {service.real} that {service.name} matched in the real draw."
    )
    return chart.svg(caption)
