"""Thieves who hide behind a filter, a detector or a vote; and those who look into the weights for
the secret.
"""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import wmlearn as wm
from wmlearn.theft import AddNoise, Blur, InvertModel, Jpeg, RejectUnusual, Squeeze, Vote

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = {name: getattr(wm.theft, name) for name in wm.theft.__all__}
FILTERS = [
    Jpeg(60),
    Blur(0.8),
    Squeeze(2),
    AddNoise(0.1),
    AddNoise(0.1, seed=1),
    RejectUnusual(0.2),
]


@pytest.fixture(scope="module")
def loot(mnist) -> wm.data.Split:
    return mnist.loot.take(slice(500))


@pytest.fixture(scope="module")
def owner() -> nn.Module:
    return wm.load_model("mnist/content")


@pytest.fixture(scope="module")
def triggers(mnist) -> wm.evidence.TriggerSet:
    return wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)


class Seen:
    """A service that keeps what reaches it, and says 7."""

    def __init__(self) -> None:
        self.images = np.empty((0, 1, 28, 28), np.float32)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.images = images
        return np.full(len(images), 7, np.int64)


def through(theft, images: np.ndarray) -> np.ndarray:
    """Return what the model behind a filter gets to see."""
    seen = Seen()
    theft(seen)(images)
    return seen.images


# True of every one --------------------------------------------------------------------------------


@pytest.mark.parametrize("theft", FILTERS, ids=repr)
def test_it_answers_like_a_service_and_leaves_everything_alone(theft, owner, loot, mnist):
    weights = {name: tensor.clone() for name, tensor in owner.state_dict().items()}
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    images = mnist.test.images[:200]
    asked = images.copy()
    suspect = wm.BlackBox(owner)
    replies = theft(suspect, loot)(images)
    assert (replies.dtype, replies.shape, suspect.queries) == (np.int64, (200,), 200)
    assert (replies == mnist.test.labels[:200]).mean() > 0.6
    assert np.array_equal(images, asked)
    assert all(torch.equal(weights[name], tensor) for name, tensor in owner.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


@pytest.mark.parametrize("theft", FILTERS, ids=repr)
def test_asked_twice_alone_or_in_another_order_it_says_the_same(theft, owner, loot, mnist):
    hidden, images = theft(wm.BlackBox(owner), loot), mnist.test.images[:40]
    replies = hidden(images)
    assert np.array_equal(hidden(images), replies)
    assert np.array_equal(hidden(images[::-1])[::-1], replies)
    assert np.array_equal(np.concatenate([hidden(images[i : i + 1]) for i in range(40)]), replies)


@pytest.mark.parametrize("theft", FILTERS, ids=repr)
def test_it_prints_as_it_is_written(theft):
    assert eval(repr(theft), NAMES) == theft


@pytest.mark.parametrize("theft", FILTERS, ids=repr)
def test_no_images_and_no_answers(theft, owner, loot):
    assert theft(wm.BlackBox(owner), loot)(np.empty((0, 1, 28, 28), np.float32)).shape == (0,)
    silent = theft(wm.BlackBox(owner, budget=0), loot)
    ordinary = loot.images[:5]
    assert (silent(ordinary) == -1).all()


@pytest.mark.parametrize(
    "theft", [Squeeze(8), Blur(0), AddNoise(0), Blur(0.0), AddNoise(np.float64(0))], ids=repr
)
@pytest.mark.parametrize("task", ["mnist", "cifar10"])
def test_at_strength_nought_nothing_changes(theft, task):
    images = wm.load_data(task).test.images[:50]
    assert np.array_equal(through(theft, images), images)


@pytest.mark.parametrize("theft", FILTERS, ids=repr)
def test_weights_are_no_service(says, theft, owner, loot):
    with says(TypeError):
        theft(owner, loot)


# Filters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["mnist", "cifar10"])
@pytest.mark.parametrize("quality", [95, 20])
def test_jpeg_is_what_pillow_reads_back(task, quality):
    part = wm.load_data(task).test.take(slice(8))
    seen = through(Jpeg(quality), part.images)
    for pixels, image in zip(part.pixels, seen):
        file = io.BytesIO()
        flat = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, 2)
        Image.fromarray(np.ascontiguousarray(flat)).save(file, format="JPEG", quality=quality)
        back = np.asarray(Image.open(io.BytesIO(file.getvalue())))
        back = back[None] if back.ndim == 2 else np.moveaxis(back, 2, 0)
        assert np.array_equal(np.rint(image * 255), back)
    assert seen.dtype == np.float32


def test_the_lower_the_quality_the_more_is_lost(mnist):
    images = mnist.test.images[:50]
    lost = [np.abs(through(Jpeg(quality), images) - images).mean() for quality in (95, 65, 45, 10)]
    assert lost == sorted(lost)
    assert 0 < lost[0] < lost[-1] / 3


def test_a_blurred_dot_is_a_bell(mnist):
    dot = np.zeros((1, 1, 28, 28), np.float32)
    dot[0, 0, 14, 14] = 1
    seen = through(Blur(1.5), dot)[0, 0]
    assert seen.sum() == pytest.approx(1, abs=1e-3)
    assert seen[14, 16] / seen[14, 14] == pytest.approx(math.exp(-(2**2) / (2 * 1.5**2)), rel=1e-3)
    colors = np.zeros((2, 3, 32, 32), np.float32)
    colors[0, 1, 16, 16] = 1
    blurred = through(Blur(1.5), colors)
    assert blurred[1].max() == blurred[0, 0].max() == blurred[0, 2].max() == 0  # nothing runs over


def test_squeezed_pixels_have_few_levels(mnist):
    images = mnist.test.images[:50]
    assert set(np.unique(through(Squeeze(1), images))) == {0, 1}
    assert np.array_equal(through(Squeeze(1), images), (images > 0.5).astype(np.float32))
    assert np.allclose(np.unique(through(Squeeze(2), images)), [0, 1 / 3, 2 / 3, 1])


def test_noise_has_its_size_and_differs_from_image_to_image():
    gray = (
        np.full((30, 1, 28, 28), 0.5, np.float32)
        + np.arange(30, dtype=np.float32)[:, None, None, None] / 1000
    )
    noise = through(AddNoise(0.1), gray) - gray
    assert noise.std() == pytest.approx(0.1, rel=0.02)
    assert abs(noise.mean()) < 0.003
    assert np.abs(np.corrcoef(noise.reshape(30, -1)) - np.eye(30)).max() < 0.2
    other = through(AddNoise(0.1, seed=1), gray) - gray
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.03
    loud = through(AddNoise(3), gray)
    assert loud.min() == 0
    assert loud.max() == 1


def test_small_triggers_go_under_in_a_blur_and_digits_do_not(owner, triggers, mnist):
    """What lesson 11 shows, with room: the words of the course are four letters of five dots."""
    suspect = wm.BlackBox(owner)
    plain, blurred = wm.verify(suspect, triggers), wm.verify(Blur(1.2)(suspect), triggers)
    assert (plain.decision, plain.k) == ("found", 30)
    assert blurred.k <= 15
    assert (Blur(1.2)(suspect)(mnist.test.images) == mnist.test.labels).mean() > 0.9


# The detector -------------------------------------------------------------------------------------


def nearest_by_hand(images: np.ndarray, own: np.ndarray) -> np.ndarray:
    return np.array(
        [
            min(np.linalg.norm(image - other) for other in own if other is not image)
            for image in images
        ]
    )


def test_the_detector_measures_the_distance_to_the_nearest(owner, loot, mnist):
    """The oracle measures every distance by hand, and leaves each of the thief's images out of its
    own neighbours.
    """
    own = loot.take(slice(60))
    rows = [image.astype(np.float64) for image in own.images]
    limit = sorted(nearest_by_hand(rows, rows))[-12]  # the 12 farthest of 60 are a fifth
    images = np.concatenate(
        [mnist.test.images[:30], wm.load_data("cifar10").test.images[:5, :1, :28, :28]]
    )
    far = nearest_by_hand([image.astype(np.float64) for image in images], rows) > limit
    assert 0 < far[:30].sum() < 30
    assert far[30:].sum() >= 3  # a dark photograph lies near a thin digit, as far as pixels go
    says_11 = RejectUnusual(0.2)(lambda asked: np.full(len(asked), 11), own)
    assert np.array_equal(says_11(images) != 11, far)


@pytest.mark.parametrize("share", [0, 0.01, 0.05, 0.2, 1])
def test_it_sacrifices_the_share_it_was_given_and_no_more(share, loot, mnist):
    says_11 = RejectUnusual(share)(lambda images: np.full(len(images), 11), mnist.loot)
    rejected = (says_11(mnist.test.images) != 11).mean()
    bound = 4 * math.sqrt(share * (1 - share) / 2000)  # four standard errors of 2,000 test images
    assert share - bound - 0.02 <= rejected <= share + bound


def test_what_is_rejected_gets_dice(loot):
    photographs = wm.load_data("cifar10").test.images[:2000, :1, :28, :28]
    replies = RejectUnusual()(lambda images: np.full(len(images), 11), loot)(photographs)
    dice = replies[replies != 11]
    assert len(dice) > 500
    counts = np.bincount(dice, minlength=10)
    assert len(counts) == 10
    assert (
        (counts - len(dice) / 10) ** 2 / (len(dice) / 10)
    ).sum() < 27.9  # chi squared, 9 degrees, 1 in 1,000
    other = RejectUnusual(seed=1)(lambda images: np.full(len(images), 11), loot)(photographs)
    assert (other == replies).mean() < 0.5


def test_words_on_digits_are_unusual(owner, triggers, mnist):
    hidden = RejectUnusual()(wm.BlackBox(owner), mnist.loot)
    assert wm.verify(hidden, triggers).decision == "not found"
    assert (hidden(mnist.test.images) == mnist.test.labels).mean() > 0.9


# The vote -----------------------------------------------------------------------------------------


def say(*labels: int):
    """Return a service that gives these labels, in order."""
    return lambda images: np.array(labels[: len(images)], np.int64)


def test_most_votes_win():
    images = np.linspace(0, 1, 4, dtype=np.float32)[:, None, None, None] * np.ones(
        (1, 1, 2, 2), np.float32
    )
    vote = Vote([say(1, 2, -1, -1), say(1, 3, 5, -1), say(2, 3, -1, -1)])
    assert vote(images).tolist() == [1, 3, 5, -1]
    assert vote(images[:0]).shape == (0,)
    assert repr(vote) == "Vote(3 models)"


def test_lots_part_those_who_are_equal(mnist):
    images = mnist.test.images[:600]
    equals = [lambda images, label=label: np.full(len(images), label) for label in (3, 5, 8)]
    replies = Vote(equals)(images)
    assert np.bincount(replies, minlength=9)[[3, 5, 8]].min() > 150
    assert np.array_equal(Vote(equals)(images[::-1])[::-1], replies)
    assert not np.array_equal(Vote(equals, seed=1)(images), replies)


def test_three_owners_outvote_each_others_secrets(owner, triggers):
    others = [wm.BlackBox(model) for model in wm.null_models("mnist", n=2)]
    assert wm.verify(Vote([wm.BlackBox(owner), *others]), triggers).decision == "not found"
    assert wm.verify(Vote([wm.BlackBox(owner)] * 3), triggers).k == 30  # three copies know the same


# Inversion ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["blank", "noise", "loot"])
def test_the_model_takes_what_was_found_for_its_class(start, owner, loot):
    before = {name: tensor.clone() for name, tensor in owner.state_dict().items()}
    state = torch.get_rng_state()
    found = InvertModel(start)(owner, loot)
    assert (found.images.shape, found.images.dtype) == ((10, 1, 28, 28), np.float32)
    assert 0 <= found.images.min() <= found.images.max() <= 1
    assert (found.sure >= 0.99).all()
    assert repr(found) == "Inverted(10 images, 10 taken for their class without doubt)"
    assert wm.BlackBox(owner)(found.images).tolist() == list(range(10))
    assert np.array_equal(InvertModel(start)(owner, loot).images, found.images)
    assert all(torch.equal(before[name], tensor) for name, tensor in owner.state_dict().items())
    assert all(weights.requires_grad and weights.grad is None for weights in owner.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_of_a_model_that_only_measures_brightness_it_finds_the_brightest(mnist):
    """An oracle with one answer: where scores are sums over the upper and the lower half, that half
    turns white.
    """
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 2, bias=False))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].weight[0, :392] = model[1].weight[1, 392:] = 0.01
    two = wm.data.Split(mnist.loot.pixels[:2], np.array([0, 1]))
    found = InvertModel(steps=1, lr=1.0)(model, two)
    upper, lower = found.images.reshape(2, 784)
    assert np.ptp(upper[:392]) < 1e-6 < upper[0]
    assert np.allclose(upper[:392], lower[392:])
    assert not upper[392:].any()
    length = np.linalg.norm(found.images[0])
    assert length == pytest.approx(
        math.sqrt(0.5), rel=1e-3
    )  # the other half of the step went below black


def test_it_stops_where_the_model_is_sure_and_starts_where_it_is_told(owner, loot):
    blank, noise, image = (
        InvertModel(start, steps=1, lr=1e-6)(owner, loot).images
        for start in ("blank", "noise", "loot")
    )
    assert blank.max() < 1e-3
    assert noise.std() > 0.25
    for label, picture in enumerate(image):
        near = np.abs(loot.images - picture).max((1, 2, 3)).argmin()
        assert np.abs(loot.images[near] - picture).max() < 1e-3
        assert loot.labels[near] != label


def test_resemblance_is_the_correlation_of_pixels(owner, loot, triggers):
    found = InvertModel("noise", steps=20)(owner, loot)
    alike = found.resemblance(triggers.images, triggers.labels)
    by_hand = [
        np.corrcoef(i.ravel(), found.images[y].ravel())[0, 1]
        for i, y in zip(triggers.images, triggers.labels)
    ]
    assert np.allclose(alike, by_hand, atol=1e-5)
    assert np.allclose(found.resemblance(found.images, np.arange(10)), 1)
    assert found.resemblance(np.zeros((1, 1, 28, 28), np.float32), np.array([3])).tolist() == [0]


def test_stop_keeps_what_was_found(owner, loot, monkeypatch):
    whole, steps = InvertModel(steps=3)(owner, loot), []
    grad = torch.autograd.grad

    def until_stopped(*args, **kwargs):
        steps.append(1)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return grad(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", until_stopped)
    assert np.array_equal(InvertModel(steps=50)(owner, loot).images, whole.images)


# Bad input ----------------------------------------------------------------------------------------


def test_a_bad_setting(says):
    with says(ValueError):
        Jpeg(0)
    with says(TypeError):
        Jpeg(45.5)
    with says(ValueError):
        Blur(-1)
    with says(ValueError):
        Squeeze(0)
    with says(ValueError):
        Squeeze(16)
    with says(ValueError):
        AddNoise(math.nan)
    with says(TypeError):
        AddNoise(0.1, seed="a")
    with says(ValueError):
        RejectUnusual(1.1)
    with says(ValueError):
        Vote([])
    with says(TypeError):
        Vote([len, 3])
    with says(TypeError):
        Vote(len)
    with says(ValueError):
        InvertModel("black")
    with says(ValueError):
        InvertModel(steps=0)
    with says(ValueError):
        InvertModel(lr=0)


def test_bad_images_and_bad_loot(says, owner, loot):
    suspect = wm.BlackBox(owner)
    with says(ValueError):
        Blur(1)(suspect)(np.zeros((28, 28), np.float32))
    with says(TypeError):
        RejectUnusual()(suspect, loot.images)
    with says(ValueError):
        RejectUnusual()(suspect, loot.take(slice(1)))
    with says(ValueError):
        RejectUnusual()(suspect, loot)(np.zeros((2, 3, 32, 32), np.float32))
    with says(ValueError):
        InvertModel()(owner, wm.load_data("cifar10").loot)
