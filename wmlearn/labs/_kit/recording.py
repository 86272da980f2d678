"""A lab as one HTML file that is live where no Python runs.

Python moves the lab's own inputs through all their positions and keeps what the screen shows then.
The script of the page picks what was kept: it draws nothing, computes nothing and words nothing.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wmlearn.labs._kit.pages import Layout, Page, quiet
from wmlearn.labs._kit.svg import narrow

if TYPE_CHECKING:
    from ipywidgets import Widget

# Where a fragment is cut: states differ in few pieces, and each distinct piece is written once.
_PIECE = re.compile(r"(?=<(?:li|path|text|circle|rect|image|p|ol|svg)\b)")
_SCOPE = re.compile(r"wm-[0-9a-f]{32}")  # of a widget: another in every run


class Axis(NamedTuple):
    """An input that is moved through its positions, after those before it.

    Attributes
    ----------
    control : a widget with options, or one that holds a number or a text
    values : what it is moved through: of options their places, else the values themselves, or what
        returns them, if they depend on the inputs before it; left out, all options, or all whole
        numbers from the least to the greatest
    own : whether it has a position for each choice before it, as a strength has for its theft
    instead_of : the widget in whose place it stands, if it is none of the lab's own
    """

    control: Any
    values: Sequence[Any] | Callable[[], Sequence[Any]] | None = None
    own: bool = False
    instead_of: Any = None

    def every(self) -> Sequence[Any]:
        """Return the values that it is moved through now."""
        control = self.control
        if callable(self.values):
            return self.values()
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


class Recording(Page):
    """Everything a lab can show, each distinct piece once, and which pieces make up each state.

    Parameters
    ----------
    layout : the lab; it is moved, and is at the end where it was
    axes : the inputs; the first may decide which positions the later ones have
    render : shows the lab again
    """

    def __init__(self, layout: Layout, axes: Sequence[Axis], render: Callable[[], object]) -> None:
        super().__init__(layout, Path(__file__).with_suffix(".js"))
        self._axes, self._render = axes, render
        self._lists: dict[tuple[str, ...], int] = {}  # an input's name and positions
        self._pieces: dict[str, int] = {}
        self._fragments: dict[str, int] = {}
        self._made_of: list[list[int]] = []
        sheets = "".join(sheet.value for sheet in layout.sheets.children[1:])
        # two pages in one document keep their own pictures
        pictures = _SCOPE.sub("", sheets).encode()
        self._scope = f"wm-{zlib.crc32(pictures):08x}"
        self.sheets = self._scoped(sheets)
        before = [axis.value for axis in axes]
        start = [_place(axis) for axis in axes]
        render()
        self.first = self._read()
        tree = self._visit(0)
        for axis, value in zip(axes, before):
            axis.move(value)
        render()
        self.book = {
            "inputs": [{"how": axis.how, "own": axis.own} for axis in axes],
            "start": start,
            "tree": tree,
            "lists": [list(each) for each in self._lists],
            "fragments": self._made_of,
            "pieces": list(self._pieces),
        }

    def _visit(self, depth: int) -> list[Any]:
        if depth == len(self._axes):
            self._render()
            shown = self._read()
            with narrow():
                self._render()
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
        return control.layout.display == "none" and control not in self.layout.inside

    def _read(self) -> list[str]:
        """Return what each place shows."""
        return [quiet(self._scoped(place.value)) for place in self.layout.places.values()]

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

    def input(self, widget: Widget, css: str, style: str) -> str:
        """Return where the script makes an input."""
        for number, axis in enumerate(self._axes):
            if widget in (axis.control, axis.instead_of):
                return f"<div class='wm-input{css}' data-input='{number}'></div>"
        return ""


def _place(axis: Axis) -> int:
    """Return which of its values an input has, or the last one before that."""
    values = list(axis.every())
    if axis.value in values:
        return values.index(axis.value)
    return max(0, sum(bool(value <= axis.value) for value in values) - 1)
