"""The thieves of the theft lab: what each does, and at which strengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from wmlearn import theft
from wmlearn.data.splits import Splits
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.triggers.content import Content

THIEF_KEY = (
    b"a thief's own key, known to all!"  # the thief's triggers are embedded, and never verified
)


@dataclass(frozen=True)
class Thief:
    """One kind of theft, at several strengths; place 0 of each is the model as it was.

    Attributes
    ----------
    name, description : what the thief is called in the menu, and what the thief does
    strength, values : what can be chosen, from gentle to harsh
    make : returns the theft at a strength
    write : returns a strength as people read it
    epochs : how long the thief trains; 0 where nothing is trained, so all strengths can be worked
        out beforehand
    images : images of the thief's own that a filter compares with
    typed : returns what is typed below `wm.theft` to commit the theft by hand
    """

    name: str
    description: str
    strength: str
    values: tuple[Any, ...]
    make: Callable[[Any], theft.Theft]
    write: Callable[[Any], str] = "{:g}".format
    epochs: int = 0
    images: int = 0
    typed: Callable[[theft.Theft], str] = repr

    @property
    def labels(self) -> list[str]:
        """What stands at each place of the slider."""
        return ["none", *map(self.write, self.values)]

    @property
    def worked_out(self) -> range:
        """The places that are worked out when the lab opens."""
        return range(1, 1 if self.epochs else len(self.labels))

    def at(self, place: int) -> theft.Theft | None:
        """Return the theft at a place of the slider, counted from 1: at 0 nothing is done."""
        return self.make(self.values[place - 1])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def catalogue(data: Splits, seed: int) -> dict[str, Thief]:
    """Return the thieves of the lab by name: first those whose strengths are worked out when it
    opens.
    """
    found = [*_at_the_desk(seed), *_filters(seed, len(data.loot)), *_trained(data, seed)]
    return {thief.name: thief for thief in found}


def _steps(step: float, count: int = 20) -> tuple[float, ...]:
    return tuple(round(step * place, 4) for place in range(1, count + 1))


def _at_the_desk(seed: int) -> list[Thief]:
    shares = _steps(0.05)
    return [
        Thief("prune weights", "Sets the smallest weights to zero.", "share that goes", shares, theft.Prune, _percent),
        Thief(
            "prune channels", "Takes the smallest channels of every convolution out.", "share that goes", shares,
            lambda share: theft.Prune(share, by="channel"), _percent,
        ),
        Thief(
            "round weights", "Quantises: each weight moves to the nearest of few values.", "bits for each weight",
            tuple(range(16, 0, -1)), theft.Quantize,
        ),
        Thief(
            "shake weights", "Adds noise to every weight.", "sigma, of the layer's own", _steps(0.1),
            lambda sigma: theft.PerturbWeights(sigma, seed),
        ),
    ]  # fmt: skip


def _filters(seed: int, loot: int) -> list[Thief]:
    qualities = (100, 95, 90, 85, 80, 75, 70, 65, 60, 55, 50, 45, 40, 35, 30, 25, 20, 15, 10, 5, 1)
    few = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15)
    return [
        Thief("filter: JPEG", "Saves every image he is asked as JPEG first.", "quality", qualities, theft.Jpeg),
        Thief("filter: blur", "Blurs every image he is asked.", "sigma in pixels", _steps(0.15), theft.Blur),
        Thief(
            "filter: squeeze", "Rounds the pixels of every image he is asked.", "bits for each pixel",
            tuple(range(8, 0, -1)), theft.Squeeze,
        ),
        Thief(
            "filter: noise", "Adds noise to every image he is asked.", "sigma, of black to white", _steps(0.05),
            lambda sigma: theft.AddNoise(sigma, seed),
        ),
        Thief(
            "filter: reject unusual", "Answers at random what does not look like his own images.",
            "share of his own called unusual", (*few, *_steps(0.1, 10)[1:]),
            lambda share: theft.RejectUnusual(share, seed), lambda share: f"{100 * share:g} %", images=loot,
        ),
    ]  # fmt: skip


def _trained(data: Splits, seed: int) -> list[Thief]:
    rates = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
    loot = len(data.loot)
    asked = sorted(
        {n for n in (50, 100, 200, 500, 1000, 2000, 5000) if n < loot} | {min(loot, 10_000)}
    )
    return [
        Thief(
            "fine-tune", "Trains the copy on, with images of his own.", "learning rate", rates,
            lambda lr: theft.FineTune(epochs=3, lr=lr, seed=seed), epochs=3,
        ),
        Thief(
            "fine-prune", "Takes out the channels that sleep on his own images, then trains on.", "share that goes",
            _steps(0.1, 10), lambda share: theft.FinePrune(share, seed=seed), _percent, epochs=3,
        ),
        Thief(
            "steal by queries", "Never sees the weights: trains a fresh small_cnn on what the service answers.",
            "images he asks about", tuple(asked), lambda n: theft.StealByQueries(n, seed=seed), "{:,}".format,
            epochs=theft.StealByQueries().schedule.epochs,
        ),
        Thief(
            "overwrite", "Embeds a watermark of his own over the owner's.", "learning rate", rates[3:-1],
            lambda lr: theft.Overwrite(_thief_triggers(data), lr=lr, seed=seed), epochs=4,
            typed=lambda one: f"Overwrite(thief_triggers, epochs={one.epochs}, lr={one.lr}, seed={one.seed})",
        ),
    ]  # fmt: skip


def _thief_triggers(data: Splits) -> TriggerSet:
    """Return the thief's own secret questions, written on the images they hold."""
    held = len(data.loot)
    return Content(words=min(30, held))(
        replace(data, train=data.loot), n=min(150, held), key=THIEF_KEY
    )
