"""The embedding lab as a learner meets it: Run and Stop in JupyterLab, in a browser, with the
keyboard.
"""

import itertools
import re

import nbformat
import pytest
from browser import (
    assert_on_one_screen,
    assert_redraws_only_what_changes,
    button,
    contrast,
    number,
    picture,
    reached_by_tab,
    sticking_out,
    type_into,
    verdict,
)
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

CELLS = (
    'import wmlearn as wm\n\nwm.EmbeddingLab(wm.load_data("mnist"), key=wm.CLASSROOM_KEY)',
    "6 * 7",
)
PATIENCE = 120_000  # milliseconds; a run takes about ten seconds where nothing else runs
POINTS = "paths => paths.map(path => path.getAttribute('d').split('L').length)"


def drawn(lab: Locator) -> list[int]:
    """Return how many points each curve has."""
    return lab.locator("path.wm-mark:not(.wm-sample), path.wm-task:not(.wm-sample)").evaluate_all(
        POINTS
    )


def test_the_inputs_follow_each_other(lab, page):
    expect(lab).to_contain_text("30 secret words, each written on 5 images: 30 questions.")
    type_into(lab, "words", 40)
    expect(number(lab, "or type")).to_have_value("160")
    lab.locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    expect(number(lab, "or type")).to_have_value("200")
    expect(lab).to_contain_text("40 secret words, each written on 5 images")
    type_into(lab, "words", 30)
    expect(number(lab, "or type")).to_have_value("210")  # the multiple of 30 next to 200
    type_into(lab, "or type", 150)
    expect(lab.locator(".noUi-handle")).to_have_attribute("aria-valuenow", "150.0")


def test_every_input_is_reached_by_tab(lab):
    expected = ["triggers", "or type", "words", "epochs", "from scratch"]
    expected += ["continuing from an unmarked model", "Run"]
    assert reached_by_tab(lab.locator(".noUi-handle"), "Run") == expected


def test_a_move_redraws_only_what_changes(lab, page):
    """One sentence: nothing is trained, and the chart stays as it is."""

    def move() -> None:
        lab.locator(".noUi-handle").focus()
        page.keyboard.press("ArrowRight")
        expect(lab).to_contain_text("30 secret words, each written on 6 images")

    assert_redraws_only_what_changes(lab, move, most=0.1)
    type_into(lab, "or type", 150)


def test_it_is_on_one_screen(lab):
    moves = {
        ".noUi-target": ["p.wm-small", ".wm-chart"],
        "button.mod-primary": ["progress", ".wm-verdict"],
    }
    assert_on_one_screen(lab, moves)


def test_a_wrong_number_is_refused_in_a_sentence(lab):
    type_into(lab, "or type", 20)
    button(lab, "Run").click()
    expect(lab.get_by_role("alert")).to_contain_text("30 words need an image each")
    type_into(lab, "or type", 150)


def test_stop_in_the_middle(lab, page):
    type_into(lab, "epochs", 12)
    button(lab, "Run").focus()
    page.keyboard.press("Enter")
    expect(button(lab, "Run")).to_be_disabled()
    expect(lab.get_by_role("alert")).to_have_count(0)
    expect(lab).to_contain_text(re.compile(r"epoch ([2-9]|1[01]) of 12"), timeout=PATIENCE)
    picture(lab, "embedding-running")
    before = drawn(lab)[0]
    later = "|".join(str(epoch) for epoch in range(before + 2, 13))  # one of them may pass unseen
    expect(lab).to_contain_text(re.compile(rf"epoch ({later}) of 12"), timeout=PATIENCE)
    assert drawn(lab)[0] > before >= 1
    assert 0 < lab.locator("progress").evaluate("bar => bar.position") < 1
    button(lab, "Stop").click()
    expect(button(lab, "Run")).to_be_enabled(timeout=PATIENCE)
    expect(lab).to_contain_text(re.compile(r"stopped after \d+ epochs"))
    expect(verdict(lab)).to_contain_text("the marked model, stopped early")
    expect(verdict(lab)).to_contain_text("of 30 secret answers matched")
    assert len(set(drawn(lab))) == 1
    assert drawn(lab)[0] < 12


def test_a_whole_run(lab):
    type_into(lab, "epochs", 4)
    button(lab, "Run").click()
    expect(verdict(lab)).to_contain_text("? no verdict yet")
    expect(verdict(lab)).to_contain_text("✔ found", timeout=PATIENCE)
    expect(verdict(lab)).to_contain_text("draws of the labels")
    expect(lab).to_contain_text("every question right twice running")
    expect(button(lab, "Stop")).to_be_disabled()
    expect(lab.locator("svg.wm-chart")).to_have_attribute(
        "aria-label", re.compile("answers 100.0 % of the secret")
    )
    assert drawn(lab)[0] >= 4


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_it_can_be_read_and_nothing_sticks_out(notebook, lab, theme):
    """The parts of the lab lie within its frame, and no two labels of the chart overlap."""
    notebook.set_theme(theme)
    picture(lab, f"embedding-{theme.lower()}")
    assert contrast(lab.locator("path.wm-mark, path.wm-task")) >= 3
    assert contrast(lab.locator("svg.wm-chart text, .wm-verdict p, p.wm-small")) >= 7
    parts = "svg.wm-chart text, input, button, progress, .wm-verdict"
    assert sticking_out(lab, parts) == []
    labels = lab.locator("svg.wm-chart text", has_text="marked, ").all()
    tops = sorted(label.bounding_box()["y"] for label in labels)
    assert len(tops) == 4
    assert min(lower - upper for upper, lower in itertools.pairwise(tops)) >= 13


def test_no_output_lands_in_another_cell(notebook):
    """What is trained in the background writes nothing: not into its own cell, not into the one
    that ran last.
    """
    own, other = notebook.outputs()
    assert len(own) == 2
    assert "application/vnd.jupyter.widget-view+json" in own[0]
    assert own[1] == ["text/html"]
    assert other == [["text/plain"]]


def test_what_a_run_has_brought_is_saved_for_when_the_kernel_is_gone(notebook, desk):
    """The lab was empty when it was opened: its second output is replaced at the end of a run."""
    notebook.save()
    saved = nbformat.read(desk.folder / f"{__name__}.ipynb", as_version=4)
    kept = saved.cells[0].outputs[1].data["text/html"]
    assert "image-set(" in kept
    assert "unmarked twin: " in kept


def test_nothing_went_wrong_unseen(notebook):
    """No exception in a callback or in the background during all this, and none in the page."""
    assert notebook.went_wrong() == []


def test_a_kernel_restarted_in_the_middle(notebook, lab, page):
    """The last test: the training dies with the kernel, and the new one answers at once."""
    type_into(lab, "epochs", 12)
    button(lab, "Run").click()
    expect(lab).to_contain_text(re.compile(r"epoch ([2-9]|1[01]) of 12"), timeout=PATIENCE)
    restarted = page.evaluate(
        """async () => { const session = window.jupyterapp.shell.currentWidget.sessionContext;
            await session.session.kernel.restart();
            const done = await session.session.kernel.requestExecute({code: '1 + 1'}).done;
            return done.content.status; }"""
    )
    assert restarted == "ok"
    text = page.evaluate(
        """() => { const [cell] = window.jupyterapp.shell.currentWidget.content.widgets;
            return cell.model.outputs.get(0).data['text/plain']; }"""
    )
    assert "nothing trained yet: press Run" in text
    assert notebook.js_errors == []
