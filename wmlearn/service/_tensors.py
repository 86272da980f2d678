"""Tensors of the Open Inference Protocol: arranging, writing and reading their numbers.

Numbers are sent as JSON or, if a server accepts it or needs it for FP16, as bytes after the JSON.

Source: "Binary tensor data extension", Triton and KServe,
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol/binary-tensor-data-extension
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wmlearn._types import Images

WHOLE = {
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
}
REAL = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
NUMBERS = WHOLE | REAL
HALF = "FP16"  # Triton and KServe send and accept it only as bytes, MLServer as JSON
TEXT = "BYTES"
LAYOUTS = ("NCHW", "NHWC", "NHW", "flat")  # of n images; the last is (n, c * h * w)


@dataclass(frozen=True)
class Tensor:
    """A service's description of an input or output; "" and None for missing parts."""

    name: str
    datatype: str = ""
    shape: tuple[int, ...] | None = None  # -1 for any length

    def __str__(self) -> str:
        return f"{self.name!r:.40} ({self.datatype or '?':.12}, {list(self.shape or ())!r:.40})"


def read_tensor(description: Any) -> Tensor | None:
    """Return the description of a tensor in metadata or an answer; None if it has no name.

    Some servers leave out datatype or shape, and some write the name of a variable axis.
    """
    match description:
        case {"name": str(name)}:
            datatype, shape = description.get("datatype"), description.get("shape")
            axes = None
            if isinstance(shape, list) and shape:
                axes = tuple(map(_axis, shape))
            return Tensor(name, datatype if isinstance(datatype, str) else "", axes)
    return None


def _axis(length: Any) -> int:
    if type(length) is int and length > 0:
        return length
    return -1


def arranged(images: np.ndarray, layout: str) -> np.ndarray:
    """Return images (n, c, h, w) in one of the `LAYOUTS`."""
    if layout == "NHWC":
        return np.moveaxis(images, 1, -1)
    if layout == "NHW":  # grey images
        return images[:, 0]
    if layout == "flat":
        return images.reshape(len(images), -1)
    return images


def layouts_that_fit(shape: tuple[int, ...], images: Images) -> list[str]:
    """Return the layouts in which images have the shape of an input, whatever their number."""
    fitting = []
    for layout in LAYOUTS:
        grey = images.shape[1] == 1
        if (grey or layout != "NHW") and fits(arranged(images, layout).shape, shape):
            fitting.append(layout)
    if images[0].size == 1:  # a single pixel is the same in all layouts
        return fitting[:1]
    if fitting == ["flat"] and images.shape[1] > 1:  # colour by colour, or pixel by pixel?
        return ["flat", "flat, by pixels"]
    return fitting


def fits(got: Sequence[int], wanted: Sequence[int]) -> bool:
    """Return whether a shape fits that of an input, apart from the number of images."""
    pairs = zip(got[1:], wanted[1:])
    return len(got) == len(wanted) and all(axis in (-1, length) for length, axis in pairs)


def converted(values: np.ndarray, datatype: str) -> np.ndarray:
    """Return numbers in the datatype of an input; a `ValueError` if it cannot hold them."""
    if datatype == TEXT:
        if values.dtype.kind == "U":
            return values
        raise ValueError(
            f"an input of datatype {TEXT} takes text; got {values.dtype}. Pass encode=, a function "
            "from images to an array of text, such as their base64."
        )
    number = np.dtype(NUMBERS[datatype])
    with np.errstate(over="ignore", invalid="ignore"):
        written = values.astype(number)
    exact = np.isfinite(written)
    if number.kind in "iu":
        exact = written == values
    if exact.all():
        return written
    raise ValueError(
        f"an input of datatype {datatype} takes only numbers that this type can hold; got others "
        f"between {values.min():g} and {values.max():g}. Pass encode=, a function from images in "
        "[0, 1] to the numbers that this service needs."
    )


def number_bytes(datatype: str) -> int:
    """Return the largest number of bytes that one number and its comma take in JSON."""
    if datatype in REAL:
        return 25
    limits = np.iinfo(np.dtype(NUMBERS[datatype]))
    return max(len(str(limits.min)), len(str(limits.max))) + 1


def without_ones(values: np.ndarray) -> np.ndarray:
    """Return values without axes of length 1 after the first, which MLServer and OpenVINO add."""
    return values.reshape([*values.shape[:1], *(axis for axis in values.shape[1:] if axis != 1)])


def inflated(body: bytes, limit: int) -> bytes:
    """Return a body decompressed from gzip or deflate, but no more than one byte beyond the limit.

    Raises
    ------
    ValueError
        If it is in another format, or incomplete.
    """
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS + 32)  # detects gzip and deflate by itself
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not inflater.eof and len(plain) <= limit:
        raise ValueError("it is incomplete")
    return plain
