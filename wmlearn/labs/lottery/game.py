"""What both halves of the lottery lab are: buttons, and pure functions of what was pressed."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

S = TypeVar("S", bound=Any)


class Game(Generic[S]):
    """A state and three pure functions of it, whatever shows them.

    Attributes
    ----------
    start : the state in which it begins
    rows : the buttons, in rows
    left, right : the places on the screen, in two columns
    suspects : the services among which one chooses; none where there is no choice
    """

    start: S
    rows: tuple[tuple[str, ...], ...]
    left: tuple[str, ...]
    right: tuple[str, ...]
    suspects: tuple[str, ...] = ()

    def axes(self, state: S) -> Mapping[str, bool]:
        """Return for each button whether it can be pressed."""
        raise NotImplementedError

    def press(self, state: S, button: str) -> S:
        """Return the state after a button is pressed."""
        raise NotImplementedError

    def frame(self, state: S) -> Mapping[str, str]:
        """Return what is shown, HTML or SVG, by its place."""
        raise NotImplementedError

    def picture(self) -> str:
        """Return as SVG what stands for it where nothing runs."""
        raise NotImplementedError

    def lines(self) -> list[str]:
        """Return in words what stands for it where nothing runs."""
        raise NotImplementedError
