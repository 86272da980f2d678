"""One pass through any network, as a black box answers, without changing the network.

torch is imported at the first query, not before.
"""

from __future__ import annotations

import copy
import operator
import warnings
from collections.abc import Iterator, Mapping, Sized
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from wmlearn._checks import check_labels, first_line, shape_error, shown
from wmlearn._display import plural
from wmlearn._extras import extras
from wmlearn._types import Images, Labels, Pixels
from wmlearn.data.splits import Split, check_held

if TYPE_CHECKING:
    from torch import Tensor, nn

# The largest number of images, and of values in them, per forward pass: it limits the memory and
# costs no time.
_AT_ONCE, _NUMBERS = 256, 2_000_000
_ENOUGH = 50  # images, to tell probabilities from scores


class NotNumbers(ValueError):
    """A network's scores are NaN or infinite, so no class is the highest."""


@extras()
def check_model(model: Any) -> nn.Module:
    """Return a torch module that has weights, or raise an error that helps."""
    from torch import nn

    if isinstance(model, nn.Module):
        if weight_of(model).is_meta:
            raise ValueError(
                f"model must have weights; those of this {type(model).__name__} are on the device "
                "'meta', which holds no numbers. Build it on another, and load its state_dict()."
            )
        return model
    hint = "Make one, as wm.small_cnn(data) does."
    if isinstance(getattr(model, "model", None), nn.Module):
        hint = "Pass its .model."
    raise TypeError(f"model must be a network (torch.nn.Module); got {shown(model)}. {hint}")


def check_fits(model: Any, part: Any, what: str) -> None:
    """Raise a clear error, before torch does, if a model and the images of a part do not fit."""
    check_model(model)
    if not isinstance(part, Split):
        raise TypeError(
            f"{what} must be images with their labels (a Split); got {shown(part)}. Pass one, as "
            "data.loot is."
        )
    check_held(part, what)
    shape = getattr(model, "input_shape", part.shape)
    if not np.array_equal(part.shape, shape):
        raise ValueError(
            f"{what} must have the model's input shape {shape}; got {part.shape}. Take a model "
            f"made for these data: its input_shape is {part.shape}."
        )
    classes = n_classes(model)
    if classes is not None:
        check_labels(part.labels, count=len(part), classes=classes, what=f"labels of {what}")
    _, scores = predict(model, part.pixels[:1])
    needed = int(part.labels.max()) + 1
    if scores.shape[1] < needed:
        raise ValueError(
            f"model must give one image scores of shape (1, {needed}) or wider, as {what} have "
            f"labels up to {needed - 1}; got {scores.shape}. End it with a linear layer of "
            f"{needed} outputs."
        )


def n_classes(model: nn.Module) -> int | None:
    """Return the number of classes by `model.classes`, a number or a list; None without it."""
    said: Any = getattr(model, "classes", None)
    if isinstance(said, Sized) and getattr(said, "shape", True):  # but not a tensor of one number
        return len(said)
    try:
        return operator.index(said)
    except TypeError:
        return None


def predict(model: nn.Module, images: Images | Pixels) -> tuple[Labels, np.ndarray]:
    """Return the class of highest score, int64 (n,), and the probabilities, float32 (n, classes).

    Parameters
    ----------
    model : the network, which answers in evaluation mode and is not changed
    images : float in [0, 1], or uint8 pixels, shape (n, c, h, w); they are moved to the model's
        device and dtype

    Raises
    ------
    NotNumbers
        If the scores of an image are NaN or infinite, so none is the highest.
    """
    import torch

    if not len(images):
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    if any(getattr(part, "training", False) for part in model.modules()):
        # Never switch the caller's model: another thread may be training it.
        model = own_copy(model).eval()
    weight = weight_of(model)
    at_once = min(_AT_ONCE, 1 + _NUMBERS // images[0].size)
    scores = torch.empty(0)
    with torch.no_grad():
        for start in range(0, len(images), at_once):
            # A writable copy, on the CPU whatever the default device.
            batch = torch.from_numpy(np.array(images[start : start + at_once]))
            answers = answer(model, as_input(batch, weight))
            if not start:  # one array: many small ones would fragment the memory
                scores = answers.new_empty((len(images), answers.shape[1]))
            scores[start : start + at_once] = answers
        scores = scores.cpu()
        probabilities = scores.float().softmax(dim=1).numpy()
    _warn_of_probabilities(model, scores)
    lost = np.isnan(probabilities).any(axis=1).sum()
    if lost:
        raise NotNumbers(
            f"model must give scores that are numbers; {type(model).__name__} gave NaN or infinity "
            f"for {lost:,} of {plural(len(images), 'image')}. Check its weights: a learning rate "
            "that is too high leaves NaN, and numbers too large for 16 bits need model.float()."
        )
    return scores.argmax(dim=1).numpy(), probabilities


def _warn_of_probabilities(model: nn.Module, scores: Tensor) -> None:
    """Warn if the single score of two classes looks like a probability: never below 0."""
    low, high = scores.amin(0), scores.amax(0)
    alone = len(low) == 2 and low[0] == high[0] == 0
    if alone and len(scores) >= _ENOUGH and 0 <= low[1] <= high[1] <= 1:
        warnings.warn(
            f"{type(model).__name__} gave one score for two classes, {low[1]:.2f} to "
            f"{high[1]:.2f} for {len(scores):,} images, so all are in the second class: the first "
            "needs a score below 0. If a sigmoid makes it, remove that from forward().",
            stacklevel=3,
        )


def scores_of(model: nn.Module, images: Tensor) -> Tensor:
    """Return the scores (n, classes) in the output of a network, for training.

    They are the output called `logits`, or the only output of that form, or among several the one
    with as many columns as `model.classes`. A single column z is that of a sigmoid: it becomes the
    scores 0 and z, whose softmax is that sigmoid, and whose cross entropy is the binary one.

    Raises
    ------
    ValueError
        If there are no scores, the output is ambiguous, or the scores have no gradient.
    """
    scores = _scores_in(model(images), model, len(images))
    if not scores.requires_grad:
        raise ValueError(
            f"model must let gradients through, to learn by them; the scores of "
            f"{type(model).__name__} have none. Remove torch.no_grad(), .detach() and rounding "
            "from its forward()."
        )
    return scores


def answer(model: nn.Module, batch: Tensor) -> Tensor:
    """Return the scores of a batch, (n, classes), or raise an error that helps."""
    try:
        said = model(batch)
    except Exception as error:  # a user's own network may raise anything
        raise shape_error(model, batch.shape[1:], error) from error
    return _scores_in(said, model, len(batch))


def _scores_in(said: Any, model: nn.Module, count: int) -> Tensor:
    """Return the scores in the output of a network for `count` images."""
    from torch.nn.functional import pad

    parts = list(_tensors(said))
    found = [part for part in parts if part.dim() == 2 and len(part) == count and part.numel()]
    if len(found) > 1:
        classes = n_classes(model)
        widths = (classes, 1) if classes == 2 else (classes,)
        found = [part for part in found if classes is None or part.shape[1] in widths]
        if model.training and len({part.shape for part in found}) == 1:
            found = found[:1]  # the others are auxiliary outputs, only in training
    if len(found) == 1:
        (scores,) = found
        return pad(scores, (1, 0)) if scores.shape[1] == 1 else scores
    got = ", ".join(str(tuple(part.shape)) for part in parts) or type(said).__name__
    raise ValueError(
        f"model must return scores of shape ({count}, classes) for {plural(count, 'image')}; got "
        f"{got}. End it with a linear layer; of several outputs return one alone, or call it "
        "'logits'."
    )


def _tensors(said: Any) -> Iterator[Tensor]:
    """Yield the tensors in the output of a network; only the `logits`, if it has them."""
    from torch import Tensor

    if isinstance(said, Mapping):
        said = said.get("logits", tuple(said.values()))
    said = getattr(said, "logits", said)  # also GoogLeNet in training
    if isinstance(said, Tensor):
        yield said
    elif isinstance(said, (list, tuple)):
        for part in said:
            yield from _tensors(part)


def unwrapped(model: nn.Module) -> nn.Module:
    """Return a network without torch's wrappers: compiled, on several GPUs, averaged."""
    from torch.nn.parallel import DataParallel, DistributedDataParallel
    from torch.optim.swa_utils import AveragedModel

    inner = getattr(model, "_orig_mod", None)  # torch.compile
    if isinstance(model, (DataParallel, DistributedDataParallel, AveragedModel)):
        inner = model.module
    return model if inner is None else unwrapped(inner)


def check_open(model: nn.Module) -> None:
    """Refuse to train or change a network whose weights are closed: compiled or quantised."""
    import torch

    for part in model.modules():
        if isinstance(part, torch.jit.ScriptModule) or hasattr(part, "_packed_params"):
            raise ValueError(
                "model must be a network in Python whose weights can be reached; got one that was "
                f"compiled or quantised ({type(part).__name__}), which can only be queried. Take "
                "the one it was made from."
            )


def weight_of(model: nn.Module) -> Tensor:
    """Return the first weight, whose device and dtype images need; an empty tensor if none."""
    import torch

    weights = chain(model.parameters(), model.buffers())
    floats = (weight for weight in weights if weight.is_floating_point())
    return next(floats, torch.empty(0, device="cpu"))


def own_copy(model: nn.Module, held: dict[int, Any] | None = None) -> nn.Module:
    """Return a copy of a model on the same device, or raise an error if it cannot be copied.

    The dict `held`, if given, receives the copied parts, as the memo of `copy.deepcopy`.
    """
    import torch

    # A copy made in the caller's torch.inference_mode() could not be trained.
    with torch.inference_mode(False):
        held = {} if held is None else held
        for part in model.modules():
            # Tensors computed before each pass, as by the old weight norm, are not leaves.
            listed = getattr(part, "_flat_weights", [])  # recurrent layers
            for value in [*vars(part).values(), *listed]:
                if isinstance(value, torch.Tensor) and not value.is_leaf:
                    held[id(value)] = value.detach().clone()
        try:
            return copy.deepcopy(model, held)
        except Exception as error:  # a user's own network may hold anything
            raise ValueError(
                f"model must be one that copy.deepcopy can copy, as the original is never changed; "
                f"{type(model).__name__} failed: {first_line(error)}. Build it again, and load its "
                "state_dict()."
            ) from error


def as_input(images: Tensor, weight: Tensor) -> Tensor:
    """Return images, in [0, 1] or uint8 pixels, in the device and dtype of a network's weight."""
    images = images.to(weight.device)
    if not images.is_floating_point():
        images = images.float().div_(255)
    return images.to(weight.dtype)
