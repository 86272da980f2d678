"""One reader for each form in which people have a task: each returns images, labels, names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wmlearn import _forms
from wmlearn._checks import as_array, check_count, shown
from wmlearn._progress import progress
from wmlearn._random import stable_rng

Read = tuple[Any, Any, Sequence[str] | None]  # images, labels, the names of the classes if known
Size = tuple[int, int]  # height, width
Positions = npt.NDArray[np.intp]


# ---------------------------------------------------------------- data sets and folders


def dataset(source: Any, size: Size | None) -> Read:
    """Return what a data set, a list of pairs or a `DataLoader` gives, one after the other."""
    rows = source
    if not hasattr(source, "__iter__"):  # torch's have a length, and no end of their own
        rows = map(source.__getitem__, range(len(source)))
    pairs, named = _pairs(_counted(rows, getattr(source, "__len__", int)()), source)
    images: list[Any] = []
    labels: list[Any] = []
    for image, label in pairs:
        if getattr(image, "ndim", 0) == 4:
            images.extend(np.asarray(image))
            labels.extend(np.asarray(label))
        elif _forms.are_pictures(image):
            images.append(_forms.from_pictures(image, size)[0])
            labels.append(label)
        else:
            images.append(as_array(image, "images must be pictures, or arrays"))
            labels.append(label)
    if not images:
        raise ValueError(f"dataset must give images and labels; {shown(source)} gave none.")
    if _forms.are_pictures(image):
        return _forms.joined(images), labels, named
    array = as_array(images, "images must be of one shape")
    if array.dtype.kind == "f" and not -0.01 < array.min() <= array.max() < 1.01:
        raise ValueError(
            "images must be from 0 to 1, or 8-bit; those of the data set have values from "
            f"{array.min():.3g} to {array.max():.3g}. Leave normalisation out of its transform: "
            "models normalise inside."
        )
    return array, labels, named


def _pairs(rows: Iterable[Any], source: Any) -> tuple[Iterator[tuple[Any, Any]], Any]:
    """Return the image and label of each row, and the names that the data set has for labels."""
    while hasattr(source, "dataset"):  # a DataLoader's, a Subset's
        source = source.dataset
    features: Mapping[str, Any] = getattr(source, "features", None) or {}
    rows = iter(rows)
    first = next(rows, ())
    names = getattr(source, "classes", None)
    if isinstance(first, Mapping):
        columns = _columns(first, features)
        names = getattr(features.get(columns[1]), "names", names)

    def pair(row: Any) -> tuple[Any, Any]:
        if isinstance(row, Mapping):
            row = [row[column] for column in columns]
        if not isinstance(row, (tuple, list)) or len(row) != 2:
            raise TypeError(
                f"dataset must give pairs of image and label; {shown(source)} gave {shown(row)}. "
                "Pass [(image, label) for image, label, *_ in x]."
            )
        return row[0], row[1]

    every = (pair(row) for start in ([first], rows) for row in start)
    return every, names if isinstance(names, (list, tuple)) else None


def _columns(row: Mapping[str, Any], features: Mapping[str, Any]) -> list[str]:
    """Return the column of the images and that of the labels, if there is one of each."""
    images, labels, named = [], [], []
    for column, value in row.items():
        if _forms.are_pictures(value) or getattr(value, "ndim", 0) > 1 or isinstance(value, list):
            images.append(column)
        elif isinstance(value, (int, str, np.integer)) or hasattr(value, "ndim"):
            labels.append(column)
        if hasattr(features.get(column), "names"):
            named.append(column)
    labels = named or labels
    if len(images) == len(labels) == 1:
        return images + labels
    chosen = [*images[:1], *labels[:1]]
    raise ValueError(
        f"rows must have one column of images and one of labels; got {', '.join(map(str, row))}. "
        f"Pass x.select_columns({chosen}): or two others."
    )


def folder(path: Any, size: Size | None) -> Read:
    """Return the pictures of a folder that has a folder for each class."""
    path = Path(path)
    inside = [each for each in _listed(path) if each.is_dir()]
    files: list[Path] = []
    labels: list[int] = []
    for label, each in enumerate(inside):
        found = [file for file in _listed(each) if _is_picture(file)]
        below = [folder.name for folder in inside if any(map(Path.is_dir, _listed(folder)))]
        if not found and below:
            raise ValueError(
                f"{path} should hold a folder for each class; {each.name} holds folders itself. "
                f"Pass wm.Splits.from_folder({str(path / below[-1])!r}, "
                f"test={str(path / below[0])!r})."
            )
        if not found:
            raise ValueError(
                f"{each} should hold the pictures of a class; it holds none. Move it away."
            )
        files += found
        labels += [label] * len(found)
    if not files:
        raise ValueError(
            f"{path} should hold a folder for each class, with its pictures; it holds "
            f"{len(_listed(path))} other files. Put them into folders."
        )
    return _pictures(files, size), labels, [each.name for each in inside]


def pool(path: Any, size: Size) -> Any:
    """Return all the pictures in a folder and below it."""
    files = sorted(filter(_is_picture, Path(path).rglob("*")))
    if not files:
        raise ValueError(f"pool must be a folder with pictures; {path} has none, or is none.")
    return _pictures(files, size)


def _pictures(files: Sequence[Path], size: Size | None) -> Any:
    return _forms.from_pictures(_counted(files, len(files)), size)


def _listed(path: Path) -> list[Path]:
    """Return what is in a folder, in the order of the names; nothing hidden."""
    return sorted(each for each in path.iterdir() if each.name[0] not in "._")


def _is_picture(path: Path) -> bool:
    from PIL import Image

    known = path.suffix.lower() in Image.registered_extensions()
    return known and path.name[0] not in "._" and path.is_file()


def _counted(items: Iterable[Any], total: int) -> Iterator[Any]:
    """Go through items with a bar, if it takes a while."""
    with progress(total, "reading", "image", delay=1) as bar:
        for item in items:
            yield item
            bar.update()


# ---------------------------------------------------------------- labels, sizes, parts


def class_names(labels: Any) -> tuple[str, ...]:
    """Return the names of the classes: those that the labels are, or their numbers."""
    present = np.unique(labels)
    if present.dtype.kind == "U":
        return tuple(map(str, present))
    count = int(present.max(initial=0)) + 1
    if len(present) < count:
        missing = min(set(range(count)) - set(present.tolist()))
        raise ValueError(
            f"labels must leave no class out where classes= does not name them; class {missing} "
            "has no image. Pass classes=, or np.unique(labels, return_inverse=True)[1]."
        )
    return tuple(map(str, range(count)))


def numbered(labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Return the numbers of classes for their names; numbers as they are."""
    if labels.dtype.kind != "U":
        return labels
    unknown = set(labels.ravel().tolist()) - set(classes)
    if unknown:
        raise ValueError(
            f"labels must be among the classes {', '.join(classes)}; got {min(unknown)!r}. "
            "Leave its images out, or name it in classes=."
        )
    places: np.ndarray = np.vectorize(list(classes).index, otypes=[np.int64])(labels)
    return places


def as_labels(labels: Any) -> np.ndarray:
    """Return labels as an array, texts as such however they are held."""
    array = as_array(labels, "labels must be numbers of classes, or their names")
    if array.dtype.kind in "OT" and {type(each) for each in array.flat} <= {str, np.str_}:
        return array.astype(str)
    return array


def sides(size: Any) -> Size | None:
    """Return a height and a width, of one number or two."""
    if size is None:
        return None
    pair = size if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2:
        raise ValueError(f"size must be one number, or a height and a width; got {len(pair)}.")
    height, width = (check_count(side, "size", low=1, why="pixels") for side in pair)
    return height, width


def cut(labels: Any, ends: Callable[[int], Any], seed: int) -> list[Positions]:
    """Return the positions, in ascending order, of parts drawn at random, each with its share of
    every class; `ends` says where the images of a class, so many, are cut.
    """
    rng = stable_rng(seed)
    pieces = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        pieces.append(np.split(rows, ends(len(rows))))
    return [np.sort(np.concatenate(part)) for part in zip(*pieces)]


def in_shares(labels: Any, shares: Sequence[float], seed: int) -> list[Positions]:
    """Return positions in shares; of each class at least one is in the first.

    Examples
    --------
    >>> in_shares(np.array([0, 0, 0, 1, 0, 0]), (60, 20, 20), seed=0)
    [array([1, 3, 4, 5]), array([2]), array([0])]
    """
    ends = np.cumsum(shares)[:-1] / sum(shares)
    return cut(labels, lambda n: np.maximum(1, np.rint(ends * n)).astype(int), seed)
