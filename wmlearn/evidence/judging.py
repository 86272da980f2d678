"""What judges do themselves, without the key: name questions, check what is opened, and test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from wmlearn._checks import MOST_QUESTIONS, check_count, check_kind, check_query, shown
from wmlearn._random import stable_rng
from wmlearn._types import Query
from wmlearn.evidence import commitment
from wmlearn.evidence.answers import ask
from wmlearn.evidence.opening import Opening, check_named
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.verdict import Verdict
from wmlearn.evidence.verdict_kinds import reach_verdict


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
    digest = hashlib.sha256(bytes.fromhex(check_seal(seal)) + nonce).digest()
    order = stable_rng(commitment.seed_numbers(digest)).permutation(questions)
    return sorted(order[:count].tolist())


def judge(
    query: Query, opened: Opening, *, seal: str, named: Sequence[int], family: int = 1
) -> Verdict:
    """Ask a service the questions that were named and opened, and decide, without key and owner.

    The answers are drawn anew from seal and secrets. Every question that was named counts: one that
    was not opened is a miss. What was opened beyond that is left out, for the owner may have chosen
    it.

    Parameters
    ----------
    query : the service: images in, labels out, as for `verify`
    opened : what the owner opened
    seal : the seal as it was published, before the service appeared
    named : the questions the judge named (`challenge`). If the owner chose the next ones in sealed
        order instead, multiply `family` by the number of such windows: questions / count
    family : how many tests share alpha

    Returns
    -------
    Verdict, over the named questions. `p_judge` is the one for somebody who does not trust the
    owner.

    Raises
    ------
    ValueError
        If the seal is another one, or a question was not sealed as it is shown.

    Source
    ------
    The protocol of Zhang et al. (2018), section 4.3, has no judge. Commitments: Adi et al. (2018),
    section 5.

    Examples
    --------
    >>> import numpy as np
    >>> import wmlearn as wm
    >>> triggers = wm.Content(words=30)(wm.load_data("mnist"), n=60, key=wm.CLASSROOM_KEY)
    >>> named = wm.evidence.challenge(triggers.seal, b"three dice", questions=triggers.n, count=10)
    >>> opened = wm.evidence.open_questions(triggers, named)
    >>> lazy = lambda images: np.full(len(images), 7)
    >>> wm.evidence.judge(lazy, opened, seal=triggers.seal, named=named).decision
    'not found'
    """
    check_query(query, "query")
    check_kind(
        opened, "opened", Opening, "such as wm.evidence.read_opening('opened.safetensors') returns"
    )
    check_count(family, "family", low=1, why="tests that share alpha")
    if opened.seal != check_seal(seal):
        raise ValueError(
            f"opened must come from the published set, seal {seal[:8]}…; got seal "
            f"{opened.seal[:8]}…. Questions sealed later, or elsewhere, prove nothing here."
        )
    rules = _sealed_rules(opened.header)
    named = check_named(named, opened.header["questions"])
    answers = ask(query, opened.triggers(named, rules))
    terms = rules.terms(planned=len(named), public_key=opened.public_key)
    return reach_verdict(answers, terms, family=family)


def _sealed_rules(header: commitment.Header) -> Rules:
    """Return the rules, if they are such as are tested here; an owner may have sealed anything."""
    try:
        rules = Rules.from_header(header)
        rest = {"questions": int(header["questions"]), "root": str(header["root"])}
        known = commitment.canonical(rules.header() | rest)
    except (KeyError, TypeError, ValueError):
        known = b""
    # as bytes: 1, 1.0 and true are equal to Python, and three rules to a seal
    if known != commitment.canonical(header) or rules.fixed:
        raise ValueError(
            "the sealed rules must be those of keyed labels, as wmlearn seals them; they are "
            "others. What they promise cannot be tested here."
        )
    return rules


def check_seal(seal: str) -> str:
    """Return the seal if it is 64 hexadecimal digits, as it is published."""
    if not isinstance(seal, str) or len(seal) != 64 or set(seal) - set("0123456789abcdef"):
        raise ValueError(
            f"seal must be 64 hexadecimal digits, as it was published; got {shown(seal)}. Copy it "
            "whole."
        )
    return seal
