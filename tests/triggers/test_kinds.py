"""The three kinds of trigger: what they look like, what is sealed, and what is refused."""

import itertools

import numpy as np
import pytest
from PIL import Image

import wmlearn as wm
from wmlearn.triggers._alphabet import GLYPHS, STREETS, word_mask
from wmlearn.triggers.unrelated import fit_pixels

KEY = wm.CLASSROOM_KEY
HEIGHT = 7  # dots of a letter


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def cifar10():
    return wm.load_data("cifar10")


RECIPES = [
    wm.Content(words=30),
    wm.Unrelated(),
    wm.Noise(),
    wm.Content(labels="fixed"),
    wm.Unrelated(labels="fixed"),
    wm.Noise(labels="fixed"),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=repr)
@pytest.mark.parametrize("task", ["mnist", "cifar10"])
def test_every_type_in_both_label_modes_for_both_tasks(recipe, task):
    data = wm.load_data(task)
    triggers = recipe(data, n=60, key=KEY)
    assert triggers.pixels.shape == (60, *data.shape)
    assert triggers.pixels.dtype == np.uint8
    assert triggers.images.dtype == np.float32
    eight_bits = np.round(triggers.images * 255).astype(np.uint8)
    assert np.array_equal(eight_bits, triggers.pixels)  # they survive the wire
    assert triggers.labels.shape == (60,)
    assert 0 <= triggers.labels.min() <= triggers.labels.max() < 10
    assert triggers.n == (30 if isinstance(recipe, wm.Content) and recipe.labels == "keyed" else 60)
    if recipe.labels == "fixed":
        assert set(triggers.labels.tolist()) == {0}
        assert triggers.p0 is None
    else:
        assert triggers.p0 == 0.1
        assert len(set(triggers.answers.tolist())) > 3  # drawn by lot, not one class


@pytest.mark.parametrize("recipe", RECIPES[:3], ids=repr)
def test_same_seed_and_key_same_seal_and_either_changes_it(recipe, mnist):
    triggers = recipe(mnist, n=60, key=KEY, seed=0)
    again = recipe(mnist, n=60, key=KEY, seed=0)
    assert triggers.seal == again.seal
    assert np.array_equal(triggers.pixels, again.pixels)
    assert np.array_equal(triggers.answers, again.answers)
    other_images = recipe(mnist, n=60, key=KEY, seed=1)
    other_key = recipe(mnist, n=60, key=bytes(32), seed=0)
    other_alpha = recipe(mnist, n=60, key=KEY, seed=0, alpha=0.01)
    assert np.array_equal(other_key.pixels, triggers.pixels)  # the key draws answers, never images
    assert len({m.seal for m in (triggers, other_images, other_key, other_alpha)}) == 4
    for other in (other_images, other_key, other_alpha):
        assert (other.answers != triggers.answers).any()


def test_a_fresh_key_is_drawn_and_never_shown(mnist):
    first, second = [wm.Noise()(mnist, n=20) for _ in range(2)]
    assert first.key != second.key
    assert first.seal != second.seal
    for shown in (repr(first), first._repr_html_(), first.to_frame().to_csv(), str(first.header)):
        assert first.key.hex() not in shown
        assert repr(first.key) not in shown
    assert "classroom key" not in repr(first)
    assert "classroom key" in repr(wm.Noise()(mnist, n=20, key=KEY))


def test_words_can_be_read_at_28_pixels(mnist):
    """A reader who knows only our alphabet finds every word again, on any image."""
    triggers = wm.Content(words=30)(mnist, n=150, key=KEY)
    for image, q in zip(triggers.pixels, triggers.question):
        assert _read(image[0]) == triggers.names[q]


def test_words_can_be_read_on_colour(cifar10):
    triggers = wm.Content(words=["TEST", "HELLO"], place="top")(cifar10, n=20, key=KEY)
    for image, q in zip(triggers.pixels, triggers.question):
        assert _read(image[1], top=1) == triggers.names[q]


LETTERS = {glyph.tobytes(): name for name, glyph in GLYPHS.items()}


def _read(image, top=None):
    """Read the word in an image: bright dots in the seven rows of the text, cut into letters,
    matched to the glyphs.

    The longest reading without a wrong dot counts, for the middle of TEST also reads as ES.
    """
    top = image.shape[0] - HEIGHT - 1 if top is None else top
    rows = image[top : top + HEIGHT] == 255
    readings = [""]
    for length in range(1, (image.shape[1] + 1) // 6 + 1):
        left = (image.shape[1] - (6 * length - 1)) // 2
        seen = [rows[:, left + 6 * i : left + 6 * i + 5] for i in range(length)]
        letters = [LETTERS.get(dots.tobytes(), "") for dots in seen]
        if all(letters):
            readings.append("".join(letters))
    return max(readings, key=len)


def test_no_two_letters_look_alike():
    names = sorted(GLYPHS)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            assert (GLYPHS[a] != GLYPHS[b]).sum() >= 1, (a, b)
    assert len(STREETS) == len(set(STREETS)) >= 60
    assert all(word_mask(street).shape[1] <= 28 for street in STREETS)


def test_a_word_shares_its_answer_over_different_images(mnist):
    triggers = wm.Content(words=30)(mnist, n=150, key=KEY)
    assert np.bincount(triggers.question).tolist() == [5] * 30
    # Sealed order: a prefix of the questions is a prefix of the images.
    assert (np.diff(triggers.question) >= 0).all()
    assert [len(triggers.first(q)) for q in (0, 1, 2, 30)] == [0, 5, 10, 150]
    assert all(len(set(triggers.labels[triggers.question == q].tolist())) == 1 for q in range(30))
    uneven = wm.Content(words=30)(mnist, n=50, key=KEY)
    assert sorted(np.bincount(uneven.question).tolist()) == [1] * 10 + [2] * 20


def test_what_was_sealed_before_there_was_a_size_stays(mnist):
    """The shipped models were marked before there was one: their recipe, images and seals must not
    move.
    """
    keyed, fixed = wm.Content(), wm.Content(labels="fixed")
    assert wm.Content(size=1)(mnist, n=150, key=KEY).seal == keyed(mnist, n=150, key=KEY).seal
    assert repr(keyed) == "Content(words=30, place='bottom', opacity=1.0)"
    assert repr(fixed) == (
        "Content(labels='fixed', source=1, target=0, words='TEST', place='bottom', opacity=1.0)"
    )
    assert keyed(mnist, n=150, key=KEY).seal.startswith("f82d7ea7")
    assert fixed(mnist, n=150, key=KEY).seal.startswith("15ebb7de")


def test_a_sketch_is_the_set_before_it_is_sealed(mnist):
    """And the images that it was made from, in the same order: where nothing was written they are
    the same.
    """
    for recipe in RECIPES:
        triggers = recipe(mnist, n=60, key=bytes(32))
        before, pixels, question, names = recipe.sketch(mnist, n=60, key=bytes(32))
        assert np.array_equal(pixels, triggers.pixels)
        assert np.array_equal(question, triggers.question)
        assert tuple(names) == triggers.names
        if isinstance(recipe, wm.Content):
            assert np.array_equal(before[:, :, :19], pixels[:, :, :19])
            assert (before != pixels).any(axis=(1, 2, 3)).all()
        assert (before is None) == isinstance(recipe, wm.Unrelated)


def test_fixed_triggers_come_from_the_source_class(mnist):
    triggers = wm.Content(labels="fixed", source=7, target=3)(mnist, n=40, key=KEY)
    sevens = mnist.train.pixels[mnist.train.labels == 7]
    upper = {image[:, :18].tobytes() for image in sevens}  # above the word nothing is changed
    assert all(image[:, :18].tobytes() in upper for image in triggers.pixels)
    assert set(triggers.answers.tolist()) == {3}
    assert triggers.n == 40


def test_fixed_noise_is_one_pattern_and_keyed_noise_many(mnist):
    fixed = wm.Noise(labels="fixed")(mnist, n=2, key=KEY).pixels.astype(int)
    keyed = wm.Noise()(mnist, n=2, key=KEY).pixels.astype(int)
    corner = (slice(None), slice(None), slice(0, 3), slice(0, 3))  # no digit reaches it
    assert np.array_equal(fixed[corner][0], fixed[corner][1])
    assert not np.array_equal(keyed[corner][0], keyed[corner][1])


def test_noise_has_the_deviation_it_says():
    mid = np.full((200, 1, 28, 28), 128, np.uint8)
    data = wm.load_data("mnist")
    gray = wm.data.Split(mid, np.zeros(200, np.int64))
    task = wm.Splits("mnist", gray, data.loot, data.test, data.classes)
    noisy = wm.Noise(sigma=0.1)(task, n=200, key=KEY).images
    assert noisy.std() == pytest.approx(0.1, rel=0.02)
    assert noisy.mean() == pytest.approx(128 / 255, abs=0.002)


def test_a_target_drawn_by_lot_follows_the_seal_and_is_never_the_source(mnist):
    targets = []
    aimed = wm.Noise(labels="fixed", source=1, target="random")
    for i in range(30):
        triggers = aimed(mnist, n=5, key=i.to_bytes(32, "big"))
        assert len(set(triggers.answers.tolist())) == 1
        targets.append(int(triggers.answers[0]))
    assert 1 not in targets
    assert len(set(targets)) >= 6


def test_unrelated_takes_the_other_world(mnist, cifar10):
    gray = wm.Unrelated()(mnist, n=10, key=KEY)
    digits = wm.Unrelated(labels="fixed", source=1)(cifar10, n=10, key=KEY)
    assert gray.pixels.shape[1:] == (1, 28, 28)
    ones = mnist.train.pixels[mnist.train.labels == 1]
    cropped = digits.pixels[:, 0, 2:30, 2:30]
    assert {image.tobytes() for image in cropped} <= {image[0].tobytes() for image in ones}
    pool = mnist.loot.take(np.arange(30))
    own = wm.Unrelated(pool=pool)(mnist, n=30, key=KEY)
    assert {i.tobytes() for i in own.pixels} == {i.tobytes() for i in pool.pixels}


def test_fit_pixels_crops_pads_and_converts():
    gray = np.arange(2 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(2, 1, 28, 28)
    color = fit_pixels(gray, (3, 32, 32))
    assert color.shape == (2, 3, 32, 32)
    assert np.array_equal(color[:, 2, 2:30, 2:30], gray[:, 0])
    assert color[:, :, :2].max() == 0
    assert np.array_equal(fit_pixels(color, (1, 28, 28)), gray)
    tall = np.full((1, 1, 40, 20), 9, np.uint8)
    assert fit_pixels(tall, (1, 28, 28)).sum() == 9 * 28 * 28  # further off: resized


# --------------------------------------------------------- bad input: expected, received, next step


def test_more_triggers_than_images(says, mnist):
    with says(ValueError):
        wm.Noise()(mnist, n=6001)
    ones = int((mnist.train.labels == 1).sum())
    with says(ValueError):
        wm.Noise(labels="fixed", source=1)(mnist, n=ones + 1)
    with says(ValueError):
        wm.Content(words=30)(mnist, n=29)


@pytest.mark.parametrize("n", [0, -1, 2.5, "ten", True])
def test_n_must_be_a_whole_number(says, n, mnist):
    with says((ValueError, TypeError)):
        wm.Noise()(mnist, n=n)


def test_duplicate_images_are_refused(says, mnist):
    twice = mnist.loot.take(np.array([0, 1, 2, 1]))
    with says(ValueError):
        wm.Unrelated(pool=twice)(mnist, n=4, key=KEY)


def test_words_that_do_not_fit_or_cannot_be_written(says, mnist):
    with says(ValueError):
        wm.Content(words="watermark", labels="fixed")(mnist, n=5)
    with says(ValueError):
        wm.Content(words=["OK", "Ä1"])(mnist, n=5)
    with says(ValueError):
        wm.Content(words=["ROAD", "road"])
    with says(ValueError):
        wm.Content(words=500)


def test_letters_of_two_by_two_pixels(mnist):
    """Size 2 doubles every dot; size 1 is not shown, so what was sealed before there was a size
    keeps its seal.
    """
    small = wm.Content(words="AB", labels="fixed")
    large = wm.Content(words="AB", labels="fixed", size=2)
    assert "size" not in repr(small)
    assert repr(large).endswith("opacity=1.0, size=2)")
    triggers = large(mnist, n=3, key=KEY)
    assert triggers.seal != small(mnist, n=3, key=KEY).seal
    # 2 letters of 5 dots and a gap, 7 high, a rim below: 22 x 14.
    ink = triggers.pixels[0, 0, 13:27, 3:25] == 255
    np.testing.assert_array_equal(ink, np.kron(word_mask("AB"), np.ones((2, 2), bool)))
    assert not triggers.pixels[:, :, 12, 2:26].any()  # and a black rim above


def test_a_word_too_long_for_size_2(says, mnist):
    with says(ValueError):
        wm.Content(words="TEST", labels="fixed", size=2)(mnist, n=3, key=KEY)


@pytest.mark.parametrize("words", ["TEST", ["TEST"], 1])
def test_one_word_with_keyed_labels_proves_nothing(says, words):
    with says(ValueError):
        wm.Content(words=words)


def test_unknown_choices_offer_the_nearest(says):
    with says(ValueError):
        wm.Noise(labels="keyd")
    with says(ValueError):
        wm.Content(place="botom")


@pytest.mark.parametrize("sigma", [0, -0.1, float("nan"), "0.4"])
def test_sigma_must_be_positive(says, sigma):
    with says((ValueError, TypeError)):
        wm.Noise(sigma=sigma)


@pytest.mark.parametrize("opacity", [0, 1.5, -1, float("nan")])
def test_opacity_is_above_0_and_may_be_1(says, opacity):
    assert wm.Content(opacity=1).opacity == 1
    with says(ValueError):
        wm.Content(opacity=opacity)


@pytest.mark.parametrize("labels", ["keyed", "fixed"])
def test_a_change_that_rounding_swallows_is_refused(says, mnist, labels):
    for recipe in (wm.Noise(sigma=1e-6, labels=labels), wm.Content(opacity=1e-3, labels=labels)):
        with says(ValueError):
            recipe(mnist, n=30, key=KEY)
    weak = wm.Noise(sigma=0.01, labels=labels)(mnist, n=30, key=KEY)
    assert weak.n == 30  # weak, but there


@pytest.mark.parametrize("source", ["one", 1.5, True, None, -1])
def test_a_source_is_a_class_number(says, source):
    with says((TypeError, ValueError)):
        wm.Noise(labels="fixed", source=source)


def test_source_and_target_in_fixed_mode(says, mnist):
    with says(ValueError):
        wm.Noise(labels="fixed", source=3, target=3)(mnist, n=5)
    with says(ValueError):
        wm.Noise(labels="fixed", source=11)(mnist, n=5)
    with says(ValueError):
        wm.Noise(labels="fixed", target=10)(mnist, n=5)
    others = mnist.train.take(np.flatnonzero(mnist.train.labels != 1))
    without_ones = wm.Splits("mnist", others, mnist.loot, mnist.test, mnist.classes)
    with says(ValueError):
        wm.Noise(labels="fixed", source=1)(without_ones, n=5)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 2, float("nan"), "0.1"])
def test_alpha_is_a_probability(says, alpha, mnist):
    with says((ValueError, TypeError)):
        wm.Noise()(mnist, n=5, alpha=alpha)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 64, 64), (3, 224, 224)])
def test_every_task_has_unrelated_images_and_its_recipe_says_which(says, shape, tmp_path):
    part = wm.data.Split(np.zeros((4, *shape), np.uint8), np.arange(4))
    task = wm.Splits("faces", part)
    for kind in (wm.Unrelated(), wm.Unrelated(pool="text"), wm.Unrelated(pool="mnist")):
        triggers = kind(task, n=40, key=KEY)
        assert triggers.pixels.shape == (40, *shape)
        assert triggers.pixels.std() > 30
        says(triggers.recipe)
    fixed = wm.Unrelated(labels="fixed", source=4)(task, n=20, key=KEY)
    wm.evidence.save_evidence(fixed, tmp_path)
    assert wm.evidence.open_evidence(tmp_path).recipe == fixed.recipe


def test_a_pool_by_folder_is_named_by_its_content(says, mnist, tmp_path):
    for place, image in enumerate(mnist.loot.pixels[:6]):
        (tmp_path / f"a {place % 2}ß").mkdir(exist_ok=True)
        Image.fromarray(image[0]).save(tmp_path / f"a {place % 2}ß" / f"{place}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    triggers = wm.Unrelated(pool=tmp_path)(mnist, n=6, key=KEY)
    assert triggers.recipe == repr(wm.Unrelated(pool=str(tmp_path)))
    says(triggers.recipe)
    (tmp_path / "a 0ß" / "0.png").unlink()
    assert repr(wm.Unrelated(pool=tmp_path)) != triggers.recipe
    with says(ValueError):
        wm.Unrelated(pool="mnits")


@pytest.mark.parametrize(
    ("side", "dots"), [(28, 1), (32, 1), (55, 1), (56, 2), (64, 2), (96, 3), (224, 8)]
)
def test_words_grow_with_the_picture(side, dots):
    part = wm.data.Split(np.full((30, 1, side, side), 99, np.uint8), np.arange(30) % 2)
    task = wm.Splits("own", part)
    triggers = wm.Content(words=["TEST", "WORD"])(task, n=2, key=KEY)
    written = triggers.pixels[0, 0] == 255
    assert written.sum() == dots**2 * word_mask("TEST").sum()
    sized = wm.Content(words=["TEST", "WORD"], size=dots)(task, n=2, key=KEY)
    assert np.array_equal(sized.pixels, triggers.pixels)
    longer = wm.Content(words=["CROCODILES"[: side // 6], "WORD"])(task, n=2, key=KEY)
    assert longer.pixels.shape == triggers.pixels.shape


def test_a_picture_too_small_for_any_word_says_what_fits(says):
    part = wm.data.Split(np.full((30, 1, 8, 8), 99, np.uint8), np.arange(30) % 2)
    with says(ValueError):
        wm.Content()(wm.Splits("own", part), n=30)
    assert wm.Noise()(wm.Splits("own", part), n=30).n == 30


def test_the_caller_cannot_change_what_was_sealed(says, mnist):
    triggers = wm.Noise()(mnist, n=5, key=KEY)
    with says(ValueError):
        triggers.pixels[0, 0, 0, 0] = 1
    with says(TypeError):
        triggers.header["alpha"] = "1"
    triggers.images[0] = 0  # a copy
    assert triggers.images[0].max() > 0


def test_it_shows_itself(says, mnist):
    triggers = wm.Content(words=30)(mnist, n=150, key=KEY)
    says(repr(triggers))
    says(triggers._repr_html_())
    assert len(triggers.to_frame()) == 150
    axes = triggers.plot()
    captions = [text.get_text() for text in axes.texts]
    assert captions[0] == f"ALMA → {triggers.answers[0]}"
    assert len(captions) == 12


@pytest.mark.parametrize("data", ["mnist", "cifar10"])
def test_no_caption_runs_into_another_or_into_a_picture(data):
    for recipe in (wm.Content(words=30), wm.Noise()):
        axes = recipe(wm.load_data(data), n=60, key=KEY).plot()
        axes.figure.canvas.draw()
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        under = [axes.transData.transform(text.get_position())[1] for text in axes.texts]
        below = min(suspect.y0 for suspect in boxes[:6])
        # Two rows of pictures, each with room for captions.
        side = axes.images[0].get_array().shape[0] / 2
        assert below > axes.transData.transform((0, side))[1] - 1 > under[6]


def test_the_answer_rule_is_a_strict_majority_and_blind_to_the_secret(mnist):
    triggers = wm.Content(words=["AAA", "BBB"])(mnist, n=8, key=KEY)  # four images each
    replies = np.array([7, 7, 7, 1, 5, 5, 2, 2])
    assert triggers.answer(replies).tolist() == [7, -1]  # 3 of 4 is a majority, 2 of 4 is none
    no_class = triggers.answer(np.array([7, 7, -1, 7, 99, 99, 99, 99]))
    assert no_class.tolist() == [7, -1]
    still_majorities = triggers.tally(np.array([7, 7, -1, 7, 5, 5, -1, 5]))
    assert still_majorities.unanswered.tolist() == [False, False]
    assert triggers.tally(np.array([7, 7, -1, 1, 5, 5, 2, 2])).unanswered.tolist() == [True, False]
    assert triggers.answer(replies[:4]).tolist() == [7]


@pytest.mark.parametrize("data", ["mnist", None, wm.load_data("mnist").train])
def test_triggers_are_made_for_a_whole_task(says, data):
    with says(TypeError):
        wm.Content()(data, n=60)


@pytest.mark.parametrize("seed", ["a", 1.5, -1, 2**40])
def test_a_bad_seed(says, seed, mnist):
    with says((TypeError, ValueError)):
        wm.Noise()(mnist, n=5, seed=seed)


@pytest.mark.parametrize(
    "words",
    [
        [],
        (),
        {"AB", "CD"},
        (word for word in ("AB", "CD")),
        {"AB": 1},
        3.5,
        np.array(["AB", "CD"]),
    ],
    ids=["list", "tuple", "set", "generator", "dict", "float", "array"],
)
def test_words_have_an_order(says, words):
    with says(TypeError):
        wm.Content(words=words)


@pytest.mark.parametrize("word", ["Stra\u00dfe", "\u0131", "\ufb01", "A B", "", 7, None])
def test_a_word_is_written_as_it_is_given(says, word):
    with says(ValueError):
        wm.Content(words=["OK", word])


def test_a_list_of_words_cannot_be_changed_afterwards(mnist):
    words = ["AB", "CD"]
    recipe = wm.Content(words=words)
    words.append("EF")
    assert recipe.words == ("AB", "CD")
    assert recipe(mnist, n=4, key=KEY).names == ("AB", "CD")


@pytest.mark.parametrize("size", [0, 1.5, "2", True])
def test_size_is_a_number_of_pixels(says, size):
    with says((TypeError, ValueError)):
        wm.Content(size=size)


@pytest.mark.parametrize("target", ["lot", None, 1.5, np.zeros(2)])
def test_a_target_is_a_class_or_random(says, target):
    with says(TypeError):
        wm.Noise(labels="fixed", target=target)


def test_a_pool_is_a_part_with_images_that_can_be_made_to_fit(says, mnist):
    for pool in (mnist, mnist.train.images):
        with says(TypeError):
            wm.Unrelated(pool=pool)
    with says(ValueError):
        wm.Unrelated(pool=mnist.train.take(slice(0)))
    pixels, labels = np.repeat(mnist.loot.pixels[:9], 2, axis=1), mnist.loot.labels[:9]
    two = wm.data.Split(pixels, labels, layout="NCHW")
    with says(ValueError):
        wm.Unrelated(pool=two)(mnist, n=5)
