"""The full data sets: downloaded once through torchvision, checked, and kept as one .npz each."""

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

KEYS = ("x_train", "x_test", "y_train", "y_test")  # in the order of the digest
LOOT_PER_CLASS = 1000

Originals = tuple[Pixels, Pixels, Pixels, Pixels]  # images (n, h, w, c) twice, labels (n,) twice


def read(name: str) -> list[Stored]:
    """Return the images and labels of train, loot and test."""
    x_train, x_test, y_train, y_test = originals(name)
    train, loot = owner_and_thief(y_train)
    return [(x_train[train], y_train[train]), (x_train[loot], y_train[loot]), (x_test, y_test)]


def originals(name: str) -> Originals:
    """Return x_train, x_test, y_train, y_test as published, from the user's folder if possible.

    Raises
    ------
    OSError
        If a file of that name in the folder holds something else, or may not be read.
    ConnectionError
        If the data are not in the folder and the download fails.
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
    """Return the folder of the full data sets: `$WMLEARN_DATA`, or else the user's cache."""
    import platformdirs

    chosen = os.environ.get("WMLEARN_DATA")
    if chosen:
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("wmlearn", appauthor=False)


def owner_and_thief(labels: Pixels) -> tuple[Positions, Positions]:
    """Return the positions of `train` and of `loot` in the published training images."""
    loot, train = cut(labels, lambda _: [LOOT_PER_CLASS], seed=0)
    return train, loot


def _kept(name: str, path: Path) -> Originals | None:
    """Return the arrays kept as .npz; None if there is no such file."""
    expected = f"{path} should hold the full {name} as published"
    step = "The file is not changed: move it away, or set WMLEARN_DATA to another folder."
    try:
        with readable(expected, step), path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise UnfitError("it is not a .npz file")
            file.seek(0)
            arrays = np.load(file, allow_pickle=False)
            return _checked(name, *(arrays[key] for key in KEYS))
    except FileNotFoundError:
        return None


def _left_by_torchvision(name: str, folder: Path) -> Originals | None:
    """Return the arrays of files that torchvision left in the folder; None if they are unusable."""
    source = SOURCES[name]
    if not source.full or not any(folder.glob(source.unpacked)):  # no SHA-256 to check against
        return None
    try:
        return _through_torchvision(name, folder, download=False)
    except OSError as error:
        warnings.warn(
            f"The files in {folder} that torchvision would read as {name} cannot be used "
            f"({short(error)}); they are not changed, and the published ones are downloaded.",
            stacklevel=5,
        )
        return None


def _fetch(name: str, folder: Path, path: Path) -> Originals:
    """Download the data to a temporary folder and keep them as .npz.

    The temporary folder is deleted only when all data are kept: complete parts of an interrupted
    download are used again.
    """
    staging = folder / f"{name}-fetching"
    try:
        staging.mkdir(parents=True, exist_ok=True)
        with locked(folder / f".{name}.lock"):
            arrays = _kept(name, path)  # written by another process while this one waited
            if arrays is None:
                _lend(SOURCES[name].archives, folder, staging)
                for cut_off in staging.glob(SOURCES[name].unpacked):
                    cut_off.unlink()  # torchvision checks only that it exists
                arrays = _through_torchvision(name, staging, download=True)
                _keep(arrays, path, stacklevel=6)
            if path.exists():
                shutil.rmtree(staging, ignore_errors=True)
            return arrays
    except OSError as error:
        raise ConnectionError(
            f"The full {name} should be downloaded to {folder}; this failed: {short(error)}. Check "
            "the connection and the disk, set WMLEARN_DATA to a folder that has the data, or use a "
            "mini size (mnist, cifar10), which needs no download."
        ) from error


def _lend(archives: str, folder: Path, staging: Path) -> None:
    """Copy the user's own archives: torchvision overwrites an archive that it cannot use."""
    for archive in folder.glob(archives):
        copy = staging / archive.relative_to(folder)
        try:
            # a shorter copy is an interrupted one
            if not copy.exists() or copy.stat().st_size < archive.stat().st_size:
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(archive, copy)
        except OSError as error:
            warnings.warn(
                f"{archive} cannot be read ({short(error)}); it is downloaded again.", stacklevel=6
            )


def _through_torchvision(name: str, folder: Path, *, download: bool) -> Originals:
    """Return the four arrays as torchvision reads them; raise `OSError` if it cannot."""
    with extras():
        from torchvision import datasets
    # some versions would unpickle files that old versions left
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
    except (MemoryError, OSError):  # the first is not about the files, the second says why
        raise
    except Exception as error:  # urllib, zipfile, pickle and torch raise many kinds
        raise OSError(short(error)) from error


def _checked(name: str, *arrays: Pixels) -> Originals:
    """Return the arrays, images as (n, h, w, c), if their SHA-256 is that of the published data."""
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
            # numpy's type hints read every keyword as an option
            np.savez(file, **dict(zip(KEYS, arrays)))  # type: ignore[arg-type]
    except FileExistsError:  # another process was faster
        pass
    except OSError as error:
        warnings.warn(
            f"{path} could not be written ({short(error)}); the data are returned, but not kept "
            "for the next time.",
            stacklevel=stacklevel,
        )
