"""What a verdict holds and how it speaks. It says "evidence of this watermark", never that a model was taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from wmlearn import stats
from wmlearn._show import BLUE, VERMILLION, html_table, percent, plural
from wmlearn._types import Labels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Decision = Literal["found", "not found", "cannot tell"]
CLASSROOM = "classroom key: proves nothing outside this course"


@dataclass(frozen=True, eq=False, repr=False)
class Verdict:
    """The answers a service gave to the sealed questions, and what they are worth.

    Attributes
    ----------
    decision : "found", "not found" (which does not clear the service) or "cannot tell"
    k, n : matches and questions asked; `planned` is the sealed number
    p0 : the chance that an innocent service matches a question; None with fixed labels, where nobody knows it
    p : the p-value that decides, valid whenever one stopped; None where there is none
    p_judge : the same for a judge who does not trust the owner
    path : log wealth after 0, 1, ..., n questions; None with fixed labels
    expected, answers, matched, unanswered : one entry a question, in sealed order
    queries : images sent; `nulls` the matches of each null model; `family` the tests that share alpha
    """

    alpha: float
    p0: float | None
    classes: int
    planned: int
    expected: Labels
    answers: Labels
    unanswered: np.ndarray
    queries: int
    nulls: tuple[int, ...]
    lottery: float | None
    family: int
    classroom: bool

    @property
    def n(self) -> int:
        """How many questions were asked."""
        return len(self.answers)

    @property
    def k(self) -> int:
        """How many were answered as only the lot and the marked model know."""
        return int(self.matched.sum())

    @cached_property
    def matched(self) -> np.ndarray:
        """Whether each question was matched; one with a missing answer is a miss."""
        return (self.answers == self.expected) & ~self.unanswered

    @cached_property
    def path(self) -> np.ndarray | None:
        """Log wealth after 0, 1, ..., n questions, shape (n + 1,); None with fixed labels."""
        return None if self.p0 is None else stats.wealth_path(self.matched, self.p0)

    @cached_property
    def p(self) -> float | None:
        """The p-value that decides: anytime with keyed labels; the worst of nulls and lottery with fixed ones."""
        if self.path is not None:
            return stats.anytime_p(self.path)
        known = [self.lottery, stats.null_p(self.k, self.nulls) if self.nulls else None]
        return max((p for p in known if p is not None), default=None)

    @property
    def p_judge(self) -> float | None:
        """The p-value for somebody who thinks the owner may have tried many seals; None with fixed labels."""
        return None if self.path is None else stats.judge_p(self.p)

    @property
    def confidence(self) -> float | None:
        """One minus p: had the service nothing to do with the key, so rarely would it ever have looked this good."""
        return None if self.p is None else 1 - self.p

    @property
    def p_planned(self) -> float | None:
        """The exact binomial p-value, only when exactly the sealed number of questions was asked."""
        return stats.binomial_p(self.k, self.n, self.p0) if self.p0 is not None and self.n == self.planned else None

    @cached_property
    def decision(self) -> Decision:
        """Found, not found or cannot tell, by the one rule that was sealed."""
        if self.p is not None and self.p * self.family <= self.alpha:
            return "found"
        return "not found" if self._smallest_p() * self.family <= self.alpha else "cannot tell"

    def _smallest_p(self) -> float:
        """The p-value that a perfect copy would have reached with these questions, null models and silences."""
        if self.p0 is not None:
            return stats.anytime_p(stats.wealth_path(~self.unanswered, self.p0))
        floors = [1 / (len(self.nulls) + 1)] if self.nulls else []
        floors += [1 / (self.classes - 1)] if self.lottery is not None else []
        return max(floors, default=1.0)

    def chance_to_find(self, rate: float) -> float:
        """Return the chance that a copy keeping this share of the answers, 0 to 1, would have been found."""
        if self.p0 is None:
            raise ValueError("with fixed labels nobody knows this chance; seal a set with labels='keyed'.")
        return stats.accusation_chance(list(~self.unanswered), rate, alpha=self.alpha / self.family, p0=self.p0)

    @property
    def luck(self) -> str:
        """How an innocent model would fare, in the words of the course: lotteries, not p-values."""
        if self.p0 is None:
            return "one answer for all triggers: how an innocent model would do nobody can say"
        return lotteries(self.path)

    def explain(self) -> str:
        """Return the verdict in sentences that a judge could read, p-values and all.

        Examples
        --------
        >>> v = Verdict(1e-3, 0.1, 10, 1, np.array([3]), np.array([3]), np.array([False]), 1, (), None, 1, False)
        >>> print(v.explain())
        Cannot tell: too few answers to decide at alpha = 0.001; 1 question asked, 4 needed.
        """
        words = {"found": _found_words, "not found": _not_found_words, "cannot tell": _cannot_tell_words}
        note = f" This is a {CLASSROOM}." if self.classroom else ""
        return words[self.decision](self) + note

    def to_frame(self) -> pd.DataFrame:
        """Return one row a question: expected and given answer, matched, unanswered, log10 of the wealth so far."""
        import pandas as pd

        columns = {"question": np.arange(1, self.n + 1), "expected": self.expected, "answer": self.answers}
        columns |= {"matched": self.matched, "unanswered": self.unanswered}
        if self.path is not None:
            columns["log10_wealth"] = self.path[1:] / math.log(10)
        return pd.DataFrame(columns)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the gambler's wealth question by question against its line, and return the axes."""
        import matplotlib.pyplot as plt

        if self.path is None:
            raise ValueError("fixed labels have no path to draw; seal a set with labels='keyed'.")
        ax = plt.subplots(figsize=(6, 3))[1] if ax is None else ax
        line = self.family / self.alpha
        ax.step(range(self.n + 1), np.exp(np.minimum(self.path, 34.5)), where="post", color=BLUE, label="this service")
        ax.axhline(line, color=VERMILLION, linestyle="--", label=f"accuse from {line:,.0f} upwards")
        ax.set(yscale="log", xlabel="questions asked", ylabel="gambler's wealth")
        ax.legend(frameon=False)
        return ax

    def __repr__(self) -> str:
        silent = int(self.unanswered.sum())
        parts = [f"{self.decision}: {self.k} of {plural(self.n, 'secret question')} matched"]
        parts[0] += f", at most {self.n * self.p0:.0f} expected by luck" if self.p0 is not None else ""
        parts += [f"{silent} unanswered"] if silent else []
        return "; ".join([*parts, self.luck, *([CLASSROOM] if self.classroom else [])])

    def _repr_html_(self) -> str:
        rows: dict[str, object] = {
            "matched": f"{self.k} of {plural(self.n, 'secret question')}",
            "expected by luck": "nobody knows" if self.p0 is None else f"at most {self.n * self.p0:.1f}",
            "an innocent model": self.luck,
            "alpha": f"{self.alpha:g}" + (f", shared by a family of {self.family}" if self.family > 1 else ""),
            "images sent": self.queries,
            "questions unanswered": int(self.unanswered.sum()),
        }
        rows |= {"null models": _null_words(self.k, self.nulls)} if self.nulls else {}
        rows |= {"note": CLASSROOM} if self.classroom else {}
        return html_table(f"Watermark: {self.decision}", rows)


def lotteries(path: Sequence[float]) -> str:
    """Say how often an innocent model would do as well as the best moment of this path of log wealth.

    Examples
    --------
    >>> lotteries([0.0, math.log(3600)])
    'an innocent model would do this well less than once in 3,600 lotteries'
    """
    wealth = math.exp(min(float(np.max(path)), -math.log(stats.SMALLEST_P)))
    if wealth < 2:
        return "nothing that an innocent model would not do by luck"
    number = f"{math.floor(wealth + 1e-6):,}" if wealth < 1e6 else f"10^{math.floor(math.log10(wealth) + 1e-9)}"
    return f"an innocent model would do this well less than once in {number} lotteries"


def p_words(p: float) -> str:
    """Return a p-value as people read it, never smaller than can be believed.

    Examples
    --------
    >>> p_words(0.0123), p_words(1e-40)
    ('p <= 0.012', 'p < 1e-15')
    """
    return f"p < {stats.SMALLEST_P:g}" if p < stats.SMALLEST_P else f"p <= {p:.2g}"


def _found_words(v: Verdict) -> str:
    counted = f"Evidence of this watermark: {v.k} of {plural(v.n, 'secret answer')} matched"
    if v.p0 is None:
        return f"{counted}; {p_words(v.p)}, from {_fixed_source(v)}."
    confidence = min(1 - v.p, 1 - 1e-6)
    low, high = stats.match_interval(v.k, v.n)
    return (
        f"{counted}, at most {v.n * v.p0:.1f} expected by luck (each answer drawn by lot, 1 in {round(1 / v.p0)}); "
        f"{p_words(v.p)}, judge's {p_words(v.p_judge)}, family of {v.family}, alpha = {v.alpha:g}. "
        f"Confidence {'above ' if confidence > 0.9999 else ''}{100 * min(confidence, 0.9999):.2f} %: had this service "
        f"nothing to do with the key, at most 1 key in {math.floor(min(1 / v.p, 1e15)):,} would ever have looked this "
        "good, at any moment we might have stopped. It is not the probability that the model was stolen."
        + (f" Match rate {low:.2f} to {high:.2f} (95 %)." if v.n == v.planned else "")
    )


def _not_found_words(v: Verdict) -> str:
    if v.p0 is None:
        return f"No evidence of this watermark ({v.k} of {v.n}; {p_words(v.p)}). This does not clear the service."
    return (
        f"No evidence of this watermark ({v.k} of {v.n}, at most {v.n * v.p0:.1f} expected by luck; {p_words(v.p)}). "
        f"This does not clear the service: a copy keeping 40 % of the answers would have been found with probability "
        f"{v.chance_to_find(0.4):.2f}, one keeping 15 % with {v.chance_to_find(0.15):.2f}."
    )


def _cannot_tell_words(v: Verdict) -> str:
    level = f"at alpha = {v.alpha:g}" + (f" for a family of {v.family}" if v.family > 1 else "")
    if v.p0 is None:
        models = stats.null_models_needed(v.alpha / v.family)
        return (
            f"Cannot tell: {v.k} of {v.n} triggers got the target class, and with fixed labels that number alone gives "
            f"no p-value; it takes {models:,} null models {level}, here are {len(v.nulls)}."
        )
    silent = int(v.unanswered.sum())
    unanswered = f", {silent} of them unanswered" if silent else ""
    needed = stats.questions_needed(v.alpha / v.family, v.p0)
    return (
        f"Cannot tell: too few answers to decide {level}; {plural(v.n, 'question')} asked{unanswered}, {needed} needed."
    )


def _fixed_source(v: Verdict) -> str:
    sources = [f"{len(v.nulls)} null models"] if v.nulls else []
    sources += [f"a target drawn by lot among {v.classes - 1}"] if v.lottery is not None else []
    return " and ".join(sources)


def _null_words(k: int, nulls: Sequence[int]) -> str:
    reached = sum(matches >= k for matches in nulls)
    bound = "" if reached else f"; so at most {percent(stats.null_bound(len(nulls)))} of such models would (95 %)"
    return f"{reached} of {len(nulls)} did as well{bound}"
