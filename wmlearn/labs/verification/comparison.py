"""Three ways to read the same answers, side by side: counting alone, null models, and the evidence
that decides.

Counting alone is true for a number of questions that was fixed beforehand, and false for anyone who
looks after each. Everything is worked out for every n when the lab opens; a move of the slider
looks it up.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wmlearn._display import percent, plural
from wmlearn._types import Query
from wmlearn.evidence import stats
from wmlearn.evidence._sentences import p_words
from wmlearn.evidence.answers import ask_null
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.replay import Replay
from wmlearn.labs._kit.views import small
from wmlearn.labs._kit.wealth_chart import MARKERS, amount

Counts = npt.NDArray[np.int64]


class Comparison:
    """What one suspect's first 0, 1, ..., n answers are worth, three times over.

    Parameters
    ----------
    replay : the suspect's answers
    nulls : what `null_matches` counted on the same questions, shape (models, n + 1)

    Attributes
    ----------
    counting : the exact binomial p-value after each question, as if just so many had been planned
    as_well : how many null models matched at least as many as the suspect
    null : the p-value that the null models give, (1 + those that did as well) / (models + 1)
    anytime : the p-value that decides, from the greatest wealth so far
    peeking : how often an innocent service, at the most, has looked guilty to a peeker who counts,
        0 to 1
    beside : logarithms of 1 / p, to be drawn beside the wealth, by the CSS class of their lines
    """

    def __init__(self, replay: Replay, nulls: Counts) -> None:
        verdict, matches = replay.verdict, replay.matches
        self.replay, self.nulls = replay, nulls
        counted = stats.binomial_p(matches, np.arange(replay.n + 1), verdict.p0)
        self.counting = np.asarray(counted)
        self.as_well = (nulls >= matches).sum(axis=0)
        self.null = (1 + self.as_well) / (len(nulls) + 1)
        self.anytime = np.exp(-np.maximum(np.maximum.accumulate(verdict.path), 0))
        self.peeking = stats.peeking_chance(replay.n, alpha=verdict.alpha, p0=verdict.p0)
        self.beside = {
            "wm-counting": -np.log(np.maximum(self.counting, 1e-300)),
            "wm-nulls": -np.log(self.null),
        }


def null_matches(nulls: Sequence[Query], triggers: TriggerSet) -> Counts:
    """Ask every null model all questions, once; return the matches among the first 0, 1, ..., n,
    (models, n + 1).
    """
    matched = np.array([ask_null(null, triggers).matched for null in nulls])
    return np.pad(matched.cumsum(axis=1), ((0, 0), (1, 0)))


# ---------------------------------------------------------------- in words


def cards(seen: Comparison, n: int) -> str:
    """Return the three as HTML, side by side, each with a piece of its line: what it says, and
    whether it decides.
    """
    models = plural(len(seen.nulls), "null model")
    columns = [
        _card("wm-counting", "counting alone", "does not decide", _counting(seen, n)),
        _card("wm-nulls", models, "does not decide", _nulls(seen, n)),
        _card("wm-curve", "the bettor", "decides, at any moment", _anytime(seen, n)),
    ]
    return f"<div class='wm-three'>{''.join(columns)}</div>"


def _card(css: str, name: str, role: str, sentences: Sequence[str]) -> str:
    line = f"<path class='{css}' d='M0 7H34'/>{MARKERS[css].format(x=17, y=7)}"
    swatch = f"<svg class='wm-chart' aria-hidden='true' width='34' height='14'>{line}</svg>"
    heading = f"<p>{swatch} <b>{name}</b> <i class='wm-small'>{role}</i></p>"
    body = small(*sentences).replace("p &lt;= ", "p\u00a0&lt;=\u00a0")
    return f"<section class='wm-card {css}'>{heading}{body}</section>"


def _counting(seen: Comparison, n: int) -> list[str]:
    if n == 0:
        return ["Nothing to count yet."]
    best = int(np.argmin(seen.counting[: n + 1]))
    alpha = seen.replay.verdict.alpha
    chance = math.ceil(1e4 * seen.peeking[n] - 1e-9) / 1e4  # upwards: the sentence stays true
    return [
        f"{seen.replay.matches[n]} of {n} matched: {p_words(seen.counting[n])}, true only if {n} "
        "was fixed beforehand.",
        f"At its best, after {plural(best, 'question')}: {p_words(seen.counting[best])}.",
        f"Stopping at the first p <= {alpha:g} accuses an innocent in up to {percent(chance, 2)} "
        f"of the draws, not in {100 * alpha:g} %.",
    ]


def _nulls(seen: Comparison, n: int) -> list[str]:
    counts, models = seen.nulls[:, n], len(seen.nulls)
    if n == 0:
        return [f"Asked the same {plural(seen.replay.n, 'question')} when the lab opened."]
    return [
        f"They matched {counts.min()} to {counts.max()} of {n}, {counts.mean():.1f} on average.",
        f"{seen.as_well[n]} of {models} did as well: {p_words(seen.null[n])}, for "
        f"{plural(n, 'question')} fixed beforehand.",
        f"It never falls below 1 / {models + 1}.",
    ]


def _anytime(seen: Comparison, n: int) -> list[str]:
    if n == 0:
        return ["Nothing bet yet."]
    verdict = seen.replay.verdict
    best = amount(verdict.path[: n + 1].max())
    crossed = seen.replay.crossed(verdict.alpha, n)
    reached = "not so far" if crossed is None else f"at question {crossed}"
    return [
        f"At its best the wealth was {best}: {p_words(seen.anytime[n])}, true whenever one stops.",
        f"p <= {verdict.alpha:g}, where one may accuse: {reached}.",
    ]


def caption(seen: Comparison, n: int) -> str:
    """Return what is drawn beside the wealth as one sentence, for those who do not see it."""
    best = seen.counting[: n + 1].min()
    models = plural(len(seen.nulls), "null model")
    return (
        f" Beside it, as 1 / p: counting alone, {p_words(seen.counting[n])}, at its best "
        f"{p_words(best)}; {models}, of which {seen.as_well[n]} did as well, "
        f"{p_words(seen.null[n])}; only the wealth decides, {p_words(seen.anytime[n])}."
    )
