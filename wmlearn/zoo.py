"""The shipped models, so that a lesson starts at once.

Their cards are in docs/models.md; `make zoo` retrains them.
"""

from __future__ import annotations

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
from wmlearn._random import stable_rng
from wmlearn.data import _published
from wmlearn.data._sources import short
from wmlearn.data.splits import Splits, load_data
from wmlearn.training.loop import TensorData, run, train
from wmlearn.training.models import DeepCNN, SmallCNN, deep_cnn, small_cnn
from wmlearn.training.schedule import Schedule

SHIPPED = Path(__file__).parent / "_models"
DIGESTS = (
    SHIPPED / "sha256.json"
)  # what each file must hash to: safetensors would not notice a flipped bit
KINDS = {"SmallCNN": SmallCNN, "DeepCNN": DeepCNN}
BUILT_FROM = ("input_shape", "classes", "width")
MOST_NULLS = 1000  # fixed labels at alpha = 0.001 take 999
ON_DEMAND = {
    "mnist": 8,
    "cifar10": 16,
}  # the width of null models; change FOLDER with this or with SCHEDULE
SCHEDULE = Schedule(epochs=6, max_lr=7e-3, batch_size=32)
FOLDER = "nulls-2"  # in the folder of the full data


def load_model(name: str) -> nn.Module:
    """Return a shipped model, trained on the full data set without `loot` and `test`, ready to
    answer.

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
    path = SHIPPED / f"{check_choice(name, 'model', digests)}.safetensors"
    if path.exists() and digest(path) != digests[name]:
        raise OSError(
            f"{path.name} should be the model {name!r} as released; it is damaged. Reinstall "
            "wmlearn."
        )
    return read_model(path)


def null_models(name: str, *, n: int | None = None) -> list[nn.Module]:
    """Return models of the same task that were never marked: what they answer to a trigger is what
    innocents answer.

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
    shipped = sorted(each for each in _released() if "/null-" in each)
    check_choice(name, "name", sorted({each.partition("/")[0] for each in shipped}))
    of_task = [each for each in shipped if each.startswith(f"{name}/")]
    n = len(of_task) if n is None else n
    check_count(n, "n", low=1, high=MOST_NULLS, why="999 are enough for alpha = 0.001")
    return [load_model(each) for each in of_task[:n]] + _on_demand(name, range(len(of_task), n))


def _on_demand(name: str, wanted: range) -> list[nn.Module]:
    """Return null models by number: those kept from before, and the missing ones trained."""
    folder = _published.data_folder() / FOLDER / name
    kept = {i: _kept(folder, i) for i in wanted}
    missing = [i for i in wanted if kept[i] is None]
    if missing and run(_train(name, missing, folder), len(missing) * SCHEDULE.epochs, dict).stopped:
        raise KeyboardInterrupt  # what is complete is kept
    return [kept[i] or _kept(folder, i) for i in wanted]


def _train(name: str, missing: list[int], folder: Path) -> Iterator[float]:
    """Train null models by number and keep them: an epoch for each loss asked for."""
    data = load_data(name)
    for i in missing:
        half, make = halved(data, i % 2), deep_cnn if i % 4 > 1 else small_cnn
        model = make(half, width=ON_DEMAND[name], seed=100 + i)
        steps = train(
            model,
            TensorData(half.train),
            rate=SCHEDULE,
            seed=100 + i,
            batch_size=SCHEDULE.batch_size,
        )
        yield from islice(steps, SCHEDULE.epochs)
        _keep(model, folder, i)


def halved(data: Splits, half: int) -> Splits:
    """Return a task with one half (0 or 1) of its training images; the halves are disjoint, and
    equally large.
    """
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
            f"{short(error)}; free "
            "some disk, or set WMLEARN_DATA to a folder with room."
        ) from error


def _kept(folder: Path, i: int) -> nn.Module | None:
    """Read a model that was kept; none where there is none, or a damaged one, which is removed."""
    for path in sorted(folder.glob(f"null-{i:03d}-*.safetensors")):
        if path.stem.endswith(digest(path)[:16]):
            return read_model(path)
        warnings.warn(
            f"{path} should be a null model but is damaged; it is removed and trained again.",
            stacklevel=4,
        )
        path.unlink(missing_ok=True)
    return None


def _released() -> dict[str, str]:
    """Return the SHA-256 of every shipped model file, by the model's name."""
    return json.loads(DIGESTS.read_text(encoding="utf-8"))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_model(model: SmallCNN | DeepCNN, path: Path, *, half: bool = False) -> None:
    """Write a model as safetensors: its weights, and in the header what it takes to build it.
    Nothing is pickled.

    Parameters
    ----------
    model, path : what to write, and where
    half : keep 16 bits of each weight instead of 32: half the size, and hardly ever another answer
    """
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if half:
        weights = {
            name: tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in weights.items()
        }
    built = description(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:  # one entry of metadata: several have no order
        save_file(weights, part, metadata={"wmlearn": json.dumps(built, sort_keys=True)})
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def description(model: SmallCNN | DeepCNN) -> dict[str, Any]:
    """Return what it takes to build a network like this one, without its weights."""
    return {"model": type(model).__name__, **{name: getattr(model, name) for name in BUILT_FROM}}


def read_model(path: Path) -> nn.Module:
    """Read a model written by `save_model`; in evaluation mode."""
    try:
        with safe_open(path, framework="pt") as file:
            built = json.loads(file.metadata()["wmlearn"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return build(built, weights)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise file_error(
            error,
            f"{path.name} should be a model written by wmlearn; it is missing, damaged or "
            "another's. "
            "Reinstall wmlearn.",
        ) from error


def build(built: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Build a network from its description and its weights; in evaluation mode."""
    with torch.device("meta"):  # no weights are drawn: nothing touches the random generator
        model = KINDS[built["model"]](*(built[name] for name in BUILT_FROM))
    single = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }
    model.load_state_dict(single, assign=True)
    return model.eval()
