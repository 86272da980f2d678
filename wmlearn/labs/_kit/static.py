"""The picture that stands for a lab where nothing runs: on GitHub, in print, before the first cell
is executed.
"""

import re
from pathlib import Path

from wmlearn._extras import extras
from wmlearn.labs._kit.theme import PAPER, STYLE

SCALE = 2  # pixels of the picture for each of the drawing, to be sharp on any screen


@extras()
def png(svg: str) -> bytes:
    """Return a drawing of a lab as a PNG file: the light theme on white, the same everywhere.

    The font is the one that matplotlib brings; CSS variables are filled in, for resvg knows none.
    """
    import resvg_py
    from matplotlib import get_data_path

    sheet = STYLE.removeprefix("<style>").removesuffix("</style>")
    fonts = Path(get_data_path(), "fonts", "ttf")
    return resvg_py.svg_to_bytes(
        svg_string=svg,
        style_sheet=re.sub(r"var\((--[\w-]+)[^)]*\)", _on_paper, sheet),
        font_files=[str(fonts / "DejaVuSans.ttf"), str(fonts / "DejaVuSans-Bold.ttf")],
        skip_system_fonts=True,
        background="white",
        zoom=SCALE,
    )


def _on_paper(variable: re.Match[str]) -> str:
    """Return the value of a CSS variable; where paper has none, nothing is drawn with it."""
    return PAPER.get(variable[1], "none")
