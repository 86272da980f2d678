"""Keep a sealed trigger set in files, open it again only if nothing in it was changed, and note
what was used of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from wmlearn._checks import check_choice, file_error, shown
from wmlearn._types import Pixels
from wmlearn.evidence import commitment
from wmlearn.evidence.opening import check_named
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import TriggerSet, leaves_of, seal_triggers

T = TypeVar("T")

IMAGES, RECORD, KEY, LOG, LOCK = (
    "images.safetensors",
    "evidence.json",
    "key.hex",
    "log.jsonl",
    "asking.lock",
)
_STORED_RECIPE = (
    "target='random'",
    "target='lot'",
)  # what is typed now, and the word that files keep


def save_evidence(triggers: TriggerSet, folder: str | Path) -> Path:
    """Save a trigger set: its images, its sealed record, and its key.

    Parameters
    ----------
    triggers : the sealed set
    folder : made if it is not there; three files are written into it. `key.hex` is readable by its
        owner alone: keep it secret. Without it the set proves nothing, and whoever has it can
        answer every question.

    Returns
    -------
    Path of the folder

    Raises
    ------
    FileExistsError
        If the folder holds another trigger set, or is a file.
    """
    from safetensors.numpy import save_file

    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise FileExistsError(
            f"evidence is saved in a folder; {folder} is, or lies in, a file. Choose another."
        ) from None
    digests = [commitment.image_digest(image) for image in triggers.pixels]
    record = {
        "header": dict(triggers.header),
        "seal": triggers.seal,
        "recipe": triggers.recipe.replace(*_STORED_RECIPE),
        "names": list(triggers.names),
        # The seal says whether anything was changed, these digests say what.
        "images": digests,
        "questions": _leaves(digests, triggers),
        "rules": {rule: _digest(triggers.header, rule) for rule in triggers.header},
    }
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    for name, content in ((RECORD, text), (KEY, triggers.key.hex() + "\n")):
        if (folder / name).exists() and (folder / name).read_text() != content:
            raise FileExistsError(
                f"{folder} holds the evidence of another trigger set. Choose another folder."
            )
    _write_secret(
        folder / KEY, triggers.key.hex() + "\n"
    )  # first: without it the rest is worth nothing
    save_file(
        {"pixels": np.array(triggers.pixels), "question": np.array(triggers.question)},
        folder / IMAGES,
    )
    (folder / RECORD).write_text(text)
    return folder


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whatever an older one of that name allowed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def open_evidence(folder: str | Path) -> TriggerSet:
    """Open a saved trigger set, after checking that its seal fits: images, names, questions, rules,
    alpha and key.

    Compare the `seal` of the result with the one that was published: this checks only that the
    folder is one piece.

    Raises
    ------
    FileNotFoundError, OSError
        If a file is missing, unreadable or cut short; the error says which.
    ValueError
        If anything was changed; the error says what.
    """
    from safetensors.numpy import load_file

    folder = Path(folder)
    record = _read(folder / RECORD, _record)
    arrays = _read(
        folder / IMAGES,
        lambda path: {name: load_file(path)[name] for name in ("pixels", "question")},
    )
    key = _read(
        folder / KEY, lambda path: commitment.check_key(bytes.fromhex(path.read_text().strip()))
    )
    _refuse_changed_images(arrays["pixels"], record["images"], folder)
    _refuse_changed_rules(record, folder)
    rules = _read(folder / RECORD, lambda _: Rules.from_header(record["header"]))
    names, recipe = record["names"], record["recipe"].replace(*reversed(_STORED_RECIPE))
    triggers = seal_triggers(
        arrays["pixels"], arrays["question"], names, rules=rules, key=key, recipe=recipe
    )
    if triggers.seal != record["seal"]:
        raise ValueError(
            f"{_difference(triggers, record)}: the seal in {folder} does not fit. Restore it from "
            "a copy."
        )
    return triggers.made_by(recipe.partition("(")[0])  # the files have no other word for the kind


def _read(path: Path, read: Callable[[Path], T]) -> T:
    """Return what is read from a file of the evidence, or say which one is not as it was saved."""
    from safetensors import SafetensorError

    try:
        return read(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise file_error(
            error,
            f"{path} should be as wm.evidence.save_evidence wrote it; it is missing, unreadable or "
            "damaged "
            f"({type(error).__name__}). Restore it from a copy.",
        ) from None


def _record(path: Path) -> dict[str, Any]:
    """Return the saved record, if each of its parts is there."""
    record = json.loads(path.read_text())
    lists = dict.fromkeys(("names", "images", "questions"), list)
    for part, kind in ({"header": dict, "rules": dict, "seal": str, "recipe": str} | lists).items():
        if not isinstance(record[part], kind):
            raise TypeError(f"{part} must be a {kind.__name__}")
    commitment.canonical(record["header"])  # refuses what has no digest
    return record


def _digest(header: Mapping[str, object], rule: str) -> str:
    return hashlib.sha256(commitment.canonical({rule: header.get(rule)})).hexdigest()


def _leaves(digests: Sequence[str], triggers: TriggerSet) -> list[str]:
    _, leaves = leaves_of(
        digests, triggers.question, triggers.names, rules=triggers.rules, key=triggers.key
    )
    return [leaf.hex() for leaf in leaves]


def _refuse_changed_images(pixels: Pixels, digests: list[str], folder: Path) -> None:
    changed = [
        i
        for i, (image, then) in enumerate(zip(pixels, digests))
        if commitment.image_digest(image) != then
    ]
    if changed or len(pixels) != len(digests):
        difference = (
            f"image {changed[0]} was changed after sealing ({len(changed)} in all)"
            if changed
            else "it does not"
        )
        raise ValueError(
            f"{folder / IMAGES} must hold the {len(digests)} sealed images; {difference}. Restore "
            "it from a copy."
        )


def _refuse_changed_rules(record: dict[str, Any], folder: Path) -> None:
    header, digests = record["header"], record["rules"]
    changed = [
        rule for rule in sorted({*header, *digests}) if _digest(header, rule) != digests.get(rule)
    ]
    if changed or commitment.seal(header) != record["seal"]:
        what = ", ".join(changed) or "the seal"
        raise ValueError(
            f"{what} in {folder / RECORD} was changed after sealing. Restore it from a copy."
        )


def _difference(triggers: TriggerSet, record: dict[str, Any]) -> str:
    """Say in what a set differs from its saved record, whose rules and images are in order as such."""
    pairs = zip(_leaves(record["images"], triggers), record["questions"])
    changed = [question for question, (now, then) in enumerate(pairs) if now != then]
    if changed and len(changed) < triggers.n:
        return f"question {changed[0]} ({triggers.names[changed[0]]}) was changed"
    header = record["header"]
    rules = [
        rule
        for rule in sorted({*header, *triggers.header})
        if header.get(rule, ...) != triggers.header.get(rule, ...)
    ]
    return (
        f"{', '.join(rules)} differs, so that the key is another one, or all of it was sealed anew"
    )


class Use(NamedTuple):
    """One line of the burn log: which questions were asked of whom, or opened to whom, and when
    (UTC).
    """

    what: Literal["asked", "opened"]
    questions: tuple[int, ...]
    whom: str
    when: str


def log_use(
    folder: str | Path, what: Literal["asked", "opened"], questions: Sequence[int], *, whom: str
) -> None:
    """Note in the burn log that questions were asked of a service, or opened to somebody.

    What was *opened* is burnt: its answers are known, so it says nothing of a model that was
    changed later. What was only *asked* stays good, but the same service asked again is no second
    witness.

    Parameters
    ----------
    folder : where `save_evidence` put the set
    what : "asked" or "opened"
    questions : their numbers, counted from 0 in sealed order
    whom : the service that was asked, or who was shown the questions

    Raises
    ------
    FileNotFoundError, OSError
        If the folder holds no evidence.
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
    check_choice(what, "what", ("asked", "opened"))
    if not isinstance(whom, str) or not whom.strip():
        raise TypeError(
            f"whom must say in words who was asked or shown; got {shown(whom)}. Name them."
        )
    lines, count = _log_lines(Path(folder))
    use = Use(
        what,
        check_named(questions, count),
        whom,
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    line = commitment.canonical(use._asdict() | {"after": _line_hash(lines[-1])}).decode()
    with (Path(folder) / LOG).open("a", encoding="ascii", newline="\n") as file:
        file.write(line + "\n")


@contextmanager
def exclusive(folder: str | Path) -> Iterator[None]:
    """Keep other tests from asking meanwhile: two at once would take the same place in the family.

    Raises
    ------
    OSError
        If another test is asking.
    """
    lock = Path(folder) / LOCK
    try:
        lock.open("x").close()
    except FileExistsError:
        raise OSError(
            f"one test at a time may ask these questions, and {lock} stands for another. Wait "
            "until that has ended; "
            "if it was cut off, delete the file."
        ) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def read_log(folder: str | Path) -> tuple[Use, ...]:
    """Return the burn log, after checking that no line was changed, left out or put in between.

    Each line holds the hash of the one before, the first one that of the seal. Lines cut off at the
    end leave no trace: whoever wants to rule that out tells somebody the last line.

    Raises
    ------
    FileNotFoundError, OSError
        If the folder holds no evidence.
    ValueError
        If the log was changed; the error says in which line.
    """
    lines, _ = _log_lines(Path(folder))
    return tuple(_use(line) for line in lines[1:])


def _log_lines(folder: Path) -> tuple[list[str], int]:
    """Return the seal and the lines of the log, each checked against the one before; and how many
    questions exist.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
        lines, count = [str(record["seal"])], int(record["header"]["questions"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise file_error(
            error,
            f"{folder} should hold evidence as wm.evidence.save_evidence leaves it; {RECORD} is "
            "missing or damaged "
            f"({type(error).__name__}). Give the folder it was saved in.",
        ) from None
    log = folder / LOG
    for number, line in enumerate(log.read_text().splitlines() if log.exists() else [], start=1):
        try:
            whole = json.loads(line)["after"] == _line_hash(lines[-1]) and _use(line).what in (
                "asked",
                "opened",
            )
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            raise ValueError(
                f"line {number} of {log} does not follow from the one before: the log was changed "
                "there. Restore it."
            )
        lines.append(line)
    return lines, count


def _line_hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _use(line: str) -> Use:
    entry = json.loads(line)
    return Use(entry["what"], tuple(entry["questions"]), entry["whom"], entry["when"])
