"""The course for a browser, as a reader opens it; and every lesson without what a browser lacks.

Not collected by default: `make lite` makes it first, a leg of `make test-all`.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest
from _served import served
from packaging.requirements import Requirement
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "labs"), str(ROOT / "tests" / "course")]
import browser  # noqa: E402
from _tool import course, lite, tool  # noqa: E402

SITE = Path(os.environ.get("WMLEARN_LITE", ROOT / "build" / "lite"))
COURSE = course.read_course(ROOT)
PATIENCE = 600_000  # milliseconds: 40 MB to load, and a lesson to run, in WebAssembly
# What the light core takes from Pyodide: compiled, or brought by JupyterLite's kernel.
OF_PYODIDE = {"numpy", "scipy", "pandas", "matplotlib", "pillow", "safetensors"}
OF_PYODIDE |= lite.OF_THE_KERNEL


@pytest.mark.parametrize("lesson", COURSE.lessons, ids=lambda lesson: lesson.id)
def test_a_lesson_fails_where_the_table_says(lesson):
    nb = tool.read_notebook(COURSE.path(lesson))
    assert lite.lacking(nb) == lite.read_cells()[lesson.id]["lacking"]


# ---------------------------------------------------------------- the site


@pytest.fixture(scope="module")
def index() -> dict:
    """Return the list of the site's wheels: by package, its versions."""
    listed = json.loads((SITE / "pypi" / "all.json").read_text("utf-8"))
    return {name: list(entry["releases"]) for name, entry in listed.items()}


def test_the_site_brings_what_wmlearn_needs_in_a_fitting_version(index):
    for wheel in (SITE / "pypi").glob("*.whl"):
        with zipfile.ZipFile(wheel) as opened:
            (name,) = [each for each in opened.namelist() if each.endswith("dist-info/METADATA")]
            told = Parser().parsestr(opened.read(name).decode())
        here = {"extra": "", "sys_platform": "emscripten", "python_version": "3.14"}
        for line in told.get_all("Requires-Dist", []):
            needed = Requirement(line)
            package = course.package_name(needed.name)
            if package in OF_PYODIDE or (needed.marker and not needed.marker.evaluate(here)):
                continue
            fitting = needed.specifier.filter(index.get(package, []), prereleases=True)
            assert list(fitting) or package in {"contourpy", "kiwisolver", "fonttools"}, line


def test_its_wheel_is_light_and_has_the_answers():
    (wheel,) = (SITE / "pypi").glob("wmlearn-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    assert "wmlearn/_models/mnist/answers.json" in names
    assert not [name for name in names if name.endswith((".safetensors", ".ipynb"))]
    assert wheel.stat().st_size < 15e6


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yield the address of the site on this machine."""
    with served(SITE) as found:
        yield found


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Yield a browser."""
    with browser.chromium() as opened:
        yield opened


@pytest.fixture
def page(chrome: Browser) -> Iterator[Page]:
    """Yield a page of somebody who was never here."""
    page = chrome.new_page(viewport={"width": 1280, "height": 1000})
    yield page
    page.close()


def test_jupyterlite_opens_and_lists_the_lessons(page, address):
    page.goto(f"{address}lab/index.html?path=start.ipynb")
    expect(page.locator(".jp-NotebookPanel .jp-Cell").first).to_be_visible(timeout=90_000)
    listed = page.locator(".jp-DirListing-itemName").all_inner_texts()
    assert {lesson.file for lesson in COURSE.lessons} <= set(listed)


def test_a_lesson_opens_by_its_address_and_says_what_runs_here(page, address):
    page.goto(f"{address}lab/index.html?path=06_the_detection_stage.ipynb")
    rendered = page.locator(".jp-MarkdownOutput")
    expect(rendered.get_by_text("In the browser:")).to_be_visible(timeout=90_000)
    expect(page.locator(".jp-CodeCell").get_by_text("%pip install")).to_be_visible()
    expect(rendered.get_by_text("Needs an installed course.").first).to_be_attached()


def pyodide(address: str) -> str:
    """Return the address of the site's Pyodide, which came along or is at its public address."""
    data = json.loads((SITE / "jupyter-lite.json").read_text("utf-8"))["jupyter-config-data"]
    kernel = data["litePluginSettings"]["@jupyterlite/pyodide-kernel-extension:kernel"]
    return kernel.get("pyodideUrl", PUBLIC).replace("./", address).rpartition("/")[0]


def answers(url: str) -> bool:
    """Return whether there is a file at an address."""
    try:
        with urllib.request.urlopen(url, timeout=20):
            return True
    except OSError:
        return False


PUBLIC = "https://cdn.jsdelivr.net/pyodide/v314.0.6/full/pyodide.mjs"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lesson", ["07", "08", "A1"])
def test_a_lesson_runs_whole(lesson, page, address):
    """Where Pyodide can be reached: an error would stop the run before its last cell."""
    if not answers(f"{pyodide(address)}/pyodide.mjs"):
        pytest.skip("neither did Pyodide come along, nor can it be reached from here")
    (file,) = (SITE / "files").glob(f"{lesson}_*.ipynb")
    cells = [cell.cell_type for cell in tool.read_notebook(file).cells].count("code")
    page.goto(f"{address}lab/index.html?path={file.name}")
    expect(page.locator(".jp-NotebookPanel .jp-Cell").first).to_be_visible(timeout=90_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    last = page.locator(".jp-InputPrompt").get_by_text(f"[{cells}]:")
    failed = page.get_by_text("Traceback (most recent call last)")
    expect(last.or_(failed).first).to_be_visible(timeout=PATIENCE)
    expect(failed).to_have_count(0)
