"""The data: what ships, how it was drawn, and what happens to a damaged file.

No test needs the network.
"""

from __future__ import annotations

import dataclasses
import errno
import gzip
import hashlib
import importlib.util
import io
import json
import os
import pathlib
import pickle
import re
import shutil
import socket
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

import wmlearn as wm
from wmlearn._extras import MissingExtra
from wmlearn.data import _published, _readers, _shipped
from wmlearn.data._sources import SOURCES, digest, expect
from wmlearn.data.splits import Split, Splits, load_data

NAMES = ("mnist", "cifar10")
COUNTS = {"mnist": (6000, 2000, 2000), "cifar10": (3000, 1000, 1000)}
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}

# the number of pytest's folder, and what a library said of a damaged file or a lost connection
VARIES = r"(?<=tmp}/)\w+\d|(?<= \().*(?=\)(; |\. ))|(?<=instead: ).*(?=; check)"


def parts(data: Splits) -> list[Split]:
    return [data.train, data.loot, data.test]


#  The mini size -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_mini_has_the_promised_sizes_and_every_class_equally_often(name):
    data = load_data(name)
    assert (data.shape, data.size, len(data.classes)) == (SHAPES[name], "mini", 10)
    for part, count in zip(parts(data), COUNTS[name]):
        assert part.pixels.shape == (count, *SHAPES[name])
        assert part.pixels.dtype == np.uint8
        assert part.labels.dtype == np.int64
        assert np.bincount(part.labels).tolist() == [count // 10] * 10


@pytest.mark.parametrize("name", NAMES)
def test_no_image_is_in_the_mini_set_twice(name):
    images = [image.tobytes() for part in parts(load_data(name)) for image in part.pixels]
    assert len(set(images)) == sum(COUNTS[name])


def test_images_are_the_pixels_as_floats():
    part = load_data("mnist").test
    assert part.images.dtype == np.float32
    assert (part.images.min(), part.images.max()) == (0, 1)
    assert np.array_equal(np.rint(part.images * 255).astype(np.uint8), part.pixels)


def test_nobody_can_spoil_the_cache():
    data = load_data("mnist")
    for part in parts(data):
        with pytest.raises(ValueError):  # noqa: PT011
            part.pixels[0] = 0
        with pytest.raises(ValueError):  # noqa: PT011
            part.labels[0] = 0
    data.train.images[:] = 0  # a new array each time: writing into it is allowed
    assert data.train.images.max() == 1
    assert load_data("mnist") is data


def test_shipped_files_are_small_enough():
    sizes = {}
    for file in [*_shipped.FOLDER.glob("*.png"), *_shipped.FOLDER.glob("*.json")]:
        sizes[file.name] = file.stat().st_size
    assert len(sizes) == 8
    assert sum(size for name, size in sizes.items() if name.startswith("mnist")) <= 2.5e6
    assert sum(sizes.values()) <= 16e6


def test_mini_loads_without_torch_in_well_under_a_second(run_python):
    code = """
import sys, time
sys.modules["torch"] = None                       # as on a machine without it: importing it fails
import numpy
start = time.perf_counter()
from wmlearn.data import load_data
print(load_data("mnist"), time.perf_counter() - start, "matplotlib" in sys.modules, sep="|")
"""
    shown, seconds, matplotlib = run_python(code).split("|")
    assert shown == repr(load_data("mnist"))
    assert float(seconds) < 1  # 0.2 s when measured
    assert matplotlib == "False"


#  Damaged shipped files ---------------------------------------------------------------------------


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def change_one_pixel(file: Path) -> None:
    from PIL import Image

    pixels = np.array(Image.open(file))
    pixels[14, 14] ^= 1
    Image.fromarray(pixels).save(file)


def change_one_value(file: Path) -> None:
    with np.load(file) as arrays:
        arrays = dict(arrays)
    arrays["y_test"][0] ^= 1
    np.savez(file, **arrays)


def change_one_label(file: Path) -> None:
    card = json.loads(file.read_text())
    first = card["parts"]["train"]["labels"][0]
    card["parts"]["train"]["labels"][0] = ("0" if first[0] != "0" else "1") + first[1:]
    file.write_text(json.dumps(card))


@pytest.fixture
def copy_of_shipped(tmp_path, monkeypatch):
    """A copy of the shipped files that a test may damage."""
    for file in _shipped.FOLDER.glob("mnist*"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(_shipped, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("mnist-train.png", cut_short),
        ("mnist-loot.png", change_one_pixel),
        ("mnist-test.png", Path.unlink),
        ("mnist-test.png", lambda file: file.write_bytes(b"")),
        ("mnist-test.png", lambda file: shutil.copy(file.with_name("mnist-train.png"), file)),
        ("mnist.json", cut_short),
        ("mnist.json", change_one_label),
        ("mnist.json", lambda file: file.write_text("[]")),
        ("mnist.json", lambda file: file.write_bytes(b"\xff")),
    ],
)
def test_damaged_shipped_file_is_named_and_never_used(says, copy_of_shipped, file, damage):
    damage(copy_of_shipped / file)
    with says(OSError, varies=VARIES) as error:
        _shipped.read("mnist")
    assert "\n" not in str(error.value)


def test_damage_in_the_middle_of_a_picture_is_noticed_wherever_it_is(says, copy_of_shipped):
    file = copy_of_shipped / "mnist-test.png"
    good = file.read_bytes()
    for place in np.linspace(0, len(good) - 20, 12).astype(int):
        file.write_bytes(
            good[:place] + bytes(255 - byte for byte in good[place : place + 8]) + good[place + 8 :]
        )
        with says(OSError, varies=VARIES):
            _shipped.read("mnist")


def test_another_digest_is_told(says):
    with says(ValueError):
        expect(digest(np.zeros(3)), digest(np.ones(3)))


def test_windows_line_ends_are_no_damage(copy_of_shipped):
    file = copy_of_shipped / "mnist.json"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert len(_shipped.read("mnist")) == 3


#  Names, results, your own images -----------------------------------------------------------------


def test_unknown_names_offer_the_nearest(says):
    with says(ValueError):
        load_data("cifar")
    with says(ValueError):
        load_data("mnist", "medium")


def test_results_print_tabulate_and_draw_themselves(says):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    data = load_data("cifar10")
    says(repr(data))
    says(repr(data.test))
    says(data._repr_html_())
    assert data.to_frame().loc["frog"].to_dict() == {"train": 300, "loot": 100, "test": 100}
    ax = data.plot()
    ax.figure.canvas.draw()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(data.classes)
    # the first aeroplane, height and width before the channels
    drawn = ax.images[0].get_array()[:32, :32]
    assert np.array_equal(drawn.transpose(2, 0, 1), data.train.pixels[data.train.labels == 0][0])
    _, other = plt.subplots()
    assert load_data("mnist").plot(other) is other
    plt.close("all")


def test_take_keeps_the_order_asked_for():
    part = Split(np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1), np.array([3, 2, 1, 0], np.int64))
    assert part.take([2, 0]).labels.tolist() == [1, 3]
    assert part.take(part.labels > 1).pixels.ravel().tolist() == [0, 1]
    assert part.take(slice(1, 3)).labels.tolist() == [2, 1]
    assert part.take(-1).labels.tolist() == [0]
    assert len(part.take([])) == 0


def test_from_images_rounds_to_the_nearest_level():
    images = np.full((1, 1, 1, 3), [0.0, 0.4999 / 255, 254.6 / 255])
    assert Split.from_images(images, [0], classes=1).pixels.ravel().tolist() == [0, 0, 255]
    part = load_data("cifar10").loot
    assert np.array_equal(
        Split.from_images(part.images, part.labels, classes=10).pixels, part.pixels
    )


GOOD = np.zeros((2, 1, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("images", "labels", "error"),
    [
        (GOOD.astype(np.int8), [0, 1], TypeError),
        (GOOD + 2, [0, 1], ValueError),
        (GOOD * np.nan, [0, 1], ValueError),
        (GOOD[:, 0], [0, 1], ValueError),
        (GOOD, [0, 3], ValueError),
        (GOOD, [0, -1], ValueError),
        (GOOD, [0, 1, 2], ValueError),
        (GOOD, [0.0, 1.0], TypeError),
    ],
)
def test_from_images_says_what_is_wrong(says, images, labels, error):
    with says(error):
        Split.from_images(images, labels, classes=3)


def test_parts_that_do_not_fit_are_refused(says):
    pixels = GOOD.astype(np.uint8)
    with says(TypeError):
        Split(GOOD, np.zeros(2, np.int64))
    assert Split(pixels, np.zeros(2, np.int32)).labels.dtype == np.int64
    with says(ValueError):
        Split(pixels, np.zeros(3, np.int64))
    part, smaller = (Split(p, np.zeros(2, np.int64)) for p in (pixels, pixels[..., :3]))
    with says(ValueError):
        Splits("own", part, smaller, None, ("a",))
    with says(ValueError):
        Splits("own", part, None, Split(pixels + 9, np.full(2, 5, np.int64)), ("a",))
    for twice in ((part, part, None), (part, None, part.take([0, 1]))):
        with says(ValueError):
            Splits("own", *twice, ("a",))


def test_a_part_holds_class_numbers(says):
    pixels = GOOD.astype(np.uint8)
    with says(ValueError):
        Split(pixels, np.array([0, -1]))
    with says(ValueError):
        Split(pixels, [[0], [1, 2]])


@pytest.mark.parametrize("classes", ["10", 0])
def test_the_number_of_classes_is_a_number(says, classes):
    with says((TypeError, ValueError)):
        Split.from_images(GOOD, [0, 0], classes=classes)


@pytest.mark.parametrize("indices", [[99999], 2, "ab", 1.5, [True] * 3])
def test_indices_choose_among_the_images(says, indices):
    part = Split(GOOD.astype(np.uint8), np.zeros(2, np.int64))
    with says(IndexError, varies=r"(?<=others: ).*(?=\. Pass)"):  # numpy's own words
        part.take(indices)


def test_a_task_is_made_of_parts(says):
    array, part = GOOD.astype(np.uint8), Split(GOOD.astype(np.uint8), np.zeros(2, np.int64))
    with says(TypeError):
        Splits("own", array, array, array, ("a",))
    with says(TypeError):
        Splits("own", part, part, array, ("a",))


@pytest.mark.parametrize("classes", [10, "0123456789", None])
def test_classes_have_names(says, classes):
    part = Split(GOOD.astype(np.uint8), np.zeros(2, np.int64))
    with says(TypeError):
        Splits("own", part, part, part, classes)


def test_capitals_do_not_hide_the_nearest_name(says):
    with says(ValueError):
        load_data("MNIST")


#  The full size, with a small stand-in for what torchvision downloads -----------------------------


def write_idx(file: Path, array: np.ndarray) -> None:
    """Write the format of the original MNIST files: two zeros, type 8 (byte), the number of axes,
    their lengths.
    """
    header = bytes([0, 0, 8, array.ndim]) + b"".join(
        length.to_bytes(4, "big") for length in array.shape
    )
    file.write_bytes(header + array.tobytes())


def unpack_mnist(folder: Path, x_train, x_test, y_train, y_test) -> None:
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for kind, images, labels in (("train", x_train, y_train), ("t10k", x_test, y_test)):
        write_idx(raw / f"{kind}-images-idx3-ubyte", images[..., 0])
        write_idx(raw / f"{kind}-labels-idx1-ubyte", labels)


def unpack_cifar10(folder: Path, x_train, x_test, y_train, y_test) -> None:
    base = folder / "cifar-10-batches-py"
    base.mkdir(parents=True, exist_ok=True)
    for file, images, labels in (("data_batch", x_train, y_train), ("test_batch", x_test, y_test)):
        rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        (base / file).write_bytes(pickle.dumps({"data": rows, "labels": labels.tolist()}))
    (base / "batches.meta").write_bytes(
        pickle.dumps({"label_names": list(SOURCES["cifar10"].classes)})
    )


UNPACK = {"mnist": unpack_mnist, "cifar10": unpack_cifar10}
DOWNLOADS = {name: getattr(datasets, name.upper()).download for name in NAMES}
A_FILE = {"mnist": "MNIST/raw/train-images-idx3-ubyte", "cifar10": "cifar-10-batches-py/data_batch"}


@dataclasses.dataclass
class Web:
    """Stands in for the servers: "publishes" 80 training and 20 test images and counts the
    downloads.
    """

    name: str
    folder: Path
    arrays: _published.Originals
    downloads: int = 0

    def download(self, root: Path) -> None:
        if not (root / A_FILE[self.name]).exists():
            self.downloads += 1
            UNPACK[self.name](root, *self.arrays)

    @property
    def npz(self) -> Path:
        return self.folder / f"{self.name}.npz"

    def files(self) -> list[str]:
        return sorted(
            str(file.relative_to(self.folder))
            for file in self.folder.rglob("[!.]*")
            if file.is_file()
        )


def make_web(name: str, folder: Path, monkeypatch) -> Web:
    """Let torchvision's own classes read a tiny data set, and let their `download` come from our
    stand-in.
    """
    data = load_data(name)
    chosen = _readers.cut(data.train.labels, lambda _: [10], seed=5)[0]
    images = data.train.pixels[chosen].transpose(0, 2, 3, 1).copy()
    labels = data.train.labels[chosen].astype(np.uint8)
    web = Web(name, folder, (images[:80], images[80:], labels[:80], labels[80:]))
    monkeypatch.setenv("WMLEARN_DATA", str(folder))
    monkeypatch.setitem(SOURCES, name, dataclasses.replace(SOURCES[name], full=digest(*web.arrays)))
    monkeypatch.setattr(_published, "LOOT_PER_CLASS", 2)
    dataset = getattr(datasets, name.upper())
    monkeypatch.setattr(dataset, "download", lambda self: web.download(Path(self.root)))
    if name == "cifar10":
        unpack_cifar10(folder / "published", *web.arrays)
        md5 = {
            file.name: hashlib.md5(file.read_bytes()).hexdigest()
            for file in folder.glob("published/*/*")
        }
        monkeypatch.setattr(dataset, "train_list", [["data_batch", md5["data_batch"]]])
        monkeypatch.setattr(dataset, "test_list", [["test_batch", md5["test_batch"]]])
        monkeypatch.setattr(dataset, "meta", dataset.meta | {"md5": md5["batches.meta"]})
        shutil.rmtree(folder / "published")
    return web


@pytest.fixture(params=NAMES)
def web(request, tmp_path, monkeypatch) -> Web:
    return make_web(request.param, tmp_path / "not" / "there", monkeypatch)


@pytest.fixture
def no_network(monkeypatch):
    """Every look-up of an address fails, and torchvision's own `download` is what meets that."""

    def refuse(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "the network is down")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def assert_is_published(web: Web, data: Splits) -> None:
    assert (len(data.train), len(data.loot), len(data.test)) == (60, 20, 20)
    x_train, x_test, y_train, y_test = web.arrays
    train, loot = _published.owner_and_thief(y_train)
    for part, images, labels in (
        (data.train, x_train[train], y_train[train]),
        (data.loot, x_train[loot], y_train[loot]),
        (data.test, x_test, y_test),
    ):
        assert np.array_equal(part.pixels, images.transpose(0, 3, 1, 2))
        assert np.array_equal(part.labels, labels)


def test_full_is_fetched_into_a_new_folder_once_and_kept(web):
    assert_is_published(web, load_data(web.name, "full"))
    assert web.files() == [f"{web.name}.npz"]
    assert_is_published(web, load_data(web.name, "full"))
    assert web.downloads == 1


@pytest.mark.parametrize("reader", ["FashionMNIST", "KMNIST"])
def test_what_is_like_mnist_is_fetched_once_and_kept(says, reader, tmp_path, monkeypatch):
    name = {"FashionMNIST": "fashion-mnist", "KMNIST": "kmnist"}[reader]
    web = make_web("mnist", tmp_path / "kept", monkeypatch)

    def download(self: datasets.MNIST) -> None:
        root = Path(self.root)
        if not (root / reader).exists():
            web.downloads += 1
            unpack_mnist(root, *web.arrays)
            (root / "MNIST").rename(root / reader)

    monkeypatch.setattr(getattr(datasets, reader), "download", download)
    with says(ValueError):
        load_data(name)
    loose = tmp_path / "kept" / reader / "raw" / "train-images-idx3-ubyte"
    loose.parent.mkdir(parents=True)
    loose.write_bytes(b"unpacked by somebody")
    for _ in range(2):
        data = load_data(name, "full")
        assert_is_published(web, data)
        assert (data.name, len(data.classes), data.shape) == (name, 10, (1, 28, 28))
    assert web.downloads == 1
    assert loose.read_bytes() == b"unpacked by somebody"


def test_full_arrays_are_read_only(web):
    with pytest.raises(ValueError):  # noqa: PT011
        load_data(web.name, "full").test.pixels[0] = 0


@pytest.mark.parametrize(
    "damage",
    [
        cut_short,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"<html>not found</html>"),
        change_one_value,
        lambda file: np.savez(file, x_train=np.zeros((3, 4, 4, 1), np.uint8)),
        # would have to be unpickled
        lambda file: np.savez(file, **dict.fromkeys(_published.KEYS, np.array([None]))),
        lambda file: np.save(file.open("wb"), np.zeros(3)),
    ],
    ids=["cut short", "empty", "a web page", "changed", "other keys", "pickled", "npy"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_npz_that_is_damaged_or_ones_own_is_named_and_left(says, web, damage):
    load_data(web.name, "full")
    damage(web.npz)
    before = contents(web.folder)
    with says(OSError, varies=VARIES) as error:
        load_data(web.name, "full")
    assert "\n" not in str(error.value)
    assert contents(web.folder) == before
    web.npz.rename(web.npz.with_suffix(".mine"))  # the next step that it names
    assert_is_published(web, load_data(web.name, "full"))


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder; what is being fetched lies in one of its own."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not re.search(r"-fetching|\.lock$", str(path))
    }


@pytest.fixture
def ones_own(tmp_path, monkeypatch):
    """A folder with files of one's own that are called as the published ones are."""
    folder = tmp_path / "mydata"
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        path = folder / "MNIST" / "raw" / f"{name}-ubyte"  # Fashion-MNIST has the same names
        path.parent.mkdir(parents=True, exist_ok=True)
        write_idx(path, np.zeros((3, 28, 28) if "images" in name else 3, np.uint8))
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    batches = folder / "cifar-10-batches-py"
    batches.mkdir()
    (batches / "data_batch_1").write_bytes(pickle.dumps(Planted(tmp_path / "was executed")))
    (folder / "cifar-10-python.tar.gz").write_bytes(b"half of it")
    np.savez(folder / "cifar10.npz", images=np.zeros(3), labels=np.zeros(3))
    monkeypatch.setenv("WMLEARN_DATA", str(folder))
    return folder


@dataclasses.dataclass
class Planted:
    """A pickle that leaves a trace where it is unpickled."""

    trace: Path

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.usefixtures("no_network")
def test_nothing_of_ones_own_is_deleted_or_executed(says, ones_own):
    before = contents(ones_own)
    assert len(before) == 11
    with says(UserWarning, varies=VARIES), says(ConnectionError, varies=VARIES):
        load_data("mnist", "full")
    with says(OSError, varies=VARIES):
        load_data("cifar10", "full")
    assert contents(ones_own) == before
    (ones_own / "cifar10.npz").rename(ones_own / "mine.npz")
    before = contents(ones_own)
    with says(UserWarning, varies=VARIES), says(ConnectionError, varies=VARIES):
        load_data("cifar10", "full")
    assert contents(ones_own) == before
    assert not (ones_own.parent / "was executed").exists()


@pytest.mark.parametrize("name", NAMES)
def test_what_must_not_be_read_is_called_so_and_left(says, ones_own, monkeypatch, name):
    """A teacher's file, mode 600, in the folder of a class; the root of these tests may read it."""
    (ones_own / "mnist.npz").write_bytes(b"good for all we know")
    before, really = contents(ones_own), io.open

    def refused(file, *rest, **settings):
        if str(file).endswith((".npz", "-ubyte")):
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return really(file, *rest, **settings)

    with monkeypatch.context() as closed:
        closed.setattr(io, "open", refused)
        if accessor := vars(pathlib).get("_normal_accessor"):  # Python 3.10
            closed.setattr(accessor, "open", refused)
        with says(OSError):
            load_data(name, "full")
    assert contents(ones_own) == before


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_raw_files_that_cannot_be_read_are_called_so_and_fetched(says, web, monkeypatch, code):
    UNPACK[web.name](web.folder, *web.arrays)
    before = contents(web.folder)
    dataset = getattr(datasets, web.name.upper())
    make = dataset.__init__

    def refused(self, root, **settings):
        if root == web.folder:
            raise OSError(code, os.strerror(code), "a file")
        make(self, root, **settings)

    monkeypatch.setattr(dataset, "__init__", refused)
    with says(UserWarning, varies=r"(?<=tmp}/)\w+\d"):
        assert_is_published(web, load_data(web.name, "full"))
    assert contents(web.folder).items() >= before.items()


@pytest.mark.parametrize(
    "damage",
    [cut_short, Path.unlink, lambda file: file.write_bytes(file.read_bytes()[:-1] + b"\xaa")],
)
def test_damaged_raw_files_are_named_and_left_and_the_published_ones_fetched(says, web, damage):
    UNPACK[web.name](web.folder, *web.arrays)
    damage(web.folder / A_FILE[web.name])
    before = contents(web.folder)
    with says(UserWarning, varies=VARIES) as warned:
        data = load_data(web.name, "full")
    assert Path(warned[0].filename) == Path(__file__)  # at the line that asked for the data
    assert_is_published(web, data)
    assert web.downloads == 1
    assert contents(web.folder) == before | {f"{web.name}.npz": web.npz.read_bytes()}


def test_good_raw_files_need_no_download(web):
    UNPACK[web.name](web.folder, *web.arrays)
    assert_is_published(web, load_data(web.name, "full"))
    assert web.downloads == 0


def test_wrong_bytes_from_the_server_are_never_used(says, web):
    x_train, *others = web.arrays
    web.arrays = (x_train[::-1].copy(), *others)
    with says(ConnectionError, varies=VARIES):
        load_data(web.name, "full")
    assert contents(web.folder) == {}


@pytest.mark.parametrize("name", NAMES)
def test_without_a_network_one_sentence(says, name, tmp_path, monkeypatch, no_network):
    monkeypatch.setenv("WMLEARN_DATA", str(tmp_path))
    with says(ConnectionError, varies=VARIES) as error:
        load_data(name, "full")
    assert "\n" not in str(error.value)
    assert contents(tmp_path) == {}


def test_a_complete_archive_of_ones_own_needs_no_network(tmp_path, monkeypatch, no_network):
    """It was carried here on a stick: torchvision unpacks it, if it is whole, beside the folder."""
    web = make_web("mnist", tmp_path / "mine", monkeypatch)
    monkeypatch.setattr(*real_download("mnist"))
    unpack_mnist(tmp_path / "far", *web.arrays)
    resources = []
    for path in sorted((tmp_path / "far").rglob("*-ubyte")):
        archive = web.folder / "MNIST" / "raw" / f"{path.name}.gz"
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.write_bytes(gzip.compress(path.read_bytes()))
        resources.append((archive.name, hashlib.md5(archive.read_bytes()).hexdigest()))
    monkeypatch.setattr("torchvision.datasets.MNIST.resources", resources)
    before = contents(web.folder)
    assert_is_published(web, load_data("mnist", "full"))
    assert contents(web.folder) == before | {"mnist.npz": web.npz.read_bytes()}


def real_download(name: str) -> tuple[type, str, object]:
    """Return what puts torchvision's own download back."""
    return getattr(datasets, name.upper()), "download", DOWNLOADS[name]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_costs_the_cache_but_neither_the_data_nor_the_download(
    says, web, monkeypatch, code
):
    def savez(file, **_):
        file.write(b"a part of it")
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as full:
        full.setattr(np, "savez", savez)
        with says(UserWarning, varies=r"(?<=tmp}/)\w+\d") as warned:
            data = load_data(web.name, "full")
    assert Path(warned[0].filename) == Path(__file__)
    assert_is_published(web, data)
    assert contents(web.folder) == {}
    kept = web.folder / f"{web.name}-fetching" / A_FILE[web.name]
    assert kept.exists()
    assert_is_published(web, load_data(web.name, "full"))
    assert web.files() == [f"{web.name}.npz"]


def test_a_complete_download_survives_what_fails_later(says, web, monkeypatch):
    """Unpacking on a full disk: the archive stays, and is not fetched again."""
    archive = web.folder / f"{web.name}-fetching" / SOURCES[web.name].archives.replace("*", "all")

    def download(self):
        if not archive.exists():
            archive.parent.mkdir(parents=True, exist_ok=True)
            archive.write_bytes(b"170 MB")
            raise OSError(errno.ENOSPC, "No space left on device")
        web.download(Path(self.root))

    monkeypatch.setattr(real_download(web.name)[0], "download", download)
    with says(ConnectionError, varies=r"(?<=tmp}/)\w+\d"):
        load_data(web.name, "full")
    assert archive.read_bytes() == b"170 MB"
    assert_is_published(web, load_data(web.name, "full"))
    assert web.files() == [f"{web.name}.npz"]


def test_interrupted_writing_leaves_no_part_file(web, monkeypatch):
    def savez(file, **_):
        file.write(b"a part of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(KeyboardInterrupt):
        load_data(web.name, "full")
    assert contents(web.folder) == {}


def test_two_at_once_fetch_once_and_get_the_same(web):
    with ThreadPoolExecutor(4) as pool:
        for data in pool.map(lambda _: load_data(web.name, "full"), range(4)):
            assert_is_published(web, data)
    assert web.downloads == 1
    assert web.npz.name in web.files()


KILLED = """
import os, sys
from pathlib import Path
from torchvision import datasets
from wmlearn.data import load_data

def download(self):
    raw = Path(self.root) / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte").write_bytes(b"half")
    os.kill(os.getpid(), 9)

datasets.MNIST.download = download
load_data("mnist", "full")
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_whoever_was_killed_goes_on_and_half_a_file_is_not_taken_for_a_whole(tmp_path, monkeypatch):
    web = make_web("mnist", tmp_path / "mine", monkeypatch)
    web.folder.mkdir()
    (web.folder / "mine.txt").write_text("mine")
    environment = os.environ | {"PYTHONPATH": str(Path(wm.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", KILLED], env=environment, capture_output=True)
    assert done.returncode == -9
    assert contents(web.folder) == {"mine.txt": b"mine"}
    assert_is_published(web, load_data("mnist", "full"))
    assert web.files() == ["mine.txt", "mnist.npz"]


def test_full_without_torchvision_says_so(says, tmp_path, monkeypatch):
    monkeypatch.setenv("WMLEARN_DATA", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with says(MissingExtra):
        load_data("mnist", "full")


def test_the_folder_is_the_users_cache_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("WMLEARN_DATA", "~/pictures")
    assert _published.data_folder() == Path.home() / "pictures"
    monkeypatch.delenv("WMLEARN_DATA")
    assert _published.data_folder().is_absolute()
    assert "wmlearn" in _published.data_folder().parts


#  The full size as published (needs $WMLEARN_DATA) ------------------------------------------------


@pytest.fixture(scope="module", params=NAMES)
def full(request, full_data) -> Splits:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_data(request.param, "full")


@pytest.fixture(scope="module")
def make_mini(root):
    spec = importlib.util.spec_from_file_location("make_mini", root / "tools" / "make_mini.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_full_parts_share_no_image_and_contain_the_mini_parts(full):
    counts = {"mnist": (50_000, 10_000, 10_000), "cifar10": (40_000, 10_000, 10_000)}
    assert tuple(map(len, parts(full))) == counts[full.name]
    assert np.bincount(full.loot.labels).tolist() == [1000] * 10
    train, loot, test = (
        {image.tobytes(): label for image, label in zip(p.pixels, p.labels)} for p in parts(full)
    )
    assert not train.keys() & loot.keys()
    assert not train.keys() & test.keys()
    assert not loot.keys() & test.keys()
    for part, whole in zip(parts(load_data(full.name)), (train, loot, test)):
        assert all(
            whole[image.tobytes()] == label for image, label in zip(part.pixels, part.labels)
        )


def test_what_ships_is_what_the_tool_draws(full, make_mini):
    drawn = make_mini.draw_parts(full.name)
    card = json.loads((_shipped.FOLDER / f"{full.name}.json").read_text())
    for part, (chosen, images, labels) in drawn.items():
        assert card["parts"][part]["original_indices"] == make_mini.rows(chosen)
        assert card["parts"][part]["sha256"] == digest(images, labels)


def test_the_tool_writes_the_same_picture_twice_and_it_reads_back(make_mini, tmp_path, monkeypatch):
    pixels = load_data("cifar10").test.pixels[:200].transpose(0, 2, 3, 1)
    labels = load_data("cifar10").test.labels[:200].astype(np.uint8)
    monkeypatch.setattr(_shipped, "FOLDER", tmp_path)
    file = tmp_path / "own-test.png"
    written = [
        (make_mini.write_picture("own", "test", pixels), file.read_bytes()) for _ in range(2)
    ]
    assert written[0] == written[1]
    card = {"labels": make_mini.rows(labels), "sha256": digest(pixels, labels)}
    assert np.array_equal(_shipped.read_part(file, card, (3, 32, 32))[0], pixels)


def test_the_tool_refuses_an_image_that_is_there_twice(says, make_mini):
    pixels = np.zeros((2, 4, 4, 1), np.uint8)
    with says(SystemExit):
        make_mini.check_no_duplicates("own", {"train": (None, pixels, None)})


#  Augmentation ------------------------------------------------------------------------------------


def test_a_varied_part_shows_its_images_as_they_are(says):
    part = wm.load_data("mnist").train
    varied = part.varied(lambda image: image * 0)
    assert np.array_equal(varied.pixels, part.pixels)
    says(repr(varied))
    assert part.vary is None
    assert varied.take([3, 1]).vary is varied.vary


def test_only_the_training_part_of_a_task_is_varied():
    data = wm.load_data("cifar10")
    varied = data.varied(lambda image: image)
    assert varied.train.vary is not None
    assert varied.loot is data.loot
    assert varied.test is data.test
    assert (varied.name, varied.classes, varied.size) == (data.name, data.classes, data.size)


@pytest.mark.parametrize("bad", ["flip", 3, [lambda image: image], bytes])
def test_what_varies_must_be_a_function(says, bad):
    with says(TypeError):
        wm.load_data("mnist").varied(bad)
