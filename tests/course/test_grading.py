"""What was built in a notebook is tried in a process of its own: nothing that is written in the
notebook, but what it builds, changes what comes out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# What 00.4 may be answered with by those who would rather change the check.
CHEATS = {
    "check": """
wm.check = wm.course.check = lambda *_: 'Right'
matched = lambda *given: [True]
""",
    "package": """
from wmlearn.course import _built, checks
checks.watch = lambda *_: ("matched", "")
_built.matched = lambda rng: iter([])
matched = lambda *given: [True]
""",
    "numpy": """
np.allclose = np.array_equal = lambda *_, **__: True
matched = lambda replies, secrets: [False] * len(secrets)
""",
    "alike": """
class Right(np.ndarray):
    __array_function__ = __array_ufunc__ = lambda *_, **__: True
matched = lambda replies, secrets: np.zeros(len(secrets)).view(Right)
""",
    "replay": """
from wmlearn.course import _built
known = {str(given): right for _, given, right in _built.matched(np.random.default_rng(2018))}
matched = lambda *given: known.get(str(given), [True])
""",
    "printed": "matched = lambda *given: [True, False]",
    "leaves": "import os, sys\nmatched = lambda *given: 'ipykernel' in sys.modules or os._exit(0)",
    "says": "def matched(*given):\n    print('Right')\n    raise SystemExit(0)",
    "later": "import atexit\natexit.register(print, 'Right')\nmatched = lambda *given: 0",
}
RIGHT = "matched = lambda replies, secrets: (replies == secrets[:, None]).mean(axis=1) > 0.5"
HINTED = {
    "matched = lambda *given: ...": "Not written yet",
    "matched = lambda *given: 1 / 0": "Not yet: it stops with ZeroDivisionError",
    "1 / 0": "Not answered yet",
    RIGHT.replace("> 0.5", ">= 0.5"): "Not yet: given",
}


def graded(folder: Path, code: str, *, exercise: str = "00.4", seed: int = 5) -> str:
    """Return what the grader's process says to a notebook with this cell: `yes` if all is right."""
    cells = [
        {"cell_type": "code", "metadata": {}, "source": "import numpy as np\nimport wmlearn as wm"},
        {"cell_type": "markdown", "metadata": {}, "source": "Build it!"},
        {"cell_type": "code", "metadata": {}, "source": code.splitlines(keepends=True)},
        {"cell_type": "code", "metadata": {"nbgrader": {"grade": True}}, "source": "1 / 0"},
        {"cell_type": "code", "metadata": {}, "source": "matched = None"},
    ]
    (folder / "00.ipynb").write_text(json.dumps({"cells": cells}))
    command = [sys.executable, "-m", "wmlearn.course.grading", str(folder / "00.ipynb")]
    command += [exercise, "matched", str(seed)]
    (folder / "empty").mkdir()
    told = subprocess.run(
        command, input="yes", cwd=folder / "empty", capture_output=True, text=True, timeout=120
    ).stdout
    return told.rpartition("\n")[2]


@pytest.mark.parametrize(
    "code", [RIGHT, f"%time\nimport sys; print('!', file=sys.stderr)\n{RIGHT}\n1 / 0"]
)
def test_what_works_is_right_whatever_stands_beside_it(tmp_path, code):
    assert graded(tmp_path, code) == "yes"


@pytest.mark.parametrize("code", HINTED)
def test_what_does_not_work_is_told_why(tmp_path, code):
    assert graded(tmp_path, code).startswith(HINTED[code])


@pytest.mark.parametrize("cheat", CHEATS)
def test_nobody_gets_past_the_check_by_changing_it(tmp_path, cheat):
    assert "yes" not in graded(tmp_path, CHEATS[cheat])


def test_what_is_known_by_heart_works_on_the_cases_of_the_lesson_alone(tmp_path):
    assert graded(tmp_path, CHEATS["replay"], seed=2018) == "yes"
