"""The practice case as a page plays it: all services have answered all questions beforehand."""

import html
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from wmlearn.course.tribunal import PRICES, Score, open_case, points_for, score_card
from wmlearn.labs._kit.cuts import cut
from wmlearn.labs._kit.lab import Frame
from wmlearn.labs._kit.views import alert
from wmlearn.labs.tribunal.board import ASK, Seen, axis_length, axis_top, panel, spoken


class Practice:
    """A practice case of its own, whatever the learner does with theirs.

    Attributes
    ----------
    opening : what is looked at before the first question
    tests : by letter, the verdict of the evidence after 0, 1, ... questions
    truth : what each service is, by letter
    lengths, tops : what the axes of the panels may have room for: questions, powers of ten
    """

    def __init__(self) -> None:
        case = open_case()
        self.truth = score_card(case.card(dict.fromkeys(case.services, "abstain"))).truth
        none = {letter: service.verdict for letter, service in case.services.items()}
        self.opening = Seen(case.triggers, none, case.left, case.budget, {}, "", False, False, None)
        case.budget = len(none) * case.triggers.n
        self.tests = {letter: [verdict] for letter, verdict in none.items()}
        for letter, tests in self.tests.items():
            for _ in range(case.triggers.n):
                case.ask(letter, 1)
                tests.append(case.services[letter].verdict)
        every = list(itertools.chain(*self.tests.values()))
        self.lengths = sorted({axis_length(self.opening, test) for test in every})
        self.tops = sorted({axis_top(self.opening, test) for test in every})

    def walk(self) -> Iterator[Frame]:
        """Yield parts of what can be shown, until every piece was there."""
        opening = self.opening
        for left in range(opening.budget + 1):
            yield spoken(opening._replace(left=left))
        yield spoken(opening._replace(sure=True))
        yield from self._judged()
        for letter, tests in self.tests.items():
            for test in tests:
                seen = opening._replace(tests={**opening.tests, letter: test}, last=letter)
                yield spoken(seen)
                least = axis_length(opening, test), axis_top(opening, test)
                for axes in itertools.product(self.lengths, self.tops):
                    if axes[0] >= least[0] and axes[1] >= least[1]:
                        yield {letter: panel(seen, letter, *axes)}
        yield from self._refused()

    def numbers(self) -> dict[str, Any]:
        """Return what the script of the page has to know."""
        tops = {}
        points = {}
        for letter, tests in self.tests.items():
            kind = self.truth[letter]
            tops[letter] = [axis_top(self.opening, test) for test in tests]
            points[letter] = {word: points_for(word, kind) for word in PRICES}
        budget, questions = self.opening.budget, self.opening.triggers.n
        return {
            "ask": ASK,
            "budget": budget,
            "questions": questions,
            "lengths": self.lengths,
            "tops": tops,
            "points": points,
        }

    def _judged(self) -> Iterator[Frame]:
        """Yield what is shown of verdicts, before and after they are handed in."""
        for words in itertools.product(PRICES, repeat=len(self.truth)):
            verdicts = dict(zip(self.truth, words))
            score = Score(verdicts, self.truth)
            given = self.opening._replace(verdicts=verdicts)
            for seen in (given, given._replace(over=True, score=score)):
                yield spoken(seen)
                if len(set(words)) == 1:
                    for letter in verdicts:
                        yield {letter: panel(seen, letter, self.lengths[0], self.tops[0])}

    def _refused(self) -> Iterator[Frame]:
        """Yield the sentences in which something is refused."""
        case = open_case()
        for count in range(len(self.truth)):
            for given in itertools.combinations(self.truth, count):
                missing = "".join(letter for letter in self.truth if letter not in given)
                words = refusal(case.card, dict.fromkeys(given, "abstain"))
                yield {"status": cut("missing", missing) + words}
        for left in range(1, max(ASK)):
            for count in ASK:
                if count > left:
                    case.budget = left
                    yield {"status": cut("spent", left, count) + refusal(case.ask, "A", count)}
        case.budget = 2 * self.opening.triggers.n
        case.ask("A", self.opening.triggers.n - max(ASK))
        for left in range(max(ASK) - 1, 0, -1):
            case.ask("A", 1)
            for count in ASK:
                if count > left:
                    yield {"status": cut("asked all", left, count) + refusal(case.ask, "A", count)}


def refusal(act: Callable[..., object], *given: object) -> str:
    """Do something, and return as HTML why it cannot be done; empty, if it can."""
    try:
        act(*given)
    except ValueError as error:
        return alert(html.escape(str(error)))
    return ""
