"""Pictures can be read on a light and on a dark page, and say what they show to those who do not
see them: in the notebook, in JupyterLab, in a page that nbconvert makes.
"""

import base64
import html
import re
import xml.etree.ElementTree as ET

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from _colours import contrast
from _tool import ROOT, tool
from drawing import GROUNDS, LINE
from matplotlib.colors import to_rgb, to_rgba
from nbconvert import HTMLExporter

import wmlearn as wm
from wmlearn import figures

LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
DIAGRAMS = tool.diagrams.DIAGRAMS
WHITE, DARK = "#ffffff", "#111111"  # the two grounds that JupyterLab gives a cell
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def pages():
    """Make pages as `jupyter nbconvert --to html --template described` does, each once."""
    folder = str(ROOT / "tools" / "nbconvert")
    exporter = HTMLExporter(template_name="described", extra_template_basedirs=[folder])
    made = {}

    def page(lesson):
        if lesson not in made:
            made[lesson] = exporter.from_filename(ROOT / "notebooks" / f"{lesson}.ipynb")[0]
        return made[lesson]

    return page


# ---------------------------------------------------------------- diagrams


def test_each_diagram_is_what_its_drawing_makes():
    files = tool.diagrams.files(ROOT)
    assert {path: path.read_bytes().decode() for path in files} == files
    assert set((ROOT / "docs" / "diagrams").iterdir()) == set(files)


def test_each_diagram_is_in_a_lesson():
    cells = [cell for lesson in LESSONS for cell in tool.read_notebook(path_of(lesson)).cells]
    tags = [tag for cell in cells for tag in cell.metadata.get("tags", [])]
    shown = [tag.removeprefix("diagram-") for tag in tags if tag.startswith("diagram-")]
    assert sorted(shown) == sorted(DIAGRAMS)


def path_of(lesson):
    return ROOT / "notebooks" / f"{lesson}.ipynb"


@pytest.mark.parametrize("name", DIAGRAMS)
def test_all_writing_of_a_diagram_lies_on_a_ground_that_it_stands_out_from(name):
    drawn = ET.fromstring(DIAGRAMS[name].draw().svg("words"))
    cards = []
    for part in drawn:
        if part.tag == f"{SVG}rect":
            cards.append(part)
        if part.tag == f"{SVG}text":
            under = [card for card in cards if lies_on(part, card)]
            assert under, part.text
            assert contrast(drawn.get("fill"), under[-1].get("fill")) >= 4.5, part.text


def lies_on(text, card):
    x, y = float(text.get("x")), float(text.get("y")) - 5
    left, top = float(card.get("x")), float(card.get("y"))
    across = left <= x <= left + float(card.get("width"))
    return across and top <= y <= top + float(card.get("height"))


def test_lines_of_diagrams_stand_out_from_both_grounds():
    edges = {edge for _, edge in GROUNDS.values()}
    for color in edges | {LINE}:
        assert contrast(color, WHITE) >= 3, color
        assert contrast(color, DARK) >= 3, color


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_says_what_it_shows(name):
    words = DIAGRAMS[name].words
    assert 100 < len(words) < 500
    assert f"<title>{html.escape(words)}</title>" in DIAGRAMS[name].draw().svg(words)


# ---------------------------------------------------------------- figures


def brighter(color, times):
    return [min(1, times * part) for part in to_rgb(color)]


def test_the_style_can_be_read_in_both_themes():
    times = float(re.search(r"brightness\((.*?)\)", figures.DARK)[1])
    with plt.style.context("wmlearn.figures"):
        colors = {each["color"] for each in plt.rcParams["axes.prop_cycle"]}
        colors |= {plt.rcParams[name] for name in ("text.color", "axes.labelcolor", "xtick.color")}
        assert not to_rgba(plt.rcParams["figure.facecolor"])[3]
    for color in colors:
        assert contrast(color, WHITE) >= 4.5
        assert contrast(color, DARK) >= 3
        assert contrast(brighter(color, times), DARK) >= 4.5


@pytest.mark.parametrize("server", [False, True])
def test_show_gives_a_figure_its_description(monkeypatch, server):
    if server:
        monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")
    else:
        monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    words = "2 dots, one of them <red> & 'loud'"
    plt.subplots()[1].plot([1, 2], "o")
    shown = []
    monkeypatch.setattr(
        "IPython.display.display", lambda *args, **named: shown.append((args, named))
    )
    wm.show(words)
    (((data,), named),) = shown
    assert data["text/plain"] == words
    assert named == {"metadata": {"image/png": {"alt": words}}, "raw": True}
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert not plt.get_fignums()
    assert ("text/html" in data) == server
    if server:
        alt = re.search(r"alt='(.*?)'", data["text/html"])[1]
        assert alt == "2 dots, one of them &lt;red&gt; &amp; &#x27;loud&#x27;"
        assert data["image/png"] in data["text/html"]


# ---------------------------------------------------------------- a page made of a lesson


@pytest.mark.parametrize("lesson", LESSONS)
def test_each_picture_of_a_page_says_what_it_shows(pages, lesson):
    images = re.findall(r"<img[^>]*>", pages(lesson))
    texts = [re.search(r'\balt="([^"]*)"', image)[1] for image in images]
    drawn = [words for image, words in zip(images, texts) if "data:image/png" in image]
    cells = tool.read_notebook(path_of(lesson)).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert len(drawn) == sum("image/png" in output.get("data", {}) for output in outputs)
    for words in drawn:
        assert len(words) >= tool.SHORTEST_ALT
        assert re.search(r"\d", words)
        assert not words.startswith(("&lt;Figure", "No description"))
    assert all(texts)
    assert len(set(drawn)) == len(drawn)
