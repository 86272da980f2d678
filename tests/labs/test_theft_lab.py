"""The theft lab without a browser: its inputs are moved as a hand would move them, its HTML is
read.
"""

import base64
import copy
import dataclasses
import html
import io
import pickle
import re
import statistics
import threading
import time

import ipywidgets
import matplotlib
import numpy as np
import pytest
import torch
from _drive import bytes_sent, html_of, is_visible, widgets_in
from PIL import Image
from torch import nn

import wmlearn as wm
from wmlearn._fingerprint import fingerprint
from wmlearn.labs._kit.accuracy_chart import accuracy_svg
from wmlearn.labs._kit.svg import Chart
from wmlearn.labs._kit.views import WIDGET_VIEW
from wmlearn.labs.theft import bench
from wmlearn.labs.theft import lab as module
from wmlearn.labs.theft.bench import SEEN, Bench
from wmlearn.labs.theft.thieves import THIEF_KEY, catalogue, thief_triggers
from wmlearn.training.models import small_cnn
from wmlearn.watermarks.embedding import watermark_accuracy

PATIENCE = 120  # seconds; a run in here takes one or two
DESK = ("prune weights", "prune channels", "round weights", "weight noise")
FILTERS = (
    "filter: JPEG",
    "filter: blur",
    "filter: squeeze",
    "filter: noise",
    "filter: reject unusual",
)
TRAINED = ("fine-tune", "fine-prune", "steal by queries", "overwrite")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data():
    """Return few images, so that the thieves who train are quick."""
    mnist = wm.load_data("mnist")
    parts = (
        mnist.train.take(slice(1200)),
        mnist.loot.take(slice(300)),
        mnist.test.take(slice(700)),
    )
    return wm.Splits("mnist", *parts, mnist.classes)


@pytest.fixture(scope="module")
def triggers():
    return wm.Content(words=30)(wm.load_data("mnist"), n=150, key=wm.CLASSROOM_KEY)


@pytest.fixture(scope="module")
def owner():
    return wm.load_model("mnist/content")


@pytest.fixture(scope="module")
def whole(owner, data, triggers):
    """A lab with everything worked out; tests that press anything make their own."""
    lab = wm.TheftLab(owner, data, triggers)
    assert lab.wait(PATIENCE)
    return lab


def lab_of(owner, data, triggers, *names, **settings):
    lab = wm.TheftLab(owner, data, triggers, thefts=names, **settings)
    assert lab.wait(PATIENCE)
    return lab


def go_to(lab, theft, label):
    lab.theft.value = theft
    lab.strength.value = label


def press_run(lab):
    lab.run.click()
    assert lab.wait(PATIENCE)


def same(one, other):
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def points_of(lab):
    """Return every point that a lab knows."""
    return [point for each in lab.tradeoffs.values() for point in each.points.values()]


def words(shown):
    """Return what a reader sees of HTML."""
    plain = re.sub("<[^>]*>", "", shown)
    return html.unescape(plain).replace("\xa0", " ").replace("\u2002", " ")


def said(lab, place):
    """Return the words at a place on the screen."""
    return words(lab.state.screen[place])


def drawn_test(data):
    """Return the test images that a lab looks at, taken by hand."""
    return data.test.take(np.random.RandomState(0).permutation(len(data.test))[:SEEN])


def test_another_theft_is_shown_at_once_where_it_was_left(owner, data, triggers, monkeypatch):
    """Never at another strength before: a key pressed at that moment would be undone."""
    lab = lab_of(owner, data, triggers, "prune weights", "fine-tune")
    go_to(lab, "prune weights", "100 %")
    go_to(lab, "fine-tune", "0.02")
    drawn, sent = [], []
    chart = next(each for each in widgets_in(lab.widget) if "svg" in getattr(each, "value", ""))
    chart.observe(lambda change: drawn.append(change["new"]), "value")
    monkeypatch.setattr(lab.strength.comm, "send", lambda data, **_: sent.append(data["state"]))
    lab.theft.value = "prune weights"
    assert len(drawn) == 1
    assert "prune weights, share that goes 100 %" in words(
        re.search("aria-label='([^']*)", drawn[0])[1]
    )
    if not ipywidgets.__version__.startswith("7."):  # which sends nothing where there is no kernel
        assert [state["index"] for state in sent] == [20]
        assert len(sent[0]["_options_labels"]) == 21


class Gate:
    """Holds the measuring of a run after an epoch until it is opened."""

    def __init__(self, monkeypatch, at):
        self.reached, self.opened, seen = threading.Event(), threading.Event(), []
        accuracies = Bench.accuracies

        def held(bench, model):
            seen.append(1)
            if len(seen) == at:
                self.reached.set()
                assert self.opened.wait(PATIENCE)
            return accuracies(bench, model)

        monkeypatch.setattr(Bench, "accuracies", held)


# ---------------------------------------------- a point is what the theft and `verify` give by hand


BY_HAND = {
    ("prune weights", "85 %"): wm.theft.Prune(0.85),
    ("prune channels", "40 %"): wm.theft.Prune(0.4, by="channel"),
    ("round weights", "3"): wm.theft.Quantize(3),
    ("weight noise", "0.7"): wm.theft.PerturbWeights(0.7),
    ("filter: JPEG", "5"): wm.theft.Jpeg(5),
    ("filter: blur", "0.6"): wm.theft.Blur(0.6),
    ("filter: squeeze", "2"): wm.theft.Squeeze(2),
    ("filter: noise", "0.35"): wm.theft.AddNoise(0.35),
    ("filter: reject unusual", "0.5 %"): wm.theft.RejectUnusual(0.005),
}


@pytest.mark.parametrize("chosen", BY_HAND)
def test_what_is_worked_out_is_what_one_gets_by_hand(whole, owner, data, triggers, chosen):
    go_to(whole, *chosen)
    theft = BY_HAND[chosen]
    service = wm.BlackBox(owner)
    query = theft(service, data.loot) if chosen[0] in FILTERS else wm.BlackBox(theft(owner).model)
    verdict, test = wm.verify(query, triggers), drawn_test(data)
    point = whole.point
    assert point.theft == repr(theft)
    assert (point.verdict.answers.labels == verdict.answers.labels).all()
    assert (point.verdict.k, point.verdict.p, point.verdict.decision) == (
        verdict.k,
        verdict.p,
        verdict.decision,
    )
    assert point.task_accuracy == (query(test.images) == test.labels).mean()
    assert (point.queries, point.images) == (0, len(data.loot) if "reject" in chosen[0] else 0)
    assert f"wm.theft.{theft!r}" in said(whole, "cost")
    sentence = said(whole, "verdict")
    assert repr(verdict).partition(": ")[2].split("10^")[0] in sentence
    assert {"found": "✔ found", "not found": "– not found"}[verdict.decision] in sentence
    assert ("This does not clear it." in sentence) == (verdict.decision == "not found")


def test_the_examples_decide_both_ways(whole):
    """Else the test above would prove little."""
    decided = set()
    for chosen in BY_HAND:
        go_to(whole, *chosen)
        decided.add(whole.point.verdict.decision)
    assert decided == {"found", "not found"}


@pytest.mark.parametrize(
    ("name", "label", "theft"),
    [
        ("fine-tune", "0.01", wm.theft.FineTune(epochs=3, lr=0.01)),
        ("fine-prune", "50 %", wm.theft.FinePrune(0.5)),
        ("steal by queries", "200", wm.theft.StealByQueries(200)),
    ],
)
def test_watching_changes_nothing(owner, data, triggers, name, label, theft):
    """What Run makes is what the theft makes by hand, bit for bit, and so is the last point of the
    live curve.
    """
    lab = lab_of(owner, data, triggers, name)
    go_to(lab, name, label)
    assert lab.point is None
    press_run(lab)
    imitates = name == "steal by queries"
    fresh = small_cnn(data, seed=1000)
    expected = theft(wm.BlackBox(owner), fresh, data.loot) if imitates else theft(owner, data.loot)
    made = lab.point.made
    assert repr(made) == repr(expected)
    assert same(made.model, expected.model)
    pickle.dumps(made.model)  # which the hook of the lab would not allow
    assert made.history == expected.history
    suspect, test = wm.BlackBox(expected.model), drawn_test(data)
    assert repr(lab.point.verdict) == repr(wm.verify(suspect, triggers))
    assert lab.point.task_accuracy == wm.accuracy(expected.model, test)
    assert (lab.point.images, lab.point.queries) == (expected.images, expected.queries)
    epochs = len(expected.history.epochs)
    assert f"{epochs} epochs done" in said(lab, "progress")
    assert (
        f"the copy, task {100 * lab.point.task_accuracy:.1f} %; {epochs} epochs done."
        in (lab.state.screen["last_run"])
    )


def test_what_is_shown_can_be_typed(data):
    names = {"wm": wm, "thief_triggers": thief_triggers(data)}
    for thief in catalogue(data, 3).values():
        for place in range(1, len(thief.labels)):
            typed = f"wm.theft.{thief.typed(place)}"
            assert fingerprint(eval(typed, names)) == fingerprint(thief.at(place)), typed


def test_overwriting(owner, data, triggers):
    lab = lab_of(owner, data, triggers, "overwrite")
    go_to(lab, "overwrite", "0.005")
    press_run(lab)
    thief_triggers = wm.Content(words=30)(
        wm.Splits("x", data.loot, None, data.test, data.classes), n=150, key=THIEF_KEY
    )
    expected = wm.theft.Overwrite(thief_triggers)(owner, data.loot)
    assert same(lab.point.made.model, expected.model)
    assert "wm.theft.Overwrite(thief_triggers, epochs=4, lr=0.005, seed=0)" in said(lab, "cost")
    assert THIEF_KEY.hex() not in lab.state.screen["cost"]


def test_each_epoch_of_the_live_curve_is_the_model_of_that_epoch(owner, data, triggers):
    lab = lab_of(owner, data, triggers, "fine-tune")
    go_to(lab, "fine-tune", "0.02")
    press_run(lab)
    models = [
        wm.theft.FineTune(epochs=epochs, lr=0.02)(owner, data.loot).model for epochs in (1, 2, 3)
    ]
    expected = {
        "the copy, secrets": [watermark_accuracy(model, triggers) for model in models],
        "the copy, task": [wm.accuracy(model, drawn_test(data)) for model in models],
    }
    drawn = lab.state.screen["last_run"]
    caption = html.unescape(re.search("aria-label='(.*?)'", drawn)[1])
    assert drawn.endswith(accuracy_svg(expected, 3, caption))


# ---------------------------------------------------------------- what opens, and what a move costs


def test_the_menu_and_the_strengths(whole):
    assert whole.theft.options == (*DESK, *FILTERS, *TRAINED)
    for name in DESK + FILTERS:
        whole.theft.value = name
        labels = whole.strength.options
        assert sorted(whole.tradeoffs[name].points) == list(range(len(labels)))
        assert len(labels) >= 17 or name == "filter: squeeze"  # which has eight strengths in all
        assert len(set(labels)) == len(labels)
    assert all(sorted(whole.tradeoffs[name].points) == [0] for name in TRAINED)
    go_to(whole, "prune weights", "none")
    assert "all worked out" in whole.state.screen["progress"]
    assert whole.theft.value == "prune weights"


def test_the_first_theft_is_there_at_once_and_the_chosen_one_comes_next(
    owner, data, triggers, monkeypatch
):
    order, hold, try_out = [], threading.Event(), Bench.try_out

    def noted(bench, thief, place, watch=None):
        order.append(thief.name)
        if thief.name == "round weights":
            assert hold.wait(PATIENCE)
        return try_out(bench, thief, place, watch)

    monkeypatch.setattr(Bench, "try_out", noted)
    lab = wm.TheftLab(
        owner,
        data,
        triggers,
        thefts=["weight noise", "round weights", "prune channels", "filter: squeeze"],
    )
    assert order[:20] == ["weight noise"] * 20  # before the lab is handed out
    assert len(lab.tradeoffs["weight noise"].points) == 21
    lab.theft.value = "filter: squeeze"
    assert "? no verdict yet" not in lab.state.screen["verdict"]  # nothing is done at "none"
    lab.strength.index = 5
    assert "It is being worked out." in lab.state.screen["verdict"]
    assert re.search(
        r"2[01] of 64 strengths of all these thefts worked out", lab.state.screen["progress"]
    )
    assert not lab.wait(0)
    hold.set()
    assert lab.wait(PATIENCE)
    after = order[order.index("round weights") + 1 :]
    assert after[:8] == ["filter: squeeze"] * 8
    assert after[8] == "round weights"
    assert lab.point is not None
    assert "no verdict yet" not in lab.state.screen["verdict"]


def test_a_move_is_a_look_up_and_sends_little(whole):
    took = []
    for name in DESK + FILTERS:
        whole.theft.value = name
        for place in range(len(whole.strength.options)):
            began = time.thread_time()  # whatever else runs does not count
            whole.strength.index = place
            took.append(1000 * (time.thread_time() - began))
    assert statistics.median(took) < 5  # milliseconds

    def choose(name):
        whole.theft.value = name

    def move(place):
        whole.strength.index = place

    for name in DESK + FILTERS:
        assert bytes_sent(whole, lambda name=name: choose(name)) < 20_000
        for place in range(len(whole.strength.options)):
            assert bytes_sent(whole, lambda place=place: move(place)) < 20_000
    go_to(whole, "prune weights", "none")


def test_no_move_asks_or_trains_anything(whole, monkeypatch):
    monkeypatch.setattr(Bench, "try_out", lambda *args: 1 / 0)
    monkeypatch.setattr(bench, "verify", lambda *args: 1 / 0)
    for name in whole.theft.options:
        whole.theft.value = name
        whole.strength.index = len(whole.strength.options) - 1
    assert not whole.status.value
    for name in whole.theft.options:
        go_to(whole, name, "none")


def test_the_slider_stays_where_it_was_left(whole):
    go_to(whole, "prune weights", "35 %")
    whole.theft.value = "filter: JPEG"
    assert whole.strength.value == "none"
    assert whole.strength.description == "quality"
    whole.theft.value = "prune weights"
    assert whole.strength.value == "35 %"
    assert "prune weights, 35 %" in said(whole, "verdict")
    go_to(whole, "prune weights", "none")


def test_the_owner_is_left_alone(owner, data, triggers):
    before = copy.deepcopy(owner)
    lab = lab_of(owner, data, triggers, "weight noise", "fine-tune")
    go_to(lab, "fine-tune", "0.05")
    press_run(lab)
    assert same(owner, before)
    pickle.dumps(owner)  # which the hook of the lab would not allow


# ---------------------------------------------------------------- runs


def test_results_of_several_runs_stay(owner, data, triggers):
    lab = lab_of(owner, data, triggers, "fine-tune")
    for label in ("0.001", "0.05", "0.005"):
        go_to(lab, "fine-tune", label)
        press_run(lab)
    assert sorted(lab.tradeoffs["fine-tune"].points) == [0, 4, 6, 9]
    assert len(squares(lab)) == 4 + 1 + 2  # the chosen one once more, and two in the legend
    line = re.search(r"<path class='wm-mark wm-thin' d='M(.*?)'", lab.state.screen["chart"])[1]
    assert len(line.split("L")) == 3  # the model as it was stands alone
    matched = [lab.tradeoffs["fine-tune"].points[place].verdict.k for place in (4, 6, 9)]
    assert matched == sorted(matched, reverse=True)
    lab.strength.value = "0.001"
    assert "fine-tune, 0.001" in said(lab, "verdict")
    assert "The last run, learning rate 0.005" in lab.state.screen["last_run"]


def test_run_returns_at_once_and_never_twice(owner, data, triggers, monkeypatch):
    gate = Gate(monkeypatch, at=2)
    lab = lab_of(owner, data, triggers, "fine-tune", "prune channels", "overwrite")
    go_to(lab, "fine-tune", "0.001")
    lab.run.click()
    assert gate.reached.wait(PATIENCE)
    assert lab.run.disabled
    assert not lab.stop.disabled
    assert not lab.wait(0)
    assert "epoch 2 of 3" in lab.state.screen["progress"]
    assert "The thief is training" in lab.state.screen["verdict"]
    assert "after 1 epoch" not in lab.state.screen["last_run"]
    go_to(lab, "overwrite", "0.01")
    lab.run.click()  # the button is disabled; a script can press it all the same
    assert (
        "A run is under way: press Stop, or wait for its end, before the next." in lab.status.value
    )
    go_to(lab, "prune channels", "50 %")  # one can look at others meanwhile
    assert "prune channels, 50 %" in said(lab, "verdict")
    gate.opened.set()
    assert lab.wait(PATIENCE)
    assert set(lab.tradeoffs["overwrite"].points) == {0}
    assert not lab.run.disabled
    assert not lab.status.value
    lab.theft.value = "fine-tune"
    assert not lab.point.stopped


def test_stop_keeps_what_was_trained(owner, data, triggers, monkeypatch):
    gate = Gate(monkeypatch, at=2)
    lab = lab_of(owner, data, triggers, "fine-tune")
    go_to(lab, "fine-tune", "0.01")
    lab.run.click()
    assert gate.reached.wait(PATIENCE)
    lab.stop.click()
    assert "stopping after this epoch" in lab.state.screen["progress"]
    gate.opened.set()
    assert lab.wait(PATIENCE)
    expected = wm.theft.FineTune(lr=0.01)(
        owner, data.loot, on_epoch=lambda record: record.epoch == 2
    )
    assert same(lab.point.made.model, expected.model)
    assert lab.point.stopped
    assert "stopped after 2 epochs" in lab.state.screen["progress"]
    assert "fine-tune, 0.01, stopped early" in said(lab, "verdict")
    assert "stopped after 2 epochs" in said(lab, "cost")
    press_run(lab)  # a whole run takes its place
    assert not lab.point.stopped


def test_nothing_to_run(owner, data, triggers):
    lab = lab_of(owner, data, triggers, "prune weights", "fine-tune")
    assert not is_visible(lab, "Run")
    lab.run.click()
    assert (
        "prune weights trains nothing: it is worked out already. Move its strength."
        in lab.status.value
    )
    lab.theft.value = "fine-tune"
    assert is_visible(lab, "Run")
    lab.run.click()
    assert (
        "strength must be more than none, or nothing is done; got none. Move the slider."
        in lab.status.value
    )
    assert "choose a strength, then press Run" in said(lab, "progress")  # no run has begun
    lab.strength.value = "0.0001"
    press_run(lab)
    assert not lab.status.value


def test_a_run_sends_little(owner, data, triggers):
    lab = lab_of(owner, data, triggers, "fine-tune")
    go_to(lab, "fine-tune", "0.01")
    assert bytes_sent(lab, lambda: press_run(lab)) < 20_000 * 3


def test_no_bar_of_text_is_drawn(owner, data, triggers, capfd):
    lab = lab_of(owner, data, triggers, "prune channels", "fine-tune")
    go_to(lab, "fine-tune", "0.01")
    press_run(lab)
    assert capfd.readouterr() == ("", "")


# ---------------------------------------------------------------- what is said


def test_what_the_thief_pays(whole, data):
    go_to(whole, "prune weights", "85 %")
    point, before = whole.point, whole.tradeoffs["prune weights"].points[0]
    low, high = (100 * share for share in wm.stats.match_interval(point.right, 500))
    paid = said(whole, "cost")
    assert f"Task accuracy {100 * point.task_accuracy:.1f} % on 500 of the 700 test images" in paid
    assert f"(95 %: {low:.1f} % to {high:.1f} %)" in paid
    lost = 100 * (before.task_accuracy - point.task_accuracy)
    assert lost > 0
    assert f"the thief has paid {lost:.1f} points, and the evidence is still there." in paid
    assert "It cost the thief 0 images of their own, 0 answers of the owner's service." in paid
    go_to(whole, "prune weights", "100 %")
    assert "there is not enough evidence left to accuse." in said(whole, "cost")
    go_to(whole, "filter: reject unusual", "1 %")
    assert "It cost the thief 300 images of their own" in said(whole, "cost")
    assert "every image goes through the filter first" in said(whole, "cost")
    go_to(whole, "prune weights", "none")
    assert "Nothing has been done to it" in said(whole, "cost")


def test_the_line_is_what_is_always_enough(whole, triggers):
    go_to(whole, "prune weights", "none")
    enough = int(wm.stats.matches_needed(30, triggers.alpha, 0.1))
    drawn = whole.state.screen["chart"]
    assert f"enough to accuse: {enough} of 30" in drawn
    assert f"<path class='wm-line' d='M50 {214 - 184 * enough / 30:.1f}H326'/>" in drawn
    for point in points_of(whole):
        assert point.verdict.k < enough or point.verdict.decision == "found"


def test_signs_differ_in_shape(whole):
    """Evidence is a filled square, none a hollow one; the chosen one is larger."""
    go_to(whole, "prune weights", "none")
    points = whole.tradeoffs["prune weights"].points
    found = sum(point.verdict.decision == "found" for point in points.values())
    assert 0 < found < len(points)
    drawn = squares(whole)
    assert drawn.count(("wm-square", 9.0)) == found
    assert drawn.count(("wm-square wm-hollow", 9.0)) == len(points) - found
    assert drawn.count(("wm-square", 15.0)) == 1
    assert [drawn.count((css, 10.0)) for css in ("wm-square", "wm-square wm-hollow")] == [1, 1]


def squares(lab):
    """Return the CSS class and the side of every square in the chart."""
    drawn = re.findall(
        r"class='(wm-square[^']*)' d='M[\d.]+ [\d.]+h([\d.]+)", lab.state.screen["chart"]
    )
    return [(css, float(side)) for css, side in drawn]


def test_a_square_lies_where_its_accuracy_and_its_matches_are(whole):
    go_to(whole, "prune weights", "85 %")
    point = whole.point
    x, y = re.search(
        r"class='wm-square' d='M([\d.]+) ([\d.]+)h15", whole.state.screen["chart"]
    ).groups()
    assert float(x) + 7.5 == pytest.approx(50 + 276 * point.task_accuracy, abs=0.06)
    assert float(y) + 7.5 == pytest.approx(214 - 184 * point.matched, abs=0.06)
    assert f"task accuracy {100 * point.task_accuracy:.1f} %" in said(whole, "chart")
    assert f"questions matched {point.verdict.k} of 30" in said(whole, "chart")
    go_to(whole, "prune weights", "none")


def test_the_corner_that_the_thief_wants_is_shaded(whole, triggers):
    """Below what is enough to accuse, and at most 20, 10 or 5 points below the owner."""
    owner = whole.tradeoffs["prune weights"].points[0]
    enough = int(wm.stats.matches_needed(30, triggers.alpha, 0.1)) / 30
    top = 214 - 184 * enough
    corners = re.findall(
        r"class='wm-corner' d='M([\d.]+) ([\d.]+)H326V222", whole.state.screen["chart"]
    )
    lefts = [50 + 276 * (owner.task_accuracy - paid / 100) for paid in (20, 10, 5)]
    assert [float(x) for x, _ in corners] == pytest.approx(lefts, abs=0.06)
    assert [float(y) for _, y in corners] == pytest.approx(3 * [top], abs=0.06)
    assert "where the thief wants to be" in said(whole, "chart")


def test_many_strengths_are_no_tests_of_an_innocent(whole):
    shown = words(html_of(whole))
    assert "trying many strengths puts no innocent at risk" in shown
    assert "To ask several suspects, share alpha among them with wm.verify_all." in shown
    assert "classroom key: proves nothing outside this course" in shown
    assert not re.search(r"\bstolen\b|\bp *[<=]", shown)
    assert {point.verdict.family for point in points_of(whole)} == {1}


def test_an_innocent_model_is_never_found(data, triggers):
    lab = lab_of(wm.load_model("mnist/clean"), data, triggers, *DESK, "filter: squeeze")
    decided = {point.verdict.decision for point in points_of(lab)}
    assert decided == {"not found"}


def test_fixed_labels_have_no_line_and_no_p(data):
    triggers = wm.Content(labels="fixed", source=1, target=7)(data, n=30, key=wm.CLASSROOM_KEY)
    lab = lab_of(wm.load_model("mnist/clean"), data, triggers, "prune channels")
    lab.strength.value = "50 %"
    assert lab.point.verdict.decision == "cannot tell"
    assert "? cannot tell" in lab.state.screen["verdict"]
    assert "how an innocent model would do nobody can say" in lab.state.screen["verdict"]
    assert "nobody can tell from these answers" in lab.state.screen["cost"]
    assert "wm-line" not in lab.state.screen["chart"]
    assert "enough to accuse" not in lab.state.screen["chart"]
    assert "wm-corner" not in lab.state.screen["chart"]
    assert ">cannot tell<" in lab.state.screen["chart"]
    assert base64.b64decode(lab._repr_mimebundle_()["image/png"])


# ---------------------------------------------------------------- what goes wrong


def test_another_shape_of_model(data, triggers):
    """Without a convolution there are no channels to prune: that is said, and all else works."""
    plain = wm.embed(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)),
        data, triggers, schedule=wm.Schedule(epochs=3),
    ).model  # fmt: skip
    lab = lab_of(plain, data, triggers, "prune channels", "prune weights", "fine-prune")
    lab.strength.value = "50 %"
    assert lab.point is None
    assert "? cannot be done here" in lab.state.screen["verdict"]
    assert (
        "model must have a convolution to change; Sequential has none. Take another theft."
        in lab.state.screen["verdict"]
    )
    assert "all worked out" in lab.state.screen["progress"]
    go_to(lab, "prune weights", "50 %")
    assert lab.point.verdict.n == 30
    go_to(lab, "fine-prune", "50 %")
    press_run(lab)
    assert "model must have a convolution" in lab.status.value
    assert "ended by an error" in lab.state.screen["progress"]
    assert not lab.run.disabled


def test_an_error_in_the_background_is_shown_and_goes_away(owner, data, triggers, monkeypatch):
    lab = lab_of(owner, data, triggers, "fine-tune")
    go_to(lab, "fine-tune", "0.01")
    with monkeypatch.context() as broken:
        broken.setattr(Bench, "try_out", lambda *args: 1 / 0)
        press_run(lab)
    assert "ZeroDivisionError: division by zero" in lab.status.value
    assert "role='alert'" in lab.status.value
    assert lab.point is None
    press_run(lab)
    assert not lab.status.value
    assert lab.point is not None


def test_an_error_while_it_is_worked_out_is_shown(owner, data, triggers, monkeypatch):
    drop = wm.theft.Quantize.__call__
    monkeypatch.setattr(
        wm.theft.Quantize,
        "__call__",
        lambda theft, *args, **named: 1 / 0 if theft.bits == 9 else drop(theft, *args),
    )
    lab = wm.TheftLab(owner, data, triggers, thefts=["prune channels", "round weights"])
    assert lab.wait(PATIENCE)
    assert "ZeroDivisionError" in lab.status.value


def test_an_error_in_a_callback_is_shown(owner, data, triggers, monkeypatch):
    lab = lab_of(owner, data, triggers, "prune channels")
    monkeypatch.setattr(Chart, "svg", lambda *args: 1 / 0)
    lab.strength.index = 3
    assert "ZeroDivisionError" in lab.status.value


def test_closed_in_the_middle_and_opened_again(owner, data, triggers):
    lab = wm.TheftLab(owner, data, triggers, thefts=["prune channels", "filter: squeeze"])
    lab.widget.close()
    assert lab.wait(PATIENCE)
    assert not lab.status.value
    again = lab_of(owner, data, triggers, "prune channels", "filter: squeeze")
    first, second = again._repr_mimebundle_(), again._repr_mimebundle_()
    assert first == second
    again.strength.index = 2
    assert again.point is not None


def test_without_loot_nobody_trains(owner, data, triggers):
    task = wm.Splits("own", data.train, test=data.test, classes=data.classes)
    lab = wm.TheftLab(owner, task, triggers, thefts=["fine-tune"])
    lab.strength.value = lab.strength.options[1]
    lab.run.click()
    assert lab.wait(60)
    assert "data.loot must hold" in lab.status.value


def test_bad_arguments_are_named(says, owner, data, triggers):
    with says(TypeError):
        wm.TheftLab(
            wm.embed(small_cnn(data), data, triggers, schedule=wm.Schedule(epochs=1)),
            data,
            triggers,
        )
    with says(TypeError):
        wm.TheftLab(owner, triggers, data)
    with says(TypeError):
        wm.TheftLab(owner, data, data)
    with says(ValueError):
        wm.TheftLab(owner, wm.load_data("cifar10"), triggers)
    other = wm.Noise()(wm.load_data("cifar10"), n=10, key=wm.CLASSROOM_KEY)
    with says(ValueError):
        wm.TheftLab(owner, data, other)
    with says(ValueError):
        wm.TheftLab(owner, data, triggers, seed=-1)
    with says(ValueError):
        wm.TheftLab(owner, data, triggers, thefts=["prune"])
    with says(TypeError):
        wm.TheftLab(owner, data, triggers, thefts="prune weights")
    with says(TypeError):
        wm.TheftLab(owner, data, triggers, thefts=[])


def test_the_seed_draws_what_a_thief_draws(data):
    for seed in (0, 3):
        thieves = catalogue(data, seed)
        for name in ("weight noise", "filter: noise", "filter: reject unusual", *TRAINED):
            assert thieves[name].at(1).seed == seed
    assert thieves["steal by queries"].labels == ["none", "50", "100", "200", "300"]


# -------------------------------------------------------------- its other forms, and who can use it


def test_the_text_is_stable(owner, data, triggers):
    first, second = (
        lab_of(owner, data, triggers, "prune weights", "filter: squeeze") for _ in range(2)
    )
    assert repr(first) == repr(second) == first._repr_mimebundle_()["text/plain"]
    title, line = repr(first).splitlines()
    assert title == "TheftLab: 2 thefts, 30 questions, 500 test images"
    assert line.startswith("  prune weights, share that goes none: task accuracy 9")
    assert (
        "30 of 30 questions matched, found; enough to accuse: 12 of 30; expected by chance: at "
        "most 3; from none" in line
    )


def test_the_picture_is_small_and_white_and_the_same_every_time(owner, data, triggers):
    lab = lab_of(owner, data, triggers, "prune weights", "fine-tune")
    first = base64.b64decode(lab._repr_mimebundle_()["image/png"])
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 20, "lines.linewidth": 9}):
        assert base64.b64decode(lab._repr_mimebundle_()["image/png"]) == first
    assert len(first) <= 80_000
    picture = Image.open(io.BytesIO(first)).convert("RGB")
    assert picture.width >= 600
    assert picture.getpixel((2, 2)) == (255, 255, 255)
    assert lab._repr_mimebundle_()[WIDGET_VIEW]["model_id"] == lab.widget.model_id
    lab.theft.value = "fine-tune"
    assert "image/png" not in lab._repr_mimebundle_()  # nothing to draw yet


def test_everything_is_labelled(whole):
    go_to(whole, "prune weights", "85 %")
    assert all(
        widget.description for widget in (whole.theft, whole.strength, whole.run, whole.stop)
    )
    assert whole.strength.style.description_width == "initial"  # a label as wide as its words
    assert "aria-live='polite'" in whole.state.screen["verdict"]
    assert "aria-label=" in whole.state.screen["bar"]
    drawn = whole.state.screen["chart"]
    assert drawn.startswith(
        "<svg class='wm-chart' role='img' aria-label='prune weights, share that goes 85 %: task "
    )
    assert (
        f"{whole.point.verdict.k} of 30 questions matched, found; enough to accuse: 12 of 30"
        in drawn
    )
    assert "from none to 100 % the task accuracy goes from 9" in drawn
    go_to(whole, "prune weights", "none")


def test_only_widgets_that_colab_has(whole):
    """Colab ships ipywidgets 7.7.1; what this lab is made of has been there since 7.0."""
    known = {"VBox", "HBox", "HTML", "ToggleButtons", "SelectionSlider", "Button"}
    assert {type(widget).__name__ for widget in widgets_in(whole.widget)} <= known
    assert "interact" not in module.__dict__


# ---------------------------------------------------------------- answers that lean


@pytest.fixture(scope="module")
def leaning(data):
    """Return signs, and a network that was trained to lean by them."""
    tilt = wm.watermarks.Tilt(size=3)(data, references=2, key=wm.CLASSROOM_KEY)
    teacher = wm.fit(wm.small_cnn(data), data, schedule=wm.Schedule(epochs=3)).model
    made = wm.watermarks.embed_tilt(
        wm.small_cnn(data, seed=1), data, tilt, teacher=teacher, schedule=wm.Schedule(epochs=3)
    )
    return made.model, tilt


def test_of_a_network_that_leans_signs_are_counted(data, leaning):
    lab = lab_of(leaning[0], data, leaning[1], "prune weights", "steal by queries")
    asked = wm.evidence.verify_tilt(wm.BlackBox(leaning[0]), leaning[1])
    assert asked.decision == "found"
    assert lab.point.verdict.to_dict() == asked.to_dict()
    chart = said(lab, "chart")
    assert f"signs matched {asked.k} of 160" in chart
    assert "expected by chance: about 80" in chart
    assert "enough to accuse" not in chart  # the weight decides, and no number
    assert f"{asked.k} of 160 secret signs matched" in said(lab, "verdict")
    go_to(lab, "prune weights", "100 %")
    assert lab.point.verdict.decision == "not found"
    go_to(lab, "steal by queries", "300")
    press_run(lab)
    copied = lab.point.made.model
    assert lab.point.verdict.k == wm.evidence.verify_tilt(wm.BlackBox(copied), leaning[1]).k
    assert "the copy, secrets" in lab.state.screen["last_run"]


def test_a_tilt_of_other_images_is_refused(data, leaning, owner, says):
    other = wm.load_data("cifar10").test.take(slice(len(leaning[1].pixels)))
    moved = dataclasses.replace(leaning[1], pixels=other.pixels)
    with says(ValueError):
        wm.TheftLab(owner, data, moved)
