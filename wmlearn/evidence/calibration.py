"""Whether a service does the task at all, and how it numbers its classes.

A copy that numbers its classes in another way would match no secret label, and a service for
another task is no suspect. So clean images of the task are asked first. They alone fix the
numbering, one class to one, before any secret answer is compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wmlearn._checks import check_labels, check_pixels, shown
from wmlearn._types import Labels, Pixels, Query
from wmlearn.evidence import commitment
from wmlearn.evidence.answers import ask_pixels, labels_of
from wmlearn.evidence.rules import Rules


class CleanImages(Protocol):
    """Images of the task and their true classes: a `Split`, or any object with these attributes."""

    @property
    def pixels(self) -> Pixels:
        """The images, uint8, shape (n, c, h, w)."""

    @property
    def labels(self) -> Labels:
        """The true class of each image, int64, shape (n,)."""


def check_clean(clean: object) -> None:
    """Raise an error unless these are images with their classes."""
    if not (hasattr(clean, "pixels") and hasattr(clean, "labels")):
        raise TypeError(
            f"clean must be images of the task with their classes; got {shown(clean)}. Pass some "
            "that were not trained on, such as data.test.take(range(300))."
        )


def clean_digest(clean: CleanImages) -> str:
    """Return the SHA-256 of clean images and their classes, for the seal."""
    check_clean(clean)
    digests = commitment.image_digests(check_pixels(clean.pixels, what="clean images"))
    return commitment.seal({"images": digests, "labels": np.asarray(clean.labels).tolist()})


@dataclass(frozen=True, eq=False)
class _Kept:
    """Clean images read from a file."""

    pixels: Pixels
    labels: Labels


def clean_arrays(clean: CleanImages | None) -> dict[str, NDArray[Any]]:
    """Return clean images as the arrays of a file; an empty dict if there are none."""
    if clean is None:
        return {}
    return {"clean_pixels": np.asarray(clean.pixels), "clean_labels": np.asarray(clean.labels)}


def clean_of(arrays: Mapping[str, NDArray[Any]]) -> CleanImages | None:
    """Return the clean images among the arrays of a file; None if there are none."""
    if "clean_pixels" not in arrays:
        return None
    return _Kept(check_pixels(arrays["clean_pixels"]), arrays["clean_labels"])


@dataclass(frozen=True)
class Calibration:
    """How a service did on clean images, and which class each of its labels means.

    Attributes
    ----------
    right, asked : how many clean images were classified correctly, each under the mapping found on
        the other half of the images, and how many were asked. None are asked if the mapping follows
        the class names that the service gives
    mapping : the class of each label that the service gives
    least_accuracy : the task accuracy below which the verdict is "cannot tell", 0 to 1
    n_classes : the number of classes of the task
    unsealed : whether the clean images may have been chosen when the labels were known. Some images
        lead to any mapping, so a judge gives no weight to evidence that depends on unsealed ones
    """

    right: int
    asked: int
    mapping: Mapping[int, int]
    least_accuracy: float
    n_classes: int
    unsealed: bool = False

    @property
    def accuracy(self) -> float:
        """The task accuracy on the clean images, 0 to 1; NaN if none were asked."""
        return self.right / self.asked if self.asked else math.nan

    @property
    def does_the_task(self) -> bool:
        """Whether the task accuracy is high enough for a suspect; True if it was not measured."""
        return not self.accuracy < self.least_accuracy

    @property
    def renumbered(self) -> bool:
        """Whether the service gives some class another number than the task does."""
        return any(label != number for label, number in self.mapping.items())

    def of(self, query: Query) -> Query:
        """Return the service with its labels translated to the task's class numbers."""
        return lambda images: self.translate(labels_of(query, images))

    def translate(self, labels: Labels) -> Labels:
        """Return the class that each label means; -1 stays, unknown labels become `n_classes`."""
        translated = np.full_like(labels, self.n_classes)
        translated[labels == -1] = -1
        for label, number in self.mapping.items():
            translated[labels == label] = number
        return translated


def calibrate(
    query: Query, clean: CleanImages, n_classes: int, least_accuracy: float | None = None
) -> Calibration:
    """Return how a service numbers its classes, found by asking it clean images.

    The mapping is the one-to-one assignment that makes most images right. A label that the service
    never gave means the class of the same number, if that is not yet assigned. The task accuracy
    counts each image under the mapping found on the other half of the images.

    Parameters
    ----------
    query : the service
    clean : images of the task and their classes; take at least ten of each class: with fewer,
        chance alone can look like skill
    n_classes : the number of classes of the task
    least_accuracy : the task accuracy below which the verdict is "cannot tell", 0 to 1; by default
        0.2 above chance

    Raises
    ------
    TypeError, ValueError
        If there is no clean image, their labels are no classes of the task, or the service returns
        anything other than one whole number per image.

    Source
    ------
    Kuhn (1955), "The Hungarian method for the assignment problem".
    """
    given = ask_clean(query, clean, n_classes)
    return calibrated(given, clean, n_classes, least_accuracy)


def ask_clean(query: Query, clean: CleanImages, n_classes: int) -> Labels:
    """Return a service's answers to clean images, int64, shape (n,), after checking the images."""
    check_clean(clean)
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
    """Return the calibration of a service that has given these answers to the clean images."""
    true = _classes_of(clean, len(given), n_classes)
    if least_accuracy is None:
        least_accuracy = 1 / n_classes + 0.2
    right = _right_on_the_other_half(given, true, n_classes)
    mapping = _best_mapping(given, true, n_classes)
    return Calibration(right, len(given), mapping, least_accuracy, n_classes)


def _right_on_the_other_half(given: Labels, true: Labels, n_classes: int) -> int:
    """Return how many images are right, each under the mapping found on the other half.

    Under a mapping found on the same images, a service that guesses would look skilled.
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
    """Return the class of each label: the one-to-one mapping that makes most images right."""
    from scipy.optimize import linear_sum_assignment

    answered = given != -1
    seen = np.unique(given[answered])
    together = np.zeros((len(seen), n_classes), int)
    np.add.at(together, (np.searchsorted(seen, given[answered]), true[answered]), 1)
    rows, numbers = linear_sum_assignment(together, maximize=True)
    return _filled(dict(zip(seen[rows].tolist(), numbers.tolist())), n_classes)


def _filled(mapping: dict[int, int], n_classes: int) -> dict[int, int]:
    """Map each label not seen to the class of the same number, if that is not yet assigned."""
    left = set(range(n_classes)) - set(mapping.values())
    return mapping | {number: number for number in left if number not in mapping}


def names_given(service: object, classes: Sequence[str]) -> tuple[str, ...]:
    """Return a service's class names (`RemoteModel.classes`) if they are the task's, else ().

    Other names are ignored, and the service's class numbers count as they are.
    """
    return in_any_order(getattr(service, "classes", None), classes)


def in_any_order(names: object, classes: Sequence[str]) -> tuple[str, ...]:
    """Return names, a list or array, if they are those of the task in any order, else ()."""
    if isinstance(names, np.ndarray):
        names = names.tolist()
    if not isinstance(names, (list, tuple)) or sorted(map(str, names)) != sorted(set(classes)):
        return ()
    return tuple(map(str, names))


def by_names(names: Sequence[str], classes: Sequence[str]) -> Calibration | None:
    """Return the class of each label of a service by the class names it gives; None without names.

    Names say nothing about the task accuracy. A thief who lies about names gains no more than one
    who renumbers the classes; clean images reveal both.

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
    """Return how a service numbers its classes, by clean images, else by names; None if unknown."""
    if clean is None:
        return by_names(names_given(query, rules.classes), rules.classes)
    return calibrate(query, clean, len(rules.classes), rules.declared.least_accuracy)
