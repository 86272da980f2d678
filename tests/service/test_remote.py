"""A model behind HTTP: its address, what it is asked, what comes of it, and what is counted."""

import socket
import threading
from pathlib import Path

import numpy as np
import pytest
import tqdm
from faulty_service import (
    CARD,
    INPUT,
    LABELS,
    SCORES,
    FaultyService,
    brightest,
    garbage,
    good,
    reset,
    scores_for,
    silent,
    some_images,
    status,
    text,
    with_data,
)
from hypothesis import given
from hypothesis import strategies as st

from wmlearn.service import _protocol
from wmlearn.service.remote import RemoteModel

BOTH = {**CARD, "outputs": [LABELS, SCORES]}
SCORES_ONLY = {**CARD, "outputs": [SCORES]}


#  the address ------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "/", "/infer", "/infer/"])
def test_address_in_all_its_spellings(end):
    with FaultyService() as service, RemoteModel(service.url + end) as suspect:
        images = some_images(3)
        np.testing.assert_array_equal(suspect(images), brightest(images))
        assert suspect.name == "toy"
        assert service.paths == ["/v2/models/toy", "/v2/models/toy/infer"]


def test_address_with_a_version_keeps_the_name(says):
    says(repr(RemoteModel("https://example.org/x/v2/models/mnist/versions/2")))


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8123/v2/models/mnist",
        "localhost/v2/models/mnist",
        "ftp://host/v2/models/mnist",
        "http:///v2/models/mnist",
        "",
        "http://127.0.0.1:99999/v2/models/mnist",
        "http://[::1/v2/models/mnist",
        "http://127.0.0.1:8123",
    ],
)
def test_bad_address(says, url):
    with says(ValueError):
        RemoteModel(url)


@given(
    st.text(max_size=30) | st.binary(max_size=5) | st.none(),
    st.sampled_from(["", "http://", "https://x/v2/models/"]),
)
def test_any_address_is_one_of_a_model_or_refused_in_one_sentence(end, start):
    url = start + end if isinstance(end, str) else end
    try:
        suspect = RemoteModel(url)
    except (TypeError, ValueError) as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert suspect.url.startswith(("http://", "https://"))
        assert "/v2/models/" in suspect.url


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3))
def test_any_option_is_taken_or_refused_in_one_sentence(value):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    for name, fits in {
        "timeout": number and 0 < value < 3600,
        "retries": isinstance(value, int) and number and 0 <= value <= 20,
        "budget": value is None or (isinstance(value, int) and number and value >= 0),
    }.items():
        if fits:
            RemoteModel("http://127.0.0.1:1/v2/models/m", **{name: value})
        else:
            with pytest.raises((TypeError, ValueError)) as caught:
                RemoteModel("http://127.0.0.1:1/v2/models/m", **{name: value})
            assert "\n" not in str(caught.value)


def test_bad_options(says):
    with says(TypeError):
        RemoteModel(None)
    with says(ValueError):
        RemoteModel("http://x/v2/models/m", timeout=0)
    with says(ValueError):
        RemoteModel("http://x/v2/models/m", retries=-1)


#  what travels -----------------------------------------------------------------------------------


def test_fp32_when_the_metadata_asks():
    card = {**CARD, "inputs": [{**INPUT, "datatype": "FP32"}]}
    with FaultyService(cards=(card,)) as service, RemoteModel(service.url) as suspect:
        images = some_images(3)
        np.testing.assert_array_equal(suspect(images), brightest(images))


def test_batches_split_and_join_in_order(ten_at_once):
    for n in (1, 9, 10, 11, 20, 21):
        with FaultyService() as service, RemoteModel(service.url) as suspect:
            images = some_images(n)
            np.testing.assert_array_equal(suspect(images), brightest(images))
            assert service.asked == [10] * (n // 10) + [n % 10] * (n % 10 > 0)
            assert suspect.queries == n


def test_a_service_of_one_image_at_a_time():
    card = {**CARD, "inputs": [{**INPUT, "shape": [1, 1, 2, 2]}]}
    with FaultyService(cards=(card,)) as service, RemoteModel(service.url) as suspect:
        np.testing.assert_array_equal(suspect(some_images(3)), brightest(some_images(3)))
        assert service.asked == [1, 1, 1]


def test_no_images_no_request():
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        assert suspect(some_images(0)).shape == (0,)
        assert service.paths == []


def test_metadata_asked_once_and_connection_kept():
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        for seed in range(5):
            np.testing.assert_array_equal(
                suspect(some_images(2, seed)), brightest(some_images(2, seed))
            )
        assert service.paths.count("/v2/models/toy") == 1


def test_wrong_shape_is_said_before_anything_is_sent(says):
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        with says(ValueError):
            suspect(some_images(2, shape=(3, 2, 2)))
        assert service.asked == []
        assert suspect.queries == 0


def test_bad_images_before_any_request(says):
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        with says(TypeError):
            suspect(np.zeros((2, 1, 2, 2), np.uint8))
        assert service.paths == []


def test_scores_become_labels_when_the_metadata_promise_scores():
    card = {**CARD, "outputs": [SCORES]}
    with FaultyService(scores_for(), cards=(card,)) as service, RemoteModel(service.url) as suspect:
        images = some_images(7)
        np.testing.assert_array_equal(suspect(images), brightest(images))


def test_labels_out_of_range_pass_as_they_came():
    with FaultyService(with_data([99, -7, 0])) as service, RemoteModel(service.url) as suspect:
        assert suspect(some_images(3)).tolist() == [99, -7, 0]


def test_threads_share_one_box():
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        answers = {}
        threads = [
            threading.Thread(
                target=lambda seed=seed: answers.update({seed: suspect(some_images(3, seed))})
            )
            for seed in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        for seed in range(8):
            np.testing.assert_array_equal(answers[seed], brightest(some_images(3, seed)))
        assert suspect.queries == 24


def test_http_box_without_torch_httpx_loaded_late(run_python):
    code = f"""
import sys, warnings
warnings.simplefilter("error")
sys.modules["torch"] = None
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np
from wmlearn.service.remote import RemoteModel
assert "httpx" not in sys.modules and "starlette" not in sys.modules
from faulty_service import FaultyService
with FaultyService() as service, RemoteModel(service.url) as box:
    print(box(np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)))
"""
    assert run_python(code) == "[0 1 2 3]"


#  faults that stay -------------------------------------------------------------------------------


def test_one_bad_batch_among_good_ones(says, ten_at_once, naps):
    with FaultyService(good, status(400), good) as service, RemoteModel(service.url) as suspect:
        images = some_images(25)
        expected = brightest(images)
        expected[10:20] = -1
        np.testing.assert_array_equal(suspect(images), expected)
        assert (suspect.queries, suspect.n_unreachable, naps) == (25, 10, [])
        assert len(suspect.faults) == 1
        says(suspect.faults[0])


def test_the_first_batch_bad_the_rest_kept(ten_at_once, naps):
    with FaultyService(*[text(b"{}")] * 2) as service, RemoteModel(service.url) as suspect:
        images = some_images(15)
        expected = brightest(images)
        expected[:10] = -1
        np.testing.assert_array_equal(suspect(images), expected)


def test_a_dead_service_is_not_asked_five_times_for_ever(monkeypatch, naps):
    monkeypatch.setattr(_protocol, "QUESTION_BYTES", 1000 + 16)  # one image at a time
    script = [good, *[status(500)] * 17, good, status(500)]
    with FaultyService(*script) as service, RemoteModel(service.url) as suspect:
        labels = suspect(some_images(8))
        # three batches in full, two once, then it is back and its next fault is forgiven again
        assert len(service.asked) == 1 + 3 * 5 + 2 + 1 + 2
        assert (labels == -1).sum() == suspect.n_unreachable == 5
        np.testing.assert_array_equal(labels[6:], brightest(some_images(8))[6:])


def test_unreachable(says, naps):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with RemoteModel(f"http://127.0.0.1:{port}/v2/models/toy") as suspect:
        with says(ConnectionError):
            suspect(some_images(2))
        assert len(naps) == 4
        assert suspect.queries == 0


def test_unknown_host(naps):
    with (
        RemoteModel("http://no-such-host.invalid/v2/models/toy", timeout=2, retries=0) as suspect,
        pytest.raises(ConnectionError),
    ):
        suspect(some_images(1))


def test_silent_from_the_start(says, naps):
    with (
        FaultyService(cards=(silent,)) as service,
        RemoteModel(service.url, timeout=0.1, retries=2) as suspect,
        says(ConnectionError),
    ):
        suspect(some_images(2))


def test_dead_after_the_metadata(says, naps):
    with FaultyService(*[reset] * 9) as service, RemoteModel(service.url) as suspect:
        with says(ConnectionError):
            suspect(some_images(2))
        assert len(service.asked) == 5


NONSENSE = {
    "not HTTP": garbage,
    "HTML": text(b"<html>"),
    "404": status(404),
    "307": status(307, Location="/elsewhere"),
    "list": [1, 2],
    "empty": {},
    "no inputs": {**CARD, "inputs": []},
    "two inputs": {**CARD, "inputs": [INPUT, INPUT]},
    "text input": {**CARD, "inputs": [{**INPUT, "datatype": "BYTES"}]},
    "nameless": {**CARD, "inputs": [{"datatype": "UINT8", "shape": [-1, 1, 2, 2]}]},
    "no lists": {**CARD, "inputs": {}},
    "nameless output": {**CARD, "outputs": [{"datatype": "INT64", "shape": [-1]}]},
    "text output": {**CARD, "outputs": [{**LABELS, "datatype": "BYTES"}]},
}


@pytest.mark.parametrize("card", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_for_metadata(says, card, naps):
    with FaultyService(cards=(card,)) as service, RemoteModel(service.url) as suspect:
        with says(ValueError) as caught:
            suspect(some_images(2))
        assert service.asked == []  # not one trigger was shown
        assert "\n" not in str(caught.value)
        assert len(naps) <= 1


def test_nonsense_for_every_answer(says, naps):
    with FaultyService(*[with_data(["a"])] * 9) as service, RemoteModel(service.url) as suspect:
        with says(ValueError):
            suspect(some_images(2))
        assert (len(service.asked), suspect.n_unreachable) == (2, 2)


def test_a_service_that_dies_later_loses_nothing(naps):
    with FaultyService(good, *[reset] * 5) as service, RemoteModel(service.url) as suspect:
        np.testing.assert_array_equal(suspect(some_images(2)), brightest(some_images(2)))
        np.testing.assert_array_equal(suspect(some_images(2)), [-1, -1])
        assert suspect.n_unreachable == 2


#  budget and counts ------------------------------------------------------------------------------


def test_budget_over_http():
    with FaultyService() as service, RemoteModel(service.url, budget=3) as suspect:
        images = some_images(5)
        np.testing.assert_array_equal(suspect(images), [*brightest(images)[:3], -1, -1])
        assert suspect(images).tolist() == [-1] * 5
        assert (suspect.queries, suspect.refused, suspect.n_unreachable, service.asked) == (
            3,
            7,
            0,
            [3],
        )


def test_budget_is_not_spent_on_retries(naps):
    with (
        FaultyService(status(500), reset) as service,
        RemoteModel(service.url, budget=2) as suspect,
    ):
        np.testing.assert_array_equal(suspect(some_images(2)), brightest(some_images(2)))
        assert suspect.queries == 2


def test_a_token_refused_midway_keeps_what_was_bought_and_shows_no_more(says, ten_at_once, naps):
    with (
        FaultyService(good, *[status(401)] * 9) as service,
        RemoteModel(service.url, token="open-sesame") as suspect,
    ):
        images = some_images(45)
        labels = suspect(images)
        np.testing.assert_array_equal(labels[:10], brightest(images[:10]))
        assert (labels[10:] == -1).all()
        assert (service.asked, naps) == ([10, 10], [])
        assert (suspect.queries, suspect.n_unreachable) == (20, 35)
        assert len(suspect.faults) == 1
        says(suspect.faults[0])
        with pytest.raises(PermissionError):  # a call that gets nothing for it says so
            suspect(images)
        assert service.asked == [10, 10, 10]


def test_a_token_refused_at_the_end_of_the_budget(ten_at_once):
    with (
        FaultyService(good, status(401)) as service,
        RemoteModel(service.url, token="open-sesame", budget=12) as suspect,
    ):
        labels = suspect(some_images(15))
        assert (labels == -1).sum() == suspect.n_unreachable + suspect.refused == 5
        assert suspect.queries == 12


def test_an_interrupt_leaves_the_counts_true(monkeypatch, ten_at_once):
    with FaultyService() as service, RemoteModel(service.url, budget=100) as suspect:

        def interrupted(card, images, name):
            if len(service.asked) == 2:
                raise KeyboardInterrupt
            return write_question(card, images, name)

        write_question = _protocol.write_question
        with monkeypatch.context() as patch:
            patch.setattr(_protocol, "write_question", interrupted)
            with pytest.raises(KeyboardInterrupt):
                suspect(some_images(50))
        # the third batch may have been sent
        assert (service.asked, suspect.queries, suspect.refused) == ([10, 10], 30, 0)
        np.testing.assert_array_equal(suspect(some_images(50)), brightest(some_images(50)))


#  scores -----------------------------------------------------------------------------------------


UNKNOWN = {**CARD, "outputs": [{**SCORES, "shape": [-1, -1]}]}


def pixels_of(images):
    """The oracle: our toy's scores are the pixels of 0 to 255 that it was sent."""
    return np.rint(images * 255).reshape(len(images), -1)


@pytest.mark.parametrize(
    "card", [BOTH, SCORES_ONLY, UNKNOWN], ids=["both", "scores only", "classes unknown"]
)
def test_scores_come_as_they_are(card, ten_at_once):
    with (
        FaultyService(*[scores_for()] * 3, cards=(card,)) as service,
        RemoteModel(service.url, budget=100) as suspect,
    ):
        images = some_images(25)
        scores = suspect.scores(images)
        assert (scores.dtype, scores.shape) == (np.float32, (25, 4))
        np.testing.assert_array_equal(scores, pixels_of(images))
        assert (service.asked, suspect.queries, suspect.n_unreachable) == ([10, 10, 5], 25, 0)


def test_scores_of_a_service_that_gives_labels_only(says):
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        with says(ValueError):
            suspect.scores(some_images(2))
        assert (service.asked, suspect.queries) == ([], 0)
        np.testing.assert_array_equal(suspect(some_images(2)), brightest(some_images(2)))


def test_scores_within_the_budget():
    with (
        FaultyService(scores_for(), cards=(BOTH,)) as service,
        RemoteModel(service.url, budget=3) as suspect,
    ):
        scores = suspect.scores(some_images(5))
        np.testing.assert_array_equal(scores[:3], pixels_of(some_images(5))[:3])
        assert np.isnan(scores[3:]).all()
        assert np.isnan(suspect.scores(some_images(2))).all()
        assert suspect(some_images(2)).tolist() == [-1, -1]  # one budget for labels and scores
        assert (suspect.queries, suspect.refused, service.asked) == (3, 6, [3])


def test_no_images_no_scores():
    with FaultyService(cards=(BOTH,)) as service, RemoteModel(service.url) as suspect:
        assert suspect.scores(some_images(0)).shape == (0, 4)
        assert service.asked == []


BAD_SCORES = {
    "fewer images": scores_for(rows=5),
    "fewer classes": scores_for(classes=2),
    "NaN": scores_for(first=float("nan")),
    "beyond 32 bits": scores_for(first=1e300),
    "text": with_data([["a"] * 4] * 10, "scores"),
    "labels": good,
}


@pytest.mark.parametrize("fault", BAD_SCORES.values(), ids=BAD_SCORES)
@pytest.mark.parametrize("card", [SCORES_ONLY, UNKNOWN], ids=["classes known", "classes learnt"])
def test_a_batch_of_bad_scores_is_reported_and_the_others_kept(
    says, fault, card, ten_at_once, naps
):
    script = [scores_for(), fault, fault, scores_for()]
    with FaultyService(*script, cards=(card,)) as service, RemoteModel(service.url) as suspect:
        images = some_images(25)
        scores = suspect.scores(images)
        expected = pixels_of(images)
        expected[10:20] = np.nan
        np.testing.assert_array_equal(scores, expected)
        assert (suspect.queries, suspect.n_unreachable, len(suspect.faults)) == (25, 10, 1)
        says(suspect.faults[0])


def test_scores_that_never_come(says, naps):
    with (
        FaultyService(*[status(500)] * 5, cards=(BOTH,)) as service,
        RemoteModel(service.url) as suspect,
    ):
        with says(ConnectionError):
            suspect.scores(some_images(2))
        assert suspect.n_unreachable == 2


#  the progress bar -------------------------------------------------------------------------------


@pytest.fixture
def bars(monkeypatch, ten_at_once):
    """What the progress bars were told."""
    told = []

    class Bar(tqdm.tqdm):
        def __init__(self, **options):
            told.append(options)
            super().__init__(**{**options, "disable": True})

    monkeypatch.setattr("wmlearn._progress.tqdm", Bar)
    return told


def show_bars(monkeypatch) -> None:
    for name in ("TQDM_DISABLE", "PYTEST_VERSION", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)


def test_a_bar_for_many_requests(bars, monkeypatch):
    show_bars(monkeypatch)
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        suspect(some_images(11))
        suspect(some_images(10))  # one request: there is nothing to show
        monkeypatch.setenv("TQDM_DISABLE", "1")
        suspect(some_images(11))
        monkeypatch.delenv("TQDM_DISABLE")
        thread = threading.Thread(target=suspect, args=(some_images(11),))
        thread.start()
        thread.join()
    assert [bar["disable"] for bar in bars] == [False, True, True, True]
    assert (bars[0]["total"], bars[0]["desc"], bars[0]["delay"]) == (11, "asking toy", 1)
    assert (bars[0]["unit"], bars[0]["leave"]) == ("image", False)


@pytest.mark.parametrize(("step", "shown"), [(0.001, False), (0.7, True)])
def test_the_bar_shows_only_what_takes_time(step, shown, monkeypatch, capsys, ten_at_once):
    clock = iter(np.arange(0, 1e4, step))
    monkeypatch.setattr("tqdm.std.time", lambda: float(next(clock)))
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)
    show_bars(monkeypatch)
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        np.testing.assert_array_equal(suspect(some_images(45)), brightest(some_images(45)))
    replies = capsys.readouterr()
    assert replies.out == ""
    assert ("asking toy" in replies.err) == shown
    assert bool(replies.err) == shown
