"""One bounded exchange over HTTP: what came back, or a `Fault` that says why nothing did.

Loaded when a `RemoteModel` is made, so whoever makes none needs no httpx.
"""

import contextlib
import json
import math
import os
import re
import socket
import ssl
import time
import warnings
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

import httpx

from wmlearn.service import _environment
from wmlearn.service._protocol import Fault, Kind, Question, unpack
from wmlearn.service._tensors import inflated

now = time.time  # tests put a clock of their own here, and another `Timer`
ANSWER_BYTES = 16_000_000
_TOO_LARGE = (
    "One image alone is too large for it: ask whoever runs it to raise the limit of a request's "
    "body, or send fewer bytes by datatype='UINT8' if it takes that."
)
# what headers are called that hold what nobody else may read
_SECRET = re.compile("auth|key|token|secret|cookie|passw|session", re.IGNORECASE)
_AT_PROXY = ("connection.connect_tcp", "connection.start_tls", "socks.connect_tcp")
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")  # as OpenSSL calls it, to 3.1 and since


@dataclass
class Transport:
    """One kept-alive connection to a model; no exchange on it takes longer than `seconds`, beyond
    what the system takes to look a name up.

    It is the only one to hold the headers, and shows them to nobody but the service.

    Parameters
    ----------
    url : the model's address
    seconds : how long one exchange may take
    headers : what else is sent with each request: a token, for instance
    verify : whether a certificate must be good, or a file (PEM) with those who may have signed it

    Raises
    ------
    ValueError
        If `verify` is no such file.
    """

    url: str
    seconds: float
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True

    def __post_init__(self) -> None:
        self._client: httpx.Client | None = None
        self._proxy: _environment.Proxy | None = None
        self._socket: socket.socket | None = None
        self._step = ""  # what httpx is about, in its own words
        self._late = False
        self._address = urlsplit(self.url)
        self._secrets = _secrets(self.headers)
        self._check_verify()
        host = self._address.hostname or ""
        secret = ", ".join(filter(_SECRET.search, self.headers))
        if secret and self._plain and not _environment.is_own(host):
            warnings.warn(
                f"what {secret} holds will travel to {host} in the clear, for everybody on the way "
                "to read. Ask by https:// if the service can.",
                stacklevel=4,
            )

    @property
    def _plain(self) -> bool:
        """Whether what travels can be read on the way."""
        return self._address.scheme == "http"

    def _check_verify(self) -> None:
        """Say at once what is wrong with a file of certificates."""
        if isinstance(self.verify, bool):
            return
        expected = "verify must be True, False, or a file (PEM) of certificates to trust"
        try:
            self.verify = os.fspath(self.verify)
            _environment.tls_context(self.verify)
        except (TypeError, OSError) as error:
            words = _environment.words_of(error)
            raise ValueError(
                f"{expected}; got {self.verify!r:.60} ({words}). Ask whoever runs the service for "
                "the certificate of those who signed theirs."
            ) from None

    def fetch(self, question: Question | None = None) -> Any:
        """Return the model's own description or, to a question, its answer; or raise a `Fault`."""
        if question is None:
            return self._exchange("GET", self.url, Question(b"", {}))
        return self._exchange("POST", f"{self.url}/infer", question)

    def fetch_server(self) -> Any:
        """Return what the server of the model says of itself, or raise a `Fault`."""
        before, _, _ = self.url.partition("/v2/models/")
        return self._exchange("GET", f"{before}/v2", Question(b"", {}))

    def _exchange(self, method: str, url: str, sent: Question) -> Any:
        """Send one request, and return what its answer says, or raise a `Fault`."""
        # httpx bounds each read, not the whole (encode/httpx#1450): a service that sends one byte
        # now and then would pass for days. So a timer cuts the line that httpx tells us of.
        # (anyio's deadlines would need the asynchronous client, in a thread with its own loop.)
        self._late, self._step = False, ""
        timer = Timer(self.seconds, self._cut)
        timer.daemon = True
        timer.start()
        trace = {"trace": self._follow}
        try:
            with self._open().stream(
                method, url, content=sent.body, headers=sent.headers, extensions=trace
            ) as reply:
                text = _read_all(reply)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise Fault(f"this address cannot be used ({error})", "refused") from None
        except httpx.RequestError as error:
            raise self._fault(error) from None
        finally:
            timer.cancel()
        if reply.status_code != 200:
            raise self._refusal(reply, text)
        length = reply.headers.get("inference-header-content-length", "")
        end = int(length) if re.fullmatch("[0-9]{1,9}", length) else len(text)
        try:
            return unpack(_json(text[:end]), text[end:])
        except ValueError:
            page = text if b"<title" in text.lower() else b""
            raise Fault(f"its answer is not JSON{self._quoted(page)}") from None

    def failure(self, fault: Fault) -> Exception:
        """Return the error for a service that gave no valid answer."""
        url = re.sub("//.*@", "//", self.url)
        if fault.kind == "unauthorized":
            came = "with these headers" if self.headers else "without a token"
            return PermissionError(
                f"expected the model at {url} to answer requests {came}, but {fault.reason}. "
                "Pass the token that its owner gave you: wm.RemoteModel(url, token=...)."
            )
        if fault.kind in ("transient", "blocked"):
            there = f"does it speak HTTP/1.1 by {self._address.scheme}:// there?"
            advice = fault.advice or f"Is the service running, is this its url, and {there}"
            return ConnectionError(f"expected a model at {url}, but {fault.reason}. {advice}")
        advice = fault.advice or "Compare the address with the service's url."
        return ValueError(
            f"expected a model that speaks the Open Inference Protocol at {url}, but "
            f"{fault.reason}. {advice}"
        )

    def close(self) -> None:
        """Close the connection; the next `fetch` opens a new one."""
        if self._client is not None:
            self._client.close()
        self._client = self._socket = None

    def _open(self) -> httpx.Client:
        """Return the client, made at first use; raise a `Fault` for what is wrong around us."""
        if self._client is None:
            self._proxy = _environment.proxy_for(self._address)
            headers = {"content-type": "application/json", "accept-encoding": "gzip, deflate"}
            self._client = httpx.Client(
                transport=self._route(),
                timeout=self.seconds,
                trust_env=False,
                headers=headers | self.headers,
            )
        return self._client

    def _route(self) -> httpx.HTTPTransport:
        """Return the way to the service: through which proxy, and who is trusted on it."""
        proxy = self._proxy
        tls = None
        if not self._plain or (proxy is not None and proxy.url.startswith("https:")):
            tls = self._trusted()
        if proxy is None:
            return httpx.HTTPTransport(verify=tls or False)
        try:
            through = httpx.Proxy(proxy.url)
            if through.url.scheme == "https":
                through.ssl_context = tls
            return httpx.HTTPTransport(verify=tls or False, proxy=through)
        except ImportError:
            reason = f"the proxy {proxy} needs the package socksio, which is not installed"
            advice = f"Run pip install 'httpx[socks]', or {proxy.detour}."
        except (ValueError, httpx.InvalidURL):  # whose words may hold the password
            reason = f"{proxy.variable} names no proxy of a kind that can be used"
            advice = f"Write http://HOST:PORT or socks5://HOST:PORT, or {proxy.detour}."
        raise Fault(reason, "blocked", advice)

    def _trusted(self) -> ssl.SSLContext:
        """Return who may have signed a certificate; that takes 0.1 s, and serves https alone."""
        try:
            return _environment.tls_context(self.verify)
        except OSError as error:
            variable = error.filename
            reason = f"{variable} names no file of certificates ({error.strerror})"
            advice = f"Unset or correct {variable}, or pass wm.RemoteModel(url, verify='ca.pem')."
            raise Fault(reason, "blocked", advice) from None

    def _follow(self, event: str, info: dict[str, Any]) -> None:
        """Note what httpx is about, and on which line."""
        step, _, state = event.rpartition(".")
        if state == "started":
            self._step = step
        if state == "complete" and step.endswith(("connect_tcp", "start_tls")):
            self._socket = info["return_value"].get_extra_info("socket")

    def _cut(self) -> None:
        self._late = True
        line = self._socket  # `close` may forget it meanwhile, or have closed it
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _refusal(self, reply: httpx.Response, text: bytes) -> Fault:
        """Say what came instead of an answer."""
        status, words = reply.status_code, self._quoted(text)
        who = "the service"
        if self._proxy is not None and self._plain:  # which answers in its name
            who = f"the service, or the proxy {self._proxy} before it,"
        if status == 407 and self._proxy is not None:
            return _stopped(self._proxy, f"407 {reply.reason_phrase}")
        if status == 413:
            reason = f"{who} takes no request of this size: status 413{words}"
            return Fault(reason, "too_large", _TOO_LARGE)
        if 300 <= status < 400:
            place = re.split("[?#]", reply.headers.get("location", ""))[0]
            reason = f"{who} redirects requests{self._quoted(place.encode())}, by status {status}"
            advice = "Pass the model's own address; to pass by a login, its token or headers."
            return Fault(reason, "refused", advice)
        if status == 429 or status >= 500:
            wait = _seconds(reply.headers.get("retry-after", ""))
            if wait is None and status in (429, 503):
                wait = 0.0
            return Fault(f"{who} answered with status {status}{words}", "transient", wait=wait)
        kind: Kind = "unauthorized" if status in (401, 403) else "refused"
        return Fault(f"{who} refused with status {status}{words}", kind)

    def _fault(self, error: httpx.RequestError) -> Fault:
        """Say in words what went wrong on the way."""
        root = _root(error)
        words = _environment.words_of(root or error)
        late = self._late or isinstance(error, httpx.TimeoutException)
        if self._proxy is not None and isinstance(error, httpx.ProxyError):
            return _stopped(self._proxy, words)
        if late:
            words = f"nothing complete came within {self.seconds:g} s"
        if self._step.endswith("connect_tcp"):
            return self._unreachable(words)
        if late:
            return Fault(words, "transient")
        if isinstance(root, ssl.SSLError) and not isinstance(root, ssl.SSLEOFError):
            return _no_tls(root, self._hop)
        # httpx has one error for a line that went dead and for a service that speaks something
        # else than HTTP.
        dead = re.search("closed|disconnected", str(error), re.IGNORECASE)
        if isinstance(error, httpx.RemoteProtocolError) and not dead:
            return _foreign(words)
        return Fault(
            f"the connection broke off before a complete answer came: {words}", "transient"
        )

    @property
    def _hop(self) -> str:
        """Whom httpx was just talking to."""
        if self._proxy is not None and self._step in _AT_PROXY:
            return f"the proxy {self._proxy}"
        return self._address.netloc.rpartition("@")[2]

    def _unreachable(self, words: str) -> Fault:
        """Say why there is no connection."""
        advice = (
            "Is the service running, are its name and port right, and is it in reach from here, "
            "past firewalls and VPN?"
        )
        if self._proxy is not None:
            advice = f"If it is not the right proxy, {self._proxy.detour}."
        return Fault(f"{self._hop} cannot be reached ({words})", "transient", advice)

    def _quoted(self, text: bytes) -> str:
        """Return the service's own words, shortened, and without the token."""
        words = _words(text)
        for secret in self._secrets:
            words = words.replace(secret, "…")
        return f" ({words[:200]})" if words else ""


def _secrets(headers: dict[str, str]) -> list[str]:
    """Return what must not be quoted: headers and their parts, longest first."""
    secrets = set(headers.values())
    for value in headers.values():
        secrets.update(re.findall(r"[^\s;,=]{8,}", value))
    return sorted(secrets, key=len, reverse=True)


def _read_all(reply: httpx.Response) -> bytes:
    """Return the whole answer, unless it is larger than any honest one.

    httpx would unpack whatever it is told to, as often as it is told to: a gigabyte of a kilobyte.
    """
    text = b""
    for piece in reply.iter_raw():
        text += piece
        if len(text) > ANSWER_BYTES:
            break
    if text and reply.headers.get("content-encoding", "identity") != "identity":
        try:
            text = inflated(text, ANSWER_BYTES)
        except ValueError as error:
            raise Fault(f"its answer cannot be unpacked ({error})") from None
    if len(text) > ANSWER_BYTES:
        raise Fault(f"its answer is larger than {ANSWER_BYTES // 1_000_000} MB")
    return text


def _json(text: bytes) -> Any:
    """Return what JSON says, or raise a ValueError, also for what is nested too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError from None


def _words(text: bytes) -> str:
    """Return what a refusal says: its JSON's error, its page's title, or all of a plain text."""
    words = text.decode(errors="replace")
    with contextlib.suppress(ValueError):
        match _json(text):
            case (
                {"error": {"message": str(told)} | str(told)}
                | {"detail": str(told)}
                | {"message": str(told)}
            ):
                words = told
            case _:
                words = ""
    title = re.search("<title[^>]*>([^<]*)", words, re.IGNORECASE)
    if title:
        words = title[1]
    elif words.lstrip().startswith("<"):
        words = ""
    return "".join(filter(str.isprintable, " ".join(words.split())))


def _seconds(header: str) -> float | None:
    """Return the seconds that a Retry-After header says, by number or date; None if it does not."""
    with contextlib.suppress(ValueError):
        seconds = float(header)
        return seconds if math.isfinite(seconds) else None
    with contextlib.suppress(ValueError, OverflowError):
        date = parsedate_to_datetime(header)
        if date.tzinfo is None:  # so Python reads "-0000"
            date = date.replace(tzinfo=timezone.utc)
        return date.timestamp() - now()
    return None


def _root(error: BaseException | None) -> OSError | None:
    """Return the system's error that httpx has wrapped, if there is one."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def _stopped(proxy: _environment.Proxy, words: str) -> Fault:
    """Say what a proxy answered in place of the service."""
    kind: Kind = "blocked" if words.startswith("4") else "transient"
    advice = f"If it wants a password, write http://NAME:PASSWORD@HOST:PORT; or {proxy.detour}."
    return Fault(f"the proxy {proxy} let nothing through ({words})", kind, advice)


def _no_tls(error: ssl.SSLError, hop: str) -> Fault:
    """Say what is wrong with TLS; asking again does not mend it."""
    told = _environment.words_of(error)
    reason = f"{hop} and this machine agree on no TLS ({told})"
    advice = "It may want another version, HTTP/2, or a certificate of yours: ask whoever runs it."
    if error.reason in _NO_TLS:
        reason, advice = f"{hop} speaks no TLS ({told})", "Ask by http://, or at its https port."
    if isinstance(error, ssl.SSLCertVerificationError):
        words = error.verify_message.rstrip(".")
        reason = f"the certificate of {hop} is not trusted ({words})"
        advice = (
            "If it should be, pass who signed it: wm.RemoteModel(url, verify='ca.pem'). Ask by the "
            "name that it was made for; if it expired, its owner must renew it, "
            "unless this machine's clock is wrong."
        )
    return Fault(reason, "blocked", advice)


def _foreign(words: str) -> Fault:
    """Say what a service speaks that does not speak HTTP."""
    if "illegal request line" not in words:  # so h11 calls a first byte that begins no text
        return Fault("what it answered is not HTTP")
    reason = "what it answered is binary, as TLS and HTTP/2 (gRPC) are, not HTTP/1.1"
    advice = "Ask by https://, or at the port where it speaks HTTP/1.1."
    return Fault(reason, "blocked", advice)
