"""What paper.md says of the course and of measurements is what is there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from wmlearn.course._lessons import read_lessons

sys.path.append(str(Path(__file__).resolve().parents[1] / "course"))
from _lesson_rules import MOST_LINES

LESSONS = read_lessons()


@pytest.fixture(scope="module")
def paper(root):
    return (root / "paper.md").read_text("utf-8")


@pytest.fixture(scope="module")
def words(paper):
    """Return the text on one line."""
    return " ".join(paper.split())


def measured(root, name):
    return pd.read_csv(root / f"docs/results/{name}.csv", comment="#")


def row(paper, start):
    """Return the result and the file in the row of the table that starts with these words."""
    (line,) = (line for line in paper.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.split("|")[2:4]]


def test_the_course_is_as_large_as_it_says(words, root):
    core = [lesson for lesson in LESSONS.values() if lesson.core]
    appendices = [name for name in LESSONS if name.startswith("A")]
    exercises = [each for lesson in LESSONS.values() for each in lesson.exercises]
    built = [each for each in exercises if "built" in each.right[0]]
    predictions = sum(len(lesson.predictions) for lesson in LESSONS.values())
    hours = round(sum(lesson.working for lesson in core) / 60)
    lessons = len(LESSONS) - len(appendices)
    assert f"course of {lessons} lessons and {len(appendices)} appendices" in words
    assert f"core path of {len(core)} lessons, about {hours} hours" in words
    assert f"ask for {predictions} predictions" in words
    assert f"{len(exercises)} exercises answer typical mistakes" in words
    assert f"{len(built)} of them ask learners to build" in words
    models = list((root / "wmlearn/_models").glob("*/*.safetensors"))
    nulls = [path for path in models if path.stem.startswith("null")]
    assert f"{len(models) - len(nulls)} trained networks and {len(nulls)} innocent ones" in words


def test_cells_are_as_short_as_it_says(words):
    assert f"a cell of at most {MOST_LINES} lines" in words


def test_the_figures_on_a_chosen_target(paper, words, root):
    rows = measured(root, "false_alarms").query(
        "rule == 'fixed, counted' and alpha == .001 and data == 'mnist'"
    )
    worst = rows.groupby("trigger", sort=False).accusations.max()
    of = rows.decisions.iloc[0]
    expected = f"{', '.join(map(str, worst))} of {of}"
    assert row(paper, "counting matches with a target") == [expected, "`false_alarms.csv`"]
    assert f"accused up to {worst.max()} of {of}" in words


@pytest.mark.parametrize(
    ("rule", "start"), [("gambler", "our rule"), ("counted, peeking", "counting, accusing")]
)
def test_the_figures_on_false_accusations(paper, root, rule, start):
    nulls = measured(root, "false_alarms").query("draw == 'numpy' and suspects == 'null models'")
    most = nulls[nulls.rule == rule].groupby("alpha").rate.max().sort_index(ascending=False)
    expected = " / ".join(f"{rate:.4f}".lstrip("0") for rate in most)
    assert row(paper, start) == [expected, "`false_alarms.csv`"]


def test_the_figures_on_copies(paper, root):
    thieves = measured(root, "power").query("lr > 0")
    groups = [thieves.lr <= 0.002, thieves.lr == 0.005, thieves.lr == 0.01]
    found = [f"{thieves[group].found.sum()} of {group.sum()}" for group in groups]
    assert row(paper, "copies found") == [" / ".join(found), "`power.csv`"]
    answers = measured(root, "countermeasures").query("theft == 'loot'")
    kinds = answers[~answers.owner.isin(["dawn", "tilt", "tilt mirrored"])]
    assert kinds.owner.nunique() == 12
    expected = f"{(kinds.decision == 'found').sum()} of {len(kinds)}"
    assert row(paper, "copies extracted") == [expected, "`countermeasures.csv`"]


def test_the_figures_on_a_service_that_leans(paper, root):
    leans = measured(root, "tilt").query("data == 'mnist' and where == 'service' and size == 1")
    counts = []
    for thief in ("copies", *(f"{count} true labels" for count in ("500", "2,000", "5,000"))):
        rows = leans[(leans.suspect == thief) & (leans.queries == 20_000) & (leans.epochs == 6)]
        assert len(rows) == 10
        counts.append(str((rows.p <= 1e-3).sum()))
    expected = f"{counts[0]} of 10; {' / '.join(counts[1:])} of 10"
    assert row(paper, "copies of a service that leans") == [expected, "`tilt.csv`"]


def test_its_head_is_what_the_journal_reads(paper, root):
    _, head, text = paper.split("---\n", 2)
    fields = yaml.safe_load(head)
    assert {"title", "tags", "authors", "affiliations", "bibliography"} <= fields.keys()
    assert fields["authors"] == [{"name": "The wmlearn authors", "affiliation": 1}]
    keys = re.findall(r"^@\w+\{(\w+),$", (root / fields["bibliography"]).read_text("utf-8"), re.M)
    cited = set(re.findall(r"@(\w+)", text))
    assert cited <= set(keys)
    assert len(cited) > 10
    for needed in ("Summary", "Statement of need", "Learning objectives", "Instructional design"):
        assert re.search(rf"^# {needed}", text, re.M)
    assert 800 < len(re.sub(r"[|#]", " ", text).split()) < 1300
    ((caption, path),) = re.findall(r"^!\[(.*)\]\((.*)\)$", text, re.M)
    assert len(caption) > 20
    assert (root / path).is_file()
