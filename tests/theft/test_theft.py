"""What thieves do: every theft returns a new model, says what it cost, and leaves the owner's as it
was.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import html
import itertools
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

import wmlearn as wm
from wmlearn.theft import (
    AddNoise,
    Context,
    Cost,
    FinePrune,
    FineTune,
    Overwrite,
    PerturbWeights,
    Prune,
    Quantize,
    StealByQueries,
    Surrogate,
    Theft,
)
from wmlearn.theft._base import ByAsking, as_theft
from wmlearn.training.loop import TensorData, accuracy, train


def marks_of_a_thief() -> wm.evidence.TriggerSet:
    """Make a trigger set from the thief's own images."""
    data = wm.load_data("mnist")
    return wm.Content(words=3)(
        dataclasses.replace(data, train=data.loot, loot=None), n=6, key=wm.CLASSROOM_KEY
    )


def commit(theft: Theft, model: torch.nn.Module, loot: wm.data.Split, on_epoch=None) -> Surrogate:
    """Run a theft the one way that is the same for all; return the new model with its cost."""
    context = Context(loot, lambda: wm.small_cnn(wm.load_data("mnist"), seed=9), on_epoch=on_epoch)
    deployed = theft.deploy(model, context)
    surrogate = deployed.surrogate
    assert deployed.model is surrogate.model is deployed.query.model
    assert deployed.cost == Cost(surrogate.images, surrogate.queries, surrogate.seconds)
    return surrogate


NAMES = {name: getattr(wm.theft, name) for name in wm.theft.__all__} | {"Schedule": wm.Schedule}
QUICK = wm.Schedule(epochs=2)
TRAINED = [
    *(FineTune(epochs=2), FineTune(epochs=1, lr=5e-3, seed=3)),
    *(FineTune(epochs=1, layers="last"), FineTune(epochs=1, reset=True)),
    FineTune(epochs=1, layers="last", reset=True),
    FinePrune(0.4, epochs=2),
    Overwrite(marks_of_a_thief(), epochs=1),
]
AT_THE_DESK = [
    Prune(0.5),
    Prune(0.5, by="channel"),
    Quantize(3),
    PerturbWeights(0.3),
    PerturbWeights(0.3, seed=1),
]
BY_ASKING = [
    StealByQueries(n_queries=300, pool=where, schedule=QUICK) for where in ("loot", "unrelated")
]
THEFTS = [*TRAINED, *AT_THE_DESK, *BY_ASKING]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def loot(mnist) -> wm.data.Split:
    return mnist.loot.take(slice(400))


@pytest.fixture
def owner(trained) -> torch.nn.Module:
    return trained


@pytest.fixture(scope="module")
def once(trained, loot) -> Callable[[Theft], Surrogate]:
    """Return what runs a theft the first time, and then hands out what it has made."""
    made: dict[str, Surrogate] = {}

    def commit_once(theft: Theft) -> Surrogate:
        if repr(theft) not in made:
            made[repr(theft)] = commit(theft, trained, loot)
        return made[repr(theft)]

    return commit_once


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


# True of every theft ------------------------------------------------------------------------------


@pytest.mark.parametrize("theft", THEFTS, ids=repr)
def test_a_theft_leaves_the_old_model_and_the_generators_alone(theft, owner, loot):
    before = {name: tensor.clone() for name, tensor in owner.state_dict().items()}
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    began = time.perf_counter()
    surrogate = commit(theft, owner, loot)
    assert 0 < surrogate.seconds <= time.perf_counter() - began
    assert isinstance(surrogate, Surrogate)
    assert surrogate.model is not owner
    assert not same(surrogate.model, owner)
    assert all(torch.equal(before[name], tensor) for name, tensor in owner.state_dict().items())
    assert not surrogate.model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


@pytest.mark.parametrize("theft", THEFTS, ids=repr)
def test_a_theft_repeats(theft, owner, loot, once):
    first, again = once(theft), commit(theft, owner, loot)
    assert same(first.model, again.model)
    assert first.history == again.history


@pytest.mark.parametrize("theft", THEFTS, ids=repr)
def test_a_theft_says_what_it_cost_and_never_how_long(theft, once):
    surrogate = once(theft)
    images, asked = (400, 0) if theft in TRAINED else (300, 300) if theft in BY_ASKING else (0, 0)
    assert (surrogate.images, surrogate.queries, surrogate.unanswered) == (images, asked, 0)
    bought = f", {asked} answers of the owner's service" if asked else ""
    assert repr(surrogate) == f"Surrogate({theft!r}: {images} images of the thief's own{bought})"
    assert bool(surrogate.history.epochs) == (theft not in AT_THE_DESK)
    slow = dataclasses.replace(surrogate, seconds=12345.678)
    assert repr(slow) == repr(surrogate)
    assert slow._repr_html_() == surrogate._repr_html_()
    assert slow == surrogate
    assert html.escape(repr(theft)) in surrogate._repr_html_()
    assert ("epochs" in surrogate._repr_html_()) == (theft not in AT_THE_DESK)


@pytest.mark.parametrize("theft", THEFTS, ids=repr)
def test_the_surrogate_can_be_asked_and_taken_again(theft, owner, loot, mnist, once):
    """No mask, no hook, no frozen weight stays behind."""
    stolen = once(theft).model
    assert 0.05 < accuracy(stolen, mnist.test) <= 1
    assert stolen.state_dict().keys() == owner.state_dict().keys()
    assert all(weights.requires_grad for weights in stolen.parameters())
    parts = [vars(part) for part in stolen.modules()]
    assert not any(held for part in parts for name, held in part.items() if name.endswith("hooks"))
    assert not same(FineTune(epochs=1)(stolen, loot).model, stolen)


@pytest.mark.parametrize("theft", [theft for theft in THEFTS if theft not in AT_THE_DESK], ids=repr)
def test_watching_changes_nothing(theft, owner, loot, once):
    def watch(epoch) -> None:
        accuracy(owner, loot)
        torch.rand(3), np.random.random(3)

    assert same(once(theft).model, commit(theft, owner, loot, on_epoch=watch).model)


@pytest.mark.parametrize(
    "theft", [FineTune(), FinePrune(0.2), Overwrite(marks_of_a_thief()), BY_ASKING[0]], ids=repr
)
def test_stop_keeps_what_was_done(theft, owner, loot):
    def press_stop(epoch) -> None:
        raise KeyboardInterrupt

    partial, also = (
        commit(theft, owner, loot, on_epoch=press_stop),
        commit(theft, owner, loot, on_epoch=lambda epoch: True),
    )
    assert partial.history.stopped
    assert len(partial.history.epochs) == 1
    assert not partial.model.training
    assert same(partial.model, also.model)


@pytest.mark.parametrize("theft", [*TRAINED, *BY_ASKING], ids=repr)
def test_stop_in_the_middle_of_an_epoch(theft, owner, loot, monkeypatch):
    """Ctrl+C hits between two steps: what was learnt so far can be used, and whose it was is as it
    was.
    """
    before, step, steps = copy.deepcopy(owner), torch.optim.AdamW.step, []

    def until_stopped(optimizer, *rest):
        if len(steps) == 1:
            raise KeyboardInterrupt
        steps.append(step(optimizer, *rest))

    monkeypatch.setattr(torch.optim.AdamW, "step", until_stopped)
    partial = commit(theft, owner, loot)
    assert (len(steps), partial.history.stopped, partial.history.epochs) == (1, True, ())
    assert "stopped early" in repr(partial)
    assert not partial.model.training
    assert 0 <= accuracy(partial.model, loot) <= 1
    assert same(before, owner)


@pytest.mark.parametrize("theft", [*TRAINED, *AT_THE_DESK], ids=repr)
def test_a_result_is_not_a_model(says, theft, owner, loot):
    surrogate = Surrogate(
        owner, "a theft", 0, 0, wm.fit(owner, loot, schedule=wm.Schedule(epochs=1)).history, 1.0
    )
    with says(TypeError):
        theft(surrogate, loot)


@pytest.mark.parametrize("theft", [*TRAINED[:-1], *AT_THE_DESK, *BY_ASKING], ids=repr)
def test_a_theft_is_a_configuration_that_prints_itself(theft):
    assert eval(repr(theft), NAMES) == theft
    with pytest.raises(dataclasses.FrozenInstanceError):
        theft.seed = 7


# One way to be run --------------------------------------------------------------------------------


def offered() -> set[type]:
    return {getattr(wm.theft, name) for name in wm.theft.__all__}


def test_every_theft_can_be_deployed_but_the_one_that_makes_no_model():
    thefts = {each for each in offered() if issubclass(each, Theft)} - {Theft}
    assert {each.__name__ for each in thefts if each.deploy is Theft.deploy} == {"InvertModel"}
    assert not issubclass(
        wm.theft.Vote, Theft
    )  # several services asked as one: a query, whoever owns them


def test_nobody_asks_a_theft_of_which_kind_it_is(root):
    """How a theft is run stands in its `deploy`: who lets thieves at a model calls that, and needs
    no switch.
    """
    kinds = {each.__name__ for each in offered()} | {"OnWeights", "ByAsking"}
    switches = []
    for path in [*(root / "wmlearn").rglob("*.py"), *(root / "benchmarks").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "isinstance",
                "issubclass",
            ):
                named = {ast.unparse(part).rpartition(".")[2] for part in ast.walk(node.args[1])}
                switches += [(path.name, name) for name in sorted(named & kinds)]
    # A function of one's own is made a theft, and what a theft has made is a new network or stands
    # before the old one.
    assert sorted(switches) == [("_base.py", "Theft"), ("deployment.py", "Surrogate")]


def test_the_context_gives_its_seed_to_whoever_draws(owner, loot):
    for seed, expected in ((None, 5), (3, 3)):
        context = Context(loot, lambda: None, seed)
        shaken = PerturbWeights(0.3, seed=5).deploy(owner, context)
        assert same(shaken.model, PerturbWeights(0.3, seed=expected)(owner).model)
        noisy = AddNoise(0.3, seed=5).deploy(owner, context)
        by_hand = AddNoise(0.3, seed=expected)(wm.BlackBox(owner))
        few = loot.images[:50]
        assert (noisy.query(few) == by_hand(few)).all()
        assert (noisy.model, noisy.cost, noisy.surrogate) == (owner, Cost(), None)
    assert same(Prune(0.3).deploy(owner, context).model, Prune(0.3)(owner).model)


def test_who_may_only_ask_never_sees_the_weights(says, owner, loot, monkeypatch):
    seen = []

    @dataclasses.dataclass(frozen=True)
    class Asks(ByAsking):
        def __call__(self, query, loot):
            seen.append(query)
            return query

    Asks().deploy(owner, Context(loot, lambda: None))
    as_theft(lambda query, loot: seen.append(query) or query).deploy(
        owner, Context(loot, lambda: None)
    )
    assert [type(query) for query in seen] == [wm.BlackBox] * 2
    with says(ValueError):
        seen[0].scores(loot.images)
    assert (
        StealByQueries(50, labels="soft").deploy(owner, Context(loot, lambda: owner)).cost.queries
        == 50
    )


# Fine-tuning --------------------------------------------------------------------------------------


def test_fine_tuning_is_training_at_a_constant_rate(owner, loot):
    """The oracle goes on training a copy itself."""
    surrogate = FineTune(epochs=2, lr=2e-3, seed=5)(owner, loot)
    copy = wm.small_cnn(wm.load_data("mnist"))
    copy.load_state_dict(owner.state_dict())
    losses = list(
        itertools.islice(train(copy, TensorData(loot), rate=lambda done: 2e-3, seed=5), 2)
    )
    assert same(copy, surrogate.model)
    assert [epoch.loss for epoch in surrogate.history.epochs] == losses


def test_all_layers_are_tuned_and_the_normalisation_is_not(owner, loot):
    tuned = FineTune(epochs=1)(owner, loot).model.state_dict()
    unchanged = {
        name for name, tensor in owner.state_dict().items() if torch.equal(tensor, tuned[name])
    }
    assert unchanged == {"layers.0.mean", "layers.0.std"}


def test_it_teaches_the_thiefs_images(owner, loot, mnist):
    surrogate = FineTune(epochs=4)(owner, loot)
    assert accuracy(surrogate.model, loot) > accuracy(owner, loot)
    assert (
        accuracy(surrogate.model, mnist.test) > accuracy(owner, mnist.test) - 0.05
    )  # a copy worth having


@pytest.mark.parametrize(
    ("one", "other"), [*itertools.combinations([{}, {"seed": 1}, {"lr": 2e-3}, {"epochs": 2}], 2)]
)
def test_every_setting_matters(owner, loot, one, other):
    first, second = (
        FineTune(**({"epochs": 1} | settings))(owner, loot) for settings in (one, other)
    )
    assert not same(first.model, second.model)


def test_on_epoch_may_end_it_and_keeps_what_was_done(owner, loot):
    partial = FineTune(epochs=3)(owner, loot, on_epoch=lambda epoch: epoch.epoch == 2)
    assert partial.history.stopped
    assert same(partial.model, FineTune(epochs=2)(owner, loot).model)
    assert repr(partial).endswith("of the thief's own, stopped early)")


def test_an_interrupt_keeps_what_was_done(owner, loot):
    def press_stop(epoch) -> None:
        raise KeyboardInterrupt

    partial = FineTune(epochs=3)(owner, loot, on_epoch=press_stop)
    assert partial.history.stopped
    assert same(partial.model, FineTune(epochs=1)(owner, loot).model)


# Bad input ----------------------------------------------------------------------------------------


def test_a_bad_setting(says):
    with says(ValueError):
        FineTune(epochs=0)
    with says(TypeError):
        FineTune(epochs=1.5)
    with says(ValueError):
        FineTune(seed=-1)
    with says(ValueError):
        FineTune(lr=0)
    with says(ValueError):
        FineTune(lr=-0.001)
    with says(ValueError):
        FineTune(lr=10)
    with says(TypeError):
        FineTune(lr="high")


def test_bad_loot(says, owner, mnist):
    with says(TypeError):
        FineTune(epochs=1)(owner, mnist)
    with says(TypeError):
        FineTune(epochs=1)(owner, mnist.loot.images)
    with says(ValueError):
        FineTune(epochs=1)(owner, mnist.loot.take(slice(0)))
    with says(ValueError):
        FineTune(epochs=1)(owner, wm.load_data("cifar10").loot)
    with says(ValueError):
        FineTune(epochs=1)(owner, wm.data.Split(mnist.loot.pixels[:1], np.array([12])))


@pytest.mark.parametrize("theft", TRAINED, ids=repr)
@pytest.mark.parametrize("task", ["mnist", "cifar10"])
def test_a_model_of_another_shape_than_the_loot(says, theft, task, owner, loot):
    """Either way round, before anything is trained; the owner's model is as it was."""
    other = wm.load_data("cifar10")
    model, images = (owner, other.loot) if task == "mnist" else (wm.small_cnn(other), loot)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with says(ValueError):
        theft(model, images, on_epoch=lambda epoch: pytest.fail("it trains"))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_network_where_the_epochs_belong_is_named_not_printed(says, owner, loot):
    with says(TypeError):
        FineTune(owner, loot)
    with says(TypeError):
        FineTune(3, loot)


@pytest.mark.parametrize("seed", ["a", 1.5, -1, 2**40])
def test_a_bad_seed_is_refused_when_the_theft_is_set_up(says, seed):
    with says((TypeError, ValueError)):
        FineTune(seed=seed)


def test_on_epoch_must_be_a_function(says, owner, loot):
    with says(TypeError):
        FineTune()(owner, loot, on_epoch=3)
