"""Thieves who hold the weights and alter them, to shake the watermark off."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, field
from itertools import islice

from torch import nn

from wmlearn._checks import check_count, check_number, check_seed
from wmlearn._show import html_table, plural
from wmlearn.data import Split
from wmlearn.history import History, OnEpoch
from wmlearn.training import check_fits, run, train


@dataclass(frozen=True)
class Surrogate:
    """What the thief deploys, and what it cost him.

    Attributes
    ----------
    model : the new model; the one he took is unchanged
    theft : how it was made
    images : images of his own that he needed
    queries : questions he had to ask of the owner's service
    seconds : time it took
    history : how the training went
    """

    model: nn.Module
    theft: str
    images: int
    queries: int
    history: History
    seconds: float = field(repr=False, compare=False)

    def __repr__(self) -> str:
        early = ", stopped early" if self.history.stopped else ""
        return f"Surrogate({self.theft}: {plural(self.images, 'image')} of the thief's own{early})"

    def _repr_html_(self) -> str:
        rows = {"images of the thief's own": f"{self.images:,}", "epochs": len(self.history.epochs)}
        return html_table(
            self.theft, rows | ({"questions to the owner's service": self.queries} if self.queries else {})
        )


@dataclass(frozen=True)
class FineTune:
    """Go on training all layers of the model on images of the thief's own.

    Parameters
    ----------
    epochs : how often he shows it his images, at least 1
    lr : the learning rate, constant; it decides what survives
    seed : the order of his images

    Source
    ------
    "FTAL" of Adi et al. (2018); table 5 of Zhang et al. (2018), who give neither rate nor epochs.

    Examples
    --------
    >>> FineTune(epochs=3)
    FineTune(epochs=3, lr=0.001, seed=0)
    """

    epochs: int = 3
    lr: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        check_count(self.epochs, "epochs", low=1, hint="For instance FineTune(epochs=3)(model, loot).")
        check_number(self.lr, "lr", above=0, below=10)
        check_seed(self.seed)

    def __call__(self, model: nn.Module, loot: Split, *, on_epoch: OnEpoch | None = None) -> Surrogate:
        """Return a fine-tuned copy of the model.

        Parameters
        ----------
        model : what the thief took; it is left as it was
        loot : the images and labels he holds, for instance `data.loot`
        on_epoch : called after each epoch; returning True ends the theft there, and what was done is kept
        """
        check_fits(model, loot, "loot")
        began = time.perf_counter()
        model = copy.deepcopy(model)
        steps = train(model, loot, rate=lambda _: self.lr, seed=self.seed)
        history = run(islice(steps, self.epochs), self.epochs, dict, on_epoch)
        return Surrogate(model, repr(self), len(loot), 0, history, time.perf_counter() - began)
