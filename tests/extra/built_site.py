"""The site as a reader opens it, from a plain file server and without any other network.

Not collected by default: `make site` makes it first, a leg of `make test-all`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from _served import served
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "labs"))
import browser  # noqa: E402

SITE = Path(os.environ.get("WMLEARN_SITE", ROOT / "build" / "site"))
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if not {"_static", "slides", "lite"} & set(path.parts) and path.name != "genindex.html"
)
DECKS = sorted(path.stem for path in SITE.glob("slides/[0-9A]*.html"))
STANDS_OUT = """() => [...Reveal.getCurrentSlide().querySelectorAll(
    ':scope > :not(aside), pre *, table *, p *')].filter(each => {
    const box = each.getBoundingClientRect();
    return box.bottom > innerHeight || box.right > innerWidth; }).map(each => each.outerHTML)"""
SIZES = {"wide": (1280, 800), "phone": (390, 844)}
WHERE = "import axe_playwright_python as axe; print(axe.__path__[0])"
SERIOUS = """async () => {
    const {violations} = await axe.run(document.querySelector('article') ?? 'main');
    const serious = violations.filter(each => ['serious', 'critical'].includes(each.impact));
    return serious.map(each => [each.id, each.nodes.map(node => node.html.slice(0, 120))]); }"""


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
            inside, _, _ = target.removeprefix(address).partition("?")
            path = SITE / (unquote(inside) or "index.html")
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
    page.locator("iframe.wm-live").scroll_into_view_if_needed()  # until then it is not loaded
    frame = page.frame_locator("iframe.wm-live")
    frame.get_by_role("slider").first.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(frame.locator(".wm-verdict")).to_contain_text("4 of 4 secret answers matched")
    page.close()


@pytest.mark.parametrize("name", DECKS)
def test_every_slide_holds_what_is_on_it(chrome, address, name):
    page = opened(chrome, address)
    page.goto(f"{address}slides/{name}.html")
    page.wait_for_function("Reveal.isReady() && MathJax.startup.promise.then(() => true)")
    slides = page.evaluate("Reveal.getTotalSlides()")
    assert slides > 20
    for place in range(slides):
        assert page.evaluate("Reveal.getIndices().h") == place
        assert page.evaluate(STANDS_OUT) == []
        page.keyboard.press("ArrowRight")
    assert page.complaints == []
    page.close()


def test_the_lab_on_a_slide_is_live(chrome, address):
    page = opened(chrome, address)
    page.goto(f"{address}slides/00.html")
    page.wait_for_function("Reveal.isReady()")
    place = "[...document.querySelectorAll('section')].findIndex(s => s.querySelector('iframe'))"
    page.evaluate(f"Reveal.slide({place})")
    frame = page.frame_locator("section.present iframe")
    frame.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect(frame.locator(".wm-verdict")).to_contain_text("1 of 1 secret answer matched")
    page.close()


def test_there_is_a_deck_for_each_lesson_and_each_lesson_leads_to_it(chrome, address):
    lessons = [name for name in PAGES if name.startswith("notebooks/") and "start" not in name]
    assert len(DECKS) == len(lessons)
    page = chrome.new_page()
    for name in lessons:
        page.goto(address + name)
        page.get_by_role("link", name="Slides of this lesson").first.click()
        assert page.url.startswith(f"{address}slides/{name[10:12]}.html")
    page.close()


def test_the_lessons_that_run_in_a_browser_lead_there(chrome, address):
    page = chrome.new_page()
    for name in ("07_how_sure_are_you", "08_keep_looking", "A1_betting_against_chance"):
        page.goto(f"{address}notebooks/{name}.html")
        page.get_by_role("link", name="Run it in this browser").click()
        tab = page.get_by_role("tab", name=f"{name}.ipynb")
        expect(tab).to_be_visible(timeout=60_000)
    page.goto(f"{address}notebooks/09_thieves_who_alter.html")
    expect(page.get_by_role("link", name="Run it in this browser")).to_have_count(0)
    page.close()
