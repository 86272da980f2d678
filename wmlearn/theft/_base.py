"""The base of all thefts: how to write a theft, and how to run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING

import numpy as np

from wmlearn._checks import Checked, check_number, check_query, shown
from wmlearn._types import Query
from wmlearn.data.splits import Split
from wmlearn.service.blackbox import BlackBox
from wmlearn.theft.deployment import Context, Deployment, Surrogate

if TYPE_CHECKING:
    from torch import nn

Function = Callable[[BlackBox, Split], Query | Surrogate]  # a user's own theft


class Theft(Checked):
    """Base of all thefts, including your own: a frozen dataclass with a method `deploy`.

    Its repr is the call that makes it; keyword-only fields appear only if they are not the default.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, repr=False)
    ... class Shift(Theft):
    ...     pixels: int
    ...
    ...     def deploy(self, owner, context):
    ...         service = BlackBox(owner)
    ...         shift = lambda images: np.roll(images, self.pixels, axis=-1)
    ...         return Deployment(lambda images: service(shift(images)), owner)
    >>> Shift(2)
    Shift(pixels=2)
    """

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Run the theft, and return what the thief deploys.

        Parameters
        ----------
        owner : the owner's model, which is not changed. For a thief who can only send queries, wrap
            it in a `BlackBox` first
        context : what else the thief has

        Raises
        ------
        TypeError
            If the theft deploys nothing.
        """
        raise TypeError(
            f"a theft must have a `deploy` that returns what the thief deploys; "
            f"{type(self).__name__} has none. Call it by itself."
        )

    def __repr__(self) -> str:
        parts: tuple[Field[object], ...] = fields(self) if is_dataclass(self) else ()
        written = []
        for each in parts:
            value = getattr(self, each.name)
            if each.kw_only and value == each.default:
                continue
            if isinstance(value, np.generic):
                value = value.item()
            written.append(f"{each.name}={value!r}")
        return f"{type(self).__name__}({', '.join(written)})"


class ByAsking(Theft):
    """Base of the thefts that put something in front of a service; they never use the weights."""

    __call__: Callable[..., Query]  # with the service and the loot

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Run the theft on the owner's service, and return what the thief deploys."""
        theft = context.seeded(self)
        return Deployment(theft(BlackBox(owner), context.loot), owner)


@dataclass(frozen=True)
class _Plain(Theft):
    """A user's function from the owner's service and the loot to another service, as a theft."""

    function: Function

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Call the function on the owner's service, and return what the thief deploys."""
        function = context.seeded(self.function)
        return Deployment.of(function(BlackBox(owner), context.loot), owner)


AnyTheft = Theft | Function


def as_theft(value: AnyTheft, name: str = "theft") -> Theft:
    """Return a theft, or a function of service and loot as a theft; raise an error otherwise."""
    if not isinstance(value, Theft):
        check_query(value, name)
        return _Plain(value)
    if type(value).deploy is Theft.deploy:
        raise TypeError(
            f"{name} must be a theft that deploys a model; got {shown(value)}, which deploys none. "
            "Call it by itself, or give it a `deploy`."
        )
    return value


def check_strength(value: object, name: str, *, most: float) -> float:
    """Return the strength of a theft, from 0 (no change) to `most`, or raise an error."""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and value == 0:
        return 0.0
    return check_number(
        value, name, above=0, at_most=most, hint="0 is allowed, too, and changes nothing."
    )
