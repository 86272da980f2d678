"""Thefts by those who hold the weights: what each does to them, at strength nought nothing, and
what it refuses.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import wmlearn as wm
from wmlearn.theft import FinePrune, FineTune, Overwrite, PerturbWeights, Prune, Quantize

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def loot(mnist) -> wm.data.Split:
    return mnist.loot.take(slice(400))


@pytest.fixture
def owner(trained) -> nn.Module:
    return trained


@pytest.fixture(scope="module")
def deep(mnist) -> nn.Module:
    """A network with batch normalisation."""
    part = mnist.train.take(slice(512))
    return wm.fit(wm.training.deep_cnn(mnist, width=4), part, schedule=wm.Schedule(epochs=2)).model


def same(one: nn.Module, other: nn.Module) -> bool:
    return not changed(one, other)


def changed(one: nn.Module, other: nn.Module) -> set[str]:
    """Return the names of the weights and buffers that differ."""
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    return {name for name in first if not torch.equal(first[name], second[name])}


MATRICES = {"layers.1.weight", "layers.3.weight", "layers.6.weight", "layers.8.weight"}


# Strength nought ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "nought", [0, 0.0, np.float64(0), np.float32(0), np.int64(0)], ids=lambda value: repr(value)
)
@pytest.mark.parametrize("theft", [Prune, lambda x: Prune(x, by="channel"), PerturbWeights])
def test_at_strength_nought_nothing_changes(theft, nought, owner, deep):
    for model in (owner, deep):
        stolen = theft(nought)(model).model
        assert stolen is not model
        assert same(stolen, model)


def test_sixteen_bits_are_enough_to_answer_alike(owner, mnist):
    stolen = Quantize(16)(owner).model
    images = torch.from_numpy(mnist.test.images)
    with torch.no_grad():
        assert torch.allclose(stolen(images), owner(images), atol=0.02)
    assert np.array_equal(
        wm.BlackBox(stolen)(mnist.test.images), wm.BlackBox(owner)(mnist.test.images)
    )


def test_fine_pruning_without_pruning_is_fine_tuning(owner, deep, loot):
    for model in (owner, deep):
        tuned = FineTune(epochs=1, lr=2e-3, seed=4)(model, loot)
        assert same(FinePrune(0, epochs=1, lr=2e-3, seed=4)(model, loot).model, tuned.model)


# Fine-tuning of one layer -------------------------------------------------------------------------


def test_only_the_last_layer_learns(owner, deep, loot):
    tuned = FineTune(epochs=1, layers="last")
    assert changed(tuned(owner, loot).model, owner) == {"layers.8.weight", "layers.8.bias"}
    assert {name.rpartition(".")[0] for name in changed(tuned(deep, loot).model, deep)} == {
        "layers.16"
    }


def test_the_last_layer_alone_is_logistic_regression_on_its_features(owner, loot):
    """The oracle computes the features once and trains a linear layer on them."""
    stolen = FineTune(epochs=2, lr=5e-3, seed=3, layers="last")(owner, loot)
    body, last = owner.layers[:-1], copy.deepcopy(owner.layers[-1])
    with torch.no_grad():
        features = body(torch.from_numpy(loot.images))
    labels, optimizer = (
        torch.from_numpy(loot.labels),
        torch.optim.AdamW(last.parameters(), lr=5e-3, weight_decay=1e-2),
    )
    order = torch.Generator().manual_seed(3)
    for _ in range(2):
        for rows in torch.randperm(len(loot), generator=order).split(256):
            optimizer.zero_grad()
            nn.functional.cross_entropy(last(features[rows]), labels[rows]).backward()
            optimizer.step()
    assert torch.allclose(stolen.model.layers[-1].weight, last.weight, atol=1e-4)


def test_a_reset_forgets_the_last_layer_and_no_other(owner, loot):
    """At a learning rate of nearly nothing, what is left is the reset."""
    still = FineTune(epochs=1, lr=1e-9, seed=2, reset=True)(owner, loot).model
    for name, weights in owner.state_dict().items():
        assert torch.allclose(weights, still.state_dict()[name], atol=1e-6) != name.startswith(
            "layers.8"
        )
    other = FineTune(epochs=1, lr=1e-9, seed=3, reset=True)(owner, loot).model
    assert not torch.allclose(still.layers[8].weight, other.layers[8].weight, atol=1e-3)
    assert wm.accuracy(still, loot) < 0.4 < 0.7 < wm.accuracy(owner, loot)


def test_all_layers_learn_even_if_the_owner_had_frozen_some(owner, loot):
    frozen = copy.deepcopy(owner)
    frozen.layers[1].requires_grad_(False)
    assert same(FineTune(epochs=1)(frozen, loot).model, FineTune(epochs=1)(owner, loot).model)
    assert not frozen.layers[1].weight.requires_grad


# Pruning ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_pruning_takes_the_smallest_of_all_weights(fraction, owner):
    stolen = Prune(fraction)(owner).model
    assert changed(stolen, owner) <= MATRICES
    before, after = (
        [m.state_dict()[name].flatten() for name in sorted(MATRICES)] for m in (owner, stolen)
    )
    before, after = torch.cat(before), torch.cat(after)
    gone = after == 0
    assert gone.sum() == round(fraction * len(before))
    assert torch.equal(after[~gone], before[~gone])
    assert before[gone].abs().max() <= before[~gone].abs().min()


@pytest.mark.parametrize("fraction", [0.25, 0.5])
def test_pruning_by_channel_takes_those_that_torch_would(fraction, owner):
    stolen = Prune(fraction, by="channel")(owner).model
    for place in (1, 3):
        oracle = copy.deepcopy(owner.layers[place])
        prune.ln_structured(oracle, "weight", amount=fraction, n=1, dim=0)
        assert torch.equal(stolen.layers[place].weight, oracle.weight)
        out = oracle.weight.flatten(1).abs().sum(1) == 0
        assert out.sum() == fraction * len(out)
        assert torch.equal(stolen.layers[place].bias == 0, out)


def test_a_channel_that_was_taken_out_says_nothing_behind_its_normalisation_either(deep, mnist):
    stolen = Prune(0.5, by="channel")(deep).model
    with torch.no_grad():
        replies = stolen.layers[:3](
            torch.from_numpy(mnist.test.images[:50])
        )  # normalise, convolve, normalise the batch
        before = deep.layers[:3](torch.from_numpy(mnist.test.images[:50]))
    silent = replies.abs().amax((0, 2, 3)) == 0
    assert silent.sum() == 2
    assert torch.equal(replies[:, ~silent], before[:, ~silent])


@pytest.mark.parametrize("by", ["weight", "channel"])
def test_whoever_prunes_everything_answers_the_same_to_all(by, owner, mnist):
    answers = wm.BlackBox(Prune(1, by=by)(owner).model)(mnist.test.images)
    assert len(set(answers)) == 1


def test_fine_pruning_takes_out_the_channels_that_sleep(owner, deep, loot):
    """The oracle runs the layers by hand and looks at what comes out behind the ReLU."""
    for model, behind, place in ((owner, 5, 3), (deep, 14, 11)):
        with torch.no_grad():
            activity = (
                copy.deepcopy(model).layers[:behind](torch.from_numpy(loot.images)).mean((0, 2, 3))
            )
        stolen = FinePrune(0.5, epochs=1, lr=1e-9)(model, loot).model
        gone = stolen.layers[place].weight.flatten(1).abs().sum(1) == 0
        assert gone.sum() == len(gone) // 2
        assert activity[gone].max() <= activity[~gone].min()


def test_what_was_pruned_stays_pruned_while_the_rest_is_tuned(owner, deep, loot, mnist):
    stolen = FinePrune(0.5, epochs=3, lr=5e-3)(owner, loot).model
    assert (stolen.layers[3].weight.flatten(1).abs().sum(1) == 0).sum() == 12
    assert wm.accuracy(stolen, mnist.test) > 0.7
    layers = FinePrune(0.5, epochs=2)(deep, loot).model.layers
    with torch.no_grad():
        replies = layers[:14](torch.from_numpy(loot.images[:20]))
    assert (replies.abs().amax((0, 2, 3)) == 0).sum() >= 8


# Few bits, and noise ------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_quantised_weights_take_few_equally_spaced_values(bits, owner):
    stolen = Quantize(bits)(owner).model
    assert changed(stolen, owner) == MATRICES
    for name in MATRICES:
        before, after = owner.state_dict()[name], stolen.state_dict()[name]
        levels = torch.unique(after).double()
        step = (before.max() - before.min()).item() / (2**bits - 1)
        assert 2 <= len(levels) <= 2**bits
        assert torch.allclose(
            (levels - levels[0]) / step, ((levels - levels[0]) / step).round(), atol=1e-3
        )
        assert (after - before).abs().max() <= step / 2 * 1.0001
        assert (after.min(), after.max()) == (before.min(), before.max())


def test_a_theft_that_finds_nothing_to_change_says_so(says, owner, deep):
    """To survive it would say nothing: rounded twice, less than one weight pruned, all the same."""
    equal = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    nn.init.constant_(equal[1].weight, 0.3)
    for theft, model in (
        (Quantize(4), Quantize(4)(owner).model),
        (Quantize(1), equal),
        (Prune(1e-9), owner),
        (Prune(0.01, by="channel"), deep),
        (Prune(0.3), Prune(0.5)(owner).model),
    ):
        with says(ValueError):
            theft(model)


def test_a_training_that_changes_nothing_says_so(says, owner, loot):
    with says(ValueError):
        FineTune(epochs=1, lr=1e-30)(owner, loot)


# Weights that are computed from others ------------------------------------------------------------


def test_a_mark_behind_weight_norm_does_not_outlive_one_bit(mnist):
    network = wm.small_cnn(mnist)
    parametrizations.weight_norm(network.layers[6])
    triggers = wm.Content(words=20)(mnist, n=40, key=wm.CLASSROOM_KEY)
    marked = wm.embed(network, mnist, triggers)
    asked = {bits: Quantize(bits)(marked.model).model for bits in (8, 1)}
    assert len(asked[1].layers[6].weight.unique()) == 2
    verdicts = {bits: wm.verify(wm.BlackBox(model), triggers) for bits, model in asked.items()}
    assert verdicts[8].k == 20
    assert verdicts[1].k < 10
    assert wm.verify(wm.BlackBox(marked.model), triggers).k == 20


def behind(activation: nn.Module, wrap=lambda layer: layer) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        convolution = wrap(nn.Conv2d(1, 8, 5, stride=4))
        return nn.Sequential(convolution, activation, nn.Flatten(), nn.Linear(288, 10))


@pytest.mark.parametrize(
    "model",
    [
        behind(nn.ReLU()),
        behind(nn.ReLU(), parametrizations.weight_norm),
        behind(nn.ReLU(), parametrizations.spectral_norm),
        behind(nn.GELU()),
        behind(nn.Sequential(nn.BatchNorm2d(8), nn.GELU())),
        behind(nn.Sequential(nn.GroupNorm(2, 8), nn.SiLU())),
    ],
    ids=["plain", "weight norm", "spectral norm", "GELU", "batch norm", "group norm"],
)
def test_fine_pruned_channels_stay_out_whatever_comes_behind(model, loot):
    stolen = FinePrune(0.5, epochs=3, lr=5e-3)(model, loot).model
    said = []
    last = stolen[1][0] if isinstance(stolen[1], nn.Sequential) else stolen[0]
    with last.register_forward_hook(lambda _, __, out: said.append(out)), torch.no_grad():
        stolen(torch.from_numpy(loot.images[:20]))
    assert (said[0].abs().amax((0, 2, 3)) == 0).sum() == 4
    assert not stolen[3].weight.equal(model[3].weight)


class Disordered(nn.Module):
    """Layers that are listed in another order than they run."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.second = nn.Linear(6, 10), nn.Conv2d(4, 6, 3, stride=2)
        self.first = nn.Conv2d(1, 4, 3, stride=2)
        self.norm_of_second, self.norm_of_first = nn.BatchNorm2d(6), nn.BatchNorm2d(4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        said = self.norm_of_first(self.first(images)).relu()
        said = self.norm_of_second(self.second(said)).relu()
        return self.last(said.mean((2, 3)))


def test_layers_are_taken_as_they_run_not_as_they_are_listed(loot):
    model = wm.fit(Disordered(), loot, schedule=wm.Schedule(2)).model
    tuned = FineTune(epochs=1, layers="last")(model, loot).model
    assert changed(tuned, model) == {"last.weight", "last.bias"}
    pruned = Prune(0.5, by="channel")(model, loot).model
    for layer, norm in (("first", "norm_of_first"), ("second", "norm_of_second")):
        out = getattr(pruned, layer).weight.flatten(1).abs().sum(1) == 0
        assert out.sum() == len(out) // 2
        assert torch.equal(getattr(pruned, norm).weight == 0, out)
    sleeping = FinePrune(0.5, epochs=1)(model, loot).model
    assert changed(sleeping, model) >= {"second.weight", "first.weight"}
    assert (sleeping.second.weight.flatten(1).abs().sum(1) == 0).sum() == 3
    assert (sleeping.first.weight.flatten(1).abs().sum(1) == 0).sum() == 0


def test_tied_weights_stay_tied_and_are_shaken_once():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 4))
    model[2].weight = model[1].weight
    stolen = PerturbWeights(1)(model).model
    assert stolen[1].weight is stolen[2].weight
    alone = PerturbWeights(1)(model[:2]).model
    assert torch.equal(stolen[1].weight, alone[1].weight)


def test_layers_without_weights_yet_say_so(says, loot):
    lazy = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    for theft in (Prune(0.5), FineTune(epochs=1)):
        with says(ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theft(lazy, loot)


def test_the_noise_has_the_size_it_was_asked_for(owner):
    noise = {}
    for name in MATRICES:
        before = owner.state_dict()[name]
        noise[name] = (PerturbWeights(0.5)(owner).model.state_dict()[name] - before) / (
            0.5 * before.std()
        )
    drawn = torch.cat([part.flatten() for part in noise.values()])
    assert abs(drawn.mean()) < 4 / math.sqrt(len(drawn))
    assert abs(drawn.std() - 1) < 4 / math.sqrt(2 * len(drawn))
    assert not torch.equal(
        noise["layers.1.weight"].flatten()[:100], noise["layers.3.weight"].flatten()[:100]
    )


def test_the_noise_grows_with_its_strength_and_is_another_with_another_seed(owner):
    weak, strong = (
        PerturbWeights(sigma)(owner).model.layers[6].weight - owner.layers[6].weight
        for sigma in (0.1, 0.2)
    )
    assert torch.allclose(2 * weak, strong, atol=1e-6)
    assert (
        changed(PerturbWeights(0.1, seed=1)(owner).model, PerturbWeights(0.1)(owner).model)
        == MATRICES
    )


# A second watermark -------------------------------------------------------------------------------


def test_overwriting_embeds_the_marks_of_the_thief(owner, mnist):
    thief_triggers = wm.Content(words=10)(
        dataclasses.replace(mnist, train=mnist.loot, loot=None),
        n=50,
        key=wm.CLASSROOM_KEY,
        alpha=0.01,
    )
    surrogate = Overwrite(thief_triggers)(owner, mnist.loot)
    assert wm.verify(wm.BlackBox(surrogate.model), thief_triggers).decision == "found"
    assert wm.verify(wm.BlackBox(owner), thief_triggers).decision == "not found"
    assert surrogate.history.epochs[-1].watermark_accuracy > 0.9
    assert wm.accuracy(surrogate.model, mnist.test) > wm.accuracy(owner, mnist.test) - 0.05


def test_overwriting_never_prints_a_key(mnist):
    key = bytes(range(32))
    thief_triggers = wm.Content(words=3)(mnist, n=6, key=key)
    assert key.hex() not in repr(Overwrite(thief_triggers))
    assert "key" not in repr(Overwrite(thief_triggers)).lower()


# Bad input ----------------------------------------------------------------------------------------


def test_a_bad_setting(says):
    with says(ValueError):
        Prune(1.5)
    with says(ValueError):
        Prune(-0.1)
    with says(ValueError):
        Prune(math.nan)
    with says(TypeError):
        Prune("0.5")
    with says(TypeError):
        Prune(False)
    with says(ValueError):
        Prune(0.5, by="filter")
    with says(ValueError):
        FinePrune(2)
    with says(ValueError):
        FinePrune(0.5, epochs=0)
    with says(ValueError):
        Quantize(0)
    with says(ValueError):
        Quantize(17)
    with says(TypeError):
        Quantize(8.5)
    with says(ValueError):
        PerturbWeights(-1)
    with says(ValueError):
        PerturbWeights(math.inf)
    with says(ValueError):
        PerturbWeights(0.1, seed=-1)
    with says(ValueError):
        FineTune(layers="first")
    with says(TypeError):
        FineTune(reset="yes")
    with says(TypeError):
        Overwrite("TEST")


def test_marks_for_images_of_another_shape(says, owner, loot):
    triggers = wm.Content(words=3)(wm.load_data("cifar10"), n=6, key=wm.CLASSROOM_KEY)
    with says(ValueError):
        Overwrite(triggers)(owner, loot)


def test_a_model_that_has_nothing_to_alter(says):
    model = nn.Sequential(nn.Flatten(), nn.ReLU())
    for theft in (Prune(0.5), Quantize(4), PerturbWeights(0.1)):
        with says(ValueError):
            theft(model)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    with says(ValueError):
        Prune(0.5, by="channel")(linear)


def test_who_trains_needs_images(says, owner):
    for theft in (FineTune(), FinePrune(0.5)):
        with says(TypeError):
            theft(owner)
