"""Training: one step worked by hand, the same weights whoever watches, and nothing lost by an
interrupt.
"""

from __future__ import annotations

import copy
import functools
import itertools
import math
import threading
import warnings
from itertools import islice
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.models import GoogLeNetOutputs

import wmlearn as wm
from wmlearn._progress import progress
from wmlearn._random import torch_generator
from wmlearn.training import loop
from wmlearn.training._inference import NotNumbers, check_fits, predict
from wmlearn.training.history import Epoch, Fitted, History
from wmlearn.training.loop import TensorData, accuracy, run, train
from wmlearn.training.schedule import BATCH, Schedule

SHORT = Schedule(epochs=3, batch_size=BATCH)
ONCE = Schedule(epochs=1, batch_size=BATCH)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def mnist() -> wm.Splits:
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def small(mnist) -> wm.Splits:
    """A task of 700 images: three batches an epoch, the last one not full."""
    train, test = mnist.train.take(slice(700)), mnist.test.take(slice(300))
    return wm.Splits("small", train, mnist.loot.take(slice(300)), test, mnist.classes)


@pytest.fixture(scope="module")
def model(small) -> torch.nn.Module:
    return wm.small_cnn(small, seed=1)


@pytest.fixture(scope="module")
def fitted(model, small) -> Fitted:
    """What three epochs make of the model; not to be changed."""
    return wm.fit(model, small, schedule=SHORT)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


# ---------------------------------------------------------------- what one step does


def adamw_by_hand(
    model: torch.nn.Module, part: wm.data.Split, *, rate, seed: int
) -> list[torch.Tensor]:
    """One epoch as in Loshchilov and Hutter (2019), algorithm 2; torch gives the gradients."""
    x, y = torch.from_numpy(part.images), torch.tensor(part.labels)
    theta = [w.detach().clone().double() for w in model.parameters()]
    m, v = [torch.zeros_like(w) for w in theta], [torch.zeros_like(w) for w in theta]
    order = torch.randperm(len(x), generator=torch_generator(seed))
    for t, start in enumerate(range(0, len(x), BATCH), start=1):
        rows, lr = order[start : start + BATCH], rate(start / len(x))
        names = [name for name, _ in model.named_parameters()]
        now = {name: w.float().requires_grad_() for name, w in zip(names, theta)}
        loss = functional.cross_entropy(torch.func.functional_call(model, now, (x[rows],)), y[rows])
        for i, g in enumerate(torch.autograd.grad(loss, list(now.values()))):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g**2
            step = (m[i] / (1 - 0.9**t)) / ((v[i] / (1 - 0.999**t)).sqrt() + 1e-8)
            theta[i] = theta[i] - lr * (step + 0.01 * theta[i])
    return theta


@pytest.mark.parametrize(
    ("images", "lr"), [(200, 0.05), (700, 0.01)], ids=["one step", "three steps"]
)
def test_an_epoch_is_what_the_paper_says(small, images, lr):
    def rate(done: float) -> float:
        return lr * (1 - done / 2)

    part, started = small.train.take(slice(images)), wm.small_cnn(small, seed=1)
    expected = adamw_by_hand(started, part, rate=rate, seed=4)
    list(islice(train(started, TensorData(part), rate=rate, seed=4), 1))
    for found, wanted in zip(started.parameters(), expected):
        # Adam divides by |g|, so rounding of a gradient near 0 may become a step: hence not all.
        close = torch.isclose(found.double(), wanted, rtol=1e-5, atol=1e-6)
        assert close.double().mean() > 0.98


def test_the_loss_reported_is_the_mean_over_all_images(small, model):
    """At a learning rate of next to nothing the model stays, so that the loss can be worked out
    afterwards.
    """
    fitted = wm.fit(model, small.train, schedule=Schedule(epochs=1, max_lr=1e-12))
    with torch.no_grad():
        scores = model(torch.from_numpy(small.train.images))
    expected = functional.cross_entropy(scores, torch.tensor(small.train.labels)).item()
    assert fitted.history.epochs[0].loss == pytest.approx(expected, rel=1e-5)


def test_every_image_is_seen_once_an_epoch_in_an_order_of_its_own(small, model, monkeypatch):
    seen: list[torch.Tensor] = []
    original = functional.cross_entropy

    def note(scores, labels):
        seen.append(labels)
        return original(scores, labels)

    monkeypatch.setattr(loop.functional, "cross_entropy", note)
    wm.fit(model, small.train, schedule=Schedule(2, batch_size=BATCH))
    assert [len(labels) for labels in seen] == [256, 256, 188] * 2
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert sorted(first.tolist()) == sorted(second.tolist()) == sorted(small.train.labels.tolist())
    assert not torch.equal(first, second)


# ---------------------------------------------------------------- the promise


def test_it_learns(mnist):
    fitted = wm.fit(wm.small_cnn(mnist), mnist, schedule=Schedule(epochs=2))
    assert fitted.task_accuracy >= 0.9
    assert fitted.task_accuracy == accuracy(fitted.model, mnist.test)
    losses = [epoch.loss for epoch in fitted.history.epochs]
    assert losses == sorted(losses, reverse=True)


def test_the_callers_model_and_generators_are_left_alone(small, model):
    before = weights(model)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    fitted = wm.fit(model, small, schedule=ONCE)
    assert fitted.model is not model
    assert all(torch.equal(before[name], now) for name, now in model.state_dict().items())
    assert all(w.grad is None for w in model.parameters())
    assert not same(fitted.model, model)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_same_seed_same_weights(small, model, fitted):
    torch.rand(3)
    again = wm.fit(model, small, schedule=SHORT)
    assert same(fitted.model, again.model)
    assert fitted.history == again.history
    other = wm.fit(model, small, schedule=SHORT, seed=6, on_epoch=lambda _: True)
    assert other.history.epochs[0].loss != fitted.history.epochs[0].loss


class Dropping(torch.nn.Module):
    """A model that draws while it trains."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner, self.drop = inner, torch.nn.Dropout(0.3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.inner(self.drop(images))


@pytest.mark.parametrize("wrap", [lambda m: m, Dropping], ids=["plain", "with dropout"])
def test_watching_changes_nothing(small, model, monkeypatch, wrap):
    two = Schedule(epochs=2)
    alone = wm.fit(wrap(model), small.train, schedule=two)
    records: list[Epoch] = []

    def watch(epoch: Epoch) -> str:
        records.append(epoch)
        accuracy(model, small.loot)  # evaluates,
        torch.rand(7), np.random.random(7)  # draws from the global generators,
        torch.manual_seed(99)  # and even seeds them
        return "a value that is not True"

    for name in ("TQDM_DISABLE", "PYTEST_VERSION", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    for bar in (True, False):
        records.clear()
        monkeypatch.setattr(loop, "progress", functools.partial(progress, hidden=not bar))
        # Measured after each epoch, too.
        watched = wm.fit(wrap(model), small, schedule=two, on_epoch=watch)
        assert same(alone.model, watched.model)
        assert [epoch.loss for epoch in alone.history.epochs] == [epoch.loss for epoch in records]
        assert tuple(records) == watched.history.epochs


def test_dropout_does_draw(small, model):
    """Else the test above would prove nothing."""
    first = wm.fit(Dropping(model), small.train, schedule=ONCE, seed=0)
    other = wm.fit(Dropping(model), small.train, schedule=ONCE, seed=1)
    assert first.history.epochs[0].loss != other.history.epochs[0].loss
    assert not same(wm.fit(model, small.train, schedule=ONCE).model, first.model.inner)


# ---------------------------------------------------------------- stopping


def test_on_epoch_may_end_it_and_keeps_the_model(small, model, fitted):
    short = wm.fit(model, small, schedule=SHORT, on_epoch=lambda epoch: epoch.epoch == 2)
    assert short.history.stopped
    assert [epoch.epoch for epoch in short.history.epochs] == [1, 2]
    assert not short.model.training
    assert not same(short.model, model)
    assert fitted.history.epochs[:2] == short.history.epochs
    assert not fitted.history.stopped


def interrupt(epoch: Epoch) -> None:
    raise KeyboardInterrupt


def test_an_interrupt_between_epochs_loses_nothing(small, model):
    state = torch.get_rng_state()
    interrupted = wm.fit(model, small, schedule=SHORT, on_epoch=interrupt)
    stopped = wm.fit(model, small, schedule=SHORT, on_epoch=lambda epoch: True)
    assert interrupted.history.epochs == stopped.history.epochs
    assert (interrupted.history.stopped, stopped.history.stopped) == (True, True)
    assert (interrupted.history.interrupted, stopped.history.interrupted) == (True, False)
    assert same(interrupted.model, stopped.model)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("at", "epochs"), [(2, 0), (5, 1)], ids=["in the first epoch", "in the second"]
)
def test_an_interrupt_amid_an_epoch_keeps_the_model_so_far(
    says, small, model, monkeypatch, at, epochs
):
    state, calls, original = torch.get_rng_state(), [], functional.cross_entropy

    def press_stop(scores, labels):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return original(scores, labels)

    monkeypatch.setattr(loop.functional, "cross_entropy", press_stop)
    fitted = wm.fit(model, small, schedule=SHORT)
    assert len(calls) == at
    assert fitted.history.stopped
    assert len(fitted.history.epochs) == epochs
    assert not fitted.model.training
    assert not same(fitted.model, model)
    assert torch.equal(torch.get_rng_state(), state)
    says(repr(fitted.history))
    assert math.isnan(fitted.task_accuracy) is (epochs == 0)


def test_other_errors_are_not_swallowed(small, model):
    with pytest.raises(ZeroDivisionError):
        wm.fit(model, small, schedule=ONCE, on_epoch=lambda epoch: 1 / 0)


# ---------------------------------------------------------------- what is measured and shown


def test_a_task_is_measured_a_part_is_not(small, model):
    task = wm.fit(model, small, schedule=ONCE)
    part = wm.fit(model, small.train, schedule=ONCE)
    assert same(task.model, part.model)
    assert task.task_accuracy == accuracy(task.model, small.test)
    assert math.isnan(part.task_accuracy)
    assert list(task.history.to_frame()) == ["epoch", "loss", "task_accuracy"]
    assert list(part.history.to_frame()) == ["epoch", "loss"]


def test_run_counts_and_measures_after_each_epoch():
    measured = iter([{"task_accuracy": 0.25}, {"task_accuracy": 0.5}])
    history = run(iter([3.0, 2.0]), 2, lambda: next(measured))
    assert history.epochs[0][:3] == (1, 3.0, 0.25)
    assert history.epochs[1][:3] == (2, 2.0, 0.5)


# ---------------------------------------------------------------- the learning rate


def test_training_asks_for_the_rate_of_each_batch(small, model):
    asked: list[float] = []

    def rate(done: float) -> float:
        asked.append(done)
        return 1e-3

    part = small.train
    list(islice(train(wm.small_cnn(small), TensorData(part), rate=rate, seed=0), 2))
    assert asked == pytest.approx([0, 256 / 700, 512 / 700, 1, 1 + 256 / 700, 1 + 512 / 700])


# ---------------------------------------------------------------- asking a model


@pytest.mark.parametrize("images", [1, 255, 256, 257, 1001])
def test_predict_is_a_plain_loop(mnist, images):
    model, pixels = wm.small_cnn(mnist), mnist.train.pixels[:images]
    with torch.no_grad():
        one_by_one = [
            int(model(torch.tensor(image[None] / 255.0).float()).argmax()) for image in pixels
        ]
    found, scores = predict(model, pixels)
    assert (found.dtype, scores.dtype, scores.shape) == (np.int64, np.float32, (images, 10))
    assert found.tolist() == one_by_one
    share = np.mean(np.array(one_by_one) == mnist.train.labels[:images])
    assert accuracy(model, mnist.train.take(slice(images))) == pytest.approx(share)


@pytest.mark.parametrize("mode", [True, False])
def test_predict_asks_in_evaluation_mode_and_never_switches_the_model(small, model, mode):
    asked = Dropping(model).train(mode)
    state, twin = torch.get_rng_state(), Dropping(model).eval()
    assert np.array_equal(predict(asked, small.test.pixels)[1], predict(twin, small.test.pixels)[1])
    assert asked.training is mode
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_is_not_switched_even_for_a_moment(small, model):
    """Another thread may be training it: whoever asks it in between must not find it in evaluation
    mode.
    """
    asked = Dropping(model).train()
    seen: list[bool] = []
    asked.drop.register_forward_pre_hook(
        lambda *_: seen.append(asked.training and asked.drop.training)
    )
    wm.accuracy(asked, small.test)
    wm.BlackBox(asked)(small.test.images)
    assert seen
    assert all(seen)


def test_pixels_and_images_are_answered_alike(small, model):
    for ours, theirs in zip(predict(model, small.test.pixels), predict(model, small.test.images)):
        assert np.array_equal(ours, theirs)


def test_predict_of_nothing_is_nothing(small, model):
    labels, scores = predict(model, small.test.pixels[:0])
    assert (labels.shape, scores.shape) == ((0,), (0, 0))
    assert (labels.dtype, scores.dtype) == (np.int64, np.float32)


def test_a_model_is_checked_once_where_it_enters(small, model):
    """One image for each part it must fit; then every batch is one to learn or to measure."""
    sizes: list[int] = []
    counted = copy.deepcopy(model)
    counted.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    wm.fit(counted, small, schedule=Schedule(2, batch_size=BATCH))
    assert sizes == [1, 1, *2 * [256, 256, 188, 256, 44]]


# ---------------------------------------------------------------- bad input


def test_bad_data_are_refused_in_a_sentence(says, small, model):
    cifar10 = wm.load_data("cifar10")
    too_high = wm.data.Split(small.train.pixels[:2], np.array([3, 10]))
    for act in (lambda data: wm.fit(model, data), lambda data: accuracy(model, data)):
        with says(TypeError):
            act(small.train.images)
        with says(ValueError):
            act(cifar10.train)
        with says(ValueError):
            act(small.train.take(slice(0)))
        with says(ValueError):
            act(too_high)


def test_a_result_is_not_a_model(says, small, model):
    fitted = Fitted(model, History((Epoch(1, 2.0),)))
    with says(TypeError):
        wm.fit(fitted, small)


def test_what_holds_no_network_is_not_told_to_pass_one(says, small):
    for thing in (None, "model.pt", wm.small_cnn):
        with says(TypeError):
            wm.fit(thing, small)


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": 3},
        {"schedule": Schedule},
        {"schedule": None},
        {"on_epoch": 3},
        {"on_epoch": Epoch},
        {"seed": "a"},
        {"seed": 1.5},
        {"seed": -1},
        {"seed": 2**40},
    ],
    ids=str,
)
def test_a_bad_schedule_is_refused_before_anything_is_trained(
    says, small, model, settings, monkeypatch
):
    monkeypatch.setattr(torch.optim, "AdamW", None)
    with says((TypeError, ValueError)):
        wm.fit(model, small, **settings)


def test_every_training_checks_on_epoch_before_its_first_epoch(says):
    with says(TypeError):
        run(iter([1.0]), 1, dict, 3)


def test_the_largest_seed_trains_for_more_than_an_epoch(small, model):
    data = TensorData(small.train.take(slice(20)))
    steps = train(copy.deepcopy(model), data, rate=SHORT, seed=2**32 - 1)
    assert len(list(islice(steps, 2))) == 2


# ---------------------------------------------------------------- networks of one's own


def own(*layers: torch.nn.Module) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Flatten(), *layers)


NARROW, SHAPELESS = own(torch.nn.Linear(784, 5)), torch.nn.Identity()
OTHER_INPUT, OTHER_LAYER = torch.nn.LSTM(28, 28), own(torch.nn.Linear(100, 10))


@pytest.mark.parametrize(
    ("network", "torchs_words"),
    [
        (NARROW, None),
        (SHAPELESS, None),
        (OTHER_INPUT, r"(?<=failed on them: ).+(?=\. Check)"),
        (OTHER_LAYER, r"(?<=failed on them: ).+(?=\. Check)"),
    ],
    ids=["too few outputs", "no scores", "another kind of input", "another first layer"],
)
def test_a_network_that_does_not_fit_is_told_so_by_one_image(says, small, network, torchs_words):
    for act in (lambda: wm.fit(network, small), lambda: accuracy(network, small.train)):
        with says(ValueError, varies=torchs_words) as caught:
            act()
        assert "\n" not in str(caught.value)
    assert network.training


def test_a_network_without_weights_can_be_judged_but_not_trained(says, small, model):
    frozen = copy.deepcopy(model).requires_grad_(False)
    assert 0 <= accuracy(frozen, small.test) <= 1
    with says(ValueError):
        wm.fit(frozen, small)


def test_the_trial_image_draws_nothing_and_learns_nothing(small):
    network = own(torch.nn.Dropout(), torch.nn.BatchNorm1d(784), torch.nn.Linear(784, 10))
    before, state = weights(network), torch.get_rng_state()
    check_fits(network, small.train, "data")
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert network.training


# ---------------------------------------------------------------- augmentation


def shifted(image):
    """Move an image one pixel to the right, or leave it, by the toss of a coin."""
    return torch.roll(image, 1, dims=2) if torch.rand(()) < 0.5 else image


def recorded(part, vary, *extra):
    """Train for two epochs and return what the network was shown, as 8-bit images."""
    seen = []
    model = wm.small_cnn(wm.load_data("mnist"), width=2)
    model.register_forward_pre_hook(lambda _, inputs: seen.append((inputs[0] * 255).round().byte()))
    data = TensorData(part.varied(vary), *extra)
    list(islice(train(model, data, rate=lambda _: 1e-3, seed=0), 2))
    return torch.cat(seen[: len(seen) // 2]), torch.cat(seen[len(seen) // 2 :])


def test_every_image_is_varied_anew_in_every_epoch(small):
    part = small.train.take(slice(300))
    first, second = recorded(part, shifted)
    originals = {image.tobytes() for image in part.pixels}
    moved = {np.roll(image, 1, axis=2).tobytes() for image in part.pixels}
    for epoch in (first, second):
        shown = [image.numpy().tobytes() for image in epoch]
        assert len(shown) == 300
        assert set(shown) <= originals | moved
        # Binomial(300, 1/2) is there all but once in 1e8.
        assert 100 < sum(image in moved for image in shown) < 200
    assert {i.numpy().tobytes() for i in first} != {i.numpy().tobytes() for i in second}


def test_extra_images_are_never_varied(small):
    part, extra = small.train.take(slice(300)), small.loot.take(slice(40))
    for epoch in recorded(part, lambda image: image * 0, extra):
        shown = [image.numpy().tobytes() for image in epoch]
        black = shown.count(bytes(28 * 28))
        assert black == 300
        originals = {image.tobytes() for image in extra.pixels}
        assert {image for image in shown if any(image)} == originals


def test_varying_is_reproducible_and_leaves_torchs_generator_alone(small):
    varied = wm.Splits("mnist", small.train.varied(shifted), small.loot, small.test, small.classes)
    before, network = torch.get_rng_state(), wm.small_cnn(small, width=2)
    first = wm.fit(network, varied, schedule=Schedule(2), seed=3).model
    again = wm.fit(network, varied, schedule=Schedule(2), seed=3).model
    assert torch.equal(torch.get_rng_state(), before)
    assert same(first, again)
    assert not same(first, wm.fit(network, small, schedule=Schedule(2), seed=3).model)


def fails(image):
    raise RuntimeError("The crop is larger\nthan the image.")


@pytest.mark.parametrize(
    "vary",
    [
        lambda image: image.float() / 255,
        lambda image: image[:, :20],
        lambda image: None,
        fails,
        lambda a, b: a,
    ],
    ids=["floats", "smaller", "nothing", "fails", "takes two"],
)
def test_what_varies_must_take_an_image_and_return_such_an_image(says, small, vary):
    with says(ValueError):
        wm.fit(wm.small_cnn(small), small.varied(vary))


def test_transforms_of_torchvision_fit(small):
    from torchvision.transforms import v2

    transform = v2.Compose([v2.RandomCrop(28, padding=2), v2.RandomHorizontalFlip()])
    part = small.train.take(slice(100)).varied(transform)
    assert wm.fit(wm.small_cnn(small, width=2), part, schedule=ONCE).history.epochs


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize(("batch", "sizes"), [(64, [64, 64, 64, 8]), (200, [200]), (1000, [200])])
def test_the_schedule_says_how_many_images_a_step_sees(small, batch, sizes):
    seen = []
    model = wm.small_cnn(small, width=2)
    model.register_forward_pre_hook(
        lambda layer, inputs: seen.append(len(inputs[0])) if layer.training else None
    )
    data = TensorData(small.train.take(slice(200)))
    list(islice(train(model, data, rate=SHORT, batch_size=batch, seed=0), 1))
    assert seen == sizes


def test_more_steps_in_smaller_batches_are_other_weights(small, model):
    plain = wm.fit(model, small, schedule=ONCE).model
    assert not same(plain, wm.fit(model, small, schedule=Schedule(1, batch_size=32)).model)


# ---------------------------------------------------------------- optimizers, losses, precision


def momentum(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def test_a_step_of_an_optimizer_of_ones_own_by_hand(small, model):
    """Its rate is the highest; a cycle begins at a twenty-fifth of that."""
    part = small.train.take(slice(64))
    fitted = wm.fit(model, part, schedule=Schedule(1, batch_size=64), optimizer=momentum).model
    by_hand = copy.deepcopy(model)
    labels = torch.tensor(part.labels)
    functional.cross_entropy(by_hand(torch.tensor(part.images)), labels).backward()
    for before, after in zip(by_hand.parameters(), fitted.parameters(), strict=True):
        assert torch.allclose(after, before - 0.1 / 25 * before.grad, atol=1e-6)


def test_each_group_of_weights_keeps_its_own_rate(small, model):
    seen = []

    class Noting(torch.optim.SGD):
        def step(self, closure=None):
            seen.append([group["lr"] for group in self.param_groups])
            return super().step(closure)

    def two(parameters):
        first, *others = parameters
        return Noting([{"params": [first], "lr": 0.5}, {"params": others}], lr=0.1)

    schedule = Schedule(2, max_lr=1e-3, batch_size=350)
    wm.fit(model, small.train, schedule=schedule, optimizer=two)
    rates = [schedule(done) / 1e-3 for done in (0, 0.5, 1, 1.5)]
    assert np.allclose(seen, [[0.5 * rate, 0.1 * rate] for rate in rates])


def test_what_is_given_is_as_good_as_what_is_left_out(small, model):
    plain = wm.fit(model, small, schedule=ONCE).model
    assert same(plain, wm.fit(model, small, schedule=ONCE, loss=torch.nn.CrossEntropyLoss()).model)
    adamw = functools.partial(torch.optim.AdamW, lr=5e-3, weight_decay=1e-2)
    given = wm.fit(model, small, schedule=ONCE, optimizer=adamw).model
    for one, other in zip(plain.parameters(), given.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    smooth = torch.nn.CrossEntropyLoss(label_smoothing=0.2)
    assert not same(plain, wm.fit(model, small, schedule=ONCE, loss=smooth).model)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": torch.optim.SGD([torch.zeros(1)], lr=0.1)},
        {"optimizer": lambda parameters: "sgd"},
        {"optimizer": lambda parameters: torch.optim.SGD([torch.zeros(1)], lr=0.1)},
        {"loss": torch.nn.functional.mse_loss},
        {"loss": torch.nn.CrossEntropyLoss},
        {"loss": torch.nn.CrossEntropyLoss(reduction="none")},
        {"loss": lambda scores, labels: scores.detach().mean()},
        {"autocast": torch.float32},
        {"autocast": "bf16"},
    ],
    ids=range(9),
)
def test_what_cannot_train_is_refused_in_a_sentence(says, small, model, settings):
    varies = None if "autocast" in settings else r"(?<=got: ).+(?=\. Pass)"  # torch's own words
    with says((TypeError, ValueError), varies=varies):
        wm.fit(model, small, **settings)


HALVES = [torch.bfloat16] + [torch.float16] * hasattr(torch.amp, "GradScaler")  # torch 2.3


@pytest.mark.parametrize("half", HALVES)
def test_mixed_precision_calculates_in_16_bits_and_keeps_32(small, model, half):
    seen = set()
    watched = copy.deepcopy(model)
    watched.layers[1].register_forward_hook(lambda *given: seen.add(given[2].dtype))
    schedule = Schedule(epochs=4)
    mixed = wm.fit(watched, small, schedule=schedule, autocast=half)
    assert seen == {half, torch.float32}  # training, and what is measured
    assert {weights.dtype for weights in mixed.model.parameters()} == {torch.float32}
    whole = wm.fit(model, small, schedule=schedule)
    assert mixed.task_accuracy == pytest.approx(whole.task_accuracy, abs=0.05)


# ---------------------------------------------------------------- devices and dtypes


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_everything_follows_the_dtype_of_the_model(small, dtype):
    """Images and a service's scores become what the model calculates in; what comes back is as
    always.
    """
    network = wm.small_cnn(small).to(dtype)
    fitted = wm.fit(network, small, schedule=Schedule(epochs=2))
    assert {weights.dtype for weights in fitted.model.parameters()} == {dtype}
    assert fitted.task_accuracy > 0.2
    assert fitted.task_accuracy == accuracy(fitted.model, small.test)
    service = wm.BlackBox(fitted.model, scores=True)
    assert service.scores(small.test.images[:2]).dtype == np.float32

    few = wm.Splits(
        "few", small.train.take(slice(60)), small.loot.take(slice(60)), small.test, small.classes
    )
    triggers = wm.Content(words=5)(few, n=20, key=wm.CLASSROOM_KEY)
    margin = wm.watermarks.Margin(images=5, steps=1)
    marked = wm.embed(network, few, triggers, margin=margin, on_epoch=lambda _: True)
    assert marked.model.layers[1].weight.dtype == dtype
    message = wm.watermarks.seal_message(network, bits=8, key=wm.CLASSROOM_KEY)
    embedded = wm.watermarks.embed_message(network, few, message, schedule=ONCE)
    assert len(message.read(embedded.model)) == 8
    stolen = wm.theft.StealByQueries(60, "soft", schedule=ONCE)(service, network, few.loot)
    pruned = wm.theft.FinePrune(0.2, epochs=1)(stolen.model, few.loot)
    assert pruned.model.layers[1].weight.dtype == dtype
    inverted = wm.theft.InvertModel("noise", steps=2)(fitted.model, small.loot)
    assert inverted.images.dtype == np.float32


def test_double_precision_differs_from_single_by_rounding_only(small, model, fitted):
    double = wm.fit(copy.deepcopy(model).double(), small, schedule=SHORT)
    losses = [epoch.loss for epoch in fitted.history.epochs]
    assert [epoch.loss for epoch in double.history.epochs] == pytest.approx(losses, rel=1e-3)


def test_images_lie_where_the_model_lies_but_not_those_that_are_varied(small):
    """The device "meta" holds no numbers; it is enough to see where things lie."""
    part, rows = small.train.take(slice(6)), torch.tensor([4, 0])
    weight = torch.empty(1, device="meta", dtype=torch.float16)
    plain, varied = TensorData(part), TensorData(part.varied(lambda image: image))
    for data, lies in ((plain, "meta"), (varied, "cpu")):
        data.move_to(weight.device)
        assert data.kept[0].device.type == lies
        images, labels = data.batch(rows, weight)
        assert (images.device.type, labels.device.type) == ("meta", "meta")
        assert images.dtype == torch.float16


def test_what_does_not_fit_on_a_device_is_moved_batch_by_batch(small):
    data, weight = TensorData(small.train.take(slice(6))), torch.empty(1, device="meta")
    data.kept = [NoRoom(data.kept[0])]
    data.move_to(weight.device)
    images, _ = data.batch(torch.tensor([4, 0]), weight)
    assert data.kept[0].device.type == "cpu"
    assert (images.device.type, images.shape) == ("meta", (2, 1, 28, 28))


class NoRoom:
    """Pixels that cannot be moved as a whole."""

    device = torch.device("cpu")

    def __init__(self, pixels: torch.Tensor) -> None:
        self.inside = pixels

    def to(self, device: torch.device) -> torch.Tensor:
        raise torch.cuda.OutOfMemoryError("no room")

    def index_select(self, dim: int, rows: torch.Tensor) -> torch.Tensor:
        return self.inside.index_select(dim, rows)


Learnt = dict[str, list[torch.Tensor]]


def everything(network: torch.nn.Module, small: wm.Splits) -> Learnt:
    """Return what all that trains or looks for slopes makes of a network, briefly."""
    few = wm.Splits(
        "few", small.train.take(slice(100)), small.loot.take(slice(100)), small.test, small.classes
    )
    triggers = wm.Content(words=5)(few, n=20, key=wm.CLASSROOM_KEY)
    message = wm.watermarks.seal_message(network, key=wm.CLASSROOM_KEY)
    how = {"schedule": ONCE, "on_epoch": lambda _: True}
    margin = wm.watermarks.Margin(images=5, steps=2)
    theft = wm.theft.StealByQueries(60, schedule=ONCE)
    models = {
        "fit": wm.fit(network, few, schedule=ONCE).model,
        "embed": wm.embed(network, few, triggers, **how).model,
        "margin": wm.embed(network, few, triggers, margin=margin, **how).model,
        message.layer: wm.watermarks.embed_message(network, few, message, schedule=ONCE).model,
        "tune": wm.theft.FineTune(epochs=1, layers="last", reset=True)(network, few.loot).model,
        "prune": wm.theft.FinePrune(0.5, epochs=1)(network, few.loot).model,
        "perturb": wm.theft.PerturbWeights(0.5)(network).model,
        "steal": theft(wm.BlackBox(network), network, few.loot).model,
    }
    found = {}
    for name, model in models.items():
        found[name] = [weights.detach() for weights in model.parameters()]
    images = wm.theft.InvertModel(steps=3)(network, few.loot).images
    return found | {"invert": [torch.from_numpy(images)]}


def alike(one: Learnt, other: Learnt) -> bool:
    """Whether all is the same; a message is another one where its layer has another name."""
    pairs = [zip(one[name], other[name], strict=True) for name in one.keys() & other.keys()]
    assert len(pairs) >= 8
    return all(itertools.starmap(torch.equal, itertools.chain(*pairs)))


@pytest.fixture(scope="module")
def outside(small, model) -> Learnt:
    return everything(model, small)


@pytest.mark.parametrize("block", [torch.no_grad, torch.inference_mode])
def test_training_works_inside_blocks_without_gradients(small, outside, block):
    with block():
        # Built inside, its weights are such that nobody could train them.
        inside = everything(wm.small_cnn(small, seed=1), small)
        assert not torch.is_grad_enabled()
    assert alike(outside, inside)


def test_everything_works_beside_another_default_device(small, outside):
    """Notebooks set one at their top. "meta" refuses to mix with the CPU, as a GPU does."""
    torch.set_default_device("meta")
    try:
        assert not wm.load_model("mnist/clean").layers[1].weight.is_meta
        inside = everything(wm.small_cnn(small, seed=1), small)
    finally:
        torch.set_default_device(None)
    assert alike(outside, inside)


def test_on_the_device_meta_are_no_numbers(says, small, model):
    empty = copy.deepcopy(model).to("meta")
    acts = [
        lambda: wm.fit(empty, small),
        lambda: accuracy(empty, small.test),
        lambda: wm.BlackBox(empty),
        lambda: wm.serve(empty),
        lambda: wm.theft.Quantize(4)(empty),
    ]
    for act in acts:
        with says(ValueError):
            act()


def test_half_precision_can_be_asked_but_not_trained(says, small, fitted):
    half = copy.deepcopy(fitted.model).half()
    assert accuracy(half, small.test) == pytest.approx(fitted.task_accuracy, abs=0.01)
    service = wm.BlackBox(half, scores=True)
    whole = wm.BlackBox(fitted.model, scores=True)
    images = small.test.images[:50]
    assert np.abs(service.scores(images) - whole.scores(images)).max() < 0.01
    with says(ValueError):
        wm.fit(half, small)
    with says(ValueError):
        wm.theft.FineTune(epochs=1)(half, small.loot)
    with says(ValueError):
        wm.theft.StealByQueries(20)(service, half, small.loot)
    assert service.queries == 50  # nothing was bought for a network that cannot learn
    stolen = wm.theft.Prune(0.5)(half).model
    assert stolen.layers[6].weight.dtype == torch.float16
    assert (stolen.layers[6].weight == 0).float().mean() > 0.3


# ---------------------------------------------------------------- what networks answer


class Answering(torch.nn.Module):
    """A network whose scores come among other things."""

    def __init__(self, inner: torch.nn.Module, wrap, in_training=None) -> None:
        super().__init__()
        self.inner, self.wrap, self.in_training = inner, wrap, in_training or wrap

    def forward(self, images: torch.Tensor):
        wrap = self.in_training if self.training else self.wrap
        return wrap(self.inner(images), images)


def as_is(scores: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return scores


def with_auxiliary(scores: torch.Tensor, _: torch.Tensor) -> GoogLeNetOutputs:
    return GoogLeNetOutputs(scores, scores / 2, None)


ANSWERS = {
    "tuple": (lambda scores, images: (scores, images),),
    "list": (lambda scores, images: [scores],),
    "logits by name": (lambda scores, images: {"loss": None, "logits": scores},),
    "logits as attribute": (lambda scores, images: SimpleNamespace(hidden=images, logits=scores),),
    "a tuple in training": (as_is, lambda scores, _: (scores, scores)),
    "auxiliary in training": (as_is, with_auxiliary),
}


@pytest.mark.parametrize("wraps", ANSWERS.values(), ids=ANSWERS)
def test_scores_are_found_among_several_outputs(small, outside, model, wraps):
    inside = everything(Answering(wm.small_cnn(small, seed=1), *wraps), small)
    assert alike(outside, inside)
    assert accuracy(Answering(model, *wraps), small.test) == accuracy(model, small.test)


def broken(model: torch.nn.Module, weight: float) -> torch.nn.Module:
    """Return a network in whose last layer a bias is no number."""
    model = copy.deepcopy(model)
    model.layers[-1].bias.data[4] = weight
    return model


@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_what_is_no_number_is_no_class(says, small, model, weight):
    network = broken(model, weight)
    acts = [
        lambda: predict(network, small.test.pixels),
        lambda: accuracy(network, small.test),
        lambda: wm.BlackBox(network)(small.test.images[:3]),
        lambda: wm.BlackBox(network, scores=True).scores(small.test.images[:3]),
        lambda: wm.fit(network, small),
    ]
    for act in acts:
        with says(NotNumbers):
            act()


def test_a_class_that_is_ruled_out_is_a_number(small, model):
    labels, scores = predict(broken(model, -math.inf), small.test.pixels)
    assert (scores[:, 4] == 0).all()
    assert 4 not in labels


def test_no_number_is_evidence_of_nothing(small, model):
    triggers = wm.Content(words=5)(small, n=20, key=wm.CLASSROOM_KEY)
    suspects = {"fine": wm.BlackBox(model), "broken": wm.BlackBox(broken(model, math.nan))}
    with pytest.warns(UserWarning, match="NaN"):
        verdicts = wm.verify_all(suspects, triggers)
    assert verdicts["fine"].decision == "not found"
    assert verdicts["broken"].decision == "cannot tell"
    with pytest.raises(NotNumbers):
        wm.verify(suspects["broken"], triggers)


class Roots(torch.nn.Module):
    """A network that is defined only where its scales are positive."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.scales = own(torch.nn.Linear(784, 10)), torch.nn.Parameter(torch.ones(10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.inner(images) * self.scales.sqrt()


def test_a_training_that_leaves_no_numbers_says_so(says, small):
    with says(NotNumbers):
        wm.fit(Roots(), small, schedule=Schedule(3, max_lr=9))


# ---------------------------------------------------------------- networks that are closed


@pytest.mark.parametrize("kind", ["script", "trace", "frozen script", "quantised"])
def test_a_closed_network_can_be_asked_and_says_that_it_cannot_be_changed(says, small, model, kind):
    ready = copy.deepcopy(model).eval()
    make = {
        "script": torch.jit.script,
        "trace": lambda network: torch.jit.trace(network, torch.zeros(2, 1, 28, 28)),
        "frozen script": lambda network: torch.jit.freeze(torch.jit.script(network)),
        "quantised": lambda network: torch.ao.quantization.quantize_dynamic(network),
    }
    with warnings.catch_warnings():  # torch has deprecated what is still deployed
        warnings.simplefilter("ignore")
        closed = make[kind](ready)
    images = small.test.images[:60]
    same_answers = wm.BlackBox(closed)(images) == wm.BlackBox(ready)(images)
    assert same_answers.mean() > 0.9
    acts = [
        lambda: wm.fit(closed, small),
        lambda: wm.theft.Quantize(2)(closed),
        lambda: wm.theft.FineTune(epochs=1)(closed, small.loot),
        lambda: wm.theft.InvertModel(steps=1)(closed, small.loot),
    ]
    for act in acts:
        with says(ValueError):
            act()


@pytest.mark.parametrize(
    "wrap",
    [lambda network: torch.compile(network, backend="eager"), torch.nn.DataParallel],
    ids=["compiled", "parallel"],
)
def test_what_wraps_a_network_changes_no_result(small, outside, wrap):
    inside = everything(wrap(wm.small_cnn(small, seed=1)), small)
    assert alike(outside, inside)


def test_a_network_that_cannot_be_copied_says_so(says, small, model):
    network = copy.deepcopy(model)
    network.lock = threading.Lock()
    with says(ValueError):
        wm.fit(network, small)


def normalised() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return own(torch.nn.Linear(784, 16), torch.nn.BatchNorm1d(16), torch.nn.Linear(16, 10))


def sizes_of_steps(model: torch.nn.Module, part: wm.data.Split, batch: int) -> list[int]:
    seen: list[int] = []
    model = copy.deepcopy(model)
    model.register_forward_pre_hook(lambda layer, inputs: seen.append(len(inputs[0])))
    list(islice(train(model, TensorData(part), rate=SHORT, batch_size=batch, seed=0), 1))
    return seen


def test_an_image_left_over_joins_the_step_before_where_a_layer_needs_two(small):
    part, plain = small.train.take(slice(65)), own(torch.nn.Linear(784, 10))
    # The first tries whether one image would do.
    assert sizes_of_steps(normalised(), part, 32) == [1, 32, 33]
    assert sizes_of_steps(plain, part, 32) == [1, 32, 32, 1]
    assert sizes_of_steps(wm.training.deep_cnn(small, width=2), part, 32) == [1, 32, 32, 1]
    assert sizes_of_steps(normalised(), part, 31) == [31, 31, 3]
    fitted = wm.fit(normalised(), part, schedule=Schedule(2, batch_size=64))
    assert fitted.history.epochs[-1].loss > 0


def test_the_trial_of_one_image_draws_nothing_and_teaches_nothing(small):
    """One step of 64 images and one left over is one step of 65: weights, running means and dropout
    alike.
    """
    part, network = small.train.take(slice(65)), own(torch.nn.Dropout(), *normalised()[1:])
    state = torch.get_rng_state()
    joined = wm.fit(network, part, schedule=Schedule(1, batch_size=64)).model
    assert same(joined, wm.fit(network, part, schedule=Schedule(1, batch_size=65)).model)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("images", "batch"), [(65, 1), (1, 32), (1, 1)])
def test_a_layer_that_needs_two_images_and_gets_one_says_so(says, small, images, batch):
    part = small.train.take(slice(images))
    with says(ValueError):
        wm.fit(normalised(), part, schedule=Schedule(1, batch_size=batch))


def test_a_thief_with_one_image_is_told_what_a_layer_needs(says, small):
    with says(ValueError):
        wm.theft.FineTune(epochs=1)(normalised(), small.loot.take(slice(1)))
    wm.theft.FineTune(epochs=1)(wm.small_cnn(small), small.loot.take(slice(1)))
