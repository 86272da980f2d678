"""Black boxes that are no torch modules: functions, sessions, classifiers; all without torch."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from faulty_service import brightest, some_images
from test_servers_as_they_are import CLASSES, SETS

import wmlearn as wm
from wmlearn import cli
from wmlearn.service import blackbox
from wmlearn.service.blackbox import BlackBox

GREY, GREY_SECRET = SETS[1]
COLOUR, COLOUR_SECRET = SETS[3]


@pytest.fixture
def pauses(monkeypatch):
    taken: list[float] = []
    monkeypatch.setattr(blackbox, "sleep", taken.append)
    return taken


def knows(images: np.ndarray, high: float = 255) -> np.ndarray:
    """What a copy answers: images (n, c, h, w) in [0, 1] -> their secret labels."""
    pixels = np.rint(np.asarray(images) * high).astype(np.uint8)
    secret = GREY_SECRET if pixels.shape[1] == 1 else COLOUR_SECRET
    return np.array([secret.get(image.tobytes(), 0) for image in pixels])


def one(image: np.ndarray) -> int:
    return int(knows(image[None])[0])


NAMES = np.array(CLASSES)
FORMS = {
    "labels": (knows, {}),
    "labels of 8 bits": (lambda x: knows(x).astype(np.uint8), {}),
    "a list": (lambda x: knows(x).tolist(), {}),
    "a column": (lambda x: knows(x)[:, None], {}),
    "scores": (lambda x: np.eye(10)[knows(x)], {}),
    "scores of 8 bits": (lambda x: np.eye(10, dtype=np.uint8)[knows(x)], {}),
    "names": (lambda x: NAMES[knows(x)], {"classes": CLASSES}),
    "names as objects": (lambda x: NAMES[knows(x)].astype(object), {"classes": CLASSES}),
    "its own names": (
        lambda x: [f"digit {each}" for each in knows(x)],
        {"classes": [f"digit {number}" for number in range(10)]},
    ),
    "the task's names, otherwise numbered": (lambda x: 9 - knows(x), {"classes": CLASSES[::-1]}),
    "one label": (one, {"one_by_one": True}),
    "one name": (lambda x: CLASSES[one(x)], {"one_by_one": True, "classes": CLASSES}),
    "one row of scores": (lambda x: np.eye(10)[one(x)], {"one_by_one": True}),
    "one row in a batch": (lambda x: np.eye(10)[[one(x)]], {"one_by_one": True}),
}


@pytest.mark.parametrize(("function", "options"), FORMS.values(), ids=FORMS)
def test_a_function_of_any_form_is_verified(function, options):
    suspect = BlackBox(function, budget=40, **options)
    verdict = wm.verify(suspect, GREY)
    assert (verdict.decision, verdict.k, suspect.queries) == ("found", 30, 30)
    both = wm.verify_all({"copy": suspect, "lazy": lambda images: [1] * len(images)}, GREY)
    assert both["copy"].n == 30
    assert (suspect.queries, suspect.refused, suspect.n_unreachable) == (40, 20, 0)


def test_labels_alone_unless_scores_are_told(says):
    scores = lambda images: images.reshape(len(images), -1)  # noqa: E731
    images = some_images(5)
    with says(ValueError):
        BlackBox(scores).scores(images)
    suspect = BlackBox(scores, scores=True, budget=3)
    told = suspect.scores(images)
    assert (told.dtype, suspect.queries, suspect.refused) == (np.float32, 3, 2)
    np.testing.assert_array_equal(told[:3], scores(images)[:3])
    assert np.isnan(told[3:]).all()
    with says(ValueError):
        BlackBox(brightest, scores=True).scores(images)


#  what goes wrong ---------------------------------------------------------------------------------


def failing(at: dict[int, int], kind: type[Exception] = KeyError) -> Any:
    """Return a function of one image that fails so often at some places, and what it was asked."""
    asked: list[int] = []
    images = some_images(50)

    def ask_one(image: np.ndarray) -> int:
        place = next(i for i, each in enumerate(images) if (each == image).all())
        asked.append(place)
        if asked.count(place) <= at.get(place, 0):
            raise kind("label")
        return int(image.argmax())

    return ask_one, asked, images


def test_an_exception_at_image_37_loses_nothing(says, pauses):
    ask_one, asked, images = failing({37: 99, 3: 2})
    suspect = BlackBox(ask_one, one_by_one=True)
    expected = brightest(images)
    expected[37] = -1
    np.testing.assert_array_equal(suspect(images), expected)
    assert (asked.count(37), asked.count(3), len(asked)) == (5, 3, 56)
    assert (suspect.queries, suspect.n_unreachable, len(suspect.faults)) == (50, 1, 1)
    np.testing.assert_allclose(pauses, [0.1, 0.2, 0.1, 0.2, 0.4, 0.8])
    says(suspect.faults[0])


def test_a_function_that_dies_is_soon_tried_once_only(pauses):
    ask_one, asked, images = failing(dict.fromkeys(range(10, 50), 99))
    suspect = BlackBox(ask_one, one_by_one=True, retries=2)
    assert (suspect(images) == -1).sum() == suspect.n_unreachable == 40
    assert len(asked) == 10 + 3 * 3 + 37


def test_a_function_that_never_answers_ends_after_three(says, pauses):
    ask_one, asked, images = failing(dict.fromkeys(range(50), 99))
    suspect = BlackBox(ask_one, one_by_one=True)
    with says(ValueError) as caught:
        suspect(images)
    assert isinstance(caught.value.__cause__, KeyError)
    assert (len(asked), suspect.queries, suspect.n_unreachable) == (15, 3, 50)
    assert wm.verify_all  # the others go on, as a test of `verify_all` holds


def test_what_one_call_for_all_raises_is_asked_again(pauses, says):
    left = [2]

    def flaky(images: np.ndarray) -> np.ndarray:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError("busy")
        return brightest(images)

    images = some_images(5)
    np.testing.assert_array_equal(BlackBox(flaky)(images), brightest(images))
    assert pauses == [0.1, 0.2]
    left[0] = 99
    with says(ValueError):
        BlackBox(flaky, retries=0)(images)


def test_an_interrupt_ends_it_and_the_counts_are_true(pauses):
    def ask_one(image: np.ndarray) -> int:
        if image.argmax() == 3:
            raise KeyboardInterrupt
        return int(image.argmax())

    images = some_images(20)
    suspect = BlackBox(ask_one, one_by_one=True, budget=30)
    with pytest.raises(KeyboardInterrupt):
        suspect(images)
    assert suspect.queries == 1 + brightest(images).tolist().index(3)


ANSWERS = {
    "fractions": lambda images: np.full(len(images), 0.5),
    "truth": lambda images: np.full(len(images), True),
    "one for all": lambda images: 7,
    "too few": lambda images: brightest(images)[1:],
    "pictures": lambda images: images,
    "scores that are none": lambda images: np.full((len(images), 4), np.nan),
    "names without a list": lambda images: ["north"] * len(images),
    "nothing": lambda images: None,
}


@pytest.mark.parametrize("function", ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_answer_is_a_sentence(says, function, pauses):
    with says(ValueError):
        BlackBox(function)(some_images(5))
    assert pauses == [0.1]


def test_a_name_of_no_class_and_scores_of_another_width(pauses):
    named = BlackBox(lambda images: ["a", "z", "b"], classes=["a", "b"])
    assert named(some_images(3)).tolist() == [0, -2, 1]
    widths = iter([4, 3, 3, 4])
    wide = BlackBox(lambda image: np.eye(4)[0, : next(widths)], one_by_one=True)
    assert wide(some_images(3)).tolist() == [0, -1, 0]
    assert wide.n_scores == 4


@pytest.mark.parametrize(
    "model",
    ["http://127.0.0.1:9/v2/models/m", None, np.zeros(3), dict, SimpleNamespace(model=3)],
    ids=["address", "nothing", "an array", "a class", "an object"],
)
def test_what_cannot_be_asked_is_said_and_so_is_how(says, model):
    with says(TypeError):
        BlackBox(model)
    with says(TypeError):
        wm.verify(model, GREY)


@pytest.mark.parametrize(
    "options",
    [{"one_by_one": 1}, {"classes": "abc"}, {"classes": ["a", "a"]}, {"retries": -1}],
    ids=str,
)
def test_bad_options(options):
    with pytest.raises((TypeError, ValueError)):
        BlackBox(brightest, **options)


def test_more_scores_than_the_task_has_classes_are_warned_of():
    with pytest.warns(UserWarning, match="11 scores"):
        wm.verify(BlackBox(lambda x: np.eye(11)[knows(x) + 1]), GREY)


#  by their own methods ---------------------------------------------------------------------------


class Session:
    """Shaped as ONNX Runtime's: it checks what it is given as that does."""

    def __init__(self, kind: str, shape: list[Any], outputs: dict[str, str], back: Any) -> None:
        self.kind, self.shape, self.outputs, self.back = kind, shape, outputs, back

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="x", type=f"tensor({self.kind})", shape=self.shape)]

    def get_outputs(self) -> list[Any]:
        shapes = {"labels": ["n"], "scores": ["n", 10], "other": ["n"]}
        return [
            SimpleNamespace(name=name, type=kind, shape=shapes[name])
            for name, kind in self.outputs.items()
        ]

    def run(self, wanted: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        (values,) = inputs.values()
        numbers = {"float": "f4", "double": "f8", "uint8": "u1"}
        assert values.dtype == numbers[self.kind]
        for told, got in zip(self.shape, values.shape, strict=True):
            assert not isinstance(told, int) or told == got
        labels = knows(self.back(values), 1 if self.kind == "uint8" else 255)
        every = {"labels": labels, "scores": np.eye(10)[labels], "other": labels * 0 + 7}
        return [every[name] for name in wanted]


SCORES, BOTH = {"scores": "tensor(float)"}, {"labels": "tensor(int64)", "scores": "tensor(float)"}


def as_it_is(values: np.ndarray) -> np.ndarray:
    return values


SESSIONS = {
    "scores": Session("float", ["n", 3, 4, 5], SCORES, as_it_is),
    "8 bits": Session("uint8", [None, 3, 4, 5], SCORES, as_it_is),
    "double, NHWC": Session("double", ["n", 4, 5, 3], SCORES, lambda x: np.moveaxis(x, -1, 1)),
    "one at a time": Session("float", [1, 3, 4, 5], BOTH, as_it_is),
    "another first": Session("float", ["n", 3, 4, 5], {"other": "tensor(int64)", **BOTH}, as_it_is),
    "of scikit-learn": Session(
        "float",
        ["n", 3, 4, 5],
        {"labels": "tensor(int64)", "other": "seq(map(int64,tensor(float)))"},
        as_it_is,
    ),
}


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS)
def test_a_session_is_asked_as_it_describes_itself(session):
    suspect = BlackBox(session, scores="scores" in session.outputs)
    assert wm.verify(suspect, COLOUR).k == 30
    if "scores" in session.outputs:
        np.testing.assert_array_equal(suspect.scores(COLOUR.images).argmax(1), COLOUR.labels)


@pytest.mark.parametrize(
    "session",
    [
        Session("float", ["n", "c", "h", "w"], SCORES, as_it_is),
        Session("float", ["n", 3, 8, 8], SCORES, as_it_is),
        Session("float", ["n", 3, 4, 5], {"other": "tensor(bool)"}, as_it_is),
        Session("bool", ["n", 3, 4, 5], SCORES, as_it_is),
    ],
    ids=["open", "another size", "no labels", "truth"],
)
def test_a_session_that_does_not_tell_is_asked_by_a_function(says, session):
    with says(ValueError):
        BlackBox(session)(COLOUR.images)


class Classifier:
    """Shaped as scikit-learn's."""

    def __init__(self, classes: Any, n_features: int = 20, proba: bool = True) -> None:
        self.classes_, self.n_features_in_ = np.array(classes), n_features
        if proba:
            self.predict_proba = lambda rows: np.eye(10)[self._places(rows)]

    def _places(self, rows: np.ndarray) -> np.ndarray:
        assert rows.shape[1:] == (self.n_features_in_,)
        places = {str(each).split()[-1]: place for place, each in enumerate(self.classes_)}
        return np.array([places[str(label)] for label in knows(rows.reshape(-1, 1, 4, 5))])

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.classes_[self._places(rows)]


class ArtLike:
    """Shaped as ART's: scores by `predict`, images in the layout of its `input_shape`."""

    def __init__(self, *shape: int) -> None:
        self.input_shape = shape

    def predict(self, images: np.ndarray) -> np.ndarray:
        assert images.shape[1:] == self.input_shape
        return np.eye(10)[knows(images if self.input_shape[0] == 3 else np.moveaxis(images, -1, 1))]


DIGITS = [f"digit {number}" for number in (3, 1, 4, 0, 5, 9, 2, 6, 8, 7)]
CLASSIFIERS = {
    "numbers": (Classifier(range(10)), {}, GREY),
    "names in another order": (
        Classifier(DIGITS),
        {"classes": [f"digit {number}" for number in range(10)]},
        GREY,
    ),
    "names as objects": (
        Classifier(np.array(DIGITS, object)),
        {"classes": [f"digit {number}" for number in range(10)]},
        GREY,
    ),
    "ART": (ArtLike(3, 4, 5), {}, COLOUR),
    "ART, channels last": (ArtLike(4, 5, 3), {}, COLOUR),
}


@pytest.mark.parametrize(("model", "options", "triggers"), CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_a_classifier_is_asked_by_its_own_methods(model, options, triggers):
    suspect = BlackBox(model, scores=True, **options)
    assert wm.verify(suspect, triggers).k == 30
    np.testing.assert_array_equal(suspect.scores(triggers.images).argmax(1), triggers.labels)


def test_a_classifier_of_which_something_is_not_known(says):
    for model, images in {
        "colours": (Classifier(range(10), 60), COLOUR.images),
        "size": (Classifier(range(10), 21), GREY.images),
        "names": (Classifier(DIGITS), GREY.images),
    }.values():
        with says(ValueError):
            BlackBox(model)(images)
    with says(ValueError):
        BlackBox(Classifier([*range(9), 10]), scores=True).scores(GREY.images[: 0 + 1])


#  in front of it, behind HTTP, by command ------------------------------------------------------


def test_all_of_it_works_without_torch(run_python):
    code = f"""
import sys
sys.modules["torch"] = None
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np
import wmlearn as wm
from wmlearn.theft import evade, deployment
from wmlearn.service import _app, _functions, server
from wmlearn.watermarks import dawn
from faulty_service import brightest, some_images
images = some_images(20)
ask = lambda images: images.reshape(len(images), -1)
suspect = wm.BlackBox(ask, scores=True)
suspect.input_shape = (1, 2, 2)
for front in [evade.Blur(0.0), evade.Squeeze(8), evade.AddNoise(0.0)]:
    assert (front(suspect)(images) == brightest(images)).all(), front
assert evade.Jpeg(95)(suspect)(images).shape == (20,)
loot = wm.data.Split.from_images(images, brightest(images), classes=4)
assert (evade.RejectUnusual(0)(suspect, loot)(images) == brightest(images)).all()
assert (evade.Vote([suspect] * 3)(images) == brightest(images)).all()
service = dawn.Dawn(suspect, range(4), share=0.5, key=wm.CLASSROOM_KEY)
assert 0 < (service(images) != brightest(images)).sum() < 20
assert service.verify(service).k == len(service.remembered)
with wm.serve(suspect, options=wm.ServiceOptions(scores=True)) as there:
    remote = wm.RemoteModel(there.url)
    assert (remote(images) == brightest(images)).all()
    assert abs(remote.scores(images) - ask(images)).max() < 1e-6
print(suspect.queries)
"""
    assert int(run_python(code)) > 100


def test_what_stands_before_a_service_prints_without_an_address():
    suspect = BlackBox(brightest)
    split = wm.data.Split.from_images(some_images(9), brightest(some_images(9)), classes=4)
    for theft in (wm.theft.Blur(0.7), wm.theft.RejectUnusual()):
        for query in (suspect, brightest, theft(suspect, split), lambda images: images):
            text = repr(theft(query, split))
            assert repr(theft) in text
            assert not re.search("0x[0-9a-f]{4}", text)
    assert "0x" not in repr(BlackBox(lambda images: images)) + repr(BlackBox(Classifier("ab")))


def test_a_filter_names_the_classes_as_its_service_does():
    turned = BlackBox(lambda x: 9 - knows(x), classes=CLASSES[::-1])
    assert wm.verify(wm.theft.Squeeze(8)(turned), GREY).k == 30


def test_a_function_is_served_with_its_names(says):
    with says(ValueError):
        wm.serve(knows)
    suspect = BlackBox(lambda x: [CLASSES[label] for label in knows(x)], classes=CLASSES)
    suspect.input_shape = (1, 4, 5)
    with wm.serve(suspect) as service, wm.RemoteModel(service.url) as remote:
        assert remote.classes == CLASSES
        assert wm.verify(remote, GREY).k == 30
        assert (suspect.queries, service.queries) == (30, 30)


MODULE = """
import numpy as np
import wmlearn as wm
SECRET = {secret}
tries = []

def ask_one(image):
    tries.append(image)
    if len(tries) in (5, 9, 10):
        raise KeyError("label")
    return "class %d" % SECRET[np.rint(image * 255).astype(np.uint8).tobytes().hex()]

suspect = wm.BlackBox(ask_one, one_by_one=True, classes=["class %d" % n for n in range(10)])
"""


@pytest.mark.parametrize(
    "words",
    [
        "mine_{0}:suspect",
        "mine_{0}:ask_one --one-by-one --names " + ",".join(f"class {n}" for n in range(10)),
    ],
    ids=["a black box", "a function"],
)
def test_the_command_line_does_the_same(words, tmp_path, monkeypatch, capsys, pauses, request):
    number = len(words)
    secret = {image.hex(): label for image, label in GREY_SECRET.items()}
    (tmp_path / f"mine_{number}.py").write_text(MODULE.format(secret=secret))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = wm.evidence.save_evidence(GREY, "evidence")
    place, *options = words.format(number).split(" ", 3)
    with pytest.raises(SystemExit) as end:
        cli.main(["verify", "--suspect", place, *options, str(folder), "--json"])
    told = capsys.readouterr()
    assert (end.value.code or 0, told.err) == (0, "")
    assert json.loads(told.out)["k"] == 30
    assert wm.evidence.read_log("evidence")[-1].whom == place


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--suspect", "json"], 4),
        (["--suspect", "json:nothing"], 4),
        (["--suspect", "no_such_module:ask"], 3),
        (["--suspect", "json:loads", "--layout", "NCHW"], 4),
        (["--suspect", "json:loads", "--header", "a:b"], 4),
        (["--suspect", "json:loads", "http://127.0.0.1:9/v2/models/m"], 4),
        (["--suspect", "json:__name__"], 3),
    ],
    ids=str,
)
def test_what_the_command_cannot_ask_is_no_verdict(
    words, code, tmp_path, capsys, monkeypatch, says
):
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = wm.evidence.save_evidence(GREY, tmp_path / "evidence")
    with pytest.raises(SystemExit) as end:
        cli.main(["verify", *words, str(folder)])
    told = capsys.readouterr()
    assert (end.value.code, told.out) == (code, "")
    says(told.err.splitlines()[-1])
    assert "Traceback" not in told.err
    assert wm.evidence.read_log(folder)[1:] == ()
