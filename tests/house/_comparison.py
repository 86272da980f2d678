"""What must not change while the house is rebuilt: facts about the package, to compare with those
of before.

Each group is a plain function that returns facts by name. Those that are the same on every machine
stand in `comparison.json`, and `test_comparison.py` holds the package to them. Weights are the same
on one machine only, bit for bit; these are compared with another checkout, before and after a
change::

    git worktree add ../before <commit>
    (cd ../before && PYTHONPATH=. python tests/house/_comparison.py --weights ../before.json)
    PYTHONPATH=. python tests/house/_comparison.py --against ../before.json

Each checkout runs its own copy of this script, for names may differ. `--rows FILE` does for the
cheapest row of each file in `docs/results` what `--weights` does for weights, and says whether it
equals what stands there; `--against` takes either file. `--record` writes `comparison.json` anew:
do that only where a change of what is sealed, shipped, counted or learnt is intended.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import _comparison_rows
import numpy as np
import torch
from torch import nn

import wmlearn as wm
from wmlearn import theft, zoo
from wmlearn.evidence import stats

Facts = dict[str, Any]  # by name; nothing but what JSON holds

RECORD = Path(__file__).with_name("comparison.json")
BEFORE = Path(__file__).with_name(
    "data_before"
)  # files as they were written before; never to be written anew
PACKAGE = Path(wm.__file__).parent

OTHER_KEY = hashlib.sha256(b"another key").digest()
KEYS = {"classroom": wm.CLASSROOM_KEY, "other": OTHER_KEY}
DRAWN = "random"  # the word for a target class that the seal draws
NUMBER = re.compile(r"\d+\.\d+")
TOLERANCE = 1e-9  # relative: libraries of special functions differ in the last digits
LEARNT_TOLERANCE = (
    0.015  # absolute: another machine adds in another order, so an image or two change sides
)


# ---------------------------------------------------------------- digests and rounding


def digest(array: Any) -> str:
    """Return the SHA-256 of an array: type, shape and bytes."""
    array = np.ascontiguousarray(array)
    total = hashlib.sha256(f"{array.dtype} {array.shape}\n".encode())
    total.update(array.tobytes())
    return total.hexdigest()


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 of all weights and running means of a network, names included."""
    total = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        total.update(f"{name} {digest(tensor.numpy())}\n".encode())
    return total.hexdigest()


def rounded(value: Any, digits: int = 12) -> Any:
    """Return plain Python values, floats rounded to so many significant digits; what JSON cannot
    hold, as text.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else str(value)
    if isinstance(value, (list, tuple)):
        return [rounded(each, digits) for each in value]
    return value


# ---------------------------------------------------------------- statistics


def statistics_exactly() -> Facts:
    """Return what every function of `wm.stats` says, on common inputs and at the edges, not
    rounded.
    """
    counts = [
        (0, 0),
        (0, 1),
        (1, 1),
        (0, 30),
        (3, 30),
        (12, 30),
        (29, 30),
        (30, 30),
        (100, 1000),
        (1000, 1000),
    ]
    k, n = np.array(counts).T
    chances = (0.001, 0.1, 1 / 9, 0.5, 0.9)
    paths = {
        name: np.array([c in "1y" for c in name], bool)
        for name in ("", "1", "0", "110", "1111", "0100110001")
    }
    alphas = (1e-6, 0.001, 0.05, 0.5)
    rates = (0.0, 0.1, 0.4, 0.9, 1.0)
    lists = ([0.004, 0.5, 0.0001], [0.006, 0.5, 0.0001], [0.0, 1.0, 1.0, 0.0], [0.2])
    gaps = [True, False, True, True, False, True]
    found: Facts = {}
    for p0 in chances:
        found[f"log_wealth p0={p0:.3g}"] = stats.log_wealth(k, n, p0)
        found[f"binomial_p p0={p0:.3g}"] = stats.binomial_p(k, n, p0)
        for name, matched in paths.items():
            path = stats.wealth_path(matched, p0)
            found[f"wealth_path p0={p0:.3g} {name}"] = path
            found[f"anytime_p p0={p0:.3g} {name}"] = stats.anytime_p(path)
            found[f"reaches p0={p0:.3g} {name}"] = [stats.reaches(path, alpha) for alpha in alphas]
    for p in (1e-300, 1e-20, 1e-15, 1e-14, 0.001, 1.0):
        found[f"judge_p {p}"] = stats.judge_p(p)
    for confidence in (0.5, 0.95, 0.999):
        found[f"match_interval {confidence}"] = stats.match_interval(k, n, confidence)
        found[f"null_bound {confidence}"] = [
            stats.null_bound(m, confidence) for m in (0, 1, 40, 999)
        ]
    found["match_interval of one"] = stats.match_interval(30, 30)
    for alpha in alphas:
        found[f"null_models_needed {alpha}"] = stats.null_models_needed(alpha)
        found[f"holm_families {alpha}"] = [stats.holm_families(each, alpha) for each in lists]
        for p0 in (0.1, 0.5):
            about = f"alpha={alpha} p0={p0}"
            found[f"matches_needed {about}"] = stats.matches_needed(np.arange(60), alpha, p0)
            found[f"accusation_curve {about}"] = [
                stats.accusation_curve(40, r, alpha=alpha, p0=p0) for r in rates
            ]
            found[f"accusation_curve, gaps {about}"] = stats.accusation_curve(
                gaps, 0.9, alpha=alpha, p0=p0
            )
            found[f"accusation_chance {about}"] = [
                stats.accusation_chance(99, r, alpha=alpha, p0=p0) for r in rates
            ]
            found[f"questions_needed {about}"] = [
                stats.questions_needed(alpha, p0, rate=r) for r in (0.8, 1.0)
            ]
            found[f"questions_needed, surely {about}"] = stats.questions_needed(
                alpha, p0, rate=0.8, chance=0.99
            )
            found[f"mean_questions {about}"] = [
                stats.mean_questions(alpha, p0, rate=r) for r in (0.8, 1.0)
            ]
    found["null_p"] = [stats.null_p(b, [3, 0, 95, 1]) for b in (0, 1, 90, 95, 96)] + [
        stats.null_p(5, [])
    ]
    found["lottery_p"] = [stats.target_p([0, 150, 0, 0, 150], target=t) for t in range(5)]
    found["open_list_family"] = [stats.open_list_family(place) for place in (1, 2, 3, 100)]
    found["constants"] = [stats.JUDGE_FACTOR, stats.SMALLEST_P]
    return found


def statistics() -> Facts:
    """Return the same, rounded to 12 significant digits."""
    return {name: rounded(value) for name, value in statistics_exactly().items()}


# ---------------------------------------------------------------- what is sealed


def trigger_facts(triggers: wm.evidence.TriggerSet) -> Facts:
    """Return what is sealed in a trigger set, and the answers drawn."""
    return {
        "seal": triggers.seal,
        "pixels": digest(triggers.pixels),
        "labels": triggers.labels.tolist(),
        "question": triggers.question.tolist(),
        "names": list(triggers.names),
        "header": dict(triggers.header),
        "recipe": triggers.recipe.replace("target='random'", "target='lot'"),  # the word of before
    }


def kinds() -> Iterator[tuple[str, Any, int]]:
    """Yield (name, kind of trigger, number of images): all kinds, in every label mode that they
    have.
    """
    fixed = {"labels": "fixed"}
    yield "content", wm.Content(words=3), 7
    yield (
        "content, chosen words",
        wm.Content(words=["AB", "C9"], place="top", opacity=0.5, size=2),
        4,
    )
    yield "content, fixed", wm.Content(**fixed), 3
    yield "content, fixed, drawn", wm.Content(words=2, source=3, target=DRAWN, **fixed), 3
    yield "unrelated", wm.Unrelated(), 4
    yield "unrelated, fixed", wm.Unrelated(source=2, target=7, **fixed), 3
    yield "unrelated, fixed, drawn", wm.Unrelated(target=DRAWN, **fixed), 3
    yield "noise", wm.Noise(), 4
    yield "noise, fixed", wm.Noise(sigma=0.2, **fixed), 3
    yield "noise, fixed, drawn", wm.Noise(target=DRAWN, **fixed), 3
    yield "composite", wm.watermarks.Composite(pairs=3), 7


def messages() -> dict[str, wm.watermarks.Message]:
    """Return white-box messages by name."""
    small, deep = (
        wm.small_cnn(wm.load_data("mnist")),
        wm.training.deep_cnn(wm.load_data("cifar10"), width=4),
    )
    made = {
        f"small {name}": wm.watermarks.seal_message(small, key=key) for name, key in KEYS.items()
    }
    made["deep, first layer"] = wm.watermarks.seal_message(
        deep, bits=5, layer="layers.1", alpha=0.01, key=OTHER_KEY
    )
    return made


def sealed() -> Facts:
    """Return seals, labels and pixels of all kinds, in both label modes, for both data sets and two
    keys.
    """
    found: Facts = {}
    for data in (wm.load_data("mnist"), wm.load_data("cifar10")):
        for whose, key in KEYS.items():
            for name, kind, n in kinds():
                found[f"{data.name}, {whose} key: {name}"] = trigger_facts(kind(data, n=n, key=key))
    chosen = wm.Noise()(wm.load_data("mnist"), n=3, key=OTHER_KEY, alpha=0.05, seed=5)
    found["chosen seed and alpha"] = trigger_facts(chosen)
    challenges = [
        wm.evidence.challenge(chosen.seal, b"three dice", questions=30, count=n) for n in (1, 5, 30)
    ]
    found["challenges"] = [list(map(int, each)) for each in challenges]
    for name, message in messages().items():
        found[f"message {name}"] = {
            "seal": message.seal,
            "bits": message.bits.tolist(),
            "signs": digest(message.projection > 0),
            "first row": rounded(message.projection[0][:5].astype(float), 5),
            "header": dict(message.header),
        }
    for whose, key in KEYS.items():
        found[f"dawn, {whose} key"] = dawn_facts(key)
    return found


def dawn_facts(key: bytes) -> Facts:
    """Return what a service says that answers some questions wrongly, and what it remembers."""
    service = wm.watermarks.Dawn(sum_of_pixels, range(10), share=0.1, key=key)
    loot = wm.load_data("mnist").loot.images[:60]
    replies = service(loot)
    return {
        "seal": service.seal,
        "said": replies.tolist(),
        "remembered": digest(service.remembered.pixels),
        "wrong": service.remembered.labels.tolist(),
        "verdict on itself": verdict_facts(service.verify(service)),
    }


def as_pixels(images: np.ndarray) -> np.ndarray:
    """Return images in [0, 1] as 8-bit pixels again."""
    return np.rint(255 * images).astype(np.uint8)


def sum_of_pixels(images: np.ndarray) -> np.ndarray:
    """Answer as no model does: the last digit of the sum of all pixels, the same everywhere."""
    return np.rint(255 * images.astype(np.float64)).sum((1, 2, 3)).astype(np.int64) % 10


def verdict_facts(verdict: wm.evidence.Verdict) -> list[Any]:
    """Return decision, matches, questions, p-value, that for a judge, family, and questions left
    unanswered.
    """
    p = [None if math.isnan(p) else rounded(p, 9) for p in (verdict.p, verdict.p_judge)]
    return [
        verdict.decision,
        verdict.k,
        verdict.n,
        *p,
        verdict.family,
        int(verdict.unanswered.sum()),
    ]


# ---------------------------------------------------------------- files of before


def write_files(folder: Path) -> None:
    """Write one of each file that an owner, a judge and a student keep."""
    mnist = wm.load_data("mnist")
    keyed = wm.Content(words=4)(mnist, n=8, key=wm.CLASSROOM_KEY)
    fixed = wm.Unrelated(labels="fixed", target=DRAWN)(mnist, n=4, key=wm.CLASSROOM_KEY)
    wm.evidence.save_evidence(keyed, folder / "keyed")
    wm.evidence.save_evidence(fixed, folder / "fixed")
    wm.evidence.open_questions(keyed, [3, 0]).save(folder / "opened.safetensors")
    case = wm.course.open_case()
    case.services["B"](case.triggers.images[:7])
    case.card(dict.fromkeys(case.services, "abstain") | {"B": "accuse"}).save(folder / "card.json")


def files() -> Facts:
    """Return what the files of before say when they are opened now, and how far those written now
    are the same.
    """
    found: Facts = {}
    for name in ("keyed", "fixed"):
        triggers = wm.evidence.open_evidence(BEFORE / name)
        found[f"{name} evidence"] = trigger_facts(triggers)
        found[f"{name} evidence, verdict"] = verdict_facts(wm.verify(sum_of_pixels, triggers))
    found["log"] = [
        [use.what, list(use.questions), use.whom, use.when]
        for use in wm.evidence.read_log(BEFORE / "keyed")
    ]
    opened = wm.evidence.read_opening(BEFORE / "opened.safetensors")
    answers = opened.answers()
    found["opened"] = [
        opened.seal,
        list(opened.indices),
        list(opened.names),
        answers.tolist(),
        digest(opened.pixels),
    ]
    found["opened, classroom key"] = bool(opened.public_key)
    known = {
        image.tobytes(): label for image, label in zip(opened.pixels, answers[opened.question])
    }
    suspects = {
        "knows": lambda images: np.array([known[image.tobytes()] for image in as_pixels(images)])
    }
    suspects["does not"] = sum_of_pixels
    for name, suspect in suspects.items():
        for named in ([3, 0], [0, 1]):
            verdict = wm.evidence.judge(suspect, opened, seal=opened.seal, named=named, family=2)
            found[f"judge: {name}, named {named}"] = verdict_facts(verdict)
    found["card"] = wm.course.score_card(BEFORE / "card.json").points
    with tempfile.TemporaryDirectory() as name:
        found |= files_written_now(Path(name))
    return found


def files_written_now(folder: Path) -> Facts:
    """Return whether each file written now has the bytes of before; a log has its time in it, so it
    is continued.
    """
    write_files(folder)
    names = sorted(
        str(path.relative_to(BEFORE)) for path in BEFORE.rglob("*.*") if path.name != "log.jsonl"
    )
    found = {
        f"same bytes: {name}": (folder / name).read_bytes() == (BEFORE / name).read_bytes()
        for name in names
    }
    shutil.copy(BEFORE / "keyed" / "log.jsonl", folder / "keyed")
    wm.evidence.log_use(folder / "keyed", "asked", [1], whom="a third service")
    line = json.loads((folder / "keyed" / "log.jsonl").read_text().splitlines()[-1])
    found["log, continued"] = {name: value for name, value in line.items() if name != "when"}
    for name in ("mnist/content", "cifar10/clean"):
        zoo.save_model(wm.load_model(name), folder / "model.safetensors")
        released = PACKAGE / "_models" / f"{name}.safetensors"
        found[f"same bytes: {name}"] = (
            folder / "model.safetensors"
        ).read_bytes() == released.read_bytes()
    return found


# ---------------------------------------------------------------- what ships


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def shipped() -> Facts:
    """Return the SHA-256 of every file that ships as data or as a model."""
    found = {}
    for name, folder in {
        "_data": PACKAGE / "data" / "_files",
        "_models": PACKAGE / "_models",
    }.items():
        for path in sorted(folder.rglob("*.*")):
            found[f"{name}/{path.relative_to(folder).as_posix()}"] = file_digest(path)
    return found


def zoo_triggers(data: wm.Splits) -> dict[str, wm.evidence.TriggerSet]:
    """Return the trigger sets of the shipped models, and one whose target is drawn."""
    kinds = {
        "content": (wm.Content(words=30), 150),
        "unrelated": (wm.Unrelated(), 100),
        "noise": (wm.Noise(), 100),
        "content-fixed": (wm.Content(labels="fixed"), 150),
        "unrelated-fixed": (wm.Unrelated(labels="fixed"), 150),
        "noise-fixed": (wm.Noise(labels="fixed"), 150),
        "content-drawn": (wm.Content(labels="fixed", target=DRAWN), 60),
    }
    return {name: kind(data, n=n, key=wm.CLASSROOM_KEY) for name, (kind, n) in kinds.items()}


def zoo_verdicts() -> Facts:
    """Return the verdict on every shipped model, null models included, by every trigger set of
    theirs.
    """
    found: Facts = {}
    for data in (wm.load_data("mnist"), wm.load_data("cifar10")):
        kinds = zoo_triggers(data)
        own = {
            name: wm.load_model(f"{data.name}/{name}")
            for name in ("clean", *kinds)
            if name != "content-drawn"
        }
        nulls = {f"null-{i:02d}": model for i, model in enumerate(wm.null_models(data.name))}
        for name, triggers in kinds.items():
            replies = {
                whose: wm.BlackBox(model)(triggers.images) for whose, model in (own | nulls).items()
            }
            queries = {whose: lambda _, labels=labels: labels for whose, labels in replies.items()}
            witnesses = [queries[whose] for whose in nulls]
            if triggers.p0 is None:  # fixed labels: null models are the witnesses, not suspects
                suspects = {whose: queries[whose] for whose in own}
                verdicts = wm.verify_all(suspects, triggers, nulls=witnesses)
            else:
                verdicts = wm.verify_all(queries, triggers)
            for whose, verdict in verdicts.items():
                found[f"{data.name}: {name} asked of {whose}"] = verdict_facts(verdict)
    return found


# ---------------------------------------------------------------- what is learnt


SHORT = wm.Schedule(epochs=4, batch_size=32)


def few(name: str) -> wm.Splits:
    """Return a task of 300 images in each part."""
    data = wm.load_data(name)
    parts = (part.take(slice(300)) for part in (data.train, data.loot, data.test))
    return wm.Splits(name, *parts, data.classes)


def shifted(image: torch.Tensor) -> torch.Tensor:
    """Vary an image: shift it a little, by what torch draws."""
    return image.roll(int(torch.randint(-1, 2, ())), 2)


def dropping(data: wm.Splits) -> nn.Module:
    """Return a network that draws while it learns."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        inner = nn.Linear(int(np.prod(data.shape)), 32)
        return nn.Sequential(
            nn.Flatten(), inner, nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, len(data.classes))
        )


def learnt(
    model: nn.Module,
    data: wm.Splits,
    triggers: wm.evidence.TriggerSet | None = None,
    history: Any = None,
) -> Facts:
    """Return what a network has become: its weights, and what it answers."""
    ask = wm.BlackBox(model)
    facts: Facts = {"weights": weights_digest(model)}
    facts["task_accuracy"] = rounded(float((ask(data.test.images) == data.test.labels).mean()), 3)
    if triggers is not None:
        facts["matched"] = wm.verify(ask, triggers).k
    if history is not None:
        facts["epochs"] = len(history.epochs)
        facts["stopped"] = history.stopped
        facts["losses"] = [rounded(float(record.loss), 3) for record in history.epochs]
    return facts


def fitted(mnist: wm.Splits, photos: wm.Splits) -> Facts:
    """Return what `fit` learns, in all its variants."""
    small, deep = wm.small_cnn(mnist, seed=1), wm.training.deep_cnn(photos, width=8, seed=1)
    made = {
        "fit": (wm.fit(small, mnist, schedule=SHORT, seed=3), mnist),
        "fit, as by default": (wm.fit(small, mnist, schedule=wm.Schedule(batch_size=256)), mnist),
        "fit, a part": (wm.fit(small, mnist.train, schedule=SHORT, seed=3), mnist),
        "fit, varied": (wm.fit(small, mnist.varied(shifted), schedule=SHORT, seed=3), mnist),
        "fit, dropout": (wm.fit(dropping(mnist), mnist, schedule=SHORT, seed=3), mnist),
        "fit, last seed": (wm.fit(dropping(mnist), mnist, schedule=SHORT, seed=2**32 - 1), mnist),
        "fit, stopped": (
            wm.fit(small, mnist, schedule=SHORT, on_epoch=lambda e: e.epoch == 2),
            mnist,
        ),
        "fit, deep": (wm.fit(deep, photos, schedule=SHORT, seed=3), photos),
        "fit, deep, varied": (wm.fit(deep, photos.varied(shifted), schedule=SHORT, seed=3), photos),
    }
    return {
        name: learnt(one.model, data, history=one.history) for name, (one, data) in made.items()
    }


def marked(mnist: wm.Splits) -> tuple[dict[str, Any], Facts]:
    """Return marked networks by name, and what was learnt; by `embed` and with a margin."""
    small, deep = wm.small_cnn(mnist, seed=1), wm.training.deep_cnn(mnist, width=8, seed=1)
    words = wm.Content(words=5)(mnist, n=10, key=wm.CLASSROOM_KEY)
    fixed = wm.Noise(labels="fixed")(mnist, n=10, key=wm.CLASSROOM_KEY)
    photos = wm.Unrelated()(mnist, n=5, key=OTHER_KEY)
    never = wm.Schedule(epochs=1, max_lr=1e-6, batch_size=256)
    margin = wm.watermarks.Margin(images=5, steps=2)
    made = {
        "embed": wm.embed(small, mnist, words, schedule=SHORT, seed=2),
        "embed, varied": wm.embed(small, mnist.varied(shifted), words, schedule=SHORT, seed=2),
        "embed, dropout": wm.embed(dropping(mnist), mnist, words, schedule=SHORT, seed=2),
        "embed, fixed": wm.embed(small, mnist, fixed, schedule=SHORT, seed=2),
        "embed, given up": wm.embed(small, mnist, words, schedule=never),
        "embed, stopped": wm.embed(
            small,
            mnist,
            words,
            schedule=wm.Schedule(batch_size=256),
            on_epoch=lambda e: e.epoch == 2,
        ),
        "embed, deep": wm.embed(deep, mnist, photos, schedule=SHORT, seed=2),
        "margin": wm.embed(small, mnist, words, margin=margin, schedule=SHORT, seed=2),
        "margin, varied": wm.embed(
            small, mnist.varied(shifted), words, margin=margin, schedule=SHORT, seed=2
        ),
        "margin, deep": wm.embed(deep, mnist, photos, margin=margin, schedule=SHORT, seed=2),
    }
    going_on = wm.fit(small, mnist, schedule=SHORT).model
    made["embed, trained before"] = wm.embed(going_on, mnist, words, schedule=SHORT)
    found = {}
    for name, one in made.items():
        found[name] = learnt(one.model, mnist, one.triggers, one.history) | {
            "complete": one.complete
        }
    return made, found


def messaged(mnist: wm.Splits, photos: wm.Splits) -> Facts:
    """Return what `embed_message` learns."""
    found = {}
    for name, model, data in (
        ("small", wm.small_cnn(mnist, seed=1), mnist),
        ("dropout", nn.Sequential(wm.small_cnn(mnist, seed=1), nn.Dropout(0.2)), mnist),
        ("deep", wm.training.deep_cnn(photos, width=8, seed=1), photos),
    ):
        message = wm.watermarks.seal_message(model, bits=16, key=wm.CLASSROOM_KEY)
        one = wm.watermarks.embed_message(model, data, message, schedule=SHORT, seed=2)
        verdict = wm.watermarks.verify_message(one.model, message)
        found[f"message, {name}"] = learnt(one.model, data, history=one.history) | {
            "bits": verdict.k
        }
    return found


def altered(owners: dict[str, Any], mnist: wm.Splits) -> Facts:
    """Return what is left after each theft that holds the weights, of a small network and a deep
    one.
    """
    of_thief = wm.Noise()(few_of_loot(mnist), n=6, key=OTHER_KEY)
    last = {"layers": "last"}
    thefts = {
        "pruned": theft.Prune(0.5),
        "pruned by channel": theft.Prune(0.5, by="channel"),
        "rounded": theft.Quantize(8),
        "shaken": theft.PerturbWeights(0.3, seed=4),
        "tuned": theft.FineTune(),
        "tuned in the last layer": theft.FineTune(2, 3e-3, 4, **last),
        "tuned with a new layer": theft.FineTune(reset=True),
        "tuned in a new last layer": theft.FineTune(reset=True, **last),
        "fine-pruned": theft.FinePrune(0.5, epochs=2),
    }
    found = {}
    for owner in ("embed", "embed, deep"):
        one = owners[owner]
        for name, each in thefts.items():
            taken = each(one.model, mnist.loot)
            found[f"{owner}, then {name}"] = learnt(taken.model, mnist, one.triggers, taken.history)
    one = owners["embed"]
    taken = theft.Overwrite(of_thief, epochs=3)(one.model, mnist.loot)
    found["embed, then overwritten"] = learnt(taken.model, mnist, one.triggers, taken.history)
    found["embed, then overwritten"]["of_thief"] = wm.verify(wm.BlackBox(taken.model), of_thief).k
    stopped = theft.FineTune()(one.model, mnist.loot, on_epoch=lambda e: e.epoch == 1)
    found["embed, then tuned, stopped"] = learnt(
        stopped.model, mnist, one.triggers, stopped.history
    )
    return found


def few_of_loot(data: wm.Splits) -> wm.Splits:
    """Return the task of a thief, who has nothing but the loot."""
    return wm.Splits(data.name, data.loot, classes=data.classes)


def imitated(owners: dict[str, Any], mnist: wm.Splits) -> Facts:
    """Return what thieves learn who only ask, and what they were told."""
    one, fresh = owners["embed"], wm.small_cnn(mnist, seed=9)
    queries = {
        "hard": ("hard", "loot", 250),
        "soft": ("soft", "loot", 250),
        "unrelated": ("hard", "unrelated", 300),
        "unrelated, soft": ("soft", "unrelated", 300),
        "own images": ("hard", mnist.train, 300),
    }
    found = {}
    for name, (labels, pool, n) in queries.items():
        service = wm.BlackBox(one.model, scores=True)
        taken = theft.StealByQueries(n, labels, pool, seed=5, schedule=SHORT)(
            service, fresh, mnist.loot
        )
        found[f"imitation, {name}"] = learnt(taken.model, mnist, one.triggers, taken.history)
        found[f"imitation, {name}"] |= {"queries": taken.queries, "asked": service.queries}
    service = wm.BlackBox(one.model, budget=120)
    taken = theft.StealByQueries(250, schedule=SHORT)(service, fresh, mnist.loot)
    found["imitation, cut short"] = learnt(taken.model, mnist, one.triggers, taken.history)
    found["imitation, cut short"] |= {"queries": taken.queries, "unanswered": taken.unanswered}
    return found


def inverted(owners: dict[str, Any], mnist: wm.Splits) -> Facts:
    """Return the images that a model takes for its classes, from each start."""
    found = {}
    for start in ("blank", "noise", "loot"):
        seen = theft.InvertModel(start, steps=20, seed=6)(owners["embed"].model, mnist.loot)
        found[f"inverted from {start}"] = {
            "weights": digest(seen.images),
            "sure": rounded(seen.sure.astype(float), 2),
        }
    return found


def hidden(owners: dict[str, Any], mnist: wm.Splits) -> Facts:
    """Return what services answer that have something in front of them."""
    one = owners["embed"]
    service = wm.BlackBox(one.model)
    others = [wm.BlackBox(owners[name].model) for name in ("embed", "embed, fixed", "margin")]
    filters = {
        "JPEG": theft.Jpeg(45),
        "blur": theft.Blur(0.7),
        "few levels": theft.Squeeze(2),
        "noise": theft.AddNoise(0.2, seed=3),
        "a detector": theft.RejectUnusual(0.1),
    }
    suspects = {name: each(service, mnist.loot) for name, each in filters.items()}
    suspects["a vote"] = theft.Vote(others, seed=2)
    found = {}
    for name, suspect in suspects.items():
        replies = suspect(mnist.test.images)
        right = rounded(float((replies == mnist.test.labels).mean()), 3)
        matched = wm.verify(suspect, one.triggers).k
        found[f"hidden behind {name}"] = {
            "weights": digest(replies),
            "task_accuracy": right,
            "matched": matched,
        }
    return found


def swept(mnist: wm.Splits) -> Facts:
    """Return the table of a sweep."""
    words = wm.Content(words=5)(mnist, n=10, key=wm.CLASSROOM_KEY)
    thefts = {"pruned": theft.Prune(0.5), "tuned": theft.FineTune(epochs=1), "jpeg": theft.Jpeg(50)}
    table = wm.sweep(
        {"words": words}, thefts, mnist, seeds=[1], schedule=wm.Schedule(batch_size=256)
    )
    columns = [
        "theft",
        "task_accuracy",
        "matched",
        "questions",
        "p",
        "decision",
        "images",
        "queries",
    ]
    rows = [[rounded(value, 3) for value in row] for row in table[columns].itertuples(index=False)]
    return {"sweep": {"rows": rows}}


def trained() -> Facts:
    """Return what everything that trains or alters makes of 300 images: weights bit for bit, and
    rounded figures.
    """
    mnist, photos = few("mnist"), few("cifar10")
    owners, found = marked(mnist)
    found |= fitted(mnist, photos)
    found |= messaged(mnist, photos)
    found |= altered(owners, mnist)
    found |= imitated(owners, mnist)
    found |= inverted(owners, mnist)
    found |= hidden(owners, mnist)
    return found | swept(mnist)


def figures(found: Facts) -> Facts:
    """Return what was learnt without the weights, which belong to one machine."""
    return {
        name: {what: value for what, value in of.items() if what != "weights"}
        for name, of in found.items()
    }


def weights(found: Facts) -> Facts:
    """Return the digests of all weights."""
    return {name: of["weights"] for name, of in found.items() if "weights" in of}


# ---------------------------------------------------------------- recording and comparing


GROUPS: dict[str, Callable[[], Facts]] = {
    "statistics": statistics,
    "sealed": sealed,
    "files": files,
    "shipped": shipped,
    "zoo": zoo_verdicts,
    "trained": lambda: figures(trained()),
}


def rows() -> Facts:
    """Return the cheapest row of each study as it is measured now, and say how it compares with its
    file.
    """
    found: Facts = {}
    for name, then, now, seconds in _comparison_rows.rows():
        found[name] = now
        lines = differences(as_numbers(then), as_numbers(now))
        other = differences(as_numbers(then), as_numbers(now), absolute=LEARNT_TOLERANCE)
        near = all(
            line.startswith("sha256") for line in other
        )  # weights learnt elsewhere are never the same
        message = "DIFFERS"
        if near:
            message = "equals but for last digits" if lines else "equals"
        sys.stdout.write("\n  ".join([f"{seconds:5.1f} s  {name}: {message}", *lines]) + "\n")
        sys.stdout.flush()
    return found


def as_numbers(row: dict[str, str]) -> Facts:
    """Return the columns of a row, those with a decimal point as numbers."""
    return {name: float(text) if NUMBER.fullmatch(text) else text for name, text in row.items()}


# What holds on one machine only, bit for bit.
OF_THIS_MACHINE: dict[str, Callable[[], Facts]] = {
    "weights": lambda: weights(trained()),
    "statistics": lambda: {
        name: repr(rounded(value, 17)) for name, value in statistics_exactly().items()
    },
    "projections": lambda: {
        name: digest(message.projection) for name, message in messages().items()
    },
    "rows": rows,
}


def of_this_machine(groups: Iterable[str]) -> Facts:
    """Return these groups of facts."""
    return {group: OF_THIS_MACHINE[group]() for group in groups}


def differences(before: Any, now: Any, *, absolute: float = 0.0, where: str = "") -> list[str]:
    """Return one line for each fact that differs: its place, what it was, what it is."""
    if isinstance(before, dict) and isinstance(now, dict):
        lines = [f"{where}{name}: gone" for name in before if name not in now]
        lines += [f"{where}{name}: new" for name in now if name not in before]
        for name in (name for name in before if name in now):
            lines += differences(
                before[name], now[name], absolute=absolute, where=f"{where}{name}: "
            )
        return lines
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = enumerate(zip(before, now))
        return [
            line
            for i, (then, today) in pairs
            for line in differences(then, today, absolute=absolute, where=f"{where}[{i}] ")
        ]
    numbers = [
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in (before, now)
    ]
    if all(numbers) and float in (type(before), type(now)):
        same = math.isclose(before, now, rel_tol=TOLERANCE, abs_tol=absolute or TOLERANCE / 1000)
    else:
        same = type(before) is type(now) and before == now
    return [] if same else [f"{where}was {before!r}, is {now!r}"]


def compared(group: str) -> list[str]:
    """Return in what a group differs from the record; what is learnt is compared within what
    machines differ by.
    """
    record = json.loads(RECORD.read_text(encoding="utf-8"))[group]
    now = json.loads(json.dumps(GROUPS[group]()))
    return differences(record, now, absolute=LEARNT_TOLERANCE if group == "trained" else 0.0)


def dump(facts: Facts, path: Path) -> None:
    """Write facts so that a change of one of them is one line of a diff."""
    groups = []
    for group, found in sorted(facts.items()):
        lines = [
            f"  {json.dumps(name)}: {json.dumps(value, sort_keys=True)}"
            for name, value in sorted(found.items())
        ]
        groups.append(f" {json.dumps(group)}: {{\n" + ",\n".join(lines) + "\n }")
    path.write_text("{\n" + ",\n".join(groups) + "\n}\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, or compare; return 1 where something differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--record", action="store_true", help="write comparison.json anew: only on purpose"
    )
    what.add_argument(
        "--weights", type=Path, metavar="FILE", help="write what holds bit for bit on this machine"
    )
    what.add_argument(
        "--rows",
        type=Path,
        metavar="FILE",
        help="measure a row of each study, and write it (4 minutes)",
    )
    what.add_argument(
        "--against", type=Path, metavar="FILE", help="compare with the record and with such a file"
    )
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if chosen.record:
        dump({group: facts() for group, facts in GROUPS.items()}, RECORD)
        return 0
    if chosen.weights:
        dump(of_this_machine(["weights", "statistics", "projections"]), chosen.weights)
        return 0
    if chosen.rows:
        dump(of_this_machine(["rows"]), chosen.rows)
        return 0
    before = json.loads(chosen.against.read_text(encoding="utf-8"))
    lines = differences(before, of_this_machine(before))
    lines += [f"{group}: {line}" for group in GROUPS for line in compared(group)]
    sys.stdout.write("\n".join([*lines, f"{len(lines)} differences"]) + "\n")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
