"""Other people's clients of the protocol, with their defaults, against `wm.serve`.

Not collected by default: each client has an environment of its own, a leg of `make test-all`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from torch import nn

import wmlearn as wm
from wmlearn.service.server import Service

IMAGES = {"name": "images", "datatype": "UINT8", "shape": [-1, 1, 28, 28]}
LABELS = {"name": "labels", "datatype": "INT64", "shape": [-1]}


@pytest.fixture(scope="module", params=[False, True], ids=["labels", "scores"])
def service(request: pytest.FixtureRequest, owner: nn.Module) -> Iterator[Service]:
    options = wm.ServiceOptions(scores=request.param)
    with wm.serve(owner, name="owner", options=options) as running:
        yield running


@pytest.fixture
def pixels(triggers: wm.evidence.TriggerSet, tmp_path: Path) -> Path:
    """Return a file with the triggers, 0 to 255."""
    np.save(tmp_path / "pixels.npy", triggers.pixels)
    return tmp_path / "pixels.npy"


def output(*command: object) -> dict:
    """Return what a client prints, or fail with what it complains of."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_tritonclient(service: Service, other_python, others, pixels, owner, triggers, own_labels):
    asking = others / "ask_by_tritonclient.py"
    before = service.queries
    found = output(other_python, asking, urlsplit(service.url).netloc, "owner", pixels)
    assert found["live"]
    assert found["ready"] == [True, True, False]  # the model, its version 1, its version 2
    assert found["server"]["extensions"] == ["binary_tensor_data"]
    model = found["model"]
    assert (model["versions"], model["inputs"], model["outputs"][0]) == (["1"], [IMAGES], LABELS)
    assert found["version 1"] == model
    assert found["id"] == "request-17"
    for way, labels in found["labels"].items():
        assert labels == own_labels.tolist(), way
    assert found["aio"] == [own_labels.tolist()] * 3
    ways = len(found["labels"]) + len(found["aio"])
    if len(model["outputs"]) == 1:
        assert found["refused"][0] == "400"
        assert service.queries - before == ways * 150 + 1
    else:
        expected = wm.BlackBox(owner, scores=True).scores(triggers.images)
        np.testing.assert_array_equal(np.float32(found["scores"]), expected)
        assert not found["more than the wish"]
        assert service.queries - before == (ways + 1) * 150 + 1
    assert {request.datatype for request in service.log} == {"UINT8", "FP16", "FP32", "FP64"}


def test_kserve(service: Service, other_python, others, pixels, own_labels):
    address = service.url.partition("/v2/")[0]
    found = output(other_python, others / "ask_by_kserve.py", address, "owner", pixels)
    assert found["ready"]
    assert found["labels"] == [own_labels.tolist()] * 2
