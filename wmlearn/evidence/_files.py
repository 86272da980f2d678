"""Files that may be damaged, or made by an adversary: read within limits, told in one sentence."""

import json
import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wmlearn._checks import file_error
from wmlearn._forms import foreign

# Bounds on what is read; nothing larger is written either.
RECORD_BYTES = 64_000_000  # JSON: some 400,000 images; parsed, it may take 25 times the memory
IMAGE_BYTES = 2_000_000_000  # images
LOG_BYTES = 640_000_000  # a log, read line by line
SMALL_BYTES = 1_000_000  # what is but a few lines: a key, a score card
_DEPTH = 16  # lists within lists; ours have three


class UnfitError(ValueError):
    """A file that is larger, deeper or other than any that is written here."""


@contextmanager
def readable(expected: str, step: str) -> Iterator[None]:
    """Say what a file should be, and what to do next, if it cannot be read inside the block.

    Raises
    ------
    FileNotFoundError, OSError
        If there is no such file, or it holds something else.
    """
    from safetensors import SafetensorError

    damage = (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError)
    try:
        yield
    except (*damage, RuntimeError, MemoryError) as error:
        reason = type(error).__name__
        if isinstance(error, UnfitError):
            reason = str(error)
        raise file_error(error, f"{expected} ({reason}). {step}") from None


def check_file(path: str | Path, limit: int) -> Path:
    """Return the path of a file, if it is one (no device, no pipe) and not larger than a limit.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    UnfitError
        If it is something else, larger, or of a format that is never opened.
    """
    folder = Path(path).parent
    if folder.is_file():
        raise UnfitError(f"{folder.name} is {foreign(folder) or 'no folder'}")
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnfitError("it is no file")
    check_size(status.st_size, limit)
    kind = foreign(path)
    if kind:
        raise UnfitError(f"it is {kind}")
    return Path(path)


def check_size(size: int, limit: int) -> None:
    """Refuse what is larger than a limit, in bytes."""
    if size > limit:
        raise UnfitError(f"it is larger than {limit / 1e6:,.0f} MB")


def read_text(path: str | Path, limit: int) -> str:
    """Return the text of a file, UTF-8, of at most so many bytes; raise as `check_file` does."""
    with check_file(path, limit).open("rb") as file:
        content = file.read(limit + 1)  # some that say they are empty are endless: /proc
    check_size(len(content), limit)
    return content.decode("utf-8")


def read_json(path: str | Path, limit: int) -> Any:
    """Return what a JSON file of at most so many bytes holds, as strictly as `parse_json`."""
    return parse_json(read_text(path, limit))


def parse_json(text: str) -> Any:
    """Return what a JSON text holds, if there is but one way to read it.

    Raises
    ------
    ValueError
        If it is no JSON, names something twice, or holds NaN, an infinity, half a character, or
        lists in lists that never end.

    Examples
    --------
    >>> parse_json('{"alpha": 0.01, "alpha": 0.5}')
    Traceback (most recent call last):
    ...
    wmlearn.evidence._files.UnfitError: it names something twice
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_once, parse_constant=_finite, parse_float=_finite
        )
        _check_depth(value, _DEPTH)
    except RecursionError:
        raise UnfitError("its lists are nested too deep") from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs as a dict, if no key comes twice: readers differ in which of them counts."""
    record = dict(pairs)
    if len(record) < len(pairs):
        raise UnfitError("it names something twice")
    return record


def _finite(text: str) -> float:
    """Return a number; JSON has neither NaN nor infinity, and no seal is defined for them."""
    number = float(text)
    if not math.isfinite(number):
        raise UnfitError("it holds a number that is none")
    return number


def _check_depth(value: Any, left: int) -> None:
    """Refuse lists within too many lists, and texts that cannot be written down."""
    if isinstance(value, str):
        value.encode()  # half a surrogate pair is no text
    if not isinstance(value, (dict, list)):
        return
    if not left:
        raise UnfitError("its lists are nested too deep")
    if isinstance(value, dict):
        _check_depth(list(value), left)
        value = value.values()
    for each in value:
        _check_depth(each, left - 1)


def texts(values: Any) -> tuple[str, ...]:
    """Return a list of texts, or refuse what is another: a text is a list of letters to Python."""
    if type(values) is not list or set(map(type, values)) - {str}:
        raise UnfitError("it holds something else where a list of texts should be")
    return tuple(values)


def hex_texts(values: Any) -> list[bytes]:
    """Return the bytes that each of a list of texts writes in hexadecimal."""
    return list(map(bytes.fromhex, texts(values)))
