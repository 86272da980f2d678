"""Reading requests to a served model, and writing the answers. The numbers of a tensor are in the
JSON or, as tritonclient sends them by default, in bytes after it.

Source: "Open Inference Protocol", KServe, version 2,
https://github.com/kserve/open-inference-protocol; "Binary Tensor Data Extension", Triton Inference
Server, https://github.com/triton-inference-server/server/tree/main/docs/protocol
"""

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import NoneType
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.responses import Response

from wmlearn._types import Images
from wmlearn.service._tensors import inflated

Shape = tuple[int, int, int]  # (c, h, w) of one image

LARGEST_BODY = 8_000_000  # bytes, also when unpacked; a well-behaved client sends 4 MB at most
# Data types of images: numpy's dtype, numpy's kinds of numbers in JSON, the largest value
INPUTS = {
    "UINT8": ("u1", "i", 255),
    "FP16": ("<f2", "if", 1),
    "FP32": ("<f4", "if", 1),
    "FP64": ("<f8", "if", 1),
}
# Outputs: the data type, numpy's dtype, the shape
OUTPUTS = {"labels": ("INT64", "<i8", [-1]), "scores": ("FP32", "<f4", [-1, -1])}
_JSON_LENGTH = "Inference-Header-Content-Length"  # if tensors are bytes after the JSON
_NOT_OURS = {"classification", "shared_memory_region"}  # Triton's other forms of output


@dataclass(frozen=True)
class Question:
    """The content of one request.

    Parameters
    ----------
    images : float32 in [0, 1], shape (n, c, h, w)
    datatype : the data type in which the images were sent
    wishes : the requested outputs, each with whether its numbers are wanted as bytes
    id : the caller's id of the request, if any
    """

    images: Images
    datatype: str
    wishes: dict[str, bool]
    id: str | None


def too_large(got: str) -> HTTPException:
    """Return the error for a request that is too large."""
    return HTTPException(
        413,
        f"a request must be at most {LARGEST_BODY // 1_000_000} MB; got {got}. "
        "Send fewer images at once.",
    )


def describe(name: str) -> dict[str, Any]:
    """Return the metadata of an output."""
    datatype, _, shape = OUTPUTS[name]
    return {"name": name, "datatype": datatype, "shape": shape}


def read_question(
    body: bytes, headers: Mapping[str, str], shape: Shape, offered: list[str]
) -> Question:
    """Return the content of a request, or raise an `HTTPException` with a sentence.

    Parameters
    ----------
    body, headers : the request
    shape : the shape (c, h, w) of the model's images
    offered : the names of the model's outputs
    """
    plain = _unpacked(body, headers.get("content-encoding", "identity").lower())
    length = _json_length(headers, plain)
    request = _parse(plain[:length])
    wishes = _read_wishes(request, offered)
    images, datatype = _read_images(request["inputs"][0], plain[length:], shape)
    return Question(images, datatype, wishes, request.get("id"))


def write_answer(model: str, question: Question, values: dict[str, np.ndarray]) -> Response:
    """Return the response with the requested outputs, in JSON or, on request, as bytes after it."""
    outputs, raw = [], b""
    for name, as_bytes in question.wishes.items():
        numbers = values[name].astype(OUTPUTS[name][1])
        output = describe(name) | {"shape": [*numbers.shape]}
        if as_bytes:
            output["parameters"] = {"binary_data_size": numbers.nbytes}
            raw += numbers.tobytes()
        else:
            output["data"] = numbers.ravel().tolist()
        outputs.append(output)
    answer: dict[str, Any] = {"model_name": model, "model_version": "1", "outputs": outputs}
    if question.id is not None:
        answer["id"] = question.id
    text = json.dumps(answer, separators=(",", ":"), allow_nan=False).encode()
    if not raw:
        return Response(text, media_type="application/json")
    length = {_JSON_LENGTH: str(len(text))}
    return Response(text + raw, headers=length, media_type="application/octet-stream")


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Return a body decompressed, up to the limit for bodies."""
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "deflate"):
        raise HTTPException(
            415,
            f"a request may be compressed by gzip or deflate; got {encoding!r:.40}. Use one of "
            "these, or none.",
        )
    try:
        plain = inflated(body, LARGEST_BODY)
    except ValueError:
        raise HTTPException(
            400,
            f"a request must be compressed by {encoding}, as its header says; this one is not, or "
            "is incomplete. Send it again, or uncompressed.",
        ) from None
    if len(plain) > LARGEST_BODY:
        raise too_large("more, once unpacked")
    return plain


def _json_length(headers: Mapping[str, str], body: bytes) -> int:
    """Return the length of the JSON in a body, in bytes."""
    said = headers.get(_JSON_LENGTH)
    if said is None:
        return len(body)
    if not re.fullmatch("[0-9]{1,9}", said) or int(said) > len(body):
        raise HTTPException(
            400,
            f"the header {_JSON_LENGTH} must give the bytes of JSON in the body, {len(body)} at "
            f"most; got {said!r:.40}. Correct it, or leave it out.",
        )
    return int(said)


def _parse(text: bytes) -> dict[str, Any]:
    """Return the JSON of a request that has one input tensor."""
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        request = None
    match request:
        case {"inputs": [dict()]} if isinstance(request.get("id"), (str, NoneType)):
            return dict(request)
    raise HTTPException(
        400,
        'a request must be JSON with one input, {"inputs": [{"name", "shape", "datatype", '
        '"data"}]}, and an id, if any, that is text; this is not. If bytes follow the JSON, give '
        f"its length in the header {_JSON_LENGTH}.",
    )


def _parameters(described: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a request or of one of its tensors.

    null means no parameters, here and elsewhere: some clients write it for omitted parts.
    """
    parameters = described.get("parameters") or {}
    if isinstance(parameters, dict):
        return parameters
    raise HTTPException(400, f"parameters must be an object; got {parameters!r:.40}.")


def _read_wishes(request: dict[str, Any], offered: list[str]) -> dict[str, bool]:
    """Return the outputs that a request names, by default all, each with whether as bytes."""
    wished = request.get("outputs") or [{"name": name} for name in offered]
    if not isinstance(wished, list):
        wished = [str(wished)]
    as_bytes = _parameters(request).get("binary_data_output")
    wishes = {}
    for each in wished:
        match each:
            case {"name": str(name)} if name in offered and not _NOT_OURS & {*_parameters(each)}:
                wishes[name] = _parameters(each).get("binary_data", as_bytes) is True
            case _:
                raise HTTPException(
                    400,
                    f"outputs can be {' and '.join(offered)}, in JSON or as binary_data; got "
                    f"{each!r:.80}. Leave them out for all.",
                )
    return wishes


def _read_images(tensor: dict[str, Any], raw: bytes, shape: Shape) -> tuple[Images, str]:
    """Return the images of an input tensor, float32 in [0, 1], and their data type."""
    match tensor:
        case {"name": "images", "datatype": str(datatype), "shape": [int(count), *axes]} if (
            datatype in INPUTS and axes == [*shape] and 0 < count <= LARGEST_BODY
        ):
            values = _read_numbers(tensor, raw, datatype)
        case _:
            got = [tensor.get(key) for key in ("name", "datatype", "shape")]
            raise HTTPException(
                400,
                "the input must be 'images', of datatype UINT8 (0 to 255), or FP32, FP16 or FP64 "
                f"(0 to 1), and shape [n, {', '.join(map(str, shape))}], n from 1 to "
                f"{LARGEST_BODY:,}; got {got!r:.90}.",
            )
    highest = INPUTS[datatype][-1]
    if not (values.min() >= 0 and values.max() <= highest):  # `not`, as it refuses NaN
        raise HTTPException(
            400, f"data of datatype {datatype} must be from 0 to {highest}; some are not."
        )
    images: Images = values.astype(np.float32).reshape(-1, *shape)
    images /= highest
    return images, datatype


def _read_numbers(tensor: dict[str, Any], raw: bytes, datatype: str) -> np.ndarray:
    """Return the numbers of a tensor from its JSON, or the bytes after it; check their count."""
    kind, kinds, _ = INPUTS[datatype]
    shape, size = tensor["shape"], _parameters(tensor).get("binary_data_size")
    count = math.prod(shape)
    if raw or size is not None:
        wanted = count * np.dtype(kind).itemsize
        if not size == len(raw) == wanted:
            raise HTTPException(
                400,
                f"data of datatype {datatype} and shape {shape} must be {wanted} bytes after the "
                f"JSON; binary_data_size says {size!r:.40}, and {len(raw)} bytes arrived.",
            )
        return np.frombuffer(raw, kind)
    with suppress(ValueError):  # lists of unequal length
        values = np.asarray(tensor.get("data"))
        if values.dtype.kind in kinds and values.size == count:
            return values
    raise HTTPException(
        400,
        f"data of datatype {datatype} and shape {shape} must be a list of {count} numbers, whole "
        "ones for UINT8; got something else.",
    )
