"""Answers that ship in place of models, for a Python without torch, as a browser has it.

Of each model for digits, the file `_models/mnist/answers.json` holds the labels it gives to the
questions of the lessons, which come from the classroom key. `python tools/zoo.py --answers` asks
the models themselves and writes it; a test compares.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from wmlearn._checks import check_count
from wmlearn._display import plural
from wmlearn._extras import MissingExtra, missing
from wmlearn._types import Images, Labels

FILE = Path(__file__).parent / "_models" / "mnist" / "answers.json"
TORCH = missing("torch")  # what to do


@dataclass(frozen=True)
class ShippedAnswers:
    """A shipped model's answers to the questions of the lessons, asked as the model itself is.

    Examples
    --------
    >>> ShippedAnswers("mnist/clean")(np.zeros((1, 1, 28, 28)))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    wmlearn._extras.MissingExtra: of mnist/clean, only answers to the lessons' questions ship; ...
    """

    name: str
    input_shape = (1, 28, 28)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"answers that ship in place of a model have no {name}; {TORCH}")

    def __call__(self, images: Images) -> Labels:
        """Return the label of each image, int64, shape (n,), or raise `MissingExtra` for others."""
        stored = _stored()
        place = stored["models"].index(self.name)
        answers = [stored["answers"].get(digest(image)) for image in images]
        if None in answers:
            unknown = plural(answers.count(None), "other image")
            raise MissingExtra(
                f"of {self.name}, only answers to the lessons' questions ship; it was asked about "
                f"{unknown}; {TORCH}",
                name="torch",
            )
        return np.array([int(answer[place]) for answer in answers], np.int64)


def digest(image: Images) -> str:
    """Return what an image is known by in the file: half of its SHA-256."""
    return hashlib.sha256(np.asarray(image, np.float32).tobytes()).hexdigest()[:32]


@cache
def _stored() -> dict[str, Any]:
    """Return names of models, and a digit per model for each image, by its digest."""
    stored: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return stored


def load_model(name: str, **_: object) -> ShippedAnswers:
    """Return the answers of a shipped model; of one that has none here, raise `MissingExtra`."""
    if name not in _stored()["models"]:
        raise missing("torch")
    return ShippedAnswers(name)


def null_models(data: str, *, n: int | None = None, **_: object) -> list[ShippedAnswers]:
    """Return the answers of the first n null models; the others must be trained, by torch."""
    names = [name for name in _stored()["models"] if name.startswith(f"{data}/null-")]
    n = check_count(len(names) if n is None else n, "n", low=0)
    if n > len(names) or not names:
        raise missing("torch")
    return [ShippedAnswers(name) for name in names[:n]]
