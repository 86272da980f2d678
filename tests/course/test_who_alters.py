"""What lesson 09 says without printing it is true: figures in its prose, from the measurements and
worked out here.
"""

import pandas as pd
import pytest
from _words import span, words_of

import wmlearn as wm


@pytest.fixture(scope="module")
def lesson():
    return words_of("09")


@pytest.mark.parametrize("lr", [0.001, 0.002, 0.005, 0.01])
def test_what_was_measured_at_each_learning_rate(lesson, root, lr):
    runs = pd.read_csv(root / "docs/results/power.csv", comment="#").query(
        "data == 'mnist' and trigger == 'content'"
    )
    runs = runs[runs.lr == lr]
    groups = runs[runs.owner == "shipped"], runs[runs.owner != "shipped"]
    assert [(len(rows), *rows.n.unique()) for rows in groups] == [(5, 30), (5, 30)]
    cells = [f"{span(rows.k)} of 30 | {rows.found.sum()} of 5" for rows in groups]
    assert f"| {lr:g} | {cells[0]} | {cells[1]} |" in lesson


def test_what_more_questions_are_worth(lesson):
    few, many = (wm.stats.accusation_chance(n, 1 / 3, alpha=0.001, p0=0.1) for n in (30, 100))
    assert f"found in {100 * few:.0f} cases of 100 with thirty questions" in lesson
    assert f"and in {100 * many:.0f} with a hundred" in lesson
    assert f"With thirty the chance was {100 * few:.0f} %" in lesson


def test_the_line_and_the_last_exercise_use_what_the_marks_seal():
    triggers = wm.Content(words=30)(wm.load_data("mnist"), n=150, key=wm.CLASSROOM_KEY)
    assert (triggers.alpha, len(triggers.answers)) == (0.001, 30)
    assert wm.stats.questions_needed(triggers.alpha, 0.1, rate=1 / 3, chance=0.95) == 87
