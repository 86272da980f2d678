"""Keep a sealed trigger set in files, and open it again only if nothing in it was changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from wmlearn import commitment
from wmlearn._types import Pixels
from wmlearn.questions import Rules, TriggerSet, seal_triggers

IMAGES, RECORD, KEY = "images.safetensors", "evidence.json", "key.hex"


def save_evidence(marks: TriggerSet, folder: str | Path) -> Path:
    """Save a trigger set: its images, its sealed record, and its key.

    Parameters
    ----------
    marks : the sealed set
    folder : made if it is not there; three files are written into it. `key.hex` is readable by its owner alone: keep it
        secret. Without it the set proves nothing, and whoever has it can answer every question.

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
    record = {
        "header": dict(marks.header),
        "seal": marks.seal,
        "recipe": marks.recipe,
        "names": list(marks.names),
        "digests": [commitment.image_digest(image) for image in marks.pixels],
    }
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    for name, content in ((RECORD, text), (KEY, marks.key.hex() + "\n")):
        if (folder / name).exists() and (folder / name).read_text() != content:
            raise FileExistsError(f"{folder} holds the evidence of another trigger set. Choose another folder.")
    _write_secret(folder / KEY, marks.key.hex() + "\n")  # first: without it the rest is worth nothing
    save_file({"pixels": np.array(marks.pixels), "question": np.array(marks.question)}, folder / IMAGES)
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
    """Open a saved trigger set, after checking that its seal fits: images, names, questions, rules, alpha and key.

    Compare the `seal` of the result with the one that was published: this checks only that the folder is one piece.

    Raises
    ------
    OSError
        If a file is missing or cut short.
    ValueError
        If anything was changed; the error says what.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    try:
        record = json.loads((folder / RECORD).read_text())
        arrays = load_file(folder / IMAGES)
        key = commitment.check_key(bytes.fromhex((folder / KEY).read_text().strip()))
        header, pixels, question = record["header"], arrays["pixels"], arrays["question"]
        rules, names, digests = _rules(header), list(record["names"]), list(record["digests"])
        recipe, sealed = str(record["recipe"]), str(record["seal"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise OSError(
            f"{folder} should hold {IMAGES}, {RECORD} and {KEY} as saved; one is missing or damaged "
            f"({type(error).__name__}). Restore it from a copy."
        ) from None
    _refuse_changed_images(pixels, digests, folder)
    if commitment.seal(header) != sealed:
        raise ValueError(f"a rule in {folder / RECORD} was changed after sealing: the seal does not fit the header.")
    marks = seal_triggers(pixels, question, names, rules=rules, key=key, recipe=recipe)
    if marks.seal != sealed:
        both = sorted({*header, *marks.header})
        changed = [name for name in both if header.get(name, ...) != marks.header.get(name, ...)]
        raise ValueError(
            f"the seal in {folder} does not fit: {', '.join(changed)} differs. The key is another one, or names or "
            "questions were changed. Restore the folder from a copy."
        )
    return marks


def _rules(header: dict) -> Rules:
    fixed = header["labels"] == "fixed"
    chosen = {"fixed": True, "source": header["source"], "target": header["target"]} if fixed else {}
    return Rules(tuple(header["classes"]), float(header["alpha"]), **chosen)


def _refuse_changed_images(pixels: Pixels, digests: list[str], folder: Path) -> None:
    if len(pixels) != len(digests):
        raise ValueError(f"{folder / IMAGES} should hold {len(digests)} images; it holds {len(pixels)}.")
    changed = [i for i, image in enumerate(pixels) if commitment.image_digest(image) != digests[i]]
    if changed:
        raise ValueError(f"image {changed[0]} in {folder / IMAGES} was changed after sealing ({len(changed)} in all).")
