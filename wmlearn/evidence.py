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
        If the folder holds another trigger set.
    """
    from safetensors.numpy import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "header": dict(marks.header),
        "seal": marks.seal,
        "recipe": marks.recipe,
        "names": list(marks.names),
        "digests": [commitment.image_digest(image) for image in marks.pixels],
    }
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    if (folder / RECORD).exists() and (folder / RECORD).read_text() != text:
        raise FileExistsError(f"{folder} holds the evidence of another trigger set. Choose another folder.")
    save_file({"pixels": np.array(marks.pixels), "question": np.array(marks.question)}, folder / IMAGES)
    (folder / RECORD).write_text(text)
    descriptor = os.open(folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(marks.key.hex() + "\n")
    return folder


def open_evidence(folder: str | Path) -> TriggerSet:
    """Open a saved trigger set, after checking that its seal still fits: images, questions, rules, alpha and key.

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
        rules = _rules(header)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise OSError(
            f"{folder} should hold {IMAGES}, {RECORD} and {KEY} as saved; one is missing or damaged "
            f"({type(error).__name__}). Restore it from a copy."
        ) from None
    _refuse_changed_images(pixels, record["digests"], folder)
    if commitment.seal(header) != record["seal"]:
        raise ValueError(f"a rule in {folder / RECORD} was changed after sealing: the seal does not fit the header.")
    marks = seal_triggers(pixels, question, record["names"], rules=rules, key=key, recipe=record["recipe"])
    changed = [name for name in header if header[name] != marks.header.get(name)]
    if changed:
        raise ValueError(
            f"the seal in {folder} does not fit: {', '.join(changed)} differs. Either the key is another one, or the "
            "order of the questions was changed. Restore the folder from a copy."
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
