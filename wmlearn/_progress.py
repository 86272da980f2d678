"""A progress bar that leaves nothing behind, in a terminal or in a notebook."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from tqdm import tqdm

if sys.platform == "emscripten":
    tqdm.monitor_interval = 0  # a browser has no thread that could watch bars

_TESTED = ("PYTEST_VERSION", "PYTEST_CURRENT_TEST")


def compared() -> bool:
    """Whether pytest runs this, or has started this kernel: nbval and nbmake compare outputs."""
    return any(map(os.environ.get, _TESTED))


def progress(total: int, title: str, unit: str, *, delay: float = 0, hidden: bool = False) -> Any:
    """Return a tqdm bar, hidden where outputs are compared and in every thread but the main one.

    Parameters
    ----------
    total : the number that means done
    title : the text before the bar
    unit : what is counted
    delay : seconds before the bar appears
    hidden : whether to show no bar at all

    Notes
    -----
    Not `tqdm.auto`: its bar for notebooks is saved as a dead widget with "0 %" beside it.
    """
    # The bar of another thread would appear in whichever cell is running.
    elsewhere = threading.current_thread() is not threading.main_thread()
    disable = hidden or elsewhere or bool(os.environ.get("TQDM_DISABLE")) or compared()
    place: dict[str, Any] = {}
    if "ipykernel.kernelapp" in sys.modules:
        place = {"file": _Output(), "position": 0}  # each bar is an output of its own
    return tqdm(
        total=total, desc=title, unit=unit, delay=delay, leave=False, disable=disable, **place
    )


class _Output:
    """A file that is one output of a cell: each text written replaces the one before."""

    encoding = "utf-8"  # tqdm then draws with block characters
    _handle: Any = None

    def write(self, text: str) -> None:
        """Replace the text shown; an empty text clears the output."""
        from IPython.display import display

        line = text.strip()
        bundle = {"text/plain": line} if line else {}
        if self._handle:
            self._handle.update(bundle, raw=True)
        else:
            self._handle = display(bundle, raw=True, display_id=True)

    def flush(self) -> None:
        """Do nothing: every text is shown as soon as it is written."""
