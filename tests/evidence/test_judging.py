"""Judges hold no key and believe nobody: they name, check, ask and test themselves."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare

import wmlearn as wm
from wmlearn.evidence import commitment
from wmlearn.evidence.rules import Rules


def sealed_with(key):
    return wm.Content(words=40)(wm.load_data("mnist"), n=80, alpha=0.01, key=key)


@pytest.fixture(scope="module")
def triggers():
    return sealed_with(bytes(range(32)))


@pytest.fixture(scope="module")
def named(triggers):
    return wm.evidence.challenge(triggers.seal, b"nonce", questions=triggers.n, count=20)


@pytest.fixture(scope="module")
def opened(triggers, named):
    return wm.evidence.open_questions(triggers, named)


def copy_of(triggers):
    """Return a service that knows every answer."""
    known = {image.tobytes(): label for image, label in zip(triggers.pixels, triggers.labels)}
    return lambda images: np.array(
        [known[np.rint(255 * x).astype(np.uint8).tobytes()] for x in images]
    )


def test_a_copy_is_found_even_by_who_does_not_trust_the_owner(triggers, named, opened):
    verdict = wm.evidence.judge(copy_of(triggers), opened, seal=triggers.seal, named=named)
    assert (verdict.decision, verdict.k, verdict.n) == ("found", 20, 20)
    assert verdict.p_judge < 0.001  # twenty of twenty pay for 2**48 seals
    assert verdict.answers.queries == 40
    assert not verdict.terms.public_key


def test_it_says_what_verify_says_of_the_same_questions(triggers, named, opened):
    rng = np.random.RandomState(0)
    answers = np.where(rng.rand(triggers.n) < 0.4, triggers.answers, rng.randint(0, 10, triggers.n))
    service = copy_of(dataclasses.replace(triggers, answers=answers))
    judged = wm.evidence.judge(service, opened, seal=triggers.seal, named=named)
    owners = wm.verify(service, triggers)
    assert np.array_equal(judged.matched, owners.matched[named])
    exact = binomtest(int(judged.matched.sum()), len(named), 0.1, alternative="greater").pvalue
    assert judged.p == pytest.approx(exact)
    assert judged.p_judge == min(1, judged.p * 2**48)


def test_innocents_are_not_accused(triggers, named, opened):
    shipped = [wm.load_model("mnist/clean"), wm.load_model("mnist/content")]
    for innocent in [*wm.null_models("mnist", n=4), *shipped]:
        service = wm.BlackBox(innocent)
        verdict = wm.evidence.judge(service, opened, seal=triggers.seal, named=named)
        assert verdict.decision == "not found"


def test_what_is_not_opened_is_a_miss_and_what_was_not_named_does_not_count(triggers, named):
    best = wm.evidence.open_questions(triggers, named[:12])
    verdict = wm.evidence.judge(copy_of(triggers), best, seal=triggers.seal, named=named)
    assert (verdict.k, verdict.n, int(verdict.unanswered.sum())) == (12, 20, 8)
    assert verdict.answers.per_question[12:].tolist() == [-1] * 8  # nothing was said of them
    others = [q for q in range(triggers.n) if q not in named]
    chosen = wm.evidence.open_questions(triggers, [*others, named[0]])
    verdict = wm.evidence.judge(copy_of(triggers), chosen, seal=triggers.seal, named=named)
    assert (verdict.k, verdict.n, verdict.decision) == (1, 20, "cannot tell")


def test_a_service_that_says_nothing_matches_nothing(triggers, named, opened):
    few = wm.evidence.open_questions(triggers, named[:3])
    for label in (-1, -2, 10):  # the first two stand for "no answer" and "not opened" inside
        for part in (opened, few):
            service = lambda images, label=label: np.full(len(images), label)  # noqa: E731
            assert wm.evidence.judge(service, part, seal=triggers.seal, named=named).k == 0


def test_labels_are_not_drawn_again_by_an_outcome_that_was_not_sealed(
    says, triggers, named, opened
):
    other = dataclasses.replace(opened, outcome="4 1 6")
    with says(ValueError):
        wm.evidence.judge(copy_of(triggers), other, seal=triggers.seal, named=named)


def test_the_family_shares_alpha(triggers, named):
    opened = wm.evidence.open_questions(triggers, named[:18])
    for family, decision in ((1, "found"), (1000, "cannot tell")):
        verdict = wm.evidence.judge(
            copy_of(triggers), opened, seal=triggers.seal, named=named[:18], family=family
        )
        assert verdict.decision == decision


def test_another_seal_is_refused(says, triggers, named, opened):
    others = sealed_with(bytes(32)).seal
    for bad in (others, "abc", None, triggers.seal.upper(), triggers.seal[:-1] + "x"):
        with says(ValueError):
            wm.evidence.judge(copy_of(triggers), opened, seal=bad, named=named)


@pytest.mark.parametrize(
    "rule",
    [
        {"p0": "1/100"},
        {"labels": "fixed"},
        Rules(tuple("0123456789"), 0.01, fixed=True, target=3).header(),
        {"alpha": "2.0"},
        {"alpha": None},
        {"answer": "any"},
        {"more": 1},
        {"version": True},
        {"version": 1.0},
        {"declared_key_draw": True},
        {"questions": 40.0},
        {"questions": True},
    ],
    ids=str,
)
def test_rules_of_the_owners_own_are_refused(says, triggers, named, opened, rule):
    """They were sealed properly; but what they promise is not what is tested here."""
    header = dict(opened.header) | rule
    forged, seal = dataclasses.replace(opened, header=header), commitment.seal(header)
    with says(ValueError):
        wm.evidence.judge(copy_of(triggers), forged, seal=seal, named=named)
    assert Rules(triggers.rules.classes, 0.01).header().items() <= triggers.header.items()


def test_the_challenge_is_the_same_for_everybody_and_fair(triggers):
    def draw(nonce, questions=40, count=20):
        return wm.evidence.challenge(triggers.seal, nonce, questions=questions, count=count)

    assert draw(b"a") == draw(b"a")
    assert draw(b"a") != draw(b"b")
    assert draw(b"a", 7, 7) == list(range(7))
    drawn = [draw(bytes([i, j]), 10, 3) for i in range(40) for j in range(25)]
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert all(len(set(names)) == 3 for names in drawn)
    assert chisquare(counts).pvalue > 1e-6


@pytest.mark.parametrize(
    ("nonce", "questions", "count"),
    [
        ("text", 30, 5),
        (b"", 30, 5),
        (b"x", 0, 1),
        (b"x", 5, 6),
        (b"x", 5, 0),
        (b"x", 10**10, 5),
        (b"x", 30.0, 5),
    ],
)
def test_bad_challenges(says, triggers, nonce, questions, count):
    with says((TypeError, ValueError)):
        wm.evidence.challenge(triggers.seal, nonce, questions=questions, count=count)


@given(st.text(max_size=70) | st.binary() | st.none(), st.binary(max_size=8) | st.text(max_size=3))
def test_any_seal_and_nonce_give_a_challenge_or_one_sentence(seal, nonce):
    for sealed in (seal, "ab" * 32):
        whole = isinstance(sealed, str) and re.fullmatch("[0-9a-f]{64}", sealed)
        if whole and isinstance(nonce, bytes) and nonce:
            named = wm.evidence.challenge(sealed, nonce, questions=30, count=7)
            assert len(set(named)) == 7
            assert sorted(named) == named
            assert set(named) <= set(range(30))
        else:
            with pytest.raises((TypeError, ValueError)) as caught:
                wm.evidence.challenge(sealed, nonce, questions=30, count=7)
            assert "\n" not in str(caught.value)


@given(
    st.lists(st.integers(-2, 45), max_size=6)
    | st.lists(st.floats(), max_size=2)
    | st.text(max_size=3)
    | st.none()
)
def test_any_questions_named_are_opened_or_refused_in_one_sentence(triggers, named):
    listed = isinstance(named, list) and 0 < len(named) == len(set(named))
    if listed and all(isinstance(q, int) and 0 <= q < 40 for q in named):
        opened = wm.evidence.open_questions(triggers, named)
        assert opened.answers().tolist() == triggers.answers[named].tolist()
    else:
        with pytest.raises((TypeError, ValueError)) as caught:
            wm.evidence.open_questions(triggers, named)
        assert "\n" not in str(caught.value)


def test_things_that_are_none(says, triggers, named, opened):
    with says(TypeError):
        wm.evidence.judge(copy_of(triggers), triggers, seal=triggers.seal, named=named)
    with says(TypeError):
        wm.evidence.judge("http://x", opened, seal=triggers.seal, named=named)
