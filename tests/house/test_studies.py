"""The studies keep their promises: their files hold what they say, and their code agrees with exact
values.
"""

import hashlib
import importlib.util
import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, binom, binomtest, chisquare

import wmlearn as wm
from wmlearn.evidence import commitment, stats

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("false_alarms", "power", "dishonest_owner", "procedure")


def study(name):
    """Load a benchmark as a module: they are scripts, and no part of the package."""
    if name not in sys.modules:
        sys.path.insert(
            0, str(ROOT / "benchmarks")
        )  # where a script finds what it shares with the others
        spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def table(name):
    return pd.read_csv(
        ROOT / f"docs/results/{name}.csv", comment="#", keep_default_na=False, na_values=[""]
    )


false_alarms, power, dishonest_owner, procedure = map(study, NAMES)


@pytest.fixture(scope="module")
def alarms():
    return table("false_alarms")


@pytest.fixture(scope="module")
def lies():
    return table("dishonest_owner")


@pytest.fixture(scope="module")
def procedures():
    return table("procedure")


@pytest.fixture(scope="module")
def triggers():
    return wm.Noise()(wm.load_data("mnist"), n=40, key=wm.CLASSROOM_KEY)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_begins_with_the_command_that_makes_it(name):
    first = (ROOT / f"docs/results/{name}.csv").read_text(encoding="utf-8").splitlines()[0]
    assert first == study(name).COMMAND == f"# OMP_NUM_THREADS=1 python benchmarks/{name}.py"


# ---------------------------------------------------------------- what studies share


def doubles(path):
    """Return a small table: how much is twice a number?"""
    return sys.modules["_rows"].Table("# python doubles.py", ("number", "how"), ("double",), path)


def asked(numbers):
    return [{"number": number, "how": "sum, or product"} for number in numbers]


def test_a_study_goes_on_where_it_was_cut_off(tmp_path):
    """What was measured stays, and is not measured again; the end is that of one whole run."""
    cut, whole, seen = doubles(tmp_path / "new/cut.csv"), doubles(tmp_path / "whole.csv"), []

    def measure(case, last=9):
        seen.append(case["number"])
        if case["number"] > last:
            raise KeyboardInterrupt
        return {"double": 2 * case["number"]}

    with pytest.raises(KeyboardInterrupt):
        cut.fill(asked(range(5)), lambda case: measure(case, last=2))
    assert [row["double"] for row in cut.known()] == ["0", "2", "4"]
    cut.fill(asked(range(5)), measure)
    assert seen == [0, 1, 2, 3, 3, 4]
    whole.fill(asked(range(5)), measure)
    lines = whole.path.read_text(encoding="utf-8").splitlines()
    assert lines[:3] == ["# python doubles.py", "number,how,double", '0,"sum, or product",0']
    before = cut.path.read_bytes()
    assert before == whole.path.read_bytes()
    cut.fill(asked(range(5)), lambda case: pytest.fail("it is known"))
    assert cut.path.read_bytes() == before


def test_rows_that_no_longer_count_are_measured_anew(tmp_path):
    table = doubles(tmp_path / "table.csv")
    table.fill(asked([1, 2, 3]), lambda case: {"double": 0})
    table.fill(
        asked([1, 2, 3]),
        lambda case: {"double": 5},
        keep=[r for r in table.known() if r["number"] != "2"],
    )
    assert [(row["number"], row["double"]) for row in table.known()] == [
        ("1", "0"),
        ("3", "0"),
        ("2", "5"),
    ]


@pytest.mark.parametrize(
    "name", ["embedding", "power", "procedure", "source_share", "three_types", "whitebox"]
)
def test_a_file_that_is_whole_stays_as_it_is(name, monkeypatch, tmp_path):
    """To run such a study again costs nothing: nothing is missing, and not a byte changes."""
    module = study(name)
    now = module.RESULTS.read_bytes()
    table = sys.modules["_rows"].Table(
        module.COMMAND, module.CASE, module.MEASURED, tmp_path / "again.csv"
    )
    table.path.write_bytes(now)
    some = list(
        zip(
            *(
                pd.read_csv(table.path, comment="#", dtype=str, keep_default_na=False)[c]
                for c in module.CASE
            )
        )
    )
    table.fill(
        (dict(zip(module.CASE, case)) for case in some),
        lambda case: pytest.fail(f"{case} is known"),
    )
    assert table.path.read_bytes() == now


# ---------------------------------------------------------------- false alarms: the file


def right(alarms):
    return alarms[alarms.rule.isin(false_alarms.RIGHT)]


def test_every_cell_was_measured_at_the_promised_size(alarms):
    drawn = alarms.query(
        "draw == 'numpy' and suspects == 'null models' and not rule.str.startswith('one key')"
    )
    cells = set(zip(drawn.data, drawn.trigger, drawn.rule, drawn.alpha))
    expected = itertools.product(
        false_alarms.NULLS, false_alarms.TRIGGERS, false_alarms.RULES, false_alarms.ALPHAS
    )
    assert cells == set(expected)
    assert drawn.decisions.min() >= 1_000_000
    assert right(alarms).query("draw == 'numpy'").decisions.min() >= 100_000
    assert alarms.query("draw == 'sealed'").decisions.min() >= 1_000


def test_as_many_null_models_were_asked_as_promised(alarms):
    asked = alarms[alarms.rule == "fixed, counted"].groupby("data").decisions.unique()
    assert {data: list(counts) for data, counts in asked.items()} == {
        "mnist": [200],
        "cifar10": [40],
    }


def test_suspects_that_are_no_networks_were_asked(alarms):
    asked = {
        "null models",
        "constant",
        "own class",
        "random",
        "by index",
        "out of range",
        "stateful",
    }
    assert set(alarms.suspects) == asked


def test_no_right_rule_accuses_more_innocents_than_it_promises(alarms):
    rows = right(alarms)
    for row in rows.itertuples():
        above = binomtest(row.accusations, row.decisions, row.alpha, alternative="greater").pvalue
        assert above >= 0.05 / len(rows), row
    assert set(rows.verdict) == {"holds"}


def test_every_count_agrees_with_its_exact_value(alarms):
    rows = alarms[alarms.exact.notna()]
    assert set(rows.rule) == set(false_alarms.RULES)
    for row in rows.itertuples():
        exact = row.exact if row.exact else 5e-7  # six decimals are written
        assert binomtest(row.accusations, row.decisions, exact).pvalue >= 0.01 / len(rows), row


def test_rates_and_bounds_follow_from_the_counts(alarms):
    assert np.allclose(alarms.rate, alarms.accusations / alarms.decisions, atol=1e-6)
    upper = beta.ppf(0.95, alarms.accusations + 1, alarms.decisions - alarms.accusations)
    assert np.allclose(alarms.upper, np.nan_to_num(upper, nan=1.0), atol=1e-6)


def test_the_wrong_rules_are_seen_to_be_wrong(alarms):
    fixed = alarms.query("rule == 'fixed, counted' and alpha == .001")
    for _, rows in fixed.groupby(["data", "trigger"]):
        worst = rows.loc[rows.accusations.idxmax()]
        assert worst.rate > 0.05
        assert worst.smallest_p < 1e-20
        assert worst.verdict == "broken"
    peeking = alarms.query(
        "rule == 'counted, peeking' and suspects in ('constant', 'stateful', 'random')"
    )
    assert set(peeking.verdict) == {"broken"}
    assert (peeking.rate > 2 * peeking.alpha).all()


def test_every_key_accuses_nobody_one_several_or_most(alarms):
    shared = alarms[alarms.rule.str.startswith("one key")].groupby(["data", "trigger", "alpha"])
    assert (shared.accusations.sum() == false_alarms.KEYS).all()
    assert (shared.size() == 4).all()


# ---------------------------------------------------------------- false alarms: the code


@pytest.mark.parametrize("alpha", false_alarms.ALPHAS)
def test_the_exact_chance_is_that_of_the_package(alpha):
    flags = np.arange(60) % 3 > 0
    line = false_alarms.fewest("gambler", 60, alpha)
    for answered in (np.ones(60, bool), flags):
        expected = stats.accusation_chance(answered.tolist(), 0.1, alpha=alpha, p0=0.1)
        assert false_alarms.chance(line, answered) == pytest.approx(expected, rel=1e-9)


def test_the_exact_chance_of_one_look_is_a_binomial_tail():
    line = false_alarms.fewest("counted at the end", 100, 0.05)
    assert line[-1] == 16
    assert (line[:-1] == 101).all()
    assert false_alarms.chance(line, np.ones(100, bool)) == pytest.approx(binom.sf(15, 100, 0.1))
    assert round(false_alarms.chance(line, np.ones(100, bool)), 4) == 0.0399


def test_a_key_accuses_exactly_when_the_package_would():
    draw = np.random.RandomState(3)
    answers, labels = draw.randint(0, 10, 50), draw.randint(0, 10, (300, 50), np.uint8)
    labels[:100] = np.where(draw.random((100, 50)) < 0.4, answers, labels[:100])
    found = false_alarms.accused(
        false_alarms.tally(labels, answers), false_alarms.fewest("gambler", 50, 0.01)
    )
    paths = [stats.wealth_path(each == answers, 0.1) for each in labels]
    assert found.tolist() == [bool(stats.reaches(path, 0.01).any()) for path in paths]
    assert 60 < found[:100].sum() <= 100
    assert found[100:].sum() <= 10


@pytest.fixture(scope="module")
def others(triggers):
    rows = list(false_alarms.not_models("mnist", "noise", triggers, decisions=20_000))
    return {(row.suspects, row.rule, row.alpha): row for row in rows}


@pytest.mark.parametrize(
    "suspect", ["constant", "own class", "random", "by index", "out of range", "stateful"]
)
def test_a_suspect_that_is_no_network_is_accused_as_often_as_it_must_be(others, suspect):
    for rule, alpha in itertools.product(false_alarms.RULES, false_alarms.ALPHAS):
        row = others[suspect, rule, alpha]
        assert binomtest(row.accusations, row.decisions, row.exact).pvalue > 1e-4, row
    once = others[suspect, "gambler", 0.05]
    answered = 20 if suspect == "out of range" else 40
    flags = [True] * 40 if answered == 40 else [True, False] * 20
    assert once.exact == pytest.approx(stats.accusation_chance(flags, 0.1, alpha=0.05, p0=0.1))
    assert others[suspect, "counted, peeking", 0.01].exact > once.exact / 5


def test_a_suspect_that_sees_the_label_before_it_answers_is_accused(triggers):
    labels = false_alarms.draws("peeps", shape=(50, triggers.n))
    assert false_alarms.accused(
        false_alarms.tally(labels, labels), false_alarms.fewest("gambler", 40, 0.001)
    ).all()


def test_null_models_are_counted_by_every_rule():
    answers = np.array([[3] * 40, [-1] * 40, list(range(10)) * 4])
    rows = {
        (row.rule, row.alpha): row
        for row in false_alarms.keyed("mnist", "noise", answers, decisions=30_000)
    }
    row = rows["gambler", 0.05]
    whole = stats.accusation_chance(40, 0.1, alpha=0.05, p0=0.1)
    assert row.exact == pytest.approx(2 / 3 * whole)  # who says nothing is never accused
    assert row.decisions == 30_000
    assert binomtest(row.accusations, row.decisions, row.exact).pvalue > 1e-4
    assert rows["counted, peeking", 0.05].record(0.001)["verdict"] == "broken"
    assert row.record(0.001)["verdict"] == "holds"


def test_the_real_path_accuses_as_often_as_it_must(triggers, monkeypatch):
    """Seal, tree, HMAC and `wm.verify` are the real ones; only the hash that is slow on purpose is
    not.
    """
    monkeypatch.setattr(
        commitment,
        "label_seed",
        lambda sealed, beacon=b"": hashlib.sha256(sealed.encode()).digest(),
    )
    asked = false_alarms.Asked(
        triggers, np.stack([np.full(triggers.n, 3), np.arange(triggers.n) % 10])
    )
    row = next(iter(false_alarms.in_earnest("mnist", "noise", asked, seals=400)))
    assert row.exact == pytest.approx(stats.accusation_chance(40, 0.1, alpha=0.05, p0=0.1))
    assert 0 < row.accusations < 25
    assert binomtest(row.accusations, row.decisions, row.exact).pvalue > 1e-3


def test_the_real_draw_is_uniform():
    secrets = [hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(2_000)]
    seals = [hashlib.sha256(bytes([i])).hexdigest() for i in range(4)]
    drawn = [commitment.draw_labels(seal, secrets, range(10)) for seal in seals]
    assert chisquare(np.bincount(np.concatenate(drawn), minlength=10)).pvalue > 1e-3


def test_a_fixed_target_that_innocents_say_anyway_accuses_them_all():
    rows = list(false_alarms.fixed_target("mnist", "unrelated", wm.null_models("mnist", n=6)))
    worst = max(rows, key=lambda row: (row.alpha == 0.001) * row.accusations)
    assert (worst.target, worst.decisions) == ("8", 6)
    assert worst.accusations >= 5
    assert worst.smallest_p < 1e-30


def test_a_key_that_accuses_all_models_counts_as_one_that_accuses_most():
    same = np.tile(np.arange(40) % 10, (5, 1))
    rows = {
        (row.rule, row.alpha): row.accusations
        for row in false_alarms.one_key("mnist", "noise", same, keys=5_000)
    }
    assert rows["one key, accuses nobody", 0.05] + rows["one key, accuses most", 0.05] == 5_000
    assert rows["one key, accuses most", 0.05] > 50


# ---------------------------------------------------------------- power


def test_marked_models_are_found_and_their_innocent_twins_are_not():
    rows = table("power")
    taken = rows[rows.lr == 0]
    assert (taken.k == taken.n).all()
    assert set(taken.needed) == {float(stats.questions_needed(0.001, 0.1))}
    assert set(taken.data) == {"mnist", "cifar10"}
    chance = [stats.binomial_p(k, n, 0.1) for k, n in zip(taken.innocent_k, taken.n)]
    assert min(chance) > 0.001 / len(taken)


def test_what_was_promised_of_the_thieves_was_measured():
    rows = table("power")
    trained_here = rows[(rows.data == "mnist") & (rows.owner != "shipped")]
    assert (trained_here.groupby(["trigger", "lr"]).owner.nunique() >= 5).all()
    assert set(rows[rows.lr > 0].lr) == {1e-4, 1e-3, 2e-3, 5e-3, 1e-2}
    assert {*rows[rows.data == "cifar10"].trigger} == set(power.TRIGGERS)
    assert (rows.found == rows.needed.notna()).all()


def test_questions_needed_by_hand():
    matched = np.array([[True] * 30, [False] * 30, [False, *[True] * 29]])
    expected = [
        4,
        np.inf,
        1 + next(n for n in range(1, 30) if stats.log_wealth(n, n + 1, 0.1) >= np.log(1000)),
    ]
    assert power.needed(matched).tolist() == expected
    mixed = power.shuffled(matched[2], orders=7)
    assert (mixed.sum(axis=1) == 29).all()
    assert len({row.tobytes() for row in mixed}) > 1


def test_evidence_of_no_match_and_of_all():
    nothing, all_of_it = power.evidence(np.zeros(30, bool)), power.evidence(np.ones(30, bool))
    assert (nothing["needed"], nothing["found"], nothing["found_any_order"]) == ("", False, "0.000")
    assert (all_of_it["needed"], all_of_it["needed_any_order"], all_of_it["chance"]) == (
        "4",
        "4",
        "1.0000",
    )


# ---------------------------------------------------------------- dishonest owners


def test_without_our_rules_innocents_are_accused_and_under_them_the_judge_accuses_none(lies):
    tricks = lies[~lies.trick.str.startswith("none")]
    ours = tricks[tricks.rules == dishonest_owner.OURS]
    assert (ours.accused_judge == 0).all()
    many = ours[ours.decisions >= 1_000]
    assert (
        many.accused <= 2 * dishonest_owner.ALPHA * many.decisions
    ).all()  # the owner who is believed: alpha
    broken = tricks[tricks.rules.str.contains("own images|from the key")]
    assert len(broken) == 2 * 3 + 2
    assert (broken.accused >= 0.5 * broken.decisions).all()
    assert (
        broken.accused_judge.sum() > 0.3 * broken.decisions.sum()
    )  # the judge's factor alone does not help


def test_the_judges_factor_undoes_grinding_and_costs_the_honest_owner_nothing(lies):
    ground = lies[(lies.trick == "grinding") & (lies.effort == str(dishonest_owner.TRIES[-1]))]
    assert (ground.accused >= ground.decisions / 3).all()
    assert (ground.accused_judge == 0).all()
    honest = lies[lies.trick.str.startswith("none")]
    assert (honest.accused_judge == honest.decisions).all()
    assert len(honest) == 6


def test_one_real_seal_keeps_the_promise(lies):
    once = lies[(lies.trick == "grinding") & (lies.effort == "1")]
    assert once.decisions.tolist() == [10 * dishonest_owner.SEALS] * 6
    assert (once.accused <= dishonest_owner.ALPHA * once.decisions).all()


def test_the_luckiest_seal_is_the_one_with_the_most_evidence():
    matched = np.random.RandomState(1).random((2, 6, 30)) < 0.2
    best = dishonest_owner.luckiest(matched, 3)
    evidence = dishonest_owner.log_evidence(matched.reshape(12, 30)).reshape(4, 3)
    assert (dishonest_owner.log_evidence(best) == evidence.max(axis=1)).all()
    assert (dishonest_owner.luckiest(matched, 1) == matched.reshape(12, 30)).all()


def test_enough_innocents_were_accused_often_enough(lies):
    rows = lies[~lies.trick.str.startswith("none")]
    assert rows.innocents.min() >= 10
    ground = rows[rows.trick == "grinding"]
    every_try = ground.innocents * dishonest_owner.SEALS
    assert (ground.decisions * ground.effort.astype(int) == every_try).all()
    others = rows[rows.trick != "grinding"]
    assert (others.decisions >= 5 * others.innocents).all()
    assert set(rows.data) == {"mnist", "cifar10"}


def test_evidence_is_that_of_the_package():
    draw = np.random.RandomState(0)
    matched, counted = draw.random((20, 30)) < 0.4, draw.random((20, 30)) < 0.7
    for row in range(20):
        path = stats.wealth_path(matched[row][counted[row]], 0.1)
        found = dishonest_owner.log_evidence(matched[row : row + 1], counted[row : row + 1])
        assert np.exp(-found[0]) == pytest.approx(stats.anytime_p(path))
    worth = dishonest_owner.weigh(np.ones((3, 30), bool))
    assert (worth["accused"], worth["accused_judge"], worth["k_low"]) == (3, 3, 30)
    half = dishonest_owner.weigh(np.tile(np.arange(30) % 4 == 0, (3, 1)))
    assert (half["k_mean"], half["accused_judge"]) == ("8.00", 0)


def test_a_tweak_is_one_step_in_one_pixel_and_makes_the_label(triggers):
    wanted, key = np.arange(triggers.n) % 10, b"k" * 32
    pixels, hashes = dishonest_owner.tweaked(triggers, wanted, key)
    changed = (pixels.astype(int) != triggers.pixels).reshape(triggers.n, -1).sum(axis=1)
    assert changed.max() <= 1
    assert np.abs(pixels.astype(int) - triggers.pixels).max() == 1
    assert [
        dishonest_owner.label_of(key, i, pixels[[i]]) for i in range(triggers.n)
    ] == wanted.tolist()
    assert 100 < hashes < 1_500


def test_a_tweak_draws_every_label_of_the_seal_anew(triggers):
    pixels = triggers.pixels.copy()
    pixels[-1, 0, 0, 0] ^= 1
    again = dishonest_owner.resealed(triggers, pixels, triggers.key).answers
    assert (again == triggers.answers).sum() <= 12  # 4 expected


def test_crafted_images_stay_near_and_get_their_labels():
    models, plain = wm.null_models("mnist", n=1), wm.load_data("mnist").test.pixels[:20]
    labels = np.arange(20) % 10
    bent = dishonest_owner.bent(plain, labels, models, 0.3, steps=15)
    assert np.abs(bent.astype(int) - plain).max() <= 77  # 0.3 of 255, rounded
    replies = wm.BlackBox(models[0])(bent.astype(np.float32) / 255)
    assert (replies == labels).sum() >= 16


# ---------------------------------------------------------------- the whole procedure

# Where more innocents are found than alpha says, the reader sees what that rests on: the word of
# `verify`, or a reader who is named after the mistake.
OWNERS_WORD = "found, if this was the only seal"
ABOVE = {
    ("grinding", "verify"),
    ("grinding", "command line: verify"),
    ("drawn targets", "verify"),
    ("clean images", "verify"),
    ("families", "verify"),
    ("families", "SequentialTest"),
    ("looking again", "verify in a loop, which it is not for"),
}
MISTAKEN = {"judge who counts 1", "judge who lets the owner name"}


def test_every_liar_was_tried_on_every_reader_by_enough_real_seals(procedures):
    liars = set(procedures.liar)
    assert liars == {
        "none",
        "grinding",
        "tweaking",
        "ordering",
        "windows",
        "alpha",
        "nulls",
        "drawn targets",
        "clean images",
        "families",
        "replays",
        "looking again",
        "beacon",
    }
    commands = procedures[procedures.reader.str.startswith("command line")]
    assert set(commands.liar) == {"grinding", "alpha", "drawn targets", "beacon", "replays"}
    tried = procedures[procedures.reader != "sealing"]
    assert tried.runs.min() >= procedure.FEWER
    cheap = tried[tried.reader.isin(["verify", "judge"]) & (tried.runs < procedure.RUNS)]
    assert set(cheap.liar) == {"grinding", "alpha", "nulls", "drawn targets", "replays", "beacon"}


def test_no_judge_finds_an_innocent_more_often_than_the_judges_alpha(procedures):
    rows = procedures[procedures.reader.str.contains("judge")]
    rows = rows[~rows.reader.isin(MISTAKEN) & ~rows.word.str.contains("names no owner")]
    dice = rows.setting.str.contains("before the dice")
    assert (rows[~dice].found == 0).all()
    assert (rows[dice].p_above >= 0.05 / dice.sum()).all()
    assert len(rows) > 60


def test_where_alpha_is_exceeded_the_word_is_another_one(procedures):
    above = procedures[procedures.p_above < 0.05 / len(procedures)]
    owners = above[above.word.str.startswith(OWNERS_WORD)]
    assert set(zip(owners.liar, owners.reader)) <= ABOVE
    others = above[~above.word.str.startswith(OWNERS_WORD)]
    named = others.word.str.contains("names no owner") | others.reader.isin(MISTAKEN)
    assert named.all()
    said = procedures[procedures.reader.str.contains("verify") & (procedures.found > 0)]
    assert said.word.str.startswith(OWNERS_WORD).all()


def test_a_test_that_is_continued_keeps_the_promise_and_the_loop_breaks_it(procedures):
    again = procedures[procedures.liar == "looking again"]
    continued = again[again.reader == "SequentialTest"]
    assert len(continued) == 4 * len(procedure.ALPHAS)
    assert (continued.runs == procedure.RUNS).all()
    assert (continued.p_above >= 0.05 / len(continued)).all()
    loop = again[again.reader != "SequentialTest"].query("alpha == .05")
    assert loop.set_index("setting").p_above["throws dice, all anew after each five of 50"] < 1e-6


def test_shares_and_bounds_of_the_procedure_follow_from_the_counts(procedures):
    assert np.allclose(procedures.share, procedures.found / procedures.runs, atol=1e-4)
    for row in procedures.itertuples():
        above = binomtest(row.found, row.runs, row.bound, alternative="greater").pvalue
        assert row.p_above == pytest.approx(above, rel=0.06)
        assert row.bound in (row.alpha, 0)


@pytest.fixture
def few_seals(monkeypatch, triggers):
    """Return a pool of forty seals whose labels cost nothing, and ten services of no network."""

    def seed(sealed, outcome=""):
        return hashlib.sha256(sealed.encode() + outcome.encode()).digest()

    monkeypatch.setattr(commitment, "label_seed", seed)
    pool = procedure.Pool("test", triggers, triggers.rules, 40)
    said = np.random.RandomState(1).randint(0, 10, (10, triggers.n))
    pool.__dict__["said"] = said
    return pool


def test_the_seal_that_is_shown_is_the_one_with_the_smallest_p(few_seals):
    for who, best in enumerate(procedure.best_of(few_seals, range(5, 35))):
        query = few_seals.service(who)
        p_values = [wm.verify(query, few_seals[seal]).p for seal in range(5, 35)]
        assert wm.verify(query, few_seals[best]).p == min(p_values)
    assert few_seals[3].seal == few_seals[3].seal != few_seals[4].seal


def test_readers_are_told_what_the_package_says(few_seals):
    pairs = [(seal, seal % 10) for seal in range(40)]
    owner = procedure.asks_owner(few_seals, pairs)
    judge = procedure.asks_judge(few_seals, pairs, count=20, dice=2)
    for alpha in procedure.ALPHAS:
        told = [each.found for each in owner(alpha)]
        verdicts = [wm.verify(few_seals.service(who), few_seals[seal]) for seal, who in pairs]
        assert told == [verdict.p <= alpha for verdict in verdicts]
        assert [each.found for each in judge(alpha)] == [False] * 80
    row = procedure.summary(owner(0.05), 0.05)
    assert row["runs"] == 40
    assert row["word"] in (OWNERS_WORD, "not found")


def test_a_verdict_at_the_end_of_a_continued_test_counts_every_look(few_seals):
    """What the study reads once, at the end, is what a look after each question would have said."""
    seen = []
    for seal in range(40):
        test = wm.SequentialTest(few_seals.service(seal), few_seals[seal])
        looks = []
        while test.left:
            looks.append(procedure.at(test.ask(1), 0.05).decision == "found")
        seen.append(any(looks))
        assert (procedure.at(test.verdict, 0.05).decision == "found") == any(looks)
    assert any(seen)


# ---------------------------------------------------------------- how cost grows


def test_no_cost_grows_faster_than_what_it_is_paid_for():
    growth, found = study("growth"), table("growth")
    curves = {(act, over) for over, (_, acts) in growth.CURVES.items() for act in acts}
    assert set(zip(found.act, found.over)) == curves
    for _, curve in found.groupby(["act", "over"]):
        slope = growth.exponent(curve["size"].tolist(), curve.seconds.tolist())
        assert curve.exponent.tolist() == pytest.approx([slope] * len(curve), abs=0.011)
        assert slope < 1.2


def test_the_bench_page_says_what_the_papers_network_reads(root):
    rows = table("paper").query("data == 'mnist' and labels == 'fixed' and table == '2'")
    marked = rows[rows.kind != "clean"]
    ten, fifty = (100 * marked[marked.epochs == count].share for count in (10, 50))
    text = " ".join((root / "docs/bench.md").read_text("utf-8").split())
    assert f"reads {ten.min():.1f} to {ten.max():.1f} % of the test images after ten" in text
    assert f"and {fifty.min():.1f} % after fifty" in text
    assert f"{fifty.min():.1f}" == f"{fifty.max():.1f}"
