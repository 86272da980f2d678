"""What others vouch for: an owner's signature, an authority's time, a public draw.

Each is checked offline, from what was stored. Its libraries are an extra, `wmlearn[court]`, and are
loaded by the function that needs them.
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

# drand's chain "quicknet" (chain hash 52db9ba70e0c...): a round every three seconds
_GENESIS, _PERIOD = 1692803367, 3
_DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
_PUBLIC_KEY = bytes.fromhex(
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c"
    "8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb"
    "5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
)

# A TimeStampReq in DER: version 1, SHA-256 and its 32 bytes, and "send the certificate along". By
# hand: the library hashes what it is given, and a seal is a hash already.
_BEFORE_IMPRINT = bytes.fromhex("30390201013031300d060960864801650304020105000420")
_AFTER_IMPRINT = bytes.fromhex("0101ff")


@contextmanager
def _libraries() -> Iterator[None]:
    """Say how to install the extra if a library is missing, and keep the limit on recursion."""
    limit = sys.getrecursionlimit()
    try:
        with extras():
            yield
    finally:
        # py_ecc raises it to 100,000, under which a hostile file can crash the interpreter.
        sys.setrecursionlimit(limit)


# ---------------------------------------------------------------- an owner's signature: Ed25519


def statement(header: Header, indices: Sequence[int], nonce: bytes, case: str) -> bytes:
    """Return what an owner signs: these questions of this seal, opened for this judge and case.

    Parameters
    ----------
    header : what was sealed
    indices : the named questions, counted from 0, in any order
    nonce : the judge's own: so what was opened for one judge convinces no other
    case : what it is opened for, in words
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
    text : from `statement`
    key : the private key, 32 secret bytes or PEM; one of its own, not that of a trigger set

    Raises
    ------
    ValueError
        If it is no Ed25519 key.
    """
    return _private_key(key).sign(text).hex()


def public_key(key: bytes) -> str:
    """Return the public half of a private key (32 bytes or PEM), for a header's `signer`.

    Raises
    ------
    ValueError
        If it is no Ed25519 key.
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
        "else. Make one with secrets.token_bytes(32)."
    )


def check_signature(
    header: Header, indices: Sequence[int], nonce: bytes, case: str, signature: str
) -> None:
    """Check that whom the header names as `signer` opened these questions for this judge and case.

    Parameters
    ----------
    header, indices, nonce, case : as for `statement`
    signature : in hexadecimal

    Raises
    ------
    ValueError
        If the header names nobody, or they did not sign this.
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
    """Return what to send to a time-stamping authority: it learns the seal and nothing else.

    Source
    ------
    RFC 3161, section 2.4.1.
    """
    return _BEFORE_IMPRINT + bytes.fromhex(sealed) + _AFTER_IMPRINT


def check_timestamp(token: bytes, sealed: str, roots: bytes) -> datetime:
    """Return when an authority saw the seal (UTC), if its reply bears that out.

    Its certificates count if they were valid at that time.

    Parameters
    ----------
    token : the authority's whole reply, as it came
    sealed : the seal, hexadecimal
    roots : the certificates that the judge trusts, PEM

    Raises
    ------
    ValueError
        If the reply is damaged, stamps something else, or comes from somebody else.
    """
    with _libraries():
        import rfc3161_client as rfc3161
        from cryptography.x509 import load_pem_x509_certificates
    try:
        trusted = rfc3161.VerifierBuilder(roots=load_pem_x509_certificates(roots)).build()
        reply = rfc3161.decode_timestamp_response(token)
        trusted.verify(reply, bytes.fromhex(sealed))
    except (rfc3161.VerificationError, ValueError) as error:
        # OpenSSL's words, the last of a stack of errors, or the library's
        *_, why = re.findall(r'(?:reason|data): "(.*?)"', str(error)) or [first_line(error)]
        raise ValueError(
            "the time stamp must be an authority's whole reply for this seal, signed under a root "
            f"you trust; it is not ({why}). Ask the owner for the reply as it came."
        ) from None
    return reply.tst_info.gen_time


# ---------------------------------------------------------------- a public draw: drand


class DrandRound(NamedTuple):
    """A round of drand: its number, the outcome in hexadecimal, and when it was drawn (UTC)."""

    round: int
    outcome: str
    time: datetime


def beacon_name(number: int) -> str:
    """Return how a header names a round of drand before it is drawn.

    Examples
    --------
    >>> beacon_name(1000)
    'drand quicknet round 1000'
    """
    return f"drand quicknet round {number}"


def round_time(number: int) -> datetime:
    """Return when a round is drawn (UTC).

    Examples
    --------
    >>> round_time(1000).isoformat()
    '2023-08-23T15:59:24+00:00'
    """
    number = check_count(number, "the round", low=1, high=10**10)
    return datetime.fromtimestamp(_GENESIS + (number - 1) * _PERIOD, timezone.utc)


def drand_round(number: int, signature: str) -> DrandRound:
    """Return a round of drand, if the network signed it; it takes about two seconds.

    Parameters
    ----------
    number : of the round, from 1
    signature : as the network published it, hexadecimal

    Raises
    ------
    ValueError
        If it is not the network's signature of this round.

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
    """Raise ValueError if these are not 48 bytes, no point of the group, or another round's."""
    with _libraries():
        # Named for schemes with keys in G1; here the key is in G2.
        from py_ecc.bls.g2_primitives import pubkey_to_G1, signature_to_G2, subgroup_check
        from py_ecc.bls.hash_to_curve import hash_to_G1
        from py_ecc.optimized_bls12_381 import G2, pairing
    if len(signature) != 48:
        raise ValueError("another length")
    point = pubkey_to_G1(signature)
    if not subgroup_check(point):  # else one round would have many signatures, hence outcomes
        raise ValueError("a point outside the group")
    message = hash_to_G1(
        hashlib.sha256(number.to_bytes(8, "big")).digest(), _DOMAIN, hashlib.sha256
    )
    if pairing(G2, point) != pairing(signature_to_G2(_PUBLIC_KEY), message):
        raise ValueError("another round's, or nobody's")


def published_before(published: datetime, drawn: DrandRound) -> None:
    """Check that a seal was published before a round was drawn.

    Raises
    ------
    ValueError
        If it was not.
    TypeError
        If the time has no zone.
    """
    if published >= drawn.time:
        raise ValueError(
            f"the seal must be published before {beacon_name(drawn.round)}, drawn at "
            f"{drawn.time.isoformat()}; it was at {published.isoformat()}. Judge it without the "
            "beacon."
        )


def drand_beacon(header: Header, drawn: DrandRound, published: datetime, *, seals: int) -> Beacon:
    """Return what a judge may say of a seal that names a round of drand.

    Parameters
    ----------
    header : what was sealed
    drawn : from `drand_round`
    published : when this very seal was public, from `check_timestamp` or the judge's own knowledge
    seals : at most so many were published for this round: the judge's number, never the owner's

    Raises
    ------
    ValueError
        If the header names another draw, or was published too late.
    """
    name = beacon_name(drawn.round)
    named = header.get("beacon", "")  # a message names none
    if named != name:
        raise ValueError(
            f"the sealed header must name {name!r}; it names {shown(named)}. Check the "
            "round that it names."
        )
    published_before(published, drawn)
    return Beacon(drawn.outcome, seals, 2**256)


# ---------------------------------------------------------------- receipts, stored


def store_receipt(folder: str | Path, receipt: bytes, name: str) -> Path:
    """Store a receipt beside the evidence, and return its path; an OpenTimestamps one, say.

    Parameters
    ----------
    folder : of the evidence
    receipt : its bytes, which nobody looks into
    name : of the file, such as "seal.ots"

    Raises
    ------
    ValueError
        If the name is none for a file.
    FileExistsError
        If another receipt has it.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(
            f"name must be a file's, of letters, digits, dots and dashes; got {shown(name)}. "
            "Write one such as 'seal.ots'."
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
    """Return the receipts stored beside the evidence, by name."""
    return sorted((Path(folder) / RECEIPTS).glob("[!.]*"))
