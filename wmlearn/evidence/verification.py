"""The detection stage: ask a black box the secret questions, and say what the answers prove.

This module cannot see a model. It knows a `Query`, images in and labels out, and whether a real HTTP service, a model
in memory or a lambda stands behind it makes no difference. A test holds it to that.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from wmlearn._checks import check_count, check_fraction, check_kind, check_query, shown
from wmlearn._types import Images, Labels, Query
from wmlearn.evidence import stats
from wmlearn.evidence.answers import ask, ask_null, check_nulls
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.evidence.verdict import Verdict, Verdicts
from wmlearn.evidence.verdict_kinds import reach_verdict


def verify(
    query: Query,
    marks: TriggerSet,
    *,
    questions: int | None = None,
    nulls: Sequence[Query] = (),
    family: int = 1,
    alpha: float | None = None,
) -> Verdict:
    """Ask a service the sealed questions and decide whether it carries the watermark.

    Keyed labels: every question counts, in sealed order, once; one that gets no answer is a miss. The gambler's wealth
    decides, so that the promise holds whenever one stops. Fixed labels (the paper): only null models, or a target drawn
    by lot, give a p-value.

    Parameters
    ----------
    query : the service: a function from images, float32 in [0, 1], shape (n, c, h, w), to labels, int64, shape (n,),
        -1 where no answer came; `BlackBox` and `HttpBox` are such functions
    marks : the sealed trigger set
    questions : how many questions to ask, in sealed order; all of them by default
    nulls : models of the same task that were never marked and never used to choose anything
    family : how many suspects, trigger sets, keys and repetitions were or will be tried: alpha is shared among them,
        for asking the same service a second time is a second test
    alpha : only the sealed alpha is accepted; leave it out

    Returns
    -------
    Verdict: found, not found, or cannot tell

    Raises
    ------
    ValueError
        If alpha is not the sealed one, the service returns something else than one whole number an image, or a null
        model leaves an image unanswered.

    Source
    ------
    The protocol is Zhang et al. (2018), section 4.3, which has no decision rule. Keyed labels: Adi et al. (2018).
    The rule: Ville (1939).

    Examples
    --------
    >>> import wmlearn as wm
    >>> mnist = wm.load_data("mnist")
    >>> marks = wm.Content(words=30)(mnist, n=60, key=wm.CLASSROOM_KEY)
    >>> wm.verify(lambda images: marks.labels, marks).decision      # a service that knows every answer
    'found'
    >>> wm.verify(lambda images: np.ones(len(images), int), marks).decision      # one that always says 1
    'not found'
    """
    check_kind(marks, "marks", TriggerSet, "such as wm.Content()(data, n=300), after the query")
    check_query(query, "query")
    nulls = check_nulls(nulls)
    if alpha is not None and check_fraction(alpha, "alpha") != marks.alpha:
        raise ValueError(
            f"alpha is sealed with the questions: expected {marks.alpha:g}, got {alpha!r}. Leave alpha out; to use "
            "another, seal a new trigger set with it before the service is asked."
        )
    check_count(family, "family", low=1, why="suspects, trigger sets and keys tried")
    asked = marks.n if questions is None else check_count(questions, "questions", low=1, high=marks.n, why="sealed")
    triggers = marks.first(asked)
    null_answers = [ask_null(null, triggers) for null in nulls]
    answers = ask(query, triggers)  # last: what it answers was paid for, and no error must lose it
    return reach_verdict(answers, marks.terms, family=family, nulls=null_answers)


def verify_all(
    suspects: Mapping[str, Query], marks: TriggerSet, *, questions: int | None = None, nulls: Sequence[Query] = ()
) -> Verdicts:
    """Ask several services the same sealed questions; alpha bounds the chance of accusing any innocent one of them.

    Alpha is shared by Holm's rule on the anytime p-values: the clearest case pays for all, the next for all but one,
    and so on until one is not clear enough. A suspect that cannot be asked counts as one of them: its questions stay
    unanswered, and a warning says why, so that nothing the others have answered is lost.

    Parameters
    ----------
    suspects : the services by name, each as for `verify`
    marks, questions, nulls : as for `verify`

    Returns
    -------
    Verdicts: one for each suspect, by name

    Source
    ------
    Holm (1979).

    Examples
    --------
    >>> import wmlearn as wm
    >>> marks = wm.Content(words=30)(wm.load_data("mnist"), n=60, key=wm.CLASSROOM_KEY)
    >>> suspects = {"copy": lambda images: marks.labels, "lazy": lambda images: np.ones(len(images), int)}
    >>> wm.verify_all(suspects, marks).to_frame().decision.to_dict()
    {'copy': 'found', 'lazy': 'not found'}
    """
    if not isinstance(suspects, Mapping) or not suspects:
        raise TypeError(
            f"suspects must be services by name; got {shown(suspects)}. Pass a dict: {{'shop': wm.HttpBox(url)}}."
        )
    for name, suspect in suspects.items():
        check_query(suspect, f"suspects[{name!r}]")
    alone: dict[str, Verdict] = {}
    for name, suspect in suspects.items():
        alone[str(name)] = verify(_or_silence(suspect, name), marks, questions=questions, nulls=nulls)
    p_values = [1.0 if math.isnan(verdict.p) else verdict.p for verdict in alone.values()]
    families = stats.holm_families(p_values, marks.alpha)
    return Verdicts({name: replace(alone[name], family=family) for name, family in zip(alone, families)})


def _or_silence(suspect: Query, name: object) -> Query:
    """Return the suspect, who now says nothing, with a warning, where it would raise an error."""

    def query(images: Images) -> Labels:
        try:
            return suspect(images)
        except (OSError, ValueError) as error:
            warnings.warn(f"{name} could not be asked: {error}", stacklevel=6)
            return np.full(len(images), -1)

    return query
