"""Measure what a message in the weights costs, and what each theft leaves of its bits.

There are three networks for MNIST (the mini data that ships), and five seeds each; a seed
determines the initial weights, the order of the images, and the owner's key. There is one row for
each network that is read: the marked one, its unmarked twin, the marked one after each theft; and
twenty null models that ship, read with five keys for networks of their shape (`strength` is their
number). `right` counts the bits that are as sealed, of `bits`; chance gives half of them. `p` is
the exact binomial p-value of one reading.

A thief who holds the file trains on the loot for five epochs, or writes a message of their own into
the same layer for eight epochs; `strength` is their learning rate. A thief with access only to the
API trains a fresh network. `shuffled` permutes the channels that the layer receives, which changes
no answer; `sorted` is the owner who undoes this by matching each channel to the most similar filter
of their own network. That p-value is multiplied by the number of all orders.

Every row is written as soon as it is known; a second run adds what is missing. It takes seven
minutes
on one core::

    OMP_NUM_THREADS=1 python benchmarks/whitebox.py
"""

from __future__ import annotations

import copy
import functools
import hashlib
import math
from collections.abc import Callable, Iterator
from itertools import product

import _rows
import numpy as np
import torch
from torch import nn

import wmlearn as wm

RESULTS = _rows.FOLDER / "whitebox.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/whitebox.py"
CASE = ("network", "bits", "seed", "theft", "strength")
MEASURED = ("task_accuracy", "right", "p")

NETWORKS = {
    "small 12": (wm.small_cnn, 12, 64),
    "small 40": (wm.small_cnn, 40, 256),
    "deep 16": (wm.training.deep_cnn, 16, 256),
}
INNOCENT = {"small 8": (wm.small_cnn, 8, 64)}  # as the null models are built
SEEDS = (0, 1, 2, 3, 4)
NULLS = 20
EPOCHS = 5  # of fine-tuning
THEFTS = {
    "none": ("",),
    "twin": ("",),
    "fine-tuned": ("0.001", "0.005", "0.01"),
    "pruned": ("0.5", "0.65", "0.8", "0.9"),
    "quantised": ("4",),
    "overwritten": ("0.005", "0.02", "0.05"),
    "imitated": ("2000",),
    "shuffled": ("",),
    "sorted": ("",),
}
Row = dict[str, str]


def build(network: str, seed: int) -> nn.Module:
    """Return an untrained network."""
    make, width, _ = (NETWORKS | INNOCENT)[network]
    return make(data(), width=width, seed=seed)


@functools.cache
def data() -> wm.Splits:
    """Return the digits that ship."""
    return wm.load_data("mnist")


@functools.cache
def message(network: str, seed: int, who: str = "owner") -> wm.watermarks.Message:
    """Return the message that the owner, or the thief, sealed."""
    key = hashlib.sha256(f"whitebox study, {who} {seed}".encode()).digest()
    return wm.watermarks.seal_message(
        build(network, seed), bits=(NETWORKS | INNOCENT)[network][2], key=key
    )


@functools.lru_cache(maxsize=1)
def marked(network: str, seed: int) -> nn.Module:
    """Return the owner's network, trained once for all thefts."""
    return wm.watermarks.embed_message(
        build(network, seed), data(), message(network, seed), seed=seed
    ).model


def around(model: nn.Module, layer: str) -> tuple[list[nn.Module], nn.Module]:
    """Return the modules with weights from the previous convolution on, and this convolution."""
    parts = list(model.layers)
    here = parts.index(model.get_submodule(layer))
    before = max(i for i in range(here) if isinstance(parts[i], nn.Conv2d))
    return [part for part in parts[before:here] if hasattr(part, "weight")], parts[here]


@torch.no_grad()
def reordered(model: nn.Module, layer: str, order: torch.Tensor) -> nn.Module:
    """Return the same function with the input channels of a layer in another order."""
    model = copy.deepcopy(model)
    makers, reader = around(model, layer)
    for part in makers:
        for values in (*part.parameters(), *(buffer for buffer in part.buffers() if buffer.ndim)):
            values.copy_(values[order])
    reader.weight.copy_(reader.weight[:, order])
    return model


def shuffled(network: str, seed: int) -> nn.Module:
    """Return the owner's network after a thief has permuted the channels."""
    layer, owner = message(network, seed).layer, marked(network, seed)
    channels = around(owner, layer)[1].in_channels
    return reordered(
        owner, layer, torch.from_numpy(np.random.default_rng(seed).permutation(channels))
    )


def sorted_back(network: str, seed: int) -> nn.Module:
    """Return a shuffled network with each channel moved to the position of the owner's most similar
    filter.
    """
    layer, suspect = message(network, seed).layer, shuffled(network, seed)
    own, found = (
        around(model, layer)[0][0].weight.detach().flatten(1)
        for model in (marked(network, seed), suspect)
    )
    nearest = torch.cdist(own, found).argmin(1)
    if len(nearest.unique()) < len(nearest):
        raise ValueError("a filter is used twice: that is none of the orders which share alpha.")
    return reordered(suspect, layer, nearest)


def suspect(network: str, seed: int, theft: str, strength: str) -> nn.Module:
    """Return the network of one row."""
    loot = data().loot
    if theft.startswith("null"):
        return nulls()[int(strength)]
    if theft == "twin":
        return wm.fit(build(network, seed), data(), seed=seed).model
    owner = marked(network, seed)
    make: dict[str, Callable[[], nn.Module]] = {
        "none": lambda: owner,
        "fine-tuned": lambda: (
            wm.theft.FineTune(epochs=EPOCHS, lr=float(strength), seed=seed)(owner, loot).model
        ),
        "pruned": lambda: wm.theft.Prune(float(strength))(owner).model,
        "quantised": lambda: wm.theft.Quantize(int(strength))(owner).model,
        "overwritten": lambda: (
            wm.watermarks.embed_message(
                owner,
                loot,
                message(network, seed, "thief"),
                schedule=wm.Schedule(lr=float(strength)),
                seed=seed,
            ).model
        ),
        "imitated": lambda: (
            wm.theft.StealByQueries(int(strength), seed=seed)(
                wm.BlackBox(owner), build(network, seed + 100), loot
            ).model
        ),
        "shuffled": lambda: shuffled(network, seed),
        "sorted": lambda: sorted_back(network, seed),
    }
    return make[theft]()


@functools.cache
def nulls() -> list[nn.Module]:
    """Return the null models of the small kind."""
    return [model for model in wm.null_models("mnist") if type(model) is type(build("small 8", 0))][
        :NULLS
    ]


def measure(case: Row) -> Row:
    """Read one network's message and measure its task accuracy."""
    network, seed = case["network"], int(case["seed"])
    model, sealed = suspect(network, seed, case["theft"], case["strength"]), message(network, seed)
    orders = (
        math.factorial(around(model, sealed.layer)[1].in_channels)
        if case["theft"] == "sorted"
        else 1
    )
    verdict = wm.watermarks.verify_message(model, sealed)
    return {
        "task_accuracy": f"{wm.accuracy(model, data().test):.4f}",
        "right": str(verdict.k),
        "p": f"{min(1.0, verdict.p_planned * orders):.3g}",
    }


def cases() -> Iterator[Row]:
    """Yield the cases to measure, network by network and seed by seed."""
    for network, seed in product(NETWORKS, SEEDS):
        kind = {"network": network, "bits": str(NETWORKS[network][2]), "seed": str(seed)}
        for theft, strengths in THEFTS.items():
            yield from (kind | {"theft": theft, "strength": strength} for strength in strengths)
    for seed, i in product(SEEDS, range(NULLS)):
        yield {
            "network": "small 8",
            "bits": "64",
            "seed": str(seed),
            "theft": "null model",
            "strength": str(i),
        }


if __name__ == "__main__":
    _rows.Table(COMMAND, CASE, MEASURED, RESULTS).fill(cases(), measure)
