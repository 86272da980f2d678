"""A device that every machine has: tensors that say they lie elsewhere, and refuse to meet those of
the processor, as those of a GPU do.

They calculate on the processor underneath, so each result is the one that it gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

DEVICE = torch.device("meta")  # the one name on which torch lets gradients flow without a driver
COPY, INDEX = torch.ops.aten.copy_.default, torch.ops.aten.index.Tensor
TO_NUMBER = "aten._local_scalar_dense.default"


class Elsewhere(torch.Tensor):
    """A tensor on another device: what it holds is not to be reached from here."""

    inner: torch.Tensor
    is_meta = False  # it holds numbers

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Elsewhere:
        place = {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        kind = {"dtype": inner.dtype, "device": DEVICE, "requires_grad": inner.requires_grad}
        made = cls._make_wrapper_subclass(cls, inner.shape, **place, **kind)
        made.inner = inner.detach()
        return made

    def __repr__(self, **_: Any) -> str:
        return f"Elsewhere({tuple(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


def run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation where its tensors lie, or where it is told to; refuse it if that is two
    places.
    """
    tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
    there = [isinstance(each, Elsewhere) for each in tensors]
    arrays = [far for each, far in zip(tensors, there) if each.dim() or far]  # numbers may go along
    fetched = func is COPY or (func is INDEX and there[0])
    if len(set(arrays)) > 1 and not fetched:
        raise RuntimeError(f"{func}: tensors elsewhere and on the processor")
    outside = any(there)
    if func is COPY:
        outside = there[0]
    if kwargs.get("device") is not None:
        outside = torch.device(kwargs["device"]).type == DEVICE.type
        kwargs = kwargs | {"device": torch.device("cpu")}
    args, kwargs = tree_map_only(Elsewhere, lambda each: each.inner, (args, kwargs))
    made = func(*args, **kwargs)
    if tensors and str(func).split(".")[1].endswith("_"):  # in place
        return tensors[0]
    if str(func) == TO_NUMBER or not outside:
        return made
    return tree_map_only(torch.Tensor, Elsewhere, made)


class _Watch(TorchDispatchMode):
    """Makes tensors elsewhere of what is sent there or asked for there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """Yield the device; it is there inside the block only."""
    with _Watch():
        yield DEVICE
