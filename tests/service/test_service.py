import contextlib
import dataclasses
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wmlearn.service import _app, _transport
from wmlearn.service import server as service_module
from wmlearn.service.blackbox import BlackBox
from wmlearn.service.remote import RemoteModel
from wmlearn.service.server import Service, ServiceOptions, serve


class Net(nn.Module):
    """A small untrained classifier that says, as ours do, what images it takes."""

    def __init__(self, shape=(1, 28, 28), classes=10, seed=0):
        super().__init__()
        self.input_shape = shape
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Flatten(), nn.Linear(int(np.prod(shape)), classes), nn.Dropout(0.5)
            )

    def forward(self, images):
        return self.layers(images)


class Brightest(nn.Flatten):
    input_shape = (1, 2, 2)


def some_pixels(n, shape=(1, 28, 28), seed=0):
    return np.random.RandomState(seed).randint(0, 256, (n, *shape), dtype=np.uint8)


def some_images(n, shape=(1, 28, 28), seed=0):
    return some_pixels(n, shape, seed).astype(np.float32) / 255


def call(url, body=None, method=None, **headers):
    """Ask without our own client: the status and the JSON that came back."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def port_of(service):
    return int(re.search(r":(\d+)/", service.url)[1])


def question(**changes):
    tensor = {
        "name": "images",
        "shape": [1, 1, 2, 2],
        "datatype": "UINT8",
        "data": [0, 9, 255, 3],
        **changes,
    }
    return {"inputs": [tensor]}


@pytest.fixture(scope="module")
def running():
    with serve(Brightest(), name="shared") as service:
        yield service


#  the round trip ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=["mnist", "cifar10"])
def test_service_answers_what_the_model_answers(shape):
    model, images = Net(shape), some_images(700, shape)
    expected = BlackBox(model)(images)
    assert len(np.unique(expected)) > 3
    with serve(model, name="trip") as service, RemoteModel(service.url) as suspect:
        np.testing.assert_array_equal(suspect(images), expected)
        assert service.queries == suspect.queries == 700
        assert service.log[0] == service_module.Request(
            images=service.log[0].images, datatype="UINT8"
        )
        assert sum(request.images for request in service.log) == 700


def test_a_thousand_images_within_a_second():
    """Client and service are threads of this process: its own time is counted, not that of a busy
    machine.
    """
    images = some_images(1000)
    with serve(Net(), name="quick") as service, RemoteModel(service.url) as suspect:
        suspect(images[:1])
        start = time.process_time()
        suspect(images)
        assert time.process_time() - start < 1
        assert [(request.images, request.datatype) for request in service.log] == [
            (1, "UINT8"),
            (1000, "UINT8"),
        ]


def test_small_questions_do_not_wait_for_the_network():
    """Without TCP_NODELAY no answer comes within 40 ms, and 30 questions take more than a second."""
    images = some_images(1, (1, 2, 2))
    with serve(Brightest(), name="prompt") as service, RemoteModel(service.url) as suspect:
        assert any(
            seconds(suspect, images) < 0.03 for _ in range(200)
        )  # one is enough, however busy the machine is


def seconds(suspect: RemoteModel, images: np.ndarray) -> float:
    start = time.perf_counter()
    suspect(images)
    return time.perf_counter() - start


def test_fp32_and_uint8_give_the_same_labels(running):
    pixels = some_pixels(20, (1, 2, 2))
    images = pixels.astype(np.float32) / 255
    shape = list(images.shape)
    _, eight = call(running.url + "/infer", question(shape=shape, data=pixels.ravel().tolist()))
    _, real = call(
        running.url + "/infer", question(shape=shape, datatype="FP32", data=images.ravel().tolist())
    )
    assert eight["outputs"] == real["outputs"]
    assert eight["outputs"][0]["data"] == BlackBox(Brightest())(images).tolist()


def test_nested_data_are_taken(running):
    status, answer = call(running.url + "/infer", question(data=[[[[0, 9], [255, 3]]]]))
    assert (status, answer["outputs"][0]["data"]) == (200, [2])


def test_labels_only_never_scores(running):
    _, answer = call(running.url + "/infer", {**question(), "outputs": [{"name": "scores"}]})
    expected = {"name": "labels", "datatype": "INT64", "shape": [1], "data": [2]}
    assert answer == {"model_name": "shared", "model_version": "1", "outputs": [expected]}


def test_the_model_served_is_a_copy_in_evaluation_mode():
    model, images = Net().train(), some_images(200)
    expected = BlackBox(model)(images)
    with serve(model, name="copy") as service, RemoteModel(service.url) as suspect:
        assert model.training
        with torch.no_grad():
            model.layers[1].weight.zero_()
        np.testing.assert_array_equal(suspect(images), expected)


def test_rng_untouched():
    state = torch.get_rng_state()
    with serve(Net().train(), name="rng") as service, RemoteModel(service.url) as suspect:
        suspect(some_images(10))
    assert torch.equal(torch.get_rng_state(), state)


#  the protocol -----------------------------------------------------------------------------------------------------


def test_descriptions(running):
    root = running.url.split("/v2/")[0]
    assert call(root + "/v2/health/live") == (200, {"live": True})
    assert call(root + "/v2/health/ready") == (200, {"ready": True})
    assert call(running.url + "/ready") == (200, {"name": "shared", "ready": True})
    status, server = call(root + "/v2")
    assert (status, server["name"], server["extensions"]) == (200, "wmlearn", [])
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


BAD = {
    "not JSON": (b"{", "must be JSON"),
    "not text": (b"\xff\xff", "must be JSON"),
    "too deep": (b"[" * 200_000, "must be JSON"),
    "empty": (b"", "must be JSON"),
    "a list": ([1], "must have one input"),
    "no inputs": ({"inputs": []}, "must have one input"),
    "two inputs": ({"inputs": question()["inputs"] * 2}, "must have one input"),
    "wrong name": (question(name="pictures"), "called 'images'; got 'pictures'"),
    "wrong datatype": (question(datatype="INT64"), "got 'INT64'"),
    "no datatype": (question(datatype=None), "got None"),
    "wrong shape": (
        question(shape=[1, 1, 28, 28]),
        r"shape \[n, 1, 2, 2\], n at least 1; got \[1, 1, 28, 28\]",
    ),
    "flat shape": (question(shape=[1, 4]), r"got \[1, 4\]"),
    "no images": (question(shape=[0, 1, 2, 2], data=[]), "n at least 1"),
    "no shape": (question(shape=None), "got None"),
    "odd shape": (question(shape=["1", 1, 2, 2]), "n at least 1"),
    "too few": (question(data=[1, 2, 3]), "must hold 4 numbers .* got 3"),
    "too many": (question(data=[1] * 5), "must hold 4 numbers .* got 5"),
    "above 255": (question(data=[0, 0, 0, 256]), "from 0 to 255"),
    "below 0": (question(data=[0, 0, 0, -1]), "from 0 to 255"),
    "fractions": (question(data=[0.5, 0, 0, 1]), "whole ones for UINT8"),
    "text": (question(data=["a", "b", "c", "d"]), "must be numbers"),
    "null": (question(data=None), "must be numbers"),
    "ragged": (question(data=[[1, 2], [3]]), "unequal length"),
    "above 1": (question(datatype="FP32", data=[0.0, 0.0, 0.0, 1.5]), "from 0 to 1"),
    "NaN": (question(datatype="FP32", data=[0.0, 0.0, 0.0, float("nan")]), "from 0 to 1"),
}


@pytest.mark.parametrize(("body", "words"), BAD.values(), ids=BAD)
def test_bad_requests(body, words, running, capfd):
    before = running.queries
    status, answer = call(running.url + "/infer", body)
    assert status == 400
    assert list(answer) == ["error"]
    assert re.search(words, answer["error"])
    assert running.queries == before
    assert capfd.readouterr() == ("", "")


def test_unknown_addresses(running):
    root = running.url.split("/v2/")[0]
    for path, body in [
        ("/v2/models/other", None),
        ("/v2/models/other/infer", question()),
        ("/", None),
        ("/docs", None),
    ]:
        status, answer = call(root + path, body)
        assert status == 404
        assert "/v2/models/shared/infer" in answer["error"]
    assert call(running.url + "/infer")[0] == 405


def test_too_large_a_body(running):
    status, answer = call(running.url + "/infer", b" " * 9_000_000)
    assert (status, answer["error"]) == (
        413,
        "a request must be at most 8 MB; got 9.0 MB. Send fewer images at once.",
    )


def test_a_model_that_breaks(capfd):
    class Broken(Brightest):
        def forward(self, images):
            raise RuntimeError("secret path")

    with serve(Broken(), name="broken") as service:
        assert call(service.url + "/infer", question()) == (
            500,
            {"error": "the model failed on these images (ValueError)."},
        )
        assert service.queries == 0
        assert call(service.url)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_not_http_at_all(running, capfd):
    with socket.create_connection(("127.0.0.1", port_of(running)), timeout=5) as line:
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


#  starting and stopping --------------------------------------------------------------------------------------------


def test_context_manager_and_repr():
    with serve(Brightest(), name="mnist") as service:
        assert isinstance(service, Service)
        assert repr(service) == "Service('mnist', running)"
        assert service.url == f"http://127.0.0.1:{port_of(service)}/v2/models/mnist"
    assert repr(service) == "Service('mnist', stopped)"
    with pytest.raises(urllib.error.URLError):
        call(service.url)


def test_stop_twice_frees_the_port_and_the_thread():
    before = threading.active_count()
    service = serve(Brightest(), name="once")
    suspect = RemoteModel(service.url)
    suspect(some_images(1, (1, 2, 2)))  # a connection still open does not hold the service up
    start = time.monotonic()
    service.stop()
    service.stop()
    assert time.monotonic() - start < 3
    assert threading.active_count() == before
    with socket.create_server(("127.0.0.1", port_of(service))):
        pass
    suspect.close()


def test_same_name_again_stops_the_first():
    first = serve(Brightest(), name="twin")
    suspect = RemoteModel(first.url)
    suspect(some_images(1, (1, 2, 2)))
    second = serve(Brightest(), name="twin", port=port_of(first))  # a cell run twice
    assert repr(first) == "Service('twin', stopped)"
    assert suspect(some_images(1, (1, 2, 2)))[0] >= 0  # the same address, a new service
    first.stop()
    assert call(second.url)[0] == 200
    second.stop()
    suspect.close()


def test_port_taken(says):
    with (
        serve(Brightest(), name="holder") as holder,
        says(OSError),
    ):
        serve(Brightest(), name="late", port=port_of(holder))
    for host in ("192.0.2.1", "no-such-host.invalid"):
        with says(OSError) as caught:
            serve(Brightest(), host=host)
        assert "Stop what holds the port" not in str(caught.value)


def test_many_services_at_once_start_fast():
    serve(Brightest(), name="warm").stop()  # imports done
    start = time.perf_counter()
    services = [serve(Net(seed=number), name=f"s{number}") for number in range(8)]
    seconds = (time.perf_counter() - start) / 8
    images = some_images(30)
    try:
        for number, service in enumerate(services):
            with RemoteModel(service.url) as suspect:
                np.testing.assert_array_equal(suspect(images), BlackBox(Net(seed=number))(images))
    finally:
        for service in services:
            service.stop()
    assert seconds < 0.3


def test_listening_everywhere_gives_an_address_one_can_reach():
    with serve(Brightest(), name="open", host="0.0.0.0") as service:
        assert call(service.url)[0] == 200


def test_start_that_fails_says_so(says, monkeypatch):
    class Dead:
        should_exit = started = False

        async def serve(self, sockets):
            return

    monkeypatch.setattr(service_module, "_server", lambda app: Dead())
    with says(RuntimeError):
        serve(Brightest(), name="dead")
    assert "dead" not in service_module._running


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("my model", "'my-model'"),
        ("a/b", "'a-b'"),
        ("", "'model'"),
        ("..", "'model'"),
        ("Kärtchen", "'K-rtchen'"),
    ],
)
def test_bad_names(says, name, better):
    with says(ValueError) as caught:
        serve(Brightest(), name=name)
    assert f"Try {better}." in str(caught.value)


def test_bad_models_and_ports(says):
    with says(ValueError):
        serve(nn.Flatten())
    with says(TypeError):
        serve("model.pt")
    with says(ValueError):
        serve(Brightest(), port=70_000)


def test_signals_and_logging_stay_as_they_were():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    root = list(logging.getLogger().handlers), logging.getLogger().level
    with serve(Brightest(), name="tidy") as service:
        call(service.url)
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert root == (list(logging.getLogger().handlers), logging.getLogger().level)
    assert logging.getLogger("uvicorn.error").level == logging.NOTSET


SCRIPT = """
import asyncio, sys
import numpy as np
from torch import nn
from wmlearn.service.remote import RemoteModel
from wmlearn.service.server import serve
model = nn.Flatten()
model.input_shape = (1, 2, 2)

async def cell():  # as in a notebook: an event loop is already running
    service = serve(model, name="left-running")
    print(RemoteModel(service.url)(np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)), service)

asyncio.run(cell())
"""


def test_python_ends_promptly_with_a_service_running():
    """Inside a running event loop, nothing stopped, nothing closed: still a clean end without a
    word on stderr.
    """
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[0 1 2 3] Service('left-running', running)\n"
    assert time.monotonic() - start < 40


def test_importing_it_loads_nothing_heavy():
    code = "import sys, wmlearn.service.server; print({'torch', 'starlette', 'uvicorn', 'httpx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n"


def test_name_and_host_are_text(says):
    with says(TypeError):
        serve(Brightest(), name=None)
    with says(TypeError):
        serve(Brightest(), host=None)
    with says(TypeError):
        serve(Brightest(), port="80")
    assert "model" not in service_module._running


@pytest.mark.parametrize("host", ["", " ", "\t"])
def test_no_host_is_not_every_host(says, host):
    """An empty one would listen on all interfaces, and who left it empty meant the opposite."""
    with says(ValueError):
        serve(Brightest(), host=host)
    assert "model" not in service_module._running


@pytest.mark.parametrize(
    ("shape", "got"),
    [
        ("abc", "'abc'"),
        (3, "3"),
        ((1, 28), r"\(1, 28\)"),
        ((1, 28, 0), r"\(1, 28, 0\)"),
        ((1, 2.5, 3), r"\(1, 2\.5, 3\)"),
    ],
)
def test_an_input_shape_is_three_numbers(shape, got):
    model = nn.Flatten()
    model.input_shape = shape
    with pytest.raises(
        ValueError,
        match=rf"attribute input_shape, .*; got {got}\. Set it: model\.input_shape = \(1,",
    ):
        serve(model)


#  options: scores --------------------------------------------------------------------------------------------------

TOKEN = "open-sesame-81"


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=["mnist", "cifar10"])
def test_scores_are_the_probabilities_of_the_model(shape):
    model, images = Net(shape).eval(), some_images(700, shape)
    with torch.no_grad():
        expected = model(torch.tensor(images)).softmax(dim=1).numpy()
    with (
        serve(model, name="told", options=ServiceOptions(scores=True)) as service,
        RemoteModel(service.url, budget=900) as suspect,
    ):
        scores = suspect.scores(images)
        assert (scores.dtype, scores.shape) == (np.float32, (700, 10))
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
        np.testing.assert_array_equal(
            suspect(images)[:200], scores.argmax(axis=1)[:200]
        )  # labels as ever
        assert (service.queries, suspect.queries, suspect.refused) == (900, 900, 500)


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
        suspect.scores(some_images(1, (1, 2, 2)))


def test_scores_that_are_no_numbers_are_an_error_and_not_in_the_log():
    class Lost(Brightest):
        def forward(self, images):
            return super().forward(images) * float("nan")

    with serve(Lost(), name="transient", options=ServiceOptions(scores=True)) as service:
        status, answer = call(service.url + "/infer", question())
        assert (status, list(answer)) == (500, ["error"])
        assert service.log == []


#  options: token ---------------------------------------------------------------------------------------------------


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
    message = {
        "error": "only requests with this model's token are answered. Send it as 'Authorization: Bearer ...'."
    }
    assert call(guarded.url, **headers) == (401, message)
    assert call(guarded.url + "/infer", question(), **headers) == (401, message)
    assert call(guarded.url + "/infer", b"{", **headers) == (
        401,
        message,
    )  # nor what is wrong with the request
    assert call(guarded.url + "/ready", **headers)[0] == 200
    assert call(guarded.url.split("/models")[0] + "/health/ready", **headers)[0] == 200
    assert guarded.log == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_with_the_token_all_is_as_ever(scheme, guarded):
    assert call(guarded.url, Authorization=f"{scheme} {TOKEN}")[0] == 200
    status, answer = call(guarded.url + "/infer", question(), Authorization=f"{scheme} {TOKEN}")
    assert (status, answer["outputs"][0]["data"]) == (200, [2])


def test_box_and_service_with_a_token(says, guarded):
    images = some_images(5, (1, 2, 2))
    with RemoteModel(guarded.url, token=TOKEN) as suspect:
        np.testing.assert_array_equal(suspect(images), BlackBox(Brightest())(images))
    for token, words in [(None, "without a token"), ("open-barley", "with this token")]:
        start = time.monotonic()
        with (
            RemoteModel(guarded.url, token=token) as suspect,
            says(PermissionError) as caught,
        ):
            suspect(images)
        assert time.monotonic() - start < 5
        assert "open-barley" not in str(caught.value)
    assert guarded.queries == 5  # not one image was shown to it


def test_a_401_says_which_scheme(guarded):
    with socket.create_connection(("127.0.0.1", port_of(guarded)), timeout=5) as line:
        line.sendall(b"GET /v2/models/guarded HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"www-authenticate: bearer" in line.recv(1000).lower()


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
        suspect(some_images(2, (1, 2, 2)))
    call(guarded.url, Authorization="Bearer wrong")
    seen = [
        repr(ServiceOptions(token=TOKEN)),
        str(ServiceOptions(token=TOKEN)),
        repr(guarded),
        str(vars(guarded)),
        str(guarded.log),
    ]
    assert not [entry for entry in [*seen, caplog.text, *capfd.readouterr()] if TOKEN in entry]
    assert caplog.text


#  options: rate ----------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """A clock of the service's that stands still until told; the client's pauses move it."""
    now = [0.0]
    monkeypatch.setattr(_app, "_clock", lambda: now[0])
    monkeypatch.setattr(_transport, "_sleep", lambda seconds: now.append(now.pop() + seconds))
    return now


def test_a_rate_of_four_images_per_second(clock):
    def ask(images):
        body = question(shape=[images, 1, 2, 2], data=[0] * 4 * images)
        with urllib_reply(service.url + "/infer", body) as reply:
            return reply.status, reply.headers.get("Retry-After")

    with serve(Brightest(), name="slow", options=ServiceOptions(rate=4)) as service:
        assert [ask(3), ask(1), ask(1)] == [(200, None), (200, None), (429, "1")]
        clock[0] = 0.25
        assert [ask(1), ask(1)] == [(200, None), (429, "1")]
        clock[0] = 60  # no more than one second's worth is saved up
        assert [ask(4), ask(1)] == [(200, None), (429, "1")]
        clock[0] = 61
        assert [ask(12), ask(1)] == [
            (200, None),
            (429, "3"),
        ]  # overdrawn by eight: paid back before the next
        clock[0] = 63.25
        assert [ask(1), ask(1)] == [(200, None), (429, "1")]
        assert call(service.url)[0] == 200  # only answers are counted
        message = "at most 4 images per second are answered. Come back in 1 s."
        assert call(service.url + "/infer", question()) == (429, {"error": message})
        assert service.queries == 3 + 1 + 1 + 4 + 12 + 1


@contextlib.contextmanager
def urllib_reply(url, body):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(
            urllib.request.Request(url, data=json.dumps(body).encode()), timeout=10
        ) as reply:
            yield reply
    except urllib.error.HTTPError as error:
        with error:
            yield error


def test_box_keeps_to_the_rate(clock, monkeypatch):
    monkeypatch.setattr(
        "wmlearn.service._protocol._QUESTION_BYTES", 1000 + 16 * 10
    )  # ten images at once
    images = some_images(45, (1, 2, 2))
    with (
        serve(Brightest(), name="slow", options=ServiceOptions(rate=5)) as service,
        RemoteModel(service.url) as suspect,
    ):
        np.testing.assert_array_equal(suspect(images), BlackBox(Brightest())(images))
        assert (suspect.queries, suspect.n_unreachable, service.queries) == (45, 0, 45)
    assert clock == [
        8.0
    ]  # 45 images: 5 at once, 40 to wait for, and the last 5 of them on credit ... at 5 a second


@settings(deadline=None)
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
        patch.setattr(_app, "_clock", lambda: now)
        gatekeeper = _app._Gatekeeper(ServiceOptions(rate=rate))
        for pause, images in requests:
            now += pause
            try:
                gatekeeper.pace(images)
            except _app._Rejected as refused:
                now += int(refused.headers["Retry-After"])
                gatekeeper.pace(images)  # whoever comes back when told is let in
            admitted.append((now, images))
            before = sum(some for _, some in admitted[:-1])
            assert before + min(images, full) <= full + rate * now


#  options: latency and faults --------------------------------------------------------------------------------------


def test_latency_holds_back_answers_and_nothing_else():
    with serve(Brightest(), name="late", options=ServiceOptions(latency=1.5)) as service:
        answers = []
        start = time.monotonic()
        threads = [
            threading.Thread(
                target=lambda: answers.append(call(service.url + "/infer", question()))
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        assert call(service.url)[0] == 200
        assert call(service.url + "/ready")[0] == 200
        assert answers == []
        for thread in threads:
            thread.join(10)
        assert time.monotonic() - start >= 1.5
        assert [status for status, _ in answers] == [200] * 4
        assert time.monotonic() - start < 4.5  # side by side, not one after the other


def test_stop_does_not_wait_for_a_late_answer():
    service = serve(Brightest(), name="later", options=ServiceOptions(latency=60))
    with RemoteModel(service.url, retries=0) as suspect:
        threading.Timer(0.5, service.stop).start()
        start = time.monotonic()
        with pytest.raises(ConnectionError):
            suspect(some_images(1, (1, 2, 2)))
        service.stop()
        assert time.monotonic() - start < 8
        assert repr(service) == "Service('later', stopped)"
    assert service.log == []


def statuses(options, n=40):
    with serve(Brightest(), name="faulty", options=options) as service:
        return [call(service.url + "/infer", question())[0] for _ in range(n)], service.queries


def test_faults_repeat():
    """The oracle draws for itself: two numbers a request, whether it fails and how."""
    draws = np.random.RandomState(3).random_sample((40, 2))
    expected = [200 if chance >= 0.4 else 500 if kind < 0.5 else 503 for chance, kind in draws]
    assert {200, 500, 503} == set(expected)
    assert statuses(ServiceOptions(faults=0.4, seed=3)) == (expected, expected.count(200))
    assert statuses(ServiceOptions(faults=0.4, seed=3)) == (expected, expected.count(200))
    assert statuses(ServiceOptions(faults=0.4, seed=4))[0] != expected
    assert statuses(ServiceOptions(), 10) == ([200] * 10, 10)
    assert statuses(ServiceOptions(faults=1), 10)[1] == 0


def test_box_gets_through_faults(monkeypatch):
    naps = []
    monkeypatch.setattr(_transport, "_sleep", naps.append)
    monkeypatch.setattr("wmlearn.service._protocol._QUESTION_BYTES", 1000 + 16 * 10)
    images = some_images(300, (1, 2, 2))
    options = ServiceOptions(faults=0.3, seed=1)
    with (
        serve(Brightest(), name="faulty", options=options) as service,
        RemoteModel(service.url, retries=9) as suspect,
    ):
        np.testing.assert_array_equal(suspect(images), BlackBox(Brightest())(images))
        assert (suspect.queries, suspect.n_unreachable, service.queries) == (300, 0, 300)
    assert len(naps) > 3


#  options: what is wrong with it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"scores": 1}, TypeError, r"^scores must be a bool, True or False; got 1\.$"),
        (
            {"token": "two words"},
            ValueError,
            r"^token must be text of ASCII letters, digits and signs, without spaces",
        ),
        (
            {"token": 81},
            TypeError,
            r"^token must be text of .*; got a int\. Try secrets\.token_urlsafe",
        ),
        (
            {"rate": 0},
            ValueError,
            r"^rate \(images per second\) must be above 0.*; got 0\. Leave it out for no limit\.$",
        ),
        (
            {"rate": "5"},
            TypeError,
            r"^rate \(images per second\) must be a number .*Write it without quotes: 5\.$",
        ),
        ({"rate": float("nan")}, ValueError, r"got nan"),
        (
            {"latency": -1},
            ValueError,
            r"^latency must be above 0 and at most 60; got -1\. Leave it out for none\.$",
        ),
        ({"latency": 61}, ValueError, r"at most 60; got 61"),
        ({"latency": None}, TypeError, r"latency must be a number .*got None"),
        ({"faults": 1.5}, ValueError, r"^faults must be above 0 and at most 1; got 1\.5"),
        ({"faults": 30}, ValueError, r"at most 1; got 30"),
        ({"faults": False}, TypeError, r"got False"),
        ({"seed": -1}, ValueError, r"seed must be from 0 to"),
        ({"seed": 0.5}, TypeError, r"seed must be a whole number"),
    ],
    ids=str,
)
def test_bad_options(options, error, words):
    with pytest.raises(error, match=words):
        ServiceOptions(**options)


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.lists(st.integers(), max_size=2)
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([field.name for field in dataclasses.fields(ServiceOptions)]), anything
    )
)
def test_any_options_are_taken_or_refused_in_one_sentence(options):
    try:
        made = ServiceOptions(**options)
    except (TypeError, ValueError) as error:
        message = str(error)
    else:
        _app._Gatekeeper(made).pace(1)
        message = repr(made)
        assert 0 <= made.faults <= 1
        assert 0 <= made.latency <= 60
    assert "\n" not in message


def test_options_are_frozen_and_asked_for_by_name(says):
    with pytest.raises(dataclasses.FrozenInstanceError):
        ServiceOptions().rate = 5
    with says(TypeError):
        serve(Brightest(), options={"rate": 50})
    assert (
        repr(ServiceOptions(rate=5))
        == "ServiceOptions(scores=False, rate=5, latency=0.0, faults=0.0, seed=0)"
    )


def test_the_smallest_rate_still_answers(clock):
    with serve(Brightest(), name="hardly", options=ServiceOptions(rate=1e-320)) as service:
        assert [call(service.url + "/infer", question())[0] for _ in range(2)] == [200, 429]
