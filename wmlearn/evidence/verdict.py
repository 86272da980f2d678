"""What all verdicts have in common: their data and their words.

A verdict speaks of "evidence of this watermark", and never says that a model was stolen.
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
    """Return the decision by the one rule of all verdicts.

    It is "found" if the evidence reached the line that alpha and family determine; "not found" if
    it did not, but that of a perfect copy would have; else "cannot tell".
    """
    if reached:
        return "found"
    return "not found" if reachable else "cannot tell"


@dataclass(frozen=True, eq=False)
class Verdict(ABC):
    """The answers of a suspect to the sealed questions, and the evidence in them.

    This is the base of all kinds of verdict, such as `KeyedVerdict`, `FixedVerdict` and
    `MessageVerdict`, which differ in how they decide.

    Attributes
    ----------
    decision : "found", "not found" (which does not clear the suspect) or "cannot tell"
    k, n : matches, and questions asked; `terms.planned` is the number of sealed questions
    p : the p-value that decides, 0 to 1; NaN if there is none
    p_judge : the p-value for a judge who does not trust the owner, 0 to 1; NaN if there is none
    answers : the answers, tallied; `matched` and `unanswered` have one entry per question
    terms : what was fixed before the test
    family : the number of tests that share alpha; `level` is the share of this one
    nulls : the matches of each null model; among those that did worse than the suspect, models with
        equal answers count once
    population : the kind of null models, in words; empty if it was not declared
    calibration : how the service did on clean images; None if none were asked
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
        """ "found", "not found" or "cannot tell", which includes services for another task."""
        return "cannot tell" if self.of_another_task else self._decide()

    @property
    def of_another_task(self) -> bool:
        """Whether clean images showed that the suspect does not do the task."""
        return self.calibration is not None and not self.calibration.does_the_task

    @abstractmethod
    def _decide(self) -> Decision:
        """Return the decision by the sealed rule."""

    @property
    def conclusion(self) -> str:
        """The decision with the assumptions that the owner's own test makes."""
        if self.decision != "found":
            return self.decision
        if self.calibration is not None and self.calibration.unsealed:
            return f"found{ONLY_SEAL}{CHOSEN_BLINDLY}"
        return f"found{ONLY_SEAL}"

    @property
    @abstractmethod
    def p(self) -> float:
        """The p-value that decides, 0 to 1; NaN if there is none."""

    @property
    @abstractmethod
    def p_judge(self) -> float:
        """The p-value for a judge, as the owner may have tried many seals; NaN if there is none."""

    @property
    @abstractmethod
    def luck(self) -> str:
        """How well an innocent model would do, in words: in draws of the labels, not p-values."""

    @property
    @abstractmethod
    def by_luck(self) -> str:
        """How many matches are expected by chance, as text: "at most 3"."""

    def explain(self) -> str:
        """Return the verdict in sentences for a judge, with p-values, in lines of 88 characters."""
        return wrapped(explained(self, self._account()))

    @abstractmethod
    def _account(self) -> str:
        """Return the decision and its reasons in sentences."""

    @abstractmethod
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how the evidence grew, and return the axes."""

    @property
    def n(self) -> int:
        """How many questions were asked."""
        return self.answers.n

    @property
    def k(self) -> int:
        """How many questions were answered with the secret label."""
        return self.answers.k

    @property
    def alpha(self) -> float:
        """The bound on the probability of accusing an innocent suspect."""
        return self.terms.alpha

    @property
    def level(self) -> float:
        """The share of alpha for this test, alpha / family; 0 for a huge family."""
        return float(Fraction(self.alpha) / self.family)

    def affords(self, p: float) -> bool:
        """Return whether a p-value is at most alpha / family; False for NaN."""
        return bool(stats.reaches(-np.log(p), self.alpha, self.family))

    @property
    def matched(self) -> Flags:
        """Whether each question was matched, in sealed order, bool, shape (n,)."""
        return self.answers.matched

    @property
    def unanswered(self) -> Flags:
        """Whether each question has no answer, in sealed order, bool, shape (n,)."""
        return self.answers.unanswered

    @property
    def confidence(self) -> float:
        """One minus p, where p is how often a suspect without the key would look this good."""
        return 1 - believable(self.p)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as a dict for JSON, without the secret answers; None if p is NaN."""
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
        """Return the further counts of `to_dict`."""
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
        """Return how many images were sent and how many of them got no answer, as table rows."""
        images, lost = self.answers.queries, self.answers.n_unreachable
        if lost:
            return {"images asked": f"{images:,}, {lost:,} without an answer"}
        return {"images sent": images}


def _or_none(p: float) -> float | None:
    return None if math.isnan(p) else p


@dataclass(frozen=True, eq=False)
class Verdicts(Mapping[str, Verdict]):
    """The verdicts on several suspects that were asked the same questions and share alpha.

    It maps each suspect's name to its `Verdict`, in the order in which they were asked.
    """

    verdicts: Mapping[str, Verdict]

    def __getitem__(self, name: str) -> Verdict:
        return self.verdicts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the verdicts by name as dicts for JSON, without the secret answers."""
        return {name: verdict.to_dict() for name, verdict in self.items()}

    def to_frame(self) -> pd.DataFrame:
        """Return one row per suspect: decision, counts and p-values, as a pandas table."""
        import pandas as pd

        columns = ["decision", "k", "n", "p", "p_judge", "family", "queries", "n_unreachable"]
        suspects = pd.Index(self, name="suspect")
        frame = pd.DataFrame(list(self.to_dict().values()), suspects, columns)
        frame["decision"] = [verdict.decision for verdict in self.values()]
        return frame.astype({"p": float, "p_judge": float})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how many questions each suspect matched, as bars, and return the axes."""
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
