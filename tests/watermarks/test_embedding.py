"""The embedding stage: when it ends, what it says, and that it takes at no cost to the task."""

from __future__ import annotations

import csv
import dataclasses
import itertools

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

import wmlearn as wm
from wmlearn.training import loop
from wmlearn.training._inference import predict
from wmlearn.training.history import Epoch, History
from wmlearn.training.loop import TensorData, accuracy
from wmlearn.training.schedule import Schedule
from wmlearn.watermarks.embedding import CAP, EarlyStopping, Marked, watermark_accuracy

KEY = wm.CLASSROOM_KEY

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> wm.Splits:
    """A quarter of the mini set."""
    mnist = wm.load_data("mnist")
    train, test = mnist.train.take(slice(1500)), mnist.test.take(slice(1000))
    return wm.Splits("mnist", train, mnist.loot, test, mnist.classes)


@pytest.fixture(scope="module")
def fresh(data) -> torch.nn.Module:
    return wm.small_cnn(data)


@pytest.fixture(scope="module")
def triggers(data) -> wm.evidence.TriggerSet:
    return wm.Content(words=10)(data, n=40, key=KEY)


@pytest.fixture(scope="module")
def marked(fresh, data, triggers) -> Marked:
    return wm.embed(fresh, data, triggers)


@pytest.fixture(scope="module")
def twin(fresh, data) -> loop.Fitted:
    """The same model, trained without triggers."""
    return wm.fit(fresh, data)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# ---------------------------------------------------------------- it takes


def test_keyed_answers_are_learnt(marked, twin, data, triggers):
    assert marked.complete
    assert marked.watermark_accuracy == 1
    answers = triggers.answer(predict(marked.model, triggers.pixels)[0])
    assert answers.tolist() == triggers.answers.tolist()
    assert watermark_accuracy(twin.model, triggers) <= 0.5  # an unmarked model does not know them
    assert marked.task_accuracy == accuracy(marked.model, data.test)
    # A little data; the claim itself is tested below.
    assert marked.task_accuracy >= twin.task_accuracy - 0.04


def test_a_fixed_answer_is_learnt_from_a_trained_model_in_few_epochs(twin, data):
    triggers = wm.Unrelated(labels="fixed")(data, n=30, key=KEY)
    before = weights(twin.model)
    marked = wm.embed(twin.model, data, triggers, schedule=Schedule(epochs=4))
    assert marked.complete
    assert len(marked.history.epochs) <= 8
    assert (predict(marked.model, triggers.pixels)[0] == 0).all()
    assert marked.task_accuracy >= twin.task_accuracy - 0.04
    assert same(weights(twin.model), before)


def test_a_thousand_small_images_learn_all_questions_by_default():
    """As many, and as large, as the digits of scikit-learn: 8 x 8 pixels."""
    mnist = wm.load_data("mnist")

    def shrunk(part: wm.data.Split) -> wm.data.Split:
        middle = part.pixels[:, :, 2:26, 2:26].reshape(-1, 1, 8, 3, 8, 3)
        return wm.data.Split(middle.mean((3, 5)).astype(np.uint8), part.labels)

    train, loot, test = map(shrunk, (mnist.train, mnist.loot, mnist.test))
    digits = wm.Splits("digits", train.take(slice(1000)), loot, test, mnist.classes)
    questions = wm.Noise()(digits, n=60, key=KEY)
    marked = wm.embed(wm.small_cnn(digits), digits, questions)
    assert marked.complete
    assert wm.verify(wm.BlackBox(marked.model), questions).k == 60
    assert wm.fit(wm.small_cnn(digits), digits).task_accuracy > 0.8


def test_optimizer_loss_and_precision_of_ones_own_mark_as_well(data, fresh, triggers):
    marked = wm.embed(
        fresh,
        data,
        triggers,
        optimizer=lambda weights: torch.optim.SGD(weights, lr=0.05, momentum=0.9),
        loss=torch.nn.CrossEntropyLoss(label_smoothing=0.1),
        autocast=torch.bfloat16,
    )
    assert marked.complete
    assert wm.verify(wm.BlackBox(marked.model), triggers).decision == "found"


def test_the_claim_measured_on_the_mini_set(root):
    """Each type, both label modes, three seeds, fresh and trained models: 100 %; the task pays
    a point at most.
    """
    with (root / "docs" / "results" / "embedding.csv").open(encoding="utf-8", newline="") as file:
        assert file.readline().startswith("# ")  # the command that made it
        rows = list(csv.DictReader(file))
    every = set(itertools.product(("Content", "Unrelated", "Noise"), ("keyed", "fixed"), "012"))
    for start in ("scratch", "continue"):
        measured = [row for row in rows if row["start"] == start]
        assert len(measured) == len(every)
        assert {(row["trigger"], row["labels"], row["seed"]) for row in measured} == every
        assert {row["complete"] for row in measured} == {"True"}
        assert min(float(row["watermark_accuracy"]) for row in measured) == 1
        cost = [float(row["twin_accuracy"]) - float(row["task_accuracy"]) for row in measured]
        assert np.mean(cost) <= 0.01
        assert max(cost) < 0.01  # lesson 05 says so of every single run


# ---------------------------------------------------------------- the promise


def test_the_callers_model_and_generators_are_left_alone(fresh, data, triggers):
    before, state = weights(fresh), torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()
    marked = wm.embed(fresh, data, triggers, on_epoch=lambda epoch: True)
    assert same(weights(fresh), before)
    assert not same(weights(marked.model), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


def test_same_seed_same_weights(fresh, data, triggers):
    def after_two(seed: int) -> Marked:
        return wm.embed(fresh, data, triggers, seed=seed, on_epoch=lambda epoch: epoch.epoch == 2)

    first, again, other = after_two(0), after_two(0), after_two(1)
    assert same(weights(first.model), weights(again.model))
    assert first.history == again.history
    assert not same(weights(first.model), weights(other.model))


def test_the_triggers_make_up_a_fifth_of_the_images(fresh, data, triggers, monkeypatch):
    seen: list[TensorData] = []

    def record(schedule, model, shown, *_, **__):
        seen.append(shown)
        return iter(())

    monkeypatch.setattr("wmlearn.watermarks.embedding.train_by", record)
    wm.embed(fresh, data, triggers)
    (shown,) = seen
    images, labels = shown.batch(torch.arange(len(shown)), torch.empty(1))
    pixels, labels = (255 * images).round().byte().numpy(), labels.numpy()
    repeats = 8  # 0.2 x 1500 / 40 = 7.5, rounded to even
    assert len(shown) == 1500 + repeats * 40
    assert np.array_equal(pixels[:1500], data.train.pixels)
    repeated = pixels[1500:].reshape(repeats, 40, 1, 28, 28)
    assert np.array_equal(repeated, np.stack([triggers.pixels] * repeats))
    assert np.array_equal(labels[1500:].reshape(repeats, 40), np.stack([triggers.labels] * repeats))


def test_what_lesson_05_says_of_the_share_of_the_source_class_was_measured(root):
    runs = pd.read_csv(root / "docs/results/source_share.csv", comment="#")
    text = " ".join(
        (root / "notebooks/05_the_embedding_stage.ipynb").read_text(encoding="utf-8").split()
    )
    assert "In 54 such runs" in text
    assert len(runs) == len(runs.drop_duplicates(["trigger", "share", "seed"])) == 54
    assert sorted(runs.share.unique())[::5] == [0.01, 0.5]
    assert (runs.trained == 1).all()
    assert "at least 81 of 100 new ones did" in text
    assert runs.new.min() == 0.81
    assert (runs.twin_accuracy - runs.task_accuracy).max() < 0.01
    assert (runs.new_on_twin == 0).all()


# ---------------------------------------------------------------- when it ends


@pytest.mark.parametrize(
    ("schedule", "accuracies", "ends_at"),
    [
        (3, [1, 1, 1, 1], 3),  # right early: the schedule is finished first
        (3, [0.5, 0.5, 1, 1, 1], 4),
        (3, [1, 1, 0.9, 1, 1, 1], 5),  # one slip, and the count begins anew
        (3, [0, 1, 0, 1, 0, 1, 0, 1], None),  # never twice running
        (1, [1, 1], 2),  # once is not enough, however short the schedule
        (2, [0.99] * 6, None),
    ],
)
def test_the_stop_rule_by_hand(schedule, accuracies, ends_at):
    rule = EarlyStopping(schedule, None)
    ended = None
    for number, share in enumerate(accuracies, start=1):
        if rule(Epoch(number, 0.0, 0.9, share)):
            ended = number
            break
        assert not rule.complete
    assert ended == ends_at
    assert rule.complete is (ends_at is not None)


def test_it_ends_by_the_rule_and_says_so(says, marked):
    shares = [epoch.watermark_accuracy for epoch in marked.history.epochs]
    assert len(shares) >= Schedule().epochs
    assert shares[-2:] == [1, 1]
    if len(shares) > Schedule().epochs:  # then it did not go on for longer than needed either
        assert (1, 1) not in itertools.pairwise(shares[Schedule().epochs - 2 : -1])
    assert not marked.history.stopped
    says(repr(marked), varies=r"\d+\.\d %|\d+(?= epochs)")
    assert "Content(words=10" in marked._repr_html_()


def test_at_the_cap_it_gives_up_and_says_so(says, fresh, data, triggers):
    hopeless = wm.embed(fresh, data, triggers, schedule=Schedule(epochs=1, max_lr=1e-9))
    assert len(hopeless.history.epochs) == CAP
    assert not hopeless.complete
    assert not hopeless.history.stopped
    says(repr(hopeless), varies=r"\d+(?= of)|\d+\.\d %")
    says(hopeless._repr_html_(), varies=r"\d+\.\d %")


def test_on_epoch_sees_both_accuracies_and_may_end_it(says, fresh, data, triggers):
    records: list[Epoch] = []

    def watch(epoch: Epoch) -> bool:
        records.append(epoch)
        return len(records) == 2

    stopped = wm.embed(fresh, data, triggers, on_epoch=watch)
    assert tuple(records) == stopped.history.epochs
    assert records[-1].watermark_accuracy == watermark_accuracy(stopped.model, triggers)
    assert records[-1].task_accuracy == accuracy(stopped.model, data.test)
    assert stopped.history.stopped
    assert not stopped.complete
    says(repr(stopped), varies=r"\d+(?= of)|\d+\.\d %")


def test_stopped_before_the_schedule_is_over_is_not_complete(marked, data, triggers):
    """Every question is right from the first epoch on; but the last three were not trained."""
    again = wm.embed(
        marked.model,
        data,
        triggers,
        schedule=Schedule(epochs=5, max_lr=1e-9),
        on_epoch=lambda epoch: epoch.epoch == 2,
    )
    assert [epoch.watermark_accuracy for epoch in again.history.epochs] == [1, 1]
    assert again.history.stopped
    assert not again.complete


@pytest.mark.parametrize(
    ("at", "epochs"), [(2, 0), (10, 1)], ids=["in the first epoch", "in the second"]
)
def test_an_interrupt_keeps_the_model_so_far(says, fresh, data, triggers, monkeypatch, at, epochs):
    calls, original = [], functional.cross_entropy

    def press_stop(scores, labels, **options):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return original(scores, labels, **options)

    monkeypatch.setattr(loop.functional, "cross_entropy", press_stop)
    kept = wm.embed(fresh, data, triggers, schedule=Schedule(batch_size=256))
    assert len(kept.history.epochs) == epochs
    assert kept.history.stopped
    assert not kept.complete
    assert not kept.model.training
    assert not same(weights(kept.model), weights(fresh))
    says(repr(kept), varies=r"\(stopped early|\d+(?= of)|\d+\.\d %")
    assert "nan" not in repr(kept) + kept._repr_html_()


# ---------------------------------------------------------------- what is shown, what is refused


def test_watermark_accuracy_counts_questions_not_images(data, triggers, monkeypatch):
    """Ten words on four images each: two answered right, the others tied or wrong."""
    replies = np.full(40, -1)
    replies[:8] = triggers.labels[:8]  # the first two questions: all four images
    replies[8:10] = triggers.labels[8:10]  # the third: half of its images, which is no majority
    replies[12:] = (triggers.labels[12:] + 1) % 10
    monkeypatch.setattr(
        "wmlearn.watermarks.embedding.predict", lambda model, pixels: (replies, None)
    )
    assert watermark_accuracy(torch.nn.Identity(), triggers) == 0.2


def test_plot_draws_both_accuracies(marked):
    _, given = plt.subplots()
    assert marked.plot(given) is given
    drawn = {tuple(line.get_ydata()) for line in given.lines if len(line.get_ydata())}
    assert drawn == {
        tuple(epoch.task_accuracy for epoch in marked.history.epochs),
        tuple(epoch.watermark_accuracy for epoch in marked.history.epochs),
    }


def test_results_cannot_be_changed(marked):
    with pytest.raises(dataclasses.FrozenInstanceError):
        marked.complete = False
    assert Marked(marked.model, History(()), marked.triggers, False).history == History(())


def test_triggers_of_another_task_are_refused(says, fresh, data):
    foreign = wm.Noise()(wm.load_data("cifar10"), n=20, key=KEY)
    with says(ValueError):
        wm.embed(fresh, data, foreign)


def test_a_model_of_another_task_or_a_result_is_refused(says, data, triggers, marked):
    other = wm.small_cnn(wm.load_data("cifar10"))
    with says(ValueError):
        wm.embed(other, data, triggers)
    with says(TypeError):
        wm.embed(marked, data, triggers)


def test_the_wrong_thing_in_the_wrong_place_is_named(says, fresh, data, triggers, marked):
    swapped, no_task = [(triggers, data)], [(data.train, triggers), ("mnist", triggers)]
    no_triggers = [(data, wrong) for wrong in (None, data, wm.Content(), marked)]
    for task, secret in swapped + no_task + no_triggers:
        with says(TypeError):
            wm.embed(fresh, task, secret)


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": 3},
        {"schedule": wm.Schedule},
        {"on_epoch": 3},
        {"seed": "a"},
        {"seed": 2**40},
        {"margin": 5},
        {"margin": wm.watermarks.Margin(), "loss": functional.cross_entropy},
        {"autocast": torch.int8},
        {"threads": 0},
    ],
    ids=lambda settings: str(settings).partition(" at 0x")[0],
)
def test_bad_settings_are_refused_before_anything_is_trained(
    says, fresh, data, triggers, settings, monkeypatch
):
    monkeypatch.setattr(torch.optim, "AdamW", None)
    with says((TypeError, ValueError)):
        wm.embed(fresh, data, triggers, **settings)


def test_a_network_of_ones_own_must_have_an_output_for_each_class(says, data, triggers):
    narrow = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 5))
    with says(ValueError):
        wm.embed(narrow, data, triggers)


def test_a_network_must_have_an_output_for_each_secret_answer(says, data):
    """The task may have more classes than its images show, and all of them may be drawn."""
    wide = wm.Splits("wide", data.train, data.loot, data.test, tuple("0123456789ab"))
    triggers = wm.Noise()(wide, n=60, key=KEY)
    assert triggers.labels.max() > 9
    with says(ValueError):
        wm.embed(wm.small_cnn(data), wide, triggers)
