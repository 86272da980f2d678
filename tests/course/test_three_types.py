"""What lesson 04 says of the three kinds of watermark is what was measured."""

import pandas as pd
import pytest
from _words import span, words_of

import wmlearn as wm

KINDS = ("content", "unrelated", "noise")


@pytest.fixture(scope="module")
def measured(root):
    return pd.read_csv(root / "docs/results/three_types.csv", comment="#", dtype={"commonest": str})


@pytest.fixture(scope="module")
def lesson():
    return words_of("04")


def share(values):
    """Return the least and the greatest of some per cent."""
    return f"{span(values)} %"


def after_thefts(measured, data="cifar10"):
    """Return the lines of the table of thefts: per label mode and learning rate, what is left of
    each mark.
    """
    thefts = measured[(measured.data == data) & measured.lr.notna()].assign(
        left=lambda rows: 100 * rows.trained / rows.questions,
        task=lambda rows: 100 * rows.task_accuracy,
    )
    lines = []
    for labels, name in [("fixed", "one for all"), ("keyed", "drawn by lot")]:
        for lr, rows in thefts[thefts.labels == labels].groupby("lr"):
            left = [share(rows[rows.trigger == kind].left) for kind in KINDS]
            lines.append(f"| {name} | {lr:g} | {' | '.join(left)} | {share(rows.task)} |")
    return lines


def compared(measured):
    """Return the lines of the table that compares the three: what each costs, and what innocents
    say.
    """
    lines = []
    for data, name in [("mnist", "digits"), ("cifar10", "photographs")]:
        of_data = measured[(measured.data == data) & measured.lr.isna()].assign(
            task=lambda rows: 100 * rows.task_accuracy
        )
        innocents = of_data[of_data.model.str.contains("/null-")]
        twin = of_data[of_data.model == f"{data}/clean"].task.iloc[0]
        marked = of_data[~of_data.model.str.contains("/null-|/clean")]
        costs = [
            " and ".join(f"{value:.1f}" for value in marked[marked.trigger == kind].task)
            for kind in KINDS
        ]
        lines.append(
            f"| task accuracy, {name} (unmarked: {twin:.1f} %) | "
            f"{' | '.join(f'{cost} %' for cost in costs)} |"
        )
        for labels, answers in [("fixed", "one answer for all"), ("keyed", "drawn by lot")]:
            asked = [
                innocents[(innocents.trigger == kind) & (innocents.labels == labels)]
                for kind in KINDS
            ]
            assert {len(rows) for rows in asked} == {20}
            most = [f"{rows.trained.max()} of {rows.questions.iloc[0]}" for rows in asked]
            lines.append(
                f"| {answers}, {name}: the most that one innocent of twenty matches | "
                f"{' | '.join(most)} |"
            )
            if labels == "fixed":
                likes = [rows.commonest.value_counts() for rows in asked]
                habits = [f"{count.index[0]}: {count.iloc[0]} of 20" for count in likes]
                lines.append(
                    f"| {name}: the favourite answer of most innocents | {' | '.join(habits)} |"
                )
    return lines


def left_line(measured):
    """Return the last line of that table: what is left on photographs where a thief tells the marks
    apart.
    """
    thefts = measured.query("data == 'cifar10' and lr.notna()").assign(
        left=lambda r: 100 * r.trained / r.questions
    )
    left = []
    for kind in KINDS:
        rows = thefts[thefts.trigger == kind]
        fixed, keyed = (
            rows[(rows.labels == mode) & (rows.lr == lr)].left
            for mode, lr in [("fixed", 0.02), ("keyed", 0.01)]
        )
        left.append(f"{share(fixed)}; {share(keyed)}")
    head = "left on photographs after the patient thief, at rate 0.02 and at 0.01"
    return f"| {head} | {' | '.join(left)} |"


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


def test_the_lesson_quotes_what_was_measured(measured, lesson):
    for line in [*compared(measured), *after_thefts(measured), left_line(measured)]:
        assert line in lesson


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
    assert set(left_by_seed(measured, "keyed", 0.01).idxmin(axis=1)) == {
        "content",
        "unrelated",
        "noise",
    }
    assert left_by_seed(measured, "keyed", 0.02).max(axis=None) < 0.3


def test_the_figure_in_the_readme(measured, root):
    left = 100 * left_by_seed(measured, "keyed", 0.005)
    row = next(
        line
        for line in (root / "README.md").read_text("utf-8").splitlines()
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
