"""The rules of a test, which are sealed with the images, and the part that a verdict depends on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

from wmlearn._checks import Checked, check_count, check_kind, check_number, checked, shown
from wmlearn.evidence.commitment import VERSION, Header, check_digest

Kind = Literal["keyed", "fixed", "bits", "tilt", "judged", "judged bits", "judged tilt"]
SMALLEST_ALPHA = 1e-15  # below, a leaked key or a wrong address is the likelier explanation
LARGEST_ALPHA = 0.05  # for a new seal: a test that errs more often convinces nobody
SEALS_TRIED = 2.0**48  # more than an owner will try: 195 years of a graphics card (security.md)
_SEALED_AS_RANDOM = "lot"  # the word in sealed records, which never changes


def check_alpha(alpha: float) -> float:
    """Return an alpha that may be sealed, above 1e-15 and at most 0.05, or raise an error."""
    hint = "Take alpha=0.001."
    return check_number(alpha, "alpha", above=SMALLEST_ALPHA, at_most=LARGEST_ALPHA, hint=hint)


def _check_line(value: object, name: str) -> None:
    """Refuse anything but one printable line of text: it may be printed in a terminal."""
    if not isinstance(value, str) or len(value) > 200 or (value and not value.isprintable()):
        raise ValueError(
            f"{name} must be one line of text, at most 200 characters; got {shown(value)}. Write "
            "it without line breaks."
        )


def check_outcome(outcome: object, name: str) -> str:
    """Return the outcome of a public draw, one line of text, or raise an error."""
    _check_line(outcome, name)
    text = str(outcome)
    if not text or text != text.strip():  # without an outcome, labels would not depend on the draw
        raise ValueError(
            f"{name} must be what was drawn, as everyone writes it, without spaces around it; got "
            f"{shown(outcome)}. Copy it from the draw."
        )
    return text


def _check_digest(value: str, name: str) -> None:
    if value != "":
        check_digest(value, name)


def _check_share(value: object, name: str) -> None:
    if value is not None:
        check_number(value, name, above=0, below=1)


@dataclass(frozen=True)
class Declared(Checked):
    """Optional statements sealed with the images: who owns them, and what keeps the owner honest.

    Only values that are given are sealed: a set that declares nothing has the same seal as without
    this class.

    Parameters
    ----------
    owner : the name of the owner, at most 200 characters; a judge compares it with the person who
        brings the case
    model : SHA-256 of the owner's model before it was watermarked, 64 hexadecimal digits
    signer : the public key (Ed25519, 32 bytes in hexadecimal) that signs opened questions
    beacon : the name of a public draw whose outcome is not known yet, such as "drand quicknet round
        12345678" or "25 dice, thrown in class on 3 May"; the labels then also depend on its outcome
    least_accuracy : the task accuracy below which the verdict is "cannot tell", 0 to 1; by default
        0.2 above chance
    clean : digest of the clean calibration images; `Trigger.seal` fills it in

    Raises
    ------
    TypeError, ValueError
        If a text is not one line, a digest is not 64 hexadecimal digits, or the accuracy is not
        between 0 and 1.

    Examples
    --------
    >>> Declared(owner="Alice Ltd").header()
    {'owner': 'Alice Ltd'}
    """

    owner: str = checked(_check_line, "")
    model: str = checked(_check_digest, "")
    signer: str = checked(_check_digest, "")
    beacon: str = checked(_check_line, "")
    least_accuracy: float | None = checked(_check_share, None)
    clean: str = checked(_check_digest, "")

    @classmethod
    def from_header(cls, header: Header) -> Declared:
        """Return the declared values of a sealed record."""
        given = {name: header[name] for name in asdict(cls()) if name in header}
        if "least_accuracy" in given:
            given["least_accuracy"] = float(given["least_accuracy"])
        return cls(**given)

    def check_outcome(self, outcome: str) -> str:
        """Return the outcome of the declared draw, or raise an error that says what is awaited."""
        if self.beacon:
            return check_outcome(outcome, f"the outcome of {self.beacon!r}")
        if outcome:
            raise ValueError(
                "outcome must be left out, as the seal names no public draw; got "
                f"{shown(outcome)}. Leave it out."
            )
        return ""

    def header(self) -> dict[str, object]:
        """Return the given values as they are sealed."""
        given: dict[str, object] = {name: value for name, value in asdict(self).items() if value}
        if self.least_accuracy is not None:
            given["least_accuracy"] = repr(float(self.least_accuracy))
        return given


def convinces_a_judge(questions: int, n_labels: int, seals: float = SEALS_TRIED) -> bool:
    """Return whether a judge, who multiplies p by `seals`, finds a perfect copy at 0.001."""
    return math.log(seals) - questions * math.log(n_labels) <= math.log(1e-3)


@dataclass(frozen=True)
class Rules(Checked):
    """The rules that are sealed with the images, after checking them.

    Parameters
    ----------
    classes : the names of the task's classes, at least two
    alpha : the largest probability of accusing an innocent model, above 1e-15 and below 1
    fixed : whether all triggers share one target class, as in the paper, instead of having one
        random label each
    source : with fixed labels, the class that the trigger images come from; None if they come from
        another world
    target : with fixed labels, the common answer, or "random" if the seal draws it
    declared : further statements of the owner

    Raises
    ------
    TypeError, ValueError
        If a value is outside its range, or target and source are the same class.
    """

    classes: tuple[str, ...]
    alpha: float = checked(check_number, above=SMALLEST_ALPHA, below=1)
    fixed: bool = False
    source: int | None = None
    target: int | Literal["random"] = "random"
    declared: Declared = checked(
        check_kind, Declared(), kind=Declared, hint="such as wm.evidence.Declared(owner='Alice')"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", float(self.alpha))  # a plain float, as its repr is sealed
        object.__setattr__(self, "classes", tuple(self.classes))
        last = check_count(len(self.classes), "the number of classes", low=2) - 1
        if self.source is not None:
            check_count(self.source, "source", low=0, high=last, why="a class number")
        if self.target == "random":
            return
        check_count(self.target, "target", low=0, high=last, why="a class number, or 'random'")
        if self.target == self.source:
            raise ValueError(
                f"target must differ from source, or no label changes; both are {self.target}. "
                "Choose another target."
            )

    @classmethod
    def from_header(cls, header: Header) -> Rules:
        """Return the rules in a sealed record."""
        classes = tuple(header["classes"])
        alpha = float(header["alpha"])
        declared = Declared.from_header(header)
        if header["labels"] != "fixed":
            return cls(classes, alpha, declared=declared)
        target = header["target"]
        if target == _SEALED_AS_RANDOM:
            target = "random"
        source = header["source"]
        return cls(classes, alpha, fixed=True, source=source, target=target, declared=declared)

    @property
    def allowed(self) -> tuple[int, ...]:
        """The classes that answers are drawn from: all, or with fixed labels all but the source."""
        every = range(len(self.classes))
        if not self.fixed:
            return tuple(every)
        return tuple(c for c in every if c != self.source)

    def header(self) -> dict[str, object]:
        """Return the rules as they are sealed; numbers are texts, which JSON cannot round."""
        record: dict[str, object] = {
            "version": VERSION,
            "images": "uint8, channels first, multiples of 1/255",
            "classes": list(self.classes),
            "labels": "fixed" if self.fixed else "keyed",
            "alpha": repr(self.alpha),
            # only the owner's word that no other key was tried; hence the judge's factor
            "declared_key_draw": 1,
            "beacon": "",
        }
        record |= self.declared.header()
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

    def convinces_a_judge(self, questions: int) -> bool:
        """Return whether a judge finds a perfect copy by so many questions at alpha = 0.001.

        It is True for fixed labels, where the number of questions does not decide. With a public
        draw the judge counts a single seal.
        """
        seals = 1.0 if self.declared.beacon else SEALS_TRIED
        return self.fixed or convinces_a_judge(questions, len(self.allowed), seals)

    def terms(self, *, planned: int, public_key: bool) -> Terms:
        """Return the terms of a verdict, for `planned` sealed questions."""
        n_labels = len(self.allowed)
        if not self.fixed:
            return Terms(self.alpha, n_labels, planned, public_key)
        drawable = self.allowed if self.target == "random" else ()
        return Terms(self.alpha, n_labels, planned, public_key, "fixed", drawable)


@dataclass(frozen=True)
class Terms:
    """Everything a verdict depends on that was fixed before the first question was asked.

    Attributes
    ----------
    alpha : the largest probability of accusing an innocent suspect
    n_labels : the number of labels that an answer, or with fixed labels the target, was drawn from
    planned : how many questions were sealed
    public_key : whether the public classroom key was used, which proves nothing outside the course
    kind : the kind of secret: "keyed", a label per question; "fixed", one target class for all;
        "bits", a message in the weights; "tilt", signs that answers lean by; "judged", "judged
        bits" and "judged tilt", the same before a judge
    drawable : with fixed labels, the classes the target was drawn from; empty if the owner chose it
    selection_unverified : whether only the owner can tell which questions count, as with `Dawn`
    seals : the number of seals that a judge assumes the owner has tried
    owner : the owner that the seal names; empty if it names nobody
    """

    alpha: float
    n_labels: int
    planned: int
    public_key: bool
    kind: Kind = "keyed"
    drawable: tuple[int, ...] = ()
    selection_unverified: bool = False
    seals: float = SEALS_TRIED
    owner: str = ""

    @property
    def p0(self) -> float:
        """The largest probability with which an innocent suspect matches a random label, 0 to 1."""
        return 1 / self.n_labels
