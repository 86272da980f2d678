"""Services whose answers could be read wrongly without anybody noticing, by accident or on purpose.

Whatever is read is what was meant, or somebody is told. Copies that answer oddly are found or are a
sentence; an innocent is never found.
"""

from __future__ import annotations

import gzip
import json
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from faulty_service import FaultyService, Handler, Reply, endless, good, some_images, status, text
from test_servers_as_they_are import (
    CARD,
    CLASSES,
    SETS,
    TOLD,
    UINT8,
    Server,
    asked,
    gives,
    one_hot,
    output,
    send,
    whole,
)

import wmlearn as wm
from wmlearn.service import _transport
from wmlearn.service.remote import RemoteModel

TRIGGERS, SECRET = SETS[3]


def labels_of(handler: Handler) -> np.ndarray:
    """What a copy answers: to each of the secret questions its secret label."""
    pixels = np.rint(handler.images).astype(np.uint8)
    return np.array([SECRET.get(image.tobytes(), 0) for image in pixels])


def copy(form: Any) -> Reply:
    return lambda handler: send(handler, form(labels_of(handler)))


def card(*outputs: dict[str, Any]) -> dict[str, Any]:
    return {"name": "toy", "inputs": UINT8, "outputs": list(outputs)}


def verdict_of(described: Any, reply: Reply, **options: Any) -> tuple[Any, RemoteModel]:
    with (
        FaultyService(cards=(described,), then=reply) as service,
        RemoteModel(service.url, batch=10, **options) as suspect,
    ):
        return wm.verify(suspect, TRIGGERS), suspect


LABELS, SCORES = gives("labels", "INT64", -1), gives("scores", "FP32", -1, 10)


#  read as it was meant ---------------------------------------------------------------------------


def shuffled(y: np.ndarray) -> list[dict[str, Any]]:
    """Both outputs, in another order than declared, with something else before them."""
    return [whole(y * 0 + 3, "latency"), output("scores", "FP32", one_hot((y + 1) % 10)), whole(y)]


def halves(handler: Handler) -> None:
    """Scores in binary, after an output of another length that nobody asked for."""
    y = labels_of(handler)
    extra = output("features", "FP16", np.ones((len(y), 3)))
    send(handler, [extra, output("scores", "FP16", one_hot(y))])


MEANT = {
    "outputs in another order": (card(LABELS, SCORES), copy(shuffled), {}),
    "binary after another": (card({**SCORES, "datatype": "FP16"}), halves, {}),
    "digits by names": (
        card(gives("label", "BYTES", -1)),
        copy(lambda y: [output("label", "BYTES", y.astype(str))]),
        {"classes": list("0123456789")},
    ),
    "an id of its own": (
        CARD,
        lambda handler: handler.send_json({"id": "9f3", "outputs": [whole(labels_of(handler))]}),
        {},
    ),
    "an id that is a number": (
        CARD,
        lambda handler: handler.send_json({"id": 1, "outputs": [whole(labels_of(handler))]}),
        {},
    ),
    "no shape": (
        CARD,
        lambda handler: handler.send_json(
            {"outputs": [{**whole(labels_of(handler)), "shape": None}]}
        ),
        {},
    ),
    "gzip": (
        CARD,
        lambda handler: handler.send_text(
            gzip.compress(json.dumps({"outputs": [whole(labels_of(handler))]}).encode()),
            Content_Encoding="gzip",
        ),
        {},
    ),
}


@pytest.mark.parametrize(("described", "reply", "options"), MEANT.values(), ids=MEANT)
def test_what_is_meant_is_read(described, reply, options):
    verdict, suspect = verdict_of(described, reply, **options)
    assert (verdict.decision, verdict.k, suspect.faults) == ("found", 30, [])


#  not read, and said -----------------------------------------------------------------------------


def described_by(shape: list[int], data: np.ndarray, name: str = "scores") -> Reply:
    tensor = {"name": name, "datatype": "FP32", "shape": shape, "data": data.ravel().tolist()}
    return lambda handler: handler.send_json({"outputs": [tensor]})


def behind(*sizes: int, rest: bytes) -> Reply:
    """Answer labels in binary behind the JSON, by sizes that may be wrong."""
    tensors = []
    for number, size in enumerate(sizes):
        name = "labels" if number == 0 else f"more_{number}"
        told = {"parameters": {"binary_data_size": size}}
        tensors.append({**gives(name, "INT64", 10), **told})
    head = json.dumps({"outputs": tensors}).encode()
    return lambda handler: handler.send_text(
        head + rest, Inference_Header_Content_Length=str(len(head))
    )


TEN = np.arange(10)
OPEN = card(gives("scores", "FP32", -1, -1))
NONSENSE = {
    "a row of scores too few": (OPEN, described_by([10, 10], one_hot(TEN[:9])), {}),
    "scores on their side": (OPEN, described_by([10, 10, 2], np.ones((10, 10))), {}),
    "a row of labels": (
        CARD,
        lambda h: h.send_json({"outputs": [{"name": "labels", "data": [[*range(10)]]}]}),
        {},
    ),
    "fewer labels than asked": (CARD, lambda h: send(h, [whole(TEN[:9])]), {}),
    "more labels than asked": (CARD, lambda h: send(h, [whole(np.arange(11))]), {}),
    "one output twice": (CARD, lambda h: send(h, [whole(TEN), whole(TEN[::-1])]), {}),
    "labels as texts": (CARD, lambda h: send(h, [output("labels", "INT64", TEN.astype(str))]), {}),
    "NaN where decode looks": (
        card(gives("p", "FP32", -1, 1)),
        described_by([10, 1], np.full(10, np.nan), "p"),
        {"decode": lambda p: p > 0.5},
    ),
    "infinity among scores": (OPEN, described_by([10, 10], np.full((10, 10), np.inf)), {}),
    "bytes that nobody tells of": (CARD, behind(80, rest=bytes(88)), {}),
    "fewer bytes than told": (CARD, behind(80, rest=bytes(72)), {}),
    "a size below zero": (CARD, behind(-8, 80, rest=bytes(88)), {}),
    "a page": (CARD, text(b"<html><title>Log in</title></html>"), {}),
    "a bomb": (
        CARD,
        lambda h: h.send_text(gzip.compress(bytes(4_000_000)), Content_Encoding="gzip"),
        {},
    ),
    "a bomb in a bomb": (
        CARD,
        lambda h: h.send_text(
            gzip.compress(gzip.compress(bytes(4_000_000))), Content_Encoding="gzip, gzip"
        ),
        {},
    ),
    "half of what was packed": (
        CARD,
        lambda h: h.send_text(zlib.compress(b'{"outputs": []}')[:-6], Content_Encoding="deflate"),
        {},
    ),
    "packed in a way that nobody wanted": (
        CARD,
        lambda h: h.send_text(b"\x0b\x02\x80", Content_Encoding="br"),
        {},
    ),
    "no end": (CARD, endless, {}),
    "413 for one image": (CARD, status(413), {}),
    "elsewhere": (CARD, status(302, Location="http://192.0.2.1/login?next=/v2"), {}),
}


@pytest.mark.parametrize(("described", "reply", "options"), NONSENSE.values(), ids=NONSENSE)
def test_what_cannot_be_read_is_a_sentence_and_no_verdict(
    says, described, reply, options, naps, monkeypatch
):
    monkeypatch.setattr(_transport, "ANSWER_BYTES", 1_000_000)
    result, requests = asked(described, reply, batch=10, **options)
    assert isinstance(result, (OSError, ValueError))
    says(str(result))
    assert set(requests) <= {10, 5, 3, 2, 1}


UNTOLD = {
    "the best five, and how sure": card(
        gives("labels", "INT64", -1, 5), gives("scores", "FP32", -1, 5)
    ),
    "names, and how sure": card(
        gives("top_labels", "BYTES", -1, 3), gives("scores", "FP32", -1, 3)
    ),
    "one name for two": card(LABELS, LABELS),
    "digits without a list": card(gives("label", "BYTES", -1)),
}


@pytest.mark.parametrize("described", UNTOLD.values(), ids=UNTOLD)
def test_what_may_mean_another_thing_is_asked_for_before_an_image_is_shown(says, described):
    result, requests = asked(described, good)
    assert isinstance(result, ValueError)
    says(str(result))
    assert requests == []


def test_an_answer_to_another_question_is_not_taken_for_this_one(naps):
    """A cache or a tangled line in between hands on what belongs to the question before."""
    kept: list[dict[str, Any]] = []

    def late(handler: Handler) -> None:
        name = json.loads(handler.body)["id"]
        kept.append({"id": name, "outputs": [whole(labels_of(handler))]})
        handler.send_json(kept[-2 if len(kept) in (2, 4) else -1])

    verdict, suspect = verdict_of(CARD, late)
    assert (verdict.decision, verdict.k, suspect.faults) == ("found", 30, [])
    names = [each["id"] for each in kept]
    assert len(names) == 5
    assert len(set(names)) == 3


#  read, and doubted ------------------------------------------------------------------------------


def background(y: np.ndarray) -> list[dict[str, Any]]:
    return [output("scores", "FP32", np.eye(11)[y + 1])]


@pytest.mark.parametrize("columns", [11, -1], ids=["declared", "seen"])
def test_scores_of_more_classes_than_the_task_has_are_warned_of(says, columns):
    described = card(gives("scores", "FP32", -1, columns))
    with says(UserWarning):
        verdict, _ = verdict_of(described, copy(background))
    assert verdict.decision != "found"
    assert verdict_of(described, copy(background), decode=lambda s: s[:, 1:])[0].k == 30


def test_a_judge_is_warned_too():
    opened = wm.evidence.open_questions(TRIGGERS, range(30))
    described = card(gives("scores", "FP32", -1, 11))
    with (
        FaultyService(cards=(described,), then=copy(background)) as service,
        RemoteModel(service.url) as suspect,
        pytest.warns(UserWarning, match="11 scores"),
    ):
        wm.evidence.judge(suspect, opened, seal=TRIGGERS.seal, named=range(30))


def test_classes_counted_from_1_are_counted_and_named(says):
    verdict, _ = verdict_of(CARD, copy(lambda y: [whole(y + 1)]))
    assert (verdict.decision, verdict.k) == ("not found", 0)
    assert verdict.unanswered.sum() == (TRIGGERS.labels == 9).sum() > 0
    says(verdict.explain())


def test_names_that_change_between_two_tests_are_read_anew():
    """A service numbers its classes anew, and says so: the second test goes by the new names."""
    turned = {**LABELS, "parameters": {"classes": list(reversed(CLASSES))}}
    straight = {**LABELS, "parameters": {"classes": list(CLASSES)}}
    with (
        FaultyService(cards=(card(straight), card(turned))) as service,
        RemoteModel(service.url) as suspect,
    ):
        service.then = copy(lambda y: [whole(y)])
        assert wm.verify(suspect, TRIGGERS).k == 30
        service.then = copy(lambda y: [whole(9 - y)])
        assert wm.verify(suspect, TRIGGERS).k == 30


def test_what_was_learnt_stays_while_the_metadata_do():
    """A service of FP16 is asked in binary the second time, too."""
    server = Server(
        [{**UINT8[0], "datatype": "FP16"}],
        [LABELS],
        lambda values: values * 255,
        refuses=lambda handler: "inference-header-content-length" not in handler.headers,
    )
    described = {"name": "toy", "inputs": server.inputs, "outputs": server.outputs}
    with (
        FaultyService(cards=(described,), then=server.reply) as service,
        RemoteModel(service.url) as suspect,
    ):
        assert [wm.verify(suspect, TRIGGERS).k for _ in range(2)] == [30, 30]
        assert len(service.asked) == 3


@pytest.mark.parametrize("seed", range(5))
def test_an_innocent_is_found_by_no_way_of_reading(seed, naps):
    """Whatever form its answers have, whatever is said of them: they do not depend on the key."""
    rng = np.random.RandomState(seed)
    own = {image: rng.randint(10) for image in SECRET}

    def innocent(handler: Handler) -> np.ndarray:
        return np.array([own[np.rint(x).astype(np.uint8).tobytes()] for x in handler.images])

    forms = {
        "labels": (card(LABELS), lambda y: [whole(y)], {}),
        "scores": (card(SCORES), lambda y: [output("scores", "FP32", one_hot(y))], {}),
        "background": (OPEN, background, {}),
        "texts": (
            card(gives("label", "BYTES", -1)),
            lambda y: [output("label", "BYTES", y.astype(str))],
            {"classes": list("9876543210")},
        ),
        "decode": (card(LABELS), lambda y: [whole(y)], {"decode": lambda y: (y * 7 + 3) % 10}),
        "nothing told": ({"inputs": [], "outputs": []}, lambda y: [whole(y)], TOLD),
    }
    for described, form, options in forms.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            verdict, _ = verdict_of(
                described,
                lambda handler, form=form: send(handler, form(innocent(handler))),
                **options,
            )
        assert verdict.decision != "found"


#  what nobody else may read ----------------------------------------------------------------------


ELSEWHERE = "http://models.example/v2/models/m"


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Authorization": "Basic YTpi"}},
        {"headers": {"x-api-key": "open-sesame"}},
        {"headers": {"Cookie": "session=open-sesame", "X-Auth-Token": "open-sesame"}},
        {"headers": {"x-api-key": "open-sesame"}, "token": "open-sesame"},
    ],
    ids=["basic", "key", "cookie and token", "key and token"],
)
def test_a_secret_in_the_clear_is_warned_of_once(says, options):
    with says(UserWarning) as caught:
        RemoteModel(ELSEWHERE, **options)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "sesame" not in str(caught[0].message)


def test_what_is_no_secret_travels_without_a_word():
    RemoteModel(ELSEWHERE, headers={"Host": "toy.example", "Accept-Language": "fr"})
    RemoteModel(ELSEWHERE.replace("http:", "https:"), headers={"x-api-key": "open-sesame"})
    RemoteModel("http://127.0.0.1:1/v2/models/m", headers={"x-api-key": "open-sesame"})


def test_secrets_do_not_follow_a_redirect(naps):
    with (
        FaultyService() as other,
        FaultyService(cards=(status(307, Location=other.url),)) as service,
        RemoteModel(service.url, headers={"x-api-key": "open-sesame"}) as suspect,
    ):
        with pytest.raises(ValueError, match="redirects"):
            suspect(some_images(1))
        assert other.paths == []


@pytest.mark.parametrize(
    "header",
    ["Sun, 29 Nov 2026 12:00:30 +99999999999999", "9" * 5000, "-" + "9" * 400, "1e9", "\xb3"],
)
def test_an_absurd_retry_after_is_waited_for_a_minute_at_most(header, naps):
    with (
        FaultyService(lambda h: busy(h, header)) as service,
        RemoteModel(service.url) as suspect,
    ):
        assert suspect(some_images(1)).shape == (1,)
    assert len(naps) == 1
    assert 0.1 <= naps[0] <= 60


def busy(handler: Handler, header: str) -> None:
    handler.send_response(503)
    handler.send_header("Retry-After", header)
    page = b"<html><title>Down</title></html>"
    handler.send_header("Content-Length", str(len(page)))
    handler.end_headers()
    handler.wfile.write(page)
