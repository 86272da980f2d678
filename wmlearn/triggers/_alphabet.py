"""A bitmap alphabet of five by seven dots, so a word has the same pixels everywhere and forever.

The default font of a library changes between versions, and every sealed image would change with it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wmlearn._checks import shown

Dots = npt.NDArray[np.bool_]  # True where there is ink

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


def _glyphs() -> dict[str, Dots]:
    glyphs = {}
    for letters, picture in _PICTURES.items():
        pieces = picture.split()  # 7 rows of 12
        for column, letter in enumerate(letters):
            rows = [list(piece) for piece in pieces[column :: len(letters)]]
            glyphs[letter] = np.array(rows) == "#"
    return glyphs


GLYPHS = _glyphs()

# Streets that a map-maker might invent, with four letters each to fit on a 28-pixel digit.
STREETS = """
    ALMA BANK BELL BIRD BOND CAVE CITY COVE DALE DEAN DOCK DOVE EAST ELMS FERN FORD GATE GLEN
    HALL HILL HOLT IRIS JADE KENT KING KNOT LAKE LANE LARK LIME LOFT MALL MARE MEAD MILL MINT
    MOAT MOOR NEST NOOK NORD OAKS OPAL PARK PEAR PIER POND PORT QUAY REED RISE ROAD ROSE ROWE
    RUSH SAGE SAND SILK STAR TARN TOWN VALE VINE WELL WEST WOLD WOOD YARD YEWS
""".split()  # noqa: SIM905 (seventy words read better than seventy quoted words)


def word_mask(word: str) -> Dots:
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
    mask = np.zeros((7, 6 * len(word)), bool)
    for place, letter in enumerate(word):
        start = 6 * place
        mask[:, start : start + 5] = GLYPHS[letter]
    return mask[:, :-1]


def in_order(words: Any) -> tuple[str, ...]:
    """Return words as a tuple: a set has no order, and a list could change after the sealing."""
    ordered = isinstance(words, Sequence)
    if not ordered or not words:
        raise TypeError(
            "words must be a number, a word or a list of words; got "
            f"{'none' if ordered else shown(words)}. Take words=30, or a list such as "
            "['ALMA', 'BANK']."
        )
    return tuple(words)


def check_word(word: Any) -> str:
    """Return a word in capitals, or raise an error if the alphabet cannot write it."""
    # ASCII only: in capitals, the German sharp s would become two letters.
    if isinstance(word, str) and word.isascii() and word:
        capitals = word.upper()
        if GLYPHS.keys() >= set(capitals):
            return capitals
    raise ValueError(
        f"a word must consist of letters A-Z and digits 0-9; got {shown(word)}. Choose another."
    )
