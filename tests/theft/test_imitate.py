"""Imitation: a thief who may only ask. Nothing of the weights reaches them, and they keep what
they have paid for.
"""

from __future__ import annotations

import copy
import dataclasses
from itertools import islice

import numpy as np
import pytest
import torch

import wmlearn as wm
from wmlearn.theft import StealByQueries
from wmlearn.training.loop import TensorData, train
from wmlearn.triggers.unrelated import fit_pixels

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = wm.Schedule(epochs=2, batch_size=256)


@pytest.fixture(scope="module")
def loot(mnist) -> wm.data.Split:
    return mnist.loot.take(slice(600))


@pytest.fixture
def fresh(mnist) -> torch.nn.Module:
    return wm.small_cnn(mnist, seed=5)


@pytest.fixture(scope="module")
def owner() -> torch.nn.Module:
    return wm.load_model("mnist/content")


class Asked:
    """A service that keeps the images it was asked, and answers what it is told to."""

    def __init__(self, answer) -> None:
        self.answer, self.images = answer, np.empty((0, 1, 28, 28), np.float32)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.images = np.concatenate([self.images, images])
        return self.answer(images)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


# What a thief asks and learns ---------------------------------------------------------------------


def test_a_thief_trains_the_fresh_network_on_the_answers_and_on_nothing_else(fresh, loot):
    """The oracle trains a copy on the same images and answers itself; the labels of the loot play
    no part.
    """
    suspect = Asked(
        lambda images: (images.sum((1, 2, 3)) > 100).astype(np.int64)
    )  # a task of its own: bright or dark
    before = copy.deepcopy(fresh)
    surrogate = StealByQueries(n_queries=300, seed=4, schedule=QUICK)(suspect, fresh, loot)
    bought = wm.data.Split.from_images(suspect.images, suspect.answer(suspect.images), 10)
    losses = list(
        islice(
            train(before, TensorData(bought), rate=QUICK, seed=4, batch_size=QUICK.batch_size), 2
        )
    )
    assert same(surrogate.model, before)
    assert [epoch.loss for epoch in surrogate.history.epochs] == losses
    relabelled = wm.data.Split(loot.pixels, np.zeros_like(loot.labels))
    assert same(
        StealByQueries(n_queries=300, seed=4, schedule=QUICK)(suspect, fresh, relabelled).model,
        before,
    )


def test_a_thief_asks_about_each_image_once(fresh, loot):
    suspect = Asked(lambda images: np.zeros(len(images), np.int64))
    StealByQueries(n_queries=600, schedule=QUICK)(suspect, fresh, loot)
    assert {image.tobytes() for image in suspect.images} == {
        image.tobytes() for image in loot.images
    }
    other = Asked(suspect.answer)
    StealByQueries(n_queries=600, seed=1, schedule=QUICK)(other, fresh, loot)
    assert not np.array_equal(suspect.images, other.images)


@pytest.mark.parametrize(("task", "foreign"), [("mnist", "cifar10"), ("cifar10", "mnist")])
def test_unrelated_images_are_those_of_the_other_task(task, foreign):
    data, asked = wm.load_data(task), []

    def suspect(images: np.ndarray) -> np.ndarray:
        asked.extend(image.tobytes() for image in images)
        return np.zeros(len(images), np.int64)

    StealByQueries(n_queries=260, pool="unrelated", schedule=wm.Schedule(epochs=1))(
        suspect, wm.small_cnn(data), data.loot
    )
    pool = fit_pixels(wm.load_data(foreign).train.pixels, data.shape) / np.float32(255)
    assert len(asked) == 260
    assert set(asked) <= {image.tobytes() for image in pool}


def test_images_of_the_thiefs_own(fresh, loot, mnist):
    suspect = Asked(lambda images: np.zeros(len(images), np.int64))
    StealByQueries(n_queries=50, pool=mnist.test.take(slice(50)), schedule=QUICK)(
        suspect, fresh, loot
    )
    assert {image.tobytes() for image in suspect.images} == {
        image.tobytes() for image in mnist.test.images[:50]
    }


def test_an_imitation_knows_the_task_and_not_the_secret(owner, fresh, mnist):
    triggers = wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)
    suspect = wm.BlackBox(owner)
    assert wm.verify(suspect, triggers).decision == "found"
    surrogate = StealByQueries(n_queries=2000, schedule=wm.Schedule(epochs=8, batch_size=64))(
        suspect, fresh, mnist.loot
    )
    assert wm.accuracy(surrogate.model, mnist.test) > 0.9
    verdict = wm.verify(wm.BlackBox(surrogate.model), triggers)
    assert verdict.decision == "not found"
    assert verdict.k <= 8


# Scores -------------------------------------------------------------------------------------------


class Telling:
    """A service that tells its scores."""

    def __init__(self, model: torch.nn.Module, classes: int = 10) -> None:
        self.model, self.classes = model, classes

    def __call__(self, images: np.ndarray) -> np.ndarray:
        raise AssertionError("who buys scores asks for scores")

    def scores(self, images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.model(torch.from_numpy(images)).softmax(1).numpy()[:, : self.classes]


def test_soft_labels_teach_the_whole_answer(owner, fresh, loot):
    """The oracle descends the cross-entropy between the service's scores and the network's, step by
    step.
    """
    theft = StealByQueries(
        n_queries=600, labels="soft", seed=2, schedule=wm.Schedule(epochs=1, batch_size=200)
    )
    surrogate = theft(Telling(owner), fresh, loot)
    order = np.random.RandomState(2).permutation(600)
    images, copied = torch.from_numpy(loot.images[order]), copy.deepcopy(fresh)
    soft = torch.from_numpy(Telling(owner).scores(loot.images[order]))
    optimizer = torch.optim.AdamW(copied.parameters(), weight_decay=1e-2)
    batches = torch.randperm(600, generator=torch.Generator().manual_seed(2)).split(200)
    for step, rows in enumerate(batches):
        optimizer.param_groups[0]["lr"] = theft.schedule(step / 3)
        optimizer.zero_grad()
        loss = -(soft[rows] * copied(images[rows]).log_softmax(1)).sum(1).mean()
        loss.backward()
        optimizer.step()
    assert all(
        torch.allclose(a, b, atol=1e-5)
        for a, b in zip(copied.parameters(), surrogate.model.parameters())
    )
    assert not same(
        StealByQueries(n_queries=600, seed=2, schedule=theft.schedule)(
            wm.BlackBox(owner), fresh, loot
        ).model,
        copied,
    )


def test_over_http_scores_and_labels(owner, fresh, loot):
    with wm.serve(owner, name="shop", options=wm.ServiceOptions(scores=True)) as service:
        suspect = wm.RemoteModel(service.url)
        hard = StealByQueries(n_queries=300, schedule=QUICK)(suspect, fresh, loot)
        soft = StealByQueries(n_queries=300, labels="soft", schedule=QUICK)(suspect, fresh, loot)
    assert (hard.queries, soft.queries, service.queries, suspect.queries) == (300, 300, 600, 600)
    assert same(
        hard.model,
        StealByQueries(n_queries=300, schedule=QUICK)(wm.BlackBox(owner), fresh, loot).model,
    )
    here = StealByQueries(n_queries=300, labels="soft", schedule=QUICK)(
        wm.BlackBox(owner, scores=True), fresh, loot
    )
    assert all(
        torch.allclose(a, b, atol=1e-6)
        for a, b in zip(here.model.parameters(), soft.model.parameters())
    )
    assert not same(hard.model, soft.model)


def test_a_service_that_keeps_its_scores_to_itself(says, owner, fresh, loot):
    theft = StealByQueries(n_queries=300, labels="soft", schedule=QUICK)
    with says(TypeError):
        theft(lambda images: np.zeros(len(images), np.int64), fresh, loot)
    with says(ValueError):
        theft(wm.BlackBox(owner), fresh, loot)
    with (
        wm.serve(owner, name="shop") as service,
        says(ValueError),
    ):
        theft(wm.RemoteModel(service.url), fresh, loot)


# What was bought is kept --------------------------------------------------------------------------


def test_images_without_an_answer_are_left_out_and_reported(owner, fresh, loot):
    suspect = wm.BlackBox(owner)
    every_third = Asked(
        lambda images: np.where(np.arange(len(images)) % 3 == 0, -1, suspect(images))
    )
    surrogate = StealByQueries(n_queries=240, schedule=QUICK)(every_third, fresh, loot)
    assert (surrogate.queries, surrogate.unanswered, surrogate.trouble) == (160, 80, "")
    assert repr(surrogate).endswith(
        "of the thief's own, 160 answers of the owner's service (80 more wanted))"
    )
    assert "wanted, but not answered" in surrogate._repr_html_()


@pytest.mark.parametrize("budget", [100, 250, 333])
def test_a_budget_that_ends_on_the_way(budget, owner, fresh, loot):
    suspect = wm.BlackBox(owner, budget=budget)
    surrogate = StealByQueries(n_queries=600, schedule=QUICK)(suspect, fresh, loot)
    assert (surrogate.queries, surrogate.unanswered, suspect.queries) == (
        budget,
        600 - budget,
        budget,
    )
    first = loot.take(np.random.RandomState(0).permutation(600)[:budget])
    bought = wm.data.Split(first.pixels, wm.BlackBox(owner)(first.images))
    copied = copy.deepcopy(fresh)
    list(
        islice(
            train(copied, TensorData(bought), rate=QUICK, seed=0, batch_size=QUICK.batch_size), 2
        )
    )
    assert same(copied, surrogate.model)


@pytest.mark.parametrize("budget", [250, 333])
def test_scores_that_end_on_the_way_are_kept(budget, owner, fresh, loot):
    theft = StealByQueries(n_queries=600, labels="soft", schedule=QUICK)
    surrogate = theft(wm.BlackBox(owner, budget=budget, scores=True), fresh, loot)
    assert (surrogate.queries, surrogate.unanswered) == (budget, 600 - budget)
    enough = wm.BlackBox(owner, scores=True)
    assert same(
        surrogate.model, dataclasses.replace(theft, n_queries=budget)(enough, fresh, loot).model
    )


def test_a_service_that_dies_while_it_tells_its_scores(owner, fresh, loot):
    class Dying(wm.BlackBox):
        def scores(self, images):
            if self.queries == 500:
                raise ConnectionError("the line is dead")
            return super().scores(images)

    theft = StealByQueries(n_queries=600, labels="soft", schedule=QUICK)
    surrogate = theft(Dying(owner, scores=True), fresh, loot)
    assert (surrogate.queries, surrogate.unanswered, surrogate.trouble) == (
        500,
        100,
        "the line is dead",
    )
    suspect = wm.BlackBox(owner, budget=500, scores=True)
    assert same(surrogate.model, theft(suspect, fresh, loot).model)


@pytest.mark.parametrize("labels", ["hard", "soft"])
def test_a_budget_of_nought_in_this_process(says, labels, owner, fresh, loot):
    suspect = wm.BlackBox(owner, budget=0, scores=True)
    with says(ValueError):
        StealByQueries(n_queries=600, labels=labels, schedule=QUICK)(suspect, fresh, loot)
    assert (suspect.queries, suspect.refused) == (0, 250)


@pytest.mark.parametrize("labels", ["hard", "soft"])
def test_a_budget_of_nought(says, labels, owner, fresh, loot):
    with wm.serve(owner, name="shop", options=wm.ServiceOptions(scores=True)) as service:
        suspect = wm.RemoteModel(service.url, budget=0)
        with says(ValueError):
            StealByQueries(n_queries=600, labels=labels, schedule=QUICK)(suspect, fresh, loot)


def test_a_service_that_dies_on_the_way(owner, fresh, loot):
    with wm.serve(owner, name="shop") as service:
        suspect = wm.RemoteModel(service.url, retries=0)

        def until_it_dies(images: np.ndarray) -> np.ndarray:
            if suspect.queries == 500:
                service.stop()
            return suspect(images)

        until_it_dies.faults = suspect.faults
        surrogate = StealByQueries(n_queries=600, schedule=QUICK)(until_it_dies, fresh, loot)
    assert (surrogate.queries, surrogate.unanswered) == (500, 100)
    assert surrogate.trouble.startswith("100 images got no valid answer: ")
    assert same(
        surrogate.model,
        StealByQueries(n_queries=600, schedule=QUICK)(
            wm.BlackBox(owner, budget=500), fresh, loot
        ).model,
    )


@pytest.mark.parametrize(
    "error", [ConnectionError("the line is dead"), KeyboardInterrupt(), PermissionError("go away")]
)
def test_an_error_or_stop_on_the_way(error, owner, fresh, loot):
    suspect = wm.BlackBox(owner)

    def fails_late(images: np.ndarray) -> np.ndarray:
        if suspect.queries == 250:
            raise error
        return suspect(images)

    surrogate = StealByQueries(n_queries=600, schedule=QUICK)(fails_late, fresh, loot)
    assert (surrogate.queries, surrogate.unanswered) == (250, 350)
    assert surrogate.trouble == (str(error) or "KeyboardInterrupt")
    assert str(surrogate.trouble) in surrogate._repr_html_()


@pytest.mark.parametrize("error", [ConnectionError("the line is dead"), KeyboardInterrupt()])
def test_an_error_or_stop_before_anything_was_bought(error, fresh, loot):
    def fails(images: np.ndarray) -> np.ndarray:
        raise error

    with pytest.raises(type(error)) as caught:
        StealByQueries(n_queries=600, schedule=QUICK)(fails, fresh, loot)
    assert caught.value is error


# Bad input ----------------------------------------------------------------------------------------


def test_a_bad_setting(says):
    with says(ValueError):
        StealByQueries(n_queries=0)
    with says(TypeError):
        StealByQueries(n_queries="all")
    with says(ValueError):
        StealByQueries(labels="some")
    with says(ValueError):
        StealByQueries(pool="lot")
    with says(ValueError):
        StealByQueries(seed=-1)
    with says(TypeError):
        StealByQueries(schedule=5)


def test_more_images_than_there_are(says, owner, fresh, loot):
    suspect = wm.BlackBox(owner)
    with says(ValueError):
        StealByQueries(n_queries=601)(suspect, fresh, loot)
    assert suspect.queries == 0


def test_weights_are_no_service(says, owner, fresh, loot):
    with says(TypeError):
        StealByQueries()(owner, fresh, loot)


def test_another_shape(says, owner, fresh, mnist, loot):
    photographs = wm.load_data("cifar10")
    suspect = wm.BlackBox(owner)
    with says(ValueError):
        StealByQueries(n_queries=10)(suspect, wm.small_cnn(photographs), loot)
    with says(ValueError):
        StealByQueries(n_queries=10)(suspect, wm.small_cnn(photographs), photographs.loot)
    with says(ValueError):
        StealByQueries(n_queries=10, pool=photographs.loot)(suspect, fresh, loot)


def test_other_classes(says, owner, fresh, loot):
    with says(ValueError):
        StealByQueries(n_queries=10)(lambda images: np.full(len(images), 99), fresh, loot)
    with says(ValueError):
        StealByQueries(n_queries=10, labels="soft")(Telling(owner, classes=7), fresh, loot)


def test_a_senseless_answer(says, fresh, loot):
    with says(ValueError):
        StealByQueries(n_queries=10)(lambda images: np.zeros((len(images), 2)), fresh, loot)
