"""What a count of matching answers is worth. No torch, no images: numbers in, numbers out.

The answer to a question was drawn by lot among K classes, so that an innocent service, whatever it says, matches with
probability at most p0 = 1/K: the lot was drawn without it. Everything here follows from that one
sentence. Lesson 07 teaches it by drawing lots; appendix A1 derives the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

JUDGE_FACTOR = 2.0**48  # more seals than an owner will try: at 50 ms each, 450,000 years on one core
SMALLEST_P = 1e-15  # below this a leaked key or a wrong address is likelier than luck, so nothing smaller is printed


def log_wealth(k: npt.ArrayLike, n: npt.ArrayLike, p0: float) -> Floats:
    """Return the log wealth of a gambler who bet on a copy, after k of n questions matched.

    He starts with 1 and spreads it evenly over all match rates above p0; each bet is fair when the service is
    innocent. His wealth E is the likelihood ratio of a uniform mixture::

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
    Ville (1939) for the bound, Robbins (1970) for the mixture; Ramdas et al., "Game-theoretic statistics and safe
    anytime-valid inference" (2023), for the modern account.

    Examples
    --------
    >>> round(float(np.exp(log_wealth(1, 1, 0.1))), 6)   # one match: the mean of p/p0 over (0.1, 1) is 5.5
    5.5
    """
    k, n = np.asarray(k, float), np.asarray(n, float)
    with np.errstate(divide="ignore"):  # the mass above p0 may underflow to 0 when matches are very few: E is then 0
        mass_above = np.log(special.betaincc(k + 1, n - k + 1, p0))
    mixture = special.betaln(k + 1, n - k + 1) + mass_above - math.log1p(-p0)
    return mixture - k * math.log(p0) - (n - k) * math.log1p(-p0)


def wealth_path(matched: npt.ArrayLike, p0: float) -> Floats:
    """Return log E after 0, 1, ..., n questions, shape (n + 1,), from the matches in the order they were asked.

    Examples
    --------
    >>> np.exp(wealth_path([True, True, False], 0.1)).round(1).tolist()
    [1.0, 5.5, 37.0, 10.2]
    """
    k = np.concatenate([[0], np.cumsum(np.asarray(matched, bool))])
    return log_wealth(k, np.arange(len(k)), p0)


def reaches(path: npt.ArrayLike, alpha: float) -> npt.NDArray[np.bool_]:
    """Return where log wealth is on or above the line from which one may accuse at this alpha: 1 / alpha."""
    return np.asarray(path) >= -math.log(alpha) - 1e-12


def anytime_p(path: Floats) -> float:
    """Return the p-value that stays valid however often one looks: 1 / the greatest wealth so far (Ville, 1939)."""
    return max(math.exp(-max(0.0, float(np.max(path)))), 1e-300)  # never 0: nothing is certain


def binomial_p(k: int, n: int, p0: float) -> float:
    """Return P(at least k of n match) for an innocent service: valid only for an n fixed before looking."""
    return 1.0 if k == 0 else float(special.bdtrc(k - 1, n, p0))


def judge_p(p: float) -> float:
    """Return what a judge may believe who does not trust the owner: p times the seals he could have tried."""
    return min(1.0, p * JUDGE_FACTOR)


def match_interval(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval for the match rate (Clopper and Pearson, 1934), for an n fixed before looking.

    Examples
    --------
    >>> low, high = match_interval(30, 30)
    >>> round(low, 3), high
    (0.884, 1.0)
    """
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(special.betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(special.betaincinv(k + 1, n - k, 1 - tail))
    return low, high


def accusation_chance(answered: int | Sequence[bool], rate: float, *, alpha: float, p0: float) -> float:
    """Return the exact probability that a service is ever accused, looking after every question.

    With rate = p0 this is the false-alarm rate; with a higher rate it is the power. Worked out by dynamic programming
    over the number of matches: no simulation.

    Parameters
    ----------
    answered : the number of questions, or one flag a question: False where no answer came (a certain miss)
    rate : the probability that the service matches a question it answers, 0 to 1
    alpha : the promised bound on false alarms, between 0 and 1
    p0 : the chance of a match for an innocent service

    Examples
    --------
    >>> round(accusation_chance(1000, 0.1, alpha=0.05, p0=0.1), 4)
    0.0287
    """
    flags = [True] * int(answered) if np.ndim(answered) == 0 else list(answered)
    chance_of_k = np.zeros(len(flags) + 1)  # of k matches so far, and not accused yet
    chance_of_k[0] = 1.0
    accused = 0.0
    for n, came in enumerate(flags, start=1):
        step = rate if came else 0.0
        chance_of_k[1:] = chance_of_k[1:] * (1 - step) + chance_of_k[:-1] * step
        chance_of_k[0] *= 1 - step
        crossing = reaches(log_wealth(np.arange(n + 1), n, p0), alpha)
        accused += float(chance_of_k[: n + 1][crossing].sum())
        chance_of_k[: n + 1][crossing] = 0.0
    return accused


def questions_needed(alpha: float, p0: float) -> int:
    """Return how many questions a perfect copy must answer before it can be accused.

    Examples
    --------
    >>> questions_needed(0.001, 0.1)
    4
    """
    n = 1
    while not reaches(log_wealth(n, n, p0), alpha):
        n += 1
    return n


def null_p(observed: int, nulls: Sequence[int]) -> float:
    """Return the empirical p-value (1 + b) / (M + 1): b of M null models matched at least as often.

    Valid when the suspect, if innocent, is exchangeable with the null models and none of them was used to choose
    anything. It cannot fall below 1 / (M + 1).

    Examples
    --------
    >>> null_p(90, [3, 0, 95, 1])
    0.4
    """
    reached = sum(count >= observed for count in nulls)
    return (1 + reached) / (len(nulls) + 1)


def null_models_needed(alpha: float) -> int:
    """Return how many null models it takes before their p-value can reach alpha.

    Examples
    --------
    >>> [null_models_needed(alpha) for alpha in (0.05, 0.01, 0.001)]
    [19, 99, 999]
    """
    return math.ceil(round(1 / alpha, 9)) - 1


def null_bound(models: int, confidence: float = 0.95) -> float:
    """Return the upper bound on the false-alarm rate of a threshold that none of `models` null models reached.

    Examples
    --------
    >>> round(null_bound(40), 3)
    0.072
    """
    return 1 - (1 - confidence) ** (1 / models) if models else 1.0


def lottery_p(matches: Sequence[int], target: int) -> float:
    """Return the p-value of a target class that was drawn by lot among those listed.

    Parameters
    ----------
    matches : for each class that could have been drawn, how many triggers the suspect put into it
    target : the position of the class that was drawn

    Returns
    -------
    float: the share of classes that would have done at least as well; never below 1 / len(matches).

    Examples
    --------
    >>> lottery_p([0, 150, 0, 0], target=1)
    0.25
    """
    return sum(count >= matches[target] for count in matches) / len(matches)


def holm_families(p_values: Sequence[float], alpha: float) -> list[int]:
    """Return among how many tests alpha is shared for each of several suspects, by Holm's step-down rule.

    The smallest p-value pays for all of them, the next for all but one, and so on until one fails; those after it pay
    as that one does. A suspect is accused where p <= alpha / its number. So the chance of accusing *any* innocent one
    is at most alpha, however their answers depend on one another.

    Parameters
    ----------
    p_values : one for each suspect, 0 to 1
    alpha : the bound on accusing anybody wrongly, between 0 and 1

    Source
    ------
    Holm (1979), "A simple sequentially rejective multiple test procedure".

    Examples
    --------
    >>> holm_families([0.004, 0.5, 0.0001], alpha=0.01)
    [2, 1, 3]
    >>> holm_families([0.006, 0.5, 0.0001], alpha=0.01)
    [2, 2, 3]
    """
    families = [len(p_values)] * len(p_values)
    left = len(p_values)
    for place in sorted(range(len(p_values)), key=lambda i: p_values[i]):
        families[place] = left
        if p_values[place] <= alpha / left:
            left -= 1
    return families


def open_list_family(place: int) -> int:
    """Return among how many tests alpha counts as shared for the s-th suspect of a list that has no end: s (s + 1).

    Examples
    --------
    >>> [open_list_family(place) for place in (1, 2, 3)]
    [2, 6, 12]
    """
    return place * (place + 1)
