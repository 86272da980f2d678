"""A connection of JupyterLab's server that passes on the kernel's messages without delay."""

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """The server's own connection between kernel and page, but without Nagle's algorithm.

    With that algorithm a message waits until the page has acknowledged the one before: first that
    the kernel is busy, then the result of moving a slider. The page takes 40 ms to acknowledge on
    Linux, and longer elsewhere.
    """

    def connect(self) -> Any:
        """Connect a page to its kernel."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()
