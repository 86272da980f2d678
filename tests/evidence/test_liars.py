"""What a dishonest owner may do, and what a judge says of an innocent then: never `found`."""

import dataclasses
import functools
import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

import wmlearn as wm
from wmlearn.data.splits import Split
from wmlearn.evidence import commitment, stats
from wmlearn.evidence.answers import Answers
from wmlearn.evidence.rules import SEALS_TRIED, Rules, Terms
from wmlearn.evidence.trigger_set import Sealed, seal_triggers
from wmlearn.evidence.verdict_kinds import JudgedVerdict, reach_verdict

ALPHAS = (0.05, 0.01, 0.001)
DICE = "three dice, thrown in class on 3 May"


@pytest.fixture(autouse=True, scope="module")
def each_seal_once():
    """Draw from each seal by the real hash, which is slow on purpose, but only once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commitment, "label_seed", functools.cache(commitment.label_seed))
        yield


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def triggers(mnist):
    return wm.Noise()(mnist, n=30, alpha=0.05, key=bytes(range(32)))


def resealed(triggers, key, rules=None, outcome=""):
    """Seal the same images again: every label is drawn anew."""
    sealed = seal_triggers(
        triggers.pixels,
        triggers.question,
        triggers.names,
        rules=rules or triggers.rules,
        key=key,
        recipe="lies",
    )
    return sealed.draw(outcome)


def answering(triggers, labels):
    """Return a service that gives each trigger image its label, in whatever order they come."""
    known = dict(zip((image.tobytes() for image in triggers.images), labels))
    return lambda images: np.array([known[image.tobytes()] for image in images])


def right_at(triggers, places):
    """Return a service that knows the answers at these places, and misses all others."""
    labels = (triggers.answers + 1) % 10
    labels[places] = triggers.answers[places]
    return answering(triggers, labels)


def by_brightness(images):
    """Answer as an innocent who has never heard of a key."""
    return (images.mean((1, 2, 3)) * 1000).astype(int) % 10


def judged(triggers, query, named=None, **known):
    if named is None:
        named = list(range(triggers.n))
    opened = wm.evidence.open_questions(triggers, named)
    return wm.evidence.judge(query, opened, seal=triggers.seal, named=named, **known)


# ---------------------------------------------------------------- ordering, and windows


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.integers(1, 12))
def test_any_order_of_the_named_questions_gives_the_same_verdict(triggers, order, right, count):
    query, named = right_at(triggers, list(right)), order[:count]
    lied, sealed = (judged(triggers, query, each).to_dict() for each in (named, sorted(named)))
    assert lied == sealed
    assert lied["k"] == len(right & set(named))


def test_matched_first_is_what_the_sealed_order_says(triggers):
    """Nine of thirty, the nine first: a path of wealth would have gone beyond a million."""
    places = list(range(21, 30))
    named = [*places, *range(21)]
    verdict = judged(triggers, right_at(triggers, places), named, alpha=0.05)
    assert (verdict.k, verdict.decision) == (9, "not found")
    assert verdict.matched.tolist() == [False] * 21 + [True] * 9
    assert stats.anytime_p(stats.wealth_path([True] * 9, 0.1)) < 1e-6


# ---------------------------------------------------------------- grinding


@pytest.fixture
def quick(monkeypatch):
    """Draw labels by a hash that costs nothing: only then are thousands of seals a test."""

    def seed(sealed, outcome=""):
        return hashlib.sha256(sealed.encode() + outcome.encode()).digest()

    monkeypatch.setattr(commitment, "label_seed", seed)


def ground(triggers, outcome):
    """Yield 2^12 sets with another owner's name each: the cheapest way to another seal."""
    beacon = DICE if outcome else ""
    for number in range(2**12):
        declared = wm.evidence.Declared(owner=f"Alice {number}", beacon=beacon)
        rules = dataclasses.replace(triggers.rules, declared=declared)
        tree = {name: triggers.header[name] for name in ("questions", "root")}
        parts = {each.name: getattr(triggers, each.name) for each in dataclasses.fields(Sealed)}
        parts |= {"rules": rules, "header": rules.header() | tree}
        yield Sealed(**parts).draw(outcome)


@pytest.mark.parametrize("outcome", ["", "4 1 6"], ids=["ground", "ground after the dice"])
def test_the_luckiest_of_thousands_of_seals_convinces_the_owner_and_no_judge(
    triggers, quick, outcome
):
    """It suits an innocent best; and no judge can know that it is older than the dice."""
    said = by_brightness(triggers.images)
    query = answering(triggers, said)
    lucky = [each for each in ground(triggers, outcome) if (each.answers == said).sum() > 7]
    best = min(lucky, key=lambda each: wm.verify(query, each).p)
    owners = wm.verify(query, best)
    assert (owners.decision, owners.conclusion) == ("found", "found, if this was the only seal")
    assert owners.p < 0.01
    assert judged(best, query, alpha=0.05).decision == "not found"
    throws = [bytes([throw]) for throw in range(20)]
    named = [wm.evidence.challenge(best.seal, each, questions=30, count=20) for each in throws]
    assert {judged(best, query, each, alpha=0.05).decision for each in named} == {"not found"}


def test_one_pixel_by_one_step_draws_all_labels_anew(triggers, quick):
    pixels = triggers.pixels.copy()
    kept = []
    for place in range(200):
        pixels.reshape(-1)[place] ^= 1  # stays, so each time another image
        tweaked = dataclasses.replace(triggers, pixels=pixels.copy())
        kept.append((resealed(tweaked, triggers.key).answers == triggers.answers).sum())
    assert np.mean(kept) == pytest.approx(3, abs=0.5)  # of thirty, one in ten
    assert max(kept) <= 12


# ---------------------------------------------------------------- whose alpha


def test_a_judge_decides_at_the_judges_own_alpha(triggers):
    """18 of 20: the judge's p is .044; the owner's own bound is not asked."""
    named = list(range(20))
    query = right_at(triggers, named[:18])
    verdicts = {alpha: judged(triggers, query, named, alpha=alpha) for alpha in ALPHAS}
    assert {verdict.p_judge for verdict in verdicts.values()} == {verdicts[0.05].p_judge}
    assert 0.01 < verdicts[0.05].p_judge < 0.05
    decisions = [verdict.decision for verdict in verdicts.values()]
    assert decisions == ["found", "not found", "not found"]
    assert verdicts[0.05].confidence == 1 - verdicts[0.05].p_judge


@pytest.mark.parametrize("alpha", [0.5, 0.9999999])
def test_an_alpha_that_convinces_nobody_is_not_sealed_and_an_old_one_binds_no_judge(
    says, mnist, triggers, alpha
):
    with says(ValueError):
        wm.Noise()(mnist, n=30, alpha=alpha)
    old = resealed(triggers, bytes(32), dataclasses.replace(triggers.rules, alpha=alpha))
    query = right_at(old, [0, 1])
    assert wm.verify(query, old).decision == "found"
    for own in ALPHAS:
        verdict = judged(old, query, alpha=own)
        assert (verdict.alpha, verdict.decision) == (own, "not found")


def test_where_no_perfect_copy_could_be_found_both_say_so(says, mnist):
    """Two classes and thirty questions: a coin thrown thirty times, 2^48 times over."""
    few = {}
    for name in ("train", "loot", "test"):
        split = getattr(mnist, name)
        few[name] = split.take(split.labels < 2)
    binary = wm.Splits("two digits", few["train"], few["loot"], few["test"], ("0", "1"))
    with says(UserWarning):
        sealed = wm.Noise()(binary, n=30, key=bytes(32))
    says(repr(sealed))
    assert not sealed.rules.convinces_a_judge(30)
    assert sealed.rules.convinces_a_judge(58)
    for alpha in ALPHAS:
        verdict = judged(sealed, answering(sealed, sealed.answers), alpha=alpha)
        assert (verdict.k, verdict.decision) == (30, "cannot tell")
    assert wm.verify(answering(sealed, sealed.answers), sealed).decision == "found"


# ---------------------------------------------------------------- a complete set


def test_a_lucky_beginning_that_is_not_borne_out_shows_both_and_convinces_no_judge(says, mnist):
    """Four of the first four, then none of 26: what cheap grinding yields."""
    sealed = wm.Noise()(mnist, n=30, key=bytes(range(32)))
    query = right_at(sealed, list(range(4)))
    verdict = wm.verify(query, sealed)
    assert verdict.decision == "found"
    assert not verdict.borne_out
    assert verdict.p_planned == pytest.approx(binom.sf(3, 30, 0.1))
    says(verdict.explain())
    for alpha, seals in itertools.product(ALPHAS, (None, 1)):
        beacon = None if seals is None else wm.evidence.Beacon("4 1 6", seals, 2**64)
        rules = dataclasses.replace(
            sealed.rules, declared=wm.evidence.Declared(beacon=DICE if beacon else "")
        )
        later = resealed(sealed, bytes(range(32)), rules, "4 1 6" if beacon else "")
        known = {"alpha": alpha, "beacon": beacon}
        query = right_at(later, list(range(4)))
        assert judged(later, query, **known).decision == "not found"


# ---------------------------------------------------------------- public draws


def before_the_dice(triggers, outcome="4 1 6"):
    declared = wm.evidence.Declared(beacon=DICE)
    rules = dataclasses.replace(triggers.rules, declared=declared)
    return resealed(triggers, bytes(range(32)), rules, outcome)


def test_few_matches_are_enough_where_the_judge_knows_how_many_seals_there_were(triggers):
    """Of thirty 24 without a public draw, ten with one that a single seal was out before."""
    later = before_the_dice(triggers)
    query = right_at(later, list(range(10)))
    needed = {}
    for seals in (1, 1000):
        verdict = judged(later, query, beacon=wm.evidence.Beacon("4 1 6", seals, 2**64))
        needed[seals] = verdict.needed
        assert verdict.p_judge == pytest.approx(seals * binom.sf(9, 30, 0.1))
    alone = judged(later, query)
    assert (needed[1], needed[1000], alone.needed) == (10, 14, 24)
    assert alone.decision == "not found"


def test_a_draw_that_was_not_sealed_or_came_out_otherwise_is_refused(says, triggers):
    query = right_at(triggers, [0])
    with says(ValueError):
        judged(triggers, query, beacon=wm.evidence.Beacon("4 1 6", 1, 2**64))
    with says(ValueError):
        judged(before_the_dice(triggers), query, beacon=wm.evidence.Beacon("6 6 6", 1, 2**64))
    with says(ValueError):
        before_the_dice(triggers, outcome="")


# ---------------------------------------------------------------- what is brought


def test_clean_images_of_the_owners_choice_change_nothing_for_a_judge(triggers):
    """The triggers themselves, with the secret labels: the numbering that suits best."""
    said = by_brightness(triggers.images)
    query, chosen = answering(triggers, said), Split(triggers.pixels, triggers.labels)
    opened = wm.evidence.open_questions(triggers, list(range(30)))
    brought = dataclasses.replace(opened, clean=chosen)
    with_them, without = (
        wm.evidence.judge(query, each, seal=triggers.seal, named=list(range(30)), alpha=0.05)
        for each in (brought, opened)
    )
    assert with_them.to_dict() == without.to_dict()
    assert with_them.calibration is None


def test_what_alice_opened_convicts_nobody_for_mallory(says, triggers):
    declared = wm.evidence.Declared(owner="Alice")
    named_alice = dataclasses.replace(triggers.rules, declared=declared)
    for rules in (named_alice, triggers.rules):
        sealed = resealed(triggers, bytes(32), rules)
        opened = wm.evidence.open_questions(sealed, [0, 1], nonce=b"of Alice's judge")
        assert opened.brought_by("Alice", nonce=b"of Alice's judge") is opened
        with says(ValueError):
            opened.brought_by("Mallory", nonce=b"of another judge")


# ---------------------------------------------------------------- the judge's rule is exact


def judged_of(k, n, *, classes=10, alpha=0.001, family=1, seals=SEALS_TRIED, unanswered=0):
    """Return the verdict on k of n matches, the last ones unanswered."""
    labels = np.where(np.arange(n) < k, 0, 1)
    labels[n - unanswered :] = -1
    answers = Answers(labels, np.arange(n), np.zeros(n, int), classes)
    terms = Terms(alpha, classes, n, False, "judged", seals=seals)
    return reach_verdict(answers, terms, family=family)


GRID = list(itertools.product((1, 7, 30, 100), (2, 10, 100), (1.0, 8.0, SEALS_TRIED), (1, 6)))


@pytest.mark.parametrize(("n", "classes", "seals", "family"), GRID)
def test_p_and_the_line_are_those_of_the_binomial(n, classes, seals, family):
    """Every k, by scipy: the chance of accusing an innocent is at most alpha / (family * seals)."""
    p0 = 1 / classes
    tails = binom.sf(np.arange(n + 1) - 1, n, p0)
    verdicts = [
        judged_of(k, n, classes=classes, seals=seals, family=family, alpha=0.02)
        for k in range(n + 1)
    ]
    assert [verdict.p for verdict in verdicts] == pytest.approx(tails.tolist())
    judges = np.minimum(1, tails * seals).tolist()
    assert [verdict.p_judge for verdict in verdicts] == pytest.approx(judges)
    found = [verdict.decision == "found" for verdict in verdicts]
    accused = binom.pmf(np.arange(n + 1), n, p0)[found].sum()
    assert accused <= 0.02 / family / seals * (1 + 1e-9)
    enough = [k for k in range(n + 1) if min(1, tails[k] * seals) * family <= 0.02]
    assert {verdict.needed for verdict in verdicts} == {min(enough, default=n + 1)}
    assert found == [k in enough for k in range(n + 1)]
    others = {verdict.decision for verdict in verdicts if verdict.decision != "found"}
    assert others == {"not found" if enough else "cannot tell"}


@pytest.mark.parametrize("unanswered", [0, 2, 5, 20])
@pytest.mark.parametrize("rate", [0.15, 0.4, 1.0])
def test_the_chance_to_find_a_copy_is_that_of_every_outcome(unanswered, rate):
    """What got no answer cannot match: the copy has the others, one by one."""
    verdict = judged_of(0, 30, seals=1.0, unanswered=unanswered)
    answered = 30 - unanswered
    chance = 0.0
    for k in range(answered + 1):
        outcome = judged_of(k, 30, seals=1.0, unanswered=unanswered)
        assert isinstance(outcome, JudgedVerdict)
        chance += (outcome.decision == "found") * binom.pmf(k, answered, rate)
    assert verdict.chance_to_find(rate) == pytest.approx(chance)


def test_rules_that_allow_any_alpha_still_open_old_sets():
    assert Rules(("0", "1"), 0.9999999).alpha == 0.9999999
