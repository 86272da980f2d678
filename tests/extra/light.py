"""The wheel alone, in an environment without torch, server and widgets: small, and whoever verifies
or judges misses nothing.

Not collected by default: it has an environment of its own, a leg of `make test-all`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from torch import nn

import wmlearn as wm

MOST_MB = 500
HEAVY = {"torch", "torchvision", "starlette", "uvicorn", "ipywidgets", "jupyterlab"}


def run(other_python: str, folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run the other Python where nothing of the checkout is found."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [other_python, *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, cwd=folder, env=clean)


def test_it_is_small(other_python: str, measured: object, tmp_path: Path) -> None:
    place = run(other_python, tmp_path, "-c", "import sysconfig as s; print(s.get_path('purelib'))")
    packages = Path(place.stdout.strip())
    files = [path for path in packages.rglob("*") if path.is_file()]
    megabytes = sum(path.stat().st_blocks for path in files) * 512 / 2**20
    measured("the light core, MB", round(megabytes))
    assert megabytes < MOST_MB
    assert not HEAVY & {path.name for path in packages.iterdir()}


def test_all_that_needs_no_network_of_neurons_is_there(
    other_python: str,
    others: Path,
    owner: nn.Module,
    triggers: wm.evidence.TriggerSet,
    measured: object,
    tmp_path: Path,
) -> None:
    with wm.serve(owner) as service:
        done = run(other_python, tmp_path, others / "light_core.py", service.url)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    measured("seconds in the light core", said["seconds"])
    assert said["seal"] == triggers.seal
    assert said["labels"] == triggers.labels.tolist()
    assert said["found"] == {"function": 30, "service": 30, "opened": 30, "judge": 20}
    assert said["lab"] == [30, 0, 30]
    assert said["missing"]["wmlearn.fit"].endswith('pip install "wmlearn[train]".')
    assert said["missing"]["serve"].endswith('pip install "wmlearn[train]".')
    assert said["missing"]["wmlearn.EmbeddingLab"].endswith('pip install "wmlearn[lab]".')
    assert said["missing"]["Predict"].endswith('pip install "wmlearn[lab]".')
    assert said["missing"]["VerificationLab"].endswith('pip install "wmlearn[lab]".')
    assert said["missing"]["court"].endswith('pip install "wmlearn[court]".')


@pytest.mark.parametrize("command", ["verify", "judge"])
def test_the_command_line_finds_the_marked_model(
    command: str,
    other_python: str,
    owner: nn.Module,
    triggers: wm.evidence.TriggerSet,
    tmp_path: Path,
) -> None:
    wm.evidence.save_evidence(triggers, tmp_path / "evidence")
    arguments = ["evidence"]
    if command == "judge":
        named = wm.evidence.challenge(triggers.seal, b"dice", questions=30, count=20)
        opened = wm.evidence.open_questions(triggers, named)
        opened.save(tmp_path / "opened")
        arguments = ["opened", "--seal", triggers.seal, "--named", ",".join(map(str, named))]
    with wm.serve(owner) as service:
        words = ("-m", "wmlearn.cli", command, service.url, *arguments, "--json")
        done = run(other_python, tmp_path, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["k"] == (20 if command == "judge" else 30)
