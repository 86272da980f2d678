"""Three ways to read the same answers, side by side: counting alone, null models, and the evidence
that decides.

Counting alone is true for a number of questions that was fixed beforehand, and false for whoever
looks after each. Everything is worked out for every n when the lab opens; a move of the slider
looks it up.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wmlearn._display import percent, plural
from wmlearn._types import Query
from wmlearn.evidence import stats
from wmlearn.evidence._sentences import p_words
from wmlearn.evidence.answers import ask_null
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.replay import Replay
from wmlearn.labs._kit.svg import MARKERS, amount

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What one suspect's first 0, 1, ..., n answers are worth, three times over.

    Attributes
    ----------
    counting : the exact binomial p-value after each question, as if just so many had been planned
    nulls : how many of the first questions each null model matched, shape (models, n + 1)
    null : the p-value that the null models give, (1 + those that did as well) / (models + 1)
    anytime : the p-value that decides, from the greatest wealth so far
    peeking : how often an innocent service, at the most, has looked guilty to a peeker who counts,
        0 to 1
    """

    counting: Floats
    nulls: npt.NDArray[np.int64]
    null: Floats
    anytime: Floats
    peeking: Floats

    @property
    def beside(self) -> dict[str, Floats]:
        """Logarithms of 1 / p, to be drawn beside the wealth, by the CSS class of their lines."""
        return {
            "wm-counting": -np.log(np.maximum(self.counting, 1e-300)),
            "wm-nulls": -np.log(self.null),
        }


def null_matches(nulls: Sequence[Query], triggers: TriggerSet) -> npt.NDArray[np.int64]:
    """Ask every null model all questions, once; return the matches among the first 0, 1, ..., n,
    (models, n + 1).
    """
    matched = np.array([ask_null(null, triggers).matched for null in nulls])
    return np.pad(matched.cumsum(axis=1), ((0, 0), (1, 0)))


def compare(replay: Replay, nulls: npt.NDArray[np.int64]) -> Comparison:
    """Work out the three for every number of questions.

    Parameters
    ----------
    replay : the suspect's answers
    nulls : what `null_matches` counted on the same questions
    """
    verdict, steps = replay.verdict, range(replay.n + 1)
    return Comparison(
        counting=np.array([stats.binomial_p(int(replay.matches[n]), n, verdict.p0) for n in steps]),
        nulls=nulls,
        null=np.array([stats.null_p(int(replay.matches[n]), nulls[:, n].tolist()) for n in steps]),
        anytime=np.exp(-np.maximum(np.maximum.accumulate(verdict.path), 0)),
        peeking=stats.peeking_chance(replay.n, alpha=verdict.alpha, p0=verdict.p0),
    )


# ---------------------------------------------------------------- in words


def cards(replay: Replay, seen: Comparison, n: int) -> str:
    """Return the three as HTML, side by side, each with a piece of its line: what it says, and
    whether it decides.
    """
    columns = {
        "wm-counting": ("counting alone", "does not decide", _counting(replay, seen, n)),
        "wm-nulls": (
            plural(len(seen.nulls), "null model"),
            "does not decide",
            _nulls(replay, seen, n),
        ),
        "wm-curve": ("the gambler", "decides, at any moment", _anytime(replay, seen, n)),
    }
    return f"<div class='wm-three'>{''.join(_card(css, *words) for css, words in columns.items())}</div>"


def _card(css: str, name: str, role: str, sentences: Sequence[str]) -> str:
    line = f"<path class='{css}' d='M0 7H34'/>{MARKERS[css].format(x=17, y=7)}"
    swatch = f"<svg class='wm-chart' aria-hidden='true' width='34' height='14'>{line}</svg>"
    unbroken = [
        html.escape(sentence).replace("p &lt;= ", "p\u00a0&lt;=\u00a0") for sentence in sentences
    ]
    body = "".join(f"<p class='wm-small'>{words}</p>" for words in unbroken)
    heading = f"<p>{swatch} <b>{name}</b></p><p class='wm-small'><i>{role}</i></p>"
    return f"<section class='wm-card {css}'>{heading}{body}</section>"


def _counting(replay: Replay, seen: Comparison, n: int) -> list[str]:
    if n == 0:
        return ["Nothing to count yet."]
    best = int(np.argmin(seen.counting[: n + 1]))
    alpha, chance = replay.verdict.alpha, percent(_up(seen.peeking[n]), 2)
    return [
        (
            f"{replay.matches[n]} of {n} matched: {p_words(seen.counting[n])}, true only if {n} was "
            "fixed beforehand."
        ),
        f"At its best, after {plural(best, 'question')}: {p_words(seen.counting[best])}.",
        f"Who peeks each time and stops at p <= {alpha:g} accuses an innocent in up to {chance} of "
        "lotteries, "
        f"not in {100 * alpha:g} %.",
    ]


def _nulls(replay: Replay, seen: Comparison, n: int) -> list[str]:
    counts, models = seen.nulls[:, n], len(seen.nulls)
    if n == 0:
        return [f"Asked the same {plural(replay.n, 'question')} when the lab opened."]
    as_well = int((counts >= replay.matches[n]).sum())
    return [
        f"They matched {counts.min()} to {counts.max()} of {n}, {counts.mean():.1f} on average.",
        (
            f"{as_well} of {models} did as well: {p_words(seen.null[n])}, for {plural(n, 'question')} "
            "fixed beforehand."
        ),
        f"It never falls below 1 / {models + 1}.",
    ]


def _anytime(replay: Replay, seen: Comparison, n: int) -> list[str]:
    if n == 0:
        return ["Nothing bet yet."]
    alpha, crossed = replay.verdict.alpha, replay.crossed(replay.verdict.alpha, n)
    reached = "not so far" if crossed is None else f"at question {crossed}"
    best = float(replay.verdict.path[: n + 1].max())
    return [
        (
            f"At its best the wealth was {amount(best)}: {p_words(float(seen.anytime[n]))}, true "
            "whenever one stops."
        ),
        f"Down to {alpha:g}, where one may accuse: {reached}.",
    ]


def caption(replay: Replay, seen: Comparison, n: int) -> str:
    """Return what is drawn beside the wealth as one sentence, for those who do not see it."""
    as_well = int((seen.nulls[:, n] >= replay.matches[n]).sum())
    return (
        f" Beside it, as 1 / p: counting alone, {p_words(float(seen.counting[n]))}, at its best "
        f"{p_words(float(seen.counting[: n + 1].min()))}; {plural(len(seen.nulls), 'null model')}, "
        f"of which {as_well} "
        f"did as well, {p_words(float(seen.null[n]))}; only the wealth decides, "
        f"{p_words(float(seen.anytime[n]))}."
    )


def _up(share: float) -> float:
    """Round a share up to a hundredth of a percent: the sentence stays true."""
    return math.ceil(1e4 * share - 1e-9) / 1e4
