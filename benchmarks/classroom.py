"""Measure what a learner needs on a shared machine: memory, seconds until a slider moves, disk, and
what is left beside busy neighbours.

The rows of one build of PyTorch (`+cpu` has no CUDA) are measured in the environment in which the
script runs, and replace older ones of that build. The figures::

    peak memory         of a lesson's kernel, run from top to bottom: resident, and the private part
                        of it (libraries on disk are shared by all learners of a machine)
    memory              of JupyterLab's server, with nothing open
    seconds, to slider  from the start of a kernel to the end of the lesson, and to its first lab;
                        and the time of one processor core in this, whatever else it has to do
    start               from `wmlearn lab` to the first answer of the server
    disk                files of all packages that the lessons need
    wheels              size of wheelhouse/ if there is one (`make wheelhouse`): what is downloaded
    times fair share    a lesson beside two busy processes: its seconds by those it would take if it
                        got as much of the processor as each of the two; on one thread, and on
                        torch's default. Other load does not change it much

`load` is the machine's load average just before: where it is above the number of cores, seconds are
longer than a learner would see. Linux only::

    python benchmarks/classroom.py
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import nbformat
from _rows import FOLDER, Row, Table
from nbclient import NotebookClient
from packaging.requirements import Requirement

COMMAND = "# python benchmarks/classroom.py"
CASE = ("torch", "what", "figure")
TABLE = Table(COMMAND, CASE, ("value", "unit", "load"), FOLDER / "classroom.csv")
ROOT = FOLDER.parent.parent
LESSONS, TRAINS = ("00", "07", "09"), "01"
VIEW = "application/vnd.jupyter.widget-view+json"
PORT = 18_899
BUSY = [sys.executable, "-c", "while True: pass"]
Measured = Iterator[tuple[str, str, float, str]]


def memory(process: int, field: str) -> float:
    """Return a field of /proc/PID/status in megabytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return (
        next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field)) / 1e3
    )


def processor_seconds(process: int) -> float:
    """Return the processor time that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Run:
    """A lesson that is run in a kernel, and what was measured: `seconds`, `processor`, `slider`,
    `resident`, `private`.
    """

    def __init__(self, lesson: str, threads: str = "1") -> None:
        (path,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
        self.slider = self.private = 0.0
        self.client = NotebookClient(
            nbformat.read(path, as_version=4),
            timeout=1800,
            kernel_name="python3",
            on_cell_executed=self._cell_ended,
        )
        environment = {**os.environ, "TQDM_DISABLE": "1", "OMP_NUM_THREADS": threads}
        if not threads:
            del environment["OMP_NUM_THREADS"]
        with tempfile.TemporaryDirectory() as empty:
            self.client.resources = {"metadata": {"path": empty}}
            self.start = time.perf_counter()
            with self.client.setup_kernel(env=environment):
                self.process = self.client.km.provisioner.pid
                self.running = True
                watcher = threading.Thread(target=self._watch)
                watcher.start()
                for place, cell in enumerate(self.client.nb.cells):
                    self.client.execute_cell(cell, place)
                self.running = False
                watcher.join()
                self.seconds = time.perf_counter() - self.start
                self.resident = memory(self.process, "VmHWM")
                self.processor = processor_seconds(self.process)

    def _watch(self) -> None:
        while self.running:
            self.private = max(self.private, memory(self.process, "RssAnon"))
            time.sleep(0.05)

    def _cell_ended(self, cell: nbformat.NotebookNode, cell_index: int, **_: object) -> None:
        shown = any(VIEW in output.get("data", {}) for output in cell.get("outputs", []))
        if shown and "Lab(" in cell.source and not self.slider:
            self.slider = time.perf_counter() - self.start
            self.slider_processor = processor_seconds(self.process)


def lessons() -> Measured:
    """Yield memory and seconds of the lessons."""
    for lesson in LESSONS:
        run = Run(lesson)
        yield f"lesson {lesson}", "peak memory, resident", run.resident, "MB"
        yield f"lesson {lesson}", "peak memory, private", run.private, "MB"
        yield f"lesson {lesson}", "seconds", run.seconds, "s"
        yield f"lesson {lesson}", "seconds, one core", run.processor, "s"
        if lesson == LESSONS[0]:
            yield f"lesson {lesson}", "to slider", run.slider, "s"
            yield f"lesson {lesson}", "to slider, one core", run.slider_processor, "s"


def server() -> Measured:
    """Yield memory of JupyterLab's server, and how long it takes to start."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "wmlearn.cli", "lab", f"{folder}/learn", "--no-browser"]
        command += [f"--ServerApp.port={PORT}", "--ServerApp.port_retries=0"]
        start = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=folder) as process:
            try:
                wait_until_it_answers()
                yield "JupyterLab", "start", time.perf_counter() - start, "s"
                yield "JupyterLab", "memory, resident", memory(process.pid, "VmRSS"), "MB"
                yield "JupyterLab", "memory, private", memory(process.pid, "RssAnon"), "MB"
            finally:
                process.terminate()


def wait_until_it_answers() -> None:
    """Wait until JupyterLab's server answers, if only that it wants a token."""
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/status", timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return


def packages() -> set[str]:
    """Return the packages that the lessons need, and all that those need."""
    found: set[str] = set()
    waiting = [("wmlearn", "lab")]
    while waiting:
        name, extra = waiting.pop()
        for line in map(Requirement, metadata.requires(name) or []):
            if line.marker is None or line.marker.evaluate({"extra": extra}):
                new = {(line.name, each) for each in ("", *line.extras)}
                waiting += [each for each in new if each[0] not in found and each[0] != "wmlearn"]
                found |= {line.name} - {"wmlearn"}
    return found


def disk() -> Measured:
    """Yield the size of all packages that the lessons need, and of their wheels."""
    files = {str(file.locate()) for name in packages() for file in metadata.files(name) or []}
    blocks = (Path(file).stat().st_blocks for file in files if Path(file).exists())
    yield "packages", "disk", 512 * sum(blocks) / 1e6, "MB"
    wheels = list((ROOT / "wheelhouse").glob("*.whl"))
    if wheels:
        yield "packages", "wheels", sum(each.stat().st_size for each in wheels) / 1e6, "MB"


def neighbours() -> Measured:
    """Yield how a lesson that trains fares beside two busy processes."""
    alone = Run(TRAINS).processor  # seconds of one thread
    for setting, threads in {"one thread": "1", "torch's default": ""}.items():
        with contextlib.ExitStack() as stack:
            others = []
            for _ in range(2):
                # Linux shares processors among sessions, and a kernel has one of its own.
                other = subprocess.Popen(BUSY, start_new_session=True)
                others.append(stack.enter_context(other))
                stack.callback(other.kill)
            before = sum(processor_seconds(each.pid) for each in others)
            run = Run(TRAINS, threads)
            used = sum(processor_seconds(each.pid) for each in others) - before
        share = used / 2 / run.seconds  # of one core
        yield f"lesson {TRAINS}", f"times fair share, {setting}", run.seconds * share / alone, ""


def main() -> None:
    import torch

    parts: tuple[Callable[[], Measured], ...] = (disk, server, lessons, neighbours)
    chosen = sys.argv[1:]
    for part in parts:
        if not chosen or part.__name__ in chosen:
            load = f"{os.getloadavg()[0]:.1f}"
            for what, figure, value, unit in part():
                case: Row = {"torch": torch.__version__, "what": what, "figure": figure}
                number = f"{value:.2f}" if not unit else f"{value:.0f}"
                number = f"{value:.1f}" if unit == "s" else number
                TABLE.put({**case, "value": number, "unit": unit, "load": load})
                print(what, figure, number, unit, flush=True)


if __name__ == "__main__":
    main()
