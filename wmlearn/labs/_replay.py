"""Answers bought once, and all that can be said of the first n of them, worked out beforehand for every n.

A slider then only looks up: nothing is computed, and nothing is asked, while it moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wmlearn import stats
from wmlearn._types import Query
from wmlearn._words import lotteries
from wmlearn.questions import TriggerSet
from wmlearn.verdict import Decision, Verdict
from wmlearn.verification import verify


@dataclass(frozen=True, eq=False, repr=False)
class Replay:
    """What one suspect answered to all sealed questions, to be looked at as if they were asked one by one.

    Attributes
    ----------
    name : what the suspect is called
    marks : the questions
    verdict : the verdict on all of them, as sealed
    fault : why the suspect could not be asked; empty when it could
    decisions : the verdict's decision after 0, 1, ..., n questions, each what `verify(..., questions=n)` would say
    matches : how many of the first 0, 1, ..., n questions were matched, shape (n + 1,)
    luck : how an innocent model would fare after 0, 1, ..., n questions, in words
    needed : how many questions a perfect copy must answer before it can be accused
    """

    name: str
    marks: TriggerSet
    verdict: Verdict
    fault: str
    decisions: tuple[Decision, ...]
    matches: np.ndarray
    luck: tuple[str, ...]
    needed: int

    @property
    def n(self) -> int:
        """How many questions were sealed, and asked."""
        return self.verdict.n

    def crossed(self, alpha: float, n: int) -> int | None:
        """Return the first of n questions after which the wealth stood at 1 / alpha or more; None if it never did."""
        above = np.flatnonzero(stats.reaches(self.verdict.path[: n + 1], alpha))
        return int(above[0]) if len(above) else None


def buy(name: str, query: Query, marks: TriggerSet) -> Replay:
    """Ask a suspect every sealed question, once, and work out what is said after each of them."""
    try:
        verdict, fault = verify(query, marks), ""
    except Exception as error:  # whatever ails one service must not hide the others
        verdict, fault = verify(_silence, marks), str(error) or type(error).__name__
    steps = range(verdict.n + 1)
    return Replay(
        name=name,
        marks=marks,
        verdict=verdict,
        fault=fault,
        decisions=tuple(_decisions(verdict)),
        matches=np.concatenate([[0], np.cumsum(verdict.matched)]),
        luck=tuple(lotteries(verdict.path[: n + 1], verdict.matched) for n in steps),
        needed=stats.questions_needed(verdict.alpha / verdict.family, verdict.p0),
    )


def _silence(images: np.ndarray) -> np.ndarray:
    """Answer as a service does that cannot be reached."""
    return np.full(len(images), -1)


def _decisions(verdict: Verdict) -> list[Decision]:
    """Decide after 0, 1, ..., n questions by the sealed rule: the best moment so far counts."""
    perfect = stats.wealth_path(~verdict.unanswered, verdict.p0)  # of a copy that matches whatever was answered
    decided: list[Decision] = []
    for n in range(verdict.n + 1):
        if stats.reaches(verdict.path[: n + 1], verdict.alpha / verdict.family).any():
            decided.append("found")
        elif stats.reaches(perfect[: n + 1], verdict.alpha / verdict.family).any():
            decided.append("not found")
        else:
            decided.append("cannot tell")
    return decided
