"""The statistics against scipy, against exact dynamic programmes and against hand-worked cases."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from scipy.stats import binom, binomtest

from wmlearn import stats


@pytest.mark.parametrize("p0", [0.1, 1 / 9, 0.5])
def test_wealth_is_the_formula_of_the_design(p0):
    n = 200
    k = np.arange(n + 1)
    oracle = binom.logcdf(k, n + 1, p0) - math.log1p(-p0) - math.log(n + 1) - binom.logpmf(k, n, p0)
    assert np.allclose(stats.log_wealth(k, n, p0), oracle, rtol=1e-9, atol=1e-9)


def test_wealth_is_the_integral_it_claims_to_be():
    k, n, p0 = 7, 12, 0.1
    likelihood = integrate.quad(lambda p: p**k * (1 - p) ** (n - k), p0, 1)[0] / (1 - p0)
    assert math.exp(stats.log_wealth(k, n, p0)) == pytest.approx(likelihood / (p0**k * (1 - p0) ** (n - k)))


@pytest.mark.parametrize("p0", [0.1, 1 / 9])
def test_wealth_is_a_martingale(p0):
    """The next bet is fair: whatever the past, the mean wealth after one more question is the wealth now."""
    for n in (0, 1, 5, 40):
        k = np.arange(n + 1)
        now = np.exp(stats.log_wealth(k, n, p0))
        won, lost = np.exp(stats.log_wealth(k + 1, n + 1, p0)), np.exp(stats.log_wealth(k, n + 1, p0))
        assert np.allclose(p0 * won + (1 - p0) * lost, now)


def test_too_few_matches_never_accuse():
    n = np.arange(1001)
    assert (stats.log_wealth(np.zeros(1001), n, 0.1) <= 1e-12).all()
    assert np.isfinite(stats.log_wealth(n, n, 0.1)).all()  # nor does a perfect copy overflow


@pytest.mark.parametrize(("alpha", "expected"), [(0.05, 0.0287), (0.01, 0.0049), (0.001, 0.0005)])
def test_false_alarms_with_a_look_after_every_question(alpha, expected):
    exact = stats.accusation_chance(1000, 0.1, alpha=alpha, p0=0.1)
    assert exact == pytest.approx(expected, abs=0.00005)
    assert exact < alpha


def test_chance_of_accusation_against_simulation():
    rng = np.random.default_rng(1)
    matched = rng.random((20_000, 30)) < 0.4
    k = np.cumsum(matched, axis=1)
    accused = (stats.log_wealth(k, np.arange(1, 31), 0.1) >= math.log(1000)).any(axis=1)
    exact = stats.accusation_chance(30, 0.4, alpha=0.001, p0=0.1)
    assert binomtest(int(accused.sum()), len(accused), exact).pvalue > 1e-4


def test_silent_questions_are_certain_misses():
    flags = [True] * 3 + [False] * 5 + [True] * 3
    simulated = np.exp(stats.wealth_path(flags, 0.1))
    assert stats.accusation_chance(flags, 1.0, alpha=1 / simulated.max(), p0=0.1) == 1
    assert stats.accusation_chance(flags, 1.0, alpha=0.99 / simulated.max(), p0=0.1) == 0


def test_matches_needed_at_one_in_a_thousand():
    """Reference figures, worked out independently: the smallest k of n that accuses at .001."""
    for n, needed in {10: 7, 20: 9, 30: 12, 50: 16, 100: 25, 200: 41}.items():
        wealth = stats.log_wealth(np.arange(n + 1), n, 0.1)
        assert int(np.argmax(wealth >= math.log(1000))) == needed


def test_matches_needed_before_a_judge():
    for n, needed in {20: 20, 30: 25, 50: 32, 100: 46, 200: 69}.items():
        p = np.array([stats.judge_p(math.exp(-max(0, e))) for e in stats.log_wealth(np.arange(n + 1), n, 0.1)])
        assert int(np.argmax(p <= 1e-3)) == needed
    assert stats.judge_p(math.exp(-stats.log_wealth(10, 10, 0.1))) == 1  # ten questions never convince him


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([0.1, 1 / 9, 0.5]))
def test_binomial_p_is_scipys(k, n, p0):
    k = min(k, n)
    assert stats.binomial_p(k, n, p0) == pytest.approx(binomtest(k, n, p0, alternative="greater").pvalue)


@given(st.integers(0, 60), st.integers(1, 60))
def test_match_interval_is_clopper_pearson(k, n):
    k = min(k, n)
    interval = binomtest(k, n).proportion_ci(0.95, method="exact")
    assert stats.match_interval(k, n) == pytest.approx((interval.low, interval.high))


def test_anytime_p_never_rises_and_never_exceeds_one():
    path = stats.wealth_path([True, True, True, False, False, False], 0.1)
    running = [stats.anytime_p(path[: m + 1]) for m in range(len(path))]
    assert running[0] == 1
    assert (np.diff(running) <= 0).all()
    assert running[-1] == pytest.approx(math.exp(-path[3]))


def test_null_models_say_little():
    assert stats.null_p(90, [0] * 40) == 1 / 41
    assert stats.null_p(0, [0] * 40) == 1
    assert stats.null_bound(40) == pytest.approx(0.0722, abs=1e-4)
    assert stats.null_bound(0) == 1
    assert [stats.null_models_needed(a) for a in (0.05, 0.01, 0.001)] == [19, 99, 999]


def test_a_target_drawn_by_lot_cannot_say_more_than_one_in_nine():
    matches = [0] * 9
    matches[4] = 1500
    assert stats.lottery_p(matches, 4) == pytest.approx(1 / 9)
    assert stats.lottery_p(matches, 3) == 1


def test_a_thousand_values_in_ten_milliseconds():
    n = np.arange(1001)
    stats.log_wealth(n // 2, n, 0.1)
    best = min(_seconds(lambda: stats.log_wealth(n // 2, n, 0.1)) for _ in range(5))
    assert best < 0.010


def _seconds(act) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


# --- Several suspects -------------------------------------------------------------------------------------------------


def holm_by_the_book(p_values, alpha):
    """Reject in order of p while p <= alpha / (m - i): the textbook's loop, written apart."""
    accused = set()
    for i, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] > alpha / (len(p_values) - i):
            break
        accused.add(int(place))
    return accused


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.sampled_from([0.001, 0.05, 0.3]))
def test_holm_accuses_whom_the_textbook_accuses(p_values, alpha):
    families = stats.holm_families(p_values, alpha)
    assert {i for i, p in enumerate(p_values) if p <= alpha / families[i]} == holm_by_the_book(p_values, alpha)
    assert all(1 <= family <= len(p_values) for family in families)


def test_holm_keeps_its_promise_however_the_suspects_depend():
    """Ten innocents with the same p-value are the worst case for a rule that counted on independence."""
    rng = np.random.RandomState(0)
    for same in (False, True):
        wrong = 0
        for _ in range(4000):
            p_values = np.full(10, rng.rand()) if same else rng.rand(10)
            wrong += bool(holm_by_the_book(p_values, 0.05))
        assert wrong / 4000 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 4000)


def test_an_open_list_spends_alpha_once():
    assert sum(1 / stats.open_list_family(place) for place in range(1, 100_000)) == pytest.approx(1, abs=2e-5)
