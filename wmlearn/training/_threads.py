"""The number of threads on which torch computes: by default one; the setting is restored.

On small networks more threads gain little, take several times as long beside other busy programs,
and change the last digits: docs/results/threads.csv.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from wmlearn._checks import check_count

MOST = 1024  # the operating system may refuse more
_lock = threading.Lock()


def check_threads(threads: int) -> int:
    """Return a number of threads in [1, 1024], or raise an error that helps."""
    return check_count(
        threads, "threads", low=1, high=MOST, hint="Leave it out: one is best on small networks."
    )


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch compute on so many threads inside the block."""
    check_threads(threads)
    before = torch.get_num_threads()
    try:
        _set_here(threads)
        yield
    finally:
        _set_here(before)


def _set_here(threads: int) -> None:
    """Set torch's number of threads only for the current Python thread.

    torch keeps one number per Python thread and one that new threads start with, and sets both
    together. If the second were not restored, a thread that starts during a training would keep the
    training's number, and of two overlapping trainings one would leave its number behind.
    """
    with _lock, ThreadPoolExecutor(1) as new_thread:
        begins_with = new_thread.submit(torch.get_num_threads).result()
        torch.set_num_threads(threads)
        new_thread.submit(torch.set_num_threads, begins_with).result()
