"""A judge holds no key and believes nobody: he names, checks, asks and tests himself."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

import wmlearn as wm
from wmlearn.evidence import commitment
from wmlearn.evidence.rules import Rules


@pytest.fixture(scope="module")
def marks():
    return wm.Content(words=40)(wm.load_data("mnist"), n=80, alpha=0.01)


@pytest.fixture(scope="module")
def named(marks):
    return wm.challenge(marks.seal, b"nonce", questions=marks.n, count=20)


@pytest.fixture(scope="module")
def opened(marks, named):
    return wm.open_leaves(marks, named)


def copy_of(marks):
    """Return a service that knows every answer."""
    known = {image.tobytes(): label for image, label in zip(marks.pixels, marks.labels)}
    return lambda images: np.array([known[np.rint(255 * x).astype(np.uint8).tobytes()] for x in images])


def test_a_copy_is_found_even_by_who_does_not_trust_the_owner(marks, named, opened):
    verdict = wm.judge(copy_of(marks), opened, seal=marks.seal, named=named)
    assert (verdict.decision, verdict.k, verdict.n) == ("found", 20, 20)
    assert verdict.p_judge < 0.001  # twenty of twenty pay for 2**48 seals
    assert verdict.answers.queries == 40
    assert not verdict.terms.public_key


def test_it_says_what_verify_says_of_the_same_questions(marks, named, opened):
    rng = np.random.RandomState(0)
    answers = np.where(rng.rand(marks.n) < 0.4, marks.answers, rng.randint(0, 10, marks.n))
    service = copy_of(dataclasses.replace(marks, answers=answers))
    judged = wm.judge(service, opened, seal=marks.seal, named=named)
    owners = wm.verify(service, marks)
    assert np.array_equal(judged.matched, owners.matched[named])
    assert judged.path[-1] == pytest.approx(wm.stats.wealth_path(owners.matched[named], 0.1)[-1])


def test_innocents_are_not_accused(marks, named, opened):
    for innocent in [*wm.null_models("mnist", n=4), wm.load_model("mnist/clean"), wm.load_model("mnist/content")]:
        assert wm.judge(wm.BlackBox(innocent), opened, seal=marks.seal, named=named).decision == "not found"


def test_what_is_not_opened_is_a_miss_and_what_was_not_named_does_not_count(marks, named):
    best = wm.open_leaves(marks, named[:12])
    verdict = wm.judge(copy_of(marks), best, seal=marks.seal, named=named)
    assert (verdict.k, verdict.n, int(verdict.unanswered.sum())) == (12, 20, 8)
    assert verdict.answers.per_question[12:].tolist() == [-1] * 8  # nothing was said of them
    others = [q for q in range(marks.n) if q not in named]
    chosen = wm.open_leaves(marks, [*others, named[0]])
    verdict = wm.judge(copy_of(marks), chosen, seal=marks.seal, named=named)
    assert (verdict.k, verdict.n, verdict.decision) == (1, 20, "cannot tell")


def test_a_service_that_says_nothing_matches_nothing(marks, named, opened):
    for label in (-1, -2, 10):  # also the numbers that stand for "no answer" and "not opened" inside
        verdict = wm.judge(lambda images, s=label: np.full(len(images), s), opened, seal=marks.seal, named=named)
        assert verdict.k == 0
    few = wm.open_leaves(marks, named[:3])
    assert wm.judge(lambda images: np.full(len(images), -2), few, seal=marks.seal, named=named).k == 0


def test_the_family_shares_alpha(marks, named):
    opened = wm.open_leaves(marks, named[:4])
    settings = {"seal": marks.seal, "named": named[:4]}
    assert wm.judge(copy_of(marks), opened, **settings).decision == "found"
    assert wm.judge(copy_of(marks), opened, **settings, family=1000).decision == "cannot tell"


def test_another_seal_is_refused(marks, named, opened):
    later = wm.Content(words=40)(wm.load_data("mnist"), n=80, alpha=0.01)
    with pytest.raises(ValueError, match=r"must come from the published set, seal"):
        wm.judge(copy_of(marks), opened, seal=later.seal, named=named)
    for bad in ("abc", None, marks.seal.upper(), marks.seal[:-1] + "x"):
        with pytest.raises(ValueError, match="seal must be 64 hexadecimal digits"):
            wm.judge(copy_of(marks), opened, seal=bad, named=named)


@pytest.mark.parametrize(
    "rule",
    [{"p0": "1/100"}, {"labels": "fixed"}, {"alpha": "2.0"}, {"alpha": None}, {"answer": "any"}, {"more": 1}],
    ids=str,
)
def test_rules_of_the_owners_own_are_refused(marks, named, opened, rule):
    """He sealed them properly; but what they promise is not what is tested here."""
    header = dict(opened.header) | rule
    with pytest.raises(ValueError, match="the sealed rules must be those of keyed labels"):
        wm.judge(copy_of(marks), dataclasses.replace(opened, header=header), seal=commitment.seal(header), named=named)
    assert Rules(marks.rules.classes, 0.01).header().items() <= marks.header.items()


def test_the_challenge_is_the_same_for_everybody_and_fair(marks):
    seal = marks.seal
    assert wm.challenge(seal, b"a", questions=40, count=20) == wm.challenge(seal, b"a", questions=40, count=20)
    assert wm.challenge(seal, b"a", questions=40, count=20) != wm.challenge(seal, b"b", questions=40, count=20)
    assert wm.challenge(seal, b"a", questions=7, count=7) == list(range(7))
    drawn = [wm.challenge(seal, bytes([i, j]), questions=10, count=3) for i in range(40) for j in range(25)]
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert all(len(set(names)) == 3 for names in drawn)
    assert chisquare(counts).pvalue > 1e-6


@pytest.mark.parametrize(
    ("nonce", "questions", "count", "said"),
    [
        ("text", 30, 5, "nonce"),
        (b"", 30, 5, "nonce"),
        (b"x", 0, 1, "questions"),
        (b"x", 5, 6, "count"),
        (b"x", 5, 0, "c"),
    ],
)
def test_bad_challenges(marks, nonce, questions, count, said):
    with pytest.raises((TypeError, ValueError), match=said):
        wm.challenge(marks.seal, nonce, questions=questions, count=count)


@given(st.text(max_size=70) | st.binary() | st.none(), st.binary(max_size=8) | st.text(max_size=3))
def test_any_seal_and_nonce_give_a_challenge_or_one_sentence(seal, nonce):
    for sealed in (seal, "ab" * 32):
        good = isinstance(sealed, str) and re.fullmatch("[0-9a-f]{64}", sealed) and isinstance(nonce, bytes) and nonce
        if good:
            named = wm.challenge(sealed, nonce, questions=30, count=7)
            assert len(set(named)) == 7
            assert sorted(named) == named
            assert set(named) <= set(range(30))
        else:
            with pytest.raises((TypeError, ValueError), match=r"^(seal|nonce) must be") as caught:
                wm.challenge(sealed, nonce, questions=30, count=7)
            assert "\n" not in str(caught.value)


@given(st.lists(st.integers(-2, 45), max_size=6) | st.lists(st.floats(), max_size=2) | st.text(max_size=3) | st.none())
def test_any_questions_named_are_opened_or_refused_in_one_sentence(marks, named):
    good = isinstance(named, list) and named and all(isinstance(q, int) and 0 <= q < 40 for q in named)
    if good and len(set(named)) == len(named):
        assert wm.open_leaves(marks, named).answers().tolist() == marks.answers[named].tolist()
    else:
        with pytest.raises((TypeError, ValueError), match="named") as caught:
            wm.open_leaves(marks, named)
        assert "\n" not in str(caught.value)


def test_things_that_are_none(marks, named, opened):
    with pytest.raises(TypeError, match="read_opened"):
        wm.judge(copy_of(marks), marks, seal=marks.seal, named=named)
    with pytest.raises(TypeError, match="query"):
        wm.judge("http://x", opened, seal=marks.seal, named=named)
