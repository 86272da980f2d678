"""What the labs share: the picture on paper, a chart's scales and labels, and a lab's `.state`."""

import io
import re

import ipywidgets
import numpy as np
import pytest
from _drive import find, is_visible, move
from PIL import Image

from wmlearn.labs._kit.lab import BESIDE, Lab, number_box
from wmlearn.labs._kit.static import png
from wmlearn.labs._kit.svg import BOTTOM, LEFT, Chart, End, count_to
from wmlearn.labs._kit.theme import PAPER, STYLE
from wmlearn.labs._kit.views import small


def pixels(svg):
    """Return the picture of a drawing, shape (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(png(svg))).convert("RGB"))


def test_paper_has_every_colour_of_the_screen():
    assert set(re.findall(r"var\((--wm-\w+)", STYLE)) <= set(PAPER)


def test_a_drawing_is_twice_as_large_on_paper_and_in_its_colours():
    chart = Chart((0, 10), (0, 1))
    chart.level("wm-curve", 0.5)
    drawn = pixels(chart.svg("a line"))
    assert drawn.shape == (520, 1120, 3)
    row, column = 2 * int(chart.up(0.5)), 2 * int(chart.across(5))
    assert tuple(drawn[row, column]) == (0x00, 0x72, 0xB2)
    rest = np.delete(drawn, np.s_[row - 4 : row + 5], axis=0)
    assert (rest == 255).all()  # white, and nothing else on it


@pytest.mark.parametrize("words", ["10¹⁵", "▲ target", "…", "<&'>"])
def test_words_are_written_on_paper(words):
    """The font has the signs: an unknown one would be an empty box, alike for all."""
    chart, unknown = Chart((0, 1), (0, 1)), Chart((0, 1), (0, 1))
    chart.text(100, 100, words)
    unknown.text(100, 100, "\U000f0000" * len(words))
    drawn = pixels(chart.svg(words))
    assert (drawn < 100).any()
    assert not np.array_equal(drawn, pixels(unknown.svg(words)))


def test_numbers_lie_between_the_edges_and_never_outside():
    chart = Chart((0, 10), (-2, 15), right=420, top=30)
    assert [chart.across(number) for number in (0, 5, 10)] == [LEFT, (LEFT + 420) / 2, 420]
    assert [chart.up(number) for number in (-9, -2, 15, 99)] == [BOTTOM, BOTTOM, 30, 30]


@pytest.mark.parametrize("last", [1, 12, 13, 45, 150, 3000, 60_000])
def test_a_dozen_round_numbers_at_the_most(last):
    numbers = list(count_to(last))
    assert len(numbers) <= 13
    assert numbers[0] == 0
    assert last - (numbers[1] - numbers[0]) < numbers[-1] <= last


def test_labels_of_lines_that_end_together_stand_apart():
    """The first of those at one height stands highest, and none above the plot."""
    chart = Chart((0, 1), (0, 1), right=420)
    chart.label([End("wm-mark", name, 1, 1.0) for name in ("first", "second", "third")])
    heights = [float(y) for y in re.findall(r"<text x='463.0' y='([\d.]+)'", chart.svg(""))]
    assert heights == sorted(heights)
    assert np.diff(heights).tolist() == [16, 16]
    assert heights[0] >= 40 - 8


class Counter(Lab):
    """A lab of one number, and what it says of it."""

    def __init__(self):
        super().__init__("sentence")
        self.number = number_box("number", 2, 0, 9, BESIDE)
        self._lay_out(
            left=[[self.number, ipywidgets.Button(description="a button")]], right=["sentence"]
        )
        self._follow(self.number, self._divide)
        self._divide()

    def _divide(self, _: object = None) -> None:
        self._say(sentence=small(f"one by it is {1 / self.number.value:g}"))


def test_a_lab_offers_what_it_holds_and_shows():
    lab = Counter()
    assert lab.state.controls == {"number": 2}
    assert lab.state.screen == {"sentence": small("one by it is 0.5"), "status": ""}
    before = lab.state
    move(lab, "number", 4)
    assert lab.state.screen["sentence"] == small("one by it is 0.25")
    assert before.controls == {"number": 2}
    find(lab, "number").layout.display = "none"
    assert not is_visible(lab, "number")
    assert lab.state.controls == {}


def test_what_goes_wrong_in_a_lab_is_shown():
    lab = Counter()
    move(lab, "number", 0)
    assert "ZeroDivisionError" in lab.state.screen["status"]
    assert "image/png" not in lab._repr_mimebundle_()  # it draws nothing
