"""What is asked and what the answers mean, without a service: bytes out, JSON in."""

import json

import numpy as np
import pytest
from faulty_service import CARD, LABELS, SCORES
from hypothesis import given
from hypothesis import strategies as st

from wmlearn.service._protocol import (
    Fault,
    ModelCard,
    batch_size,
    check_token,
    highest,
    read_answer,
    read_card,
    read_scores,
    write_question,
)


def read_labels(card, answer, count):
    return highest(read_answer(card, answer, count))


CARD_OF_LABELS = ModelCard("images", "UINT8", (-1, 1, 2, 2), "labels", None)


#  questions --------------------------------------------------------------------------------------


def test_uint8_travels_as_whole_numbers():
    images = np.array([0, 0.5, 1, 0.25], np.float32).reshape(1, 1, 2, 2)
    sent = json.loads(write_question(CARD_OF_LABELS, images, "a name").body)
    expected = {"name": "images", "shape": [1, 1, 2, 2], "datatype": "UINT8"}
    assert sent == {"id": "a name", "inputs": [{**expected, "data": [0, 128, 255, 64]}]}
    assert all(type(number) is int for number in sent["inputs"][0]["data"])


@given(st.lists(st.integers(0, 255), min_size=4, max_size=40))
def test_quantised_pixels_survive_the_journey_exactly(pixels):
    pixels = np.array(pixels[: len(pixels) // 4 * 4], np.uint8).reshape(-1, 1, 2, 2)
    images = pixels.astype(np.float32) / 255
    for datatype, scale in (("UINT8", 255), ("FP32", 1)):
        card = ModelCard("images", datatype, (-1, 1, 2, 2), "labels", None)
        data = json.loads(write_question(card, images).body)["inputs"][0]["data"]
        arrived = np.asarray(data).astype(np.float32).reshape(images.shape) / np.float32(scale)
        np.testing.assert_array_equal(arrived, images)


@pytest.mark.parametrize(("datatype", "longest"), [("UINT8", 1.0), ("FP32", 2.0**-126)])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 224, 224)], ids=str)
def test_no_question_is_larger_than_4_mb(datatype, longest, shape):
    card = ModelCard("images", datatype, (-1, *shape), "labels", None)
    size = batch_size(card, np.zeros((1, *shape), np.float32))
    bytes_sent = len(write_question(card, np.full((size, *shape), longest, np.float32)).body)
    assert 2_000_000 < bytes_sent <= 4_000_000 or size == 1


#  labels -----------------------------------------------------------------------------------------


def test_labels_are_preferred_to_scores():
    both = ("labels", "scores")
    assert read_card({**CARD, "outputs": [SCORES, LABELS]}) == ModelCard(
        "images", "UINT8", (-1, 1, 2, 2), *both, classes=4, numeric=both
    )


NAMES = {"parameters": {"classes": ["cat", "dog"]}}


def test_names_of_the_classes_are_read_where_an_output_or_the_model_gives_them():
    for answer in (
        {**CARD, "outputs": [SCORES, LABELS | NAMES]},
        {**CARD, "outputs": [SCORES | NAMES, LABELS]},
        {**CARD, **NAMES, "outputs": [LABELS]},
    ):
        assert read_card(answer).names == ("cat", "dog")


@pytest.mark.parametrize(
    "parameters",
    [None, [], {}, {"classes": "ab"}, {"classes": []}, {"classes": [1]}, {"classes": ["a", "a"]}],
    ids=str,
)
def test_what_names_no_classes_is_left_out(parameters):
    assert read_card({**CARD, "outputs": [LABELS | {"parameters": parameters}]}).names == ()


def test_labels_in_columns_are_labels():
    answer = {"outputs": [{"name": "other", "data": [5]}, {"name": "labels", "data": [[1], [2]]}]}
    assert read_labels(CARD_OF_LABELS, answer, 2).tolist() == [1, 2]


BAD_LABELS = {
    "too few": [1],
    "too many": [1, 2, 3],
    "none": [],
    "text": ["1", "2"],
    "fractions": [1.0, 2.0],
    "scores": [[0.1, 0.9], [0.8, 0.2]],
    "null": [None, None],
    "no list": None,
    "true": [True, False],
    "huge": [10**30, 1],
    "unsigned": [2**63, 2**63],
    "mixed": [1, "2"],
    "ragged": [[1], [2, 3]],
    "NaN": [float("nan"), 1],
    "an object": {"0": 1, "1": 2},
}


@pytest.mark.parametrize("data", BAD_LABELS.values(), ids=BAD_LABELS)
def test_no_labels_in_it(says, data):
    with says(Fault) as caught:
        read_labels(CARD_OF_LABELS, {"outputs": [{"name": "labels", "data": data}]}, 2)
    assert caught.value.kind == "invalid"


@pytest.mark.parametrize(
    "data",
    [[[1.0, float("nan")], [0.0, 1.0]], [1.0, 2.0, 3.0], [], ["a", "b"], [float("inf"), 0.0], None],
    ids=str,
)
def test_no_scores_in_it(says, data):
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), None, "scores")
    with says(Fault) as caught:
        read_labels(card, {"outputs": [{"name": "scores", "data": data}]}, 2)
    assert caught.value.kind == "invalid"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["outputs", "inputs", "name", "data", "shape"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_read_or_refused_never_a_crash(answer):
    for read in (read_card, lambda given: read_labels(CARD_OF_LABELS, given, 2)):
        try:
            read(answer)
        except Fault as fault:
            assert fault.kind in ("invalid", "refused")  # noqa: PT017


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8))
def test_any_int64_labels_are_read_as_they_came(labels):
    answer = json.loads(json.dumps({"outputs": [{"name": "labels", "data": labels}]}))
    assert read_labels(CARD_OF_LABELS, answer, len(labels)).tolist() == labels


#  scores -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [[3, 4], [12], [], ["2", 4]], ids=str)
def test_the_shape_in_an_answer_must_agree(says, shape):
    """Twelve numbers for two images: six classes, were it not for the shape that says three images
    of four.
    """
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), "labels", "scores")
    outputs = [{"name": "scores", "shape": shape, "data": list(range(12))}]
    with says(Fault):
        read_scores(card, {"outputs": outputs}, 2)
    assert read_scores(card, {"outputs": [{**outputs[0], "shape": [2, 6]}]}, 2).shape == (2, 6)
    with says(Fault):
        read_scores(card, {"outputs": [{"name": "scores", "data": [[0, 1, 2, 3]] * 3}]}, 2)
    with says(Fault):
        read_labels(card, {"outputs": [{"name": "labels", "shape": [3], "data": [1, 2]}]}, 2)


@given(json_values, st.sampled_from([-1, 1, 4]), st.integers(1, 3))
def test_any_json_gives_scores_or_a_fault(answer, classes, count):
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), None, "scores", classes)
    for given_answer in (answer, {"outputs": [{"name": "scores", "data": answer}]}):
        try:
            scores = read_scores(card, given_answer, count)
        except Fault as fault:
            assert fault.kind == "invalid"  # noqa: PT017
        else:
            assert scores.shape == (count, classes if classes > 0 else scores.size // count)
            assert np.isfinite(scores).all()


@given(
    st.lists(
        st.lists(
            st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3
        ),
        min_size=1,
    )
)
def test_any_float32_scores_survive_the_journey(rows):
    card = ModelCard("images", "UINT8", (-1, 1, 2, 2), None, "scores", 3)
    flat = [number for row in rows for number in row]
    for data in (rows, flat):
        answer = json.loads(json.dumps({"outputs": [{"name": "scores", "data": data}]}))
        np.testing.assert_array_equal(
            read_scores(card, answer, len(rows)).astype(np.float32), np.float32(rows)
        )


#  tokens -----------------------------------------------------------------------------------------


@given(st.text() | st.none() | st.binary() | st.integers())
def test_any_token_is_taken_or_refused_in_one_sentence(token):
    if token is None or (
        isinstance(token, str) and token and all("!" <= sign <= "~" for sign in token)
    ):
        assert check_token(token) == token
        return
    with pytest.raises((TypeError, ValueError)) as caught:
        check_token(token)
    assert "\n" not in str(caught.value)
