"""The labels drawn again, all of them beforehand: what services match that cannot know them.

No widget and no picture: numbers, which the lab reveals one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wmlearn._random import stable_rng
from wmlearn._types import Labels
from wmlearn.evidence import stats
from wmlearn.evidence.answers import Flags
from wmlearn.evidence.trigger_set import TriggerSet

N_DRAWS = 2000
HUNDRED = 100


def draw_again(triggers: TriggerSet, seed: int) -> Labels:
    """Return the labels of new draws, as new keys would draw them, shape (N_DRAWS, questions).

    Each is independent of the others and uniform on the allowed classes.
    """
    allowed = triggers.rules.allowed
    return np.take(allowed, stable_rng(seed).randint(len(allowed), size=(N_DRAWS, triggers.n)))


@dataclass(frozen=True, eq=False)
class Redrawn:
    """A service's answers, left as they are, under new draws of the labels.

    Attributes
    ----------
    name : what the service is called
    says : the class that each question was answered with, -1 for none, shape (questions,)
    real : how many it matched in the real draw
    labels : the new draws, shape (draws, questions)
    p0 : the chance of one match
    """

    name: str
    says: Labels
    real: int
    labels: Labels
    p0: float

    @cached_property
    def matches(self) -> Labels:
        """How many questions are matched in each new draw, shape (draws,)."""
        return np.count_nonzero(self.labels == self.says, axis=1)

    def as_good(self, draws: int) -> int:
        """Return in how many of the first draws at least as many match as in the real one."""
        return np.count_nonzero(self.matches[:draws] >= self.real)

    @cached_property
    def chances(self) -> stats.Floats:
        """The exact chance of at least 0, 1, ... matches, given these answers.

        A question without an answer is matched in no draw.
        """
        answered = np.count_nonzero(self.says >= 0)
        return np.asarray(stats.binomial_p(np.arange(answered + 1), answered, self.p0))

    @property
    def p(self) -> float:
        """The exact chance of at least as many matches as in the real draw."""
        return float(self.chances[self.real])


class Innocents:
    """Services questioned one by one, each under a draw that was made after it had answered.

    Whoever is accused here is innocent.

    Parameters
    ----------
    matched : what each of them matches, question by question, shape (innocents, questions)
    p0 : the chance of one match
    alpha : who accuses promises to accuse at most this share of innocents

    Attributes
    ----------
    matches : matches after 0, 1, ... questions, shape (innocents, questions + 1)
    p : the p-value of this count, as if just so many questions had been planned
    wealth : the logarithm of the bettor's wealth
    peeked : who is accused by somebody who looks at p after each question, shape (innocents,)
    planned : who is accused by one look at p, after the last question
    betted : who is accused by the bettor, at any moment
    """

    def __init__(self, matched: Flags, p0: float, alpha: float) -> None:
        self.alpha = alpha
        self.matches = np.pad(matched.cumsum(axis=1), ((0, 0), (1, 0)))
        asked = np.arange(self.matches.shape[1])
        self.p = np.asarray(stats.binomial_p(self.matches, asked, p0))
        self.wealth = stats.log_wealth(self.matches, asked, p0)
        self.peeked = (self.p <= alpha).any(axis=1)
        self.planned = self.p[:, -1] <= alpha
        self.betted = stats.reaches(self.wealth, alpha).any(axis=1)

    @property
    def n(self) -> int:
        """How many questions there are."""
        return self.p.shape[1] - 1
