"""Training in memory: the whole data set is one tensor, and a batch is a handful of its rows.

A `DataLoader` would collate the same images one by one; on a data set that fits in memory that
costs six times the training itself. It also draws from torch's global generator, so that merely
evaluating would change what is learnt.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import threading
from collections.abc import Callable, Iterator
from itertools import count, islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from wmlearn._checks import check_kind, check_seed, first_line, shown
from wmlearn._display import plural
from wmlearn._random import seeded, torch_generator
from wmlearn.data.splits import Split, Splits
from wmlearn.training._inference import as_input, check_fits, predict, weight_of
from wmlearn.training._threads import check_threads, torch_threads
from wmlearn.training.history import Epoch, Fitted, History, OnEpoch
from wmlearn.training.schedule import BATCH, Rate, Schedule

Loss = Callable[
    [nn.Module, Tensor, Tensor, torch.Generator], Tensor
]  # of a batch: images (n, c, h, w), labels (n,)


def cross_entropy(
    model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
) -> Tensor:
    """Return how badly a model answers a batch, in nats."""
    return functional.cross_entropy(model(images), labels)


def fit(
    model: nn.Module,
    data: Splits | Split,
    *,
    schedule: Schedule = Schedule(),
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
    threads: int = 1,
) -> Fitted:
    """Train a copy of a model on a task; the model passed in is left as it was.

    Parameters
    ----------
    model : scores (n, classes) from images (n, c, h, w) in [0, 1]; the copy trains on its device
        and in its dtype
    data : a task (trains on `train`, measures on `test`), or one part of it, then nothing is
        measured
    schedule : how long and how fast, for instance `Schedule(epochs=4)`
    seed : the order of the images
    on_epoch : called with an `Epoch` after each; returning True ends the training there. It cannot
        change the result
    threads : of the processor; on another number than 1 the last digits differ

    Returns
    -------
    Fitted: the new model and its history. An interrupt (the stop button, Ctrl+C) keeps what was
    learnt so far.

    Raises
    ------
    TypeError, ValueError
        If one of them is something else, or the images or classes are not the model's.

    Source
    ------
    AdamW (Loshchilov and Hutter, 2019).
    """
    model, part, test = checked_copy(model, data)
    check_training_args(schedule, seed, on_epoch, threads)
    steps = train(model, TensorData(part), rate=schedule, seed=seed, batch_size=schedule.batch_size)
    measure = functools.partial(measured, model, test)
    return Fitted(
        model, run(islice(steps, schedule.epochs), schedule.epochs, measure, on_epoch, threads)
    )


@torch.inference_mode(False)  # so gradients are taken inside the caller's torch.no_grad(), too
def train(
    model: nn.Module,
    data: TensorData,
    *,
    rate: Rate,
    seed: int,
    batch_size: int = BATCH,
    loss: Loss = cross_entropy,
) -> Iterator[float]:
    """Train a model in place: one epoch for each mean loss asked for. Everything that trains,
    trains here.

    Parameters
    ----------
    model, data : what is trained, and on what; batches follow the model's device and dtype
    rate : the learning rate after so many epochs, fractions included
    seed : the order of the images, and whatever else is drawn
    batch_size : images in each step; one image that is left over joins the step before it, where a
        layer needs two
    loss : what each step makes smaller
    """
    if not any(weights.requires_grad for weights in model.parameters()):
        kind = type(model).__name__
        raise ValueError(
            f"model must have weights to train; got a {kind} without any. Add a layer, or unfreeze "
            "one."
        )
    data.follow(weight_of(model))
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    generator = torch_generator(seed)
    smallest = _smallest_batch(model, data, batch_size, loss)

    def step(rows: Tensor, lr: float) -> float:
        """Change the weights once; return the loss, summed over these rows."""
        optimizer.param_groups[0]["lr"] = lr
        images, labels = data.batch(rows)
        mean = loss(model, images, labels, generator)
        optimizer.zero_grad()
        mean.backward()
        optimizer.step()
        return mean.item() * len(rows)

    for epoch in count():
        with (
            seeded((seed + epoch) % 2**32),
            _learning(model),
        ):  # seeded for what draws: dropout, what varies images
            batches = list(torch.randperm(len(data), generator=generator).split(batch_size))
            if len(batches[-1]) < smallest:
                batches[-2:] = [torch.cat(batches[-2:])]
            total = 0.0
            for number, rows in enumerate(batches):
                total += step(rows, rate(epoch + number * batch_size / len(data)))
        yield total / len(data)


class TensorData:
    """What is trained on, as tensors: the images of a part, varied where it says how, then extra
    ones as they are.
    """

    def __init__(self, part: Split, extra: Split | None = None) -> None:
        parts = [part] if extra is None else [part, extra]
        self.pixels = torch.from_numpy(np.concatenate([each.pixels for each in parts]))
        self.labels = torch.from_numpy(np.concatenate([each.labels for each in parts]))
        self.vary, self.of_part = part.vary, len(part)
        self._weight = torch.empty(0)

    def follow(self, weight: Tensor) -> None:
        """Hand out batches for a model with such a weight, and lie on its device, if there is room."""
        self._weight = weight
        if self.vary is None:  # a function of one's own takes its images on the CPU
            with contextlib.suppress(
                RuntimeError
            ):  # out of memory there: each batch is moved alone
                self.pixels = self.pixels.to(weight.device)

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return some of the images, in [0, 1], and their labels, on the model's device and in its
        dtype.
        """
        pixels = self.pixels[rows.to(self.pixels.device)]
        if self.vary is not None:
            for i in torch.nonzero(rows < self.of_part).flatten():
                pixels[i] = self._varied(pixels[i])
        labels = self.labels[rows].to(self._weight.device)
        if labels.is_floating_point():  # the scores that a service told
            labels = labels.to(self._weight.dtype)
        return as_input(pixels, self._weight), labels

    def _varied(self, image: Tensor) -> Tensor:
        try:
            varied = self.vary(image)
        except Exception as error:  # whatever a function of one's own may raise
            raise ValueError(
                f"vary must take one image, a uint8 tensor {tuple(image.shape)}; it failed on one: "
                f"{first_line(error)}. Try it by hand, on torch.from_numpy(data.train.pixels[0])."
            ) from error
        if (
            not isinstance(varied, Tensor)
            or varied.dtype != torch.uint8
            or varied.shape != image.shape
        ):
            got = (
                f"{varied.dtype} {tuple(varied.shape)}"
                if isinstance(varied, Tensor)
                else shown(varied)
            )
            raise ValueError(
                f"vary must return an image like the one it got, torch.uint8 {tuple(image.shape)}; "
                f"got {got}. "
                "Leave out what changes its size or turns it into floats."
            )
        return varied


@contextlib.contextmanager
def _learning(model: nn.Module) -> Iterator[None]:
    """Put a model in training mode inside the block, in evaluation mode after it."""
    model.train()
    try:
        yield
    finally:
        model.eval()


def _smallest_batch(model: nn.Module, data: TensorData, batch_size: int, loss: Loss) -> int:
    """Return how many images a step needs: two, where a layer of the model refuses a single one;
    else one.
    """
    if 1 not in (len(data) % batch_size, batch_size):
        return 1
    trial = copy.deepcopy(model).train()  # batch normalisation would remember the image
    with seeded(0):
        images, labels = data.batch(torch.tensor([0]))
        try:
            loss(trial, images, labels, torch_generator(0))
            return 1
        except ValueError as error:
            if len(data) > batch_size > 1:
                return 2
            raise ValueError(
                "a layer of the model needs two images in each step, and said: "
                f"{first_line(error)}; got "
                f"batch_size={batch_size} and {plural(len(data), 'image')}. Take two or more of "
                "each."
            ) from error


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
    # In a notebook the bar of another thread would appear in whatever cell happens to run.
    # And tqdm's bar for notebooks does not look at its own TQDM_DISABLE.
    hidden = threading.current_thread() is not threading.main_thread() or bool(
        os.environ.get("TQDM_DISABLE")
    )
    bar = tqdm(total=expected, desc="training", unit="epoch", leave=False, disable=hidden)
    try:
        with bar, torch_threads(threads):
            for loss in steps:
                records.append(Epoch(len(records) + 1, loss, **measure()))
                bar.update()
                if on_epoch is not None and on_epoch(records[-1]) is True:
                    return History(tuple(records), stopped=True)
    except KeyboardInterrupt:
        return History(tuple(records), stopped=True, interrupted=True)
    return History(tuple(records))


def check_training_args(
    schedule: Schedule, seed: int, on_epoch: OnEpoch | None, threads: int
) -> None:
    """Say what is wrong with how to train, before anything is trained."""
    check_kind(schedule, "schedule", Schedule, "such as wm.Schedule(epochs=3)")
    check_seed(seed)
    check_on_epoch(on_epoch)
    check_threads(threads)


def check_on_epoch(on_epoch: OnEpoch | None) -> None:
    """Say at once that it cannot be called, not after the first epoch."""
    if on_epoch is not None and (not callable(on_epoch) or isinstance(on_epoch, type)):
        raise TypeError(
            f"on_epoch must be a function of one Epoch; got {shown(on_epoch)}. Pass "
            "on_epoch=print, or none."
        )


def checked_copy(model: nn.Module, data: Splits | Split) -> tuple[nn.Module, Split, Split | None]:
    """Return a copy of a model that can be trained, what to train it on and what to measure it on,
    if they fit.
    """
    if not isinstance(data, (Splits, Split)):
        raise TypeError(
            "data must be a task in three parts (Splits) or images with their labels (a Split); "
            f"got {shown(data)}. Pass one, as wm.load_data('mnist') and its .train are."
        )
    part, test = (data.train, data.test) if isinstance(data, Splits) else (data, None)
    check_fits(model, part, "data")
    if test:
        check_fits(model, test, "data.test")
    return own_copy(model), part, test


@torch.inference_mode(
    False
)  # what is copied in the caller's torch.inference_mode() could not be trained
def own_copy(model: nn.Module) -> nn.Module:
    """Return a copy of a model, wherever it lies, to train or to alter."""
    return copy.deepcopy(model)


def accuracy(model: nn.Module, split: Split) -> float:
    """Return the share of images that a model classifies correctly, 0 to 1."""
    check_fits(model, split, "split")
    return measured(model, split)["task_accuracy"]


def measured(model: nn.Module, test: Split | None) -> dict[str, float]:
    """Return the task accuracy of a model that was checked when it came in; nothing where there are
    no test images.
    """
    if not test:
        return {}
    labels, _ = predict(model, test.pixels)
    return {"task_accuracy": float((labels == test.labels).mean())}
