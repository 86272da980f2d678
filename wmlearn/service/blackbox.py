"""The black box: a model that shows its answers and nothing else.

It is in this process (`BlackBox`) or behind HTTP (`RemoteModel`). Both are a `Query`: images in,
labels out, -1 where no answer came. Some tell their scores, too, by `scores`. Neither torch nor
httpx is loaded before it is needed, so a judge can question a service on a machine without torch.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from wmlearn._checks import check_count, check_images, check_kind
from wmlearn._display import plural
from wmlearn._types import Images, Labels
from wmlearn.training._inference import check_model, predict

if TYPE_CHECKING:
    from torch import nn


class Metered:
    """Counts the images asked, and refuses those beyond the budget."""

    def __init__(self, budget: int | None) -> None:
        if budget is not None:
            budget = check_count(budget, "budget", low=0, hint="Leave it out for no limit.")
        self.budget = budget
        self.queries = 0
        self.refused = 0
        self._lock = threading.Lock()  # one caller at a time: the counts stay exact

    def _grant(self, wanted: int) -> int:
        """Return how many of `wanted` images may still be asked, and count them."""
        left = wanted if self.budget is None else max(self.budget - self.queries, 0)
        granted = min(wanted, left)
        self.queries += granted
        self.refused += wanted - granted
        return granted


class BlackBox(Metered):
    """A model in this process that answers with labels, and with nothing else unless told to.

    Parameters
    ----------
    model : torch.nn.Module, images (n, c, h, w) in [0, 1] -> scores (n, classes)
        Of several outputs the one called `logits` counts, or the one as wide as `model.classes`;
        one column is a sigmoid's, of two classes. On any device, in any dtype. It is never
        changed: one in training mode is copied before it answers in evaluation mode.
    budget : the most images it will ever answer; the rest get -1. None: no limit.
    scores : whether it tells the probability of every class to whoever asks by
        `suspect.scores(images)`

    Attributes
    ----------
    queries : images asked so far
    refused : images that got -1 because the budget was spent

    Raises
    ------
    TypeError
        If `model` is no torch module.

    Examples
    --------
    >>> from torch import nn
    >>> suspect = BlackBox(nn.Flatten(), budget=2)  # a "model" whose scores are the pixels
    >>> suspect(np.eye(3, dtype=np.float32).reshape(3, 1, 1, 3))
    array([ 0,  1, -1])
    >>> suspect
    BlackBox(Flatten, 2 images asked)
    """

    def __init__(
        self, model: nn.Module, *, budget: int | None = None, scores: bool = False
    ) -> None:
        super().__init__(budget)
        self.model = check_model(model)
        self._tells = check_kind(scores, "scores", bool, "True or False")

    def __call__(self, images: Images) -> Labels:
        """Return the label of each image, shape (n,); -1 once the budget is spent.

        Parameters
        ----------
        images : float array of shape (n, c, h, w), in [0, 1]

        Raises
        ------
        ValueError
            If the images do not fit, or the model's scores for one are NaN: then no class is the
            highest, and no label is evidence.
        """
        return self._predict(images)[0]

    def scores(self, images: Images) -> np.ndarray:
        """Return the probability of each class, float32 (n, K); a row of NaN once the budget is
        spent.

        Parameters
        ----------
        images : float array of shape (n, c, h, w), in [0, 1]

        Raises
        ------
        ValueError
            If the box gives labels only.
        """
        if not self._tells:
            raise ValueError(
                "expected scores; this box gives labels only. Make it by BlackBox(model, "
                "scores=True)."
            )
        return self._predict(images)[1]

    def _predict(self, images: Images) -> tuple[Labels, np.ndarray]:
        """Return labels and probabilities, -1 and NaN for what the budget does not grant."""
        images = check_images(images, shape=getattr(self.model, "input_shape", None))
        with self._lock:
            granted = self._grant(len(images))
            labels, scores = predict(self.model, images[:granted])
        rest = (0, len(images) - granted)
        return (
            np.pad(labels, rest, constant_values=-1),
            np.pad(scores, (rest, (0, 0)), constant_values=np.nan),
        )

    def __repr__(self) -> str:
        return f"BlackBox({type(self.model).__name__}, {plural(self.queries, 'image')} asked)"
