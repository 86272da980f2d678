"""A sealed set of secret questions: images, rules, the seal over both, and the answers drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from wmlearn._checks import check_pixels, shown
from wmlearn._display import html_table, mosaic, plural
from wmlearn._types import Images, Labels, Pixels
from wmlearn.evidence import commitment
from wmlearn.evidence.answers import Answers
from wmlearn.evidence.calibration import CleanImages, clean_digest
from wmlearn.evidence.rules import Rules, Terms

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Triggers:
    """Trigger images and their labels, without the key: to train a network and to ask a service.

    Attributes
    ----------
    pixels : the trigger images, uint8, shape (n, c, h, w), in sealed order
    question : the number of each image's question, int64, shape (n,), in rising order
    names : what each question shows, one name per question
    answers : the secret answer of each question, int64, shape (questions,)
    rules : the rules that were sealed with the images
    """

    pixels: Pixels
    question: Labels
    names: tuple[str, ...]
    answers: Labels
    rules: Rules

    @property
    def images(self) -> Images:
        """The trigger images as float32 in [0, 1], shape (n, c, h, w)."""
        return self.pixels.astype(np.float32) / np.float32(255)

    @property
    def labels(self) -> Labels:
        """The secret label of each image, int64, shape (n,): the answer of its question."""
        return self.answers[self.question]

    @property
    def n(self) -> int:
        """The number of questions, the unit of evidence; one question may have several images."""
        return len(self.answers)

    @property
    def alpha(self) -> float:
        """The sealed bound on the probability of accusing an innocent model."""
        return self.rules.alpha

    @property
    def without_key(self) -> Triggers:
        """The same triggers without the key, which may be sent to other processes."""
        return self.first(self.n)

    def first(self, questions: int) -> Triggers:
        """Return the first so many questions in sealed order, each with all of its images."""
        images = np.searchsorted(self.question, questions)
        return Triggers(
            self.pixels[:images],
            self.question[:images],
            self.names[:questions],
            self.answers[:questions],
            self.rules,
        )

    def tally(self, labels: Labels) -> Answers:
        """Return the tally of the labels of the first m images.

        Parameters
        ----------
        labels : int64, shape (m,), -1 for an image without an answer; the images must be those of
            whole questions
        """
        asked = self.question[: len(labels)]
        questions = self.n
        if len(labels) != len(self.pixels):
            questions = int(self.question[len(labels)])
        return Answers(labels, asked, self.answers[:questions], len(self.rules.classes))

    def answer(self, labels: Labels) -> Labels:
        """Return the majority class of each question, -1 without one, int64, shape (questions,)."""
        return self.tally(labels).per_question

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        return f"Triggers({plural(len(self), 'image')}, {plural(self.n, 'question')})"


@dataclass(frozen=True, eq=False)
class Sealed(commitment.HoldsSecret):
    """Sealed images and rules whose labels are still to be drawn.

    Publish `seal`, then call `draw`. If the seal names a public draw (`Declared.beacon`), wait for
    its outcome first; otherwise a `Trigger` does both steps at once.

    Attributes
    ----------
    pixels, question, names, rules : as in `Triggers`
    header : the sealed record; `seal`, its SHA-256 in hexadecimal, is the commitment to publish
    secrets, leaves : the secret that each answer is drawn with, and the leaf of each question in
        the sealed tree
    recipe, kind : how the set was made, for people to read; not part of the seal
    key : the secret key; no repr, table, error or pickle shows it
    clean : the clean calibration images that were sealed with the set, or None
    read : whether the set was read from a folder, so its recipe is not certain
    """

    pixels: Pixels
    question: Labels
    names: tuple[str, ...]
    rules: Rules
    header: commitment.Header
    secrets: Sequence[commitment.Secret]
    leaves: Sequence[bytes]
    recipe: str
    key: commitment.Secret
    clean: CleanImages | None = None
    kind: str = "triggers"
    read: bool = False

    @property
    def seal(self) -> str:
        """The commitment to publish before the model is released."""
        return commitment.seal(self.header)

    @property
    def public_key(self) -> bool:
        """Whether the public classroom key was used, which proves nothing outside the course."""
        return self.key.is_public

    @property
    def origin(self) -> str:
        """How the set was made; "said to be ..." if it was read from a folder."""
        return f"said to be {self.recipe}" if self.read else self.recipe

    def with_clean(self, clean: CleanImages | None) -> Sealed:
        """Return the same set with its clean images, if they are the sealed ones.

        Raises
        ------
        ValueError
            If they are others.
        """
        if clean is None:
            return self
        if clean_digest(clean) != self.rules.declared.clean:
            raise ValueError(
                "clean must be the clean images that were sealed; these are others. Restore them "
                "from a copy."
            )
        return replace(self, clean=clean)

    def made_by(self, name: str) -> Sealed:
        """Return the same set with its kind named after a class: 'double exposure'."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
        return replace(self, kind=words.lower())

    def draw(self, outcome: str = "") -> TriggerSet:
        """Return the set with its secret answers, drawn at random from seal and public draw.

        Parameters
        ----------
        outcome : the outcome of the draw that `rules.declared.beacon` names, as everyone writes it:
            "4 1 6", or the randomness of a drand round in hexadecimal; empty if it names none

        Raises
        ------
        ValueError
            If an outcome is missing, or given although the seal names no draw, or the answers are
            drawn already.
        """
        if isinstance(self, TriggerSet):
            raise ValueError(
                "the answers of a set are drawn once; these are. Use them as they are."
            )
        outcome = self.rules.declared.check_outcome(outcome)
        answers = _draw(self.seal, self.secrets, self.rules, outcome)
        answers.setflags(write=False)
        return TriggerSet(**vars(self), answers=answers, outcome=outcome)

    def __repr__(self) -> str:
        size = f"{plural(len(self.pixels), 'image')}, {plural(len(self.names), 'question')}"
        awaited = self.rules.declared.beacon or "nothing"
        return f"Sealed({self.origin}: {size}, seal {self.seal[:8]}…, labels wait for {awaited})"


@dataclass(frozen=True, eq=False)
class TriggerSet(Sealed, Triggers):
    """Sealed secret questions, made by calling a `Trigger`, such as `Content`, on a data set.

    These are `Triggers` together with their secret; `.without_key` returns the triggers alone.

    Attributes
    ----------
    pixels, question, names, answers, rules : as in `Triggers`
    header, secrets, leaves, recipe, kind, key, clean : as in `Sealed`
    outcome : the outcome of the public draw that the answers were drawn with; empty without one
    """

    outcome: str = ""

    def check(self) -> TriggerSet:
        """Return this set if what is tested is as it was sealed and drawn, else raise an error.

        A part may have been replaced since: rules that find more often, or answers that suit.
        """
        return commitment.unchanged(self, self._sealed_again, "answers")

    def _sealed_again(self) -> TriggerSet:
        """Return the set to which these images, rules and key lead."""
        again = seal_triggers(
            self.pixels,
            self.question,
            self.names,
            rules=self.rules,
            key=self.key,
            recipe=self.recipe,
        )
        drawn = again.draw(self.outcome)
        return replace(drawn, clean=self.clean, kind=self.kind, read=self.read)

    @property
    def terms(self) -> Terms:
        """The terms of a verdict on these questions."""
        return self.rules.terms(planned=self.n, public_key=self.public_key)

    @property
    def p0(self) -> float | None:
        """The largest probability with which an innocent model matches; None with fixed labels."""
        return None if self.rules.fixed else self.terms.p0

    def to_frame(self) -> pd.DataFrame:
        """Return one row per image: question, what it shows, secret answer. Keep this secret."""
        import pandas as pd

        shows = np.take(self.names, self.question)
        return pd.DataFrame({"question": self.question, "shows": shows, "answer": self.labels})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the first image of the first 12 questions, with name and answer; return the axes."""
        first = np.searchsorted(self.question, np.arange(min(12, self.n)))
        arrow = " → "
        if max(map(len, self.rules.classes)) > 3:
            arrow = "\n→ "  # on one line, name and answer would overlap with the next
        drawn = np.take(self.rules.classes, self.answers)
        captions = [f"{name}{arrow}{answer}" for name, answer in zip(self.names[:12], drawn)]
        return mosaic(self.pixels[first], captions, ax)

    def __repr__(self) -> str:
        note = ", classroom key" if self.public_key else ""
        if self.outcome:
            note += f", drawn by {shown(self.outcome)}"
        if not self.rules.convinces_a_judge(self.n):
            note += ", too few questions for a judge"
        size = f"{plural(len(self.pixels), 'image')}, {plural(self.n, 'question')}"
        return (
            f"TriggerSet({self.origin}: {size}, alpha={self.alpha:g}, seal {self.seal[:8]}…{note})"
        )

    def _repr_html_(self) -> str:
        rows = {
            "questions": self.n,
            "images": len(self.pixels),
            "answers": "drawn at random from the seal",
            "alpha": f"{self.alpha:g}",
            "seal": self.seal,
            "key": "secret",
        }
        if self.rules.fixed:
            rows["answers"] = "one target class (the paper)"
        if self.public_key:
            rows["key"] = "classroom key: proves nothing outside this course"
        return html_table(self.origin, rows)


def seal_triggers(
    pixels: Pixels,
    question: Labels,
    names: Sequence[str],
    *,
    rules: Rules,
    key: bytes,
    recipe: str,
) -> Sealed:
    """Return sealed images, names and rules, whose answers can then be drawn from the seal.

    The order is always the same: images, secrets, seal, labels.

    Parameters
    ----------
    pixels : uint8, shape (n, c, h, w), all different, in the order of their questions
    question : the question of each image, int64, shape (n,), rising from 0 in steps of 0 or 1
    names : what each question shows
    rules, key, recipe : as in `Sealed`

    Raises
    ------
    TypeError, ValueError
        If an array has the wrong type or shape, the questions are not in order, or two images are
        equal: they would be one trial counted twice.
    """
    pixels = commitment.frozen(check_pixels(pixels, what="trigger images"))
    key = commitment.check_key(key)
    question = check_order(question, len(pixels), len(names))
    digests = commitment.image_digests(pixels)
    _refuse_duplicates(digests)
    secrets = commitment.question_secrets(key, digests, len(names))
    leaves = []
    for q, name in enumerate(names):
        first, last = np.searchsorted(question, [q, q + 1])
        own = digests[first:last]
        leaves.append(commitment.leaf_hash(q, secrets[q], rules.allowed, name, own))
    header = rules.header()
    header |= {"questions": len(names), "root": commitment.tree_hash(leaves).hex()}
    question.setflags(write=False)
    return Sealed(
        pixels=pixels,
        question=question,
        names=tuple(names),
        rules=rules,
        header=MappingProxyType(header),
        secrets=secrets,
        leaves=leaves,
        recipe=recipe,
        key=key,
    )


def _draw(sealed: str, secrets: Sequence[bytes], rules: Rules, outcome: str) -> Labels:
    """Return the answer of every question; with fixed labels one for all, drawn or chosen."""
    if not rules.fixed:
        return commitment.draw_labels(sealed, secrets, rules.allowed, outcome)
    target = rules.target
    if target == "random":
        target = int(commitment.draw_labels(sealed, secrets[:1], rules.allowed, outcome)[0])
    return np.full(len(secrets), target, np.int64)


def check_order(question: Labels, images: int, questions: int) -> Labels:
    """Return the question of each image, int64, if they count up from 0: 0, 0, 1, ...

    Any number of first questions then has a consecutive range of images.
    """
    question = np.asarray(question)
    whole = question.shape == (images,) and images > 0 and question.dtype.kind in "iu"
    if not whole or not _without_gap(question, questions):
        raise ValueError(
            f"question must hold {images} whole numbers, one per image, that rise from 0 to "
            f"{questions - 1} in steps of 0 or 1; got {question.dtype} {question.shape}. Sort the "
            "images by their question."
        )
    return question.astype(np.int64)


def _without_gap(question: Labels, questions: int) -> bool:
    rising = np.array_equal(question, np.sort(question))
    return rising and np.array_equal(np.unique(question), np.arange(questions))


def _refuse_duplicates(digests: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for i, digest in enumerate(digests):
        earlier = first.setdefault(digest, i)
        if earlier < i:
            raise ValueError(
                "trigger images must all differ, as the same image asked twice is one trial; "
                f"images {earlier} and {i} are the same. Draw them from a pool without duplicates."
            )
