"""What a verdict holds and how it speaks. It says "evidence of this watermark", never that a model was taken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from wmlearn import _words, stats
from wmlearn._show import BLUE, VERMILLION, html_table, plural
from wmlearn._types import Labels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Decision = Literal["found", "not found", "cannot tell"]


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
    strange : how many images got a label that is no class of the task
    queries, failed : images put to the service, and how many of them got no answer at all
    nulls : the matches of each null model; `family` the number of tests that share alpha
    lots : the classes an answer, or with fixed labels the target, could have been drawn from; `lottery` the p-value of
        that draw
    owners_word : whether which questions count is known from the owner alone, as with `Dawn`
    """

    alpha: float
    p0: float | None
    planned: int
    expected: Labels
    answers: Labels
    unanswered: np.ndarray
    lots: int
    family: int
    classroom: bool
    queries: int = 0
    failed: int = 0
    strange: int = 0
    nulls: tuple[int, ...] = ()
    lottery: float | None = None
    owners_word: bool = False

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
        """Whether each question was matched."""
        return self.answers == self.expected

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
        return None if self.path is None else 1.0 if self.owners_word else stats.judge_p(self.p)

    @property
    def confidence(self) -> float | None:
        """One minus p: had the service nothing to do with the key, so rarely would it ever have looked this good."""
        return None if self.p is None else 1 - max(self.p, stats.SMALLEST_P)

    @property
    def p_planned(self) -> float | None:
        """The exact binomial p-value, only when exactly the sealed number of questions was asked."""
        return stats.binomial_p(self.k, self.n, self.p0) if self.p0 is not None and self.n == self.planned else None

    @cached_property
    def decision(self) -> Decision:
        """Found, not found or cannot tell, by the one rule that was sealed."""
        if self.path is not None:
            perfect = stats.wealth_path(~self.unanswered, self.p0)  # of a copy that matches whatever was answered
            reached, reachable = (stats.reaches(path, self.alpha / self.family).any() for path in (self.path, perfect))
        else:
            reached, reachable = (
                p is not None and p * self.family <= self.alpha * (1 + 1e-12) for p in (self.p, self._smallest_p())
            )
        return "found" if reached else "not found" if reachable else "cannot tell"

    def _smallest_p(self) -> float:
        """The p-value a perfect copy would have reached with fixed labels, these null models and these silences."""
        answered = int((~self.unanswered).sum())
        floors = [stats.null_p(answered, self.nulls)] if self.nulls else []
        floors += [1 / self.lots if answered else 1.0] if self.lottery is not None else []
        return max(floors, default=1.0)

    def chance_to_find(self, rate: float) -> float:
        """Return the chance that a service matching this share of the questions, 0 to 1, would have been found."""
        if self.p0 is None:
            raise ValueError("with fixed labels nobody knows this chance; seal a set with labels='keyed'.")
        return stats.accusation_chance(list(~self.unanswered), rate, alpha=self.alpha / self.family, p0=self.p0)

    @property
    def by_luck(self) -> str:
        """How many matches luck alone would give, on average and at the most, rounded up: "at most 3"."""
        return "nobody knows how many" if self.p0 is None else f"at most {_words.expected(self.n * self.p0)}"

    @property
    def luck(self) -> str:
        """How an innocent model would fare, in the words of the course: lotteries, not p-values."""
        if self.p0 is None:
            return "one answer for all triggers: how an innocent model would do nobody can say"
        return _words.lotteries(self.path, self.matched)

    def explain(self) -> str:
        """Return the verdict in sentences that a judge could read, p-values and all.

        Examples
        --------
        >>> v = Verdict(1e-3, 0.1, 30, np.array([3]), np.array([3]), np.array([False]), 10, 1, False)
        >>> v.explain().partition("Each")[0]
        'Cannot tell: too few answers to decide at alpha = 0.001; 1 question asked, 4 answers in a row needed. '
        """
        return _words.explain(self)

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
        parts[0] += f", {self.by_luck} expected by luck" if self.p0 is not None else ""
        parts += [f"{silent} unanswered"] if silent else []
        parts += [f"{plural(self.strange, 'answer')} that are no class of the task"] if self.strange else []
        return "; ".join([*parts, self.luck, *([_words.CLASSROOM] if self.classroom else [])])

    def _repr_html_(self) -> str:
        rows: dict[str, object] = {
            "matched": f"{self.k} of {plural(self.n, 'secret question')}",
            "expected by luck": self.by_luck,
            "an innocent model": self.luck,
            "alpha": f"{self.alpha:g}" + (f", shared by a family of {self.family}" if self.family > 1 else ""),
            "images asked" if self.failed else "images sent": (  # all that were answered have been sent
                f"{self.queries:,}, {self.failed:,} without an answer" if self.failed else self.queries
            ),
            "questions unanswered": int(self.unanswered.sum()),
        }
        rows |= {"null models": _words.null_words(self.k, self.nulls)} if self.nulls else {}
        rows |= {"note": _words.CLASSROOM} if self.classroom else {}
        return html_table(f"Watermark: {self.decision}", rows)


@dataclass(frozen=True, eq=False, repr=False)
class Verdicts(Mapping[str, Verdict]):
    """The verdicts on several suspects who were asked the same questions; alpha is shared among them.

    A mapping from each suspect's name to its `Verdict`, in the order in which they were asked.
    """

    verdicts: Mapping[str, Verdict]

    def __getitem__(self, name: str) -> Verdict:
        return self.verdicts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a suspect: the decision, what was counted, and the p-values."""
        import pandas as pd

        columns = ("decision", "k", "n", "p", "p_judge", "family", "queries", "failed")
        rows = [{column: getattr(verdict, column) for column in columns} for verdict in self.values()]
        frame = pd.DataFrame(rows, index=pd.Index(self, name="suspect"))
        return frame.assign(p=[_words.believable(verdict.p) for verdict in self.values()])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw for each suspect how many questions it matched, and return the axes."""
        import seaborn as sns

        found = [f"{name} ({verdict.decision})" for name, verdict in self.items()]
        ax = sns.barplot(x=[verdict.k for verdict in self.values()], y=found, color=BLUE, ax=ax)
        ax.set(
            xlabel="questions matched", ylabel="", xlim=(0, max((verdict.n for verdict in self.values()), default=1))
        )
        return ax

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {verdict!r}" for name, verdict in self.items())

    def _repr_html_(self) -> str:
        rows = {
            name: f"{verdict.decision}; {verdict.k} of {plural(verdict.n, 'question')} matched; {verdict.luck}"
            for name, verdict in self.items()
        }
        return html_table("Watermark, suspect by suspect", rows)
