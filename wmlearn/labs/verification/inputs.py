"""What the verification lab is given to ask, and whom; a sentence for each thing that is wrong."""

from collections.abc import Mapping
from typing import TypeAlias

from wmlearn._checks import check_kind, check_query, shown
from wmlearn._types import Query
from wmlearn.evidence.trigger_set import TriggerSet

Suspects: TypeAlias = Mapping[str, Query]
Asked: TypeAlias = Mapping[str, tuple[TriggerSet, Suspects]]  # by the name of the trigger type


def check_asked(triggers: TriggerSet, suspects: Suspects, more: Asked) -> Asked:
    """Return the questions and the suspects of every trigger type, the first one first."""
    check_kind(triggers, "triggers", TriggerSet, "such as wm.Content()(data, n=300)")
    _check_more(more, triggers.kind)
    asked = {triggers.kind: (triggers, suspects), **more}
    for kind, (questions, services) in asked.items():
        _check_questions(kind, questions)
        _check_suspects(services)
    return asked


def _check_more(more: Asked, first: str) -> None:
    example = "{'noise': (triggers, {'a copy': query})}"
    if not isinstance(more, Mapping):
        raise TypeError(
            f"more must be trigger types by name, such as {example}; got {shown(more)}. Name each "
            "of them."
        )
    for kind, pair in more.items():
        if not isinstance(kind, str) or not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(
                f"more must hold a trigger set and its suspects under each name, as {example} "
                f"does; got {shown(pair)} under {kind!r}. Put the two in parentheses."
            )
        if kind == first:
            raise ValueError(
                f"more must name other trigger types than the first; got {kind!r}, which "
                f"`triggers` is. Choose another name, such as 'more {kind}'."
            )


def _check_questions(kind: str, triggers: TriggerSet) -> None:
    check_kind(triggers, "triggers", TriggerSet, "such as wm.Content()(data, n=300)")
    if triggers.rules.fixed:
        raise ValueError(
            "VerificationLab follows the wealth question by question, which needs keyed labels; "
            f"the {kind} triggers have fixed labels. Ask with wm.verify(query, triggers, "
            "nulls=[...]) instead."
        )


def _check_suspects(suspects: Suspects) -> None:
    got = "none" if isinstance(suspects, Mapping) else shown(suspects)
    if not isinstance(suspects, Mapping) or not suspects:
        raise ValueError(
            "suspects must be one or more services by name, such as "
            f"{{'a copy': wm.RemoteModel(url)}}; got {got}. Name each of them."
        )
    for name, query in suspects.items():
        if not isinstance(name, str) or not name:
            raise TypeError(
                f"a suspect's name must be text; got {name!r}. Write it in quotes, such as 'a "
                "copy'."
            )
        check_query(query, f"suspect {name!r}")
