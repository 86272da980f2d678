"""What a thief has, what a thief deploys in the end, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from wmlearn._display import html_table, plural
from wmlearn._types import Query
from wmlearn.data.splits import Split, Splits
from wmlearn.service.blackbox import BlackBox
from wmlearn.training.history import History, OnEpoch

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")
Network = Callable[..., "nn.Module"]  # `wm.small_cnn`, `wm.training.deep_cnn`, or one like them

_ANOTHER = 1000  # the seed of the thief's initial weights minus that of the owner's


@dataclass(frozen=True)
class Context:
    """What a thief has besides the owner's model.

    Attributes
    ----------
    loot : the thief's own images and labels
    fresh : builds an untrained network, for thieves who imitate
    seed : replaces the seed of the theft; None keeps that
    on_epoch : called after each epoch of a thief who trains; returning True ends the theft
    """

    loot: Split
    fresh: Callable[[], nn.Module]
    seed: int | None = None
    on_epoch: OnEpoch | None = None

    @classmethod
    def of(cls, data: Splits, network: Network, seed: int) -> Context:
        """Return the context of a thief of this task: its `loot`, and networks like the owner's.

        Parameters
        ----------
        data : the task
        network : builds the owner's network from data and seed; the thief's starts from other
            weights
        seed : the owner's seed, from which the thief's is made
        """
        return cls(data.loot, lambda: network(data, seed=(seed + _ANOTHER) % 2**32), seed)

    def seeded(self, theft: T) -> T:
        """Return a theft with the seed of this context, if both have one."""
        if self.seed is None or not is_dataclass(theft):
            return theft
        if all(each.name != "seed" for each in fields(theft)):
            return theft
        return replace(theft, seed=self.seed)  # type: ignore[type-var]  # a dataclass, as checked above


@dataclass(frozen=True)
class Cost:
    """The cost of a theft: the thief's own images, answers of the owner's service, seconds."""

    images: int = 0
    queries: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Surrogate:
    """The model that a theft makes, and its cost.

    Attributes
    ----------
    model : the new model; the stolen one is unchanged
    theft : the repr of the theft
    images : how many of the thief's own images were needed
    queries : how many answers the owner's service gave
    history : the course of the training; without epochs if nothing was trained
    seconds : the time of the theft, in seconds
    unanswered : how many images the thief wanted to ask about without getting an answer
    trouble : the reason for that, if it is known
    """

    model: nn.Module
    theft: str
    images: int
    queries: int
    history: History
    seconds: float = field(compare=False)
    unanswered: int = 0
    trouble: str = ""

    def __repr__(self) -> str:
        cost = f"{plural(self.images, 'image')} of the thief's own"
        if self.queries:
            cost += f", {plural(self.queries, 'answer')} of the owner's service"
        if self.unanswered:
            cost += f" ({self.unanswered:,} more wanted)"
        if self.history.stopped:
            cost += ", stopped early"
        return f"Surrogate({self.theft}: {cost})"

    def _repr_html_(self) -> str:
        rows = {
            "images of the thief's own": f"{self.images:,}",
            "epochs": len(self.history.epochs),
            "answers of the owner's service": self.queries,
            "wanted, but not answered": self.unanswered,
            "because": self.trouble,
        }
        return html_table(self.theft, {name: value for name, value in rows.items() if value})


@dataclass(frozen=True, eq=False)
class Deployment:
    """What a thief deploys in the end.

    Attributes
    ----------
    query : the service for the thief's customers
    model : the network behind the service
    cost : the thief's cost
    surrogate : how the network was made; None if it is the owner's own network behind something
        else. A theft of your own that trains should set it, so `wm.sweep` notices a training that
        was interrupted
    """

    query: Query
    model: nn.Module
    cost: Cost = Cost()
    surrogate: Surrogate | None = None

    @classmethod
    def of(cls, made: Surrogate | Query, owner: nn.Module) -> Deployment:
        """Return the deployment of a new network, or of a service in front of the owner's."""
        if not isinstance(made, Surrogate):
            return cls(made, owner)
        cost = Cost(made.images, made.queries, made.seconds)
        return cls(BlackBox(made.model), made.model, cost, made)

    @property
    def interrupted(self) -> bool:
        """Whether the theft was stopped by hand, during its queries or its training."""
        return self.surrogate is not None and self.surrogate.history.interrupted
