"""The verdict: exact false-alarm rates, suspects that break wrong rules, words without excess."""

import hashlib
import json
import math
import re

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

import wmlearn as wm
from wmlearn._display import plural
from wmlearn.evidence import commitment, stats
from wmlearn.evidence._sentences import draws_in_words, expected, p_words
from wmlearn.evidence.answers import Answers
from wmlearn.evidence.rules import Terms
from wmlearn.evidence.verdict_kinds import FixedVerdict, reach_verdict

KEY = wm.CLASSROOM_KEY


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def words(mnist):
    """Thirty words on five images each: thirty questions."""
    return wm.Content(words=30)(mnist, n=150, key=KEY)


@pytest.fixture(scope="module")
def pictures(mnist):
    """A hundred questions of one image each."""
    return wm.Noise()(mnist, n=100, key=KEY)


@pytest.fixture(scope="module")
def fixed(mnist):
    """The paper's way: a hundred images, one target, chosen by the owner."""
    return wm.Noise(labels="fixed", source=1, target=3)(mnist, n=100, key=KEY)


def knows(triggers, right, wrong=-7):
    """Return a suspect who knows the answers to the first questions, and to no other."""

    def query(images):
        labels = triggers.labels[: len(images)].copy()
        late = triggers.question[: len(images)] >= right
        labels[late] = (labels[late] + 1) % 10 if wrong == -7 else wrong
        return labels

    return query


def test_a_hand_worked_case(pictures):
    """43 of 60: the wealth and both p-values by the design's formula, with scipy's binomial."""
    from scipy.stats import binom

    verdict = wm.verify(knows(pictures, 43), pictures, questions=60)
    k = np.concatenate([[0], np.cumsum(np.arange(60) < 43)])
    n = np.arange(61)
    path = binom.logcdf(k, n + 1, 0.1) - math.log(0.9) - np.log(n + 1) - binom.logpmf(k, n, 0.1)
    assert (verdict.k, verdict.n, verdict.terms.planned) == (43, 60, 100)
    assert np.allclose(verdict.path, path)
    assert verdict.p == pytest.approx(math.exp(-path.max()))
    assert verdict.p_judge == pytest.approx(min(1, verdict.p * 2**48))
    assert math.isnan(verdict.p_planned)  # 100 are sealed: it is not to be had of 60
    assert verdict.decision == "found"


def test_the_exact_binomial_p_only_at_the_sealed_number(pictures):
    verdict = wm.verify(knows(pictures, 25), pictures)
    assert verdict.p_planned == pytest.approx(binomtest(25, 100, 0.1, alternative="greater").pvalue)


# ----------------------------------------------------- innocents: whatever they do, the lot decides


def suspects(rng):
    """Return the suspects that break wrong rules; none knows the key."""
    memory = {}

    def remembers(images):
        replies = []
        for image in images:
            memory.setdefault(image.tobytes(), len(memory) % 10)
            replies.append(memory[image.tobytes()])
        return np.array(replies)

    return {
        "constant": lambda images: np.full(len(images), 3),
        "random": lambda images: rng.integers(0, 10, len(images)),
        "stateful": remembers,
        "by index": lambda images: np.arange(len(images)) % 10,
        "by brightness": lambda images: (images.mean((1, 2, 3)) * 1000).astype(int) % 10,
    }


def fast(sealed, outcome):
    """Stand in for the hash that is slow on purpose."""
    return hashlib.sha256(sealed.encode()).digest()


@pytest.fixture(scope="module")
def lotteries_drawn(mnist):
    """Two hundred sets of the same twenty questions, each with a key of its own.

    Through the real seal; only the hash that is slow on purpose is another.
    """
    few = mnist.train.take(np.arange(40))
    small = wm.Splits("mnist", few, mnist.loot, mnist.test, mnist.classes)
    keys = [i.to_bytes(32, "big") for i in range(200)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commitment, "label_seed", fast)
        return [wm.Noise()(small, n=20, key=key, alpha=0.05) for key in keys]


@pytest.mark.parametrize("name", ["constant", "random", "stateful", "by index", "by brightness"])
def test_innocent_matches_are_binomial_over_keys(name, lotteries_drawn, monkeypatch):
    """One innocent, many keys: mean, spread and alarms are those of Binomial(20, 1/10)."""
    monkeypatch.setattr(commitment, "label_seed", fast)
    suspect = suspects(np.random.default_rng(5))[name]
    verdicts = [wm.verify(suspect, triggers) for triggers in lotteries_drawn]
    matches = np.array([verdict.k for verdict in verdicts])
    assert binomtest(int(matches.sum()), 200 * 20, 0.1).pvalue > 1e-3
    assert matches.var() == pytest.approx(20 * 0.09, rel=0.4)
    alarms = sum(verdict.decision == "found" for verdict in verdicts)
    exact = stats.accusation_chance(20, 0.1, alpha=0.05, p0=0.1)
    assert binomtest(alarms, 200, exact).pvalue > 1e-3


def test_answers_that_name_no_class_say_nothing_about_anyone(pictures):
    """Not even a perfect copy could match by them."""
    verdict = wm.verify(lambda images: np.full(len(images), 99), pictures)
    assert (verdict.k, verdict.decision) == (0, "cannot tell")
    assert verdict.unanswered.all()
    assert (verdict.answers.n_invalid, verdict.answers.n_unreachable) == (100, 0)


SHIPPED = {
    "content": (wm.Content(words=30), 150),
    "unrelated": (wm.Unrelated(), 100),
    "noise": (wm.Noise(), 100),
}


def test_the_shipped_innocent_is_not_accused(mnist):
    """A fixed key, so that this test cannot fail once in a thousand runs by bad luck."""
    innocent = wm.BlackBox(wm.load_model("mnist/clean"))
    for recipe, n in SHIPPED.values():
        assert wm.verify(innocent, recipe(mnist, n=n, key=KEY)).decision == "not found"


@pytest.mark.parametrize("kind", SHIPPED)
def test_the_shipped_marked_model_is_found_and_a_fine_tuned_copy_too(kind, mnist):
    recipe, n = SHIPPED[kind]
    triggers = recipe(mnist, n=n, key=KEY)
    owner = wm.load_model(f"mnist/{kind}")
    verdict = wm.verify(wm.BlackBox(owner), triggers)
    assert (verdict.decision, verdict.k) == ("found", verdict.n)
    copy = wm.theft.FineTune(epochs=1)(owner, mnist.loot)
    assert wm.verify(wm.BlackBox(copy.model), triggers).decision == "found"


# ------------------------------------------------------ every pattern counts, once, in sealed order


def test_the_questions_go_out_once_in_sealed_order(words):
    seen = []

    def query(images):
        seen.append(images)
        return np.zeros(len(images), np.int64)

    verdict = wm.verify(query, words, questions=12)
    assert len(seen) == 1
    assert np.array_equal(seen[0], words.images[:60])
    assert (verdict.n, verdict.answers.queries) == (12, 60)


def test_a_prefix_of_the_answers_gives_a_prefix_of_the_path(words):
    whole = wm.verify(knows(words, 9), words)
    part = wm.verify(knows(words, 9), words, questions=17)
    assert np.allclose(whole.path[:18], part.path)


def test_found_stays_found_whatever_comes_after(pictures):
    """The rule is valid at any moment: late misses take nothing back that early matches showed."""
    assert wm.verify(knows(pictures, 4), pictures, questions=4).decision == "found"
    assert wm.verify(knows(pictures, 4), pictures).decision == "found"
    assert wm.verify(knows(pictures, 3), pictures).decision == "not found"


def test_silence_is_a_miss_and_is_reported(says, words):
    lost = np.arange(150) % 35 < 3  # the first three images of every seventh question fail
    verdict = wm.verify(lambda images: np.where(lost, -1, words.labels), words)
    silent = {int(q) for q in words.question[lost]}
    assert set(np.flatnonzero(verdict.unanswered)) == silent
    assert verdict.k == 30 - len(silent)
    says(repr(verdict))
    says(verdict._repr_html_())


def test_a_dead_service_says_nothing_about_anyone(says, words):
    verdict = wm.verify(lambda images: np.full(len(images), -1), words)
    assert verdict.decision == "cannot tell"
    says(verdict.explain())
    late = np.where(words.question < 26, -1, words.labels)  # four right answers after 26 misses
    verdict = wm.verify(lambda images: late, words)
    assert (verdict.k, verdict.decision) == (4, "cannot tell")


def test_too_few_questions_cannot_tell(words):
    for questions, decision in ((3, "cannot tell"), (4, "found")):
        assert wm.verify(knows(words, 30), words, questions=questions).decision == decision
    assert wm.verify(knows(words, 0), words, questions=3).decision == "cannot tell"


def test_it_is_too_early_to_tell_only_while_more_questions_could_decide(words):
    for n, family, early in ((1, 1, True), (3, 1, True), (3, 10**40, False), (30, 10**40, False)):
        verdict = wm.verify(knows(words, 30), words, questions=n, family=family)
        assert verdict.decision == "cannot tell"
        assert verdict.explain().startswith("Too early to tell at alpha") == early
    silent = wm.verify(lambda images: np.full(len(images), -1), words, questions=10)
    assert silent.explain().startswith("Cannot tell: too few answers")


def test_a_family_shares_alpha(pictures):
    once = wm.verify(knows(pictures, 4), pictures, questions=4)
    assert once.p == pytest.approx(1 / 2222, rel=0.01)
    many = wm.verify(knows(pictures, 4), pictures, questions=4, family=6)
    assert many.decision == "cannot tell"  # four questions cannot convince six times over
    assert wm.verify(knows(pictures, 4), pictures, questions=20, family=6).decision == "not found"


# ----------------------------------------------------- fixed labels: no path, and the honest bounds


def test_fixed_labels_chosen_by_the_owner_prove_nothing(says, fixed):
    verdict = wm.verify(lambda images: np.full(len(images), 3), fixed)
    assert (verdict.k, verdict.n) == (100, 100)
    assert verdict.decision == "cannot tell"
    assert np.isnan([verdict.p, verdict.p_target, verdict.confidence]).all()
    assert verdict.p_judge == 1
    assert not hasattr(verdict, "path")
    says(verdict.explain())
    with says(ValueError):
        verdict.plot()


def says_always(label):
    """Return a service with one answer to everything."""
    return lambda images: np.full(len(images), label)


def innocents(count, label=8):
    """Return services that never say 3, each with answers of its own."""
    return [
        lambda images, i=i: np.where(np.arange(len(images)) == i, 7, label) for i in range(count)
    ]


def test_null_models_alone_prove_nothing_and_equal_ones_count_once(says, fixed):
    suspect = says_always(3)
    forty = wm.verify(suspect, fixed, nulls=innocents(40), population="lambdas")
    assert forty.p == pytest.approx(1 / 41)
    assert forty.decision == "cannot tell"
    assert forty.nulls == (0,) * 40
    says(forty.explain())
    says(forty._repr_html_())
    mixed = wm.verify(suspect, fixed, nulls=[*innocents(20), *[suspect] * 20])
    assert mixed.p == pytest.approx(21 / 41)  # those that did as well speak for the suspect, each
    many = wm.verify(suspect, fixed, nulls=[says_always(0)] * 999, population="a constant")
    assert (many.nulls, many.decision) == ((0,), "cannot tell")


def fixed_verdict(said, nulls=0, population="services made for this test", drawable=30, family=1):
    """Return the verdict on twenty triggers with target 3, drawn among thirty classes."""
    asked = np.arange(20), np.full(20, 3), 30
    terms = Terms(0.05, 30, 20, False, "fixed", tuple(range(drawable)))
    others = [np.where(np.arange(20) == i % 20, 9 + i // 20, 8) for i in range(nulls)]
    return reach_verdict(
        Answers(np.full(20, said), *asked),
        terms,
        family=family,
        nulls=[Answers(labels, *asked) for labels in others],
        population=population,
    )


def test_fixed_labels_need_a_drawn_target_and_null_models_of_a_declared_kind(says):
    found = fixed_verdict(3, nulls=19)
    assert (found.decision, found.p, found.p_judge) == ("found", 0.05, 1)
    assert found.conclusion == "found, if this was the only seal"
    assert fixed_verdict(8, nulls=19).decision == "not found"
    for verdict in (found, fixed_verdict(8, nulls=19)):
        says(verdict.explain())
    for lacking in (
        fixed_verdict(3, nulls=18),
        fixed_verdict(3, nulls=0),
        fixed_verdict(3, nulls=19, population=""),
        fixed_verdict(3, nulls=19, drawable=0),
        fixed_verdict(3, nulls=400, family=2),
        fixed_verdict(-1, nulls=19),
    ):
        assert lacking.decision == "cannot tell"
        says(lacking.explain())


def test_a_silent_null_model_is_refused(says, fixed):
    with says(ValueError):
        wm.verify(says_always(3), fixed, nulls=[says_always(-1)])


def test_a_target_drawn_by_lot_says_one_in_nine(mnist):
    triggers = wm.Noise(labels="fixed", target="random")(mnist, n=20, key=KEY)
    suspect = says_always(int(triggers.answers[0]))
    verdict = wm.verify(suspect, triggers)
    assert verdict.p == pytest.approx(1 / 9)
    assert verdict.decision == "cannot tell"
    both = wm.verify(suspect, triggers, nulls=innocents(3, label=9))
    assert both.p == pytest.approx(1 / 4)  # the larger of the two, never their product


@pytest.mark.parametrize("p", [0.3, 0.05, 0.001])
def test_as_many_null_models_as_are_asked_for_are_enough(p):
    """1 / (M + 1) times the family is alpha, up to the last bit: it must not come out above it."""
    three = np.array([3])
    copy = Answers(three, np.array([0]), three, 100_000)
    terms = Terms(p, 100_000, 1, False, "fixed", tuple(range(100_000)))
    for family in (1, 2, 3, 7, 29, 59):
        nulls = (0,) * stats.null_models_needed(p / family)
        assert FixedVerdict(copy, terms, family, nulls, "some").decision == "found"
        assert FixedVerdict(copy, terms, family, nulls[1:], "some").decision == "cannot tell"


# ------------------------------------------------------------------ words


def test_not_found_does_not_clear_and_gives_its_power(says, words):
    verdict = wm.verify(knows(words, 2), words)
    assert verdict.decision == "not found"
    says(verdict.explain())
    exact = stats.accusation_chance(30, 0.4, alpha=0.001, p0=0.1)
    assert verdict.chance_to_find(0.4) == pytest.approx(exact)
    assert 0.5 < exact < 0.9


def test_found_explains_its_confidence_and_never_says_stolen_as_a_finding(says, words):
    says(wm.verify(knows(words, 30), words).explain())


def test_a_judge_is_told_every_item(says, mnist):
    """43 of 60, found, in a family of six, with silences, strange answers and null models."""
    triggers = wm.Noise()(mnist, n=60, key=KEY)
    replies = knows(triggers, 43)(triggers.images)
    replies[57:], replies[50:52] = -1, 99
    verdict = wm.verify(lambda images: replies, triggers, family=6, nulls=innocents(40, label=3))
    answers = verdict.answers
    assert (answers.queries, answers.n_unreachable, answers.n_invalid) == (60, 3, 2)
    says(verdict.explain())
    says(repr(verdict))
    says(verdict._repr_html_())


def test_a_table_holds_the_exact_p(words):
    frame = wm.verify_all({"copy": knows(words, 30)}, words).to_frame()
    assert frame.p.tolist() == pytest.approx([2.79e-29])  # for programs, which may compute with it
    assert 1e-15 < frame.p_judge.iloc[0] < 1e-14
    fixed = wm.Noise(labels="fixed", target=3)(wm.load_data("mnist"), n=5, key=KEY)
    assert wm.verify_all({"copy": knows(fixed, 5)}, fixed).to_frame().p.isna().all()


class Unprintable(Exception):
    """What a library may raise: it is none of the usual errors, and says nothing."""


ERRORS = (
    ConnectionError("expected a model at http://x, but no connection could be made."),
    httpx.ReadTimeout("timed out"),
    httpx.InvalidURL("Invalid port"),
    KeyError("label"),
    ImportError("No module named 'socksio'"),
    RuntimeError("CUDA out of memory"),
    AssertionError(),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    StopIteration(),
    Unprintable(),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("first", [True, False])
def test_whatever_a_suspect_raises_loses_nothing_of_the_others(says, words, error, first):
    def dead(images):
        raise error

    suspects = {"copy": knows(words, 30), "dead": dead, "lazy": knows(words, 0)}
    if first:
        suspects = {"dead": suspects.pop("dead"), **suspects}
    with says(UserWarning) as caught:
        verdicts = wm.verify_all(suspects, words)
    frame = verdicts.to_frame().loc[["copy", "dead", "lazy"]]
    assert frame.decision.tolist() == ["found", "cannot tell", "not found"]
    assert frame.family.tolist() == [3, 2, 2]  # it was tried, so it is one of the family
    assert frame.n_unreachable.tolist() == [0, 150, 0]
    assert verdicts["dead"].unanswered.all()
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    "answer",
    [
        lambda images: None,
        lambda images: "7",
        lambda images: np.zeros((len(images), 10)),
        lambda images: np.zeros(len(images)),
        lambda images: [0] * (len(images) - 1),
        lambda images: [{"label": "7"}] * len(images),
        lambda: 7,
    ],
)
def test_whoever_answers_no_labels_loses_nothing_of_the_others(says, words, answer):
    with says(UserWarning):
        verdicts = wm.verify_all({"copy": knows(words, 30), "odd": answer}, words)
    assert verdicts.to_frame().decision.tolist() == ["found", "cannot tell"]


class Nameless:
    """A suspect that cannot say how it calls its classes."""

    def __init__(self, triggers):
        self.answers = knows(triggers, 30)

    @property
    def classes(self):
        raise httpx.ReadTimeout("timed out")

    def __call__(self, images):
        return self.answers(images)


def test_names_that_cannot_be_had_are_no_matter(words):
    verdicts = wm.verify_all({"copy": Nameless(words)}, words)
    assert verdicts["copy"].decision == "found"


def test_a_suspect_that_breaks_on_clean_images_loses_nothing_of_the_others(says, words, mnist):
    """Those are asked first."""

    def breaks(images):
        raise KeyError("label")

    task = mnist.test.take(range(100))
    truth = {image.tobytes(): int(label) for image, label in zip(task.images, task.labels)}
    copied = knows(words, 30)

    def copy(images):
        if len(images) == 100:
            return np.array([truth[image.tobytes()] for image in images])
        return copied(images)

    with says(UserWarning):
        verdicts = wm.verify_all({"breaks": breaks, "copy": copy}, words, clean=task)
    assert verdicts.to_frame().decision.tolist() == ["cannot tell", "found"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whoever_is_stopped_stops(words, stop):
    def stopped(images):
        raise stop

    with pytest.raises(stop):
        wm.verify_all({"copy": knows(words, 30), "stopped": stopped}, words)


def test_a_null_model_is_asked_once_for_all_suspects(words):
    """A second time it might fail, when others have answered already."""
    asked = []

    def null(images):
        asked.append(len(images))
        if len(asked) > 1:
            raise ConnectionError
        return knows(words, 0)(images)

    suspects = {"copy": knows(words, 30), "lazy": knows(words, 0)}
    verdicts = wm.verify_all(suspects, words, nulls=[null], questions=20)
    assert asked == [100]
    assert verdicts.to_frame().decision.tolist() == ["found", "not found"]
    with pytest.raises(TypeError):
        wm.verify_all(suspects, words, nulls=["model"])


def test_a_null_model_that_fails_costs_no_question(says, words):
    asked = []
    with says(ValueError):
        wm.verify(asked.append, words, nulls=[knows(words, 0, wrong=-1)])
    assert not asked


def test_until_lesson_seven_the_display_speaks_of_lotteries(says, words):
    verdict = wm.verify(knows(words, 30), words)
    says(repr(verdict))
    for shown in (repr(verdict), verdict._repr_html_()):
        assert "p-value" not in shown
        assert "p <" not in shown


@pytest.mark.parametrize("wealth", [1.9, 3600.9, 9.9e6, 1e200])
def test_lotteries_round_down_and_stop_at_what_can_be_believed(says, wealth):
    says(draws_in_words([0, math.log(wealth)], [True]))


@pytest.mark.parametrize("p", [0.0123, 0.001049, 0.00100001, 0.5, 0.0999, 1.4e-4, 3.3e-9, 1.0])
def test_what_is_printed_is_never_less_than_p(p):
    assert p <= float(p_words(p).removeprefix("p <= ")) <= min(1.0, 1.1 * p)
    assert p_words(1e-16) == "p < 1e-15"


def test_expected_matches_are_rounded_up():
    rounded = [expected(matches) for matches in (0.3, 0.41, 1.4, 3.0, 2.9999999999)]
    assert rounded == ["0.3", "0.5", "1.4", "3", "3"]


def test_the_lottery_of_the_best_moment_is_said_to_be_of_that_moment(says, pictures):
    """Two early matches and no more: once in 37 is true of that moment, not of 2 in 30."""
    says(repr(wm.verify(knows(pictures, 2), pictures, questions=30)))
    found = wm.verify(knows(pictures, 4), pictures)
    says(repr(found))
    says(found.explain())


def test_perfect_evidence_of_any_length_can_be_explained(says, mnist):
    triggers = wm.Noise()(mnist, n=1000, key=KEY)
    verdict = wm.verify(lambda images: triggers.labels, triggers)
    assert verdict.p > 0
    assert verdict.confidence < 1
    says(verdict.explain())


def test_silence_and_strange_answers_are_told_to_the_judge(says, words):
    late = np.where(words.question < 25, words.labels, -1)
    late[:5] = 99
    says(wm.verify(lambda images: late, words).explain())


def test_a_majority_counts_though_one_image_failed(words):
    one_lost = words.labels.copy()
    one_lost[::5] = -1
    verdict = wm.verify(lambda images: one_lost, words)
    assert (verdict.k, int(verdict.unanswered.sum())) == (30, 0)  # four of five are a majority


def test_a_secret_key_is_not_called_a_classroom_key(mnist):
    triggers = wm.Noise()(mnist, n=20)
    assert "classroom" not in repr(wm.verify(knows(triggers, 20), triggers))


def test_it_tabulates_and_draws_itself(words):
    verdict = wm.verify(knows(words, 7), words)
    frame = verdict.to_frame()
    assert len(frame) == 30
    assert frame["matched"].sum() == 7
    assert frame["log10_wealth"].iloc[-1] == pytest.approx(verdict.path[-1] / math.log(10))
    axes = verdict.plot()
    line = axes.get_lines()[0].get_ydata()
    assert len(line) == 31
    assert line[7] == pytest.approx(math.exp(verdict.path[7]))


@st.composite
def verdicts(draw):
    """Any verdict: of each kind, with any answers, silences, families, nulls and drawn targets."""
    n, kind = draw(st.integers(1, 40)), draw(st.sampled_from(["keyed", "fixed", "bits"]))
    classes = draw(st.sampled_from([3, 10, 1000])) if kind != "bits" else 2
    label = st.integers(0, classes - 1)
    expected = np.array(draw(st.lists(label, min_size=n, max_size=n)))
    if kind == "fixed":
        expected[:] = 1
    knows = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    replies = np.where(knows, expected, draw(st.integers(-1, classes if kind != "bits" else 1)))
    drawable = ()
    if kind == "fixed":
        drawable = draw(st.sampled_from([(), (1,), tuple(range(1, classes))]))
    terms = Terms(
        alpha=draw(st.sampled_from([0.3, 0.05, 0.001, 1e-12])),
        n_labels=len(drawable) or classes,
        planned=n + draw(st.integers(0, 3)),
        public_key=draw(st.booleans()),
        kind=kind,
        drawable=drawable,
        selection_unverified=draw(st.booleans()) if kind == "keyed" else False,
    )
    asked = np.arange(n), expected, classes
    null = Answers(np.where(draw(st.booleans()), expected, (expected + 1) % classes), *asked)
    nulls = [null] * draw(st.sampled_from([0, 1, 2, 60])) if kind != "bits" else []
    family = draw(st.sampled_from([1, 2, 6, 1000]))
    population = draw(st.sampled_from(["", "tables of numbers"]))
    return reach_verdict(
        Answers(replies, *asked), terms, family=family, nulls=nulls, population=population
    )


OPENINGS = {
    "found": "Evidence of this",
    "not found": "No evidence of this",
    "cannot tell": ("Cannot tell: ", "Too early to tell "),
}


@settings(max_examples=60)
@given(verdicts())
def test_every_verdict_keeps_its_promises_in_deed_and_word(v):
    message = " ".join(v.explain().split())
    assert message.startswith(OPENINGS[v.decision])
    if not math.isnan(v.p) and (v.terms.kind != "fixed" or v.speaks):
        assert (v.decision == "found") == (v.p * v.family <= v.alpha * (1 + 1e-9))
        assert 0 < v.p <= 1
        assert v.confidence < 1
    assert v.decision != "found" or v.k > 0
    assert v.terms.kind == "fixed" or 0 < v.p <= v.p_judge <= 1
    record = json.dumps(v.to_dict(), allow_nan=False)
    for text in (message, repr(v), v._repr_html_(), v.to_frame().to_string(), record):
        assert "100 %" not in text
        assert not re.search(r"\bnan\b|1 key in [01] |p <=? 0(?![.\d])", text)
    for value in re.findall(r"p <=? ([0-9.e-]+)", message):
        assert float(value.rstrip(".")) >= 1e-15
    assert message.count("stolen") == message.count("not the probability that the model was stolen")
    silent, of_all = int(v.unanswered.sum()), f"of {plural(v.n, v.unit.name)}"
    lost = "are unreadable" if v.terms.kind == "bits" else "went unanswered"
    assert (f"{silent} {of_all} {lost} and count as misses" in message) == bool(silent)
    assert len(v.to_frame()) == v.n


@given(verdicts())
def test_a_verdict_speaks_of_what_it_asked(v):
    """Weights were asked nothing and answer nothing; a service has no bits."""
    message = " ".join([" ".join(v.explain().split()), repr(v), v._repr_html_(), *v.to_dict()])
    strange = r"service|question|unanswered" if v.terms.kind == "bits" else r"\bbits?\b|weights"
    assert not re.search(strange, message)


@given(verdicts())
def test_no_verdict_tells_a_secret_in_json(v):
    message = v.to_dict()
    assert not any(isinstance(value, (list, dict, tuple)) for value in message.values())
    for part in ("k", "n", "family"):
        assert message[part] == getattr(v, part)
    assert message["decision"] == v.conclusion
    assert (message["p"] is None) == math.isnan(v.p)


@given(verdicts())
def test_the_decision_after_n_questions_is_that_of_n_questions(v):
    """One rule: what a lab shows of the first n answers is decided as if no more had been asked."""
    if v.terms.kind == "fixed":
        return
    again = [reach_verdict(v.answers.prefix(n), v.terms, family=v.family) for n in range(v.n + 1)]
    assert v.decisions == tuple(each.decision for each in again)
    assert [each.k for each in again] == [0, *np.cumsum(v.matched)]


# ------------------------------------------------------------------ bad input


anything = st.none() | st.booleans() | st.integers(-3, 40) | st.floats() | st.text(max_size=3)
anything |= st.just([3])


@given(anything)
def test_any_setting_is_taken_or_refused_in_one_sentence_before_anything_is_asked(words, value):
    whole = isinstance(value, int) and not isinstance(value, bool)
    for name, good in {
        "questions": value is None or (whole and 1 <= value <= 30),
        "family": whole and value >= 1,
    }.items():
        asked = []

        def query(images, asked=asked):
            asked.append(images)
            return np.zeros(len(images), int)

        if good:
            assert wm.verify(query, words, **{name: value}).decision in ("not found", "cannot tell")
        else:
            with pytest.raises((TypeError, ValueError)) as caught:
                wm.verify(query, words, **{name: value})
            assert "\n" not in str(caught.value)
            assert not asked


@pytest.mark.parametrize("questions", [0, 31, -2, 1.5])
def test_only_as_many_questions_as_were_sealed(says, questions, words):
    with says((ValueError, TypeError)):
        wm.verify(knows(words, 1), words, questions=questions)


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda images: np.zeros(len(images) - 1, int),
        lambda images: np.zeros((len(images), 10)),
        lambda images: np.full(len(images), 0.5),
        lambda images: ["three"] * len(images),
        lambda images: None,
    ],
)
def test_a_query_that_answers_nonsense(says, nonsense, words):
    with says(ValueError):
        wm.verify(nonsense, words)


def test_family_must_be_a_count(says, words):
    with says(ValueError):
        wm.verify(knows(words, 1), words, family=0)


# ------------------------------------------------------- what is no query, and what are no triggers


class Model:
    """Looks like a torch module, which can be called, too: it has a state_dict."""

    def state_dict(self):
        return {}

    def __call__(self, images):
        pytest.fail("it was asked")


NO_QUERY = {
    "Model": Model(),
    "an address": "http://127.0.0.1:8000/v2/models/m",
    "None": None,
    "the class BlackBox": wm.BlackBox,
    "3": 3,
    "list": [len],
}


@pytest.mark.parametrize("query", NO_QUERY)
def test_a_model_or_an_address_is_no_query(says, words, query):
    with says(TypeError):
        wm.verify(NO_QUERY[query], words)
    asked = []
    with says(TypeError):
        wm.verify(asked.append, words, nulls=[len, NO_QUERY[query]])
    assert not asked, "the service was asked before its null models were looked at"


@pytest.mark.parametrize("nulls", [None, len, "abc"])
def test_null_models_come_in_a_list(says, words, nulls):
    with says(TypeError):
        wm.verify(len, words, nulls=nulls)


def test_null_models_may_come_from_anywhere_once(words):
    nulls = (null for null in innocents(3))
    assert len(wm.verify(knows(words, 0), words, nulls=nulls).nulls) == 3


@pytest.mark.parametrize("triggers", [len, wm.Content(), None, "triggers"], ids=str)
def test_triggers_are_a_sealed_set(says, words, triggers):
    with says(TypeError):
        wm.verify(words, triggers)


def test_a_marked_model_is_told_where_its_triggers_are(says, words):
    from wmlearn.training.history import History
    from wmlearn.watermarks.embedding import Marked

    marked = Marked(None, History(()), words, False)
    with says(TypeError):
        wm.verify(len, marked)


def test_a_service_that_answers_unequal_lists(says, words):
    with says(ValueError):
        wm.verify(lambda images: [[1], [1, 2]], words)


# ---------------------------------------------------------------- several suspects


@pytest.fixture(scope="module")
def thirty():
    return wm.Content(words=30)(wm.load_data("mnist"), n=60, alpha=0.005)


def knowing(triggers, share):
    """Return a service that knows the first questions and says nothing right of the others."""
    right = np.arange(len(triggers.pixels)) < share * len(triggers.pixels)
    labels = np.where(right, triggers.labels, (triggers.labels + 1) % 10)
    return lambda images: labels[: len(images)]


def test_the_clearest_case_pays_for_all(says, thirty):
    shares = {"none": 0, "all": 1, "three": 0.1}
    suspects = {name: knowing(thirty, share) for name, share in shares.items()}
    verdicts = wm.verify_all(suspects, thirty)
    assert list(verdicts) == ["none", "all", "three"]
    assert {name: verdict.decision for name, verdict in verdicts.items()} == {
        "none": "not found",
        "all": "found",
        # 278 to 1 in three questions: enough for a bound of 0.005, not for half of it
        "three": "not found",
    }
    assert wm.verify(suspects["three"], thirty).decision == "found"
    assert [verdict.family for verdict in verdicts.values()] == [2, 3, 2]
    frame = verdicts.to_frame()
    assert frame.loc["all", ["k", "n", "decision"]].tolist() == [30, 30, "found"]
    says(repr(verdicts))
    says(verdicts._repr_html_())
    assert len(verdicts.plot().patches) == 3


def test_nobody_innocent_is_accused_with_the_others(thirty):
    models = wm.null_models("mnist", n=6)
    innocents = {f"null {i}": wm.BlackBox(model) for i, model in enumerate(models)}
    verdicts = wm.verify_all({**innocents, "copy": knowing(thirty, 1)}, thirty)
    assert {name for name, verdict in verdicts.items() if verdict.decision == "found"} == {"copy"}


@pytest.mark.parametrize("bad", [{}, [len], None, {"shop": "http://x"}])
def test_suspects_that_are_none(says, thirty, bad):
    with says(TypeError):
        wm.verify_all(bad, thirty)
