"""The seal: a commitment to all images and all rules, from which the secret labels are then drawn.

The order matters: first the images, then a secret for every question, then one hash of everything,
the seal, and only then the labels, drawn from the seal. Nobody can fit an image to a label, because
changing one pixel draws every label anew.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import itertools
import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from secrets import token_bytes
from typing import Any, ClassVar, TypeVar

import numpy as np

from wmlearn._checks import shown
from wmlearn._extras import extras
from wmlearn._types import Labels, Pixels

# Written by hand, without a library: a seal commits to exactly these bytes, so no release of a
# dependency may change them, and a judge can read all of the code. pymerkle builds the same trees,
# but keeps them in a store of its own; the forty lines below are also part of the lesson.

VERSION = 1
KEY_BYTES = 32

# A public constant, fixed before any model was trained. It makes lessons repeatable and proves
# nothing elsewhere.
CLASSROOM_KEY = hashlib.sha256(
    b"wmlearn classroom key: public, proves nothing outside the course"
).digest()

T = TypeVar("T")
Array = TypeVar("Array", bound="np.ndarray[Any, Any]")

Header = Mapping[str, Any]  # the sealed record: JSON values only


# ---------------------------------------------------------------- secrets


class HoldsSecret:
    """Base of objects with a secret: they refuse to be pickled, and a copy is the object itself."""

    _keep: ClassVar[str] = "Keep the trigger set with wm.evidence.save_evidence."

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError(
            f"a {type(self).__name__} holds a secret and must not be pickled: every reader of the "
            f"file would know it. {self._keep}"
        )

    def __copy__(self) -> HoldsSecret:
        return self

    def __deepcopy__(self, memo: object) -> HoldsSecret:
        return self


class Secret(HoldsSecret, bytes):
    """Secret bytes, which no repr, log or traceback shows; `key.hex()` returns them as text."""

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
    """Return the key if it is 32 bytes, else raise an error, which never shows the key."""
    if not isinstance(key, bytes):
        raise TypeError(
            f"key must be {KEY_BYTES} bytes; got {type(key).__name__}. "
            "Leave it out for a fresh secret key, or pass wm.CLASSROOM_KEY."
        )
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"key must be {KEY_BYTES} bytes; got {len(key)}. Make one with secrets.token_bytes(32)."
        )
    return Secret(key)


def image_seed(key: bytes) -> list[int]:
    """Return eight numbers that seed the choice of images: without the key nobody can repeat it."""
    return seed_numbers(_mac(key, b"images", 0))


def seed_numbers(digest: bytes) -> list[int]:
    """Return a digest of 32 bytes as eight numbers below 2**32, a seed for `stable_rng`."""
    return list(struct.unpack(">8I", digest))


def question_secrets(key: bytes, digests: Sequence[str], count: int) -> list[Secret]:
    """Return the secret of each question, which can be opened for a judge without the key.

    Each secret depends on the digests of all images. So questions opened from one trigger set
    reveal nothing about another set under the same key.
    """
    all_images = canonical({"images": list(digests)})
    of_the_set = Secret(hmac.digest(key, b"set" + all_images, "sha256"))
    return [Secret(_mac(of_the_set, b"leaf", index)) for index in range(count)]


def _mac(key: bytes, message: bytes, index: int) -> bytes:
    return hmac.digest(key, message + index.to_bytes(4, "big"), "sha256")


# ---------------------------------------------------------------- what is sealed


def canonical(record: Header) -> bytes:
    """Return the one canonical way to write a record as JSON, so equal records have equal hashes.

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
    """Return a SHA-256 if it is 64 lower-case hexadecimal digits, else raise a `ValueError`."""
    if not isinstance(value, str) or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ValueError(
            f"{name} must be 64 hexadecimal digits, as it was published; got {shown(value)}. Copy "
            "all of it."
        )
    return value


def image_digest(pixels: Pixels) -> str:
    """Return the SHA-256 of one uint8 image (c, h, w) and its shape, in hexadecimal."""
    shape = "x".join(map(str, pixels.shape))
    content = np.ascontiguousarray(pixels).tobytes()
    return hashlib.sha256(f"uint8 {shape}\n".encode() + content).hexdigest()


def image_digests(images: Iterable[Pixels]) -> list[str]:
    """Return the digest of each image, as `image_digest` does."""
    return [image_digest(image) for image in images]


def leaf_hash(
    index: int, secret: bytes, allowed: tuple[int, ...], name: str, digests: list[str]
) -> bytes:
    """Return the leaf of one question, 32 bytes: a hash of everything sealed about it.

    Parameters
    ----------
    index : the number of the question, counted from 0
    secret : the secret that its answer is drawn with
    allowed : the answers that could be drawn
    name : what the question shows
    digests : the digests of its images
    """
    leaf = {
        "index": index,
        "secret": secret.hex(),
        "allowed": allowed,
        "name": name,
        "images": digests,
    }
    return hashlib.sha256(b"\x00" + canonical(leaf)).digest()


def frozen(array: Array) -> Array:
    """Return an array that nobody changes by accident: a copy, unless it is read-only and whole."""
    if array.flags.writeable or array.base is not None:
        array = array.copy()
        array.setflags(write=False)
    return array


def unchanged(given: T, seal_again: Callable[[], T], *parts: str) -> T:
    """Return an object as another sealing makes it, if its seal and these parts are the same."""
    try:
        again = seal_again()
        pairs = [(getattr(given, part), getattr(again, part)) for part in ("seal", *parts)]
        same = all(itertools.starmap(np.array_equal, pairs))
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError):
        same = False  # it cannot even be sealed again
    if not same:
        raise ValueError(
            f"a {type(given).__name__} is tested as it was sealed; a part of this one was replaced "
            "afterwards. Take the sealed one, or seal anew: its secrets are then drawn again, and "
            "family counts both."
        )
    return again


# ---------------------------------------------------------------- the tree: RFC 9162, section 2.1


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node; its prefix keeps it from passing for a leaf."""
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
    """Return the audit path of each leaf: the sister nodes from the leaf up to the root.

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
    """Return the root of a tree of `count` leaves, given one leaf, its index and its audit path.

    Raises
    ------
    ValueError
        If the path does not have the length of a path at this index.

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
    """Return the number of leaves in the left subtree: the largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


# ---------------------------------------------------------------- the draw


def draw_labels(
    sealed: str, secrets: Sequence[bytes], allowed: Sequence[int], outcome: str = ""
) -> Labels:
    """Return the secret answer of every question, drawn at random from the seal.

    The answers are independent, uniform on the allowed classes, and drawn with replacement: thirty
    questions may well have the same answer twice. So an innocent model's matches are Binomial.

    Parameters
    ----------
    sealed : the seal, hexadecimal
    secrets : one secret per question
    allowed : the class numbers that may be drawn
    outcome : the outcome of the public draw that the seal names; empty if it names none

    Returns
    -------
    array of int64, shape (questions,)
        The answers, each one of `allowed`.

    Source
    ------
    Keyed labels: Adi et al. (2018). Drawing them from a hash of *all* images answers the forgeries
    of Liu et al. (2023).
    """
    seed = label_seed(sealed, outcome)
    drawn = [draw_label(seed, index, secret, allowed) for index, secret in enumerate(secrets)]
    return np.array(drawn, np.int64)


@functools.lru_cache(64)
def label_seed(sealed: str, outcome: str = "") -> bytes:
    """Return the 32 bytes that all labels of a seal are drawn from; it takes 50 ms on purpose.

    scrypt (RFC 7914) makes that the cost of each attempt to find a better seal. A public draw whose
    outcome was unknown when the seal was published rules out such attempts altogether.
    """
    return _scrypt(bytes.fromhex(sealed) + outcome.encode(), b"wmlearn labels v1")


def _scrypt(drawn_from: bytes, salt: bytes) -> bytes:
    """Return 32 bytes by scrypt; a Python without OpenSSL takes it from `cryptography`."""
    costs = {"n": 2**14, "r": 8, "p": 1}
    if hasattr(hashlib, "scrypt"):
        return hashlib.scrypt(drawn_from, salt=salt, dklen=32, **costs)
    with extras():
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    return Scrypt(salt=salt, length=32, **costs).derive(drawn_from)


def draw_label(seed: bytes, index: int, secret: bytes, allowed: Sequence[int]) -> int:
    """Return the answer of one question, drawn from its secret and the seed of the seal."""
    drawn = _mac(secret, b"label" + seed, index)
    return allowed[int.from_bytes(drawn, "big") % len(allowed)]
