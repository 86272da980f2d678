"""A bitmap alphabet of our own, five by seven dots, so that a word has the same pixels on every
machine and for ever.

A font library's default font changes between versions, and with it every sealed image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wmlearn._checks import shown

HEIGHT, WIDTH, GAP = 7, 5, 1  # dots

_PICTURES = {
    "ABCDEFGHIJKL": """
        .###. ####. .###. ####. ##### ##### .###. #...# .###. ..### #...# #....
        #...# #...# #...# #...# #.... #.... #...# #...# ..#.. ...#. #..#. #....
        #...# #...# #.... #...# #.... #.... #.... #...# ..#.. ...#. #.#.. #....
        ##### ####. #.... #...# ####. ####. #.### ##### ..#.. ...#. ##... #....
        #...# #...# #.... #...# #.... #.... #...# #...# ..#.. ...#. #.#.. #....
        #...# #...# #...# #...# #.... #.... #...# #...# ..#.. #..#. #..#. #....
        #...# ####. .###. ####. ##### #.... .###. #...# .###. .##.. #...# #####
    """,
    "MNOPQRSTUVWX": """
        #...# #...# .###. ####. .###. ####. .#### ##### #...# #...# #...# #...#
        ##.## ##..# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# #...#
        #.#.# ##..# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# .#.#.
        #.#.# #.#.# #...# ####. #...# ####. .###. ..#.. #...# #...# #.#.# ..#..
        #...# #..## #...# #.... #.#.# #.#.. ....# ..#.. #...# .#.#. #.#.# .#.#.
        #...# #..## #...# #.... #..#. #..#. ....# ..#.. #...# .#.#. ##.## #...#
        #...# #...# .###. #.... .##.# #...# ####. ..#.. .###. ..#.. #...# #...#
    """,
    "YZ0123456789": """
        #...# ##### .###. ..#.. .###. ####. ...#. ##### .###. ##### .###. .###.
        #...# ....# #...# .##.. #...# ....# ..##. #.... #.... ....# #...# #...#
        .#.#. ...#. #..## ..#.. ....# ....# .#.#. ####. #.... ...#. #...# #...#
        ..#.. ..#.. #.#.# ..#.. ...#. .###. #..#. ....# ####. ..#.. .###. .####
        ..#.. .#... ##..# ..#.. ..#.. ....# ##### ....# #...# ..#.. #...# ....#
        ..#.. #.... #...# ..#.. .#... ....# ...#. #...# #...# ..#.. #...# ....#
        ..#.. ##### .###. .###. ##### ####. ...#. .###. .###. ..#.. .###. .###.
    """,
}


def _glyphs() -> dict[str, npt.NDArray[np.bool_]]:
    glyphs = {}
    for letters, picture in _PICTURES.items():
        rows = [line.split() for line in picture.split("\n") if line.strip()]  # 7 rows of 12 pieces
        for column, letter in enumerate(letters):
            glyphs[letter] = np.array([[dot == "#" for dot in row[column]] for row in rows])
    return glyphs


GLYPHS = _glyphs()

# Streets that a map-maker might invent. Four letters each, so that one fits across a 28-pixel
# digit.
STREETS = """
    ALMA BANK BELL BIRD BOND CAVE CITY COVE DALE DEAN DOCK DOVE EAST ELMS FERN FORD GATE GLEN HALL HILL HOLT IRIS JADE
    KENT KING KNOT LAKE LANE LARK LIME LOFT MALL MARE MEAD MILL MINT MOAT MOOR NEST NOOK NORD OAKS OPAL PARK PEAR PIER
    POND PORT QUAY REED RISE ROAD ROSE ROWE RUSH SAGE SAND SILK STAR TARN TOWN VALE VINE WELL WEST WOLD WOOD YARD YEWS
""".split()  # noqa: SIM905 (seventy words read better than seventy quoted words)


def word_mask(word: str) -> npt.NDArray[np.bool_]:
    """Return the dots of a word, shape (7, 6 * len(word) - 1): True where there is ink.

    Examples
    --------
    >>> for row in word_mask("TE"):
    ...     print("".join("#" if dot else "." for dot in row))
    #####.#####
    ..#...#....
    ..#...#....
    ..#...####.
    ..#...#....
    ..#...#....
    ..#...#####
    """
    gap = np.zeros((HEIGHT, GAP), bool)
    pieces = [piece for letter in word for piece in (GLYPHS[letter], gap)]
    return np.hstack(pieces[:-1])


def in_order(words: Any) -> tuple[str, ...]:
    """Return words as a tuple: a set has no order to seal, and a list could still be changed
    afterwards.
    """
    ordered = isinstance(words, Sequence)
    if not ordered or not words:
        raise TypeError(
            "words must be a number, a word or a list of words; got "
            f"{'none' if ordered else shown(words)}. "
            "Take words=30, or a list such as ['ALMA', 'BANK']."
        )
    return tuple(words)


def check_word(word: Any) -> str:
    """Return a word in capitals, or say that it cannot be written."""
    # Not all that becomes A-Z in capitals is one letter: the German sharp s turns into two.
    if (
        not isinstance(word, str)
        or not word.isascii()
        or not word
        or any(x not in GLYPHS for x in word.upper())
    ):
        raise ValueError(
            f"a word must be made of the letters A-Z and digits 0-9; got {shown(word)}. Spell it "
            "so."
        )
    return word.upper()
