"""Many owners, many thieves: every combination measured once, kept, and put into one table."""

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

Row = dict[str, Any]  # what is measured of one theft, and what the suspect said to the triggers
Rows = dict[str, Row]
Task = tuple[Splits, Builder, Schedule]  # what the owners train on, their network, and how
Case = tuple[str, TriggerSet, int]  # one owner: the name of the triggers, they, and the seed
FAILED = "failed"  # what a row says of a theft that raised an error, in place of all else
UNTOUCHED = "none"  # how the table calls the owner's own model


class _Untouched(Theft):
    """No theft: the owner's own model, measured beside what thieves make of it."""

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Deploy the model as it is."""
        return Deployment(BlackBox(owner), owner)


@dataclass(frozen=True)
class _File:
    """What was measured of one owner, kept by the fingerprint of the theft."""

    path: Path
    prints: Mapping[str, str]  # by the name of the theft

    def rows(self) -> Rows:
        """Return what was measured before, by the name of the theft."""
        kept: Rows = {}
        with _told("What it holds is measured again."):
            kept = self._read()
        return {name: kept[mark] for name, mark in self.prints.items() if mark in kept}

    def add(self, rows: Rows) -> None:
        """Write the file anew, whole or not at all; another sweep may have added some meanwhile."""
        with _told("What was measured is returned, and not kept."):
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
        warnings.warn(f"{self.path} is damaged; what it held is measured again.", stacklevel=5)
        return {}


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Warn where a file of the cache cannot be read or written: hours of work do not end for it."""
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
    """Mark a network for each trigger set and seed, run every theft on it, and return what is left,
    one row per theft.

    Owners are trained side by side as `joblib.parallel_config` says (one after another when it says
    nothing), also on a cluster. The key stays here: workers get the images with their answers, and
    send back what each suspect said.

    What is kept in `cache` is known again by its content: triggers, data, network, schedule and
    theft, the code of your own functions and classes, and the versions of wmlearn, torch and numpy.
    The names of data and thefts do not count, nor how they print.

    Parameters
    ----------
    triggers : sealed trigger sets by name
    thefts : thefts by name, such as `{"pruned": wm.theft.Prune(0.5)}`; one that has a seed gets
        that of the owner. One of your own is a `wm.theft.Theft`, or a function of the owner's
        service and `data.loot` that returns a service
    data : the task
    seeds : of the owner's network, of its training, and of the thief
    network : makes an untrained network from data and seed; an imitator starts from another one of
        the same kind
    schedule : how long and how fast each owner is trained
    cache : a folder that keeps every finished owner, so an interrupted sweep goes on where it was

    Returns
    -------
    A frame with one row per theft: triggers, seed, theft ("none": the owner's own model),
    task_accuracy (0 to 1), matched and questions, p (anytime; missing with fixed labels), decision,
    and what it cost: images, queries, seconds. Of a theft that raised an error it cannot tell, and
    a warning says why; the other rows are whole, and are kept.

    Raises
    ------
    TypeError, ValueError
        If triggers, thefts or data are something else; with `cache`, also if one of them holds
        something that has no content to be known by, such as an open file, or a function of your
        own that imports something when it is called: import at the top.

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
            f"thefts must not be called {UNTOUCHED!r}: that is the owner's own model. Rename it."
        )


def _by_name(given: object, what: str, example: str) -> Mapping[str, object]:
    if isinstance(given, Mapping):
        return given
    raise TypeError(
        f"{what} must be a dict by name, such as {example}; got {shown(given)}. Name each of them."
    )


def _files(
    cases: list[Case],
    suspects: Mapping[str, Theft],
    task: Task,
    folder: Path,
) -> dict[int, _File]:
    """Return the file of each case; all that the measurement depends on is in its name."""
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
    """Do the jobs as `joblib.parallel_config` says, and yield each as soon as it is done."""
    import joblib

    # Functions of a notebook read the front door, which lazy_loader gives a class of its own.
    front = sys.modules["wmlearn"]
    copyreg.pickle(type(front), lambda module: (importlib.import_module, (module.__name__,)))
    # joblib refuses its backend "multiprocessing" here: it gives nothing back before the end.
    parallel = joblib.Parallel(return_as="generator_unordered")
    yield from parallel(itertools.starmap(joblib.delayed(_steal), jobs))


def _steal(
    place: int,
    triggers: Triggers,
    seed: int,
    thefts: Mapping[str, Theft],
    task: Task,
) -> tuple[int, Rows]:
    """Train one owner, let the thieves at it one after another, and say what each suspect answers;
    runs in a worker.
    """
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
        except Exception as error:  # whatever a theft of one's own may raise
            rows[name] = {FAILED: "".join(format_exception_only(error)).strip()}
            continue
        measured = {"task_accuracy": float(right.mean()), "said": labels}
        rows[name] = measured | asdict(deployed.cost)
    return place, rows


def _go_on(interrupted: bool) -> None:
    """End the sweep with an interrupted training, which keeps what it has: half is no result."""
    if interrupted:
        raise KeyboardInterrupt


def _frame(cases: list[Case], thefts: Iterable[str], found: list[Rows]) -> pd.DataFrame:
    """Return every theft as a row."""
    import pandas as pd

    rows = []
    for (case, measured), theft in itertools.product(zip(cases, found), thefts):
        rows.append(_row(case, theft, measured[theft]))
    return pd.DataFrame(rows)


def _row(case: Case, theft: str, row: Row) -> Row:
    """Return one row of the table; the verdict is made here, where the key is."""
    name, triggers, seed = case
    if FAILED in row:
        warnings.warn(
            f"thefts[{theft!r}] failed on {name!r}, seed {seed}: {row[FAILED].rstrip('.')}. "
            "Commit that theft by itself to see where.",
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
    """Return what is known of a theft that failed: there was nothing to ask."""
    cost = dict.fromkeys(["task_accuracy", "images", "queries", "seconds"], math.nan)
    return cost | {"said": [-1] * len(triggers.pixels)}
