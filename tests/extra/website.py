"""The site as a reader opens it, from a plain file server and without any other network.

Not collected by default: `make site` makes it first, a leg of `make test-all`.
"""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "labs"))
import browser  # noqa: E402

SITE = Path(os.environ.get("WMLEARN_SITE", ROOT / "build" / "site"))
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if "_static" not in path.parts and path.name != "genindex.html"
)
SIZES = {"wide": (1280, 800), "phone": (390, 844)}
WHERE = "import axe_playwright_python as axe; print(axe.__path__[0])"
SERIOUS = """async () => {
    const {violations} = await axe.run('article');
    const serious = violations.filter(each => ['serious', 'critical'].includes(each.impact));
    return serious.map(each => [each.id, each.nodes.map(node => node.html.slice(0, 120))]); }"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that logs nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yield the address of the site on this machine."""
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Yield a browser."""
    with browser.chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def axe(other_python: str) -> str:
    """Return the script of axe-core."""
    found = subprocess.run([other_python, "-c", WHERE], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip(), "axe.min.js").read_text(encoding="utf-8")


def opened(chrome: Browser, address: str, size: str = "wide", theme: str = "light") -> Page:
    """Return a page that notes what it complains about and what it asks other servers for."""
    width, height = SIZES[size]
    page = chrome.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
    page.complaints = []  # type: ignore[attr-defined]
    note = page.complaints.append
    page.on("console", lambda told: told.type in ("error", "warning") and note(told.text))
    page.on("pageerror", lambda error: note(str(error)))
    page.on(
        "request",
        lambda asked: asked.url.startswith((address, "data:", "blob:")) or note(asked.url),
    )
    return page


def test_there_are_pages():
    assert {"index.html", "notebooks/00_the_copied_map.html", "api/evidence.html"} <= set(PAGES)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_a_complaint_and_nothing_sticks_out(chrome, address, name, size):
    page = opened(chrome, address, size)
    page.goto(address + name)
    page.wait_for_timeout(300)
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_every_link_inside_leads_somewhere(chrome, address, name):
    page = chrome.new_page()
    page.goto(address + name)
    read = "all => all.map(each => each.getAttribute('href'))"
    links = page.eval_on_selector_all("article a[href]", read)
    dead = []
    for link in links:
        target, _ = urldefrag(urljoin(address + name, link))
        if target.startswith(address):
            path = SITE / (unquote(target.removeprefix(address)) or "index.html")
            if not path.exists():
                dead.append(link)
    assert dead == []
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(chrome, address, axe, name, theme):
    page = opened(chrome, address, theme=theme)
    page.goto(address + name)
    page.evaluate(axe)
    assert dict(page.evaluate(SERIOUS)) == {}
    page.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_lab_of_lesson_00_moves_by_keyboard(chrome, address, size):
    page = opened(chrome, address, size)
    page.goto(address + "notebooks/00_the_copied_map.html")
    frame = page.frame_locator("iframe.wm-live").first
    slider = frame.get_by_role("slider").first
    slider.scroll_into_view_if_needed()
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(frame.locator(".wm-verdict")).to_contain_text("4 of 4 secret answers matched")
    page.close()
