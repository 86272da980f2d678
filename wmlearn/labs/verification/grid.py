"""The secret questions as a grid of small pictures, each with the answer that came back.

The pictures travel once, in a style sheet; a move of the slider sends words and positions only.
"""

from __future__ import annotations

import html

import numpy as np

from wmlearn._display import png_uri
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.replay import Replay

PAGE = 30  # questions shown at a time
_ACROSS = 10  # pictures side by side in the sheet


def picture_sheet(triggers: TriggerSet, scope: str) -> str:
    """Return a style sheet that holds the first image of every question, side by side in one PNG.

    Parameters
    ----------
    scope : the CSS class of the grids that show these pictures
    """
    first = triggers.pixels[
        np.searchsorted(triggers.question, np.arange(triggers.n))
    ]  # (n, c, h, w)
    count, channels, height, width = first.shape
    rows = -(-count // _ACROSS)
    sheet = np.zeros((rows * _ACROSS, channels, height, width), np.uint8)
    sheet[:count] = first
    tiled = sheet.reshape(rows, _ACROSS, channels, height, width).transpose(
        2, 0, 3, 1, 4
    )  # (c, rows, h, across, w)
    uri = png_uri(tiled.reshape(channels, rows * height, _ACROSS * width))
    side = tile_size(triggers)
    room = (
        62 if max(map(len, triggers.rules.classes)) <= 3 else 105
    )  # pixels: ten pictures side by side, or six
    return (
        f"<style>.{scope}{{grid-template-columns:repeat(auto-fill,minmax({room}px,1fr))}}"
        # room for three lines of text from the start: nothing jumps
        f".{scope} li{{min-height:{side + 44}px}}"
        f".{scope} i{{width:{side}px;height:{side}px;background-image:url({uri});"
        f"background-size:{_ACROSS * side}px {rows * side}px}}</style>"
    )


def tile_size(triggers: TriggerSet) -> int:
    """Return how large a picture is shown: near 56 pixels, and a whole multiple of its own so that
    none is blurred.
    """
    own = triggers.pixels.shape[-1]
    return own * max(1, round(56 / own))


def question_grid(replay: Replay, n: int, scope: str) -> str:
    """Return the page of questions that holds the latest one, as HTML; of those not asked yet no
    answer is in it.
    """
    start = max(n - 1, 0) // PAGE * PAGE
    stop = min(start + PAGE, replay.n)
    cells = "".join(_cell(replay, q, asked=q < n) for q in range(start, stop))
    pictured = (
        "" if len(replay.triggers.pixels) == replay.n else "; each shows the first of its images"
    )
    title = f"Questions {start + 1} to {stop} of {replay.n}{pictured}"
    return f"<p class='wm-small'>{title}</p><ol class='wm-grid-of-questions {scope}'>{cells}</ol>"


def _cell(replay: Replay, q: int, *, asked: bool) -> str:
    """Return one question; right, wrong and unanswered differ in sign, words and border, not in
    colour alone.
    """
    side = tile_size(replay.triggers)
    picture = (
        f"<i role='img' aria-label='{q + 1}: {html.escape(replay.triggers.names[q], quote=True)}' "
        f"style='background-position:{-(q % _ACROSS) * side}px {-(q // _ACROSS) * side}px'></i>"
    )
    if not asked:
        return f"<li class='wm-later'>{picture}not asked<br>yet</li>"
    kind, sign = ("wm-match", "✔ match") if replay.verdict.matched[q] else ("wm-miss", "✘ miss")
    kind = "wm-silent" if replay.verdict.unanswered[q] else kind
    secret = html.escape(replay.triggers.rules.classes[replay.verdict.answers.expected[q]])
    return (
        f"<li class='{kind}'>{picture}{_said(replay, q)}<br>secret {secret}<br><b>{sign}</b></li>"
    )


def _said(replay: Replay, q: int) -> str:
    if replay.verdict.unanswered[q]:
        return "no answer"
    answer = int(replay.verdict.answers.per_question[q])
    return (
        "no majority"
        if answer < 0
        else f"said {html.escape(replay.triggers.rules.classes[answer])}"
    )
