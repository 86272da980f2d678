"""One pass through a network, as a black box answers: whatever network it is, and without changing
it.

torch is loaded when something is asked, not before.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from wmlearn._checks import check_labels, shape_error, shown
from wmlearn._display import plural
from wmlearn._types import Images, Labels, Pixels
from wmlearn.data.splits import Split

if TYPE_CHECKING:
    from torch import Tensor, nn

_AT_ONCE = 256  # images in one forward pass: bounds the memory, costs no time


def check_model(model: Any) -> nn.Module:
    """Return a torch module, or say what is wrong with it."""
    from torch import nn

    if isinstance(model, nn.Module):
        return model
    inside = isinstance(getattr(model, "model", None), nn.Module)
    hint = "Pass its .model." if inside else "Make one, as wm.small_cnn(data) does."
    raise TypeError(f"model must be a network (torch.nn.Module); got {shown(model)}. {hint}")


def check_fits(model: Any, part: Any, what: str) -> None:
    """Say what is wrong with a model, or with the images it is to learn or to answer, before torch
    says it its way.
    """
    check_model(model)
    if not isinstance(part, Split):
        raise TypeError(
            f"{what} must be images with their labels (a Split); got {shown(part)}. Pass one, as "
            "data.loot is."
        )
    if not len(part):
        raise ValueError(f"{what} must hold at least one image; got none. Look at what chose them.")
    shape = tuple(getattr(model, "input_shape", part.shape))
    if part.shape != shape:
        raise ValueError(
            f"{what} must have the model's input shape {shape}; got {part.shape}. Take a model "
            "made for these data."
        )
    if hasattr(model, "classes"):
        check_labels(part.labels, count=len(part), classes=model.classes, what=f"labels of {what}")
    _, scores = predict(model, part.pixels[:1])
    needed = int(part.labels.max()) + 1
    if scores.shape[1] < needed:
        raise ValueError(
            f"model must give one image scores of shape (1, {needed}) or wider, for {what} have "
            "labels up to "
            f"{needed - 1}; got {scores.shape}. End it with a linear layer of {needed} outputs."
        )


def predict(model: nn.Module, images: Images | Pixels) -> tuple[Labels, np.ndarray]:
    """Return each image's class of highest score, int64 (n,), and the probabilities, float32 (n,
    classes).

    Parameters
    ----------
    model : it answers in evaluation mode, where nothing is drawn and nothing learnt, and is left as
        it was
    images : float in [0, 1], or 8-bit pixels, shape (n, c, h, w); they follow the model's device
        and dtype
    """
    import torch

    if any(part.training for part in model.modules()):
        model = copy.deepcopy(
            model
        ).eval()  # never switch the caller's: another thread may be training it
    weight = weight_of(model)
    labels = np.empty(len(images), dtype=np.int64)
    rows = [np.empty((0, 0), dtype=np.float32)] * (not len(images))
    with torch.no_grad():
        for start in range(0, len(images), _AT_ONCE):
            batch = as_input(torch.tensor(images[start : start + _AT_ONCE]), weight)
            try:
                scores = model(batch)
            except Exception as error:  # whatever a network of one's own may raise
                raise shape_error(model, images.shape[1:], error) from error
            _check_scores(scores, len(batch))
            labels[start : start + len(batch)] = scores.argmax(dim=1).cpu().numpy()
            rows.append(scores.float().softmax(dim=1).cpu().numpy())
    return labels, np.concatenate(rows)


def _check_scores(scores: Any, count: int) -> None:
    """Say what is wrong with what a network returned for so many images."""
    shape = tuple(getattr(scores, "shape", ()))
    if len(shape) != 2 or len(scores) != count or not shape[1]:
        raise ValueError(
            f"model must return scores of shape ({count}, classes) for {plural(count, 'image')}; "
            f"got {shape or type(scores).__name__}. End it with a linear layer."
        )


def weight_of(model: nn.Module) -> Tensor:
    """Return the first weight of a network, whose device and dtype its images follow; an empty one
    if it has none.
    """
    import torch

    floats = (weight for weight in model.parameters() if weight.is_floating_point())
    return next(floats, torch.empty(0))


def as_input(images: Tensor, weight: Tensor) -> Tensor:
    """Return images, float in [0, 1] or 8-bit pixels, as a network with such a weight takes them."""
    images = images.to(weight.device)
    if not images.is_floating_point():
        images = images.float() / 255
    return images.to(weight.dtype)
