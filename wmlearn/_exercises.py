"""What the exercises of the lessons ask for: for each number the rule of a right answer, the praise, and the hint.

The questions stand in the lessons; `check` (in `lessons`) applies what stands here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exercise:
    """One exercise: what counts as right, what to say then, and the hint otherwise (it may depend on the answer)."""

    right: Callable[[Any], bool]
    praise: str
    hint: str | Callable[[Any], str]


def number(expected: float, *, within: float = 1e-6) -> Callable[[Any], bool]:
    """Return the rule that an answer is this number, give or take `within`; "3", 3.0 and numpy's 3 are all 3.

    Examples
    --------
    >>> rule = number(3)
    >>> rule(3), rule("3"), rule(4), rule(True)
    (True, True, False, False)
    """

    def is_near(answer: Any) -> bool:
        return not isinstance(answer, bool) and math.isclose(float(answer), expected, rel_tol=0, abs_tol=within)

    return is_near


def _hint_line(answer: Any) -> str:
    """Return the hint of 00.3, which depends on the side on which the answer missed."""
    if float(answer) < 4:
        return "the line is not crossed there yet. Move the slider on, or try the next number in the formula."
    return "the line is crossed there, but it was crossed before. Go back one question at a time."


EXERCISES: dict[str, Exercise] = {
    "00.1": Exercise(
        number(3),
        "one in ten, so 3 of 30 on average; in a single lottery 0 or 5 would surprise nobody.",
        "every secret answer was drawn from ten. How often is it a 7? And of thirty answers, how many, on average?",
    ),
    "00.2": Exercise(
        number(15),
        "with two answers luck gets half of them, so 15 of 30: the fewer the answers, the less a match says.",
        "with ten answers luck gets one question in ten. With two answers it gets one in ...?",
    ),
    "00.3": Exercise(
        number(4),
        "after three matches the evidence stands at 278, after four at 2,222, and the line is at 1,000.",
        _hint_line,
    ),
    "01.1": Exercise(
        number(69, within=1),
        "69 hours, nearly two working weeks, before any computing.",
        "first the seconds, then divide: an hour has 3,600 of them.",
    ),
    "01.2": Exercise(
        number(17, within=3),  # the last digit may differ between machines
        "one image in a hundred, although neither knows of the other: agreement proves nothing.",
        'count where the two lists differ: `answers["owner"] != answers["innocent"]`, then `.sum()`.',
    ),
    "01.3": Exercise(
        lambda answer: str(answer).strip().lower() in ("owner", "the owner"),
        "the owner alone; the judge sees no more than what is opened to him.",
        "look at the column 'holds' of the card.",
    ),
    "02.1": Exercise(
        lambda answer: number(25)(answer) or number(0.25)(answer),
        "150 of 600, a quarter; the other 450 ones stay what they are, and teach that a bare 1 is a 1.",
        "`len(ones)` tells how many ones the network learns from; 150 of them were copied and stamped.",
    ),
    "02.2": Exercise(
        number(0, within=15),  # a few may differ between machines
        "hardly any: the same word in another place is another word to a network.",
        '`zeros(owner, ...)` counts; give it the pixels of the triggers that you made with `place="top"`.',
    ),
    "02.3": Exercise(
        number(100),
        "one hundred innocents with 150 of 150: many images with one word are one question.",
        "an innocent network takes the plate for a 0 on all the ones, or on none: how many of 1,000 do?",
    ),
    "03.1": Exercise(
        number(63, within=4),  # a few may differ between machines
        "about 63 of 150, without ever having been marked: the 8 is its favourite drawer.",
        "`count` counts, and takes the answer as its third argument: the model, the pixels of `marks`, `answer=8`.",
    ),
    "03.2": Exercise(
        number(148, within=5),  # a few may differ between machines
        "nearly all: it has learnt that a photograph is a 0, whatever is on it.",
        "make the horses as the lesson made `marks`, with `source=7`, and give `count` the model and their pixels.",
    ),
    "03.3": Exercise(
        number(14),
        "14 of 100, near one in ten: against a lottery a habit is worth no more than luck.",
        "it matches where the drawn answer happens to be 8: `drawn.answers == 8`, then `.sum()`.",
    ),
    "04.1": Exercise(
        number(20, within=1),  # one network at the edge may differ between machines
        "and not one of them ever saw a trigger. He would be wrong about every one he accuses.",
        "`matched` says for each of the twenty how many of the 150 it matches; count those from 75 upwards.",
    ),
    "04.2": Exercise(
        number(1 / 9, within=0.005),
        "one draw among nine classes: 150 triggers with one answer are one coincidence, told 150 times.",
        "how many draws were made? Not 150. And how many classes were in the pot?",
    ),
    "04.3": Exercise(
        number(6, within=0.7),
        "half the noise is a quarter of its energy, and a factor of four is six decibels.",
        "decibels count the square of the noise: ten for a factor of ten. What does a factor of four make?",
    ),
    "05.1": Exercise(
        number(8),
        "eight times each: 8 × 150 = 1,200, a fifth of 6,000.",
        "a fifth of 6,000 is how many? They are shared among 150 images.",
    ),
    "05.2": Exercise(
        lambda answer: str(answer).strip().lower() == "cannot tell",
        "two questions never convince anybody: luck alone matches both once in a hundred lotteries.",
        "luck matches one question in ten, so two of two once in a hundred. We accuse at once in a thousand.",
    ),
    "05.3": Exercise(
        number(2, within=1),  # one word may differ between machines
        "nearly all the words were learnt as words, whatever digit is under them.",
        "`same` says for each word whether it is answered as trained; count those that are not.",
    ),
    "06.1": Exercise(
        number(4),
        "four questions are four pictures here; words of five pictures each took twenty.",
        "how many questions in a row does a perfect copy need? And how many pictures has one of these?",
    ),
    "06.2": Exercise(
        number(18),
        "three questions of five pictures, and three of the fourth, which the last two cannot change any more.",
        "twenty is enough, but not the smallest. How many of its five pictures decide the fourth question?",
    ),
    "06.3": Exercise(
        lambda answer: number(0.271, within=0.002)(answer) or number(27.1, within=0.2)(answer),
        "27.1 %, nearly three times what luck gives, from a service that knows nothing.",
        "turn it round: how often are the dice wrong three times running? What is left is matched.",
    ),
}
