"""Proofs by third parties: an owner's signature, an authority's time stamp, a public draw.

Each is checked offline, from stored bytes. The libraries come with the extra `wmlearn[court]`, and
each function loads those it needs.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wmlearn._checks import check_count, first_line, shown
from wmlearn._extras import extras
from wmlearn._files import whole
from wmlearn.evidence.beacon import Beacon
from wmlearn.evidence.commitment import Header, canonical, seal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

RECEIPTS = "receipts"

# drand's chain "quicknet" (chain hash 52db9ba70e0c...): one round every three seconds
_GENESIS, _PERIOD = 1692803367, 3
_DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
_PUBLIC_KEY = bytes.fromhex(
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c"
    "8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb"
    "5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
)

# A TimeStampReq in DER: version 1, SHA-256 and its 32 bytes, and certReq = true. Written by hand:
# the library would hash the seal again, which already is a hash.
_BEFORE_IMPRINT = bytes.fromhex("30390201013031300d060960864801650304020105000420")
_AFTER_IMPRINT = bytes.fromhex("0101ff")


@contextmanager
def _libraries() -> Iterator[None]:
    """Say how to install the extra if a library is missing, and restore the recursion limit."""
    limit = sys.getrecursionlimit()
    try:
        with extras():
            yield
    finally:
        # py_ecc raises it to 100,000, with which a hostile file can crash the interpreter.
        sys.setrecursionlimit(limit)


# ---------------------------------------------------------------- an owner's signature: Ed25519


def statement(header: Header, indices: Sequence[int], nonce: bytes, case: str) -> bytes:
    """Return the bytes that an owner signs: these questions of this seal, for this judge and case.

    Parameters
    ----------
    header : the sealed record
    indices : the named questions, counted from 0, in any order
    nonce : the judge's own bytes: an opening for one judge does not convince another
    case : the case that the questions are opened for, in words
    """
    record = {
        "signed": "wmlearn opening",
        "seal": seal(header),
        "questions": sorted(map(int, indices)),
        "nonce": nonce.hex(),
        "case": case,
    }
    return canonical(record)


def sign(text: bytes, key: bytes) -> str:
    """Return the signature of a statement, in hexadecimal.

    Parameters
    ----------
    text : the bytes from `statement`
    key : the private key, 32 secret bytes or PEM; never the key of a trigger set

    Raises
    ------
    ValueError
        If `key` is not an Ed25519 key.
    """
    return _private_key(key).sign(text).hex()


def public_key(key: bytes) -> str:
    """Return the public half of a private key (32 bytes or PEM) in hexadecimal, for `signer`.

    Raises
    ------
    ValueError
        If `key` is not an Ed25519 key.
    """
    return _private_key(key).public_key().public_bytes_raw().hex()


def _private_key(key: bytes) -> Ed25519PrivateKey:
    with _libraries():
        from cryptography.hazmat.primitives.asymmetric import ed25519
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    try:
        if len(key) == 32:
            return ed25519.Ed25519PrivateKey.from_private_bytes(key)
        loaded = load_pem_private_key(key, None)
    except (ValueError, TypeError):
        loaded = None
    if isinstance(loaded, ed25519.Ed25519PrivateKey):
        return loaded
    raise ValueError(
        "the private key must be 32 bytes or an unencrypted PEM of an Ed25519 key; got something "
        "else. Make a key with secrets.token_bytes(32)."
    )


def check_signature(
    header: Header, indices: Sequence[int], nonce: bytes, case: str, signature: str
) -> None:
    """Check that the sealed `signer` has opened these questions for this judge and case.

    Parameters
    ----------
    header, indices, nonce, case : as for `statement`
    signature : the owner's signature, in hexadecimal

    Raises
    ------
    ValueError
        If the header names no signer, or the signature is not theirs over this statement.
    """
    with _libraries():
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    if "signer" not in header:
        raise ValueError(
            "the sealed header must name a signer; it names none. Judge without a signature."
        )
    text = statement(header, indices, nonce, case)
    try:
        signer = Ed25519PublicKey.from_public_bytes(bytes.fromhex(header["signer"]))
        signer.verify(bytes.fromhex(signature), text)
    except (InvalidSignature, ValueError, TypeError):
        raise ValueError(
            "the signature must be the sealed signer's, over this seal, these questions, this "
            "nonce and this case; it is not. Ask the owner to open and sign them for you."
        ) from None


# ---------------------------------------------------------------- an authority's time: RFC 3161


def timestamp_request(sealed: str) -> bytes:
    """Return the request for a time-stamping authority (DER), which shows the seal and no more.

    Source
    ------
    RFC 3161, section 2.4.1.
    """
    return _BEFORE_IMPRINT + bytes.fromhex(sealed) + _AFTER_IMPRINT


def check_timestamp(token: bytes, sealed: str, roots: bytes) -> datetime:
    """Return when an authority saw the seal (UTC), after checking its reply.

    The authority's certificates must have been valid at that time.

    Parameters
    ----------
    token : the authority's complete reply, as received
    sealed : the seal, hexadecimal
    roots : the root certificates that the judge trusts, PEM

    Raises
    ------
    ValueError
        If the reply is damaged, stamps another hash, or is not signed under one of the roots.
    """
    with _libraries():
        import rfc3161_client as rfc3161
        from cryptography.x509 import load_pem_x509_certificates
    try:
        trusted = rfc3161.VerifierBuilder(roots=load_pem_x509_certificates(roots)).build()
        reply = rfc3161.decode_timestamp_response(token)
        trusted.verify(reply, bytes.fromhex(sealed))
    except (rfc3161.VerificationError, ValueError) as error:
        # the last of OpenSSL's stack of errors, or the library's own words
        *_, why = re.findall(r'(?:reason|data): "(.*?)"', str(error)) or [first_line(error)]
        raise ValueError(
            "the time stamp must be an authority's complete reply for this seal, signed under a "
            f"root you trust; it is not ({why}). Ask the owner for the reply as received."
        ) from None
    return reply.tst_info.gen_time


# ---------------------------------------------------------------- a public draw: drand


class DrandRound(NamedTuple):
    """A round of drand: its number, the outcome in hexadecimal, and when it was drawn (UTC)."""

    round: int
    outcome: str
    time: datetime


def beacon_name(number: int) -> str:
    """Return the name of a round of drand, by which a header refers to it before it is drawn.

    Examples
    --------
    >>> beacon_name(1000)
    'drand quicknet round 1000'
    """
    return f"drand quicknet round {number}"


def round_time(number: int) -> datetime:
    """Return the time (UTC) at which a round, 1 to 10**10, is drawn.

    Examples
    --------
    >>> round_time(1000).isoformat()
    '2023-08-23T15:59:24+00:00'
    """
    number = check_count(number, "the round", low=1, high=10**10)
    return datetime.fromtimestamp(_GENESIS + (number - 1) * _PERIOD, timezone.utc)


def drand_round(number: int, signature: str) -> DrandRound:
    """Return a round of drand after checking the network's signature, which takes two seconds.

    Parameters
    ----------
    number : the number of the round, from 1
    signature : the signature that the network published, hexadecimal

    Raises
    ------
    ValueError
        If this is not the network's signature of this round.

    Source
    ------
    drand's scheme bls-unchained-g1-rfc9380; RFC 9380 for the hash to the curve.
    """
    time = round_time(number)
    try:
        raw = bytes.fromhex(signature)
        _refuse_forged(number, raw)
    except ValueError as error:
        raise ValueError(
            f"the signature must be that of {beacon_name(number)}, 96 hexadecimal digits; "
            f"{shown(signature)} is not ({first_line(error)}). Copy it from the network's record "
            "of that round."
        ) from None
    return DrandRound(number, hashlib.sha256(raw).hexdigest(), time)


def _refuse_forged(number: int, signature: bytes) -> None:
    """Raise a `ValueError` unless these 48 bytes are the network's signature of the round."""
    with _libraries():
        # Named for schemes with keys in G1; here the key is in G2.
        from py_ecc.bls.g2_primitives import pubkey_to_G1, signature_to_G2, subgroup_check
        from py_ecc.bls.hash_to_curve import hash_to_G1
        from py_ecc.optimized_bls12_381 import G2, pairing
    if len(signature) != 48:
        raise ValueError("another length")
    point = pubkey_to_G1(signature)
    if not subgroup_check(point):  # or one round would have many signatures, hence many outcomes
        raise ValueError("a point outside the group")
    message = hash_to_G1(
        hashlib.sha256(number.to_bytes(8, "big")).digest(), _DOMAIN, hashlib.sha256
    )
    if pairing(G2, point) != pairing(signature_to_G2(_PUBLIC_KEY), message):
        raise ValueError("it belongs to another round, or is forged")


def published_before(published: datetime, drawn: DrandRound) -> None:
    """Check that a seal was published before a round was drawn.

    Raises
    ------
    ValueError
        If the seal was published at the time of the draw or later.
    TypeError
        If `published` has no time zone.
    """
    if published >= drawn.time:
        raise ValueError(
            f"the seal must be published before {beacon_name(drawn.round)}, drawn at "
            f"{drawn.time.isoformat()}; it was published at {published.isoformat()}. Judge it "
            "without the beacon."
        )


def drand_beacon(header: Header, drawn: DrandRound, published: datetime, *, seals: int) -> Beacon:
    """Return the beacon of a seal that names a round of drand, for `wm.evidence.judge`.

    Parameters
    ----------
    header : the sealed record
    drawn : the round, from `drand_round`
    published : when this seal was published, from `check_timestamp` or the judge's own knowledge
    seals : the largest number of seals that were published for this round; the judge's number,
        never the owner's

    Raises
    ------
    ValueError
        If the header names another draw, or the seal was published too late.
    """
    name = beacon_name(drawn.round)
    named = header.get("beacon", "")  # the header of a message has none
    if named != name:
        raise ValueError(
            f"the sealed header must name {name!r}; it names {shown(named)}. Check the "
            "round that it names."
        )
    published_before(published, drawn)
    return Beacon(drawn.outcome, seals, 2**256)


# ---------------------------------------------------------------- receipts, stored


def store_receipt(folder: str | Path, receipt: bytes, name: str) -> Path:
    """Store a receipt, for example of OpenTimestamps, beside the evidence, and return its path.

    Parameters
    ----------
    folder : the folder of the evidence
    receipt : the bytes of the receipt, which are stored unread
    name : the name of the file, such as "seal.ots"

    Raises
    ------
    ValueError
        If the name has characters other than letters, digits, dots, dashes and underscores.
    FileExistsError
        If another receipt has this name.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(
            "name must be a file name of letters, digits, dots and dashes; got "
            f"{shown(name)}. Choose one such as 'seal.ots'."
        )
    path = Path(folder) / RECEIPTS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole(path, new=True) as file:
            file.write(receipt)
    except FileExistsError:
        if path.read_bytes() != receipt:
            raise FileExistsError(f"{path} holds another receipt. Choose another name.") from None
    return path


def receipts(folder: str | Path) -> list[Path]:
    """Return the paths of the receipts stored beside the evidence, sorted by name."""
    return sorted((Path(folder) / RECEIPTS).glob("[!.]*"))
