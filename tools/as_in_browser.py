"""Take from a process what Pyodide's Python in a browser lacks. The lessons' kernels run this as
their first cell (`test_in_browser.py`).
"""

from __future__ import annotations

import hashlib
import socket
import sys
import threading
from typing import NoReturn

# Packages that Pyodide does not have, or that the light core does not bring; and modules of the
# standard library that Pyodide leaves out.
ABSENT = {
    *("torch", "torchvision", "joblib", "starlette", "uvicorn", "resvg_py", "jupyterlab"),
    *("rfc3161_client", "py_ecc"),
    *("_multiprocessing", "grp", "pwd", "resource"),
}

OF_THE_KERNEL = {"zmq", "ipykernel", "IPython"}


class Absent:
    """A finder that has none of the packages in `ABSENT`."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise the error of a missing package; leave every other to the next finder."""
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


start = threading.Thread.start


def no_thread(thread: threading.Thread) -> None:
    """Raise what Pyodide raises; only what this kernel itself is made of still has threads."""
    if type(thread).__module__.partition(".")[0] not in OF_THE_KERNEL:
        raise RuntimeError("can't start new thread")
    start(thread)


def no_socket(*_: object) -> NoReturn:
    """Raise what a socket does where there is no network beneath it."""
    raise OSError(138, "Not supported")


def block() -> None:
    """Take threads, sockets, scrypt and `ABSENT` away, and the name of the platform."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ABSENT]:
        del sys.modules[name]
    sys.meta_path.insert(0, Absent())
    threading.Thread.start = no_thread
    for name in ("bind", "connect", "listen"):
        setattr(socket.socket, name, no_socket)
    del hashlib.scrypt
    sys.platform = "emscripten"
