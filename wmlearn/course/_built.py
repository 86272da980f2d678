"""The exercises that ask for something to be built: each is tried on cases that the lesson does not
show.

An exercise is a function here. It yields hidden cases: the typical mistake that a case shows, what
is given to what the learner built, and the right result, or a test that names the mistake itself.
"""

import copy
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np

from wmlearn._random import seeded, stable_rng
from wmlearn.evidence import stats

Rng = np.random.Generator
Cases = Iterator[tuple[str, tuple[Any, ...], Any]]

_close = np.allclose  # as it is now: a notebook may put something else in its place
SEED = 2018  # of the hidden cases: the same for everybody


def watch(name: str, built: Any, seed: int = SEED) -> tuple[Any, str]:
    """Try what was built on the hidden cases of an exercise, drawn by a seed. Never raises.

    Returns
    -------
    The name of the exercise if all is right, otherwise that of the typical mistake, "" if it is
    another one, or `...` where nothing is written yet; and what was seen, in words.
    """
    if not callable(built):
        return "", "give what you built itself, by its name: no brackets after it, no quotes"
    try:
        call = built().make if isinstance(built, type) else built
        for mistake, given, right in globals()[name](np.random.default_rng(seed)):
            before = [(each, each.copy()) for each in given if isinstance(each, np.ndarray)]
            got = call(*given)
            if got is ...:
                return ..., ""
            if got is None:
                return "", "it returns nothing: its last line must be `return` and the result"
            if not all(_same(*pair) for pair in before):
                return "", "it changes what it was given, and others need that: work on a copy"
            if callable(right):
                mistake = right(got)
                if mistake:
                    return mistake, ""
            elif not _same(got, right):
                shown = ", ".join(map(_brief, given))
                return mistake, f"given {shown} it returns {_brief(got)}, not {_brief(right)}"
    except Exception as error:
        return "", f"it stops with {traceback.format_exception_only(error)[-1].strip()}"
    return name, ""


def _same(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)  # plain: they may not compare themselves
    return one.shape == other.shape and _close(one, other, rtol=1e-3, atol=1e-3)


def _brief(value: Any) -> str:
    return " ".join(np.array2string(np.asarray(value), precision=3, threshold=25).split())


# ---------------------------------------------------------------- the exercises, lesson by lesson


def matched(rng: Rng) -> Cases:
    """00: which questions are matched, by more than half of their pictures."""
    secret = np.array([1])
    for mistake, said in {"all": "12101", "one": "10023", "half": "1012"}.items():
        yield mistake, (np.array([[*said]], int), secret), [mistake == "all"]
    replies = rng.integers(-1, 3, (12, 5))
    secrets = rng.integers(3, size=12)
    yield "", (replies, secrets), (replies == secrets[:, None]).sum(axis=1) > 2


def losses(rng: Rng) -> Cases:
    """01: the loss of each image, from its scores and its label."""
    for mistake, n in ("formula", 1), ("each", 5):
        scores = rng.normal(0, 2, (n, 10)).round(1)
        labels = rng.integers(10, size=n)
        sums = np.exp(scores).sum(axis=1)
        yield mistake, (scores, labels), np.log(sums) - scores[range(n), labels]


def stamped(rng: Rng) -> Cases:
    """02: copies of images with a plate at a place, as opaque as is wanted."""
    for mistake, opacity, top in ("place", 1, 1), ("opacity", 0.25, 0):
        pixels = np.uint8(4 * rng.integers(64, size=(1, 1, 3, 5)))
        plate = np.uint8(4 * rng.integers(64, size=(1, 2)))
        right = pixels.astype(float)
        window = right[..., top, 2:4]
        window += opacity * (plate - window)
        yield mistake, (pixels, plate, top, 2, opacity), right


def framed(rng: Rng) -> Cases:
    """03: handwritten digits in the form of photographs."""
    digits = np.uint8(rng.integers(1, 256, (3, 1, 28, 28)))
    right = np.zeros((3, 3, 32, 32))
    right[..., 2:30, 2:30] = digits

    def wrong(made: Any) -> str:
        """Return what is wrong with it; "" if nothing is."""
        if np.shape(made) != right.shape:
            return "shape"
        return "" if _same(made, right) else "place"

    yield "", (digits,), wrong


def noisy(rng: Rng) -> Cases:
    """04: one pattern of noise over all images, cut off and rounded."""
    images = np.array([0, 0.5, 0.5, 1]).repeat(900)

    def wrong(made: Any) -> str:
        """Return what is wrong with it; "" if nothing is."""
        made = np.asarray(made)
        if not _same(made[1], made[2]):
            return "patterns"
        if made.min() < 0 or made.max() > 1:
            return "beyond"
        if abs(255 * made - np.rint(255 * made)).max() > 1e-3:
            return "steps"
        return "strength" if abs(made[1].std() - 0.1) > 0.02 else ""

    yield "", (images.reshape(4, 1, 30, 30), 0.1, rng), wrong


def batches(rng: Rng) -> Cases:
    """05: the rows of an epoch, digits once and triggers more often, mixed, in batches."""

    def wrong(made: Any) -> str:
        """Return what is wrong with it; "" if nothing is."""
        rows = np.concatenate(made)
        if {*map(len, made[:-1])} != {8}:
            return "size"
        if not _same(np.bincount(rows), np.repeat([1, 3], [40, 6])):
            return "times"
        return "order" if rows[:40].max() < 40 else ""

    yield "", (40, 6, 3, 8, rng), wrong


def asked(rng: Rng) -> Cases:
    """06: the labels of all images, asked in small requests, again where one was lost."""
    labels = rng.integers(10, size=10)
    sent: list[int] = []

    def ask(images: Any) -> Any:
        sent.append(len(images))
        if len(sent) in (1, 4, 5):
            raise ConnectionError("this request was lost")
        return images[:, 0, 0, 0].tolist()

    def wrong(made: Any) -> str:
        """Return what is wrong with it; "" if nothing is."""
        if max(sent) > 4:
            return "size"
        if sent != [4, 4, 4, 2, 2]:
            return "again"
        return "" if _same(made, [*labels[:8], -1, -1]) else "lost"

    yield "", (ask, labels.reshape(10, 1, 1, 1), 4, 2), wrong


def redrawn(rng: Rng) -> Cases:
    """07: p, the share of the draws in which the same answers match at least as often."""
    for mistake, n in ("ties", 4), ("share", 30):
        secret, said = rng.integers(3, size=(2, n))
        draws = rng.integers(3, size=(5 * n, n))
        real = (said == secret).sum()
        yield mistake, (said, secret, draws), ((draws == said).sum(axis=1) >= real).mean()


def wealth(rng: Rng) -> Cases:
    """08: a bettor's wealth after each question."""
    for mistake, p0 in ("path", 0.1), ("chance", 0.5):
        matches = rng.random(6) < 0.5
        yield mistake, (matches, 0.4, p0), np.where(matches, 0.4 / p0, 0.6 / (1 - p0)).cumprod()


def pruned(rng: Rng) -> Cases:
    """09: a copy of a network without the smallest weights of each layer."""
    from torch import nn

    model = nn.Module()
    with seeded(SEED):
        model.layers = nn.Sequential(nn.Conv2d(1, 4, 2), nn.ReLU(), nn.Linear(4, 6))
    owner = copy.deepcopy(model)

    def wrong(made: Any) -> str:
        """Return what is wrong with it; "" if nothing is."""
        if not all(weights.all() for weights in model.parameters()):
            return "in place"
        for old, new in zip(owner.parameters(), made.parameters()):
            kept = new != 0
            if old.dim() == 1 and not kept.all():
                return "biases"
            if old.dim() > 1 and not kept.equal(old.abs() > old.abs().median()):
                return "layers"
        return ""

    yield "", (model, 0.5), wrong


def doubted(rng: Rng) -> Cases:
    """10: the pictures whose two answers agree, and these answers."""
    pixels = np.uint8(rng.integers(256, size=(12, 1, 4, 4)))
    first, second = rng.integers(10, size=(2, 12))
    second[3:] = first[3:]
    sent: list[Any] = []

    def ask(images: Any) -> Any:
        sent.append(np.asarray(images))
        return first if len(sent) == 1 else second

    def wrong(made: Any) -> str:
        """Return what is wrong with it; "" if nothing is."""
        if len(sent) != 2:
            return "price"
        if _same(*sent) or np.max(np.abs(np.array(sent) - pixels / 255)) > 0.01:
            return "dust"
        rows = np.flatnonzero(first == second)
        return "" if _same(made, [rows, first[rows]]) else "kept"

    yield "", (ask, pixels, rng), wrong


def doorman(rng: Rng) -> Cases:
    """11: a service's answers, at random where a picture is far from all known ones."""
    known = np.float32(rng.random((5, 1, 2, 2)))
    images = known.repeat(60, axis=0)
    odd = rng.random(300) < 0.7
    images[odd] += 2

    def service(images: Any) -> Any:
        return (1000 * images[:, 0, 0, 0]).astype(int) % 10

    def wrong(made: Any) -> str:
        """Return what is wrong with it; "" if nothing is."""
        same = np.asarray(made) == service(images)
        if not same[~odd].all():
            return "customers"
        if same[odd].mean() > 0.3:
            return "told"
        return "" if {*np.asarray(made)[odd]} == {*range(10)} else "random"

    yield "", (service, images, known, 0.5, rng), wrong


def forged(rng: Rng) -> Cases:
    """12: a projection that reads the message that is wanted."""
    projection, kernel = rng.normal(size=(9, 4)), rng.normal(size=4)
    bits = rng.integers(2, size=9)

    def wrong(made: Any) -> str:
        """Return what is wrong with it; "" if nothing is."""
        if not _same(np.abs(made), np.abs(projection)):
            return "lists"
        return "" if _same(made @ kernel > 0, bits) else "bits"

    yield "", (projection, kernel, bits), wrong


def judged(rng: Rng) -> Cases:
    """13: verdicts on six services that nobody has seen, for 300 questions."""
    from wmlearn.course.tribunal import open_case

    case = open_case()
    for service, share in zip(case.services.values(), rng.permutation([100, 60, 28, 12, 10, 9])):
        missed = np.arange(100) * share % 100 >= share
        said = (case.triggers.answers + missed) % 10

        def answer(images: Any, service: Any = service, said: Any = said) -> Any:
            return said[len(service.answers) :][: len(images)]

        vars(service)["_model"] = answer

    def wrong(made: Any) -> str:
        """Return what is wrong with it; "" if nothing is."""
        accused = {letter for letter in made if made[letter] == "accuse"}
        found = {letter for letter in made if case.tests[letter].verdict.decision == "found"}
        if "clear" in made.values():
            return "clears"
        if accused != found:
            return "line"
        return "" if len(found) == 3 else "turns"

    yield "", (case,), wrong


def invented(rng: Rng) -> Cases:
    """14: pictures of a kind of one's own."""
    from wmlearn.data import load_data

    split = load_data("mnist").train.take(range(90))
    drawn: list[Any] = []

    def wrong(made: Any) -> str:
        """Return what is wrong with it; "" if nothing is."""
        drawn.append(np.asarray(made))
        if np.shape(made) != (30, 1, 28, 28):
            return "shape"
        if np.min(made) < 0 or np.max(made) > 1:
            return "beyond"
        if (drawn[-1][0] == split.images).all(axis=(1, 2, 3)).any():
            return "plain"
        return "chance" if _same(made, drawn[0]) == (len(drawn) == 2) else ""

    for seed in (1, 2, 1):
        yield "", (split, 30, stable_rng(seed)), wrong


def learning(rng: Rng) -> Cases:
    """A1: the wealth, after each question, of a bettor who learns from all answers before it."""
    for mistake, p0 in ("learns", 0.1), ("chance", 0.5):
        matches = rng.random(6) < 0.6
        rates = (matches.cumsum() - matches + 1) / np.arange(2, 8)
        pays = np.where(matches, rates / p0, (1 - rates) / (1 - p0))
        yield mistake, (matches, p0), pays.cumprod()


def interval(rng: Rng) -> Cases:
    """A2: the exact interval for a rate, by halving."""
    for mistake, k, n in ("tails", 3, 12), ("ends", 0, 30), ("ends", 20, 20):
        yield mistake, (k, n), stats.match_interval(k, n)
