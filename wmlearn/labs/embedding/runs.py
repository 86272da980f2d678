"""One run of the embedding lab: what is trained, and in which order.

It knows no widget; it tells when it got on.
"""

from __future__ import annotations

from collections.abc import Callable

from wmlearn._display import percent, plural
from wmlearn.labs._kit.accuracy_chart import Curves, curves
from wmlearn.labs._kit.background import Job, Stage
from wmlearn.labs._kit.replay import Replay, buy
from wmlearn.labs.embedding.plan import Plan, Twin, Workshop
from wmlearn.service.blackbox import BlackBox
from wmlearn.training.history import Epoch, Fitted
from wmlearn.training.schedule import Schedule
from wmlearn.watermarks.embedding import CAP, Marked, embed


class Run(Job):
    """Train a marked model and its unmarked twin in turn, epoch by epoch, then judge the marked
    one.

    Attributes
    ----------
    plan : what was asked for
    result, twin, replay : what it has made in the end; None before, and where there is none
    """

    def __init__(self, plan: Plan, shop: Workshop, changed: Callable[[], None]) -> None:
        super().__init__(changed)
        self.plan, self._shop = plan, shop
        self.result: Marked | Fitted | None = None
        self.twin: Fitted | None = None
        self.replay: Replay | None = None
        self._marked: list[Epoch] = []
        self._unmarked: list[Epoch] = []

    def _do(self) -> Stage:
        if self._prepare():
            self._train()
            self._judge()
        return self._ended()

    def curves(self) -> Curves:
        """Return the accuracies so far, epoch by epoch."""
        return curves(self._marked, self._unmarked)

    def _prepare(self) -> bool:
        """Train the model to continue from, where there is none yet; return False if that was
        stopped.
        """
        first = self._shop.first() if self.plan.continuing else None
        while first is not None and first.done < first.epochs:
            if self._stop.is_set():
                return False
            words = f"first an unmarked model to continue from: epoch {first.done + 1} of {first.epochs}"
            self._tell(words, first.done, first.epochs)
            first.reach(first.done + 1)
        return True

    def _train(self) -> None:
        twin = self._shop.twin(self.plan)
        self._tell_epoch(1)
        if self.plan.n_triggers:
            self._train_beside(twin)
        else:
            self._train_alone(twin)
        self.twin = twin.fitted(len(self._unmarked))
        self.result = self.result or self.twin

    def _train_beside(self, twin: Twin) -> None:
        """Train the marked model, and after each of its epochs the twin for one: so Stop leaves
        both as far.
        """
        shop = self._shop
        triggers = self.plan.seal(shop.data, shop.key, shop.seed)

        def watch(record: Epoch) -> bool:
            """Bring the twin as far as the marked model has got; say whether to stop."""
            self._marked.append(record)
            twin.reach(record.epoch)
            if record.epoch <= twin.epochs:
                answered = twin.asked(triggers, record.epoch)
                self._unmarked.append(
                    twin.records[record.epoch - 1]._replace(watermark_accuracy=answered)
                )
            self._tell_epoch(record.epoch + 1)
            return self._stop.is_set()

        schedule = Schedule(self.plan.epochs)
        self.result = embed(
            shop.model(self.plan),
            shop.data,
            triggers,
            schedule=schedule,
            seed=shop.seed,
            on_epoch=watch,
        )

    def _train_alone(self, twin: Twin) -> None:
        for record in range(1, twin.epochs + 1):
            twin.reach(record)
            self._unmarked.append(twin.records[record - 1])
            self._tell_epoch(record + 1)
            if self._stop.is_set():
                return

    def _judge(self) -> None:
        """Ask the freshly marked model, as a black box, all its questions."""
        if isinstance(self.result, Marked):
            name = "the marked model" + (", stopped early" if self.result.history.stopped else "")
            self.replay = buy(name, BlackBox(self.result.model), self.result.triggers)

    def _tell_epoch(self, epoch: int) -> None:
        """Say which epoch is being trained; beyond the schedule, until when."""
        planned = self.plan.epochs
        if epoch <= planned:
            self._tell(f"epoch {epoch} of {planned}", epoch - 1, planned)
        else:
            words = f"epoch {epoch}: until every question is right twice running, at most {CAP * planned}"
            self._tell(words, planned, planned)

    def _ended(self) -> Stage:
        if self.result is None:
            return Stage("stopped before the marking began; Run goes on from here")
        planned, done = self.plan.epochs, len(self.result.history.epochs)
        if self.result.history.stopped:
            return Stage(f"stopped after {plural(done, 'epoch')}", min(done, planned), planned)
        words = f"{plural(done, 'epoch')} done"
        if isinstance(self.result, Marked):
            right = (
                "every question right twice running"
                if self.result.complete
                else "not every question was learnt"
            )
            words = f"{words}: {right}"
        return Stage(words, 1, 1)

    def cost(self) -> str:
        """Return in a sentence what the mark did to the task; empty until that is known."""
        if not isinstance(self.result, Marked) or self.twin is None:
            return ""
        marked, unmarked = self.result.task_accuracy, self.twin.task_accuracy
        apart = abs(
            round(100 * marked, 1) - round(100 * unmarked, 1)
        )  # of the numbers as they are shown
        return (
            f"Task accuracy {percent(marked)}, its unmarked twin {percent(unmarked)}: "
            f"{apart:.1f} points apart, in this one run."
        )
