"""The page of a lab as a reader meets it: a file, a browser, no server, no network, no Python."""

import re

import numpy as np
import pytest
from _pages import NORMAL, PHONE, SHOWN, SIZES, assert_nothing_is_cut, watched
from _recorded import (
    LABS,
    at_random,
    book_of,
    shown,
    some_places,
    theft_lab,
    verification_lab,
    whole,
    written,
)
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELLS = (
    """from IPython.display import HTML

import wmlearn as wm

triggers = wm.Noise()(wm.load_data("mnist"), n=20, key=wm.CLASSROOM_KEY)
lab = wm.VerificationLab(triggers, {"owner": lambda images: triggers.answers})
HTML(lab.to_html("lab.html").read_text("utf-8"))""",
)

MOVE = """places => places.forEach((place, k) => {
  const row = document.querySelector(`[data-input="${k}"]`);
  const slider = row.querySelector('input[type=range]'), menu = row.querySelector('select');
  if (slider) { slider.value = place; slider.dispatchEvent(new Event('input')); }
  else if (menu) { menu.selectedIndex = place; menu.dispatchEvent(new Event('change')); }
  else row.querySelectorAll('input[type=radio]')[place].click();
})"""


@pytest.fixture(scope="module", params=LABS)
def recorded(request, tmp_path_factory):
    lab = request.param()
    path = tmp_path_factory.mktemp("page") / "a lab.html"
    written(lab, path)
    return lab, path


@pytest.fixture(params=SIZES, ids=["wide", "phone"])
def opened(request, recorded, desk):
    lab, path = recorded
    with watched(desk, path, *request.param) as page:
        yield lab, page


def test_it_shows_what_the_notebook_shows_at_twenty_states(opened):
    lab, page = opened
    book = book_of(page.content())
    rng, before, equal_to_before = np.random.RandomState(2), None, 0
    drawn = (
        "<svg" if page.viewport_size == PHONE else "no drawing"
    )  # a phone has drawings of its own
    for _ in range(20):
        page.evaluate(MOVE, at_random(lab, book, rng))
        wanted = page.evaluate(NORMAL, shown(lab))
        every = page.evaluate(NORMAL, whole(page.evaluate(SHOWN), lab))
        kept = [place for place, fragment in enumerate(wanted) if drawn not in fragment]
        seen = [every[place] for place in kept]
        assert len(every) == len(wanted)
        assert seen == [wanted[place] for place in kept]
        equal_to_before += seen == before
        before = seen
    assert equal_to_before < 5


def test_arrow_keys_move_it_and_it_is_read_out_when_the_hand_rests(opened):
    _, page = opened
    slider, said = page.get_by_role("slider").first, page.locator(".wm-said")
    before, last = page.evaluate(SHOWN), int(slider.get_attribute("max"))
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(SHOWN) != before or last < 5
    assert slider.input_value() == str(min(5, last))
    expect(said).to_have_text(re.compile(r"\w"))
    assert page.locator(".wm-verdict, .wm-told").inner_text() == said.text_content()
    assert page.locator("[role=status]").count() == 1


def test_every_input_has_a_name_and_can_be_reached(opened):
    _, page = opened
    more = page.get_by_role("button", name="more")
    if more.count():
        more.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="less")).to_have_attribute("aria-expanded", "true")
    inputs = page.locator("input:visible, select:visible, button:visible")
    assert inputs.count() >= 2
    for place in range(inputs.count()):
        tree = inputs.nth(place).aria_snapshot()
        assert '"' in tree, tree


def test_nothing_is_cut_or_sticks_out_sideways(opened):
    _, page = opened
    book, rng = book_of(page.content()), np.random.RandomState(4)
    for _ in range(5):
        page.evaluate(MOVE, some_places(book, rng))
        assert_nothing_is_cut(page)


def test_two_pages_in_one_document_do_not_meet(desk, tmp_path):
    """A site may put both into a page of its own."""
    bodies = [
        written(make(), tmp_path / f"{make.__name__}.html").partition("<body class='wm-page'>")[2]
        for make in (verification_lab, theft_lab)
    ]
    whole = tmp_path / "both.html"
    ending = "</body></html>"
    whole.write_text(
        f"<!doctype html><meta charset='utf-8'>{''.join(b.replace(ending, '') for b in bodies)}"
    )
    page = desk.browser.new_page()
    page.goto(whole.as_uri())
    page.wait_for_function("document.querySelectorAll('[data-ready]').length === 2")
    sections = page.locator(".wm-recording")
    other = sections.nth(1).inner_html()
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    assert sections.nth(1).inner_html() == other
    assert "1 of 1 secret answer" in sections.nth(0).inner_text()
    page.close()


def test_it_moves_as_the_output_of_a_cell_too(page):
    """JupyterLab takes arrow keys for itself, unless an input says that it wants them."""
    recording = page.locator(".jp-OutputArea .wm-recording")
    recording.scroll_into_view_if_needed()
    slider = recording.get_by_role("slider").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_value("1")
    expect(recording.locator(".wm-verdict")).to_contain_text("1 of 1 secret answer matched")
