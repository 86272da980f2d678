"""Tables of lessons that are made from files of docs/results, and never typed.

A cell of a lesson with one of these tags holds nothing but its table; `make lessons` writes it, and
`--check` says where it is old.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

from nbformat import NotebookNode
from scipy.stats import t

Row = dict[str, str]


def write_tables(nb: NotebookNode, root: Path) -> None:
    """Write each table of a lesson from its file, in place."""
    for cell in nb.cells:
        for tag in set(cell.metadata.get("tags", [])) & set(TABLES):
            cell.source = TABLES[tag](root)


def rows_of(root: Path, name: str) -> list[Row]:
    """Return the rows of a file of docs/results."""
    text = (root / "docs" / "results" / f"{name}.csv").read_text("utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if line[0] != "#"))


def markdown(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mean(rows: Iterable[Row], column: str) -> float:
    """Return the mean of a column."""
    return statistics.fmean(float(row[column]) for row in rows)


# ---------------------------------------------------------------- answers that lean

# what a row is called, and which rows it stands for: data, where, size, suspect, queries, epochs
LEANING = (
    ("the owner's network, which does not lean", ("mnist", "service", "1.0", "untouched", "", "")),
    ("**the service that leans**", ("mnist", "service", "1.0", "itself", "", "")),
    ("asked about 1,000 digits", ("mnist", "service", "1.0", "copies", "1000", "6")),
    ("about 2,000", ("mnist", "service", "1.0", "copies", "2000", "6")),
    ("about 5,000", ("mnist", "service", "1.0", "copies", "5000", "6")),
    ("about 5,000, two epochs", ("mnist", "service", "1.0", "copies", "5000", "2")),
    ("about 5,000, twenty epochs", ("mnist", "service", "1.0", "copies", "5000", "20")),
    ("about 20,000", ("mnist", "service", "1.0", "copies", "20000", "6")),
    ("about 30,000", ("mnist", "service", "1.0", "copies", "30000", "6")),
    ("20,000, a third as wide", ("mnist", "service", "1.0", "width / 3", "20000", "6")),
    ("20,000, three times as wide", ("mnist", "service", "1.0", "width x 3", "20000", "6")),
    ("20,000, with scores", ("mnist", "service", "1.0", "soft labels", "20000", "6")),
    ("20,000, half of them near-ties", ("mnist", "service", "1.0", "asks near-ties", "20000", "6")),
    ("20,000, each moved, too", ("mnist", "service", "1.0", "shifts images", "20000", "6")),
    ("20,000, of two owners", ("mnist", "service", "1.0", "asks two owners", "20000", "6")),
    (
        "20,000, the 15 % least sure left out",
        ("mnist", "service", "1.0", "drops 15 % least sure", "20000", "6"),
    ),
    (
        "20,000, and no answer to near-ties",
        ("mnist", "service", "1.0", "refuses near-ties", "20000", "6"),
    ),
    (
        "20,000, then 500 true labels",
        ("mnist", "service", "1.0", "500 true labels", "20000", "6"),
    ),
    (
        "20,000, then 2,000 true labels",
        ("mnist", "service", "1.0", "2,000 true labels", "20000", "6"),
    ),
    (
        "20,000, then 5,000 true labels",
        ("mnist", "service", "1.0", "5,000 true labels", "20000", "6"),
    ),
    (
        "20,000, and their own guess of the lean taken off",
        ("mnist", "service", "1.0", "subtracts what it can tell", "20000", "6"),
    ),
    ("10,000 photographs, ten epochs", ("mnist", "service", "1.0", "photographs", "10000", "10")),
    ("**a service that leans half as far**", ("mnist", "service", "0.5", "itself", "", "")),
    ("asked about 20,000 digits", ("mnist", "service", "0.5", "copies", "20000", "6")),
    ("**a network trained to lean**", ("mnist", "weights", "1.0", "itself", "", "")),
    ("asked about 5,000 digits", ("mnist", "weights", "1.0", "copies", "5000", "6")),
    ("about 20,000", ("mnist", "weights", "1.0", "copies", "20000", "6")),
    ("its file, 70 % of the weights pruned", ("mnist", "weights", "1.0", "pruned 70 %", "", "")),
    ("its file, rounded to 4 bits", ("mnist", "weights", "1.0", "4 bits", "", "")),
    (
        "its file, fine-tuned on 5,000 true labels",
        ("mnist", "weights", "1.0", "fine-tuned, 5,000 true labels", "", ""),
    ),
    (
        "a network trained to lean that knows thirty words",
        ("mnist", "both", "1.0", "itself", "", ""),
    ),
    ("**CIFAR-10, a service that leans**", ("cifar10", "service", "1.0", "itself", "", "")),
    ("asked about 5,000 photographs", ("cifar10", "service", "1.0", "copies", "5000", "6")),
    ("about 10,000", ("cifar10", "service", "1.0", "copies", "10000", "6")),
)


def lean_table(root: Path) -> str:
    """Return who leans how clearly; an owner counts whose draw and mirrored draw are both known."""
    rows = rows_of(root, "tilt")
    lines = []
    for words, case in LEANING:
        columns = ("data", "where", "size", "suspect", "queries", "epochs")
        of_it = [row for row in rows if tuple(row[column] for column in columns) == case]
        seeds = [row["owner"] for row in of_it]
        whole = [row for row in of_it if seeds.count(row["owner"]) == 2]
        if whole:
            lines.append((words, *leaning(whole)))
    return markdown(("who is asked", "images read of 100", "coins matched of 160", "found"), lines)


def leaning(rows: list[Row]) -> list[str]:
    """Return what is said of the owners of one case."""
    matched = [int(row["matched"]) for row in rows]
    found = sum(float(row["p"]) <= 1e-3 for row in rows)
    return [
        f"{100 * mean(rows, 'task_accuracy'):.1f}",
        f"{statistics.fmean(matched):.0f} ({min(matched)} to {max(matched)})",
        f"{found} of {len(rows)}",
    ]


# ---------------------------------------------------------------- who walks where

MARKS = {
    "thirty words": "content",
    "words, with a margin": "content margin",
    "a hundred noisy digits": "noise",
    "noisy digits, with a margin": "noise margin",
    "noisy digits, twice that margin": "noise margin twice",
    "a hundred photographs": "unrelated",
    "ten pairs, 10 pictures each": "composite 10x10",
    "ten pairs, 400 each": "composite 10x400",
    "the same, wider networks": "composite 10x400 wide",
    "ten pairs, new pictures in every step": "composite varied",
    "the same, kept close to their halves": "composite consistent",
    "thirty pairs, 130 each": "composite 30x130",
    "160 coins, answers that lean": "tilt",
    "the same coins, all turned round": "tilt mirrored",
}
ASKED = {
    "twin": "innocent twin",
    "none": "owner",
    "loot": "asked about digits",
    "unrelated": "about photographs",
    "unrelated soft": "photographs, with scores",
}


def marks_table(root: Path) -> str:
    """Return what each thief leaves of each mark."""
    rows = rows_of(root, "countermeasures")
    lines = []
    for words, owner in MARKS.items():
        line = [words]
        for theft in ASKED:
            of_it = [row for row in rows if (row["owner"], row["theft"]) == (owner, theft)]
            line.append(carried(of_it))
        lines.append(line)
    return markdown(("the mark", *ASKED.values()), lines)


def carried(rows: list[Row]) -> str:
    """Return the share matched with its interval, how many were found, how well they read."""
    shares = [int(row["matched"]) / int(row["questions"]) for row in rows]
    half = t.ppf(0.975, len(shares) - 1) * statistics.stdev(shares) / math.sqrt(len(shares))
    found = sum(row["decision"] == "found" for row in rows)
    read = 100 * mean(rows, "task_accuracy")
    return f"{100 * statistics.fmean(shares):.0f} ± {100 * half:.0f} %, {found} ({read:.0f})"


TABLES: dict[str, Callable[[Path], str]] = {"wm-lean": lean_table, "wm-marks": marks_table}
