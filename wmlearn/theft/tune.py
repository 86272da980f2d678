"""Thieves who continue to train a stolen model on their own images."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from itertools import islice
from typing import Literal

import torch
from torch import Tensor, nn

from wmlearn._checks import (
    check_choice,
    check_count,
    check_kind,
    check_number,
    check_seed,
    checked,
)
from wmlearn._random import seeded
from wmlearn.data.splits import Split, Splits
from wmlearn.evidence.trigger_set import Triggers
from wmlearn.theft._base import check_strength
from wmlearn.theft._weights import CONVOLUTIONS, LAYERS, Layers
from wmlearn.theft.modify import How, Made, OnWeights, drop_channels
from wmlearn.training._inference import check_fits, predict
from wmlearn.training.history import Fitted
from wmlearn.training.loop import TensorData, run, train
from wmlearn.training.schedule import BATCH, Schedule
from wmlearn.watermarks.embedding import Marked, embed


class Tuning(OnWeights):
    """Base of the thefts that continue the training."""

    _train: Callable[[nn.Module, Split, How], Fitted | Marked]  # in place, or on a copy

    def _commit(self, model: nn.Module, loot: Split | None, how: How) -> Made:
        check_fits(model, loot, "loot")
        assert loot is not None  # for mypy; `check_fits` has checked it
        made = self._train(model, loot, how)
        return made, len(loot), bool(made.history.epochs)


@dataclass(frozen=True, repr=False)
class FineTune(Tuning):
    """Fine-tuning: continue to train the model on the thief's own images.

    It is the most natural theft, as few thieves deploy a stolen model unchanged. The literature has
    names for four kinds: FTAL (all layers, the default), FTLL (the last layer), RTAL and RTLL (the
    same two after resetting the last layer, which thieves with other classes need).

    Parameters
    ----------
    epochs : passes through the thief's images, at least 1
    lr : the constant learning rate, above 0 and below 10; it decides what survives
    seed : the order of the images, and the initial weights of a reset layer
    layers : "all", or only the "last"
    reset : whether to reset the last layer to random weights first

    Source
    ------
    The four names are from Adi et al. (2018); the theft is that of table 5 in Zhang et al. (2018),
    who give neither rate nor epochs.

    Examples
    --------
    >>> FineTune(epochs=3)
    FineTune(epochs=3, lr=0.001, seed=0)
    >>> FineTune(layers="last", reset=True)
    FineTune(epochs=3, lr=0.001, seed=0, layers='last', reset=True)
    """

    epochs: int = checked(
        check_count, 3, low=1, hint="For instance FineTune(epochs=3)(model, loot)."
    )
    lr: float = checked(check_number, 1e-3, above=0, below=10)
    seed: int = checked(check_seed, 0)
    _: KW_ONLY
    layers: Literal["all", "last"] = checked(check_choice, "all", choices=["all", "last"])
    reset: bool = checked(check_kind, False, kind=bool, hint="True or False")

    def _train(self, model: nn.Module, loot: Split, how: How) -> Fitted:
        if self.reset or self.layers == "last":
            last = Layers(model, loot.shape).last(LAYERS)
            model.requires_grad_(self.layers == "all")
            last.requires_grad_()
        if self.reset:
            place = last.weight.device
            with seeded(self.seed):
                last.cpu().reset_parameters()  # on a GPU the same seed gives other weights
            last.to(place)
        hook = model.register_forward_pre_hook(self._rest)
        steps = train(model, TensorData(loot), rate=lambda _: self.lr, seed=self.seed)
        history = run(islice(steps, self.epochs), self.epochs, dict, **how)
        hook.remove()
        return Fitted(model.requires_grad_(), history)

    def _rest(self, model: nn.Module, _: object) -> None:
        """Keep the running means of frozen layers, and their dropout inactive."""
        if self.layers == "last":
            model.eval()


@dataclass(frozen=True, repr=False)
class FinePrune(Tuning):
    """Fine-pruning: remove channels that are inactive on ordinary images, then fine-tune.

    It is a defence against backdoors. Some channels must recognise a trigger, perhaps channels that
    nothing else activates. So the thief shows the model their own images, and removes the least
    active channels of the last convolution.

    Parameters
    ----------
    fraction : the share of the last convolution's channels to remove, 0 to 1
    epochs, lr, seed : options of the fine-tuning that follows, as in `FineTune`

    Source
    ------
    Liu, Dolan-Gavitt and Garg (2018), "Fine-pruning". They prune until the accuracy falls; here the
    fraction is fixed.

    Examples
    --------
    >>> FinePrune(0.5)
    FinePrune(fraction=0.5, epochs=3, lr=0.001, seed=0)
    """

    fraction: float = checked(check_strength, most=1)
    epochs: int = 3
    lr: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._tuning()

    def _tuning(self) -> FineTune:
        return FineTune(self.epochs, self.lr, self.seed)

    def _train(self, model: nn.Module, loot: Split, how: How) -> Fitted:
        layers = Layers(model, loot.shape)
        last = layers.last(CONVOLUTIONS)
        activity = _activity(model, layers.normalised(last) or last, loot)
        dropped, out = drop_channels(layers, last, self.fraction, activity)

        def keep(gradient: Tensor) -> Tensor:
            """Keep removed channels at zero; by themselves they stay so only before a ReLU."""
            return gradient.index_fill(0, out, 0)

        hooks = [weights.register_hook(keep) for weights in dropped]
        tuned = self._tuning()._train(model, loot, how)
        for hook in hooks:
            hook.remove()
        return tuned


@dataclass(frozen=True, repr=False)
class Overwrite(Tuning):
    """Overwriting (watermark piracy): embed the thief's own watermark into the owner's model.

    Then both can show a watermark in the same model. A measurement shows whether the first one is
    still there. No watermark can show who was first; that takes a dated seal.

    Parameters
    ----------
    triggers : the thief's trigger set, made from the loot: `Content()(replace(data,
        train=data.loot, loot=None), n=150)`; its key is not kept
    epochs, lr : the schedule, as in `Schedule`; the training continues until every question is
        answered, as in `embed`
    seed : the order of the images

    Source
    ------
    "Overwriting" in Uchida et al. (2017) and Lukas et al. (2022); ambiguity, Craver et al. (1998).
    """

    triggers: Triggers = checked(
        check_kind, kind=Triggers, hint="such as wm.Content()(data, n=150)"
    )
    epochs: int = 4
    lr: float = 5e-3
    seed: int = checked(check_seed, 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        Schedule(self.epochs, self.lr)
        # without the key: the theft may be sent to a worker
        object.__setattr__(self, "triggers", self.triggers.without_key)

    def _train(self, model: nn.Module, loot: Split, how: How) -> Marked:
        classes = self.triggers.rules.classes
        data = Splits("loot", loot, classes=classes)  # no test images to measure with
        schedule = Schedule(self.epochs, self.lr, BATCH)
        return embed(model, data, self.triggers, schedule=schedule, seed=self.seed, **how)


def _activity(model: nn.Module, source: nn.Module, loot: Split) -> Tensor:
    """Return the mean activity of each channel of a layer after a ReLU, shape (channels,)."""
    said: list[Tensor] = []

    def listen(_: nn.Module, __: object, out: Tensor) -> None:
        said.append(out.relu().mean(tuple(range(2, out.dim()))))

    hook = source.register_forward_hook(listen)
    predict(model, loot.pixels)
    hook.remove()
    return torch.cat(said).mean(0)
