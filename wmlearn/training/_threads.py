"""On how many threads torch calculates: one unless told otherwise; the setting is put back.

On networks as small as these more threads gain little, take several times as long beside busy
neighbours, and give other last digits: docs/results/threads.csv.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from wmlearn._checks import check_count

MOST = 1024  # beyond, the operating system may refuse
_lock = threading.Lock()


def check_threads(threads: int) -> int:
    """Return a number of threads, or say what is wrong with it."""
    return check_count(
        threads, "threads", low=1, high=MOST, hint="Leave it out: one is best on small networks."
    )


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Calculate on so many threads inside the block."""
    check_threads(threads)
    before = torch.get_num_threads()
    try:
        _set_here(threads)
        yield
    finally:
        _set_here(before)


def _set_here(threads: int) -> None:
    """Set torch's number of threads for the running Python thread alone.

    torch keeps one number for each Python thread and one that new ones begin with, and sets both at
    once. Were the second not put back, a thread that starts during a training would keep the
    training's number, and of two trainings that overlap, one would leave its number to whatever
    comes later.
    """
    with _lock, ThreadPoolExecutor(1) as new_thread:
        begins_with = new_thread.submit(torch.get_num_threads).result()
        torch.set_num_threads(threads)
        new_thread.submit(torch.set_num_threads, begins_with).result()
