"""What all thefts share: how one is written and run, what the thief deploys in the end, and what it cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
from torch import nn

from wmlearn._checks import check_number, check_query, shown
from wmlearn._show import html_table, plural
from wmlearn._types import Query
from wmlearn.blackbox import BlackBox
from wmlearn.data import Split, Splits
from wmlearn.history import History, OnEpoch

T = TypeVar("T")
Network = Callable[..., nn.Module]  # `wm.small_cnn`, `wm.deep_cnn`, or one like them
_ANOTHER = 1000  # so far is the seed of the thief's first weights from the owner's


@dataclass(frozen=True)
class Context:
    """What a thief has besides the owner's model.

    Attributes
    ----------
    loot : images and labels of the thief's own
    fresh : makes an untrained network, for thieves who imitate
    seed : draws whatever the thief draws, in place of the theft's own seed; None leaves that
    on_epoch : called after each epoch of a thief who trains; returning True ends the theft there
    """

    loot: Split
    fresh: Callable[[], nn.Module]
    seed: int | None = None
    on_epoch: OnEpoch | None = None

    @classmethod
    def of(cls, data: Splits, network: Network, seed: int) -> Context:
        """Return what a thief of a task has: its `loot`, and a network like the owner's with other first weights."""
        return cls(data.loot, lambda: network(data, seed=(seed + _ANOTHER) % 2**32), seed)

    def seeded(self, theft: T) -> T:
        """Return a theft as it is run here: one that has a seed gets the one of this context."""
        if self.seed is None or not is_dataclass(theft) or "seed" not in {field.name for field in fields(theft)}:
            return theft
        return replace(theft, seed=self.seed)


@dataclass(frozen=True)
class Cost:
    """What a theft cost: images of the thief's own, answers of the owner's service, seconds."""

    images: int = 0
    queries: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Deployment:
    """What a thief runs in the end.

    Attributes
    ----------
    query : what the thief's customers ask
    model : the network behind it
    cost : what it cost the thief
    surrogate : how the network was made; None where it is the owner's own, with something in front of it. A theft of
        your own that trains gives one, so `wm.sweep` can tell a training that was interrupted from a whole one
    """

    query: Query
    model: nn.Module
    cost: Cost = Cost()
    surrogate: Surrogate | None = None

    @classmethod
    def of(cls, made: Surrogate | Query, owner: nn.Module) -> Deployment:
        """Return the deployment of what a theft has made: a new network, or something in front of the owner's."""
        if not isinstance(made, Surrogate):
            return cls(made, owner)
        return cls(BlackBox(made.model), made.model, Cost(made.images, made.queries, made.seconds), made)

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped the thief by hand, while asking or while training."""
        return self.surrogate is not None and self.surrogate.history.interrupted


class Theft:
    """Base of all thefts, and of your own: a frozen dataclass with a `deploy`.

    It prints as it is written; what can be given by name only is shown where it is not the default.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, repr=False)
    ... class Shift(Theft):
    ...     pixels: int
    ...
    ...     def deploy(self, owner, context):
    ...         service = BlackBox(owner)
    ...         return Deployment(lambda images: service(np.roll(images, self.pixels, axis=-1)), owner)
    >>> Shift(2)
    Shift(pixels=2)
    """

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Commit the theft, and return what the thief deploys.

        Parameters
        ----------
        owner : the owner's model; it is left as it was. A thief who may only ask makes a `BlackBox` of it first
        context : what else the thief has
        """
        raise TypeError(
            f"a theft must say in `deploy` what the thief deploys; {type(self).__name__} does not, so there is nothing "
            "to ask. Call it by itself."
        )

    def __repr__(self) -> str:
        written = []
        for each in fields(self) if is_dataclass(self) else ():
            value = getattr(self, each.name)
            if each.kw_only and value == each.default:
                continue
            plain = value.item() if isinstance(value, np.generic) else value
            written.append(f"{each.name}={plain!r}")
        return f"{type(self).__name__}({', '.join(written)})"


class ByAsking(Theft):
    """Base of the thefts whose thief gets the owner's service, and never the weights."""

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Commit the theft on the owner's service, and return what the thief deploys."""
        theft = context.seeded(self)
        return Deployment.of(theft._made(BlackBox(owner, scores=theft._buys_scores), context), owner)

    @property
    def _buys_scores(self) -> bool:
        return False

    def _made(self, service: BlackBox, context: Context) -> Surrogate | Query:
        """Return what is put up; here what the call of a filter returns."""
        return self(service, context.loot)


@dataclass(frozen=True)
class _Plain(ByAsking):
    """A function of one's own, from the owner's service and the loot to another service, as a theft."""

    function: Callable[..., Any]

    def _made(self, service: BlackBox, context: Context) -> Surrogate | Query:
        return context.seeded(self.function)(service, context.loot)


AnyTheft = Theft | Callable[[BlackBox, Split], Any]


def as_theft(value: AnyTheft, name: str = "theft") -> Theft:
    """Return a theft, or a function of service and loot as one; or say why it cannot be deployed."""
    if not isinstance(value, Theft):
        return _Plain(check_query(value, name))
    if type(value).deploy is Theft.deploy:
        raise TypeError(
            f"{name} must be a theft that deploys a model; got {shown(value)}, which deploys none. Call it by itself, "
            "or give it a `deploy`."
        )
    return value


@dataclass(frozen=True)
class Surrogate:
    """What the thief deploys, and what it cost them.

    Attributes
    ----------
    model : the new model; the one that was taken is unchanged
    theft : how it was made
    images : images of the thief's own that were needed
    queries : answers that the owner's service gave
    history : how the training went; no epochs where nothing was trained
    seconds : time it took
    unanswered : images that the thief wanted to ask and got no answer for
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
