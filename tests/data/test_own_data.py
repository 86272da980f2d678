"""Data of one's own by every door: arrays, data sets of others, folders."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset, TensorDataset
from torchvision import datasets
from torchvision.transforms import v2

import wmlearn as wm
from wmlearn import theft
from wmlearn._random import stable_rng
from wmlearn.data import Split, Splits

PIXELS = stable_rng(0).randint(0, 256, (50, 3, 12, 10)).astype(np.uint8)
LABELS = np.arange(50) % 5
NAMES = ["ant", "bee", "cat", "dog", "eel"]
PICTURES = [Image.fromarray(image.transpose(1, 2, 0)) for image in PIXELS]


def everything(data: Splits) -> list[tuple[bytes, str]]:
    """Return each image with the name of its class, whichever part it is in."""
    parts = (data.train, data.loot, data.test)
    return sorted(
        (image.tobytes(), data.classes[label])
        for part in parts
        for image, label in zip(part.pixels, part.labels, strict=True)
    )


WHOLE = sorted((image.tobytes(), NAMES[label]) for image, label in zip(PIXELS, LABELS))


class Column:
    """The labels of a Hugging Face data set."""

    names = NAMES


class Rows:
    """A Hugging Face data set: rows by name, and what each column is."""

    features = {"image": None, "label": Column}

    def __init__(self, *more: str) -> None:
        self.more = more

    def __len__(self) -> int:
        return len(PICTURES)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for image, label in zip(PICTURES, LABELS.tolist()):
            yield {"image": image, "label": label, **dict.fromkeys(self.more, 7)}


class Indexed:
    """A data set of torch as the manual shows one: a length and an index, no end."""

    classes = NAMES

    def __len__(self) -> int:
        return 50

    def __getitem__(self, place: int) -> tuple[Image.Image, int]:
        return PICTURES[place % 50], int(LABELS[place % 50])


class Named(TensorDataset):
    classes = NAMES


TENSORS = Named(torch.tensor(PIXELS), torch.tensor(LABELS))
FLOATS = [(PIXELS[i] / np.float32(255), int(LABELS[i])) for i in range(50)]
WORDS = np.array(NAMES)[LABELS]
DOORS = {
    "8 bits": lambda: Splits.from_arrays(PIXELS, LABELS, classes=NAMES),
    "floats": lambda: Splits.from_arrays(PIXELS / 255, LABELS, classes=tuple(NAMES)),
    "channels last": lambda: Splits.from_arrays(
        np.moveaxis(PIXELS, 1, 3), LABELS, classes=NAMES, layout="NHWC"
    ),
    "tensors": lambda: Splits.from_arrays(*TENSORS.tensors, classes=NAMES),
    "pictures": lambda: Splits.from_arrays(PICTURES, WORDS.tolist()),
    "names": lambda: Splits.from_arrays(PIXELS, WORDS),
    "objects": lambda: Splits.from_arrays(PIXELS, WORDS.astype(object)),
    "indexed": lambda: Splits.from_dataset(Indexed()),
    "rows": lambda: Splits.from_dataset(Rows()),
    "tensor data": lambda: Splits.from_dataset(TENSORS),
    "loader": lambda: Splits.from_dataset(DataLoader(TENSORS, batch_size=8)),
    "loader of a subset": lambda: Splits.from_dataset(DataLoader(Subset(TENSORS, range(50)), 7)),
    "pairs": lambda: Splits.from_dataset(FLOATS, classes=NAMES),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_leads_to_the_same_images_and_names(door):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = DOORS[door]()
    assert everything(data) == WHOLE
    assert data.classes == tuple(NAMES)
    for part, count in ((data.train, 6), (data.loot, 2), (data.test, 2)):
        assert np.bincount(part.labels).tolist() == [count] * 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "meine Bilder ß"
    for place, picture in enumerate(PICTURES):
        (root / NAMES[LABELS[place]]).mkdir(parents=True, exist_ok=True)
        picture.save(root / NAMES[LABELS[place]] / f"{place} ä.png")
    (root / ".hidden").mkdir()
    (root / "ant" / "notes.txt").write_text("no picture")
    (root / "ant" / "._0.png").write_text("what a Mac leaves behind")
    return root


def test_a_folder_for_each_class(folder):
    data = Splits.from_folder(folder)
    assert everything(data) == WHOLE
    assert (data.name, data.classes) == ("meine Bilder ß", tuple(NAMES))
    (folder / ".hidden").rmdir()  # torchvision would take both for its own
    (folder / "ant" / "._0.png").unlink()
    same = Splits.from_dataset(datasets.ImageFolder(str(folder)))
    assert np.array_equal(np.sort(same.train.labels), np.sort(data.train.labels))


def test_a_folder_needs_no_torch(run_python, folder):
    code = f"""
import sys
sys.modules["torch"] = None
import wmlearn as wm
print(wm.Splits.from_folder({str(folder)!r}, size=8, parts=(1, 0, 0)))
"""
    assert run_python(code) == (
        "Splits('meine Bilder ß': 50 train, 0 loot, 0 test, 5 classes, 3x8x8)"
    )


def test_folders_that_cannot_be_read_are_named(says, folder, tmp_path):
    with says(FileNotFoundError):
        Splits.from_folder(tmp_path / "nowhere")
    with says(OSError):
        Splits.from_folder(folder / "bee" / "1 ä.png")
    with says(ValueError):
        Splits.from_folder(folder / "bee")
    with says(ValueError):
        Splits.from_folder(tmp_path)
    shutil.copytree(folder, tmp_path / "other")
    shutil.rmtree(tmp_path / "other" / "eel")
    with says(ValueError):
        Splits.from_folder(folder, test=tmp_path / "other")
    PICTURES[0].resize((9, 9)).save(folder / "cat" / "small.png")
    with says(ValueError):
        Splits.from_folder(folder)
    assert Splits.from_folder(folder, size=(6, 5)).shape == (3, 6, 5)
    (folder / "dog" / "cut.png").write_bytes((folder / "dog" / "3 ä.png").read_bytes()[:60])
    with says(ValueError, varies=r"(?<=RGB; ).*(?=\. Convert)"):
        Splits.from_folder(folder, size=8)


def test_grey_images_need_no_axis_of_their_own():
    for grey in (PIXELS[:, 0], torch.tensor(PIXELS[:, 0]), PIXELS[:, 0] / 255):
        assert Splits.from_arrays(grey, LABELS).shape == (1, 12, 10)
    assert Splits.from_arrays(PIXELS[:, 0], LABELS, layout="NHWC").shape == (1, 12, 10)


def test_the_cut_is_the_seeds_and_each_class_has_its_share():
    labels = np.repeat([0, 1, 2, 3], [100, 10, 3, 1])
    pixels = np.arange(114 * 4, dtype=np.uint32).view(np.uint8).reshape(114, 1, 4, 4)
    data, same = (Splits.from_arrays(pixels, labels) for _ in range(2))
    assert np.array_equal(data.test.pixels, same.test.pixels)
    other = Splits.from_arrays(pixels, labels, seed=1)
    assert not np.array_equal(data.test.pixels, other.test.pixels)
    counts = data.to_frame()
    assert counts["train"].tolist() == [60, 6, 2, 1]
    assert counts.sum(axis=1).tolist() == [100, 10, 3, 1]
    thirds = Splits.from_arrays(pixels, labels, parts=(1, 1, 1)).to_frame()
    assert thirds.loc["0"].tolist() == [33, 34, 33]
    assert thirds.loc["3"].tolist() == [1, 0, 0]


def test_given_parts_are_taken_as_they_are():
    data = Splits.from_arrays(PIXELS[:40], WORDS[:40], test=(PIXELS[40:], WORDS[40:]), size=8)
    assert (len(data.train), len(data.loot), len(data.test)) == (30, 10, 10)
    assert np.array_equal(data.test.labels, LABELS[40:])
    sets = [Subset(TENSORS, range(start, start + 10)) for start in (0, 10, 20)]
    given = Splits.from_dataset(sets[0], loot=sets[1], test=sets[2])
    assert np.array_equal(given.loot.pixels, PIXELS[10:20])
    assert np.array_equal(given.test.pixels, PIXELS[20:30])
    assert np.array_equal(given.train.pixels, PIXELS[:10])


def test_resized_images_keep_their_look():
    steps = np.repeat(np.arange(0, 256, 32, dtype=np.uint8), 8)  # 64 pixels, 8 levels
    image = np.broadcast_to(steps, (2, 1, 64, 64))
    data = Splits.from_arrays(image, [0, 1], size=8, parts=(1, 0, 0))
    assert abs(data.train.pixels[0, 0].astype(int) - np.arange(0, 256, 32)).max() <= 6
    larger = Splits.from_arrays(image, [0, 1], size=(224, 100), parts=(1, 0, 0))
    assert larger.shape == (1, 224, 100)


@pytest.mark.parametrize(
    ("images", "labels", "options"),
    [
        (PIXELS, LABELS + 1, {}),
        (PIXELS, LABELS[:9], {}),
        (PIXELS, WORDS, {"classes": NAMES[:4]}),
        (PIXELS, LABELS, {"classes": NAMES[:4]}),
        (PIXELS, LABELS, {"parts": (0, 1, 1)}),
        (PIXELS, LABELS, {"parts": (60, 40)}),
        (PIXELS, LABELS, {"size": 0}),
        (PIXELS, LABELS, {"test": PIXELS}),
        (PIXELS, LABELS, {"seed": -1}),
        (np.moveaxis(PIXELS, 1, 3), LABELS, {}),
    ],
)
def test_arrays_that_make_no_task(says, images, labels, options):
    with says((TypeError, ValueError)):
        Splits.from_arrays(images, labels, **options)


def test_data_sets_that_make_no_task(says):
    normalised = datasets.FakeData(
        20, (3, 8, 8), 2, v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), shifted])
    )
    for source in (
        normalised,
        {"train": Rows(), "test": Rows()},
        [],
        [(1, 2, 3)],
        Rows("id"),
        TensorDataset(torch.zeros(3, 1, 4, 4)),
    ):
        with says((TypeError, ValueError)):
            Splits.from_dataset(source)


def shifted(image: torch.Tensor) -> torch.Tensor:
    return image * 4 - 2


def test_torchvisions_data_sets_are_read(tmp_path):
    fake = datasets.FakeData(60, (3, 20, 20), 3, v2.PILToTensor())
    assert Splits.from_dataset(fake, size=8).shape == (3, 8, 8)
    assert Splits.from_dataset(DataLoader(fake, batch_size=16)).name == "DataLoader"


def test_without_loot_or_test_all_goes_on_that_needs_none(says):
    data = Splits.from_arrays(PIXELS, LABELS, size=8, parts=(1, 0, 0), name="mine")
    says(repr(data))
    says(data._repr_html_())
    triggers = wm.Noise()(data, n=20, key=wm.CLASSROOM_KEY)
    once = wm.Schedule(epochs=1)
    owner = wm.embed(wm.small_cnn(data, width=8), data, triggers, schedule=once)
    assert wm.verify(wm.BlackBox(owner.model), triggers).n == 20
    thief = theft.FineTune(epochs=1)
    for needs in (
        lambda: thief(owner.model, data.loot),
        lambda: wm.accuracy(owner.model, data.test),
        lambda: wm.sweep({"noise": triggers}, {"none": thief}, data, seeds=[0]),
        lambda: wm.TheftLab(owner.model, data, triggers),
    ):
        with says(ValueError):
            needs()
    assert "datasets" not in sys.modules


def test_a_hundred_classes_are_drawn_without_names_over_one_another():
    pixels = np.zeros((150, 1, 8, 8), np.uint8)
    part = Split(pixels, np.arange(150) % 100)
    ax = Splits("many", part).plot()
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert len(boxes) == 20
    assert not any(boxes[place].overlaps(boxes[place + 1]) for place in range(19))
    drawn = ax.images[0].get_array()
    assert drawn[:8, :16].max() == 0
    assert drawn[:8, 16:].min() == 255  # two images of a class are two, not ten
