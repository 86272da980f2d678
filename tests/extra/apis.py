"""The functions of the page "Ask any service", asking the real LitServe, BentoML, Gradio and ONNX
Runtime.

Not collected by default: they have an environment of their own, a leg of `make test-all`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from beside import free_port, running
from torch import nn

import wmlearn as wm

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "services.md"
READY = {"litserve": "/health", "bentoml": "/healthz", "gradio": "/"}
LOCAL = re.compile(r"http://localhost:\d+")


def blocks(*wanted: str, address: str = "") -> list[str]:
    """Return for each of some words the one block of the page that holds them, at our address."""
    every = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    found = []
    for words in wanted:
        (block,) = [each for each in every if words in each]
        found.append(LOCAL.sub(address, block))
    return found


@pytest.fixture(scope="module")
def weights(owner: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "weights.npz"
    np.savez(path, **{name: values.numpy() for name, values in owner.state_dict().items()})
    return path


@pytest.fixture
def served(
    other_python: str, others: Path, weights: Path, tmp_path: Path
) -> Callable[[str], Iterator[str]]:
    """Return what starts a server and gives its address."""

    @contextmanager
    def serve(kind: str) -> Iterator[str]:
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        program = [str(others / "api_server.py"), kind]
        if kind == "litserve":
            program = [str(others / "litserve_api.py")]
        command = [other_python, *program, str(port), str(weights)]
        settings = {"GRADIO_ANALYTICS_ENABLED": "False", "BENTOML_DO_NOT_TRACK": "True"}
        with running(command, address + READY[kind], tmp_path, **dict(os.environ, **settings)):
            yield address

    return serve


@pytest.mark.parametrize(
    ("kind", "words"), [("litserve", 'json={"input"'), ("bentoml", "removeprefix")]
)
def test_asked_one_by_one(kind, words, served, triggers, own_labels) -> None:
    with served(kind) as address, httpx.Client(timeout=10) as client:
        names = {"wm": wm, "triggers": triggers, "client": client}
        code = blocks("def png", words, address=address)
        code[0] = code[0].partition("client = ")[0]  # what makes a picture, not what uploads it
        for block in code:
            exec(block.replace("client = httpx.Client(timeout=10)", ""), names)
        verdict = names["verdict"]
        assert (verdict.k, verdict.n) == (30, 30)
        labels = names["suspect"](triggers.images[:20])
    np.testing.assert_array_equal(labels, own_labels[:20])


@pytest.fixture
def there(
    other_python: str, others: Path, triggers: wm.evidence.TriggerSet, tmp_path: Path
) -> Callable[..., np.ndarray]:
    """Return what runs blocks of the page in the other environment and gives their answers."""

    def answers(code: list[str], *more: object) -> np.ndarray:
        (tmp_path / "blocks.json").write_text(json.dumps(code))
        np.save(tmp_path / "images.npy", triggers.images)
        command = [other_python, others / "run_howto.py", "blocks.json", "images.npy", *more]
        done = subprocess.run(
            list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return np.array(json.loads(done.stdout))

    return answers


def test_gradio(served, there, triggers, own_labels) -> None:
    with served("gradio") as address:
        code = blocks("def png", "gradio_client", address=address)
        code[0] = code[0].partition("client = ")[0]
        labels = there(code)
    np.testing.assert_array_equal(labels, own_labels)
    assert wm.verify(lambda images: labels, triggers).k == 30


def test_black_boxes_of_all_kinds(
    other_python: str, others: Path, weights: Path, triggers: wm.evidence.TriggerSet, tmp_path: Path
) -> None:
    folder = wm.evidence.save_evidence(triggers, tmp_path / "evidence")
    command = [other_python, others / "black_boxes.py", folder, weights]
    done = subprocess.run(
        list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert len(found) == 6
    for name, what in found.items():
        assert (what["k"], what.get("agree", 1)) == (30, 1), name
    assert "0x" not in found["a filter"]["repr"]


def test_onnx_runtime(there, weights: Path, triggers, own_labels) -> None:
    labels = there(blocks("onnxruntime"), weights)
    np.testing.assert_array_equal(labels, own_labels)
    assert wm.verify(lambda images: labels, triggers).k == 30
