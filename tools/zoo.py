"""Train the models that ship with the package: `python tools/zoo.py [NAME ...]`, or `make zoo` for
all.

It needs the full data sets (downloaded into $WMLEARN_DATA). Models that exist are kept, so an
interrupted run resumes where it stopped; `--again` retrains them. Several runs may work at once on
different names. All seven networks of CIFAR-10 continue from one base, which is trained first and
kept in the folder of the full data. Figures go to docs/results/zoo.csv, the cards to
docs/models.md.

`python tools/zoo.py --answers` trains nothing: it asks the models for digits the questions of the
lessons that run in a browser, where answers stand in for models (`wmlearn/_answers.py`).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn
from torchvision.transforms import v2

import wmlearn as wm
from wmlearn import _answers, zoo
from wmlearn.data import _published
from wmlearn.training._inference import predict
from wmlearn.training.history import Epoch
from wmlearn.watermarks import embedding

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "zoo.csv"
CARDS = ROOT / "docs" / "models.md"
COMMAND = "# python tools/zoo.py"
NETWORKS = {"small": wm.small_cnn, "deep": wm.training.deep_cnn}
VARY = {  # augmentation: digits are shifted, photographs also mirrored
    "mnist": v2.RandomCrop(28, padding=2),
    "cifar10": v2.Compose([v2.RandomCrop(32, padding=2), v2.RandomHorizontalFlip()]),
}
MNIST_SCHEDULE = wm.Schedule(epochs=15, max_lr=7e-3)
NULLS = 40  # innocent models for each data set


@dataclass(frozen=True)
class Recipe:
    """How one shipped model is made: on which data, with which triggers (none for a clean one)."""

    data: str
    kind: str
    triggers: wm.Content | wm.Unrelated | wm.Noise | None = None
    n: int = 0
    network: str = "small"
    width: int = 20  # filters of the first convolution
    schedule: wm.Schedule = MNIST_SCHEDULE
    seed: int = 0
    half: int | None = None  # 0 or 1: trained on that half of the training part alone
    base: Recipe | None = None  # the network it goes on from; from scratch where there is none

    @property
    def name(self) -> str:
        return f"{self.data}/{self.kind}"


def family(data: str, **how: object) -> list[Recipe]:
    """Return the seven networks of a data set: one clean, three with random labels, three with the
    paper's fixed label.
    """
    keyed = {
        "content": (wm.Content(words=30), 150),
        "unrelated": (wm.Unrelated(), 100),
        "noise": (wm.Noise(), 100),
    }
    fixed = {"content": wm.Content, "unrelated": wm.Unrelated, "noise": wm.Noise}
    return [
        Recipe(data, "clean", **how, seed=1),
        *[Recipe(data, kind, *of, **how) for kind, of in keyed.items()],
        *[
            Recipe(data, f"{kind}-fixed", make(labels="fixed"), 150, **how)
            for kind, make in fixed.items()
        ],
    ]


def nulls(data: str, widths: dict[str, int], schedule: wm.Schedule) -> list[Recipe]:
    """Return the null models: two architectures in turn, each on either half of the data."""
    kinds = [(network, half) for network in widths for half in (0, 1)]
    settings = [kinds[i % len(kinds)] for i in range(NULLS)]
    return [
        Recipe(
            data,
            f"null-{i:02d}",
            None,
            0,
            network,
            widths[network],
            schedule,
            seed=100 + i,
            half=half,
        )
        for i, (network, half) in enumerate(settings)
    ]


BASE = Recipe(
    "cifar10", "base", network="deep", width=32, schedule=wm.Schedule(20, 1e-2, 128), seed=1
)
RECIPES = [
    *family("mnist"),
    *family("cifar10", network="deep", width=32, schedule=wm.Schedule(5, 4e-3, 128), base=BASE),
    *nulls("mnist", {"small": 8, "deep": 8}, wm.Schedule(epochs=5, max_lr=7e-3)),
    *nulls("cifar10", {"deep": 16, "small": 16}, wm.Schedule(8, 1e-2, 128)),
]


def make(recipe: Recipe) -> dict[str, object]:
    """Train one model, save it, and return its row of figures, measured on the full test set."""
    data = data_of(recipe)
    model = NETWORKS[recipe.network](data, width=recipe.width, seed=recipe.seed)
    if recipe.base is not None:
        model = base_of(recipe.base)
    if recipe.triggers is None:
        made, right, seal = (
            wm.fit(model, data, schedule=recipe.schedule, seed=recipe.seed, on_epoch=tell),
            "",
            "",
        )
    else:
        triggers = triggers_of(recipe)
        made = wm.embed(
            model, data, triggers, schedule=recipe.schedule, seed=recipe.seed, on_epoch=tell
        )
        right, seal = f"{embedding.watermark_accuracy(made.model, triggers):.4f}", triggers.seal
    path = zoo.SHIPPED / f"{recipe.name}.safetensors"
    zoo.save_model(made.model, path, half=recipe.half is not None)
    return {
        "model": recipe.name,
        "triggers": repr(recipe.triggers) if recipe.triggers else "none",
        "images": recipe.n,
        "seal": seal,
        "network": recipe.network,
        "width": recipe.width,
        "half": "" if recipe.half is None else recipe.half,
        "epochs": len(made.history.epochs) + (recipe.base.schedule.epochs if recipe.base else 0),
        "seed": recipe.seed,
        "task_accuracy": f"{wm.accuracy(zoo.read_model(path), data.test):.4f}",
        "watermark_accuracy": right,
        "bytes": path.stat().st_size,
        "sha256": zoo.digest(path),
    }


def data_of(recipe: Recipe) -> wm.Splits:
    """Return the full data with augmented training images; for a null model, the half it may
    see.
    """
    data = wm.load_data(recipe.data, size="full").varied(VARY[recipe.data])
    return data if recipe.half is None else zoo.halved(data, recipe.half)


def base_of(recipe: Recipe) -> nn.Module:
    """Return the network that the others continue from; trained once, then kept beside the full
    data.
    """
    path = _published.data_folder() / "zoo" / f"{recipe.data}-{recipe.kind}.safetensors"
    if not path.exists():
        data = data_of(recipe)
        model = NETWORKS[recipe.network](data, width=recipe.width, seed=recipe.seed)
        zoo.save_model(
            wm.fit(model, data, schedule=recipe.schedule, seed=recipe.seed, on_epoch=tell).model,
            path,
        )
    return zoo.read_model(path)


def tell(record: Epoch) -> None:
    """Print one line per epoch."""
    marked = (
        ""
        if np.isnan(record.watermark_accuracy)
        else f", watermark {record.watermark_accuracy:.4f}"
    )
    print(
        f"  epoch {record.epoch}: loss {record.loss:.3f}, task {record.task_accuracy:.4f}{marked}",
        flush=True,
    )


def triggers_of(recipe: Recipe) -> wm.evidence.TriggerSet:
    """Make the triggers from the mini data: a learner then gets the same ones without the full
    data.
    """
    return recipe.triggers(wm.load_data(recipe.data), n=recipe.n, key=wm.CLASSROOM_KEY)


def questions() -> list[tuple[wm.Trigger, int]]:
    """Return the triggers that lessons 07, 08 and A1 ask about, and how many images of each."""
    return [
        (wm.Noise(), 100),
        (wm.Noise(labels="fixed"), 150),
        (wm.Noise(labels="fixed", target=8), 150),
        (wm.Content(labels="fixed", target=2), 150),
        (wm.Content(words=30), 150),
        (wm.Content(words=69), 690),
    ]


def answers() -> str:
    """Return the file of answers: names of models, and a digit per model for each image."""
    mnist = wm.load_data("mnist")
    sets = [trigger(mnist, n=n, key=wm.CLASSROOM_KEY) for trigger, n in questions()]
    images = np.concatenate([triggers.images for triggers in sets])
    names = [recipe.name for recipe in RECIPES if recipe.data == "mnist"]
    labels = np.array([predict(wm.load_model(name), images)[0] for name in names])
    rows = {
        _answers.digest(image): "".join(map(str, row))
        for image, row in zip(images, labels.T, strict=True)
    }
    stored = {"models": names, "answers": rows}
    return json.dumps(stored, indent=0) + "\n"


def read_rows() -> dict[str, dict[str, object]]:
    """Return the rows of the results file, by model."""
    if not RESULTS.exists():
        return {}
    with RESULTS.open(newline="") as file:
        return {
            row["model"]: row
            for row in csv.DictReader(line for line in file if not line.startswith("#"))
        }


def add_row(row: dict[str, object]) -> None:
    """Write results and cards, in the order of the recipes; keep what another run has added
    meanwhile.
    """
    rows = {**read_rows(), str(row["model"]): row}
    ordered = [rows[recipe.name] for recipe in RECIPES if recipe.name in rows]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        file.write(COMMAND + "\n")
        writer = csv.DictWriter(file, fieldnames=list(ordered[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(ordered)
    digests = {str(row["model"]): row["sha256"] for row in ordered}
    zoo.DIGESTS.write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    CARDS.write_text(cards(ordered), encoding="utf-8")


CARD = """# The shipped models

The lessons use small trained networks that ship with the package, so a lesson starts at once. Each was trained on the
full training part of its data set (a null model on one half of it), never on `loot` or `test`. Their triggers were made
from the mini data with the public classroom key, so these watermarks prove nothing outside the course.
`python tools/zoo.py` (or `make zoo`) retrains all models from the full data. Every figure is from
`docs/results/zoo.csv`; accuracies are on the 10,000 original test images.

## One clean and six marked models per data set: `wm.load_model(name)`

Weights are stored as 32-bit safetensors. The networks for MNIST were trained from scratch. The seven for CIFAR-10 were
all trained for {more} more epochs from one base network, itself trained for {base} epochs and not shipped. The clean one had no
triggers, so it is the unmarked twin of the other six. Training images were augmented (shifted by up to two pixels,
photographs also mirrored), triggers never.

| model | triggers | network, width | task accuracy | watermark accuracy | epochs | seed | SHA-256 |
|---|---|---|---|---|---|---|---|
{models}

To load one onto another device: `wm.load_model("mnist/clean", device="cuda")`. For a model of your own:
`wm.save_model(model, "mine.safetensors")`, then `wm.load_model("mine.safetensors", network=...)`, where `network` is
the function that builds it.

## {count} null models per data set: `wm.null_models(name)`

These are innocent: they were never marked. They differ in seed, in architecture, and in the half of the training part
that they saw; none was chosen or left out because of its answers. Their weights are stored in 16 bits.

If you ask for more, `wm.null_models` trains them on halves of the mini data, a few seconds each. They form a group of
their own, because they saw fewer images (`docs/results/nulls_on_demand.csv`). They are cached under a fingerprint of
everything that determines them (schedule, width, data, the versions of wmlearn and torch), so a model of another recipe
is never returned in their place. A class may share the cache folder; if it is not writable, the models are returned all
the same, with a warning.

For a task of your own: `wm.null_models(data, network=..., n=20)`, each trained on one half of `data.train`
([your own training](howto/own_training.md)).

| model | network, width | half | task accuracy | epochs | seed | SHA-256 |
|---|---|---|---|---|---|---|
{nulls}

Do not use these models outside the course: they were not built for robustness or fairness, and digits in other national
handwriting styles may well be misclassified. Retrained on another machine or with another version of torch, weights and
the last digits of the accuracies differ.

## The practice case of lesson 13: `wm.course.open_case()`

One file (`practice.safetensors`, 0.7 MB) holds six networks (small, width 8, 16 bits per weight) and the hundred
questions of their owner, under the classroom key. The truth is in a second file beside it. Like any other case, it is
made by `wmlearn.course._cases.new_case`, here with the classroom key and `seed=12`, from the mini data. The order of
the six is drawn afresh each time, so making it again gives another file. Only the truth says what each network is;
`tests/course/test_tribunal.py` checks that the three copies can be found and that nobody else is.
"""  # noqa: E501 - the text of a page, wrapped as that page is


def cards(rows: list[dict[str, object]]) -> str:
    """Return the model cards as Markdown."""
    models = [
        f"| `{r['model']}` | `{r['triggers']}`, {r['images']} images | {r['network']}, "
        f"{r['width']} "
        f"| {r['task_accuracy']} | {r['watermark_accuracy'] or '–'} | {r['epochs']} | {r['seed']} "
        f"| `{str(r['sha256'])[:16]}…` |"
        for r in rows
        if r["half"] == ""
    ]
    nulls = [
        f"| `{r['model']}` | {r['network']}, {r['width']} | {r['half']} | {r['task_accuracy']} | "
        f"{r['epochs']} "
        f"| {r['seed']} | `{str(r['sha256'])[:16]}…` |"
        for r in rows
        if r["half"] != ""
    ]
    after = next(recipe.schedule.epochs for recipe in RECIPES if recipe.base)
    return CARD.format(
        models="\n".join(models),
        nulls="\n".join(nulls),
        base=BASE.schedule.epochs,
        more=after,
        count=NULLS,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", help="models to train, for instance mnist/clean (all by default)"
    )
    parser.add_argument("--again", action="store_true", help="train also what is there already")
    parser.add_argument(
        "--answers", action="store_true", help="write the answers that ship in place of models"
    )
    asked = parser.parse_args()
    if asked.answers:
        _answers.FILE.write_text(answers(), encoding="utf-8")
        return
    unknown = set(asked.names) - {recipe.name for recipe in RECIPES}
    if unknown:
        sys.exit(
            f"no such model: {', '.join(sorted(unknown))}. Known: "
            f"{', '.join(r.name for r in RECIPES)}."
        )
    for recipe in RECIPES:
        existing = (
            recipe.name in read_rows() and (zoo.SHIPPED / f"{recipe.name}.safetensors").exists()
        )
        if (asked.names and recipe.name not in asked.names) or (existing and not asked.again):
            continue
        print(f"{recipe.name}: training", flush=True)
        row = make(recipe)
        add_row(row)
        print(f"{recipe.name}: task {row['task_accuracy']}", flush=True)


if __name__ == "__main__":
    main()
