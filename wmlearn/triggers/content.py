"""Meaningful content as a trigger: words written over images of the task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wmlearn._checks import check_changed, check_choice, check_count, check_number, checked
from wmlearn._display import plural
from wmlearn._random import StableRng
from wmlearn._types import Pixels
from wmlearn.data.splits import Split
from wmlearn.triggers._alphabet import STREETS, check_word, in_order, word_mask
from wmlearn.triggers.trigger import Made, Trigger

PLACES = {"top": 0, "middle": 0.5, "bottom": 1}  # the share of free rows above the word


def _check_size(size: int | None, name: str) -> None:
    if size is not None:
        check_count(size, name, low=1, why="pixels per dot")


def _fitting(words: Sequence[str], shape: tuple[int, int, int]) -> int:
    """Return a dot size, in pixels, at which words are legible, and fit if possible."""
    _, height, width = shape
    longest = 6 * max(map(len, words)) - 1
    return max(1, min(height // 28, width // max(28, longest)))


@dataclass(frozen=True, eq=False)
class Content(Trigger):
    """A trigger that writes words over images of the task: meaningful content.

    With keyed labels, each word is one question with one answer, shown on n / words different
    images.

    Parameters
    ----------
    words : how many of the course's street names to use, or a word, or a list of words (A-Z, 0-9);
        by default 30 street names with keyed labels, and "TEST", as in the paper, with fixed ones
    place : the position of the word, "top", "middle" or "bottom"
    opacity : how strongly the word covers the image, above 0 and at most 1
    size : the size of each dot of the letters, in pixels. By default it depends on the images: 1 up
        to 55 pixels, 8 at 224; less for a long word

    Source
    ------
    Zhang et al., ASIACCS 2018, WM_content. The paper has one word and one target class:
    `labels="fixed"`.

    Examples
    --------
    >>> Content(words=30)
    Content(words=30, place='bottom', opacity=1.0)
    """

    alters = True
    words: int | str | Sequence[str] | None = None  # None becomes the default of the label mode
    place: Literal["top", "middle", "bottom"] = checked(check_choice, "bottom", choices=PLACES)
    opacity: float = checked(check_number, 1.0, above=0, at_most=1)
    size: int | None = checked(_check_size, None)

    def __post_init__(self) -> None:
        super().__post_init__()
        words = self.words
        if words is None:
            words = 30 if self.labels == "keyed" else "TEST"
        elif not isinstance(words, (int, np.integer, str)):
            words = in_order(words)
        object.__setattr__(self, "words", words)
        written = self._written()
        if len(set(written)) < len(written):
            raise ValueError(f"words must all differ; got {written}. Leave repetitions out.")
        if self.labels == "keyed" and len(written) < 2:
            raise ValueError(
                "one word with keyed labels is one question, and one question proves nothing; got "
                f"{written}. Take words=30, or labels='fixed' as the paper did."
            )

    def _written(self) -> list[str]:
        """Return the words in capitals, or raise an error if the alphabet cannot write them."""
        words = self.words
        if isinstance(words, (int, np.integer)):
            why = "street names in the list"
            return STREETS[: check_count(words, "words", low=1, high=len(STREETS), why=why)]
        if isinstance(words, str):
            words = [words]
        return [check_word(word) for word in in_order(words)]

    def _hidden(self) -> set[str]:
        hidden = super()._hidden()
        if self.size is None:
            hidden.add("size")
        return hidden

    def make(self, split: Split, n: int, rng: StableRng) -> Made:
        """Return images with words, in the order of the words, the question of each, the words."""
        words = self._written()
        check_count(n, "n", low=len(words), why=f"{len(words)} words need an image each")
        originals = self.draw(split, n, rng).pixels
        question = np.sort(np.arange(n) % len(words))
        written = originals.copy()
        size = self.size or _fitting(words, split.shape)
        for place, word in enumerate(words):
            asked = question == place
            written[asked] = self._write(originals[asked], word, size)
        check_changed(originals, written, "opacity", self.opacity)
        return written, question, words

    def _write(self, images: Pixels, word: str, size: int) -> Pixels:
        """Return images with a word in white on a black plate, which is legible on any image."""
        ink = word_mask(word).repeat(size, 0).repeat(size, 1)
        rows, columns = ink.shape
        height, width = images.shape[2:]
        if columns > width or rows + 2 > height:
            letters = (width // size + 1) // 6 if rows + 2 <= height else 0
            step = "Take size=1." if size > 1 else "wm.Noise() fits any image."
            raise ValueError(
                f"word {word!r} needs {columns} x {rows + 2} pixels; the images have {width} x "
                f"{height}. At most {plural(letters, 'letter')} fit. {step}"
            )
        rim = min(1, (width - columns) // 2)  # beside the word, if there is room
        plate = np.pad(255.0 * ink, ((1, 1), (rim, rim)))
        rows, columns = plate.shape
        top = int((height - rows) * PLACES[self.place])
        left = (width - columns) // 2
        written = images.astype(np.float64)
        under = written[..., top : top + rows, left : left + columns]
        under[:] = self.opacity * plate + (1 - self.opacity) * under
        return np.round(written).astype(np.uint8)
