"""Answers bought once, and all that can be said of the first n of them.

A slider then looks up what was worked out for every n: nothing is asked while it moves.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wmlearn._types import Images, Labels, Query
from wmlearn.evidence import stats
from wmlearn.evidence._sentences import draws_in_words
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.evidence.verdict_kinds import KeyedVerdict
from wmlearn.evidence.verification import verify


@dataclass(frozen=True, eq=False, repr=False)
class Replay:
    """What one suspect answered to all sealed questions, to be looked at as if they were asked one
    by one.

    Attributes
    ----------
    name : what the suspect is called
    triggers : the questions
    verdict : the verdict on all of them, as sealed; its `decisions` say what `verify(...,
        questions=n)` would
    fault : why the suspect could not be asked; empty when it could
    """

    name: str
    triggers: TriggerSet
    verdict: KeyedVerdict
    fault: str

    @property
    def n(self) -> int:
        """How many questions were sealed, and asked."""
        return self.verdict.n

    @cached_property
    def matches(self) -> np.ndarray:
        """How many of the first 0, 1, ..., n questions were matched, shape (n + 1,)."""
        return np.concatenate([[0], np.cumsum(self.verdict.matched)])

    @cached_property
    def needed(self) -> int:
        """How many questions a perfect copy must answer before it can be accused."""
        verdict = self.verdict
        return stats.questions_needed(verdict.alpha, verdict.p0, family=verdict.family)

    def luck(self, n: int) -> str:
        """Return how an innocent model would fare after n questions, in words."""
        return draws_in_words(self.verdict.path[: n + 1], self.verdict.matched)

    def crossed(self, alpha: float, n: int) -> int | None:
        """Return the first of n questions after which the wealth stood at 1 / alpha or more; None
        if it never did.
        """
        above = np.flatnonzero(stats.reaches(self.verdict.path[: n + 1], alpha))
        return int(above[0]) if len(above) else None


def buy(name: str, query: Query, triggers: TriggerSet) -> Replay:
    """Ask a suspect every sealed question, once, and work out what is said after each of them."""
    fault = ""
    try:
        verdict = verify(query, triggers)
    except Exception as error:  # whatever ails one service must not hide the others
        fault = str(error) or type(error).__name__
        verdict = verify(_silence, triggers)
    if not isinstance(verdict, KeyedVerdict):
        raise TypeError("triggers must have keyed labels to be replayed question by question")
    return Replay(name, triggers, verdict, fault)


def _silence(images: Images) -> Labels:
    """Answer as a service does that cannot be reached."""
    return np.full(len(images), -1)
