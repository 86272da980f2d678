"""axe-core on what a reader opens: every lesson as a page, and the labs in JupyterLab.

Not collected by default: axe-core is in an environment of its own, a leg of `make test-all`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "labs"))
import browser  # noqa: E402
import test_browser_labs  # noqa: E402
import test_browser_lottery  # noqa: E402
import test_browser_theft  # noqa: E402
import test_browser_tribunal  # noqa: E402

LABS = [test_browser_labs, test_browser_lottery, test_browser_theft, test_browser_tribunal]
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
WHERE = "import axe_playwright_python as axe; print(axe.__path__[0])"
# Each broken rule that axe calls serious or critical, and the elements that break it.
SERIOUS = """async where => {
    const {violations} = await axe.run(where);
    const serious = violations.filter(each => ['serious', 'critical'].includes(each.impact));
    return serious.map(each => [each.id, each.nodes.map(node => node.html.slice(0, 120))]); }"""


@pytest.fixture(scope="module")
def axe(other_python: str) -> str:
    """Return the script."""
    found = subprocess.run([other_python, "-c", WHERE], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip(), "axe.min.js").read_text(encoding="utf-8")


def serious(page: Page, axe: str, where: str = "body") -> dict[str, list[str]]:
    """Return what is seriously wrong with a part of a page, by axe's rules."""
    page.evaluate(axe)
    return dict(page.evaluate(SERIOUS, where))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[browser.Desk]:
    """Yield a JupyterLab and a browser."""
    with browser.desk(tmp_path_factory.mktemp("learner"), chromium) as desk:
        yield desk


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_as_a_page_has_no_serious_fault(desk, axe, tmp_path, lesson):
    """As `jupyter nbconvert --to html --template described` makes it, without MathJax."""
    folder = str(ROOT / "tools" / "nbconvert")
    exporter = HTMLExporter(template_name="described", extra_template_basedirs=[folder])
    path = tmp_path / "page.html"
    path.write_text(exporter.from_filename(ROOT / "notebooks" / f"{lesson}.ipynb")[0], "utf-8")
    page = desk.browser.new_page(offline=True)
    page.goto(path.as_uri(), wait_until="domcontentloaded")
    assert serious(page, axe) == {}
    page.close()


@pytest.mark.parametrize("labs", LABS, ids=lambda module: module.__name__)
def test_the_labs_have_one_known_fault(desk, axe, labs):
    """The handle of a slider has no name: see docs/accessibility.md."""
    browser.write_notebook(desk.folder / "labs.ipynb", *labs.CELLS)
    with desk.run("labs.ipynb") as notebook:
        for theme in ("Light", "Dark"):
            notebook.set_theme(theme)
            found = serious(notebook.page, axe, ".jp-Notebook .jp-OutputArea-output")
            assert found.keys() <= {"aria-input-field-name"}
            handles = found.get("aria-input-field-name", [])
            assert all("noUi-handle" in each for each in handles)
            assert bool(handles) == (notebook.page.locator(".noUi-handle:visible").count() > 0)
