"""Checks of the arguments of public functions.

Each error says what was expected, what came, and what to do next.
"""

import difflib
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, field, fields
from typing import Any, TypeVar

import numpy as np

from wmlearn import _forms
from wmlearn._types import Images, Labels, Pixels, Query

T = TypeVar("T")


class Checked:
    """Base of dataclasses that check their fields when they are made.

    Fields made by `checked` are checked in the order of their definition. A class with more to
    check overrides `__post_init__` and calls `super().__post_init__()` first.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Walk(Checked):
    ...     steps: int = checked(check_count, 10, low=1)
    >>> Walk().steps, Walk(steps=3)
    (10, Walk(steps=3))
    >>> Walk(steps=0)
    Traceback (most recent call last):
    ...
    ValueError: steps must be at least 1; got 0.
    >>> Walk(step=3)
    Traceback (most recent call last):
    ...
    TypeError: Walk takes steps; got step. Did you mean steps?
    """

    def __new__(cls: type[T], *_: object, **options: object) -> T:
        _check_options(cls, options)
        return object.__new__(cls)

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            if "check" in each.metadata:
                each.metadata["check"](getattr(self, each.name), each.name)


def _check_options(kind: type, options: Iterable[str]) -> None:
    taken = inspect.signature(kind.__init__).parameters  # type: ignore[misc]  # of that very class
    open_ended = any(each.kind is each.VAR_KEYWORD for each in taken.values())
    known = list(taken)[1:]  # after self
    for name in options:
        if name not in known and not open_ended:
            near = difflib.get_close_matches(name, known, 1, cutoff=0)
            hint = "".join(f" Did you mean {each}?" for each in near)
            names = ", ".join(known) or "nothing"
            raise TypeError(f"{kind.__name__} takes {names}; got {name}.{hint}")


def checked(check: Callable[..., object], default: Any = MISSING, **limits: Any) -> Any:
    """Return a field of a `Checked` dataclass.

    Parameters
    ----------
    check : called as `check(value, name, **limits)`; must raise an error for a wrong value
    default : the field's default; without one the field is required
    limits : further arguments of the check
    """
    return field(default=default, metadata={"check": functools.partial(check, **limits)})


MOST_QUESTIONS = 10_000_000  # in a sealed set: listing them takes one second and 80 MB
_FAMILY_BITS = 9000  # 2,709 digits, which Python still writes out; math.factorial(1024) has 2,640
_SHOWN = 60  # characters of a wrong value that an error quotes


def check_images(
    images: Any, *, what: str = "images", shape: tuple[int, ...] | None = None
) -> Images:
    """Return images as float32 in [0, 1], shape (n, c, h, w), or raise an error that helps.

    Parameters
    ----------
    images : array_like of float, shape (n, c, h, w), in [0, 1], or Pillow images
    what : the name of the images in the error
    shape : the shape (c, h, w) that each image must have, if it is known

    Raises
    ------
    TypeError
        If the numbers are not floating point.
    ValueError
        If the shape is wrong or looks like (n, h, w, c), or a value is NaN or outside [0, 1].

    Examples
    --------
    >>> check_images(np.zeros((2, 28, 28), np.uint8))  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
    ...
    TypeError: images must be float in [0, 1], shape (n, c, h, w); got uint8 (2, 28, 28). Pass
    np.asarray(images) / 255.
    """
    expected = f"{what} must be float in [0, 1], shape (n, c, h, w)"
    array = as_array(images, expected)
    if _forms.are_pictures(images):
        array = array / np.float32(255)
    got = f"{expected}; got {array.dtype} {array.shape}"
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(f"{got}. {_forms.image_step(array)}")
    if array.ndim != 4:
        raise ValueError(f"{got}. {_forms.axes_step(array.shape)}")
    _check_layout(array.shape, shape, what)
    if not (array.min(initial=0) >= 0 and array.max(initial=1) <= 1):  # `not`, as it refuses NaN
        got = "NaN or infinity"
        if np.isfinite(array).all():
            got = f"values from {array.min():.3g} to {array.max():.3g}"
        raise ValueError(f"{expected}; got {got}. {_forms.image_step(array)}")
    return np.ascontiguousarray(array, dtype=np.float32)


def _check_layout(got: tuple[int, ...], shape: tuple[int, ...] | None, what: str) -> None:
    """Raise an error if images have another shape than expected, or look like (n, h, w, c)."""
    if shape is None:
        if _forms.channels_last(got):
            step = _forms.channels_step(got)
            raise ValueError(f"{what} must have shape (n, c, h, w); got {got}. {step}")
        return
    wanted = tuple(shape)
    if got[1:] == wanted:
        return
    step = "Take images of the model's own task."
    if (got[3], *got[1:3]) == wanted:
        step = _forms.channels_step(got)
    raise ValueError(
        f"{what} must have shape (n, {', '.join(map(str, wanted))}) here; got {got}. {step}"
    )


def check_pixels(pixels: Any, *, what: str = "pixels") -> Pixels:
    """Return uint8 images of shape (n, c, h, w), or raise an error that helps."""
    expected = f"{what} must be uint8, shape (n, c, h, w)"
    array = as_array(pixels, expected)
    got = f"{expected}; got {array.dtype} {array.shape}"
    if array.dtype != np.uint8:
        raise TypeError(f"{got}. Split.from_images makes them from floats in [0, 1].")
    if array.ndim != 4:
        raise TypeError(f"{got}. {_forms.axes_step(array.shape)}")
    return np.ascontiguousarray(array)


def check_changed(before: Pixels, after: Pixels, name: str, value: float) -> None:
    """Refuse a change that rounding to 8 bits undoes: such a trigger would be an ordinary image."""
    if (before == after).all(axis=(1, 2, 3)).any():
        raise ValueError(
            f"{name} must change every image, and one step of 256 is the smallest change; got "
            f"{value:g}, which leaves some as they were. Take a larger one, such as {name}=0.4."
        )


def check_labels(
    labels: Any, *, count: int, classes: int | None = None, what: str = "labels"
) -> Labels:
    """Return labels as int64, shape (count,), in [0, classes), or raise an error that helps."""
    last = np.inf if classes is None else classes - 1
    expected = f"{what} must be {count} whole numbers from 0"
    if classes is not None:
        expected += f" to {last}"
    array = as_array(labels, expected)
    step = functools.partial(_forms.label_step, array, count, classes or 0)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{expected}; got {array.dtype} {array.shape}. {step()}")
    if array.shape != (count,):
        raise ValueError(f"{expected}, one for each image; got shape {array.shape}. {step()}")
    if array.min(initial=0) < 0 or array.max(initial=0) > last:
        got = f"values from {array.min()} to {array.max()}"
        raise ValueError(f"{expected}; got {got}. {step()}")
    return array.astype(np.int64)


def check_count(
    value: Any, name: str, *, low: int, high: int | None = None, why: str = "", hint: str = ""
) -> int:
    """Return a whole number in [low, high], or raise an error that helps.

    `why` explains the limit; `hint` says what to do next if the limit alone does not.
    """
    limit = f"at least {low}"
    if high is not None:
        limit = f"from {low} to {high}"
    reason = f" ({why})" if why else ""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        hint = _written_plainly(value, int) or hint
        message = f"{name} must be a whole number {limit}{reason}; got {shown(value)}. {hint}"
        raise TypeError(message.rstrip())
    if value < low or (high is not None and value > high):
        raise ValueError(f"{name} must be {limit}{reason}; got {shown(value)}. {hint}".rstrip())
    return int(value)


def check_family(value: Any, why: str) -> int:
    """Return how many tests share alpha, below 2**9000; `why` says in the error what they are.

    The limit leaves room for all orders of a thousand channels.
    """
    count = check_count(value, "family", low=1, why=why)
    if count.bit_length() > _FAMILY_BITS:
        raise ValueError(
            f"family must be below 2**{_FAMILY_BITS} ({why}); got an int of {count.bit_length()} "
            "bits. No evidence is enough for so many; say beforehand which of them you will try."
        )
    return count


def check_seed(value: Any, name: str = "seed") -> int:
    """Return a seed in [0, 2**32), the range of numpy's generator, or raise an error that helps."""
    return check_count(value, name, low=0, high=2**32 - 1, hint="Take a small one, such as seed=0.")


def check_number(
    value: Any,
    name: str,
    *,
    above: float,
    below: float = math.inf,
    at_most: float = math.inf,
    hint: str = "",
) -> float:
    """Return a number above one bound and below (or at most) another, or raise an error."""
    limit = f"above {above:g}"
    if below < math.inf:
        limit += f" and below {below:g}"
    if at_most < math.inf:
        limit += f" and at most {at_most:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        hint = _written_plainly(value, float) or hint
        raise TypeError(f"{name} must be a number {limit}; got {shown(value)}. {hint}".rstrip())
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond all floats
        number = math.inf if value > 0 else -math.inf
    if not (above < number < below and number <= at_most):
        raise ValueError(f"{name} must be {limit}; got {number:g}. {hint}".rstrip())
    return number


def check_fraction(value: Any, name: str) -> float:
    """Return a number strictly between 0 and 1, or raise an error that helps."""
    return check_number(value, name, above=0, below=1)


def check_choice(value: Any, name: str, choices: Iterable[str]) -> str:
    """Return one of the named choices, or raise an error that lists them and offers the nearest.

    Examples
    --------
    >>> check_choice("mnits", "data set", ["mnist", "cifar10"])
    Traceback (most recent call last):
    ...
    ValueError: data set must be one of 'mnist', 'cifar10'; got 'mnits'. Did you mean 'mnist'?
    """
    allowed = list(choices)
    if isinstance(value, str) and value in allowed:
        return value
    text = value.lower() if isinstance(value, str) else ""
    lower = {choice.lower(): choice for choice in allowed}
    hint = ""
    for near in difflib.get_close_matches(text, lower, n=1):
        hint = f" Did you mean {lower[near]!r}?"
    among = ""
    if len(allowed) >= 20:
        among = f"{len(allowed)} names, such as "
        allowed = list(map(lower.__getitem__, difflib.get_close_matches(text, lower, 5, cutoff=0)))
    listed = among + ", ".join(map(repr, allowed))
    raise ValueError(f"{name} must be one of {listed}; got {shown(value)}.{hint}")


def class_names(value: Any) -> tuple[str, ...]:
    """Return the names of classes as texts, or raise an error if they are not listed."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(
            f"classes must be the name of each class, such as ('cat', 'dog'); got {shown(value)}. "
            "List them."
        )
    return tuple(map(str, value))


def check_kind(value: T, name: str, kind: type[T], hint: str) -> T:
    """Return a value if it is of the right class, or raise an error; `hint` shows how to make one.

    Examples
    --------
    >>> check_kind("mnist", "data", dict, "such as {'size': 'mini'}")
    Traceback (most recent call last):
    ...
    TypeError: data must be a dict, such as {'size': 'mini'}; got 'mnist'.
    """
    if isinstance(value, kind):
        return value
    hint += f"; got {shown(value)}."
    parts = getattr(value, "__dict__", {}).items()
    inside = [f".{part}" for part, thing in parts if isinstance(thing, kind) and part[0] != "_"]
    if inside:
        hint += f" Pass its {' or '.join(inside)}."
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    raise TypeError(f"{name} must be {article} {kind.__name__}, {hint}")


def check_query(value: Any, name: str) -> Query:
    """Return a function from images to labels, or raise an error that says how to make one."""
    network = hasattr(value, "state_dict")  # networks return scores; no torch needed here
    if callable(value) and not isinstance(value, type) and not network:
        query: Query = value
        return query
    raise TypeError(
        f"{name} must be a function from images to labels; got {shown(value)}. "
        "Wrap a model as wm.BlackBox(model), an address as wm.RemoteModel(url)."
    )


def as_array(values: Any, expected: str) -> np.ndarray:
    """Return values as an array, Pillow images as uint8; an error says what to pass instead."""
    if _forms.are_pictures(values):
        return _forms.from_pictures(values)
    got = f"{expected}; got a {type(values).__name__}"
    step = _forms.container_step(values)
    if step:
        raise TypeError(f"{got}. {step}")
    if np.ma.is_masked(values):
        raise ValueError(f"{got} with masked values. Pass x.filled(0): or leave those out.")
    try:
        if isinstance(values, (list, tuple)) and values and hasattr(values[0], "detach"):
            values = list(map(np.asarray, values))  # old versions of numpy do not
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        tensor = values[0] if isinstance(values, (list, tuple)) else values
        if hasattr(tensor, "detach"):  # needs a gradient, is on a GPU, or is bfloat16
            raise TypeError(f"{got}. {_forms.tensor_step(values)}") from None
        if isinstance(error, ValueError):
            step = "whose parts differ in shape. Give all of them the same shape"
        else:
            step = f"that numpy cannot read ({first_line(error)}). Make an array of it"
        raise ValueError(f"{got} {step}.") from None


def shape_error(model: object, shape: tuple[int, ...], error: Exception) -> ValueError:
    """Return the error for a network that fails on images (n, *shape), with torch's first line."""
    return ValueError(
        f"model must take images of shape (n, {', '.join(map(str, shape))}); "
        f"{type(model).__name__} failed on them: {first_line(error)}. Check that its layers fit "
        "these images."
    )


def first_line(error: Exception) -> str:
    """Return the first line of an error without its full stop, or its type if it has no text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def sentence(error: Exception) -> str:
    """Return an error on one line; an error of the operating system starts with the file name."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        step = "Choose another place, or change the permissions of this one."
        return f"{error.filename}: {error.strerror}. {step}"
    return " ".join(str(error).split()) or type(error).__name__


def shown(value: object) -> str:
    """Return a wrong value for an error: a number or a short text as it is, otherwise its type.

    Anything else is not quoted, as it may be a key.
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, str) and len(value) > _SHOWN:
        value = f"{value[:_SHOWN]}…"
    if isinstance(value, str):
        return repr(value)
    kind = type(value).__name__
    if isinstance(value, int) and value.bit_length() > 3 * _SHOWN:
        return kind  # Python refuses to write out very long numbers
    plain = isinstance(value, (bool, int, float, complex, np.number, np.bool_, type(None)))
    return repr(value) if plain and len(repr(value)) <= _SHOWN else kind


def _written_plainly(value: object, kind: type[int] | type[float]) -> str:
    """Return the next step for numbers written as "3" or 3.0; an empty text for other values."""
    try:
        if isinstance(value, str) and np.isfinite(kind(value)):
            return f"Write it without quotes: {value.strip()}."
    except ValueError:
        pass
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return f"Write {int(value)}."
    return ""
