"""Training in memory: the whole data set is one tensor, and a batch is a handful of its rows.

A `DataLoader` would collate the same images one by one; on a data set that fits in memory that
costs six times the training itself. It also draws from torch's global generator, so that merely
evaluating would change what is learnt.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from itertools import chain, count, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from wmlearn._checks import check_kind, check_seed, first_line, shown
from wmlearn._display import plural
from wmlearn._progress import progress
from wmlearn._random import seeded, torch_generator
from wmlearn.data.splits import Split, Splits
from wmlearn.training._inference import (
    as_input,
    check_fits,
    check_model,
    check_open,
    own_copy,
    predict,
    scores_of,
    weight_of,
)
from wmlearn.training._threads import torch_threads
from wmlearn.training.history import Epoch, Fitted, History, OnEpoch
from wmlearn.training.schedule import BATCH, Schedule

# Of a batch: images (n, c, h, w), labels (n,)
Loss = Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor]
OwnLoss = Callable[[Tensor, Tensor], Tensor]  # of scores (n, classes) and labels (n,): one number
Factory = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def cross_entropy(
    model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
) -> Tensor:
    """Return how badly a model answers a batch, in nats."""
    scores = scores_of(model, images)
    return functional.cross_entropy(scores, labels.to(scores.device))


def as_loss(own: OwnLoss | None) -> Loss:
    """Return a function of scores and labels as the loss of a batch; cross-entropy if none."""
    if own is None:
        return cross_entropy

    def of_batch(
        model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return what the function says of a batch, if that is a number to learn from."""
        scores = scores_of(model, images)
        expected = (
            f"loss must be a function of scores {tuple(scores.shape)} and labels "
            f"{tuple(labels.shape)} that returns one number, a tensor with a gradient"
        )
        step = "Pass torch.nn.CrossEntropyLoss(label_smoothing=0.1), for instance."
        try:
            mean = own(scores, labels)
            if mean.ndim or not mean.requires_grad:
                raise ValueError(f"it returned {mean}")
        except Exception as error:  # whatever a function of one's own may raise
            raise TypeError(f"{expected}; got: {first_line(error)}. {step}") from error
        return mean

    return of_batch


def adamw(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimizer of all trainings that name none; the schedule gives its rate."""
    return torch.optim.AdamW(parameters, lr=1.0, weight_decay=1e-2)


def _optimizer(factory: Factory, model: nn.Module) -> tuple[torch.optim.Optimizer, list[float]]:
    """Return the optimizer that a factory makes for a model, and the learning rate of each of its
    groups.
    """
    expected = "optimizer must be a function from parameters to a torch optimizer of just these"
    step = "Pass functools.partial(torch.optim.SGD, lr=0.01, momentum=0.9), for instance."
    weights = list(model.parameters())
    try:
        made = factory(weights)
        rates = [float(group["lr"]) for group in made.param_groups]
        held = chain.from_iterable(group["params"] for group in made.param_groups)
        if set(map(id, held)) - set(map(id, weights)):
            raise ValueError("one of others, perhaps of the model passed in")
    except Exception as error:  # whatever it may raise, or return
        raise TypeError(f"{expected}; got: {first_line(error)}. {step}") from error
    return made, rates


class TensorData:
    """What is trained on, as tensors: a part, varied as it says, then extra images as they are.

    Images are not copied where they can be shared, and what is repeated is kept once.
    """

    def __init__(self, part: Split, *extra: Split) -> None:
        parts = (part, *extra)
        self.labels = torch.from_numpy(np.concatenate([each.labels for each in parts]))
        self.vary = part.vary
        self.of_part = len(part)
        self.kept: list[Tensor] = []
        places: dict[int, range] = {}  # by part, among the images that are kept
        end = 0
        for each in parts:
            if id(each) not in places:
                places[id(each)] = range(end, end + len(each))
                end += len(each)
                # torch warns of what cannot be written to
                self.kept.append(torch.from_numpy(np.require(each.pixels, requirements="W")))
        rows = np.concatenate([places[id(each)] for each in parts])
        self.places = torch.from_numpy(rows.astype(np.int64))

    def move_to(self, device: torch.device) -> None:
        """Lie on a device if there is room, and if nothing varies the images."""
        if self.vary is None:  # a function of one's own takes its images on the CPU
            with suppress(RuntimeError):  # out of memory there: each batch is moved alone
                self.kept = [pixels.to(device) for pixels in self.kept]

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return images in [0, 1] and labels, as a model with such a weight takes them."""
        pixels = self._pixels(self.places[rows])
        if self.vary is not None:
            for i in torch.nonzero(rows < self.of_part).flatten():
                pixels[i] = _varied(self.vary, pixels[i])
        labels = self.labels[rows].to(weight.device)
        if labels.is_floating_point():  # the scores that a service told
            labels = labels.to(weight.dtype)
        return as_input(pixels, weight), labels

    def _pixels(self, places: Tensor) -> Tensor:
        """Return a copy of images by their places among those that are kept."""
        first, *more = self.kept
        if not more:
            return first.index_select(0, places.to(first.device))
        pixels = first.new_empty((len(places), *first.shape[1:]))
        start = 0
        for kept in self.kept:
            inside = (places >= start) & (places < start + len(kept))
            rows = torch.nonzero(inside).flatten().to(first.device)
            pixels[rows] = kept.index_select(0, (places[inside] - start).to(first.device))
            start += len(kept)
        return pixels


def _varied(vary: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Return an image as a function of one's own changes it, or say what is wrong with that."""
    try:
        varied = vary(image)
        got = f"{varied.dtype} {tuple(varied.shape)}"
    except Exception as error:  # whatever it may raise
        raise ValueError(
            f"vary must take one image, a uint8 tensor {tuple(image.shape)}; it failed on one: "
            f"{first_line(error)}. Try it by hand, on torch.from_numpy(data.train.pixels[0])."
        ) from error
    if (varied.dtype, varied.shape) == (image.dtype, image.shape):
        return varied
    raise ValueError(
        f"vary must return an image like the one it got, torch.uint8 {tuple(image.shape)}; got "
        f"{got}. Leave out what changes its size or turns it into floats."
    )


def fit(
    model: nn.Module,
    data: Splits | Split,
    *,
    schedule: Schedule = Schedule(),
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
    threads: int = 1,
    optimizer: Factory | None = None,
    loss: OwnLoss | None = None,
    autocast: torch.dtype | None = None,
) -> Fitted:
    """Train a copy of a model on a task; the model passed in is left as it was.

    Parameters
    ----------
    model : scores (n, classes) from images (n, c, h, w) in [0, 1]; of several outputs the one
        called `logits` counts, or the one as wide as `model.classes`. The copy trains on its device
        and in its dtype
    data : a task (trains on `train`, measures on `test`), or one part of it, then nothing is
        measured
    schedule : how long and how fast, for instance `Schedule(epochs=4)`
    seed : the order of the images
    on_epoch : called with an `Epoch` after each; returning True ends the training there. It cannot
        change the result
    threads : of the processor; on another number than 1 the last digits differ
    optimizer : a function from parameters to a torch optimizer, such as
        `functools.partial(torch.optim.SGD, lr=0.01, momentum=0.9)`; its learning rate is then the
        highest, in place of the schedule's, and rises and falls as the schedule says. Left out,
        AdamW
    loss : a function of scores (n, classes) and labels (n,) that returns one number, such as
        `torch.nn.CrossEntropyLoss(label_smoothing=0.1)`
    autocast : `torch.bfloat16` or `torch.float16`, for mixed precision; weights and measurements
        keep the model's dtype

    Returns
    -------
    Fitted: the new model and its history. An interrupt (the stop button, Ctrl+C) keeps what was
    learnt so far.

    Raises
    ------
    TypeError, ValueError
        If one of them is something else, or the images or classes are not the model's, or nothing
        in it can be trained, or its scores are no numbers any more.

    Source
    ------
    AdamW (Loshchilov and Hutter, 2019).
    """
    model, part, test = checked_copy(model, data)
    schedule = resolved(schedule, part)
    steps = train_by(
        schedule,
        model,
        TensorData(part),
        seed,
        loss=as_loss(loss),
        optimizer=optimizer,
        autocast=autocast,
    )
    measure = partial(measured, model, test)
    history = run(islice(steps, schedule.epochs), schedule.epochs, measure, on_epoch, threads)
    return Fitted(model, history)


def resolved(schedule: Schedule, part: Split) -> Schedule:
    """Return a schedule, checked, for the images of a part."""
    check_kind(schedule, "schedule", Schedule, "such as wm.Schedule(epochs=3)")
    return schedule.on(len(part), part.shape)


def train_by(
    schedule: Schedule,
    model: nn.Module,
    data: TensorData,
    seed: int,
    *,
    loss: Loss = cross_entropy,
    optimizer: Factory | None = None,
    autocast: torch.dtype | None = None,
) -> Iterator[float]:
    """Return what `train` does by a resolved schedule, once the other arguments are checked."""
    check_seed(seed)
    halves = [torch.bfloat16]
    if hasattr(torch.amp, "GradScaler"):
        halves.append(torch.float16)
    if autocast not in (None, *halves):
        raise ValueError(
            "autocast must be torch.bfloat16 or, from torch 2.3 on, torch.float16; got "
            f"{autocast}. Leave it out to train in the model's own dtype."
        )

    def share(done: float) -> float:
        """Return the part of the highest learning rate."""
        return schedule(done) / schedule.max_lr

    return train(
        model,
        data,
        rate=schedule if optimizer is None else share,
        seed=seed,
        batch_size=schedule.batch_size or BATCH,
        loss=loss,
        optimizer=optimizer or adamw,
        autocast=autocast,
    )


@torch.inference_mode(False)  # so gradients are taken inside the caller's torch.no_grad(), too
def train(
    model: nn.Module,
    data: TensorData,
    *,
    rate: Callable[[float], float],
    seed: int,
    batch_size: int = BATCH,
    loss: Loss = cross_entropy,
    optimizer: Factory = adamw,
    autocast: torch.dtype | None = None,
) -> Iterator[float]:
    """Train a model in place: one epoch for each mean loss asked for. All training happens here.

    Parameters
    ----------
    model, data : what is trained, and on what; batches follow the model's device and dtype
    rate : what the optimizer's learning rates are multiplied by after so many epochs, fractions
        included
    seed : the order of the images, and whatever else is drawn
    batch_size : images in each step; one image that is left over joins the step before it, where a
        layer needs two
    loss : what each step makes smaller
    optimizer : makes it from the parameters
    autocast : the dtype of mixed precision
    """
    check_trainable(model)
    weight = weight_of(model)
    data.move_to(weight.device)
    stepping, rates = _optimizer(optimizer, model)
    mixed: Any = nullcontext()
    if autocast is not None:
        mixed = torch.autocast(weight.device.type, autocast)
    scaler = None
    if autocast is torch.float16:  # in which small gradients would be lost
        scaler = torch.amp.GradScaler(weight.device.type)
    generator = torch_generator(seed)
    smallest = _smallest_batch(model, data, batch_size, loss)
    for epoch in count():
        order = torch.randperm(len(data), generator=generator, device="cpu")
        batches = list(order.split(batch_size))
        if len(batches[-1]) < smallest:
            batches[-2:] = [torch.cat(batches[-2:])]
        total = 0.0
        with seeded((seed + epoch) % 2**32):  # for what draws: dropout, what varies images
            try:
                model.train()
                for number, rows in enumerate(batches):
                    now = rate(epoch + number * batch_size / len(data))
                    for group, highest in zip(stepping.param_groups, rates):
                        group["lr"] = highest * now
                    images, labels = data.batch(rows, weight)
                    with mixed:
                        mean = loss(model, images, labels, generator)
                    stepping.zero_grad()
                    if scaler is None:
                        mean.backward()
                        stepping.step()
                    else:
                        scaler.scale(mean).backward()
                        scaler.step(stepping)
                        scaler.update()
                    total += mean.item() * len(rows)
                    del images  # before the next are made
            finally:
                model.eval()
        yield total / len(data)


def check_trainable(model: nn.Module) -> None:
    """Say why nothing can be learnt, before anything is paid for."""
    check_open(model)
    learning = [weights for weights in model.parameters() if weights.requires_grad]
    if not learning:
        raise ValueError(
            f"model must have weights to train; got a {type(model).__name__} without any. Add a "
            "layer, or unfreeze one."
        )
    if torch.float16 in {weights.dtype for weights in learning}:
        raise ValueError(
            "model must be trained in float32, float64 or bfloat16; got float16, in which AdamW "
            "divides by zero. Take model.float()."
        )


def _smallest_batch(model: nn.Module, data: TensorData, batch_size: int, loss: Loss) -> int:
    """Return how many images a step needs: two where a layer refuses a single one, else one."""
    if 1 not in (len(data) % batch_size, batch_size):
        return 1
    trial = own_copy(model).train()  # batch normalisation would remember the image
    with seeded(0):
        images, labels = data.batch(torch.tensor([0], device="cpu"), weight_of(model))
        try:
            loss(trial, images, labels, torch_generator(0))
        except ValueError as error:
            if len(data) > batch_size > 1:
                return 2
            raise ValueError(
                "a layer of the model needs two images in each step, and said: "
                f"{first_line(error)}; got batch_size={batch_size} and "
                f"{plural(len(data), 'image')}. Take two or more of each."
            ) from error
    return 1


def run(
    steps: Iterator[float],
    expected: int,
    measure: Callable[[], dict[str, float]],
    on_epoch: OnEpoch | None = None,
    threads: int = 1,
) -> History:
    """Go through a training epoch by epoch, on so many threads: measure, report, show a bar.

    An interrupt ends it and loses nothing.
    """
    check_on_epoch(on_epoch)
    records: list[Epoch] = []
    stopped = interrupted = False
    try:
        with progress(expected, "training", "epoch") as bar, torch_threads(threads):
            for loss in steps:
                records.append(Epoch(len(records) + 1, loss, **measure()))
                bar.update()
                if on_epoch is not None and on_epoch(records[-1]) is True:
                    stopped = True
                    break
    except KeyboardInterrupt:
        stopped = interrupted = True
    return History(tuple(records), stopped, interrupted)


def check_on_epoch(on_epoch: OnEpoch | None) -> None:
    """Say at once that it cannot be called, not after the first epoch."""
    if on_epoch is not None and (not callable(on_epoch) or isinstance(on_epoch, type)):
        raise TypeError(
            f"on_epoch must be a function of one Epoch; got {shown(on_epoch)}. "
            "Pass on_epoch=print, or none."
        )


def checked_copy(model: nn.Module, data: Splits | Split) -> tuple[nn.Module, Split, Split | None]:
    """Return a copy of a model, what to train it on and what to measure it on, if they fit."""
    if not isinstance(data, (Splits, Split)):
        raise TypeError(
            "data must be a task in three parts (Splits) or images with their labels (a Split); "
            f"got {shown(data)}. Pass one, as wm.load_data('mnist') and its .train are."
        )
    part, test = (data.train, data.test) if isinstance(data, Splits) else (data, None)
    model = own_copy(check_model(model))  # before it is asked anything: some count, or remember
    check_fits(model, part, "data")
    if test:
        check_fits(model, test, "data.test")
    return model, part, test


def accuracy(model: nn.Module, split: Split) -> float:
    """Return the share of images that a model classifies correctly, 0 to 1."""
    check_fits(model, split, "split")
    return measured(model, split)["task_accuracy"]


def measured(model: nn.Module, test: Split | None) -> dict[str, float]:
    """Return the task accuracy of a model checked before; nothing without test images."""
    if not test:
        return {}
    labels, _ = predict(model, test.pixels)
    return {"task_accuracy": float((labels == test.labels).mean())}
