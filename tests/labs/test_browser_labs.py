"""All labs in one notebook: narrow and wide, light and dark, saved and opened on another day."""

import io
import re

import browser
import numpy as np
import pytest
from browser import (
    assert_on_one_screen,
    assert_redraws_only_what_changes,
    button,
    contrast,
    picture,
    sticking_out,
    type_into,
    verdict,
)
from PIL import Image
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

CELLS = (
    """import wmlearn as wm

mnist = wm.load_data("mnist")
triggers = wm.Noise()(mnist, n=100, key=wm.CLASSROOM_KEY)
suspects = {name: wm.BlackBox(wm.load_model(f"mnist/{name}")) for name in ("noise", "clean")}
nulls = [wm.BlackBox(model) for model in wm.null_models("mnist", n=5)]
wm.VerificationLab(triggers, suspects, nulls=nulls)""",
    "wm.TriggerStudio(mnist, key=wm.CLASSROOM_KEY, models=wm.null_models('mnist', n=2))",
    "wm.EmbeddingLab(mnist, key=wm.CLASSROOM_KEY)",
    (
        "wm.Predict('Will it be found?', ['yes', 'no, and nobody can say why not, however long one "
        "asks it'], answer=0)"
    ),
)
# What the cells show, by the place of the cell: the text of each, how many pictures, and how many
# labs are alive. The second output of a lab is a style sheet.
SHOWN = """() => [...document.querySelectorAll(
    '.jp-CodeCell .jp-OutputArea-child:first-child .jp-OutputArea-output')].map(
    output => ({ text: output.innerText, pictures: output.querySelectorAll('img').length,
    alive: output.querySelectorAll('button, input').length > 0,
    instead: getComputedStyle(output, '::before').content,
    visible: getComputedStyle(output).visibility === 'visible'}))"""
BLUE = (0x00, 0x72, 0xB2)  # of the lines that a lab draws on paper


def labs(page: Page) -> list[Locator]:
    """Return the four: that of `Predict` has no frame of its own."""
    return [
        cell.locator(".jp-OutputArea-output .widget-vbox").first
        for cell in page.locator(".jp-CodeCell").all()
    ]


def ask_sixty(page: Page) -> None:
    type_into(labs(page)[0], "or type", 60)
    expect(labs(page)[0].locator(".wm-card").first).to_contain_text("of 60 matched")


def test_three_ways_stand_side_by_side(page):
    """What decides says so; the others say that they do not; each has its line and sign in the
    chart.
    """
    ask_sixty(page)
    lab = labs(page)[0]
    lab.get_by_role("button", name="clean").click()
    cards = lab.locator(".wm-card")
    expect(cards).to_have_count(3)
    for card, words in zip(cards.all(), ("counting alone", "5 null models", "the bettor")):
        expect(card.locator("b")).to_have_text(words)
    expect(lab.locator(".wm-card", has_text="does not decide")).to_have_count(2)
    lines = ("wm-counting", "wm-nulls", "wm-curve")
    for line in lines:
        expect(lab.locator(f".wm-chart[role=img] path.{line}").first).to_be_attached()
    # Each measured in one go: the lab may be drawing anew, and what was found a moment ago is gone
    # then.
    heights = "cards => cards.map(card => card.getBoundingClientRect().y)"
    assert len(set(cards.evaluate_all(heights))) == 1
    dashes = """(lab, lines) => lines.map(line => getComputedStyle(
        lab.querySelector(`.wm-chart[role=img] path.${line}`)).strokeDasharray)"""
    assert len(set(lab.evaluate(dashes, list(lines)))) == 3
    expect(lab.locator(".wm-chart[role=img]")).to_have_attribute(
        "aria-label", re_all("counting alone", "5 null models")
    )


def test_a_move_redraws_only_what_changes(page):
    """The three ways, the curves and the page of answers; never the axes."""
    lab = labs(page)[0]
    type_into(lab, "or type", 70)
    expect(lab.locator(".wm-card").first).to_contain_text("of 70 matched")
    expect(lab.locator("li.wm-later")).to_have_count(5)

    def move() -> None:
        type_into(lab, "or type", 71)
        expect(lab.locator("li.wm-later")).to_have_count(4)

    assert_redraws_only_what_changes(lab, move, most=0.85)


def test_three_ways_are_on_one_screen_with_more_open_too(page):
    """The slider, and the panel with the three p-values; alpha, and its line."""
    lab = labs(page)[0]
    chart = ".wm-layers svg[role=img]"
    for name, moves in (
        ("more", {".noUi-target": [chart, ".wm-verdict", ".wm-three", "ol"]}),
        ("less", {".wm-columns > :last-child .noUi-target": [chart]}),
    ):
        assert_on_one_screen(lab, moves)
        lab.get_by_role("button", name=name).click()


@pytest.mark.parametrize(("width", "columns"), [(1000, 2), (850, 1)])
def test_two_columns_where_there_is_room(page, width, columns):
    page.set_viewport_size({"width": width, "height": 800})
    for lab in page.locator(".wm-lab").all():
        page.wait_for_function(
            """([lab, two]) => {
                const [left, right] = [...lab.querySelector(".wm-columns").children].map(
                    column => column.getBoundingClientRect().x);
                return (left < right) === two; }""",
            arg=[lab.element_handle(), columns == 2],
        )  # a page follows its window with a delay


def test_no_button_shows_null_under_the_mouse(page):
    expect(page.locator(".jp-OutputArea button").first).to_be_visible()
    expect(page.locator(".jp-OutputArea [title=null]:visible")).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 1200, 1140])
def test_the_answers_are_one_strip(page, width):
    """Where the window is narrower, the pictures move together before the last one wraps."""
    page.set_viewport_size({"width": width, "height": 800})
    ask_sixty(page)
    lab = labs(page)[0]
    tops = "all => all.map(each => each.getBoundingClientRect().y)"
    page.wait_for_function(
        "([lab, most]) => lab.clientWidth < most", arg=[lab.element_handle(), width - 160]
    )  # a page follows its window with a delay
    rows = lab.locator("ol li").evaluate_all(tops)
    assert len(rows) == 15
    assert len(set(rows)) == 1


def re_all(*words: str) -> re.Pattern[str]:
    return re.compile("".join(f"(?=.*{word})" for word in words))


@pytest.mark.parametrize("width", [1200, 700])
@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_it_can_be_read_and_nothing_sticks_out(notebook, page, width, theme):
    """At 700 pixels JupyterLab leaves a lab less than it would like: it has to fit all the same."""
    page.set_viewport_size({"width": width, "height": 1000})
    notebook.set_theme(theme)
    ask_sixty(page)
    parts = "svg.wm-chart text, li, input, button, pre, progress, .wm-card"
    for i, lab in enumerate(labs(page)):
        picture(lab, f"lab{i}-{theme.lower()}-{width}")
        assert sticking_out(lab, parts) == []
        right = lab.bounding_box()
        assert right["x"] + right["width"] <= width
    whole = page.locator(".jp-Notebook")
    assert contrast(whole.locator("svg.wm-chart text, .wm-card p, p.wm-small")) >= 4.5
    assert contrast(whole.locator(".wm-chart path.wm-counting, .wm-chart path.wm-nulls")) >= 3


def test_a_page_opened_again_finds_its_labs_alive(notebook, page):
    """The kernel was left running, as it is when a browser is closed."""
    page.set_viewport_size({"width": 1200, "height": 1000})
    ask_sixty(page)
    notebook.save()
    notebook.go()
    alive = f"() => ({SHOWN})().filter(cell => cell.alive).length === 4"
    page.wait_for_function(alive, timeout=60_000)
    expect(labs(page)[0].locator(".wm-card").first).to_contain_text("of 60 matched")
    type_into(labs(page)[0], "or type", 61)
    expect(labs(page)[0].locator(".wm-card").first).to_contain_text("of 61 matched")


def test_run_pressed_twice_trains_once(page):
    lab = labs(page)[2]
    type_into(lab, "epochs", 2)
    button(lab, "Run").dblclick()
    expect(lab.locator("svg.wm-chart")).to_have_attribute(
        "aria-label", re_all("after 1 epoch"), timeout=120_000
    )
    button(lab, "Stop").click()
    expect(button(lab, "Run")).to_be_enabled(timeout=120_000)
    expect(lab.get_by_role("alert")).to_have_count(0)
    expect(verdict(lab)).to_contain_text("the marked model")


def test_nothing_went_wrong_unseen(notebook):
    """No exception in a callback during all this, and none in the page."""
    assert notebook.went_wrong() == []


def test_a_trusted_notebook_shows_them_where_its_kernel_is_gone(notebook, desk):
    """The same server, which trusts what was run there, and a new kernel: the widgets are lost."""
    notebook.save()
    again = browser.Notebook(desk.browser, desk.server, f"{__name__}.ipynb")
    again.page.wait_for_function(f"() => ({SHOWN})().every(cell => !cell.visible)")
    cells = again.page.evaluate(SHOWN)
    begin = ("VerificationLab: 100 q", "TriggerStudio", "EmbeddingLab: 150 t", "Predict: Will it")
    for cell, words, pictures in zip(cells, begin, (1, 1, 0, 0)):
        assert words in cell["instead"]
        assert cell["instead"].count("url(") == pictures
    assert [cell["text"] for cell in cells] == 4 * [""]
    drawn = again.page.locator(".jp-CodeCell .jp-OutputArea-child").first.screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB"))
    assert (pixels == BLUE).all(axis=2).any()
    assert again.js_errors == []
    again.close()


def test_a_saved_notebook_shows_pictures_and_text_until_it_is_run(notebook, desk):
    """On another machine: no kernel, and a JupyterLab that does not trust the notebook."""
    name = f"{__name__}.ipynb"
    notebook.save()
    assert b"VerificationLab: 100 questions" in (desk.folder / name).read_bytes()
    with browser.jupyterlab(desk.folder) as server:
        again = browser.Notebook(desk.browser, server, name)
        verification, studio, embedding, predict = again.page.evaluate(SHOWN)
        assert (verification["pictures"], studio["pictures"]) == (1, 1)
        assert "EmbeddingLab: " in embedding["text"]
        assert "( ) yes" in predict["text"]
        assert "displaying widget" not in again.page.locator(".jp-Notebook").inner_text()
        again.run_all()
        assert [cell["alive"] for cell in again.page.evaluate(SHOWN)] == 4 * [True]
        assert again.js_errors == []
        again.close()
