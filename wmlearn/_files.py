"""Files: reading within limits, with errors of one sentence; writing whole or not at all."""

import errno
import json
import math
import os
import secrets
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from wmlearn._checks import first_line
from wmlearn._forms import foreign

# Limits for reading, in bytes; nothing larger is written either.
RECORD_BYTES = 64_000_000  # JSON: some 400,000 images; parsed, it may take 25 times the memory
IMAGE_BYTES = 2_000_000_000  # images, weights
LOG_BYTES = 640_000_000  # a log, read line by line
SMALL_BYTES = 1_000_000  # a file of a few lines: a key, a score card
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # errors of a share without locks
_DEPTH = 16  # levels of nested lists; our own files have three


class UnfitError(ValueError):
    """A file that is larger, nested deeper, or of another kind than any that wmlearn writes."""


# ---------------------------------------------------------------- writing


def made_folder(folder: str | Path) -> Path:
    """Return a folder, made if it does not exist, or raise an error if a file is in its place."""
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise FileExistsError(
            f"folder must be a folder for evidence; {path} is, or is inside, a file. Choose "
            "another."
        ) from None
    return path


@contextmanager
def whole(path: str | Path, *, secret: bool = False, new: bool = False) -> Iterator[BinaryIO]:
    """Open a file for writing; it appears at its path only when the block ends without an error.

    If anything goes wrong, an existing file stays as it was and no half-written file remains. The
    umask decides who may read the new file.

    Parameters
    ----------
    path : where to put the file; if this is a link, its target is replaced and the link stays
    secret : whether only the file's owner may read it; a folder that cannot restrict access gives
        a warning
    new : whether the path must not exist yet

    Raises
    ------
    FileExistsError
        If `new` is set and the path exists.
    OSError
        If the path is not a regular file or is write-protected, or writing fails.
    """
    target = Path(os.path.realpath(path))
    mode = 0o600 if secret else 0o666
    if target.exists():
        if new:
            raise FileExistsError(f"{target} should be a new file; it exists. Choose another name.")
        if not target.is_file() or not os.access(target, os.W_OK):
            raise OSError(
                f"{target} should be a file that can be written; it is write-protected, or not a "
                "file. Choose another name."
            )
        mode &= target.stat().st_mode  # permissions that the owner has removed stay removed
    part = target.with_name(f"{target.name[:40]}.{secrets.token_hex(8)}.part")
    try:
        # the mode is set on creation: some shares refuse to change it later
        with open(part, "xb", opener=partial(os.open, mode=mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if new:
            _take(part, target)
        else:
            os.replace(part, target)
    except OSError as error:
        if error.errno and error.filename in (None, part, str(part)):
            error.filename = str(target)  # nobody knows the temporary name
        raise
    finally:
        with suppress(OSError):
            part.unlink()
    if secret and os.name == "posix" and target.stat().st_mode & 0o077:
        warnings.warn(
            f"{target} should be readable only by its owner; others can read it, because this "
            "folder keeps no access rights (a share, a memory stick). Keep it elsewhere.",
            stacklevel=4,
        )


def _take(part: Path, target: Path) -> None:
    """Move a complete file to a path where none exists: of two simultaneous writers, one fails."""
    try:
        os.link(part, target)  # unlike creating it first, this never shows an empty file
    except FileExistsError:
        raise
    except OSError:  # some shares and memory sticks have no links
        target.open("xb").close()
        os.replace(part, target)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time into the block; the lock is a file at the path.

    Raises
    ------
    OSError
        If the folder is not writable, or its file system has no locks.
    """
    from filelock import FileLock

    lock = FileLock(path)
    try:
        lock.acquire()
    except (NotImplementedError, OSError) as error:  # which one depends on the version of filelock
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        raise OSError(
            f"{path.parent} should be a folder in which files can be locked, or two programs could "
            f"write at once; this share has no locks ({first_line(error)}). Choose a folder on a "
            "disk of this machine, and copy it from there."
        ) from None
    try:
        yield
    finally:
        lock.release()


# ---------------------------------------------------------------- reading


@contextmanager
def readable(expected: str, step: str) -> Iterator[None]:
    """Turn any error while reading a file inside the block into one clear sentence.

    Parameters
    ----------
    expected : what the file should be: "case.json should be a score card"
    step : what to do next: "Restore it."

    Raises
    ------
    FileNotFoundError, OSError
        If the file does not exist, may not be read, is damaged or holds something else.
    """
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{expected}; it is missing. {step}") from None
    except Exception as error:  # libraries raise many kinds of error for a damaged file
        reason = type(error).__name__
        if isinstance(error, (OSError, UnfitError)):
            reason = first_line(error)
        state = f"it is damaged or another file ({reason})"
        if isinstance(error, OSError) and error.strerror:
            state = f"it cannot be read: {error.strerror}"
        if isinstance(error, PermissionError):
            step = "Ask its owner for permission to read it."
        raise OSError(f"{expected}; {state}. {step}") from None


def check_file(path: str | Path, limit: int) -> Path:
    """Return a path if it is a regular file (no device, no pipe) of at most `limit` bytes.

    Raises
    ------
    FileNotFoundError
        If the path does not exist.
    UnfitError
        If it is not a regular file, is larger, or has a format that is never opened.
    OSError
        If the file may not be read.
    """
    folder = Path(path).parent
    if folder.is_file():
        raise UnfitError(f"{folder.name} is {foreign(folder) or 'not a folder'}")
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnfitError("it is not a file")
    check_size(status.st_size, limit)
    with open(path, "rb"):  # some libraries report an unreadable file as missing
        kind = foreign(path)
    if kind:
        raise UnfitError(f"it is {kind}")
    return Path(path)


def check_size(size: int, limit: int) -> None:
    """Raise `UnfitError` for a size above a limit, both in bytes."""
    if size > limit:
        raise UnfitError(f"it is larger than {limit / 1e6:,.0f} MB")


def read_text(path: str | Path, limit: int) -> str:
    """Return the text of a UTF-8 file of at most `limit` bytes; raise as `check_file` does."""
    with check_file(path, limit).open("rb") as file:
        content = file.read(limit + 1)  # a file in /proc says it is empty, and may be endless
    check_size(len(content), limit)
    return content.decode("utf-8")


def read_json(path: str | Path, limit: int) -> Any:
    """Return the value in a JSON file of at most `limit` bytes, read as strictly as `parse_json`.

    A byte order mark, which some editors put first, is ignored.
    """
    return parse_json(read_text(path, limit).removeprefix("\ufeff"))


def parse_json(text: str) -> Any:
    """Return the value of a JSON text that has only one reading.

    Raises
    ------
    ValueError
        If the text is not JSON, has a key twice, holds NaN, an infinity or half a surrogate pair,
        or nests lists more than 16 deep.

    Examples
    --------
    >>> parse_json('{"alpha": 0.01, "alpha": 0.5}')
    Traceback (most recent call last):
    ...
    wmlearn._files.UnfitError: it names something twice
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
    """Return pairs as a dict if no key comes twice: readers differ in which one counts."""
    record = dict(pairs)
    if len(record) < len(pairs):
        raise UnfitError("it names something twice")
    return record


def _finite(text: str) -> float:
    """Return a finite number: JSON has no NaN or infinity, and no seal is defined for them."""
    number = float(text)
    if not math.isfinite(number):
        raise UnfitError("it holds NaN or an infinite number")
    return number


def _check_depth(value: Any, left: int) -> None:
    """Refuse lists that are nested too deep, and texts that UTF-8 cannot encode."""
    if isinstance(value, str):
        value.encode()  # fails for half a surrogate pair
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
    """Return a list of texts as a tuple; refuse anything else, a single text too."""
    if type(values) is not list or set(map(type, values)) - {str}:
        raise UnfitError("it holds something else where a list of texts should be")
    return tuple(values)


def hex_texts(values: Any) -> list[bytes]:
    """Return the bytes of each text in a list of hexadecimal texts."""
    return list(map(bytes.fromhex, texts(values)))
