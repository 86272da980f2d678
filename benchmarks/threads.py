"""Measure what threads cost and gain: the same training on one thread and on torch's default, alone
and beside busy processes.

The trainings are those of the lessons on the mini MNIST, a few epochs of each: `fit` trains the
small network, `embed` marks it with 150 images of 30 words. `default` is torch's own choice if
nothing is set, one thread per core; everything was trained like this before `threads=1` became the
rule. The neighbours are two Python processes that compute without a pause; the script starts and
stops them. Every case is measured three times, in turn. The columns::

    work, setting       `fit` or `embed`; `one` (`threads=1`, the rule) or `default`
    threads             how many that is
    neighbours          busy processes beside it, 0 or 2
    run                 1 to 3
    seconds             wall-clock time of one epoch, including its evaluation
    load                the machine's load average just before, to show any other load

It needs a machine on which nothing else is running::

    python benchmarks/threads.py
"""

from __future__ import annotations

import os

os.environ.pop("OMP_NUM_THREADS", None)  # before torch is loaded: it would be the default
os.environ["TQDM_DISABLE"] = "1"

import contextlib
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import torch
from _rows import FOLDER, Row, Table

import wmlearn as wm
from wmlearn.training.history import Epoch

COMMAND = "# python benchmarks/threads.py"
TABLE = Table(
    COMMAND,
    ("run", "neighbours", "work", "setting"),
    ("threads", "seconds", "load"),
    FOLDER / "threads.csv",
)
RUNS, NEIGHBOURS, EPOCHS = 3, 2, 2
SETTINGS = {"one": 1, "default": torch.get_num_threads()}


def fit(threads: int, on_epoch: Callable[[Epoch], bool]) -> None:
    """Train the lessons' network."""
    mnist = wm.load_data("mnist")
    wm.fit(wm.small_cnn(mnist), mnist, on_epoch=on_epoch, threads=threads)


def embed(threads: int, on_epoch: Callable[[Epoch], bool]) -> None:
    """Mark the lessons' network, as the README does."""
    mnist = wm.load_data("mnist")
    triggers = wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)
    wm.embed(wm.small_cnn(mnist), mnist, triggers, on_epoch=on_epoch, threads=threads)


WORK = {"fit": fit, "embed": embed}


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep a number of processes busy inside the block."""
    command = [sys.executable, "-c", "while True: pass"]
    with contextlib.ExitStack() as stack:
        for _ in range(processes):
            stack.callback(stack.enter_context(subprocess.Popen(command)).kill)
        time.sleep(1)
        yield


def measure(case: Row) -> Row:
    """Return the seconds of the second and third epoch; the first one is a warm-up."""
    threads, load, ends = SETTINGS[case["setting"]], os.getloadavg()[0], []

    def clock(epoch: Epoch) -> bool:
        ends.append(time.perf_counter())
        return epoch.epoch > EPOCHS

    with busy(case["neighbours"]):
        WORK[case["work"]](threads, clock)
    return {
        "threads": threads,
        "seconds": f"{(ends[-1] - ends[0]) / EPOCHS:.2f}",
        "load": f"{load:.1f}",
    }


def main() -> None:
    order = itertools.product(range(1, RUNS + 1), (0, NEIGHBOURS), WORK, SETTINGS)
    TABLE.fill((dict(zip(TABLE.case, case)) for case in order), measure, keep=[])


if __name__ == "__main__":
    main()
