"""What moves a lab in the tests as a hand would, by what stands beside its controls."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from ipywidgets import HTML, Widget


def widgets_in(widget: Widget) -> Iterator[Widget]:
    """Yield a widget and everything in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from widgets_in(child)


def find(lab: Any, description: str) -> Any:
    """Return the one control or button of this description."""
    found = [
        widget
        for widget in widgets_in(lab.widget)
        if getattr(widget, "description", None) == description
    ]
    assert len(found) == 1, f"{len(found)} widgets are called {description!r}"
    return found[0]


def move(lab: Any, description: str, value: object) -> None:
    """Give a control another value."""
    find(lab, description).value = value


def press(lab: Any, description: str) -> None:
    """Press a button."""
    find(lab, description).click()


def is_visible(lab: Any, description: str) -> bool:
    """Return whether a control is on the screen: neither it nor what it lies in is hidden."""
    return find(lab, description) in _visible(lab.widget)


def _visible(widget: Widget) -> Iterator[Widget]:
    if widget.layout.display != "none":
        yield widget
        for child in getattr(widget, "children", ()):
            yield from _visible(child)


def html_of(lab: Any) -> str:
    """Return everything the lab shows as HTML, style sheets aside."""
    values = [widget.value for widget in widgets_in(lab.widget) if isinstance(widget, HTML)]
    return "\n".join(value for value in values if not value.startswith("<style>"))


def style_sheets(lab: Any) -> list[str]:
    """Return the style sheets of a lab, and of the pictures it has shown."""
    values = [widget.value for widget in widgets_in(lab.widget) if isinstance(widget, HTML)]
    return [value for value in values if value.startswith("<style>")]


def bytes_sent(lab: Any, act: Callable[[], object]) -> int:
    """Return how many bytes of widget state change while `act` runs."""
    sent = []

    def note(change: dict[str, Any]) -> None:
        sent.append(len(json.dumps(change["new"], default=str).encode()))

    for widget in widgets_in(lab.widget):
        widget.observe(note)
    act()
    for widget in widgets_in(lab.widget):
        widget.unobserve(note)
    return sum(sent)
