"""A small service that misbehaves by script: what `RemoteModel` must survive, without torch or
Starlette.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

INPUT = {"name": "images", "datatype": "UINT8", "shape": [-1, 1, 2, 2]}
LABELS = {"name": "labels", "datatype": "INT64", "shape": [-1]}
SCORES = {"name": "scores", "datatype": "FP32", "shape": [-1, 4]}
CARD = {"name": "toy", "inputs": [INPUT], "outputs": [LABELS]}

Reply = Callable[["Handler"], None]

STUCK = threading.Event()  # set when a service begins an answer that never ends


def some_images(n: int, seed: int = 0, shape: tuple[int, int, int] = (1, 2, 2)) -> np.ndarray:
    """Return images of whole 255ths: they survive the journey exactly."""
    rng = np.random.RandomState(seed)
    return (rng.randint(0, 256, (n, *shape)) / 255).astype(np.float32)


def brightest(images: np.ndarray) -> np.ndarray:
    """The oracle: the place of an image's brightest pixel."""
    return images.reshape(len(images), -1).argmax(axis=1)


def read_question(body: bytes, headers: Any) -> tuple[dict[str, Any], np.ndarray]:
    """Return the input of a request, and its numbers or texts: JSON, or binary behind it."""
    end = int(headers.get("inference-header-content-length", len(body)))
    question = json.loads(body[:end])["inputs"][0]
    if end < len(body):
        number = {"FP16": "<f2", "FP32": "<f4", "UINT8": "<u1"}[question["datatype"]]
        assert question["parameters"] == {"binary_data_size": len(body) - end}
        values = np.frombuffer(body[end:], number).astype(np.float64)
    elif question["datatype"] == "BYTES":
        values = np.array(question["data"])
    else:
        values = np.asarray(question["data"], dtype=np.float64)
    return question, values.reshape(question["shape"])


class Handler(BaseHTTPRequestHandler):
    """Plays the next reply of the script; when the script is over, answers well."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyService

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.server.tokens.append(self.headers.get("authorization"))
        self.server.headers.append(self.headers)
        card = self.server.cards.pop(0) if len(self.server.cards) > 1 else self.server.cards[0]
        card(self) if callable(card) else self.send_json(card)

    def do_POST(self) -> None:
        self.server.paths.append(self.path)
        self.server.tokens.append(self.headers.get("authorization"))
        self.server.headers.append(self.headers)
        self.body = self.rfile.read(int(self.headers["content-length"]))
        self.server.sizes.append(len(self.body))
        self.question, self.images = read_question(self.body, self.headers)
        self.server.asked.append(len(self.images))
        reply = self.server.script.pop(0) if self.server.script else self.server.then
        reply(self)

    def send_json(self, content: Any, status: int = 200, **headers: str) -> None:
        self.send_text(json.dumps(content).encode(), status, **headers)

    def send_text(self, text: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def hang_up(self) -> None:
        """Reset the connection (RST), as a crashing server does."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):  # the client, or we, closed the connection in the middle
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            self.rfile.close()
        self.server.hung_up.set()


class FaultyService(ThreadingHTTPServer):
    """A service on a free port: `cards` are its metadata (the last one stays), `script` its next
    replies, `then` what it replies when they are over.
    """

    daemon_threads = True

    def __init__(
        self, *script: Reply, cards: tuple[Any, ...] = (CARD,), then: Reply | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.cards, self.then = list(script), list(cards), then or good
        self.asked: list[int] = []  # images in each request
        self.sizes: list[int] = []  # bytes of each request
        self.paths: list[str] = []
        self.tokens: list[str | None] = []  # what came as "Authorization" with each request
        self.headers: list[Message] = []  # all that came with each request
        self.over = threading.Event()
        self.hung_up = threading.Event()  # when a client has closed its connection
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v2/models/toy"

    def __enter__(self) -> FaultyService:
        self.thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.shutdown()
        self.thread.join(5)
        self.server_close()


def with_data(data: Any, name: str = "labels", datatype: str = "INT64") -> Reply:
    return lambda handler: handler.send_json(
        {"outputs": [{"name": name, "datatype": datatype, "data": data}]}
    )


def good(handler: Handler) -> None:
    with_data(brightest(handler.images).tolist())(handler)


def status(code: int, **headers: str) -> Reply:
    return lambda handler: handler.send_json({"error": "not today"}, code, **headers)


def text(body: bytes) -> Reply:
    return lambda handler: handler.send_text(body)


def silent(handler: Handler) -> None:
    """Never answer."""
    STUCK.set()
    handler.server.over.wait(5)
    handler.close_connection = True


def reset(handler: Handler) -> None:
    handler.hang_up()


def reset_midway(handler: Handler) -> None:
    """Promise a thousand bytes, send ten, reset."""
    send_a_hundredth(handler)
    handler.hang_up()


def closed_midway(handler: Handler) -> None:
    """Promise a thousand bytes, send ten, close in good order."""
    send_a_hundredth(handler)
    handler.close_connection = True


def send_a_hundredth(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"outputs"')


def drip(first: bytes) -> Reply:
    """Send one byte now and then, for five seconds: no single read ever times out."""

    def reply(handler: Handler) -> None:
        handler.wfile.write(first)
        STUCK.set()
        for _ in range(100):
            if not handler.server.over.wait(0.05):
                handler.wfile.write(b"x")
        handler.close_connection = True

    return reply


def endless(handler: Handler) -> None:
    """Send without end, as fast as the line takes it."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.over.is_set():
        handler.wfile.write(b" " * 1_000_000)


def garbage(handler: Handler) -> None:
    """Speak something that is not HTTP."""
    handler.wfile.write(b"hello, this is a line printer\r\n\r\n")
    handler.close_connection = True


def banner(handler: Handler) -> None:
    """Say one line, as a mail or SSH server does, and hang up."""
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    handler.close_connection = True


def scores_for(*, classes: int = 4, rows: int | None = None, first: float | None = None) -> Reply:
    """Answer the pixels themselves as scores, one list for each image: or fewer classes, or fewer
    images.
    """

    def reply(handler: Handler) -> None:
        scores = handler.images.reshape(len(handler.images), -1)[:rows, :classes].tolist()
        if first is not None:
            scores[0][0] = first
        with_data(scores, "scores", "FP32")(handler)

    return reply
