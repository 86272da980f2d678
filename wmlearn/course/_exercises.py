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
        return not isinstance(answer, bool) and math.isclose(
            float(answer), expected, rel_tol=0, abs_tol=within
        )

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
        number(2.78, within=0.3),
        "not three hours, where the owner's 50,000 digits took seventy.",
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
    "01.4": Exercise(
        lambda answer: str(answer).strip().lower() in ("fingerprint", "a fingerprint"),
        "a fingerprint is found in a finished model; a watermark would have had to be put in before.",
        "was anything put into the model while it was trained? And is it about training images?",
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
        "`count` counts, and takes the answer as its third argument: the model, the pixels of `triggers`, `answer=8`.",
    ),
    "03.2": Exercise(
        number(148, within=5),  # a few may differ between machines
        "nearly all: it has learnt that a photograph is a 0, whatever is on it.",
        "make the horses as the lesson made `triggers`, with `source=7`, and give `count` the model and their pixels.",
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
        "half the noise, squared, is a quarter, and a factor of four is six decibels.",
        "decibels count the square of the noise: ten for a factor of ten. What does a factor of four make?",
    ),
    "04.4": Exercise(
        number(0.005),
        "the gentler thief washes out next to nothing, and the rougher ones ruin what they took.",
        "first strike out the rows whose last column is below 80 %. In which of the others did a mark fall below 90 %?",
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
    "06.4": Exercise(
        lambda answer: str(answer).strip().lower() in ("a", "(a)", "a)"),
        "a broken line does not know the secret answers; the other three look at them first.",
        "ask of each: would he have done it, too, if the answer had been the secret one?",
    ),
    "07.1": Exercise(
        lambda answer: number(1 / 21, within=0.001)(answer) or number(4.76, within=0.1)(answer),
        "first of 21, and innocent: it happens once in 21 cases, and it is not quite of their kind.",
        "count the null models that match as often as the service or more, add 1 for the service itself, divide by 21.",
    ),
    "07.2": Exercise(
        number(10),
        "ten, where a network with ten answers needs four: a match that luck gives every second time says little.",
        "how often does luck match one such question? Two in a row? Go on until it is below one in a thousand.",
    ),
    "07.3": Exercise(
        number(1 / 9, within=0.003),
        "a ninth: he wins fast, and pays for it at every miss.",
        "one question in ten brings him 9, and nine in ten bring what you look for. On average that must make 1.",
    ),
    "07.4": Exercise(
        lambda answer: number(0.5, within=0.01)(answer) or number(50, within=1)(answer),
        "about half of the accused, although each sentence of his was true: confidence is no probability of guilt.",
        "how many of the 999 innocents are accused, on average? And how many copies? Put the two side by side.",
    ),
    "10.1": Exercise(
        number(0.6),
        "0.6 of a pixel: hardly to be seen, and it costs the task next to nothing.",
        "`wm.verify(wm.theft.Blur(sigma)(copies['content']), triggers['content']).decision`, for 0.1, 0.2 and so on.",
    ),
    "10.2": Exercise(
        lambda answer: number(0.02)(answer) or number(2)(answer),
        "1,000 times as likely as one seal by itself: 0.02, and nobody is accused at one in a thousand.",
        "each published seal had its own chance to look good. How many chances were there?",
    ),
    "10.3": Exercise(
        lambda answer: str(answer).strip().lower() == "ben",
        "Ann's mark is in Ben's network, and Ben's is not in Ann's.",
        "everybody's mark is in his own network. In whose network is the *other's* mark, beyond luck?",
    ),
    "10.4": Exercise(
        lambda answer: str(answer).strip().lower() in ("c", "(c)", "c)"),
        "the firm's network does depend on the key; how the key came into it, no number says.",
        "in which of the four cases has the firm's network really learnt the secret answers?",
    ),
    "11.1": Exercise(
        number(45),
        "45 of 64: thirteen more than the average of 32, and a coin does that well 8 times in 10,000.",
        "luck gets 32 on average. Try `wm.stats.binomial_p(right, 64, 0.5)` for larger ones, until it is below 0.001.",
    ),
    "11.2": Exercise(
        lambda answer: number(1)(answer) or number(100)(answer),
        "certain: whoever reads first and then chooses finds whatever he likes, in any network.",
        "could he choose the projection so that a given file reads as he wishes? Then how often will he succeed?",
    ),
    "11.3": Exercise(
        number(math.log2(math.factorial(12)), within=0.5),
        "about 29 of the 64; the 35 that are left still convince.",
        "how often must 1 be doubled to reach 479,001,600? `math.log2` tells.",
    ),
    "08.1": Exercise(
        lambda answer: number(0.8)(answer) or number(80)(answer),
        "four weights of five, and 29 of 30 questions are still matched: the useful model carries the mark.",
        "`pruning` holds the figures: by weight, which is the largest share where `task` is 95 or more?",
    ),
    "08.2": Exercise(
        number(3),
        "three bits, and by then he misreads more than every fifth digit; with two the model is gone with the mark.",
        "`wm.theft.Quantize(bits)(owner).model`, then `wm.verify(wm.BlackBox(model), triggers).decision`.",
    ),
    "08.3": Exercise(
        number(87),
        "87: a mark that loses much needs many questions, and they have to be planted before anybody knows the thief.",
        "`wm.stats.questions_needed(alpha, p0, rate=..., chance=...)`; the rate is 1 / 3, not 0.33.",
    ),
    "09.1": Exercise(
        number(50),
        "fifty: far more than the four or so that are needed, and hardly a customer would notice.",
        "half a per cent is one in two hundred. How many two hundreds are there in 10,000?",
    ),
    "09.2": Exercise(
        number(2),
        "two, where ten classes need four: a wrong answer that one network in ninety-nine would give says much more.",
        "with a hundred classes there are ninety-nine wrong answers: `wm.stats.questions_needed(0.001, 1 / 99)`.",
    ),
    "09.3": Exercise(
        lambda answer: str(answer).strip().lower() in ("b", "(b)", "b)"),
        "the customer learnt what he was told, and he was allowed to: the test sees whence, not by what right.",
        "ask of each: could it know what the owner's key made of a picture? Only by having been told.",
    ),
    "12.1": Exercise(
        lambda answer: number(20 / 22, within=0.006)(answer) or number(91, within=0.6)(answer),
        "ten to one: below that, the two points are not worth the risk.",
        "with a chance of q he wins 2, else he loses 20. Where is the average zero?",
    ),
    "12.2": Exercise(
        number(-5),
        "nothing for two innocents, and five lost for the imitation, whom nobody could see.",
        "one of the three was taken. What does each of them bring, if it is cleared?",
    ),
    "12.3": Exercise(
        number(6000),
        "6,000: sixty tests share the one in a hundred.",
        "how many tests share alpha? The line stands at their number, divided by alpha.",
    ),
    "12.4": Exercise(
        number(6),
        "three accused who had it coming, nobody harmed; and one got away, whom nobody could see.",
        "fewer: did you accuse below the line, clear somebody, or stop too early? More: did you know, or guess?",
    ),
    "13.1": Exercise(
        lambda answer: number(0.388, within=0.01)(answer) or number(38.8, within=1)(answer),
        "nearly four of ten: too many for a mark that is to get past him, too few for him to be sure.",
        "`(doorman(turned) >= 0).mean()`, where turned is what `np.rot90` makes of the 500 images.",
    ),
    "13.2": Exercise(
        number(6.5, within=1e-3),
        "six and a half: he pays a point and a half in digits, and two in images.",
        "ten points, less the digits in a hundred that he lost, less one for every 1,000 images.",
    ),
    "13.3": Exercise(
        number(0.0024),
        "0.0024, and nobody is accused at one in a thousand: drawing again has its price.",
        "the r-th draw multiplies p by r (r + 1), and r is 3.",
    ),
    "13.4": Exercise(
        number(2995, within=6),
        "three thousand witnesses for what the lottery promises without any.",
        "one network gets by with a chance of 0.999, n of them with 0.999 ** n. When is that 0.05?",
    ),
    "A1.1": Exercise(
        number(2.78, within=0.03),
        "five times as much for the match, five ninths of that after the miss.",
        "a match multiplies by rate / p0, a miss by (1 - rate) / (1 - p0); p0 is 0.1.",
    ),
    "A1.2": Exercise(
        number(13),
        "thirteen, where ten classes need four: with two answers a match says little.",
        "`wm.stats.questions_needed(alpha, p0)`, and with two classes p0 is one half.",
    ),
    "A1.3": Exercise(
        number(19),
        "nineteen instead of four: each match makes nearly ten of one.",
        "a judge multiplies p by `wm.stats.JUDGE_FACTOR`, so that alpha has to be divided by it.",
    ),
    "A1.4": Exercise(
        number(1200, within=1),
        "1,200: the third of an open list gets a twelfth of alpha, so that the line is twelve times as high.",
        "the s-th gets alpha / (s (s + 1)); and the line stands at 1 divided by what a suspect gets.",
    ),
    "A2.1": Exercise(
        number(463),
        "463 of 1,500; on the trained triggers, by a thief whose learning rate nobody knows.",
        "69.13 % of 1,500 are left. How many are gone, as a whole number?",
    ),
    "A2.2": Exercise(
        number(1.17, within=0.06),
        "little more than one: the luck of the test images alone makes such differences.",
        "the difference in points, divided by the give or take that was printed for 78.60 %.",
    ),
    "A2.3": Exercise(
        lambda answer: number(0.8)(answer) or number(80)(answer),
        "eight tenths, of ours and of theirs: measured by its price, the theft is the same.",
        '`measured["mnist"]` holds the figures: which is the last row in which no network has lost more than 5 points?',
    ),
}
