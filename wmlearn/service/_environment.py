"""What the environment says of the way to a service: through which proxy, and who is trusted.

httpx reads the same variables, but takes an IPv6 address or a network in NO_PROXY for a name, fails
on one variable for the sake of another, and leaves unsaid which one was wrong.
"""

import contextlib
import ipaddress
import os
import re
import socket
import ssl
import urllib.request
from dataclasses import dataclass, field
from urllib.parse import SplitResult

import httpx

_PORTS = {"http": 80, "https": 443}
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class Proxy:
    """A proxy, the variable that names it, and the host asked through it.

    As text it has no password.
    """

    url: str = field(repr=False)
    variable: str
    host: str

    def __str__(self) -> str:
        shown = re.sub("//.*@", "//", self.url).rstrip("/")
        return f"{shown} ({self.variable})"

    @property
    def detour(self) -> str:
        """How to do without it."""
        return f"correct or unset {self.variable}, or name {self.host} in NO_PROXY"


def proxy_for(address: SplitResult) -> Proxy | None:
    """Return the proxy through which a service is asked; None where it is asked directly.

    Examples
    --------
    >>> from urllib.parse import urlsplit
    >>> proxy_for(urlsplit("http://127.0.0.1:8000"))  # whatever the environment says
    """
    named = urllib.request.getproxies()
    host, key = address.hostname or "", address.scheme
    if not named.get(key):
        key = "all"
    url = named.get(key, "")
    port = address.port or _PORTS[address.scheme]
    if not url or is_own(host) or _excepted(host, port, named.get("no", "")):
        return None
    if "://" not in url:
        url = f"http://{url}"
    # GNOME writes socks://, curl socks5h://, by which it means what httpx always does.
    url = re.sub("^socks(5h)?://", "socks5://", url)
    names = [f"{key}_proxy", f"{key}_PROXY".upper()]
    set_here = [name for name in names if os.environ.get(name)]
    return Proxy(url, [*set_here, "the system's settings"][0], host)


def is_own(host: str) -> bool:
    """Whether a host is this machine itself, which no proxy need, or can, reach."""
    host = host.lower().rstrip(".")
    name = socket.gethostname().lower()
    if host in ("localhost", name, name.partition(".")[0]) or host.endswith(".localhost"):
        return True
    with contextlib.suppress(OSError, ValueError):
        # for addresses alone: where names are a proxy's business, none is looked up
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        address = ipaddress.ip_address(found[0][-1][0])
        return address.is_loopback or address.is_unspecified
    return False


def _excepted(host: str, port: int, no_proxy: str) -> bool:
    """Whether a host is to be asked directly: by name, domain, address or network, or by the
    system's settings.
    """
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    for entry in re.split(r"[\s,]+", no_proxy.lower()):
        name = entry.strip("*.")
        if entry == "*" or _holds(name, host):
            return True
        if name and any(each.endswith(f".{name}") for each in (f".{host}", f".{address}")):
            return True
    return bool(urllib.request.proxy_bypass(address))


def _holds(entry: str, host: str) -> bool:
    """Whether an entry of NO_PROXY is a network, or an address, that holds this one."""
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def tls_context(verify: bool | str) -> ssl.SSLContext:
    """Return what trusts those who `verify` names; for True the environment's, else those that
    certifi lists.

    Raises
    ------
    OSError
        If they cannot be read; its `filename` is the variable, or "verify".
    """
    source, path = "verify", verify
    if verify is True:
        source = next(filter(os.environ.get, _CERTIFICATES), "")
        path = os.environ.get(source, True)
    if isinstance(path, bool):
        return httpx.create_ssl_context(verify=path, trust_env=False)
    # Not Python's default context: since 3.13 it refuses what many a company has signed itself, and
    # a service's own certificate will do, as it does for curl.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        if source == "SSL_CERT_DIR" and any(map(os.path.isdir, path.split(os.pathsep))):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        raise OSError(None, words_of(error), source) from None
    return context


def words_of(error: Exception) -> str:
    """Return the system's or OpenSSL's own words, without the line of Python's source."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
