"""The statistics against scipy, against exact dynamic programmes and against hand-worked cases."""

import math
import timeit
from decimal import Context, Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special
from scipy.stats import binom, binomtest

from wmlearn._checks import MOST_QUESTIONS
from wmlearn.evidence import stats


@pytest.mark.parametrize("p0", [0.1, 1 / 9, 0.5])
def test_wealth_is_the_formula_of_the_design(p0):
    n = 200
    k = np.arange(n + 1)
    oracle = binom.logcdf(k, n + 1, p0) - math.log1p(-p0) - math.log(n + 1) - binom.logpmf(k, n, p0)
    assert np.allclose(stats.log_wealth(k, n, p0), oracle, rtol=1e-9, atol=1e-9)


def test_wealth_is_the_integral_it_claims_to_be():
    k, n, p0 = 7, 12, 0.1
    likelihood = integrate.quad(lambda p: p**k * (1 - p) ** (n - k), p0, 1)[0] / (1 - p0)
    likelihood /= p0**k * (1 - p0) ** (n - k)
    assert math.exp(stats.log_wealth(k, n, p0)) == pytest.approx(likelihood)


@pytest.mark.parametrize("p0", [0.1, 1 / 9])
def test_wealth_is_a_martingale(p0):
    """The next bet is fair: whatever the past, one more question leaves its mean as it is."""
    for n in (0, 1, 5, 40):
        k = np.arange(n + 1)
        now = np.exp(stats.log_wealth(k, n, p0))
        won = np.exp(stats.log_wealth(k + 1, n + 1, p0))
        lost = np.exp(stats.log_wealth(k, n + 1, p0))
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
        p_values = np.exp(-np.maximum(0, stats.log_wealth(np.arange(n + 1), n, 0.1)))
        convinced = [stats.judge_p(p) <= 1e-3 for p in p_values]
        assert convinced.index(True) == needed
    ten_of_ten = math.exp(-stats.log_wealth(10, 10, 0.1))
    assert stats.judge_p(ten_of_ten) == 1  # ten questions never convince a judge


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.1, 1 / 9, 0.5]))
def test_binomial_p_is_scipys(k, n, p0):
    k, n = min(k, n), max(n, 1)
    oracle = binomtest(k, n, p0, alternative="greater").pvalue
    assert stats.binomial_p(k, n, p0) == pytest.approx(oracle)


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
    assert stats.target_p(matches, 4) == pytest.approx(1 / 9)
    assert stats.target_p(matches, 3) == 1


def test_all_values_for_a_thousand_questions_come_at_once():
    matched = np.arange(1000) % 3 == 0
    n, k = np.arange(1, 1001), np.cumsum(matched)

    def everything():
        path = stats.wealth_path(matched, 0.1)
        np.exp(-np.maximum.accumulate(path))  # the anytime p-value after each question
        stats.binomial_p(k, n, 0.1)
        stats.match_interval(k, n)

    seconds = min(timeit.repeat(everything, number=1, repeat=20))  # the machine may be busy
    assert seconds < 0.05


# ---------------------------------------------------------------- power, and how many questions


def cross(alpha, rate, n, p0=0.1):
    """Return P(accused within n questions) and the mean number they took, by another programme."""
    chance_of, accused, mean = {0: 1.0}, 0.0, 0.0
    for asked in range(1, n + 1):
        after = {}
        for k, chance in chance_of.items():
            after[k] = after.get(k, 0) + chance * (1 - rate)
            after[k + 1] = after.get(k + 1, 0) + chance * rate
        k = np.array(sorted(after))
        log_e = binom.logcdf(k, asked + 1, p0) - binom.logpmf(k, asked, p0)
        log_e -= math.log1p(-p0) + math.log(asked + 1)
        caught = sum(after.pop(each) for each in k[log_e >= -math.log(alpha)].tolist())
        accused, mean, chance_of = accused + caught, mean + asked * caught, after
    return accused, mean / accused


@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize("rate", [0.1, 0.4, 1.0])
def test_the_chance_of_accusation_is_that_of_the_oracle(alpha, rate):
    curve = stats.accusation_curve(60, rate, alpha=alpha, p0=0.1)
    assert curve[0] == 0
    assert (np.diff(curve) >= 0).all()
    assert curve[-1] == pytest.approx(cross(alpha, rate, 60)[0], rel=1e-9)
    chance = stats.accusation_chance(25, rate, alpha=alpha, p0=0.1)
    assert curve[25] == pytest.approx(chance, rel=1e-12)


@pytest.mark.parametrize(
    ("rate", "means"),
    [
        (1.0, [2, 3, 4]),
        (0.7, [3.9, 5.8, 8.2]),
        (0.4, [12.8, 18.9, 26.6]),
        (0.3, [None, None, 55.3]),
    ],
)
def test_the_mean_number_of_questions(rate, means):
    """Figures worked out independently, and the oracle where its horizon is long enough."""
    for alpha, mean in zip((0.05, 0.01, 0.001), means):
        found = stats.mean_questions(alpha, 0.1, rate=rate)
        assert mean is None or round(found, 1) == mean
        if rate >= 0.7:
            assert found == pytest.approx(cross(alpha, rate, 80)[1], rel=1e-6)


def test_the_questions_needed_are_the_first_that_give_the_chance():
    for rate, chance in ((0.4, 0.5), (0.4, 0.9), (0.25, 0.5), (1.0, 1.0)):
        n = stats.questions_needed(0.001, 0.1, rate=rate, chance=chance)
        curve = stats.accusation_curve(n, rate, alpha=0.001, p0=0.1)
        assert curve[n - 1] < chance <= curve[n]


def test_the_median_by_simulation():
    rng = np.random.default_rng(4)
    k = np.cumsum(rng.random((4000, 200)) < 0.4, axis=1)
    accused = k >= stats.matches_needed(np.arange(1, 201), 0.001, 0.1)
    assert accused.any(axis=1).all()
    moments = 1 + accused.argmax(axis=1)
    median = stats.questions_needed(0.001, 0.1, rate=0.4)
    assert (moments <= median).mean() >= 0.5 - 4 * 0.5 / math.sqrt(4000)
    assert (moments < median).mean() <= 0.5 + 4 * 0.5 / math.sqrt(4000)
    assert moments.mean() == pytest.approx(stats.mean_questions(0.001, 0.1, rate=0.4), rel=0.03)


def test_what_no_number_of_questions_can_do(says):
    with says(ValueError):
        stats.questions_needed(0.001, 0.1, rate=0.1)


@given(
    st.integers(1, 300),
    st.sampled_from([0.3, 0.05, 0.001, 1e-9]),
    st.sampled_from([0.01, 0.1, 1 / 9, 0.5]),
)
def test_the_fewest_matches_accuse_and_one_less_does_not(n, alpha, p0):
    fewest = int(stats.matches_needed(n, alpha, p0))
    accuses = stats.reaches(stats.log_wealth(np.arange(n + 1), n, p0), alpha)
    assert accuses[fewest:].all()
    assert not accuses[:fewest].any()


# ---------------------------------------------------------------- suspects that break wrong rules

N, KEYS = 30, 20_000  # questions, and draws of the labels against which the exact value is held
OWN = np.random.RandomState(9).randint(0, 10, N)  # the class each picture shows


def remembers(rng):
    """Answer by what was asked before: the n-th new thing gets n, a known one what it got."""
    seen, replies = {}, []
    for thing in OWN:
        seen[thing] = seen.get(thing, len(seen)) + 1
        replies.append(seen[thing] % 10)
    return np.array(replies)


SUSPECTS = {
    "constant": lambda rng: np.full(N, 3),
    "own class": lambda rng: OWN,
    "stateful": remembers,
    "random": lambda rng: rng.integers(0, 10, (KEYS, N)),
    "by index": lambda rng: np.arange(N) % 10,
    "out of range": lambda rng: np.where(np.arange(N) % 2, 99, -7),
    "half out of range": lambda rng: np.where(np.arange(N) % 2, 99, 4),
}


@pytest.mark.parametrize("name", SUSPECTS)
def test_a_suspect_that_knows_no_key_is_accused_as_often_as_is_exact(name):
    rng = np.random.default_rng(sorted(SUSPECTS).index(name))
    answers = np.broadcast_to(SUSPECTS[name](rng), (KEYS, N))
    keys = rng.integers(0, 10, (KEYS, N))  # a fresh one for each: labels with replacement
    matched = answers == keys
    sensible = (answers >= 0) & (answers < 10)
    assert not matched[~sensible].any()
    if sensible.any():
        assert binomtest(int(matched.sum()), int(sensible.sum()), 0.1).pvalue > 1e-4
    for alpha in (0.05, 0.01):
        needed = stats.matches_needed(np.arange(1, N + 1), alpha, 0.1)
        accused = int((np.cumsum(matched, axis=1) >= needed).any(axis=1).sum())
        exact = stats.accusation_chance(list(sensible[0]), 0.1, alpha=alpha, p0=0.1)
        assert exact < alpha
        assert accused == 0 if exact == 0 else binomtest(accused, KEYS, exact).pvalue > 1e-4


def test_those_suspects_would_show_a_wrong_rule():
    """Labels that are a permutation, nine classes tested as ten, a look at the fixed-n p-value."""
    rng = np.random.default_rng(0)
    permuted = np.argsort(rng.random((KEYS, 10)), axis=1) == np.arange(10)  # asked "by index"
    five_or_more = int((permuted.sum(axis=1) >= 5).sum())
    assert binomtest(five_or_more, KEYS, stats.binomial_p(5, 10, 0.1)).pvalue < 1e-4
    nine = rng.integers(0, 9, (KEYS, N)) == 3
    assert binomtest(int(nine.sum()), KEYS * N, 0.1).pvalue < 1e-15
    k, n = np.cumsum(rng.random((4000, N)) < 0.1, axis=1), np.arange(1, N + 1)
    peeked = (stats.binomial_p(k, np.broadcast_to(n, k.shape), 0.1) <= 0.05).any(axis=1)
    assert peeked.mean() > 0.1


@pytest.mark.parametrize(("alpha", "expected"), [(0.05, 0.3057), (0.01, 0.0940), (0.001, 0.0134)])
def test_who_peeks_at_the_fixed_n_p_value_is_wrong_far_more_often(alpha, expected):
    """A thousand looks: the exact rate of wrong accusations, by a programme written apart."""
    chance_of_k = np.zeros(1002)
    chance_of_k[0], accused = 1.0, 0.0
    for n in range(1, 1001):
        chance_of_k[1:] = 0.9 * chance_of_k[1:] + 0.1 * chance_of_k[:-1]
        chance_of_k[0] *= 0.9
        crossing = stats.binomial_p(np.arange(n + 1), n, 0.1) <= alpha
        accused += chance_of_k[: n + 1][crossing].sum()
        chance_of_k[: n + 1][crossing] = 0
    assert accused == pytest.approx(expected, abs=0.00005)
    assert stats.peeking_chance(1000, alpha=alpha, p0=0.1)[-1] == pytest.approx(accused, rel=1e-9)


# ---------------------------------------------------------------- edges, and bad input


def test_nothing_asked_says_nothing():
    assert stats.log_wealth(0, 0, 0.1) == pytest.approx(0, abs=1e-12)
    assert stats.wealth_path([], 0.1) == pytest.approx([0], abs=1e-12)
    assert stats.anytime_p([]) == stats.binomial_p(0, 0, 0.1) == 1
    assert stats.match_interval(0, 0) == (0, 1)
    assert stats.accusation_chance(0, 1.0, alpha=0.05, p0=0.1) == 0


@given(st.integers(0, 80), st.integers(0, 80), st.sampled_from([0.01, 0.1, 1 / 9, 0.5, 0.9]))
def test_more_matches_never_say_less_and_more_questions_never_more(k, spare, p0):
    n = k + spare
    assert stats.log_wealth(k + 1, n + 1, p0) > stats.log_wealth(k, n + 1, p0)
    assert stats.log_wealth(k, n + 1, p0) < stats.log_wealth(k, n, p0)
    assert stats.binomial_p(k + 1, n + 1, p0) <= stats.binomial_p(k, n + 1, p0) <= 1
    low, high = stats.match_interval(k, n)
    assert 0 <= low <= (k / n if n else 0.5) <= high <= 1


@pytest.mark.parametrize("alpha", [0.999999, 0.5, 1e-12, 1e-300])
def test_any_alpha_is_kept(alpha):
    assert stats.accusation_chance(200, 0.1, alpha=alpha, p0=0.1) <= alpha
    assert stats.accusation_chance(200, 0.0, alpha=alpha, p0=0.1) == 0


@pytest.mark.parametrize("fraction", [2.5, float("nan"), "3", None, [1, "x"], -1, 1e400])
def test_matches_and_questions_are_counts(says, fraction):
    for act in (
        lambda: stats.log_wealth(fraction, 5, 0.1),
        lambda: stats.log_wealth(0, fraction, 0.1),
        lambda: stats.binomial_p(fraction, 5, 0.1),
        lambda: stats.match_interval(fraction, 5),
    ):
        with says(ValueError):
            act()


def test_more_matches_than_questions_are_refused_everywhere(says):
    for act in (stats.log_wealth, stats.binomial_p):
        with says(ValueError):
            act(43, 30, 0.1)
    with says(ValueError):
        stats.match_interval([1, 43], 30)


@pytest.mark.parametrize(
    "value", [0, 1, -0.1, 1.5, 10, float("nan"), float("inf"), "0.1", None, True, 10**400]
)
def test_chances_lie_between_0_and_1(says, value):
    for act in (
        lambda: stats.log_wealth(1, 2, value),
        lambda: stats.match_interval(1, 2, value),
        lambda: stats.reaches([0.0], value),
        lambda: stats.accusation_chance(5, 0.4, alpha=0.05, p0=value),
        lambda: stats.accusation_chance(5, 0.4, alpha=value, p0=0.1),
        lambda: stats.null_models_needed(value),
        lambda: stats.null_bound(40, value),
        lambda: stats.holm_families([0.1], value),
        lambda: stats.questions_needed(value, 0.1),
    ):
        with says((ValueError, TypeError)):
            act()


@pytest.mark.parametrize("rate", [-0.1, 1.01, float("nan"), "0.4", None])
def test_a_rate_is_from_0_to_1(says, rate):
    with says((ValueError, TypeError)):
        stats.accusation_chance(5, rate, alpha=0.05, p0=0.1)


@pytest.mark.parametrize(
    "act",
    [
        lambda: stats.accusation_chance(2.5, 0.4, alpha=0.05, p0=0.1),
        lambda: stats.null_p(-1, [0]),
        lambda: stats.null_bound(-1),
        lambda: stats.target_p([1, 2], target=2),
        lambda: stats.open_list_family(0),
        lambda: stats.holm_families([0.1, float("nan")], 0.05),
        lambda: stats.judge_p(2),
        lambda: stats.questions_needed(0.01, 0.1, chance=0),
    ],
)
def test_slips_of_the_hand_are_one_sentence(says, act):
    with says((ValueError, TypeError)):
        act()


# ---------------------------------------------------------------- several suspects


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
    accused = {i for i, p in enumerate(p_values) if p <= alpha / families[i]}
    assert accused == holm_by_the_book(p_values, alpha)
    assert all(1 <= family <= len(p_values) for family in families)


def test_holm_keeps_its_promise_however_the_suspects_depend():
    """Ten innocents with one p-value are the worst case for a rule that counts on independence."""
    rng = np.random.RandomState(0)
    for same in (False, True):
        wrong = 0
        for _ in range(4000):
            p_values = np.full(10, rng.rand()) if same else rng.rand(10)
            wrong += bool(holm_by_the_book(p_values, 0.05))
        assert wrong / 4000 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 4000)


def test_an_open_list_spends_alpha_once():
    shares = [1 / stats.open_list_family(place) for place in range(1, 100_000)]
    assert sum(shares) == pytest.approx(1, abs=2e-5)


# ---------------------------------------------------------------- numbers at the edges


def naive_log_wealth(k, n, p0):
    """Return what the formula gives as it stands, and the mass above p0, which may underflow."""
    k, misses = np.asarray(k, float), np.asarray(n, float) - k
    mass = special.betaincc(k + 1, misses + 1, p0)
    with np.errstate(divide="ignore"):
        mixture = special.betaln(k + 1, misses + 1) + np.log(mass) - math.log1p(-p0)
    return mixture - k * math.log(p0) - misses * math.log1p(-p0), mass


def exact_log_wealth(k, n, p0):
    """Return log E in fifty digits: the integral, term by term, from the last match down."""
    with localcontext(Context(prec=50)):
        odds = (1 - Decimal(p0)) / Decimal(p0)
        total = term = Decimal(1)
        for i in range(k, 0, -1):
            term *= odds * i / (n + 2 - i)
            total += term
        return float((total / (n - k + 1)).ln())


EDGES = [1e-6, 0.001, 0.01, 0.1, 1 / 9, 0.5, 0.9, 0.999, 0.999999]


@pytest.mark.parametrize("p0", EDGES)
def test_wealth_is_to_the_bit_what_it_was_and_finite_where_it_was_not(p0):
    for n in [*range(60), 100, 500, 1074, 1100, 2000, 7072, 20_000]:
        k = np.unique(np.concatenate([np.arange(min(n, 60) + 1), np.linspace(0, n, 400) // 1]))
        wealth = stats.log_wealth(k, n, p0)
        naive, mass = naive_log_wealth(k, n, p0)
        kept = mass >= np.finfo(float).tiny
        assert np.array_equal(wealth[kept], naive[kept])
        assert np.isfinite(wealth).all()
        assert (np.diff(wealth) > 0).all()


@pytest.mark.parametrize("p0", EDGES)
def test_wealth_is_that_of_fifty_digits_where_the_mass_underflows(p0):
    for n in (30, 500, 1100, 3000):
        _, mass = naive_log_wealth(np.arange(n + 1), n, p0)
        small = np.flatnonzero(mass < 1e-290)
        for k in {*small[:2].tolist(), *small[-3:].tolist(), *small[:: max(1, len(small) // 4)]}:
            exact = exact_log_wealth(int(k), n, p0)
            assert stats.log_wealth(k, n, p0) == pytest.approx(exact, rel=1e-12, abs=1e-11)


@given(st.integers(0, MOST_QUESTIONS), st.floats(1e-9, 1 - 1e-9))
def test_who_never_matches_has_one_part_in_n_plus_one(n, p0):
    assert stats.log_wealth(0, n, p0) == pytest.approx(-math.log(n + 1), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("p0", [5e-324, 1e-300, 1e-16, 1 - 2**-53])
def test_chances_near_0_and_1(p0):
    for k, n in ((0, 0), (0, 1), (1, 1), (0, 30), (1, 30), (29, 30), (30, 30), (0, 5000)):
        exact = exact_log_wealth(k, n, p0) if k else -math.log(n + 1)
        assert stats.log_wealth(k, n, p0) == pytest.approx(exact, rel=1e-9, abs=1e-11)
        assert 0 <= stats.binomial_p(k, n, p0) <= 1


families = st.integers(1, 10**6) | st.integers(1, 2**9000 - 1)


@given(st.floats(1e-300, 0.999), families)
def test_the_line_of_any_family_is_that_of_fifty_digits(alpha, family):
    with localcontext(Context(prec=50)):
        exact = float((Decimal(family) / Decimal(alpha)).ln())
    line = stats.log_line(alpha, family)
    assert line == pytest.approx(exact, rel=1e-14, abs=1e-15)
    assert stats.reaches([line, line - 1e-9, math.nan], alpha, family).tolist() == [1, 0, 0]
    if family < 10**7:
        assert line == -math.log(alpha / family) or line > 700


@given(st.floats(1e-12, 0.5), st.integers(1, 10**6), st.integers(1, 40))
def test_a_family_is_a_smaller_alpha(alpha, family, n):
    shared = alpha / family
    needed = stats.matches_needed(np.arange(n + 1), alpha, 0.1, family)
    assert np.array_equal(needed, stats.matches_needed(np.arange(n + 1), shared, 0.1))
    chance = stats.accusation_chance(n, 0.4, alpha=alpha, p0=0.1, family=family)
    assert chance == stats.accusation_chance(n, 0.4, alpha=shared, p0=0.1)
    assert stats.null_models_needed(alpha, family) == stats.null_models_needed(shared)


def test_a_family_beyond_all_floats():
    every_order = math.factorial(256)
    needed = stats.questions_needed(0.01, 0.5, family=every_order)
    assert stats.accusation_chance(needed, 1, alpha=0.01, p0=0.5, family=every_order) == 1
    assert stats.accusation_chance(needed - 1, 1, alpha=0.01, p0=0.5, family=every_order) == 0
    assert stats.log_wealth(needed, needed, 0.5) > math.log(every_order) + math.log(100) - 1e-12
    assert 0 <= 100 * every_order - stats.null_models_needed(0.01, every_order) < every_order
    assert stats.null_models_needed(5e-324) > 1e308
    assert stats.questions_needed(1e-15, 0.5, family=2**9000 - 1) < 10_000


def test_what_no_evidence_pays_for_is_refused(says):
    for family in (2**9000, 0, 1.0, True):
        with says((ValueError, TypeError)):
            stats.log_line(0.01, family)


@pytest.mark.parametrize(
    "act",
    [
        lambda: stats.binomial_p(1, 10**8, 0.1),
        lambda: stats.accusation_chance(10**10, 0.1, alpha=0.01, p0=0.1),
        lambda: stats.peeking_chance(10**10, alpha=0.01, p0=0.1),
        lambda: stats.peeking_chance(-1, alpha=0.01, p0=0.1),
        lambda: stats.null_bound(10**400),
        lambda: stats.null_p(10**400, [1]),
        lambda: stats.null_p(1, [math.nan]),
        lambda: stats.null_p(1, ["1"]),
        lambda: stats.target_p([math.nan, 1], 0),
        lambda: stats.target_p([1, -1], 0),
        lambda: stats.target_p([10**400, 1], 0),
    ],
)
def test_sizes_and_counts_are_bounded_before_anything_is_made(says, act):
    with says((ValueError, TypeError)):
        act()
    assert stats.null_bound(MOST_QUESTIONS) > 0
    assert stats.null_p(0, []) == 1


@pytest.mark.parametrize("p0", [1e-6, 0.1, 0.5, 0.9])
def test_the_logarithm_of_a_tail_is_that_of_fifty_digits(p0):
    for n in (1, 30, 400, 1100, 3000):
        k = np.unique(np.linspace(0, n, 40) // 1)
        log_p = stats.log_binomial_p(k, n, p0)
        assert (np.diff(log_p) <= 0).all()
        p = stats.binomial_p(k, n, p0)
        assert np.array_equal(log_p[p > 1e-300], np.log(p[p > 1e-300]))
        for matches in k[p <= 1e-300].astype(int).tolist():
            with localcontext(Context(prec=50)):
                odds, first = Decimal(p0) / (1 - Decimal(p0)), Decimal(math.comb(n, matches))
                first *= Decimal(p0) ** matches * (1 - Decimal(p0)) ** (n - matches)
                total = term = Decimal(1)
                for i in range(matches, n):
                    term *= odds * (n - i) / (i + 1)
                    total += term
                exact = float((first * total).ln())
            assert stats.log_binomial_p(matches, n, p0) == pytest.approx(exact, rel=1e-12)
