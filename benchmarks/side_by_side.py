"""Time the package against what people would use instead, in one run: `make bench`.

Each row compares a task of ours with another way to do it. Both run in turn, several times, on one
thread, and the ratio is taken within each turn: other load on the machine then affects both. A row
that is measured again replaces the old one; all others stay. You can name parts of the table;
`install` and `test` are measured only if you name them::

    python benchmarks/side_by_side.py                       # all but install and test
    python benchmarks/side_by_side.py training http
    python benchmarks/side_by_side.py install test          # minutes, and up to 6 GB

The columns::

    part, work, against     what is timed, and its peer
    clock                   `processor` (seconds of one process: neighbours hardly count) or `wall`
    ours, theirs            seconds, median; `_low` and `_high`: their 5th and 95th percentile
    reads                   `faster`: the ratio is theirs / ours; `slower`: it is ours / theirs
    ratio                   median of the ratios of the turns, and their percentiles
    turns                   how many
    aim                     the ratio that was aimed at, if there is one
    our_accuracy,           on the test images, where something is learnt, mean of the turns
    their_accuracy
    note                    anything else to know; `unmeasured` if the peer is not installed
    cpu, cores, load        the machine, and its load average just after
    versions                of what was timed

The rows on extraction need `pip install adversarial-robustness-toolbox`, in this environment or in
another one, whose Python you then call with the part's name; the labs need Chromium.
"""

from __future__ import annotations

import os

os.environ["TQDM_DISABLE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded

import itertools
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from _rows import FOLDER, Table

import wmlearn as wm
from wmlearn.data import Split
from wmlearn.theft import StealByQueries

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "# python benchmarks/side_by_side.py"
SPREAD = ("", "_low", "_high")
TABLE = Table(
    COMMAND,
    ("part", "work", "against"),
    (
        "clock",
        *(f"ours{each}" for each in SPREAD),
        *(f"theirs{each}" for each in SPREAD),
        "reads",
        *(f"ratio{each}" for each in SPREAD),
        "turns",
        "aim",
        "our_accuracy",
        "their_accuracy",
        "note",
        "cpu",
        "cores",
        "load",
        "versions",
    ),
    FOLDER / "bench.csv",
)
Act = Callable[[], object]
EPOCHS = 4  # the fewest of an embedding that ended above 98.5 % with both seeds tried
CLOCKS = {"processor": time.process_time, "wall": time.perf_counter}


@dataclass(frozen=True)
class Pair:
    """A task of ours and another way to do it, with the seconds of each turn.

    Attributes
    ----------
    part, work, against : the row
    ours, theirs : seconds; none if the other way could not be measured
    reads : "faster" or "slower"
    clock : the clock that counted the seconds
    aim : the ratio that was aimed at
    accuracies : ours and theirs, 0 to 1, where something is learnt
    """

    part: str
    work: str
    against: str
    ours: Sequence[float] = ()
    theirs: Sequence[float] = ()
    reads: str = "faster"
    clock: str = "processor"
    aim: float | None = None
    accuracies: tuple[float | None, float | None] = (None, None)
    note: str = ""

    def row(self) -> dict[str, object]:
        """Return its row of the file."""
        ratios = np.divide(self.theirs, self.ours) if len(self.theirs) else np.empty(0)
        if self.reads == "slower":
            ratios = 1 / ratios
        columns = {"ours": self.ours, "theirs": self.theirs, "ratio": ratios}
        spreads = {
            f"{name}{end}": figure
            for name, values in columns.items()
            for end, figure in zip(SPREAD, spread(values))
        }
        ours, theirs = (written(each, 4) for each in self.accuracies)
        own = {name: getattr(self, name) for name in (*TABLE.case, "clock", "reads", "aim", "note")}
        learnt = {"our_accuracy": ours, "their_accuracy": theirs}
        return own | spreads | {"turns": len(ratios) or ""} | learnt | machine()


def spread(values: Sequence[float]) -> list[str]:
    """Return the median, the 5th and the 95th percentile, as text.

    Examples
    --------
    >>> spread([1.0, 2.0, 4.0])
    ['2', '1.1', '3.8']
    >>> spread([])
    ['', '', '']
    """
    if not len(values):
        return [""] * 3
    return [f"{figure:.4g}" for figure in np.percentile(values, [50, 5, 95])]


def written(value: float | None, digits: int) -> str:
    """Return a number as text, or nothing for none."""
    return "" if value is None else f"{value:.{digits}f}"


@cache
def cpu() -> str:
    """Return the processor's name."""
    described = Path("/proc/cpuinfo")  # of Linux
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> dict[str, object]:
    """Return what the seconds depend on besides the task."""
    names = ("torch", "torchvision", "numpy", "matplotlib", "adversarial-robustness-toolbox")
    installed = {each.metadata["Name"]: each.version for each in metadata.distributions()}
    versions = [f"{name} {installed[name]}" for name in names if name in installed]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")  # none on Windows
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "load": f"{load:.1f}",
        "versions": "; ".join([f"python {platform.python_version()}", *versions]),
    }


def seconds(act: Act, clock: str) -> float:
    """Return how long an act takes."""
    now = CLOCKS[clock]
    start = now()
    act()
    return now() - start


def in_turn(
    acts: Sequence[Act], turns: int, clock: str = "processor", warm_up: bool = True
) -> list[list[float]]:
    """Return for each act the seconds of its turns, after one warm-up round."""
    for act in acts if warm_up else ():
        act()
    rounds = [[seconds(act, clock) for act in acts] for _ in range(turns)]
    return [list(each) for each in zip(*rounds)]


# ---------------------------------------------------------------- the parts


@cache
def mnist() -> wm.Splits:
    """Return MNIST with all 60,000 training images in the owner's part."""
    full = wm.load_data("mnist", size="full")
    parts = (full.train, full.loot)
    pixels = np.concatenate([part.pixels for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    return wm.Splits("mnist", Split(pixels, labels), full.loot, full.test, full.classes)


def training() -> Iterator[Pair]:
    """An epoch of the small network on all of MNIST."""
    from _peers import steps_alone, tutorial

    work, size = "an epoch of the small network, 60,000 digits", 256
    data, once = mnist(), wm.Schedule(epochs=1, batch_size=size)
    images = torch.from_numpy(data.train.images)
    labels = torch.from_numpy(data.train.labels)
    ready = list(zip(images.split(size), labels.split(size)))

    def ours() -> None:
        wm.fit(wm.small_cnn(data), data.train, schedule=once)

    def alone(wide: bool = False, **options: bool) -> None:
        layout = torch.channels_last if wide else torch.contiguous_format
        model = wm.small_cnn(data).to(memory_format=layout)
        steps_alone(model, ready, **options)

    def loaded(workers: int) -> Act:
        return lambda: tutorial(wm.small_cnn(data), size, workers)

    bare = "forward, backward and step alone, on batches that are ready"
    pair = Pair("training", work, bare, reads="slower")
    others = {
        "the same steps, AdamW fused (other last digits)": lambda: alone(fused=True),
        "the same steps, channels last (other last digits)": lambda: alone(wide=True),
    }
    found = in_turn([ours, alone, *others.values()], turns=7)
    yield replace(pair, ours=found[0], theirs=found[1], aim=1.08)
    for against, theirs in zip(others, found[2:]):
        yield replace(pair, work=bare, against=against, ours=found[1], theirs=theirs)
    for workers, clock in ((0, "processor"), (2, "wall")):
        turns = in_turn([ours, loaded(workers), alone], 5, clock, warm_up=False)
        against = f"torchvision and DataLoader as in tutorials, {workers} workers"
        pair = replace(pair, against=against, theirs=turns[1], reads="faster", clock=clock)
        yield replace(pair, ours=turns[0], aim=4)
        yield replace(pair, work=bare, ours=turns[2])


def embedding() -> Iterator[Pair]:
    """Mark a network and verify it; the peer is a script for the paper's Algorithm 1."""
    from _peers import Reader

    data = mnist()
    accuracies = []

    def ours() -> None:
        triggers = wm.Content(words=30)(data, n=150, key=wm.CLASSROOM_KEY)
        marked = wm.embed(wm.small_cnn(data), data, triggers, schedule=wm.Schedule(EPOCHS))
        assert wm.verify(wm.BlackBox(marked.model), triggers).decision == "found"
        accuracies.append(marked.task_accuracy)

    whole, epochs = [], {"the paper's network": [], "our small network": []}
    readers = {
        "the paper's network": Reader(),
        "our small network": Reader(wm.small_cnn(data)),
    }
    for _ in range(3):
        whole.append(seconds(ours, "processor"))
        for name, reader in readers.items():
            epochs[name].append(reader.epoch())
    note = "theirs: a tenth of an epoch is timed; its accuracy is not measured"
    learnt = float(np.mean(accuracies)), None
    pair = Pair("embedding", "", "", accuracies=learnt, note=note)
    each = replace(pair, work="an epoch of embedding, 60,000 digits")
    marked = replace(pair, work="embed and verify, 60,000 digits, at least 98.5 %", ours=whole)
    for name, theirs in epochs.items():
        script = f"a script for the paper, {name}"
        yield replace(each, against=script, ours=[one / EPOCHS for one in whole], theirs=theirs)
        for count in (10, 50):
            yield replace(
                marked,
                against=f"{script}, {count} epochs",
                theirs=[count * one for one in theirs],
            )


def extraction() -> Iterator[Pair]:
    """Extract the same network with the same number of queries; the peer is the toolbox's thief."""
    from _peers import Knockoff, toolbox

    data, queries = wm.load_data("mnist", size="full"), 5_000
    against = "Knockoff Nets of the adversarial-robustness-toolbox, 10 epochs"
    owner, known = wm.load_model("mnist/content"), toolbox()
    for epochs, aim in ((10, None), (6, 1.5)):
        work = f"{queries:,} hard labels and {epochs} epochs of extraction"
        pair = Pair("extraction", work, against, aim=aim, note="unmeasured")
        if not known:
            yield pair
            continue
        made: dict[str, list[float]] = {"ours": [], "theirs": []}
        seeds = itertools.count()

        def ours() -> None:
            schedule = wm.Schedule(epochs=epochs, batch_size=64)  # noqa: B023
            theft = StealByQueries(queries, seed=next(seeds), schedule=schedule)  # noqa: B023
            fresh = wm.small_cnn(data, seed=5)
            stolen = theft(wm.BlackBox(owner), fresh, data.loot).model
            made["ours"].append(wm.accuracy(stolen, data.test))  # noqa: B023

        def theirs() -> None:
            fresh = wm.small_cnn(data, seed=5)
            stolen = Knockoff(queries, 10)(wm.BlackBox(owner), fresh, data.loot.images)
            made["theirs"].append(wm.accuracy(stolen, data.test))  # noqa: B023

        found = in_turn([ours, theirs], turns=5)
        reached = tuple(float(np.mean(each)) for each in made.values())
        yield replace(pair, ours=found[0], theirs=found[1], accuracies=reached, note="")


def http() -> Iterator[Pair]:
    """Ask about 1,000 images over HTTP."""
    model, count = wm.load_model("mnist/content"), 1_000
    images = wm.load_data("mnist").test.images[:count]
    forward = wm.BlackBox(model)
    work = f"{count:,} images over HTTP"
    with (
        wm.serve(model) as service,
        wm.RemoteModel(service.url) as suspect,
        wm.RemoteModel(service.url, batch=1) as one_by_one,
    ):
        acts = [lambda: suspect(images), lambda: forward(images)]
        ours, theirs = in_turn(acts, 15, "wall")
        pair = Pair("http", work, "the forward pass alone", ours, theirs, "slower", "wall", 2)
        yield pair
        ours, theirs = in_turn([acts[0], lambda: one_by_one(images)], 5, "wall")
        against = "one request per image"
        pair = replace(pair, against=against, reads="faster", aim=18)
        yield replace(pair, ours=ours, theirs=theirs)


def neighbours() -> Iterator[Pair]:
    """Train beside two busy processes, and alone."""
    import threads

    def epoch() -> float:
        ends: list[float] = []

        def clock(record: object) -> bool:
            ends.append(time.perf_counter())
            return len(ends) > threads.EPOCHS

        threads.embed(1, clock)
        return (ends[-1] - ends[0]) / threads.EPOCHS

    quiet, beside = [], []
    for _ in range(5):
        quiet.append(epoch())
        with threads.busy(threads.NEIGHBOURS):
            beside.append(epoch())
    fair = max(1, (threads.NEIGHBOURS + 1) / (os.cpu_count() or 1))
    work = f"an epoch of embedding beside {threads.NEIGHBOURS} busy processes"
    pair = Pair("neighbours", work, "the same, alone", beside, quiet, "slower", "wall", 1.5)
    yield pair
    share = f"a fair share of the processor: {fair:.3g} times the same, alone"
    yield replace(pair, against=share, theirs=[fair * each for each in quiet], aim=None)


def labs() -> Iterator[Pair]:
    """Move a slider of each lab, or press its button, with a key."""
    import _screen

    for name, ours, theirs in _screen.measure():
        against = "the same figure by matplotlib in an Output"
        yield Pair("labs", f"{name}: key to screen", against, ours, theirs, clock="wall")


def learner() -> Iterator[Pair]:
    """Do what a learner does in the first lesson, in a separate process, and measure its memory."""
    import resource

    unit = 1e9 if sys.platform == "darwin" else 1e6  # bytes there, kB elsewhere
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = readme.partition("```python\n")[2].partition("```")[0]
    command = [sys.executable, "-c", code]
    done = lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: E731
    taken = seconds(done, "wall")
    heaviest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    note = f"{heaviest:.1f} GB of memory"
    yield Pair("learner", "the README's ten lines", "", [taken], clock="wall", note=note)


def cloned() -> tempfile.TemporaryDirectory:
    """Return a fresh copy of the checkout's last commit."""
    folder = tempfile.TemporaryDirectory()
    subprocess.run(["git", "clone", "-q", str(ROOT), folder.name], check=True)
    return folder


def install() -> Iterator[Pair]:
    """Set up what `make lab` opens, from nothing, in a fresh copy."""
    with cloned() as folder:
        code = "import tasks; tasks.set_up('lab')"
        command = [sys.executable, "-c", code]
        taken = seconds(lambda: subprocess.run(command, cwd=folder, check=True), "wall")
        files = (each for each in Path(folder).rglob("*") if each.is_file())
        size = sum(each.stat().st_size for each in files)
    note = f"{size / 1e9:.1f} GB"
    yield Pair("install", "`make lab` from nothing", "", [taken], clock="wall", note=note)


def test() -> Iterator[Pair]:
    """Run all tests, style and types among them."""
    command = [sys.executable, "tasks.py", "test"]
    run = lambda: subprocess.run(command, cwd=ROOT, check=True)  # noqa: E731
    yield Pair("test", "`make test`", "", [seconds(run, "wall")], clock="wall")


ALWAYS = [training, embedding, extraction, http, neighbours, labs]
if os.name == "posix":  # Windows does not tell what a child process held
    ALWAYS.insert(0, learner)
PARTS = {part.__name__: part for part in ALWAYS}
ON_REQUEST = {part.__name__: part for part in (install, test)}


def main(names: Sequence[str]) -> None:
    parts = PARTS | ON_REQUEST
    unknown = set(names) - set(parts)
    if unknown:
        sys.exit(f"Parts are {', '.join(parts)}; got {', '.join(sorted(unknown))}.")
    torch.set_num_threads(1)
    for name in names or PARTS:
        for pair in parts[name]():
            row = pair.row()
            known = [each for each in TABLE.known() if each["note"] != "unmeasured"]
            if row["note"] == "unmeasured" and any(TABLE.same(row, each) for each in known):
                continue  # what was measured elsewhere is worth more than nothing
            TABLE.put(row)
            print(*(row[column] for column in (*TABLE.case, "ours", "theirs", "ratio")), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
