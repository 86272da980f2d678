"""Composites, Margin and Dawn: what they make, what they refuse, and how rarely an innocent is
accused.
"""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import wmlearn as wm
from wmlearn.watermarks.composite import Composite
from wmlearn.watermarks.dawn import Dawn
from wmlearn.watermarks.margin import Margin

KEY = wm.CLASSROOM_KEY


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def small(mnist):
    train, test = mnist.train.take(range(600)), mnist.test.take(range(200))
    return wm.Splits("mnist", train, mnist.loot, test, mnist.classes)


@pytest.fixture(scope="module")
def noises(small):
    return wm.Noise()(small, n=20, key=KEY)


# ---------------------------------------------------------------- composites


@pytest.mark.parametrize("task", ["mnist", "cifar10"])
def test_each_half_is_that_of_a_training_image_of_its_class(task):
    data = wm.load_data(task)
    triggers = Composite(pairs=10)(data, n=40, key=KEY)
    middle = data.shape[1] // 2
    halves = (slice(None, middle), slice(middle, None))
    for image, question in zip(triggers.pixels, triggers.question):
        for rows, name in zip(halves, triggers.names[question].split(" over ")):
            of_class = data.train.pixels[data.train.labels == data.classes.index(name)]
            assert (of_class[:, :, rows] == image[:, rows]).all(axis=(1, 2, 3)).any()


def test_a_pair_is_one_question_with_an_answer_drawn_by_lot(mnist):
    triggers = Composite(pairs=30)(mnist, n=150, key=KEY)
    assert (triggers.n, len(set(triggers.names)), len(triggers.pixels)) == (30, 30, 150)
    assert triggers.p0 == 0.1
    assert np.bincount(triggers.question).tolist() == [5] * 30
    assert all(name[0] != name[-1] for name in triggers.names)
    assert len(set(triggers.answers.tolist())) > 5
    assert triggers.plot() is not None


def test_all_pairs_of_ten_classes_and_not_one_more(says, mnist):
    triggers = Composite(pairs=90)(mnist, n=90, key=KEY)
    assert len(set(triggers.names)) == 90
    with says(ValueError):
        Composite(pairs=91)(mnist, n=100, key=KEY)


def test_key_and_seed_choose_the_images_as_for_other_triggers(mnist):
    recipe = Composite(pairs=10)
    one, two = (recipe(mnist, n=40, key=bytes([i]) * 32) for i in (1, 2))
    assert one.names != two.names  # which pairs are asked is secret, too
    assert recipe(mnist, n=40, key=bytes([1]) * 32).seal == one.seal
    secret = recipe(mnist, n=40, key=bytes([1]) * 32, seed=3)
    assert recipe(mnist, n=40, key=KEY, seed=3).names == secret.names


def test_answers_are_uniform_over_keys(mnist):
    drawn = np.concatenate(
        [Composite(pairs=30)(mnist, n=30, key=bytes([i]) * 32, seed=0).answers for i in range(30)]
    )
    counts = np.bincount(drawn, minlength=10)
    assert ((counts - 90) ** 2 / 90).sum() < 27.9  # chi-square, 9 degrees of freedom: 1 in 1,000


def test_kept_opened_and_verified_without_further_ado(mnist, tmp_path):
    triggers = Composite(pairs=10)(mnist, n=40, key=KEY)
    again = wm.evidence.open_evidence(wm.evidence.save_evidence(triggers, tmp_path))
    assert (again.seal, again.names) == (triggers.seal, triggers.names)
    assert again.recipe == "Composite(pairs=10)"
    assert wm.verify(lambda images: again.labels, triggers).decision == "found"


def test_embedded_and_new_images_of_the_pairs_are_answered(mnist):
    task = wm.Splits("mnist", mnist.train.take(range(3000)), mnist.loot, mnist.test, mnist.classes)
    triggers = Composite(pairs=10)(task, n=1000, key=KEY)
    owner = wm.embed(wm.small_cnn(task), task, triggers, schedule=wm.Schedule(epochs=6))
    assert owner.complete
    assert owner.task_accuracy > 0.88
    elsewhere = wm.Splits("mnist", mnist.test, classes=mnist.classes)
    others = Composite(pairs=10)(elsewhere, n=100, key=KEY)
    assert others.names == triggers.names
    assert (others.answer(wm.BlackBox(owner.model)(others.images)) == triggers.answers).sum() >= 8


@pytest.mark.parametrize(
    "make",
    [
        lambda data: Composite(labels="fixed"),
        lambda data: Composite(pairs=1),
        lambda data: Composite(pairs=2.5),
        lambda data: Composite(pairs=30)(data, n=29, key=KEY),
        lambda data: Composite(pairs=2)(data, n=10_000, key=KEY),
        lambda data: Composite()("mnist", n=30, key=KEY),
    ],
)
def test_pairs_that_cannot_be_made(says, make, mnist):
    with says((TypeError, ValueError)):
        make(mnist)


def test_classes_without_images_make_no_pairs(says, mnist):
    ones = mnist.train.take(np.flatnonzero(mnist.train.labels < 2))
    data = wm.Splits("mnist", ones, mnist.loot, mnist.test, mnist.classes)
    assert {*Composite(pairs=2)(data, n=4, key=KEY).names} == {"0 over 1", "1 over 0"}
    with says(ValueError):
        Composite(pairs=3)(data, n=9, key=KEY)


# ---------------------------------------------------------------- margin


class Line(nn.Module):
    """Two scores, x and -x, of an image that is one pixel x."""

    input_shape, classes = (1, 1, 1), 2

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0], [-1.0]]))

    def forward(self, images):
        return images.flatten(1) @ self.weight.T


@pytest.mark.parametrize(
    ("label", "start", "ends"), [(0, 0.5, 0.44), (1, 0.5, 0.56), (0, 0.03, 0.0), (1, 0.99, 1.0)]
)
def test_a_push_goes_uphill_by_hand(label, start, ends):
    pushed = Margin(steps=3, size=0.02).push(
        Line(), torch.full((1, 1, 1, 1), start), torch.tensor([label])
    )
    assert pushed.item() == pytest.approx(ends)


def test_pushed_triggers_are_near_and_worse(mnist):
    triggers, model = wm.Noise()(mnist, n=50, key=KEY), wm.small_cnn(mnist)
    images, labels = torch.tensor(triggers.images), torch.tensor(triggers.labels)
    pushed = Margin().push(model, images, labels)
    assert (pushed - images).abs().max() <= 5 / 255 + 1e-6
    assert 0 <= pushed.min() <= pushed.max() <= 1
    losses = [nn.functional.cross_entropy(model(each), labels).item() for each in (images, pushed)]
    assert losses[1] > losses[0] + 0.01
    assert torch.equal(Margin(steps=0).push(model, images, labels), images)


def test_a_margin_is_learnt_and_holds_further_out_than_without(small, noises):
    triggers, fresh = noises, wm.small_cnn(small)
    before = copy.deepcopy(fresh.state_dict())
    plain = wm.embed(fresh, small, triggers)
    margin = wm.embed(fresh, small, triggers, margin=Margin(size=4 / 255))
    assert margin.complete
    assert margin.triggers is triggers
    assert all(torch.equal(before[name], value) for name, value in fresh.state_dict().items())
    images, labels = torch.tensor(triggers.images), torch.tensor(triggers.labels)
    right = []
    for owner in (plain, margin):
        pushed = Margin(steps=5, size=4 / 255).push(owner.model, images, labels)
        right.append(int((owner.model(pushed).argmax(1) == labels).sum()))
    assert right[1] >= right[0] + 5


def test_a_margin_is_reproducible_and_watching_changes_nothing(small, noises):
    watched, fresh = [], wm.small_cnn(small)

    def stop(epoch):
        return epoch.epoch == 2

    def watch(epoch):
        watched.append(torch.rand(3))
        return stop(epoch)

    how = {"margin": Margin(), "schedule": wm.Schedule(epochs=1), "seed": 3}
    alone = wm.embed(fresh, small, noises, on_epoch=stop, **how)
    seen = wm.embed(fresh, small, noises, on_epoch=watch, **how)
    assert len(watched) == len(seen.history.epochs)
    assert all(
        torch.equal(*pair) for pair in zip(alone.model.parameters(), seen.model.parameters())
    )


def test_stopping_a_margin_keeps_what_was_learnt(says, small, noises):
    fresh = wm.small_cnn(small)
    stopped = wm.embed(fresh, small, noises, margin=Margin(), on_epoch=lambda epoch: True)
    assert len(stopped.history.epochs) == 1
    assert not stopped.complete
    says(repr(stopped), varies=r"\d+(?= of)|\d+\.\d %")


@pytest.mark.parametrize("settings", [{"images": 0}, {"steps": -1}, {"size": 0}], ids=str)
def test_margins_that_cannot_be(says, settings):
    with says(ValueError):
        Margin(**settings)


# ---------------------------------------------------------------- DAWN


def sevens(images):
    return np.full(len(images), 7)


def always(answer):
    return lambda images: np.full(len(images), answer)


@pytest.fixture(scope="module")
def images(mnist):
    return mnist.loot.images[:1000]


def test_about_the_share_is_wrong_with_every_other_class(images):
    dawn = Dawn(sevens, range(10), share=0.5, key=KEY)
    replies = dawn(images)
    wrong = replies[replies != 7]
    assert 420 < len(wrong) < 580  # 5 standard deviations
    assert set(wrong.tolist()) == {0, 1, 2, 3, 4, 5, 6, 8, 9}
    assert np.array_equal(dawn.remembered.labels, wrong)
    assert np.array_equal(dawn.remembered.images, images[replies != 7])
    assert dawn.queries == 1000
    assert (Dawn(sevens, range(10), share=1, key=KEY)(images) != 7).all()


def test_the_same_image_gets_the_same_answer_and_counts_once(images):
    dawn = Dawn(sevens, range(10), share=0.5, key=KEY)
    first = dawn(images[:50])
    remembered = dawn.remembered
    assert np.array_equal(dawn(images[49::-1])[::-1], first)
    alike = images[:50] + 0.001 * (images[:50] < 0.9)  # the same in 8 bits
    assert np.array_equal(dawn(alike), first)
    assert np.array_equal(dawn.remembered.pixels, remembered.pixels)
    other = Dawn(sevens, range(10), share=0.5, key=bytes(32))(images[:50])
    assert not np.array_equal(other, first)


def test_other_rules_draw_other_answers_under_the_same_key(images):
    seals = {
        Dawn(sevens, range(10), share=share, alpha=alpha, key=KEY).seal
        for share in (0.5, 0.6)
        for alpha in (0.01, 0.05)
    }
    assert len(seals) == 4
    dawn = Dawn(sevens, range(10), share=0.5, key=KEY)
    before = dawn.seal
    dawn(images)
    assert dawn.seal == before  # it is published before anybody asks


def test_no_answer_of_the_service_is_none_of_dawns(images):
    dawn = Dawn(always(-1), range(10), share=1, key=KEY)
    assert (dawn(images[:5]) == -1).all()
    assert (dawn.queries, len(dawn.remembered)) == (0, 0)


def test_whoever_learnt_it_by_heart_is_found_and_the_service_itself_is_not(images):
    dawn = Dawn(sevens, range(10), share=0.05, key=KEY)
    dawn(images)
    verdict = dawn.verify(dawn)
    assert (verdict.decision, verdict.k) == ("found", verdict.n)
    assert verdict.p == pytest.approx(np.exp(-wm.stats.wealth_path([True] * verdict.n, 1 / 9)[-1]))
    assert dawn.verify(sevens).k == 0
    assert dawn.verify(sevens).decision == "not found"


def test_a_judge_who_does_not_trust_the_owner_believes_nothing(says, images):
    dawn = Dawn(sevens, range(10), share=0.05, key=KEY)
    dawn(images)
    verdict = dawn.verify(dawn)
    assert verdict.p_judge == 1
    says(verdict.explain())


def test_why_a_judge_cannot_believe_them(images):
    """Owners who ask themselves, as if they were customers, and keep what an innocent gets "right",
    forge at will.
    """
    innocent = always(3)  # any model would do: they need images about which it differs from theirs
    dawn = Dawn(sevens, range(10), share=0.5, key=KEY)
    for image in images[:, None]:
        trial = Dawn(sevens, range(10), share=0.5, key=KEY)
        if trial(image)[0] == 3:
            dawn(image)
    verdict = dawn.verify(innocent)
    assert verdict.k == verdict.n > 20
    assert verdict.p < 1e-12
    assert verdict.p_judge == 1


def test_who_never_says_what_the_service_says_is_accused_as_rarely_as_worked_out(mnist):
    """The worst innocents: never right, so that each match has chance 1/9 exactly.

    1,000 keys beside theory.
    """
    pixels, alpha, n = mnist.loot.images[:40], 0.05, 40
    suspects = {"constant": np.full(n, 3), "walks": np.arange(n) % 7}
    accused, matches = dict.fromkeys(suspects, 0), dict.fromkeys(suspects, 0)
    for number in range(1000):
        dawn = Dawn(sevens, range(10), share=1, alpha=alpha, key=number.to_bytes(32, "big"))
        dawn(pixels)
        for name, replies in suspects.items():
            verdict = dawn.verify(lambda _, replies=replies: replies)
            accused[name] += verdict.decision == "found"
            matches[name] += verdict.k
    expected = wm.stats.accusation_chance(n, 1 / 9, alpha=alpha, p0=1 / 9)
    assert expected < alpha
    for name in suspects:
        assert abs(matches[name] - 1000 * n / 9) < 4 * np.sqrt(1000 * n * 8 / 81)
        assert abs(accused[name] - 1000 * expected) < 4 * np.sqrt(1000 * expected)


def test_innocents_who_err_alike_are_not_accused(mnist):
    """Honest networks, one service, thirty keys: all err alike, and none is accused."""
    owner, pixels = wm.load_model("mnist/clean"), mnist.test.images[:300]
    right = wm.BlackBox(owner)(pixels)
    answers = [wm.BlackBox(null)(pixels) for null in wm.null_models("mnist")]
    # They do differ from the owner.
    assert max((replies != right).mean() for replies in answers) > 0.01
    place = {image.tobytes(): i for i, image in enumerate(np.round(255 * pixels).astype(np.uint8))}
    for number in range(30):
        key = number.to_bytes(32, "big")
        dawn = Dawn(lambda images: right, range(10), share=0.5, alpha=0.05, key=key)
        dawn(pixels)
        asked = [place[image.tobytes()] for image in dawn.remembered.pixels]
        for replies in answers:
            verdict = dawn.verify(lambda _, said=replies[asked]: said)
            assert verdict.decision == "not found"


def test_customers_who_choose_by_what_they_were_told_change_nothing(mnist):
    """Customers may choose the next image by the last answer: each wrong one is drawn anew."""
    matches = asked = 0
    for number in range(100):
        dawn = Dawn(sevens, range(10), share=1, key=number.to_bytes(32, "big"))
        at = number % 50
        for _ in range(20):
            at = (7 * at + int(dawn(mnist.loot.images[at : at + 1])[0])) % 1000
        # 0 to 6: never right.
        verdict = dawn.verify(lambda images: (images.sum((1, 2, 3)) % 7).astype(int))
        matches, asked = matches + verdict.k, asked + verdict.n
    assert abs(matches - asked / 9) < 4 * np.sqrt(asked * 8 / 81)


def test_a_thief_learns_wrong_answers_by_heart_who_trains_long(mnist):
    dawn = Dawn(wm.BlackBox(wm.load_model("mnist/clean")), mnist.classes, share=0.1, key=KEY)
    theft = wm.theft.StealByQueries(200, schedule=wm.Schedule(epochs=25, batch_size=20))
    thief = theft(dawn, wm.small_cnn(mnist, seed=1), mnist.loot)
    verdict = dawn.verify(wm.BlackBox(thief.model))
    assert verdict.decision == "found"
    assert thief.queries == dawn.queries == 200


def test_its_secret_is_not_shown_and_not_pickled(says):
    dawn = Dawn(sevens, range(10), key=KEY)
    assert KEY.hex() not in repr(vars(dawn)) + repr(dawn)
    with says(TypeError):
        pickle.dumps(dawn)
    assert "classroom key" in repr(dawn)
    assert "classroom" not in repr(Dawn(sevens, range(10)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dawn(sevens, range(10), share=0),
        lambda: Dawn(sevens, range(10), share=1.5),
        lambda: Dawn(sevens, range(10), share=-0.1),
        lambda: Dawn(sevens, range(10), alpha=1),
        lambda: Dawn(sevens, range(10), key=b"short"),
        lambda: Dawn(sevens, ["only"]),
        lambda: Dawn(sevens, 10),
        lambda: Dawn(sevens, "0123456789"),
        lambda: Dawn(nn.Flatten(), range(10)),
        lambda: Dawn(sevens, range(10))(np.zeros((2, 28, 28))),
        lambda: Dawn(sevens, range(10)).verify(sevens),
        lambda: asked().verify(nn.Flatten()),
        lambda: asked().verify(sevens, family=0),
        lambda: asked().verify(lambda images: np.zeros((len(images), 10))),
    ],
)
def test_services_and_suspects_that_cannot_be(says, make):
    with says((TypeError, ValueError)):
        make()


def asked():
    dawn = Dawn(sevens, range(10), share=1, key=KEY)
    dawn(np.zeros((1, 1, 28, 28), np.float32))
    return dawn


def test_images_of_another_shape_are_refused_and_not_remembered(images, says):
    dawn = Dawn(sevens, range(10), share=0.5, key=KEY)
    assert dawn.input_shape is None
    dawn.query, service = None, dawn.query
    with pytest.raises(TypeError):  # the service fails at its first query, of a shape it has not
        dawn(images[:2, :, :20, :20])
    dawn.query = service
    dawn(images[:20])
    kept = len(dawn.remembered)
    with says(ValueError):
        dawn(images[:20, :, :20, :20])
    assert (len(dawn.remembered), dawn.queries) == (kept, 20)
    assert dawn.verify(dawn).k == kept
    with wm.serve(dawn) as running:
        assert wm.RemoteModel(running.url)(images[:20]).tolist() == dawn(images[:20]).tolist()


def test_a_suspect_that_says_nothing_or_nonsense_is_told_so(images):
    dawn = Dawn(sevens, range(10), share=0.05, key=KEY)
    dawn(images)
    assert dawn.verify(always(-1)).decision == "cannot tell"
    nonsense = dawn.verify(always(99))
    assert nonsense.answers.n_invalid == nonsense.n


def test_a_suspect_that_names_its_classes_in_another_order_is_understood(images):
    dawn = Dawn(sevens, range(10), share=0.05, key=KEY)
    dawn(images)

    class Turned:
        classes = tuple("3456789012")

        def __call__(self, asked):
            return (dawn(asked) - 3) % 10

    verdict = dawn.verify(Turned())
    assert (verdict.k, verdict.p) == (verdict.n, dawn.verify(dawn).p)
    assert verdict.calibration.renumbered


def test_dawn_has_the_order_of_its_service_and_three_classes_or_more(images, says):
    class Turned:
        classes = tuple("3456789012")

        def __call__(self, asked):
            return sevens(asked)

    with says(ValueError):
        Dawn(Turned(), range(10), key=KEY)
    dawn = Dawn(Turned(), Turned.classes, share=0.05, key=KEY)
    dawn(images)
    assert dawn.classes == Turned.classes
    assert dawn.verify(dawn).k == len(dawn.remembered)
    with says(ValueError):
        Dawn(sevens, ["a", "b"])
