"""The kinds of verdict, by what was sealed and who asks, and the one function that makes them.

A label per question, for the owner (`KeyedVerdict`) or for a judge (`JudgedVerdict`); one target
class for all questions, as in the paper (`FixedVerdict`); a message in the weights
(`MessageVerdict`, `JudgedMessageVerdict`); signs that answers lean by (`TiltVerdict`,
`JudgedTiltVerdict`). `reach_verdict` makes them.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from scipy import special

from wmlearn._display import BLUE, VERMILLION, ink, legible, on_axes
from wmlearn.evidence import _sentences, stats
from wmlearn.evidence.answers import Answers, Flags
from wmlearn.evidence.calibration import Calibration
from wmlearn.evidence.rules import Terms
from wmlearn.evidence.verdict import Decision, Verdict, decide

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from wmlearn._types import Labels
    from wmlearn.evidence.tilt import Signs

SIZE = (6.0, 3.0)  # of a figure, in inches


class MatchVerdict(Verdict):
    """A verdict where each question has its own label: the matches of an innocent are Binomial.

    Attributes
    ----------
    p0 : the largest probability that an innocent suspect matches a question, 0 to 1
    p_planned : the exact binomial p-value of the sealed, or named, number of questions
    """

    @property
    def p0(self) -> float:
        """The largest probability that an innocent suspect matches a question, 0 to 1."""
        return self.terms.p0

    @property
    def p_planned(self) -> float:
        """The exact binomial p-value of all planned questions; NaN if another number was asked."""
        if self.n != self.terms.planned:
            return math.nan
        return float(stats.binomial_p(self.k, self.n, self.p0))

    @property
    def by_luck(self) -> str:
        """How many matches are expected by chance, as text: "at most 3"."""
        return f"at most {_sentences.expected(self.n * self.p0)}"

    def _counted(self) -> str:
        return f"{super()._counted()}, {self.by_luck} expected by chance"

    @abstractmethod
    def chance_to_find(self, rate: float) -> float:
        """Return the probability of having found a suspect with this match rate, both 0 to 1."""

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as a dict for JSON, without the secret answers."""
        return super().to_dict() | {"p0": self.p0}


class KeyedVerdict(MatchVerdict):
    """The owner's verdict on a label per question, decided by a bettor's wealth at any moment.

    Attributes
    ----------
    path : log wealth after 0, 1, ..., n questions, shape (n + 1,)
    decisions : the decision after 0, 1, ..., n questions; the last one is `decision`
    p : the anytime-valid p-value, 0 to 1; `p_planned` holds only for the sealed number of questions
    p0 : the largest probability that an innocent suspect matches a question, 0 to 1
    """

    @cached_property
    def path(self) -> stats.Floats:
        """Log wealth after 0, 1, ..., n questions, shape (n + 1,)."""
        return stats.wealth_path(self.matched, self.p0)

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """The decision after 0, 1, ..., n questions, by the largest wealth so far."""
        perfect = stats.wealth_path(~self.unanswered, self.p0)  # matches every answered question
        return tuple(map(decide, self._ever_reached(self.path), self._ever_reached(perfect)))

    def _ever_reached(self, path: stats.Floats) -> Flags:
        """Return for each number of questions whether the wealth has been enough by then."""
        return np.logical_or.accumulate(stats.reaches(path, self.alpha, self.family))

    def _decide(self) -> Decision:
        return self.decisions[-1]

    @property
    def borne_out(self) -> bool:
        """Whether all sealed questions, counted once at the end, confirm the best moment."""
        if self.n != self.terms.planned:
            return True
        log_p = stats.log_binomial_p(self.k, self.n, self.p0)
        return bool(stats.reaches(-log_p, self.alpha, self.family))

    @property
    def p(self) -> float:
        """The anytime-valid p-value that decides, 0 to 1."""
        return stats.anytime_p(self.path)

    @property
    def p_judge(self) -> float:
        """The p-value for a judge, 0 to 1: the owner may have tried seals, or chosen questions."""
        chosen = self.calibration is not None and self.calibration.unsealed
        return 1.0 if chosen or self.terms.selection_unverified else stats.judge_p(self.p)

    @property
    def luck(self) -> str:
        """How well an innocent model would do, in words: in draws of the labels, not p-values."""
        return _sentences.draws_in_words(self.path, self.matched)

    def chance_to_find(self, rate: float) -> float:
        """Return the probability of having found a suspect with this match rate, both 0 to 1."""
        answered = (~self.unanswered).tolist()
        return stats.accusation_chance(
            answered, rate, alpha=self.alpha, p0=self.p0, family=self.family
        )

    def _account(self) -> str:
        return _sentences.keyed_account(self)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per question: answers, matched, unanswered, log10 of the wealth."""
        return super().to_frame().assign(log10_wealth=self.path[1:] / math.log(10))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the bettor's wealth after each question and the line to reach; return the axes."""
        unit, ax = self.unit, on_axes(ax, SIZE)
        wealth = np.exp(np.minimum(self.path, 34.5))
        line = math.exp(min(stats.log_line(self.alpha, self.family), 600))
        ax.step(range(self.n + 1), wealth, where="post", color=BLUE, label=f"this {unit.suspect}")
        ax.axhline(line, color=VERMILLION, linestyle="--", label=f"accuse from {line:,.0f} upwards")
        ax.set(yscale="log", xlabel=f"{unit.name}s {unit.asked}", ylabel="bettor's wealth")
        ax.legend(frameon=False)
        return legible(ax)


class _OnJudgesP(Verdict):
    """A verdict for a judge, who need trust nobody: the judge's p decides."""

    @property
    def p_judge(self) -> float:
        """The p-value that decides: p times the seals that the owner may have tried, at most 1."""
        return stats.judge_p(self.p, self.terms.seals)

    @property
    def conclusion(self) -> str:
        """The decision, which needs no assumption about the owner."""
        return self.decision

    @property
    def confidence(self) -> float:
        """One minus the judge's p."""
        return 1 - _sentences.believable(self.p_judge)


class JudgedVerdict(_OnJudgesP, MatchVerdict):
    """A judge's verdict: decided once, when all named questions are asked, on the judge's p.

    The judge fixes the number of questions beforehand, so the exact binomial test is valid, and the
    order of the questions does not matter.

    Attributes
    ----------
    p : the exact binomial p-value of all named questions, if this was the only seal
    p_judge : p times the seals that the owner may have tried, at most 1: this decides
    """

    @property
    def p(self) -> float:
        """The exact binomial p-value of all named questions, if this was the only seal."""
        return float(stats.binomial_p(self.k, self.n, self.p0))

    @cached_property
    def needed(self) -> int:
        """The smallest number of matches that allows an accusation; n + 1 if none does."""
        log_p = stats.log_binomial_p(np.arange(self.n + 1), self.n, self.p0)
        enough = stats.reaches(-log_p - math.log(self.terms.seals), self.alpha, self.family)
        return self.n + 1 - int(np.count_nonzero(enough))

    def _decide(self) -> Decision:
        answered = self.n - self.answers.n_unanswered
        return decide(self.k >= self.needed, answered >= self.needed)

    @property
    def luck(self) -> str:
        """How well an innocent model would do, in words."""
        return _sentences.by_draws(self.p, "match so many", "labels")

    def chance_to_find(self, rate: float) -> float:
        """Return the probability of finding a suspect with this match rate, both 0 to 1."""
        answered = self.n - self.answers.n_unanswered
        if self.needed > answered:
            return 0.0
        return float(special.bdtrc(self.needed - 1, answered, rate))

    def _account(self) -> str:
        return _sentences.judged_account(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the distribution of an innocent's matches, the line to reach, and this suspect."""
        ax = on_axes(ax, SIZE)
        at_least = np.asarray(stats.binomial_p(np.arange(self.n + 1), self.n, self.p0))
        chances = at_least - np.append(at_least[1:], 0.0)
        suspect = self.unit.suspect
        ax.bar(range(self.n + 1), chances, color=BLUE, label=f"an innocent {suspect}")
        ax.axvline(self.needed - 0.5, color=VERMILLION, linestyle="--", label="accuse from here on")
        ax.axvline(self.k, color=ink(ax), label=f"this {suspect}")
        ax.set(xlabel=f"of {self.n} {self.unit.name}s matched", ylabel="chance")
        ax.legend(frameon=False)
        return legible(ax)


class FixedVerdict(Verdict):
    """A verdict where all triggers share one target class.

    It can be "found" only if the target was drawn at random and null models of a declared
    population were asked: either alone depends on the owner's word.

    Attributes
    ----------
    p_target : the p-value of the draw of the target, 0 to 1; NaN if the owner chose the target
    p : the larger of `p_target` and the p-value of the null models; NaN if there is neither
    p_judge : always 1, as the owner chose everything else
    """

    by_luck = "nobody knows how many"
    luck = "one answer for all triggers: how an innocent model would do nobody can say"
    p_judge = 1.0

    @cached_property
    def p_target(self) -> float:
        """The p-value of a target drawn at random, 0 to 1; NaN if the owner chose it."""
        classes = self.terms.drawable
        if not classes:
            return math.nan
        given, target = self.answers.per_question.tolist(), int(self.answers.expected[0])
        return stats.target_p([given.count(c) for c in classes], classes.index(target))

    @property
    def p(self) -> float:
        """The p-value that decides: the larger of null models and drawn target; NaN without."""
        return self._worst(self.k, self.p_target)

    @property
    def speaks(self) -> bool:
        """Whether the target was drawn and null models of a declared population were asked."""
        return bool(self.terms.drawable and self.nulls and self.population.strip())

    def _decide(self) -> Decision:
        if not self.speaks:
            return "cannot tell"
        answered = self.n - self.answers.n_unanswered
        perfect = self._worst(answered, 1 / self.terms.n_labels if answered else 1.0)
        return decide(self.affords(self.p), self.affords(perfect))

    def _worst(self, matches: int, p_target: float) -> float:
        """Return the largest available p-value for so many matches; NaN if there is none."""
        known = []
        if self.terms.drawable:
            known.append(p_target)
        if self.nulls:
            known.append(stats.null_p(matches, self.nulls))
        return max(known, default=math.nan)

    def _account(self) -> str:
        return _sentences.fixed_account(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Raise a `ValueError`: a single number has no path to draw."""
        raise ValueError(
            "plot needs keyed labels; got fixed ones, which have no path to draw. Seal a set with "
            "labels='keyed'."
        )


class _OnBits(Verdict):
    """A verdict on the weights of a model, which counts bits and sends nothing.

    Attributes
    ----------
    bit_error_rate : the share of bits that are wrong or unreadable, 0 to 1, as in Uchida et al.
        (2017)
    """

    unit: ClassVar[_sentences.Unit] = _sentences.BIT

    @property
    def bit_error_rate(self) -> float:
        """The share of bits that are wrong or unreadable, 0 to 1."""
        return 1 - self.k / self.n

    def _counts(self) -> dict[str, Any]:
        return {"bit_error_rate": self.bit_error_rate}

    def _sent(self) -> dict[str, object]:
        return {}


class MessageVerdict(_OnBits, KeyedVerdict):
    """The owner's verdict on the weights of a model, whose message has independent random bits.

    Attributes
    ----------
    p_planned : the exact binomial p-value of all bits, read at once
    """


class JudgedMessageVerdict(_OnBits, JudgedVerdict):
    """A judge's verdict on the weights of a model: the named bits, counted once, on the judge's p.

    A bit that was named but not opened counts as unreadable, which is a miss.
    """


class TiltVerdict(Verdict):
    """The owner's verdict on signs that answers lean by, by the sealed exact test.

    Attributes
    ----------
    law : the probability of each sum that fair coins can give, from 0 to the sum of all weights
    p : the probability that fair coins give at least the weight of the matched signs; with the test
        "bets", 1 / the largest wealth of a bettor on one sign after the other
    p_perfect : the value of p if all signs with a weight above 0 had matched
    """

    unit: ClassVar[_sentences.Unit] = _sentences.SIGN

    @cached_property
    def weights(self) -> Labels:
        """The weight of each sign, 0 to 64, int64, shape (n,)."""
        return cast("Signs", self.answers).weights

    @cached_property
    def law(self) -> stats.Floats:
        """The probability of each sum that fair coins can give, from 0 to the sum of weights."""
        return stats.signed_sum_law(self.weights)

    @property
    def weighed(self) -> int:
        """The total weight of the matched signs."""
        return int(self.weights[self.matched].sum())

    @cached_property
    def p(self) -> float:
        """The p-value of the matched signs by the sealed test, 0 to 1."""
        return self._p_of(self.matched)

    @cached_property
    def p_perfect(self) -> float:
        """The value of p if all signs with a weight above 0 had matched."""
        return self._p_of(self.weights > 0)

    def _p_of(self, matched: Flags) -> float:
        if cast("Signs", self.answers).bets:
            return stats.anytime_p(stats.signed_wealth(self.weights, matched))
        return stats.signed_sum_p(self.weights, matched)

    @property
    def p_judge(self) -> float:
        """The p-value for a judge, as the owner may have tried many seals, 0 to 1."""
        chosen = self.calibration is not None and self.calibration.unsealed
        return 1.0 if chosen else stats.judge_p(self.p)

    def _decide(self) -> Decision:
        return decide(self.affords(self.p), self.affords(self.p_perfect))

    @property
    def by_luck(self) -> str:
        """How many matches are expected by chance, as text: "about 80"."""
        return f"about {_sentences.expected(self.n / 2)}"

    @property
    def luck(self) -> str:
        """How well an innocent model would do, in words."""
        return _sentences.by_draws(self.p, "lean so far", "signs")

    def _account(self) -> str:
        return _sentences.tilt_account(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as a dict for JSON, without the secret signs."""
        return super().to_dict() | {"weighed": self.weighed, "weights": int(self.weights.sum())}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the distribution of the matched weight for fair coins, and this suspect."""
        ax = on_axes(ax, SIZE)
        ax.fill_between(range(len(self.law)), self.law, color=BLUE, label="coins")
        ax.axvline(self.weighed, color=ink(ax), label=f"this {self.unit.suspect}")
        ax.set(xlabel=f"weight of the signs that match, of {len(self.law) - 1:,}", ylabel="chance")
        ax.legend(frameon=False)
        return legible(ax)


class JudgedTiltVerdict(_OnJudgesP, TiltVerdict):
    """A judge's verdict on the opened signs that answers lean by; the judge's p decides."""

    def _decide(self) -> Decision:
        perfect = stats.judge_p(self.p_perfect, self.terms.seals)
        return decide(self.affords(self.p_judge), self.affords(perfect))


KINDS: Mapping[str, type[Verdict]] = {
    "keyed": KeyedVerdict,
    "fixed": FixedVerdict,
    "bits": MessageVerdict,
    "tilt": TiltVerdict,
    "judged": JudgedVerdict,
    "judged bits": JudgedMessageVerdict,
    "judged tilt": JudgedTiltVerdict,
}


def reach_verdict(
    answers: Answers,
    terms: Terms,
    *,
    family: int = 1,
    nulls: Sequence[Answers] = (),
    population: str = "",
    calibration: Calibration | None = None,
) -> Verdict:
    """Return the verdict on a suspect's answers, by the sealed terms.

    Parameters
    ----------
    answers : the answers of the suspect
    terms : the sealed terms; `terms.kind` decides the class of the verdict
    family : how many tests share alpha, at least 1
    nulls : the answers of null models to the same questions. Of those that did worse than the
        suspect, models with equal answers count as one: an owner could pass one model many times
    population : the kind of null models, in words
    calibration : how the suspect did on clean images; its answers are already translated
    """
    kind = KINDS[terms.kind]
    as_good = [null.k for null in nulls if null.k >= answers.k]
    worse = {null.labels.tobytes(): null.k for null in nulls if null.k < answers.k}
    counted = (*as_good, *worse.values())
    return kind(answers, terms, family, counted, population, calibration)
