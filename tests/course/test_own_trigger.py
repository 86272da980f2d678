"""What lesson 14 says of the game is what `benchmarks/design.py` measured, scored by the lesson's
own code.
"""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest
from _words import cells_of, span, words_of

import wmlearn as wm

KINDS = ("content", "unrelated", "noise", "composite", "double exposures")
NAMES = {
    "prune": "prunes",
    "quantise": "rounds",
    "blur": "blurs",
    "doorman": "keeps a detector",
    "train on": "trains on",
    "overwrite": "overwrites",
    "ask": "only asks",
}


def code_with(piece):
    """Return the one code cell of the lesson that holds this."""
    (code,) = (text for kind, text in cells_of("14") if kind == "code" and piece in text)
    return code


@pytest.fixture(scope="module")
def points():
    """Return the lesson's own function: the points of blue and red for one theft."""
    names = {}
    exec(code_with("def points"), names)
    return names["points"]


@pytest.fixture(scope="module")
def measured(root):
    return pd.read_csv(root / "docs/results/design.csv", comment="#")


@pytest.fixture(scope="module")
def study(root):
    """Load the benchmark as a module: it is a script, and no part of the package."""
    sys.path.insert(0, str(root / "benchmarks"))
    spec = importlib.util.spec_from_file_location("design", root / "benchmarks/design.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(root / "benchmarks"))
    return module


def left(rows):
    """Return what a theft leaves of the questions, per cent, and in how many games it is found
    where not in all.
    """
    found = (rows.decision == "found").sum()
    note = (
        ""
        if found == len(rows)
        else ", not found"
        if not found
        else f", found {found} of {len(rows)}"
    )
    return span(100 * rows.matched / rows.questions) + note


def scored(game, points):
    """Return the digits lost to the mark, blue's points and red's, of one game."""
    game = game.set_index("theft")
    owner, twin = game.loc["none", ["task_accuracy", "twin_accuracy"]]
    won = [points(theft, owner) for theft in game.drop(index="none").itertuples()]
    blue = max(0, sum(blue for blue, _ in won) - 5 * 100 * max(0, twin - owner))
    return (
        100 * (twin - owner),
        0 if game.innocents_accused.any() else blue,
        sum(red for _, red in won),
    )


def league(measured, points):
    """Return the lines of the lesson's table."""
    of = {kind: measured[measured.marks == kind] for kind in KINDS}
    lines = [
        f"| {name} | {' | '.join(left(of[kind][of[kind].theft == theft]) for kind in KINDS)} |"
        for theft, name in NAMES.items()
    ]
    scores = {
        kind: [scored(game, points) for _, game in of[kind].groupby("seed")] for kind in KINDS
    }
    for place, (name, digits) in enumerate(
        [("points of accuracy that the mark costs", 1), ("**blue**, of 70", 0), ("**red**", 0)]
    ):
        lines.append(
            f"| {name} | "
            f"{' | '.join(span([s[place] for s in scores[kind]], digits) for kind in KINDS)} |"
        )
    return lines


def test_the_study_is_whole_and_accuses_no_innocent(root, measured, study):
    first = (root / "docs/results/design.csv").read_text(encoding="utf-8").splitlines()[0]
    assert first == study.COMMAND == "# OMP_NUM_THREADS=1 python benchmarks/design.py"
    assert measured[list(study.CASE)].to_dict("records") == list(study.cases())
    assert (measured.innocents_accused == 0).all()
    assert tuple(study.KINDS) == KINDS


def test_the_table_of_the_lesson_is_what_was_measured(measured, points):
    words = words_of("14")
    for line in league(measured, points):
        assert line in words


def test_the_lesson_and_the_study_play_the_same_game(study):
    names = {"np": np, "wm": wm, "mnist": study.MNIST}
    for needed in ("class DoubleExposure", "triggers = DoubleExposure", "catalogue = {"):
        exec(code_with(needed), names)
    pool = study.double_exposures(study.MNIST.train, np.random.default_rng(0))
    made = names["DoubleExposure"]().make(study.MNIST.train, len(pool), np.random.default_rng(0))
    assert np.abs(255 * made - pool.pixels).max() < 0.51  # the study rounds them itself
    theirs = study.seal("double exposures", study.MNIST.train, wm.CLASSROOM_KEY, 0)
    assert (names["triggers"].rules, names["triggers"].n, names["triggers"].kind) == (
        theirs.rules,
        theirs.n,
        "double exposure",
    )
    ours = study.catalogue("double exposures")
    for theft, name in NAMES.items():
        theirs = names["catalogue"][name]
        if theft == "overwrite":
            assert (theirs.triggers.rules, theirs.triggers.n) == (
                ours[theft].triggers.rules,
                ours[theft].triggers.n,
            )
        else:
            assert theirs == ours[theft]


@pytest.mark.parametrize(
    ("decision", "accuracy", "images", "queries", "expected"),
    [
        ("found", 0.50, 0, 0, (10, 0)),
        ("not found", 0.955, 0, 0, (0, 10)),
        (
            "not found",
            0.99,
            0,
            0,
            (0, 10),
        ),  # whoever reads better has lost nothing, and gets nothing for it
        ("not found", 0.94, 2000, 0, (0, 6.5)),
        ("not found", 0.94, 1000, 1000, (0, 6.5)),
        ("not found", 0.10, 2000, 0, (0, 0)),  # never below zero
        ("cannot tell", 0.955, 0, 0, (0, 10)),
    ],
)
def test_the_price_list_worked_by_hand(points, decision, accuracy, images, queries, expected):
    theft = pd.Series(
        {"decision": decision, "task_accuracy": accuracy, "images": images, "queries": queries}
    )
    assert points(theft, 0.955) == pytest.approx(expected)


def test_who_accuses_an_innocent_loses_everything(points):
    game = pd.DataFrame(
        {
            "theft": ["none", "blur"],
            "task_accuracy": 0.95,
            "twin_accuracy": 0.95,
            "decision": "found",
        }
    ).assign(images=0, queries=0, innocents_accused=[0, 0])
    assert scored(game, points)[1] == 10
    assert scored(game.assign(innocents_accused=1), points)[1] == 0
    assert scored(game.assign(twin_accuracy=0.96), points)[1] == pytest.approx(5)
