"""The trigger studio without a browser: its inputs are set as a hand would set them, its HTML is
read.
"""

import base64
import html
import io
import re
import statistics
import threading
import time

import ipywidgets
import numpy as np
import pytest
import torch
from _drive import html_of, style_sheets, widgets_in
from PIL import Image

import wmlearn as wm
from wmlearn.labs._kit.views import WIDGET_VIEW
from wmlearn.labs.studio import previews
from wmlearn.labs.studio.likeness import psnr, ssim
from wmlearn.triggers.unrelated import fit_pixels

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def innocents(data):
    """Three networks that learnt nothing: what they say is as good as any to be counted."""
    return [wm.small_cnn(data, width=4, seed=seed) for seed in range(3)]


@pytest.fixture
def studio(data, innocents):
    yield wm.TriggerStudio(data, key=wm.CLASSROOM_KEY, models=innocents)
    for timer in pauses():  # else what was moved last would be sealed in the middle of another test
        timer.cancel()
    pause()


def pauses():
    """Return what waits for a hand to pause."""
    return [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def pause():
    """Wait as long as it takes until what was last moved is sealed."""
    for timer in pauses():
        timer.join(20)
        assert not timer.is_alive()


def always(data, label):
    """Return a network that gives every image the same label."""
    network = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(int(np.prod(data.shape)), len(data.classes))
    )
    with torch.no_grad():
        network[1].weight.zero_()
        network[1].bias.copy_(torch.eye(len(data.classes))[label])
    return network


def existing(studio):
    """Return the names of the inputs that can be seen."""
    names = ("words", "place", "size", "opacity", "sigma", "source", "foreign", "target")
    return {name for name in names if getattr(studio, name).layout.display != "none"}


def screen(studio, place):
    return studio.state.screen[place]


def sheet(studio):
    """Return the pictures that the page is sent, shape (h, w * k) or (h, w * k, 3)."""
    packed = re.search(r"base64,([^)]*)\)", screen(studio, "sheet"))[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(packed))))


def bars(studio):
    """Return the share of each class as it is drawn, from the heights in pixels."""
    tops = re.findall(
        r"<path class='wm-bar[^']*' d='M[\d.]+ 222V([\d.]+)H", screen(studio, "chart")
    )
    return [(222 - float(top)) / (222 - 40) for top in tops]


# ---------------------------------------------------------------- what is made


KINDS = [
    (kind, labels) for kind in ("Content", "Unrelated", "Noise") for labels in ("keyed", "fixed")
]


@pytest.mark.parametrize(("kind", "labels"), KINDS)
def test_the_line_of_code_makes_the_same_set(studio, kind, labels):
    studio.kind.value, studio.labels.value = kind, labels
    studio.number.value, studio.sigma.value, studio.opacity.value, studio.place.value = (
        60,
        0.25,
        0.55,
        "top",
    )
    namespace = {"wm": wm}
    exec(studio.code, namespace)
    assert namespace["triggers"].seal == studio.triggers.seal
    assert np.array_equal(namespace["triggers"].pixels, studio.triggers.pixels)
    assert html.unescape(screen(studio, "line")).count(studio.code) == 1
    assert studio.status.value == ""


def test_the_default_is_the_set_that_shipped_models_were_marked_with(studio, data):
    assert studio.triggers.seal == wm.Content(words=30)(data, n=150, key=wm.CLASSROOM_KEY).seal


def test_every_input_reaches_the_recipe(says, studio):
    studio.labels.value = "fixed"
    studio.words.value, studio.size.value = "ab", 2
    studio.source.value, studio.target.value, studio.opacity.value = (
        7,
        "random",
        0.15000000000000002,
    )
    assert studio.triggers.recipe == (
        "Content(labels='fixed', source=7, target='random', words='ab', place='bottom', "
        "opacity=0.15, size=2)"
    )
    studio.words.value = "one, two three"
    studio.size.value = 1
    with says(ValueError):
        assert studio.triggers
    studio.words.value = "one, two four"
    assert "words=('one', 'two', 'four')" in studio.triggers.recipe
    studio.words.value = "12"
    assert "words=12," in studio.triggers.recipe


def test_the_source_of_unrelated_is_of_another_world(studio, data):
    studio.kind.value, studio.labels.value = "Unrelated", "fixed"
    assert ("truck", 9) in studio.foreign.options
    studio.foreign.value, studio.source.value = 9, 3
    trucks = wm.load_data("cifar10").train
    trucks = trucks.pixels[trucks.labels == 9]
    known = {image.tobytes() for image in fit_pixels(trucks, data.shape)}
    assert all(image.tobytes() in known for image in studio.triggers.pixels)


@pytest.mark.parametrize(
    ("kind", "labels", "seen"),
    [
        ("Content", "keyed", {"words", "place", "size", "opacity"}),
        ("Content", "fixed", {"words", "place", "size", "opacity", "source", "target"}),
        ("Unrelated", "keyed", set()),
        ("Unrelated", "fixed", {"foreign", "target"}),
        ("Noise", "keyed", {"sigma"}),
        ("Noise", "fixed", {"sigma", "source", "target"}),
    ],
)
def test_only_the_inputs_of_the_type_are_shown(studio, kind, labels, seen):
    studio.kind.value, studio.labels.value = kind, labels
    assert existing(studio) == seen


def test_a_secret_key_is_never_shown(data, innocents):
    studio = wm.TriggerStudio(data, models=innocents)
    key = studio.triggers.key
    assert key != wm.CLASSROOM_KEY
    assert studio.code.endswith("n=150, key=studio.triggers.key)")
    assert wm.TriggerStudio(data, models=innocents).triggers.key != key
    shown = repr(studio) + html_of(studio) + str(studio.state)
    assert key.hex() not in shown
    assert repr(key) not in shown


# ---------------------------------------------------------------- what is shown


def test_a_dozen_are_shown_with_their_words_and_secret_answers(studio):
    triggers = studio.triggers
    first = np.searchsorted(triggers.question, np.arange(12))
    assert np.array_equal(sheet(studio), np.hstack([image[0] for image in triggers.pixels[first]]))
    labels = re.findall(r"aria-label='(\w+), secret answer (\w)'", screen(studio, "pictures"))
    assert labels == [(triggers.names[q], str(triggers.answers[q])) for q in range(12)]
    assert "12 of 30 questions, 150 images, each by the first of its images" in screen(
        studio, "pictures"
    )
    studio.kind.value, studio.number.value = "Noise", 5
    assert "5 of 5 questions, 5 images<" in screen(studio, "pictures")
    assert np.array_equal(sheet(studio), np.hstack([image[0] for image in studio.triggers.pixels]))


def test_pictures_in_colour():
    cifar10 = wm.load_data("cifar10")
    studio = wm.TriggerStudio(cifar10, key=wm.CLASSROOM_KEY, models=[wm.small_cnn(cifar10)])
    studio.kind.value = "Noise"
    shown = studio.triggers.pixels[:12].transpose(0, 2, 3, 1)  # (k, h, w, c)
    assert np.array_equal(sheet(studio), np.hstack(list(shown)))
    assert "secret <b>" in screen(studio, "pictures")
    assert any(f"secret answer {name}'" in screen(studio, "pictures") for name in cifar10.classes)


def test_what_innocents_answer_is_counted_by_hand(data):
    """Two models that always say 8 and one that always says 3: two thirds and one third."""
    models = {"a": always(data, 8), "b": always(data, 8), "c": always(data, 3)}
    studio = wm.TriggerStudio(data, key=wm.CLASSROOM_KEY, models=models)
    assert bars(studio) == pytest.approx([0, 0, 0, 1 / 3, 0, 0, 0, 0, 2 / 3, 0], abs=0.01)
    answers = studio.triggers.answers[:12].tolist()
    agreeing = 2 * answers.count(8) + answers.count(3)
    sentence = f"3 innocent models gave 36 answers: {agreeing} agree with the secret ones"
    assert sentence in screen(studio, "sentences")
    assert "By chance it would be 3.6." in screen(studio, "sentences")
    assert "to the 12 triggers shown: 0 0 %, 1 0 %, 2 0 %, 3 33 %" in screen(studio, "chart")
    assert "wm-target" not in screen(studio, "chart")
    studio.labels.value, studio.target.value = "fixed", 8
    assert (
        "24 are the target class 8 (66.7 %). If all 10 classes were equally likely, it would be 3.6"
        in screen(studio, "sentences")
    )
    assert "The target is 8." in screen(studio, "chart")
    assert (
        screen(studio, "chart").count("▲ target") == screen(studio, "chart").count("wm-target") == 1
    )


def test_all_are_asked_on_the_button(studio, innocents):
    studio.number.value = 100
    assert studio.ask.description == "ask about all 100"
    studio.ask.click()
    triggers = studio.triggers
    agreeing = sum(
        int((wm.BlackBox(model)(triggers.images) == triggers.labels).sum()) for model in innocents
    )
    assert (
        f"Asked about all 100 triggers, 3 innocent models gave 300 answers: {agreeing} agree"
        in repr(studio)
    )
    assert studio.ask.disabled
    studio.opacity.value = 0.5
    assert not studio.ask.disabled
    assert "the 12 triggers shown" in repr(studio)


def test_what_is_asked_live_is_what_a_black_box_says(data, innocents):
    """About each dozen shown, and then about all."""
    recipe = wm.Content(words=30)
    witnesses = previews.Witnesses(innocents)
    seen = previews.preview(recipe, data, n=90, key=wm.CLASSROOM_KEY, innocents=witnesses)
    everything = seen.ask_all(witnesses)
    images = recipe(data, n=90, key=wm.CLASSROOM_KEY).images
    answers = np.stack([wm.BlackBox(model)(images) for model in innocents])
    assert np.array_equal(everything.answers, answers)
    assert np.array_equal(seen.answers, answers[:, ::3][:, :12])


def test_where_the_slider_has_been_nobody_is_asked_again(studio, innocents, monkeypatch):
    """Each dozen is asked about once; where the sliders have been, what was said is remembered."""
    asked = []
    predict = previews.predict
    monkeypatch.setattr(
        previews, "predict", lambda model, pixels: asked.append(model) or predict(model, pixels)
    )
    shown = []
    for opacity in (0.5, 0.6, 0.5, 0.6):
        studio.opacity.value = opacity
        shown.append(screen(studio, "chart"))
    assert len(asked) == 2 * len(innocents)
    assert shown[:2] == shown[2:]
    assert shown[0] != shown[1]


def test_the_models_stay_as_they_were(data):
    model = wm.small_cnn(data).train()
    wm.TriggerStudio(data, key=wm.CLASSROOM_KEY, models=[model])
    assert all(layer.training for layer in model.modules())


def test_visibility_is_against_the_originals(studio, data):
    """Content that hardly covers, noise that drowns; of foreign images there is no original."""
    faint = previews.preview(
        wm.Content(words=30, opacity=0.05),
        data,
        n=60,
        key=wm.CLASSROOM_KEY,
        innocents=previews.Witnesses([wm.small_cnn(data)]),
    )
    above = slice(18)  # of the word, where nothing is changed
    assert np.array_equal(faint.before[:, :, above], faint.pixels[:, :, above])
    assert psnr(faint.before, faint.pixels) > 30
    studio.kind.value, studio.sigma.value = "Noise", 1.0
    noise = wm.Noise(sigma=1.0)
    drowned = previews.preview(
        noise, data, n=12, key=wm.CLASSROOM_KEY, innocents=previews.Witnesses([wm.small_cnn(data)])
    )
    ratio, alike = psnr(drowned.before, drowned.pixels), ssim(drowned.before, drowned.pixels)
    studio.number.value = 12
    assert f"PSNR {ratio:.1f} dB" in screen(studio, "sentences")
    assert f"SSIM {alike:.2f} (1 is the same image)" in screen(studio, "sentences")
    assert ratio < 8
    assert alike < 0.3
    studio.kind.value = "Unrelated"
    assert "there is no original to compare them with" in screen(studio, "sentences")


def test_nothing_changed_is_infinitely_like():
    images = wm.load_data("mnist").train.pixels[:3]
    assert psnr(images, images) == np.inf
    assert ssim(images, images) == pytest.approx(1)
    assert np.isnan(ssim(images[:, :, :10], images[:, :, :10]))


def test_no_trigger_is_ever_dropped_and_it_says_why(studio):
    assert "every sealed question counts" in screen(studio, "sentences")
    assert "a count of the rest no longer means anything" in screen(studio, "sentences")
    pressed = [each for each in widgets_in(studio.widget) if isinstance(each, ipywidgets.Button)]
    assert pressed == [studio.ask]
    before = studio.triggers.seal
    studio.ask.click()
    assert studio.triggers.seal == before


# ---------------------------------------------------------------- how visible: the measures


def test_psnr_by_hand():
    """Half of the pixels off by 10: mean square 50, 10 log10(65025 / 50)."""
    before = np.zeros((2, 1, 4, 4), np.uint8)
    after = before.copy()
    after[:, :, :2] = 10
    assert psnr(before, after) == pytest.approx(10 * np.log10(65025 / 50))


def test_ssim_follows_wang_window_by_window():
    """The definition written out: at each place the weighted means, variances and covariance of 11
    x 11 pixels.
    """
    before = wm.load_data("cifar10").train.pixels[:2]
    noise = np.random.RandomState(0).normal(0, 25, before.shape)
    after = np.clip(before + noise, 0, 255).astype(np.uint8)
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = []
    for x, y in zip(
        before.reshape(-1, 32, 32).astype(float), after.reshape(-1, 32, 32).astype(float)
    ):
        for row in range(22):
            for column in range(22):
                a, b = (image[row : row + 11, column : column + 11] for image in (x, y))
                mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
                var_a, var_b = (
                    (weights * (a - mean_a) ** 2).sum(),
                    (weights * (b - mean_b) ** 2).sum(),
                )
                both = (weights * (a - mean_a) * (b - mean_b)).sum()
                above = (2 * mean_a * mean_b + c1) * (2 * both + c2)
                found.append(above / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))
    assert 0.3 < ssim(before, after) < 0.99
    assert ssim(before, after) == pytest.approx(np.mean(found), abs=1e-9)


# ---------------------------------------------------------------- bad input


def set_words(value):
    return lambda studio: setattr(studio.words, "value", value)


def fixed(**inputs):
    def change(studio):
        studio.labels.value = "fixed"
        for name, value in inputs.items():
            getattr(studio, name).value = value

    return change


def noiseless(studio):
    studio.kind.value = "Noise"
    studio.sigma.value = 0


BAD = {
    "long words": set_words("watermark bank"),
    "umlaut": set_words("Ä1 OK"),
    "one word": set_words("TEST"),
    "500 words": set_words("500"),
    "large letters": lambda studio: setattr(studio.size, "value", 2),
    "not to be seen": lambda studio: setattr(studio.opacity, "value", 0),
    "few images": lambda studio: setattr(studio.number, "value", 29),
    "many images": lambda studio: setattr(studio.number, "value", 6001),
    "target is source": fixed(source=4, target=4),
    "more than the class has": fixed(number=5000),
    "noiseless": noiseless,
}


@pytest.mark.parametrize("change", BAD.values(), ids=list(BAD))
def test_bad_input_is_one_sentence_and_the_old_preview_stays(says, studio, change):
    change(studio)
    says(studio.status.value)
    assert "Something went wrong" not in studio.status.value
    assert "12 of " in screen(studio, "pictures")
    assert sheet(studio).shape == (28, 12 * 28)
    with says(ValueError):
        assert studio.triggers
    with says(ValueError):
        assert studio.code
    assert "the inputs make no set" in repr(studio)
    studio.kind.value, studio.labels.value, studio.number.value = "Noise", "keyed", 40
    studio.sigma.value = 0.3
    assert studio.status.value == ""
    assert studio.triggers.recipe == "Noise(sigma=0.3)"


def test_a_source_class_without_images(data, innocents):
    others = data.train.take(np.flatnonzero(data.train.labels != 1))
    task = wm.Splits("mnist", others, data.loot, data.test, data.classes)
    studio = wm.TriggerStudio(task, key=wm.CLASSROOM_KEY, models=innocents)
    assert studio.code.startswith(
        "triggers = wm.Content(words=30, place='bottom', opacity=1.0)(data, n=150, "
    )
    studio.labels.value = "fixed"
    assert "source class 1 has 0 images" in studio.status.value
    studio.source.value = 2
    assert studio.status.value == ""


def test_too_few_images_to_open_with(data):
    task = wm.Splits("mnist", data.train.take(slice(40)), data.loot, data.test, data.classes)
    studio = wm.TriggerStudio(task, key=wm.CLASSROOM_KEY, models=[wm.small_cnn(data)])
    assert len(studio.triggers.pixels) == 40


def test_unrelated_for_a_task_of_ones_own_has_textures(data, innocents):
    task = wm.Splits("faces", data.train, data.loot, data.test, data.classes)
    studio = wm.TriggerStudio(task, key=wm.CLASSROOM_KEY, models=innocents)
    assert "(data, n=150" in studio.code
    studio.kind.value = "Unrelated"
    assert studio.triggers.recipe == "Unrelated(pool='textures')"
    assert (studio.status.value, studio.foreign.options[0][0]) == ("", "0")


def test_bad_arguments_are_named(says, data, innocents):
    cifar10 = wm.load_data("cifar10")
    with says(TypeError):
        wm.TriggerStudio("mnist")
    with says(ValueError):
        wm.TriggerStudio(data, key=b"short", models=innocents)
    with says(ValueError):
        wm.TriggerStudio(data, models=[innocents[0], wm.small_cnn(cifar10)])
    for models in ([], {}, innocents[0], "all"):
        with says(TypeError):
            wm.TriggerStudio(data, models=models)
    with says(TypeError):
        wm.TriggerStudio(data, models=["mnist/clean"])
    own = wm.Splits("mnist", data.train, data.loot, data.test, data.classes)
    with says(ValueError):  # by the name of a task of the course, whose null models never saw it
        wm.TriggerStudio(own)


def test_an_error_of_our_own_is_shown_and_goes_away(studio, monkeypatch):
    monkeypatch.setattr(previews.Witnesses, "ask", lambda witnesses, pixels: 1 / 0)
    studio.opacity.value = 0.5
    assert "Something went wrong in here.</b> ZeroDivisionError" in studio.status.value
    monkeypatch.undo()
    studio.opacity.value = 0.6
    assert studio.status.value == ""


# ---------------------------------------------------------------- forms


def test_the_null_models_are_asked_unless_others_are_given(data):
    studio = wm.TriggerStudio(data, key=wm.CLASSROOM_KEY)
    models = wm.null_models("mnist", n=20)  # what is left of them stays fresh for a verdict
    assert f"{len(models)} innocent models gave {12 * len(models)} answers" in repr(studio)
    agreeing = int(re.search(r"(\d+) agree with the secret ones", repr(studio))[1])
    assert agreeing <= 0.25 * 12 * len(models)  # innocents have no part in the lottery
    again = wm.TriggerStudio(data, key=wm.CLASSROOM_KEY, models=models)
    assert repr(again) == repr(studio)
    first, second = studio._repr_mimebundle_(), again._repr_mimebundle_()
    assert first["text/plain"] == second["text/plain"] == repr(studio)
    assert first["image/png"] == second["image/png"]


def test_the_forms(studio):
    bundle = studio._repr_mimebundle_()
    assert bundle["text/plain"].splitlines()[0] == (
        "TriggerStudio: Content(words=30, place='bottom', opacity=1.0), 150 images, 30 questions"
    )
    assert bundle[WIDGET_VIEW]["model_id"] == studio.widget.model_id
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).convert("RGB")
    assert picture.getpixel((picture.width - 2, picture.height - 2)) == (255, 255, 255)
    first = picture.crop((0, 0, 168, 168)).resize((28, 28), Image.Resampling.NEAREST)
    assert np.array_equal(np.asarray(first)[..., 0], studio.triggers.pixels[0, 0])
    sixth = picture.crop((940, 0, 1108, 168)).resize((28, 28), Image.Resampling.NEAREST)
    assert np.array_equal(np.asarray(sixth)[..., 0], studio.triggers.pixels[25, 0])


@pytest.mark.parametrize("task", ["mnist", "cifar10"])
def test_the_picture_is_small_even_where_it_is_all_noise(task):
    data = wm.load_data(task)
    studio = wm.TriggerStudio(data, key=wm.CLASSROOM_KEY, models=[wm.small_cnn(data)])
    studio.kind.value = "Noise"
    packed = studio._repr_mimebundle_()["image/png"]
    assert 5_000 < len(base64.b64decode(packed)) < 110_000


def test_a_move_sends_little(studio):
    """Pictures travel once a change, in one sheet; grey ones, whatever is done to them, in less
    than 20 kB.
    """
    for kind in ("Content", "Noise"):
        studio.kind.value = kind
        assert sum(len(shown.encode()) for shown in studio.state.screen.values()) < 20_000


def test_one_change_makes_one_set(studio, monkeypatch):
    """Neither a switch of type nor of labels makes the triggers twice."""
    made = []
    make = previews.preview
    monkeypatch.setattr(
        "wmlearn.labs.studio.lab.preview", lambda *a, **k: made.append(a) or make(*a, **k)
    )
    for name, value in (
        ("kind", "Noise"),
        ("labels", "fixed"),
        ("kind", "Unrelated"),
        ("labels", "keyed"),
    ):
        getattr(studio, name).value = value
    assert len(made) == 4


def test_a_move_takes_no_time(studio):
    """Far below what a page needs to draw it, with keyed labels too: nothing is sealed."""
    seconds = []
    for opacity in np.arange(0.1, 0.9, 0.1):
        start = time.thread_time()
        studio.opacity.value = opacity
        seconds.append(time.thread_time() - start)
    assert statistics.median(seconds) < 0.1


# ---------------------------------------------------------------- sealed when the hand pauses


@pytest.fixture
def sealed(monkeypatch):
    """Return the list of what has been sealed, one recipe a time."""
    done, seal = [], wm.Trigger.__call__

    def counting(recipe, *args, **settings):
        done.append(repr(recipe))
        return seal(recipe, *args, **settings)

    monkeypatch.setattr(wm.Trigger, "__call__", counting)
    return done


def secrets_shown(studio):
    return re.findall(r"secret <b>(.*?)</b>", screen(studio, "pictures"))


def test_nothing_is_sealed_on_the_way_and_once_where_the_hand_rests(studio, sealed, monkeypatch):
    for opacity in (0.9, 0.8, 0.7, 0.6):
        monkeypatch.setattr("wmlearn.labs.studio.lab.PAUSE", 60 if opacity > 0.6 else 1)
        studio.opacity.value = opacity
        assert secrets_shown(studio) == 12 * ["…"]
        assert "secret answer not drawn yet" in screen(studio, "pictures")
        assert "drawn at random when you pause" in screen(studio, "sentences")
        assert "opacity=0.6" in studio.code or opacity > 0.6
    assert sealed == []
    assert bars(studio) != 10 * [0]
    pause()
    assert sealed == ["Content(words=30, place='bottom', opacity=0.6)"]
    assert secrets_shown(studio) == [str(answer) for answer in studio.triggers.answers[:12]]
    assert "agree with the secret ones" in screen(studio, "sentences")
    assert len(sealed) == 1


def test_whoever_asks_for_the_set_need_not_pause(studio, sealed, monkeypatch):
    monkeypatch.setattr("wmlearn.labs.studio.lab.PAUSE", 1)
    for ask in (
        lambda: studio.triggers,
        lambda: repr(studio),
        studio.ask.click,
        studio._repr_mimebundle_,
    ):
        sealed.clear()
        studio.opacity.value = 1.5 - studio.opacity.value
        ask()
        assert len(sealed) == 1
        assert "…" not in secrets_shown(studio)
        pause()
        assert len(sealed) == 1


@pytest.mark.parametrize(("kind", "labels"), KINDS)
def test_what_is_shown_live_is_what_is_sealed(data, kind, labels):
    recipe = getattr(wm, kind)(labels=labels)
    seen = previews.preview(
        recipe,
        data,
        n=150,
        key=wm.CLASSROOM_KEY,
        innocents=previews.Witnesses([wm.small_cnn(data)]),
    )
    triggers = recipe(data, n=150, key=wm.CLASSROOM_KEY)
    assert np.array_equal(seen.pixels, triggers.pixels)
    assert np.array_equal(seen.question, triggers.question)
    assert seen.names == triggers.names
    assert seen.rules == triggers.rules


def test_a_target_that_was_chosen_needs_no_lot(studio, monkeypatch):
    monkeypatch.setattr("wmlearn.labs.studio.lab.PAUSE", 5)
    studio.labels.value, studio.target.value = "fixed", 8
    assert secrets_shown(studio) == 12 * ["8"]
    assert "▲ target" in screen(studio, "chart")
    studio.target.value = "random"
    assert secrets_shown(studio) == 12 * ["…"]
    assert "▲ target" not in screen(studio, "chart")
    drawn = str(studio.triggers.answers[0])
    assert secrets_shown(studio) == 12 * [drawn]
    assert "▲ target" in screen(studio, "chart")


def test_a_lot_that_comes_late_does_not_cover_what_came_after(studio, monkeypatch):
    """The hand moves on while the set is being sealed: what was drawn for the old place is thrown
    away.
    """
    begun, go_on, seal = threading.Event(), threading.Event(), wm.Trigger.__call__

    def slow(recipe, *args, **settings):
        begun.set()
        assert go_on.wait(20)
        return seal(recipe, *args, **settings)

    monkeypatch.setattr("wmlearn.labs.studio.lab.PAUSE", 0.01)
    with monkeypatch.context() as patched:
        patched.setattr(wm.Trigger, "__call__", slow)
        studio.opacity.value = 0.5
        assert begun.wait(20)
        [first] = pauses()
        studio.opacity.value = 0.25
        latest = screen(studio, "pictures")
        go_on.set()
        first.join(20)
    pause()
    assert latest.count("…") == 12
    assert "opacity=0.25" in studio.code
    triggers = wm.Content(words=30, opacity=0.25)(
        wm.load_data("mnist"), n=150, key=wm.CLASSROOM_KEY
    )
    assert secrets_shown(studio) == [str(answer) for answer in triggers.answers[:12]]


def test_a_wrong_input_right_after_a_move_leaves_the_move_its_lots(says, studio):
    studio.opacity.value = 0.5
    studio.words.value = "watermark bank"
    pause()
    assert "needs 53 x 9 pixels" in studio.status.value
    assert "…" not in secrets_shown(studio)
    assert studio.ask.disabled
    with says(ValueError):
        assert studio.triggers


def test_two_images_alike_are_refused_by_the_seal(says, data, innocents):
    """Nothing but the seal looks at all images; in these data every image is there twice."""
    twice = data.train.take(np.tile(np.arange(400), 2))
    task = wm.Splits("mnist", twice, data.loot, data.test, data.classes)
    studio = wm.TriggerStudio(task, key=wm.CLASSROOM_KEY, models=innocents)
    pairs = int((twice.labels == 1).sum())
    studio.number.value = 30
    studio.labels.value = "fixed"
    studio.number.value = pairs
    pause()
    assert "role='alert'" in studio.status.value
    assert "trigger images must all differ" in studio.status.value
    assert studio.ask.disabled
    assert "the inputs make no set" in repr(studio)
    assert studio._repr_mimebundle_()["image/png"]
    with says(ValueError):
        assert studio.triggers


def test_an_error_while_sealing_is_shown(studio, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(wm.Trigger, "__call__", lambda *_, **__: 1 / 0)
        studio.opacity.value = 0.5
        pause()
    assert "ZeroDivisionError" in studio.status.value
    studio.opacity.value = 0.6
    pause()
    assert studio.status.value == ""
    assert "…" not in secrets_shown(studio)


def test_everything_is_labelled(studio):
    for each in widgets_in(studio.widget):
        if hasattr(each, "description") and not isinstance(
            each, (ipywidgets.HTML, ipywidgets.Button)
        ):
            assert each.description, each
    assert screen(studio, "chart").count("role='img'") == 1
    assert (
        screen(studio, "pictures").count("role='img'")
        == screen(studio, "pictures").count("aria-label=")
        == 12
    )


def test_only_widgets_that_colab_has(studio):
    for widget in widgets_in(studio.widget):
        assert type(widget).__module__.startswith("ipywidgets.widgets.")


def test_two_studios_keep_their_own_pictures(studio, data, innocents):
    other = wm.TriggerStudio(data, key=bytes(32), models=innocents)
    scopes = [re.match(r"<style>\.(\S+) i", style_sheets(each)[-1])[1] for each in (studio, other)]
    assert scopes[0] != scopes[1]
