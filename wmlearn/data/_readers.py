"""One reader per format in which people have a task; each returns images, labels, class names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wmlearn._checks import as_array, class_names, shown
from wmlearn._files import readable
from wmlearn._forms import are_pictures, from_pictures, joined
from wmlearn._progress import progress
from wmlearn._random import stable_rng
from wmlearn._types import Pixels

Read = tuple[Any, Any, Any]  # images, labels, the names of the classes or None
Size = tuple[int, int] | None  # height and width to which pictures are resized
Positions = npt.NDArray[np.intp]


# ---------------------------------------------------------------- data sets and folders


def dataset(source: Any, size: Size) -> Read:
    """Return all images and labels of a data set, a list of pairs or a `DataLoader`."""
    if isinstance(source, Mapping):  # parts of a Hugging Face data set
        first, *others = map(str, source)
        raise TypeError(
            f"dataset must be one part; got {len(source)}. Pass x[{first!r}]: the others, such as "
            f"{', '.join(others)}, as loot= and test=."
        )
    rows = source
    if not hasattr(source, "__iter__"):  # torch's have a length, but indexing them may never end
        rows = map(source.__getitem__, range(len(source)))
    images: list[Any] = []
    labels: list[Any] = []
    column = None
    for row in _counted(rows, getattr(source, "__len__", int)()):
        if isinstance(row, Mapping):
            image_column, column = _columns(row)
            row = (row[image_column], row[column])
        if not isinstance(row, (tuple, list)) or len(row) != 2:
            raise TypeError(
                f"dataset must give pairs of image and label; got {shown(row)}. Pass "
                "[(image, label) for image, label, *_ in x]."
            )
        image, label = row
        if are_pictures(image):
            image = from_pictures(image, size)[0]
        array = as_array(image, "an image must be a picture, or an array")
        batch = array.ndim == 4
        images.extend(array if batch else [array])
        labels.extend(label if batch else [label])
    if not images:
        raise ValueError("dataset must give images and labels; got none. Check how it was made.")
    pixels = joined(images) if are_pictures(row[0]) else images
    return pixels, list(map(np.asarray, labels)), _names(source, column)


def _columns(row: Mapping[str, Any]) -> list[str]:
    """Return the names of the image and the label column, if there is exactly one of each."""
    images, labels = [], []
    for column, value in row.items():
        if are_pictures(value) or getattr(value, "ndim", 0) > 1:
            images.append(column)
        elif isinstance(value, (int, str)) or hasattr(value, "ndim"):
            labels.append(column)
    if len(images) == len(labels) == 1:
        return images + labels
    chosen = [*images[:1], *labels[:1]]
    raise ValueError(
        f"rows must have one column of images and one of labels; got {', '.join(row)}. Pass "
        f"x.select_columns({chosen}): or two others."
    )


def _names(source: Any, column: str | None) -> Any:
    """Return the class names of a data set; None if it has none."""
    while hasattr(source, "dataset"):  # inside a DataLoader or a Subset
        source = source.dataset
    features = getattr(source, "features", None) or {}
    if column in features:
        source = features[column]
    names = getattr(source, "names", getattr(source, "classes", None))
    return names if isinstance(names, (list, tuple)) else None


def folder(path: str | Path, size: Size) -> Read:
    """Return the images in a folder that has one folder per class."""
    expected = f"{path} should hold one folder per class, with its images"
    with readable(expected, f"Pass the path of the folder: this one is {Path(path).absolute()}."):
        found = [each for each in Path(path).iterdir() if each.is_dir()]
    classes = sorted(each for each in found if each.name[0] != ".")
    if not classes:
        raise ValueError(f"{expected}; it holds no folder. Put the images of each class in one.")
    files: list[Path] = []
    labels: list[int] = []
    for label, each in enumerate(classes):
        found = _files(each, "*")
        files += found
        labels += [label] * len(found)
    pixels = from_pictures(_counted(files, len(files)), size)
    return pixels, labels, [each.name for each in classes]


def pool(path: str | Path, size: Size) -> Pixels:
    """Return all images in a folder and its subfolders, uint8, shape (n, c, h, w)."""
    files = _files(Path(path), "**/*")
    return from_pictures(_counted(files, len(files)), size)


def _files(path: Path, pattern: str) -> list[Path]:
    """Return the image files in a folder, sorted by name, without hidden ones.

    Raises
    ------
    ValueError
        If there are none.
    """
    from PIL import Image

    known = Image.registered_extensions()
    found = [each for each in path.glob(pattern) if each.suffix.lower() in known]
    found = sorted(each for each in found if each.name[0] != ".")
    if not found:
        raise ValueError(
            f"{path} should hold images; it holds none. Choose another folder, or move it away; "
            f"if its folders are classes, pass wm.Splits.from_folder({str(path)!r})."
        )
    return found


def _counted(items: Iterable[Any], total: int) -> Iterator[Any]:
    """Yield items with a progress bar, which appears after one second."""
    with progress(total, "reading", "image", delay=1) as bar:
        for item in items:
            yield item
            bar.update()


# ---------------------------------------------------------------- labels and parts


def numbered(labels: Any, classes: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels, numbers or names, as class numbers, together with the names of all classes."""
    array = as_array(labels, "labels must be numbers of classes, or their names")
    if array.dtype.kind in "OT" and {type(each) for each in array.flat} == {str}:
        array = array.astype(str)
    classes = _names_in(array) if classes is None else class_names(classes)
    if array.dtype.kind == "U":
        unknown = set(array.flat) - set(classes)
        if unknown:
            got = shown(str(min(unknown)))
            raise ValueError(
                f"labels must be among the classes {', '.join(classes)}; got {got}. Leave its "
                "images out, or add it to classes=."
            )
        array = np.array([classes.index(name) for name in array.flat])
    return array, classes


def _names_in(labels: np.ndarray) -> tuple[str, ...]:
    """Return the distinct labels as class names; numbers must count from 0 without a gap."""
    names = tuple(map(str, np.unique(labels)))
    if labels.dtype.kind in "iu" and names != tuple(map(str, range(len(names)))):
        raise ValueError(
            f"labels must count the classes from 0 and leave none out; got {', '.join(names)}. "
            "Pass np.unique(labels, return_inverse=True)[1], or the names of all in classes=."
        )
    return names


def cut(labels: Any, ends: Callable[[int], Any], seed: int) -> list[Positions]:
    """Return the positions, in ascending order, of parts drawn at random within each class.

    `ends` takes the number of images of a class, and returns where they are cut.
    """
    rng = stable_rng(seed)
    pieces = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        pieces.append(np.split(rows, ends(len(rows))))
    return [np.sort(np.concatenate(part)) for part in zip(*pieces)]


def in_shares(labels: Any, shares: Sequence[float], seed: int) -> list[Positions]:
    """Return the positions of parts with these shares; the first has every class at least once.

    Examples
    --------
    >>> in_shares(np.array([0, 0, 0, 1, 0, 0]), (60, 20, 20), seed=0)
    [array([0, 1, 2, 3]), array([4]), array([5])]
    """
    inner = np.cumsum(shares)[:-1] / sum(shares)
    return cut(labels, lambda count: np.maximum(1, np.rint(inner * count)).astype(int), seed)
