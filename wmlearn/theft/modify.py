"""What all thefts have in common, and those that need the file alone: the weights are altered, nothing is trained."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from wmlearn._checks import check_choice, check_count, check_number, check_seed
from wmlearn._forward import check_fits, check_model
from wmlearn._random import torch_generator
from wmlearn._show import html_table, plural
from wmlearn._threads import check_threads
from wmlearn.data import Split
from wmlearn.history import History, OnEpoch
from wmlearn.training import own_copy

Altered = tuple[nn.Module, History]
HowToRun = dict[str, Any]  # on_epoch and threads, as `training.run` takes them
UNTRAINED = History(())
Layer = nn.Conv2d | nn.Linear


class Noun:
    """A theft prints as it is written; what can be given by name only is shown where it is not the default."""

    def __repr__(self) -> str:
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        told = {f.name: told[f.name] for f in fields(self) if not f.kw_only or told[f.name] != f.default}
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in told.items()}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in plain.items())})"


@dataclass(frozen=True)
class Surrogate:
    """What the thief deploys, and what it cost him.

    Attributes
    ----------
    model : the new model; the one he took is unchanged
    theft : how it was made
    images : images of his own that he needed
    queries : answers that he got from the owner's service
    history : how the training went; no epochs where nothing was trained
    seconds : time it took
    unanswered : images that he wanted to ask and got no answer for
    trouble : why not, where the service said so
    """

    model: nn.Module
    theft: str
    images: int
    queries: int
    history: History
    seconds: float = field(repr=False, compare=False)
    unanswered: int = 0
    trouble: str = ""

    def __repr__(self) -> str:
        asked = f", {plural(self.queries, 'answer')} of the owner's service" if self.queries else ""
        missed = f" ({self.unanswered:,} more wanted)" if self.unanswered else ""
        early = ", stopped early" if self.history.stopped else ""
        return f"Surrogate({self.theft}: {plural(self.images, 'image')} of the thief's own{asked}{missed}{early})"

    def _repr_html_(self) -> str:
        rows = {
            "images of the thief's own": f"{self.images:,}",
            "epochs": len(self.history.epochs),
            "answers of the owner's service": self.queries,
            "wanted, but not answered": self.unanswered,
            "because": self.trouble,
        }
        return html_table(self.theft, {name: value for name, value in rows.items() if value})


def check_strength(value: object, name: str, *, most: float) -> float:
    """Return a number from 0, at which a theft changes nothing, to `most`; or say what is wrong with it."""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and value == 0:
        return 0.0
    return check_number(value, name, above=0, at_most=most, hint="Or 0, which changes nothing.")


class Modification(Noun):
    """What thieves who hold the weights share: a copy is altered, as each says in `_alter`, and the clock runs."""

    trains: ClassVar[bool] = False  # on images of the thief's own

    def __call__(
        self, model: nn.Module, loot: Split | None = None, *, on_epoch: OnEpoch | None = None, threads: int = 1
    ) -> Surrogate:
        """Return an altered copy of the model.

        Parameters
        ----------
        model : what the thief took; it is left as it was
        loot : the images and labels he holds, for instance `data.loot`; whoever does not train needs none
        on_epoch : called after each epoch; returning True ends the theft there, and what was done is kept
        threads : of the processor, where it trains; as for `wm.fit`
        """
        if self.trains:
            check_fits(model, loot, "loot")
        began = time.perf_counter()
        how = {"on_epoch": on_epoch, "threads": check_threads(threads)}
        altered, history = self._alter(own_copy(check_model(model)), loot, how)
        images = len(loot) if self.trains else 0
        return Surrogate(altered, repr(self), images, 0, history, time.perf_counter() - began)


@dataclass(frozen=True, repr=False)
class Prune(Modification):
    """Set the smallest weights to zero, or take whole channels out: what is small will not be missed.

    Networks hold far more weights than their task needs. A thief hopes that the watermark lives in those that the
    task does not use; mostly the two share the same ones, and the task goes first.

    Parameters
    ----------
    fraction : how much goes, 0 to 1; 0 changes nothing
    by : "weight", the smallest of all weights of convolutions and linear layers; or "channel", of each convolution
        those filters whose weights are smallest in sum

    Source
    ------
    Han et al. (2015) by weight, Li et al. (2017) by channel; tables 3 and 4 of Zhang et al. (2018).

    Examples
    --------
    >>> Prune(0.6), Prune(0.2, by="channel")
    (Prune(fraction=0.6, by='weight'), Prune(fraction=0.2, by='channel'))
    """

    fraction: float
    by: Literal["weight", "channel"] = "weight"

    def __post_init__(self) -> None:
        check_strength(self.fraction, "fraction", most=1)
        check_choice(self.by, "by", ["weight", "channel"])

    def _alter(self, model: nn.Module, loot: Split | None, how: HowToRun) -> Altered:
        if self.by == "channel":
            for layer in layers_of(model, nn.Conv2d):
                drop_channels(model, layer, self.fraction, layer.weight.detach().abs().flatten(1).sum(1))
            return model, UNTRAINED
        layers = [(layer, "weight") for layer in layers_of(model)]
        prune.global_unstructured(layers, prune.L1Unstructured, amount=float(self.fraction))
        for layer, name in layers:
            prune.remove(layer, name)  # for good: no mask stays behind
        return model, UNTRAINED


@dataclass(frozen=True, repr=False)
class Quantize(Modification):
    """Round the weights to few bits, as whoever ships to a telephone does anyway; perhaps the watermark is in the rest.

    Each layer's weights move to the nearest of 2 ** bits equally spaced values between its smallest and its largest.

    Parameters
    ----------
    bits : for each weight, 1 to 16; a model is trained with 32

    Source
    ------
    The affine scheme of Jacob et al. (2018), for weights only, without their training; Lukas et al. (2022) take 5 bits.

    Examples
    --------
    >>> Quantize(6)
    Quantize(bits=6)
    """

    bits: int

    def __post_init__(self) -> None:
        check_count(self.bits, "bits", low=1, high=16, why="of each weight")

    @torch.no_grad()
    def _alter(self, model: nn.Module, loot: Split | None, how: HowToRun) -> Altered:
        for layer in layers_of(model):
            weights = layer.weight.double()
            low, step = weights.min(), (weights.max() - weights.min()) / (2**self.bits - 1)
            if step > 0:
                layer.weight.copy_(low + step * ((weights - low) / step).round())
        return model, UNTRAINED


@dataclass(frozen=True, repr=False)
class PerturbWeights(Modification):
    """Shake every weight a little, at random: it costs nothing, neither images nor time.

    Parameters
    ----------
    sigma : standard deviation of the Gaussian noise, in units of that of the layer's weights, 0 to 10
    seed : draws the noise

    Source
    ------
    The plainest of attacks; "weight shifting" in Lukas et al. (2022) is a cleverer relative.

    Examples
    --------
    >>> PerturbWeights(0.2)
    PerturbWeights(sigma=0.2, seed=0)
    """

    sigma: float
    seed: int = 0

    def __post_init__(self) -> None:
        check_strength(self.sigma, "sigma", most=10)
        check_seed(self.seed)

    @torch.no_grad()
    def _alter(self, model: nn.Module, loot: Split | None, how: HowToRun) -> Altered:
        generator = torch_generator(self.seed)
        for layer in layers_of(model):
            noise = torch.randn(layer.weight.shape, generator=generator).to(layer.weight)
            layer.weight += self.sigma * layer.weight.std() * noise
        return model, UNTRAINED


def layers_of(model: nn.Module, kinds: type | tuple[type, ...] = (nn.Conv2d, nn.Linear)) -> list[Layer]:
    """Return the layers of a kind, in the order of the model, or say that it has none."""
    found = [part for part in model.modules() if isinstance(part, kinds)]
    if not found:
        wanted = "a convolution" if kinds is nn.Conv2d else "a convolution or a linear layer"
        raise ValueError(f"model must have {wanted} to alter; {type(model).__name__} has none. Take another theft.")
    return found


def normalised(model: nn.Module, layer: Layer) -> nn.Module | None:
    """Return the batch normalisation that follows a convolution, if one does."""
    after = dict(pairwise(model.modules())).get(layer)
    return after if isinstance(after, nn.BatchNorm2d) else None


@torch.no_grad()
def drop_channels(model: nn.Module, layer: nn.Conv2d, fraction: float, worth: Tensor) -> None:
    """Silence the channels of a convolution that are worth least, biases and batch normalisation included."""
    out = worth.argsort(stable=True)[: round(fraction * len(worth))]
    for part in filter(None, (layer, normalised(model, layer))):
        for weights in part.parameters():
            weights[out] = 0
