"""The page for authors of tutorials, by the other tools that it names: nbmake, papermill and
nbconvert run its notebook, and no raw text of a bar is left in what they save.

Not collected by default: the tools have an environment of their own, a leg of `make test-all`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "howto" / "tested_notebook.md").read_text("utf-8")
COMMANDS = re.findall(r"^(?:pytest --nbmake|papermill|jupyter nbconvert .*done) ?.*$", PAGE, re.M)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the notebook of the page, never run, and one that fails."""
    folder = tmp_path_factory.mktemp("tutorial")
    sources = re.findall(r"^```python\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
    for name, cells in (("tutorial", sources), ("wrong", ["1 / 0"])):
        nb = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
        nb.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(nb, folder / f"{name}.ipynb")
    return folder


def run(command: str, folder: Path) -> int:
    """Run a command of the page as an author does, and return its exit code."""
    tool, _, options = command.partition(" ")
    loud = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    loud.pop("TQDM_DISABLE", None)
    return subprocess.run(
        [sys.executable, "-m", tool, *options.split()],
        cwd=folder,
        env=loud | {"PYTHONPATH": str(ROOT)},
    ).returncode


def test_the_page_names_three():
    assert [command.split()[0] for command in COMMANDS] == ["pytest", "papermill", "jupyter"]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_runs_the_notebook_and_leaves_no_bar(command: str, folder: Path):
    done = folder / "done.ipynb"
    done.unlink(missing_ok=True)
    assert run(command, folder) == 0
    if "done.ipynb" in command:
        outputs = nbformat.read(done, as_version=4).cells[0].outputs
        assert [output.get("data", {}).get("text/plain", "")[:6] for output in outputs] == [
            "",
            "Marked",
        ]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_fails_where_a_cell_fails(command: str, folder: Path):
    assert run(command.replace("tutorial", "wrong"), folder) != 0
