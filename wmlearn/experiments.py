"""Many owners, many thefts: every combination measured once, cached, and put into one table."""

from __future__ import annotations

import copyreg
import functools
import importlib
import itertools
import json
import math
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from traceback import format_exception_only
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wmlearn._checks import check_kind, check_seed, sentence, shown
from wmlearn._files import whole
from wmlearn._fingerprint import fingerprint
from wmlearn._progress import progress
from wmlearn.data.splits import Splits, check_held
from wmlearn.evidence.trigger_set import Triggers, TriggerSet
from wmlearn.evidence.verification import verify
from wmlearn.service.blackbox import BlackBox
from wmlearn.theft import Context, Deployment, Theft
from wmlearn.theft._base import AnyTheft, as_theft
from wmlearn.training.loop import resolved
from wmlearn.training.models import Builder, small_cnn, untrained
from wmlearn.training.schedule import Schedule
from wmlearn.watermarks.embedding import embed

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

Row = dict[str, Any]  # the measurements of one theft, and the suspect's answers to the triggers
Rows = dict[str, Row]  # by the name of the theft
Task = tuple[Splits, Builder, Schedule]  # the owners' data, network and schedule
Case = tuple[str, TriggerSet, int]  # one owner: the triggers' name, the triggers, the seed
FAILED = "failed"  # the only key of a row whose theft raised an error
UNTOUCHED = "none"  # the table's name for the owner's own model


class _Untouched(Theft):
    """No theft: the owner's own model, measured beside the stolen ones."""

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Deploy the owner's model unchanged."""
        return Deployment(BlackBox(owner), owner)


@dataclass(frozen=True)
class _File:
    """The cached measurements of one owner, by the fingerprint of the theft."""

    path: Path
    prints: Mapping[str, str]  # the fingerprint of each theft, by its name

    def rows(self) -> Rows:
        """Return the cached rows, by the name of the theft."""
        kept: Rows = {}
        with _told("Its content is measured again."):
            kept = self._read()
        return {name: kept[mark] for name, mark in self.prints.items() if mark in kept}

    def add(self, rows: Rows) -> None:
        """Add rows to the file, keeping those that another sweep may have added meanwhile."""
        with _told("The measurements are returned, but not cached."):
            kept = self._read()
            for name, row in rows.items():
                kept[self.prints[name]] = row
            with whole(self.path) as file:
                file.write(json.dumps(kept).encode())

    def _read(self) -> Rows:
        try:
            rows: Rows = json.loads(self.path.read_bytes())
            if isinstance(rows, dict):
                return rows
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError):
            pass
        warnings.warn(f"{self.path} is damaged; its content is measured again.", stacklevel=5)
        return {}


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Warn if a cache file cannot be read or written: that must not end hours of work."""
    try:
        yield
    except OSError as error:
        warnings.warn(f"{sentence(error)} {what}", stacklevel=5)


def sweep(
    triggers: Mapping[str, TriggerSet],
    thefts: Mapping[str, AnyTheft],
    data: Splits,
    *,
    seeds: Iterable[int] = range(5),
    network: Builder = small_cnn,
    schedule: Schedule = Schedule(),
    cache: str | Path | None = None,
) -> pd.DataFrame:
    """Watermark a network per trigger set and seed, steal it in every way, and return the results.

    Owners are trained in parallel as `joblib.parallel_config` says, also on a cluster; without it,
    one after another. The key stays in this process: workers receive the images with their labels,
    and send back the answers of each suspect.

    Cached results are recognised by the content of triggers, data, network, schedule and theft, by
    the code of your own functions and classes, and by the versions of wmlearn, torch and numpy. The
    names of data and thefts do not count, nor does the way they print.

    Parameters
    ----------
    triggers : sealed trigger sets by name
    thefts : thefts by name, such as `{"pruned": wm.theft.Prune(0.5)}`; a theft with a seed gets the
        owner's. A theft of your own is a `wm.theft.Theft`, or a function of the owner's service and
        `data.loot` that returns a service
    data : the task
    seeds : one owner per seed and trigger set; the seed sets the owner's network, its training, and
        the thief
    network : builds an untrained network from data and seed; a thief who imitates starts from
        another network of the same kind
    schedule : how long and how fast each owner is trained
    cache : a folder that keeps every finished owner, so an interrupted sweep continues from there

    Returns
    -------
    pandas.DataFrame
        One row per theft: triggers, seed, theft ("none" is the owner's own model), task_accuracy
        (0 to 1), matched and questions (counts), p (anytime-valid; missing with fixed labels),
        decision, and the theft's cost: images, queries, seconds. The decision on a theft that
        raised an error is "cannot tell", and a warning says why; all other rows are complete and
        cached.

    Raises
    ------
    TypeError, ValueError
        If triggers, thefts or data are of the wrong kind. With `cache`, also if one of them has a
        part without comparable content, such as an open file, or is a function of your own that
        imports something when it is called: import it at the top of the file.

    Examples
    --------
    >>> import wmlearn as wm
    >>> full = wm.load_data("mnist")
    >>> parts = [part.take(slice(300)) for part in (full.train, full.loot, full.test)]
    >>> few = wm.Splits("few", *parts, full.classes)
    >>> triggers = {"words": wm.Content(words=5)(few, n=10, key=wm.CLASSROOM_KEY)}
    >>> wm.sweep(triggers, {"pruned": wm.theft.Prune(1)}, few, seeds=[0]).theft.tolist()
    ['none', 'pruned']
    """
    _check(triggers, thefts, data)
    task = (data, network, resolved(schedule, data.train))
    suspects: dict[str, Theft] = {UNTOUCHED: _Untouched()}
    for name, theft in thefts.items():
        suspects[name] = as_theft(theft, f"thefts[{name!r}]")
    named = itertools.product(triggers.items(), map(check_seed, seeds))
    cases = [(name, one, seed) for (name, one), seed in named]
    found: list[Rows] = [{} for _ in cases]
    files = {}
    if cache is not None:
        files = _files(cases, suspects, task, Path(cache))
    for place, file in files.items():
        found[place] = file.rows()
    jobs = []
    for place, (_, one, seed) in enumerate(cases):
        left = {name: theft for name, theft in suspects.items() if name not in found[place]}
        if left:
            jobs.append((place, one.without_key, seed, left, task))
    with progress(len(jobs), "owners and their thieves", "owner") as bar:
        for place, rows in _done(jobs):
            found[place] |= rows
            done = {name: row for name, row in rows.items() if FAILED not in row}
            if place in files:
                files[place].add(done)
            bar.update()
    return _frame(cases, suspects, found)


def _check(triggers: object, thefts: object, data: Splits) -> None:
    hint = "such as wm.load_data('mnist'), after triggers and thefts"
    check_held(check_kind(data, "data", Splits, hint).test, "data.test")
    for name, one in _by_name(triggers, "triggers", "{'words': triggers}").items():
        check_kind(one, f"triggers[{name!r}]", TriggerSet, "such as wm.Content()(data, n=300)")
    if not triggers:
        raise ValueError(
            "triggers must hold one or more trigger sets by name; got none. Make one by "
            "wm.Content()(data)."
        )
    if UNTOUCHED in _by_name(thefts, "thefts", "{'pruned': Prune(0.5)}"):
        raise ValueError(
            f"no theft may be called {UNTOUCHED!r}: that is the owner's own model. Rename it."
        )


def _by_name(given: object, what: str, example: str) -> Mapping[str, object]:
    if isinstance(given, Mapping):
        return given
    raise TypeError(
        f"{what} must be a dict by name, such as {example}; got {shown(given)}. Give each a name."
    )


def _files(
    cases: list[Case],
    suspects: Mapping[str, Theft],
    task: Task,
    folder: Path,
) -> dict[int, _File]:
    """Return the cache file of each case; its name covers all that the measurements depend on."""
    prints = {name: fingerprint(one, f"thefts[{name!r}]") for name, one in suspects.items()}
    data, network, schedule = task
    parts = [data.train, data.loot, data.test, data.classes]
    common = [fingerprint(network, "network"), fingerprint(parts, "data")]
    common.append(fingerprint([schedule, torch, np]))
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for place, (_, one, seed) in enumerate(cases):
        mark = fingerprint([*common, one.without_key, seed])
        files[place] = _File(folder / f"{mark}.json", prints)
    return files


def _done(jobs: list[tuple[Any, ...]]) -> Iterator[tuple[int, Rows]]:
    """Run the jobs as `joblib.parallel_config` says, and yield each as soon as it is done."""
    import joblib

    # Functions of a notebook refer to the module wmlearn, which lazy_loader gives its own class.
    front = sys.modules["wmlearn"]
    copyreg.pickle(type(front), lambda module: (importlib.import_module, (module.__name__,)))
    # joblib refuses its backend "multiprocessing" here, which returns nothing before the end.
    parallel = joblib.Parallel(return_as="generator_unordered")
    yield from parallel(itertools.starmap(joblib.delayed(_steal), jobs))


def _steal(
    place: int,
    triggers: Triggers,
    seed: int,
    thefts: Mapping[str, Theft],
    task: Task,
) -> tuple[int, Rows]:
    """Train one owner, run every theft, and return its measurements; this runs in a worker."""
    data, network, schedule = task
    fresh = functools.partial(untrained, network)
    marked = embed(fresh(data, seed=seed), data, triggers, schedule=schedule, seed=seed)
    _go_on(marked.history.interrupted)
    context = Context.of(data, fresh, seed)
    rows: Rows = {}
    for name, theft in thefts.items():
        try:
            deployed = theft.deploy(marked.model, context)
            _go_on(deployed.interrupted)
            right = deployed.query(data.test.images) == data.test.labels
            labels = deployed.query(triggers.images).tolist()
        except Exception as error:  # a user's own theft may raise anything
            rows[name] = {FAILED: "".join(format_exception_only(error)).strip()}
            continue
        measured = {"task_accuracy": float(right.mean()), "said": labels}
        rows[name] = measured | asdict(deployed.cost)
    return place, rows


def _go_on(interrupted: bool) -> None:
    """End the sweep if a training was interrupted: a half-trained network is no result."""
    if interrupted:
        raise KeyboardInterrupt


def _frame(cases: list[Case], thefts: Iterable[str], found: list[Rows]) -> pd.DataFrame:
    """Return a frame with one row per theft."""
    import pandas as pd

    rows = []
    for (case, measured), theft in itertools.product(zip(cases, found), thefts):
        rows.append(_row(case, theft, measured[theft]))
    return pd.DataFrame(rows)


def _row(case: Case, theft: str, row: Row) -> Row:
    """Return one row of the table; the verdict is made in this process, which has the key."""
    name, triggers, seed = case
    if FAILED in row:
        warnings.warn(
            f"thefts[{theft!r}] failed on {name!r}, seed {seed}: {row[FAILED].rstrip('.')}. "
            "Run that theft by itself to see where it fails.",
            stacklevel=4,
        )
        row = _silent(triggers)
    verdict = verify(lambda _: np.array(row["said"]), triggers)
    return {
        "triggers": name,
        "seed": seed,
        "theft": theft,
        "task_accuracy": row["task_accuracy"],
        "matched": verdict.k,
        "questions": verdict.n,
        "p": verdict.p,
        "decision": verdict.decision,
        "images": row["images"],
        "queries": row["queries"],
        "seconds": row["seconds"],
    }


def _silent(triggers: Triggers) -> Row:
    """Return the row of a theft that failed: no answers, no measurements."""
    cost = dict.fromkeys(["task_accuracy", "images", "queries", "seconds"], math.nan)
    return cost | {"said": [-1] * len(triggers.pixels)}
