"""The course of a training: one record per epoch, and the trained model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from wmlearn._display import BLUE, VERMILLION, legible, on_axes, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from torch import nn


class Epoch(NamedTuple):
    """The figures after an epoch; NaN if they were not measured."""

    epoch: int  # from 1
    loss: float
    task_accuracy: float = math.nan  # on the test images, 0 to 1
    watermark_accuracy: float = math.nan  # questions answered as sealed, 0 to 1


OnEpoch = Callable[[Epoch], object]  # called after each epoch; returning True ends the training


@dataclass(frozen=True)
class History:
    """One record per epoch, and whether the training was stopped before its end.

    Attributes
    ----------
    epochs : one `Epoch` per epoch
    stopped : whether the training was stopped early, by `on_epoch` or by hand
    interrupted : whether it was stopped by hand (stop button, Ctrl+C), so it is not the training
        that was asked for
    """

    epochs: tuple[Epoch, ...]
    stopped: bool = False
    interrupted: bool = False

    @property
    def last(self) -> Epoch:
        """The last record; without one, a record with number 0 and NaN."""
        return self.epochs[-1] if self.epochs else Epoch(0, math.nan)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per epoch: loss and the accuracies that were measured, 0 to 1."""
        import pandas as pd

        frame = pd.DataFrame(self.epochs, columns=Epoch._fields)
        for name in Epoch._field_defaults:
            if frame[name].isna().all():
                frame = frame.drop(columns=name)
        return frame

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the measured accuracies per epoch, or else the loss, and return the axes."""
        # Not by seaborn: some versions fail on a history without an epoch.
        frame = self.to_frame().set_index("epoch")
        drawn, top = "loss", None
        if len(frame.columns) > 1:
            frame = frame.drop(columns="loss")
            drawn, top = "accuracy", 1.02
        ax = on_axes(ax)
        for name, look, color in zip(frame, ("o-", "X--"), (BLUE, VERMILLION)):
            label = name.replace("_", " ")
            ax.plot(frame[name], look, color=color, label=label, markeredgecolor="white")
        ax.set(xlabel="epoch", ylabel=drawn, ylim=(0, top))
        ax.legend(frameon=False)
        return legible(ax)

    def __repr__(self) -> str:
        early = ", stopped early" if self.stopped else ""
        return f"History({plural(len(self.epochs), 'epoch')}{early})"


@dataclass(frozen=True)
class Fitted:
    """A trained model and the history of its training."""

    model: nn.Module
    history: History

    @property
    def task_accuracy(self) -> float:
        """Accuracy on the test images after the last epoch, 0 to 1; NaN if it was not measured."""
        return self.history.last.task_accuracy

    def __repr__(self) -> str:
        if math.isnan(self.task_accuracy):
            return f"Fitted({self.history!r})"
        return f"Fitted({self.history!r}, task accuracy {percent(self.task_accuracy)})"
