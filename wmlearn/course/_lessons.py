"""The parts of lessons outside the notebooks, read from `lessons/NN.toml`: header, predictions,
exercises, thresholds, and notes for teachers.

`make lessons` writes the headers of the notebooks and the teacher's guide from these files;
`wm.Predict` and `wm.check` read them.
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

Meant = dict[str, Any]  # an expected answer, as in a file: {"number": 3, "within": 0.1}


@dataclass(frozen=True)
class Prediction:
    """A prediction that a lesson asks for, an entry of `[[predictions]]`.

    Attributes
    ----------
    id : the lesson and a letter: "07.a"
    question, options : the question, and two or more answers to choose from
    answer : the index of the right answer, counted from 0
    why : one or two sentences of explanation, shown together with the right answer
    """

    id: str
    question: str
    options: Sequence[str]
    answer: int
    why: str


@dataclass(frozen=True)
class Exercise:
    """One exercise, an entry of `[[exercises]]`.

    Attributes
    ----------
    id : the lesson and a number: "00.1"
    right : the right answers, a list of tables such as {number = 3, within = 0.1} or
        {word = "owner"}: each names one of `RULES` with its arguments; {built = "stamped"} asks for
        something that works on the hidden cases of this name in `_built.py`
    praise : the reply to a right answer
    hint : the reply to a wrong answer, unless it is one of the mistakes below
    mistakes : typical wrong answers, each with its own hint:
        {answer = {below = 4}, hint = "..."}; the teacher's guide lists them. For something built
        they are the mistakes that the hidden cases name
    """

    id: str
    right: Sequence[Meant]
    praise: str
    hint: str
    mistakes: Sequence[Meant] = ()


@dataclass(frozen=True)
class Threshold:
    """Limits for a figure that varies from machine to machine, an entry of `[[thresholds]]`.

    The cell that calculates the figure has the id as a tag; the tests evaluate `value` in the
    kernel right after that cell.

    Attributes
    ----------
    id : the lesson, a t and a number: "05.t1"
    value : a Python expression in variables of the lesson
    low, high : the limits of the value, both included
    worse : the smallest deterioration that must be noticed: `value` less this is outside the limits
    """

    id: str
    value: str
    low: float = -math.inf
    high: float = math.inf
    worse: float = 0.05


@dataclass(frozen=True)
class Lesson:
    """A lesson, read from a file of its own.

    Attributes
    ----------
    id : two characters, the name of the file: "00", "A1"; lessons are sorted by id
    title, file : the title, and the file name of the notebook
    reading, working : minutes to read and run the lesson; minutes with exercises and labs
    core : whether the lesson is on the core path
    objectives : what learners will do, each continuing "you will"
    prerequisites : ids of earlier lessons, or words
    exercises, predictions, thresholds : the entries of the file
    teacher : notes for teachers, in markdown
    """

    id: str
    title: str
    file: str
    reading: int
    working: int
    core: bool
    objectives: Sequence[str]
    prerequisites: Sequence[str]
    exercises: Sequence[Exercise]
    predictions: Sequence[Prediction] = ()
    thresholds: Sequence[Threshold] = ()
    teacher: str = ""

    @property
    def name(self) -> str:
        """Id and title, as in headings."""
        return f"{self.id} · {self.title}"


def is_number(answer: Any, *, number: float, within: float = 1e-6) -> bool:
    """Return whether an answer is this number, give or take `within`; "3", 3.0 and 3 are equal.

    Examples
    --------
    >>> [is_number(answer, number=3) for answer in (3, "3", 4, True)]
    [True, True, False, False]
    """
    if isinstance(answer, bool):
        return False
    return math.isclose(float(answer), number, rel_tol=0, abs_tol=within)


def is_word(answer: Any, *, word: str) -> bool:
    """Return whether an answer is this word, ignoring case."""
    return str(answer).strip().lower() == word


def is_below(answer: Any, *, below: float) -> bool:
    """Return whether an answer is a number below this one."""
    return float(answer) < below


def is_above(answer: Any, *, above: float) -> bool:
    """Return whether an answer is a number above this one."""
    return float(answer) > above


def is_built(answer: Any, *, built: str) -> bool:
    """Whether what was seen of something built, by `_built.watch`, is this."""
    return bool(answer == built)


RULES: dict[str, Callable[..., bool]] = {
    "number": is_number,
    "word": is_word,
    "below": is_below,
    "above": is_above,
    "built": is_built,
}


def fits(answer: object, meant: Meant) -> bool:
    """Return whether an answer is the expected one, by the rule that one of the keys names."""
    (rule,) = RULES.keys() & meant.keys()
    return RULES[rule](answer, **meant)


@cache
def read_lessons() -> dict[str, Lesson]:
    """Return all lessons by their ids, in order; the files are read once.

    Raises
    ------
    OSError
        If a file is missing or damaged.
    """
    paths = sorted(FOLDER.glob("??.toml"))
    return {path.stem: read_lesson(path) for path in paths}


def read_lesson(path: Path) -> Lesson:
    """Return the lesson in one file; raise `OSError` if it is missing or damaged."""
    with readable(f"{path} should hold lesson {path.stem}", "Reinstall wmlearn."):
        entry = tomllib.loads(path.read_text(encoding="utf-8"))
        for name, kind in _LISTED.items():
            entry[name] = [kind(**each) for each in entry.get(name, [])]
        return Lesson(path.stem, **entry)


_LISTED: dict[str, type] = {
    "predictions": Prediction,
    "exercises": Exercise,
    "thresholds": Threshold,
}


def read_exercises() -> dict[str, Exercise]:
    """Return the exercises of all lessons by their ids."""
    lessons = read_lessons().values()
    return {each.id: each for lesson in lessons for each in lesson.exercises}


def read_predictions() -> dict[str, Prediction]:
    """Return the predictions of all lessons by their ids."""
    lessons = read_lessons().values()
    return {each.id: each for lesson in lessons for each in lesson.predictions}
