"""The lottery lab without a browser: its numbers against scipy and the exact chances, its buttons
pressed as a hand would press them, its HTML read.
"""

import base64
import hashlib
import io
import json
import math
import re

import numpy as np
import pytest
from _drive import bytes_sent, find, html_of, press
from PIL import Image
from scipy.stats import binom, chisquare

import wmlearn as wm
from wmlearn.evidence import commitment, stats
from wmlearn.evidence.answers import ask
from wmlearn.labs._kit.svg import BOTTOM, Chart
from wmlearn.labs._kit.views import WIDGET_VIEW
from wmlearn.labs.lottery.draws import BETS, HUNDRED, N_DRAWS, PEEKS, PLANS, Draws
from wmlearn.labs.lottery.peeking import Watched

ALPHA = 0.05
MORE = ("draw 1", "draw 10", "draw 1,000")
TOPS = (6, 8, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1000, 1500, 2000, 3000)
OWNER = "an impatient owner does a hundred"


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def triggers(mnist):
    return wm.Noise()(mnist, n=60, key=wm.CLASSROOM_KEY)


def dull(images):
    """Say 8 to nearly everything, as innocents do under noise."""
    says = np.full(len(images), 8)
    says[::7] = 3
    return says


@pytest.fixture(scope="module")
def draws(triggers):
    return Draws(ask(dull, triggers), ALPHA, 0)


@pytest.fixture
def heap(triggers):
    return wm.LotteryLab(triggers, dull)


@pytest.fixture
def peeking(triggers):
    return wm.LotteryLab(triggers, dull, peek=True)


def words(lab, place="sentence"):
    """Return what a place says, tags aside."""
    return " ".join(re.sub("<[^>]*>", " ", lab.state.screen[place]).split())


def fits(observed, chances):
    """Whether counts are those of a law, rare values left out; wrong once in 10,000 times."""
    observed, expected = np.asarray(observed), np.asarray(chances) * np.sum(observed)
    common = expected >= 8
    expected = expected[common] / expected[common].sum() * observed[common].sum()
    return chisquare(observed[common], expected).pvalue > 1e-4


# ---------------------------------------------------------------- the numbers


def test_the_draws_have_the_law_of_labels_under_new_keys(triggers, draws):
    """Sixty new keys draw the labels of 60 questions, by hash and HMAC, as a seal does."""
    assert triggers.rules.allowed == tuple(range(10))  # keyed labels: no class is left out
    drawn = []
    for number in range(60):
        secrets = [hashlib.sha256(f"{number} {q}".encode()).digest() for q in range(60)]
        seal = hashlib.sha256(f"seal {number}".encode()).hexdigest()
        drawn.append(commitment.draw_labels(seal, secrets, triggers.rules.allowed))
    says = ask(dull, triggers).per_question
    law = binom.pmf(np.arange(61), 60, 0.1)
    for labels in (np.array(drawn), draws.labels):
        assert fits(np.bincount(labels.ravel(), minlength=10), np.full(10, 0.1))
        assert fits(np.bincount((labels == says).sum(axis=1), minlength=61), law)
    pairs = 10 * draws.labels[:, :-1] + draws.labels[:, 1:]  # neighbours are independent
    assert fits(np.bincount(pairs.ravel(), minlength=100), np.full(100, 0.01))
    assert draws.labels.shape == (N_DRAWS, 60)


def test_every_question_has_its_own_label_in_every_draw(draws):
    """Correlations as small as those of 2,000 independent draws."""
    correlations = np.corrcoef(draws.labels, rowvar=False)[np.triu_indices(60, 1)]
    assert abs(correlations).max() < 5 / math.sqrt(N_DRAWS)
    assert abs(correlations.mean()) < 4 / math.sqrt(N_DRAWS * len(correlations))


def test_matches_are_counted_against_the_answers(draws, triggers):
    says = ask(dull, triggers).per_question
    assert draws.matches[:, 0].tolist() == [0] * N_DRAWS
    for row in (0, 7, N_DRAWS - 1):
        hits = [label == said for label, said in zip(draws.labels[row], says)]
        assert draws.matches[row, 1:].tolist() == np.cumsum(hits).tolist()
    real = int((triggers.answers == says).sum())
    assert draws.answers.k == real
    for drawn in (0, 1, 50, N_DRAWS):
        assert draws.as_good(drawn) == sum(k >= real for k in draws.matches[:drawn, -1])


def test_p_is_the_binomial_tail_and_the_wealth_is_the_bettors(draws):
    asked = np.arange(61)
    exact = binom.sf(draws.matches - 1, asked, 0.1)
    assert np.allclose(draws.p, exact, rtol=1e-9)
    assert np.allclose(draws.chances, binom.sf(asked - 1, 60, 0.1), rtol=1e-9)
    for row in (0, 3, 1999):
        path = stats.wealth_path(np.diff(draws.matches[row]).astype(bool), 0.1)
        assert np.array_equal(draws.wealth[row], path)


def test_how_many_are_accused_is_what_the_exact_chances_say(draws):
    """Within four standard deviations of 2,000 draws."""
    asked = np.arange(61)
    at_the_end = binom.pmf(asked, 60, 0.1)[binom.sf(asked - 1, 60, 0.1) <= ALPHA].sum()
    exact = {
        PEEKS: stats.peeking_chance(60, alpha=ALPHA, p0=0.1)[-1],
        PLANS: at_the_end,
        BETS: stats.accusation_chance(60, 0.1, alpha=ALPHA, p0=0.1),
    }
    for who, chance in exact.items():
        assert abs(draws.accused[who].mean() - chance) < 4 * math.sqrt(chance / N_DRAWS)
    assert exact[BETS] < exact[PLANS] < ALPHA < exact[PEEKS]
    assert (draws.accused[PEEKS] >= draws.accused[PLANS]).all()
    assert np.array_equal(draws.accused[PEEKS], (draws.p <= ALPHA).any(axis=1))


@pytest.mark.parametrize("alpha", [0.2, 0.01])
def test_another_alpha_moves_the_line_and_no_draw(draws, triggers, alpha):
    other = Draws(ask(dull, triggers), alpha, 0)
    assert np.array_equal(other.labels, draws.labels)
    assert (other.accused[BETS] == (other.wealth.max(axis=1) >= -math.log(alpha))).all()


def test_the_seed_draws_the_labels(draws, triggers):
    assert np.array_equal(Draws(ask(dull, triggers), ALPHA, 0).labels, draws.labels)
    assert not np.array_equal(Draws(ask(dull, triggers), ALPHA, 1).labels, draws.labels)


def test_a_question_without_an_answer_is_matched_in_no_draw(mnist):
    """Two images a question, and the service takes turns: half of the questions have no majority.

    The formula knows that, too."""
    triggers = wm.Content(words=30)(mnist, n=60, key=wm.CLASSROOM_KEY)

    def waverer(images):
        return np.where(triggers.question % 2, np.arange(len(images)) % 2, 4)

    draws = Draws(ask(waverer, triggers), ALPHA, 0)
    steps = np.diff(draws.matches, axis=1)
    assert steps[:, 1::2].sum() == 0 < steps[:, ::2].sum()
    assert np.allclose(draws.chances, binom.sf(np.arange(16) - 1, 15, 0.1))
    assert fits(np.bincount(draws.matches[:, -1], minlength=16), binom.pmf(np.arange(16), 15, 0.1))


# ---------------------------------------------------------------- the heap


def bars(lab):
    """Return how many draws each bar holds, by its matches, and which of them have an outline."""
    screen, scale = lab.state.screen["chart"], chart_of(lab)
    found, outlined = {}, set()
    for css, left, high in re.findall(
        r"class='(wm-bar|wm-target)' d='M([\d.]+) 222V([\d.]+)", screen
    ):
        place = float(left)
        matches = round((place - scale.across(0)) / (scale.across(1) - scale.across(0)) + 0.4)
        share = (BOTTOM - float(high)) / (BOTTOM - scale.top)
        found[matches] = share * scale.y[1]
        outlined |= {matches} if css == "wm-target" else set()
    return found, outlined


def chart_of(lab):
    """Return the scales of the heap, from its greatest bar and its real count."""
    game, drawn = lab.game, lab.shown
    matches = game.matches[:, -1]
    last = max(game.answers.k, matches.max()) + 2
    heap = np.bincount(matches[:drawn], minlength=1)
    exact = drawn * binom.pmf(np.arange(last), game.n, 0.1)
    needed = 1.1 * max(5, heap.max(), exact.max())
    return Chart((-1, last), (0, min(top for top in TOPS if top >= needed)))


@pytest.mark.parametrize("presses", [(), ("draw 1",), ("draw 10", "draw 1"), MORE, 2 * MORE[2:]])
def test_the_heap_holds_what_was_drawn(heap, presses):
    for name in presses:
        press(heap, name)
    amounts = {"draw 1": 1, "draw 10": 10, "draw 1,000": 1000}
    drawn = sum(amounts[name] for name in presses)
    assert heap.shown == drawn
    seen, outlined = bars(heap)
    counted = np.bincount(heap.game.matches[:drawn, -1]) if drawn else []
    assert {k: round(v) for k, v in seen.items()} == {k: int(v) for k, v in enumerate(counted) if v}
    assert outlined == {k for k in seen if k >= heap.game.answers.k}


def test_p_is_the_share_of_the_draws(heap, triggers, says):
    says(words(heap))
    says(words(heap, "detail"))
    for name in (*MORE, MORE[2]):
        press(heap, name)
        says(words(heap))
    real = int((triggers.answers == dull(triggers.images)).sum())
    share = (heap.game.matches[:, -1] >= real).mean()
    assert f"= {share:.2g} " in words(heap)
    assert abs(share - binom.sf(real - 1, 60, 0.1)) < 0.05
    says(words(heap, "note"))
    says(re.search("aria-label='(.*?)'", heap.state.screen["chart"])[1])


def test_the_labels_of_the_last_draw_stand_below_the_answers(heap):
    press(heap, "draw 10")
    code = re.search("aria-hidden='true'>(.*?)</p>", heap.state.screen["detail"], re.DOTALL)[1]
    says, labels, signs = code.split("\n")
    assert says.split() == list(map(str, heap.game.answers.per_question[:15]))
    assert labels.split() == list(map(str, heap.game.labels[9, :15]))
    for place, sign in enumerate(signs[::2]):
        assert (sign == "^") == (says[2 * place] == labels[2 * place])


def test_no_draw_comes_near_a_copy(triggers, says):
    lab = wm.LotteryLab(triggers, lambda images: triggers.labels)
    press(lab, "draw 1,000")
    assert bars(lab)[1] == set()
    says(words(lab))
    assert lab.state.screen["chart"].count("60 in the real draw") == 1


def test_there_are_two_thousand_draws_and_a_beginning(heap):
    assert find(heap, "start again").disabled
    for name in 3 * ("draw 1,000",):
        press(heap, name)
    assert heap.shown == N_DRAWS
    assert [find(heap, name).disabled for name in MORE] == 3 * [True]
    before = heap.state.screen
    press(heap, "start again")
    assert heap.shown == 0
    assert bars(heap) == ({}, set())
    press(heap, "draw 1,000")
    press(heap, "draw 1,000")
    assert heap.state.screen == before  # the same draws, in the same order


# ---------------------------------------------------------------- keep looking


def ask_to(lab, asked):
    """Ask the one who is being questioned until so many answers are there."""
    while lab.shown.asked < asked:
        press(lab, "ask 5 more" if asked - lab.shown.asked >= 5 else "ask 1 more")


def test_question_by_question(peeking, says):
    says(words(peeking))
    game = peeking.game
    for asked in range(1, 8):
        press(peeking, "ask 1 more")
        assert peeking.shown == Watched(0, asked)
        assert f"{game.matches[0, asked]} of {asked} answer" in words(peeking)
        assert f"p = {game.p[0, asked]:.2g} " in words(peeking)
    ask_to(peeking, 60)
    assert find(peeking, "ask 1 more").disabled
    assert find(peeking, "ask 5 more").disabled
    assert not find(peeking, "accuse").disabled
    says(words(peeking))
    says(re.search("aria-label='(.*?)'", peeking.state.screen["chart"])[1])


def test_whom_the_learner_accuses_is_counted_beside_the_bettor(peeking, says):
    """Somebody who looks after each question, by hand: ten innocents, accused as soon as p is
    alpha.
    """
    game, ends = peeking.game, []
    for innocent in range(10):
        first = np.flatnonzero(game.p[innocent] <= ALPHA)
        ask_to(peeking, first[0] if len(first) else 60)
        ends.append("accuse" if len(first) else "let go")
        press(peeking, ends[-1])
        assert peeking.shown.ends == tuple(ends)
        if innocent < 3:
            says(words(peeking))
        press(peeking, "next innocent")
    hit = int(game.accused[PEEKS][:10].sum())
    assert ends.count("accuse") == hit
    betted = int(game.accused[BETS][:10].sum())
    drawn = words(peeking, "detail")
    assert f"you: {hit} of 10 accused" in drawn
    assert f"a bettor beside you: {betted} of 10 accused" in drawn
    says(words(peeking, "note"))


def test_the_bettor_hits_one_now_and_then_too(peeking, says):
    """Alpha is a bound; it is not zero."""
    game = peeking.game
    victim = int(np.flatnonzero(game.accused[BETS])[0])
    for _ in range(victim):
        press(peeking, "ask 1 more")
        press(peeking, "let go")
        press(peeking, "next innocent")
    ask_to(peeking, 30)
    press(peeking, "accuse")
    says(words(peeking))
    assert f"a bettor beside you: 1 of {victim + 1} accused" in words(peeking, "detail")


def test_an_accusation_stands_and_questions_may_go_on(peeking):
    ask_to(peeking, 9)
    for _ in range(2):
        press(peeking, "accuse")
    assert peeking.shown.ends == ("accuse",)
    press(peeking, "let go")
    assert peeking.shown.ends == ("accuse",)
    ask_to(peeking, 20)
    assert "an innocent accused" in words(peeking)
    assert f"p = {peeking.game.p[0, 20]:.2g}" in words(peeking)
    press(peeking, "next innocent")
    press(peeking, "next innocent")  # nobody is passed over
    assert peeking.shown == Watched(1, 0, ("accuse",))
    assert find(peeking, "accuse").disabled  # nothing asked yet


def blocks(lab):
    """Return how many marks and blocks each row has."""
    screen = lab.state.screen["detail"]
    rows = zip(
        *(re.findall(f"class='{css}' d='(.*?)'", screen) for css in ("wm-apart", "wm-square"))
    )
    return [(marks.count("M"), accused.count("M")) for marks, accused in rows]


def test_an_impatient_owner_does_a_hundred(peeking):
    game = peeking.game
    assert blocks(peeking) == 5 * [(0, 0)]
    for hundreds in (1, 2):
        press(peeking, OWNER)
        last = slice(HUNDRED * hundreds, HUNDRED * (hundreds + 1))
        rows = blocks(peeking)[2:]
        for (marks, accused), who in zip(rows, (PEEKS, PLANS, BETS)):
            assert accused == game.accused[who][last].sum()
            assert marks + accused == HUNDRED
            so_far = int(game.accused[who][HUNDRED : last.stop].sum())
            assert f"{who}: {so_far} of {HUNDRED * hundreds} accused" in words(peeking, "detail")
    for _ in range(30):
        press(peeking, OWNER)
    assert peeking.shown.hundreds == N_DRAWS // HUNDRED - 1
    assert find(peeking, OWNER).disabled
    assert "of 1,900 accused" in words(peeking, "detail")


def test_a_hundred_innocents_and_no_more(peeking):
    for _ in range(HUNDRED):
        press(peeking, "ask 1 more")
        press(peeking, "let go")
        press(peeking, "next innocent")
    assert peeking.shown.innocent == HUNDRED - 1
    assert find(peeking, "next innocent").disabled
    assert "you: 0 of 100 accused" in words(peeking, "detail")


# ---------------------------------------------------------------- both


@pytest.mark.parametrize("peek", [False, True])
def test_a_lab_is_pure_functions_of_what_was_pressed(triggers, peek):
    """What the widgets show is what `frame` returns; `axes` says what may be pressed."""
    lab = wm.LotteryLab(triggers, dull, peek=peek)
    state, rng = lab.game.start, np.random.default_rng(3)
    for _ in range(40):
        open_ones = [name for name, is_open in lab.game.axes(state).items() if is_open]
        name = str(rng.choice(open_ones))
        press(lab, name)
        state = lab.game.press(state, name)
        assert lab.shown == state
        for button, is_open in lab.game.axes(state).items():
            assert find(lab, button).disabled is not is_open
        for place, shown in lab.game.frame(state).items():
            shown = shown if isinstance(shown, str) else "".join(shown)
            assert lab.state.screen[place] == shown
    assert lab.state.controls == {}


@pytest.mark.parametrize("peek", [False, True])
def test_the_service_is_asked_once(triggers, peek):
    asked = []

    def counted(images):
        asked.append(len(images))
        return dull(images)

    lab = wm.LotteryLab(triggers, counted, peek=peek)
    for name in list(lab.game.axes(lab.shown)):
        press(lab, name)
    assert asked == [60]


@pytest.mark.parametrize("peek", [False, True])
def test_a_press_sends_little(triggers, peek):
    lab = wm.LotteryLab(triggers, dull, peek=peek)
    name = next(iter(lab.game.axes(lab.shown)))
    press(lab, name)
    assert 0 < bytes_sent(lab, lambda: press(lab, name)) < 12_000


@pytest.mark.parametrize("peek", [False, True])
def test_text_and_picture_stand_for_it_where_nothing_runs(triggers, peek, says):
    lab = wm.LotteryLab(triggers, dull, peek=peek)
    bundle = lab._repr_mimebundle_()
    says(bundle["text/plain"])
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert picture.size == (1120, 520)
    assert np.asarray(picture.convert("L")).min() < 100
    assert bundle[WIDGET_VIEW]["model_id"] == lab.widget.model_id
    json.dumps(bundle)
    press(lab, next(iter(lab.game.axes(lab.shown))))
    assert lab._repr_mimebundle_()["text/plain"] == bundle["text/plain"]


@pytest.mark.parametrize("peek", [False, True])
def test_nobody_is_called_a_thief(triggers, peek):
    lab = wm.LotteryLab(triggers, dull, peek=peek)
    for name in list(lab.game.axes(lab.shown)):
        press(lab, name)
    assert not re.search("stole|thief|guilty|luck|nought", html_of(lab))


def test_the_classroom_key_is_named_and_a_secret_one_is_not_shown(mnist, triggers):
    key = bytes(range(32))
    secret = wm.LotteryLab(wm.Noise()(mnist, n=10, key=key), dull)
    assert "lassroom key" in words(wm.LotteryLab(triggers, dull), "note")
    assert "key" not in words(secret, "note")
    assert key.hex() not in html_of(secret) + repr(secret)


def test_photographs_and_a_service_that_says_nothing():
    triggers = wm.Noise()(wm.load_data("cifar10"), n=20, key=wm.CLASSROOM_KEY)
    lab = wm.LotteryLab(triggers, lambda images: np.full(len(images), -1))
    press(lab, "draw 10")
    assert "p = 10 / 10 = 1" in words(lab)
    assert bars(lab)[0] == {0: pytest.approx(10, abs=0.1)}
    peeking = wm.LotteryLab(triggers, lambda images: np.full(len(images), -1), peek=True)
    press(peeking, OWNER)
    assert f"{PEEKS}: 0 of 100 accused" in words(peeking, "detail")


# ---------------------------------------------------------------- what is refused


def test_what_is_wrong_is_said_in_a_sentence(mnist, triggers, says):
    fixed = wm.Noise(labels="fixed")(mnist, n=20, key=wm.CLASSROOM_KEY)
    with says(ValueError):
        wm.LotteryLab(fixed, dull)
    with says(TypeError):
        wm.LotteryLab(mnist, dull)
    with says(TypeError):
        wm.LotteryLab(triggers, "http://127.0.0.1:9")
    with says(TypeError):
        wm.LotteryLab(triggers, {"stranger": dull})
    for alpha in (0, 1):
        with says(ValueError):
            wm.LotteryLab(triggers, dull, alpha=alpha)
    with says(ValueError):
        wm.LotteryLab(triggers, dull, seed=-1)
    with says(ValueError):
        wm.LotteryLab(triggers, lambda images: np.zeros((len(images), 10)))


def test_a_service_that_cannot_be_asked_says_why(triggers):
    def dead(images):
        raise ConnectionError("expected a model at <address>, but nobody answers")

    with pytest.raises(ConnectionError, match="address"):
        wm.LotteryLab(triggers, dead)
