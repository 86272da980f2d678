"""Training in memory: the whole data set is one tensor, and a batch is some of its rows.

A `DataLoader` would collate the images one by one, which takes six times as long as the training
itself on a data set that fits in memory. It also draws from torch's global generator, so even an
evaluation would change the training.
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

# takes the model, a batch of images (n, c, h, w) and labels (n,), and a generator
Loss = Callable[[nn.Module, Tensor, Tensor, torch.Generator], Tensor]
OwnLoss = Callable[[Tensor, Tensor], Tensor]  # (scores (n, classes), labels (n,)) -> one number
Factory = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def cross_entropy(
    model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
) -> Tensor:
    """Return the mean cross-entropy of a model on a batch, in nats."""
    scores = scores_of(model, images)
    return functional.cross_entropy(scores, labels.to(scores.device))


def as_loss(own: OwnLoss | None) -> Loss:
    """Return a user's function of scores and labels as the loss of a batch; else cross-entropy."""
    if own is None:
        return cross_entropy

    def of_batch(
        model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the function's value for a batch, if it is one number with a gradient."""
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
        except Exception as error:  # a user's function may raise anything
            raise TypeError(f"{expected}; got: {first_line(error)}. {step}") from error
        return mean

    return of_batch


def adamw(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the default optimizer, AdamW, whose learning rate the schedule sets."""
    return torch.optim.AdamW(parameters, lr=1.0, weight_decay=1e-2)


def _optimizer(factory: Factory, model: nn.Module) -> tuple[torch.optim.Optimizer, list[float]]:
    """Return a factory's optimizer for a model, and the learning rate of each of its groups."""
    expected = "optimizer must be a function from parameters to a torch optimizer of just these"
    step = "Pass functools.partial(torch.optim.SGD, lr=0.01, momentum=0.9), for instance."
    weights = list(model.parameters())
    try:
        made = factory(weights)
        rates = [float(group["lr"]) for group in made.param_groups]
        held = chain.from_iterable(group["params"] for group in made.param_groups)
        if set(map(id, held)) - set(map(id, weights)):
            raise ValueError("one of other parameters, perhaps those of the original model")
    except Exception as error:  # a user's function may raise or return anything
        raise TypeError(f"{expected}; got: {first_line(error)}. {step}") from error
    return made, rates


class TensorData:
    """The training data as tensors: a part with its augmentation, and extra images without.

    Images are shared instead of copied if possible, and repeated parts are kept only once.
    """

    def __init__(self, part: Split, *extra: Split) -> None:
        parts = (part, *extra)
        self.labels = torch.from_numpy(np.concatenate([each.labels for each in parts]))
        self.vary = part.vary
        self.of_part = len(part)
        self.kept: list[Tensor] = []
        places: dict[int, range] = {}  # positions of each part among the images kept
        end = 0
        for each in parts:
            if id(each) not in places:
                places[id(each)] = range(end, end + len(each))
                end += len(each)
                # torch warns about read-only arrays
                self.kept.append(torch.from_numpy(np.require(each.pixels, requirements="W")))
        rows = np.concatenate([places[id(each)] for each in parts])
        self.places = torch.from_numpy(rows.astype(np.int64))

    def move_to(self, device: torch.device) -> None:
        """Move the images to a device, if there is memory and no augmentation."""
        if self.vary is None:  # a user's augmentation runs on the CPU
            with suppress(RuntimeError):  # out of memory: each batch is moved by itself
                self.kept = [pixels.to(device) for pixels in self.kept]

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images, in [0, 1], and labels of some rows, in a weight's device and dtype."""
        pixels = self._pixels(self.places[rows])
        if self.vary is not None:
            for i in torch.nonzero(rows < self.of_part).flatten():
                pixels[i] = _varied(self.vary, pixels[i])
        labels = self.labels[rows].to(weight.device)
        if labels.is_floating_point():  # scores from a service
            labels = labels.to(weight.dtype)
        return as_input(pixels, weight), labels

    def _pixels(self, places: Tensor) -> Tensor:
        """Return a copy of images by their positions among those kept."""
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
    """Return an image changed by a user's function, or raise an error that helps."""
    try:
        varied = vary(image)
        got = f"{varied.dtype} {tuple(varied.shape)}"
    except Exception as error:  # a user's function may raise anything
        raise ValueError(
            f"vary must take one image, a uint8 tensor {tuple(image.shape)}; it failed on one: "
            f"{first_line(error)}. Try it on torch.from_numpy(data.train.pixels[0])."
        ) from error
    if (varied.dtype, varied.shape) == (image.dtype, image.shape):
        return varied
    raise ValueError(
        f"vary must return an image like the one it got, torch.uint8 {tuple(image.shape)}; got "
        f"{got}. Leave out steps that change its size or turn it into floats."
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
    """Train a copy of a model on a task; the original is not changed.

    Parameters
    ----------
    model : a network from images (n, c, h, w) in [0, 1] to scores (n, classes); of several outputs
        the one called `logits` counts, or the one as wide as `model.classes`. The copy trains on
        its device and in its dtype
    data : a task, to train on `train` and measure on `test`; or one part, without measurements
    schedule : how long and how fast, for instance `Schedule(epochs=4)`
    seed : the order of the images, 0 to 2**32 - 1
    on_epoch : called with an `Epoch` after each epoch; returning True ends the training. It cannot
        change the result otherwise
    threads : processor threads, 1 to 1024; with more than one the last digits differ
    optimizer : a function from parameters to a torch optimizer, such as
        `functools.partial(torch.optim.SGD, lr=0.01, momentum=0.9)`; its learning rate replaces the
        schedule's `max_lr`, and rises and falls as the schedule says. By default AdamW
    loss : a function of scores (n, classes) and labels (n,) that returns one number, such as
        `torch.nn.CrossEntropyLoss(label_smoothing=0.1)`
    autocast : `torch.bfloat16` or `torch.float16`, for mixed precision; weights and measurements
        keep the model's dtype

    Returns
    -------
    Fitted
        The new model and its history. A stop by hand (stop button, Ctrl+C) keeps the model as it is
        then.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, images or classes do not fit the model, the model has nothing to
        train, or its scores become NaN or infinite.

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
    """Return a checked schedule with epochs and batch size for the images of a part."""
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
    """Return the epochs of `train` by a resolved schedule, after checking the other arguments."""
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
        """Return the learning rate as a share of the highest one."""
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


@torch.inference_mode(False)  # gradients work inside the caller's torch.no_grad(), too
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
    """Train a model in place, and yield the mean loss of each epoch; all training happens here.

    Parameters
    ----------
    model, data : the model and its data; batches are moved to the model's device and dtype
    rate : a function from epochs done, with fractions, to the factor of the learning rates
    seed : the order of the images, and all other random draws
    batch_size : images per step; if a layer needs two images, a single one that is left over joins
        the step before
    loss : the function to minimise
    optimizer : makes the optimizer from the parameters
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
    if autocast is torch.float16:  # small gradients would be lost
        scaler = torch.amp.GradScaler(weight.device.type)
    generator = torch_generator(seed)
    smallest = _smallest_batch(model, data, batch_size, loss)
    for epoch in count():
        order = torch.randperm(len(data), generator=generator, device="cpu")
        batches = list(order.split(batch_size))
        if len(batches[-1]) < smallest:
            batches[-2:] = [torch.cat(batches[-2:])]
        total = 0.0
        with seeded((seed + epoch) % 2**32):  # for dropout and augmentation
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
                    del images  # frees memory before the next batch
            finally:
                model.eval()
        yield total / len(data)


def check_trainable(model: nn.Module) -> None:
    """Raise an error if a model cannot be trained."""
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
    """Return how many images a step needs: two if a layer refuses a single one, else one."""
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
                "a layer of the model needs two images per step "
                f"({first_line(error)}); got batch_size={batch_size} and "
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
    """Run a training epoch by epoch, with measurements, calls of `on_epoch` and a progress bar.

    A stop by hand ends the training and loses nothing.

    Parameters
    ----------
    steps : the training, which yields the loss of each epoch
    expected : the number of epochs, for the progress bar
    measure : returns further fields of `Epoch`
    on_epoch, threads : as for `fit`
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
    """Raise an error before the first epoch if `on_epoch` is not a function."""
    if on_epoch is not None and (not callable(on_epoch) or isinstance(on_epoch, type)):
        raise TypeError(
            f"on_epoch must be a function of one Epoch; got {shown(on_epoch)}. "
            "Pass on_epoch=print, or leave it out."
        )


def checked_copy(model: nn.Module, data: Splits | Split) -> tuple[nn.Module, Split, Split | None]:
    """Return a copy of a model, its training part and its test part, if they fit together."""
    if not isinstance(data, (Splits, Split)):
        raise TypeError(
            "data must be a task in three parts (Splits) or images with their labels (a Split); "
            f"got {shown(data)}. Pass one, as wm.load_data('mnist') and its .train are."
        )
    part, test = (data.train, data.test) if isinstance(data, Splits) else (data, None)
    model = own_copy(check_model(model))  # before the first query: some networks count or remember
    check_fits(model, part, "data")
    if test:
        check_fits(model, test, "data.test")
    return model, part, test


def accuracy(model: nn.Module, split: Split) -> float:
    """Return the share of images that a model classifies correctly, 0 to 1.

    Parameters
    ----------
    model : a network, as for `fit`
    split : images with their labels, such as `data.test`; at least one

    Raises
    ------
    TypeError, ValueError
        If model or images are wrong, or do not fit together.
    """
    check_fits(model, split, "split")
    return measured(model, split)["task_accuracy"]


def measured(model: nn.Module, test: Split | None) -> dict[str, float]:
    """Return the task accuracy of a model that was checked; an empty dict without test images."""
    if not test:
        return {}
    labels, _ = predict(model, test.pixels)
    return {"task_accuracy": float((labels == test.labels).mean())}
