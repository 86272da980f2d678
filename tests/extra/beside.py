"""A process of somebody else's beside the tests: started, waited for, and ended with them."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 120  # seconds to wait for a server that imports half of PyPI


def free_port() -> int:
    """Return a port that nobody listens on, for a server that cannot look for one itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(command: list[str], address: str, folder: Path, **environment: str) -> Iterator[None]:
    """Run a server in a folder while it is needed; it is ready once an address is there."""
    log = folder / "log.txt"
    with log.open("wb") as written:
        process = subprocess.Popen(
            command, cwd=folder, env=environment or None, stdout=written, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(address):
            alive = process.poll() is None and time.monotonic() < deadline
            assert alive, f"{command} did not start:\n{log.read_text()[-3000:]}"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(address: str) -> bool:
    """Whether an address is there; nothing else is the server, whoever holds its port."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=5):
            return True
    except OSError:  # urllib's errors of HTTP are such, too
        return False
