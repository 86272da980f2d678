"""Run one notebook under strict nbval, offline, and measure it: the one run that each lesson gets
in `make test`.
"""

from __future__ import annotations

import ast
import copy
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from wmlearn.course._lessons import Threshold

SANITISERS = Path(__file__).parent / "nbval.cfg"
DIFFER, RAISED = "Cell outputs differ", "Cell execution caused an exception"  # nbval's reasons


@dataclass(frozen=True)
class Outcome:
    """What nbval said, in cells; what the run took; and everything that was printed."""

    cells: int
    failed: dict[int, str]  # nbval's reason, by the place among the cells of code
    skipped: int
    seconds: float
    megabytes: float | None  # of the kernel's own at the end; None where the system does not say
    output: str

    @property
    def passed(self) -> int:
        return self.cells - len(self.failed) - self.skipped


def run_strict(nb: NotebookNode, folder: Path) -> Outcome:
    """Run a notebook in an empty folder, as a learner's copy would be, and compare every output."""
    nbformat.write(measured(nb), folder / "lesson.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env"]
    command += ["--nbval-cell-timeout=120", f"--nbval-sanitize-with={SANITISERS}"]
    command += ["-p", "no:cacheprovider", "--color=no", f"--rootdir={folder}", "-c", os.devnull]
    command += ["--junitxml=result.xml", "lesson.ipynb"]
    start = time.perf_counter()
    with (folder / "output.txt").open("w") as output:
        subprocess.run(command, cwd=folder, env=offline(folder), stdout=output, stderr=output)
    seconds = time.perf_counter() - start
    cells = list(ET.parse(folder / "result.xml").iter("testcase"))
    skipped = sum(cell.find("skipped") is not None for cell in cells)
    return Outcome(
        len(cells) - len(measured(nb).cells) + len(nb.cells),
        {place: why for place, cell in enumerate(cells) if (why := reason(cell))},
        skipped,
        seconds,
        read_megabytes(folder),
        (folder / "output.txt").read_text("utf-8", errors="replace"),
    )


def reason(cell: ET.Element) -> str:
    """Return the sentence by which nbval says why this one cell failed; empty if it did not.

    It stands in the second line of the cell's own report: what the cell printed, and the lines of a
    traceback, which may hold any word, come after it.
    """
    for report in (cell.find("failure"), cell.find("error")):
        if report is not None:
            _, heading, *_ = [*report.get("message", "").splitlines(), "", ""]
            return heading.partition(": ")[2] or "unknown"
    return ""


MEASURE = """
import ctypes, gc
gc.collect()
if hasattr(ctypes.CDLL(None), "malloc_trim"):
    ctypes.CDLL(None).malloc_trim(0)
with open("/proc/self/status") as _status:
    _private = next(line for line in _status if line.startswith("RssAnon"))
with open("megabytes.txt", "w") as _file:
    _file.write(str(int(_private.split()[1]) / 1000))
"""


def measured(nb: NotebookNode) -> NotebookNode:
    """Return a copy of a notebook that ends by writing down the kernel's private memory, where the
    system tells it.

    Pages of libraries on disk are left out: the CUDA build of torch maps 300 MB of them that no
    lesson touches. What is free, but kept by the allocator for later, is given back first: how much
    that is varies from run to run.
    """
    if not Path("/proc/self/status").exists():
        return nb
    return nbformat.from_dict({**nb, "cells": [*nb.cells, new_code_cell(MEASURE)]})


def read_megabytes(folder: Path) -> float | None:
    """Return what `measured` wrote down; None if the notebook never came to its end."""
    file = folder / "megabytes.txt"
    return float(file.read_text()) if file.exists() else None


def offline(folder: Path) -> dict[str, str]:
    """Return the environment in which a kernel refuses the network and knows no start-up files.

    Nothing hides the bars: pytest marks the environment itself, as it does for the plain command.
    """
    blocker = folder / "blocker"
    blocker.mkdir()
    shutil.copy(SANITISERS.parent / "_offline.py", blocker)
    (blocker / "sitecustomize.py").write_text("import _offline\n_offline.block()\n")
    # A proxy on loopback would be a way out.
    dropped = re.compile("MPLBACKEND|TQDM_DISABLE|PYTEST_.*|.*_proxy", re.IGNORECASE)
    env = {name: value for name, value in os.environ.items() if not dropped.fullmatch(name)}
    path = os.pathsep.join(filter(None, [str(blocker), env.get("PYTHONPATH")]))
    return env | {"PYTHONPATH": path, "IPYTHONDIR": str(folder / "ipython")}


def with_solutions(nb: NotebookNode) -> NotebookNode:
    """Return a copy of a lesson that ends with its folded solutions, each of which must be judged
    right. What stands between an exercise's check and its solution runs once more after it: it
    draws what was built.

    The added cells were never run, so that nbval runs them and compares no output: their `assert`
    decides.
    """
    longer = nbformat.from_dict({**nb, "cells": list(nb.cells)})
    drawn: list[str] = []
    for cell in nb.cells:
        if cell.cell_type == "code":
            drawn = [] if "wm.check(" in cell.source else [*drawn, cell.source]
        for code in solutions(NotebookNode(cells=[cell])):
            longer.cells += map(new_code_cell, [demand_right(code), *drawn])
    return longer


def with_thresholds(nb: NotebookNode, thresholds: Sequence[Threshold]) -> NotebookNode:
    """Return a copy of a lesson in which each cell that is tagged with a threshold is followed by a
    cell that demands it.

    The added cells were never run, as in `with_solutions`.
    """
    cells = []
    for cell in nb.cells:
        tags = cell.metadata.get("tags", [])
        cells += [cell, *(new_code_cell(demand(each)) for each in thresholds if each.id in tags)]
    return nbformat.from_dict({**nb, "cells": cells})


def demand(threshold: Threshold) -> str:
    """Return code that fails unless the value lies in its range, and a worse one would not."""
    low, high = (f"float({str(end)!r})" for end in (threshold.low, threshold.high))
    return "\n".join(
        [
            f"_figure = {threshold.value}",
            f"assert {low} <= _figure <= {high}, ({threshold.id!r}, _figure)",
            f"_worse = _figure - {threshold.worse}",
            f"assert not {low} <= _worse <= {high}, ({threshold.id!r}, _figure, 'too wide')",
        ]
    )


def solutions(nb: NotebookNode) -> list[str]:
    """Return the code in each folded solution, in order; its pieces of code belong together."""
    text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    folded = re.findall(r"<details><summary>Solution(.*?)</details>", text, re.DOTALL)
    pieces = [re.findall(r"```(?:python)?\n(.*?)```", block, re.DOTALL) for block in folded]
    return ["".join(code) for code in pieces if code]


def demand_right(code: str) -> str:
    """Return code whose last line is `wm.check(...)`, made to fail unless the check says right."""
    *before, last = ast.parse(code).body
    call = ast.unparse(last)
    if not call.startswith("wm.check("):
        raise AssertionError(f"a solution must end in wm.check(...); this one ends in {call!r}")
    return "\n".join(
        [*map(ast.unparse, before), f"_feedback = {call}", "assert _feedback.right, _feedback"]
    )


def with_a_changed_number(nb: NotebookNode) -> NotebookNode:
    """Return a copy of a lesson up to its first text output with a number in it, and that number
    changed.
    """
    cells = copy.deepcopy(nb.cells)
    for place, cell in enumerate(cells):
        for output in cell.get("outputs", []):
            part = output if "text" in output else output.get("data", {})
            key = "text" if "text" in output else "text/plain"
            text = part.get(key, "")
            digit = re.search(r"\d", text)
            if digit and not text.startswith("<Figure"):
                part[key] = with_another_digit(text, digit.start())
                return nbformat.from_dict({**nb, "cells": cells[: place + 1]})
    raise AssertionError("no text output of the lesson holds a number")


def with_another_digit(text: str, place: int) -> str:
    """Return the text with the digit at a place changed."""
    return f"{text[:place]}{(int(text[place]) + 1) % 10}{text[place + 1 :]}"
