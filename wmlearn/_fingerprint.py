"""The fingerprint of a value: a SHA-256 of all that it holds, whatever it is called and however it
prints.

Values refer to each other in circles: a method to its class, a function to itself. So each value is
a node with a text of its own and the nodes below it. Nodes are colored by their text, then again
and again by it and the colors below, until no color splits any more: the colors then describe the
graph, wherever one begins and whatever is shared in it.

Source
------
Color refinement: Weisfeiler and Leman (1968); the coarsest partition is that of Hopcroft (1971).
"""

from __future__ import annotations

import hashlib

from wmlearn._content import NoContent, Node, Used, node


def fingerprint(value: object, name: str = "value") -> str:
    """Return the SHA-256 of what a value holds, in hexadecimal.

    Parameters
    ----------
    value : numbers, texts, arrays, tensors, networks, functions, objects of your own, and
        containers of such
    name : what the error calls it

    Raises
    ------
    TypeError
        If something in it has no content that could be compared.

    Examples
    --------
    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
    False
    >>> len({fingerprint(one) for one in (1, True, 1.0, "1", b"1", [1], (1,))})
    7
    """
    nodes = _collect(value, name)
    colors = [_hash([each.kind.encode(), each.text]) for each in nodes]
    while True:
        deeper = [_hash([each.kind.encode(), each.text, *_below(each, colors)]) for each in nodes]
        if len(set(deeper)) == len(set(colors)):
            return _hash([deeper[0], *sorted(set(deeper))]).hex()
        colors = deeper


def _hash(parts: list[bytes]) -> bytes:
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


def _below(one: Node, colors: list[bytes]) -> list[bytes]:
    found = [colors[place] for place in one.below]
    return found if one.ordered else sorted(found)


def _collect(value: object, name: str) -> list[Node]:
    """Return the node of a value, and those of all that it refers to, each once."""
    kept, ways = (
        [value],
        [type(value).__name__],
    )  # kept alive: an id belongs to one value as long as it lives
    places: dict[object, int] = {_key(value): 0}
    nodes = []
    for here, way in zip(kept, ways):  # both grow meanwhile
        try:
            found = node(here)
        except NoContent as reason:
            raise TypeError(
                f"{name} must be made of what cache= can recognize (numbers, texts, arrays, "
                "functions, objects of "
                f"these); got {reason} ({way}). Leave cache= out, or keep that out of it."
            ) from None
        for label, thing in zip([None, *found.below], found.below):
            if _key(thing) not in places:
                places[_key(thing)] = len(kept)
                kept.append(thing)
                ways.append(
                    f"{way}.{label}" if type(label) is str and label.isidentifier() else way
                )
        nodes.append(found._replace(below=[places[_key(thing)] for thing in found.below]))
    return nodes


def _key(value: object) -> object:
    return value if type(value) is Used else id(value)
