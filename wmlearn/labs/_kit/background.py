"""Run and Stop: what takes long is done in a thread of its own, one thing at a time, and its errors
are shown.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from wmlearn.labs._kit.views import alert, guarded, small

if TYPE_CHECKING:
    from ipywidgets import HTML, Widget


class Stage(NamedTuple):
    """How far a job has got: in words, and as a part of the way."""

    words: str
    done: int = 0
    of: int = 1

    def html(self) -> tuple[str, str]:
        """Return a bar, and the words."""
        part = f"value='{self.done}' max='{self.of}'"
        bar = f"<progress {part} aria-label='part that is done'></progress>"
        return bar, small(self.words)


class Job:
    """Something that takes long, an epoch at a time, tells how far it has got, and can be asked to
    end early.

    Attributes
    ----------
    stage : how far it has got
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._stop = threading.Event()
        self.stage = Stage("starting")

    def go(self) -> None:
        """Do it all; this takes seconds to minutes."""
        try:
            self.stage = self._do()
        except Exception:
            self.stage = Stage("ended by an error")
            raise

    def _do(self) -> Stage:
        raise NotImplementedError

    def stop(self) -> None:
        """Ask for the end; it comes after the epoch that is being trained, and what was done until
        then is kept.
        """
        self._stop.set()
        self._tell(*self.stage)

    def _tell(self, words: str, done: int, of: int) -> None:
        if self._stop.is_set():
            words = "stopping after this epoch"
        self.stage = Stage(words, done, of)
        self._changed()


class Background:
    """The buttons Run and Stop of a lab, and the thread behind them.

    Parameters
    ----------
    begin : returns what is to be done when Run is pressed; a TypeError or ValueError of its is
        shown as a sentence
    ended : called when it is over, whatever happened
    status : where errors are shown

    Attributes
    ----------
    run, stop : the buttons
    locked : inputs that are disabled meanwhile, besides Run
    thread : the last thread; None before the first
    """

    def __init__(self, begin: Callable[[], Job], ended: Callable[[], None], status: HTML) -> None:
        import ipywidgets as widgets

        self._begin, self._ended, self._status = begin, ended, status
        self._job: Job | None = None  # what is under way
        self.locked: Sequence[Widget] = ()
        self.thread: threading.Thread | None = None
        wide = {"width": "100px"}
        self.run = widgets.Button(description="Run", button_style="primary", layout=wide)
        self.stop = widgets.Button(description="Stop", disabled=True, layout=wide)
        self.run.on_click(guarded(self._press_run, status))
        self.stop.on_click(guarded(self._press_stop, status))

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._job is not None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, at most so many seconds, and say whether it is."""
        if self.thread is not None:
            self.thread.join(timeout)
        return not self.busy

    def _press_run(self, _: object) -> None:
        """Check the inputs, then begin."""
        if self.busy:
            self._status.value = alert(
                "A run is under way: press Stop, or wait for its end, before the next."
            )
            return
        try:
            self._job = self._begin()
        except (TypeError, ValueError) as error:
            self._status.value = alert(html.escape(str(error)))
            return
        self._status.value = ""
        self._lock(True)
        work = guarded(self._work, self._status)
        self.thread = threading.Thread(target=work, args=(self._job,), daemon=True)
        self.thread.start()

    def _press_stop(self, _: object) -> None:
        if self._job is not None:
            self.stop.disabled = True
            self._job.stop()

    def _work(self, job: Job) -> None:
        """Do it, and open the inputs again, whatever happens."""
        try:
            job.go()
        finally:
            self._status.value = ""  # that a run was under way; an error comes after this
            self._lock(False)
            self._job = None
            self._ended()

    def _lock(self, running: bool) -> None:
        for place in (*self.locked, self.run):
            place.disabled = running
        self.stop.disabled = not running
