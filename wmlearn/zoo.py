"""The shipped models, so that a lesson starts at once.

Their cards are in docs/models.md; `make zoo` retrains them.
"""

import hashlib
import json
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from wmlearn._checks import check_choice, check_count, file_error
from wmlearn._forms import foreign
from wmlearn._random import stable_rng
from wmlearn.data import _published
from wmlearn.data._sources import short
from wmlearn.data.splits import Splits, load_data
from wmlearn.evidence._files import parse_json
from wmlearn.training.loop import TensorData, run, train
from wmlearn.training.models import DeepCNN, SmallCNN, deep_cnn, small_cnn
from wmlearn.training.schedule import Schedule

SHIPPED = Path(__file__).parent / "_models"
DIGESTS = SHIPPED / "sha256.json"  # of each file: safetensors would not notice a flipped bit
KINDS = {"SmallCNN": SmallCNN, "DeepCNN": DeepCNN}
REWRITE = (
    "Load it where you trust it, and write it by wmlearn.zoo.save_model; or serve it from Python, "
    "wm.serve(model)."
)
MOST_NULLS = 1000  # fixed labels at alpha = 0.001 take 999

# How null models are trained on demand; change FOLDER with the others.
ON_DEMAND = {"mnist": 8, "cifar10": 16}  # widths
SCHEDULE = Schedule(epochs=6, max_lr=7e-3, batch_size=32)
FOLDER = "nulls-2"  # in the folder of the full data


def load_model(name: str) -> nn.Module:
    """Return a shipped model, trained on the full data without `loot` and `test`, ready to answer.

    Parameters
    ----------
    name : data set and what was done, for instance "mnist/clean" (never marked) or "mnist/content"
        (marked with `Content(words=30)(wm.load_data("mnist"), n=150, key=wm.CLASSROOM_KEY)`); with
        "-fixed", the paper's way (marked with `Content(labels="fixed")(wm.load_data("mnist"),
        n=150, key=wm.CLASSROOM_KEY)`)

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
    known = not isinstance(name, str) or any(each.startswith(name) for each in digests)
    kind = "" if known else foreign(name)
    if kind:
        raise ValueError(
            f"model must be the name of one that ships; got {name!r}, {kind}. {REWRITE}"
        )
    path = SHIPPED / f"{check_choice(name, 'model', digests)}.safetensors"
    if path.exists() and digest(path) != digests[name]:
        raise OSError(
            f"{path.name} should be the model {name!r} as released; it is damaged. Reinstall "
            "wmlearn."
        )
    return read_model(path)


def null_models(name: str, *, n: int | None = None) -> list[nn.Module]:
    """Return models of a task that were never marked: they answer a trigger as innocents do.

    They differ in seed, in which half of the training part they saw, and in architecture, in turn.
    Those that ship saw the full data; their seeds and accuracies are in docs/results/zoo.csv. Asked
    for more, the rest is trained on halves of the *mini* data and kept in `$WMLEARN_DATA` (default:
    your cache folder): a few seconds each, the first time. These saw fewer images and do their task
    less well: a group of their own, not exchangeable with those that ship unless you can say why.
    Nothing may be chosen by their answers, or they are no witnesses any more.

    Parameters
    ----------
    name : the data set, for instance "mnist"
    n : how many, at most 1000; all that ship when left out. The first are always the same

    Raises
    ------
    ValueError
        If none ship for that data set, or `n` is not in 1 .. 1000.
    OSError
        If a shipped file is damaged, or what was trained cannot be kept.

    Examples
    --------
    >>> len(null_models("mnist", n=3))
    3
    """
    check_choice(name, "name", sorted(ON_DEMAND))
    shipped = sorted(each for each in _released() if each.startswith(f"{name}/null-"))
    if n is None:
        n = len(shipped)
    check_count(n, "n", low=1, high=MOST_NULLS, why="999 are enough for alpha = 0.001")
    return [*map(load_model, shipped[:n]), *_on_demand(name, range(len(shipped), n))]


def _on_demand(name: str, wanted: range) -> list[nn.Module]:
    """Return null models by number: those kept from before, and the missing ones trained."""
    folder = _published.data_folder() / FOLDER / name
    missing = [i for i in wanted if not _kept(folder, i)]
    if missing and run(_train(name, missing, folder), len(missing) * SCHEDULE.epochs, dict).stopped:
        raise KeyboardInterrupt  # what is complete is kept
    return [read_model(path) for i in wanted for path in _kept(folder, i)]


def _train(name: str, missing: list[int], folder: Path) -> Iterator[float]:
    """Train null models by number and keep them: an epoch for each loss asked for."""
    data = load_data(name)
    for i in missing:
        half = halved(data, i % 2)
        make = deep_cnn if i % 4 > 1 else small_cnn
        seed = 100 + i
        model = make(half, width=ON_DEMAND[name], seed=seed)
        batch_size = SCHEDULE.batch_size
        steps = train(
            model, TensorData(half.train), rate=SCHEDULE, seed=seed, batch_size=batch_size
        )
        yield from islice(steps, SCHEDULE.epochs)
        _keep(model, folder, i)


def halved(data: Splits, half: int) -> Splits:
    """Return a task with one half (0 or 1) of its training images: disjoint, and equally large."""
    order = stable_rng(0).permutation(len(data.train))[: len(data.train) // 2 * 2]
    return replace(data, train=data.train.take(np.sort(order[half::2])))


def _keep(model: SmallCNN | DeepCNN, folder: Path, i: int) -> None:
    """Write a model under a name that says what it must hash to; whole or not at all, also where
    two write at once.
    """
    part = folder / f"{i}-{os.getpid()}-{threading.get_ident()}.new"
    try:
        save_model(model, part, half=True)
        part.replace(folder / f"null-{i:03d}-{digest(part)[:16]}.safetensors")
    except (OSError, SafetensorError) as error:
        raise OSError(
            f"Null models trained on demand should be kept in {folder}, but this came instead: "
            f"{short(error)}; free some disk, or set WMLEARN_DATA to a folder with room."
        ) from error


def _kept(folder: Path, i: int) -> list[Path]:
    """Return the file of a null model, if there is one; a damaged one is removed."""
    for path in sorted(folder.glob(f"null-{i:03d}-*.safetensors")):
        if path.stem.endswith(digest(path)[:16]):
            return [path]
        text = f"{path} should be a null model but is damaged; it is removed and trained again."
        warnings.warn(text, stacklevel=4)
        path.unlink(missing_ok=True)
    return []


def _released() -> dict[str, str]:
    """Return the SHA-256 of every shipped model file, by the model's name."""
    digests: dict[str, str] = json.loads(DIGESTS.read_text(encoding="utf-8"))
    return digests


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_model(model: SmallCNN | DeepCNN, path: Path, *, half: bool = False) -> None:
    """Write a model as safetensors: its weights, and what it takes to build it; nothing is pickled.

    Parameters
    ----------
    model, path : what to write, and where
    half : keep 16 bits of each weight instead of 32: half the size, and hardly ever another answer
    """
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if half:
        weights = _in_precision(weights, torch.float16)
    header = json.dumps(description(model), sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:  # one entry of metadata: several have no order
        save_file(weights, part, metadata={"wmlearn": header})
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _in_precision(weights: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Return weights in another precision; counts of batches stay whole numbers."""
    return {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }


def description(model: SmallCNN | DeepCNN) -> dict[str, Any]:
    """Return what it takes to build a network like this one, without its weights."""
    return {
        "model": type(model).__name__,
        "input_shape": model.input_shape,
        "classes": model.classes,
        "width": model.width,
    }


def read_model(path: Path) -> nn.Module:
    """Read a model written by `save_model`; in evaluation mode."""
    try:
        with safe_open(path, framework="pt") as file:
            built = parse_json(file.metadata()["wmlearn"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return build(built, weights)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        expected = f"{path.name} should be a model written by wmlearn"
        kind = foreign(path)
        if kind:
            raise file_error(error, f"{expected}; it is {kind}. {REWRITE}") from error
        raise file_error(
            error, f"{expected}; it is missing, damaged or another's. Reinstall wmlearn."
        ) from error


def build(built: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Build a network from its description and its weights; in evaluation mode."""
    with torch.device("meta"):  # no weights are drawn: nothing touches the random generator
        make = KINDS[built["model"]]
        model = make(built["input_shape"], built["classes"], built["width"])
    model.load_state_dict(_in_precision(weights, torch.float32), assign=True)
    return model.eval()
