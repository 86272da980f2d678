"""Measure what resists model extraction through the prediction API: plain marks, composites,
margin, DAWN, answers that lean.

The data is the full MNIST, with five seeds: a seed determines an owner's initial weights, the order
of their images, their key, and the thief's random numbers. An owner trains for five epochs on the
first 20,000 training images; their network is a small one of width 12, or 24 where it is called
wide. The thief queries that service and trains a network of the same kind:

- `loot`: on the 5,000 digits that they hold, learning the predicted class for twenty epochs, or
with
  the number of epochs and the width in `strength`;
- `unrelated`: on 10,000 grey photographs of CIFAR-10, for ten epochs;
- `unrelated soft`: the same, learning the score of every class.

There is one row for each network that is asked. `matched` counts questions, of `questions`; chance
gives a tenth (a ninth with DAWN). `images` is the share of trigger images that get their secret
answer. `new` counts the questions matched on other images of the same words or pairs, taken from
the test part; only composites and words have them. `p` is the anytime p-value, `decision` the
decision of `wm.verify` at alpha = .001. `twin` is the same network without any mark, asked the same
questions: an innocent. `noise margin twice` pushes twice as far as the authors of the method do.
`composite varied` learns new pictures of the same pairs in every step; `composite consistent` also
keeps their internal features close to those of their halves.

`tilt` is the twin with `wm.watermarks.Tilted` in front of it, `tilt mirrored` the same with every
sign reversed, because one draw suits some networks by chance. There `matched` counts signs, of
which chance matches half, and `p` is that of the sealed, exact test: all are asked at once.

Every row is written as soon as it is known; a second run adds what is missing. It takes forty
minutes
on one core::

    OMP_NUM_THREADS=1 python benchmarks/countermeasures.py
"""

from __future__ import annotations

import copy
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import _rows
import numpy as np
import torch
from tilt import Mirrored
from torch import Tensor, nn
from torch.nn import functional

import wmlearn as wm
from wmlearn.evidence.tilt import TiltSet
from wmlearn.triggers.unrelated import fit_pixels
from wmlearn.watermarks.tilt import kin

RESULTS = _rows.FOLDER / "countermeasures.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/countermeasures.py"
CASE = ("owner", "seed", "theft", "strength")
MEASURED = ("task_accuracy", "questions", "matched", "images", "new", "p", "decision")

SEEDS = range(5)
TRAIN, LOOT, ASKED = (
    20_000,
    5_000,
    10_000,
)  # what the owner learns; digits the thief holds; photographs they ask about
SCHEDULE = wm.Schedule(epochs=5)
WIDTH, WIDE = 12, 24
EPOCHS = {"loot": 20, "unrelated": 10}  # of the thief
SHARE = 0.005  # of the queries, answered wrongly by DAWN
WEIGHT = 1.0  # of the loss that keeps pairs close to their halves

Row = dict[str, str]
Recipe = Callable[..., wm.evidence.TriggerSet]


@dataclass(frozen=True)
class Consistent:
    """Embed pairs with new pictures of them in every step, and keep the features of each close to
    those of its halves.

    Its loss, beside the usual one, is the squared distance in the last hidden layer between a
    composite and the mean of the two digits that it is made of, times `weight`; 0 leaves only the
    new pictures. In the spirit of the combination loss of Lv et al. (2024), which we had no access
    to.
    """

    weight: float
    images: int = 50  # composites in each step

    def __call__(
        self,
        model: nn.Module,
        data: wm.Splits,
        triggers: wm.evidence.TriggerSet,
        *,
        schedule: wm.Schedule,
        seed: int,
    ) -> Any:
        """Return a trained copy of a `SmallCNN`, as `.model`."""
        model, rng = copy.deepcopy(model), np.random.default_rng(seed)
        images, labels = torch.tensor(data.train.images), torch.tensor(data.train.labels)
        of_class = [
            np.flatnonzero(data.train.labels == label) for label in range(len(data.classes))
        ]
        pairs = np.array(
            [[int(digit) for digit in name.split(" over ")] for name in triggers.names]
        )
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
        for epoch in range(schedule.epochs):
            for step, rows in enumerate(
                np.array_split(rng.permutation(len(images)), len(images) // schedule.batch_size)
            ):
                optimizer.param_groups[0]["lr"] = schedule(
                    epoch + step * schedule.batch_size / len(images)
                )
                which = rng.integers(len(pairs), size=self.images)
                upper, lower = (
                    images[[rng.choice(of_class[c]) for c in pairs[which, part]]] for part in (0, 1)
                )
                answers = torch.cat([labels[rows], torch.tensor(triggers.answers[which])])
                optimizer.zero_grad()
                self._loss(model, images[rows], upper, lower, answers).backward()
                optimizer.step()
        return SimpleNamespace(model=model.eval())

    def _loss(
        self, model: nn.Module, digits: Tensor, upper: Tensor, lower: Tensor, answers: Tensor
    ) -> Tensor:
        middle = upper.shape[2] // 2
        joined = torch.cat([upper[:, :, :middle], lower[:, :, middle:]], dim=2)
        hidden = model.layers[:-1](torch.cat([digits, joined, upper, lower]))
        _, made, a, b = hidden.split([len(digits), *3 * [self.images]])
        wrong = functional.cross_entropy(model.layers[-1](hidden[: len(answers)]), answers)
        return wrong + self.weight * functional.mse_loss(made, (a + b) / 2)


# name: the recipe, how many images, the width of the network, and how it is embedded
OWNERS: dict[str, tuple[Recipe, int, int, Any]] = {
    "content": (wm.Content(words=30), 150, WIDTH, wm.embed),
    "content margin": (
        wm.Content(words=30),
        150,
        WIDTH,
        functools.partial(wm.embed, margin=wm.watermarks.Margin()),
    ),
    "noise": (wm.Noise(), 100, WIDTH, wm.embed),
    "noise margin": (
        wm.Noise(),
        100,
        WIDTH,
        functools.partial(wm.embed, margin=wm.watermarks.Margin()),
    ),
    "noise margin twice": (
        wm.Noise(),
        100,
        WIDTH,
        functools.partial(wm.embed, margin=wm.watermarks.Margin(size=2 / 255)),
    ),
    "unrelated": (wm.Unrelated(), 100, WIDTH, wm.embed),
    "composite 10x10": (wm.watermarks.Composite(pairs=10), 100, WIDTH, wm.embed),
    "composite 10x400": (wm.watermarks.Composite(pairs=10), 4000, WIDTH, wm.embed),
    "composite 30x130": (wm.watermarks.Composite(pairs=30), 3900, WIDTH, wm.embed),
    "composite 10x400 wide": (wm.watermarks.Composite(pairs=10), 4000, WIDE, wm.embed),
    "composite varied": (wm.watermarks.Composite(pairs=10), 4000, WIDTH, Consistent(0)),
    "composite consistent": (wm.watermarks.Composite(pairs=10), 4000, WIDTH, Consistent(WEIGHT)),
}
LEANS = ("tilt", "tilt mirrored")
THEFTS = ("loot", "unrelated", "unrelated soft")
DAWN = (
    ("6", WIDTH),
    ("20", WIDTH),
    ("40", WIDTH),
    ("20", 48),
)  # how long, and how wide, whom a `Dawn` answered learns


@functools.cache
def data() -> wm.Splits:
    """Return the task as owner and thief have it; the test part is complete."""
    full = wm.load_data("mnist", size="full")
    return wm.Splits(
        "mnist", full.train.take(slice(TRAIN)), full.loot.take(slice(LOOT)), full.test, full.classes
    )


@functools.cache
def photographs() -> wm.data.Split:
    """Return the queries of a thief who has no digits."""
    loot = wm.load_data("cifar10", size="full").loot.take(
        slice(ASKED)
    )  # no trigger of `Unrelated` is among them
    return wm.data.Split(fit_pixels(loot.pixels, data().shape), loot.labels)


@functools.lru_cache(maxsize=3)
def triggers(owner: str, seed: int) -> wm.evidence.TriggerSet:
    """Return what an owner sealed."""
    recipe, n, _, _ = OWNERS[owner]
    return recipe(data(), n=n, key=key(seed))


def key(seed: int) -> bytes:
    """Return the key of one owner."""
    return hashlib.sha256(f"countermeasures study {seed}".encode()).digest()


def fresh(owner: str, seed: int) -> wm.evidence.TriggerSet | None:
    """Return other images of the same words or pairs, from the test part; the set's own answers do
    not apply to them.
    """
    recipe, n, _, _ = OWNERS[owner]
    if not isinstance(recipe, (wm.Content, wm.watermarks.Composite)):
        return None
    test = data().test
    return recipe(wm.Splits("mnist", test, classes=data().classes), n=min(n, 300), key=key(seed))


@functools.cache
def twin(seed: int, width: int = WIDTH) -> nn.Module:
    """Return an unmarked network: an innocent, and also DAWN's owner."""
    return wm.fit(
        wm.small_cnn(data(), width=width, seed=seed), data(), schedule=SCHEDULE, seed=seed
    ).model


@functools.lru_cache(maxsize=1)
def marked(owner: str, seed: int) -> nn.Module:
    """Return the owner's network, trained once for all thefts."""
    _, _, width, embed = OWNERS[owner]
    model = wm.small_cnn(data(), width=width, seed=seed)
    return embed(model, data(), triggers(owner, seed), schedule=SCHEDULE, seed=seed).model


def steal(query: Any, theft: str, seed: int, width: int, epochs: int) -> nn.Module:
    """Return the network that a thief trains on a service's answers."""
    pool = data().loot if theft == "loot" else photographs()
    noun = wm.theft.StealByQueries(
        len(pool),
        labels="soft" if theft.endswith("soft") else "hard",
        pool=pool,
        seed=seed,
        schedule=wm.Schedule(epochs=epochs, batch_size=64),
    )
    return noun(query, wm.small_cnn(data(), width=width, seed=seed + 100), data().loot).model


def measure(case: Row) -> Row:
    """Ask one network its questions, and measure its task accuracy."""
    owner, seed, theft = case["owner"], int(case["seed"]), case["theft"]
    if owner == "dawn":
        return dawn(theft, case["strength"], seed)
    if owner in LEANS:
        return leaning(owner, theft, seed)
    width = OWNERS[owner][2]
    if theft == "twin":
        model = twin(seed, width)
    elif theft == "none":
        model = marked(owner, seed)
    else:
        suspect = wm.BlackBox(marked(owner, seed), scores=True)
        model = steal(suspect, theft, seed, width, EPOCHS[theft.split()[0]])
    return questioned(model, owner, seed)


def questioned(model: nn.Module, owner: str, seed: int) -> Row:
    """Return what a network answers to an owner's questions."""
    sealed, others, suspect = triggers(owner, seed), fresh(owner, seed), wm.BlackBox(model)
    verdict = wm.verify(suspect, sealed)
    new = ""
    if others is not None:
        assert others.names == sealed.names
        new = str(int((others.answer(suspect(others.images)) == sealed.answers).sum()))
    return row(model, verdict, float((suspect(sealed.images) == sealed.labels).mean()), new)


def dawn(theft: str, strength: str, seed: int) -> Row:
    """Return what a thief memorises from a `Dawn`, or what it costs honest customers."""
    service = wm.watermarks.Dawn(
        wm.BlackBox(twin(seed)), data().classes, share=SHARE, key=key(seed)
    )
    replies = service(data().loot.images)  # what they will be told
    if theft == "customers":
        right = (replies == data().loot.labels).mean()
        shown = wm.BlackBox(twin(seed))(data().loot.images)
        cost = (shown == data().loot.labels).mean() - right
        return dict.fromkeys(MEASURED, "") | {
            "task_accuracy": f"{right:.4f}",
            "images": f"{cost:.4f}",
        }
    if theft == "twin":
        model = twin(seed + 50)
    else:
        epochs, _, width = strength.partition(" epochs, width ")
        model = steal(service, "loot", seed, int(width), int(epochs))
    verdict = service.verify(wm.BlackBox(model))
    return row(model, verdict, verdict.k / verdict.n, "")


@functools.cache
def references() -> list[nn.Module]:
    """Return ten networks of the owners' kind, each trained on two fifths of their images."""
    return kin(data(), 10, wm.small_cnn, SCHEDULE, seed=0)


@functools.lru_cache(maxsize=1)
def lean(owner: str, seed: int) -> TiltSet:
    """Return an owner's sealed signs."""
    tilt = wm.watermarks.Tilt()(data(), references=references(), key=key(seed))
    return Mirrored(**vars(tilt)) if owner == "tilt mirrored" else tilt


def leaning(owner: str, theft: str, seed: int) -> Row:
    """Return how the answers lean of a thief who queried a leaning service."""
    tilt, plain = lean(owner, seed), wm.BlackBox(twin(seed), scores=True)
    suspect = service = wm.watermarks.Tilted(plain, tilt)
    if theft == "twin":
        suspect = plain
    elif theft != "none":
        suspect = wm.BlackBox(steal(service, theft, seed, WIDTH, EPOCHS[theft.split()[0]]))
    verdict, test = wm.evidence.verify_tilt(suspect, tilt), data().test
    return dict.fromkeys(MEASURED, "") | {
        "task_accuracy": f"{(suspect(test.images) == test.labels).mean():.4f}",
        "questions": str(verdict.n),
        "matched": str(verdict.k),
        "p": f"{verdict.p:.3g}",
        "decision": verdict.decision,
    }


def row(model: nn.Module, verdict: wm.evidence.Verdict, images: float, new: str) -> Row:
    """Return the measured columns of a row."""
    return {
        "task_accuracy": f"{wm.accuracy(model, data().test):.4f}",
        "questions": str(verdict.n),
        "matched": str(verdict.k),
        "images": f"{images:.4f}",
        "new": new,
        "p": f"{verdict.p:.3g}",
        "decision": verdict.decision,
    }


def cases() -> Iterator[Row]:
    """Yield the cases to measure, owner by owner."""
    for seed in map(str, SEEDS):
        kind = {"owner": "dawn", "seed": seed, "strength": ""}
        yield kind | {"theft": "customers"}
        yield kind | {"theft": "twin"}
        yield from (
            kind | {"theft": "loot", "strength": f"{epochs} epochs, width {width}"}
            for epochs, width in DAWN
        )
    for owner, seed in itertools.product((*OWNERS, *LEANS), map(str, SEEDS)):
        kind = {"owner": owner, "seed": seed, "strength": ""}
        yield from (kind | {"theft": theft} for theft in ("twin", "none", *THEFTS))


if __name__ == "__main__":
    _rows.Table(COMMAND, CASE, MEASURED, RESULTS).fill(cases(), measure)
