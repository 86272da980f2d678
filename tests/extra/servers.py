"""The same shipped model behind MLServer and KServe's server for Python, in the manners in which
people set them up: whoever says what the metadata leave out finds the watermark.

Not collected by default: each server has an environment of its own, a leg of `make test-all`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from beside import free_port, running
from others.network import MANNERS
from torch import nn

import wmlearn as wm

DIGITS = [f"digit-{number}" for number in range(10)]
NAMED = {"input": "images", "output": "predict"}

# What is to be said to be answered rightly, in each manner
SAID: dict[str, dict] = {
    "fp32": {},
    "uint8": {},
    "flat": {},
    "fp16": {},
    "column": {},
    "scores": {},
    "maps": {},
    "latency": {"output": "predict"},
    "undeclared": {**NAMED, "datatype": "FP32", "layout": "NCHW"},
    "undeclared-scores": {**NAMED, "datatype": "FP16", "layout": "NHWC"},
    "nhwc-255": {"layout": "NHWC", "encode": lambda images: images * 255},
    "normalised": {"encode": lambda images: (images - np.float32(0.13)) / np.float32(0.31)},
    "names": {"decode": lambda texts: np.array([DIGITS.index(each) for each in texts.ravel()])},
    "top-3": {"decode": lambda best: best[:, 0]},
}


@pytest.fixture(scope="module", params=["mlserver", "kserve"])
def models(
    request: pytest.FixtureRequest,
    other_python: str,
    owner: nn.Module,
    others: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Yield the address of the models of one server, without their names."""
    folder = tmp_path_factory.mktemp(request.param)
    weights = folder / "weights.npz"
    np.savez(weights, **{name: values.numpy() for name, values in owner.state_dict().items()})
    port = free_port()
    command = [other_python, str(others / "kserve_server.py"), str(port), str(weights)]
    if request.param == "mlserver":
        write_settings(folder, port, weights)
        command = [other_python, "-c", "from mlserver.cli import main; main()", "start", "."]
    environment = dict(os.environ, PYTHONPATH=str(others))
    server = f"http://127.0.0.1:{port}/v2"
    with running(command, f"{server}/models/fp32", folder, **environment):
        yield f"{server}/models"


def write_settings(folder: Path, port: int, weights: Path) -> None:
    """Write a repository of models as MLServer reads it."""
    settings = {"host": "127.0.0.1", "http_port": port, "parallel_workers": 0}
    settings |= {"grpc_port": free_port(), "metrics_port": free_port()}
    (folder / "settings.json").write_text(json.dumps(settings))
    for name, manner in MANNERS.items():
        model = {"name": name, "implementation": "mlserver_runtime.Shipped"}
        model["parameters"] = {"uri": str(weights)}
        if manner.declared:
            model["inputs"] = [manner.described_input]
            model["outputs"] = manner.described_outputs
        (folder / name).mkdir()
        (folder / name / "model-settings.json").write_text(json.dumps(model))


def test_every_manner_is_asked() -> None:
    assert SAID.keys() == MANNERS.keys()


@pytest.mark.parametrize("manner", SAID)
def test_found_behind(
    manner: str, models: str, triggers: wm.evidence.TriggerSet, own_labels: np.ndarray
) -> None:
    with wm.RemoteModel(f"{models}/{manner}", **SAID[manner]) as suspect:
        verdict = wm.verify(suspect, triggers)
        assert (verdict.k, verdict.n) == (30, 30)
        np.testing.assert_array_equal(suspect(triggers.images), own_labels)
        assert suspect.faults == []
        assert suspect.queries == 2 * len(triggers.images)


@pytest.mark.parametrize(
    ("manner", "missing"), [("undeclared", "input="), ("names", "decode="), ("top-3", "decode=")]
)
def test_nothing_is_guessed(
    manner: str, missing: str, models: str, triggers: wm.evidence.TriggerSet
) -> None:
    """What the metadata leave open is asked of the user, by the name of the parameter."""
    with (
        wm.RemoteModel(f"{models}/{manner}") as suspect,
        pytest.raises(ValueError, match="=") as raised,
    ):
        suspect(triggers.images[:1])
    assert missing in str(raised.value)
    assert "Compare the address" not in str(raised.value)  # it is right
    assert suspect.n_unreachable == 0


def test_one_image_after_another(
    models: str, triggers: wm.evidence.TriggerSet, own_labels: np.ndarray
) -> None:
    with wm.RemoteModel(f"{models}/fp32", batch=1) as suspect:
        np.testing.assert_array_equal(suspect(triggers.images[:20]), own_labels[:20])


def test_a_model_that_is_not_there(models: str, triggers: wm.evidence.TriggerSet) -> None:
    with wm.RemoteModel(f"{models}/other") as suspect, pytest.raises(ValueError, match="404"):
        suspect(triggers.images[:1])
