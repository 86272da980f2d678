"""tasks.py as a module, and a machine on which nothing is really installed."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def tasks(root, tmp_path, monkeypatch):
    """Return tasks.py as a module, at home in an empty folder with a pyproject.toml."""
    spec = importlib.util.spec_from_file_location("tasks_under_test", root / "tasks.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "DEVICES", tmp_path / "dev")
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    monkeypatch.setenv("WMLEARN_TORCH", "pypi")
    for name in ("WMLEARN_TORCH_INDEX", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(root / "pyproject.toml", tmp_path)
    return module


class Machine:
    """Stands in for subprocess: notes every command, makes the environment appear, fails where it
    is told to.
    """

    PIPE = subprocess.PIPE

    def __init__(self, folder: Path) -> None:
        self.folder, self.commands, self.pips, self.pip_ends = folder, [], 0, 0

    def run(self, command, **options):
        self.commands.append(command)
        if command[1:3] == ["-m", "venv"]:
            self.make_environment(Path(command[-1]))
        pip = command[1:3] == ["-m", "pip"]
        if pip:
            self.pips += 1
            (Path(command[0]).parent / f"left by pip {self.pips}").touch()
        if pip and isinstance(self.pip_ends, BaseException):
            raise self.pip_ends
        return subprocess.CompletedProcess(command, self.pip_ends if pip else 0, stdout="")

    def make_environment(self, environment: Path) -> None:
        (environment / "bin").mkdir(parents=True, exist_ok=True)
        (environment / "bin" / "python").touch()

    def traces(self) -> int:
        """Return how many of pip's runs left something in the environment: 1 if it was made anew
        for the last.
        """
        return len(list((self.folder / ".venv" / "bin").glob("left by pip*")))

    def Popen(self, command, **options):
        self.commands.append(command)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def wait(self):
        return 0

    def commanded(self, *words: str) -> list[list[str]]:
        """Return the commands, since the last call, that hold these words."""
        found = [command for command in self.commands if set(words) <= set(command)]
        self.commands = []
        return found


@pytest.fixture
def machine(tasks, tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    monkeypatch.setattr(tasks, "subprocess", machine)
    monkeypatch.setattr(tasks.os, "name", "posix")
    return machine
