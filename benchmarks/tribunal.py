"""Measure what a fresh case of the tribunal costs to make, and the scores of lesson 13's plan and
of a lazier one.

Every case is made in the same way as by `wmlearn case new`, with reproducible seeds and keys of its
own. "Honest" asks each service five more questions in turn until it is found or the budget is
spent, accuses at ALPHA / 6, and otherwise abstains. "Counting" asks each service fifty questions
and accuses
it if its count ever looked good at 0.05. Every row is written as soon as it is known::

    OMP_NUM_THREADS=1 python benchmarks/tribunal.py
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from _rows import FOLDER, Table

import wmlearn as wm
from wmlearn.course import _cases, tribunal

CASES = 7  # ten seconds each on a quiet core; raise it, and what is known is kept


def honest(case: tribunal.Case) -> dict[str, str]:
    """Return the verdicts of the plan in lesson 13."""
    unfound, found = list(case.services), set()
    while unfound and case.left >= 5 * len(unfound):
        for who in unfound:
            asked = min(case.asked[who] + 5, case.triggers.n)
            if (
                wm.verify(case.services[who], case.triggers, questions=asked, family=6).decision
                == "found"
            ):
                found.add(who)
        unfound = [who for who in unfound if who not in found and case.asked[who] < case.triggers.n]
    return {who: "accuse" if who in found else "abstain" for who in case.services}


def counting(case: tribunal.Case) -> dict[str, str]:
    """Return the verdicts of somebody who counts, looks after every answer, and accuses at one in
    twenty.
    """
    replies = {}
    for who, service in case.services.items():
        matched = wm.verify(service, case.triggers, questions=50).matched
        looks = wm.stats.binomial_p(matched.cumsum(), np.arange(1, 51), case.triggers.p0)
        replies[who] = "accuse" if np.min(looks) <= _cases.USUAL else "abstain"
    return replies


def measure(row: Mapping[str, object]) -> dict[str, object]:
    """Make one case, play both plans in it, and count every service's matches in all questions."""
    number = int(row["case"])
    with tempfile.TemporaryDirectory() as folder:
        out, secret = Path(folder) / "case.safetensors", Path(folder) / "teacher.json"
        began = time.process_time()
        _cases.new_case(out, secret, key=bytes([number] * 32), seed=1000 * number)
        seconds = time.process_time() - began

        def points(plan: Callable[[tribunal.Case], dict[str, str]]) -> tribunal.Score:
            case = tribunal.open_case(out)
            return tribunal.score_card(case.card(plan(case)), secret=secret)

        played = {"honest": points(honest), "counting": points(counting)}
        case, truth = tribunal.open_case(out), json.loads(secret.read_text())["truth"]
        case.budget = 6 * case.triggers.n
        matched = {
            truth[who]: wm.verify(ask, case.triggers).k for who, ask in case.services.items()
        }
    false = {
        plan: sum(v == "accuse" and truth[w] not in tribunal.TAKEN for w, v in s.verdicts.items())
        for plan, s in played.items()
    }
    return {"cpu_seconds": f"{seconds:.1f}"} | matched_in_order(matched) | {
        "honest": played["honest"].points, "honest_false": false["honest"],
        "counting": played["counting"].points, "counting_false": false["counting"],
    }  # fmt: skip


def matched_in_order(matched: Mapping[str, int]) -> dict[str, int]:
    """Return the matches in a hundred questions, in the order of the columns."""
    return {kind: matched[kind] for kind in (*tribunal.TAKEN, "innocent", "suspicious")}


COLUMNS = (
    "cpu_seconds",
    *tribunal.TAKEN,
    "innocent",
    "suspicious",
    "honest",
    "honest_false",
    "counting",
    "counting_false",
)
TABLE = Table(
    "# OMP_NUM_THREADS=1 python benchmarks/tribunal.py", ("case",), COLUMNS, FOLDER / "tribunal.csv"
)

if __name__ == "__main__":
    TABLE.fill(({"case": number} for number in range(1, CASES + 1)), measure)
