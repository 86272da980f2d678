"""One JupyterLab and one Chromium for all tests in a browser, and one notebook for each module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import browser
    from playwright.sync_api import Locator, Page


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[browser.Desk]:
    """Yield a JupyterLab on an empty folder, and a browser."""
    import browser

    with browser.desk(tmp_path_factory.mktemp("learner"), chromium) as desk:
        yield desk


@pytest.fixture(scope="module")
def notebook(request: pytest.FixtureRequest, desk: browser.Desk) -> Iterator[browser.Notebook]:
    """Yield a notebook of the module's CELLS, run; its tests share it, one after the other."""
    import browser

    name = f"{request.module.__name__}.ipynb"
    browser.write_notebook(desk.folder / name, *request.module.CELLS)
    with desk.run(name) as notebook:
        yield notebook


@pytest.fixture
def page(notebook: browser.Notebook) -> Page:
    """Return the page of the notebook."""
    return notebook.page


@pytest.fixture
def lab(page: Page) -> Locator:
    """Return the first lab of the notebook, where it can be seen."""
    lab = page.locator(".wm-lab").first
    lab.scroll_into_view_if_needed()
    return lab
