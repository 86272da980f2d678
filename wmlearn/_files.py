"""Files: those of others are read within limits and told in one sentence, one's own are written
whole or not at all.
"""

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

# Bounds on what is read; nothing larger is written either.
RECORD_BYTES = 64_000_000  # JSON: some 400,000 images; parsed, it may take 25 times the memory
IMAGE_BYTES = 2_000_000_000  # images, weights
LOG_BYTES = 640_000_000  # a log, read line by line
SMALL_BYTES = 1_000_000  # what is but a few lines: a key, a score card
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # what a share says that has none
_DEPTH = 16  # lists within lists; ours have three


class UnfitError(ValueError):
    """A file that is larger, deeper or other than any that is written here."""


# ---------------------------------------------------------------- writing


@contextmanager
def whole(path: str | Path, *, secret: bool = False, new: bool = False) -> Iterator[BinaryIO]:
    """Open a file to be written: it takes its place when the block has ended well, not before.

    Whatever goes wrong, a file that was there stays as it was, and nothing half-written is left in
    its place. Who may read it is for the umask to say.

    Parameters
    ----------
    path : where to put it; what a link points to is replaced, the link stays
    secret : whether nobody but its owner may read it; a warning where a folder cannot keep that
    new : whether nothing may be there

    Raises
    ------
    FileExistsError
        If nothing may be there, and something is.
    OSError
        If there is something else than a file that may be written, or it cannot be written.
    """
    target = Path(os.path.realpath(path))
    mode = 0o600 if secret else 0o666
    if target.exists():
        if new:
            raise FileExistsError(f"{target} should be a new file; it exists. Choose another name.")
        if not target.is_file() or not os.access(target, os.W_OK):
            raise OSError(
                f"{target} should be a file that may be written; it is write-protected, or no "
                "file. Choose another name."
            )
        mode &= target.stat().st_mode  # what its owner has closed stays closed
    part = target.with_name(f"{target.name[:40]}.{secrets.token_hex(8)}.part")
    try:
        # the mode is asked for here: some shares refuse to change it later
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
            error.filename = str(target)  # nobody knows the other name
        raise
    finally:
        with suppress(OSError):
            part.unlink()
    if secret and os.name == "posix" and target.stat().st_mode & 0o077:
        warnings.warn(
            f"{target} should be readable by its owner alone; others can read it, as this folder "
            "keeps no access rights (a share, a memory stick). Keep it elsewhere.",
            stacklevel=4,
        )


def _take(part: Path, target: Path) -> None:
    """Put a whole file where none is: of two who write at once, one is refused."""
    try:
        os.link(part, target)  # at no time is there an empty file that somebody could read
    except FileExistsError:
        raise
    except OSError:  # some shares and sticks have no links
        target.open("xb").close()
        os.replace(part, target)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time into the block; the lock is a file at the path.

    Raises
    ------
    OSError
        If the folder is none to write in, or its file system has no locks.
    """
    from filelock import FileLock

    lock = FileLock(path)
    try:
        lock.acquire()
    except (NotImplementedError, OSError) as error:  # which of them depends on its version
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        raise OSError(
            f"{path.parent} should be a folder in which a file can be locked, or two could write "
            f"at once; this share has no locks ({first_line(error)}). Choose a folder on a disk of "
            "this machine, and copy it from there."
        ) from None
    try:
        yield
    finally:
        lock.release()


# ---------------------------------------------------------------- reading


@contextmanager
def readable(expected: str, step: str) -> Iterator[None]:
    """Say what a file should be, and what to do next, if it cannot be read inside the block.

    Raises
    ------
    FileNotFoundError, OSError
        If there is no such file, it must not be read, or it holds something else.
    """
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{expected}; it is missing. {step}") from None
    except Exception as error:  # libraries say a dozen things of what is damaged
        reason = type(error).__name__
        if isinstance(error, (OSError, UnfitError)):
            reason = first_line(error)
        state = f"it is damaged or another file ({reason})"
        if isinstance(error, OSError) and error.strerror:
            state = f"it cannot be read: {error.strerror}"
        if isinstance(error, PermissionError):
            step = "Its owner says who may read it: ask them."
        raise OSError(f"{expected}; {state}. {step}") from None


def check_file(path: str | Path, limit: int) -> Path:
    """Return the path of a file, if it is one (no device, no pipe) and not larger than a limit.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    UnfitError
        If it is something else, larger, or of a format that is never opened.
    OSError
        If it must not be read.
    """
    folder = Path(path).parent
    if folder.is_file():
        raise UnfitError(f"{folder.name} is {foreign(folder) or 'no folder'}")
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnfitError("it is no file")
    check_size(status.st_size, limit)
    with open(path, "rb"):  # what must not be read is missing to some libraries
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
    """Return what a JSON file of at most so many bytes holds, as strictly as `parse_json`; a mark
    of the byte order, which some editors put first, says nothing.
    """
    return parse_json(read_text(path, limit).removeprefix("\ufeff"))


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
