"""A test that can be continued: each image once, answers kept, and all of it in the log."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wmlearn as wm
from wmlearn.evidence import commitment
from wmlearn.evidence.stats import wealth_path
from wmlearn.evidence.trigger_set import seal_triggers

WHOM = "http://shop.example/v2/models/digits"


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def triggers(mnist):
    return wm.Content(words=30)(mnist, n=60, key=wm.CLASSROOM_KEY)


@pytest.fixture
def folder(triggers, tmp_path):
    return wm.evidence.save_evidence(triggers, tmp_path / "evidence")


class Service:
    """Knows a share of the answers; is silent, or falls over, on images that are named."""

    def __init__(self, triggers, *, keeps=1.0, silent=(), fails=None):
        rng = np.random.default_rng(3)
        labels = triggers.labels.copy()
        lost = rng.random(len(labels)) > keeps
        labels[lost] = (labels[lost] + 1) % 10
        labels[list(silent)] = -1
        self.known = {image.tobytes(): place for place, image in enumerate(triggers.images)}
        self.labels, self.fails = labels, fails
        self.sent: list[int] = []

    def __call__(self, images):
        places = [self.known[image.tobytes()] for image in images]
        self.sent += places
        if self.fails is not None and len(self.sent) > self.fails[0]:
            raise self.fails[1]
        return self.labels[places]


def same(one, other):
    """Compare two verdicts bit by bit."""
    assert one.to_dict() == other.to_dict()
    assert one.explain() == other.explain()
    assert np.array_equal(one.path, other.path)
    assert np.array_equal(one.answers.labels, other.answers.labels)
    assert one.decisions == other.decisions


SPLITS = st.lists(st.integers(1, 12), min_size=1, max_size=12)


# ---------------------------------------------------------------- in memory


@given(
    splits=SPLITS,
    keeps=st.floats(0, 1),
    silent=st.sets(st.integers(0, 59), max_size=20),
    family=st.integers(1, 5),
)
def test_however_it_is_split_the_verdict_is_that_of_one_ask(
    triggers, splits, keeps, silent, family
):
    service = Service(triggers, keeps=keeps, silent=silent)
    test = wm.SequentialTest(service, triggers, family=family)
    for questions in splits:
        if test.left:
            test.ask(min(questions, test.left))
    whole = wm.verify(
        Service(triggers, keeps=keeps, silent=silent),
        triggers,
        questions=test.asked,
        family=family,
    )
    same(test.verdict, whole)
    assert service.sent == list(range(whole.answers.queries))  # each once, in sealed order


def test_before_the_first_question_nobody_can_tell(triggers):
    test = wm.SequentialTest(Service(triggers), triggers)
    assert (test.asked, test.left, test.verdict.decision) == (0, 30, "cannot tell")
    assert (test.verdict.n, test.verdict.p) == (0, 1.0)


def test_a_question_is_asked_once(says, triggers):
    test = wm.SequentialTest(Service(triggers), triggers)
    test.ask(28)
    for questions in (3, 0, 1.5):
        with says((ValueError, TypeError)):
            test.ask(questions)
    assert test.ask().decision == "found"
    with says(ValueError):
        test.ask()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken"), ValueError("no")])
def test_what_was_sent_when_it_broke_off_stays_a_miss(triggers, error):
    service = Service(triggers, fails=(25, error))
    test = wm.SequentialTest(service, triggers)
    test.ask(10)
    with pytest.raises(type(error)):
        test.ask(5)
    service.fails = None
    verdict = test.ask()
    assert service.sent == list(range(60))
    assert np.flatnonzero(verdict.unanswered).tolist() == [10, 11, 12, 13, 14]
    assert (verdict.n, verdict.k) == (30, 25)


def test_nonsense_is_an_error_and_leaves_misses(says, triggers):
    test = wm.SequentialTest(lambda images: ["three"] * len(images), triggers)
    with says(ValueError):
        test.ask(4)
    assert (test.asked, test.verdict.answers.n_unanswered) == (4, 4)


def test_whoever_answers_by_dice_is_found_no_more_often_than_promised(triggers, monkeypatch):
    """A look after each question, and fresh dice for each image: `verify` over and over is wrong,
    for it asks anew.
    """
    # without scrypt: two hundred seals
    monkeypatch.setattr(commitment, "label_seed", lambda seal, outcome="": bytes.fromhex(seal))
    rng = np.random.default_rng(11)
    alpha, runs, found = 0.05, 200, 0
    rules = dataclasses.replace(triggers.rules, alpha=alpha)
    parts = triggers.pixels, triggers.question, triggers.names
    for number in range(runs):
        key = number.to_bytes(32, "big")
        fresh = seal_triggers(*parts, rules=rules, key=key, recipe="by dice").draw()
        test = wm.SequentialTest(lambda images: rng.integers(0, 10, len(images)), fresh)
        looks = [test.ask(1).decision for _ in range(fresh.n)]
        found += "found" in looks
    assert found <= alpha * runs


# ---------------------------------------------------------------- clean images


def rotated(triggers, mnist):
    """Return a copy that numbers its classes otherwise, and counts how often it is asked."""
    clean = mnist.test.take(range(200))
    service = Service(triggers)
    known = {image.tobytes(): label for image, label in zip(clean.images, clean.labels)}

    def query(images):
        labels = [known.get(image.tobytes()) for image in images]
        if labels[0] is None:
            labels = service(images)
        query.asked += len(images)
        return (np.array(labels, np.int64) + 3) % 10

    query.asked = 0
    return query, clean


def test_classes_are_matched_once_before_the_first_question(triggers, mnist, folder):
    query, clean = rotated(triggers, mnist)
    whole = wm.verify(query, triggers, clean=clean)
    query.asked = 0
    test = wm.SequentialTest(query, triggers, clean=clean)
    test.ask(7)
    same(test.ask(), whole)
    assert query.asked == 200 + 60
    assert whole.decision == "found"

    query.asked = 0
    for questions in (7, 23):
        kept = wm.SequentialTest(query, triggers, folder=folder, whom="x", family=1, clean=clean)
        kept.ask(questions)
    same(kept.verdict, whole)
    assert query.asked == 200 + 60


def test_clean_images_may_not_be_exchanged_later(says, triggers, mnist, folder):
    query, clean = rotated(triggers, mnist)
    wm.SequentialTest(query, triggers, folder=folder, whom="x", clean=clean).ask(7)
    for other in (None, clean.take(range(100))):
        with says(ValueError):
            wm.SequentialTest(query, triggers, folder=folder, whom="x", clean=other)


# ---------------------------------------------------------------- kept in a folder


@given(splits=SPLITS, keeps=st.floats(0, 1), silent=st.sets(st.integers(0, 59), max_size=20))
def test_what_was_left_goes_on_bit_by_bit(tmp_path_factory, triggers, splits, keeps, silent):
    """A new object for each ask, as after each start of a machine."""
    folder = wm.evidence.save_evidence(triggers, tmp_path_factory.mktemp("evidence"))
    service = Service(triggers, keeps=keeps, silent=silent)
    asked = 0
    for questions in splits:
        if asked < triggers.n:
            test = wm.SequentialTest(service, triggers, folder=folder, whom=WHOM)
            assert test.asked == asked
            test.ask(min(questions, test.left))
            asked = test.asked
    whole = wm.verify(
        Service(triggers, keeps=keeps, silent=silent), triggers, questions=asked, family=2
    )
    same(test.verdict, whole)
    assert service.sent == list(range(whole.answers.queries))


def test_the_log_holds_what_a_verdict_needs_to_be_checked(triggers, folder):
    service = Service(triggers, keeps=0.6, silent=[4])
    test = wm.SequentialTest(service, triggers, folder=folder, whom=WHOM)
    test.ask(5)
    verdict = test.ask(8)
    began, first, _, second, answered = wm.evidence.read_log(folder)
    assert (began.what, began.whom, began.test, began.family) == ("began", WHOM, 1, None)
    assert began.version
    assert (first.what, first.questions, first.whom) == ("asked", tuple(range(5)), WHOM)
    assert second.questions == tuple(range(5, 13))
    assert answered.labels == tuple(service.labels[10:26].tolist())
    assert (answered.p, answered.p_judge) == (verdict.p, verdict.p_judge)
    assert (answered.n, answered.k, answered.decision) == (13, verdict.k, verdict.decision)
    labels = [label for line in wm.evidence.read_log(folder) for label in line.labels]
    again = triggers.tally(np.array(labels))
    assert wealth_path(again.matched, 0.1).tolist() == verdict.path.tolist()


def test_it_is_in_the_log_before_it_is_sent(triggers, folder):
    seen = []

    def query(images):
        seen.append([line.what for line in wm.evidence.read_log(folder)])
        return np.zeros(len(images), int)

    wm.SequentialTest(query, triggers, folder=folder, whom=WHOM).ask(3)
    assert seen == [["began", "asked"]]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken")])
def test_a_killed_test_is_in_the_log_and_what_it_had_sent_is_not_sent_again(
    triggers, folder, error
):
    service = Service(triggers, fails=(14, error))
    test = wm.SequentialTest(service, triggers, folder=folder, whom=WHOM)
    test.ask(5)
    with pytest.raises(type(error)):
        test.ask(5)
    before = test.verdict
    assert [line.what for line in wm.evidence.read_log(folder)][-2:] == ["answered", "asked"]
    service.fails = None
    again = wm.SequentialTest(service, triggers, folder=folder, whom=WHOM)
    same(again.verdict, before)
    again.ask()
    assert service.sent == list(range(60))
    assert (again.verdict.k, again.verdict.answers.n_unanswered) == (25, 5)


def test_asking_anew_is_a_new_test_and_pays_as_one(triggers, folder):
    service = Service(triggers)
    families = []
    for anew, whom in ((False, WHOM), (False, WHOM), (True, WHOM), (False, "another")):
        test = wm.SequentialTest(service, triggers, folder=folder, whom=whom, anew=anew)
        test.ask(4)
        families.append(test.family)
    assert families == [2, 2, 6, 12]
    assert service.sent == [*range(16), *range(8), *range(8)]


def test_a_test_at_its_end_is_followed_by_another(triggers, folder):
    for family in (2, 6):
        test = wm.SequentialTest(Service(triggers), triggers, folder=folder, whom=WHOM)
        assert test.ask().family == family


def test_a_declared_family_is_held_to(says, triggers, folder):
    def begin(family):
        return wm.SequentialTest(
            Service(triggers), triggers, folder=folder, whom=WHOM, family=family, anew=True
        )

    assert begin(3).family == 3
    assert begin(None).family == 3
    for family in (2, 4):
        with says(ValueError):
            begin(family)
    assert begin(3).family == 3
    with says(ValueError):
        begin(3)
    assert len(wm.evidence.read_log(folder)) == 3


def test_an_open_list_stays_open(says, triggers, folder):
    service = Service(triggers)
    wm.SequentialTest(service, triggers, folder=folder, whom=WHOM)
    with says(ValueError):
        wm.SequentialTest(service, triggers, folder=folder, whom=WHOM, family=5)
    assert service.sent == []


def test_what_was_noted_by_hand_counts_as_a_test(triggers, folder):
    wm.evidence.log_use(folder, "asked", [0, 1], whom=WHOM)
    wm.evidence.log_use(folder, "opened", [0], whom=WHOM)
    test = wm.SequentialTest(Service(triggers), triggers, folder=folder, whom=WHOM)
    assert (test.family, test.asked) == (6, 0)


def test_two_at_once_are_two_and_one_that_was_overtaken_stops(says, triggers, folder):
    first = wm.SequentialTest(Service(triggers), triggers, folder=folder, whom=WHOM)
    other = wm.SequentialTest(Service(triggers), triggers, folder=folder, whom="another")
    assert (first.family, other.family) == (2, 6)
    first.ask(2)
    second = wm.SequentialTest(Service(triggers), triggers, folder=folder, whom=WHOM)
    second.ask(2)
    overtaken = Service(triggers)
    first.query = overtaken
    with says(OSError):
        first.ask(2)
    assert overtaken.sent == []
    second.ask(2)
    other.ask(2)


def test_processes_that_begin_at_once_have_a_place_each(folder):
    code = """
import sys, numpy as np, wmlearn as wm
triggers = wm.evidence.open_evidence(sys.argv[1])
lazy = lambda images: np.ones(len(images), int)
test = wm.SequentialTest(lazy, triggers, folder=sys.argv[1], whom=sys.argv[2], anew=True)
for _ in range(5):
    test.ask(2)
print(test.family)
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder), whom],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        for whom in ("one", "two")
    ]
    families = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert sorted(families) == ["2", "6"]
    assert len(wm.evidence.read_log(folder)) == 2 * (1 + 5 * 2)


def test_evidence_and_log_must_be_of_these_triggers(says, triggers, mnist, tmp_path):
    other = wm.evidence.save_evidence(wm.Content(words=4)(mnist, n=12), tmp_path)
    with says(ValueError, varies="seal [0-9a-f]{8}…. Give"):
        wm.SequentialTest(Service(triggers), triggers, folder=other, whom=WHOM)
    assert wm.evidence.read_log(other) == ()


def test_a_folder_needs_to_know_whom(says, triggers, folder):
    with says(TypeError):
        wm.SequentialTest(Service(triggers), triggers, folder=folder)


def test_answers_that_fit_no_question_are_refused(says, triggers, folder):
    """Whoever writes the whole log anew gets past the hashes, but not past the images."""
    test = wm.SequentialTest(Service(triggers), triggers, folder=folder, whom=WHOM)
    test.ask(2)
    lines = (folder / "log.jsonl").read_text().splitlines()
    record = json.loads(lines[1]) | {"questions": [0, 1, 2]}
    lines[1:] = [json.dumps(record, sort_keys=True, separators=(",", ":"))]
    (folder / "log.jsonl").write_text("".join(f"{line}\n" for line in lines))
    with says(ValueError):
        wm.SequentialTest(Service(triggers), triggers, folder=folder, whom=WHOM)
