"""The page of a lab in a browser: opened, watched, and read, for the tests of pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from browser import Desk
    from playwright.sync_api import Page

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
SIZES = [(WIDE, "light"), (PHONE, "dark")]
SHOWN = """() => [...document.querySelectorAll('[data-place]')]
  .sort((a, b) => a.dataset.place - b.dataset.place).map(place => place.innerHTML)"""
# HTML as a browser writes it.
NORMAL = """fragments => fragments.map(fragment => {
  const box = document.createElement('div'); box.innerHTML = fragment; return box.innerHTML; })"""
# What has more inside than it shows, and words of drawings outside of them.
CUT = """() => {
  const box = part => part.getBoundingClientRect();
  const wide = [...document.querySelectorAll('.wm-place, .wm-columns > *')].filter(
    part => part.offsetParent && part.scrollWidth > part.clientWidth + 1);
  const written = [...document.querySelectorAll('svg.wm-chart text')].filter(text => {
    const svg = box(text.closest('svg'));
    return box(text).left < svg.left - 1 || box(text).right > svg.right + 1; });
  return [...wide, ...written].map(part => part.outerHTML); }"""


@contextmanager
def watched(desk: Desk, path: Path, size: dict[str, int], theme: str) -> Iterator[Page]:
    """Open a page as a file; at the end nothing may have been fetched or complained about."""
    context = desk.browser.new_context(viewport=size, color_scheme=theme, offline=True)
    page = context.new_page()
    complaints, asked = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("[data-ready]", state="attached")
    yield page
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()


def assert_nothing_is_cut(page: Page) -> None:
    """See that all of a page is on its screen, from left to right."""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.evaluate(CUT) == []
