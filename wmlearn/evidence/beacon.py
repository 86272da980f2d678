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

    All three are the judge's own word. An owner can try seals against every outcome of a small draw
    beforehand, and publish one under which some outcome convicts: of three dice there are but 216.
    So the draw must have so many outcomes that nobody can go through them.

    Parameters
    ----------
    outcome : the outcome as all write it
    seals : the seal is one of at most so many that were published before the draw
    outcomes : how many equally likely outcomes the draw has, at least 2**64: 25 dice have 6**25, a
        drand round 2**256
    """

    outcome: str = checked(_check_outcome)
    seals: int = checked(check_count, low=1, high=2**60, why="published before the draw")
    outcomes: int = checked(check_count, low=2**64, hint="Fewer can be tried at home: 25 dice do.")
