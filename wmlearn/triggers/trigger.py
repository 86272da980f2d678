"""The base of all kinds of trigger: how answers are set, and how a task becomes a sealed set."""

import warnings
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from wmlearn._checks import (
    Checked,
    as_array,
    check_choice,
    check_count,
    check_images,
    check_kind,
    checked,
)
from wmlearn._display import plural
from wmlearn._random import StableRng, stable_rng
from wmlearn._types import Labels, Pixels
from wmlearn.data._sources import digest
from wmlearn.data.splits import Split, Splits
from wmlearn.evidence import commitment
from wmlearn.evidence.calibration import CleanImages, clean_digest
from wmlearn.evidence.rules import Declared, Rules, check_alpha
from wmlearn.evidence.trigger_set import Sealed, TriggerSet, check_order, seal_triggers

Made = tuple[Pixels, Labels, list[str]]  # images, the question of each, what each question shows


def _check_target(target: object, name: str) -> None:
    if not isinstance(target, str) or target != "random":
        check_count(target, name, low=0, why="a class number, or 'random'")


@dataclass(frozen=True, repr=False, eq=False)
class Trigger(Checked):
    """Base of all kinds of trigger, including your own: a class with a method `make`.

    Call an instance on a task to get a sealed trigger set. Your own parameters are the fields of a
    `@dataclass(frozen=True)`, or attributes that your `__init__` sets.

    Parameters
    ----------
    labels : "keyed" (the default): every question has its own random label, drawn from the seal.
        "fixed" (the paper): all triggers come from one source class and get one target class, and
        each is a question
    source : with fixed labels, the class that the images come from
    target : with fixed labels, the common answer; "random" lets the seal draw it

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong kind or range.

    Examples
    --------
    >>> import wmlearn as wm
    >>> class Negative(Trigger):
    ...     def make(self, split, n, rng):
    ...         return 1 - self.draw(split, n, rng).images
    >>> Negative()(wm.load_data("mnist"), n=30, key=wm.CLASSROOM_KEY)
    TriggerSet(Negative(): 30 images, 30 questions, alpha=0.001, seal 35f558e9…, classroom key)
    """

    alters: ClassVar[bool] = False  # whether each trigger is a changed image from `draw`
    _: KW_ONLY
    labels: Literal["keyed", "fixed"] = checked(check_choice, "keyed", choices=["keyed", "fixed"])
    source: int = checked(check_count, 1, low=0, why="a class number")
    target: int | Literal["random"] = checked(_check_target, 0)

    def __init_subclass__(cls) -> None:
        # Otherwise `@dataclass` would replace it.
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        hidden = self._hidden()
        parts = []
        for name, value in vars(self).items():
            if name in hidden or name.startswith("_"):
                continue
            parts.append(f"{name}={_named(value)}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def _hidden(self) -> set[str]:
        """The parameters that the repr leaves out."""
        return set() if self.labels == "fixed" else {"labels", "source", "target"}

    # ---------------------------------------------------------- to be overridden by your own kind

    def make(self, split: Split, n: int, rng: StableRng) -> Any:
        """Return the trigger images: the only method that a kind must have.

        Parameters
        ----------
        split : the images to choose from, for example by `draw`: those of the task's training part,
            or with fixed labels those of the source class
        n : how many images to make
        rng : numpy's `RandomState`; draw all random numbers from it, so only key or seed decide.
            `rng.stream(1)` gives another generator

        Returns
        -------
        images, or (images, question, names)
            The images, all different, float in [0, 1] or uint8, shape (n, c, h, w). Alone, each
            image is one question. `question` is the question of each image, whole numbers rising
            from 0, shape (n,); `names` has one text per question. Both may be None.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must have a method make(self, split, n, rng) that returns n "
            "images; it has none. Write one, see help(wm.Trigger.make)."
        )

    def make_for(self, data: Splits, n: int, rng: StableRng) -> Any:
        """Return the result of `make`; a kind that needs more of the task overrides this."""
        return self.make(self.candidates(data.train), n, rng)

    def originals(self, data: Splits, n: int, rng: StableRng) -> Pixels | None:
        """Return the images that triggers are made from, one per trigger; None without any."""
        if not self.alters:
            return None
        return self.draw(self.candidates(data.train), n, rng).pixels

    def _for(self, data: Splits) -> "Trigger":
        """Return the same kind with the parameters that depend on the task filled in."""
        return self

    @property
    def own_source(self) -> int | None:
        """With fixed labels, the task's class that images come from; None for another world's."""
        return self.source

    # ------------------------------------------------------------ inherited by your own kind

    def candidates(self, split: Split) -> Split:
        """Return the images to choose from: all, or with fixed labels those of the source class."""
        if self.labels == "keyed":
            return split
        chosen = split.take(split.labels == self.source)
        if not len(chosen):
            raise ValueError(
                f"source must be a class with images; source class {self.source} has 0 images. "
                "Choose another."
            )
        return chosen

    def draw(self, split: Split, n: int, rng: StableRng) -> Split:
        """Return n different random images of a part.

        Raises
        ------
        TypeError, ValueError
            If there are fewer; the error says how many.
        """
        where = "the training part" if self.labels == "keyed" else f"source class {self.source}"
        check_count(n, "n", low=1, high=len(split), why=f"{where} has {len(split):,} images")
        return split.take(rng.permutation(len(split))[:n])

    def __call__(
        self,
        data: Splits,
        *,
        n: int,
        key: bytes | None = None,
        alpha: float = 1e-3,
        seed: int | None = None,
    ) -> TriggerSet:
        """Return n sealed trigger images for a task, with their secret answers drawn.

        Parameters
        ----------
        data : the task; images come from `data.train`
        n : the number of trigger images, distributed evenly over the questions
        key : 32 secret bytes; left out, a fresh key is drawn and kept in the result, never printed
        alpha : the largest probability of accusing an innocent model, above 1e-15 and at most 0.05;
            it is sealed
        seed : chooses the images, never the answers. Left out, the key chooses them, so nobody else
            can list them (with the classroom key, 0)

        Returns
        -------
        TriggerSet
            The sealed questions with their key.

        Raises
        ------
        TypeError, ValueError
            If there are fewer images than n, two trigger images are equal, or `make` returned
            something wrong.
        """
        return self.seal(data, n=n, key=key, alpha=alpha, seed=seed).draw()

    def seal(
        self,
        data: Splits,
        *,
        n: int,
        key: bytes | None = None,
        alpha: float = 1e-3,
        seed: int | None = None,
        declared: Declared = Declared(),
        clean: CleanImages | None = None,
    ) -> Sealed:
        """Return n sealed trigger images for a task, whose secret answers are still to be drawn.

        This is the first half of a call of the trigger, with further options.

        Parameters
        ----------
        data, n, key, alpha, seed : as for a call of the trigger
        declared : the owner, and the public draw that the answers wait for, among others
        clean : images of the task and their classes, such as `data.test.take(range(300))`, which
            every suspect is asked first

        Returns
        -------
        Sealed
            Publish its seal, then call its `draw`.
        """
        check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
        check_count(n, "n", low=1, why="trigger images")
        rules = replace(self.rules(data.classes, check_alpha(alpha)), declared=declared)
        if clean is not None:
            declared = replace(declared, clean=clean_digest(clean))
            rules = replace(rules, declared=declared)
        key = commitment.new_key() if key is None else commitment.check_key(key)
        pixels, question, names = self._made(data, n, _chooser(key, seed))
        recipe = repr(self._for(data))
        sealed = seal_triggers(pixels, question, names, rules=rules, key=key, recipe=recipe)
        if not rules.convinces_a_judge(len(names)) and not sealed.public_key:
            warnings.warn(
                f"{plural(len(names), 'question')} with {len(rules.allowed)} labels are too few "
                "for a judge who trusts nobody: not even a perfect copy could be found at alpha = "
                "0.001. Take more, or seal a public draw (wm.evidence.Declared(beacon=...)).",
                stacklevel=2,
            )
        return sealed.with_clean(clean).made_by(type(self).__name__)

    def sketch(
        self, data: Splits, *, n: int, key: bytes
    ) -> tuple[Pixels | None, Pixels, Labels, list[str]]:
        """Return `originals`, images, questions and names without a seal, ten times as fast."""
        before = self.originals(data, n, _chooser(key))
        return before, *self._made(data, n, _chooser(key))

    def rules(self, classes: Sequence[str], alpha: float) -> Rules:
        """Return the checked rules to be sealed."""
        if self.labels == "keyed":
            return Rules(tuple(classes), alpha)
        target = self.target
        if target != "random":
            target = int(target)  # as JSON writes it
        return Rules(tuple(classes), alpha, fixed=True, source=self.own_source, target=target)

    def _made(self, data: Splits, n: int, rng: StableRng) -> Made:
        """Return images, questions and names; with fixed labels each image is a question."""
        made = self.make_for(data, n, rng)
        maker = f"{type(self).__name__}.make"
        if not isinstance(made, tuple):
            made = (made, None, None)
        if len(made) != 3:
            raise TypeError(
                f"{maker} must return images, or images, question and names; got "
                f"{plural(len(made), 'value')}. Return None for a missing one."
            )
        images, question, names = made
        pixels = _pixels(images, (n, *data.shape), maker)
        question, names = _questions(question, names, n, maker)
        if self.labels == "fixed":
            return pixels, np.arange(n), [names[q] for q in question]
        return pixels, question, names


def _named(value: object) -> str:
    """Return a parameter's text for a recipe, on one line; images as their number and SHA-256."""
    if isinstance(value, Split):
        return f"{plural(len(value), 'image')} of SHA-256 {digest(value.pixels, value.labels)[:8]}"
    text = repr(value)
    return type(value).__name__ if "\n" in text else text


def _chooser(key: bytes, seed: int | None = None) -> StableRng:
    """Return the generator that chooses images, by seed or key; the classroom key means seed 0."""
    if seed is None and key != commitment.CLASSROOM_KEY:
        return stable_rng(commitment.image_seed(key))
    return stable_rng([0 if seed is None else seed])


def _pixels(images: Any, shape: tuple[int, ...], maker: str) -> Pixels:
    """Return the images of a `make` as uint8, if they have the right shape (n, c, h, w)."""
    what = f"images of {maker}"
    array = as_array(images, f"{what} must be float in [0, 1], shape (n, c, h, w)")
    if array.dtype == np.uint8:
        array = array / np.float32(255)
    own = shape[1:] if array.shape == shape else None
    array = check_images(array, what=what, shape=own)
    if array.shape != shape:
        raise ValueError(
            f"{maker} must return {shape[0]} images in the task's shape, {shape}; got "
            f"{array.shape}. Check their number, channels and size."
        )
    return np.rint(array * 255).astype(np.uint8)


def _questions(question: Any, names: Any, n: int, maker: str) -> tuple[Labels, list[str]]:
    """Return the question of each image and the name of each question, if they fit together."""
    each = "question"
    if question is None:
        question, each = np.arange(n), "image"
    question = as_array(question, f"question of {maker} must be {n} whole numbers")
    count = len(np.unique(question))
    question = check_order(question, n, count)
    if names is None:
        return question, [f"{each} {i + 1}" for i in range(count)]
    expected = f"names of {maker} must be {count}, one per question"
    shows = as_array(names, expected)
    if shows.shape != (count,):
        raise ValueError(
            f"{expected}; got shape {shows.shape}. Name each question once, however many images it "
            "has."
        )
    return question, [str(name) for name in shows]
