"""The Open Inference Protocol (KServe v2), the client's side: what is asked, what answers mean.

Kept by hand: the clients that others publish, tritonclient and kserve, bring gevent or Kubernetes.

Source: "Open Inference Protocol", KServe, version 2,
https://github.com/kserve/open-inference-protocol
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np

from wmlearn._types import Images, Labels

Kind = Literal["transient", "invalid", "refused", "unauthorized", "too_large"]

QUESTION_BYTES = 4_000_000
_WIDTH = {"UINT8": 4, "FP32": 24}  # most bytes that one number and its comma take in JSON
_WHOLE = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_REAL = ("FP16", "FP32", "FP64", "BF16")
_HIGHEST = np.finfo(np.float32).max
_WORDS = {"f": "fractions", "U": "text", "b": "true or false", "u": "numbers beyond 64 bits"}


@dataclass(eq=False)
class Fault(Exception):
    """Why no valid answer came.

    Parameters
    ----------
    reason : half a sentence, to follow "but"
    kind : "transient" (nothing came; ask again), "invalid" (no valid answer; ask once more),
        "refused" (final), "unauthorized" (final for every further question too: the token) or
        "too_large" (ask for fewer images at once)
    wait : seconds the service wants us to wait, if it said so
    advice : the next step, where more is known of it than the kind tells
    """

    reason: str
    kind: Kind = "invalid"
    wait: float | None = None
    advice: str = ""

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class ModelCard:
    """What a service says of its model: how images go in, what comes out."""

    input: str
    datatype: str  # UINT8 or FP32
    shape: tuple[int, ...]  # (n, c, h, w), -1 where anything goes
    labels: str | None  # the output that holds one label for each image, if there is one
    scores: str | None  # the output that holds one score for each class and image, if there is one
    classes: int = -1  # how many scores for each image, -1 while nobody knows
    names: tuple[str, ...] = ()  # of the classes, in the order of their numbers, if it gives any


def read_card(answer: Any) -> ModelCard:
    """Read a model's metadata; raise a `Fault` if an image classifier cannot be asked by it."""
    inputs, outputs = _tensors(answer, "inputs"), _tensors(answer, "outputs")
    if len(inputs) != 1:
        raise Fault(f"its metadata must list one input, and list {len(inputs)}")
    name, datatype, shape = inputs[0]
    if datatype not in _WIDTH:
        raise Fault(f"its input must be of datatype UINT8 or FP32, and is {datatype!r:.40}")
    if len(shape) != 4:
        raise Fault(f"its input must have four axes (n, c, h, w), and has shape {shape!r:.60}")
    labels = scores = None
    classes = -1
    for output, kind, axes in reversed(outputs):  # of several the first one counts
        if kind in _WHOLE:
            labels = output
        if kind in _REAL and len(axes) == 2:
            scores, classes = output, axes[1]
    if labels is None and scores is None:
        raise Fault("its metadata list no output of labels (INT64, [-1]) or scores (FP32, [-1, K])")
    names = _class_names([answer, *answer["outputs"]])
    return ModelCard(name, datatype, tuple(shape), labels, scores, classes, names)


def _class_names(described: list[Any]) -> tuple[str, ...]:
    """Return the names of the classes that model or output describe themselves by, if they do.

    The protocol has no field for them. MLServer hands on what stands under an output's "parameters"
    in `model-settings.json`. Triton names classes in its answers alone (classification extension),
    KServe nowhere.
    """
    for each in described:
        match each:
            case {"parameters": {"classes": list(names)}} if are_names(names):
                return tuple(names)
    return ()


def are_names(names: list[Any] | tuple[Any, ...]) -> bool:
    """Whether these name classes: text, each once."""
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _tensors(answer: Any, which: str) -> list[tuple[str, str, list[int]]]:
    """Return name, datatype and shape of the inputs or the outputs in a model's metadata."""
    described = answer.get(which) if isinstance(answer, dict) else None
    if not isinstance(described, list):
        raise Fault(f"its metadata hold no list of {which}")
    tensors = []
    for each in described:
        match each:
            case {"name": str(name), "datatype": str(datatype), "shape": list(shape)} if all(
                type(axis) is int for axis in shape
            ):
                tensors.append((name, datatype, shape))
            case _:
                raise Fault(
                    f"its metadata must give name, datatype and shape of each of its {which}"
                )
    return tensors


def check_shape(card: ModelCard, image: tuple[int, ...]) -> None:
    """Raise ValueError if the service takes images of another shape (c, h, w)."""
    wanted = card.shape[1:]
    if any(axis not in (-1, got) for axis, got in zip(wanted, image)):
        raise ValueError(
            f"the service takes images of shape (n, {', '.join(map(str, wanted))}); got (n, "
            f"{', '.join(map(str, image))}). Ask it with images of the data it was trained on."
        )


def batch_size(card: ModelCard, image: tuple[int, ...]) -> int:
    """Return how many images of shape (c, h, w) fit into one question of 4 MB, at least one."""
    most = card.shape[0]
    fitting = (QUESTION_BYTES - 1000) // max(math.prod(image) * _WIDTH[card.datatype], 1)
    if most > 0:
        fitting = min(fitting, most)
    return max(fitting, 1)


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
    """Read `count` labels, or the highest of each image's scores; raise a `Fault` without them."""
    labels: Labels
    if card.labels is None:
        labels = read_scores(card, answer, count).argmax(axis=1)
    else:
        labels = _numbers(answer, card.labels, count, "i")
    if labels.size != count:
        raise Fault(f"it must answer {count} labels, and answered {labels.size}")
    return labels.reshape(count).astype(np.int64)


def read_scores(card: ModelCard, answer: Any, count: int) -> np.ndarray:
    """Read one score for each class, shape (count, classes); raise a `Fault` without them."""
    values = _numbers(answer, card.scores, count, "if")
    classes = card.classes if card.classes > 0 else max(values.size // count, 1)
    if values.size != count * classes or (values.ndim > 1 and len(values) != count):
        raise Fault(
            f"it must answer {count} times {classes} scores, and answered {values.size} numbers"
        )
    if not (abs(values) <= _HIGHEST).all():  # so written, NaN is refused too
        raise Fault("its scores hold NaN or infinity")
    return values.reshape(count, classes)


def _numbers(answer: Any, name: str | None, count: int, kinds: str) -> np.ndarray:
    """Return the numbers of one output: whole ones if `kinds`, numpy's letters, has no "f"."""
    output = _output(answer, name)
    try:
        values = np.asarray(output.get("data"))
    except ValueError:
        raise Fault("its answer is a list of lists of unequal length") from None
    wanted = "scores" if "f" in kinds else "whole numbers"
    if values.dtype.kind not in kinds:
        got = _WORDS.get(values.dtype.kind, "no numbers")
        raise Fault(f"it must answer {wanted}, and answered {got}")
    shape = output.get("shape")
    if isinstance(shape, list) and shape[:1] != [count]:
        raise Fault(f"it must answer {wanted} for {count} images, and answered shape {shape!r:.40}")
    return values


def _output(answer: Any, name: str | None) -> dict[str, Any]:
    """Return the one output of a name."""
    match answer:
        case {"outputs": list(outputs)}:
            named = [
                each for each in outputs if isinstance(each, dict) and each.get("name") == name
            ]
            if len(named) == 1:
                return named[0]
    raise Fault(f"its answer holds no output {name!r:.40}")


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


def check_token(token: Any, name: str = "token") -> str | None:
    """Return a bearer token that can stand in a header, or say what is wrong with it without
    showing it.
    """
    if token is None or (isinstance(token, str) and re.fullmatch(r"[!-~]+", token)):
        return token
    kind: type[Exception] = TypeError
    got = f"a {type(token).__name__}"
    if isinstance(token, str):
        kind, got = ValueError, "text that is not"
    raise kind(
        f"{name} must be text of ASCII letters, digits and signs, without spaces; got {got}. "
        "Try secrets.token_urlsafe(), or leave it out for none."
    )
