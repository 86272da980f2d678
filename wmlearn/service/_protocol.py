"""The Open Inference Protocol (KServe v2), the client's side: what is asked, and what the answers
mean.

Source: "Open Inference Protocol", KServe, version 2,
https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from wmlearn._types import Images, Labels
from wmlearn.service._transport import Fault

_QUESTION_BYTES = 4_000_000
_WIDTH = {"UINT8": 4, "FP32": 24}  # most bytes that one number and its comma take in JSON
_WHOLE = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_REAL = ("FP16", "FP32", "FP64", "BF16")
_WORDS = {"f": "fractions", "U": "text", "b": "true or false", "u": "numbers beyond 64 bits"}


@dataclass(frozen=True)
class ModelCard:
    """What a service says of its model: how images go in, what comes out."""

    input: str
    datatype: str  # UINT8 or FP32
    shape: tuple[int, ...]  # (n, c, h, w), -1 where anything goes
    labels: str | None  # the output that holds one label for each image, if there is one
    scores: str | None  # the output that holds one score for each class and image, if there is one
    classes: int = -1  # how many scores for each image, -1 while nobody knows


def read_card(answer: Any) -> ModelCard:
    """Read a model's metadata; raise a `Fault` if an image classifier cannot be asked by it."""
    inputs, outputs = _tensors(answer, "inputs"), _tensors(answer, "outputs")
    if len(inputs) != 1:
        raise Fault(f"its metadata must list one input, and list {len(inputs)}", "invalid")
    datatype, shape = inputs[0]["datatype"], inputs[0]["shape"]
    if datatype not in _WIDTH:
        raise Fault(
            f"its input must be of datatype UINT8 or FP32, and is {datatype!r:.40}", "invalid"
        )
    if len(shape) != 4:
        raise Fault(
            f"its input must have four axes (n, c, h, w), and has shape {shape!r:.60}", "invalid"
        )
    labels = [tensor for tensor in outputs if tensor["datatype"] in _WHOLE]
    scores = [
        tensor for tensor in outputs if tensor["datatype"] in _REAL and len(tensor["shape"]) == 2
    ]
    if not (labels or scores):
        raise Fault(
            "its metadata list no output of labels (INT64, [-1]) or scores (FP32, [-1, K])",
            "invalid",
        )
    names = [found[0]["name"] if found else None for found in (labels, scores)]
    return ModelCard(
        inputs[0]["name"],
        datatype,
        tuple(shape),
        *names,
        classes=scores[0]["shape"][1] if scores else -1,
    )


def check_shape(card: ModelCard, image: tuple[int, ...]) -> None:
    """Raise ValueError if the service takes images of another shape (c, h, w)."""
    if any(wanted not in (-1, got) for wanted, got in zip(card.shape[1:], image)):
        raise ValueError(
            f"the service takes images of shape (n, {', '.join(map(str, card.shape[1:]))}); got "
            "(n, "
            f"{', '.join(map(str, image))}). Ask it with images of the data it was trained on."
        )


def batch_size(card: ModelCard, image: tuple[int, ...]) -> int:
    """Return how many images of shape (c, h, w) fit into one question of 4 MB, at least one."""
    fitting = max((_QUESTION_BYTES - 1000) // max(math.prod(image) * _WIDTH[card.datatype], 1), 1)
    return min(fitting, card.shape[0]) if card.shape[0] > 0 else fitting


def write_question(card: ModelCard, images: Images) -> bytes:
    """Return the request's body for images (n, c, h, w)."""
    numbers = np.rint(images * 255).astype(np.uint8) if card.datatype == "UINT8" else images
    tensor = {
        "name": card.input,
        "shape": list(images.shape),
        "datatype": card.datatype,
        "data": numbers.ravel().tolist(),
    }
    return json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode()


def read_labels(card: ModelCard, answer: Any, count: int) -> Labels:
    """Read `count` labels, or the highest of each image's scores; raise a `Fault` if they are not
    there.
    """
    if card.labels is None:
        return read_scores(card, answer, count).argmax(axis=1).astype(np.int64)
    values = _numbers(answer, card.labels, count, "i")
    if values.size != count:
        raise Fault(f"it must answer {count} labels, and answered {values.size}", "invalid")
    return values.reshape(count).astype(np.int64)


def read_scores(card: ModelCard, answer: Any, count: int) -> np.ndarray:
    """Read one score for each class, shape (count, classes); raise a `Fault` if they are not there."""
    values = _numbers(answer, card.scores, count, "if")
    classes = card.classes if card.classes > 0 else max(values.size // count, 1)
    if values.size != count * classes or (values.ndim > 1 and len(values) != count):
        raise Fault(
            f"it must answer {count} times {classes} scores, and answered {values.size} numbers",
            "invalid",
        )
    with np.errstate(over="ignore"):
        if not np.isfinite(values.astype(np.float32)).all():
            raise Fault("its scores hold NaN or infinity", "invalid")
    return values.reshape(count, classes)


def _numbers(answer: Any, name: str | None, count: int, kinds: str) -> np.ndarray:
    """Return the numbers of one output: whole ones if `kinds`, numpy's letters, has no "f"."""
    outputs = answer.get("outputs") if isinstance(answer, dict) else None
    named = (
        [t for t in outputs if isinstance(t, dict) and t.get("name") == name]
        if isinstance(outputs, list)
        else []
    )
    if len(named) != 1:
        raise Fault(f"its answer holds no output {name!r:.40}", "invalid")
    try:
        values = np.asarray(named[0].get("data"))
    except ValueError:
        raise Fault("its answer is a list of lists of unequal length", "invalid") from None
    wanted = "scores" if "f" in kinds else "whole numbers"
    if values.dtype.kind not in kinds:
        raise Fault(
            f"it must answer {wanted}, and answered {_WORDS.get(values.dtype.kind, 'no numbers')}",
            "invalid",
        )
    shape = named[0].get("shape")
    if isinstance(shape, list) and shape[:1] != [count]:
        raise Fault(
            f"it must answer {wanted} for {count} images, and answered shape {shape!r:.40}",
            "invalid",
        )
    return values


def _tensors(answer: Any, which: str) -> list[dict[str, Any]]:
    """Return the descriptions of the inputs or outputs in a model's metadata."""
    tensors = answer.get(which) if isinstance(answer, dict) else None
    if not isinstance(tensors, list):
        raise Fault(f"its metadata hold no list of {which}", "invalid")
    for tensor in tensors:
        fields = tensor if isinstance(tensor, dict) else {}
        shape = fields.get("shape")
        texts = isinstance(fields.get("name"), str) and isinstance(fields.get("datatype"), str)
        if not texts or not isinstance(shape, list) or not all(type(axis) is int for axis in shape):
            raise Fault(
                f"its metadata must give name, datatype and shape of each of its {which}", "invalid"
            )
    return tensors


def model_address(url: Any) -> tuple[str, str]:
    """Return a model's address without '/infer', and the model's name in it, or say what is wrong
    with it.
    """
    example = "expected a model's address like 'http://127.0.0.1:8000/v2/models/mnist'"
    if not isinstance(url, str):
        raise TypeError(
            f"{example}; got {type(url).__name__}. Pass service.url, or the address as text."
        )
    address = url.strip().rstrip("/").removesuffix("/infer")
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises ValueError for a port that cannot be
    except ValueError as error:
        raise ValueError(f"{example}; got {url!r}. Correct this: {error}.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{example}; got {url!r}. Begin it with http:// or https://.")
    name = re.search(r"/v2/models/([^/?#]+)", parts.path)
    if not name:
        raise ValueError(f"{example}; got {url!r}. Add /v2/models/ and the model's name.")
    return address, name[1]
