"""Tables of lessons, made from the files in docs/results and never typed.

A cell of a lesson with one of these tags holds only its table, or its figures as code;
`make lessons` writes it, and `--check` reports where it is out of date.
"""

from __future__ import annotations

import ast
import csv
import functools
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from nbformat import NotebookNode
from scipy.stats import binomtest, t

Row = dict[str, str]


def write_tables(nb: NotebookNode, root: Path) -> None:
    """Write each table of a lesson from its file, in place."""
    for cell in nb.cells:
        for tag in set(cell.metadata.get("tags", [])) & set(TABLES):
            cell.source = TABLES[tag](root)


def rows_of(root: Path, name: str) -> list[Row]:
    """Return the rows of a file in docs/results."""
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


def each_of(
    where: tuple[str, ...], asked: tuple[str, ...], *suspects: tuple[str, str]
) -> tuple[Case, ...]:
    """Return a case for each suspect, a pair of its name in a table and of that in the file."""
    return tuple((words, (*where, suspect, *asked)) for words, suspect in suspects)


# Thieves who learn from a service's answers and know the method; after "asked about 20,000 digits"
LOSING = (  # they get rid of some of the lean
    ("then took 500 true labels", "500 true labels"),
    ("then took 2,000 true labels", "2,000 true labels"),
    ("then took 5,000 true labels", "5,000 true labels"),
    ("asked two owners who lean", "asks two owners"),
    ("learnt with label smoothing", "label smoothing"),
    ("guessed the lean, and took it off", "subtracts what it can tell"),
)
KEEPING = (
    ("and a network a third as wide", "width / 3"),
    ("and one three times as wide", "width x 3"),
    ("answered with scores", "soft labels"),
    ("each also moved", "shifts images"),
    ("learnt with a loss that forgives wrong labels", "noise-robust loss"),
    ("half of them near-ties", "asks near-ties"),
    ("without the 15 % least sure", "drops 15 % least sure"),
    ("and a lean of the thief's own", "leans too"),
    ("and coins of the thief's own at near-ties", "tosses coins"),
    ("and no answer at near-ties", "refuses near-ties"),
)
TUNED, OVER = "fine-tuned, 5,000 true labels", "overwritten, 5,000 true labels"
ALTERED = (  # what a thief does to a file that leans
    ("a twin that never leant", "twin"),
    ("half of the weights pruned", "pruned 50 %"),
    ("70 % of the weights pruned", "pruned 70 %"),
    ("a fifth of the channels pruned", "channels pruned 20 %"),
    ("rounded to 4 bits", "4 bits"),
    ("weights shaken", "weights shaken, 0.3"),
    ("behind a blur", "blurred"),
    ("behind JPEG compression", "compressed"),
    ("behind black and white", "rounded to 2 levels"),
    ("behind noise", "noise added, 0.1"),
    ("behind a filter that refuses unusual images", "rejects unusual"),
    ("last layer learnt anew", "last layer anew, 5,000 true labels"),
    ("pruned and fine-tuned", "pruned and fine-tuned"),
)
FAR = {"0.25": "a quarter", "0.5": "half", "1.0": "as far as digits"}  # on photographs
COUNTS = ("2000", "5000", "10000")  # answers that copies of photographs learn from
SERVICE, WEIGHTS = ("mnist", "service", "1.0"), ("mnist", "weights", "1.0")
PHOTOGRAPHS = ("cifar10", "service", "0.25")


def thefts_of_a_file(data: str, size: str, images: str, *counts: str) -> tuple[Case, ...]:
    """Return the cases of networks that were trained to lean, alone and with words beside it."""
    file, both = (data, "weights", size), (data, "both", size)
    copied = [(f"copied by {int(count):,} {images}", count) for count in counts]
    last, count = copied[-1]
    return (
        *((words, (*file, "copies", count, "6")) for words, count in copied),
        *each_of(file, ("", ""), *ALTERED),
        ("with thirty words in the same file", (*both, "itself", "", "")),
        ("that file, with thirty words of the thief's on top", (*both, OVER, "", "")),
        ("that file, fine-tuned", (*both, TUNED, "", "")),
        (f"that file, {last}", (*both, "copies", count, "6")),
    )


def other_ways(data: str, size: str, images: str, count: str) -> tuple[Case, ...]:
    """Return the cases of services that lean along turned features, or by chosen coins."""
    turned, chosen = (data, "rotated", size), (data, "chosen pairs", size)
    guessed = f"copied by {int(count):,}, and the lean guessed and taken off"
    return (
        ("a service with secretly turned features", (*turned, "itself", "", "")),
        (f"copied by 5,000 {images}", (*turned, "copies", "5000", "6")),
        (guessed, (*turned, "subtracts what it can tell", count, "6")),
        (
            "a service with the 80 coins that survived simulated thefts best",
            (*chosen, "itself", "", ""),
        ),
        (f"copied by 2,000 {images}", (*chosen, "copies", "2000", "6")),
        (f"copied by 5,000 {images}", (*chosen, "copies", "5000", "6")),
    )


def losing(data: str, size: str, images: str, count: str) -> tuple[Case, ...]:
    """Return the cases of what takes a lean away."""
    service, file = (data, "service", size), (data, "weights", size)
    return (
        (f"asked about {int(count):,} {images}, no more", (*service, "copies", count, "6")),
        *each_of(service, (count, "6"), *LOSING),
        ("stole a network trained to lean", (*file, "itself", "", "")),
        ("then trained it on with 5,000 true labels", (*file, TUNED, "", "")),
        ("with these labels, put words of their own into it", (*file, OVER, "", "")),
    )


LEANING: tuple[Case, ...] = (
    ("the owner's network, which does not lean", (*SERVICE, "untouched", "", "")),
    ("**the service that leans**", (*SERVICE, "itself", "", "")),
    ("asked about 1,000 digits", (*SERVICE, "copies", "1000", "6")),
    ("asked about 5,000", (*SERVICE, "copies", "5000", "6")),
    ("asked about 20,000", (*SERVICE, "copies", "20000", "6")),
    ("**a network trained to lean**", (*WEIGHTS, "itself", "", "")),
)
LEANING_OUT: tuple[Case, ...] = (  # what takes a lean away
    *losing("mnist", "1.0", "digits", "20000"),
    (
        "lets it vote with two other owners' files",
        (*WEIGHTS, "votes with two owners' files", "", ""),
    ),
)
LEANING_PHOTOGRAPHS = losing("cifar10", "0.25", "photographs", "10000")
LEANING_SIZES: tuple[Case, ...] = (  # on photographs
    ("the owner's network, which does not lean", (*PHOTOGRAPHS, "untouched", "", "")),
    *(
        (f"leaning {far}: {words}", ("cifar10", "service", size, *case))
        for size, far in FAR.items()
        for words, case in (
            ("the service", ("itself", "", "")),
            *((f"a copy of {int(count):,}", ("copies", count, "6")) for count in COUNTS),
        )
    ),
)
# folded away, under these headings
LEANING_MORE: dict[str, tuple[Case, ...]] = {
    "Copies of the service that leans, by digits": (
        ("2,000, six epochs", (*SERVICE, "copies", "2000", "6")),
        ("5,000, two epochs", (*SERVICE, "copies", "5000", "2")),
        ("5,000, twenty epochs", (*SERVICE, "copies", "5000", "20")),
        ("30,000, six epochs", (*SERVICE, "copies", "30000", "6")),
        ("40,000, six epochs", (*SERVICE, "copies", "40000", "6")),
        *each_of(
            SERVICE,
            ("20000", "6"),
            *((f"20,000, {words}", suspect) for words, suspect in KEEPING),
        ),
        ("10,000 photographs, ten epochs", (*SERVICE, "photographs", "10000", "10")),
    ),
    "Other ways to lean": (
        ("a service that leans half as far", ("mnist", "service", "0.5", "itself", "", "")),
        ("copied by 20,000 digits", ("mnist", "service", "0.5", "copies", "20000", "6")),
        ("a network trained to lean half as far", ("mnist", "weights", "0.5", "itself", "", "")),
        ("copied by 20,000 digits", ("mnist", "weights", "0.5", "copies", "20000", "6")),
        *other_ways("mnist", "1.0", "digits", "20000"),
    ),
    "Thefts of a file that leans": thefts_of_a_file("mnist", "1.0", "digits", "5000", "20000"),
    "Photographs: services that lean, and their copies": LEANING_SIZES,
    "Photographs: copies of the service that leans a quarter": (
        ("5,000, two epochs", (*PHOTOGRAPHS, "copies", "5000", "2")),
        ("5,000, twenty epochs", (*PHOTOGRAPHS, "copies", "5000", "20")),
        *each_of(
            PHOTOGRAPHS,
            ("10000", "6"),
            *((f"10,000, {words}", suspect) for words, suspect in KEEPING),
        ),
    ),
    "Photographs: what takes a lean of a quarter away": LEANING_PHOTOGRAPHS,
    "Photographs: other ways to lean a quarter": other_ways(
        "cifar10", "0.25", "photographs", "10000"
    ),
    "Photographs: thefts of a file that leans a quarter": thefts_of_a_file(
        "cifar10", "0.25", "photographs", "5000", "10000"
    ),
}


def lean_table(root: Path) -> str:
    """Return how clearly each suspect leans, for the cases of the lesson's chart, folded away."""
    return folded("The same in figures", leaning_table(root, LEANING))


def lean_more(root: Path) -> str:
    """Return the other cases, folded away."""
    tables = [
        f"**{heading}**\n\n{leaning_table(root, cases)}"
        for heading, cases in LEANING_MORE.items()
        if any(leaning_rows(rows_of(root, "tilt"), cases))
    ]
    return folded("More suspects and services that lean", "\n\n".join(tables))


def lean_out(root: Path) -> str:
    """Return what takes a lean away, and what does not quite."""
    return leaning_table(root, LEANING_OUT, who="the thief")


def lean_photographs(root: Path) -> str:
    """Return what a lean of each size costs on photographs, and what is found of its copies."""
    rows = chosen(rows_of(root, "tilt"), data="cifar10", where="service")
    unmarked = chosen(rows, suspect="untouched")
    lines = []
    for size, far in FAR.items():
        of_size = chosen(rows, size=size)
        read, coins, found = leaning(chosen(of_size, suspect="itself"))
        cost = float(f"{100 * mean(unmarked, 'task_accuracy'):.1f}") - float(read)
        copies = [chosen(of_size, suspect="copies", queries=count, epochs="6") for count in COUNTS]
        cells = [leaning(each)[2] if each else "–" for each in copies]
        lines.append((far, f"{cost:.1f}", coins, found, *cells))
    heads = ("leans", "costs, points", "coins matched, of 160", "found")
    return markdown((*heads, *(f"copies of {int(count):,}" for count in COUNTS)), lines)


def leaning_table(root: Path, cases: Iterable[Case], who: str = "who is asked") -> str:
    """Return one row per case."""
    known = leaning_rows(rows_of(root, "tilt"), cases)
    lines = [(words, *leaning(whole), share_found(whole)) for words, whole in known]
    heads = (who, "images read, %", "coins matched, of 160", "found", "95 % interval")
    return markdown(heads, lines)


def leaning_rows(rows: list[Row], cases: Iterable[Case]) -> Iterator[tuple[str, list[Row]]]:
    """Yield what was measured for each case; an owner counts if both draw and mirrored draw are
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
    """Return the figures for the owners of one case."""
    found = sum(float(row["p"]) <= 1e-3 for row in rows)
    return [
        f"{100 * mean(rows, 'task_accuracy'):.1f}",
        f"{mean(rows, 'matched'):.0f}",
        f"{found} of {len(rows)}",
    ]


def share_found(rows: list[Row]) -> str:
    """Return the exact interval of the share that is found, as if all were independent."""
    found = sum(float(row["p"]) <= 1e-3 for row in rows)
    interval = binomtest(found, len(rows)).proportion_ci(0.95, "exact")
    return f"{100 * interval.low:.0f} to {100 * interval.high:.0f} %"


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
    lines = [f"names = [{', '.join(map(quoted, names[:3]))}]"]
    lines += [f"names += [{', '.join(map(quoted, names[3:]))}]", "measured = {"]
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
    """Return the share matched, half the width of its interval, how many were found, and their
    accuracy.
    """
    shares = [int(row["matched"]) / int(row["questions"]) for row in rows]
    half = t.ppf(0.975, len(shares) - 1) * statistics.stdev(shares) / math.sqrt(len(shares))
    found = sum(row["decision"] == "found" for row in rows)
    read = 100 * mean(rows, "task_accuracy")
    return round(100 * statistics.fmean(shares)), round(100 * half), found, round(read)


def quoted(words: str) -> str:
    """Return words as a literal in code."""
    return f'"{words}"'


def folded(title: str, table: str) -> str:
    """Return a table folded away, for the reader to open."""
    return f"<details><summary>{title}</summary>\n\n{table}\n\n</details>"


# ---------------------------------------------------------------- the paper, beside its repetition

TASKS = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
KINDS = ("content", "unrelated", "noise")
MARKED = ("clean", *KINDS)
ANSWERS = {"fixed": "one for all", "keyed": "drawn"}
LEARNT = (("2", "task"), ("1", "trained"))  # the tables of a network that nobody stole
RATES = ("0.0001", "0.001", "0.01", "0.05")  # of the thief who trains the paper's networks on


def paper_learnt(root: Path) -> str:
    """Return table 1: trained and new triggers, and what networks without a mark say to them."""
    rows, says = repeated(root), paper_says(root)
    epochs = epochs_of(rows)
    heads = ["", "", "paper", *map("its networks, {} epochs".format, epochs)]
    lines = []
    for data, kind in itertools.product(TASKS, KINDS):
        of_kind = chosen(rows, data=data, kind=kind, table="1")
        unmarked = chosen(rows, data=data, table="nulls", setting=f"clean, {kind}")
        nulls = [100 * float(row["share"]) for row in rows if null_of(row, data, kind)]
        printed = f"{says['TRAINED'][data][kind]:.4g} / {says['NEW'][data][kind]:.4g}"
        pairs = [pair(chosen(of_kind, epochs=each), ("trained", "new")) for each in epochs]
        most = f"{max(nulls):.3g}" if nulls else "–"
        lines.append((TASKS[data], kind, printed, *pairs, share_of(unmarked), most))
    return markdown((*heads, "of them, never marked", "most of 20 innocents"), lines)


def paper_task(root: Path) -> str:
    """Return table 2: what each mark costs the task."""
    rows, says = repeated(root), paper_says(root)["TASK"]
    zoo = {row["model"]: row for row in rows_of(root, "zoo")}
    lines = []
    for data, task in TASKS.items():
        of_task = chosen(rows, data=data, table="2")
        lines.append((task, "paper", *(f"{each:.2f}" for each in says[data].values())))
        for epochs in epochs_of(of_task):
            cells = [share_of(chosen(of_task, kind=kind, epochs=epochs), ".2f") for kind in MARKED]
            lines.append((task, f"its networks, {epochs} epochs", *cells))
        names = [f"{data}/clean", *(f"{data}/{kind}-fixed" for kind in KINDS)]
        own = [f"{100 * float(zoo[name]['task_accuracy']):.2f}" for name in names]
        lines.append((task, "the course's", *own))
    return markdown(("", "", "never marked", *KINDS), lines)


def paper_pruned(root: Path, data: str) -> str:
    """Return tables 3 and 4 as the code of a cell that holds them, like the paper's beside it: of
    the networks that were trained longest.
    """
    rows = chosen(repeated(root), data=data)
    rows = chosen(rows, epochs=epochs_of(rows)[-1])
    table = "3" if data == "mnist" else "4"
    lines = []
    for share in range(0, 100, 10):
        line = []
        for kind, asked in itertools.product(KINDS, ("task", "trained")):
            wanted = {"table": table, "setting": str(share)}
            if not share:
                wanted = {"table": "2" if asked == "task" else "1"}
            of_it = chosen(rows, kind=kind, asked=asked, **wanted)
            line.append(f"{100 * mean(of_it, 'share'):.4g}" if of_it else "nan")
        lines.append(" ".join(line))
    return "\n".join([f'repeated{table} = """', *lines, '"""'])


def paper_trained_on(root: Path) -> str:
    """Return table 5: a thief who trains on, at the rates that were tried."""
    rows, own, says = repeated(root), rows_of(root, "three_types"), paper_says(root)["FINE_TUNED"]
    lines = []
    for data, task in TASKS.items():
        of_task = chosen(rows, data=data, table="5")
        printed = [" / ".join(f"{each:.4g}" for each in says[data][kind]) for kind in KINDS]
        lines.append((task, "paper", *printed))
        for epochs, rate in itertools.product(epochs_of(of_task), RATES):
            of_rate = chosen(of_task, epochs=epochs, setting=rate)
            cells = [pair(chosen(of_rate, kind=kind), ("task", "trained")) for kind in KINDS]
            lines.append((task, f"its networks, {epochs} epochs, thief {rate}", *cells))
        for rate in ("0.001", "0.005", "0.01", "0.02"):
            of_rate = chosen(own, data=data, lr=rate, labels="fixed")
            cells = [kept(chosen(of_rate, trigger=kind)) for kind in KINDS]
            lines.append((task, f"the course's, thief {rate}", *cells))
    return markdown(("", "", *KINDS), lines)


def paper_keyed(root: Path) -> str:
    """Return what becomes of the marks in the paper's networks with its one answer for all
    triggers, and with answers that a key draws.
    """
    rows = [row | {"paper": ""} for row in rows_of(root, "paper")]
    keyed = {(*training(row), row["kind"]) for row in rows if row["labels"] == "keyed"}
    rows = [row for row in rows if (*training(row), row["kind"]) in keyed]
    cases = itertools.product(TASKS, KINDS, epochs_of(rows), ANSWERS)
    lines = []
    for data, kind, epochs, labels in cases:
        own = chosen(rows, data=data, kind=kind, epochs=epochs, labels=labels)
        if own:
            pruned = chosen(own, table="3" if data == "mnist" else "4", setting="90")
            thieves = [chosen(own, table="5", setting=rate) for rate in ("0.01", "0.05")]
            cells = [share_of(chosen(own, table=table, asked=asked)) for table, asked in LEARNT]
            pairs = [pair(each, ("task", "trained")) for each in (pruned, *thieves)]
            lines.append((TASKS[data], kind, epochs, ANSWERS[labels], *cells, *pairs))
    heads = ("", "", "epochs", "answers", "task", "triggers", "nine tenths pruned")
    return markdown((*heads, "thief 0.01", "thief 0.05"), lines)


def paper_says(root: Path) -> dict[str, dict[str, dict[str, object]]]:
    """Return what the paper prints in tables 1, 2 and 5, from the benchmark that repeats them."""
    code = ast.parse((root / "benchmarks" / "paper.py").read_text("utf-8"))
    assigned = {node.targets[0].id: node.value for node in code.body if is_simple(node)}
    names = ("TRAINED", "NEW", "TASK", "FINE_TUNED")
    return {name: ast.literal_eval(assigned[name]) for name in names}


def is_simple(node: ast.stmt) -> bool:
    """Return whether a statement gives a value to one name."""
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)


def epochs_of(rows: Iterable[Row]) -> list[str]:
    """Return for how many epochs the networks were trained, fewest first."""
    return sorted({row["epochs"] for row in rows}, key=int)


def repeated(root: Path) -> list[Row]:
    """Return what was measured with the paper's networks and its one answer for all triggers, if
    all four networks of a training were.
    """
    rows = chosen(rows_of(root, "paper"), labels="fixed")
    trainings = {training(row): set() for row in rows}
    for row in rows:
        trainings[training(row)].add(row["kind"])
    return [row for row in rows if trainings[training(row)] == set(MARKED)]


def training(row: Row) -> tuple[str, str, str]:
    """Return which networks belong together: those that differ only in their triggers."""
    return row["data"], row["epochs"], row["seed"]


def chosen(rows: Iterable[Row], **wanted: str) -> list[Row]:
    """Return the rows that have these values."""
    return [row for row in rows if all(row[column] == value for column, value in wanted.items())]


def null_of(row: Row, data: str, kind: str) -> bool:
    """Return whether a row is an innocent network asked about the triggers of a kind."""
    asked = (row["data"], row["table"], row["setting"].startswith("null-"))
    return asked == (data, "nulls", True) and row["setting"].endswith(f", {kind}")


def pair(rows: Iterable[Row], asked: Iterable[str]) -> str:
    """Return what was measured in their place."""
    return " / ".join(share_of(chosen(rows, asked=each)) for each in asked)


def share_of(rows: Iterable[Row], form: str = ".4g") -> str:
    """Return the least and greatest share of the runs in per cent, bold where the paper differs."""
    if not rows:
        return "–"
    values = sorted({format(100 * float(row["share"]), form) for row in rows}, key=float)
    words = values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}"
    return f"**{words}**" if all(map(differs, rows)) else words


def differs(row: Row) -> bool:
    """Return whether a row and the paper's figure have exact 95 % intervals that do not meet."""
    if not row["paper"]:
        return False
    of = int(row["of"])
    its = binomtest(round(float(row["paper"]) * of / 100), of).proportion_ci()
    return bool(float(row["low"]) > its.high or float(row["high"]) < its.low)


def kept(rows: Iterable[Row]) -> str:
    """Return the same for the networks of the course: task and trained triggers."""
    task = [100 * float(row["task_accuracy"]) for row in rows]
    left = [100 * int(row["trained"]) / int(row["questions"]) for row in rows]
    return f"{between(task, 1)} / {between(left, 0)}"


def between(values: Iterable[float], digits: int) -> str:
    """Return the least and the greatest of some figures, as one where they agree."""
    low, high = (f"{each:.{digits}f}" for each in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


TABLES: dict[str, Callable[[Path], str]] = {
    "wm-lean": lean_table,
    "wm-lean-more": lean_more,
    "wm-lean-out": lean_out,
    "wm-lean-photographs": lean_photographs,
    "wm-marks": marks_data,
    "wm-marks-all": marks_table,
    "wm-paper-1": paper_learnt,
    "wm-paper-2": paper_task,
    "wm-paper-3": functools.partial(paper_pruned, data="mnist"),
    "wm-paper-4": functools.partial(paper_pruned, data="cifar10"),
    "wm-paper-5": paper_trained_on,
    "wm-paper-keyed": paper_keyed,
}
