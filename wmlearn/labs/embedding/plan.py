"""What the embedding lab trains, without any widget: a marked model, and beside it the same network
unmarked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from torch import nn

from wmlearn._checks import check_count
from wmlearn._display import plural
from wmlearn.data.splits import Splits
from wmlearn.training._inference import own_copy
from wmlearn.training._threads import torch_threads
from wmlearn.training.history import Epoch, Fitted, History
from wmlearn.training.loop import TensorData, measured, train_by
from wmlearn.training.models import Builder, untrained
from wmlearn.training.schedule import Schedule

MOST_TRIGGERS = 300


@dataclass(frozen=True)
class Plan:
    """What the inputs of the lab say when Run is pressed."""

    n_triggers: int = 150
    words: int = 30
    epochs: int = Schedule().epochs
    continuing: bool = False

    def check(self, data: Splits) -> None:
        """Say what cannot be done with these data, before anything is trained."""
        if not self.n_triggers:
            return
        images = len(data.train)
        words = plural(self.words, "word")
        check_count(
            self.n_triggers,
            "a number of triggers above 0",
            low=self.words,
            high=min(MOST_TRIGGERS, images),
            why=f"{words} need an image each, and the training part has {images:,}",
        )

    def __repr__(self) -> str:
        marked = "no triggers"
        if self.n_triggers:
            marked = f"{plural(self.n_triggers, 'trigger')}, {plural(self.words, 'word')}"
        start = "continuing" if self.continuing else "from scratch"
        return f"{marked}, {plural(self.epochs, 'epoch')}, {start}"


class Twin:
    """The same network, trained on the task alone with the same seed and schedule: all that differs
    is the mark.

    It is trained epoch by epoch, as far as somebody asks, and remembers its state after each:
    whatever triggers come later, it need not be trained again to say how it would have answered
    them.

    Attributes
    ----------
    start : the model that it is trained from; it is left as it was
    epochs : how many the schedule has
    done : how many of them are done
    """

    def __init__(self, model: nn.Module, data: Splits, *, schedule: Schedule, seed: int) -> None:
        self.start = model
        self.epochs = schedule.epochs
        self._after: list[Fitted] = []
        self._training = _trained(model, data, schedule, seed)

    @property
    def done(self) -> int:
        """How many epochs are done."""
        return len(self._after)

    def reach(self, epoch: int) -> None:
        """Train until so many epochs are done, at most those of the schedule."""
        with torch_threads(1):
            self._after.extend(islice(self._training, max(0, epoch - self.done)))

    def after(self, epoch: int) -> Fitted:
        """Return it as it was after so many epochs; in the end it is what `wm.fit` returns."""
        fitted = self._after[epoch - 1]
        return Fitted(own_copy(fitted.model), fitted.history)


def _trained(model: nn.Module, data: Splits, schedule: Schedule, seed: int) -> Iterator[Fitted]:
    """Yield what a model is after each epoch."""
    model = own_copy(model)
    records: list[Epoch] = []
    steps = train_by(schedule, model, TensorData(data.train), seed)
    for loss in islice(steps, schedule.epochs):
        records.append(Epoch(len(records) + 1, loss, **measured(model, data.test)))
        history = History(tuple(records), stopped=len(records) < schedule.epochs)
        yield Fitted(own_copy(model), history)


class Workshop:
    """What one lab trains with, and the twins it has trained: none is trained twice.

    Attributes
    ----------
    data, key, seed : what the lab was given
    network, schedule : what each run trains, and how; the plan says for how many epochs
    start : the trained model to continue from; None where it has to be trained first
    """

    def __init__(
        self,
        data: Splits,
        *,
        key: bytes,
        seed: int,
        start: nn.Module | None,
        network: Builder,
        schedule: Schedule,
    ) -> None:
        self.data = data
        self.key = key
        self.seed = seed
        self.start = start
        self.network = network
        self.schedule = schedule
        self._twins: dict[tuple[int, bool], Twin] = {}

    def scheduled(self, plan: Plan) -> Schedule:
        """Return the schedule, for as many epochs as a plan says."""
        return replace(self.schedule, epochs=plan.epochs)

    def twin(self, plan: Plan) -> Twin:
        """Return the unmarked twin, as far as it has been trained."""
        kind = plan.epochs, plan.continuing
        if kind not in self._twins:
            model = self.start
            if model is None or not plan.continuing:
                model = untrained(self.network, self.data, seed=self.seed)
            schedule = self.scheduled(plan)
            self._twins[kind] = Twin(model, self.data, schedule=schedule, seed=self.seed)
        return self._twins[kind]
