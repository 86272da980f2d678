"""The secret questions as a grid of small pictures, each with the answer that came back.

The pictures travel once, in a style sheet; a move of the slider sends words and positions only.
"""

import html

import numpy as np

from wmlearn._display import png_uri
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.replay import Replay

_ACROSS = 10  # pictures side by side in the sheet


def picture_sheet(triggers: TriggerSet, scope: str) -> str:
    """Return a style sheet that holds the first image of every question, side by side in one PNG.

    Parameters
    ----------
    scope : the CSS class of the grids that show these pictures
    """
    places = np.searchsorted(triggers.question, np.arange(triggers.n))
    first = triggers.pixels[places]  # (n, c, h, w)
    count, channels, height, width = first.shape
    rows = -(-count // _ACROSS)
    full = np.pad(first, ((0, rows * _ACROSS - count), (0, 0), (0, 0), (0, 0)))
    tiled = full.reshape(rows, _ACROSS, channels, height, width)
    sheet = tiled.transpose(2, 0, 3, 1, 4).reshape(channels, rows * height, _ACROSS * width)
    side = tile_size(triggers)
    across = page(triggers)  # in one strip, whose pictures shrink before they wrap
    room = f"max({900 // across}px, (100% - {3 * across}px) / {across})"
    uri = png_uri(sheet)
    size = f"background-size:{_ACROSS * side}px {rows * side}px"
    return (
        f"<style>.{scope}{{grid-template-columns:repeat(auto-fill,minmax({room},1fr))}}"
        # room for three lines of text from the start: nothing jumps
        f".{scope} li{{min-height:{side + 44}px}}"
        f".{scope} i{{width:{side}px;height:{side}px;{size};background-image:url({uri})}}"
        "</style>"
    )


def tile_size(triggers: TriggerSet) -> int:
    """Return how large a picture is shown: near 56 pixels, and a whole multiple of its own, or it
    would be blurred.
    """
    own = int(triggers.pixels.shape[-1])
    return own * max(1, round(56 / own))


def page(triggers: TriggerSet) -> int:
    """Return how many questions are shown at a time: fewer where the names of classes are long."""
    return 15 if max(map(len, triggers.rules.classes)) <= 3 else 10


def question_grid(replay: Replay, n: int, scope: str) -> str:
    """Return the page of questions that holds the latest one, as HTML; of those not asked yet no
    answer is in it.
    """
    size = page(replay.triggers)
    start = max(n - 1, 0) // size * size
    stop = min(start + size, replay.n)
    cells = "".join(_cell(replay, q, asked=q < n) for q in range(start, stop))
    title = f"Questions {start + 1} to {stop} of {replay.n}"
    if len(replay.triggers.pixels) > replay.n:
        title += "; each shows the first of its images"
    return f"<p class='wm-small'>{title}</p><ol class='wm-grid-of-questions {scope}'>{cells}</ol>"


def _cell(replay: Replay, q: int, *, asked: bool) -> str:
    """Return one question; right, wrong and unanswered differ in sign, words and border, not in
    colour alone.
    """
    side, name = tile_size(replay.triggers), html.escape(replay.triggers.names[q])
    row, column = divmod(q, _ACROSS)
    place = f"style='background-position:{-column * side}px {-row * side}px'"
    picture = f"<i role='img' aria-label='{q + 1}: {name}' {place}></i>"
    if not asked:
        return f"<li class='wm-later'>{picture}not asked<br>yet</li>"
    kind, sign = _marked(replay, q)
    secret = html.escape(replay.triggers.rules.classes[replay.verdict.answers.expected[q]])
    words = f"{_said(replay, q)}<br>secret {secret}<br><b>{sign}</b>"
    return f"<li class='{kind}'>{picture}{words}</li>"


def _marked(replay: Replay, q: int) -> tuple[str, str]:
    """Return the CSS class and the sign of an answer."""
    if replay.verdict.matched[q]:
        return "wm-match", "✔ match"
    if replay.verdict.unanswered[q]:
        return "wm-silent", "✘ miss"
    return "wm-miss", "✘ miss"


def _said(replay: Replay, q: int) -> str:
    if replay.verdict.unanswered[q]:
        return "no answer"
    answer = replay.verdict.answers.per_question[q]
    if answer < 0:
        return "no majority"
    return f"said {html.escape(replay.triggers.rules.classes[answer])}"
