"""The labs of the lessons as pages: each lesson is run, and every lab that it shows is recorded.

Recordings are kept in a folder as long as lesson and package stay as they are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
LABS = r"(VerificationLab|TheftLab|EmbeddingLab|TriggerStudio|LotteryLab|TribunalBoard):"
# Runs before a lesson: every lab that is displayed and can be recorded is.
RECORDER = """
import re
from pathlib import Path
from wmlearn.labs._kit.lab import Lab
shown = Lab._ipython_display_
recorded = []
def display_and_record(lab):
    shown(lab)
    recorded.append(lab)
    kind = re.sub("(?<=[a-z])(?=[A-Z])", " ", type(lab).__name__).capitalize()
    page = Path({folder!r}, f"{name}-{{len(recorded)}}.html")
    try:
        lab.to_html(page, title=f"{{kind}} of lesson {name}")
    except ValueError as error:  # a case that is no practice
        print(error)
Lab._ipython_display_ = display_and_record
"""


class Labs:
    """The pages of a lesson's labs, in the order in which the lesson shows them.

    Parameters
    ----------
    lesson, folder : the notebook, and where recordings are kept
    """

    def __init__(self, lesson: Path, folder: Path) -> None:
        record(lesson, folder)
        self._start = str(folder / lesson.stem[:2])
        self._shown = 0

    def next(self, cell: nbformat.NotebookNode) -> Path | None:
        """Return the page of the lab that a cell shows, if it was recorded; None of any other cell.

        To be called for each cell, in their order.
        """
        if not shows_a_lab(cell):
            return None
        self._shown += 1
        page = Path(f"{self._start}-{self._shown}.html")
        return page if page.exists() else None


def shows_a_lab(cell: nbformat.NotebookNode) -> bool:
    """Return whether a cell has shown a lab."""
    return any(re.match(LABS, words) for words in texts(cell))


def record(lesson: Path, folder: Path) -> None:
    """Record the labs of a lesson, unless that is done."""
    stamp, name = folder / f"{lesson.stem}.stamp", lesson.stem[:2]
    wanted = fingerprint(lesson)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    nb = nbformat.read(lesson, 4)
    if not any(map(shows_a_lab, nb.cells)):
        return
    folder.mkdir(parents=True, exist_ok=True)
    first = RECORDER.format(folder=str(folder), name=name)
    nb.cells.insert(0, nbformat.v4.new_code_cell(first))
    where = {"metadata": {"path": str(lesson.parent)}}
    NotebookClient(nb, timeout=1200, resources=where, allow_errors=False).execute()
    stamp.write_text(wanted)


def fingerprint(lesson: Path) -> str:
    """Return what a recording depends on: the lesson, this file and the whole package."""
    digest = hashlib.sha256(lesson.read_bytes() + Path(__file__).read_bytes())
    for path in sorted((ROOT / "wmlearn").rglob("*")):
        if path.suffix in (".py", ".css", ".js", ".toml"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def texts(cell: nbformat.NotebookNode) -> Iterator[str]:
    """Yield the outputs of a cell, in words."""
    for output in cell.get("outputs", []):
        yield "".join(output.get("data", {}).get("text/plain", ""))
