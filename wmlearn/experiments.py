"""Many owners, many thieves: every combination measured once, kept, and put into one table."""

from __future__ import annotations

import copyreg
import functools
import hashlib
import importlib
import json
import os
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from wmlearn._checks import check_kind, check_seed, shown
from wmlearn._fingerprint import fingerprint
from wmlearn.data.splits import Splits
from wmlearn.evidence.trigger_set import Triggers, TriggerSet
from wmlearn.evidence.verification import verify
from wmlearn.service.blackbox import BlackBox
from wmlearn.theft import Context, Deployment, Theft
from wmlearn.theft._base import AnyTheft, as_theft
from wmlearn.theft.deployment import Network
from wmlearn.training.models import small_cnn
from wmlearn.watermarks.embedding import embed

if TYPE_CHECKING:
    import pandas as pd

Row = dict[
    str, Any
]  # what is measured of one theft: numbers, and what the suspect said to the triggers
UNTOUCHED = "none"  # the owner's model itself, measured beside what thieves make of it


@dataclass(frozen=True, eq=False)
class _Case:
    """One owner: which triggers, which seed; and where what is measured is kept, if it is."""

    name: str
    triggers: TriggerSet
    seed: int
    path: Path | None = None

    def rows(self) -> dict[str, Row]:
        """Return what was measured before, by the fingerprint of the theft."""
        if self.path is None or not self.path.exists():
            return {}
        try:
            kept = json.loads(self.path.read_bytes())
            if kept["sha256"] == _digest(kept["rows"]):
                return kept["rows"]
        except (ValueError, TypeError, KeyError):
            pass
        warnings.warn(f"{self.path} is damaged; what it held is measured again.", stacklevel=3)
        return {}

    def keep(self, rows: dict[str, Row]) -> None:
        """Add rows to what is kept, whole or not at all; another sweep may have added some
        meanwhile.
        """
        rows = self.rows() | rows
        part = self.path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        part.write_text(json.dumps({"rows": rows, "sha256": _digest(rows)}), encoding="utf-8")
        part.replace(self.path)


def _digest(rows: dict[str, Row]) -> str:
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def sweep(
    triggers: Mapping[str, TriggerSet],
    thefts: Mapping[str, AnyTheft],
    data: Splits,
    *,
    seeds: Iterable[int] = range(5),
    network: Network = small_cnn,
    cache: str | Path | None = None,
) -> pd.DataFrame:
    """Mark a network for each trigger set and seed, run every theft on it, and return what is left,
    one row per theft.

    Owners are trained side by side as `joblib.parallel_config` says (one after another when it says
    nothing), also on a cluster. The key stays here: workers get the images with their answers, and
    send back what each suspect said.

    What is kept in `cache` is known again by its content: triggers, data, network and theft, the
    code of your own functions and classes, and the version of wmlearn. The names of data and thefts
    do not count, nor how they print.

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
    cache : a folder that keeps every finished owner, so an interrupted sweep goes on where it was

    Returns
    -------
    A frame with one row per theft: triggers, seed, theft ("none": the owner's own model),
    task_accuracy (0 to 1), matched and questions, p (anytime; missing with fixed labels), decision,
    and what it cost: images, queries, seconds.

    Raises
    ------
    TypeError, ValueError
        If triggers, thefts or data are something else; with `cache`, also if one of them holds
        something that has no content to be known by, such as an open file.

    Examples
    --------
    >>> import wmlearn as wm
    >>> full = wm.load_data("mnist")
    >>> few = wm.Splits("few", *(part.take(slice(300)) for part in (full.train, full.loot, full.test)), full.classes)
    >>> triggers = {"words": wm.Content(words=5)(few, n=10, key=wm.CLASSROOM_KEY)}
    >>> wm.sweep(triggers, {"pruned": wm.theft.Prune(1)}, few, seeds=[0]).theft.tolist()
    ['none', 'pruned']
    """
    _check(triggers, data)
    thefts = _checked(thefts)
    prints = (
        {}
        if cache is None
        else {name: fingerprint(one, f"thefts[{name!r}]") for name, one in thefts.items()}
    )
    cases = _cases(triggers, seeds, data, network, cache)
    found: list[dict[str, Row]] = []  # of each case, by the name of the theft
    for case in cases:
        kept = case.rows()
        found.append({name: kept[mark] for name, mark in prints.items() if mark in kept})
    jobs = []
    for place, case in enumerate(cases):
        left = {name: theft for name, theft in thefts.items() if name not in found[place]}
        if left:
            jobs.append((place, case.triggers.without_key, case.seed, left, data, network))
    hidden = bool(os.environ.get("TQDM_DISABLE"))  # the bar for notebooks does not look at it
    with tqdm(total=len(jobs), desc="owners and their thieves", leave=False, disable=hidden) as bar:
        for place, rows in _done(jobs):
            found[place] |= rows
            if cache is not None:
                cases[place].keep({prints[name]: row for name, row in rows.items()})
            bar.update()
    return _frame(cases, list(thefts), found)


def _check(triggers: object, data: object) -> None:
    check_kind(data, "data", Splits, "such as wm.load_data('mnist'), after triggers and thefts")
    _check_named(triggers, "triggers", "{'words': triggers}")
    if not triggers:
        raise ValueError(
            "triggers must hold one or more trigger sets by name; got none. Make one by "
            "wm.Content()(data)."
        )
    for name, one in triggers.items():
        check_kind(one, f"triggers[{name!r}]", TriggerSet, "such as wm.Content()(data, n=300)")


def _check_named(given: object, what: str, example: str) -> None:
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{what} must be a dict by name, such as {example}; got {shown(given)}. Name each of "
            "them."
        )


def _checked(thefts: Mapping[str, AnyTheft]) -> dict[str, Theft | None]:
    """Return the thefts by name, and before them none at all."""
    _check_named(thefts, "thefts", "{'pruned': Prune(0.5)}")
    if UNTOUCHED in thefts:
        raise ValueError(
            f"thefts must not be called {UNTOUCHED!r}: that is the owner's own model. Rename it."
        )
    return {UNTOUCHED: None} | {
        name: as_theft(one, f"thefts[{name!r}]") for name, one in thefts.items()
    }


def _cases(
    triggers: Mapping[str, TriggerSet],
    seeds: Iterable[int],
    data: Splits,
    network: Network,
    cache: str | Path | None,
) -> list[_Case]:
    """Return the owners; the file of each changes its name with anything that the measurement
    depends on.
    """
    seeds = [check_seed(seed) for seed in seeds]
    cases = [_Case(name, of, seed) for name, of in triggers.items() for seed in seeds]
    if cache is None:
        return cases
    folder = Path(cache)
    folder.mkdir(parents=True, exist_ok=True)
    parts = [data.train, data.loot, data.test, data.classes]
    task = [
        fingerprint(sweep),
        fingerprint(network, "network"),
        fingerprint(parts, "data"),
    ]  # `sweep`: our version
    prints = [fingerprint([*task, case.triggers.without_key, case.seed]) for case in cases]
    return [replace(case, path=folder / f"{of_case}.json") for case, of_case in zip(cases, prints)]


def _done(jobs: list[tuple[Any, ...]]) -> Iterator[tuple[int, dict[str, Row]]]:
    """Do the jobs as `joblib.parallel_config` says, and yield each as soon as it is done."""
    import joblib

    front = sys.modules[
        "wmlearn"
    ]  # which functions of a notebook read: lazy_loader makes it a class of its own
    copyreg.pickle(type(front), lambda module: (importlib.import_module, (module.__name__,)))
    try:
        parallel = joblib.Parallel(return_as="generator_unordered")
    except (
        ValueError
    ):  # multiprocessing: it gives nothing back before all is done, and pickles no lambda
        at_once = joblib.effective_n_jobs()
        for start in range(0, len(jobs), at_once):
            some = [functools.partial(_steal, *job) for job in jobs[start : start + at_once]]
            yield from joblib.Parallel()(
                joblib.delayed(joblib.wrap_non_picklable_objects(job))() for job in some
            )
    else:
        yield from parallel(joblib.delayed(_steal)(*job) for job in jobs)


def _steal(
    place: int,
    triggers: Triggers,
    seed: int,
    thefts: dict[str, Theft | None],
    data: Splits,
    network: Network,
) -> tuple[int, dict[str, Row]]:
    """Train one owner, let the thieves at it one after another, and say what each suspect answers;
    runs in a worker.
    """
    marked = embed(network(data, seed=seed), data, triggers, seed=seed)
    _go_on(marked.history.interrupted)
    owner, context, rows = marked.model, Context.of(data, network, seed), {}
    for name, theft in thefts.items():
        deployed = (
            Deployment(BlackBox(owner), owner) if theft is None else theft.deploy(owner, context)
        )
        _go_on(deployed.interrupted)
        right = float((deployed.query(data.test.images) == data.test.labels).mean())
        labels = deployed.query(triggers.images).tolist()
        rows[name] = {"task_accuracy": right, "said": labels, **asdict(deployed.cost)}
    return place, rows


def _go_on(interrupted: bool) -> None:
    """End the sweep where a training was interrupted: training keeps what it has, and half of it is
    no result.
    """
    if interrupted:
        raise KeyboardInterrupt


def _frame(cases: list[_Case], thefts: list[str], found: list[dict[str, Row]]) -> pd.DataFrame:
    """Return every case as a row; the verdicts are made here, where the key is."""
    import pandas as pd

    rows = []
    for case, measured in zip(cases, found):
        rows += [_told(case, theft, measured[theft]) for theft in thefts]
    return pd.DataFrame(rows)


def _told(case: _Case, theft: str, row: Row) -> Row:
    """Return one row of the table: the verdict on what the suspect said, and what it cost."""
    verdict = verify(lambda _: np.array(row["said"]), case.triggers)
    about = {
        "triggers": case.name,
        "seed": case.seed,
        "theft": theft,
        "task_accuracy": row["task_accuracy"],
    }
    decided = {
        "matched": verdict.k,
        "questions": verdict.n,
        "p": verdict.p,
        "decision": verdict.decision,
    }
    return about | decided | {name: row[name] for name in ("images", "queries", "seconds")}
