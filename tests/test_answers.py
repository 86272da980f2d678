"""Answers that ship in place of models are those of the models; other questions are refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import wmlearn as wm
from wmlearn import _answers
from wmlearn._extras import MissingExtra, missing

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
import zoo as tool


@pytest.fixture
def triggers() -> wm.evidence.TriggerSet:
    return wm.Noise()(wm.load_data("mnist"), n=100, key=wm.CLASSROOM_KEY)


def test_the_file_holds_what_the_models_answer_now():
    assert _answers.FILE.read_text("utf-8") == tool.answers()
    assert _answers.FILE.stat().st_size < 150_000


@pytest.mark.parametrize("name", ["mnist/clean", "mnist/noise"])
def test_they_are_asked_as_the_model_is(name, triggers):
    model, answers = wm.load_model(name), _answers.load_model(name)
    expected = wm.BlackBox(model)(triggers.images)
    asked = wm.BlackBox(answers)
    found = asked(triggers.images)
    assert (found == expected).all()
    assert (found.dtype, asked.queries) == (np.dtype(np.int64), 100)
    found = wm.verify(wm.BlackBox(answers), triggers)
    assert (found.k, found.p) == ((real := wm.verify(wm.BlackBox(model), triggers)).k, real.p)


def test_null_models_come_in_their_order_and_no_more_than_ship(says):
    names = [each.name for each in _answers.null_models("mnist", n=3)]
    assert names == ["mnist/null-00", "mnist/null-01", "mnist/null-02"]
    assert len(_answers.null_models("mnist")) == 40
    for data, n in [("mnist", 41), ("cifar10", None)]:
        with says(MissingExtra):
            _answers.null_models(data, n=n)


def test_another_image_is_refused_even_after_answers(triggers, says):
    """A black box that has answered gives -1 for what fails later: an answer that is not there must
    never pass for one.
    """
    asked = wm.BlackBox(_answers.load_model("mnist/clean"))
    asked(triggers.images)
    with says(MissingExtra):
        asked(np.clip(triggers.images + np.float32(1e-6), 0, 1))


def test_what_only_a_model_has_is_refused(says):
    with says(AttributeError):
        _ = _answers.load_model("mnist/clean").parameters
    with says(MissingExtra):
        _answers.load_model("cifar10/clean")


def test_in_a_browser_nobody_is_told_to_install_torch(monkeypatch, says):
    assert "pip install" in str(missing("torch"))
    monkeypatch.setattr(sys, "platform", "emscripten")
    with says(MissingExtra):
        raise missing("torch")
