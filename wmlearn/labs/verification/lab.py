"""`VerificationLab`: ask suspects one secret question at a time, and watch the evidence grow."""

from collections.abc import Iterable
from typing import NamedTuple

from wmlearn._display import plural
from wmlearn._types import Query
from wmlearn.evidence.answers import check_nulls
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.evidence.verdict import Verdict
from wmlearn.labs._kit.lab import BESIDE, Frame, Lab, choice, number_box
from wmlearn.labs._kit.recording import Axis, Recording
from wmlearn.labs._kit.replay import Replay, buy
from wmlearn.labs._kit.views import small
from wmlearn.labs._kit.wealth_chart import suspects_svg, wealth_svg
from wmlearn.labs._kit.words import verdict_html
from wmlearn.labs.verification import comparison
from wmlearn.labs.verification.comparison import Comparison, null_matches
from wmlearn.labs.verification.grid import picture_sheet, question_grid
from wmlearn.labs.verification.inputs import Asked, Suspects, check_asked
from wmlearn.labs.verification.words import caption, decimal, each_judged_alone, line_note

ALPHAS = (0.05, 0.01, 0.001, 1e-4, 1e-6)
DRAWN = (0.05, 0.001, 1e-6)  # in a recording, besides the sealed ones


class Seen(NamedTuple):
    """What is looked at: a suspect after n questions, a line at alpha, what it is compared with,
    and the CSS class of its pictures.
    """

    replay: Replay
    n: int
    alpha: float
    compared: Comparison | None
    scope: str


def frame(seen: Seen) -> Frame:
    """Return what the lab shows then, place by place."""
    replay, n, alpha, compared, scope = seen
    lines, described, cards = {"wm-curve": replay.verdict.path}, caption(replay, n), ""
    if compared is not None:
        lines = compared.beside | lines
        described += comparison.caption(compared, n)
        cards = comparison.cards(compared, n)
    return {
        "sentence": verdict_html(replay, n),
        "chart": wealth_svg(lines, n, sealed=replay.triggers.alpha, alpha=alpha, caption=described),
        "cards": cards,
        "grid": question_grid(replay, n, scope),
        "note": small(line_note(replay, n, alpha)),
    }


class VerificationLab(Lab):
    """Ask services one secret question at a time: a slider, the evidence so far, and the answers.

    When the lab opens it asks every suspect all questions, once. The slider replays the answers:
    nothing is asked or computed while it moves.

    Parameters
    ----------
    triggers : a sealed trigger set with keyed labels
    suspects : the services to ask, each a `Query` under its name
    more : other trigger types to choose from, each with its own trigger set and suspects
    nulls : innocent models, each a `Query`. With them the lab compares, on the same questions:
        counting alone, what the null models matched, and the bettor's wealth, which alone decides.
        They are asked once, when the lab opens

    Attributes
    ----------
    slider, suspect : the inputs: how many questions are asked, and of whom
    more, kind, alpha : the button that shows more, and what it shows: the trigger type, and the
        line to explore
    verdict : the verdict on the suspect that is shown, on all sealed questions
    state : what the controls hold and what the screen shows, to be read
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
    >>> right = triggers.labels
    >>> suspects = {"a copy": lambda images: right, "a guess": lambda images: 0 * right}
    >>> print("\\n".join(repr(wm.VerificationLab(triggers, suspects)).splitlines()[:3]))
    VerificationLab: 30 questions, 2 suspects
      a copy: found
      a guess: not found
    """

    def __init__(
        self,
        triggers: TriggerSet,
        suspects: Suspects,
        *,
        more: Asked | None = None,
        nulls: Iterable[Query] = (),
    ) -> None:
        super().__init__("sentence", "chart", "cards", "grid", "bought", "note", layered=["chart"])
        asked = check_asked(triggers, suspects, more or {})
        witnesses = check_nulls(nulls)
        self._replays: dict[str, dict[str, Replay]] = {}  # by trigger type and suspect
        self._compared: dict[Replay, Comparison] = {}
        for kind, (questions, services) in asked.items():
            replays = {name: buy(name, query, questions) for name, query in services.items()}
            self._replays[kind] = replays
        if witnesses:
            self._compare(witnesses)
        self._settling = False
        self._pictured: set[str] = set()  # trigger types whose pictures have been sent
        self._build()
        self._say(bought=small(self._bought()))
        self._render()

    def _compare(self, nulls: tuple[Query, ...]) -> None:
        """Ask the null models about every trigger type, and put them beside each suspect of it."""
        for kind, replays in self._replays.items():
            counts = null_matches(nulls, self._first(kind).triggers)
            for replay in replays.values():
                self._compared[replay] = Comparison(replay, counts)

    # ------------------------------------------------------------ the widgets

    def _build(self) -> None:
        import ipywidgets as widgets

        kinds = list(self._replays)
        first = self._first(kinds[0])
        self.suspect = choice("suspect", list(self._replays[kinds[0]]))
        self.slider = widgets.IntSlider(
            0,
            0,
            first.n,
            description="questions asked",
            readout=False,
        )
        self.number = number_box("or type", 0, 0, first.n, BESIDE)
        self.kind = choice("trigger type", kinds, disabled=len(kinds) < 2)
        alphas = set(ALPHAS)
        for kind in kinds:
            alphas.add(self._first(kind).triggers.alpha)
        self.alpha = widgets.SelectionSlider(
            options=[(decimal(alpha), alpha) for alpha in sorted(alphas, reverse=True)],
            value=first.triggers.alpha,
            description="line at alpha =",
        )
        if not self._compared:
            self._screen["cards"].layout.display = "none"
        note, bought = self._screen["note"], self._screen["bought"]
        self.more = self._drawer(self.kind, bought, self.alpha, note)
        self._lay_out(
            left=[
                [self.more, self.kind],
                "bought",
                self.suspect,
                [self.slider, self.number],
                "sentence",
                "status",
            ],
            right=[[self.alpha], "note", "chart"],
            below=["cards", "grid"],
        )
        widgets.link((self.slider, "value"), (self.number, "value"))
        for control in (self.slider, self.suspect, self.alpha):
            self._follow(control, self._render)
        self._follow(self.kind, self._choose_kind)

    # ------------------------------------------------------------ what the inputs do

    def _choose_kind(self, _: object) -> None:
        """Show another trigger type: its suspects, its number of questions, its sealed alpha."""
        self._settling = True  # in between the inputs do not fit each other
        try:
            wanted, names = self.suspect.value, list(self._replays[self.kind.value])
            with self.suspect.hold_sync():  # the page never sees the one in between
                self.suspect.options = names
                self.suspect.value = wanted if wanted in names else names[0]
            self.slider.max = self.number.max = self._replay.n
            self.alpha.value = self._replay.triggers.alpha
        finally:
            self._settling = False
        self._render()

    def _render(self, _: object = None) -> None:
        """Show the suspect after as many questions as the slider says."""
        if self._settling:
            return
        self._send_pictures(self.kind.value)
        replay, n, alpha = self._replay, self.slider.value, self.alpha.value
        seen = Seen(replay, n, alpha, self._compared.get(replay), self._scope(self.kind.value))
        self._say(**frame(seen), status="")

    def _send_pictures(self, kind: str) -> None:
        """Send the pictures of a trigger type, the first time it is shown."""
        import ipywidgets as widgets

        if kind not in self._pictured:
            self._pictured.add(kind)
            sheet = widgets.HTML(picture_sheet(self._first(kind).triggers, self._scope(kind)))
            self._sheets.children += (sheet,)

    def _page(self) -> Recording:
        """Return every trigger type, suspect and number of questions, at three lines."""
        for kind in self._replays:
            self._send_pictures(kind)
        sealed = {self._first(kind).triggers.alpha for kind in self._replays}
        alphas = [
            place
            for place, (_, alpha) in enumerate(self.alpha.options)
            if alpha in sealed.union(DRAWN)
        ]
        axes = [Axis(self.kind), Axis(self.suspect), Axis(self.slider), Axis(self.alpha, alphas)]
        return Recording(self._layout(), axes, self._render)

    # ------------------------------------------------------------ what is shown

    @property
    def verdict(self) -> Verdict:
        """The verdict on the suspect that is shown, on all sealed questions: no input of the lab
        changes it.
        """
        return self._replay.verdict

    @property
    def _replay(self) -> Replay:
        return self._replays[self.kind.value][self.suspect.value]

    def _scope(self, kind: str) -> str:
        """Return the CSS class of questions: two labs in a notebook keep their own pictures."""
        return f"wm-{self._sheets.model_id}-{[*self._replays].index(kind)}"

    def _first(self, kind: str) -> Replay:
        return next(iter(self._replays[kind].values()))

    def _bought(self) -> str:
        replays: list[Replay] = []
        for by_name in self._replays.values():
            replays += by_name.values()
        asked = sum(replay.verdict.answers.queries for replay in replays if not replay.fault)
        words = (
            f"{plural(asked, 'image')} sent to the services when this lab opened; the slider "
            "replays their answers."
        )
        if len(replays) > 1:
            words += each_judged_alone(replays)
        return words

    def __repr__(self) -> str:
        kind = next(iter(self._replays))
        replays, first = self._replays[kind].values(), self._first(kind)
        title = f"VerificationLab: {plural(first.n, 'question')}, {plural(len(replays), 'suspect')}"
        if self._compared:
            title += f", {plural(len(self._compared[first].nulls), 'null model')}"
        lines = [title]
        for replay in replays:
            end = "could not be asked" if replay.fault else replay.verdict.decision
            lines.append(f"  {replay.name}: {end}")
        return "\n".join([*lines, repr(first.verdict)])

    def _drawing(self) -> str:
        """Draw the wealth of all suspects that could be asked."""
        replays = list(self._replays[next(iter(self._replays))].values())
        return suspects_svg([replay for replay in replays if not replay.fault] or replays)
