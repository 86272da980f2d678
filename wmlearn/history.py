"""How long and how fast to train, and how a training went: one record an epoch, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import nn

from wmlearn._checks import check_count, check_number
from wmlearn._show import BLUE, VERMILLION, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BATCH = 256  # images; MNIST learns as well in larger steps, and that is faster
RISE = 0.2  # the part of the one cycle in which the learning rate rises


@dataclass(frozen=True)
class OneCycle:
    """How long to train and how fast: the learning rate rises for a fifth of the epochs, then falls to nothing.

    Parameters
    ----------
    epochs : how often every image is seen, at least 1
    lr : the highest learning rate; should the training go on after the cycle, it does so at a tenth of it
    batch : how many images it looks at before each change of the weights; the fewer, the more changes an epoch

    Source
    ------
    Smith and Topin (2018), "Super-convergence".

    Examples
    --------
    >>> rate = OneCycle(epochs=10, lr=0.005)
    >>> [round(rate(done), 5) for done in (0, 1, 2, 6, 10, 11)]
    [0.0002, 0.0026, 0.005, 0.0025, 0.0005, 0.0005]
    """

    epochs: int = 8
    lr: float = 5e-3
    batch: int = BATCH

    def __post_init__(self) -> None:
        check_count(self.epochs, "epochs", low=1)
        check_number(self.lr, "lr", above=0, below=10)
        check_count(self.batch, "batch", low=1)

    def __call__(self, done: float) -> float:
        """Return the learning rate after so many epochs, fractions included."""
        part = done / self.epochs
        if part >= 1:
            return self.lr / 10
        if part < RISE:
            return self.lr * (1 + 24 * part / RISE) / 25
        return self.lr * (1 + math.cos(math.pi * (part - RISE) / (1 - RISE))) / 2


class Epoch(NamedTuple):
    """What is known after an epoch; NaN where it was not measured."""

    epoch: int  # from 1
    loss: float
    task_accuracy: float = float("nan")  # on the test images, 0 to 1
    watermark_accuracy: float = float("nan")  # questions answered as sealed, 0 to 1


Rate = Callable[[float], float]  # learning rate after so many epochs, fractions included
OnEpoch = Callable[[Epoch], object]  # called after every epoch; returning True ends the training there


@dataclass(frozen=True)
class History:
    """One record per epoch, and whether the training was stopped before its end.

    Attributes
    ----------
    epochs : one `Epoch` each
    stopped : whether it was stopped early, by `on_epoch` or by hand
    interrupted : whether that was by hand (the stop button, Ctrl+C): what is there is not what was asked for
    """

    epochs: tuple[Epoch, ...]
    stopped: bool = False
    interrupted: bool = False

    def to_frame(self) -> pd.DataFrame:
        """Return one row an epoch."""
        import pandas as pd

        frame = pd.DataFrame(self.epochs, columns=Epoch._fields)
        return frame[[name for name in frame if name in ("epoch", "loss") or frame[name].notna().any()]]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw task and watermark accuracy epoch by epoch (the loss, where neither was measured); return the axes."""
        import seaborn as sns

        frame = self.to_frame()
        accuracies = frame.drop(columns="loss")
        known = len(accuracies.columns) > 1
        shown = (accuracies if known else frame).melt("epoch", var_name="measured")
        shown["measured"] = shown["measured"].str.replace("_", " ")
        colours = [BLUE, VERMILLION][: shown["measured"].nunique()] or None
        look = {"hue": "measured", "style": "measured", "markers": True, "palette": colours}
        ax = sns.lineplot(shown, x="epoch", y="value", ax=ax, **look)
        ax.set(ylabel="accuracy" if known else "loss", ylim=(0, 1.02 if known else None))
        return ax

    def __repr__(self) -> str:
        early = ", stopped early" if self.stopped else ""
        return f"History({plural(len(self.epochs), 'epoch')}{early})"


@dataclass(frozen=True)
class Fitted:
    """A trained model and how its training went."""

    model: nn.Module
    history: History

    @property
    def task_accuracy(self) -> float:
        """Accuracy on the test images after the last epoch, 0 to 1; NaN where there were none."""
        return self.history.epochs[-1].task_accuracy if self.history.epochs else float("nan")

    def __repr__(self) -> str:
        known = "" if np.isnan(self.task_accuracy) else f", task accuracy {percent(self.task_accuracy)}"
        return f"Fitted({self.history!r}{known})"
