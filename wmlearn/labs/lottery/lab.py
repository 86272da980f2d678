"""`LotteryLab`: draw the secret labels again, and see what chance does; or peek, and see whom it
hits.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from wmlearn._checks import check_fraction, check_kind
from wmlearn._display import plural
from wmlearn.evidence._sentences import CLASSROOM
from wmlearn.evidence.answers import ask
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.lab import Lab
from wmlearn.labs._kit.replay import Suspects, check_suspects
from wmlearn.labs._kit.views import guarded, small
from wmlearn.labs.lottery.draws import N_DRAWS, Innocents, Redrawn, draw_again
from wmlearn.labs.lottery.game import Game
from wmlearn.labs.lottery.heap import Heap
from wmlearn.labs.lottery.peeking import Peeking


class LotteryLab(Lab):
    """Press, and the secret labels are drawn again: how many of them do a service's answers match?

    The answers are asked for once, when the lab opens, and stay as they are. What is drawn again
    are the labels, so no service can know them: its matches are chance. With `peek=True` the
    learner questions services under such labels, one after the other, accuses where p looks good,
    and sees how many innocents that hits, beside a bettor who watches the same ones.

    Parameters
    ----------
    triggers : a sealed trigger set with keyed labels
    suspects : the services, each a `Query` under its name
    peek : whether to question innocents, one by one, instead of piling up draws; the suspects then
        take turns
    alpha : what somebody who peeks promises: to accuse at most this share of innocents; the seal's
        own alpha stays as it is
    seed : draws the new labels, all of them when the lab opens

    Attributes
    ----------
    shown : what was pressed so far, to be read
    game : what the lab shows of it, as pure functions: `axes`, `press`, `frame`
    state : what the controls hold and what the screen shows, to be read
    widget : the whole lab, as a widget

    Raises
    ------
    TypeError
        If `triggers` is no trigger set, or a suspect cannot be called.
    ValueError
        If there is no suspect, the labels are fixed, or alpha is not between 0 and 1.

    Examples
    --------
    >>> import wmlearn as wm
    >>> triggers = wm.Noise()(wm.load_data("mnist"), n=30, key=wm.CLASSROOM_KEY)
    >>> copy, dull = triggers.labels, 0 * triggers.labels
    >>> wm.LotteryLab(triggers, {"a copy": lambda images: copy, "zeros": lambda images: dull})
    """

    def __init__(
        self,
        triggers: TriggerSet,
        suspects: Suspects,
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
        answers = {name: ask(query, triggers) for name, query in check_suspects(suspects).items()}
        labels, p0 = draw_again(triggers, seed), triggers.terms.p0
        self.game: Game[Any]
        if peek:
            says = [each.per_question for each in answers.values()]
            matched = labels == np.resize(says, labels.shape)
            self.game = Peeking(Innocents(matched, p0, alpha))
        else:
            self.game = Heap(
                Redrawn(name, each.per_question, each.k, labels, p0)
                for name, each in answers.items()
            )
        super().__init__(*self.game.left, *self.game.right, "note")
        self.shown = self.game.start
        self._title = (
            f"LotteryLab: {plural(triggers.n, 'question')}, {plural(len(answers), 'suspect')}"
        )
        self._build()
        queries = sum(each.queries for each in answers.values())
        note = [
            f"{plural(queries, 'image')} sent when this lab opened. The labels were then drawn "
            f"{N_DRAWS:,} times more; a button shows what was drawn."
        ]
        if triggers.public_key:
            note.append(f"({CLASSROOM[0].upper()}{CLASSROOM[1:]}.)")
        self._say(note=small(*note))
        self._render()

    def _build(self) -> None:
        import ipywidgets as widgets

        self._buttons = {}
        for name in self.game.axes(self.shown):
            button = widgets.Button(description=name, layout={"width": "auto"})
            button.on_click(guarded(partial(self._press, name), self.status))
            self._buttons[name] = button
        rows: list[Any] = [[self._buttons[name] for name in row] for row in self.game.rows]
        self.suspect = widgets.ToggleButtons(
            options=self.game.suspects, description="suspect", style={"button_width": "auto"}
        )
        if len(self.game.suspects) > 1:
            rows.insert(0, self.suspect)
            self._follow(self.suspect, self._choose)
        self._lay_out([*rows, *self.game.left, "note", "status"], self.game.right)

    def _press(self, name: str, _: object) -> None:
        if self.game.axes(self.shown)[name]:  # a second click may come before it is closed
            self.shown = self.game.press(self.shown, name)
            self._render()

    def _choose(self, _: object) -> None:
        self.shown = self.shown._replace(suspect=self.suspect.value)
        self._render()

    def _render(self) -> None:
        for name, can_be_pressed in self.game.axes(self.shown).items():
            self._buttons[name].disabled = not can_be_pressed
        self._say(**self.game.frame(self.shown), status="")

    def __repr__(self) -> str:
        title = f"{self._title}, {N_DRAWS:,} new draws of the labels"
        return "\n".join([title, *self.game.lines()])

    def _drawing(self) -> str:
        return self.game.picture()
