"""A sweep on a cluster gives the numbers it gives here: a local Dask cluster, two workers in
processes of their own.

Not collected by default: Dask has an environment of its own, a leg of `make test-all`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import joblib
import numpy as np
import pandas as pd
import pytest
from torch import nn

import wmlearn as wm

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Shift(wm.theft.Theft):
    """A theft of one's own."""

    pixels: int

    def deploy(self, owner: nn.Module, context: wm.theft.Context) -> wm.theft.Deployment:
        service = wm.BlackBox(owner)
        return wm.theft.Deployment(
            lambda images: service(np.roll(images, self.pixels, axis=-1)), owner
        )


THEFTS = {
    "pruned": wm.theft.Prune(0.7),
    "tuned": wm.theft.FineTune(epochs=1, lr=5e-3),
    "imitated": wm.theft.StealByQueries(n_queries=200, schedule=wm.Schedule(epochs=2)),
    "distilled": wm.theft.StealByQueries(
        n_queries=200, labels="soft", schedule=wm.Schedule(epochs=2)
    ),
    "filtered": wm.theft.RejectUnusual(),
    "shifted": Shift(4),
    "darkened": lambda query, loot: lambda images: query(images / 2),
}


@pytest.fixture(scope="module")
def few() -> wm.Splits:
    mini = wm.load_data("mnist")
    return wm.Splits(
        "few", *(part.take(slice(600)) for part in (mini.train, mini.loot, mini.test)), mini.classes
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    from distributed import (
        Client,
        LocalCluster,
    )  # here: doctests are looked for in this file everywhere

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as local,
        Client(local) as client,
    ):
        yield client


def swept(few: wm.Splits, cache: Path | None = None) -> pd.DataFrame:
    triggers = {
        "words": wm.Content(words=10)(few, n=30, key=wm.CLASSROOM_KEY),
        "one word": wm.Content(labels="fixed")(few, n=20, key=wm.CLASSROOM_KEY),
    }
    thief_triggers = wm.Noise()(few, n=10, key=bytes(32))
    thefts = THEFTS | {"overwritten": wm.theft.Overwrite(thief_triggers, epochs=1)}
    return wm.sweep(triggers, thefts, few, seeds=[0, 1], cache=cache).drop(columns="seconds")


def test_a_cluster_gives_the_same_numbers(few: wm.Splits, cluster: Client, tmp_path: Path) -> None:
    here = swept(few)
    with joblib.parallel_config(backend="dask"):
        existing = swept(few, cache=tmp_path)
    pd.testing.assert_frame_equal(here, existing)
    pd.testing.assert_frame_equal(here, swept(few, cache=tmp_path))  # read, not measured again
    assert len(here) == 2 * 2 * (len(THEFTS) + 2)


def test_it_was_the_cluster_that_worked(few: wm.Splits, cluster: Client) -> None:
    """Otherwise the test above would compare this process with itself."""
    with joblib.parallel_config(backend="dask"):
        places = joblib.Parallel(return_as="generator_unordered")(
            joblib.delayed(os.getpid)() for _ in range(4)
        )
        assert os.getpid() not in set(places)


def test_the_page_is_right_on_a_cluster(
    few: wm.Splits, cluster: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wm, "load_data", lambda name: few)
    page = Path(__file__).parents[2] / "docs" / "howto" / "cluster.md"
    code = "".join(re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S))
    address = cluster.scheduler.address
    code = code.replace("tcp://scheduler:8786", address).replace('cache="swept"', "cache=None")
    names: dict[str, pd.DataFrame] = {}
    exec(code, names)
    here, there = (names[each].drop(columns="seconds") for each in ("here", "there"))
    pd.testing.assert_frame_equal(here, there)
