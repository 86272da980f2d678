"""The words of a verdict: what was counted, how rarely luck would do as well, and nothing beyond.

It says "evidence of this watermark", never that a model was taken. Every rounding is to the side that claims less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wmlearn import stats
from wmlearn._show import percent, plural

if TYPE_CHECKING:
    from wmlearn.verdict import Verdict

CLASSROOM = "classroom key: proves nothing outside this course"
POWER_AT = (0.4, 0.15)  # the share of the answers that a copy keeps; the second is hardly more than luck


def explain(v: Verdict) -> str:
    """Return a verdict in sentences that a judge could read."""
    words = {"found": _found_words, "not found": _not_found_words, "cannot tell": _cannot_tell_words}
    note = [f"This is a {CLASSROOM}."] if v.classroom else []
    return " ".join([words[v.decision](v), *_account(v), *note])


def _account(v: Verdict) -> Iterator[str]:
    """Say what a judge must know besides: why luck is known, what was asked, what got no answer or a strange one."""
    if v.p0 is not None:
        drawn = "by a key that was fixed before" if v.owners_word else "after all else was fixed"
        yield (
            f"Each answer was drawn by lot, 1 in {v.lots}, {drawn}: an innocent service matches a "
            f"question with probability {v.p0:.3g} at most, whatever it says."
        )
        if v.n == v.planned:
            low, high = stats.match_interval(v.k, v.n)
            yield f"Match rate {math.floor(100 * low) / 100:.2f} to {math.ceil(100 * high) / 100:.2f} (95 %)."
    if v.owners_word:
        yield "That customers asked these images a judge has from the owner alone: hence his p of 1."
    if v.queries:
        yield f"{plural(v.queries, 'image')} asked, {v.failed:,} without an answer."
    silent = int(v.unanswered.sum())
    if silent:
        yield f"{silent} of {plural(v.n, 'question')} went unanswered and count as misses."
    if v.strange:
        yield f"{plural(v.strange, 'answer')} named no class of the task: compare its classes with the service's."
    if v.nulls:
        yield f"Null models: {null_words(v.k, v.nulls)}."


def expected(matches: float) -> str:
    """Return a mean number of matches, rounded up to a tenth.

    Examples
    --------
    >>> expected(3.0), expected(0.41)
    ('3', '0.5')
    """
    return f"{math.ceil(10 * matches - 1e-9) / 10:.1f}".removesuffix(".0")


def lotteries(path: Sequence[float], matched: Sequence[bool]) -> str:
    """Say how often an innocent model would ever do as well as the best moment of this path of log wealth.

    Examples
    --------
    >>> path = stats.wealth_path([True, True, True], 0.1)
    >>> lotteries(path, [True, True, True])
    'an innocent model would do this well less than once in 277 lotteries'
    >>> lotteries([*path, 0.0], [True, True, True, False])
    'at its best, 3 of the first 3, which an innocent model would ever reach less than once in 277 lotteries'
    """
    best = int(np.argmax(path))
    wealth = math.exp(min(float(path[best]), -math.log(stats.SMALLEST_P)))
    if wealth < 2:
        return "nothing that an innocent model would not do by luck"
    number = _whole(wealth)
    if best == len(path) - 1:
        return f"an innocent model would do this well less than once in {number} lotteries"
    moment = f"at its best, {sum(matched[:best])} of the first {best}"
    return f"{moment}, which an innocent model would ever reach less than once in {number} lotteries"


def _whole(times: float) -> str:
    """Return a number rounded down: counted out below a million, beyond that to the power of ten."""
    return f"{math.floor(times + 1e-6):,}" if times < 1e6 else f"10^{math.floor(math.log10(times) + 1e-9)}"


def believable(p: float | None) -> float | None:
    """Return a p-value for a table or a file: none below 1e-15, for beyond that a leaked key is likelier than luck."""
    return None if p is None else max(p, stats.SMALLEST_P)


def p_words(p: float) -> str:
    """Return a p-value as people read it, never smaller than can be believed.

    Examples
    --------
    >>> p_words(0.0123), p_words(1e-40)
    ('p <= 0.013', 'p < 1e-15')
    """
    if p < stats.SMALLEST_P:
        return f"p < {stats.SMALLEST_P:g}"
    unit = 10.0 ** (math.floor(math.log10(p)) - 1)  # two digits, rounded up: the sentence stays true
    return f"p <= {min(1.0, math.ceil(p / unit - 1e-9) * unit):.2g}"


def _found_words(v: Verdict) -> str:
    counted = f"Evidence of this watermark: {v.k} of {plural(v.n, 'secret answer')} matched"
    if v.p0 is None:
        return f"{counted}; {p_words(v.p)}, from {_fixed_source(v)}; {_terms(v)}."
    keys = 1 / max(v.p, stats.SMALLEST_P)
    percents = "above 99.99 %" if keys > 10_000 else f"{math.floor(1e4 * v.confidence) / 100:g} %"
    moment = int(np.argmax(v.path))
    at_best = "" if moment == v.n else f" At its best it had matched {int(v.matched[:moment].sum())} of {moment}."
    return (
        f"{counted}, {v.by_luck} expected by luck; {p_words(v.p)}, judge's {p_words(v.p_judge)}; {_terms(v)}.{at_best} "
        f"Confidence {percents}: had this service nothing to do with the key, at most 1 key in {_whole(keys)} would "
        "ever have looked this good, at any moment we might have stopped. It is not the probability that the model was "
        "stolen."
    )


def _not_found_words(v: Verdict) -> str:
    counted = f"No evidence of this watermark ({v.k} of {plural(v.n, 'question')}"
    if v.p0 is None:
        return f"{counted}; {p_words(v.p)}, from {_fixed_source(v)}; {_terms(v)}). This does not clear the service."
    first, *others = [f"{100 * rate:.0f} %" for rate in POWER_AT]
    power = [math.floor(100 * v.chance_to_find(rate)) for rate in POWER_AT]  # rounded down, too
    chance, *chances = [f"{each / 100:.2f}" if each else "less than 0.01" for each in power]
    found = f": a copy keeping {first} of the answers would have been found with probability {chance}"
    found += "".join(f", one keeping {rate} with {chance}" for rate, chance in zip(others, chances))
    return (
        f"{counted}, {v.by_luck} expected by luck; {p_words(v.p)}, judge's {p_words(v.p_judge)}; {_terms(v)}). "
        f"This does not clear the service{found if min(POWER_AT) > v.p0 else ''}."
    )


def _terms(v: Verdict) -> str:
    return f"family of {v.family}, alpha = {v.alpha:g}"


def _cannot_tell_words(v: Verdict) -> str:
    level = f"at alpha = {v.alpha:g}" + (f" for a family of {v.family}" if v.family > 1 else "")
    if v.p0 is None:
        return f"Cannot tell: {v.k} of {v.n} triggers got the target class; {_missing_for_fixed(v, level)}."
    silent = int(v.unanswered.sum())
    unanswered = f", {silent} of them unanswered" if silent else ""
    needed = stats.questions_needed(v.alpha / v.family, v.p0)
    asked = plural(v.n, "question")
    return (
        f"Cannot tell: too few answers to decide {level}; {asked} asked{unanswered}, {needed} answers in a row needed."
    )


def _missing_for_fixed(v: Verdict, level: str) -> str:
    """Say what it would take before fixed labels could decide."""
    if v.unanswered.all():
        return "no question was answered"
    if v.lottery is not None and v.family / v.lots > v.alpha:
        return (
            f"a target drawn by lot among {v.lots} gives no p-value below {1 / v.lots:.2g}, and none is found {level}"
        )
    models = stats.null_models_needed(v.alpha / v.family)
    return (
        f"with fixed labels that number alone gives no p-value, it takes {models:,} null models that never do as well "
        f"{level}, here are {len(v.nulls)}"
    )


def _fixed_source(v: Verdict) -> str:
    sources = [f"{len(v.nulls)} null models"] if v.nulls else []
    sources += [f"a target drawn by lot among {v.lots}"] if v.lottery is not None else []
    return " and ".join(sources)


def null_words(k: int, nulls: Sequence[int]) -> str:
    """Say how the null models did, and what follows for others like them where none did as well."""
    reached = sum(matches >= k for matches in nulls)
    bound = "" if reached else f"; so at most {percent(stats.null_bound(len(nulls)))} of such models would (95 %)"
    return f"{reached} of {len(nulls)} did as well{bound}"
