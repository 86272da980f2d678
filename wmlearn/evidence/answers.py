"""A suspect's answers to the secret questions, tallied once; every verdict is read from them."""

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

Flags = NDArray[np.bool_]  # (questions,) or (images,)
_NUMBERS = 2**23  # pixel values sent in one call: 32 MB as floats


@dataclass(frozen=True, eq=False)
class Answers:
    """The labels that a suspect gave to the trigger images, tallied per question.

    Attributes
    ----------
    labels : one label per image, as received, int64, shape (images,); -1 if no answer came
    question : the number of each image's question, int64, shape (images,), in rising order
    expected : the secret answer of each question, int64, shape (questions,)
    n_classes : the number of classes of the task; a label outside [0, n_classes) is no answer
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
        """The majority class of each question's images, -1 without one, int64, shape (questions,).

        A class needs strictly more than half of the images.

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
        """Whether each question has no answer because an image got none, shape (questions,).

        A label that is no class of the task counts as no answer: no copy could match by it.
        """
        lost = np.bincount(self.question, weights=~self._valid, minlength=self.n)
        silent = (lost > 0) | (self._sizes == 0)  # size 0: never asked
        unanswered: Flags = silent & (self.per_question == -1)
        return unanswered

    @property
    def queries(self) -> int:
        """How many images were sent to the suspect."""
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
        """How many images each question has, int64, shape (questions,)."""
        return np.bincount(self.question, minlength=self.n)

    def prefix(self, questions: int) -> Answers:
        """Return the answers to the first so many questions, as if no more had been asked."""
        images = np.searchsorted(self.question, questions)
        asked = self.labels[:images], self.question[:images]
        return Answers(*asked, self.expected[:questions], self.n_classes)

    def __repr__(self) -> str:
        lost = f"{self.n_unreachable} of {self.queries} images unanswered"
        return f"Answers({self.k} of {self.n} matched, {lost})"


def ask(query: Query, triggers: Triggers) -> Answers:
    """Return a suspect's answers to all trigger images, each sent once.

    Parameters
    ----------
    query : the suspect, a function from images to labels, as for `verify`
    triggers : the trigger images with their secret answers

    Raises
    ------
    TypeError, ValueError
        If the suspect returns anything other than one whole number per image.
    """
    answers = triggers.tally(ask_pixels(query, triggers.pixels))
    check_columns(query, answers.n_classes)
    return answers


def ask_pixels(query: Query, pixels: Pixels) -> Labels:
    """Return the labels of uint8 images, int64, shape (n,), asked in parts that fit in memory."""
    at_once = 1 + _NUMBERS // max(1, pixels[:1].size)
    labels = []
    for start in range(0, max(1, len(pixels)), at_once):
        part = pixels[start : start + at_once]
        labels.append(labels_of(query, np.divide(part, 255, dtype=np.float32)))
    return np.concatenate(labels)


def check_columns(query: Query, n_classes: int) -> None:
    """Warn if a service has more or fewer scores per image than the task has classes."""
    columns = getattr(query, "n_scores", None) or n_classes
    if columns != n_classes:
        warnings.warn(
            f"the service gives {columns} scores per image, but the task has {n_classes} classes: "
            "the numbers may mean other classes. Pass clean=data.test, or select the task's "
            "scores by RemoteModel(url, decode=lambda scores: scores[:, 1:]).",
            stacklevel=4,
        )


def labels_of(query: Query, images: Images) -> Labels:
    """Return the labels of images, int64, shape (n,), asked in one call.

    Raises
    ------
    TypeError, ValueError
        If the service returns anything other than one whole number per image.
    """
    expected = f"the service must return {len(images)} whole numbers, one label per image"
    labels = as_array(query(images), expected)
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{expected}, -1 for an image without one; got {labels.dtype} {labels.shape}. "
            f"{answer_step(labels, len(images))} Or wrap it: wm.BlackBox(function) reads scores, "
            "and with classes= also names."
        )
    return labels.astype(np.int64)


def check_nulls(nulls: Iterable[Query]) -> tuple[Query, ...]:
    """Return the null models as a tuple, or raise an error before anything is asked."""
    if not isinstance(nulls, Iterable) or isinstance(nulls, (str, dict)):
        raise TypeError(
            f"nulls must be a list of functions from images to labels; got {shown(nulls)}. "
            "Pass nulls=[wm.BlackBox(model)], or leave it out."
        )
    return tuple(check_query(null, f"nulls[{place}]") for place, null in enumerate(nulls))


def ask_null(null: Query, triggers: Triggers) -> Answers:
    """Return a null model's answers; it must answer every image, or it would look too innocent."""
    answers = ask(null, triggers)
    if answers.n_unreachable:
        raise ValueError(
            f"a null model must answer every image; {answers.n_unreachable} of {answers.queries} "
            "got -1. Leave it out."
        )
    return answers
