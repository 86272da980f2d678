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

# torch's global generator is one per process; two trainings must not interleave on it.
_lock = threading.RLock()


class StableRng(np.random.RandomState):
    """numpy's frozen generator, with further streams from the same seed."""

    def __init__(self, seed: int | list[int]) -> None:
        super().__init__(seed)
        self._seed = seed if isinstance(seed, list) else [seed]

    def stream(self, number: int) -> StableRng:
        """Return another generator from the same seed; it ignores what this one has drawn."""
        return stable_rng([*self._seed, number])


def stable_rng(seed: int | Sequence[int]) -> StableRng:
    """Return a numpy generator whose stream never changes, from one or several seeds in [0, 2**32).

    `default_rng` may change its stream between numpy versions (NEP 19). Seals and shipped files
    must not change, so everything drawn here comes from the frozen `RandomState`.

    Raises
    ------
    TypeError, ValueError
        If a seed is not a whole number in that range.
    """
    if isinstance(seed, (list, tuple)) and len(seed) > 0:
        return StableRng([check_seed(part) for part in seed])
    return StableRng(check_seed(seed))


def torch_generator(seed: int) -> torch.Generator:
    """Return a private torch generator: drawing from it never moves the global one."""
    import torch

    return torch.Generator().manual_seed(check_seed(seed))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator inside the block, and restore its state afterwards.

    Layers and dropout accept no generator of their own, so models are built inside this block. One
    lock per process keeps two threads from seeding each other's draws.
    """
    import torch

    check_seed(seed)
    with _lock, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed a GPU
        yield
