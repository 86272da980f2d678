"""What may be said without a lottery over all answers: by null models, by one target drawn by lot,
of many suspects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from wmlearn._checks import check_count, check_fraction


def null_p(observed: int, nulls: Sequence[int]) -> float:
    """Return the empirical p-value (1 + b) / (M + 1): b of M null models matched at least as often.

    Valid when the suspect, if innocent, is exchangeable with the null models and none of them was
    used to choose anything. It cannot fall below 1 / (M + 1).

    Examples
    --------
    >>> null_p(90, [3, 0, 95, 1])
    0.4
    """
    check_count(observed, "observed", low=0, why="matches")
    return (1 + sum(count >= observed for count in nulls)) / (len(nulls) + 1)


def null_models_needed(alpha: float) -> int:
    """Return how many null models it takes before their p-value can reach alpha.

    Examples
    --------
    >>> [null_models_needed(alpha) for alpha in (0.05, 0.01, 0.001)]
    [19, 99, 999]
    """
    return math.ceil(round(1 / check_fraction(alpha, "alpha"), 9)) - 1


def null_bound(models: int, confidence: float = 0.95) -> float:
    """Return the upper bound on the false-alarm rate of a threshold that none of `models` null
    models reached.

    Examples
    --------
    >>> round(null_bound(40), 3)
    0.072
    """
    left = 1 - check_fraction(confidence, "confidence")
    return 1 - left ** (1 / models) if check_count(models, "models", low=0) else 1.0


def target_p(matches: Sequence[int], target: int) -> float:
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
    >>> target_p([0, 150, 0, 0], target=1)
    0.25
    """
    check_count(target, "target", low=0, high=len(matches) - 1, why="a place in matches")
    return sum(count >= matches[target] for count in matches) / len(matches)


def holm_families(p_values: Sequence[float], alpha: float) -> list[int]:
    """Return among how many tests alpha is shared for each of several suspects, by Holm's step-down
    rule.

    The smallest p-value pays for all of them, the next for all but one, and so on until one fails;
    those after it pay as that one does. A suspect is accused where p <= alpha / its number. So the
    chance of accusing *any* innocent one is at most alpha, however their answers depend on one
    another.

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
    check_fraction(alpha, "alpha")
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(
            f"p_values must lie from 0 to 1; got {[float(p) for p in p_values]}. Put 1 where there "
            "is none."
        )
    families, left = [len(p_values)] * len(p_values), len(p_values)
    for place in sorted(range(len(p_values)), key=lambda i: p_values[i]):
        families[place] = left
        if p_values[place] <= alpha / left:
            left -= 1
    return families


def open_list_family(place: int) -> int:
    """Return among how many tests alpha counts as shared for the s-th suspect of a list that has no
    end: s (s + 1).

    Examples
    --------
    >>> [open_list_family(place) for place in (1, 2, 3)]
    [2, 6, 12]
    """
    return check_count(place, "place", low=1, why="the first suspect is 1") * (place + 1)
