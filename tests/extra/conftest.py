"""What the tests beside other people's servers and clients share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import wmlearn as wm

collect_ignore_glob = ["others/*"]  # they run in an environment of their own


@pytest.fixture(scope="session")
def other_python() -> str:
    """Return the Python of the environment that holds another's server or client."""
    if "OTHER_PYTHON" not in os.environ:
        pytest.skip("OTHER_PYTHON names no environment: `make test-all` makes them")
    return os.environ["OTHER_PYTHON"]


@pytest.fixture(scope="session")
def owner() -> nn.Module:
    """Return a shipped model that holds a watermark."""
    return wm.load_model("mnist/content")


@pytest.fixture(scope="session")
def triggers() -> wm.evidence.TriggerSet:
    """Return the triggers of the shipped model."""
    return wm.Content(words=30)(wm.load_data("mnist"), n=150, key=wm.CLASSROOM_KEY)


@pytest.fixture(scope="session")
def own_labels(owner: nn.Module, triggers: wm.evidence.TriggerSet) -> np.ndarray:
    """Return what the shipped model itself answers to its triggers."""
    return wm.BlackBox(owner)(triggers.images)


@pytest.fixture(scope="session")
def others() -> Path:
    """Return the folder of what runs in the other environment."""
    return Path(__file__).with_name("others")
