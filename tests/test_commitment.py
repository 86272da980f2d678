"""The seal: any change draws all labels anew, and the draw is uniform."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chisquare

from wmlearn import commitment as c

KEY = bytes(range(32))
PINNED = [2, 2, 0, 9, 0, 8, 9, 2, 2, 7]


def _answers(pixels, key=KEY, classes=10, header=None):
    digests = [c.image_digest(x) for x in pixels]
    secrets = c.question_secrets(key, digests, len(pixels))
    allowed = tuple(range(classes))
    leaves = [c.leaf_hash(i, secrets[i], allowed, f"image {i}", [d]) for i, d in enumerate(digests)]
    sealed = c.seal({**(header or {"version": 1}), "root": c.tree_hash(leaves).hex()})
    return c.draw_labels(sealed, secrets, [allowed] * len(pixels))


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
    """An owner who tries 60 seals gets what 60 lotteries give: the answers do not follow the images."""
    suspect = np.random.RandomState(1).randint(0, 10, 100)
    matches = [int((_answers(pixels, header={"version": 1, "try": t}) == suspect).sum()) for t in range(60)]
    assert sum(matches) == pytest.approx(60 * 10, abs=5 * np.sqrt(60 * 9))
    assert max(matches) <= binom.isf(1e-8, 100, 0.1)


def test_labels_are_uniform_and_only_allowed():
    secrets = c.question_secrets(KEY, [], 5000)
    labels = c.draw_labels("00" * 32, secrets, [tuple(range(10))] * 5000)
    assert chisquare(np.bincount(labels, minlength=10)).pvalue > 1e-4
    odd = c.draw_labels("00" * 32, secrets, [(1, 3, 5)] * 5000)
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


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=2, max_size=20, unique=True), st.data())
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
    drawn = c.draw_labels("ab" * 32, secrets, [tuple(range(10))] * 10)
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
def test_a_key_of_another_type_is_refused_and_never_printed(key):
    with pytest.raises(TypeError, match="key must be 32 bytes") as error:
        c.check_key(key)
    assert "a string" not in str(error.value)


def test_a_short_key_is_refused_and_never_printed():
    with pytest.raises(ValueError, match=r"key must be 32 bytes; got 6\.") as error:
        c.check_key(b"secret")
    assert "secret" not in str(error.value).replace("secrets.token_bytes", "")


def test_fresh_keys_differ():
    assert len(c.new_key()) == 32
    assert c.new_key() != c.new_key()


def test_canonical_json_refuses_nan():
    with pytest.raises(ValueError, match="Out of range"):
        c.canonical({"alpha": float("nan")})
