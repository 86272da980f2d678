"""What lesson 12 says without printing it is what `benchmarks/whitebox.py` measured."""

import ast
import math

import pandas as pd
import pytest
from _words import cells_of, words_of
from scipy.stats import binom

import wmlearn as wm

NETWORKS = {"small 12": 64, "small 40": 256, "deep 16": 256}
ROWS = {
    "unmarked twin": ("twin", ""),
    "marked": ("none", ""),
    "trained on, rate 0.001": ("fine-tuned", "0.001"),
    "trained on, rate 0.005": ("fine-tuned", "0.005"),
    "trained on, rate 0.01": ("fine-tuned", "0.01"),
    "50 % pruned": ("pruned", "0.5"),
    "65 % pruned": ("pruned", "0.65"),
    "80 % pruned": ("pruned", "0.8"),
    "90 % pruned": ("pruned", "0.9"),
    "rounded to 4 bits": ("quantised", "4"),
    "overwritten, rate 0.005": ("overwritten", "0.005"),
    "overwritten, rate 0.02": ("overwritten", "0.02"),
    "overwritten, rate 0.05": ("overwritten", "0.05"),
    "imitated": ("imitated", "2000"),
    "channels shuffled": ("shuffled", ""),
    "channels put back": ("sorted", ""),
}


@pytest.fixture(scope="module")
def lesson():
    return words_of("12")


@pytest.fixture(scope="module")
def measured(root):
    text = dict.fromkeys(("network", "theft", "strength"), str)
    return pd.read_csv(
        root / "docs/results/whitebox.csv", comment="#", dtype=text, keep_default_na=False
    )


def runs_of(measured, name, network):
    """Return the five runs of one network behind a row of the lesson's table."""
    theft, strength = ROWS[name]
    of_it = (measured.theft == theft) & (measured.strength == strength)
    runs = measured[of_it & (measured.network == network)]
    assert len(runs) == 5
    return runs


def message(measured, name):
    """Return one row of the lesson's table, as it has to read."""
    cells = []
    for network in NETWORKS:
        runs = runs_of(measured, name, network)
        low, high = runs.right.min(), runs.right.max()
        bits = f"{low} to {high}" if low < high else f"{low}"
        cells.append(f"{bits} ({100 * runs.task_accuracy.mean():.1f} %)")
    return f"| {name} | {' | '.join(cells)} |"


@pytest.mark.parametrize("name", ROWS)
def test_the_table_holds_what_was_measured(lesson, measured, name):
    assert message(measured, name) in lesson


def test_the_picture_shows_what_was_measured(measured):
    (source,) = [text for kind, text in cells_of("12") if text.startswith("measured = {")]
    for name, shown in ast.literal_eval(source.split("=", 1)[1].split("#")[0].strip()).items():
        runs = runs_of(measured, name, "small 12")
        task = round(100 * runs.task_accuracy.mean(), 1)
        assert shown == (runs.right.min(), runs.right.max(), task), name


def test_the_file_begins_with_its_command_and_its_figures_agree(root, measured):
    first = (root / "docs/results/whitebox.csv").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# OMP_NUM_THREADS=1 python benchmarks/whitebox.py"
    assert not measured.duplicated(["network", "seed", "theft", "strength"]).any()
    channels = {"small 8": 8, "small 12": 12, "small 40": 40, "deep 16": 64}
    for row in measured.itertuples():
        orders = math.factorial(channels[row.network]) if row.theft == "sorted" else 1
        assert row.p == pytest.approx(
            min(1, binom.sf(row.right - 1, row.bits, 0.5) * orders), rel=0.01
        )


def test_innocents_are_coins(lesson, measured):
    nulls = measured[measured.theft == "null model"]
    assert len(nulls) == 100
    assert (
        f"{nulls.right.min()} to {nulls.right.max()} of 64 bits are right, "
        f"{nulls.right.mean():.1f} on average" in lesson
    )
    assert nulls.p.min() > 1e-3
    tries = nulls.bits.sum()
    assert abs(nulls.right.sum() - tries / 2) < 4 * math.sqrt(tries) / 2


def test_what_a_rough_thief_leaves(lesson, measured):
    """One count of all bits finds more than the bettor has at the last one, for the bettor may
    stop on the way.
    """
    needed = {bits: int(wm.stats.matches_needed(bits, 0.001, 0.5)) for bits in (64, 256)}
    runs = [
        measured.query("theft == 'overwritten' and strength == @strength")
        for strength in ("0.005", "0.02", "0.05")
    ]
    assert [len(each) for each in runs] == [15, 15, 15]
    once = [int((each.p < 1e-3).sum()) for each in runs]
    anytime = [int((each.right >= each.bits.map(needed)).sum()) for each in runs]
    assert "| by one count of all bits (exercise 12.1) | {} | {} | {} |".format(*once) in lesson
    wanted = f"{needed[64]} of 64, or {needed[256]} of 256"
    found = "| by the bettor, at the last bit ({}) | {} | {} | {} |".format(wanted, *anytime)
    assert found in lesson


def test_what_pruning_costs_the_deep_network(lesson, measured):
    pruned = measured.query("network == 'deep 16' and theft == 'pruned' and strength == '0.65'")
    assert pruned.task_accuracy.mean() < 0.15
    assert (pruned.right == 256).all()
    assert "the deeper network, pruned by 65 %, reads no better than by guessing" in lesson
