"""What lesson 04 says of the three kinds of watermark is what was measured."""

import pandas as pd
import pytest
from _words import cells_of, span, words_of

import wmlearn as wm

KINDS = ("content", "unrelated", "noise")
WAYS = {"one for all": "fixed", "drawn at random": "keyed"}


@pytest.fixture(scope="module")
def measured(root):
    return pd.read_csv(root / "docs/results/three_types.csv", comment="#", dtype={"commonest": str})


@pytest.fixture(scope="module")
def lesson():
    return words_of("04")


def share(values):
    """Return the least and the greatest of some per cent."""
    return f"{span(values)} %"


def figures(name):
    """Return the figures that lesson 04 draws: what the cell that begins with `name` assigns."""
    (cell,) = (text for kind, text in cells_of("04") if text.startswith(f"{name} = {{"))
    found = {}
    exec(cell, found)
    return found[name]


def left_after(measured, data, labels, lr):
    """Return what is left of each kind after the patient thief, in per cent, one figure a run."""
    rows = measured[
        (measured.data == data) & (measured.labels == labels) & (measured.lr == lr)
    ].sort_values("seed")
    left = (100 * rows.trained / rows.questions).round().astype(int)
    return {kind: left[rows.trigger == kind].tolist() for kind in KINDS}


def test_the_file_is_whole(measured):
    assert len(measured) == len(
        measured.drop_duplicates(["data", "trigger", "labels", "model", "lr", "seed"])
    )
    for data in ("mnist", "cifar10"):
        thefts = measured[(measured.data == data) & measured.lr.notna()]
        assert (thefts.loot == 2000).all()
        runs = thefts.groupby(["trigger", "labels", "lr"]).seed.nunique().unstack("lr")
        assert (runs.loc[(slice(None), "keyed"), :] == [1, 3, 3, 1]).all(axis=None)
        assert (runs.loc[(slice(None), "fixed"), :] == [1, 1, 1, 3]).all(axis=None)


def test_the_thefts_that_the_lesson_draws_are_those_that_were_measured(measured):
    thefts = measured[(measured.data == "cifar10") & measured.lr.notna()]
    expected = {}
    for way, labels in WAYS.items():
        for lr, rows in thefts[thefts.labels == labels].groupby("lr"):
            expected[way, lr, share(100 * rows.task_accuracy)] = left_after(
                measured, "cifar10", labels, lr
            )
    assert figures("left") == expected


def test_the_comparison_that_the_lesson_draws_is_what_was_measured(measured):
    expected = {}
    for name, data in {"digits": "mnist", "photographs": "cifar10"}.items():
        asked = measured[(measured.data == data) & measured.lr.isna()]
        clean = asked[asked.model == f"{data}/clean"].task_accuracy.iloc[0]
        marked = asked[~asked.model.str.contains("/null-|/clean")]
        marked = marked.set_index(["trigger", "labels"]).task_accuracy
        for kind in KINDS:
            costs = [[round(100 * (clean - marked[kind, mode]), 2)] for mode in WAYS.values()]
            left = [left_after(measured, data, mode, 0.01)[kind] for mode in WAYS.values()]
            expected[name, kind] = (*costs, *left)
    assert figures("compared") == expected


def left_by_seed(measured, labels, lr):
    """Return what is left on photographs after the patient thief: rows are runs, columns kinds."""
    of_data = measured[
        (measured.data == "cifar10") & (measured.labels == labels) & (measured.lr == lr)
    ]
    return of_data.assign(left=of_data.trained / of_data.questions).pivot_table(
        "left", "seed", "trigger"
    )


def test_what_the_lesson_says_of_the_order(measured, lesson):
    thefts = measured[(measured.data == "cifar10") & measured.lr.notna()]
    gentle = thefts[(thefts.labels == "fixed") & (thefts.lr < 0.02)]
    assert (gentle.trained / gentle.questions).min() > 0.99
    rough = left_by_seed(measured, "fixed", 0.02)
    assert (rough.idxmax(axis=1) == "noise").sum() == 2
    assert (rough.idxmin(axis=1) != "noise").all()
    assert (
        thefts[(thefts.lr == 0.02) & (thefts.labels == "fixed")]
        .task_accuracy.between(0.7, 0.75)
        .all()
    )
    assert share(100 * rough.content) == "18 to 91 %"
    assert "kept 18 % of its triggers in one run and 91 % in another" in lesson
    drawn = left_by_seed(measured, "keyed", 0.005)
    assert (drawn.unrelated == drawn.min(axis=1)).all()
    assert (drawn.unrelated == drawn.noise).sum() == 1
    assert (drawn.idxmax(axis=1) == "content").all()
    assert set(left_by_seed(measured, "keyed", 0.01).idxmin(axis=1)) == set(KINDS)
    assert left_by_seed(measured, "keyed", 0.02).max(axis=None) < 0.3


def test_the_figure_on_the_page(measured, root):
    left = 100 * left_by_seed(measured, "keyed", 0.005)
    row = next(
        line
        for line in (root / "docs" / "figures.md").read_text("utf-8").splitlines()
        if line.startswith("| marks on CIF")
    )
    assert row.split("|")[2].strip() == " / ".join(share(left[kind]) for kind in KINDS)


def test_what_the_lesson_says_of_costs_and_innocents(measured):
    of_data = measured[measured.lr.isna() & ~measured.model.str.contains("/null-")]
    for _, rows in of_data.groupby("data"):
        assert rows.task_accuracy.max() - rows.task_accuracy.min() < 0.01
    innocents = measured[
        measured.model.str.contains("cifar10/null-") & (measured.labels == "keyed")
    ]
    luckiest = innocents.loc[(innocents.trained / innocents.questions).idxmax()]
    assert (luckiest.trigger, luckiest.trained, luckiest.questions) == ("unrelated", 20, 100)
    triggers = wm.Unrelated()(wm.load_data("cifar10"), n=100, key=wm.CLASSROOM_KEY)
    verdict = wm.verify(wm.BlackBox(wm.load_model(luckiest.model)), triggers)
    assert (verdict.k, verdict.decision) == (20, "not found")


def test_one_answer_for_all_mostly_outlasts_the_thief_of_the_picture(measured):
    better = [
        min(left_after(measured, data, "fixed", 0.01)[kind])
        > max(left_after(measured, data, "keyed", 0.01)[kind])
        for data in ("mnist", "cifar10")
        for kind in KINDS
    ]
    assert sum(better) == 5
