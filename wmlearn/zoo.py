"""Models in files: shipped models, with which lessons start at once, null models, and your own.

The cards of what ships are in docs/models.md; `make zoo` retrains it.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from wmlearn._checks import check_choice, check_count, check_kind, check_seed, first_line
from wmlearn._files import IMAGE_BYTES, check_file, parse_json, readable, whole
from wmlearn._fingerprint import fingerprint
from wmlearn._forms import foreign
from wmlearn._random import seeded, stable_rng
from wmlearn.data import _published
from wmlearn.data._sources import expect, short
from wmlearn.data.splits import Splits, load_data
from wmlearn.training._inference import check_fits, check_model, unwrapped
from wmlearn.training.loop import TensorData, resolved, run, train_by
from wmlearn.training.models import Builder, DeepCNN, SmallCNN, deep_cnn, small_cnn, untrained
from wmlearn.training.schedule import Schedule

SHIPPED = Path(__file__).parent / "_models"
DIGESTS = SHIPPED / "sha256.json"  # of each file: safetensors would not notice a flipped bit
KINDS = {"SmallCNN": SmallCNN, "DeepCNN": DeepCNN}
REWRITE = (
    "Load it where you trust it, and write it with wm.save_model; or serve it from Python, "
    "wm.serve(model)."
)
MOST_NULLS = 1000  # fixed labels at alpha = 0.001 take 999

# How null models are trained on demand; they are cached under the fingerprint of all this.
ON_DEMAND = {"mnist": 8, "cifar10": 16}  # widths
SCHEDULE = Schedule(epochs=6, max_lr=7e-3, batch_size=32)


def load_model(
    name: str | Path,
    *,
    network: Callable[[], nn.Module] | None = None,
    device: str | torch.device = "cpu",
) -> nn.Module:
    """Return a shipped model, or a model from a file, in evaluation mode.

    Shipped models were trained on the full data without `loot` and `test`.

    Parameters
    ----------
    name : a data set and a kind of model, for instance "mnist/clean" (never watermarked) or
        "mnist/content" (watermarked with `Content(words=30)(wm.load_data("mnist"), n=150,
        key=wm.CLASSROOM_KEY)`); with "-fixed", as in the paper (watermarked with
        `Content(labels="fixed")(wm.load_data("mnist"), n=150, key=wm.CLASSROOM_KEY)`). Or a file
        that `save_model` wrote, "mine.safetensors"; with `network`, any safetensors file
    network : a function that builds your own network untrained, such as `lambda:
        resnet18(num_classes=5)`; it gets the weights of the file. No code in a file is ever run
    device : the device of the model

    Raises
    ------
    TypeError, ValueError
        If no such model ships (the error offers the nearest name), or the file does not fit the
        network.
    OSError
        If the file is missing, may not be read, is damaged or of another kind.

    Examples
    --------
    >>> load_model("mnist/clean").input_shape
    (1, 28, 28)
    """
    if isinstance(name, Path) or network is not None or Path(str(name)).suffix:
        return read_model(name, network).to(device)
    digests = _released()
    path = SHIPPED / f"{check_choice(name, 'model', digests)}.safetensors"
    with readable(f"{path} should be the model {name!r} as released", "Reinstall wmlearn."):
        expect(digest(path), digests[name])
    return read_model(path).to(device)


def null_models(
    data: str | Splits,
    *,
    n: int | None = None,
    network: Builder = small_cnn,
    schedule: Schedule = Schedule(),
    seed: int = 100,
) -> list[nn.Module]:
    """Return null models of a task: never watermarked, so they answer a trigger as innocents do.

    They differ in seed, in the half of the training images they saw and, for the course's tasks, in
    architecture. Shipped null models saw the full data; docs/results/zoo.csv has their seeds and
    accuracies. Further ones are trained, which takes a few seconds each, and kept in
    `$WMLEARN_DATA` (default: your cache folder) until wmlearn or torch changes its version. For the
    course's tasks these are trained on halves of the *mini* data, so they do the task less well and
    are a group of their own. A class may share the folder; a model that cannot be kept is returned
    with a warning. Null models are exchangeable with a suspect only if you can say why, and no
    longer once anything was chosen by their answers.

    Parameters
    ----------
    data : a task of the course, for instance "mnist", or a task of your own
    n : how many, 1 to 1000; by default all that ship, or 20. The first ones are always the same
    network : for your own task, a function that builds an untrained network from data and seed
    schedule : for your own task, how long and how fast each is trained
    seed : for your own task, the seed of the first; those of the others follow

    Returns
    -------
    list of torch.nn.Module
        The models in evaluation mode.

    Raises
    ------
    TypeError, ValueError
        If there is no such task, `n` is outside its range, or the network does not fit the task.
    OSError
        If a shipped file is damaged.

    Examples
    --------
    >>> len(null_models("mnist", n=3))
    3
    """
    why = "999 are enough for alpha = 0.001"
    if isinstance(data, Splits):
        check_seed(seed)
        count = check_count(20 if n is None else n, "n", low=1, high=MOST_NULLS, why=why)
        schedule = resolved(schedule, halved(data, 0).train)
        return _Nulls(data, (network,), schedule, seed, half=False).get(range(count))
    name = check_choice(data, "name", sorted(ON_DEMAND))
    shipped = sorted(each for each in _released() if each.startswith(f"{name}/null-"))
    if n is None:
        n = len(shipped)
    check_count(n, "n", low=1, high=MOST_NULLS, why=why)
    found = [*map(load_model, shipped[:n])]
    width = ON_DEMAND[name]
    small, deep = partial(small_cnn, width=width), partial(deep_cnn, width=width)
    nulls = _Nulls(load_data(name), (small, small, deep, deep), SCHEDULE, 100, half=True)
    return found + nulls.get(range(len(shipped), n))


@dataclass(frozen=True)
class _Nulls:
    """Null models by number, trained on demand and kept.

    Attributes
    ----------
    data, schedule : the task, on half of which each is trained, and how
    networks : functions that build them, in turn
    seed : the seed of number 0
    half : whether to keep 16 bits per weight
    """

    data: Splits
    networks: tuple[Builder, ...]
    schedule: Schedule
    seed: int
    half: bool

    def get(self, wanted: range) -> list[nn.Module]:
        """Return the models with these numbers, kept from before or trained now."""
        if not wanted:
            return []
        folder = self._folder()
        found: dict[int, nn.Module] = {}
        for i in wanted:
            found |= self._kept(folder, i)
        missing = [i for i in wanted if i not in found]
        if missing:
            steps = self._train(missing, folder, found)
            if run(steps, len(missing) * self.schedule.epochs, dict).stopped:
                raise KeyboardInterrupt  # complete models are kept
        return [found[i] for i in wanted]

    def _folder(self) -> Path:
        """Return the folder of the kept models, whose name identifies their recipe."""
        recipe = [self.networks, self.schedule, self.seed, self.half, torch]
        try:
            mark = fingerprint([*recipe, self.data.train, self.data.classes])
        except TypeError as error:
            raise TypeError(
                "network must be recognizable by its content, as null models are kept; got "
                f"{error.__context__}. Move its imports to the top of the file."
            ) from None
        return _published.data_folder() / f"nulls-{mark[:16]}"

    def _untrained(self, i: int) -> tuple[nn.Module, Splits]:
        """Return an untrained null model, and the half of the task to train it on."""
        half = halved(self.data, i % 2)
        network = self.networks[i % len(self.networks)]
        return untrained(network, half, seed=self._seed(i)), half

    def _seed(self, i: int) -> int:
        return (self.seed + i) % 2**32

    def _train(
        self, missing: list[int], folder: Path, found: dict[int, nn.Module]
    ) -> Iterator[float]:
        """Train the missing models and keep them; yield the loss of each epoch."""
        for i in missing:
            model, half = self._untrained(i)
            check_fits(model, half.train, "data")
            steps = train_by(self.schedule, model, TensorData(half.train), self._seed(i))
            yield from islice(steps, self.schedule.epochs)
            found[i] = self._keep(model, folder, i)

    def _keep(self, model: nn.Module, folder: Path, i: int) -> nn.Module:
        """Write a model to a file whose name has its SHA-256, and return it as read from there."""
        content = _as_bytes(model, half=self.half)
        path = folder / f"null-{i:03d}-{hashlib.sha256(content).hexdigest()[:16]}.safetensors"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with whole(path) as file:
                file.write(content)
        except OSError as error:
            warnings.warn(
                f"Null models should be kept in {folder}; this failed: {short(error)}. They are "
                "returned, and trained again next time. Free some disk space, or set WMLEARN_DATA "
                "to another folder.",
                stacklevel=6,
            )
        model.load_state_dict(load(content))
        return model

    def _kept(self, folder: Path, i: int) -> dict[int, nn.Module]:
        """Return the kept model of a number, by that number, if there is an undamaged one."""
        for path in sorted(folder.glob(f"null-{i:03d}-*.safetensors")):
            try:
                with readable(f"{path} should be a null model", "It is trained again."):
                    expect(digest(path)[:16], path.stem[9:])
                return {i: read_model(path, lambda: self._untrained(i)[0])}
            except OSError as error:
                warnings.warn(str(error), stacklevel=4)
        return {}


def halved(data: Splits, half: int) -> Splits:
    """Return a task with half 0 or 1 of its training images: disjoint, and equally large."""
    order = stable_rng(0).permutation(len(data.train))[: len(data.train) // 2 * 2]
    return replace(data, train=data.train.take(np.sort(order[half::2])))


def _released() -> dict[str, str]:
    """Return the SHA-256 of every shipped model file, by the name of the model."""
    digests: dict[str, str] = json.loads(DIGESTS.read_text(encoding="utf-8"))
    return digests


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(check_file(path, IMAGE_BYTES).read_bytes()).hexdigest()


def save_model(model: nn.Module, path: str | Path, *, half: bool = False) -> None:
    """Save a model's weights and description as safetensors; nothing is pickled.

    `load_model` reads the file; for your own network it needs the function that builds it.

    Parameters
    ----------
    model : the network; its attributes `input_shape` and `classes`, which `serve` reads, are kept
    path : the file to write, such as "mine.safetensors"
    half : whether to keep 16 bits per weight instead of 32: half the size, and hardly ever another
        answer

    Raises
    ------
    TypeError, ValueError
        If it is not a network, or holds anything other than numbers.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, torch
    >>> path = f"{tempfile.mkdtemp()}/mine.safetensors"
    >>> save_model(torch.nn.Linear(4, 3), path)
    >>> load_model(path, network=lambda: torch.nn.Linear(4, 3))
    Linear(in_features=4, out_features=3, bias=True)
    """
    content = _as_bytes(unwrapped(check_model(model)), half=half)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as file:
        file.write(content)


def _as_bytes(model: nn.Module, *, half: bool) -> bytes:
    weights = {}
    for name, tensor in model.state_dict().items():
        check_kind(tensor, name, Tensor, "as only the numbers of a model are kept")
        # a copy: safetensors refuses tensors that share memory
        weights[name] = tensor.to("cpu", copy=True).contiguous()
    if half:
        weights = _in_precision(weights, torch.float16)
    header = json.dumps(description(model), sort_keys=True)
    return save(weights, metadata={"wmlearn": header})  # one entry: several have no order


def _in_precision(weights: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Return weights in another precision; whole numbers, such as counts of batches, stay."""
    return {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in weights.items()
    }


def description(model: nn.Module) -> dict[str, Any]:
    """Return class, `input_shape`, `classes` and `width` of a network, as far as it has them."""
    known: dict[str, Any] = {"model": type(model).__name__}
    for name in ("input_shape", "classes", "width"):
        value = getattr(model, name, None)
        if isinstance(value, (int, tuple, list)):
            known[name] = value
    return known


def read_model(path: str | Path, network: Callable[[], nn.Module] | None = None) -> nn.Module:
    """Return a model from a file, in evaluation mode; raise the errors of `load_model`."""
    expected = f"{path} should be a model written by wm.save_model"
    step = REWRITE if foreign(path) else "Restore it, or save it again."
    with (
        readable(expected, step),
        torch.device("cpu"),  # whatever the caller's default device
        safe_open(check_file(path, IMAGE_BYTES), framework="pt") as file,
    ):
        metadata = file.metadata()
        if network is not None:
            metadata = {"wmlearn": "{}"} | (metadata or {})
        built = parse_json(metadata["wmlearn"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if network is None and built["model"] in KINDS:
            return build(built, weights)
    if network is None:
        raise ValueError(
            f"network must build the {built['model']} whose weights {path} holds; got none. Pass a "
            "function that builds it untrained, such as network=lambda: resnet18(num_classes=5)."
        )
    try:
        with seeded(0):
            model = network()
    except Exception as error:  # a user's function may raise anything
        raise TypeError(
            "network must be a function without arguments that builds a network; it failed: "
            f"{first_line(error)}. Pass network=lambda: resnet18(num_classes=5), for instance."
        ) from error
    try:
        check_model(model).load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).split("\n")[1].strip()[:200]  # torch lists them all
        raise ValueError(
            f"{path} must hold the weights of the {type(model).__name__} that network= builds; "
            f"torch says: {reason} Build it as it was saved, with the same classes and width."
        ) from error
    if isinstance(built.get("input_shape"), list):
        built["input_shape"] = tuple(built["input_shape"])
    for name in built.keys() & {"input_shape", "classes"}:
        setattr(model, name, built[name])
    return model.eval()


def build(built: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return a network of the course from its description and weights, in evaluation mode."""
    with torch.device("meta"):  # draws no weights, so the random generator is not touched
        make = KINDS[built["model"]]
        model = make(built["input_shape"], built["classes"], built["width"])
    model.load_state_dict(_in_precision(weights, torch.float32), assign=True)
    return model.eval()
