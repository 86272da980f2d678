"""One bounded exchange over HTTP: what was sent, what came back, or a `Fault` that says why nothing
did.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import math
import re
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
Kind = Literal["transient", "invalid", "refused", "unauthorized"]

_sleep = time.sleep  # tests put a clock of their own here
_ANSWER_BYTES = 16_000_000
# after so many unanswered requests each further one is tried once only, until an answer comes
_FAILED_IN_A_ROW = 3


class Fault(Exception):
    """Why no valid answer came.

    Parameters
    ----------
    reason : half a sentence, to follow "but"
    kind : "transient" (nothing came; ask again), "invalid" (no valid answer; ask once more),
        "refused" (final) or "unauthorized" (final for every further question too: the token)
    wait : seconds the service wants us to wait, if it said so
    """

    def __init__(self, reason: str, kind: Kind, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.kind, self.wait = reason, kind, wait


class Transport:
    """One kept-alive connection; no exchange on it takes longer than `seconds`, whatever the other
    side does.

    It is the only one to hold the token, and shows it to nobody but the service.
    """

    def __init__(self, url: str, *, seconds: float, retries: int, token: str | None) -> None:
        parts = urlsplit(url)
        self._url, self._retries, self._token = url, retries, check_token(token)
        self._failed_in_a_row = 0
        self._secure = parts.scheme == "https"
        self._loopback = _is_loopback(parts.hostname or "")
        if token is not None and not self._secure and not self._loopback:
            warnings.warn(
                f"the token will travel to {parts.hostname} in the clear, for everybody on the way "
                "to read. "
                "Ask by https:// if the service can.",
                stacklevel=3,
            )
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
                self._open().stream(
                    method, url, content=question, extensions=self._trace()
                ) as reply,
            ):
                status, wait, text = (
                    reply.status_code,
                    reply.headers.get("retry-after", ""),
                    _read_all(reply),
                )
        except (httpx.InvalidURL, UnicodeError) as error:
            raise Fault(f"this address cannot be used ({error})", "refused") from None
        except httpx.RequestError as error:
            raise self._fault(error) from None
        if status == 429 or status >= 500:
            raise Fault(f"the service answered with status {status}", "transient", _seconds(wait))
        if status != 200:
            kind: Kind = "unauthorized" if status in (401, 403) else "refused"
            raise Fault(f"the service refused with status {status}{_said(text, self._token)}", kind)
        return _json(text)

    def retry(self, attempt: Callable[[], T]) -> T:
        """Return what the attempt returns, repeating it while that may help."""
        tries = 1 if self._failed_in_a_row >= _FAILED_IN_A_ROW else 1 + self._retries
        invalid = 0
        for number in range(tries):
            try:
                found = attempt()
            except Fault as fault:
                invalid += fault.kind == "invalid"
                if fault.kind in ("refused", "unauthorized") or invalid > 1 or number == tries - 1:
                    self._failed_in_a_row += 1
                    raise
                _sleep(min(0.1 * 2**number, 2.0) if fault.wait is None else fault.wait)
            else:
                self._failed_in_a_row = 0
                return found
        raise AssertionError("a loop of at least one try either returns or raises")

    def failure(self, fault: Fault) -> Exception:
        """Return the error for a service that gave no valid answer."""
        if fault.kind == "unauthorized":
            came = "without a token" if self._token is None else "with this token"
            return PermissionError(
                f"expected the model at {self._url} to answer requests {came}, but {fault.reason}. "
                "Pass the token that its owner gave you: wm.RemoteModel(url, token=...)."
            )
        if fault.kind == "transient":
            return ConnectionError(
                f"expected a model at {self._url}, but {fault.reason}. Is the service running, and "
                "is this its url?"
            )
        return ValueError(
            f"expected a model that speaks the Open Inference Protocol at {self._url}, but "
            f"{fault.reason}. "
            "Compare the address with the service's url."
        )

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
                headers={"content-type": "application/json"}
                | ({} if self._token is None else {"authorization": f"Bearer {self._token}"}),
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

        The time-outs of httpx bound each read. A service that sends one byte now and then would
        pass them for days.
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
            return Fault(f"no complete answer came within {self._seconds:g} s", "transient")
        if isinstance(error, httpx.ConnectError):
            return Fault("no connection could be made", "transient")
        # httpx has one error for a line that went dead and for a service that speaks something else
        # than HTTP.
        message = str(error).lower()
        dead = "closed" in message or "disconnected" in message
        if isinstance(error, httpx.DecodingError) or (
            isinstance(error, httpx.RemoteProtocolError) and not dead
        ):
            return Fault("what it answered is not HTTP", "invalid")
        return Fault("the connection broke off before a complete answer came", "transient")


def _read_all(reply: httpx.Response) -> bytes:
    """Return the whole answer, unless it is larger than any honest one."""
    text = b""
    for piece in reply.iter_bytes():
        text += piece
        if len(text) > _ANSWER_BYTES:
            raise Fault(f"its answer is larger than {_ANSWER_BYTES // 1_000_000} MB", "invalid")
    return text


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Fault("its answer is not JSON", "invalid") from None


def _said(text: bytes, token: str | None) -> str:
    """Return the service's own words on a refusal, shortened, and without the token: they come from
    outside.
    """
    with contextlib.suppress(Fault):
        answer = _json(text)
        if isinstance(answer, dict) and isinstance(answer.get("error"), str):
            words = answer["error"] if token is None else answer["error"].replace(token, "…")
            return f" ({words[:200]})"
    return ""


def _seconds(header: str) -> float | None:
    """Return the seconds of a Retry-After header, at most 10; None without one (a date is not
    read).
    """
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


def check_token(token: Any) -> str | None:
    """Return a bearer token that can stand in a header, or say what is wrong with it without
    showing it.
    """
    if token is None or (isinstance(token, str) and re.fullmatch(r"[!-~]+", token)):
        return token
    got = "text that is not" if isinstance(token, str) else f"a {type(token).__name__}"
    raise (ValueError if isinstance(token, str) else TypeError)(
        f"token must be text of ASCII letters, digits and signs, without spaces; got {got}. "
        "Try secrets.token_urlsafe(), or leave it out for none."
    )
