"""What every verdict holds and how it speaks.

It says "evidence of this watermark", never that a model was taken.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from wmlearn._display import BLUE, html_table, large, legible, on_axes, plural, wrapped
from wmlearn.evidence import stats
from wmlearn.evidence._sentences import (
    CHOSEN_BLINDLY,
    CLASSROOM,
    ONLY_SEAL,
    QUESTION,
    Unit,
    believable,
    calibration_words,
    explained,
    null_words,
)
from wmlearn.evidence.answers import Answers, Flags
from wmlearn.evidence.calibration import Calibration
from wmlearn.evidence.rules import Terms

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Decision = Literal["found", "not found", "cannot tell"]


def decide(reached: bool, reachable: bool) -> Decision:
    """Decide by the one rule: found where the evidence reached the line that alpha and family draw.

    Not found where it did not, though a perfect copy's would have; else nobody can tell.
    """
    if reached:
        return "found"
    return "not found" if reachable else "cannot tell"


@dataclass(frozen=True, eq=False)
class Verdict(ABC):
    """The answers of a suspect to the sealed questions, and what they are worth.

    What the kinds have in common: `KeyedVerdict`, `FixedVerdict` and `MessageVerdict` say how they
    decide, and have more.

    Attributes
    ----------
    decision : "found", "not found" (which does not clear the suspect) or "cannot tell"
    k, n : matches and questions asked; `terms.planned` is the sealed number
    p : the p-value that decides, 0 to 1; NaN where there is none
    p_judge : the same for a judge who does not trust the owner
    answers : what was said, tallied; `matched` and `unanswered` say it question by question
    terms : what was sealed
    family : the number of tests that share alpha; `level` is what is left for this one
    nulls : the matches of each null model; of those that did worse than the suspect, equal answers
        count once
    population : what the null models are, in words; empty where that was not declared
    calibration : how the service did on clean images; None where it was not asked any
    """

    answers: Answers
    terms: Terms
    family: int = 1
    nulls: tuple[int, ...] = ()
    population: str = ""
    calibration: Calibration | None = None

    unit: ClassVar[Unit] = QUESTION

    @property
    def decision(self) -> Decision:
        """Found, not found or cannot tell; the last where the service does not do the task."""
        return "cannot tell" if self.of_another_task else self._decide()

    @property
    def of_another_task(self) -> bool:
        """Whether clean images showed that the suspect does not do the task."""
        return self.calibration is not None and not self.calibration.does_the_task

    @abstractmethod
    def _decide(self) -> Decision:
        """Decide by the one rule that was sealed."""

    @property
    def conclusion(self) -> str:
        """The decision as it may be told to others: the owner's test is one of many seals."""
        if self.decision != "found":
            return self.decision
        if self.calibration is not None and self.calibration.unsealed:
            return f"found{ONLY_SEAL}{CHOSEN_BLINDLY}"
        return f"found{ONLY_SEAL}"

    @property
    @abstractmethod
    def p(self) -> float:
        """The p-value that decides; NaN where there is none."""

    @property
    @abstractmethod
    def p_judge(self) -> float:
        """The p-value for somebody who thinks the owner may have tried many seals; else NaN."""

    @property
    @abstractmethod
    def luck(self) -> str:
        """How an innocent model would fare, in words: draws of the labels, not p-values."""

    @property
    @abstractmethod
    def by_luck(self) -> str:
        """How many matches luck alone would give, on average and at the most: "at most 3"."""

    def explain(self) -> str:
        """Return the verdict in sentences that a judge could read, p-values and all."""
        return wrapped(explained(self, self._account()))

    @abstractmethod
    def _account(self) -> str:
        """Say what was decided, and by what."""

    @abstractmethod
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how the evidence grew, and return the axes."""

    @property
    def n(self) -> int:
        """How many questions were asked."""
        return self.answers.n

    @property
    def k(self) -> int:
        """How many of them were answered with the secret label."""
        return self.answers.k

    @property
    def alpha(self) -> float:
        """The sealed bound on the chance of accusing an innocent suspect."""
        return self.terms.alpha

    @property
    def level(self) -> float:
        """The share of alpha that this test may spend, alpha over the family; 0 for a huge one."""
        return float(Fraction(self.alpha) / self.family)

    def affords(self, p: float) -> bool:
        """Return whether a p-value pays for the whole family; never true of NaN."""
        return bool(stats.reaches(-np.log(p), self.alpha, self.family))

    @property
    def matched(self) -> Flags:
        """Whether each question was matched, in sealed order."""
        return self.answers.matched

    @property
    def unanswered(self) -> Flags:
        """Whether each question got no answer, in sealed order."""
        return self.answers.unanswered

    @property
    def confidence(self) -> float:
        """One minus p: so rarely would a suspect without the key ever have looked this good."""
        return 1 - believable(self.p)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON can hold it, without the secret answers.

        None stands where there is no p-value.
        """
        verdict = {
            "decision": self.conclusion,
            "k": self.k,
            "n": self.n,
            self.unit.silent: self.answers.n_unanswered,
            "p": _or_none(self.p),
            "p_judge": _or_none(self.p_judge),
            "alpha": self.alpha,
            "family": self.family,
            "public_key": self.terms.public_key,
            "task_accuracy": self._task_accuracy,
        }
        return verdict | self._counts()

    def _counts(self) -> dict[str, Any]:
        """Return what else was counted, for `to_dict`."""
        return {
            "queries": self.answers.queries,
            "n_unreachable": self.answers.n_unreachable,
            "n_invalid": self.answers.n_invalid,
            "null_models": len(self.nulls),
        }

    @property
    def _task_accuracy(self) -> float | None:
        return None if self.calibration is None else _or_none(self.calibration.accuracy)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per question: expected and given answer, matched, unanswered."""
        import pandas as pd

        columns = {
            "question": np.arange(1, self.n + 1),
            "expected": self.answers.expected,
            "answer": self.answers.per_question,
            "matched": self.matched,
            "unanswered": self.unanswered,
        }
        return pd.DataFrame(columns)

    def __str__(self) -> str:
        return wrapped(repr(self))

    def __repr__(self) -> str:
        answers = self.answers
        parts = [self._counted()]
        if answers.n_unanswered:
            parts.append(f"{answers.n_unanswered} {self.unit.silent}")
        if answers.n_invalid:
            parts.append(f"{plural(answers.n_invalid, 'answer')} that are no class of the task")
        parts.append(self.luck)
        if self.terms.public_key:
            parts.append(CLASSROOM)
        return "; ".join(parts)

    def _counted(self) -> str:
        return f"{self.conclusion}: {self._matches()} matched"

    def _matches(self) -> str:
        return f"{self.k} of {plural(self.n, f'secret {self.unit.name}')}"

    def _repr_html_(self) -> str:
        shared = f", shared by a family of {large(self.family)}" if self.family > 1 else ""
        rows: dict[str, object] = {
            "matched": self._matches(),
            "expected by chance": self.by_luck,
            "an innocent model": self.luck,
            "alpha": f"{self.alpha:g}{shared}",
        }
        rows |= self._sent()
        rows[f"{self.unit.name}s {self.unit.silent}"] = self.answers.n_unanswered
        if self.nulls:
            rows["null models"] = null_words(self.k, self.nulls)
        if self.calibration is not None:
            rows["clean images"] = calibration_words(self.calibration)
        if self.terms.public_key:
            rows["note"] = CLASSROOM
        return html_table(f"Watermark: {self.conclusion}", rows)

    def _sent(self) -> dict[str, object]:
        """Return how many images were sent; all that were answered have been."""
        images, lost = self.answers.queries, self.answers.n_unreachable
        if lost:
            return {"images asked": f"{images:,}, {lost:,} without an answer"}
        return {"images sent": images}


def _or_none(p: float) -> float | None:
    return None if math.isnan(p) else p


@dataclass(frozen=True, eq=False)
class Verdicts(Mapping[str, Verdict]):
    """The verdicts on several suspects who were asked the same questions and share alpha.

    A mapping from each suspect's name to its `Verdict`, in the order in which they were asked.
    """

    verdicts: Mapping[str, Verdict]

    def __getitem__(self, name: str) -> Verdict:
        return self.verdicts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the verdicts by name as JSON can hold them, without the secret answers."""
        return {name: verdict.to_dict() for name, verdict in self.items()}

    def to_frame(self) -> pd.DataFrame:
        """Return one row per suspect: the decision, what was counted, and the p-values."""
        import pandas as pd

        columns = ["decision", "k", "n", "p", "p_judge", "family", "queries", "n_unreachable"]
        suspects = pd.Index(self, name="suspect")
        frame = pd.DataFrame(list(self.to_dict().values()), suspects, columns)
        frame["decision"] = [verdict.decision for verdict in self.values()]
        return frame.astype({"p": float, "p_judge": float})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw for each suspect how many questions it matched, and return the axes."""
        import seaborn as sns

        frame = self.to_frame()
        names = [f"{name} ({decision})" for name, decision in frame.decision.items()]
        ax = sns.barplot(x=frame.k.tolist(), y=names, color=BLUE, ax=on_axes(ax))
        ax.set(xlabel="questions matched", ylabel="", xlim=(0, max(frame.n, default=1)))
        return legible(ax)

    def __str__(self) -> str:
        return "\n".join(wrapped(line) for line in repr(self).splitlines())

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {verdict!r}" for name, verdict in self.items())

    def _repr_html_(self) -> str:
        rows = {}
        for name, verdict in self.items():
            counted = f"{verdict.k} of {plural(verdict.n, 'question')} matched"
            rows[name] = f"{verdict.conclusion}; {counted}; {verdict.luck}"
        return html_table("Watermark, suspect by suspect", rows)
