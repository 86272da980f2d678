"""The data: images in three parts, for the owner (`train`), the thief (`loot`), the judge (`test`).

Two sizes. `mini` ships inside the package and needs no download; `full` is the whole published data
set, fetched once. Every file is compared with a SHA-256 before it is used. Where the images come
from: `docs/data.md`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wmlearn._checks import (
    as_array,
    check_choice,
    check_count,
    check_images,
    check_kind,
    check_labels,
    check_pixels,
    shown,
)
from wmlearn._display import html_table, legible, picture, plural
from wmlearn._forms import are_pictures, axes_step, image_step, label_step, layout_step
from wmlearn._types import Images, Labels, Pixels
from wmlearn.data import _published, _shipped
from wmlearn.data._sources import SOURCES, Stored

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from torch import Tensor

    Vary = Callable[[Tensor], Tensor]

Layout = Literal["NCHW", "NHWC"]


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set: images and the class of each.

    Parameters
    ----------
    pixels : uint8 array of shape (n, c, h, w), 0 to 255
    labels : int64 array of shape (n,), class numbers
    vary : what changes an image a little each time a network is trained on it; see `varied`
    layout : which axis holds the channels, "NCHW" or "NHWC". Left out, it is the second, which must
        be 1 or 3 long: images (n, 3, 5, 3) have three channels, five rows, three columns. Any other
        number of channels has to be said, by "NCHW"

    Raises
    ------
    TypeError, ValueError
        If a dtype or a shape is another one, or there is not one label for each image.

    Examples
    --------
    >>> part = Split(np.zeros((3, 1, 28, 28), np.uint8), np.array([7, 0, 7], np.int64))
    >>> part, part.images.dtype, part.take([0, 2]).labels
    (Split(3 images, 1x28x28), dtype('float32'), array([7, 7]))
    """

    pixels: Pixels
    labels: Labels
    vary: Vary | None = None
    layout: InitVar[Layout | None] = None

    def __post_init__(self, layout: Layout | None) -> None:
        if self.vary is not None and (not callable(self.vary) or isinstance(self.vary, type)):
            raise TypeError(
                f"vary must be a function of one image; got {shown(self.vary)}. Take one of "
                "torchvision.transforms.v2."
            )
        pixels = check_pixels(channels_first(self.pixels, layout, what="pixels"))
        object.__setattr__(self, "pixels", pixels)
        labels = as_array(self.labels, "labels must be int64, shape (n,)")
        if labels.dtype != np.int64:
            step = "Pass np.asarray(labels).astype('int64')."
            if labels.dtype.kind not in "iu":
                step = label_step(labels, len(self))
            got = f"{labels.dtype} {labels.shape}"
            raise TypeError(f"labels must be int64, shape (n,); got {got}. {step}")
        if labels.shape != (len(self),):
            images = plural(len(self), "image")
            step = label_step(labels, len(self))
            raise ValueError(
                f"labels must be one for each of {images}; got shape {labels.shape}. {step}"
            )
        if (labels < 0).any():
            raise ValueError(
                f"labels must be class numbers, counted from 0; got {labels.min()}. "
                "Leave its image out."
            )
        object.__setattr__(self, "labels", labels)

    @classmethod
    def from_images(
        cls, images: Any, labels: Any, classes: int, *, layout: Layout | None = None
    ) -> Split:
        """Return your own images as a part, each value rounded to the nearest of 256 levels.

        Parameters
        ----------
        images : array of shape (n, c, h, w), float in [0, 1] or uint8; or a list of Pillow's
            pictures, all of one size: if any has colours they get three channels, else one. They
            are turned as their EXIF data say, transparency is put on white, 16 bits become 8
        labels : integer array of shape (n,), each in 0 .. classes - 1
        classes : how many classes there are
        layout : which axis holds the channels, as in `Split`; "NHWC" where they come last, as in
            torchvision's `CIFAR10.data`

        Raises
        ------
        TypeError, ValueError
            If the images or the labels are not like that.

        Examples
        --------
        >>> photographs = np.zeros((2, 32, 32, 3), np.uint8)
        >>> Split.from_images(photographs, [0, 1], classes=2, layout="NHWC")
        Split(2 images, 3x32x32)
        """
        check_count(classes, "classes", low=1)
        pixels = channels_first(images, layout)
        if pixels.dtype != np.uint8:
            shape = pixels.shape[1:]
            pixels = np.rint(check_images(pixels, shape=shape) * 255).astype(np.uint8)
        labels = check_labels(labels, count=len(pixels), classes=classes)
        return cls(pixels, labels, layout="NCHW")

    @property
    def images(self) -> Images:
        """The images as float32 in [0, 1], shape (n, c, h, w); a new array at each call."""
        return np.divide(self.pixels, 255, dtype=np.float32)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (c, h, w) of one image."""
        return self.pixels.shape[1:]

    def take(self, indices: Any) -> Split:
        """Return the chosen images, in the order asked for; take what indexes a numpy axis."""
        try:
            chosen = np.atleast_1d(np.arange(len(self))[indices])
        except IndexError as error:
            raise IndexError(
                f"indices must choose among the {plural(len(self), 'image')} counted from 0; got "
                f"others: {error}. Pass positions, a slice or a mask."
            ) from None
        return Split(self.pixels[chosen], self.labels[chosen], self.vary, layout="NCHW")

    def varied(self, vary: Vary) -> Split:
        """Return the same images, to be changed a little in each training on them (augmentation).

        Parameters
        ----------
        vary : a function of one image, a uint8 tensor (c, h, w), that returns another such; those
            of `torchvision.transforms.v2` are made for this. Anyone who looks, asks or measures
            gets the image as it is

        Examples
        --------
        >>> from torchvision.transforms import v2
        >>> load_data("mnist").train.varied(v2.RandomCrop(28, padding=2))
        Split(6,000 images, 1x28x28, varied in training)
        """
        return Split(self.pixels, self.labels, vary, layout="NCHW")

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        varied = ", varied in training" if self.vary is not None else ""
        return f"Split({plural(len(self), 'image')}, {_times(self.shape)}{varied})"


@dataclass(frozen=True, eq=False)
class Splits:
    """A data set in three parts that share no image.

    Parameters
    ----------
    name : what the data set is called
    train : what the owner trains on
    loot : what the thief holds: images that the owner never trained on
    test : what both are judged by
    classes : the name of each class; a label is a position in it
    size : "mini" or "full"

    Raises
    ------
    ValueError
        If the parts differ in image shape, or a label has no class.
    """

    name: str
    train: Split
    loot: Split
    test: Split
    classes: tuple[str, ...]
    size: str = "mini"

    def __post_init__(self) -> None:
        if isinstance(self.classes, str) or not isinstance(self.classes, Sequence):
            raise TypeError(
                "classes must be the name of each class, such as ('cat', 'dog'); got "
                f"{shown(self.classes)}. List them."
            )
        for part in _shipped.PARTS:
            split = check_kind(getattr(self, part), part, Split, "as Split.from_images makes one")
            if split.shape != self.shape:
                raise ValueError(
                    f"{part} must have images of shape {self.shape}, like train; got {split.shape}."
                )
            check_labels(
                split.labels, count=len(split), classes=len(self.classes), what=f"labels of {part}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (c, h, w) of one image."""
        return self.train.shape

    def varied(self, vary: Vary) -> Splits:
        """Return the same task, its training images changed a little: see `Split.varied`."""
        return replace(self, train=self.train.varied(vary))

    def to_frame(self) -> pd.DataFrame:
        """Return how many images each part has of each class, as a pandas table."""
        import pandas as pd

        counts = {
            part: np.bincount(getattr(self, part).labels, minlength=len(self.classes))
            for part in _shipped.PARTS
        }
        return pd.DataFrame(counts, index=pd.Index(self.classes, name="class"))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the first ten training images of each class, a class per row; return the Axes."""
        import matplotlib.pyplot as plt

        if ax is None:
            ax = plt.subplots(figsize=(5, 5), layout="constrained")[1]
        c, h, w = self.shape
        grid = np.zeros((len(self.classes), 10, c, h, w), np.uint8)
        for label, row in enumerate(grid):
            examples = self.train.pixels[self.train.labels == label][:10]
            row[: len(examples)] = examples
        ax.imshow(picture(_shipped.mosaic(grid)), cmap="gray", vmin=0, vmax=255)
        ax.set_yticks(np.arange(len(self.classes)) * h + h / 2, self.classes)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set(xticks=[], title=f"{self.name}: ten training images of each class")
        return legible(ax)

    def __repr__(self) -> str:
        parts = ", ".join(f"{len(getattr(self, part)):,} {part}" for part in _shipped.PARTS)
        size, classes = _times(self.shape), len(self.classes)
        return f"Splits({self.name!r}, {self.size}: {parts}, {classes} classes, {size})"

    def _repr_html_(self) -> str:
        loot = plural(len(self.loot), "image")
        rows = {
            "train": f"{plural(len(self.train), 'image')}, for the owner",
            "loot": f"{loot}, for the thief; the owner never trains on them",
            "test": f"{plural(len(self.test), 'image')}, to judge both",
            "classes": ", ".join(self.classes),
            "one image": f"{_times(self.shape)} (channels, height, width)",
        }
        return html_table(f"{self.name} ({self.size})", rows)


def load_data(name: str, size: Literal["mini", "full"] = "mini") -> Splits:
    """Return a data set: `train` for the owner, `loot` for the thief, `test` to judge both.

    Parameters
    ----------
    name : "mnist" (handwritten digits) or "cifar10" (small colour photographs)
    size : "mini" ships with the package; "full" is fetched once into `$WMLEARN_DATA` (default: your
        cache folder)

    Returns
    -------
    Splits
        The parts share no image, and each mini part is a subset of the full part of the same name.
        The arrays are read-only, since everybody who loads the mini set is handed the same ones.

    Raises
    ------
    ValueError
        If the name or the size is unknown.
    OSError
        If a shipped file is damaged, or (as ConnectionError) the full data could not be fetched.

    Source
    ------
    Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits (1998). A. Krizhevsky,
    Learning multiple layers of features from tiny images, technical report, University of Toronto
    (2009). The parts are ours.

    Examples
    --------
    >>> load_data("mnist")
    Splits('mnist', mini: 6,000 train, 2,000 loot, 2,000 test, 10 classes, 1x28x28)
    """
    check_choice(name, "name", SOURCES)
    check_choice(size, "size", ("mini", "full"))
    return _mini(name) if size == "mini" else _splits(name, size, _published.read(name))


@functools.cache
def _mini(name: str) -> Splits:
    return _splits(name, "mini", _shipped.read(name))


def _splits(name: str, size: str, stored: list[Stored]) -> Splits:
    """Return stored images (n, h, w, c) and labels as parts that nobody can write into."""
    parts: list[Split] = []
    for pixels, labels in stored:
        part = Split(pixels.transpose(0, 3, 1, 2), labels.astype(np.int64))
        part.pixels.setflags(write=False)
        part.labels.setflags(write=False)
        parts.append(part)
    train, loot, test = parts
    return Splits(name, train, loot, test, SOURCES[name].classes, size)


def channels_first(images: Any, layout: Layout | None, *, what: str = "images") -> np.ndarray:
    """Return images with their channels on the second axis, or say how to tell where they are."""
    if layout is not None:
        check_choice(layout, "layout", ("NCHW", "NHWC"))
    expected = f"{what} must be an array of shape (n, c, h, w)"
    array = as_array(images, expected)
    if array.ndim != 4:
        step = axes_step(array.shape) if array.dtype.kind in "biuf" else image_step(array)
        raise ValueError(f"{expected}; got {array.dtype} {array.shape}. {step}")
    if layout == "NCHW" or are_pictures(images):
        return array
    moved = np.moveaxis(array, 3, 1) if layout else array
    if moved.shape[1] in (1, 3):
        return moved
    raise ValueError(
        f"{what} must have 1 or 3 channels, shape (n, c, h, w); got {array.shape}. "
        f"{layout_step(array.shape, layout)}"
    )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
