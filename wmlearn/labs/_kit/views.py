"""What every lab shares: how it shows itself with and without a kernel, and what becomes of an
error in a callback.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipywidgets import HTML, Widget

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def view(widget: Widget, text: str, png: bytes | None = None) -> dict[str, Any]:
    """Return a lab in all its forms: the live widget, and the text and picture that are seen before
    anything runs.

    A lab holds a widget and is none itself. Its `_repr_mimebundle_` returns this, which ipywidgets
    7.7.1 (Colab) and 8 display alike; GitHub shows the picture, and the tests compare the text.

    Parameters
    ----------
    widget : the outermost widget of the lab
    text : the text form; it must not change from run to run
    png : the bytes of a PNG file, or None where the lab has no picture
    """
    bundle: dict[str, Any] = {"text/plain": text}
    if png is not None:
        bundle["image/png"] = base64.b64encode(png).decode("ascii")
    bundle[WIDGET_VIEW] = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return bundle


def guarded(callback: Callable[[Any], object], status: HTML) -> Callable[[Any], None]:
    """Return the callback, made to show an exception in `status`: without this Jupyter hides it
    from the learner.
    """

    def run(event: Any) -> None:
        try:
            callback(event)
        except Exception as error:
            reason = html.escape(f"{type(error).__name__}: {error}")
            status.value = alert(f"<b>Something went wrong in here.</b> {reason}")

    return run


def alert(words: str) -> str:
    """Return words, as HTML, in a box that a screen reader reads out at once."""
    return (
        "<p class='wm-error' role='alert' style='border-left:4px solid var(--jp-error-color1, "
        "#D55E00);"
        f"padding-left:8px'>{words}</p>"
    )


def small(*sentences: str) -> str:
    """Return sentences, as HTML, in small paragraphs."""
    return "".join(f"<p class='wm-small'>{html.escape(words)}</p>" for words in sentences)
