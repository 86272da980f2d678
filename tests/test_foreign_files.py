"""Files of other formats are named as what they are, at every door, and nothing in them is run."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import wmlearn as wm
from wmlearn import cli, zoo
from wmlearn._forms import foreign


class Trap:
    """What writes a file when it is unpickled."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> Any:
        return Path.touch, (self.sprung,)


def zipped(path: Path, trap: Trap) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("data.pkl", pickle.dumps(trap))


WRITE: dict[str, Callable[[Path, Trap], object]] = {
    "mine.pt": lambda path, trap: torch.save(trap, path),
    "mine.pth": lambda path, trap: torch.save(trap, path),
    "old.pth": lambda path, trap: torch.save(trap, path, _use_new_zipfile_serialization=False),
    "mine.pkl": lambda path, trap: path.write_bytes(pickle.dumps(trap)),
    "mine.npz": lambda path, trap: np.savez(path, weights=np.array([trap], object)),
    "mine.npy": lambda path, trap: np.save(path, np.array([trap], object)),
    "mine.onnx": lambda path, trap: path.write_bytes(b"\x08\x07\x12\x07pytorch"),
    "mine.h5": lambda path, trap: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40)),
    "mine.keras": zipped,
    "mine.zip": zipped,
    "torch.safetensors": lambda path, trap: torch.save(trap, path),
    "pickle.safetensors": lambda path, trap: path.write_bytes(pickle.dumps(trap)),
    "pickle2.safetensors": lambda path, trap: path.write_bytes(pickle.dumps(trap, 2)),
    "mine": lambda path, trap: path.mkdir(),
}


@pytest.fixture(params=WRITE)
def file(request, tmp_path, monkeypatch) -> Path:
    """A file of another format in the working folder; nothing in it may have been run."""
    monkeypatch.chdir(tmp_path)
    path = Path(request.param)
    trap = Trap(tmp_path / "sprung")
    WRITE[request.param](path, trap)
    before = path.read_bytes() if path.is_file() else None
    yield path
    assert not trap.sprung.exists()
    assert before == (path.read_bytes() if path.is_file() else None)


def test_no_door_for_models_opens_it(says, file, capsys):
    with says((ValueError, OSError)):
        wm.load_model(str(file))
    with says(OSError):
        zoo.read_model(file)
    with pytest.raises(SystemExit) as ended:
        cli.main(["serve", str(file)])
    assert ended.value.code == cli.FAILED
    says(capsys.readouterr().err)


def test_no_door_for_evidence_opens_it(says, file, tmp_path):
    with says(OSError):
        wm.evidence.read_opening(file)
    with says(OSError):
        wm.course.open_case(file)
    with says(OSError):
        wm.evidence.open_evidence(file)
    triggers = wm.Noise()(wm.load_data("mnist"), n=20, key=wm.CLASSROOM_KEY)
    folder = wm.evidence.save_evidence(triggers, tmp_path / "evidence")
    if file.is_file():
        for name in ("images.safetensors", "evidence.json", "key.hex"):
            copy = tmp_path / f"with {name}"
            shutil.copytree(folder, copy)
            shutil.copy(file, copy / name)
            with pytest.raises(OSError, match="copy"):
                wm.evidence.open_evidence(copy)


def test_the_next_step_leads_to_a_model_that_is_served(says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = wm.load_model("mnist/clean")
    torch.save(model.state_dict(), tmp_path / "mine.pth")
    with says(OSError):
        wm.load_model("mine.pth")
    again = wm.small_cnn(wm.load_data("mnist"), width=model.width)
    again.load_state_dict(torch.load(tmp_path / "mine.pth", weights_only=True))
    zoo.save_model(again, tmp_path / "mine.safetensors")
    images = wm.load_data("mnist").test.images[:20]
    same = wm.BlackBox(zoo.read_model(tmp_path / "mine.safetensors"))
    assert np.array_equal(same(images), wm.BlackBox(model)(images))


def test_what_is_ours_is_not_foreign_whatever_it_is_called(tmp_path):
    model = wm.load_model("mnist/clean")
    zoo.save_model(model, tmp_path / "mine.safetensors")
    shutil.copy(tmp_path / "mine.safetensors", tmp_path / "mine.pt")
    assert foreign(tmp_path / "mine.pt") == ""
    assert zoo.read_model(tmp_path / "mine.pt").input_shape == (1, 28, 28)
    (tmp_path / "card.json").write_text(json.dumps({"a": 1}))
    assert foreign(tmp_path / "card.json") == ""


def test_a_length_that_begins_like_a_pickle_is_no_pickle(tmp_path):
    """Safetensors begin with a length in eight bytes: 0x0480 is one, and protocol 4 begins so."""
    file = tmp_path / "cut.safetensors"
    file.write_bytes((0x0480).to_bytes(8, "little"))
    assert foreign(file) == ""


def test_names_that_ship_go_before_folders(tmp_path, monkeypatch, says):
    (tmp_path / "mnist" / "clean").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert wm.load_model("mnist/clean").input_shape == (1, 28, 28)
    with says(ValueError):
        wm.load_model("mnist")
