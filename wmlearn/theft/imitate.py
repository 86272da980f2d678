"""Thieves who never see the weights: they ask the owner's service, and train a network of their own
on its answers.
"""

from __future__ import annotations

import time
from dataclasses import KW_ONLY, dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
from torch import nn

from wmlearn._checks import check_choice, check_count, check_kind, check_query, check_seed, shown
from wmlearn._random import stable_rng
from wmlearn._types import Query
from wmlearn.data.splits import Split, load_data
from wmlearn.evidence.answers import labels_of
from wmlearn.service.blackbox import BlackBox
from wmlearn.theft._base import ByAsking
from wmlearn.theft.deployment import Context, Surrogate
from wmlearn.training._inference import check_fits, predict
from wmlearn.training._threads import check_threads
from wmlearn.training.history import OnEpoch
from wmlearn.training.loop import TensorData, check_on_epoch, own_copy, run, train
from wmlearn.training.schedule import Schedule
from wmlearn.triggers.unrelated import FOREIGN, fit_pixels

AT_ONCE = 250  # images in one go: what came before the service died is kept


@dataclass(frozen=True, repr=False)
class StealByQueries(ByAsking):
    """Model extraction: ask the owner's service about images, and train a fresh network on what it
    answers.

    Thieves who walk the town draw their own map. They never held the owner's, so its trap streets
    are on theirs only where their walks led through them: what a thief asks decides what is copied.

    With labels and images of the task this is retraining; with scores, distillation; with images
    from another world, the Knockoff Nets of those who have no images of the task at all.

    Parameters
    ----------
    n_queries : images to ask about, each once; each may cost the thief money
    labels : "hard", the class alone; or "soft", the score of every class, where the service tells
        them
    pool : where they come from: "loot", images of the task; "unrelated", those of another task,
        made to fit; or any images of the thief's own, as a `Split`
    seed : which images, and in which order they are trained on
    schedule : how long and how fast

    Source
    ------
    Tramèr et al. (2016), Papernot et al. (2017); soft: Hinton et al. (2015), here at temperature 1;
    unrelated: Orekondy et al. (2019) "Knockoff Nets", with their random strategy, and Correia-Silva
    et al. (2018) "Copycat CNN".

    Examples
    --------
    >>> StealByQueries(n_queries=500, pool="unrelated")
    StealByQueries(n_queries=500, labels='hard', pool='unrelated', seed=0)
    """

    n_queries: int = 2000
    labels: Literal["hard", "soft"] = "hard"
    pool: Literal["loot", "unrelated"] | Split = "loot"
    seed: int = 0
    _: KW_ONLY
    schedule: Schedule = Schedule(epochs=20, batch_size=64)

    def __post_init__(self) -> None:
        check_count(
            self.n_queries,
            "n_queries",
            low=1,
            why="images to ask about",
            hint="For instance StealByQueries(n_queries=2000).",
        )
        check_choice(self.labels, "labels", ["hard", "soft"])
        if not isinstance(self.pool, Split):
            check_choice(self.pool, "pool", ["loot", "unrelated"])
        check_seed(self.seed)
        check_kind(self.schedule, "schedule", Schedule, "such as wm.Schedule(epochs=20)")

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

        Stop while it asks, and it trains on what it has so far; stop while it trains, and what it
        has learnt is kept.

        Parameters
        ----------
        query : the owner's service, images in and labels out, such as an `RemoteModel`; never the
            weights
        fresh : the network to train, usually an untrained one, of whatever kind; it is left as it
            was
        loot : images of the thief's own; their labels are not used
        on_epoch : called after each epoch; returning True ends the training there
        threads : of the processor, for the training; as for `wm.fit`

        Raises
        ------
        ValueError
            If there are fewer images than are to be asked about, or none was answered.
        """
        check_query(query, "query")
        check_fits(fresh, loot, "loot")
        check_on_epoch(on_epoch)  # before a query is paid for
        check_threads(threads)
        began = time.perf_counter()
        pool = self._pool(loot)
        if pool.shape != loot.shape:
            raise ValueError(
                f"pool must have the shape {loot.shape} of the loot; got {pool.shape}. Make them "
                "fit."
            )
        check_count(
            self.n_queries,
            "n_queries",
            low=1,
            high=len(pool),
            why=f"there are {len(pool):,} images to ask about",
        )
        asked = pool.take(stable_rng(self.seed).permutation(len(pool))[: self.n_queries])
        _, scores = predict(fresh, loot.pixels[:1])
        bought, trouble, interrupted = self._buy(query, asked, scores.shape[1])
        model, epochs = own_copy(fresh), self.schedule.epochs
        steps = train(
            model,
            TensorData(bought),
            rate=self.schedule,
            seed=self.seed,
            batch_size=self.schedule.batch_size,
        )
        history = run(islice(steps, epochs), epochs, dict, on_epoch, threads)
        history = replace(history, interrupted=history.interrupted or interrupted)
        seconds, missed = time.perf_counter() - began, self.n_queries - len(bought)
        return Surrogate(
            model, repr(self), self.n_queries, len(bought), history, seconds, missed, trouble
        )

    @property
    def _buys_scores(self) -> bool:
        return self.labels == "soft"

    def _made(self, service: BlackBox, context: Context) -> Surrogate:
        return self(service, context.fresh(), context.loot, on_epoch=context.on_epoch)

    def _pool(self, loot: Split) -> Split:
        """Return the images that could be asked about."""
        if isinstance(self.pool, Split):
            return self.pool
        if self.pool == "loot":
            return loot
        other = next(each for each in map(load_data, FOREIGN) if each.shape != loot.shape).train
        return Split(fit_pixels(other.pixels, loot.shape), other.labels)

    def _buy(self, query: Query, asked: Split, classes: int) -> tuple[Split, str, bool]:
        """Return the images that were answered with their answers, what kept the others from it,
        and if it was Stop.
        """
        answers, trouble, interrupted = [], "", False
        try:
            for start in range(0, len(asked), AT_ONCE):
                answers.append(
                    self._answers(query, asked.take(slice(start, start + AT_ONCE)).images, classes)
                )
                if not _known(answers[-1]).any():  # its budget is spent, or it is dead
                    trouble = [*getattr(query, "faults", []), "The service stopped answering."][0]
                    break
        except (
            Exception,
            KeyboardInterrupt,
        ) as error:  # whatever a service of somebody else's may raise
            if not answers:
                raise
            trouble = str(error) or type(error).__name__
            interrupted = isinstance(error, KeyboardInterrupt)
        answered = np.concatenate([each for each in answers if _known(each).any()] or answers)
        kept = asked.take(np.flatnonzero(_known(answered)))
        if not len(kept):
            raise ValueError(
                "the service must answer at least one image; it answered none of "
                f"{len(answered):,}. "
                "Give it a budget above 0, and look at its faults."
            )
        kind = Split if answered.ndim == 1 else _Soft
        return kind(kept.pixels, answered[_known(answered)], kept.vary), trouble, interrupted

    def _answers(self, query: Query, images: np.ndarray, classes: int) -> np.ndarray:
        """Return labels, shape (n,), or scores, shape (n, classes)."""
        if self.labels == "soft" and not hasattr(query, "scores"):
            raise TypeError(
                f"labels='soft' needs a service that tells its scores; got {shown(query)}. "
                "Ask a wm.BlackBox(model, scores=True), or a wm.RemoteModel to such a service, or "
                "take labels='hard'."
            )
        answered = labels_of(query, images) if self.labels == "hard" else query.scores(images)
        found = int(answered.max()) + 1 if answered.ndim == 1 else answered.shape[1]
        if found > classes or (answered.ndim == 2 and 0 < found < classes):
            raise ValueError(
                f"the fresh network must have the classes of the service; it has {classes}, the "
                f"service {found}. "
                "Build one with as many."
            )
        return answered


def _known(answered: np.ndarray) -> np.ndarray:
    """Return which images were answered, shape (n,)."""
    return (
        answered >= 0
        if answered.ndim == 1
        else np.isfinite(answered).all(1) & (answered.shape[1] > 0)
    )


class _Soft(Split):
    """Images whose labels are probabilities, float32 (n, classes): the cross-entropy takes either."""

    def __post_init__(self) -> None:
        pass
