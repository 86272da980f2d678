"""What the labs say of a verdict: a sign, a name and words, in a box."""

import html
import re

from wmlearn._display import plural
from wmlearn.evidence._sentences import CLASSROOM, expected
from wmlearn.evidence.verdict import Verdict
from wmlearn.labs._kit.replay import Replay

_SIGNS = {"found": "✔ found", "not found": "– not found", "cannot tell": "? cannot tell"}
_NOT_CLEARED = " This does not clear it."


def verdict_html(replay: Replay, n: int) -> str:
    """Return what n questions have shown."""
    decision = replay.verdict.decisions[n]
    heading, words = _SIGNS[decision], _words(replay, n)
    if replay.fault:
        words = f"could not be asked: {replay.fault}"
    elif decision == "cannot tell" and n < replay.needed:
        heading = "? too early to tell"
    return verdict_box(heading, words, replay.name, decision)


def outcome_html(verdict: Verdict, name: str) -> str:
    """Return a whole verdict, with keyed labels or with fixed ones."""
    words = repr(verdict).partition(": ")[2] + "."
    if verdict.decision == "not found":
        words += _NOT_CLEARED
    return verdict_box(_SIGNS[verdict.decision], words, name, verdict.decision)


def verdict_box(heading: str, words: str, name: str = "", decision: str = "") -> str:
    """Return a heading, a name and words as HTML that a screen reader reads out when it changes.

    Parameters
    ----------
    decision : "found", "not found" or "cannot tell"; empty where there is no verdict yet
    """
    css, title = "wm-verdict", f"<b>{heading}</b>"
    if decision:
        css += f" wm-{decision.replace(' ', '-')}"
    if name:
        title += f" &ensp;{html.escape(name)}"
    raised = re.sub(r"10\^(\d+)", r"10<sup>\1</sup>", html.escape(words))
    body = f"<p>{title}</p><p>{raised}</p>"
    return f"<div class='{css}' role='status' aria-live='polite'>{body}</div>"


def _words(replay: Replay, n: int) -> str:
    if n == 0:
        return "Nothing asked yet. Nobody can be accused before the curve reaches the line."
    verdict = replay.verdict
    matched = f"{replay.matches[n]} of {plural(n, 'secret answer')} matched"
    parts = [f"{matched}, at most {expected(n * verdict.p0)} expected by chance"]
    silent = int(verdict.unanswered[:n].sum())
    if silent:
        parts.append(f"{silent} without an answer")
    words = "; ".join([*parts, replay.luck(n)]) + "."
    if verdict.decisions[n] == "not found":
        words += _NOT_CLEARED
    if replay.triggers.public_key:
        words += f" ({CLASSROOM[0].upper()}{CLASSROOM[1:]}.)"
    return words
