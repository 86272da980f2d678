"""What lessons say, for the tests that compare their figures with what was measured."""

import json

from _tool import ROOT


def cells_of(lesson: str) -> list[tuple[str, str]]:
    """Return the kind and the text of each cell of a lesson, by its id."""
    (path,) = ROOT.glob(f"notebooks/{lesson}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]


def words_of(lesson: str) -> str:
    """Return the words of a lesson, each run of white space as one space."""
    prose = [text for kind, text in cells_of(lesson) if kind == "markdown"]
    return " ".join(" ".join(prose).split())


def span(values, digits=0) -> str:
    """Return the least and the greatest of some figures, as one where they agree."""
    low, high = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
