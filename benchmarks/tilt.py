"""Measure the mark that survives extraction: services that lean, thieves of every kind, innocents.

Each owner has a key of their own, and each lean is drawn twice: from the seal (draw "drawn") and
with every sign reversed ("mirrored"). One draw suits some networks by chance, and the results
should hold for the average draw. Owners hold the first 20,000 training images of MNIST (all 40,000
of CIFAR-10), thieves the rest, or the loot. Networks for CIFAR-10 train in mixed precision
(bfloat16), which takes half the time on a CPU that has it. Rows are written as soon as they are
known::

    OMP_NUM_THREADS=1 python benchmarks/tilt.py [mnist] [cifar10] [innocents]

`where` is "service" (answers lean), "weights" (the network was trained to lean), "both" (that, and
Content in the same network), "rotated" (a service that leans along secretly rotated axes) or
"chosen pairs" (one that leans by the signs that survived best in the copies of simulated thieves).
`suspect` is what is asked: the service or file itself, the owner's network without any lean
("untouched"), a network trained in the same way without the lean ("twin"), or a thief's. `p` is
that of the sealed weighted test, `p_signs` that of counting signs only, `p_bets` that of betting on
one sign after the other (not known for the oldest rows). `images` counts the question images. The
rows come from several runs on several machines, whose references differ a little: they disagree
about 1,624 or 1,623 digits, and 17,492 or 17,504 photographs. `content` counts the
secret answers to Content in a network that carries both, and `p_content` is their p-value.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import _rows
import numpy as np
import torch
from torch import nn

import wmlearn as wm
from wmlearn._random import stable_rng
from wmlearn.data.splits import Split
from wmlearn.evidence import stats
from wmlearn.evidence.tilt import SCALE, Ruler, TiltSet, seal_tilt
from wmlearn.training.models import DeepCNN
from wmlearn.triggers.unrelated import fit_pixels
from wmlearn.watermarks import Tilt, Tilted, embed_tilt
from wmlearn.watermarks.tilt import kin

RESULTS = _rows.FOLDER / "tilt.csv"
INNOCENTS = _rows.FOLDER / "tilt_innocents.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/tilt.py"
CASE = ("data", "owner", "draw", "where", "size", "suspect", "queries", "epochs")
MEASURED = (
    "task_accuracy",
    "images",
    "matched",
    "signs",
    "p",
    "p_signs",
    "p_bets",
    "content",
    "p_content",
)

OWNERS = {"mnist": (8, 9, 10, 11, 12), "cifar10": (8, 9)}
QUERIES = {
    "mnist": (1_000, 2_000, 5_000, 20_000, 30_000, 40_000),
    "cifar10": (2_000, 5_000, 10_000),
}
USUAL = {"mnist": 20_000, "cifar10": 10_000}  # queries of the thieves who know the method
# Where a lean is, and how large. Networks for photographs hesitate so often that a size of 1 costs
# them seven percentage points; there a quarter is the usual size, which all thefts are tried on.
LEANS = {
    "mnist": (("service", 1.0), ("weights", 1.0), ("service", 0.5), ("weights", 0.5)),
    "cifar10": (("service", 0.25), ("service", 1.0), ("service", 0.5), ("weights", 0.25)),
}
SIZE = {"mnist": 1.0, "cifar10": 0.25}
WIDTH = {"mnist": 12, "cifar10": 32}  # of the networks, as the package makes them
UNUSED = 2**40  # the spread of a pair that does not count
KEYS = 2_000  # real seals for the innocents
Row = dict[str, object]


class Mirrored(TiltSet):
    """The same lean with every sign reversed."""

    def check(self) -> TiltSet:
        return self  # these are not the sealed signs

    @functools.cached_property
    def signs(self) -> np.ndarray:
        return -super().signs


# ---------------------------------------------------------------- owners


@functools.cache
def task(name: str) -> wm.Splits:
    """Return a task as it is divided between owner and thief."""
    full = wm.load_data(name, size="full")
    own, loot = full.train, full.loot
    if name == "mnist":
        own, loot = full.train.take(slice(20_000)), full.train.take(slice(20_000, None))
    return wm.Splits(name, own, loot, full.test, full.classes)


@functools.cache
def photographs(name: str) -> Split:
    """Return the photographs of the full CIFAR-10, converted to the format of a task's images."""
    other = wm.load_data("cifar10", size="full").train
    return Split(fit_pixels(other.pixels, task(name).shape), other.labels)


class MixedDeepCNN(DeepCNN):
    """The package's network for photographs, which trains in mixed precision."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.training):
            return super().forward(images).float()


def mixed_deep_cnn(data: wm.Splits, *, width: int = 32, seed: int = 0) -> MixedDeepCNN:
    """Return the same untrained network as `deep_cnn`."""
    model = MixedDeepCNN(data.shape, len(data.classes), width)
    model.load_state_dict(wm.training.deep_cnn(data, width=width, seed=seed).state_dict())
    return model


MAKES = {"mnist": wm.small_cnn, "cifar10": mixed_deep_cnn}


def network(name: str, seed: int, width: int | None = None) -> nn.Module:
    """Return an untrained network of the kind that a task's owners and thieves use."""
    options = {} if width is None else {"width": width}
    return MAKES[name](task(name), seed=seed, **options)


@functools.cache
def references(name: str) -> list[nn.Module]:
    """Return ten networks of the owners' kind, each trained on two fifths of their images."""
    return kin(task(name), 10, MAKES[name], wm.Schedule(epochs=5), seed=0)


@functools.cache
def owner(name: str, seed: int) -> nn.Module:
    """Return an owner's network without any mark."""
    schedule = wm.Schedule(epochs=5)
    return wm.fit(network(name, seed), task(name), schedule=schedule, seed=seed).model


@functools.cache
def questions(name: str) -> TiltSet:
    """Return a tilt for its question images and its statistic, which depend on no key."""
    return Tilt()(task(name), references=references(name), key=bytes(32))


@functools.cache
def lean(name: str, seed: int, draw: str, size: float, where: str = "service") -> TiltSet:
    """Return an owner's sealed signs."""
    usual = questions(name)
    rulers = {
        "rotated": lambda: rotated(name, seed),
        "chosen pairs": lambda: with_chosen_pairs(name, seed, size),
    }
    ruler = rulers.get(where, lambda: usual.ruler)()
    key = bytes([seed]) * 32
    tilt = seal_tilt(usual.pixels, ruler, usual.rules, size=size, test=usual.test, key=key)
    if where == "chosen pairs":
        kind = MirroredChosen if draw == "mirrored" else Chosen
        return kind(**vars(tilt))
    return Mirrored(**vars(tilt)) if draw == "mirrored" else tilt


@functools.cache
def rotated(name: str, seed: int) -> Ruler:
    """Return a statistic that measures a suspect along secretly rotated axes."""
    tilt = questions(name)
    rng = stable_rng([seed, 700])
    turn, _ = np.linalg.qr(rng.normal(size=(16, 16)))
    old = tilt.ruler
    projection, centre = (
        np.rint(turn @ part).astype(np.int64) for part in (old.projection, old.centre)
    )
    draft = replace(old, projection=projection, centre=centre, middle=np.zeros(16, np.int64))
    middle = np.rint(draft.features(tilt.pixels).mean(0)).astype(np.int64)
    draft = replace(draft, middle=middle)
    images = tilt.pixels.astype(np.float32) / np.float32(255)
    leaning = [draft.statistic(wm.BlackBox(each)(images), tilt.pixels) for each in references(name)]
    spread = np.rint(np.std(leaning, axis=0, ddof=1)).astype(np.int64)
    return replace(draft, spread=np.maximum(spread, 1))


class Chosen(TiltSet):
    """Signs for some pairs of class and feature only; services lean by these alone, equally
    strongly.
    """

    def check(self) -> TiltSet:
        return self  # these are not all sealed signs

    @functools.cached_property
    def signs(self) -> np.ndarray:
        kept = self.ruler.spread < UNUSED
        return super().signs * kept

    def lean(self, images: np.ndarray) -> np.ndarray:
        kept = self.ruler.spread < UNUSED
        return super().lean(images) / np.sqrt(kept.mean())


class MirroredChosen(Chosen, Mirrored):
    """The same lean, by the same pairs, with every sign reversed."""


@functools.cache
def with_chosen_pairs(name: str, seed: int, size: float) -> Ruler:
    """Return a statistic of only that half of the pairs which survived best in simulated thefts.

    Before the real signs are drawn, four services lean by the signs of four other keys, and thieves
    with the owner's own images learn from 5,000 answers of each.
    """
    tilt = questions(name)
    images = tilt.pixels.astype(np.float32) / np.float32(255)
    ruler, rules = tilt.ruler, tilt.rules
    clear = np.zeros(ruler.spread.shape)
    for number in range(4):
        key = stable_rng([seed, 800 + number]).bytes(32)
        tried = seal_tilt(tilt.pixels, ruler, rules, size=size, test=tilt.test, key=key)
        query = Tilted(wm.BlackBox(owner(name, seed), scores=True), tried)
        some = stable_rng([seed, 900 + number]).permutation(len(task(name).train))[:5_000]
        own = task(name).train.take(some)
        answers = Split(own.pixels, query(own.images))
        copy = learnt(name, answers, seed + 400 + number, epochs=6)
        statistic = ruler.statistic(wm.BlackBox(copy)(images), tilt.pixels)
        clear += tried.signs * np.clip(statistic / ruler.spread, -4, 4)
    return replace(ruler, spread=np.where(clear >= np.median(clear), ruler.spread, UNUSED))


@functools.cache
def triggers(name: str, seed: int) -> wm.evidence.TriggerSet:
    """Return an owner's triggers, for networks that carry both marks."""
    return wm.Content(words=30)(task(name), n=150, key=bytes([seed]) * 32)


@functools.cache
def service(
    name: str, seed: int, draw: str, where: str, size: float, *, leans: bool = True
) -> wm.BlackBox | Tilted:
    """Return the service that thieves may query; it returns scores on request.

    leans : False for the twin, which is trained in the same way without any lean
    """
    model, tilt = owner(name, seed), lean(name, seed, draw, size, where)
    if where not in ("weights", "both"):
        return Tilted(wm.BlackBox(model, scores=True), tilt)
    own = triggers(name, seed) if where == "both" else None
    if not leans:
        tilt = seal_tilt(
            tilt.pixels, tilt.ruler, tilt.rules, size=1e-9, test=tilt.test, key=tilt.key
        )
    fresh = network(name, seed + 50)
    made = embed_tilt(fresh, task(name), tilt, teacher=model, triggers=own, seed=seed)
    return wm.BlackBox(made.model, scores=True)


# ---------------------------------------------------------------- thieves


def learnt(
    name: str,
    images: Split,
    seed: int,
    epochs: int,
    width: int | None = None,
    loss: Callable | None = None,
) -> nn.Module:
    """Return a thief's network, trained on a service's answers."""
    schedule = wm.Schedule(epochs=epochs, batch_size=64)
    fresh = network(name, seed + 100, width)
    return wm.fit(fresh, images, schedule=schedule, seed=seed, loss=loss).model


def bought(query: Callable, name: str, count: int, seed: int) -> Split:
    """Return the thief's own images with a service's labels; a thief who asks more than those also
    has the images that the package keeps for thieves.
    """
    own = task(name).loot
    if count > len(own):
        more = wm.load_data(name, size="full").loot
        own = Split(np.concatenate([own.pixels, more.pixels]), np.append(own.labels, more.labels))
    chosen = own.take(np.random.RandomState(seed).permutation(len(own))[:count])
    return Split(chosen.pixels, np.asarray(query(chosen.images)))


def sure(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """Return how far the likeliest class is ahead of the next, in log odds."""
    scores = np.sort(wm.BlackBox(model, scores=True).scores(images), axis=1)
    return np.log(scores[:, -1] + 1e-12) - np.log(scores[:, -2] + 1e-12)


def plain(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
    return learnt(name, bought(query, name, count, seed), seed, epochs)


def of_width(times: float) -> Callable:
    def thief(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
        return learnt(
            name, bought(query, name, count, seed), seed, epochs, round(times * WIDTH[name])
        )

    return thief


def by_loss(loss: Callable) -> Callable:
    def thief(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
        return learnt(name, bought(query, name, count, seed), seed, epochs, loss=loss)

    return thief


def generalised(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the loss of Zhang and Sabuncu (2018), q = 0.7: labels that do not fit weigh less."""
    right = scores.softmax(1).gather(1, labels[:, None])
    return ((1 - right**0.7) / 0.7).mean()


def by_theft(**choices: object) -> Callable:
    """Return a thief who copies with a theft of the package."""

    def thief(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
        schedule = wm.Schedule(epochs=epochs, batch_size=64)
        theft = wm.theft.StealByQueries(count, seed=seed, schedule=schedule, **choices)
        return theft(query, network(name, seed + 100), task(name).loot).model

    return thief


def true_labels(count: int, thief: Callable = plain) -> Callable:
    """Return a thief who also trains on some true labels afterwards."""

    def then_trains(query: Callable, name: str, seed: int, queries: int, epochs: int) -> nn.Module:
        copy = thief(query, name, seed, queries, epochs)
        held = task(name).loot.take(slice(-count, None))
        return wm.theft.FineTune(epochs=5, lr=1e-3, seed=seed)(copy, held).model

    return then_trains


def drops_unsure(share: float) -> Callable:
    """Return a thief who drops the answers about which a copy is least sure."""

    def thief(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
        answers = bought(query, name, count, seed)
        ahead = sure(learnt(name, answers, seed, epochs), answers.images)
        kept = answers.take(np.flatnonzero(ahead > np.quantile(ahead, share)))
        return learnt(name, kept, seed, epochs)

    return thief


class Against:
    """A copy that leans against the signs as a thief estimates them."""

    def __init__(self, copy: nn.Module, ruler: Ruler, signs: np.ndarray, size: float) -> None:
        self.copy, self.ruler = copy, ruler
        self.signs = size / np.sqrt(signs.shape[1]) * signs

    def __call__(self, images: np.ndarray) -> np.ndarray:
        pixels = np.rint(255 * images).astype(np.uint8)
        features = self.ruler.features(pixels) / SCALE
        scores = np.log(wm.BlackBox(self.copy, scores=True).scores(images) + 1e-12)
        return (scores - features @ self.signs.T).argmax(1)


def subtracts(query: Callable, name: str, seed: int, count: int, epochs: int) -> Against:
    """Estimate the signs as the owner would test them, with 5,000 true labels and exactly the
    owner's features, and lean against them.
    """
    answers = bought(query, name, count, seed)
    held, ruler = task(name).loot.take(slice(-5_000, None)), lean(name, seed, "drawn", 1.0).ruler
    said = np.eye(len(task(name).classes))
    expected = np.zeros((len(answers), len(said)))
    for number in range(4):
        schedule = wm.Schedule(epochs=8, batch_size=64)
        honest = wm.fit(network(name, seed + 300 + number), held, schedule=schedule, seed=number)
        expected += said[wm.BlackBox(honest.model)(answers.images)] / 4
    features = ruler.features(answers.pixels)
    leaning = (said[answers.labels] - expected).T @ (features - features.mean(0))
    copy = learnt(name, answers, seed, epochs)
    return Against(copy, ruler, np.sign(leaning), SIZE[name])


def asks_near_ties(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
    """Spend half of the queries on any images, the rest on those of which the copy is least
    sure.
    """
    first = bought(query, name, count // 2, seed)
    rest = task(name).loot.take(slice(count // 2, None))
    ahead = sure(learnt(name, first, seed, epochs), rest.images)
    unsure = rest.take(np.argsort(ahead)[: count // 2])
    labels = np.asarray(query(unsure.images))
    pixels = np.concatenate([first.pixels, unsure.pixels])
    both = Split(pixels, np.concatenate([first.labels, labels]))
    return learnt(name, both, seed, epochs)


def shifts(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
    """Also train on each image shifted by up to two pixels."""
    answers = bought(query, name, count, seed)
    moves = np.random.RandomState(seed).randint(-2, 3, (len(answers), 2))
    moved = np.stack([np.roll(image, move, (1, 2)) for image, move in zip(answers.pixels, moves)])
    both = Split(
        np.concatenate([answers.pixels, moved]), np.concatenate([answers.labels, answers.labels])
    )
    return learnt(name, both, seed, epochs)


def asks_two_owners(query: Callable, name: str, seed: int, count: int, epochs: int) -> nn.Module:
    """Also query another owner's leaning service, and learn from the mean of both scores."""
    other = OWNERS[name][(OWNERS[name].index(seed) + 1) % len(OWNERS[name])]
    second = service(name, other, "drawn", "service", SIZE[name])

    def both(images: np.ndarray) -> np.ndarray:
        return (query.scores(images) + second.scores(images)).argmax(1)

    return learnt(name, bought(both, name, count, seed), seed, epochs)


class RefusesNearTies:
    """A copy that gives no answer to the tenth of the images of which it is least sure."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __call__(self, images: np.ndarray) -> np.ndarray:
        ahead = sure(self.model, images)
        return np.where(ahead > np.quantile(ahead, 0.1), wm.BlackBox(self.model)(images), -1)


class TossesCoins:
    """A copy that chooses at random between the two likeliest classes if its certainty is below a
    threshold, which applies to a twentieth of the task's images.
    """

    def __init__(self, model: nn.Module, images: np.ndarray) -> None:
        self.model, self.threshold = model, np.quantile(sure(model, images), 0.05)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        order = np.argsort(wm.BlackBox(self.model, scores=True).scores(images), axis=1)
        tails = np.random.RandomState(0).rand(len(images)) < 0.5
        tossed = tails & (sure(self.model, images) < self.threshold)
        return np.where(tossed, order[:, -2], order[:, -1])


def refuses(query: Callable, name: str, seed: int, count: int, epochs: int) -> Callable:
    return RefusesNearTies(plain(query, name, seed, count, epochs))


def tosses(query: Callable, name: str, seed: int, count: int, epochs: int) -> Callable:
    return TossesCoins(plain(query, name, seed, count, epochs), task(name).test.images)


def leans_too(query: Callable, name: str, seed: int, count: int, epochs: int) -> Callable:
    """Let the copy lean by the thief's own signs."""
    copy = wm.BlackBox(plain(query, name, seed, count, epochs), scores=True)
    return Tilted(copy, lean(name, seed + 100, "drawn", SIZE[name]))


INFORMED: dict[str, Callable] = {
    "width / 3": of_width(1 / 3),
    "width x 3": of_width(3),
    "soft labels": by_theft(labels="soft"),
    "500 true labels": true_labels(500),
    "2,000 true labels": true_labels(2_000),
    "5,000 true labels": true_labels(5_000),
    "label smoothing": by_loss(nn.CrossEntropyLoss(label_smoothing=0.2)),
    "noise-robust loss": by_loss(generalised),
    "drops 5 % least sure": drops_unsure(0.05),
    "drops 15 % least sure": drops_unsure(0.15),
    "drops 15 %, then 2,000 true labels": true_labels(2_000, drops_unsure(0.15)),
    "subtracts what it can tell": subtracts,
    "asks near-ties": asks_near_ties,
    "shifts images": shifts,
    "asks two owners": asks_two_owners,
    "refuses near-ties": refuses,
    "tosses coins": tosses,
    "leans too": leans_too,
}
ON_FILES: dict[str, wm.theft.Theft] = {
    "pruned 50 %": wm.theft.Prune(0.5),
    "pruned 70 %": wm.theft.Prune(0.7),
    "channels pruned 20 %": wm.theft.Prune(0.2, by="channel"),
    "4 bits": wm.theft.Quantize(4),
    "weights shaken, 0.3": wm.theft.PerturbWeights(0.3),
    "fine-tuned, 5,000 true labels": wm.theft.FineTune(),
    "last layer anew, 5,000 true labels": wm.theft.FineTune(layers="last", reset=True),
    "pruned and fine-tuned": wm.theft.FinePrune(0.3),
    "blurred": wm.theft.Blur(0.5),
    "compressed": wm.theft.Jpeg(50),
    "rejects unusual": wm.theft.RejectUnusual(),
    "rounded to 2 levels": wm.theft.Squeeze(1),
    "noise added, 0.1": wm.theft.AddNoise(0.1),
}
VOTES = "votes with two owners' files"
OVERWRITTEN = "overwritten, 5,000 true labels"  # by a mark of the thief, who holds the last key


def votes(name: str, seed: int, where: str, size: float, stolen: Callable) -> Callable:
    """Return a service that asks this stolen file and those of two other owners who lean."""
    place = OWNERS[name].index(seed)
    others = [OWNERS[name][(place + step) % len(OWNERS[name])] for step in (1, 2)]
    asked = [stolen, *(service(name, other, "drawn", where, size) for other in others)]
    return wm.theft.Vote(asked)


def overwriting(name: str, loot: Split) -> wm.theft.Theft:
    """Return the theft that embeds the thief's own thirty words into the owner's file."""
    held = replace(task(name), train=loot, loot=None)
    own = wm.Content(words=30)(held, n=150, key=bytes([255]) * 32)
    return wm.theft.Overwrite(own)


# ---------------------------------------------------------------- rows


def suspect_of(case: Row) -> Callable:
    """Return the suspect of a case."""
    name, seed, draw = str(case["data"]), int(str(case["owner"])), str(case["draw"])
    where, size, suspect = str(case["where"]), float(str(case["size"])), str(case["suspect"])
    stolen = service(name, seed, draw, where, size)
    if suspect == "untouched":
        return wm.BlackBox(owner(name, seed))
    if suspect == "itself":
        return stolen
    if suspect == "twin":
        return service(name, seed, draw, where, size, leans=False)
    if suspect == VOTES:
        return votes(name, seed, where, size, stolen)
    if suspect in (*ON_FILES, OVERWRITTEN):
        loot = task(name).loot.take(slice(5_000))
        fresh = network(name, seed + 100)
        context = wm.theft.Context(loot, lambda: fresh, seed)
        theft = ON_FILES.get(suspect) or overwriting(name, loot)
        return theft.deploy(stolen.model, context).query
    count, epochs = int(str(case["queries"])), int(str(case["epochs"]))
    if suspect == "photographs":
        return wm.BlackBox(by_theft(pool=photographs(name))(stolen, name, seed, count, epochs))
    deployed = INFORMED.get(suspect, plain)(stolen, name, seed, count, epochs)
    return wm.BlackBox(deployed) if isinstance(deployed, nn.Module) else deployed


def measure(case: Row) -> Row:
    """Measure one suspect's task accuracy and its signs."""
    name, seed, draw = str(case["data"]), int(str(case["owner"])), str(case["draw"])
    suspect = suspect_of(case)
    where = str(case["where"])
    tilt = lean(name, seed, draw, float(str(case["size"])), where)
    verdict = wm.evidence.verify_tilt(suspect, tilt)
    counted = (verdict.weights > 0).astype(int)
    test = task(name).test
    measured: Row = {
        "task_accuracy": f"{np.mean(suspect(test.images) == test.labels):.4f}",
        "images": len(tilt.pixels),
        "matched": verdict.k,
        "signs": verdict.n,
        "p": f"{verdict.p:.3g}",
        "p_signs": f"{stats.signed_sum_p(counted, verdict.matched):.3g}",
        "p_bets": f"{stats.anytime_p(stats.signed_wealth(verdict.weights, verdict.matched)):.3g}",
        "content": "",
        "p_content": "",
    }
    if where == "both":
        content = wm.verify(suspect, triggers(name, seed))
        measured |= {"content": content.k, "p_content": f"{content.p:.3g}"}
    return measured


def cases(names: list[str]) -> Iterator[Row]:
    """Yield the cases to measure, beginning with those that lessons quote."""
    drawn = ("drawn", "mirrored")
    file = {"queries": "", "epochs": ""}
    for name, (where, size) in [(each, kind) for each in names for kind in LEANS[each]]:
        every = where == "service" and size in (1, SIZE[name])
        for seed, draw in itertools.product(OWNERS[name], drawn):
            base = {"data": name, "owner": seed, "draw": draw, "where": where, "size": size}
            yield base | {"suspect": "untouched"} | file
            yield base | {"suspect": "itself"} | file
            for count in QUERIES[name] if every else (5_000, USUAL[name]):
                yield base | {"suspect": "copies", "queries": count, "epochs": 6}
    for place, name in itertools.product(range(5), names):
        for seed, draw in itertools.product(OWNERS[name][place : place + 1], drawn):
            base = {"data": name, "owner": seed, "draw": draw, "where": "service"}
            base["size"] = SIZE[name]
            for epochs in (2, 20):
                yield base | {"suspect": "copies", "queries": 5_000, "epochs": epochs}
            if name == "mnist":
                yield base | {"suspect": "photographs", "queries": 10_000, "epochs": 10}
            for suspect in INFORMED:
                yield base | {"suspect": suspect, "queries": USUAL[name], "epochs": 6}
            for where, suspect in itertools.product(
                ("weights", "both"), ("itself", "twin", *ON_FILES, OVERWRITTEN)
            ):
                if (where, suspect) != ("weights", "itself"):
                    yield base | {"where": where, "suspect": suspect} | file
            if len(OWNERS[name]) > 2:
                yield base | {"where": "weights", "suspect": VOTES} | file
            yield base | {"where": "both", "suspect": "copies", "queries": USUAL[name], "epochs": 6}
            for where in ("rotated", "chosen pairs"):
                for suspect, count in (("itself", ""), ("copies", 2_000), ("copies", 5_000)):
                    row = base | {"where": where, "suspect": suspect, "queries": count}
                    yield row | {"epochs": 6 if count else ""}
            row = base | {"where": "rotated", "suspect": "subtracts what it can tell"}
            yield row | {"queries": USUAL[name], "epochs": 6}


def strangers(name: str) -> dict[str, Callable]:
    """Return suspects that are independent of the key: 40 null models, and others of many kinds."""
    data, box = task(name), wm.BlackBox
    suspects = {f"null-{i:02}": box(null) for i, null in enumerate(wm.null_models(name, n=40))}
    suspects |= {f"owner {seed}": box(owner(name, seed)) for seed in OWNERS[name]}
    another = service(name, 9, "drawn", "service", 1.0)
    suspects["another owner's leaning service"] = another
    suspects["a copy of that service"] = box(plain(another, name, 9, 5_000, 6))
    fits = functools.partial(wm.fit, schedule=wm.Schedule(epochs=5), seed=0)
    for width in (4, 36):
        suspects[f"width {width}"] = box(fits(network(name, 70, width), data.loot).model)
    pixels = int(np.prod(data.shape))
    flat = nn.Sequential(nn.Flatten(), nn.Linear(pixels, len(data.classes)))
    suspects["linear"] = box(fits(flat, data.loot).model)
    middles = [data.loot.images[data.loot.labels == c].mean(0).ravel() for c in range(10)]
    suspects["nearest mean"] = lambda images: np.argmin(
        [((images.reshape(len(images), -1) - each) ** 2).sum(1) for each in middles], axis=0
    )
    suspects["always 7"] = lambda images: np.full(len(images), 7)
    suspects["at random"] = lambda images: np.random.RandomState(0).randint(0, 10, len(images))
    half = suspects["null-00"]
    suspects["answers half"] = lambda images: np.where(np.arange(len(images)) % 2, half(images), -1)
    return suspects


def innocents() -> None:
    """Ask innocents once, draw the signs from 2,000 real seals, and count who is found.

    `level_001` is the probability of p <= 0.001 under the exact law, given the suspect's answers.
    """
    name = "mnist"
    first = lean(name, 8, "drawn", 1.0)
    images = first.pixels.astype(np.float32) / np.float32(255)
    told = {each: np.asarray(ask(images)) for each, ask in strangers(name).items()}
    found = {(each, test): [] for each in told for test in ("weighted", "signs", "bets")}
    levels = {}
    for number in range(KEYS):
        key = hashlib.sha256(b"innocents %d" % number).digest()
        sealed = seal_tilt(
            first.pixels, first.ruler, first.rules, size=first.size, test=first.test, key=key
        )
        for each, labels in told.items():
            verdict = wm.evidence.verify_tilt(lambda _, labels=labels: labels, sealed)
            weights, matched = verdict.weights, verdict.matched
            counted = (weights > 0).astype(int)
            found[each, "weighted"].append(verdict.p)
            found[each, "signs"].append(stats.signed_sum_p(counted, matched))
            path = stats.signed_wealth(weights, matched)
            found[each, "bets"].append(stats.anytime_p(path))
            levels[each] = {"weighted": attained(weights), "signs": attained(counted)}
    table = _rows.Table(
        COMMAND + " innocents",
        ("suspect", "test"),
        ("keys", "at_05", "at_01", "at_001", "level_001", "mean_p"),
        INNOCENTS,
    )
    table.append(
        {
            "suspect": each,
            "test": test,
            "keys": KEYS,
            "at_05": int(np.sum(np.array(p) <= 0.05)),
            "at_01": int(np.sum(np.array(p) <= 0.01)),
            "at_001": int(np.sum(np.array(p) <= 0.001)),
            "level_001": levels[each].get(test, ""),
            "mean_p": f"{np.mean(p):.4f}",
        }
        for (each, test), p in found.items()
    )


def attained(weights: np.ndarray) -> str:
    """Return the largest tail probability up to 0.001 of the sum of coins."""
    tails = stats.signed_sum_law(weights)[::-1].cumsum()
    return f"{max(tails[tails <= 0.001], default=0):.3g}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    asked = sys.argv[1:] or ["mnist", "cifar10", "innocents"]
    names = [name for name in OWNERS if name in asked]
    _rows.Table(COMMAND, CASE, MEASURED, RESULTS).fill(cases(names), measure)
    if "innocents" in asked:
        innocents()
