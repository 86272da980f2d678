"""What was sealed can be kept and opened again; what was changed since is refused, and named."""

import json
import os
import stat

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import wmlearn as wm
from wmlearn.commitment import image_digest, seal


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def marks(mnist):
    return wm.Content(words=4)(mnist, n=12, alpha=0.01)


@pytest.fixture
def folder(marks, tmp_path):
    return wm.save_evidence(marks, tmp_path / "case")


@pytest.mark.parametrize(
    "recipe",
    [wm.Content(words=4), wm.Noise(), wm.Noise(labels="fixed"), wm.Unrelated(labels="fixed", target="lot")],
    ids=repr,
)
def test_saved_and_opened_is_the_same_set(recipe, mnist, tmp_path):
    before = recipe(mnist, n=12, alpha=0.01)
    after = wm.open_evidence(wm.save_evidence(before, tmp_path))
    assert after.seal == before.seal
    assert np.array_equal(after.pixels, before.pixels)
    assert np.array_equal(after.answers, before.answers)
    assert (after.names, after.alpha, after.recipe, after.key) == (
        before.names,
        before.alpha,
        before.recipe,
        before.key,
    )


def test_the_key_is_for_its_owner_alone_and_in_no_other_file(folder, marks):
    if os.name == "posix":
        assert stat.S_IMODE((folder / "key.hex").stat().st_mode) == 0o600
    for file in folder.iterdir():
        if file.name != "key.hex":
            assert marks.key not in file.read_bytes()
            assert marks.key.hex().encode() not in file.read_bytes()


def test_a_changed_pixel_is_named(folder):
    arrays = load_file(folder / "images.safetensors")
    arrays["pixels"][7, 0, 3, 3] ^= 1
    save_file(arrays, folder / "images.safetensors")
    with pytest.raises(ValueError, match=r"image 7 in .* was changed after sealing"):
        wm.open_evidence(folder)


def test_a_changed_pixel_with_its_digest_is_still_refused(folder):
    arrays = load_file(folder / "images.safetensors")
    arrays["pixels"][7, 0, 3, 3] ^= 1
    save_file(arrays, folder / "images.safetensors")
    _edit(folder, lambda record: record["digests"].__setitem__(7, image_digest(arrays["pixels"][7])))
    with pytest.raises(ValueError, match="root differs"):
        wm.open_evidence(folder)


@pytest.mark.parametrize(("rule", "value"), [("alpha", "0.5"), ("p0", "1/9"), ("classes", list("abcdefghij"))])
def test_a_changed_rule_is_refused(folder, rule, value):
    _edit(folder, lambda record: record["header"].update({rule: value}))
    with pytest.raises(ValueError, match=r"a rule in .* was changed after sealing"):
        wm.open_evidence(folder)


def test_another_key_is_refused_and_not_printed(folder):
    (folder / "key.hex").write_text("ab" * 32)
    with pytest.raises(ValueError, match="root differs") as error:
        wm.open_evidence(folder)
    assert "abab" not in str(error.value)


@pytest.mark.parametrize("name", ["images.safetensors", "evidence.json", "key.hex"])
@pytest.mark.parametrize("harm", ["missing", "cut in half"])
def test_missing_or_cut_files_give_one_sentence(folder, name, harm):
    data = (folder / name).read_bytes()
    (folder / name).unlink()
    if harm == "cut in half":
        (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises((OSError, ValueError, TypeError), match=r"missing or damaged|key must be 32 bytes"):
        wm.open_evidence(folder)


def test_a_seal_that_commits_to_nothing_is_refused(folder):
    """An accuser who publishes the hash of an empty header could choose images and key afterwards."""

    def hollow(record):
        record["header"] = {name: record["header"][name] for name in ("alpha", "classes", "labels")}
        record["seal"] = seal(record["header"])

    _edit(folder, hollow)
    with pytest.raises(ValueError, match=r"does not fit: .*root.* differs"):
        wm.open_evidence(folder)


def test_an_extra_rule_is_refused(folder):
    def extra(record):
        record["header"]["planned"] = None
        record["seal"] = seal(record["header"])

    _edit(folder, extra)
    with pytest.raises(ValueError, match="planned differs"):
        wm.open_evidence(folder)


def test_changed_names_are_refused(folder):
    _edit(folder, lambda record: record["names"].reverse())
    with pytest.raises(ValueError, match="root differs"):
        wm.open_evidence(folder)


@pytest.mark.parametrize("change", ["int8", "extra", "interleaved", "negative", "float"])
def test_arrays_of_another_form_are_refused(folder, change):
    arrays = load_file(folder / "images.safetensors")
    pixels, question = arrays["pixels"], arrays["question"]
    if change == "int8":
        pixels = pixels.astype(np.int8)
    if change == "extra":
        pixels = np.concatenate([pixels, pixels[:1] ^ 1])
        _edit(folder, lambda record: record["digests"].append(image_digest(pixels[-1])))
    if change == "interleaved":
        question = np.arange(12) % 4
    if change == "negative":
        question = question - 1
    if change == "float":
        question = question.astype(float)
    save_file({"pixels": pixels, "question": question}, folder / "images.safetensors")
    with pytest.raises((ValueError, TypeError), match=r"question must hold|must be uint8|was changed"):
        wm.open_evidence(folder)


@pytest.mark.parametrize("name", ["seal", "digests", "names", "recipe", "header"])
def test_a_missing_entry_gives_one_sentence(folder, name):
    _edit(folder, lambda record: record.pop(name))
    with pytest.raises(OSError, match="missing or damaged"):
        wm.open_evidence(folder)


def test_evidence_is_saved_in_a_folder(marks, tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(FileExistsError, match="saved in a folder"):
            wm.save_evidence(marks, path)


def test_a_readable_key_file_is_closed_again(marks, folder):
    (folder / "key.hex").chmod(0o644)
    wm.save_evidence(marks, folder)
    assert os.name != "posix" or stat.S_IMODE((folder / "key.hex").stat().st_mode) == 0o600


def test_another_set_is_never_overwritten(folder, mnist, marks):
    wm.save_evidence(marks, folder)  # the same one again does no harm
    with pytest.raises(FileExistsError, match="another trigger set"):
        wm.save_evidence(wm.Noise()(mnist, n=5), folder)
    assert wm.open_evidence(folder).seal == marks.seal


def _edit(folder, change):
    path = folder / "evidence.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


# --- The burn log -----------------------------------------------------------------------------------------------------


@pytest.fixture
def log(folder):
    wm.log_use(folder, "asked", [0, 1, 2, 3], whom="a service on the web")
    wm.log_use(folder, "opened", [2], whom="the court of Österlen")
    wm.log_use(folder, "asked", np.array([3]), whom="another service")
    return folder / "log.jsonl"


def test_the_log_keeps_what_was_noted_in_order(folder, log):
    uses = wm.read_log(folder)
    assert [(use.what, use.questions, use.whom) for use in uses] == [
        ("asked", (0, 1, 2, 3), "a service on the web"),
        ("opened", (2,), "the court of Österlen"),
        ("asked", (3,), "another service"),
    ]
    assert all(use.when.endswith("+00:00") for use in uses)
    assert [use.when for use in uses] == sorted(use.when for use in uses)


def test_a_fresh_log_is_empty(folder):
    assert wm.read_log(folder) == ()


CHANGES = {
    "a word": (lambda lines: [lines[0].replace("web", "wet"), *lines[1:]], 2),
    "a line left out": (lambda lines: [lines[0], lines[2]], 2),
    "the first left out": (lambda lines: lines[1:], 1),
    "two swapped": (lambda lines: [lines[0], lines[2], lines[1]], 2),
    "a line doubled": (lambda lines: [lines[0], *lines], 2),
    "no JSON": (lambda lines: [*lines, "burnt"], 4),
    "a line cut short": (lambda lines: [*lines[:2], lines[2][:40]], 3),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_log_is_noticed_and_the_line_named(folder, log, change):
    alter, line = CHANGES[change]
    log.write_text("".join(f"{each}\n" for each in alter(log.read_text().splitlines())))
    for use in (lambda: wm.read_log(folder), lambda: wm.log_use(folder, "asked", [0], whom="x")):
        with pytest.raises(ValueError, match=rf"^line {line} of .*log\.jsonl does not follow from the one before"):
            use()


def test_the_log_of_another_set_is_refused(folder, log, mnist, tmp_path):
    other = wm.save_evidence(wm.Content(words=4)(mnist, n=12), tmp_path / "other")
    (other / "log.jsonl").write_text(log.read_text())
    with pytest.raises(ValueError, match="line 1 of"):
        wm.read_log(other)


def test_the_key_is_in_no_log(log, marks):
    assert marks.key.hex() not in log.read_text()


@pytest.mark.parametrize(
    ("what", "questions", "whom", "said"),
    [
        ("shown", [1], "x", "what must be one of"),
        ("asked", [4], "x", "0 .* 3"),
        ("asked", [], "x", "at least one"),
        ("asked", [1, 1], "x", "once"),
        ("asked", [1], " ", "whom must say"),
        ("asked", [1], None, "whom must say"),
    ],
)
def test_uses_that_cannot_be_noted(folder, what, questions, whom, said):
    with pytest.raises((TypeError, ValueError), match=said):
        wm.log_use(folder, what, questions, whom=whom)
    assert wm.read_log(folder) == ()


def test_a_log_needs_its_evidence(tmp_path):
    for use in (lambda: wm.read_log(tmp_path), lambda: wm.log_use(tmp_path, "asked", [0], whom="x")):
        with pytest.raises(OSError, match=r"should hold evidence as wm\.save_evidence leaves it"):
            use()
