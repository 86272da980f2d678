"""Training in memory: the whole data set is one tensor, and a batch is a handful of its rows.

A `DataLoader` would collate the same images one by one; on a data set that fits in memory that costs six times the
training itself. It also draws from torch's global generator, so that merely evaluating would change what is learnt.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from wmlearn._checks import check_kind, check_labels, check_seed, first_line, shown
from wmlearn._random import seeded, torch_generator
from wmlearn._types import Labels, Pixels
from wmlearn.data import Split, Splits
from wmlearn.history import BATCH, Epoch, Fitted, History, OneCycle, OnEpoch, Rate
from wmlearn.models import answering, check_scores


def fit(
    model: nn.Module,
    data: Splits | Split,
    *,
    schedule: OneCycle = OneCycle(),
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
) -> Fitted:
    """Train a copy of a model on a task; the model passed in is left as it was.

    Parameters
    ----------
    model : scores (n, classes) from images (n, c, h, w) in [0, 1]
    data : a task (trains on `train`, measures on `test`), or one part of it, then nothing is measured
    schedule : how long and how fast, for instance `OneCycle(epochs=4)`
    seed : the order of the images
    on_epoch : called with an `Epoch` after each; returning True ends the training there. It cannot change the result

    Returns
    -------
    Fitted: the new model and its history. An interrupt (the stop button, Ctrl+C) keeps what was learnt so far.

    Raises
    ------
    TypeError, ValueError
        If one of them is something else, or the images or classes are not the model's.

    Source
    ------
    AdamW (Loshchilov and Hutter, 2019).
    """
    if not isinstance(data, (Splits, Split)):
        raise TypeError(
            "data must be a task in three parts (Splits) or images with their labels (a Split); "
            f"got {shown(data)}. Pass one, as wm.load_data('mnist') and its .train are."
        )
    part, test = (data.train, data.test) if isinstance(data, Splits) else (data, None)
    check_fits(model, part, "data")
    check_course(schedule, seed, on_epoch)
    model = copy.deepcopy(model)
    steps = islice(train(model, part, rate=schedule, batch=schedule.batch, seed=seed), schedule.epochs)
    measure = (lambda: {"task_accuracy": accuracy(model, test)}) if test else dict
    return Fitted(model, run(steps, schedule.epochs, measure, on_epoch))


def train(
    model: nn.Module, part: Split, *, rate: Rate, seed: int, extra: Split | None = None, batch: int = BATCH
) -> Iterator[float]:
    """Train a model in place on a part, and on extra images that are never varied: an epoch for each loss asked for."""
    if not any(weights.requires_grad for weights in model.parameters()):
        kind = type(model).__name__
        raise ValueError(f"model must have weights to train; got a {kind} without any. Add a layer, or unfreeze one.")
    images = Shown(part, extra)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    order = torch_generator(seed)
    for epoch in count():
        with seeded((seed + epoch) % 2**32):  # for what draws: layers as dropout does, and what varies images
            rates = [rate(epoch + start / len(images)) for start in range(0, len(images), batch)]
            batches = torch.randperm(len(images), generator=order).split(batch)
            loss = _one_epoch(model, images, optimiser, batches, rates)
        yield loss


class Shown:
    """What is trained on, as tensors: the images of a part, varied where it says how, then extra ones as they are."""

    def __init__(self, part: Split, extra: Split | None) -> None:
        parts = [part] if extra is None else [part, extra]
        self.pixels = torch.from_numpy(np.concatenate([each.pixels for each in parts]))
        self.labels = torch.from_numpy(np.concatenate([each.labels for each in parts]))
        self.vary, self.of_part = part.vary, len(part)

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return some of the images, float in [0, 1], and their labels."""
        pixels = self.pixels[rows]
        if self.vary is not None:
            for i in torch.nonzero(rows < self.of_part).flatten():
                pixels[i] = self._varied(pixels[i])
        return pixels.float() / 255, self.labels[rows]

    def _varied(self, image: Tensor) -> Tensor:
        try:
            varied = self.vary(image)
        except Exception as error:  # whatever a function of one's own may raise
            raise ValueError(
                f"vary must take one image, a uint8 tensor {tuple(image.shape)}; it failed on one: "
                f"{first_line(error)}. Try it by hand, on torch.from_numpy(data.train.pixels[0])."
            ) from error
        if not isinstance(varied, Tensor) or varied.dtype != torch.uint8 or varied.shape != image.shape:
            got = f"{varied.dtype} {tuple(varied.shape)}" if isinstance(varied, Tensor) else shown(varied)
            raise ValueError(
                f"vary must return an image like the one it got, torch.uint8 {tuple(image.shape)}; got {got}. "
                "Leave out what changes its size or turns it into floats."
            )
        return varied


def _one_epoch(
    model: nn.Module,
    images: Shown,
    optimiser: torch.optim.Optimizer,
    batches: Sequence[Tensor],
    rates: Sequence[float],
) -> float:
    """Show the model every image once, in the given batches, a learning rate each; return the mean loss."""
    model.train()
    total = 0.0
    try:
        for rows, lr in zip(batches, rates, strict=True):
            optimiser.param_groups[0]["lr"] = lr
            x, y = images.batch(rows)
            loss = functional.cross_entropy(model(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(rows)
    finally:
        model.eval()
    return total / len(images)


def run(
    steps: Iterator[float],
    expected: int,
    measure: Callable[[], dict[str, float]],
    on_epoch: OnEpoch | None = None,
) -> History:
    """Go through a training epoch by epoch: measure, report, show a bar. An interrupt ends it and loses nothing."""
    check_on_epoch(on_epoch)
    records: list[Epoch] = []
    # In a notebook the bar of another thread would appear in whatever cell happens to run.
    # And tqdm's bar for notebooks does not look at its own TQDM_DISABLE.
    hidden = threading.current_thread() is not threading.main_thread() or bool(os.environ.get("TQDM_DISABLE"))
    with tqdm(total=expected, desc="training", unit="epoch", leave=False, disable=hidden) as bar:
        try:
            for loss in steps:
                records.append(Epoch(len(records) + 1, loss, **measure()))
                bar.update()
                if on_epoch is not None and on_epoch(records[-1]) is True:
                    return History(tuple(records), stopped=True)
        except KeyboardInterrupt:
            return History(tuple(records), stopped=True)
    return History(tuple(records))


def check_course(schedule: OneCycle, seed: int, on_epoch: OnEpoch | None) -> None:
    """Say what is wrong with how to train, before anything is trained."""
    check_kind(schedule, "schedule", OneCycle, "such as wm.OneCycle(epochs=3)")
    check_seed(seed)
    check_on_epoch(on_epoch)


def check_on_epoch(on_epoch: OnEpoch | None) -> None:
    """Say at once that it cannot be called, not after the first epoch."""
    if on_epoch is not None and (not callable(on_epoch) or isinstance(on_epoch, type)):
        raise TypeError(
            f"on_epoch must be a function of one Epoch; got {shown(on_epoch)}. Pass on_epoch=print, or none."
        )


def check_fits(model: nn.Module, part: Split, what: str) -> None:
    """Say what is wrong with a model or its images here, before torch says it in its own words."""
    if not isinstance(model, nn.Module):
        inside = isinstance(getattr(model, "model", None), nn.Module)
        hint = "Pass its .model." if inside else "Make one, as wm.small_cnn(data) does."
        raise TypeError(f"model must be a network (torch.nn.Module); got {shown(model)}. {hint}")
    if not isinstance(part, Split):
        raise TypeError(
            f"{what} must be images with their labels (a Split); got {shown(part)}. Pass one, as data.loot is."
        )
    if not len(part):
        raise ValueError(f"{what} must hold at least one image; got none. Look at what chose them.")
    shape = tuple(getattr(model, "input_shape", part.shape))
    if part.shape != shape:
        raise ValueError(
            f"{what} must have the model's input shape {shape}; got {part.shape}. Take a model made for these data."
        )
    if hasattr(model, "classes"):
        check_labels(part.labels, count=len(part), classes=model.classes, what=f"labels of {what}")
    check_scores(model, part, what)


def predict(model: nn.Module, pixels: Pixels) -> Labels:
    """Return the class a model gives to each 8-bit image, shape (n,); its mode is put back, nothing random is drawn."""
    batches = torch.from_numpy(np.array(pixels)).split(250)
    with answering(model):
        found = [model(batch.float() / 255).argmax(1) for batch in batches]
    return torch.cat(found).numpy()


def accuracy(model: nn.Module, split: Split) -> float:
    """Return the share of images that a model classifies rightly, 0 to 1."""
    check_fits(model, split, "split")
    return float((predict(model, split.pixels) == split.labels).mean())
