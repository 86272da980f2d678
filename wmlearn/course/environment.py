"""Does this machine have what the course needs? One look after the other, each with what was found
or what is wrong.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from wmlearn._checks import sentence
from wmlearn._display import plural
from wmlearn.data._sources import SOURCES
from wmlearn.data.splits import load_data
from wmlearn.service.blackbox import BlackBox
from wmlearn.service.remote import RemoteModel
from wmlearn.service.server import serve

if TYPE_CHECKING:
    from packaging.requirements import Requirement

Finding = tuple[str, str, str]  # what was looked at, what was found, what is wrong with it


def findings() -> Iterator[Finding]:
    """Look at one thing after the other: packages, data, models, speed, network."""
    from packaging.requirements import Requirement

    yield "Python", platform.python_version(), ""
    yield _look("wmlearn", importlib.metadata.version, "wmlearn")
    for needed in map(Requirement, importlib.metadata.requires("wmlearn") or []):
        if needed.marker is None or needed.marker.evaluate({"extra": "lab"}):
            yield _look(needed.name, _version, needed)
    for name in SOURCES:
        yield _look(name, _released, name)
    yield _look("1,000 images", _seconds)


def _look(what: str, at: Callable[..., str], *arguments: object) -> Finding:
    try:
        return what, at(*arguments), ""
    except Exception as error:  # whatever it is, the rest is still worth looking at
        return what, "", sentence(error)


def _version(needed: Requirement) -> str:
    """Return the version of a package that is here, if it is one that will do."""
    wanted = f"Install it: pip install '{needed.name}{needed.specifier}'."
    try:
        version = importlib.metadata.version(needed.name)
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(f"{needed.name} is missing. {wanted}") from None
    if not needed.specifier.contains(version, prereleases=True):
        raise ImportError(
            f"{needed.name} should be {needed.specifier}; version {version} is here. {wanted}"
        )
    return version


def _released(name: str) -> str:
    """Read the images and every model that ship for a task; each file is compared with its SHA-256."""
    from wmlearn import zoo

    load_data(name)
    models = [
        each
        for each in json.loads(zoo.DIGESTS.read_text(encoding="utf-8"))
        if each.startswith(f"{name}/")
    ]
    return (
        f"images and {plural(len([zoo.load_model(each) for each in models]), 'model')} as released"
    )


def _seconds() -> str:
    """Ask a shipped network in memory, then as a service on a free port, as the lessons do; return
    how long each took.

    Each is asked twice, and the second time counts: the first one also pays for the start.
    """
    from wmlearn import zoo

    model, images = zoo.load_model("mnist/clean"), load_data("mnist").test.images[:1000]
    with (
        serve(model, name="wmlearn-check") as service,
        RemoteModel(service.url, retries=1) as suspect,
    ):
        seconds, labels = [], []
        for query in (BlackBox(model), suspect, BlackBox(model), suspect):
            start = time.perf_counter()
            labels.append(query(images).tolist())
            seconds.append(time.perf_counter() - start)
    if labels[2] != labels[3]:
        raise RuntimeError(
            "a service gave other labels than its model. Is something between them, a proxy "
            "perhaps?"
        )
    return f"{seconds[2]:.2f} s in memory, {seconds[3]:.2f} s over HTTP on a free port"
