"""In real WebAssembly: the seals, images, labels and answers of the lessons, bit for bit.

Not collected by default: it takes a Python for WebAssembly and its numpy from npm, and Node; a leg
of `make test-all`. There is no scipy for it there, so no lesson runs to its end.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import wmlearn as wm
from wmlearn.evidence import commitment

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "course"))
from _tool import lite  # noqa: E402

# The one pair there is: numpy's only build for Python in WebAssembly on npm, and its Python.
PYODIDE, NUMPY = "pyodide@0.25.1", "@emscripten-forge/numpy@2.1.1-py311hc8e14bb-0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with Pyodide, the packages for it, and what comes along."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("npm and Node are not on this machine")
    folder = tmp_path_factory.mktemp("wasm")
    for name, package in {"pyodide": PYODIDE, "numpy": NUMPY}.items():
        (folder / name).mkdir()
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder / name, check=True)
        unpack(folder / name, "*.tgz")
    unpack(folder / "numpy", "package/pkg/*.tar.gz")
    (packages,) = (folder / "numpy").rglob("site-packages")
    (folder / "wheels").mkdir()
    lite.write_wheels(folder / "wheels")
    for wheel in (folder / "wheels").glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(packages)
    packages.rename(folder / "packages")
    # numpy asks who calls it, to save a copy; Pyodide of this version has no answer.
    script = folder / "pyodide" / "package" / "pyodide.asm.js"
    text = script.read_text("utf-8")
    script.write_text(text.replace("var wasmImports={", "var wasmImports={backtrace:()=>0,", 1))
    return folder


def unpack(folder: Path, pattern: str) -> None:
    """Unpack the archive that is in a folder."""
    (archive,) = folder.glob(pattern)
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")


TRIGGERS = {
    "noise": (wm.Noise(), 100),
    "fixed noise": (wm.Noise(labels="fixed", target=8), 150),
    "words": (wm.Content(words=30), 150),
}


@pytest.fixture(scope="module")
def here() -> dict[str, wm.evidence.TriggerSet]:
    """Return the trigger sets as they come out here."""
    mnist = wm.load_data("mnist")
    return {
        name: trigger(mnist, n=n, key=wm.CLASSROOM_KEY) for name, (trigger, n) in TRIGGERS.items()
    }


@pytest.fixture(scope="module")
def there(folder: Path, here: dict[str, wm.evidence.TriggerSet]) -> dict:
    """Return what came out in WebAssembly."""
    data = folder / "data"
    data.mkdir()
    mnist = wm.load_data("mnist")
    parts = {part: getattr(mnist, part) for part in ("train", "loot", "test")}
    pixels = {f"{part}_pixels": each.pixels.transpose(0, 2, 3, 1) for part, each in parts.items()}
    labels = {f"{part}_labels": each.labels.astype(np.uint8) for part, each in parts.items()}
    np.savez(data / "mnist.npz", **pixels, **labels)
    seeds = {each.seal: commitment.label_seed(each.seal).hex() for each in here.values()}
    (data / "seeds.json").write_text(json.dumps(seeds))
    others = Path(__file__).with_name("others")
    shutil.copy(others / "in_wasm.py", data / "run.py")
    command = ["node", others / "in_wasm.mjs", folder / "pyodide/package", folder / "packages"]
    done = subprocess.run([*map(str, command), data], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_it_is_another_kind_of_machine(there):
    assert (there["platform"], there["whole number"]) == ("emscripten", "int32")


@pytest.mark.parametrize("name", TRIGGERS)
def test_triggers_and_answers_come_out_bit_for_bit(name, here, there):
    triggers = here[name]
    models = [wm.load_model("mnist/noise"), *wm.null_models("mnist", n=5)]
    assert there[name] == {
        "seal": triggers.seal,
        "images": hashlib.sha256(triggers.images.tobytes()).hexdigest(),
        "labels": triggers.labels.tolist(),
        "answers": [wm.BlackBox(model)(triggers.images).tolist() for model in models],
    }


def test_what_needs_an_installed_course_says_so(there):
    assert list(there["missing"]) == ["fit", "serve"]
    for sentence in there["missing"].values():
        assert sentence.endswith("this cell needs an installed course.")
