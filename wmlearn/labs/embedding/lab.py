"""`EmbeddingLab`: train a watermark into a network, and watch it beside the same network without
one.
"""

import ipywidgets as widgets
from torch import nn

from wmlearn._checks import check_kind, check_seed
from wmlearn._display import plural
from wmlearn.data.splits import Splits
from wmlearn.evidence import commitment, stats
from wmlearn.evidence.verdict import Verdict
from wmlearn.labs._kit.accuracy_chart import accuracy_svg, caption
from wmlearn.labs._kit.background import Background, Stage
from wmlearn.labs._kit.lab import BESIDE, Lab, choice, number_box
from wmlearn.labs._kit.recording import Axis, Recording
from wmlearn.labs._kit.views import small
from wmlearn.labs._kit.words import verdict_box, verdict_html
from wmlearn.labs.embedding.plan import MOST_TRIGGERS, Plan, Workshop
from wmlearn.labs.embedding.runs import Run
from wmlearn.training._inference import check_fits
from wmlearn.training.history import Fitted
from wmlearn.training.loop import resolved
from wmlearn.training.models import Builder, small_cnn, untrained
from wmlearn.training.schedule import Schedule
from wmlearn.watermarks.embedding import Marked

RECORDED = (10, 30), (0, 30, 150, 300)  # words and triggers of the runs in a recording
_ALPHA = 1e-3  # what the triggers are sealed with, unless their maker says otherwise


class EmbeddingLab(Lab):
    """Train secret words into a network: choose how many, press Run, and watch what they do to the
    task.

    Beside the marked model grows its unmarked twin: the same network, order of images and schedule,
    without triggers. The training runs in the background, and Stop ends it; what was trained until
    then is kept and judged.

    Parameters
    ----------
    data : the task
    key : 32 secret bytes; left out, a fresh key is drawn when the lab opens
    seed : draws the first weights, the order of the images, and the images that the words are
        written on
    start : a trained network to offer as "continuing"; left out, that choice first trains an
        unmarked one
    network : makes the untrained network from data and seed
    schedule : how fast it is trained; how long, the input `epochs` says, which begins with its
        epochs

    Attributes
    ----------
    triggers, number, words, epochs, start : the inputs; `number` is the slider `triggers` again, to
        be typed
    run, stop : the buttons
    result : what the last run made: `Marked`, or with no triggers `Fitted`; None before
    twin : the unmarked twin of the last run as `Fitted`; None before
    verdict : the verdict on the freshly marked model, on all its questions; None where nothing is
        marked
    widget : the whole lab, as a widget

    Raises
    ------
    TypeError, ValueError
        If the data are no task, the key is not 32 bytes, or `start` or what `network` makes is
        no network for these data.

    Examples
    --------
    >>> import wmlearn as wm
    >>> wm.EmbeddingLab(wm.load_data("mnist"), key=wm.CLASSROOM_KEY)
    EmbeddingLab: 150 triggers, 30 words, 8 epochs, from scratch
      nothing trained yet: press Run
    """

    def __init__(
        self,
        data: Splits,
        *,
        key: bytes | None = None,
        seed: int = 0,
        start: nn.Module | None = None,
        network: Builder = small_cnn,
        schedule: Schedule = Schedule(),
    ) -> None:
        check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
        check_seed(seed)
        schedule = resolved(schedule, data.train)
        check_fits(untrained(network, data, seed=seed), data.train, "data")
        model = "an unmarked model"
        if start is not None:
            check_fits(start, data.train, "data")
            model = "the model given"
        key = commitment.new_key() if key is None else commitment.check_key(key)
        super().__init__("note", "bar", "progress", "chart", "cost", "sentence")
        self._shop = Workshop(
            data, key=key, seed=seed, start=start, network=network, schedule=schedule
        )
        plan = Plan(epochs=schedule.epochs)
        self._run = Run(plan, self._shop, self._show)
        self._run.stage = Stage("press Run")
        self._background = Background(self._begin, self._ended, self.status)
        self.run = self._background.run
        self.stop = self._background.stop
        self._make_inputs(plan, model)
        self._lay_out(
            left=[
                [self.triggers, self.number],
                [self.words, self.epochs],
                self.start,
                "note",
                [self.run, self.stop, "bar"],
                "progress",
                "status",
                "sentence",
            ],
            right=["chart", "cost"],
        )
        self._background.locked = self._controls()
        self._show()
        self._share()

    # ------------------------------------------------------------ the widgets

    def _make_inputs(self, plan: Plan, model: str) -> None:
        """Make the inputs for a plan; `model` says what it may continue from."""
        self.triggers = widgets.IntSlider(
            plan.n_triggers,
            0,
            MOST_TRIGGERS,
            description="triggers",
            readout=False,
            # else the page rounds a typed number to the slider's step, and sends it back
            continuous_update=False,
        )
        self.number = number_box("or type", plan.n_triggers, 0, MOST_TRIGGERS, BESIDE)
        self.words = number_box("words", plan.words, 2, 60, {"width": "140px"})
        self.epochs = number_box("epochs", plan.epochs, 1, max(12, plan.epochs), BESIDE)
        starts = [("from scratch", False), (f"continuing from {model}", True)]
        self.start = choice("start", starts)
        self._follow(self.words, self._share)
        self._follow(self.triggers, self._describe)
        self._follow(self.start, self._describe)
        widgets.link((self.triggers, "value"), (self.number, "value"))

    # ------------------------------------------------------------ what the inputs do

    def _share(self, _: object = None) -> None:
        """Let the slider move in steps that give every word the same number of images."""
        words = self.words.value
        self.triggers.step = words
        self.number.step = words
        if self.triggers.value:
            each = max(1, round(self.triggers.value / words))
            self.triggers.value = words * min(each, MOST_TRIGGERS // words)
        self._describe()

    def _describe(self, _: object = None) -> None:
        """Say what would be trained, before Run is pressed."""
        self._say(note=small(self._intention(self._planned())))

    def _intention(self, plan: Plan) -> str:
        if not plan.n_triggers:
            return "Without triggers nothing is marked: this is the unmarked twin alone."
        each, left = divmod(plan.n_triggers, plan.words)
        images = plural(each, "image")
        if left:
            images = f"{each} or {each + 1} images"
        said = f"{plan.words} secret words, each written on {images}: {plan.words} questions."
        needed = stats.questions_needed(_ALPHA, 1 / len(self._shop.data.classes))
        if plan.words < needed:
            said += f" It takes {needed} before anybody could be accused."
        return said

    def _planned(self) -> Plan:
        return Plan(self.triggers.value, self.words.value, self.epochs.value, self.start.value)

    def _begin(self) -> Run:
        """Check the inputs, and return what Run is to do."""
        plan = self._planned()
        plan.check(self._shop.data)
        self._run = Run(plan, self._shop, self._show)
        return self._run

    def _ended(self) -> None:
        self._show()
        self._keep()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over, at most so many seconds, and say whether it is."""
        return self._background.wait(timeout)

    def _page(self) -> Recording:
        """Return some runs, which are trained now, and each of their epochs."""
        self.wait()
        own = self._run
        runs: dict[str, Run] = {}
        epoch = widgets.IntSlider(0, 0, 1, description="recorded epoch")

        def chosen() -> Run:
            """Return the run that the inputs ask for, trained once."""
            plan = self._planned()
            if repr(plan) not in runs:
                plan.check(self._shop.data)
                runs[repr(plan)] = run = Run(plan, self._shop, lambda: None)
                run.go()
            epoch.max = len(runs[repr(plan)])
            return runs[repr(plan)]

        def render() -> None:
            """Show it as it stood after an epoch."""
            self._run = chosen().at(epoch.value)
            self._show()

        axes = [Axis(self.words, RECORDED[0]), Axis(self.triggers, RECORDED[1]), Axis(self.start)]
        axes.append(Axis(epoch, lambda: range(len(chosen()) + 1), instead_of=self.run))
        try:
            return Recording(self._layout(left_out=["bar", "progress"]), axes, render)
        finally:
            self._run = own
            self._show()

    # ------------------------------------------------------------ what is shown

    def _show(self) -> None:
        """Draw how far the run has got. What did not change is not sent again."""
        run = self._run
        lines = run.curves()
        bar, progress = run.stage.html()
        chart = accuracy_svg(lines, run.plan.epochs, caption(lines))
        cost = small(f"{run.cost()}\N{NO-BREAK SPACE}")  # no jump
        self._say(bar=bar, progress=progress, chart=chart, cost=cost, sentence=self._judgement())

    def _judgement(self) -> str:
        """Return the verdict as HTML that a screen reader reads out when it changes."""
        replay = self._run.replay
        if replay is not None:
            return verdict_html(replay, replay.n)
        if isinstance(self.result, Fitted):
            words = "There were no triggers: no watermark to find, and none to verify."
            return verdict_box("– nothing marked", words)
        words = "The freshly marked model is asked all its questions at the end."
        return verdict_box("? no verdict yet", words)

    @property
    def result(self) -> Marked | Fitted | None:
        """What the last run made: `Marked`, or with no triggers `Fitted`; None before."""
        return self._run.result

    @property
    def twin(self) -> Fitted | None:
        """The unmarked twin of the last run; None before."""
        return self._run.twin

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the freshly marked model, on all its questions; None where nothing is
        marked.
        """
        replay = self._run.replay
        return None if replay is None else replay.verdict

    def __repr__(self) -> str:
        begun = self._background.thread is not None
        plan = self._run.plan if begun else self._planned()
        lines = [f"EmbeddingLab: {plan!r}"]
        if self._background.busy:
            lines.append("  a run is under way")
        elif self.result is None:
            lines.append("  nothing trained yet: press Run")
        else:
            lines.append(f"  {self.result!r}")
        if self.verdict is not None:
            lines.append(f"  unmarked twin: {self.twin!r}")
            lines.append(repr(self.verdict))
        return "\n".join(lines)

    def _drawing(self) -> str | None:
        """Return the curves, once there are any."""
        if self._background.busy or not self._run.curves():
            return None
        return self.state.screen["chart"]
