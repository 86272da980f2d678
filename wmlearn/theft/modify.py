"""Thieves who hold the weights, and those of them who need the file alone: it is altered, nothing
is trained.
"""

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

How = dict[str, Any]  # a training is run, as `training.loop.run` and `embed` take it
Made = tuple[Fitted | Marked, int, bool]  # the model, the images it took, whether it must differ


class OnWeights(Theft):
    """Base of the thefts whose thief holds the weights: all are called alike."""

    _commit: Callable[[nn.Module, Split | None, How], Made]  # on a copy, in place or of another

    def __call__(
        self,
        model: nn.Module,
        loot: Split | None = None,
        *,
        on_epoch: OnEpoch | None = None,
        threads: int = 1,
    ) -> Surrogate:
        """Return a copy of the model, altered or trained further, whose weights are plain ones:
        what computed them from others (weight norm, LoRA, a mask) is gone.

        Parameters
        ----------
        model : what the thief took; it is left as it was
        loot : the images and labels that the thief holds, for instance `data.loot`. Thieves who
            train nothing need none: one image of its shape shows which layers of a model without
            `input_shape` follow each other
        on_epoch : called after each epoch of a thief who trains; returning True ends the theft
            there, and what was done is kept
        threads : of the processor; as for `wm.fit`

        Raises
        ------
        ValueError
            If the theft would change nothing, though its strength is above 0, or if nothing was
            learnt, not even in the last digit.
        """
        began = time.perf_counter()
        how = {"on_epoch": on_epoch, "threads": check_threads(threads)}
        taken = plain_copy(model)
        made, images, changed = self._commit(own_copy(taken), loot, how)
        if changed and all(map(torch.equal, taken.parameters(), made.model.parameters())):
            raise ValueError(  # to survive it would say nothing
                f"a theft must change the model; {self!r} changed nothing: each weight of "
                f"{type(taken).__name__} is what it was. Take a stronger one."
            )
        seconds = time.perf_counter() - began
        return Surrogate(made.model, repr(self), images, 0, made.history, seconds)

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Commit the theft on the owner's weights, and return what the thief deploys."""
        theft = context.seeded(self)
        return Deployment.of(theft(owner, context.loot, on_epoch=context.on_epoch), owner)


class Modification(OnWeights):
    """Base of the thefts that train nothing."""

    # In place; with the shape (c, h, w) of an image, if it is known. Returns the strength.
    _alter: Callable[[nn.Module, tuple[int, ...] | None], float]

    def _commit(self, model: nn.Module, loot: Split | None, _: How) -> Made:
        shape = getattr(model, "input_shape", getattr(loot, "shape", None))
        changed = self._alter(model, shape) > 0
        return Fitted(model, History(())), 0, changed


@dataclass(frozen=True, repr=False)
class Prune(Modification):
    """Set the smallest weights to zero, or take whole channels out: what is small will not be
    missed.

    Networks hold far more weights than their task needs. A thief hopes that the watermark lives in
    those that the task does not use; mostly the two share the same ones, and the task goes first.

    Parameters
    ----------
    fraction : how much goes, 0 to 1; 0 changes nothing
    by : "weight", the smallest of all weights by which the network multiplies; or "channel", of
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

    def _alter(self, model: nn.Module, shape: tuple[int, ...] | None) -> float:
        if self.by == "channel":
            layers = Layers(model, shape)
            layers.last(CONVOLUTIONS)  # says so if there is none
            for convolution in layers.of(CONVOLUTIONS):
                worth = convolution.weight.detach().abs().flatten(1).sum(1)
                drop_channels(layers, convolution, self.fraction, worth)
            return self.fraction
        found = matrices(model)
        # Where equals stand in one order, whatever the device.
        sizes = torch.cat([weights.abs().flatten().cpu() for weights in found])
        kept = torch.ones_like(sizes)
        count = round(self.fraction * len(sizes))
        kept[sizes.topk(count, largest=False).indices] = 0
        for weights, mask in zip(found, kept.split([each.numel() for each in found])):
            weights *= mask.view(weights.shape).to(weights)
        return self.fraction


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
    """Silence the channels of a convolution that are worth least, biases and normalisation
    included; return where that is, and which they are.
    """
    out = worth.argsort(stable=True)[: round(fraction * len(worth))]
    found: list[nn.Parameter] = []
    for part in filter(None, (layer, layers.normalised(layer))):
        found.extend(part.parameters())
    for weights in found:
        weights[out] = 0
    return found, out
