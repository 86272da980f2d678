from ._app import Request, ServiceOptions
from .blackbox import BlackBox
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
