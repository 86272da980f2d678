"""The sentences at the public doors: what was expected, what came, what to do next."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import wmlearn as wm
from wmlearn._checks import (
    as_array,
    check_choice,
    check_count,
    check_fraction,
    check_images,
    check_kind,
    check_labels,
    check_number,
    check_pixels,
    check_query,
    check_seed,
    shown,
)

GOOD = np.full((2, 1, 4, 4), 0.5, np.float32)
NAMES = ("mnist", "cifar10")


def with_value(value: float) -> np.ndarray:
    images = GOOD.copy()
    images[1, 0, 2, 3] = value
    return images


# ---------------------------------------------------------------- Images


@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        st.tuples(*[st.integers(0, 4), st.sampled_from([1, 3]), *[st.integers(0, 4)] * 2]),
        elements=st.floats(0, 1, width=16),
    )
)
def test_every_image_in_range_is_taken_as_float32(images):
    checked = check_images(images)
    assert checked.dtype == np.float32
    assert checked.flags.c_contiguous
    assert np.array_equal(checked, images.astype(np.float32))


def test_images_may_be_views_and_lists():
    turned = np.arange(32, dtype=np.float64).reshape(2, 4, 4, 1).transpose(0, 3, 1, 2) / 31
    assert check_images(turned).flags.c_contiguous
    assert np.array_equal(check_images(turned.tolist()), turned.astype(np.float32))


@given(
    st.floats(allow_nan=True, allow_infinity=True, width=32).filter(
        lambda value: not 0 <= value <= 1
    )
)
def test_no_value_outside_the_range_gets_through(value):
    with pytest.raises(ValueError, match="must be"):
        check_images(with_value(value))


BAD_IMAGES = {
    "bytes": GOOD.astype(np.uint8),
    "truth values": GOOD > 0,
    "a word": "three",
    "differing shapes": [[1.0], [1.0, 2.0]],
    "a tensor with its gradient": torch.zeros(1, requires_grad=True),
    "one image": GOOD[0],
    "not a number": with_value(np.nan),
    "infinity": with_value(-np.inf),
    "below 0": with_value(-0.25),
    "above 1": with_value(255),
}


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_bad_images(says, kind):
    with says((TypeError, ValueError)) as caught:
        check_images(BAD_IMAGES[kind], what="bait")
    no_floats = kind in ("bytes", "truth values", "a word", "a tensor with its gradient")
    assert caught.type is (TypeError if no_floats else ValueError)


def test_images_of_another_shape(says):
    assert check_images(GOOD, shape=(1, 4, 4)).shape == (2, 1, 4, 4)
    with says(ValueError):
        check_images(GOOD, shape=(1, 28, 28))


# ---------------------------------------------------------------- Pixels


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=4, max_dims=4, min_side=0, max_side=4)))
def test_pixels_pass_unchanged(pixels):
    checked = check_pixels(pixels[:, :, ::-1])
    assert checked.dtype == np.uint8
    assert checked.flags.c_contiguous
    assert np.array_equal(checked, pixels[:, :, ::-1])


@pytest.mark.parametrize("pixels", [GOOD, np.zeros((4, 4), np.uint8)], ids=["floats", "flat"])
def test_bad_pixels(says, pixels):
    with says(TypeError):
        check_pixels(pixels, what="triggers")


# ---------------------------------------------------------------- Labels


@given(
    st.lists(st.integers(0, 9), max_size=8),
    st.sampled_from([np.int8, np.uint8, np.int32, np.int64]),
)
def test_good_labels_become_int64(labels, dtype):
    checked = check_labels(np.array(labels, dtype), count=len(labels), classes=10)
    assert checked.dtype == np.int64
    assert checked.tolist() == labels


@given(st.lists(st.integers(-3, 12), min_size=1, max_size=8))
def test_labels_out_of_range_are_refused_and_no_others(labels):
    if min(labels) >= 0 and max(labels) <= 9:
        assert check_labels(labels, count=len(labels), classes=10).tolist() == labels
    else:
        with pytest.raises(ValueError, match="must be"):
            check_labels(labels, count=len(labels), classes=10)


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ([0.0, 1.0], TypeError),
        (["cat", "dog"], TypeError),
        ([0, 1, 2], ValueError),
        ([[0], [1]], ValueError),
        ([0, 10], ValueError),
        ([-1, 3], ValueError),
    ],
)
def test_bad_labels(says, labels, error):
    with says(error):
        check_labels(labels, count=2, classes=10, what="labels of loot")


# ---------------------------------------------------------------- Numbers


@given(st.integers(-50, 50), st.integers(-20, 20), st.integers(0, 20))
def test_counts_within_the_limits_and_no_others(value, low, room):
    if low <= value <= low + room:
        assert check_count(value, "n", low=low, high=low + room) == value
    else:
        with pytest.raises(ValueError, match="must be"):
            check_count(value, "n", low=low, high=low + room)


def test_counts_may_be_numpy_and_come_back_as_int():
    assert type(check_count(np.int16(4), "n", low=1)) is int


NO_COUNTS = [True, None, 2.5, float("inf"), "three", 3.0, " 3"]


@pytest.mark.parametrize("value", NO_COUNTS, ids=repr)
def test_a_count_is_a_whole_number(says, value):
    with says(TypeError):
        check_count(value, "n", low=1, high=9, why="letters fit")


@pytest.mark.parametrize("value", [np.True_, np.float32(3)], ids=["true", "three"])
def test_a_count_is_no_number_of_numpy_that_is_not_whole(value):
    with pytest.raises(TypeError, match="whole"):  # each NumPy writes them in its own way
        check_count(value, "n", low=1, high=9)


def test_a_count_may_come_with_a_next_step(says):
    for value in (7, None):
        with says((ValueError, TypeError)):
            check_count(value, "n", low=1, high=6, hint="Roll a die.")


@pytest.mark.parametrize("value", ["a", "0", 1.5, -1, 2**32, 2**40, None, [1]])
def test_a_bad_seed(says, value):
    with says((TypeError, ValueError)):
        check_seed(value)
    assert check_seed(np.int64(2**32 - 1)) == 2**32 - 1


def test_a_count_without_an_upper_limit(says):
    assert check_count(10**9, "epochs", low=1) == 10**9
    with says(ValueError):
        check_count(0, "epochs", low=1)


@given(st.floats(allow_nan=True, allow_infinity=True) | st.integers())
def test_numbers_strictly_between_the_limits_and_no_others(value):
    if 0 < value < 10:
        assert check_number(value, "lr", above=0, below=10) == value
    else:
        with pytest.raises(ValueError, match="must be"):
            check_number(value, "lr", above=0, below=10)


def test_a_number_may_have_its_upper_limit_in_the_range(says):
    assert check_number(1, "opacity", above=0, at_most=1) == 1
    for value in (0, 1.0001, float("nan")):
        with says(ValueError):
            check_number(value, "opacity", above=0, at_most=1)


def test_a_number_in_quotes_is_told_so(says):
    with says(TypeError):
        check_number("0.001", "alpha", above=0, below=1)


@pytest.mark.parametrize("value", [False, "fast", "nan", None, 1j])
def test_a_number_is_a_number(says, value):
    with says(TypeError):
        check_number(value, "lr", above=0, below=10)


@pytest.mark.parametrize(
    "value", [10**400, -(10**400), float("inf"), 1e309], ids=["10**400", "-10**400", "inf", "1e309"]
)
def test_a_number_beyond_all_floats_is_refused(says, value):
    with says(ValueError):
        check_number(value, "strength", above=0)
    with says(ValueError):
        check_number(value, "lr", above=0, below=10)


@pytest.mark.parametrize("value", [10**400, -(10**5000)], ids=["large", "too long to write"])
def test_a_count_beyond_all_bounds_is_refused(says, value):
    with says(ValueError):
        check_count(value, "epochs", low=1, high=9)


def test_a_fraction_lies_strictly_between_0_and_1(says):
    assert check_fraction(0.05, "alpha") == 0.05
    for value in (0, 1, 1.5, -1, 10**400):
        with says(ValueError):
            check_fraction(value, "alpha")


def test_numbers_come_back_as_float():
    assert type(check_number(np.float32(0.5), "lr", above=0, below=1)) is float
    assert type(check_number(2, "lr", above=0, below=10)) is float


# ---------------------------------------------------------------- Names


@pytest.mark.parametrize("name", NAMES)
def test_a_known_name_passes(name):
    assert check_choice(name, "data set", NAMES) == name


UNKNOWN = ["mnits", "MNIST", "cifar", "zebra", 3, None, ["mnist"], np.array(["mnist", "cifar10"])]


@pytest.mark.parametrize("value", UNKNOWN, ids=repr)
def test_an_unknown_name_gets_the_list_and_the_nearest(says, value):
    with says(ValueError):
        check_choice(value, "data set", NAMES)


def test_of_many_names_only_the_nearest_are_listed(says):
    names = [f"null-{number}" for number in range(60)] + ["content", "content-fixed"]
    for value in ("contnet", 3):
        with says(ValueError) as caught:
            check_choice(value, "model", names)
        assert len(str(caught.value)) < 200


def test_choices_may_come_from_anywhere_once(says):
    with says(ValueError):
        check_choice("c", "letter", iter("ab"))


# ---------------------------------------------------------------- Kinds of things


class Box:
    """Something that holds a number, and hides another."""

    def __init__(self) -> None:
        self.number, self._hidden = 3.0, 4.0


def test_the_right_kind_passes_and_another_is_told_what_to_pass(says):
    assert check_kind(3.0, "n", float, "such as 3.0") == 3.0
    for value in ("three", None, int, Box()):
        with says(TypeError):
            check_kind(value, "n", float, "such as 3.0")


def test_a_model_or_an_address_is_no_query(says):
    for value in (torch.nn.Linear(2, 2), wm.BlackBox, "http://127.0.0.1:8000", None):
        with says(TypeError):
            check_query(value, "query")


def test_what_answers_is_a_query():
    for query in (len, lambda images: images, wm.BlackBox(torch.nn.Flatten())):
        assert check_query(query, "query") is query


def test_an_error_quotes_what_is_short_and_never_a_key():
    assert [shown(value) for value in (2.5, True, None, 1j)] == ["2.5", "True", "None", "1j"]
    assert shown("x" * 100) == f"'{'x' * 60}…'"
    assert [shown(value) for value in (10**99, np.zeros(1), [3])] == ["int", "ndarray", "list"]
    assert shown(lambda: 0) == "function"  # its repr has an address in it, another one each time
    assert [shown(value) for value in (b"secret", [b"secret"], bytearray(3))] == [
        "bytes",
        "list",
        "bytearray",
    ]
    assert shown(torch.nn.Sequential(torch.nn.Linear(1, 1))) == "Sequential"


# ---------------------------------------------------------------- Whatever comes

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
DOORS = {
    "images": lambda value: check_images(value),
    "pixels": lambda value: check_pixels(value),
    "labels": lambda value: check_labels(value, count=2, classes=10),
    "a count": lambda value: check_count(value, "n", low=1, high=9),
    "a number": lambda value: check_number(value, "lr", above=0),
    "a fraction": lambda value: check_fraction(value, "alpha"),
    "a seed": check_seed,
    "a choice": lambda value: check_choice(value, "data set", NAMES),
    "a kind": lambda value: check_kind(value, "n", np.ndarray, "such as np.zeros(3)"),
    "a query": lambda value: check_query(value, "query"),
    "an array": lambda value: as_array(value, "expected numbers"),
}


@pytest.mark.parametrize("door", DOORS)
@given(value=anything)
def test_anything_is_taken_or_refused_in_one_sentence(door, value):
    try:
        DOORS[door](value)
    except (TypeError, ValueError) as error:
        message = str(error)
        assert message.isprintable(), message
        assert message.endswith((".", "?")), message
        assert len(message) < 400


@given(anything)
def test_what_is_shown_is_short_and_no_bytes(value):
    assert len(shown(value)) <= 260
    assert "b'" not in shown(value) or isinstance(value, str)
