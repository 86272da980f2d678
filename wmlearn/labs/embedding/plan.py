"""What the embedding lab trains, without any widget: a marked model, and beside it the same network
unmarked.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from torch import nn

from wmlearn._checks import check_count
from wmlearn._display import plural
from wmlearn.data.splits import Splits
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.training._threads import torch_threads
from wmlearn.training.history import Epoch, Fitted, History
from wmlearn.training.loop import TensorData, measured, train
from wmlearn.training.models import small_cnn
from wmlearn.training.schedule import Schedule
from wmlearn.triggers.content import Content
from wmlearn.watermarks.embedding import watermark_accuracy

MOST_TRIGGERS, FEWEST_WORDS, MOST_WORDS, MOST_EPOCHS = 300, 2, 60, 12


@dataclass(frozen=True)
class Plan:
    """What the inputs of the lab say when Run is pressed."""

    n_triggers: int
    words: int
    epochs: int
    continuing: bool

    def check(self, data: Splits) -> None:
        """Say what cannot be done with these data, before anything is trained."""
        check_count(self.words, "words", low=FEWEST_WORDS, high=MOST_WORDS)
        check_count(self.epochs, "epochs", low=1, high=MOST_EPOCHS)
        if self.n_triggers:
            images = len(data.train)
            why = f"{plural(self.words, 'word')} need an image each, and the training part has {images:,}"
            check_count(
                self.n_triggers,
                "a number of triggers above 0",
                low=self.words,
                high=min(MOST_TRIGGERS, images),
                why=why,
            )

    def seal(self, data: Splits, key: bytes, seed: int) -> TriggerSet:
        """Make and seal the triggers."""
        return Content(words=self.words)(data, n=self.n_triggers, key=key, seed=seed)

    def __repr__(self) -> str:
        shared = (
            f"{plural(self.n_triggers, 'trigger')}, {plural(self.words, 'word')}"
            if self.n_triggers
            else "no triggers"
        )
        return f"{shared}, {plural(self.epochs, 'epoch')}, {'continuing' if self.continuing else 'from scratch'}"


class Twin:
    """The same network, trained on the task alone with the same seed and schedule: all that differs
    is the mark.

    It is trained epoch by epoch, as far as somebody asks, and remembers its state after each:
    whatever triggers come later, it need not be trained again to say how it would have answered
    them.

    Attributes
    ----------
    epochs : how many the schedule has
    records : one `Epoch` for each that is done
    """

    def __init__(self, model: nn.Module, data: Splits, *, epochs: int, seed: int) -> None:
        self.epochs, self._test = epochs, data.test
        self.records: list[Epoch] = []
        self._after: list[nn.Module] = []
        self._model = copy.deepcopy(model)
        self._steps = train(self._model, TensorData(data.train), rate=Schedule(epochs), seed=seed)

    @property
    def done(self) -> int:
        """How many epochs are done."""
        return len(self.records)

    def reach(self, epoch: int) -> None:
        """Train until so many epochs are done, at most those of the schedule."""
        with torch_threads(1):
            while self.done < min(epoch, self.epochs):
                loss = next(self._steps)
                self._after.append(copy.deepcopy(self._model))
                self.records.append(Epoch(self.done + 1, loss, **measured(self._model, self._test)))

    def fitted(self, epoch: int) -> Fitted:
        """Return it as it was after so many epochs; after all of them it is what `wm.fit` returns."""
        records = tuple(self.records[:epoch])
        return Fitted(
            copy.deepcopy(self._after[len(records) - 1]),
            History(records, stopped=len(records) < self.epochs),
        )

    def asked(self, triggers: TriggerSet, epoch: int) -> float:
        """Return the share of the secret questions that it answered as sealed after so many epochs,
        0 to 1.
        """
        return watermark_accuracy(self._after[epoch - 1], triggers)


class Workshop:
    """Where models are made: from scratch, or from one that is trained already; no twin is trained
    twice.
    """

    def __init__(self, data: Splits, *, key: bytes, seed: int, start: nn.Module | None) -> None:
        self.data, self.key, self.seed, self._start = data, key, seed, start
        self._twins: dict[tuple[int, bool], Twin] = {}

    def first(self) -> Twin | None:
        """Return the model that has to be trained before one can continue; None where a trained one
        was given.
        """
        return (
            None
            if self._start is not None
            else self._twin_of(small_cnn(self.data, seed=self.seed), Schedule().epochs)
        )

    def model(self, plan: Plan) -> nn.Module:
        """Return the model that the marking starts from."""
        if not plan.continuing:
            return small_cnn(self.data, seed=self.seed)
        first = self.first()
        return self._start if first is None else first.fitted(first.epochs).model

    def twin(self, plan: Plan) -> Twin:
        """Return the unmarked twin, as far as it has been trained."""
        return self._twin_of(self.model(plan), plan.epochs, continuing=plan.continuing)

    def _twin_of(self, model: nn.Module, epochs: int, *, continuing: bool = False) -> Twin:
        if (epochs, continuing) not in self._twins:
            self._twins[epochs, continuing] = Twin(model, self.data, epochs=epochs, seed=self.seed)
        return self._twins[epochs, continuing]
