"""A lab as a page that is live without a kernel: what it holds is what the lab shows."""

import json
import re

import numpy as np
import pytest
from _drive import find
from _recorded import (
    LABS,
    at_random,
    book_of,
    embedding_lab,
    settle,
    shown,
    studio_lab,
    verification_lab,
    whole,
    written,
)

import wmlearn as wm
from wmlearn.labs._kit.svg import NARROW, WIDTH


@pytest.fixture(scope="module", params=LABS)
def make(request):
    return request.param


@pytest.fixture(scope="module")
def recorded(make, tmp_path_factory):
    lab = make()
    return lab, written(lab, tmp_path_factory.mktemp("page") / "lab.html")


def state_at(book, places):
    """Return the fragments of a state: those for wide screens, then those for narrow ones."""
    node = book["tree"]
    for place in places:
        node = node[1][place]
    return ["".join(book["pieces"][i] for i in book["fragments"][number]) for number in node]


def test_a_page_holds_what_the_lab_shows(recorded):
    lab, page = recorded
    book, rng, before = book_of(page), np.random.RandomState(0), None
    equal_to_before = 0
    for _ in range(20):
        state = state_at(book, at_random(lab, book, rng))
        wide = whole(state[: len(state) // 2], lab)
        assert wide == shown(lab)
        equal_to_before += wide == before
        before = wide
    assert equal_to_before < 5  # or it would be no wonder


def test_a_phone_gets_drawings_of_its_own_and_the_same_words(recorded):
    lab, page = recorded
    book = book_of(page)
    state = state_at(book, at_random(lab, book, np.random.RandomState(1)))
    wide, slim = state[: len(state) // 2], state[len(state) // 2 :]
    drawn = [pair for pair in zip(wide, slim) if "<svg" in pair[0] and pair[0] != pair[1]]
    assert len(drawn) == 1 + len(wide) - len(shown(lab))  # what moves, and what lies behind it
    for before, after in drawn:
        assert re.search(r"<svg[^>]* width='(\d+)'", before)[1] == str(WIDTH)
        assert re.search(r"<svg[^>]* width='(\d+)'", after)[1] == str(NARROW)
        assert re.findall("aria-label='([^']*)'", before) == re.findall(
            "aria-label='([^']*)'", after
        )
    for x, words in re.findall(r"<text x='([\d.]+)'[^>]*>([^<]*)</text>", "".join(slim)):
        assert float(x) <= NARROW, words
    assert [pair for pair in zip(wide, slim) if "<svg" not in pair[0] and pair[0] != pair[1]] == []


@pytest.mark.parametrize(
    ("make_it", "moves"),
    [
        (verification_lab, {"questions asked": 7, "suspect": "silent"}),
        (studio_lab, {"type": "Noise", "sigma": 0.75}),
        (embedding_lab, {"triggers": 12}),
    ],
)
def test_the_lab_is_afterwards_where_it_was(make_it, moves, tmp_path):
    lab = make_it()
    for name, value in moves.items():
        find(lab, name).value = value
    settle(lab)
    before, own = lab.state, getattr(lab, "result", None)
    written(lab, tmp_path / "lab.html", looks=(1,))
    assert lab.state == before
    assert getattr(lab, "result", None) is own  # what the learner has trained


def test_a_page_is_the_same_file_from_run_to_run_and_small(make, recorded, tmp_path):
    _, page = recorded
    assert written(make(), tmp_path / "again.html") == page
    assert len(page.encode()) < 400_000


def test_nothing_is_fetched_and_nothing_of_this_machine_is_in_it(recorded):
    _, page = recorded
    assert re.findall(r"(?:src|href)=['\"](?!data:)", page) == []
    assert "@import" not in page
    assert "Something went wrong" not in json.dumps(book_of(page))


def test_thieves_who_train_do_so_at_every_strength(tmp_path):
    mnist = wm.load_data("mnist")
    few = wm.Splits("mnist", mnist.train, mnist.loot.take(range(64)), mnist.test, mnist.classes)
    triggers = wm.Noise()(mnist, n=30, key=wm.CLASSROOM_KEY)
    lab = wm.TheftLab(wm.load_model("mnist/noise"), few, triggers, thefts=["fine-tune"])
    book = book_of(written(lab, tmp_path / "lab.html"))
    strengths = book["tree"][1][0][1]
    assert len(strengths) == len(lab.strength.options) > 2
    for place in range(1, len(strengths)):
        assert "Press Run" not in "".join(state_at(book, [0, place]))
        assert "questions matched" in "".join(state_at(book, [0, place]))


def test_no_state_of_a_studio_is_one_that_it_refuses(recorded):
    """There the notebook still shows what was there before; a page has no such thing."""
    _, page = recorded
    assert "wm-error" not in json.dumps(book_of(page))


def test_a_file_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        verification_lab().to_html(tmp_path / "no" / "folder.html")
