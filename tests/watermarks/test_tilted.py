"""A service that leans, at its doors: class orders, sets that were changed, and what cannot be."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import wmlearn as wm
from wmlearn.evidence import Beacon, Declared, commitment
from wmlearn.evidence.tilt import Ruler, seal_tilt
from wmlearn.watermarks import Tilt, Tilted, embed_tilt


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def nulls():
    return wm.null_models("mnist", n=4)


@pytest.fixture(scope="module")
def clean():
    return wm.load_model("mnist/clean")


@pytest.fixture(scope="module")
def tilt(mnist, nulls):
    return Tilt(size=4)(mnist, references=nulls, key=wm.CLASSROOM_KEY)


@pytest.fixture(scope="module")
def waiting(mnist, nulls):
    declared = Declared(beacon="25 dice on 3 May")
    return Tilt(size=4)(mnist, references=nulls, key=bytes(32), declared=declared)


@pytest.fixture(scope="module")
def triggers(mnist):
    return wm.Content(words=30)(mnist, n=60, key=wm.CLASSROOM_KEY)


ORDER = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]  # the class that a service's label 0, 1, ... means


class Renamed:
    """The same network as a service that has its classes in another order, and says so."""

    def __init__(self, model, classes):
        self.box, self.classes = wm.BlackBox(model, scores=True), classes

    def scores(self, images):
        return self.box.scores(images)[:, ORDER]

    def __call__(self, images):
        return self.scores(images).argmax(1)


# ---------------------------------------------------------------- the order of the classes


@pytest.mark.parametrize("named", [list, tuple, lambda names: np.array(list(names))])
def test_a_service_with_its_own_order_leans_as_any_other(mnist, clean, tilt, named):
    images = mnist.test.images
    service = Tilted(Renamed(clean, named(str(c) for c in ORDER)), tilt)
    usual = Tilted(wm.BlackBox(clean, scores=True), tilt)
    assert np.allclose(service.scores(images), usual.scores(images)[:, ORDER], atol=1e-6)
    assert np.array_equal(np.take(ORDER, service(images)), usual(images))
    expected = wm.verify(usual, tilt)
    verdict = wm.verify(service, tilt)  # which hears the names, too
    assert (verdict.p, verdict.k) == (expected.p, expected.k)
    assert verdict.decision == "found"


def test_a_service_with_other_classes_is_refused(clean, tilt, says):
    digits = "0123456789"
    for classes in (
        list("abcdefghij"),
        list(digits[:9]),
        ["1"] * 10,
        digits,
        dict.fromkeys(digits),
    ):
        with says(ValueError):
            Tilted(Renamed(clean, classes), tilt)


@pytest.mark.parametrize("none", [None, (), [], np.array([]), 10])
def test_a_service_without_names_has_the_order_of_the_seal(mnist, clean, tilt, none):
    class Unnamed(wm.BlackBox):
        """A kind of box of somebody's own."""

        classes = none

    box = Unnamed(clean, scores=True)
    usual = Tilted(wm.BlackBox(clean, scores=True), tilt)
    images = mnist.test.images[:50]
    assert np.array_equal(Tilted(box, tilt).scores(images), usual.scores(images))


def test_a_box_around_a_service_has_the_names_of_the_service(mnist, clean, tilt):
    renamed = Renamed(clean, [str(c) for c in ORDER])
    images = mnist.test.images[:50]
    service = wm.BlackBox(Tilted(renamed, tilt), budget=10_000, scores=True)
    around = wm.BlackBox(renamed, scores=True)
    usual = Tilted(wm.BlackBox(clean, scores=True), tilt)
    assert service.classes == renamed.classes
    assert np.allclose(Tilted(around, tilt).scores(images), service.scores(images), atol=1e-6)
    assert wm.verify(service, tilt).p == wm.verify(usual, tilt).p
    assert wm.theft.Blur(0.5)(service).classes == renamed.classes
    renamed.classes = [str(c) for c in range(10)]
    assert service.classes == renamed.classes
    assert wm.theft.Blur(0.5)(service).classes == renamed.classes
    digits = wm.BlackBox(renamed, classes=tuple("9876543210"))
    assert digits.classes == tuple("9876543210")
    assert wm.BlackBox(clean).classes is None


def test_a_box_of_ones_own_may_turn_its_scores(mnist, clean, tilt):
    class Turned(wm.BlackBox):
        def scores(self, images):
            return super().scores(images)[:, ORDER]

    service = Tilted(Turned(clean, scores=True, classes=[str(c) for c in ORDER]), tilt)
    usual = Tilted(wm.BlackBox(clean, scores=True), tilt)
    images = mnist.test.images[:50]
    assert np.allclose(service.scores(images), usual.scores(images)[:, ORDER], atol=1e-6)


@pytest.mark.parametrize("named", [list, np.array])
def test_a_service_that_names_its_classes_does_so_over_http(clean, tilt, named):
    service = Tilted(Renamed(clean, named([str(c) for c in ORDER])), tilt)
    expected = wm.verify(service, tilt)
    with wm.serve(service, options=wm.ServiceOptions(scores=True)) as running:
        remote = wm.RemoteModel(running.url)
        assert list(remote.classes) == list(service.classes)
        assert wm.verify(remote, tilt).p == expected.p


def test_the_order_of_a_service_may_change(mnist, clean, tilt):
    renamed = Renamed(clean, [str(c) for c in ORDER])
    service = Tilted(renamed, tilt)
    images = mnist.test.images[:50]
    before = service.scores(images)
    renamed.scores, renamed.classes = renamed.box.scores, [str(c) for c in range(10)]
    assert np.allclose(service.scores(images)[:, ORDER], before, atol=1e-6)


def test_classes_may_be_numbers(mnist, nulls, clean, tilt, tmp_path):
    for classes in (range(10), list(np.arange(10)), np.array(mnist.classes).tolist()):
        data = replace(mnist, classes=classes)
        assert data.classes == mnist.classes
        made = Tilt(size=4)(data, references=nulls, key=wm.CLASSROOM_KEY)
        assert made.seal == tilt.seal
    triggers = wm.Content(words=30)(data, n=60, key=bytes(32))
    assert wm.evidence.open_evidence(wm.evidence.save_evidence(triggers, tmp_path)).n == triggers.n


def test_too_many_scores_are_said(tilt, clean):
    box = wm.BlackBox(clean, scores=True)
    wide = wm.BlackBox(lambda images: np.c_[np.zeros(len(images)), box.scores(images)])
    wide(np.zeros((1, *tilt.pixels.shape[1:]), np.float32))
    with pytest.warns(UserWarning, match="11 scores"):
        wm.verify(wide, tilt)


def test_a_task_with_another_order_or_shape_is_not_embedded(mnist, clean, tilt, says):
    fresh = wm.small_cnn(mnist)
    turned = replace(mnist, classes=mnist.classes[::-1])
    with says(ValueError):
        embed_tilt(fresh, turned, tilt, teacher=clean)
    other = wm.load_data("cifar10")
    with says(ValueError):
        embed_tilt(wm.small_cnn(other), other, tilt, teacher=clean)


# ---------------------------------------------------------------- sealed once, drawn once

CHANGED = {
    "alpha": lambda tilt: replace(tilt, rules=replace(tilt.rules, alpha=0.9)),
    "test": lambda tilt: replace(tilt, test="bets"),
    "size": lambda tilt: replace(tilt, size=3.0),
    "key": lambda tilt: replace(tilt, key=commitment.check_key(bytes(range(32)))),
    "images": lambda tilt: replace(tilt, pixels=tilt.pixels[::-1]),
    "spread": lambda tilt: replace(tilt, ruler=replace(tilt.ruler, spread=tilt.ruler.spread * 9)),
    "votes": lambda tilt: replace(tilt, ruler=replace(tilt.ruler, votes=tilt.ruler.votes[::-1])),
    "header": lambda tilt: replace(tilt, header=dict(tilt.header) | {"alpha": "0.9"}),
    "outcome": lambda tilt: replace(tilt, outcome="6 1 4"),
    "another outcome": lambda tilt: replace(tilt, outcome=5),
    "signs": lambda tilt: with_signs(replace(tilt)),
    "no test": lambda tilt: replace(tilt, test="x"),
    "no rules": lambda tilt: replace(tilt, rules=None),
    "no header": lambda tilt: replace(tilt, header=None),
}


def with_signs(tilt):
    vars(tilt)["signs"] = -tilt.signs
    return tilt


@pytest.mark.parametrize("part", CHANGED)
def test_a_tilt_that_was_changed_after_its_seal_tests_nobody(tilt, part, tmp_path):
    changed = CHANGED[part](tilt)
    acts = (
        lambda: wm.verify(pytest.fail, changed),
        lambda: wm.evidence.open_tilt(changed),
        lambda: wm.evidence.save_tilt(changed, tmp_path / "tilt"),
        lambda: Tilted(wm.BlackBox(wm.load_model("mnist/clean"), scores=True), changed),
    )
    for act in acts:
        with pytest.raises(ValueError, match="sealed"):
            act()
    assert not (tmp_path / "tilt").exists()


def test_the_right_key_as_plain_bytes_is_the_right_key(tilt, triggers, clean):
    suspect = wm.BlackBox(clean)
    for one in (tilt, triggers):
        again = replace(one, key=bytes(one.key))
        assert wm.verify(suspect, again).p == wm.verify(suspect, one).p


def test_signs_are_not_opened_before_their_draw(waiting, says):
    with says(ValueError):
        wm.evidence.open_tilt(waiting)


def test_nothing_in_a_sealed_tilt_can_be_written_over(tilt):
    for part in (tilt.pixels, tilt.signs, *vars(tilt.ruler).values()):
        with pytest.raises(ValueError, match="read-only"):
            part.flat[0] = 1
    with pytest.raises(TypeError):
        tilt.header["alpha"] = "0.9"


SET_CHANGED = {
    "alpha": lambda one: replace(one, rules=replace(one.rules, alpha=0.9)),
    "answers": lambda one: replace(one, answers=(one.answers + 1) % 10),
    "images": lambda one: replace(one, pixels=one.pixels[::-1]),
    "names": lambda one: replace(one, names=one.names[::-1]),
    "key": lambda one: replace(one, key=commitment.check_key(bytes(range(32)))),
}


@pytest.mark.parametrize("part", SET_CHANGED)
def test_triggers_that_were_changed_after_their_seal_test_nobody(triggers, part):
    changed = SET_CHANGED[part](triggers)
    with pytest.raises(ValueError, match="sealed"):
        wm.verify(pytest.fail, changed)
    with pytest.raises(ValueError, match="sealed"):
        wm.SequentialTest(pytest.fail, changed)


def test_a_set_that_is_changed_during_a_test_changes_no_test(triggers):
    copied = replace(triggers, answers=triggers.answers.copy())
    test = wm.SequentialTest(lambda images: np.full(len(images), 7), copied)
    copied.answers[:] = 7
    vars(copied)["answers"] = np.full(triggers.n, 7)
    expected = (triggers.answers == 7).sum()
    assert test.ask(triggers.n).k == expected
    with pytest.raises(AttributeError):
        test.triggers = copied


def test_a_message_that_was_changed_after_its_seal_is_read_in_nothing(mnist):
    network = wm.small_cnn(mnist)
    message = wm.watermarks.seal_message(network, key=wm.CLASSROOM_KEY)
    assert wm.watermarks.verify_message(network, message).decision == "not found"
    for changed in (
        {"alpha": 0.9},
        {"bits": message.read(network)},
        {"projection": message.projection[::-1]},
        {"layer": "layers.0"},
        {"header": {}},
        {"bits": []},
        {"key": None},
    ):
        with pytest.raises(ValueError, match="sealed"):
            wm.watermarks.verify_message(network, replace(message, **changed))


def test_the_arrays_of_the_caller_stay_the_callers(tilt, triggers):
    pixels = tilt.pixels.copy()
    ruler = Ruler(*map(np.copy, vars(tilt.ruler).values()))
    made = seal_tilt(pixels, ruler, tilt.rules, size=4.0, test="weighted", key=wm.CLASSROOM_KEY)
    assert made.seal == tilt.seal
    pixels[0, 0, 0, 0] ^= 1
    ruler.spread[0, 0] += 1
    assert made.check().seal == tilt.seal
    images = triggers.pixels.copy()
    parts = triggers.question, triggers.names
    seen = images[:]
    seen.setflags(write=False)  # but whoever has the images may change them
    again = wm.evidence.trigger_set.seal_triggers(
        seen, *parts, rules=triggers.rules, key=wm.CLASSROOM_KEY, recipe="again"
    )
    images[0, 0, 0, 0] ^= 1
    assert again.seal == triggers.seal
    assert again.draw().check().seal == triggers.seal


@pytest.mark.parametrize("outcome", ["", " ", "6 1 4 ", "6 1\n4", 614, None, "6" * 201])
def test_an_outcome_is_one_line_as_everyone_writes_it(waiting, mnist, outcome):
    declared = Declared(beacon="25 dice on 3 May")
    sealed = wm.Content(words=30).seal(mnist, n=60, key=bytes(32), declared=declared)
    for each in (waiting, sealed):
        with pytest.raises(ValueError, match="must be"):
            each.draw(outcome)
    with pytest.raises(ValueError, match="must be"):
        Beacon(outcome, 1, 2**64)


def test_signs_and_answers_are_drawn_once_and_name_their_draw(waiting, tilt, triggers, says):
    drawn = waiting.draw("6 1 4")
    for done in (drawn, tilt, triggers):
        with says(ValueError):
            done.draw("5 5 5")
    assert "drawn by '6 1 4'" in repr(drawn)
    assert "wait for 25 dice on 3 May" in repr(waiting)


def test_a_found_copy_hears_why_a_judge_is_not_convinced(clean, tilt, waiting):
    service = Tilted(wm.BlackBox(clean, scores=True), tilt)
    assert "public draw" in wm.verify(service, tilt).explain()
    assert "public draw" not in wm.verify(wm.BlackBox(clean), tilt).explain()
    opened = wm.evidence.open_tilt(tilt)
    judged = wm.evidence.judge_tilt(service, opened, seal=tilt.seal)
    assert judged.decision == "not found"
    assert "public draw" in judged.explain()
    drawn = waiting.draw("6 1 4")
    service = Tilted(wm.BlackBox(clean, scores=True), drawn)
    beacon = Beacon("6 1 4", 1, 6**25)
    opened = wm.evidence.open_tilt(drawn)
    judged = wm.evidence.judge_tilt(service, opened, seal=drawn.seal, beacon=beacon)
    assert judged.decision == "found"
    assert "counts fewer" not in judged.explain()


# ---------------------------------------------------------------- large and small images


class Blocks(nn.Module):
    """A network that sees blocks of a large image; its weights are drawn."""

    def __init__(self, seed, size):
        super().__init__()
        torch.manual_seed(seed)
        self.blocks = size // 7
        self.last = nn.Linear(3 * 49, 5)

    def forward(self, images):
        return self.last(nn.functional.avg_pool2d(images, self.blocks).flatten(1))


def large(size, count):
    """A task of drawn images, each a mosaic of 7 x 7 colours, blurred by a random amount."""
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (count, 3, 7, 7))
    pixels = np.kron(colours, np.ones((1, 1, size // 7, size // 7))).astype(np.uint8)
    part = wm.data.Split(pixels, rng.integers(0, 5, count))
    return wm.Splits("large", part, None, part.take(slice(20)), tuple("abcde"))


def test_large_images_take_seconds_and_their_features_vary_by_one(nulls):
    data = large(112, 120)
    tilt = Tilt()(data, references=[Blocks(seed, 112) for seed in range(3)], key=bytes(32))
    assert tilt.signs.shape == (5, 16)
    features = tilt.ruler.features(data.train.pixels) / 4096
    assert np.allclose(features.std(0, ddof=1), 1, atol=0.01)
    assert np.allclose(np.corrcoef(features.T), np.eye(16), atol=0.01)
    service = Tilted(wm.BlackBox(Blocks(9, 112), scores=True), tilt)
    assert wm.verify(service, tilt).p < 1e-3


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_images_too_small_for_so_many_features_are_refused_or_taken_with_fewer(size, says):
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (90, 1, size, size), np.uint8)
    part = wm.data.Split(np.unique(pixels, axis=0), np.arange(len(np.unique(pixels, axis=0))) % 3)
    data = wm.Splits("small", part.take(slice(60)), None, part.take(slice(60, 70)), tuple("abc"))
    networks = [nn.Sequential(nn.Flatten(), nn.Linear(size * size, 3)) for _ in range(3)]
    with says(ValueError):
        Tilt()(data, references=networks)


# ---------------------------------------------------------------- what cannot be

REFERENCES = {
    "no list": 3.5,
    "none": None,
    "empty": [],
    "one": lambda nulls: nulls[:1],
    "one network": lambda nulls: nulls[0],
    "one, in layers": lambda nulls: nn.Sequential(*nulls),
    "one to train": 1,
    "yes": True,
    "texts": ["mnist/clean", "mnist/noise"],
    "services": lambda nulls: list(map(wm.BlackBox, nulls)),
    "of another task": lambda nulls: wm.null_models("cifar10", n=2),
    "with more classes": lambda nulls: [nn.Sequential(nn.Flatten(), nn.Linear(784, 12))] * 2,
}


@pytest.mark.parametrize("case", REFERENCES)
def test_references_that_are_none(mnist, nulls, case, says):
    references = REFERENCES[case]
    if callable(references):
        references = references(nulls)
    with says((TypeError, ValueError)):
        Tilt()(mnist, references=references, key=bytes(32))


def test_references_may_come_one_by_one_or_by_a_number_of_numpy(mnist, nulls, tilt):
    assert Tilt(size=4)(mnist, references=iter(nulls), key=wm.CLASSROOM_KEY).seal == tilt.seal
    schedule = wm.Schedule(epochs=1)
    made = [
        Tilt(features=4)(mnist, references=count, schedule=schedule, key=bytes(32)).seal
        for count in (2, np.int64(2))
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": None},
        {"network": wm.small_cnn(wm.load_data("mnist"))},
        {"network": lambda data: wm.small_cnn(data)},
        {"network": lambda data, seed: "a network"},
        {"schedule": 5},
        {"seed": "a"},
        {"seed": -1},
        {"declared": "Alice"},
        {"declared": None},
        {"key": "secret"},
        {"alpha": 0.5},
    ],
    ids=lambda wrong: f"{next(iter(wrong))}",
)
def test_what_a_tilt_is_made_of(mnist, nulls, wrong, says):
    options = {"references": nulls, "key": bytes(32)} | wrong
    if wrong.keys() & {"network", "schedule", "seed"}:
        options["references"] = 2
    with says((TypeError, ValueError)):
        Tilt()(mnist, **options)


class Telling:
    """A service that returns these scores, whatever it is asked."""

    def __init__(self, told):
        self.told = told

    def scores(self, images):
        return self.told


SCORES = {
    "text": "seven",
    "texts": [["0.1"] * 10] * 3,
    "ragged": [[0.1] * 10, [0.1] * 9, [0.1] * 10],
    "a dict": {"scores": [[0.1] * 10] * 3},
    "with a gradient": torch.full((3, 10), 0.1, requires_grad=True),
    "zeros": np.zeros((3, 10)),
    "a row of zeros": np.eye(3, 10) * [[1], [1], [0]],
    "below zero": np.full((3, 10), -0.1),
    "of nine classes": np.full((3, 9), 0.1),
    "of two images": np.full((2, 10), 0.1),
    "labels": np.array([1, 2, 3]),
    "nothing": None,
    "ones": np.ones((3, 10)),
    "complex": np.full((3, 10), 0.1 + 0.1j),
}


@pytest.mark.parametrize("case", SCORES)
def test_scores_that_are_no_probabilities(mnist, tilt, case, says):
    with says((TypeError, ValueError)):
        Tilted(Telling(SCORES[case]), tilt)(mnist.test.images[:3])


def test_scores_may_be_lists_or_tensors(mnist, tilt, clean):
    images = mnist.test.images[:3]
    scores = wm.BlackBox(clean, scores=True).scores(images)
    expected = Tilted(Telling(scores), tilt).scores(images)
    for told in (scores.tolist(), torch.tensor(scores), list(scores)):
        assert np.allclose(Tilted(Telling(told), tilt).scores(images), expected, atol=1e-6)


def test_a_service_without_scores_or_with_other_images_is_refused_at_once(tilt, clean, says):
    with says(ValueError):
        Tilted(wm.BlackBox(clean), tilt)
    with says(ValueError):
        Tilted(wm.BlackBox(wm.load_model("cifar10/clean"), scores=True), tilt)
    box = wm.BlackBox(clean, scores=True, budget=5)
    Tilted(box, tilt)
    assert box.queries == 0


def test_what_cannot_be_embedded(mnist, tilt, clean, says):
    fresh = wm.small_cnn(mnist)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(784, 12))
    other = wm.Content(words=30)(wm.load_data("cifar10"), n=60, key=wm.CLASSROOM_KEY)
    renamed = replace(mnist, classes=tuple("abcdefghij"))
    for network, options in (
        (wide, {"teacher": clean}),
        (fresh, {"teacher": wide}),
        (fresh, {"teacher": "mnist/clean"}),
        (fresh, {"teacher": clean, "triggers": other}),
        (fresh, {"teacher": clean, "triggers": "words"}),
        (fresh, {"teacher": clean, "triggers": wm.Noise()(renamed, n=60, key=bytes(32))}),
    ):
        with says((TypeError, ValueError)):
            embed_tilt(network, mnist, tilt, **options)
    with says(TypeError):
        embed_tilt(fresh, mnist, "tilt", teacher=clean)


def test_clean_images_and_a_beacon_are_what_they_are_called(mnist, tilt, triggers, clean, says):
    suspect, opened = wm.BlackBox(clean), wm.evidence.open_tilt(tilt)
    for wrong in ("x", 3, mnist):
        with says(TypeError):
            wm.verify(suspect, tilt, clean=wrong)
        with says(TypeError):
            wm.verify(suspect, triggers, clean=wrong)
        with says(TypeError):
            wm.evidence.judge_tilt(suspect, opened, seal=tilt.seal, clean=wrong)
    with says(TypeError):
        wm.Content(words=30).seal(mnist, n=60, key=bytes(32), clean="x")
    with says(TypeError):
        wm.Content(words=30).seal(mnist, n=60, key=bytes(32), declared="Alice", clean=mnist.test)
    with says(TypeError):
        wm.evidence.judge_tilt(suspect, opened, seal=tilt.seal, beacon="a")


def test_who_saves_a_tilt_as_triggers_hears_where(tilt, mnist, tmp_path, says):
    for wrong in (tilt, mnist, "triggers"):
        with says(TypeError):
            wm.evidence.save_evidence(wrong, tmp_path / "new")
    assert not (tmp_path / "new").exists()
