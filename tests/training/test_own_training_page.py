"""The page "Your own training": its blocks are run, one after another, as somebody would.

What needs a package that is not installed here runs where it is: `pip install lightning
transformers accelerate`.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import wmlearn as wm

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "own_training.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.usefixtures("one_thread")


def own_network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(784, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    )


@pytest.fixture(scope="module")
def place():
    """Return the names that the blocks share; what the first of them make is there."""
    mnist = wm.load_data("mnist")
    data = wm.Splits("own", mnist.train.take(slice(800)), mnist.loot, mnist.test, mnist.classes)
    names = {"wm": wm, "np": np, "torch": torch, "functools": functools}
    names |= {"data": data, "own_network": own_network}
    with torch.random.fork_rng(devices=[]):
        yield names


def run(names: dict, first: str) -> dict:
    """Run the one block in which these words stand, and return the names."""
    (block,) = [each for each in BLOCKS if first in each]
    exec(compile(block, str(PAGE), "exec"), names)
    return names


@pytest.fixture(scope="module")
def looped(place):
    run(place, "triggers = wm.Content(")
    return run(place, "optimizer.zero_grad()")


def test_ones_own_loop_marks_a_network(looped):
    assert looped["verdict"].decision == "found"
    assert wm.accuracy(looped["model"], looped["data"].test) > 0.75
    share = 2 * len(looped["triggers"].images) / len(looped["data"].train)
    assert 0.15 < share < 0.4


def test_optimizer_precision_file_and_witnesses(looped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WMLEARN_DATA", str(tmp_path))
    assert run(looped, "functools.partial(")["owner"].watermark_accuracy == 1
    assert run(looped, "autocast=")["owner"].watermark_accuracy == 1
    again = run(looped, "save_model(")["again"]
    images = looped["data"].test.images[:50]
    owner = looped["owner"].model
    assert np.array_equal(wm.BlackBox(again)(images), wm.BlackBox(owner)(images))
    verdict = run(looped, "null_models(")["verdict"]
    assert len(looped["nulls"]) == 20
    assert verdict.decision != "found"  # the owner's network was never taught these


@pytest.mark.filterwarnings("default")  # what they warn of is their own affair
@pytest.mark.parametrize("package", ["lightning", "transformers"])
def test_other_peoples_trainers(looped, package, tmp_path, monkeypatch):
    if importlib.util.find_spec(package) is None:
        assert any(f"{package}." in block for block in BLOCKS)
        return
    monkeypatch.chdir(tmp_path)
    looped[package] = importlib.import_module(package)
    assert run(looped, f"{package}.")["verdict"].decision == "found"
