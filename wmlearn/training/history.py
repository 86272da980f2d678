"""How long and how fast to train, and how a training went: one record an epoch, and what came of
it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import nn

from wmlearn._display import BLUE, VERMILLION, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class Epoch(NamedTuple):
    """What is known after an epoch; NaN where it was not measured."""

    epoch: int  # from 1
    loss: float
    task_accuracy: float = float("nan")  # on the test images, 0 to 1
    watermark_accuracy: float = float("nan")  # questions answered as sealed, 0 to 1


OnEpoch = Callable[
    [Epoch], object
]  # called after every epoch; returning True ends the training there


@dataclass(frozen=True)
class History:
    """One record per epoch, and whether the training was stopped before its end.

    Attributes
    ----------
    epochs : one `Epoch` each
    stopped : whether it was stopped early, by `on_epoch` or by hand
    interrupted : whether that was by hand (the stop button, Ctrl+C): what is there is not what was
        asked for
    """

    epochs: tuple[Epoch, ...]
    stopped: bool = False
    interrupted: bool = False

    def to_frame(self) -> pd.DataFrame:
        """Return one row an epoch."""
        import pandas as pd

        frame = pd.DataFrame(self.epochs, columns=Epoch._fields)
        return frame[
            [name for name in frame if name in ("epoch", "loss") or frame[name].notna().any()]
        ]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw task and watermark accuracy epoch by epoch (the loss, where neither was measured);
        return the axes.
        """
        import seaborn as sns

        frame = self.to_frame()
        accuracies = frame.drop(columns="loss")
        known = len(accuracies.columns) > 1
        shown = (accuracies if known else frame).melt("epoch", var_name="measured")
        shown["measured"] = shown["measured"].str.replace("_", " ")
        colors = [BLUE, VERMILLION][: shown["measured"].nunique()] or None
        look = {"hue": "measured", "style": "measured", "markers": True, "palette": colors}
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
        known = (
            "" if np.isnan(self.task_accuracy) else f", task accuracy {percent(self.task_accuracy)}"
        )
        return f"Fitted({self.history!r}{known})"
