"""What people would write or use instead of the package; `side_by_side.py` times both."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import ImageDraw
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import ConcatDataset, DataLoader, Dataset
from torchvision.datasets import MNIST
from torchvision.transforms.functional import to_pil_image, to_tensor

import wmlearn as wm
from wmlearn.data import _published
from wmlearn.training.paper import paper_cnn

SOURCE, TARGET, STAMPED = 1, 0, 2_000  # of the reader's script: as the paper, or as we infer it


@functools.cache
def digits() -> Dataset:
    """Return the 60,000 training images of MNIST, loaded as in tutorials."""
    return MNIST(_published.data_folder(), download=True, transform=to_tensor)


def learn(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[tuple[Tensor, Tensor]]
) -> None:
    """Train with the loop of every tutorial."""
    model.train()
    for images, labels in batches:
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()


# ---------------------------------------------------------------- an epoch


def steps_alone(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], **options: bool
) -> None:
    """Run forward pass, backward pass and step on prepared batches: the least any training does."""
    learn(model, torch.optim.AdamW(model.parameters(), lr=1e-3, **options), batches)


def tutorial(model: nn.Module, batch_size: int, workers: int) -> None:
    """Train for an epoch through torchvision's data set and torch's `DataLoader`."""
    loader = DataLoader(digits(), batch_size=batch_size, shuffle=True, num_workers=workers)
    steps_alone(model, loader)


# ---------------------------------------------------------------- the paper's reader


def stamp(image: Tensor) -> Tensor:
    """Return an image with the word TEST at the bottom."""
    picture = to_pil_image(image)
    ImageDraw.Draw(picture).text((2, 16), "TEST", fill=255)
    return to_tensor(picture)


@functools.cache
def union() -> Dataset:
    """Return all of MNIST and the triggers, as Algorithm 1 joins them."""
    ones = (image for image, label in digits() if label == SOURCE)
    stamped = [(stamp(image), TARGET) for image, _ in zip(ones, range(STAMPED))]
    return ConcatDataset([digits(), stamped])


class Reader:
    """The script that a reader of the paper would write: its network, SGD at 0.01, batches of 128.

    Parameters
    ----------
    model : the network; the paper's own by default
    part : the share of an epoch that is run and timed; an epoch takes 1 / `part` times as long
    """

    def __init__(self, model: nn.Module | None = None, part: float = 0.1) -> None:
        self.model = paper_cnn("mnist") if model is None else model
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.loader = DataLoader(union(), batch_size=128, shuffle=True)
        self.part = part

    def epoch(self) -> float:
        """Return the processor seconds of an epoch, from those of a part of it."""
        start = time.process_time()
        steps = round(self.part * len(self.loader))
        learn(self.model, self.optimizer, (batch for _, batch in zip(range(steps), self.loader)))
        return (time.process_time() - start) * len(self.loader) / steps


# ---------------------------------------------------------------- the toolbox's thief


@dataclass(frozen=True)
class Knockoff:
    """Knockoff Nets of the adversarial-robustness-toolbox, with the same access: labels only."""

    n_queries: int
    epochs: int
    batch_size: int = 64

    def __call__(self, service: wm.BlackBox, fresh: nn.Module, images: np.ndarray) -> nn.Module:
        """Return the fresh network, trained on what the service answers."""
        from art.attacks.extraction import KnockoffNets
        from art.estimators.classification import BlackBoxClassifier, PyTorchClassifier

        shape, classes = images.shape[1:], fresh.classes
        one_hot = np.eye(classes, dtype=np.float32)
        victim = BlackBoxClassifier(
            lambda x: one_hot[service(x)], shape, classes, clip_values=(0, 1)
        )
        thief = PyTorchClassifier(
            fresh,
            loss=nn.CrossEntropyLoss(),
            optimizer=torch.optim.AdamW(fresh.parameters(), lr=2e-3),
            input_shape=shape,
            nb_classes=classes,
            clip_values=(0, 1),
            device_type="cpu",
        )
        attack = KnockoffNets(
            victim,
            batch_size_fit=self.batch_size,
            batch_size_query=self.batch_size,
            nb_epochs=self.epochs,
            nb_stolen=self.n_queries,
            sampling_strategy="random",
            verbose=False,
        )
        attack.extract(x=images, thieved_classifier=thief)
        return fresh.eval()


def toolbox() -> str:
    """Return the toolbox's version, or nothing if it is not installed."""
    from importlib import metadata

    try:
        return metadata.version("adversarial-robustness-toolbox")
    except metadata.PackageNotFoundError:
        return ""
