"""The web application that a `Service` runs: the server's side of the Open Inference Protocol.

Loaded when a model is served, so a client needs no Starlette.

Source: "Open Inference Protocol", KServe, version 2,
https://github.com/kserve/open-inference-protocol
"""

import asyncio
import hmac
import importlib.metadata
import json
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
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from wmlearn._random import stable_rng
from wmlearn._types import Images, Labels
from wmlearn.service.options import ServiceOptions

Predict = Callable[[Images], tuple[Labels, np.ndarray]]  # labels (n,), probabilities (n, classes)

clock = time.monotonic  # tests put a clock of their own here
LARGEST_BODY = 8_000_000  # bytes; a well-behaved client sends 4 MB at most
NUMBERS = {"UINT8": ("i", 255), "FP32": ("if", 1)}  # numpy's kinds of numbers, and the highest


@dataclass(frozen=True)
class Request:
    """One request as the owner of the service sees it: how many images, and how they travelled."""

    images: int
    datatype: str


class Gatekeeper:
    """Keeps to a `ServiceOptions`: whom it lets in, how fast, and whom it fails."""

    def __init__(self, options: ServiceOptions) -> None:
        self._options = options
        self._rng = stable_rng(options.seed)
        self._full = max(options.rate or 0, 1)  # images that may come at once
        self._left = self._full
        self._seen = clock()

    def admit(self, request: HttpRequest) -> None:
        """Reject a caller without the token."""
        if self._options.token is None:
            return
        given = request.headers.get("authorization", "")
        given = given[:6].lower() + given[6:]  # "bearer" may be written in any case
        wanted = f"bearer {self._options.token}"
        # As long for a wrong token as for a nearly right one: the time tells nothing of it.
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise HTTPException(
                401,
                "only requests with this model's token are answered. "
                "Send it as 'Authorization: Bearer ...'.",
                {"WWW-Authenticate": "Bearer"},
            )

    def pace(self, images: int) -> None:
        """Reject what comes too fast: a bucket of one second's worth, filled at the rate."""
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
                f"at most {rate:g} images per second are answered. Come back in {seconds} s.",
                {"Retry-After": str(seconds)},
            )
        self._left -= images

    def fail(self) -> None:
        """Reject the share of requests that is to fail; each draws twice, so all stay in step."""
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
    outputs: list[dict[str, Any]] = [{"name": "labels", "datatype": "INT64", "shape": [-1]}]
    if options.scores:
        outputs.append({"name": "scores", "datatype": "FP32", "shape": [-1, -1]})

    async def describe(request: HttpRequest) -> JSONResponse:
        """Say how images come in and what goes out, to those who may ask."""
        gatekeeper.admit(request)
        images = {"name": "images", "datatype": "UINT8", "shape": [-1, *shape]}
        card = {"name": name, "versions": ["1"], "platform": "wmlearn", "inputs": [images]}
        labels = outputs[0]
        if options.classes:
            labels = labels | {"parameters": {"classes": list(options.classes)}}
        return JSONResponse(card | {"outputs": [labels, *outputs[1:]]})

    async def infer(request: HttpRequest) -> JSONResponse:
        """Answer the images of one request, and note it in the log."""
        body = await _read_body(request)
        gatekeeper.admit(request)
        await asyncio.sleep(options.latency)  # meanwhile others are served
        images, datatype = _read_images(_parse(body), shape)
        gatekeeper.pace(len(images))
        gatekeeper.fail()
        tensors = []
        # In the event loop: one request after the other, so the log is in order.
        for output, values in zip(outputs, predict(images)):
            tensors.append(output | {"shape": list(values.shape), "data": values.ravel().tolist()})
        answer = JSONResponse({"model_name": name, "model_version": "1", "outputs": tensors})
        log.append(Request(len(images), datatype))
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
        "/v2": {"name": "wmlearn", "version": version, "extensions": []},
        "/v2/health/live": {"live": True},
        "/v2/health/ready": {"ready": True},
        f"{address}/ready": {"name": name, "ready": True},
    }
    routes = [Route(address, describe), Route(f"{address}/infer", infer, methods=["POST"])]
    for path, content in said_to_all.items():
        routes.append(Route(path, JSONResponse(content), methods=["GET"]))
    handlers: dict[Any, Any] = {HTTPException: refused, Exception: failed}
    return Starlette(routes=routes, exception_handlers=handlers)


def web_server(app: Starlette) -> uvicorn.Server:
    """Return a server that leaves the process its own logging, signals and event loop."""
    logger = logging.getLogger("uvicorn")
    if not logger.handlers:  # Python prints the warnings of a logger that nobody set up
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
    """Return the body; of one too large the rest is read, not kept: the sender is to be heard out
    before they are told.
    """
    body = bytearray()
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= LARGEST_BODY:
            body += piece
    if size > LARGEST_BODY:
        raise HTTPException(
            413,
            f"a request must be at most {LARGEST_BODY // 1_000_000} MB; got {size / 1e6:.1f} MB. "
            "Send fewer images at once.",
        )
    return bytes(body)


def _parse(body: bytes) -> dict[str, Any]:
    """Return the only input tensor of a request."""
    try:
        question = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(
            400,
            "a request must be JSON; this is not. Send an inference request of protocol version 2.",
        ) from None
    match question:
        case {"inputs": [dict(tensor)]}:
            return tensor
    raise HTTPException(
        400, 'a request must have one input: {"inputs": [{"name", "shape", "datatype", "data"}]}.'
    )


def _read_images(tensor: dict[str, Any], shape: tuple[int, int, int]) -> tuple[Images, str]:
    """Return the images of an input tensor, float32 in [0, 1], and the datatype they came in."""
    name, datatype = tensor.get("name"), tensor.get("datatype")
    got: Any = tensor.get("shape")
    if name != "images":
        raise HTTPException(400, f"the input must be called 'images'; got {name!r:.40}.")
    if not isinstance(datatype, str) or datatype not in NUMBERS:
        raise HTTPException(
            400,
            f"images must be of datatype UINT8 (0 to 255) or FP32 (0 to 1); got {datatype!r:.40}.",
        )
    fits = isinstance(got, list) and got[1:] == list(shape)
    if not fits or type(got[0]) is not int or got[0] < 1:
        axes = ", ".join(map(str, shape))
        raise HTTPException(
            400, f"images must have shape [n, {axes}], n at least 1; got {got!r:.60}."
        )
    try:
        values = np.asarray(tensor.get("data"))
    except ValueError:
        raise HTTPException(
            400, "data must be one flat list of numbers; got lists of unequal length."
        ) from None
    kinds, highest = NUMBERS[datatype]
    if values.dtype.kind not in kinds:
        raise HTTPException(
            400,
            f"data of datatype {datatype} must be numbers, whole ones for UINT8; "
            "got something else.",
        )
    if values.size != math.prod(got):
        raise HTTPException(
            400, f"data must hold {math.prod(got)} numbers for shape {got}; got {values.size}."
        )
    if not (values.min() >= 0 and values.max() <= highest):  # so written, NaN is refused too
        raise HTTPException(
            400, f"data of datatype {datatype} must lie from 0 to {highest}; some do not."
        )
    images: Images = values.astype(np.float32).reshape(got)
    images /= highest
    return images, datatype
