"""Images go out as bytes where the server says that it takes them; JSON is for everybody else."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from faulty_service import (
    CARD,
    LABELS,
    SCORES,
    FaultyService,
    Handler,
    Reply,
    brightest,
    garbage,
    good,
    reset,
    some_images,
    status,
    text,
)
from served import Brightest

import wmlearn as wm
from wmlearn.service import _protocol
from wmlearn.service.blackbox import BlackBox
from wmlearn.service.options import ServiceOptions
from wmlearn.service.remote import RemoteModel
from wmlearn.service.server import serve

MANY = some_images(2_500)  # ten thousand numbers: from so many on, the server is asked
FEW = some_images(2_499)
EXPECTED = brightest(MANY)
TAKES = {"name": "toy", "version": "1", "extensions": ["schedule_policy", "binary_tensor_data"]}
NUMBERS = {"INT64": "<i8", "FP32": "<f4"}
LENGTH = "Inference-Header-Content-Length"


def described(server: Any = TAKES, card: dict[str, Any] = CARD) -> tuple[Reply]:
    """Return what describes the server under /v2, and its model everywhere else."""

    def reply(handler: Handler) -> None:
        told = server if handler.path == "/v2" else card
        told(handler) if callable(told) else handler.send_json(told)

    return (reply,)


def as_bytes(handler: Handler) -> bool:
    return LENGTH in handler.headers


def packed(*outputs: dict[str, Any], rest: bytes, length: str | None = None) -> Reply:
    """Answer outputs whose numbers follow the JSON."""
    head = json.dumps({"outputs": outputs}).encode()
    headers = {LENGTH.replace("-", "_"): str(len(head)) if length is None else length}
    return lambda handler: handler.send_text(head + rest, **headers)


def tensor(values: np.ndarray, name: str = "labels", **more: Any) -> tuple[dict[str, Any], bytes]:
    """Return an output, and the bytes that it describes unless it lies."""
    datatype = "FP32" if values.dtype.kind == "f" else "INT64"
    rest = values.astype(NUMBERS[datatype]).tobytes()
    described = {"name": name, "datatype": datatype, "shape": list(values.shape)}
    return {**described, "parameters": {"binary_data_size": len(rest)}, **more}, rest


def both_ways(handler: Handler) -> None:
    """Answer in the form of the question."""
    if not as_bytes(handler):
        good(handler)
        return
    output, rest = tensor(brightest(handler.images))
    packed(output, rest=rest)(handler)


def unless_bytes(reply: Reply) -> Reply:
    """Answer questions in JSON well, and those in bytes so."""
    return lambda handler: (reply if as_bytes(handler) else good)(handler)


#  on the wire ------------------------------------------------------------------------------------


def message(line: str, body: bytes, **headers: str) -> bytes:
    """Return an HTTP message as it travels."""
    fields = {"Content-Length": str(len(body)), **headers}
    lines = [line, *(f"{name.replace('_', '-')}: {fields[name]}" for name in fields)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def received(line: socket.socket) -> tuple[bytes, bytes]:
    """Return the head and the body of an HTTP message."""
    came = b""
    while b"\r\n\r\n" not in came:
        came += line.recv(65536)
    head, _, body = came.partition(b"\r\n\r\n")
    while len(body) < int(field(head, "Content-Length") or 0):
        body += line.recv(65536)
    return head, body


def field(head: bytes, name: str) -> str:
    """Return what a header says; "" where it is not there."""
    for line in head.decode().splitlines():
        key, _, value = line.partition(": ")
        if key.lower() == name.lower():
            return value
    return ""


@contextmanager
def bare_server(*replies: bytes) -> Iterator[tuple[str, list[tuple[bytes, bytes]]]]:
    """Answer one request after the other with these bytes; yield the address and what came."""
    came: list[tuple[bytes, bytes]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with listener.accept()[0] as line:
                for reply in replies:
                    came.append(received(line))
                    line.sendall(reply)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/far/v2/models/toy", came
        thread.join(10)


def test_a_client_writes_bytes_as_the_extension_has_it():
    output, rest = tensor(EXPECTED)
    head = json.dumps({"outputs": [output]}).encode()
    answered = message("HTTP/1.1 200 OK", head + rest, **{LENGTH: str(len(head))})
    metadata = [
        message("HTTP/1.1 200 OK", json.dumps(each).encode())
        for each in ({**CARD, "outputs": [LABELS, SCORES]}, TAKES)
    ]
    with bare_server(*metadata, answered) as (url, came), RemoteModel(url) as suspect:
        np.testing.assert_array_equal(suspect(MANY), EXPECTED)
    lines = [sent.split(b"\r\n")[0].decode() for sent, _ in came]
    assert lines == [
        "GET /far/v2/models/toy HTTP/1.1",
        "GET /far/v2 HTTP/1.1",
        "POST /far/v2/models/toy/infer HTTP/1.1",
    ]
    sent, body = came[-1]
    assert field(sent, "Content-Type") == "application/octet-stream"
    length = int(field(sent, LENGTH))
    pixels = np.rint(MANY * 255).astype(np.uint8).tobytes()
    assert body[length:] == pixels
    question = json.loads(body[:length])
    size = {"binary_data_size": len(pixels)}
    images = {"name": "images", "shape": [2_500, 1, 2, 2], "datatype": "UINT8"}
    assert question["inputs"] == [{**images, "parameters": size}]
    wish = {"parameters": {"binary_data": True}}
    assert question["outputs"] == [{"name": "labels", **wish}, {"name": "scores", **wish}]


def test_a_service_reads_bytes_and_writes_them():
    options = ServiceOptions(scores=True)
    with serve(Brightest(), name="bytes", options=options) as service:
        address = urlsplit(service.url)
        pixels = np.rint(MANY * 255).astype(np.uint8).tobytes()
        images = {"name": "images", "shape": [2_500, 1, 2, 2], "datatype": "UINT8"}
        images["parameters"] = {"binary_data_size": len(pixels)}
        wish = {"parameters": {"binary_data": True}}
        outputs = [{"name": "scores", **wish}, {"name": "labels", **wish}]
        head = json.dumps({"inputs": [images], "outputs": outputs}).encode()
        line = f"POST {address.path}/infer HTTP/1.1"
        headers = {"Host": address.netloc, LENGTH: str(len(head))}
        with socket.create_connection((address.hostname, address.port), 10) as connection:
            connection.sendall(message(line, head + pixels, **headers))
            came, body = received(connection)
        assert came.startswith(b"HTTP/1.1 200 ")
        length = int(field(came, LENGTH))
        scores, labels = json.loads(body[:length])["outputs"]
        assert (scores["shape"], labels["shape"]) == ([2_500, 4], [2_500])
        assert scores["parameters"] == {"binary_data_size": 40_000}
        assert labels["parameters"] == {"binary_data_size": 20_000}
        found = np.frombuffer(body[length : length + 40_000], "<f4").reshape(2_500, 4)
        expected = BlackBox(Brightest(), scores=True).scores(MANY)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.frombuffer(body[length + 40_000 :], "<i8"), EXPECTED)


#  which form -------------------------------------------------------------------------------------


def test_few_images_are_json_and_the_server_is_asked_nothing():
    with FaultyService(cards=described(), then=both_ways) as service:
        with RemoteModel(service.url) as suspect:
            np.testing.assert_array_equal(suspect(FEW), EXPECTED[:-1])
        assert service.paths == ["/v2/models/toy", "/v2/models/toy/infer"]
        assert LENGTH not in service.headers[-1]


def test_the_server_is_asked_once_and_bytes_stay_bytes():
    with FaultyService(cards=described(), then=both_ways) as service:
        with RemoteModel(service.url, token="sesame") as suspect:
            assert suspect(FEW[:3]).tolist() == EXPECTED[:3].tolist()
            for images in (MANY, FEW, MANY):
                np.testing.assert_array_equal(suspect(images), brightest(images))
            assert suspect.queries == sum(service.asked) == 3 + 2_500 + 2_499 + 2_500
        assert service.paths.count("/v2") == 1
        sent = [LENGTH in each for each in service.headers]
        assert sent == [False, False, False, True, True, True]
        assert set(service.tokens) == {"Bearer sesame"}


@pytest.mark.parametrize("datatype", ["UINT8", "FP16", "FP32"])
def test_images_arrive_as_they_do_by_json(datatype):
    card = {**CARD, "inputs": [{**CARD["inputs"][0], "datatype": datatype}]}
    arrived = []

    def reply(handler: Handler) -> None:
        arrived.append((as_bytes(handler), handler.images))
        both_ways(handler)

    for server in (TAKES, {}):
        with FaultyService(cards=described(server, card), then=reply) as service:
            np.testing.assert_array_equal(RemoteModel(service.url)(MANY), EXPECTED)
    assert [form for form, _ in arrived] == [True, False]
    np.testing.assert_array_equal(arrived[0][1], arrived[1][1])


def test_texts_are_wished_as_json():
    card = {**CARD, "outputs": [{**LABELS, "datatype": "BYTES"}]}
    wishes = []

    def reply(handler: Handler) -> None:
        end = int(handler.headers[LENGTH])
        wishes.append(json.loads(handler.body[:end])["outputs"])
        names = brightest(handler.images).astype(str).tolist()
        handler.send_json({"outputs": [{"name": "labels", "datatype": "BYTES", "data": names}]})

    with FaultyService(cards=described(TAKES, card), then=reply) as service:
        suspect = RemoteModel(service.url, classes=list("0123"))
        np.testing.assert_array_equal(suspect(MANY), EXPECTED)
    assert wishes == [[{"name": "labels", "parameters": {"binary_data": False}}]]


SILENT_ON_IT = {
    "no extensions": {"name": "mlserver", "extensions": []},
    "other extensions": {"extensions": ["model_repository_extension"]},
    "the word alone": {"extensions": "binary_tensor_data"},
    "numbers": {"extensions": [1, None]},
    "a list": ["binary_tensor_data"],
    "a page": text(b"<html>"),
    "404": status(404),
    "401": status(401),
    "429": status(429, Retry_After="60"),
    "500": status(500),
    "elsewhere": status(307, Location="/v2/"),
    "not HTTP": garbage,
    "hangs up": reset,
}


@pytest.mark.parametrize("server", SILENT_ON_IT.values(), ids=SILENT_ON_IT)
def test_whoever_does_not_say_that_they_take_bytes_gets_json(server, naps):
    with FaultyService(cards=described(server)) as service, RemoteModel(service.url) as suspect:
        for _ in range(2):
            np.testing.assert_array_equal(suspect(MANY), EXPECTED)
        assert service.paths.count("/v2") == 1
        assert (service.asked, suspect.queries) == ([2_500] * 2, 5_000)
        assert (suspect.faults, naps) == ([], [])
        assert not any(LENGTH in each for each in service.headers)


#  a word that is not kept ------------------------------------------------------------------------

FIRST, REST = tensor(EXPECTED)
HALF = {"binary_data_size": 10_000}
UNTRUE = {
    "refused": (status(400), 1),
    "not that type": (status(415), 1),
    "a gateway that fails": (status(500), 5),
    "hangs up": (reset, 5),
    "labels of zeros": (packed({**FIRST, "shape": [2_499]}, rest=REST), 2),
    "too few bytes": (packed(FIRST, rest=REST[:-1]), 2),
    "too many bytes": (packed(FIRST, rest=REST + b"x"), 2),
    "no bytes": (packed(FIRST, rest=b""), 2),
    "half of them": (packed({**FIRST, "parameters": HALF}, rest=REST), 2),
    "half a number": (packed({**FIRST, "parameters": {"binary_data_size": 3}}, rest=b"abc"), 2),
    "a size below zero": (packed({**FIRST, "parameters": {"binary_data_size": -8}}, rest=REST), 2),
    "a size in words": (packed({**FIRST, "parameters": {"binary_data_size": "20"}}, rest=REST), 2),
    "an endless size": (packed({**FIRST, "parameters": {"binary_data_size": 1e400}}, rest=REST), 2),
    "true for a size": (packed({**FIRST, "parameters": {"binary_data_size": True}}, rest=REST), 2),
    "parameters in a list": (packed({**FIRST, "parameters": [20_000]}, rest=REST), 2),
    "a datatype nobody knows": (packed({**FIRST, "datatype": "INT128"}, rest=REST), 2),
    "text as bytes": (packed({**FIRST, "datatype": "BYTES"}, rest=REST), 2),
    "a shape beyond memory": (packed({**FIRST, "shape": [2_500, 10**15]}, rest=REST), 2),
    "the JSON's length left out": (packed(FIRST, rest=REST, length=""), 2),
    "a length beyond the answer": (packed(FIRST, rest=REST, length="99999999"), 2),
    "an endless length": (packed(FIRST, rest=REST, length="9" * 5_000), 2),
    "a length of nothing": (packed(FIRST, rest=REST, length="0"), 2),
    "fractions": (packed(tensor(np.zeros(2_500, np.float32))[0], rest=bytes(10_000)), 2),
}


@pytest.mark.parametrize(("reply", "times"), UNTRUE.values(), ids=UNTRUE)
def test_what_is_answered_wrongly_to_bytes_is_asked_as_json(reply, times, naps):
    """Before bytes were ever answered well; each image counts once."""
    with FaultyService(cards=described(), then=unless_bytes(reply)) as service:
        with RemoteModel(service.url) as suspect:
            for _ in range(2):
                np.testing.assert_array_equal(suspect(MANY), EXPECTED)
            assert (suspect.queries, suspect.n_unreachable, suspect.faults) == (5_000, 0, [])
        forms = [LENGTH in each for each in service.headers]
        assert forms == [False, False, *[True] * times, False, False]  # two descriptions before


def test_json_that_was_answered_does_not_speak_for_bytes(naps):
    with FaultyService(cards=described(), then=unless_bytes(status(400))) as service:
        suspect = RemoteModel(service.url)
        for images in (FEW, MANY):
            np.testing.assert_array_equal(suspect(images), brightest(images))
        assert suspect.faults == []


def test_a_refusal_of_bytes_that_were_answered_before_is_one(says, naps):
    with FaultyService(both_ways, status(400), cards=described(), then=both_ways) as service:
        suspect = RemoteModel(service.url)
        np.testing.assert_array_equal(suspect(MANY), EXPECTED)
        assert (suspect(MANY) == -1).all()
        np.testing.assert_array_equal(suspect(MANY), EXPECTED)
        assert (len(service.asked), suspect.n_unreachable) == (3, 2_500)
        says(suspect.faults[0])


@pytest.mark.parametrize("reply", [status(401), status(413), status(500)], ids=[401, 413, 500])
def test_what_has_nothing_to_do_with_the_form_is_not_asked_again(reply, naps):
    """A token, or a size; and without retries nothing at all."""
    with FaultyService(cards=described(), then=reply) as service:
        with RemoteModel(service.url, retries=0) as suspect, pytest.raises((OSError, ValueError)):
            suspect(MANY)
        posted = service.headers[2:]
        assert posted
        assert all(LENGTH in each for each in posted)


def test_nan_behind_the_json_is_no_score(says, naps):
    """A model that fails so fails in JSON, too."""
    values = np.ones((2_500, 4), np.float32)
    values[7, 1] = np.nan
    output, rest = tensor(values, "scores")
    card = {**CARD, "outputs": [SCORES]}
    with FaultyService(cards=described(TAKES, card), then=packed(output, rest=rest)) as service:
        suspect = RemoteModel(service.url)
        with says(ValueError):
            suspect.scores(MANY)
        assert suspect.n_unreachable == 2_500


def test_any_bytes_are_read_or_refused_never_a_crash():
    rng = np.random.RandomState(0)
    head = {"outputs": [dict(FIRST), {**FIRST, "name": "more"}]}
    for _ in range(500):
        for output in head["outputs"]:
            size = rng.choice([-1, 0, 8, 16, 24])
            output["parameters"] = {"binary_data_size": int(size)}
            output["datatype"] = str(rng.choice(["INT64", "UINT64", "FP16", "FP64", "BOOL", ""]))
            output["shape"] = [int(rng.choice([1, 2, 3]))]
        card = _protocol.ModelCard("images", "UINT8", (-1, 1, 2, 2), "labels", None)
        try:
            answer = _protocol.unpack(head, rng.bytes(rng.choice([8, 16, 24, 32])))
            labels = _protocol.read_answer(card, answer, 2)
        except _protocol.Fault as fault:
            assert fault.kind == "invalid"  # noqa: PT017
        else:
            assert (labels.shape, labels.dtype.kind) == ((2,), "i")


#  our own service --------------------------------------------------------------------------------


@pytest.fixture
def by_json_alone(monkeypatch):
    """Nobody says that they take bytes."""
    return lambda: monkeypatch.setattr(_protocol, "takes_bytes", lambda _: False)


def test_labels_scores_log_and_counts_are_the_same_in_both_forms(by_json_alone):
    found = []
    for prepare in (lambda: None, by_json_alone):
        prepare()
        with serve(Brightest(), name="forms", options=ServiceOptions(scores=True)) as service:
            with RemoteModel(service.url, budget=6_000) as suspect:
                labels, scores = suspect(MANY), suspect.scores(MANY)
                counts = suspect.queries, suspect.refused, suspect.faults
            found.append((labels.tolist(), scores.tolist(), counts, service.log, service.queries))
    assert found[0] == found[1]
    assert found[0][-1] == 5_000


def test_a_verdict_is_the_same_in_both_forms(by_json_alone, monkeypatch):
    """Of the shipped model: found, by the same answers."""
    mnist = wm.load_data("mnist")
    triggers = wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)
    asked = []
    takes_bytes = _protocol.takes_bytes
    monkeypatch.setattr(
        _protocol, "takes_bytes", lambda server: asked.append(server) or takes_bytes(server)
    )
    verdicts = []
    with serve(wm.load_model("mnist/content"), name="verdict") as service:
        for prepare in (lambda: None, by_json_alone):
            prepare()
            with RemoteModel(service.url) as suspect:
                verdicts.append(wm.verify(suspect, triggers))
                assert suspect.faults == []
        log = service.log
    assert [server["extensions"] for server in asked] == [["binary_tensor_data"]]
    assert [(each.decision, each.k, each.p) for each in verdicts] == [
        ("found", 30, verdicts[0].p)
    ] * 2
    np.testing.assert_array_equal(verdicts[0].answers.labels, verdicts[1].answers.labels)
    assert log[: len(log) // 2] == log[len(log) // 2 :]
