"""Thieves who never see the weights: they query the owner's service, and train their own network on
its answers.
"""

import time
from dataclasses import KW_ONLY, dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
import torch
from torch import nn

from wmlearn._checks import (
    check_choice,
    check_count,
    check_kind,
    check_query,
    check_seed,
    checked,
    shown,
)
from wmlearn._random import stable_rng
from wmlearn._types import Images, Query
from wmlearn.data.splits import Split, load_data
from wmlearn.evidence.answers import labels_of
from wmlearn.service.blackbox import BlackBox
from wmlearn.theft._base import Theft
from wmlearn.theft.deployment import Context, Deployment, Surrogate
from wmlearn.training._inference import check_fits, own_copy, predict
from wmlearn.training._threads import check_threads
from wmlearn.training.history import OnEpoch
from wmlearn.training.loop import TensorData, check_on_epoch, check_trainable, run, train_by
from wmlearn.training.schedule import Schedule
from wmlearn.triggers.unrelated import FOREIGN, fit_pixels

AT_ONCE = 250  # images per step: if the service fails later, their answers are kept
Bought = np.ndarray  # labels, int64 (n,), or scores, float32 (n, classes)


def _check_pool(value: object, name: str) -> None:
    if not isinstance(value, Split):
        check_choice(value, name, ["loot", "unrelated"])


@dataclass(frozen=True, repr=False)
class StealByQueries(Theft):
    """Model extraction: query the owner's service, and train a new network on its answers.

    These thieves walk through the town and draw their own map. They never held the owner's, so its
    trap streets are on their map only if they walked there: the queries decide what is copied.

    With labels and images of the task this is retraining; with scores, distillation; with unrelated
    images, Knockoff Nets, for thieves without any images of the task.

    Parameters
    ----------
    n_queries : how many images to ask about, each once; each may cost the thief money
    labels : "hard", only the class; or "soft", the score of every class, if the service shows it
    pool : the source of the images: "loot", images of the task; "unrelated", those of another task,
        resized to fit; or the thief's own images, as a `Split`
    seed : the choice of images, and the order of training on them
    schedule : how long and how fast to train

    Source
    ------
    Tramèr et al. (2016), Papernot et al. (2017). Soft: Hinton et al. (2015), here at temperature 1.
    Unrelated: Orekondy et al. (2019), "Knockoff Nets", with their random strategy, and
    Correia-Silva et al. (2018), "Copycat CNN".

    Examples
    --------
    >>> StealByQueries(n_queries=500, pool="unrelated")
    StealByQueries(n_queries=500, labels='hard', pool='unrelated', seed=0)
    """

    n_queries: int = checked(
        check_count,
        2000,
        low=1,
        why="images to ask about",
        hint="For instance StealByQueries(n_queries=2000).",
    )
    labels: Literal["hard", "soft"] = checked(check_choice, "hard", choices=["hard", "soft"])
    pool: Literal["loot", "unrelated"] | Split = checked(_check_pool, "loot")
    seed: int = checked(check_seed, 0)
    _: KW_ONLY
    schedule: Schedule = checked(
        check_kind,
        Schedule(epochs=20, batch_size=64),
        kind=Schedule,
        hint="such as wm.Schedule(epochs=20)",
    )

    def __call__(
        self,
        query: Query,
        fresh: nn.Module,
        loot: Split,
        *,
        on_epoch: OnEpoch | None = None,
        threads: int = 1,
    ) -> Surrogate:
        """Return a copy of the fresh network, trained on the service's answers.

        If you stop it (stop button, Ctrl+C) during the queries, it trains on the answers so far; if
        you stop it during the training, the network is kept as it is then.

        Parameters
        ----------
        query : the owner's service, a function from images to labels, such as a `RemoteModel`
        fresh : the network to train, usually an untrained one, of any architecture; it is not
            changed
        loot : the thief's own images; their labels are not used
        on_epoch : called after each epoch; returning True ends the training
        threads : processor threads for the training, as for `wm.fit`

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong, there are fewer images than `n_queries`, or the service answers
            none of them.
        """
        check_query(query, "query")
        model = own_copy(fresh)  # before the first query: some networks count or remember
        check_fits(model, loot, "loot")
        check_trainable(model)
        check_on_epoch(on_epoch)  # before the first query costs money
        check_threads(threads)
        began = time.perf_counter()
        asked = self._chosen(loot)
        _, scores = predict(model, loot.pixels[:1])
        answers, trouble, interrupted = self._buy(query, asked, classes=scores.shape[1])
        answered = np.flatnonzero(_known(answers))
        bought = TensorData(asked.take(answered))
        bought.labels = torch.from_numpy(answers[answered])
        schedule = self.schedule.on(len(bought), asked.shape)
        steps = train_by(schedule, model, bought, self.seed)
        history = run(islice(steps, schedule.epochs), schedule.epochs, dict, on_epoch, threads)
        history = replace(history, interrupted=history.interrupted or interrupted)
        seconds, missed = time.perf_counter() - began, self.n_queries - len(bought)
        return Surrogate(
            model, repr(self), self.n_queries, len(bought), history, seconds, missed, trouble
        )

    def deploy(self, owner: nn.Module, context: Context) -> Deployment:
        """Query the owner's service, and return the imitation that the thief deploys."""
        theft = context.seeded(self)
        service = BlackBox(owner, scores=self.labels == "soft")
        made = theft(service, context.fresh(), context.loot, on_epoch=context.on_epoch)
        return Deployment.of(made, owner)

    def _chosen(self, loot: Split) -> Split:
        """Return the images to ask about, in order."""
        pool = self._pool(loot)
        if pool.shape != loot.shape:
            raise ValueError(
                f"pool must have the shape {loot.shape} of the loot; got {pool.shape}. Pass "
                "images of that shape."
            )
        why = f"there are {len(pool):,} images to ask about"
        check_count(self.n_queries, "n_queries", low=1, high=len(pool), why=why)
        return pool.take(stable_rng(self.seed).permutation(len(pool))[: self.n_queries])

    def _pool(self, loot: Split) -> Split:
        """Return all images that could be asked about."""
        if isinstance(self.pool, Split):
            return self.pool
        if self.pool == "loot":
            return loot
        tasks = map(load_data, FOREIGN)
        other = next(task.train for task in tasks if task.shape != loot.shape)
        return Split(fit_pixels(other.pixels, loot.shape), other.labels)

    def _buy(self, query: Query, asked: Split, classes: int) -> tuple[Bought, str, bool]:
        """Return the answers, why some are missing, and whether that was a stop by hand."""
        parts: list[Bought] = []
        trouble, interrupted = "", False
        try:
            for start in range(0, len(asked), AT_ONCE):
                images = asked.take(slice(start, start + AT_ONCE)).images
                part = self._answers(query, images, classes)
                if not _known(part).any():  # its budget is spent, or it has failed
                    trouble = [*getattr(query, "faults", []), "The service stopped answering."][0]
                    break
                parts.append(part)
        except (Exception, KeyboardInterrupt) as error:  # a service may raise anything
            if not parts:
                raise
            trouble = str(error) or type(error).__name__
            interrupted = isinstance(error, KeyboardInterrupt)
        if not parts:
            raise ValueError(
                f"the service must answer at least one image; it answered none of {len(part):,}. "
                "Give it a budget above 0, and look at its faults."
            )
        return np.concatenate(parts), trouble, interrupted

    def _answers(self, query: Query, images: Images, classes: int) -> Bought:
        """Return the service's answers, if they fit the classes of the fresh network."""
        if self.labels == "hard":
            answered: Bought = labels_of(query, images)
            found = int(answered.max()) + 1
            fits = found <= classes
        else:
            answered = _scores(query, images)
            found = answered.shape[1]
            fits = found in (0, classes)  # none once the budget is spent
        if not fits:
            raise ValueError(
                f"the fresh network must have as many classes as the service; it has {classes}, "
                f"the service {found}. Build one with as many."
            )
        return answered


def _scores(query: Query, images: Images) -> Bought:
    if not hasattr(query, "scores"):
        raise TypeError(
            f"labels='soft' needs a service that shows its scores; got {shown(query)}. "
            "Pass wm.BlackBox(model, scores=True), or a wm.RemoteModel of such a service, or "
            "labels='hard'."
        )
    scores: Bought = query.scores(images)
    return scores


def _known(answered: Bought) -> np.ndarray:
    """Return whether each image was answered, bool, shape (n,)."""
    known: np.ndarray = answered >= 0
    if answered.ndim == 2:
        known = np.isfinite(answered).all(1) & (answered.shape[1] > 0)
    return known
