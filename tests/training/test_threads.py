"""One thread unless told otherwise, and the setting put back: after success, error, interrupt, and
when two overlap.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import torch

import wmlearn as wm
from wmlearn.labs.embedding.plan import Twin
from wmlearn.theft import FinePrune, FineTune, Overwrite, StealByQueries
from wmlearn.training._threads import MOST, torch_threads
from wmlearn.training.schedule import Schedule

SHORT = Schedule(epochs=2)  # two, to see that the second epoch is as the first
MARGIN = wm.watermarks.Margin(images=5, steps=1)
ELSEWHERE = 3  # threads that nobody here asks for: what the caller has set


@pytest.fixture(autouse=True)
def setting() -> Iterator[None]:
    """Three threads as the caller's own setting, in this thread and for those that start later."""
    before = torch.get_num_threads()
    torch.set_num_threads(ELSEWHERE)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data() -> wm.Splits:
    mnist = wm.load_data("mnist")
    parts = [part.take(slice(300)) for part in (mnist.train, mnist.loot, mnist.test)]
    return wm.Splits("small", *parts, mnist.classes)


@pytest.fixture(scope="module")
def triggers(data) -> wm.evidence.TriggerSet:
    return wm.Content(words=5)(data, n=20, key=wm.CLASSROOM_KEY)


@pytest.fixture(scope="module")
def message(data) -> wm.watermarks.Message:
    return wm.watermarks.seal_message(wm.small_cnn(data), key=wm.CLASSROOM_KEY)


def in_a_new_thread() -> int:
    """Return the number of threads that a Python thread begins with."""
    with ThreadPoolExecutor(1) as new:
        return new.submit(torch.get_num_threads).result()


def counting(model: torch.nn.Module, seen: set[int]) -> torch.nn.Module:
    """Note on how many threads each batch is calculated, to learn from it or to measure."""
    model.register_forward_pre_hook(lambda *_: seen.add(torch.get_num_threads()))
    return model


def trainings(data, triggers, message):
    """Return everything that trains, by name: a function of the model and of settings."""
    suspect = wm.BlackBox(wm.small_cnn(data))
    thief_triggers = wm.Content(words=5)(data, n=20, key=wm.CLASSROOM_KEY, seed=1)
    return {
        "fit": lambda model, **how: wm.fit(model, data, schedule=SHORT, **how),
        "embed": lambda model, **how: wm.embed(
            model, data, triggers, on_epoch=lambda _: True, **how
        ),
        "margin": lambda model, **how: wm.embed(
            model, data, triggers, margin=MARGIN, on_epoch=lambda _: True, **how
        ),
        "message": lambda model, **how: wm.watermarks.embed_message(
            model, data, message, schedule=SHORT, **how
        ),
        "fine-tune": lambda model, **how: FineTune(1)(model, data.loot, **how),
        "fine-prune": lambda model, **how: FinePrune(0.5, epochs=1)(model, data.loot, **how),
        "overwrite": lambda model, **how: Overwrite(thief_triggers, epochs=1)(
            model, data.loot, on_epoch=lambda _: True, **how
        ),
        "steal": lambda model, **how: StealByQueries(50, schedule=SHORT)(
            suspect, model, data.loot, **how
        ),
    }


NAMES = ("fit", "embed", "margin", "message", "fine-tune", "fine-prune", "overwrite", "steal")


@pytest.mark.parametrize("name", NAMES)
def test_everything_trains_and_measures_on_one_thread_unless_told_otherwise(
    data, triggers, message, name
):
    train = trainings(data, triggers, message)[name]
    for how, expected in [({}, 1), ({"threads": 2}, 2)]:
        seen: set[int] = set()
        model = counting(wm.small_cnn(data).eval(), seen)
        # The one image that a model is checked with; fine-pruning looks at sleeping channels.
        entering = {ELSEWHERE}
        train(model, **how)
        assert seen - entering == {expected}
        assert (torch.get_num_threads(), in_a_new_thread()) == (ELSEWHERE, ELSEWHERE)


def test_measuring_after_an_epoch_is_on_the_same_threads(data):
    """In evaluation mode: the images that are measured, after the one that the model was checked
    with.
    """
    measured: list[tuple[int, int]] = []

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        if not module.training:
            measured.append((len(inputs[0]), torch.get_num_threads()))

    model = wm.small_cnn(data).eval()
    model.register_forward_pre_hook(note)
    wm.fit(model, data, schedule=SHORT)
    assert [threads for images, threads in measured if images > 1] == [1] * 4


@pytest.mark.parametrize("name", ["fit", "embed", "margin", "message", "fine-tune", "steal"])
def test_the_weights_do_not_depend_on_the_setting(data, triggers, message, name):
    train = trainings(data, triggers, message)[name]
    made = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        made.append(train(wm.small_cnn(data)).model.state_dict())
    assert all(torch.equal(made[0][part], made[1][part]) for part in made[0])


def test_the_twin_of_the_lab_trains_on_one_thread(data):
    seen: set[int] = set()
    twin = Twin(counting(wm.small_cnn(data), seen), data, schedule=wm.Schedule(epochs=2), seed=0)
    twin.reach(1)
    assert torch.get_num_threads() == ELSEWHERE
    twin.reach(2)
    assert seen == {1}


# ---------------------------------------------------------------- the setting is put back


def fails(epoch: object) -> None:
    raise ZeroDivisionError


def interrupts(epoch: object) -> None:
    raise KeyboardInterrupt


def test_the_setting_is_put_back_after_an_error_and_after_an_interrupt(data):
    with pytest.raises(ZeroDivisionError):
        wm.fit(wm.small_cnn(data), data, schedule=SHORT, on_epoch=fails)
    assert (torch.get_num_threads(), in_a_new_thread()) == (ELSEWHERE, ELSEWHERE)
    assert wm.fit(wm.small_cnn(data), data, schedule=SHORT, on_epoch=interrupts).history.stopped
    assert (torch.get_num_threads(), in_a_new_thread()) == (ELSEWHERE, ELSEWHERE)


def test_blocks_may_stand_inside_each_other():
    with torch_threads(2):
        with torch_threads(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == ELSEWHERE


def test_a_thread_that_starts_during_a_training_finds_the_callers_setting(data):
    found: list[int] = []
    wm.fit(
        wm.small_cnn(data), data, schedule=SHORT, on_epoch=lambda _: found.append(in_a_new_thread())
    )
    assert found == [ELSEWHERE] * 2


def test_two_trainings_at_once_leave_the_setting_and_each_other_alone(data):
    """The first begins, the second begins and ends, the first ends: no order of leaving may lose
    the setting.
    """
    second_is_over, first_has_begun, afterwards = threading.Event(), threading.Event(), {}

    def first() -> None:
        def wait(_: object) -> None:
            first_has_begun.set()
            assert second_is_over.wait(60)

        wm.fit(wm.small_cnn(data), data, schedule=Schedule(1), on_epoch=wait)
        afterwards["first"] = torch.get_num_threads()

    def second() -> None:
        assert first_has_begun.wait(60)
        wm.fit(wm.small_cnn(data), data, schedule=SHORT, threads=2)
        afterwards["second"] = torch.get_num_threads()
        second_is_over.set()

    both = [threading.Thread(target=each) for each in (first, second)]
    for each in both:
        each.start()
    for each in both:
        each.join(120)
    assert (afterwards["first"], afterwards["second"]) == (ELSEWHERE, ELSEWHERE)
    assert (torch.get_num_threads(), in_a_new_thread()) == (ELSEWHERE, ELSEWHERE)


@pytest.mark.parametrize("threads", [0, -1, MOST + 1, 2.5, "2", None, True])
def test_what_is_no_number_of_threads(says, data, triggers, message, threads):
    never_asked = wm.BlackBox(wm.small_cnn(data), budget=0)
    acts = trainings(data, triggers, message)
    acts["steal"] = lambda model, **how: StealByQueries(50)(never_asked, model, data.loot, **how)
    with says((TypeError, ValueError)) as refused:
        acts.pop("fit")(wm.small_cnn(data), threads=threads)
    for act in acts.values():
        with pytest.raises(refused.type) as caught:
            act(wm.small_cnn(data), threads=threads)
        assert str(caught.value) == str(refused.value)
    assert never_asked.refused == 0


# ---------------------------------------------------------------- what it costs


@pytest.fixture(scope="module")
def study(root) -> pd.DataFrame:
    with (root / "docs/results/threads.csv").open() as file:
        assert next(file) == "# python benchmarks/threads.py\n"
        return pd.read_csv(file)


def test_the_study_is_whole(study):
    case = ["run", "neighbours", "work", "setting"]
    assert len(study) == len(study.drop_duplicates(case)) == 3 * 2 * 2 * 2
    assert set(study.query("setting == 'one'").threads) == {1}
    assert study.query("setting == 'default'").threads.min() > 1


def test_the_page_says_what_threads_gain_alone_and_lose_beside_busy_neighbours(study, root):
    median = study.groupby(["neighbours", "work", "setting"]).seconds.median()

    def message(neighbours):
        pairs = [
            (median[neighbours, work, "one"], median[neighbours, work, "default"])
            for work in ("fit", "embed")
        ]
        return ", ".join(f"{one:.2f} / {default:.2f}" for one, default in pairs)

    figures = (root / "docs" / "figures.md").read_text(encoding="utf-8")
    (row,) = [
        line for line in figures.splitlines() if line.startswith("| seconds per epoch on two cores")
    ]
    assert row.split("|")[2].strip() == f"{message(0)}; {message(2)}"
    for work in ("fit", "embed"):
        # What the rule costs a machine that is idle, and what it saves one that is not.
        assert median[0, work, "one"] < 1.25 * median[0, work, "default"]
        assert median[2, work, "default"] > 1.4 * median[2, work, "one"]
