"""What an owner opens to a judge: some of the sealed questions, and what ties each of them to the
published seal.

The key stays where it is. Each question has a secret of its own; together with the seal it says
which answer was drawn, and a path of hashes shows that this question, with these images, was sealed
at this place and no other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wmlearn._checks import as_array, check_count, check_kind, check_pixels, file_error
from wmlearn._display import plural
from wmlearn._types import Labels, Pixels
from wmlearn.evidence import commitment
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import Triggers, TriggerSet, check_order, leaves_of

NOT_OPENED = (
    -2
)  # stands for the answer of a question that was named and not opened: nothing matches it


@dataclass(frozen=True, eq=False, repr=False)
class Opening:
    """Some questions of a sealed set, opened: all that a judge needs to test them without the key.

    Whoever holds this knows their answers. So they are burnt: against a model that was changed
    afterwards they prove nothing any more, for its maker may have filtered them, or trained on
    them.

    Attributes
    ----------
    header : the sealed record of the whole set; `seal` is its SHA-256, to be compared with the
        published one
    indices : which questions these are, counted from 0 in sealed order
    names : what each shows
    pixels : their images, uint8, shape (m, c, h, w); `question` says for each image its place in
        `indices`
    """

    header: Mapping[str, object]
    indices: tuple[int, ...]
    names: tuple[str, ...]
    secrets: tuple[bytes, ...] = field(repr=False)
    paths: tuple[tuple[bytes, ...], ...]
    pixels: Pixels
    question: Labels
    public_key: bool

    @property
    def seal(self) -> str:
        """The seal of the set they were opened from."""
        return commitment.seal(self.header)

    @property
    def allowed(self) -> tuple[int, ...]:
        """The classes that an answer could have been drawn from."""
        return tuple(range(len(self.header["classes"])))

    def answers(self) -> Labels:
        """Draw the secret answer of each opened question, after checking that it was sealed; int64,
        shape (m,).

        Raises
        ------
        ValueError
            If an image, a name, a secret or a place is not what was sealed; the error says which
            question.
        """
        check_order(self.question, len(self.pixels), len(self.indices))
        seed, root, count = (
            commitment.label_seed(self.seal),
            self.header["root"],
            self.header["questions"],
        )
        drawn = []
        for place, (index, name, secret) in enumerate(zip(self.indices, self.names, self.secrets)):
            digests = [
                commitment.image_digest(image) for image in self.pixels[self.question == place]
            ]
            leaf = commitment.leaf_hash(index, secret, self.allowed, name, digests)
            if commitment.root_of(leaf, index, count, self.paths[place]).hex() != root:
                raise ValueError(
                    f"question {index} ({name}) must be what was sealed at its place; its images, "
                    "name or secret are "
                    "others. Count it as a miss, or ask the owner to open it again."
                )
            drawn.append(commitment.draw_label(seed, index, secret, self.allowed))
        return np.array(drawn, np.int64)

    def triggers(self, named: Sequence[int], rules: Rules) -> Triggers:
        """Return the named questions, to be asked in this order; nothing matches one that was not
        opened.
        """
        drawn = dict(zip(self.indices, self.answers()))
        shown = dict(zip(self.indices, self.names))
        images = [np.flatnonzero(np.take(self.indices, self.question) == index) for index in named]
        return Triggers(
            pixels=self.pixels[np.concatenate(images)],
            question=np.repeat(np.arange(len(named)), [len(each) for each in images]),
            names=tuple(shown.get(index, "not opened") for index in named),
            answers=np.array([drawn.get(index, NOT_OPENED) for index in named], np.int64),
            rules=rules,
        )

    def save(self, path: str | Path) -> Path:
        """Write the opened questions into one file (safetensors), to be handed to the judge; return
        its path.
        """
        from safetensors.numpy import save_file

        record = {
            "header": dict(self.header),
            "indices": self.indices,
            "names": self.names,
            "secrets": [secret.hex() for secret in self.secrets],
            "paths": [[node.hex() for node in path] for path in self.paths],
            "classroom": self.public_key,
        }
        arrays = {"pixels": np.array(self.pixels), "question": np.array(self.question)}
        save_file(arrays, path, metadata={"wmlearn": json.dumps(record, sort_keys=True)})
        return Path(path)

    def __repr__(self) -> str:
        shown = ", ".join(f"{index} {name}" for index, name in zip(self.indices[:3], self.names))
        more = ", …" if len(self.indices) > 3 else ""
        sealed = f"{plural(len(self.indices), 'question')} of {self.header['questions']}"
        return f"Opening({sealed}: {shown}{more}; seal {self.seal[:8]}…)"


def open_questions(triggers: TriggerSet, named: Sequence[int]) -> Opening:
    """Open the questions that a judge has named, with what it takes to check them; the key is not
    part of it.

    Parameters
    ----------
    triggers : the sealed set, with keyed labels
    named : which questions, counted from 0 in sealed order; all different

    Raises
    ------
    ValueError
        If one of them does not exist or is named twice, or the set has fixed labels, where nothing
        is drawn.

    Source
    ------
    The tree and its audit paths: RFC 9162, section 2.1.

    Examples
    --------
    >>> import wmlearn as wm
    >>> triggers = wm.Content(words=30)(wm.load_data("mnist"), n=60, key=wm.CLASSROOM_KEY)
    >>> wm.evidence.open_questions(triggers, [4, 7])
    Opening(2 questions of 30: 4 BOND, 7 COVE; seal 1d7344f1…)
    """
    check_kind(
        triggers, "triggers", TriggerSet, "such as wm.evidence.open_evidence('evidence') returns"
    )
    if triggers.rules.fixed:
        raise ValueError(
            "triggers must have keyed labels to be opened; got fixed ones, which draw nothing. "
            "Seal others."
        )
    named = check_named(named, triggers.n)
    digests = [commitment.image_digest(image) for image in triggers.pixels]
    secrets, leaves = leaves_of(
        digests, triggers.question, triggers.names, rules=triggers.rules, key=triggers.key
    )
    chosen = [np.flatnonzero(triggers.question == q) for q in named]
    return Opening(
        header=triggers.header,
        indices=named,
        names=tuple(triggers.names[q] for q in named),
        secrets=tuple(secrets[q] for q in named),
        paths=tuple(tuple(commitment.audit_path(leaves, q)) for q in named),
        pixels=triggers.pixels[np.concatenate(chosen)],
        question=np.repeat(np.arange(len(named)), [len(images) for images in chosen]),
        public_key=triggers.public_key,
    )


def check_named(named: Sequence[int], questions: int) -> tuple[int, ...]:
    """Return the numbers of the named questions, if each exists and is named once."""
    places = as_array(named, "named must list questions by number")
    if places.ndim != 1 or not len(places) or places.dtype.kind not in "iu":
        raise ValueError(
            f"named must list questions by number, such as [4, 7]; got {places.dtype} of shape "
            f"{places.shape}. "
            "Name at least one."
        )
    for place in places:
        check_count(
            int(place),
            "each named question",
            low=0,
            high=questions - 1,
            why="counted from 0 in sealed order",
        )
    if len(np.unique(places)) < len(places):
        raise ValueError(
            f"named must list each question once; got {places.tolist()}. It would be counted twice."
        )
    return tuple(int(place) for place in places)


def read_opening(path: str | Path) -> Opening:
    """Read what an owner has opened and saved; nothing is believed yet: `wm.evidence.judge` checks
    it against the seal.

    Raises
    ------
    FileNotFoundError, OSError
        If the file is missing, cut short, or no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            record = json.loads(file.metadata()["wmlearn"])
            pixels, question = check_pixels(file.get_tensor("pixels")), file.get_tensor("question")
        indices = check_named(record["indices"], record["header"]["questions"])
        if (
            not len(indices)
            == len(record["names"])
            == len(record["secrets"])
            == len(record["paths"])
        ):
            raise ValueError("not one name, secret and path for each question")
        return Opening(
            header=record["header"],
            indices=indices,
            names=tuple(map(str, record["names"])),
            secrets=tuple(map(bytes.fromhex, record["secrets"])),
            paths=tuple(tuple(map(bytes.fromhex, path)) for path in record["paths"]),
            pixels=pixels,
            question=question,
            public_key=bool(record["classroom"]),
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise file_error(
            error,
            f"{path} should hold questions that an owner has opened and saved; it is missing, "
            "damaged or another file "
            f"({type(error).__name__}). Ask the owner for it again.",
        ) from None
