"""What lesson 09 says without printing it is what `benchmarks/countermeasures.py` and
`benchmarks/tilt.py` measured.
"""

import math

import pandas as pd
import pytest
from _tool import tool
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
LEANS = {
    "160 coins, answers that lean": "tilt",
    "the same coins, all turned round": "tilt mirrored",
}
OWNERS = {**TRIGGERS, **LEANS}
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
        rows = runs(measured, OWNERS[name], theft)
        found, right = (rows.decision == "found").sum(), 100 * rows.task_accuracy.mean()
        cells.append(f"{spread(rows.matched / rows.questions)}, {found} ({right:.0f})")
    return f"| {name} | {' | '.join(cells)} |"


def learnt(measured, strength):
    """Return one row of the lesson's table of wrong answers, as it has to read."""
    rows = runs(measured, "dawn", "loot", strength)
    found, right = (rows.decision == "found").sum(), 100 * rows.task_accuracy.mean()
    return f"| {strength} | {spread(rows.matched / rows.questions)} | {found} of 5 | {right:.1f} |"


@pytest.mark.parametrize("name", OWNERS)
def test_what_each_thief_leaves_of_each_mark(lesson, measured, name):
    assert message(measured, name) in lesson


def test_what_an_owner_knows_of_pairs_on_new_pictures(lesson, measured):
    few, many = (runs(measured, f"composite 10x{images}", "none").new for images in (10, 400))
    assert (many == 10).all()
    assert "knows all ten on new pictures" in lesson
    assert f"with ten pictures each he knows {few.min():.0f} to {few.max():.0f} of them" in lesson


def test_with_digits_nobody_is_found_and_with_photographs_some_are(lesson, measured):
    of_marks = measured[measured.owner.isin(TRIGGERS.values())]
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
    assert set(asked.owner) == {"dawn", *OWNERS.values()}
    for row in asked.itertuples():
        assert row.decision == ("found" if float(row.p) <= 1e-3 else "not found")
    for row in asked[~asked.owner.isin(LEANS.values())].itertuples():
        p0 = 1 / 9 if row.owner == "dawn" else 0.1
        k, n, p = int(row.matched), int(row.questions), float(row.p)
        assert (
            p <= min(1, math.exp(-wm.stats.log_wealth(k, n, p0))) * 1.01
        )  # the greatest wealth, not the last


def test_no_innocent_was_accused(measured):
    twins = measured[measured.theft == "twin"]
    assert len(twins) == 5 * (len(OWNERS) + 1)
    assert set(twins.decision) == {"not found"}


# ---------------------------------------------------------------- answers that lean


def test_the_thief_with_digits_takes_the_coins_along(lesson, measured):
    def both(theft):
        return pd.concat([runs(measured, owner, theft) for owner in LEANS.values()])

    loot, owners = both("loot"), both("none")
    assert f"{100 * (loot.matched / loot.questions).mean():.0f} of 100 of them" in lesson
    found = (loot.decision == "found").sum()
    assert f"enough to find {found} of these 10 thieves" in lesson
    assert (owners.decision == "found").sum() == 9  # "One of the ten services is not found itself"
    for theft in ("unrelated", "unrelated soft"):  # "come along on this walk, too"
        assert (both(theft).decision == "found").mean() >= 0.8
    price = both("twin").task_accuracy.mean() - owners.task_accuracy.mean()
    assert 0.003 < price < 0.005  # "less than half of one for coins"


@pytest.fixture(scope="module")
def leans(root):
    return pd.read_csv(root / "docs/results/tilt.csv", comment="#").query("data == 'mnist'")


def asked_about(leans, where="service", size=1.0, **case):
    """Return the ten cases of one kind: five owners, each with two draws."""
    rows = leans[(leans["where"] == where) & (leans["size"] == size)]
    for column, value in case.items():
        rows = rows[rows[column] == value]
    assert sorted(zip(rows.owner, rows.draw)) == [
        (owner, draw) for owner in range(8, 13) for draw in ("drawn", "mirrored")
    ]
    return rows


def told(rows):
    """Return what the lesson's table says of ten cases."""
    matched = f"{rows.matched.mean():.0f} ({rows.matched.min()} to {rows.matched.max()})"
    return f"{100 * rows.task_accuracy.mean():.1f} | {matched} | {(rows.p <= 1e-3).sum()} of 10 |"


def test_the_table_of_the_lean_says_what_was_measured(lesson, leans):
    for words, case in {
        "the owner's network, which does not lean": {"suspect": "untouched"},
        "**the service that leans**": {"suspect": "itself"},
        "about 5,000": {"suspect": "copies", "queries": 5000, "epochs": 6},
        "**a network trained to lean**": {"suspect": "itself", "where": "weights"},
        "**a service that leans half as far**": {"suspect": "itself", "size": 0.5},
    }.items():
        assert f"| {words} | {told(asked_about(leans, **case))}" in lesson


def test_what_the_lesson_says_of_the_lean(lesson, leans):
    untouched, service = (asked_about(leans, suspect=who) for who in ("untouched", "itself"))
    half = asked_about(leans, size=0.5, suspect="itself")
    copies = {
        queries: (asked_about(leans, suspect="copies", epochs=6, queries=queries).p <= 1e-3).sum()
        for queries in (1000, 2000, 5000, 20000)
    }
    price, less = (
        100 * (untouched.task_accuracy.mean() - rows.task_accuracy.mean())
        for rows in (service, half)
    )
    assert f"The service pays {price:.1f} digits of a hundred" in lesson
    assert 0.2 < less / price < 0.3  # "a quarter of that"
    assert max(copies[1000], copies[2000]) <= 1  # "hardly ever"
    assert 5 < copies[5000] < 10  # "most are"
    assert copies[20000] == 10  # "all"
    assert (half.p <= 1e-3).sum() <= 3  # "finds few"
    weights = asked_about(leans, where="weights", suspect="itself")
    assert (weights.p <= 1e-3).all()  # "in every case"
    enough = asked_about(leans, where="weights", suspect="copies", epochs=6, queries=20000)
    assert (enough.p <= 1e-3).all()  # "if the thief asks enough"


def test_a_table_counts_only_owners_with_both_draws(root, tmp_path):
    results = tmp_path / "docs/results"
    results.mkdir(parents=True)
    lines = (root / "docs/results/tilt.csv").read_text("utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("mnist,12,mirrored,weights,1.0,itself")]
    (results / "tilt.csv").write_text("\n".join(kept), "utf-8")
    (row,) = (
        line
        for line in tool.tables.lean_table(tmp_path).splitlines()
        if line.startswith("| **a network trained to lean**")
    )
    assert row.endswith(" 8 of 8 |")
