"""The rules of a test, sealed together with the images, and what a verdict needs to know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wmlearn._checks import check_count, check_number
from wmlearn.evidence import commitment

_SEALED_AS_RANDOM = "lot"  # the word in what is sealed; records keep theirs
SMALLEST_ALPHA = 1e-15  # nobody believes a smaller one: a leaked key or a wrong address is likelier


@dataclass(frozen=True)
class Rules:
    """The rules that are sealed together with the images, and checked here.

    Parameters
    ----------
    classes : the names of the task's classes
    alpha : the largest chance of accusing an innocent model, above 1e-15 and below 1
    fixed : whether all triggers share one target class (the paper) instead of an answer each, drawn
        by lot
    source : the class the trigger images come from, in fixed mode; None when they come from another
        world
    target : their common answer in fixed mode, or "random" when the seal draws it
    """

    classes: tuple[str, ...]
    alpha: float
    fixed: bool = False
    source: int | None = None
    target: int | Literal["random"] = "random"

    def __post_init__(self) -> None:
        alpha = check_number(self.alpha, "alpha", above=SMALLEST_ALPHA, below=1)
        object.__setattr__(self, "alpha", alpha)  # a plain float, whose repr is sealed
        last = check_count(len(self.classes), "the number of classes", low=2) - 1
        if self.source is not None:
            check_count(self.source, "source", low=0, high=last, why="a class number")
        if self.target != "random":
            check_count(self.target, "target", low=0, high=last, why="a class number, or 'random'")
            if self.target == self.source:
                raise ValueError(
                    f"target must differ from source, or nothing is marked; both are {self.target}."
                )

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> Rules:
        """Return the rules that a sealed record holds."""
        classes, alpha = tuple(header["classes"]), float(header["alpha"])
        if header["labels"] != "fixed":
            return cls(classes, alpha)
        target = "random" if header["target"] == _SEALED_AS_RANDOM else header["target"]
        return cls(classes, alpha, fixed=True, source=header["source"], target=target)

    @property
    def allowed(self) -> tuple[int, ...]:
        """The classes an answer may be drawn from: all of them, in fixed mode all but the source."""
        every = range(len(self.classes))
        return tuple(c for c in every if c != self.source) if self.fixed else tuple(every)

    def header(self) -> dict[str, object]:
        """Return the rules as the sealed record holds them; numbers as text, so that JSON cannot
        round them.
        """
        record: dict[str, object] = {
            "version": commitment.VERSION,
            "images": "uint8, channels first, multiples of 1/255",
            "classes": list(self.classes),
            "labels": "fixed" if self.fixed else "keyed",
            "alpha": repr(self.alpha),
            # the owner's word that no key was thrown away; hence the judge's factor
            "declared_key_draw": 1,
            "beacon": "",
        }
        if self.fixed:
            source = None if self.source is None else int(self.source)
            target = _SEALED_AS_RANDOM if self.target == "random" else self.target
            return record | {
                "source": source,
                "target": target,
                "test": "share of null models or of lots",
            }
        return record | {
            "allowed": "all classes",
            "answer": "the class given by strictly more than half of a question's images, else none",
            "p0": f"1/{len(self.allowed)}",
            "test": "wealth of a gambler with a uniform prior on match rates above p0, after each question",
            "judge_factor": "2**48",
        }

    def terms(self, *, planned: int, public_key: bool) -> Terms:
        """Return what a verdict needs to know, for so many sealed questions."""
        if not self.fixed:
            return Terms(self.alpha, len(self.allowed), planned, public_key)
        drawable = self.allowed if self.target == "random" else ()
        return Terms(self.alpha, len(self.allowed), planned, public_key, "fixed", drawable)


@dataclass(frozen=True)
class Terms:
    """What was fixed before the first question was asked, as far as a verdict depends on it.

    Attributes
    ----------
    alpha : the largest chance of accusing an innocent suspect
    n_labels : among how many labels an answer, or with fixed labels the target, could have been
        drawn
    planned : how many questions were sealed
    public_key : whether the public classroom key was used, which proves nothing outside the course
    kind : how the secret came about: "keyed", a label per question; "fixed", one target class for
        all; "bits", a message in the weights
    drawable : with fixed labels, the classes the target was drawn from; empty where the owner chose
        it
    selection_unverified : whether only the owner can tell which questions count, as with `Dawn`
    """

    alpha: float
    n_labels: int
    planned: int
    public_key: bool
    kind: Literal["keyed", "fixed", "bits"] = "keyed"
    drawable: tuple[int, ...] = ()
    selection_unverified: bool = False

    @property
    def p0(self) -> float:
        """The most likely an innocent suspect can be to match a question whose label was drawn for
        it alone.
        """
        return 1 / self.n_labels
