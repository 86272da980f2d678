"""Networks trained side by side learn what each would have learnt alone."""

from __future__ import annotations

import copy
import csv
import importlib.util

import numpy as np
import pytest
import torch

import wmlearn as wm
from wmlearn._together import train_together

SCHEDULE = wm.OneCycle(epochs=2, lr=5e-3, batch=32)
SEEDS = (9, 10, 11)


@pytest.fixture(params=["mnist small", "mnist deep", "cifar10 small", "cifar10 deep"])
def task(request):
    """Three networks of one kind, and for each its own 70 images: two whole batches and a rest."""
    name, kind = request.param.split()
    data = wm.load_data(name)
    make = {"small": wm.small_cnn, "deep": wm.deep_cnn}[kind]
    parts = [data.train.take(slice(70 * i, 70 * i + 70)) for i in range(3)]
    models = [make(data, width=5, seed=i).double() for i in range(3)]  # so that rounding cannot hide a mistake
    for i, model in enumerate(models):  # as if each had its own normalisation
        model.layers[0].mean.add_(0.01 * i)
    return models, parts


def test_each_learns_what_it_would_learn_alone(task):
    models, parts = task
    alone = [wm.fit(*each, schedule=SCHEDULE, seed=seed) for *each, seed in zip(models, parts, SEEDS)]
    before = copy.deepcopy(models)
    losses = list(train_together(models, parts, schedule=SCHEDULE, seeds=SEEDS))
    assert losses == pytest.approx(np.mean([[epoch.loss for epoch in each.history.epochs] for each in alone], 0))
    for model, untrained, fitted in zip(models, before, alone):
        start, state = untrained.state_dict(), model.state_dict()
        for name, tensor in fitted.model.state_dict().items():
            assert torch.allclose(state[name], tensor, rtol=1e-9, atol=1e-11), name
            assert "mean" in name or "std" in name or not torch.equal(state[name], start[name])
        assert not any(layer.training for layer in model.modules())


def test_a_neighbour_changes_nothing(task):
    """The same network, images and order beside another: no gradient crosses over."""
    models, parts = task
    again = copy.deepcopy(models)
    list(train_together(models, parts, schedule=SCHEDULE, seeds=SEEDS))
    list(train_together(again[:1] + again[2:], parts[:2], schedule=SCHEDULE, seeds=(9, 7)))
    for a, b in zip(models[0].parameters(), again[0].parameters()):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-11)


def test_epochs_come_one_by_one_with_their_weights(task):
    models, parts = task
    course = train_together(models, parts, schedule=SCHEDULE, seeds=SEEDS)
    next(course)
    first = copy.deepcopy(models[1].state_dict())
    next(course)
    assert any(not torch.equal(first[name], tensor) for name, tensor in models[1].state_dict().items())
    with pytest.raises(StopIteration):
        next(course)


def test_training_together_touches_no_generator(task):
    before = torch.get_rng_state()
    list(train_together(*task, schedule=SCHEDULE, seeds=SEEDS))
    assert torch.equal(torch.get_rng_state(), before)


# --- What the benchmark compares --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def benchmark(root):
    spec = importlib.util.spec_from_file_location("many_at_once", root / "benchmarks" / "many_at_once.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_way_that_is_slower_learns_the_same(task, benchmark):
    models, parts = task
    alone = [wm.fit(*each, schedule=SCHEDULE, seed=seed).model for seed, each in enumerate(zip(models, parts))]
    for name, stacked in benchmark.mapped(models, parts, SCHEDULE).items():
        for model, tensor in zip(alone, stacked):
            assert torch.allclose(tensor, model.layers.state_dict()[name], rtol=1e-9, atol=1e-11), name


def test_the_measured_speed_is_the_stated_one(root, benchmark):
    """Four null models at a time, in batches of 32: the words in `_together` and in the card."""
    with (root / "docs" / "results" / "many_at_once.csv").open(newline="") as file:
        assert file.readline() == benchmark.COMMAND + "\n"
        rows = list(csv.DictReader(file))
    used = [row for row in rows if (row["networks"], row["batch"]) == ("4", "32")]
    faster = {(row["data"], row["network"]): float(row["groups_speedup"]) for row in used}
    assert faster["mnist", "small"] == pytest.approx(1.7, abs=0.1)
    assert faster["mnist", "deep"] == pytest.approx(1.5, abs=0.1)
    assert all(abs(faster["cifar10", network] - 1) < 0.1 for network in benchmark.NETWORKS)  # comes to the same
    assert all(float(row["vmap_ms"]) > float(row["groups_ms"]) for row in rows)
    assert all(float(row["vmap_ms"]) > float(row["alone_ms"]) for row in rows if row["network"] == "deep")
