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

from wmlearn._checks import check_choice, check_count
from wmlearn.models import DeepCNN, SmallCNN

SHIPPED = Path(__file__).parent / "_models"
DIGESTS = SHIPPED / "sha256.json"  # what each file must hash to: safetensors would not notice a flipped bit
KINDS = {"SmallCNN": SmallCNN, "DeepCNN": DeepCNN}
BUILT_FROM = ("input_shape", "classes", "width")


def load_model(name: str) -> nn.Module:
    """Return a shipped model, trained on the full data set without `loot` and `test`, ready to answer.

    Parameters
    ----------
    name : data set and what was done, for instance "mnist/clean" (never marked) or "mnist/content" (marked with
        `Content(words=30)(wm.load_data("mnist"), n=150, key=wm.CLASSROOM_KEY)`); with "-fixed", the paper's way (marked
        with `Content(labels="fixed")(wm.load_data("mnist"), n=150, key=wm.CLASSROOM_KEY)`)

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
    digests = _released()
    path = SHIPPED / f"{check_choice(name, 'model', digests)}.safetensors"
    if path.exists() and digest(path) != digests[name]:
        raise OSError(f"{path.name} should be the model {name!r} as released; it is damaged. Reinstall wmlearn.")
    return read_model(path)


def null_models(name: str, *, n: int | None = None) -> list[nn.Module]:
    """Return models of the same task that were never marked: what they answer to a trigger is what innocents answer.

    They differ in seed, in which half of the training part they saw, and in architecture, in turn; accuracies and
    seeds are in docs/results/zoo.csv. Nothing may be chosen by their answers, or they are no witnesses any more.

    Parameters
    ----------
    name : the data set, for instance "mnist"
    n : how many, at most as many as ship; all of them when left out

    Raises
    ------
    ValueError
        If none ship for that data set, or fewer than asked for.

    Examples
    --------
    >>> len(null_models("mnist", n=3))
    3
    """
    shipped = sorted(each for each in _released() if "/null-" in each)
    check_choice(name, "name", sorted({each.partition("/")[0] for each in shipped}))
    of_task = [each for each in shipped if each.startswith(f"{name}/")]
    if n is not None:
        check_count(n, "n", low=1, high=len(of_task), why=f"{len(of_task)} null models ship for {name}")
    return [load_model(each) for each in of_task[:n]]


def _released() -> dict[str, str]:
    """Return the SHA-256 of every shipped model file, by the model's name."""
    return json.loads(DIGESTS.read_text(encoding="utf-8"))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_model(model: SmallCNN | DeepCNN, path: Path, *, half: bool = False) -> None:
    """Write a model as safetensors: its weights, and in the header what it takes to build it. Nothing is pickled.

    Parameters
    ----------
    model, path : what to write, and where
    half : keep 16 bits of each weight instead of 32: half the size, and hardly ever another answer
    """
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if half:
        weights = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    built = {"model": type(model).__name__, **{name: getattr(model, name) for name in BUILT_FROM}}
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
        model = KINDS[built["model"]](*(built[name] for name in BUILT_FROM))
    single = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    model.load_state_dict(single, assign=True)
    return model.eval()
