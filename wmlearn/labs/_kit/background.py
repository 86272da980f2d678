"""Run and Stop: what takes long is done in a thread of its own, one thing at a time, and its errors
are shown.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from wmlearn.labs._kit.views import alert, guarded

if TYPE_CHECKING:
    from ipywidgets import HTML


class Stage(NamedTuple):
    """How far a job has got: in words, and as a part of the way."""

    words: str
    done: int = 0
    of: int = 1

    def html(self) -> tuple[str, str]:
        """Return a bar, and the words."""
        bar = f"<progress value='{self.done}' max='{self.of}' aria-label='part that is done'></progress>"
        return bar, f"<p class='wm-small'>{html.escape(self.words)}</p>"


class Job:
    """Something that takes long, an epoch at a time, tells how far it has got, and can be asked to
    end early.

    Attributes
    ----------
    stage : how far it has got
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed, self._stop = changed, threading.Event()
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
        self.stage = Stage("stopping after this epoch" if self._stop.is_set() else words, done, of)
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
        self._busy = threading.Lock()  # held while something is done
        self._job: Job | None = None
        self.locked: tuple[Any, ...] = ()
        self.thread: threading.Thread | None = None
        self.run = widgets.Button(
            description="Run", button_style="primary", layout={"width": "100px"}
        )
        self.stop = widgets.Button(description="Stop", disabled=True, layout={"width": "100px"})
        self.run.on_click(guarded(self._press_run, status))
        self.stop.on_click(guarded(self._press_stop, status))

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._busy.locked()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, at most so many seconds, and say whether it is."""
        if self.thread is not None:
            self.thread.join(timeout)
        return not self.busy

    def _press_run(self, _: object) -> None:
        """Check the inputs, then begin."""
        if not self._busy.acquire(blocking=False):
            self._status.value = alert(
                "A run is under way: press Stop, or wait for its end, before the next."
            )
            return
        try:
            self._job = self._begin()
        except (TypeError, ValueError) as error:
            self._busy.release()
            self._status.value = alert(html.escape(str(error)))
            return
        self._status.value = ""
        self._lock(True)
        self.thread = threading.Thread(
            target=guarded(self._work, self._status), args=(self._job,), daemon=True
        )
        self.thread.start()

    def _press_stop(self, _: object) -> None:
        if self._job is not None and self.busy:
            self.stop.disabled = True
            self._job.stop()

    def _work(self, job: Job) -> None:
        """Do it, and open the inputs again, whatever happens."""
        try:
            job.go()
        finally:
            self._status.value = ""  # that a run was under way; an error comes after this
            self._lock(False)
            self._busy.release()
            self._ended()

    def _lock(self, running: bool) -> None:
        for place in (*self.locked, self.run):
            place.disabled = running
        self.stop.disabled = not running
