"""A lab as one HTML file that is live where no Python runs.

Python moves the lab's own inputs through all their positions and keeps what the screen shows then.
The script of the page picks what was kept: it draws nothing, computes nothing and words nothing.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import zlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wmlearn.labs._kit.svg import narrow
from wmlearn.labs._kit.theme import DARK_PAGE, STYLE

if TYPE_CHECKING:
    from ipywidgets import HTML, Widget

# Where a fragment is cut: states differ in few pieces, and each distinct piece is written once.
_PIECE = re.compile(r"(?=<(?:li|path|text|circle|rect|image|p|ol|svg)\b)")
_LIVE = re.compile(r" role='status'(?: aria-live='polite')?")  # the page has one place that speaks
_SCOPE = re.compile(r"wm-[0-9a-f]{32}")  # of a widget: another in every run
_LAYOUT = ("display", "width", "height", "min_height", "margin", "overflow")
_PAGE = "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{title}</title>\n"
_PAGE += "<meta name='viewport' content='width=device-width,initial-scale=1'>\n"
_PAGE += "<link rel='icon' href='data:,'></head>\n<body class='wm-page'><main><h1>{title}</h1>\n"


class Axis(NamedTuple):
    """An input that is moved through its positions, after those before it.

    Attributes
    ----------
    control : a widget with options, or one that holds a number or a text
    values : what it is moved through: of options their places, else the values themselves; left
        out, all options, or all whole numbers from the least to the greatest
    own : whether it has a position for each choice before it, as a strength has for its theft
    instead_of : the widget in whose place it stands, if it is none of the lab's own
    ready : called before its positions are read, which may depend on the inputs before it
    """

    control: Any
    values: Sequence[Any] | None = None
    own: bool = False
    instead_of: Any = None
    ready: Callable[[], object] = lambda: None

    def every(self) -> Sequence[Any]:
        """Return the values that it is moved through now."""
        control = self.control
        self.ready()
        if self.values is not None:
            return self.values
        if hasattr(control, "index"):
            return range(len(control.options))
        return range(control.min, control.max + 1)

    def label(self, value: Any) -> str:
        """Return what a position is called."""
        if hasattr(self.control, "index"):
            option = self.control.options[value]
            return str(option[0] if isinstance(option, tuple) else option)
        return str(value) or str(self.control.placeholder)

    @property
    def value(self) -> Any:
        """Where it is."""
        return getattr(self.control, self._trait)

    def move(self, value: Any) -> None:
        """Put it somewhere."""
        setattr(self.control, self._trait, value)

    @property
    def _trait(self) -> str:
        return "index" if hasattr(self.control, "index") else "value"

    @property
    def how(self) -> str:
        """What it is on the page: "radio", "menu" or "slider"."""
        kind = type(self.control).__name__
        menus = {"ToggleButtons": "radio", "RadioButtons": "radio", "Dropdown": "menu"}
        return {**menus, "Text": "menu"}.get(kind, "slider")


class Parts(NamedTuple):
    """What a recording needs of a lab.

    Attributes
    ----------
    axes : the inputs; the first may decide which positions the later ones have
    places : what shows something
    render : shows it again
    widget : the whole lab, as it is laid out
    sheets : holds the lab's own style sheets
    more, inside : the button that shows more, if there is one, and what it shows
    """

    axes: Sequence[Axis]
    places: Sequence[HTML]
    render: Callable[[], object]
    widget: Widget
    sheets: Widget
    more: Widget | None
    inside: Collection[Widget]


class Recording:
    """Everything a lab can show, each distinct piece once, and which pieces make up each state.

    Parameters
    ----------
    lab : is moved, and is at the end where it was
    """

    def __init__(self, lab: Parts) -> None:
        self._lab, self._axes = lab, lab.axes
        self._lists: dict[tuple[str, ...], int] = {}  # an input's name and positions
        self._pieces: dict[str, int] = {}
        self._fragments: dict[str, int] = {}
        self._made_of: list[list[int]] = []
        sheets = "".join(sheet.value for sheet in lab.sheets.children[1:])
        # two pages in one document keep their own pictures
        pictures = _SCOPE.sub("", sheets).encode()
        self._scope = f"wm-{zlib.crc32(pictures):08x}"
        self._sheets = self._scoped(sheets)
        before = [axis.value for axis in lab.axes]
        start = [_place(axis) for axis in lab.axes]
        lab.render()
        self._first = self._read()
        tree = self._visit(0)
        for axis, value in zip(lab.axes, before):
            axis.move(value)
        lab.render()
        self._book = {
            "inputs": [{"how": axis.how, "own": axis.own} for axis in lab.axes],
            "start": start,
            "tree": tree,
            "lists": [list(each) for each in self._lists],
            "fragments": self._made_of,
            "pieces": list(self._pieces),
        }

    def _visit(self, depth: int) -> list[Any]:
        if depth == len(self._axes):
            self._lab.render()
            shown = self._read()
            with narrow():
                self._lab.render()
                slim = self._read()
            return [self._keep(fragment) for fragment in (*shown, *slim)]
        axis = self._axes[depth]
        values = [axis.value] if self._put_away(axis) else axis.every()
        name = axis.control.description, *map(axis.label, values)
        listed = self._lists.setdefault(name, len(self._lists))
        below = []
        for value in values:
            axis.move(value)
            below.append(self._visit(depth + 1))
        return [listed, below]

    def _put_away(self, axis: Axis) -> bool:
        """Return whether the other inputs leave this one without a meaning."""
        control = axis.control
        return control.layout.display == "none" and control not in self._lab.inside

    def _read(self) -> list[str]:
        """Return what each place shows."""
        return [_LIVE.sub("", self._scoped(place.value)) for place in self._lab.places]

    def _scoped(self, shown: str) -> str:
        return _SCOPE.sub(self._scope, shown)

    def _keep(self, fragment: str) -> int:
        """Return the number of a fragment, made of numbered pieces."""
        if fragment not in self._fragments:
            pieces = [
                self._pieces.setdefault(piece, len(self._pieces))
                for piece in _PIECE.split(fragment)
            ]
            self._made_of.append(pieces)
            self._fragments[fragment] = len(self._fragments)
        return self._fragments[fragment]

    def page(self, title: str) -> str:
        """Return the lab as a page."""
        folder = Path(__file__).parent
        style = (folder / "page.css").read_text("utf-8")
        script = (folder / "page.js").read_text("utf-8")
        text = json.dumps(self._book, ensure_ascii=False, separators=(",", ":"))
        book = base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
        body = (
            f"{STYLE}<style>{style}{DARK_PAGE}</style>{self._sheets}<section class='wm-recording' "
            f"aria-label='{html.escape(title)}'>{self._html(self._lab.widget)}"
            "<noscript><p>Without script this page shows one state of the lab.</p></noscript>"
            "<p class='wm-said' role='status'></p>"
            f"<script type='text/plain'>{book}</script><script>{script}</script></section>"
        )
        return f"{_PAGE.format(title=html.escape(title))}{body}</main></body></html>\n"

    def _html(self, widget: Widget) -> str:
        """Return a part of the lab as it is laid out: boxes, places, and where its inputs go."""
        places = self._lab.places
        folded = widget in self._lab.inside  # opened and closed by the page, not by the layout
        inside = " wm-inside" if folded else ""
        given = f"style='{_style(widget, _LAYOUT[folded:])}'"
        if widget in places:
            number = places.index(widget)
            css = f"class='widget-html-content wm-place{inside}'"
            return f"<div {css} {given} data-place='{number}'>{self._first[number]}</div>"
        for number, axis in enumerate(self._axes):
            if widget in (axis.control, axis.instead_of):
                return f"<div class='wm-input{inside}' data-input='{number}'></div>"
        if widget is self._lab.more:
            return "<button type='button' class='wm-more' aria-expanded='false'>more</button>"
        if not hasattr(widget, "children") or widget is self._lab.sheets:
            return ""
        kind = "widget-hbox" if type(widget).__name__ == "HBox" else "widget-vbox"
        css = " ".join([kind, *widget._dom_classes])
        rows = "".join(map(self._html, widget.children))
        return f"<div class='{css}{inside}' {given}>{rows}</div>"


def _place(axis: Axis) -> int:
    """Return which of its values an input has, or the last one before that."""
    values = list(axis.every())
    if axis.value in values:
        return values.index(axis.value)
    return max(0, sum(bool(value <= axis.value) for value in values) - 1)


def _style(widget: Widget, names: Sequence[str]) -> str:
    """Return what the page must know of a widget's layout."""
    values = {name: getattr(widget.layout, name) for name in names}
    return ";".join(f"{name.replace('_', '-')}:{value}" for name, value in values.items() if value)
