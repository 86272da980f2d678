"""What lessons 07 and 08 say without printing it is true: figures in their prose and their
predictions, worked out here.
"""

import numpy as np
import pandas as pd
import pytest
from _words import words_of
from scipy.stats import binom

import wmlearn as wm
from wmlearn.course._lessons import read_lessons
from wmlearn.evidence.stats import peeking_chance

P0 = 0.1


@pytest.fixture(scope="module")
def draw_again():
    return words_of("07")


@pytest.fixture(scope="module")
def keep_looking():
    return words_of("08")


def test_what_twenty_witnesses_can_rule_out(draw_again):
    assert (6 / 7) ** 20 < 0.05 < (7 / 8) ** 20
    assert "One in seven would be so odd (less than 5 %) that we rule it out." in draw_again
    assert "One in eight we cannot rule out" in draw_again
    assert 1 / 8 < wm.stats.null_bound(20) < 1 / 7  # the same, from the package


def test_what_one_look_of_a_hundred_questions_promises():
    """The shares that lesson 07 counts in 10,000 draws are all below alpha, as the exact ones."""
    p_values = wm.stats.binomial_p(np.arange(101), 100, P0)
    for alpha, counted in {0.05: 0.0412, 0.01: 0.0052, 0.001: 0.0009}.items():
        exact = binom.pmf(np.arange(101), 100, P0)[p_values <= alpha].sum()
        assert exact <= alpha
        assert abs(counted - exact) < 4 * np.sqrt(exact / 10_000)


def test_the_plan_of_the_lesson_is_that_of_the_exact_law():
    """Its `needed` counts where p is not below one in a thousand, with room for rounding."""
    for n in range(1, 301):
        p_values = wm.stats.binomial_p(np.arange(n + 1), n, P0)
        assert (p_values > 0.00099999).sum() == (p_values >= 0.001 - 1e-15).sum()


def test_what_the_freedom_to_look_costs(keep_looking):
    ratios = []
    for kept in (0.4, 0.3, 0.2):
        most = wm.stats.questions_needed(1e-3, P0, rate=kept, chance=0.95)
        ratios.append(most / planned_for(kept))
    assert min(ratios) > 1.3
    assert max(ratios) < 1.55
    assert "about a third to a half more questions" in keep_looking
    assert wm.stats.questions_needed(1e-3, P0) == 4


def matches_in_plan(n):
    """Return from how many matches of n a plan with one look at its end accuses."""
    return binom.isf(1e-3, n, P0) + 1


def planned_for(rate):
    """Return the fewest questions with which such a plan finds 95 of 100 copies of this kind."""
    return next(n for n in range(1, 1000) if binom.sf(matches_in_plan(n) - 1, n, rate) >= 0.95)


def test_what_a_judge_would_want(keep_looking):
    counted = wm.stats.binomial_p(np.arange(101), 100, P0)  # once, at the end
    convinced = [wm.stats.judge_p(p) <= 1e-3 for p in counted]
    assert convinced.index(True) == 44
    assert "for the judge the 39 of *mixed* are not enough" in keep_looking


def predicted(number):
    """Return the figure in the right option of a prediction of lesson 08, and those in all."""
    (asked,) = [each for each in read_lessons()["08"].predictions if each.id == number]
    heads = [option.partition(":")[0] for option in asked.options]
    figures = [int("".join(filter(str.isdigit, head))) for head in heads]
    return figures[asked.answer], figures


def test_the_answer_about_peeking_is_the_nearest_of_those_offered():
    right, offered = predicted("08.a")
    peeking = 100 * peeking_chance(300, alpha=0.05, p0=P0)[-1]
    assert right == min(offered, key=lambda share: abs(share - peeking))


def test_the_answer_about_shared_luck_is_the_nearest_of_those_offered():
    right, offered = predicted("08.c")
    drawn = wm.Noise()(wm.load_data("mnist"), n=100, key=wm.CLASSROOM_KEY)
    draws = np.random.default_rng(7).integers(10, size=(10_000, 100))
    line = wm.stats.matches_needed(np.arange(1, 101), 0.05, P0)
    accused = np.zeros(10_000, bool)
    for model in wm.null_models("mnist", n=20):
        matches = (draws == wm.BlackBox(model)(drawn.images)).cumsum(axis=1)
        accused |= (matches >= line).any(axis=1)
    assert right == min(offered, key=lambda share: abs(share - 100 * accused.mean()))


def test_the_unlucky_one_is_the_unluckiest_and_is_wronged_by_whoever_peeks(keep_looking):
    mnist = wm.load_data("mnist")
    drawn = wm.Noise()(mnist, n=100, key=wm.CLASSROOM_KEY)
    verdicts = [wm.verify(wm.BlackBox(null), drawn) for null in wm.null_models("mnist", n=20)]
    assert np.argmax([verdict.path.max() for verdict in verdicts]) == 16
    assert np.argmax([verdict.k for verdict in verdicts]) == 16  # exercise 07.3
    assert verdicts[16].k == 16
    counted = wm.stats.binomial_p(verdicts[16].matched.cumsum(), np.arange(1, 101), P0)
    assert counted.argmin() + 1 == 22
    assert counted.min() <= 0.01
    assert np.exp(verdicts[16].path.max()) < 20
    assert "*unlucky*: move to 22 questions" in keep_looking


def test_what_was_measured_of_false_alarms(draw_again, keep_looking, root):
    measured = pd.read_csv(root / "docs/results/false_alarms.csv", comment="#")
    nulls = measured.query("data == 'mnist' and trigger == 'noise' and suspects == 'null models'")
    keyed = nulls.query("draw == 'numpy' and questions == 100").set_index(["rule", "alpha"])
    for alpha in (0.05, 0.01, 0.001):
        rows = [keyed.loc[(rule, alpha)] for rule in ("counted, peeking", "gambler")]
        assert [row.decisions for row in rows] == [1_000_000] * 2
        counting, bettor = (f"{100 * row.rate:.{digits(row.rate)}f} %" for row in rows)
        assert f"| {100 * alpha:g} % | {counting} | {bettor} |" in keep_looking
    assert (measured[measured.rule == "gambler"].verdict == "holds").all()
    chosen = nulls[(nulls.draw == "chosen") & (nulls.target == "8") & (nulls.alpha == 0.001)]
    assert len(chosen) == 1
    accused, asked = chosen.accusations.item(), chosen.decisions.item()
    assert f"accuses {accused} of the {asked} innocent networks" in keep_looking
    assert f"| 3,000 | {asked - 40} | {accused - 40} |" in draw_again
    assert f"The other {asked - accused} say 8 too rarely" in draw_again


@pytest.mark.parametrize(
    "n", [100, 150]
)  # the study asks a hundred pictures, the lesson half as many more
def test_all_forty_that_ship_are_accused_by_whoever_counts(draw_again, n):
    mnist = wm.load_data("mnist")
    claim = wm.Noise(labels="fixed", target=8)(mnist, n=n, key=wm.CLASSROOM_KEY)
    matches = [(wm.BlackBox(null)(claim.images) == 8).sum() for null in wm.null_models("mnist")]
    assert (wm.stats.binomial_p(matches, n, P0) <= 1e-3).sum() == 40
    assert "| those that come with the course | 25,000 | 40 | 40 |" in draw_again
    learnt = len(mnist.train.images) // 2  # by all that are trained on demand
    assert f"| others, trained for a study | {learnt:,} |" in draw_again


def digits(rate):
    """Return with how many digits after the point a share is told: few enough to come out alike in
    another run.
    """
    return 0 if rate >= 0.03 else 1 if rate >= 0.002 else 2
