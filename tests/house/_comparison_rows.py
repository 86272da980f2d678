"""The cheapest row of each file in `docs/results`, computed anew by the benchmark's own functions.

Each function measures one row and returns its columns by name, those that say which row it is among
them. Clock times are left out. `threads.csv`, `gpu.csv`, `growth.csv` and `bench.csv` hold nothing
else, `nulls_on_demand.csv` is measured anew as a whole when networks are trained another way, and
each row of `tilt.csv` begins with ten references: none of these has a row here. `python
tests/house/_comparison.py --rows` computes all of them; where there is no full data set, only those
that can do without.
"""

from __future__ import annotations

import csv
import importlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import wmlearn as wm
from wmlearn import zoo
from wmlearn.data import _published

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
LEFT_OUT = {
    "threads",
    "gpu",
    "growth",
    "bench",
    "nulls_on_demand",
    "tilt",
    "tilt_innocents",
    "paper",
    "classroom",
    "reproduce",
}
CLOCK = {"seconds", "cpu_seconds"}
Row = dict[str, str]


@dataclass(frozen=True)
class Cheap:
    """How one row is measured, and what it takes.

    Attributes
    ----------
    file : of `docs/results`, without its ending
    case : the columns that say which row it is
    measure : returns the columns of the row
    full : whether it needs the full data sets
    learns : whether a network is trained: then the last digits belong to one machine
    """

    file: str
    case: tuple[str, ...]
    measure: Callable[[], dict[str, Any]]
    full: bool = False
    learns: bool = True


def script(name: str) -> ModuleType:
    """Return a benchmark or a tool as a module: they are scripts, and no part of the package."""
    for folder in ("tools", "benchmarks"):
        if str(ROOT / folder) not in sys.path:
            sys.path.append(
                str(ROOT / folder)
            )  # where a script finds what it shares with the others
    return importlib.import_module(name)


def as_written(row: dict[str, Any]) -> Row:
    """Return the columns as a CSV file holds them, without clock times."""
    return {
        name: "" if value is None else str(value)
        for name, value in row.items()
        if name not in CLOCK
    }


def committed(file: str) -> list[Row]:
    """Return all rows of a file, without clock times."""
    with (RESULTS / f"{file}.csv").open(encoding="utf-8", newline="") as lines:
        return [as_written(row) for row in csv.DictReader(line for line in lines if line[0] != "#")]


# ---------------------------------------------------------------- one function for each file


def countermeasures() -> dict[str, Any]:
    """Measure what wrong answers cost the customers of an unmarked network."""
    case = {"owner": "dawn", "seed": "0", "theft": "customers", "strength": ""}
    return case | script("countermeasures").measure(case)


def design() -> dict[str, Any]:
    """Measure the owner's own model, at which no thief has been."""
    case = {"marks": "noise", "seed": 0, "theft": "none"}
    with patch.object(script("design"), "catalogue", lambda kind: {}):
        return case | script("design").measure(**case)


def dishonest_owner() -> dict[str, Any]:
    """Measure an honest owner, whose own copy is one that ships."""
    study = script("dishonest_owner")
    what, effort, rules, worth = next(study.none(study.Scene("mnist", [], []), "content"))
    case = {"data": "mnist", "trigger": "content", "trick": what, "effort": effort, "rules": rules}
    return case | {"innocents": 0} | worth


def embedding() -> dict[str, Any]:
    """Embed noise into a fresh network."""
    case = {"trigger": "Noise", "labels": "keyed", "seed": 0, "start": "scratch"}
    return case | script("embedding").measure(**case)


def false_alarms() -> dict[str, Any]:
    """Count what null models say to triggers whose target was chosen: the wrong rule."""
    study = script("false_alarms")
    level = 0.05 / sum(row["rule"] in study.RIGHT for row in committed("false_alarms"))
    return next(study.fixed_target("cifar10", "unrelated", wm.null_models("cifar10"))).record(level)


def power() -> dict[str, Any]:
    """Measure a model that ships, as it was taken."""
    case = {"data": "mnist", "trigger": "content", "owner": "shipped", "lr": 0.0, "seed": 0}
    return case | script("power").measure(**case)


def procedure() -> dict[str, Any]:
    """Try to seal an alpha that convinces nobody."""
    study = script("procedure")
    case = next(study.forged_alpha())
    row = dict(zip(study.CASE, (*case[:3], case.alphas[0])))
    return row | study.measured(case, row)


def source_share() -> dict[str, Any]:
    """Train on the union of the task and very few triggers."""
    case = {"trigger": "Content", "share": 0.01, "seed": 0}
    return case | script("source_share").measure(**case)


def thefts() -> dict[str, Any]:
    """Measure a model that ships, at which no thief has been."""
    study = script("thefts")
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(study, "RESULTS", Path(folder) / "thefts.csv"),
    ):
        with (
            patch.object(study, "TRIGGERS", {"content": wm.Content}),
            patch.object(study, "cheap", dict),
        ):
            study.write([study.shipped()])
        lines = study.RESULTS.read_text(encoding="utf-8").splitlines()[1:]
    return next(csv.DictReader(lines))


def three_types() -> dict[str, Any]:
    """Ask a clean model that ships about words it was never marked with."""
    study = script("three_types")
    case = next(case for case in study.cases(["mnist"]) if case["model"] == "mnist/clean")
    return case | study.measure(study.taken(case), case["data"], case["trigger"], case["labels"])


def tribunal() -> dict[str, Any]:
    """Make a case, and play both plans in it."""
    case = {"case": 1}
    return case | script("tribunal").measure(case)


def whitebox() -> dict[str, Any]:
    """Read a message in a null model, which has none."""
    case = {"network": "small 8", "bits": "64", "seed": "0", "theft": "null model", "strength": "0"}
    return case | script("whitebox").measure(case)


def whitebox_learnt() -> dict[str, Any]:
    """Read a message where it was embedded."""
    case = {"network": "small 12", "bits": "64", "seed": "0", "theft": "none", "strength": ""}
    return case | script("whitebox").measure(case)


def zoo_again() -> dict[str, Any]:
    """Train a null model anew, and save it elsewhere."""
    tool = script("zoo")
    recipe = next(recipe for recipe in tool.RECIPES if recipe.name == "mnist/null-00")
    with tempfile.TemporaryDirectory() as folder, patch.object(zoo, "SHIPPED", Path(folder)):
        return tool.make(recipe)


def zoo_shipped() -> dict[str, Any]:
    """Measure a marked model as it ships, and seal its triggers anew; how it was trained stands in
    the recipe.
    """
    tool = script("zoo")
    recipe = next(recipe for recipe in tool.RECIPES if recipe.name == "mnist/content")
    model, triggers, path = (
        wm.load_model(recipe.name),
        tool.triggers_of(recipe),
        zoo.SHIPPED / f"{recipe.name}.safetensors",
    )
    right = (triggers.answer(wm.BlackBox(model)(triggers.images)) == triggers.answers).mean()
    return {
        "model": recipe.name,
        "triggers": repr(recipe.triggers),
        "images": recipe.n,
        "seal": triggers.seal,
        "task_accuracy": f"{wm.accuracy(model, wm.load_data(recipe.data, size='full').test):.4f}",
        "watermark_accuracy": f"{right:.4f}",
        "bytes": path.stat().st_size,
        "sha256": zoo.digest(path),
    }


CHEAP = [
    Cheap("countermeasures", ("owner", "seed", "theft", "strength"), countermeasures, full=True),
    Cheap("design", ("marks", "seed", "theft"), design),
    Cheap(
        "dishonest_owner",
        ("data", "trigger", "trick", "effort", "rules"),
        dishonest_owner,
        learns=False,
    ),
    Cheap("embedding", ("trigger", "labels", "seed", "start"), embedding),
    Cheap(
        "false_alarms",
        ("data", "trigger", "suspects", "rule", "alpha", "target"),
        false_alarms,
        learns=False,
    ),
    Cheap("power", ("data", "trigger", "owner", "lr", "seed"), power, learns=False),
    Cheap("procedure", ("liar", "setting", "reader", "alpha"), procedure, learns=False),
    Cheap("source_share", ("trigger", "share", "seed"), source_share),
    Cheap(
        "thefts",
        ("data", "marks", "labels", "theft", "strength", "seed"),
        thefts,
        full=True,
        learns=False,
    ),
    Cheap(
        "three_types",
        ("data", "trigger", "labels", "model", "loot"),
        three_types,
        full=True,
        learns=False,
    ),
    Cheap("tribunal", ("case",), tribunal),
    Cheap("whitebox", ("network", "bits", "seed", "theft", "strength"), whitebox, learns=False),
    Cheap("whitebox", ("network", "bits", "seed", "theft", "strength"), whitebox_learnt),
    Cheap("zoo", ("model",), zoo_again, full=True),
    Cheap("zoo", ("model",), zoo_shipped, full=True, learns=False),
]


# ---------------------------------------------------------------- comparing


def has_full_data() -> bool:
    """Return whether the full data sets have been fetched."""
    return _published.data_folder().exists() and any(_published.data_folder().glob("cifar10*"))


def before(cheap: Cheap, now: Row) -> Row:
    """Return the row of the file that stands for the same case, cut down to the columns that were
    measured.
    """
    (row,) = (
        row for row in committed(cheap.file) if all(row[name] == now[name] for name in cheap.case)
    )
    return {name: row[name] for name in row if name in now}


def rows() -> Iterator[tuple[str, Row, Row, float]]:
    """Yield for each cheap row its name, what stands in the file, what it is now, and the seconds
    it took.
    """
    for cheap in CHEAP:
        if cheap.full and not has_full_data():
            continue
        began = time.perf_counter()
        now = as_written(cheap.measure())
        name = " ".join([f"{cheap.file}:", *(now[column] for column in cheap.case)])
        yield name, before(cheap, now), now, time.perf_counter() - began
