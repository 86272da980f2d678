"""What lesson 10 says without printing it is what `benchmarks/countermeasures.py` and
`benchmarks/tilt.py` measured.
"""

import math
import re

import pandas as pd
import pytest
import torch
from _tool import tool
from _words import cells_of, words_of
from scipy.stats import binomtest, t

import wmlearn as wm

LEANS = ("tilt", "tilt mirrored")
OWNERS = tool.tables.MARKS
TRIGGERS = {words: owner for words, owner in OWNERS.items() if owner not in LEANS}
THIEVES = ("loot", "unrelated", "unrelated soft")
LEARNT = ("6 epochs, width 12", "20 epochs, width 12", "40 epochs, width 12", "20 epochs, width 48")


@pytest.fixture(scope="module")
def lesson():
    return words_of("10")


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


def plotted(measured, owner, theft):
    """Return what the lesson's picture has to show of a case."""
    rows = runs(measured, owner, theft)
    share, half = spread(rows.matched / rows.questions)[:-2].split(" ± ")
    found, right = (rows.decision == "found").sum(), 100 * rows.task_accuracy.mean()
    return int(share), int(half), found, round(right)


def message(measured, name):
    """Return one row of the lesson's folded table of watermarks, as it has to read."""
    found = [(runs(measured, OWNERS[name], theft).decision == "found").sum() for theft in THIEVES]
    return f"| {name} | {' | '.join(f'{count} of 5' for count in found)} |"


def learnt(measured, strength):
    """Return one row of the lesson's table of wrong answers, as it has to read."""
    rows = runs(measured, "dawn", "loot", strength)
    found, right = (rows.decision == "found").sum(), 100 * rows.task_accuracy.mean()
    return f"| {strength} | {spread(rows.matched / rows.questions)} | {found} of 5 | {right:.1f} |"


@pytest.mark.parametrize("name", OWNERS)
def test_what_each_thief_leaves_of_each_mark(lesson, measured, name):
    assert message(measured, name) in lesson


def test_the_picture_shows_what_was_measured(measured):
    (code,) = (text for kind, text in cells_of("10") if text.startswith("names = "))
    shown = {"pd": pd}
    exec(code, shown)
    asked = dict(zip(shown["measured"], ("twin", *THIEVES)))
    for who, theft in asked.items():
        wanted = [plotted(measured, OWNERS[name], theft) for name in shown["names"]]
        assert shown["measured"][who] == wanted


def test_what_is_folded_away_about_margins_runs_and_shows_a_margin():
    prose = "\n".join(text for kind, text in cells_of("10") if kind == "markdown")
    (code,) = re.findall(r"~~~python\n(noise = .*?)~~~", prose, re.DOTALL)
    names = {"wm": wm, "torch": torch, "mnist": wm.load_data("mnist")}
    exec(code, names)
    plain, wide = (names["reach"](names[who], 13)[12] for who in ("plain", "wide"))
    assert plain < 20  # "hardly any is left without a margin"
    assert wide > 80  # "and nearly all with it"


def test_an_owner_knows_pairs_on_new_pictures(measured):
    few, many = (runs(measured, f"composite 10x{images}", "none").new for images in (10, 400))
    assert (many == 10).all()  # the lesson's own owner knows them, too
    assert few.max() < 10


def test_with_digits_nobody_is_found_and_with_photographs_some_are(lesson, measured):
    of_marks = measured[measured.owner.isin(TRIGGERS.values())]
    assert set(of_marks[of_marks.theft == "loot"].decision) == {"not found"}
    for owner in ("noise margin", "unrelated"):
        thieves = runs(measured, owner, "unrelated soft")
        assert set(thieves.decision) == {"found"}
        assert thieves.task_accuracy.mean() > 0.7  # "a model that reads most digits, and is found"
    pairs = [runs(measured, "composite 10x400", theft) for theft in THIEVES[1:]]
    for thieves in pairs:
        assert thieves.task_accuracy.mean() < 0.6  # "with pairs they read fewer than six of ten"
        assert 4 <= thieves.matched.mean() <= 6  # "come along by half"
    for theft in THIEVES[1:]:  # "more of them with a margin", "of the words little comes along"
        noise, margin, words, photographs = (
            (rows.matched / rows.questions).mean()
            for rows in (
                runs(measured, owner, theft)
                for owner in ("noise", "noise margin", "content", "unrelated")
            )
        )
        assert words < 0.3 < noise < margin < 0.7
        assert photographs > 0.95  # "nearly whole"
    price = runs(measured, "noise", "twin").task_accuracy.mean()
    for owner in ("noise margin", "composite 10x400"):
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
    for row in asked[~asked.owner.isin(LEANS)].itertuples():
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
        return pd.concat([runs(measured, owner, theft) for owner in LEANS])

    loot, owners = both("loot"), both("none")
    found = (loot.decision == "found").sum()
    assert f"{found} of 10 such thieves are found" in lesson
    assert (owners.decision == "found").sum() == 9  # "One of the ten services is not found itself"
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
    found = f"{(rows.p <= 1e-3).sum()} of 10"
    interval = binomtest(int((rows.p <= 1e-3).sum()), 10).proportion_ci()
    likely = f"{100 * interval.low:.0f} to {100 * interval.high:.0f} %"
    return (
        f"{100 * rows.task_accuracy.mean():.1f} | {rows.matched.mean():.0f} | {found} | {likely} |"
    )


def test_the_table_of_the_lean_says_what_was_measured(lesson, leans):
    for words, case in {
        "the owner's network, which does not lean": {"suspect": "untouched"},
        "**the service that leans**": {"suspect": "itself"},
        "asked about 5,000": {"suspect": "copies", "queries": 5000, "epochs": 6},
        "**a network trained to lean**": {"suspect": "itself", "where": "weights"},
        "a service that leans half as far": {"suspect": "itself", "size": 0.5},
    }.items():
        assert f"| {words} | {told(asked_about(leans, **case))}" in lesson


def test_what_the_lesson_says_of_the_lean(lesson, leans):
    untouched, service = (asked_about(leans, suspect=who) for who in ("untouched", "itself"))
    copies = {
        queries: (asked_about(leans, suspect="copies", epochs=6, queries=queries).p <= 1e-3).sum()
        for queries in (1000, 5000, 20000)
    }
    price = 100 * (untouched.task_accuracy.mean() - service.task_accuracy.mean())
    assert f"An owner with 20,000 digits pays {price:.1f} percentage points" in lesson
    assert copies[1000] == 0
    assert 5 < copies[5000] < 10  # "most are found"
    assert copies[20000] == 10
    assert (asked_about(leans, suspect="copies", queries=40_000).p <= 1e-3).all()


OUT = {
    "then took 500 true labels": "500 true labels",
    "then took 2,000 true labels": "2,000 true labels",
    "then took 5,000 true labels": "5,000 true labels",
    "asked two owners who lean": "asks two owners",
    "learnt with label smoothing": "label smoothing",
    "guessed the lean, and took it off": "subtracts what it can tell",
}


def test_what_takes_a_lean_away(lesson, leans):
    for words, suspect in OUT.items():
        rows = asked_about(leans, suspect=suspect)
        assert f"| {words} | {told(rows)}" in lesson
        assert (rows.p > 1e-3).any()  # "get rid of some of it"
    tuned = asked_about(leans, where="weights", suspect="fine-tuned, 5,000 true labels")
    assert f"| then trained it on with 5,000 true labels | {told(tuned)}" in lesson
    voted = asked_about(leans, where="weights", suspect="votes with two owners' files")
    assert f"| lets it vote with two other owners' files | {told(voted)}" in lesson
    words = "| with these labels, put words of their own into it |"
    over = asked_about(leans, where="weights", suspect="overwritten, 5,000 true labels")
    assert f"{words} {told(over)}" in lesson
    both = asked_about(leans, where="both", suspect="fine-tuned, 5,000 true labels")
    assert both.content.min() >= 29  # "thirty words in the same file outlast"
    both = asked_about(leans, where="both", suspect="overwritten, 5,000 true labels")
    assert (both[["p", "p_content"]] > 1e-3).all(axis=None)  # "but not other words on top of them"
    turned = asked_about(leans, where="rotated", suspect="subtracts what it can tell")
    plain = asked_about(leans, suspect="subtracts what it can tell")
    assert (turned.p <= 1e-3).sum() == (plain.p <= 1e-3).sum() == 6  # "as many are found"


def test_most_thieves_are_found_all_the_same(lesson, leans):
    service = leans[(leans["where"] == "service") & (leans["size"] == 1)]
    known = service[(service.queries == 20_000) & (service.suspect != "copies")]
    thieves = [rows for who, rows in known.groupby("suspect") if who not in OUT.values()]
    file = leans[(leans["where"] == "weights") & leans.queries.isna()]
    thefts = set(file.suspect) - {"itself", "twin", "untouched"}
    assert (len(known.suspect.unique()), len(thefts)) == (18, 15)
    assert "tried against eighteen such thieves with 20,000 digits, and against fifteen" in lesson
    for rows in thieves:
        if "true labels" not in rows.suspect.iloc[0]:
            assert len(rows) == 10
            assert (rows.p <= 1e-3).sum() >= 9


def test_what_a_lean_costs_on_photographs(lesson, root):
    rows = pd.read_csv(root / "docs/results/tilt.csv", comment="#").query("data == 'cifar10'")
    rows = rows[rows["where"] == "service"]
    unmarked = 100 * rows[rows.suspect == "untouched"].task_accuracy.mean()
    for words, size in {"a quarter": 0.25, "half": 0.5, "as far as digits": 1.0}.items():
        of_size = rows[rows["size"] == size]
        service = of_size[of_size.suspect == "itself"]
        assert len(service) == 4
        assert (service.p <= 1e-3).all()
        cost = unmarked - 100 * service.task_accuracy.mean()
        cells = r"\| ([\d.]+) \| (\d+) \| 4 of 4 \| ([^|]+) \| ([^|]+) \| ([^|]+) \|"
        (line,) = re.findall(rf"\| {words} {cells}", lesson)
        assert abs(float(line[0]) - cost) < 0.11
        assert int(line[1]) == round(service.matched.mean())
        copies = of_size[(of_size.suspect == "copies") & (of_size.epochs == 6)]
        found = [copies[copies.queries == count].p <= 1e-3 for count in (2000, 5000, 10000)]
        assert list(line[2:]) == [f"{each.sum()} of 4" if len(each) else "–" for each in found]
    assert set(rows.images.round(-2)) == {17_500}
    assert "disagree about 17,500 of them" in lesson


def either_found(rows):
    """Return in how many cases the words or the lean are found, at half of alpha each, by theft."""
    stolen = rows[(rows["where"] == "both") & ~rows.suspect.isin(["itself", "twin"])]
    found = stolen.assign(found=stolen[["p", "p_content"]].min(axis=1) <= 5e-4)
    return found.groupby("suspect").found.sum()


def test_what_a_file_with_words_and_a_lean_withstands(lesson, leans, root):
    text = " ".join(lesson.split())
    digits = either_found(leans)
    assert len(digits) == 15
    assert f"all ten cases after {(digits == 10).sum()} of 15 thefts of such a file" in text
    assert set(digits[digits < 10].index) == {
        "overwritten, 5,000 true labels",
        "last layer anew, 5,000 true labels",
        "rejects unusual",
    }
    assert digits[digits < 10].max() < 5  # "hide most files"
    every = pd.read_csv(root / "docs/results/tilt.csv", comment="#")
    photographs = either_found(every[every.data == "cifar10"])
    assert len(photographs) == 15
    assert f"in all four cases after {(photographs == 4).sum()} of 15 thefts" in text


def test_what_takes_a_lean_away_from_photographs(lesson, root):
    text = " ".join(lesson.split())
    rows = pd.read_csv(root / "docs/results/tilt.csv", comment="#").query("data == 'cifar10'")
    rows = rows[rows["size"] == 0.25].assign(found=rows.p <= 1e-3)
    service = rows[(rows["where"] == "service") & (rows.queries == 10_000)]
    file = rows[rows["where"] == "weights"]
    found = service.groupby("suspect").found.agg(["sum", "size"])
    assert set(found["size"]) == {4}
    assert found["sum"]["500 true labels"] == 1  # "one in four"
    guessed = rows[rows.suspect == "subtracts what it can tell"]
    assert guessed.groupby("where").size().to_dict() == {"service": 4, "rotated": 4}
    assert not guessed.found.any()
    assert found["sum"]["label smoothing"] == 4
    found = file[file.queries.isna()].groupby("suspect").found.agg(["sum", "size"])
    assert set(found["size"]) == {4}
    assert f"it is found {found['sum']['fine-tuned, 5,000 true labels']} of 4 times" in text
    assert f"pruned before that {found['sum']['pruned and fine-tuned']} of 4" in text
    assert found["sum"]["overwritten, 5,000 true labels"] == 1  # "words of the thief's once"
    assert (found["sum"][["blurred", "compressed", "rejects unusual"]] == 4).all()
    read = 100 * file.groupby("suspect").task_accuracy.mean()
    hidden = ["pruned 70 %", "channels pruned 20 %", "weights shaken, 0.3"]
    assert (found["sum"][hidden] <= 1).all()
    loss = (read["itself"] - read[hidden]).min()
    assert f"reads at least {int(loss)} percentage points less" in text


def test_what_the_lesson_says_of_innocents(lesson, root):
    rows = pd.read_csv(root / "docs/results/tilt_innocents.csv", comment="#")
    rows = rows[rows.test == "weighted"]
    assert set(rows["keys"]) == {2000}
    found = f"{rows.at_001.min()} to {rows.at_001.max()}"
    assert f"tried it on {len(rows)} innocents" in lesson
    assert f"found under {found} of them, {rows.at_001.mean():.1f} on average; two" in lesson
    assert round(2000 * rows.level_001.max()) == 2
    assert {"width 4", "linear", "at random"} <= {*rows.suspect}


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
    assert row.endswith(" 8 of 8 | 63 to 100 % |")
