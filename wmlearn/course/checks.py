"""The exercises of the lessons: `check` says whether an answer is right, or gives a hint."""

import difflib
import html
import math
from collections.abc import Iterable
from dataclasses import dataclass

from wmlearn._display import GREEN, VERMILLION
from wmlearn._progress import compared
from wmlearn.course._built import SEED, watch
from wmlearn.course._lessons import Exercise, Meant, fits, read_exercises
from wmlearn.course.journal import SOLVED

_NUMBER = "give a number, such as 2.8, without a unit, a word or a per cent sign."
_NOT_WRITTEN = "Not written yet: put your own lines in place of the dots, and run both cells again."
_NOT_YET = "Not answered yet: put your answer in place of the dots, and run the cell again."


@dataclass(frozen=True, repr=False)
class Feedback:
    """The reply of `check`: one sentence, and whether the answer is right (None: no answer yet)."""

    exercise: str
    right: bool | None
    message: str

    def __repr__(self) -> str:
        return self.message

    def _repr_html_(self) -> str:
        signs = {True: ("✔", GREEN), False: ("✘", VERMILLION), None: ("…", "inherit")}
        sign, color = signs[self.right]
        mark = f"<span aria-hidden='true' style='color:{color};font-weight:bold'>{sign}</span>"
        return f"<p>{mark} {html.escape(self.message)}</p>"


def check(exercise: str, answer: object = None, *, seed: int = SEED) -> Feedback:
    """Return whether an answer is right, with a hint if it is wrong; this never raises an error.

    A right answer is noted in this folder, for `wm.course.progress()`; where outputs are compared
    (pytest, nbval), nothing is.

    Parameters
    ----------
    exercise : the number of the exercise, as text: "00.1"
    answer : your answer, of any type; None, "" and ... mean that there is none yet. If something is
        to be built, the function or class itself: it is tried on hidden cases
    seed : by which hidden cases are drawn; the same for everybody if left out

    Returns
    -------
    Feedback
        It prints as one sentence; `.right` is True, False, or None if there is no answer.

    Examples
    --------
    >>> check("01.4", "a photograph")
    Not yet: was anything put into the model while it was trained? And is it about training images?
    >>> check("00.1")
    Not answered yet: put your answer in place of the dots, and run the cell again.
    >>> check("00.1", 3).right
    True
    """
    asked = _as_text(exercise)
    try:
        exercises = read_exercises()
    except OSError as error:  # not the learner's mistake, so no traceback
        return Feedback(asked, None, str(error))
    if not isinstance(exercise, str) or exercise not in exercises:
        near = _nearest(asked, exercises)
        sentence = f"There is no exercise {asked!r}. Did you mean {near!r}?"
        return Feedback(asked, None, f"{sentence} Its number is text, in quotes.")
    if _is_empty(answer):
        return Feedback(exercise, None, _NOT_YET)
    found, seen = exercises[exercise], ""
    if "built" in found.right[0]:
        answer, seen = watch(found.right[0]["built"], answer, seed)
    if answer is ...:
        return Feedback(exercise, None, _NOT_WRITTEN)
    if _is_right(found, answer):
        problem = "" if compared() else SOLVED.keep(exercise, True)
        return Feedback(exercise, True, f"Right: {found.praise} {problem}".rstrip())
    told = filter(None, (seen, _hint(found, answer)))
    return Feedback(exercise, False, f"Not yet: {'; '.join(told)}")


def _as_text(exercise: object) -> str:
    try:
        return str(exercise)[:40]
    except Exception:
        return type(exercise).__name__


def _nearest(asked: str, known: Iterable[str]) -> str:
    """Return the id most similar to the one asked for; on a tie, one with the same beginning."""

    def likeness(name: str) -> tuple[float, bool, bool]:
        ratio = difflib.SequenceMatcher(None, name, asked).ratio()
        return ratio, name == asked[:4], name[:2] == asked[:2]

    return max(known, key=likeness)


def _is_empty(answer: object) -> bool:
    if isinstance(answer, str):
        return not answer.strip()
    return answer is None or answer is ...


def _is_right(exercise: Exercise, answer: object) -> bool:
    return any(_fits(answer, meant) for meant in exercise.right)


def _hint(exercise: Exercise, answer: object) -> str:
    for mistake in exercise.mistakes:
        if _fits(answer, mistake["answer"]):
            return str(mistake["hint"])
    wants_number = all("number" in meant for meant in exercise.right)
    if wants_number and not _fits(answer, {"above": -math.inf}):
        return _NUMBER
    return exercise.hint


def _fits(answer: object, meant: Meant) -> bool:
    """Apply a rule to any answer; an answer on which the rule raises an error does not fit."""
    try:
        return fits(answer, meant)
    except Exception:
        return False
