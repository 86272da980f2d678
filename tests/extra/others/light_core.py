"""Runs where only the wheel is installed: prints as JSON what was found, and what is missing."""

import json
import sys
import time
import warnings

import numpy as np

import wmlearn as wm
from wmlearn._extras import MissingExtra
from wmlearn.evidence import court
from wmlearn.labs._kit.replay import buy
from wmlearn.labs._kit.wealth_chart import suspects_svg
from wmlearn.labs.verification.grid import question_grid

warnings.simplefilter("ignore")
start = time.perf_counter()
url = sys.argv[1]
triggers = wm.Content(words=30)(wm.load_data("mnist"), n=150, key=wm.CLASSROOM_KEY)
wm.evidence.save_evidence(triggers, "kept")
opened = wm.evidence.open_evidence("kept")
named = wm.evidence.challenge(triggers.seal, b"three dice", questions=30, count=20)
opening = wm.evidence.open_questions(opened, named)
assert wm.stats.binomial_p(30, 30, 0.1) < 1e-29


def copy(images: np.ndarray) -> np.ndarray:
    """Answer as a copy does."""
    return triggers.labels


with wm.RemoteModel(url) as service:
    verdicts = {
        "function": wm.verify(copy, triggers),
        "service": wm.verify(service, triggers),
        "opened": wm.verify(service, opened),
        "judge": wm.evidence.judge(service, opening, seal=triggers.seal, named=named),
    }
    bought = buy("service", service, triggers)
verdicts["service"].plot().figure.savefig("verdict.png")
drawn = [suspects_svg([bought]), question_grid(bought, 30, "lab")]

uses = {
    "serve": lambda: wm.serve(copy),
    "VerificationLab": lambda: wm.VerificationLab(triggers, {"copy": copy}),
    "Predict": lambda: wm.Predict("Is it?", ["yes", "no"]),
    "court": lambda: court.public_key(bytes(32)),
}
for name in wm.__all__:
    uses[f"wmlearn.{name}"] = lambda name=name: getattr(wm, name)
missing = {}
for name, use in uses.items():
    try:
        use()
    except MissingExtra as error:
        missing[name] = str(error)
said = {
    "seal": triggers.seal,
    "labels": bought.verdict.answers.labels.tolist(),
    "found": {name: each.k for name, each in verdicts.items() if each.decision == "found"},
    "lab": [int(bought.matches[-1]), len(bought.fault), drawn[1].count("✔")],
    "missing": missing,
    "seconds": round(time.perf_counter() - start, 1),
}
sys.stdout.write(json.dumps(said) + "\n")
