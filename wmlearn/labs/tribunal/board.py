"""What the tribunal's board shows, without any widget: from what six services have answered to
HTML, place by place.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from wmlearn._display import percent
from wmlearn.course.tribunal import PRICES, Score, points_for
from wmlearn.evidence import stats
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.evidence.verdict_kinds import KeyedVerdict
from wmlearn.labs._kit.cuts import cut
from wmlearn.labs._kit.lab import Frame
from wmlearn.labs._kit.replay import Replay
from wmlearn.labs._kit.svg import HEIGHT, WIDTH, Chart
from wmlearn.labs._kit.views import small
from wmlearn.labs._kit.wealth_chart import amount, powers_of_ten
from wmlearn.labs._kit.words import verdict_box, verdict_html

ASK = (1, 5, 10)  # questions at a press
HAND_IN, SURE = "hand in", "yes, hand in"
KEPT = 0.3  # three answers in ten, by a copy that is hard to find
_DECADE = math.log(10)
_ACROSS, _PANEL = 3, 180  # panels side by side, and how wide each is, in pixels
_RIGHT, _TOP = 168, 62  # edges of the plot in a panel
_LENGTHS = (20, 50)  # questions that the axis begins with, until a curve leaves it


class Seen(NamedTuple):
    """What is looked at.

    Attributes
    ----------
    triggers : the owner's questions
    tests : by letter, the verdict of the evidence on each service so far
    left, budget : images that may still be asked about, and that could be from the start
    verdicts : the learner's, by letter; those not given yet are left out
    last : the letter of the service that was asked last; empty before the first
    sure, over : whether the learner is asked if that is final; whether it is
    score : what it was worth; None before the end, and where only the teacher knows the truth
    """

    triggers: TriggerSet
    tests: Mapping[str, KeyedVerdict]
    left: int
    budget: int
    verdicts: Mapping[str, str]
    last: str
    sure: bool
    over: bool
    score: Score | None

    @property
    def line(self) -> float:
        """The log wealth from which one may accuse, each service being one of all."""
        return stats.log_line(self.triggers.alpha, len(self.tests))


def axes(seen: Seen) -> dict[str, bool]:
    """Return whether each input, by its description, can be used."""
    usable = {HAND_IN: not seen.over, SURE: seen.sure and not seen.over}
    for letter, test in seen.tests.items():
        to_ask = not seen.over and seen.left > 0 and test.n < seen.triggers.n
        usable.update({f"{letter} +{count}": to_ask for count in ASK})
        usable[f"verdict on {letter}"] = not seen.over
    return usable


def frame(seen: Seen) -> Frame:
    """Return what the board shows, place by place; the panels by the letters of the services."""
    return {**spoken(seen), **panels(seen)}


def spoken(seen: Seen) -> dict[str, str]:
    """Return what the board says."""
    bar = (
        f"{cut('left', seen.left)}<progress value='{seen.budget - seen.left}' max='{seen.budget}' "
        "aria-label='questions spent'></progress>"
    )
    given = []
    for letter in seen.tests:
        word = seen.verdicts.get(letter, "open")
        given.append(f"{cut('verdict', letter, word)}{letter}: {word}")
    verdicts = f"{cut('comma')}, ".join(given) + cut("all given")
    return {
        "budget": bar + small(f"{seen.left} of {seen.budget} questions left"),
        # of a button, only its shade says that it is pressed
        "given": f"<p class='wm-small' role='status'>Your verdicts: {verdicts}.</p>",
        "sentence": _sentence(seen),
        "rules": small(*_rules(seen)),
    }


def still(seen: Seen) -> str:
    """Draw all panels in one picture, for where nothing runs."""
    parts = []
    for number, panel in enumerate(panels(seen).values()):
        row, column = divmod(number, _ACROSS)
        place = f"translate({column * (_PANEL + 10)} {row * HEIGHT})"
        parts.append(f"<g transform='{place}'>{panel}</g>")
    opening = (
        "<svg class='wm-chart' xmlns='http://www.w3.org/2000/svg' "
        f"width='{WIDTH}' height='{(row + 1) * HEIGHT}'>"
    )
    return f"{opening}{''.join(parts)}</svg>"


# ---------------------------------------------------------------- drawn


def panels(seen: Seen) -> dict[str, str]:
    """Draw the wealth of each service, question by question, all on the same axes."""
    tests = seen.tests.values()
    length = max(axis_length(seen, test) for test in tests)
    top = max(axis_top(seen, test) for test in tests)
    return {letter: panel(seen, letter, length, top) for letter in seen.tests}


def axis_length(seen: Seen, test: KeyedVerdict) -> int:
    """Return how many questions an axis must have room for."""
    return next((length for length in _LENGTHS if test.n <= length), seen.triggers.n)


def axis_top(seen: Seen, test: KeyedVerdict) -> int:
    """Return up to which power of ten an axis must have room for a service's wealth."""
    (_, top), _ = powers_of_ten(seen.triggers.n, max(test.path.max(), seen.line))
    return top


def panel(seen: Seen, letter: str, length: int, top: int) -> str:
    """Draw the wealth of a service on axes of so many questions and powers of ten."""
    test = seen.tests[letter]
    ends, powers = powers_of_ten(seen.triggers.n, top * _DECADE)
    chart = Chart((0, length), ends, _RIGHT, _TOP, _PANEL)
    chart.cut("axes", length, top)
    chart.rows(powers)
    chart.columns({count: str(count) for count in (0, length // 2, length)})
    chart.level("wm-line", seen.line / _DECADE)
    chart.text(_RIGHT, chart.up(seen.line / _DECADE) - 5, f"line {amount(seen.line)}", "end")
    chart.cut("curve", length, top, letter, test.n)
    chart.line("wm-curve", enumerate(test.path / _DECADE))
    chart.dot("wm-dot", test.n, test.path[-1] / _DECADE, 4)
    chart.cut("frame")
    chart.frame("", "questions asked")
    words = [f"{test.k} of {test.n} matched", where(test), _given(seen, letter)]
    at = letter, seen.verdicts.get(letter, "open"), seen.score is not None
    chart.cut("words", letter, test.n)
    chart.text(0, 14, letter, css="wm-value")
    for row, line in enumerate(words[:2]):
        chart.text(16, 14 + 16 * row, line)
    chart.cut("judged", *at)
    chart.text(16, 46, words[2])
    wealth = f"wealth {amount(test.path[-1])}, at its best {amount(test.path.max())}"
    said = f"{cut('service', letter, test.n)}{wealth}; {'; '.join(words[:2])}; "
    return chart.svg(f"Service {letter}: {said}{cut('so judged', *at)}{words[2]}.")


def where(test: KeyedVerdict) -> str:
    """Return on which side of the line a service is: what was found stays found."""
    return "✔ crossed the line" if test.decision == "found" else "– below the line"


def _given(seen: Seen, letter: str) -> str:
    """Return the learner's verdict on a service and, once that is known, what it was worth."""
    word = seen.verdicts.get(letter)
    if word is None:
        return "no verdict yet"
    if seen.score is None:
        return f"you {word}"
    kind = seen.score.truth[letter]
    return f"{word}: {kind}, {points_for(word, kind):+}"


# ---------------------------------------------------------------- in words


def _sentence(seen: Seen) -> str:
    """Return what the last move has brought, or what comes next."""
    if seen.score is not None:
        return cut("points", seen.score.points) + verdict_box(
            f"{seen.score.points} points",
            "The case is closed. Each curve now says what its service was, and what your verdict "
            "on it brought.",
        )
    if seen.over:
        return cut("handed in") + verdict_box(
            "Handed in",
            "The case is closed; your teacher knows the truth. Write the card with "
            "board.card.save('card.json'), board being this board, and hand in the file.",
        )
    if seen.sure:
        return cut("sure") + verdict_box(
            "Is that final?",
            f"Nothing can be changed after that. Press '{SURE}', or go on: ask, or choose another "
            "verdict.",
        )
    if not seen.last:
        return cut("opening") + verdict_box(
            "Whom do you ask?",
            "Each press sends so many of the secret questions, the next in their order. What is "
            "spent does not come back. A verdict can be changed until you hand in.",
        )
    test = seen.tests[seen.last]
    replay = Replay(f"service {seen.last}", seen.triggers, test, "")
    by_now = percent(test.chance_to_find(KEPT), 0)
    return (
        cut("asked", seen.last, test.n)
        + verdict_html(replay, test.n)
        + small(f"Of copies that keep three answers in ten, {by_now} would be found by now.")
    )


def _rules(seen: Seen) -> list[str]:
    return [
        f"Accusing a thief brings {PRICES['accuse'][0]} points. Accusing an innocent costs "
        f"{-PRICES['accuse'][1]}, clearing a thief {-PRICES['clear'][0]}; everything else brings "
        "and costs nothing.",
        f"The dashed line: alpha, {seen.triggers.alpha:g}, is shared by {len(seen.tests)} "
        f"services, so each may be accused from a wealth of {amount(seen.line)} upwards.",
    ]
