"""The rules of a test, sealed together with the images, and what a verdict knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wmlearn._checks import Checked, check_count, check_number, checked
from wmlearn.evidence.commitment import VERSION, Header

SMALLEST_ALPHA = 1e-15  # nobody believes a smaller one: a leaked key or a wrong address is likelier
_SEALED_AS_RANDOM = "lot"  # the word in what is sealed; records keep theirs


@dataclass(frozen=True)
class Rules(Checked):
    """The rules that are sealed together with the images, and checked here.

    Parameters
    ----------
    classes : the names of the task's classes
    alpha : the largest chance of accusing an innocent model, above 1e-15 and below 1
    fixed : whether all triggers share one target class (the paper) instead of an answer each, drawn
        by lot
    source : the class the trigger images come from, with fixed labels; None when they come from
        another world
    target : their common answer with fixed labels, or "random" when the seal draws it
    """

    classes: tuple[str, ...]
    alpha: float = checked(check_number, above=SMALLEST_ALPHA, below=1)
    fixed: bool = False
    source: int | None = None
    target: int | Literal["random"] = "random"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", float(self.alpha))  # a plain one, whose repr is sealed
        last = check_count(len(self.classes), "the number of classes", low=2) - 1
        if self.source is not None:
            check_count(self.source, "source", low=0, high=last, why="a class number")
        if self.target == "random":
            return
        check_count(self.target, "target", low=0, high=last, why="a class number, or 'random'")
        if self.target == self.source:
            raise ValueError(
                f"target must differ from source, or nothing is marked; both are {self.target}."
            )

    @classmethod
    def from_header(cls, header: Header) -> Rules:
        """Return the rules that a sealed record holds."""
        classes = tuple(header["classes"])
        alpha = float(header["alpha"])
        if header["labels"] != "fixed":
            return cls(classes, alpha)
        target = header["target"]
        if target == _SEALED_AS_RANDOM:
            target = "random"
        return cls(classes, alpha, fixed=True, source=header["source"], target=target)

    @property
    def allowed(self) -> tuple[int, ...]:
        """The classes an answer may be drawn from: all, with fixed labels all but the source."""
        every = range(len(self.classes))
        if not self.fixed:
            return tuple(every)
        return tuple(c for c in every if c != self.source)

    def header(self) -> dict[str, object]:
        """Return the rules as they are sealed; numbers are text, which JSON cannot round."""
        record: dict[str, object] = {
            "version": VERSION,
            "images": "uint8, channels first, multiples of 1/255",
            "classes": list(self.classes),
            "labels": "fixed" if self.fixed else "keyed",
            "alpha": repr(self.alpha),
            # the owner's word that no key was thrown away; hence the judge's factor
            "declared_key_draw": 1,
            "beacon": "",
        }
        if self.fixed:
            record["source"] = None if self.source is None else int(self.source)
            record["target"] = _SEALED_AS_RANDOM if self.target == "random" else self.target
            record["test"] = "share of null models or of lots"
            return record
        record["allowed"] = "all classes"
        record["answer"] = (
            "the class given by strictly more than half of a question's images, else none"
        )
        record["p0"] = f"1/{len(self.allowed)}"
        record["test"] = (
            "wealth of a gambler with a uniform prior on match rates above p0, after each question"
        )
        record["judge_factor"] = "2**48"
        return record

    def terms(self, *, planned: int, public_key: bool) -> Terms:
        """Return what a verdict needs to know, for so many sealed questions."""
        n_labels = len(self.allowed)
        if not self.fixed:
            return Terms(self.alpha, n_labels, planned, public_key)
        drawable = self.allowed if self.target == "random" else ()
        return Terms(self.alpha, n_labels, planned, public_key, "fixed", drawable)


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
        """The most likely an innocent suspect is to match a question with a label of its own."""
        return 1 / self.n_labels
