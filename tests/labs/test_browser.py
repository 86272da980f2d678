"""Lesson 00 as a learner meets it: in JupyterLab, in a browser, with the keyboard."""

import re

import pytest
from browser import (
    STOPWATCH,
    assert_on_one_screen,
    assert_quick,
    assert_redraws_only_what_changes,
    button,
    cells,
    contrast,
    reached_by_tab,
    sticking_out,
    taken,
    type_into,
    verdict,
)
from playwright.sync_api import Locator, Page, expect

from wmlearn.course.copies import copy_lessons

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def notebook(desk, root):
    """Return the lesson as `make lab` opens it, run to its end; the tests below share it, one after
    the other.
    """
    copy_lessons(root / "notebooks", desk.folder / "lessons")
    with desk.run("lessons/00_the_copied_map.ipynb") as notebook:
        yield notebook


def test_pictures_reach_those_who_do_not_see_them(notebook):
    pictures = notebook.page.locator(".jp-Notebook img").evaluate_all(
        "images => images.map(each => [each.alt, each.naturalWidth, each.src])"
    )
    assert all(alt for alt, _, _ in pictures)
    ours = [(alt, width) for alt, width, source in pictures if not source.startswith("https:")]
    assert len(ours) == 3  # a diagram, and two figures
    assert all(len(alt) > 60 and width > 600 for alt, width in ours)


def type_number(lab: Locator, number: int) -> None:
    """Type how many questions are to be asked, and wait until the lab shows it."""
    type_into(lab, "or type", number)
    expect_asked(lab, number)


def expect_asked(lab: Locator, number: int) -> None:
    caption = re.compile(rf"after {number} of ")
    expect(lab.locator("svg.wm-chart")).to_have_attribute("aria-label", caption)
    words = f" of {number} secret answer" if number else "Nothing asked yet"
    expect(verdict(lab)).to_contain_text(words)


def suspects(lab: Locator) -> Locator:
    return lab.locator(".widget-toggle-buttons", has_text="suspect").locator("button")


def suspect(lab: Locator, place: int) -> Locator:
    return suspects(lab).nth(place)


def test_the_slider_moves_by_keyboard(lab, page):
    suspect(lab, 0).click()
    type_number(lab, 0)
    expect(verdict(lab)).to_contain_text("? too early to tell")
    lab.locator(".noUi-handle").first.focus()
    for number in range(1, 5):
        page.keyboard.press("ArrowRight")
        expect_asked(lab, number)
    expect(verdict(lab)).to_contain_text("✔ found")
    expect(verdict(lab)).to_contain_text("4 of 4 secret answers matched")
    expect(lab.locator("input[type=number]").first).to_have_value("4")
    expect(lab.locator("li.wm-match")).to_have_count(4)


def test_a_number_can_be_typed(lab):
    type_number(lab, 12)
    expect(lab.locator(".noUi-handle").first).to_have_attribute("aria-valuenow", "12.0")
    expect(lab.locator("li.wm-match, li.wm-miss, li.wm-silent")).to_have_count(12)


def test_the_innocent_model_is_not_accused(lab, page):
    type_number(lab, 30)
    last = suspects(lab).count() - 1
    suspect(lab, last).focus()
    page.keyboard.press("Space")
    expect(verdict(lab)).to_contain_text(suspect(lab, last).inner_text().strip())
    expect(verdict(lab)).to_contain_text("– not found")
    expect(lab.locator("li.wm-miss").first).to_contain_text("✘ miss")
    suspect(lab, 0).click()
    expect(verdict(lab)).to_contain_text("✔ found")


def test_alpha_moves_the_line_and_not_the_verdict(lab, page):
    suspect(lab, 0).click()
    type_number(lab, 5)
    before = verdict(lab).inner_text()
    lab.get_by_role("button", name="more").focus()
    page.keyboard.press("Space")
    handle = lab.locator(".noUi-handle").nth(1)
    expect(handle).to_be_visible()
    handle.focus()
    page.keyboard.press("ArrowRight")
    expect(lab.locator("path.wm-explored")).to_have_count(1)
    expect(lab).to_contain_text("moving the line is only exploring")
    assert verdict(lab).inner_text() == before
    page.keyboard.press("ArrowLeft")
    expect(lab.locator("path.wm-explored")).to_have_count(0)
    lab.get_by_role("button", name="less").click()


def test_every_input_is_reached_by_tab_and_a_trigger_type_is_chosen_there(lab, page):
    """No menu, on which a letter would be a command to the notebook."""
    before = cells(page)
    more = lab.get_by_role("button", name="more")
    content = lab.get_by_role("button", name="content")
    expected = ["more ▸", "owner", "copy", "innocent", "questions asked", "or type"]
    expect(content).to_be_hidden()  # the button has its new name before the drawer is shut
    assert reached_by_tab(more, "or type") == expected
    more.focus()
    page.keyboard.press("Space")
    expect(content).to_be_visible()
    kinds = ["content", "unrelated", "noise"]
    alpha = 2 * ["line at alpha ="]
    expected = ["less ▾", *kinds, *expected[1:], *alpha]
    less = lab.get_by_role("button", name="less")
    assert reached_by_tab(less, "line at alpha =") == expected[:-1]
    for kind, questions in (("noise", 100), ("content", 30)):
        button(lab, kind).focus()
        page.keyboard.press("Space")
        expect(lab).to_contain_text(f"of {questions}; " if kind == "content" else f"of {questions}")
    expect(lab.locator("select")).to_have_count(0)
    assert cells(page) == before
    less.focus()
    page.keyboard.press("Space")


def test_it_is_on_one_screen_with_more_open_too(lab):
    """The slider beside the verdict, the curve and the answers; alpha beside its line."""
    chart = ".wm-layers svg[role=img]"
    moves = {".noUi-target": [".wm-verdict", chart, "ol"]}
    assert_on_one_screen(lab, moves)
    more = lab.get_by_role("button", name="more")
    more.click()
    moves = {".wm-columns > :last-child .noUi-target": [chart]}
    moves[".widget-toggle-buttons"] = [chart, ".wm-verdict"]
    assert_on_one_screen(lab, moves)
    lab.get_by_role("button", name="less").click()


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_text_and_lines_stand_out_in_both_themes(notebook, lab, theme):
    notebook.set_theme(theme)
    assert contrast(lab.locator(".wm-verdict p")) >= 7
    assert contrast(lab.locator(".wm-chart text")) >= 7
    assert contrast(lab.locator("path.wm-curve")) >= 3
    assert contrast(lab.locator("path.wm-line")) >= 3


def test_the_theme_may_be_changed_to_and_fro(notebook):
    for theme in ["Dark", "Light"] * 3:
        notebook.set_theme(theme)
    assert notebook.js_errors == []


def test_nothing_sticks_out(lab):
    """The parts of the lab lie within its frame: none is cut off, and nothing scrolls sideways."""
    type_number(lab, 30)
    assert sticking_out(lab, "svg.wm-chart text, li, input, button, .wm-verdict") == []


def test_from_the_key_to_the_screen(lab, page, measured):
    """Five moves to warm up, then 25 that count: from the key going down to the last change in the
    page.
    """

    def series() -> list[float]:
        type_number(lab, 0)
        expect_asked(lab, 0)
        lab.locator(".noUi-handle").first.focus()
        times = []
        for number in range(1, 31):
            page.keyboard.press("ArrowRight")
            expect_asked(lab, number)
            expect(lab.locator("li.wm-later")).to_have_count(-number % 15)
            times.append(taken(page))
        return times[5:]

    suspect(lab, 0).click()
    lab.evaluate(STOPWATCH)
    assert_quick("slider", series, measured)


def test_a_move_redraws_only_what_changes(lab, page):
    """The sentence, the curve and the page of answers; never the axes."""
    type_number(lab, 7)

    def move() -> None:
        lab.locator(".noUi-handle").first.focus()
        page.keyboard.press("ArrowRight")
        expect_asked(lab, 8)
        expect(lab.locator("li.wm-later")).to_have_count(7)

    assert_redraws_only_what_changes(lab, move, most=0.8)


def test_nothing_went_wrong_unseen(notebook):
    """No exception in a callback during all this, and none in the page."""
    assert notebook.went_wrong() == []


def test_the_harness_sees_a_hidden_error(notebook, page):
    """The last test, or the one above would prove nothing: a callback fails on purpose."""
    code = """import ipywidgets
broken = ipywidgets.IntSlider()
broken.observe(lambda change: 1 / 0, "value")
broken"""
    run_in_new_cell(page, code)
    notebook.callback_errors()  # opens the log console
    page.locator(".jp-Cell").last.locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".jp-LogConsolePanel").first).to_contain_text("ZeroDivisionError")
    assert any("ZeroDivisionError" in line for line in notebook.callback_errors())


def run_in_new_cell(page: Page, code: str) -> None:
    page.evaluate(
        """async code => { const app = window.jupyterapp, content = app.shell.currentWidget.content;
            content.activeCellIndex = content.widgets.length - 1;
            await app.commands.execute('notebook:insert-cell-below');
            content.activeCell.model.sharedModel.setSource(code);
            await app.commands.execute('notebook:run-cell'); }""",
        code,
    )
