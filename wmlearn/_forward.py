"""One pass through a network, as a black box answers: whatever network it is, and without changing it.

torch is loaded when something is asked, not before.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from wmlearn._checks import misfit, shown
from wmlearn._show import plural
from wmlearn._types import Images, Labels

if TYPE_CHECKING:
    from torch import nn

_AT_ONCE = 256  # images in one forward pass: bounds the memory, costs no time


def check_model(model: Any) -> nn.Module:
    """Return a torch module, or say what is wrong with it."""
    from torch import nn

    if isinstance(model, nn.Module):
        return model
    hint = "Pass its .model." if isinstance(getattr(model, "model", None), nn.Module) else "Pass the network itself."
    raise TypeError(f"model must be a torch.nn.Module; got {shown(model)}. {hint}")


def predict(model: nn.Module, images: Images) -> tuple[Labels, np.ndarray]:
    """Return each image's class of highest score, and the probabilities (n, classes), in evaluation mode."""
    import torch

    if any(part.training for part in model.modules()):
        model = copy.deepcopy(model).eval()  # never switch the caller's: another thread may be training it
    weight = next(model.parameters(), torch.empty(0))
    labels = np.empty(len(images), dtype=np.int64)
    rows = [np.empty((0, 0), dtype=np.float32)] * (not len(images))
    with torch.no_grad():
        for start in range(0, len(images), _AT_ONCE):
            batch = torch.tensor(images[start : start + _AT_ONCE]).to(weight.device)
            try:
                scores = model(batch)
            except Exception as error:  # whatever a network of one's own may raise
                raise misfit(model, images.shape[1:], error) from error
            shape = tuple(getattr(scores, "shape", ()))
            if len(shape) != 2 or len(scores) != len(batch) or not shape[1]:
                raise ValueError(
                    f"model must return scores of shape ({len(batch)}, classes) for {plural(len(batch), 'image')}; "
                    f"got {shape or type(scores).__name__}. End it with a linear layer."
                )
            labels[start : start + len(batch)] = scores.argmax(dim=1).cpu().numpy()
            rows.append(scores.float().softmax(dim=1).cpu().numpy())
    return labels, np.concatenate(rows)
