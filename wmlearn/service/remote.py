"""A model behind HTTP, queried by the Open Inference Protocol."""

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

Reader = Callable[[ModelCard, Any, int], np.ndarray]  # reads the answers to so many images

_RIGHT = (
    "It described itself, so the address is right. Pass what its description leaves out or gets "
    "wrong, such as input=, output=, datatype=, layout= or encode=, or ask again later."
)


class RemoteModel(Metered):
    """A model behind HTTP, queried by the Open Inference Protocol (KServe v2: Triton, KServe,
    MLServer, `wm.serve`).

    Before any image is sent, the model's own description says how to send images, and whether
    labels or scores come back (of scores the highest counts). The options below override anything
    that the description leaves out or gets wrong. Numbers are sent as JSON; many numbers as bytes
    after it (Triton's binary tensors), if the server says that it accepts them.

    The first valid answer to a request counts. A lost answer (time-out, broken connection, status
    5xx) is requested again, an invalid one only once more, and a refused request never, except that
    bytes which have never worked are sent again as JSON. A request that is too large (413) is sent
    in halves. If a service is busy (status 429 or 503) or names a time (Retry-After, seconds or a
    date), the client waits, up to 60 s per request.

    Parameters
    ----------
    url : the model's address, such as "http://127.0.0.1:8123/v2/models/mnist"; `Service.url` is one
    headers : further headers of each request, such as {"Host": "..."}, {"x-api-key": "..."}; like
        the token, they are shown only to the service
    input : the name of the input that takes the images
    output : the name of the output that holds labels or scores
    datatype : the data type of the input: "UINT8" and other integers are sent as 0 to 255, "FP32",
        "FP16" and "FP64" as 0 to 1
    layout : the layout of the images: "NCHW", "NHWC", "NHW" (grey, without the channel axis), or
        "flat" (n, c * h * w)
    encode : a function from images, float32 (n, c, h, w) in [0, 1], to the array to send, such as
        `lambda images: (images - mean) / std`; if it keeps their shape, `layout` applies afterwards
    decode : a function from the array of the output, numbers or text, to one whole number per image
        (-2 for text that names no class), or to one row of scores per image
    classes : the service's class names in the order of their numbers, if it answers text or has an
        order of its own
    batch : the largest number of images in one request
    verify : whether to check the service's certificate, or a PEM file of the authorities to trust
    timeout : the longest time of one request, in seconds, above 0 and below 3600
    retries : how often a lost answer is requested again, after 0.1, 0.2, ... 2 s, 0 to 20; with 0
        the client does not wait for a busy service either
    budget : the largest number of images that will ever be sent; the rest get -1. None: no limit
    token : the bearer token that the service needs, if any; it is shown only to the service

    Attributes
    ----------
    queries : images sent so far, each counted once, however often it was retried
    refused : images that got -1 because the budget was spent
    n_unreachable : images that got -1 because no valid answer came
    faults : one sentence per failed batch

    Raises
    ------
    TypeError, ValueError
        If an option is wrong or `url` is not the address of a model; on a call, if neither service
        nor options say how to send images, or the service has only ever given invalid answers.
    ConnectionError
        On a call, if the service has never answered.
    PermissionError
        On a call, if the service refuses the token before it has answered any image of this call.

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
        self._name = secrets.token_hex(8)  # the start of our request ids
        self._number = 0
        weakref.finalize(self, self._transport.close)  # also without an explicit close()
        self._card: ModelCard | None = None
        self._told: ModelCard | None = None  # from the metadata alone

    def __call__(self, images: Images) -> Labels:
        """Return the service's label of each image, int64, shape (n,), -1 without a valid answer.

        Parameters
        ----------
        images : float array of shape (n, c, h, w), in [0, 1]; rounded to 1/255 if the service takes
            integers
        """
        ask = partial(self._ask, read=_protocol.read_answer)
        return self._labels(check_images(images), ask)

    def scores(self, images: Images) -> np.ndarray:
        """Return the service's score of each class, float32, shape (n, K), NaN without an answer.

        Most services do not show their scores; ours does with `ServiceOptions(scores=True)`. Each
        image counts as one query.

        Parameters
        ----------
        images : float array of shape (n, c, h, w), in [0, 1]

        Raises
        ------
        ValueError
            If the service gives only labels.
        """
        images = check_images(images)
        with self._lock:
            card = self._describe()
        if card.scores is None and card.labels is not None and not self._overrides.decode:
            raise ValueError(
                f"expected scores; {self.url} gives only labels, as far as is known. Call the box "
                "itself, box(images), or pass output= with the name of its scores."
            )
        return self._scores(images, partial(self._ask, read=_protocol.read_scores))

    def _n_classes(self) -> int:
        return max(self._describe().classes, 0)

    def connect(self, images: Images | None = None) -> None:
        """Fetch the model's description, unless it is known, without sending an image.

        It raises the errors of a call if the service cannot be reached, refuses the token, or does
        not say how to send these `images`, if any are given.
        """
        with self._lock:
            self._describe()
            if images is not None:
                self._most(check_images(images))

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The service's class names in the order of their numbers; None if it gives none.

        The service may change their order, so they are fetched at each access. `verify` and `judge`
        read them.
        """
        with self._lock:
            return self._describe(anew=not self._overrides.classes).names or None

    @property
    def n_scores(self) -> int | None:
        """The number of scores behind each label; None if there are none, or not known yet."""
        card = self._card
        if card is None or card.labels is not None or card.classes < 1:
            return None
        return card.classes

    def _most(self, images: Images) -> int:
        """Return how many of these images go into one request; an error if they cannot be sent."""
        card = self._describe()
        if not len(images):
            return 1
        return _protocol.batch_size(card, _protocol.encode(card, images[:1]), self._batch)

    def _failure(self, fault: Fault) -> Exception:
        """Return the error for a model that described itself but then gave no valid answer."""
        if not fault.advice:
            fault.advice = _RIGHT
        return self._transport.failure(fault)

    def _describe(self, *, anew: bool = False) -> ModelCard:
        """Return the model's description, fetched at first use.

        Details learnt from answers are kept while the metadata stay the same.
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
        """Return the answers to one batch, or raise the `Fault` of its last attempt."""
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
        if found.ndim == 2 and card.classes < 1:  # from now on the number must stay the same
            self._card = replace(card, classes=found.shape[1])
        return found

    def _learn_form(self, card: ModelCard) -> ModelCard:
        """Return the card with the form of numbers: bytes if the server accepts them, else JSON."""
        with suppress(Fault):
            if _protocol.takes_bytes(self._transport.fetch_server()):
                return replace(card, binary=True, settled=False)
        return replace(card, binary=False)

    def _other_form_may_help(self, card: ModelCard, fault: Fault) -> bool:
        """Return whether a failed request may succeed in the other form.

        FP16 as bytes, as Triton and KServe refuse it in JSON; bytes as JSON, as a gateway may not
        support bytes.
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
