"""What every verdict holds and how it speaks.

It says "evidence of this watermark", never that a model was taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from wmlearn._display import BLUE, html_table, plural
from wmlearn.evidence import _sentences, stats
from wmlearn.evidence.answers import Answers
from wmlearn.evidence.rules import Terms

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Decision = Literal["found", "not found", "cannot tell"]


def decide(reached: bool, reachable: bool) -> Decision:
    """Decide by the one rule: found where the evidence reached alpha, not found where a perfect
    copy's would have.
    """
    if reached:
        return "found"
    return "not found" if reachable else "cannot tell"


@dataclass(frozen=True, eq=False, repr=False)
class Verdict:
    """The answers of a suspect to the sealed questions, and what they are worth.

    Attributes
    ----------
    decision : "found", "not found" (which does not clear the suspect) or "cannot tell"
    k, n : matches and questions asked; `terms.planned` is the sealed number
    p : the p-value that decides, 0 to 1; NaN where there is none
    p_judge : the same for a judge who does not trust the owner
    answers : what was said, tallied; `matched` and `unanswered` say it question by question
    terms : what was sealed
    family : the number of tests that share alpha
    nulls : the matches of each null model
    """

    answers: Answers
    terms: Terms
    family: int = 1
    nulls: tuple[int, ...] = ()

    unit: ClassVar[_sentences.Unit] = _sentences.QUESTION

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
    def matched(self) -> npt.NDArray[np.bool_]:
        """Whether each question was matched, in sealed order."""
        return self.answers.matched

    @property
    def unanswered(self) -> npt.NDArray[np.bool_]:
        """Whether each question got no answer, in sealed order."""
        return self.answers.unanswered

    @property
    def p(self) -> float:
        """The p-value that decides; NaN where there is none."""
        raise NotImplementedError

    @property
    def p_judge(self) -> float:
        """The p-value for somebody who thinks the owner may have tried many seals; NaN where there
        is none.
        """
        raise NotImplementedError

    @property
    def decision(self) -> Decision:
        """Found, not found or cannot tell, by the one rule that was sealed."""
        raise NotImplementedError

    @property
    def luck(self) -> str:
        """How an innocent model would fare, in the words of the course: lotteries, not p-values."""
        raise NotImplementedError

    @property
    def by_luck(self) -> str:
        """How many matches luck alone would give, on average and at the most, rounded up: "at most
        3".
        """
        raise NotImplementedError

    @property
    def confidence(self) -> float:
        """One minus p: had the suspect nothing to do with the key, so rarely would it ever have
        looked this good.
        """
        return 1 - max(self.p, stats.SMALLEST_P)

    def explain(self) -> str:
        """Return the verdict in sentences that a judge could read, p-values and all."""
        return _sentences.explain(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON can hold it, without the secret answers; None where there is
        no p-value.
        """
        numbers = {"p": _sentences.believable(self.p), "p_judge": self.p_judge}
        return {
            "decision": self.decision,
            "k": self.k,
            "n": self.n,
            self.unit.silent: int(self.unanswered.sum()),
            **{name: None if math.isnan(value) else value for name, value in numbers.items()},
            "alpha": self.alpha,
            "family": self.family,
            "public_key": self.terms.public_key,
            **self._counts(),
        }

    def _counts(self) -> dict[str, Any]:
        """Return what else was counted, for `to_dict`."""
        answers = self.answers
        lost = {"n_unreachable": answers.n_unreachable, "n_invalid": answers.n_invalid}
        return {"queries": answers.queries, **lost, "null_models": len(self.nulls)}

    def to_frame(self) -> pd.DataFrame:
        """Return one row per question: expected and given answer, matched, unanswered."""
        import pandas as pd

        columns = {"question": np.arange(1, self.n + 1), "expected": self.answers.expected}
        columns |= {
            "answer": self.answers.per_question,
            "matched": self.matched,
            "unanswered": self.unanswered,
        }
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        unit, silent, invalid = self.unit, int(self.unanswered.sum()), self.answers.n_invalid
        parts = [self._counted(), self.luck]
        if invalid:
            parts.insert(1, f"{plural(invalid, 'answer')} that are no class of the task")
        if silent:
            parts.insert(1, f"{silent} {unit.silent}")
        if self.terms.public_key:
            parts.append(_sentences.CLASSROOM)
        return "; ".join(parts)

    def _counted(self) -> str:
        return f"{self.decision}: {self.k} of {plural(self.n, f'secret {self.unit.name}')} matched"

    def _repr_html_(self) -> str:
        shared = f", shared by a family of {self.family}" if self.family > 1 else ""
        rows: dict[str, object] = {
            "matched": f"{self.k} of {plural(self.n, f'secret {self.unit.name}')}",
            "expected by luck": self.by_luck,
            "an innocent model": self.luck,
            "alpha": f"{self.alpha:g}{shared}",
            **self._sent(),
            f"{self.unit.name}s {self.unit.silent}": int(self.unanswered.sum()),
        }
        if self.nulls:
            rows["null models"] = _sentences.null_words(self.k, self.nulls)
        if self.terms.public_key:
            rows["note"] = _sentences.CLASSROOM
        return html_table(f"Watermark: {self.decision}", rows)

    def _sent(self) -> dict[str, object]:
        """Return how many images were sent; all that were answered have been."""
        images, lost = self.answers.queries, self.answers.n_unreachable
        return (
            {"images asked": f"{images:,}, {lost:,} without an answer"}
            if lost
            else {"images sent": images}
        )


@dataclass(frozen=True, eq=False, repr=False)
class Verdicts(Mapping[str, Verdict]):
    """The verdicts on several suspects who were asked the same questions; alpha is shared among
    them.

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

        rows = [
            {
                **{column: getattr(verdict, column) for column in ("decision", "k", "n")},
                "p": _sentences.believable(verdict.p),
                "p_judge": verdict.p_judge,
                "family": verdict.family,
                "queries": verdict.answers.queries,
                "n_unreachable": verdict.answers.n_unreachable,
            }
            for verdict in self.values()
        ]
        return pd.DataFrame(rows, index=pd.Index(self, name="suspect"))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw for each suspect how many questions it matched, and return the axes."""
        import seaborn as sns

        found = [f"{name} ({verdict.decision})" for name, verdict in self.items()]
        ax = sns.barplot(x=[verdict.k for verdict in self.values()], y=found, color=BLUE, ax=ax)
        most = max((verdict.n for verdict in self.values()), default=1)
        ax.set(xlabel="questions matched", ylabel="", xlim=(0, most))
        return ax

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {verdict!r}" for name, verdict in self.items())

    def _repr_html_(self) -> str:
        rows = {
            name: f"{verdict.decision}; {verdict.k} of {plural(verdict.n, 'question')} matched; {verdict.luck}"
            for name, verdict in self.items()
        }
        return html_table("Watermark, suspect by suspect", rows)
