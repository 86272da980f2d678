"""What is opened can be checked against the seal without the key; nothing else passes for it."""

import dataclasses
import json
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

import wmlearn as wm
from wmlearn.evidence import commitment


@pytest.fixture(scope="module")
def triggers():
    return wm.Content(words=11)(wm.load_data("mnist"), n=25, alpha=0.01)


@pytest.fixture
def opened(triggers):
    return wm.evidence.open_questions(triggers, [7, 2, 10])


# ---------------------------------------------------------------- the tree


def leaves_for(count):
    return [bytes([i]) * 32 for i in range(count)]


@given(st.integers(1, 70), st.data())
def test_every_leaf_leads_to_the_root_by_its_own_path_alone(count, data):
    leaves, index = leaves_for(count), data.draw(st.integers(0, count - 1))
    path, root = commitment.audit_paths(leaves)[index], commitment.tree_hash(leaves)
    assert commitment.root_of(leaves[index], index, count, path) == root
    assert len(path) <= (count - 1).bit_length()
    assert commitment.root_of(b"other", index, count, path) != root
    for level in range(len(path)):
        changed = [*path[:level], b"\xff" * 32, *path[level + 1 :]]
        assert commitment.root_of(leaves[index], index, count, changed) != root


@given(st.integers(2, 40), st.data())
def test_a_leaf_passes_at_no_other_place(count, data):
    leaves = leaves_for(count)
    index, claimed = data.draw(st.permutations(range(count)))[:2]
    path, root = commitment.audit_paths(leaves)[index], commitment.tree_hash(leaves)
    if len(path) == len(commitment.audit_paths(leaves)[claimed]):
        assert commitment.root_of(leaves[index], claimed, count, path) != root
    else:
        with pytest.raises(ValueError):  # noqa: PT011 (worded below)
            commitment.root_of(leaves[index], claimed, count, path)


@pytest.mark.parametrize(("count", "nodes"), [(1, 1), (4, 1), (4, 3), (5, 0)])
def test_a_path_of_the_wrong_length(says, count, nodes):
    with says(ValueError):
        commitment.root_of(b"leaf", 0, count, [bytes(32)] * nodes)


# ---------------------------------------------------------------- opening


def test_the_opened_answers_are_the_sealed_ones(triggers, opened):
    assert opened.answers().tolist() == triggers.answers[[7, 2, 10]].tolist()
    assert opened.seal == triggers.seal
    assert opened.names == tuple(triggers.names[q] for q in (7, 2, 10))
    for place, q in enumerate((7, 2, 10)):
        assert np.array_equal(
            opened.pixels[opened.question == place], triggers.pixels[triggers.question == q]
        )


def test_every_question_can_be_opened_alone(triggers):
    for q in range(triggers.n):
        assert wm.evidence.open_questions(triggers, [q]).answers().tolist() == [triggers.answers[q]]


def test_neither_the_key_nor_the_secret_of_another_question_is_given_away(
    triggers, opened, tmp_path
):
    digests = [commitment.image_digest(image) for image in triggers.pixels]
    secrets = commitment.question_secrets(triggers.key, digests, triggers.n)
    message = opened.save(tmp_path / "opened.safetensors").read_bytes() + repr(opened).encode()
    for q, secret in enumerate(secrets):
        assert (secret.hex().encode() in message) == (q in (7, 2, 10))
        assert secret not in message
    assert triggers.key not in message
    assert triggers.key.hex().encode() not in message


def test_saved_and_read_is_the_same(triggers, opened, tmp_path):
    read = wm.evidence.read_opening(opened.save(tmp_path / "opened.safetensors"))
    assert read.answers().tolist() == opened.answers().tolist()
    assert np.array_equal(read.pixels, opened.pixels)
    for part in ("header", "indices", "names", "secrets", "paths", "public_key"):
        assert getattr(read, part) == getattr(opened, part), part


forged = dataclasses.replace


FORGERIES = {
    "a pixel": lambda o: forged(o, pixels=o.pixels ^ np.eye(28, dtype=np.uint8)),
    "a name": lambda o: forged(o, names=("OTHER", *o.names[1:])),
    "a secret": lambda o: forged(o, secrets=(bytes(32), *o.secrets[1:])),
    "a place": lambda o: forged(o, indices=(6, *o.indices[1:])),
    "a path": lambda o: forged(o, paths=((*o.paths[0][:-1], bytes(32)), *o.paths[1:])),
    "two secrets swapped": lambda o: forged(o, secrets=(o.secrets[1], o.secrets[0], o.secrets[2])),
    "an image more": lambda o: forged(
        o, pixels=np.concatenate([o.pixels, o.pixels[:1] ^ 1]), question=np.append(o.question, 2)
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_was_not_sealed_is_refused_by_name(says, opened, forgery):
    with says(ValueError):
        FORGERIES[forgery](opened).answers()


@pytest.mark.parametrize(
    "question",
    [
        [0, 0, 1, 1, 2, -1],
        [0, 0, 1, 1, 2, 9],
        [2, 2, 1, 1, 0, 0],
        [0.0, 0, 1, 1, 2, 2],
        [0, 0, 1],
        [],
    ],
    ids=str,
)
def test_images_that_belong_to_no_opened_question_are_refused(says, opened, question):
    """Otherwise images that nobody checked would have a say in the answers."""
    pixels = np.concatenate([opened.pixels, opened.pixels])[:6]
    with says(ValueError):
        forged(opened, pixels=pixels, question=np.array(question)).answers()


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "named", [[], [1.5], "07", [[1], [2]], [11], [-1], [3, 3], None, [2**70]], ids=str
)
def test_bad_questions(says, triggers, named):
    with says((TypeError, ValueError)):
        wm.evidence.open_questions(triggers, named)


def test_fixed_labels_have_nothing_to_open(says):
    triggers = wm.Content(labels="fixed")(wm.load_data("mnist"), n=5)
    with says(ValueError):
        wm.evidence.open_questions(triggers, [0])


def rewritten(path, **changes):
    with safe_open(path, framework="numpy") as file:
        record = json.loads(file.metadata()["wmlearn"]) | changes
        arrays = {name: file.get_tensor(name) for name in ("pixels", "question")}
    save_file(arrays, path, metadata={"wmlearn": json.dumps(record)})
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"indices": [1]},
        {"indices": [1, 1, 2]},
        {"secrets": ["xyz"] * 3},
        {"header": None},
        {"paths": 3},
        {"names": []},
        {"names": [["COVE"], "BOND", "HAZE"]},
        {"names": "abc"},
        {"secrets": ["ab" * 32] * 2},
        {"secrets": "ab"},
        {"paths": ["ab", "cd", "ef"]},
    ],
    ids=str,
)
def test_a_file_that_is_not_whole(says, opened, tmp_path, changes):
    path = rewritten(opened.save(tmp_path / "opened.safetensors"), **changes)
    with says(OSError):
        wm.evidence.read_opening(path)


def test_a_file_cut_short_missing_or_another(says, opened, tmp_path):
    path = opened.save(tmp_path / "opened.safetensors")
    path.write_bytes(path.read_bytes()[:-10])
    other = tmp_path / "other.safetensors"
    save_file({"x": np.zeros(3)}, other)
    for each in (path, other, tmp_path / "none", tmp_path):
        with says(OSError):
            wm.evidence.read_opening(each)


@pytest.mark.parametrize(
    "questions", [30.0, True, "25", 0, 10**10, 2**5000, None], ids=lambda value: str(value)[:8]
)
def test_a_number_of_questions_that_is_none(says, triggers, opened, tmp_path, questions):
    path = opened.save(tmp_path / "opened.safetensors")
    header = dict(triggers.header) | {"questions": questions}
    with says(OSError):
        wm.evidence.read_opening(rewritten(path, header=header))


def test_a_file_that_is_endless_or_larger_than_any_opening(says, opened, tmp_path):
    path = opened.save(tmp_path / "opened.safetensors")
    with path.open("r+b") as file:
        file.truncate(10**12)  # it takes no room
    with says(OSError):
        wm.evidence.read_opening(path)
    with says(OSError):
        wm.evidence.read_opening("/dev/zero")


@pytest.mark.parametrize("wrong", [{"nonce": "a"}, {"nonce": 5}, {"case": 5}, {"case": None}])
def test_a_nonce_is_bytes_and_a_case_is_text(says, triggers, wrong):
    with says(TypeError):
        wm.evidence.open_questions(triggers, [7, 2], **wrong)


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
values |= st.integers(2**60, 2**4000) | st.text(max_size=4) | st.just([]) | st.just({})


@settings(max_examples=60)
@given(steps=st.lists(st.integers(0, 30), min_size=1, max_size=4), value=values)
def test_whatever_is_changed_in_an_opening_is_noticed_or_counts_for_nothing(triggers, steps, value):
    with tempfile.TemporaryDirectory() as name:
        path = wm.evidence.open_questions(triggers, [7, 2]).save(f"{name}/opened.safetensors")
        with safe_open(path, framework="numpy") as file:
            record = part = json.loads(file.metadata()["wmlearn"])
        for step in steps:
            places = []
            if isinstance(part, (dict, list)):
                places = sorted(part) if isinstance(part, dict) else range(len(part))
            if places:
                whole, place = part, places[step % len(places)]
                part = whole[place]
        whole[place] = value
        try:
            read = wm.evidence.read_opening(rewritten(path, **record))
            verdict = wm.evidence.judge(
                lambda images: np.ones(len(images), int), read, seal=read.seal, named=[2, 7]
            )
        except (OSError, ValueError, TypeError) as error:
            reply = str(error)
            assert "\n" not in reply
            assert reply.endswith(".")
        else:
            assert (read.seal, verdict.n) == (triggers.seal, 2)


@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), cut=st.integers(0, 9), put=st.binary(max_size=9))
def test_whatever_bytes_of_an_opening_are_changed_it_is_noticed(triggers, place, cut, put):
    with tempfile.TemporaryDirectory() as name:
        path = wm.evidence.open_questions(triggers, [7, 2]).save(f"{name}/opened.safetensors")
        kept = path.read_bytes()
        first = int(place * len(kept))
        path.write_bytes(kept[:first] + put + kept[first + cut :])
        try:
            read = wm.evidence.read_opening(path)
            assert read.answers().tolist() == triggers.answers[list(read.indices)].tolist()
        except (OSError, ValueError, TypeError) as error:
            reply = str(error)
            assert "\n" not in reply
            assert reply.endswith(".")
