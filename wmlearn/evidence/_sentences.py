"""The words of a verdict: what was counted, how rarely chance does as well, and nothing more.

A verdict speaks of "evidence of this watermark", and never says that a model was stolen. Every
number is rounded in the direction that claims less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from wmlearn._display import large, percent, plural
from wmlearn.evidence import stats

if TYPE_CHECKING:
    from wmlearn.evidence.calibration import Calibration
    from wmlearn.evidence.verdict import Verdict
    from wmlearn.evidence.verdict_kinds import (
        FixedVerdict,
        JudgedVerdict,
        KeyedVerdict,
        MatchVerdict,
        TiltVerdict,
    )

ONLY_SEAL = ", if this was the only seal"  # an assumption of the owner's own test
BY_LUCK = "nothing that an innocent model would not do by chance"
CHOSEN_BLINDLY = " and the clean images were not chosen to suit"
CLASSROOM = "classroom key: proves nothing outside this course"
# the share of the answers that a copy keeps; the second is hardly more than chance
MANY, FEW = 0.4, 0.15


@dataclass(frozen=True)
class Unit:
    """The words for what a verdict counts: questions of a service, signs, or bits of weights.

    Attributes
    ----------
    name, answer : the thing counted, and its secret part
    suspect : what was tested: a service, or a model
    asked, silent : what was done to all of them, and the state of those without an answer
    whatever : the words for "no matter how the suspect behaves"
    """

    name: str
    answer: str
    suspect: str
    asked: str
    silent: str
    whatever: str


QUESTION = Unit("question", "answer", "service", "asked", "unanswered", "whatever it says")
SIGN = Unit("sign", "sign", "service", "asked", "unanswered", "whatever it says")
BIT = Unit("bit", "bit", "model", "read", "unreadable", "whatever its weights are")


def explained(v: Verdict, account: str) -> str:
    """Return a verdict in sentences for a judge, beginning with the account of its kind."""
    sentences = [account, *_remarks(v)]
    if v.terms.public_key:
        sentences.append(f"This is a {CLASSROOM}.")
    return " ".join(sentences)


def _remarks(v: Verdict) -> Iterator[str]:
    """Yield sentences on what was sent and lost, and on the null models."""
    unit, answers = v.unit, v.answers
    if v.terms.selection_unverified:
        yield (
            "A judge has only the owner's word that customers sent these images: hence the judge's "
            "p of 1."
        )
    if unit is not BIT:
        images = plural(answers.queries, "image")
        yield f"{images} asked, {answers.n_unreachable:,} without an answer."
    if v.calibration is not None:
        yield f"Clean images asked first: {calibration_words(v.calibration)}."
    if answers.n_unanswered:
        went = "went unanswered and count" if unit is QUESTION else "are unreadable and count"
        yield f"{answers.n_unanswered} of {plural(v.n, unit.name)} {went} as misses."
    if answers.n_invalid:
        invalid = plural(answers.n_invalid, "answer")
        yield f"{invalid} named no class of the task: compare its classes with the service's."
    if v.nulls:
        kind = v.population or "of a kind that was not declared"
        yield f"Null models ({kind}): {null_words(v.k, v.nulls)}."


# ---------------------------------------------------------------- numbers


def expected(matches: float) -> str:
    """Return a mean number of matches, rounded up to a tenth.

    Examples
    --------
    >>> expected(3.0), expected(0.41)
    ('3', '0.5')
    """
    tenths = math.ceil(10 * matches - 1e-9)
    return f"{tenths / 10:.1f}".removesuffix(".0")


def draws_in_words(path: ArrayLike, matched: ArrayLike) -> str:
    """Return in words how often an innocent model would ever match the best of a log-wealth path.

    Examples
    --------
    >>> path = stats.wealth_path([True, True, True], 0.1)
    >>> draws_in_words(path, [True, True, True])
    'an innocent model would do this well less than once in 277 draws of the labels'
    >>> draws_in_words([*path, 0.0], [True, True, True, False]).partition(", which")[0]
    'at its best, 3 of the first 3'
    """
    path = np.asarray(path, float)
    best = int(np.argmax(path))
    wealth = math.exp(min(path[best], -math.log(stats.SMALLEST_P)))
    if wealth < 2:
        return BY_LUCK
    rarely = f"less than once in {whole(wealth)} draws of the labels"
    if best == len(path) - 1:
        return f"an innocent model would do this well {rarely}"
    k = np.count_nonzero(np.asarray(matched)[:best])
    return (
        f"at its best, {k} of the first {best}, which an innocent model would ever reach {rarely}"
    )


def by_draws(p: float, feat: str, drawn: str) -> str:
    """Return in words how often an innocent model would do as much, in draws of the secret."""
    draws = 1 / believable(p)
    if draws < 2:
        return BY_LUCK
    return f"an innocent model would {feat} at most once in {whole(draws)} draws of the {drawn}"


def whole(times: float) -> str:
    """Return a number rounded down: in full below a million, else to a power of ten."""
    if times < 1e6:
        return f"{math.floor(times + 1e-6):,}"
    return f"10^{math.floor(math.log10(times) + 1e-9)}"


def believable(p: float) -> float:
    """Return a p-value for a table or file, at least 1e-15: below, a leaked key is likelier."""
    return max(p, stats.SMALLEST_P)


def p_words(p: float) -> str:
    """Return a p-value for people, rounded up to two digits and never below 1e-15.

    Examples
    --------
    >>> p_words(0.0123), p_words(1e-40)
    ('p <= 0.013', 'p < 1e-15')
    """
    if p < stats.SMALLEST_P:
        return f"p < {stats.SMALLEST_P:g}"
    # two digits, rounded up: the sentence stays true
    unit = 10.0 ** (math.floor(math.log10(p)) - 1)
    rounded = math.ceil(p / unit - 1e-9) * unit
    return f"p <= {min(1.0, rounded):.2g}"


# ---------------------------------------------------------------- each question has its own label


def keyed_account(v: KeyedVerdict) -> str:
    """Return the account of a verdict where each question, or bit, has a label of its own."""
    words = {"found": _found, "not found": _not_found, "cannot tell": _too_few}
    return f"{words[v.decision](v)} {_drawn(v)}"


def _drawn(v: MatchVerdict) -> str:
    """Return how the answers were drawn, and what follows for an innocent suspect."""
    unit = v.unit
    drawn = "from the seal"
    if v.terms.selection_unverified:
        drawn = "by a key that was fixed before"
    account = (
        f"Each {unit.answer} was drawn at random, 1 in {v.terms.n_labels}, {drawn}: an innocent "
        f"{unit.suspect} matches a {unit.name} with probability {v.p0:.3g} at most, "
        f"{unit.whatever}."
    )
    if v.n != v.terms.planned:
        return account
    low, high = stats.match_interval(v.k, v.n)
    least, most = np.floor(100 * low) / 100, np.ceil(100 * high) / 100
    return f"{account} Match rate {least:.2f} to {most:.2f} (95 %)."


def _found(v: KeyedVerdict) -> str:
    unit = v.unit
    at_best = ""
    best = int(np.argmax(v.path))
    if best < v.n:
        at_best = f" At its best it had matched {np.count_nonzero(v.matched[:best])} of {best}."
    confidence = f"Confidence (one minus p) {_percent_below(v.confidence)}."
    if not v.borne_out:
        confidence = (
            f"The later {unit.answer}s do not confirm it: all {v.n}, counted once at the end, "
            f"give {p_words(v.p_planned)}."
        )
    return (
        f"Evidence of this watermark{ONLY_SEAL}: {_counts(v)}.{at_best} Had this {unit.suspect} "
        f"nothing to do with the key, at most 1 key in {whole(1 / believable(v.p))} would ever "
        f"have looked this good, at any moment one might have stopped: {_p_values(v)}. "
        f"{confidence} It is not the probability that the model was stolen."
    )


def _counts(v: MatchVerdict) -> str:
    matched = f"{v.k} of {plural(v.n, f'secret {v.unit.answer}')} matched"
    return f"{matched}, {v.by_luck} expected by chance"


def _percent_below(share: float) -> str:
    """Return a share in per cent, rounded down, or "above 99.99 %"."""
    if share > 0.9999:
        return "above 99.99 %"
    return f"{math.floor(1e4 * share) / 100:g} %"


def _not_found(v: KeyedVerdict) -> str:
    return (
        f"No evidence of this watermark ({v.k} of {plural(v.n, v.unit.name)}, {v.by_luck} expected "
        f"by chance; {_p_values(v)}). {_power(v)}"
    )


def _power(v: MatchVerdict) -> str:
    """Return that the suspect is not cleared, and how likely a copy would have been found."""
    found = ""
    if v.p0 < FEW:
        found = (
            f": a copy keeping {percent(MANY, 0)} of the {v.unit.answer}s would have been found "
            f"with probability {_chance(v.chance_to_find(MANY))}, one keeping {percent(FEW, 0)} "
            f"with {_chance(v.chance_to_find(FEW))}"
        )
        if v.unit is QUESTION:
            found += _numbered(v.calibration)
    return f"This does not clear the {v.unit.suspect}{found}."


def _numbered(seen: Calibration | None) -> str:
    """Return the assumption behind the power if no clean image fixed the class numbers."""
    if seen is None:
        return ", if it numbers its classes as the owner does"
    return "" if seen.asked else ", if the names that it gives its classes are true"


def _chance(chance: float) -> str:
    """Return a probability with two decimals, rounded down."""
    hundredths = math.floor(100 * chance)
    return f"{hundredths / 100:.2f}" if hundredths else "less than 0.01"


def _too_few(v: KeyedVerdict) -> str:
    unit = v.unit
    if v.calibration is not None and v.of_another_task:
        return _another_task(v.calibration)
    needed = stats.questions_needed(v.alpha, v.p0, family=v.family)
    more = v.n < needed <= v.terms.planned
    heading = "Too early to tell" if more else f"Cannot tell: too few {unit.answer}s to decide"
    return (
        f"{heading} {_at_level(v)}; {plural(v.n, unit.name)} {unit.asked}{_lost(v)}, {needed} "
        f"{unit.answer}s in a row needed."
    )


def _lost(v: Verdict) -> str:
    if not v.answers.n_unanswered:
        return ""
    return f", {v.answers.n_unanswered} of them {v.unit.silent}"


def _p_values(v: KeyedVerdict) -> str:
    return f"{p_words(v.p)}, judge's {p_words(v.p_judge)}; {_terms(v)}"


def _another_task(seen: Calibration) -> str:
    least = percent(seen.least_accuracy, 0)
    return (
        f"Cannot tell: this service does not do the task well enough to be judged; {seen.right} of "
        f"{plural(seen.asked, 'clean image')} right, at least {least} needed."
    )


def calibration_words(seen: Calibration) -> str:
    """Return how a service did on clean images, and whether its class numbers differ."""
    if not seen.asked:
        return "none; classes matched by the names that the service gives them"
    words = f"{seen.right} of {seen.asked} right"
    if seen.renumbered:
        words += ", after its class numbers were translated to the task's"
    if seen.unsealed:
        words += "; they were not sealed, hence the judge's p of 1"
    return words


# ---------------------------------------------------------------- a judge, who need trust nobody


def judged_account(v: JudgedVerdict) -> str:
    """Return the account of a verdict for a judge, who need trust nobody."""
    return f"{_judged(v)} {_drawn(v)} {_whose(v)}"


def _judged(v: JudgedVerdict) -> str:
    decided = (
        f"decided once, at the end of all {v.n} named {v.unit.name}s, at the judge's "
        f"{_at_level(v)[3:]}"
    )
    if v.decision == "found":
        return (
            f"Evidence of this watermark: {_counts(v)}; {decided}. {_judges_p(v)} Confidence (one "
            f"minus the judge's p) {_percent_below(v.confidence)}. It is not the probability that "
            "the model was stolen."
        )
    if v.decision == "not found":
        return f"No evidence of this watermark: {_counts(v)}; {decided}. {_judges_p(v)} {_power(v)}"
    if v.calibration is not None and v.of_another_task:
        return _another_task(v.calibration)
    return (
        f"Cannot tell: not even a perfect copy could be found {_at_level(v)} with "
        f"{plural(v.n, f'named {v.unit.name}')}{_lost(v)}; {_judges_p(v)}"
    )


def _judges_p(v: JudgedVerdict | TiltVerdict) -> str:
    tried = "the 2^48 seals that an owner might try"
    if v.terms.seals != stats.JUDGE_FACTOR:
        tried = f"{plural(int(v.terms.seals), 'seal')} published before the public draw"
    return f"{p_words(v.p)}, times {tried}: {p_words(v.p_judge)}."


def _whose(v: JudgedVerdict) -> str:
    if v.terms.owner:
        return f"The seal names its owner: {v.terms.owner}."
    return "The seal names no owner: it does not say whose it is."


# ---------------------------------------------------------------- one target class for all triggers


def fixed_account(v: FixedVerdict) -> str:
    """Return the account of a verdict where all triggers share one target class."""
    assumed = "It assumes that an innocent suspect is of the same kind as the null models."
    if v.decision == "cannot tell":
        counted = f"{v.k} of {v.n} triggers got the target class"
        chosen = "" if v.terms.drawable else " The owner chose the target class."
        return f"Cannot tell: {counted}; {_missing(v)}.{chosen}"
    source = f"{len(v.nulls)} null models and a target drawn at random among {v.terms.n_labels}"
    evidence = f"{p_words(v.p)}, from {source}; judge's p 1; {_terms(v)}"
    if v.decision == "found":
        matched = f"{v.k} of {plural(v.n, 'secret answer')} matched"
        return f"Evidence of this watermark{ONLY_SEAL}: {matched}; {evidence}. {assumed}"
    counted = f"{v.k} of {plural(v.n, 'question')}"
    return (
        f"No evidence of this watermark ({counted}; {evidence}). This does not clear the service. "
        f"{assumed}"
    )


def _missing(v: FixedVerdict) -> str:
    """Return what is missing for a decision with fixed labels."""
    if v.unanswered.all():
        return "no question was answered"
    if v.of_another_task:
        return "the service does not do the task well enough to be judged"
    if not v.speaks:
        return (
            "with fixed labels that number alone gives no p-value; it takes a target drawn at "
            "random and null models of a declared population (nulls=, population=)"
        )
    n_labels, level = v.terms.n_labels, _at_level(v)
    if not v.affords(1 / n_labels):
        floor = (
            f"a target drawn at random among {n_labels} gives no p-value below {1 / n_labels:.2g}"
        )
        return f"{floor}, so nothing can be found {level}"
    models = stats.null_models_needed(v.alpha, v.family)
    return (
        f"it takes {large(models)} null models that never do as well {level}; there are "
        f"{len(v.nulls)}"
    )


# ---------------------------------------------------------------- signs that answers lean by

_FEWER_SEALS = (
    "The judge's p allows for the 2^48 seals that an owner might try; a judge counts fewer after a "
    "public draw that the seal names (Declared(beacon=...))."
)


def tilt_account(v: TiltVerdict) -> str:
    """Return the account of a verdict on answers that lean by signs."""
    words = {"found": _leans, "not found": _no_lean, "cannot tell": _no_sign}
    return (
        f"{words[v.decision](v)} Each sign was drawn at random, 1 in 2, from the seal: whatever an "
        "innocent service answers, it matches each sign with probability 1/2 at most."
    )


def _weighed(v: TiltVerdict) -> str:
    share = percent(v.weighed / max(int(v.weights.sum()), 1))
    return f"{v.k} of {v.n} signs matched, {v.by_luck} expected by chance; by weight {share}"


def _tilt_p(v: TiltVerdict) -> str:
    words = f"{p_words(v.p)}, judge's {p_words(v.p_judge)}; {_terms(v)}."
    if v.terms.kind == "judged tilt":
        words = _judges_p(v)
    unsealed = v.calibration is not None and v.calibration.unsealed  # which has its own remark
    spent = v.p < v.alpha <= v.p_judge and v.terms.seals == stats.JUDGE_FACTOR
    return f"{words} {_FEWER_SEALS}" if spent and not unsealed else words


def _leans(v: TiltVerdict) -> str:
    believed = ONLY_SEAL if v.terms.kind == "tilt" else ""
    return (
        f"Evidence of this watermark{believed}: {_weighed(v)}. {_tilt_p(v)} Confidence (one minus "
        f"p) {_percent_below(v.confidence)}. It is not the probability that the model was stolen."
    )


def _no_lean(v: TiltVerdict) -> str:
    return (
        f"No evidence of this watermark: {_weighed(v)}. {_tilt_p(v)} This does not clear the "
        "service: training on true labels removes such a lean."
    )


def _no_sign(v: TiltVerdict) -> str:
    if v.calibration is not None and not v.calibration.does_the_task:
        return _another_task(v.calibration)
    return f"Cannot tell: not even a perfect copy could be found {_at_level(v)}{_lost(v)}."


# ---------------------------------------------------------------- shared


def _terms(v: Verdict) -> str:
    return f"family of {large(v.family)}, alpha = {v.alpha:g}"


def _at_level(v: Verdict) -> str:
    family = f" for a family of {large(v.family)}" if v.family > 1 else ""
    return f"at alpha = {v.alpha:g}{family}"


def null_words(k: int, nulls: Sequence[int]) -> str:
    """Return how the null models did and, if none did as well, a bound for others like them."""
    as_good = np.count_nonzero(np.greater_equal(nulls, k))
    words = f"{as_good} of {len(nulls)} did as well"
    if as_good:
        return words
    return (
        f"{words}; so at most {percent(stats.null_bound(len(nulls)))} of such models would (95 %)"
    )
