"""The learner's journal: what was solved and guessed is kept in their folder, and which lesson is
next follows from it; where notebooks are tested, nothing is kept.
"""

import json
import os
import re
import subprocess
import sys

import pytest
from test_exercises import RIGHT

import wmlearn as wm
from wmlearn.course._lessons import read_exercises, read_lessons, read_predictions
from wmlearn.course.journal import GUESSES, SOLVED

BUILT = {each.id for each in read_exercises().values() if "built" in each.right[0]}
TYPED = {exercise: right for exercise, right in RIGHT.items() if exercise not in BUILT}
LESSONS = list(read_lessons().values())
CORE = [lesson for lesson in LESSONS if lesson.core]
ANOTHER_KERNEL = """
import os, sys
for name in [name for name in os.environ if name.startswith("PYTEST_")]:
    del os.environ[name]
import wmlearn as wm
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def learner(folder, monkeypatch):
    """Work in an empty folder as a learner does, in a kernel that no test has started."""
    for module in ("checks", "journal"):
        monkeypatch.setattr(f"wmlearn.course.{module}.compared", lambda: False)
    return folder


def solve(*lessons) -> None:
    for lesson in lessons:
        for exercise in lesson.exercises:
            assert wm.check(exercise.id, RIGHT[exercise.id]).right


def counts(lesson: str) -> tuple[int, int]:
    """Return how many exercises of a lesson are solved, and how many guesses made."""
    table = wm.course.progress().to_frame()
    return table.at[lesson, "solved"], table.at[lesson, "guessed"]


def test_only_a_right_answer_is_remembered(learner):
    for answer in (None, 7, "three"):
        wm.check("00.1", answer)
    wm.check("00.9", 3)
    assert not SOLVED.path.exists()
    wm.check("00.1", 3)
    wm.check("00.1", 7)  # solved is solved
    wm.check("01.4", "fingerprint")
    assert json.loads(SOLVED.path.read_text("utf-8")) == {"00.1": True, "01.4": True}
    assert [counts(lesson) for lesson in ("00", "01", "02")] == [(1, 0), (1, 0), (0, 0)]


def test_a_guess_counts_once_it_is_locked_in(learner):
    asked = wm.Predict("00.a")
    asked.choice.value = 0
    assert counts("00") == (0, 0)
    asked.button.click()
    assert counts("00") == (0, 1)
    wm.Predict("Mine?", ["yes", "no"]).button.click()
    GUESSES.keep("01.a", "no option of it")
    GUESSES.keep("01.b", ["a list"])
    assert counts("01") == (0, 0)


def test_the_next_lesson_follows_the_core_path_then_the_side_doors(learner):
    for lesson in CORE:
        assert wm.course.progress().next == lesson
        solve(lesson)
    doors = [lesson for lesson in LESSONS if not lesson.core]
    assert wm.course.progress().next == doors[0]
    solve(*doors)
    assert wm.course.progress().next is None


def test_the_next_lesson_is_the_first_with_an_open_exercise(learner):
    solve(CORE[0], CORE[2])
    wm.check(CORE[1].exercises[0].id, RIGHT[CORE[1].exercises[0].id])
    assert wm.course.progress().next == CORE[1]


def test_it_is_told_in_a_line_and_shown_as_a_table_of_links(says, learner):
    solve(CORE[0])
    done = wm.course.progress()
    assert repr(done).startswith(f"Next: {CORE[1].name}. {len(CORE[0].exercises)} of ")
    shown = done._repr_html_()
    links = re.findall(r"<a href='([^']*)'>", shown)
    assert links == [CORE[1].file, *(lesson.file for lesson in LESSONS)]
    rows = re.findall(r"<tr>(.*)</tr>", shown)[1:]
    assert [lesson.id for row, lesson in zip(rows, LESSONS) if "✔ done" in row] == ["00"]
    assert [lesson.id for row, lesson in zip(rows, LESSONS) if "→ next" in row] == ["01"]
    assert ["side door" in row for row in rows] == [not lesson.core for lesson in LESSONS]
    solve(*LESSONS)
    shown = wm.course.progress()._repr_html_()
    assert shown.count("✔ done") == len(LESSONS)
    assert "→" not in shown


def test_the_table_has_a_row_per_lesson(learner):
    table = wm.course.progress().to_frame()
    assert list(table.index) == [lesson.id for lesson in LESSONS]
    assert list(table["core"]) == [lesson.core for lesson in LESSONS]
    assert table["exercises"].sum() == len(RIGHT)
    assert table["predictions"].sum() == len(read_predictions())
    table["solved"] = 1
    assert counts("00") == (0, 0)  # the table is a copy


def test_another_kernel_knows_it(learner, run_python):
    solve(CORE[0])
    code = f"{ANOTHER_KERNEL}print(wm.course.progress().next.id)"
    assert run_python(code, learner) == CORE[1].id


def test_two_kernels_that_solve_at_once_lose_nothing(learner):
    code = f"{ANOTHER_KERNEL}for each in sys.argv[1:]: wm.check(*each.split('='))"
    answers = [f"{exercise}={answer}" for exercise, answer in TYPED.items()]
    halves = [answers[::2], answers[1::2]]
    kernels = [subprocess.Popen([sys.executable, "-c", code, *names]) for names in halves]
    assert [kernel.wait(timeout=120) for kernel in kernels] == [0, 0]
    assert json.loads(SOLVED.path.read_text("utf-8")) == dict.fromkeys(TYPED, True)


def test_folders_are_kept_apart(learner, monkeypatch):
    wm.check("00.1", 3)
    (learner / "another").mkdir()
    monkeypatch.chdir(learner / "another")
    assert counts("00") == (0, 0)


DAMAGE = {"empty": b"", "cut off": b'{"00.1": tr', "a list": b"[]", "no text": b"\xff"}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_said_in_a_sentence_and_stops_nothing(says, learner, kind):
    damaged = DAMAGE[kind]
    SOLVED.path.write_bytes(damaged)
    wm.check("00.2", 15)
    feedback = wm.check("00.1", 3)
    assert feedback.right
    says(feedback.message)
    assert SOLVED.path.read_bytes() == damaged  # it is the learner's to delete
    done = wm.course.progress()
    says(done.problem)
    assert "should hold" in done._repr_html_()
    assert counts("00") == (2, 0)  # this kernel still knows
    SOLVED.path.unlink()
    wm.check("00.3", 4)
    assert len(json.loads(SOLVED.path.read_text("utf-8"))) == 3
    assert wm.course.progress().problem == ""


def test_odd_values_and_unknown_names_are_not_counted(learner):
    odd = {"00.1": 1, "00.2": "true", "00.3": [True], "99.1": True, "01.1": True}
    SOLVED.path.write_text(json.dumps(odd), "utf-8")
    assert [counts(lesson) for lesson in ("00", "01")] == [(0, 0), (1, 0)]
    assert wm.course.progress().to_frame()["solved"].sum() == 1


def test_a_folder_that_takes_no_file_is_said_in_a_sentence(says, learner, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(SOLVED.path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        feedback = wm.check("00.1", 3)
    assert feedback.right
    says(feedback.message)
    assert not SOLVED.path.exists()
    assert counts("00") == (1, 0)


@pytest.mark.skipif(os.name != "posix", reason="Windows deletes no folder that is in use")
def test_a_check_in_a_folder_that_is_gone_raises_nothing(learner):
    (learner / "gone").mkdir()
    os.chdir(learner / "gone")
    (learner / "gone").rmdir()
    assert wm.check("00.1", 3).right


def test_where_notebooks_are_tested_nothing_is_kept_and_nothing_known(folder):
    wm.check("00.1", 3)
    assert not list(folder.iterdir())
    SOLVED.path.write_text(json.dumps(dict.fromkeys(RIGHT, True)), "utf-8")
    GUESSES.path.write_text("{", "utf-8")
    assert wm.course.progress().to_frame()[["solved", "guessed"]].sum().sum() == 0
    assert wm.course.progress().problem == ""
