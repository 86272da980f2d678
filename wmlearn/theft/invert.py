"""Thieves who ask the weights themselves what they expect to see: does the secret show?"""

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

SURE = 0.99  # probability of its class at which an image is left alone


@dataclass(frozen=True, eq=False)
class Inverted:
    """What a model takes for each of its classes.

    Attributes
    ----------
    images : one for each class, float32 (classes, c, h, w), in [0, 1]
    sure : the probability that the model gives to its class, shape (classes,)
    """

    images: Images
    sure: np.ndarray

    def resemblance(self, images: Images, labels: Labels) -> np.ndarray:
        """Return how much each image resembles what was found for its label: the correlation of
        their pixels.

        Parameters
        ----------
        images : such as `triggers.images`, float (n, c, h, w); or, for the trigger alone, its ink
            on black
        labels : such as `triggers.labels`, int (n,)

        Returns
        -------
        Array of shape (n,), -1 to 1; 0 where one of the two is of one colour.
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
    """Return images as rows of numbers whose mean is 0."""
    rows: np.ndarray = images.reshape(len(images), -1)
    rows = rows - rows.mean(1, keepdims=True)
    return rows


@dataclass(frozen=True, repr=False)
class InvertModel(Theft):
    """Change an image, pixel by pixel, until the model takes it for a class: what it then shows,
    the model expects.

    A thief hopes to read the secret words this way. There are many images that a network takes for
    a 7, and most look like nothing at all.

    Parameters
    ----------
    start : "blank" (black), "noise", or "loot" (for each class, an image of another one)
    steps : at most so many, at least 1; an image that the model takes for its class with 99 % is
        left alone
    lr : how far each step goes, as a share of the range from black to white
    seed : draws the noise

    Source
    ------
    Fredrikson, Jha and Ristenpart (2015). They climb the probability; we its logarithm, whose slope
    can be felt from far below, and each step has the same length. Zhang et al. (2018) try it from
    all three starts.

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

    @torch.inference_mode(False)  # so slopes are taken inside the caller's torch.no_grad(), too
    def __call__(
        self,
        model: nn.Module,
        loot: Split | None = None,
        *,
        on_epoch: OnEpoch | None = None,
        threads: int = 1,
    ) -> Inverted:
        """Return an image for each class; Stop ends it early and keeps what is there.

        Parameters
        ----------
        model : what the thief took; it is left as it was
        loot : images of the thief's own; only "loot" starts from them, the others take their shape
            and classes
        on_epoch : not needed; taken so that all thieves who hold the weights can be called alike
        threads : of the processor; as for `wm.fit`
        """
        model = plain_copy(model).requires_grad_(False)
        check_fits(model, loot, "loot")
        assert loot is not None  # says mypy; `check_fits` has seen to it
        images = self._first(loot).to(weight_of(model)).requires_grad_()
        with torch_threads(threads), contextlib.suppress(KeyboardInterrupt):
            self._climb(model, images)
        sure = answer(model, images).softmax(1).diag()
        found = [part.detach().float().cpu().numpy() for part in (images, sure)]
        return Inverted(*found)

    @torch.backends.cudnn.flags(enabled=False)  # has no slopes of recurrent layers at rest
    def _climb(self, model: nn.Module, images: torch.Tensor) -> None:
        """Change images in place, step by step, until the model takes each for its class."""
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
        """Return the image from which each class is looked for, float (classes, c, h, w)."""
        classes = int(loot.labels.max()) + 1
        shape = (classes, *loot.shape)
        if self.start == "blank":
            return torch.zeros(shape, device="cpu")
        if self.start == "noise":
            return torch.rand(shape, generator=torch_generator(self.seed), device="cpu")
        others = [np.flatnonzero(loot.labels != label)[label:][:1] for label in range(classes)]
        return torch.from_numpy(loot.images[np.concatenate(others)])
