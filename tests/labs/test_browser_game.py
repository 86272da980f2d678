"""The page of a game as a reader meets it: a file, a browser, no server, no network, no Python."""

import numpy as np
import pytest
from _games import GAMES, choose, names, play, screen, tribunal, usable
from _pages import NORMAL, PHONE, SHOWN, SIZES, assert_nothing_is_cut, watched
from _recorded import written
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PRESS = """pressed => { for (const [name, word] of pressed) {
  const found = [...document.querySelectorAll('[data-press]')].filter(
    each => each.dataset.press === name && (!word || each.value === word));
  found[0].click(); } }"""
ENABLED = """() => [...new Set([...document.querySelectorAll('[data-press]')]
  .filter(each => !each.disabled).map(each => each.dataset.press))]"""


@pytest.fixture(scope="module", params=GAMES)
def recorded(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "a game.html"
    written(request.param(), path)
    return request.param, path


@pytest.fixture(params=SIZES, ids=["wide", "phone"])
def opened(request, recorded, desk):
    make, path = recorded
    with watched(desk, path, *request.param) as page:
        yield make(), page


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
    assert equal_to_before < 5  # or it would be no wonder


def pressed_by_key(page, name, key="Enter"):
    """Press a button as a hand on the keyboard does."""
    button = page.get_by_role("button", name=name, exact=True)
    button.focus()
    page.keyboard.press(key)


def test_it_is_played_by_keyboard_and_read_out_when_the_hand_rests(opened):
    lab, page = opened
    first = usable(lab)[0][0]
    before, said = seen(page, lab), page.locator(".wm-said")
    for key in ("Enter", "Space"):
        pressed_by_key(page, first, key)
        choose(lab, first, "")
    assert seen(page, lab) == wanted(page, lab) != before
    expect(said).to_have_text(page.locator(".wm-verdict").inner_text())
    assert page.locator("[role=status], [role=alert], [aria-live]").count() == 1


def test_every_input_can_be_reached_and_has_a_name(opened):
    lab, page = opened
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.dataset.press"))
    assert set(filter(None, reached)) == {name for name, _ in usable(lab)}
    inputs = page.locator("[data-press]")
    for place in range(inputs.count()):
        assert '"' in inputs.nth(place).aria_snapshot()
    assert set(names(lab)) == set(inputs.evaluate_all("all => all.map(each => each.dataset.press)"))


def test_nothing_is_cut_or_sticks_out_sideways(opened):
    lab, page = opened
    for presses in (0, 30, 60):
        page.evaluate(PRESS, play(lab, presses, np.random.RandomState(presses)))
        assert_nothing_is_cut(page)


@pytest.mark.parametrize("recorded", [tribunal], indirect=True)
def test_what_a_board_refuses_is_read_out(opened):
    board, page = opened
    pressed_by_key(page, "hand in")
    choose(board, "hand in", "")
    expect(page.locator(".wm-said")).to_contain_text("missing: A, B, C, D, E, F")
    assert seen(page, board) == wanted(page, board)
    spend = [("A +10", "")] * 9 + [("A +5", ""), ("A +10", "")]
    spend += [(f"{letter} +10", "") for letter in "BC" * 10] + [("D +5", "")]
    for name, word in spend:
        page.evaluate(PRESS, [(name, word)])
        choose(board, name, word)
        assert seen(page, board) == wanted(page, board)


@pytest.mark.parametrize("recorded", [tribunal], indirect=True)
def test_a_case_is_handed_in_and_scored(opened):
    board, page = opened
    moves = [("E +10", ""), ("B +5", "")]
    moves += zip(
        (f"verdict on {letter}" for letter in "ABCDEF"), 2 * ("accuse", "clear", "abstain")
    )
    for name, word in [*moves, ("hand in", ""), ("yes, hand in", "")]:
        page.evaluate(PRESS, [(name, word)])
        choose(board, name, word)
        assert seen(page, board) == wanted(page, board)
    assert f"{board.score.points} points" in page.locator(".wm-verdict").inner_text()
    assert page.evaluate(ENABLED) == []
    assert "saves no score card" in page.locator("body").inner_text()
    pressed_by_key(page, "begin anew")
    assert seen(page, tribunal()) == wanted(page, tribunal())
    assert page.locator("input:checked").count() == 0


CELLS = (
    """from IPython.display import HTML

import wmlearn as wm

triggers = wm.Noise()(wm.load_data("mnist"), n=20, key=wm.CLASSROOM_KEY)
lab = wm.LotteryLab(triggers, lambda images: 0 * triggers.labels)
HTML(lab.to_html("lab.html").read_text("utf-8"))""",
)


def test_it_is_played_as_the_output_of_a_cell_too(page):
    """JupyterLab takes Enter for itself, unless a button says that it wants it."""
    recording = page.locator(".jp-OutputArea .wm-recording")
    recording.scroll_into_view_if_needed()
    recording.get_by_role("button", name="draw 10").focus()
    page.keyboard.press("Enter")
    expect(recording.locator(".wm-verdict")).to_contain_text("of 10 new draws")


def test_two_games_in_one_document_do_not_meet(recorded, desk, tmp_path):
    """A choice in one leaves those of the other as they are."""
    make, path = recorded
    body = path.read_text("utf-8").partition("<body class='wm-page'>")[2]
    both = tmp_path / "both.html"
    twice = 2 * body.replace("</body></html>", "")
    both.write_text(f"<!doctype html><meta charset='utf-8'>{twice}", "utf-8")
    page = desk.browser.new_page()
    page.goto(both.as_uri())
    page.wait_for_function("document.querySelectorAll('[data-ready]').length === 2")
    first, second = page.locator(".wm-recording").all()
    before = second.inner_html()
    name, _ = usable(make())[-1]
    first.locator(f"[data-press='{name}']").last.click()
    assert second.inner_html() == before
    second.locator(f"[data-press='{name}']").last.click()
    assert first.locator("input:checked").count() == second.locator("input:checked").count()
    page.close()
