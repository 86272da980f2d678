"""A public draw whose outcome nobody knew when the seal was published: it ends all trying."""

from dataclasses import dataclass

from wmlearn._checks import Checked, check_count, checked, shown


def _check_outcome(value: object, name: str) -> None:
    if not isinstance(value, str) or not value:  # labels without one were drawn before the draw
        raise ValueError(
            f"{name} must be what came of the draw, as all write it; got {shown(value)}. Without a "
            "draw leave the beacon out."
        )


@dataclass(frozen=True)
class Beacon(Checked):
    """What came of the public draw that a seal names, and how many seals were out before it.

    Parameters
    ----------
    outcome : the outcome as all write it. It must be one of so many that nobody can try them
        beforehand, 2**64 say, 25 dice: of a single die an owner tries all six, and publishes a seal
        under which one of them convicts
    seals : the judge's own word that the seal is one of at most so many published before
    """

    outcome: str = checked(_check_outcome)
    seals: int = checked(check_count, low=1, high=2**60, why="published before the draw")
