"""Putting a model on the network and taking it off again: threads, ports, names, logs."""

import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
import uvicorn
from faulty_service import some_images
from served import Brightest, Net, call
from torch import nn

from wmlearn.service.blackbox import BlackBox
from wmlearn.service.options import ServiceOptions
from wmlearn.service.remote import RemoteModel
from wmlearn.service.server import serve

#  the round trip ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=["mnist", "cifar10"])
def test_service_answers_what_the_model_answers(shape):
    model, images = Net(shape), some_images(350, shape=shape)
    expected = BlackBox(model)(images)
    assert len(np.unique(expected)) > 3
    with serve(model, name="trip") as service, RemoteModel(service.url) as suspect:
        np.testing.assert_array_equal(suspect(images), expected)
        assert service.queries == suspect.queries == 350
        assert sum(request.images for request in service.log) == 350
        assert {request.datatype for request in service.log} == {"UINT8"}


def test_a_thousand_images_within_a_second():
    """Client and service are threads of this process: its own time is counted, not that of a busy
    machine.
    """
    images = some_images(1000, shape=(1, 28, 28))
    with serve(Net(), name="quick") as service, RemoteModel(service.url) as suspect:
        suspect(images[:1])
        start = time.process_time()
        suspect(images)
        assert time.process_time() - start < 1
        assert [request.images for request in service.log] == [1, 1000]


def test_small_questions_do_not_wait_for_the_network():
    """Without TCP_NODELAY no answer comes within 40 ms; one is enough, however busy the machine."""
    images = some_images(1)
    fastest = 1.0
    with serve(Brightest(), name="prompt") as service, RemoteModel(service.url) as suspect:
        for _ in range(200):
            start = time.perf_counter()
            suspect(images)
            fastest = min(fastest, time.perf_counter() - start)
            if fastest < 0.03:
                break
    assert fastest < 0.03


def test_the_model_served_is_a_copy_in_evaluation_mode():
    model, images = Net().train(), some_images(100, shape=(1, 28, 28))
    expected = BlackBox(model)(images)
    with serve(model, name="copy") as service, RemoteModel(service.url) as suspect:
        assert model.training
        with torch.no_grad():
            model.layers[1].weight.zero_()
        np.testing.assert_array_equal(suspect(images), expected)


def test_rng_untouched():
    state = torch.get_rng_state()
    with serve(Net().train(), name="rng") as service, RemoteModel(service.url) as suspect:
        suspect(some_images(10, shape=(1, 28, 28)))
    assert torch.equal(torch.get_rng_state(), state)


#  starting and stopping --------------------------------------------------------------------------


def test_context_manager_and_repr(says):
    with serve(Brightest(), name="mnist") as service:
        says(repr(service))
        says(service.url)
    says(repr(service))
    with pytest.raises(urllib.error.URLError):
        call(service.url)


def test_stop_twice_frees_the_port_and_the_thread():
    before = threading.active_count()
    service = serve(Brightest(), name="once")
    with RemoteModel(service.url) as suspect:
        suspect(some_images(1))  # a connection still open does not hold the service up
        start = time.monotonic()
        service.stop()
        service.stop()
        assert time.monotonic() - start < 3
        assert threading.active_count() == before
        with socket.create_server(("127.0.0.1", urlsplit(service.url).port)):
            pass


def test_stop_does_not_wait_for_a_late_answer():
    service = serve(Brightest(), name="later", options=ServiceOptions(latency=60))
    with RemoteModel(service.url, retries=0) as suspect:
        threading.Timer(0.2, service.stop).start()
        start = time.monotonic()
        with pytest.raises(ConnectionError):
            suspect(some_images(1))
        service.stop()
        assert time.monotonic() - start < 8
    assert service.log == []


def test_same_name_again_stops_the_first(says):
    first = serve(Brightest(), name="twin")
    with RemoteModel(first.url) as suspect:
        suspect(some_images(1))
        second = serve(Brightest(), name="twin", port=urlsplit(first.url).port)  # a cell run twice
        says(repr(first))
        assert suspect(some_images(1))[0] >= 0  # the same address, a new service
        first.stop()
        assert call(second.url)[0] == 200
        second.stop()


def test_port_taken(says):
    with serve(Brightest(), name="holder") as holder, says(OSError, varies=r"(?<=port )\d{2,}"):
        serve(Brightest(), name="late", port=urlsplit(holder.url).port)
    with says(OSError):
        serve(Brightest(), host="192.0.2.1")
    with says(OSError, varies=r"(?<=but: ).*(?=\. Leave host)"):  # the resolver's own words
        serve(Brightest(), host="no-such-host.invalid")


def test_many_services_at_once_start_fast():
    serve(Brightest(), name="warm").stop()  # imports done
    start = time.perf_counter()
    services = [serve(Net(seed=number), name=f"s{number}") for number in range(8)]
    seconds = (time.perf_counter() - start) / 8
    images = some_images(30, shape=(1, 28, 28))
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
    with monkeypatch.context() as patch:
        patch.setattr(uvicorn.Server, "run", lambda server, sockets: None)
        with says(RuntimeError):
            serve(Brightest(), name="dead")
    serve(Brightest(), name="dead").stop()


def test_signals_and_logging_stay_as_they_were():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    root = list(logging.getLogger().handlers), logging.getLogger().level
    with serve(Brightest(), name="tidy") as service:
        call(service.url)
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert root == (list(logging.getLogger().handlers), logging.getLogger().level)
    assert logging.getLogger("uvicorn.error").level == logging.NOTSET


SCRIPT = """
import asyncio, socket, sys, urllib.parse
import numpy as np
from torch import nn
from wmlearn.service.remote import RemoteModel
from wmlearn.service.server import serve
model = nn.Flatten()
model.input_shape = (1, 2, 2)

async def cell():  # as in a notebook: an event loop is already running
    service = serve(model, name="left-running")
    print(RemoteModel(service.url)(np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)), service)
    with socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(service.url).port)) as line:
        line.sendall(b"not HTTP\\r\\n\\r\\n")  # uvicorn warns of it
        line.recv(1000)

asyncio.run(cell())
"""


def test_python_ends_promptly_with_a_service_running():
    """Inside a running event loop, nothing stopped, nothing closed: still a clean end without a
    word on stderr.
    """
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[0 1 2 3] Service('left-running', running)\n"


def test_importing_it_loads_nothing_heavy(run_python):
    heavy = {"torch", "starlette", "uvicorn", "httpx"}
    code = f"import sys, wmlearn.service.server; print({heavy} & set(sys.modules))"
    assert run_python(code) == "set()"


#  what cannot be served --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["my model", "a/b", "", "..", "Kärtchen", None])
def test_bad_names(says, name):
    with says((TypeError, ValueError)):
        serve(Brightest(), name=name)


def test_bad_models_and_ports(says):
    with says(ValueError):
        serve(nn.Flatten())
    with says(TypeError):
        serve("model.pt")
    with says(ValueError):
        serve(Brightest(), port=70_000)
    with says(TypeError):
        serve(Brightest(), port="80")


@pytest.mark.parametrize("host", ["", " ", "\t", None])
def test_no_host_is_not_every_host(says, host):
    """An empty one would listen on all interfaces; anyone who left it empty meant the opposite."""
    with says((TypeError, ValueError)):
        serve(Brightest(), host=host)


def test_a_function_is_told_its_input_shape_by_a_step_that_works(says):
    def model(images):
        return np.zeros(len(images), int)

    with says(ValueError):
        serve(model)
    suspect = BlackBox(model)
    suspect.input_shape = (1, 28, 28)
    with serve(suspect) as service, RemoteModel(service.url) as remote:
        assert remote(np.zeros((2, 1, 28, 28), np.float32)).tolist() == [0, 0]


@pytest.mark.parametrize("shape", ["abc", 3, None, (), (1, 28), (1, 28, 0), (1, 2.5, 3)], ids=repr)
def test_an_input_shape_is_three_numbers(says, shape):
    model = nn.Flatten()
    model.input_shape = shape
    with says(ValueError):
        serve(model)
