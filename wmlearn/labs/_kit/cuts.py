"""Where what a game shows is cut into pieces, each of which depends on a few numbers only.

The page of a game holds every piece once, and puts them together as the game goes. In a notebook
nothing is cut: the same functions draw for both.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_CUTTING = ContextVar("cutting", default=False)
_BETWEEN = "\x1d"
_MARK = re.compile("\x1e([^\x1f]*)\x1f")


@contextmanager
def cutting() -> Iterator[None]:
    """Have `cut` leave its marks."""
    token = _CUTTING.set(True)
    try:
        yield
    finally:
        _CUTTING.reset(token)


def cut(name: str, *at: object) -> str:
    """Return a mark: up to the next one follows a piece that depends on nothing but `at`.

    Outside `cutting` it is empty.
    """
    if not _CUTTING.get():
        return ""
    return f"\x1e{_BETWEEN.join(map(str, (name, *at)))}\x1f"


def tables(shown: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the pieces by name and numbers: `["bar"][3][7]` is what follows cut("bar", 3, 7).

    Parameters
    ----------
    shown : pairs of a place and what it shows, with marks; what comes before the first mark is the
        piece that is called like the place

    Raises
    ------
    ValueError
        If a piece depends on something else, too.
    """
    found: dict[tuple[str, ...], str] = {}
    for place, fragment in shown:
        names = [place, *_MARK.findall(fragment)]
        for name, piece in zip(names, _MARK.sub("\x1e", fragment).split("\x1e")):
            if found.setdefault(tuple(name.split(_BETWEEN)), piece) != piece:
                raise ValueError(
                    f"the piece {name!r} must look the same wherever it is used; it looks "
                    f"different in {place!r}. Give its `cut` all that it depends on."
                )
    return _by_first(found)


def _by_first(pieces: Mapping[tuple[str, ...], str]) -> dict[str, Any]:
    """Return pieces by the first part of their names, and what is below by the others."""
    parts: dict[str, dict[tuple[str, ...], str]] = {}
    for (first, *rest), piece in pieces.items():
        parts.setdefault(first, {})[tuple(rest)] = piece
    return {first: _nested(part) for first, part in parts.items()}


def _nested(pieces: Mapping[tuple[str, ...], str]) -> Any:
    """Return pieces as tables in tables, where counted from 0 as lists; a lone piece as it is."""
    if () in pieces:
        [piece] = pieces.values()
        return piece
    below = _by_first(pieces)
    counted = list(map(str, range(len(below))))
    if below.keys() == set(counted):
        return [below[number] for number in counted]
    return below
