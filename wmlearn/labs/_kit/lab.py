"""What every lab is: controls, and places on the screen that say what they have brought about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wmlearn._extras import MissingExtra, extras
from wmlearn._files import whole
from wmlearn.labs._kit.pages import Layout, Page
from wmlearn.labs._kit.static import png
from wmlearn.labs._kit.svg import Layers
from wmlearn.labs._kit.theme import STYLE
from wmlearn.labs._kit.views import Displayed, guarded, reopened

if TYPE_CHECKING:
    from ipywidgets import BoundedIntText, ToggleButton, ToggleButtons, Widget

BESIDE = {"width": "140px"}  # a box beside another input
HIDDEN = {"height": "0px", "overflow": "hidden"}  # for style sheets
Row: TypeAlias = "str | Widget | list[str | Widget]"  # a name stands for a place
Frame: TypeAlias = Mapping[
    str, str | Layers
]  # what is shown, HTML or SVG, by the name of its place


@dataclass(frozen=True)
class State:
    """What a lab shows at this moment.

    Attributes
    ----------
    controls : what each control holds, by its description; those that are put away are left out
    screen : what each place on the screen shows, HTML or SVG, by its name
    """

    controls: Mapping[str, object]
    screen: Mapping[str, str]


class Lab(Displayed):
    """The base of the labs.

    A lab holds a widget and is none itself: ipywidgets 7.7.1 (Colab) and 8 then display it alike.
    It is made of core widgets only, which Colab has too.

    Parameters
    ----------
    places : the names of the places on the screen
    layered : those of them where what moves lies over what does not, as `Layers`

    Attributes
    ----------
    widget : the whole lab, as a widget
    state : what the controls hold and what the screen shows, to be read
    """

    @extras()
    def __init__(self, *places: str, layered: Sequence[str] = ()) -> None:
        import ipywidgets as widgets

        self._sheets = widgets.VBox([widgets.HTML(STYLE)], layout=HIDDEN)
        self._more: ToggleButton | None = None  # and what it shows
        self._inside: tuple[Widget, ...] = ()
        self._screen = {name: widgets.HTML() for name in (*places, "status")}
        self._behind = {name: widgets.HTML() for name in layered}
        self.status = self._screen["status"]  # where errors are shown

    def _lay_out(
        self, left: Sequence[Row], right: Sequence[Row], below: Sequence[Row] = ()
    ) -> None:
        """Put the lab together: inputs and sentences left, the picture right, one below the other
        where there is no room for two columns.

        Parameters
        ----------
        left, right : the two columns, each row below row: a place by its name, a widget, or a list
            of these side by side. The right one is 560 pixels wide at most, as a chart is
        below : what takes the whole width, 1,063 pixels at most
        """
        import ipywidgets as widgets

        columns = widgets.HBox([widgets.VBox(self._rows(rows)) for rows in (left, right)])
        columns.add_class("wm-columns")
        self.widget = widgets.VBox([self._sheets, columns, *self._rows(below)])
        self.widget.add_class("wm-lab")
        for control in self._controls():
            control.style.description_width = "initial"  # a label as wide as its words
        without_null(self.widget)

    def _rows(self, rows: Sequence[Row]) -> list[Widget]:
        """Return the widgets of some rows."""
        import ipywidgets as widgets

        made = []
        for row in rows:
            if isinstance(row, list):
                row = widgets.HBox(self._rows(row))
            elif row in self._behind:
                row = widgets.VBox([self._screen[row], self._behind[row]])
                row.add_class("wm-layers")
            made.append(self._screen.get(row, row))
        return made

    def _drawer(self, *inside: Widget) -> ToggleButton:
        """Return the button *more*, which shows what is inside, wherever in the lab it is.

        No Accordion: its heading cannot be reached with the keyboard.
        """
        import ipywidgets as widgets

        more = widgets.ToggleButton(False, description="more ▸", layout={"width": "90px"})

        def turn(_: object = None) -> None:
            more.description = "less ▾" if more.value else "more ▸"
            for each in inside:
                each.layout.display = None if more.value else "none"

        turn()
        self._follow(more, turn)
        self._more, self._inside = more, inside
        return more

    def _controls(self) -> list[Widget]:
        """Return everything that is laid out, holds a value and has a description."""
        named = [widget for widget in tree(self.widget) if getattr(widget, "description", "")]
        return [widget for widget in named if hasattr(widget, "value")]

    def _follow(self, control: Widget, callback: Callable[[Any], object]) -> None:
        """Call whenever the control gets another value, and show what goes wrong then."""
        control.observe(guarded(callback, self.status), names="value")

    def _say(self, **screen: str | Layers) -> None:
        """Show HTML or SVG at the places of these names; what is there already is not sent."""
        for name, shown in screen.items():
            if isinstance(shown, Layers):
                shown, self._behind[name].value = shown
            self._screen[name].value = shown

    def to_html(self, path: str | PathLike[str], *, title: str = "") -> Path:
        """Write the lab as one HTML file that is live where no Python runs: on a phone, on any web
        server, opened from a folder. It needs no network.

        Its inputs are moved through all their positions, or its game is played to its ends, and
        what the screen shows then is kept: the page shows nothing that the notebook would not. This
        takes seconds, or where thieves have to train a minute.

        Parameters
        ----------
        path : the file; an old one is replaced
        title : the heading of the page; left out, what the lab is called

        Returns
        -------
        the path

        Raises
        ------
        ValueError
            If the page would give away what the lab keeps: the answers in a case of the tribunal.
        OSError
            If the file cannot be written.
        """
        page = self._page()
        path = Path(path)
        with whole(path) as file:
            file.write(page.html(title or type(self).__name__).encode())
        return path

    def _page(self) -> Page:
        """Return all that this lab can show."""
        raise NotImplementedError

    def _layout(self, left_out: Sequence[str] = ()) -> Layout:
        """Return the lab as it is laid out; some places are left out of the page."""
        places = {name: place for name, place in self._screen.items() if name not in left_out}
        places.update({f"{name} behind": place for name, place in self._behind.items()})
        return Layout(places, self.widget, self._sheets, self._more, self._inside)

    def _drawing(self) -> str | None:
        """Return as SVG what stands for the lab where nothing runs; None where there is nothing."""
        return None

    @property
    def state(self) -> State:
        """What the controls hold and what the screen shows, to be read."""
        controls = {}
        for control in self._controls():
            if control.layout.display != "none":
                controls[control.description] = control.value
        screen = {name: place.value for name, place in self._screen.items()}
        for name, place in self._behind.items():
            screen[name] += place.value
        return State(controls, screen)

    def _picture(self) -> bytes | None:
        drawing = self._drawing()
        if drawing is None:
            return None
        try:
            return png(drawing)
        except MissingExtra:  # no browser has resvg; the lab itself is all there
            return None

    def _keep(self) -> None:
        """Have the notebook keep what is shown now, for when its kernel is gone."""
        if self._kept:
            self._kept.update(reopened(self._repr_mimebundle_()), raw=True)


def tree(widget: Widget) -> list[Widget]:
    """Return a widget and everything in it."""
    found = [widget]
    for child in getattr(widget, "children", ()):
        found += tree(child)
    return found


def without_null(root: Widget) -> None:
    """Give everything in a widget an empty tooltip: for one that is left out ipywidgets 8 shows the
    word "null" under the mouse.
    """
    for widget in tree(root):
        if getattr(widget, "tooltip", "") is None:
            widget.tooltip = ""


def choice(description: str, options: Sequence[object], **traits: Any) -> ToggleButtons:
    """Return a row of buttons of which one is chosen, the first unless `value` says otherwise.

    No menu: JupyterLab takes the letters and the arrows that are typed on it for commands to the
    notebook, such as X for "cut this cell".
    """
    import ipywidgets as widgets

    style = {"button_width": "auto"}
    return widgets.ToggleButtons(options=options, description=description, style=style, **traits)


def number_box(
    description: str, value: int, low: int, high: int, layout: Mapping[str, str]
) -> BoundedIntText:
    """Return an input for a whole number."""
    import ipywidgets as widgets

    return widgets.BoundedIntText(value, min=low, max=high, description=description, layout=layout)
