"""check() judges every answer, of whatever type, with one sentence and without an exception."""

import math

import numpy as np
import pandas as pd
import pytest

from wmlearn.course._exercises import EXERCISES, Exercise, number
from wmlearn.course.checks import Feedback, check

RIGHT = {
    "00.1": 3,
    "00.2": 15,
    "00.3": 4,
    "01.1": 3,
    "01.2": 17,
    "01.3": "Owner",
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
    "04.4": 0.005,
    "05.1": 8,
    "05.2": "Cannot tell",
    "05.3": 2,
    "06.1": 4,
    "06.2": 18,
    "06.3": 0.271,
    "06.4": "a",
    "07.1": 1 / 21,
    "07.2": 10,
    "07.3": 1 / 9,
    "07.4": 0.5,
    "10.1": 0.6,
    "10.2": 0.02,
    "10.3": "Ben",
    "10.4": "c",
    "11.1": 45,
    "11.2": 1,
    "11.3": 29,
    "08.1": 0.8,
    "08.2": 3,
    "08.3": 87,
    "09.1": 50,
    "09.2": 2,
    "09.3": "B",
    "12.1": 20 / 22,
    "12.2": -5,
    "12.3": 6000,
    "12.4": 6,
    "13.1": 0.388,
    "13.2": 6.5,
    "13.3": 0.0024,
    "13.4": 2995,
    "A1.1": 25 / 9,
    "A1.2": 13,
    "A1.3": 19,
    "A1.4": 1200,
    "A2.1": 463,
    "A2.2": 1.17,
    "A2.3": 0.8,
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
    assert RIGHT.keys() == EXERCISES.keys()
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
    assert "278" in check("00.3", 4).message
    assert "2,222" in check("00.3", 4).message


@pytest.mark.parametrize(
    "exercise", [name for name, answer in RIGHT.items() if isinstance(answer, int)]
)
@pytest.mark.parametrize("form", [int, float, str, np.int64, np.float32, np.array, "{:.1f}".format])
def test_a_number_is_right_in_every_spelling(exercise, form):
    assert check(exercise, form(RIGHT[exercise])).right is True


@pytest.mark.parametrize("exercise", RIGHT)
@pytest.mark.parametrize("answer", [None, ..., "", "  "])
def test_no_answer_is_no_mistake(exercise, answer):
    feedback = check(exercise, answer)
    assert feedback.right is None
    assert repr(feedback).startswith("Not answered yet")


@pytest.mark.parametrize("exercise", RIGHT)
@pytest.mark.parametrize("answer", ODD, ids=lambda answer: type(answer).__name__)
def test_odd_answers_are_wrong_and_nothing_is_raised(exercise, answer):
    feedback = check(exercise, answer)
    assert feedback.right is False
    assert repr(feedback).startswith("Not yet: ")


def test_the_hint_depends_on_the_answer_where_it_can():
    assert check("00.3", 3).message != check("00.3", 5).message
    assert "before" in check("00.3", 5).message
    assert "kind of answer" in check("00.3", "four").message


@pytest.mark.parametrize(
    ("asked", "near"),
    [("00.4", "00."), ("00.31", "00.3"), ("1.3", "01.3"), (1.3, "01.3"), ("", "0")],
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
    assert number(0.5, within=0.01)(0.509)
    assert not number(0.5, within=0.01)(0.511)
    assert not number(math.pi)(3.14)


def test_a_new_exercise_needs_one_entry(monkeypatch):
    monkeypatch.setitem(
        EXERCISES, "99.1", Exercise(lambda answer: answer == "yes", "so it is.", "look again.")
    )
    assert check("99.1", "yes").message == "Right: so it is."
    assert check("99.1", "no").message == "Not yet: look again."
