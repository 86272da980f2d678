"""Saving a sealed trigger set in files, and opening it again only if nothing was changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from wmlearn._checks import check_kind, shown
from wmlearn._display import plural
from wmlearn._files import (
    IMAGE_BYTES,
    RECORD_BYTES,
    SMALL_BYTES,
    check_file,
    locked,
    made_folder,
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

_TYPED, _STORED = "target='random'", "target='lot'"  # in recipes, and the old word in files
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
    """Save a trigger set to a folder: its images, its sealed record, and its key.

    Parameters
    ----------
    triggers : the sealed set, with labels drawn or still to be drawn
    folder : the folder for three files, made if it does not exist. Keep `key.hex` secret, which
        only its owner can read: without it the set proves nothing, and anyone who has it can answer
        every question

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    TypeError
        If `triggers` is no sealed set; a tilt is saved by `save_tilt`.
    FileExistsError
        If the folder holds another trigger set or its images, or is a file.
    ValueError
        If the set is too large to be opened again.

    Warns
    -----
    UserWarning
        If others can read the key, because the folder keeps no access rights.
    """
    from safetensors.numpy import save

    kind = "such as wm.Content()(data, n=300) makes; a tilt is saved by wm.evidence.save_tilt"
    check_kind(triggers, "triggers", Sealed, kind)
    folder = made_folder(folder)
    record = {
        "header": dict(triggers.header),
        "seal": triggers.seal,
        "recipe": triggers.recipe.replace(_TYPED, _STORED),
        "names": triggers.names,
        # The seal shows whether anything was changed, these digests show what.
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
    files = {  # the key first, as the rest is useless without it; the record last, to complete it
        KEY: commitment.Secret(f"{triggers.key.hex()}\n".encode()),
        IMAGES: save(arrays),
        RECORD: text.encode(),
    }
    with locked(folder / LOCK):  # of two simultaneous saves, the second finds the first
        _refuse_others(folder, files)
        for name, content in files.items():
            with whole(folder / name, secret=name == KEY) as file:
                file.write(content)
    return folder


def _refuse_others(folder: Path, files: Mapping[str, bytes]) -> None:
    """Refuse to overwrite files of another set, or of somebody else."""
    recorded = (folder / RECORD).exists()
    for name, content in files.items():
        path = folder / name
        if not path.exists() or (recorded and name == IMAGES):
            continue  # beside the record of this very set they are its own images, perhaps damaged
        kept = commitment.Secret(path.read_bytes())
        # a full disk leaves an empty file; Windows may change line ends
        if kept and content not in (kept, kept.replace(b"\r\n", b"\n")):
            raise FileExistsError(
                f"{path} should belong to this trigger set; it does not. Choose another folder."
            )


def open_sealed(folder: str | Path) -> Sealed:
    """Return a saved set without drawing its labels; raise the errors of `open_evidence`."""
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
    # the files store the kind only in the recipe
    sealed = triggers.with_clean(clean_of(arrays)).made_by(recipe.partition("(")[0])
    return replace(sealed, read=True)


def open_evidence(folder: str | Path, outcome: str = "") -> TriggerSet:
    """Return a saved trigger set after checking images, names, rules and key against its seal.

    Compare the `seal` of the result with the published one: this function checks only that the
    files of the folder belong together.

    Parameters
    ----------
    folder : the folder that `save_evidence` wrote
    outcome : the outcome of the public draw that the seal names, if it was not saved with the set

    Raises
    ------
    FileNotFoundError, OSError
        If a file is missing, unreadable or damaged; the error says which.
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
    """Name the file of the evidence, and the next step, if it cannot be read inside the block."""
    expected = f"{path} should be as wm.evidence.save_evidence wrote it"
    return readable(expected, "Restore it from a copy.")


def _record(path: Path) -> dict[str, Any]:
    """Return the saved record, if it has all parts, each of the right type."""
    record: dict[str, Any] = read_json(path, RECORD_BYTES)
    if {part: type(record[part]) for part in _PARTS} != _PARTS:
        raise TypeError("a part of the record is of another type")
    for part in ("names", "images", "questions"):
        texts(record[part])
    texts([record.get("outcome", "")])
    texts(record["header"]["classes"])
    commitment.canonical(record["header"])  # refuses values without a digest
    if not record["recipe"].isprintable():
        raise ValueError("the recipe is not a line of text")
    return record


def rule_digests(header: commitment.Header) -> dict[str, str]:
    """Return the digest of every sealed rule, by its name."""
    return {rule: commitment.seal({rule: value}) for rule, value in header.items()}


def _refuse_changed_images(pixels: Pixels, sealed: list[str], path: Path) -> None:
    digests = commitment.image_digests(pixels)
    if digests == sealed:
        return
    difference = "it holds more, or fewer"
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
    """Return in words how a set differs from its saved record, whose rules and images are right."""
    changed = _changed(map(bytes.hex, triggers.leaves), record["questions"])
    if changed and len(changed) < len(triggers.names):
        return f"question {changed[0]} ({triggers.names[changed[0]]}) was changed"
    differing = _differing(rule_digests(record["header"]), rule_digests(triggers.header))
    rules = ", ".join(differing)
    return f"{rules} differs, so the key is another one, or everything was sealed again"


def _changed(now: Iterable[str], then: Iterable[str]) -> list[int]:
    """Return the positions at which two lists of digests differ."""
    return [place for place, (one, other) in enumerate(zip(now, then)) if one != other]


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """Return the names whose values differ between two records, or are missing in one."""
    return [name for name in sorted({*one, *other}) if one.get(name, ...) != other.get(name, ...)]
