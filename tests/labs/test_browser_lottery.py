"""The lottery lab as a learner meets it, both halves of it: in JupyterLab, in a browser, with the
keyboard.
"""

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
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

CELLS = (
    """import wmlearn as wm

mnist = wm.load_data("mnist")
triggers = wm.Noise()(mnist, n=100, key=wm.CLASSROOM_KEY)
service = wm.BlackBox(wm.load_model("mnist/clean"))
wm.LotteryLab(triggers, service)""",
    "wm.LotteryLab(triggers, service, peek=True)",
)


@pytest.fixture
def peeking(page: Page) -> Locator:
    """Return the second lab."""
    return page.locator(".wm-lab").nth(1)


def press(lab: Locator, name: str, key: str = "Enter") -> None:
    """Press a button by the keyboard, once it may be pressed."""
    expect(button(lab, name)).to_be_enabled()
    button(lab, name).focus()
    lab.page.keyboard.press(key)


def chart(lab: Locator) -> Locator:
    return lab.locator("svg.wm-chart[role=img]").first


def test_draws_pile_up_by_keyboard(lab):
    expect(button(lab, "start again")).to_be_disabled()
    expect(lab.locator("path.wm-bar, path.wm-target")).to_have_count(0)
    press(lab, "draw 1")
    expect(verdict(lab)).to_contain_text(re.compile("of 1 new draw "))
    expect(lab.locator("path.wm-bar, path.wm-target")).to_have_count(1)
    press(lab, "draw 1,000", "Space")
    expect(verdict(lab)).to_contain_text("of 1,001 new draws")
    expect(lab.locator(".wm-code")).to_have_count(1)
    press(lab, "draw 1,000")
    expect(verdict(lab)).to_contain_text("of 2,000 new draws")
    for name in ("draw 1", "draw 10", "draw 1,000"):
        expect(button(lab, name)).to_be_disabled()
    expect(chart(lab)).to_have_attribute("aria-label", re.compile("of 2,000 new draws"))


def test_the_keyboard_goes_on_where_it_was(lab, page):
    press(lab, "start again")
    press(lab, "draw 1")
    expect(button(lab, "start again")).to_be_enabled()
    names = ["draw 1", "draw 10", "draw 1,000", "start again"]
    assert reached_by_tab(button(lab, "draw 1"), "start again") == names
    page.keyboard.press("Enter")
    expect(verdict(lab)).to_contain_text("0 new draws")


def test_a_held_key_draws_on(lab, page):
    press(lab, "draw 1")
    for _ in range(20):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    expect(verdict(lab)).to_contain_text("of 21 new draws")


def test_accuse_by_keyboard(peeking, page):
    expect(button(peeking, "accuse")).to_be_disabled()
    for asked in (1, 2, 3):
        press(peeking, "ask 1 more")
        expect(verdict(peeking)).to_contain_text(f"of {asked} answer")
    press(peeking, "ask 5 more")
    expect(verdict(peeking)).to_contain_text("of 8 answers matched: p = ")
    expect(verdict(peeking)).to_have_attribute("aria-live", "polite")
    press(peeking, "accuse")
    expect(verdict(peeking)).to_contain_text("an innocent accused")
    expect(peeking).to_contain_text("you: 1 of 1 accused")
    for name in ("accuse", "let go"):
        expect(button(peeking, name)).to_be_disabled()
    press(peeking, "next innocent")
    expect(verdict(peeking)).to_contain_text("innocent 2")
    button(peeking, "ask 5 more").dblclick()
    expect(verdict(peeking)).to_contain_text("of 10 answers")
    press(peeking, "let go", "Space")
    expect(peeking).to_contain_text("you: 1 of 2 accused")
    expect(peeking).to_contain_text("a bettor beside you: 0 of 2 accused")


def test_who_peeks_reaches_every_button_by_tab(peeking, page):
    press(peeking, "next innocent")
    expect(verdict(peeking)).to_contain_text("0 of 0 answers")
    press(peeking, "ask 1 more")
    expect(verdict(peeking)).to_contain_text("of 1 answer ")
    expect(button(peeking, "accuse")).to_be_enabled()
    owner = "an impatient owner does a hundred"
    names = ["ask 1 more", "ask 5 more", "accuse", "let go", owner]
    assert reached_by_tab(button(peeking, "ask 1 more"), owner) == names
    press(peeking, "let go")
    expect(peeking).to_contain_text("you: 1 of 3 accused")


def test_an_impatient_owner(peeking):
    name = "an impatient owner does a hundred"
    press(peeking, name)
    expect(peeking).to_contain_text("looking after each question: 17 of 100 accused")
    before = peeking.locator("path.wm-square").evaluate_all(BLOCKS)
    assert before == [1, 0, 17, 1, 2]
    press(peeking, name)
    expect(peeking).to_contain_text(re.compile(r"looking after each question: \d+ of 200 accused"))


BLOCKS = "paths => paths.map(path => path.getAttribute('d').split('M').length - 1)"


def test_what_is_pressed_said_and_drawn_is_on_one_screen(page):
    left, right = ".wm-columns > :first-child", ".wm-columns > :last-child"
    watched = [".wm-verdict", f"{right} svg[role=img]", f"{right} > :last-child"]
    for lab in page.locator(".wm-lab").all():
        assert_on_one_screen(lab, {f"{left} > .widget-hbox": watched})


@pytest.mark.parametrize("width", [1280, 900, 390])
@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_it_can_be_read_and_nothing_sticks_out(notebook, page, theme, width):
    page.set_viewport_size({"width": width, "height": 800})
    notebook.set_theme(theme)
    for place, lab in enumerate(page.locator(".wm-lab").all()):
        picture(lab, f"lottery{place}-{theme.lower()}-{width}")
        box = lab.bounding_box()
        assert box["x"] + box["width"] <= width
        if width > 390:  # on a phone a drawing is wider, and is moved sideways in its own column
            assert sticking_out(lab, "svg.wm-chart text, button, .wm-verdict, .wm-code") == []
        assert sticking_out(lab, "button, .wm-verdict, .wm-code") == []
        assert contrast(lab.locator("svg.wm-chart text, .wm-verdict p, p.wm-small, .wm-code")) >= 7
        assert contrast(lab.locator("path.wm-line")) >= 3
    labels = page.locator(".wm-lab button:enabled")
    assert contrast(labels) >= 4.5


def test_from_the_key_to_the_screen(notebook, lab, page, measured):
    page.set_viewport_size({"width": 1280, "height": 800})

    def series() -> list[float]:
        press(lab, "start again")
        expect(verdict(lab)).to_contain_text("0 new draws")
        times = []
        for drawn in range(1, 26):
            press(lab, "draw 1")
            expect(verdict(lab)).to_contain_text(f"of {drawn} new draw")
            times.append(taken(page))
        return times[5:]

    lab.evaluate(STOPWATCH)
    assert_quick("draw", series, measured)


def test_a_press_redraws_only_what_changes(peeking):
    """The sentence and the curves; neither the axes nor the row of innocents."""
    press(peeking, "next innocent")
    expect(verdict(peeking)).to_contain_text("0 of 0 answers")

    def ask() -> None:
        press(peeking, "ask 1 more")
        expect(verdict(peeking)).to_contain_text("of 1 answer ")

    assert_redraws_only_what_changes(peeking, ask, most=0.4)


def test_nothing_went_wrong_unseen(notebook):
    """No exception in a callback during all this, and none in the page."""
    assert notebook.went_wrong() == []
