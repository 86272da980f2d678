"""Every exercise to be built, graded by nbgrader as the teacher's guide says: what works gets all
points, whatever else is handed in gets none.

Not collected by default: nbgrader has an environment of its own, a leg of `make test-all`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

COURSE = Path(__file__).resolve().parents[1] / "course"
sys.path.append(str(COURSE))
from _tool import ROOT, editions  # noqa: E402
from test_built import WRONG  # noqa: E402
from test_grading import CHEATS  # noqa: E402

from wmlearn.course._lessons import read_lessons  # noqa: E402

LESSONS = list(read_lessons().values())
GUIDE = (ROOT / "docs" / "teaching.md").read_text("utf-8")
COMMANDS = re.findall(r"^(?:make editions ARGS=.*|nbgrader .*)$", GUIDE, re.MULTILINE)
CONSTANT = "{name} = lambda *given: 0"
FROM_TESTS = f"import sys\nsys.path.append({str(COURSE)!r})\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the course, as the guide makes it."""
    folder = tmp_path_factory.mktemp("nbgrader") / "course"
    arguments = re.findall(r'ARGS="(.*)"', COMMANDS[0])[0].split()
    arguments[arguments.index("--nbgrader") + 1] = str(folder)
    subprocess.run([sys.executable, "tools/editions.py", *arguments], cwd=ROOT, check=True)
    return folder


def nbgrader(folder: Path, command: str, *options: str, check: bool = True) -> str:
    """Run a command of the guide and return what it said; `00` in it stands for a lesson."""
    loud = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", *command.split(), *options],
        cwd=folder,
        env=loud | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def answers(lesson: str, name: str, exercise: str, solution: str) -> dict[str, tuple[str, bool]]:
    """Return what learners hand in, by their names, and whether it is right."""
    chosen = f"{FROM_TESTS}from {{}}\n{name} = {{}}"
    right = chosen.format("_builders import RIGHT", f"RIGHT[{exercise!r}]")
    handed_in = {
        "untouched": ("", False),
        "solution": (solution, True),
        "another": (right, True),
        "constant": (CONSTANT.format(name=name), False),
        "crashes": (f"def {name}(*given):\n    return 1 / 0", False),
    }
    for number in range(len(WRONG[exercise])):
        wrong = chosen.format("test_built import WRONG", f"WRONG[{exercise!r}][{number}][1]")
        handed_in[f"wrong-{number}"] = (wrong, False)
    if lesson == "00":
        needed = "import numpy as np\n"
        handed_in |= {name: (needed + code, False) for name, code in CHEATS.items()}
        loud = f"%time\nimport sys; print('!', file=sys.stderr)\n{right}\n1 / 0"
        handed_in |= {
            "loud": (loud, True),
            "nothing": ("1 / 0", False),
            "broken": ("def (:", False),
        }
    return handed_in


def hand_in(folder: Path, lesson: str, learner: str, code: str) -> Path:
    """Put a learner's notebook, with these lines in the cell to be filled, where nbgrader looks."""
    nb = nbformat.read(folder / "release" / lesson / f"{lesson}.ipynb", as_version=4)
    (cell,) = [cell for cell in nb.cells if cell.metadata.nbgrader.solution]
    assert editions.LEFT_OUT in cell.source
    cell.source = code or cell.source
    place = folder / "submitted" / learner / lesson / f"{lesson}.ipynb"
    place.parent.mkdir(parents=True)
    nbformat.write(nb, place)
    return place


def scores(folder: Path) -> pd.DataFrame:
    """Return the exported grades."""
    nbgrader(folder, "nbgrader export")
    grades = pd.read_csv(folder / "grades.csv", dtype={"assignment": str})
    return grades.set_index(["assignment", "student_id"])


def test_the_guide_says_how():
    verbs = [command.split()[:2] for command in COMMANDS]
    assert verbs == [
        ["make", "editions"],
        ["nbgrader", "generate_assignment"],
        ["nbgrader", "autograde"],
        ["nbgrader", "export"],
    ]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_what_works_gets_all_points_and_nothing_else_any(folder: Path, lesson):
    _, release, grade, _ = (command.replace("00", lesson.id) for command in COMMANDS)
    nbgrader(folder, release)
    (exercise,) = filter(editions.is_built, lesson.exercises)
    nb = nbformat.read(ROOT / "notebooks" / lesson.file, as_version=4)
    name, _, solution = editions.built(nb, exercise)
    given = answers(lesson.id, name, exercise.id, solution.rpartition("wm.check")[0])
    for learner, (code, _) in given.items():
        hand_in(folder, lesson.id, learner, code)
    if lesson.id == "00":
        own = folder / "submitted" / "constant" / "00" / "wmlearn.py"
        own.write_text("check = lambda *_: 'Right'")
    nbgrader(folder, grade)
    got = scores(folder).loc[lesson.id].loc[list(given)]  # others have handed in other lessons
    assert (got.max_score == editions.POINTS).all()
    expected = {learner: editions.POINTS * right for learner, (_, right) in given.items()}
    assert got.score.to_dict() == expected


@pytest.mark.timeout(600)
def test_what_never_ends_is_stopped_and_a_dead_kernel_stops_no_other(folder: Path):
    _, release, grade, _ = COMMANDS
    shutil.rmtree(folder / "submitted", ignore_errors=True)
    nbgrader(folder, release, "--force")
    endless = "import time\ndef matched(*given):\n    while True:\n        time.sleep(1)"
    hand_in(folder, "00", "a-endless", endless)
    hand_in(folder, "00", "b-dead", "import os\nos._exit(0)")
    hand_in(folder, "00", "c-right", f"{FROM_TESTS}from _builders import matched")
    said = nbgrader(folder, grade, "--Execute.timeout=20", check=False)
    assert "b-dead" in said
    got = scores(folder).loc["00"].score
    assert (got["a-endless"], got["c-right"]) == (0, editions.POINTS)
    assert got.get("b-dead", 0) == 0
