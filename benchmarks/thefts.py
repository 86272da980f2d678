"""Measure every theft against every kind of trigger: the evidence left, and what the theft costs.

On the full MNIST there are three kinds of trigger with keyed and with fixed labels, and five owners
each (a seed determines an owner's initial weights, the order of their images, their key, and the
thief's random numbers). On CIFAR-10 there are the models that ship, once, and only the thefts that
train nothing; there task accuracy is measured on the first 2,000 test images.

There is one row for each suspect. `matched` counts questions, of `questions`; chance gives a tenth
if labels are keyed, and an unknown share if they are fixed (`p` is then empty). `p` is the anytime
p-value, `decision` the decision of `wm.verify` at the sealed alpha, .001. `images` is what the
thief needs, `queries` what they ask of the owner's service. `seconds` is the thief's wall-clock
time; the values in the file come from a machine that was busy with other work, up to three times as
slow as it would be alone. A thief holds 5,000 images of the task. Thieves who use unrelated ones
take photographs of CIFAR-10, or the digits of MNIST.

Results are kept below the data folder, and a second run adds what is missing. It takes about an
hour
on one core::

    OMP_NUM_THREADS=1 python benchmarks/thefts.py
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from torch import nn

import wmlearn as wm
from wmlearn.data._published import data_folder
from wmlearn.triggers.unrelated import FOREIGN, fit_pixels

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "thefts.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/thefts.py"
CASE = ["data", "marks", "labels", "theft", "strength", "seed"]
MEASURED = [
    "task_accuracy",
    "matched",
    "questions",
    "p",
    "decision",
    "images",
    "queries",
    "seconds",
]

TRIGGERS = {"content": wm.Content, "unrelated": wm.Unrelated, "noise": wm.Noise}
IMAGES = {
    "content": 150,
    "unrelated": 100,
    "noise": 100,
}  # keyed; those with fixed labels have 100, each a question
SEEDS = range(5)
LOOT = 5_000
THIEF_WORDS = [
    "LOFT",
    "MALL",
    "MARE",
    "MEAD",
    "MILL",
    "MINT",
    "MOAT",
    "MOOR",
    "NEST",
    "NOOK",
]  # none is an owner's
SHIPPED_TEST = 2_000  # test images of CIFAR-10


@dataclass(frozen=True)
class Ensemble(wm.theft.Theft):
    """A thief who stole from three owners and lets the copies vote; two models that ship represent
    the other two.
    """

    others: tuple[str, ...]

    def deploy(self, owner: nn.Module, context: wm.theft.Context) -> wm.theft.Deployment:
        """Return the service that asks all three."""
        voters = [owner, *map(wm.load_model, self.others)]
        return wm.theft.Deployment(wm.theft.Vote([wm.BlackBox(voter) for voter in voters]), owner)


def cheap() -> dict[str, wm.theft.Theft]:
    """Return the thefts that train nothing, by name and strength."""
    theft = wm.theft
    return {
        **{f"Prune {share}": theft.Prune(share) for share in (0.5, 0.7, 0.8, 0.9)},
        **{f"Prune-channels {share}": theft.Prune(share, by="channel") for share in (0.1, 0.3)},
        **{f"Quantize {bits}": theft.Quantize(bits) for bits in (5, 3, 2)},
        **{f"PerturbWeights {sigma}": theft.PerturbWeights(sigma) for sigma in (0.1, 0.3, 0.5)},
        **{f"Jpeg {quality}": theft.Jpeg(quality) for quality in (95, 65, 45, 10)},
        **{f"Blur {sigma}": theft.Blur(sigma) for sigma in (0.5, 0.8, 1.2)},
        **{f"Squeeze {bits}": theft.Squeeze(bits) for bits in (4, 1)},
        **{f"AddNoise {sigma}": theft.AddNoise(sigma) for sigma in (0.05, 0.1, 0.3)},
        "RejectUnusual 0.05": theft.RejectUnusual(0.05),
    }


def training(data: wm.Splits) -> dict[str, wm.theft.Theft]:
    """Return the thefts that train, by name and strength."""
    theft = wm.theft
    other = wm.load_data(
        FOREIGN[data.name], size="full"
    ).loot  # no trigger is among them: those come from `train`
    foreign = wm.data.Split(fit_pixels(other.pixels[:LOOT], data.shape), other.labels[:LOOT])
    thief_triggers = wm.Content(words=THIEF_WORDS)(
        replace(data, train=data.loot, loot=None), n=100, key=key("thief", 0)
    )
    return {
        **{f"FTAL {lr}": theft.FineTune(5, lr) for lr in (1e-3, 5e-3, 1e-2)},
        "FTLL 0.01": theft.FineTune(5, 1e-2, layers="last"),
        "RTLL 0.01": theft.FineTune(10, 1e-2, layers="last", reset=True),
        "RTAL 0.005": theft.FineTune(5, 5e-3, reset=True),
        **{f"FinePrune {share}": theft.FinePrune(share) for share in (0.3, 0.6)},
        "Overwrite 0.005": theft.Overwrite(thief_triggers),
        **{
            f"Steal-{labels}-{what} {LOOT}": theft.StealByQueries(LOOT, labels, queries)
            for labels in ("hard", "soft")
            for what, queries in (("loot", "loot"), ("unrelated", foreign))
        },
        "Vote 3": Ensemble((f"{data.name}/clean", f"{data.name}/noise")),
    }


def key(who: str, seed: int) -> bytes:
    """Return the key of somebody in this study; it is public, like everything that is committed."""
    return hashlib.sha256(f"thefts study, {who} {seed}".encode()).digest()


def marked_by(seed: int, data: wm.Splits) -> dict[str, wm.evidence.TriggerSet]:
    """Return the six trigger sets of one owner, by kind and label mode."""
    return {
        f"{kind} {labels}": make(labels=labels)(
            data, n=IMAGES[kind] if labels == "keyed" else 100, key=key(f"{kind} {labels}", seed)
        )
        for kind, make in TRIGGERS.items()
        for labels in ("keyed", "fixed")
    }


def trained(name: str = "mnist") -> Iterator[pd.DataFrame]:
    """Yield the results of the owners of one seed and all their thieves, seed by seed."""
    full = wm.load_data(name, size="full")
    data = wm.Splits(name, full.train, full.loot.take(range(LOOT)), full.test, full.classes)
    thefts = cheap() | training(data)
    for seed in SEEDS:
        swept = wm.sweep(
            marked_by(seed, data), thefts, data, seeds=[seed], cache=data_folder() / "thefts"
        )
        yield swept.rename(columns={"triggers": "marks"}).assign(
            data=name
        )  # the file keeps its first words


def shipped(name: str = "cifar10") -> pd.DataFrame:
    """Return what the cheap thefts leave of the models that ship."""
    full = wm.load_data(name, size="full")
    data = wm.Splits(
        name,
        full.train,
        full.loot.take(range(LOOT)),
        full.test.take(range(SHIPPED_TEST)),
        full.classes,
    )
    rows = []
    for kind, labels in ((kind, labels) for kind in TRIGGERS for labels in ("keyed", "fixed")):
        owner = wm.load_model(f"{name}/{kind}" + "-fixed" * (labels == "fixed"))
        n = IMAGES[kind] if labels == "keyed" else 150
        triggers = TRIGGERS[kind](labels=labels)(wm.load_data(name), n=n, key=wm.CLASSROOM_KEY)
        context = wm.theft.Context(data.loot, lambda: wm.training.deep_cnn(data))
        suspects = {"none": wm.theft.Deployment(wm.BlackBox(owner), owner)}
        suspects |= {name: theft.deploy(owner, context) for name, theft in cheap().items()}
        for theft, suspect in suspects.items():
            verdict = wm.verify(suspect.query, triggers)
            right = float((suspect.query(data.test.images) == data.test.labels).mean())
            about = {
                "data": name,
                "marks": f"{kind} {labels}",
                "theft": theft,
                "seed": 0,
                "task_accuracy": right,
            }
            found = {
                "matched": verdict.k,
                "questions": verdict.n,
                "p": verdict.p,
                "decision": verdict.decision,
            }
            rows.append(
                about | found | {"images": 0, "queries": 0, "seconds": suspect.cost.seconds}
            )
    return pd.DataFrame(rows)


def write(frames: list[pd.DataFrame]) -> None:
    """Write all known rows in one order, completely or not at all."""
    rows = pd.concat(frames, ignore_index=True)
    rows[["marks", "labels"]] = rows.marks.str.split(" ", expand=True)
    rows["strength"] = rows.theft.str.partition(" ")[2]
    rows["theft"] = rows.theft.str.partition(" ")[0]
    rows["task_accuracy"] = rows.task_accuracy.map("{:.4f}".format)
    rows["p"] = rows.p.map("{:.3g}".format).replace("nan", "")
    rows["seconds"] = rows.seconds.map("{:.1f}".format)
    part = RESULTS.with_suffix(".part")
    part.write_text(
        COMMAND + "\n" + rows[CASE + MEASURED].to_csv(index=False, lineterminator="\n"),
        encoding="utf-8",
    )
    os.replace(part, RESULTS)


if __name__ == "__main__":
    known = [shipped()] if "--no-photographs" not in sys.argv else []
    for frame in trained():
        known.append(frame)
        write(known)
        print(len(frame), "rows", flush=True)
