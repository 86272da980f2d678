from ._app import Request
from .blackbox import BlackBox
from .options import ServiceOptions
from .remote import RemoteModel
from .server import Service, serve

__all__ = [
    "BlackBox",
    "RemoteModel",
    "Request",
    "Service",
    "ServiceOptions",
    "serve",
]
