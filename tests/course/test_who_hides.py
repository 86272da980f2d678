"""What lesson 11 says without printing it is what was measured: liars in one study, thefts in
another.
"""

import ast
import io
import re

import numpy as np
import pandas as pd
import pytest
from _tool import tool
from _words import cells_of, span, words_of
from PIL import Image

import wmlearn as wm

KINDS = "content", "unrelated", "noise"
ROWS = tool.diagrams.charts.THIEVES
PICTURED = {  # the thieves of the lesson's last picture, as the table calls them
    "pruned, 9 of 10 weights": "9 of 10 weights pruned",
    "weight noise, 0.3": "weight noise, 0.3",
    "rounded to 3 bits": "rounded to 3 bits",
    "FTAL, rate 0.01": "FTAL, rate 0.01",
    "RTAL, rate 0.005": "RTAL, rate 0.005",
    "fine-pruned": "fine-pruned, 6 of 10 channels",
    "overwritten with words": "overwritten with ten words",
    "blur, 0.8": "blur, 0.8",
    "blur, 1.2": "blur, 1.2",
    "three that vote": "three that vote",
    "imitated: photographs": "imitated: photographs, labels",
    "imitated: digits": "imitated: digits, labels",
    "RejectUnusual, 0.05": "RejectUnusual, share 0.05",
}
TRICKS = {  # the row, and the two rules under which it was tried
    "the best of 256 seals": ("grinding", "256"),
    "the best of 1,024 seals": ("grinding", "1024"),
    "the best of 4,096 seals": ("grinding", "4096"),
    "a pixel changed until the answer fits": ("pixel tweaks", None),
    "bent pictures": ("crafted images", None),
    'left out what "did not take"': ("dropping what did not take", None),
    "shown only what matched": ("showing what matched", None),
}
SCORES = "hard", "soft"
OURS = "one seal over all images, every question counts"


@pytest.fixture(scope="module")
def lesson():
    return words_of("11")


@pytest.fixture(scope="module")
def lies(root):
    rows = pd.read_csv(
        root / "docs/results/dishonest_owner.csv", comment="#", dtype={"effort": str}
    )
    return rows[(rows.data == "mnist") & rows.trigger.isin(["noise", "plain images"])]


@pytest.fixture(scope="module")
def thefts(root):
    return read_thefts(root / "docs/results/thefts.csv")


def read_thefts(path):
    return pd.read_csv(path, comment="#", dtype={"strength": str}, keep_default_na=False)


def message(thefts, name):
    """Return one row of the lesson's last table, as it has to read."""
    theft, strength = ROWS[name]
    runs = thefts[
        (thefts.data == "mnist") & (thefts.theft == theft) & (thefts.strength == strength)
    ]
    assert runs.groupby(["marks", "labels"]).seed.nunique().tolist() == [runs.seed.nunique()] * 6
    cells = [f"{100 * runs[runs.labels == 'keyed'].task_accuracy.mean():.1f}"]
    for kind in KINDS:
        drawn = runs[(runs.marks == kind) & (runs.labels == "keyed")]
        assert set(drawn.questions) == {30 if kind == "content" else 100}
        cells.append(f"{span(drawn.matched)} ({(drawn.decision == 'found').sum()})")
    for kind in KINDS:
        one = runs[(runs.marks == kind) & (runs.labels == "fixed")]
        assert set(one.questions) == {100}
        cells.append(span(one.matched))
    return f"| {name} | {' | '.join(cells)} |"


@pytest.mark.parametrize("name", ROWS)
def test_the_comparison_holds_what_was_measured(lesson, thefts, name):
    assert message(thefts, name) in lesson


def test_the_last_picture_shows_what_was_measured(thefts):
    (cell,) = (text for kind, text in cells_of("11") if kind == "code" and "found = {" in text)
    shown = ast.literal_eval(ast.parse(cell).body[0].value)
    assert shown.keys() == PICTURED.keys()
    for name, (read, *found) in shown.items():
        theft, strength = ROWS[PICTURED[name]]
        rows = thefts[
            (thefts.data == "mnist")
            & (thefts.labels == "keyed")
            & (thefts.theft == theft)
            & (thefts.strength == strength)
        ]
        counted = [(rows[rows.marks == kind].decision == "found").sum() for kind in KINDS]
        assert (read, found) == (round(100 * rows.task_accuracy.mean(), 1), counted)


def side_doors():
    """Return the title, the code and the output of each side door of the lesson that has code."""
    prose = "\n".join(text for kind, text in cells_of("11") if kind == "markdown")
    door = re.compile(
        r"<summary>Side door: ([^<]*)</summary>(?:(?!</details>).)*?"
        r"~~~python\n(.*?)~~~\n\n~~~text\n(.*?)~~~",  # solutions have backticks
        re.DOTALL,
    )
    return {title: (code, output) for title, code, output in door.findall(prose)}


@pytest.fixture(scope="module")
def names():
    """Return what the lesson has defined where a side door opens."""
    wanted = "import hashlib", "recipes = ", "def accuracy", "owner = ", "innocent = "
    code = [text for kind, text in cells_of("11") if kind == "code" and text.startswith(wanted)]
    assert len(code) == len(wanted)
    names = {}
    for text in code:
        exec(text, names)
    return names


@pytest.mark.parametrize("title", side_doors())
def test_what_is_folded_away_runs_and_prints_what_it_says(names, capsys, title):
    code, output = side_doors()[title]
    exec(code, dict(names))
    assert capsys.readouterr().out == output


def test_no_side_door_is_forgotten():
    assert len(side_doors()) == 6


def test_how_many_owners_there_were(lesson, thefts):
    owners = {3: "three", 4: "four", 5: "five"}[thefts[thefts.data == "mnist"].seed.nunique()]
    assert f"{owners} owners for each kind, who taught a small network with 50,000 digits" in lesson
    assert f"**how many of the {owners} are found**" in lesson


@pytest.fixture(scope="module")
def digits(thefts):
    """Return what thefts leave of marks on digits, with drawn answers."""
    return thefts[(thefts.data == "mnist") & (thefts.labels == "keyed")]


def study_words(root):
    """Return the words of the thief who overwrites, as the study has them."""
    study = ast.parse((root / "benchmarks/thefts.py").read_text(encoding="utf-8"))
    (words,) = (
        node.value
        for node in study.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "THIEF_WORDS"
    )
    return ast.literal_eval(words)


def test_what_the_lesson_reads_off(lesson, digits, root):
    found = (
        digits.assign(found=digits.decision == "found")
        .groupby(["theft", "strength", "marks"])
        .found.mean()
    )
    desk = digits[
        digits.theft.isin(["none", "Quantize", "PerturbWeights", "Prune", "Prune-channels"])
    ]
    assert (desk[desk.task_accuracy >= 0.7].decision == "found").all()
    assert (found[["Steal-hard-loot", "Steal-soft-loot", "RejectUnusual"]] == 0).all()
    for theft in ("Steal-hard-unrelated", "Steal-soft-unrelated"):
        assert found[theft, "5000", "unrelated"] == 1
    hard, soft = (
        100 * digits[digits.theft == f"Steal-{scores}-unrelated"].task_accuracy.mean()
        for scores in SCORES
    )
    read = f"reads only {hard:.0f} % of the digits, or {soft:.0f} % if the service tells its scores"
    assert read in lesson
    assert (found["Blur"].loc[:, "unrelated"] == 1).all()
    assert (found["Blur"].loc[["0.8", "1.2"]].loc[:, "content"] == 0).all()
    assert "every copy that still reads 70 % of the digits is found" in lesson
    assert "are others than the owner's" in lesson
    assert not set(study_words(root)) & set(wm.Content(words=30)(wm.load_data("mnist"), n=30).names)


def test_one_answer_for_all_mostly_lasts_longer(lesson, thefts):
    rows = thefts[thefts.data == "mnist"]
    left = (
        (rows.matched / rows.questions)
        .groupby([rows.theft, rows.strength, rows.marks, rows.labels])
        .mean()
        .unstack()
    )
    assert (left.fixed > left.keyed).sum() > 1.5 * (left.fixed < left.keyed).sum()
    assert "**One answer for all** mostly lasts longer than random labels" in lesson
    assert "by any watermark" in lesson


def share(row):
    return f"{row.accused:,} of {row.decisions:,} | {row.accused_judge:,} of {row.decisions:,}"


@pytest.mark.parametrize("name", TRICKS)
def test_the_liars_get_what_was_measured(lesson, lies, name):
    trick, effort = TRICKS[name]
    rows = lies[lies.trick == trick]
    if effort:  # no rule forbids it
        (row,) = rows[rows.effort == effort].itertuples()
        assert f"| {name} | | | {share(row)} |" in lesson
    else:
        allowed, ours = rows[rows.rules != OURS].itertuples(), rows[rows.rules == OURS].itertuples()
        assert f"| {name} | {share(next(allowed))} | {share(next(ours))} |" in lesson


def test_ten_innocents_and_the_promise_of_p(lies):
    tricks = lies[lies.trick.isin([trick for trick, _ in TRICKS.values()])]
    assert set(tricks.innocents) == {10}
    honest = tricks[tricks.rules == OURS]
    assert (honest.accused <= honest.decisions / 1000).all()
    assert honest.accused_judge.sum() == 0


def test_some_ten_tries_per_question(lesson, lies):
    hashes = lies[lies.trick == "pixel tweaks"].effort.str.partition(" ")[0].astype(float) / 100
    assert hashes.between(8, 12).all()
    assert "some ten tries per question are enough" in lesson


@pytest.fixture(scope="module")
def photographs(thefts):
    """Return what a theft leaves of a mark on photographs, with drawn answers."""
    rows = thefts[(thefts.data == "cifar10") & (thefts.labels == "keyed")].set_index(
        ["theft", "strength", "marks"]
    )
    return lambda theft, strength, triggers: rows.loc[(theft, strength, triggers)]


def test_filters_before_photographs(lesson, photographs):
    assert all(0.55 < photographs("Blur", "0.8", kind).task_accuracy < 0.65 for kind in KINDS)
    assert "the same blur, 0.8, leaves the thief with six photographs of ten" in lesson
    after, before = (photographs(*theft, "noise") for theft in (("Jpeg", "95"), ("none", "")))
    read, once = (f"{100 * row.task_accuracy:.1f}" for row in (after, before))
    gone = f"The noise is gone, and the thief reads {read} % of the photographs instead of {once} %"
    assert gone in lesson
    assert after.decision == "not found"
    others = [photographs("Jpeg", "95", kind) for kind in ("content", "unrelated")]
    assert [row.matched for row in others] == [row.questions for row in others]


def test_unusual_pictures_turned_away_before_photographs(lesson, photographs):
    words, noise, unrelated = (
        photographs("RejectUnusual", "0.05", kind) for kind in ("content", "noise", "unrelated")
    )
    assert "about half of the unrelated images still get their secret answers" in lesson
    assert 40 <= unrelated.matched <= 60
    assert (words.questions, noise.questions, unrelated.questions) == (30, 100, 100)
    assert words.matched <= 3  # no more than by chance, nor is this:
    assert noise.matched <= 10
    assert [row.decision for row in (words, noise, unrelated)] == [
        "not found",
        "not found",
        "found",
    ]


def jpeg(images, subsampling):
    """Return photographs as they come back from JPEG files of quality 95; at 0 every pixel keeps
    its colour.
    """
    back = []
    for image in np.rint(255 * images).astype(np.uint8):
        file = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(
            file, "JPEG", quality=95, subsampling=subsampling
        )
        back.append(np.asarray(Image.open(file)).transpose(2, 0, 1))
    return np.array(back, np.float32) / 255


def test_it_is_the_colours_that_a_jpeg_averages_away(lesson):
    assert "A JPEG that keeps all colours leaves the watermark whole" in lesson
    triggers = wm.Noise()(wm.load_data("cifar10"), n=100, key=wm.CLASSROOM_KEY)
    copy = wm.BlackBox(wm.load_model("cifar10/noise"))
    every, squares = (
        wm.verify(lambda images, s=s: copy(jpeg(images, s)), triggers).k for s in (0, 2)
    )
    assert every >= 98
    assert squares < 25


def test_the_seals_of_the_lesson_take_as_many_matches_as_it_says():
    mnist = wm.load_data("mnist")
    assert wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY).alpha == 0.001
    assert [int(wm.stats.matches_needed(n, 0.001, 0.1)) for n in (30, 100)] == [12, 25]


def test_how_long_so_many_seals_take(lesson):
    seals_a_second = 960e9 / (128 * 1.25 * 2**14 * 8)  # as docs/security.md has it
    years = 2**48 / seals_a_second / (365.25 * 86400)
    assert f"some {years:.0f} years: a thousand cards, ten weeks" in lesson
    assert 6 < 2**48 / 10_000 / seals_a_second / 86400 < 8  # "one week of one card"
