"""What lesson 07 says without printing it is true: figures in its prose, worked out here."""

import numpy as np
import pandas as pd
import pytest
from _words import words_of
from scipy.stats import binom

import wmlearn as wm
from wmlearn.evidence.stats import peeking_chance

P0 = 0.1


@pytest.fixture(scope="module")
def lesson():
    return words_of("07")


def test_what_twenty_witnesses_can_rule_out(lesson):
    assert (6 / 7) ** 20 < 0.05 < (7 / 8) ** 20
    assert "(6/7)²⁰, which is below 5 %" in lesson
    assert "One in eight we cannot rule out" in lesson
    assert 1 / 8 < wm.stats.null_bound(20) < 1 / 7  # the same, from the package


def test_what_a_judge_would_want(lesson):
    counted = wm.stats.binomial_p(np.arange(101), 100, P0)  # once, at the end
    convinced = [wm.stats.judge_p(p) <= 1e-3 for p in counted]
    assert f"they would want {convinced.index(True)}." in lesson


def test_what_a_plan_finds_and_what_the_gambler_needs(lesson):
    planned = int(100 * binom.sf(matches_in_plan(50) - 1, 50, 0.4))
    half, most = (
        wm.stats.questions_needed(1e-3, P0, rate=0.4, chance=chance) for chance in (0.5, 0.95)
    )
    assert f"planned fifty questions, enough to find {planned} such copies of 100" in lesson
    plan, weak_plan = planned_for(0.4), planned_for(0.2)
    assert f"with {plan} it would have been 95" in lesson
    assert f"needs up to {most} to find 95 of them" in lesson
    assert 1.3 < most / plan < 1.4  # "a third more"
    assert f"half of the 40 % copies he finds within {half}" in lesson
    weak = wm.stats.questions_needed(1e-3, P0, rate=0.2, chance=0.95)
    assert f"20 %, half as much again ({weak}, where a plan needs {weak_plan})" in lesson
    assert 1.45 < weak / weak_plan < 1.55
    assert wm.stats.questions_needed(1e-3, P0) == 4


def matches_in_plan(n):
    """Return from how many matches of n a plan with one look at its end accuses."""
    return binom.isf(1e-3, n, P0) + 1


def planned_for(rate):
    """Return the fewest questions with which such a plan finds 95 of 100 copies of this kind."""
    return next(n for n in range(1, 1000) if binom.sf(matches_in_plan(n) - 1, n, rate) >= 0.95)


def test_the_answer_about_peeking_is_the_nearest_of_those_offered():
    assert (
        min(
            (5, 10, 25),
            key=lambda share: abs(share - 100 * peeking_chance(300, alpha=0.05, p0=P0)[-1]),
        )
        == 25
    )


def test_the_unlucky_one_is_the_unluckiest_and_is_wronged_by_whoever_peeks(lesson):
    mnist = wm.load_data("mnist")
    drawn = wm.Noise()(mnist, n=100, key=wm.CLASSROOM_KEY)
    verdicts = [wm.verify(wm.BlackBox(null), drawn) for null in wm.null_models("mnist", n=20)]
    assert np.argmax([verdict.path.max() for verdict in verdicts]) == 16
    counted = wm.stats.binomial_p(verdicts[16].matched.cumsum(), np.arange(1, 101), P0)
    assert counted.argmin() + 1 == 22
    assert counted.min() <= 0.01
    assert np.exp(verdicts[16].path.max()) < 20
    assert "*unlucky*: move to 22 questions" in lesson


def test_what_was_measured_of_false_alarms(lesson, root):
    measured = pd.read_csv(root / "docs/results/false_alarms.csv", comment="#")
    nulls = measured.query("data == 'mnist' and trigger == 'noise' and suspects == 'null models'")
    keyed = nulls.query("draw == 'numpy' and questions == 100").set_index(["rule", "alpha"])
    for alpha in (0.05, 0.01, 0.001):
        rows = [keyed.loc[(rule, alpha)] for rule in ("counted, peeking", "gambler")]
        assert [row.decisions for row in rows] == [1_000_000] * 2
        counting, gambler = (f"{100 * row.rate:.{digits(row.rate)}f} %" for row in rows)
        assert f"| {100 * alpha:g} % | {counting} | {gambler} |" in lesson
    assert (measured[measured.rule == "gambler"].verdict == "holds").all()
    chosen = nulls[(nulls.draw == "chosen") & (nulls.target == "8") & (nulls.alpha == 0.001)]
    assert len(chosen) == 1
    accused, asked = chosen.accusations.item(), chosen.decisions.item()
    assert (
        f"accuses {accused} of its {asked} innocent networks: the forty, and those {accused - 40}"
        in lesson
    )
    assert f"A study asked {asked - 40} more" in lesson
    assert f"Of them it accuses {accused - 40}, and the other {asked - accused} say 8" in lesson


@pytest.mark.parametrize(
    "n", [100, 150]
)  # the study asks a hundred pictures, the lesson half as many more
def test_all_forty_that_ship_are_accused_by_whoever_counts(lesson, n):
    mnist = wm.load_data("mnist")
    claim = wm.Noise(labels="fixed", target=8)(mnist, n=n, key=wm.CLASSROOM_KEY)
    matches = [(wm.BlackBox(null)(claim.images) == 8).sum() for null in wm.null_models("mnist")]
    assert (wm.stats.binomial_p(matches, n, P0) <= 1e-3).sum() == 40
    assert (
        "Forty innocents come with the course, and the owner's calculation accuses every one of "
        "them" in lesson
    )
    assert f"from {len(mnist.train.images) // 2:,} digits each" in lesson  # those trained on demand


def digits(rate):
    """Return with how many digits after the point a share is told: few enough to come out alike in
    another run.
    """
    return 0 if rate >= 0.03 else 1 if rate >= 0.002 else 2
