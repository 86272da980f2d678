"""The shipped models, so that a lesson starts at once.

Their cards are in docs/models.md; `make zoo` retrains them.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from wmlearn._checks import check_choice, check_count
from wmlearn._files import IMAGE_BYTES, check_file, parse_json, readable, whole
from wmlearn._fingerprint import fingerprint
from wmlearn._forms import foreign
from wmlearn._random import stable_rng
from wmlearn.data import _published
from wmlearn.data._sources import expect, short
from wmlearn.data.splits import Splits, load_data
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

# How null models are trained on demand; they are kept under the fingerprint of all this.
ON_DEMAND = {"mnist": 8, "cifar10": 16}  # widths
SCHEDULE = Schedule(epochs=6, max_lr=7e-3, batch_size=32)


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
    with readable(f"{path} should be the model {name!r} as released", "Reinstall wmlearn."):
        expect(digest(path), digests[name])
    return read_model(path)


def null_models(name: str, *, n: int | None = None) -> list[nn.Module]:
    """Return models of a task that were never marked: they answer a trigger as innocents do.

    They differ in seed, in which half of the training part they saw, and in architecture, in turn.
    Those that ship saw the full data; their seeds and accuracies are in docs/results/zoo.csv. Asked
    for more, the rest is trained on halves of the *mini* data and kept in `$WMLEARN_DATA` (default:
    your cache folder): a few seconds each, the first time, and again for other versions of wmlearn
    and torch. A class may share the folder; what cannot be kept there is returned all the same,
    with a warning. These saw fewer images and do their task
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
        If a shipped file is damaged.

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
    if not wanted:
        return []
    data = load_data(name)
    recipe = [ON_DEMAND[name], SCHEDULE, data.train, data.classes, small_cnn, deep_cnn, torch]
    folder = _published.data_folder() / f"nulls-{fingerprint(recipe)[:16]}" / name
    found: dict[int, nn.Module] = {}
    for i in wanted:
        found |= _kept(folder, i)
    missing = [i for i in wanted if i not in found]
    if missing:
        steps = _train(name, missing, folder, found)
        if run(steps, len(missing) * SCHEDULE.epochs, dict).stopped:
            raise KeyboardInterrupt  # what is complete is kept
    return [found[i] for i in wanted]


def _train(
    name: str, missing: list[int], folder: Path, found: dict[int, nn.Module]
) -> Iterator[float]:
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
        found[i] = _keep(model, folder, i)


def halved(data: Splits, half: int) -> Splits:
    """Return a task with one half (0 or 1) of its training images: disjoint, and equally large."""
    order = stable_rng(0).permutation(len(data.train))[: len(data.train) // 2 * 2]
    return replace(data, train=data.train.take(np.sort(order[half::2])))


def _keep(model: SmallCNN | DeepCNN, folder: Path, i: int) -> nn.Module:
    """Write a model under a name that says what it must hash to, and return it as it is read."""
    content = _as_bytes(model, half=True)
    path = folder / f"null-{i:03d}-{hashlib.sha256(content).hexdigest()[:16]}.safetensors"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole(path) as file:
            file.write(content)
    except OSError as error:
        warnings.warn(
            f"Null models trained on demand should be kept in {folder}, but this came instead: "
            f"{short(error)}; they are returned, and trained again next time. Free some disk, or "
            "set WMLEARN_DATA to a folder with room.",
            stacklevel=6,
        )
    return build(description(model), load(content))


def _kept(folder: Path, i: int) -> dict[int, nn.Module]:
    """Return the null model of that number, if it was kept; what is damaged is left as it is."""
    problems = []
    for path in sorted(folder.glob(f"null-{i:03d}-*.safetensors")):
        try:
            with readable(f"{path} should be a null model", "It is trained again."):
                expect(digest(path)[:16], path.stem[9:])
            return {i: read_model(path)}
        except OSError as error:
            problems.append(str(error))
    for problem in problems:
        warnings.warn(problem, stacklevel=4)
    return {}


def _released() -> dict[str, str]:
    """Return the SHA-256 of every shipped model file, by the model's name."""
    digests: dict[str, str] = json.loads(DIGESTS.read_text(encoding="utf-8"))
    return digests


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(check_file(path, IMAGE_BYTES).read_bytes()).hexdigest()


def save_model(model: SmallCNN | DeepCNN, path: str | Path, *, half: bool = False) -> None:
    """Write a model as safetensors: its weights, and what it takes to build it; nothing is pickled.

    Parameters
    ----------
    model, path : what to write, and where
    half : keep 16 bits of each weight instead of 32: half the size, and hardly ever another answer
    """
    content = _as_bytes(model, half=half)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as file:
        file.write(content)


def _as_bytes(model: SmallCNN | DeepCNN, *, half: bool) -> bytes:
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if half:
        weights = _in_precision(weights, torch.float16)
    header = json.dumps(description(model), sort_keys=True)
    return save(weights, metadata={"wmlearn": header})  # one entry: several have no order


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


def read_model(path: str | Path) -> nn.Module:
    """Read a model written by `save_model`; in evaluation mode.

    Raises
    ------
    FileNotFoundError, OSError
        If the file is missing, must not be read, or is damaged or another's.
    """
    expected = f"{path} should be a model written by wmlearn.zoo.save_model"
    step = REWRITE if foreign(path) else "Restore it, or save it again."
    with (
        readable(expected, step),
        safe_open(check_file(path, IMAGE_BYTES), framework="pt") as file,
    ):
        built = parse_json(file.metadata()["wmlearn"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return build(built, weights)


def build(built: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Build a network from its description and its weights; in evaluation mode."""
    with torch.device("meta"):  # no weights are drawn: nothing touches the random generator
        make = KINDS[built["model"]]
        model = make(built["input_shape"], built["classes"], built["width"])
    model.load_state_dict(_in_precision(weights, torch.float32), assign=True)
    return model.eval()
