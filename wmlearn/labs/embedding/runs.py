"""One run of the embedding lab: what is trained, and in which order.

It knows no widget; it tells when it got on.
"""

from collections.abc import Callable
from copy import copy

from wmlearn._display import percent, plural
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.accuracy_chart import Curves, curves
from wmlearn.labs._kit.background import Job, Stage
from wmlearn.labs._kit.replay import Replay, buy
from wmlearn.labs.embedding.plan import Plan, Twin, Workshop
from wmlearn.service.blackbox import BlackBox
from wmlearn.training.history import Epoch, Fitted
from wmlearn.triggers.content import Content
from wmlearn.watermarks.embedding import CAP, Marked, embed, watermark_accuracy


class Run(Job):
    """Train a marked model and its unmarked twin in turn, epoch by epoch, then judge the marked
    one.

    Attributes
    ----------
    plan : what was asked for
    marked, twin, replay : what it has made in the end; None before, and where there is none
    """

    def __init__(self, plan: Plan, shop: Workshop, changed: Callable[[], None]) -> None:
        super().__init__(changed)
        self.plan = plan
        self.marked: Marked | None = None
        self.twin: Fitted | None = None
        self.replay: Replay | None = None
        self._shop = shop
        self._marked: list[Epoch] = []
        self._unmarked: list[Epoch] = []

    @property
    def result(self) -> Marked | Fitted | None:
        """The marked model, without triggers the unmarked one; None before."""
        return self.marked or self.twin

    def at(self, epoch: int) -> "Run":
        """Return the run as it stood after an epoch."""
        then = copy(self)
        then._marked, then._unmarked = self._marked[:epoch], self._unmarked[:epoch]
        if epoch < len(self):
            then.marked = then.twin = then.replay = None
        return then

    def __len__(self) -> int:
        return max(len(self._marked), len(self._unmarked))

    def curves(self) -> Curves:
        """Return the accuracies so far, epoch by epoch."""
        return curves(self._marked, self._unmarked)

    def cost(self) -> str:
        """Return in a sentence what the mark did to the task; empty until that is known."""
        if self.marked is None or self.twin is None:
            return ""
        marked, unmarked = self.marked.task_accuracy, self.twin.task_accuracy
        # of the numbers as they are shown
        apart = abs(round(100 * marked, 1) - round(100 * unmarked, 1))
        return (
            f"Task accuracy {percent(marked)}, its unmarked twin {percent(unmarked)}: "
            f"{apart:.1f} points apart, in this one run."
        )

    def _do(self) -> Stage:
        if not self._prepare():
            return Stage("stopped before the marking began; Run goes on from here")
        twin = self._shop.twin(self.plan)
        self._tell_epoch(1)
        if self.plan.n_triggers:
            self._mark_beside(twin)
        else:
            self._train_alone(twin)
        self.twin = twin.after(len(self._unmarked))
        return self._ended(self.marked or self.twin)

    def _prepare(self) -> bool:
        """Train the model to continue from, where there is none yet; return False if that was
        stopped.
        """
        shop = self._shop
        if not self.plan.continuing or shop.start is not None:
            return True
        first = shop.twin(Plan(epochs=shop.schedule.epochs))
        while first.done < first.epochs:
            if self._stop.is_set():
                return False
            epoch = f"epoch {first.done + 1} of {first.epochs}"
            words = f"first an unmarked model to continue from: {epoch}"
            self._tell(words, first.done, first.epochs)
            first.reach(first.done + 1)
        shop.start = first.after(first.epochs).model
        return True

    def _mark_beside(self, twin: Twin) -> None:
        """Train the marked model, and after each of its epochs the twin for one: so Stop leaves
        both as far. Then ask the marked one, as a black box, all its questions.
        """
        plan, shop = self.plan, self._shop
        content = Content(words=plan.words)
        triggers = content(shop.data, n=plan.n_triggers, key=shop.key, seed=shop.seed)

        def watch(record: Epoch) -> bool:
            """Bring the twin as far as the marked model has got; say whether to stop."""
            self._marked.append(record)
            return self._follow(twin, record.epoch, triggers)

        self.marked = embed(
            twin.start,
            shop.data,
            triggers,
            schedule=shop.scheduled(plan),
            seed=shop.seed,
            on_epoch=watch,
        )
        name = "the marked model"
        if self.marked.history.stopped:
            name += ", stopped early"
        self.replay = buy(name, BlackBox(self.marked.model), triggers)

    def _train_alone(self, twin: Twin) -> None:
        for epoch in range(1, twin.epochs + 1):
            if self._follow(twin, epoch):
                return

    def _follow(self, twin: Twin, epoch: int, triggers: TriggerSet | None = None) -> bool:
        """Bring the twin to an epoch, ask it the secret questions, and say whether to stop."""
        if epoch <= twin.epochs:
            twin.reach(epoch)
            fitted = twin.after(epoch)
            record = fitted.history.epochs[-1]
            if triggers is not None:
                answered = watermark_accuracy(fitted.model, triggers)
                record = record._replace(watermark_accuracy=answered)
            self._unmarked.append(record)
        self._tell_epoch(epoch + 1)
        return self._stop.is_set()

    def _tell_epoch(self, epoch: int) -> None:
        """Say which epoch is being trained; beyond the schedule, until when."""
        planned = self.plan.epochs
        if epoch <= planned:
            self._tell(f"epoch {epoch} of {planned}", epoch - 1, planned)
            return
        until = f"until every question is right twice running, at most {CAP * planned}"
        self._tell(f"epoch {epoch}: {until}", planned, planned)

    def _ended(self, result: Marked | Fitted) -> Stage:
        planned = self.plan.epochs
        done = len(result.history.epochs)
        if result.history.stopped:
            return Stage(f"stopped after {plural(done, 'epoch')}", min(done, planned), planned)
        words = f"{plural(done, 'epoch')} done"
        if isinstance(result, Marked) and result.complete:
            words += ": every question right twice running"
        elif isinstance(result, Marked):
            words += ": not every question was learnt"
        return Stage(words, 1, 1)
