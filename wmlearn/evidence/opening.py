"""Questions that an owner opens to a judge, with the proof that each belongs to the published seal.

The key stays with the owner. Each question has its own secret, which together with the seal
determines the answer; a path of hashes shows that this question, with these images, was sealed at
exactly this place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wmlearn._checks import (
    MOST_QUESTIONS,
    Checked,
    as_array,
    check_count,
    check_kind,
    check_pixels,
    checked,
    shown,
)
from wmlearn._display import plural
from wmlearn._files import (
    IMAGE_BYTES,
    RECORD_BYTES,
    check_file,
    check_size,
    hex_texts,
    parse_json,
    readable,
    texts,
    whole,
)
from wmlearn._types import Labels, Pixels
from wmlearn.evidence import commitment
from wmlearn.evidence.calibration import CleanImages, clean_arrays, clean_of
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import Triggers, TriggerSet, check_order

_EXTRAS = ("outcome", "nonce", "case", "signature")  # in the file only if they are given
BITS = (0, 1)  # the values that a bit of a message can have
NOT_OPENED = -2  # the answer of a question named but not opened: no label matches it


@dataclass(frozen=True, eq=False)
class Opening(Checked):
    """Opened questions of a sealed set: everything a judge needs to test them without the key.

    Anyone who holds this knows the answers. So the questions prove nothing against a model that is
    changed afterwards: its maker may have filtered them, or trained on them.

    Attributes
    ----------
    header : the sealed record of the whole set; `seal` is its SHA-256, to be compared with the
        published seal
    indices : the numbers of the opened questions, counted from 0 in sealed order
    names : what each question shows
    secrets, paths : the secret of each answer, and the audit path of each question
    pixels : the images, uint8, shape (m, c, h, w)
    question : for each image the position of its question in `indices`, int64, shape (m,)
    public_key : whether the owner says that the public classroom key was used
    outcome : the outcome of the public draw that the header names, as the owner states it
    nonce, case : the judge's nonce, and the case that the questions were opened for
    clean : the clean images that were sealed with the set, uint8, and their classes
    signature : the owner's signature, if the header names a public key (`wm.evidence.court`)
    """

    header: commitment.Header
    indices: tuple[int, ...]
    names: tuple[str, ...]
    secrets: Sequence[bytes]
    paths: Sequence[Sequence[bytes]]
    pixels: Pixels
    question: Labels
    public_key: bool
    outcome: str = ""
    nonce: bytes = checked(check_kind, b"", kind=bytes, hint="such as secrets.token_bytes(16)")
    case: str = checked(check_kind, "", kind=str, hint="such as 'Alice against Bob'")
    clean: CleanImages | None = None
    signature: str = ""

    @property
    def seal(self) -> str:
        """The seal of the set that the questions were opened from."""
        return commitment.seal(self.header)

    @property
    def allowed(self) -> tuple[int, ...]:
        """The classes, or bits, that answers were drawn from."""
        return BITS if self.of_bits else tuple(range(len(self.header["classes"])))

    @property
    def of_bits(self) -> bool:
        """Whether these are bits of a message or signs, which have no images of their own."""
        return "message" in self.header or "tilt" in self.header

    def brought_by(self, owner: str, *, nonce: bytes) -> Opening:
        """Return this opening if its seal names this owner or nobody, and it is for this judge.

        So nobody else can use an opening that one owner made for one judge. If the header names a
        public key, `wm.evidence.court` also checks the owner's signature.

        Parameters
        ----------
        owner : the person or company that brings the case
        nonce : the judge's own nonce; b"" if there was none

        Raises
        ------
        ValueError
            If the seal names another owner, the opening has another nonce, or a required signature
            is wrong.
        """
        named = self.header.get("owner", "")
        if named and named != owner:
            raise ValueError(
                f"the seal must name {shown(owner)}, who brings the case; it names "
                f"{shown(named)}. Nobody can use the seal of another owner: dismiss the case."
            )
        if nonce != self.nonce:
            raise ValueError(
                "opened must hold the nonce of this judge; it holds another, or none. Ask the "
                "owner to open the questions for this case (open_questions(..., nonce=))."
            )
        if self.header.get("signer"):
            from wmlearn.evidence import court

            court.check_signature(self.header, self.indices, self.nonce, self.case, self.signature)
        return self

    def answers(self) -> Labels:
        """Return the secret answer of each opened question, drawn again; int64, shape (questions,).

        Raises
        ------
        ValueError
            If an image, a name, a secret or a place differs from what was sealed; the error names
            the question.
        """
        if not self.of_bits:
            check_order(self.question, len(self.pixels), len(self.indices))
        seed = commitment.label_seed(self.seal, self.outcome)
        count = self.header["questions"]
        drawn = []
        if not len(self.indices) == len(self.names) == len(self.secrets) == len(self.paths):
            raise ValueError(
                "each opened question must have a name, a secret and a path; some are missing. Ask "
                "the owner to open them again."
            )
        for place, (index, name) in enumerate(zip(self.indices, self.names)):
            secret = self.secrets[place]
            digests = commitment.image_digests(self.pixels[self.question == place])
            leaf = commitment.leaf_hash(index, secret, self.allowed, name, digests)
            root = commitment.root_of(leaf, index, count, self.paths[place])
            if root.hex() != self.header["root"]:
                raise ValueError(
                    f"question {index} ({name}) must be as it was sealed at its place; its images, "
                    "name or secret differ. Count it as a miss, or ask the owner to open it again."
                )
            drawn.append(commitment.draw_label(seed, index, secret, self.allowed))
        return np.array(drawn, np.int64)

    def triggers(self, named: Sequence[int], rules: Rules) -> Triggers:
        """Return the named questions as triggers in this order; one not opened is always a miss."""
        drawn = dict(zip(self.indices, self.answers()))
        shown = dict(zip(self.indices, self.names))
        question, images = _images_of(named, np.take(self.indices, self.question))
        names = tuple(shown.get(index, "not opened") for index in named)
        answers = [drawn.get(index, NOT_OPENED) for index in named]
        return Triggers(self.pixels[images], question, names, np.array(answers, np.int64), rules)

    def save(self, path: str | Path) -> Path:
        """Write the opening to one file (safetensors) for the judge, and return its path."""
        from safetensors.numpy import save

        record = {
            "header": dict(self.header),
            "indices": self.indices,
            "names": self.names,
            "secrets": self.secrets,
            "paths": self.paths,
            "classroom": self.public_key,
        }
        extras = {name: getattr(self, name) for name in _EXTRAS}
        record |= {name: value for name, value in extras.items() if value}
        text = json.dumps(record, sort_keys=True, default=bytes.hex)
        arrays = clean_arrays(self.clean)
        arrays |= {"pixels": self.pixels, "question": self.question}
        with whole(path) as file:
            file.write(save(arrays, {"wmlearn": text}))
        return Path(path)

    def __repr__(self) -> str:
        shown = ", ".join(f"{index} {name}" for index, name in zip(self.indices[:3], self.names))
        more = ", …" if len(self.indices) > 3 else ""
        size = f"{plural(len(self.indices), 'question')} of {self.header['questions']}"
        return f"Opening({size}: {shown}{more}; seal {self.seal[:8]}…)"


def open_questions(
    triggers: TriggerSet, named: Sequence[int], *, nonce: bytes = b"", case: str = ""
) -> Opening:
    """Return the questions that a judge has named, with everything to check them except the key.

    Parameters
    ----------
    triggers : the sealed set, with keyed labels
    named : the numbers of the questions, counted from 0 in sealed order; all different
    nonce, case : the judge's nonce by which they were named, and the case they are opened for

    Raises
    ------
    TypeError, ValueError
        If `triggers` is no trigger set, a question does not exist or is named twice, or the set has
        fixed labels, which are not drawn.

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
            "triggers must have keyed labels to be opened; got fixed ones, which are not drawn. "
            "Seal triggers with keyed labels."
        )
    indices = check_named(named, triggers.n)
    question, images = _images_of(indices, triggers.question)
    paths = commitment.audit_paths(triggers.leaves)
    return Opening(
        header=triggers.header,
        indices=indices,
        names=tuple(triggers.names[q] for q in indices),
        secrets=[triggers.secrets[q] for q in indices],
        paths=[paths[q] for q in indices],
        pixels=triggers.pixels[images],
        question=question,
        public_key=triggers.public_key,
        outcome=triggers.outcome,
        nonce=nonce,
        case=case,
        clean=triggers.clean,
    )


def _images_of(named: Sequence[int], question: Labels) -> tuple[Labels, Labels]:
    """Return for each image of the named questions its place in `named`, and its own position."""
    rows, images = np.nonzero(np.equal.outer(named, question))
    return np.ascontiguousarray(rows), images


def check_named(named: Sequence[int], questions: int) -> tuple[int, ...]:
    """Return the numbers of the named questions, if each exists and is named only once."""
    places = as_array(named, "named must list questions by number")
    if places.ndim != 1 or not len(places) or places.dtype.kind not in "iu":
        raise ValueError(
            f"named must list questions by number, such as [4, 7]; got {places.dtype} of shape "
            f"{places.shape}. Name at least one."
        )
    numbers = places.tolist()
    for number in numbers:
        check_count(
            number,
            "each named question",
            low=0,
            high=questions - 1,
            why="counted from 0 in sealed order",
        )
    if len(set(numbers)) < len(numbers):
        raise ValueError(
            f"named must list each question once; got {numbers}. Leave repetitions out."
        )
    return tuple(numbers)


def read_opening(path: str | Path) -> Opening:
    """Return the opened questions in a file that `Opening.save` wrote.

    Nothing is verified yet: `wm.evidence.judge` checks them against the seal.

    Raises
    ------
    FileNotFoundError, OSError
        If the file is missing, damaged or of another kind.
    """
    from safetensors import safe_open

    expected = f"{path} should hold questions that an owner has opened and saved"
    with (
        readable(expected, "Ask the owner for it again."),
        safe_open(check_file(path, IMAGE_BYTES), framework="numpy") as file,
    ):
        text = file.metadata()["wmlearn"]
        check_size(len(text), RECORD_BYTES)
        record = parse_json(text)
        header, public_key = record["header"], bool(record["classroom"])
        texts(header.get("classes", []))  # the header of a message in the weights has none
        questions = check_count(header["questions"], "questions", low=1, high=MOST_QUESTIONS)
        indices = check_named(record["indices"], questions)
        names = texts(record["names"])
        if not all(map(str.isprintable, names)):
            raise ValueError("a name is not a line of text")
        secrets = hex_texts(record["secrets"])
        paths = list(map(hex_texts, record["paths"]))
        if not len(indices) == len(names) == len(secrets) == len(paths):
            raise ValueError("not one name, secret and path per question")
        pixels = check_pixels(file.get_tensor("pixels"))
        question = file.get_tensor("question")
        clean = clean_of({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        nonce = bytes.fromhex(record.get("nonce", ""))
        more = [record.get(name, "") for name in ("outcome", "case", "signature")]
        outcome, case, signature = texts(more)
    return Opening(
        header,
        indices,
        names,
        secrets,
        paths,
        pixels,
        question,
        public_key,
        outcome,
        nonce,
        case,
        clean,
        signature,
    )
