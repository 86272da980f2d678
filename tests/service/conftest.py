"""Clocks that stand still, and small requests: no test of the client has to wait."""

import threading

import pytest
from faulty_service import STUCK

from wmlearn.service import _protocol, _transport, blackbox


@pytest.fixture
def naps(monkeypatch):
    """Pauses are written down, not slept."""
    taken = []
    monkeypatch.setattr(blackbox, "sleep", taken.append)
    return taken


@pytest.fixture
def ten_at_once(monkeypatch):
    """A request holds ten images of four pixels."""
    monkeypatch.setattr(_protocol, "QUESTION_BYTES", 1000 + 16 * 10)


class CutWhenStuck(threading.Timer):
    """Strikes as soon as the service is stuck, so all other exchanges may take their time."""

    def run(self):
        while not self.finished.wait(0.005):
            if STUCK.is_set():
                STUCK.clear()
                self.function()
                return


@pytest.fixture
def cut_when_stuck(monkeypatch):
    """The deadline of an exchange comes when the service is stuck in it, and not before."""
    STUCK.clear()
    monkeypatch.setattr(_transport, "Timer", CutWhenStuck)
