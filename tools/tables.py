"""Tables of lessons that are made from files of docs/results, and never typed.

A cell of a lesson with one of these tags holds nothing but its table, or its figures as code;
`make lessons` writes it, and `--check` says where it is old.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Callable, Iterable, Iterator
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
Case = tuple[str, tuple[str, ...]]
LEANING: tuple[Case, ...] = (
    ("the owner's network, which does not lean", ("mnist", "service", "1.0", "untouched", "", "")),
    ("**the service that leans**", ("mnist", "service", "1.0", "itself", "", "")),
    ("asked about 1,000 digits", ("mnist", "service", "1.0", "copies", "1000", "6")),
    ("asked about 5,000", ("mnist", "service", "1.0", "copies", "5000", "6")),
    ("asked about 20,000", ("mnist", "service", "1.0", "copies", "20000", "6")),
    ("**a network trained to lean**", ("mnist", "weights", "1.0", "itself", "", "")),
)
LEANING_MORE: tuple[Case, ...] = (  # folded away
    ("asked about 2,000 digits", ("mnist", "service", "1.0", "copies", "2000", "6")),
    ("about 5,000, two epochs", ("mnist", "service", "1.0", "copies", "5000", "2")),
    ("about 5,000, twenty epochs", ("mnist", "service", "1.0", "copies", "5000", "20")),
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
    ("20,000, then 500 true labels", ("mnist", "service", "1.0", "500 true labels", "20000", "6")),
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
    ("the same, asked about 20,000 digits", ("mnist", "service", "0.5", "copies", "20000", "6")),
    (
        "a network trained to lean, asked about 5,000",
        ("mnist", "weights", "1.0", "copies", "5000", "6"),
    ),
    ("the same, about 20,000", ("mnist", "weights", "1.0", "copies", "20000", "6")),
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
    """Return who leans how clearly, the cases that the lesson's chart shows, folded away."""
    return folded("The same in figures", leaning_table(root, LEANING))


def lean_more(root: Path) -> str:
    """Return the other cases, folded away."""
    return folded("More suspects and services that lean", leaning_table(root, LEANING_MORE))


def leaning_table(root: Path, cases: Iterable[Case]) -> str:
    """Return a row a case."""
    known = leaning_rows(rows_of(root, "tilt"), cases)
    lines = [(words, *leaning(whole)) for words, whole in known]
    return markdown(("who is asked", "images read, %", "coins matched, of 160", "found"), lines)


def leaning_rows(rows: list[Row], cases: Iterable[Case]) -> Iterator[tuple[str, list[Row]]]:
    """Yield what was measured of each case; an owner counts whose draw and mirrored draw are both
    known.
    """
    columns = ("data", "where", "size", "suspect", "queries", "epochs")
    for words, case in cases:
        of_it = [row for row in rows if tuple(row[column] for column in columns) == case]
        seeds = [row["owner"] for row in of_it]
        whole = [row for row in of_it if seeds.count(row["owner"]) == 2]
        if whole:
            yield words, whole


def leaning(rows: list[Row]) -> list[str]:
    """Return what is said of the owners of one case."""
    found = sum(float(row["p"]) <= 1e-3 for row in rows)
    return [
        f"{100 * mean(rows, 'task_accuracy'):.1f}",
        f"{mean(rows, 'matched'):.0f}",
        f"{found} of {len(rows)}",
    ]


# ---------------------------------------------------------------- who asks about what

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
PLOTTED = ("content", "noise", "noise margin", "unrelated", "composite 10x400", "tilt")
ASKED = {
    "twin": "innocent twin",
    "loot": "asked about digits",
    "unrelated": "about photographs",
    "unrelated soft": "photographs, with scores",
}


def marks_data(root: Path) -> str:
    """Return the code of a cell that holds what each thief leaves of six watermarks."""
    rows = rows_of(root, "countermeasures")
    names = [words for words, owner in MARKS.items() if owner in PLOTTED]
    owners = [MARKS[words] for words in names]
    lines = [f"names = [{', '.join(map(quoted, names))}]", "measured = {"]
    for theft, who in ASKED.items():
        cells = [carried(runs(rows, owner, theft)) for owner in owners]
        lines.append(f'    "{who}": [{", ".join(map(str, cells))}],')
    lines += ["}", "counts = {who: [row[2] for row in rows] for who, rows in measured.items()}"]
    return "\n".join([*lines, "found = pd.DataFrame(counts, index=names)"])


def marks_table(root: Path) -> str:
    """Return in how many of its runs each watermark was found, folded away."""
    rows = rows_of(root, "countermeasures")
    lines = []
    for words, owner in MARKS.items():
        line = [words]
        for theft in list(ASKED)[1:]:
            cases = runs(rows, owner, theft)
            line.append(f"{carried(cases)[2]} of {len(cases)}")
        lines.append(line)
    heads = ("found in the copy of a thief who", *list(ASKED.values())[1:])
    return folded("All fourteen watermarks that were measured", markdown(heads, lines))


def runs(rows: Iterable[Row], owner: str, theft: str) -> list[Row]:
    """Return the runs of one case."""
    return [row for row in rows if (row["owner"], row["theft"]) == (owner, theft)]


def carried(rows: list[Row]) -> tuple[int, int, int, int]:
    """Return the share matched and half its interval, how many were found, how well they read."""
    shares = [int(row["matched"]) / int(row["questions"]) for row in rows]
    half = t.ppf(0.975, len(shares) - 1) * statistics.stdev(shares) / math.sqrt(len(shares))
    found = sum(row["decision"] == "found" for row in rows)
    read = 100 * mean(rows, "task_accuracy")
    return round(100 * statistics.fmean(shares)), round(100 * half), found, round(read)


def quoted(words: str) -> str:
    """Return words as code has them."""
    return f'"{words}"'


def folded(title: str, table: str) -> str:
    """Return a table that a reader opens."""
    return f"<details><summary>{title}</summary>\n\n{table}\n\n</details>"


TABLES: dict[str, Callable[[Path], str]] = {
    "wm-lean": lean_table,
    "wm-lean-more": lean_more,
    "wm-marks": marks_data,
    "wm-marks-all": marks_table,
}
