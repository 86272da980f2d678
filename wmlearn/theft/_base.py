"""What all thefts share: how one is written, and how it is run."""

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

Function = Callable[[BlackBox, Split], Query | Surrogate]  # a theft as a function of one's own


class Theft(Checked):
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
    ...         shift = lambda images: np.roll(images, self.pixels, axis=-1)
    ...         return Deployment(lambda images: service(shift(images)), owner)
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
            "so there is nothing to ask. Call it by itself."
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
    """Base of the thefts that put something in front of the owner's service; the thief never gets
    the weights.
    """

    __call__: Callable[..., Query]  # with the service and the loot

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Commit the theft on the owner's service, and return what the thief deploys."""
        theft = context.seeded(self)
        return Deployment(theft(BlackBox(owner), context.loot), owner)


@dataclass(frozen=True)
class _Plain(Theft):
    """A function of one's own, from the owner's service and the loot to another service, as a
    theft.
    """

    function: Function

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Call the function on the owner's service, and return what the thief deploys."""
        function = context.seeded(self.function)
        return Deployment.of(function(BlackBox(owner), context.loot), owner)


AnyTheft = Theft | Function


def as_theft(value: AnyTheft, name: str = "theft") -> Theft:
    """Return a theft, or a function of service and loot as one; or say why it deploys nothing."""
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
    """Return a number from 0, where a theft changes nothing, to `most`, or say what is wrong."""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and value == 0:
        return 0.0
    return check_number(value, name, above=0, at_most=most, hint="Or 0, which changes nothing.")
