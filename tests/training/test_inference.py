"""What a network answers, in whatever form: scores are told from all else, or it is said that they
cannot be.
"""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import wmlearn as wm
from wmlearn.training._inference import n_classes, predict, scores_of

PIXELS = np.random.RandomState(0).randint(0, 256, (20, 1, 4, 4)).astype(np.uint8)
BRIGHT = wm.data.Split(PIXELS, (PIXELS[:, 0, 0, 0] > 127).astype(np.int64))


class Says(nn.Module):
    """A network whose scores, five wide, stand somewhere in what it says."""

    def __init__(self, wrap, classes=None) -> None:
        super().__init__()
        self.wrap, self.scores = wrap, nn.Linear(16, 5)
        if classes is not None:
            self.classes = classes

    def forward(self, images):
        rows = images.flatten(1)
        return self.wrap(self.scores(rows), rows)


FOUND = {
    "alone": (lambda scores, rows: scores, None),
    "loss first": (lambda scores, rows: (scores.mean(), scores), None),
    "named, behind features": (lambda scores, rows: {"x": rows, "logits": scores}, None),
    "an attribute": (lambda scores, rows: SimpleNamespace(x=rows, logits=scores), None),
    "features first": (lambda scores, rows: (rows, scores), 5),
    "by another name": (lambda scores, rows: {"features": rows, "out": scores}, list("abcde")),
    "within": (lambda scores, rows: (rows, [rows, {"logits": scores}]), 5),
}


@pytest.mark.parametrize(("wrap", "classes"), FOUND.values(), ids=FOUND)
def test_scores_are_told_from_features(wrap, classes):
    model = Says(wrap, classes).eval()
    expected = model.scores(torch.from_numpy(PIXELS / 255).float().flatten(1)).detach()
    labels, probabilities = predict(model, PIXELS)
    assert labels.tolist() == expected.argmax(1).tolist()
    assert probabilities == pytest.approx(expected.softmax(1).numpy(), abs=1e-6)


AMBIGUOUS = {
    "two widths": Says(lambda scores, rows: (rows, scores)),
    "neither as wide as the classes": Says(lambda scores, rows: (rows, scores), 7),
    "two as wide": Says(lambda scores, rows: (scores, 2 * scores), 5),
    "nothing": Says(lambda scores, rows: (), 5),
}


@pytest.mark.parametrize("model", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_could_be_either_is_asked_for(says, model):
    with says(ValueError):
        predict(model, PIXELS)


def test_who_calculates_without_slopes_cannot_be_trained(says):
    model = Says(lambda scores, rows: scores.detach())
    with says(ValueError):
        wm.fit(model, BRIGHT)


CLASSES = {
    "number": (3, 3),
    "numpy's": (np.int64(3), 3),
    "names": (["a", "b", "c"], 3),
    "tensor of one": (torch.tensor(3), 3),
    "tensor of all": (torch.arange(3), 3),
    "dictionary": ({"a": 0, "b": 1}, 2),
    "not said": (None, None),
    "function": (len, None),
}


@pytest.mark.parametrize(("said", "expected"), CLASSES.values(), ids=CLASSES)
def test_classes_of_any_kind(said, expected):
    assert n_classes(Says(lambda scores, rows: scores, said)) == expected


@pytest.mark.parametrize("classes", [["dark", "bright"], torch.tensor(2), {"dark": 0, "bright": 1}])
def test_labels_are_held_against_classes_of_any_kind(classes):
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 5))
    model.classes = classes
    assert 0 <= wm.accuracy(model, BRIGHT) <= 1
    with pytest.raises(ValueError, match="0 to 1"):
        wm.accuracy(model, wm.data.Split(PIXELS, np.arange(20) % 5))


# ---------------------------------------------------------------- one sigmoid for two classes


def sigmoid() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 1))


def test_one_column_is_a_sigmoids():
    model = sigmoid().eval()
    z = model(torch.from_numpy(PIXELS / 255).float())[:, 0].detach()
    labels, probabilities = predict(model, PIXELS)
    assert labels.tolist() == (z > 0).long().tolist()
    assert probabilities[:, 1] == pytest.approx(z.sigmoid().numpy(), abs=1e-6)
    assert predict(nn.Flatten(), np.zeros((1, 1, 1, 1), np.uint8))[0] == 0  # and 0 is no more than


def test_a_sigmoid_behind_it_is_noticed(says):
    plain, many = sigmoid(), BRIGHT.take([*range(20)] * 3)
    nn.init.normal_(plain[1].weight, std=9)
    model = nn.Sequential(plain, nn.Sigmoid())
    with says(UserWarning, varies=r"(?<=classes, ).*(?= for 60)"):
        assert wm.accuracy(model, many) == many.labels.mean()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wm.accuracy(plain, many)
        wm.accuracy(model, BRIGHT)  # too few to tell


def test_an_input_shape_that_is_none_is_told(says):
    model = sigmoid()
    model.input_shape = 28
    with says(ValueError):
        wm.accuracy(model, BRIGHT)


def test_its_cross_entropy_is_the_binary_one():
    model, labels = sigmoid(), torch.tensor(BRIGHT.labels)
    images = torch.from_numpy(BRIGHT.images)
    ours = functional.cross_entropy(scores_of(model, images), labels)
    theirs = functional.binary_cross_entropy_with_logits(model(images)[:, 0], labels.float())
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    slopes = [torch.autograd.grad(loss, model.parameters()) for loss in (ours, theirs)]
    for one, other in zip(*slopes):
        assert torch.allclose(one, other, atol=1e-6)


def test_it_is_trained_marked_stolen_and_asked():
    task = wm.Splits("bright", BRIGHT, test=BRIGHT.take(slice(2, None)), classes=("dark", "bright"))
    fitted = wm.fit(sigmoid(), task, schedule=wm.Schedule(60, 0.1))
    assert fitted.history.last.task_accuracy == 1
    triggers = wm.Noise()(task, n=4, key=wm.CLASSROOM_KEY)
    marked = wm.embed(fitted.model, task, triggers, schedule=wm.Schedule(40, 0.1))
    assert marked.watermark_accuracy == 1
    fresh = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    service = wm.BlackBox(marked.model, scores=True)
    thief = wm.theft.StealByQueries(20, "soft")(service, fresh, BRIGHT)
    assert thief.queries == 20
    assert wm.theft.InvertModel(steps=3)(marked.model, BRIGHT).images.shape == (2, 1, 4, 4)
    assert wm.BlackBox(marked.model, scores=True).scores(BRIGHT.images).shape == (20, 2)
