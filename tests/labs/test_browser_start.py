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


OPEN = "window.jupyterapp.shell.currentWidget?.context?.path"
# Not closed again: JupyterLab asks first where a kernel is still starting.
GO_BACK = """() => { const shell = window.jupyterapp.shell;
    shell.activateById([...shell.widgets('main')][0].id); }"""


@pytest.mark.parametrize(
    ("place", "lesson"),
    [
        (".jp-OutputArea-output", "05_the_embedding_stage"),
        (".jp-MarkdownCell", "03_unrelated_data"),
    ],
)
def test_a_link_opens_the_lesson_beside_it(page, place, lesson):
    page.locator(f"{place} td a", has_text=f"{lesson[:2]} · ").click()
    page.wait_for_function(f"() => {OPEN} === 'my course/{lesson}.ipynb'", timeout=60_000)
    page.evaluate(GO_BACK)
    page.wait_for_function(f"() => {OPEN} === 'my course/start.ipynb'")


def test_nothing_went_wrong_unseen(notebook):
    assert notebook.went_wrong() == []
