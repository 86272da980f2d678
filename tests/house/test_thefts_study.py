"""The study of all thefts is whole, and what it says of evidence agrees with exact values."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import wmlearn as wm

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs/results/thefts.csv"
KINDS = {"content": 30, "unrelated": 100, "noise": 100}  # questions, keyed


@pytest.fixture(scope="module")
def rows():
    return pd.read_csv(FILE, comment="#", dtype={"strength": str})


@pytest.fixture(scope="module")
def study():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import thefts

    return thefts


def test_the_file_begins_with_the_command_that_makes_it(study):
    assert FILE.read_text(encoding="utf-8").splitlines()[0] == study.COMMAND
    assert study.COMMAND == "# OMP_NUM_THREADS=1 python benchmarks/thefts.py"


def test_every_theft_met_every_kind_of_trigger_five_times(rows, study):
    digits = rows[rows.data == "mnist"]
    suspects = digits.groupby(["marks", "labels", "seed"]).size()
    assert suspects.index.tolist() == [
        (kind, labels, seed)
        for kind in sorted(KINDS)
        for labels in ("fixed", "keyed")
        for seed in study.SEEDS
    ]
    assert not digits.duplicated(["marks", "labels", "seed", "theft", "strength"]).any()
    assert set(suspects) == {40}  # 25 that train nothing, 14 that do, and the owner's own
    photographs = rows[rows.data == "cifar10"]
    assert len(photographs) == 6 * (1 + len(study.cheap()))


def test_the_owners_own_model_answers_everything(rows):
    own = rows[rows.theft == "none"]
    assert (own.matched == own.questions).all()
    assert (own[own.labels == "keyed"].decision == "found").all()


def test_keyed_evidence_is_between_what_the_count_allows(rows):
    """The wealth at the end is a lower bound of the greatest, which grows most when all matches
    come first.
    """
    keyed = rows[rows.labels == "keyed"]
    assert keyed.questions.tolist() == keyed.marks.map(KINDS).tolist()
    for (k, n), same in keyed.groupby(["matched", "questions"]):
        orders = [np.arange(n) < k, np.arange(n) >= n - k]  # all matches first, all last
        least, most = (wm.stats.anytime_p(wm.stats.wealth_path(order, p0=0.1)) for order in orders)
        assert same.p.between(0.994 * least, 1.006 * most).all(), (k, n)  # three digits are kept


def test_decisions_follow_from_p(rows):
    keyed = rows[rows.labels == "keyed"]
    assert (keyed.decision == np.where(keyed.p <= 0.001, "found", "not found")).all()


def test_fixed_labels_give_neither_p_nor_verdict(rows):
    fixed = rows[rows.labels == "fixed"]
    assert fixed.p.isna().all()
    assert (fixed.decision == "cannot tell").all()


def test_what_a_theft_costs(rows, study):
    digits = rows[rows.data == "mnist"]
    bought = digits[digits.theft.str.startswith("Steal")]
    assert (bought.queries == study.LOOT).all()
    assert (digits[~digits.theft.str.startswith("Steal")].queries == 0).all()
    trains = digits.theft.str.match("FT|RT|FinePrune|Overwrite|Steal")
    assert (digits[trains].images == study.LOOT).all()
    assert (digits[~trains].images == 0).all()
