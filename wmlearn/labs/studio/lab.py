"""`TriggerStudio`: design triggers, see them, and see what models answer that never saw one."""

import html
import itertools
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import ipywidgets as widgets
from torch import nn

from wmlearn._checks import check_kind, shown
from wmlearn._display import plural
from wmlearn.data.splits import Splits, load_data
from wmlearn.evidence import commitment
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.lab import HIDDEN, Lab, choice, number_box
from wmlearn.labs._kit.recording import Axis, Recording
from wmlearn.labs._kit.views import alert, guarded, small
from wmlearn.labs.studio.previews import (
    Preview,
    Witnesses,
    agreement,
    bars_svg,
    pictures,
    preview,
    sheet,
    still,
    visibility,
)
from wmlearn.training._inference import check_fits, own_copy
from wmlearn.triggers._worlds import world
from wmlearn.triggers.content import Content
from wmlearn.triggers.noise import Noise
from wmlearn.triggers.trigger import Trigger
from wmlearn.triggers.unrelated import FOREIGN, OWN, Unrelated
from wmlearn.zoo import null_models

LOOKS = (0.2, 0.4, 0.6, 0.8, 1)  # opacities and sigmas in a recording
WORDS = ("", "ALMA MADE THIS")  # they fit the smallest images
PAUSE = 0.2  # seconds without a move, then the set is sealed and its secret answers are drawn
WITNESSES = 20  # null models asked at each move; those that were not stay fresh for a verdict
_TWO_ROWS = {"max_height": "64px", "overflow": "auto"}  # however many classes there are
_KINDS: dict[str, type[Trigger]] = {"Content": Content, "Unrelated": Unrelated, "Noise": Noise}
_RULE = (
    "Nothing here drops a trigger for what innocents answer: every sealed question counts. If you "
    "pick questions by their answers, a count of the rest no longer means anything. Models that "
    "helped you choose cannot be compared with later: for a verdict with fixed labels, take others."
)


class TriggerStudio(Lab):
    """Design triggers: choose type, look and labels, and see at once what innocent models answer to
    them.

    Every move makes the triggers and asks the models about the dozen shown; a button asks about
    all. The set is sealed, and its secret answers drawn, when the hand pauses or `triggers` is
    asked for: not at every place of a slider.

    Parameters
    ----------
    data : the task
    key : 32 secret bytes; left out, a fresh key is drawn when the studio opens
    models : the innocent networks, in a list or by name; left out, the first 20 null models

    Attributes
    ----------
    kind, words, place, opacity, size, sigma : what the triggers are and how they look
    labels, source, foreign, target, number : how they are labelled, where from, how many; `foreign`
        is the source class of `Unrelated`
    ask : the button that asks the models about all triggers
    triggers : the sealed trigger set of the current inputs
    code : the line of Python that makes the same set
    widget : the whole lab, as a widget

    Raises
    ------
    TypeError, ValueError
        If the data are no task, the key is not 32 bytes, or a model does not fit the data.

    Examples
    --------
    >>> import wmlearn as wm
    >>> innocent = wm.load_model("mnist/clean")
    >>> studio = wm.TriggerStudio(wm.load_data("mnist"), key=wm.CLASSROOM_KEY, models=[innocent])
    >>> studio.kind.value = "Noise"
    >>> studio.code
    "triggers = wm.Noise(sigma=0.4)(wm.load_data('mnist'), n=150, key=wm.CLASSROOM_KEY)"
    """

    def __init__(
        self,
        data: Splits,
        *,
        key: bytes | None = None,
        models: Mapping[str, nn.Module] | Sequence[nn.Module] | None = None,
    ) -> None:
        self._data = check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
        self._key = commitment.new_key() if key is None else commitment.check_key(key)
        self._innocents = Witnesses(_innocents(data, models))
        self._fault: Exception | None = None  # what is wrong with the inputs
        self._turn = threading.RLock()  # held while something is shown: labels come from a thread
        self._pause: threading.Timer | None = None
        super().__init__("sheet", "pictures", "chart", "sentences", "line")
        self._make_look()
        self._make_labels()
        self._arrange()
        self._show_inputs()
        self._seen = self._preview()
        self._seal(self._seen)

    # ------------------------------------------------------------ the widgets

    def _make_look(self) -> None:
        """Make the inputs that say what the triggers are and how they look."""
        self.kind = choice("type", list(_KINDS))
        self.words = widgets.Text(
            description="words",
            continuous_update=False,
            layout={"width": "330px"},
        )
        self.place = choice("place", ["top", "middle", "bottom"], value="bottom")
        sizes = [("as fits", 0), ("1", 1), ("2", 2), ("4", 4), ("8", 8)]
        self.size = choice("size", sizes)  # None would choose nothing
        self.opacity = widgets.FloatSlider(1, max=1, step=0.05, description="opacity")
        self.sigma = widgets.FloatSlider(0.4, max=1.5, step=0.05, description="sigma")

    def _make_labels(self) -> None:
        """Make the inputs that say how the triggers are labelled, where from, how many."""
        data = self._data
        classes = list(zip(data.classes, itertools.count()))
        other = world(FOREIGN.get(data.name, OWN))
        foreign = list(zip(other.classes, itertools.count()))
        ways = [("keyed: drawn at random", "keyed"), ("fixed: the paper's way", "fixed")]
        self.labels = choice("labels", ways)
        self.source = choice("source", classes, value=1, layout=_TWO_ROWS)
        self.foreign = choice("source", foreign, value=1, layout=_TWO_ROWS)
        targets = [*classes, ("at random", "random")]
        self.target = choice("target", targets, layout=_TWO_ROWS)
        count = min(150, len(data.train))
        self.number = number_box("triggers", count, 1, 100_000, {"width": "160px"})
        self.ask = widgets.Button(layout={"width": "210px"})
        self.ask.on_click(guarded(self._ask, self.status))

    def _arrange(self) -> None:
        self._screen["sheet"].layout = HIDDEN
        self._lay_out(
            left=[
                self.kind,
                [self.words],
                [self.place, self.size],
                [self.opacity],
                [self.sigma],
                self.labels,
                [self.source, self.foreign, self.target],
                [self.number, self.ask],
                "status",
                "sentences",
                "line",
            ],
            right=["sheet", "pictures", "chart"],
        )
        for control in self._controls():
            self._follow(control, self._change)

    # ------------------------------------------------------------ what the inputs do

    def _wanted(self) -> dict[str, widgets.Widget]:
        """Return the inputs that the type and the labels use, by the parameter that they set."""
        kind = self.kind.value
        wanted: dict[str, widgets.Widget] = {}
        if kind == "Content":
            wanted = {"words": self.words, "place": self.place, "size": self.size}
            wanted["opacity"] = self.opacity
        elif kind == "Noise":
            wanted["sigma"] = self.sigma
        if self.labels.value == "fixed":
            wanted["source"] = self.foreign if kind == "Unrelated" else self.source
            wanted["target"] = self.target
        return wanted

    def _show_inputs(self) -> None:
        used = [self.kind, self.labels, self.number, *self._wanted().values()]
        for control in self._controls():
            control.layout.display = None if control in used else "none"
        example = "TEST"
        if self.labels.value == "keyed":
            example = "30 street names"
        self.words.placeholder = example

    def _preview(self) -> Preview:
        """Return the triggers that the inputs make."""
        given = {"labels": self.labels.value}
        for name, control in self._wanted().items():
            given[name] = control.value
            if isinstance(control, widgets.FloatSlider):  # counts in steps of 0.05000000000000004
                given[name] = round(control.value, 2)
        if "words" in given:
            given["words"] = _words(given["words"])
            given["size"] = given["size"] or None
        recipe = _KINDS[self.kind.value](**given)
        n = self.number.value
        return preview(recipe, self._data, n=n, key=self._key, innocents=self._innocents)

    def _change(self, _: object) -> None:
        """Show the inputs that the type uses, and the triggers they make; the old ones stay where
        they make none.
        """
        self._show_inputs()
        try:
            seen = self._preview()
        except (TypeError, ValueError) as error:
            self._refuse(error, "Below is still what was there before.")
            return
        with self._turn:
            self._fault = None
            self.status.value = ""
            self._show(seen)
        if self._pause is not None:
            self._pause.cancel()
        self._pause = threading.Timer(PAUSE, guarded(self._rest, self.status), args=[seen])
        self._pause.daemon = True
        self._pause.start()

    def _refuse(self, error: Exception, note: str = "") -> None:
        """Tell what is wrong with the inputs."""
        self._fault = error
        self.ask.disabled = True
        self.status.value = alert(f"{html.escape(str(error))} {note}")

    def _rest(self, seen: Preview) -> None:
        """Seal triggers and show their secret answers, unless the hand has moved on."""
        if self._seen is seen:
            with suppress(ValueError):  # told already
                self._seal(seen)

    def _seal(self, seen: Preview) -> TriggerSet:
        """Seal triggers, and show their secret answers, unless the hand has moved on meanwhile."""
        try:
            triggers = seen.recipe(self._data, n=len(seen.pixels), key=self._key)
        except ValueError as error:  # two images are alike: nothing but the seal looks at them all
            with self._turn:
                if self._seen is seen:
                    self._refuse(error)
            raise
        with self._turn:
            if self._seen is seen:
                self._show(replace(seen, triggers=triggers, secret=triggers.labels))
        return triggers

    def _settle(self) -> None:
        """Seal what is shown, if it can be sealed: at the latest now."""
        with suppress(TypeError, ValueError):
            _ = self.triggers

    def _ask(self, _: object) -> None:
        """Ask the models about every trigger of the set that is shown."""
        with self._turn:
            self._settle()
            self._show(self._seen.ask_all(self._innocents))

    def _page(self) -> Recording:
        """Return what a few looks, words and targets bring."""

        def render() -> None:
            self._settle()
            self._show(self._seen)

        def targets() -> list[int]:
            """Return all but the source, which would change no label."""
            places = list(range(len(self.target.options)))
            if self.kind.value != "Unrelated":
                places.remove(self.source.value)
            return places

        axes = [Axis(self.kind), Axis(self.labels), Axis(self.words, WORDS)]
        axes += [Axis(self.place), Axis(self.opacity, LOOKS), Axis(self.sigma, LOOKS)]
        own = self._seen
        try:
            return Recording(self._layout(), [*axes, Axis(self.target, targets)], render)
        finally:
            self._show(own)

    # ------------------------------------------------------------ what is shown

    def _show(self, seen: Preview) -> None:
        self._seen = seen
        scope = f"wm-{self.widget.model_id}"
        agreed = f"<p class='wm-small wm-told'><b>{html.escape(agreement(seen))}</b></p>"
        code = f"<pre class='wm-code'>{self._code()}</pre>"
        self._say(
            sheet=sheet(seen, scope),
            pictures=pictures(seen, scope),
            chart=bars_svg(seen),
            sentences=agreed + small(visibility(seen), _RULE),
            line=small("The same set in a cell:") + code,
        )
        count = f"all {len(seen.pixels):,}"
        self.ask.disabled = seen.all_asked or self._fault is not None
        self.ask.description = f"{count} asked" if seen.all_asked else f"ask about {count}"

    @property
    def triggers(self) -> TriggerSet:
        """The sealed trigger set of the current inputs; ValueError where they make none."""
        self._raise_fault()
        if self._seen.triggers is None:
            return self._seal(self._seen)
        return self._seen.triggers

    @property
    def code(self) -> str:
        """The line of Python that makes the same set; a secret key is not written out, `studio`
        stands for this lab.
        """
        self._raise_fault()
        return self._code()

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _code(self) -> str:
        seen, data = self._seen, self._data
        task = "data"
        if data.name in FOREIGN and load_data(data.name) is data:
            task = f"wm.load_data({data.name!r})"
        key = "studio.triggers.key"
        if self._key == commitment.CLASSROOM_KEY:
            key = "wm.CLASSROOM_KEY"
        return f"triggers = wm.{seen.recipe!r}({task}, n={len(seen.pixels)}, key={key})"

    def __repr__(self) -> str:
        self._settle()
        seen = self._seen
        size = f"{plural(len(seen.pixels), 'image')}, {plural(len(seen.names), 'question')}"
        lines = [f"TriggerStudio: {seen.recipe!r}, {size}", agreement(seen), visibility(seen)]
        if self._fault is not None:
            lines.append(f"since then the inputs make no set: {self._fault}")
        return "\n  ".join(lines)

    def _drawing(self) -> str:
        """Return the triggers and the bars."""
        self._settle()
        return still(self._seen)


def _words(written: str) -> int | str | list[str] | None:
    """Return what was typed: a number, a word, words; or None, for the type's own default."""
    words = written.replace(",", " ").split()
    if len(words) != 1:
        return words or None
    if words[0].isdecimal():
        return int(words[0])
    return words[0]


def _innocents(
    data: Splits, models: Mapping[str, nn.Module] | Sequence[nn.Module] | None
) -> list[nn.Module]:
    """Return copies of the innocent models, ready to answer; they must fit the data."""
    if models is None:
        if not data.size:  # whatever it is called
            raise ValueError(
                "models must be innocent networks, for a task that is none of the course's; got "
                f"none. Pass models=wm.null_models(data, n={WITNESSES})."
            )
        models = null_models(data.name, n=WITNESSES)
    if not isinstance(models, (Mapping, list, tuple)) or not models:
        raise TypeError(
            "models must be one or more innocent networks, in a list or by name; got "
            f"{shown(models)}. Pass models=wm.null_models(data, n={WITNESSES})."
        )
    found = models.values() if isinstance(models, Mapping) else models
    for model in found:
        check_fits(model, data.train, "the data")
    return [own_copy(model).cpu().eval() for model in found]
