"""Measure training many small networks at once on a CPU, and how good those are that are trained on demand.

Three ways, in processor time for a step of one network: one network after another (`wm.fit`), side by side in one wide
network with grouped convolutions (what `wm.null_models` does, four at a time), and `torch.func.vmap` over stacked
weights. The networks are those of the null models; each has its own seed, images and order. A figure is the median of
five runs of each way, in turn; above 1, the speed-up says that it is faster than one after another::

    OMP_NUM_THREADS=1 python benchmarks/many_at_once.py

The second table, docs/results/nulls_on_demand.csv, holds the accuracy on the 10,000 test images of the 160 null models
that `wm.null_models("mnist", n=200)` trains; it needs the full data set::

    OMP_NUM_THREADS=1 python benchmarks/many_at_once.py nulls
"""

from __future__ import annotations

import copy
import csv
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

import wmlearn as wm
from wmlearn import zoo
from wmlearn._random import torch_generator
from wmlearn._together import train_together

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/many_at_once.py"
NETWORKS = {"small": wm.small_cnn, "deep": wm.deep_cnn}
BATCHES = {32: 12, 256: 3}  # images in a batch: batches in an epoch
TOGETHER = (1, 4, 5, 20)
REPEATS = 5
EPOCHS = 2
SHIPPED = 40

Way = Callable[[Sequence[nn.Module], Sequence[wm.Split], wm.OneCycle], object]


def alone(models: Sequence[nn.Module], parts: Sequence[wm.Split], schedule: wm.OneCycle) -> None:
    """Train one network after another."""
    for seed, (model, part) in enumerate(zip(models, parts)):
        wm.fit(model, part, schedule=schedule, seed=seed)


def groups(models: Sequence[nn.Module], parts: Sequence[wm.Split], schedule: wm.OneCycle) -> None:
    """Train all in one wide network, whose convolutions are in groups."""
    list(train_together(copy.deepcopy(models), parts, schedule=schedule, seeds=range(len(models))))


def mapped(models: Sequence[nn.Module], parts: Sequence[wm.Split], schedule: wm.OneCycle) -> dict[str, torch.Tensor]:
    """Train all by `vmap` over their stacked weights; return these, running statistics included."""
    weights, counts = stack_module_state([model.layers.train() for model in models])  # copies
    weights = {name: tensor.detach().requires_grad_() for name, tensor in weights.items()}
    skeleton = copy.deepcopy(models[0].layers).to("meta")
    optimiser = torch.optim.AdamW(weights.values(), weight_decay=1e-2)
    pixels = torch.from_numpy(np.stack([part.pixels for part in parts]))
    labels = torch.from_numpy(np.stack([part.labels for part in parts]))
    each, (m, n) = torch.arange(len(models))[:, None], labels.shape
    orders = [torch_generator(seed) for seed in range(m)]

    def loss_of(weights: dict, counts: dict, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(functional_call(skeleton, (weights, counts), (x,)), y)

    for epoch in range(schedule.epochs):
        batches = torch.stack([torch.randperm(n, generator=order) for order in orders]).split(schedule.batch, 1)
        for step, rows in enumerate(batches):
            optimiser.param_groups[0]["lr"] = schedule(epoch + step * schedule.batch / n)
            losses = vmap(loss_of)(weights, counts, pixels[each, rows].float() / 255, labels[each, rows])
            optimiser.zero_grad()
            losses.sum().backward()
            optimiser.step()
            losses.tolist()  # as the other ways read their losses
    return {**weights, **counts}


WAYS: Mapping[str, Way] = {"alone": alone, "groups": groups, "vmap": mapped}


def measure(name: str, network: str, batch: int, m: int) -> dict[str, object]:
    """Return the milliseconds of processor time that a step of one network takes, each way."""
    data, width = wm.load_data(name), zoo.ON_DEMAND[name]
    models = [NETWORKS[network](data, width=width, seed=seed) for seed in range(m)]
    rng = np.random.default_rng(0)
    parts = [data.train.take(rng.permutation(len(data.train))[: batch * BATCHES[batch]]) for _ in range(m)]
    schedule = wm.OneCycle(epochs=EPOCHS, batch=batch)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(REPEATS):
        for way, train in WAYS.items():
            start = time.process_time()
            train(models, parts, schedule)
            seconds[way].append(time.process_time() - start)
    steps = m * EPOCHS * BATCHES[batch]
    step = {way: 1000 * statistics.median(runs) / steps for way, runs in seconds.items()}
    case = {"data": name, "network": network, "width": width, "batch": batch, "networks": m}
    faster = {f"{way}_speedup": f"{step['alone'] / step[way]:.2f}" for way in ("groups", "vmap")}
    return {**case, **{f"{way}_ms": f"{ms:.2f}" for way, ms in step.items()}, **faster}


def nulls() -> Iterable[dict[str, object]]:
    """Yield the accuracy of each null model trained on demand for the study of false alarms."""
    test = wm.load_data("mnist", size="full").test
    for i, model in enumerate(wm.null_models("mnist", n=200)[SHIPPED:], start=SHIPPED):
        yield {
            "model": f"mnist/null-{i:03d}",
            "network": "deep" if i % 4 > 1 else "small",
            "half": i % 2,
            "seed": 100 + i,
            "task_accuracy": f"{wm.accuracy(model, test):.4f}",
        }


def write(path: Path, command: str, rows: Iterable[dict[str, object]]) -> None:
    """Write each row as soon as it is known; the table takes its place when it is complete."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        file.write(command + "\n")
        table = None
        for row in rows:
            if table is None:
                table = csv.DictWriter(file, list(row), lineterminator="\n")
                table.writeheader()
            table.writerow(row)
            file.flush()
            print(*row.values(), flush=True)
    part.replace(path)


def main() -> None:
    torch.set_num_threads(1)
    os.environ["TQDM_DISABLE"] = "1"
    if sys.argv[1:] == ["nulls"]:
        write(RESULTS / "nulls_on_demand.csv", f"{COMMAND} nulls", nulls())
        return
    cases = itertools.chain(
        itertools.product(zoo.ON_DEMAND, NETWORKS, [32], TOGETHER),
        itertools.product(["mnist"], NETWORKS, [256], TOGETHER),
    )
    write(RESULTS / "many_at_once.csv", COMMAND, (measure(*case) for case in cases))


if __name__ == "__main__":
    main()
