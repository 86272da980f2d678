"""A progress bar that leaves nothing behind, in a terminal or in a notebook."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from tqdm import tqdm

_TESTED = ("PYTEST_VERSION", "PYTEST_CURRENT_TEST")


def compared() -> bool:
    """Whether pytest runs this, or has started this kernel: nbval and nbmake compare outputs."""
    return any(map(os.environ.get, _TESTED))


def progress(total: int, title: str, unit: str, *, delay: float = 0, hidden: bool = False) -> Any:
    """Return tqdm's bar, hidden where outputs are compared and in any thread but the first.

    Parameters
    ----------
    total : what it counts up to
    title : what stands before it
    unit : what it counts
    delay : seconds before it appears
    hidden : show none at all

    Notes
    -----
    Not `tqdm.auto`: of its bar for notebooks a dead widget is saved, and "0 %" beside it.
    """
    # The bar of another thread would appear in whatever cell happens to run.
    elsewhere = threading.current_thread() is not threading.main_thread()
    disable = hidden or elsewhere or bool(os.environ.get("TQDM_DISABLE")) or compared()
    place: dict[str, Any] = {}
    if "ipykernel.kernelapp" in sys.modules:
        place = {"file": _Output(), "position": 0}  # each bar is an output of its own
    return tqdm(
        total=total, desc=title, unit=unit, delay=delay, leave=False, disable=disable, **place
    )


class _Output:
    """A file that is one output of a cell: what is written takes the place of what stood there."""

    encoding = "utf-8"  # tqdm draws blocks then
    _handle: Any = None

    def write(self, text: str) -> None:
        """Show a text in the place of the one before; nothing for an empty one."""
        from IPython.display import display

        line = text.strip()
        bundle = {"text/plain": line} if line else {}
        if self._handle:
            self._handle.update(bundle, raw=True)
        else:
            self._handle = display(bundle, raw=True, display_id=True)

    def flush(self) -> None:
        """Do nothing: it is shown already."""
