"""How results look: escaped tables, pictures that hold the very pixels, numbers for people."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

import wmlearn as wm
from wmlearn import _display
from wmlearn._display import html_table, mosaic, percent, picture, plural, png_uri
from wmlearn._random import stable_rng


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


class Reader(HTMLParser):
    """A browser, as far as it matters here: which tags there are, and what one reads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_table_says_what_it_was_given():
    read = Reader(html_table("Title", {"questions": 30, "alpha": 0.001}))
    assert read.texts == ["Title", "questions", "30", "alpha", "0.001"]
    assert read.tags == ["table", "caption", "tbody", "tr", "th", "td", "tr", "th", "td"]


def test_everything_in_a_table_is_escaped():
    nasty = "<script>alert('1')</script> & \"quoted\""
    read = Reader(html_table(nasty, {nasty: nasty}))
    assert "script" not in read.tags
    assert read.texts == [nasty] * 3


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [
        (0, "0.0 %"),
        (1, "100.0 %"),
        (0.9876, "98.8 %"),
        (0.9996, "100.0 %"),
        (float("nan"), "not measured"),
    ],
)
def test_percent(fraction, shown):
    assert percent(fraction) == shown


def test_percent_with_other_digits():
    assert (percent(0.98765, 2), percent(0.5, 0)) == ("98.77 %", "50 %")


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (60000, "60,000 images")]
)
def test_plural(count, shown):
    assert plural(count, "image") == shown


@pytest.mark.parametrize(("channels", "shape"), [(1, (5, 7)), (3, (5, 7, 3))])
def test_a_picture_is_what_pillow_wants(channels, shape):
    image = stable_rng(0).randint(0, 256, (channels, 5, 7)).astype(np.uint8)
    assert picture(image).shape == shape
    assert np.array_equal(np.atleast_3d(picture(image)).transpose(2, 0, 1), image)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_address_decodes_to_the_same_pixels(channels):
    image = stable_rng(1).randint(0, 256, (channels, 28, 20)).astype(np.uint8)
    kind, _, data = png_uri(image).partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as png:
        assert (png.format, png.mode) == ("PNG", {1: "L", 3: "RGB"}[channels])
        assert np.array_equal(np.asarray(png), picture(image))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mosaic_shows_every_image_with_its_caption(channels):
    pixels = stable_rng(2).randint(0, 256, (7, channels, 28, 28)).astype(np.uint8)
    captions = [f"number {i}" for i in range(7)]
    ax = mosaic(pixels, captions, columns=4)
    assert isinstance(ax, Axes)
    assert [text.get_text() for text in ax.texts] == captions
    canvas = np.asarray(ax.images[0].get_array())
    for i, (text, image) in enumerate(zip(ax.texts, pixels)):
        x, y = text.get_position()
        left, bottom = round(x - 14), round(y - 1)
        shown = canvas[bottom - 28 : bottom, left : left + 28].transpose(2, 0, 1)
        assert np.array_equal(shown[:3], np.broadcast_to(image, (3, 28, 28))), (
            f"image {i} is not above its caption"
        )
        assert (shown[3] == 255).all()
    assert (
        canvas[..., 3] == 255
    ).sum() == 7 * 28 * 28  # behind the captions is the figure's ground
    assert (
        len({round(text.get_position()[1]) for text in ax.texts}) == 2
    )  # seven images in rows of four


@pytest.mark.parametrize("channels", [2, 4, 12])
def test_a_picture_has_one_channel_or_three(says, channels):
    pixels = np.zeros((2, channels, 8, 8), np.uint8)
    for draw in (picture, png_uri, lambda image: mosaic(pixels, ["one", "two"])):
        with says(ValueError):
            draw(pixels[0])
    assert picture(pixels[0, :1]).shape == (8, 8)
    mosaic(pixels[:, :1], ["one", "two"])


def test_a_mosaic_draws_where_it_is_told():
    _, ax = plt.subplots()
    assert mosaic(np.zeros((1, 1, 8, 8), np.uint8), ["one"], ax) is ax
    assert len(plt.get_fignums()) == 1


def test_colours_are_okabe_and_itos():
    colors = [
        getattr(_display, name)
        for name in ("BLUE", "ORANGE", "GREEN", "VERMILLION", "SKY", "PURPLE")
    ]
    assert colors == ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"]
    assert all(re.fullmatch("#[0-9A-F]{6}", color) for color in colors)


# ---------------------------------------------------------------- figures that are saved


def test_a_saved_verdict_keeps_its_labels(tmp_path):
    """At its default size the label below a drawing was cut off."""
    triggers = wm.Content(words=30)(wm.load_data("mnist"), n=60, key=wm.CLASSROOM_KEY)
    opened = wm.evidence.open_questions(triggers, range(30))
    copies = {"a copy with quite a long name": lambda images: triggers.labels}
    verdicts = [
        wm.verify(*copies.values(), triggers),
        wm.evidence.judge(*copies.values(), opened, seal=triggers.seal, named=range(30)),
        wm.verify_all(copies, triggers),
    ]
    for verdict in verdicts:
        assert json.loads(json.dumps(verdict.to_dict()))
        ax = verdict.plot()
        figure = ax.figure
        figure.savefig(tmp_path / "verdict.png")
        page = figure.bbox
        names = ax.get_yticklabels() if verdict is verdicts[-1] else []
        for text in (ax.xaxis.label, ax.yaxis.label, *names):
            box = text.get_window_extent()
            inside = page.x0 <= box.x0 and page.y0 <= box.y0
            assert (inside and box.x1 <= page.x1 and box.y1 <= page.y1) or not text.get_text()
        plt.close(figure)
