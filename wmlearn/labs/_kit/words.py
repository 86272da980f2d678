"""What the labs say of a verdict, in words: the evidence so far, the drawing as a sentence, the
line being explored.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence

from wmlearn._display import plural
from wmlearn.evidence._sentences import CLASSROOM, expected
from wmlearn.evidence.verdict import Verdict
from wmlearn.labs._kit.replay import Replay
from wmlearn.labs._kit.svg import amount

_SIGNS = {"found": "✔ found", "not found": "– not found", "cannot tell": "? cannot tell"}


def verdict_html(replay: Replay, n: int) -> str:
    """Return what n questions have shown, a sign and words, as HTML that a screen reader reads out
    when it changes.
    """
    decision = replay.verdict.decisions[n]
    heading, words = _SIGNS[decision], _words(replay, n)
    if decision == "cannot tell" and n < replay.needed:
        heading = "? too early to tell"
    if replay.fault:
        heading, words = _SIGNS["cannot tell"], f"could not be asked: {replay.fault}"
    return verdict_box(heading, words, replay.name, decision.replace(" ", "-"))


def verdict_box(heading: str, words: str, name: str = "", kind: str = "") -> str:
    """Return a heading, a name and words as HTML that a screen reader reads out when it changes.

    Parameters
    ----------
    kind : "found", "not-found" or "cannot-tell", for the style sheet; empty where there is no
        verdict yet
    """
    raised = re.sub(r"10\^(\d+)", r"10<sup>\1</sup>", html.escape(words))
    return (
        f"<div class='wm-verdict{f' wm-{kind}' if kind else ''}' role='status' aria-live='polite'>"
        f"<p><b>{heading}</b>{f' &ensp;{html.escape(name)}' if name else ''}</p><p>{raised}</p></div>"
    )


def outcome_html(verdict: Verdict, name: str) -> str:
    """Return a whole verdict, with keyed labels or with fixed ones, as such a box."""
    note = " This does not clear it." if verdict.decision == "not found" else ""
    words = repr(verdict).partition(": ")[2]
    return verdict_box(
        _SIGNS[verdict.decision], f"{words}.{note}", name, verdict.decision.replace(" ", "-")
    )


def _words(replay: Replay, n: int) -> str:
    if n == 0:
        return "Nothing asked yet. Nobody can be accused before the curve reaches the line."
    by_luck = expected(n * replay.verdict.p0)
    counted = f"{replay.matches[n]} of {plural(n, 'secret answer')} matched, at most {by_luck} expected by luck"
    silent = int(replay.verdict.unanswered[:n].sum())
    parts = [counted, *([f"{silent} without an answer"] if silent else []), replay.luck[n]]
    note = " This does not clear it." if replay.verdict.decisions[n] == "not found" else ""
    key = f" ({CLASSROOM[0].upper()}{CLASSROOM[1:]}.)" if replay.triggers.public_key else ""
    return "; ".join(parts) + "." + note + key


def caption(replay: Replay, n: int) -> str:
    """Return the drawing of the wealth as one sentence, for those who do not see it."""
    path = replay.verdict.path[: n + 1]
    return (
        f"The gambler's wealth after {n} of {replay.n} questions to {replay.name} is "
        f"{amount(path[-1])}, at its best "
        f"it was {amount(path.max())}; the line to accuse is at "
        f"{amount(-math.log(replay.triggers.alpha))}."
    )


def line_note(replay: Replay, n: int, alpha: float) -> str:
    """Return, as HTML, where another alpha would put the line, and that only the sealed one
    decides.
    """
    crossed = replay.crossed(alpha, n)
    where = (
        "has not been reached so far" if crossed is None else f"was reached at question {crossed}"
    )
    words = (
        f"The sealed alpha is {decimal(replay.triggers.alpha)}; moving the line is only exploring. "
        f"With alpha = {decimal(alpha)} the line is at {amount(-math.log(alpha))}, which {where}."
    )
    return f"<p class='wm-small'>{html.escape(words)}</p>"


def decimal(alpha: float) -> str:
    """Return 1e-06 as people write it.

    Examples
    --------
    >>> decimal(1e-06)
    '0.000001'
    """
    return f"{alpha:.16f}".rstrip("0")


def each_judged_alone(replays: Sequence[Replay]) -> str:
    """Say what it means that each suspect is judged as if there were no other: alpha is not shared
    among them here.
    """
    risk = f"{sum(replay.verdict.alpha for replay in replays):.6g}"
    return (
        f" Each of the {len(replays)} verdicts stands alone: the risk that any of them accuses an "
        "innocent is at most "
        f"{risk}, the sum of their alphas. For one alpha that several suspects share there is "
        "wm.verify_all."
    )
