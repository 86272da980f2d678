"""Serving a model as a thief would: `wm.serve` answers over HTTP, by default with labels only."""

from __future__ import annotations

import atexit
import errno
import functools
import os
import re
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wmlearn._checks import check_count, check_kind
from wmlearn._extras import extras
from wmlearn._forms import channels_last
from wmlearn._types import Images, Labels
from wmlearn.service._functions import is_network
from wmlearn.service._protocol import highest
from wmlearn.service.blackbox import BlackBox
from wmlearn.service.options import ServiceOptions
from wmlearn.training._inference import check_model, own_copy, predict

if TYPE_CHECKING:
    import uvicorn

    from wmlearn.service._app import Predict, Request

_PATIENCE = 10.0  # seconds to wait for the start or the end of a service
_running: dict[str, Service] = {}
_PLAIN = ServiceOptions()


class Service:
    """A model that answers over HTTP until it is stopped; made by `serve`.

    Attributes
    ----------
    name : the model's name in the address
    url : the model's address, as `RemoteModel` takes it
    log : the answered requests, oldest first
    queries : images answered so far
    """

    def __init__(
        self,
        name: str,
        url: str,
        log: list[Request],
        server: uvicorn.Server,
        thread: threading.Thread,
    ) -> None:
        self.name, self.url, self._log = name, url, log
        self._server, self._thread = server, thread

    @property
    def log(self) -> list[Request]:
        """The answered requests, oldest first."""
        return list(self._log)

    @property
    def queries(self) -> int:
        """How many images the service has answered."""
        return sum(request.images for request in self._log)

    def stop(self) -> None:
        """Stop the service and free the port; a second call has no effect."""
        if _running.get(self.name) is self:
            del _running[self.name]
        self._server.should_exit = True
        self._thread.join(_PATIENCE)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self._thread.is_alive() else "stopped"
        return f"Service({self.name!r}, {state})"


@extras()
def serve(
    model: Any,
    *,
    name: str = "model",
    host: str = "127.0.0.1",
    port: int = 0,
    options: ServiceOptions = _PLAIN,
) -> Service:
    """Serve a model over HTTP: a real service that returns labels, and scores only if allowed.

    It speaks the Open Inference Protocol and serves a copy of the model as it is now, until it is
    stopped, Python ends, or another model with the same name is served.

    Any client of the protocol can query it, such as `tritonclient.http`. The input is "images",
    UINT8 (0 to 255) or FP32, FP16 or FP64 (0 to 1). The outputs are "labels" (INT64) and, if the
    options allow them, "scores" (FP32, the probabilities). Numbers are sent in the JSON or as bytes
    after it (Triton's binary tensors). A request of at most 8 MB may be compressed by gzip or
    deflate; answers are compressed by gzip if the client accepts it. The `id` and the `outputs` of
    a request are respected; the model is version 1. Every error is explained in a sentence, with
    status 422 if the model itself fails on the images.

    Parameters
    ----------
    model : torch.nn.Module, or anything that a `BlackBox` takes, or a `BlackBox`; with an attribute
        `input_shape`, the shape (c, h, w) of one image
    name : the model's name in the address: letters, digits, dots, dashes and underscores
    host : the network address to listen on; by default only this machine can reach it (::1 if there
        is no IPv4)
    port : the port to listen on, 0 to 65535; 0 takes any free one
    options : how the service behaves: scores, token, rate, latency, faults; by default it answers
        everyone at once

    Returns
    -------
    Service
        Its `url` is what `RemoteModel` takes.

    Raises
    ------
    TypeError, ValueError
        If the model has no `input_shape`, the name cannot be part of an address, or another
        argument is wrong.
    OSError
        If the port is taken, or the host is not an address of this machine.

    Source
    ------
    "Open Inference Protocol", KServe, version 2; "Binary Tensor Data Extension", Triton.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> model = nn.Flatten()  # a "model" whose scores are the pixels themselves
    >>> model.input_shape = (1, 1, 3)
    >>> from wmlearn.service.remote import RemoteModel
    >>> with serve(model, name="brightest") as service:
    ...     RemoteModel(service.url)(np.eye(3, dtype=np.float32).reshape(3, 1, 1, 3))
    array([0, 1, 2])
    """
    check_kind(options, "options", ServiceOptions, "such as wm.ServiceOptions(rate=50)")
    given = model
    attribute = "model.input_shape"
    if not is_network(model):
        if not isinstance(model, BlackBox):
            attribute = "suspect = wm.BlackBox(model); suspect.input_shape"
            model = BlackBox(model, scores=options.scores, classes=options.classes)
        said = model.classes
        names = tuple(map(str, said)) if isinstance(said, (list, tuple, np.ndarray)) else ()
        options = replace(options, classes=options.classes or names)
    shape = _input_shape(given if hasattr(given, "input_shape") else model, attribute)
    _check_name(name)
    if not check_kind(host, "host", str, "such as '127.0.0.1'").strip():
        raise ValueError(
            f"host must be an address to listen on; got {host!r}. Leave it out to listen only "
            "to this machine."
        )
    check_count(port, "port", low=0, high=65535, hint="Leave it out to take a free one.")

    from wmlearn.service import _app

    log: list[Request] = []
    answer = _answering(model, options.scores)
    server = _app.web_server(_app.application(name, shape, answer, log, options))
    if name in _running:
        _running[name].stop()
    listener = _listen(host, port)
    url = _address(listener, name)
    service = Service(name, url, log, server, _thread(server, listener, name))
    _running[name] = service
    return service


@atexit.register
def _stop_all() -> None:
    for service in list(_running.values()):
        service.stop()


def _answering(model: Any, tells: bool) -> Predict:
    """Return the function that answers images with labels and, if they are shown, scores."""
    if is_network(model):
        return functools.partial(predict, own_copy(check_model(model)).eval())

    def answer(images: Images) -> tuple[Labels, np.ndarray]:
        """Return labels and, if they are shown, scores, both from one call of the model."""
        if not tells:
            return model(images), np.empty(0)
        scores = model.scores(images)
        if np.isnan(scores).any():
            raise ValueError("the model gave no scores for some of these images. Ask again.")
        return highest(scores), scores

    return answer


def _thread(server: uvicorn.Server, listener: socket.socket, name: str) -> threading.Thread:
    """Start a server in its own thread with an event loop, and wait until it answers."""
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.name = f"service {name}"
    thread.start()
    deadline = time.monotonic() + _PATIENCE
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            server.should_exit = True
            listener.close()
            raise RuntimeError(
                f"expected service {name!r} to start within {_PATIENCE:g} s; it did not. Try again."
            )
        time.sleep(0.002)
    return thread


def _check_name(name: str) -> None:
    """Raise an error for a name that cannot be part of an address."""
    check_kind(name, "name", str, "such as 'model'")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(
            "name must be letters, digits, '.', '_' or '-', a letter or digit first; got "
            f"{name!r}. Leave it out for 'model'."
        )


def _input_shape(model: object, attribute: str) -> tuple[int, int, int]:
    """Return the shape (c, h, w) of a model's images, or raise an error that says how to set it."""
    right = 1, 28, 28
    shape = getattr(model, "input_shape", None)
    match shape:
        case [_, _, _] as axes if all(
            isinstance(axis, (int, np.integer)) and axis > 0 for axis in axes
        ):
            channels, height, width = map(int, axes)
            if not channels_last((1, channels, height, width)):
                return channels, height, width
            right = width, channels, height
    raise ValueError(
        "model must have an attribute input_shape, the shape (c, h, w) of one image; "
        f"got {shape!r:.40}. Set it: {attribute} = {right}."
    )


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket, or raise an `OSError` that says why there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sends small answers at once (TCP_NODELAY) only on
    # sockets that name it; on others each answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # a port can be reused at once
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        missing = error.errno == errno.EADDRNOTAVAIL
        if missing and host in ("127.0.0.1", "localhost"):  # a machine with only IPv6
            return _listen("::1", port)
        # Errors of the resolver have their own numbers, below 0 on Linux, above 0 elsewhere.
        unknown = isinstance(error, socket.gaierror)
        reason = os.strerror(error.errno) if error.errno and not unknown else error.strerror
        raise OSError(
            f"expected to listen on host {host!r}, port {port}, but: {reason}. Leave host out, or "
            "pass an address of this machine; pass port=0 to take a free one."
        ) from None
    return listener


def _address(listener: socket.socket, name: str) -> str:
    """Return the model's address; for a service on all interfaces, that of the loopback."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    if ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}/v2/models/{name}"
