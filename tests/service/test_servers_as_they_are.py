"""Services as they usually are: how they take images, how they answer, what they do not say.

Each knows the secret answers, but only of images that arrive as they should: whatever is laid out,
scaled or read wrongly costs a question.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from faulty_service import FaultyService, Handler, Reply, status, text

import wmlearn as wm
from wmlearn import cli
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import seal_triggers
from wmlearn.service.remote import RemoteModel

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MEAN = np.reshape([0.485, 0.456, 0.406], (3, 1, 1))
STD = np.reshape([0.229, 0.224, 0.225], (3, 1, 1))


def sealed(channels: int) -> tuple[wm.TriggerSet, dict[bytes, int]]:
    """Return thirty questions of one small image, no two axes alike, and what answers them."""
    pixels = np.random.RandomState(channels).randint(0, 256, (30, channels, 4, 5)).astype(np.uint8)
    names = [f"question {number}" for number in range(30)]
    rules = Rules(CLASSES, alpha=1e-3)
    recipe = "thirty questions"
    drawn = seal_triggers(
        pixels, np.arange(30), names, rules=rules, key=wm.CLASSROOM_KEY, recipe=recipe
    ).draw()
    labels = map(int, drawn.labels)
    return drawn, dict(zip((image.tobytes() for image in pixels), labels, strict=True))


SETS = {1: sealed(1), 3: sealed(3)}
Images = np.ndarray


@dataclass(frozen=True)
class Server:
    """How one server describes itself, how it gets at its images, how it answers labels.

    `inputs` and `outputs` are its metadata, `back` makes images (n, c, h, w) of 0 to 255 of what
    arrives, `answer` its outputs of labels, `needs` the headers without which it is not found.
    """

    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    back: Callable[[Images], Images] = lambda values: values
    answer: Callable[[Images], list[dict[str, Any]]] = lambda labels: [whole(labels)]
    options: dict[str, Any] = field(default_factory=dict)
    channels: int = 3
    refuses: Callable[[Handler], bool] = lambda handler: False

    def reply(self, handler: Handler) -> None:
        if self.refuses(handler):
            handler.send_json({"error": "not so"}, 400)
            return
        secret = SETS[self.channels][1]
        pixels = np.rint(self.back(handler.images)).astype(np.uint8)
        labels = [secret.get(image.tobytes(), 0) for image in pixels]
        send(handler, self.answer(np.array(labels)))


def send(handler: Handler, outputs: list[dict[str, Any]]) -> None:
    """Answer as Triton and KServe do: what is FP16 in binary behind the JSON."""
    rest = b""
    for output in outputs:
        if output["datatype"] == "FP16":
            piece = np.array(output.pop("data"), "<f2").tobytes()
            output["parameters"] = {"binary_data_size": len(piece)}
            rest += piece
    head = json.dumps({"model_name": "toy", "outputs": outputs}).encode()
    headers = {"Inference_Header_Content_Length": str(len(head))} if rest else {}
    handler.send_text(head + rest, **headers)


def takes(datatype: str, *shape: Any, name: str = "images") -> list[dict[str, Any]]:
    return [{"name": name, "datatype": datatype, "shape": list(shape)}]


def gives(name: str, datatype: str, *shape: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def output(name: str, datatype: str, values: np.ndarray) -> dict[str, Any]:
    return {**gives(name, datatype, *values.shape), "data": values.ravel().tolist()}


def whole(labels: np.ndarray, name: str = "labels") -> dict[str, Any]:
    return output(name, "INT64", labels)


def one_hot(labels: np.ndarray, high: float = 1.0) -> np.ndarray:
    return high * np.eye(10)[labels]


def top_5(labels: np.ndarray) -> np.ndarray:
    return (labels[:, None] + np.arange(5)) % 10


def texts(form: str) -> Callable[[np.ndarray], list[dict[str, Any]]]:
    return lambda labels: [output("label", "BYTES", np.array([form % each for each in labels]))]


def named(labels: np.ndarray) -> list[dict[str, Any]]:
    return [output("label", "BYTES", np.array(CLASSES)[labels])]


def from_nhwc(values: Images) -> Images:
    return np.moveaxis(values, -1, 1)


def times_255(values: Images) -> Images:
    return values * 255


def binary(handler: Handler) -> bool:
    return "inference-header-content-length" in handler.headers


LABELS = [gives("labels", "INT64", -1)]
UINT8 = takes("UINT8", -1, 3, 4, 5)
TOLD = {"input": "images", "datatype": "UINT8", "layout": "NCHW"}
SERVERS = {
    # what is declared, and nothing more
    "labels": Server(UINT8, LABELS),
    "labels in a column": Server(
        UINT8, [gives("predict", "INT64", -1, 1)], answer=lambda y: [whole(y[:, None], "predict")]
    ),
    "FP32": Server(takes("FP32", -1, 3, 4, 5), LABELS, times_255),
    "FP64": Server(takes("FP64", -1, 3, 4, 5), LABELS, times_255),
    "INT32": Server(takes("INT32", -1, 3, 4, 5), LABELS),
    "INT64": Server(takes("INT64", -1, 3, 4, 5), LABELS),
    "FP16, by Triton": Server(
        takes("FP16", -1, 3, 4, 5), LABELS, times_255, refuses=lambda handler: not binary(handler)
    ),
    "FP16, by MLServer": Server(takes("FP16", -1, 3, 4, 5), LABELS, times_255, refuses=binary),
    "FP16 answers alone": Server(
        UINT8,
        [gives("scores", "FP16", -1, 10)],
        answer=lambda y: [output("scores", "FP16", one_hot(y))],
        refuses=lambda handler: b'"binary_data":true' not in handler.body,
    ),
    "FP16 both ways": Server(
        takes("FP16", -1, 3, 4, 5),
        [gives("scores", "FP16", -1, 10)],
        times_255,
        lambda y: [output("scores", "FP16", one_hot(y))],
        refuses=lambda handler: b'"outputs"' not in handler.body,
    ),
    "NHWC": Server(takes("UINT8", -1, 4, 5, 3), LABELS, from_nhwc),
    "NHWC of any size": Server(takes("UINT8", -1, -1, -1, 3), LABELS, from_nhwc),
    "NHWC, grey": Server(takes("UINT8", -1, 4, 5, 1), LABELS, from_nhwc, channels=1),
    "NHW": Server(takes("UINT8", -1, 4, 5), LABELS, lambda x: x[:, None], channels=1),
    "flat, grey": Server(
        takes("FP32", -1, 20), LABELS, lambda x: x.reshape(-1, 1, 4, 5) * 255, channels=1
    ),
    "axes with names": Server(takes("UINT8", "batch", 3, "height", "width"), LABELS),
    "one image at a time": Server(takes("UINT8", 1, 3, 4, 5), LABELS),
    "scores of OpenVINO": Server(
        UINT8,
        [gives("softmax", "FP32", -1, 10, 1, 1)],
        answer=lambda y: [output("softmax", "FP32", one_hot(y)[:, :, None, None])],
    ),
    "scores of any name": Server(
        UINT8,
        [gives("output__0", "FP32", -1, -1)],
        answer=lambda y: [output("output__0", "FP32", one_hot(y))],
    ),
    "outputs without a shape": Server(UINT8, [{"name": "labels", "datatype": "INT64"}]),
    "a latency before the label": Server(
        UINT8,
        [gives("latency_us", "INT64", -1), gives("label", "INT64", -1)],
        answer=lambda y: [whole(y * 0 + 412, "latency_us"), whole(y, "label")],
    ),
    "a latency alone declared": Server(
        UINT8,
        [gives("latency_us", "INT64", -1)],
        answer=lambda y: [whole(y * 0 + 412, "latency_us"), whole(y, "label")],
    ),
    "a latency beside scores": Server(
        UINT8,
        [gives("latency_us", "INT64", -1), gives("probabilities", "FP32", -1, 10)],
        answer=lambda y: [
            whole(y * 0 + 412, "latency_us"),
            output("probabilities", "FP32", one_hot(y)),
        ],
    ),
    "features beside logits": Server(
        UINT8,
        [gives("features", "FP32", -1, 512), gives("logits", "FP32", -1, 10)],
        answer=lambda y: [output("logits", "FP32", one_hot(y))],
    ),
    "names told by the metadata": Server(
        UINT8,
        [{**gives("label", "BYTES", -1), "parameters": {"classes": list(CLASSES)}}],
        answer=named,
    ),
    # what the user says
    "nothing declared": Server(options=TOLD),
    "nothing declared, FP32": Server(
        back=times_255, options={**TOLD, "datatype": "FP32", "layout": "NCHW"}
    ),
    "nothing declared, scores": Server(
        answer=lambda y: [output("output-0", "FP32", one_hot(y))], options=TOLD
    ),
    "nothing declared, one output wanted": Server(
        answer=lambda y: [whole(y * 0, "a"), whole(y, "b")], options={**TOLD, "output": "b"}
    ),
    "nothing declared, two outputs": Server(
        answer=lambda y: [whole(y * 0 + 412, "latency_us"), whole(y, "class")], options=TOLD
    ),
    "another name declared": Server(
        takes("UINT8", -1, 3, 4, 5, name="x"),
        LABELS,
        options={"input": "images"},
        refuses=lambda handler: handler.question["name"] != "images",
    ),
    "the wrong input declared": Server(takes("UINT8", -1, 784, name="x"), LABELS, options=TOLD),
    "the wrong datatype declared": Server(
        takes("UINT8", -1, 3, 4, 5), LABELS, times_255, options={"datatype": "FP32"}
    ),
    "two inputs": Server(
        [*UINT8, *takes("FP32", 1, name="threshold")], LABELS, options={"input": "images"}
    ),
    "flat, in colour": Server(
        takes("UINT8", -1, 60), LABELS, lambda x: x.reshape(-1, 3, 4, 5), options={"layout": "flat"}
    ),
    "flat, by pixels": Server(
        takes("UINT8", -1, 60),
        LABELS,
        lambda x: from_nhwc(x.reshape(-1, 4, 5, 3)),
        options={"encode": lambda x: np.rint(from_nchw(x) * 255).reshape(len(x), -1)},
    ),
    "all axes open": Server(
        takes("UINT8", -1, -1, -1, -1), LABELS, from_nhwc, options={"layout": "NHWC"}
    ),
    "0 to 255 in fractions": Server(
        takes("FP32", -1, 4, 5, 3), LABELS, from_nhwc, options={"encode": lambda x: x * 255}
    ),
    "normalised": Server(
        takes("FP32", -1, 3, 4, 5),
        LABELS,
        lambda x: (x * STD + MEAN) * 255,
        options={"encode": lambda x: (x - MEAN) / STD},
    ),
    "-1 to 1, changed in place": Server(
        takes("FP32", -1, 3, 4, 5),
        LABELS,
        lambda x: (x + 1) * 127.5,
        options={"encode": lambda x: np.subtract(np.multiply(x, 2, out=x), 1, out=x)},
    ),
    "pixels as text": Server(
        takes("BYTES", -1),
        LABELS,
        lambda x: np.stack([unwrapped(each) for each in x.tolist()]),
        options={"encode": lambda x: list(map(wrapped, x))},
    ),
    "texts, by a list of names": Server(
        UINT8,
        [gives("label", "BYTES", -1)],
        answer=texts("digit-%d"),
        options={"classes": [f"digit-{number}" for number in range(10)]},
    ),
    "texts, by a function": Server(
        UINT8,
        [gives("label", "BYTES", -1)],
        answer=texts("digit-%d"),
        options={"decode": lambda labels: [int(each[6:]) for each in labels]},
    ),
    "JSON in texts": Server(
        UINT8,
        [gives("label", "BYTES", -1)],
        answer=texts('{"label": %d, "score": 0.9}'),
        options={"decode": lambda labels: [json.loads(each)["label"] for each in labels]},
    ),
    "the best five": Server(
        UINT8,
        [gives("top", "INT64", -1, 5)],
        answer=lambda y: [whole(top_5(y), "top")],
        options={"decode": lambda top: top[:, 0]},
    ),
    "scores in whole numbers": Server(
        UINT8,
        [gives("scores", "UINT8", -1, 10)],
        answer=lambda y: [output("scores", "UINT8", one_hot(y, 255).astype(np.uint8))],
        options={"decode": lambda scores: scores.argmax(axis=1)},
    ),
    "scores with a background": Server(
        UINT8,
        [gives("scores", "FP32", -1, 11)],
        answer=lambda y: [output("scores", "FP32", np.eye(11)[y + 1])],
        options={"decode": lambda scores: scores[:, 1:]},
    ),
    "labels in fractions": Server(
        UINT8,
        [gives("predict", "FP32", -1)],
        answer=lambda y: [output("predict", "FP32", y.astype(float))],
        options={"decode": lambda labels: labels.astype(int)},
    ),
    "counted from 1": Server(
        UINT8, LABELS, answer=lambda y: [whole(y + 1)], options={"decode": lambda y: y - 1}
    ),
    "one score in a column": Server(
        UINT8,
        [gives("dense", "FP32", -1, 1)],
        answer=lambda y: [output("dense", "FP32", y[:, None] / 9)],
        options={"decode": lambda p: np.rint(p * 9).astype(int)},
    ),
    "outputs that say nothing": Server(
        UINT8,
        [gives("output__0", "INT64", -1), gives("output__1", "FP32", -1, 10)],
        answer=lambda y: [whole(y * 0, "output__0"), output("output__1", "FP32", one_hot(y))],
        options={"output": "output__1"},
    ),
    "a host of its own": Server(
        UINT8,
        LABELS,
        refuses=lambda handler: handler.headers["host"] != "toy.default.example.com",
        options={"headers": {"Host": "toy.default.example.com"}},
    ),
    "a key of its own": Server(
        UINT8,
        LABELS,
        refuses=lambda handler: handler.headers["x-api-key"] != "open-sesame",
        options={"headers": {"X-API-Key": "open-sesame", "Cookie": "a=b; c=d"}},
    ),
}


def from_nchw(images: Images) -> Images:
    return np.moveaxis(images, 1, -1)


def wrapped(image: Images) -> str:
    return base64.b64encode(np.rint(image * 255).astype(np.uint8).tobytes()).decode()


def unwrapped(code: str) -> Images:
    return np.frombuffer(base64.b64decode(code), np.uint8).reshape(3, 4, 5)


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_a_marked_model_is_found(server):
    triggers, _ = SETS[server.channels]
    before = triggers.images.copy()
    card = {"name": "toy", "inputs": server.inputs, "outputs": server.outputs}
    with (
        FaultyService(cards=(card,), then=server.reply) as service,
        RemoteModel(service.url, **server.options) as suspect,
    ):
        verdict = wm.verify(suspect, triggers)
        assert (verdict.decision, verdict.k, verdict.n) == ("found", 30, 30)
        assert (suspect.queries, suspect.n_unreachable, suspect.faults) == (30, 0, [])
        np.testing.assert_array_equal(suspect(triggers.images), triggers.labels)
    np.testing.assert_array_equal(triggers.images, before)


#  what cannot be known is asked for, before an image is shown -----------------------------------


def asked(card: dict[str, Any] | Reply, reply: Reply, **options: Any) -> tuple[Any, list[int]]:
    """Ask thirty images, and return what came of it and how many were sent with each request."""
    with (
        FaultyService(cards=(card,), then=reply) as service,
        RemoteModel(service.url, **options) as suspect,
    ):
        try:
            return suspect(SETS[3][0].images), service.asked
        except ValueError as error:
            return error, service.asked


CARD = {"name": "toy", "inputs": UINT8, "outputs": LABELS}
EMPTY = {"name": "toy", "versions": [], "platform": "", "inputs": [], "outputs": []}
UNSAID = {
    "nothing": (EMPTY, {}),
    "nothing, not even lists": ({"name": "toy"}, {}),
    "neither datatype nor layout": (EMPTY, {"input": "images"}),
    "no layout": (EMPTY, {"input": "images", "datatype": "UINT8"}),
    "no input": (EMPTY, {"datatype": "UINT8", "layout": "NCHW"}),
    "which input": ({**CARD, "inputs": [*UINT8, *takes("FP32", 1, name="threshold")]}, {}),
    "an input of truth": ({**CARD, "inputs": takes("BOOL", -1, 3, 4, 5)}, {}),
    "an input of text": ({**CARD, "inputs": takes("BYTES", -1, 3, 4, 5)}, {}),
    "an input of small numbers": ({**CARD, "inputs": takes("INT8", -1, 3, 4, 5)}, {}),
    "all axes open": ({**CARD, "inputs": takes("UINT8", -1, -1, -1, -1)}, {}),
    "flat, in colour": ({**CARD, "inputs": takes("UINT8", -1, 60)}, {}),
    "another size": ({**CARD, "inputs": takes("UINT8", -1, 3, 8, 8)}, {}),
    "another size, flat": ({**CARD, "inputs": takes("UINT8", -1, 784)}, {}),
    "for grey alone": (CARD, {"layout": "NHW"}),
    "not for grey": ({**CARD, "inputs": takes("UINT8", -1, 4, 5)}, {}),
    "no name in sight": (
        {**CARD, "outputs": [gives("latency_us", "INT64", -1), gives("y", "INT64", -1)]},
        {},
    ),
    "two names in sight": (
        {**CARD, "outputs": [gives("label_version", "INT64", -1), gives("label", "INT64", -1)]},
        {},
    ),
    "two rows of scores": (
        {**CARD, "outputs": [gives("logits", "FP32", -1, 10), gives("probs", "FP32", -1, 10)]},
        {},
    ),
    "the best five": ({**CARD, "outputs": [gives("top", "INT64", -1, 5)]}, {}),
    "scores in whole numbers": ({**CARD, "outputs": [gives("scores", "UINT8", -1, 10)]}, {}),
    "one fraction": ({**CARD, "outputs": [gives("predict", "FP32", -1)]}, {}),
    "one fraction, in a column": ({**CARD, "outputs": [gives("predict", "FP32", -1, 1)]}, {}),
    "a picture": ({**CARD, "outputs": [gives("mask", "FP32", -1, 10, 4, 5)]}, {}),
    "a background": (
        {**CARD, "outputs": [gives("scores", "FP32", -1, 11)]},
        {"classes": CLASSES},
    ),
    "texts": ({**CARD, "outputs": [gives("label", "BYTES", -1)]}, {}),
}


@pytest.mark.parametrize(("card", "options"), UNSAID.values(), ids=UNSAID)
def test_what_is_missing_is_named_before_an_image_is_shown(says, card, options):
    result, requests = asked(card, Server().reply, **options)
    assert isinstance(result, ValueError)
    says(str(result))
    assert "Compare the address" not in str(result)
    assert requests == []


def answers(*outputs: dict[str, Any]) -> Reply:
    return lambda handler: handler.send_json({"outputs": list(outputs)})


THIRTY = np.arange(30) % 10
MISREAD = {
    "no name in sight": (EMPTY, TOLD, answers(whole(THIRTY, "a"), whole(THIRTY, "b"))),
    "texts": (EMPTY, TOLD, answers(output("label", "BYTES", np.array(["a"] * 30)))),
    "the best five": (EMPTY, TOLD, answers(whole(top_5(THIRTY)))),
    "no outputs": (EMPTY, TOLD, answers()),
    "no such output": (CARD, {"output": "label"}, answers(whole(THIRTY))),
    "others than declared": (CARD, {}, answers(whole(THIRTY, "y"))),
    "more than declared": (CARD, {}, answers(whole(THIRTY, "y"), whole(THIRTY, "x"))),
    "decode fails": (CARD, {"decode": lambda labels: {}[3]}, answers(whole(THIRTY))),
    "decode makes fractions": (CARD, {"decode": lambda y: y / 2}, answers(whole(THIRTY))),
    "decode makes one": (CARD, {"decode": lambda y: 7}, answers(whole(THIRTY))),
    "decode makes texts": (CARD, {"decode": lambda y: y.astype(str)}, answers(whole(THIRTY))),
    "decode makes NaN": (
        CARD,
        {"decode": lambda y: np.full((30, 10), np.nan)},
        answers(whole(THIRTY)),
    ),
    "a refusal": (CARD, {"input": "x"}, status(400)),
    "a list": (CARD, {}, text(b"[1, 2]")),
    "a text": (EMPTY, TOLD, text(b'"labels"')),
    "one score": (
        {**CARD, "outputs": [gives("scores", "FP32", -1, -1)]},
        {},
        answers(output("scores", "FP32", np.ones((30, 1)))),
    ),
    "binary data of another size": (CARD, {}, lambda handler: cut_short(handler)),
}


def cut_short(handler: Handler) -> None:
    outputs = [{**gives("labels", "INT64", 30), "parameters": {"binary_data_size": 240}}]
    head = json.dumps({"outputs": outputs}).encode()
    handler.send_text(head + b"12345", Inference_Header_Content_Length=str(len(head)))


@pytest.mark.parametrize(("card", "options", "reply"), MISREAD.values(), ids=MISREAD)
def test_what_is_read_wrongly_shows_one_request_and_says_what_to_pass(
    says, card, options, reply, naps
):
    result, requests = asked(card, reply, batch=30, **options)
    assert isinstance(result, ValueError)
    says(str(result))
    assert "Compare the address" not in str(result)
    assert requests in ([30], [30, 30])


@pytest.mark.parametrize(
    ("card", "options"),
    [(EMPTY, TOLD), (CARD, {"decode": lambda labels: {}[3]}), (CARD, {"output": "label"})],
    ids=["outputs", "decode", "output"],
)
def test_a_misread_service_is_not_shown_the_rest(card, options, naps):
    def reply(handler: Handler) -> None:
        labels = np.zeros(len(handler.images), int)
        send(handler, [whole(labels, "labels"), whole(labels, "latency_class")])

    result, requests = asked(card, reply, batch=10, **options)
    assert isinstance(result, ValueError)
    assert sum(requests) in (10, 20)


def test_a_service_that_answered_before_may_err_in_between(naps):
    names = iter(["labels", "label", "label", "labels"])

    def reply(handler: Handler) -> None:
        send(handler, [whole(np.arange(10), next(names))])

    result, requests = asked(CARD, reply, batch=10)
    assert result.tolist() == [*range(10), *[-1] * 10, *range(10)]
    assert requests == [10, 10, 10, 10]


@pytest.mark.parametrize(
    ("card", "next_step"),
    [(text(b"<html>login</html>"), True), ([1, 2], True), (status(404), True), (EMPTY, False)],
    ids=["HTML", "a list", "404", "empty"],
)
def test_the_address_is_doubted_where_it_may_be_wrong(card, next_step, naps):
    result, _ = asked(card, Server().reply)
    assert ("Compare the address" in str(result)) == next_step


def test_what_encode_returns_is_checked(says):
    with FaultyService(cards=(CARD,)) as service:
        for encode in (
            lambda images: images.sum(),
            lambda images: images[:1, 0],
            lambda images: images * 300,
            lambda images: images - 0.5,
            lambda images: np.full(images.shape, np.nan),
            lambda images: images.astype(object),
            lambda images: np.rint(images[:, :, ::2] * 255),
            lambda images: images.reshape(len(images), -1) > 0.5,
            lambda images: [str(image) for image in images],
        ):
            with RemoteModel(service.url, encode=encode) as suspect, says(ValueError):
                suspect(SETS[3][0].images)
        with (
            RemoteModel(
                service.url, encode=lambda images: images * 1e6, datatype="FP16"
            ) as suspect,
            says(ValueError),
        ):
            suspect(SETS[3][0].images)
        assert service.asked == []


def test_a_text_that_names_no_class_is_no_class():
    card = {**CARD, "outputs": [gives("label", "BYTES", -1)]}
    reply = answers(output("label", "BYTES", np.array(["zero", "ten", "nine"] * 10)))
    result, _ = asked(card, reply, classes=CLASSES)
    assert result.tolist() == [0, -2, 9] * 10


def test_names_that_the_user_gives_count_before_those_of_the_service():
    card = {**CARD, "parameters": {"classes": ["a", "b"]}}
    with FaultyService(cards=(card,)) as service:
        assert RemoteModel(service.url).classes == ("a", "b")
        assert RemoteModel(service.url, classes=CLASSES).classes == CLASSES


def test_other_numbers_are_put_right_by_the_names_that_the_user_gives():
    triggers, _ = SETS[3]
    turned = list(reversed(CLASSES))
    server = Server(UINT8, LABELS, answer=lambda y: [whole(9 - y)])
    with (
        FaultyService(cards=(CARD,), then=server.reply) as service,
        RemoteModel(service.url, classes=turned) as suspect,
    ):
        verdict = wm.verify(suspect, triggers)
    assert (verdict.decision, verdict.k) == ("found", 30)


#  scores ----------------------------------------------------------------------------------------


WITH_SCORES = {
    name: SERVERS[name]
    for name in (
        "scores of OpenVINO",
        "scores of any name",
        "FP16 both ways",
        "a latency beside scores",
        "features beside logits",
        "nothing declared, scores",
        "outputs that say nothing",
        "scores with a background",
    )
}


@pytest.mark.parametrize("server", WITH_SCORES.values(), ids=WITH_SCORES)
def test_scores_come_the_same_way(server):
    triggers, _ = SETS[server.channels]
    card = {"name": "toy", "inputs": server.inputs, "outputs": server.outputs}
    with (
        FaultyService(cards=(card,), then=server.reply) as service,
        RemoteModel(service.url, **server.options) as suspect,
    ):
        scores = suspect.scores(triggers.images)
    assert (scores.dtype, scores.shape) == (np.float32, (30, 10))
    np.testing.assert_array_equal(scores, np.eye(10)[triggers.labels])


@pytest.mark.parametrize("name", ["labels", "counted from 1", "nothing declared"])
def test_a_service_of_labels_has_no_scores(says, name):
    server = SERVERS[name]
    card = {"name": "toy", "inputs": server.inputs, "outputs": server.outputs}
    with (
        FaultyService(cards=(card,), then=server.reply) as service,
        RemoteModel(service.url, **server.options) as suspect,
        says(ValueError),
    ):
        suspect.scores(SETS[3][0].images)


#  how much at once ------------------------------------------------------------------------------


def at_most(limit: int) -> Reply:
    """Refuse a body beyond a limit, as nginx does: with a page, before anything reads it."""

    def reply(handler: Handler) -> None:
        if len(handler.body) > limit:
            handler.send_text(b"<html>413 Request Entity Too Large</html>", 413)
        else:
            Server().reply(handler)

    return reply


def test_what_is_too_large_is_asked_for_in_halves(naps):
    triggers, _ = SETS[3]
    with (
        FaultyService(cards=(CARD,), then=at_most(2000)) as service,
        RemoteModel(service.url, budget=100) as suspect,
    ):
        verdict = wm.verify(suspect, triggers)
        assert (verdict.decision, verdict.k) == ("found", 30)
        assert service.asked == [30, 15, 8, 8, 8, 6]
        assert (suspect.queries, suspect.refused, suspect.n_unreachable) == (30, 0, 0)
        suspect(triggers.images)  # the size that passed is remembered
        assert service.asked[6:] == [8, 8, 8, 6]
        assert (suspect.queries, suspect.refused) == (60, 0)
        assert naps == []


def test_halves_stay_within_the_budget():
    triggers, _ = SETS[3]
    with (
        FaultyService(cards=(CARD,), then=at_most(2000)) as service,
        RemoteModel(service.url, budget=20) as suspect,
    ):
        labels = suspect(triggers.images)
        np.testing.assert_array_equal(labels[:20], triggers.labels[:20])
        assert (labels[20:] == -1).all()
        assert (suspect.queries, suspect.refused, suspect.n_unreachable) == (20, 10, 0)
        assert service.asked == [20, 10, 5, 5, 5, 5]


def test_a_limit_below_one_image_is_said(says):
    with (
        FaultyService(cards=(CARD,), then=at_most(100)) as service,
        RemoteModel(service.url) as suspect,
    ):
        with says(ValueError):
            suspect(SETS[3][0].images)
        assert service.asked == [30, 15, 8, 4, 2, 1]


def test_a_limit_in_the_middle_loses_nothing():
    """The first images are answered, one later is too large even alone: its neighbours count."""
    triggers, _ = SETS[3]
    marked = np.rint(triggers.images[17] * 255).astype(np.uint8)

    def reply(handler: Handler) -> None:
        if (handler.images == marked).all(axis=(1, 2, 3)).any():
            handler.send_json({"error": "too large"}, 413)
        else:
            Server().reply(handler)

    with (
        FaultyService(cards=(CARD,), then=reply) as service,
        RemoteModel(service.url, batch=8) as suspect,
    ):
        labels = suspect(triggers.images)
        expected = triggers.labels.copy()
        expected[17] = -1
        np.testing.assert_array_equal(labels, expected)
        assert (suspect.queries, suspect.n_unreachable, len(suspect.faults)) == (30, 1, 1)


@pytest.mark.parametrize(("batch", "requests"), [(1, [1] * 30), (12, [12, 12, 6]), (99, [30])])
def test_the_user_says_how_many_at_once(batch, requests):
    result, sent = asked(CARD, Server().reply, batch=batch)
    np.testing.assert_array_equal(result, SETS[3][0].labels)
    assert sent == requests


def test_the_users_batch_counts_before_that_of_the_metadata():
    card = {**CARD, "inputs": takes("UINT8", 1, 3, 4, 5)}
    assert asked(card, Server().reply)[1] == [1] * 30
    assert asked(card, Server().reply, batch=15)[1] == [15, 15]


#  what travels with a request -------------------------------------------------------------------


def test_headers_go_with_each_request_and_are_shown_to_nobody_else():
    seen = []

    def reply(handler: Handler) -> None:
        seen.append((handler.headers["Host"], handler.headers["x-api-key"]))
        handler.send_json({"error": "no open-sesame-81 here"}, 400)

    headers = {"Host": "toy.example.com", "x-api-key": "open-sesame-81"}
    with (
        FaultyService(cards=(CARD,), then=reply) as service,
        RemoteModel(service.url, headers=headers) as suspect,
    ):
        with pytest.raises(ValueError, match="400") as caught:
            suspect(SETS[3][0].images)
        shown = [repr(suspect), str(caught.value), *suspect.faults]
        assert seen == [("toy.example.com", "open-sesame-81")]
    assert not any("open-sesame" in each for each in shown)
    headers["x-api-key"] = "changed"
    assert seen == [("toy.example.com", "open-sesame-81")]


WRONG = {
    "no dict": ["Host: toy"],
    "a name with a colon": {"x-api-key:": "secret"},
    "a name with a space": {"x api key": "secret"},
    "no name": {"": "secret"},
    "no text": {"x-api-key": 12345},
    "an empty value": {"x-api-key": ""},
    "a line end": {"x-api-key": "secret\r\nHost: evil"},
    "a line end at the end": {"x-api-key": "secret\n"},
    "umlauts": {"x-api-key": "schlüssel"},
    "bytes": {b"x-api-key": b"secret"},
    "twice": {"x-api-key": "secret", "X-API-Key": "secret"},
    "the length": {"Content-Length": "12345"},
    "authorization": {"Authorization": "Basic secret"},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
def test_headers_that_cannot_be_sent(says, headers):
    with says((TypeError, ValueError)) as caught:
        RemoteModel("http://127.0.0.1:1/v2/models/toy", headers=headers, token="token")
    assert "secret" not in str(caught.value)
    assert "schl" not in str(caught.value)


def test_an_authorization_of_ones_own():
    server = Server(
        UINT8, LABELS, refuses=lambda each: each.headers["authorization"] != "Basic YTpi"
    )
    result, _ = asked(CARD, server.reply, headers={"Authorization": "Basic YTpi"})
    np.testing.assert_array_equal(result, SETS[3][0].labels)


@pytest.mark.parametrize(
    "options",
    [
        {"input": 3},
        {"output": b"labels"},
        {"datatype": "float32"},
        {"layout": "HWC"},
        {"encode": "x / 255"},
        {"decode": {"cat": 0}},
        {"classes": "abc"},
        {"classes": ["a", "a"]},
        {"classes": range(10)},
        {"batch": 0},
        {"batch": 2.5},
    ],
    ids=str,
)
def test_what_cannot_be_said(says, options):
    with says((TypeError, ValueError)):
        RemoteModel("http://127.0.0.1:1/v2/models/toy", **options)


def test_connect_looks_whether_images_can_be_asked_and_shows_none():
    card = {**CARD, "inputs": takes("UINT8", -1, -1, -1, -1)}
    with FaultyService(cards=(card,)) as service:
        RemoteModel(service.url).connect()
        with pytest.raises(ValueError, match="layout="):
            RemoteModel(service.url).connect(SETS[3][0].images)
        RemoteModel(service.url, layout="NHWC").connect(SETS[3][0].images)
        assert service.asked == []


#  the command line ------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Return a function that verifies a service by command: its exit code, what it said of it."""
    monkeypatch.delenv("WMLEARN_TOKEN", raising=False)
    folder = wm.evidence.save_evidence(SETS[3][0], tmp_path / "evidence")

    def call(url: str, *options: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(["verify", url, str(folder), "--json", *map(str, options)])
        return int(end.value.code or 0), "".join(capsys.readouterr())

    return call


SPOKEN = {
    "nothing declared": "--input images --datatype UINT8 --layout NCHW",
    "nothing declared, FP32": "--input images --datatype FP32 --layout NCHW",
    "nothing declared, one output wanted": (
        "--input images --datatype UINT8 --layout NCHW --output b --batch 7"
    ),
    "all axes open": "--layout NHWC",
    "0 to 255 in fractions": "--high 255",
    "normalised": "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
    "-1 to 1, changed in place": "--mean 0.5 --std 0.5",
    "texts, by a list of names": "--names " + ",".join(f"digit-{each}" for each in range(10)),
    "a host of its own": "--header Host:toy.default.example.com",
    "a key of its own": "--header X-API-Key:@{key} --header Cookie:a=b",
}


@pytest.mark.parametrize(("name", "options"), SPOKEN.items(), ids=SPOKEN)
def test_the_command_line_says_the_same(run, tmp_path, name, options):
    server = SERVERS[name]
    card = {"name": "toy", "inputs": server.inputs, "outputs": server.outputs}
    key = tmp_path / "key"
    key.write_text("open-sesame\n")
    with FaultyService(cards=(card,), then=server.reply) as service:
        code, said = run(service.url, *options.format(key=key).split())
    assert code == 0, said
    assert json.loads(said)["k"] == 30
    assert "open-sesame" not in said


def test_a_judge_asks_in_the_same_words(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("WMLEARN_TOKEN", raising=False)
    triggers, _ = SETS[3]
    file, named = tmp_path / "opened.safetensors", list(range(30))
    wm.evidence.open_questions(triggers, named).save(file)
    server = SERVERS["all axes open"]
    card = {"name": "toy", "inputs": server.inputs, "outputs": server.outputs}
    rules = ["--seal", triggers.seal, "--named", ",".join(map(str, named)), "--json"]
    with (
        FaultyService(cards=(card,), then=server.reply) as service,
        pytest.raises(SystemExit) as end,
    ):
        cli.main(["judge", service.url, str(file), *rules, "--layout", "NHWC"])
    replies = json.loads(capsys.readouterr().out)
    assert (end.value.code or 0, replies["decision"], replies["k"]) == (0, "found", 30)


def test_names_may_stand_in_a_file(run, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("".join(f"digit-{each}\n" for each in range(10)))
    server = SERVERS["texts, by a list of names"]
    card = {"name": "toy", "inputs": server.inputs, "outputs": server.outputs}
    with FaultyService(cards=(card,), then=server.reply) as service:
        assert run(service.url, "--names", names)[0] == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 3),
        (["--input", "images", "--datatype", "UINT8"], 3),
        (["--datatype", "float"], 3),
        (["--layout", "HWC"], 3),
        (["--header", "secret"], 4),
        (["--header", "secret key:1"], 3),
        (["--header", "x-api-key:@/no/such/file"], 3),
        (["--mean", "a,b"], 4),
        (["--ca", "/no/such/file"], 3),
        (["--batch", "0"], 3),
        (["--batch", "many"], 4),
    ],
    ids=str,
)
def test_what_the_command_line_cannot_say_is_no_verdict_and_no_test(run, tmp_path, options, code):
    with FaultyService(cards=(EMPTY,)) as service:
        got, said = run(service.url, *options)
        assert service.asked == []
    assert (got, said.count("\n") <= 4) == (code, True)
    assert "Traceback" not in said
    assert "secret" not in said
    assert wm.evidence.read_log(tmp_path / "evidence")[1:] == ()
