"""The benchmark that repeats the paper's tables: its networks, its jobs, its intervals."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

import wmlearn as wm
from wmlearn.data.splits import Split

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import paper  # noqa: E402  # a script, beside what it shares with the others


@pytest.mark.parametrize(
    ("task", "weights", "dense"), [("mnist", 312_202, 247_210), ("cifar10", 1_147_978, 887_818)]
)
def test_the_networks_are_those_of_the_appendix(task, weights, dense):
    model = wm.training.paper_cnn(task)
    linear = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    counted = sum(part.numel() for layer in linear for part in layer.parameters())
    assert sum(part.numel() for part in model.parameters()) == weights
    assert counted == dense
    assert model(torch.rand(2, *model.input_shape)).shape == (2, 10)
    again, other = wm.training.paper_cnn(task), wm.training.paper_cnn(task, seed=1)
    first, same, different = (each.layers[1].weight for each in (model, again, other))
    assert torch.equal(first, same)
    assert not torch.equal(first, different)


def test_a_task_that_the_paper_has_not(says):
    with says(ValueError):
        wm.training.paper_cnn("imagenet")


def test_one_job_is_one_network_and_what_is_known_is_not_trained_again(tmp_path, monkeypatch):
    asked = list(paper.jobs(["mnist"], {1, 2, 3, 4, 5}, 10, [1, 2], ["fixed", "keyed"]))
    assert len(asked) == 2 * (1 + 3 * 2)
    assert list(paper.jobs(["mnist"], {4}, 10, [1], ["fixed"])) == []
    assert [job["kind"] for job in paper.jobs(["cifar10"], {4}, 10, [1], ["fixed"])] == list(
        paper.KINDS
    )
    trained = []

    def measured(job, precision):
        trained.append((job["kind"], precision))
        empty = dict.fromkeys((*paper.CASE, *paper.COUNTED, *paper.MACHINE), "")
        return [empty | job | {"table": 2, "asked": "task"}]

    monkeypatch.setattr(paper, "measure", measured)
    monkeypatch.setattr(paper, "RESULTS", tmp_path / "paper.csv")
    command = ["--data", "mnist", "--table", "1..5", "--epochs", "10", "--seeds", "1"]
    for precision in paper.PRECISIONS:  # nor is it trained again at another precision
        paper.main([*command, "--precision", precision])
    assert trained == [(kind, "float32") for kind in ("clean", "content", "unrelated", "noise")]


def test_mixed_precision_is_used_where_asked_and_named_in_the_rows(monkeypatch):
    """Weights stay float32, and the two trainings differ."""
    images = np.random.RandomState(0).randint(0, 256, (128, 1, 28, 28), dtype=np.uint8)
    part = Split(images, np.arange(128) % 10)
    few = wm.Splits("mnist", part, classes=tuple("0123456789"))
    monkeypatch.setattr(paper, "task", lambda name: few)
    monkeypatch.setattr(paper, "measured", lambda model, job, precision: [{"model": model}])
    job = {"data": "mnist", "kind": "clean", "labels": "fixed", "epochs": 1, "seed": 0}
    (full,), (mixed,) = (paper.measure(job, precision) for precision in paper.PRECISIONS)
    weights = [next(row["model"].parameters()).detach().cpu() for row in (full, mixed)]
    assert {each.dtype for each in weights} == {torch.float32}
    assert not torch.equal(*weights)
    assert mixed["device"] == full["device"] + " bfloat16"


def test_a_training_that_diverged_is_a_copy_without_an_answer():
    """It ended the study of a whole network once: SGD at 0.05 on photographs."""
    images = torch.zeros(3, 1, 28, 28).numpy()
    model = wm.training.paper_cnn("mnist")
    answers = wm.BlackBox(model)(images)
    assert paper.counted(model, images, answers) == (3, 3)
    with torch.no_grad():
        model.layers[1].weight[0, 0, 0, 0] = torch.nan
    assert paper.counted(model, images, answers) == (0, 3)


@pytest.mark.parametrize("found", [(0, 20), (20, 20), (1999, 2000), (7, 150)])
def test_the_interval_is_the_exact_one(found):
    row = paper.row(1, "", "trained", found)
    low, high = binomtest(*found).proportion_ci(method="exact")
    assert (float(row["low"]), float(row["high"])) == pytest.approx((low, high), abs=5e-5)


def test_the_letters_are_as_many_different_ones():
    drawn = paper.letters(300, 0).pixels
    assert drawn.shape == (300, 1, 28, 28)
    assert len({letter.tobytes() for letter in drawn}) == 300
    assert (drawn == paper.letters(300, 0).pixels).all()
    assert not (drawn == paper.letters(300, 1).pixels).all()


@pytest.mark.parametrize(
    ("text", "meant"), [("1..5", [1, 2, 3, 4, 5]), ("3", [3]), ("1,4", [1, 4])]
)
def test_tables_are_listed_or_spanned(text, meant):
    assert paper.numbers(text) == meant
