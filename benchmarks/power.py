"""How many questions does it take to find a copy, and how much evidence is left when the thief
trains on?

The owner is honest. Their marked model is asked as it was taken, and after a thief has fine-tuned
it on images of their own at five learning rates. `k` of `n` secret questions match. `needed` is the
number of questions, in sealed order, after which the bettor's wealth reaches 1 / alpha, alpha =
.001 (empty: never, so the copy was not found). `needed_any_order` is the median over 1,000 random
orders of the same questions, and `found_any_order` the share of orders in which the copy is found:
the sealed order is only one of them. `chance` is the exact power against a service that matches
each question with probability k / n, by dynamic programming. `innocent_k` is the number of
questions that the unmarked twin, or the clean model that ships, matches.

The owners are the models that ship (full data sets, the classroom key) and, on the mini MNIST, five
owners for each kind of trigger, each with initial weights, images, a key and a thief of their own.
The claim is about these models: what survives depends on the learning rate. Every row is written as
soon as it is known; a second run adds what is missing::

    OMP_NUM_THREADS=1 python benchmarks/power.py
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterator

import _rows
import numpy as np
from torch import nn

import wmlearn as wm
from wmlearn._random import stable_rng
from wmlearn.evidence import stats

RESULTS = _rows.FOLDER / "power.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/power.py"
CASE = ("data", "trigger", "owner", "lr", "seed")
MEASURED = (
    "task_accuracy",
    "n",
    "k",
    "needed",
    "found",
    "needed_any_order",
    "found_any_order",
    "chance",
    "innocent_k",
)

TRIGGERS = {
    "content": (wm.Content, 150),
    "unrelated": (wm.Unrelated, 100),
    "noise": (wm.Noise, 100),
}
RATES = (0.0, 1e-4, 1e-3, 2e-3, 5e-3, 1e-2)  # 0: the model as it was taken
EPOCHS = 5
SEEDS = range(5)
ALPHA = 1e-3
ORDERS = 1_000
Row = dict[str, object]


# ---------------------------------------------------------------- what is measured


def needed(matched: np.ndarray) -> np.ndarray:
    """Return the number of questions after which the wealth first reaches 1 / alpha, for each row
    of matches; inf if it never does.

    Parameters
    ----------
    matched : bool, shape (orders, questions), in the order in which they were asked
    """
    n = matched.shape[1]
    asked = np.arange(1, n + 1)
    existing = stats.reaches(stats.log_wealth(np.cumsum(matched, axis=1), asked[None], 0.1), ALPHA)
    return np.where(existing.any(axis=1), existing.argmax(axis=1) + 1, np.inf)


def shuffled(matched: np.ndarray, orders: int = ORDERS) -> np.ndarray:
    """Return the same matches in several random orders, shape (orders, questions)."""
    draw = stable_rng(0)
    return np.stack([draw.permutation(matched) for _ in range(orders)])


def evidence(matched: np.ndarray) -> Row:
    """Return the evidence in one service's matches, in sealed order."""
    k, n = int(matched.sum()), len(matched)
    sealed, others = needed(matched[None])[0], needed(shuffled(matched))
    median = np.median(others)
    return {
        "n": n,
        "k": k,
        "needed": written(sealed),
        "found": bool(np.isfinite(sealed)),
        "needed_any_order": written(median),
        "found_any_order": f"{np.isfinite(others).mean():.3f}",
        "chance": f"{stats.accusation_chance(n, k / n, alpha=ALPHA, p0=0.1):.4f}",
    }


def written(questions: float) -> str:
    """Return a number of questions as text for the file: empty if there is none."""
    return f"{questions:g}" if np.isfinite(questions) else ""


# ---------------------------------------------------------------- owners and thieves


@functools.lru_cache(maxsize=2)
def owned(
    data: str, trigger: str, owner: str
) -> tuple[nn.Module, nn.Module, wm.evidence.TriggerSet]:
    """Return an owner's marked model, an innocent one beside it, and the triggers."""
    task, (recipe, n) = wm.load_data(data), TRIGGERS[trigger]
    if owner == "shipped":
        triggers = recipe()(task, n=n, key=wm.CLASSROOM_KEY)
        return wm.load_model(f"{data}/{trigger}"), wm.load_model(f"{data}/clean"), triggers
    seed = int(owner)
    key = hashlib.sha256(f"power {data} {trigger} {seed}: not a secret".encode()).digest()
    triggers = recipe()(task, n=n, key=key, seed=seed)
    return (
        wm.embed(wm.small_cnn(task, seed=seed), task, triggers, seed=seed).model,
        twin(data, seed),
        triggers,
    )


@functools.cache
def twin(data: str, seed: int) -> nn.Module:
    """Return the same network trained on the task alone."""
    task = wm.load_data(data)
    return wm.fit(wm.small_cnn(task, seed=seed), task, seed=seed).model


def measure(data: str, trigger: str, owner: str, lr: float, seed: int) -> Row:
    """Let a thief train the model further, ask it the questions, and weigh the answers."""
    model, innocent, triggers = owned(data, trigger, owner)
    task = wm.load_data(data)
    if lr:
        model = wm.theft.FineTune(epochs=EPOCHS, lr=lr, seed=seed)(model, task.loot).model
    right = [
        triggers.answer(wm.BlackBox(each)(triggers.images)) == triggers.answers
        for each in (model, innocent)
    ]
    found = evidence(right[0])
    return {
        "task_accuracy": f"{wm.accuracy(model, task.test):.4f}",
        **found,
        "innocent_k": int(right[1].sum()),
    }


def cases() -> Iterator[Row]:
    """Yield every case: the shipped models of MNIST, the owners of the mini MNIST, then the slow
    ones, with photographs.
    """
    for trigger, lr, seed in itertools.product(TRIGGERS, RATES, SEEDS):
        if lr or not seed:
            yield dict(zip(CASE, ("mnist", trigger, "shipped", lr, seed)))
    for trigger, owner, lr in itertools.product(TRIGGERS, SEEDS, RATES):
        yield dict(zip(CASE, ("mnist", trigger, str(owner), lr, owner)))
    for seed, trigger, lr in itertools.product(SEEDS[:2], TRIGGERS, RATES):
        if lr or not seed:
            yield dict(zip(CASE, ("cifar10", trigger, "shipped", lr, seed)))


if __name__ == "__main__":
    _rows.Table(COMMAND, CASE, MEASURED, RESULTS).fill(cases(), lambda case: measure(**case))
