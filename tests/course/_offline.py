"""Refuse every connection that leaves this machine. The lessons' kernels load this when they start
(`_nbval.py`).

Only Python's own sockets are refused; that is what httpx, urllib, requests, torch.hub and
torchvision use.
"""

import socket

MESSAGE = "refused by the tests: lessons run offline"
LOCAL = {"", "localhost", "0.0.0.0", "::", "::1"}


def refuse_unless_local(host: object) -> None:
    """Raise unless a host, as name, address or bytes, is this machine; None means all its
    addresses.
    """
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if not (name is None or name in LOCAL or str(name).startswith("127.")):
        raise ConnectionRefusedError(f"{MESSAGE}; asked for {name!r}")


def block() -> None:
    """Replace the doors of the socket module by ones that open to this machine only."""
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _guarded_method(getattr(socket.socket, name)))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        setattr(socket, name, _guarded_lookup(getattr(socket, name)))


def _guarded_method(door):
    def guarded(self, *args):
        address = args[-1]
        if isinstance(address, tuple):  # anything else is a Unix socket, which is local
            refuse_unless_local(address[0])
        return door(self, *args)

    return guarded


def _guarded_lookup(door):
    def guarded(host, *args, **kwargs):
        refuse_unless_local(host)
        return door(host, *args, **kwargs)

    return guarded
