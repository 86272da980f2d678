"""Write the test vectors of docs/spec.md: small sealed sets under a public key, in JSON.

`python tools/vectors.py` rewrites them in tests/evidence/vectors. They never change, because other
implementations rely on them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

import wmlearn as wm
from wmlearn.data.splits import Split
from wmlearn.evidence import commitment, stats
from wmlearn.evidence.calibration import clean_digest
from wmlearn.evidence.rules import Declared, Rules
from wmlearn.evidence.tilt import Ruler, seal_tilt
from wmlearn.evidence.trigger_set import Sealed, TriggerSet, seal_triggers

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "evidence" / "vectors"

KEY = bytes(range(32))
NONCE = b"three dice: 4 1 6"
OUTCOME = "6 2 5"
PER_QUESTION = [3] * 10 + [1] * 20  # images of each of thirty questions


def pixels(count: int, text: str) -> Any:
    """Return images of 4 x 4 pixels, uint8, shape (count, 1, 4, 4), from a hash."""
    drawn = hashlib.shake_256(text.encode()).digest(16 * count)
    return np.frombuffer(drawn, np.uint8).reshape(count, 1, 4, 4).copy()


def clean() -> Split:
    """Return twenty clean images, two of each class."""
    return Split(pixels(20, "clean"), np.arange(20) % 10)


def sealed(declared: Declared) -> Sealed:
    """Return thirty sealed questions on ten classes."""
    rules = Rules(tuple("0123456789"), 0.001, declared=declared)
    question = np.repeat(np.arange(30), PER_QUESTION)
    names = [f"question {number}" for number in range(30)]
    images = pixels(50, "triggers")
    return seal_triggers(images, question, names, rules=rules, key=KEY, recipe="a test vector")


def keyed() -> dict[str, Any]:
    """Return everything that the owner calculates, from key to seal, labels and wealth."""
    triggers = sealed(Declared()).draw()
    matched = [number % 3 > 0 for number in range(30)]
    return {
        "key": KEY.hex(),
        "shape": [1, 4, 4],
        "images": [image.tobytes().hex() for image in triggers.pixels],
        "question": triggers.question.tolist(),
        "names": triggers.names,
        "digests": commitment.image_digests(triggers.pixels),
        "secrets": [secret.hex() for secret in triggers.secrets],
        "leaves": [leaf.hex() for leaf in triggers.leaves],
        "header": dict(triggers.header),
        "seal": triggers.seal,
        "label_seed": commitment.label_seed(triggers.seal).hex(),
        "labels": triggers.answers.tolist(),
        "matched": matched,
        "log_wealth": stats.wealth_path(matched, 0.1).tolist(),
        "anytime_p": stats.anytime_p(stats.wealth_path(matched, 0.1)),
    }


def answered(triggers: TriggerSet, count: int, misses: int) -> dict[str, Any]:
    """Return some questions opened to a judge, a service's answers, and our verdict on them."""
    named = wm.evidence.challenge(triggers.seal, NONCE, questions=triggers.n, count=count)
    opened = wm.evidence.open_questions(triggers, named, nonce=NONCE, case="a test vector")
    labels = triggers.labels.copy()
    missed = np.isin(triggers.question, named[:misses])
    labels[missed] = (labels[missed] + 1) % 10
    labels[np.flatnonzero(triggers.question == named[misses])[0]] = -1
    questions = [question_of(opened, place, labels) for place in range(count)]
    return {
        "header": dict(triggers.header),
        "seal": triggers.seal,
        "outcome": triggers.outcome,
        "nonce": NONCE.hex(),
        "case": "a test vector",
        "shape": [1, 4, 4],
        "named": named,
        "opened": questions,
        "labels": triggers.answers[named].tolist(),
    }


def write_opening(path: Path) -> None:
    """Write the opened questions of the vector as an owner hands them to a judge."""
    triggers = sealed(Declared()).draw()
    named = wm.evidence.challenge(triggers.seal, NONCE, questions=triggers.n, count=22)
    wm.evidence.open_questions(triggers, named, nonce=NONCE, case="a test vector").save(path)


def question_of(opened: wm.evidence.Opening, place: int, labels: Any) -> dict[str, Any]:
    """Return one opened question, with a service's label for each of its images."""
    index = opened.indices[place]
    question = np.repeat(np.arange(30), PER_QUESTION)
    own = opened.pixels[opened.question == place]
    return {
        "index": index,
        "name": opened.names[place],
        "secret": opened.secrets[place].hex(),
        "images": [image.tobytes().hex() for image in own],
        "path": [node.hex() for node in opened.paths[place]],
        "answers": labels[question == index].tolist(),
    }


def opened() -> dict[str, Any]:
    """Return a judge's test for the case that any number of seals was tried."""
    return answered(sealed(Declared()).draw(), count=22, misses=1)


def beacon() -> dict[str, Any]:
    """Return a judge's test of a seal that declares everything it can."""
    images = clean()
    declared = Declared(
        owner="Alice Ltd",
        model=hashlib.sha256(b"model").hexdigest(),
        signer=hashlib.sha256(b"signer").hexdigest(),
        beacon="three dice, thrown in class on 3 May",
        least_accuracy=0.3,
        clean=clean_digest(images),
    )
    triggers = sealed(declared).with_clean(images).draw(OUTCOME)
    kept = {
        "clean_images": [image.tobytes().hex() for image in images.pixels],
        "clean_labels": images.labels.tolist(),
        "seals": 100,
    }
    return answered(triggers, count=12, misses=2) | kept


def message() -> dict[str, Any]:
    """Return a message of sixteen bits for kernels of (2, 3, 3), and the reading of one mean
    kernel.
    """
    from torch import nn

    model = nn.Sequential(nn.Conv2d(2, 4, 3))
    sealed_message = wm.watermarks.seal_message(model, bits=16, key=KEY)
    rules = {name: value for name, value in sealed_message.header.items() if name != "root"}
    secrets = commitment.question_secrets(KEY, [commitment.seal(rules)], 16)
    kernel = (np.arange(18) - 8.5) / 32  # exact in binary
    read = sealed_message.projection.astype(float) @ kernel > 0
    return {
        "key": KEY.hex(),
        "header": dict(sealed_message.header),
        "seal": sealed_message.seal,
        "secrets": [secret.hex() for secret in secrets],
        "label_seed": commitment.label_seed(sealed_message.seal).hex(),
        "bits": sealed_message.bits.tolist(),
        "projection": sealed_message.projection[:, :4].astype(float).tolist(),
        "mean_kernel": kernel.tolist(),
        "read": read.astype(int).tolist(),
    }


def tilt() -> dict[str, Any]:
    """Return sealed signs for three classes and four features, and the test of some answers."""
    drawn = hashlib.shake_256(b"tilt").digest(200)
    numbers = iter(np.frombuffer(drawn, np.uint8).astype(np.int64).tolist())
    images = pixels(40, "tilt")
    says = [next(numbers) % 3 for _ in range(120)]  # of three references about each image
    ruler = Ruler(
        projection=np.array([2**19 * (next(numbers) - 128) for _ in range(16)]).reshape(4, 4),
        centre=np.array([2**20 * next(numbers) for _ in range(4)]),
        middle=np.array([next(numbers) for _ in range(4)]),
        votes=np.array([np.bincount(three, minlength=3) for three in np.reshape(says, (40, 3))]),
        spread=np.array([2**15 * (1 + next(numbers)) for _ in range(12)]).reshape(3, 4),
    )
    rules = Rules(tuple("abc"), 0.001)
    cases = {}
    for test in ("weighted", "signs", "bets"):
        sealed_tilt = seal_tilt(images, ruler, rules, size=1.0, test=test, key=KEY)
        leaning = (ruler.features(images) - ruler.middle) @ sealed_tilt.signs.T
        labels = np.where(np.arange(40) % 8 == 7, -1, leaning.argmax(1))  # some are lost
        verdict = wm.evidence.verify_tilt(lambda _, labels=labels: labels, sealed_tilt)
        opened = wm.evidence.open_tilt(sealed_tilt)
        cases[test] = {
            "header": dict(sealed_tilt.header),
            "seal": sealed_tilt.seal,
            "secrets": [secret.hex() for secret in opened.secrets],
            "label_seed": commitment.label_seed(sealed_tilt.seal).hex(),
            "signs": sealed_tilt.signs.ravel().tolist(),
            "answers": labels.tolist(),
            "statistic": ruler.statistic(labels, images).ravel().tolist(),
            "weights": verdict.weights.tolist(),
            "p": verdict.p,
        }
    texts = [image.tobytes().hex() for image in images]
    return {"key": KEY.hex(), "shape": [1, 4, 4], "images": texts, "tests": cases}


VECTORS = {"keyed": keyed, "opened": opened, "beacon": beacon, "message": message, "tilt": tilt}


def text_of(name: str) -> str:
    """Return the text of a vector's file."""
    return json.dumps(VECTORS[name](), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in VECTORS:
        (FOLDER / f"{each}.json").write_text(text_of(each))
    write_opening(FOLDER / "opened.safetensors")
