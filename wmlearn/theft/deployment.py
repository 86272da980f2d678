"""What a thief has, what the thief runs in the end, and what it cost."""

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
        """Return what a thief of a task has: its `loot`, and the owner's network untrained, with
        other first weights.
        """
        return cls(data.loot, lambda: network(data, seed=(seed + _ANOTHER) % 2**32), seed)

    def seeded(self, theft: T) -> T:
        """Return a theft as it is run here: one that has a seed gets the one of this context."""
        if self.seed is None or not is_dataclass(theft):
            return theft
        if all(each.name != "seed" for each in fields(theft)):
            return theft
        return replace(theft, seed=self.seed)  # type: ignore[type-var]  # a dataclass, see above


@dataclass(frozen=True)
class Cost:
    """What a theft cost: images of the thief's own, answers of the owner's service, seconds."""

    images: int = 0
    queries: int = 0
    seconds: float = 0.0


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
    """What a thief runs in the end.

    Attributes
    ----------
    query : what the thief's customers ask
    model : the network behind it
    cost : what it cost the thief
    surrogate : how the network was made; None where it is the owner's own, with something in front
        of it. A theft of your own that trains gives one, so `wm.sweep` can tell a training that was
        interrupted from a whole one
    """

    query: Query
    model: nn.Module
    cost: Cost = Cost()
    surrogate: Surrogate | None = None

    @classmethod
    def of(cls, made: Surrogate | Query, owner: nn.Module) -> Deployment:
        """Return the deployment of what a theft has made: a new network, or something in front of
        the owner's.
        """
        if not isinstance(made, Surrogate):
            return cls(made, owner)
        cost = Cost(made.images, made.queries, made.seconds)
        return cls(BlackBox(made.model), made.model, cost, made)

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped the thief by hand, while asking or while training."""
        return self.surrogate is not None and self.surrogate.history.interrupted
