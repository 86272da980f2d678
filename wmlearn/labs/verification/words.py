"""What the verification lab says: the drawing as a sentence, the line being explored, numbers."""

import math
from collections.abc import Sequence

from wmlearn.labs._kit.replay import Replay

# wealth is drawn, and counted, up to 10^15: below 1 in 10^15 a leaked key is likelier than luck
CAP = 15
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


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


def amount(log_wealth: float) -> str:
    """Return a wealth as people read it, from its logarithm.

    Examples
    --------
    >>> [amount(math.log(wealth)) for wealth in (0.0321, 5.5, 1000, 123456, 2.5e7, 1e20)]
    ['0.032', '5.5', '1,000', '123,456', '10⁷', 'over 10¹⁵']
    """
    power = log_wealth / math.log(10) + 1e-9  # so that 10^6 is no 999,999 for want of a last digit
    if power < 1:
        return f"{math.exp(log_wealth):.2g}"
    if power < 6:
        return f"{math.floor(math.exp(log_wealth) + 1e-6):,}"
    if power > CAP + 1e-6:
        return f"over {_power_of_ten(CAP)}"
    return _power_of_ten(math.floor(power))


def _power_of_ten(power: int) -> str:
    return "10" + str(power).translate(_SUPERSCRIPT)


def decimal(alpha: float) -> str:
    """Return 1e-06 as people write it.

    Examples
    --------
    >>> decimal(1e-06)
    '0.000001'
    """
    return f"{alpha:.16f}".rstrip("0")
