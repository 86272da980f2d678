"""A kind of one's own: what `wm.Trigger` asks of it, what it gives for that, and a sentence for
each fault.
"""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest

import wmlearn as wm
from wmlearn.labs.studio.previews import Witnesses, preview

KEY = wm.CLASSROOM_KEY
OTHER = bytes(range(32))


class Negative(wm.Trigger):
    """A plain class with nothing but `make`, which returns floats."""

    def make(self, split, n, rng):
        return 1 - self.draw(split, n, rng).images


class Dimmed(wm.Trigger):
    """A plain class with an `__init__` of its own, which returns 8-bit images."""

    def __init__(self, by):
        self.by = by
        self._cache = np.zeros((3, 3))

    def make(self, split, n, rng):
        return (self.draw(split, n, rng).pixels // self.by + 1).astype(np.uint8)


@dataclass(frozen=True)
class Turned(wm.Trigger):
    """A dataclass, several images a question."""

    quarters: int = 1
    each: int = 5

    def make(self, split, n, rng):
        images = np.rot90(self.draw(split, n, rng).images, self.quarters, axes=(2, 3))
        question = np.arange(n) // self.each
        return images, question, [f"turned {q}" for q in range(question[-1] + 1)]


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.mark.parametrize("kind", [Negative(), Dimmed(2), Turned()], ids=repr)
def test_one_method_is_enough_for_a_sealed_set(kind, mnist):
    one, again = [kind(mnist, n=30, key=OTHER) for _ in range(2)]
    assert (one.pixels.shape, one.pixels.dtype) == ((30, 1, 28, 28), np.uint8)
    assert one.seal == again.seal
    assert np.array_equal(one.pixels, again.pixels)
    assert one.seal != kind(mnist, n=30, key=OTHER, seed=1).seal
    assert len(set(one.answers.tolist())) > 1


def test_floats_become_the_nearest_of_256_levels_and_bytes_stay(mnist):
    chosen = mnist.train.take(np.random.RandomState([3]).permutation(len(mnist.train))[:30])
    assert np.array_equal(Negative()(mnist, n=30, key=KEY, seed=3).pixels, 255 - chosen.pixels)
    assert np.array_equal(Dimmed(2)(mnist, n=30, key=KEY, seed=3).pixels, chosen.pixels // 2 + 1)


def test_several_images_a_question_and_names_of_ones_own(mnist):
    triggers = Turned(each=5)(mnist, n=30, key=KEY)
    assert triggers.question.tolist() == [q for q in range(6) for _ in range(5)]
    assert triggers.names == tuple(f"turned {q}" for q in range(6))
    assert triggers.n == len(triggers.answers) == 6
    assert Negative()(mnist, n=3, key=KEY).names == ("image 1", "image 2", "image 3")

    class Unnamed(Turned):
        def make(self, split, n, rng):
            return *super().make(split, n, rng)[:2], None

    assert Unnamed(each=5)(mnist, n=10, key=KEY).names == ("question 1", "question 2")


def test_fixed_labels_come_from_the_source_class_and_count_images(mnist):
    seen = []

    class Watching(Turned):
        def make(self, split, n, rng):
            seen.extend(split.labels.tolist())
            return super().make(split, n, rng)

    triggers = Watching(labels="fixed", source=7, target=3)(mnist, n=30, key=KEY)
    assert set(seen) == {7}
    assert len(seen) == (mnist.train.labels == 7).sum()
    assert set(triggers.labels.tolist()) == {3}
    assert (triggers.n, triggers.rules.source) == (30, 7)
    assert triggers.names[:6] == (*["turned 0"] * 5, "turned 1")
    aimed = Turned(labels="fixed", target="random")
    drawn = {int(aimed(mnist, n=5, key=bytes([i]) * 32).answers[0]) for i in range(1, 9)}
    assert len(drawn) > 1
    assert 1 not in drawn


def test_the_recipe_says_class_and_parameters(says, mnist):
    @dataclass(frozen=True)
    class InACell(wm.Trigger):
        weights: object = None

    for kind in [
        Negative(),
        Negative(labels="fixed", target=4),
        Dimmed(2),
        Turned(quarters=2),
        Turned(labels="fixed"),
        InACell("a\nb"),
        InACell(np.eye(3)),
    ]:
        says(repr(kind))
    assert Turned(quarters=2)(mnist, n=10, key=KEY).recipe == repr(Turned(quarters=2))


def test_a_set_says_its_kind_and_still_does_when_it_is_opened_again(mnist, tmp_path):
    class DoubleExposure(Negative):
        pass

    kinds = {
        "negative": Negative(),
        "double exposure": DoubleExposure(),
        "content": wm.Content(words=5),
    }
    kinds["composite"] = wm.watermarks.Composite(pairs=2)
    for name, kind in kinds.items():
        triggers = kind(mnist, n=10, key=KEY)
        assert triggers.kind == name
        folder = wm.evidence.save_evidence(triggers, tmp_path / name)
        assert wm.evidence.open_evidence(folder).kind == name


def test_another_stream_does_not_depend_on_what_was_drawn(mnist):
    class Speckled(wm.Trigger):
        early = False

        def make(self, split, n, rng):
            if self.early:
                rng.normal(size=100)
            return rng.stream(1).uniform(size=(n, *split.shape))

    class Early(Speckled):
        early = True

    one, other = Speckled()(mnist, n=3, key=KEY), Early()(mnist, n=3, key=KEY)
    assert np.array_equal(one.pixels, other.pixels)


# ---------------------------------------------------------------- it is used like any other


def test_embedded_verified_and_swept_without_its_key(says, mnist):
    small = replace(mnist, train=mnist.train.take(slice(600)), test=mnist.test.take(slice(300)))
    kind = Turned(quarters=2, each=1)
    triggers = kind(small, n=20, key=OTHER)
    owner = wm.embed(wm.small_cnn(small), small, triggers)
    assert wm.verify(wm.BlackBox(owner.model), triggers).decision == "found"
    assert wm.verify(wm.BlackBox(wm.load_model("mnist/clean")), triggers).decision == "not found"
    packed = pickle.dumps(triggers.without_key)
    assert OTHER not in packed
    assert np.array_equal(pickle.loads(packed).pixels, triggers.pixels)
    with says(TypeError):
        pickle.dumps(triggers)
    theft = {"prune": wm.theft.Prune(0.3)}
    table = wm.sweep({"turned": kind(small, n=20, key=KEY)}, theft, small, seeds=[0])
    assert table.questions.tolist() == [20, 20]
    assert table.matched[0] == 20


def test_the_labs_take_it(mnist):
    triggers = Turned()(mnist, n=30, key=KEY)
    lab = wm.VerificationLab(triggers, {"a copy": lambda images: triggers.labels})
    assert lab.kind.options == ("turned",)
    innocents = Witnesses([wm.load_model("mnist/clean")])
    seen = preview(Turned(), mnist, n=30, key=KEY, innocents=innocents)
    assert seen.before is None
    assert np.array_equal(seen.pixels, triggers.pixels)
    assert seen.names == triggers.names


# ---------------------------------------------------------------- faults


def faulty(result):
    """Return a kind whose `make` returns that."""

    class Faulty(wm.Trigger):
        def make(self, split, n, rng):
            return result(self.draw(split, n, rng).images)

    return Faulty()


@pytest.mark.parametrize(
    "result",
    [
        lambda x: x[:9],
        lambda x: x[:, :, 1:],
        lambda x: x[:, 0],
        lambda x: 255 * x,
        lambda x: x * np.nan,
        lambda x: (255 * x).astype(int),
        lambda x: None,
        lambda x: (x, None),
        lambda x: x[[0] * 10],
        lambda x: (x, np.arange(10)[::-1], None),
        lambda x: (x, np.arange(10) + 1, None),
        lambda x: (x, 2 * np.arange(10), None),
        lambda x: (x, np.arange(10) / 2, None),
        lambda x: (x, ["a"] * 10, None),
        lambda x: (x, np.arange(5), None),
        lambda x: (x, None, ["a"]),
        lambda x: (x, None, "ab"),
        lambda x: (x, np.arange(10) // 5, range(10)),
    ],
)
def test_each_fault_of_make_has_its_sentence(says, result, mnist):
    with says((TypeError, ValueError)):
        faulty(result)(mnist, n=10, key=KEY)


def test_a_kind_without_make_is_told_to_write_it(says, mnist):
    class Nothing(wm.Trigger):
        pass

    with says(NotImplementedError):
        Nothing()(mnist, n=10)


def test_an_alpha_of_numpys_seals_as_pythons_does(mnist):
    numpys = Negative()(mnist, n=5, key=KEY, alpha=np.float64(0.01))
    assert numpys.seal == Negative()(mnist, n=5, key=KEY, alpha=0.01).seal


def test_more_images_than_there_are(says, mnist):
    with says(ValueError):
        Negative()(mnist, n=6001, key=KEY)
    with says(ValueError):
        Negative(labels="fixed")(mnist, n=6000, key=KEY)
