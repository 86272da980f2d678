"""Images and labels in the forms in which people have them.

Each becomes what it means, or an error names the next step. The tests take that step, as it stands
in the error, and arrive at the same images and labels.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import FakeData

import wmlearn as wm
from wmlearn._random import stable_rng
from wmlearn.data.splits import Split, Splits

PIXELS = stable_rng(0).randint(0, 256, (5, 3, 8, 8)).astype(np.uint8)
PIXELS[:, :, 0, :2] = 0, 255  # the whole range
GREY = PIXELS[:, :1]
FLOATS = PIXELS / 255
LABELS = np.array([0, 2, 1, 1, 0])
NAMES = ["ant", "cow", "bee", "bee", "ant"]
MEAN, STD = 0.4, 0.25

STEP = re.compile(r"Pass (.+?)(?:: [^:]*)?\.(?= |$)")


def follow(door: Callable[..., Any], value: Any, **values: Any) -> Any:
    """Knock with a value that is refused, do what the error says, and return what then comes."""
    with pytest.raises((TypeError, ValueError)) as refused:
        door(value)
    text = str(refused.value)
    step = STEP.search(text)
    assert step, text
    given = {"np": np, "torch": torch, "PIL": PIL, "mean": MEAN, "std": STD, **values}
    given |= {"door": door, "x": value, "images": value, "labels": value}
    return eval(f"door({step[1]})", given)


def split(images: Any, **layout: Any) -> Split:
    return Split.from_images(images, LABELS[: len(LABELS)], 3, **layout)


def one(images: Any, **layout: Any) -> Split:
    return Split.from_images(images, [1], 3, **layout)


# ---------------------------------------------------------------- arrays


TAKEN = {
    "8-bit": PIXELS,
    "half": FLOATS.astype(np.float16),
    "big-endian": FLOATS.astype(">f4"),
    "a tensor": torch.tensor(FLOATS),
    "a tensor of 8 bits": torch.tensor(PIXELS),
    "lists": FLOATS.tolist(),
    "a list of tensors": list(torch.tensor(FLOATS)),
    "Fortran's order": np.asfortranarray(FLOATS),
}


@pytest.mark.parametrize("form", TAKEN)
def test_what_has_one_meaning_is_taken(form):
    assert np.array_equal(split(TAKEN[form]).pixels, PIXELS)


def test_a_file_that_is_mapped_into_memory_is_taken(tmp_path):
    np.save(tmp_path / "images.npy", FLOATS)
    assert np.array_equal(split(np.load(tmp_path / "images.npy", mmap_mode="r")).pixels, PIXELS)


def objects(arrays: Any) -> np.ndarray:
    held = np.empty(len(arrays), object)
    for place, array in enumerate(arrays):
        held[place] = array
    return held


RANGES = {
    "floats to 255": FLOATS * 255,
    "whole numbers": PIXELS.astype(np.int64),
    "16 bits": PIXELS.astype(np.uint16) * 257,
    "-1 to 1": FLOATS * 2 - 1,
    "normalised": (FLOATS - MEAN) / STD,
    "normalised, a tensor": torch.tensor((FLOATS - MEAN) / STD),
    "rounded": FLOATS + 1e-7,
    "text": FLOATS.astype(str),
    "objects": FLOATS.astype(object),
    "an array of arrays": objects(FLOATS),
    "a series of arrays": pd.Series(list(FLOATS)),
}


@pytest.mark.parametrize("form", RANGES)
def test_numbers_in_another_range(says, form):
    assert np.array_equal(follow(split, RANGES[form]).pixels, PIXELS)
    with says((TypeError, ValueError)):
        split(RANGES[form])


@pytest.mark.parametrize("kind", [bool, np.int64, np.uint8])
def test_black_and_white_is_no_shade_of_black_or_it_is_asked(says, kind):
    white = PIXELS > 127
    assert np.array_equal(follow(split, white.astype(kind)).pixels, white * 255)
    with says((TypeError, ValueError)):
        Split.from_images(white.astype(kind), LABELS, 3)
    nearly_black = Split.from_images(white.astype(kind) / 255, LABELS, 3)
    assert np.array_equal(nearly_black.pixels, white)


def test_16_bits_that_are_almost_black_are_asked_about(says):
    with says(TypeError) as error:
        Split.from_images(PIXELS.astype(np.uint16), LABELS, 3)
    assert str(error.value).count("Pass") == 2


def test_values_that_are_missing():
    missing = FLOATS.copy()
    missing[2, 1, 3] = np.nan
    expected = PIXELS.copy()
    expected[2, 1, 3] = 0
    assert np.array_equal(follow(split, missing).pixels, expected)
    hidden = np.ma.masked_array(FLOATS, np.isnan(missing))
    assert np.array_equal(follow(split, hidden).pixels, expected)
    assert np.array_equal(split(np.ma.masked_array(FLOATS)).pixels, PIXELS)


TENSORS = {
    "with its gradient": lambda: torch.tensor(FLOATS, requires_grad=True),
    "sparse": lambda: torch.tensor(FLOATS).to_sparse(),
    "bfloat16": lambda: torch.tensor(FLOATS).bfloat16(),
    "bfloat16, with its gradient": lambda: torch.tensor(FLOATS).bfloat16().requires_grad_(),
    "a list, with their gradients": lambda: [x.requires_grad_() for x in torch.tensor(FLOATS)],
    "a list of bfloat16": lambda: [x.bfloat16() for x in torch.tensor(FLOATS)],
}


@pytest.mark.parametrize("form", TENSORS)
def test_tensors_that_numpy_cannot_read(says, form):
    tensor = TENSORS[form]()
    off = follow(split, tensor).pixels - PIXELS.astype(int)
    assert abs(off).max() <= (1 if "bfloat16" in form else 0)
    with says(TypeError):
        split(tensor)


def test_a_tensor_without_numbers(says):
    with says(TypeError):
        split(torch.empty(5, 3, 8, 8, device="meta"))


# ---------------------------------------------------------------- where the channels are


GREYS = {
    "no axis": GREY[:, 0],
    "no axis, lists": (GREY[:, 0] / 255).tolist(),
    "rows": GREY.reshape(5, -1),
    "rows, a table": pd.DataFrame(GREY.reshape(5, -1) / 255),
    "channels last": np.moveaxis(GREY, 1, -1),
    "with transparency": np.moveaxis(np.concatenate([GREY, GREY * 0 + 255], 1), 1, -1),
}
COLORS = {
    "channels last": np.moveaxis(PIXELS, 1, -1),
    "channels last, floats": np.moveaxis(FLOATS, 1, -1),
    "channels last, a tensor": torch.tensor(np.moveaxis(FLOATS, 1, -1)),
    "a list": list(np.moveaxis(PIXELS, 1, -1)),
    "with transparency": np.moveaxis(np.pad(PIXELS, ((0, 0), (0, 1), (0, 0), (0, 0))), 1, -1),
}


@pytest.mark.parametrize("form", GREYS)
def test_grey_images_without_their_axis(says, form):
    assert np.array_equal(follow(split, GREYS[form], c=1, h=8, w=8).pixels, GREY)
    with says((TypeError, ValueError)):
        split(GREYS[form])


@pytest.mark.parametrize("form", COLORS)
def test_channels_come_last(says, form):
    assert np.array_equal(follow(split, COLORS[form]).pixels, PIXELS)
    with says(ValueError):
        split(COLORS[form])


ALONE = {
    "channels first": PIXELS[0],
    "channels last": PIXELS[0].transpose(1, 2, 0),
    "of a file": np.asarray(Image.fromarray(PIXELS[0].transpose(1, 2, 0))),
}


@pytest.mark.parametrize("form", ALONE)
def test_one_image(says, form):
    assert np.array_equal(follow(one, ALONE[form]).pixels, PIXELS[:1])
    with says(ValueError):
        one(ALONE[form])
    assert np.array_equal(one(Image.fromarray(PIXELS[0].transpose(1, 2, 0))).pixels, PIXELS[:1])


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 8, 8), (1, 8, 8)])
def test_one_image_or_several_grey_ones(says, shape):
    images = np.zeros(shape, np.uint8)
    with says(ValueError):
        one(images)
    assert one(images[None]).shape == shape
    grey = Split.from_images(images[:, None], LABELS[: shape[0]], 3)
    assert grey.shape == (1, *shape[1:])


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 5, 3), (1, 8, 1), (3, 32, 32), (1, 28, 28)])
def test_the_second_axis_counts_where_both_could_be_meant(shape):
    assert one(np.zeros((1, *shape), np.uint8)).shape == shape
    assert Split(np.zeros((1, *shape), np.uint8), LABELS[:1]).shape == shape


@pytest.mark.parametrize("make", [split, lambda images, **layout: Split(images, LABELS, **layout)])
def test_what_is_said_of_the_layout_holds(says, make):
    last = np.moveaxis(PIXELS, 1, -1)
    assert np.array_equal(make(last, layout="NHWC").pixels, PIXELS)
    assert make(last, layout="NCHW").shape == (8, 8, 3)
    with says(ValueError):
        make(last)
    with says(ValueError):
        make(last, layout="channels_last")
    assert np.array_equal(follow(make, last).pixels, PIXELS)


@pytest.mark.parametrize("channels", [2, 4, 12])
def test_another_number_of_channels_is_said(says, channels):
    images = stable_rng(1).randint(0, 256, (5, channels, 16, 16)).astype(np.uint8)
    part = follow(split, images)
    assert np.array_equal(part.pixels, images)
    assert np.array_equal(part.take([3, 1]).pixels, images[[3, 1]])
    assert part.varied(lambda image: image).shape == (channels, 16, 16)
    with says(ValueError):
        split(images)


@pytest.mark.parametrize("shape", [(5, 12, 100, 1), (5, 8, 64, 3)])
def test_both_ways_are_named_for_long_shapes(says, shape):
    images = np.zeros(shape, np.uint8)
    assert follow(split, images).shape == (shape[3], *shape[1:3])
    assert split(images, layout="NCHW").shape == shape[1:]
    with says(ValueError):
        split(images)


def test_a_layout_that_was_not_needed(says):
    with says(ValueError):
        split(PIXELS, layout="NHWC")


def test_many_channels_may_come_last(says):
    spectra = np.zeros((5, 16, 16, 13), np.uint8)
    with says(ValueError):
        split(spectra, layout="NHWC")
    assert split(np.moveaxis(spectra, -1, 1), layout="NCHW").shape == (13, 16, 16)
    assert follow(lambda x, layout="NHWC": split(x, layout=layout), spectra).shape == (13, 16, 16)


def test_images_of_many_channels_go_the_whole_way(says):
    rng = stable_rng(2)
    pixels = rng.randint(0, 256, (60, 12, 8, 8)).astype(np.uint8)
    part = Split(pixels, np.arange(60) % 3, layout="NCHW")
    data = Splits("spectra", part, part.take(slice(30)), part.take(slice(30, 60)), ("a", "b", "c"))
    triggers = wm.Noise()(data, n=20, key=wm.CLASSROOM_KEY)
    owner = wm.embed(wm.small_cnn(data, width=8), data, triggers, schedule=wm.Schedule(epochs=2))
    thief = wm.theft.FineTune(epochs=1)(owner.model, data.loot)
    assert wm.verify(wm.BlackBox(thief.model), triggers).n == 20
    blurred = wm.theft.Blur(0.5)(wm.BlackBox(owner.model))
    assert wm.verify(blurred, triggers).n == 20
    for draw in (data.plot, triggers.plot):
        with says(ValueError):
            draw()
    with says(ValueError):
        wm.theft.Jpeg(45)(wm.BlackBox(owner.model))(data.test.images)


# ---------------------------------------------------------------- what holds images


class Rows:
    """A Hugging Face data set, as far as it matters: rows are dictionaries, columns have names."""

    def __init__(self, **columns: Any) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(LABELS)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.columns[key]
        return {name: column[key] for name, column in self.columns.items()}


def pictures() -> list[Image.Image]:
    return [Image.fromarray(image.transpose(1, 2, 0)) for image in PIXELS]


HELD = {
    "a loader": DataLoader(TensorDataset(torch.tensor(PIXELS), torch.tensor(LABELS)), batch_size=2),
    "a data set of tensors": TensorDataset(torch.tensor(PIXELS), torch.tensor(LABELS)),
    "pairs": list(zip(pictures(), LABELS)),
    "rows": [{"img": image, "label": 0} for image in PIXELS],
    "a Hugging Face data set": Rows(img=pictures(), label=LABELS),
    "columns": {"img": FLOATS, "label": LABELS},
}


@pytest.mark.parametrize("form", HELD)
def test_what_holds_images_among_other_things(says, form):
    assert np.array_equal(follow(split, HELD[form]).pixels, PIXELS)
    with says(TypeError):
        split(HELD[form])


def test_the_labels_of_pairs_and_batches_are_named_too():
    pairs = list(zip(pictures(), LABELS))
    assert [label for _, label in pairs] == LABELS.tolist()
    for held in (HELD["a loader"], pairs):
        with pytest.raises(TypeError) as refused:
            split(held)
        step = re.search(r" labels are (\S.*)\.$", str(refused.value))[1]
        labels = eval(step, {"torch": torch, "x": held, "images": held})
        assert np.array_equal(Split.from_images(PIXELS, labels, 3).labels, LABELS)


def test_torchvisions_data_set_of_pictures():
    fake = FakeData(5, (3, 8, 8), num_classes=3)
    pixels = np.stack([np.asarray(image).transpose(2, 0, 1) for image, _ in fake])
    assert np.array_equal(follow(split, fake).pixels, pixels)


def test_images_one_after_the_other():
    assert np.array_equal(follow(split, (image for image in PIXELS)).pixels, PIXELS)


def test_the_name_of_a_file_is_no_picture(tmp_path):
    pictures()[0].save(tmp_path / "first.png")
    path = tmp_path / "first.png"
    for name in (path, str(path), [path], [str(path)]):
        assert np.array_equal(follow(one, name).pixels, PIXELS[:1])


@pytest.mark.parametrize("images", [None, 7, {3, 4}, object()])
def test_what_is_no_image_at_all(images):
    for door in (split, wm.BlackBox(nn.Flatten()), lambda value: Split(value, LABELS)):
        with pytest.raises((TypeError, ValueError)) as refused:
            door(images)
        assert "shape (n, c, h, w)" in str(refused.value)


# ---------------------------------------------------------------- labels


def with_labels(labels: Any) -> Split:
    return Split.from_images(PIXELS, labels, 3)


ODD_LABELS = {
    "a column": LABELS[:, None],
    "floats": LABELS.astype(float),
    "a column of floats": LABELS[:, None].astype(np.float32),
    "from 1": LABELS + 1,
    "from 1, floats": LABELS + 1.0,
    "from 1, a list": (LABELS + 1).tolist(),
    "one-hot": np.eye(3)[LABELS],
    "one-hot, whole": np.eye(3, dtype=int)[LABELS],
    "one-hot, a tensor": nn.functional.one_hot(torch.tensor(LABELS)),
    "probabilities": np.eye(3)[LABELS] * 0.9 + 0.03,
    "names": NAMES,
    "a series of names": pd.Series(NAMES),
    "categories": pd.Series(NAMES, dtype="category"),
    "text": LABELS.astype(str).tolist(),
    "objects": LABELS.astype(object),
}


@pytest.mark.parametrize("form", ODD_LABELS)
def test_labels_in_another_form(says, form):
    assert np.array_equal(follow(with_labels, ODD_LABELS[form]).labels, LABELS)
    with says((TypeError, ValueError)):
        with_labels(ODD_LABELS[form])


@pytest.mark.parametrize("labels", [np.array([False, True, True, False, True])])
def test_truth_values_are_two_classes(labels):
    assert follow(with_labels, labels).labels.tolist() == [0, 1, 1, 0, 1]


@pytest.mark.parametrize("form", ["a column", "floats", "one-hot", "names", "text", "objects"])
def test_a_part_takes_the_same_steps(form):
    part = follow(lambda labels: Split(PIXELS, labels), ODD_LABELS[form])
    assert np.array_equal(part.labels, LABELS)


@pytest.mark.parametrize(
    "labels", [LABELS[:3], LABELS - 1, LABELS + 0.5, [0, 1, None, 2, 0], LABELS + 3]
)
def test_labels_that_nobody_can_read(says, labels):
    with says((TypeError, ValueError)):
        with_labels(labels)


# ---------------------------------------------------------------- pictures


RED = (255, 0, 0)
BEST = {"quality": 100, "subsampling": 0}


def drawn(mode: str, **options: Any) -> Image.Image:
    """Return a red square on white, 6 wide and 4 high, as a picture of a mode."""
    image = Image.new("RGB", (6, 4), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 2, 3), fill="red")
    return image.convert(mode, **options)


SQUARE = np.asarray(drawn("RGB")).transpose(2, 0, 1)
SQUARE_GREY = np.asarray(drawn("L"))[None]


def see_through(mode: str) -> Image.Image:
    """Return the red square, where all that is white is transparent black."""
    image = drawn("RGB").convert("RGBA")
    data = np.array(image)
    data[:, 3:] = 0
    image = Image.fromarray(data)
    if mode in ("LA", "RGBA"):
        return image.convert(mode)
    indices = Image.fromarray(np.where(np.arange(24).reshape(4, 6) % 6 < 3, 1, 0).astype(np.uint8))
    indices.putpalette([0, 0, 0, 255, 0, 0], "RGB")
    indices.info["transparency"] = 0
    return indices


def sixteen(kind: str) -> Image.Image:
    return Image.fromarray((SQUARE_GREY[0].astype(np.uint16) * 257).astype(kind))


def again(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    """Return a picture as it comes back from a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(file)


def turned() -> Image.Image:
    """Return a photograph that was taken with the camera on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return again(drawn("RGB").rotate(90, expand=True), "PNG", exif=exif)


MEANT = {
    "RGB": (lambda: drawn("RGB"), SQUARE),
    "L": (lambda: drawn("L"), SQUARE_GREY),
    "1": (lambda: drawn("L").point(lambda v: 255 * (v > 99), "1"), (SQUARE_GREY > 99) * 255),
    "P": (lambda: drawn("P", palette=Image.Palette.ADAPTIVE), SQUARE),
    "P, transparent": (lambda: see_through("P"), SQUARE),
    "P, transparent, of a GIF": (lambda: again(see_through("P"), "GIF"), SQUARE),
    "RGBA": (lambda: see_through("RGBA"), SQUARE),
    "RGBA, of a PNG": (lambda: again(see_through("RGBA"), "PNG"), SQUARE),
    "LA": (lambda: see_through("LA"), SQUARE_GREY),
    "PA": (lambda: see_through("P").convert("PA"), SQUARE),
    "RGB, one colour transparent": (
        lambda: again(drawn("RGB"), "PNG", transparency=RED),
        np.full_like(SQUARE, 255),
    ),
    "CMYK": (lambda: drawn("CMYK"), SQUARE),
    "CMYK, of a JPEG": (lambda: again(drawn("CMYK"), "JPEG", **BEST), SQUARE),
    "YCbCr": (lambda: drawn("YCbCr"), SQUARE),
    "HSV": (lambda: drawn("HSV"), SQUARE),
    "I;16": (lambda: sixteen("<u2"), SQUARE_GREY),
    "I;16B": (lambda: sixteen(">u2"), SQUARE_GREY),
    "16 bits, of a PNG": (lambda: again(sixteen("<u2"), "PNG"), SQUARE_GREY),
    "16 bits, of a TIFF": (lambda: again(sixteen("<u2"), "TIFF"), SQUARE_GREY),
    "floats, of a TIFF": (
        lambda: again(Image.fromarray((SQUARE_GREY[0] / 255).astype(np.float32)), "TIFF"),
        SQUARE_GREY,
    ),
    "turned": (turned, SQUARE),
}


@pytest.mark.parametrize("mode", MEANT)
def test_a_picture_becomes_what_it_means(mode):
    make, expected = MEANT[mode]
    off = abs(one([make()]).pixels[0].astype(int) - expected)
    assert off.shape == expected.shape
    assert off.max() <= (8 if "JPEG" in mode else 2)
    assert np.array_equal(one(make()).pixels, Split([make()], LABELS[:1]).pixels)


def test_grey_pictures_among_coloured_ones():
    part = Split.from_images([drawn("RGB"), drawn("L"), drawn("1")], [0, 1, 2], 3)
    assert np.array_equal(part.pixels[1], np.repeat(SQUARE_GREY, 3, axis=0))
    assert Split.from_images([drawn("L"), drawn("1")], [0, 1], 2).shape == (1, 4, 6)
    assert Split.from_images(pd.Series([drawn("L")]), [0], 2).shape == (1, 4, 6)
    assert Split.from_images((drawn("L"),), [0], 2, layout="NHWC").shape == (1, 4, 6)


def animation() -> Image.Image:
    file = io.BytesIO()
    drawn("L").save(file, "GIF", save_all=True, append_images=[drawn("L").rotate(180)])
    return Image.open(file)


def cut_short() -> Image.Image:
    file = io.BytesIO()
    Image.fromarray(stable_rng(0).randint(0, 256, (64, 64)).astype(np.uint8)).save(file, "PNG")
    return Image.open(io.BytesIO(file.getvalue()[:2000]))


MEANINGLESS = {
    "an animation": animation,
    "cut short": cut_short,
    "floats to 255": lambda: drawn("L").convert("F"),
    "32 bits": lambda: Image.fromarray(SQUARE_GREY[0].astype(np.int32) * 70000),
    "0 and 1": lambda: Image.fromarray((SQUARE_GREY[0] > 99).astype(np.int32)),
    "no picture": lambda: np.zeros((4, 6), np.uint8),
}


@pytest.mark.parametrize("kind", MEANINGLESS)
def test_a_picture_without_a_meaning_is_named(says, kind):
    with says(ValueError):
        Split.from_images([drawn("L"), MEANINGLESS[kind]()], [0, 1], 2)


def test_the_frame_of_an_animation_can_be_chosen():
    image = animation()
    image.seek(1)
    expected = np.asarray(drawn("L").rotate(180))
    assert np.array_equal(one([image.copy()]).pixels.max(axis=(0, 1)) > 99, expected > 99)


def test_a_telephones_photograph_with_a_preview_behind_it():
    photograph = again(drawn("RGB"), "MPO", save_all=True, append_images=[drawn("L")], **BEST)
    assert photograph.n_frames == 2
    assert abs(one([photograph]).pixels[0].astype(int) - SQUARE).max() <= 8


def test_pictures_of_different_sizes():
    both = [drawn("RGB"), drawn("RGB").resize((5, 7)), drawn("L")]
    part = follow(lambda images: Split.from_images(images, [0, 1, 2], 3), both)
    assert part.shape[0] == 3
    assert len(part) == 3


# ---------------------------------------------------------------- every other door


class Brightest(nn.Module):
    """A "model" whose scores are the mean brightness of three parts of an image."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(images.mean(1, keepdim=True), (3, 1)).flatten(1)


BRIGHTEST = wm.BlackBox(Brightest())
DOORS = {
    "BlackBox": BRIGHTEST,
    "scores": wm.BlackBox(Brightest(), scores=True).scores,
    "Squeeze": wm.theft.Squeeze(8)(BRIGHTEST),
    "Blur": wm.theft.Blur(0)(BRIGHTEST),
    "Jpeg": wm.theft.Jpeg(100)(BRIGHTEST),
    "Vote": wm.theft.Vote([BRIGHTEST]),
    "AddNoise": wm.theft.AddNoise(0)(BRIGHTEST),
}


@pytest.mark.parametrize("form", ["channels last", "8-bit", "no axis", "a list", "with gradient"])
@pytest.mark.parametrize("door", DOORS)
def test_every_door_of_a_service_says_the_way(door, form):
    forms = {
        "channels last": np.moveaxis(FLOATS, 1, -1),
        "8-bit": PIXELS,
        "no axis": FLOATS[:, 0],
        "a list": [*map(torch.Tensor.requires_grad_, torch.tensor(FLOATS))],
        "with gradient": torch.tensor(FLOATS, requires_grad=True),
    }
    answered = follow(DOORS[door], forms[form])
    images = FLOATS
    if form == "no axis":
        images = FLOATS[:, :1]
    assert np.array_equal(answered, DOORS[door](images))


@pytest.mark.parametrize("door", DOORS)
def test_every_door_of_a_service_takes_pictures(door):
    assert np.array_equal(DOORS[door](pictures()), DOORS[door](FLOATS))


def test_a_service_elsewhere_says_the_way_before_it_is_reached(says):
    suspect = wm.RemoteModel("http://127.0.0.1:9/v2/models/nobody", retries=0)
    with says(ValueError):
        suspect(np.moveaxis(FLOATS, 1, -1))


@pytest.mark.parametrize("shape", [(8, 8, 3), (28, 28, 1)])
def test_a_model_that_is_served_tells_its_shape_channels_first(says, shape):
    model = Brightest()
    model.input_shape = shape
    with says(ValueError) as refused:
        wm.serve(model, name="turned")
    step = re.search(r"model\.input_shape = (.*)\.$", str(refused.value))[1]
    model.input_shape = eval(step)
    assert model.input_shape == (shape[2], *shape[:2])
    with wm.serve(model, name="turned") as service:
        images = stable_rng(3).rand(4, *model.input_shape)
        assert wm.RemoteModel(service.url)(images).shape == (4,)


def test_a_model_that_knows_its_shape_names_the_axes(says):
    model = wm.load_model("cifar10/clean")
    images = wm.load_data("cifar10").test.images[:4]
    assert np.array_equal(
        follow(wm.BlackBox(model), np.moveaxis(images, 1, -1)), wm.BlackBox(model)(images)
    )
    with says(ValueError):
        wm.BlackBox(model)(np.moveaxis(images, 1, -1))


def test_narrow_images_of_many_channels_are_answered_where_the_model_says_so(says):
    model = nn.Flatten()
    curves = np.zeros((2, 12, 24, 1), np.float32)
    with says(ValueError):
        wm.BlackBox(model)(curves)
    model.input_shape = (12, 24, 1)
    assert wm.BlackBox(model)(curves).tolist() == [0, 0]


def test_a_trigger_may_be_made_of_pictures(says):
    mnist = wm.load_data("mnist")

    class Photographs(wm.Trigger):
        def make(self, split, n, rng):
            return [Image.fromarray(image[0]) for image in self.draw(split, n, rng).pixels]

    class Last(wm.Trigger):
        def make(self, split, n, rng):
            return np.moveaxis(self.draw(split, n, rng).images, 1, -1)

    class First(wm.Trigger):
        def make(self, split, n, rng):
            return self.draw(split, n, rng).pixels

    key = wm.CLASSROOM_KEY
    photographs = Photographs()(mnist, n=20, key=key)
    assert np.array_equal(photographs.pixels, First()(mnist, n=20, key=key).pixels)
    with says(ValueError):
        Last()(mnist, n=20, key=key)


# ---------------------------------------------------------------- what a service answers


@pytest.fixture(scope="module")
def triggers():
    return wm.Noise()(wm.load_data("mnist"), n=20, key=wm.CLASSROOM_KEY)


ANSWERS = {
    "scores": lambda labels: np.eye(10)[labels],
    "a column": lambda labels: labels[:, None],
    "floats": lambda labels: labels.astype(float),
    "a tensor with its gradient": lambda labels: torch.eye(10)[labels].requires_grad_(),
}


@pytest.mark.parametrize("form", ANSWERS)
def test_a_service_that_answers_in_another_form(says, triggers, form):
    def service(images):
        return ANSWERS[form](triggers.labels)

    with pytest.raises((TypeError, ValueError)) as refused:
        wm.verify(service, triggers)
    with says((TypeError, ValueError)):
        wm.verify(service, triggers)
    step = re.search(r"(?:Return|Pass) (.+?)\.(?= |$)", str(refused.value))[1]

    def better(images):
        return eval(
            step,
            {"np": np, "torch": torch}
            | dict.fromkeys("x", service(images))
            | {"labels": service(images)},
        )

    if form == "a tensor with its gradient":
        step += ".argmax(axis=1)"
    assert wm.verify(better, triggers).k == 20


def test_a_service_that_answers_with_names(says, triggers):
    with says((TypeError, ValueError)):
        wm.verify(lambda images: ["three"] * len(images), triggers)
    with says((TypeError, ValueError)):
        wm.verify(lambda images: None, triggers)
