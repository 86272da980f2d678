"""`TheftLab`: choose a theft, and see together what it removes and what it costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wmlearn._checks import check_choice, shown
from wmlearn._display import plural
from wmlearn.data.splits import Splits, check_held
from wmlearn.labs._kit.background import Background
from wmlearn.labs._kit.lab import Lab, choice
from wmlearn.labs._kit.recording import Axis, Recording
from wmlearn.labs._kit.views import guarded
from wmlearn.labs.theft.bench import Attempt, Bench, Evidence, Point
from wmlearn.labs.theft.chart import Tradeoff
from wmlearn.labs.theft.screen import Seen, frame
from wmlearn.labs.theft.thieves import Thief, catalogue

if TYPE_CHECKING:
    from torch import nn


class TheftLab(Lab):
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
    triggers : the owner's sealed questions; or, where the network was trained to lean
        (`wm.watermarks.embed_tilt`), its sealed tilt: then signs are counted
    thefts : names of the thefts to offer, as the lab shows them; left out, all of them
    seed : draws the test images, and whatever a thief draws

    Attributes
    ----------
    theft, strength : the inputs
    run, stop : the buttons, for thieves who train
    tradeoffs : by theft, what is known of it: `.points`, by place of the slider
    point : what is left at the strength that is chosen: `.task_accuracy`, `.verdict` and what it
        cost; None before it is known. Where the thief has trained, `.made` is the `Surrogate`
    widget : the whole lab, as a widget
    state : what the controls hold and what the screen shows, to be read

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
        triggers: Evidence,
        *,
        thefts: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            "description",
            "bar",
            "progress",
            "verdict",
            "chart",
            "cost",
            "last_run",
            "alone",
            layered=["chart"],
        )
        self._bench = Bench(owner, data, triggers, seed)
        self._owner = self._bench.untouched()
        self.tradeoffs = {
            name: Tradeoff(thief, {0: self._owner})
            for name, thief in _wanted(thefts, catalogue(data, seed)).items()
        }
        self._all = self._left
        # held while something is shown: points come from a thread of their own
        self._turn = threading.RLock()
        self._settling = False
        self._build()
        while self._chosen.missing:
            self._work_out(self._chosen)
        self._show()
        work = guarded(self._work_out_all, self.status)
        self._worker = threading.Thread(target=work, args=(None,), daemon=True)
        self._worker.start()

    def _build(self) -> None:
        """Make the inputs, and put them together with the places on the screen."""
        import ipywidgets as widgets

        self.theft = choice("theft", list(self.tradeoffs))
        self.strength = widgets.SelectionSlider(options=["none"], description="strength")
        self._background = Background(self._begin, self._ended, self.status)
        self.run, self.stop = self._background.run, self._background.stop
        self._buttons = widgets.HBox([self.run, self.stop])
        self._screen["cost"].layout.min_height = "110px"  # no jump
        inputs = [self.theft, "description", [self.strength], [self._buttons, "bar"], "progress"]
        self._lay_out(
            left=[*inputs, "status", "verdict", "cost", "alone"], right=["chart", "last_run"]
        )
        self._choose()
        self._follow(self.theft, self._choose)
        self._follow(self.strength, self._move)

    # ------------------------------------------------------------ what the inputs do

    def _choose(self, _: object = None) -> None:
        """Show another thief, at the strength where it was left."""
        with self._turn:
            self._chosen = self.tradeoffs[self.theft.value]
            thief, place = self._chosen.thief, self._chosen.place
            # As one: new options move the slider to its beginning, and a key that is pressed when
            # the page shows that would be undone by what comes after it.
            self._settling = True
            with self.strength.hold_sync():
                self.strength.options = thief.labels
                self.strength.index = place
                self.strength.description = thief.strength
            self._settling = False
            self._buttons.layout.display = None if thief.epochs else "none"
            self._show()

    def _move(self, _: object) -> None:
        if self._settling:
            return
        with self._turn:
            self._chosen.place = self.strength.index
            self._show()

    def _begin(self) -> Attempt:
        """Return what Run is to do: the chosen theft, at the chosen strength."""
        thief, place = self._chosen.thief, self._chosen.place
        if not thief.epochs:
            raise ValueError(
                f"{thief.name} trains nothing: it is worked out already. Move its strength."
            )
        if not place:
            raise ValueError(
                "strength must be more than none, or nothing is done; got none. Move the slider."
            )
        check_held(thief.context.loot, "data.loot")
        attempt = self._chosen.attempt = Attempt(self._bench, thief, place, self._show)
        return attempt

    def _ended(self) -> None:
        """Keep what the run has brought."""
        for each in self.tradeoffs.values():
            if each.attempt and each.attempt.point:
                each.keep(each.attempt.place, each.attempt.point)
        self._show()
        self._keep()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is worked out and no run is under way, at most so many seconds; say
        whether it is.
        """
        began = time.monotonic()
        self._worker.join(timeout)
        if timeout is not None:
            timeout = max(0.0, timeout - (time.monotonic() - began))
        return self._background.wait(timeout) and not self._worker.is_alive()

    def _page(self) -> Recording:
        """Return every theft at every strength: thieves who train do so now."""
        self.wait()
        for each in self.tradeoffs.values():
            places = range(1, len(each.thief.labels)) if each.thief.epochs else ()
            for place in places:
                if place not in each.points:
                    attempt = Attempt(self._bench, each.thief, place, lambda: None)
                    attempt.go()
                    each.keep(place, attempt.point or self._owner)
        axes = [Axis(self.theft), Axis(self.strength, own=True)]
        layout = self._layout(left_out=["bar", "progress", "last_run"])
        return Recording(layout, axes, self._show)

    # -------------------------------------------------------- what is worked out when the lab opens

    def _work_out_all(self, _: object) -> None:
        """Work out every strength that is left, first those of the theft that is shown."""
        while self._left:
            first_shown = [self._chosen, *self.tradeoffs.values()]
            each = next(each for each in first_shown if each.missing)
            self._work_out(each)
            self._show()

    def _work_out(self, each: Tradeoff) -> None:
        """Work out one strength; a thief who cannot do anything with this model is left out, with
        the reason.
        """
        place = each.missing[0]
        try:
            each.keep(place, self._bench.try_out(each.thief, place))
        except (TypeError, ValueError) as error:
            each.fault = str(error)

    @property
    def _left(self) -> int:
        """How many strengths are not worked out yet."""
        return sum(len(each.missing) for each in self.tradeoffs.values())

    # ------------------------------------------------------------ what is shown

    def _show(self) -> None:
        """Show the theft at its strength, and how far all have got."""
        with self._turn:
            busy, tests = self._background.busy, self._bench.tests
            self._say(**frame(Seen(self._chosen, busy, self._left, self._all, tests)))

    @property
    def point(self) -> Point | None:
        """What is left at the strength that is chosen; None before it is known."""
        return self._chosen.point

    def __repr__(self) -> str:
        verdict = self._owner.verdict
        asked = plural(verdict.n, verdict.unit.name)
        seen = plural(len(self._bench.sample), "test image")
        title = f"TheftLab: {plural(len(self.tradeoffs), 'theft')}, {asked}, {seen}"
        return f"{title}\n  {self._chosen.caption()}"

    def _drawing(self) -> str | None:
        chosen = self._chosen
        return chosen.chart().svg(chosen.caption()) if len(chosen.known) > 1 else None


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
