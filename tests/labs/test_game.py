"""A game as a page: what it holds, what it must not hold, and what becomes of the lab."""

import re

import pytest
from _drive import press
from _games import GAMES, choose, tribunal
from _recorded import book_of, written

import wmlearn as wm
from wmlearn.labs._kit.cuts import cut, cutting, tables


@pytest.fixture(scope="module", params=GAMES)
def make(request):
    return request.param


@pytest.fixture(scope="module")
def recorded(make, tmp_path_factory):
    return written(make(), tmp_path_factory.mktemp("page") / "lab.html")


def test_a_page_is_the_same_file_from_run_to_run_and_small(make, recorded, tmp_path):
    lab = make()
    for name, word in moves(lab):
        choose(lab, name, word)
    before = lab.state
    assert written(lab, tmp_path / "again.html") == recorded  # it begins at the beginning
    assert lab.state == before
    assert len(recorded.encode()) < 400_000


def moves(lab):
    """Return presses that lead somewhere."""
    if isinstance(lab, wm.TribunalBoard):
        return [("A +5", ""), ("verdict on A", "accuse")]
    return [(next(iter(lab.game.axes(lab.shown))), "")] * 3


def test_nothing_is_fetched_and_nothing_of_this_machine_is_in_it(recorded):
    assert re.findall(r"(?:src|href)=['\"](?!data:)", recorded) == []
    assert "@import" not in recorded
    assert "\x1e" not in str(book_of(recorded))  # no mark is left


def test_recording_spends_no_question_of_the_learners(tmp_path):
    case = wm.course.open_case()
    board = wm.TribunalBoard(case)
    press(board, "B +5")
    written(board, tmp_path / "lab.html")
    assert (case.left, case.asked["B"], case.budget) == (295, 5, 300)
    assert (board.card, board.score) == (None, None)


def test_no_other_case_than_the_public_one_becomes_a_page(says, tmp_path):
    board = tribunal()
    case = wm.course.open_case()
    case.name = "case-" + 32 * "0"
    board = wm.TribunalBoard(case)
    with says(ValueError):
        board.to_html(tmp_path / "lab.html")
    assert list(tmp_path.iterdir()) == []
    assert case.left == 300


# ---------------------------------------------------------------- pieces


def drawn(count, color):
    return f"<svg>{cut('bar', count)}<path d='{count}'/>{cut('sign')}<text>{color}</text></svg>"


def test_what_is_cut_depends_on_what_the_mark_says():
    with cutting():
        found = tables([("chart", drawn(count, "red")) for count in range(3)])
    assert found["chart"] == "<svg>"
    assert found["bar"] == [f"<path d='{count}'/>" for count in range(3)]
    assert found["sign"] == "<text>red</text></svg>"
    assert drawn(1, "red") == "<svg><path d='1'/><text>red</text></svg>"  # not cut in a notebook


def test_a_piece_that_depends_on_something_else_is_no_piece(says):
    with cutting(), says(ValueError):
        tables([("chart", drawn(1, "red")), ("chart", drawn(2, "blue"))])
