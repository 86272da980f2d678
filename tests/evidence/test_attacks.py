"""What dishonest owners, and hands that slip, did to the evidence before it was mended."""

import dataclasses
import json

import numpy as np
import pytest

import wmlearn as wm
from wmlearn.data.splits import Split
from wmlearn.evidence import court
from wmlearn.evidence.rules import Declared

KEY = bytes(range(32))
DICE = Declared(beacon="25 dice, thrown in class on 3 May")


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def waiting(mnist):
    return wm.Noise().seal(mnist, n=30, key=KEY, declared=DICE)


def zeros(images):
    return np.zeros(len(images), int)


def test_labels_that_were_drawn_without_the_outcome_never_pay_for_one_seal_only(says, waiting):
    drawn = waiting.draw("6 1 4")
    early = dataclasses.replace(
        wm.evidence.open_questions(drawn, range(30)),
        outcome="",  # the owner may have tried many
    )
    with says(ValueError):
        beacon = wm.evidence.Beacon("", 1, 2**64)
        wm.evidence.judge(zeros, early, seal=waiting.seal, named=range(30), beacon=beacon)
    with says(ValueError):
        wm.evidence.Beacon("6 1 4", 10**400, 2**64)


def test_a_test_that_is_continued_keeps_the_outcome_it_began_with(says, waiting, tmp_path):
    wm.evidence.save_evidence(waiting, tmp_path)
    drawn = wm.evidence.open_evidence(tmp_path, "1")
    test = wm.SequentialTest(zeros, drawn, folder=tmp_path, whom="shop")
    test.ask(29)
    again = wm.SequentialTest(zeros, drawn, folder=tmp_path, whom="shop")
    assert (again.asked, again.verdict.p) == (29, test.verdict.p)
    other = wm.evidence.open_evidence(tmp_path, "2")  # a draw of the lots, and nothing is asked
    with says(ValueError, varies=r"in \S+ began"):
        wm.SequentialTest(zeros, other, folder=tmp_path, whom="shop")


def test_evidence_that_was_saved_with_its_outcome_opens_under_no_other(says, waiting, tmp_path):
    wm.evidence.save_evidence(waiting.draw("1"), tmp_path)
    assert wm.evidence.open_evidence(tmp_path, "1").outcome == "1"
    with says(ValueError):
        wm.evidence.open_evidence(tmp_path, "2")


def test_clean_images_chosen_after_the_draw_are_worth_nothing_to_a_judge(says, mnist):
    """The triggers themselves, under their secret answers, number an innocent's classes best."""
    triggers = wm.Noise()(mnist, n=20, key=KEY)

    def innocent(images):
        return np.arange(len(images)) * 20 // len(images) % 10

    # each twice: the numbering of one half is tried on the other
    chosen = Split(np.repeat(triggers.pixels, 2, axis=0), np.repeat(triggers.answers, 2))
    verdict = wm.verify(innocent, triggers, clean=chosen)
    assert (verdict.decision, verdict.calibration.unsealed) == ("found", True)
    assert verdict.p_judge == verdict.to_dict()["p_judge"] == 1
    says(verdict.explain())

    def copied(images):
        return np.repeat(triggers.answers, len(images) // 20)

    copy = wm.verify(copied, triggers, clean=chosen)
    assert copy.p < 1e-15  # for the owner, who knows how the images were chosen
    assert copy.p_judge == 1
    assert wm.verify(lambda images: triggers.answers, triggers).p_judge < 1e-3
    sealed = wm.Noise().seal(mnist, n=20, key=KEY, clean=mnist.test.take(range(60))).draw()
    assert not wm.verify(innocent, sealed).calibration.unsealed


def test_numbers_of_numpy_are_numbers_to_verdict_and_log(mnist, tmp_path):
    triggers = wm.Noise()(mnist, n=30, key=wm.CLASSROOM_KEY)
    opened = wm.evidence.open_questions(triggers, range(30))
    verdict = wm.evidence.judge(
        zeros,
        opened,
        seal=triggers.seal,
        named=range(30),
        alpha=np.float16(0.01),
        family=np.int64(3),
    )
    assert json.loads(json.dumps(verdict.to_dict()))["family"] == 3
    assert verdict.level == float(np.float16(0.01)) / 3
    wm.evidence.save_evidence(triggers, tmp_path)
    test = wm.SequentialTest(zeros, triggers, folder=tmp_path, whom="shop", family=np.int64(3))
    assert test.ask(np.int64(4)).family == 3
    assert wm.evidence.read_log(tmp_path)[0].family == 3


def test_a_seal_that_names_no_draw_at_all_gets_no_beacon(says):
    drawn = court.DrandRound(1000, "ab" * 32, court.round_time(1000))
    with says(ValueError):
        court.drand_beacon({"message": "bits"}, drawn, court.round_time(1), seals=1)


@pytest.mark.parametrize("outcomes", [6, 216, 2**64 - 1, 0, 3.5e20, None])
def test_a_draw_that_can_be_gone_through_at_home_is_no_beacon(says, outcomes):
    """Of a die an owner tries all six faces, and publishes a seal under which one convicts."""
    with says((TypeError, ValueError)):
        wm.evidence.Beacon("6 1 4", 1, outcomes)
    assert wm.evidence.Beacon("6 1 4", 1, 6**25).seals == 1
