"""What a service answers, byte for byte, and how it keeps to its options."""

import dataclasses
import logging
import socket
import threading
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from faulty_service import some_images
from hypothesis import given
from hypothesis import strategies as st
from served import Brightest, Net, ask, call, question
from starlette.exceptions import HTTPException
from torch import nn

from wmlearn.service import _app, blackbox
from wmlearn.service.blackbox import BlackBox
from wmlearn.service.options import ServiceOptions
from wmlearn.service.remote import RemoteModel
from wmlearn.service.server import serve

TOKEN = "open-sesame-81"


@pytest.fixture(scope="module")
def running():
    with serve(Brightest(), name="shared") as service:
        yield service


#  the protocol -----------------------------------------------------------------------------------


def test_descriptions(running):
    root = running.url.split("/v2/")[0]
    assert call(root + "/v2/health/live") == (200, {"live": True})
    assert call(root + "/v2/health/ready") == (200, {"ready": True})
    assert call(running.url + "/ready") == (200, {"name": "shared", "ready": True})
    status, server = call(root + "/v2")
    assert (status, server["name"], server["extensions"]) == (
        200,
        "wmlearn",
        ["binary_tensor_data"],
    )
    assert call(running.url) == (
        200,
        {
            "name": "shared",
            "versions": ["1"],
            "platform": "wmlearn",
            "inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, 1, 2, 2]}],
            "outputs": [{"name": "labels", "datatype": "INT64", "shape": [-1]}],
        },
    )


def test_a_service_names_its_classes_if_it_is_told_to(running):
    assert RemoteModel(running.url).classes is None
    names = ["left", "right", "above", "below"]
    options = ServiceOptions(classes=names, scores=True)
    with serve(Brightest(), name="named", options=options) as service:
        described = call(service.url)[1]["outputs"]
        assert described[0]["parameters"] == {"classes": names}
        assert "parameters" not in described[1]
        assert RemoteModel(service.url).classes == tuple(names)
        answer = call(service.url + "/infer", question(data=[0, 9, 0, 0]))[1]
        assert all("parameters" not in output for output in answer["outputs"])


def test_fp32_and_uint8_give_the_same_labels(running):
    images = some_images(20)
    pixels = np.rint(images * 255).astype(np.uint8)
    shape = list(images.shape)
    eight = question(shape=shape, data=pixels.ravel().tolist())
    real = question(shape=shape, datatype="FP32", data=images.ravel().tolist())
    answers = [call(running.url + "/infer", body)[1]["outputs"] for body in (eight, real)]
    assert answers[0] == answers[1]
    assert answers[0][0]["data"] == BlackBox(Brightest())(images).tolist()


def test_nested_data_are_taken(running):
    status, answer = call(running.url + "/infer", question(data=[[[[0, 9], [255, 3]]]]))
    assert (status, answer["outputs"][0]["data"]) == (200, [2])


def test_labels_only_unless_scores_are_allowed(running):
    _, answer = call(running.url + "/infer", question())
    expected = {"name": "labels", "datatype": "INT64", "shape": [1], "data": [2]}
    assert answer == {"model_name": "shared", "model_version": "1", "outputs": [expected]}


BAD = {
    "not JSON": b"{",
    "not text": b"\xff\xff",
    "too deep": b"[" * 200_000,
    "empty": b"",
    "a list": [1],
    "no inputs": {"inputs": []},
    "two inputs": {"inputs": question()["inputs"] * 2},
    "no tensor": {"inputs": [1]},
    "wrong name": question(name="pictures"),
    "wrong datatype": question(datatype="INT64"),
    "no datatype": question(datatype=None),
    "odd datatype": question(datatype=["UINT8"]),
    "wrong shape": question(shape=[1, 1, 28, 28]),
    "flat shape": question(shape=[1, 4]),
    "no images": question(shape=[0, 1, 2, 2], data=[]),
    "no shape": question(shape=None),
    "empty shape": question(shape=[]),
    "odd shape": question(shape=["1", 1, 2, 2]),
    "too few": question(data=[1, 2, 3]),
    "too many": question(data=[1] * 5),
    "above 255": question(data=[0, 0, 0, 256]),
    "below 0": question(data=[0, 0, 0, -1]),
    "fractions": question(data=[0.5, 0, 0, 1]),
    "text": question(data=["a", "b", "c", "d"]),
    "null": question(data=None),
    "ragged": question(data=[[1, 2], [3]]),
    "above 1": question(datatype="FP32", data=[0.0, 0.0, 0.0, 1.5]),
    "NaN": question(datatype="FP32", data=[0.0, 0.0, 0.0, float("nan")]),
    "too large": b" " * 9_000_000,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests(says, name, running, capfd):
    before = running.queries
    status, answer = call(running.url + "/infer", BAD[name])
    assert status == (413 if name == "too large" else 400)
    assert list(answer) == ["error"]
    says(answer["error"])
    assert running.queries == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/v2/models/other", None, 404),
        ("/v2/models/other/infer", question(), 404),
        ("/", None, 404),
        ("/docs", None, 404),
        ("/v2/models/shared/infer", None, 405),
        ("/v2/models/shared", question(), 405),
        ("/v2/health/live", question(), 405),
    ],
)
def test_unknown_addresses(says, path, body, expected, running):
    status, answer = call(running.url.split("/v2/")[0] + path, body)
    assert status == expected
    says(answer["error"])


def test_a_model_that_breaks(says, capfd):
    class Broken(Brightest):
        def forward(self, images):
            raise RuntimeError("secret path")

    with serve(Broken(), name="broken") as service:
        status, answer = call(service.url + "/infer", question())
        assert (status, list(answer)) == (422, ["error"])
        says(answer["error"])  # nothing of what torch said
        assert service.queries == 0
        assert call(service.url)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_not_http_at_all(running, capfd):
    with socket.create_connection(("127.0.0.1", urlsplit(running.url).port), timeout=5) as line:
        line.sendall(b"\x16\x03\x01 hello \r\n\r\n")
        assert b"400" in line.recv(1000)
    assert call(running.url)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_log_is_frozen_and_a_copy(running):
    call(running.url + "/infer", question())
    running.log.clear()
    assert running.log
    with pytest.raises(dataclasses.FrozenInstanceError):
        running.log[0].images = 0


#  scores -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=["mnist", "cifar10"])
def test_scores_are_the_probabilities_of_the_model(shape):
    model, images = Net(shape).eval(), some_images(350, shape=shape)
    with torch.no_grad():
        expected = model(torch.tensor(images)).softmax(dim=1).numpy()
    with (
        serve(model, name="told", options=ServiceOptions(scores=True)) as service,
        RemoteModel(service.url, budget=400) as suspect,
    ):
        scores = suspect.scores(images)
        assert (scores.dtype, scores.shape) == (np.float32, (350, 10))
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
        np.testing.assert_array_equal(suspect(images)[:50], scores.argmax(axis=1)[:50])
        assert (service.queries, suspect.queries, suspect.refused) == (400, 400, 300)


def test_scores_in_the_protocol():
    with serve(Brightest(), name="told", options=ServiceOptions(scores=True)) as service:
        outputs = [
            {"name": "labels", "datatype": "INT64", "shape": [-1]},
            {"name": "scores", "datatype": "FP32", "shape": [-1, -1]},
        ]
        assert call(service.url)[1]["outputs"] == outputs
        _, answer = call(service.url + "/infer", question())
        labels, scores = answer["outputs"]
        assert labels == {"name": "labels", "datatype": "INT64", "shape": [1], "data": [2]}
        assert {**scores, "data": len(scores["data"])} == {**outputs[1], "shape": [1, 4], "data": 4}
        assert sum(scores["data"]) == pytest.approx(1, abs=1e-6)


def test_labels_only_unless_told_otherwise(says, running):
    with RemoteModel(running.url) as suspect, says(ValueError):
        suspect.scores(some_images(1))


class Lost(Brightest):
    """A model whose training went wrong: NaN in the weights, so in each score."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((4,), float("nan")))

    def forward(self, images):
        return super().forward(images) * self.weight


@pytest.mark.parametrize("scores", [False, True])
def test_weights_that_are_no_numbers_are_told_in_a_sentence(says, naps, scores):
    """Labels alone would be 0 for every image, as if it were an answer."""
    with serve(Lost(), name="lost", options=ServiceOptions(scores=scores)) as service:
        status, answer = call(service.url + "/infer", question())
        assert (status, list(answer)) == (422, ["error"])
        says(answer["error"])
        with RemoteModel(service.url) as suspect, pytest.raises(ValueError, match="422") as raised:
            suspect(some_images(3))
        assert "NaN" in str(raised.value)
        assert service.log == naps == []


#  token ------------------------------------------------------------------------------------------


@pytest.fixture
def guarded():
    with serve(Brightest(), name="guarded", options=ServiceOptions(token=TOKEN)) as service:
        yield service


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer \xe4",
        "Bearer  ",
    ],
)
def test_without_the_token_nothing_is_told(header, guarded):
    headers = {} if header is None else {"Authorization": header}
    status, refusal = call(guarded.url, **headers)
    assert (status, list(refusal)) == (401, ["error"])
    assert call(guarded.url + "/infer", question(), **headers) == (401, refusal)
    # nor what is wrong with the request
    assert call(guarded.url + "/infer", b"{", **headers) == (401, refusal)
    assert call(guarded.url + "/ready", **headers)[0] == 200
    assert call(guarded.url.split("/models")[0] + "/health/ready", **headers)[0] == 200
    assert guarded.log == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_with_the_token_all_is_as_ever(scheme, guarded):
    assert call(guarded.url, Authorization=f"{scheme} {TOKEN}")[0] == 200
    status, answer = call(guarded.url + "/infer", question(), Authorization=f"{scheme} {TOKEN}")
    assert (status, answer["outputs"][0]["data"]) == (200, [2])


def test_box_and_service_with_a_token(says, guarded):
    images = some_images(5)
    with RemoteModel(guarded.url, token=TOKEN) as suspect:
        np.testing.assert_array_equal(suspect(images), BlackBox(Brightest())(images))
    for token in (None, "open-barley"):
        start = time.monotonic()
        with RemoteModel(guarded.url, token=token) as suspect, says(PermissionError):
            suspect(images)
        assert time.monotonic() - start < 5
    assert guarded.queries == 5  # not one image was shown to it


def test_a_401_says_which_scheme(says, guarded):
    status, headers, refusal = ask(guarded.url)
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    says(refusal["error"])


def test_tokens_are_compared_in_constant_time(guarded, monkeypatch):
    compared = []
    monkeypatch.setattr(
        _app.hmac, "compare_digest", lambda *both: compared.append(both) or both[0] == both[1]
    )
    assert call(guarded.url, Authorization=f"Bearer {TOKEN}")[0] == 200
    assert call(guarded.url, Authorization="Bearer o")[0] == 401
    right = f"bearer {TOKEN}".encode()
    assert compared == [(right, right), (b"bearer o", right)]


def test_the_token_is_in_no_repr_log_or_output(guarded, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    with RemoteModel(guarded.url, token=TOKEN) as suspect:
        suspect(some_images(2))
    call(guarded.url, Authorization="Bearer wrong")
    options = ServiceOptions(token=TOKEN)
    seen = [repr(options), str(options), repr(guarded), str(vars(guarded)), str(guarded.log)]
    assert not [entry for entry in [*seen, caplog.text, *capfd.readouterr()] if TOKEN in entry]
    assert caplog.text


#  rate -------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """A clock of the service's that stands still until told; the client's pauses move it."""
    now = [0.0]
    monkeypatch.setattr(_app, "clock", lambda: now[0])
    monkeypatch.setattr(blackbox, "sleep", lambda seconds: now.append(now.pop() + seconds))
    return now


def test_a_rate_of_four_images_per_second(says, clock):
    def infer(images):
        body = question(shape=[images, 1, 2, 2], data=[0] * 4 * images)
        status, headers, _ = ask(service.url + "/infer", body)
        return status, headers["Retry-After"]

    with serve(Brightest(), name="slow", options=ServiceOptions(rate=4)) as service:
        assert [infer(3), infer(1), infer(1)] == [(200, None), (200, None), (429, "1")]
        clock[0] = 0.25
        assert [infer(1), infer(1)] == [(200, None), (429, "1")]
        clock[0] = 60  # no more than one second's worth is saved up
        assert [infer(4), infer(1)] == [(200, None), (429, "1")]
        clock[0] = 61  # overdrawn by eight, to be paid back before the next
        assert [infer(12), infer(1)] == [(200, None), (429, "3")]
        clock[0] = 63.25
        assert [infer(1), infer(1)] == [(200, None), (429, "1")]
        assert call(service.url)[0] == 200  # only answers are counted
        says(call(service.url + "/infer", question())[1]["error"])
        assert service.queries == 3 + 1 + 1 + 4 + 12 + 1


def test_box_keeps_to_the_rate(clock, ten_at_once):
    images = some_images(45)
    with (
        serve(Brightest(), name="slow", options=ServiceOptions(rate=5)) as service,
        RemoteModel(service.url) as suspect,
    ):
        np.testing.assert_array_equal(suspect(images), BlackBox(Brightest())(images))
        assert (suspect.queries, suspect.n_unreachable, service.queries) == (45, 0, 45)
    # 5 a second: 5 of the 45 at once, 40 to wait for, and the last 5 of them on credit
    assert clock == [8.0]


@given(
    st.sampled_from([0.25, 1, 4, 64]),
    st.lists(
        st.tuples(st.sampled_from([0, 0.125, 0.5, 1, 4]), st.integers(1, 100)),
        min_size=1,
        max_size=30,
    ),
)
def test_no_more_than_the_rate_whatever_comes(rate, requests):
    """After each answer: what was let in, less one bucket and what came last on credit, never beats
    the rate.
    """
    now, admitted, full = 0.0, [], max(rate, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_app, "clock", lambda: now)
        gatekeeper = _app.Gatekeeper(ServiceOptions(rate=rate))
        for pause, images in requests:
            now += pause
            try:
                gatekeeper.pace(images)
            except HTTPException as refused:
                now += int(refused.headers["Retry-After"])
                gatekeeper.pace(images)  # anyone who comes back when told is let in
            admitted.append((now, images))
            before = sum(some for _, some in admitted[:-1])
            assert before + min(images, full) <= full + rate * now


def test_the_smallest_rate_still_answers(clock):
    with serve(Brightest(), name="hardly", options=ServiceOptions(rate=1e-320)) as service:
        assert [call(service.url + "/infer", question())[0] for _ in range(2)] == [200, 429]


#  latency and faults -----------------------------------------------------------------------------


def test_latency_holds_back_answers_and_nothing_else():
    with serve(Brightest(), name="late", options=ServiceOptions(latency=1)) as service:
        answers = []
        infer = lambda: answers.append(call(service.url + "/infer", question())[0])  # noqa: E731
        threads = [threading.Thread(target=infer) for _ in range(4)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        assert call(service.url)[0] == 200
        assert call(service.url + "/ready")[0] == 200
        assert answers == []
        for thread in threads:
            thread.join(10)
        assert time.monotonic() - start >= 1
        assert answers == [200] * 4
        assert time.monotonic() - start < 3.5  # side by side, not one after the other


def statuses(options, n=20):
    with serve(Brightest(), name="faulty", options=options) as service:
        return [call(service.url + "/infer", question())[0] for _ in range(n)], service.queries


def test_faults_repeat():
    """The oracle draws for itself: two numbers a request, whether it fails and how."""
    draws = np.random.RandomState(3).random_sample((20, 2))
    expected = [200 if chance >= 0.4 else 500 if kind < 0.5 else 503 for chance, kind in draws]
    assert {200, 500, 503} == set(expected)
    assert statuses(ServiceOptions(faults=0.4, seed=3)) == (expected, expected.count(200))
    assert statuses(ServiceOptions(faults=0.4, seed=3)) == (expected, expected.count(200))
    assert statuses(ServiceOptions(faults=0.4, seed=4))[0] != expected
    assert statuses(ServiceOptions(), 5) == ([200] * 5, 5)
    assert statuses(ServiceOptions(faults=1), 5)[1] == 0


def test_box_gets_through_faults(naps, ten_at_once):
    images = some_images(300)
    options = ServiceOptions(faults=0.3, seed=1)
    with (
        serve(Brightest(), name="faulty", options=options) as service,
        RemoteModel(service.url, retries=9) as suspect,
    ):
        np.testing.assert_array_equal(suspect(images), BlackBox(Brightest())(images))
        assert (suspect.queries, suspect.n_unreachable, service.queries) == (300, 0, 300)
    assert len(naps) > 3
