"""The trigger studio as a learner meets it: types, sliders and words in JupyterLab, in a browser,
with the keyboard.
"""

import re
import statistics

import pytest
from browser import (
    assert_on_one_screen,
    assert_redraws_only_what_changes,
    cells,
    contrast,
    picture,
    reached_by_tab,
    sticking_out,
    type_into,
)
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

CELLS = (
    """import wmlearn as wm

studio = wm.TriggerStudio(wm.load_data("mnist"), key=wm.CLASSROOM_KEY)
studio""",
)
SLOWEST = 500  # milliseconds from key to screen at the median, beside other things

# Remembers when a key went down, the first frame that holds all that a move shows (the line of code
# comes last), and the first that holds the secret answers, which are drawn when the hand pauses.
STOPWATCH = """lab => {
    const time = window.stopwatch = {pressed: 0, painted: 0, drawn: 0};
    const code = () => lab.querySelector('pre.wm-code').textContent;
    let before = code();
    const press = () => { time.pressed = performance.now(); time.painted = time.drawn = 0; };
    lab.addEventListener('keydown', press, true);
    const look = () => {
        const now = performance.now();
        const waiting = lab.querySelector('ol').textContent.includes('…');
        if (!time.painted && code() !== before) { before = code(); time.painted = now; }
        if (time.painted && !time.drawn && !waiting) time.drawn = now;
        requestAnimationFrame(look);
    };
    look();
}"""


def toggle(lab: Locator, name: str) -> Locator:
    return lab.get_by_role("button", name=name)


def choose(lab: Locator, label: str, option: str) -> None:
    """Press a button of the row that is labelled so, by keyboard."""
    buttons = lab.locator(".widget-toggle-buttons:visible", has_text=label)
    buttons.get_by_role("button", name=option, exact=True).focus()
    lab.page.keyboard.press("Space")


def slider(lab: Locator, label: str) -> Locator:
    return lab.locator(".widget-slider", has_text=label).locator(".noUi-handle")


def code(lab: Locator) -> Locator:
    return lab.locator("pre.wm-code")


def test_it_opens_with_a_dozen_words(lab):
    expect(lab.locator("li")).to_have_count(12)
    expect(lab.locator("li").first).to_contain_text("ALMA")
    expect(lab.locator("svg.wm-chart")).to_have_attribute(
        "aria-label", re.compile("innocent models answer to the 12")
    )
    expect(lab).to_contain_text("every sealed question counts")
    expect(slider(lab, "sigma")).to_be_hidden()
    expect(slider(lab, "opacity")).to_be_visible()
    picture(lab, "studio-content")


def test_it_is_on_one_screen(lab):
    """What a slider moves, and the two measures that lesson 02 asks the learner to watch."""
    watched = ["ol", "svg.wm-chart", ".wm-small b", ".wm-small:not(:has(b))"]
    assert_on_one_screen(lab, {".noUi-target": watched})


def test_the_type_is_changed_by_keyboard(lab, page):
    toggle(lab, "Unrelated").focus()
    page.keyboard.press("Space")
    expect(code(lab)).to_contain_text(
        "wm.Unrelated()(wm.load_data('mnist'), n=150, key=wm.CLASSROOM_KEY)"
    )
    expect(lab).to_contain_text("there is no original to compare them with")
    expect(slider(lab, "opacity")).to_be_hidden()
    picture(lab, "studio-unrelated")
    toggle(lab, "Noise").click()
    expect(code(lab)).to_contain_text("wm.Noise(sigma=0.4)")
    expect(slider(lab, "sigma")).to_be_visible()


def test_fixed_labels_mark_the_target(lab):
    toggle(lab, "fixed").click()
    choose(lab, "target", "8")
    expect(lab.locator("path.wm-target")).to_have_count(1)
    expect(lab.locator("svg.wm-chart")).to_contain_text("▲ target")
    expect(lab).to_contain_text("are the target class 8")
    choose(lab, "target", "at random")
    expect(code(lab)).to_contain_text("target='random'")
    choose(lab, "source", "8")
    expect(code(lab)).to_contain_text("source=8")
    picture(lab, "studio-fixed")


def test_every_input_is_reached_by_tab(lab, page):
    """No menu, on which a letter would be a command to the notebook."""
    toggle(lab, "Content").click()
    expect(slider(lab, "opacity")).to_be_visible()
    digits = list("0123456789")
    expected = ["Content", "Unrelated", "Noise", "words", "top", "middle", "bottom"]
    expected += ["as fits", "1", "2", "4", "8", "opacity", "opacity", "keyed: drawn at random"]
    expected += ["fixed: the paper's way", *digits, *digits, "at random", "triggers"]
    assert reached_by_tab(toggle(lab, "Content"), "triggers") == expected
    choose(lab, "place", "top")
    choose(lab, "size", "1")
    expect(code(lab)).to_contain_text("place='top'")
    expect(code(lab)).to_contain_text("size=1")
    choose(lab, "place", "bottom")
    choose(lab, "size", "as fits")
    toggle(lab, "Noise").click()
    expect(code(lab)).to_contain_text("wm.Noise(")
    expect(lab.locator("select")).to_have_count(0)
    assert cells(page) == ["code"]


def test_a_wrong_input_is_told_and_mended(lab):
    choose(lab, "target", "8")
    expect(lab.get_by_role("alert")).to_contain_text("target must differ from source")
    picture(lab, "studio-refused")
    expect(code(lab)).to_contain_text("target='random'")  # what was there before
    choose(lab, "target", "3")
    expect(lab.get_by_role("alert")).to_have_count(0)
    toggle(lab, "Content").click()
    type_into(lab, "words", "watermark")
    expect(lab.get_by_role("alert")).to_contain_text("'WATERMARK' needs 53 x 9 pixels")
    type_into(lab, "words", "IBM")
    expect(lab.locator("li").first).to_contain_text("IBM")
    expect(lab.get_by_role("alert")).to_have_count(0)


def test_all_are_asked_on_the_button(lab, page):
    type_into(lab, "triggers", 100)
    expect(code(lab)).to_contain_text("n=100")
    button = toggle(lab, "ask about all 100")
    button.focus()
    page.keyboard.press("Enter")
    expect(lab).to_contain_text("Asked about all 100 triggers")
    expect(toggle(lab, "all 100 asked")).to_be_disabled()


@pytest.mark.parametrize(
    ("kind", "name", "start"), [("Content", "opacity", 1.0), ("Noise", "sigma", 0.4)]
)
def test_from_the_key_to_the_screen(lab, page, record_property, kind, name, start):
    """Keyed labels, the slow way: images, innocents, then seal and lot.

    Three moves to warm up, twelve that count.
    """
    toggle(lab, "keyed").click()
    toggle(lab, kind).click()
    if kind == "Content":
        # The buttons are dealt with first: an answer between typing and Enter resets the words.
        expect(lab.get_by_role("alert")).to_contain_text("is one question")
        type_into(lab, "words", "30")
        expect(code(lab)).not_to_contain_text("IBM")
    expect(code(lab)).to_contain_text(f"{name}={start}")
    lab.evaluate(STOPWATCH)
    slider(lab, name).focus()
    painted, drawn = [], []
    for move in range(1, 16):
        page.keyboard.press("ArrowLeft" if kind == "Content" else "ArrowRight")
        step = -0.05 if kind == "Content" else 0.05
        expect(code(lab)).to_contain_text(f"{name}={round(start + move * step, 2)}")
        page.wait_for_function("() => window.stopwatch.drawn > 0")
        times = page.evaluate("() => window.stopwatch")
        painted.append(times["painted"] - times["pressed"])
        drawn.append(times["drawn"] - times["pressed"])
    middle = statistics.median(painted[3:])
    slow = max(painted[3:])
    draws = statistics.median(drawn[3:])
    figures = {"median": round(middle), "slowest": round(slow), "lots": round(draws)}
    record_property(f"{name}_to_screen_ms", figures)
    assert middle <= SLOWEST


def test_the_secret_answers_come_when_the_hand_pauses(lab, page):
    """They are the last to change: pictures, bars and the line of code do not wait for the seal."""
    expect(lab.locator("li").first).not_to_contain_text("…")
    lab.evaluate(
        """lab => { window.seen = []; new MutationObserver(() => {
            window.seen.push(lab.querySelector('li').textContent.includes('…')); })
            .observe(lab, {subtree: true, childList: true}); }"""
    )
    slider(lab, "sigma").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => window.seen.includes(true) && !window.seen.at(-1)")
    expect(lab).to_contain_text("with the secret ones")


def test_a_move_redraws_only_what_changes(lab, page):
    """With fixed labels the answers are known: the list of the pictures stays as it is."""
    toggle(lab, "fixed").click()
    expect(code(lab)).to_contain_text("labels='fixed'")
    choose(lab, "target", "3")
    expect(code(lab)).to_contain_text("target=3")
    handle, before = slider(lab, "sigma"), code(lab).inner_text()
    page.wait_for_timeout(1000)  # until it is sealed

    def move() -> None:
        handle.focus()
        page.keyboard.press("ArrowLeft")
        expect(code(lab)).not_to_have_text(before)

    assert_redraws_only_what_changes(lab, move, most=0.7)
    toggle(lab, "keyed").click()
    expect(code(lab)).not_to_contain_text("labels='fixed'")


def test_a_slider_is_dragged(lab, page):
    """The last place of the hand is what counts; what lay on the way may be left out."""
    handle, start = slider(lab, "sigma"), float(slider(lab, "sigma").get_attribute("aria-valuenow"))
    suspect = handle.bounding_box()
    page.mouse.move(suspect["x"] + suspect["width"] / 2, suspect["y"] + suspect["height"] / 2)
    page.mouse.down()
    for step in range(1, 11):
        page.mouse.move(
            suspect["x"] + suspect["width"] / 2 - 12 * step, suspect["y"] + suspect["height"] / 2
        )
    page.mouse.up()
    page.wait_for_function(
        """start => { const lab = document.querySelector('.wm-lab');
            const said = lab.querySelector('pre.wm-code').textContent.match(/sigma=([\\d.]+)/)?.[1];
            const readouts = [...lab.querySelectorAll('.widget-readout')];
            const told = readouts.map(each => Number(each.textContent));
            return said < start && told.includes(Number(said)); }""",
        arg=start,
    )
    expect(lab.locator("li")).to_have_count(12)


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_it_can_be_read_and_nothing_sticks_out(notebook, lab, theme):
    notebook.set_theme(theme)
    toggle(lab, "fixed").click()
    expect(code(lab)).to_contain_text("labels='fixed'")
    picture(lab, f"studio-{theme.lower()}")
    assert contrast(lab.locator("svg.wm-chart text, p.wm-small, pre.wm-code, li")) >= 7
    assert contrast(lab.locator("path.wm-line")) >= 3
    assert sticking_out(lab, "svg.wm-chart text, li, input, button, pre") == []


def test_nothing_went_wrong_unseen(notebook):
    """The last test: no exception in a callback during all this, and none in the page."""
    assert notebook.went_wrong() == []
