"""`VerificationLab`: question the suspects one secret question at a time, and watch the evidence
grow.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from wmlearn._display import plural
from wmlearn._types import Query
from wmlearn.evidence.answers import check_nulls
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.evidence.verdict import Verdict
from wmlearn.labs._kit.replay import Replay, buy
from wmlearn.labs._kit.static import wealth_png
from wmlearn.labs._kit.svg import wealth_svg
from wmlearn.labs._kit.theme import STYLE
from wmlearn.labs._kit.views import guarded, view
from wmlearn.labs._kit.words import caption, decimal, each_judged_alone, line_note, verdict_html
from wmlearn.labs.verification import comparison
from wmlearn.labs.verification.grid import picture_sheet, question_grid
from wmlearn.labs.verification.inputs import check_asked, check_more, kind_of

ALPHAS = (0.05, 0.01, 0.001, 1e-4, 1e-6)
_OWN_WIDTH = {"description_width": "initial"}  # a label as wide as its words


class VerificationLab:
    """Question services one secret question at a time: a slider, the evidence so far, and the
    answers.

    When the lab opens it asks every suspect all questions, once. The slider replays the answers:
    nothing is asked or computed while it moves.

    Parameters
    ----------
    triggers : a sealed trigger set with keyed labels
    suspects : the services to question, each a `Query` under its name
    more : other trigger types to choose from, each with its own trigger set and suspects
    nulls : innocent models, each a `Query`. With them the lab compares, on the same questions:
        counting alone, what the null models matched, and the gambler's wealth, which alone decides.
        They are asked once, when the lab opens

    Attributes
    ----------
    slider, suspect : the inputs: how many questions are asked, and of whom
    more, kind, alpha : what opens the drawer, and what lies in it: the trigger type, and the line
        to explore
    verdict : the verdict on the suspect that is shown, on all sealed questions
    widget : the whole lab, as a widget

    Raises
    ------
    TypeError
        If `triggers` is no trigger set, or a suspect or null model cannot be called.
    ValueError
        If there is no suspect, the labels are fixed, or a null model leaves an image unanswered.

    Examples
    --------
    >>> import wmlearn as wm
    >>> triggers = wm.Content(words=30)(wm.load_data("mnist"), n=60, key=wm.CLASSROOM_KEY)
    >>> suspects = {"a copy": lambda images: triggers.labels, "a guess": lambda images: 0 * triggers.labels}
    >>> print("\\n".join(repr(wm.VerificationLab(triggers, suspects)).splitlines()[:3]))
    VerificationLab: 30 questions, 2 suspects
      a copy: found
      a guess: not found
    """

    def __init__(
        self,
        triggers: TriggerSet,
        suspects: Mapping[str, Query],
        *,
        more: Mapping[str, tuple[TriggerSet, Mapping[str, Query]]] | None = None,
        nulls: Iterable[Query] = (),
    ) -> None:
        first, witnesses = kind_of(triggers), check_nulls(nulls)
        asked = {first: (triggers, suspects), **check_more(more or {}, first)}
        for kind, (questions, services) in asked.items():
            check_asked(kind, questions, services)
        self._replays = {
            kind: {name: buy(name, query, questions) for name, query in services.items()}
            for kind, (questions, services) in asked.items()
        }
        self._compared = self._beside_the_nulls(witnesses) if witnesses else {}
        self._settling = False
        self._picture: bytes | None = None
        self._build()
        self._render()

    def _beside_the_nulls(
        self, nulls: tuple[Query, ...]
    ) -> dict[tuple[str, str], comparison.Comparison]:
        """Ask the null models about every trigger type, and compare each suspect of it with them."""
        counts = {
            kind: comparison.null_matches(nulls, self._of(kind).triggers) for kind in self._replays
        }
        return {
            (kind, name): comparison.compare(replay, counts[kind])
            for kind, replays in self._replays.items()
            for name, replay in replays.items()
        }

    # ------------------------------------------------------------ the widgets

    def _build(self) -> None:
        """Make the inputs and the places for the drawings.

        Core widgets only: Colab's ipywidgets 7.7.1 has them too.
        """
        import ipywidgets as widgets

        self._inputs()
        self._inputs_in_the_drawer()
        self._pictures: dict[
            str, widgets.HTML
        ] = {}  # one sheet a trigger type, sent when first shown
        self._sheets = widgets.VBox(
            [widgets.HTML(STYLE)], layout=widgets.Layout(height="0px", overflow="hidden")
        )
        self._sentence, self._chart, self._grid, self._note, self.status = (
            widgets.HTML() for _ in range(5)
        )
        self._cards = widgets.HTML()
        # Not an Accordion: its heading cannot be reached with the keyboard.
        self.more = widgets.ToggleButton(
            False, description="more ▸", layout=widgets.Layout(width="90px")
        )
        self._drawer = widgets.VBox(
            [self.kind, self.alpha, self._note], layout=widgets.Layout(display="none")
        )
        row = widgets.HBox([self.slider, self.number])
        bought = widgets.HTML(f"<p class='wm-small'>{html.escape(self._bought())}</p>")
        compared = [self._cards] if self._compared else []
        drawings = [self._sentence, self._chart, *compared, self._grid, bought]
        self.widget = widgets.VBox(
            [self._sheets, self.suspect, row, *drawings, self.more, self._drawer, self.status]
        )
        self.widget.add_class("wm-lab")
        for name, callback in self._callbacks().items():
            getattr(self, name).observe(guarded(callback, self.status), names="value")

    def _inputs(self) -> None:
        import ipywidgets as widgets

        shown = self._shown_kind = next(iter(self._replays))
        names, last = list(self._replays[shown]), self._of(shown).n
        self.suspect = widgets.ToggleButtons(
            options=names, description="suspect", style={**_OWN_WIDTH, "button_width": "auto"}
        )
        self.slider = widgets.IntSlider(
            0,
            0,
            last,
            description="questions asked",
            readout=False,
            style=_OWN_WIDTH,
            layout={"width": "490px"},
        )
        side = {"width": "140px", "margin": "2px 2px 2px 12px"}
        self.number = widgets.BoundedIntText(
            0, min=0, max=last, description="or type", style=_OWN_WIDTH, layout=side
        )

    def _inputs_in_the_drawer(self) -> None:
        import ipywidgets as widgets

        kinds = list(self._replays)
        self.kind = widgets.Dropdown(
            options=kinds, description="trigger type", disabled=len(kinds) < 2, style=_OWN_WIDTH
        )
        sealed = {self._of(kind).triggers.alpha for kind in kinds}
        self.alpha = widgets.SelectionSlider(
            options=[(decimal(alpha), alpha) for alpha in sorted({*ALPHAS, *sealed}, reverse=True)],
            value=self._of(kinds[0]).triggers.alpha,
            description="line at alpha =",
            style=_OWN_WIDTH,
            layout={"width": "400px"},
        )

    def _callbacks(self) -> dict[str, Callable[[Any], None]]:
        return {
            "slider": self._slide,
            "number": self._type,
            "suspect": self._render,
            "kind": self._choose_kind,
            "alpha": self._render,
            "more": self._open,
        }

    # ------------------------------------------------------------ what the inputs do

    def _slide(self, _: object) -> None:
        self.number.value = self.slider.value
        self._render()

    def _type(self, _: object) -> None:
        self.slider.value = self.number.value

    def _choose_kind(self, _: object) -> None:
        """Show another trigger type: its suspects, its number of questions, its sealed alpha."""
        with self._settle():
            self._shown_kind = self.kind.value
            names, wanted = list(self._replays[self._shown_kind]), self.suspect.value
            self.suspect.options = names
            self.suspect.value = wanted if wanted in names else names[0]
            self.slider.max = self.number.max = self._replay.n
            self.alpha.value = self._replay.triggers.alpha
        self._render()

    def _open(self, _: object) -> None:
        self.more.description = "less ▾" if self.more.value else "more ▸"
        self._drawer.layout.display = None if self.more.value else "none"

    @contextmanager
    def _settle(self) -> Iterator[None]:
        """Draw nothing while several inputs change together: in between they do not fit each other."""
        self._settling = True
        try:
            yield
        finally:
            self._settling = False

    def _render(self, _: object = None) -> None:
        """Show the suspect after as many questions as the slider says."""
        if self._settling:
            return
        replay, n = self._replay, self.slider.value
        self.status.value = ""
        self._show_pictures()
        self._sentence.value = verdict_html(replay, n)
        seen = self._compared.get((self._shown_kind, replay.name))
        self._chart.value = wealth_svg(
            replay.verdict.path, n, sealed=replay.triggers.alpha, alpha=self.alpha.value,
            caption=caption(replay, n) + (comparison.caption(replay, seen, n) if seen else ""),
            beside=seen.beside if seen else None,
        )  # fmt: skip
        self._cards.value = comparison.cards(replay, seen, n) if seen else ""
        self._grid.value = question_grid(replay, n, self._scope)
        self._note.value = line_note(replay, n, self.alpha.value)

    def _show_pictures(self) -> None:
        """Send the pictures of a trigger type, the first time it is shown."""
        if self._shown_kind not in self._pictures:
            import ipywidgets as widgets

            sheet = self._pictures[self._shown_kind] = widgets.HTML(
                picture_sheet(self._replay.triggers, self._scope)
            )
            self._sheets.children += (sheet,)

    # ------------------------------------------------------------ what is shown

    @property
    def verdict(self) -> Verdict:
        """The verdict on the suspect that is shown, on all sealed questions: no input of the lab
        changes it.
        """
        return self._replay.verdict

    @property
    def _replay(self) -> Replay:
        return self._replays[self._shown_kind][self.suspect.value]

    @property
    def _scope(self) -> str:
        """The CSS class of this lab's grids, so that two labs in a notebook keep their own
        pictures.
        """
        return f"wm-{self._sheets.model_id}-{list(self._replays).index(self._shown_kind)}"

    def _of(self, kind: str) -> Replay:
        return next(iter(self._replays[kind].values()))

    def _bought(self) -> str:
        replays = [replay for of_kind in self._replays.values() for replay in of_kind.values()]
        asked = sum(replay.verdict.answers.queries for replay in replays if not replay.fault)
        description = f"{plural(asked, 'image')} sent to the services when this lab opened; the slider replays their answers."
        return description + (each_judged_alone(replays) if len(replays) > 1 else "")

    def __repr__(self) -> str:
        kind = next(iter(self._replays))
        replays, first = self._replays[kind].values(), self._of(kind)
        title = f"VerificationLab: {plural(first.n, 'question')}, {plural(len(replays), 'suspect')}"
        if self._compared:
            title += f", {plural(len(self._compared[kind, first.name].nulls), 'null model')}"
        ends = [
            f"  {r.name}: {'could not be asked' if r.fault else r.verdict.decision}"
            for r in replays
        ]
        return "\n".join([title, *ends, repr(first.verdict)])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """Return the live lab and, for where nothing runs, its text and a picture of all suspects'
        wealth.
        """
        if self._picture is None:
            replays = self._replays[next(iter(self._replays))].values()
            reached = [replay for replay in replays if not replay.fault] or list(replays)
            self._picture = wealth_png(
                {replay.name: replay.verdict.path for replay in reached}, reached[0].triggers.alpha
            )
        return view(self.widget, repr(self), self._picture)
