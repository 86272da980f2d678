"""The how-to for authors of tutorials, followed word by word: its notebook, its two lines, in a
folder of its own.
"""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import nbformat
import pytest
from _nbval import DIFFER, reason, with_a_changed_number
from _tool import ROOT

PAGE = (ROOT / "docs" / "howto" / "tested_notebook.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """Return the blocks of a language on the page, in order."""
    return re.findall(rf"^```{language}\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)


def environment(threads: int) -> dict[str, str]:
    """Return an author's: nothing of this run of pytest, and bars as they are."""
    loud = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    loud.pop("TQDM_DISABLE", None)
    return loud | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the author's folder, with the notebook of the page, run with one thread and saved."""
    folder = tmp_path_factory.mktemp("tutorial")
    cells = list(map(nbformat.v4.new_code_cell, blocks("python")))
    path = folder / "tutorial.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    command = "-m nbconvert --to notebook --execute --inplace --log-level=ERROR tutorial.ipynb"
    subprocess.run([sys.executable, *command.split()], cwd=folder, env=environment(1), check=True)
    return folder


@pytest.fixture(scope="module")
def saved(folder):
    return nbformat.read(folder / "tutorial.ipynb", as_version=4)


def test_what_is_saved_shows_the_result_and_no_bar(saved):
    texts = [
        output.get("text") or output.data.get("text/plain", "")
        for cell in saved.cells
        for output in cell.outputs
    ]
    shown = [text for text in texts if text]
    assert len(shown) == len(saved.cells) == 2
    assert shown[0].startswith("Marked(30 of 30 questions")
    assert shown[1].startswith("found")


def test_the_plain_command_passes_with_two_threads_and_notices_a_changed_number(folder, saved):
    (folder / "nbval.cfg").write_text("\n".join(blocks("ini")))
    (folder / "pyproject.toml").write_text("\n".join(blocks("toml")))
    (wrong,) = with_a_changed_number(saved).cells
    again = nbformat.v4.new_code_cell("owner", outputs=wrong.outputs, execution_count=3)
    longer = nbformat.from_dict({**saved, "cells": [*saved.cells, again]})
    nbformat.write(longer, folder / "tutorial.ipynb")
    (command,) = re.findall(r"^pytest (--nbval .*)$", PAGE, re.MULTILINE)
    options = [*command.split(), "--color=no", "--junitxml=result.xml"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder,
        env=environment(2),
        capture_output=True,
        text=True,
    )
    cells = list(ET.parse(folder / "result.xml").iter("testcase"))
    assert list(map(reason, cells)) == ["", "", DIFFER], done.stdout
