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


def test_reprs_are_one_line():
    fitted = Fitted(torch.nn.Identity(), HISTORY)
    assert repr(HISTORY) == "History(2 epochs)"
    assert repr(History(HISTORY.epochs[:1], stopped=True)) == "History(1 epoch, stopped early)"
    assert repr(fitted) == "Fitted(History(2 epochs), task accuracy 75.0 %)"
    assert (
        repr(Fitted(torch.nn.Identity(), History((Epoch(1, 2.0),)))) == "Fitted(History(1 epoch))"
    )


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
    drawn = {tuple(line.get_ydata()) for line in ax.lines if len(line.get_ydata())}
    assert drawn == {(0.5, 0.75), (0.1, 1.0)}


def test_plot_draws_the_loss_where_nothing_was_measured():
    ax = History((Epoch(1, 2.0), Epoch(2, 1.0))).plot()
    assert isinstance(ax, Axes)
    assert ax.get_ylabel() == "loss"
    assert (2.0, 1.0) in {tuple(line.get_ydata()) for line in ax.lines}
    assert isinstance(History((), stopped=True).plot(), Axes)


#  The learning rate ------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("done", [10, 10.5, 50])
def test_after_the_cycle_a_tenth(done):
    assert Schedule(epochs=10, max_lr=1)(done) == 0.1


def test_one_cycle_has_the_shape_of_torchs():
    steps, peak = 10_001, 3e-3
    optimizer = torch.optim.AdamW([torch.zeros(1)])
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps, pct_start=0.2)
    rates = []
    for _ in range(steps - 1):
        rates.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    ours = np.array(
        [Schedule(epochs=10, max_lr=peak)(10 * i / (steps - 1)) for i in range(steps - 1)]
    )
    theirs_at, rise = np.array(rates), (steps - 1) // 5
    assert abs(int(ours.argmax()) - int(theirs_at.argmax())) <= 2
    assert ours[0] == pytest.approx(theirs_at[0])
    assert (np.diff(ours[:rise]) > 0).all()
    assert (np.diff(ours[rise + 1 :]) < 0).all()
    assert np.abs(ours[rise:] - theirs_at[rise:]).max() < 0.002 * peak  # both fall along a cosine
    assert (
        np.abs(ours[:rise] - theirs_at[:rise]).max() < 0.11 * peak
    )  # ours rises in a line, theirs in a wave


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs must be at least 1; got 0."),
        ({"epochs": 2.0}, TypeError, "epochs must be a whole number at least 1; got 2.0. Write 2."),
        (
            {"epochs": "8"},
            TypeError,
            "epochs must be a whole number at least 1; got '8'. Write it without quotes: 8.",
        ),
        ({"max_lr": 0}, ValueError, "max_lr must be above 0 and below 10; got 0."),
        ({"max_lr": -0.1}, ValueError, "max_lr must be above 0 and below 10; got -0.1."),
        ({"max_lr": 10}, ValueError, "max_lr must be above 0 and below 10; got 10."),
        ({"max_lr": float("nan")}, ValueError, "max_lr must be above 0 and below 10; got nan."),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1; got 0."),
        (
            {"max_lr": "fast"},
            TypeError,
            "max_lr must be a number above 0 and below 10; got 'fast'.",
        ),
    ],
)
def test_a_bad_schedule(settings, error, message):
    with pytest.raises(error) as caught:
        Schedule(**settings)
    assert str(caught.value) == message
