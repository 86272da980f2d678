"""Keep a sealed trigger set in files, and reopen it only if nothing was changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from wmlearn._checks import shown
from wmlearn._display import plural
from wmlearn._files import (
    IMAGE_BYTES,
    RECORD_BYTES,
    SMALL_BYTES,
    check_file,
    locked,
    read_json,
    read_text,
    readable,
    texts,
    whole,
)
from wmlearn._types import Pixels
from wmlearn.evidence import commitment
from wmlearn.evidence.calibration import clean_arrays, clean_of
from wmlearn.evidence.log import LOCK, RECORD, check_folder
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import Sealed, TriggerSet, seal_triggers

IMAGES = "images.safetensors"
KEY = "key.hex"

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


def save_evidence(triggers: Sealed, folder: str | Path) -> Path:
    """Save a trigger set: its images, its sealed record, and its key.

    Parameters
    ----------
    triggers : the sealed set, its labels drawn or still to be drawn
    folder : made if it is not there; three files are written into it. `key.hex` is readable by its
        owner alone: keep it secret. Without it the set proves nothing, and whoever has it can
        answer every question.

    Returns
    -------
    Path of the folder

    Raises
    ------
    FileExistsError
        If the folder holds another trigger set or another's images, or is a file.
    ValueError
        If the set is too large to be opened again.

    Warns
    -----
    UserWarning
        If others can read the key: some shares keep no access rights.
    """
    from safetensors.numpy import save

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
    if isinstance(triggers, TriggerSet) and triggers.outcome:
        record["outcome"] = triggers.outcome
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    if len(text) > RECORD_BYTES or triggers.pixels.nbytes > IMAGE_BYTES:
        raise ValueError(
            f"triggers must fit into {IMAGE_BYTES / 1e6:,.0f} MB of images and "
            f"{RECORD_BYTES / 1e6:,.0f} MB of names and digests to be opened again; got "
            f"{plural(len(triggers.pixels), 'image')}. Seal fewer."
        )
    arrays = clean_arrays(triggers.clean)
    arrays |= {"pixels": triggers.pixels, "question": triggers.question}
    files = {  # the key first: the rest is worth nothing alone; the record last: then all is there
        KEY: commitment.Secret(f"{triggers.key.hex()}\n".encode()),
        IMAGES: save(arrays),
        RECORD: text.encode(),
    }
    with locked(folder / LOCK):  # of two who save at once, one finds what the other has saved
        _refuse_others(folder, files)
        for name, content in files.items():
            with whole(folder / name, secret=name == KEY) as file:
                file.write(content)
    return folder


def _refuse_others(folder: Path, files: Mapping[str, bytes]) -> None:
    """Refuse to write over what another set, or somebody else, has put into a folder."""
    recorded = (folder / RECORD).exists()
    for name, content in files.items():
        path = folder / name
        if not path.exists() or (recorded and name == IMAGES):
            continue  # what lies beside the record of this very set is its own, damaged perhaps
        kept = commitment.Secret(path.read_bytes())
        # nothing is left of what was saved on a full disk; Windows may end lines in its own way
        if kept and content not in (kept, kept.replace(b"\r\n", b"\n")):
            raise FileExistsError(f"{path} is not of this trigger set. Choose another folder.")


def open_sealed(folder: str | Path) -> Sealed:
    """Open what was saved and sealed; its labels are not drawn.

    Raises what `open_evidence` raises.
    """
    from safetensors.numpy import load_file

    folder = check_folder(folder)
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
    # the files have no other word for the kind
    sealed = triggers.with_clean(clean_of(arrays)).made_by(recipe.partition("(")[0])
    return replace(sealed, read=True)


def open_evidence(folder: str | Path, outcome: str = "") -> TriggerSet:
    """Open a saved trigger set, if its seal fits: images, names, questions, rules, alpha and key.

    Compare the `seal` of the result with the one that was published: this checks only that the
    folder is one piece.

    Parameters
    ----------
    folder : where `save_evidence` put it
    outcome : that of the public draw which was sealed by name, if it was not saved along

    Raises
    ------
    FileNotFoundError, OSError
        If a file is missing, unreadable or cut short; the error says which.
    ValueError
        If anything was changed; the error says what.
    """
    sealed = open_sealed(folder)
    saved = _record(Path(folder) / RECORD).get("outcome", "")
    if outcome and saved and outcome != saved:
        raise ValueError(
            f"outcome must be the saved one, {shown(saved)}; got {shown(outcome)}. Leave it out."
        )
    return sealed.draw(outcome or saved)


def _intact(path: Path) -> AbstractContextManager[None]:
    """Say which file of the evidence is not as it was saved, if it cannot be read."""
    expected = f"{path} should be as wm.evidence.save_evidence wrote it"
    return readable(expected, "Restore it from a copy.")


def _record(path: Path) -> dict[str, Any]:
    """Return the saved record, if each of its parts is there."""
    record: dict[str, Any] = read_json(path, RECORD_BYTES)
    if {part: type(record[part]) for part in _PARTS} != _PARTS:
        raise TypeError("a part of the record is of another type")
    for part in ("names", "images", "questions"):
        texts(record[part])
    texts([record.get("outcome", "")])
    texts(record["header"]["classes"])
    commitment.canonical(record["header"])  # refuses what has no digest
    if not record["recipe"].isprintable():
        raise ValueError("the recipe is no line of text")
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


def _difference(triggers: Sealed, record: dict[str, Any]) -> str:
    """Say in what a set differs from its saved record, whose rules and images are in order."""
    changed = _changed(map(bytes.hex, triggers.leaves), record["questions"])
    if changed and len(changed) < len(triggers.names):
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
