"""Labs as pages that are live without a kernel, for the tests of recordings."""

import base64
import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from _drive import find

import wmlearn as wm
from wmlearn.labs.embedding import lab as embedding
from wmlearn.labs.studio import lab as studio

UNSAID = ("bar", "progress", "last_run")  # places of the notebook that a page leaves out
EPOCH = "recorded epoch"  # an input that the page has and the notebook has not
_SCOPE = re.compile(r"wm-(?:[0-9a-f]{32}|[0-9a-f]{8})(?=[-'\"\s{])")


def verification_lab() -> wm.VerificationLab:
    """Return a lab with two trigger types, of 30 and of 20 questions, and suspects of each."""
    mnist = wm.load_data("mnist")
    words = wm.Content(words=30)(mnist, n=60, key=wm.CLASSROOM_KEY)
    noise = wm.Noise()(mnist, n=20, key=wm.CLASSROOM_KEY)

    def knows(triggers, kept):
        rng = np.random.RandomState(0)
        answers = np.where(rng.rand(triggers.n) < kept, triggers.answers, -1)
        return lambda images: answers[triggers.question]

    suspects = {"owner": knows(words, 1), "<copy> & more": knows(words, 0.6)}
    suspects["silent"] = knows(words, 0)
    return wm.VerificationLab(words, suspects, more={"noise": (noise, {"owner": knows(noise, 1)})})


def theft_lab() -> wm.TheftLab:
    """Return a lab of two thefts that train nothing."""
    mnist = wm.load_data("mnist")
    triggers = wm.Content(words=30)(mnist, n=60, key=wm.CLASSROOM_KEY)
    thefts = ["prune weights", "round weights"]
    return wm.TheftLab(wm.load_model("mnist/content"), mnist, triggers, thefts=thefts)


def studio_lab() -> wm.TriggerStudio:
    """Return a studio of a few triggers, with networks that learnt nothing."""
    mnist = wm.load_data("mnist")
    models = [wm.small_cnn(mnist, width=4, seed=seed) for seed in range(2)]
    lab = wm.TriggerStudio(mnist, key=wm.CLASSROOM_KEY, models=models)
    lab.number.value = 30
    return lab


def embedding_lab() -> wm.EmbeddingLab:
    """Return a lab whose runs take a second."""
    mnist = wm.load_data("mnist")
    train, test = mnist.train.take(slice(400)), mnist.test.take(slice(200))
    data = wm.Splits("mnist", train, mnist.loot.take(slice(100)), test, mnist.classes)
    schedule = wm.Schedule(epochs=2)
    lab = wm.EmbeddingLab(data, key=wm.CLASSROOM_KEY, schedule=schedule)
    lab.words.value = 6
    return lab


LABS = [verification_lab, theft_lab, studio_lab, embedding_lab]


def book_of(page: str) -> dict:
    """Return what the script of a page reads."""
    packed = re.search(r"<script type=.text/plain.>([^<]*)</script>", page)[1]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def shown(lab: object) -> list[str]:
    """Return what the places of a lab hold, as its page has them."""
    return [plain(words) for name, words in lab.state.screen.items() if name not in UNSAID]


def whole(fragments: list[str], lab: object) -> list[str]:
    """Return what a page shows place by place; what lies behind a chart stands at the end."""
    names = [name for name in lab.state.screen if name not in UNSAID]
    first, behind = fragments[: len(names)], fragments[len(names) :]
    first[names.index("chart")] += "".join(behind)
    return [plain(each) for each in first]


def plain(fragment: str) -> str:
    """Return HTML without what names the pictures of one lab, or has it read out."""
    return _SCOPE.sub("wm-pictures", quiet(fragment))


def quiet(fragment: str) -> str:
    """Return HTML without what has it read out."""
    return re.sub(r" role='(status|alert)'( aria-live='polite')?", "", fragment)


def at_random(lab: object, book: dict, rng: np.random.RandomState) -> list[int]:
    """Move a lab to one of the states of its page, and return the positions of its inputs."""
    node, places = book["tree"], []
    while isinstance(node[1], list):
        listed, below = node
        name, *labels = book["lists"][listed]
        places.append(rng.randint(len(below)))
        if name == EPOCH:
            places[-1] = len(below) - 1
        elif len(labels) > 1:
            choose(find(lab, name), labels[places[-1]])
        node = below[places[-1]]
    settle(lab)
    return places


def some_places(book: dict, rng: np.random.RandomState) -> list[int]:
    """Return the positions of the inputs in one of the states of a page."""
    node, places = book["tree"], []
    while isinstance(node[1], list):
        places.append(rng.randint(len(node[1])))
        node = node[1][places[-1]]
    return places


def settle(lab: object) -> None:
    """Have a lab show at once what takes a pause, or a run."""
    if isinstance(lab, wm.TriggerStudio):
        assert lab.triggers
    elif isinstance(lab, wm.EmbeddingLab):
        lab.run.click()
        assert lab.wait(60)


def choose(control: Any, label: str) -> None:
    """Put an input at the position of this name."""
    if hasattr(control, "options"):
        names = [each[0] if isinstance(each, tuple) else str(each) for each in control.options]
        control.index = names.index(label)
    elif label == getattr(control, "placeholder", None):
        control.value = ""
    else:
        control.value = type(control.value)(label)


def written(lab: object, path: Path, looks: Sequence[float] = (0.4, 1)) -> str:
    """Write the page of a lab, with few states of each input, and return it."""
    looks = mock.patch.object(studio, "LOOKS", looks)
    words = mock.patch.object(studio, "WORDS", ("", "ALMA BANK"))
    runs = mock.patch.object(embedding, "RECORDED", ((6, 10), (0, 30)))
    with looks, words, runs:
        return lab.to_html(path).read_text("utf-8")
