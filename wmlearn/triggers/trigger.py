"""What every kind of trigger shares: how answers are set, and the way from task to sealed set."""

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
    """A kind of trigger: derive a class that has a method `make`, and call an instance on a task.

    Parameters of your own are the fields of a `@dataclass(frozen=True)`, or what your `__init__`
    sets.

    Parameters
    ----------
    labels : "keyed" (the default): every question has its own answer, drawn at random from the
        seal.
        "fixed" (the paper): all triggers come from one source class, get one target class, and each
        is a question
    source : the class the images come from, with fixed labels
    target : the common answer, with fixed labels; "random" lets the seal draw it

    Examples
    --------
    >>> import wmlearn as wm
    >>> class Negative(Trigger):
    ...     def make(self, split, n, rng):
    ...         return 1 - self.draw(split, n, rng).images
    >>> Negative()(wm.load_data("mnist"), n=30, key=wm.CLASSROOM_KEY)
    TriggerSet(Negative(): 30 images, 30 questions, alpha=0.001, seal 35f558e9…, classroom key)
    """

    alters: ClassVar[bool] = False  # whether each trigger is an image that `draw` drew, changed
    _: KW_ONLY
    labels: Literal["keyed", "fixed"] = checked(check_choice, "keyed", choices=["keyed", "fixed"])
    source: int = checked(check_count, 1, low=0, why="a class number")
    target: int | Literal["random"] = checked(_check_target, 0)

    def __init_subclass__(cls) -> None:
        # Or `@dataclass` would write another.
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

    # ---------------------------------------------------------- what a kind of one's own has to say

    def make(self, split: Split, n: int, rng: StableRng) -> Any:
        """Make the trigger images: the one method that a kind has to have.

        Parameters
        ----------
        split : the images to make them from, as `draw` draws them: those of the task's training
            part, with fixed labels those of the source class
        n : how many images to make
        rng : numpy's `RandomState`; take all chance from it, so that key or seed alone decide.
            `rng.stream(1)` gives another one

        Returns
        -------
        The images, all different, float in [0, 1] or uint8, shape (n, c, h, w); each is then one
        question. Or images, question and names: the question of each image, whole numbers that rise
        from 0, shape (n,), and what each question shows, a text each. Either may be None.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must have a method make(self, split, n, rng) that returns n "
            "images; it has none. Write one, as help(wm.Trigger.make) says."
        )

    def make_for(self, data: Splits, n: int, rng: StableRng) -> Any:
        """Make them by `make`; a kind that must know more of the task overrides this."""
        return self.make(self.candidates(data.train), n, rng)

    def originals(self, data: Splits, n: int, rng: StableRng) -> Pixels | None:
        """Return the images that are changed, one for each trigger; None where there are none."""
        if not self.alters:
            return None
        return self.draw(self.candidates(data.train), n, rng).pixels

    def _for(self, data: Splits) -> "Trigger":
        """Return the kind with all that the task decides spelt out."""
        return self

    @property
    def own_source(self) -> int | None:
        """With fixed labels the class images come from; None where that is another world's."""
        return self.source

    # ------------------------------------------------------------ what it gets for that

    def candidates(self, split: Split) -> Split:
        """Return what may be drawn: the whole part, with fixed labels that of the source class."""
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
        """Draw n different images, or say how many there are."""
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
        """Make n trigger images for a task, seal them, and draw the secret answers.

        Parameters
        ----------
        data : the task; images come from `data.train`
        n : the number of trigger images; where a question has several they are shared out evenly
        key : 32 secret bytes; left out, a fresh key is drawn and kept in the result (never printed)
        alpha : the largest chance of accusing an innocent model, above 1e-15 and at most 0.05;
            sealed with the rest
        seed : chooses the images, never the answers. Left out, the key chooses them (0 with the
            classroom key), so that nobody else can list them

        Raises
        ------
        TypeError, ValueError
            If the data hold fewer images than asked for, two trigger images are the same, or `make`
            returned something else than it should.
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
        """Make n trigger images for a task and seal them; the secret answers are still to be drawn.

        This is the first half of calling it, and can declare more.

        Parameters
        ----------
        data, n, key, alpha, seed : as when it is called
        declared : whose the images are, and which public draw the answers wait for
        clean : images of the task and their classes, such as `data.test.take(range(300))`: every
            suspect is asked these first
        """
        check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
        check_count(n, "n", low=1, why="trigger images")
        if clean is not None:
            declared = replace(declared, clean=clean_digest(clean))
        rules = replace(self.rules(data.classes, check_alpha(alpha)), declared=declared)
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
        """Return `originals`, images, questions and names: unsealed, in a tenth of the time."""
        before = self.originals(data, n, _chooser(key))
        return before, *self._made(data, n, _chooser(key))

    def rules(self, classes: Sequence[str], alpha: float) -> Rules:
        """Return the rules to be sealed, checked."""
        if self.labels == "keyed":
            return Rules(tuple(classes), alpha)
        target = self.target
        if target != "random":
            target = int(target)  # as JSON writes it
        return Rules(tuple(classes), alpha, fixed=True, source=self.own_source, target=target)

    def _made(self, data: Splits, n: int, rng: StableRng) -> Made:
        """Make images, questions and names; with fixed labels each image is a question."""
        made = self.make_for(data, n, rng)
        maker = f"{type(self).__name__}.make"
        if not isinstance(made, tuple):
            made = (made, None, None)
        if len(made) != 3:
            raise TypeError(
                f"{maker} must return images, or images, question and names; got "
                f"{plural(len(made), 'value')}. Return None for what you leave out."
            )
        images, question, names = made
        pixels = _pixels(images, (n, *data.shape), maker)
        question, names = _questions(question, names, n, maker)
        if self.labels == "fixed":
            return pixels, np.arange(n), [names[q] for q in question]
        return pixels, question, names


def _named(value: object) -> str:
    """Return a parameter for a recipe, on one line; images by their content."""
    if isinstance(value, Split):
        return f"{plural(len(value), 'image')} of SHA-256 {digest(value.pixels, value.labels)[:8]}"
    text = repr(value)
    return type(value).__name__ if "\n" in text else text


def _chooser(key: bytes, seed: int | None = None) -> StableRng:
    """Return what chooses the images: seed or, without one, key; the classroom key is seed 0."""
    if seed is None and key != commitment.CLASSROOM_KEY:
        return stable_rng(commitment.image_seed(key))
    return stable_rng([0 if seed is None else seed])


def _pixels(images: Any, shape: tuple[int, ...], maker: str) -> Pixels:
    """Return what was made as 8-bit images, if they have the shape (n, c, h, w) asked for."""
    what = f"images of {maker}"
    array = as_array(images, f"{what} must be float in [0, 1], shape (n, c, h, w)")
    if array.dtype == np.uint8:
        array = array / np.float32(255)
    own = shape[1:] if array.shape == shape else None
    array = check_images(array, what=what, shape=own)
    if array.shape != shape:
        raise ValueError(
            f"{maker} must return the {shape[0]} images asked for in the task's shape, {shape}; "
            f"got {array.shape}. Look at how many it draws, and at their channels and sides."
        )
    return np.rint(array * 255).astype(np.uint8)


def _questions(question: Any, names: Any, n: int, maker: str) -> tuple[Labels, list[str]]:
    """Return the question of each image and what each question shows, if they fit together."""
    each = "question"
    if question is None:
        question, each = np.arange(n), "image"
    question = as_array(question, f"question of {maker} must be {n} whole numbers")
    count = len(np.unique(question))
    question = check_order(question, n, count)
    if names is None:
        return question, [f"{each} {i + 1}" for i in range(count)]
    expected = f"names of {maker} must be {count}, one for each question"
    shows = as_array(names, expected)
    if shows.shape != (count,):
        raise ValueError(
            f"{expected}; got shape {shows.shape}. Name each question once, however many images it "
            "has."
        )
    return question, [str(name) for name in shows]
