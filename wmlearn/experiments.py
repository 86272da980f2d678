"""Many owners, many thieves: every combination measured once, kept, and put into one table."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn
from tqdm.auto import tqdm

from wmlearn import commitment
from wmlearn._checks import check_kind, check_query, check_seed, shown
from wmlearn._types import Query
from wmlearn.blackbox import BlackBox
from wmlearn.data import Splits
from wmlearn.embedding import embed
from wmlearn.models import small_cnn
from wmlearn.questions import TriggerSet
from wmlearn.theft import Overwrite, StealByQueries, Surrogate
from wmlearn.theft.modify import Modification
from wmlearn.verification import verify

if TYPE_CHECKING:
    import pandas as pd

Theft = Callable[..., Any]  # what `wm.theft` holds: modifications, imitations, wrappers around a black box
Network = Callable[..., nn.Module]  # `wm.small_cnn`, `wm.deep_cnn`, or one like them
Row = dict[str, Any]  # what is measured of one theft: numbers, and what the suspect said to the triggers
UNTOUCHED = "none"  # the owner's model itself, measured beside what thieves make of it


@dataclass(frozen=True)
class _Case:
    """One owner: which triggers, which seed; and where his rows are kept."""

    name: str
    marks: TriggerSet
    seed: int
    path: Path | None

    def rows(self) -> dict[str, Row]:
        """Return what was measured before, by the repr of the theft."""
        there = self.path is not None and self.path.exists()
        return json.loads(self.path.read_text(encoding="utf-8")) if there else {}

    def keep(self, rows: dict[str, Row]) -> None:
        """Write all rows of this owner, whole or not at all."""
        if self.path is not None:
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps(rows, sort_keys=True), encoding="utf-8")
            part.replace(self.path)


def sweep(
    marks: Mapping[str, TriggerSet],
    thefts: Mapping[str, Theft],
    data: Splits,
    *,
    seeds: Iterable[int] = range(5),
    network: Network = small_cnn,
    cache: str | Path | None = None,
) -> pd.DataFrame:
    """Mark a network for each trigger set and seed, let every thief at it, and return what is left, one row a theft.

    Owners are trained side by side as `joblib.parallel_config` says (one after another when it says nothing), also on a
    cluster. The key stays here: workers get the images with their answers, and send back what each suspect said.

    Parameters
    ----------
    marks : sealed trigger sets by name
    thefts : thefts by name, such as `{"pruned": wm.theft.Prune(0.5)}`; one that has a seed gets that of the owner
    data : the task
    seeds : of the owner's network, of its training, and of the thief
    network : makes an untrained network from data and seed; an imitator starts from another one of the same kind
    cache : a folder that keeps every finished owner, so that an interrupted sweep goes on where it was

    Returns
    -------
    A frame with one row a theft: marks, seed, theft ("none": the owner's own model), task_accuracy (0 to 1), matched
    and questions, p (anytime; missing with fixed labels), decision, and what it cost: images, queries, seconds.

    Raises
    ------
    TypeError, ValueError
        If marks, thefts or data are something else.

    Examples
    --------
    >>> import wmlearn as wm
    >>> full = wm.load_data("mnist")
    >>> few = wm.Splits("few", *(part.take(slice(300)) for part in (full.train, full.loot, full.test)), full.classes)
    >>> marks = {"words": wm.Content(words=5)(few, n=10, key=wm.CLASSROOM_KEY)}
    >>> wm.sweep(marks, {"pruned": wm.theft.Prune(1)}, few, seeds=[0]).theft.tolist()
    ['none', 'pruned']
    """
    import joblib

    _check(marks, thefts, data)
    thefts = {UNTOUCHED: None, **thefts}
    cases = [_case(name, of, seed, data, network, cache) for name, of in marks.items() for seed in seeds]
    found = {case: case.rows() for case in cases}
    named = {repr(theft): _packed(theft) for theft in thefts.values()}
    work = {case: {name: theft for name, theft in named.items() if name not in found[case]} for case in cases}
    jobs = [
        joblib.delayed(_steal)(place, _without_key(case.marks), case.seed, work[case], data, network)
        for place, case in enumerate(cases)
        if work[case]
    ]
    hidden = bool(os.environ.get("TQDM_DISABLE"))  # the bar for notebooks does not look at it
    with tqdm(total=len(jobs), desc="owners and their thieves", leave=False, disable=hidden) as bar:
        for place, rows in joblib.Parallel(return_as="generator_unordered")(jobs):
            found[cases[place]] |= rows
            cases[place].keep(found[cases[place]])
            bar.update()
    return _frame(thefts, found)


def _check(marks: object, thefts: object, data: object) -> None:
    check_kind(data, "data", Splits, "such as wm.load_data('mnist'), after marks and thefts")
    for given, what, example in ((marks, "marks", "{'words': marks}"), (thefts, "thefts", "{'pruned': Prune(0.5)}")):
        if not isinstance(given, Mapping):
            raise TypeError(f"{what} must be a dict by name, such as {example}; got {shown(given)}. Name each of them.")
    if not marks:
        raise ValueError("marks must hold one or more trigger sets by name; got none. Make one by wm.Content()(data).")
    for name, one in marks.items():
        check_kind(one, f"marks[{name!r}]", TriggerSet, "such as wm.Content()(data, n=300)")
    for name, one in thefts.items():
        check_query(one, f"thefts[{name!r}]")
        if name == UNTOUCHED:
            raise ValueError(f"thefts must not be called {UNTOUCHED!r}: that is the owner's own model. Rename it.")


def _case(name: str, marks: TriggerSet, seed: int, data: Splits, network: Network, cache: str | Path | None) -> _Case:
    """Return one owner, with a file name that changes when anything does that the measurement depends on."""
    check_seed(seed)
    if cache is None:
        return _Case(name, marks, seed, None)
    parts = [part.pixels.tobytes() + part.labels.tobytes() for part in (data.train, data.loot, data.test)]
    about = {"seal": marks.seal, "seed": seed, "network": getattr(network, "__qualname__", repr(network))}
    about |= {"data": [hashlib.sha256(part).hexdigest() for part in parts]}
    folder = Path(cache)
    folder.mkdir(parents=True, exist_ok=True)
    return _Case(name, marks, seed, folder / f"{hashlib.sha256(commitment.canonical(about)).hexdigest()[:32]}.json")


def _without_key(marks: TriggerSet) -> dict[str, Any]:
    """Return the parts of a trigger set that a worker may see: all but the key."""
    parts = {field.name: getattr(marks, field.name) for field in fields(marks)}
    return parts | {"header": dict(marks.header), "key": b""}


def _packed(theft: Theft | None) -> Any:
    """Return a theft as it is sent to a worker: a thief's own trigger set goes without its key, too."""
    if isinstance(theft, Overwrite):
        return type(theft), vars(theft) | {"marks": _without_key(theft.marks)}
    return theft


def _unpacked(sent: Any) -> Theft | None:
    """Return the theft again, in the worker."""
    if isinstance(sent, tuple):
        make, parts = sent
        return make(**parts | {"marks": TriggerSet(**parts["marks"])})
    return sent


def _steal(
    place: int, parts: Row, seed: int, thefts: dict[str, Any], data: Splits, network: Network
) -> tuple[int, dict[str, Row]]:
    """Train one owner, let the thieves at it one after another, and say what each suspect answers; runs in a worker."""
    marks = TriggerSet(**parts)
    owner = embed(network(data, seed=seed), data, marks, seed=seed).model
    rows = {}
    for name, sent in thefts.items():
        query, cost = _deployed(_unpacked(sent), owner, seed, data, network)
        right = float((query(data.test.images) == data.test.labels).mean())
        rows[name] = {"task_accuracy": right, "said": query(marks.images).tolist(), **cost}
    return place, rows


def _deployed(theft: Theft | None, owner: nn.Module, seed: int, data: Splits, network: Network) -> tuple[Query, Row]:
    """Return what the thief puts on the network, as a black box, and what it cost him."""
    service, free = BlackBox(owner), {"images": 0, "queries": 0, "seconds": 0.0}
    if theft is None:
        return service, free
    if is_dataclass(theft) and "seed" in {field.name for field in fields(theft)}:
        theft = replace(theft, seed=seed)
    if isinstance(theft, StealByQueries):
        open_service = BlackBox(owner, scores=theft.labels == "soft")
        made = theft(open_service, network(data, seed=(seed + 1000) % 2**32), data.loot)
    else:
        made = theft(owner if isinstance(theft, Modification) else service, data.loot)
    if not isinstance(made, Surrogate):
        return made, free
    return BlackBox(made.model), {name: getattr(made, name) for name in free}


def _frame(thefts: Mapping[str, Theft | None], found: Mapping[_Case, dict[str, Row]]) -> pd.DataFrame:
    """Return every case as a row; the verdicts are made here, where the key is."""
    import pandas as pd

    rows = [
        _told(case, name, measured[repr(theft)]) for case, measured in found.items() for name, theft in thefts.items()
    ]
    return pd.DataFrame(rows)


def _told(case: _Case, theft: str, row: Row) -> Row:
    """Return one row of the table: the verdict on what the suspect said, and what it cost."""
    verdict = verify(lambda _: np.array(row["said"]), case.marks)
    about = {"marks": case.name, "seed": case.seed, "theft": theft, "task_accuracy": row["task_accuracy"]}
    decided = {"matched": verdict.k, "questions": verdict.n, "p": verdict.p, "decision": verdict.decision}
    return about | decided | {name: row[name] for name in ("images", "queries", "seconds")}
