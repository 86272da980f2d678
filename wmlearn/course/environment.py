"""Checks whether this machine has what the course needs, with what was found or what is wrong."""

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

Finding = tuple[str, str, str]  # what was checked, what was found, what is wrong (or "")


def findings() -> Iterator[Finding]:
    """Yield one finding after the other: packages, data and models, speed and network."""
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
    except Exception as error:  # whatever it is, the other checks are still useful
        return what, "", sentence(error)


def _version(needed: Requirement) -> str:
    """Return the version of an installed package if it meets the requirement."""
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
            f"{needed.name} should be {needed.specifier}; version {version} is installed. {wanted}"
        )
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
