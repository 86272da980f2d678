"""Train the models that ship with the package: `python tools/zoo.py [NAME ...]`, or `make zoo` for all.

Needs the full data sets (fetched into $WMLEARN_DATA). A model that is there already is kept, so that an interrupted run
goes on where it was; `--again` trains it anew. Figures go to docs/results/zoo.csv, the cards to docs/models.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import wmlearn as wm
from wmlearn import embedding, zoo

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "zoo.csv"
CARDS = ROOT / "docs" / "models.md"
COMMAND = "# python tools/zoo.py"


@dataclass(frozen=True)
class Recipe:
    """How one shipped model is made: on which data, with which triggers (none for a clean one)."""

    data: str
    kind: str
    triggers: wm.Content | wm.Unrelated | wm.Noise | None
    n: int = 0
    width: int = 20  # of the first convolution
    epochs: int = 20
    seed: int = 0

    @property
    def name(self) -> str:
        return f"{self.data}/{self.kind}"


RECIPES = [
    Recipe("mnist", "clean", None, seed=1),
    Recipe("mnist", "content", wm.Content(words=30), 150),
    Recipe("mnist", "unrelated", wm.Unrelated(), 100),
    Recipe("mnist", "noise", wm.Noise(), 100),
]


def make(recipe: Recipe) -> dict[str, object]:
    """Train one model, save it, and return its row of figures, measured on the full test set."""
    data = wm.load_data(recipe.data, size="full")
    schedule = wm.OneCycle(epochs=recipe.epochs, lr=7e-3)
    model = wm.small_cnn(data, width=recipe.width, seed=recipe.seed)
    if recipe.triggers is None:
        made, right, seal = wm.fit(model, data, schedule=schedule, seed=recipe.seed), "", ""
    else:
        marks = triggers_of(recipe)
        made = wm.embed(model, data, marks, schedule=schedule, seed=recipe.seed)
        right, seal = f"{embedding.watermark_accuracy(made.model, marks):.4f}", marks.seal
    path = zoo.SHIPPED / f"{recipe.name}.safetensors"
    zoo.save_model(made.model, path)
    return {
        "model": recipe.name,
        "triggers": repr(recipe.triggers) if recipe.triggers else "none",
        "images": recipe.n,
        "seal": seal,
        "width": recipe.width,
        "epochs": len(made.history.epochs),
        "seed": recipe.seed,
        "task_accuracy": f"{wm.accuracy(zoo.read_model(path), data.test):.4f}",
        "watermark_accuracy": right,
        "bytes": path.stat().st_size,
        "sha256": zoo.digest(path),
    }


def triggers_of(recipe: Recipe) -> wm.TriggerSet:
    """Make the triggers from the mini set, so that a learner makes the same ones without the full data."""
    return recipe.triggers(wm.load_data(recipe.data), n=recipe.n, key=wm.CLASSROOM_KEY)


def read_rows() -> dict[str, dict[str, object]]:
    """Return the rows of the results file by model."""
    if not RESULTS.exists():
        return {}
    with RESULTS.open(newline="") as file:
        return {row["model"]: row for row in csv.DictReader(line for line in file if not line.startswith("#"))}


def write_rows(rows: dict[str, dict[str, object]]) -> None:
    """Write results and cards, in the order of the recipes."""
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


def cards(rows: list[dict[str, object]]) -> str:
    """Return the model cards as Markdown."""
    head = (
        "# The shipped models\n\n"
        "Small networks for lessons. Each was trained on the full training part of its data set, never on `loot` or\n"
        "`test`; triggers were made with the public classroom key, so that these watermarks prove nothing outside the\n"
        "course. Weights are safetensors, 32-bit, for `wm.load_model(name)`. `python tools/zoo.py` (or `make zoo`)\n"
        "retrains them all from the full data; the table is `docs/results/zoo.csv`, accuracies on the 10,000 original\n"
        "test images.\n\n"
        "| model | triggers | task accuracy | watermark accuracy | epochs | seed | SHA-256 |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    lines = [
        f"| `{r['model']}` | `{r['triggers']}`, {r['images']} images | {r['task_accuracy']} | "
        f"{r['watermark_accuracy'] or '–'} | {r['epochs']} | {r['seed']} | `{str(r['sha256'])[:16]}…` |"
        for r in rows
    ]
    tail = (
        "\n\nNot for any use outside the course: no care was taken about robustness or fairness, and a digit written\n"
        "in another country's hand may well be misread. Retrained on another machine or another version of torch,\n"
        "weights and the last digits of the accuracies differ.\n"
    )
    return head + "\n".join(lines) + tail


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="models to train, for instance mnist/clean (all by default)")
    parser.add_argument("--again", action="store_true", help="train also what is there already")
    asked = parser.parse_args()
    unknown = set(asked.names) - {recipe.name for recipe in RECIPES}
    if unknown:
        sys.exit(f"no such model: {', '.join(sorted(unknown))}. Known: {', '.join(r.name for r in RECIPES)}.")
    rows = read_rows()
    for recipe in RECIPES:
        there = recipe.name in rows and (zoo.SHIPPED / f"{recipe.name}.safetensors").exists()
        if (asked.names and recipe.name not in asked.names) or (there and not asked.again):
            continue
        print(f"{recipe.name}: training", flush=True)
        rows[recipe.name] = make(recipe)
        write_rows(rows)
        print(f"{recipe.name}: task {rows[recipe.name]['task_accuracy']}", flush=True)


if __name__ == "__main__":
    main()
