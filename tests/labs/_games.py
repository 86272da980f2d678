"""The labs that are games, as pages, for their tests: made, and played at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _drive import find, move, press
from _recorded import quiet

import wmlearn as wm
from wmlearn.labs._kit.svg import narrow

WORDS = ("accuse", "clear", "abstain")


def heap() -> wm.LotteryLab:
    """Return a lab that piles up draws."""
    return _lottery(peek=False)


def peeking() -> wm.LotteryLab:
    """Return a lab in which innocents are questioned."""
    return _lottery(peek=True)


def tribunal() -> wm.TribunalBoard:
    """Return a board of the practice case."""
    return wm.TribunalBoard(wm.course.open_case())


def _lottery(*, peek: bool) -> wm.LotteryLab:
    triggers = wm.Noise()(wm.load_data("mnist"), n=40, key=wm.CLASSROOM_KEY)

    def dull(images: np.ndarray) -> np.ndarray:
        says = np.full(len(images), 8)
        says[::7] = 3
        return says

    return wm.LotteryLab(triggers, dull, peek=peek)


def usable(lab: Any) -> list[tuple[str, str]]:
    """Return what can be pressed now: the name, and of a choice the word."""
    found = []
    for name in names(lab):
        control = find(lab, name)
        if not control.disabled:
            found += [(name, word) for word in getattr(control, "options", [""])]
    return found


def names(lab: Any) -> list[str]:
    """Return what a lab's inputs are called."""
    if isinstance(lab, wm.LotteryLab):
        return list(lab.game.axes(lab.shown))
    asking = [f"{letter} +{count}" for letter in "ABCDEF" for count in (1, 5, 10)]
    verdicts = [f"verdict on {letter}" for letter in "ABCDEF"]
    return [*asking, *verdicts, "hand in", "yes, hand in"]


def play(lab: Any, presses: int, rng: np.random.RandomState) -> list[tuple[str, str]]:
    """Press at random, and return what was pressed; the end of a game comes last."""
    done = []
    for _ in range(presses):
        able = [each for each in usable(lab) if each[0] != "yes, hand in"]
        name, word = able[rng.randint(len(able))]
        choose(lab, name, word)
        done.append((name, word))
    return done


def choose(lab: Any, name: str, word: str) -> None:
    """Press a button, or choose a word."""
    if word:
        move(lab, name, word)
    else:
        press(lab, name)


def screen(lab: Any, *, phone: bool) -> dict[str, str]:
    """Return what the places of a lab show; on a phone, with the drawings for one."""
    shown = dict(lab.state.screen)
    if phone and isinstance(lab, wm.LotteryLab):
        with narrow():
            for name, drawn in lab.game.frame(lab.shown).items():
                shown[name] = drawn if isinstance(drawn, str) else "".join(drawn)
    return {name: quiet(html) for name, html in shown.items()}


GAMES: list[Callable[[], Any]] = [heap, peeking, tribunal]
