"""The web application that a `Service` runs: the server's side of the Open Inference Protocol (KServe v2).

Source: "Open Inference Protocol", KServe, version 2, https://github.com/kserve/open-inference-protocol
"""

# No `from __future__ import annotations` here: FastAPI reads the annotations of the functions inside `application`.
import importlib.metadata
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wmlearn._types import Images, Query

if TYPE_CHECKING:
    import fastapi

_LARGEST_BODY = 8_000_000  # bytes; a well-behaved client sends 4 MB at most


@dataclass(frozen=True)
class Request:
    """One request as the owner of the service sees it: how many images, and how they travelled."""

    images: int
    datatype: str


class _Rejected(Exception):
    """A request that gets no labels: the status and one sentence that says why."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


def application(name: str, shape: tuple[int, int, int], query: Query, log: list[Request]) -> "fastapi.FastAPI":
    """Return the web application of one model."""
    import fastapi

    app = fastapi.FastAPI(openapi_url=None)
    _describe(app, name, shape)
    _handle_errors(app, name)

    @app.post(f"/v2/models/{name}/infer")
    async def infer(request: fastapi.Request) -> fastapi.Response:
        """Answer the images of one request with labels, and note it in the log."""
        question = _parse(await _read_body(request))
        images, datatype = _read_images(question, shape)
        labels = query(images)  # in the event loop: one request after the other, so that the log is in order
        log.append(Request(len(images), datatype))
        output = {"name": "labels", "datatype": "INT64", "shape": [len(labels)], "data": labels.tolist()}
        return fastapi.responses.JSONResponse({"model_name": name, "model_version": "1", "outputs": [output]})

    return app


def _describe(app: "fastapi.FastAPI", name: str, shape: tuple[int, int, int]) -> None:
    """Add the routes that say what is served and whether it is ready."""

    @app.get("/v2")
    async def server() -> dict[str, Any]:
        return {"name": "wmlearn", "version": importlib.metadata.version("wmlearn"), "extensions": []}

    @app.get("/v2/health/live")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/v2/health/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.get(f"/v2/models/{name}/ready")
    async def model_ready() -> dict[str, Any]:
        return {"name": name, "ready": True}

    @app.get(f"/v2/models/{name}")
    async def model() -> dict[str, Any]:
        """Say how images come in and what goes out."""
        return {
            "name": name,
            "versions": ["1"],
            "platform": "wmlearn",
            "inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, *shape]}],
            "outputs": [{"name": "labels", "datatype": "INT64", "shape": [-1]}],
        }


def _handle_errors(app: "fastapi.FastAPI", name: str) -> None:
    """Let every error be {"error": one sentence}, as the protocol wants it."""
    import fastapi
    from starlette.exceptions import HTTPException

    def answer(status: int, sentence: str) -> fastapi.Response:
        return fastapi.responses.JSONResponse({"error": sentence}, status_code=status)

    @app.exception_handler(_Rejected)
    async def rejected(_: fastapi.Request, error: _Rejected) -> fastapi.Response:
        return answer(error.status, str(error))

    @app.exception_handler(HTTPException)
    async def no_route(request: fastapi.Request, error: HTTPException) -> fastapi.Response:
        asked = f"{request.method} {request.url.path}"
        return answer(error.status_code, f"expected POST /v2/models/{name}/infer or its siblings; got {asked}.")

    @app.exception_handler(Exception)
    async def failed(_: fastapi.Request, error: Exception) -> fastapi.Response:
        return answer(500, f"the model failed on these images ({type(error).__name__}).")


async def _read_body(request: "fastapi.Request") -> bytes:
    """Return the body; one that is too large is read to its end, so that the sender hears the answer, but not kept."""
    body, size = bytearray(), 0
    async for piece in request.stream():
        size += len(piece)
        if size <= _LARGEST_BODY:
            body += piece
    if size > _LARGEST_BODY:
        limit = _LARGEST_BODY // 1_000_000
        raise _Rejected(
            f"a request must be at most {limit} MB; got {size / 1e6:.1f} MB. Send fewer images at once.", 413
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
        raise _Rejected('a request must have one input: {"inputs": [{"name", "shape", "datatype", "data"}]}.')
    return inputs[0]


def _read_images(tensor: dict[str, Any], shape: tuple[int, int, int]) -> tuple[Images, str]:
    """Return the images of an input tensor, float32 in [0, 1], and the datatype they came in."""
    name, datatype, got = tensor.get("name"), tensor.get("datatype"), tensor.get("shape")
    if name != "images":
        raise _Rejected(f"the input must be called 'images'; got {name!r:.40}.")
    if datatype not in ("UINT8", "FP32"):
        raise _Rejected(f"images must be of datatype UINT8 (0 to 255) or FP32 (0 to 1); got {datatype!r:.40}.")
    if not isinstance(got, list) or len(got) != 4 or got[1:] != list(shape) or type(got[0]) is not int or got[0] < 1:
        raise _Rejected(f"images must have shape [n, {', '.join(map(str, shape))}], n at least 1; got {got!r:.60}.")
    try:
        values = np.asarray(tensor.get("data"))
    except ValueError:
        raise _Rejected("data must be one flat list of numbers; got lists of unequal length.") from None
    if values.dtype.kind not in ("i" if datatype == "UINT8" else "if"):
        raise _Rejected(f"data of datatype {datatype} must be numbers, whole ones for UINT8; got something else.")
    if values.size != math.prod(got):
        raise _Rejected(f"data must hold {math.prod(got)} numbers for shape {got}; got {values.size}.")
    highest = 255 if datatype == "UINT8" else 1
    if not (values.min() >= 0 and values.max() <= highest):  # so written, NaN is refused too
        raise _Rejected(f"data of datatype {datatype} must lie from 0 to {highest}; some do not.")
    images = values.astype(np.float32).reshape(got)
    return (images / 255 if datatype == "UINT8" else images), datatype
