"""A model behind HTTP, asked by the Open Inference Protocol."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from wmlearn._checks import check_count, check_images, check_number
from wmlearn._display import plural
from wmlearn._types import Images, Labels
from wmlearn.service import _protocol
from wmlearn.service._protocol import Fault, ModelCard, check_token
from wmlearn.service.blackbox import Metered

Reader = Callable[[ModelCard, Any, int], np.ndarray]  # reads the answers of so many images


class RemoteModel(Metered):
    """A model behind HTTP, asked by the Open Inference Protocol (KServe v2: Triton, KServe,
    MLServer, `wm.serve`).

    The model's own description says, before any image is sent, how images travel and whether labels
    or scores come back (of scores the highest counts). The first valid answer to a question is the
    one that counts. A lost answer (time-out, broken connection, status 5xx) is asked for again, a
    senseless one once more, a refusal never. A service that is busy (status 429 or 503) or says
    when to come back (Retry-After, seconds or a date) is waited for, up to 60 s for each question.

    Parameters
    ----------
    url : the model's address, such as "http://127.0.0.1:8123/v2/models/mnist"; `Service.url` is one
    timeout : seconds that one request may take, all in all
    retries : how often a lost answer is asked for again, after 0.1, 0.2, ... 2 s; 0: never, and a
        busy service is not waited for either
    budget : the most images that will ever be sent; the rest get -1. None: no limit.
    token : the bearer token that the service wants to see, if it wants one; it is shown to nobody
        else
    headers : what else is sent with each request; shown to nobody else
    verify : whether a certificate must be good, or a file (PEM) with those who may have signed it

    Attributes
    ----------
    queries : images sent so far, each counted once, however often it had to be sent
    refused : images that got -1 because the budget was spent
    n_unreachable : images that got -1 because no valid answer came
    faults : one sentence for each batch that failed

    Raises
    ------
    ValueError
        If `url` is not the address of a model; on a call, if nothing but nonsense was ever
        answered.
    ConnectionError
        On a call, if nothing was ever answered.
    PermissionError
        On a call, if the service refuses the token before it has answered anything of this call.

    Examples
    --------
    >>> RemoteModel("http://127.0.0.1:8123/v2/models/mnist")  # connects when it is first asked
    RemoteModel('mnist')
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 10.0,
        retries: int = 4,
        budget: int | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        verify: bool | str = True,
    ) -> None:
        from wmlearn.service._transport import Transport

        super().__init__(budget)
        self.url, self.name = _protocol.model_address(url)
        self.n_unreachable = 0
        self.faults: list[str] = []
        self.retries = check_count(retries, "retries", low=0, high=20)
        seconds = check_number(timeout, "timeout (seconds)", above=0, below=3600)
        token = check_token(token)
        self._transport = Transport(self.url, seconds, self.retries, token, headers, verify)
        weakref.finalize(self, self._transport.close)  # a forgotten box hangs up, too
        self._card: ModelCard | None = None
        self._answered = False  # has there ever been a valid answer?

    def __call__(self, images: Images) -> Labels:
        """Return the service's label for each image, shape (n,), as it came; -1 where no valid
        answer came.

        Parameters
        ----------
        images : float array of shape (n, c, h, w), in [0, 1]; sent rounded to 1/255 where the
            service takes UINT8
        """
        images = check_images(images)
        labels = np.full(len(images), -1, dtype=np.int64)
        for place, found in self._answers(images, _protocol.read_labels):
            labels[place] = found
        return labels

    def scores(self, images: Images) -> np.ndarray:
        """Return the service's score for each class and image, float32 (n, K); a row of NaN where
        no answer came.

        Most services keep theirs to themselves; ours tells them under
        `ServiceOptions(scores=True)`. Each image counts once.

        Parameters
        ----------
        images : float array of shape (n, c, h, w), in [0, 1]

        Raises
        ------
        ValueError
            If the service gives labels only.
        """
        images = check_images(images)
        with self._lock:
            card = self._describe()
        if card.scores is None:
            raise ValueError(
                f"expected scores; {self.url} gives labels only. Call the box itself: box(images)."
            )
        pieces = self._answers(images, _protocol.read_scores)
        classes = max(self._describe().classes, 0)  # by now known, if anything was answered
        scores = np.full((len(images), classes), np.nan, dtype=np.float32)
        for place, found in pieces:
            scores[place] = found
        return scores

    def connect(self) -> None:
        """Fetch the model's description, unless it is known; no image is sent.

        Raises what a call raises where the service is not there, or refuses the token.
        """
        with self._lock:
            self._describe()

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of its classes, in the order of their numbers; None where it gives none.

        They are the service's own word, fetched at first use. `verify` and `judge` read them.
        """
        with self._lock:
            return self._describe().names or None

    def _answers(self, images: Images, read: Reader) -> list[tuple[slice, np.ndarray]]:
        """Ask batch by batch, and return each piece answered with its place among the images."""
        pieces: list[tuple[slice, np.ndarray]] = []
        count, image = len(images), images.shape[1:]
        if not count:
            return pieces
        fault: Fault | None = None
        with self._lock:
            card = self._describe()
            _protocol.check_shape(card, image)
            size = _protocol.batch_size(card, image)
            with self._bar(count, size) as bar:
                for start in range(0, count, size):
                    granted = self._grant(min(size, count - start))
                    place = slice(start, start + granted)
                    try:
                        if granted:
                            pieces.append((place, self._ask(images[place], read)))
                    except Fault as caught:
                        fault, missed = caught, granted
                        final = fault.kind == "unauthorized"
                        if final:  # it would refuse the others too, and need not see them
                            missed += max(count - start - size, 0)
                        self.n_unreachable += missed
                        batch = plural(missed, "image")
                        self.faults.append(f"{batch} got no valid answer: {fault.reason}.")
                        if final:
                            break
                    bar.update(granted)
            if fault is None or pieces:
                return pieces
            if fault.kind == "unauthorized" or not self._answered:
                raise self._transport.failure(fault)
        return pieces

    def _bar(self, count: int, size: int) -> Any:
        """Return a progress bar that appears if several requests take more than a second."""
        from wmlearn._progress import progress

        return progress(count, f"asking {self.name}", "image", delay=1, hidden=count <= size)

    def _describe(self) -> ModelCard:
        """Return the model's description, fetched at first use."""
        if self._card is None:
            try:
                self._card = self._transport.ask(_protocol.read_card)
            except Fault as fault:
                raise self._transport.failure(fault) from None
        return self._card

    def _ask(self, images: Images, read: Reader) -> np.ndarray:
        """Return the answers to one batch, or raise the `Fault` that it failed with for good."""
        card = self._describe()
        question = _protocol.write_question(card, images)
        found = self._transport.ask(lambda answer: read(card, answer, len(images)), question)
        self._answered = True
        if found.ndim == 2 and card.classes < 1:  # from now on the service is held to it
            self._card = replace(card, classes=found.shape[1])
        return found

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        self._transport.close()

    def __enter__(self) -> RemoteModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RemoteModel({self.name!r})"
