"""What learners build is judged by what it does: on cases that no lesson shows, and with a hint for
each typical mistake.
"""

import copy
import re

import numpy as np
import pytest
import torch
from _builders import RIGHT, Mine, as_photographs, forge, interval

import wmlearn as wm
from wmlearn.course._lessons import read_exercises, read_lessons
from wmlearn.course.checks import check

BUILT = {
    name: each.right[0]["built"]
    for name, each in read_exercises().items()
    if "built" in each.right[0]
}


# ---------------------------------------------------------------- right


def test_every_lesson_has_one_exercise_that_builds():
    assert [name.partition(".")[0] for name in BUILT] == list(read_lessons())


@pytest.mark.parametrize("exercise", BUILT)
def test_what_works_is_right_however_it_is_written(exercise):
    feedback = check(exercise, RIGHT[exercise])
    assert feedback.right is True, feedback


# ---------------------------------------------------------------- wrong, as learners get it wrong


def wrong_stamp(pixels, plate, top, left, opacity, swapped=False, full=False, everywhere=False):
    if swapped:
        top, left = left, top
    stamped = (1 - opacity if everywhere else 1) * pixels.astype(float)
    window = stamped[..., top : top + plate.shape[0], left : left + plate.shape[1]]
    window[:] = plate if full else opacity * plate + (1 - opacity) * window
    return stamped


def wrong_noise(images, sigma, rng, each=False, clip=True, whole=True, strength=1):
    shape = images.shape if each else images.shape[1:]
    noisy = images + rng.normal(0, strength * sigma, shape)
    noisy = np.clip(noisy, 0, 1) if clip else noisy
    return np.rint(255 * noisy) / 255 if whole else noisy


def wrong_batches(n_digits, n_triggers, times, size, rng, shuffle=True, once=False, rest=True):
    rows = np.append(
        np.arange(n_digits),
        np.repeat(np.arange(n_digits, n_digits + n_triggers), 1 if once else times),
    )
    rows = rng.permutation(rows) if shuffle else rows
    end = len(rows) if rest else len(rows) // size * size
    return [rows[i : i + size] for i in range(0, end, size)]


def wrong_asking(send, images, size, tries, lost=True, always=False, empty=True):
    labels = []
    for start in range(0, len(images), size):
        answer = [-1] * len(images[start : start + size]) if lost else []
        for _ in range(tries):
            try:
                answer = send(images[start : start + size])
                if not always:
                    break
            except ConnectionError:
                if empty:
                    continue
                return labels + [-1] * (len(images) - len(labels))
        labels += answer
    return labels


def wrong_pruning(model, share, own=True, names=("weight",), together=False):
    thief = copy.deepcopy(model) if own else model
    chosen = [w.data for name, w in thief.named_parameters() if name.endswith(names)]
    sizes = torch.cat([w.abs().flatten() for w in chosen]).sort().values
    for weights in chosen:
        own_sizes = sizes if together else weights.abs().flatten().sort().values
        weights[weights.abs() <= own_sizes[int(share * len(own_sizes)) - 1]] = 0
    return thief


def wrong_thief(ask, pixels, rng, times=2, dust=3, scale=255, mask=False):
    rounds = [
        ask((pixels + rng.integers(1 - dust, dust, pixels.shape)).clip(0, 255) / scale)
        for _ in range(times)
    ]
    agreed = rounds[0] == rounds[-1]
    rows = np.arange(len(pixels)) if mask else np.flatnonzero(agreed)
    return rows, rounds[0][rows]


def wrong_doorman(service, images, known, limit, rng, way=None):
    labels = np.array(service(images))
    far = np.linalg.norm(images[:, None] - known[None], axis=(3, 4)).min(axis=1)[:, 0] > limit
    if way == "the other way":
        far = ~far
    if way == "all":
        far[:] = True
    if way != "none":
        labels[far] = {"refuses": -1, "a digit": 7}.get(way, rng.integers(0, 10, far.sum()))
    return labels


def wrong_plan(case, accuse, questions=50, otherwise="abstain"):
    for letter in case.services:
        case.ask(letter, questions)
    verdicts = {letter: test.verdict for letter, test in case.tests.items()}
    return {letter: "accuse" if accuse(v) else otherwise for letter, v in verdicts.items()}


def kind(make):
    return type("Mine", (wm.Trigger,), {"make": make})


def wrong_learner(matched, p0, early=1, chance=None, first=False):
    k, path, wealth = 0, [1.0] if first else [], 1.0
    for n, match in enumerate(matched):
        k += match * (1 - early)
        rate = (k + 1) / (n + 2 + (1 - early))
        k += match * early
        p = chance or p0
        wealth *= rate / p if match else (1 - rate) / (1 - p)
        path.append(wealth)
    return path


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def paths(matched, kept, p0, miss=None):
    return np.where(matched, kept / p0, (1 - kept) / (miss or 1 - p0))


WRONG = {
    "00.4": [
        ("all", lambda replies, secrets: (replies == secrets[:, None]).all(axis=1)),
        ("one", lambda replies, secrets: (replies == secrets[:, None]).any(axis=1)),
        ("one", lambda replies, secrets: replies[:, 0] == secrets),
        ("half", lambda replies, secrets: (replies == secrets[:, None]).mean(axis=1) >= 0.5),
        (
            "half",
            lambda replies, secrets: [
                max(set(r), key=list(r).count) == s for r, s in zip(replies.tolist(), secrets)
            ],
        ),
    ],
    "01.3": [
        ("formula", lambda scores, labels: np.log(softmax(scores)[range(len(labels)), labels])),
        ("formula", lambda scores, labels: -scores[range(len(labels)), labels]),
        ("formula", lambda scores, labels: -np.log(softmax(scores).max(axis=1))),
        ("formula", lambda scores, labels: -np.log10(softmax(scores)[range(len(labels)), labels])),
        (
            "each",
            lambda scores, labels: [-np.log(softmax(scores)[range(len(labels)), labels]).mean()],
        ),
        (
            "each",
            lambda scores, labels: (
                -np.log((np.exp(scores) / np.exp(scores).sum())[range(len(labels)), labels])
            ),
        ),
    ],
    "02.4": [
        ("place", lambda *given: wrong_stamp(*given, swapped=True)),
        ("opacity", lambda *given: wrong_stamp(*given, full=True)),
        ("place", lambda *given: wrong_stamp(*given, everywhere=True)),
    ],
    "03.4": [
        ("shape", lambda digits: np.pad(digits, ((0, 0), (0, 0), (2, 2), (2, 2)))),
        ("shape", lambda digits: digits.repeat(3, axis=1)),
        ("shape", lambda digits: np.moveaxis(np.asarray(as_photographs(digits)), 1, 3)),
        (
            "place",
            lambda digits: np.pad(digits, ((0, 0), (0, 0), (0, 4), (0, 4))).repeat(3, axis=1),
        ),
        ("place", lambda digits: np.pad(digits, ((0, 0), (1, 1), (2, 2), (2, 2)))),
        ("place", lambda digits: 255 - np.asarray(as_photographs(255 - digits))),
    ],
    "04.4": [
        ("patterns", lambda *given: wrong_noise(*given, each=True)),
        ("beyond", lambda *given: wrong_noise(*given, clip=False)),
        ("steps", lambda *given: wrong_noise(*given, whole=False)),
        ("strength", lambda *given: wrong_noise(*given, strength=2)),
        ("strength", lambda images, sigma, rng: np.rint(255 * images) / 255),
    ],
    "05.4": [
        (
            "size",
            lambda digits, triggers, times, size, rng: [np.arange(digits + times * triggers)] * 2,
        ),
        ("times", lambda *given: wrong_batches(*given, once=True)),
        ("times", lambda *given: wrong_batches(*given, rest=False)),
        ("order", lambda *given: wrong_batches(*given, shuffle=False)),
    ],
    "06.1": [
        ("size", lambda send, images, size, tries: wrong_asking(send, images, len(images), tries)),
        ("again", lambda send, images, size, tries: wrong_asking(send, images, size, 1)),
        ("again", lambda *given: wrong_asking(*given, always=True)),
        ("again", lambda *given: wrong_asking(*given, empty=False)),
        ("lost", lambda *given: wrong_asking(*given, lost=False)),
    ],
    "07.3": [
        (
            "ties",
            lambda said, secret, draws: ((draws == said).sum(1) > (said == secret).sum()).mean(),
        ),
        (
            "ties",
            lambda said, secret, draws: ((draws == said).sum(1) >= (said == secret).sum()).sum(),
        ),
        (
            "ties",
            lambda said, secret, draws: ((draws == secret).sum(1) >= (said == secret).sum()).mean(),
        ),
        (
            "share",
            lambda said, secret, draws: (
                ((draws == said).sum(1) >= (said == secret).sum()).sum() / 20
            ),
        ),
    ],
    "08.3": [
        ("path", lambda *given: paths(*given)),
        ("path", lambda *given: [1, *paths(*given).cumprod()]),
        ("path", lambda *given: paths(*given).prod()),
        ("path", lambda matched, kept, p0: paths(matched, kept, p0, miss=p0).cumprod()),
        ("chance", lambda matched, kept, p0: paths(matched, kept, 0.1).cumprod()),
    ],
    "09.4": [
        ("in place", lambda *given: wrong_pruning(*given, own=False)),
        ("biases", lambda *given: wrong_pruning(*given, names=("weight", "bias"))),
        ("layers", lambda *given: wrong_pruning(*given, together=True)),
        ("layers", lambda model, share: wrong_pruning(model, 0.9)),
    ],
    "10.1": [
        ("price", lambda *given: wrong_thief(*given, times=3)),
        ("price", lambda *given: wrong_thief(*given, times=1)),
        ("dust", lambda *given: wrong_thief(*given, dust=1)),
        ("dust", lambda *given: wrong_thief(*given, dust=20)),
        ("dust", lambda *given: wrong_thief(*given, scale=1)),
        ("kept", lambda *given: wrong_thief(*given, mask=True)),
    ],
    "11.3": [
        ("customers", lambda *given: wrong_doorman(*given, way="all")),
        ("customers", lambda *given: wrong_doorman(*given, way="the other way")),
        ("told", lambda *given: wrong_doorman(*given, way="none")),
        ("random", lambda *given: wrong_doorman(*given, way="refuses")),
        ("random", lambda *given: wrong_doorman(*given, way="a digit")),
    ],
    "12.4": [
        ("lists", lambda projection, kernel, bits: np.outer(2 * bits - 1, kernel)),
        ("lists", lambda projection, kernel, bits: projection @ kernel > 0),
        ("bits", lambda projection, kernel, bits: -projection),
        ("bits", lambda projection, kernel, bits: -forged(projection, kernel, bits)),
    ],
    "13.4": [
        (
            "clears",
            lambda case: wrong_plan(case, lambda v: v.decision == "found", otherwise="clear"),
        ),
        ("line", lambda case: wrong_plan(case, lambda v: v.p <= 0.05)),
        ("line", lambda case: wrong_plan(case, lambda v: v.k >= 5)),
        ("line", lambda case: wrong_plan(case, lambda v: False)),
        ("turns", lambda case: wrong_plan(case, lambda v: v.decision == "found")),
        ("turns", lambda case: dict.fromkeys(case.services, "abstain")),
    ],
    "14.1": [
        ("shape", kind(lambda self, split, n, rng: self.draw(split, n, rng).images[:5])),
        ("beyond", kind(lambda self, split, n, rng: 2 * self.draw(split, n, rng).images)),
        ("beyond", kind(lambda self, split, n, rng: 255 - self.draw(split, n, rng).pixels)),
        ("plain", kind(lambda self, split, n, rng: self.draw(split, n, rng).images)),
        (
            "chance",
            kind(lambda self, split, n, rng: np.random.default_rng().random((n, 1, 28, 28))),
        ),
        ("chance", kind(lambda self, split, n, rng: 1 - split.images[:n])),
    ],
    "A1.1": [
        ("learns", lambda *given: wrong_learner(*given, early=0)),
        ("learns", lambda *given: wrong_learner(*given, first=True)),
        ("learns", lambda *given: wrong_learner(*given)[-1]),
        ("chance", lambda *given: wrong_learner(*given, chance=0.1)),
    ],
    "A2.4": [
        (
            "tails",
            lambda k, n: (
                k / n - 1.96 * np.sqrt(k * (n - k) / n**3),
                k / n + 1.96 * np.sqrt(k * (n - k) / n**3),
            ),
        ),
        ("tails", lambda k, n: wm.stats.match_interval(k, n, 0.9)),
        ("tails", lambda k, n: np.multiply(interval(k, n), 100)),
        ("ends", lambda k, n: interval(k, n) if 0 < k < n else (k / n, k / n)),
    ],
}


def forged(*given):
    return np.array(forge(*given))


@pytest.mark.parametrize("exercise", BUILT)
def test_a_typical_mistake_gets_a_hint_of_its_own(exercise):
    hints = {each["answer"]["built"]: each["hint"] for each in read_exercises()[exercise].mistakes}
    for mistake, built in WRONG[exercise]:
        feedback = check(exercise, built)
        assert feedback.right is False, (mistake, feedback)
        assert feedback.message.endswith(hints[mistake]), (mistake, feedback)
    assert {mistake for mistake, _ in WRONG[exercise]} == hints.keys()
    assert len(hints) >= 2


# ---------------------------------------------------------------- what is nothing of the kind

CONSTANTS = [0, 1, 0.04, True, -1, "yes", [], [True], [[1, 2]], {}, np.zeros((3, 4)), object()]


@pytest.mark.parametrize("exercise", BUILT)
@pytest.mark.parametrize("constant", CONSTANTS, ids=lambda constant: type(constant).__name__)
def test_a_constant_never_works(exercise, constant):
    assert check(exercise, lambda *given: constant).right is False


@pytest.mark.parametrize("exercise", BUILT)
def test_what_the_lesson_prints_is_no_answer(exercise):
    """Nor is what the learner's own function returned, or its name."""
    for answer in (
        30,
        3,
        0.96,
        0.04,
        42,
        6,
        0.38,
        370.37,
        "17",
        np.arange(3),
        RIGHT[exercise].__name__,
    ):
        assert check(exercise, answer).right is False


@pytest.mark.parametrize("exercise", BUILT)
def test_what_is_not_written_yet_is_no_mistake(exercise):
    stub = kind(lambda self, split, n, rng: ...) if exercise == "14.1" else lambda *given: ...
    assert check(exercise, stub).right is None
    assert check(exercise, ...).right is None
    assert check(exercise).right is None


def test_hidden_cases_are_the_same_each_time_and_leave_the_global_generators_alone():
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    for exercise in ("07.3", "09.4", "00.4"):
        wrong = WRONG[exercise][-1][1]
        assert check(exercise, wrong).message == check(exercise, wrong).message
    assert np.array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def unfinished(replies, secrets):
    replies == secrets[:, None]  # noqa: B015


def misspelt(replies, secrets):
    return replys == secrets  # noqa: F821


def endless(replies, secrets):
    return endless(replies, secrets)


def in_place(pixels, plate, top, left, opacity):
    pixels[:] = wrong_stamp(pixels, plate, top, left, opacity)
    return pixels


@pytest.mark.parametrize(
    ("exercise", "built"),
    [
        ("00.4", 30),
        ("00.4", "matched"),
        ("00.4", [True]),
        ("00.4", unfinished),
        ("00.4", misspelt),
        ("00.4", lambda: True),
        ("00.4", lambda replies, secrets: "found"),
        ("00.4", lambda replies, secrets: (replies == secrets[:, None]).any(axis=1)),
        ("02.4", in_place),
        ("02.4", lambda pixels, plate, top, left, opacity: pixels[0]),
        ("08.3", lambda *given: paths(*given)),
        ("09.4", lambda model, share: 0.5),
        ("13.4", lambda case: [case.ask(letter, 60) for letter in case.services]),
        ("14.1", Mine()),
        ("14.1", int),
        ("A2.4", lambda k, n: (k - 1) / n),
    ],
)
def test_whatever_is_built_gets_a_sentence(says, exercise, built):
    feedback = check(exercise, built)
    assert feedback.right is False
    says(feedback.message)
    assert "Traceback" not in feedback.message
    assert "\n" not in feedback.message


@pytest.mark.parametrize("built", [endless, lambda replies, secrets: [[True], [True, False]]])
def test_what_python_or_numpy_says_is_passed_on(built):
    """In their words, which differ between their versions."""
    feedback = check("00.4", built)
    assert feedback.right is False
    assert re.match(r"Not yet: it stops with (Recursion|Value)Error: \S", feedback.message)


def test_html_of_a_sentence_with_arrays_is_escaped():
    shown = check("00.4", lambda replies, secrets: "<b>")._repr_html_()
    assert "<b>" not in shown
