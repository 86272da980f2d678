"""Everything follows the model's device and dtype: fakes of another device on every machine, and
the real ones where there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from _elsewhere import Elsewhere, elsewhere
from torch import Tensor, nn

import wmlearn as wm
from wmlearn import theft
from wmlearn.training import _inference, loop
from wmlearn.watermarks import whitebox

pytestmark = pytest.mark.usefixtures("one_thread")

ONCE = wm.Schedule(epochs=1, batch_size=64)
PLACES: dict[str, Callable[[], Any]] = {"elsewhere": elsewhere}
for name, backend in (("cuda", torch.cuda), ("mps", torch.backends.mps)):
    if backend.is_available():
        PLACES[name] = lambda name=name: nullcontext(torch.device(name))

# Of all weights together, after one epoch. The same kernels run elsewhere; a GPU adds in another
# order, and where a slope is next to nothing AdamW may take its first step the other way.
TOLERANCE = {torch.float32: 1e-2, torch.float64: 1e-3, torch.bfloat16: 0.1}


@pytest.fixture(scope="module")
def data() -> wm.Splits:
    mnist = wm.load_data("mnist")
    parts = [part.take(slice(130)) for part in (mnist.train, mnist.loot, mnist.test)]
    return wm.Splits("few", *parts, mnist.classes)


@pytest.fixture(scope="module")
def triggers(data) -> Any:
    return wm.Noise()(data, n=6, key=wm.CLASSROOM_KEY)


@pytest.fixture(params=PLACES)
def device(request) -> Iterator[torch.device]:
    with PLACES[request.param]() as found:
        yield found


class Recurrent(nn.Module):
    """Rows as words: what cuDNN has no slopes of in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.GRU(28, 12, batch_first=True)
        self.scores = nn.Linear(12, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.scores(self.rows(images.flatten(1, 2))[0][:, -1])


def owner(data: wm.Splits, dtype: torch.dtype = torch.float32) -> nn.Module:
    return wm.small_cnn(data).to(dtype)


def message(model: nn.Module) -> Any:
    return wm.watermarks.seal_message(model, bits=8, key=wm.CLASSROOM_KEY)


def stop(_: object) -> bool:
    return True


# What is done to a model, the task and its triggers, and what comes of it.
Act = Callable[[nn.Module, wm.Splits, Any], Any]
TRAINING: dict[str, Act] = {
    "fit": lambda model, data, _: wm.fit(model, data, schedule=ONCE),
    "embed": lambda model, data, triggers: wm.embed(model, data, triggers, on_epoch=stop),
    "margin": lambda model, data, triggers: wm.embed(
        model, data, triggers, margin=wm.watermarks.Margin(steps=1), schedule=ONCE, on_epoch=stop
    ),
    "message": lambda model, data, _: wm.watermarks.embed_message(
        model, data, message(model), schedule=ONCE
    ),
    "fine-tune": lambda model, data, _: theft.FineTune(1)(model, data.loot),
    "fine-tune the last": lambda model, data, _: theft.FineTune(1, layers="last", reset=True)(
        model, data.loot
    ),
    "fine-prune": lambda model, data, _: theft.FinePrune(0.3, 1)(model, data.loot),
    "overwrite": lambda model, data, triggers: theft.Overwrite(triggers)(
        model, data.loot, on_epoch=stop
    ),
    "hard labels": lambda model, data, _: theft.StealByQueries(50, schedule=ONCE)(
        wm.BlackBox(model), model, data.loot
    ),
    "scores": lambda model, data, _: theft.StealByQueries(50, "soft", schedule=ONCE)(
        wm.BlackBox(model, scores=True), model, data.loot
    ),
}
ALTERING: dict[str, Act] = {
    "prune": lambda model, data, _: theft.Prune(0.3)(model, data.loot),
    "prune channels": lambda model, data, _: theft.Prune(0.3, by="channel")(model, data.loot),
    "quantize": lambda model, data, _: theft.Quantize(4)(model, data.loot),
    "perturb": lambda model, data, _: theft.PerturbWeights(0.1)(model, data.loot),
}
ASKING: dict[str, Act] = {
    "accuracy": lambda model, data, _: np.array(loop.accuracy(model, data.test)),
    "black box": lambda model, data, _: wm.BlackBox(model)(data.test.images),
    "verify": lambda model, _, triggers: wm.verify(wm.BlackBox(model), triggers).path,
    "message": lambda model, *_: wm.watermarks.verify_message(model, message(model)).path,
    "filter": lambda model, data, _: theft.Squeeze(2)(wm.BlackBox(model), data.loot)(
        data.test.images
    ),
    "invert": lambda model, data, _: theft.InvertModel("noise", steps=3)(model, data.loot).images,
}


def weights(model: nn.Module) -> list[Tensor]:
    return [each.detach() for each in (*model.parameters(), *model.buffers())]


def here(tensors: list[Tensor]) -> Tensor:
    """Return all of them in one row, on the processor."""
    return torch.cat([each.cpu().double().flatten() for each in tensors])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", TRAINING | ALTERING)
def test_what_is_made_of_a_model_stays_where_it_was(data, triggers, device, name, dtype):
    if device.type == "mps" and dtype is torch.float64:
        return  # Apple's GPUs have none
    act = (TRAINING | ALTERING)[name]
    expected = weights(act(owner(data, dtype), data, triggers).model)
    model = owner(data, dtype).to(device)
    before = here(weights(model))
    made = weights(act(model, data, triggers).model)
    kinds = {(each.device.type, each.dtype, type(each)) for each in weights(model)}
    assert {(each.device.type, each.dtype, type(each)) for each in made} == kinds
    assert torch.equal(before, here(weights(model)))
    assert not torch.equal(before, here(made))
    tolerance = TOLERANCE[dtype]
    if device.type == "meta" or (name in ALTERING and name != "perturb"):
        tolerance = 0.0
    assert (here(expected) - here(made)).norm() <= tolerance * here(expected).norm()


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", ASKING)
def test_what_is_asked_of_a_model_is_answered_alike(data, triggers, device, name, dtype):
    if device.type == "mps" and dtype is torch.float64:
        return
    expected = ASKING[name](owner(data, dtype), data, triggers)
    found = ASKING[name](owner(data, dtype).to(device), data, triggers)
    assert isinstance(found, np.ndarray)
    tolerance = 0.0 if device.type == "meta" else TOLERANCE[dtype]
    share = (np.abs(expected - found) > tolerance).mean()
    assert share <= tolerance  # an answer may tip where two classes score alike


@pytest.mark.parametrize("place", ["cpu", *(name for name in PLACES if name != "elsewhere")])
def test_recurrent_layers_have_slopes_at_rest(data, triggers, place):
    model = Recurrent().to(place)
    found = theft.InvertModel(steps=2)(model, data.loot)
    assert found.images.std() > 0
    assert theft.FineTune(1, layers="last")(model, data.loot).history.epochs
    margin = wm.watermarks.Margin(steps=1)
    marked = wm.embed(model, data, triggers, margin=margin, schedule=ONCE, on_epoch=stop)
    assert marked.history.epochs


# ---------------------------------------------------------------- whether the fake would notice

FORGOTTEN = {
    "images": (_inference, "as_input", lambda images, weight: (images / 255).to(weight.dtype)),
    "batches": (loop, "as_input", lambda images, weight: (images.cpu() / 255).to(weight.dtype)),
    "labels": (
        loop.functional,
        "cross_entropy",
        lambda scores, labels: nn.NLLLoss()(scores.log_softmax(1), labels.cpu()),
    ),
    "rows": (
        whitebox,
        "_scores",
        lambda rows, kernels: torch.tensor(rows) @ kernels.mean(0).view(-1),
    ),
}


@pytest.mark.parametrize("forgotten", FORGOTTEN)
def test_what_forgets_the_device_is_noticed(data, monkeypatch, forgotten):
    module, name, wrong = FORGOTTEN[forgotten]
    with elsewhere() as device:
        model = owner(data).to(device)
        monkeypatch.setattr(module, name, wrong)
        with pytest.raises((RuntimeError, ValueError), match="elsewhere"):
            TRAINING["message"](model, data, None)


def test_tensors_elsewhere_meet_no_others():
    near = torch.arange(4.0)
    with elsewhere() as device:
        far = near.to(device)
        assert type(far) is type(torch.zeros(2, device=device)) is Elsewhere
        assert far.sum().item() == 6
        assert torch.equal(far.cpu(), near)
        assert (far * torch.tensor(2.0))[torch.tensor([3])].cpu().tolist() == [6]
        for meet in (lambda: far + near, lambda: near[far.long()], lambda: torch.cat([far, near])):
            with pytest.raises(RuntimeError, match="elsewhere"):
                meet()
        with pytest.raises((TypeError, RuntimeError)):
            far.numpy()


def test_a_device_that_holds_no_numbers_is_told_so(data):
    for act in (TRAINING | ALTERING | ASKING).values():
        with pytest.raises(ValueError, match="'meta'"):
            act(owner(data).to("meta"), data, wm.Noise()(data, n=2, key=wm.CLASSROOM_KEY))
