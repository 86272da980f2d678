"""What a suspect answered to the secret questions, tallied once: all else is read off here."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wmlearn._checks import as_array, check_query, shown
from wmlearn._forms import answer_step
from wmlearn._types import Images, Labels, Pixels, Query

if TYPE_CHECKING:
    from wmlearn.evidence.trigger_set import Triggers

Flags = NDArray[np.bool_]  # (questions,): yes or no for each
_NUMBERS = 2**23  # of the images that are asked in one call: as floats 32 MB


@dataclass(frozen=True, eq=False)
class Answers:
    """The labels that a suspect gave to the trigger images, and what they say question by question.

    Attributes
    ----------
    labels : one per image as it came, int64, shape (images,); -1 where no answer came
    question : for each image the number of its question, int64, shape (images,)
    expected : the secret answer of each question, int64, shape (questions,)
    n_classes : how many classes the task has; other labels are no answers
    """

    labels: Labels
    question: Labels
    expected: Labels
    n_classes: int

    @property
    def n(self) -> int:
        """How many questions were asked."""
        return len(self.expected)

    @property
    def k(self) -> int:
        """How many questions were answered with the secret label."""
        return int(self.matched.sum())

    @cached_property
    def per_question(self) -> Labels:
        """The class that strictly more than half of a question's images got, else -1; (questions,).

        Examples
        --------
        >>> labels, question = np.array([7, 7, 1, 7, 2]), np.array([0, 0, 0, 1, 1])
        >>> Answers(labels, question, expected=np.array([7, 7]), n_classes=10).per_question
        array([ 7, -1])
        """
        votes = np.zeros((self.n, self.n_classes), int)
        valid = self._valid
        np.add.at(votes, (self.question[valid], self.labels[valid]), 1)
        majority = 2 * votes.max(axis=1, initial=0) > self._sizes
        return np.where(majority, votes.argmax(axis=1), -1)

    @cached_property
    def matched(self) -> Flags:
        """Whether each question was answered with its secret label, shape (questions,)."""
        matched: Flags = self.per_question == self.expected
        return matched

    @cached_property
    def unanswered(self) -> Flags:
        """Whether each question has no answer for want of an image's, shape (questions,).

        A label that names no class of the task is none: no copy could match by it.
        """
        lost = np.bincount(self.question, weights=~self._valid, minlength=self.n)
        silent = (lost > 0) | (self._sizes == 0)  # the latter were never asked
        unanswered: Flags = silent & (self.per_question == -1)
        return unanswered

    @property
    def queries(self) -> int:
        """How many images were put to the suspect."""
        return len(self.labels)

    @property
    def n_unanswered(self) -> int:
        """How many questions have no answer."""
        return int(self.unanswered.sum())

    @property
    def n_unreachable(self) -> int:
        """How many images got no answer at all."""
        return int((self.labels == -1).sum())

    @property
    def n_invalid(self) -> int:
        """How many images got a label that is no class of the task."""
        beyond = (self.labels < -1) | (self.labels >= self.n_classes)
        return int(beyond.sum())

    @property
    def _valid(self) -> Flags:
        """Whether each image got a class of the task, shape (images,)."""
        valid: Flags = (self.labels >= 0) & (self.labels < self.n_classes)
        return valid

    @property
    def _sizes(self) -> Labels:
        """How many images each question has."""
        return np.bincount(self.question, minlength=self.n)

    def prefix(self, questions: int) -> Answers:
        """Return the answers to the first questions, as if no more had been asked."""
        images = np.searchsorted(self.question, questions)
        asked = self.labels[:images], self.question[:images]
        return Answers(*asked, self.expected[:questions], self.n_classes)

    def __repr__(self) -> str:
        lost = f"{self.n_unreachable} of {self.queries} images unanswered"
        return f"Answers({self.k} of {self.n} matched, {lost})"


def ask(query: Query, triggers: Triggers) -> Answers:
    """Send a suspect all trigger images, once, and tally what it answers."""
    answers = triggers.tally(ask_pixels(query, triggers.pixels))
    check_columns(query, answers.n_classes)
    return answers


def ask_pixels(query: Query, pixels: Pixels) -> Labels:
    """Ask for 8-bit images: all at once, or as floats they would fill the memory."""
    at_once = 1 + _NUMBERS // max(1, pixels[:1].size)
    labels = []
    for start in range(0, max(1, len(pixels)), at_once):
        part = pixels[start : start + at_once]
        labels.append(labels_of(query, np.divide(part, 255, dtype=np.float32)))
    return np.concatenate(labels)


def check_columns(query: Query, n_classes: int) -> None:
    """Warn where a label is the highest of more, or fewer, scores than the task has classes."""
    columns = getattr(query, "n_scores", None) or n_classes
    if columns != n_classes:
        warnings.warn(
            f"the service gives {columns} scores for each image, and the task has {n_classes} "
            "classes: their numbers may mean other classes. Pass clean=data.test, or take "
            "those of the task by RemoteModel(url, decode=lambda scores: scores[:, 1:]).",
            stacklevel=4,
        )


def labels_of(query: Query, images: Images) -> Labels:
    """Ask once for all images, and accept one whole number for each alone; int64, shape (n,)."""
    expected = f"the service must return {len(images)} whole numbers, one label an image"
    labels = as_array(query(images), expected)
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{expected}, -1 where it has none; got {labels.dtype} {labels.shape}. "
            f"{answer_step(labels, len(images))} Or wrap it: wm.BlackBox(function) reads scores, "
            "and names by classes=."
        )
    return labels.astype(np.int64)


def check_nulls(nulls: Iterable[Query]) -> tuple[Query, ...]:
    """Return the null models, or say what is wrong with them before anything is asked."""
    if not isinstance(nulls, Iterable) or isinstance(nulls, (str, dict)):
        raise TypeError(
            f"nulls must be a list of functions from images to labels; got {shown(nulls)}. "
            "Pass nulls=[wm.BlackBox(model)], or leave it out."
        )
    return tuple(check_query(null, f"nulls[{place}]") for place, null in enumerate(nulls))


def ask_null(null: Query, triggers: Triggers) -> Answers:
    """Ask a null model, which must answer all: silent, it would pass for one that knows nothing."""
    answers = ask(null, triggers)
    if answers.n_unreachable:
        raise ValueError(
            f"a null model must answer every image; {answers.n_unreachable} of {answers.queries} "
            "got -1. Leave it out."
        )
    return answers
