"""What every lab shares: how it shows itself with and without a kernel, and what becomes of an
error in a callback.
"""

from __future__ import annotations

import base64
import html
import re
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wmlearn.labs._kit.static import SCALE

if TYPE_CHECKING:
    from ipywidgets import HTML, Widget

TEXT, PNG = "text/plain", "image/png"
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
    bundle: dict[str, Any] = {TEXT: text}
    if png is not None:
        bundle[PNG] = base64.b64encode(png).decode("ascii")
    bundle[WIDGET_VIEW] = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return bundle


class Displayed:
    """The base of what is displayed as a widget, as text, and as a picture where it has one."""

    widget: Widget
    _kept: Any = None  # the output that stands in for it once its kernel is gone

    def _picture(self) -> bytes | None:
        """Return the bytes of a PNG file; None where there is nothing to see."""
        return None

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Return the widget and, for where nothing runs and for the tests, text and picture."""
        return view(self.widget, repr(self), self._picture())

    def _ipython_display_(self) -> None:
        self._kept = show(self._repr_mimebundle_())


def show(bundle: Mapping[str, Any]) -> Any:
    """Display a lab in all its forms, and after it what stands in for it once its kernel is gone.

    ipywidgets' own form comes first wherever a notebook is trusted, and without the kernel it says
    "Error displaying widget: model not found" in place of the others. So the second output is a
    style sheet that shows them there, in JupyterLab and Notebook 7; VS Code, GitHub and a notebook
    that is not trusted choose another form by themselves.

    Returns
    -------
    IPython's handle of the second output, to replace it when the lab has something new to keep
    """
    from IPython.display import display

    display(bundle, metadata={PNG: {"alt": bundle[TEXT]}}, raw=True)
    return display(reopened(bundle), display_id=True, raw=True)


def reopened(bundle: Mapping[str, Any]) -> dict[str, str]:
    """Return a style sheet that puts a lab's text and picture where its widget cannot be shown."""
    words = f"{bundle[TEXT]}\n\nRun this cell to use it again."
    image = ""
    if PNG in bundle:
        image = f"image-set(url(data:image/png;base64,{bundle[PNG]}) {SCALE}x)"
        words = f"\n{words}"
    shown = f"content:{image} {css_text(words)}"
    name = f"wm-reopened-{zlib.crc32(shown.encode()):08x}"
    output, style = ".jp-OutputArea-child", f"style.{name}"
    # Alive, or in another form, the lab has elements; lost or without any kernel, only words.
    lost = f"{output}:has(+{output} {style})>.jp-OutputArea-output:not(:has(*))"
    rules = (
        f"{output}:has({style}){{display:none}}"
        f"{lost}{{visibility:hidden;font-size:0}}"
        f"{lost}::before{{visibility:visible;white-space:pre-wrap;{shown};"
        "font:var(--jp-code-font-size)/1.4 var(--jp-code-font-family);"
        "color:var(--jp-content-font-color1)}"
    )
    return {"text/html": f"<style class='{name}'>{rules}</style>"}


def css_text(text: str) -> str:
    """Return a text as CSS writes it, on one line and without a sign that HTML could take for its
    own.

    Examples
    --------
    >>> css_text("a <b>")
    "'a \\\\3c b>'"
    """
    escaped = re.sub(r"[<'\\\n\r\f]", lambda sign: f"\\{ord(sign[0]):x} ", text)
    return f"'{escaped}'"


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
