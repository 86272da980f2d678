"""The networks of the course: small enough for a laptop, real enough to be worth stealing."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from wmlearn._checks import check_count, check_kind
from wmlearn._random import seeded
from wmlearn._types import Pixels
from wmlearn.data.splits import Splits


class Normalize(nn.Module):
    """The first layer of every model: shift and scale each channel, so that callers always pass
    images in [0, 1].
    """

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.view(1, -1, 1, 1))
        self.register_buffer("std", std.view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return images (n, c, h, w) with about mean 0 and standard deviation 1 in each channel."""
        return (images - self.mean) / self.std


class SmallCNN(nn.Module):
    """Two strided convolutions, one hidden layer, one score a class: 79 thousand weights for MNIST.

    Attributes
    ----------
    input_shape : (c, h, w) of one image
    classes : the number of classes
    width : filters of the first convolution; the second has twice as many
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int, width: int = 12) -> None:
        super().__init__()
        channels, height, image_width = input_shape
        self.input_shape, self.classes, self.width = tuple(input_shape), classes, width
        quarter = -(-height // 4) * -(-image_width // 4)  # two strides of 2, rounded up
        self.layers = nn.Sequential(
            Normalize(torch.zeros(channels), torch.ones(channels)),  # (n, c, h, w)
            nn.Conv2d(channels, width, 3, stride=2, padding=1),  # (n, 12, h/2, w/2)
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),  # (n, 24, h/4, w/4)
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * width * quarter, 64),
            nn.ReLU(),
            nn.Linear(64, classes),  # (n, classes): scores
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (n, classes) of images (n, c, h, w) in [0, 1]."""
        return self.layers(images)


class DeepCNN(nn.Module):
    """Four convolutions with batch normalisation, then the mean over the image: 242 thousand
    weights for CIFAR-10.

    Attributes
    ----------
    input_shape : (c, h, w) of one image
    classes : the number of classes
    width : filters of the first convolution; the second has twice as many, the others four times

    Source
    ------
    Ioffe and Szegedy (2015), batch normalisation; Lin, Chen and Yan (2014), the mean instead of a
    hidden layer.
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int, width: int = 32) -> None:
        super().__init__()
        channels = input_shape[0]
        self.input_shape, self.classes, self.width = tuple(input_shape), classes, width
        self.layers = nn.Sequential(
            Normalize(torch.zeros(channels), torch.ones(channels)),  # (n, c, h, w)
            *_convolution(channels, width, stride=2),  # (n, 32, h/2, w/2)
            *_convolution(width, 2 * width),  # (n, 64, h/2, w/2)
            nn.MaxPool2d(2),
            *_convolution(2 * width, 4 * width),  # (n, 128, h/4, w/4)
            *_convolution(4 * width, 4 * width),  # (n, 128, h/4, w/4)
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),  # (n, 128)
            nn.Linear(4 * width, classes),  # (n, classes): scores
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (n, classes) of images (n, c, h, w) in [0, 1]."""
        return self.layers(
            images.contiguous(memory_format=torch.channels_last)
        )  # a quarter faster on a CPU


def _convolution(inputs: int, outputs: int, *, stride: int = 1) -> list[nn.Module]:
    """Return a convolution whose outputs are normalised over the batch; so it needs no bias of its
    own.
    """
    return [
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),  # a third less memory in training
    ]


Network = TypeVar("Network", SmallCNN, DeepCNN)


def small_cnn(data: Splits, *, width: int = 12, seed: int = 0) -> SmallCNN:
    """Build an untrained network for a data set, normalisation included.

    Parameters
    ----------
    data : the task: its image shape, its classes, and the training images the normalisation is
        taken from
    width : filters of the first convolution, 1 to 1024
    seed : draws the first weights

    Examples
    --------
    >>> import wmlearn as wm
    >>> model = wm.small_cnn(wm.load_data("mnist"))
    >>> f"{sum(weights.numel() for weights in model.parameters()):,} weights"
    '78,714 weights'
    """
    return _untrained(SmallCNN, data, width, seed)


def deep_cnn(data: Splits, *, width: int = 32, seed: int = 0) -> DeepCNN:
    """Build an untrained deeper network, for photographs; normalisation included.

    Parameters
    ----------
    data : the task: its image shape, its classes, and the training images the normalisation is
        taken from
    width : filters of the first convolution, 1 to 1024
    seed : draws the first weights

    Examples
    --------
    >>> import wmlearn as wm
    >>> model = wm.training.deep_cnn(wm.load_data("cifar10"))
    >>> f"{sum(weights.numel() for weights in model.parameters()):,} weights"
    '242,474 weights'
    """
    return _untrained(DeepCNN, data, width, seed)


def _untrained(kind: type[Network], data: Splits, width: int, seed: int) -> Network:
    check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
    check_count(width, "width", low=1, high=1024, why="filters of the first convolution")
    with seeded(seed):
        model = kind(data.shape, len(data.classes), width)
    mean, std = _mean_and_std(data.train.pixels)
    model.layers[0].mean.copy_(torch.from_numpy(mean).view(1, -1, 1, 1))
    model.layers[0].std.copy_(torch.from_numpy(std).view(1, -1, 1, 1))
    return model


def _mean_and_std(pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each channel, shape (c,), of images in [0, 1]."""
    mean = pixels.mean((0, 2, 3))
    squares = np.square(
        pixels, dtype=np.uint16
    )  # 255 squared fits; floats would take four times the memory
    variance = squares.mean((0, 2, 3)) - mean**2
    return mean / 255, np.sqrt(
        np.maximum(variance, 1)
    ) / 255  # a channel of one grey must not divide by zero
