"""The networks of the paper (Zhang et al., 2018), for repeating its tables."""

from typing import Literal, cast

import torch
from torch import nn

from wmlearn._checks import check_choice
from wmlearn._random import seeded
from wmlearn.training.models import Network, Normalize

_SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
_HIDDEN = {32: 200, 64: 256}  # neurons of a dense layer, by the filters of the first convolution


class PaperCNN(Network):
    """Four convolutions and three dense layers, with dropout: 312 thousand weights for MNIST.

    Attributes
    ----------
    input_shape : the shape (c, h, w) of one image
    classes : the number of classes
    width : filters of the first two convolutions; the others have twice as many
    """

    def _after_the_first(self) -> list[nn.Module]:
        channels, height, _ = self.input_shape
        filters = self.width
        hidden = _HIDDEN[filters]
        side = (height - 4) // 2  # 2 pixels lost in each convolution, half in pooling
        side = (side - 4) // 2
        layers = _pair(channels, filters)
        layers += _pair(filters, 2 * filters)
        layers.append(nn.Flatten())  # (n, 2 filters side side)
        layers += _dense(2 * filters * side**2, hidden)
        layers.append(nn.Dropout(0.5))
        layers += _dense(hidden, hidden)
        layers.append(nn.Linear(hidden, self.classes))
        return layers


def _dense(inputs: int, outputs: int) -> list[nn.Module]:
    layer = nn.Linear(inputs, outputs)
    return [layer, nn.ReLU()]


def _pair(inputs: int, outputs: int) -> list[nn.Module]:
    """Return two convolutions without padding, and a pooling."""
    first = nn.Conv2d(inputs, outputs, 3)
    second = nn.Conv2d(outputs, outputs, 3)
    return [first, nn.ReLU(), second, nn.ReLU(), nn.MaxPool2d(2)]


def paper_cnn(task: Literal["mnist", "cifar10"], *, seed: int = 0) -> PaperCNN:
    """Return an untrained network like that of the paper for a task.

    Parameters
    ----------
    task : "mnist" or "cifar10"
    seed : the seed of the initial weights, drawn as Keras does by default (Glorot, uniform)

    Raises
    ------
    ValueError
        If the task is another one.

    Source
    ------
    Zhang et al., ASIACCS 2018, appendix A.1: layers, filters, dropout 0.5. Three details are
    inferred from the networks that it names as its source (Carlini and Wagner, 2017): convolutions
    without padding, the place of the dropout, and images shifted to [-0.5, 0.5].

    Examples
    --------
    >>> model = paper_cnn("mnist")
    >>> f"{sum(weights.numel() for weights in model.parameters()):,} weights"
    '312,202 weights'
    """
    check_choice(task, "task", _SHAPES)
    shape = _SHAPES[task]
    filters = 32 if task == "mnist" else 64
    with seeded(seed), torch.device("cpu"):
        model = PaperCNN(shape, 10, filters)
        for layer in model.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.constant_(cast(torch.Tensor, layer.bias), 0)
    half = torch.full((1, shape[0], 1, 1), 0.5)
    model.layers[0] = Normalize(half, 2 * half)
    return model
