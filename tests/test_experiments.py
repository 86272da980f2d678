"""Sweeps: every combination once, kept, the key at home, and the same numbers however they are worked out."""

import json
from contextlib import nullcontext
from unittest.mock import Mock

import joblib
import pytest

import wmlearn as wm
from wmlearn.experiments import sweep

THEFTS = {
    "pruned": wm.theft.Prune(1),
    "tuned": wm.theft.FineTune(epochs=1),
    "imitated": wm.theft.StealByQueries(n=200, schedule=wm.OneCycle(epochs=1)),
    "distilled": wm.theft.StealByQueries(n=200, labels="soft", schedule=wm.OneCycle(epochs=1)),
    "filtered": wm.theft.Squeeze(1),
}
SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def few():
    full = wm.load_data("mnist")
    return wm.Splits("few", *(part.take(slice(400)) for part in (full.train, full.loot, full.test)), full.classes)


@pytest.fixture(scope="module")
def marks(few):
    return {
        "words": wm.Content(words=6)(few, n=12, key=SECRET),
        "one": wm.Content(labels="fixed")(few, n=12, key=SECRET),
    }


@pytest.fixture(scope="module")
def swept(few, marks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    return folder, sweep(marks, THEFTS, few, seeds=[0, 1], cache=folder)


def numbers(frame):
    return frame.drop(columns="seconds")


def test_every_combination_is_one_row(swept):
    _, frame = swept
    assert len(frame) == 2 * 2 * (1 + len(THEFTS))
    assert not frame.duplicated(["marks", "seed", "theft"]).any()
    assert set(frame.theft) == {"none", *THEFTS}


def test_the_owner_answers_and_a_blank_network_does_not(swept):
    _, frame = swept
    assert (frame[frame.theft == "none"].matched == frame[frame.theft == "none"].questions).all()
    blank = frame[(frame.theft == "pruned") & (frame.marks == "words")]
    assert (blank.decision == "not found").all()  # all weights are gone: one answer for everything
    assert (blank.task_accuracy < 0.2).all()


def test_fixed_labels_give_no_p_value(swept):
    _, frame = swept
    assert frame[frame.marks == "one"].p.isna().all()
    assert frame[frame.marks == "words"].p.between(0, 1).all()


def test_costs_are_told(swept):
    _, frame = swept
    costs = frame[frame.theft != "filtered"].groupby("theft")[["images", "queries"]].max()
    assert costs.loc["imitated"].tolist() == [200, 200]
    assert costs.loc["tuned"].tolist() == [400, 0]
    assert costs.loc["none"].tolist() == [0, 0]


def test_a_thief_who_buys_scores_finds_a_service_that_tells_them(swept):
    _, frame = swept
    two = frame[frame.theft.isin(["imitated", "distilled"])].pivot(
        index=["marks", "seed"], columns="theft", values="task_accuracy"
    )
    assert len(two) == 4
    assert (two.imitated != two.distilled).any()  # one epoch on as many answers, hard and soft


def test_a_case_is_what_its_parts_give_by_hand(few, marks, swept):
    _, frame = swept
    owner = wm.embed(wm.small_cnn(few, seed=1), few, marks["words"], seed=1)
    thief = wm.theft.FineTune(epochs=1, seed=1)(owner.model, few.loot)
    row = frame[(frame.marks == "words") & (frame.seed == 1) & (frame.theft == "tuned")].iloc[0]
    verdict = wm.verify(wm.BlackBox(thief.model), marks["words"])
    assert (row.matched, row.p, row.decision) == (verdict.k, verdict.p, verdict.decision)
    assert row.task_accuracy == pytest.approx(wm.accuracy(thief.model, few.test))


def test_what_is_kept_is_not_measured_again(few, marks, swept, monkeypatch):
    folder, frame = swept
    monkeypatch.setattr("wmlearn.experiments.embed", lambda *_, **__: pytest.fail("an owner was trained again"))
    assert sweep(marks, THEFTS, few, seeds=[0, 1], cache=folder).equals(frame)
    fewer = sweep({"words": marks["words"]}, {"tuned": THEFTS["tuned"]}, few, seeds=[1], cache=folder)
    assert fewer.theft.tolist() == ["none", "tuned"]


def test_a_new_theft_is_added_to_what_is_kept(few, marks, swept):
    folder, frame = swept
    more = {**THEFTS, "noisy": wm.theft.AddNoise(0.5)}
    wider = sweep({"words": marks["words"]}, more, few, seeds=[0], cache=folder)
    old = frame[(frame.marks == "words") & (frame.seed == 0)]
    assert numbers(wider[wider.theft != "noisy"]).reset_index(drop=True).equals(numbers(old).reset_index(drop=True))
    assert "noisy" in set(wider.theft)


def test_neither_what_is_kept_nor_what_workers_get_holds_the_key(few, marks, swept, monkeypatch):
    folder, _ = swept
    kept = "".join(file.read_text() for file in folder.iterdir())
    assert SECRET.hex() not in kept
    assert kept
    seen = []

    def worker(place, parts, *_):
        seen.append(parts)
        return place, {"None": {"task_accuracy": 0.5, "said": [0] * 12, "images": 0, "queries": 0, "seconds": 0.0}}

    monkeypatch.setattr("wmlearn.experiments._steal", worker)
    sweep({"words": marks["words"]}, {}, few, seeds=[5])
    assert seen[0]["key"] == b""


def test_two_processes_give_the_same_numbers(few, marks, swept):
    _, frame = swept
    with joblib.parallel_config(n_jobs=2):
        again = sweep({"words": marks["words"]}, {"tuned": THEFTS["tuned"]}, few, seeds=[0, 1])
    alone = frame[(frame.marks == "words") & frame.theft.isin(["none", "tuned"])]
    assert numbers(again).reset_index(drop=True).equals(numbers(alone).reset_index(drop=True))


def test_a_thief_with_a_key_of_his_own_works_elsewhere_without_it(few, marks):
    """Nothing that holds a key can be sent, and a thief who overwrites holds one."""
    his = wm.Noise()(few, n=5, key=bytes(32))
    over = {"overwritten": wm.theft.Overwrite(his, epochs=1)}
    here = sweep({"words": marks["words"]}, over, few, seeds=[0])
    with joblib.parallel_config(n_jobs=2):
        there = sweep({"words": marks["words"]}, over, few, seeds=[0, 1])
    assert numbers(there[there.seed == 0]).equals(numbers(here))


def test_other_data_are_another_case(few, marks, swept):
    folder, _ = swept
    before = len(list(folder.iterdir()))
    other = wm.Splits("few", few.train, few.loot, few.test.take(slice(100)), few.classes)
    sweep({"words": marks["words"]}, {}, other, seeds=[0], cache=folder)
    assert len(list(folder.iterdir())) == before + 1
    assert all(json.loads(file.read_text()) for file in folder.iterdir())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"marks": []}, "marks must be a dict by name"),
        ({"marks": {}}, "one or more trigger sets by name; got none"),
        ({"marks": {"words": 3}}, r"marks\['words'\] must be a TriggerSet"),
        ({"thefts": [wm.theft.Prune(1)]}, "thefts must be a dict by name"),
        ({"thefts": {"none": wm.theft.Prune(1)}}, "must not be called 'none'"),
        ({"thefts": {"pruned": 0.5}}, r"thefts\['pruned'\] must be a function"),
        ({"data": "mnist"}, "data must be a Splits"),
        ({"seeds": [-1]}, "seed must be"),
    ],
)
def test_what_cannot_be_swept(few, marks, change, sentence):
    arguments = {"marks": marks, "thefts": {}, "data": few, "seeds": [0]} | change
    with pytest.raises((TypeError, ValueError), match=sentence):
        sweep(arguments["marks"], arguments["thefts"], arguments["data"], seeds=arguments["seeds"])


@pytest.mark.parametrize("hidden", [True, False], ids=["hidden", "shown"])
def test_a_lesson_run_without_bars_shows_none(few, marks, monkeypatch, hidden):
    told = {}
    monkeypatch.setattr("wmlearn.experiments.tqdm", lambda **how: told.update(how) or nullcontext(Mock()))
    monkeypatch.setenv("TQDM_DISABLE", "1" if hidden else "")
    sweep({"words": marks["words"]}, {}, few, seeds=[0])
    assert told["disable"] is hidden
