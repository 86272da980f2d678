"""`EmbeddingLab`: train a watermark into a network, and watch it beside the same network without
one.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from wmlearn._checks import check_kind, check_seed
from wmlearn._display import plural
from wmlearn.data.splits import Splits
from wmlearn.evidence import commitment, stats
from wmlearn.evidence.verdict import Verdict
from wmlearn.labs._kit.accuracy_chart import accuracy_png, accuracy_svg, caption
from wmlearn.labs._kit.background import Background, Stage
from wmlearn.labs._kit.theme import STYLE
from wmlearn.labs._kit.views import guarded, view
from wmlearn.labs._kit.words import verdict_box, verdict_html
from wmlearn.labs.embedding.plan import (
    FEWEST_WORDS,
    MOST_EPOCHS,
    MOST_TRIGGERS,
    MOST_WORDS,
    Plan,
    Workshop,
)
from wmlearn.labs.embedding.runs import Run
from wmlearn.training._inference import check_fits
from wmlearn.training.history import Fitted
from wmlearn.training.schedule import Schedule
from wmlearn.watermarks.embedding import Marked

if TYPE_CHECKING:
    from torch import nn

_ALPHA = 1e-3  # what the triggers are sealed with, unless their maker says otherwise
_OWN_WIDTH = {"description_width": "initial"}  # a label as wide as its words


class EmbeddingLab:
    """Train secret words into a network: choose how many, press Run, and watch what they do to the
    task.

    Beside the marked model grows its unmarked twin: the same network, order of images and schedule,
    without triggers. The training runs in the background, so that Stop works; what was trained
    until then is kept and judged.

    Parameters
    ----------
    data : the task
    key : 32 secret bytes; left out, a fresh key is drawn when the lab opens
    seed : draws the first weights, the order of the images, and the images that the words are
        written on
    start : a trained network to offer as "continuing"; left out, that choice first trains an
        unmarked one

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
        If the data are no task, the key is not 32 bytes, or `start` is no network for these data.

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
    ) -> None:
        check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
        check_seed(seed)
        if start is not None:
            check_fits(start, data.train, "data")
        key = commitment.new_key() if key is None else commitment.check_key(key)
        self._shop = Workshop(data, key=key, seed=seed, start=start)
        self._run: Run | None = None
        self._picture: bytes | None = None
        self._build(offered=start is not None)
        self._share()

    # ------------------------------------------------------------ the widgets

    def _build(self, *, offered: bool) -> None:
        """Make the inputs and the places for the drawings.

        Core widgets only: Colab's ipywidgets 7.7.1 has them too.
        """
        import ipywidgets as widgets

        self._inputs(offered)
        self._note, self._bar, self._progress, self.status = (widgets.HTML() for _ in range(4))
        self._chart, self._cost, self._sentence = (widgets.HTML() for _ in range(3))
        self._background = Background(self._begin, self._show, self.status)
        self.run, self.stop = self._background.run, self._background.stop
        self._background.locked = (self.triggers, self.number, self.words, self.epochs, self.start)
        rows = [
            [self.triggers, self.number],
            [self.words, self.epochs],
            [self.run, self.stop, self._bar],
        ]
        first, second, buttons = (widgets.HBox(row) for row in rows)
        shown = [
            self._note,
            buttons,
            self._progress,
            self.status,
            self._chart,
            self._cost,
            self._sentence,
        ]
        style = widgets.HTML(STYLE, layout=widgets.Layout(height="0px", overflow="hidden"))
        self.widget = widgets.VBox([style, first, second, self.start, *shown])
        self.widget.add_class("wm-lab")
        self.words.observe(guarded(self._share, self.status), names="value")
        for place in (self.triggers, self.start):
            place.observe(guarded(self._describe, self.status), names="value")
        widgets.link((self.triggers, "value"), (self.number, "value"))
        self._show()

    def _inputs(self, offered: bool) -> None:
        import ipywidgets as widgets

        self.triggers = widgets.IntSlider(
            150, 0, MOST_TRIGGERS, description="triggers", readout=False, style=_OWN_WIDTH, layout={"width": "490px"},
            # else the page rounds a typed number to the slider's step, and sends it back
            continuous_update=False,
        )  # fmt: skip
        side = {"width": "140px", "margin": "2px 2px 2px 12px"}
        self.number = widgets.BoundedIntText(
            150, min=0, max=MOST_TRIGGERS, description="or type", style=_OWN_WIDTH, layout=side
        )
        self.words = widgets.BoundedIntText(
            30,
            min=FEWEST_WORDS,
            max=MOST_WORDS,
            description="words",
            style=_OWN_WIDTH,
            layout={"width": "140px"},
        )
        self.epochs = widgets.BoundedIntText(
            Schedule().epochs,
            min=1,
            max=MOST_EPOCHS,
            description="epochs",
            style=_OWN_WIDTH,
            layout=side,
        )
        from_what = (
            "continuing from the model given" if offered else "continuing from an unmarked model"
        )
        self.start = widgets.ToggleButtons(
            options=[("from scratch", False), (from_what, True)],
            description="start",
            style={**_OWN_WIDTH, "button_width": "auto"},
        )

    # ------------------------------------------------------------ what the inputs do

    def _share(self, _: object = None) -> None:
        """Let the slider move in steps that give every word the same number of images."""
        words = self.words.value
        most = MOST_TRIGGERS // words
        self.triggers.step = self.number.step = words
        if self.triggers.value:
            self.triggers.value = words * min(max(1, round(self.triggers.value / words)), most)
        self._describe()

    def _describe(self, _: object = None) -> None:
        """Say what would be trained, before Run is pressed."""
        self._note.value = (
            f"<p class='wm-small'>{html.escape(' '.join(self._intentions(self._planned())))}</p>"
        )

    def _intentions(self, plan: Plan) -> list[str]:
        if not plan.n_triggers:
            return ["Without triggers nothing is marked: this is the unmarked twin alone."]
        each, left = divmod(plan.n_triggers, plan.words)
        images = f"{each} or {each + 1} images" if left else plural(each, "image")
        description = [
            f"{plan.words} secret words, each written on {images}: {plan.words} questions."
        ]
        needed = stats.questions_needed(_ALPHA, 1 / len(self._shop.data.classes))
        return description + (
            [f"It takes {needed} before anybody could be accused."] if plan.words < needed else []
        )

    def _planned(self) -> Plan:
        return Plan(self.triggers.value, self.words.value, self.epochs.value, self.start.value)

    def _begin(self) -> Run:
        """Check the inputs, and return what Run is to do."""
        plan = self._planned()
        plan.check(self._shop.data)
        self._run, self._picture = Run(plan, self._shop, self._show), None
        return self._run

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over, at most so many seconds, and say whether it is."""
        return self._background.wait(timeout)

    # ------------------------------------------------------------ what is shown

    def _show(self) -> None:
        """Draw how far the run has got. What did not change is not sent again."""
        run = self._run
        lines = run.curves() if run else {}
        epochs = run.plan.epochs if run else Schedule().epochs
        self._chart.value = accuracy_svg(lines, epochs, caption(lines))
        stage = run.stage if run else Stage("press Run")
        self._bar.value, self._progress.value = stage.html()
        self._sentence.value = self._judgement()
        self._cost.value = (
            f"<p class='wm-small'>{html.escape(run.cost() if run else '')}&nbsp;</p>"  # no jump
        )

    def _judgement(self) -> str:
        """Return the verdict as HTML that a screen reader reads out when it changes."""
        if self._run is not None and self._run.replay is not None:
            return verdict_html(self._run.replay, self._run.replay.n)
        if isinstance(self.result, Fitted):
            heading, words = (
                "– nothing marked",
                "There were no triggers: no watermark to find, and none to verify.",
            )
        else:
            heading, words = (
                "? no verdict yet",
                "The freshly marked model is asked all its questions at the end.",
            )
        return verdict_box(heading, words)

    @property
    def result(self) -> Marked | Fitted | None:
        """What the last run made: `Marked`, or with no triggers `Fitted`; None before."""
        return self._run.result if self._run else None

    @property
    def twin(self) -> Fitted | None:
        """The unmarked twin of the last run; None before."""
        return self._run.twin if self._run else None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the freshly marked model, on all its questions; None where nothing is
        marked.
        """
        return self._run.replay.verdict if self._run and self._run.replay else None

    def __repr__(self) -> str:
        plan = self._run.plan if self._run else self._planned()
        if self._background.busy:
            ends = ["  a run is under way"]
        elif self.result is None:
            ends = ["  nothing trained yet: press Run"]
        else:
            ends = [
                f"  {self.result!r}",
                *([f"  unmarked twin: {self.twin!r}"] if self.verdict else []),
            ]
            ends += [repr(self.verdict)] if self.verdict else []
        return "\n".join([f"EmbeddingLab: {plan!r}", *ends])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Return the live lab and, for where nothing runs, its text and, after a run, a picture of
        its curves.
        """
        if self._picture is None and self._run is not None and not self._background.busy:
            lines = self._run.curves()
            self._picture = accuracy_png(lines, self._run.plan.epochs) if lines else None
        return view(self.widget, repr(self), self._picture)
