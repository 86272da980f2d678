"""What the kernel says reaches the page at once."""

from __future__ import annotations

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

from wmlearn import cli
from wmlearn.course.connection import PromptConnection


def test_no_message_waits_for_the_one_before(monkeypatch):
    """Nagle's algorithm is off before anything is sent; then all is as the server does it."""
    noted = []
    handler = KernelWebsocketHandler.__new__(KernelWebsocketHandler)
    handler.set_nodelay = lambda value: noted.append(f"nodelay {value}")
    monkeypatch.setattr(
        ZMQChannelsWebsocketConnection, "connect", lambda connection: noted.append("connected")
    )
    PromptConnection(websocket_handler=handler).connect()
    assert noted == ["nodelay True", "connected"]


def test_the_command_line_names_it():
    option, _, name = cli.PROMPT.partition("=")
    assert option == "--ServerApp.kernel_websocket_connection_class"
    assert name == f"{PromptConnection.__module__}.{PromptConnection.__name__}"
