"""Training several small networks at once, side by side in one wide network whose channels never mix.

In a network this small much of a step's time is spent on calling torch. A convolution in groups does several networks'
work in one call: with four null models, one CPU core is 1.7 (small) and 1.5 times (deep) as fast on MNIST; on CIFAR-10,
whose null models are wider, it comes to the same. `torch.func.vmap` is slower than that everywhere, and for the deeper
network slower than one after another: docs/results/many_at_once.csv.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from wmlearn._random import torch_generator
from wmlearn.data import Split
from wmlearn.history import OneCycle
from wmlearn.models import DeepCNN, Normalise, SmallCNN


def train_together(
    models: Sequence[SmallCNN | DeepCNN], parts: Sequence[Split], *, schedule: OneCycle, seeds: Sequence[int]
) -> Iterator[float]:
    """Train networks of one architecture in place, each as `fit` would train it alone, but for rounding.

    Parameters
    ----------
    models : m networks of the same shapes
    parts : what each is trained on, as many images each
    schedule : how long and how fast
    seeds : the order of each one's images

    Yields
    ------
    float: the mean loss of an epoch; the networks are in evaluation mode and have their weights
    """
    layers = list(zip(*(model.eval().layers for model in models)))  # m twins for each layer
    wide = nn.Sequential(*map(_side_by_side, layers))
    pixels = torch.from_numpy(np.stack([part.pixels for part in parts]))  # (m, n, c, h, w)
    labels = torch.from_numpy(np.stack([part.labels for part in parts]))  # (m, n)
    (m, n), each = labels.shape, torch.arange(len(models))
    optimiser = torch.optim.AdamW(wide.parameters(), weight_decay=1e-2)
    orders = [torch_generator(seed) for seed in seeds]
    for epoch in range(schedule.epochs):
        total = 0.0
        batches = torch.stack([torch.randperm(n, generator=order) for order in orders], 1).split(schedule.batch)
        for start, rows in zip(range(0, n, schedule.batch), batches):  # rows: (b, m)
            optimiser.param_groups[0]["lr"] = schedule(epoch + start / n)
            x = pixels[each, rows].flatten(1, 2).contiguous(memory_format=torch.channels_last)  # (b, m * c, h, w)
            scores = wide(x.float() / 255).unflatten(1, (m, -1)).flatten(0, 1)
            loss = functional.cross_entropy(scores, labels[each, rows].flatten(), reduction="sum")
            optimiser.zero_grad()
            (loss / len(rows)).backward()  # the sum of m mean losses: each network's own gradients
            optimiser.step()
            total += loss.item()
        for layer, twins in zip(wide, layers):
            _take_apart(layer, twins)
        yield total / (m * n)


class _Linears(nn.Module):
    """Several linear layers, each on its own part of the features."""

    def __init__(self, m: int, weight: nn.Parameter, bias: nn.Parameter) -> None:
        super().__init__()
        self.m, self.weight, self.bias = m, weight, bias

    def forward(self, features: Tensor) -> Tensor:
        """Return (b, m * outputs) from features (b, m * inputs)."""
        inputs, weight = features.unflatten(1, (self.m, -1)), self.weight.unflatten(0, (self.m, -1))
        return torch.einsum("bmi,moi->bmo", inputs, weight).flatten(1) + self.bias


def _side_by_side(twins: Sequence[nn.Module]) -> nn.Module:
    """Return one layer that does what several of a kind do, each on its own channels."""
    wide = copy.deepcopy(twins[0]).train()
    for name, tensor in twins[0].state_dict().items():
        if tensor.dim():  # batch normalisation also counts batches: one number
            joined = torch.cat([getattr(twin, name).detach() for twin in twins], _channels(wide))
            setattr(wide, name, nn.Parameter(joined) if isinstance(getattr(wide, name), nn.Parameter) else joined)
    if isinstance(wide, nn.Conv2d):
        wide.groups = len(twins)
    return _Linears(len(twins), wide.weight, wide.bias) if isinstance(wide, nn.Linear) else wide


def _take_apart(wide: nn.Module, twins: Sequence[nn.Module]) -> None:
    """Give each of the layers that stand side by side its own weights back."""
    for name, tensor in wide.state_dict().items():
        pieces = tensor.chunk(len(twins), _channels(wide)) if tensor.dim() else [tensor] * len(twins)
        for twin, piece in zip(twins, pieces):
            twin.state_dict()[name].copy_(piece)


def _channels(layer: nn.Module) -> int:
    """Return the axis of a layer's weights along which its channels lie."""
    return 1 if isinstance(layer, Normalise) else 0
