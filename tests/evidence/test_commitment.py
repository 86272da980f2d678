"""The seal: any change draws all labels anew, and the draw is uniform."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chisquare

from wmlearn.evidence import commitment as c

KEY = bytes(range(32))
PINNED = [2, 2, 0, 9, 0, 8, 9, 2, 2, 7]


def _answers(pixels, key=KEY, classes=10, header=None):
    digests = [c.image_digest(x) for x in pixels]
    secrets = c.question_secrets(key, digests, len(pixels))
    allowed = tuple(range(classes))
    leaves = [c.leaf_hash(i, secrets[i], allowed, f"image {i}", [d]) for i, d in enumerate(digests)]
    sealed = c.seal({**(header or {"version": 1}), "root": c.tree_hash(leaves).hex()})
    return c.draw_labels(sealed, secrets, allowed)


@pytest.fixture(scope="module")
def pixels():
    return np.random.RandomState(0).randint(0, 256, (100, 1, 28, 28)).astype(np.uint8)


def test_one_bit_of_the_last_image_draws_every_label_anew(pixels):
    before = _answers(pixels)
    changed = pixels.copy()
    changed[99, 0, 0, 0] ^= 1
    same = int((before == _answers(changed)).sum())
    assert binom.cdf(same, 100, 0.1) > 1e-6  # about 10 of 100 agree, as two independent draws do
    assert same <= binom.isf(1e-6, 100, 0.1)


def test_a_rule_or_the_key_draws_every_label_anew(pixels):
    before = _answers(pixels[:30])
    assert (before == _answers(pixels[:30])).all()
    assert (before != _answers(pixels[:30], header={"version": 2})).any()
    assert (before != _answers(pixels[:30], key=bytes(32))).any()


def test_seals_ground_against_one_innocent_match_as_the_binomial_says(pixels):
    """Thirty seals give what thirty lotteries give: the answers do not follow the images."""
    suspect = np.random.RandomState(1).randint(0, 10, 100)
    drawn = [_answers(pixels, header={"version": 1, "try": t}) for t in range(30)]
    matches = (drawn == suspect).sum(axis=1)
    assert sum(matches) == pytest.approx(30 * 10, abs=5 * np.sqrt(30 * 9))
    assert max(matches) <= binom.isf(1e-8, 100, 0.1)


def test_labels_are_uniform_and_only_allowed():
    secrets = c.question_secrets(KEY, [], 5000)
    labels = c.draw_labels("00" * 32, secrets, range(10))
    assert chisquare(np.bincount(labels, minlength=10)).pvalue > 1e-4
    odd = c.draw_labels("00" * 32, secrets, (1, 3, 5))
    assert set(odd.tolist()) == {1, 3, 5}


def test_tree_is_rfc_9162():
    """Seven leaves, worked out by hand from section 2.1.1 of the RFC."""

    def leaf(x):
        return hashlib.sha256(b"\x00" + x).digest()

    def node(a, b):
        return hashlib.sha256(b"\x01" + a + b).digest()

    leaves = [leaf(bytes([i])) for i in range(7)]
    g, h, i = node(*leaves[0:2]), node(*leaves[2:4]), node(*leaves[4:6])
    assert c.tree_hash(leaves) == node(node(g, h), node(i, leaves[6]))
    assert c.tree_hash(leaves[:1]) == leaves[0]
    assert c.tree_hash(leaves) != c.tree_hash([*leaves, leaves[6]])  # an odd node is not doubled


# The published test data of Certificate Transparency (RFC 6962, whose tree RFC 9162 keeps): eight
# entries, and the root of the tree over the first 1, 2, ..., 8 of them.
ENTRIES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_tree_has_the_published_roots():
    leaves = [hashlib.sha256(b"\x00" + bytes.fromhex(entry)).digest() for entry in ENTRIES]
    for count, root in enumerate(ROOTS, start=1):
        assert c.tree_hash(leaves[:count]).hex() == root
        for index in range(count):
            path = c.audit_paths(leaves[:count])[index]
            assert c.root_of(leaves[index], index, count, path).hex() == root


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=6), json_like, max_size=5))
def test_a_record_is_written_in_one_way_and_read_back(record):
    written = c.canonical(record)
    assert written.isascii()
    assert json.loads(written) == record
    assert c.canonical(dict(reversed(record.items()))) == written
    assert c.canonical(json.loads(written)) == written


@given(st.dictionaries(st.text(max_size=6), json_like, max_size=5), st.text(max_size=6), json_like)
def test_one_entry_more_or_other_is_another_seal(record, name, value):
    other = {**record, name: value}
    same = c.canonical(other) == c.canonical(record)
    assert (c.seal(other) == c.seal(record)) == same


@given(
    st.binary(min_size=32, max_size=32),
    st.lists(st.integers(0, 99), min_size=1, max_size=12, unique=True),
)
def test_a_label_is_always_one_of_those_allowed(secret, allowed):
    assert c.draw_label(bytes(32), 3, secret, allowed) in allowed


@given(
    st.lists(st.binary(min_size=32, max_size=32), min_size=2, max_size=20, unique=True), st.data()
)
def test_tree_depends_on_the_order(leaves, data):
    i = data.draw(st.integers(0, len(leaves) - 2))
    swapped = [*leaves[:i], leaves[i + 1], leaves[i], *leaves[i + 2 :]]
    assert c.tree_hash(leaves) != c.tree_hash(swapped)


def test_the_shape_is_part_of_an_image():
    flat = np.zeros((1, 4, 9), np.uint8)
    assert c.image_digest(flat) != c.image_digest(flat.reshape(1, 6, 6))


def test_the_draw_is_pinned():
    """Shipped models were trained on these draws: if this changes, they must be retrained."""
    secrets = c.question_secrets(c.CLASSROOM_KEY, ["ab" * 32], 10)
    drawn = c.draw_labels("ab" * 32, secrets, range(10))
    assert drawn.tolist() == PINNED


def test_what_is_opened_of_one_set_says_nothing_of_another(pixels):
    digests = [c.image_digest(x) for x in pixels[:20]]
    one, other = (c.question_secrets(KEY, part, 10) for part in (digests[:10], digests[10:]))
    assert not set(one) & set(other)


def test_the_key_chooses_images_that_nobody_else_can_list():
    assert c.image_seed(KEY) != c.image_seed(bytes(32))
    assert len(c.image_seed(KEY)) == 8
    assert all(0 <= word < 2**32 for word in c.image_seed(KEY))


@pytest.mark.parametrize("key", ["a string", bytearray(32), None, 7])
def test_a_key_of_another_type_is_refused_and_never_printed(says, key):
    with says(TypeError) as error:
        c.check_key(key)
    assert "a string" not in str(error.value)


def test_a_short_key_is_refused_and_never_printed(says):
    with says(ValueError) as error:
        c.check_key(b"secret")
    assert "secret" not in str(error.value).replace("secrets.token_bytes", "")


def test_fresh_keys_differ():
    assert len(c.new_key()) == 32
    assert c.new_key() != c.new_key()


def test_canonical_json_refuses_nan(says):
    with says(ValueError):
        c.canonical({"alpha": float("nan")})


def test_a_secret_is_used_like_bytes_and_shown_like_none():
    key = c.check_key(KEY)
    assert key == KEY
    assert hash(key) == hash(KEY)
    assert key.hex() == KEY.hex()
    assert c.image_seed(key) == c.image_seed(KEY)
    assert {repr(key), str(key), f"{key}", "{}".format(key)} == {"<secret of 32 bytes>"}  # noqa: UP032
    assert repr(c.new_key()) == repr(c.question_secrets(KEY, [], 1)[0]) == "<secret of 32 bytes>"
