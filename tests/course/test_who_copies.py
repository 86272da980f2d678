"""What lesson 09 says without printing it is what `benchmarks/countermeasures.py` measured."""

import math

import pandas as pd
import pytest
from _words import words_of
from scipy.stats import t

import wmlearn as wm

TRIGGERS = {
    "thirty words": "content",
    "words, with a margin": "content margin",
    "a hundred noisy digits": "noise",
    "noisy digits, with a margin": "noise margin",
    "noisy digits, twice that margin": "noise margin twice",
    "a hundred photographs": "unrelated",
    "ten pairs, 10 pictures each": "composite 10x10",
    "ten pairs, 400 each": "composite 10x400",
    "the same, wider networks": "composite 10x400 wide",
    "ten pairs, new pictures in every step": "composite varied",
    "the same, kept close to their halves": "composite consistent",
    "thirty pairs, 130 each": "composite 30x130",
}
ASKED = ("twin", "none", "loot", "unrelated", "unrelated soft")
LEARNT = ("6 epochs, width 12", "20 epochs, width 12", "40 epochs, width 12", "20 epochs, width 48")


@pytest.fixture(scope="module")
def lesson():
    return words_of("09")


@pytest.fixture(scope="module")
def measured(root):
    text = dict.fromkeys(("owner", "theft", "strength"), str)
    return pd.read_csv(
        root / "docs/results/countermeasures.csv", comment="#", dtype=text, keep_default_na=False
    )


def runs(measured, owner, theft, strength=""):
    """Return the five runs of a case, numbers as numbers."""
    of_it = (measured.owner == owner) & (measured.theft == theft) & (measured.strength == strength)
    rows = measured[of_it].copy()
    assert sorted(rows.seed) == [0, 1, 2, 3, 4]
    for column in ("task_accuracy", "questions", "matched", "images", "new", "p"):
        rows[column] = pd.to_numeric(rows[column])
    return rows


def spread(values):
    """Return mean and half the width of the 95 % interval of Student's t, in per cent, as the
    lesson writes them.
    """
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return f"{100 * values.mean():.0f} ± {100 * half:.0f} %"


def message(measured, name):
    """Return one row of the lesson's table of marks, as it has to read."""
    cells = []
    for theft in ASKED:
        rows = runs(measured, TRIGGERS[name], theft)
        found, right = (rows.decision == "found").sum(), 100 * rows.task_accuracy.mean()
        cells.append(f"{spread(rows.matched / rows.questions)}, {found} ({right:.0f})")
    return f"| {name} | {' | '.join(cells)} |"


def learnt(measured, strength):
    """Return one row of the lesson's table of wrong answers, as it has to read."""
    rows = runs(measured, "dawn", "loot", strength)
    found, right = (rows.decision == "found").sum(), 100 * rows.task_accuracy.mean()
    return f"| {strength} | {spread(rows.matched / rows.questions)} | {found} of 5 | {right:.1f} |"


@pytest.mark.parametrize("name", TRIGGERS)
def test_what_each_thief_leaves_of_each_mark(lesson, measured, name):
    assert message(measured, name) in lesson


def test_what_an_owner_knows_of_pairs_on_new_pictures(lesson, measured):
    few, many = (runs(measured, f"composite 10x{images}", "none").new for images in (10, 400))
    assert (many == 10).all()
    assert "knows all ten on new pictures" in lesson
    assert f"with ten pictures each he knows {few.min():.0f} to {few.max():.0f} of them" in lesson


def test_with_digits_nobody_is_found_and_with_photographs_some_are(lesson, measured):
    of_marks = measured[measured.owner != "dawn"]
    assert set(of_marks[of_marks.theft == "loot"].decision) == {"not found"}
    for owner in ("noise margin", "unrelated"):
        thieves = runs(measured, owner, "unrelated soft")
        assert set(thieves.decision) == {"found"}
        assert thieves.task_accuracy.mean() > 0.7  # "he reads most of them and is found"
    pairs = {name for name in TRIGGERS.values() if "composite" in name} - {
        "composite consistent"
    }  # "nearly all pairs"
    for owner in ("noise margin twice", *sorted(pairs)):
        assert runs(measured, owner, "unrelated soft").task_accuracy.mean() < 0.6
    for theft in ("unrelated", "unrelated soft"):  # "of thirty pairs fewer come along"
        thirty, ten = (runs(measured, f"composite {kind}", theft) for kind in ("30x130", "10x400"))
        assert (thirty.matched / thirty.questions).mean() < (ten.matched / ten.questions).mean()
    kept = [
        runs(measured, "composite consistent", theft).matched.mean()
        for theft in ("unrelated", "unrelated soft")
    ]
    assert 2 <= kept[0] <= 3  # "a quarter of the pairs came along, and nearly half with scores"
    assert 4 <= kept[1] <= 5
    price = runs(measured, "noise", "twin").task_accuracy.mean()
    for owner in ("noise margin", "noise margin twice", "composite 10x400"):
        assert (
            0.004 < price - runs(measured, owner, "none").task_accuracy.mean() < 0.014
        )  # "about one in a hundred"


@pytest.mark.parametrize("strength", LEARNT)
def test_who_learns_wrong_answers_by_heart(lesson, measured, strength):
    assert learnt(measured, strength) in lesson


def test_the_file_begins_with_its_command_and_its_figures_agree(root, measured):
    first = (root / "docs/results/countermeasures.csv").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# OMP_NUM_THREADS=1 python benchmarks/countermeasures.py"
    assert not measured.duplicated(["owner", "seed", "theft", "strength"]).any()
    asked = measured[measured.theft != "customers"]
    assert set(asked.owner) == {"dawn", *TRIGGERS.values()}
    for row in asked.itertuples():
        p0 = 1 / 9 if row.owner == "dawn" else 0.1
        k, n, p = int(row.matched), int(row.questions), float(row.p)
        assert (
            p <= min(1, math.exp(-wm.stats.log_wealth(k, n, p0))) * 1.01
        )  # the greatest wealth, not the last
        assert row.decision == ("found" if p <= 1e-3 else "not found")


def test_no_innocent_was_accused(measured):
    twins = measured[measured.theft == "twin"]
    assert len(twins) == 5 * (len(TRIGGERS) + 1)
    assert set(twins.decision) == {"not found"}
