"""`TribunalBoard`: a case of the tribunal on one screen, from the first question to the score."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from wmlearn._checks import check_kind
from wmlearn.course.tribunal import PRACTICE_NAME, PRICES, Card, Case, Score, score_card
from wmlearn.labs._kit.game import Game
from wmlearn.labs._kit.lab import Lab, choice
from wmlearn.labs._kit.views import guarded, small
from wmlearn.labs.tribunal.board import ASK, HAND_IN, SURE, Seen, axes, frame, still, where
from wmlearn.labs.tribunal.practice import Practice, refusal

_NOTE = (
    "This page is for practice: it saves no score card. The card that you hand in comes from the "
    "board in the notebook."
)


class TribunalBoard(Lab):
    """Play a case of the tribunal: ask six services, give a verdict on each, hand in, and see the
    score.

    The board holds the case that it is given, no copy: what is asked by a call, such as
    `case.ask("A", 5)`, moves the board, and a button spends the budget of the case. It knows
    nothing of the truth before the verdicts are handed in, and that is final.

    Parameters
    ----------
    case : from `wm.course.open_case`

    Attributes
    ----------
    verdicts : the verdicts given so far, by the letter of the service
    card : the score card that was handed in; None before that
    score : what it was worth; None before that, and where only the teacher knows the truth
    state : what the controls hold and what the screen shows, to be read
    widget : the whole lab, as a widget

    Raises
    ------
    TypeError
        If `case` is none.

    Examples
    --------
    >>> import wmlearn as wm
    >>> case = wm.course.open_case()
    >>> board = wm.TribunalBoard(case)
    >>> _ = case.ask("A", 5)
    >>> print("\\n".join(repr(board).splitlines()[:2]))
    TribunalBoard: Case(case-7fdafb4779e522fe: 6 services, 295 of 300 questions left)
      A: 0 of 5 matched – below the line
    """

    def __init__(self, case: Case) -> None:
        self._case = check_kind(case, "case", Case, "such as wm.course.open_case()")
        super().__init__("budget", "given", "sentence", "rules", *case.services)
        self.verdicts: dict[str, str] = {}
        self.card: Card | None = None
        self.score: Score | None = None
        self._last, self._sure = "", False
        self._inputs: dict[str, Any] = {}
        self._build()
        self._render()
        case.watchers.append(guarded(self._heard, self.status))

    def _build(self) -> None:
        rows = []
        for letter in self._case.services:
            buttons = []
            for count in ASK:
                press = partial(self._case.ask, letter, count)
                buttons.append(self._button(f"{letter} +{count}", press, "52px"))
            chosen = choice(
                f"verdict on {letter}",
                list(PRICES),
                value=None,
                tooltips=[f"{word} {letter}" for word in PRICES],
            )
            self._inputs[chosen.description] = chosen
            self._follow(chosen, partial(self._judge, letter))
            rows.append([*buttons, chosen])
        ending = [self._button(HAND_IN, self._hand_in), self._button(SURE, self._end)]
        panels = widgets.HBox([self._screen[letter] for letter in self._case.services])
        panels.add_class("wm-panels")
        left = ["budget", *rows, "given", ending, "status", "sentence", "rules"]
        self._lay_out(left, [panels])

    def _button(
        self, name: str, press: Callable[[], object], width: str = "120px"
    ) -> widgets.Button:
        """Return a button; what cannot be done is said in a sentence."""

        def pressed(_: object) -> None:
            refused = refusal(press)
            if refused:
                self.status.value = refused

        button = self._inputs[name] = widgets.Button(
            description=name, layout={"width": width, "padding": "0"}
        )
        button.on_click(guarded(pressed, self.status))
        return button

    # ------------------------------------------------------------ what the inputs do

    def _heard(self, letter: str) -> None:
        """Show what a service has answered, whoever asked it."""
        self._last = letter
        self._go_on()

    def _judge(self, letter: str, change: Mapping[str, str]) -> None:
        if self.card is None:
            self.verdicts[letter] = change["new"]
            self._go_on()

    def _go_on(self) -> None:
        self._sure = False
        self._render()

    def _hand_in(self) -> None:
        """Ask whether that is final, if there is a verdict on each service."""
        self._case.card(self.verdicts)
        self._sure = True
        self._render()

    def _end(self) -> None:
        if not self._sure or self.card:  # a second click
            return
        self.card = self._case.card(self.verdicts)
        if self._case.name == PRACTICE_NAME:
            self.score = score_card(self.card)
        self._render()
        self._keep()

    # ------------------------------------------------------------ what is shown

    def _seen(self) -> Seen:
        case, over = self._case, self.card is not None
        tests = {letter: service.verdict for letter, service in case.services.items()}
        moves = self.verdicts, self._last, self._sure, over, self.score
        return Seen(case.triggers, tests, case.left, case.budget, *moves)

    def _render(self) -> None:
        seen = self._seen()
        for name, usable in axes(seen).items():
            self._inputs[name].disabled = not usable
        self._say(**frame(seen), status="")

    def _page(self) -> Game:
        """Return the practice case from its beginning, whatever was asked and judged here."""
        if self._case.name != PRACTICE_NAME:
            raise ValueError(
                "a board can be recorded for the practice case, wm.course.open_case(), alone; got "
                f"{self._case.name}. Its page would hold every answer of all services, more than "
                "the budget buys. Hand out the case itself."
            )
        practice = Practice()
        opening, script = frame(practice.opening), Path(__file__).with_name("board.js")
        game = Game(self._layout(), script, opening, practice.walk, practice.numbers())
        game.note = f"{small(_NOTE)}<button type='button' class='wm-anew'>begin anew</button>"
        return game

    def __repr__(self) -> str:
        lines = [f"TribunalBoard: {self._case!r}"]
        for letter, test in self._seen().tests.items():
            lines.append(f"  {letter}: {test.k} of {test.n} matched {where(test)}")
        return "\n".join(lines)

    def _drawing(self) -> str:
        return still(self._seen())
