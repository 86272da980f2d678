"""The seal: a commitment to all images and all rules, from which the secret labels are then drawn
by lot.

Order is everything. Images first; then a secret for every question; then one hash over all of it,
the seal; and only from the seal the labels. Nobody can bend an image towards a label, for touching
one pixel draws every label anew.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from wmlearn._types import Labels, Pixels

VERSION = 1
KEY_BYTES = 32

# A public constant, fixed before any model was trained. It makes lessons repeatable and proves
# nothing elsewhere.
CLASSROOM_KEY = hashlib.sha256(
    b"wmlearn classroom key: public, proves nothing outside the course"
).digest()


class HoldsSecret:
    """Something that holds a secret: it can be passed on and used, but neither pickled nor changed."""

    _keep: ClassVar[str] = "Keep the trigger set with wm.evidence.save_evidence."

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError(
            f"a {type(self).__name__} holds a secret and must not be pickled: the file would hand "
            "it to every reader. "
            f"{self._keep}"
        )

    def __copy__(self) -> HoldsSecret:
        return self

    def __deepcopy__(self, memo: object) -> HoldsSecret:
        return self


class Secret(HoldsSecret, bytes):
    """Secret bytes, which no repr, log or traceback shows; who wants to write them down must say
    so: `key.hex()`.
    """

    def __repr__(self) -> str:
        return f"<secret of {len(self)} bytes>"

    __str__ = __repr__

    @property
    def is_public(self) -> bool:
        """Whether it is the public classroom key, which proves nothing outside the course."""
        return self == CLASSROOM_KEY


def new_key() -> Secret:
    """Return a fresh secret key of 32 bytes from the operating system."""
    return Secret(secrets.token_bytes(KEY_BYTES))


def check_key(key: bytes) -> Secret:
    """Return the key if it is 32 bytes, else say what came, never the key itself."""
    if not isinstance(key, bytes):
        raise TypeError(
            f"key must be {KEY_BYTES} bytes; got {type(key).__name__}. "
            "Leave it out for a fresh secret one, or pass wm.CLASSROOM_KEY."
        )
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"key must be {KEY_BYTES} bytes; got {len(key)}. Make one with secrets.token_bytes(32)."
        )
    return Secret(key)


def canonical(record: Mapping[str, object]) -> bytes:
    """Return the one way to write a record as JSON: sorted, no spaces, ASCII; so that its hash
    means something.

    Examples
    --------
    >>> canonical({"b": [1, 2], "a": "x"})
    b'{"a":"x","b":[1,2]}'
    """
    return json.dumps(
        dict(record), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def image_digest(pixels: Pixels) -> str:
    """Return the SHA-256 of one image (c, h, w), uint8, its shape included, in hexadecimal."""
    shape = "x".join(map(str, pixels.shape))
    return hashlib.sha256(
        f"uint8 {shape}\n".encode() + np.ascontiguousarray(pixels).tobytes()
    ).hexdigest()


def image_seed(key: bytes) -> list[int]:
    """Return eight numbers below 2**32 from the key, to choose images by: who lacks the key cannot
    list them.
    """
    return np.frombuffer(_mac(key, b"images", 0), ">u4").tolist()


def question_secrets(key: bytes, digests: Sequence[str], count: int) -> list[Secret]:
    """Return the secret of each question: it can be opened for a judge without the key.

    All image digests go in, so that what is opened of one trigger set says nothing of another under
    the same key.
    """
    of_the_set = Secret(
        hmac.new(key, b"set" + canonical({"images": list(digests)}), "sha256").digest()
    )
    return [Secret(_mac(of_the_set, b"leaf", index)) for index in range(count)]


def leaf_hash(
    index: int, secret: bytes, allowed: Sequence[int], name: str, digests: Sequence[str]
) -> bytes:
    """Return the leaf of one question: its place, secret, allowed answers, name, and the digests of
    its images.
    """
    leaf = {
        "index": index,
        "secret": secret.hex(),
        "allowed": list(allowed),
        "name": name,
        "images": list(digests),
    }
    return hashlib.sha256(b"\x00" + canonical(leaf)).digest()


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the Merkle tree over the leaves (RFC 9162, section 2.1: an odd node is
    never doubled).

    Examples
    --------
    >>> a, b, c = b"a", b"b", b"c"
    >>> tree_hash([a, b, c]) == node_hash(node_hash(a, b), c)
    True
    """
    if len(leaves) == 1:
        return leaves[0]
    split = (
        1 << (len(leaves) - 1).bit_length() - 1
    )  # the largest power of two below the number of leaves
    return node_hash(tree_hash(leaves[:split]), tree_hash(leaves[split:]))


def audit_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return what a judge needs, besides one leaf, to find the root again: its sister nodes, from
    the leaf upwards.

    Source
    ------
    RFC 9162, section 2.1.3.1.
    """
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*audit_path(leaves[:split], index), tree_hash(leaves[split:])]
    return [*audit_path(leaves[split:], index - split), tree_hash(leaves[:split])]


def root_of(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes:
    """Return the root of a tree with so many leaves that has this one at this place, if the path is
    its own.

    Raises
    ------
    ValueError
        If a path for this place in such a tree has another length.

    Examples
    --------
    >>> leaves = [b"a", b"b", b"c"]
    >>> root_of(b"c", 2, 3, audit_path(leaves, 2)) == tree_hash(leaves)
    True
    """
    if count == 1 and not path:
        return leaf
    if count == 1 or not path:
        raise ValueError(
            "the path of an opened question has the wrong length. Ask the owner to open it again."
        )
    split = 1 << (count - 1).bit_length() - 1
    if index < split:
        return node_hash(root_of(leaf, index, split, path[:-1]), path[-1])
    return node_hash(path[-1], root_of(leaf, index - split, count - split, path[:-1]))


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: another prefix than a leaf's, so that neither passes for
    the other.
    """
    return hashlib.sha256(b"\x01" + left + right).digest()


def seal(header: Mapping[str, object]) -> str:
    """Return the seal to publish: SHA-256 of the header, which holds every rule and the root of the
    tree.
    """
    return hashlib.sha256(canonical(header)).hexdigest()


def draw_labels(
    sealed: str,
    question_secrets: Sequence[bytes],
    allowed: Sequence[Sequence[int]],
    beacon: bytes = b"",
) -> Labels:
    """Draw the secret answer of every question by lot, from the seal.

    Each is independent of the others and uniform on its allowed classes, with replacement: thirty
    questions may well have the same answer twice. That is what makes an innocent model's matches
    Binomial.

    Parameters
    ----------
    sealed : the seal, hexadecimal
    question_secrets : one secret a question
    allowed : for each question the class numbers it may be given
    beacon : public randomness produced after the seal was published; empty when there is none

    Returns
    -------
    Labels, shape (questions,), int64

    Source
    ------
    Keyed labels: Adi et al. (2018). Drawing them from a hash of *all* images answers the forgeries
    of Liu et al. (2023). scrypt (RFC 7914) makes each try at a luckier seal cost 50 ms.
    """
    seed = label_seed(sealed, beacon)
    drawn = [
        draw_label(seed, i, *question)
        for i, question in enumerate(zip(question_secrets, allowed, strict=True))
    ]
    return np.array(drawn, np.int64)


def label_seed(sealed: str, beacon: bytes = b"") -> bytes:
    """Return what all labels of a seal are drawn from; on purpose it takes 50 ms."""
    return hashlib.scrypt(
        bytes.fromhex(sealed) + beacon, salt=b"wmlearn labels v1", n=2**14, r=8, p=1, dklen=32
    )


def draw_label(seed: bytes, index: int, secret: bytes, allowed: Sequence[int]) -> int:
    """Return the answer of one question: whoever holds its secret and the seal can draw it, and
    nobody else.
    """
    return allowed[int.from_bytes(_mac(secret, b"label" + seed, index), "big") % len(allowed)]


def _mac(key: bytes, message: bytes, index: int) -> bytes:
    return hmac.new(key, message + index.to_bytes(4, "big"), "sha256").digest()
