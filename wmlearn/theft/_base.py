"""What all thefts share: how one is written and run, what the thief deploys in the end, and what it
cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from torch import nn

from wmlearn._checks import check_number, check_query, shown
from wmlearn._types import Query
from wmlearn.data.splits import Split
from wmlearn.service.blackbox import BlackBox
from wmlearn.theft.deployment import Context, Deployment, Surrogate


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
        owner : the owner's model; it is left as it was. A thief who may only ask makes a `BlackBox`
            of it first
        context : what else the thief has
        """
        raise TypeError(
            f"a theft must say in `deploy` what the thief deploys; {type(self).__name__} does not, "
            "so there is nothing "
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
        return Deployment.of(
            theft._made(BlackBox(owner, scores=theft._buys_scores), context), owner
        )

    @property
    def _buys_scores(self) -> bool:
        return False

    def _made(self, service: BlackBox, context: Context) -> Surrogate | Query:
        """Return what is put up; here what the call of a filter returns."""
        return self(service, context.loot)


@dataclass(frozen=True)
class _Plain(ByAsking):
    """A function of one's own, from the owner's service and the loot to another service, as a
    theft.
    """

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
            f"{name} must be a theft that deploys a model; got {shown(value)}, which deploys none. "
            "Call it by itself, "
            "or give it a `deploy`."
        )
    return value


def check_strength(value: object, name: str, *, most: float) -> float:
    """Return a number from 0, at which a theft changes nothing, to `most`; or say what is wrong
    with it.
    """
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and value == 0:
        return 0.0
    return check_number(value, name, above=0, at_most=most, hint="Or 0, which changes nothing.")
