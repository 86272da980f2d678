"""The embedding stage: train the secret questions into a network, together with its task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import nn

from wmlearn._checks import check_kind
from wmlearn._display import html_table, percent, plural
from wmlearn.data.splits import Split, Splits
from wmlearn.evidence.trigger_set import Triggers
from wmlearn.training._inference import check_fits, predict
from wmlearn.training.history import Epoch, History, OnEpoch
from wmlearn.training.loop import (
    Factory,
    OwnLoss,
    TensorData,
    as_loss,
    check_on_epoch,
    checked_copy,
    measured,
    resolved,
    run,
    train_by,
)
from wmlearn.training.schedule import Schedule
from wmlearn.watermarks.margin import Margin

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CAP = 5  # times the schedule's epochs, after which an embedding that fails is given up
SHARE = 0.2  # the triggers' share of the task's images, reached by repetition; see `embed`


@dataclass(frozen=True)
class Marked:
    """A watermarked model, the history of its training, and its triggers.

    Attributes
    ----------
    model : the new model; the one passed to `embed` is unchanged
    history : loss, task accuracy and watermark accuracy per epoch
    triggers : the sealed trigger set
    complete : whether the schedule is finished, and every question was answered correctly after
        each of the last two epochs
    """

    model: nn.Module
    history: History
    triggers: Triggers
    complete: bool

    @property
    def task_accuracy(self) -> float:
        """Accuracy on the test images, 0 to 1."""
        return self.history.last.task_accuracy

    @property
    def watermark_accuracy(self) -> float:
        """Share of questions answered as sealed, 0 to 1."""
        return self.history.last.watermark_accuracy

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw task and watermark accuracy per epoch, and return the axes."""
        return self.history.plot(ax)

    def _ending(self) -> str:
        if self.complete:
            return "every question answered right twice running"
        if self.history.stopped:
            return "stopped early"
        return (
            "stopped at the cap of epochs, not complete; more epochs, a smaller batch_size or a "
            "larger network may help"
        )

    def __repr__(self) -> str:
        if not self.history.epochs:
            return "Marked(stopped early, before the first epoch was over: nothing measured)"
        right = round(self.watermark_accuracy * self.triggers.n)
        questions = f"{right} of {plural(self.triggers.n, 'question')}"
        epochs = plural(len(self.history.epochs), "epoch")
        task = percent(self.task_accuracy)
        return f"Marked({questions}, task accuracy {task}, {epochs}: {self._ending()})"

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
    triggers: Triggers,
    *,
    margin: Margin | None = None,
    schedule: Schedule = Schedule(),
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
    threads: int = 1,
    optimizer: Factory | None = None,
    loss: OwnLoss | None = None,
    autocast: torch.dtype | None = None,
) -> Marked:
    """Train a copy of a model on task and triggers together, until it answers every question.

    A fresh model is watermarked from scratch, as in the paper. A trained model continues from where
    it is and needs about half the epochs: `embed(trained.model, data, triggers,
    schedule=Schedule(epochs=4))`. At a much lower learning rate, images from another world may not
    be learnt: see docs/results/embedding.csv.

    Parameters
    ----------
    model : a fresh or trained network, which is not changed
    data : the task, to train on `train` and measure on `test`
    triggers : the sealed questions
    margin : how far around the triggers their answers are learnt, too; left out, only the triggers
        themselves
    schedule : how long and how fast; afterwards the training continues at a tenth of the learning
        rate until every question is right after two consecutive epochs, up to five times the
        schedule's epochs
    seed : the order of the images, 0 to 2**32 - 1
    on_epoch : called with an `Epoch` after each epoch; returning True ends the training
    threads, optimizer, loss, autocast : as for `fit`; not `loss` together with `margin`

    Returns
    -------
    Marked
        The new model. Its repr says if it stopped at the cap. A stop by hand keeps the model as it
        is then.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or model, images and triggers do not fit together.

    Source
    ------
    Zhang et al., ASIACCS 2018, Algorithm 1: train on the union of data and triggers. We repeat the
    triggers within an epoch until they are a fifth of the number of the task's images, so small
    sets are learnt in the same time as large ones.
    """
    check_kind(data, "data", Splits, "such as wm.load_data('mnist'), before the triggers")
    questions = as_part(triggers, data)
    model, part, test = checked_copy(model, data)
    check_fits(model, questions, "triggers")
    schedule = resolved(schedule, part)
    teach = as_loss(loss)
    if margin is None:
        repeats = max(1, round(SHARE * len(part) / len(questions)))
        shown = TensorData(part, *[questions] * repeats)
    else:
        shown = TensorData(part)
        check_kind(margin, "margin", Margin, "such as wm.watermarks.Margin()")
        if loss is not None:
            raise ValueError(
                "margin has its own loss; got another one, too. Leave one of the two out."
            )
        teach = margin.loss(triggers)

    def measure() -> dict[str, float]:
        return measured(model, test) | {"watermark_accuracy": watermark_accuracy(model, triggers)}

    steps = train_by(
        schedule, model, shown, seed, loss=teach, optimizer=optimizer, autocast=autocast
    )
    stopping = EarlyStopping(schedule.epochs, on_epoch)
    history = run(islice(steps, CAP * schedule.epochs), schedule.epochs, measure, stopping, threads)
    if stopping.complete:
        history = replace(history, stopped=False)
    return Marked(model, history, triggers, stopping.complete)


def as_part(triggers: Triggers, data: Splits) -> Split:
    """Return triggers as images to learn, if they are of this task."""
    check_kind(triggers, "triggers", Triggers, "such as wm.Content()(data, n=300), after the data")
    part = Split(triggers.pixels, triggers.labels, layout="NCHW")
    if part.shape != data.shape or triggers.rules.classes != data.classes:
        raise ValueError(
            f"trigger images must have the task's shape {data.shape} and its classes in the same "
            f"order; got {part.shape}, {triggers.rules.classes}. Make the triggers from the same "
            "data."
        )
    return part


def watermark_accuracy(model: nn.Module, triggers: Triggers) -> float:
    """Return the share of questions that a model answers as sealed, 0 to 1."""
    labels, _ = predict(model, triggers.pixels)
    return float((triggers.answer(labels) == triggers.answers).mean())


class EarlyStopping:
    """Ends a training after the schedule, once every question is right twice in a row.

    Parameters
    ----------
    epochs : the epochs of the schedule
    on_epoch : the user's function, which may end the training earlier

    Attributes
    ----------
    complete : whether the training ended for this reason
    """

    def __init__(self, epochs: int, on_epoch: OnEpoch | None) -> None:
        check_on_epoch(on_epoch)
        self.epochs, self.on_epoch = epochs, on_epoch
        self.running, self.complete = 0, False

    def __call__(self, record: Epoch) -> bool:
        self.running += 1
        if record.watermark_accuracy != 1:
            self.running = 0
        self.complete = self.running >= 2 and record.epoch >= self.epochs
        wished = self.on_epoch is not None and self.on_epoch(record) is True
        return wished or self.complete
