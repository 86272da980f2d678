"""Checks at the public doors. Each error is one sentence: what was expected, what came, what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np

from wmlearn._types import Images, Labels, Pixels


def check_images(images: Any, *, what: str = "images", shape: tuple[int, ...] | None = None) -> Images:
    """Return images as float32 in [0, 1], shape (n, c, h, w), or say what is wrong with them.

    Parameters
    ----------
    images : array_like of float, shape (n, c, h, w), in [0, 1]
    what : how the error names them
    shape : the shape (c, h, w) that one image must have, if it is known

    Raises
    ------
    TypeError
        If the numbers are not floating point.
    ValueError
        If the shape is wrong, a value is NaN, or one lies outside [0, 1].

    Examples
    --------
    >>> check_images(np.zeros((2, 28, 28), np.uint8))
    Traceback (most recent call last):
    ...
    TypeError: images must be float in [0, 1], shape (n, c, h, w); got uint8 (2, 28, 28). Divide 8-bit pixels by 255.
    """
    array = np.asarray(images)
    expected = f"{what} must be float in [0, 1], shape (n, c, h, w)"
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(f"{expected}; got {array.dtype} {array.shape}. Divide 8-bit pixels by 255.")
    if array.ndim != 4:
        raise ValueError(f"{expected}; got shape {array.shape}. Add the missing axes with images.reshape(n, c, h, w).")
    if shape is not None and array.shape[1:] != tuple(shape):
        raise ValueError(
            f"{what} must have shape (n, {', '.join(map(str, shape))}) here; got {array.shape}. "
            "Take images of the model's own task."
        )
    if array.size and not np.isfinite(array).all():
        raise ValueError(f"{expected}; got NaN or infinity. Look at np.isfinite(images).")
    if array.size and (array.min() < 0 or array.max() > 1):
        raise ValueError(
            f"{expected}; got values from {array.min():.3g} to {array.max():.3g}. Rescale; models normalise inside."
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def check_pixels(pixels: Any, *, what: str = "pixels") -> Pixels:
    """Return 8-bit images of shape (n, c, h, w), or say what is wrong with them."""
    array = np.asarray(pixels)
    if array.dtype != np.uint8 or array.ndim != 4:
        raise TypeError(
            f"{what} must be uint8, shape (n, c, h, w); got {array.dtype} {array.shape}. "
            "Split.from_images makes them from floats in [0, 1]."
        )
    return np.ascontiguousarray(array)


def check_labels(labels: Any, *, count: int, classes: int, what: str = "labels") -> Labels:
    """Return labels as int64, shape (count,), each in 0 .. classes - 1, or say what is wrong with them."""
    array = np.asarray(labels)
    expected = f"{what} must be {count} whole numbers from 0 to {classes - 1}"
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{expected}; got {array.dtype}. Convert class names to their numbers first.")
    if array.shape != (count,):
        raise ValueError(f"{expected}, one for each image; got shape {array.shape}. Flatten or recount.")
    if array.size and (array.min() < 0 or array.max() >= classes):
        raise ValueError(f"{expected}; got values from {array.min()} to {array.max()}. Count classes from 0.")
    return array.astype(np.int64)


def check_count(value: Any, name: str, *, low: int, high: int | None = None, why: str = "") -> int:
    """Return a whole number within [low, high], or say what is wrong with it; `why` explains the limit."""
    limit = f"at least {low}" if high is None else f"from {low} to {high}"
    reason = f" ({why})" if why else ""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number {limit}{reason}; got {value!r}.")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{name} must be {limit}{reason}; got {value}.")
    return int(value)


def check_number(value: Any, name: str, *, above: float, below: float) -> float:
    """Return a number strictly between two bounds, or say what is wrong with it."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise TypeError(f"{name} must be a number above {above:g} and below {below:g}; got {value!r}.")
    if not above < value < below:
        raise ValueError(f"{name} must be above {above:g} and below {below:g}; got {value:g}.")
    return float(value)


def check_choice(value: Any, name: str, choices: Iterable[str]) -> str:
    """Return one of the named choices, or list them and offer the nearest.

    Examples
    --------
    >>> check_choice("mnits", "data set", ["mnist", "cifar10"])
    Traceback (most recent call last):
    ...
    ValueError: data set must be one of 'mnist', 'cifar10'; got 'mnits'. Did you mean 'mnist'?
    """
    allowed = list(choices)
    if value in allowed:
        return value
    near = difflib.get_close_matches(str(value), allowed, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {value!r}.{hint}")
