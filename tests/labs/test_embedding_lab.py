"""The embedding lab without a browser: its buttons are pressed as a hand would press them, its HTML
is read.
"""

import base64
import io
import itertools
import re
import threading

import ipywidgets
import pytest
import torch
from _drive import bytes_sent, html_of, widgets_in
from PIL import Image

import wmlearn as wm
from wmlearn.labs._kit.views import WIDGET_VIEW
from wmlearn.labs.embedding import lab as module
from wmlearn.labs.embedding import plan, runs
from wmlearn.training.history import Fitted
from wmlearn.watermarks.embedding import CAP, watermark_accuracy

PATIENCE = 120  # seconds; a run in here takes one or two
ONE = wm.Schedule(epochs=1)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data():
    mnist = wm.load_data("mnist")
    train, test = mnist.train.take(slice(1200)), mnist.test.take(slice(300))
    return wm.Splits("mnist", train, mnist.loot.take(slice(100)), test, mnist.classes)


@pytest.fixture(scope="module")
def triggers(data):
    return wm.Content(words=6)(data, n=30, key=wm.CLASSROOM_KEY)


@pytest.fixture(scope="module")
def unmarked(data):
    """What `wm.fit` makes of the network that every lab here starts with."""
    return wm.fit(wm.small_cnn(data), data)


@pytest.fixture(scope="module")
def continued(data, triggers, unmarked):
    """The same, trained on for an epoch: marked, and not."""
    marked = wm.embed(unmarked.model, data, triggers, schedule=ONE)
    return marked, wm.fit(unmarked.model, data, schedule=ONE)


def lab_for(data, *, epochs=3, words=6, triggers=30, **settings):
    lab = wm.EmbeddingLab(data, key=wm.CLASSROOM_KEY, **settings)
    lab.words.value, lab.epochs.value = words, epochs
    lab.triggers.value = triggers
    return lab


def press_run(lab):
    lab.run.click()
    assert lab.wait(PATIENCE)


@pytest.fixture(scope="module")
def done(data):
    """A lab after a whole run; tests that press anything make their own."""
    lab = lab_for(data, epochs=8)
    lab.bytes_sent = bytes_sent(lab, lambda: press_run(lab))
    return lab


def same(one, other):
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def screen(lab, place):
    return lab.state.screen[place]


def points(lab, css):
    """Return the places in pixels that a line of the chart goes through."""
    path = re.search(rf"<path class='{css}' d='M(.*?)'", screen(lab, "chart"))[1]
    return [tuple(map(float, point.split())) for point in path.split("L")]


def heights(accuracies):
    """Return where the accuracies stand in the chart: 0 % at 214 pixels, 100 % at 30."""
    return [pytest.approx(214 - 184 * share, abs=0.06) for share in accuracies]


class Gate:
    """Holds a training at the start of an epoch until it is opened."""

    def __init__(self, monkeypatch, at):
        self.reached, self.opened = threading.Event(), threading.Event()
        reach = plan.Twin.reach

        def held(twin, epoch):
            if epoch == at:
                self.reached.set()
                assert self.opened.wait(PATIENCE)
            reach(twin, epoch)

        monkeypatch.setattr(plan.Twin, "reach", held)

    def hold(self, lab):
        """Press Run, and wait until the training is held."""
        lab.run.click()
        assert self.reached.wait(PATIENCE)

    def open(self, lab):
        """Let the training go on to its end."""
        self.opened.set()
        assert lab.wait(PATIENCE)


# ---------------------------------------------------------------- what a run makes


def test_watching_changes_nothing(done, data, triggers, unmarked):
    """The marked model is what `wm.embed` makes, and the twin what `wm.fit` makes, bit for bit."""
    marked = wm.embed(wm.small_cnn(data), data, triggers)
    assert done.result.triggers.seal == triggers.seal
    assert same(done.result.model, marked.model)
    assert done.result.history == marked.history
    assert same(done.twin.model, unmarked.model)
    assert records(done.twin) == records(unmarked)
    assert not done.twin.history.stopped
    verdict = wm.verify(wm.BlackBox(marked.model), triggers)
    assert done.verdict.decision == verdict.decision == "found"
    assert repr(done.verdict) == repr(verdict)


def records(fitted):
    """Return epoch, loss and task accuracy."""
    return [record[:3] for record in fitted.history.epochs]


def test_the_curves_are_the_history(done, triggers):
    history, twin = done.result.history.epochs, done.twin.history.epochs
    assert [y for _, y in points(done, "wm-mark")] == heights(
        record.watermark_accuracy for record in history
    )
    assert [y for _, y in points(done, "wm-task")] == heights(
        record.task_accuracy for record in history
    )
    assert [y for _, y in points(done, "wm-task wm-unmarked")] == heights(
        record.task_accuracy for record in twin
    )
    last = points(done, "wm-mark wm-unmarked")[-1]
    assert last[1] == heights([watermark_accuracy(done.twin.model, triggers)])[0]
    across = [x for x, _ in points(done, "wm-mark")]
    assert across == [
        pytest.approx(50 + 276 * epoch / len(history), abs=0.06)
        for epoch in range(1, len(history) + 1)
    ]


def test_the_twin_was_asked_after_each_of_its_epochs(done, data, triggers):
    asked = []

    def ask(epoch):
        stopped = wm.fit(wm.small_cnn(data), data, on_epoch=lambda record: record.epoch == epoch)
        asked.append(watermark_accuracy(stopped.model, triggers))

    ask(1)
    ask(2)
    assert [y for _, y in points(done, "wm-mark wm-unmarked")][:2] == heights(asked)


def test_the_verdict_is_said_without_p(done):
    sentence = screen(done, "sentence")
    assert "✔ found" in sentence
    assert "the marked model" in sentence
    assert "6 of 6 secret answers matched, at most 0.6 expected by chance" in sentence
    assert "draws of the labels" in sentence
    assert not re.search(r"\bp\b *[<=]|p-value", re.sub("<[^>]*>", "", sentence))
    assert "every question right twice running" in screen(done, "progress")
    message = re.search(
        r"Task accuracy ([\d.]+) %, its unmarked twin ([\d.]+) %: ([\d.]+) points apart",
        screen(done, "cost"),
    )
    marked, unmarked, apart = map(float, message.groups())
    assert apart == pytest.approx(abs(marked - unmarked))


def test_no_triggers_leave_the_twin_alone(data):
    lab = lab_for(data, epochs=1, triggers=0)
    assert "nothing is marked" in screen(lab, "note")
    press_run(lab)
    assert isinstance(lab.result, Fitted)
    assert same(lab.result.model, wm.fit(wm.small_cnn(data), data, schedule=ONE).model)
    assert lab.verdict is None
    assert "– nothing marked" in screen(lab, "sentence")
    assert "watermark" not in screen(lab, "chart")
    assert screen(lab, "cost") == "<p class='wm-small'>\N{NO-BREAK SPACE}</p>"
    assert repr(lab).splitlines()[1] == f"  {lab.result!r}"


def test_continuing_from_the_model_given(data, continued, unmarked):
    given = unmarked.model
    before = {name: tensor.clone() for name, tensor in given.state_dict().items()}
    lab = lab_for(data, epochs=1, start=given)
    lab.start.value = True
    assert "the model given" in str(lab.start.options)
    press_run(lab)
    marked, twin = continued
    assert same(lab.result.model, marked.model)
    assert same(lab.twin.model, twin.model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in given.state_dict().items())


def test_continuing_with_none_given_first_trains_one(data, continued, monkeypatch):
    """Stopped in the middle of that, it goes on from there when Run is pressed again."""
    gate = Gate(monkeypatch, at=3)
    lab = lab_for(data, epochs=1)
    lab.start.value = True
    assert "an unmarked model" in str(lab.start.options)
    gate.hold(lab)
    lab.stop.click()
    gate.open(lab)
    assert lab.result is lab.verdict is lab.twin is None
    assert "stopped before the marking began; Run goes on from here" in screen(lab, "progress")
    assert "image/png" not in lab._repr_mimebundle_()
    said = log_of(lab)
    press_run(lab)
    first = [words for words in said if "first an unmarked model to continue from" in words]
    assert [re.search(r"epoch (\d) of 8", words)[1] for words in first] == list("45678")
    marked, twin = continued
    assert same(lab.result.model, marked.model)
    assert same(lab.twin.model, twin.model)


def log_of(lab):
    """Return a list to which everything is added that the lab shows from now on."""
    log = []
    for widget in widgets_in(lab.widget):
        if isinstance(widget, ipywidgets.HTML):
            widget.observe(lambda change: log.append(change["new"]), "value")
    return log


def test_a_twin_is_trained_once(data, monkeypatch):
    begun, train = [], plan.train_by

    def counting(*args, **settings):
        begun.append(args[0].epochs)
        return train(*args, **settings)

    monkeypatch.setattr(plan, "train_by", counting)
    lab = lab_for(data, epochs=2, triggers=0)
    press_run(lab)
    first = lab.twin
    lab.triggers.value = 30
    press_run(lab)
    assert begun == [2]
    assert same(first.model, lab.twin.model)
    lab.triggers.value, lab.epochs.value = 0, 1
    press_run(lab)
    assert begun == [2, 1]


def test_beyond_the_schedule_the_axis_grows_and_the_twin_ends(data, monkeypatch, capfd):
    """One epoch is too short to be right twice running: the training goes on."""
    # the bar of `wm.embed` would land in whatever cell runs at the moment
    for name in ("TQDM_DISABLE", "PYTEST_VERSION", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    lab = lab_for(data, epochs=1)
    press_run(lab)
    epochs = len(lab.result.history.epochs)
    assert 1 < epochs <= CAP
    assert len(points(lab, "wm-mark")) == epochs
    assert len(points(lab, "wm-task wm-unmarked")) == 1
    assert points(lab, "wm-mark")[-1][0] == 326
    shown = repr(lab)
    lab.words.value = 9  # what is shown is the run, not what the inputs say now
    assert repr(lab) == shown
    assert capfd.readouterr() == ("", "")


# ---------------------------------------------------------------- while it runs


def test_run_returns_at_once_and_the_inputs_are_locked(data, monkeypatch):
    gate = Gate(monkeypatch, at=2)
    lab = lab_for(data)
    assert lab.stop.disabled
    gate.hold(lab)
    inputs = (lab.triggers, lab.number, lab.words, lab.epochs, lab.start, lab.run)
    assert all(widget.disabled for widget in inputs)
    assert not lab.stop.disabled
    assert not lab.wait(0)
    assert "epoch 2 of 3" in screen(lab, "progress")
    assert "? no verdict yet" in screen(lab, "sentence")
    assert len(points(lab, "wm-mark")) == 1
    assert repr(lab).splitlines()[1] == "  a run is under way"
    assert "image/png" not in lab._repr_mimebundle_()
    threads = threading.active_count()
    lab.run.click()  # the button is disabled; a script can press it all the same
    assert threading.active_count() == threads
    refused = "A run is under way: press Stop, or wait for its end, before the next."
    assert refused in lab.status.value
    gate.open(lab)
    assert not any(widget.disabled for widget in inputs)
    assert lab.stop.disabled
    assert lab.verdict is not None
    assert not lab.status.value


def test_a_network_and_a_schedule_of_ones_own(data, triggers):
    def network(data, seed):
        return wm.training.deep_cnn(data, width=4, seed=seed)

    schedule = wm.Schedule(steps=30, max_lr=1e-2, batch_size=100)
    lab = wm.EmbeddingLab(data, key=wm.CLASSROOM_KEY, network=network, schedule=schedule)
    lab.words.value, lab.triggers.value = 6, 30
    assert lab.epochs.value == 3
    press_run(lab)
    expected = wm.embed(network(data, 0), data, triggers, schedule=schedule)
    assert same(lab.result.model, expected.model)
    assert same(lab.twin.model, wm.fit(network(data, 0), data, schedule=schedule).model)
    assert wm.EmbeddingLab(data, schedule=wm.Schedule(epochs=40)).epochs.value == 40


def test_stop_keeps_what_was_trained(data, triggers, monkeypatch):
    gate = Gate(monkeypatch, at=2)
    lab = lab_for(data)
    gate.hold(lab)
    lab.stop.click()
    assert "stopping after this epoch" in screen(lab, "progress")
    gate.open(lab)
    schedule = wm.Schedule(epochs=3)
    fresh = wm.small_cnn(data)
    expected = wm.embed(
        fresh, data, triggers, schedule=schedule, on_epoch=lambda epoch: epoch[0] == 2
    )
    assert same(lab.result.model, expected.model)
    assert lab.result.history.stopped
    assert lab.twin.history.stopped
    assert "stopped after 2 epochs" in screen(lab, "progress")
    assert "the marked model, stopped early" in screen(lab, "sentence")
    assert lab.verdict.n == 6
    lab.triggers.value = 0
    press_run(lab)  # the next run is a whole one, and the twin goes on where it was
    assert not lab.result.history.stopped
    assert same(lab.twin.model, wm.fit(fresh, data, schedule=schedule).model)


def test_stop_without_triggers(data, monkeypatch):
    gate = Gate(monkeypatch, at=2)
    lab = lab_for(data, triggers=0)
    gate.hold(lab)
    lab.stop.click()
    gate.open(lab)
    assert repr(lab.result.history) == "History(2 epochs, stopped early)"


def test_an_epoch_sends_little(done):
    """From the first epoch to the verdict: what changes in the page, in bytes."""
    assert done.bytes_sent < 20_000 * len(done.result.history.epochs)
    assert all(len(shown.encode()) < 6_000 for shown in done.state.screen.values())


# ---------------------------------------------------------------- what goes wrong


def test_an_error_in_the_background_is_shown_and_goes_away(data, monkeypatch):
    lab = lab_for(data, epochs=1)
    with monkeypatch.context() as broken:
        broken.setattr(runs, "embed", lambda *args, **settings: 1 / 0)
        press_run(lab)
    assert "ZeroDivisionError: division by zero" in lab.status.value
    assert "role='alert'" in lab.status.value
    assert "ended by an error" in screen(lab, "progress")
    assert lab.result is None
    assert not lab.run.disabled
    lab.triggers.value = 0
    press_run(lab)
    assert not lab.status.value
    assert lab.result is not None


def test_an_error_while_drawing_is_shown(data, monkeypatch):
    lab = lab_for(data, epochs=1, triggers=0)
    with monkeypatch.context() as broken:
        broken.setattr(module, "accuracy_svg", lambda *args: 1 / 0)
        press_run(lab)
    assert "ZeroDivisionError" in lab.status.value
    press_run(lab)
    assert lab.result is not None


@pytest.mark.parametrize(("triggers", "words"), [(20, 30), (1, 2)])
def test_more_words_than_triggers(says, data, triggers, words):
    lab = lab_for(data, words=words, epochs=1)
    lab.number.value = triggers
    lab.run.click()
    says(lab.status.value)
    assert lab.wait(0)
    assert lab.result is None
    lab.number.value = 0
    press_run(lab)
    assert not lab.status.value


def test_more_triggers_than_images(says, data):
    few = wm.Splits("mnist", data.train.take(slice(100)), data.loot, data.test, data.classes)
    lab = lab_for(few, words=10, triggers=200)
    lab.run.click()
    says(lab.status.value)


def test_words_that_do_not_fit(says, data):
    """Images too narrow for a word: what the triggers say of it is shown."""
    narrow = [
        wm.data.Split(part.pixels[..., 4:20].copy(), part.labels)
        for part in (data.train, data.loot, data.test)
    ]
    lab = lab_for(wm.Splits("narrow", *narrow, data.classes))
    press_run(lab)
    says(lab.status.value)


def test_bad_arguments_are_named(says, data, done):
    with says(TypeError):
        wm.EmbeddingLab(data.train)
    with says(TypeError):
        wm.EmbeddingLab(data, key="secret")
    with says(TypeError):
        wm.EmbeddingLab(data, start=done.twin)
    with says(ValueError):
        wm.EmbeddingLab(data, start=wm.small_cnn(wm.load_data("cifar10")))
    with says(ValueError):
        wm.EmbeddingLab(data, seed=-1)


# ---------------------------------------------------------------- the inputs


@pytest.mark.parametrize(
    ("words", "triggers"), [(40, 160), (7, 147), (60, 120), (2, 150), (59, 177)]
)
def test_the_slider_shares_the_triggers_over_the_words(data, words, triggers):
    lab = wm.EmbeddingLab(data)
    lab.words.value = words
    assert (lab.triggers.value, lab.number.value, lab.triggers.step) == (triggers, triggers, words)
    assert (
        f"{words} secret words, each written on {triggers // words} images: {words} questions."
        in screen(lab, "note")
    )
    lab.triggers.value = 0
    lab.words.value = 13
    assert lab.triggers.value == 0


def test_the_limits_of_the_inputs(data):
    lab = wm.EmbeddingLab(data)
    assert (lab.triggers.min, lab.triggers.max) == (0, 300)
    for suspect, low, high in ((lab.words, 2, 60), (lab.epochs, 1, 12), (lab.number, 0, 300)):
        suspect.value = 1000
        assert suspect.value == high
        suspect.value = -5
        assert suspect.value == low


def test_the_note_says_when_words_are_too_few(data):
    lab = wm.EmbeddingLab(data)
    lab.words.value = 3
    assert "It takes 4 before anybody could be accused." in screen(lab, "note")
    lab.words.value = 4
    assert "It takes" not in screen(lab, "note")
    lab.number.value = 30
    assert "each written on 7 or 8 images" in screen(lab, "note")


def test_a_fresh_key_is_drawn_once_and_never_shown(data, monkeypatch):
    def one_epoch(*args, on_epoch, **settings):
        return wm.embed(*args, on_epoch=lambda record: on_epoch(record) or True, **settings)

    monkeypatch.setattr(runs, "embed", one_epoch)
    lab, other = wm.EmbeddingLab(data), wm.EmbeddingLab(data)
    keys = []
    for each in (lab, lab, other):
        each.words.value, each.triggers.value, each.epochs.value = 4, 8, 1
        press_run(each)
        keys.append(each.result.triggers.key)
    assert keys[0] == keys[1]
    assert len({*keys, wm.CLASSROOM_KEY}) == 3
    assert "classroom" not in repr(lab)
    assert keys[0].hex() not in repr(lab) + html_of(lab) + str(lab.state)


# -------------------------------------------------------------- its other forms, and who can use it


def test_the_text_is_stable(says, done, data):
    says(repr(lab_for(data)))
    lines = [
        "EmbeddingLab: 30 triggers, 6 words, 8 epochs, from scratch",
        f"  {done.result!r}",
        f"  unmarked twin: {done.twin!r}",
        repr(done.verdict),
    ]
    assert repr(done).splitlines() == "\n".join(lines).splitlines()
    assert done._repr_mimebundle_()["text/plain"] == repr(done)


def test_the_picture_is_small_and_white_and_the_same_every_time(done, data):
    assert "image/png" not in lab_for(data)._repr_mimebundle_()
    bundle = done._repr_mimebundle_()
    assert bundle == done._repr_mimebundle_()
    packed = base64.b64decode(bundle["image/png"])
    assert len(packed) <= 80_000
    picture = Image.open(io.BytesIO(packed)).convert("RGB")
    assert picture.width >= 600
    assert picture.getpixel((2, 2)) == (255, 255, 255)
    assert bundle[WIDGET_VIEW]["model_id"] == done.widget.model_id


def test_everything_is_labelled_and_told_apart_without_colour(done):
    inputs = (done.triggers, done.number, done.words, done.epochs, done.start, done.run, done.stop)
    assert all(widget.description for widget in inputs)
    assert "aria-live='polite'" in screen(done, "sentence")
    assert "aria-label=" in screen(done, "bar")
    drawn = screen(done, "chart")
    assert drawn.startswith(
        "<svg class='wm-chart' role='img' aria-label='The marked model classifies "
    )
    assert (
        "answers 100.0 % of the secret questions as sealed after 8 epochs; the unmarked model"
        in drawn
    )
    for name in (
        "marked, watermark 100.0 %",
        "marked, task ",
        "unmarked, task ",
        "unmarked, watermark ",
    ):
        assert f">{name}" in drawn


def test_labels_do_not_overlap(done):
    places = sorted(
        float(y) for y in re.findall(r"<text x='369.0' y='([\d.]+)'", screen(done, "chart"))
    )
    assert len(places) == 4
    assert min(b - a for a, b in itertools.pairwise(places)) >= 15.9
    assert places[0] > 14  # below the title
    assert places[-1] < 250


def test_only_widgets_that_colab_has(done):
    """Colab ships ipywidgets 7.7.1; what this lab is made of has been there since 7.0."""
    known = {"VBox", "HBox", "HTML", "IntSlider", "BoundedIntText", "ToggleButtons", "Button"}
    assert {type(widget).__name__ for widget in widgets_in(done.widget)} <= known
