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
from torch import nn

from wmlearn import service as service_module
from wmlearn.blackbox import BlackBox, HttpBox
from wmlearn.service import Service, serve


class Net(nn.Module):
    """A small untrained classifier that says, as ours do, what images it takes."""

    def __init__(self, shape=(1, 28, 28), classes=10, seed=0):
        super().__init__()
        self.input_shape = shape
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), classes), nn.Dropout(0.5))

    def forward(self, images):
        return self.layers(images)


class Brightest(nn.Flatten):
    input_shape = (1, 2, 2)


def some_pixels(n, shape=(1, 28, 28), seed=0):
    return np.random.RandomState(seed).randint(0, 256, (n, *shape), dtype=np.uint8)


def some_images(n, shape=(1, 28, 28), seed=0):
    return some_pixels(n, shape, seed).astype(np.float32) / 255


def call(url, body=None, method=None):
    """Ask without our own client: the status and the JSON that came back."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
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
    tensor = {"name": "images", "shape": [1, 1, 2, 2], "datatype": "UINT8", "data": [0, 9, 255, 3], **changes}
    return {"inputs": [tensor]}


@pytest.fixture(scope="module")
def running():
    with serve(Brightest(), name="shared") as service:
        yield service


# --- the round trip ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=["mnist", "cifar10"])
def test_service_answers_what_the_model_answers(shape):
    model, images = Net(shape), some_images(700, shape)
    expected = BlackBox(model)(images)
    assert len(np.unique(expected)) > 3
    with serve(model, name="trip") as service, HttpBox(service.url) as box:
        np.testing.assert_array_equal(box(images), expected)
        assert service.queries == box.queries == 700
        assert service.log[0] == service_module.Request(images=service.log[0].images, datatype="UINT8")
        assert sum(request.images for request in service.log) == 700


def test_a_thousand_images_within_a_second():
    images = some_images(1000)
    with serve(Net(), name="quick") as service, HttpBox(service.url) as box:
        box(images[:1])
        assert quickest(3, box, images) < 1
        assert [request.images for request in service.log] == [1, 1000, 1000, 1000]


def test_small_questions_do_not_wait_for_the_network():
    """Without TCP_NODELAY each answer would take 40 ms, and 30 questions more than a second."""
    images = some_images(1, (1, 2, 2))
    with serve(Brightest(), name="prompt") as service, HttpBox(service.url) as box:
        assert quickest(15, box, images) < 0.03


def quickest(times: int, box: HttpBox, images: np.ndarray) -> float:
    """Return the seconds of the quickest of so many calls."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        box(images)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def test_fp32_and_uint8_give_the_same_labels(running):
    pixels = some_pixels(20, (1, 2, 2))
    images = pixels.astype(np.float32) / 255
    shape = list(images.shape)
    _, eight = call(running.url + "/infer", question(shape=shape, data=pixels.ravel().tolist()))
    _, real = call(running.url + "/infer", question(shape=shape, datatype="FP32", data=images.ravel().tolist()))
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
    with serve(model, name="copy") as service, HttpBox(service.url) as box:
        assert model.training
        with torch.no_grad():
            model.layers[1].weight.zero_()
        np.testing.assert_array_equal(box(images), expected)


def test_rng_untouched():
    state = torch.get_rng_state()
    with serve(Net().train(), name="rng") as service, HttpBox(service.url) as box:
        box(some_images(10))
    assert torch.equal(torch.get_rng_state(), state)


# --- the protocol -----------------------------------------------------------------------------------------------------


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
    "wrong shape": (question(shape=[1, 1, 28, 28]), r"shape \[n, 1, 2, 2\], n at least 1; got \[1, 1, 28, 28\]"),
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
    assert (status, answer["error"]) == (413, "a request must be at most 8 MB; got 9.0 MB. Send fewer images at once.")


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


# --- starting and stopping --------------------------------------------------------------------------------------------


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
    box = HttpBox(service.url)
    box(some_images(1, (1, 2, 2)))  # a connection still open does not hold the service up
    start = time.monotonic()
    service.stop()
    service.stop()
    assert time.monotonic() - start < 3
    assert threading.active_count() == before
    with socket.create_server(("127.0.0.1", port_of(service))):
        pass
    box.close()


def test_same_name_again_stops_the_first():
    first = serve(Brightest(), name="twin")
    box = HttpBox(first.url)
    box(some_images(1, (1, 2, 2)))
    second = serve(Brightest(), name="twin", port=port_of(first))  # a cell run twice
    assert repr(first) == "Service('twin', stopped)"
    assert box(some_images(1, (1, 2, 2)))[0] >= 0  # the same address, a new service
    first.stop()
    assert call(second.url)[0] == 200
    second.stop()
    box.close()


def test_port_taken():
    with (
        serve(Brightest(), name="holder") as holder,
        pytest.raises(OSError, match=f"port {port_of(holder)}, but: Address already in use. .* port=0"),
    ):
        serve(Brightest(), name="late", port=port_of(holder))
    for host in ("192.0.2.1", "no-such-host.invalid"):
        with pytest.raises(
            OSError, match=f"expected to listen on host '{host}', .*: .+\\. Leave host out, or pass an"
        ) as caught:
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
            with HttpBox(service.url) as box:
                np.testing.assert_array_equal(box(images), BlackBox(Net(seed=number))(images))
    finally:
        for service in services:
            service.stop()
    assert seconds < 0.3


def test_listening_everywhere_gives_an_address_one_can_reach():
    with serve(Brightest(), name="open", host="0.0.0.0") as service:
        assert call(service.url)[0] == 200


def test_start_that_fails_says_so(monkeypatch):
    class Dead:
        should_exit = started = False

        async def serve(self, sockets):
            return

    monkeypatch.setattr(service_module, "_server", lambda app: Dead())
    with pytest.raises(RuntimeError, match="expected service 'dead' to start"):
        serve(Brightest(), name="dead")
    assert "dead" not in service_module._running


@pytest.mark.parametrize(
    ("name", "better"),
    [("my model", "'my-model'"), ("a/b", "'a-b'"), ("", "'model'"), ("..", "'model'"), ("Kärtchen", "'K-rtchen'")],
)
def test_bad_names(name, better):
    with pytest.raises(ValueError, match="name must be letters") as caught:
        serve(Brightest(), name=name)
    assert f"Try {better}." in str(caught.value)


def test_bad_models_and_ports():
    with pytest.raises(ValueError, match=r"attribute input_shape.*Set it: model.input_shape = \(1, 28, 28\)"):
        serve(nn.Flatten())
    with pytest.raises(TypeError, match=r"must be a torch.nn.Module; got 'model.pt'"):
        serve("model.pt")
    with pytest.raises(ValueError, match="port must be from 0 to 65535"):
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
from wmlearn.blackbox import HttpBox
from wmlearn.service import serve
model = nn.Flatten()
model.input_shape = (1, 2, 2)

async def cell():  # as in a notebook: an event loop is already running
    service = serve(model, name="left-running")
    print(HttpBox(service.url)(np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)), service)

asyncio.run(cell())
"""


def test_python_ends_promptly_with_a_service_running():
    """Inside a running event loop, nothing stopped, nothing closed: still a clean end without a word on stderr."""
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[0 1 2 3] Service('left-running', running)\n"
    assert time.monotonic() - start < 40


def test_importing_it_loads_nothing_heavy():
    code = "import sys, wmlearn.service; print({'torch', 'fastapi', 'uvicorn', 'httpx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n"


def test_name_and_host_are_text():
    with pytest.raises(TypeError, match=r"^name must be a str, such as 'model'; got None\.$"):
        serve(Brightest(), name=None)
    with pytest.raises(TypeError, match=r"^host must be a str, such as '127\.0\.0\.1'; got None\.$"):
        serve(Brightest(), host=None)
    with pytest.raises(TypeError, match=r"^port must be .*; got '80'\. Write it without quotes: 80\.$"):
        serve(Brightest(), port="80")
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
    with pytest.raises(ValueError, match=rf"attribute input_shape, .*; got {got}\. Set it: model\.input_shape = \(1,"):
        serve(model)
