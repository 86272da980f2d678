"""`TriggerStudio`: design triggers, see them, and hear what models answer that never saw one."""

from __future__ import annotations

import copy
import html
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wmlearn._checks import check_kind, shown
from wmlearn._display import plural
from wmlearn.data.splits import Splits, load_data
from wmlearn.evidence import commitment
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.theme import STYLE
from wmlearn.labs._kit.views import alert, guarded, view
from wmlearn.labs.studio.previews import (
    Preview,
    agreement,
    bars_svg,
    pictures,
    preview,
    sheet,
    studio_png,
    visibility,
)
from wmlearn.training._inference import check_fits
from wmlearn.triggers.content import Content
from wmlearn.triggers.noise import Noise
from wmlearn.triggers.trigger import Trigger
from wmlearn.triggers.unrelated import FOREIGN, Unrelated
from wmlearn.zoo import null_models

if TYPE_CHECKING:
    from torch import nn

_OWN_WIDTH = {"description_width": "initial"}  # a label as wide as its words
PAUSE = (
    0.2  # seconds without a move, after which the set is sealed and its secret answers are drawn
)
WITNESSES = 20  # null models asked at each move; those that were not stay fresh for a verdict
_KINDS = {"Content": Content, "Unrelated": Unrelated, "Noise": Noise}
_RULE = (
    "Nothing here drops a trigger for what innocents answer: every sealed question counts, and "
    "whoever picks questions "
    "by their answers makes the count of the rest a lie. The models that you choose by are "
    "witnesses no more: for a "
    "verdict with fixed labels, take others."
)


class TriggerStudio:
    """Design triggers: choose type, look and labels, and see at once what innocent models answer to
    them.

    Every move makes the triggers and asks the models about the dozen shown; a button asks about
    all. The set is sealed, and its secret answers drawn, when the hand pauses or `triggers` is
    asked for: not at every place of a slider.

    Parameters
    ----------
    data : the task
    key : 32 secret bytes; left out, a fresh key is drawn when the studio opens
    models : the innocent witnesses, in a list or by name; left out, the first 20 null models

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
        self._innocents = _witnesses(data, models)
        self._fault: Exception | None = None
        self._turn = (
            threading.RLock()
        )  # held while something is shown: the lots come from a thread of their own
        self._pause: threading.Timer | None = None
        self._build()
        self._change()
        self._settle()
        if self._fault is not None:
            raise self._fault

    # ------------------------------------------------------------ the widgets

    def _build(self) -> None:
        """Make the inputs and the places for the drawings.

        Core widgets only: Colab's ipywidgets 7.7.1 has them too.
        """
        import ipywidgets as widgets

        self._inputs_of_the_look()
        self._inputs_of_the_labels()
        self.ask = widgets.Button(layout={"width": "210px"})
        self._pictures, self._chart, self._sentences, self._line, self.status = (
            widgets.HTML() for _ in range(5)
        )
        self._sheet = widgets.HTML(layout=widgets.Layout(height="0px", overflow="hidden"))
        rows = [[self.words, self.place, self.size], [self.opacity], [self.sigma], [self.labels]]
        rows += [[self.source, self.foreign, self.target], [self.number, self.ask]]
        style = widgets.HTML(STYLE, layout=widgets.Layout(height="0px", overflow="hidden"))
        places = [self.status, self._pictures, self._chart, self._sentences, self._line]
        self.widget = widgets.VBox(
            [style, self._sheet, self.kind, *map(widgets.HBox, rows), *places]
        )
        self.widget.add_class("wm-lab")
        for place in (
            *(place for row in rows for place in row if place is not self.ask),
            self.kind,
        ):
            place.observe(guarded(self._change, self.status), names="value")
        self.ask.on_click(guarded(self._ask, self.status))

    def _inputs_of_the_look(self) -> None:
        import ipywidgets as widgets

        self.kind = widgets.ToggleButtons(
            options=list(_KINDS), description="type", style=_OWN_WIDTH
        )
        self.words = widgets.Text(
            description="words",
            continuous_update=False,
            style=_OWN_WIDTH,
            layout={"width": "330px"},
        )
        self.place = _menu("place", ["top", "middle", "bottom"], "bottom")
        self.size = _menu("size", [1, 2], 1)
        wide = {"width": "490px"}
        self.opacity = widgets.FloatSlider(
            1.0, min=0, max=1, step=0.05, description="opacity", style=_OWN_WIDTH, layout=wide
        )
        self.sigma = widgets.FloatSlider(
            0.4, min=0, max=1.5, step=0.05, description="sigma", style=_OWN_WIDTH, layout=wide
        )

    def _inputs_of_the_labels(self) -> None:
        import ipywidgets as widgets

        classes = [(name, label) for label, name in enumerate(self._data.classes)]
        foreign = FOREIGN.get(self._data.name)
        others = (
            classes
            if foreign is None
            else [(c, i) for i, c in enumerate(load_data(foreign).classes)]
        )
        self.labels = widgets.ToggleButtons(
            options=[("keyed: drawn by lot", "keyed"), ("fixed: the paper's way", "fixed")],
            description="labels",
            style={**_OWN_WIDTH, "button_width": "auto"},
        )
        self.source, self.foreign = _menu("source", classes, 1), _menu("source", others, 1)
        self.target = _menu("target", [*classes, ("at random", "random")], 0)
        self.number = widgets.BoundedIntText(
            min(150, len(self._data.train)),
            min=1,
            max=100_000,
            description="triggers",
            style=_OWN_WIDTH,
            layout={"width": "160px"},
        )

    # ------------------------------------------------------------ what the inputs do

    def _change(self, _: object = None) -> None:
        """Show the inputs that the type uses, and the triggers they make; the old ones stay where
        they make none.
        """
        kind, fixed = self.kind.value, self.labels.value == "fixed"
        wanted = dict.fromkeys((self.words, self.place, self.size, self.opacity), kind == "Content")
        wanted |= {
            self.sigma: kind == "Noise",
            self.source: fixed and kind != "Unrelated",
            self.target: fixed,
        }
        for place, needed in (wanted | {self.foreign: fixed and kind == "Unrelated"}).items():
            place.layout.display = None if needed else "none"
        self.words.placeholder = "TEST" if fixed else "30 street names, or type your own"
        try:
            seen = preview(
                self._recipe(),
                self._data,
                n=self.number.value,
                key=self._key,
                models=self._innocents,
            )
        except (TypeError, ValueError) as error:
            self._refuse(error, "Below is still what was there before.")
            return
        with self._turn:
            self._seen, self._fault, self.status.value = seen, None, ""
            self._show()
        if self._pause is not None:
            self._pause.cancel()
        self._pause = threading.Timer(PAUSE, guarded(self._seal, self.status), args=[seen])
        self._pause.daemon = True
        self._pause.start()

    def _refuse(self, error: Exception, note: str = "") -> None:
        """Tell what is wrong with the inputs."""
        self._fault, self.ask.disabled = error, True
        self.status.value = alert(f"{html.escape(str(error))} {note}")

    def _seal(self, seen: Preview) -> None:
        """Seal triggers and show their secret answers, unless the hand has moved on, before or
        meanwhile.
        """
        if self._seen is not seen:
            return
        try:
            sealed = seen.seal(self._data, self._key)
        except (
            ValueError
        ) as error:  # two images are the same: nothing but the seal looks at all of them
            sealed, fault = seen, error
        else:
            fault = None
        with self._turn:
            if self._seen is seen:
                self._seen = sealed
                self._show()
                if fault is not None:
                    self._refuse(fault)

    def _settle(self) -> Preview:
        """Return what is shown, sealed at the latest now."""
        if self._seen.triggers is None and self._fault is None:
            self._seal(self._seen)
        return self._seen

    def _recipe(self) -> Trigger:
        """Return the recipe that the inputs describe."""
        source = self.foreign if self.kind.value == "Unrelated" else self.source
        fixed = {"labels": "fixed", "source": source.value, "target": self.target.value}
        given = fixed if self.labels.value == "fixed" else {}
        if self.kind.value == "Content":
            given |= {
                "words": _words(self.words.value),
                "place": self.place.value,
                "size": self.size.value,
            }
            given["opacity"] = round(
                self.opacity.value, 2
            )  # a slider counts in steps of 0.05000000000000004
        if self.kind.value == "Noise":
            given["sigma"] = round(self.sigma.value, 2)
        return _KINDS[self.kind.value](**given)

    def _ask(self, _: object) -> None:
        """Ask the models about every trigger of the set that is shown."""
        with self._turn:
            self._seen = self._settle().ask_all(self._innocents)
            self._show()

    # ------------------------------------------------------------ what is shown

    def _show(self) -> None:
        seen, count, scope = self._seen, len(self._seen.pixels), f"wm-{self.widget.model_id}"
        self._sheet.value, self._pictures.value = sheet(seen, scope), pictures(seen, scope)
        self._chart.value = bars_svg(seen)
        sentences = [
            f"<b>{html.escape(agreement(seen))}</b>",
            html.escape(visibility(seen)),
            html.escape(_RULE),
        ]
        self._sentences.value = "".join(f"<p class='wm-small'>{words}</p>" for words in sentences)
        self._line.value = f"<p class='wm-small'>The same set in a cell:</p><pre class='wm-code'>{self._code()}</pre>"
        self.ask.disabled = len(seen.asked) == count or self._fault is not None
        self.ask.description = (
            f"all {count:,} asked" if len(seen.asked) == count else f"ask about all {count:,}"
        )

    @property
    def triggers(self) -> TriggerSet:
        """The sealed trigger set of the current inputs; ValueError where they make none."""
        triggers = self._settle().triggers
        if self._fault is not None:
            raise self._fault
        return triggers

    @property
    def code(self) -> str:
        """The line of Python that makes the same set; a secret key is not written out, `studio`
        stands for this lab.
        """
        if self._fault is not None:
            raise self._fault
        return self._code()

    def _code(self) -> str:
        seen, data = self._seen, self._data
        shipped = data.size == "mini" and data.name in FOREIGN and load_data(data.name) is data
        task = f"wm.load_data({data.name!r})" if shipped else "data"
        key = "wm.CLASSROOM_KEY" if self._key == commitment.CLASSROOM_KEY else "studio.triggers.key"
        return f"triggers = wm.{seen.recipe!r}({task}, n={len(seen.pixels)}, key={key})"

    def __repr__(self) -> str:
        seen = self._settle()
        size = f"{plural(len(seen.pixels), 'image')}, {plural(len(seen.names), 'question')}"
        description = [f"TriggerStudio: {seen.recipe!r}, {size}", agreement(seen), visibility(seen)]
        return "\n  ".join(
            description
            + ([f"since then the inputs make no set: {self._fault}"] if self._fault else [])
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Return the live lab and, for where nothing runs, its text and a picture of the triggers
        and the bars.
        """
        return view(self.widget, repr(self), studio_png(self._seen))


def _menu(name: str, options: Sequence[Any], value: object) -> Any:
    import ipywidgets as widgets

    return widgets.Dropdown(
        options=options, value=value, description=name, style=_OWN_WIDTH, layout={"width": "150px"}
    )


def _words(written: str) -> int | str | list[str] | None:
    """Return what was typed as a number, a word, or words; nothing typed is the type's own default."""
    words = written.replace(",", " ").split()
    if len(words) != 1:
        return words or None
    return int(words[0]) if words[0].isdecimal() else words[0]


def _witnesses(
    data: Splits, models: Mapping[str, nn.Module] | Sequence[nn.Module] | None
) -> list[nn.Module]:
    """Return copies of the innocent models, ready to answer, or say that one does not fit the data."""
    if models is None:
        try:
            models = null_models(data.name, n=WITNESSES)
        except ValueError as error:
            raise ValueError(
                f"{error} Pass models=, networks of your own that never saw a trigger."
            ) from None
    if not isinstance(models, (Mapping, list, tuple)) or not models:
        raise TypeError(
            "models must be one or more innocent networks, in a list or by name; got "
            f"{shown(models)}. "
            "Leave them out for wm.null_models(data.name)."
        )
    found = list(models.values() if isinstance(models, Mapping) else models)
    some = data.test.take(slice(100))
    for model in found:
        check_fits(model, some, "the data")
    return [copy.deepcopy(model).cpu().eval() for model in found]
