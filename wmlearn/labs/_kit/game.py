"""A game as one HTML file: it shows pieces that Python drew beforehand; its script says which."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wmlearn.labs._kit.cuts import cutting, tables
from wmlearn.labs._kit.lab import Frame
from wmlearn.labs._kit.pages import Layout, Page, quiet
from wmlearn.labs._kit.svg import Layers, narrow

if TYPE_CHECKING:
    from ipywidgets import Widget

Walk: TypeAlias = Callable[[], Iterable[Frame]]


class Game(Page):
    """All that a game can show, in pieces by the numbers they depend on.

    Parameters
    ----------
    layout : the lab; it is not moved
    script : turns presses into the names and numbers of pieces
    start : what is shown at first, where it is not always the same
    walk : yields what is shown, or a part of it, until each piece has been seen
    numbers : what the script has to know of the draws or the services
    """

    def __init__(
        self, layout: Layout, script: Path, start: Frame, walk: Walk, numbers: Mapping[str, Any]
    ) -> None:
        super().__init__(layout, script, Path(__file__).with_suffix(".js"))
        shown = {name: quiet(place.value) for name, place in layout.places.items()}
        moving = {"status": "", **dict(_places(start))}  # the other places stay as they are
        self.first = list({**shown, **moving}.values())
        with cutting():
            wide = tables(_fragments(walk()))
            with narrow():
                slim = tables(_fragments(walk()))
        self.book = {
            "numbers": numbers,
            "places": [name if name in moving else None for name in layout.places],
            "wide": wide,
            "slim": {name: slim[name] for name in slim if slim[name] != wide[name]},
        }

    def input(self, widget: Widget, css: str, style: str) -> str:
        """Return a button, or buttons of which one is chosen."""
        name = html.escape(widget.description, quote=True)
        if not hasattr(widget, "options"):
            given = f"type='button' class='{css}' {style} data-press='{name}'"
            return f"<button {given}>{name}</button>"
        given = f"type='radio' name='{name}' data-press='{name}'"
        labels = [f"<label><input {given} value='{word}'>{word}</label>" for word in widget.options]
        return (
            f"<div class='wm-input{css}'><fieldset><legend>{name}</legend>{''.join(labels)}"
            "</fieldset></div>"
        )


def _fragments(frames: Iterable[Frame]) -> Iterator[tuple[str, str]]:
    for frame in frames:
        yield from _places(frame)


def _places(frame: Frame) -> Iterator[tuple[str, str]]:
    """Yield what each place shows; what lies behind a drawing is a place of its own."""
    for name, shown in frame.items():
        if isinstance(shown, Layers):
            yield f"{name} behind", quiet(shown.behind)
            shown = shown.moving
        yield name, quiet(shown)
