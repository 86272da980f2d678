"""One bounded exchange over HTTP: what came back, or a `Fault` that says why nothing did.

Loaded when a `RemoteModel` is made, so whoever makes none needs no httpx.
"""

import contextlib
import ipaddress
import json
import math
import re
import socket
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Timer
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from wmlearn.service._protocol import Fault, Kind

T = TypeVar("T")

sleep = time.sleep  # tests put a clock of their own here, and another `Timer`
ANSWER_BYTES = 16_000_000
# after so many unanswered requests each further one is tried once only, until an answer comes
_FAILED_IN_A_ROW = 3


@dataclass
class Transport:
    """One kept-alive connection to a model; no exchange on it takes longer than `seconds`.

    It is the only one to hold the token, and shows it to nobody but the service.
    """

    url: str
    seconds: float
    retries: int
    token: str | None = field(repr=False)

    def __post_init__(self) -> None:
        self._client: httpx.Client | None = None
        self._socket: socket.socket | None = None
        self._late = False
        self._failed_in_a_row = 0
        parts = urlsplit(self.url)
        self._secure = parts.scheme == "https"
        self._loopback = _is_loopback(parts.hostname or "")
        if self.token is not None and not self._secure and not self._loopback:
            warnings.warn(
                f"the token will travel to {parts.hostname} in the clear, for everybody on the way "
                "to read. Ask by https:// if the service can.",
                stacklevel=4,
            )

    def ask(self, read: Callable[[Any], T], question: bytes | None = None) -> T:
        """Return what `read` makes of the answer, asking again while that may help.

        By hand, since each kind of fault has its own policy: with tenacity it is as long.
        """
        left = 0 if self._failed_in_a_row >= _FAILED_IN_A_ROW else self.retries
        pause, final = 0.1, {"refused", "unauthorized"}
        while True:
            try:
                found = read(self.fetch(question))
            except Fault as fault:
                if fault.kind in final or left == 0:
                    self._failed_in_a_row += 1
                    raise
                if fault.kind == "invalid":  # to be asked for once more only
                    final.add("invalid")
                sleep(pause if fault.wait is None else fault.wait)
                pause = min(2 * pause, 2.0)
                left -= 1
            else:
                self._failed_in_a_row = 0
                return found

    def fetch(self, question: bytes | None) -> Any:
        """Return the model's own description or, to a question, its answer; or raise a `Fault`."""
        method, url = "GET", self.url
        if question is not None:
            method, url = "POST", f"{self.url}/infer"
        # httpx bounds each read, not the whole (encode/httpx#1450): a service that sends one byte
        # now and then would pass for days. So a timer cuts the line that httpx tells us of.
        # (anyio's deadlines would need the asynchronous client, in a thread with its own loop.)
        self._late = False
        timer = Timer(self.seconds, self._cut)
        timer.daemon = True
        timer.start()
        trace = {"trace": self._remember_socket}
        try:
            with self._open().stream(method, url, content=question, extensions=trace) as reply:
                text = _read_all(reply)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise Fault(f"this address cannot be used ({error})", "refused") from None
        except httpx.RequestError as error:
            raise self._fault(error) from None
        finally:
            timer.cancel()
        status = reply.status_code
        if status == 429 or status >= 500:
            wait = _seconds(reply.headers.get("retry-after", ""))
            raise Fault(f"the service answered with status {status}", "transient", wait)
        if status != 200:
            kind: Kind = "unauthorized" if status in (401, 403) else "refused"
            raise Fault(f"the service refused with status {status}{self._quoted(text)}", kind)
        return _json(text)

    def failure(self, fault: Fault) -> Exception:
        """Return the error for a service that gave no valid answer."""
        if fault.kind == "unauthorized":
            came = "without a token" if self.token is None else "with this token"
            return PermissionError(
                f"expected the model at {self.url} to answer requests {came}, but {fault.reason}. "
                "Pass the token that its owner gave you: wm.RemoteModel(url, token=...)."
            )
        if fault.kind == "transient":
            return ConnectionError(
                f"expected a model at {self.url}, but {fault.reason}. Is the service running, and "
                "is this its url?"
            )
        return ValueError(
            f"expected a model that speaks the Open Inference Protocol at {self.url}, but "
            f"{fault.reason}. Compare the address with the service's url."
        )

    def close(self) -> None:
        """Close the connection; the next `fetch` opens a new one."""
        if self._client is not None:
            self._client.close()
        self._client = self._socket = None

    def _open(self) -> httpx.Client:
        if self._client is None:
            headers = {"content-type": "application/json"}
            if self.token is not None:
                headers["authorization"] = f"Bearer {self.token}"
            self._client = httpx.Client(
                timeout=self.seconds,
                trust_env=not self._loopback,  # a proxy cannot reach this machine's own services
                verify=self._secure,  # reading the certificates takes 0.1 s and serves https alone
                headers=headers,
            )
        return self._client

    def _remember_socket(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")

    def _cut(self) -> None:
        self._late = True
        line = self._socket  # `close` may forget it meanwhile, or have closed it
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _fault(self, error: httpx.RequestError) -> Fault:
        """Say in words what went wrong on the way."""
        if self._late or isinstance(error, httpx.TimeoutException):
            return Fault(f"no complete answer came within {self.seconds:g} s", "transient")
        if isinstance(error, httpx.ConnectError):
            return Fault("no connection could be made", "transient")
        # httpx has one error for a line that went dead and for a service that speaks something
        # else than HTTP.
        dead = re.search("closed|disconnected", str(error), re.IGNORECASE)
        foreign = isinstance(error, httpx.RemoteProtocolError) and not dead
        if foreign or isinstance(error, httpx.DecodingError):
            return Fault("what it answered is not HTTP")
        return Fault("the connection broke off before a complete answer came", "transient")

    def _quoted(self, text: bytes) -> str:
        """Return the service's own words on a refusal, shortened, and without the token."""
        with contextlib.suppress(Fault):
            match _json(text):
                case {"error": str(words)}:
                    if self.token is not None:
                        words = words.replace(self.token, "…")
                    return f" ({words[:200]})"
        return ""


def _read_all(reply: httpx.Response) -> bytes:
    """Return the whole answer, unless it is larger than any honest one."""
    text = b""
    for piece in reply.iter_bytes():
        text += piece
        if len(text) > ANSWER_BYTES:
            raise Fault(f"its answer is larger than {ANSWER_BYTES // 1_000_000} MB")
    return text


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Fault("its answer is not JSON") from None


def _seconds(header: str) -> float | None:
    """Return the seconds of a Retry-After header, at most 10; None without one, or for a date."""
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
