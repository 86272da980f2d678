"""Optional packages: torch, a server, widgets, and what a court needs.

`pip install wmlearn` brings what owners and judges need to verify; the rest comes with extras. Each
optional package is imported where it is used, and this module says which extra is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lazy_loader

# The package that is imported, and the extra that brings it.
EXTRAS = {
    "torch": "train",
    "torchvision": "train",
    "joblib": "train",
    "starlette": "serve",
    "uvicorn": "serve",
    "ipywidgets": "lab",
    "IPython": "lab",
    "resvg_py": "lab",
    "jupyterlab": "lab",
    "cryptography": "court",
    "rfc3161_client": "court",
    "py_ecc": "court",
}


class MissingExtra(ImportError):
    """A package that comes with an extra of wmlearn is not installed."""


def missing(package: str) -> MissingExtra:
    """Return the error that says which extra brings a package, or that no browser has it."""
    step = f'Run pip install "wmlearn[{EXTRAS[package]}]".'
    if sys.platform == "emscripten":
        step = "A browser cannot have it: this cell needs an installed course."
    return MissingExtra(
        f"this needs the package {package}, which is not installed. {step}", name=package
    )


@contextmanager
def extras() -> Iterator[None]:
    """Raise `MissingExtra` for a package that is missing inside the block and comes with an extra.

    Examples
    --------
    >>> with extras():  # doctest: +NORMALIZE_WHITESPACE
    ...     raise ModuleNotFoundError(name="torch.nn")
    Traceback (most recent call last):
    ...
    wmlearn._extras.MissingExtra: this needs the package torch, which is not installed. Run pip
    install "wmlearn[train]".
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in EXTRAS:
            raise
        raise missing(package) from None


Door = tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]


def door(package: str, file: str) -> Door:
    """Return `__getattr__`, `__dir__` and `__all__` for a package, with the names in its stub.

    Each name is imported at its first use; if that needs an extra, the error names the extra.
    """
    load, listed, names = lazy_loader.attach_stub(package, file)
    return extras()(load), listed, names
