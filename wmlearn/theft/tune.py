"""Thieves who train what they took: on images of their own, from where the owner left off."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from itertools import islice
from typing import Literal

import torch
from torch import Tensor, nn

from wmlearn._checks import check_choice, check_count, check_kind, check_number, check_seed
from wmlearn._random import seeded
from wmlearn.data.splits import Split, Splits
from wmlearn.evidence.trigger_set import Triggers
from wmlearn.theft.modify import (
    Altered,
    HowToRun,
    Modification,
    check_strength,
    drop_channels,
    layers_of,
    normalised,
)
from wmlearn.training._inference import predict
from wmlearn.training.loop import TensorData, run, train
from wmlearn.training.schedule import Schedule
from wmlearn.watermarks.embedding import embed


@dataclass(frozen=True, repr=False)
class FineTune(Modification):
    """Go on training the model on images of the thief's own.

    The most natural theft: hardly anybody deploys a stolen model as it is. Four kinds have names in
    the literature: FTAL (all layers, the default), FTLL (the last layer), RTAL and RTLL (the same
    two, after the last layer was thrown away and drawn anew: a thief who wants other classes has
    to).

    Parameters
    ----------
    epochs : how often it is shown the thief's images, at least 1
    lr : the learning rate, constant; it decides what survives
    seed : the order of the images, and what a new layer starts from
    layers : "all", or only the "last"
    reset : whether the last layer is drawn anew first

    Source
    ------
    The four names are those of Adi et al. (2018); table 5 of Zhang et al. (2018), who give neither
    rate nor epochs.

    Examples
    --------
    >>> FineTune(epochs=3), FineTune(layers="last", reset=True)
    (FineTune(epochs=3, lr=0.001, seed=0), FineTune(epochs=3, lr=0.001, seed=0, layers='last',
    reset=True))
    """

    trains = True
    epochs: int = 3
    lr: float = 1e-3
    seed: int = 0
    _: KW_ONLY
    layers: Literal["all", "last"] = "all"
    reset: bool = False

    def __post_init__(self) -> None:
        check_count(
            self.epochs, "epochs", low=1, hint="For instance FineTune(epochs=3)(model, loot)."
        )
        check_number(self.lr, "lr", above=0, below=10)
        check_seed(self.seed)
        check_choice(self.layers, "layers", ["all", "last"])
        check_kind(self.reset, "reset", bool, "True or False")

    def _alter(self, model: nn.Module, loot: Split, how: HowToRun) -> Altered:
        last = layers_of(model)[-1] if self.reset or self.layers == "last" else model
        if self.reset:
            with seeded(self.seed):
                last.reset_parameters()
        model.requires_grad_(self.layers == "all")
        last.requires_grad_()
        hook = model.register_forward_pre_hook(self._rest)
        steps = train(model, TensorData(loot), rate=lambda _: self.lr, seed=self.seed)
        history = run(islice(steps, self.epochs), self.epochs, dict, **how)
        hook.remove()
        return model.requires_grad_(), history

    def _rest(self, model: nn.Module, _: object) -> None:
        """Keep the running means of layers that do not learn, too, and let them drop nothing out."""
        if self.layers == "last":
            model.eval()


@dataclass(frozen=True, repr=False)
class FinePrune(Modification):
    """Take out the channels that sleep on ordinary images, then fine-tune: the thief who knows
    about backdoors.

    A trigger must be recognised somewhere, perhaps by channels that nothing else wakes. So the
    thief shows the model their own images, notes which channels of the last convolution stay
    silent, and removes the sleepiest.

    Parameters
    ----------
    fraction : how many of the last convolution's channels go, 0 to 1
    epochs, lr, seed : of the fine-tuning that follows, as in `FineTune`

    Source
    ------
    Liu, Dolan-Gavitt and Garg (2018), "Fine-pruning". They prune until the accuracy falls; here the
    fraction is given.

    Examples
    --------
    >>> FinePrune(0.5)
    FinePrune(fraction=0.5, epochs=3, lr=0.001, seed=0)
    """

    trains = True
    fraction: float
    epochs: int = 3
    lr: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        check_strength(self.fraction, "fraction", most=1)
        self._tune()

    def _tune(self) -> FineTune:
        return FineTune(self.epochs, self.lr, self.seed)

    def _alter(self, model: nn.Module, loot: Split, how: HowToRun) -> Altered:
        last = layers_of(model, nn.Conv2d)[-1]
        drop_channels(model, last, self.fraction, _activity(model, last, loot))
        # What was set to zero before a ReLU gets no gradient there, so that it stays so while the
        # rest learns.
        return self._tune()._alter(model, loot, how)


@dataclass(frozen=True, repr=False)
class Overwrite(Modification):
    """Embed a watermark of the thief's own over the owner's, so each can show theirs in the same
    model.

    Whether the first one is still there is measured; who was first, no watermark can say: it takes
    a dated seal.

    Parameters
    ----------
    triggers : the thief's trigger set, made from the loot: `Content()(replace(data,
        train=data.loot), n=150)`; its key is not kept
    epochs, lr : of the schedule, as in `Schedule`; it goes on until every question is answered, as
        `embed` does
    seed : the order of the images

    Source
    ------
    "Overwriting" in Uchida et al. (2017) and Lukas et al. (2022); ambiguity, Craver et al. (1998).
    """

    trains = True
    triggers: Triggers
    epochs: int = 4
    lr: float = 5e-3
    seed: int = 0

    def __post_init__(self) -> None:
        check_kind(self.triggers, "triggers", Triggers, "such as wm.Content()(data, n=150)")
        object.__setattr__(
            self, "triggers", self.triggers.without_key
        )  # without the key, so that it may go to a worker
        Schedule(self.epochs, self.lr)
        check_seed(self.seed)

    def _alter(self, model: nn.Module, loot: Split, how: HowToRun) -> Altered:
        thief_data = Splits(
            "loot", loot, loot, loot, self.triggers.rules.classes
        )  # the thief has no other images to measure on
        schedule = Schedule(self.epochs, self.lr)
        marked = embed(model, thief_data, self.triggers, schedule=schedule, seed=self.seed, **how)
        return marked.model, marked.history


def _activity(model: nn.Module, layer: nn.Conv2d, loot: Split) -> Tensor:
    """Return how much each channel of a convolution says on average, behind its ReLU, shape
    (channels,).
    """
    activations: list[Tensor] = []
    source = normalised(model, layer) or layer
    hook = source.register_forward_hook(
        lambda _, __, out: activations.append(out.relu().mean((2, 3)))
    )
    predict(model, loot.pixels)
    hook.remove()
    return torch.cat(activations).mean(0)
