"""Check whether this machine has what the course needs: what was found, or what is wrong."""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata

import numpy as np
from packaging.requirements import Requirement

from wmlearn._checks import sentence
from wmlearn._display import plural
from wmlearn._extras import EXTRAS, extras, missing
from wmlearn._types import Images, Labels, Query
from wmlearn.data import load_data
from wmlearn.data._sources import SHIPPED
from wmlearn.service import BlackBox, RemoteModel, serve

# Builds of torch and torchvision without CUDA; tasks.py takes them from here, too.
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"

_BOTH = (
    "Take both builds from one place: pip uninstall --yes torch torchvision, then pip install "
    f"torch torchvision, and for those without CUDA --index-url {CPU_BUILDS}"
)

# Run by a process of its own, which a package may end: a line per module, what is wrong or "".
_TRIAL = """
import importlib, json, os, sys
reply = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # whatever a package prints is no reply
for name in sys.argv[1:]:
    problem = ""
    try:
        module = importlib.import_module(name)
        if name == "torchvision":
            import torch
            module.ops.nms(torch.ones(1, 4), torch.ones(1), 0.5)
    except BaseException as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    print(json.dumps([name, problem]), file=reply, flush=True)
"""

Finding = tuple[str, str, str]  # what was checked, what was found, what is wrong (or "")


def findings() -> Iterator[Finding]:
    """Yield one finding after the other: packages, data and models, speed and network."""
    yield "Python", platform.python_version(), ""
    yield _look("wmlearn", metadata.version, "wmlearn")
    everything = map(Requirement, metadata.requires("wmlearn") or [])
    needed = [each for each in everything if _is_for_lessons(each)]
    problems = _trial([_module(each) for each in needed])
    for each in needed:
        yield _look(each.name, _version, each, problems[_module(each)])
    for name in SHIPPED:
        yield _look(name, _released, name)
    yield _look("1,000 images", _seconds)


def _look(what: str, at: Callable[..., str], *arguments: object) -> Finding:
    try:
        with extras():
            return what, at(*arguments), ""
    except Exception as error:  # whatever it is, the other checks are still useful
        return what, "", sentence(error)


def _is_for_lessons(needed: Requirement) -> bool:
    return needed.marker is None or needed.marker.evaluate({"extra": "lab"})


def _module(needed: Requirement) -> str:
    return {"pillow": "PIL"}.get(needed.name, needed.name.replace("-", "_"))


def _trial(modules: list[str]) -> dict[str, str]:
    """Import modules in another process; return what is wrong with each, or ""."""
    command = [sys.executable, "-c", _TRIAL, *modules]
    done = subprocess.run(command, capture_output=True, text=True)
    found: dict[str, str] = dict(map(json.loads, done.stdout.splitlines()))
    if len(found) < len(modules):
        ends, *rest = modules[len(found) :]
        found |= {ends: f"it ends Python (code {done.returncode})", **_trial(rest)}
    return found


def _version(needed: Requirement, problem: str) -> str:
    """Return the version of an installed package if it meets the requirement and can be used."""
    wanted = f"Install it: pip install '{needed.name}{needed.specifier}'."
    module = _module(needed)
    try:
        version = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        if module in EXTRAS:
            raise missing(module) from None
        raise ImportError(f"{needed.name} is missing. {wanted}") from None
    if not needed.specifier.contains(version, prereleases=True):
        raise ImportError(
            f"{needed.name} should be {needed.specifier}; version {version} is installed. {wanted}"
        )
    again = f"Install it again: pip install --force-reinstall --no-deps {needed.name}=={version}"
    if module in ("torch", "torchvision"):
        again = _BOTH
    if problem:
        raise ImportError(f"{needed.name} {version} cannot be used: {problem}. {again}")
    return version


def _released(name: str) -> str:
    """Check the images and models that ship for a task against their SHA-256, and count them."""
    from wmlearn import zoo

    load_data(name)
    released = json.loads(zoo.DIGESTS.read_text(encoding="utf-8"))
    models = [zoo.load_model(each) for each in released if each.startswith(f"{name}/")]
    return f"images and {plural(len(models), 'model')} as released"


def _seconds() -> str:
    """Return the time for 1,000 images in memory, and over HTTP on a free port of this machine."""
    from wmlearn import zoo

    model = zoo.load_model("mnist/clean")
    images = load_data("mnist").test.images[:1000]
    here, in_memory = _timed(BlackBox(model), images)
    with (
        serve(model, name="wmlearn-check") as service,
        RemoteModel(service.url, retries=1) as suspect,
    ):
        there, over_http = _timed(suspect, images)
    if not np.array_equal(here, there):
        raise RuntimeError(
            "a service should give the same labels as its model; they differ. Look for a proxy "
            "between the two."
        )
    return f"{in_memory:.2f} s in memory, {over_http:.2f} s over HTTP on a free port"


def _timed(query: Query, images: Images) -> tuple[Labels, float]:
    """Return labels and seconds of a second run; the first also includes the start-up."""
    query(images)
    start = time.perf_counter()
    return query(images), time.perf_counter() - start
