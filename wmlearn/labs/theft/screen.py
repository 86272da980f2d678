"""What the theft lab shows, without any widget: from what is known of a theft to HTML, place by
place.
"""

import html
from typing import NamedTuple

from wmlearn._display import percent
from wmlearn.labs._kit.accuracy_chart import accuracy_svg
from wmlearn.labs._kit.background import Stage
from wmlearn.labs._kit.lab import Frame
from wmlearn.labs._kit.views import small
from wmlearn.labs._kit.words import outcome_html, verdict_box
from wmlearn.labs.theft.chart import Tradeoff, account

_ALONE = (
    "Everything here is made from this one owner's model, and each verdict is given as if there "
    "were no other suspect: trying many strengths puts no innocent at risk. To ask several "
    "suspects, share alpha among them with wm.verify_all."
)


class Seen(NamedTuple):
    """What is looked at: a theft at its strength, whether a run is under way, how many strengths of
    all thefts are still to be worked out, of how many, and how many test images there are.
    """

    chosen: Tradeoff
    busy: bool
    left: int
    all: int
    tests: int


def frame(seen: Seen) -> Frame:
    """Return what the lab shows then, place by place."""
    chosen = seen.chosen
    bar, words = _stage(seen).html()
    return {
        "bar": bar,
        "progress": words,
        "description": small(chosen.thief.description),
        "chart": chosen.chart().layers(chosen.caption()),
        "verdict": _judged(seen),
        "cost": _paid(seen),
        "last_run": _last_run(chosen),
        "alone": small(_ALONE),
    }


def _stage(seen: Seen) -> Stage:
    if seen.chosen.attempt:
        return seen.chosen.attempt.stage
    if seen.chosen.thief.epochs:
        return Stage("choose a strength, then press Run")
    done = seen.all - seen.left
    words = f"{done} of {seen.all} strengths of all these thefts worked out"
    return Stage(words if seen.left else "all worked out", done, seen.all)


def _judged(seen: Seen) -> str:
    """Return the verdict, or why there is none yet."""
    chosen, point, attempt = seen.chosen, seen.chosen.point, seen.chosen.attempt
    if point is not None:
        name = f"{chosen.thief.name}, {chosen.strength}"
        if point.stopped:
            name += ", stopped early"
        return outcome_html(point.verdict, name)
    if chosen.fault:
        return verdict_box("? cannot be done here", chosen.fault)
    waits = "It is being worked out."
    if chosen.thief.epochs:
        waits = "Press Run: this thief has to train."
    if seen.busy and attempt and attempt.place == chosen.place:
        waits = "The thief is training: the copy is asked all questions at the end."
    return verdict_box("? no verdict yet", waits)


def _paid(seen: Seen) -> str:
    """Return what the thief has paid, and what can be typed to do the same."""
    point, owner = seen.chosen.point, seen.chosen.points[0]
    words, code = small(""), ""
    if point is not None:
        words = small(*account(point, owner, seen.tests))
        if point is not owner:
            code = html.escape(f"wm.theft.{point.theft}")
    return f"{words}<p class='wm-code'>{code}&nbsp;</p>"


def _last_run(chosen: Tradeoff) -> str:
    """Draw the last run of this thief, epoch by epoch."""
    attempt = chosen.attempt
    if attempt is None or not attempt.curves():
        return ""
    thief, lines = attempt.thief, attempt.curves()
    title = f"The last run, {thief.strength} {thief.labels[attempt.place]}"
    ends = ", ".join(f"{name} {percent(line[-1])}" for name, line in lines.items())
    caption = f"{title}: {ends}; {attempt.stage.words}."
    return small(f"{title}:") + accuracy_svg(lines, thief.epochs, caption)
