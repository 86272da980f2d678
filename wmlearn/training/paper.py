"""The networks of the paper, for whoever repeats its tables."""

from typing import Literal

import torch
from torch import nn

from wmlearn._checks import check_choice
from wmlearn._random import seeded
from wmlearn.training.models import Network, Normalize

_SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
_FILTERS = {"mnist": 32, "cifar10": 64}
_HIDDEN = {32: 200, 64: 256}  # neurons of a dense layer, by the filters of the first convolution


class PaperCNN(Network):
    """Four convolutions and three dense layers, with dropout: 312 thousand weights for MNIST.

    Attributes
    ----------
    input_shape : (c, h, w) of one image
    classes : the number of classes
    width : filters of the first two convolutions; the others have twice as many
    """

    def _after_the_first(self) -> list[nn.Module]:
        channels, height, _ = self.input_shape
        filters, hidden = self.width, _HIDDEN[self.width]
        side = ((height - 4) // 2 - 4) // 2  # 2 pixels lost in each convolution, half in pooling
        return [
            *_pair(channels, filters),
            *_pair(filters, 2 * filters),
            nn.Flatten(),  # (n, 2 filters side side)
            nn.Linear(2 * filters * side**2, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, self.classes),
        ]


def _pair(inputs: int, outputs: int) -> list[nn.Module]:
    """Return two convolutions without a border, and a pooling."""
    first, second = nn.Conv2d(inputs, outputs, 3), nn.Conv2d(outputs, outputs, 3)
    return [first, nn.ReLU(), second, nn.ReLU(), nn.MaxPool2d(2)]


def paper_cnn(task: Literal["mnist", "cifar10"], *, seed: int = 0) -> PaperCNN:
    """Build an untrained network as the paper's for its task.

    Parameters
    ----------
    task : "mnist" or "cifar10"
    seed : draws the first weights, as Keras does where nothing else is said (Glorot, uniform)

    Source
    ------
    Zhang et al., ASIACCS 2018, appendix A.1: layers, filters, dropout 0.5. That convolutions have
    no border, where the dropout is, and that images are shifted to [-0.5, 0.5], is inferred from
    the networks it names as its source (Carlini and Wagner, 2017).

    Examples
    --------
    >>> model = paper_cnn("mnist")
    >>> f"{sum(weights.numel() for weights in model.parameters()):,} weights"
    '312,202 weights'
    """
    check_choice(task, "task", _SHAPES)
    with seeded(seed), torch.device("cpu"):
        model = PaperCNN(_SHAPES[task], 10, _FILTERS[task])
        for layer in model.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    half = torch.full((1, _SHAPES[task][0], 1, 1), 0.5)
    model.layers[0] = Normalize(half, 2 * half)
    return model
