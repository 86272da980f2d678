"""Keep a sealed trigger set in files, reopen it only if nothing was changed, and note its uses."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from wmlearn._checks import check_choice, shown
from wmlearn._display import plural
from wmlearn._types import Pixels
from wmlearn.evidence import commitment
from wmlearn.evidence._files import (
    IMAGE_BYTES,
    RECORD_BYTES,
    SMALL_BYTES,
    check_file,
    read_json,
    read_text,
    readable,
    texts,
)
from wmlearn.evidence.opening import check_named
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import TriggerSet, seal_triggers

IMAGES = "images.safetensors"
RECORD = "evidence.json"
KEY = "key.hex"
LOG = "log.jsonl"
LOCK = "asking.lock"

Deed = Literal["asked", "opened"]

_TYPED, _STORED = "target='random'", "target='lot'"  # in a recipe, and the word that files keep
_PARTS = {
    "header": dict,
    "rules": dict,
    "seal": str,
    "recipe": str,
    "names": list,
    "images": list,
    "questions": list,
}


# ---------------------------------------------------------------- a folder of evidence


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
    ValueError
        If the set is too large to be opened again.
    """
    from safetensors.numpy import save_file

    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise FileExistsError(
            f"evidence is saved in a folder; {folder} is, or lies in, a file. Choose another."
        ) from None
    record = {
        "header": dict(triggers.header),
        "seal": triggers.seal,
        "recipe": triggers.recipe.replace(_TYPED, _STORED),
        "names": triggers.names,
        # The seal says whether anything was changed, these digests say what.
        "images": commitment.image_digests(triggers.pixels),
        "questions": list(map(bytes.hex, triggers.leaves)),
        "rules": rule_digests(triggers.header),
    }
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    if len(text) > RECORD_BYTES or triggers.pixels.nbytes > IMAGE_BYTES:
        raise ValueError(
            f"triggers must fit into {IMAGE_BYTES / 1e6:,.0f} MB of images and "
            f"{RECORD_BYTES / 1e6:,.0f} MB of names and digests to be opened again; got "
            f"{plural(len(triggers), 'image')}. Seal fewer."
        )
    for name, content in ((RECORD, text), (KEY, triggers.key.hex() + "\n")):
        if (folder / name).exists() and (folder / name).read_text() != content:
            raise FileExistsError(
                f"{folder} holds the evidence of another trigger set. Choose another folder."
            )
    _write_secret(folder / KEY, triggers.key.hex() + "\n")  # first: the rest is worth nothing alone
    save_file({"pixels": triggers.pixels, "question": triggers.question}, folder / IMAGES)
    (folder / RECORD).write_text(text)
    return folder


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whatever an older one of that name allowed."""
    with open(path, "w", opener=_for_its_owner) as file:
        path.chmod(0o600)
        file.write(text)


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def open_evidence(folder: str | Path) -> TriggerSet:
    """Open a saved trigger set, if its seal fits: images, names, questions, rules, alpha and key.

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
    with _intact(folder / RECORD):
        record = _record(folder / RECORD)
    with _intact(folder / IMAGES):
        arrays = load_file(check_file(folder / IMAGES, IMAGE_BYTES))
        pixels, question = arrays["pixels"], arrays["question"]
    with _intact(folder / KEY):
        key = commitment.check_key(bytes.fromhex(read_text(folder / KEY, SMALL_BYTES).strip()))
    _refuse_changed_images(pixels, record["images"], folder / IMAGES)
    _refuse_changed_rules(record, folder / RECORD)
    with _intact(folder / RECORD):
        rules = Rules.from_header(record["header"])
    recipe = record["recipe"].replace(_STORED, _TYPED)
    triggers = seal_triggers(pixels, question, record["names"], rules=rules, key=key, recipe=recipe)
    if triggers.seal != record["seal"]:
        raise ValueError(
            f"{_difference(triggers, record)}: the seal in {folder} does not fit. Restore it from "
            "a copy."
        )
    return triggers.made_by(recipe.partition("(")[0])  # the files have no other word for the kind


def _intact(path: Path) -> AbstractContextManager[None]:
    """Say which file of the evidence is not as it was saved, if it cannot be read."""
    expected = (
        f"{path} should be as wm.evidence.save_evidence wrote it; it is missing, unreadable or "
        "damaged"
    )
    return readable(expected, "Restore it from a copy.")


def _record(path: Path) -> dict[str, Any]:
    """Return the saved record, if each of its parts is there."""
    record: dict[str, Any] = read_json(path, RECORD_BYTES)
    if {part: type(record[part]) for part in _PARTS} != _PARTS:
        raise TypeError("a part of the record is of another type")
    for part in ("names", "images", "questions"):
        texts(record[part])
    texts(record["header"]["classes"])
    commitment.canonical(record["header"])  # refuses what has no digest
    return record


def rule_digests(header: commitment.Header) -> dict[str, str]:
    """Return the digest of every sealed rule, by its name."""
    return {rule: commitment.seal({rule: value}) for rule, value in header.items()}


def _refuse_changed_images(pixels: Pixels, sealed: list[str], path: Path) -> None:
    digests = commitment.image_digests(pixels)
    if digests == sealed:
        return
    difference = "it does not"
    changed = _changed(digests, sealed)
    if changed:
        difference = f"image {changed[0]} was changed after sealing ({len(changed)} in all)"
    raise ValueError(
        f"{path} must hold the {len(sealed)} sealed images; {difference}. Restore it from a copy."
    )


def _refuse_changed_rules(record: dict[str, Any], path: Path) -> None:
    changed = _differing(rule_digests(record["header"]), record["rules"])
    if changed or commitment.seal(record["header"]) != record["seal"]:
        what = ", ".join(changed) or "the seal"
        raise ValueError(f"{what} in {path} was changed after sealing. Restore it from a copy.")


def _difference(triggers: TriggerSet, record: dict[str, Any]) -> str:
    """Say in what a set differs from its saved record, whose rules and images are in order."""
    changed = _changed(map(bytes.hex, triggers.leaves), record["questions"])
    if changed and len(changed) < triggers.n:
        return f"question {changed[0]} ({triggers.names[changed[0]]}) was changed"
    differing = _differing(rule_digests(record["header"]), rule_digests(triggers.header))
    rules = ", ".join(differing)
    return f"{rules} differs, so that the key is another one, or all of it was sealed anew"


def _changed(now: Iterable[str], then: Iterable[str]) -> list[int]:
    """Return the places at which two lists of digests differ."""
    return [place for place, (one, other) in enumerate(zip(now, then)) if one != other]


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """Return the names under which two records hold something else, or one of them nothing."""
    return [name for name in sorted({*one, *other}) if one.get(name, ...) != other.get(name, ...)]


# ---------------------------------------------------------------- the burn log


class Use(NamedTuple):
    """One line of the burn log: what was done with which questions, with whom, and when (UTC)."""

    what: Deed
    questions: tuple[int, ...]
    whom: str
    when: str


def log_use(folder: str | Path, what: Deed, questions: Sequence[int], *, whom: str) -> None:
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
    check_choice(what, "what", get_args(Deed))
    if not isinstance(whom, str) or not whom.strip():
        raise TypeError(
            f"whom must say in words who was asked or shown; got {shown(whom)}. Name them."
        )
    _, last, count = _log(Path(folder))
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    use = Use(what, check_named(questions, count), whom, now)
    line = commitment.canonical(use._asdict() | {"after": last})
    with (Path(folder) / LOG).open("ab") as file:
        file.write(line + b"\n")


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
            "until that has ended; if it was cut off, delete the file."
        ) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def read_log(folder: str | Path) -> tuple[Use, ...]:
    """Return the burn log, if no line was changed, left out or put in between.

    Each line holds the hash of the one before, the first one that of the seal. Lines cut off at the
    end leave no trace: whoever wants to rule that out tells somebody the last line.

    Raises
    ------
    FileNotFoundError, OSError
        If the folder holds no evidence.
    ValueError
        If the log was changed; the error says in which line.
    """
    uses, _, _ = _log(Path(folder))
    return tuple(uses)


def _log(folder: Path) -> tuple[list[Use], str, int]:
    """Return what was noted, the hash that a next line must hold, and how many questions exist."""
    expected = (
        f"{folder} should hold evidence as wm.evidence.save_evidence leaves it; {RECORD} is "
        "missing or damaged"
    )
    with readable(expected, "Give the folder it was saved in."):
        record = json.loads((folder / RECORD).read_text())
        last, count = _line_hash(str(record["seal"])), int(record["header"]["questions"])
    path = folder / LOG
    uses: list[Use] = []
    if not path.exists():
        return uses, last, count
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            uses.append(_use(line, last))
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"line {number} of {path} does not follow from the one before: the log was changed "
                "there. Restore it."
            ) from None
        last = _line_hash(line)
    return uses, last, count


def _line_hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _use(line: str, after: str) -> Use:
    """Return what a line notes, if it holds the hash of the one before."""
    entry = json.loads(line)
    if entry["after"] != after or entry["what"] not in get_args(Deed):
        raise ValueError("another line was there")
    return Use(entry["what"], tuple(entry["questions"]), entry["whom"], entry["when"])
