"""The three kinds of verdict, by what was sealed, and the one place where a verdict is made.

A label per question (`KeyedVerdict`); one target class for all of them, the paper's way
(`FixedVerdict`); a message in the weights (`MessageVerdict`). `reach_verdict` makes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from wmlearn._display import BLUE, VERMILLION
from wmlearn.evidence import _sentences, stats
from wmlearn.evidence.answers import Answers, Flags
from wmlearn.evidence.rules import Terms
from wmlearn.evidence.verdict import Decision, Verdict, decide

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class KeyedVerdict(Verdict):
    """A verdict where each question has a label of its own: a gambler's wealth decides.

    Attributes
    ----------
    path : log wealth after 0, 1, ..., n questions, shape (n + 1,)
    decisions : the decision after 0, 1, ..., n questions; the last one is `decision`
    p : valid whenever one stopped; `p_planned` only for the sealed number of questions
    p0 : the largest chance that an innocent suspect matches a question
    """

    @property
    def p0(self) -> float:
        """The largest chance that an innocent suspect matches a question."""
        return self.terms.p0

    @cached_property
    def path(self) -> stats.Floats:
        """Log wealth after 0, 1, ..., n questions, shape (n + 1,)."""
        return stats.wealth_path(self.matched, self.p0)

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """The decision after 0, 1, ..., n questions: the best moment so far counts."""
        perfect = stats.wealth_path(~self.unanswered, self.p0)  # matches whatever was answered
        return tuple(map(decide, self._ever_reached(self.path), self._ever_reached(perfect)))

    def _ever_reached(self, path: stats.Floats) -> Flags:
        """Return for each number of questions whether this wealth has been enough by then."""
        return np.logical_or.accumulate(stats.reaches(path, self.level))

    @property
    def decision(self) -> Decision:
        """Found, not found or cannot tell, by the one rule that was sealed."""
        return self.decisions[-1]

    @property
    def p(self) -> float:
        """The p-value that decides, valid whenever one stopped."""
        return stats.anytime_p(self.path)

    @property
    def p_judge(self) -> float:
        """The p-value for somebody who thinks the owner tried many seals, or chose questions."""
        return 1.0 if self.terms.selection_unverified else stats.judge_p(self.p)

    @property
    def p_planned(self) -> float:
        """The exact binomial p-value of the sealed number of questions; NaN where others came."""
        if self.n != self.terms.planned:
            return math.nan
        return float(stats.binomial_p(self.k, self.n, self.p0))

    @property
    def luck(self) -> str:
        """How an innocent model would fare, in the words of the course: lotteries, not p-values."""
        return _sentences.draws_in_words(self.path, self.matched)

    @property
    def by_luck(self) -> str:
        """How many matches luck alone would give, on average and at the most: "at most 3"."""
        return f"at most {_sentences.expected(self.n * self.p0)}"

    def _counted(self) -> str:
        return f"{super()._counted()}, {self.by_luck} expected by luck"

    def chance_to_find(self, rate: float) -> float:
        """Return the chance of having found a suspect that matches this share, 0 to 1."""
        answered = (~self.unanswered).tolist()
        return stats.accusation_chance(answered, rate, alpha=self.level, p0=self.p0)

    def explain(self) -> str:
        """Return the verdict in sentences that a judge could read, p-values and all."""
        return _sentences.explain(self, _sentences.keyed_account(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON can hold it, without the secret answers."""
        return super().to_dict() | {"p0": self.p0}

    def to_frame(self) -> pd.DataFrame:
        """Return one row per question: its answers, matched, unanswered, log10 of the wealth."""
        return super().to_frame().assign(log10_wealth=self.path[1:] / math.log(10))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the gambler's wealth question by question against its line, and return the axes."""
        import matplotlib.pyplot as plt

        unit = self.unit
        if ax is None:
            _, ax = plt.subplots(figsize=(6, 3))
        wealth = np.exp(np.minimum(self.path, 34.5))
        line = self.family / self.alpha
        ax.step(range(self.n + 1), wealth, where="post", color=BLUE, label=f"this {unit.suspect}")
        ax.axhline(line, color=VERMILLION, linestyle="--", label=f"accuse from {line:,.0f} upwards")
        ax.set(yscale="log", xlabel=f"{unit.name}s {unit.asked}", ylabel="gambler's wealth")
        ax.legend(frameon=False)
        return ax


class FixedVerdict(Verdict):
    """A verdict where all triggers share one target class.

    Only null models, or a target drawn by lot, give a p-value.

    Attributes
    ----------
    p_target : the p-value of the draw of the target; NaN where the owner chose it
    p : the worse of that and of the null models'; NaN where there is neither
    p_judge : NaN, for somebody who does not trust the owner has no p-value
    """

    by_luck = "nobody knows how many"
    luck = "one answer for all triggers: how an innocent model would do nobody can say"
    p_judge = math.nan

    @cached_property
    def p_target(self) -> float:
        """The p-value of a target drawn by lot; NaN where the owner chose it."""
        classes = self.terms.drawable
        if not classes:
            return math.nan
        given, target = self.answers.per_question.tolist(), int(self.answers.expected[0])
        return stats.target_p([given.count(c) for c in classes], classes.index(target))

    @property
    def p(self) -> float:
        """The p-value that decides: the worst of null models and drawn target; else NaN."""
        return self._worst(self.k, self.p_target)

    @property
    def decision(self) -> Decision:
        """Found, not found or cannot tell: the last where not even a perfect copy's p would do."""
        answered = self.n - self.answers.n_unanswered
        perfect = self._worst(answered, 1 / self.terms.n_labels if answered else 1.0)
        return decide(self._is_enough(self.p), self._is_enough(perfect))

    def _worst(self, matches: int, p_target: float) -> float:
        """Return the larger p-value of those there are, for so many matches; else NaN."""
        known = []
        if self.terms.drawable:
            known.append(p_target)
        if self.nulls:
            known.append(stats.null_p(matches, self.nulls))
        return max(known, default=math.nan)

    def _is_enough(self, p: float) -> bool:
        return p * self.family <= self.alpha * (1 + 1e-12)  # never true of NaN

    def explain(self) -> str:
        """Return the verdict in sentences that a judge could read, p-values and all."""
        return _sentences.explain(self, _sentences.fixed_account(self))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Raise: one number has no path that could be drawn."""
        raise ValueError("fixed labels have no path to draw; seal a set with labels='keyed'.")


class MessageVerdict(KeyedVerdict):
    """A verdict on the weights of a model: each bit of the message was drawn on its own.

    Attributes
    ----------
    bit_error_rate : the share of the bits that are wrong or unreadable, 0 to 1, as Uchida et al.
        (2017) report it
    p_planned : the exact binomial p-value of all bits, read at once
    """

    unit: ClassVar[_sentences.Unit] = _sentences.BIT

    @property
    def bit_error_rate(self) -> float:
        """The share of the bits that are wrong or unreadable, 0 to 1."""
        return 1 - self.k / self.n

    def _counts(self) -> dict[str, Any]:
        return {"bit_error_rate": self.bit_error_rate}

    def _sent(self) -> dict[str, object]:
        return {}


KINDS: Mapping[str, type[Verdict]] = {
    "keyed": KeyedVerdict,
    "fixed": FixedVerdict,
    "bits": MessageVerdict,
}


def reach_verdict(
    answers: Answers, terms: Terms, *, family: int = 1, nulls: Sequence[Answers] = ()
) -> Verdict:
    """Return the verdict on what a suspect answered, by the terms that were sealed.

    Parameters
    ----------
    answers : of the suspect
    terms : what was sealed; its kind says which verdict this is
    family : how many tests share alpha, at least 1
    nulls : the answers of null models to the same questions
    """
    kind = KINDS[terms.kind]
    return kind(answers, terms, family, tuple(null.k for null in nulls))
