"""The Open Inference Protocol (KServe v2), the client's side: one bounded exchange, and what its words mean.

Source: "Open Inference Protocol", KServe, version 2, https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import math
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import numpy as np

from wmlearn._types import Images, Labels

if TYPE_CHECKING:
    import httpx

_QUESTION_BYTES = 4_000_000
_ANSWER_BYTES = 16_000_000
_WIDTH = {"UINT8": 4, "FP32": 24}  # most bytes that one number and its comma take in JSON
_WHOLE = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_REAL = ("FP16", "FP32", "FP64", "BF16")
_WORDS = {"f": "fractions", "U": "text", "b": "true or false", "u": "numbers beyond 64 bits"}


class Fault(Exception):
    """Why no valid answer came.

    Parameters
    ----------
    reason : half a sentence, to follow "but"
    kind : "lost" (nothing came; ask again), "senseless" (no valid answer; ask once more) or "refused" (final)
    wait : seconds the service wants us to wait, if it said so
    """

    def __init__(self, reason: str, kind: Literal["lost", "senseless", "refused"], wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.kind, self.wait = reason, kind, wait


@dataclass(frozen=True)
class ModelCard:
    """What a service says of its model: how images go in, what comes out."""

    input: str
    datatype: str  # UINT8 or FP32
    shape: tuple[int, ...]  # (n, c, h, w), -1 where anything goes
    output: str
    scores: bool  # one score for each class comes back, not a label


class Link:
    """One kept-alive connection; no exchange on it takes longer than `seconds`, whatever the other side does."""

    def __init__(self, url: str, *, seconds: float) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._loopback = _is_loopback(parts.hostname or "")
        self._seconds = seconds
        self._client: httpx.Client | None = None
        self._stream: Any = None
        self._late = False

    def fetch(self, url: str, question: bytes | None = None) -> Any:
        """Return the JSON that answers a question (POST) or none (GET), or raise a `Fault`."""
        import httpx

        method = "GET" if question is None else "POST"
        try:
            with (
                self._deadline(),
                self._open().stream(method, url, content=question, extensions=self._trace()) as reply,
            ):
                status, wait, text = reply.status_code, reply.headers.get("retry-after", ""), _read_all(reply)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise Fault(f"this address cannot be used ({error})", "refused") from None
        except httpx.RequestError as error:
            raise self._fault(error) from None
        if status == 429 or status >= 500:
            raise Fault(f"the service answered with status {status}", "lost", _seconds(wait))
        if status != 200:
            raise Fault(f"the service refused with status {status}{_said(text)}", "refused")
        return _json(text)

    def close(self) -> None:
        """Close the connection; the next `fetch` opens a new one."""
        client, self._client, self._stream = self._client, None, None
        if client is not None:
            client.close()

    def _open(self) -> httpx.Client:
        import httpx

        if self._client is None:
            self._client = httpx.Client(
                timeout=self._seconds,
                trust_env=not self._loopback,  # a proxy cannot reach this machine's own services
                verify=self._secure,  # reading the certificates takes 0.1 s and serves https alone
                headers={"content-type": "application/json"},
            )
        return self._client

    def _trace(self) -> dict[str, Any]:
        """Ask httpx to tell us the stream that it opens: `_deadline` must be able to cut it."""

        def remember(event: str, info: dict[str, Any]) -> None:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                self._stream = info["return_value"]

        return {"trace": remember}

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        """Cut the connection when time is up.

        The time-outs of httpx bound each read. A service that sends one byte now and then would pass them for days.
        """
        self._late = False
        timer = threading.Timer(self._seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self._late = True
        if self._stream is not None:
            with contextlib.suppress(OSError, AttributeError):  # it may have been closed meanwhile
                self._stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def _fault(self, error: httpx.RequestError) -> Fault:
        """Say in words what went wrong on the way."""
        import httpx

        if self._late or isinstance(error, httpx.TimeoutException):
            return Fault(f"no complete answer came within {self._seconds:g} s", "lost")
        if isinstance(error, httpx.ConnectError):
            return Fault("no connection could be made", "lost")
        # httpx has one error for a line that went dead and for a service that speaks something else than HTTP.
        said = str(error).lower()
        dead = "closed" in said or "disconnected" in said
        if isinstance(error, httpx.DecodingError) or (isinstance(error, httpx.RemoteProtocolError) and not dead):
            return Fault("what it answered is not HTTP", "senseless")
        return Fault("the connection broke off before a complete answer came", "lost")


def read_card(answer: Any) -> ModelCard:
    """Read a model's metadata; raise a `Fault` if an image classifier cannot be asked by it."""
    inputs, outputs = _tensors(answer, "inputs"), _tensors(answer, "outputs")
    if len(inputs) != 1:
        raise Fault(f"its metadata must list one input, and list {len(inputs)}", "senseless")
    datatype, shape = inputs[0]["datatype"], inputs[0]["shape"]
    if datatype not in _WIDTH:
        raise Fault(f"its input must be of datatype UINT8 or FP32, and is {datatype!r:.40}", "senseless")
    if len(shape) != 4:
        raise Fault(f"its input must have four axes (n, c, h, w), and has shape {shape!r:.60}", "senseless")
    labels = [tensor for tensor in outputs if tensor["datatype"] in _WHOLE]
    scores = [tensor for tensor in outputs if tensor["datatype"] in _REAL and len(tensor["shape"]) == 2]
    chosen = (labels or scores)[:1]
    if not chosen:
        raise Fault("its metadata list no output of labels (INT64, [-1]) or scores (FP32, [-1, K])", "senseless")
    return ModelCard(inputs[0]["name"], datatype, tuple(shape), chosen[0]["name"], scores=not labels)


def check_shape(card: ModelCard, image: tuple[int, ...]) -> None:
    """Raise ValueError if the service takes images of another shape (c, h, w)."""
    if any(wanted not in (-1, got) for wanted, got in zip(card.shape[1:], image)):
        raise ValueError(
            f"the service takes images of shape (n, {', '.join(map(str, card.shape[1:]))}); got (n, "
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
    """Read `count` labels, or the highest of each image's scores; raise a `Fault` if they are not there."""
    outputs = answer.get("outputs") if isinstance(answer, dict) else None
    found = [tensor for tensor in outputs if _named(tensor, card.output)] if isinstance(outputs, list) else []
    if len(found) != 1:
        raise Fault(f"its answer holds no output {card.output!r:.40}", "senseless")
    try:
        values = np.asarray(found[0].get("data"))
    except ValueError:
        raise Fault("its answer is a list of lists of unequal length", "senseless") from None
    kinds = "if" if card.scores else "i"
    if values.dtype.kind not in kinds:
        wanted = "scores" if card.scores else "whole numbers"
        raise Fault(f"it must answer {wanted}, and answered {_WORDS.get(values.dtype.kind, 'no numbers')}", "senseless")
    if card.scores:
        return _highest(values, count)
    if values.size != count:
        raise Fault(f"it must answer {count} labels, and answered {values.size}", "senseless")
    return values.reshape(count).astype(np.int64)


def _highest(values: np.ndarray, count: int) -> Labels:
    """Return the place of the highest of each image's scores."""
    if values.size == 0 or values.size % count:
        raise Fault(f"it must answer scores for {count} images, and answered {values.size} numbers", "senseless")
    if not np.isfinite(values).all():
        raise Fault("its scores hold NaN or infinity", "senseless")
    return values.reshape(count, -1).argmax(axis=1).astype(np.int64)


def _tensors(answer: Any, which: str) -> list[dict[str, Any]]:
    """Return the descriptions of the inputs or outputs in a model's metadata."""
    tensors = answer.get(which) if isinstance(answer, dict) else None
    if not isinstance(tensors, list):
        raise Fault(f"its metadata hold no list of {which}", "senseless")
    for tensor in tensors:
        fields = tensor if isinstance(tensor, dict) else {}
        shape = fields.get("shape")
        texts = isinstance(fields.get("name"), str) and isinstance(fields.get("datatype"), str)
        if not texts or not isinstance(shape, list) or not all(type(axis) is int for axis in shape):
            raise Fault(f"its metadata must give name, datatype and shape of each of its {which}", "senseless")
    return tensors


def _named(tensor: Any, name: str) -> bool:
    return isinstance(tensor, dict) and tensor.get("name") == name


def _read_all(reply: httpx.Response) -> bytes:
    """Return the whole answer, unless it is larger than any honest one."""
    text = b""
    for piece in reply.iter_bytes():
        text += piece
        if len(text) > _ANSWER_BYTES:
            raise Fault(f"its answer is larger than {_ANSWER_BYTES // 1_000_000} MB", "senseless")
    return text


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Fault("its answer is not JSON", "senseless") from None


def _said(text: bytes) -> str:
    """Return the service's own words on a refusal, shortened: they come from outside."""
    with contextlib.suppress(Fault):
        answer = _json(text)
        if isinstance(answer, dict) and isinstance(answer.get("error"), str):
            return f" ({answer['error'][:200]})"
    return ""


def _seconds(header: str) -> float | None:
    """Return the seconds of a Retry-After header, at most 10; None without one (a date is not read)."""
    try:
        seconds = float(header)
    except ValueError:
        return None
    return min(max(seconds, 0.0), 10.0) if math.isfinite(seconds) else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
