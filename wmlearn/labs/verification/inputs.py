"""What the verification lab is given to ask, and whom; a sentence for each thing that is wrong with
it.
"""

from __future__ import annotations

from collections.abc import Mapping

from wmlearn._checks import check_kind, check_query, shown
from wmlearn._types import Query
from wmlearn.evidence.trigger_set import TriggerSet


def kind_of(triggers: TriggerSet) -> str:
    """Return what the triggers are called, if they are a sealed set."""
    check_kind(triggers, "triggers", TriggerSet, "such as wm.Content()(data, n=300)")
    return triggers.kind


def check_asked(kind: str, triggers: TriggerSet, suspects: Mapping[str, Query]) -> None:
    """Refuse fixed labels, no suspects at all, and a suspect that has no name or cannot be asked."""
    kind_of(triggers)
    if triggers.rules.fixed:
        raise ValueError(
            "VerificationLab follows the wealth question by question, which needs keyed labels; "
            f"the {kind} triggers "
            "have fixed labels. Ask with wm.verify(query, triggers, nulls=[...]) instead."
        )
    if not isinstance(suspects, Mapping) or not suspects:
        raise ValueError(
            f"suspects must be one or more services by name, such as "
            f"{{'a copy': wm.RemoteModel(url)}}; "
            f"got {'none' if isinstance(suspects, Mapping) else shown(suspects)}. Name each of "
            "them."
        )
    for name, query in suspects.items():
        if not isinstance(name, str) or not name:
            raise TypeError(
                f"a suspect's name must be text; got {name!r}. Write it in quotes, such as 'a "
                "copy'."
            )
        check_query(query, f"suspect {name!r}")


def check_more(
    more: Mapping[str, tuple[TriggerSet, Mapping[str, Query]]], first: str
) -> dict[str, tuple[TriggerSet, Mapping[str, Query]]]:
    """Return the other trigger types, or say what is wrong with their names or with how they are
    put down.
    """
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
                "does; "
                f"got {shown(pair)} under {kind!r}. Put the two in parentheses."
            )
        if kind == first:
            raise ValueError(
                f"more must name other trigger types than the first; got {kind!r}, which "
                "`triggers` is. "
                f"Choose another name, such as 'more {kind}'."
            )
    return {kind: (pair[0], pair[1]) for kind, pair in more.items()}
