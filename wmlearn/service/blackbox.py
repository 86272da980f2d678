"""The black box: a model that shows its answers and nothing else.

It is in this process (`BlackBox`) or behind HTTP (`RemoteModel`). Both are a `Query`, a function
from images to labels, with -1 for an image without an answer. Some also give scores. Neither torch
nor httpx is imported before it is needed, so a judge can query a service without torch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import numpy as np

from wmlearn._checks import check_count, check_images, check_kind, first_line
from wmlearn._display import plural
from wmlearn._extras import MissingExtra
from wmlearn._types import Images, Labels
from wmlearn.service._functions import Ask, answering, is_network, read
from wmlearn.service._protocol import Fault, check_names, highest
from wmlearn.training._inference import check_model, predict

Box = TypeVar("Box", bound="Metered")

T = TypeVar("T")

sleep = time.sleep  # tests replace this
_STEP = "It must answer each image by a whole number, a name in classes=, or a row of scores."
# after so many requests without an answer, each further one is tried only once
_FAILED_IN_A_ROW = 3
# The longest total wait per request, in seconds, while a service is busy (status 429 or 503) or
# names a time (Retry-After). Waiting is not a retry, but with retries=0 there is none.
_PATIENCE = 60.0


class Metered:
    """Base of black boxes: counts images, keeps to the budget, retries, and keeps every answer."""

    name: str

    def __init__(self, budget: int | None, retries: int) -> None:
        if budget is not None:
            budget = check_count(budget, "budget", low=0, hint="Leave it out for no limit.")
        self.budget = budget
        self.retries = check_count(retries, "retries", low=0, high=20)
        self.queries = 0
        self.refused = 0
        self.n_unreachable = 0
        self.faults: list[str] = []
        self._batch: int | None = None
        self._answered = False  # whether any valid answer has come
        self._failed_in_a_row = 0
        self._lock = threading.Lock()  # one caller at a time: the counts stay exact

    def close(self) -> None:
        """Close the connection, if there is one."""

    def __enter__(self: Box) -> Box:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _grant(self, wanted: int) -> int:
        """Return how many of `wanted` images may still be asked, and count them."""
        left = wanted if self.budget is None else max(self.budget - self.queries, 0)
        granted = min(wanted, left)
        self.queries += granted
        self.refused += wanted - granted
        return granted

    def _labels(self, images: Images, ask: Ask) -> Labels:
        """Return the label of each image, int64, shape (n,), -1 without a valid answer."""
        labels = np.full(len(images), -1, dtype=np.int64)
        for place, found in self._answers(images, ask):
            labels[place] = highest(found)
        return labels

    def _scores(self, images: Images, ask: Ask) -> np.ndarray:
        """Return the scores of each image, float32, shape (n, K), NaN without a valid answer."""
        pieces = self._answers(images, ask)
        classes = self._n_classes()
        for _, found in pieces:
            if found.ndim != 2:
                raise ValueError(
                    f"expected scores; {self.name} gives only labels. Call the box itself, "
                    "box(images)."
                )
            classes = found.shape[1]
        scores = np.full((len(images), classes), np.nan, dtype=np.float32)
        for place, found in pieces:
            scores[place] = found
        return scores

    def _n_classes(self) -> int:
        """Return the number of scores per image; 0 if it is not known."""
        return 0

    def _answers(self, images: Images, ask: Ask) -> list[tuple[slice, np.ndarray]]:
        """Ask batch by batch, and return each answered batch with its slice of the images."""
        pieces: list[tuple[slice, np.ndarray]] = []
        if not len(images):
            return pieces
        fault: Fault | None = None
        with self._lock:
            size = self._most(images)
            granted = self._grant(len(images))
            start = sent = 0
            try:
                with self._bar(len(images), size) as bar:
                    while start < granted:
                        place = slice(start, min(start + size, granted))
                        sent = max(sent, place.stop)
                        try:
                            pieces.append((place, ask(images[place])))
                            self._answered = True
                        except Fault as caught:
                            if caught.kind == "too_large" and place.stop - start > 1:
                                size = self._batch = (place.stop - start + 1) // 2
                                continue
                            fault = caught
                            self._miss(fault, place, granted)
                            if self._is_final(fault):
                                break
                        bar.update(place.stop - start)
                        start = place.stop
            finally:
                self.queries -= granted - sent
            if fault is None or pieces:
                return pieces
            if fault.kind == "unauthorized" or not self._answered:
                raise self._failure(fault)
        return pieces

    def _retry(self, attempt: Callable[[], T]) -> T:
        """Return the result of an attempt, retried while that may help.

        Written by hand, as each kind of fault has its own policy; with tenacity it is as long.
        """
        left = 0 if self._failed_in_a_row >= _FAILED_IN_A_ROW else self.retries
        patience = _PATIENCE if left else 0.0
        pause, waited, final = 0.1, 0.0, {"refused", "blocked", "unauthorized", "too_large"}
        while True:
            try:
                found = attempt()
            except Fault as fault:
                nap, given_up = pause, left == 0
                if fault.wait is not None:
                    nap = min(max(fault.wait, pause), patience)
                    given_up = nap == 0
                if given_up or fault.kind in final:
                    self._give_up(fault, waited)
                if fault.kind == "invalid":  # retried only once
                    final.add("invalid")
                if fault.wait is None:
                    left -= 1
                else:
                    patience -= nap
                    waited += nap
                sleep(nap)
                pause = min(2 * pause, 2.0)
            else:
                self._failed_in_a_row = 0
                return found

    def _give_up(self, fault: Fault, waited: float) -> NoReturn:
        """Raise a fault after the last attempt, with the time that was spent waiting."""
        if fault.kind != "too_large":  # that counts as an answer
            self._failed_in_a_row += 1
        if waited:
            fault.reason += f", after {waited:.3g} s of waiting"
        raise fault

    def _most(self, images: Images) -> int:
        """Return how many of these images are sent at once."""
        return self._batch or len(images)

    def _is_final(self, fault: Fault) -> bool:
        """Return whether the service would refuse all other images too, so they are not sent."""
        return fault.kind == "unauthorized" or bool(fault.advice and not self._answered)

    def _miss(self, fault: Fault, place: slice, granted: int) -> None:
        """Count the images of a batch without a valid answer, and note the fault."""
        missed = place.stop - place.start
        if self._is_final(fault):
            missed = granted - place.start
        self.n_unreachable += missed
        self.faults.append(f"{plural(missed, 'image')} got no valid answer: {fault.reason}.")

    def _failure(self, fault: Fault) -> Exception:
        """Return the error for a model that never gave a valid answer."""
        return fault

    def _bar(self, count: int, size: int) -> Any:
        """Return a progress bar, shown if several requests take more than a second."""
        from wmlearn._progress import progress

        return progress(count, f"asking {self.name}", "image", delay=1, hidden=count <= size)


class BlackBox(Metered):
    """A model in this process that answers with labels, and with scores only if you allow it.

    Parameters
    ----------
    model : the model, which takes images, float32 (n, c, h, w) in [0, 1]:

        - torch.nn.Module -> scores (n, K), on any device, in any dtype. Of several outputs the one
          called `logits` counts, or the one as wide as `model.classes`; a single column is that of
          a sigmoid, for two classes. The model is never changed: if it is in training mode, a copy
          answers in evaluation mode
        - a function -> whole numbers or names (n,), or scores (n, K), of which the highest counts
        - a session of ONNX Runtime, asked by its description of inputs and outputs
        - a classifier with `predict`: those of ART and Keras get images in their `input_shape`,
          those of scikit-learn flat rows
    budget : the largest number of images it will ever answer; the rest get -1. None: no limit
    scores : whether `suspect.scores(images)` gives the probability of every class, or the scores
        that a function returns
    one_by_one : whether a function takes one image, (c, h, w), and returns its label, name or
        scores, for example by one request. An exception then costs only that image. For functions
        only
    classes : the class names in the order of their numbers, if the model answers names; any other
        name gets -2. Left out, they are those of the service that it asks, if that names any
    retries : how often a function that raises an exception is called again, after 0.1, 0.2, ...
        2 s; after three images in a row without an answer, each further one is tried only once

    Attributes
    ----------
    queries : images asked so far, each counted once, however often it was retried
    refused : images that got -1 because the budget was spent
    n_unreachable : images that got -1 because a function gave no valid answer
    faults : one sentence per failure
    n_scores : the number of scores behind each label of a function; None if it gives labels
    input_shape : the shape (c, h, w) of one image, if the model has it; `serve` needs it

    Raises
    ------
    TypeError
        If `model` is none of these.
    ValueError
        On a call, if the images do not fit, or the model has never given a valid answer.

    Examples
    --------
    >>> suspect = BlackBox(lambda images: images.reshape(len(images), -1), budget=2)
    >>> suspect(np.eye(3, dtype=np.float32).reshape(3, 1, 1, 3))  # its scores are the pixels
    array([ 0,  1, -1])
    >>> suspect
    BlackBox(<lambda>, 2 images asked)
    >>> BlackBox(lambda image: "dark", one_by_one=True, classes=["bright", "dark"])(
    ...     np.zeros((2, 1, 3, 3), np.float32)
    ... )
    array([1, 1])
    """

    def __init__(
        self,
        model: Any,
        *,
        budget: int | None = None,
        scores: bool = False,
        one_by_one: bool = False,
        classes: Sequence[str] = (),
        retries: int = 4,
    ) -> None:
        super().__init__(budget, retries)
        self.model = model
        self.name = getattr(model, "__name__", type(model).__name__)
        self.n_scores: int | None = None
        self._tells = check_kind(scores, "scores", bool, "True or False")
        check_names(classes, "classes")
        self._named = tuple(classes)
        self.input_shape: Any = None
        if is_network(model):
            self.input_shape = getattr(check_model(model), "input_shape", None)
            self._asks: tuple[Ask, Ask] = (
                lambda images: predict(model, images)[0],
                lambda images: predict(model, images)[1],
            )
            return
        self._asks = answering(model, classes)
        if self._asks[0] is not model:  # a computation in this process would fail again
            self.retries = 0
        elif check_kind(one_by_one, "one_by_one", bool, "True or False"):
            self._batch = 1
            self._asks = (lambda images: list(map(model, images)),) * 2

    @property
    def classes(self) -> Any:
        """The class names in the order of their numbers; None if they are unknown."""
        said = getattr(self.model, "classes", None)
        return self._named or (None if isinstance(said, int) else said)

    def __call__(self, images: Images) -> Labels:
        """Return the label of each image, int64, shape (n,); -1 without a valid answer.

        Images beyond the budget also get -1.

        Parameters
        ----------
        images : float array of shape (n, c, h, w), in [0, 1]

        Raises
        ------
        TypeError, ValueError
            If the images do not fit, or a network's score is NaN: then no class is the highest.
        """
        images = check_images(images, shape=self.input_shape)
        return self._labels(images, self._patiently(self._asks[0]))

    def scores(self, images: Images) -> np.ndarray:
        """Return the score of each class, float32, shape (n, K), NaN without a valid answer.

        For a network these are probabilities.

        Parameters
        ----------
        images : float array of shape (n, c, h, w), in [0, 1]

        Raises
        ------
        TypeError, ValueError
            If the images do not fit, or the box gives only labels.
        """
        if not self._tells:
            raise ValueError(
                "expected scores; this box gives only labels. Make it by BlackBox(model, "
                "scores=True)."
            )
        images = check_images(images, shape=self.input_shape)
        return self._scores(images, self._patiently(self._asks[1]))

    def _patiently(self, ask: Ask) -> Ask:
        """Return `ask` with retries; a network needs none, as it would fail again."""
        if is_network(self.model):
            return ask

        def attempt(images: Images) -> np.ndarray:
            """Ask once; any exception of a user's function may be temporary."""
            try:
                return read(ask(images), self._named, self.n_scores or 0, len(images))
            except (Fault, MissingExtra):
                raise
            except Exception as error:  # a user's function may raise anything
                reason = f"{type(error).__name__}: {first_line(error):.200}"
                raise Fault(reason, "transient") from error

        def asking(images: Images) -> np.ndarray:
            found = self._retry(lambda: attempt(images))
            if found.ndim == 2:  # from now on the number of scores must stay the same
                self.n_scores = found.shape[1]
            return found

        return asking

    def _is_final(self, fault: Fault) -> bool:
        hopeless = self._failed_in_a_row >= _FAILED_IN_A_ROW and not self._answered
        return hopeless or super()._is_final(fault)

    def _failure(self, fault: Fault) -> Exception:
        step = fault.advice or _STEP
        error = ValueError(f"expected an answer of {self.name}, but {fault.reason}. {step}")
        error.__cause__ = fault.__cause__
        return error

    def __repr__(self) -> str:
        return f"BlackBox({self.name}, {plural(self.queries, 'image')} asked)"
