"""The black box: a model that shows its answers and nothing else.

It stands in this process (`BlackBox`) or behind HTTP (`HttpBox`). Both are a `Query`: images in, labels out, -1 where
no answer came. Neither torch nor httpx is loaded before it is needed, so that a judge can question a service on a
machine without torch.
"""

from __future__ import annotations

import copy
import re
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import numpy as np

from wmlearn._checks import check_count, check_images, check_number, misfit, shown
from wmlearn._protocol import Fault, Link, ModelCard, batch_size, check_shape, read_card, read_labels, write_question
from wmlearn._show import plural
from wmlearn._types import Images, Labels

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")

_sleep = time.sleep  # tests put a clock of their own here
_AT_ONCE = 1024  # images in one forward pass: bounds the memory, costs no time
_LOST_IN_A_ROW = 3  # after so many unanswered batches each further one is tried once only, until an answer comes


class _Metered:
    """Counts the images asked, and refuses those beyond the budget."""

    def __init__(self, budget: int | None) -> None:
        self.budget = (
            None if budget is None else check_count(budget, "budget", low=0, hint="Leave it out for no limit.")
        )
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


class BlackBox(_Metered):
    """A model in this process that answers with labels only.

    Parameters
    ----------
    model : torch.nn.Module, images (n, c, h, w) in [0, 1] -> scores (n, classes)
        It is never changed: one in training mode is copied before it answers in evaluation mode.
    budget : the most images it will ever answer; the rest get -1. None: no limit.

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
    >>> box = BlackBox(nn.Flatten(), budget=2)  # a "model" whose scores are the pixels themselves
    >>> box(np.eye(3, dtype=np.float32).reshape(3, 1, 1, 3))
    array([ 0,  1, -1])
    >>> box
    BlackBox(Flatten, 2 images asked)
    """

    def __init__(self, model: nn.Module, *, budget: int | None = None) -> None:
        super().__init__(budget)
        self.model = check_model(model)

    def __call__(self, images: Images) -> Labels:
        """Return the label of each image, shape (n,); -1 once the budget is spent.

        Parameters
        ----------
        images : float array of shape (n, c, h, w), in [0, 1]
        """
        images = check_images(images, shape=getattr(self.model, "input_shape", None))
        labels = np.full(len(images), -1, dtype=np.int64)
        with self._lock:
            granted = self._grant(len(images))
            labels[:granted] = _best_class(self.model, images[:granted])
        return labels

    def __repr__(self) -> str:
        return f"BlackBox({type(self.model).__name__}, {plural(self.queries, 'image')} asked)"


class HttpBox(_Metered):
    """A model behind HTTP, asked by the Open Inference Protocol (KServe v2: Triton, KServe, MLServer, `wm.serve`).

    The model's own description says, before any image is sent, how images travel and whether labels or scores come
    back (of scores the highest counts). The first valid answer to a question is the one that counts. A lost answer
    (time-out, broken connection, status 429 or 5xx) is asked for again, a senseless one once more, a refusal never.

    Parameters
    ----------
    url : the model's address, such as "http://127.0.0.1:8123/v2/models/mnist"; `Service.url` is one
    timeout : seconds that one request may take, all in all
    retries : how often a lost answer is asked for again, after pauses of 0.1 s, 0.2 s, ... at most 2 s
    budget : the most images that will ever be sent; the rest get -1. None: no limit.

    Attributes
    ----------
    queries : images sent so far, each counted once, however often it had to be sent
    refused : images that got -1 because the budget was spent
    failed : images that got -1 because no valid answer came
    faults : one sentence for each batch that failed

    Raises
    ------
    ValueError
        If `url` is not the address of a model; on a call, if nothing but nonsense was ever answered.
    ConnectionError
        On a call, if nothing was ever answered.

    Examples
    --------
    >>> HttpBox("http://127.0.0.1:8123/v2/models/mnist")  # connects when it is first asked
    HttpBox('mnist')
    """

    def __init__(self, url: str, *, timeout: float = 10.0, retries: int = 4, budget: int | None = None) -> None:
        super().__init__(budget)
        self.url, self.name = _model_address(url)
        self.retries = check_count(retries, "retries", low=0, high=20)
        self.failed = 0
        self.faults: list[str] = []
        self._link = Link(self.url, seconds=check_number(timeout, "timeout (seconds)", above=0, below=3600))
        weakref.finalize(self, self._link.close)  # the connection of a forgotten box is closed too
        self._card: ModelCard | None = None
        self._answered = False  # has there ever been a valid answer?
        self._lost_in_a_row = 0
        self._last_fault: Fault | None = None

    def __call__(self, images: Images) -> Labels:
        """Return the service's label for each image, shape (n,), as it came; -1 where no valid answer came.

        Parameters
        ----------
        images : float array of shape (n, c, h, w), in [0, 1]; sent rounded to 1/255 where the service takes UINT8
        """
        images = check_images(images)
        labels = np.full(len(images), -1, dtype=np.int64)
        if not len(images):
            return labels
        with self._lock:
            card = self._describe()
            check_shape(card, images.shape[1:])
            granted = self._grant(len(images))
            size = batch_size(card, images.shape[1:])
            for start in range(0, granted, size):
                stop = min(start + size, granted)
                labels[start:stop] = self._ask(card, images[start:stop])
            if self._last_fault is not None and not self._answered:
                raise self._failure(self._last_fault)
        return labels

    def _describe(self) -> ModelCard:
        """Return the model's description, fetched at first use."""
        if self._card is None:
            try:
                self._card = self._persist(lambda: read_card(self._link.fetch(self.url)))
            except Fault as fault:
                raise self._failure(fault) from None
        return self._card

    def _ask(self, card: ModelCard, images: Images) -> Labels:
        """Return the labels of one batch, all -1 if it failed for good."""
        question = write_question(card, images)
        try:
            labels = self._persist(
                lambda: read_labels(card, self._link.fetch(self.url + "/infer", question), len(images))
            )
        except Fault as fault:
            self.failed += len(images)
            self.faults.append(f"{plural(len(images), 'image')} got no valid answer: {fault.reason}.")
            self._last_fault = fault
            self._lost_in_a_row += 1
            return np.full(len(images), -1, dtype=np.int64)
        self._answered = True
        self._lost_in_a_row = 0
        return labels

    def _persist(self, attempt: Callable[[], T]) -> T:
        """Return what the attempt returns, repeating it while that may help."""
        tries = 1 if self._lost_in_a_row >= _LOST_IN_A_ROW else 1 + self.retries
        senseless = 0
        for number in range(tries):
            try:
                return attempt()
            except Fault as fault:
                senseless += fault.kind == "senseless"
                if fault.kind == "refused" or senseless > 1 or number == tries - 1:
                    raise
                _sleep(min(0.1 * 2**number, 2.0) if fault.wait is None else fault.wait)
        raise AssertionError("a loop of at least one try either returns or raises")

    def _failure(self, fault: Fault) -> Exception:
        """Return the error for a service that never gave one valid answer."""
        if fault.kind == "lost":
            return ConnectionError(
                f"expected a model at {self.url}, but {fault.reason}. Is the service running, and is this its url?"
            )
        return ValueError(
            f"expected a model that speaks the Open Inference Protocol at {self.url}, but {fault.reason}. "
            "Compare the address with the service's url."
        )

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        self._link.close()

    def __enter__(self) -> HttpBox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"HttpBox({self.name!r})"


def check_model(model: Any) -> nn.Module:
    """Return a torch module, or say what is wrong with it."""
    from torch import nn

    if isinstance(model, nn.Module):
        return model
    hint = "Pass its .model." if isinstance(getattr(model, "model", None), nn.Module) else "Pass the network itself."
    raise TypeError(f"model must be a torch.nn.Module; got {shown(model)}. {hint}")


def _best_class(model: nn.Module, images: Images) -> Labels:
    """Return the class with the highest score for each image, computed in evaluation mode."""
    import torch

    if any(part.training for part in model.modules()):
        model = copy.deepcopy(model).eval()  # never switch the caller's: another thread may be training it
    weight = next(model.parameters(), torch.empty(0))
    labels = np.empty(len(images), dtype=np.int64)
    with torch.no_grad():
        for start in range(0, len(images), _AT_ONCE):
            batch = torch.tensor(images[start : start + _AT_ONCE]).to(weight.device)
            try:
                scores = model(batch)
            except Exception as error:  # whatever a network of one's own may raise
                raise misfit(model, images.shape[1:], error) from error
            shape = tuple(getattr(scores, "shape", ()))
            if len(shape) != 2 or len(scores) != len(batch) or not shape[1]:
                raise ValueError(
                    f"model must return scores of shape ({len(batch)}, classes) for {plural(len(batch), 'image')}; "
                    f"got {shape or type(scores).__name__}. End it with a linear layer."
                )
            labels[start : start + len(batch)] = scores.argmax(dim=1).cpu().numpy()
    return labels


def _model_address(url: Any) -> tuple[str, str]:
    """Return a model's address without '/infer', and the model's name in it, or say what is wrong with it."""
    example = "expected a model's address like 'http://127.0.0.1:8000/v2/models/mnist'"
    if not isinstance(url, str):
        raise TypeError(f"{example}; got {type(url).__name__}. Pass service.url, or the address as text.")
    address = url.strip().rstrip("/").removesuffix("/infer")
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises ValueError for a port that cannot be
    except ValueError as error:
        raise ValueError(f"{example}; got {url!r}. Correct this: {error}.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{example}; got {url!r}. Begin it with http:// or https://.")
    name = re.search(r"/v2/models/([^/?#]+)", parts.path)
    if not name:
        raise ValueError(f"{example}; got {url!r}. Add /v2/models/ and the model's name.")
    return address, name[1]
