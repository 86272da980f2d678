"""The exercises of the lessons, read from `lessons/NN.toml`: what counts as right, the praise, and
the hints.

The questions stand in the lessons; `check` (in `checks`) applies what is read here.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wmlearn._files import readable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).with_name("lessons")
LESSONS = (*map("{:02}".format, range(14)), "A1", "A2")

Meant = dict[str, Any]  # an answer that is meant, as a file has it: {"number": 3, "within": 0.1}


@dataclass(frozen=True)
class Exercise:
    """One exercise, an entry of `[[exercises]]` in the file of its lesson.

    Attributes
    ----------
    id : the lesson and a number: "00.1"
    right : what counts as right, a list of tables such as {number = 3, within = 0.1} or
        {word = "owner"}: each names one of `RULES`, and what it needs to know
    praise : what is said to a right answer
    hint : what is said to a wrong one, unless it is one of the mistakes below
    mistakes : typical wrong answers, each with a hint of its own:
        {answer = {below = 4}, hint = "..."}
    """

    id: str
    right: Sequence[Meant]
    praise: str
    hint: str
    mistakes: Sequence[Meant] = ()


def is_number(answer: Any, *, number: float, within: float = 1e-6) -> bool:
    """Whether an answer is this number, give or take `within`; "3", 3.0 and numpy's 3 are all 3.

    Examples
    --------
    >>> [is_number(answer, number=3) for answer in (3, "3", 4, True)]
    [True, True, False, False]
    """
    if isinstance(answer, bool):
        return False
    return math.isclose(float(answer), number, rel_tol=0, abs_tol=within)


def is_word(answer: Any, *, word: str) -> bool:
    """Whether an answer is this word, in small or capital letters."""
    return str(answer).strip().lower() == word


def is_below(answer: Any, *, below: float) -> bool:
    """Whether an answer is a number below this one."""
    return float(answer) < below


RULES: dict[str, Callable[..., bool]] = {"number": is_number, "word": is_word, "below": is_below}


def fits(answer: object, meant: Meant) -> bool:
    """Whether an answer is what a table means, by the rule that one of its keys names."""
    (rule,) = RULES.keys() & meant.keys()
    return RULES[rule](answer, **meant)


@cache
def read_exercises() -> dict[str, Exercise]:
    """Return the exercises of all lessons by their ids; the files are read once.

    Raises
    ------
    FileNotFoundError, OSError
        If a file is missing or damaged.
    """
    exercises = {}
    for lesson in LESSONS:
        for exercise in _read_lesson(FOLDER / f"{lesson}.toml"):
            exercises[exercise.id] = exercise
    return exercises


def _read_lesson(path: Path) -> list[Exercise]:
    expected = f"{path} should hold the exercises of lesson {path.stem}"
    with readable(expected, "Reinstall wmlearn."):
        lesson = tomllib.loads(path.read_text(encoding="utf-8"))
        return [Exercise(**entry) for entry in lesson["exercises"]]
