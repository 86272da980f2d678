"""Clean images first: which number stands for which class, and whether the task is done at all."""

import copy
import dataclasses
import hashlib

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from scipy.stats import binom, binomtest, chisquare

import wmlearn as wm
from wmlearn.evidence import Beacon, Declared, commitment
from wmlearn.evidence.calibration import calibrate, clean_digest, names_given
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import seal_triggers

KEY = bytes(range(32))
SHUFFLED = np.array([4, 7, 0, 9, 1, 8, 3, 2, 6, 5])
CLASSES = tuple("0123456789")


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def clean(mnist):
    return mnist.test.take(np.arange(300))


@pytest.fixture(scope="module")
def triggers(mnist, clean):
    """Sixty questions, and the clean images sealed along."""
    return wm.Noise().seal(mnist, n=60, key=KEY, clean=clean).draw()


@pytest.fixture(scope="module")
def bare(mnist):
    """Sixty questions and no clean images."""
    return wm.Noise()(mnist, n=60, key=KEY)


class Copy:
    """A perfect copy: it knows all triggers and clean images, and numbers its classes its way."""

    def __init__(self, triggers, clean, renumber=lambda labels: labels):
        self.known = {}
        for part in (triggers, clean):
            for image, label in zip(part.pixels, part.labels):
                self.known[image.tobytes()] = label
        self.renumber = renumber
        self.asked = []

    def __call__(self, images):
        pixels = np.rint(255 * images).astype(np.uint8)
        self.asked.append(len(pixels))
        return self.renumber(np.array([self.known[image.tobytes()] for image in pixels]))


class Named(Copy):
    """One that names its classes, too."""

    classes = ()


def judged(query, triggers, **more):
    every = range(triggers.n)
    opened = wm.evidence.open_questions(triggers, every)
    return wm.evidence.judge(query, opened, seal=triggers.seal, named=every, **more)


RENUMBERED = {
    "rotated": lambda labels: (labels + 3) % 10,
    "permuted": lambda labels: SHUFFLED[labels],
    "renamed": lambda labels: labels + 100,
    "two swapped": lambda labels: np.where(labels < 2, 1 - labels, labels),
}


@pytest.mark.parametrize("name", RENUMBERED)
def test_a_perfect_copy_is_found_however_it_numbers_its_classes(name, triggers, clean):
    for test in (wm.verify, judged):
        suspect = Copy(triggers, clean, RENUMBERED[name])
        verdict = test(suspect, triggers)
        assert (verdict.decision, verdict.k) == ("found", 60)
        assert (verdict.calibration.right, verdict.calibration.asked) == (300, 300)
        assert verdict.calibration.renumbered
        assert verdict.to_dict()["task_accuracy"] == 1
        assert suspect.asked == [300, 60]  # clean images first, each image once


def test_without_clean_images_a_rotated_copy_is_not_found_and_the_power_says_on_what_it_rests(
    says, bare, clean
):
    verdict = wm.verify(Copy(bare, clean, RENUMBERED["rotated"]), bare)
    assert verdict.decision == "not found"
    says(verdict.explain())


def test_one_class_merged_into_another_costs_its_questions_alone(triggers, clean):
    suspect = Copy(triggers, clean, lambda labels: np.where(labels == 9, 3, labels) + 50)
    verdict = wm.verify(suspect, triggers)
    lost = np.isin(triggers.answers, [3, 9])
    fewer = min(np.sum(triggers.answers == 3), np.sum(triggers.answers == 9))
    assert verdict.matched[~lost].all()
    assert fewer <= lost.sum() - (60 - verdict.k) <= lost.sum()
    assert judged(suspect, triggers).decision == verdict.decision == "found"
    assert len(set(verdict.calibration.mapping.values())) == len(verdict.calibration.mapping)


def test_fewer_and_more_labels_than_classes_still_map_one_to_one(triggers, clean):
    counter = iter(range(10_000))
    parity = lambda labels: labels + 10 * np.array([next(counter) % 2 for _ in labels])  # noqa: E731
    for renumber in (lambda labels: labels // 2, parity):
        verdict = wm.verify(Copy(triggers, clean, renumber), triggers)
        mapping = verdict.calibration.mapping
        assert len(set(mapping.values())) == len(mapping) <= 10
        assert 0.4 < verdict.calibration.accuracy < 0.7
        assert (verdict.decision, verdict.k < 60) == ("found", True)


NO_SUSPECTS = {
    "chance": lambda labels: np.random.default_rng(1).integers(0, 10, len(labels)),
    "constant": lambda labels: np.full(len(labels), 4),
    "silent": lambda labels: np.full(len(labels), -1),
}


@pytest.mark.parametrize("name", NO_SUSPECTS)
def test_nobody_can_tell_of_a_service_that_does_not_do_the_task(says, name, triggers, clean):
    """Though it answers every question right."""

    def suspect(images):
        right = Copy(triggers, clean)(images)
        return NO_SUSPECTS[name](right) if len(images) == 300 else right

    for test in (wm.verify, judged):
        verdict = test(suspect, triggers)
        assert (verdict.decision, verdict.calibration.asked) == ("cannot tell", 300)
        assert verdict.calibration.accuracy < 0.3
    says(verdict.explain())


def test_a_service_that_guesses_does_not_look_skilled_on_few_images(mnist):
    """Under the mapping of its own answers it would do 3 of 10 as often as not."""
    few, rng = mnist.test.take(range(50)), np.random.default_rng(2)
    guessed = [
        calibrate(lambda images: rng.integers(0, 10, len(images)), few, 10) for _ in range(200)
    ]
    assert np.mean([each.accuracy for each in guessed]) < 0.12
    assert np.mean([each.does_the_task for each in guessed]) <= 0.01


def test_the_accuracy_that_is_sealed_decides(mnist, clean):
    for least, decision in ((0.97, "cannot tell"), (0.5, "found")):
        declared = Declared(least_accuracy=least)
        sealed = wm.Noise().seal(mnist, n=60, key=KEY, declared=declared, clean=clean).draw()
        off = lambda labels: np.where(np.arange(len(labels)) % 20 == 7, 0, labels)  # noqa: E731
        assert judged(Copy(sealed, clean, off), sealed).decision == decision


def test_the_mapping_never_depends_on_the_secret_labels(mnist, clean):
    sets = [wm.Noise()(mnist, n=20, key=bytes([i] * 32)) for i in range(3)]
    for renumber in (RENUMBERED["permuted"], lambda labels: labels // 2):
        alone = calibrate(Copy(sets[0], clean, renumber), clean, 10).mapping
        for triggers in sets:
            verdict = wm.verify(Copy(triggers, clean, renumber), triggers, clean=clean)
            assert verdict.calibration.mapping == alone


def test_sealed_clean_images_that_were_changed_are_refused(says, triggers, clean, mnist, tmp_path):
    others = dataclasses.replace(clean, labels=np.roll(clean.labels, 1))
    opened = wm.evidence.open_questions(triggers, range(60))
    for changed in (others, None, mnist.test.take(np.arange(299))):
        with says(ValueError):
            wm.evidence.judge(
                Copy(triggers, clean),
                dataclasses.replace(opened, clean=changed),
                seal=triggers.seal,
                named=range(60),
            )
    path = opened.save(tmp_path / "opened.safetensors")
    same = wm.evidence.read_opening(path)
    verdict = wm.evidence.judge(Copy(triggers, clean), same, seal=triggers.seal, named=range(60))
    assert verdict.calibration.right == 300
    # In the owner's folder, too.
    wm.evidence.save_evidence(triggers, tmp_path / "evidence")
    assert wm.evidence.open_evidence(tmp_path / "evidence").clean is not None
    for file in (tmp_path / "evidence").glob("*.safetensors"):
        arrays = load_file(file)
        if "clean_pixels" in arrays:
            arrays["clean_pixels"][0, 0, 0, 0] ^= 1
            save_file(arrays, file)
    with says((OSError, ValueError)):
        wm.evidence.open_evidence(tmp_path / "evidence")


def test_a_judges_own_clean_images_come_before_the_sealed_ones(triggers, clean, mnist):
    own = mnist.test.take(np.arange(300, 500))
    suspect = Copy(triggers, mnist.test, RENUMBERED["rotated"])
    verdict = judged(suspect, triggers, clean=own)
    assert (verdict.decision, verdict.calibration.asked) == ("found", 200)


def test_the_printed_power_is_true_of_a_copy_that_numbers_its_classes_otherwise(says, mnist, clean):
    triggers = wm.Noise()(mnist, n=20, key=KEY)
    rng = np.random.default_rng(3)

    def keeps(share):
        """Return a copy that keeps so many answers and is wrong in the others."""
        kept = rng.random(20) < share
        answers = np.where(kept, triggers.answers, (triggers.answers + 5) % 10)
        replies = {300: clean.labels, 20: answers}
        return lambda images: (replies[len(images)] + 3) % 10

    verdicts = [wm.verify(keeps(0.4), triggers, clean=clean) for _ in range(400)]
    found = sum(verdict.decision == "found" for verdict in verdicts)
    assert binomtest(found, 400, verdicts[0].chance_to_find(0.4)).pvalue > 1e-3
    missed = wm.verify(keeps(0.0), triggers, clean=clean)
    assert "if it numbers its classes" not in missed.explain()
    says(missed.explain())


# ---------------------------------------------------------------- owners who choose clean images


def innocent(images):
    """Return labels that have nothing to do with any key, as good as random."""
    return (images.mean((1, 2, 3)) * 1e5).astype(int) % 10


@pytest.fixture(scope="module")
def choices(mnist):
    """Two hundred sets of twenty clean images, and how each reads an innocent's twenty answers.

    Under each set the innocent does the task without fault: for any numbering there is an image of
    each class that it happens to give the number wanted.
    """
    labels, rng = innocent(mnist.test.images), np.random.default_rng(4)
    given = innocent(mnist.train.images[:20])
    sets, seen = [], []
    for _ in range(200):
        wanted = rng.permutation(10)
        images = []
        for label in range(10):  # two of each class: one for each half
            fitting = (labels == label) & (mnist.test.labels == wanted[label])
            images.extend(rng.choice(np.flatnonzero(fitting), 2))
        sets.append(mnist.test.take(np.array(images)))
        calibration = calibrate(innocent, sets[-1], 10)
        assert calibration.mapping == dict(enumerate(wanted.tolist()))
        assert calibration.accuracy == 1
        seen.append(calibration.translate(given))
    return sets, np.array(seen)


@pytest.fixture
def quick(monkeypatch):
    """The hash that is slow on purpose is another."""
    fast = lambda sealed, outcome="": hashlib.sha256((sealed + outcome).encode()).digest()  # noqa: E731
    monkeypatch.setattr(commitment, "label_seed", fast)


def sealed_anew(mnist, i, **declared):
    """Return the same twenty images, sealed under another key, and their labels still to come."""
    rules = Rules(CLASSES, 0.05, declared=Declared(**declared))
    pixels, names = mnist.train.pixels[:20], [f"picture {q}" for q in range(20)]
    key = hashlib.sha256(f"key {i}".encode()).digest()
    return seal_triggers(pixels.copy(), np.arange(20), names, rules=rules, key=key, recipe="")


def test_an_owner_who_picks_clean_images_to_suit_never_exceeds_alpha_before_a_judge(
    mnist, choices, quick
):
    """They take the set that would have helped most in a draw before.

    The labels are drawn after it is sealed, so the matches are exactly Binomial. The judge's factor
    is made 1, by a public draw, or nothing would ever be found.
    """
    sets, seen = choices
    digests = [clean_digest(clean) for clean in sets]
    beacon, counts, found = Beacon("4 1 6", 1, 2**64), [], 0
    for i in range(2000):
        drawn = sealed_anew(mnist, i, clean=digests[0]).draw().answers
        best = (seen == drawn).sum(1).argmax()
        sealed = sealed_anew(mnist, i, clean=digests[best], beacon="three dice")
        triggers = sealed.with_clean(sets[best]).draw(beacon.outcome)
        verdict = judged(innocent, triggers, alpha=0.05, beacon=beacon)
        assert verdict.k == (seen[best] == triggers.answers).sum()
        counts.append(verdict.k)
        found += verdict.decision == "found"
    chance = binom.sf(verdict.needed - 1, 20, 0.1)
    assert chance <= 0.05
    assert binomtest(found, 2000, chance).pvalue > 1e-3
    expected = 2000 * binom.pmf(np.arange(6), 20, 0.1)
    observed = np.bincount(counts, minlength=21)[:6]
    rest = [2000 - expected.sum()], [2000 - observed.sum()]
    assert chisquare([*observed, *rest[1]], [*expected, *rest[0]]).pvalue > 1e-3


def test_clean_images_picked_in_hindsight_convict_innocents_so_verify_is_the_owners_word_alone(
    mnist, choices, quick
):
    sets, seen = choices
    found = 0
    for i in range(100):
        triggers = sealed_anew(mnist, i).draw()
        best = (seen == triggers.answers).sum(1).argmax()
        verdict = wm.verify(innocent, triggers, clean=sets[best])
        found += verdict.decision == "found"
        assert verdict.conclusion != "found"
        assert judged(innocent, triggers).calibration is None  # unsealed, they are not opened
    assert found > 30  # of 100, where alpha is 0.05


# ---------------------------------------------------------------- names


def named(triggers, clean, names, renumber):
    suspect = Named(triggers, clean, renumber)
    suspect.classes = names
    return suspect


def test_classes_are_matched_by_the_names_that_a_service_gives_them(says, bare, clean):
    names = [str((label - 3) % 10) for label in range(10)]
    for test in (wm.verify, judged):
        suspect = named(bare, clean, names, RENUMBERED["rotated"])
        verdict = test(suspect, bare)
        assert (verdict.decision, verdict.k) == ("found", 60)
        assert verdict.to_dict()["task_accuracy"] is None  # names say nothing of it
        assert suspect.asked == [60]
        says(verdict.explain())
    nobody = named(bare, clean, names, lambda labels: labels * 0)
    says(wm.verify(nobody, bare).explain())


def test_the_names_are_in_the_log_and_a_continued_test_keeps_to_them(bare, clean, tmp_path):
    folder = wm.evidence.save_evidence(bare, tmp_path / "evidence")
    names = [str((label - 3) % 10) for label in range(10)]
    suspect = named(bare, clean, names, RENUMBERED["rotated"])
    first = wm.SequentialTest(suspect, bare, folder=folder, whom="shop")
    assert first.ask(20).k == 20
    assert wm.evidence.read_log(folder)[1].classes == tuple(names)
    suspect.classes = list("0123456789")  # renamed meanwhile: those given before count
    again = wm.SequentialTest(suspect, bare, folder=folder, whom="shop")
    assert (again.verdict.k, again.ask().k) == (20, 60)


@pytest.mark.parametrize(
    "names", [None, 10, "0123456789", (), list("abcdefghij"), ["0"] * 10, list("01234567899")]
)
def test_other_names_are_ignored(names, bare, clean):
    assert names_given(named(bare, clean, names, None), CLASSES) == ()
    verdict = wm.verify(named(bare, clean, names, lambda labels: labels), bare)
    assert (verdict.decision, verdict.calibration) == ("found", None)


def test_false_names_gain_no_more_than_other_numbers_and_clean_images_see_through_them(bare, clean):
    liar = named(bare, clean, list("3456789012"), lambda labels: labels)
    assert wm.verify(liar, bare).k == 0
    assert wm.verify(liar, bare, clean=clean).decision == "found"
    assert judged(liar, bare, clean=clean).decision == "found"


class Rotated(torch.nn.Module):
    """A stolen network whose classes are numbered otherwise."""

    def __init__(self, model):
        super().__init__()
        self.model, self.input_shape = copy.deepcopy(model), model.input_shape

    def forward(self, images):
        return torch.roll(self.model(images), 3, 1)


def test_a_real_service_that_names_its_classes(mnist):
    triggers = wm.Noise()(mnist, n=100, key=wm.CLASSROOM_KEY)
    thief = Rotated(wm.load_model("mnist/noise"))
    names = [str((label - 3) % 10) for label in range(10)]
    options = wm.ServiceOptions(classes=names)
    with wm.serve(thief, name="named", options=options) as service:
        suspect = wm.RemoteModel(service.url)
        assert suspect.classes == tuple(names)
        everybody = {"named": suspect, "unnamed": wm.BlackBox(thief)}
        verdicts = wm.verify_all(everybody, triggers)
        assert wm.verify(suspect, triggers).decision == "found"
    assert verdicts["named"].decision == "found"
    assert verdicts["unnamed"].decision == "not found"
