"""The log of an evidence folder: each test before anything is sent, its answers, what was opened.

The log is one file with one line of JSON per event. Each line holds the hash of the line before,
and the first line that of the seal. So the hash of the last line, the *head*, commits to the whole
log: anyone who knows it notices later if lines were changed, cut off or left out. The lines hold
the answers of a copy, so keep them as secret as the key. A line that a crash or a full disk has cut
off records nothing; it stays, and the next line holds its hash.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args

from wmlearn._checks import check_choice, shown
from wmlearn._display import plural
from wmlearn._files import (
    LOG_BYTES,
    RECORD_BYTES,
    locked,
    parse_json,
    read_json,
    read_text,
    readable,
)
from wmlearn.evidence import commitment
from wmlearn.evidence.opening import check_named
from wmlearn.evidence.stats import open_list_family

LOG, LOCK = "log.jsonl", "log.lock"
RECORD = "evidence.json"

Use = Literal["asked", "opened"]
Deed = Literal["began", "asked", "answered", "opened"]


@dataclass(frozen=True)
class Entry:
    """One line of the log; attributes that its kind does not have are empty.

    Attributes
    ----------
    what : the event: a test "began"; images were "asked", noted before they are sent; a service
        "answered"; questions were "opened"
    when : the time, UTC, in ISO format
    whom : the service of the test, or the person to whom the questions were opened
    test : the number of the test in the folder, counted from 1; None if `log_use` noted the line
    family : for "began", how many tests share alpha; None for an open list
    outcome : for "began", the outcome of the public draw that the answers were drawn with
    version : for "began", the version of wmlearn
    questions : the questions, counted from 0 in sealed order; empty for clean images
    images : SHA-256 of the images sent, in hexadecimal: their uint8 pixels, or the clean images
    classes : the class names that the service gave, if classes are matched by names
    labels : the answers as received, one per image
    reply : SHA-256 of the answers as received
    decision, p, p_judge, n, k : the verdict at that time, not rounded; None without a p-value
    """

    what: Deed
    when: str
    whom: str = ""
    test: int | None = None
    family: int | None = None
    outcome: str = ""
    version: str = ""
    questions: tuple[int, ...] = ()
    images: str = ""
    classes: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    reply: str = ""
    decision: str = ""
    p: float | None = None
    p_judge: float | None = None
    n: int | None = None
    k: int | None = None


def log_use(folder: str | Path, what: Use, questions: Sequence[int], *, whom: str) -> None:
    """Note in the log that questions were opened to somebody, or asked without a `SequentialTest`.

    The answers of *opened* questions are known, so they prove nothing about a model that is changed
    later. Questions that were only *asked* can be used again, but asking the same service twice
    gives no further evidence. A `SequentialTest` keeps the log by itself.

    Parameters
    ----------
    folder : the folder that `save_evidence` wrote
    what : "asked" or "opened"
    questions : the numbers of the questions, counted from 0 in sealed order
    whom : the service that was asked, or the person to whom the questions were opened

    Raises
    ------
    FileNotFoundError, OSError
        If the folder holds no evidence, or its log is not a regular file.
    TypeError, ValueError
        If `what` or `whom` is wrong, a question does not exist, or the log was changed.

    Examples
    --------
    >>> import tempfile
    >>> import wmlearn as wm
    >>> triggers = wm.Content(words=30)(wm.load_data("mnist"), n=60, key=wm.CLASSROOM_KEY)
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = wm.evidence.save_evidence(triggers, name)
    ...     wm.evidence.log_use(folder, "opened", [4, 7], whom="the district court")
    ...     [use.questions for use in wm.evidence.read_log(folder)]
    [(4, 7)]
    """
    check_choice(what, "what", get_args(Use))
    check_whom(whom)
    with exclusive(folder) as log:
        log.append({"what": what, "questions": check_named(questions, log.count), "whom": whom})


def check_whom(whom: str | None) -> str:
    """Return the name of a service or person, if it is a text that is not blank."""
    if not isinstance(whom, str) or not whom.strip():
        raise TypeError(
            f"whom must be the name of the service or person; got {shown(whom)}. Pass a text."
        )
    return whom


def read_log(folder: str | Path, head: str | None = None) -> tuple[Entry, ...]:
    """Return the lines of the log after checking that none was changed, left out or inserted.

    Parameters
    ----------
    folder : the folder that `save_evidence` wrote
    head : a head that `log_head` returned and that was published: the log must be that one, or
        continue it. Without it, lines cut off at the end leave no trace

    Raises
    ------
    FileNotFoundError, OSError
        If the folder holds no evidence, or its log is not a regular file.
    ValueError
        If the log was changed (the error names the line), or does not continue the published one.
    """
    log = _read(Path(folder))
    if head is not None and commitment.check_digest(head, "head") not in log.heads:
        raise ValueError(
            f"the log in {folder} must be the published one or continue it; head {head[:8]}… "
            f"belongs to none of its {len(log.entries)} lines. Lines were cut off or rewritten: "
            "restore the log from a copy."
        )
    return tuple(log.entries)


def log_head(folder: str | Path) -> str:
    """Return the hash of the last line of the log, hexadecimal: publish it after each test.

    If the log is empty, it is the hash of the seal. It raises the errors of `read_log`.
    """
    return _read(Path(folder)).heads[-1]


# ---------------------------------------------------------------- reading and writing


@dataclass(frozen=True)
class Log:
    """A log that was read, and can be continued.

    Attributes
    ----------
    path : the file, which may not exist yet
    seal : the seal of the evidence in the folder
    count : how many questions were sealed
    whole : whether the last line ends with a line break
    heads : the hash of the seal, then the hash of every line
    entries : the lines
    whoms : the service of each test, by number
    """

    path: Path
    seal: str
    count: int
    whole: bool
    heads: list[str]
    entries: list[Entry] = field(default_factory=list)
    whoms: dict[int, str] = field(default_factory=dict)

    @property
    def tests(self) -> list[Entry]:
        """The first line of each test; a test that `log_use` noted has only this line."""
        return [
            each
            for each in self.entries
            if each.what == "began" or (each.what == "asked" and each.test is None)
        ]

    def of_test(self, number: int) -> list[Entry]:
        """Return the lines of a test."""
        return [each for each in self.entries if each.test == number]

    def last_test(self, whom: str) -> int | None:
        """Return the number of the last test of a service; None if there is none."""
        numbers = [number for number, name in self.whoms.items() if name == whom]
        return max(numbers, default=None)

    def is_complete(self, number: int) -> bool:
        """Return whether all questions of a test were asked."""
        asked = [len(each.questions) for each in self.of_test(number)]
        return sum(asked) >= self.count

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a line to the disk, with the time and the hash of the line before."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        line = commitment.canonical({**record, "when": now, "after": self.heads[-1]})
        start = b"" if self.whole else b"\n"
        with open(self.path, "ab", opener=partial(os.open, mode=0o600)) as file:
            file.write(start + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.take(line)

    def take(self, line: bytes) -> None:
        """Add a line of the file, if it holds the hash of the line before."""
        record = parse_json(line.decode())
        if record.pop("after") != self.heads[-1] or record["what"] not in get_args(Deed):
            raise ValueError("another line was there")
        for name in ("questions", "classes", "labels"):
            record[name] = tuple(record.get(name, ()))
        if record["what"] == "began":
            self.whoms[record["test"]] = record["whom"]
        elif "whom" not in record:
            record["whom"] = self.whoms[record["test"]]
        self.entries.append(Entry(**record))
        self.heads.append(_hash(line))

    def is_torn(self, line: bytes) -> bool:
        """Return whether a line was cut off in writing: it begins as the next line must, without an
        end.
        """
        begun = line.rstrip(b"\0")  # a disk may leave zeros where it had no time to write
        start = b'{"after":"%s"' % self.heads[-1].encode()
        begins = begun.startswith(start) or start.startswith(begun)
        return begins and not begun.endswith(b"}")


@contextmanager
def exclusive(folder: str | Path) -> Iterator[Log]:
    """Yield the current log, locked: no other process adds a line inside the block.

    Raises
    ------
    FileNotFoundError, OSError
        If the folder holds no evidence, or its log is not a regular file.
    ValueError
        If the log was changed.
    """
    folder = Path(folder)
    _sealed(folder)  # before locking, which would create the folder
    with locked(folder / LOCK):
        yield _read(folder)


def check_folder(folder: str | Path) -> Path:
    """Return the path of an evidence folder, unless it is an archive or the folder around it.

    Raises
    ------
    NotADirectoryError, FileNotFoundError
        If the path is a file, or the evidence is in a subfolder.
    """
    folder = Path(folder)
    if folder.is_file():
        raise NotADirectoryError(
            f"evidence must be a folder; {folder} is a file. Unpack it if it is an archive, and "
            f"give the folder that holds {RECORD}."
        )
    inside = list(folder.glob(f"*/{RECORD}"))
    if inside and not (folder / RECORD).exists():
        raise FileNotFoundError(
            f"{folder} should hold {RECORD}; it is in a subfolder. Give {inside[0].parent}."
        )
    return folder


def _sealed(folder: Path) -> tuple[str, int]:
    """Return the seal of the evidence in a folder, and how many questions it has."""
    check_folder(folder)
    expected = f"{folder} should hold {RECORD} as wm.evidence.save_evidence writes it"
    with readable(expected, "Give the folder it was saved in."):
        record = read_json(folder / RECORD, RECORD_BYTES)
        return str(record["seal"]), int(record["header"]["questions"])


def _read(folder: Path) -> Log:
    """Return the log of a folder, with each line checked against the line before."""
    seal, count = _sealed(folder)
    path = folder / LOG
    content = b""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(
            f"{path} must be a regular file; it is a link or something else, so lines would be "
            "written elsewhere. Put the log itself there."
        )
    if path.exists():
        with readable(f"{path} should be a log", "Restore it from a copy."):
            content = read_text(path, LOG_BYTES).encode()
    log = Log(path, seal, count, content[-1:] in (b"", b"\n"), [_hash(seal.encode())])
    lines = content.rstrip(b"\r\n").splitlines()  # blank lines come from editors and mean nothing
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        if log.is_torn(line) and not (log.whole and number == len(lines)):
            log.heads.append(_hash(line))
            text = f"line {number} of {path} was cut off while it was written: its content is lost."
            warnings.warn(text, stacklevel=3)
            continue
        try:
            log.take(line)
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"line {number} of {path} does not follow from the line before: the log was "
                "changed there. Restore it from a copy."
            ) from None
    return log


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


# ---------------------------------------------------------------- the lines of one test


class LoggedTest:
    """A test in the log of an evidence folder, either continued or begun now.

    Parameters
    ----------
    folder : the folder that `save_evidence` wrote
    seal : the seal of the set
    whom : the service; its last test is continued if it has questions left
    family : how many tests are declared to share alpha; None takes what the first test of the
        folder declared, or begins an open list
    anew : whether to begin another test in any case
    outcome : the outcome of the public draw that the answers were drawn with, if any

    Attributes
    ----------
    entries : the lines of this test so far
    family : how many tests share alpha
    """

    def __init__(
        self,
        folder: str | Path,
        seal: str,
        whom: str,
        family: int | None,
        anew: bool,
        outcome: str = "",
    ) -> None:
        self.folder = folder
        with exclusive(folder) as log:
            if log.seal != seal:
                raise ValueError(
                    f"folder must hold the evidence of these triggers, seal {seal[:8]}…; {folder} "
                    f"holds that of seal {log.seal[:8]}…. Give the folder they were opened from."
                )
            declared = _declared(log, family)
            last = log.last_test(whom)
            if anew or last is None or log.is_complete(last):
                last = _begin(log, whom, declared, outcome)
            self.entries = log.of_test(last)
        if (
            self.entries[0].outcome != outcome
        ):  # or each new outcome would be a free new draw of the labels
            raise ValueError(
                f"outcome must be the one with which test {last} in {folder} began, "
                f"{shown(self.entries[0].outcome)}; got {shown(outcome)}. Pass the same outcome."
            )
        self.number = last

    @property
    def family(self) -> int:
        """How many tests share alpha: as declared, or by the position in the open list."""
        return self.entries[0].family or open_list_family(self.number)

    def batches(self) -> Iterator[tuple[Entry, tuple[int, ...]]]:
        """Yield each "asked" line with the labels received; no labels if the test was cut off."""
        for entry, following in zip(self.entries, [*self.entries[1:], self.entries[0]]):
            if entry.what == "asked":
                yield entry, following.labels

    def note(self, record: Mapping[str, Any]) -> None:
        """Write a line of this test, if no other process has continued it meanwhile.

        Raises
        ------
        OSError
            If another process has continued the test.
        """
        with exclusive(self.folder) as log:
            if log.of_test(self.number) != self.entries:
                raise OSError(
                    f"one process at a time may continue a test; test {self.number} in {log.path} "
                    "was continued by another. Stop one of them, or begin another test (anew)."
                )
            log.append({**record, "test": self.number})
            self.entries = log.of_test(self.number)


def _declared(log: Log, family: int | None) -> int | None:
    """Return the family that the first test of the folder declared; it binds all later tests."""
    tests = log.tests
    if not tests:
        return family
    held = tests[0].family
    if family is not None and family != held:
        words = "an open list" if held is None else str(held)
        raise ValueError(
            f"family must stay as the first test in {log.path} declared it, {words}; got {family}. "
            "Leave it out."
        )
    return held


def _begin(log: Log, whom: str, family: int | None, outcome: str) -> int:
    """Note that a test begins, before anything is sent, and return its number."""
    number = len(log.tests) + 1
    if family is not None and number > family:
        raise ValueError(
            f"family in {log.path} was declared as {plural(family, 'test')}, and all of them have "
            "begun: alpha is spent. Continue one of them, or seal another set."
        )
    began = {"what": "began", "test": number, "whom": whom, "family": family}
    began["version"] = _version()
    if outcome:
        began["outcome"] = outcome
    log.append(began)
    return number


def _version() -> str:
    """Return the version of wmlearn; an empty text if this folder is used without the package."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("wmlearn")
    return ""
