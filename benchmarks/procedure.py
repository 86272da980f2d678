"""How often does the whole procedure say `found` of an innocent, whatever a dishonest owner does?

`false_alarms.py` measures the error rate of the rule. This script measures that of the results
people read: of `wm.verify`, the owner's own test; of `judge`, who trusts nobody; and of the command
line's exit code. Each liar does what is possible with real seals (scrypt, 54 ms each):

none
    An honest owner with one seal: the baseline for all other rates.
grinding
    Seal after seal under new keys; the one that suits the suspect best is shown. The judge names 20
    of its 30 questions by dice.
tweaking
    The luckiest of 2^12 seals, one pixel changed by 1/255, sealed again.
ordering
    The owner hands over the named questions in an order of their own: matched ones first.
windows
    The judge asks twenty consecutive questions, and the owner may choose where they start.
alpha
    Sealed with an alpha above .05. Sealing refuses that; an old set, or a forged one, may hold it.
nulls
    Fixed labels, and null models that suit the owner: one of them 999 times over, or null models of
    another kind than the innocents. The latter are five MLPs, a forest of random trees, one such
    tree, an SVM on random features, nearest neighbours and logistic regression; the 40 null models
    that ship are the witnesses, for all nine targets.
drawn targets
    Fixed labels whose target the seal draws, sealed again until the target is one that the suspect
    answers anyway, in a task of 100 classes (two of the networks read the tens and the ones).
clean images
    The owner's own choice for `clean=`: the trigger images, with the secret labels.
families
    Suspect after suspect, 20 in all; the owner declares one test, then two, then three ...
replays
    Mallory has what Alice once opened, and submits it to a judge against Alice's own service.
looking again
    A look after each question at a service that is random: it throws dice, is spread over four
    networks, picture by picture or request by request, or adds fresh noise (0.3) to its inputs.
    `wm.SequentialTest` asks each image once. Beside it is the loop that breaks the guarantee:
    `wm.verify(questions=n)` run afresh for each n.
beacon
    The seal names a public draw. A seal made after the outcome is known cannot be shown to be
    older, and the judge's factor stays 2^48. For seals made before it, the judge counts those
    published.

The innocents are the null models that ship, the ten others, and all fifty once more behind a
service that mirrors its inputs. None was trained on a trigger. They answer alike and are accused by
the same seals. So where one pool of seals is tried on all of them, the runs of a row are not
independent, and
`p_above` is only an indication. The columns::

    liar, setting       as above, and how far they go
    reader, alpha       who decides, at which bound; `verify` reads the owner's alpha
    runs, found         attempts, and those that ended with `found`, or exit code 0
    share, bound        found / runs, and what is promised
    p_above             one-sided binomial P of at least so many, if the bound is true
    word                the verdict as read: that of the runs found, otherwise the most common one

Verdicts at the smaller alphas are computed from the answers given at the largest. Where `share`
exceeds `bound`, either the word states its condition (`found, if this was the only seal`; `the seal
names no owner`), or the reader is named after the mistake. Two lies are not covered by that word:
clean images of the owner's choice, and a deleted log. The judge accepts no such images, and anyone
with the published head rejects such a log. It takes about twenty minutes; rows in the file are
kept::

    OMP_NUM_THREADS=1 python benchmarks/procedure.py
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from _rows import FOLDER, Row, Table
from scipy.stats import binomtest
from torch import nn
from torch.nn import functional

import wmlearn as wm
from wmlearn import cli
from wmlearn.data.splits import Split
from wmlearn.evidence import commitment, stats
from wmlearn.evidence.log import LOG
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import TriggerSet, seal_triggers

RESULTS = FOLDER / "procedure.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/procedure.py"
CASE = ("liar", "setting", "reader", "alpha")
MEASURED = ("runs", "found", "share", "bound", "p_above", "word")
TABLE = Table(COMMAND, CASE, MEASURED, RESULTS)

ALPHAS = (0.05, 0.01, 0.001)
POWERS = (8, 12)
SEALS = 2 ** max(POWERS)  # ground
RUNS, FEWER = 600, 100  # where a run is cheap, and where it takes seconds
AT_ONCE = 2  # threads; scrypt runs outside Python's lock
OUTCOME = "4 1 6"
FORGED = (0.5, 0.9999999)
IN_A_ROW, LOOKS, AGAIN, SUSPECTS, LOOPS = 20, 100, 50, 20, 200
KINDS = {"noise": wm.Noise, "unrelated": wm.Unrelated, "content": wm.Content}


class Told(NamedTuple):
    """What one reader learns at the end of one run: whether it is `found`, and the word for it."""

    found: bool
    word: str


Readings = Callable[[float], Sequence[Told]]  # from an alpha to what was told, run by run


class Case(NamedTuple):
    """A row of the table that is still to be measured, at each of its alphas."""

    liar: str
    setting: str
    reader: str
    read: Readings
    alphas: Sequence[float] = ALPHAS
    bound: float | None = None  # alpha, where it is left out


def told(verdict: object) -> Told:
    """Return what a verdict tells its reader."""
    return Told(verdict.decision == "found", verdict.conclusion)


def at(verdict: object, alpha: float) -> object:
    """Return the verdict that another alpha, the owner's or the judge's, would give."""
    return replace(verdict, terms=replace(verdict.terms, alpha=alpha))


# ---------------------------------------------------------------- innocents


class Trees(nn.Module):
    """A given number of random trees whose leaves vote.

    Source
    ------
    Geurts et al. (2006), "Extremely randomized trees", with K = 1.
    """

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, trees: int, seed: int) -> None:
        super().__init__()
        draw = np.random.RandomState(seed)
        self.trees = [grown(pixels, labels, draw) for _ in range(trees)]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the mean shares of the classes in the leaves that the images reach."""
        flat = images.flatten(1).numpy()
        votes = [np.stack([leaf_of(tree, image) for image in flat]) for tree in self.trees]
        return torch.from_numpy(np.mean(votes, axis=0))


def grown(pixels: np.ndarray, labels: np.ndarray, draw: np.random.RandomState) -> object:
    """Return a tree: a leaf's shares of the classes, or pixel, threshold and two smaller trees."""
    spread = np.flatnonzero(np.ptp(pixels, axis=0))
    if len(labels) < 10 or len(np.unique(labels)) == 1 or not len(spread):
        return np.bincount(labels, minlength=10) / len(labels)
    place = draw.choice(spread)
    line = draw.uniform(pixels[:, place].min(), pixels[:, place].max())
    left = pixels[:, place] <= line
    below = grown(pixels[left], labels[left], draw)
    return place, line, below, grown(pixels[~left], labels[~left], draw)


def leaf_of(tree: object, image: np.ndarray) -> np.ndarray:
    """Return the shares of the classes in the leaf that an image reaches."""
    while isinstance(tree, tuple):
        place, line, below, above = tree
        tree = below if image[place] <= line else above
    return tree


class Neighbours(nn.Module):
    """The five nearest images vote."""

    def __init__(self, pixels: torch.Tensor, labels: torch.Tensor) -> None:
        super().__init__()
        self.pixels, self.labels = pixels, labels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return how many of the five neighbours belong to each class."""
        near = torch.cdist(images.flatten(1), self.pixels).topk(5, largest=False).indices
        return functional.one_hot(self.labels[near], 10).sum(dim=1).float()


class Waves(nn.Module):
    """Random Fourier features: a linear machine on them approximates one with a Gaussian kernel.

    Source
    ------
    Rahimi and Recht (2007), "Random features for large-scale kernel machines".
    """

    def __init__(self, features: int = 500, width: float = 0.05) -> None:
        super().__init__()
        self.register_buffer("slopes", width * torch.randn(784, features))
        self.register_buffer("shifts", 2 * torch.pi * torch.rand(features))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of each image."""
        return torch.cos(images.flatten(1) @ self.slopes + self.shifts)


def taught(model: nn.Module, loss: Callable, split: Split, steps: int = 300) -> nn.Module:
    """Train a small model for a second."""
    pixels, labels = torch.from_numpy(split.images), torch.from_numpy(split.labels)
    adam = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(steps):
        batch = torch.arange(64 * step, 64 * (step + 1)) % len(labels)
        adam.zero_grad()
        loss(model(pixels[batch]), labels[batch]).backward()
        adam.step()
    return model.eval()


@functools.cache
def other_kinds() -> dict[str, nn.Module]:
    """Return ten innocents of other kinds than the null models that ship, by name."""
    torch.manual_seed(1)
    split = wm.load_data("mnist").train
    flat = split.images.reshape(len(split), -1)
    cross, hinge = functional.cross_entropy, functional.multi_margin_loss
    others: dict[str, nn.Module] = {}
    for width in (16, 32, 64, 128, 256):
        layers = nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10)
        others[f"MLP {width}"] = taught(nn.Sequential(*layers), cross, split)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    others["logistic regression"] = taught(linear, cross, split)
    others["SVM"] = taught(nn.Sequential(Waves(), nn.Linear(500, 10)), hinge, split)
    others["tree"] = Trees(flat, split.labels, trees=1, seed=1).eval()
    others["forest"] = Trees(flat, split.labels, trees=30, seed=2).eval()
    known = torch.from_numpy(flat), torch.from_numpy(split.labels)
    others["nearest neighbours"] = Neighbours(*known).eval()
    return others


@functools.cache
def nulls() -> list[nn.Module]:
    """Return the null models that ship."""
    return wm.null_models("mnist", n=40)


def innocents(images: np.ndarray) -> np.ndarray:
    """Return the labels of a hundred innocent services, shape (100, images)."""
    models = [*nulls(), *other_kinds().values()]
    mirrored = np.ascontiguousarray(images[..., ::-1])
    plain = [wm.BlackBox(model)(images) for model in models]
    return np.stack([*plain, *(wm.BlackBox(model)(mirrored) for model in models)])


def remembering(triggers: wm.Triggers, labels: np.ndarray) -> Callable:
    """Return a service that gives each trigger image its label, in whatever order they come."""
    known = dict(zip((image.tobytes() for image in triggers.images), labels))
    return lambda images: np.array([known[image.tobytes()] for image in images])


# ---------------------------------------------------------------- seals


@dataclass(frozen=True, eq=False)
class Pool:
    """The same images under many keys: many seals, each with labels of its own.

    Parameters
    ----------
    name : from which the keys are made: they are not secret, so the file can be made again
    base : the images and their questions
    rules : what is sealed with them
    size : how many seals
    outcome : that of the public draw, if the rules name one
    """

    name: str
    base: TriggerSet
    rules: Rules
    size: int
    outcome: str = ""

    def __getitem__(self, number: int) -> TriggerSet:
        base = self.base
        key = hashlib.sha256(f"procedure/{self.name}/{number}".encode()).digest()
        sealed = seal_triggers(
            base.pixels, base.question, base.names, rules=self.rules, key=key, recipe="study"
        )
        return sealed.draw(self.outcome)

    def __iter__(self) -> Iterator[TriggerSet]:
        return map(self.__getitem__, range(self.size))

    @functools.cached_property
    def answers(self) -> np.ndarray:
        """The secret answers under each key, shape (size, questions): each costs a real seal."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            drawn = threads.map(lambda number: self[number].answers, range(self.size))
            return np.stack(list(drawn))

    @functools.cached_property
    def said(self) -> np.ndarray:
        """The answers of a hundred innocents to its images, shape (100, images)."""
        return innocents(self.base.images)

    def service(self, who: int) -> Callable:
        """Return one of a hundred innocents, as a service."""
        return remembering(self.base, self.said[who % len(self.said)])


@functools.cache
def base_set(kind: str, questions: int) -> TriggerSet:
    """Return questions of one image each."""
    recipe = wm.Content(words=30) if kind == "content" else KINDS[kind]()
    return recipe(wm.load_data("mnist"), n=questions, key=wm.CLASSROOM_KEY, alpha=0.05)


@functools.cache
def ground() -> Pool:
    """Thirty questions, sealed 2^12 times: what a liar grinds and an honest owner draws from."""
    base = base_set("content", 30)
    return Pool("ground", base, base.rules, SEALS)


@functools.cache
def drawn_later(name: str, kind: str, questions: int, size: int) -> Pool:
    """Questions whose seals name dice that are thrown later."""
    base = base_set(kind, questions)
    declared = wm.evidence.Declared(beacon="three dice, thrown in class on 3 May")
    return Pool(name, base, replace(base.rules, declared=declared), size, OUTCOME)


def honest() -> Pool:
    """A hundred questions, sealed once per run before the dice are thrown."""
    return drawn_later("before the dice", "unrelated", LOOKS, RUNS)


def best_of(pool: Pool, seals: range) -> list[int]:
    """Return for each innocent the seal that a liar would show: the one with the smallest p."""
    table = wealth(pool.answers.shape[1])
    best = []
    for said in pool.said:
        matched = pool.answers[seals.start : seals.stop] == said
        k = np.cumsum(matched, axis=1)
        worth = table[np.arange(1, k.shape[1] + 1), k].max(axis=1)
        best.append(seals.start + int(worth.argmax()))
    return best


@functools.cache
def wealth(questions: int) -> np.ndarray:
    """Return log wealth as a table [n, k]."""
    n, k = np.indices((questions + 1, questions + 1))
    return np.where(k <= n, stats.log_wealth(np.minimum(k, n), n, 0.1), -np.inf)


# ---------------------------------------------------------------- readers


def ever_found(verdicts: Callable[[int], Sequence[object]], runs: int) -> Readings:
    """Return for each run whether any of its verdicts is `found`."""
    kept = functools.cache(verdicts)

    def read(alpha: float) -> list[Told]:
        ended = []
        for run in range(runs):
            every = [told(at(verdict, alpha)) for verdict in kept(run)]
            ended.append(max(every, key=lambda each: each.found))
        return ended

    return read


def asks_owner(pool: Pool, pairs: Sequence[tuple[int, int]]) -> Readings:
    """Let the owner test the innocents, given as pairs of seal and innocent, by number."""

    @functools.cache
    def verdicts() -> list[object]:
        return [wm.verify(pool.service(who), pool[seal]) for seal, who in pairs]

    return lambda alpha: [told(at(verdict, alpha)) for verdict in verdicts()]


def judged(triggers: TriggerSet, query: Callable, named: Sequence[int], **known: object) -> object:
    """Return a judge's verdict on a service, from the named questions as the owner opens them."""
    opened = wm.evidence.open_questions(triggers, named)
    return wm.evidence.judge(query, opened, seal=triggers.seal, named=named, **known)


def asks_judge(
    pool: Pool,
    pairs: Sequence[tuple[int, int]],
    count: int | None = None,
    dice: int = 1,
    **known: object,
) -> Readings:
    """Let a judge test the innocents.

    Parameters
    ----------
    pool, pairs : as in `asks_owner`
    count : how many of the questions the judge names by nonce; by default all
    dice : how often they do so, for each pair
    known : what else the judge knows
    """
    questions = pool.base.n

    @functools.cache
    def verdicts() -> list[object]:
        made = []
        for seal, who in pairs:
            triggers, service = pool[seal], pool.service(who)
            for throw in range(dice):
                named = wm.evidence.challenge(
                    triggers.seal,
                    f"throw {throw}".encode(),
                    questions=questions,
                    count=count or questions,
                )
                made.append(judged(triggers, service, named, **known))
        return made

    return lambda alpha: [told(at(verdict, alpha)) for verdict in verdicts()]


def command(*arguments: str) -> Told:
    """Return the result that a script gets from `wmlearn verify` or `wmlearn judge`."""
    printed, complaints = io.StringIO(), io.StringIO()
    code: object = None
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
        try:
            cli.main([*arguments, "--json"])
        except SystemExit as end:
            code = end.code
    decision = "refused"
    if code in cli.EXIT_CODES.values():
        decision = json.loads(printed.getvalue())["decision"]
    return Told(code == cli.EXIT_CODES["found"], f"{decision} (exit code {code})")


class Mirror(nn.Module):
    """A model behind a mirror."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the scores of the mirrored images."""
        return self.model(images.flip(-1))


@functools.cache
def models() -> list[nn.Module]:
    """Return the hundred innocents as models that can be served."""
    plain = [*nulls(), *other_kinds().values()]
    both = [*plain, *map(Mirror, plain)]
    for model in both:
        model.input_shape = (1, 28, 28)
    return both


def runs_verify(pool: Pool, pairs: Sequence[tuple[int, int]]) -> Readings:
    """Let a script run `wmlearn verify`, and read the exit code."""

    def run(triggers: TriggerSet, who: int) -> Told:
        with tempfile.TemporaryDirectory() as folder, wm.serve(models()[who]) as service:
            wm.evidence.save_evidence(triggers, folder)
            return command("verify", service.url, folder, "--family", "1")

    return lambda alpha: [run(pool[seal], who) for seal, who in pairs]


def runs_judge(pool: Pool, pairs: Sequence[tuple[int, int]]) -> Readings:
    """Let a script run `wmlearn judge`, and read the exit code."""

    def run(triggers: TriggerSet, who: int, alpha: float) -> Told:
        opened = wm.evidence.open_questions(triggers, range(triggers.n))
        named = ",".join(map(str, range(triggers.n)))
        with tempfile.TemporaryDirectory() as folder, wm.serve(models()[who]) as service:
            file = str(opened.save(f"{folder}/opened.safetensors"))
            rules = ["--seal", triggers.seal, "--named", named, "--alpha", str(alpha)]
            return command("judge", service.url, file, *rules)

    return lambda alpha: [run(pool[seal], who, alpha) for seal, who in pairs]


# ---------------------------------------------------------------- the liars


def none() -> Iterator[Case]:
    """An honest owner: one seal, the innocents in turn."""
    pairs = [(run, run) for run in range(RUNS)]
    yield Case("none", "one seal", "verify", asks_owner(ground(), pairs))
    yield Case("none", "one seal", "judge", asks_judge(ground(), pairs))


def grinding() -> Iterator[Case]:
    """Seal after seal; the luckiest one is shown."""
    pool = ground()
    for power in POWERS:
        pairs = []
        for start in range(0, SEALS, 2**power):
            best = best_of(pool, range(start, start + 2**power))
            pairs += [(seal, who) for who, seal in enumerate(best)]
        some = pairs[:: max(1, len(pairs) // RUNS)]
        effort = f"2^{power} seals"
        yield Case("grinding", effort, "verify", asks_owner(pool, some))
        yield Case("grinding", effort, "judge", asks_judge(pool, some))
    dice = asks_judge(pool, pairs, 20, max(1, RUNS // len(pairs)))
    yield Case("grinding", f"{effort}, 20 of 30 by the judge's dice", "judge", dice)
    pairs = pairs[:FEWER]
    yield Case("grinding", effort, "command line: verify", runs_verify(pool, pairs), (0.05,))
    yield Case("grinding", effort, "command line: judge", runs_judge(pool, pairs), (0.05,))


def tweaking() -> Iterator[Case]:
    """The luckiest seal, one pixel changed by 1/255, sealed again."""
    pool = ground()
    model = nulls()[0]
    lucky = pool[best_of(pool, range(SEALS))[0]]

    @functools.cache
    def tweaked(run: int) -> TriggerSet:
        pixels = lucky.pixels.copy()
        pixels.reshape(-1)[39 * run] ^= 1  # the lowest bit is a 1/255
        return seal_triggers(
            pixels,
            lucky.question,
            lucky.names,
            rules=lucky.rules,
            key=lucky.key,
            recipe="study",
        ).draw()

    def owner(run: int) -> list[object]:
        return [wm.verify(wm.BlackBox(model), tweaked(run))]

    def judge(run: int) -> list[object]:
        return [judged(tweaked(run), wm.BlackBox(model), range(lucky.n))]

    yield Case("tweaking", "one pixel by 1/255", "verify", ever_found(owner, RUNS))
    yield Case("tweaking", "one pixel by 1/255", "judge", ever_found(judge, RUNS))


def ordering() -> Iterator[Case]:
    """Named questions, handed over matched first."""
    pool, once = honest(), wm.evidence.Beacon(OUTCOME, 1, 2**64)

    @functools.cache
    def both(run: int, beacon: wm.evidence.Beacon | None) -> list[object]:
        triggers, service = pool[run], pool.service(run)
        named = wm.evidence.challenge(triggers.seal, b"dice", questions=LOOKS, count=30)
        matched = triggers.answer(service(triggers.images)) == triggers.answers
        first = sorted(named, key=lambda question: not matched[question])
        return [judged(triggers, service, order, beacon=beacon) for order in (first, named)]

    def lied(run: int, beacon: wm.evidence.Beacon | None) -> list[object]:
        return both(run, beacon)[:1]

    def differs(alpha: float) -> list[Told]:
        runs = []
        for run in range(RUNS):
            lied, sealed = (at(verdict, alpha).to_dict() for verdict in both(run, once))
            runs.append(Told(lied != sealed, "the same verdict" if lied == sealed else "another"))
        return runs

    setting = "matched first"
    alone = ever_found(functools.partial(lied, beacon=None), RUNS)
    yield Case("ordering", setting, "judge", alone)
    setting = f"{setting}, one seal before the dice"
    later = ever_found(functools.partial(lied, beacon=once), RUNS)
    yield Case("ordering", setting, "judge", later)
    setting = f"{setting}: another verdict than in sealed order"
    yield Case("ordering", setting, "judge", differs, bound=0)


def windows() -> Iterator[Case]:
    """Twenty questions in a row, from where the owner likes."""
    pool, once = honest(), wm.evidence.Beacon(OUTCOME, 1, 2**64)
    places = LOOKS - IN_A_ROW + 1

    def best(run: int, **known: object) -> list[object]:
        triggers, service = pool[run], pool.service(run)
        matched = triggers.answer(service(triggers.images)) == triggers.answers
        start = int(np.convolve(matched, np.ones(IN_A_ROW, int), "valid").argmax())
        return [judged(triggers, service, range(start, start + IN_A_ROW), **known)]

    setting = f"the best {IN_A_ROW} of {LOOKS} in a row"
    yield Case("windows", setting, "judge", ever_found(best, RUNS))
    before = f"{setting}, one seal before the dice"
    paid = ever_found(functools.partial(best, beacon=once, family=places), RUNS)
    yield Case("windows", f"{before}, family of {places}", "judge", paid)
    unpaid = ever_found(functools.partial(best, beacon=once), RUNS)
    yield Case("windows", f"{before}, family of 1", "judge who lets the owner name", unpaid)


def forged_alpha() -> Iterator[Case]:
    """An alpha that may not be sealed."""
    mnist = wm.load_data("mnist")

    def seals(alpha: float) -> list[Told]:
        try:
            wm.Noise()(mnist, n=30, alpha=alpha, key=wm.CLASSROOM_KEY)
        except ValueError:
            return [Told(False, "refused")]
        return [Told(True, "sealed")]

    yield Case("alpha", "sealing it", "sealing", seals, FORGED, 0)
    base, some = base_set("content", 30), [(run, run % 100) for run in range(FEWER)]
    for sealed, runs in zip(FORGED, (RUNS, FEWER)):
        pool = Pool(f"alpha {sealed}", base, replace(base.rules, alpha=sealed), runs)
        pairs = [(run, run) for run in range(runs)]
        setting = f"an old set sealed at {sealed:.7g}"
        yield Case("alpha", setting, "judge", asks_judge(pool, pairs))
        yield Case("alpha", setting, "verify", asks_owner(pool, pairs), (sealed,))
    yield Case("alpha", setting, "command line: verify", runs_verify(pool, some), (sealed,))
    yield Case("alpha", setting, "command line: judge", runs_judge(pool, some), (0.05,))


# ---------------------------------------------------------------- fixed labels


def fixed_rules(target: int | str, alpha: float, classes: int = 10) -> Rules:
    """Return the rules of fixed labels, for images from another world."""
    names = tuple(map(str, range(classes)))
    return Rules(names, alpha, fixed=True, source=None, target=target)


def suiting_nulls() -> Iterator[Case]:
    """Null models that suit, and a target that the owner chose."""
    witnesses = list(map(wm.BlackBox, nulls()))
    suspects = list(map(wm.BlackBox, other_kinds().values()))
    kind = "small networks for MNIST"

    @functools.cache
    def verdicts() -> list[object]:
        made = []
        for trigger in KINDS:
            base = base_set(trigger, 30)
            said = [remembering(base, null(base.images)) for null in witnesses]
            replies = [remembering(base, suspect(base.images)) for suspect in suspects]
            for target in range(9):
                pool = Pool(f"chosen {trigger} {target}", base, fixed_rules(target, 0.05), 1)
                made += [
                    wm.verify(reply, pool[0], nulls=said, population=kind) for reply in replies
                ]
        return made

    def chosen(alpha: float) -> list[Told]:
        return [told(at(verdict, alpha)) for verdict in verdicts()]

    setting = "ten innocents of other kinds, nine targets, three kinds of images"
    yield Case("nulls", setting, "verify", chosen)
    base = base_set("noise", 30)
    pool = Pool("999 nulls", base, fixed_rules("random", 0.05, 100), FEWER)
    pairs = two_digits(base.images)
    equal = 999 * [lambda images: np.zeros(len(images), int)]

    @functools.cache
    def alike() -> list[object]:
        tested = []
        for run, triggers in enumerate(pool):
            suspect = remembering(base, pairs[run % len(pairs)])
            tested.append(wm.verify(suspect, triggers, nulls=equal, population=kind))
        return tested

    read = lambda alpha: [told(at(verdict, alpha)) for verdict in alike()]  # noqa: E731
    yield Case("nulls", "one null model, 999 times over", "verify", read)


@functools.cache
def _pairs() -> np.ndarray:
    draw = np.random.RandomState(3)
    pairs = [draw.permutation(40)[:2] for _ in range(200)]
    return np.array(pairs)


def two_digits(images: np.ndarray) -> np.ndarray:
    """Return the labels of 200 services with 100 classes: two networks each read tens and ones."""
    said = np.stack([wm.BlackBox(null)(images) for null in nulls()])
    tens, ones = _pairs().T
    return 10 * said[tens] + said[ones]


def drawn_targets() -> Iterator[Case]:
    """Fixed labels, sealed until the drawn target suits."""
    base = base_set("noise", 30)
    pool = Pool("targets", base, fixed_rules("random", 0.05, 100), RUNS)
    said = two_digits(base.images)
    suspects, others = said[:100], said[100:]
    dice = np.random.RandomState(5).randint(0, 100, others.shape)
    kind = "pairs of small networks for MNIST"

    def tested(seal: int, who: int, witnesses: np.ndarray) -> object:
        null_models = [remembering(base, labels) for labels in witnesses]
        suspect = remembering(base, suspects[who])
        return wm.verify(suspect, pool[seal], nulls=null_models, population=kind)

    @functools.cache
    def verdicts(shown: bool, true: bool) -> list[object]:
        witnesses = others if true else dice
        if not shown:
            return [tested(run, run % 100, witnesses) for run in range(RUNS)]
        matches = np.stack([(labels == pool.answers).sum(axis=1) for labels in suspects])
        return [tested(int(best), who, witnesses) for who, best in enumerate(matches.argmax(1))]

    def read(alpha: float, shown: bool, true: bool) -> list[Told]:
        return [told(at(verdict, alpha)) for verdict in verdicts(shown, true)]

    def refused(alpha: float) -> list[Told]:
        runs = []
        for triggers in pool:
            try:
                runs.append(told(judged(triggers, len, [0])))
            except ValueError:
                runs.append(Told(False, "refused"))
        return runs

    for true, words in (
        (True, "null models of the suspect's kind"),
        (False, "dice as null models"),
    ):
        for shown, effort in ((False, "one seal"), (True, f"the best of {RUNS} seals")):
            part = functools.partial(read, shown=shown, true=true)
            yield Case("drawn targets", f"{effort}, {words}", "verify", part, ALPHAS[:2])
    yield Case("drawn targets", "fixed labels", "judge", refused)
    ten = Pool("ten targets", base, fixed_rules("random", 0.05), FEWER)
    some = [(run, run % 100) for run in range(FEWER)]
    shown = runs_verify(ten, some)
    yield Case("drawn targets", "fixed labels", "command line: verify", shown, (0.05,))


# ---------------------------------------------------------------- what is brought


def clean_images() -> Iterator[Case]:
    """Clean images that are the triggers themselves, each twice, with the secret labels."""
    pool = ground()

    @functools.cache
    def verdicts() -> list[object]:
        tested = []
        for run in range(RUNS):
            triggers = pool[run]
            # each twice: the numbering of one half is tried on the other
            clean = Split(np.repeat(triggers.pixels, 2, axis=0), np.repeat(triggers.labels, 2))
            tested.append(wm.verify(pool.service(run), triggers, clean=clean))
        return tested

    read = lambda alpha: [told(at(verdict, alpha)) for verdict in verdicts()]  # noqa: E731
    setting = "the trigger images, with the secret labels"
    yield Case("clean images", setting, "verify", read)
    pairs = [(run, run) for run in range(RUNS)]
    yield Case(
        "clean images", setting, "judge, who takes none of the owner's", asks_judge(pool, pairs)
    )


def replays() -> Iterator[Case]:
    """What Alice opened, submitted by Mallory against Alice's own service."""
    base, mine, judges = base_set("content", 30), b"Alice's judge", b"Mallory's judge"
    alice = replace(base.rules, declared=wm.evidence.Declared(owner="Alice"))
    pools = {
        name: Pool(name, base, rules, FEWER) for name, rules in (("Alice", alice), ("", base.rules))
    }

    def read(alpha: float, owner: str, nonce: bytes) -> list[Told]:
        return [brought(triggers, nonce, alpha) for triggers in pools[owner]]

    def brought(triggers: TriggerSet, nonce: bytes, alpha: float) -> Told:
        named = list(range(triggers.n))
        opened = wm.evidence.open_questions(triggers, named, nonce=mine)
        opened = replace(opened, nonce=nonce)
        alices = remembering(triggers, triggers.labels)
        try:
            opened.brought_by("Mallory", nonce=judges)
        except ValueError:
            return Told(False, "refused")
        verdict = wm.evidence.judge(alices, opened, seal=triggers.seal, named=named, alpha=alpha)
        return Told(verdict.decision == "found", f"{verdict.conclusion}; the seal names no owner")

    def runs(alpha: float) -> list[Told]:
        with tempfile.TemporaryDirectory() as folder:
            return [run(triggers, f"{folder}/opened.safetensors") for triggers in pools["Alice"]]

    def run(triggers: TriggerSet, file: str) -> Told:
        named = range(triggers.n)
        wm.evidence.open_questions(triggers, named, nonce=judges).save(file)
        rules = ["--seal", triggers.seal, "--owner", "Mallory", "--nonce", judges.decode()]
        # no service is there: nothing may be sent before the file is refused
        return command("judge", "http://127.0.0.1:9", file, *rules, "--count", str(triggers.n))

    setting = "the seal names Alice, nonce rewritten"
    yield Case("replays", setting, "command line: judge", runs, (0.001,))
    for owner, seal in (("Alice", "the seal names Alice"), ("", "the seal names nobody")):
        for nonce, words in ((mine, "opened for another judge"), (judges, "nonce rewritten")):
            part = functools.partial(read, owner=owner, nonce=nonce)
            yield Case("replays", f"{seal}, {words}", "judge", part, (0.001,))


# ---------------------------------------------------------------- test after test


def families() -> Iterator[Case]:
    """Twenty independent suspects, one after the other, under one seal."""
    pool = ground()

    def suspects(run: int) -> Iterator[tuple[int, Callable]]:
        for place in range(1, SUSPECTS + 1):
            labels = np.random.RandomState([run, place]).randint(0, 10, pool.base.n)
            yield place, remembering(pool.base, labels)

    def believed(run: int, family: Callable[[int], int]) -> list[object]:
        triggers = pool[run]
        return [wm.verify(each, triggers, family=family(place)) for place, each in suspects(run)]

    def noted(run: int, deletes: bool) -> list[object]:
        verdicts = []
        with tempfile.TemporaryDirectory() as folder:
            triggers, log = pool[run], wm.evidence.save_evidence(pool[run], folder) / LOG
            for place, each in suspects(run):
                family = None if deletes else place
                known = {"folder": folder, "whom": f"suspect {place}", "family": family}
                with contextlib.suppress(ValueError):  # another family than was declared
                    verdicts.append(wm.SequentialTest(each, triggers, **known).ask())
                if deletes:
                    log.unlink()
        return verdicts

    def read_by_others(alpha: float) -> list[Told]:
        return [beside_published_head(pool[run]) for run in range(FEWER)]

    what = f"{SUSPECTS} suspects"
    open_list = functools.partial(believed, family=stats.open_list_family)
    setting = f"{what}, the s-th pays as one of s (s + 1)"
    yield Case("families", setting, "verify", ever_found(open_list, RUNS))
    growing = ever_found(functools.partial(believed, family=int), RUNS)
    yield Case("families", f"{what}, the s-th declared as one of s", "verify", growing)
    setting = f"{what}, the s-th declared as one of s, in a log"
    logged = ever_found(functools.partial(noted, deletes=False), FEWER)
    yield Case("families", setting, "SequentialTest", logged)
    setting = f"{what}, the log deleted after each"
    deleted = ever_found(functools.partial(noted, deletes=True), FEWER)
    yield Case("families", setting, "SequentialTest", deleted)
    reader = "whoever has the head that was published"
    yield Case("families", setting, reader, read_by_others, (0.05,), 0)


def beside_published_head(triggers: TriggerSet) -> Told:
    """Return what is read from a log that was deleted after its head was published, and
    restarted.
    """
    dice = lambda images: np.zeros(len(images), int)  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        log = wm.evidence.save_evidence(triggers, folder) / LOG
        wm.SequentialTest(dice, triggers, folder=folder, whom="one").ask()
        head = wm.evidence.log_head(folder)
        log.unlink()
        wm.SequentialTest(dice, triggers, folder=folder, whom="another").ask()
        try:
            wm.evidence.read_log(folder, head)
        except ValueError:
            return Told(False, "refused")
    return Told(True, "unnoticed")


def random_services(base: TriggerSet) -> dict[str, Callable[[int], Callable]]:
    """Return services that are random for ordinary reasons, by name; each is made from a seed."""
    said = np.stack([wm.BlackBox(null)(base.images) for null in nulls()[:4]])
    place = {image.tobytes(): number for number, image in enumerate(base.images)}
    network = wm.BlackBox(nulls()[0])

    def numbers(images: np.ndarray) -> list[int]:
        return [place[image.tobytes()] for image in images]

    def dice(seed: int) -> Callable:
        draw = np.random.RandomState(seed)
        return lambda images: draw.randint(0, 10, len(images))

    def by_picture(seed: int) -> Callable:
        draw = np.random.RandomState(seed)
        return lambda images: said[draw.randint(0, 4, len(images)), numbers(images)]

    def by_request(seed: int) -> Callable:
        draw = np.random.RandomState(seed)
        return lambda images: said[draw.randint(0, 4), numbers(images)]

    def noisy(seed: int) -> Callable:
        draw = np.random.RandomState(seed)

        def query(images: np.ndarray) -> np.ndarray:
            noise = draw.normal(0, 0.3, images.shape).astype(np.float32)
            return network(np.clip(images + noise, 0, 1))

        return query

    return {
        "throws dice": dice,
        "four networks, picture by picture": by_picture,
        "four networks, request by request": by_request,
        "fresh noise of 0.3": noisy,
    }


def looking_again() -> Iterator[Case]:
    """Look after each question: in a test that is continued, and in one that starts afresh."""
    pool, base = honest(), honest().base

    def continued(run: int, service: Callable[[int], Callable]) -> list[object]:
        test = wm.SequentialTest(service(run), pool[run])
        while test.asked < AGAIN:
            test.ask(1)
        return [test.verdict]  # its best moment so far counts: `found` once is `found`

    def anew(run: int, service: Callable[[int], Callable]) -> list[object]:
        query, triggers = service(run), pool[run]
        looks = range(5, AGAIN + 1, 5)
        return [wm.verify(query, triggers, questions=questions) for questions in looks]

    for name, service in random_services(base).items():
        once = ever_found(functools.partial(continued, service=service), RUNS)
        yield Case("looking again", f"{name}, after each of {AGAIN}", "SequentialTest", once)
    for name, service in random_services(base).items():
        setting = f"{name}, all anew after each five of {AGAIN}"
        loop = ever_found(functools.partial(anew, service=service), LOOPS)
        yield Case("looking again", setting, "verify in a loop, which it is not for", loop)


def beacon() -> Iterator[Case]:
    """Seals that name a public draw, made before its outcome or after it."""
    pairs = [(run, run) for run in range(RUNS)]
    once, eight = (wm.evidence.Beacon(OUTCOME, seals, 2**64) for seals in (1, 8))
    words = "before the dice, one seal"
    yield Case("beacon", words, "judge", asks_judge(honest(), pairs, beacon=once))
    some = asks_judge(honest(), pairs, 30, beacon=once)
    yield Case("beacon", f"{words}, 30 of 100 named", "judge", some)
    best = []
    for start in range(0, RUNS, 8):
        matched = [
            (honest().answers[start : start + 8] == said).sum(axis=1) for said in honest().said
        ]
        places = start + np.argmax(matched, axis=1)
        best += [(int(place), who) for who, place in enumerate(places)]
    best = best[:: max(1, len(best) // RUNS)][:RUNS]
    words = "before the dice, the luckiest of 8 seals"
    yield Case("beacon", words, "judge who counts 8", asks_judge(honest(), best, beacon=eight))
    yield Case("beacon", words, "judge who counts 1", asks_judge(honest(), best, beacon=once))
    late = drawn_later("after the dice", "noise", 30, SEALS)
    lucky = [(seal, who) for who, seal in enumerate(best_of(late, range(SEALS)))]
    words = f"after the dice, the luckiest of {SEALS} seals"
    yield Case("beacon", words, "judge", asks_judge(late, lucky))
    dice = asks_judge(late, lucky, 20, max(1, RUNS // len(lucky)))
    yield Case("beacon", f"{words}, 20 of 30 by the judge's dice", "judge", dice)
    shown = runs_judge(late, lucky[:FEWER])
    yield Case("beacon", words, "command line: judge", shown, (0.05,))


# ---------------------------------------------------------------- the table


LIARS = (
    none,
    grinding,
    tweaking,
    ordering,
    windows,
    forged_alpha,
    suiting_nulls,
    drawn_targets,
    clean_images,
    families,
    replays,
    looking_again,
    beacon,
)


def summary(runs: Sequence[Told], bound: float) -> Row:
    """Return the measured columns."""
    found = sum(run.found for run in runs)
    words = Counter(run.word for run in runs if run.found or not found)
    above = binomtest(found, len(runs), bound, alternative="greater").pvalue
    return {
        "runs": len(runs),
        "found": found,
        "share": f"{found / len(runs):.4f}",
        "bound": f"{bound:.7g}",
        "p_above": f"{above:.2g}",
        "word": words.most_common(1)[0][0],
    }


def measured(case: Case, row: Row) -> Row:
    """Return the result of a case at one of its alphas."""
    alpha = row["alpha"]
    return summary(case.read(alpha), alpha if case.bound is None else case.bound)


def main(table: Table = TABLE) -> None:
    """Measure what is missing, liar by liar."""
    warnings.simplefilter("ignore")  # that too few questions were sealed for a judge
    commitment.label_seed = functools.cache(commitment.label_seed)  # each real seal once
    for liar in LIARS:
        for case in liar():
            rows = [dict(zip(CASE, (*case[:3], alpha))) for alpha in case.alphas]
            table.fill(rows, functools.partial(measured, case))


if __name__ == "__main__":
    main()
