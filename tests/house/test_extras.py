"""Where torch, the server or the widgets are not installed, all else works and the error says which
extra brings them.
"""

from __future__ import annotations

import hashlib
import json
import sys

import pytest

from wmlearn._extras import MissingExtra
from wmlearn.evidence import commitment

# In a Python of its own: walks every public name, then uses what needs an extra only then.
WALK = """
import json, sys, warnings
warnings.simplefilter("ignore")
for package in {blocked}:
    sys.modules[package] = None
import wmlearn.service, wmlearn.triggers
import wmlearn as wm
from wmlearn._extras import MissingExtra

missing, there = {{}}, []
doors = [wm, wm.data, wm.evidence, wm.training, wm.watermarks, wm.course, wm.theft]
for door in [*doors, wmlearn.service, wmlearn.triggers]:
    for name in door.__all__:
        try:
            getattr(door, name)
            there.append(f"{{door.__name__}}.{{name}}")
        except MissingExtra as error:
            missing[f"{{door.__name__}}.{{name}}"] = str(error)

triggers = wm.Content(words=10)(wm.load_data("mnist"), n=10, key=wm.CLASSROOM_KEY)
copy = lambda images: triggers.labels
assert wm.verify(copy, triggers).decision == "found"
uses = {{
    "serve": lambda: wm.serve(wm.load_model("mnist/clean")),
    "full": lambda: wm.load_data("mnist", "full"),
    "VerificationLab": lambda: wm.VerificationLab(triggers, {{"copy": copy}}),
    "Predict": lambda: wm.Predict("Is it?", ["yes", "no"]),
}}
used = {{}}
for name, use in uses.items():
    try:
        use()
    except MissingExtra as error:
        used[name] = str(error)
    except Exception:
        pass  # another matter, or what it takes is there
print(json.dumps([missing, there, used]))
"""
BLOCKED = {
    "train": ("torch", "torchvision"),
    "serve": ("starlette", "uvicorn"),
    "lab": ("ipywidgets", "IPython"),
}
TORCH_FREE = {"verify", "verify_all", "Content", "Unrelated", "Noise", "load_data"}
TORCH_FREE |= {"RemoteModel", "BlackBox", "serve", "stats", "SequentialTest", "Trigger", "Predict"}
TORCH_FREE |= {
    "VerificationLab",
    "LotteryLab",
    "Splits",
    "check",
    "CLASSROOM_KEY",
    "ServiceOptions",
    "Schedule",
}


@pytest.mark.parametrize(
    ("extra", "uses"),
    [
        ("train", {"full"}),
        ("serve", {"serve"}),
        ("lab", {"VerificationLab", "Predict"}),
    ],
)
def test_every_public_name_works_or_names_its_extra(extra, uses, run_python, tmp_path, monkeypatch):
    monkeypatch.setenv("WMLEARN_DATA", str(tmp_path))  # nothing is there, and nothing is fetched
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    told = run_python(WALK.format(blocked=BLOCKED[extra]))  # old torchvisions print, too
    missing, there, used = json.loads(told.splitlines()[-1])
    for text in [*missing.values(), *used.values()]:
        assert text.endswith(f'pip install "wmlearn[{extra}]".')
    assert set(used) == uses
    assert {f"wmlearn.{name}" for name in TORCH_FREE} <= set(there)
    assert not [name for name in missing if name.startswith(("wmlearn.evidence", "wmlearn.data"))]
    assert ("wmlearn.fit" in missing) == (extra == "train")
    assert ("wmlearn.service.Request" in missing) == (extra == "serve")
    assert ("wmlearn.EmbeddingLab" in missing) == (extra in ("train", "lab"))


def test_what_belongs_to_no_extra_is_told_as_python_does(run_python):
    code = "from wmlearn._extras import extras\ntry:\n with extras():\n  import nowhere_at_all\n"
    assert run_python(f"{code}except ImportError as e: print(type(e).__name__)") == (
        "ModuleNotFoundError"
    )


# ---------------------------------------------------------------- scrypt


def test_a_python_without_scrypt_draws_the_same_labels(monkeypatch):
    sealed = hashlib.sha256(b"any").hexdigest()
    outcomes = ("", "4 1 6")
    here = [commitment.label_seed(sealed, outcome) for outcome in outcomes]
    monkeypatch.delattr(hashlib, "scrypt")
    assert [commitment.label_seed(sealed, outcome) for outcome in outcomes] == here
    assert here[0].hex() == "f6c83e84311c0133bb43eaf000a5038ef3e63f9d596f83fa48e4c85fdf3a6bae"


def test_without_scrypt_anywhere_the_extra_is_named(monkeypatch, says):
    monkeypatch.delattr(hashlib, "scrypt")
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with says(MissingExtra):
        commitment.label_seed("00" * 32)
