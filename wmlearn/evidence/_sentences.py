"""The words of a verdict: what was counted, how rarely luck would do as well, and nothing beyond.

It says "evidence of this watermark", never that a model was taken. Every rounding is to the side
that claims less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wmlearn._display import percent, plural
from wmlearn.evidence import stats

if TYPE_CHECKING:
    from wmlearn.evidence.verdict import Verdict
    from wmlearn.evidence.verdict_kinds import FixedVerdict, KeyedVerdict

CLASSROOM = "classroom key: proves nothing outside this course"
POWER_AT = (
    0.4,
    0.15,
)  # the share of the answers that a copy keeps; the second is hardly more than luck


@dataclass(frozen=True)
class Unit:
    """What a verdict counts, and how one speaks of it.

    Attributes
    ----------
    name, answer : the thing counted, and what is secret of it
    suspect : of whom or what it was asked
    asked, silent : what was done to all of them, and what is said of those that gave nothing
    whatever : how free the suspect was
    """

    name: str
    answer: str
    suspect: str
    asked: str
    silent: str
    whatever: str


QUESTION = Unit("question", "answer", "service", "asked", "unanswered", "whatever it says")
BIT = Unit("bit", "bit", "model", "read", "unreadable", "whatever its weights are")


def explain(v: Verdict) -> str:
    """Return a verdict in sentences that a judge could read."""
    account = _fixed_account if v.terms.kind == "fixed" else _keyed_account
    sentences = [account(v), *_remarks(v)]
    if v.terms.public_key:
        sentences.append(f"This is a {CLASSROOM}.")
    return " ".join(sentences)


def _remarks(v: Verdict) -> Iterator[str]:
    """Say what was sent and lost, and what the null models did."""
    unit, answers = v.unit, v.answers
    if v.terms.selection_unverified:
        yield "That customers asked these images a judge has from the owner alone: hence his p of 1."
    if unit is QUESTION:
        yield f"{plural(answers.queries, 'image')} asked, {answers.n_unreachable:,} without an answer."
    silent = int(v.unanswered.sum())
    if silent:
        went = "went unanswered and count" if unit is QUESTION else "are unreadable and count"
        yield f"{silent} of {plural(v.n, unit.name)} {went} as misses."
    if answers.n_invalid:
        invalid = plural(answers.n_invalid, "answer")
        yield f"{invalid} named no class of the task: compare its classes with the service's."
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


def draws_in_words(path: Sequence[float], matched: Sequence[bool]) -> str:
    """Say how often an innocent model would ever do as well as the best moment of this path of log
    wealth.

    Examples
    --------
    >>> path = stats.wealth_path([True, True, True], 0.1)
    >>> draws_in_words(path, [True, True, True])
    'an innocent model would do this well less than once in 277 lotteries'
    >>> draws_in_words([*path, 0.0], [True, True, True, False])
    'at its best, 3 of the first 3, which an innocent model would ever reach less than once in 277
    lotteries'
    """
    best = int(np.argmax(path))
    wealth = math.exp(min(float(path[best]), -math.log(stats.SMALLEST_P)))
    if wealth < 2:
        return "nothing that an innocent model would not do by luck"
    number = _whole(wealth)
    if best == len(path) - 1:
        return f"an innocent model would do this well less than once in {number} lotteries"
    moment = f"at its best, {sum(matched[:best])} of the first {best}"
    return (
        f"{moment}, which an innocent model would ever reach less than once in {number} lotteries"
    )


def _whole(times: float) -> str:
    """Return a number rounded down: counted out below a million, beyond that to the power of ten."""
    return (
        f"{math.floor(times + 1e-6):,}"
        if times < 1e6
        else f"10^{math.floor(math.log10(times) + 1e-9)}"
    )


def believable(p: float) -> float:
    """Return a p-value for a table or a file: none below 1e-15, for beyond that a leaked key is
    likelier than luck.
    """
    return max(p, stats.SMALLEST_P)


def p_words(p: float) -> str:
    """Return a p-value as people read it, never smaller than can be believed.

    Examples
    --------
    >>> p_words(0.0123), p_words(1e-40)
    ('p <= 0.013', 'p < 1e-15')
    """
    if p < stats.SMALLEST_P:
        return f"p < {stats.SMALLEST_P:g}"
    unit = 10.0 ** (
        math.floor(math.log10(p)) - 1
    )  # two digits, rounded up: the sentence stays true
    return f"p <= {min(1.0, math.ceil(p / unit - 1e-9) * unit):.2g}"


# ------------------------------------------------------------- a label, or a bit, for each question


def _keyed_account(v: KeyedVerdict) -> str:
    words = {"found": _found, "not found": _not_found, "cannot tell": _too_few}
    drawn = (
        "by a key that was fixed before"
        if v.terms.selection_unverified
        else "after all else was fixed"
    )
    unit = v.unit
    sentences = (
        f"{words[v.decision](v)} Each {unit.answer} was drawn by lot, 1 in {v.terms.n_labels}, "
        f"{drawn}: an innocent "
        f"{unit.suspect} matches a {unit.name} with probability {v.p0:.3g} at most, "
        f"{unit.whatever}."
    )
    if v.n != v.terms.planned:
        return sentences
    low, high = stats.match_interval(v.k, v.n)
    return f"{sentences} Match rate {math.floor(100 * low) / 100:.2f} to {math.ceil(100 * high) / 100:.2f} (95 %)."


def _found(v: KeyedVerdict) -> str:
    keys = 1 / max(v.p, stats.SMALLEST_P)
    percents = "above 99.99 %" if keys > 10_000 else f"{math.floor(1e4 * v.confidence) / 100:g} %"
    moment = int(np.argmax(v.path))
    at_best = (
        ""
        if moment == v.n
        else f" At its best it had matched {int(v.matched[:moment].sum())} of {moment}."
    )
    return (
        f"Evidence of this watermark: {v.k} of {plural(v.n, f'secret {v.unit.answer}')} matched, "
        f"{_p_values(v)}."
        f"{at_best} Confidence {percents}: had this {v.unit.suspect} nothing to do with the key, "
        "at most 1 key in "
        f"{_whole(keys)} would ever have looked this good, at any moment we might have stopped. It "
        "is not the "
        "probability that the model was stolen."
    )


def _not_found(v: KeyedVerdict) -> str:
    first, *others = [f"{100 * rate:.0f} %" for rate in POWER_AT]
    chance, *chances = [_chance(v.chance_to_find(rate)) for rate in POWER_AT]
    found = f": a copy keeping {first} of the {v.unit.answer}s would have been found with probability {chance}"
    for rate, other in zip(others, chances):
        found += f", one keeping {rate} with {other}"
    if min(POWER_AT) <= v.p0:
        found = ""
    return (
        f"No evidence of this watermark ({v.k} of {plural(v.n, v.unit.name)}, {_p_values(v)}). "
        f"This does not clear the {v.unit.suspect}{found}."
    )


def _chance(chance: float) -> str:
    """Return a probability in two digits, rounded down."""
    hundredths = math.floor(100 * chance)
    return f"{hundredths / 100:.2f}" if hundredths else "less than 0.01"


def _too_few(v: KeyedVerdict) -> str:
    silent, unit = int(v.unanswered.sum()), v.unit
    lost = f", {silent} of them {unit.silent}" if silent else ""
    needed = stats.questions_needed(v.alpha / v.family, v.p0)
    return (
        f"Cannot tell: too few {unit.answer}s to decide {_level(v)}; {plural(v.n, unit.name)} "
        f"{unit.asked}{lost}, "
        f"{needed} {unit.answer}s in a row needed."
    )


def _p_values(v: KeyedVerdict) -> str:
    return (
        f"{v.by_luck} expected by luck; {p_words(v.p)}, judge's {p_words(v.p_judge)}; {_terms(v)}"
    )


# ---------------------------------------------------------------- one target class for all triggers


def _fixed_account(v: FixedVerdict) -> str:
    if v.decision == "cannot tell":
        return f"Cannot tell: {v.k} of {v.n} triggers got the target class; {_missing(v)}."
    evidence = f"{p_words(v.p)}, from {_source(v)}; {_terms(v)}"
    if v.decision == "found":
        return f"Evidence of this watermark: {v.k} of {plural(v.n, 'secret answer')} matched; {evidence}."
    counted = f"No evidence of this watermark ({v.k} of {plural(v.n, 'question')}"
    return f"{counted}; {evidence}). This does not clear the service."


def _missing(v: FixedVerdict) -> str:
    """Say what it would take before fixed labels could decide."""
    if v.unanswered.all():
        return "no question was answered"
    n_labels, level = v.terms.n_labels, _level(v)
    if v.terms.drawable and v.family / n_labels > v.alpha:
        floor = f"a target drawn by lot among {n_labels} gives no p-value below {1 / n_labels:.2g}"
        return f"{floor}, and none is found {level}"
    models = stats.null_models_needed(v.alpha / v.family)
    return (
        f"with fixed labels that number alone gives no p-value, it takes {models:,} null models "
        "that never do as well "
        f"{level}, here are {len(v.nulls)}"
    )


def _source(v: FixedVerdict) -> str:
    sources = []
    if v.nulls:
        sources.append(f"{len(v.nulls)} null models")
    if v.terms.drawable:
        sources.append(f"a target drawn by lot among {v.terms.n_labels}")
    return " and ".join(sources)


# ---------------------------------------------------------------- shared


def _terms(v: Verdict) -> str:
    return f"family of {v.family}, alpha = {v.alpha:g}"


def _level(v: Verdict) -> str:
    family = f" for a family of {v.family}" if v.family > 1 else ""
    return f"at alpha = {v.alpha:g}{family}"


def null_words(k: int, nulls: Sequence[int]) -> str:
    """Say how the null models did, and what follows for others like them where none did as well."""
    reached = sum(matches >= k for matches in nulls)
    bound = (
        ""
        if reached
        else f"; so at most {percent(stats.null_bound(len(nulls)))} of such models would (95 %)"
    )
    return f"{reached} of {len(nulls)} did as well{bound}"
