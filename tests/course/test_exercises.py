"""check() judges every answer, of whatever type, with one sentence and without an exception; and
the files of the lessons are whole.
"""

import math
import shutil
from collections import Counter

import _builders
import numpy as np
import pandas as pd
import pytest
from _tool import ROOT, course

from wmlearn.course import _lessons
from wmlearn.course._lessons import (
    RULES,
    is_number,
    read_exercises,
    read_lesson,
    read_lessons,
    read_predictions,
)
from wmlearn.course.checks import Feedback, check

RIGHT = {
    "00.1": 3,
    "00.2": 15,
    "00.3": 4,
    "01.1": 10,
    "01.2": 17,
    "01.4": "a fingerprint",
    "02.1": 25,
    "02.2": 0,
    "02.3": 100,
    "03.1": 63,
    "03.2": 148,
    "03.3": 14,
    "04.1": 20,
    "04.2": 1 / 9,
    "04.3": 6,
    "05.1": 8,
    "05.2": "Cannot tell",
    "05.3": 2,
    "06.2": 18,
    "06.3": 0.271,
    "06.4": "a",
    "07.1": 1 / 21,
    "07.2": 10,
    "08.1": 1 / 9,
    "08.2": 0.175,
    "08.4": 0.5,
    "11.1": 0.6,
    "11.2": 0.02,
    "11.4": "c",
    "12.1": 45,
    "12.2": 1,
    "12.3": 29,
    "09.1": 0.8,
    "09.2": 3,
    "09.3": 87,
    "10.2": 2,
    "10.3": "B",
    "10.4": "c",
    "13.1": 20 / 22,
    "13.2": -5,
    "13.3": 6000,
    "14.2": 6.5,
    "14.3": 0.0024,
    "14.4": 2995,
    "A1.2": 13,
    "A1.3": 18,
    "A1.4": 1200,
    "A2.1": 463,
    "A2.2": 1.17,
    "A2.3": 0.8,
    **_builders.RIGHT,
}


class Spiteful:
    """An answer that fails at whatever is done with it."""

    def _fail(self, *_):
        raise RuntimeError("spite")

    __eq__ = __float__ = __bool__ = __len__ = __str__ = __repr__ = __hash__ = _fail


ODD = [
    "three",
    [],
    [3],
    {},
    object(),
    float("nan"),
    float("inf"),
    True,
    3j,
    b"x",
    np.array([3, 3]),
    np.nan,
    pd.NA,
    pd.DataFrame({"a": [1]}),
    print,
    10**5000,
    "9" * 5000,
    Spiteful(),
]


def wealth(n: int, p0: float) -> float:
    """Return the gambler's wealth after n matches of n: the mean over stakes on every match rate
    above chance.
    """
    rates = p0 + (1 - p0) * (np.arange(200_000) + 0.5) / 200_000
    return float(np.mean((rates / p0) ** n))


def test_every_exercise_accepts_its_answer_and_praises():
    assert RIGHT.keys() == read_exercises().keys()
    for exercise, answer in RIGHT.items():
        feedback = check(exercise, answer)
        assert feedback.right is True
        assert repr(feedback).startswith("Right: ")


def test_the_answers_are_what_the_mathematics_says():
    assert check("00.1", 30 / 10).right
    assert check("00.2", 30 / 2).right
    first = next(n for n in range(1, 31) if wealth(n, 0.1) >= 1000)
    assert check("00.3", first).right
    assert round(wealth(3, 0.1)) == 278
    assert round(wealth(4, 0.1)) == 2222
    assert "277" in check("00.3", 4).message
    assert "2,222" in check("00.3", 4).message


@pytest.mark.parametrize("form", [int, float, str, np.int64, np.float32, np.array, "{:.1f}".format])
def test_a_number_is_right_in_every_spelling(form):
    whole = {exercise: answer for exercise, answer in RIGHT.items() if isinstance(answer, int)}
    assert len(whole) > 25
    for exercise, answer in whole.items():
        assert check(exercise, form(answer)).right is True, exercise


@pytest.mark.parametrize("answer", [None, ..., "", "  "])
def test_no_answer_is_no_mistake(answer):
    for exercise in RIGHT:
        feedback = check(exercise, answer)
        assert feedback.right is None
        assert repr(feedback).startswith("Not answered yet")


@pytest.mark.parametrize("answer", ODD, ids=lambda answer: type(answer).__name__)
def test_odd_answers_are_wrong_and_nothing_is_raised(answer):
    for exercise in RIGHT:
        feedback = check(exercise, answer)
        assert feedback.right is False, exercise
        assert repr(feedback).startswith("Not yet: ")


def test_the_hint_depends_on_the_answer_where_it_can():
    assert check("00.3", 3).message != check("00.3", 5).message
    assert "before" in check("00.3", 5).message
    for answer in ("four", "2.8 hours", "25 %", [4], {}):
        assert check("00.3", answer).message.startswith("Not yet: give a number, such as 2.8")


@pytest.mark.parametrize(
    ("asked", "near"),
    [("00.5", "00."), ("00.31", "00.3"), ("1.3", "01.3"), (1.3, "01.3"), ("", "0")],
)
def test_an_unknown_exercise_gets_the_nearest(asked, near):
    feedback = check(asked, 3)
    assert feedback.right is None
    assert f"Did you mean '{near}" in feedback.message


@pytest.mark.parametrize("asked", ODD, ids=lambda asked: type(asked).__name__)
def test_odd_exercise_numbers_raise_nothing(asked):
    assert check(asked, 3).message.startswith("There is no exercise")


def test_html_is_escaped_and_does_not_rely_on_colour():
    feedback = Feedback("x", False, "a < b")
    assert "a &lt; b" in feedback._repr_html_()
    signs = {
        Feedback("x", right, "same")._repr_html_().split("</span>")[0][-1]
        for right in (True, False, None)
    }
    assert len(signs) == 3


def test_numbers_keep_their_tolerance():
    assert is_number(0.509, number=0.5, within=0.01)
    assert not is_number(0.511, number=0.5, within=0.01)
    assert not is_number(3.14, number=math.pi)


# ---------------------------------------------------------------- the files


def test_every_lesson_has_a_file_with_what_is_its_own():
    """The lessons run from 00 on without a gap, and what a file holds is numbered after it."""
    lessons = read_lessons()
    assert list(course.read_course(ROOT).lessons) == list(lessons.values())
    numbers = [name for name in lessons if name.isdigit()]
    assert [*numbers, "A1", "A2"] == list(lessons)
    assert numbers == [f"{n:02}" for n in range(len(numbers))]
    assert {f"{path.stem}.toml" for path in _lessons.FOLDER.iterdir()} == {
        f"{name}.toml" for name in lessons
    }
    for lesson in lessons.values():
        assert lesson.file.startswith(f"{lesson.id}_")
        of = lesson.id
        exercises, predictions, thresholds = (
            [each.id for each in entries]
            for entries in (lesson.exercises, lesson.predictions, lesson.thresholds)
        )
        assert exercises == [f"{of}.{n}" for n, _ in enumerate(exercises, 1)]
        assert predictions == [f"{of}.{letter}" for letter, _ in zip("abcdefgh", predictions)]
        assert thresholds == [f"{of}.t{n}" for n, _ in enumerate(thresholds, 1)]
        assert exercises
        assert predictions


def test_a_prerequisite_is_an_earlier_lesson_or_words():
    earlier = []
    for lesson in read_lessons().values():
        for before in lesson.prerequisites:
            assert before in earlier or " " in before, (lesson.id, before)
        earlier.append(lesson.id)


def test_every_prediction_has_options_an_answer_and_a_reason():
    for asked in read_predictions().values():
        assert 0 <= asked.answer < len(asked.options) == len(set(asked.options)), asked.id
        assert len(asked.options) >= 2
        assert asked.question
        assert asked.why
        # shown as it is written, not as markdown
        assert "`" not in "".join([asked.question, *asked.options, asked.why]), asked.id
    questions = Counter(asked.question for asked in read_predictions().values())
    assert max(questions.values()) == 1


def test_every_threshold_has_a_lower_end_that_a_worse_figure_may_fall_below():
    for lesson in read_lessons().values():
        for each in lesson.thresholds:
            compile(each.value, each.id, "eval")
            assert each.worse > 0
            assert -math.inf < each.low < each.high, each.id


def test_every_answer_that_is_meant_names_one_rule():
    for exercise in read_exercises().values():
        mistakes = [mistake["answer"] for mistake in exercise.mistakes]
        for meant in [*exercise.right, *mistakes]:
            assert len(RULES.keys() & meant.keys()) == 1, exercise.id


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Return a copy of the files that can be changed; what is read of them is forgotten again."""
    shutil.copytree(_lessons.FOLDER, tmp_path / "lessons")
    monkeypatch.setattr(_lessons, "FOLDER", tmp_path / "lessons")
    read_lessons.cache_clear()
    yield tmp_path / "lessons"
    read_lessons.cache_clear()


FOLDER = r"\S+(?=[/\\]lessons[/\\])"  # of the copy
NEW = """
[[exercises]]
id = "A2.9"
right = [{ word = "yes" }, { number = 7, within = 1 }]
praise = "so it is."
hint = "look again."
mistakes = [
    { answer = { word = "no" }, hint = "more." },
    { answer = { below = 2 }, hint = "less." },
]
"""


def test_a_new_exercise_needs_one_entry(files):
    with (files / "A2.toml").open("a", encoding="utf-8") as file:
        file.write(NEW)
    for answer in ("Yes", 6.5):
        assert check("A2.9", answer).message == "Right: so it is."
    assert check("A2.9", "No").message == "Not yet: more."
    assert check("A2.9", 1).message == "Not yet: less."
    assert check("A2.9", 5).message == "Not yet: look again."


def test_a_damaged_file_is_said_in_a_sentence(says, files):
    whole = (files / "01.toml").read_text(encoding="utf-8")
    odd = "[[exercises]]\nid = '01.9'\n"
    none = whole.partition("[[predictions]]")[0]
    for damage in ("", "[[exercises]", f"{whole}{odd}", f"{none}exercises = 3", f"no = 1\n{whole}"):
        (files / "01.toml").write_text(damage, encoding="utf-8")
        feedback = check("00.1", 3)
        assert feedback.right is None
        says(feedback.message, varies=FOLDER)


def test_a_missing_file_is_said_in_a_sentence(says, files):
    (files / "07.toml").unlink()
    with says(FileNotFoundError, varies=FOLDER):
        read_lesson(files / "07.toml")
    assert check("07.1", 1).right is None
    assert check("06.2", 18).right is True


def test_nothing_is_read_before_the_first_check(run_python):
    look = "print(read_lessons.cache_info().currsize)"
    lines = ["import wmlearn as wm", "wm.check"]
    lines += ["from wmlearn.course._lessons import read_lessons", look]
    assert run_python("\n".join([*lines, "wm.check('00.1', 3)", look])).split() == ["0", "1"]
