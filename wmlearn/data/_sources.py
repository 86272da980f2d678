"""The one table of all data sets, shipped and published, with the SHA-256 of the right bytes."""

import hashlib
import textwrap
from dataclasses import dataclass

import numpy as np

from wmlearn._files import UnfitError
from wmlearn._types import Pixels

Stored = tuple[Pixels, Pixels]  # images (n, h, w, c) and labels (n,), both uint8


@dataclass(frozen=True)
class Source:
    """A published data set: its classes, the shape (c, h, w) of an image, and its digests."""

    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    reader: str  # torchvision's class
    mini: str  # SHA-256 of the shipped description, which holds that of every part; "": none ships
    full: str  # SHA-256 of x_train, x_test, y_train, y_test; "": torchvision checks an MD5 instead
    unpacked: str  # the files torchvision reads; for MNIST it checks only that they exist
    archives: str  # the files torchvision downloads; it uses them only if their MD5 is right


_DIGITS = "0 1 2 3 4 5 6 7 8 9"
_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
_FASHION = "T-shirt trouser pullover dress coat sandal shirt sneaker bag boot"
_KANA = "o ki su tsu na ha ma ya re wo"


def _like_mnist(reader: str, classes: str, mini: str = "", full: str = "") -> Source:
    unpacked, archives = f"{reader}/raw/*-ubyte", f"{reader}/raw/*.gz"
    return Source(tuple(classes.split()), (1, 28, 28), reader, mini, full, unpacked, archives)


SOURCES = {
    "mnist": _like_mnist(
        "MNIST",
        _DIGITS,
        mini="522f25e85402cc5b7a0d02af315cdd3c59a48c1696c1e827d41ac5ef3950f819",
        full="c2069063c1105f2bf96266aef1ff68c6e13bdda7a54e37bf19c16f1db24efc83",
    ),
    "cifar10": Source(
        classes=tuple(_CIFAR10.split()),
        shape=(3, 32, 32),
        reader="CIFAR10",
        mini="93424d79cba6457660e3bea2927225cf7abb42d09e96fe7b3a733e11fcf4d687",
        full="795f1793d7b8f8883c578442a02455d2469d49685325e98ea0621b15f4a88d69",
        unpacked="cifar-10-batches-py/*",
        archives="cifar-10-python.tar.gz",
    ),
    "fashion-mnist": _like_mnist("FashionMNIST", _FASHION),
    "kmnist": _like_mnist("KMNIST", _KANA),
}
SHIPPED = tuple(name for name, source in SOURCES.items() if source.mini)


def digest(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of the bytes of all arrays, one after the other."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(array.tobytes())
    return total.hexdigest()


def expect(got: str, expected: str) -> None:
    """Raise `UnfitError`, a `ValueError`, unless the two digests are equal."""
    if got != expected:
        raise UnfitError(f"expected SHA-256 {expected[:12]}, got {got[:12]}")


def short(error: Exception) -> str:
    """Return an error's text on one line of at most 200 characters."""
    return textwrap.shorten(str(error) or type(error).__name__, 200, placeholder=" ...")
