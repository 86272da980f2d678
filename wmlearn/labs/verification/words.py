"""What the verification lab says: the drawing as a sentence, the line being explored, numbers."""

import math
from collections.abc import Sequence

from wmlearn.labs._kit.replay import Replay
from wmlearn.labs._kit.wealth_chart import amount


def caption(replay: Replay, n: int) -> str:
    """Return the drawing of the wealth as one sentence, for those who do not see it."""
    path = replay.verdict.path[: n + 1]
    line = amount(-math.log(replay.triggers.alpha))
    return (
        f"The bettor's wealth after {n} of {replay.n} questions to {replay.name} is "
        f"{amount(path[-1])}, at its best it was {amount(path.max())}; the line to accuse is at "
        f"{line}."
    )


def line_note(replay: Replay, n: int, alpha: float) -> str:
    """Return where another alpha would put the line, and that only the sealed one decides."""
    crossed = replay.crossed(alpha, n)
    where = "has not been reached so far"
    if crossed is not None:
        where = f"was reached at question {crossed}"
    return (
        f"The sealed alpha is {decimal(replay.triggers.alpha)}; moving the line is only exploring. "
        f"With alpha = {decimal(alpha)} the line is at {amount(-math.log(alpha))}, which {where}."
    )


def each_judged_alone(replays: Sequence[Replay]) -> str:
    """Say what it means that each suspect is judged as if there were no other: alpha is not shared
    among them here.
    """
    risk = sum(replay.verdict.alpha for replay in replays)
    return (
        f" Each of the {len(replays)} verdicts stands alone: the risk that any of them accuses an "
        f"innocent is at most {risk:.6g}, the sum of their alphas. To share one alpha "
        "among several suspects, use wm.verify_all."
    )


def decimal(alpha: float) -> str:
    """Return 1e-06 as people write it.

    Examples
    --------
    >>> decimal(1e-06)
    '0.000001'
    """
    return f"{alpha:.16f}".rstrip("0")
