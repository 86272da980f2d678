"""What every lab's page is made of: the lab as it is laid out, what was kept of it, a script."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wmlearn.labs._kit.theme import DARK_PAGE, STYLE

if TYPE_CHECKING:
    from ipywidgets import HTML, Widget

# The page has one place that speaks.
_LIVE = re.compile(r" role='(?:status|alert)'(?: aria-live='polite')?")
_LAYOUT = ("display", "width", "height", "min_height", "margin", "padding", "overflow")
_HERE = Path(__file__).parent
_PAGE = "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{title}</title>\n"
_PAGE += "<meta name='viewport' content='width=device-width,initial-scale=1'>\n"
_PAGE += "<link rel='icon' href='data:,'></head>\n<body class='wm-page'><main><h1>{title}</h1>\n"


class Layout(NamedTuple):
    """A lab as it is laid out.

    Attributes
    ----------
    places : what shows something, by name; behind the drawing of a place lies `NAME behind`
    widget : the whole lab
    sheets : holds the lab's own style sheets
    more, inside : the button that shows more, if there is one, and what it shows
    """

    places: Mapping[str, HTML]
    widget: Widget
    sheets: Widget
    more: Widget | None
    inside: Collection[Widget]


class Page:
    """A lab as one HTML file.

    Parameters
    ----------
    layout : the lab
    scripts : what moves the page, after the script that all pages share
    """

    first: Sequence[str] = ()  # what each place shows before the script runs
    sheets = ""  # the lab's own style sheets
    note = ""  # what only the page has to say

    def __init__(self, layout: Layout, *scripts: Path) -> None:
        self.layout = layout
        self.book: dict[str, Any] = {}  # for the script
        self._scripts = [_HERE / "page.js", *scripts]

    def html(self, title: str) -> str:
        """Return the file."""
        style = (_HERE / "page.css").read_text("utf-8")
        script = "".join(path.read_text("utf-8") for path in self._scripts)
        text = json.dumps(self.book, ensure_ascii=False, separators=(",", ":"))
        book = base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
        body = (
            f"{STYLE}<style>{style}{DARK_PAGE}</style>{self.sheets}<section class='wm-recording' "
            f"aria-label='{html.escape(title)}'>{self._laid_out(self.layout.widget)}{self.note}"
            "<noscript><p>Without script this page shows one state of the lab.</p></noscript>"
            "<p class='wm-said' role='status'></p><script type='text/plain'>"
            f"{book}</script><script>(async () => {{\n{script}}})();</script></section>"
        )
        return f"{_PAGE.format(title=html.escape(title))}{body}</main></body></html>\n"

    def _laid_out(self, widget: Widget) -> str:
        """Return a part of the lab: boxes, places, and inputs."""
        layout, places = self.layout, list(self.layout.places.values())
        folded = widget in layout.inside  # opened and closed by the page, not by the layout
        inside = " wm-inside" if folded else ""
        given = f"style='{_style(widget, _LAYOUT[folded:])}'"
        if widget in places:
            number = places.index(widget)
            css = f"class='widget-html-content wm-place{inside}'"
            return f"<div {css} {given} data-place='{number}'>{self.first[number]}</div>"
        if widget is layout.more:
            return "<button type='button' class='wm-more' aria-expanded='false'>more</button>"
        if widget is layout.sheets:
            return ""
        if not hasattr(widget, "children"):
            return self.input(widget, inside, given)
        kind = "widget-hbox" if type(widget).__name__ == "HBox" else "widget-vbox"
        css = " ".join([kind, *widget._dom_classes])
        rows = "".join(map(self._laid_out, widget.children))
        return f"<div class='{css}{inside}' {given}>{rows}</div>"

    def input(self, widget: Widget, css: str, style: str) -> str:
        """Return what stands for an input; nothing, where the page has none."""
        return ""


def quiet(shown: str) -> str:
    """Return what a place shows without what has it read out."""
    return _LIVE.sub("", shown)


def _style(widget: Widget, names: Sequence[str]) -> str:
    """Return what the page must know of a widget's layout."""
    values = {name: getattr(widget.layout, name) for name in names}
    return ";".join(f"{name.replace('_', '-')}:{value}" for name, value in values.items() if value)
