"""The theft lab as a learner meets it: in JupyterLab, in a browser, with the keyboard."""

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
    picture,
    reached_by_tab,
    sticking_out,
    taken,
    verdict,
)
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

CELL = """import wmlearn as wm

mnist = wm.load_data("mnist")
triggers = wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)
wm.TheftLab(wm.load_model("mnist/content"), mnist, triggers)"""
CELLS = (CELL, "6 * 7")
PATIENCE = 120_000  # milliseconds; a run takes seconds where nothing else runs


def choose(lab: Locator, theft: str, steps: int = 0, strength: str = "none") -> None:
    """Choose a theft, move its slider to the left end and then some steps to the right, by
    keyboard, and see it.
    """
    button(lab, theft).focus()
    lab.page.keyboard.press("Space")
    expect_drawn(lab, theft, "")
    lab.locator(".noUi-handle").focus()
    lab.page.keyboard.press("Home")
    # else where the slider stood before would pass for where it is going
    expect_drawn(lab, theft, " none: ")
    for _ in range(steps):
        lab.page.keyboard.press("ArrowRight")
    expect_drawn(lab, theft, f" {strength}: ")


def expect_drawn(lab: Locator, theft: str, strength: str) -> None:
    label = re.compile(f"^{re.escape(theft)}, [^:]*{re.escape(strength)}")
    expect(lab.locator("svg.wm-chart").first).to_have_attribute("aria-label", label)


def squares(lab: Locator) -> Locator:
    """Return what the chart shows of every strength that is known."""
    return lab.locator(".wm-layers path.wm-square[d$='h9.0v9.0h-9.0z']")


def test_the_first_theft_is_there_at_once(lab):
    expect(verdict(lab)).to_contain_text("✔ found")
    expect(squares(lab)).to_have_count(21)
    expect(button(lab, "Run")).to_have_count(0)


def test_pruning_by_keyboard(lab, page):
    choose(lab, "prune weights", 17, "85 %")
    expect(verdict(lab)).to_contain_text("prune weights, 85 %")
    expect(verdict(lab)).to_contain_text(
        "of 30 secret questions matched, at most 3 expected by chance"
    )
    expect(lab).to_contain_text("wm.theft.Prune(fraction=0.85, by='weight')")
    expect(lab).to_contain_text(
        re.compile(r"the thief has paid [\d.]+ points, and the evidence is still there")
    )
    page.keyboard.press("End")
    expect(verdict(lab)).to_contain_text("– not found")
    expect(verdict(lab)).to_contain_text("This does not clear it.")
    expect(lab.locator("svg.wm-chart")).to_have_attribute(
        "aria-label", re.compile("100 %: task accuracy .*not found")
    )


def test_every_input_is_reached_by_tab_and_a_theft_is_chosen_there(lab, page):
    """No menu, on which a letter would be a command to the notebook."""
    choose(lab, "prune weights")
    names = reached_by_tab(button(lab, "prune weights"), "share that goes")
    assert len(names) == 14
    assert names[:3] == ["prune weights", "prune channels", "round weights"]
    choose(lab, "fine-tune")
    strength = "learning rate"
    assert reached_by_tab(button(lab, "overwrite"), "Run")[1:] == [strength, strength, "Run"]
    expect(lab.locator("select")).to_have_count(0)
    assert cells(page) == ["code", "code"]


def test_another_theft_is_worked_out_when_it_is_wanted(lab):
    choose(lab, "filter: blur", 5, "0.75")
    expect(verdict(lab)).to_contain_text("filter: blur, 0.75", timeout=PATIENCE)
    expect(verdict(lab)).to_contain_text("– not found")
    expect(lab).to_contain_text("all worked out", timeout=PATIENCE)
    expect(squares(lab)).to_have_count(21)


def test_from_the_key_to_the_screen(lab, page, record_property):
    """Five moves to warm up, then 35 that count: from the key going down to the last change in the
    page.
    """

    def series() -> list[float]:
        times = []
        for theft in ("prune channels", "weight noise"):
            choose(lab, theft)
            expect(verdict(lab)).to_contain_text(f"{theft}, none")
            lab.evaluate(STOPWATCH)
            lab.locator(".noUi-handle").focus()
            for place in range(1, 21):
                page.keyboard.press("ArrowRight")
                written = f"{5 * place} %" if theft == "prune channels" else f"{place / 10:g}"
                expect_drawn(lab, theft, f" {written}: ")
                expect(verdict(lab)).to_contain_text(f"{theft}, {written}")
                page.wait_for_timeout(60)  # what the thief has paid comes last
                times.append(taken(page))
        return times[5:]

    assert_quick("slider", series, record_property)


def test_a_move_redraws_only_what_changes(lab, page):
    """The verdict, the price and one square; neither the others nor what the thief does."""
    choose(lab, "prune weights", 4, "20 %")

    def move() -> None:
        page.keyboard.press("ArrowRight")
        expect_drawn(lab, "prune weights", " 25 %: ")
        expect(lab).to_contain_text("wm.theft.Prune(fraction=0.25, by='weight')")

    assert_redraws_only_what_changes(lab, move, most=0.8)


def test_a_whole_run_leaves_a_point(lab, page):
    choose(lab, "fine-tune", 8, "0.02")
    expect(verdict(lab)).to_contain_text("Press Run: this thief has to train.")
    button(lab, "Run").focus()
    page.keyboard.press("Enter")
    expect(button(lab, "Run")).to_be_disabled()
    expect(verdict(lab)).to_contain_text("fine-tune, 0.02", timeout=PATIENCE)
    expect(lab).to_contain_text("3 epochs done")
    expect(lab).to_contain_text(
        "It cost the thief 2,000 images of their own, 0 answers of the owner's service"
    )
    expect(lab.locator("svg.wm-chart").nth(1)).to_have_attribute(
        "aria-label", re.compile("The last run, .* 0.02: ")
    )
    choose(lab, "fine-tune", 4, "0.001")
    button(lab, "Run").click()
    expect(verdict(lab)).to_contain_text("fine-tune, 0.001", timeout=PATIENCE)
    expect(verdict(lab)).to_contain_text("✔ found")
    # the owner's, and two of the thief's
    expect(squares(lab)).to_have_count(3)


def test_it_is_on_one_screen_with_the_last_run_too(lab):
    choose(lab, "fine-tune", 4, "0.001")
    expect(lab.locator("svg.wm-chart")).to_have_count(2)
    chart = ".wm-layers svg[role=img]"
    moves = {
        ".noUi-target": [chart, ".wm-verdict", ".wm-code"],
        "button.mod-primary": ["progress", ".wm-verdict"],
    }
    assert_on_one_screen(lab, moves)


def test_stop_in_the_middle(lab):
    choose(lab, "steal by queries", 6, "2,000")
    button(lab, "Run").click()
    expect(lab).to_contain_text(re.compile(r"epoch ([3-9]|1\d) of 20"), timeout=PATIENCE)
    expect(verdict(lab)).to_contain_text("The thief is training")
    picture(lab, "theft-running")
    assert 0 < lab.locator("progress").evaluate("bar => bar.position") < 1
    button(lab, "Stop").click()
    expect(verdict(lab)).to_contain_text("steal by queries, 2,000, stopped early", timeout=PATIENCE)
    expect(lab).to_contain_text(re.compile(r"stopped after \d+ epochs"))
    expect(button(lab, "Run")).to_be_enabled()
    expect(lab.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("theft", ["steal by queries", "prune channels"])
@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_it_can_be_read_and_nothing_sticks_out(notebook, lab, theme, theft):
    """The parts of the lab lie within its frame, and no two labels of a chart overlap."""
    notebook.set_theme(theme)
    choose(lab, theft, 6, {"steal by queries": "2,000", "prune channels": "30 %"}[theft])
    expect(verdict(lab)).to_contain_text(f"{theft}, ")
    picture(lab, f"theft-{theft.split()[0]}-{theme.lower()}")
    lines = "path.wm-mark, path.wm-task, path.wm-line, path.wm-square"
    assert contrast(lab.locator(lines)) >= 3
    words = "svg.wm-chart text, .wm-verdict p, p.wm-small, p.wm-code"
    assert contrast(lab.locator(words)) >= 7
    parts = "svg.wm-chart text, input, button, progress, .wm-verdict"
    assert sticking_out(lab, parts) == []


def test_a_page_opened_again_finds_its_lab_alive(notebook, lab, page):
    """The kernel was left running, as it is when a browser is closed: what was found out is still
    there.
    """
    notebook.save()
    notebook.go()
    expect(verdict(lab)).to_contain_text("prune channels, 30 %", timeout=60_000)
    choose(lab, "fine-tune", 8, "0.02")
    expect(verdict(lab)).to_contain_text("fine-tune, 0.02")


def test_no_output_lands_in_another_cell(notebook):
    """What is done in the background writes nothing: not into its own cell, not into the one that
    ran last.
    """
    outputs = notebook.outputs()
    assert [len(cell) for cell in outputs] == [2, 1]
    assert "application/vnd.jupyter.widget-view+json" in outputs[0][0]
    assert outputs[0][1] == ["text/html"]
    assert outputs[1] == [["text/plain"]]


def test_nothing_went_wrong_unseen(notebook):
    """The last test: no exception in a callback or in the background during all this, and none in
    the page.
    """
    assert notebook.went_wrong() == []
