"""The pages "A case, from seal to judge" and "A sweep on a cluster": each block is run."""

from __future__ import annotations

import json
import re
import sys
import types
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd

import wmlearn as wm

HOWTO = Path(__file__).parents[2] / "docs" / "howto"


def blocks(page: str) -> list[str]:
    text = (HOWTO / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)


def test_a_case_is_found_by_owner_and_judge(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    sealed, asked, named, opened, decided = blocks("case.md")
    exec(sealed, names)
    with wm.serve(names["owner"].model) as service:
        exec(asked.replace("http://localhost:8080/v2/models/m", service.url), names)
        assert (names["verdict"].decision, names["verdict"].n) == ("found", 20)
        for block in (named, opened, decided):
            exec(block, names)
        names["service"].close()
    assert (names["verdict"].decision, names["verdict"].n) == ("found", 25)
    report = json.loads(names["report"])
    assert (report["decision"], report["k"], report["n"]) == ("found", 25, 25)
    deeds = [entry.what for entry in wm.evidence.read_log("evidence")]
    assert deeds == ["began", "asked", "answered", "opened"]


def test_a_sweep_elsewhere_is_the_sweep_here(monkeypatch, tmp_path):
    """In this process: two others, and a cluster, are those of tests/extra/dask_sweep.py."""
    monkeypatch.chdir(tmp_path)
    called = []

    def client(address: str) -> Any:
        called.append(address)
        return nullcontext()

    monkeypatch.setitem(sys.modules, "distributed", types.SimpleNamespace(Client=client))
    names: dict[str, Any] = {}
    whole = wm.load_data("mnist")
    few = wm.Splits("few", *(part.take(range(300)) for part in parts_of(whole)), whole.classes)
    monkeypatch.setattr(wm, "load_data", lambda name: few)
    for block in blocks("cluster.md"):
        exec(re.sub(r'backend="\w+"(, n_jobs=2)?', 'backend="sequential"', block), names)
    assert called == ["tcp://scheduler:8786"]
    assert len(names["here"]) == 2 * (2 + 1)
    pd.testing.assert_frame_equal(names["here"], names["there"])


def parts_of(data: wm.Splits) -> list[Any]:
    return [data.train, data.loot, data.test]
