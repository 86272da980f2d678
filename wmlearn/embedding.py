"""The embedding stage: train the secret questions into the network, together with its task."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from wmlearn._checks import check_kind
from wmlearn._show import html_table, percent, plural
from wmlearn.data import Split, Splits
from wmlearn.history import Epoch, History, OneCycle, OnEpoch
from wmlearn.questions import Triggers
from wmlearn.training import accuracy, check_course, check_fits, predict, run, train

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CAP = 5  # times the schedule's epochs, then an embedding that does not take is given up
SHARE = 0.2  # of each epoch that the triggers make up, by repetition; see `embed`


@dataclass(frozen=True)
class Marked:
    """A watermarked model, how its training went, and the triggers it was marked with.

    Attributes
    ----------
    model : the new model; the one passed to `embed` is unchanged
    history : loss, task accuracy and watermark accuracy epoch by epoch
    triggers : the sealed trigger set
    complete : whether the schedule was finished and every question answered right after each of the last two epochs
    """

    model: nn.Module
    history: History
    triggers: Triggers
    complete: bool

    @property
    def task_accuracy(self) -> float:
        """Accuracy on the test images, 0 to 1."""
        return self.history.epochs[-1].task_accuracy if self.history.epochs else float("nan")

    @property
    def watermark_accuracy(self) -> float:
        """Share of the questions answered as sealed, 0 to 1."""
        return self.history.epochs[-1].watermark_accuracy if self.history.epochs else float("nan")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw task and watermark accuracy epoch by epoch, and return the axes."""
        return self.history.plot(ax)

    def _ending(self) -> str:
        if self.complete:
            return "every question answered right twice running"
        return "stopped early" if self.history.stopped else "stopped at the cap of epochs, not complete"

    def __repr__(self) -> str:
        if not self.history.epochs:
            return "Marked(stopped early, before the first epoch was over: nothing measured)"
        right = round(self.watermark_accuracy * self.triggers.n)
        return (
            f"Marked({right} of {plural(self.triggers.n, 'question')}, task accuracy {percent(self.task_accuracy)}, "
            f"{plural(len(self.history.epochs), 'epoch')}: {self._ending()})"
        )

    def _repr_html_(self) -> str:
        rows = {
            "watermark accuracy": percent(self.watermark_accuracy),
            "task accuracy": percent(self.task_accuracy),
            "epochs": len(self.history.epochs),
            "ended": self._ending(),
            "triggers": repr(self.triggers),
        }
        return html_table("Marked model", rows)


def embed(
    model: nn.Module,
    data: Splits,
    marks: Triggers,
    *,
    schedule: OneCycle = OneCycle(),
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
) -> Marked:
    """Train a copy of a model on the task and the triggers together, until it answers every question.

    A fresh model is marked from scratch (the paper's way). A trained one goes on from where it is and needs about half
    the epochs: `embed(trained.model, data, marks, schedule=OneCycle(epochs=4))`. At a much lower learning rate images
    from another world may not take: see docs/results/embedding.csv.

    Parameters
    ----------
    model : fresh or trained; it is left as it was
    data : the task; trains on `train`, measures on `test`
    marks : the sealed questions
    schedule : how long and how fast; after it the training goes on at a tenth of its learning rate until every question
        was right after two epochs running, up to five times the schedule's epochs
    seed : the order of the images
    on_epoch : called with an `Epoch` after each; returning True ends the training there

    Returns
    -------
    Marked: the new model. Its repr says when it stopped at the cap. An interrupt keeps what was learnt so far.

    Raises
    ------
    TypeError, ValueError
        If the model is no network, or the images do not have its shape, or the triggers not the task's.

    Source
    ------
    Zhang et al., ASIACCS 2018, Algorithm 1: train on the union of data and triggers. We repeat the triggers within an
    epoch until they make up a fifth of the task's images, so that small sets are learnt in the same time as large ones.
    """
    model = prepared(model, data, marks)
    check_course(schedule, seed, on_epoch)
    repeats = max(1, round(SHARE * len(data.train) / len(marks.pixels)))
    shown = Split(marks.pixels, marks.labels).take(np.tile(np.arange(len(marks.pixels)), repeats))
    steps = train(model, data.train, rate=schedule, seed=seed, extra=shown, batch=schedule.batch)
    return until_right(model, data, marks, steps, UntilRight(schedule.epochs, on_epoch))


def prepared(model: nn.Module, data: Splits, marks: Triggers) -> nn.Module:
    """Return a copy of a model that is to be marked, if the three fit."""
    check_kind(data, "data", Splits, "such as wm.load_data('mnist'), before the triggers")
    check_kind(marks, "marks", Triggers, "such as wm.Content()(data, n=300), after the data")
    check_fits(model, data.train, "data")
    if marks.pixels.shape[1:] != data.shape:
        raise ValueError(
            f"trigger images must have the task's shape {data.shape}; got {marks.pixels.shape[1:]}. "
            "Make the triggers from the same data."
        )
    check_fits(model, Split(marks.pixels, marks.labels), "marks")
    return copy.deepcopy(model)


def until_right(model: nn.Module, data: Splits, marks: Triggers, steps: Iterator[float], right: UntilRight) -> Marked:
    """Let a training go on until every question is answered, or the cap is reached."""
    history = run(islice(steps, CAP * right.epochs), right.epochs, lambda: _measure(model, data, marks), right)
    return Marked(model, History(history.epochs, history.stopped and not right.complete), marks, right.complete)


def watermark_accuracy(model: nn.Module, marks: Triggers) -> float:
    """Return the share of questions a model answers as sealed, 0 to 1."""
    return float((marks.answer(predict(model, marks.pixels)) == marks.answers).mean())


def _measure(model: nn.Module, data: Splits, marks: Triggers) -> dict[str, float]:
    return {"task_accuracy": accuracy(model, data.test), "watermark_accuracy": watermark_accuracy(model, marks)}


class UntilRight:
    """Ends a training once every question was right twice running, not before the schedule is over."""

    def __init__(self, epochs: int, on_epoch: OnEpoch | None) -> None:
        self.epochs, self.on_epoch = epochs, on_epoch
        self.running, self.complete = 0, False

    def __call__(self, record: Epoch) -> bool:
        self.running = self.running + 1 if record.watermark_accuracy == 1 else 0
        self.complete = self.running >= 2 and record.epoch >= self.epochs
        told = self.on_epoch(record) if self.on_epoch is not None else None
        return told is True or self.complete
