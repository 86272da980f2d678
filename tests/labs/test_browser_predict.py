"""`Predict` in JupyterLab: locked in, told nothing, found again after a reload and a new kernel."""

import json

import pytest
from browser import button
from playwright.sync_api import Locator, expect

from wmlearn.course._lessons import read_predictions

pytestmark = pytest.mark.browser

ASKED = read_predictions()["00.a"]
CELLS = (
    'import wmlearn as wm\nwm.Predict("00.a")',
    "print('what the lesson shows')",
    'wm.Predict("00.a").compare()',
)
WRONG = (ASKED.answer + 1) % len(ASKED.options)


def shown(page, place: int) -> Locator:
    return page.locator(".jp-CodeCell").nth(place).locator(".jp-OutputArea-output").first


def test_a_guess_is_locked_in_and_nothing_is_told(page):
    expect(shown(page, 2)).to_contain_text("No guess was locked in")
    asked = shown(page, 0)
    asked.get_by_role("button", name=ASKED.options[WRONG]).click()
    button(asked, "Lock in").click()
    expect(asked).to_contain_text(f"Your guess: {ASKED.options[WRONG]}. Locked in")
    expect(button(asked, "Lock in")).to_be_disabled()
    assert ASKED.why not in page.locator(".jp-Notebook").inner_text()


def test_a_reload_leaves_it_locked_in(notebook, page):
    notebook.save()
    notebook.go()
    expect(shown(page, 0)).to_contain_text(f"Your guess: {ASKED.options[WRONG]}")
    expect(button(shown(page, 0), "Lock in")).to_be_disabled()


def test_a_restarted_kernel_knows_it_and_compares(notebook, page, desk):
    kept = json.loads((desk.folder / ".guesses.json").read_text("utf-8"))
    assert kept["00.a"] == ASKED.options[WRONG]
    # JupyterLab asks for a subshell for the widgets that it has found again; cut short, it throws.
    page.wait_for_timeout(2000)
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    notebook.run_all()
    expect(shown(page, 0)).to_contain_text(f"Your guess: {ASKED.options[WRONG]}")
    expect(button(shown(page, 0), "Lock in")).to_be_disabled()
    expect(shown(page, 2)).to_contain_text(f"What was seen: {ASKED.options[ASKED.answer]}")
    expect(shown(page, 2)).to_contain_text("not this time")
    expect(shown(page, 2)).to_contain_text(ASKED.why)


def test_nothing_went_wrong_unseen(notebook):
    assert notebook.went_wrong() == []
