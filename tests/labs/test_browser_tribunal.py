"""The tribunal's board as a learner meets it: one whole game in JupyterLab, with the keyboard."""

import re

import pytest
from browser import (
    STOPWATCH,
    assert_on_one_screen,
    assert_quick,
    assert_redraws_only_what_changes,
    button,
    contrast,
    picture,
    reached_by_tab,
    sticking_out,
    taken,
    verdict,
)
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

CELLS = (
    "import wmlearn as wm\n\ncase = wm.course.open_case()\nboard = wm.TribunalBoard(case)\nboard",
    "case.ask('C', 3)\ncase.left",
)
VERDICTS = dict(zip("ABCDEF", ("accuse", "abstain", "clear", "accuse", "abstain", "abstain")))


def panel(lab: Locator, letter: str) -> Locator:
    """Return the curve of a service."""
    return lab.get_by_role("img", name=re.compile(f"^Service {letter}:"))


def budget(lab: Locator, left: int) -> None:
    expect(lab).to_contain_text(f"{left} of 300 questions left")


def press(lab: Locator, name: str, times: int = 1) -> None:
    """Press a button by keyboard."""
    button(lab, name).focus()
    for _ in range(times):
        lab.page.keyboard.press("Enter")


def verdict_button(lab: Locator, letter: str, word: str) -> Locator:
    """Return the button of a verdict on a service."""
    return lab.get_by_title(f"{word} {letter}", exact=True)


def give(lab: Locator, letter: str, word: str) -> None:
    """Give a verdict by keyboard."""
    verdict_button(lab, letter, word).focus()
    lab.page.keyboard.press("Space")


def test_a_call_in_a_cell_moves_the_board(lab):
    """The second cell ran when the board was open."""
    budget(lab, 297)
    expect(panel(lab, "C")).to_contain_text("0 of 3 matched")
    expect(verdict(lab)).to_contain_text("service C")


def test_it_is_on_one_screen(page, lab):
    """Inputs left, curves right; below 800 pixels the curves are below the inputs."""
    moves = {
        "button": ["progress", ".wm-verdict"],
        "button[title='abstain A']": [".wm-panels"],
        "button[title='abstain F']": [".wm-panels", ".wm-verdict"],
    }
    assert_on_one_screen(lab, moves)
    ask, curve = button(lab, "A +1").bounding_box(), panel(lab, "A").bounding_box()
    assert curve["x"] > ask["x"] + ask["width"]
    rows = {round(panel(lab, letter).bounding_box()["y"]) for letter in "ABC"}
    assert len(rows) == 1
    page.set_viewport_size({"width": 700, "height": 800})
    ask, curve = button(lab, "A +1").bounding_box(), panel(lab, "A").bounding_box()
    assert curve["y"] > ask["y"]
    page.set_viewport_size({"width": 1280, "height": 800})


def test_every_input_is_reached_by_tab_and_has_a_name(lab):
    names = reached_by_tab(button(lab, "A +1"), "hand in")
    expected = []
    for letter in "ABCDEF":
        expected += [f"{letter} +1", f"{letter} +5", f"{letter} +10"]
        expected += [f"{word} {letter}" for word in ("accuse", "clear", "abstain")]
    assert names == [*expected, "hand in"]


def test_a_press_draws_one_curve_again(lab):
    press(lab, "B +1")
    budget(lab, 296)

    def move() -> None:
        press(lab, "B +1")
        budget(lab, 295)

    assert_redraws_only_what_changes(lab, move, most=0.4)


def test_from_the_key_to_the_screen(lab, page, record_property):
    left = 295

    def series() -> list[float]:
        nonlocal left
        times = []
        lab.evaluate(STOPWATCH)
        for letter in "BF":
            for _ in range(10):
                press(lab, f"{letter} +1")
                left -= 1
                budget(lab, left)
                page.wait_for_timeout(60)  # the curve comes after the budget
                times.append(taken(page))
        return times

    assert_quick("ask", series, record_property)


@pytest.mark.parametrize("width", [1280, 900, 390])
@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_it_can_be_read_and_nothing_sticks_out(notebook, page, lab, theme, width):
    page.set_viewport_size({"width": width, "height": 800})
    notebook.set_theme(theme)
    picture(lab, f"tribunal-{theme.lower()}-{width}")
    assert contrast(lab.locator("path.wm-curve, path.wm-line")) >= 3
    assert contrast(lab.locator("svg.wm-chart text, .wm-verdict p, p.wm-small")) >= 7
    parts = "svg.wm-chart, svg.wm-chart text, button, progress, .wm-verdict"
    assert sticking_out(lab, parts) == []


def test_a_whole_game_by_keyboard(notebook, page, lab):
    page.set_viewport_size({"width": 1280, "height": 800})
    notebook.set_theme("Light")
    press(lab, "E +5")
    expect(verdict(lab)).to_contain_text("✔ found")
    expect(panel(lab, "E")).to_contain_text("✔ crossed the line")
    press(lab, "hand in")
    expect(lab.get_by_role("alert")).to_contain_text("missing: A, B, C, D, E, F")
    for letter, word in VERDICTS.items():
        give(lab, letter, word)
        expect(panel(lab, letter)).to_contain_text(f"you {word}")
    press(lab, "hand in", times=2)
    expect(verdict(lab)).to_contain_text("Is that final?")
    expect(lab).not_to_contain_text("suspicious")
    picture(lab, "tribunal-sure")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(verdict(lab)).to_contain_text(re.compile(r"-?\d+ points"))
    expect(lab).to_contain_text("suspicious")
    for name in ("A +1", "F +10", "hand in", "yes, hand in"):
        expect(button(lab, name)).to_be_disabled()
    for word in ("accuse", "clear", "abstain"):
        expect(verdict_button(lab, "A", word)).to_be_disabled()
    picture(lab, "tribunal-over")
    assert sticking_out(lab, "svg.wm-chart text, button, .wm-verdict") == []
    box = lab.bounding_box()
    assert box["height"] <= 620


def test_no_output_lands_in_another_cell(notebook):
    own, other = notebook.outputs()
    assert "application/vnd.jupyter.widget-view+json" in own[0]
    assert (own[1], other) == (["text/html"], [["text/plain"]])


def test_nothing_went_wrong_unseen(notebook):
    """The last test: no exception in a callback during all this, and none in the page."""
    assert notebook.went_wrong() == []
