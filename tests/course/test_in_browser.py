"""Lessons where a browser is the kernel: no torch, no threads, no scrypt, answers for models."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from _nbval import Outcome, run_strict, with_solutions
from _tool import ROOT, course, lite
from nbformat.v4 import new_code_cell

COURSE = course.read_course(ROOT)
LESSONS = {lesson.id: lesson for lesson in COURSE.lessons}
WHOLE = ("07", "08", "A1")


def read(lesson: str) -> nbformat.NotebookNode:
    """Return a lesson as it is committed."""
    return nbformat.read(COURSE.path(LESSONS[lesson]), as_version=4)


def run_as_in_browser(nb: nbformat.NotebookNode, folder: Path) -> Outcome:
    """Run a notebook in a kernel that lacks what a browser lacks, and compare every output."""
    cells = [new_code_cell(lite.BLOCK), *nb.cells]
    return run_strict(nbformat.from_dict({**nb, "cells": cells}), folder)


@pytest.mark.parametrize("lesson", WHOLE)
def test_a_lesson_gives_its_outputs_again_in_a_browser(lesson, tmp_path, measured):
    """Its folded solutions, too."""
    outcome = run_as_in_browser(with_solutions(read(lesson)), tmp_path)
    measured(f"lesson {lesson} as in a browser", f"{outcome.seconds:.1f} s")
    assert (outcome.failed, outcome.skipped) == ({}, 0), outcome.output[-5000:]


MISSES = {
    "torch": "import torch",
    "thread": "import threading\nthreading.Thread(target=print).start()",
    "timer": "import threading\nthreading.Timer(9, print).start()",
    "scrypt": "import hashlib\nhashlib.scrypt",
    "resvg": "import resvg_py",
    "processes": "import multiprocessing\nmultiprocessing.Lock()",
    "socket": "import socket\nsocket.create_server(('127.0.0.1', 0))",
    "scrypt of a seal": "from wmlearn.evidence.commitment import label_seed\nlabel_seed('00')",
}


def test_what_a_browser_lacks_is_gone():
    """The last one needs `cryptography`, which Pyodide has."""
    cells = [new_code_cell(code, id=f"c{i}") for i, code in enumerate(MISSES.values())]
    failed = lite.lacking(nbformat.v4.new_notebook(cells=cells))
    assert list(failed) == [f"c{i}" for i in range(len(MISSES) - 1)]


def test_a_lesson_fails_where_the_table_says():
    """All of them: `tests/extra/in_browser.py`."""
    assert lite.lacking(read("13")) == lite.read_cells()["13"]["lacking"] != {}


def test_the_table_knows_each_lesson_and_three_are_whole():
    table = lite.read_cells()
    assert table.keys() == LESSONS.keys()
    assert [lesson for lesson in table if not table[lesson]["lacking"]] == list(WHOLE)


def test_a_lesson_that_has_changed_is_run(monkeypatch, capsys):
    """A cell is known by its place: the table would mark another one."""
    nb = nbformat.v4.new_notebook(cells=[new_code_cell("import torch", id="cell-01")])
    assert lite.needs(nb, LESSONS["13"]) == {"cell-01": "torch"}
    assert "--cells" in capsys.readouterr().out
    monkeypatch.setattr(lite, "lacking", lambda nb: pytest.fail("it was run"))
    noted = {"13": {"code": lite.digest(nb), "lacking": {"cell-01": "noted"}}}
    monkeypatch.setattr(lite, "read_cells", lambda: noted)
    assert lite.needs(nb, LESSONS["13"]) == {"cell-01": "noted"}


def without_buttons(text: str) -> str:
    """Return a text without the line of buttons that lead elsewhere, and load pictures there."""
    return "\n".join(line for line in text.split("\n") if not line.startswith("[!["))


@pytest.mark.parametrize("lesson", ["07", "06", "start"])
def test_the_edition_for_a_browser_says_what_needs_an_installed_course(lesson):
    chosen = LESSONS.get(lesson, course.START)
    nb = nbformat.read(COURSE.path(chosen), as_version=4)
    before = [without_buttons(cell.source) for cell in nb.cells]
    lacking = lite.needs(nb, chosen)
    lite.for_browsers(nb, chosen, COURSE)
    nbformat.validate(nb)
    marked = [after.id for mark, after in zip(nb.cells, nb.cells[1:]) if "needs-" in mark.id]
    assert marked == list(lacking)
    installs = [cell for cell in nb.cells if "%pip install" in cell.source]
    assert [cell.metadata.tags for cell in installs] == [[course.SETUP]]
    ours = [cell for cell in nb.cells if "needs-" not in cell.id and cell.id != "in-the-browser"]
    assert [cell.source for cell in ours if cell not in installs] == before[:1] + before[2:]


def test_a_wheel_for_a_browser_has_no_models_and_a_list_that_fits(tmp_path):
    wheel = tmp_path / "wmlearn-1-py3-none-any.whl"
    files = {
        "wmlearn/a.py": "1",
        "wmlearn/_models/mnist/clean.safetensors": "2",
        "wmlearn/_models/mnist/answers.json": "{}",
        "wmlearn/_notebooks/start.ipynb": "3",
    }
    record = "".join(f"{name},sha256=x,1\n" for name in files)
    record += "wmlearn-1.dist-info/RECORD,,\n"
    with lite.zipfile.ZipFile(wheel, "w") as written:
        for name, text in {**files, "wmlearn-1.dist-info/RECORD": record}.items():
            written.writestr(name, text)
    lite.lighten(wheel)
    with lite.zipfile.ZipFile(wheel) as light:
        kept = light.namelist()
        listed = light.read("wmlearn-1.dist-info/RECORD").decode().splitlines()
    assert kept == [
        "wmlearn/a.py",
        "wmlearn/_models/mnist/answers.json",
        "wmlearn-1.dist-info/RECORD",
    ]
    assert [line.partition(",")[0] for line in listed] == kept


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SystemExit):
        lite.build(COURSE, tmp_path, "")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_pure_needs_are_all_that_is_not_compiled():
    needs = {each.partition("==")[0] for each in lite.pure_needs(["wmlearn", "ipywidgets"])}
    assert {"lazy-loader", "platformdirs", "tqdm", "ipywidgets", "seaborn", "httpx"} <= needs
    assert not needs & {"wmlearn", "numpy", "scipy", "pandas", "matplotlib", "pillow", "ipython"}
