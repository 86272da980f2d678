"""The full data sets: fetched once through torchvision, checked, and kept as one .npz each."""

import os
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from wmlearn._extras import extras
from wmlearn._files import UnfitError, locked, readable, whole
from wmlearn._types import Pixels
from wmlearn.data._readers import Positions, cut
from wmlearn.data._sources import SOURCES, Stored, digest, expect, short

KEYS = ("x_train", "x_test", "y_train", "y_test")  # the digest takes them in this order
LOOT_PER_CLASS = 1000

Originals = tuple[Pixels, Pixels, Pixels, Pixels]  # images (n, h, w, c) twice, labels (n,) twice


def read(name: str) -> list[Stored]:
    """Return the images and labels of train, loot and test."""
    x_train, x_test, y_train, y_test = originals(name)
    train, loot = owner_and_thief(y_train)
    return [(x_train[train], y_train[train]), (x_train[loot], y_train[loot]), (x_test, y_test)]


def originals(name: str) -> Originals:
    """Return x_train, x_test, y_train, y_test as published, from the user's folder if they can.

    Raises
    ------
    OSError
        If the folder holds another file of that name, or one that must not be read.
    ConnectionError
        If they are not there, and could not be fetched.
    """
    folder = data_folder()
    path = folder / f"{name}.npz"
    arrays = _kept(name, path)
    if arrays is None:
        arrays = _left_by_torchvision(name, folder)
        if arrays is None:
            return _fetch(name, folder, path)
        _keep(arrays, path, stacklevel=5)
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
    loot, train = cut(labels, lambda _: [LOOT_PER_CLASS], seed=0)
    return train, loot


def _kept(name: str, path: Path) -> Originals | None:
    """Return what was kept as .npz; None if nothing was."""
    expected = f"{path} should hold the full {name} as published"
    step = "It is left as it is: move it away, or set WMLEARN_DATA to another folder."
    try:
        with readable(expected, step), path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise UnfitError("it is no .npz")
            file.seek(0)
            arrays = np.load(file, allow_pickle=False)
            return _checked(name, *(arrays[key] for key in KEYS))
    except FileNotFoundError:
        return None


def _left_by_torchvision(name: str, folder: Path) -> Originals | None:
    """Return what torchvision left in the folder; None if that is nothing, or another's."""
    source = SOURCES[name]
    if not source.full or not any(folder.glob(source.unpacked)):  # only archives could be checked
        return None
    try:
        return _through_torchvision(name, folder, download=False)
    except OSError as error:
        warnings.warn(
            f"The files in {folder} that torchvision would read as {name} cannot be used "
            f"({short(error)}); they are left as they are, and the published ones are fetched.",
            stacklevel=5,
        )
        return None


def _fetch(name: str, folder: Path, path: Path) -> Originals:
    """Download the data into a folder of its own, which goes when all of it is kept, not before:
    what is complete of it need not be fetched again.
    """
    staging = folder / f"{name}-fetching"
    try:
        staging.mkdir(parents=True, exist_ok=True)
        with locked(folder / f".{name}.lock"):
            arrays = _kept(name, path)  # by another process, while this one waited
            if arrays is None:
                _lend(SOURCES[name].archives, folder, staging)
                for cut_off in staging.glob(SOURCES[name].unpacked):
                    cut_off.unlink()  # torchvision asks but whether it is there
                arrays = _through_torchvision(name, staging, download=True)
                _keep(arrays, path, stacklevel=6)
            if path.exists():
                shutil.rmtree(staging, ignore_errors=True)
            return arrays
    except OSError as error:
        raise ConnectionError(
            f"The full {name} should have been fetched into {folder}, but this came instead: "
            f"{short(error)}; check the connection and the disk, set WMLEARN_DATA to a folder that "
            "has the data, or use a mini size (mnist, cifar10), which needs no download."
        ) from error


def _lend(archives: str, folder: Path, staging: Path) -> None:
    """Copy the archives that the user has: torchvision writes over what it cannot use."""
    for archive in folder.glob(archives):
        copy = staging / archive.relative_to(folder)
        try:
            # what was cut off is shorter
            if not copy.exists() or copy.stat().st_size < archive.stat().st_size:
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(archive, copy)
        except OSError as error:
            warnings.warn(
                f"{archive} cannot be read ({short(error)}); it is fetched again.", stacklevel=6
            )


def _through_torchvision(name: str, folder: Path, *, download: bool) -> Originals:
    """Return the four arrays as torchvision reads them, or raise an OSError."""
    with extras():
        from torchvision import datasets
    # what its old versions left would be unpickled by some
    seen: dict[str, Any] = {"_check_legacy_exist": lambda _: False}
    reader = SOURCES[name].reader
    dataset = type(reader, (getattr(datasets, reader),), seen)
    images, labels = [], []
    try:
        for train in (True, False):
            part = dataset(folder, train=train, download=download)
            images.append(np.asarray(part.data))
            labels.append(np.asarray(part.targets).astype(np.uint8))
        return _checked(name, *images, *labels)
    except (MemoryError, OSError):  # the one says nothing about the files, the other why
        raise
    except Exception as error:  # urllib, zipfile, pickle and torch raise a dozen kinds
        raise OSError(short(error)) from error


def _checked(name: str, *arrays: Pixels) -> Originals:
    """Return the arrays if they are the published bytes, images as (n, h, w, c)."""
    source = SOURCES[name]
    if source.full:
        expect(digest(*arrays), source.full)
    c, h, w = source.shape
    x_train, x_test, y_train, y_test = arrays
    return x_train.reshape(-1, h, w, c), x_test.reshape(-1, h, w, c), y_train, y_test


def _keep(arrays: Originals, path: Path, stacklevel: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path, new=True) as file:
            # numpy's types take every name for that of an option
            np.savez(file, **dict(zip(KEYS, arrays)))  # type: ignore[arg-type]
    except FileExistsError:  # another process was faster
        pass
    except OSError as error:
        warnings.warn(
            f"{path} could not be written ({short(error)}); the data are returned, but not kept "
            "for next time.",
            stacklevel=stacklevel,
        )
