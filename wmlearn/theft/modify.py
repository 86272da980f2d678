"""Thieves who hold the weights, and those of them who need the file alone: it is altered, nothing
is trained.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from wmlearn._checks import check_choice, check_count, check_seed, checked
from wmlearn._random import torch_generator
from wmlearn.data.splits import Split
from wmlearn.theft._base import Theft, check_strength
from wmlearn.theft.deployment import Context, Deployment, Surrogate
from wmlearn.training._inference import check_model
from wmlearn.training._threads import check_threads
from wmlearn.training.history import History, OnEpoch
from wmlearn.training.loop import own_copy

Layer = nn.Conv2d | nn.Linear
LAYERS: tuple[type[Layer], ...] = (nn.Conv2d, nn.Linear)
CONVOLUTIONS = (nn.Conv2d,)
L = TypeVar("L", bound=nn.Module)


class OnWeights(Theft):
    """Base of the thefts whose thief holds the weights."""

    __call__: Callable[..., Surrogate]  # with the model and the loot

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Commit the theft on the owner's weights, and return what the thief deploys."""
        theft = context.seeded(self)
        return Deployment.of(theft(owner, context.loot, on_epoch=context.on_epoch), owner)


class Modification(OnWeights):
    """Base of the thefts that train nothing: copies the model, alters it, records the time."""

    _alter: Callable[[nn.Module], None]  # in place

    def __call__(
        self,
        model: nn.Module,
        loot: Split | None = None,
        *,
        on_epoch: OnEpoch | None = None,
        threads: int = 1,
    ) -> Surrogate:
        """Return an altered copy of the model.

        Parameters
        ----------
        model : what the thief took; it is left as it was
        loot, on_epoch, threads : not needed; taken so that all such thefts can be called alike
        """
        began = time.perf_counter()
        check_threads(threads)
        altered = own_copy(check_model(model))
        self._alter(altered)
        return Surrogate(altered, repr(self), 0, 0, History(()), time.perf_counter() - began)


@dataclass(frozen=True, repr=False)
class Prune(Modification):
    """Set the smallest weights to zero, or take whole channels out: what is small will not be
    missed.

    Networks hold far more weights than their task needs. A thief hopes that the watermark lives in
    those that the task does not use; mostly the two share the same ones, and the task goes first.

    Parameters
    ----------
    fraction : how much goes, 0 to 1; 0 changes nothing
    by : "weight", the smallest of all weights of convolutions and linear layers; or "channel", of
        each convolution those filters whose weights are smallest in sum

    Source
    ------
    Han et al. (2015) by weight, Li et al. (2017) by channel; tables 3 and 4 of Zhang et al. (2018).

    Examples
    --------
    >>> Prune(0.6), Prune(0.2, by="channel")
    (Prune(fraction=0.6, by='weight'), Prune(fraction=0.2, by='channel'))
    """

    fraction: float = checked(check_strength, most=1)
    by: Literal["weight", "channel"] = checked(
        check_choice, "weight", choices=["weight", "channel"]
    )

    def _alter(self, model: nn.Module) -> None:
        if self.by == "channel":
            for convolution in layers_of(model, CONVOLUTIONS):
                worth = convolution.weight.detach().abs().flatten(1).sum(1)
                drop_channels(model, convolution, self.fraction, worth)
            return
        layers = [(layer, "weight") for layer in layers_of(model, LAYERS)]
        prune.global_unstructured(layers, prune.L1Unstructured, amount=float(self.fraction))
        for layer, name in layers:
            prune.remove(layer, name)  # for good: no mask stays behind


@dataclass(frozen=True, repr=False)
class Quantize(Modification):
    """Round the weights to few bits, as whoever ships to a telephone does anyway; perhaps the
    watermark is in the rest.

    Each layer's weights move to the nearest of 2 ** bits equally spaced values between its smallest
    and its largest.

    Parameters
    ----------
    bits : for each weight, 1 to 16; a model is trained with 32

    Source
    ------
    The affine scheme of Jacob et al. (2018), for weights only, without their training; Lukas et al.
    (2022) take 5 bits.

    Examples
    --------
    >>> Quantize(6)
    Quantize(bits=6)
    """

    bits: int = checked(check_count, low=1, high=16, why="of each weight")

    @torch.no_grad()
    def _alter(self, model: nn.Module) -> None:
        for layer in layers_of(model, LAYERS):
            weights = layer.weight.double()
            low, high = weights.aminmax()
            step = (high - low) / (2**self.bits - 1)
            if step > 0:
                layer.weight.copy_(low + step * ((weights - low) / step).round())


@dataclass(frozen=True, repr=False)
class PerturbWeights(Modification):
    """Shake every weight a little, at random: it costs nothing, neither images nor time.

    Parameters
    ----------
    sigma : standard deviation of the Gaussian noise, in units of that of the layer's weights, 0 to
        10
    seed : draws the noise

    Source
    ------
    The plainest of attacks; "weight shifting" in Lukas et al. (2022) is a cleverer relative.

    Examples
    --------
    >>> PerturbWeights(0.2)
    PerturbWeights(sigma=0.2, seed=0)
    """

    sigma: float = checked(check_strength, most=10)
    seed: int = checked(check_seed, 0)

    @torch.no_grad()
    def _alter(self, model: nn.Module) -> None:
        generator = torch_generator(self.seed)
        for layer in layers_of(model, LAYERS):
            noise = torch.randn(layer.weight.shape, generator=generator).to(layer.weight)
            layer.weight += self.sigma * layer.weight.std() * noise


def layers_of(model: nn.Module, kinds: tuple[type[L], ...]) -> list[L]:
    """Return the layers of some kinds, in the order of the model, or say that it has none."""
    found = [part for part in model.modules() if isinstance(part, kinds)]
    if not found:
        wanted = "a convolution" if kinds == CONVOLUTIONS else "a convolution or a linear layer"
        raise ValueError(
            f"model must have {wanted} to alter; {type(model).__name__} has none. Take another "
            "theft."
        )
    return found


def normalised(model: nn.Module, layer: nn.Conv2d) -> nn.BatchNorm2d | None:
    """Return the batch normalisation that follows a convolution, if one does."""
    after = dict(pairwise(model.modules())).get(layer)
    return after if isinstance(after, nn.BatchNorm2d) else None


@torch.no_grad()
def drop_channels(model: nn.Module, layer: nn.Conv2d, fraction: float, worth: Tensor) -> None:
    """Silence the channels of a convolution that are worth least, biases and batch normalisation
    included.
    """
    out = worth.argsort(stable=True)[: round(fraction * len(worth))]
    for part in filter(None, (layer, normalised(model, layer))):
        for weights in part.parameters():
            weights[out] = 0
