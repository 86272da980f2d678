"""The front page in JupyterLab: its links, in words and in the output, open the lessons."""

import pytest
from playwright.sync_api import expect

from wmlearn.course.copies import copy_lessons

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def notebook(desk, root):
    """Return the front page as `make lab` opens it, run."""
    copy_lessons(root / "notebooks", desk.folder / "my course")
    with desk.run("my course/start.ipynb") as notebook:
        yield notebook


def test_it_tells_what_is_done_and_what_is_next(page):
    table = page.locator(".jp-OutputArea-output table")
    expect(table.locator("tr", has_text="→ next")).to_contain_text("00 · The copied map")


@pytest.mark.parametrize("place", [".jp-OutputArea-output td", ".jp-MarkdownCell td"])
def test_a_link_opens_the_lesson_beside_it(page, place):
    page.locator(f"{place} a", has_text="05 · ").click()
    opened = "() => window.jupyterapp.shell.currentWidget?.context?.path"
    page.wait_for_function(f"({opened})() === 'my course/05_the_embedding_stage.ipynb'")
    page.evaluate("() => window.jupyterapp.commands.execute('application:close')")
    page.wait_for_function(f"({opened})() === 'my course/start.ipynb'")


def test_nothing_went_wrong_unseen(notebook):
    assert notebook.went_wrong() == []
