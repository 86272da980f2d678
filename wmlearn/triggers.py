"""The three kinds of trigger of Zhang et al. (2018), and the sealed set of secret questions made from them.

`Content` writes words over images of the task, `Unrelated` takes images from another world, `Noise` adds Gaussian
noise. Calling one on a data set makes the images, seals them, and only then draws the secret answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np

from wmlearn import commitment
from wmlearn._alphabet import STREETS, check_word, in_order, word_mask
from wmlearn._checks import check_changed, check_choice, check_count, check_kind, check_number, check_seed
from wmlearn._random import stable_rng
from wmlearn._types import Labels, Pixels
from wmlearn.data import Split, Splits, load_data
from wmlearn.questions import TriggerSet, seal_triggers
from wmlearn.rules import SMALLEST_ALPHA, Rules

FOREIGN = {"mnist": "cifar10", "cifar10": "mnist"}  # where `Unrelated` finds its images


@dataclass(frozen=True, repr=False, eq=False)
class _Recipe:
    """What all three share: how the answers are set, and the steps from data to a sealed set.

    In `labels="keyed"` (the default) every question has its own answer, drawn by lot from the seal. In
    `labels="fixed"` (the paper) all triggers come from one source class and get one target class; `target="lot"` lets
    the seal draw that target.
    """

    labels: Literal["keyed", "fixed"] = field(default="keyed", kw_only=True)
    source: int = field(default=1, kw_only=True)
    target: int | Literal["lot"] = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        check_choice(self.labels, "labels", ["keyed", "fixed"])
        check_count(self.source, "source", low=0, why="a class number")
        if not (isinstance(self.target, str) and self.target == "lot"):
            check_count(self.target, "target", low=0, why="a class number, or 'lot'")

    def __repr__(self) -> str:
        hidden = {"source", "target", "labels"} if self.labels == "keyed" else set()
        hidden |= {f.name for f in fields(self) if not f.repr or (f.name, getattr(self, f.name)) == ("size", 1)}
        shown = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name not in hidden]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __call__(
        self, data: Splits, *, n: int, key: bytes | None = None, alpha: float = 1e-3, seed: int | None = None
    ) -> TriggerSet:
        """Make n trigger images for a task, seal them, and draw the secret answers.

        Parameters
        ----------
        data : the task; images come from `data.train`
        n : the number of trigger images; `Content` shares them evenly over its words
        key : 32 secret bytes; left out, a fresh key is drawn and kept in the result (never printed)
        alpha : the largest chance of accusing an innocent model, between 0 and 1; sealed with the rest
        seed : chooses the images, never the answers. Left out, the key chooses them (0 with the classroom key), so that
            nobody else can list them

        Raises
        ------
        ValueError
            If the data hold fewer images than asked for, or two trigger images are the same.
        """
        check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
        check_count(n, "n", low=1, why="trigger images")
        rules = self.rules(data.classes, alpha)
        key = commitment.new_key() if key is None else commitment.check_key(key)
        pixels, question, names = self._images(data, n, _seeds(key, seed))
        return seal_triggers(pixels, question, names, rules=rules, key=key, recipe=repr(self))

    def sketch(self, data: Splits, *, n: int, key: bytes) -> tuple[Pixels | None, Pixels, Labels, list[str]]:
        """Return images before (`Unrelated`: None) and after, questions, names: unsealed, in a tenth of the time."""
        seeds, own = _seeds(key, None), not isinstance(self, Unrelated)
        before = self._originals(data.train, len(data.classes), n, seeds) if own else None
        return before, *self._images(data, n, seeds)

    def rules(self, classes: Sequence[str], alpha: float) -> Rules:
        """Return the rules to be sealed, checked."""
        alpha = check_number(alpha, "alpha", above=SMALLEST_ALPHA, below=1)
        if self.labels == "keyed":
            return Rules(tuple(classes), alpha)
        source = None if isinstance(self, Unrelated) else self.source  # its source is a class of another world
        target = "lot" if self.target == "lot" else int(self.target)
        return Rules(tuple(classes), alpha, fixed=True, source=source, target=target)

    def _originals(self, split: Split, classes: int, n: int, seeds: list[int]) -> Pixels:
        """Draw n images of the split, in fixed mode of the source class only."""
        candidates, where = np.arange(len(split)), "the training part has"
        if self.labels == "fixed":
            check_count(self.source, "source", low=0, high=classes - 1, why="a class number")
            candidates = np.flatnonzero(split.labels == self.source)
            where = f"source class {self.source} has"
            if not len(candidates):
                raise ValueError(f"source must be a class with images; {where} 0 images. Choose another.")
        check_count(n, "n", low=1, high=len(candidates), why=f"{where} {len(candidates):,} images")
        return split.pixels[stable_rng(seeds).permutation(candidates)[:n]]

    def _images(self, data: Splits, n: int, seeds: list[int]) -> tuple[Pixels, Labels, list[str]]:
        raise NotImplementedError


@dataclass(frozen=True, repr=False, eq=False)
class Content(_Recipe):
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

    def _images(self, data: Splits, n: int, seeds: list[int]) -> tuple[Pixels, Labels, list[str]]:
        words = self._words()
        check_count(n, "n", low=len(words), why=f"{len(words)} words need an image each")
        originals = self._originals(data.train, len(data.classes), n, seeds)
        word_of = np.sort(np.arange(n) % len(words))  # (n,) images in the order of their words
        marked = np.stack([_write(image, words[w], self) for image, w in zip(originals, word_of)])
        check_changed(originals, marked, "opacity", self.opacity)
        if self.labels == "fixed":  # the paper counts images, whatever the word
            return marked, np.arange(n), [words[w] for w in word_of]
        return marked, word_of, words


@dataclass(frozen=True, repr=False, eq=False)
class Unrelated(_Recipe):
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

    def __repr__(self) -> str:
        shown = "" if self.labels == "keyed" else f"labels='fixed', source={self.source}, target={self.target!r}"
        return f"Unrelated({shown})"

    def _images(self, data: Splits, n: int, seeds: list[int]) -> tuple[Pixels, Labels, list[str]]:
        if self.pool is None and data.name not in FOREIGN:
            raise ValueError(f"unrelated images are known for {', '.join(FOREIGN)}; got {data.name!r}. Give pool=.")
        pool = load_data(FOREIGN[data.name]).train if self.pool is None else self.pool
        originals = self._originals(pool, int(pool.labels.max()) + 1, n, seeds)
        return fit_pixels(originals, data.shape), np.arange(n), [f"image {i + 1}" for i in range(n)]


@dataclass(frozen=True, repr=False, eq=False)
class Noise(_Recipe):
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

    def _images(self, data: Splits, n: int, seeds: list[int]) -> tuple[Pixels, Labels, list[str]]:
        originals = self._originals(data.train, len(data.classes), n, seeds)
        patterns = n if self.labels == "keyed" else 1
        noise = stable_rng([*seeds, 1]).normal(0, self.sigma, (patterns, *data.shape))  # (n or 1, c, h, w)
        noisy = np.round(255 * np.clip(originals / 255 + noise, 0, 1)).astype(np.uint8)
        check_changed(originals, noisy, "sigma", self.sigma)
        return noisy, np.arange(n), [f"image {i + 1}" for i in range(n)]


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


def _seeds(key: bytes, seed: int | None) -> list[int]:
    """Return what chooses the images: the seed, or the key where there is none; the classroom key stands for seed 0."""
    if seed is None and key != commitment.CLASSROOM_KEY:
        return commitment.image_seed(key)
    return [check_seed(0 if seed is None else seed)]


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
