"""The site's page of results: a plot for each question, made from the files in docs/results.

Every plot is drawn at the width of a telephone, so panels lie below each other, and twice: in the
colours of a light page and of a dark one. What it shows is also its alternative text, with all its
numbers.
"""

from __future__ import annotations

import io
import json
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import matplotlib
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binomtest, t
from tables import (
    LEANING,
    LEANING_OUT,
    LEANING_PHOTOGRAPHS,
    LEANING_SIZES,
    MARKS,
    Case,
    Row,
    between,
    chosen,
    folded,
    leaning_rows,
    markdown,
    mean,
    repeated,
    rows_of,
)

import wmlearn as wm

ROOT = Path(__file__).resolve().parents[1]
KINDS = {"content": "words", "unrelated": "unrelated images", "noise": "noise"}
DATA = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
LABELS = {"keyed": "random labels", "fixed": "one answer"}
ALPHAS = ("0.05", "0.01", "0.001")


# ---------------------------------------------------------------- what is drawn


class Dot(NamedTuple):
    """One figure with its interval, in words; the runs that it sums up; what is written beside."""

    at: float
    low: float
    high: float
    words: str
    runs: tuple[float, ...] = ()
    note: str = ""


Series = dict[str, Dot]


@dataclass(frozen=True)
class Panel:
    """Dots with intervals: a row (or, in a `rising` panel, a column) for each category.

    Parameters
    ----------
    title, axis : what is compared, and what is measured
    series : name of a series, category, what was measured
    limits : of the axis of what is measured
    rule : a value to compare with, and its name
    rising : the name of the horizontal axis, if the categories lie along that one
    log : whether the axis of what is measured is logarithmic
    order : the categories that come first, if not as in the series
    """

    title: str
    axis: str
    series: dict[str, Series]
    limits: tuple[float, float]
    rule: tuple[float, str] | None = None
    rising: str = ""
    log: bool = False
    order: tuple[str, ...] = ()

    @property
    def categories(self) -> list[str]:
        """Return the names of the categories, in order."""
        names: dict[str, None] = dict.fromkeys(self.order)
        for dots in self.series.values():
            names.update(dict.fromkeys(dots))
        return list(names)

    def dots(self) -> list[Dot]:
        """Return everything that was measured."""
        return [dot for dots in self.series.values() for dot in dots.values()]

    def legend(self) -> list[str]:
        """Return what a legend must tell apart."""
        names = [name for name in self.series if name]
        return [*names, self.rule[1]] if self.rule else names

    def words(self) -> str:
        """Return what the panel shows as a sentence."""
        parts = []
        for name in self.categories:
            said = []
            for series, dots in self.series.items():
                if name in dots:
                    said.append(f"{series} {dots[name].words}".strip())
            parts.append(f"{name}: {', '.join(said)}")
        rule = f" {self.rule[1].capitalize()}: {self.rule[0]:g}." if self.rule else ""
        return f"{self.title}, {self.axis}. {'; '.join(parts)}.{rule}"


@dataclass(frozen=True)
class Grid:
    """A table of shares in per cent, shaded."""

    title: str
    columns: list[str]
    rows: dict[str, list[tuple[float, str]]]

    def words(self) -> str:
        """Return what the grid shows as a sentence."""
        parts = []
        for name, cells in self.rows.items():
            said = [f"{column} {words}" for column, (_, words) in zip(self.columns, cells)]
            parts.append(f"{name}: {', '.join(said)}")
        return f"{self.title}. {'; '.join(parts)}."


def counted(hits: int, of: int) -> Dot:
    """Return a share in per cent with its exact 95 % interval (Clopper and Pearson, 1934)."""
    around = binomtest(hits, of).proportion_ci()
    ends = (100 * hits / of, 100 * around.low, 100 * around.high)
    words = f"{hits} of {of}"
    return Dot(*ends, words, note=words)


def spread(values: Iterable[float], digits: int = 0, middle: str = "mean") -> Dot:
    """Return the mean (or median) of some runs, from the least to the greatest."""
    runs = tuple(values)
    at = getattr(statistics, middle)(runs)
    words = f"{at:.{digits}f}"
    ends = between(runs, digits)
    if ends != words:
        words = f"{words} ({ends})"
    return Dot(at, min(runs), max(runs), words, runs)


def found(rows: Sequence[Row]) -> Dot:
    """Return how many of some suspects were found."""
    return counted(sum(row["decision"] == "found" for row in rows), len(rows))


def per_cent(rows: Iterable[Row], hits: str, of: str) -> list[float]:
    """Return each row's share in per cent."""
    return [100 * int(row[hits]) / int(row[of]) for row in rows]


# ---------------------------------------------------------------- drawing

WIDTH = 4.8  # inches, 461 pixels: at 358 pixels, on a telephone, letters are 11 pixels high
EDGE, HEAD, LINE, FOOT = 0.08, 0.4, 0.22, 0.56  # of a panel: its title, its legend, its axis
RISING_ROOM = 0.75  # for figures on the left, and their axis
LETTER = 0.088  # how wide a letter is, on the average
STYLES = (("C0", "o"), ("C1", "s"), ("C2", "^"), ("C4", "D"))
INK, FAINT, GRID, GROUND = "#1f2328", "#59636e", "#d8dee4", "#ffffff"
# What each colour of a light page is on a dark one.
DARK = {
    INK: "#e6edf3",
    FAINT: "#a3adb8",
    GRID: "#343b43",
    GROUND: "#121212",
    "#0072b2": "#56b4e9",
    "#bd4f00": "#f0883e",
    "#00805c": "#3fc79a",
    "#9a6a00": "#e3b341",
}
LOOK = {
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "svg.hashsalt": "results",
    "savefig.bbox": None,  # or the width would depend on what is drawn
}
FILE_SAYS_NOTHING_ELSE = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def svg(parts: Sequence[Panel | Grid]) -> str:
    """Return a picture of panels below each other, in the colours of a light page."""
    file = io.StringIO()
    with matplotlib.style.context(["wmlearn.figures", LOOK]):
        drawn(parts).savefig(file, format="svg", metadata=FILE_SAYS_NOTHING_ELSE)
    return file.getvalue()


def drawn(parts: Sequence[Panel | Grid]) -> Figure:
    """Return panels below each other."""
    with matplotlib.style.context(["wmlearn.figures", LOOK]):
        figure = Figure((WIDTH, sum(map(height, parts)) + EDGE), layout="none")
        top = figure.get_figheight()
        left = max(map(label_room, parts))
        for part in parts:
            draw(figure, part, RISING_ROOM if is_rising(part) else left, top)
            top -= height(part)
    return figure


def height(part: Panel | Grid) -> float:
    """Return how high a part is, in inches."""
    return HEAD + LINE * legend_rows(part) + body(part) + FOOT


def is_rising(part: Panel | Grid) -> bool:
    """Return whether the categories lie along the horizontal axis."""
    return isinstance(part, Panel) and bool(part.rising)


def body(part: Panel | Grid) -> float:
    """Return how high the axes of a part are."""
    if isinstance(part, Grid):
        return 0.34 * len(part.rows)
    if is_rising(part):
        return 1.7
    lines = max(wrapped(name).count("\n") for name in part.categories) + 1
    pitch = max(0.16 + 0.17 * len(part.series), 0.12 + 0.17 * lines)
    return pitch * len(part.categories)


def label_room(part: Panel | Grid) -> float:
    """Return how much room the names on the left need."""
    if is_rising(part):
        return RISING_ROOM
    names = part.rows if isinstance(part, Grid) else part.categories
    lines = [line for name in names for line in wrapped(name).split("\n")]
    return 2 * EDGE + LETTER * max(map(len, lines))


def note_room(part: Panel | Grid) -> float:
    """Return how much room the words on the right need."""
    if isinstance(part, Grid) or part.rising:
        return 3 * EDGE
    return 3 * EDGE + LETTER * max(len(dot.note) for dot in part.dots())


def legend_columns(part: Panel) -> int:
    """Return how many entries of the legend fit into a line."""
    names = part.legend()
    room = LETTER * sum(len(name) + 6 for name in names)
    return len(names) if room < WIDTH else 2


def legend_rows(part: Panel | Grid) -> int:
    """Return how many lines the legend has."""
    if isinstance(part, Grid) or not part.legend():
        return 0
    return -(-len(part.legend()) // legend_columns(part))


def draw(figure: Figure, part: Panel | Grid, left: float, top: float) -> None:
    """Draw one part below a height of the figure; lengths are in inches."""
    wide, high = figure.get_size_inches()
    bottom = top - height(part) + FOOT
    place = (left / wide, bottom / high, 1 - (left + note_room(part)) / wide, body(part) / high)
    ax = figure.add_axes(place)
    title_at = (top - EDGE) / high
    figure.text(EDGE / wide, title_at, part.title, weight="bold", va="top")
    if isinstance(part, Grid):
        draw_grid(ax, part)
        return
    draw_panel(ax, part)
    if part.legend():
        corner = (EDGE / wide, title_at - 0.2 / high)
        ax.legend(
            loc="upper left",
            bbox_to_anchor=corner,
            bbox_transform=figure.transFigure,
            ncols=legend_columns(part),
            handlelength=1.6,
            handletextpad=0.3,
            columnspacing=1.2,
            borderpad=0.2,
            borderaxespad=0,
        )


def draw_panel(ax: Axes, part: Panel) -> None:
    """Draw the dots of a panel, and its scales."""
    places = {name: place for place, name in enumerate(part.categories)}
    step = 0.64 / max(len(part.series), 2)
    for number, (series, dots) in enumerate(part.series.items()):
        color, marker = STYLES[number]
        shift = step * (number - (len(part.series) - 1) / 2)
        for name, dot in dots.items():
            draw_dot(ax, part, dot, places[name] + shift, color, marker)
        if part.rising:
            xs = [places[name] + shift for name in dots]
            ax.plot(xs, [dot.at for dot in dots.values()], color=color, linewidth=1, alpha=0.6)
        if series:
            ax.plot([], [], marker, color=color, label=series)
    ticks = list(places.values())
    if part.rising:
        ax.set_xticks(ticks, places)
        ax.set(ylim=part.limits, xlabel=part.rising, ylabel=part.axis)
        ax.grid(axis="y", color=GRID, linewidth=0.8)
    else:
        ax.set_yticks(ticks, [wrapped(name) for name in places])
        ax.set(ylim=(len(places) - 0.5, -0.5), xlim=part.limits, xlabel=part.axis)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x", color=GRID, linewidth=0.8)
        seaborn.despine(ax=ax, left=True)
    ax.set_axisbelow(True)
    if part.log:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
    if part.rule:
        at, name = part.rule
        along = ax.axhline if part.rising else ax.axvline
        along(at, label=name, color=FAINT, linestyle=(0, (4, 3)), linewidth=1.2)


def draw_dot(ax: Axes, part: Panel, dot: Dot, place: float, color: str, marker: str) -> None:
    """Draw a figure, its interval, its runs and its words."""
    if dot.runs:
        pale = {"color": color, "alpha": 0.45, "markersize": 4.5, "markeredgewidth": 0}
        flat = [place] * len(dot.runs)
        xs, ys = (flat, dot.runs) if part.rising else (dot.runs, flat)
        ax.plot(xs, ys, marker, **pale)
    width = 1.2 if dot.runs else 2
    line = {"color": color, "linewidth": width, "solid_capstyle": "butt"}
    ends = (dot.low, dot.high)
    if part.rising:
        ax.plot([place, place], ends, **line)
        ax.plot(place, dot.at, marker, color=color, markersize=6.5)
        return
    ax.plot(ends, [place, place], **line)
    ax.plot(dot.at, place, marker, color=color, markersize=6.5, clip_on=False)
    if dot.note:
        where = ("axes fraction", "data")
        ax.annotate(dot.note, (1.04, place), xycoords=where, va="center", annotation_clip=False)


def draw_grid(ax: Axes, part: Grid) -> None:
    """Draw shares as a shaded table."""
    shares = [[share for share, _ in cells] for cells in part.rows.values()]
    seaborn.heatmap(
        shares, ax=ax, annot=True, fmt=".0f", cbar=False, vmin=0, vmax=100, cmap="Blues"
    )
    ax.set_xticklabels([wrapped(name, 9) for name in part.columns], rotation=0)
    ax.set_yticklabels(part.rows, rotation=0)
    ax.tick_params(length=0)
    for text in ax.texts:  # white stays white on a dark page: the ground is a cell
        if text.get_color() == "w":
            text.set_color("#fdfdfd")


def wrapped(name: str, width: int = 18) -> str:
    """Return a name on as many lines as it needs."""
    lines = [""]
    for word in name.split():
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def in_the_dark(picture: str) -> str:
    """Return a picture in the colours of a dark page."""
    pattern = re.compile("|".join(DARK), re.IGNORECASE)
    return pattern.sub(lambda match: DARK[match[0].lower()], picture)


# ---------------------------------------------------------------- embedding, and what it costs


def embedding() -> list[Panel]:
    """Return what marking costs the task, and how many epochs it takes."""
    rows = rows_of(ROOT, "embedding")
    cost, epochs = Series(), {name: Series() for name in STARTS.values()}
    for trigger in ("Content", "Unrelated", "Noise"):
        for labels, way in LABELS.items():
            name = f"{KINDS[trigger.lower()]}, {way}"
            of_kind = chosen(rows, trigger=trigger, labels=labels)
            fresh = chosen(of_kind, start="scratch")
            cost[name] = spread([cost_of(row) for row in fresh], 1)
            for start, words in STARTS.items():
                runs = chosen(of_kind, start=start)
                dot = spread([int(row["epochs"]) for row in runs])
                epochs[words][name] = dot._replace(words=dot.words + unlearnt(runs))
    return [
        Panel("What the mark costs the task", "points of accuracy lost", {"": cost}, (-1.6, 1.6)),
        Panel("How long embedding takes", "epochs", epochs, (0, 16)),
    ]


STARTS = {"scratch": "from scratch", "continue": "trained before", "gentle": "the same, gently"}


def cost_of(row: Row) -> float:
    """Return how many points fewer a marked network reads than its unmarked twin."""
    return 100 * (float(row["twin_accuracy"]) - float(row["task_accuracy"]))


def unlearnt(rows: Sequence[Row]) -> str:
    """Return what was learnt of the triggers, in words, if that is not all."""
    learnt = [100 * float(row["watermark_accuracy"]) for row in rows]
    if min(learnt) == 100:
        return ""
    return f" and only {between(learnt, 0)} % learnt"


def source_share() -> list[Panel]:
    """Return how many stamped images the paper's mark needs."""
    rows = rows_of(ROOT, "source_share")
    series = {name: Series() for name in KINDS.values()}
    for row in rows:
        share = f"{100 * float(row['share']):g}"
        runs = chosen(rows, trigger=row["trigger"], share=row["share"])
        series[KINDS[row["trigger"].lower()]][share] = spread(
            [100 * float(each["new"]) for each in runs]
        )
    title, axis = "New triggers that get the target", "of 100"
    return [Panel(title, axis, series, (75, 102), rising="% of the source class stamped")]


# ---------------------------------------------------------------- thefts

READS = 0.7  # a copy that classifies less than seven digits in ten is worth no theft
ALTERED = {
    "weights pruned": [("Prune", "")],
    "channels pruned": [("Prune-channels", "")],
    "weights rounded": [("Quantize", "")],
    "weight noise": [("PerturbWeights", "")],
}
TRAINED_ON = {
    "all layers, rate 0.001": [("FTAL", "0.001")],
    "all layers, rate 0.005": [("FTAL", "0.005")],
    "all layers, rate 0.01": [("FTAL", "0.01")],
    "last layer only": [("FTLL", ""), ("RTLL", "")],
    "last layer anew, then all": [("RTAL", "")],
    "fine-pruned": [("FinePrune", "")],
    "overwritten": [("Overwrite", "")],
}
HIDDEN = {
    "JPEG": [("Jpeg", "")],
    "fewer colours": [("Squeeze", "")],
    "noise added": [("AddNoise", "")],
    "blur": [("Blur", "")],
    "three that vote": [("Vote", "")],
    "detector of unusual queries": [("RejectUnusual", "")],
}
EXTRACTED = {
    "digits, classes": [("Steal-hard-loot", "")],
    "digits, scores": [("Steal-soft-loot", "")],
    "photographs, classes": [("Steal-hard-unrelated", "")],
    "photographs, scores": [("Steal-soft-unrelated", "")],
}
SHARE = (-2.0, 102.0)


def thefts() -> list[Panel]:
    """Return how many copies are found after each theft of networks for MNIST."""
    rows = chosen(rows_of(ROOT, "thefts"), data="mnist", labels="keyed")
    useful = [row for row in rows if float(row["task_accuracy"]) >= READS]
    groups = {
        "The file altered": ALTERED,
        "The file trained on": TRAINED_ON,
        "The service's inputs or answers altered": HIDDEN,
        "Extracted with 5,000 queries": EXTRACTED,
    }
    panels = []
    for title, group in groups.items():
        series = Series()
        for name, cases in group.items():
            series[name] = found([row for row in useful if is_theft(row, cases)])
        panels.append(Panel(title, "copies found, %", {"": series}, SHARE))
    return panels


def is_theft(row: Row, cases: Iterable[tuple[str, str]]) -> bool:
    """Return whether a row is one of these thefts; no strength stands for every strength."""
    return any(
        row["theft"] == theft and strength in ("", row["strength"]) for theft, strength in cases
    )


def three_types() -> list[Panel]:
    """Return what fine-tuning leaves of each mark on photographs, and what innocents answer."""
    rows = chosen(rows_of(ROOT, "three_types"), data="cifar10")
    panels = []
    innocent = Series()
    for labels, way in LABELS.items():
        series = {name: Series() for name in KINDS.values()}
        for kind, name in KINDS.items():
            of_kind = chosen(rows, trigger=kind, labels=labels)
            for rate in ("0.001", "0.005", "0.01", "0.02"):
                left = per_cent(chosen(of_kind, lr=rate), "trained", "questions")
                series[name][rate] = spread(left)
            nulls = [row for row in of_kind if "/null-" in row["model"]]
            innocent[f"{name}, {way}"] = spread(per_cent(nulls, "trained", "questions"))
        rate = "the thief's learning rate"
        panels.append(Panel(f"CIFAR-10, {way}", "triggers left, %", series, SHARE, rising=rate))
    title = "Twenty networks without the mark"
    chance = (10.0, "by chance")
    return [*panels, Panel(title, "triggers matched, %", {"": innocent}, (-1, 42), chance)]


def power() -> list[Panel]:
    """Return how many fine-tuned copies are found, and after how many questions."""
    rows = rows_of(ROOT, "power")
    copies, needed = ({name: Series() for name in KINDS.values()} for _ in range(2))
    for kind, name in KINDS.items():
        for rate in ("0.0001", "0.001", "0.002", "0.005", "0.01"):
            runs = chosen(rows, trigger=kind, lr=rate)
            hits = chosen(runs, found="True")
            copies[name][rate] = counted(len(hits), len(runs))
            needed[name][rate] = spread([int(row["needed"]) for row in hits], middle="median")
    rate = "the thief's learning rate"
    return [
        Panel("Copies found, alpha 0.001", "%", copies, SHARE, rising=rate),
        Panel("Questions until it is found", "median", needed, (0, 60), rising=rate),
    ]


BITS = {
    "fine-tuned, rate 0.01": ("fine-tuned", "0.01"),
    "9 of 10 weights pruned": ("pruned", "0.9"),
    "rounded to 4 bits": ("quantised", "4"),
    "overwritten, rate 0.02": ("overwritten", "0.02"),
    "extracted by queries": ("imitated", "2000"),
    "channels permuted": ("shuffled", ""),
    "innocent networks": ("null model", ""),
}


def whitebox() -> list[Panel]:
    """Return in how many networks enough bits of a message are correct, after each theft."""
    rows = rows_of(ROOT, "whitebox")
    series = Series()
    for name, case in BITS.items():
        runs = [row for row in rows if is_theft(row, [case])]
        hits = [row for row in runs if int(row["right"]) >= enough(int(row["bits"]))]
        series[name] = counted(len(hits), len(runs))
    return [Panel("Message found, alpha 0.001", "networks, %", {"": series}, SHARE)]


def enough(bits: int) -> int:
    """Return how many bits of a message must be correct at alpha 0.001."""
    return int(wm.stats.matches_needed(bits, 0.001, 0.5))


DESIGNS = {**KINDS, "composite": "pairs", "double exposures": "double exposures"}
DESIGNS["unrelated"] = "unrelated"
RED = {
    "none": "no theft",
    "prune": "pruned",
    "quantise": "rounded",
    "blur": "blurred",
    "doorman": "query filter",
    "train on": "trained on",
    "overwrite": "overwritten",
    "ask": "extracted",
}


def design() -> list[Grid]:
    """Return what each attack of the game leaves of five kinds of trigger."""
    rows = rows_of(ROOT, "design")
    lines = {}
    for theft, name in RED.items():
        cells = []
        for kind in DESIGNS:
            runs = chosen(rows, marks=kind, theft=theft)
            left = statistics.fmean(per_cent(runs, "matched", "questions"))
            hits = sum(row["decision"] == "found" for row in runs)
            cells.append((left, f"{left:.0f} %, found in {hits} of {len(runs)}"))
        lines[name] = cells
    return [Grid("Triggers matched after an attack, %", list(DESIGNS.values()), lines)]


# ---------------------------------------------------------------- copying through the API

PAIRED = "composite"


def countermeasures() -> list[Panel]:
    """Return what is found of a copy made by queries: marks, wrong answers, answers that lean."""
    rows = rows_of(ROOT, "countermeasures")
    panels = [Panel("Found, alpha 0.001", "networks, %", {"": resisting(rows)}, SHARE)]
    groups = {"Single images as triggers": False, "Pairs as triggers": True}
    for title, paired in groups.items():
        series = {"copy": Series(), "innocent": Series()}
        for name, owner in MARKS.items():
            if owner.startswith("tilt") or owner.startswith(PAIRED) != paired:
                continue
            for who, theft in (("copy", "loot"), ("innocent", "twin")):
                runs = chosen(rows, owner=owner, theft=theft)
                series[who][name] = spread(per_cent(runs, "matched", "questions"))
        axis, chance = "triggers matched, %", (10.0, "by chance")
        panels.append(Panel(title, axis, series, (-2, 42), chance))
    return panels


def resisting(rows: Sequence[Row]) -> Series:
    """Return how many copies and innocents each answer to extraction finds."""
    leans, dawn = ("tilt", "tilt mirrored"), chosen(rows, owner="dawn")
    marks = [row for row in rows if row["owner"] not in ("dawn", *leans)]
    tilted = [row for row in rows if row["owner"] in leans]
    series = {"twelve marks: copies": found(chosen(marks, theft="loot"))}
    series["twelve marks: innocents"] = found(chosen(marks, theft="twin"))
    for epochs in (6, 20, 40):
        runs = chosen(dawn, theft="loot", strength=f"{epochs} epochs, width 12")
        series[f"wrong answers: {epochs} epochs"] = found(runs)
    series["wrong answers: innocents"] = found(chosen(dawn, theft="twin"))
    series["answers lean: copies"] = found(chosen(tilted, theft="loot"))
    series["answers lean: innocents"] = found(chosen(tilted, theft="twin"))
    return series


def tilt() -> list[Panel]:
    """Return how many coins each suspect matches, for the cases of lesson 10."""
    parts = {
        "Coins matched, of 160: digits": LEANING,
        "What takes a lean away": LEANING_OUT,
        "Photographs (CIFAR-10)": LEANING_SIZES,
        "Photographs: what takes a lean of a quarter away": LEANING_PHOTOGRAPHS,
    }
    axis, chance = "mean, its 95 % interval, and all runs", (80.0, "by chance")
    return [
        Panel(title, axis, {"": coins_of(cases)}, (56, 164), chance)
        for title, cases in parts.items()
    ]


def coins_of(cases: Iterable[Case]) -> Series:
    """Return how many coins the suspects of some cases match."""
    series = Series()
    for name, rows in leaning_rows(rows_of(ROOT, "tilt"), cases):
        if len(rows) < 4:  # of one owner: an interval would say nothing
            continue
        hits = sum(float(row["p"]) <= 1e-3 for row in rows)
        note = f"{hits} of {len(rows)} found"
        dot = mean_interval([int(row["matched"]) for row in rows])
        words = f"{dot.words}, {note}"
        series[name.replace("*", "")] = dot._replace(words=words, note=note)
    return series


def mean_interval(values: Sequence[int]) -> Dot:
    """Return the mean of some runs with its 95 % interval."""
    many, middle = len(values), statistics.fmean(values)
    half = float(t.ppf(0.975, many - 1)) * statistics.stdev(values) / many**0.5
    words = f"{middle:.0f} ({middle - half:.0f} to {middle + half:.0f})"
    return Dot(middle, middle - half, middle + half, words, tuple(values))


# ---------------------------------------------------------------- innocents and liars

RULES = {"gambler": "ours", "counted at the end": "one look", "counted, peeking": "peeking"}


def false_alarms() -> list[Panel]:
    """Return how often innocent networks are accused, by our rules and by common ones."""
    rows = chosen(rows_of(ROOT, "false_alarms"), suspects="null models")
    fresh = chosen(rows, draw="numpy")
    rates = {name: Series() for name in RULES.values()}
    for rule, name in RULES.items():
        for alpha in ALPHAS:
            studies = [accused(row) for row in chosen(fresh, rule=rule, alpha=alpha)]
            worst = max(studies)
            words = f"{worst.at:.2g} %"
            rates[name][f"alpha {alpha}"] = worst._replace(words=words, note="")
    rates["promised"] = Series()
    for alpha in ALPHAS:
        at = 100 * float(alpha)
        rates["promised"][f"alpha {alpha}"] = Dot(at, at, at, f"{at:g} %")
    fixed = chosen(rows, rule="fixed, counted", alpha="0.001")
    worst = Series()
    for data, task in DATA.items():
        for kind, name in KINDS.items():
            targets = [accused(row) for row in chosen(fixed, data=data, trigger=kind)]
            worst[f"{task}, {name}"] = max(targets)
    title = "One target for all, the worst"
    return [
        Panel("Random labels, fresh keys", "innocents accused, %", rates, (0.02, 30), log=True),
        Panel(title, "innocents accused, alpha 0.001, %", {"": worst}, SHARE),
    ]


def accused(row: Row) -> Dot:
    """Return how many innocents were accused."""
    return counted(int(row["accusations"]), int(row["decisions"]))


def tilt_innocents() -> list[Panel]:
    """Return how often innocents are found when coins are drawn from many seals."""
    rows = rows_of(ROOT, "tilt_innocents")
    names = {"weighted": "weighted coins", "signs": "coins counted", "bets": "a bettor on them"}
    series = {}
    for test, name in names.items():
        series[name] = Series()
        for alpha in ALPHAS:
            column = f"at_{alpha[2:]}"
            of_test = chosen(rows, test=test)
            shares = [100 * int(row[column]) / int(row["keys"]) for row in of_test]
            series[name][f"alpha {alpha}"] = spread(shares, 2)
    title = f"{len(of_test)} innocents, {int(rows[0]['keys']):,} seals each"
    return [Panel(title, "found, %: mean, least to most", series, (0, 7))]


def nulls_on_demand() -> list[Panel]:
    """Return how well the innocent networks that are trained on demand read digits."""
    rows = rows_of(ROOT, "nulls_on_demand")
    series = Series()
    for network in ("small", "deep"):
        for half in ("0", "1"):
            runs = chosen(rows, network=network, half=half)
            name = f"{network} network, {('first', 'second')[int(half)]} half"
            series[name] = spread([100 * float(row["task_accuracy"]) for row in runs], 1)
    title, axis = "160 networks without a mark", "task accuracy, %"
    return [Panel(title, axis, {"": series}, (94, 98.5))]


READERS = {
    "judge": ("judge", "judge, who takes none of the owner's", "judge who counts 8"),
    "owner's own test": ("verify", "SequentialTest"),
    "used wrongly": (
        "judge who lets the owner name",
        "judge who counts 1",
        "verify in a loop, which it is not for",
    ),
}
LIARS = {
    "none": "nobody lies",
    "grinding": "many seals tried",
    "tweaking": "a pixel changed, then sealed",
    "ordering": "matched questions first",
    "windows": "the best of 81 series",
    "alpha": "another alpha sealed",
    "nulls": "witnesses that suit",
    "drawn targets": "a target that suits",
    "families": "20 suspects, log deleted",
    "replays": "another's evidence",
    "looking again": "looking again and again",
    "beacon": "sealed around a public draw",
    "clean images": "clean images that suit",
}


def procedure() -> list[Panel]:
    """Return how often an innocent is found, whatever the owner does: the worst of all settings."""
    rows = [row for row in rows_of(ROOT, "procedure") if float(row["bound"]) > 0]
    series = {name: Series() for name in READERS}
    order: list[str] = []
    for liar, name in LIARS.items():
        alphas = [row["alpha"] for row in chosen(rows, liar=liar) if row["alpha"] in ALPHAS]
        alpha = max(alphas, key=float)
        of_liar = chosen(rows, liar=liar, alpha=alpha)
        label = name if alpha == "0.05" else f"{name} (alpha {alpha})"
        order.append(label)
        for reader, known in READERS.items():
            runs = [row for row in of_liar if row["reader"] in known]
            if runs:
                dots = [counted(int(row["found"]), int(row["runs"])) for row in runs]
                series[reader][label] = max(dots)._replace(note="")
    panels = []
    for title, half in (("What a liar does", order[:7]), ("What else", order[7:])):
        some = {}
        for reader, dots in series.items():
            some[reader] = {name: dots[name] for name in half if name in dots}
        axis = "innocents found, alpha 0.05, %"
        panels.append(Panel(title, axis, some, SHARE, (5.0, "alpha"), order=tuple(half)))
    return panels


TRICKS = {
    "grinding": "4,096 seals tried",
    "pixel tweaks": "pixels tweaked",
    "crafted images": "images crafted",
    "dropping what did not take": "questions dropped",
    "showing what matched": "only matches shown",
}
SEALED = "one seal over all images, every question counts"


def dishonest_owner() -> list[Panel]:
    """Return how many innocents each trick accuses: mean, least and most of the cases."""
    rows = rows_of(ROOT, "dishonest_owner")
    names = ("liar's rules, by p", "liar's rules, judge's p", "one seal over all, by p")
    series = {name: Series() for name in names}
    for trick, name in TRICKS.items():
        cases = [row for row in chosen(rows, trick=trick) if trick != "grinding" or hardest(row)]
        sealed = chosen(cases, rules=SEALED)
        free = [row for row in cases if row not in sealed]
        series[names[0]][name] = spread(per_cent(free, "accused", "decisions"))
        series[names[1]][name] = spread(per_cent(free, "accused_judge", "decisions"), 1)
        if sealed:
            series[names[2]][name] = spread(per_cent(sealed, "accused", "decisions"), 1)
    title, axis = "A liar's trick", "innocents accused, alpha 0.001, %"
    return [Panel(title, axis, series, SHARE)]


def hardest(row: Row) -> bool:
    """Return whether a liar tried as many seals as any did."""
    return row["effort"] == "4096"


def tribunal() -> list[Panel]:
    """Return what the six services of a case match, and what two plans score."""
    rows = rows_of(ROOT, "tribunal")
    matched, scores = Series(), Series()
    for who in ("copy", "pruned", "fine-tuned", "imitated", "suspicious", "innocent"):
        matched[who] = spread([int(row[who]) for row in rows])
    for plan, name in {"honest": "the lesson's plan", "counting": "counting and looking"}.items():
        false = sum(int(row[f"{plan}_false"]) for row in rows)
        dot = spread([int(row[plan]) for row in rows])
        scores[name] = dot._replace(words=f"{dot.words}, {false} innocents accused")
    many = len(rows)
    return [
        Panel(
            "What six services match", "questions, of 100", {"": matched}, SHARE, (10, "by chance")
        ),
        Panel(f"What two plans score in {many} cases", "points", {"": scores}, (-40, 12)),
    ]


# ---------------------------------------------------------------- the paper repeated


def paper() -> list[Panel]:
    """Return the paper's figures beside those of its networks, trained again."""
    rows = repeated(ROOT)
    panels = [paper_panel("New triggers that get the target", rows, ("1", "1"), "new", (91, 100.5))]
    for data, limits in (("mnist", (98.8, 99.6)), ("cifar10", (74, 82))):
        of_task = chosen(rows, data=data)
        title = f"Task accuracy, {DATA[data]}"
        panels.append(paper_panel(title, of_task, ("2", "2"), "task", limits))
    pruned = [row for row in rows if row["setting"] == "90"]
    title = "Triggers left, 90 % of weights pruned"
    return [*panels, paper_panel(title, pruned, ("3", "4"), "trained", SHARE)]


def paper_panel(
    title: str,
    rows: Sequence[Row],
    tables: tuple[str, str],
    asked: str,
    limits: tuple[float, float],
) -> Panel:
    """Return a comparison with one figure of the paper for each mark and data set."""
    series = {"paper": Series(), "its networks again": Series()}
    of_it = [row for row in rows if row["table"] in tables and row["asked"] == asked]
    of_it = [row for row in of_it if row["paper"]]
    for data, task in DATA.items():
        for kind, name in {"clean": "no mark", **KINDS}.items():
            runs = chosen(of_it, data=data, kind=kind, epochs="10")
            if not runs:
                continue
            printed = float(runs[0]["paper"])
            label = f"{task}, {name}"
            series["paper"][label] = Dot(printed, printed, printed, f"{printed:g} %")
            at = 100 * mean(runs, "share")
            low = 100 * min(float(row["low"]) for row in runs)
            high = 100 * max(float(row["high"]) for row in runs)
            words = f"{at:.1f} ({low:.1f} to {high:.1f})"
            series["its networks again"][label] = Dot(at, low, high, words)
    return Panel(title, "%", series, limits)


# ---------------------------------------------------------------- what it costs in time


def threads() -> list[Panel]:
    """Return how long an epoch takes on one thread and on torch's default."""
    rows = rows_of(ROOT, "threads")
    series = {"one thread": Series(), "torch's default": Series()}
    for neighbours, beside in {"0": "alone", "2": "beside two busy processes"}.items():
        for work, name in {"fit": "plain", "embed": "marking"}.items():
            for setting, dots in zip(("one", "default"), series.values()):
                runs = chosen(rows, neighbours=neighbours, work=work, setting=setting)
                seconds = [float(row["seconds"]) for row in runs]
                dots[f"{name}, {beside}"] = spread(seconds, 2, "median")
    title, axis = "An epoch on two cores", "seconds: median, and three runs"
    return [Panel(title, axis, series, (0.4, 16), log=True)]


def classroom() -> list[Panel]:
    """Return the memory and the processor time that lessons need."""
    rows = rows_of(ROOT, "classroom")
    memory = {"all of it": Series(), "not shared": Series()}
    seconds = {"without CUDA": Series(), "with CUDA": Series()}
    for lesson in ("00", "07", "09"):
        of_lesson = chosen(rows, what=f"lesson {lesson}")
        for row in of_lesson:
            build = "without CUDA" if row["torch"].endswith("+cpu") else "with CUDA"
            value = float(row["value"])
            dot = Dot(value, value, value, f"{value:g} {row['unit']}")
            name = f"lesson {lesson}, {build}"
            if row["figure"] == "peak memory, resident":
                memory["all of it"][name] = dot
            elif row["figure"] == "peak memory, private":
                memory["not shared"][name] = dot
            elif row["figure"] == "seconds, one core":
                seconds[build][f"lesson {lesson}"] = dot
    return [
        Panel("Memory of a lesson, at its peak", "megabytes", memory, (0, 1050)),
        Panel("Time of a lesson, on one core", "seconds", seconds, (0, 22)),
    ]


# ---------------------------------------------------------------- tables


def zoo() -> str:
    """Return the task accuracy of the models that ship."""
    rows = {row["model"]: row for row in rows_of(ROOT, "zoo")}
    heads = ["task accuracy, %"]
    for task in DATA.values():
        heads += [f"{task}, {way}" for way in LABELS.values()]
    lines = []
    for kind, name in {"clean": "no mark", **KINDS}.items():
        line = [name]
        for data in DATA:
            for ending in ("", "-fixed"):
                row = rows.get(f"{data}/{kind}{ending}")
                line.append(f"{100 * float(row['task_accuracy']):.2f}" if row else "")
        lines.append(line)
    nulls = sum("/null-" in name for name in rows)
    more = f"The file lists {len(rows)} models; {nulls} of them are innocent networks."
    return f"{markdown(heads, lines)}\n\n{more}"


def reproduce() -> str:
    """Return how many cells of each lesson gave the same output."""
    rows = rows_of(ROOT, "reproduce")
    lines = []
    for row in rows:
        name = row["lesson"].replace("_", " ")
        lines.append((name, f"{row['equal']} of {row['compared']}", row["seconds"]))
    same = sum(int(row["equal"]) for row in rows)
    compared = sum(int(row["compared"]) for row in rows)
    table = markdown(("lesson", "cells equal", "seconds"), lines)
    lessons = f'<div style="margin-bottom: 1rem">\n\n{folded("Each lesson", table)}\n\n</div>'
    return f"{same} of {compared} cells gave the same output.\n\n{lessons}"


WORK = {"tests": "the device tests", "small_cnn": "the small network", "resnet18": "resnet18"}


def gpu() -> str:
    """Return what was measured on a processor and on a GPU."""
    rows = rows_of(ROOT, "gpu")
    lines = []
    for work, name in WORK.items():
        cells = []
        for device in ("cpu", "cuda"):
            (row,) = chosen(rows, work=work, device=device)
            seconds, result = row["seconds"], row["result"]
            cells.append(f"{seconds} s, {result}" if result else seconds)
        lines.append((name, *cells))
    return markdown(("all tests, or an epoch", "processor", "GPU"), lines)


# ---------------------------------------------------------------- the page


class Entry(NamedTuple):
    """What the page says of one file of results.

    Parameters
    ----------
    file, question, words : the file's name, the heading, and what is to be seen
    plot : what returns the panels of its plot, if it has one
    table : what returns its table, if it has one
    bench : the drawings of the page of benchmarks that show it
    """

    file: str
    question: str
    words: str
    plot: Callable[[], Sequence[Panel | Grid]] | None = None
    table: Callable[[], str] | None = None
    bench: tuple[str, ...] = ()


GROUPS: dict[str, list[Entry]] = {
    "Embedding, and what it costs": [
        Entry(
            "embedding",
            "Is every mark learnt, and what does it cost the task?",
            "Marked networks classify as well as their unmarked twins, so the cost is about zero. "
            "Random labels take longer than one answer for all, and a network that is trained on "
            "gently does not learn all unrelated images.",
            embedding,
        ),
        Entry(
            "source_share",
            "How many images does the paper's mark need?",
            "The mark works with very few stamped images of the source class. Noise needs the "
            "fewest, words the most.",
            source_share,
        ),
        Entry(
            "zoo",
            "How good are the models that ship?",
            "Marked models classify the 10,000 test images about as well as the unmarked one.",
            table=zoo,
        ),
    ],
    "Thefts": [
        Entry(
            "thefts",
            "Which thieves are found?",
            "Copies for MNIST that still classify seven digits in ten: three kinds of mark with "
            "random labels, five owners each, all strengths of a theft together. Altering the file "
            "hides no copy. Training on at a high rate, blur and votes hide some; a detector of "
            "unusual queries and extraction with digits hide all.",
            thefts,
        ),
        Entry(
            "power",
            "How long can a thief train on?",
            "Every copy is found up to a learning rate of 0.005. At 0.01 about half of them are, "
            "and those that are take more questions.",
            power,
        ),
        Entry(
            "three_types",
            "Which of the three marks outlasts fine-tuning?",
            "On photographs, one answer for all outlasts random labels. Which kind of image goes "
            "first depends on the learning rate.",
            three_types,
        ),
        Entry(
            "design",
            "What must a trigger of your own beat?",
            "In the game of lesson 14, pairs and double exposures pass the filter that stops the "
            "other three. None of the five outlasts a thief who trains on hard, or extracts.",
            design,
        ),
        Entry(
            "whitebox",
            "How long does a message in the weights last?",
            "Fine-tuning, pruning and rounding leave it. Overwriting damages it, and permuting the "
            "channels hides it without changing an answer.",
            whitebox,
        ),
    ],
    "Copying through the API, and what resists": [
        Entry(
            "countermeasures",
            "What resists extraction with the task's own images?",
            "A copy matches no more triggers than an innocent network, whichever images are the "
            "triggers. Two answers resist: a few wrong answers (DAWN), if the thief trains long "
            "enough, and answers that lean.",
            countermeasures,
        ),
        Entry(
            "tilt",
            "How clearly does a copy lean?",
            "A service leans by 160 sealed coins where it is undecided. The more digits the thief "
            "asks about, the more of the lean they copy. True labels take it away, and a second "
            "service that leans takes some of it. On photographs a quarter of the lean is enough.",
            tilt,
        ),
    ],
    "Innocents and liars": [
        Entry(
            "false_alarms",
            "How often is an innocent network accused?",
            "With random labels, our rule and a single look keep the promise of alpha, and peeking "
            "breaks it. Counting matches with a chosen target accuses many innocents.",
            false_alarms,
        ),
        Entry(
            "tilt_innocents",
            "How often does an innocent seem to lean?",
            "Innocents of many kinds, asked once, and the coins drawn from many real seals. On "
            "average each test finds about as many as alpha allows, or fewer.",
            tilt_innocents,
        ),
        Entry(
            "nulls_on_demand",
            "Who are the innocents?",
            "Networks of two kinds, each trained on one half of the images. They classify digits "
            "about as well as the networks that are marked.",
            nulls_on_demand,
        ),
        Entry(
            "procedure",
            "What does a lie gain against the whole procedure?",
            "The worst setting of each lie; used wrongly means a mistake that the file names. The "
            "judge's verdict keeps to alpha, except for another's evidence under a seal that names "
            "no owner, which the verdict says. The owner's own test believes the owner.",
            procedure,
        ),
        Entry(
            "dishonest_owner",
            "What does the seal prevent?",
            "Each dot is the mean of the kinds of trigger and data sets, each line from the least "
            "to the greatest. One seal over all images stops every trick but trying many seals; "
            "the judge's p stops that one.",
            dishonest_owner,
        ),
        Entry(
            "tribunal",
            "Who wins at the tribunal?",
            "The copy and the pruned copy are clear, the fine-tuned one less so, and an imitation "
            "looks like an innocent. A plan that counts and looks again accuses innocents.",
            tribunal,
        ),
    ],
    "The paper repeated": [
        Entry(
            "paper",
            "Do the paper's figures come out again?",
            "The paper's networks, trained again for ten epochs; a line spans the exact 95 % "
            "intervals of all runs. On digits the figures are nearly those of the paper. On "
            "CIFAR-10 the networks classify a little worse here, and pruning leaves less of the "
            "marks.",
            paper,
        ),
        Entry(
            "reproduce",
            "Do the lessons give the same outputs elsewhere?",
            "Every lesson, run with the oldest instruction set that its libraries still have.",
            table=reproduce,
        ),
    ],
    "What it costs in time": [
        Entry(
            "bench",
            "How fast is it, beside what people would use instead?",
            "A disc is a median, the line through it goes from the 5th to the 95th percentile, a "
            "hollow triangle is the aim. [The page of benchmarks](bench.md) has every row. On a "
            "narrow screen the plots scroll sideways.",
            bench=("faster", "floors", "screen"),
        ),
        Entry(
            "growth",
            "How does the cost grow?",
            "Time grows in proportion to images, queries, null models and suspects, and more "
            "slowly with triggers and classes.",
            bench=("growth",),
        ),
        Entry(
            "threads",
            "One thread or several?",
            "On an idle machine, two threads gain a little. Beside busy processes they lose much, "
            "so everything trains on one thread unless told otherwise.",
            threads,
        ),
        Entry(
            "classroom",
            "What does a learner need on a shared machine?",
            "Memory is the limit. A build of PyTorch with CUDA needs more of it than one without, "
            "and the same time.",
            classroom,
        ),
        Entry(
            "gpu",
            "What does a GPU gain?",
            "This is not measured yet: the machine had none. The file has the processor's figures "
            "to compare with.",
            table=gpu,
        ),
    ],
}
INTRODUCTION = """# Results

What was measured, with the file that it comes from and the command that measures it again, at the
root of a checkout. Figures in bold are those that our pages claim.

In the plots a dot is a share or a mean. The line through it is the exact 95 % interval of a share
(Clopper and Pearson), or goes from the least to the greatest of several runs, which are pale dots.
Where a line is something else, the text says so.
"""
# Drawings of 840 pixels in a box that scrolls where it must. On a telephone they are 770 wide, so
# that letters have 11; on a wide screen they shrink to the column.
SCROLLED = """<div style="overflow-x: auto" role="region" tabindex="0" aria-label="{words}">
<div style="min-width: calc(809px - 10vw)">"""


class Claim(NamedTuple):
    """A row of docs/figures.md: what is claimed, the figure, file and command."""

    what: str
    figure: str
    source: str


def results_page(folder: Path) -> str:
    """Write the plots of docs/results into a folder, and return the page that shows them.

    Parameters
    ----------
    folder : where the page will be, beside `results/`, `img/` and `bench.md`

    Returns
    -------
    str : the page in MyST's Markdown; its pictures are in `folder/plots`, each for a light page and
        for a dark one
    """
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    claimed = claims()
    parts = [INTRODUCTION]
    for group, entries in GROUPS.items():
        parts.append(f"## {group}")
        for entry in entries:
            parts += [f"### {entry.question}", entry.words]
            parts += shown(entry, folder)
            parts += [claimed_list(claimed.get(entry.file, [])), origin(entry.file)]
    return "\n\n".join(part for part in parts if part) + "\n"


def shown(entry: Entry, folder: Path) -> list[str]:
    """Return the pictures and tables of an entry; write the pictures."""
    parts = []
    if entry.plot:
        panels = entry.plot()
        picture = svg(panels)
        words = " ".join(panel.words() for panel in panels)
        for theme, text in {"light": picture, "dark": in_the_dark(picture)}.items():
            name = f"plots/{entry.file}-{theme}.svg"
            (folder / name).write_text(text, "utf-8")
            parts.append(image(name, words, f"only-{theme}"))
    if entry.table:
        parts.append(entry.table())
    for name in entry.bench:
        title, words = bench_words(name)
        parts += [f"**{title}**", SCROLLED.format(words=f"{title}: plot")]
        parts += [image(f"img/bench-{name}.svg", words, "dark-light"), "</div></div>"]
    return parts


def image(path: str, words: str, css: str) -> str:
    """Return a picture with its alternative text."""
    alt = json.dumps(words, ensure_ascii=False)
    return f"```{{image}} {path}\n:alt: {alt}\n:class: {css}\n```"


def bench_words(name: str) -> tuple[str, str]:
    """Return the heading of a picture of the page of benchmarks, and what the page says of it."""
    page = (ROOT / "docs" / "bench.md").read_text("utf-8")
    before, after = page.split(f"<!-- {name} -->")
    heading = before.rpartition("\n## ")[2].partition("\n")[0]
    return heading, re.search(r"!\[([^]]+)\]", after)[1]


def claims() -> dict[str, list[Claim]]:
    """Return the rows of docs/figures.md by the file that they come from.

    "The same" is the file of the row above. A figure that is calculated, and has no file, is beside
    the measurement that follows it.
    """
    page = (ROOT / "docs" / "figures.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    by_file: dict[str, list[Claim]] = {}
    waiting = []
    file = ""
    for what, figure, source in rows[1:]:
        named = re.search(r"docs/results/(\w+)\.csv", source)
        waiting.append(Claim(what, figure, source))
        if named:
            file = named[1]
        if named or source == "the same":
            by_file.setdefault(file, []).extend(waiting)
            waiting = []
    return by_file


def claimed_list(rows: Sequence[Claim]) -> str:
    """Return what we claim from a file, each figure before its words."""
    items = []
    for row in rows:
        calculated = row.source != "the same" and "docs/results" not in row.source
        more = f" ({row.source})" if calculated else ""
        items.append(f"- **{row.figure}**\\\n  {row.what}{more}")
    return "\n".join(items)


def origin(name: str) -> str:
    """Return the link to a file of results and its command."""
    text = (ROOT / "docs" / "results" / f"{name}.csv").read_text("utf-8")
    command = text.partition("\n")[0].removeprefix("# ")
    return f"File and command: [{name}.csv](results/{name}.csv), `{command}`"
