"""How strong the evidence of matching answers is. No torch, no images: numbers in, numbers out.

The answer to a question is drawn at random among K classes, independently of an innocent service.
So whatever that service says, it matches with probability at most p0 = 1/K. Everything here follows
from that one sentence, except the section on tests without such random labels. Lessons 07 and 08
teach it by drawing labels; appendix A1 derives the formulas.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from wmlearn._checks import (
    MOST_QUESTIONS,
    as_array,
    check_count,
    check_family,
    check_fraction,
    check_number,
    shown,
)
from wmlearn.evidence.rules import SEALS_TRIED, SMALLEST_ALPHA

# Written by hand, without a library: anyone who doubts a verdict must be able to read how it was
# reached. statsmodels (Holm) and confseq (the wealth) would be two dependencies for a few lines
# each, and scipy.stats takes three times as long to import as scipy.special. Tests compare every
# formula with scipy.stats, or with an independent program.

Floats = NDArray[np.float64]
Numbers = float | Floats  # a float for one count, an array for several

# The names under `wm.stats.`: only statistics, no helpers or imports.
__all__ = [
    "JUDGE_FACTOR",
    "SMALLEST_P",
    "accusation_chance",
    "accusation_curve",
    "anytime_p",
    "binomial_p",
    "holm_families",
    "judge_p",
    "log_binomial_p",
    "log_line",
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
    "signed_sum_law",
    "signed_sum_p",
    "signed_wealth",
    "target_p",
    "wealth_path",
]

JUDGE_FACTOR = SEALS_TRIED
SMALLEST_P = SMALLEST_ALPHA  # no smaller p-value is printed
_LEAST_P = 1e-300  # no p-value is 0: nothing is certain


def __dir__() -> list[str]:
    return __all__


# ---------------------------------------------------------------- the bettor's wealth


def log_wealth(k: ArrayLike, n: ArrayLike, p0: float) -> Floats:
    """Return the log wealth (log e-value) of a bettor on a copy, after k of n questions matched.

    The bettor starts with wealth 1 and spreads it evenly over all match rates above p0; each bet is
    fair if the service is innocent. The wealth E is the likelihood ratio of a uniform mixture::

        E = integral from p0 to 1 of  p^k (1-p)^(n-k) / (p0^k (1-p0)^(n-k))  dp / (1-p0)

    Parameters
    ----------
    k, n : matches and questions, whole numbers or arrays of them, 0 <= k <= n <= 10,000,000
    p0 : the probability of one match for an innocent service, between 0 and 1

    Returns
    -------
    array of float
        log E, in the broadcast shape of k and n. Fewer matches than expected never raise it, as the
        prior is one-sided.

    Raises
    ------
    TypeError, ValueError
        If k and n are not whole numbers in that range, or p0 is not between 0 and 1.

    Source
    ------
    Ville (1939) for the bound, Robbins (1970) for the mixture; Ramdas et al., "Game-theoretic
    statistics and safe anytime-valid inference" (2023), for a modern account.

    Examples
    --------
    One match: the mean of p / p0 over (0.1, 1) is 5.5.

    >>> round(float(np.exp(log_wealth(1, 1, 0.1))), 6)
    5.5
    """
    k, n = _counts(k, n)
    p0 = check_fraction(p0, "p0")
    misses = n - k
    mass = special.betaincc(k + 1, misses + 1, p0)
    with np.errstate(divide="ignore"):  # with very few matches the mass may underflow
        mass_above = np.log(mass)
    mixture = special.betaln(k + 1, misses + 1) + mass_above - math.log1p(-p0)
    wealth: Floats = np.asarray(mixture - k * math.log(p0) - misses * math.log1p(-p0))
    lost = np.asarray(mass < np.finfo(float).tiny)  # denormal numbers are imprecise
    if lost.any():
        k, misses = np.broadcast_arrays(k, misses)
        few, others = k[lost], misses[lost]
        # E is P(Bin(n+1, p0) <= k) / ((1-p0) (n+1) P(Bin(n, p0) = k)), a sum of k + 1 terms
        tail = _log_tail(few, others + 2, (1 - p0) / p0)
        wealth[lost] = tail - np.log(others + 1)
    return wealth[()]


def wealth_path(matched: ArrayLike, p0: float) -> Floats:
    """Return log E after 0, 1, ..., n questions, shape (n + 1,), from the matches in order.

    Parameters
    ----------
    matched : whether each question matched, shape (n,)
    p0 : as in `log_wealth`

    Examples
    --------
    >>> np.exp(wealth_path([True, True, False], 0.1)).round(1).tolist()
    [1.0, 5.5, 37.0, 10.2]
    """
    flags = np.asarray(matched, bool)
    k = np.concatenate([[0], np.cumsum(flags)])
    return log_wealth(k, np.arange(len(k)), p0)


def log_line(alpha: float, family: int = 1) -> float:
    """Return the log wealth at which an accusation is allowed: log(family / alpha).

    Parameters
    ----------
    alpha : the bound on false alarms, between 0 and 1
    family : how many tests share alpha, a whole number of any size below 2**9000

    Examples
    --------
    >>> round(log_line(0.01), 3), round(log_line(0.01, math.factorial(256)), 1)
    (4.605, 1171.9)
    """
    check_family(family, "tests that share alpha")
    line = math.log(family) - math.log(check_fraction(alpha, "alpha"))
    if line > 700:  # alpha / family would round to 0
        return line
    return -math.log(alpha / family)


def reaches(path: ArrayLike, alpha: float, family: int = 1) -> NDArray[np.bool_]:
    """Return where log wealth is at or above `log_line`, bool, in the shape of `path`.

    A p-value decides by the same rule, with -log p as its log wealth.

    Examples
    --------
    >>> reaches(-np.log([0.001, 0.01]), 0.05, family=10).tolist()
    [True, False]
    """
    return np.asarray(path) >= log_line(alpha, family) - 1e-12


def matches_needed(n: ArrayLike, alpha: float, p0: float, family: int = 1) -> NDArray[np.int64]:
    """Return the smallest number of matches of n that allows an accusation, or n + 1 if none does.

    Examples
    --------
    >>> matches_needed([3, 4, 30], 0.001, 0.1).tolist()
    [4, 4, 12]
    """
    n = _counts(0, n)[1].astype(int)
    low = np.zeros_like(n)
    high = n + 1  # the answer is in between, as wealth rises with the matches
    while (low < high).any():
        middle = np.minimum((low + high) // 2, n)
        enough = reaches(log_wealth(middle, n, p0), alpha, family)
        low = np.where(enough, low, middle + 1)
        high = np.where(enough, middle, high)
    return high


# ---------------------------------------------------------------- p-values


def anytime_p(path: Floats) -> float:
    """Return the anytime-valid p-value, 1 / the largest wealth so far, at least 1e-300.

    It stays valid however often you look (optional stopping).

    Parameters
    ----------
    path : log wealth after 0, 1, ..., n questions, shape (n + 1,), from `wealth_path`

    Source
    ------
    Ville (1939).
    """
    most = np.max(path, initial=0.0)
    return max(math.exp(-most), _LEAST_P)


def binomial_p(k: ArrayLike, n: ArrayLike, p0: float) -> Numbers:
    """Return P(at least k of n match) for an innocent service; valid only if n is fixed beforehand.

    Parameters
    ----------
    k, n, p0 : as in `log_wealth`
    """
    k, n = _counts(k, n)
    p0 = check_fraction(p0, "p0")
    return _plain(np.maximum(special.bdtrc(k - 1, n.astype(int), p0), _LEAST_P))


def log_binomial_p(k: ArrayLike, n: ArrayLike, p0: float) -> Floats:
    """Return the logarithm of `binomial_p`, correct even where that is too small for a float.

    Examples
    --------
    >>> round(float(log_binomial_p(2000, 2000, 0.5)), 3), round(2000 * math.log(0.5), 3)
    (-1386.294, -1386.294)
    """
    log_p = np.array(np.log(binomial_p(k, n, p0)))
    lost = log_p <= math.log(_LEAST_P)
    k, n = np.broadcast_arrays(*_counts(k, n))
    k, misses = k[lost], (n - k)[lost]
    log_first = k * math.log(p0) + misses * math.log1p(-p0)
    log_first -= special.betaln(k + 1, misses + 1)
    log_first -= np.log(k + misses + 1)
    odds = p0 / (1 - p0)
    log_p[lost] = log_first + _log_tail(misses, k + 1, odds)
    return log_p[()]


def judge_p(p: float, seals: float = JUDGE_FACTOR) -> float:
    """Return p times the number of seals the owner may have tried, at most 1: a judge's p-value.

    Parameters
    ----------
    p : the owner's p-value, above 0 and at most 1
    seals : how many seals the judge assumes; by default 2**48
    """
    p = check_number(p, "p", above=0, at_most=1)
    return min(1.0, p * seals)


def match_interval(k: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[Numbers, Numbers]:
    """Return the exact confidence interval of the match rate, valid if n is fixed beforehand.

    Parameters
    ----------
    k, n : as in `log_wealth`
    confidence : the probability that the interval covers the rate, between 0 and 1

    Returns
    -------
    low, high : each 0 to 1

    Source
    ------
    Clopper and Pearson (1934).

    Examples
    --------
    >>> low, high = match_interval(30, 30)
    >>> round(low, 3), high
    (0.884, 1.0)
    """
    k, n = _counts(k, n)
    misses = n - k
    tail = (1 - check_fraction(confidence, "confidence")) / 2
    low = special.betaincinv(np.maximum(k, 1), misses + 1, tail)
    high = special.betaincinv(k + 1, np.maximum(misses, 1), 1 - tail)
    return _plain(np.where(k == 0, 0.0, low)), _plain(np.where(misses == 0, 1.0, high))


# ---------------------------------------------------------------- how often a service is accused


def accusation_curve(
    answered: int | Sequence[bool], rate: float, *, alpha: float, p0: float, family: int = 1
) -> Floats:
    """Return the exact probability of an accusation within 0, 1, ..., n questions, shape (n + 1,).

    The wealth is checked after each question. Parameters as in `accusation_chance`.
    """
    if np.ndim(answered) == 0:
        flags = np.ones(check_count(answered, "answered", low=0, high=MOST_QUESTIONS), bool)
    else:
        flags = np.asarray(answered, bool)
    if rate != 0:
        check_number(rate, "rate", above=0, at_most=1)
    needed = matches_needed(np.arange(len(flags) + 1), alpha, p0, family)
    return _ever_reached(np.where(flags, rate, 0.0), needed)


def accusation_chance(
    answered: int | Sequence[bool], rate: float, *, alpha: float, p0: float, family: int = 1
) -> float:
    """Return the exact probability that a service is ever accused, with a look after each question.

    With rate = p0 this is the false-alarm rate; with a higher rate it is the power.

    Parameters
    ----------
    answered : the number of questions, or one flag per question: False if it has no answer, which
        is a certain miss
    rate : the probability that the service matches a question that it answers, 0 to 1
    alpha : the bound on false alarms, between 0 and 1
    p0 : the probability of one match for an innocent service, between 0 and 1
    family : how many tests share alpha

    Raises
    ------
    TypeError, ValueError
        If an argument is outside its range.

    Examples
    --------
    >>> round(accusation_chance(1000, 0.1, alpha=0.05, p0=0.1), 4)
    0.0287
    """
    return float(accusation_curve(answered, rate, alpha=alpha, p0=p0, family=family)[-1])


def peeking_chance(n: int, *, alpha: float, p0: float) -> Floats:
    """Return how often peeking at `binomial_p` accuses an innocent service, shape (n + 1,).

    Entry i is the exact probability that the p-value, which is valid only for a number of questions
    fixed beforehand, is ever at most alpha within i questions, with a look after each. It holds for
    a service that matches with probability p0; for a lower rate it is smaller.

    Examples
    --------
    >>> peeking_chance(1000, alpha=0.05, p0=0.1)[[1, 30, 1000]].round(3).tolist()
    [0.0, 0.107, 0.306]
    """
    check_count(n, "n", low=0, high=MOST_QUESTIONS)
    needed = []
    for asked in range(n + 1):
        p_values = binomial_p(np.arange(1, asked + 1), asked, p0)
        needed.append(1 + int(np.count_nonzero(p_values > alpha)))
    return _ever_reached(np.full(n, p0), np.array(needed))


def questions_needed(
    alpha: float, p0: float, *, rate: float = 1.0, chance: float = 0.5, family: int = 1
) -> int:
    """Return how many questions it takes to find a copy with this probability.

    Parameters
    ----------
    alpha, p0, family : as in `accusation_chance`
    rate : the share of questions that the copy matches, 0 to 1; by default a perfect copy
    chance : the probability of having found the copy by then, 0 to 1; 0.5 gives the median

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
    curve = _reaching(chance, rate, alpha, p0, family)
    return int(np.argmax(curve >= chance))


def mean_questions(alpha: float, p0: float, *, rate: float = 1.0) -> float:
    """Return the mean number of questions it takes to find a copy with this match rate.

    Parameters
    ----------
    alpha, p0, rate : as in `questions_needed`

    Raises
    ------
    ValueError
        If 10,000 questions are not enough to find almost every such copy.

    Examples
    --------
    >>> round(mean_questions(0.001, 0.1, rate=0.4), 1)
    26.6
    """
    not_found_yet = 1 - _reaching(1 - 1e-6, rate, alpha, p0)
    return float(not_found_yet.sum())


def _reaching(chance: float, rate: float, alpha: float, p0: float, family: int = 1) -> Floats:
    """Return the accusation curve, long enough to reach this probability."""
    for length in (100, 1000, 10_000):
        curve = accusation_curve(length, rate, alpha=alpha, p0=p0, family=family)
        if curve[-1] >= chance:
            return curve
    raise ValueError(
        f"a copy that matches {rate:.3g} of the questions must be found with probability "
        f"{chance:.6g} among 10,000; it is with {curve[-1]:.2g} only. Take a higher rate or alpha, "
        "or a lower chance."
    )


def _ever_reached(rates: Floats, needed: NDArray[np.int64]) -> Floats:
    """Return the probability that there were ever enough matches within 0, 1, ..., n questions.

    It is exact, by dynamic programming over the number of matches, without simulation.

    Parameters
    ----------
    rates : the probability of a match for each question, shape (n,)
    needed : how many matches are enough after 0, 1, ..., n questions, shape (n + 1,), never falling
    """
    chance_of_k = np.zeros(needed[-1] + 1)  # k matches so far, and never enough
    chance_of_k[0] = 1.0
    reached = np.zeros(len(needed))
    for n, rate in enumerate(rates, start=1):
        chance_of_k[1:] = chance_of_k[1:] * (1 - rate) + chance_of_k[:-1] * rate
        chance_of_k[0] *= 1 - rate
        enough = chance_of_k[needed[n] :]
        reached[n] = reached[n - 1] + enough.sum()
        enough[:] = 0.0
    return reached


# ---------------------------------------------------------------- tests without random labels


def signed_sum_law(weights: ArrayLike) -> Floats:
    """Return the exact distribution of the sum of those weights that a fair coin gives a plus.

    Parameters
    ----------
    weights : whole numbers from 0, shape (n,); weights of 0 change nothing

    Returns
    -------
    array of float, shape (sum of all weights + 1,)
        The probability that the weights with a plus sum to 0, 1, ..., the sum of all.

    Examples
    --------
    >>> signed_sum_law([1, 2])
    array([0.25, 0.25, 0.25, 0.25])
    """
    law = np.ones(1)
    for weight in _matches(weights, "weights").astype(int):
        none = np.zeros(weight)
        minus = np.append(law, none)
        plus = np.append(none, law)
        law = (minus + plus) / 2
    return law


def signed_sum_p(weights: ArrayLike, plus: ArrayLike) -> float:
    """Return the probability that fair coins give a plus to at least as much weight as observed.

    It is exact for any weights that do not depend on the signs: a randomisation test (Fisher,
    1935).

    Parameters
    ----------
    weights : whole numbers from 0, shape (n,)
    plus : which weights have a plus, bool, shape (n,)

    Examples
    --------
    >>> signed_sum_p([1, 2, 4], [False, True, True])
    0.25
    """
    weighed = np.dot(weights, plus)
    law = signed_sum_law(weights)
    chance = law[weighed:].sum()
    return min(1.0, max(float(chance), _LEAST_P))


def signed_wealth(weights: ArrayLike, plus: ArrayLike) -> Floats:
    """Return the log wealth of a bettor on plus signs, after 0, 1, ..., n signs, shape (n + 1,).

    The bettor starts with wealth 1 and stakes min(weight, 32) / 64 of it each time. If fair coins
    give the signs, each bet is fair for any weights, and the probability that the wealth ever
    reaches 1 / alpha is at most alpha. So you may look after each sign and stop.

    Parameters
    ----------
    weights : whole numbers from 0, shape (n,), independent of the signs
    plus : which weights have a plus, bool, shape (n,)

    Source
    ------
    Ville (1939).

    Examples
    --------
    >>> np.exp(signed_wealth([32, 16, 64], [True, False, True])).round(4).tolist()
    [1.0, 1.5, 1.125, 1.6875]
    """
    stakes = np.minimum(_matches(weights, "weights"), 32) / 64
    won = np.log1p(np.where(plus, stakes, -stakes))
    return np.append(0.0, np.cumsum(won))


def null_p(observed: int, nulls: Sequence[int]) -> float:
    """Return the empirical p-value (1 + b) / (M + 1): b of M null models matched at least as often.

    It is valid if an innocent suspect is exchangeable with the null models, and nothing was chosen
    by their answers. It is never below 1 / (M + 1).

    Parameters
    ----------
    observed : the matches of the suspect, a whole number from 0
    nulls : the matches of each null model, shape (M,)

    Examples
    --------
    >>> null_p(90, [3, 0, 95, 1])
    0.4
    """
    check_count(observed, "observed", low=0, high=MOST_QUESTIONS, why="matches")
    as_good = int(np.count_nonzero(_matches(nulls, "nulls") >= observed))
    return (1 + as_good) / (len(nulls) + 1)


def null_models_needed(alpha: float, family: int = 1) -> int:
    """Return the number of null models from which on `null_p` can reach alpha / family.

    Examples
    --------
    >>> [null_models_needed(alpha) for alpha in (0.05, 0.01, 0.001)]
    [19, 99, 999]
    """
    if log_line(alpha, family) > 700:
        return math.ceil(family / Fraction(alpha)) - 1
    models = 1 / (alpha / family)
    return math.ceil(round(models, 9)) - 1


def null_bound(models: int, confidence: float = 0.95) -> float:
    """Return an upper bound on the false-alarm rate of a threshold that no null model reached.

    Parameters
    ----------
    models : how many null models were tried, a whole number from 0
    confidence : the probability that the bound holds, between 0 and 1

    Examples
    --------
    >>> round(null_bound(40), 3)
    0.072
    """
    left = 1 - check_fraction(confidence, "confidence")
    if check_count(models, "models", low=0, high=MOST_QUESTIONS) == 0:
        return 1.0
    unreached: float = left ** (1 / models)
    return 1 - unreached


def target_p(matches: Sequence[int], target: int) -> float:
    """Return the p-value of a target class that was drawn at random among those listed.

    Parameters
    ----------
    matches : for each class that could have been drawn, how many triggers the suspect put into it
    target : the position of the class that was drawn

    Returns
    -------
    float
        The share of classes that would have done at least as well, at least 1 / len(matches).

    Examples
    --------
    >>> target_p([0, 150, 0, 0], target=1)
    0.25
    """
    check_count(target, "target", low=0, high=len(matches) - 1, why="a place in matches")
    counted = _matches(matches, "matches")
    return float(np.mean(counted >= counted[target]))


# ---------------------------------------------------------------- several suspects share one alpha


def holm_families(p_values: Sequence[float], alpha: float) -> list[int]:
    """Return the family size of each of several suspects, by Holm's rule.

    The family of the smallest p-value is the number of all suspects, that of the next one less, and
    so on until one fails; all after it have the family of that one. A suspect is accused if
    p <= alpha / family. So the probability of accusing *any* innocent suspect is at most alpha,
    however their answers depend on each other.

    Parameters
    ----------
    p_values : one per suspect, 0 to 1
    alpha : the bound on the probability of any false accusation, between 0 and 1

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
    check_fraction(alpha, "alpha")
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(
            f"p_values must be from 0 to 1; got {list(map(float, p_values))}. Put 1 where there "
            "is none."
        )
    left = len(p_values)
    families = [left] * left
    for place in np.argsort(p_values, kind="stable"):
        families[place] = left
        if p_values[place] <= alpha / left:
            left -= 1
    return families


def open_list_family(place: int) -> int:
    """Return the family size of the s-th suspect of an open list, s (s + 1).

    The shares of alpha of all suspects, however many follow, add up to alpha.

    Parameters
    ----------
    place : the suspect's number s, counted from 1

    Examples
    --------
    >>> [open_list_family(place) for place in (1, 2, 3)]
    [2, 6, 12]
    """
    place = check_count(place, "place", low=1, why="the first suspect is 1")
    return place * (place + 1)


# ---------------------------------------------------------------- shared


def _log_tail(fewer: Floats, more: Floats, odds: float) -> Floats:
    """Return the logarithm of a binomial tail divided by its first term.

    Each term is the one before times odds * fewer / more, where `fewer` then falls by one and
    `more` rises by one.
    """
    term = np.ones(fewer.shape)
    total = term
    while (term > 1e-18 * total).any():
        term = term * odds * fewer / more
        total = total + term
        fewer = fewer - 1
        more = more + 1
    return np.log(total)


def _counts(k: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    """Return matches and questions as arrays of float, if they are whole numbers, 0 <= k <= n."""
    expected = "matches k and questions n must be whole numbers, 0 <= k <= n"
    matches, questions = as_array(k, expected), as_array(n, expected)
    whole = _whole(matches) and _whole(questions)
    if not whole or not ((matches >= 0) & (matches <= questions)).all():
        raise ValueError(f"{expected}; got k = {shown(k)}, n = {shown(n)}. The matches come first.")
    # beyond, scipy's binomial tail becomes inaccurate: 0.61 for 0.50 at a hundred million
    most = int(questions.max(initial=0))
    check_count(most, "n", low=0, high=MOST_QUESTIONS)
    return matches.astype(float), questions.astype(float)


def _matches(counts: ArrayLike, name: str) -> Floats:
    """Return counts as an array of float, if they are whole numbers from 0."""
    expected = f"{name} must be whole numbers from 0"
    matches = as_array(counts, expected)
    if not _whole(matches) or matches.min(initial=0) < 0:
        raise ValueError(f"{expected}; got {shown(counts)}. Count the matches of each.")
    return matches.astype(float)


def _whole(counts: NDArray[np.generic]) -> bool:
    """Return whether all values are finite whole numbers."""
    if counts.dtype.kind not in "iuf":
        return False
    return bool((np.isfinite(counts) & (counts == np.floor(counts))).all())


def _plain(values: Floats) -> Numbers:
    """Return a single value as a Python float, and an array as it is."""
    return float(values) if np.ndim(values) == 0 else values
