"""Measure what a GPU gains: the device tests, and an epoch of two networks, beside the CPU.

The networks are the lessons' small one on the mini MNIST, and torchvision's resnet18, with a first
layer for small images, on 128 images of CIFAR-10. Each is trained for three epochs, the first of
which is a warm-up, on one processor thread. Only the model is moved to the device. The columns::

    work, device        `tests` (tests/house/test_devices.py), `small_cnn` or `resnet18`; `cpu` or
                        `cuda`
    seconds             of all tests, or of one epoch; `unmeasured` where there was no such device
    result              the outcome of the tests, or the task accuracy at the end
    machine             the GPU, or the processor; and torch's version

Measured rows stay; rows that say `unmeasured` are tried again. On a machine with a GPU::

    python benchmarks/gpu.py
"""

from __future__ import annotations

import itertools
import platform
import subprocess
import sys
import time
from pathlib import Path

import torch
from _rows import FOLDER, Row, Table
from torch import nn
from torchvision import models

import wmlearn as wm
from wmlearn.training.history import Epoch

COMMAND = "# python benchmarks/gpu.py"
TABLE = Table(COMMAND, ("work", "device"), ("seconds", "result", "machine"), FOLDER / "gpu.csv")
ROOT = Path(__file__).resolve().parent.parent
UNMEASURED = {"seconds": "unmeasured", "result": "", "machine": ""}
EPOCHS = 3


def small_cnn() -> tuple[nn.Module, wm.Splits]:
    """Return the lessons' network and its task."""
    mnist = wm.load_data("mnist")
    return wm.small_cnn(mnist), mnist


def resnet18() -> tuple[nn.Module, wm.Splits]:
    """Return torchvision's network, and a part of CIFAR-10."""
    torch.manual_seed(0)
    network = models.resnet18(num_classes=10)
    network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    full = wm.load_data("cifar10")
    parts = [part.take(slice(128)) for part in (full.train, full.loot, full.test)]
    return network, wm.Splits("few", *parts, full.classes)


NETWORKS = {"small_cnn": small_cnn, "resnet18": resnet18}


def measure(case: Row) -> Row:
    """Return the seconds of the tests, or of an epoch."""
    device, work = str(case["device"]), str(case["work"])
    if device == "cuda" and not torch.cuda.is_available():
        return UNMEASURED
    machine = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    found = _tests(device) if work == "tests" else _epoch(work, device)
    return found | {"machine": f"{machine}, torch {torch.__version__}"}


def _tests(device: str) -> dict[str, object]:
    """Run the device tests: those that name this one, or those of the fake device on the
    processor.
    """
    chosen = "cuda" if device == "cuda" else "not cuda"
    test = ["-m", "pytest", "-n", "0", "-q", "tests/house/test_devices.py", "-k", chosen]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *test], cwd=ROOT, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    result = done.stdout.strip().splitlines()[-1].partition(" in ")[0]
    return {"seconds": f"{seconds:.1f}", "result": result}


def _epoch(work: str, device: str) -> dict[str, object]:
    """Train a network, and return the seconds per epoch, including its evaluation."""
    network, data = NETWORKS[work]()
    ends: list[float] = []

    def clock(_: Epoch) -> bool:
        ends.append(time.perf_counter())  # its loss is a number, so what computes it is done
        return len(ends) == EPOCHS

    fitted = wm.fit(network.to(device), data, on_epoch=clock)
    seconds = (ends[-1] - ends[0]) / (EPOCHS - 1)
    accuracy = fitted.history.last.task_accuracy
    return {"seconds": f"{seconds:.3f}", "result": f"{accuracy:.1%}"}


def main() -> None:
    cases = itertools.product(("tests", *NETWORKS), ("cpu", "cuda"))
    known = [row for row in TABLE.known() if row["seconds"] != UNMEASURED["seconds"]]
    TABLE.fill((dict(zip(TABLE.case, case)) for case in cases), measure, keep=known)


if __name__ == "__main__":
    main()
