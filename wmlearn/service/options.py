"""What a service tells, to whom, how fast, and how often it fails."""

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
    """Refuse what is neither zero nor a number up to `at_most`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or value != 0:
        check_number(value, name, above=0, at_most=at_most, hint="Leave it out for none.")


@dataclass(frozen=True)
class ServiceOptions(Checked):
    """How a service behaves: how much it tells, to whom, how fast, and how often it fails.

    Parameters
    ----------
    scores : tell the probability of each class, too; else labels only
    token : the bearer token that callers must send to be answered; None: everybody is
    rate : images per second. One second's worth may come at once; a larger request has to wait for
        a full second's worth, and those after it until what it overdrew is paid. Anyone who is too
        fast gets status 429 and is told when to come back. None: no limit.
    latency : seconds that each answer is held back, at most 60
    faults : share of the requests, 0 to 1, that fail with status 500 or 503
    seed : of the faults, so a lesson repeats: the same requests fail whenever the service is
        started
    classes : the names of the classes, in the order in which the model numbers them, told to
        everybody who may ask; none when left out

    Raises
    ------
    TypeError, ValueError
        If one of them is of another kind or out of its range.

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
