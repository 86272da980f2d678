"""How much does a lying owner gain against innocent models, without the seal and with it?

The accuser owns ten networks for the task and has never seen the ten that they accuse; none of the
twenty is marked. They may choose images, keys and seals, and lie about what they kept. Each trick
is tried where it works, and under our rules: labels from one seal over all images, every question
counted, and `p_judge`, the p-value times the 2**48 seals that they might have tried. The tricks:

grinding
    Draw seal after seal, and keep the luckiest one against the very model to be accused. No seal
    prevents this, but p_judge pays for it: after g tries the best p is about 1 / g. Every seal here
    is a real one, 4,096 for each trigger set, at about 54 ms each. A row for g tries splits them
    into runs of g, and each innocent is accused by the best of each run; a row for 1 try has them
    all.
pixel tweaks
    Each label is a hash of its own image. Change one pixel by 1/255 until the label is what their
    own networks answer anyway: about ten hashes per question.
crafted images
    Labels are drawn from the key alone, before the images. Perturb the images until their own
    networks give these labels: other networks follow.
dropping what did not take
    The embedding failed, and they keep only the questions that their own model answers as drawn.
    Innocent models answer in the same way.
showing what matched
    Ask everything, and show the judge what matched.
none
    An honest owner and their own copy: this shows what the judge's factor costs them.

A row holds, over all innocents and repetitions, the questions counted and matched, the median and
the smallest p, and how many were accused at alpha = .001 by p, and by p_judge. Innocents answer
alike, so the decisions of one repetition are not independent::

    OMP_NUM_THREADS=1 python benchmarks/dishonest_owner.py
"""

from __future__ import annotations

import csv
import functools
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import wmlearn as wm
from wmlearn._random import stable_rng
from wmlearn.evidence import stats
from wmlearn.evidence.trigger_set import TriggerSet, seal_triggers

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "dishonest_owner.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/dishonest_owner.py"

TRIGGERS = {"content": wm.Content(words=30), "unrelated": wm.Unrelated(), "noise": wm.Noise()}
IMAGES = {
    "content": 30,
    "unrelated": 100,
    "noise": 100,
}  # one image per question: the easiest for a liar
OWN, UNSEEN = 10, 10  # networks that the accuser trained, and innocent ones that they never saw
ALPHA, P0 = 1e-3, 0.1
SEALS = 2**12  # seals ground for each trigger set, one after the other: four minutes
TRIES = (1, 2**8, 2**10, SEALS)  # of so many the luckiest is shown
REPEATS = 5
KEYS = 100  # for each of the accuser's networks, where only labels are drawn
BEND = {
    "mnist": 0.3,
    "cifar10": 16 / 255,
}  # how far a crafted image may be from the plain one, in any pixel
OURS = "one seal over all images, every question counts"


# ---------------------------------------------------------------- what an accusation is worth


def log_evidence(matched: np.ndarray, counted: np.ndarray | None = None) -> np.ndarray:
    """Return the greatest log wealth on the way, for each row of matches; the p-value is exp of its
    negative.

    Parameters
    ----------
    matched : bool, shape (decisions, questions), in the order in which they were asked
    counted : the same shape: which of them the accuser counts; all by default
    """
    counted = np.ones_like(matched) if counted is None else counted
    k, n = (np.cumsum(flags, axis=1, dtype=np.intp) for flags in (matched & counted, counted))
    return wealth(matched.shape[1])[n, k].max(axis=1, initial=0)


@functools.cache
def wealth(questions: int) -> np.ndarray:
    """Return the log wealth after n questions of which k matched, as a table [n, k] for fast
    look-up.
    """
    n, k = np.indices((questions + 1, questions + 1))
    return np.where(k <= n, stats.log_wealth(np.minimum(k, n), n, P0), -np.inf)


def weigh(matched: np.ndarray, counted: np.ndarray | None = None) -> dict[str, object]:
    """Return the matches, the p-values, and the number of accusations by p and by p_judge."""
    evidence = log_evidence(matched, counted)
    counted = np.ones_like(matched) if counted is None else counted
    k, p_values = (matched & counted).sum(axis=1), np.exp(-evidence)
    return {
        "decisions": len(matched),
        "questions": f"{counted.sum(axis=1).mean():g}",
        "k_low": k.min(),
        "k_mean": f"{k.mean():.2f}",
        "k_high": k.max(),
        "p_median": f"{np.median(p_values):.2g}",
        "p_smallest": f"{p_values.min():.2g}",
        "accused": int((p_values <= ALPHA).sum()),
        "accused_judge": int(sum(stats.judge_p(float(p)) <= ALPHA for p in p_values)),
    }


class Scene(NamedTuple):
    """A task, the accuser's own networks and the innocent ones."""

    data: str
    own: list[nn.Module]
    unseen: list[nn.Module]


Trick = tuple[
    str, object, str, dict[str, object]
]  # what, how much of it, under which rules, what it is worth


def answers(models: list[nn.Module], triggers: TriggerSet) -> np.ndarray:
    """Return one answer per question from each model, shape (models, questions)."""
    return np.stack([triggers.answer(wm.BlackBox(model)(triggers.images)) for model in models])


def a_key(*named: object) -> bytes:
    """Return a key for the study, made from a name: it is no secret, and makes the file
    repeatable.
    """
    return hashlib.sha256("/".join(map(str, ("dishonest", *named))).encode()).digest()


def resealed(triggers: TriggerSet, pixels: np.ndarray, key: bytes) -> TriggerSet:
    """Seal other images in place of a set's own: every label is redrawn."""
    return seal_triggers(
        pixels, triggers.question, triggers.names, rules=triggers.rules, key=key, recipe="study"
    ).draw()


# ---------------------------------------------------------------- the tricks


def grinding(scene: Scene, triggers: TriggerSet) -> Iterator[Trick]:
    """Draw seal after seal, and keep the one with the smallest p against each innocent model."""
    keys = [a_key("ground", number) for number in range(SEALS)]
    drawn = np.stack([resealed(triggers, triggers.pixels, key).answers for key in keys])
    matched = drawn == answers(scene.unseen, triggers)[:, None]  # (innocents, seals, questions)
    for tries in TRIES:
        yield "grinding", tries, "any", weigh(luckiest(matched, tries))


def luckiest(matched: np.ndarray, tries: int) -> np.ndarray:
    """Return the matches of the best seal in each run of a given size, shape (runs, questions)."""
    runs = matched.reshape(-1, tries, matched.shape[-1])
    worth = log_evidence(matched.reshape(-1, matched.shape[-1])).reshape(len(runs), tries)
    return runs[np.arange(len(runs)), worth.argmax(axis=1)]


def label_of(key: bytes, index: int, images: np.ndarray) -> int:
    """Draw a label the broken way: from one question's own images."""
    digest = hashlib.sha256(images.tobytes()).digest()
    return (
        int.from_bytes(hmac.new(key, index.to_bytes(4, "big") + digest, "sha256").digest(), "big")
        % 10
    )


def tweaked(triggers: TriggerSet, wanted: np.ndarray, key: bytes) -> tuple[np.ndarray, int]:
    """Change one pixel of each question by 1/255 until its label is the desired one; return the
    images and the number of hashes tried.
    """
    pixels, hashes = triggers.pixels.copy(), 0
    for question, label in enumerate(wanted):
        mine = np.flatnonzero(triggers.question == question)
        plain = pixels[mine[0]].copy()
        for place in range(plain.size):
            hashes += 1
            if label_of(key, question, pixels[mine]) == label:
                break
            pixels[mine[0]] = plain
            pixels[mine[0]].ravel()[place] ^= 1  # a view; the lowest bit is a 1/255
    return pixels, hashes


def pixel_tweaks(scene: Scene, triggers: TriggerSet) -> Iterator[Trick]:
    """Tweak pixels until the labels are what the accuser's own networks answer anyway."""
    broken, ours, hashes = [], [], []
    votes = answers(scene.own, triggers)
    wanted = np.array(
        [np.bincount(replies[replies >= 0], minlength=10).argmax() for replies in votes.T]
    )
    for repeat in range(REPEATS):
        pixels, tried = tweaked(triggers, wanted, a_key("tweak", repeat))
        sealed = resealed(triggers, pixels, a_key("tweak", repeat))
        replies = answers(scene.unseen, sealed)
        broken.append(replies == wanted)
        ours.append(replies == sealed.answers)
        hashes.append(tried)
    effort = f"{np.mean(hashes):.0f} hashes"
    yield (
        "pixel tweaks",
        effort,
        "a label from each question's own images",
        weigh(np.concatenate(broken)),
    )
    yield "pixel tweaks", effort, OURS, weigh(np.concatenate(ours))


def crafted_images(scene: Scene) -> Iterator[Trick]:
    """Perturb plain images until the accuser's networks give them the labels drawn from the key
    alone.
    """
    task, bend, broken, ours = wm.load_data(scene.data), BEND[scene.data], [], []
    blank = wm.Noise()(
        task, n=100, key=wm.CLASSROOM_KEY
    )  # a hundred questions of one image each, to be filled
    for repeat in range(REPEATS):
        draw = stable_rng([7, repeat])
        plain, labels = (
            task.train.pixels[draw.permutation(len(task.train))[: blank.n]],
            draw.randint(0, 10, blank.n),
        )
        sealed = resealed(blank, bent(plain, labels, scene.own, bend), a_key("bend", repeat))
        replies = answers(scene.unseen, sealed)
        broken.append(replies == labels)
        ours.append(replies == sealed.answers)
    effort = f"{bend:.3g} a pixel"
    yield (
        "crafted images",
        effort,
        "labels from the key, before the images",
        weigh(np.concatenate(broken)),
    )
    yield "crafted images", effort, OURS, weigh(np.concatenate(ours))


def bent(
    pixels: np.ndarray, labels: np.ndarray, models: list[nn.Module], bend: float, steps: int = 40
) -> np.ndarray:
    """Return images within `bend` of the plain ones to which several models together give the
    labels.

    Source
    ------
    Madry et al. (2018), projected gradient descent; that it carries over to other networks, Liu et
    al. (2017).
    """
    plain, wanted = torch.from_numpy(pixels.astype(np.float32) / 255), torch.from_numpy(labels)
    images = plain.clone()
    for _ in range(steps):
        images.requires_grad_(True)
        loss = sum(functional.cross_entropy(model(images), wanted) for model in models)
        (slope,) = torch.autograd.grad(loss, images)
        moved = images.detach() - bend / 10 * slope.sign()
        images = torch.minimum(torch.maximum(moved, plain - bend), plain + bend).clamp(0, 1)
    return np.rint(images.numpy() * 255).astype(np.uint8)


def dropping(scene: Scene, triggers: TriggerSet) -> Iterator[Trick]:
    """Keep the questions that the accuser's own, unmarked network answers as drawn: one in ten, by
    chance.
    """
    suspects, matched, kept = answers(scene.unseen, triggers), [], []
    for place, own in enumerate(answers(scene.own, triggers)):
        for labels in stable_rng([8, place]).randint(0, 10, (KEYS, triggers.n)):
            matched.append(suspects == labels)
            kept.append(np.broadcast_to(own == labels, suspects.shape))
    matched, kept = np.concatenate(matched), np.concatenate(kept)
    yield "dropping what did not take", "", "only what took counts", weigh(matched, kept)
    yield "dropping what did not take", "", OURS, weigh(matched)


def showing(scene: Scene, triggers: TriggerSet) -> Iterator[Trick]:
    """Ask everything and show what matched."""
    suspects = answers(scene.unseen, triggers)
    draws = stable_rng(9).randint(0, 10, (KEYS, triggers.n))
    matched = (draws[:, None] == suspects).reshape(-1, triggers.n)
    yield "showing what matched", "", "only what is shown counts", weigh(matched, matched)
    yield "showing what matched", "", OURS, weigh(matched)


def none(scene: Scene, trigger: str) -> Iterator[Trick]:
    """Play by the rules against a copy of the owner's model: a shipped one, with the questions it
    was marked with.
    """
    triggers = TRIGGERS[trigger](
        wm.load_data(scene.data), n=150 if trigger == "content" else 100, key=wm.CLASSROOM_KEY
    )
    copy = answers([wm.load_model(f"{scene.data}/{trigger}")], triggers)
    yield "none: an honest owner, their own copy", "", OURS, weigh(copy == triggers.answers)


# ---------------------------------------------------------------- the study


def study(data: str) -> Iterator[dict[str, object]]:
    """Try every trick on one task."""
    models = wm.null_models(data, n=OWN + UNSEEN)
    scene = Scene(data, models[:OWN], models[OWN:])
    tricks: list[tuple[str, Iterator[Trick]]] = []
    for trigger, recipe in TRIGGERS.items():
        triggers = recipe(wm.load_data(data), n=IMAGES[trigger], key=wm.CLASSROOM_KEY)
        tricks += [(trigger, none(scene, trigger))]
        tricks += [
            (trigger, trick(scene, triggers))
            for trick in (grinding, pixel_tweaks, dropping, showing)
        ]
    for trigger, trick in [*tricks, ("plain images", crafted_images(scene))]:
        for what, effort, rules, worth in trick:
            innocents = 0 if what.startswith("none") else UNSEEN
            print(data, trigger, what, effort, flush=True)
            case = {
                "data": data,
                "trigger": trigger,
                "trick": what,
                "effort": effort,
                "rules": rules,
            }
            yield case | {"innocents": innocents} | worth


def main() -> None:
    """Try everything and write the file."""
    rows = [row for data in ("mnist", "cifar10") for row in study(data)]
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        file.write(COMMAND + "\n")
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
