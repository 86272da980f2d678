"""The network: its size, its normalisation, and that building it draws from nobody's generator."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import wmlearn as wm
from wmlearn.data.splits import Split
from wmlearn.training.models import Normalize

SIZES = {
    # Filters x (inputs x 3 x 3 + 1), twice; (24 x quarter of the image + 1) x 64; (64 + 1) x 10.
    "mnist": 12 * 10 + 24 * (12 * 9 + 1) + (24 * 7 * 7 + 1) * 64 + 65 * 10,
    "cifar10": 12 * 28 + 24 * (12 * 9 + 1) + (24 * 8 * 8 + 1) * 64 + 65 * 10,
}


@pytest.fixture(params=SIZES)
def data(request) -> wm.Splits:
    return wm.load_data(request.param)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_size_and_scores(data):
    model = wm.small_cnn(data)
    assert sum(w.numel() for w in model.parameters()) == SIZES[data.name]
    assert (model.input_shape, model.classes, model.width) == (data.shape, 10, 12)
    with torch.no_grad():
        scores = model(torch.from_numpy(data.test.images[:5]))
    assert scores.shape == (5, 10)
    assert torch.isfinite(scores).all()


def test_mnist_has_79_thousand_weights():
    assert SIZES["mnist"] == 78_714


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 7), (3, 9, 4), (1, 30, 31)])
def test_any_image_shape_will_do(shape):
    pixels = np.random.RandomState(0).randint(0, 256, (6, *shape)).astype(np.uint8)
    part = Split(pixels, np.array([0, 1, 2, 0, 1, 2]), layout="NCHW")
    model = wm.small_cnn(wm.Splits("own", part, classes=("a", "b", "c")))
    assert model(torch.from_numpy(part.images)).shape == (6, 3)


def test_images_come_out_of_the_first_layer_normalised(data):
    first = wm.small_cnn(data).layers[0]
    floats = data.train.pixels / 255  # the oracle: numpy in double precision
    assert first.mean.flatten().numpy() == pytest.approx(floats.mean((0, 2, 3)), abs=1e-6)
    assert first.std.flatten().numpy() == pytest.approx(floats.std((0, 2, 3)), abs=1e-6)
    shown = first(torch.from_numpy(data.train.images)).double()
    assert shown.mean((0, 2, 3)).numpy() == pytest.approx(0, abs=1e-4)
    assert shown.std((0, 2, 3)).numpy() == pytest.approx(1, abs=1e-4)


def test_normalisation_is_stored_but_not_trained(data):
    model = wm.small_cnn(data)
    assert {"layers.0.mean", "layers.0.std"} <= set(model.state_dict())
    assert not any(name.startswith("layers.0.") for name, _ in model.named_parameters())


def test_normalise_by_hand():
    mean, std = torch.tensor([[0.5, 0.25], [0.5, 0.125]]).view(2, 1, 2, 1, 1)
    layer = Normalize(mean, std)
    assert layer(torch.ones(1, 2, 1, 1)).flatten().tolist() == [1.0, 6.0]


def test_a_channel_that_never_varies_divides_by_nothing():
    part = Split(np.full((4, 1, 8, 8), 9, np.uint8), np.array([0, 1, 0, 1]))
    model = wm.small_cnn(wm.Splits("grey", part, classes=("a", "b")))
    assert torch.isfinite(model(torch.from_numpy(part.images))).all()


def test_loot_and_test_do_not_enter_the_normalisation():
    mnist = wm.load_data("mnist")
    black = dataclasses.replace(mnist.loot, pixels=np.zeros_like(mnist.loot.pixels))
    other = dataclasses.replace(mnist, loot=black, test=black.take(slice(9)))
    assert same(weights(wm.small_cnn(mnist)), weights(wm.small_cnn(other)))


def test_same_seed_same_weights_whatever_was_drawn_before():
    mnist = wm.load_data("mnist")
    first = weights(wm.small_cnn(mnist, seed=3))
    torch.rand(10)
    assert same(weights(wm.small_cnn(mnist, seed=3)), first)
    assert not same(weights(wm.small_cnn(mnist, seed=4)), first)


def test_the_callers_generators_stay_where_they_are():
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    wm.small_cnn(wm.load_data("mnist"), seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_width_is_the_number_of_filters():
    model = wm.small_cnn(wm.load_data("mnist"), width=5)
    assert (model.layers[1].out_channels, model.layers[3].out_channels) == (5, 10)


@pytest.mark.parametrize(
    ("width", "error"),
    [(0, ValueError), (-3, ValueError), (10**9, ValueError), (2.5, TypeError), ("12", TypeError)],
)
def test_a_bad_width(says, width, error):
    for make in (wm.small_cnn, wm.training.deep_cnn):
        with says(error):
            make(wm.load_data("mnist"), width=width)


@pytest.mark.parametrize("data", ["mnist", None, wm.load_data("mnist").train])
def test_a_network_is_built_for_a_whole_task(says, data):
    for make in (wm.small_cnn, wm.training.deep_cnn):
        with says(TypeError):
            make(data)


@pytest.mark.parametrize("seed", ["a", 1.5, -1, 2**40])
def test_a_bad_seed(says, seed):
    with says((TypeError, ValueError)):
        wm.small_cnn(wm.load_data("mnist"), seed=seed)
