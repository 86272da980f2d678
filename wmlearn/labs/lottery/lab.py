"""`LotteryLab`: draw the secret labels again, and see what chance does; or peek, and see whom it
hits.
"""

from typing import Any

from wmlearn._checks import check_fraction, check_kind, check_query
from wmlearn._display import plural
from wmlearn._types import Query
from wmlearn.evidence._sentences import CLASSROOM
from wmlearn.evidence.answers import ask
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.game import Game
from wmlearn.labs._kit.lab import Lab
from wmlearn.labs._kit.views import guarded, small
from wmlearn.labs.lottery.heap import Heap
from wmlearn.labs.lottery.peeking import Peeking


class LotteryLab(Lab):
    """Press, and the secret labels are drawn again: how many of them do a service's answers match?

    The service is asked once, when the lab opens, and its answers stay as they are. What is drawn
    again are the labels, so it cannot know them: whatever it matches is chance. With `peek=True`
    the learner questions it under such labels, again and again, accuses where p looks good, and
    sees how many innocents that hits, beside a bettor who watches the same ones.

    Parameters
    ----------
    triggers : a sealed trigger set with keyed labels
    suspect : the service, a `Query`
    peek : whether to question innocents, one by one, instead of piling up draws
    alpha : what somebody who peeks promises: to accuse at most this share of innocents. The seal's
        own alpha stays as it is
    seed : draws the new labels, all of them when the lab opens

    Attributes
    ----------
    shown : what was pressed so far: how many draws, or a `Watched`
    game : what the lab shows of it, as pure functions: `axes`, `press`, `frame`
    state : what the controls hold and what the screen shows, to be read
    widget : the whole lab, as a widget

    Raises
    ------
    TypeError
        If `triggers` is no trigger set, or the suspect cannot be called.
    ValueError
        If the labels are fixed, or alpha is not between 0 and 1.

    Examples
    --------
    >>> import wmlearn as wm
    >>> triggers = wm.Noise()(wm.load_data("mnist"), n=30, key=wm.CLASSROOM_KEY)
    >>> print(str(wm.LotteryLab(triggers, lambda images: 0 * triggers.labels))[:44])
    LotteryLab: 3 of 30 matched in the real draw
    """

    def __init__(
        self,
        triggers: TriggerSet,
        suspect: Query,
        *,
        peek: bool = False,
        alpha: float = 0.05,
        seed: int = 0,
    ) -> None:
        check_kind(triggers, "triggers", TriggerSet, "such as wm.Noise()(data, n=100)")
        if triggers.rules.fixed:
            raise ValueError(
                "LotteryLab draws a label for every question, which needs keyed labels; the "
                f"{triggers.kind} triggers have fixed labels. Leave labels='fixed' out."
            )
        check_fraction(alpha, "alpha")
        answers = ask(check_query(suspect, "suspect"), triggers)
        game: Any = Peeking if peek else Heap
        self.game = game(answers, alpha, seed)
        super().__init__("sentence", "chart", "detail", "note", layered=["chart"])
        self.shown = self.game.start
        self._buttons = {name: self._button(name) for name in self.game.axes(self.shown)}
        self._lay_out(
            [[*self._buttons.values()], "sentence", "note", "status"], ["chart", "detail"]
        )
        asked = f"{plural(answers.queries, 'image')} asked, once; all draws were made after that."
        if triggers.public_key:
            asked += f" {CLASSROOM[0].upper()}{CLASSROOM[1:]}."
        self._say(note=small(self.game.note, asked))
        self._render()

    def _button(self, name: str) -> Any:
        """Return a button that does what the game says, if it may be pressed."""
        import ipywidgets as widgets

        def press(_: object) -> None:
            if self.game.axes(self.shown)[name]:  # a second click may come before it is closed
                self.shown = self.game.press(self.shown, name)
                self._render()

        button = widgets.Button(description=name, layout={"width": "auto"})
        button.on_click(guarded(press, self.status))
        return button

    def _render(self) -> None:
        for name, can_be_pressed in self.game.axes(self.shown).items():
            self._buttons[name].disabled = not can_be_pressed
        self._say(**self.game.frame(self.shown), status="")

    def _page(self) -> Game:
        game = self.game
        return Game(self._layout(), game.script, game.frame(game.start), game.walk, game.numbers())

    def __repr__(self) -> str:
        return f"LotteryLab: {self.game.caption(self.game.end)}"

    def _drawing(self) -> str | None:
        return str(self.game.frame(self.game.end)[self.game.picture])
