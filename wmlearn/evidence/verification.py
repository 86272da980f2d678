"""The detection stage: ask a black box the secret questions, and say what the answers prove.

This module cannot see a model. It knows only a `Query`, a function from images to labels, whether
an HTTP service, a model in memory or a lambda is behind it. A test enforces that.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from traceback import format_exception_only

import numpy as np

from wmlearn._checks import check_count, check_family, check_query, shown
from wmlearn._types import Images, Labels, Query
from wmlearn.evidence import stats
from wmlearn.evidence.answers import ask_null, check_nulls, labels_of
from wmlearn.evidence.calibration import CleanImages
from wmlearn.evidence.sequential import SHARERS, SequentialTest
from wmlearn.evidence.tilt import TiltSet, verify_tilt
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.evidence.verdict import Verdict, Verdicts
from wmlearn.evidence.verdict_kinds import reach_verdict


def verify(
    query: Query,
    triggers: TriggerSet | TiltSet,
    *,
    questions: int | None = None,
    nulls: Sequence[Query] = (),
    population: str = "",
    family: int = 1,
    clean: CleanImages | None = None,
) -> Verdict:
    """Return the verdict on whether a service carries the watermark, after asking it the questions.

    This is the owner's own test, which assumes that theirs was the only seal; for others see
    `wm.evidence.judge`. With keyed labels every question counts once, in sealed order, and one
    without an answer is a miss. The bettor's wealth decides, so the bound alpha holds whenever you
    stop. With fixed labels (the paper) a watermark is found only if the target was drawn at random
    and null models of a declared population were asked.

    Parameters
    ----------
    query : the service: a function from images, float32 in [0, 1], shape (n, c, h, w), to labels,
        int64, shape (n,), -1 for an image without an answer; such as `BlackBox` and `RemoteModel`
    triggers : the sealed trigger set; or sealed signs, a `TiltSet`, whose images are all asked
        before the one decision (`wm.evidence.verify_tilt`)
    questions : how many questions to ask, in sealed order; by default all
    nulls : models of the same task that were never watermarked and never used to choose anything
    population : the kind of null models, in words; an innocent suspect must be of this kind
    family : how many suspects, trigger sets, keys and repetitions share alpha, past and future
        ones: asking the same service a second time is a second test
    clean : images of the task and their classes, such as `data.test.take(range(300))`, asked first:
        the service must do the task, and may number its classes in any way. If they were not
        sealed, the judge's p is 1. Left out, those that a trigger set was sealed with are used (a
        tilt keeps only their digest: pass them); without any, the service's class names
        (`RemoteModel.classes`), if they are those of the task

    Returns
    -------
    Verdict
        Its `decision` is "found", "not found" or "cannot tell".

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or range, the service returns anything other than one
        whole number per image, or a null model leaves an image unanswered.

    Source
    ------
    The protocol is Zhang et al. (2018), section 4.3, which has no decision rule. Keyed labels: Adi
    et al. (2018). The rule: Ville (1939).

    Examples
    --------
    >>> import wmlearn as wm
    >>> mnist = wm.load_data("mnist")
    >>> triggers = wm.Content(words=30)(mnist, n=60, key=wm.CLASSROOM_KEY)
    >>> copy = lambda images: triggers.labels  # knows every answer
    >>> lazy = lambda images: np.ones(len(images), int)  # always says 1
    >>> wm.verify(copy, triggers).decision
    'found'
    >>> wm.verify(lazy, triggers).decision
    'not found'
    """
    family = check_family(family, SHARERS)
    if isinstance(triggers, TiltSet):
        if questions is not None or nulls or population:
            raise ValueError(
                "a tilt is tested with all of its images and without null models; got questions, "
                "nulls or population. Leave them out."
            )
        return verify_tilt(query, triggers, family=family, clean=clean)
    test = SequentialTest(query, triggers, family=family, clean=clean)
    triggers = test.triggers
    nulls = check_nulls(nulls)
    if questions is None:
        questions = triggers.n
    check_count(questions, "questions", low=1, high=triggers.n, why="sealed")
    chosen = triggers.first(questions)
    null_answers = [ask_null(null, chosen) for null in nulls]
    test.ask(questions)  # last: no later error may lose answers that were paid for
    return reach_verdict(
        test.answers,
        triggers.terms,
        family=family,
        nulls=null_answers,
        population=population,
        calibration=test.calibration,
    )


def verify_all(
    suspects: Mapping[str, Query],
    triggers: TriggerSet | TiltSet,
    *,
    questions: int | None = None,
    nulls: Sequence[Query] = (),
    population: str = "",
    clean: CleanImages | None = None,
) -> Verdicts:
    """Return the verdicts on several services; alpha bounds the chance of any false accusation.

    Alpha is shared by Holm's rule on the anytime-valid p-values: the family of the clearest case is
    the number of all suspects, that of the next one less, and so on until one is not clear enough.
    A suspect that raises an error, or returns no labels, counts as one of them: its questions stay
    unanswered, and a warning says why. So the answers of the others are never lost.

    Parameters
    ----------
    suspects : the services by name, each as for `verify`
    triggers, questions, nulls, population, clean : as for `verify`

    Returns
    -------
    Verdicts
        One verdict per suspect, by name.

    Raises
    ------
    TypeError, ValueError
        If `suspects` is no dict of services, or another argument is wrong, as for `verify`.

    Source
    ------
    Holm (1979).

    Examples
    --------
    >>> import wmlearn as wm
    >>> triggers = wm.Content(words=30)(wm.load_data("mnist"), n=60, key=wm.CLASSROOM_KEY)
    >>> copy = lambda images: triggers.labels
    >>> lazy = lambda images: np.ones(len(images), int)
    >>> wm.verify_all({"copy": copy, "lazy": lazy}, triggers).to_frame().decision.to_dict()
    {'copy': 'found', 'lazy': 'not found'}
    """
    if not isinstance(suspects, Mapping) or not suspects:
        raise TypeError(
            f"suspects must be services by name; got {shown(suspects)}. Pass a dict: "
            f"{{'shop': wm.RemoteModel(url)}}."
        )
    for name, suspect in suspects.items():
        check_query(suspect, f"suspects[{name!r}]")
    witnesses = list(map(_Once, check_nulls(nulls)))
    apart: dict[str, Verdict] = {}
    for name, suspect in suspects.items():
        silent = _OrSilence(suspect)
        apart[str(name)] = verify(
            silent,
            triggers,
            questions=questions,
            nulls=witnesses,
            population=population,
            clean=clean,
        )
        if silent.fault:
            warnings.warn(f"{name} gave no answers: {silent.fault}", stacklevel=2)
    p_values = np.nan_to_num([verdict.p for verdict in apart.values()], nan=1.0)
    families = stats.holm_families(p_values.tolist(), triggers.rules.alpha)
    for name, family in zip(apart, families):
        apart[name] = replace(apart[name], family=family)
    return Verdicts(apart)


class _OrSilence:
    """A suspect that gives no answer instead of raising an error; `fault` holds the error."""

    def __init__(self, suspect: Query) -> None:
        self.suspect = suspect
        self.fault = ""

    @property
    def classes(self) -> object:
        """The suspect's class names, if it gives any and can be reached."""
        try:
            return getattr(self.suspect, "classes", None)
        except Exception:
            return None  # its images are asked all the same

    @property
    def n_scores(self) -> object:
        """The number of scores behind each of the suspect's labels, if it is known."""
        return getattr(self.suspect, "n_scores", None)

    def __call__(self, images: Images) -> Labels:
        try:
            return labels_of(self.suspect, images)
        except Exception as error:  # any error at all: it must not affect the others
            self.fault = "".join(format_exception_only(error)).strip()
            return np.full(len(images), -1)


class _Once:
    """A null model that is asked only once, however many suspects there are."""

    def __init__(self, null: Query) -> None:
        self.null = null
        self.answers: dict[bytes, Labels] = {}  # by the images

    def __call__(self, images: Images) -> Labels:
        asked = hashlib.sha256(images.data).digest()
        if asked not in self.answers:
            self.answers[asked] = self.null(images)
        return self.answers[asked]
