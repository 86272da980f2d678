"""Exchanges over HTTP with limits in time and size; each returns an answer or raises a `Fault`.

This module is imported only when a `RemoteModel` is made, so other uses need no httpx.
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

now = time.time  # tests replace this, and `Timer`
ANSWER_BYTES = 16_000_000
_TOO_LARGE = (
    "Even one image is too large: ask its owner to raise the limit for the body of a request, or "
    "send fewer bytes with datatype='UINT8' if it accepts that."
)
# names of headers with secret values
_SECRET = re.compile("auth|key|token|secret|cookie|passw|session", re.IGNORECASE)
_AT_PROXY = ("connection.connect_tcp", "connection.start_tls", "socks.connect_tcp")
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")  # OpenSSL's names, up to 3.1 and since


@dataclass
class Transport:
    """A kept-alive connection to a model, on which no exchange takes longer than `seconds`.

    Only the look-up of a name can take longer. The headers are kept here alone, and shown only to
    the service.

    Parameters
    ----------
    url : the model's address
    seconds : the longest time of one exchange, in seconds
    headers : further headers of each request, such as a token
    verify : whether to check the certificate, or a PEM file of the certificates to trust

    Raises
    ------
    ValueError
        If `verify` is a file without certificates.
    """

    url: str
    seconds: float
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True

    def __post_init__(self) -> None:
        self._client: httpx.Client | None = None
        self._proxy: _environment.Proxy | None = None
        self._socket: socket.socket | None = None
        self._step = ""  # httpx's name of the current step
        self._late = False
        self._address = urlsplit(self.url)
        self._secrets = _secrets(self.headers)
        self._check_verify()
        host = self._address.hostname or ""
        secret = ", ".join(filter(_SECRET.search, self.headers))
        if secret and self._plain and not _environment.is_own(host):
            warnings.warn(
                f"the value of {secret} will be sent to {host} unencrypted, so others on the "
                "network can read it. Use https:// if the service supports it.",
                stacklevel=4,
            )

    @property
    def _plain(self) -> bool:
        """Whether the connection is not encrypted."""
        return self._address.scheme == "http"

    def _check_verify(self) -> None:
        """Raise an error at once if the file of certificates is wrong."""
        if isinstance(self.verify, bool):
            return
        expected = "verify must be True, False, or a file (PEM) of certificates to trust"
        try:
            self.verify = os.fspath(self.verify)
            _environment.tls_context(self.verify)
        except (TypeError, OSError) as error:
            words = _environment.words_of(error)
            raise ValueError(
                f"{expected}; got {self.verify!r:.60} ({words}). Ask the owner of the service for "
                "the certificate of the authority that signed theirs."
            ) from None

    def fetch(self, question: Question | None = None) -> Any:
        """Return the model's metadata or, for a request, its answer; or raise a `Fault`."""
        if question is None:
            return self._exchange("GET", self.url, Question(b"", {}))
        return self._exchange("POST", f"{self.url}/infer", question)

    def fetch_server(self) -> Any:
        """Return the metadata of the model's server, or raise a `Fault`."""
        before, _, _ = self.url.partition("/v2/models/")
        return self._exchange("GET", f"{before}/v2", Question(b"", {}))

    def _exchange(self, method: str, url: str, sent: Question) -> Any:
        """Send one request and return the content of its answer, or raise a `Fault`."""
        # httpx limits the time of each read, not of the whole (encode/httpx#1450): a service that
        # sends one byte now and then could take days. So a timer shuts down the socket in use.
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
        """Return the client, made at first use; raise a `Fault` for wrong environment settings."""
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
        """Return the transport to the service, with its proxy and trusted certificates."""
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
        except (ValueError, httpx.InvalidURL):  # their words may contain the password
            reason = f"{proxy.variable} does not name a usable proxy"
            advice = f"Write http://HOST:PORT or socks5://HOST:PORT, or {proxy.detour}."
        raise Fault(reason, "blocked", advice)

    def _trusted(self) -> ssl.SSLContext:
        """Return the trusted certificates; this takes 0.1 s, and is only needed for https."""
        try:
            return _environment.tls_context(self.verify)
        except OSError as error:
            variable = error.filename
            reason = f"{variable} names no file of certificates ({error.strerror})"
            advice = f"Unset or correct {variable}, or pass wm.RemoteModel(url, verify='ca.pem')."
            raise Fault(reason, "blocked", advice) from None

    def _follow(self, event: str, info: dict[str, Any]) -> None:
        """Note httpx's current step, and its socket."""
        step, _, state = event.rpartition(".")
        if state == "started":
            self._step = step
        if state == "complete" and step.endswith(("connect_tcp", "start_tls")):
            self._socket = info["return_value"].get_extra_info("socket")

    def _cut(self) -> None:
        self._late = True
        line = self._socket  # `close` may remove or close it meanwhile
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _refusal(self, reply: httpx.Response, text: bytes) -> Fault:
        """Return the fault for a status other than 200."""
        status, words = reply.status_code, self._quoted(text)
        who = "the service"
        if self._proxy is not None and self._plain:  # the proxy may answer in its name
            who = f"the service, or the proxy {self._proxy} before it,"
        if status == 407 and self._proxy is not None:
            return _stopped(self._proxy, f"407 {reply.reason_phrase}")
        if status == 413:
            reason = f"{who} takes no request of this size: status 413{words}"
            return Fault(reason, "too_large", _TOO_LARGE)
        if 300 <= status < 400:
            place = re.split("[?#]", reply.headers.get("location", ""))[0]
            reason = f"{who} redirects requests{self._quoted(place.encode())}, by status {status}"
            advice = "Pass the model's own address; if it needs a login, pass token= or headers=."
            return Fault(reason, "refused", advice)
        if status == 429 or status >= 500:
            wait = _seconds(reply.headers.get("retry-after", ""))
            if wait is None and status in (429, 503):
                wait = 0.0
            return Fault(f"{who} answered with status {status}{words}", "transient", wait=wait)
        kind: Kind = "unauthorized" if status in (401, 403) else "refused"
        return Fault(f"{who} refused with status {status}{words}", kind)

    def _fault(self, error: httpx.RequestError) -> Fault:
        """Return the fault for an error of the connection."""
        root = _root(error)
        words = _environment.words_of(root or error)
        late = self._late or isinstance(error, httpx.TimeoutException)
        if self._proxy is not None and isinstance(error, httpx.ProxyError):
            return _stopped(self._proxy, words)
        if late:
            words = f"no complete answer came within {self.seconds:g} s"
        if self._step.endswith("connect_tcp"):
            return self._unreachable(words)
        if late:
            return Fault(words, "transient")
        if isinstance(root, ssl.SSLError) and not isinstance(root, ssl.SSLEOFError):
            return _no_tls(root, self._hop)
        # httpx has one error for a broken connection and for a service that does not speak HTTP.
        dead = re.search("closed|disconnected", str(error), re.IGNORECASE)
        if isinstance(error, httpx.RemoteProtocolError) and not dead:
            return _foreign(words)
        return Fault(
            f"the connection broke off before a complete answer came: {words}", "transient"
        )

    @property
    def _hop(self) -> str:
        """The proxy or host that httpx was talking to."""
        if self._proxy is not None and self._step in _AT_PROXY:
            return f"the proxy {self._proxy}"
        return self._address.netloc.rpartition("@")[2]

    def _unreachable(self, words: str) -> Fault:
        """Return the fault for a failed connection."""
        advice = (
            "Is the service running, are its name and port right, and do firewall and VPN let you "
            "reach it?"
        )
        if self._proxy is not None:
            advice = f"If this is not the right proxy, {self._proxy.detour}."
        return Fault(f"{self._hop} cannot be reached ({words})", "transient", advice)

    def _quoted(self, text: bytes) -> str:
        """Return the service's own words, shortened and without secrets."""
        words = _words(text)
        for secret in self._secrets:
            words = words.replace(secret, "…")
        return f" ({words[:200]})" if words else ""


def _secrets(headers: dict[str, str]) -> list[str]:
    """Return the texts that must not be quoted: header values and their parts, longest first."""
    secrets = set(headers.values())
    for value in headers.values():
        secrets.update(re.findall(r"[^\s;,=]{8,}", value))
    return sorted(secrets, key=len, reverse=True)


def _read_all(reply: httpx.Response) -> bytes:
    """Return the whole body of an answer, up to the limit of 16 MB.

    httpx has no limit for decompression, even repeated: a kilobyte could become a gigabyte.
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
            raise Fault(f"its answer cannot be decompressed ({error})") from None
    if len(text) > ANSWER_BYTES:
        raise Fault(f"its answer is larger than {ANSWER_BYTES // 1_000_000} MB")
    return text


def _json(text: bytes) -> Any:
    """Return the value of a JSON text; raise a `ValueError` if it is wrong or nested too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError from None


def _words(text: bytes) -> str:
    """Return the words of an error: from its JSON, the title of its page, or a plain text."""
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
    """Return the seconds in a Retry-After header, a number or a date; None for anything else."""
    with contextlib.suppress(ValueError):
        seconds = float(header)
        return seconds if math.isfinite(seconds) else None
    with contextlib.suppress(ValueError, OverflowError):
        date = parsedate_to_datetime(header)
        if date.tzinfo is None:  # how Python reads "-0000"
            date = date.replace(tzinfo=timezone.utc)
        return date.timestamp() - now()
    return None


def _root(error: BaseException | None) -> OSError | None:
    """Return the system's error inside an error of httpx, if there is one."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def _stopped(proxy: _environment.Proxy, words: str) -> Fault:
    """Return the fault for a proxy that did not pass a request on."""
    kind: Kind = "blocked" if words.startswith("4") else "transient"
    advice = f"If it needs a password, write http://NAME:PASSWORD@HOST:PORT; or {proxy.detour}."
    return Fault(f"the proxy {proxy} did not pass the request on ({words})", kind, advice)


def _no_tls(error: ssl.SSLError, hop: str) -> Fault:
    """Return the fault for an error of TLS, which is final."""
    told = _environment.words_of(error)
    reason = f"{hop} and this machine found no common form of TLS ({told})"
    advice = "It may need another version, HTTP/2, or a certificate of yours: ask its owner."
    if error.reason in _NO_TLS:
        reason, advice = f"{hop} does not speak TLS ({told})", "Use http://, or its https port."
    if isinstance(error, ssl.SSLCertVerificationError):
        words = error.verify_message.rstrip(".")
        reason = f"the certificate of {hop} is not trusted ({words})"
        advice = (
            "If it should be, pass the certificate of its authority: wm.RemoteModel(url, "
            "verify='ca.pem'). Use the host name it was made for; if it expired, its owner must "
            "renew it, unless this machine's clock is wrong."
        )
    return Fault(reason, "blocked", advice)


def _foreign(words: str) -> Fault:
    """Return the fault for a service that does not speak HTTP."""
    if "illegal request line" not in words:  # h11's words for an answer that is not text
        return Fault("its answer is not HTTP")
    reason = "its answer is binary, like TLS and HTTP/2 (gRPC), and not HTTP/1.1"
    advice = "Use https://, or the port where it speaks HTTP/1.1."
    return Fault(reason, "blocked", advice)
