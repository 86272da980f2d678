"""Two labs as pages that are live without a kernel, for the tests of recordings."""

import re
from pathlib import Path

import numpy as np

import wmlearn as wm

UNSAID = ("bar", "progress", "last_run")  # places of the notebook that a page leaves out
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


def shown(lab: object) -> list[str]:
    """Return what the places of a lab hold, as its page has them."""
    places = {name: place.value for name, place in lab._screen.items() if name not in UNSAID}
    every = [*places.values(), *(place.value for place in lab._behind.values())]
    return [plain(each) for each in every]


def plain(fragment: str) -> str:
    """Return HTML without what names the pictures of one lab, or has it read out."""
    fragment = re.sub(r" role='status'( aria-live='polite')?", "", fragment)
    return _SCOPE.sub("wm-pictures", fragment)


def at_random(lab: object, rng: np.random.RandomState) -> list[int]:
    """Move a lab somewhere, and return the positions of its inputs."""
    parts, places = lab._recorded(), []
    for axis in parts.axes:
        values = list(axis.every())
        if axis.control.layout.display == "none" and axis.control not in parts.inside:
            values = [axis.value]
        places.append(rng.randint(len(values)))
        axis.move(values[places[-1]])
    parts.render()
    return places


def written(lab: object, path: Path) -> str:
    return lab.to_html(path).read_text("utf-8")
