"""The thieves of the theft lab: what each does, and at which strengths."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from wmlearn import theft
from wmlearn.data.splits import Splits
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.training.models import small_cnn
from wmlearn.triggers.content import Content

# the thief's triggers are embedded, and never verified
THIEF_KEY = b"a thief's own key, known to all!"


def _steps(step: float, count: int = 20) -> list[float]:
    return [round(step * place, 4) for place in range(1, count + 1)]


class Thief:
    """One kind of theft, at several strengths; place 0 of each is the model as it was.

    Parameters
    ----------
    data : the task, of which the thief holds the loot
    seed : draws whatever the thief draws

    Attributes
    ----------
    name : what the thief is called in the lab
    strength, values : what can be chosen, from gentle to harsh
    in_percent : whether people read the values as shares
    make : returns the theft at a strength
    compares, images : whether the thief needs images of their own to compare with, and how many
    epochs : how long the thief trains; 0 where nothing is trained, so all strengths can be worked
        out beforehand
    context : what else the thief has
    """

    name: str
    strength: str
    values: Sequence[float]
    in_percent = False
    make: Callable[..., theft.Theft]
    compares = False
    epochs = 0

    def __init__(self, data: Splits, seed: int) -> None:
        self.data = data
        self.images = len(data.loot) if self.compares else 0
        self.context = theft.Context.of(data, small_cnn, seed)

    @property
    def description(self) -> str:
        """What the thief does, as the class says it."""
        return self.__doc__ or ""

    @property
    def labels(self) -> list[str]:
        """What each place of the slider is called."""
        return ["none", *map(self._label, self.values)]

    def _label(self, value: float) -> str:
        return f"{100 * value:g} %" if self.in_percent else f"{value:,g}"

    def at(self, place: int) -> theft.Theft:
        """Return the theft at a place of the slider, counted from 1: at 0 nothing is done."""
        return self.context.seeded(self.make(self.values[place - 1]))

    def typed(self, place: int) -> str:
        """Return what is typed below `wm.theft` to commit the theft by hand."""
        return repr(self.at(place))


# ---------------------------------------------------------------- who alters the weights


class PruneWeights(Thief):
    """Sets the smallest weights to zero."""

    name = "prune weights"
    strength = "share that goes"
    values = _steps(0.05)
    in_percent = True
    make = theft.Prune


class PruneChannels(Thief):
    """Takes the smallest channels of every convolution out."""

    name = "prune channels"
    strength = PruneWeights.strength
    values = PruneWeights.values
    in_percent = True

    def make(self, share: float) -> theft.Theft:
        return theft.Prune(share, by="channel")


class RoundWeights(Thief):
    """Quantises: each weight moves to the nearest of few values."""

    name = "round weights"
    strength = "bits for each weight"
    values = range(16, 0, -1)
    make = theft.Quantize


class ShakeWeights(Thief):
    """Adds noise to every weight."""

    name = "weight noise"
    strength = "sigma, of the layer's own"
    values = _steps(0.1)
    make = theft.PerturbWeights


# ---------------------------------------------------------------- who hides behind a filter


class FilterJpeg(Thief):
    """Saves every image as JPEG first."""

    name = "filter: JPEG"
    strength = "quality"
    values = [*range(100, 0, -5), 1]
    make = theft.Jpeg


class FilterBlur(Thief):
    """Blurs every image."""

    name = "filter: blur"
    strength = "sigma in pixels"
    values = _steps(0.15)
    make = theft.Blur


class FilterSqueeze(Thief):
    """Rounds the pixels of every image."""

    name = "filter: squeeze"
    strength = "bits for each pixel"
    values = range(8, 0, -1)
    make = theft.Squeeze


class FilterNoise(Thief):
    """Adds noise to every image."""

    name = "filter: noise"
    strength = "sigma, of black to white"
    values = _steps(0.05)
    make = theft.AddNoise


class FilterUnusual(Thief):
    """Answers at random what does not look like the thief's own images."""

    name = "filter: reject unusual"
    strength = "share of their own called unusual"
    values = [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, *_steps(0.1, 10)[1:]]
    in_percent = True
    make = theft.RejectUnusual
    compares = True


# ---------------------------------------------------------------- who trains


class FineTune(Thief):
    """Trains the copy on, with images of their own."""

    name = "fine-tune"
    strength = "learning rate"
    values = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]
    epochs = 3

    def make(self, lr: float) -> theft.Theft:
        return theft.FineTune(self.epochs, lr)


class FinePrune(Thief):
    """Takes out the channels that sleep on their own images, then trains on."""

    name = "fine-prune"
    strength = "share that goes"
    values = _steps(0.1, 10)
    in_percent = True
    make = theft.FinePrune
    epochs = 3


class StealByQueries(Thief):
    """Never sees the weights: trains a fresh small_cnn on what the service answers."""

    name = "steal by queries"
    strength = "images they ask about"
    make = theft.StealByQueries
    epochs = theft.StealByQueries().schedule.epochs

    def __init__(self, data: Splits, seed: int) -> None:
        super().__init__(data, seed)
        most = min(len(data.loot), 10_000)
        self.values = [n for n in (50, 100, 200, 500, 1000, 2000, 5000) if n < most] + [most]


class Overwrite(Thief):
    """Embeds a watermark of their own over the owner's."""

    name = "overwrite"
    strength = "learning rate"
    values = FineTune.values[3:-1]
    epochs = 4

    def make(self, lr: float) -> theft.Theft:
        return theft.Overwrite(thief_triggers(self.data), self.epochs, lr)

    def typed(self, place: int) -> str:
        lr, seed = self.values[place - 1], self.context.seed
        return f"Overwrite(thief_triggers, epochs={self.epochs}, lr={lr}, seed={seed})"


def thief_triggers(data: Splits) -> TriggerSet:
    """Return the thief's own secret questions, written on the images they hold."""
    held = len(data.loot)
    make = Content(words=min(30, held))
    theirs = replace(data, train=data.loot, loot=data.loot.take([]))
    return make(theirs, n=min(150, held), key=THIEF_KEY)


KINDS: tuple[type[Thief], ...] = (
    *(PruneWeights, PruneChannels, RoundWeights, ShakeWeights),
    *(FilterJpeg, FilterBlur, FilterSqueeze, FilterNoise, FilterUnusual),
    *(FineTune, FinePrune, StealByQueries, Overwrite),
)


def catalogue(data: Splits, seed: int) -> dict[str, Thief]:
    """Return the thieves of the lab by name: first those whose strengths are worked out when it
    opens.
    """
    return {kind.name: kind(data, seed) for kind in KINDS}
