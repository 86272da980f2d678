"""Does a service do the task at all, and how does it number its classes?

A copy whose classes are numbered otherwise would match no secret label, and a service of another
task is no suspect. So clean images of the task are asked first. On them alone the numbering is
fixed, one class to one, before any secret answer is compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wmlearn._checks import check_labels, check_pixels
from wmlearn._types import Labels, Pixels, Query
from wmlearn.evidence import commitment
from wmlearn.evidence.answers import ask_pixels, labels_of
from wmlearn.evidence.rules import Rules


class CleanImages(Protocol):
    """Images of the task and their true classes: a `Split`, or anything with these two."""

    @property
    def pixels(self) -> Pixels:
        """The images, uint8, shape (n, c, h, w)."""

    @property
    def labels(self) -> Labels:
        """The class of each, int64, shape (n,)."""


def clean_digest(clean: CleanImages) -> str:
    """Return the SHA-256 of clean images and their classes, to be sealed."""
    digests = commitment.image_digests(check_pixels(clean.pixels, what="clean images"))
    return commitment.seal({"images": digests, "labels": np.asarray(clean.labels).tolist()})


@dataclass(frozen=True, eq=False)
class _Kept:
    """Clean images that were read back from a file."""

    pixels: Pixels
    labels: Labels


def clean_arrays(clean: CleanImages | None) -> dict[str, NDArray[Any]]:
    """Return clean images as a file keeps them: nothing where there are none."""
    if clean is None:
        return {}
    return {"clean_pixels": np.asarray(clean.pixels), "clean_labels": np.asarray(clean.labels)}


def clean_of(arrays: Mapping[str, NDArray[Any]]) -> CleanImages | None:
    """Return the clean images among the arrays of a file; None where there are none."""
    if "clean_pixels" not in arrays:
        return None
    return _Kept(check_pixels(arrays["clean_pixels"]), arrays["clean_labels"])


@dataclass(frozen=True)
class Calibration:
    """How a service did on clean images, and which of its labels stands for which class.

    Attributes
    ----------
    right, asked : how many of the clean images it put into their class, each under the mapping that
        the other half suggests; none were asked where the service names its classes, and the
        mapping follows the names
    mapping : the class of each label that the service gives
    least_accuracy : the task accuracy below which nobody can tell, 0 to 1
    n_classes : how many classes the task has
    unsealed : whether the clean images were chosen when the labels may have been known: for each
        mapping there are some, so what rests on them is worth nothing to a judge
    """

    right: int
    asked: int
    mapping: Mapping[int, int]
    least_accuracy: float
    n_classes: int
    unsealed: bool = False

    @property
    def accuracy(self) -> float:
        """The task accuracy on the clean images, 0 to 1; NaN where none were asked."""
        return self.right / self.asked if self.asked else math.nan

    @property
    def does_the_task(self) -> bool:
        """Whether the service does the task well enough to be a suspect, as far as one knows."""
        return not self.accuracy < self.least_accuracy

    @property
    def renumbered(self) -> bool:
        """Whether the service numbers a class otherwise than the task does."""
        return any(label != number for label, number in self.mapping.items())

    def of(self, query: Query) -> Query:
        """Return the service as one that numbers its classes as the task does."""
        return lambda images: self.translate(labels_of(query, images))

    def translate(self, labels: Labels) -> Labels:
        """Return the class each label stands for; no class of the task where it stands for none."""
        translated = np.full_like(labels, self.n_classes)
        translated[labels == -1] = -1
        for label, number in self.mapping.items():
            translated[labels == label] = number
        return translated


def calibrate(
    query: Query, clean: CleanImages, n_classes: int, least_accuracy: float | None = None
) -> Calibration:
    """Ask a service clean images, and fix by its answers how it numbers its classes.

    The mapping is the one-to-one assignment under which most images are right. A label that was
    never seen stands for the class of its number, if that is left. The task accuracy is that of
    each image under the mapping of the other half of the images.

    Parameters
    ----------
    query : the service
    clean : images of the task and their classes; take at least ten of each class: with fewer,
        chance alone can look like skill
    n_classes : how many classes the task has
    least_accuracy : the task accuracy below which nobody can tell, 0 to 1; by default a fifth above
        chance

    Source
    ------
    Kuhn (1955), "The Hungarian method for the assignment problem".
    """
    given = ask_clean(query, clean, n_classes)
    return calibrated(given, clean, n_classes, least_accuracy)


def ask_clean(query: Query, clean: CleanImages, n_classes: int) -> Labels:
    """Return what a service answers to clean images, if they are such."""
    pixels = check_pixels(clean.pixels, what="clean images")
    if not len(pixels):
        raise ValueError("clean must hold images of the task; got none. Take some of each class.")
    _classes_of(clean, len(pixels), n_classes)
    return ask_pixels(query, pixels)


def _classes_of(clean: CleanImages, count: int, n_classes: int) -> Labels:
    return check_labels(clean.labels, count=count, classes=n_classes, what="clean labels")


def calibrated(
    given: Labels, clean: CleanImages, n_classes: int, least_accuracy: float | None
) -> Calibration:
    """Return what `calibrate` does, of a service that has answered so."""
    true = _classes_of(clean, len(given), n_classes)
    if least_accuracy is None:
        least_accuracy = 1 / n_classes + 0.2
    right = _right_on_the_other_half(given, true, n_classes)
    mapping = _best_mapping(given, true, n_classes)
    return Calibration(right, len(given), mapping, least_accuracy, n_classes)


def _right_on_the_other_half(given: Labels, true: Labels, n_classes: int) -> int:
    """Return how many images are right, each under the mapping that the other half suggests.

    Under the mapping of its own answers a service that guesses looks as if it knew something.
    """
    second = np.zeros(len(true), bool)
    for number in range(n_classes):  # every other image of each class
        second[np.flatnonzero(true == number)[1::2]] = True
    right = 0
    for half in (second, ~second):
        mapping = _best_mapping(given[~half], true[~half], n_classes)
        for label, number in mapping.items():
            right += int(((given == label) & (true == number) & half).sum())
    return right


def _best_mapping(given: Labels, true: Labels, n_classes: int) -> dict[int, int]:
    """Return the class of each label: one to one, so that most of these images are right."""
    from scipy.optimize import linear_sum_assignment

    answered = given != -1
    seen = np.unique(given[answered])
    together = np.zeros((len(seen), n_classes), int)
    np.add.at(together, (np.searchsorted(seen, given[answered]), true[answered]), 1)
    rows, numbers = linear_sum_assignment(together, maximize=True)
    return _filled(dict(zip(seen[rows].tolist(), numbers.tolist())), n_classes)


def _filled(mapping: dict[int, int], n_classes: int) -> dict[int, int]:
    """Let each label that was not seen stand for the class of its number, if that is left."""
    left = set(range(n_classes)) - set(mapping.values())
    return mapping | {number: number for number in left if number not in mapping}


def names_given(service: object, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the names that a service gives its classes, if they are the task's; else none.

    A `RemoteModel` has them (`classes`). Others than the task's say nothing: numbers then
    count as they are.
    """
    names = getattr(service, "classes", None)
    if not isinstance(names, (list, tuple)) or sorted(map(str, names)) != sorted(set(classes)):
        return ()
    return tuple(map(str, names))


def by_names(names: Sequence[str], classes: Sequence[str]) -> Calibration | None:
    """Return which class each label of a service stands for, by the names it gives; None: none.

    Names say nothing of the task accuracy. A thief who lies about them gains nothing that numbering
    the classes otherwise would not give; clean images see through both.

    Examples
    --------
    >>> by_names(("dog", "cat"), ("cat", "dog")).mapping
    {0: 1, 1: 0}
    """
    if not names:
        return None
    mapping = {label: classes.index(name) for label, name in enumerate(names)}
    return Calibration(0, 0, mapping, 0.0, len(classes))


def numbering(query: Query, rules: Rules, clean: CleanImages | None) -> Calibration | None:
    """Return how a service numbers its classes: by clean images, else by names; None: as we do."""
    if clean is None:
        return by_names(names_given(query, rules.classes), rules.classes)
    return calibrate(query, clean, len(rules.classes), rules.declared.least_accuracy)
