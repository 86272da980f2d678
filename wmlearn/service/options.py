"""How a service behaves: what it shows, to whom, how fast, and how often it fails."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wmlearn._checks import Checked, check_kind, check_number, check_seed, checked
from wmlearn.service._protocol import check_names, check_token


def _check_rate(value: Any, name: str) -> None:
    if value is not None:
        name, hint = f"{name} (images per second)", "Leave it out for no limit."
        check_number(value, name, above=0, at_most=1e9, hint=hint)


def _check_dose(value: Any, name: str, *, at_most: float) -> None:
    """Refuse anything but zero or a number up to `at_most`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or value != 0:
        check_number(value, name, above=0, at_most=at_most, hint="Leave it out for none.")


@dataclass(frozen=True)
class ServiceOptions(Checked):
    """How a service behaves: how much it shows, to whom, how fast, and how often it fails.

    Parameters
    ----------
    scores : whether to return the probability of each class as well; otherwise labels only
    token : the bearer token that callers must send; None: everybody gets answers
    rate : images per second, above 0 and at most 1e9; None: no limit. One second's images may come
        at once; a larger request waits for a full second, and later ones until the excess is made
        up. A caller who is too fast gets status 429 with the time to wait
    latency : seconds of delay before each answer, 0 to 60
    faults : the share of requests, 0 to 1, that fail with status 500 or 503
    seed : the seed of the faults: the same requests fail after every start
    classes : the class names in the order of the model's numbers, shown to everyone who may ask;
        none if left out

    Raises
    ------
    TypeError, ValueError
        If an option is of the wrong kind or outside its range.

    Examples
    --------
    >>> ServiceOptions(token="never-shown", rate=50)
    ServiceOptions(scores=False, rate=50, latency=0.0, faults=0.0, seed=0)
    """

    scores: bool = checked(check_kind, False, kind=bool, hint="True or False")
    token: str | None = field(default=None, repr=False, metadata={"check": check_token})
    rate: float | None = checked(_check_rate, None)
    latency: float = checked(_check_dose, 0.0, at_most=60)
    faults: float = checked(_check_dose, 0.0, at_most=1)
    seed: int = checked(check_seed, 0)
    classes: Sequence[str] = field(default=(), repr=False, metadata={"check": check_names})
