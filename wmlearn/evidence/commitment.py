"""The seal: a commitment to all images and all rules, from which the secret labels are then drawn.

Order is everything. Images first; then a secret for every question; then one hash over all of it,
the seal; and only from the seal the labels. Nobody can bend an image towards a label, for touching
one pixel draws every label anew.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from secrets import token_bytes
from typing import Any, ClassVar

import numpy as np

from wmlearn._checks import shown
from wmlearn._extras import extras
from wmlearn._types import Labels, Pixels

# By hand, and no library: these bytes are what a seal stands for, so they are fixed here, where no
# release of a dependency can change them and a judge can read all of them. pymerkle builds the same
# trees, but keeps them in a store of its own; the forty lines below are the lesson, too.

VERSION = 1
KEY_BYTES = 32

# A public constant, fixed before any model was trained. It makes lessons repeatable and proves
# nothing elsewhere.
CLASSROOM_KEY = hashlib.sha256(
    b"wmlearn classroom key: public, proves nothing outside the course"
).digest()

Header = Mapping[str, Any]  # what was sealed: all that JSON holds, and nothing else


# ---------------------------------------------------------------- secrets


class HoldsSecret:
    """Something with a secret: it can be passed on and used, but neither pickled nor changed."""

    _keep: ClassVar[str] = "Keep the trigger set with wm.evidence.save_evidence."

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError(
            f"a {type(self).__name__} holds a secret and must not be pickled: the file would hand "
            f"it to every reader. {self._keep}"
        )

    def __copy__(self) -> HoldsSecret:
        return self

    def __deepcopy__(self, memo: object) -> HoldsSecret:
        return self


class Secret(HoldsSecret, bytes):
    """Secret bytes, which no repr, log or traceback shows; `key.hex()` writes them down."""

    def __repr__(self) -> str:
        return f"<secret of {len(self)} bytes>"

    __str__ = __repr__

    @property
    def is_public(self) -> bool:
        """Whether it is the public classroom key, which proves nothing outside the course."""
        return self == CLASSROOM_KEY


def new_key() -> Secret:
    """Return a fresh secret key of 32 bytes from the operating system."""
    return Secret(token_bytes(KEY_BYTES))


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


def image_seed(key: bytes) -> list[int]:
    """Return eight numbers to choose images by: without the key nobody can list those images."""
    return seed_numbers(_mac(key, b"images", 0))


def seed_numbers(digest: bytes) -> list[int]:
    """Return a digest of 32 bytes as eight numbers below 2**32, a seed for `stable_rng`."""
    return list(struct.unpack(">8I", digest))


def question_secrets(key: bytes, digests: Sequence[str], count: int) -> list[Secret]:
    """Return the secret of each question: it can be opened for a judge without the key.

    All image digests go in. So what is opened of one trigger set says nothing of another under the
    same key.
    """
    all_images = canonical({"images": list(digests)})
    of_the_set = Secret(hmac.digest(key, b"set" + all_images, "sha256"))
    return [Secret(_mac(of_the_set, b"leaf", index)) for index in range(count)]


def _mac(key: bytes, message: bytes, index: int) -> bytes:
    return hmac.digest(key, message + index.to_bytes(4, "big"), "sha256")


# ---------------------------------------------------------------- what is sealed


def canonical(record: Header) -> bytes:
    """Return the one way to write a record as JSON: so its hash means something.

    Examples
    --------
    >>> canonical({"b": [1, 2], "a": "x"})
    b'{"a":"x","b":[1,2]}'
    """
    text = json.dumps(dict(record), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def seal(header: Header) -> str:
    """Return the seal to publish: SHA-256 of the header, which holds every rule and the root."""
    return hashlib.sha256(canonical(header)).hexdigest()


def check_digest(value: str, name: str) -> str:
    """Return a SHA-256 if it is 64 hexadecimal digits, as it is published."""
    if not isinstance(value, str) or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ValueError(
            f"{name} must be 64 hexadecimal digits, as it was published; got {shown(value)}. Copy "
            "it whole."
        )
    return value


def image_digest(pixels: Pixels) -> str:
    """Return the SHA-256 of one image (c, h, w), uint8, its shape included, in hexadecimal."""
    shape = "x".join(map(str, pixels.shape))
    content = np.ascontiguousarray(pixels).tobytes()
    return hashlib.sha256(f"uint8 {shape}\n".encode() + content).hexdigest()


def image_digests(images: Iterable[Pixels]) -> list[str]:
    """Return the digest of each image."""
    return [image_digest(image) for image in images]


def leaf_hash(
    index: int, secret: bytes, allowed: tuple[int, ...], name: str, digests: list[str]
) -> bytes:
    """Return the leaf of one question, a hash of all that was sealed of it.

    Parameters
    ----------
    index : its place, counted from 0
    secret : what its answer is drawn by
    allowed : the answers it could be given
    name : what it shows
    digests : those of its images
    """
    leaf = {
        "index": index,
        "secret": secret.hex(),
        "allowed": allowed,
        "name": name,
        "images": digests,
    }
    return hashlib.sha256(b"\x00" + canonical(leaf)).digest()


# ---------------------------------------------------------------- the tree: RFC 9162, section 2.1


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: with a prefix of its own, so it passes for no leaf."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the Merkle tree over the leaves; an odd node is never doubled.

    Examples
    --------
    >>> a, b, c = b"a", b"b", b"c"
    >>> tree_hash([a, b, c]) == node_hash(node_hash(a, b), c)
    True
    """
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return node_hash(tree_hash(leaves[:split]), tree_hash(leaves[split:]))


def audit_paths(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return what leads from each leaf to the root: its sister nodes, from the leaf upwards.

    Source
    ------
    RFC 9162, section 2.1.3.1.
    """
    if len(leaves) == 1:
        return [[]]
    split = _split(len(leaves))
    left, right = leaves[:split], leaves[split:]
    to_left, to_right = tree_hash(left), tree_hash(right)
    paths = [[*path, to_right] for path in audit_paths(left)]
    return paths + [[*path, to_left] for path in audit_paths(right)]


def root_of(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes:
    """Return the root of the tree of `count` leaves with this one at this place, if the path fits.

    Raises
    ------
    ValueError
        If a path for this place in such a tree has another length.

    Examples
    --------
    >>> leaves = [b"a", b"b", b"c"]
    >>> root_of(b"c", 2, 3, audit_paths(leaves)[2]) == tree_hash(leaves)
    True
    """
    if count == 1 and not path:
        return leaf
    if count == 1 or not path:
        raise ValueError(
            "the path of an opened question has the wrong length. Ask the owner to open it again."
        )
    *below, sister = path
    split = _split(count)
    if index < split:
        return node_hash(root_of(leaf, index, split, below), sister)
    return node_hash(sister, root_of(leaf, index - split, count - split, below))


def _split(count: int) -> int:
    """Return the largest power of two below the number of leaves: so many are on the left."""
    return 1 << (count - 1).bit_length() - 1


# ---------------------------------------------------------------- the draw


def draw_labels(
    sealed: str, secrets: Sequence[bytes], allowed: Sequence[int], outcome: str = ""
) -> Labels:
    """Draw the secret answer of every question by lot, from the seal.

    Each is independent of the others and uniform on the allowed classes, with replacement: thirty
    questions may well have the same answer twice. That is what makes an innocent model's matches
    Binomial.

    Parameters
    ----------
    sealed : the seal, hexadecimal
    secrets : one secret per question
    allowed : the class numbers an answer may be
    outcome : that of the public draw which was sealed by its name; empty where none was

    Returns
    -------
    Labels, shape (questions,), int64

    Source
    ------
    Keyed labels: Adi et al. (2018). Drawing them from a hash of *all* images answers the forgeries
    of Liu et al. (2023).
    """
    seed = label_seed(sealed, outcome)
    drawn = [draw_label(seed, index, secret, allowed) for index, secret in enumerate(secrets)]
    return np.array(drawn, np.int64)


def label_seed(sealed: str, outcome: str = "") -> bytes:
    """Return what all labels of a seal are drawn from; on purpose it takes 50 ms.

    scrypt (RFC 7914) makes each try at a luckier seal cost that much. The outcome of a public draw
    that was still to come when the seal was published takes the tries away altogether.
    """
    return _scrypt(bytes.fromhex(sealed) + outcome.encode(), b"wmlearn labels v1")


def _scrypt(drawn_from: bytes, salt: bytes) -> bytes:
    """Return 32 bytes by scrypt, which a Python without OpenSSL has to borrow."""
    costs = {"n": 2**14, "r": 8, "p": 1}
    if hasattr(hashlib, "scrypt"):
        return hashlib.scrypt(drawn_from, salt=salt, dklen=32, **costs)
    with extras():
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    return Scrypt(salt=salt, length=32, **costs).derive(drawn_from)


def draw_label(seed: bytes, index: int, secret: bytes, allowed: Sequence[int]) -> int:
    """Return the answer of one question: it takes its secret and the seal to draw it."""
    drawn = _mac(secret, b"label" + seed, index)
    return allowed[int.from_bytes(drawn, "big") % len(allowed)]
