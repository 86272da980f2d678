"""The study of services that lean is whole, and each of its suspects can be made."""

import importlib.util
import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import wmlearn as wm

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs/results/tilt.csv"


@pytest.fixture(scope="module")
def study():
    """Return the benchmark with small data, innocent networks as owners, and one epoch."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("tilt_study", ROOT / "benchmarks/tilt.py")
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    mini = wm.load_data("mnist")
    nulls = wm.null_models("mnist", n=5)
    few = wm.Splits("mnist", mini.train.take(slice(2_000)), mini.loot, mini.test, mini.classes)
    embed, fine_tune = study.embed_tilt, wm.theft.FineTune
    study.task = lambda name: few
    study.references = lambda name: nulls[:4]
    study.owner = lambda name, seed: nulls[seed % 5]
    study.learnt = lambda *arguments, **choices: nulls[4]
    study.embed_tilt = lambda *made, **choices: embed(
        *made, schedule=wm.Schedule(epochs=1), **choices
    )
    study.ON_FILES = {
        name: fine_tune(epochs=1) if isinstance(theft, fine_tune) else theft
        for name, theft in study.ON_FILES.items()
    }
    study.photographs = lambda name: few.loot
    return study


def distinct(study):
    """Yield one case of each kind of suspect, of one owner."""
    seen = set()
    for case in study.cases(["mnist"]):
        kind = (case["where"], case["suspect"])
        if case["owner"] == 8 and kind not in seen:
            seen.add(kind)
            yield case | {"queries": case["queries"] and 200, "epochs": case["epochs"] and 1}


def test_every_case_was_measured_once(study):
    rows = pd.read_csv(FILE, comment="#", dtype=str, keep_default_na=False)
    measured = list(rows[list(study.CASE)].itertuples(index=False, name=None))
    wanted = [
        tuple(str(case[column]) for column in study.CASE)
        for case in study.cases(["mnist", "cifar10"])
    ]
    assert len(wanted) == len(set(wanted))
    assert sorted(measured) == sorted(wanted)
    assert FILE.read_text("utf-8").splitlines()[0] == study.COMMAND


def test_every_suspect_can_be_made_and_asked(study):
    images = study.task("mnist").test.images[:20]
    kinds = list(distinct(study))
    assert {case["where"] for case in kinds} == {
        "service",
        "weights",
        "both",
        "rotated",
        "chosen pairs",
    }
    for case in kinds:
        labels = np.asarray(study.suspect_of(case)(images))
        assert labels.shape == (20,), case
        assert set(labels) <= set(range(-1, 10)), case


def test_a_twin_does_not_lean_and_a_mirrored_service_leans_the_other_way(study):
    images = study.task("mnist").test.images
    draws = ("drawn", "mirrored")
    one, other = (study.lean("mnist", 8, draw, 1.0) for draw in draws)
    assert (one.signs == -other.signs).all()
    assert one.seal == other.seal
    pairs = itertools.product(draws, ("service", "rotated", "chosen pairs"))
    for draw, where in pairs:
        tilt = study.lean("mnist", 8, draw, 1.0, where)
        counted = int((tilt.signs != 0).sum())
        assert (80 <= counted < 160) if where == "chosen pairs" else (counted == 160)
    twins = [study.service("mnist", 8, draw, "weights", 1.0, leans=False) for draw in draws]
    assert (twins[0](images) == twins[1](images)).all()
