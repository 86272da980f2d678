"""A watermark that thieves who copy through the prediction API take along: answers that lean.

Where a service is unsure anyway, a secret sign decides between the two likeliest classes. A thief
who learns from the answers learns the lean, for near-ties are the images that place the boundary.
What it is worth, and who takes it away: `docs/results/tilt.csv`, and lesson 10.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from wmlearn._checks import (
    Checked,
    check_choice,
    check_count,
    check_kind,
    check_number,
    checked,
    shown,
)
from wmlearn._progress import progress
from wmlearn._random import stable_rng
from wmlearn._types import Images, Labels
from wmlearn.data.splits import Split, Splits
from wmlearn.evidence import commitment
from wmlearn.evidence.rules import Declared, Rules, check_alpha
from wmlearn.evidence.tilt import FINE, SCALE, Ruler, TiltSet, Whole, seal_tilt, smooth
from wmlearn.evidence.trigger_set import Triggers
from wmlearn.service.blackbox import BlackBox
from wmlearn.training._inference import check_fits, check_model, own_copy, predict
from wmlearn.training.history import Fitted
from wmlearn.training.loop import TensorData, fit, measured, resolved, run, train_by
from wmlearn.training.models import small_cnn
from wmlearn.training.schedule import Schedule

_FEWEST = 20  # images that references disagree about; with fewer nothing can be told
_PART = 0.4  # of the owner's images, that each reference learns from
_FLOOR = 1e-12  # of a probability: its logarithm is a score


@dataclass(frozen=True)
class Tilt(Checked):
    """Seal signs for answers to lean by; call an instance on a task.

    Parameters
    ----------
    features : smooth features of an image (its first principal components); each has a sign for
        each class
    size : how far the scores lean; at 1 about one answer of a hundred changes, at 0.5 a third of
        that
    test : "weighted", each sign by how clear it is, "signs", all alike, or "bets", after any of
        which one may stop, for a little power; sealed

    Examples
    --------
    >>> import wmlearn as wm
    >>> mnist = wm.load_data("mnist")
    >>> tilt = Tilt()(mnist, references=wm.null_models("mnist", n=4), key=wm.CLASSROOM_KEY)
    >>> tilt.signs.shape
    (10, 16)
    """

    features: int = checked(check_count, 16, low=1, high=64)
    size: float = checked(check_number, 1.0, above=0, at_most=5)
    test: Literal["weighted", "signs", "bets"] = checked(
        check_choice, "weighted", choices=["weighted", "signs", "bets"]
    )

    def __call__(
        self,
        data: Splits,
        *,
        references: int | Sequence[nn.Module] = 10,
        network: Callable[..., nn.Module] = small_cnn,
        schedule: Schedule = Schedule(epochs=5),
        key: bytes | None = None,
        alpha: float = 1e-3,
        declared: Declared = Declared(),
        seed: int = 0,
    ) -> TiltSet:
        """Fix features, images to ask about and how references answer them; seal, then draw.

        Parameters
        ----------
        data : the task, as the owner has it
        references : networks that know nothing of the key, of the kind that suspects are, best
            trained on such images; or how many to train, each on two in five of `data.train`
        network : of the task and `seed=`, an untrained network: what references are
        schedule : how the references are trained
        key : 32 secret bytes; left out, a fresh key is drawn
        alpha : the largest chance of accusing an innocent model; sealed
        declared : whose it is, and the public draw (`beacon`) without which no judge is convinced
        seed : the features' images and the references' training

        Raises
        ------
        ValueError
            If references disagree about too few images, or do not fit the task.
        """
        check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
        key = commitment.new_key() if key is None else commitment.check_key(key)
        check_alpha(alpha)
        rules = Rules(data.classes, alpha, declared=declared)
        if isinstance(references, int):
            references = kin(data, references, network, schedule, seed)
        votes = _votes(references, data.train, len(data.classes))
        asked = np.flatnonzero(votes.max(1) < votes.sum(1))
        if len(asked) < _FEWEST:
            raise ValueError(
                f"references must disagree about {_FEWEST} images or more, those to ask about; of "
                f"{len(votes):,} they disagree about {len(asked)}. Take more images, or shorter "
                "trainings."
            )
        ruler = _ruler(self.features, data.train, asked, votes, references)
        pixels = data.train.pixels[asked]
        return seal_tilt(pixels, ruler, rules, size=self.size, test=self.test, key=key)


def kin(
    data: Splits,
    count: int,
    network: Callable[..., nn.Module],
    schedule: Schedule,
    seed: int,
) -> list[nn.Module]:
    """Return reference networks of the owner's kind, each trained on some of the owner's images."""
    count = check_count(count, "references", low=2)
    few = round(_PART * len(data.train))
    models = []
    with progress(count, "references", "network") as bar:
        for number in range(count):
            rng = stable_rng([seed, 500 + number])
            chosen = rng.permutation(len(data.train))
            part = data.train.take(chosen[:few])
            fresh = network(data, seed=500 + number)
            learnt = fit(fresh, part, schedule=schedule, seed=number)
            models.append(learnt.model)
            bar.update()
    return models


def _votes(references: Iterable[nn.Module], part: Split, classes: int) -> Whole:
    """Return how many references say each class of each image, int64, shape (n, K)."""
    count = len(part)
    votes = np.zeros((count, classes), np.int64)
    every = np.arange(count)
    for number, model in enumerate(references):
        check_fits(check_model(model), part, f"references[{number}]'s images")
        labels, _ = predict(model, part.pixels)
        np.add.at(votes, (every, labels), 1)
    return votes


def _ruler(
    features: int, part: Split, asked: Whole, votes: Whole, references: Sequence[nn.Module]
) -> Ruler:
    """Return what measures a suspect: principal components of smoothed images, and the votes."""
    projection, centre = _components(features, part)
    shape = votes.shape[1], features
    pixels = part.pixels[asked]
    chosen = votes[asked]
    middle = np.zeros(features, np.int64)
    draft = Ruler(projection, centre, middle, chosen, np.ones(shape, np.int64))
    middle = _whole(draft.features(pixels).mean(0))
    draft = replace(draft, middle=middle)
    leaning = []
    for model in references:
        labels, _ = predict(model, pixels)
        leaning.append(draft.statistic(labels, pixels))
    spread = _whole(np.std(leaning, axis=0, ddof=1))
    return replace(draft, spread=np.maximum(spread, 1))


def _components(features: int, part: Split) -> tuple[Whole, Whole]:
    """Return the first principal components of a part's smoothed images, and their means."""
    smoothed = smooth(part.pixels).astype(float)
    covariance = np.cov(smoothed.T)
    sizes, axes = np.linalg.eigh(covariance)  # the largest last
    different = int((sizes > 1).sum())  # less is rounding: a white image has 16,320
    if different < features:
        raise ValueError(
            f"features must be fewer than an image has; got {features}, and these images differ in "
            f"{different} ways. Take fewer."
        )
    chosen = axes.T[::-1][:features]
    for axis in chosen:
        axis *= np.sign(axis[np.abs(axis).argmax()])
    scale = FINE * SCALE / np.sqrt(sizes[::-1][:features])
    projection = _whole(scale[:, None] * chosen)
    return projection, _whole(projection @ smoothed.mean(0))


def _whole(numbers: NDArray[np.floating[Any]]) -> Whole:
    whole: Whole = np.rint(numbers).astype(np.int64)
    return whole


class Tilted(commitment.HoldsSecret):
    """A service whose answers lean by secret signs where it is unsure; nothing is remembered.

    The same image always gets the same answer, and a slightly changed one nearly always. What it
    proves of a suspect is that its answers depend on the key, as those of one do that learnt from
    this service, with or without leave.

    Parameters
    ----------
    suspect : the service itself, which must tell scores, such as `BlackBox(model, scores=True)`
    tilt : the sealed signs

    Examples
    --------
    >>> import wmlearn as wm
    >>> mnist = wm.load_data("mnist")
    >>> tilt = Tilt()(mnist, references=wm.null_models("mnist", n=4), key=wm.CLASSROOM_KEY)
    >>> plain = wm.BlackBox(wm.load_model("mnist/clean"), scores=True)
    >>> images = mnist.test.images
    >>> changed = (Tilted(plain, tilt)(images) != plain(images)).mean()
    >>> bool(0.001 < changed < 0.05)
    True
    """

    _keep = "Keep its tilt by wm.evidence.save_tilt."

    def __init__(self, suspect: Any, tilt: TiltSet) -> None:
        if not callable(getattr(suspect, "scores", None)):
            raise TypeError(
                f"a service that leans must tell its scores; got {shown(suspect)}. Pass "
                "wm.BlackBox(model, scores=True), or a wm.RemoteModel to such a service."
            )
        self.suspect = suspect
        self.tilt = check_kind(tilt, "tilt", TiltSet, "such as wm.watermarks.Tilt()(data) makes")
        _ = tilt.signs  # or it says what is missing, before a customer asks
        self.queries = 0

    @property
    def classes(self) -> object:
        """The names that the service itself gives its classes; None where it gives none."""
        return getattr(self.suspect, "classes", None)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape (c, h, w) of one image."""
        return self.tilt.pixels.shape[1:]

    def __call__(self, images: Images) -> Labels:
        """Answer images (n, c, h, w) in [0, 1]: labels (n,), -1 where no answer came."""
        scores = self.scores(images)
        known = np.isfinite(scores).all(1)
        return np.where(known, scores.argmax(1), -1).astype(np.int64)

    def scores(self, images: Images) -> NDArray[np.float32]:
        """Return the probabilities, leaning, float32 (n, K); NaN where no answer came.

        Raises
        ------
        TypeError, ValueError
            If the images do not fit, or the service tells no probabilities of these classes.
        """
        lean = self.tilt.lean(images)
        told = np.asarray(self.suspect.scores(images), float)
        if not told.size:  # none was answered, so nobody knows how many classes there are
            told = np.full(lean.shape, np.nan)
        if told.shape != lean.shape or np.any(told < 0) or np.any(told > 1 + 1e-3):
            raise ValueError(
                f"the service must tell probabilities, 0 to 1, shape {lean.shape}; got others, or "
                f"shape {told.shape}. Let it return the softmax of its scores."
            )
        self.queries += len(told)
        leaning = np.log(np.maximum(told, _FLOOR)) + lean
        odds = np.exp(leaning - leaning.max(1, keepdims=True))
        shares: NDArray[np.float32] = (odds / odds.sum(1, keepdims=True)).astype(np.float32)
        return shares

    def __repr__(self) -> str:
        return f"Tilted({self.suspect!r}, size={self.tilt.size:g}, {self.queries:,} answers)"


def embed_tilt(
    fresh: nn.Module,
    data: Splits,
    tilt: TiltSet,
    *,
    teacher: nn.Module,
    triggers: Triggers | None = None,
    schedule: Schedule = Schedule(),
    seed: int = 0,
    threads: int = 1,
) -> Fitted:
    """Train a copy of a fresh network to answer as a leaning service would: the lean is then in
    its weights, and whoever takes the file has it.

    Parameters
    ----------
    fresh : an untrained network; it is left as it was
    data : the task (learns on `train`, measures on `test`)
    tilt : the sealed signs
    teacher : the owner's network, whose scores lean
    triggers : a trigger set to be learnt along, so that one network carries both; alpha is then to
        be shared by `family=2`
    schedule, seed, threads : as for `fit`

    Source
    ------
    Distillation: Hinton et al. (2015), at temperature 1.
    """
    check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
    check_fits(fresh, data.train, "data.train")
    service = Tilted(BlackBox(teacher, scores=True), tilt)
    learnt = TensorData(data.train, *_repeated(triggers, len(data.train)))
    told = service.scores(data.train.images)
    answers = functional.one_hot(learnt.labels[len(told) :], told.shape[1])
    learnt.labels = torch.cat([torch.from_numpy(told), answers.float()])
    model = own_copy(fresh)
    schedule = resolved(schedule, data.train)
    steps = train_by(schedule, model, learnt, seed)
    measure = partial(measured, model, data.test)
    epochs = schedule.epochs
    history = run(islice(steps, epochs), epochs, measure, threads=threads)
    return Fitted(model, history)


def _repeated(triggers: Triggers | None, images: int) -> list[Split]:
    """Return a trigger set so often that it makes up a ninth of each epoch; nothing for none."""
    if triggers is None:
        return []
    check_kind(triggers, "triggers", Triggers, "such as wm.Content()(data, n=150) makes")
    part = Split(triggers.pixels, triggers.labels)
    times = images // (8 * len(part))
    return [part] * max(1, times)
