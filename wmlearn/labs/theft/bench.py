"""What the theft lab does to the owner's model, and what is left after it: task accuracy, verdict,
cost.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from wmlearn._checks import check_kind
from wmlearn._display import plural
from wmlearn._random import stable_rng
from wmlearn._types import Query
from wmlearn.data.splits import Split, Splits
from wmlearn.evidence.tilt import TiltSet, verify_tilt
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.evidence.verdict import Verdict
from wmlearn.evidence.verification import verify
from wmlearn.labs._kit.accuracy_chart import Curves
from wmlearn.labs._kit.background import Job, Stage
from wmlearn.labs.theft.thieves import Thief
from wmlearn.service.blackbox import BlackBox
from wmlearn.theft import Context, Deployment, Surrogate, Theft
from wmlearn.training._inference import check_fits, own_copy
from wmlearn.training.history import Epoch

# test images on which the task accuracy is measured: enough for the curve, and twenty points in a
# second
SEEN = 500
Watch = Callable[[nn.Module, Epoch], bool]
UNTOUCHED = "the owner's own model"
Evidence = TriggerSet | TiltSet


@dataclass(frozen=True, eq=False)
class Point:
    """What is left after a theft, and what it cost.

    Attributes
    ----------
    theft : the theft, as it is typed below `wm.theft`
    right, seen : of how many test images seen the deployed model classifies how many correctly
    verdict : what `wm.verify` says of it, or `wm.evidence.verify_tilt`
    images, queries : what it cost: images of the thief's own, answers of the owner's service
    filters : whether the thief works at every answer, and not on the model
    made : where the thief trained, the `Surrogate`; stopped early, it is what there was until then
    """

    theft: str
    right: int
    seen: int
    verdict: Verdict
    images: int = 0
    queries: int = 0
    filters: bool = False
    made: Surrogate | None = None

    @property
    def stopped(self) -> bool:
        """Whether the thief was stopped before the end of the training."""
        return self.made is not None and self.made.history.stopped

    @property
    def task_accuracy(self) -> float:
        """The share of the test images seen that is classified correctly, 0 to 1."""
        return self.right / self.seen

    @property
    def matched(self) -> float:
        """The share of the questions, or signs, that is as sealed, 0 to 1."""
        return self.verdict.k / self.verdict.n


class Bench:
    """The owner's model, and everything that is done to it and measured.

    Attributes
    ----------
    triggers : the questions, or the signs that the answers lean by
    sample, tests : the test images that are looked at, drawn at random, and how many there are
    """

    def __init__(self, owner: nn.Module, data: Splits, triggers: Evidence, seed: int) -> None:
        check_kind(data, "data", Splits, "such as wm.load_data('mnist'), after the owner's model")
        check_fits(owner, data.test, "data.test")
        if isinstance(triggers, TiltSet):
            labels = triggers.ruler.votes.argmax(1)
        else:
            labels = check_kind(
                triggers,
                "triggers",
                TriggerSet,
                "such as wm.Content()(data, n=300), after the data",
            ).labels
        check_fits(owner, Split(triggers.pixels, labels, layout="NCHW"), "triggers")
        self._owner = own_copy(owner).eval()
        self.triggers = triggers
        self.tests = len(data.test)
        self.sample = data.test.take(stable_rng(seed).permutation(self.tests)[:SEEN])

    def untouched(self) -> Point:
        """Return what there is before any theft."""
        return self._point(UNTOUCHED, BlackBox(self._owner))

    def try_out(self, thief: Thief, place: int, watch: Watch | None = None) -> Point:
        """Commit a theft and measure what is left.

        Parameters
        ----------
        thief, place : which theft, and at which place of the slider
        watch : called after each epoch with the network in training; returning True ends the theft
            there
        """
        theft = thief.at(place)
        if watch is None:
            deployed = theft.deploy(self._owner, thief.context)
        else:
            deployed = _watched(theft, self._owner, thief.context, watch)
        made = deployed.surrogate
        return replace(
            self._point(thief.typed(place), deployed.query),
            images=deployed.cost.images + thief.images,
            queries=deployed.cost.queries,
            filters=made is None,
            made=None if watch is None else made,  # of the others there are many
        )

    def accuracies(self, model: nn.Module) -> tuple[float, float]:
        """Return the share of the secrets matched, and of the test images looked at, 0 to 1."""
        point = self._point("", BlackBox(model))
        return point.matched, point.task_accuracy

    def _point(self, name: str, query: Query) -> Point:
        asked = self.triggers
        verdict = verify_tilt(query, asked) if isinstance(asked, TiltSet) else verify(query, asked)
        return Point(name, self._right(query), len(self.sample), verdict)

    def _right(self, query: Query) -> int:
        return int((query(self.sample.images) == self.sample.labels).sum())


def _watched(theft: Theft, owner: nn.Module, context: Context, watch: Watch) -> Deployment:
    """Commit a theft that shows after each epoch the network in training: that is a copy, but hooks
    are copied along.
    """
    latest = owner

    def note(model: nn.Module, _: object) -> None:
        nonlocal latest
        latest = model

    def noted(model: nn.Module) -> nn.Module:
        model = own_copy(model)
        model.register_forward_pre_hook(note)
        return model

    seen = replace(
        context,
        fresh=lambda: noted(context.fresh()),
        on_epoch=lambda record: watch(latest, record),
    )
    deployed = theft.deploy(noted(owner), seen)
    hooks = deployed.model._forward_pre_hooks
    for place in [place for place, hook in hooks.items() if hook is note]:
        del hooks[place]
    return deployed


class Attempt(Job):
    """One run of a thief who trains, measured after each epoch.

    Attributes
    ----------
    thief, place : who, and at which place of the slider
    point : what is left in the end; None before
    """

    def __init__(self, bench: Bench, thief: Thief, place: int, changed: Callable[[], None]) -> None:
        super().__init__(changed)
        self.thief, self.place, self._bench = thief, place, bench
        self._measured: list[tuple[float, float]] = []
        self.point: Point | None = None

    def _do(self) -> Stage:
        self._tell_epoch(0)
        self.point = self._bench.try_out(self.thief, self.place, self._watch)
        done = plural(len(self._measured), "epoch")
        return Stage(f"stopped after {done}" if self.point.stopped else f"{done} done", 1, 1)

    def curves(self) -> Curves:
        """Return the accuracies so far, epoch by epoch; nothing before the first."""
        if not self._measured:
            return {}
        matched, task = map(list, zip(*self._measured))
        return {"the copy, secrets": matched, "the copy, task": task}

    def _watch(self, model: nn.Module, record: Epoch) -> bool:
        self._measured.append(self._bench.accuracies(model))
        self._tell_epoch(record.epoch)
        return self._stop.is_set()

    def _tell_epoch(self, done: int) -> None:
        of = self.thief.epochs
        words = f"epoch {done + 1} of {of}"
        if done >= of:
            words = f"epoch {done + 1}: until the thief's own triggers are learnt"
        self._tell(words, min(done, of), of)
