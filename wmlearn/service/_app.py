"""The web application that a `Service` runs: the server's side of the Open Inference Protocol
(KServe v2).

Source: "Open Inference Protocol", KServe, version 2,
https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import asyncio
import hmac
import importlib.metadata
import json
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wmlearn._checks import check_kind, check_number, check_seed
from wmlearn._random import stable_rng
from wmlearn._types import Images, Labels
from wmlearn.service._transport import check_token

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response
    from starlette.routing import Route

Handler = Callable[..., Awaitable["Response"]]  # async, or Starlette would run it in another thread
Predict = Callable[
    [Images], tuple[Labels, np.ndarray]
]  # labels (n,) and probabilities (n, classes)

_clock = time.monotonic  # tests put a clock of their own here
_LARGEST_BODY = 8_000_000  # bytes; a well-behaved client sends 4 MB at most


@dataclass(frozen=True)
class Request:
    """One request as the owner of the service sees it: how many images, and how they travelled."""

    images: int
    datatype: str


@dataclass(frozen=True)
class ServiceOptions:
    """How a service behaves: how much it tells, to whom, how fast, and how often it fails.

    Parameters
    ----------
    scores : tell the probability of each class, too; else labels only
    token : the bearer token that callers must send to be answered; None: everybody is
    rate : images per second. One second's worth may come at once; a larger request has to wait for
        a full second's worth, and those after it until what it overdrew is paid. Whoever is too
        fast gets status 429 and is told when to come back. None: no limit.
    latency : seconds that each answer is held back, at most 60
    faults : share of the requests, 0 to 1, that fail with status 500 or 503
    seed : of the faults, so that a lesson repeats: the same requests fail whenever the service is
        started

    Raises
    ------
    TypeError, ValueError
        If one of them is of another kind or out of its range.

    Examples
    --------
    >>> ServiceOptions(token="never-shown", rate=50)
    ServiceOptions(scores=False, rate=50, latency=0.0, faults=0.0, seed=0)
    """

    scores: bool = False
    token: str | None = field(default=None, repr=False)
    rate: float | None = None
    latency: float = 0.0
    faults: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_kind(self.scores, "scores", bool, "True or False")
        check_token(self.token)
        if self.rate is not None:
            check_number(
                self.rate,
                "rate (images per second)",
                above=0,
                at_most=1e9,
                hint="Leave it out for no limit.",
            )
        for name, most in (("latency", 60), ("faults", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value != 0:
                check_number(value, name, above=0, at_most=most, hint="Leave it out for none.")
        check_seed(self.seed)


class _Rejected(Exception):
    """A request that gets no labels: one sentence that says why, the status, and headers that go
    with it.
    """

    def __init__(
        self, sentence: str, status: int = 400, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, headers


class _Gatekeeper:
    """Keeps to a `ServiceOptions`: whom it lets in, how fast, and whom it fails."""

    def __init__(self, options: ServiceOptions) -> None:
        self._options = options
        self._rng = stable_rng(options.seed)
        self._full = max(options.rate or 0, 1)  # images that may come at once
        self._left, self._seen = self._full, _clock()

    def admit(self, request: HttpRequest) -> None:
        """Reject a caller without the token."""
        given, token = request.headers.get("authorization", ""), self._options.token
        given = given[:6].lower() + given[6:]  # "bearer" may be written in any case
        # compare_digest takes as long for a wrong token as for a nearly right one, and so tells
        # nothing of it.
        if token is not None and not hmac.compare_digest(
            given.encode(), f"bearer {token}".encode()
        ):
            sentence = "only requests with this model's token are answered. Send it as 'Authorization: Bearer ...'."
            raise _Rejected(sentence, 401, {"WWW-Authenticate": "Bearer"})

    def pace(self, images: int) -> None:
        """Reject what comes too fast: a bucket of one second's worth of images, filled at the rate."""
        if self._options.rate is None:
            return
        now = _clock()
        self._left, self._seen = (
            min(self._left + (now - self._seen) * self._options.rate, self._full),
            now,
        )
        missing = min(images, self._full) - self._left
        if missing > 0:
            seconds = math.ceil(min(missing / self._options.rate, 86_400))
            sentence = f"at most {self._options.rate:g} images per second are answered. Come back in {seconds} s."
            raise _Rejected(sentence, 429, {"Retry-After": str(seconds)})
        self._left -= images

    def fail(self) -> None:
        """Reject the share of requests that is to fail; each draws twice, so that the draws stay in
        step.
        """
        chance, kind = self._rng.random_sample(2)
        if chance < self._options.faults:
            raise _Rejected("something went wrong. Ask again.", 500 if kind < 0.5 else 503)


def application(
    name: str,
    shape: tuple[int, int, int],
    predict: Predict,
    log: list[Request],
    options: ServiceOptions,
) -> Starlette:
    """Return the web application of one model."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    gatekeeper = _Gatekeeper(options)
    outputs = [_tensor("labels", "INT64", [-1])]
    if options.scores:
        outputs.append(_tensor("scores", "FP32", [-1, -1]))

    async def infer(request: HttpRequest) -> Response:
        """Answer the images of one request, and note it in the log."""
        body = await _read_body(request)
        gatekeeper.admit(request)
        await asyncio.sleep(options.latency)  # meanwhile others are served
        images, datatype = _read_images(_parse(body), shape)
        gatekeeper.pace(len(images))
        gatekeeper.fail()
        answers = predict(
            images
        )  # in the event loop: one request after the other, so the log is in order
        tensors = []
        for output, values in zip(outputs, answers):
            tensors.append(output | {"shape": list(values.shape), "data": values.ravel().tolist()})
        answer = JSONResponse({"model_name": name, "model_version": "1", "outputs": tensors})
        log.append(Request(len(images), datatype))
        return answer

    card = {"name": name, "versions": ["1"], "platform": "wmlearn"}
    card |= {"inputs": [_tensor("images", "UINT8", [-1, *shape])], "outputs": outputs}
    routes = _descriptions(card, gatekeeper)
    routes.append(Route(f"/v2/models/{name}/infer", infer, methods=["POST"]))
    return Starlette(routes=routes, exception_handlers=_error_handlers(name))


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def _descriptions(card: dict[str, Any], gatekeeper: _Gatekeeper) -> list[Route]:
    """Return the routes that say what is served and whether it is ready."""
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    def saying(content: dict[str, Any]) -> Handler:
        async def say(request: HttpRequest) -> Response:
            return JSONResponse(content)

        return say

    async def model(request: HttpRequest) -> Response:
        """Say how images come in and what goes out: a token is refused before anything is shown."""
        gatekeeper.admit(request)
        return JSONResponse(card)

    name, version = card["name"], importlib.metadata.version("wmlearn")
    return [
        Route("/v2", saying({"name": "wmlearn", "version": version, "extensions": []})),
        Route("/v2/health/live", saying({"live": True})),
        Route("/v2/health/ready", saying({"ready": True})),
        Route(f"/v2/models/{name}/ready", saying({"name": name, "ready": True})),
        Route(f"/v2/models/{name}", model),
    ]


def _error_handlers(name: str) -> dict[Any, Handler]:
    """Let every error be {"error": one sentence}, as the protocol wants it."""
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse

    def answer(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
        return JSONResponse({"error": sentence}, status_code=status, headers=headers)

    async def rejected(_: HttpRequest, error: _Rejected) -> Response:
        return answer(error.status, str(error), error.headers)

    async def no_route(request: HttpRequest, error: HTTPException) -> Response:
        asked = f"{request.method} {request.url.path}"
        return answer(
            error.status_code,
            f"expected POST /v2/models/{name}/infer or its siblings; got {asked}.",
        )

    async def failed(_: HttpRequest, error: Exception) -> Response:
        return answer(500, f"the model failed on these images ({type(error).__name__}).")

    return {_Rejected: rejected, HTTPException: no_route, Exception: failed}


async def _read_body(request: HttpRequest) -> bytes:
    """Return the body; one that is too large is read to its end, so that the sender hears the
    answer, but not kept.
    """
    body, size = bytearray(), 0
    async for piece in request.stream():
        size += len(piece)
        if size <= _LARGEST_BODY:
            body += piece
    if size > _LARGEST_BODY:
        limit = _LARGEST_BODY // 1_000_000
        raise _Rejected(
            (
                f"a request must be at most {limit} MB; got {size / 1e6:.1f} MB. Send fewer images at "
                "once."
            ),
            413,
        )
    return bytes(body)


def _parse(body: bytes) -> dict[str, Any]:
    """Return the only input tensor of a request."""
    try:
        question = json.loads(body)
    except (ValueError, RecursionError):
        raise _Rejected(
            "a request must be JSON; this is not. Send an inference request of protocol version 2."
        ) from None
    inputs = question.get("inputs") if isinstance(question, dict) else None
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise _Rejected(
            'a request must have one input: {"inputs": [{"name", "shape", "datatype", "data"}]}.'
        )
    return inputs[0]


def _read_images(tensor: dict[str, Any], shape: tuple[int, int, int]) -> tuple[Images, str]:
    """Return the images of an input tensor, float32 in [0, 1], and the datatype they came in."""
    name, datatype, got = tensor.get("name"), tensor.get("datatype"), tensor.get("shape")
    if name != "images":
        raise _Rejected(f"the input must be called 'images'; got {name!r:.40}.")
    if datatype not in ("UINT8", "FP32"):
        raise _Rejected(
            f"images must be of datatype UINT8 (0 to 255) or FP32 (0 to 1); got {datatype!r:.40}."
        )
    if (
        not isinstance(got, list)
        or len(got) != 4
        or got[1:] != list(shape)
        or type(got[0]) is not int
        or got[0] < 1
    ):
        raise _Rejected(
            f"images must have shape [n, {', '.join(map(str, shape))}], n at least 1; got "
            f"{got!r:.60}."
        )
    try:
        values = np.asarray(tensor.get("data"))
    except ValueError:
        raise _Rejected(
            "data must be one flat list of numbers; got lists of unequal length."
        ) from None
    if values.dtype.kind not in ("i" if datatype == "UINT8" else "if"):
        raise _Rejected(
            f"data of datatype {datatype} must be numbers, whole ones for UINT8; got something "
            "else."
        )
    if values.size != math.prod(got):
        raise _Rejected(
            f"data must hold {math.prod(got)} numbers for shape {got}; got {values.size}."
        )
    highest = 255 if datatype == "UINT8" else 1
    if not (values.min() >= 0 and values.max() <= highest):  # so written, NaN is refused too
        raise _Rejected(f"data of datatype {datatype} must lie from 0 to {highest}; some do not.")
    images = values.astype(np.float32).reshape(got)
    return (images / 255 if datatype == "UINT8" else images), datatype
