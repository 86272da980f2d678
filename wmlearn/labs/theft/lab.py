"""`TheftLab`: let a thief at the owner's model, and see together what that removes and what it
costs.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wmlearn._checks import check_choice, shown
from wmlearn._display import percent, plural
from wmlearn.data.splits import Splits
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.accuracy_chart import accuracy_svg
from wmlearn.labs._kit.background import Background, Stage
from wmlearn.labs._kit.theme import STYLE
from wmlearn.labs._kit.views import guarded, view
from wmlearn.labs._kit.words import outcome_html, verdict_box
from wmlearn.labs.theft.bench import Attempt, Bench, Point
from wmlearn.labs.theft.chart import Tradeoff, account
from wmlearn.labs.theft.thieves import Thief, catalogue

if TYPE_CHECKING:
    from torch import nn

_OWN_WIDTH = {"description_width": "initial"}  # a label as wide as its words
_ALONE = (
    "Everything here is made from this one owner's model, and each verdict is given as if there "
    "were no other suspect: "
    "that you try many strengths puts no innocent at risk. Whoever asks several suspects shares "
    "alpha among them, by "
    "wm.verify_all."
)


class TheftLab:
    """Choose a theft, move its strength, and see the task accuracy and the evidence together, the
    verdict beside it.

    Thefts that train nothing are worked out for every strength when the lab opens, the first at
    once and the others in the background: a move of the slider looks up what is known. Thieves who
    train do so when Run is pressed; what they had when Stop was pressed is kept, and every result
    stays on the chart.

    Parameters
    ----------
    owner : the owner's marked model; it is left as it was
    data : the task: the thief holds `data.loot`, the task accuracy is measured on 500 images of
        `data.test`
    triggers : the owner's sealed questions
    thefts : names of the thefts to offer, as the menu shows them; left out, all of them
    seed : draws the test images, and whatever a thief draws

    Attributes
    ----------
    theft, strength : the inputs
    run, stop : the buttons, for thieves who train
    point : what is left at the strength that is chosen: `.task_accuracy`, `.verdict` and what it
        cost; None before it is known. Where the thief has trained, `.made` is the `Surrogate`
    widget : the whole lab, as a widget

    Raises
    ------
    TypeError, ValueError
        If the model does not fit the data or the questions, or a theft has another name.

    Examples
    --------
    >>> import wmlearn as wm
    >>> mnist = wm.load_data("mnist")
    >>> triggers = wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)
    >>> lab = wm.TheftLab(wm.load_model("mnist/content"), mnist, triggers, thefts=["prune weights"])
    >>> lab.strength.value = "95 %"
    >>> lab.point.theft, lab.point.verdict.decision, lab.point.task_accuracy < 0.5
    ("Prune(fraction=0.95, by='weight')", 'not found', True)
    """

    def __init__(
        self,
        owner: nn.Module,
        data: Splits,
        triggers: TriggerSet,
        *,
        thefts: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self._bench = Bench(owner, data, triggers, seed)
        self._thieves = _wanted(thefts, catalogue(data, seed))
        self._owner = self._bench.untouched()
        self._points: dict[str, dict[int, Point]] = {
            name: {0: self._owner} for name in self._thieves
        }
        self._left = [
            (name, place) for name, each in self._thieves.items() for place in each.worked_out
        ]
        self._all = len(self._left)
        self._faults: dict[str, str] = {}
        self._attempts: dict[str, Attempt] = {}  # the last run of each
        self._places = dict.fromkeys(self._thieves, 0)  # where the slider stood
        self._turn = (
            threading.RLock()
        )  # held while something is shown: points come from a thread of their own
        self._build()
        while any(name == self._chosen for name, _ in self._left):
            self._work_out(*self._next())
        self._show()
        self._worker = threading.Thread(
            target=guarded(self._work_out_all, self.status), args=(None,), daemon=True
        )
        if self._left:
            self._worker.start()

    # ------------------------------------------------------------ the widgets

    def _build(self) -> None:
        """Make the inputs and the places for the drawings.

        Core widgets only: Colab's ipywidgets 7.7.1 has them too.
        """
        import ipywidgets as widgets

        self.status, self._description, self._bar, self._progress = (
            widgets.HTML() for _ in range(4)
        )
        self._chart, self._training = widgets.HTML(), widgets.HTML()
        self._sentence, self._cost = (
            widgets.HTML(layout={"min_height": high}) for high in ("92px", "76px")
        )  # no jump
        self.theft = widgets.Dropdown(
            options=list(self._thieves), description="theft", style=_OWN_WIDTH
        )
        self.strength = widgets.SelectionSlider(
            options=["none"], style=_OWN_WIDTH, layout={"width": "640px"}
        )
        self._background = Background(self._begin, self._ended, self.status)
        self.run, self.stop = self._background.run, self._background.stop
        self._buttons = widgets.HBox([self.run, self.stop])
        runs = [widgets.HBox([self._buttons, self._bar]), self._progress]
        style = widgets.HTML(STYLE, layout=widgets.Layout(height="0px", overflow="hidden"))
        alone = widgets.HTML(f"<p class='wm-small'>{_ALONE}</p>")
        shown = [*runs, self.status, self._sentence, self._chart, self._cost, self._training, alone]
        self.widget = widgets.VBox([style, self.theft, self._description, self.strength, *shown])
        self.widget.add_class("wm-lab")
        self._choose()
        self.theft.observe(guarded(self._choose, self.status), names="value")
        self.strength.observe(guarded(self._move, self.status), names="value")

    # ------------------------------------------------------------ what the inputs do

    def _choose(self, _: object = None) -> None:
        """Show another thief, at the strength where it was left."""
        with self._turn:
            self._chosen = self.theft.value
            thief, place = self._thief, self._place
            self.strength.options = thief.labels  # which moves the slider to its beginning
            self.strength.index = place
            self.strength.description = thief.strength
            self._description.value = f"<p class='wm-small'>{html.escape(thief.description)}</p>"
            self._buttons.layout.display = None if thief.epochs else "none"
            self._show()

    def _move(self, _: object) -> None:
        with self._turn:
            self._places[self._chosen] = self.strength.index
            self._show()

    def _begin(self) -> Attempt:
        """Return what Run is to do: the chosen theft, at the chosen strength."""
        if not self._thief.epochs:
            raise ValueError(
                f"{self._thief.name} trains nothing: it is worked out already. Move its strength."
            )
        if not self._place:
            raise ValueError(
                "strength must be more than none, or nothing is done; got none. Move the slider."
            )
        attempt = Attempt(self._bench, self._thief, self._place, self._show)
        self._attempts[self._chosen] = attempt
        return attempt

    def _ended(self) -> None:
        """Keep what the run has brought."""
        with self._turn:
            for name, attempt in self._attempts.items():
                if attempt.point is not None:
                    self._points[name][attempt.place] = attempt.point
            self._show()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is worked out and no run is under way, at most so many seconds; say
        whether it is.
        """
        latest = None if timeout is None else time.monotonic() + timeout
        if self._worker.ident is not None:
            self._worker.join(timeout)
        left = None if latest is None else max(0.0, latest - time.monotonic())
        return self._background.wait(left) and not self._worker.is_alive()

    # -------------------------------------------------------- what is worked out when the lab opens

    def _work_out_all(self, _: object) -> None:
        while (job := self._next()) is not None:
            self._work_out(*job)
            self._show(of=job[0])

    def _next(self) -> tuple[str, int] | None:
        """Take the next strength to work out: of the theft that is shown, as long as one is
        missing.
        """
        with self._turn:
            job = next(
                (job for job in self._left if job[0] == self._chosen), next(iter(self._left), None)
            )
            self._left = [other for other in self._left if other != job]
            return job

    def _work_out(self, name: str, place: int) -> None:
        """Work out one strength; a thief who cannot do anything with this model is left out, with
        the reason.
        """
        try:
            point = self._bench.try_out(self._thieves[name], place)
        except (TypeError, ValueError) as error:
            with self._turn:
                self._faults[name] = str(error)
                self._left = [job for job in self._left if job[0] != name]
        else:
            with self._turn:
                self._points[name][place] = point

    # ------------------------------------------------------------ what is shown

    def _show(self, of: str | None = None) -> None:
        """Show the theft at its strength; where something of another one is new, only how far all
        have got.
        """
        with self._turn:
            self._bar.value, self._progress.value = self._stage().html()
            if of in (None, self._chosen):
                self._chart.value = self._tradeoff.svg(self._place)
                self._sentence.value = self._judgement()
                self._cost.value = self._words()
                self._training.value = self._live()

    def _stage(self) -> Stage:
        attempt = self._attempts.get(self._chosen)
        if self._thief.epochs:
            return attempt.stage if attempt else Stage("choose a strength, then press Run")
        done = self._all - len(self._left)
        words = (
            f"{done} of {self._all} strengths of all these thefts worked out"
            if self._left
            else "all worked out"
        )
        return Stage(words, done, self._all)

    def _judgement(self) -> str:
        point = self.point
        if point is not None:
            strength = f"{self._chosen}, {self._thief.labels[self._place]}"
            return outcome_html(
                point.verdict, strength + (", stopped early" if point.stopped else "")
            )
        fault = self._faults.get(self._chosen)
        if fault:
            return verdict_box("? cannot be done here", fault)
        attempt = self._attempts.get(self._chosen)
        if self._background.busy and attempt and attempt.place == self._place:
            waits = "He is at work: what he makes is asked all questions at the end."
        else:
            waits = (
                "Press Run: this thief has to train."
                if self._thief.epochs
                else "It is being worked out."
            )
        return verdict_box("? no verdict yet", waits)

    def _words(self) -> str:
        """Return what the thief has paid, and what can be typed to do the same."""
        point = self.point
        lines = ("",) if point is None else account(point, self._owner, self._bench.tests)
        paragraphs = "".join(f"<p class='wm-small'>{html.escape(line)}</p>" for line in lines)
        code = "" if point in (None, self._owner) else f"wm.theft.{point.theft}"
        return f"{paragraphs}<p class='wm-code'>{html.escape(code)}&nbsp;</p>"

    def _live(self) -> str:
        """Draw the last run of this thief, epoch by epoch."""
        attempt = self._attempts.get(self._chosen)
        lines = attempt.curves() if attempt else {}
        if not lines:
            return ""
        title = f"The last run, {self._thief.strength} {self._thief.labels[attempt.place]}"
        ends = ", ".join(f"{name} {percent(line[-1])}" for name, line in lines.items())
        drawn = accuracy_svg(lines, self._thief.epochs, f"{title}: {ends}; {attempt.stage.words}.")
        return f"<p class='wm-small'>{html.escape(title)}:</p>{drawn}"

    @property
    def _thief(self) -> Thief:
        return self._thieves[self._chosen]

    @property
    def _place(self) -> int:
        return self._places[self._chosen]

    @property
    def _tradeoff(self) -> Tradeoff:
        return Tradeoff(self._thief, self._points[self._chosen], self._bench.triggers)

    @property
    def point(self) -> Point | None:
        """What is left at the strength that is chosen; None before it is known."""
        return self._points[self._chosen].get(self._place)

    def __repr__(self) -> str:
        asked, seen = (
            plural(self._bench.triggers.n, "question"),
            plural(len(self._bench.sample), "test image"),
        )
        title = f"TheftLab: {plural(len(self._thieves), 'theft')}, {asked}, {seen}"
        return f"{title}\n  {self._tradeoff.caption(self._place)}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Return the live lab and, for where nothing runs, its text and a picture of the theft that
        is chosen.
        """
        with self._turn:
            drawn = len(self._tradeoff.known) > 1
            return view(self.widget, repr(self), self._tradeoff.png() if drawn else None)


def _wanted(names: Sequence[str] | None, thieves: dict[str, Thief]) -> dict[str, Thief]:
    """Return the thieves of these names, or say that one has another name."""
    if names is None:
        return thieves
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise TypeError(
            f"thefts must be a list of names, such as ['prune weights', 'fine-tune']; got "
            f"{'none' if names == [] else shown(names)}. Leave it out for all."
        )
    return {name: thieves[check_choice(name, "a theft", thieves)] for name in names}
