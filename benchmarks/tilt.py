"""Measure the mark that outlives extraction: services that lean, thieves of every kind, innocents.

Each owner has a key of their own, and each lean is drawn twice: as the seal says (draw "drawn") and
with every sign turned round ("mirrored"), for one draw suits some networks by chance, and what is
measured is to hold for the average draw. Owners hold the first 20,000 training images of MNIST (all
40,000 of CIFAR-10), thieves the rest, or the loot. Rows are written as they are known::

    OMP_NUM_THREADS=1 python benchmarks/tilt.py [mnist] [cifar10] [innocents]

`where` is "service" (answers lean), "weights" (the network was trained to lean) or "both" (that,
and Content in the same network); `suspect` is what is asked: the service or file itself, the
owner's network without any lean ("untouched"), or a thief's. `p` is that of the sealed weighted
test, `p_signs` that of counting signs alone.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator

import _rows
import numpy as np
import torch
from torch import nn

import wmlearn as wm
from wmlearn.data.splits import Split
from wmlearn.evidence import stats
from wmlearn.evidence.tilt import TiltSet, seal_tilt
from wmlearn.watermarks import Tilt, Tilted, embed_tilt
from wmlearn.watermarks.tilt import kin

RESULTS = _rows.FOLDER / "tilt.csv"
INNOCENTS = _rows.FOLDER / "tilt_innocents.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/tilt.py"
CASE = ("data", "owner", "draw", "where", "size", "suspect", "queries", "epochs")
MEASURED = ("task_accuracy", "images", "matched", "signs", "p", "p_signs")

OWNERS = {"mnist": (8, 9, 10, 11, 12), "cifar10": (8, 9)}
QUERIES = {"mnist": (1_000, 2_000, 5_000, 20_000, 30_000), "cifar10": (2_000, 5_000, 10_000)}
USUAL = {"mnist": 20_000, "cifar10": 10_000}  # queries of the thieves who know the method
EPOCHS = (2, 6, 20)
KEYS = 2_000  # real seals for the innocents
Row = dict[str, object]


class Mirrored(TiltSet):
    """The same lean with every sign turned round."""

    @functools.cached_property
    def signs(self) -> np.ndarray:
        return -super().signs


# ---------------------------------------------------------------- owners


@functools.cache
def task(name: str) -> wm.Splits:
    """Return a task as it is shared between owner and thief."""
    full = wm.load_data(name, size="full")
    own, loot = full.train, full.loot
    if name == "mnist":
        own, loot = full.train.take(slice(20_000)), full.train.take(slice(20_000, None))
    return wm.Splits(name, own, loot, full.test, full.classes)


def network(name: str, seed: int, width: int | None = None) -> nn.Module:
    """Return an untrained network, as owners and thieves of a task have it."""
    make = wm.small_cnn if name == "mnist" else wm.training.deep_cnn
    options = {} if width is None else {"width": width}
    return make(task(name), seed=seed, **options)


@functools.cache
def references(name: str) -> list[nn.Module]:
    """Return ten networks of the owners' kind, each trained on two fifths of their images."""
    make = wm.small_cnn if name == "mnist" else wm.training.deep_cnn
    return kin(task(name), 10, make, wm.Schedule(epochs=5), seed=0)


@functools.cache
def owner(name: str, seed: int) -> nn.Module:
    """Return an owner's network without any mark."""
    schedule = wm.Schedule(epochs=5)
    return wm.fit(network(name, seed), task(name), schedule=schedule, seed=seed).model


@functools.cache
def lean(name: str, seed: int, draw: str, size: float) -> TiltSet:
    """Return an owner's sealed signs."""
    key = bytes([seed]) * 32
    tilt = Tilt(size=size)(task(name), references=references(name), key=key)
    return Mirrored(**vars(tilt)) if draw == "mirrored" else tilt


@functools.cache
def service(name: str, seed: int, draw: str, where: str, size: float) -> wm.BlackBox | Tilted:
    """Return the service that thieves may ask; it tells scores to whoever wants them."""
    model, tilt = owner(name, seed), lean(name, seed, draw, size)
    if where == "service":
        return Tilted(wm.BlackBox(model, scores=True), tilt)
    triggers = None
    if where == "both":
        triggers = wm.Content(words=30)(task(name), n=150, key=bytes([seed]) * 32)
    made = embed_tilt(
        network(name, seed + 50), task(name), tilt, teacher=model, triggers=triggers, seed=seed
    )
    return wm.BlackBox(made.model, scores=True)


# ---------------------------------------------------------------- thieves


def learnt(name: str, images: Split, seed: int, epochs: int, width: int | None = None) -> nn.Module:
    """Return a thief's network, trained on what a service answered."""
    schedule = wm.Schedule(epochs=epochs, batch_size=64)
    return wm.fit(network(name, seed + 100, width), images, schedule=schedule, seed=seed).model


def bought(query: Callable, name: str, count: int, seed: int) -> Split:
    """Return images of the thief's own with the labels that a service gave them."""
    chosen = task(name).loot.take(
        np.random.RandomState(seed).permutation(len(task(name).loot))[:count]
    )
    return Split(chosen.pixels, np.asarray(query(chosen.images)))


def sure(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """Return how far the likeliest class is ahead of the next, in log odds."""
    scores = np.sort(wm.BlackBox(model, scores=True).scores(images), axis=1)
    return np.log(scores[:, -1] + 1e-12) - np.log(scores[:, -2] + 1e-12)


def plain(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
    return learnt(name, bought(query, name, count, seed), seed, epochs)


def of_width(width: int) -> Callable:
    def thief(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
        return learnt(name, bought(query, name, count, seed), seed, epochs, width)

    return thief


def by_theft(**choices: object) -> Callable:
    """Return a thief who copies by a theft of the package."""

    def thief(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
        schedule = wm.Schedule(epochs=epochs, batch_size=64)
        theft = wm.theft.StealByQueries(count, seed=seed, schedule=schedule, **choices)
        return theft(query, network(name, seed + 100), task(name).loot).model

    return thief


def true_labels(count: int) -> Callable:
    """Return a thief who then trains on some true labels."""

    def thief(query: Callable, name: str, seed: int, queries: int, epochs: int) -> nn.Module:
        copy = plain(query, name, seed, queries, epochs)
        held = task(name).loot.take(slice(-count, None))
        return wm.theft.FineTune(epochs=5, lr=1e-3, seed=seed)(copy, held).model

    return thief


def drops_unsure(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
    """Leave out the 15 % of the answers that the copy is least sure about, and train anew."""
    answers = bought(query, name, count, seed)
    ahead = sure(learnt(name, answers, seed, epochs), answers.images)
    kept = answers.take(np.flatnonzero(ahead > np.quantile(ahead, 0.15)))
    return learnt(name, kept, seed, epochs)


def asks_near_ties(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
    """Spend half on any images, the rest on those that the copy is least sure about."""
    first = bought(query, name, count // 2, seed)
    rest = task(name).loot.take(slice(count // 2, None))
    ahead = sure(learnt(name, first, seed, epochs), rest.images)
    unsure = rest.take(np.argsort(ahead)[: count // 2])
    labels = np.asarray(query(unsure.images))
    pixels = np.concatenate([first.pixels, unsure.pixels])
    both = Split(pixels, np.concatenate([first.labels, labels]))
    return learnt(name, both, seed, epochs)


def shifts(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
    """Show each image moved by up to two pixels, too."""
    answers = bought(query, name, count, seed)
    moves = np.random.RandomState(seed).randint(-2, 3, (len(answers), 2))
    moved = np.stack([np.roll(image, move, (1, 2)) for image, move in zip(answers.pixels, moves)])
    both = Split(
        np.concatenate([answers.pixels, moved]), np.concatenate([answers.labels, answers.labels])
    )
    return learnt(name, both, seed, epochs)


def asks_two_owners(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
    """Ask another owner's leaning service, too, and learn from the mean of both scores."""
    other = OWNERS[name][(OWNERS[name].index(seed) + 1) % len(OWNERS[name])]
    second = service(name, other, "drawn", "service", 1.0)

    def both(images: np.ndarray) -> np.ndarray:
        return (query.scores(images) + second.scores(images)).argmax(1)

    return learnt(name, bought(both, name, count, seed), seed, epochs)


class RefusesNearTies:
    """A copy that gives no answer to the tenth of the images that it is least sure about."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, images: np.ndarray) -> np.ndarray:
        ahead = sure(self.model, images)
        return np.where(ahead > np.quantile(ahead, 0.1), wm.BlackBox(self.model)(images), -1)


INFORMED: dict[str, Callable] = {
    "width / 3": of_width(4),
    "width x 3": of_width(36),
    "soft labels": by_theft(labels="soft"),
    "500 true labels": true_labels(500),
    "2,000 true labels": true_labels(2_000),
    "5,000 true labels": true_labels(5_000),
    "drops 15 % least sure": drops_unsure,
    "asks near-ties": asks_near_ties,
    "shifts images": shifts,
    "asks two owners": asks_two_owners,
}
ON_FILES: dict[str, Callable] = {
    "pruned 50 %": wm.theft.Prune(0.5),
    "pruned 70 %": wm.theft.Prune(0.7),
    "4 bits": wm.theft.Quantize(4),
    "fine-tuned, 5,000 true labels": wm.theft.FineTune(),
    "fine-tuned, rate 0.001": wm.theft.FineTune(lr=1e-3),
}


# ---------------------------------------------------------------- rows


def suspect_of(case: Row) -> Callable:
    """Return what is asked in a case."""
    name, seed, draw = str(case["data"]), int(str(case["owner"])), str(case["draw"])
    where, size, suspect = str(case["where"]), float(str(case["size"])), str(case["suspect"])
    stolen = service(name, seed, draw, where, size)
    if suspect == "untouched":
        return wm.BlackBox(owner(name, seed))
    if suspect == "itself":
        return stolen
    if suspect in ON_FILES:
        loot = task(name).loot.take(slice(5_000))
        return wm.BlackBox(ON_FILES[suspect](stolen.model, loot).model)
    count, epochs = int(str(case["queries"])), int(str(case["epochs"]))
    if suspect == "photographs":
        return wm.BlackBox(by_theft(pool="unrelated")(stolen, name, seed, count, epochs))
    if suspect == "refuses near-ties":
        return RefusesNearTies(plain(stolen, name, seed, count, epochs))
    thief = INFORMED.get(suspect, plain)
    return wm.BlackBox(thief(stolen, name, seed, count, epochs))


def measure(case: Row) -> Row:
    """Ask one suspect, about the task and about the signs."""
    name, seed, draw = str(case["data"]), int(str(case["owner"])), str(case["draw"])
    suspect = suspect_of(case)
    tilt = lean(name, seed, draw, float(str(case["size"])))
    verdict = wm.evidence.verify_tilt(suspect, tilt)
    counted = (verdict.weights > 0).astype(int)
    test = task(name).test
    return {
        "task_accuracy": f"{np.mean(suspect(test.images) == test.labels):.4f}",
        "images": len(tilt.pixels),
        "matched": verdict.k,
        "signs": verdict.n,
        "p": f"{verdict.p:.3g}",
        "p_signs": f"{stats.signed_sum_p(counted, verdict.matched):.3g}",
    }


def cases(names: list[str]) -> Iterator[Row]:
    """Yield what is measured, the figures that lessons quote first."""
    drawn = ("drawn", "mirrored")
    for name, (where, size) in itertools.product(
        names, [("service", 1.0), ("weights", 1.0), ("service", 0.5)]
    ):
        for seed, draw in itertools.product(OWNERS[name], drawn):
            base = {"data": name, "owner": seed, "draw": draw, "where": where, "size": size}
            yield base | {"suspect": "untouched", "queries": "", "epochs": ""}
            yield base | {"suspect": "itself", "queries": "", "epochs": ""}
            few = (5_000, USUAL[name])
            for count in QUERIES[name] if where == "service" and size == 1 else few:
                yield base | {"suspect": "copies", "queries": count, "epochs": 6}
    for name in names:
        for seed, draw in itertools.product(OWNERS[name], drawn):
            base = {"data": name, "owner": seed, "draw": draw, "where": "service", "size": 1.0}
            for epochs in (2, 20):
                yield base | {"suspect": "copies", "queries": 5_000, "epochs": epochs}
            if name == "mnist":
                yield base | {"suspect": "photographs", "queries": 6_000, "epochs": 10}
            for suspect in (*INFORMED, "refuses near-ties"):
                yield base | {"suspect": suspect, "queries": USUAL[name], "epochs": 6}
            for where, suspect in itertools.product(("weights", "both"), ("itself", *ON_FILES)):
                row = base | {"where": where, "suspect": suspect, "queries": "", "epochs": ""}
                if not (where == "weights" and suspect == "itself"):
                    yield row


def innocents() -> None:
    """Ask innocents once, draw the signs by 2,000 real seals, and count who is found."""
    name = "mnist"
    first = lean(name, 8, "drawn", 1.0)
    suspects: dict[str, Callable] = {
        f"null-{i:02}": wm.BlackBox(null) for i, null in enumerate(wm.null_models(name, n=40))
    }
    suspects |= {f"owner {seed}": wm.BlackBox(owner(name, seed)) for seed in OWNERS[name]}
    suspects["always 7"] = lambda images: np.full(len(images), 7)
    suspects["at random"] = lambda images: np.random.RandomState(0).randint(0, 10, len(images))
    images = first.pixels.astype(np.float32) / np.float32(255)
    told = {each: np.asarray(ask(images)) for each, ask in suspects.items()}
    found = {each: [] for each in told}
    for number in range(KEYS):
        key = hashlib.sha256(b"innocents %d" % number).digest()
        sealed = seal_tilt(
            first.pixels, first.ruler, first.rules, size=first.size, test=first.test, key=key
        )
        for each, labels in told.items():
            verdict = wm.evidence.verify_tilt(lambda _, labels=labels: labels, sealed)
            found[each].append(verdict.p)
    columns = ("suspect", "keys", "at_05", "at_01", "at_001", "mean_p")
    table = _rows.Table(COMMAND + " innocents", columns[:2], columns[2:], INNOCENTS)
    rows = []
    for each, p_values in found.items():
        p = np.array(p_values)
        rows.append(
            {
                "suspect": each,
                "keys": KEYS,
                "at_05": int((p <= 0.05).sum()),
                "at_01": int((p <= 0.01).sum()),
                "at_001": int((p <= 0.001).sum()),
                "mean_p": f"{p.mean():.4f}",
            }
        )
    table.append(rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    asked = sys.argv[1:] or ["mnist", "cifar10", "innocents"]
    names = [name for name in OWNERS if name in asked]
    _rows.Table(COMMAND, CASE, MEASURED, RESULTS).fill(cases(names), measure)
    if "innocents" in asked:
        innocents()
