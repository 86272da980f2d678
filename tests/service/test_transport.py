"""One exchange with a service that fails: what is asked again, and when it is cut off."""

import contextlib
import datetime
import itertools
import logging
import threading
import traceback

import numpy as np
import pytest
from faulty_service import (
    CARD,
    STUCK,
    FaultyService,
    banner,
    brightest,
    closed_midway,
    drip,
    endless,
    garbage,
    good,
    reset,
    reset_midway,
    silent,
    some_images,
    status,
    text,
    with_data,
)

from wmlearn.service import _protocol, _transport, blackbox
from wmlearn.service.remote import RemoteModel

TOKEN = "open-sesame-81"


#  faults that pass -------------------------------------------------------------------------------


PASSING = {
    "reset": (reset, 4),
    "reset midway": (reset_midway, 4),
    "closed midway": (closed_midway, 4),
    "one line": (banner, 4),
    "500": (status(500), 4),
    "502": (status(502), 4),
    "truncated JSON": (text(b'{"outputs": [{"name": "lab'), 1),
    "HTML": (text(b"<html>hello</html>"), 1),
    "not UTF-8": (text(b"\xff\xfe\xfa"), 1),
    "deep JSON": (text(b"[" * 200_000), 1),
    "other JSON": (text(b"[1, 2, 3]"), 1),
    "wrong number": (with_data([1]), 1),
    "labels as text": (with_data(["1", "2"]), 1),
    "scores for labels": (with_data([[0.1, 0.9], [0.3, 0.7]]), 1),
    "wrong output": (with_data([1, 2], name="logits"), 1),
    "not HTTP": (garbage, 1),
}


@pytest.mark.parametrize(("fault", "forgiven"), PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_costs_nothing(fault, forgiven, naps):
    with FaultyService(*[fault] * forgiven) as service, RemoteModel(service.url) as suspect:
        images = some_images(2)
        np.testing.assert_array_equal(suspect(images), brightest(images))
        assert service.asked == [2] * (forgiven + 1)
        assert (suspect.queries, suspect.n_unreachable, suspect.faults) == (2, 0, [])
        assert naps == [0.1, 0.2, 0.4, 0.8][:forgiven]


@pytest.mark.parametrize(("fault", "forgiven"), PASSING.values(), ids=PASSING)
def test_the_same_fault_once_too_often(says, fault, forgiven, naps):
    with (
        FaultyService(good, *[fault] * (forgiven + 1)) as service,
        RemoteModel(service.url) as suspect,
    ):
        images = some_images(2)
        suspect(images)
        np.testing.assert_array_equal(suspect(images), [-1, -1])
        assert service.asked == [2] * (forgiven + 2)
        assert (suspect.queries, suspect.n_unreachable) == (4, 2)
        assert len(suspect.faults) == 1
        says(suspect.faults[0])
        np.testing.assert_array_equal(suspect(images), brightest(images))  # and it goes on


def test_pauses_double_up_to_two_seconds(naps):
    with (
        FaultyService(*[status(500)] * 7) as service,
        RemoteModel(service.url, retries=7) as suspect,
    ):
        suspect(some_images(1))
    np.testing.assert_allclose(naps, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])


NOON = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("header", "nap"),
    [
        ("3", 3),
        ("2.5", 2.5),
        ("0", 0.1),  # whoever says so again and again is asked less and less often
        ("600", 60),
        ("-5", 0.1),
        ("nan", 0.1),
        ("inf", 0.1),
        ("soon", 0.1),
        ("Sun, 29 Nov 2026 12:00:30 GMT", 30),
        ("Sun, 29 Nov 2026 12:00:30 -0000", 30),
        ("Sun, 29 Nov 2026 14:00:30 +0200", 30),
        ("Sunday, 29-Nov-26 12:00:30 GMT", 30),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.1),  # has passed
        ("Mon, 30 Nov 2026 12:00:00 GMT", 60),
        ("Sun, 99 Nov 2026 12:00:30 GMT", 0.1),
    ],
)
@pytest.mark.parametrize("code", [429, 500, 503])
def test_retry_after(code, header, nap, naps, monkeypatch):
    monkeypatch.setattr(_transport, "now", NOON.timestamp)
    with (
        FaultyService(status(code, Retry_After=header)) as service,
        RemoteModel(service.url) as suspect,
    ):
        np.testing.assert_array_equal(suspect(some_images(1)), brightest(some_images(1)))
    assert naps == [nap]


@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_service_is_waited_for_a_minute_and_no_longer(says, code, naps):
    """A model takes half a minute to load (Knative, KServe): that is no lost answer."""
    with (
        FaultyService(*[status(code)] * 16, good, *[status(code)] * 40) as service,
        RemoteModel(service.url) as suspect,
    ):
        images = some_images(2)
        np.testing.assert_array_equal(suspect(images), brightest(images))
        assert naps == [0.1, 0.2, 0.4, 0.8, 1.6] + [2.0] * 11
        naps.clear()
        assert suspect(images).tolist() == [-1, -1]
        assert sum(naps) == pytest.approx(60)
        assert len(service.asked) == 17 + 35
        says(suspect.faults[0])


def test_what_is_waited_for_does_not_count_among_the_retries(says, naps):
    """One model that loads, then breaks: each fault has its own limit."""
    loading, broken = status(503, Retry_After="20"), status(500)
    with (
        FaultyService(loading, broken, loading, *[broken] * 9) as service,
        RemoteModel(service.url, retries=2) as suspect,
    ):
        suspect.connect()
        with says(ConnectionError):
            suspect(some_images(2))
        assert naps == [20, 0.2, 20, 0.8]
        assert service.asked == [2] * 5


def test_whoever_asks_once_waits_for_nobody(naps):
    with (
        FaultyService(good, status(503, Retry_After="1")) as service,
        RemoteModel(service.url, retries=0) as suspect,
    ):
        suspect(some_images(1))
        assert suspect(some_images(1)).tolist() == [-1]
        assert (naps, service.asked) == ([], [1, 1])


def test_a_dead_service_is_waited_for_three_times_and_no_more(monkeypatch, naps):
    monkeypatch.setattr(_protocol, "QUESTION_BYTES", 1000 + 16)  # one image at a time
    with FaultyService(good, *[status(503)] * 500) as service, RemoteModel(service.url) as suspect:
        assert (suspect(some_images(50)) == -1).sum() == 49
        assert sum(naps) == pytest.approx(180)
        assert len(service.asked) == 1 + 3 * 35 + 46


def test_faults_in_the_metadata_pass_too(naps):
    unready = status(503)
    with (
        FaultyService(cards=(unready, unready, text(b"{"), CARD)) as service,
        RemoteModel(service.url) as suspect,
    ):
        np.testing.assert_array_equal(suspect(some_images(2)), brightest(some_images(2)))
        assert (len(naps), suspect.queries) == (3, 2)


def test_the_first_valid_answer_counts(naps):
    """A service that changes its answers: what came broken does not count, what came whole is never
    asked again.
    """
    twos, threes = with_data([2, 2]), with_data([3, 3])
    for broken in (
        reset_midway,
        with_data([1, 1, 1]),
        with_data(["1", "1"]),
        status(429, Retry_After="0"),
    ):
        with FaultyService(broken, twos, threes) as service, RemoteModel(service.url) as suspect:
            assert suspect(some_images(2)).tolist() == [2, 2]
            assert (service.asked, suspect.queries) == ([2, 2], 2)
            # a new question, a new answer: as it came
            assert suspect(some_images(2)).tolist() == [3, 3]


#  the deadline, and other bounds -----------------------------------------------------------------


@pytest.mark.parametrize(
    "slow",
    [
        silent,
        drip(b"HTTP/1.1 200 OK\r\nX: "),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
    ],
    ids=["silent", "dripping head", "dripping body"],
)
def test_time_out_bounds_the_whole_exchange(says, slow, naps, cut_when_stuck):
    """Also where httpx's own would not: it bounds each read, and each byte that drips is one."""
    with (
        FaultyService(good, slow, slow) as service,
        RemoteModel(service.url, timeout=60, retries=1) as suspect,
    ):
        images = some_images(2)
        suspect(images)
        np.testing.assert_array_equal(suspect(images), [-1, -1])
        assert len(suspect.faults) == 1
        says(suspect.faults[0])
        np.testing.assert_array_equal(suspect(images), brightest(images))


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(monkeypatch, cut_when_stuck):
    """The late one is written while its question is asked again, or later; nothing of it may be
    read as an answer.
    """
    wrong, gone, written = with_data([9, 9]), threading.Event(), threading.Event()

    def late(handler):
        STUCK.set()
        gone.wait(30)
        with contextlib.suppress(OSError):  # nobody may be listening any more
            wrong(handler)
        written.set()

    def sleep(_):
        gone.set()
        assert written.wait(30)

    monkeypatch.setattr(blackbox, "sleep", sleep)
    with FaultyService(good, late) as service, RemoteModel(service.url, timeout=60) as suspect:
        for seed in (0, 1, 0, 1, 2):
            images = some_images(2, seed)
            np.testing.assert_array_equal(suspect(images), brightest(images))
        assert (suspect.queries, suspect.n_unreachable) == (10, 0)
        assert service.asked == [2] * 6  # the late one was asked again, no other


def test_an_endless_answer_is_cut_off(says, monkeypatch, naps):
    monkeypatch.setattr(_transport, "ANSWER_BYTES", 3_000_000)
    with FaultyService(good, endless, endless) as service, RemoteModel(service.url) as suspect:
        suspect(some_images(1))
        assert suspect(some_images(1)).tolist() == [-1]
        says(suspect.faults[0])


def test_a_refusal_is_quoted_briefly(naps):
    long = lambda handler: handler.send_json({"error": "x" * 5000}, 400)  # noqa: E731
    with FaultyService(good, long) as service, RemoteModel(service.url) as suspect:
        suspect(some_images(1))
        suspect(some_images(1))
        assert len(suspect.faults[0]) < 300


#  the connection ---------------------------------------------------------------------------------


def test_closed_box_opens_again():
    with FaultyService() as service:
        suspect = RemoteModel(service.url)
        suspect(some_images(1))
        suspect.close()
        suspect.close()
        np.testing.assert_array_equal(suspect(some_images(2)), brightest(some_images(2)))
        suspect.close()


def test_forgotten_box_closes_its_connection():
    with FaultyService() as service:
        suspect = RemoteModel(service.url)
        suspect(some_images(1))
        assert not service.hung_up.is_set()
        del suspect
        assert service.hung_up.wait(10)


#  the token --------------------------------------------------------------------------------------


def test_the_token_travels_with_every_request():
    with FaultyService() as service:
        with RemoteModel(service.url, token=TOKEN) as suspect:
            np.testing.assert_array_equal(suspect(some_images(2)), brightest(some_images(2)))
        assert service.tokens == [f"Bearer {TOKEN}"] * 2
        with RemoteModel(service.url) as suspect:
            suspect(some_images(2))
        assert service.tokens[2:] == [None] * 2


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_refused_token_is_one_sentence_at_once(says, code, token, naps):
    for cards, script, asked in [((status(code),), [], 0), ((CARD,), [status(code)] * 9, 1)]:
        with (
            FaultyService(*script, cards=cards) as service,
            RemoteModel(service.url, token=token) as suspect,
        ):
            with says(PermissionError):
                suspect(some_images(2))
            assert (naps, len(service.paths), suspect.queries) == ([], 1 + asked, 2 * asked)


SECRETS = {
    "Host": "models.example",
    "x-api-key": "key-of-jane-5521",
    "Cookie": "session=c00kie-of-jane; theme=dark",
    "Authorization": "Basic amFuZTpvcGVu",
}


def quoting(words, code):
    return lambda handler: handler.send_json({"error": words}, code)


def test_headers_travel_with_every_request_and_are_nowhere_to_be_read(naps):
    """Those that nobody may see are quoted back whole, and in parts."""
    seen = []
    quoted = [*SECRETS.values(), "c00kie-of-jane has expired", "amFuZTpvcGVu is unknown"]
    for words, code in itertools.product(quoted, (400, 401, 503)):
        with FaultyService(*[quoting(words, code)] * 40) as service:
            suspect = RemoteModel(service.url, headers=SECRETS)
            with pytest.raises((OSError, ValueError)) as caught:
                suspect(some_images(1))
            seen += [*traceback.format_exception(caught.value), repr(suspect)]
            seen += [str(vars(suspect)), *suspect.faults]
        assert len(service.headers) >= 2
        for sent in service.headers:
            assert {name: sent[name] for name in SECRETS} == SECRETS
            assert sent["content-type"] == "application/json"
    for secret in ("models.ex", "jane", "amFuZT"):
        assert not [entry for entry in seen if secret in entry]
    assert any("…" in entry for entry in seen)


def test_the_token_is_nowhere_to_be_read(naps, caplog):
    """A refusal that quotes the token back, and every error of the way, with the texts of the
    tracebacks.
    """
    caplog.set_level(logging.DEBUG)
    words = "x" * 195 + f"{TOKEN} is unknown"
    echo = lambda handler: handler.send_json({"error": words}, 401)  # noqa: E731
    seen = [repr(RemoteModel("http://127.0.0.1:1/v2/models/toy", token=TOKEN))]
    for cards, script in [
        ((echo,), ()),
        ((CARD,), (echo,)),
        ((CARD,), [reset] * 9),
        ((CARD,), [text(b"{")] * 9),
        ((garbage,), ()),
    ]:
        with (
            FaultyService(*script, cards=cards) as service,
            RemoteModel(service.url, token=TOKEN) as suspect,
        ):
            with pytest.raises((OSError, ValueError)) as caught:
                suspect(some_images(1))
            seen += traceback.format_exception(caught.value)
            seen += [repr(suspect), str(vars(suspect)), *suspect.faults]
    assert len(seen) >= 15
    assert not [entry for entry in [*seen, caplog.text] if "open-se" in entry]
    assert any("…" in entry for entry in seen)


@pytest.mark.parametrize(
    "token", ["", "two words", "open-sesame\n", "Schlüssel", b"open-sesame", 7, ["open-sesame"]]
)
def test_bad_tokens_are_not_shown(says, token):
    with says((TypeError, ValueError)) as caught:
        RemoteModel("http://x/v2/models/m", token=token)
    assert "sesame" not in str(caught.value)
    assert isinstance(caught.value, ValueError) == isinstance(token, str)


@pytest.mark.parametrize(
    "url", ["http://models.example/v2/models/m", "http://192.168.0.7:8000/v2/models/m"]
)
def test_a_token_in_the_clear_is_warned_of_once(says, url):
    with says(UserWarning) as caught:
        RemoteModel(url, token=TOKEN)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert TOKEN not in str(caught[0].message)


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1", "http://localhost:1", "http://[::1]:1", "https://models.example"]
)
def test_a_token_that_nobody_can_read_is_sent_without_a_word(host):
    RemoteModel(f"{host}/v2/models/m", token=TOKEN)  # a warning would be an error here
    RemoteModel("http://models.example/v2/models/m")
