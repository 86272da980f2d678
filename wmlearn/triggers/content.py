"""Meaningful content as a trigger: words written over images of the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wmlearn._checks import check_changed, check_choice, check_count, check_number
from wmlearn._random import StableRng
from wmlearn._types import Labels, Pixels
from wmlearn.data.splits import Split
from wmlearn.triggers._alphabet import STREETS, check_word, in_order, word_mask
from wmlearn.triggers.trigger import AlteringTrigger


@dataclass(frozen=True, eq=False)
class Content(AlteringTrigger):
    """Write words over images of the task: meaningful content (the paper wrote "TEST").

    Keyed, each word is one question with one answer, shown on n / words different images.

    Parameters
    ----------
    words : how many of the course's street names to use, or one word, or a list of words (A-Z,
        0-9); by default 30 street names when keyed, "TEST" when fixed
    place : where the word stands, "top", "middle" or "bottom"
    opacity : how strongly it covers the image, above 0 and at most 1
    size : how many pixels wide and high each dot of the letters is, 1 or 2; at 2 only short words
        fit

    Source
    ------
    Zhang et al., ASIACCS 2018, WM_content. The paper has one word and one target; `labels="fixed"`.

    Examples
    --------
    >>> Content(words=30)
    Content(words=30, place='bottom', opacity=1.0)
    """

    words: int | str | Sequence[str] | None = None  # None becomes the default of the label mode
    place: Literal["top", "middle", "bottom"] = "bottom"
    opacity: float = 1.0
    size: int = 1  # not shown where it is 1: what ships was made before there was a size

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.words is None:
            object.__setattr__(self, "words", 30 if self.labels == "keyed" else "TEST")
        elif not isinstance(self.words, (int, np.integer, str)):
            object.__setattr__(self, "words", in_order(self.words))
        check_choice(self.place, "place", ["top", "middle", "bottom"])
        check_number(self.opacity, "opacity", above=0, at_most=1)
        check_count(self.size, "size", low=1, high=2, why="pixels a dot")
        words = self._words()
        if len(set(words)) < len(words):
            raise ValueError(f"words must all differ; got {words}. One word is one question.")
        if self.labels == "keyed" and len(words) < 2:
            raise ValueError(
                "one word with keyed labels is one question, and one question proves nothing; got "
                f"{words}. "
                "Take words=30, or labels='fixed' as the paper did."
            )

    def _words(self) -> list[str]:
        if isinstance(self.words, (int, np.integer)):
            return STREETS[
                : check_count(
                    self.words, "words", low=1, high=len(STREETS), why="street names in the list"
                )
            ]
        return [
            check_word(word)
            for word in ([self.words] if isinstance(self.words, str) else self.words)
        ]

    def _hidden(self) -> set[str]:
        return super()._hidden() | ({"size"} if self.size == 1 else set())

    def make(self, split: Split, n: int, rng: StableRng) -> tuple[Pixels, Labels, list[str]]:
        """Write the words, the images in the order of their words."""
        words = self._words()
        check_count(n, "n", low=len(words), why=f"{len(words)} words need an image each")
        originals = self.draw(split, n, rng).pixels
        word_of = np.sort(np.arange(n) % len(words))
        written = np.stack([_write(image, words[w], self) for image, w in zip(originals, word_of)])
        check_changed(originals, written, "opacity", self.opacity)
        return written, word_of, words


def _write(image: Pixels, word: str, how: Content) -> Pixels:
    """Write a word in white on a black plate, so that it can be read on any image (c, h, w)."""
    ink = word_mask(word).repeat(how.size, axis=0).repeat(how.size, axis=1)
    _, height, width = image.shape
    if ink.shape[1] > width or ink.shape[0] + 2 > height:
        raise ValueError(
            f"word {word!r} needs {ink.shape[1]} x {ink.shape[0] + 2} pixels; the images have "
            f"{width} x {height}. "
            f"At most {(width // how.size + 1) // 6} letters "
            f"fit{'' if how.size == 1 else '; try size=1'}."
        )
    plate = np.pad(
        255.0 * ink, ((1, 1), 2 * (int(ink.shape[1] + 2 <= width),))
    )  # a rim where there is room
    top = {"top": 0, "middle": (height - plate.shape[0]) // 2, "bottom": height - plate.shape[0]}[
        how.place
    ]
    left = (width - plate.shape[1]) // 2
    written = image.astype(np.float64)
    under = written[:, top : top + plate.shape[0], left : left + plate.shape[1]]
    under[:] = how.opacity * plate + (1 - how.opacity) * under
    return np.round(written).astype(np.uint8)
