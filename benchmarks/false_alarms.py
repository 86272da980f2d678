"""How often is an innocent model accused? Invalid rules and ours, on null models and on suspects
that are no models.

Accusing an innocent model is the worst error that this course can teach. Every null model is asked
once, and its answers stay as they are. What is drawn again and again is the *key*, because the
promise is about the key's randomness. The rules:

fixed, counted
    One target class for all triggers (the paper's method), and matches counted as if each had one
    chance in ten. Invalid: innocent models put many triggers into one class, and if that is the
    target, most models are accused. One row per target class and one decision per model, because a
    model's answers to 150 such images are one observation, not 150.
counted at the end
    Random labels, and the binomial tail at the sealed number of questions, looked at once. Valid.
gambler
    Random labels, and the bettor's wealth after every question (an e-process): the rule of
    `wm.verify`. Valid whenever you stop.
counted, peeking
    The binomial tail after every question, accusing as soon as it looks good. Invalid, and common
    practice.

For every (model, trigger set, repetition) a fresh key is drawn. Given the models, the decisions of
one row are then independent, and the exact test and bound (Clopper and Pearson) hold. `exact` is
the rate that the rule must have, by dynamic programming over the number of matches; `p_exact` tests
the code against it, `p_above` tests rate > alpha. A row is "broken" if p_above is below .05, shared
by all rows of the two valid rules. `draw` says how labels were drawn: by numpy, or "sealed",
through `seal_triggers`, HMAC and scrypt, and the whole of `wm.verify`.

The null models are those of `wm.null_models`: two architectures, disjoint halves of the data,
seeds. Of the 200 for MNIST, 40 ship (trained on the full data); the others are trained on demand,
on halves of the mini data. For the keys this makes no difference, and that is the point.

The last rows reverse the view: one key, asked of *all* null models. They answer alike, so they
share the luck of the draw: most keys accuse nobody, a few accuse most of them. Hence the claim is
about keys: for any independent model, at most alpha of the keys accuse it. That is a theorem; this
file shows that the code agrees with it. It takes some minutes, and as many again if null models
must first
be trained::

    OMP_NUM_THREADS=1 python benchmarks/false_alarms.py
"""

from __future__ import annotations

import csv
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest
from torch import nn

import wmlearn as wm
from wmlearn._random import stable_rng
from wmlearn.evidence import stats
from wmlearn.evidence.trigger_set import TriggerSet, seal_triggers
from wmlearn.triggers.unrelated import FOREIGN

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "false_alarms.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/false_alarms.py"

NULLS = {"mnist": 200, "cifar10": 40}
TRIGGERS = {
    "content": (wm.Content, 150),
    "unrelated": (wm.Unrelated, 100),
    "noise": (wm.Noise, 100),
}
SETS = 5  # trigger sets of each kind: the same recipe on other images
ALPHAS = (0.05, 0.01, 0.001)
P0 = 0.1
DECISIONS = 1_000_000  # in each row of a right rule
OTHERS = 200_000  # the same for suspects that are no models
KEYS = 10_000  # asked of all null models
SEALS = 1_000  # drawn in earnest: each costs 50 ms, on purpose


# ---------------------------------------------------------------- rules: how many matches accuse


def gambler(k: np.ndarray, asked: int, alpha: float) -> np.ndarray:
    """Return for each number of matches whether the bettor's wealth reaches 1 / alpha."""
    return stats.reaches(stats.log_wealth(k, asked, P0), alpha)


def counted(k: np.ndarray, asked: int, alpha: float) -> np.ndarray:
    """Return for each number of matches whether its binomial tail is at most alpha."""
    return stats.binomial_p(k, asked, P0) <= alpha


@functools.cache
def fewest(rule: str, questions: int, alpha: float) -> np.ndarray:
    """Return the fewest matches that accuse after 1, 2, ..., n questions, shape (n,); n + 1 where
    no number does.
    """
    accuses = gambler if rule == "gambler" else counted
    line = np.full(questions, questions + 1)
    for asked in range(questions if rule == "counted at the end" else 1, questions + 1):
        enough = accuses(np.arange(asked + 1), asked, alpha)
        if enough.any():
            line[asked - 1] = enough.argmax()
    return line


RULES = ("counted at the end", "gambler", "counted, peeking")
RIGHT = RULES[:2]


def accused(tally: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Return for each key whether the matches so far, shape (keys, questions), ever reach the
    line.
    """
    return (tally >= line.astype(tally.dtype)).any(axis=1)


def tally(labels: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return how many questions matched so far, shape (keys, questions), for labels drawn under
    each key.
    """
    return np.cumsum(labels == answers, axis=1, dtype=np.int16)


def chance(line: np.ndarray, answered: np.ndarray) -> float:
    """Return the exact probability that an innocent service ever reaches the line, looking after
    every question.

    Parameters
    ----------
    line : the fewest matches that accuse, after 1, 2, ..., n questions
    answered : for each question whether there is an answer that a label could match
    """
    of_k = np.zeros(len(line) + 2)  # probability of k matches so far, nobody accused yet
    of_k[0], sofar = 1.0, 0.0
    for enough, came in zip(line, answered):
        if came:
            of_k[1:] = of_k[1:] * (1 - P0) + of_k[:-1] * P0
            of_k[0] *= 1 - P0
        sofar += of_k[enough:].sum()
        of_k[enough:] = 0
    return float(sofar)


def chance_of(rule: str, alpha: float, answered: np.ndarray) -> float:
    """Return that probability for a rule. It is cached, because models share most patterns of
    answered questions.
    """
    return _chance_of(rule, alpha, answered.tobytes())


@functools.cache
def _chance_of(rule: str, alpha: float, flags: bytes) -> float:
    answered = np.frombuffer(flags, bool)
    return chance(fewest(rule, len(answered), alpha), answered)


# ---------------------------------------------------------------- rows


@dataclass(frozen=True)
class Row:
    """One line of the file: decisions on innocents, and how many were accusations."""

    data: str
    trigger: str
    suspects: str
    rule: str
    alpha: float
    questions: int
    decisions: int
    accusations: int
    draw: str = "numpy"
    target: str = ""
    exact: float | None = None
    smallest_p: float | None = None

    @property
    def right(self) -> bool:
        """Whether the rule guarantees alpha: these are the rows that must hold."""
        return self.rule in RIGHT

    def record(self, level: float) -> dict[str, object]:
        """Return the line for the file, with rate, 95 % bound, tests and verdict."""
        n, found = self.decisions, self.accusations
        p_above = stats.binomial_p(found, n, self.alpha)
        promised = not self.rule.startswith("one key")  # how luck is shared is shown, not promised
        return asdict(self) | {
            "rate": f"{found / n:.6f}",
            "upper": f"{stats.match_interval(found, n, 0.9)[1]:.6f}",
            "exact": "" if self.exact is None else f"{self.exact:.6f}",
            "p_exact": ""
            if self.exact is None
            else f"{binomtest(found, n, self.exact).pvalue:.4f}",
            "p_above": f"{p_above:.3g}" if promised else "",
            "verdict": ("holds" if p_above >= level else "broken") if promised else "",
            "smallest_p": "" if self.smallest_p is None else f"{max(self.smallest_p, 1e-300):.1e}",
        }


def write(rows: Sequence[Row]) -> None:
    """Write all rows; the tests of the valid rules share .05 among them."""
    level = 0.05 / sum(row.right for row in rows)
    records = [row.record(level) for row in rows]
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        file.write(COMMAND + "\n")
        table = csv.DictWriter(file, records[0], lineterminator="\n")
        table.writeheader()
        table.writerows(records)


# ---------------------------------------------------------------- suspects


class Asked(NamedTuple):
    """A trigger set, and the answer of each of several models to each of its images, shape (models,
    images).
    """

    triggers: TriggerSet
    replies: np.ndarray

    @property
    def answers(self) -> np.ndarray:
        """One answer per question, shape (models, questions); -1 for none."""
        return np.stack([self.triggers.answer(each) for each in self.replies])


def ask_all(
    models: Sequence[nn.Module], data: str, trigger: str, seed: int, labels: str = "keyed"
) -> Asked:
    """Make a trigger set and ask every model once; the answers stay the same for every later
    draw.
    """
    recipe, n = TRIGGERS[trigger]
    triggers = recipe(labels=labels)(wm.load_data(data), n=n, key=wm.CLASSROOM_KEY, seed=seed)
    return Asked(triggers, np.stack([wm.BlackBox(model)(triggers.images) for model in models]))


def own_classes(data: str, trigger: str, n: int) -> np.ndarray:
    """Return the true class of each image of the trigger set with seed 0, in its own world."""
    labels = wm.load_data(FOREIGN[data] if trigger == "unrelated" else data).train.labels
    return labels[stable_rng([0]).permutation(len(labels))[:n]]


def no_models(
    triggers: TriggerSet, own: np.ndarray
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return suspects that are no networks: from labels (keys, questions) to answers, (questions,)
    or the same shape.

    One of them looks at the labels, but only at those already scored, like a service that is told
    after each question what was expected. That must not help it: the next label is drawn
    independently.
    """
    index = np.arange(triggers.n)
    return {
        "constant": lambda labels: np.full(triggers.n, 3),
        "own class": lambda labels: triggers.answer(own),
        "random": lambda labels: stable_rng(1).randint(0, 10, labels.shape, np.uint8),
        "by index": lambda labels: index % 10,
        "out of range": lambda labels: np.where(index % 2, 10, index % 10),
        "stateful": lambda labels: np.concatenate(
            [np.zeros_like(labels[:, :1]), labels[:, :-1]], axis=1
        ),
    }


def draws(*named: object, shape: tuple[int, int]) -> np.ndarray:
    """Draw labels (keys, questions), uniform on ten; the row's name is the seed, so each row can be
    made alone.
    """
    digest = hashlib.sha256("/".join(map(str, named)).encode()).digest()
    return stable_rng(np.frombuffer(digest, ">u4").tolist()).randint(0, 10, shape, np.uint8)


# ---------------------------------------------------------------- the study


def fixed_target(data: str, trigger: str, models: Sequence[nn.Module]) -> Iterator[Row]:
    """Count matches with a target that the owner chose, as if each had one chance in ten: one row
    per target.
    """
    triggers, replies = ask_all(models, data, trigger, 0, labels="fixed")
    for target in triggers.rules.allowed:
        p_values = stats.binomial_p((replies == target).sum(axis=1), triggers.n, P0)
        for alpha in ALPHAS:
            found = int((p_values <= alpha).sum())
            row = Row(
                data,
                trigger,
                "null models",
                "fixed, counted",
                alpha,
                triggers.n,
                len(models),
                found,
            )
            yield replace(
                row,
                draw="chosen",
                target=triggers.rules.classes[target],
                smallest_p=float(p_values.min()),
            )


def keyed(
    data: str, trigger: str, answers: np.ndarray, decisions: int = DECISIONS
) -> Iterator[Row]:
    """Draw fresh keys for each of the answers (models x trigger sets, questions); decide by each
    rule and alpha.
    """
    keys, n = -(-decisions // len(answers)), answers.shape[1]
    cases = list(itertools.product(RULES, ALPHAS))
    found, exact = np.zeros((2, len(cases)))
    for place, of_one in enumerate(answers):
        matches = tally(draws(data, trigger, "keyed", place, shape=(keys, n)), of_one)
        for i, case in enumerate(cases):
            found[i] += accused(matches, fewest(case[0], n, case[1])).sum()
            exact[i] += chance_of(*case, of_one >= 0) / len(answers)
    for i, (rule, alpha) in enumerate(cases):
        row = Row(data, trigger, "null models", rule, alpha, n, keys * len(answers), int(found[i]))
        yield replace(row, exact=exact[i])


def not_models(
    data: str, trigger: str, triggers: TriggerSet, decisions: int = OTHERS
) -> Iterator[Row]:
    """Apply the rules to suspects that are no networks: they break an invalid rule, but not
    ours.
    """
    for name, suspect in no_models(
        triggers, own_classes(data, trigger, len(triggers.pixels))
    ).items():
        labels = draws(data, trigger, name, shape=(decisions, triggers.n))
        answers = suspect(labels)
        inside = np.ones(triggers.n, bool) if answers.ndim == 2 else (answers >= 0) & (answers < 10)
        matches = tally(labels, answers)
        for rule, alpha in itertools.product(RULES, ALPHAS):
            found = int(accused(matches, fewest(rule, triggers.n, alpha)).sum())
            row = Row(data, trigger, name, rule, alpha, triggers.n, decisions, found)
            yield replace(row, exact=chance_of(rule, alpha, inside))


def in_earnest(data: str, trigger: str, asked: Asked, seals: int = SEALS) -> Iterator[Row]:
    """Take the real path: a fresh key, the tree, the seal, scrypt, HMAC, and `wm.verify` on the
    models in turn.
    """
    triggers, found = asked.triggers, dict.fromkeys(ALPHAS, 0)
    for i in range(seals):
        key = hashlib.sha256(
            f"study {data} {trigger} {i}: a key for one decision".encode()
        ).digest()
        sealed = seal_triggers(
            triggers.pixels,
            triggers.question,
            triggers.names,
            rules=triggers.rules,
            key=key,
            recipe="study",
        ).draw()
        replies = asked.replies[i % len(asked.replies)]
        verdict = wm.verify(lambda images, replies=replies: replies, sealed)
        for alpha in ALPHAS:
            found[alpha] += (
                replace(verdict, terms=replace(verdict.terms, alpha=alpha)).decision == "found"
            )
    turns = asked.answers[np.arange(seals) % len(asked.replies)]
    for alpha, accusations in found.items():
        exact = float(np.mean([chance_of("gambler", alpha, each >= 0) for each in turns]))
        row = Row(data, trigger, "null models", "gambler", alpha, triggers.n, seals, accusations)
        yield replace(row, draw="sealed", exact=exact)


def one_key(data: str, trigger: str, answers: np.ndarray, keys: int = KEYS) -> Iterator[Row]:
    """Ask all models under the same key: what share of the keys accuses nobody, one, several, most
    of them?
    """
    labels = draws(data, trigger, "one key", shape=(keys, answers.shape[1]))
    matches = (tally(labels, of_one) for of_one in answers)
    lines = {alpha: fewest("gambler", answers.shape[1], alpha) for alpha in ALPHAS}
    victims = dict.fromkeys(ALPHAS, 0)
    for of_one in matches:
        victims = {alpha: victims[alpha] + accused(of_one, line) for alpha, line in lines.items()}
    for alpha, count in victims.items():
        most = 2 * count > len(answers)
        kinds = {
            "nobody": count == 0,
            "one": count == 1,
            "several": (count > 1) & ~most,
            "most": most,
        }
        for kind, keys_so in kinds.items():
            rule = f"one key, accuses {kind}"
            yield Row(
                data,
                trigger,
                "null models",
                rule,
                alpha,
                answers.shape[1],
                keys,
                int(keys_so.sum()),
            )


def study(data: str, trigger: str) -> Iterator[Row]:
    """Make all rows of one data set and one kind of trigger."""
    models = wm.null_models(data, n=NULLS[data])
    yield from fixed_target(data, trigger, models)
    sets = [ask_all(models, data, trigger, seed) for seed in range(SETS)]
    yield from keyed(data, trigger, np.concatenate([each.answers for each in sets]))
    if data == "mnist":  # to such suspects it is all one
        yield from not_models(data, trigger, sets[0].triggers)
    yield from in_earnest(data, trigger, sets[0])
    yield from one_key(data, trigger, sets[0].answers)


if __name__ == "__main__":
    made: list[Row] = []
    for task, kind in itertools.product(NULLS, TRIGGERS):
        made += study(task, kind)
        print(task, kind, len(made), "rows", flush=True)
    write(made)
