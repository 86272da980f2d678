"""The full data sets: fetched once through torchvision, checked, and kept as one .npz each."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wmlearn._random import stable_rng
from wmlearn._types import Pixels
from wmlearn.data._sources import SOURCES, Stored, digest, expect, short

KEYS = ("x_train", "x_test", "y_train", "y_test")  # the digest takes them in this order
LOOT_PER_CLASS = 1000

Originals = tuple[Pixels, Pixels, Pixels, Pixels]  # images (n, h, w, c) twice, labels (n,) twice
Positions = npt.NDArray[np.intp]


def read(name: str) -> list[Stored]:
    """Return the images and labels of train, loot and test."""
    x_train, x_test, y_train, y_test = originals(name)
    train, loot = owner_and_thief(y_train)
    return [(x_train[train], y_train[train]), (x_train[loot], y_train[loot]), (x_test, y_test)]


def originals(name: str) -> Originals:
    """Return x_train, x_test, y_train, y_test as published, from the user's folder if they can."""
    folder = data_folder()
    path = folder / f"{name}.npz"
    arrays = _read_npz(name, path)
    if arrays is None:
        arrays = _fetch(name, folder)
        _keep(arrays, path)
    return arrays


def data_folder() -> Path:
    """Return where the full data sets are kept: `$WMLEARN_DATA`, or else the user's cache."""
    import platformdirs

    chosen = os.environ.get("WMLEARN_DATA")
    if chosen:
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("wmlearn", appauthor=False)


def owner_and_thief(labels: Pixels) -> tuple[Positions, Positions]:
    """Return which of the published training images are `train` and which are `loot`."""
    loot = draw(labels, LOOT_PER_CLASS, seed=0)
    return np.setdiff1d(np.arange(len(labels)), loot), loot


def draw(labels: Pixels, per_class: int, seed: int) -> Positions:
    """Return the positions, in ascending order, of equally many images of every class, drawn at
    random.

    Examples
    --------
    >>> draw(np.array([0, 1, 0, 1, 0, 1]), per_class=1, seed=0)
    array([4, 5])
    """
    rng = stable_rng(seed)
    chosen: list[Positions] = []
    for label in np.unique(labels):
        chosen.append(rng.permutation(np.flatnonzero(labels == label))[:per_class])
    return np.sort(np.concatenate(chosen))


def _read_npz(name: str, path: Path) -> Originals | None:
    if not path.exists():
        return None
    try:
        with _as_os_error(), np.load(path, allow_pickle=False) as file:
            return _checked(name, *(file[key] for key in KEYS))
    except OSError as error:
        _warn(
            f"{path} should hold the full {name} but is damaged or another file ({error}); "
            "it is removed and fetched again."
        )
        _remove(path)
        return None


def _fetch(name: str, folder: Path) -> Originals:
    """Read what torchvision left in the folder; if that is nothing, or damaged, download it."""
    source = SOURCES[name]
    if any(folder.glob(source.unpacked)):
        try:
            return _through_torchvision(name, folder, download=False)
        except OSError as error:
            _warn(
                f"The {name} files that torchvision keeps in {folder} are damaged or incomplete "
                f"({error}); they are removed and fetched again."
            )
            _remove(*folder.glob(source.unpacked))
    try:
        return _through_torchvision(name, folder, download=True)
    except OSError as error:
        _remove(*folder.glob(source.unpacked), *folder.glob(source.archives))
        raise ConnectionError(
            f"The full {name} should have been fetched into {folder}, but this came instead: "
            f"{error}; check the connection and the disk, set WMLEARN_DATA to a folder that has "
            "the data, or use the mini size, which needs no download."
        ) from error


def _through_torchvision(name: str, folder: Path, *, download: bool) -> Originals:
    """Return the four arrays as torchvision reads them, or raise an OSError."""
    try:
        from torchvision import datasets
    except ImportError as error:
        raise ImportError(
            'size="full" needs torchvision to fetch it; install that, or use size="mini".'
        ) from error
    images, labels = [], []
    with _as_os_error():
        for train in (True, False):
            part = getattr(datasets, name.upper())(folder, train=train, download=download)
            images.append(np.asarray(part.data))
            labels.append(np.asarray(part.targets).astype(np.uint8))
        return _checked(name, *images, *labels)


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    """Turn all that says "no data" into an OSError: urllib, zipfile, pickle and torch raise a dozen
    kinds.
    """
    try:
        yield
    except MemoryError:  # says nothing about the files
        raise
    except Exception as error:
        raise OSError(short(error)) from error


def _checked(name: str, *arrays: Pixels) -> Originals:
    """Return the arrays if they are the published bytes, images as (n, h, w, c)."""
    expect(digest(*arrays), SOURCES[name].full)
    c, h, w = SOURCES[name].shape
    x_train, x_test, y_train, y_test = arrays
    return x_train.reshape(-1, h, w, c), x_test.reshape(-1, h, w, c), y_train, y_test


def _keep(arrays: Originals, path: Path) -> None:
    """Write the .npz under another name first, so a file of the right name is always whole."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            # numpy's types take every name for that of an option
            np.savez(file, **dict(zip(KEYS, arrays)))  # type: ignore[arg-type]
        os.replace(part, path)
    except OSError as error:
        _warn(
            f"{path} could not be written ({short(error)}); the data are returned, but not kept "
            "for next time."
        )
    finally:
        _remove(part)


def _remove(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=6)  # at the line that called load_data
