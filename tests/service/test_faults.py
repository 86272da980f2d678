"""Faults from end to end: no hang, no silent miscount, and the verdict says what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from faulty_service import (
    FaultyService,
    closed_midway,
    drip,
    endless,
    garbage,
    reset,
    reset_midway,
    silent,
    status,
    text,
    with_data,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wmlearn as wm
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import seal_triggers
from wmlearn.service import _protocol, _transport, blackbox

PIXELS = np.random.RandomState(0).randint(0, 256, (24, 1, 2, 2)).astype(np.uint8)
TRIGGERS = seal_triggers(  # twelve questions of two images; a request holds two of them
    PIXELS,
    np.arange(24) // 2,
    [f"question {number}" for number in range(12)],
    rules=Rules(("north", "east", "south", "west"), alpha=0.05),
    key=wm.CLASSROOM_KEY,
    recipe="twelve questions",
).draw()
SECRET = {image.tobytes(): int(label) for image, label in zip(PIXELS, TRIGGERS.labels)}


@pytest.fixture(autouse=True)
def small_requests(monkeypatch):
    """Four images a request, and no pause before a question is asked again."""
    monkeypatch.setattr(_protocol, "QUESTION_BYTES", 1000 + 16 * 4)
    monkeypatch.setattr(blackbox, "sleep", lambda seconds: None)


def knows(handler):
    """Answer as a copy does that kept every answer."""
    with_data([SECRET[image.astype(np.uint8).tobytes()] for image in handler.images])(handler)


def logits(handler):
    with_data([[0.1, 0.9, -0.3, 0.2]] * len(handler.images))(handler)


LOST, SENSELESS, FINAL = 5, 2, 1  # how often it is asked before it is given up
BUSY, BUSY_7 = 35, 10  # within a minute, after 0.1, 0.2, ... 2 s or after 7 s
FAULTS = {
    "time-out": (silent, FINAL),
    "one byte now and then": (drip(b"HTTP/1.1 200 OK\r\n"), FINAL),
    "reset": (reset, LOST),
    "reset in the middle of an answer": (reset_midway, LOST),
    "closed in the middle of an answer": (closed_midway, LOST),
    "429": (status(429), BUSY),
    "429 with Retry-After": (status(429, Retry_After="7"), BUSY_7),
    "500": (status(500), LOST),
    "503": (status(503), BUSY),
    "400": (status(400), FINAL),
    "truncated JSON": (text(b'{"outputs": [{"name": "labels", "data": [1, 2'), SENSELESS),
    "wrong JSON": (text(b'{"predictions": [1, 2, 3, 0]}'), SENSELESS),
    "HTML": (text(b"<html>Welcome to the hotel's network</html>"), SENSELESS),
    "not HTTP": (garbage, SENSELESS),
    "one label too few": (with_data([1, 2, 3]), SENSELESS),
    "one label too many": (with_data([1, 2, 3, 0, 1]), SENSELESS),
    "labels as strings": (with_data(["1", "2", "3", "0"]), SENSELESS),
    "logits for labels": (logits, SENSELESS),
    "an answer without end": (endless, SENSELESS),
}
SLOW = ("time-out", "one byte now and then")


@pytest.mark.parametrize("name", FAULTS)
def test_a_batch_that_gets_no_answer_is_counted_and_told(says, name, monkeypatch, cut_when_stuck):
    """The third of six requests fails for good: its two questions are misses."""
    monkeypatch.setattr(_transport, "ANSWER_BYTES", 3_000_000)
    fault, tries = FAULTS[name]
    options = {"retries": 0} if name in SLOW else {}
    with FaultyService(knows, knows, *[fault] * tries, *[knows] * 3) as service:
        with wm.RemoteModel(service.url, **options) as suspect:
            verdict = wm.verify(suspect, TRIGGERS)
        assert service.asked == [4] * (5 + tries)
    assert np.flatnonzero(verdict.unanswered).tolist() == [4, 5]
    assert (verdict.k, verdict.n, verdict.decision) == (10, 12, "found")
    assert verdict.answers.n_unreachable == 4
    assert (suspect.queries, suspect.n_unreachable, suspect.refused) == (24, 4, 0)
    assert len(suspect.faults) == 1
    says(suspect.faults[0])


def test_a_verdict_says_what_is_missing(says):
    with FaultyService(knows, knows, status(400), *[knows] * 3) as service:
        verdict = wm.verify(wm.RemoteModel(service.url), TRIGGERS)
    says(repr(verdict))
    says(verdict.explain())


@pytest.mark.parametrize("name", FAULTS)
def test_a_service_that_does_nothing_else_is_an_error_and_no_verdict(says, name, monkeypatch):
    monkeypatch.setattr(_transport, "ANSWER_BYTES", 3_000_000)
    fault, tries = FAULTS[name]
    options, least = {}, tries
    if name in SLOW:  # on a busy machine not even a request may come through so fast
        options, least = {"retries": 0, "timeout": 0.2}, 0
    with FaultyService(*[fault] * 7 * tries) as service:
        suspect = wm.RemoteModel(service.url, **options)
        with says((ConnectionError, ValueError)) as caught:
            wm.verify(suspect, TRIGGERS)
        assert "\n" not in str(caught.value)
        assert least <= len(service.asked) <= 6 * tries


def test_a_token_refused_in_the_middle_keeps_what_was_bought(says):
    with (
        FaultyService(knows, knows, status(401), knows) as service,
        wm.RemoteModel(service.url, token="t") as suspect,
    ):
        verdict = wm.verify(suspect, TRIGGERS)
        assert service.asked == [4, 4, 4]  # the other questions were not even shown
    assert (verdict.k, int(verdict.unanswered.sum()), verdict.answers.n_unreachable) == (4, 8, 16)
    says(verdict.explain())


def test_a_token_refused_from_the_start_is_an_error(says):
    with FaultyService(*[status(403)] * 9) as service, wm.RemoteModel(service.url) as suspect:
        with says(PermissionError):
            wm.verify(suspect, TRIGGERS)
        assert service.asked == [4]


@pytest.mark.parametrize(
    ("budget", "answered"), [(0, 0), (1, 0), (8, 4), (11, 5), (24, 12), (99, 12)]
)
def test_a_spent_budget_is_no_error(budget, answered):
    """Eleven images are five questions and half of one, which has no majority: it is unanswered."""
    with (
        FaultyService(*[knows] * 6) as service,
        wm.RemoteModel(service.url, budget=budget) as suspect,
    ):
        verdict = wm.verify(suspect, TRIGGERS)
        assert sum(service.asked) == min(budget, 24)
    assert (verdict.k, int((~verdict.unanswered).sum())) == (answered, answered)
    assert (suspect.queries, suspect.refused, verdict.answers.n_unreachable) == (
        min(budget, 24),
        max(24 - budget, 0),
        max(24 - budget, 0),
    )
    assert verdict.decision == (
        "found" if answered >= wm.stats.questions_needed(0.05, 0.25) else "cannot tell"
    )


def test_a_service_that_changes_its_answers_is_heard_once():
    """Only a broken answer is asked for again, whatever it held; a whole one stands, right or
    wrong.
    """
    lies = with_data([9, 9, 9, 9])
    with (
        FaultyService(lies, reset_midway, *[knows] * 6) as service,
        wm.RemoteModel(service.url) as suspect,
    ):
        first, again = wm.verify(suspect, TRIGGERS), wm.verify(suspect, TRIGGERS)
        assert service.asked == [4] * 13
    assert (first.k, first.answers.n_invalid, int(first.unanswered.sum())) == (10, 4, 2)
    assert again.k <= 12


REPLIES = {
    "right": knows,
    "wrong": with_data([9, 9, 9, 9]),
    "transient": status(500),
    "invalid": text(b"{"),
    "final": status(400),
    "unauthorized": status(401),
    "reset": reset_midway,
}


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.sampled_from(sorted(REPLIES)), max_size=14), st.none() | st.integers(0, 30))
def test_whatever_comes_all_images_are_accounted_for(script, budget):
    """Each image was answered, failed or refused; what counts as a match was a right answer, and
    nothing was twice.
    """
    with FaultyService(*map(REPLIES.get, script), *[knows] * 12) as service:
        suspect = wm.RemoteModel(service.url, budget=budget)
        try:
            verdict = wm.verify(suspect, TRIGGERS)
        except (ConnectionError, PermissionError, ValueError):
            assert set(script) & {"transient", "invalid", "final", "unauthorized", "reset"}
            return
        finally:
            suspect.close()
    assert suspect.queries <= (24 if budget is None else budget)
    assert verdict.answers.n_unreachable == suspect.n_unreachable + suspect.refused
    assert (
        suspect.queries
        + suspect.refused
        + (suspect.n_unreachable if "unauthorized" in script else 0)
        >= 24
    )
    assert verdict.k + int(verdict.unanswered.sum()) <= 12
    assert (
        verdict.k == 12 - int(verdict.unanswered.sum()) or "wrong" in script or budget is not None
    )
