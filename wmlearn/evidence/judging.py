"""What judges do themselves, without the key: name questions, check what is opened, and test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wmlearn._checks import (
    MOST_QUESTIONS,
    check_count,
    check_family,
    check_fraction,
    check_kind,
    check_query,
    shown,
)
from wmlearn._random import stable_rng
from wmlearn._types import Query
from wmlearn.evidence import commitment, stats
from wmlearn.evidence.answers import ask
from wmlearn.evidence.beacon import Beacon
from wmlearn.evidence.calibration import CleanImages, clean_digest, numbering
from wmlearn.evidence.opening import Opening, check_named
from wmlearn.evidence.rules import Declared, Rules
from wmlearn.evidence.verdict import Verdict
from wmlearn.evidence.verdict_kinds import reach_verdict

_JUDGES = {  # by what a header holds
    "tilt": "wm.evidence.judge_tilt",
    "message": "wm.watermarks.judge_message",
    "labels": "wm.evidence.judge",
}


def challenge(seal: str, nonce: bytes, *, questions: int, count: int) -> list[int]:
    """Name the questions to be opened: drawn from the judge's own nonce, after the seal was out.

    Parameters
    ----------
    seal : the published seal, hexadecimal
    nonce : bytes that the owner could not know when sealing, for instance `secrets.token_bytes(16)`
    questions : how many questions the sealed set has
    count : how many to name

    Returns
    -------
    Their numbers, counted from 0, rising. Whoever knows seal and nonce finds the same ones.

    Examples
    --------
    >>> challenge("ab" * 32, b"three dice: 4 1 6", questions=30, count=5)
    [3, 7, 12, 14, 23]
    """
    if not isinstance(nonce, bytes) or not nonce:
        raise TypeError(
            f"nonce must be bytes of the judge's own; got {shown(nonce)}. Take "
            "secrets.token_bytes(16)."
        )
    check_count(questions, "questions", low=1, high=MOST_QUESTIONS)
    check_count(count, "count", low=1, high=questions, why="sealed questions")
    digest = hashlib.sha256(bytes.fromhex(commitment.check_digest(seal, "seal")) + nonce).digest()
    order = stable_rng(commitment.seed_numbers(digest)).permutation(questions)
    return sorted(order[:count].tolist())


def judge(
    query: Query,
    opened: Opening,
    *,
    seal: str,
    named: Sequence[int],
    alpha: float = 1e-3,
    family: int = 1,
    beacon: Beacon | None = None,
    clean: CleanImages | None = None,
) -> Verdict:
    """Ask a service the questions that were named and opened, and decide, without key and owner.

    Nothing of it is the owner's word: alpha, family and the questions are the judge's. The answers
    are drawn anew from seal and secrets. Every question that was named counts: one that was not
    opened is a miss. What was opened beyond that is left out, for the owner may have chosen it. The
    decision is made once, at the end, on the judge's p: an owner can try many seals before one is
    published, so p is multiplied by 2**48, or by the number of seals that the judge knows of.

    Parameters
    ----------
    query : the service: images in, labels out, as for `verify`
    opened : what the owner opened; `opened.brought_by(owner, nonce=...)` says first whether it is
        theirs, and was opened for this judge
    seal : the seal as it was published, before the service appeared
    named : the questions the judge named (`challenge`), in any order
    alpha : the judge's own bound on the chance of accusing an innocent service, between 0 and 1
    family : how many tests share alpha: services, seals and repetitions
    beacon : the outcome of the public draw that the seal names, and how many seals were published
        before it; without it the factor is 2**48
    clean : the judge's own clean images of the task, asked first (see `calibrate`); left out, those
        that were sealed before the labels were drawn, if there are any; else the names that the
        service gives its classes, if they are the task's

    Returns
    -------
    Verdict, over the named questions, a `JudgedVerdict`

    Raises
    ------
    ValueError
        If the seal is another one, or names another draw, or a question was not sealed as it is
        shown.

    Source
    ------
    The protocol of Zhang et al. (2018), section 4.3, has no judge. Commitments: Adi et al. (2018),
    section 5. The factor is Bonferroni's, over the seals.

    Examples
    --------
    >>> import numpy as np
    >>> import wmlearn as wm
    >>> triggers = wm.Content(words=30)(wm.load_data("mnist"), n=60, key=wm.CLASSROOM_KEY)
    >>> named = wm.evidence.challenge(triggers.seal, b"three dice", questions=triggers.n, count=25)
    >>> opened = wm.evidence.open_questions(triggers, named)
    >>> lazy = lambda images: np.full(len(images), 7)
    >>> wm.evidence.judge(lazy, opened, seal=triggers.seal, named=named).decision
    'not found'
    """
    check_query(query, "query")
    check_published(opened, seal)
    alpha = check_fraction(alpha, "alpha")
    family = check_family(family, "tests that share alpha")
    rules = _sealed_rules(opened.header)
    named = sorted(check_named(named, opened.header["questions"]))
    public_key = opened.public_key or _under_classroom_key(opened)
    terms = rules.terms(planned=len(named), public_key=public_key)
    terms = replace(
        terms,
        alpha=alpha,
        kind="judged",
        seals=seals_tried(opened, rules.declared, beacon),
        owner=rules.declared.owner,
    )
    triggers = opened.triggers(named, rules)
    if clean is None:
        clean = _sealed_clean(opened, rules.declared)
    calibration = numbering(query, rules, clean)
    if calibration is not None:
        query = calibration.of(query)
    return reach_verdict(ask(query, triggers), terms, family=family, calibration=calibration)


def check_published(opened: Opening, seal: str) -> None:
    """Raise an error for what was not opened of the set with this published seal."""
    check_kind(
        opened, "opened", Opening, "such as wm.evidence.read_opening('opened.safetensors') returns"
    )
    if opened.seal != commitment.check_digest(seal, "seal"):
        raise ValueError(
            f"opened must come from the published set, seal {seal[:8]}…; got seal "
            f"{opened.seal[:8]}…. Questions sealed later, or elsewhere, prove nothing here."
        )


def _under_classroom_key(opened: Opening) -> bool:
    """Whether a set that is opened whole was sealed under the public key, whatever its owner says.

    The secrets follow from the key and all images, so of a part nobody can tell.
    """
    order = np.argsort(opened.indices)
    if len(order) < opened.header["questions"]:
        return False
    sealed_order = np.argsort(np.take(opened.indices, opened.question), kind="stable")
    digests = commitment.image_digests(opened.pixels[sealed_order])
    known = commitment.question_secrets(commitment.CLASSROOM_KEY, digests, len(order))
    return [opened.secrets[place] for place in order] == known


def seals_tried(opened: Opening, declared: Declared, beacon: Beacon | None) -> float:
    """Return how many seals the owner may have tried: few only where a draw came after them."""
    if opened.outcome and not declared.beacon:
        raise ValueError(
            f"opened must hold no outcome, for its seal names no public draw; it holds "
            f"{shown(opened.outcome)}. Its labels were drawn again after the seal."
        )
    if beacon is None:
        return stats.JUDGE_FACTOR
    if not declared.beacon:
        raise ValueError(
            "beacon must be that of a draw which was sealed by name; this seal names none, so its "
            "owner may have tried any number of seals. Leave beacon out."
        )
    if beacon.outcome != opened.outcome:
        raise ValueError(
            f"opened must hold the outcome of {declared.beacon!r}, {shown(beacon.outcome)}; it "
            f"holds {shown(opened.outcome)}. Its labels come from another draw."
        )
    return float(beacon.seals)


def _sealed_clean(opened: Opening, declared: Declared) -> CleanImages | None:
    """Return the clean images that were sealed, if there are any and they are the sealed ones."""
    if not declared.clean:
        return None
    if opened.clean is None or clean_digest(opened.clean) != declared.clean:
        raise ValueError(
            "opened must hold the clean images that were sealed; it holds others, or none. Ask the "
            "owner to open them, or pass clean= images of your own."
        )
    return opened.clean


def _sealed_rules(header: commitment.Header) -> Rules:
    """Return the rules, if they are such as are tested here; an owner may have sealed anything."""
    try:
        rules = Rules.from_header(header)
        rest = {"questions": int(header["questions"]), "root": str(header["root"])}
        known = commitment.canonical(rules.header() | rest)
    except (KeyError, TypeError, ValueError, AttributeError):
        known = b""
    # as bytes: 1, 1.0 and true are equal to Python, and three rules to a seal
    if known != commitment.canonical(header) or rules.fixed:
        raise ValueError(
            "the sealed rules must be those of keyed labels, as wmlearn seals them; they are "
            f"others. {right_judge(header, 'labels')}"
        )
    return rules


def right_judge(header: commitment.Header, asked: str) -> str:
    """Say who tests what was sealed so, where it is another than was asked."""
    for kind, judge in _JUDGES.items():
        if kind in header and kind != asked:
            return f"Call {judge}."
    return "What they promise cannot be tested here."
