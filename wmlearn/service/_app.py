"""The web application that a `Service` runs: the server's side of the Open Inference Protocol.

It is imported only when a model is served, so a client needs no Starlette.

Source: "Open Inference Protocol", KServe, version 2,
https://github.com/kserve/open-inference-protocol
"""

import asyncio
import hmac
import importlib.metadata
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wmlearn._random import stable_rng
from wmlearn._types import Images, Labels
from wmlearn.service import _exchange
from wmlearn.service.options import ServiceOptions

Predict = Callable[[Images], tuple[Labels, np.ndarray]]  # labels (n,), probabilities (n, classes)

clock = time.monotonic  # tests replace this


@dataclass(frozen=True)
class Request:
    """One request as the owner of the service sees it: number of images, and their data type."""

    images: int
    datatype: str


class Gatekeeper:
    """Applies `ServiceOptions` to requests: the token, the rate, and the share that fails."""

    def __init__(self, options: ServiceOptions) -> None:
        self._options = options
        self._rng = stable_rng(options.seed)
        self._full = max(options.rate or 0, 1)  # the largest number of images at once
        self._left = self._full
        self._seen = clock()

    def admit(self, request: HttpRequest) -> None:
        """Reject a request without the token."""
        if self._options.token is None:
            return
        given = request.headers.get("authorization", "")
        given = given[:6].lower() + given[6:]  # "bearer" may be written in any case
        wanted = f"bearer {self._options.token}"
        # In constant time: the time must not tell how much of a wrong token was right.
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise HTTPException(
                401,
                "only requests with this model's token are answered. "
                "Send it as 'Authorization: Bearer ...'.",
                {"WWW-Authenticate": "Bearer"},
            )

    def pace(self, images: int) -> None:
        """Reject requests that come too fast, by a token bucket that holds one second's images."""
        rate, now = self._options.rate, clock()
        if rate is None:
            return
        self._left = min(self._left + (now - self._seen) * rate, self._full)
        self._seen = now
        missing = min(images, self._full) - self._left
        if missing > 0:
            seconds = math.ceil(min(missing / rate, 86_400))
            raise HTTPException(
                429,
                f"at most {rate:g} images per second are answered. Ask again in {seconds} s.",
                {"Retry-After": str(seconds)},
            )
        self._left -= images

    def fail(self) -> None:
        """Reject the given share of requests at random; each request draws two numbers."""
        chance, kind = self._rng.random_sample(2)
        if chance < self._options.faults:
            raise HTTPException(500 if kind < 0.5 else 503, "something went wrong. Ask again.")


def application(
    name: str,
    shape: tuple[int, int, int],
    predict: Predict,
    log: list[Request],
    options: ServiceOptions,
) -> Starlette:
    """Return the web application of one model."""
    gatekeeper = Gatekeeper(options)
    address = f"/v2/models/{name}"
    offered = ["labels", "scores"] if options.scores else ["labels"]
    outputs = [_exchange.describe(output) for output in offered]
    if options.classes:
        outputs[0]["parameters"] = {"classes": list(options.classes)}

    async def describe(request: HttpRequest) -> JSONResponse:
        """Return the metadata of the model: its input and its outputs."""
        gatekeeper.admit(request)
        images = {"name": "images", "datatype": "UINT8", "shape": [-1, *shape]}
        card = {"name": name, "versions": ["1"], "platform": "wmlearn", "inputs": [images]}
        return JSONResponse(card | {"outputs": outputs})

    async def infer(request: HttpRequest) -> Response:
        """Return the answer to the images of one request, and note it in the log."""
        body = await _read_body(request)
        gatekeeper.admit(request)
        await asyncio.sleep(options.latency)  # other requests are served meanwhile
        question = _exchange.read_question(body, request.headers, shape, offered)
        images = len(question.images)
        gatekeeper.pace(images)
        gatekeeper.fail()
        try:
            # Inside the event loop: one request after the other, so the log is in order.
            labels, scores = predict(question.images)
        except ValueError as error:  # a status that clients do not retry: it would fail again
            raise HTTPException(422, _reason(error)) from None
        answer = _exchange.write_answer(name, question, {"labels": labels, "scores": scores})
        log.append(Request(images, question.datatype))
        return answer

    async def refused(request: HttpRequest, error: HTTPException) -> JSONResponse:
        sentence = error.detail
        if error.status_code in (404, 405):
            asked = f"{request.method} {request.url.path}"
            sentence = f"expected POST {address}/infer or its siblings; got {asked}."
        return JSONResponse({"error": sentence}, error.status_code, error.headers)

    async def failed(_: HttpRequest, error: Exception) -> JSONResponse:
        sentence = f"the model failed on these images ({type(error).__name__})."
        return JSONResponse({"error": sentence}, 500)

    version = importlib.metadata.version("wmlearn")
    said_to_all = {
        "/v2": {"name": "wmlearn", "version": version, "extensions": ["binary_tensor_data"]},
        "/v2/health/live": {"live": True},
        "/v2/health/ready": {"ready": True},
    }
    routes = []
    for base in (address, f"{address}/versions/1"):
        routes += [Route(base, describe), Route(f"{base}/infer", infer, methods=["POST"])]
        said_to_all[f"{base}/ready"] = {"name": name, "ready": True}
    for path, content in said_to_all.items():
        routes.append(Route(path, JSONResponse(content), methods=["GET"]))
    handlers: dict[Any, Any] = {HTTPException: refused, Exception: failed}
    packing = Middleware(GZipMiddleware, compresslevel=1)  # for clients that accept it
    return Starlette(routes=routes, middleware=[packing], exception_handlers=handlers)


def _reason(error: ValueError) -> str:
    """Return why a model gave no answer; the words of a library are left out, as they may leak."""
    if error.__cause__ is None:
        return str(error)
    return f"the model failed on these images ({type(error.__cause__).__name__})."


def web_server(app: Starlette) -> uvicorn.Server:
    """Return a server that leaves the logging, signals and event loop of the process alone."""
    logger = logging.getLogger("uvicorn")
    if not logger.handlers:  # Python prints the warnings of a logger without a handler
        logger.addHandler(logging.NullHandler())
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        loop="asyncio",
        http="h11",
        ws="none",
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


async def _read_body(request: HttpRequest) -> bytes:
    """Return the body of a request.

    A body that is too large is read to its end but not kept, as many clients read the answer only
    after they have sent everything.
    """
    body = bytearray()
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= _exchange.LARGEST_BODY:
            body += piece
    if size > _exchange.LARGEST_BODY:
        raise _exchange.too_large(f"{size / 1e6:.1f} MB")
    return bytes(body)
