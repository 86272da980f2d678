"""What the tests of all thefts share: the data, and an owner's model that is trained once."""

from __future__ import annotations

import pytest
from torch import nn

import wmlearn as wm


@pytest.fixture(scope="session")
def mnist() -> wm.Splits:
    return wm.load_data("mnist")


@pytest.fixture(scope="session")
def trained(mnist) -> nn.Module:
    """A model that is good enough to steal: four epochs on a third of the mini set."""
    part = mnist.train.take(slice(2000))
    return wm.fit(wm.small_cnn(mnist), part, schedule=wm.Schedule(epochs=4)).model
