"""Thieves who hold the weights and change them without training."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from wmlearn._checks import check_choice, check_count, check_seed, checked
from wmlearn._random import torch_generator
from wmlearn.data.splits import Split
from wmlearn.theft._base import Theft, check_strength
from wmlearn.theft._weights import CONVOLUTIONS, Layers, matrices, plain_copy
from wmlearn.theft.deployment import Context, Deployment, Surrogate
from wmlearn.training._inference import own_copy
from wmlearn.training._threads import check_threads
from wmlearn.training.history import Fitted, History, OnEpoch
from wmlearn.watermarks.embedding import Marked

How = dict[str, Any]  # further arguments of `training.loop.run` and `embed`
Made = tuple[Fitted | Marked, int, bool]  # the model, images used, whether it must have changed


class OnWeights(Theft):
    """Base of the thefts on weights: all have the same call."""

    _commit: Callable[[nn.Module, Split | None, How], Made]  # gets a copy, which it may change

    def __call__(
        self,
        model: nn.Module,
        loot: Split | None = None,
        *,
        on_epoch: OnEpoch | None = None,
        threads: int = 1,
    ) -> Surrogate:
        """Return a changed or further trained copy of the model, with plain weights.

        Parametrisations (weight norm, LoRA, a mask) are replaced by the weights they compute.

        Parameters
        ----------
        model : the stolen model, which is not changed
        loot : the thief's own images and labels, for instance `data.loot`. Thefts without training
            do not need it; they only use its shape, to find the order of layers in a model without
            `input_shape`
        on_epoch : called after each epoch of a theft that trains; returning True ends the theft,
            which keeps the model as it is then
        threads : processor threads, as for `wm.fit`

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong, or the theft changes no weight at all, though its strength is
            above 0 or it trains.
        """
        began = time.perf_counter()
        how = {"on_epoch": on_epoch, "threads": check_threads(threads)}
        taken = plain_copy(model)
        made, images, changed = self._commit(own_copy(taken), loot, how)
        if changed and all(map(torch.equal, taken.parameters(), made.model.parameters())):
            raise ValueError(  # surviving it would mean nothing
                f"a theft must change the model; {self!r} changed nothing: each weight of "
                f"{type(taken).__name__} is as before. Take a stronger one."
            )
        seconds = time.perf_counter() - began
        return Surrogate(made.model, repr(self), images, 0, made.history, seconds)

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Run the theft on the owner's weights, and return what the thief deploys."""
        theft = context.seeded(self)
        return Deployment.of(theft(owner, context.loot, on_epoch=context.on_epoch), owner)


class Modification(OnWeights):
    """Base of the thefts without training."""

    # Changes the model in place; takes the shape (c, h, w) of an image, if known; returns the
    # strength.
    _alter: Callable[[nn.Module, tuple[int, ...] | None], float]

    def _commit(self, model: nn.Module, loot: Split | None, _: How) -> Made:
        shape = getattr(model, "input_shape", getattr(loot, "shape", None))
        changed = self._alter(model, shape) > 0
        return Fitted(model, History(())), 0, changed


@dataclass(frozen=True, repr=False)
class Prune(Modification):
    """Pruning: set the smallest weights, or whole channels, to zero.

    Networks have far more weights than their task needs. A thief hopes that the watermark is in
    weights that the task does not use. Mostly both share the same weights, and the task suffers
    first.

    Parameters
    ----------
    fraction : the share to set to zero, 0 to 1; 0 changes nothing
    by : "weight", the smallest of all weights in matrices; or "channel", in each convolution the
        filters with the smallest sum of absolute weights

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

    def _alter(self, model: nn.Module, shape: tuple[int, ...] | None) -> float:
        if self.by == "channel":
            layers = Layers(model, shape)
            layers.last(CONVOLUTIONS)  # raises an error if there is none
            for convolution in layers.of(CONVOLUTIONS):
                worth = convolution.weight.detach().abs().flatten(1).sum(1)
                drop_channels(layers, convolution, self.fraction, worth)
            return self.fraction
        found = matrices(model)
        # On the CPU, so equal weights have the same order whatever the device.
        sizes = torch.cat([weights.abs().flatten().cpu() for weights in found])
        kept = torch.ones_like(sizes)
        count = round(self.fraction * len(sizes))
        kept[sizes.topk(count, largest=False).indices] = 0
        for weights, mask in zip(found, kept.split([each.numel() for each in found])):
            weights *= mask.view(weights.shape).to(weights)
        return self.fraction


@dataclass(frozen=True, repr=False)
class Quantize(Modification):
    """Quantisation: round the weights to few bits, as is usual for phones.

    A thief hopes that the watermark is in the digits that are lost. Each layer's weights move to
    the nearest of 2 ** bits equally spaced values between its smallest and its largest weight.

    Parameters
    ----------
    bits : bits per weight, 1 to 16; models are trained with 32

    Source
    ------
    The affine scheme of Jacob et al. (2018), for weights only and without their training; Lukas et
    al. (2022) use 5 bits.

    Examples
    --------
    >>> Quantize(6)
    Quantize(bits=6)
    """

    bits: int = checked(check_count, low=1, high=16, why="of each weight")

    def _alter(self, model: nn.Module, _: object) -> float:
        for kept in matrices(model):
            weights = kept.cpu().double()  # Apple's GPUs have no doubles
            low, high = weights.aminmax()
            step = (high - low) / (2**self.bits - 1)
            if step > 0:
                kept.copy_(low + step * ((weights - low) / step).round())
        return self.bits


@dataclass(frozen=True, repr=False)
class PerturbWeights(Modification):
    """Weight noise: add Gaussian noise to every weight, which needs neither images nor time.

    Parameters
    ----------
    sigma : standard deviation of the noise, in units of that of the layer's weights, 0 to 10; 0
        changes nothing
    seed : the seed of the noise

    Source
    ------
    The simplest attack; "weight shifting" in Lukas et al. (2022) is a more refined variant.

    Examples
    --------
    >>> PerturbWeights(0.2)
    PerturbWeights(sigma=0.2, seed=0)
    """

    sigma: float = checked(check_strength, most=10)
    seed: int = checked(check_seed, 0)

    def _alter(self, model: nn.Module, _: object) -> float:
        generator = torch_generator(self.seed)
        for weights in matrices(model):
            noise = torch.randn(weights.shape, generator=generator, device="cpu").to(weights)
            weights += self.sigma * weights.std() * noise
        return self.sigma


@torch.no_grad()
def drop_channels(
    layers: Layers, layer: nn.Module, fraction: float, worth: Tensor
) -> tuple[list[nn.Parameter], Tensor]:
    """Set the least important channels of a convolution to zero, with biases and normalisation.

    Parameters
    ----------
    layers : the layers of the model
    layer : the convolution
    fraction : the share of its channels to set to zero, 0 to 1
    worth : the importance of each channel, shape (channels,)

    Returns
    -------
    parameters, channels
        The parameters that were changed, and the numbers of the channels.
    """
    out = worth.argsort(stable=True)[: round(fraction * len(worth))]
    found: list[nn.Parameter] = []
    for part in filter(None, (layer, layers.normalised(layer))):
        found.extend(part.parameters())
    for weights in found:
        weights[out] = 0
    return found, out
