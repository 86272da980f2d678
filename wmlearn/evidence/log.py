"""The log of an evidence folder: each test before it is sent, its answers, and what was opened.

One file, one line of JSON for each thing that was done. Each line holds the hash of the line
before, the first one that of the seal. So the hash of the last line, the *head*, stands for the
whole log: whoever was told it notices later that lines were changed, cut off or left at home. The
lines themselves hold what a copy answered: keep them as secret as the key. A line that a crash or a
full disk has cut off notes nothing; it stays, and the next one holds its hash.
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
    """One line of the log; what is not in a line of its kind is empty.

    Attributes
    ----------
    what : "began", a test; "asked", noted before it was sent; "answered"; or "opened", to somebody
    when : UTC
    whom : the service of the test, or who was shown the questions
    test : which test of the folder, counted from 1; None where it was noted by `log_use`
    family : of a test that began, among how many alpha is shared; None: an open list
    outcome : of a test that began, that of the public draw from which its answers were drawn
    version : of wmlearn
    questions : their numbers, counted from 0 in sealed order; none where clean images were asked
    images : SHA-256 of what was sent, in hexadecimal: the pixels, uint8; or the clean images
    classes : the names the service gave its classes, where they are matched by these
    labels : the answers as they came, one for each image
    reply : SHA-256 of the answers as they came
    decision, p, p_judge, n, k : of the verdict by then, nothing rounded; None where there is no p
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
    """Note in the log that questions were opened to somebody, or asked by hand.

    What was *opened* is burnt: its answers are known, so it says nothing of a model that was
    changed later. What was only *asked* stays good, but the same service asked again is no second
    witness. A `SequentialTest` notes what it asks by itself.

    Parameters
    ----------
    folder : where `save_evidence` put the set
    what : "asked" or "opened"
    questions : their numbers, counted from 0 in sealed order
    whom : the service that was asked, or who was shown the questions

    Raises
    ------
    FileNotFoundError, OSError
        If the folder holds no evidence, or its log is no plain file.
    ValueError
        If a question does not exist, or the log was changed.

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
    """Return the words for who was asked or shown, if there are any."""
    if not isinstance(whom, str) or not whom.strip():
        raise TypeError(
            f"whom must say in words who was asked or shown; got {shown(whom)}. Name them."
        )
    return whom


def read_log(folder: str | Path, head: str | None = None) -> tuple[Entry, ...]:
    """Return the log, if no line was changed, left out or put in between.

    Parameters
    ----------
    folder : where `save_evidence` put the set
    head : what `log_head` returned at some time, as it was published: the log must be that one, or
        continue it. Without it, lines cut off at the end leave no trace.

    Raises
    ------
    FileNotFoundError, OSError
        If the folder holds no evidence, or its log is no plain file.
    ValueError
        If the log was changed, and the error says in which line, or does not continue the published
        one.
    """
    log = _read(Path(folder))
    if head is not None and commitment.check_digest(head, "head") not in log.heads:
        raise ValueError(
            f"the log in {folder} must be the published one or continue it; head {head[:8]}… "
            f"stands for none of its {len(log.entries)} lines. Lines were cut off, or written anew."
        )
    return tuple(log.entries)


def log_head(folder: str | Path) -> str:
    """Return the hash of the last line of the log, hexadecimal: publish it after each test.

    Where nothing was noted yet it is the hash of the seal. Raises what `read_log` raises.
    """
    return _read(Path(folder)).heads[-1]


# ---------------------------------------------------------------- reading and writing


@dataclass(frozen=True)
class Log:
    """A log as it was read, and what it takes to continue it.

    Attributes
    ----------
    path : of the file, which may not be there yet
    seal : of the evidence in the folder
    count : how many questions were sealed
    whole : whether the last line is ended
    heads : the hash of the seal, then that of every line
    entries : its lines
    whoms : the service of each test
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
        """The lines with which a test begins; one that `log_use` noted has this line alone."""
        return [
            each
            for each in self.entries
            if each.what == "began" or (each.what == "asked" and each.test is None)
        ]

    def of_test(self, number: int) -> list[Entry]:
        """Return the lines of a test."""
        return [each for each in self.entries if each.test == number]

    def last_test(self, whom: str) -> int | None:
        """Return the number of the last test of a service; None where there is none."""
        numbers = [number for number, name in self.whoms.items() if name == whom]
        return max(numbers, default=None)

    def is_complete(self, number: int) -> bool:
        """Return whether all questions of a test were asked."""
        asked = [len(each.questions) for each in self.of_test(number)]
        return sum(asked) >= self.count

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a line for good, with the time and the hash of the one before."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        line = commitment.canonical({**record, "when": now, "after": self.heads[-1]})
        start = b"" if self.whole else b"\n"
        with open(self.path, "ab", opener=partial(os.open, mode=0o600)) as file:
            file.write(start + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.take(line)

    def take(self, line: bytes) -> None:
        """Add a line that is in the file, if it holds the hash of the one before."""
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
        """Return whether a line was cut off while it was written: it begins as the next one would,
        and has no end.
        """
        begun = line.rstrip(b"\0")  # of what a disk had no time to write
        start = b'{"after":"%s"' % self.heads[-1].encode()
        begins = begun.startswith(start) or start.startswith(begun)
        return begins and not begun.endswith(b"}")


@contextmanager
def exclusive(folder: str | Path) -> Iterator[Log]:
    """Return the log as it is now, for adding a line before any other process does.

    Raises
    ------
    FileNotFoundError, OSError
        If the folder holds no evidence, or its log is no plain file.
    ValueError
        If the log was changed.
    """
    folder = Path(folder)
    _sealed(folder)  # first: the lock would make the folder
    with locked(folder / LOCK):
        yield _read(folder)


def check_folder(folder: str | Path) -> Path:
    """Return the path of an evidence folder, unless it is the archive, or what an archive put
    around it.

    Raises
    ------
    NotADirectoryError, FileNotFoundError
        If it is a file, or the evidence lies further down.
    """
    folder = Path(folder)
    if folder.is_file():
        raise NotADirectoryError(
            f"evidence is a folder; {folder} is a file. Unpack it if it is an archive, and give "
            f"the folder that holds {RECORD}."
        )
    inside = list(folder.glob(f"*/{RECORD}"))
    if inside and not (folder / RECORD).exists():
        raise FileNotFoundError(
            f"{folder} should hold {RECORD}; it lies further down. Give {inside[0].parent}."
        )
    return folder


def _sealed(folder: Path) -> tuple[str, int]:
    """Return the seal of the evidence in a folder, and how many questions it has."""
    check_folder(folder)
    expected = f"{folder} should hold {RECORD} as wm.evidence.save_evidence leaves it"
    with readable(expected, "Give the folder it was saved in."):
        record = read_json(folder / RECORD, RECORD_BYTES)
        return str(record["seal"]), int(record["header"]["questions"])


def _read(folder: Path) -> Log:
    """Return what was noted so far, each line checked against the one before."""
    seal, count = _sealed(folder)
    path = folder / LOG
    content = b""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(
            f"{path} must be a plain file; it is a link or something else, and lines would go "
            "elsewhere. Put the log itself there."
        )
    if path.exists():
        with readable(f"{path} should be a log", "Restore it from a copy."):
            content = read_text(path, LOG_BYTES).encode()
    log = Log(path, seal, count, content[-1:] in (b"", b"\n"), [_hash(seal.encode())])
    lines = content.rstrip(b"\r\n").splitlines()  # blank ones are an editor's, and say nothing
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        if log.is_torn(line) and not (log.whole and number == len(lines)):
            log.heads.append(_hash(line))
            text = (
                f"line {number} of {path} was cut off while it was written: what it notes is lost."
            )
            warnings.warn(text, stacklevel=3)
            continue
        try:
            log.take(line)
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"line {number} of {path} does not follow from the one before: the log was changed "
                "there. Restore it."
            ) from None
    return log


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


# ---------------------------------------------------------------- the lines of one test


class LoggedTest:
    """A test in the log of an evidence folder: found there and continued, or begun now.

    Parameters
    ----------
    folder : where `save_evidence` put the set
    seal : of the set
    whom : the service; its last test is continued if there are questions left
    family : among how many tests alpha is declared to be shared; None: as the first test of the
        folder declared it, or an open list
    anew : whether to begin another test all the same
    outcome : that of the public draw from which the answers were drawn, if any

    Attributes
    ----------
    entries : the lines of this test so far
    family : among how many tests alpha is shared
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
        if self.entries[0].outcome != outcome:  # else each would be a draw of the lots for nothing
            raise ValueError(
                f"outcome must be that with which test {last} in {folder} began, "
                f"{shown(self.entries[0].outcome)}; got {shown(outcome)}. Pass that."
            )
        self.number = last

    @property
    def family(self) -> int:
        """Among how many tests alpha is shared: as declared, or by the place in the open list."""
        return self.entries[0].family or open_list_family(self.number)

    def batches(self) -> Iterator[tuple[Entry, tuple[int, ...]]]:
        """Yield what was asked, and the labels that came; none where the test was cut off."""
        for entry, following in zip(self.entries, [*self.entries[1:], self.entries[0]]):
            if entry.what == "asked":
                yield entry, following.labels

    def note(self, record: Mapping[str, Any]) -> None:
        """Write a line of this test, if no other process has gone on with it meanwhile.

        Raises
        ------
        OSError
            If another has; what this one still asks would not be in the log.
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
    """Return the family as the first test of the folder declared it: all are held to that."""
    tests = log.tests
    if not tests:
        return family
    held = tests[0].family
    if family is not None and family != held:
        words = "an open list" if held is None else str(held)
        raise ValueError(
            f"family must stay what the first test in {log.path} declared, {words}; got {family}. "
            "Leave it out."
        )
    return held


def _begin(log: Log, whom: str, family: int | None, outcome: str) -> int:
    """Note that a test begins, before anything is sent, and return its number."""
    number = len(log.tests) + 1
    if family is not None and number > family:
        raise ValueError(
            f"{plural(family, 'test')} were declared before the first in {log.path}, and all have "
            "begun: alpha is spent. Continue one of them, or seal another set."
        )
    began = {"what": "began", "test": number, "whom": whom, "family": family}
    began["version"] = _version()
    if outcome:
        began["outcome"] = outcome
    log.append(began)
    return number


def _version() -> str:
    """Return the version of wmlearn; none where these files are used alone."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("wmlearn")
    return ""
