"""The page of a game as a reader meets it: a file, a browser, no server, no network, no Python."""

import re

import numpy as np
import pytest
from _games import GAMES, choose, names, play, screen, tribunal, usable
from _recorded import written
from playwright.sync_api import expect

import wmlearn as wm

pytestmark = pytest.mark.browser

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PRESS = """pressed => { for (const [name, word] of pressed) {
  const found = [...document.querySelectorAll('[data-press]')].filter(
    each => each.dataset.press === name && (!word || each.value === word));
  found[0].click(); } }"""
ENABLED = """() => [...new Set([...document.querySelectorAll('[data-press]')]
  .filter(each => !each.disabled).map(each => each.dataset.press))]"""
SHOWN = """() => [...document.querySelectorAll('[data-place]')]
  .sort((a, b) => a.dataset.place - b.dataset.place).map(place => place.innerHTML)"""
NORMAL = """fragments => fragments.map(fragment => {
  const box = document.createElement('div'); box.innerHTML = fragment; return box.innerHTML; })"""


@pytest.fixture(scope="module", params=GAMES)
def recorded(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "a game.html"
    written(request.param(), path)
    return request.param, path


@pytest.fixture(params=[(WIDE, "light"), (PHONE, "dark")], ids=["wide", "phone"])
def opened(request, recorded, desk):
    """Open the page as a file; at the end nothing may have been fetched or complained about."""
    make, path = recorded
    size, theme = request.param
    context = desk.browser.new_context(viewport=size, color_scheme=theme, offline=True)
    page = context.new_page()
    complaints, asked = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("[data-ready]", state="attached")
    yield make(), page
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()


def seen(page, lab):
    """Return what the page shows, place by place; what lies behind a drawing after it."""
    fragments = page.evaluate(SHOWN)
    shown = dict(zip(lab.state.screen, fragments))
    for behind in fragments[len(shown) :]:
        shown["chart"] += behind
    return shown


def wanted(page, lab):
    """Return what the page has to show: what the lab shows, as a browser writes it."""
    shown = screen(lab, phone=page.viewport_size == PHONE)
    return dict(zip(shown, page.evaluate(NORMAL, list(shown.values()))))


def test_it_shows_what_the_notebook_shows_after_twenty_rows_of_presses(opened):
    lab, page = opened
    rng, equal_to_before, before = np.random.RandomState(2), 0, None
    assert seen(page, lab) == wanted(page, lab)
    for _ in range(20):
        page.evaluate(PRESS, play(lab, rng.randint(1, 9), rng))
        now = seen(page, lab)
        assert now == wanted(page, lab)
        assert set(page.evaluate(ENABLED)) == {name for name, _ in usable(lab)}
        equal_to_before += now == before
        before = now
    assert equal_to_before == 0
