"""All randomness goes through here: an argument `seed`, never the caller's global generators."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from wmlearn._checks import check_seed

if TYPE_CHECKING:
    import torch

_lock = (
    threading.RLock()
)  # torch's global generator is one per process; two trainings must not interleave on it


class StableRng(np.random.RandomState):
    """numpy's frozen generator, which can say what others come from the same seed."""

    def __init__(self, seed: int | list[int]) -> None:
        super().__init__(seed)
        self._seed = seed if isinstance(seed, list) else [seed]

    def stream(self, number: int) -> StableRng:
        """Return another generator of the same seed: its draws do not depend on what was drawn from
        this one.
        """
        return stable_rng([*self._seed, number])


def stable_rng(seed: int | Sequence[int]) -> StableRng:
    """Return a numpy generator whose stream never changes; the seed is one number below 2**32, or
    several.

    `default_rng` may change its stream between numpy versions (NEP 19); what is sealed and what
    ships must not, so that everything drawn here comes from the frozen `RandomState`.
    """
    several = isinstance(seed, (list, tuple)) and len(seed) > 0
    return StableRng([check_seed(part) for part in seed] if several else check_seed(seed))


def torch_generator(seed: int) -> torch.Generator:
    """Return a private torch generator: drawing from it never moves the global one."""
    import torch

    return torch.Generator().manual_seed(check_seed(seed))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator inside the block and put it back afterwards.

    Layers and dropout accept no generator of their own, so that building a model happens in here.
    One lock for the process keeps two threads from seeding each other's draws.
    """
    import torch

    check_seed(seed)
    with _lock, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(
            seed
        )  # torch.manual_seed would also seed a GPU, which nobody puts back
        yield
