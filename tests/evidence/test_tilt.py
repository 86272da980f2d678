"""Signs that answers lean by: exact for any suspect that is independent of them, and nothing else
counts.
"""

import copy
import itertools
import pickle
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.ndimage import correlate

import wmlearn as wm
from wmlearn.evidence import Beacon, Declared, commitment, stats
from wmlearn.evidence.rules import Rules, Terms
from wmlearn.evidence.tilt import Ruler, Signs, _measured, seal_tilt, smooth
from wmlearn.evidence.verdict_kinds import reach_verdict
from wmlearn.watermarks import Tilt, Tilted, embed_tilt
from wmlearn.watermarks.tilt import kin


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def references(mnist):
    return kin(mnist, 5, wm.small_cnn, wm.Schedule(epochs=4), seed=0)


@pytest.fixture(scope="module")
def tilt(mnist, references):
    return Tilt()(mnist, references=references, key=wm.CLASSROOM_KEY)


@pytest.fixture(scope="module")
def owner(mnist):
    return wm.fit(wm.small_cnn(mnist), mnist, schedule=wm.Schedule(epochs=4)).model


@pytest.fixture(scope="module")
def service(owner, tilt):
    return Tilted(wm.BlackBox(owner, scores=True), tilt)


def drawn_ruler(seed, images=40, classes=3, features=4, side=8):
    """A ruler of random numbers, and images for it."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (images, 1, side, side), dtype=np.uint8)
    votes = rng.multinomial(5, np.ones(classes) / classes, images)
    projection = rng.integers(-(2**20), 2**20, (features, (side // 2) ** 2))
    zeros = np.zeros(features, np.int64)
    spread = rng.integers(1, 10_000, (classes, features))
    return pixels, Ruler(projection, zeros, zeros, votes, spread)


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("weights", [[1, 2, 4], [3, 3, 0, 5, 64], [0, 0], list(range(1, 13))])
def test_the_law_of_a_signed_sum_is_that_of_all_signs_there_are(weights):
    sums = [int(np.dot(weights, signs)) for signs in itertools.product((0, 1), repeat=len(weights))]
    law = np.bincount(sums, minlength=sum(weights) + 1) / 2 ** len(weights)
    assert np.array_equal(stats.signed_sum_law(weights), law)
    for signs in itertools.product((False, True), repeat=min(len(weights), 5)):
        plus = np.array([*signs, *[True] * (len(weights) - len(signs))])
        expected = law[int(np.dot(weights, plus)) :].sum()
        assert stats.signed_sum_p(weights, plus) == pytest.approx(expected, rel=1e-12)


def test_a_small_chance_of_a_long_sum_is_exact_to_the_last_digits():
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 65, 160)
    counts = [1]
    for weight in weights.tolist():
        grown = [0] * (len(counts) + weight)
        for place, count in enumerate(counts):
            grown[place] += count
            grown[place + weight] += count
        counts = grown
    plus = rng.random(160) < 0.9
    exact = Fraction(sum(counts[int(weights[plus].sum()) :]), 2**160)
    assert 0 < exact < 1e-15
    assert stats.signed_sum_p(weights, plus) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("shape", [(2, 1, 28, 28), (1, 3, 9, 7)])
def test_smoothing_is_a_blur_and_a_mean_of_four(shape):
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    kernel = np.outer([1, 2, 1], [1, 2, 1])[None, None]
    blurred = correlate(pixels.astype(int), kernel, mode="constant")
    even = blurred[..., : shape[2] // 2 * 2, : shape[3] // 2 * 2]
    summed = (
        even[..., ::2, ::2] + even[..., 1::2, ::2] + even[..., ::2, 1::2] + even[..., 1::2, 1::2]
    )
    assert np.array_equal(smooth(pixels), summed.reshape(shape[0], -1))


def test_the_statistic_is_what_its_sentence_says():
    pixels, ruler = drawn_ruler(2)
    labels = np.random.default_rng(3).integers(-2, 4, len(pixels))
    features = (smooth(pixels) @ ruler.projection.T) // 2**20
    by_hand = np.zeros(ruler.spread.shape, np.int64)
    for label, votes, feature in zip(labels, ruler.votes, features):
        if label in (0, 1, 2):  # anything else is no answer, and adds nothing
            for c in range(3):
                by_hand[c] += (5 * (label == c) - votes[c]) * feature
    assert np.array_equal(ruler.statistic(labels, pixels), by_hand)
    exact = np.floor(16 * np.abs(by_hand) / ruler.spread + 0.5)
    assert np.array_equal(ruler.weights(by_hand, "weighted"), np.minimum(exact, 64))


def test_a_feature_is_the_same_for_floats_and_for_whole_numbers(mnist, tilt):
    images = mnist.test.take(range(50))
    features = tilt.ruler.features(images.pixels) / 4096
    added = features @ tilt.signs.T / 4  # size 1, sixteen features
    assert np.allclose(tilt.lean(images.images), added, atol=1e-9)
    assert np.allclose(tilt.ruler.features(mnist.train.pixels).std(0) / 4096, 1, atol=0.01)


# ---------------------------------------------------------------- innocents


@pytest.mark.parametrize("test", ["weighted", "signs", "bets"])
def test_whatever_a_suspect_answers_it_is_found_as_rarely_as_was_promised(monkeypatch, test):
    # without scrypt: three thousand keys
    monkeypatch.setattr(commitment, "label_seed", lambda seal, outcome="": bytes.fromhex(seal))
    pixels, ruler = drawn_ruler(4)
    answers = np.random.default_rng(5).integers(0, 3, len(pixels))
    suspects = [np.full(len(pixels), 1), answers, ruler.votes.argmax(1)]
    p_values = {place: [] for place in range(len(suspects))}
    for number in range(1000):
        key = number.to_bytes(32, "big")
        rules = Rules(("a", "b", "c"), 0.05)
        tilt = seal_tilt(pixels, ruler, rules, size=1.0, test=test, key=key)
        for place, said in enumerate(suspects):
            verdict = wm.evidence.verify_tilt(lambda images, said=said: said, tilt)
            p_values[place].append(verdict.p)
    for found in p_values.values():
        for alpha in (0.5, 0.1, 0.05):
            most = 1000 * alpha + 4 * np.sqrt(1000 * alpha * (1 - alpha))
            assert np.sum(np.array(found) <= alpha) <= most
        spoken = np.mean(np.array(found) <= 0.5)
        assert spoken > (0.15 if test == "bets" else 0.3)  # and it is no test that never speaks


def test_null_models_and_others_are_not_found(tilt, owner):
    for null in [owner, *wm.null_models("mnist", n=6)]:
        assert wm.evidence.verify_tilt(wm.BlackBox(null), tilt).decision == "not found"
    lazy = wm.evidence.verify_tilt(lambda images: np.full(len(images), 7), tilt)
    silent = wm.evidence.verify_tilt(lambda images: np.full(len(images), -1), tilt)
    assert (lazy.decision, silent.decision) == ("not found", "cannot tell")
    assert (silent.p, silent.k, silent.answers.n_unreachable) == (1, 0, len(tilt.pixels))


# ---------------------------------------------------------------- a service that leans


def test_a_service_that_leans_is_found_and_changes_few_answers(service, owner, tilt, mnist, says):
    verdict = wm.evidence.verify_tilt(service, tilt)
    assert verdict.decision == "found"
    assert verdict.p < 1e-6
    assert verdict.p_judge == 1  # without a public draw
    assert verdict.answers.queries == len(tilt.pixels)
    plain = wm.BlackBox(owner)(mnist.test.images)
    assert 0.01 < np.mean(service(mnist.test.images) != plain) < 0.06
    says(verdict.explain())
    says(repr(verdict))
    assert wm.evidence.verify_tilt(service, tilt, family=10**12).decision == "not found"


def test_half_the_answers_weigh_less_and_are_no_mistake(service, tilt):
    def half(images):
        return np.where(np.arange(len(images)) % 2, service(images), -1)

    whole, part = (wm.evidence.verify_tilt(each, tilt) for each in (service, half))
    assert part.answers.n_unreachable == -(-len(tilt.pixels) // 2)
    assert whole.p < part.p < 0.5


def test_classes_in_another_order_are_found_with_clean_images(service, tilt, mnist):
    def turned(images):
        return (service(images) + 3) % 10

    clean = mnist.test.take(range(300))
    assert wm.evidence.verify_tilt(turned, tilt).decision == "not found"
    assert wm.evidence.verify_tilt(turned, tilt, clean=clean).decision == "found"


def test_a_lean_is_in_the_weights_beside_triggers(mnist, owner, tilt):
    triggers = wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)
    schedule = wm.Schedule(epochs=5)
    made = embed_tilt(
        wm.small_cnn(mnist), mnist, tilt, teacher=owner, triggers=triggers, schedule=schedule
    )
    suspect = wm.BlackBox(made.model)
    assert wm.verify(suspect, triggers).k >= 27
    assert wm.evidence.verify_tilt(suspect, tilt).p < 0.01
    assert made.task_accuracy > 0.9


# ---------------------------------------------------------------- sealed, opened, judged


def test_a_judge_draws_the_same_signs_and_needs_a_public_draw(mnist, references, owner):
    declared = Declared(owner="Alice Ltd", beacon="25 dice on 3 May")
    waiting = Tilt()(mnist, references=references, key=bytes(32), declared=declared)
    with pytest.raises(ValueError, match="wait"):
        _ = waiting.signs
    tilt = waiting.draw("6 1 4")
    service = Tilted(wm.BlackBox(owner, scores=True), tilt)
    opened = wm.evidence.open_tilt(tilt, nonce=b"three dice")
    assert opened.brought_by("Alice Ltd", nonce=b"three dice") is opened
    seal, beacon = tilt.seal, Beacon("6 1 4", seals=3, outcomes=6**25)
    own = wm.evidence.verify_tilt(service, tilt)
    judged = wm.evidence.judge_tilt(service, opened, seal=seal, beacon=beacon)
    assert judged.p == own.p
    assert judged.p_judge == pytest.approx(3 * own.p)
    assert judged.decision == "found"
    alone = wm.evidence.judge_tilt(service, opened, seal=seal)
    assert (alone.p_judge, alone.decision) == (min(1.0, own.p * 2**48), "not found")
    for wrong in ({"outcome": "1 1 1"}, {"pixels": 255 - opened.pixels}, {"indices": ()}):
        with pytest.raises(ValueError, match="must"):
            wm.evidence.judge_tilt(service, replace(opened, **wrong), seal=seal, beacon=beacon)
    missing = {name: getattr(opened, name)[1:] for name in ("indices", "names", "secrets", "paths")}
    with pytest.raises(ValueError, match="missing"):
        wm.evidence.judge_tilt(service, replace(opened, **missing), seal=seal, beacon=beacon)


def test_an_opening_is_read_again_and_nothing_in_it_can_be_changed(tmp_path, tilt, service, says):
    path = wm.evidence.open_tilt(tilt).save(tmp_path / "opened.safetensors")
    opened = wm.evidence.read_opening(path)
    verdict = wm.evidence.judge_tilt(service, opened, seal=tilt.seal)
    assert verdict.p == wm.evidence.verify_tilt(service, tilt).p
    assert verdict.terms.public_key
    denied = replace(opened, public_key=False)
    assert wm.evidence.judge_tilt(service, denied, seal=tilt.seal).terms.public_key
    header = dict(opened.header) | {"spread": [[10, 16], [1] * 160]}
    with says(ValueError):
        wm.evidence.judge_tilt(service, replace(opened, header=header), seal=tilt.seal)
    with says(ValueError):  # another rule than any that is tested here
        forged = dict(opened.header) | {"test": "whatever suits"}
        wm.evidence.judge_tilt(
            service, replace(opened, header=forged), seal=commitment.seal(forged)
        )


def test_saved_and_opened_again_only_as_it_was(tmp_path, mnist, references, says):
    declared = Declared(beacon="dice")
    waiting = Tilt(features=4, test="signs")(
        mnist, references=references, key=bytes(32), declared=declared
    )
    tilt = waiting.draw("6 1 4")
    folder = wm.evidence.save_tilt(tilt, tmp_path / "tilt")
    again = wm.evidence.open_saved_tilt(folder)
    assert again.seal == tilt.seal
    assert np.array_equal(again.signs, tilt.signs)
    assert not np.array_equal(tilt.signs, waiting.draw("6 1 5").signs)
    assert (folder / "key.hex").stat().st_mode & 0o77 == 0
    with pytest.raises(FileExistsError):
        wm.evidence.save_tilt(tilt, folder)
    (folder / "key.hex").write_text("11" * 32)
    with says(ValueError):
        wm.evidence.open_saved_tilt(folder)


# ---------------------------------------------------------------- exactness, and owners who lie


@pytest.fixture(scope="module")
def small():
    """A tilt of random numbers, and what somebody answers to its images."""
    pixels, ruler = drawn_ruler(7)
    rules = Rules(("a", "b", "c"), 0.05)
    tilt = seal_tilt(pixels, ruler, rules, size=1.0, test="weighted", key=bytes(32))
    return tilt, np.random.default_rng(8).integers(-1, 4, len(pixels))


@pytest.mark.parametrize("test", ["weighted", "signs"])
def test_over_all_signs_there_are_no_p_value_comes_too_often(test):
    pixels, ruler = drawn_ruler(6, images=12, classes=2, features=4)
    pixels[6:] = pixels[:6]  # asked twice
    spread = np.where(np.arange(4) < 2, 2**39, ruler.spread)  # weights of 0
    ruler = replace(ruler, spread=spread)
    labels = np.random.default_rng(9).integers(-1, 3, 12)
    p_values = []
    for signs in itertools.product((-1, 1), repeat=8):
        answers = _measured(labels, np.reshape(signs, (2, 4)), pixels, ruler, test)
        p_values.append(reach_verdict(answers, Terms(0.05, 2, 8, False, kind="tilt")).p)
    levels, counts = np.unique(p_values, return_counts=True)
    assert np.allclose(np.cumsum(counts) / 2**8, levels, rtol=1e-12)


def test_whoever_bets_on_signs_may_stop_after_any_of_them(small):
    """By enumeration, in fractions: the bets are fair, and no line is reached too often."""
    weights = [64, 5, 0, 33, 17, 32, 9, 1]
    fair = [Fraction(0)] * 9
    most = []
    for plus in itertools.product((False, True), repeat=8):
        wealth, greatest = Fraction(1), Fraction(1)
        path = [wealth]
        for weight, won in zip(weights, plus):
            stake = Fraction(min(weight, 32), 64)
            wealth *= 1 + stake if won else 1 - stake
            greatest = max(greatest, wealth)
            path.append(wealth)
        fair = [sum(pair) for pair in zip(fair, path)]
        most.append(greatest)
        measured = stats.signed_wealth(weights, plus)
        assert np.allclose(np.exp(measured), np.array(path, float), rtol=1e-12)
        assert stats.anytime_p(measured) == pytest.approx(float(1 / greatest), rel=1e-12)
    assert fair == [2**8] * 9
    for line in set(most):
        assert Fraction(sum(reached >= line for reached in most), 2**8) <= 1 / line


def test_a_judge_of_bets_takes_the_first_signs_alone(small, says):
    tilt, _ = small
    ruler, rules, pixels = tilt.ruler, tilt.rules, tilt.pixels
    made = {"size": 1.0, "key": bytes(32)}
    bets = seal_tilt(pixels, ruler, rules, test="bets", **made)
    assert bets.seal != tilt.seal
    features = ruler.features(pixels) - ruler.middle
    answers = (features @ bets.signs.T).argmax(1)
    own = wm.evidence.verify_tilt(lambda images: answers, bets)
    path = stats.signed_wealth(own.weights, own.matched)
    for count in range(1, own.n + 1):
        opened = wm.evidence.open_tilt(bets, count)
        assert len(opened.secrets) == len(opened.paths) == count
        seen = wm.evidence.judge_tilt(lambda images: answers, opened, seal=bets.seal)
        assert (seen.n, seen.k) == (count, own.matched[:count].sum())
        assert seen.p == stats.anytime_p(path[: count + 1])
    assert seen.p == own.p < 1
    for wrong in (0, own.n + 1, True, "3"):
        with says((ValueError, TypeError)):
            wm.evidence.open_tilt(bets, wrong)
    with says(ValueError):  # the other tests weigh all signs
        wm.evidence.open_tilt(tilt, 3)
    first = wm.evidence.open_tilt(bets, 3)
    last = {name: getattr(first, name)[1:] for name in ("indices", "names", "secrets", "paths")}
    with says(ValueError):  # chosen ones, not the first
        wm.evidence.judge_tilt(lambda images: answers, replace(first, **last), seal=bets.seal)


def test_where_a_perfect_copy_could_not_be_found_nobody_can_tell():
    ones, replies = np.ones(2, int), np.zeros(9, int)
    answers = Signs(ones, np.arange(2), ones, 2, np.array([3, 5]), replies, 3, False)
    for seals, alpha, decision in [(1, 0.25, "found"), (2, 0.25, "cannot tell")]:
        terms = Terms(alpha, 2, 2, False, kind="judged tilt", seals=seals)
        verdict = reach_verdict(answers, terms)
        assert (verdict.p, verdict.p_judge, verdict.decision) == (0.25, 0.25 * seals, decision)


def test_a_lean_by_thousands_of_signs_has_a_p_above_zero():
    assert stats.signed_sum_p(np.ones(1200, int), np.ones(1200, bool)) == 1e-300


def test_clean_images_that_were_not_sealed_convince_nobody_else(small):
    tilt, labels = small
    clean = wm.data.Split(tilt.pixels, np.arange(40) % 3)
    verdict = wm.evidence.verify_tilt(lambda images: labels % 3, tilt, clean=clean)
    assert verdict.calibration.unsealed
    assert verdict.p_judge == 1


FORGED = {
    "huge": {"projection": [[4, 16], [2**62] * 64]},
    "least": {"projection": [[4, 16], [-(2**63)] * 64]},
    "beyond 64 bits": {"centre": [[4], [2**70] * 4]},
    "sums beyond": {"projection": [[4, 16], [2**39] * 64], "spread": [[3, 4], [2**61] * 12]},
    "negative votes": {"votes": [[40, 3], [-1, 3, 3] * 40]},
    "unequal votes": {"votes": [[40, 3], [1, 2, 2] * 39 + [1, 1, 1]]},
    "no references": {"votes": [[40, 3], [0] * 120]},
    "votes that wrap": {"votes": [[40, 3], [2**62, 2**62, 2**62] * 40]},
    "spread 0": {"spread": [[3, 4], [0] * 12]},
    "another image size": {"projection": [[4, 9], [1] * 36]},
    "a middle for each image": {"middle": [[40, 4], [1] * 160]},
    "more questions": {"questions": 13},
    "questions as a fraction": {"questions": 12.0},
    "fractions": {"centre": [[4], [0.5] * 4]},
    "yes and no": {"centre": [[4], [True] * 4]},
    "texts": {"centre": [[4], ["1"] * 4]},
    "nested": {"centre": [[4], [[[[1]]], 1, 1, 1]]},
    "no list": {"votes": None},
    "a negative axis": {"centre": [[-1], [1] * 4]},
    "an endless axis": {"projection": [[2**60, 0], []]},
    "another alpha": {"alpha": "nan"},
    "a class less": {"classes": ["a", "b"]},
    "one owner more": {"owner": ["a"]},
    "unknown": {"more": 1},
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_record_is_refused_before_anything_is_asked(small, forged):
    tilt, _ = small
    header = dict(tilt.header) | forged
    opened = replace(wm.evidence.open_tilt(tilt), header=header)
    with pytest.raises(ValueError, match="a tilt"):
        wm.evidence.judge_tilt(pytest.fail, opened, seal=commitment.seal(header))


def test_an_opening_in_any_order_is_the_same_and_a_damaged_one_is_none(small):
    tilt, labels = small
    opened = wm.evidence.open_tilt(tilt, nonce=b"mine")
    turned = {
        name: getattr(opened, name)[::-1] for name in ("indices", "names", "secrets", "paths")
    }

    def judged(**changed):
        found = replace(opened, **changed)
        return wm.evidence.judge_tilt(lambda images: labels, found, seal=tilt.seal, alpha=0.5)

    assert judged(**turned).p == judged().p == judged(question=np.arange(40)).p
    twice = (*opened.indices[:-1], 0)
    for wrong in (
        {"indices": twice},
        {"indices": (*opened.indices[:-1], -1)},
        {"indices": ("a",) * 12},
        {"names": opened.names[:-1]},
        {"secrets": turned["secrets"]},
        {"paths": [[]] * 12},
        {"pixels": opened.pixels[::-1]},
        {"pixels": opened.pixels[:-1]},
        {"outcome": "6 1 4"},
    ):
        with pytest.raises(ValueError, match=r"must|path"):
            judged(**wrong)
    with pytest.raises(ValueError, match="nonce"):
        opened.brought_by("Mallory", nonce=b"another")


def test_who_asks_the_wrong_judge_hears_of_the_right_one(small, mnist, says):
    tilt, labels = small
    opened = wm.evidence.open_tilt(tilt)
    with says(ValueError):
        wm.evidence.judge(lambda images: labels, opened, seal=tilt.seal, named=[0])
    triggers = wm.Content(words=30)(mnist, n=60, key=wm.CLASSROOM_KEY)
    asked = wm.evidence.open_questions(triggers, [4, 7])
    with says(ValueError):
        wm.evidence.judge_tilt(lambda images: labels, asked, seal=triggers.seal)


def test_verify_takes_a_tilt_as_it_takes_triggers(small):
    tilt, labels = small
    expected = wm.evidence.verify_tilt(lambda images: labels, tilt).p
    assert wm.verify(lambda images: labels, tilt).p == expected
    with pytest.raises(ValueError, match="Leave"):
        wm.verify(lambda images: labels, tilt, questions=3)
    with pytest.warns(UserWarning, match="division"):
        verdicts = wm.verify_all({"one": lambda images: labels, "two": lambda images: 1 / 0}, tilt)
    assert verdicts["one"].p == expected
    assert verdicts["two"].decision == "cannot tell"


# ---------------------------------------------------------------- a service in use


def test_a_leaning_service_refuses_and_counts_as_the_service_itself(owner, tilt, mnist):
    images = mnist.test.images[:5]
    service = Tilted(wm.BlackBox(owner, scores=True, budget=3), tilt)
    with pytest.raises(TypeError, match="uint8"):
        service(mnist.test.pixels[:5])
    with pytest.raises(ValueError, match="shape"):
        service(images[:, :, :8, :8])
    assert service(images[:0]).shape == (0,)
    assert (service(images) == -1).tolist() == [False] * 3 + [True] * 2
    assert (service(images) == -1).all()  # of no image does anybody know how many classes
    logits = wm.BlackBox(lambda images: np.full((len(images), 10), -3.0), scores=True)
    with pytest.raises(ValueError, match="softmax"):
        Tilted(logits, tilt)(images)


def test_float_noise_turns_no_answer(service, mnist):
    images = mnist.test.images[:200]
    noisy = np.clip(images + np.float32(1e-4), 0, 1)
    assert np.array_equal(service.tilt.lean(noisy), service.tilt.lean(images))


def test_a_leaning_service_is_served_and_keeps_its_secret(service, mnist):
    images = mnist.test.images[:20]
    options = wm.ServiceOptions(scores=True)
    with wm.serve(service, options=options) as running:
        remote = wm.RemoteModel(running.url)
        assert np.array_equal(remote(images), service(images))
        assert np.allclose(remote.scores(images), service.scores(images), atol=1e-6)
    assert service.classes is None
    assert copy.deepcopy(service) is service
    for secret in (service, service.tilt):
        with pytest.raises(TypeError, match="Keep"):
            pickle.dumps(secret)
        assert wm.CLASSROOM_KEY.hex() not in repr(secret)


# ---------------------------------------------------------------- what cannot be


def test_a_bad_setting(mnist, owner, tilt, says):
    with says(ValueError):
        Tilt(size=0)
    with says(ValueError):
        Tilt(test="whatever")
    with says(ValueError):  # they are of one mind
        Tilt()(mnist, references=[owner, owner])
    with says(TypeError):
        Tilted(lambda images: np.zeros(len(images), int), tilt)
    with says(ValueError):
        tilt.draw("6 1 4")
    with says(TypeError):
        wm.evidence.verify_tilt(wm.BlackBox(owner), "tilt")
