import contextlib
import json
import logging
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch
import tqdm.auto
from faulty_service import (
    CARD,
    INPUT,
    LABELS,
    SCORES,
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
    scores_for,
    silent,
    status,
    text,
    with_data,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wmlearn.service import _protocol, _transport
from wmlearn.service._protocol import (
    ModelCard,
    batch_size,
    read_card,
    read_labels,
    read_scores,
    write_question,
)
from wmlearn.service._transport import Fault
from wmlearn.service.blackbox import BlackBox
from wmlearn.service.remote import RemoteModel


@pytest.fixture
def naps(monkeypatch):
    """Pauses are written down, not slept."""
    taken = []
    monkeypatch.setattr(_transport, "_sleep", taken.append)
    return taken


def some_images(n, seed=0, shape=(1, 2, 2)):
    rng = np.random.RandomState(seed)
    return (rng.randint(0, 256, (n, *shape)) / 255).astype(np.float32)


class Net(nn.Module):
    """Dropout, batch norm and weights: everything that evaluation mode changes."""

    def __init__(self, shape=(1, 2, 2), classes=4):
        super().__init__()
        self.input_shape = shape
        size = int(np.prod(shape))
        self.layers = nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(size), nn.Dropout(0.5), nn.Linear(size, classes)
        )

    def forward(self, images):
        return self.layers(images)


#  BlackBox ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 1023, 1024, 1025, 2500])
def test_blackbox_answers_what_the_model_answers(n):
    model = Net().eval()
    images = some_images(n)
    suspect = BlackBox(model)
    labels = suspect(images)
    expected = model(torch.tensor(images)).argmax(1).numpy() if n else np.empty(0)
    assert labels.dtype == np.int64
    assert labels.shape == (n,)
    np.testing.assert_array_equal(labels, expected)
    assert (suspect.queries, suspect.refused) == (n, 0)


def test_blackbox_leaves_mode_weights_and_rng_alone():
    model = Net().train()
    model.layers[2].eval()  # a mode that is neither all training nor all evaluation
    modes = [part.training for part in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()
    images = some_images(50)
    labels = BlackBox(model)(images)
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    np.testing.assert_array_equal(
        labels, BlackBox(model.eval())(images)
    )  # dropout was off, batch norm fixed


def test_blackbox_never_switches_the_mode_even_for_a_moment(says):
    modes = []

    class Spy(nn.Flatten):
        def train(self, mode=True):
            modes.append((id(self), mode))
            return super().train(mode)

        def forward(self, images):
            if len(images) == 3:
                raise RuntimeError("three is too many")
            return super().forward(images)

    model = Spy()
    BlackBox(model)(some_images(2))
    with says(ValueError):
        BlackBox(model)(some_images(3))
    assert model.training
    assert id(model) not in [who for who, _ in modes]


def test_blackbox_budget_gives_minus_one_and_counts():
    suspect = BlackBox(nn.Flatten(), budget=5)
    images = some_images(4)
    np.testing.assert_array_equal(suspect(images), brightest(images))
    np.testing.assert_array_equal(suspect(images), [brightest(images)[0], -1, -1, -1])
    np.testing.assert_array_equal(suspect(images), [-1] * 4)
    assert (suspect.queries, suspect.refused) == (5, 7)
    assert BlackBox(nn.Flatten(), budget=0)(images).tolist() == [-1] * 4


def test_blackbox_tells_scores_where_it_is_told_to():
    images, model = some_images(5), Net().eval()
    suspect = BlackBox(model, budget=3, scores=True)
    message = suspect.scores(images)
    with torch.no_grad():
        assert np.allclose(message[:3], model(torch.tensor(images[:3])).softmax(1).numpy())
    assert np.isnan(message[3:]).all()
    assert (message.dtype, suspect.queries, suspect.refused) == (np.float32, 3, 2)
    assert (suspect(images) == -1).all()


def test_blackbox_keeps_its_scores_to_itself_by_default(says):
    with says(ValueError):
        BlackBox(Net()).scores(some_images(1))
    with says(TypeError):
        BlackBox(Net(), scores="yes")


def test_blackbox_takes_read_only_and_noncontiguous_images():
    images = some_images(6)[::2]
    images.flags.writeable = False
    np.testing.assert_array_equal(BlackBox(nn.Flatten())(images), brightest(images))


def test_blackbox_shared_by_threads_counts_exactly():
    suspect = BlackBox(nn.Flatten(), budget=90)
    images = some_images(10)
    threads = [threading.Thread(target=suspect, args=(images,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (suspect.queries, suspect.refused) == (90, 30)


def test_blackbox_repr():
    suspect = BlackBox(Net())
    assert repr(suspect) == "BlackBox(Net, 0 images asked)"
    suspect(some_images(1))
    assert repr(suspect) == "BlackBox(Net, 1 image asked)"


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (np.zeros((2, 1, 2, 2), np.uint8), TypeError, "Divide 8-bit pixels by 255"),
        (np.zeros((2, 2, 2), np.float32), ValueError, "shape"),
        (np.full((2, 1, 2, 2), 2.0), ValueError, r"\[0, 1\]"),
        (np.full((2, 1, 2, 2), np.nan), ValueError, "NaN"),
        (np.zeros((2, 3, 2, 2)), ValueError, r"\(n, 1, 2, 2\)"),
    ],
)
def test_blackbox_bad_images(images, error, words):
    suspect = BlackBox(Net())
    with pytest.raises(error, match=words):
        suspect(images)
    assert suspect.queries == 0


def test_blackbox_bad_models(says):
    class Marked:
        model = Net()

    with says(TypeError):
        BlackBox(Marked())
    with says(TypeError):
        BlackBox(brightest)
    with says(ValueError):
        BlackBox(nn.Identity())(some_images(2))
    with says(ValueError):
        BlackBox(Net(), budget=-1)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            nn.Sequential(nn.Flatten(), nn.Linear(9, 3)),
            "model must take images of shape (n, 1, 2, 2); Sequential failed",
        ),
        (nn.LSTM(2, 2), "model must take images of shape (n, 1, 2, 2); LSTM failed on them: "),
        (
            nn.Unflatten(1, (1, 1)),
            "model must return scores of shape (2, classes) for 2 images; got (2, 1, 1, 2, 2).",
        ),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.GRU(3, 3)),
            "model must return scores of shape (2, classes)",
        ),
    ],
    ids=["first layer", "another kind of input", "no scores", "two outputs"],
)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_blackbox_says_that_a_network_of_ones_own_does_not_fit(says, model, message):
    with says(ValueError) as caught:
        BlackBox(model)(some_images(2))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


#  RemoteModel: the address -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "/", "/infer", "/infer/"])
def test_address_in_all_its_spellings(end):
    with FaultyService() as service, RemoteModel(service.url + end) as suspect:
        images = some_images(3)
        np.testing.assert_array_equal(suspect(images), brightest(images))
        assert repr(suspect) == "RemoteModel('toy')"
        assert service.paths == ["/v2/models/toy", "/v2/models/toy/infer"]


def test_address_with_a_version_keeps_the_name():
    assert (
        repr(RemoteModel("https://example.org/x/v2/models/mnist/versions/2"))
        == "RemoteModel('mnist')"
    )


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("127.0.0.1:8123/v2/models/mnist", "Begin it with http://"),
        ("localhost/v2/models/mnist", "Begin it with http://"),
        ("ftp://host/v2/models/mnist", "Begin it with http://"),
        ("http:///v2/models/mnist", "Begin it with http://"),
        ("", "Begin it with http://"),
        ("http://127.0.0.1:99999/v2/models/mnist", "Port out of range"),
        ("http://[::1/v2/models/mnist", "Invalid IPv6"),
        ("http://127.0.0.1:8123", "Add /v2/models/"),
    ],
)
def test_bad_address(says, url, hint):
    with says(ValueError) as caught:
        RemoteModel(url)
    assert hint in str(caught.value)


@given(
    st.text(max_size=30) | st.binary(max_size=5) | st.none(),
    st.sampled_from(["", "http://", "https://x/v2/models/"]),
)
def test_any_address_is_one_of_a_model_or_refused_in_one_sentence(end, start):
    url = start + end if isinstance(end, str) else end
    try:
        suspect = RemoteModel(url)
    except (TypeError, ValueError) as error:
        message = str(error)
        assert message.startswith("expected a model's address like")
        assert "\n" not in message
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
            with pytest.raises((TypeError, ValueError), match=rf"^{name}.* must be") as caught:
                RemoteModel("http://127.0.0.1:1/v2/models/m", **{name: value})
            assert "\n" not in str(caught.value)


def test_bad_options(says):
    with says(TypeError):
        RemoteModel(None)
    with says(ValueError):
        RemoteModel("http://x/v2/models/m", timeout=0)
    with says(ValueError):
        RemoteModel("http://x/v2/models/m", retries=-1)


#  RemoteModel: what travels ----------------------------------------------------------------------------------------


def test_uint8_travels_as_whole_numbers():
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), "labels", None)
    sent = json.loads(
        write_question(card, np.array([0, 0.5, 1, 0.25], np.float32).reshape(1, 1, 2, 2))
    )
    expected = {
        "name": "images",
        "shape": [1, 1, 2, 2],
        "datatype": "UINT8",
        "data": [0, 128, 255, 64],
    }
    assert sent == {"inputs": [expected]}
    assert all(type(number) is int for number in sent["inputs"][0]["data"])


@settings(deadline=None)
@given(st.lists(st.integers(0, 255), min_size=4, max_size=40))
def test_quantised_pixels_survive_the_journey_exactly(pixels):
    pixels = np.array(pixels[: len(pixels) // 4 * 4], np.uint8).reshape(-1, 1, 2, 2)
    images = pixels.astype(np.float32) / 255
    for datatype, scale in (("UINT8", 255), ("FP32", 1)):
        card = ModelCard("images", datatype, (-1, 1, 2, 2), "labels", None)
        data = json.loads(write_question(card, images))["inputs"][0]["data"]
        arrived = np.asarray(data).astype(np.float32).reshape(images.shape) / np.float32(scale)
        np.testing.assert_array_equal(arrived, images)


def test_fp32_when_the_metadata_asks():
    card = {**CARD, "inputs": [{**INPUT, "datatype": "FP32"}]}
    with FaultyService(cards=(card,)) as service, RemoteModel(service.url) as suspect:
        images = some_images(3)
        np.testing.assert_array_equal(suspect(images), brightest(images))


@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 224, 224)], ids=str)
def test_no_question_is_larger_than_4_mb(datatype, shape):
    card = ModelCard("images", datatype, (-1, *shape), "labels", None)
    size = batch_size(card, shape)
    worst = np.full(
        (size, *shape), 1.1754943508222875e-38 if datatype == "FP32" else 1.0, np.float32
    )
    bytes_sent = len(write_question(card, worst))
    assert 2_000_000 < bytes_sent <= 4_000_000 or size == 1


def test_batches_split_and_join_in_order(monkeypatch):
    monkeypatch.setattr(_protocol, "_QUESTION_BYTES", 1000 + 16 * 10)  # ten images of four pixels
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
        client = suspect._transport._client
        del suspect
        assert client.is_closed


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_proxies_ignored_on_loopback(host, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with FaultyService() as service, RemoteModel(service.url.replace("127.0.0.1", host)) as suspect:
        np.testing.assert_array_equal(suspect(some_images(2)), brightest(some_images(2)))


def test_proxies_used_elsewhere(monkeypatch, naps):
    """The mutation of the test above: another machine is asked through the proxy."""
    with FaultyService() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.split("/v2")[0])
        monkeypatch.delenv("no_proxy", raising=False)
        with RemoteModel("http://models.example/v2/models/toy") as suspect:
            np.testing.assert_array_equal(suspect(some_images(2)), brightest(some_images(2)))
        assert proxy.paths[0] == "http://models.example/v2/models/toy"


def test_wrong_shape_is_said_before_anything_is_sent(says):
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        with says(ValueError):
            suspect(some_images(2, shape=(3, 2, 2)))
        assert service.asked == []
        assert suspect.queries == 0


#  RemoteModel: labels and scores -----------------------------------------------------------------------------------


def test_scores_become_labels_when_the_metadata_promise_scores():
    card = {**CARD, "outputs": [SCORES]}
    with FaultyService(scores_for(), cards=(card,)) as service, RemoteModel(service.url) as suspect:
        images = some_images(7)
        np.testing.assert_array_equal(suspect(images), brightest(images))


def test_labels_are_preferred_to_scores():
    assert read_card({**CARD, "outputs": [SCORES, LABELS]}) == ModelCard(
        "images", "UINT8", (-1, 1, 2, 2), "labels", "scores", classes=4
    )


def test_labels_out_of_range_pass_as_they_came():
    with FaultyService(with_data([99, -7, 0])) as service, RemoteModel(service.url) as suspect:
        assert suspect(some_images(3)).tolist() == [99, -7, 0]


def test_labels_in_columns_are_labels():
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), "labels", None)
    answer = {"outputs": [{"name": "other", "data": [5]}, {"name": "labels", "data": [[1], [2]]}]}
    assert read_labels(card, answer, 2).tolist() == [1, 2]


BAD_LABELS = {
    "too few": [1],
    "too many": [1, 2, 3],
    "none": [],
    "text": ["1", "2"],
    "fractions": [1.0, 2.0],
    "scores": [[0.1, 0.9], [0.8, 0.2]],
    "null": [None, None],
    "no list": None,
    "true": [True, False],
    "huge": [10**30, 1],
    "unsigned": [2**63, 2**63],
    "mixed": [1, "2"],
    "ragged": [[1], [2, 3]],
    "NaN": [float("nan"), 1],
    "an object": {"0": 1, "1": 2},
}


@pytest.mark.parametrize("data", BAD_LABELS.values(), ids=BAD_LABELS)
def test_no_labels_in_it(data):
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), "labels", None)
    with pytest.raises(Fault) as caught:
        read_labels(card, {"outputs": [{"name": "labels", "data": data}]}, 2)
    assert caught.value.kind == "invalid"


@pytest.mark.parametrize(
    "data",
    [[[1.0, float("nan")], [0.0, 1.0]], [1.0, 2.0, 3.0], [], ["a", "b"], [float("inf"), 0.0], None],
    ids=str,
)
def test_no_scores_in_it(data):
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), None, "scores")
    with pytest.raises(Fault) as caught:
        read_labels(card, {"outputs": [{"name": "scores", "data": data}]}, 2)
    assert caught.value.kind == "invalid"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["outputs", "inputs", "name", "data", "shape"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(json_values)
def test_any_json_is_read_or_refused_never_a_crash(answer):
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), "labels", None)
    for read in (read_card, lambda given: read_labels(card, given, 2)):
        try:
            read(answer)
        except Fault as fault:
            assert fault.kind == "invalid"  # noqa: PT017


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8))
def test_any_int64_labels_are_read_as_they_came(labels):
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), "labels", None)
    answer = json.loads(json.dumps({"outputs": [{"name": "labels", "data": labels}]}))
    assert read_labels(card, answer, len(labels)).tolist() == labels


#  RemoteModel: faults that pass ------------------------------------------------------------------------------------

PASSING = {
    "reset": (reset, 4),
    "reset midway": (reset_midway, 4),
    "closed midway": (closed_midway, 4),
    "one line": (banner, 4),
    "429": (status(429), 4),
    "500": (status(500), 4),
    "503": (status(503), 4),
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
def test_the_same_fault_once_too_often(fault, forgiven, naps):
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
        assert suspect.faults[0].startswith("2 images got no valid answer: ")
        np.testing.assert_array_equal(suspect(images), brightest(images))  # and it goes on


def test_pauses_double_up_to_two_seconds(naps):
    with (
        FaultyService(*[status(500)] * 7) as service,
        RemoteModel(service.url, retries=7) as suspect,
    ):
        suspect(some_images(1))
    np.testing.assert_allclose(naps, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])


@pytest.mark.parametrize(
    ("header", "nap"),
    [
        ("3", 3),
        ("0", 0),
        ("600", 10),
        ("-5", 0),
        ("nan", 0.1),
        ("soon", 0.1),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.1),
    ],
)
def test_retry_after(header, nap, naps):
    with (
        FaultyService(status(429, Retry_After=header)) as service,
        RemoteModel(service.url) as suspect,
    ):
        np.testing.assert_array_equal(suspect(some_images(1)), brightest(some_images(1)))
    assert naps == [nap]


def test_faults_in_the_metadata_pass_too(naps):
    unready = status(503)
    with (
        FaultyService(cards=(unready, unready, text(b"{"), CARD)) as service,
        RemoteModel(service.url) as suspect,
    ):
        np.testing.assert_array_equal(suspect(some_images(2)), brightest(some_images(2)))
        assert (len(naps), suspect.queries) == (3, 2)


@pytest.mark.parametrize(
    "slow",
    [
        silent,
        drip(b"HTTP/1.1 200 OK\r\nX: "),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
    ],
    ids=["silent", "dripping head", "dripping body"],
)
def test_time_out_bounds_the_whole_exchange(slow, naps):
    """The box is patient but for the call that is about it; httpx itself would wait for 60 s, or
    for ever.
    """
    with (
        FaultyService(good, slow, slow) as service,
        RemoteModel(service.url, timeout=60, retries=1) as suspect,
    ):
        images = some_images(2)
        suspect(images)
        start = time.monotonic()
        with hurried(suspect, 0.25):
            np.testing.assert_array_equal(suspect(images), [-1, -1])
        assert 0.5 <= time.monotonic() - start < 50
        assert suspect.faults == [
            "2 images got no valid answer: no complete answer came within 0.25 s."
        ]
        np.testing.assert_array_equal(suspect(images), brightest(images))


@contextlib.contextmanager
def hurried(suspect, seconds):
    """Let one call time out soon; all others may take as long as a busy machine needs."""
    patient, suspect._transport._seconds = suspect._transport._seconds, seconds
    yield
    suspect._transport._seconds = patient


def test_an_endless_answer_is_cut_off(monkeypatch, naps):
    monkeypatch.setattr(_transport, "_ANSWER_BYTES", 3_000_000)
    with FaultyService(good, endless, endless) as service, RemoteModel(service.url) as suspect:
        suspect(some_images(1))
        assert suspect(some_images(1)).tolist() == [-1]
        assert "larger than 3 MB" in suspect.faults[0]


#  RemoteModel: faults that stay ------------------------------------------------------------------------------------


def test_one_bad_batch_among_good_ones(monkeypatch, naps):
    monkeypatch.setattr(_protocol, "_QUESTION_BYTES", 1000 + 16 * 10)
    with FaultyService(good, status(400), good) as service, RemoteModel(service.url) as suspect:
        images = some_images(25)
        expected = brightest(images)
        expected[10:20] = -1
        np.testing.assert_array_equal(suspect(images), expected)
        assert (suspect.queries, suspect.n_unreachable, naps) == (25, 10, [])
        assert suspect.faults == [
            "10 images got no valid answer: the service refused with status 400 (not today)."
        ]


def test_the_first_batch_bad_the_rest_kept(monkeypatch, naps):
    monkeypatch.setattr(_protocol, "_QUESTION_BYTES", 1000 + 16 * 10)
    with FaultyService(*[text(b"{}")] * 2) as service, RemoteModel(service.url) as suspect:
        images = some_images(15)
        expected = brightest(images)
        expected[:10] = -1
        np.testing.assert_array_equal(suspect(images), expected)


def test_a_dead_service_is_not_asked_five_times_for_ever(monkeypatch, naps):
    monkeypatch.setattr(_protocol, "_QUESTION_BYTES", 1000 + 16)  # one image at a time
    with FaultyService(good, *[status(503)] * 17) as service, RemoteModel(service.url) as suspect:
        labels = suspect(some_images(7))
        assert service.asked == [1] * (
            1 + 3 * 5 + 2 + 1
        )  # three batches in full, two once, then it is back
        assert (labels == -1).sum() == suspect.n_unreachable == 5
        assert labels[6] == brightest(some_images(7))[6]


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


def test_unreachable(says, naps):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    suspect = RemoteModel(f"http://127.0.0.1:{port}/v2/models/toy")
    with says(ConnectionError):
        suspect(some_images(2))
    assert len(naps) == 4
    assert suspect.queries == 0
    suspect.close()


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
    "not HTTP": (garbage, "is not HTTP"),
    "HTML": (text(b"<html>"), "is not JSON"),
    "404": (status(404), r"refused with status 404 \(not today\)"),
    "307": (status(307, Location="/elsewhere"), "refused with status 307"),
    "list": ([1, 2], "no list of inputs"),
    "empty": ({}, "no list of inputs"),
    "no inputs": ({**CARD, "inputs": []}, "must list one input, and list 0"),
    "two inputs": ({**CARD, "inputs": [INPUT, INPUT]}, "must list one input, and list 2"),
    "text input": (
        {**CARD, "inputs": [{**INPUT, "datatype": "BYTES"}]},
        "UINT8 or FP32, and is 'BYTES'",
    ),
    "INT64 input": (
        {**CARD, "inputs": [{**INPUT, "datatype": "INT64"}]},
        "UINT8 or FP32, and is 'INT64'",
    ),
    "flat input": ({**CARD, "inputs": [{**INPUT, "shape": [-1, 4]}]}, "must have four axes"),
    "odd shape": (
        {**CARD, "inputs": [{**INPUT, "shape": ["n", 1, 2, 2]}]},
        "name, datatype and shape",
    ),
    "nameless": (
        {**CARD, "inputs": [{"datatype": "UINT8", "shape": [-1, 1, 2, 2]}]},
        "name, datatype and shape",
    ),
    "no outputs": ({**CARD, "outputs": []}, "no output of labels"),
    "text output": ({**CARD, "outputs": [{**LABELS, "datatype": "BYTES"}]}, "no output of labels"),
}


@pytest.mark.parametrize(("card", "words"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_for_metadata(card, words, naps):
    with FaultyService(cards=(card,)) as service, RemoteModel(service.url) as suspect:
        with pytest.raises(ValueError, match=words) as caught:
            suspect(some_images(2))
        assert service.asked == []  # not one trigger was shown
        assert str(caught.value).count("\n") == 0
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


def test_a_refusal_is_quoted_briefly(naps):
    long = lambda handler: handler.send_json({"error": "x" * 5000}, 400)  # noqa: E731
    with FaultyService(good, long) as service, RemoteModel(service.url) as suspect:
        suspect(some_images(1))
        suspect(some_images(1))
        assert len(suspect.faults[0]) < 300


def test_bad_images_before_any_request(says):
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        with says(TypeError):
            suspect(np.zeros((2, 1, 2, 2), np.uint8))
        assert service.paths == []


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


def test_http_box_without_torch_httpx_loaded_late():
    code = """
import sys
sys.modules["torch"] = None
sys.path.insert(0, {tests!r})
import numpy as np
from wmlearn.service.remote import RemoteModel
assert "httpx" not in sys.modules and "starlette" not in sys.modules
from faulty_service import FaultyService
with FaultyService() as service, RemoteModel(service.url) as box:
    print(box(np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)))
"""
    code = code.format(tests=str(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[0 1 2 3]\n", "")


def test_httpx_tells_us_its_streams():
    """The deadline leans on httpx's trace extension: if that changes, this fails rather than a
    lesson hangs.
    """
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        suspect(some_images(1))
        assert isinstance(suspect._transport._stream.get_extra_info("socket"), socket.socket)


#  RemoteModel: scores ----------------------------------------------------------------------------------------------

BOTH = {**CARD, "outputs": [LABELS, SCORES]}
SCORES_ONLY = {**CARD, "outputs": [SCORES]}
UNKNOWN = {**CARD, "outputs": [{**SCORES, "shape": [-1, -1]}]}
TEN_AT_ONCE = 1000 + 16 * 10  # bytes of a question with ten images of four pixels


def pixels_of(images):
    """The oracle: our toy's scores are the pixels of 0 to 255 that it was sent."""
    return np.rint(images * 255).reshape(len(images), -1)


@pytest.mark.parametrize(
    "card", [BOTH, SCORES_ONLY, UNKNOWN], ids=["both", "scores only", "classes unknown"]
)
def test_scores_come_as_they_are(card, monkeypatch):
    monkeypatch.setattr(_protocol, "_QUESTION_BYTES", TEN_AT_ONCE)
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
    "fewer images": (scores_for(rows=5), "must answer 10 times 4 scores, and answered 20 numbers"),
    "fewer classes": (
        scores_for(classes=2),
        "must answer 10 times 4 scores, and answered 20 numbers",
    ),
    "NaN": (scores_for(first=float("nan")), "hold NaN or infinity"),
    "beyond 32 bits": (scores_for(first=1e300), "hold NaN or infinity"),
    "text": (with_data([["a"] * 4] * 10, "scores"), "must answer scores, and answered text"),
    "labels": (good, "holds no output 'scores'"),
}


@pytest.mark.parametrize(("fault", "words"), BAD_SCORES.values(), ids=BAD_SCORES)
@pytest.mark.parametrize("card", [SCORES_ONLY, UNKNOWN], ids=["classes known", "classes learnt"])
def test_a_batch_of_bad_scores_is_reported_and_the_others_kept(
    fault, words, card, monkeypatch, naps
):
    monkeypatch.setattr(_protocol, "_QUESTION_BYTES", TEN_AT_ONCE)
    script = [scores_for(), fault, fault, scores_for()]
    with FaultyService(*script, cards=(card,)) as service, RemoteModel(service.url) as suspect:
        images = some_images(25)
        scores = suspect.scores(images)
        expected = pixels_of(images)
        expected[10:20] = np.nan
        np.testing.assert_array_equal(scores, expected)
        assert (suspect.queries, suspect.n_unreachable, len(suspect.faults)) == (25, 10, 1)
        assert words in suspect.faults[0]


def test_scores_that_never_come(says, naps):
    with (
        FaultyService(*[status(500)] * 5, cards=(BOTH,)) as service,
        RemoteModel(service.url) as suspect,
    ):
        with says(ConnectionError):
            suspect.scores(some_images(2))
        assert suspect.n_unreachable == 2


@pytest.mark.parametrize("shape", [[3, 4], [12], [], ["2", 4]], ids=str)
def test_the_shape_in_an_answer_must_agree(says, shape):
    """Twelve numbers for two images: six classes, were it not for the shape that says three images
    of four.
    """
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), "labels", "scores")
    outputs = [{"name": "scores", "shape": shape, "data": list(range(12))}]
    with says(Fault):
        read_scores(card, {"outputs": outputs}, 2)
    assert read_scores(card, {"outputs": [{**outputs[0], "shape": [2, 6]}]}, 2).shape == (2, 6)
    with says(Fault):
        read_scores(card, {"outputs": [{"name": "scores", "data": [[0, 1, 2, 3]] * 3}]}, 2)
    with says(Fault):
        read_labels(card, {"outputs": [{"name": "labels", "shape": [3], "data": [1, 2]}]}, 2)


@settings(deadline=None)
@given(json_values, st.sampled_from([-1, 1, 4]), st.integers(1, 3))
def test_any_json_gives_scores_or_a_fault(answer, classes, count):
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), None, "scores", classes)
    for given_answer in (answer, {"outputs": [{"name": "scores", "data": answer}]}):
        try:
            scores = read_scores(card, given_answer, count)
        except Fault as fault:
            assert fault.kind == "invalid"  # noqa: PT017
        else:
            assert scores.shape == (count, classes if classes > 0 else scores.size // count)
            assert np.isfinite(scores).all()


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3
        ),
        min_size=1,
    )
)
def test_any_float32_scores_survive_the_journey(rows):
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), None, "scores", 3)
    flat = [number for row in rows for number in row]
    for data in (rows, flat):
        answer = json.loads(json.dumps({"outputs": [{"name": "scores", "data": data}]}))
        np.testing.assert_array_equal(
            read_scores(card, answer, len(rows)).astype(np.float32), np.float32(rows)
        )


#  RemoteModel: the token -------------------------------------------------------------------------------------------

TOKEN = "open-sesame-81"


def test_the_token_travels_with_every_request():
    with FaultyService() as service:
        with RemoteModel(service.url, token=TOKEN) as suspect:
            np.testing.assert_array_equal(suspect(some_images(2)), brightest(some_images(2)))
        assert service.tokens == [f"Bearer {TOKEN}"] * 2
        with RemoteModel(service.url) as suspect:
            suspect(some_images(2))
        assert service.tokens[2:] == [None] * 2


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize(
    ("token", "words"), [(None, "without a token"), (TOKEN, "with this token")]
)
def test_a_refused_token_is_one_sentence_at_once(code, token, words, naps):
    for cards, script in [((status(code),), ()), ((CARD,), [status(code)] * 9)]:
        with (
            FaultyService(*script, cards=cards) as service,
            RemoteModel(service.url, token=token) as suspect,
        ):
            with pytest.raises(PermissionError) as caught:
                suspect(some_images(2))
            assert str(caught.value) == (
                f"expected the model at {service.url} to answer requests {words}, but the service "
                "refused with status "
                f"{code} (not today). Pass the token that its owner gave you: wm.RemoteModel(url, "
                "token=...)."
            )
            assert (naps, len(service.paths), suspect.queries) == (
                [],
                1 + len(script) // 9,
                2 * (len(script) // 9),
            )


def test_a_token_refused_midway_keeps_what_was_bought_and_shows_no_more(monkeypatch, naps):
    monkeypatch.setattr(_protocol, "_QUESTION_BYTES", TEN_AT_ONCE)
    with (
        FaultyService(good, *[status(401)] * 9) as service,
        RemoteModel(service.url, token=TOKEN) as suspect,
    ):
        images = some_images(45)
        labels = suspect(images)
        np.testing.assert_array_equal(labels[:10], brightest(images[:10]))
        assert (labels[10:] == -1).all()
        assert (service.asked, suspect.queries, suspect.n_unreachable, naps) == (
            [10, 10],
            20,
            35,
            [],
        )
        assert suspect.faults == [
            "35 images got no valid answer: the service refused with status 401 (not today)."
        ]
        with pytest.raises(PermissionError):  # a call that gets nothing for it says so
            suspect(images)
        assert service.asked == [10, 10, 10]


def test_a_token_refused_at_the_end_of_the_budget(monkeypatch):
    monkeypatch.setattr(_protocol, "_QUESTION_BYTES", TEN_AT_ONCE)
    with (
        FaultyService(good, status(401)) as service,
        RemoteModel(service.url, token=TOKEN, budget=12) as suspect,
    ):
        labels = suspect(some_images(15))
        assert (labels == -1).sum() == suspect.n_unreachable + suspect.refused == 5
        assert suspect.queries == 12


def test_the_token_is_nowhere_to_be_read(naps, caplog):
    """A refusal that quotes the token back, and every error of the way, with the texts of the
    tracebacks.
    """
    caplog.set_level(logging.DEBUG)
    echo = lambda handler: handler.send_json({"error": "x" * 195 + f"{TOKEN} is unknown"}, 401)  # noqa: E731
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
            seen += [
                "".join(traceback.format_exception(caught.value)),
                repr(suspect),
                str(vars(suspect)),
                *suspect.faults,
            ]
    assert len(seen) >= 15
    assert not [entry for entry in [*seen, caplog.text] if "open-se" in entry]
    assert "…" in seen[1]


@pytest.mark.parametrize(
    "token", ["", "two words", "open-sesame\n", "Schlüssel", b"open-sesame", 7, ["open-sesame"]]
)
def test_bad_tokens_are_not_shown(says, token):
    with says((TypeError, ValueError)) as caught:
        RemoteModel("http://x/v2/models/m", token=token)
    assert "sesame" not in str(caught.value)
    assert isinstance(caught.value, ValueError) == isinstance(token, str)


@settings(deadline=None)
@given(st.text() | st.none() | st.binary() | st.integers())
def test_any_token_is_taken_or_refused_in_one_sentence(token):
    if token is None or (
        isinstance(token, str) and token and all("!" <= sign <= "~" for sign in token)
    ):
        assert _transport.check_token(token) == token
        return
    with pytest.raises(
        (TypeError, ValueError), match=r"^token must be text of ASCII letters"
    ) as caught:
        _transport.check_token(token)
    assert "\n" not in str(caught.value)


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


#  RemoteModel: what counts, and what is seen of it -----------------------------------------------------------------


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
            assert suspect(some_images(2)).tolist() == [
                3,
                3,
            ]  # a new question, a new answer: as it came


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(monkeypatch):
    """The late one is written while its question is asked again, or later; nothing of it may be
    read as an answer.
    """
    wrong, gone, written = with_data([9, 9]), threading.Event(), threading.Event()

    def late(handler):
        gone.wait(30)
        with contextlib.suppress(OSError):  # nobody may be listening any more
            wrong(handler)
        written.set()

    with FaultyService(good, late) as service, RemoteModel(service.url, timeout=60) as suspect:
        suspect(some_images(2))

        def patient_again(_):
            suspect._transport._seconds = 60
            gone.set()
            assert written.wait(30)

        monkeypatch.setattr(_transport, "_sleep", patient_again)
        with hurried(suspect, 0.25):
            np.testing.assert_array_equal(suspect(some_images(2, 1)), brightest(some_images(2, 1)))
        for seed in range(3):
            np.testing.assert_array_equal(
                suspect(some_images(2, seed)), brightest(some_images(2, seed))
            )
        assert (suspect.queries, suspect.n_unreachable) == (10, 0)
        assert service.asked == [2] * 6  # the late one was asked again, no other


def test_an_interrupt_leaves_the_counts_true(monkeypatch):
    monkeypatch.setattr(_protocol, "_QUESTION_BYTES", TEN_AT_ONCE)
    with FaultyService() as service, RemoteModel(service.url, budget=100) as suspect:
        ask = suspect._ask

        def interrupted(images, read):
            if len(service.asked) == 2:
                raise KeyboardInterrupt
            return ask(images, read)

        monkeypatch.setattr(suspect, "_ask", interrupted)
        with pytest.raises(KeyboardInterrupt):
            suspect(some_images(50))
        assert (service.asked, suspect.queries, suspect.refused) == (
            [10, 10],
            30,
            0,
        )  # the third batch may have been sent
        monkeypatch.undo()
        np.testing.assert_array_equal(suspect(some_images(50)), brightest(some_images(50)))


@pytest.fixture
def bars(monkeypatch):
    """What the progress bars were told."""
    message = []

    class Bar(tqdm.auto.tqdm):
        def __init__(self, **options):
            message.append(options)
            super().__init__(**{**options, "disable": True})

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(_protocol, "_QUESTION_BYTES", TEN_AT_ONCE)
    return message


def test_a_bar_for_many_requests(bars, monkeypatch):
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
        assert bars[0] == {
            **{
                "total": 11,
                "desc": "asking toy",
                "unit": "image",
                "delay": 1,
                "leave": False,
                "disable": False,
            }
        }


@pytest.mark.parametrize(("step", "shown"), [(0.001, False), (0.7, True)])
def test_the_bar_shows_only_what_takes_time(step, shown, monkeypatch, capsys):
    clock = iter(np.arange(0, 1e4, step))
    monkeypatch.setattr("tqdm.std.time", lambda: float(next(clock)))
    monkeypatch.setattr("tqdm.auto.tqdm.monitor_interval", 0)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(_protocol, "_QUESTION_BYTES", TEN_AT_ONCE)
    with FaultyService() as service, RemoteModel(service.url) as suspect:
        np.testing.assert_array_equal(suspect(some_images(45)), brightest(some_images(45)))
    replies = capsys.readouterr()
    assert replies.out == ""
    assert ("asking toy" in replies.err) == shown
    assert bool(replies.err) == shown
