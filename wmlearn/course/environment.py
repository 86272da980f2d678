"""Does this machine have what the course needs? One look after the other, each with what was found
or what is wrong.
"""

import json
import platform
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

Finding = tuple[str, str, str]  # what was looked at, what was found, what is wrong with it


def findings() -> Iterator[Finding]:
    """Look at one thing after the other: packages, data, models, speed, network."""
    yield "Python", platform.python_version(), ""
    yield _look("wmlearn", metadata.version, "wmlearn")
    for needed in map(Requirement, metadata.requires("wmlearn") or []):
        if needed.marker is None or needed.marker.evaluate({"extra": "lab"}):
            yield _look(needed.name, _version, needed)
    for name in SHIPPED:
        yield _look(name, _released, name)
    yield _look("1,000 images", _seconds)


def _look(what: str, at: Callable[..., str], *arguments: object) -> Finding:
    try:
        with extras():
            return what, at(*arguments), ""
    except Exception as error:  # whatever it is, the rest is still worth looking at
        return what, "", sentence(error)


def _version(needed: Requirement) -> str:
    """Return the version of a package that is here, if it is one that will do."""
    wanted = f"Install it: pip install '{needed.name}{needed.specifier}'."
    module = needed.name.replace("-", "_")
    try:
        version = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        if module in EXTRAS:
            raise missing(module) from None
        raise ImportError(f"{needed.name} is missing. {wanted}") from None
    if not needed.specifier.contains(version, prereleases=True):
        raise ImportError(
            f"{needed.name} should be {needed.specifier}; version {version} is here. {wanted}"
        )
    return version


def _released(name: str) -> str:
    """Read the images and every model that ship for a task; each is compared with its SHA-256."""
    from wmlearn import zoo

    load_data(name)
    released = json.loads(zoo.DIGESTS.read_text(encoding="utf-8"))
    models = [zoo.load_model(each) for each in released if each.startswith(f"{name}/")]
    return f"images and {plural(len(models), 'model')} as released"


def _seconds() -> str:
    """Ask a shipped network in memory, then as a service on a free port, as the lessons do; return
    how long each took.
    """
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
            "a service gave other labels than its model. Is something between them, a proxy "
            "perhaps?"
        )
    return f"{in_memory:.2f} s in memory, {over_http:.2f} s over HTTP on a free port"


def _timed(query: Query, images: Images) -> tuple[Labels, float]:
    """Return the labels and the seconds of the second time; the first also pays for the start."""
    query(images)
    start = time.perf_counter()
    return query(images), time.perf_counter() - start
