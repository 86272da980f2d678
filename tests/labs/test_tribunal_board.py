"""The tribunal's board without a browser: its buttons are pressed as a hand would press them, its
HTML is read.
"""

import base64
import html
import io
import json
import math
import re

import numpy as np
import pytest
from _drive import find, html_of, move, press, widgets_in
from PIL import Image

import wmlearn as wm
from wmlearn.course import tribunal
from wmlearn.labs._kit.views import PNG, TEXT, WIDGET_VIEW
from wmlearn.labs.tribunal import board as shown
from wmlearn.labs.tribunal import lab as module

LETTERS = "ABCDEF"
LINE = math.log(600)


@pytest.fixture
def case():
    return wm.course.open_case()


@pytest.fixture
def board(case):
    return wm.TribunalBoard(case)


@pytest.fixture(scope="module")
def truth():
    return json.loads(tribunal.PRACTICE_KEY.read_text(encoding="utf-8"))["truth"]


def screen(board, place):
    return board.state.screen[place]


def words(board, letter):
    """Return what is written above the curve of a service: matches, the line, the verdict."""
    texts = re.findall(r"<text x='16.0'[^>]*>(.*?)</text>", screen(board, letter))
    assert len(texts) == 3
    return texts


def curve(board, letter):
    """Return the places in pixels that the curve of a service goes through."""
    path = re.search(r"class='wm-curve' d='M(.*?)'", screen(board, letter))[1]
    return [tuple(map(float, point.split())) for point in path.split("L")]


def alerts(board):
    """Return the sentence in which something is refused; empty where nothing is."""
    return html.unescape(re.sub("<.*?>", "", screen(board, "status")))


def judge(board, verdicts):
    for letter, verdict in verdicts.items():
        move(board, f"verdict on {letter}", verdict)


def hand_in(board):
    press(board, "hand in")
    press(board, "yes, hand in")


def usable(board):
    """Return the descriptions of the inputs that can be used."""
    named = [each for each in widgets_in(board.widget) if getattr(each, "description", "")]
    return {each.description for each in named if not each.disabled}


# ---------------------------------------------------------------- asking


def test_a_board_that_nobody_has_touched(says, board, case):
    assert board.state.controls == {f"verdict on {letter}": None for letter in LETTERS}
    assert (board.verdicts, board.card, board.score, case.left) == ({}, None, None, 300)
    assert [words(board, letter)[0] for letter in LETTERS] == 6 * ["0 of 0 matched"]
    assert "value='0' max='300'" in screen(board, "budget")
    assert screen(board, "status") == ""
    says(repr(board))
    for place in ("budget", "given", "sentence", "rules"):
        says(re.sub("<.*?>", " ", screen(board, place)))


@pytest.mark.parametrize("count", [1, 5, 10])
def test_a_button_asks_so_many_and_spends_the_budget_of_the_case(board, case, count):
    press(board, f"B +{count}")
    assert (case.left, case.asked["B"], case.tests["B"].asked) == (300 - count, count, count)
    matches = case.tests["B"].verdict.k
    assert words(board, "B")[0] == f"{matches} of {count} matched"
    assert f"value='{count}' max='300'" in screen(board, "budget")
    assert f"{300 - count} of 300 questions left" in screen(board, "budget")
    assert "service B" in screen(board, "sentence")


def test_a_call_moves_the_board_as_a_button_does(board, case):
    other = wm.course.open_case()
    called = wm.TribunalBoard(other)
    press(board, "D +5")
    press(board, "A +1")
    other.ask("D", 5)
    other.ask("A", 1)
    assert called.state == board.state
    assert repr(called) == repr(board)


@pytest.mark.parametrize(
    "ask",
    [
        lambda case: case.tests["C"].ask(7),
        lambda case: wm.verify(case.services["C"], case.triggers, questions=7),
        lambda case: case.services["C"](case.triggers.images[:7]),
    ],
    ids=["the test", "verify", "the service"],
)
def test_whoever_asks_the_board_shows_it(board, case, ask):
    ask(case)
    assert words(board, "C")[0].endswith(" of 7 matched")
    assert "293 of 300 questions left" in screen(board, "budget")


def test_what_is_no_secret_question_spends_the_budget_and_is_no_evidence(board, case):
    case.services["C"](wm.load_data("mnist").test.images[:20])
    assert words(board, "C")[0] == "0 of 0 matched"
    assert "280 of 300 questions left" in screen(board, "budget")


def test_a_board_shows_what_was_asked_before_it_was_opened(case):
    for letter in LETTERS:
        case.ask(letter, 3)
    board = wm.TribunalBoard(case)
    assert all(words(board, letter)[0].endswith(" of 3 matched") for letter in LETTERS)
    assert "282 of 300 questions left" in screen(board, "budget")


def test_the_curve_is_the_wealth_of_the_bettor(board, case):
    press(board, "D +10")
    path = case.tests["D"].verdict.path / math.log(10)
    heights = [222 - 160 * (power + 3) / (shown_top(path.max()) + 3) for power in path]
    drawn = np.array(curve(board, "D"))
    assert drawn[:, 1] == pytest.approx(heights, abs=0.06)
    assert drawn[:, 0] == pytest.approx(50 + 118 * np.arange(11) / 20, abs=0.06)


def shown_top(power):
    return next(top for top in (4, 8, 15) if power <= top)


def test_all_six_share_their_axes_and_the_line(board, case, truth):
    letter = next(letter for letter in LETTERS if truth[letter] == "copy")
    for count, power in ((1, 4), (10, 15)):
        case.ask(letter, count)
        rows = {re.findall(r"text-anchor='end' class=''>(.*?)<", screen(board, x))[0] for x in "AF"}
        grids = [re.findall("class='wm-(?:grid|line)' d='(.*?)'", screen(board, x)) for x in "ABF"]
        assert len(rows) == 1
        assert grids[0] == grids[1] == grids[2]
        line = 222 - 160 * (LINE / math.log(10) + 3) / (power + 3)
        assert float(grids[0][-1].partition("H")[0].split()[1]) == pytest.approx(line, abs=0.06)
    assert all("line 600" in screen(board, letter) for letter in LETTERS)


def test_what_has_crossed_the_line_is_told_by_words_and_a_sign(board, case, truth):
    copy = next(letter for letter in LETTERS if truth[letter] == "copy")
    press(board, f"{copy} +1")
    assert words(board, copy)[1] == "– below the line"
    assert "? too early to tell" in screen(board, "sentence")
    press(board, f"{copy} +5")
    assert words(board, copy)[1] == "✔ crossed the line"
    assert "✔ found" in screen(board, "sentence")
    assert case.tests[copy].verdict.decision == "found"


def test_each_curve_says_itself_to_those_who_do_not_see_it(says, board):
    press(board, "B +10")
    move(board, "verdict on B", "abstain")
    says(re.search("aria-label='(.*?)'", screen(board, "B"))[1])
    says(re.sub("<.*?>", " ", screen(board, "sentence")))


def test_a_press_draws_one_curve_again(board):
    press(board, "B +1")
    before = board.state.screen
    press(board, "B +1")
    after = board.state.screen
    assert {place for place in after if after[place] != before[place]} == {"B", "budget"} | (
        {"sentence"} if after["sentence"] != before["sentence"] else set()
    )


# ---------------------------------------------------------------- the budget


def test_overspending_is_a_sentence_and_costs_nothing(says, board, case):
    for letter in "ABC":
        case.ask(letter, 99)
    press(board, "D +5")
    says(alerts(board))
    assert (case.left, case.asked["D"]) == (3, 0)
    press(board, "D +1")
    assert (case.left, alerts(board)) == (2, "")


def test_more_than_the_owner_has_sealed_is_a_sentence_and_costs_nothing(says, board, case):
    case.ask("A", 99)
    press(board, "A +5")
    says(alerts(board))
    assert (case.left, case.asked["A"]) == (201, 99)


def test_nobody_can_be_asked_when_the_budget_is_spent(board, case):
    for letter in "ABC":
        case.ask(letter, 100)
    assert usable(board) == {"hand in", *(f"verdict on {letter}" for letter in LETTERS)}


def test_a_service_that_has_answered_all_is_not_asked_again(board, case):
    case.ask("A", 100)
    assert {name for name in usable(board) if "+" in name} == {
        f"{letter} +{count}" for letter in "BCDEF" for count in (1, 5, 10)
    }


# ---------------------------------------------------------------- verdicts, and the end

SOME = {"A": "accuse", "B": "abstain", "C": "clear", "D": "accuse", "E": "abstain", "F": "abstain"}


def test_nothing_is_handed_in_before_each_has_a_verdict(says, board):
    judge(board, {"A": "accuse", "B": "abstain"})
    assert board.verdicts == {"A": "accuse", "B": "abstain"}
    assert [words(board, letter)[2] for letter in "ABC"] == [
        "you accuse",
        "you abstain",
        "no verdict yet",
    ]
    press(board, "hand in")
    says(alerts(board))
    assert "yes, hand in" not in usable(board)
    press(board, "yes, hand in")
    assert board.card is None


def test_handing_in_asks_first(says, board):
    judge(board, SOME)
    press(board, "hand in")
    for place in ("given", "sentence"):
        says(re.sub("<.*?>", " ", screen(board, place)))
    assert (board.card, board.score) == (None, None)
    assert "yes, hand in" in usable(board)
    press(board, "hand in")  # a double click hands in nothing
    assert board.card is None


@pytest.mark.parametrize(
    "go_on",
    [
        lambda board, case: press(board, "A +1"),
        lambda board, case: case.ask("A", 1),
        lambda board, case: move(board, "verdict on A", "clear"),
    ],
    ids=["a question", "a call", "another verdict"],
)
def test_going_on_takes_it_back(board, case, go_on):
    judge(board, SOME)
    press(board, "hand in")
    go_on(board, case)
    assert "yes, hand in" not in usable(board)
    assert "Is that final?" not in screen(board, "sentence")
    press(board, "yes, hand in")
    assert board.card is None


def test_the_score_is_that_of_the_calls_and_nothing_moves_any_more(says, board, case, truth):
    press(board, "A +5")
    judge(board, SOME)
    hand_in(board)
    score = wm.course.score_card(case.card(SOME))
    assert (board.score, board.score.points) == (score, score.points)
    assert (board.card.verdicts, board.card.asked["A"]) == (SOME, 5)
    assert f"<b>{score.points} points</b>" in screen(board, "sentence")
    says(re.sub("<.*?>", " ", screen(board, "sentence")))
    points = score.to_frame().points
    for letter, kind in truth.items():
        expected = f"{SOME[letter]}: {kind}, {points[letter]:+}"
        assert words(board, letter)[2] == expected
    assert usable(board) == set()
    move(board, "verdict on A", "clear")
    assert board.verdicts == SOME
    card = board.card
    press(board, "yes, hand in")
    assert board.card is card


def test_a_card_of_the_board_can_be_saved_and_scored(board, tmp_path):
    judge(board, SOME)
    hand_in(board)
    path = board.card.save(tmp_path / "card.json")
    assert wm.course.score_card(path).points == board.score.points


def test_where_only_the_teacher_knows_the_truth_there_is_a_card(says, case, monkeypatch):
    case.name = "case-" + 32 * "0"
    monkeypatch.setattr(module, "score_card", forbidden)
    board = wm.TribunalBoard(case)
    judge(board, SOME)
    hand_in(board)
    assert (board.card.verdicts, board.score) == (SOME, None)
    says(re.sub("<.*?>", " ", screen(board, "sentence")))
    assert words(board, "A")[2] == "you accuse"
    assert usable(board) == set()


# ---------------------------------------------------------------- what must not be told


def forbidden(*_: object, **__: object) -> None:
    raise AssertionError("the truth was read")


def test_nothing_is_told_of_the_truth_before_the_end(board, case, truth, monkeypatch):
    """No message to the page holds a kind, the key, or the salt of the truth; nothing reads it."""
    real = module.score_card
    monkeypatch.setattr(module, "score_card", forbidden)
    monkeypatch.setattr(tribunal, "read_secret", forbidden)
    sent = [json.dumps(widget.get_state(), default=str) for widget in widgets_in(board.widget)]

    def note(change):
        sent.append(json.dumps(change["new"], default=str))

    for widget in widgets_in(board.widget):
        widget.observe(note)
    for letter in LETTERS:
        for count in (1, 5, 10):
            press(board, f"{letter} +{count}")
    judge(board, SOME)
    press(board, "hand in")
    press(board, "A +10")
    press(board, "hand in")
    sent += [repr(board), json.dumps(board._repr_mimebundle_(), default=str)]
    messages = "\n".join(sent)
    salt = json.loads(tribunal.PRACTICE_KEY.read_text(encoding="utf-8"))["salt"]
    for secret in ("fine-tuned", "pruned", "imitated", "suspicious", case.triggers.key.hex(), salt):
        assert secret not in messages
    for letter in LETTERS:
        assert not [kind for kind in truth.values() if kind in screen(board, letter)]
    monkeypatch.undo()
    assert module.score_card is real
    press(board, "yes, hand in")
    assert all(truth[letter] in screen(board, letter) for letter in LETTERS)


# ---------------------------------------------------------------- pure functions, pictures, bad use


def test_what_is_shown_needs_no_widget(case):
    tests = {letter: service.verdict for letter, service in case.services.items()}
    seen = shown.Seen(case.triggers, tests, 300, 300, {}, "", False, False, None)
    board = wm.TribunalBoard(case)
    assert shown.frame(seen) | {"status": ""} == board.state.screen
    assert {name for name, can in shown.axes(seen).items() if can} == usable(board)
    assert shown.frame(seen) == shown.frame(seen)


def test_every_form_of_it(board):
    press(board, "E +5")
    bundle = board._repr_mimebundle_()
    assert set(bundle) == {TEXT, PNG, WIDGET_VIEW}
    assert bundle[TEXT] == repr(board)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle[PNG]))).convert("RGB"))
    assert pixels.shape == (1040, 1120, 3)
    for half in np.split(pixels, 2):  # a dashed line in each of the six panels
        dashes = (half == (0xD5, 0x5E, 0x00)).all(axis=2).any(axis=0)
        assert [dashes[x : x + 380].any() for x in (0, 380, 760)] == [True, True, True]


@pytest.mark.parametrize("wrong", [None, "A", wm.course.open_case, {"A": "accuse"}])
def test_what_is_no_case_is_refused(says, wrong):
    with says(TypeError):
        wm.TribunalBoard(wrong)


def test_an_input_has_words_of_its_own(board):
    descriptions = [each.description for each in widgets_in(board.widget) if usable_input(each)]
    assert len(descriptions) == len(set(descriptions)) == 18 + 6 + 2
    assert find(board, "verdict on A").options == ("accuse", "clear", "abstain")
    assert html_of(board).count("<progress") == 1


def usable_input(widget):
    return bool(getattr(widget, "description", ""))
