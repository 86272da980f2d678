"""A public draw whose outcome nobody knew when the seal was published, so no seal could be chosen
by its labels.
"""

from dataclasses import dataclass

from wmlearn._checks import Checked, check_count, checked
from wmlearn.evidence.rules import check_outcome


@dataclass(frozen=True)
class Beacon(Checked):
    """The outcome of the public draw that a seal names, and how many seals were published before.

    The judge finds out all three. If a draw has few outcomes, an owner can try seals against each
    of them beforehand, and publish one under which some outcome convicts: three dice have only 216.
    So the draw must have too many outcomes to try.

    Parameters
    ----------
    outcome : the outcome, as everyone writes it
    seals : the largest number of seals, this one included, that were published before the draw,
        1 to 2**60
    outcomes : how many equally likely outcomes the draw has, at least 2**64: 25 dice have 6**25, a
        drand round has 2**256

    Raises
    ------
    TypeError, ValueError
        If the outcome is empty, or a number is outside its range.
    """

    outcome: str = checked(check_outcome)
    seals: int = checked(check_count, low=1, high=2**60, why="published before the draw")
    outcomes: int = checked(
        check_count, low=2**64, hint="Fewer can be tried one by one: take 25 dice."
    )
