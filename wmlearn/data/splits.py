"""The data: images in three parts, for the owner (`train`), the thief (`loot`), the judge (`test`).

There are two sizes. `mini` ships inside the package and needs no download; `full` is the whole
published data set, downloaded once. Every file is checked against its SHA-256 before it is used.
`docs/data.md` says where the images come from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, replace
from itertools import combinations
from pathlib import Path
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
    check_seed,
    class_names,
    shown,
)
from wmlearn._display import html_table, legible, on_axes, picture, plural
from wmlearn._forms import (
    are_pictures,
    axes_step,
    image_step,
    layout_step,
    resized,
    white_step,
)
from wmlearn._types import Images, Labels, Pixels
from wmlearn.data import _published, _readers, _shipped
from wmlearn.data._readers import in_shares, numbered
from wmlearn.data._sources import SHIPPED, SOURCES, Stored

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from torch import Tensor

    Vary = Callable[[Tensor], Tensor]

Layout = Literal["NCHW", "NHWC"]
SHARES = (60, 20, 20)  # of train, loot and test by default
_NONE: Any = None  # becomes an empty part
_MADE = "as Split.from_images makes one"
_ROWS = 20  # classes that are drawn: the names of more would overlap


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set: images, and the class of each.

    Parameters
    ----------
    pixels : uint8 array of shape (n, c, h, w), 0 to 255
    labels : integer array of shape (n,), class numbers from 0; kept as int64
    vary : a function that changes an image a little each time a network trains on it; see `varied`
    layout : which axis holds the channels, "NCHW" or "NHWC". By default it is the second, which
        must have length 1 or 3: images (n, 3, 5, 3) have three channels, five rows and three
        columns. Any other number of channels needs layout="NCHW"

    Raises
    ------
    TypeError, ValueError
        If a dtype or a shape is wrong, or there is not one label per image.

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
        pixels = check_pixels(channels_first(self.pixels, layout))
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "labels", check_labels(self.labels, count=len(pixels)))

    @classmethod
    def from_images(
        cls,
        images: Any,
        labels: Any,
        classes: int | None = None,
        *,
        layout: Layout | None = None,
    ) -> Split:
        """Return your own images as a part, with each value rounded to one of 256 levels.

        Parameters
        ----------
        images : array of shape (n, c, h, w), float in [0, 1] or uint8; or a list of Pillow images
            of one size, which get three channels if any has colours, else one. Pillow images are
            turned as their EXIF data say, transparency is put on white, 16 bits become 8
        labels : integer array of shape (n,), each in [0, classes)
        classes : the number of classes; left out, labels may be any numbers from 0
        layout : which axis holds the channels, as in `Split`; "NHWC" if they come last, as in
            torchvision's `CIFAR10.data`

        Raises
        ------
        TypeError, ValueError
            If the images or the labels have the wrong type, shape or range.

        Examples
        --------
        >>> photographs = np.zeros((2, 32, 32, 3), np.uint8)
        >>> Split.from_images(photographs, [0, 1], classes=2, layout="NHWC")
        Split(2 images, 3x32x32)
        """
        if classes is not None:
            check_count(classes, "classes", low=1)
        pixels = channels_first(images, layout)
        if pixels.dtype != np.uint8:
            shape = pixels.shape[1:]
            pixels = np.rint(check_images(pixels, shape=shape) * 255).astype(np.uint8)
        elif pixels.max(initial=0) == 1 and not are_pictures(images):
            step = white_step(pixels)
            raise ValueError(f"images must tell what is white; got no number above 1. {step}")
        labels = check_labels(labels, count=len(pixels), classes=classes)
        return cls(pixels, labels, layout="NCHW")

    @property
    def images(self) -> Images:
        """The images as float32 in [0, 1], shape (n, c, h, w); a new array at each access."""
        return np.divide(self.pixels, 255, dtype=np.float32)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (c, h, w) of one image."""
        return self.pixels.shape[1:]

    def take(self, indices: Any) -> Split:
        """Return a part with the chosen images, in this order.

        Parameters
        ----------
        indices : positions from 0, a slice, or a mask of shape (n,)

        Raises
        ------
        IndexError
            If a position or a mask does not fit the number of images.
        """
        try:
            chosen = np.atleast_1d(np.arange(len(self))[indices])
        except IndexError as error:
            raise IndexError(
                f"indices must choose among the {plural(len(self), 'image')} counted from 0; got "
                f"others: {error}. Pass positions, a slice or a mask."
            ) from None
        return Split(self.pixels[chosen], self.labels[chosen], self.vary, layout="NCHW")

    def varied(self, vary: Vary) -> Split:
        """Return the same images with data augmentation: each is changed a little in training.

        Parameters
        ----------
        vary : a function from a uint8 tensor (c, h, w) to another of the same kind, such as a
            transform of `torchvision.transforms.v2`. Only training uses it; `images` and `pixels`
            do not change

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

    `from_arrays`, `from_dataset` and `from_folder` make one of your own images.

    Parameters
    ----------
    name : the name of the data set
    train : the images that the owner trains on
    loot : the images that the thief has, on which the owner never trains; empty if left out
    test : the images by which both are measured; empty if left out
    classes : the name of each class; a label is a position in it. Left out, the label numbers
    size : "mini" or "full", for the data that `load_data` returns

    Raises
    ------
    TypeError, ValueError
        If a part is not a `Split`, the parts differ in image shape, two of them are the same, or a
        label has no class.

    Examples
    --------
    >>> part = Split(np.zeros((4, 3, 64, 64), np.uint8), [0, 1, 1, 0])
    >>> Splits("shapes", part, classes=("circle", "square"))
    Splits('shapes': 4 train, 0 loot, 0 test, 2 classes, 3x64x64)
    """

    name: str
    train: Split
    loot: Split = _NONE
    test: Split = _NONE
    classes: tuple[str, ...] = ()
    size: str = ""

    def __post_init__(self) -> None:
        check_kind(self.train, "train", Split, _MADE)
        if isinstance(self.classes, tuple) and not self.classes:
            object.__setattr__(self, "classes", numbered(self.train.labels, None)[1])
        for part in ("loot", "test"):
            if getattr(self, part) is None:
                object.__setattr__(self, part, self.train.take([]))
        object.__setattr__(self, "classes", class_names(self.classes))
        for part in _shipped.PARTS:
            split = check_kind(getattr(self, part), part, Split, _MADE)
            if split.shape != self.shape:
                raise ValueError(
                    f"{part} must have images of shape {self.shape}, like train; got {split.shape}."
                )
            check_labels(
                split.labels, count=len(split), classes=len(self.classes), what=f"labels of {part}"
            )
        for part, other in combinations(_shipped.PARTS, 2):
            pixels = getattr(self, part).pixels
            if len(pixels) and np.array_equal(pixels, getattr(self, other).pixels):
                raise ValueError(
                    f"{part} and {other} must share no image; got the same part twice. Leave one "
                    "out, or let wm.Splits.from_arrays cut the three."
                )

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: Any,
        *,
        loot: tuple[Any, Any] | None = None,
        test: tuple[Any, Any] | None = None,
        name: str = "own data",
        classes: Sequence[str] | None = None,
        layout: Layout | None = None,
        size: int | tuple[int, int] | None = None,
        parts: tuple[float, float, float] = SHARES,
        seed: int = 0,
    ) -> Splits:
        """Return your own images as a task, cut in three at random with the same shares per class.

        Parameters
        ----------
        images : uint8, or float in [0, 1], shape (n, c, h, w), or (n, h, w) if grey; or a list of
            Pillow images. See `Split.from_images`
        labels : the class of each image, shape (n,): its number from 0, or its name
        loot, test : images and labels of a part that you already have; it is then not cut from
            `images`
        name : the name of the task
        classes : the names of the classes, by number. Left out, they are taken from the labels;
            names in alphabetical order
        layout : "NHWC" if channels come last
        size : the height and width to which images are resized, or one number for both; images are
            not cropped, whatever their proportions
        parts : the shares of train, loot and test; 0 for a part that you do not need
        seed : decides which image goes into which part, 0 to 2**32 - 1

        Raises
        ------
        TypeError, ValueError
            If the images, the labels or the shares have the wrong type, shape or range.

        Examples
        --------
        >>> images = np.random.RandomState(0).rand(10, 64, 64, 3)
        >>> Splits.from_arrays(images, ["cat", "dog"] * 5, layout="NHWC", name="pets")
        Splits('pets': 6 train, 2 loot, 2 test, 2 classes, 3x64x64)
        """
        sides, shares = _sides(size), _check_shares(parts)
        _, names = numbered(labels, classes)
        whole = _part(images, labels, names, layout, sides)
        made: dict[str, Any] = {}
        for place, (part, given) in enumerate((("loot", loot), ("test", test)), 1):
            if given is not None:
                made[part] = _part(*_pair(given, part), names, layout, sides)
                shares[place] = 0
        rows = in_shares(whole.labels, shares, check_seed(seed))
        pieces = dict(zip(_shipped.PARTS, map(whole.take, rows)))
        return cls(name, classes=names, **(pieces | made))

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        *,
        loot: Any = None,
        test: Any = None,
        name: str | None = None,
        classes: Sequence[str] | None = None,
        layout: Layout | None = None,
        size: int | tuple[int, int] | None = None,
        parts: tuple[float, float, float] = SHARES,
        seed: int = 0,
    ) -> Splits:
        """Return a data set of torch, torchvision or Hugging Face as a task, cut in three.

        Parameters
        ----------
        dataset : a `Dataset` or `DataLoader` of pairs (image, label), or of rows with one column of
            each; or a list of such pairs. Its transform is applied; leave normalisation out of it,
            as models normalise inside. Its class names are kept
        loot, test : data sets for these parts, if you have them
        name, classes, layout, size, parts, seed : as for `from_arrays`; by default the name of the
            data set's type, and its classes

        Raises
        ------
        TypeError, ValueError
            If the data set gives something other than images and labels.

        Examples
        --------
        >>> pairs = [(np.full((1, 8, 8), level, np.uint8), level % 2) for level in range(10)]
        >>> Splits.from_dataset(pairs, name="levels", parts=(1, 0, 0))
        Splits('levels': 10 train, 0 loot, 0 test, 2 classes, 1x8x8)
        """
        read = _read(_readers.dataset, size, dataset, loot, test)
        read = {"layout": layout, "name": name or type(dataset).__name__} | read
        if classes is not None:
            read["classes"] = classes
        return cls.from_arrays(**read, size=size, parts=parts, seed=seed)

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        *,
        loot: str | Path | None = None,
        test: str | Path | None = None,
        name: str | None = None,
        size: int | tuple[int, int] | None = None,
        parts: tuple[float, float, float] = SHARES,
        seed: int = 0,
    ) -> Splits:
        """Return the images of a folder with one folder per class as a task, cut in three.

        Parameters
        ----------
        path : the folder; its folders are the classes, and their files PNG, JPEG or any format that
            Pillow reads. Hidden files and files without the suffix of an image are left out
        loot, test : folders of the same kind, with the same classes, if you have these parts
        name, size, parts, seed : as for `from_arrays`; the name is by default that of the folder.
            Images that differ in size need `size`

        Raises
        ------
        OSError, ValueError
            If there is no such folder, or an image is damaged; the error names it.

        Examples
        --------
        >>> import tempfile
        >>> from PIL import Image
        >>> pets = Path(tempfile.mkdtemp(), "pets")
        >>> for number in range(10):
        ...     picture = pets / "cat dog".split()[number % 2] / f"{number}.png"
        ...     picture.parent.mkdir(parents=True, exist_ok=True)
        ...     Image.new("RGB", (100, 80), (20 * number, 0, 0)).save(picture)
        >>> Splits.from_folder(pets, size=64)
        Splits('pets': 6 train, 2 loot, 2 test, 2 classes, 3x64x64)
        """
        read = _read(_readers.folder, size, path, loot, test)
        read["name"] = name or Path(path).resolve().name
        return cls.from_arrays(**read, size=size, parts=parts, seed=seed)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (c, h, w) of one image."""
        return self.train.shape

    def varied(self, vary: Vary) -> Splits:
        """Return the same task with data augmentation in training: see `Split.varied`."""
        return replace(self, train=self.train.varied(vary))

    def to_frame(self) -> pd.DataFrame:
        """Return the number of images per class (rows) and part (columns), as a pandas table."""
        import pandas as pd

        counts = {
            part: np.bincount(getattr(self, part).labels, minlength=len(self.classes))
            for part in _shipped.PARTS
        }
        return pd.DataFrame(counts, index=pd.Index(self.classes, name="class"))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw ten training images per class, up to 20 classes, one per row; return the axes."""
        ax = on_axes(ax, (5, 5))
        c, h, w = self.shape
        classes = self.classes[:_ROWS]
        title = f"{self.name}: ten training images of each class"
        if len(classes) < len(self.classes):
            title = f"{self.name}: the first {_ROWS} of {len(self.classes)} classes"
        grid = np.full((len(classes), 10, c, h, w), 255, np.uint8)  # white where there is none
        for label, row in enumerate(grid):
            examples = self.train.pixels[self.train.labels == label][:10]
            row[: len(examples)] = examples
        ax.imshow(picture(_shipped.mosaic(grid)), cmap="gray", vmin=0, vmax=255)
        ax.set_yticks(np.arange(len(classes)) * h + h / 2, classes)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set(xticks=[], title=title)
        return legible(ax)

    def __repr__(self) -> str:
        parts = ", ".join(f"{len(getattr(self, part)):,} {part}" for part in _shipped.PARTS)
        size, classes = _times(self.shape), len(self.classes)
        known = f", {self.size}" if self.size else ""
        return f"Splits({self.name!r}{known}: {parts}, {classes} classes, {size})"

    def _repr_html_(self) -> str:
        loot = plural(len(self.loot), "image")
        rows = {
            "train": f"{plural(len(self.train), 'image')}, for the owner",
            "loot": f"{loot}, for the thief; the owner never trains on them",
            "test": f"{plural(len(self.test), 'image')}, to judge both",
            "classes": ", ".join(self.classes),
            "one image": f"{_times(self.shape)} (channels, height, width)",
        }
        known = f" ({self.size})" if self.size else ""
        return html_table(self.name + known, rows)


def load_data(name: str, size: Literal["mini", "full"] = "mini") -> Splits:
    """Return a data set: `train` for the owner, `loot` for the thief, `test` to judge both.

    Parameters
    ----------
    name : "mnist" (handwritten digits) or "cifar10" (small colour photographs); in full size also
        "fashion-mnist" (clothes) and "kmnist" (Japanese characters)
    size : "mini" ships with the package; "full" is downloaded once to `$WMLEARN_DATA` (default:
        your cache folder)

    Returns
    -------
    Splits
        The parts share no image, and each mini part is a subset of the full part of the same name.
        The arrays are read-only, as all callers who load the mini set share them.

    Raises
    ------
    ValueError
        If the name or the size is unknown.
    OSError
        If a shipped file is damaged, or (as ConnectionError) the download fails.

    Source
    ------
    Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits (1998). A. Krizhevsky,
    Learning multiple layers of features from tiny images, technical report, University of Toronto
    (2009). H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST (2017). T. Clanuwat and others, Deep
    learning for classical Japanese literature (2018). The parts are ours.

    Examples
    --------
    >>> load_data("mnist")
    Splits('mnist', mini: 6,000 train, 2,000 loot, 2,000 test, 10 classes, 1x28x28)
    """
    check_choice(name, "name", SOURCES)
    check_choice(size, "size", ("mini", "full"))
    if size == "full":
        return _splits(name, size, _published.read(name))
    if name not in SHIPPED:
        raise ValueError(
            f"size must be 'full' for {name}, which does not ship; got 'mini'. Pass "
            f"load_data({name!r}, size='full')."
        )
    return _mini(name)


@functools.cache
def _mini(name: str) -> Splits:
    return _splits(name, "mini", _shipped.read(name))


def _splits(name: str, size: str, stored: list[Stored]) -> Splits:
    """Return stored images (n, h, w, c) and labels as read-only parts."""
    parts: list[Split] = []
    for pixels, labels in stored:
        part = Split(pixels.transpose(0, 3, 1, 2), labels.astype(np.int64))
        part.pixels.setflags(write=False)
        part.labels.setflags(write=False)
        parts.append(part)
    train, loot, test = parts
    return Splits(name, train, loot, test, SOURCES[name].classes, size)


def _read(
    reader: Callable[[Any, Any], _readers.Read], size: Any, source: Any, loot: Any, test: Any
) -> dict[str, Any]:
    """Return the arguments of `Splits.from_arrays`, read from a source and from given parts."""
    sides = _sides(size)
    images, labels, names = reader(source, sides)
    read: dict[str, Any] = {"images": images, "labels": labels, "classes": names}
    if isinstance(images, np.ndarray):  # made of Pillow images
        read["layout"] = "NCHW"
    for part, given in (("loot", loot), ("test", test)):
        if given is not None:
            *read[part], others = reader(given, sides)
            if others != names:
                raise ValueError(
                    f"{part} must have the same classes as the rest, {names}; got {others}. Give "
                    "both the same classes."
                )
    return read


def _part(
    images: Any,
    labels: Any,
    names: Sequence[str],
    layout: Layout | None,
    size: tuple[int, int] | None,
) -> Split:
    """Return images and labels as a resized part; every `from_...` of `Splits` ends here."""
    numbers, _ = numbered(labels, names)
    if getattr(images, "ndim", 0) == 3 and len(images) == len(numbers):  # grey
        images = images[..., None] if layout == "NHWC" else images[:, None]
    part = Split.from_images(images, numbers, len(names), layout=layout)
    return Split(resized(part.pixels, size), part.labels, layout="NCHW")


def _pair(given: Any, part: str) -> tuple[Any, Any]:
    if isinstance(given, (tuple, list)) and len(given) == 2:
        return given[0], given[1]
    raise TypeError(
        f"{part} must be images and labels; got {shown(given)}. Pass {part}=(images, labels)."
    )


def _sides(size: Any) -> tuple[int, int] | None:
    """Return height and width, given as one number or two."""
    if size is None:
        return None
    height, width = size if isinstance(size, tuple) else (size, size)
    return check_count(height, "size", low=1), check_count(width, "size", low=1)


def _check_shares(parts: Any) -> list[float]:
    """Return three shares, the first above 0, or raise an error."""
    shares = np.asarray(parts)
    if shares.shape == (3,) and shares.dtype.kind in "iuf" and min(shares) >= 0 < shares[0]:
        return list(map(float, shares))
    raise ValueError(
        f"parts must be the shares of train (above 0), loot and test; got {shown(parts)}. Pass "
        f"parts={SHARES}."
    )


def check_held(part: Split, what: str) -> None:
    """Raise an error for a part without images, which says how to get some."""
    if not part:
        raise ValueError(
            f"{what} must hold at least one image; got none. Check how it was made: "
            "wm.Splits.from_arrays(images, labels) cuts train, loot and test."
        )


def channels_first(images: Any, layout: Layout | None) -> np.ndarray:
    """Return images as (n, c, h, w), or raise an error that says how to state the layout."""
    if layout is not None:
        check_choice(layout, "layout", ("NCHW", "NHWC"))
    expected = "images must be an array of shape (n, c, h, w)"
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
        f"images must have 1 or 3 channels, shape (n, c, h, w); got {array.shape}. "
        f"{layout_step(array.shape, layout)}"
    )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
