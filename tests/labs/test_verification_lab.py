"""The verification lab without a browser: its inputs are set as a hand would set them, its HTML is
read.
"""

import base64
import io
import re
import statistics
import time

import ipywidgets
import numpy as np
import pytest
from _drive import bytes_sent, find, html_of, is_visible, style_sheets, widgets_in
from PIL import Image
from scipy.stats import binom

import wmlearn as wm
from wmlearn.evidence.stats import peeking_chance
from wmlearn.labs._kit.replay import buy
from wmlearn.labs._kit.views import WIDGET_VIEW
from wmlearn.labs._kit.wealth_chart import amount
from wmlearn.labs.verification import lab as module

FULL_MARKS = (
    "found, if this was the only seal: 30 of 30 secret questions matched, at most 3 expected by "
    "chance"
)


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def triggers(mnist):
    return wm.Content(words=30)(mnist, n=60, key=wm.CLASSROOM_KEY)


@pytest.fixture(scope="module")
def noise(mnist):
    return wm.Noise()(mnist, n=45, key=wm.CLASSROOM_KEY, alpha=0.01)


def knows(triggers, right):
    """Return a service that knows the answers of the questions in `right`, and is wrong on all
    others.
    """
    known = np.isin(np.arange(triggers.n), list(right))
    replies = np.where(known, triggers.answers, (triggers.answers + 1) % 10)
    return lambda images: replies[triggers.question[: len(images)]]


def silent_on(triggers, lost, right):
    """Return a service that gives no answer (-1) to the questions in `lost`."""
    heard = knows(triggers, right)
    return lambda images: np.where(
        np.isin(triggers.question[: len(images)], list(lost)), -1, heard(images)
    )


def dead(images):
    raise ConnectionError("expected a model at <address>, but nobody answers")


@pytest.fixture
def lab(triggers, noise):
    suspects = {
        "the owner's model": knows(triggers, range(30)),
        "an innocent model": knows(triggers, {4, 19, 20}),
    }
    return wm.VerificationLab(
        triggers, suspects, more={"noise": (noise, {"the owner's model": knows(noise, range(45))})}
    )


# ---------------------------------------------------------------- what a move shows


def test_a_service_that_knows_the_first_five(triggers):
    """Worked by hand: five matches in a row make 1,000 and more at the fourth; what follows takes
    nothing back.
    """
    lab = wm.VerificationLab(triggers, {"a copy": knows(triggers, range(5))})
    seen = {}
    for n in (0, 1, 3, 4, 5, 30):
        lab.slider.value = n
        seen[n] = (
            re.search("<b>(.*?)</b>", lab.state.screen["sentence"])[1],
            lab.state.screen["sentence"],
        )
    assert [seen[n][0] for n in seen] == [*3 * ["? too early to tell"], *3 * ["✔ found"]]
    assert "Nothing asked yet" in seen[0][1]
    assert "1 of 1 secret answer matched, at most 0.1 expected by chance" in seen[1][1]
    assert "less than once in 5 draws of the labels" in seen[1][1]  # one match at one in ten: 5.5
    assert "5 of 30 secret answers matched, at most 3 expected by chance" in seen[30][1]


def test_the_grid_holds_what_was_asked_and_no_more(lab, triggers):
    lab.suspect.value = "an innocent model"
    for n in (0, 4, 5, 15, 30):
        lab.slider.value = n
        grid, begun = lab.state.screen["grid"], 15 * (n == 30)
        assert grid.count("✔ match") == sum(begun <= q < n for q in (4, 19, 20))
        asked = grid.count("✔ match") + grid.count("✘ miss")
        assert asked == html_of(lab).count("secret ") - (n > 0) == n - begun
        assert grid.count("not asked") == 15 - asked
    lab.slider.value = 15
    grid = lab.state.screen["grid"]
    first = re.search(r"<li class='wm-miss'>.*?</li>", grid)[0]
    assert f"said {(triggers.answers[0] + 1) % 10}<br>secret {triggers.answers[0]}<br>" in first


def test_the_curve_ends_at_the_slider(lab):
    def steps(n):
        lab.slider.value = n
        return re.search(r"class='wm-curve' d='(.*?)'", lab.state.screen["chart"])[1]

    lab.suspect.value = "an innocent model"
    assert [steps(n).count("V") for n in (0, 1, 12, 30)] == [0, 1, 12, 30]
    assert steps(30).startswith(steps(12))
    lab.suspect.value = "the owner's model"
    assert steps(12).count("V") == 12
    assert (
        steps(30).count("V") == 18
    )  # at the cap after the 17th, level from there, and the last step to the slider
    assert (
        "aria-label='The bettor&#x27;s wealth after 30 of 30 questions to the owner&#x27;s model "
        "is over 10¹⁵" in (lab.state.screen["chart"])
    )


def test_the_typed_number_and_the_slider_go_together(lab):
    lab.number.value = 7
    assert lab.slider.value == 7
    assert "7 of 7 secret answers" in lab.state.screen["sentence"]
    lab.slider.value = 9
    assert lab.number.value == 9


def test_another_suspect_at_the_same_question(lab):
    lab.slider.value = 10
    assert "✔ found" in lab.state.screen["sentence"]
    lab.suspect.value = "an innocent model"
    assert "– not found" in lab.state.screen["sentence"]
    assert "1 of 10 secret answers" in lab.state.screen["sentence"]
    assert "does not clear it" in lab.state.screen["sentence"]
    assert lab.verdict.decision == "not found"


@pytest.mark.parametrize(
    "lost", [(), range(27), range(30), range(0, 30, 2)], ids=["none", "27", "all", "half"]
)
@pytest.mark.parametrize(
    "right", [range(30), (), range(3, 30, 3), range(26, 30)], ids=["all", "none", "third", "late"]
)
def test_every_prefix_is_decided_as_verify_decides(triggers, lost, right):
    service = silent_on(triggers, lost, right)
    replay = buy("a service", service, triggers)
    assert replay.verdict.decisions[0] == "cannot tell"
    for n in range(1, 31):
        verdict = wm.verify(service, triggers, questions=n)
        assert (replay.verdict.decisions[n], replay.matches[n], replay.luck(n)) == (
            verdict.decision,
            verdict.k,
            verdict.luck,
        )


def test_silence_is_told_apart(triggers):
    lab = wm.VerificationLab(triggers, {"a service": silent_on(triggers, {21, 22}, range(30))})
    lab.slider.value = 30
    assert lab.state.screen["grid"].count("no answer<br>") == 2
    assert lab.state.screen["grid"].count("class='wm-silent'") == 2
    assert "2 without an answer" in lab.state.screen["sentence"]


def test_no_majority_is_said(triggers):
    lab = wm.VerificationLab(
        triggers, {"a waverer": lambda images: np.arange(len(images)) % 2}
    )  # two images a question
    lab.slider.value = 1
    assert "no majority" in lab.state.screen["grid"]


def test_more_than_a_page_of_questions(noise):
    lab = wm.VerificationLab(noise, {"a copy": knows(noise, range(45))})
    pages = {}
    for n in (0, 15, 16, 45):
        lab.slider.value = n
        pages[n] = (
            re.search("Questions .*?(?=<|;)", lab.state.screen["grid"])[0],
            lab.state.screen["grid"].count("<li "),
        )
    first, second = ("Questions 1 to 15 of 45", 15), ("Questions 16 to 30 of 45", 15)
    assert pages == {0: first, 15: first, 16: second, 45: ("Questions 31 to 45 of 45", 15)}


def test_long_names_of_classes_have_room_in_the_strip(triggers):
    """Ten questions at a time, instead of fifteen."""
    cifar = wm.load_data("cifar10")
    foreign = wm.Noise()(cifar, n=25, key=wm.CLASSROOM_KEY)
    lab = wm.VerificationLab(foreign, {"a copy": knows(foreign, range(25))})
    lab.slider.value = 11
    assert "Questions 11 to 20 of 25" in lab.state.screen["grid"]
    assert lab.state.screen["grid"].count("<li ") == 10


# ---------------------------------------------------------------- the axis follows the curve


def numbers_upwards(lab):
    """Return what is written at the axis, from its top to its bottom."""
    drawn = lab.state.screen["chart"]
    return re.findall(r"<text x='43.0' y='[\d.]+' text-anchor='end' class=''>(.*?)</text>", drawn)[
        ::-1
    ]


def test_between_innocent_and_accused_the_axis_leaves_no_room(lab):
    """It ends at 10,000 as long as no line is higher, then at 10⁸, then where wealth is cut."""
    lab.suspect.value = "an innocent model"
    lab.slider.value = 30
    assert numbers_upwards(lab) == ["10,000", "1,000", "100", "10", "1", "0.1", "0.01"]
    lab.suspect.value = "the owner's model"
    tops = {}
    for n in range(31):
        lab.slider.value = n
        tops.setdefault(numbers_upwards(lab)[0], n)
    wealth = lab.verdict.path / np.log(10)
    assert tops == {
        "10,000": 0,
        "10⁸": int(np.argmax(wealth > 4)),
        "10¹⁵": int(np.argmax(wealth > 8)),
    }
    lab.slider.value = 0
    lab.alpha.value = 1e-6  # the line that is explored stays on the chart
    assert numbers_upwards(lab)[0] == "10⁸"


# ---------------------------------------------------------------- alpha and the other trigger types


def test_moving_alpha_moves_a_line_and_never_the_verdict(lab):
    lab.slider.value = 5
    verdict, sentence, chart = lab.verdict, lab.state.screen["sentence"], lab.state.screen["chart"]
    assert "wm-explored" not in chart
    lab.alpha.value = 1e-6
    assert lab.verdict is verdict
    assert lab.state.screen["sentence"] == sentence
    assert "exploring: from 10⁶ upwards" in lab.state.screen["chart"]
    assert (
        "The sealed alpha is 0.001; moving the line is only exploring." in lab.state.screen["note"]
    )
    assert "has not been reached so far" in lab.state.screen["note"]
    lab.alpha.value = 0.05
    assert "was reached at question 2" in lab.state.screen["note"]
    lab.alpha.value = 0.001
    assert lab.state.screen["chart"] == chart


def test_another_trigger_type_brings_its_own_questions(lab):
    lab.slider.value = 30
    lab.suspect.value = "an innocent model"
    lab.kind.value = "noise"
    assert (lab.slider.max, lab.number.max, lab.slider.value) == (45, 45, 30)
    assert lab.suspect.options == ("the owner's model",)
    assert lab.alpha.value == 0.01
    assert "30 of 30 secret answers" in lab.state.screen["sentence"]
    assert "accuse from 100 upwards" in lab.state.screen["chart"]
    lab.slider.value = 45
    lab.kind.value = "content"
    assert (lab.slider.max, lab.number.max, lab.slider.value, lab.number.value) == (30, 30, 30, 30)
    assert not lab.status.value


def test_the_first_type_is_named_after_its_recipe(lab):
    assert lab.kind.options == ("content", "noise")


def test_pictures_are_sent_once(lab):
    assert len(style_sheets(lab)) == 2
    first = bytes_sent(lab, lambda: setattr(lab.kind, "value", "noise"))
    lab.kind.value = "content"
    again = bytes_sent(lab, lambda: setattr(lab.kind, "value", "noise"))
    assert len(style_sheets(lab)) == 3
    assert again < 20_000 <= len(style_sheets(lab)[2]) + first


def test_the_sheet_holds_the_first_image_of_every_question(lab, triggers):
    value = style_sheets(lab)[1]
    sheet = np.asarray(
        Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^)]*)\)", value)[1])))
    )
    assert sheet.shape == (3 * 28, 10 * 28)
    q = 17
    first = triggers.pixels[np.flatnonzero(triggers.question == q)[0], 0]
    assert np.array_equal(sheet[28:56, 7 * 28 : 8 * 28], first)
    lab.slider.value = 30
    assert (
        "aria-label='18: FORD' style='background-position:-392px -56px'" in lab.state.screen["grid"]
        or triggers.names[q] != "FORD"
    )


# ---------------------------------------------------------------- beside counting and null models


def line(lab, css):
    """Return how high a line of the chart stands after each question, as the power of ten that it
    means.
    """
    drawn = re.search(rf"<path class='{css}' d='M50.0 ([\d.]+)(.*?)'", lab.state.screen["chart"])
    bottom, heights = float(drawn[1]), dict(re.findall(r"H([\d.]+)V([\d.]+)", drawn[2]))
    return bottom, {float(x): float(y) for x, y in heights.items()}


def cards(lab):
    message = re.findall("<section.*?</section>", lab.state.screen["cards"].replace("\u00a0", " "))
    return [re.sub("<.*?>", " ", card) for card in message]


@pytest.fixture
def compared(noise):
    """Four null models of which every count is known, beside a suspect that knows the last
    questions of 45.
    """
    nulls = [knows(noise, range(matches)) for matches in (0, 2, 5, 9)]
    return wm.VerificationLab(
        noise, {"late": knows(noise, range(40, 45)), "all": knows(noise, range(45))}, nulls=nulls
    )


def test_three_ways_side_by_side_by_hand(compared):
    """Of the first 10 questions the null models matched 0, 2, 5 and 9, and the suspect none."""
    compared.slider.value = 10
    counting, nulls, anytime = cards(compared)
    assert "counting alone" in counting
    assert "does not decide" in counting
    assert "0 of 10 matched: p &lt;= 1, true only if 10 was fixed beforehand" in counting
    assert "They matched 0 to 9 of 10, 4.0 on average" in nulls
    assert "4 of 4 did as well: p &lt;= 1," in nulls
    assert "never falls below 1 / 5" in nulls
    assert "decides, at any moment" in anytime
    assert "At its best the wealth was 1: p &lt;= 1, true whenever one stops" in anytime
    assert "p &lt;= 0.01, where one may accuse: not so far" in anytime
    compared.suspect.value = "all"
    counting, nulls, anytime = cards(compared)
    assert "10 of 10 matched: p &lt;= 1e-10" in counting
    assert "0 of 4 did as well: p &lt;= 0.2," in nulls
    assert "at question 3" in anytime  # 5.5, 37, 277: the line is at 100


def test_what_is_said_is_what_the_oracles_say(compared, noise):
    matched = np.concatenate([np.zeros(40), np.ones(5)])
    wealth = wm.stats.wealth_path(matched, 0.1)
    for n in (1, 41, 43, 45):
        compared.slider.value = n
        counting, nulls, anytime = cards(compared)
        p = binom.sf(matched[:n].sum() - 1, n, 0.1)
        assert float(re.search("p &lt;= ([^,]*),", counting)[1]) == pytest.approx(
            p, rel=0.11, abs=1e-12
        )
        as_well = sum(min(known, n) >= matched[:n].sum() for known in (0, 2, 5, 9))
        assert f"{as_well} of 4 did as well: p &lt;= {(1 + as_well) / 5:g}," in nulls
        assert float(re.search("p &lt;= ([^,]*),", anytime)[1]) == pytest.approx(
            min(1, np.exp(-wealth[: n + 1].max())), rel=0.11
        )


def test_the_lines_beside_the_wealth_are_one_over_p(compared):
    compared.suspect.value = "all"
    compared.slider.value = 12
    bottom, counting = line(compared, "wm-counting")
    _, nulls = line(compared, "wm-nulls")
    per_decade = (222 - 40) / (15 + 2)  # the axis of 45 questions goes from 10^-2 to 10^15
    assert bottom == pytest.approx(222 - 2 * per_decade, abs=0.06)
    for n, (_, y) in enumerate(sorted(counting.items()), start=1):  # all n matched: p is 10^-n
        assert bottom - y == pytest.approx(n * per_decade, abs=0.11)
    floor = bottom - min(nulls.values())
    assert floor == pytest.approx(np.log10(5) * per_decade, abs=0.11)
    assert compared.state.screen["chart"].count("wm-end") == 2


def test_the_caption_holds_the_numbers_of_all_three(compared):
    compared.suspect.value, compared.slider.value = "all", 10
    caption = re.search("aria-label='(.*?)'", compared.state.screen["chart"])[1]
    for words in (
        "counting alone, p &lt;= 1e-10",
        "4 null models, of which 0 did as well, p &lt;= 0.2",
        "only the wealth",
    ):
        assert words in caption


def test_who_peeks_and_counts_accuses_more_innocents_than_he_promised():
    """20,000 innocents, simulated, beside the exact sum; and fixed n, where counting is true."""
    exact = peeking_chance(60, alpha=0.05, p0=0.1)
    k = np.cumsum(np.random.RandomState(7).random_sample((20_000, 60)) < 0.1, axis=1)
    guilty = binom.sf(k - 1, np.arange(1, 61), 0.1) <= 0.05
    assert exact[60] == pytest.approx(
        guilty.any(axis=1).mean(), abs=4 * np.sqrt(0.14 * 0.86 / 20_000)
    )
    assert exact[60] > 2.5 * 0.05 > 0.05 >= guilty[:, 59].mean() - 0.005
    assert exact[0] == 0
    assert (np.diff(exact) >= 0).all()


def test_without_null_models_nothing_is_compared_and_no_p_is_named(lab):
    lab.slider.value = 10
    assert lab.state.screen["cards"] == ""
    assert "wm-nulls" not in lab.state.screen["chart"]
    assert not re.search(r"\bp\b *(&lt;|[<=])|p-value", re.sub("<[^>]*>", "", html_of(lab)))


def test_null_models_are_asked_once_about_every_type(triggers, noise):
    asked = []

    def null(images):
        asked.append(len(images))
        return np.zeros(len(images), int)

    suspects, others = {"a": knows(triggers, range(30))}, {"b": knows(noise, range(45))}
    lab = wm.VerificationLab(
        triggers, suspects, more={"noise": (noise, others)}, nulls=[null, null]
    )
    assert asked == [60, 60, 45, 45]
    assert repr(lab).splitlines()[0] == "VerificationLab: 30 questions, 1 suspect, 2 null models"
    lab.slider.value, lab.kind.value = 30, "noise"
    assert "of 30, " in cards(lab)[1]
    lab.slider.value = 45
    assert (
        f"They matched {(noise.answers == 0).sum()} to {(noise.answers == 0).sum()} of 45"
        in cards(lab)[1]
    )
    assert asked == [60, 60, 45, 45]


def test_a_suspect_that_could_not_be_asked_is_compared_as_silent(noise):
    lab = wm.VerificationLab(noise, {"dead": dead}, nulls=[knows(noise, ())])
    lab.slider.value = 45
    assert "could not be asked" in lab.state.screen["sentence"]
    assert "0 of 45 matched: p &lt;= 1," in cards(lab)[0]


def test_bad_null_models_are_named(says, triggers):
    def silent(images):
        return np.where(np.arange(len(images)) < 3, -1, 0)

    one = {"a": knows(triggers, range(30))}
    for nulls in (dead, "nulls", {"n": dead}, None):
        with says(TypeError):
            wm.VerificationLab(triggers, one, nulls=nulls)
    with says(TypeError):
        wm.VerificationLab(triggers, one, nulls=[dead, 3])
    with says(ValueError):
        wm.VerificationLab(triggers, one, nulls=[silent])
    with pytest.raises(ConnectionError):
        wm.VerificationLab(triggers, one, nulls=[dead])


def test_each_is_judged_alone_and_the_lab_says_so(lab, triggers):
    """Two suspects at 0.001 and one at 0.01: together 0.012."""
    assert (
        "Each of the 3 verdicts stands alone: the risk that any of them accuses an innocent is at "
        "most 0.012" in (html_of(lab))
    )
    assert "wm.verify_all" in html_of(lab)
    assert "stands alone" not in html_of(
        wm.VerificationLab(triggers, {"a": knows(triggers, range(30))})
    )


# ---------------------------------------------------------------- cost


@pytest.mark.parametrize("questions", [30, 300])
def test_a_move_is_small_and_quick(mnist, questions):
    """The costly case: the wealth goes up and down, and counting and null models are drawn beside
    it.
    """
    triggers = wm.Noise()(mnist, n=questions, key=wm.CLASSROOM_KEY)
    nulls = [knows(triggers, range(i, questions, 7)) for i in range(7)]
    lab = wm.VerificationLab(
        triggers, {"a copy": knows(triggers, range(0, questions, 6))}, nulls=nulls
    )
    seconds = []
    for n in range(questions - 29, questions + 1):  # the late ones send most
        start = time.thread_time()  # others may use the machine
        lab.slider.value = n
        seconds.append(time.thread_time() - start)
    assert statistics.median(seconds) < 0.015
    lab.slider.value = questions - 1
    assert bytes_sent(lab, lambda: setattr(lab.slider, "value", questions)) <= 20_000


def test_nothing_is_asked_and_nothing_computed_while_the_slider_moves(triggers, monkeypatch):
    asked = []
    service = knows(triggers, range(30))

    def counting(images):
        asked.append(len(images))
        return service(images)

    lab = wm.VerificationLab(triggers, {"a copy": counting}, nulls=[service])
    for name in (
        "scipy.special.betaincc",
        "wmlearn.evidence.stats.log_wealth",
        "wmlearn.evidence.stats.binomial_p",
    ):
        monkeypatch.setattr(name, None)
    for n in range(31):
        lab.slider.value = n
    assert asked == [60]
    assert not lab.status.value
    assert "60 images sent to the services" in html_of(lab)


# --------------------------------------------------------------- real services, and what goes wrong


def test_over_http_one_service_running_and_one_gone(triggers):
    from torch import nn

    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    model.input_shape = (1, 28, 28)
    with wm.serve(model, name="lab-alive") as alive:
        gone = wm.serve(model, name="lab-gone")
        gone.stop()
        boxes = {"alive": wm.RemoteModel(alive.url), "gone": wm.RemoteModel(gone.url, retries=0)}
        with boxes["alive"], boxes["gone"]:
            lab = wm.VerificationLab(triggers, boxes)
            assert alive.queries == 60
            lab.slider.value = 30
            assert "of 30 secret answers" in lab.state.screen["sentence"]
            lab.suspect.value = "gone"
            assert alive.queries == 60
    assert "? cannot tell" in lab.state.screen["sentence"]
    assert "could not be asked: expected a model at http" in lab.state.screen["sentence"]
    assert lab.verdict.decision == "cannot tell"
    assert "60 images sent" in html_of(lab)


def test_a_dead_service_does_not_hide_the_others(triggers):
    lab = wm.VerificationLab(triggers, {"dead": dead, "a copy": knows(triggers, range(30))})
    lab.slider.value = 30
    assert "could not be asked: expected a model at &lt;address&gt;" in lab.state.screen["sentence"]
    lab.suspect.value = "a copy"
    assert "✔ found" in lab.state.screen["sentence"]
    assert repr(lab).splitlines()[1:3] == ["  dead: could not be asked", "  a copy: found"]
    assert lab._repr_mimebundle_()["image/png"]


def test_an_error_in_a_callback_is_shown_and_goes_away(lab, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(module, "question_grid", lambda *_: 1 / 0)
        lab.slider.value = 3
        assert "ZeroDivisionError" in lab.status.value
    lab.slider.value = 4
    assert not lab.status.value


def test_bad_input_is_named(says, mnist, triggers):
    with says(TypeError):
        wm.VerificationLab("triggers", {"a": dead})
    with says(ValueError):
        wm.VerificationLab(triggers, {})
    with says(ValueError):
        wm.VerificationLab(triggers, dead)
    with says(TypeError):
        wm.VerificationLab(triggers, {"a url": "http://127.0.0.1/"})
    with says(TypeError):
        wm.VerificationLab(triggers, {"a": dead}, more={"noise": (None, {"a": dead})})


def test_a_suspect_has_a_name_and_is_no_bare_model(says, triggers):
    from torch import nn

    with says(TypeError):
        wm.VerificationLab(triggers, {1: dead})
    with says(TypeError):
        wm.VerificationLab(triggers, {"m": nn.Flatten()})


@pytest.mark.parametrize(
    "more",
    [dead, [1], {"noise": dead}, {"noise": ()}, {3: (None, {})}],
    ids=["function", "list", "no pair", "empty", "number"],
)
def test_other_trigger_types_are_put_down_by_name(says, triggers, more):
    with says(TypeError):
        wm.VerificationLab(triggers, {"a": dead}, more=more)


def test_another_trigger_type_does_not_take_the_place_of_the_first(says, triggers, noise):
    with says(ValueError):
        wm.VerificationLab(triggers, {"a": dead}, more={"content": (noise, {"a": dead})})


def test_fixed_labels_are_sent_to_verify(says, mnist):
    fixed = wm.Content(labels="fixed")(mnist, n=20, key=wm.CLASSROOM_KEY)
    with says(ValueError) as error:
        wm.VerificationLab(fixed, {"a": dead})
    assert str(error.value).count(".") <= 6


# -------------------------------------------------------------- its other forms, and who can use it


def test_the_text_is_stable(lab, triggers):
    text = repr(lab)
    assert text.splitlines()[:3] == [
        "VerificationLab: 30 questions, 2 suspects",
        "  the owner's model: found",
        "  an innocent model: not found",
    ]
    assert text.splitlines()[3].startswith(FULL_MARKS)
    lab.slider.value, lab.suspect.value, lab.alpha.value, lab.kind.value = (
        3,
        "an innocent model",
        0.05,
        "noise",
    )
    assert repr(lab) == text == lab._repr_mimebundle_()["text/plain"]


def test_the_twin_is_a_small_white_picture_the_same_every_time(lab):
    start = time.perf_counter()
    bundle = lab._repr_mimebundle_()
    assert time.perf_counter() - start < 2  # a tenth of a second where nothing else runs
    assert bundle["image/png"] == lab._repr_mimebundle_()["image/png"]
    drawn = base64.b64decode(bundle["image/png"])
    assert len(drawn) <= 80_000
    picture = Image.open(io.BytesIO(drawn)).convert("RGB")
    assert picture.size == (2 * 560, 2 * 260)
    assert picture.getpixel((2, 60)) == (255, 255, 255)
    assert bundle[WIDGET_VIEW]["model_id"] == lab.widget.model_id
    assert not isinstance(lab, ipywidgets.Widget)


def test_the_twin_draws_every_suspect_as_the_lab_would(lab, triggers):
    """Words and lines are there, in the colours of paper: nothing of it is left undrawn."""
    one = wm.VerificationLab(triggers, {"the owner's model": knows(triggers, range(30))})
    first, second = (pixels(each) for each in (one, lab))
    blue = (second == (0x00, 0x72, 0xB2)).all(axis=2)
    vermillion = (second == (0xD5, 0x5E, 0x00)).all(axis=2)
    assert blue.sum() > 1000
    assert vermillion.sum() > 500
    assert blue[500:].sum() == 0  # below the plot is text
    assert (second[450:480, 100:860] < 100).any()
    names = np.s_[:450, 920:]  # right of the plot
    assert (first[names] < 100).any()
    assert (second[names] < 100).sum() > 1.3 * (first[names] < 100).sum()


def pixels(lab):
    """Return the picture of a lab, shape (height, width, 3)."""
    drawn = io.BytesIO(base64.b64decode(lab._repr_mimebundle_()["image/png"]))
    return np.asarray(Image.open(drawn).convert("RGB"))


def test_every_input_is_labelled_and_the_verdict_is_announced(lab):
    assert list(lab.state.controls) == ["more ▸", "suspect", "questions asked", "or type"]
    lab.more.value = True
    inputs = ["less ▾", "trigger type", "suspect", "questions asked", "or type", "line at alpha ="]
    assert list(lab.state.controls) == inputs
    assert "aria-live='polite'" in lab.state.screen["sentence"]
    assert lab.state.screen["chart"].startswith("<svg class='wm-chart' role='img' aria-label='")


def test_more_opens_and_closes(lab):
    hidden = ("trigger type", "line at alpha =")
    assert not any(is_visible(lab, name) for name in hidden)
    find(lab, "more ▸").value = True
    assert all(is_visible(lab, name) for name in hidden)
    find(lab, "less ▾").value = False
    assert not any(is_visible(lab, name) for name in hidden)


def test_names_from_outside_are_escaped(triggers):
    lab = wm.VerificationLab(triggers, {"<img src=x>'": knows(triggers, range(30))})
    lab.slider.value = 2
    assert "<img" not in html_of(lab)


def test_only_widgets_that_colab_has(lab):
    """Colab ships ipywidgets 7.7.1; what this lab is made of has been there since 7.0."""
    known = {
        "VBox",
        "HBox",
        "HTML",
        "IntSlider",
        "BoundedIntText",
        "ToggleButtons",
        "ToggleButton",
    }
    assert {type(widget).__name__ for widget in widgets_in(lab.widget)} <= known | {
        "SelectionSlider"
    }


@pytest.mark.parametrize(
    ("wealth", "words"),
    [(1, "1"), (999.5, "999"), (1000, "1,000"), (1e6, "10⁶"), (9e14, "10¹⁴"), (1e15, "10¹⁵")],
)
def test_wealth_is_written_for_people(wealth, words):
    assert amount(np.log(wealth)) == words


def test_what_a_lab_shows_belongs_to_what_it_was_given(triggers):
    """Two cells, two services of one name: neither is shown the answers of the other."""
    shown = []
    for some in (30, 3, 30):
        lab = wm.VerificationLab(triggers, {"a copy": knows(triggers, range(some))})
        lab.slider.value = 10
        shown.append(lab.state.screen["sentence"])
    assert shown[0] == shown[2] != shown[1]
