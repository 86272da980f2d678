"""How fast a training goes, and the record of how it went."""

from __future__ import annotations

import math

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

from wmlearn.training.history import Epoch, Fitted, History
from wmlearn.training.schedule import Schedule

HISTORY = History((Epoch(1, 2.0, 0.5), Epoch(2, 1.0, 0.75)))


def test_reprs_are_one_line(says):
    network = torch.nn.Identity()
    says(repr(HISTORY))
    says(repr(History(HISTORY.epochs[:1], stopped=True)))
    says(repr(Fitted(network, HISTORY)))
    says(repr(Fitted(network, History((Epoch(1, 2.0),)))))


def test_the_last_record_is_what_is_known_in_the_end():
    assert HISTORY.last == HISTORY.epochs[1]
    assert Fitted(torch.nn.Identity(), HISTORY).task_accuracy == 0.75
    nothing = History((), stopped=True).last
    assert all(map(math.isnan, nothing[1:]))


def test_to_frame_by_hand():
    frame = HISTORY.to_frame()
    assert frame.to_dict("list") == {
        "epoch": [1, 2],
        "loss": [2.0, 1.0],
        "task_accuracy": [0.5, 0.75],
    }
    assert History((), stopped=True).to_frame().shape == (0, 2)


def test_plot_draws_the_accuracies_on_the_axes_given():
    both = History((Epoch(1, 2.0, 0.5, 0.1), Epoch(2, 1.0, 0.75, 1.0)))
    _, given = plt.subplots()
    ax = both.plot(given)
    assert ax is given
    assert ax.get_ylabel() == "accuracy"
    drawn = [(tuple(line.get_xdata()), tuple(line.get_ydata())) for line in ax.lines]
    assert drawn == [((1, 2), (0.5, 0.75)), ((1, 2), (0.1, 1.0))]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "task accuracy",
        "watermark accuracy",
    ]


def test_plot_draws_the_loss_where_nothing_was_measured():
    ax = History((Epoch(1, 2.0), Epoch(2, 1.0))).plot()
    assert isinstance(ax, Axes)
    assert ax.get_ylabel() == "loss"
    assert (2.0, 1.0) in {tuple(line.get_ydata()) for line in ax.lines}
    assert isinstance(History((), stopped=True).plot(), Axes)


# ---------------------------------------------------------------- the learning rate


@pytest.mark.parametrize(
    ("done", "rate"),
    [
        (0, 0.04),
        (1, 0.52),
        (2, 1),
        (4, (1 + math.sqrt(0.5)) / 2),
        (6, 0.5),
        (8, (1 - math.sqrt(0.5)) / 2),
        (9.9999, 0),
    ],
)
def test_one_cycle_by_hand(done, rate):
    """Ten epochs, peak 1: from 1/25 in a straight line to the peak after two, then half a cosine
    wave down to 0.
    """
    assert Schedule(epochs=10, max_lr=1)(done) == pytest.approx(rate, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "images", "epochs", "batch_size"),
    [
        ({}, 6000, 8, 256),  # the mini sets
        ({}, 2000, 8, 256),  # what their thieves hold
        ({}, 1999, 8, 32),
        ({}, 1, 8, 32),
        ({"batch_size": 64}, 1000, 8, 64),
        ({"steps": 24}, 6000, 1, 256),
        ({"steps": 25}, 6000, 2, 256),
        ({"steps": 1}, 100, 1, 32),
        ({"steps": 500, "epochs": 3}, 1000, 16, 32),
    ],
    ids=str,
)
def test_a_schedule_follows_the_size_of_the_data(settings, images, epochs, batch_size):
    resolved = Schedule(max_lr=1e-3, **settings).on(images)
    assert resolved == Schedule(epochs, 1e-3, batch_size)
    assert resolved.on(images) == resolved


@pytest.mark.parametrize("done", [10, 10.5, 50])
def test_after_the_cycle_a_tenth(done):
    assert Schedule(epochs=10, max_lr=1)(done) == 0.1


def test_one_cycle_has_the_shape_of_torchs():
    steps, peak = 2_001, 3e-3
    optimizer = torch.optim.AdamW([torch.zeros(1)])
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps, pct_start=0.2)
    rates = []
    for _ in range(steps - 1):
        rates.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    schedule = Schedule(epochs=10, max_lr=peak)
    ours = np.array([schedule(10 * i / (steps - 1)) for i in range(steps - 1)])
    theirs_at, rise = np.array(rates), (steps - 1) // 5
    assert abs(int(ours.argmax()) - int(theirs_at.argmax())) <= 2
    assert ours[0] == pytest.approx(theirs_at[0])
    assert (np.diff(ours[:rise]) > 0).all()
    assert (np.diff(ours[rise + 1 :]) < 0).all()
    assert np.abs(ours[rise:] - theirs_at[rise:]).max() < 0.002 * peak  # both fall along a cosine
    # Ours rises in a line, theirs in a wave.
    assert np.abs(ours[:rise] - theirs_at[:rise]).max() < 0.11 * peak


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"epochs": 0}, ValueError),
        ({"epochs": 2.0}, TypeError),
        ({"epochs": "8"}, TypeError),
        ({"max_lr": 0}, ValueError),
        ({"max_lr": -0.1}, ValueError),
        ({"max_lr": 10}, ValueError),
        ({"max_lr": float("nan")}, ValueError),
        ({"max_lr": "fast"}, TypeError),
        ({"batch_size": 0}, ValueError),
        ({"steps": 0}, ValueError),
        ({"steps": 2.5}, TypeError),
    ],
    ids=repr,
)
def test_a_bad_schedule(says, settings, error):
    with says(error):
        Schedule(**settings)
