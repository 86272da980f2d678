"""The formats in which people have images, labels and models, and how to convert each to ours.

Pillow images become arrays. For every other format there is a next step, which errors quote: an
expression in the value passed, called `images` or `labels`, or `x` where it may be either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wmlearn._types import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

_PAIRS = "Pass [image for image, _ in x]: the labels are [label for _, label in x]."
_BATCHES = (
    "Pass torch.cat([x for x, _ in images]): the labels are torch.cat([y for _, y in images])."
)
_INSIDE = "models normalise inside, so leave Normalize out of a transform."
_OTHERS = r"\.(pt|pth|ckpt|pkl|pickle|joblib|npz|npy|onnx|h5|hdf5|keras)"
_BY_START = {
    rb"\x80[\x02-\x05][^\x00]": "pickle",  # a safetensors header has zeros there
    rb"PK\x03\x04": "zip",
    rb"\x89HDF": "HDF5",
    rb"\x93NUMPY": "NumPy",
}


# ---------------------------------------------------------------- Pillow images


def are_pictures(values: Any) -> bool:
    """Return whether this is a Pillow image, or a list, column or series of them."""
    column = getattr(values, "dtype", None) == np.dtype(object) and len(values.shape) == 1
    if column or isinstance(values, Sequence):
        values = next(iter(values), None)
    return hasattr(values, "getbands")


def from_pictures(values: Any, size: tuple[int, int] | None = None) -> Pixels:
    """Return Pillow images or image files as uint8 (n, c, h, w): RGB if any has colours, else grey.

    Images are turned as their EXIF data say, transparent parts are put on white, 16 bits become 8,
    and palettes, CMYK, YCbCr and HSV become RGB. With a size (height, width) each is resized.

    Raises
    ------
    ValueError
        If an image cannot be read, has no known white level or is an animation, or if the images
        differ in size.
    """
    if hasattr(values, "getbands"):
        values = [values]
    read = []
    for place, picture in enumerate(values):
        try:
            read.append(resized(_pixels(picture)[None], size)[0])
        except (OSError, ValueError, SyntaxError, AttributeError) as error:
            name = picture if isinstance(picture, Path) else f"images[{place}]"
            raise ValueError(
                f"{name} must be a Pillow image that can be converted to grey or RGB; {error}. "
                "Convert it, or leave it out."
            ) from None
    return joined(read)


def joined(read: Sequence[Pixels]) -> Pixels:
    """Return images (1 or 3, h, w) of one size as one array: RGB if any of them is."""
    sizes = sorted({pixels.shape[1:] for pixels in read})
    if len(sizes) > 1:
        (height, width), (other_height, other_width) = sizes[:2]
        raise ValueError(
            f"images must be pictures of one size; got {width} x {height} and {other_width} x "
            f"{other_height} pixels. Pass [image.resize(({width}, {height})) for image in images]: "
            f"or size=({height}, {width}) where wm.Splits reads them."
        )
    channels = max(map(len, read))
    return np.stack([np.broadcast_to(pixels, (channels, *sizes[0])) for pixels in read])


def resized(pixels: Pixels, size: tuple[int, int] | None) -> Pixels:
    """Return images (n, c, h, w) with another height and width, by Pillow's bilinear filter."""
    from PIL import Image

    if size in (None, pixels.shape[2:]):
        return pixels
    height, width = size
    made = np.empty((*pixels.shape[:2], height, width), np.uint8)
    for place in np.ndindex(pixels.shape[:2]):
        channel = Image.fromarray(np.ascontiguousarray(pixels[place]))
        made[place] = channel.resize((width, height), Image.Resampling.BILINEAR)
    return made


def _pixels(picture: Image | Path) -> Pixels:
    """Return one Pillow image as uint8 (1, h, w) or (3, h, w)."""
    from PIL import Image, ImageOps

    if isinstance(picture, Path):
        with Image.open(picture) as opened:
            return _pixels(opened)
    # An MPO file of a phone is one photograph followed by its preview.
    if getattr(picture, "is_animated", False) and picture.format != "MPO":
        raise ValueError("it has several frames: choose one by image.seek, and pass image.copy()")
    deep = picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG")
    picture = ImageOps.exif_transpose(picture)
    if deep or picture.mode in ("I", "F"):
        most = 65535 if deep else int(picture.mode == "F")
        return _scaled(np.asarray(picture, float), most)[None]
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if picture.mode[-1] in "Aa" or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture.convert("RGBA"))
        picture = white
    return np.atleast_3d(np.asarray(picture.convert(mode))).transpose(2, 0, 1)


def _scaled(values: np.ndarray, white: float) -> Pixels:
    """Return numbers in [0, white] as uint8 in [0, 255]."""
    if not (white and values.min() >= 0 and values.max() <= white):
        raise ValueError(
            f"its numbers run from {values.min():g} to {values.max():g}, which does not tell which "
            "number is white: pass arrays from 0 to 1"
        )
    return np.rint(values / white * 255).astype(np.uint8)


# ---------------------------------------------------------------- next steps


def container_step(values: Any) -> str:
    """Return the next step for a container of more than images; an empty text for an array."""
    if hasattr(values, "__array__"):
        return ""
    if hasattr(values, "batch_sampler"):  # torch's DataLoader
        return _BATCHES
    if isinstance(values, Iterable) and not hasattr(values, "__len__"):
        return "Pass list(x)."
    if isinstance(values, Mapping):
        return f"Pass x[{next(iter(values), None)!r}]: one of its entries."
    try:
        first = values[0]
    except (LookupError, TypeError):
        return ""
    match first:
        case Mapping():  # the rows of a Hugging Face data set
            return f"Pass [row[{next(iter(first), None)!r}] for row in x]: one of its columns."
        case (part, _) if hasattr(part, "shape") or hasattr(part, "getbands"):
            return _PAIRS
    return ""


def tensor_step(values: Any) -> str:
    """Return the next step for a tensor, or a list of tensors, that numpy cannot read."""
    import torch

    step, tensor = "x", values
    if not isinstance(tensor, torch.Tensor):
        step, tensor = "torch.stack(list(x))", values[0]
    if tensor.is_meta:
        return "It holds no numbers; make it on the CPU."
    step += ".detach()"
    if tensor.layout != torch.strided:
        step += ".to_dense()"
    if tensor.is_floating_point() and tensor.dtype not in (torch.half, torch.float, torch.double):
        step += ".float()"
    return f"Pass {step}.cpu().numpy()."


def image_step(images: np.ndarray) -> str:
    """Return the next step for numbers that are not floats in [0, 1]."""
    kind = images.dtype.kind
    if kind == "O" and images.size and hasattr(images.flat[0], "shape"):
        return "Pass np.stack(list(images))."
    if images.ndim == 0:
        return "Pass [PIL.Image.open(images)]: an array of numbers, or pictures."
    if kind in "OSUT" and images.ndim == 1:
        return "Pass [PIL.Image.open(image) for image in images]: arrays, or pictures."
    if kind not in "biuf":
        return "Pass np.asarray(images).astype(float)."
    low, high = images.min(initial=0), images.max(initial=1)
    if not np.isfinite([low, high]).all():
        return "Pass np.nan_to_num(images, posinf=1, neginf=0)."
    if kind in "iu" and 0 <= low <= high <= 65535:
        return white_step(images)
    if 2 < high <= 255 and low >= 0:
        return "Pass np.asarray(images) / 255."
    if low > -0.01 and high < 1.01:
        return "Pass np.clip(np.asarray(images, float), 0, 1)."
    if low >= -1 and high <= 1:
        return f"Pass (np.asarray(images) + 1) / 2: from -1 to 1; {_INSIDE}"
    step = "Pass np.clip(np.asarray(images) * std + mean, 0, 1): normalisation undone;"
    return f"{step} {_INSIDE}"


def white_step(images: np.ndarray) -> str:
    """Return the next step for whole numbers; if two white levels are possible, it names both."""
    high = images.max(initial=0)
    whites = [255]
    if high == 1:
        whites = [1, 255]
    elif images.itemsize == 2 or high > 255:
        whites = [white for white in (255, 65535) if high <= white]
    if len(whites) == 1:
        return f"Pass np.asarray(images) / {whites[0]}."
    return " ".join(f"Pass np.asarray(images) / {white}: {white} is white." for white in whites)


def axes_step(shape: tuple[int, ...]) -> str:
    """Return the next step for images that do not have four axes."""
    match shape:
        case ((1 | 3), _, _):
            return (
                "Pass np.expand_dims(images, 0): one image. Pass np.expand_dims(images, 1): grey "
                "ones."
            )
        case _, _, _ if channels_last((1, *shape)):
            return f"Pass np.moveaxis({_opaque(shape)}, -1, 0)[None]."
        case _, _, _:
            return "Pass np.expand_dims(images, 1): grey images."
    return "Pass np.reshape(images, (-1, c, h, w)): channels, height and width of one image."


def channels_last(shape: tuple[int, ...]) -> bool:
    """Return whether a shape looks like (n, h, w, c): c at most 4, h and w larger and similar."""
    _, height, width, channels = shape
    shorter, longer = sorted((height, width))
    alike = shorter > channels and longer <= 4 * shorter
    return alike and 0 < channels <= 4 and height not in (1, 3)


def channels_step(shape: tuple[int, ...]) -> str:
    """Return the next step for images (n, h, w, c) where no `layout` can be given."""
    return f"It looks like (n, h, w, c). Pass np.moveaxis({_opaque(shape)}, -1, 1)."


def layout_step(shape: tuple[int, ...], layout: str | None) -> str:
    """Return the next step for images without 1 or 3 channels on the axis of this layout."""
    _, second, _, last = shape
    meant = "{} channels are meant."
    if last in (1, 2, 3, 4):
        step = f"Pass {_opaque(shape)}, layout='NHWC'."
        if last in (2, 4):
            step += " It leaves transparency out; Pillow images would be put on white."
        elif not channels_last(shape):
            step += f" Pass images, layout='NCHW': {meant.format(second)}"
        return step
    if layout is None:
        return f"Pass images, layout='NCHW': {meant.format(second)}"
    if second in (1, 3):
        return "Pass images: their channels come first."
    return f"Pass np.moveaxis(images, -1, 1), layout='NCHW': {meant.format(last)}"


def _opaque(shape: tuple[int, ...]) -> str:
    """Return the expression for images (..., c) without their transparency channel."""
    if shape[-1] in (2, 4):
        return "np.asarray(images)[..., :-1]"
    return "images"


def label_step(labels: np.ndarray, count: int, classes: int = 0) -> str:
    """Return the next step for labels that are not `count` class numbers counted from 0."""
    if labels.ndim == 2 and labels.shape[1] > 1 and len(labels) == count:
        return "Pass np.argmax(np.asarray(labels), axis=1)."  # one-hot
    if labels.size != count:
        return "Give each image one label."
    step = "np.ravel(labels)"
    if labels.dtype.kind not in "biuf":
        step += ".astype(float)"
    try:
        numbers = labels.astype(float)
    except (TypeError, ValueError):
        return "Pass np.unique(labels, return_inverse=True)[1]: numbers in alphabetical order."
    if (numbers % 1 != 0).any():  # NaN, too
        return "Give each image the number of its class."
    if labels.dtype.kind not in "iu":
        step += ".astype('int64')"
    if numbers.min(initial=2) == 1 and numbers.max(initial=1) == classes:
        step += " - 1"
    elif labels.dtype.kind in "iu" and labels.ndim == 1:
        return "Count classes from 0."
    return f"Pass {step}."


def answer_step(labels: np.ndarray, count: int) -> str:
    """Return the next step for a user's own service whose answers are not class numbers."""
    if labels.dtype.kind not in "biuf":
        return "Return the number of each image's class, such as classes.index(name)."
    return label_step(labels, count).replace("Pass", "Return")


# ---------------------------------------------------------------- files


def foreign(path: str | Path) -> str:
    """Return what a file of a foreign format is; an empty text for a file that may be ours.

    The name decides, then the first bytes; a safetensors file may have any name.

    Examples
    --------
    >>> foreign("mine.pth")
    'of format .pth, which is never opened: a pickle in it could run code'
    """
    path = Path(path)
    if path.is_dir():
        return "a folder"
    kind = path.suffix.lower()
    start = b""
    with suppress(OSError), path.open("rb") as file:
        start = file.read(9)
    if start.endswith(b"{"):  # after eight bytes of length: safetensors, whatever its name
        return ""
    if not re.fullmatch(_OTHERS, kind):
        found = [name for begins, name in _BY_START.items() if re.match(begins, start)]
        kind = "".join(found)
    if not kind:
        return ""
    return f"of format {kind}, which is never opened: a pickle in it could run code"
