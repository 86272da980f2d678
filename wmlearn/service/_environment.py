"""The proxy and the trusted certificates for a service, from the environment variables.

httpx reads the same variables, but it treats an IPv6 address or a network in NO_PROXY as a name,
fails because of variables that it does not need, and does not say which variable was wrong.
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

    Its text does not show a password.
    """

    url: str = field(repr=False)
    variable: str
    host: str

    def __str__(self) -> str:
        shown = re.sub("//.*@", "//", self.url).rstrip("/")
        return f"{shown} ({self.variable})"

    @property
    def detour(self) -> str:
        """The next step for doing without the proxy."""
        return f"correct or unset {self.variable}, or name {self.host} in NO_PROXY"


def proxy_for(address: SplitResult) -> Proxy | None:
    """Return the proxy through which a service is asked; None if it is asked directly.

    Examples
    --------
    >>> from urllib.parse import urlsplit
    >>> proxy_for(urlsplit("http://127.0.0.1:8000"))  # None, whatever the environment says
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
    # GNOME writes socks://, and curl socks5h://, for what httpx calls socks5://.
    url = re.sub("^socks(5h)?://", "socks5://", url)
    names = [f"{key}_proxy", f"{key}_PROXY".upper()]
    set_here = [name for name in names if os.environ.get(name)]
    return Proxy(url, [*set_here, "the system's settings"][0], host)


def is_own(host: str) -> bool:
    """Return whether a host is this machine itself, which needs no proxy."""
    host = host.lower().rstrip(".")
    name = socket.gethostname().lower()
    if host in ("localhost", name, name.partition(".")[0]) or host.endswith(".localhost"):
        return True
    with contextlib.suppress(OSError, ValueError):
        # numeric addresses only: no name is looked up, as that may be left to the proxy
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        address = ipaddress.ip_address(found[0][-1][0])
        return address.is_loopback or address.is_unspecified
    return False


def _excepted(host: str, port: int, no_proxy: str) -> bool:
    """Return whether NO_PROXY (name, domain, address, network) or the system excepts a host."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    for entry in re.split(r"[\s,]+", no_proxy.lower()):
        name = entry.strip("*.")
        if entry == "*" or _holds(name, host):
            return True
        if name and any(each.endswith(f".{name}") for each in (f".{host}", f".{address}")):
            return True
    return bool(urllib.request.proxy_bypass(address))


def _holds(entry: str, host: str) -> bool:
    """Return whether an entry of NO_PROXY is an address or network that includes this host."""
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def tls_context(verify: bool | str) -> ssl.SSLContext:
    """Return a TLS context that trusts the certificates in the file `verify`.

    True means those that the environment names, or else those of certifi; False means no check.

    Raises
    ------
    OSError
        If the certificates cannot be read; its `filename` is the variable, or "verify".
    """
    source, path = "verify", verify
    if verify is True:
        source = next(filter(os.environ.get, _CERTIFICATES), "")
        path = os.environ.get(source, True)
    if isinstance(path, bool):
        return httpx.create_ssl_context(verify=path, trust_env=False)
    # Not Python's default context: since 3.13 it refuses many self-signed company certificates.
    # As with curl, the service's own certificate is enough.
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
    """Return the words of the system or of OpenSSL, without Python's line number."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
