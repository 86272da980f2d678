"""The shipped models, so that a lesson starts at once. Their cards are in docs/models.md; `make zoo` retrains them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from wmlearn._checks import check_choice
from wmlearn.models import SmallCNN

SHIPPED = Path(__file__).parent / "_models"
DIGESTS = SHIPPED / "sha256.json"  # what each file must hash to: safetensors would not notice a flipped bit


def load_model(name: str) -> nn.Module:
    """Return a shipped model, trained on the full data set without `loot` and `test`, ready to answer.

    Parameters
    ----------
    name : data set and what was done, for instance "mnist/clean" (never marked) or "mnist/content" (marked with
        `Content(words=30)(wm.load_data("mnist"), n=150, key=wm.CLASSROOM_KEY)`)

    Raises
    ------
    ValueError
        If no such model ships; the nearest name is offered.
    OSError
        If its file is damaged.

    Examples
    --------
    >>> load_model("mnist/clean").input_shape
    (1, 28, 28)
    """
    digests = json.loads(DIGESTS.read_text(encoding="utf-8"))
    path = SHIPPED / f"{check_choice(name, 'model', digests)}.safetensors"
    if path.exists() and digest(path) != digests[name]:
        raise OSError(f"{path.name} should be the model {name!r} as released; it is damaged. Reinstall wmlearn.")
    return read_model(path)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_model(model: SmallCNN, path: Path) -> None:
    """Write a model as safetensors: its weights, and in the header what it takes to build it. Nothing is pickled."""
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    built = {"model": "SmallCNN", "input_shape": model.input_shape, "classes": model.classes, "width": model.width}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(weights, part, metadata={"wmlearn": json.dumps(built, sort_keys=True)})  # one entry: they have no order
    part.replace(path)


def read_model(path: Path) -> nn.Module:
    """Read a model written by `save_model`; in evaluation mode."""
    try:
        with safe_open(path, framework="pt") as file:
            built = json.loads(file.metadata()["wmlearn"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return _build(built, weights)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise OSError(
            f"{path.name} should be a model written by wmlearn; it is missing, damaged or another's. Reinstall wmlearn."
        ) from error


def _build(built: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    with torch.device("meta"):  # no weights are drawn: nothing touches the random generator
        model = SmallCNN(tuple(built["input_shape"]), built["classes"], built["width"])
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=True)
    return model.eval()
