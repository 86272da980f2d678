"""A model behind HTTP, asked by the Open Inference Protocol."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from wmlearn._checks import check_count, check_images, check_number
from wmlearn._types import Images, Labels
from wmlearn.service import _protocol
from wmlearn.service._protocol import Decode, Encode, Fault, ModelCard, Overrides
from wmlearn.service.blackbox import Metered

Reader = Callable[[ModelCard, Any, int], np.ndarray]  # reads the answers of so many images

_RIGHT = (
    "It described itself, so the address is right. Pass what that leaves out or gets wrong, such "
    "as input=, output=, datatype=, layout= or encode=, or ask again later."
)


class RemoteModel(Metered):
    """A model behind HTTP, asked by the Open Inference Protocol (KServe v2: Triton, KServe,
    MLServer, `wm.serve`).

    The model's own description says, before any image is sent, how images travel and whether labels
    or scores come back (of scores the highest counts). What it leaves out or gets wrong is for the
    user to say: their word counts, not its. Numbers travel as JSON; many at once as bytes behind it
    (Triton's binary tensors) where the server says of itself that it takes them.

    The first valid answer to a question is the one that counts. A lost answer (time-out, broken
    connection, status 5xx) is asked for again, a senseless one once more, a refusal never (but for
    bytes that were never answered well: as JSON); what is too large (413) is asked for in halves. A
    service that is busy (status 429 or 503) or says when to come back (Retry-After, seconds or a
    date) is waited for, up to 60 s for each question.

    Parameters
    ----------
    url : the model's address, such as "http://127.0.0.1:8123/v2/models/mnist"; `Service.url` is one
    headers : what else is sent with each request, such as {"Host": "..."}, {"x-api-key": "..."};
        like the token it is shown to nobody else
    input : the name of the input that takes the images
    output : the name of the output that holds labels or scores
    datatype : what the input takes: "UINT8" and other integers are sent 0 to 255, "FP32", "FP16"
        and "FP64" 0 to 1
    layout : how it wants the images laid out: "NCHW", "NHWC", "NHW" (grey, without that axis), or
        "flat" (n, c * h * w)
    encode : a function from the images, float32 (n, c, h, w) in [0, 1], to the array that travels,
        such as `lambda images: (images - mean) / std`; laid out afterwards if it keeps their shape
    decode : a function from the array of the output, numbers or text, to one whole number for each
        image (-2 for what names no class), or to a row of scores for each
    classes : what the service calls its classes, in the order of their numbers, where it answers
        text or numbers them in its own order
    batch : the most images in one request
    verify : whether a certificate must be good, or the file (PEM) of those who may have signed it
    timeout : seconds that one request may take, all in all
    retries : how often a lost answer is asked for again, after 0.1, 0.2, ... 2 s; 0: never, and a
        busy service is not waited for either
    budget : the most images that will ever be sent; the rest get -1. None: no limit.
    token : the bearer token that the service wants to see, if it wants one; it is shown to nobody
        else

    Attributes
    ----------
    queries : images sent so far, each counted once, however often it had to be sent
    refused : images that got -1 because the budget was spent
    n_unreachable : images that got -1 because no valid answer came
    faults : one sentence for each batch that failed

    Raises
    ------
    ValueError
        If `url` is not the address of a model; on a call, if the service does not say how it is to
        be asked and neither does the user, or if nothing but nonsense was ever answered.
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
        headers: Mapping[str, str] | None = None,
        input: str | None = None,
        output: str | None = None,
        datatype: str | None = None,
        layout: str | None = None,
        encode: Encode | None = None,
        decode: Decode | None = None,
        classes: Sequence[str] = (),
        batch: int | None = None,
        verify: bool | str = True,
        timeout: float = 10.0,
        retries: int = 4,
        budget: int | None = None,
        token: str | None = None,
    ) -> None:
        from wmlearn.service._transport import Transport

        super().__init__(budget, retries)
        self.url, self.name = _protocol.model_address(url)
        self._overrides = Overrides(input, output, datatype, layout, encode, decode, classes)
        if batch is not None:
            self._batch = check_count(batch, "batch (images in a request)", low=1)
        seconds = check_number(timeout, "timeout (seconds)", above=0, below=3600)
        sent = _protocol.check_headers(headers, _protocol.check_token(token))
        self._transport = Transport(self.url, seconds, sent, verify)
        self._name = secrets.token_hex(8)  # begins what our questions are called
        self._number = 0
        weakref.finalize(self, self._transport.close)  # a forgotten box hangs up, too
        self._card: ModelCard | None = None
        self._told: ModelCard | None = None  # by the metadata alone

    def __call__(self, images: Images) -> Labels:
        """Return the service's label for each image, shape (n,), as it came; -1 where no valid
        answer came.

        Parameters
        ----------
        images : float array of shape (n, c, h, w), in [0, 1]; sent rounded to 1/255 where the
            service takes integers
        """
        ask = partial(self._ask, read=_protocol.read_answer)
        return self._labels(check_images(images), ask)

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
        if card.scores is None and card.labels is not None and not self._overrides.decode:
            raise ValueError(
                f"expected scores; {self.url} gives labels only, as far as is known. Call the box "
                "itself, box(images), or pass output= with the name of its scores."
            )
        return self._scores(images, partial(self._ask, read=_protocol.read_scores))

    def _n_classes(self) -> int:
        return max(self._describe().classes, 0)

    def connect(self, images: Images | None = None) -> None:
        """Fetch the model's description, unless it is known; no image is sent.

        Raises what a call raises where the service is not there, refuses the token, or does not say
        how it is to be asked for such `images`, if some are given.
        """
        with self._lock:
            self._describe()
            if images is not None:
                self._most(check_images(images))

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of its classes, in the order of their numbers; None where it gives none.

        They are the service's own word, and it may number them anew: so they are fetched each time.
        `verify` and `judge` read them.
        """
        with self._lock:
            return self._describe(anew=not self._overrides.classes).names or None

    @property
    def n_scores(self) -> int | None:
        """Of how many scores a label is the highest; None where it gives labels, or none yet."""
        card = self._card
        if card is None or card.labels is not None or card.classes < 1:
            return None
        return card.classes

    def _most(self, images: Images) -> int:
        """Return how many of such images go into one request, if they can be asked at all."""
        card = self._describe()
        if not len(images):
            return 1
        return _protocol.batch_size(card, _protocol.encode(card, images[:1]), self._batch)

    def _failure(self, fault: Fault) -> Exception:
        """Return the error for a model that described itself, and then gave no valid answer."""
        if not fault.advice:
            fault.advice = _RIGHT
        return self._transport.failure(fault)

    def _describe(self, *, anew: bool = False) -> ModelCard:
        """Return the model's description, fetched at first use; what answers taught of it stays
        while it is the same.
        """
        if self._card is not None and not anew:
            return self._card
        try:
            told = self._retry(
                lambda: _protocol.read_card(self._transport.fetch(), self._overrides)
            )
        except Fault as fault:
            raise self._transport.failure(fault) from None
        if self._card is None or told != self._told:
            self._card, self._answered = told, False
        self._told = told
        return self._card

    def _ask(self, images: Images, read: Reader) -> np.ndarray:
        """Return the answers to one batch, or raise the `Fault` that it failed with for good."""
        known = card = self._describe()
        if known.binary is None and images.size >= _protocol.MANY:
            known = card = self._card = self._learn_form(known)
        self._number += 1
        name = f"{self._name}-{self._number:08}"

        def attempt() -> np.ndarray:
            nonlocal card
            answer = self._transport.fetch(question)
            _protocol.check_id(answer, name)
            card = _protocol.settle(known, answer)
            return read(card, answer, len(images))

        question = _protocol.write_question(known, images, name)
        try:
            found = self._retry(attempt)
        except Fault as fault:
            if not self._other_form_may_help(known, fault):
                raise
            self._card = replace(known, binary=not known.binary, settled=True)
            return self._ask(images, read)
        self._card = card = replace(card, settled=True)
        if found.ndim == 2 and card.classes < 1:  # from now on the service is held to it
            self._card = replace(card, classes=found.shape[1])
        return found

    def _learn_form(self, card: ModelCard) -> ModelCard:
        """Return the card with the form in which numbers travel: bytes where the server says that
        it takes them, JSON everywhere else.
        """
        with suppress(Fault):
            if _protocol.takes_bytes(self._transport.fetch_server()):
                return replace(card, binary=True, settled=False)
        return replace(card, binary=False)

    def _other_form_may_help(self, card: ModelCard, fault: Fault) -> bool:
        """Whether a question that failed may be answered in the other form: FP16 as bytes, for
        Triton and KServe refuse it in JSON; bytes as JSON, for a gateway may know nothing of them.
        """
        if card.settled or not (card.half or card.binary):
            return False
        lost = fault.kind in ("invalid", "transient")
        return fault.kind == "refused" or bool(lost and card.binary and self.retries)

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        self._transport.close()

    def __repr__(self) -> str:
        return f"RemoteModel({self.name!r})"
