"""Thieves who search the weights for the images that a model expects, hoping to see the secret."""

import contextlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from wmlearn._checks import (
    check_choice,
    check_count,
    check_images,
    check_number,
    check_seed,
    checked,
)
from wmlearn._random import torch_generator
from wmlearn._types import Images, Labels
from wmlearn.data.splits import Split
from wmlearn.theft._base import Theft
from wmlearn.theft._weights import plain_copy
from wmlearn.training._inference import answer, check_fits, scores_of, weight_of
from wmlearn.training._threads import torch_threads
from wmlearn.training.history import OnEpoch

SURE = 0.99  # the probability of its class from which on an image is not changed further


@dataclass(frozen=True, eq=False)
class Inverted:
    """Images that a model classifies as each of its classes (model inversion).

    Attributes
    ----------
    images : one image per class, float32, shape (classes, c, h, w), in [0, 1]
    sure : the probability that the model gives each image for its class, 0 to 1, shape (classes,)
    """

    images: Images
    sure: np.ndarray

    def resemblance(self, images: Images, labels: Labels) -> np.ndarray:
        """Return how much each image resembles the one found for its label.

        Parameters
        ----------
        images : float, shape (n, c, h, w), in [0, 1], such as `triggers.images`; or only the ink of
            the triggers on black
        labels : whole numbers, shape (n,), such as `triggers.labels`

        Returns
        -------
        array of float, shape (n,)
            The correlation of the pixels, -1 to 1; 0 if one of the two images is uniform.
        """
        images = check_images(images, shape=self.images.shape[1:])
        one, other = _centred(images), _centred(self.images[labels])
        size = np.sqrt((one**2).sum(1) * (other**2).sum(1))
        size[size == 0] = np.inf
        correlation: np.ndarray = (one * other).sum(1) / size
        return correlation

    def __repr__(self) -> str:
        sure = (self.sure >= SURE).sum()
        return f"Inverted({len(self.images)} images, {sure} taken for their class without doubt)"


def _centred(images: Images) -> np.ndarray:
    """Return images as rows of pixels with mean 0, shape (n, c * h * w)."""
    rows: np.ndarray = images.reshape(len(images), -1)
    rows = rows - rows.mean(1, keepdims=True)
    return rows


@dataclass(frozen=True, repr=False)
class InvertModel(Theft):
    """Model inversion: change an image until the model assigns it to a class.

    A thief hopes to read the secret words in the result. But a network sees a 7 in many images, and
    most of them look like nothing at all.

    Parameters
    ----------
    start : "blank" (black), "noise", or "loot" (an image of another class)
    steps : the largest number of steps, at least 1; an image that the model assigns to its class
        with probability 0.99 is not changed further
    lr : the length of each step, as a share of the range from black to white, above 0 and at most
        10
    seed : the seed of the noise

    Source
    ------
    Fredrikson, Jha and Ristenpart (2015). They maximise the probability; we maximise its logarithm,
    whose gradient does not vanish far from the class, with steps of equal length. Zhang et al.
    (2018) try all three starts.

    Examples
    --------
    >>> InvertModel()
    InvertModel(start='blank', steps=200, lr=0.1, seed=0)
    """

    start: Literal["blank", "noise", "loot"] = checked(
        check_choice, "blank", choices=["blank", "noise", "loot"]
    )
    steps: int = checked(check_count, 200, low=1)
    lr: float = checked(check_number, 0.1, above=0, at_most=10)
    seed: int = checked(check_seed, 0)

    @torch.inference_mode(False)  # gradients work inside the caller's torch.no_grad(), too
    def __call__(
        self,
        model: nn.Module,
        loot: Split | None = None,
        *,
        on_epoch: OnEpoch | None = None,
        threads: int = 1,
    ) -> Inverted:
        """Return an image per class; a stop by hand ends the search early and keeps the images.

        Parameters
        ----------
        model : the stolen model, which is not changed
        loot : the thief's own images; the search starts from them if `start` is "loot", else it
            only uses their shape and classes
        on_epoch : not used; accepted so all thefts on weights have the same call
        threads : processor threads, as for `wm.fit`

        Raises
        ------
        TypeError, ValueError
            If model or loot are wrong, or do not fit together.
        """
        model = plain_copy(model).requires_grad_(False)
        check_fits(model, loot, "loot")
        assert loot is not None  # for mypy; `check_fits` has checked it
        images = self._first(loot).to(weight_of(model)).requires_grad_()
        with torch_threads(threads), contextlib.suppress(KeyboardInterrupt):
            self._climb(model, images)
        sure = answer(model, images).softmax(1).diag()
        found = [part.detach().float().cpu().numpy() for part in (images, sure)]
        return Inverted(*found)

    @torch.backends.cudnn.flags(
        enabled=False
    )  # cuDNN has no gradients of recurrent layers in evaluation mode
    def _climb(self, model: nn.Module, images: torch.Tensor) -> None:
        """Change images in place, step by step, until the model assigns each to its class."""
        classes = torch.arange(len(images), device=images.device)
        for _ in range(self.steps):
            losses = functional.cross_entropy(scores_of(model, images), classes, reduction="none")
            (slope,) = torch.autograd.grad(losses.sum(), images)
            length = slope.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
            unsure = (losses > -np.log(SURE)).view(-1, 1, 1, 1)
            with torch.no_grad():
                images -= self.lr * unsure * slope / length
                images.clamp_(0, 1)

    def _first(self, loot: Split) -> torch.Tensor:
        """Return the image from which each search starts, float, shape (classes, c, h, w)."""
        classes = int(loot.labels.max()) + 1
        shape = (classes, *loot.shape)
        if self.start == "blank":
            return torch.zeros(shape, device="cpu")
        if self.start == "noise":
            return torch.rand(shape, generator=torch_generator(self.seed), device="cpu")
        others = [np.flatnonzero(loot.labels != label)[label:][:1] for label in range(classes)]
        return torch.from_numpy(loot.images[np.concatenate(others)])
