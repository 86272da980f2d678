"""A sealed set of secret questions: the images, the rules, the seal over both, and the answers
drawn from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from wmlearn._checks import check_pixels
from wmlearn._display import html_table, plural
from wmlearn._types import Images, Labels, Pixels
from wmlearn.evidence import commitment
from wmlearn.evidence.answers import Answers
from wmlearn.evidence.rules import Rules, Terms

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class Triggers:
    """Trigger images and their labels: what is trained into a network and sent to a service. It
    holds no key.

    Attributes
    ----------
    pixels : the trigger images, uint8, shape (n, c, h, w), in sealed order
    question : for each image the number of its question, int64, shape (n,)
    names : what each question shows, one name per question
    answers : the secret answer of each question, int64, shape (questions,)
    rules : what was sealed with the images
    """

    pixels: Pixels
    question: Labels
    names: tuple[str, ...]
    answers: Labels
    rules: Rules

    @property
    def images(self) -> Images:
        """The trigger images as float32 in [0, 1], shape (n, c, h, w)."""
        return self.pixels.astype(np.float32) / 255

    @property
    def labels(self) -> Labels:
        """The secret label of every image, shape (n,): the answer of its question."""
        return self.answers[self.question]

    @property
    def n(self) -> int:
        """The number of questions: the unit of evidence. An image sent is a query."""
        return len(self.answers)

    @property
    def alpha(self) -> float:
        """The sealed bound on the chance of accusing an innocent model."""
        return self.rules.alpha

    @property
    def without_key(self) -> Triggers:
        """The same without any key: what may leave this process."""
        return self.first(self.n)

    def first(self, questions: int) -> Triggers:
        """Return the first questions in sealed order, each with all of its images."""
        images = int(np.searchsorted(self.question, questions))
        names, answers = self.names[:questions], self.answers[:questions]
        return Triggers(self.pixels[:images], self.question[:images], names, answers, self.rules)

    def tally(self, labels: Labels) -> Answers:
        """Tally the labels of the first images, int64, shape (m,), -1 where no answer came; whole
        questions only.
        """
        images = len(labels)
        questions = self.n if images == len(self.pixels) else int(self.question[images])
        return Answers(
            labels, self.question[:images], self.answers[:questions], len(self.rules.classes)
        )

    def answer(self, labels: Labels) -> Labels:
        """Return one answer per question: the class that strictly more than half of its images got,
        else -1.
        """
        return self.tally(labels).per_question

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        return f"Triggers({plural(len(self), 'image')}, {plural(self.n, 'question')})"


@dataclass(frozen=True, eq=False, repr=False)
class TriggerSet(commitment.HoldsSecret, Triggers):
    """Secret questions, sealed: make one by calling a `Trigger`, such as `Content`, on a data set.

    These are `Triggers` and the secret behind them; `.without_key` is they alone.

    Attributes
    ----------
    pixels, question, names, answers, rules : as in `Triggers`
    header : the sealed record, `seal` its SHA-256 in hexadecimal: the commitment to publish
    recipe, kind : what made it, for people to read; not part of the seal
    key : the secret; no repr, table, error or pickle shows it
    """

    header: Mapping[str, object]
    recipe: str
    key: commitment.Secret = field(repr=False)
    kind: str = "triggers"

    @property
    def seal(self) -> str:
        """The commitment to publish before the model is released."""
        return commitment.seal(self.header)

    @property
    def terms(self) -> Terms:
        """What a verdict needs to know of the seal."""
        return self.rules.terms(planned=self.n, public_key=self.public_key)

    @property
    def p0(self) -> float | None:
        """The most likely an innocent model can be to match a question; None in fixed mode, where
        nobody knows it.
        """
        return None if self.rules.fixed else 1 / len(self.rules.allowed)

    @property
    def public_key(self) -> bool:
        """Whether the public classroom key was used, which proves nothing outside the course."""
        return self.key.is_public

    def made_by(self, name: str) -> TriggerSet:
        """Return the same set, its kind named after the class that made it: 'double exposure' for
        'DoubleExposure'.
        """
        return replace(self, kind=re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())

    def to_frame(self) -> pd.DataFrame:
        """Return one row an image: question, what it shows, secret answer. For the owner's eyes."""
        import pandas as pd

        shows = [self.names[q] for q in self.question]
        return pd.DataFrame({"question": self.question, "shows": shows, "answer": self.labels})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the first image of the first dozen questions, with what they show and their secret
        answers.
        """
        from wmlearn._display import mosaic

        first = np.searchsorted(self.question, np.arange(min(12, self.n)))
        wide = (
            max(map(len, self.rules.classes)) > 3
        )  # then name and answer side by side would run into the next
        arrow = "\n→ " if wide else " → "
        captions = [
            f"{self.names[q]}{arrow}{self.rules.classes[self.answers[q]]}"
            for q in range(len(first))
        ]
        return mosaic(self.pixels[first], captions, ax)

    def __repr__(self) -> str:
        note = ", classroom key" if self.public_key else ""
        size = f"{plural(len(self.pixels), 'image')}, {plural(self.n, 'question')}"
        return (
            f"TriggerSet({self.recipe}: {size}, alpha={self.alpha:g}, seal {self.seal[:8]}…{note})"
        )

    def _repr_html_(self) -> str:
        rows = {
            "questions": self.n,
            "images": len(self.pixels),
            "answers": "one target class (the paper)"
            if self.rules.fixed
            else "drawn by lot from the seal",
            "alpha": f"{self.alpha:g}",
            "seal": self.seal,
            "key": "classroom key: proves nothing outside this course"
            if self.public_key
            else "secret",
        }
        return html_table(self.recipe, rows)


def seal_triggers(
    pixels: Pixels, question: Labels, names: Sequence[str], *, rules: Rules, key: bytes, recipe: str
) -> TriggerSet:
    """Seal images, names and rules, draw the answers from the seal, and return the set.

    Parameters
    ----------
    pixels : uint8, shape (n, c, h, w), all different, in the order of their questions
    question : the question of each image, int64, shape (n,), rising from 0
    names : what each question shows
    rules, key, recipe : as in `TriggerSet`

    Raises
    ------
    ValueError
        If the questions are not in order, or two images are the same: they would be one trial
        counted twice.
    """
    pixels, key = check_pixels(pixels, what="trigger images"), commitment.check_key(key)
    question = check_order(question, len(pixels), len(names))
    digests = [commitment.image_digest(image) for image in pixels]
    _refuse_duplicates(digests)
    secrets, leaves = leaves_of(digests, question, names, rules=rules, key=key)
    header = rules.header() | {"questions": len(names), "root": commitment.tree_hash(leaves).hex()}
    answers = _draw(header, secrets, rules)
    for array in (pixels, question, answers):
        array.setflags(write=False)
    return TriggerSet(
        pixels, question, tuple(names), answers, rules, MappingProxyType(header), recipe, key
    )


def leaves_of(
    digests: Sequence[str], question: Labels, names: Sequence[str], *, rules: Rules, key: bytes
) -> tuple[list[bytes], list[bytes]]:
    """Return the secret of every question, and the leaf that stands for it in the sealed tree."""
    of_question: list[list[str]] = [[] for _ in names]
    for digest, q in zip(digests, question):
        of_question[q].append(digest)
    secrets = commitment.question_secrets(key, digests, len(names))
    leaves = [
        commitment.leaf_hash(q, secrets[q], rules.allowed, names[q], of_question[q])
        for q in range(len(names))
    ]
    return secrets, leaves


def _draw(header: Mapping[str, object], secrets: Sequence[bytes], rules: Rules) -> Labels:
    """Draw an answer for every question; in fixed mode one for all, unless the owner chose it."""
    count = len(secrets)
    if not rules.fixed:
        return commitment.draw_labels(commitment.seal(header), secrets, [rules.allowed] * count)
    if rules.target != "random":
        return np.full(count, rules.target, np.int64)
    return np.repeat(
        commitment.draw_labels(commitment.seal(header), secrets[:1], [rules.allowed]), count
    )


def check_order(question: Labels, images: int, questions: int) -> Labels:
    """Return the question of each image, if they count 0, 0, 1, ...

    up without a gap: a prefix is then whole.
    """
    question = np.asarray(question)
    in_order = question.shape == (images,) and images > 0 and question.dtype.kind in "iu"
    if in_order:
        in_order = (
            question[0] == 0
            and question[-1] == questions - 1
            and np.isin(np.diff(question), (0, 1)).all()
        )
    if not in_order:
        raise ValueError(
            f"question must hold {images} whole numbers, one for each image, that rise from 0 to "
            f"{questions - 1} in "
            f"steps of 0 or 1; got {question.dtype} {question.shape}. Sort the images by their "
            "question."
        )
    return question.astype(np.int64)


def _refuse_duplicates(digests: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for i, digest in enumerate(digests):
        if digest in first:
            raise ValueError(
                f"trigger images must all differ, for the same image asked twice is one trial; "
                f"images {first[digest]} and {i} are the same. Draw them from a pool without "
                "duplicates."
            )
        first[digest] = i
