"""The exercises of the lessons: `check` says whether an answer is right, and gives a hint where it
is not.
"""

from __future__ import annotations

import difflib
import html
from dataclasses import dataclass

from wmlearn._display import GREEN, VERMILLION
from wmlearn.course._exercises import EXERCISES, Exercise

_NOT_YET = "Not answered yet: put your answer in place of the dots, and run the cell again."


@dataclass(frozen=True, repr=False)
class Feedback:
    """What `check` says of an answer: one sentence, and whether the answer was right (None: not
    answered yet).
    """

    exercise: str
    right: bool | None
    message: str

    def __repr__(self) -> str:
        return self.message

    def _repr_html_(self) -> str:
        sign, color = {True: ("✔", GREEN), False: ("✘", VERMILLION), None: ("…", "inherit")}[
            self.right
        ]
        mark = f"<span aria-hidden='true' style='color:{color};font-weight:bold'>{sign}</span>"
        return f"<p>{mark} {html.escape(self.message)}</p>"


def check(exercise: str, answer: object = None) -> Feedback:
    """Say whether an answer is right; a wrong one gets a hint, an empty one is no mistake. Never
    raises.

    Parameters
    ----------
    exercise : the number that stands at the exercise, as text: "00.1"
    answer : the answer, of any type; None, "" and ... mean that there is none yet

    Returns
    -------
    Feedback
        It prints as one sentence; `.right` is True, False, or None where there is no answer.

    Examples
    --------
    >>> check("00.1", 30)
    Not yet: every secret answer was drawn from ten. How often is it a 7? And of thirty answers, how
    many, on average?
    >>> check("00.1")
    Not answered yet: put your answer in place of the dots, and run the cell again.
    >>> check("00.1", 3).right
    True
    """
    known = EXERCISES.get(exercise) if isinstance(exercise, str) else None
    if known is None:
        return _unknown(exercise)
    if _is_empty(answer):
        return Feedback(exercise, None, _NOT_YET)
    if _is_right(known, answer):
        return Feedback(exercise, True, f"Right: {known.praise}")
    return Feedback(exercise, False, f"Not yet: {_hint(known, answer)}")


def _unknown(exercise: object) -> Feedback:
    """Return the sentence for an exercise that does not exist, with the nearest one that does."""
    try:
        asked = str(exercise)[:40]
    except Exception:
        asked = type(exercise).__name__

    def likeness(
        name: str,
    ) -> tuple[float, bool, bool]:  # of equals: the one that begins alike, else the first
        return (
            difflib.SequenceMatcher(None, name, asked).ratio(),
            name == asked[:4],
            name[:2] == asked[:2],
        )

    near = max(EXERCISES, key=likeness)
    sentence = (
        f"There is no exercise {asked!r}. Did you mean {near!r}? Its number is text, in quotes."
    )
    return Feedback(asked, None, sentence)


def _is_empty(answer: object) -> bool:
    return answer is None or answer is ... or (isinstance(answer, str) and not answer.strip())


def _is_right(exercise: Exercise, answer: object) -> bool:
    """Apply the rule to whatever the learner typed; an answer that the rule cannot even look at is
    a wrong one.
    """
    try:
        return bool(exercise.right(answer))
    except Exception:
        return False


def _hint(exercise: Exercise, answer: object) -> str:
    if isinstance(exercise.hint, str):
        return exercise.hint
    try:
        return exercise.hint(answer)
    except Exception:
        return "this is not the kind of answer that was asked for; read the question once more."
