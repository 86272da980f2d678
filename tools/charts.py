"""Charts of the lessons that are drawn from files of docs/results: dots with intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from drawing import GROUNDS, Drawing
from scipy.stats import t
from tables import LEANING, leaning, leaning_rows, rows_of

ROOT = Path(__file__).resolve().parents[1]
BLUE, OCHRE = "#0072b2", "#9a6a00"
PAPER = "#f6f6f6"

# The thieves that are compared on one page: the name of each, and what the study calls it.
THIEVES = {
    "no theft: the copy as it is": ("none", ""),
    "5 of 10 weights pruned": ("Prune", "0.5"),
    "9 of 10 weights pruned": ("Prune", "0.9"),
    "3 of 10 channels pruned": ("Prune-channels", "0.3"),
    "rounded to 5 bits": ("Quantize", "5"),
    "rounded to 3 bits": ("Quantize", "3"),
    "weight noise, 0.3": ("PerturbWeights", "0.3"),
    "FTAL, rate 0.001": ("FTAL", "0.001"),
    "FTAL, rate 0.005": ("FTAL", "0.005"),
    "FTAL, rate 0.01": ("FTAL", "0.01"),
    "FTLL, rate 0.01": ("FTLL", "0.01"),
    "RTLL, rate 0.01": ("RTLL", "0.01"),
    "RTAL, rate 0.005": ("RTAL", "0.005"),
    "fine-pruned, 6 of 10 channels": ("FinePrune", "0.6"),
    "overwritten with ten words": ("Overwrite", "0.005"),
    "imitated: digits, labels": ("Steal-hard-loot", "5000"),
    "imitated: digits, scores": ("Steal-soft-loot", "5000"),
    "imitated: photographs, labels": ("Steal-hard-unrelated", "5000"),
    "imitated: photographs, scores": ("Steal-soft-unrelated", "5000"),
    "JPEG, quality 45": ("Jpeg", "45"),
    "JPEG, quality 10": ("Jpeg", "10"),
    "black or white": ("Squeeze", "1"),
    "noise added, 0.1": ("AddNoise", "0.1"),
    "noise added, 0.3": ("AddNoise", "0.3"),
    "blur, 0.5": ("Blur", "0.5"),
    "blur, 0.8": ("Blur", "0.8"),
    "blur, 1.2": ("Blur", "1.2"),
    "RejectUnusual, share 0.05": ("RejectUnusual", "0.05"),
    "three that vote": ("Vote", "3"),
}
KINDS = {"content": "words", "unrelated": "unrelated", "noise": "noise"}


def thieves() -> Drawing:
    """Draw what each thief leaves of each kind, least to most of five copies."""
    rows = [row for row in rows_of(ROOT, "thefts") if row["data"] == "mnist"]
    top, pitch, left, width = 92, 21, (285, 440, 595), 130
    drawing = Drawing(740, top + pitch * len(THIEVES) + 14)
    drawing.rect(1, 1, 738, drawing.height - 2, PAPER, GROUNDS["plain"][1])
    drawing.text(16, 28, "labels drawn at random: all five copies found", anchor="start")
    _dot(drawing, 344, 23, BLUE)
    drawing.text(362, 28, "not all", anchor="start")
    _dot(drawing, 422, 23, BLUE, filled=False)
    drawing.text(460, 28, "one answer for all", anchor="start")
    _dot(drawing, 594, 23, OCHRE)
    drawing.text(240, 60, "reads, %")
    for x, kind in zip(left, KINDS.values()):
        drawing.text(x + width / 2, 56, f"{kind}, % left", bold=True)
        for share in (0, 50, 100):
            drawing.text(x + share * width / 100, 78, str(share))
            bottom = drawing.height - 8
            drawing.path(f"M{x + share * width / 100:g} 84V{bottom}", color="#d0d0d0", width=1)
    for i, (name, case) in enumerate(THIEVES.items()):
        y = top + pitch * (i + 0.5)
        runs = [row for row in rows if (row["theft"], row["strength"]) == case]
        drawing.text(16, y + 5, name.replace(", share", ""), anchor="start")
        drawn = [row for row in runs if row["labels"] == "keyed"]
        read = statistics.fmean(float(row["task_accuracy"]) for row in drawn)
        drawing.text(250, y + 5, f"{100 * read:.0f}")
        for x, kind in zip(left, KINDS):
            for labels, color, shift in (("keyed", BLUE, -4), ("fixed", OCHRE, 4)):
                of_it = [row for row in runs if (row["marks"], row["labels"]) == (kind, labels)]
                shares = [int(row["matched"]) / int(row["questions"]) for row in of_it]
                found = labels == "fixed" or all(row["decision"] == "found" for row in of_it)
                _span(drawing, [x + width * share for share in shares], y + shift, color, found)
    return drawing


def _span(drawing: Drawing, places: Sequence[float], y: float, color: str, filled: bool) -> None:
    """Draw a line from the least to the most, and a dot in the middle."""
    drawing.path(f"M{min(places):.1f} {y:g}H{max(places):.1f}", color=color, width=2)
    _dot(drawing, statistics.median(places), y, color, filled=filled)


def _dot(drawing: Drawing, x: float, y: float, color: str, filled: bool = True) -> None:
    ground = color if filled else PAPER
    drawing.add(
        f'<circle cx="{x:.1f}" cy="{y:g}" r="3.5" fill="{ground}" stroke="{color}" '
        'stroke-width="1.5"/>'
    )


def leans() -> Drawing:
    """Draw how many coins each suspect matches: its runs, and the interval of their mean."""
    top, pitch, left, width = 66, 44, 312, 268
    drawing = Drawing(740, top + pitch * len(LEANING) + 44)
    drawing.rect(1, 1, 738, drawing.height - 2, PAPER, GROUNDS["plain"][1])
    drawing.text(left + width / 2, 28, "coins matched, of 160", bold=True)
    drawing.text(630, 28, "reads", bold=True)
    drawing.text(700, 28, "found", bold=True)
    bottom = drawing.height - 10

    def across(coins: float) -> float:
        return left + (coins - 60) / 70 * width

    for coins in range(60, 131, 10):
        drawing.text(across(coins), 52, str(coins))
        line = GROUNDS["thief"][1] if coins == 80 else "#d0d0d0"
        drawing.path(f"M{across(coins):g} 60V{bottom}", color=line, width=1, dashed=coins == 80)
    drawing.text(across(80) + 6, bottom - 4, "80: by chance", anchor="start")
    for i, (name, rows) in enumerate(leaning_rows(rows_of(ROOT, "tilt"), LEANING)):
        y = top + pitch * (i + 0.5)
        drawing.text(16, y + 5, name.replace("*", ""), anchor="start", bold="*" in name)
        coins = [int(row["matched"]) for row in rows]
        for each in coins:
            drawing.add(
                f'<circle cx="{across(each):.1f}" cy="{y + 8:g}" r="3.5" fill="{BLUE}" '
                'fill-opacity="0.35"/>'
            )
        middle, half = statistics.fmean(coins), _half_interval(coins)
        places = [across(middle - half), across(middle), across(middle + half)]
        _span(drawing, places, y - 6, BLUE, filled=True)
        read, _, found = leaning(rows)
        drawing.text(630, y + 5, f"{read} %")
        drawing.text(700, y + 5, found)
    return drawing


def _half_interval(values: Sequence[float]) -> float:
    """Return half of the 95 % interval of a mean."""
    many = len(values)
    return float(t.ppf(0.975, many - 1)) * statistics.stdev(values) / math.sqrt(many)
