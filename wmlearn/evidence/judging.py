"""What judges do themselves, without the key: name questions, check opened ones, and test."""

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

_JUDGES = {  # by an entry of the header
    "tilt": "wm.evidence.judge_tilt",
    "message": "wm.watermarks.judge_message",
    "labels": "wm.evidence.judge",
}


def challenge(seal: str, nonce: bytes, *, questions: int, count: int) -> list[int]:
    """Return the numbers of questions to be opened, drawn by the judge's nonce after the sealing.

    Parameters
    ----------
    seal : the published seal, hexadecimal
    nonce : bytes that the owner could not know when sealing, for instance `secrets.token_bytes(16)`
    questions : how many questions the sealed set has, 1 to 10,000,000
    count : how many questions to name, 1 to `questions`

    Returns
    -------
    list of int
        The numbers, counted from 0, in rising order. Seal and nonce determine them, so anyone can
        check the choice.

    Raises
    ------
    TypeError, ValueError
        If the nonce is not bytes, the seal is not 64 hexadecimal digits, or a number is outside its
        range.

    Examples
    --------
    >>> challenge("ab" * 32, b"three dice: 4 1 6", questions=30, count=5)
    [3, 7, 12, 14, 23]
    """
    if not isinstance(nonce, bytes) or not nonce:
        raise TypeError(
            f"nonce must be the judge's own bytes; got {shown(nonce)}. Take "
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
    """Return a judge's verdict on a service, reached without key or trust in the owner.

    The judge chooses alpha, family and the questions, and draws the answers again from seal and
    secrets. Every named question counts: one that was not opened is a miss. Questions that were
    opened without being named are left out, as the owner may have chosen them. The decision is made
    once, at the end, on the judge's p: an owner can try many seals before publishing one, so p is
    multiplied by 2**48, or by the number of seals that the judge knows of.

    Parameters
    ----------
    query : the service, a function from images to labels, as for `verify`
    opened : the questions that the owner opened. Check first that they belong to the owner, and
        were opened for this judge, by `opened.brought_by(owner, nonce=...)`
    seal : the seal that was published before the service appeared
    named : the questions that the judge named (`challenge`), in any order
    alpha : the judge's own bound on the probability of accusing an innocent service, between 0 and
        1
    family : how many tests share alpha: services, seals and repetitions
    beacon : the outcome of the public draw that the seal names, and how many seals were published
        before it; without it the factor is 2**48
    clean : the judge's own clean images of the task, asked first (see `calibrate`). Left out, those
        that were sealed before the labels were drawn; without any, the service's class names, if
        they are those of the task

    Returns
    -------
    Verdict
        A `JudgedVerdict` on the named questions.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or range, the seal is not that of `opened`, the draws
        differ, or a question is not as it was sealed.

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
    """Raise an error unless the questions were opened from the set with this published seal."""
    check_kind(
        opened, "opened", Opening, "such as wm.evidence.read_opening('opened.safetensors') returns"
    )
    if opened.seal != commitment.check_digest(seal, "seal"):
        raise ValueError(
            f"opened must come from the published set, seal {seal[:8]}…; got seal "
            f"{opened.seal[:8]}…. Ask the owner to open the published set: other questions prove "
            "nothing here."
        )


def _under_classroom_key(opened: Opening) -> bool:
    """Return whether a completely opened set was sealed under the public classroom key.

    The secrets follow from the key and all images, so a part of a set does not show its key.
    """
    order = np.argsort(opened.indices)
    if len(order) < opened.header["questions"]:
        return False
    sealed_order = np.argsort(np.take(opened.indices, opened.question), kind="stable")
    digests = commitment.image_digests(opened.pixels[sealed_order])
    known = commitment.question_secrets(commitment.CLASSROOM_KEY, digests, len(order))
    return [opened.secrets[place] for place in order] == known


def seals_tried(opened: Opening, declared: Declared, beacon: Beacon | None) -> float:
    """Return how many seals the owner may have tried; few only if a public draw came afterwards."""
    if opened.outcome and not declared.beacon:
        raise ValueError(
            "opened must hold no outcome, as its seal names no public draw; it holds "
            f"{shown(opened.outcome)}. Do not accept labels that were drawn again after the seal."
        )
    if beacon is None:
        return stats.JUDGE_FACTOR
    check_kind(beacon, "beacon", Beacon, "such as wm.evidence.Beacon('4 1 6 ...', 3, 6**25)")
    if not declared.beacon:
        raise ValueError(
            "beacon must belong to a draw that the seal names; this seal names none, so its owner "
            "may have tried any number of seals. Leave beacon out."
        )
    if beacon.outcome != opened.outcome:
        raise ValueError(
            f"opened must hold the outcome of {declared.beacon!r}, {shown(beacon.outcome)}; it "
            f"holds {shown(opened.outcome)}. Ask the owner to open it with the right outcome."
        )
    return float(beacon.seals)


def _sealed_clean(opened: Opening, declared: Declared) -> CleanImages | None:
    """Return the sealed clean images; None if none were sealed, an error if others were opened."""
    if not declared.clean:
        return None
    if opened.clean is None or clean_digest(opened.clean) != declared.clean:
        raise ValueError(
            "opened must hold the clean images that were sealed; it holds others, or none. Ask the "
            "owner to open them, or pass clean= images of your own."
        )
    return opened.clean


def _sealed_rules(header: commitment.Header) -> Rules:
    """Return the sealed rules if they can be tested here; an owner may have sealed anything."""
    try:
        rules = Rules.from_header(header)
        rest = {"questions": int(header["questions"]), "root": str(header["root"])}
        known = commitment.canonical(rules.header() | rest)
    except (KeyError, TypeError, ValueError, AttributeError):
        known = b""
    # compared as bytes: 1, 1.0 and true are equal in Python, but three different rules in a seal
    if known != commitment.canonical(header) or rules.fixed:
        raise ValueError(
            "the sealed rules must be those of keyed labels, as wmlearn seals them; they are "
            f"others. {right_judge(header, 'labels')}"
        )
    return rules


def right_judge(header: commitment.Header, asked: str) -> str:
    """Return the next step for a seal that another function judges, or that none can."""
    for kind, judge in _JUDGES.items():
        if kind in header and kind != asked:
            return f"Call {judge}."
    return "No function of wmlearn can test them."
