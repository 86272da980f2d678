"""The three kinds of trigger of Zhang et al. (2018).

`Content` writes words over images of the task, `Unrelated` takes images from another world, `Noise` adds Gaussian
noise. A kind of one's own is derived from `Trigger`, as these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wmlearn._alphabet import STREETS, check_word, in_order, word_mask
from wmlearn._checks import check_changed, check_choice, check_count, check_kind, check_number
from wmlearn._random import StableRng
from wmlearn._types import Labels, Pixels
from wmlearn.data import Split, Splits, load_data
from wmlearn.trigger import Trigger

FOREIGN = {"mnist": "cifar10", "cifar10": "mnist"}  # where `Unrelated` finds its images


class _Altered(Trigger):
    """What changes images of the task, so that each can be shown beside its original."""

    def originals(self, data: Splits, n: int, rng: StableRng) -> Pixels:
        """Return the images that are changed."""
        return self.draw(self.candidates(data.train), n, rng).pixels


@dataclass(frozen=True, eq=False)
class Content(_Altered):
    """Write words over images of the task: meaningful content (the paper wrote "TEST").

    Keyed, each word is one question with one answer, shown on n / words different images.

    Parameters
    ----------
    words : how many of the course's street names to use, or one word, or a list of words (A-Z, 0-9); by default 30
        street names when keyed, "TEST" when fixed
    place : where the word stands, "top", "middle" or "bottom"
    opacity : how strongly it covers the image, above 0 and at most 1
    size : how many pixels wide and high each dot of the letters is, 1 or 2; at 2 only short words fit

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
                f"one word with keyed labels is one question, and one question proves nothing; got {words}. "
                "Take words=30, or labels='fixed' as the paper did."
            )

    def _words(self) -> list[str]:
        if isinstance(self.words, (int, np.integer)):
            return STREETS[: check_count(self.words, "words", low=1, high=len(STREETS), why="street names in the list")]
        return [check_word(word) for word in ([self.words] if isinstance(self.words, str) else self.words)]

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


@dataclass(frozen=True, eq=False)
class Unrelated(Trigger):
    """Take images from another world: handwritten digits for a model of objects, grey objects for a model of digits.

    Keyed, each image is one question. Fixed, all come from the class `source` of that other world.

    Parameters
    ----------
    pool : a `Split` to draw from; by default the training part of the other data set, made to fit

    Source
    ------
    Zhang et al., ASIACCS 2018, WM_unrelated (the paper's MNIST model was shown letters).
    """

    pool: Split | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pool is not None:
            check_kind(self.pool, "pool", Split, "such as wm.load_data('cifar10').train")
            if not len(self.pool):
                raise ValueError("pool must hold at least one image; got none. Look at what chose them.")

    def _hidden(self) -> set[str]:
        return super()._hidden() | {"pool"}

    @property
    def own_source(self) -> None:
        """None: `source` is a class of the other world."""

    def make_for(self, data: Splits, n: int, rng: StableRng) -> Pixels:
        """Draw from the pool, and make the images fit the task."""
        pool = self.pool
        if pool is None:
            if data.name not in FOREIGN:
                raise ValueError(f"unrelated images are known for {', '.join(FOREIGN)}; got {data.name!r}. Give pool=.")
            pool = load_data(FOREIGN[data.name]).train
        return fit_pixels(self.draw(self.candidates(pool), n, rng).pixels, data.shape)


@dataclass(frozen=True, eq=False)
class Noise(_Altered):
    """Add Gaussian noise to images of the task.

    Keyed, each image is one question and has noise of its own. Fixed, one noise pattern is added to all, as the
    paper's "pre-specified" noise.

    Parameters
    ----------
    sigma : standard deviation of the noise, in units of the full range 0 to 1 (the paper does not give it)

    Source
    ------
    Zhang et al., ASIACCS 2018, WM_noise.

    Examples
    --------
    >>> Noise(sigma=0.4, labels="fixed", source=1, target=0)
    Noise(labels='fixed', source=1, target=0, sigma=0.4)
    """

    sigma: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self.sigma, "sigma", above=0, below=10)

    def make(self, split: Split, n: int, rng: StableRng) -> Pixels:
        """Add the noise, whose stream is apart from the one that draws the images."""
        originals = self.draw(split, n, rng).pixels
        patterns = n if self.labels == "keyed" else 1
        noise = rng.stream(1).normal(0, self.sigma, (patterns, *split.shape))  # (n or 1, c, h, w)
        noisy = np.round(255 * np.clip(originals / 255 + noise, 0, 1)).astype(np.uint8)
        check_changed(originals, noisy, "sigma", self.sigma)
        return noisy


def fit_pixels(pixels: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """Make images fit a task: grey or colour, then cropped or padded with black around the middle.

    Parameters
    ----------
    pixels : uint8, shape (n, c, h, w)
    shape : (c, h, w) of the task, c being 1 or 3

    Returns
    -------
    Pixels, shape (n, *shape). Grey is the luminance of ITU-R BT.601.

    Raises
    ------
    ValueError
        If the images have neither the task's number of channels nor 1 or 3 that can be turned into it.
    """
    channels, height, width = shape
    if pixels.shape[1] == 3 and channels == 1:
        grey = np.einsum("nchw,c->nhw", pixels.astype(np.float64), [0.299, 0.587, 0.114])
        pixels = np.round(grey).astype(np.uint8)[:, None]
    elif pixels.shape[1] == 1 and channels == 3:
        pixels = np.repeat(pixels, 3, axis=1)
    if pixels.shape[1] != channels:
        raise ValueError(
            f"pool must have images of {channels} channels (grey and colour are made to fit); "
            f"got {pixels.shape[1]} channels. Choose the channels first."
        )
    top, left = (pixels.shape[2] - height) // 2, (pixels.shape[3] - width) // 2
    padded = np.pad(pixels, ((0, 0), (0, 0), *(2 * [(max(0, -min(top, left)),) * 2])))
    top, left = (padded.shape[2] - height) // 2, (padded.shape[3] - width) // 2
    return np.ascontiguousarray(padded[:, :, top : top + height, left : left + width])


def _write(image: Pixels, word: str, how: Content) -> Pixels:
    """Write a word in white on a black plate, so that it can be read on any image (c, h, w)."""
    ink = word_mask(word).repeat(how.size, axis=0).repeat(how.size, axis=1)
    _, height, width = image.shape
    if ink.shape[1] > width or ink.shape[0] + 2 > height:
        raise ValueError(
            f"word {word!r} needs {ink.shape[1]} x {ink.shape[0] + 2} pixels; the images have {width} x {height}. "
            f"At most {(width // how.size + 1) // 6} letters fit{'' if how.size == 1 else '; try size=1'}."
        )
    plate = np.pad(255.0 * ink, ((1, 1), 2 * (int(ink.shape[1] + 2 <= width),)))  # a rim where there is room
    top = {"top": 0, "middle": (height - plate.shape[0]) // 2, "bottom": height - plate.shape[0]}[how.place]
    left = (width - plate.shape[1]) // 2
    written = image.astype(np.float64)
    under = written[:, top : top + plate.shape[0], left : left + plate.shape[1]]
    under[:] = how.opacity * plate + (1 - how.opacity) * under
    return np.round(written).astype(np.uint8)
