"""How tensors travel to a service and back: as bytes, compressed, by wish and under a name."""

import gzip
import json
import tracemalloc
import urllib.error
import urllib.request
import zlib

import numpy as np
import pytest
from faulty_service import some_images
from served import Brightest, Net, ask, call, question

from wmlearn.service.blackbox import BlackBox
from wmlearn.service.options import ServiceOptions
from wmlearn.service.remote import RemoteModel
from wmlearn.service.server import serve

LENGTH = "Inference-Header-Content-Length"
KINDS = {"UINT8": "u1", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}


@pytest.fixture(scope="module")
def running():
    with serve(Brightest(), name="labels") as service:
        yield service


@pytest.fixture(scope="module")
def telling():
    with serve(Brightest(), name="scores", options=ServiceOptions(scores=True)) as service:
        yield service


def as_bytes(images, datatype="UINT8", **more):
    """Return a request for images as tritonclient writes it, and its header."""
    values = np.rint(images * 255) if datatype == "UINT8" else images
    raw = values.astype(KINDS[datatype]).tobytes()
    tensor = {"name": "images", "shape": list(images.shape), "datatype": datatype}
    tensor["parameters"] = {"binary_data_size": len(raw)}
    text = json.dumps({"inputs": [tensor], **more}).encode()
    return text + raw, {LENGTH: str(len(text))}


def raw_answer(url, body, **headers):
    """Return status, headers and body of an answer as they came."""
    request = urllib.request.Request(f"{url}/infer", data=body, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        reply = opener.open(request, timeout=10)
    except urllib.error.HTTPError as error:
        reply = error
    with reply:
        return reply.status, reply.headers, reply.read()


def numbers(headers, body):
    """Return the outputs of an answer by their names, each an array."""
    length = int(headers[LENGTH])
    raw, outputs = body[length:], {}
    for output in json.loads(body[:length])["outputs"]:
        kind = {"INT64": "<i8", "FP32": "<f4"}[output["datatype"]]
        size = output["parameters"]["binary_data_size"]
        outputs[output["name"]] = np.frombuffer(raw[:size], kind).reshape(output["shape"])
        raw = raw[size:]
    assert raw == b""
    return outputs


#  bytes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("datatype", KINDS)
def test_images_come_as_bytes_or_as_json(datatype, running):
    images = some_images(20)
    expected = BlackBox(Brightest())(images).tolist()
    body, headers = as_bytes(images, datatype)
    status, answer = call(running.url + "/infer", body, **headers)
    assert (status, answer["outputs"][0]["data"]) == (200, expected)
    assert running.log[-1].datatype == datatype
    values = np.frombuffer(body[int(headers[LENGTH]) :], KINDS[datatype]).tolist()
    written = question(shape=list(images.shape), datatype=datatype, data=values)
    assert call(running.url + "/infer", written)[1] == answer


def test_answers_go_out_as_bytes_where_that_is_wished(telling):
    images = some_images(50)
    labels, scores = BlackBox(Brightest())(images), BlackBox(Brightest(), scores=True)
    body, headers = as_bytes(images, parameters={"binary_data_output": True})
    status, came, answer = raw_answer(telling.url, body, **headers)
    assert (status, came["Content-Type"]) == (200, "application/octet-stream")
    found = numbers(came, answer)
    np.testing.assert_array_equal(found["labels"], labels)
    np.testing.assert_array_equal(found["scores"], scores.scores(images))


def test_an_output_s_own_wish_goes_before_that_of_the_request(telling):
    outputs = [{"name": "scores"}, {"name": "labels", "parameters": {"binary_data": False}}]
    wish = {**question(), "outputs": outputs, "parameters": {"binary_data_output": True}}
    _, headers, body = raw_answer(telling.url, json.dumps(wish).encode())
    length = int(headers[LENGTH])
    scores, labels = json.loads(body[:length])["outputs"]  # in the order of the wish
    assert scores["parameters"] == {"binary_data_size": 16}
    assert len(body) == length + 16
    assert labels == {"name": "labels", "datatype": "INT64", "shape": [1], "data": [2]}


def test_the_server_says_that_it_takes_bytes(running):
    root = running.url.split("/models/")[0]
    assert call(root)[1]["extensions"] == ["binary_tensor_data"]


ONE = some_images(1)


def changed(size=None, length=None, raw=None):
    """Return a request of four bytes whose sizes are wrong."""
    body, headers = as_bytes(ONE)
    text = body[: int(headers[LENGTH])]
    if size is not None:
        text = text.replace(b'"binary_data_size": 4', b'"binary_data_size": ' + size)
    pixels = body[-4:] if raw is None else raw
    return text + pixels, {LENGTH: str(len(text)) if length is None else length}


BAD = {
    "too few bytes": changed(raw=b"abc"),
    "too many bytes": changed(raw=b"abcde"),
    "no bytes": changed(raw=b""),
    "another size": changed(size=b"5"),
    "a size in words": changed(size=b'"four"'),
    "no header": (as_bytes(ONE)[0], {}),
    "a header too long": changed(length="1000"),
    "a header below zero": changed(length="-1"),
    "a header in words": changed(length="all"),
    "an endless header": changed(length="9" * 5000),
    "a header of nothing": changed(length="0"),
    "no parameters": (json.dumps(question(parameters=[4])).encode(), {}),
    "bytes nobody spoke of": (
        json.dumps(question()).encode() + b"abcd",
        {LENGTH: str(len(json.dumps(question())))},
    ),
    "NaN": as_bytes(np.full((1, 1, 2, 2), np.nan), "FP32"),
    "infinity": as_bytes(np.full((1, 1, 2, 2), np.inf), "FP16"),
    "normalised": as_bytes(ONE - 0.5, "FP64"),
    "larger than any memory": (json.dumps(question(shape=[10**15, 1, 2, 2])).encode(), {}),
    "larger than can be written": (json.dumps(question(shape=[10**4299, 1, 2, 2])).encode(), {}),
}


@pytest.mark.parametrize("name", BAD)
def test_bytes_that_do_not_fit(says, name, running):
    before = running.queries
    body, headers = BAD[name]
    status, answer = call(running.url + "/infer", body, **headers)
    assert (status, list(answer)) == (400, ["error"])
    says(answer["error"])
    assert running.queries == before


#  wishes and names -------------------------------------------------------------------------------


def test_wished_outputs_and_no_others(telling):
    for wished in (["scores"], ["labels"], ["scores", "labels"]):
        outputs = [{"name": name} for name in wished]
        _, answer = call(telling.url + "/infer", {**question(), "outputs": outputs})
        assert [output["name"] for output in answer["outputs"]] == wished
    for none in ({}, {"outputs": []}, {"outputs": None, "parameters": None, "id": None}):
        _, answer = call(telling.url + "/infer", {**question(), **none})
        assert [output["name"] for output in answer["outputs"]] == ["labels", "scores"]


WISHES = {
    "unknown": [{"name": "labels"}, {"name": "logits"}],
    "no name": [{}],
    "text": ["labels"],
    "no list": {"name": "labels"},
    "a number": 5,
    "top-k": [{"name": "labels", "parameters": {"classification": 3}}],
    "shared memory": [{"name": "labels", "parameters": {"shared_memory_region": "x"}}],
    "odd parameters": [{"name": "labels", "parameters": "binary"}],
}


@pytest.mark.parametrize("name", WISHES)
def test_wishes_that_cannot_be_met(says, name, telling):
    before = telling.queries
    status, answer = call(telling.url + "/infer", {**question(), "outputs": WISHES[name]})
    assert (status, list(answer)) == (400, ["error"])
    says(answer["error"])
    assert telling.queries == before


@pytest.mark.parametrize("binary", [False, True])
def test_scores_are_never_told_without_leave_however_they_are_wished(says, binary, running):
    wish = {"outputs": [{"name": "scores", "parameters": {"binary_data": binary}}]}
    status, answer = call(running.url + "/infer", {**question(), **wish})
    assert (status, list(answer)) == (400, ["error"])
    says(answer["error"])
    everything = {**question(), "parameters": {"binary_data_output": True}}
    _, headers, body = raw_answer(running.url, json.dumps(everything).encode())
    assert list(numbers(headers, body)) == ["labels"]


@pytest.mark.parametrize("name", ["", "17", "Kärtchen \ud800"], ids=["empty", "17", "surrogate"])
def test_a_request_gets_its_name_back(name, running):
    assert call(running.url + "/infer", {**question(), "id": name})[1]["id"] == name


def test_a_name_is_text(says, running):
    status, answer = call(running.url + "/infer", {**question(), "id": 17})
    assert status == 400
    says(answer["error"])


def test_version_1_is_the_model_and_there_is_no_other(says, running):
    first, other = f"{running.url}/versions/1", f"{running.url}/versions/2"
    assert call(first) == call(running.url)
    assert call(first + "/ready") == (200, {"name": "labels", "ready": True})
    assert call(first + "/infer", question()) == call(running.url + "/infer", question())
    for address, body in ((other, None), (other + "/ready", None), (other + "/infer", question())):
        status, answer = call(address, body)
        assert status == 404
        says(answer["error"])


def test_a_version_is_guarded_as_its_model_is():
    with serve(Brightest(), name="guarded", options=ServiceOptions(token="sesame")) as service:
        assert call(service.url + "/versions/1")[0] == 401
        assert call(service.url + "/versions/1/infer", question())[0] == 401
        assert service.log == []


#  compression ------------------------------------------------------------------------------------

PACKERS = {"gzip": gzip.compress, "GZIP": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", PACKERS)
def test_compressed_requests_are_read(encoding, running):
    images = some_images(20)
    expected = BlackBox(Brightest())(images).tolist()
    body, headers = as_bytes(images)
    packed = PACKERS[encoding](body)
    headers["Content-Encoding"] = encoding
    status, answer = call(running.url + "/infer", packed, **headers)
    assert (status, answer["outputs"][0]["data"]) == (200, expected)
    written = PACKERS[encoding](json.dumps(question()).encode())
    status, answer = call(running.url + "/infer", written, **{"Content-Encoding": encoding})
    assert (status, answer["outputs"][0]["data"]) == (200, [2])


def test_a_bomb_is_refused_before_it_is_unpacked(says, running):
    """So many spaces are a few hundred kilobytes; no more than the limit is ever unpacked."""
    packer = zlib.compressobj(1)
    bomb = b"".join(packer.compress(b" " * 10_000_000) for _ in range(20)) + packer.flush()
    assert len(bomb) < 2_000_000
    tracemalloc.start()
    try:
        status, answer = call(running.url + "/infer", bomb, **{"Content-Encoding": "deflate"})
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    assert (status, list(answer)) == (413, ["error"])
    says(answer["error"])


def test_the_limit_is_that_of_the_unpacked_request(running):
    text = json.dumps(question()).encode()
    statuses = []
    for size in (8_000_000, 8_000_001):
        packed = gzip.compress(text + b" " * (size - len(text)))
        statuses.append(call(running.url + "/infer", packed, **{"Content-Encoding": "gzip"})[0])
    assert statuses == [200, 413]


PACKED = gzip.compress(json.dumps(question()).encode())
UNREADABLE = {
    "not compressed": ("gzip", json.dumps(question()).encode()),
    "cut off": ("gzip", PACKED[:-9]),
    "changed": ("gzip", PACKED[:-8] + bytes(8)),
    "empty": ("deflate", b""),
    "brotli": ("br", b"\x0b\x00"),
    "twice": ("gzip, gzip", gzip.compress(PACKED)),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_unpacked_is_refused(says, name, running):
    encoding, body = UNREADABLE[name]
    status, answer = call(running.url + "/infer", body, **{"Content-Encoding": encoding})
    assert (status, list(answer)) == (415 if name in ("brotli", "twice") else 400, ["error"])
    says(answer["error"])


def test_without_the_token_nothing_is_unpacked():
    with serve(Brightest(), name="guarded", options=ServiceOptions(token="sesame")) as service:
        assert call(service.url + "/infer", b"{", **{"Content-Encoding": "gzip"})[0] == 401


@pytest.mark.parametrize("binary", [False, True])
def test_long_answers_are_compressed_for_those_who_take_it(binary):
    images = some_images(300, shape=(1, 28, 28))
    options = ServiceOptions(scores=True)
    body, headers = as_bytes(images, parameters={"binary_data_output": binary})
    with serve(Net(), name="packed", options=options) as service:
        _, plain, expected = raw_answer(service.url, body, **headers)
        headers["Accept-Encoding"] = "gzip"
        _, packed, answer = raw_answer(service.url, body, **headers)
        assert plain["Content-Encoding"] is None
        assert packed["Content-Encoding"] == "gzip"
        assert plain[LENGTH] == packed[LENGTH]
        assert len(answer) < len(expected)
        assert gzip.decompress(answer) == expected
        assert ask(service.url, **{"Accept-Encoding": "gzip"})[0] == 200


#  models that give no answer ---------------------------------------------------------------------


class Flat(Brightest):
    """One number for an image, and no scores."""

    def forward(self, images):
        return super().forward(images)[:, 0]


@pytest.mark.parametrize("scores", [False, True])
def test_a_model_that_answers_nothing_sensible_says_what_it_says_here(scores):
    with pytest.raises(ValueError, match="classes") as raised:
        BlackBox(Flat())(some_images(1))
    with serve(Flat(), name="flat", options=ServiceOptions(scores=scores)) as service:
        assert call(service.url + "/infer", question()) == (422, {"error": str(raised.value)})
        assert service.log == []


def test_a_model_that_fails_is_not_asked_again(naps):
    """It would fail again; and its service is running: the client repeats its words."""
    with serve(Flat(), name="flat") as service:
        words = call(service.url + "/infer", question())[1]["error"]
        with RemoteModel(service.url) as suspect, pytest.raises(ValueError, match="422") as raised:
            suspect(some_images(1))
    assert words in str(raised.value)
    assert naps == []
