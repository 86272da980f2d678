"""What lesson 10 says without printing it is what was measured."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import wmlearn as wm

TRICKS = {  # the row, and the two rules under which it was tried
    "the best of 1,000 seals": ("grinding", "1000"),
    "the best of 10,000 seals": ("grinding", "10000"),
    "the best of 100,000 seals": ("grinding", "100000"),
    "a pixel changed until the answer fits": ("pixel tweaks", None),
    "bent pictures": ("crafted images", None),
    'left out what "did not take"': ("dropping what did not take", None),
    "shown only what matched": ("showing what matched", None),
}
OURS = "one seal over all images, every question counts"


@pytest.fixture(scope="module")
def lesson(root):
    """Return the words of the lesson, each run of white space as one space."""
    cells = json.loads((root / "notebooks/10_thieves_who_hide.ipynb").read_text(encoding="utf-8"))["cells"]
    return " ".join(" ".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown").split())


@pytest.fixture(scope="module")
def lies(root):
    rows = pd.read_csv(root / "docs/results/dishonest_owner.csv", comment="#", dtype={"effort": str})
    return rows[(rows.data == "mnist") & rows.trigger.isin(["noise", "plain images"])]


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


def test_some_ten_tries_a_question(lesson, lies):
    hashes = lies[lies.trick == "pixel tweaks"].effort.str.partition(" ")[0].astype(float) / 100
    assert hashes.between(8, 12).all()
    assert "some ten tries a question are enough" in lesson


def jpeg(images, subsampling):
    """Return photographs as they come back from JPEG files of quality 95; at 0 every pixel keeps its colour."""
    back = []
    for image in np.rint(255 * images).astype(np.uint8):
        file = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(file, "JPEG", quality=95, subsampling=subsampling)
        back.append(np.asarray(Image.open(file)).transpose(2, 0, 1))
    return np.array(back, np.float32) / 255


def test_it_is_the_colours_that_a_jpeg_averages_away(lesson):
    assert "A JPEG that keeps all colours leaves the mark whole" in lesson
    marks = wm.Noise()(wm.load_data("cifar10"), n=100, key=wm.CLASSROOM_KEY)
    copy = wm.BlackBox(wm.load_model("cifar10/noise"))
    every, squares = (wm.verify(lambda images, s=s: copy(jpeg(images, s)), marks).k for s in (0, 2))
    assert every >= 98
    assert squares < 25


def test_the_seals_of_the_lesson_take_as_many_matches_as_it_says():
    mnist = wm.load_data("mnist")
    assert wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY).alpha == 0.001
    assert [int(wm.stats.matches_needed(n, 0.001, 0.1)) for n in (30, 100)] == [12, 25]


def test_how_long_so_many_seals_take(lesson):
    years = 2**48 * 0.05 / (365.25 * 86400)
    assert round(years, -4) == 450_000
    assert "450,000 years on one core" in lesson
