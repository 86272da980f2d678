"""A watermark that survives copying through the prediction API: answers that lean.

If a service is unsure, secret signs tip the balance between its likeliest classes. A thief who
learns from the answers often learns the lean, too, as the images near a tie determine the decision
boundary. How well it works, and which thefts remove it: `docs/results/tilt.csv`, and lesson 10.
"""

from collections.abc import Iterable, Sequence
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
    as_array,
    check_choice,
    check_count,
    check_kind,
    check_number,
    check_seed,
    checked,
    shown,
)
from wmlearn._progress import progress
from wmlearn._random import stable_rng
from wmlearn._types import Images, Labels
from wmlearn.data.splits import Split, Splits
from wmlearn.evidence import commitment
from wmlearn.evidence.calibration import in_any_order
from wmlearn.evidence.rules import Declared, Rules, check_alpha
from wmlearn.evidence.tilt import FINE, SCALE, Ruler, TiltSet, Whole, check_tilt, seal_tilt, smooth
from wmlearn.evidence.trigger_set import Triggers
from wmlearn.service.blackbox import BlackBox
from wmlearn.training._inference import check_fits, own_copy, predict
from wmlearn.training.history import Fitted
from wmlearn.training.loop import TensorData, fit, measured, resolved, run, train_by
from wmlearn.training.models import Builder, small_cnn, untrained
from wmlearn.training.schedule import Schedule
from wmlearn.watermarks.embedding import as_part

_FEWEST = 20  # images that references disagree about; fewer allow no decision
_MANY = 1024  # pixels of a smoothed image (CIFAR-10: 768); the time grows with their cube
_PART = 0.4  # the share of the owner's images that each reference is trained on
_ROUNDING = 0.05  # a service may round each of its probabilities to two digits
_FLOOR = 1e-12  # the smallest probability: its logarithm is a score


@dataclass(frozen=True)
class Tilt(Checked):
    """Sealed signs by which the answers of a service lean; call an instance on a task.

    Parameters
    ----------
    features : the number of smooth features of an image (first principal components), 1 to 64; each
        has a sign per class
    size : how far the scores lean, above 0 and at most 5. What it costs has to be measured: at 1 a
        classifier of digits loses 0.4 percentage points of accuracy, one of photographs (CIFAR-10)
        6, as it is unsure more often; at 0.25 that one loses 0.6
    test : the sealed test: "weighted" by how clear each sign is; "signs", all with equal weight; or
        "bets", which may stop after any sign, and has slightly less power

    Raises
    ------
    TypeError, ValueError
        If a value is of the wrong kind or range.

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
        references: int | Iterable[nn.Module] = 10,
        network: Builder = small_cnn,
        schedule: Schedule = Schedule(epochs=5),
        key: bytes | None = None,
        alpha: float = 1e-3,
        declared: Declared = Declared(),
        seed: int = 0,
    ) -> TiltSet:
        """Return sealed signs for a task: features, images and references first, then the draw.

        Parameters
        ----------
        data : the owner's task
        references : two networks or more, independent of the key, of the same kind as suspects,
            best trained on such images; or how many to train, each on two fifths of `data.train`
        network : builds an untrained reference from the task and `seed=`
        schedule : how long and how fast each reference is trained
        key : 32 secret bytes; left out, a fresh key is drawn
        alpha : the largest probability of accusing an innocent model, above 1e-15 and at most 0.05;
            it is sealed
        declared : the owner, and the public draw (`beacon`) without which no judge is convinced
        seed : the seed of the references' images and training

        Returns
        -------
        TiltSet
            The sealed signs with their key.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong, or the references disagree about too few images or do not fit
            the task.
        """
        check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
        key = commitment.new_key() if key is None else commitment.check_key(key)
        check_alpha(alpha)
        rules = Rules(data.classes, alpha, declared=declared)
        if isinstance(references, (int, np.integer)):
            models = kin(data, int(references), network, schedule, seed)
        else:
            models = _several(references)
        votes = _votes(models, data.train, len(data.classes))
        asked = np.flatnonzero(votes.max(1) < votes.sum(1))
        if len(asked) < _FEWEST:
            raise ValueError(
                f"references must disagree about {_FEWEST} images or more, which are the ones to "
                f"ask about; of {len(votes):,} they disagree about {len(asked)}. Take more images, "
                "or train less."
            )
        ruler = _ruler(self.features, data.train, asked, votes, models)
        pixels = data.train.pixels[asked]
        return seal_tilt(pixels, ruler, rules, size=self.size, test=self.test, key=key)


def kin(
    data: Splits,
    count: int,
    network: Builder,
    schedule: Schedule,
    seed: int,
) -> list[nn.Module]:
    """Return `count` reference networks, each trained on two fifths of the owner's images."""
    check_count(count, "references", low=2)
    check_seed(seed)
    few = round(_PART * len(data.train))
    models = []
    with progress(count, "references", "network") as bar:
        for number in range(count):
            rng = stable_rng([seed, 500 + number])
            chosen = rng.permutation(len(data.train))
            part = data.train.take(chosen[:few])
            fresh = untrained(network, data, seed=500 + number)
            learnt = fit(fresh, part, schedule=schedule, seed=number)
            models.append(learnt.model)
            bar.update()
    return models


def _several(references: Iterable[nn.Module]) -> list[nn.Module]:
    """Return the references as a list, if they are several networks."""
    one = isinstance(references, nn.Module)
    models = list(references) if isinstance(references, Iterable) and not one else []
    if len(models) < 2:
        got = f"{len(models)} of them" if models else shown(references)
        raise TypeError(
            f"references must be two networks or more, or how many to train; got {got}. Pass "
            "references=10, or a list such as wm.null_models('mnist')."
        )
    return models


def _votes(references: Iterable[nn.Module], part: Split, classes: int) -> Whole:
    """Return how many references answer each image with each class, int64, shape (n, K)."""
    count = len(part)
    votes = np.zeros((count, classes), np.int64)
    every = np.arange(count)
    for number, model in enumerate(references):
        check_classes(model, part, classes, f"references[{number}]")
        labels, _ = predict(model, part.pixels)
        np.add.at(votes, (every, labels), 1)
    return votes


def _ruler(
    features: int, part: Split, asked: Whole, votes: Whole, references: Sequence[nn.Module]
) -> Ruler:
    """Return the ruler: principal components of smoothed images, and the references' votes."""
    projection, centre = _components(features, part)
    shape = votes.shape[1], features
    pixels = part.pixels[asked]
    chosen = votes[asked]
    middle = np.zeros(features, np.int64)
    draft = Ruler(projection, centre, middle, chosen, np.ones(shape, np.int64))
    found = draft.features(pixels)
    draft = replace(draft, middle=_whole(found.mean(0)))
    leaning = []
    for model in references:
        labels, _ = predict(model, pixels)
        leaning.append(draft.leaning(labels, found))
    spread = _whole(np.std(leaning, axis=0, ddof=1))
    return replace(draft, spread=np.maximum(spread, 1))


def _components(features: int, part: Split) -> tuple[Whole, Whole]:
    """Return the first principal components of a part's smoothed images, and their means.

    Those of images with many pixels are computed from a thousand of the images, by the products of
    images instead of pixels.
    """
    wide = smooth(part.pixels[:1]).shape[1] > _MANY
    chosen = slice(None, None, -(-len(part) // 1000) if wide else None)
    smoothed = smooth(part.pixels[chosen]).astype(float)
    if wide:
        centred = (smoothed - smoothed.mean(0)) / np.sqrt(len(smoothed) - 1)
        sizes, mixtures = np.linalg.eigh(centred @ centred.T)
        axes = centred.T @ mixtures[:, -features:]
        axes /= np.linalg.norm(axes, axis=0)
    else:
        covariance = np.atleast_2d(np.cov(smoothed.T))
        sizes, axes = np.linalg.eigh(covariance)  # the largest last
    # a smaller variance is rounding: a white image has the value 16,320
    different = int((sizes > 1).sum())
    if different < features:
        raise ValueError(
            f"features must be at most the number of ways in which these images differ, "
            f"{different}; got {features}. Take fewer, or larger images."
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
    """A service whose answers lean by secret signs if it is unsure; it remembers nothing.

    The same image always gets the same answer, and a slightly changed one nearly always. The proof
    is that a suspect's answers depend on the key, as those of many models that learnt from this
    service do, with or without permission.

    Parameters
    ----------
    suspect : the service itself, which must show its scores, such as `BlackBox(model,
        scores=True)`. If it names its classes, it may have them in any order
    tilt : the sealed signs

    Raises
    ------
    TypeError, ValueError
        If the service shows no scores or names other classes, `tilt` is no `TiltSet`, or its signs
        wait for a public draw. That a remote service shows no scores is known at the first query
    ConnectionError, PermissionError
        If a remote service cannot be asked for its classes.

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

    _keep = "Keep its tilt with wm.evidence.save_tilt."

    def __init__(self, suspect: Any, tilt: TiltSet) -> None:
        if not callable(getattr(suspect, "scores", None)):
            raise TypeError(
                f"a service that leans must show its scores; got {shown(suspect)}. Pass "
                "wm.BlackBox(model, scores=True), or a wm.RemoteModel of such a service."
            )
        self.suspect = suspect
        self.tilt = check_tilt(tilt)
        _ = tilt.signs  # raises an error before the first query, if a draw is missing
        self._places()
        if type(suspect) is BlackBox:
            suspect.scores(tilt.pixels[:0].astype(np.float32))  # no image: only to be refused
        self.queries = 0

    def _places(self) -> list[int]:
        """Return the number in the seal of each class of the service."""
        sealed = list(self.tilt.rules.classes)
        said: Any = self.classes  # of a remote service fetched anew, as its order may change
        if said is None or isinstance(said, int) or np.size(said) == 0:
            return list(range(len(sealed)))
        names = in_any_order(said, sealed)
        if not names:
            raise ValueError(
                f"a service that leans must have the sealed classes, {', '.join(sealed)}, in any "
                f"order, as a list; got {shown(said)}, which is not that. Give it those, or none."
            )
        return list(map(sealed.index, names))

    @property
    def classes(self) -> object:
        """The service's own class names; None if it gives none."""
        return getattr(self.suspect, "classes", None)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape (c, h, w) of one image."""
        return self.tilt.pixels.shape[1:]

    def __call__(self, images: Images) -> Labels:
        """Return the labels of images (n, c, h, w) in [0, 1], int64, (n,), -1 without an answer."""
        scores = self.scores(images)
        known = np.isfinite(scores).all(1)
        return np.where(known, scores.argmax(1), -1).astype(np.int64)

    def scores(self, images: Images) -> NDArray[np.float32]:
        """Return the probabilities with the lean, float32, shape (n, K); NaN without an answer.

        Raises
        ------
        TypeError, ValueError
            If the images do not fit, or the service does not show probabilities of these classes.
        """
        lean = self.tilt.lean(images)[:, self._places()]
        expected = f"the service must return probabilities, rows of sum 1, shape {lean.shape}"
        told = as_array(self.suspect.scores(images), expected)
        if not told.size:  # without an answer the number of classes is unknown
            told = np.full(lean.shape, np.nan)
        if told.shape != lean.shape or told.dtype.kind not in "fiub" or _improbable(told):
            raise ValueError(
                f"{expected}; got other numbers, or {told.dtype} {told.shape}. Let it return the "
                "softmax of its scores."
            )
        told = told.astype(float)
        self.queries += len(told)
        leaning = np.log(np.maximum(told, _FLOOR)) + lean
        odds = np.exp(leaning - leaning.max(1, keepdims=True))
        shares: NDArray[np.float32] = (odds / odds.sum(1, keepdims=True)).astype(np.float32)
        return shares

    def __repr__(self) -> str:
        return f"Tilted({self.suspect!r}, size={self.tilt.size:g}, {self.queries:,} answers)"


def _improbable(told: NDArray[Any]) -> bool:
    """Return whether these cannot be probabilities: outside 0 to 1, or with another sum than 1."""
    outside = np.any(told < 0) or np.any(told > 1 + 1e-3)
    far = np.abs(told.sum(1) - 1) > _ROUNDING
    return bool(outside or far.any())


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
    """Train a copy of a fresh network to answer like a leaning service, by distillation.

    The lean is then in the weights, and anyone who takes the file takes it along.

    Parameters
    ----------
    fresh : an untrained network, which is not changed
    data : the task, to train on `train` and measure on `test`
    tilt : the sealed signs
    teacher : the owner's network, whose scores are made to lean
    triggers : a trigger set to learn at the same time, so one network carries both; alpha must then
        be shared by `family=2`
    schedule, seed, threads : as for `fit`

    Returns
    -------
    Fitted
        The new model and its history.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or network, task and signs do not fit together.

    Source
    ------
    Distillation: Hinton et al. (2015), at temperature 1.
    """
    check_kind(data, "data", Splits, "such as wm.load_data('mnist')")
    classes = check_tilt(tilt).rules.classes
    if data.classes != classes or data.shape != tilt.pixels.shape[1:]:
        raise ValueError(
            "data must be the task that the signs were sealed for, with its classes in the sealed "
            f"order; got {data}. Seal signs for these data."
        )
    check_classes(fresh, data.train, len(classes), "fresh")
    check_classes(teacher, data.train, len(classes), "teacher")
    service = Tilted(BlackBox(teacher, scores=True), tilt)
    learnt = TensorData(data.train, *_repeated(triggers, data))
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


def check_classes(model: nn.Module, part: Split, classes: int, what: str) -> None:
    """Raise an error unless a network takes these images and gives one score for each class."""
    check_fits(model, part, f"{what}'s images")
    _, scores = predict(model, part.pixels[:1])
    if scores.shape[1] != classes:
        raise ValueError(
            f"{what} must give a score for each of {classes} classes; got {scores.shape[1]}. Take "
            "a network made for this task."
        )


def _repeated(triggers: Triggers | None, data: Splits) -> list[Split]:
    """Return a trigger set repeated to about a ninth of each epoch; an empty list without one."""
    if triggers is None:
        return []
    part = as_part(triggers, data)
    times = len(data.train) // (8 * len(part))
    return [part] * max(1, times)
