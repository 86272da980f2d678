"""The networks of the course: small enough for a laptop, real enough to be worth stealing."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from wmlearn._checks import check_count, check_kind, first_line
from wmlearn._random import seeded
from wmlearn.data.splits import Splits
from wmlearn.training._inference import check_model, own_copy


class Normalize(nn.Module):
    """A first layer that shifts and scales each channel, so callers pass images in [0, 1].

    Attributes
    ----------
    mean, std : mean and standard deviation of each channel, shape (1, c, 1, 1)
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images: Tensor) -> Tensor:
        """Return images (n, c, h, w) with mean 0 and standard deviation 1, roughly, per channel."""
        return (images - self.mean) / self.std


class Network(nn.Module):
    """Base of the networks of the course, which differ in the layers after the first.

    Attributes
    ----------
    input_shape : the shape (c, h, w) of one image
    classes : the number of classes
    width : filters of the first convolution
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int, width: int) -> None:
        super().__init__()
        self.input_shape = tuple(input_shape)
        self.classes = classes
        self.width = width
        mean = torch.zeros(1, input_shape[0], 1, 1)
        self.layers = nn.Sequential(Normalize(mean, mean + 1), *self._after_the_first())

    def _after_the_first(self) -> list[nn.Module]:
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (n, classes) of images (n, c, h, w) in [0, 1]."""
        scores: Tensor = self.layers(images)
        return scores


class SmallCNN(Network):
    """Two strided convolutions, a hidden layer, a score per class: 79 thousand weights for MNIST.

    Attributes
    ----------
    input_shape : the shape (c, h, w) of one image
    classes : the number of classes
    width : filters of the first convolution; the second has twice as many
    """

    def _after_the_first(self) -> list[nn.Module]:
        channels, height, width = self.input_shape
        filters = self.width
        quarter = -(-height // 4) * -(-width // 4)  # two strides of 2, rounded up
        first = nn.Conv2d(channels, filters, 3, stride=2, padding=1)  # (n, 12, h/2, w/2)
        second = nn.Conv2d(filters, 2 * filters, 3, stride=2, padding=1)  # (n, 24, h/4, w/4)
        hidden = nn.Linear(2 * filters * quarter, 64)
        scores = nn.Linear(64, self.classes)  # (n, classes)
        return [first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), hidden, nn.ReLU(), scores]


class DeepCNN(Network):
    """Four convolutions, then the mean over the image: 242 thousand weights for CIFAR-10.

    Attributes
    ----------
    input_shape : the shape (c, h, w) of one image
    classes : the number of classes
    width : filters of the first convolution; the second has twice as many, the others four times

    Source
    ------
    Ioffe and Szegedy (2015), batch normalisation; Lin, Chen and Yan (2014), the mean instead of a
    hidden layer.
    """

    def _after_the_first(self) -> list[nn.Module]:
        width = self.width
        first = _convolution(self.input_shape[0], width, stride=2)  # (n, 32, h/2, w/2)
        second = _convolution(width, 2 * width)  # (n, 64, h/2, w/2)
        third = _convolution(2 * width, 4 * width)  # (n, 128, h/4, w/4)
        fourth = _convolution(4 * width, 4 * width)
        scores = nn.Linear(4 * width, self.classes)  # (n, classes)
        mean = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # (n, 128)
        return [*first, *second, nn.MaxPool2d(2), *third, *fourth, *mean, scores]

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (n, classes) of images (n, c, h, w) in [0, 1]."""
        # This layout is a quarter faster on a CPU.
        return super().forward(images.contiguous(memory_format=torch.channels_last))


def _convolution(inputs: int, outputs: int, *, stride: int = 1) -> list[nn.Module]:
    """Return a convolution with batch normalisation, so without a bias, and a ReLU."""
    return [
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),  # a third less memory in training
    ]


Kind = TypeVar("Kind", bound=Network)
Builder = Callable[..., nn.Module]  # `small_cnn`, `deep_cnn`, or one like them


def untrained(network: Builder, data: Splits, *, seed: int) -> nn.Module:
    """Return the network that a function of data and seed builds, with torch's generator seeded.

    Raises
    ------
    TypeError
        If the function cannot be called with data and seed, or returns no network.
    """
    with seeded(seed):
        try:
            model = network(data, seed=seed)
        except TypeError as error:
            raise TypeError(
                "network must be a function of data and seed that builds an untrained network; it "
                f"failed: {first_line(error)}. Pass wm.small_cnn, or lambda data, seed: "
                "resnet18(num_classes=len(data.classes))."
            ) from error
    return own_copy(
        check_model(model)
    )  # a function may return the same object again, but null models must differ


def small_cnn(data: Splits, *, width: int = 12, seed: int = 0) -> SmallCNN:
    """Return an untrained small network for a task, with normalisation.

    Parameters
    ----------
    data : the task, which gives the image shape, the classes and the images for the normalisation
    width : filters of the first convolution, 1 to 1024
    seed : the seed of the initial weights, 0 to 2**32 - 1

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or range.

    Examples
    --------
    >>> import wmlearn as wm
    >>> model = wm.small_cnn(wm.load_data("mnist"))
    >>> f"{sum(weights.numel() for weights in model.parameters()):,} weights"
    '78,714 weights'
    """
    return _untrained(SmallCNN, data, width, seed)


def deep_cnn(data: Splits, *, width: int = 32, seed: int = 0) -> DeepCNN:
    """Return an untrained deeper network, for photographs, with normalisation.

    Parameters
    ----------
    data : the task, which gives the image shape, the classes and the images for the normalisation
    width : filters of the first convolution, 1 to 1024
    seed : the seed of the initial weights, 0 to 2**32 - 1

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or range.

    Examples
    --------
    >>> import wmlearn as wm
    >>> model = wm.training.deep_cnn(wm.load_data("cifar10"))
    >>> f"{sum(weights.numel() for weights in model.parameters()):,} weights"
    '242,474 weights'
    """
    return _untrained(DeepCNN, data, width, seed)


def _untrained(kind: type[Kind], data: Splits, width: int, seed: int) -> Kind:
    check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
    check_count(width, "width", low=1, high=1024, why="filters of the first convolution")
    # On the CPU, where the seed decides, whatever the caller's default device.
    with seeded(seed), torch.device("cpu"):
        model = kind(data.shape, len(data.classes), width)
    pixels = data.train.pixels
    mean = pixels.mean((0, 2, 3), keepdims=True)
    # uint16 holds 255 squared; floats would take four times the memory.
    squares = np.square(pixels, dtype=np.uint16)
    variance = squares.mean((0, 2, 3), keepdims=True) - mean**2
    std = np.sqrt(np.maximum(variance, 1))  # a uniform channel must not divide by zero
    model.layers[0] = Normalize(*torch.from_numpy(np.stack([mean, std]) / 255).float())
    return model
