"""The labels drawn again, all of them beforehand: what a service matches that cannot know them.

No widget and no picture: numbers, which the lab reveals one after the other.
"""

import numpy as np

from wmlearn._random import stable_rng
from wmlearn.evidence import stats
from wmlearn.evidence.answers import Answers, Flags

N_DRAWS, HUNDRED = 2000, 100
PEEKS = "an impatient owner, looking after each question"
PLANS = "a patient owner, looking once, at the end"
BETS = "a bettor, looking after each question"


class Draws:
    """New draws of the labels, as new keys would draw them, and answers given without them.

    Each label is independent of the others, and uniform on all classes: so are keyed labels. In
    each draw the service is questioned anew: whatever it did, under these labels it is innocent.

    Parameters
    ----------
    answers : what a service answered; it stays as it is
    alpha : the share of innocents that may be accused, by promise
    seed : draws the labels

    Attributes
    ----------
    n : how many questions there are
    labels : the new draws, shape (N_DRAWS, n)
    matches : matches after 0, 1, ... questions, shape (N_DRAWS, n + 1)
    p : the p-value of this count, as if just so many questions had been planned
    wealth : the logarithm of the bettor's wealth
    chances : the exact chance of at least 0, 1, ... matches, given these answers: a question
        without an answer is matched in no draw
    accused : in which draws the service is accused, shape (N_DRAWS,), by PEEKS, PLANS and BETS
    """

    def __init__(self, answers: Answers, alpha: float, seed: int) -> None:
        self.answers = answers
        self.alpha = alpha
        self.n, classes = answers.n, answers.n_classes
        p0 = 1 / classes
        self.labels = stable_rng(seed).randint(classes, size=(N_DRAWS, self.n))
        matched = self.labels == answers.per_question
        self.matches = np.pad(matched.cumsum(axis=1), ((0, 0), (1, 0)))
        asked = np.arange(self.n + 1)
        self.p = np.asarray(stats.binomial_p(self.matches, asked, p0))
        self.wealth = stats.log_wealth(self.matches, asked, p0)
        answered = np.count_nonzero(answers.per_question >= 0)
        self.chances = np.asarray(stats.binomial_p(asked[: answered + 1], answered, p0))
        below, rich = self.p <= alpha, stats.reaches(self.wealth, alpha)
        self.accused: dict[str, Flags] = {PEEKS: np.any(below, axis=1)}
        self.accused[PLANS] = below[:, -1]
        self.accused[BETS] = np.any(rich, axis=1)

    def as_good(self, draws: int) -> int:
        """Return in how many of the first draws at least as many match as in the real one."""
        return int(np.count_nonzero(self.matches[:draws, -1] >= self.answers.k))
