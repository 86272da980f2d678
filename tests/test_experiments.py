"""Sweeps: every combination once, kept, the key at home, and the same numbers however they are
worked out.
"""

import errno
import functools
import importlib.metadata
import json
import os
import pickle
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import MagicMock

import joblib
import numpy as np
import pandas as pd
import pytest
import torch

import wmlearn as wm
from wmlearn import experiments
from wmlearn._fingerprint import origin
from wmlearn.evidence.trigger_set import Triggers
from wmlearn.experiments import sweep

pytestmark = pytest.mark.usefixtures("one_thread")

THEFTS = {
    "pruned": wm.theft.Prune(1),
    "tuned": wm.theft.FineTune(epochs=1),
    "imitated": wm.theft.StealByQueries(n_queries=200, schedule=wm.Schedule(epochs=1)),
    "distilled": wm.theft.StealByQueries(
        n_queries=200, labels="soft", schedule=wm.Schedule(epochs=1)
    ),
    "filtered": wm.theft.Squeeze(1),
}
SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def few():
    full = wm.load_data("mnist")
    return wm.Splits(
        "few", *(part.take(slice(400)) for part in (full.train, full.loot, full.test)), full.classes
    )


@pytest.fixture(scope="module")
def triggers(few):
    return {
        "words": wm.Content(words=6)(few, n=12, key=SECRET),
        "one": wm.Content(labels="fixed")(few, n=12, key=SECRET),
    }


@pytest.fixture(scope="module")
def swept(few, triggers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    return folder, sweep(triggers, THEFTS, few, seeds=[0, 1], cache=folder)


def numbers(frame):
    return frame.drop(columns="seconds")


def test_every_combination_is_one_row(swept):
    _, frame = swept
    assert len(frame) == 2 * 2 * (1 + len(THEFTS))
    assert not frame.duplicated(["triggers", "seed", "theft"]).any()
    assert set(frame.theft) == {"none", *THEFTS}


def test_the_owner_answers_and_a_blank_network_does_not(swept):
    _, frame = swept
    assert (frame[frame.theft == "none"].matched == frame[frame.theft == "none"].questions).all()
    blank = frame[(frame.theft == "pruned") & (frame.triggers == "words")]
    assert (blank.decision == "not found").all()  # all weights are gone: one answer for everything
    assert (blank.task_accuracy < 0.2).all()


def test_fixed_labels_give_no_p_value(swept):
    _, frame = swept
    assert frame[frame.triggers == "one"].p.isna().all()
    assert frame[frame.triggers == "words"].p.between(0, 1).all()


def test_costs_are_told(swept):
    _, frame = swept
    costs = frame[frame.theft != "filtered"].groupby("theft")[["images", "queries"]].max()
    assert costs.loc["imitated"].tolist() == [200, 200]
    assert costs.loc["tuned"].tolist() == [400, 0]
    assert costs.loc["none"].tolist() == [0, 0]


def test_a_thief_who_buys_scores_finds_a_service_that_tells_them(swept):
    _, frame = swept
    two = frame[frame.theft.isin(["imitated", "distilled"])].pivot(
        index=["triggers", "seed"], columns="theft", values="task_accuracy"
    )
    assert len(two) == 4
    assert (two.imitated != two.distilled).any()  # one epoch on as many answers, hard and soft


def test_a_case_is_what_its_parts_give_by_hand(few, triggers, swept):
    _, frame = swept
    owner = wm.embed(wm.small_cnn(few, seed=1), few, triggers["words"], seed=1)
    thief = wm.theft.FineTune(epochs=1, seed=1)(owner.model, few.loot)
    row = frame[(frame.triggers == "words") & (frame.seed == 1) & (frame.theft == "tuned")].iloc[0]
    verdict = wm.verify(wm.BlackBox(thief.model), triggers["words"])
    assert (row.matched, row.p, row.decision) == (verdict.k, verdict.p, verdict.decision)
    assert row.task_accuracy == pytest.approx(wm.accuracy(thief.model, few.test))


def test_what_is_kept_is_not_measured_again(few, triggers, swept, monkeypatch):
    folder, frame = swept
    monkeypatch.setattr(
        "wmlearn.experiments.embed", lambda *_, **__: pytest.fail("an owner was trained again")
    )
    assert sweep(triggers, THEFTS, few, seeds=[0, 1], cache=folder).equals(frame)
    fewer = sweep(
        {"words": triggers["words"]}, {"tuned": THEFTS["tuned"]}, few, seeds=[1], cache=folder
    )
    assert fewer.theft.tolist() == ["none", "tuned"]


def test_a_network_and_a_schedule_of_ones_own(few, triggers, tmp_path):
    def network(data, seed):
        """Draw from torch's generator: the owner's seed reaches it, too."""
        layer = torch.nn.Linear(int(np.prod(data.shape)), len(data.classes))
        return torch.nn.Sequential(torch.nn.Flatten(), layer)

    words = {"words": triggers["words"]}
    how = {"seeds": [0], "network": network, "cache": tmp_path}
    long = sweep(words, {}, few, schedule=wm.Schedule(steps=200, max_lr=2e-2), **how)
    short = sweep(words, {}, few, schedule=wm.Schedule(epochs=1, max_lr=1e-6), **how)
    assert long.matched[0] == 6
    assert short.matched[0] < 4
    assert len([*tmp_path.iterdir()]) == 2
    again = sweep(
        words, {}, few, schedule=wm.Schedule(steps=200, max_lr=2e-2), seeds=[0], network=network
    )
    pd.testing.assert_frame_equal(numbers(again), numbers(long))


def test_a_new_theft_is_added_to_what_is_kept(few, triggers, swept):
    folder, frame = swept
    more = {**THEFTS, "noisy": wm.theft.AddNoise(0.5)}
    wider = sweep({"words": triggers["words"]}, more, few, seeds=[0], cache=folder)
    old = frame[(frame.triggers == "words") & (frame.seed == 0)]
    assert (
        numbers(wider[wider.theft != "noisy"])
        .reset_index(drop=True)
        .equals(numbers(old).reset_index(drop=True))
    )
    assert "noisy" in set(wider.theft)


def measured(place, triggers, seed, thefts, *_):
    """Return what a worker does, without any training."""
    row = {"task_accuracy": 0.5, "said": [0] * len(triggers), "images": 0, "queries": 0}
    return place, {name: row | {"seconds": 0.0} for name in thefts}


@pytest.fixture
def untrained(monkeypatch):
    """Train nothing: only which owners are measured, and what is kept, is of interest."""
    monkeypatch.setattr("wmlearn.experiments._steal", measured)


def test_neither_what_is_kept_nor_what_workers_get_holds_the_key(few, triggers, swept, monkeypatch):
    folder, _ = swept
    kept = "".join(file.read_text() for file in folder.iterdir())
    assert SECRET.hex() not in kept
    assert kept
    seen = []

    def worker(place, triggers, *rest):
        seen.append(triggers)
        return measured(place, triggers, *rest)

    monkeypatch.setattr("wmlearn.experiments._steal", worker)
    sweep({"words": triggers["words"]}, {}, few, seeds=[5])
    assert type(seen[0]) is Triggers
    assert SECRET not in pickle.dumps(seen[0])
    assert (seen[0].labels == triggers["words"].labels).all()


def test_a_thief_who_overwrites_keeps_no_key(few):
    theft = wm.theft.Overwrite(wm.Noise()(few, n=5, key=SECRET))
    assert SECRET not in pickle.dumps(theft)
    assert pickle.loads(pickle.dumps(theft)).triggers.n == 5


@pytest.mark.parametrize(
    "change",
    [
        {"triggers": []},
        {"triggers": {}},
        {"triggers": {"words": 3}},
        {"thefts": [wm.theft.Prune(1)]},
        {"thefts": {"none": wm.theft.Prune(1)}},
        {"thefts": {"pruned": 0.5}},
        {"data": "mnist"},
        {"seeds": [-1]},
    ],
)
def test_what_cannot_be_swept(says, few, triggers, change):
    arguments = {"triggers": triggers, "thefts": {}, "data": few, "seeds": [0]} | change
    with says((TypeError, ValueError)):
        sweep(**arguments)


def test_a_bar_counts_the_owners(few, triggers, untrained, monkeypatch):
    bar, asked = MagicMock(), []
    monkeypatch.setattr("wmlearn.experiments.progress", lambda *how: asked.append(how) or bar)
    sweep({"words": triggers["words"]}, {}, few, seeds=[0, 1])
    assert asked == [(2, "owners and their thieves", "owner")]
    assert bar.__enter__().update.call_count == 2


# ------------------------------------------------------------- what is kept is known by its content


@pytest.fixture(scope="module")
def tiny(few):
    return wm.Splits(
        "tiny", *(part.take(slice(120)) for part in (few.train, few.loot, few.test)), few.classes
    )


@pytest.fixture(scope="module")
def one(tiny):
    """Return a single trigger set on few images: an owner is trained in a moment."""
    return {"words": wm.Content(words=3)(tiny, n=3, key=SECRET)}


class Counted:
    """Makes untrained networks, and counts them: the first of each owner is the owner's."""

    def __init__(self, monkeypatch):
        self.seeds = []
        train = experiments.embed

        def counted(model, data, triggers, *, schedule, seed):
            self.seeds.append(seed)
            return train(model, data, triggers, schedule=schedule, seed=seed)

        monkeypatch.setattr(experiments, "embed", counted)


@pytest.fixture
def trained(monkeypatch):
    """Return the seeds of the owners that are trained from here on."""
    return Counted(monkeypatch).seeds


def accuracies(frame):
    return frame.set_index("theft").task_accuracy.to_dict()


def pools(tiny):
    """Return two thieves who print alike: one asks about digits, the other about black squares."""
    black = wm.data.Split(np.zeros_like(tiny.loot.pixels), tiny.loot.labels)
    return {
        name: wm.theft.StealByQueries(100, pool=pool)
        for name, pool in (("digits", tiny.loot), ("black", black))
    }


@pytest.fixture(scope="module")
def alone(tiny, one):
    """Return how good each of the two is by itself."""
    found = {}
    for name, theft in pools(tiny).items():
        found[name] = accuracies(sweep(one, {name: theft}, tiny, seeds=[0]))[name]
    assert found["digits"] > found["black"] + 0.1
    return found


def test_two_pools_of_one_size_are_two_thefts(tiny, one, alone):
    thefts = pools(tiny)
    assert len({repr(theft) for theft in thefts.values()}) == 1
    together = accuracies(sweep(one, thefts, tiny, seeds=[0]))
    assert {name: together[name] for name in thefts} == alone


def test_another_pool_with_one_cache_is_another_theft(tiny, one, alone, tmp_path):
    for name, theft in pools(tiny).items():
        kept = sweep(one, {"it": theft}, tiny, seeds=[0], cache=tmp_path)
        assert accuracies(kept)["it"] == alone[name]


def test_a_lambda_of_another_width_is_another_network(tiny, one, tmp_path):
    narrow = sweep(
        one,
        {},
        tiny,
        seeds=[0],
        cache=tmp_path,
        network=lambda d, seed: wm.small_cnn(d, width=2, seed=seed),
    )
    wide = sweep(
        one,
        {},
        tiny,
        seeds=[0],
        cache=tmp_path,
        network=lambda d, seed: wm.small_cnn(d, width=9, seed=seed),
    )
    by_hand = sweep(one, {}, tiny, seeds=[0], network=functools.partial(wm.small_cnn, width=9))
    assert numbers(wide).equals(numbers(by_hand))
    assert narrow.task_accuracy[0] != wide.task_accuracy[0]
    assert len(list(tmp_path.iterdir())) == 2


def darker(by):
    """Return a thief who darkens what is asked."""
    return lambda query, loot: lambda images: query(np.clip(images - by, 0, 1))


def shift(query, loot, *, pixels):
    return lambda images: query(np.roll(images, pixels, axis=-1))


@dataclass(frozen=True)
class Shift:
    """A theft of one's own, of no class of the package: it is called as a filter is."""

    pixels: int

    def __call__(self, query, loot):
        return shift(query, loot, pixels=self.pixels)


@dataclass(frozen=True)
class Flip(wm.theft.Theft):
    """A theft of one's own, with a `deploy`."""

    sign: int
    seed: int = 0

    def deploy(self, owner, context):
        service = wm.BlackBox(owner)
        return wm.theft.Deployment(
            lambda images: service(np.ascontiguousarray(images[..., :: self.sign])),
            owner,
            wm.theft.Cost(images=7),
        )


class Hidden:
    """A theft whose field is hidden, and that always prints the same."""

    def __init__(self, by):
        self._by = by

    def __call__(self, query, loot):
        return darker(self._by)(query, loot)

    def __repr__(self):
        return "Hidden()"


REDEFINED = """
import numpy as np
import pandas as pd
class Mine:
    def __call__(self, query, loot):
        return lambda images: query(np.clip(images - {by}, 0, 1))
    def __repr__(self):
        return "Mine()"
"""


def defined(by):
    """Return the theft that a cell of a notebook defines; it is run again with another number."""
    space = {"__name__": "__main__"}
    exec(REDEFINED.format(by=by), space)
    return space["Mine"]()


OWN = {
    "closure": (darker(0.0), darker(1.0)),
    "partial": (functools.partial(shift, pixels=0), functools.partial(shift, pixels=14)),
    "dataclass": (Shift(0), Shift(14)),
    "theft": (Flip(1), Flip(-1)),
    "hidden field": (Hidden(0.0), Hidden(1.0)),
    "redefined in a cell": (defined(0.0), defined(1.0)),
    "lambda": (lambda query, loot: query, lambda query, loot: lambda images: query(0 * images)),
    "method": (Hidden(0.0).__call__, Hidden(1.0).__call__),
}


@pytest.mark.parametrize("kind", OWN)
def test_two_thefts_of_ones_own_are_two_together_and_one_after_the_other(tiny, one, tmp_path, kind):
    gentle, harsh = OWN[kind]
    together = accuracies(sweep(one, {"gentle": gentle, "harsh": harsh}, tiny, seeds=[0]))
    assert together["gentle"] == together["none"] != together["harsh"]
    for theft, expected in ((gentle, together["gentle"]), (harsh, together["harsh"])):
        assert (
            accuracies(sweep(one, {"mine": theft}, tiny, seeds=[0], cache=tmp_path))["mine"]
            == expected
        )
    assert len(list(tmp_path.iterdir())) == 1


def test_names_are_for_the_table_only(tiny, one, tmp_path, trained):
    first = sweep(
        one, {"a": wm.theft.Prune(0.5), "b": OWN["lambda"][1]}, tiny, seeds=[0], cache=tmp_path
    )
    renamed = wm.Splits("renamed", tiny.train, tiny.loot, tiny.test, tiny.classes)
    again = {"other": one["words"]}
    second = sweep(
        again, {"b": OWN["lambda"][1], "c": wm.theft.Prune(0.5)}, renamed, seeds=[0], cache=tmp_path
    )
    assert second.theft.tolist() == ["none", "b", "c"]
    assert second.triggers.unique().tolist() == ["other"]
    assert second.task_accuracy.tolist() == first.task_accuracy[[0, 2, 1]].tolist()
    assert trained == [0]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: replace(data, train=data.train.take(slice(100))),
        lambda data: replace(
            data, loot=wm.data.Split(data.loot.pixels, data.loot.labels[::-1].copy())
        ),
        lambda data: replace(data, test=data.test.take(slice(60))),
        lambda data: replace(data, classes=tuple("abcdefghij")),
        lambda data: data.varied(lambda image: image),
        lambda data: data.varied(lambda image: image.flip(0)),
    ],
    ids=["train", "loot's labels", "test", "classes", "varied", "varied otherwise"],
)
def test_anything_else_of_the_data_is_another_case(tiny, untrained, change, tmp_path):
    triggers = {"words": wm.Content(words=3)(tiny, n=3, key=SECRET)}
    for data in (tiny, change(tiny), tiny):
        sweep(triggers, {}, data, seeds=[0], cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_another_version_of_wmlearn_is_another_case(tiny, one, untrained, tmp_path, monkeypatch):
    sweep(one, {}, tiny, seeds=[0], network=darker, cache=tmp_path)
    with monkeypatch.context() as later:
        later.setattr("importlib.metadata.version", lambda name: "99.0")
        origin.cache_clear()
        sweep(one, {}, tiny, seeds=[0], network=darker, cache=tmp_path)
    origin.cache_clear()
    sweep(one, {}, tiny, seeds=[0], network=darker, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("package", ["torch", "numpy"])
def test_another_version_of_what_works_it_out_is_another_case(
    tiny, one, untrained, tmp_path, monkeypatch, package
):
    version = importlib.metadata.version
    sweep(one, {}, tiny, seeds=[0], cache=tmp_path)
    with monkeypatch.context() as later:
        later.setattr(
            "importlib.metadata.version", lambda name: "9" if name == package else version(name)
        )
        origin.cache_clear()
        sweep(one, {}, tiny, seeds=[0], cache=tmp_path)
    origin.cache_clear()
    sweep(one, {}, tiny, seeds=[0], cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def in_a_cell(source):
    """Return the network that a cell of a notebook defines, under the name that it always has."""
    space = {"__name__": "__main__", "wm": wm, "functools": functools}
    exec(source, space)
    return space["net"]


NETWORKS = {
    "a function that was edited": "def net(data, seed): return wm.small_cnn(data, {}, seed=seed)",
    "two lambdas": "net = lambda data, seed: wm.small_cnn(data, {}, seed=seed)",
    "partial": "net = functools.partial(wm.small_cnn, width={})",
    "a default": "def net(data, seed, width={}): return wm.small_cnn(data, width, seed=seed)",
    "a constant": "WIDTH = {}\ndef net(data, seed): return wm.small_cnn(data, WIDTH, seed=seed)",
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks_of_one_name_are_told_apart_by_what_they_make(
    tiny, one, untrained, tmp_path, kind
):
    for width in (2, 3, 2):
        network = in_a_cell(NETWORKS[kind].format(width))
        sweep(one, {}, tiny, seeds=[0], network=network, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


PARTIAL = """
import functools, sys
import wmlearn as wm

full = wm.load_data("mnist")
parts = [part.take(slice(120)) for part in (full.train, full.loot, full.test)]
tiny = wm.Splits("tiny", *parts, full.classes)

def shift(query, loot, by):
    return lambda images: query(images * by)

triggers = {"words": wm.Content(words=3)(tiny, n=3, key=bytes(range(32)))}
thefts = {"shifted": functools.partial(shift, by=0.5)}
network = functools.partial(wm.small_cnn, width=2)
wm.sweep(triggers, thefts, tiny, seeds=[0], network=network, cache=sys.argv[1])
"""


def test_a_partial_is_known_again_in_another_process(tmp_path):
    """It prints with its address in memory, which is another one there."""
    kept = []
    for _ in range(2):
        environment = os.environ | {"PYTHONPATH": str(Path(wm.__file__).parents[1])}
        command = [sys.executable, "-c", PARTIAL, str(tmp_path)]
        subprocess.run(command, env=environment, capture_output=True, check=True)
        kept.append({path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()})
    assert len(kept[0]) == 1
    assert kept[0] == kept[1]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_file_that_cannot_be_read_is_left_and_measured_again(
    says, tiny, one, tmp_path, untrained, monkeypatch, code
):
    sweep(one, {}, tiny, seeds=[0, 1], cache=tmp_path)
    files = {path: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    closed = next(iter(files))

    def read_bytes(path):
        if path == closed:
            raise OSError(code, os.strerror(code), str(path))
        return files[path]

    with monkeypatch.context() as refusing:
        refusing.setattr(Path, "read_bytes", read_bytes)
        with says(UserWarning, varies=r"\w{64}") as warned:
            frame = sweep(one, {}, tiny, seeds=[0, 1], cache=tmp_path)
    assert len(frame) == 2
    assert Path(warned[0].filename) == Path(__file__)
    assert len([each for each in warned if each.category is UserWarning]) == 2  # read, and written
    assert {path: path.read_bytes() for path in sorted(tmp_path.iterdir())} == files


class Locked:
    """A theft that cannot be told from another by its content."""

    def __init__(self):
        self.guard = threading.Lock()

    def __call__(self, query, loot):
        return query


@pytest.mark.parametrize(
    "change",
    [
        {"thefts": {"mine": Locked()}},
        {"network": functools.partial(wm.small_cnn, seed=Locked())},
        {"vary": Locked()},
    ],
    ids=["theft", "network", "data"],
)
def test_what_has_no_content_is_refused_before_anything_is_trained(
    says, tiny, one, tmp_path, trained, change
):
    data = tiny.varied(change["vary"]) if "vary" in change else tiny
    how = {"network": change["network"]} if "network" in change else {}
    with says(TypeError):
        sweep(one, change.get("thefts", {}), data, seeds=[0], cache=tmp_path, **how)
    assert not trained
    assert not list(tmp_path.iterdir())


def test_without_a_cache_anything_will_do(tiny, one):
    assert sweep(one, {"mine": Locked()}, tiny, seeds=[0]).theft.tolist() == ["none", "mine"]


# -------------------------------------------- what is interrupted goes on, what is damaged does not


def test_an_interrupted_sweep_goes_on_where_it_was(tiny, one, tmp_path, trained):
    thefts = {"pruned": wm.theft.Prune(0.5)}
    whole = sweep(one, thefts, tiny, seeds=[0, 1, 2])
    trained.clear()

    def network(data, seed):
        if seed == 1 and not (tmp_path / "go").exists():
            raise KeyboardInterrupt
        return wm.small_cnn(data, seed=seed)

    with pytest.raises(KeyboardInterrupt):
        sweep(one, thefts, tiny, seeds=[0, 1, 2], network=network, cache=tmp_path)
    assert trained == [0]
    (tmp_path / "go").touch()
    again = sweep(one, thefts, tiny, seeds=[0, 1, 2], network=network, cache=tmp_path)
    assert trained == [0, 1, 2]
    assert numbers(again).equals(numbers(whole))


@pytest.mark.parametrize("at", ["the owner", "a thief who tunes", "a thief who asks"])
def test_half_a_training_is_no_result(tiny, one, tmp_path, monkeypatch, at):
    """Training keeps what it has when it is interrupted: here that would be kept as if it were
    whole.
    """
    thefts = {"tuned": wm.theft.FineTune(epochs=2), "asking": wm.theft.StealByQueries(100)}
    whole = sweep(one, thefts, tiny, seeds=[0])
    with monkeypatch.context() as pressed:
        if at == "the owner":
            step, steps = torch.optim.AdamW.step, []

            def until(optimizer, *rest):
                steps.append(1)
                if len(steps) == 2:
                    raise KeyboardInterrupt
                return step(optimizer, *rest)

            pressed.setattr(torch.optim.AdamW, "step", until)
        if at == "a thief who tunes":
            tune = wm.theft.FineTune.__call__

            def press(record):
                raise KeyboardInterrupt

            pressed.setattr(
                wm.theft.FineTune,
                "__call__",
                lambda self, model, loot, on_epoch: tune(self, model, loot, on_epoch=press),
            )
        if at == "a thief who asks":
            asked = []

            def interrupted(query, images):
                asked.append(1)
                if len(asked) == 2:
                    raise KeyboardInterrupt
                return query(images)

            pressed.setattr("wmlearn.theft.imitate.labels_of", interrupted)
            pressed.setattr("wmlearn.theft.imitate.AT_ONCE", 40)
        with pytest.raises(KeyboardInterrupt):
            sweep(one, thefts, tiny, seeds=[0], cache=tmp_path)
    assert not list(tmp_path.iterdir())
    assert numbers(sweep(one, thefts, tiny, seeds=[0], cache=tmp_path)).equals(numbers(whole))


@dataclass(frozen=True, repr=False)
class Rationed(wm.theft.Theft):
    """A thief with a budget, who trains no longer than it takes: neither was stopped by hand."""

    budget: int

    def deploy(self, owner, context):
        steal = wm.theft.StealByQueries(100, seed=context.seed)
        service = wm.BlackBox(owner, budget=self.budget)
        made = steal(
            service, context.fresh(), context.loot, on_epoch=lambda record: record.epoch == 2
        )
        return wm.theft.Deployment.of(made, owner)


class Breaks:
    """A thief's service that breaks on the secret questions."""

    def __call__(self, query, loot):
        def answer(images):
            if len(images) < 10:
                raise KeyError("label")
            return query(images)

        return answer


def test_a_theft_that_fails_loses_nothing_of_the_others(says, tiny, one, tmp_path, trained):
    thefts = {"breaks": Breaks(), "pruned": wm.theft.Prune(0.5)}
    with says(UserWarning) as caught:
        swept = sweep(one, thefts, tiny, seeds=[0, 1], cache=tmp_path)
    assert [warning.filename for warning in caught] == [__file__] * 2
    failed = swept[swept.theft == "breaks"]
    assert failed.decision.tolist() == ["cannot tell"] * 2
    assert failed[["task_accuracy", "images", "queries", "seconds"]].isna().all(axis=None)
    others = {"pruned": thefts["pruned"]}
    rest = swept[swept.theft != "breaks"].reset_index(drop=True)
    assert trained == [0, 1]
    again = sweep(one, others, tiny, seeds=[0, 1], cache=tmp_path)
    pd.testing.assert_frame_equal(again, rest, check_dtype=False)
    assert trained == [0, 1]  # they were kept
    with says(UserWarning):
        sweep(one, thefts, tiny, seeds=[0], cache=tmp_path)
    assert trained == [0, 1, 0]  # and what failed is tried again


def test_a_thief_who_stops_early_on_purpose_is_a_result(tiny, one, tmp_path):
    swept = sweep(one, {"rationed": Rationed(60)}, tiny, seeds=[0], cache=tmp_path)
    assert swept.queries.tolist() == [0, 60]


KILLED = """
import os, sys
from pathlib import Path
import wmlearn as wm

full = wm.load_data("mnist")
parts = [part.take(slice(120)) for part in (full.train, full.loot, full.test)]
tiny = wm.Splits("tiny", *parts, full.classes)
folder = Path(sys.argv[1])

def network(data, seed):
    if list(folder.iterdir()) and folder.with_name("dies").exists():
        os.kill(os.getpid(), 9)
    folder.with_name(f"owner {seed}").touch()
    return wm.small_cnn(data, seed=seed)

class Mine(wm.theft.Theft):
    def deploy(self, owner, context):
        return wm.theft.Deployment(wm.BlackBox(owner), owner)

triggers = {"words": wm.Content(words=3)(tiny, n=3, key=bytes(range(32)))}
thefts = {"pruned": wm.theft.Prune(0.5), "mine": Mine(), "function": lambda query, loot: query}
frame = wm.sweep(triggers, thefts, tiny, seeds=[0, 1], network=network, cache=folder)
print(frame.drop(columns="seconds").to_json())
"""


def test_a_sweep_that_was_killed_goes_on_where_it_was_in_another_process(tiny, one, tmp_path):
    script, folder = tmp_path / "script.py", tmp_path / "kept"
    script.write_text(KILLED)
    folder.mkdir()
    environment = os.environ | {"PYTHONPATH": str(Path(wm.__file__).parents[1])}

    def run():
        command = [sys.executable, str(script), str(folder)]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    (tmp_path / "dies").touch()
    killed = run()
    assert killed.returncode == -9
    kept = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert len(kept) == 1
    (tmp_path / "dies").unlink()
    (tmp_path / "owner 0").unlink()
    again = run()
    assert [path.name for path in tmp_path.glob("owner *")] == ["owner 1"], again.stderr
    assert {name: (folder / name).read_bytes() for name in kept} == kept
    thefts = {"pruned": wm.theft.Prune(0.5), "mine": Flip(1), "function": lambda query, loot: query}
    expected = numbers(sweep(one, thefts, tiny, seeds=[0, 1]).assign(images=0))
    assert json.loads(again.stdout) == json.loads(expected.to_json())


@pytest.mark.parametrize("how", ["cut short", "no text", "another form", "empty"])
def test_a_damaged_file_is_measured_again_and_says_so(says, tiny, one, tmp_path, trained, how):
    first = sweep(one, {}, tiny, seeds=[0], cache=tmp_path)
    (file,) = tmp_path.iterdir()
    text = file.read_text()
    damaged = {
        "cut short": text[:-9].encode(),
        "no text": b"\xff\x00",
        "another form": b"[1]",
        "empty": b"",
    }[how]
    assert damaged != text.encode()
    file.write_bytes(damaged)
    with says(UserWarning, varies=r"\S+\.json"):
        again = sweep(one, {}, tiny, seeds=[0], cache=tmp_path)
    assert trained == [0, 0]
    assert numbers(again).equals(numbers(first))
    assert file.read_text() == text


def test_two_sweeps_in_one_folder_do_not_disturb_each_other(tiny, one, tmp_path, monkeypatch):
    """Each finds the file as the other has left it in the meantime, and adds to it."""
    one = one | {"noise": wm.Noise()(tiny, n=3, key=SECRET)}
    first, second = {"pruned": wm.theft.Prune(0.5)}, {"noisy": wm.theft.AddNoise(0.5)}

    def meanwhile(place, triggers, seed, thefts, *rest):
        if "pruned" in thefts:
            sweep(one, second, tiny, seeds=[0], cache=tmp_path)
        return measured(place, triggers, seed, thefts, *rest)

    monkeypatch.setattr("wmlearn.experiments._steal", meanwhile)
    sweep(one, first, tiny, seeds=[0], cache=tmp_path)
    monkeypatch.setattr("wmlearn.experiments._steal", None)  # whatever is asked for now was kept
    sweep(one, first | second, tiny, seeds=[0], cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


# ---------------------------------------------------------------- wherever it is worked out

EVERYWHERE = {
    "pruned": wm.theft.Prune(0.7),
    "tuned": wm.theft.FineTune(epochs=1, lr=5e-3),
    "shaken": wm.theft.PerturbWeights(0.3),
    "imitated": wm.theft.StealByQueries(n_queries=100, schedule=wm.Schedule(epochs=1)),
    "distilled": wm.theft.StealByQueries(
        n_queries=100, labels="soft", schedule=wm.Schedule(epochs=1)
    ),
    "filtered": wm.theft.RejectUnusual(),
    "noisy": wm.theft.AddNoise(0.3),
    **{f"own {kind}": pair[1] for kind, pair in OWN.items()},
}


@pytest.fixture(scope="module")
def here(tiny, one):
    thefts = EVERYWHERE | {
        "overwritten": wm.theft.Overwrite(wm.Noise()(tiny, n=3, key=bytes(32)), epochs=1)
    }
    return thefts, numbers(sweep(one, thefts, tiny, seeds=[0, 1]))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_every_backend_gives_the_same_rows(tiny, one, here, backend):
    thefts, expected = here
    with joblib.parallel_config(backend=backend, n_jobs=2):
        assert numbers(sweep(one, thefts, tiny, seeds=[0, 1])).equals(expected)


def test_seeds_may_be_used_up_by_reading(tiny, one):
    triggers = {"words": one["words"], "again": one["words"]}
    assert sweep(triggers, {}, tiny, seeds=iter([0, 1])).seed.tolist() == [0, 1, 0, 1]


def test_a_theft_of_ones_own_says_what_it_cost(tiny, one):
    frame = sweep(one, {"flipped": Flip(-1)}, tiny, seeds=[3]).set_index("theft")
    assert frame.loc["flipped", ["images", "queries", "seconds"]].tolist() == [7, 0, 0.0]


def test_an_inversion_deploys_nothing(says, tiny, one, trained):
    with says(TypeError):
        sweep(one, {"inverted": wm.theft.InvertModel()}, tiny, seeds=[0])
    with says(TypeError):
        wm.theft.InvertModel().deploy(
            wm.small_cnn(tiny), wm.theft.Context(tiny.loot, lambda: wm.small_cnn(tiny))
        )
    assert not trained
