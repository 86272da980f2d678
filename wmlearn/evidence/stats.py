"""What a count of matching answers is worth. No torch, no images: numbers in, numbers out.

The answer to a question was drawn by lot among K classes, so that an innocent service, whatever it
says, matches with probability at most p0 = 1/K: the lot was drawn without it. Everything here
follows from that one sentence. Lesson 07 teaches it by drawing lots; appendix A1 derives the
formulas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from wmlearn._checks import as_array, check_count, check_fraction, check_number, shown
from wmlearn.evidence._nulls import (
    holm_families,
    null_bound,
    null_models_needed,
    null_p,
    open_list_family,
    target_p,
)

Floats = npt.NDArray[np.float64]

# What a learner finds under `wm.stats.`: statistics, and nothing that they are made with.
__all__ = [
    "JUDGE_FACTOR",
    "SMALLEST_P",
    "accusation_chance",
    "accusation_curve",
    "anytime_p",
    "binomial_p",
    "holm_families",
    "judge_p",
    "log_wealth",
    "match_interval",
    "matches_needed",
    "mean_questions",
    "null_bound",
    "null_models_needed",
    "null_p",
    "open_list_family",
    "peeking_chance",
    "questions_needed",
    "reaches",
    "target_p",
    "wealth_path",
]

JUDGE_FACTOR = (
    2.0**48
)  # more seals than an owner will try: at 50 ms each, 450,000 years on one core
# below this a leaked key or a wrong address is likelier than luck, so nothing smaller is printed
SMALLEST_P = 1e-15


def __dir__() -> list[str]:
    return __all__


def log_wealth(k: npt.ArrayLike, n: npt.ArrayLike, p0: float) -> Floats:
    """Return the log wealth of a gambler who bet on a copy, after k of n questions matched.

    They start with 1 and spread it evenly over all match rates above p0; each bet is fair when the
    service is innocent. Their wealth E is the likelihood ratio of a uniform mixture::

        E = integral from p0 to 1 of  p^k (1-p)^(n-k) / (p0^k (1-p0)^(n-k))  dp / (1-p0)

    Parameters
    ----------
    k, n : matches and questions, whole numbers or arrays of them, 0 <= k <= n
    p0 : the chance of one match for an innocent service, between 0 and 1

    Returns
    -------
    ndarray of float: log E. Too few matches never raise it (the prior is one-sided).

    Source
    ------
    Ville (1939) for the bound, Robbins (1970) for the mixture; Ramdas et al., "Game-theoretic
    statistics and safe anytime-valid inference" (2023), for the modern account.

    Examples
    --------
    >>> round(float(np.exp(log_wealth(1, 1, 0.1))), 6)   # one match: the mean of p/p0 over (0.1, 1) is 5.5
    5.5
    """
    (k, n), p0 = _counts(k, n), check_fraction(p0, "p0")
    with np.errstate(
        divide="ignore"
    ):  # the mass above p0 may underflow to 0 when matches are very few: E is then 0
        mass_above = np.log(special.betaincc(k + 1, n - k + 1, p0))
    mixture = special.betaln(k + 1, n - k + 1) + mass_above - math.log1p(-p0)
    return mixture - k * math.log(p0) - (n - k) * math.log1p(-p0)


def wealth_path(matched: npt.ArrayLike, p0: float) -> Floats:
    """Return log E after 0, 1, ..., n questions, shape (n + 1,), from the matches in the order they
    were asked.

    Examples
    --------
    >>> np.exp(wealth_path([True, True, False], 0.1)).round(1).tolist()
    [1.0, 5.5, 37.0, 10.2]
    """
    k = np.concatenate([[0], np.cumsum(np.asarray(matched, bool))])
    return log_wealth(k, np.arange(len(k)), p0)


def reaches(path: npt.ArrayLike, alpha: float) -> npt.NDArray[np.bool_]:
    """Return where log wealth is on or above the line from which one may accuse at this alpha: 1 /
    alpha.
    """
    return np.asarray(path) >= -math.log(check_fraction(alpha, "alpha")) - 1e-12


def anytime_p(path: Floats) -> float:
    """Return the p-value that stays valid however often one looks: 1 / the greatest wealth so far
    (Ville, 1939).
    """
    return max(math.exp(-np.max(path, initial=0.0)), 1e-300)  # never 0: nothing is certain


def binomial_p(k: npt.ArrayLike, n: npt.ArrayLike, p0: float) -> float | Floats:
    """Return P(at least k of n match) for an innocent service: valid only for an n fixed before
    looking.
    """
    (k, n), p0 = _counts(k, n), check_fraction(p0, "p0")
    return _plain(special.bdtrc(k - 1, n.astype(int), p0))


def judge_p(p: float) -> float:
    """Return what a judge may believe who does not trust the owner: p times the seals they could
    have tried.
    """
    return min(1.0, check_number(p, "p", above=0, at_most=1) * JUDGE_FACTOR)


def match_interval(
    k: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95
) -> tuple[float, float] | tuple[Floats, Floats]:
    """Return the exact interval for the match rate (Clopper and Pearson, 1934), for an n fixed
    before looking.

    Examples
    --------
    >>> low, high = match_interval(30, 30)
    >>> round(low, 3), high
    (0.884, 1.0)
    """
    (k, n), tail = _counts(k, n), (1 - check_fraction(confidence, "confidence")) / 2
    low = np.where(k == 0, 0.0, special.betaincinv(np.maximum(k, 1), n - k + 1, tail))
    high = np.where(k == n, 1.0, special.betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail))
    return _plain(low), _plain(high)


def matches_needed(n: npt.ArrayLike, alpha: float, p0: float) -> npt.NDArray[np.int64]:
    """Return the fewest matches among n questions that allow to accuse; n + 1 where not even n of n
    do.

    Examples
    --------
    >>> matches_needed([3, 4, 30], 0.001, 0.1).tolist()
    [4, 4, 12]
    """
    n, alpha = _counts(0, n)[1].astype(int), check_fraction(alpha, "alpha")
    low, high = (
        np.zeros_like(n),
        n + 1,
    )  # between them lies the answer: wealth rises with the matches
    while (low < high).any():
        middle = np.minimum((low + high) // 2, n)
        enough = reaches(log_wealth(middle, n, p0), alpha)
        low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
    return high


def accusation_curve(
    answered: int | Sequence[bool], rate: float, *, alpha: float, p0: float
) -> Floats:
    """Return the exact probability of having been accused after 0, 1, ..., n questions, with a look
    after each.

    Worked out by dynamic programming over the number of matches: no simulation. Parameters as in
    `accusation_chance`.
    """
    flags = (
        [True] * check_count(answered, "answered", low=0)
        if np.ndim(answered) == 0
        else list(answered)
    )
    if not (isinstance(rate, (int, float)) and rate == 0):
        check_number(rate, "rate", above=0, at_most=1)
    needed = matches_needed(np.arange(len(flags) + 1), alpha, p0)
    chance_of_k = np.zeros(needed[-1] + 1)  # of k matches so far, and not accused yet
    chance_of_k[0] = 1.0
    accused = np.zeros(len(flags) + 1)
    for n, came in enumerate(flags, start=1):
        step = rate if came else 0.0
        chance_of_k[1:] = chance_of_k[1:] * (1 - step) + chance_of_k[:-1] * step
        chance_of_k[0] *= 1 - step
        accused[n] = accused[n - 1] + chance_of_k[needed[n] :].sum()
        chance_of_k[needed[n] :] = 0.0
    return accused


def accusation_chance(
    answered: int | Sequence[bool], rate: float, *, alpha: float, p0: float
) -> float:
    """Return the exact probability that a service is ever accused, looking after every question.

    With rate = p0 this is the false-alarm rate; with a higher rate it is the power.

    Parameters
    ----------
    answered : the number of questions, or one flag a question: False where no answer came (a
        certain miss)
    rate : the probability that the service matches a question it answers, 0 to 1
    alpha : the promised bound on false alarms, between 0 and 1
    p0 : the chance of a match for an innocent service

    Examples
    --------
    >>> round(accusation_chance(1000, 0.1, alpha=0.05, p0=0.1), 4)
    0.0287
    """
    return float(accusation_curve(answered, rate, alpha=alpha, p0=p0)[-1])


def peeking_chance(n: int, *, alpha: float, p0: float) -> Floats:
    """Return how often counting has accused an innocent within 0, 1, ..., n questions, if one looks
    after each.

    Exact, by dynamic programming over the number of matches. For a service that matches less often
    than p0 it is less.

    Examples
    --------
    >>> peeking_chance(1000, alpha=0.05, p0=0.1)[[1, 30, 1000]].round(3).tolist()
    [0.0, 0.107, 0.306]
    """
    chance_of_k = np.eye(1, n + 1)[0]  # of k matches so far, and not accused yet
    accused = np.zeros(n + 1)
    for asked in range(1, n + 1):
        chance_of_k[1:] = chance_of_k[1:] * (1 - p0) + chance_of_k[:-1] * p0
        chance_of_k[0] *= 1 - p0
        k = np.arange(1, n + 1)
        guilty = np.concatenate(
            [[False], (k <= asked) & (special.bdtrc(np.minimum(k - 1, asked), asked, p0) <= alpha)]
        )
        accused[asked] = accused[asked - 1] + chance_of_k[guilty].sum()
        chance_of_k[guilty] = 0
    return accused


def questions_needed(alpha: float, p0: float, *, rate: float = 1.0, chance: float = 0.5) -> int:
    """Return how many questions it takes until a copy is accused with this chance; by default a
    perfect one.

    Parameters
    ----------
    alpha, p0 : as in `accusation_chance`
    rate : the share of the questions that the copy matches
    chance : the probability of having found it by then; 0.5 gives the median

    Raises
    ------
    ValueError
        If 10,000 questions are not enough.

    Examples
    --------
    >>> questions_needed(0.001, 0.1), questions_needed(0.001, 0.1, rate=0.4)
    (4, 23)
    """
    check_number(chance, "chance", above=0, at_most=1)
    return int(np.argmax(_reaching(chance, rate, alpha, p0) >= chance))


def mean_questions(alpha: float, p0: float, *, rate: float = 1.0) -> float:
    """Return how many questions it takes on average to find a copy that matches this share of them.

    Examples
    --------
    >>> round(mean_questions(0.001, 0.1, rate=0.4), 1)
    26.6
    """
    return float(
        (1 - _reaching(1 - 1e-6, rate, alpha, p0)).sum()
    )  # the mean is the sum of P(not found yet)


def _reaching(chance: float, rate: float, alpha: float, p0: float) -> Floats:
    """Return the first part of the curve of accusations, long enough to reach this chance."""
    for length in (100, 1000, 10_000):
        curve = accusation_curve(length, rate, alpha=alpha, p0=p0)
        if curve[-1] >= chance:
            return curve
    raise ValueError(
        f"a copy that matches {rate:.3g} of the questions must be found with probability "
        f"{chance:.6g} among 10,000; "
        f"it is with {curve[-1]:.2g} only. Take a higher rate or alpha, or a lower chance."
    )


def _counts(k: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return matches and questions as arrays of float, if they are whole numbers, 0 <= k <= n."""
    expected = "matches k and questions n must be whole numbers, 0 <= k <= n"
    counts = as_array(k, expected), as_array(n, expected)
    numbers = all(count.dtype.kind in "iuf" and np.isfinite(count).all() for count in counts)
    whole = numbers and all((count % 1 == 0).all() for count in counts)
    if not whole or not ((counts[0] >= 0) & (counts[0] <= counts[1])).all():
        raise ValueError(f"{expected}; got k = {shown(k)}, n = {shown(n)}. The matches come first.")
    return counts[0].astype(float), counts[1].astype(float)


def _plain(values: Floats) -> float | Floats:
    """Return a single value as a float, which prints as one."""
    return float(values) if np.ndim(values) == 0 else values
