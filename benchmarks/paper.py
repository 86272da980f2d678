"""Repeat the tables of the paper: its networks, its training, its counts, with our tests beside
them.

One job is one network. It is trained as appendix A.1 describes, and its rows are written once all
of them are measured. A second run trains what is missing; no network is kept. A GPU is used if
there is one. The script needs the full data sets::

    OMP_NUM_THREADS=1 python benchmarks/paper.py --data mnist --table 1..5 --epochs 10 --seeds 1,2

The paper leaves some settings open. We chose: 2,000 triggers for digits and 1,500 for photographs
(its percentages are shares of such numbers), source 1 to target 0, automobile to airplane; TEST at
the bottom, white on black; noise of sigma 0.4; letters m drawn by this script; momentum 0.9
(Nesterov), no padding and the position of dropout, from the code of the networks that it names as
its source (Carlini and Wagner, 2017); weights pruned over all layers together; the thief of table 5
trains as the owner did, for ten epochs, at four rates; a copy whose training diverges gives no
answer, and its rows are 0. Nothing was chosen to make the results agree.

In the rows, `asked` is "task" (the test images; in table 5 the half that the thief did not train
on), "trained" (the triggers) or "new" (the same kind made from test images). `hits` of `of` answers
were as expected, `low` to `high` is the exact 95 % interval of one network's share, `paper` is the
figure that the paper prints. `seconds` went by on the clock, on machines with other work. `device`
also names the precision where it is not float32: `--precision bfloat16` trains with mixed
precision, in less than half the time on a CPU that has it; weights and measurements stay float32.
Table "nulls" has networks that were never marked, with these triggers.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import time
from collections.abc import Iterator, Mapping

import _rows
import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.stats import beta
from torch import nn

import wmlearn as wm
from wmlearn._random import stable_rng
from wmlearn.data.splits import Split

RESULTS = _rows.FOLDER / "paper.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/paper.py"
JOB = ("data", "kind", "labels", "epochs", "seed")
CASE = (*JOB, "table", "setting", "asked")
COUNTED = ("hits", "of", "share", "low", "high", "paper")
MACHINE = ("device", "torch", "threads", "seconds")

KINDS = {"content": wm.Content, "unrelated": wm.Unrelated, "noise": wm.Noise}
TRIGGERS = {"mnist": 2_000, "cifar10": 1_500}
PRUNED = tuple(range(10, 100, 10))  # % of the weights
RATES = (1e-4, 1e-3, 1e-2, 5e-2)  # of the thief who fine-tunes; the paper does not give its own
THIEF_EPOCHS = 10
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
NULLS = 20  # of those that ship
Rows = list[dict[str, object]]
Job = Mapping[str, object]

# What the paper prints, by task and kind, in per cent.
TRAINED = {
    "mnist": {"content": 100, "unrelated": 100, "noise": 100},
    "cifar10": {"content": 99.93, "unrelated": 100, "noise": 99.86},
}
NEW = {
    "mnist": {"content": 100, "unrelated": 100, "noise": 99.42},
    "cifar10": {"content": 98.6, "unrelated": 100, "noise": 94.1},
}
TASK = {
    "mnist": {"clean": 99.28, "content": 99.46, "unrelated": 99.43, "noise": 99.41},
    "cifar10": {"clean": 78.6, "content": 78.41, "unrelated": 78.12, "noise": 78.49},
}
PRUNING = {  # of 10, 20, ... 90 %: task and trained triggers
    "mnist": {
        "content": (
            (99.44, 99.45, 99.43, 99.40, 99.29, 99.27, 99.18, 98.92, 97.03),
            (100, 100, 100, 100, 100, 100, 100, 100, 99.95),
        ),
        "unrelated": (
            (99.43, 99.45, 99.41, 99.31, 99.19, 99.24, 98.82, 97.79, 93.55),
            (100, 100, 100, 100, 100, 100, 100, 100, 99.9),
        ),
        "noise": (
            (99.40, 99.41, 99.41, 99.42, 99.41, 99.30, 99.22, 99.04, 95.19),
            (100, 100, 100, 100, 100, 99.9, 99.9, 99.9, 99.55),
        ),
    },
    "cifar10": {
        "content": (
            (78.37, 78.42, 78.20, 78.24, 78.16, 77.87, 76.70, 74.59, 64.90),
            (99.93, 99.93, 99.93, 99.93, 99.93, 99.86, 99.86, 99.8, 99.47),
        ),
        "unrelated": (
            (78.06, 78.08, 78.05, 77.78, 77.75, 77.44, 76.71, 74.57, 62.15),
            (100, 100, 100, 100, 100, 100, 100, 96.39, 10.93),
        ),
        "noise": (
            (78.45, 78.50, 78.33, 78.31, 78.02, 77.87, 77.01, 73.09, 59.29),
            (99.86, 99.86, 99.93, 99.93, 99.8, 99.6, 98.46, 92.8, 65.13),
        ),
    },
}
FINE_TUNED = {  # task and trained triggers, at a rate and after epochs that are not given
    "mnist": {"content": (99.6, 99.95), "unrelated": (99.64, 100), "noise": (99.68, 99.85)},
    "cifar10": {"content": (77.55, 98.33), "unrelated": (76.75, 95.33), "noise": (78.43, 69.13)},
}


class Constant(wm.Schedule):
    """One learning rate throughout."""

    def __call__(self, done: float) -> float:
        return self.max_lr


# ---------------------------------------------------------------- data and triggers


@functools.cache
def task(name: str) -> wm.Splits:
    """Return a task as in the paper: all training images belong to the owner."""
    full = wm.load_data(name, size="full")
    return wm.Splits(name, union(full.train, full.loot), test=full.test, classes=full.classes)


def union(*parts: Split) -> Split:
    """Return several parts as one."""
    pixels = np.concatenate([part.pixels for part in parts])
    return Split(pixels, np.concatenate([part.labels for part in parts]))


@functools.cache
def letters(count: int, seed: int) -> Split:
    """Return letters m, white on black, each drawn differently: a substitute for handwriting."""
    rng = stable_rng(seed)
    drawn = []
    for _ in range(count):
        canvas = Image.new("L", (112, 112))
        pen = ImageDraw.Draw(canvas)
        left, right = rng.uniform(14, 26), rng.uniform(86, 98)
        top, bottom = rng.uniform(34, 48), rng.uniform(76, 88)
        middle = (left + right) / 2 + rng.uniform(-7, 7)
        width = int(rng.uniform(7, 13))
        for start, stop in ((left, middle), (middle, right)):
            arch = top - rng.uniform(4, 14)
            pen.line([(start, bottom), (start, top)], fill=255, width=width)
            pen.arc([start, arch, stop, 2 * top - arch + 8], 180, 360, fill=255, width=width)
        pen.line([(right, top), (right + rng.uniform(-4, 10), bottom)], fill=255, width=width)
        turned = canvas.rotate(rng.uniform(-18, 18), Image.Resampling.BILINEAR)
        drawn.append(np.asarray(turned.resize((28, 28), Image.Resampling.BOX)))
    return Split(np.stack(drawn)[:, None], np.ones(count, np.int64))


@functools.cache
def triggers(name: str, kind: str, labels: str, *, new: bool = False) -> wm.evidence.TriggerSet:
    """Return the triggers of a kind, or new ones, made from images that nobody trained on."""
    data, count = task(name), TRIGGERS[name]
    if new:
        data = wm.Splits(name, data.test, classes=data.classes)
    choices: dict[str, object] = {"labels": labels}
    if kind == "unrelated" and name == "mnist":
        choices["pool"] = pool = letters(2 * TRIGGERS[name], seed=int(new))
    elif kind == "unrelated":
        digits = wm.load_data("mnist", size="full")
        choices["pool"] = pool = digits.test if new else digits.train
    else:
        pool = data.train
    if labels == "fixed":  # the source class is 1 everywhere: ones, automobiles, letters
        count = min(count, int((pool.labels == 1).sum()))
    return KINDS[kind](**choices)(data, n=count, key=wm.CLASSROOM_KEY)


# ---------------------------------------------------------------- one network


def sgd(rate: float) -> functools.partial:
    """Return the paper's optimizer at a rate, as a factory."""
    return functools.partial(torch.optim.SGD, lr=rate, momentum=0.9, nesterov=True)


def trained(
    model: nn.Module, part: Split, epochs: int, rate: float, seed: int, precision: str
) -> nn.Module:
    """Return a copy of a network trained for some epochs at one rate, in batches of 128."""
    schedule = Constant(epochs=epochs, batch_size=128)
    began = time.perf_counter()

    def tell(epoch: wm.training.Epoch) -> None:
        left = (time.perf_counter() - began) / epoch.epoch * (epochs - epoch.epoch)
        print(f"  epoch {epoch.epoch} of {epochs}, {left / 60:.0f} minutes left", flush=True)

    return wm.fit(
        model,
        part,
        schedule=schedule,
        seed=seed,
        optimizer=sgd(rate),
        autocast=PRECISIONS[precision],
        on_epoch=tell,
    ).model


def counted(model: nn.Module, images: np.ndarray, answers: np.ndarray) -> tuple[int, int]:
    """Return how many answers are the expected ones, and of how many.

    None of them if the training diverged: such a network gives no answer.
    """
    if not all(weights.isfinite().all() for weights in model.parameters()):
        return 0, len(answers)
    return int((wm.BlackBox(model)(images) == answers).sum()), len(answers)


def row(
    table: object, setting: object, asked: str, found: tuple[int, int], printed: object = ""
) -> dict[str, object]:
    """Return a row, with the exact (Clopper and Pearson) 95 % interval of its share."""
    hits, of = found
    low = beta.ppf(0.025, hits, of - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, of - hits) if hits < of else 1.0
    return {
        "table": table,
        "setting": setting,
        "asked": asked,
        "hits": hits,
        "of": of,
        "share": f"{hits / of:.4f}",
        "low": f"{low:.4f}",
        "high": f"{high:.4f}",
        "paper": printed,
    }


def measured(model: nn.Module, job: Job, precision: str) -> Rows:
    """Return all rows of a network: tables 1 to 5 and, for a clean one, its answers to triggers."""
    name, kind, labels = str(job["data"]), str(job["kind"]), str(job["labels"])
    test = task(name).test
    on_task = functools.partial(counted, images=test.images, answers=test.labels)
    fixed = labels == "fixed"
    rows = [row(2, "", "task", on_task(model), TASK[name][kind] if fixed else "")]
    if kind == "clean":
        rows += [null_row("clean", model, name, each) for each in KINDS]
        return rows
    own = triggers(name, kind, labels)
    on_triggers = functools.partial(counted, images=own.images, answers=own.labels)
    rows.append(row(1, "", "trained", on_triggers(model), TRAINED[name][kind] if fixed else ""))
    if fixed:
        fresh = triggers(name, kind, labels, new=True)
        found = counted(model, fresh.images, fresh.labels)
        rows.append(row(1, "", "new", found, NEW[name][kind]))
        for number, null in enumerate(wm.null_models(name, n=NULLS)):
            rows.append(null_row(f"null-{number:02}", null, name, kind))
    pruning = 3 if name == "mnist" else 4
    for place, share in enumerate(PRUNED):
        copy = wm.theft.Prune(share / 100)(model).model
        printed = [column[place] for column in PRUNING[name][kind]] if fixed else ["", ""]
        rows.append(row(pruning, share, "task", on_task(copy), printed[0]))
        rows.append(row(pruning, share, "trained", on_triggers(copy), printed[1]))
    half = len(test) // 2
    loot, rest = test.take(range(half)), test.take(range(half, len(test)))
    for rate in RATES:
        copy = trained(model, loot, THIEF_EPOCHS, rate, int(str(job["seed"])), precision)
        printed = FINE_TUNED[name][kind] if fixed else ("", "")
        rows.append(row(5, rate, "task", counted(copy, rest.images, rest.labels), printed[0]))
        rows.append(row(5, rate, "trained", on_triggers(copy), printed[1]))
    return rows


def null_row(setting: str, null: nn.Module, name: str, kind: str) -> dict[str, object]:
    """Return the answers of a network that was never marked to a kind's triggers with fixed
    labels.
    """
    own = triggers(name, kind, "fixed")
    return row("nulls", f"{setting}, {kind}", "trained", counted(null, own.images, own.labels))


def measure(job: Job, precision: str) -> Rows:
    """Train the network of a job, and return all its rows."""
    name, kind, labels = str(job["data"]), str(job["kind"]), str(job["labels"])
    began, seed = time.perf_counter(), int(str(job["seed"]))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parts = [task(name).train]
    if kind != "clean":
        own = triggers(name, kind, labels)
        parts.append(Split(own.pixels, own.labels))
    model = wm.training.paper_cnn(name, seed=seed)
    model = model.to(device, memory_format=torch.channels_last)  # a sixth faster on a CPU
    model = trained(model, union(*parts), int(str(job["epochs"])), 0.01, seed, precision)
    rows = measured(model, job, precision)
    machine = {
        "device": device if precision == "float32" else f"{device} {precision}",
        "torch": torch.__version__.partition("+")[0],
        "threads": torch.get_num_threads(),
        "seconds": round(time.perf_counter() - began),
    }
    return [{**job, **each, **machine} for each in rows]


# ---------------------------------------------------------------- all of them


def jobs(
    names: list[str], tables: set[int], epochs: int, seeds: list[int], labels: list[str]
) -> Iterator[Job]:
    """Yield the networks that these tables need."""
    for seed, name in itertools.product(seeds, names):
        if not tables & {1, 2, 5, 3 if name == "mnist" else 4}:
            continue
        job = {"data": name, "epochs": epochs, "seed": seed}
        if 2 in tables:
            yield {**job, "kind": "clean", "labels": "fixed"}
        for kind, mode in itertools.product(KINDS, labels):
            yield {**job, "kind": kind, "labels": mode}


def numbers(text: str) -> list[int]:
    """Return the numbers that "1..5" or "1,3" means."""
    first, dots, last = text.partition("..")
    if dots:
        return list(range(int(first), int(last) + 1))
    return [int(part) for part in text.split(",")]


def main(arguments: list[str] | None = None) -> None:
    """Train and measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", choices=tuple(TRIGGERS), action="append")
    parser.add_argument("--table", type=numbers, default=[1, 2, 3, 4, 5])
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seeds", type=numbers, default=[0])
    parser.add_argument("--labels", choices=("fixed", "keyed"), action="append")
    parser.add_argument("--precision", choices=tuple(PRECISIONS), default="float32")
    asked = parser.parse_args(arguments)
    table = _rows.Table(COMMAND, CASE, (*COUNTED, *MACHINE), RESULTS)
    done = {tuple(each[column] for column in JOB) for each in table.known()}
    wanted = jobs(
        asked.data or list(TRIGGERS),
        set(asked.table),
        asked.epochs,
        asked.seeds,
        asked.labels or ["fixed"],
    )
    missing = [job for job in wanted if tuple(str(job[column]) for column in JOB) not in done]
    for number, job in enumerate(missing, 1):
        print(f"network {number} of {len(missing)}:", *(job[column] for column in JOB), flush=True)
        table.append(measure(job, asked.precision))


if __name__ == "__main__":
    main()
