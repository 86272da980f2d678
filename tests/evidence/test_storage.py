"""What was sealed can be kept and opened again; what was changed since is refused, and named."""

import base64
import copy
import dataclasses
import json
import logging
import os
import pickle
import pprint
import reprlib
import shutil
import stat
import tempfile
import traceback
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import wmlearn as wm
from wmlearn import zoo
from wmlearn.evidence import storage
from wmlearn.evidence.commitment import image_digest, seal
from wmlearn.evidence.storage import rule_digests
from wmlearn.evidence.trigger_set import seal_triggers


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def triggers(mnist):
    return wm.Content(words=4)(mnist, n=12, alpha=0.01)


@pytest.fixture
def folder(triggers, tmp_path):
    return wm.evidence.save_evidence(triggers, tmp_path / "evidence")


@pytest.mark.parametrize(
    "recipe",
    [
        wm.Content(words=4),
        wm.Noise(),
        wm.Noise(labels="fixed"),
        wm.Unrelated(labels="fixed", target="random"),
    ],
    ids=repr,
)
def test_saved_and_opened_is_the_same_set(recipe, mnist, tmp_path):
    before = recipe(mnist, n=12, alpha=0.01)
    after = wm.evidence.open_evidence(wm.evidence.save_evidence(before, tmp_path))
    assert after.seal == before.seal
    assert np.array_equal(after.pixels, before.pixels)
    assert np.array_equal(after.answers, before.answers)
    assert (after.names, after.alpha, after.recipe, after.key) == (
        before.names,
        before.alpha,
        before.recipe,
        before.key,
    )


def test_the_key_is_for_its_owner_alone_and_in_no_other_file(folder, triggers):
    if os.name == "posix":
        assert stat.S_IMODE((folder / "key.hex").stat().st_mode) == 0o600
    for file in {*folder.iterdir()} - {folder / "key.hex"}:
        assert triggers.key not in file.read_bytes()
        assert triggers.key.hex().encode() not in file.read_bytes()


def test_a_changed_pixel_is_named(says, folder):
    arrays = load_file(folder / "images.safetensors")
    arrays["pixels"][7, 0, 3, 3] ^= 1
    save_file(arrays, folder / "images.safetensors")
    with says(ValueError):
        wm.evidence.open_evidence(folder)


def test_a_changed_pixel_with_its_digest_is_still_refused(says, folder):
    arrays = load_file(folder / "images.safetensors")
    arrays["pixels"][7, 0, 3, 3] ^= 1
    save_file(arrays, folder / "images.safetensors")
    _edit(folder, lambda record: record["images"].__setitem__(7, image_digest(arrays["pixels"][7])))
    # With another image in the set every question has another secret: so it is said of all of it.
    with says(ValueError):
        wm.evidence.open_evidence(folder)


@pytest.mark.parametrize(
    ("rule", "value"),
    [("alpha", "0.5"), ("p0", "1/9"), ("classes", list("abcdefghij")), ("more", 1)],
)
def test_a_changed_rule_is_refused(says, folder, rule, value):
    _edit(folder, lambda record: record["header"].update({rule: value}))
    with says(ValueError):
        wm.evidence.open_evidence(folder)


def test_a_changed_seal_is_refused(says, folder):
    _edit(folder, lambda record: record.update(seal="ab" * 32))
    with says(ValueError):
        wm.evidence.open_evidence(folder)


def test_a_changed_target_is_refused(says, mnist, tmp_path):
    """With fixed labels the answer is a rule; with keyed ones no label is in any file."""
    wm.evidence.save_evidence(wm.Noise(labels="fixed", source=1, target=3)(mnist, n=6), tmp_path)
    _edit(tmp_path, lambda record: record["header"].update(target=4))
    with says(ValueError):
        wm.evidence.open_evidence(tmp_path)


def test_no_label_is_kept_and_another_one_has_no_effect(folder, triggers):
    forged = dataclasses.replace(triggers, answers=(triggers.answers + 1) % 10)
    wm.evidence.save_evidence(forged, folder)  # the same files, to the byte
    assert np.array_equal(wm.evidence.open_evidence(folder).answers, triggers.answers)


def test_another_key_is_refused_and_not_printed(says, folder):
    (folder / "key.hex").write_text("ab" * 32)
    with says(ValueError) as error:
        wm.evidence.open_evidence(folder)
    assert "abab" not in str(error.value)


@pytest.mark.parametrize("name", ["images.safetensors", "evidence.json", "key.hex"])
@pytest.mark.parametrize("harm", ["missing", "cut in half", "a folder"])
def test_missing_or_cut_files_give_one_sentence(says, folder, name, harm):
    data = (folder / name).read_bytes()
    (folder / name).unlink()
    if harm == "cut in half":
        (folder / name).write_bytes(data[: len(data) // 2])
    if harm == "a folder":
        (folder / name).mkdir()  # unreadable to everybody, also where the tests run as root
    with says(OSError):
        wm.evidence.open_evidence(folder)


def sealed_anew(record):
    """Make the record one piece again, as somebody would who knows how it is made."""
    record["rules"] = rule_digests(record["header"])
    record["seal"] = seal(record["header"])


def test_a_seal_that_commits_to_nothing_is_refused(says, folder):
    """Whoever publishes the hash of an empty header could choose images and key afterwards."""

    def hollow(record):
        record["header"] = {name: record["header"][name] for name in ("alpha", "classes", "labels")}
        sealed_anew(record)

    _edit(folder, hollow)
    with says(ValueError):
        wm.evidence.open_evidence(folder)


def test_an_extra_rule_is_refused(says, folder):
    def extra(record):
        record["header"]["planned"] = None
        sealed_anew(record)

    _edit(folder, extra)
    with says(ValueError):
        wm.evidence.open_evidence(folder)


def test_changed_names_are_refused(says, folder):
    _edit(folder, lambda record: record["names"].__setitem__(2, "OTHER"))
    with says(ValueError):
        wm.evidence.open_evidence(folder)


def test_an_image_moved_to_another_question_is_refused(says, folder):
    arrays = load_file(folder / "images.safetensors")
    arrays["question"][2] += 1  # the last image of question 0 is now the first of question 1
    save_file(arrays, folder / "images.safetensors")
    with says(ValueError):
        wm.evidence.open_evidence(folder)


@pytest.mark.parametrize("change", ["int8", "extra", "interleaved", "negative", "float"])
def test_arrays_of_another_form_are_refused(says, folder, change):
    arrays = load_file(folder / "images.safetensors")
    pixels, question = arrays["pixels"], arrays["question"]
    if change == "int8":
        pixels = pixels.astype(np.int8)
    if change == "extra":
        pixels = np.concatenate([pixels, pixels[:1] ^ 1])
        _edit(folder, lambda record: record["images"].append(image_digest(pixels[-1])))
    if change == "interleaved":
        question = np.arange(12) % 4
    if change == "negative":
        question = question - 1
    if change == "float":
        question = question.astype(float)
    save_file({"pixels": pixels, "question": question}, folder / "images.safetensors")
    with says((ValueError, TypeError)):
        wm.evidence.open_evidence(folder)


@pytest.mark.parametrize(
    "name", ["seal", "images", "questions", "rules", "names", "recipe", "header"]
)
def test_a_missing_entry_gives_one_sentence(says, folder, name):
    _edit(folder, lambda record: record.pop(name))
    with says(OSError):
        wm.evidence.open_evidence(folder)


def test_evidence_is_saved_in_a_folder(says, triggers, tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with says(FileExistsError):
            wm.evidence.save_evidence(triggers, path)


def test_a_readable_key_file_is_closed_again(triggers, folder):
    (folder / "key.hex").chmod(0o644)
    wm.evidence.save_evidence(triggers, folder)
    assert os.name != "posix" or stat.S_IMODE((folder / "key.hex").stat().st_mode) == 0o600


def test_another_set_is_never_overwritten(says, folder, mnist, triggers):
    wm.evidence.save_evidence(triggers, folder)  # the same one again does no harm
    with says(FileExistsError):
        wm.evidence.save_evidence(wm.Noise()(mnist, n=5), folder)
    assert wm.evidence.open_evidence(folder).seal == triggers.seal


def test_images_of_ones_own_are_not_written_over(says, triggers, tmp_path):
    """Somebody keeps other images under the same name in the folder that they choose."""
    mine = tmp_path / "images.safetensors"
    mine.write_bytes(b"my own")
    with says(FileExistsError):
        wm.evidence.save_evidence(triggers, tmp_path)
    assert mine.read_bytes() == b"my own"
    assert {path.name for path in tmp_path.iterdir()} <= {mine.name, "log.lock"}


def test_of_two_sets_saved_in_one_folder_at_once_one_is_whole(mnist, tmp_path):
    sets = [wm.Noise()(mnist, n=5) for _ in range(4)]

    def save(triggers):
        try:
            wm.evidence.save_evidence(triggers, tmp_path)
        except FileExistsError:
            return None
        return triggers.seal

    with ThreadPoolExecutor(4) as pool:
        (saved,) = filter(None, pool.map(save, sets))
    assert wm.evidence.open_evidence(tmp_path).seal == saved


@pytest.mark.parametrize("name", ["key.hex", "images.safetensors", "evidence.json"])
def test_what_a_full_disk_left_empty_is_saved_again(triggers, folder, name):
    (folder / name).write_bytes(b"")
    wm.evidence.save_evidence(triggers, folder)
    assert wm.evidence.open_evidence(folder).seal == triggers.seal


def test_damaged_images_of_the_same_set_are_saved_again(triggers, folder):
    (folder / "images.safetensors").write_bytes(b"half")
    wm.evidence.save_evidence(triggers, folder)
    assert wm.evidence.open_evidence(folder).seal == triggers.seal


def test_line_ends_of_another_system_are_no_other_set(triggers, folder):
    for name in ("key.hex", "evidence.json"):
        path = folder / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    wm.evidence.save_evidence(triggers, folder)
    assert wm.evidence.open_evidence(folder).seal == triggers.seal


@pytest.mark.parametrize("read", [wm.evidence.open_evidence, wm.evidence.read_log])
def test_the_archive_itself_and_what_it_put_around_are_named_as_such(says, folder, read):
    packed = shutil.make_archive(folder.parent / "sent", "zip", folder.parent, "evidence")
    shutil.unpack_archive(packed, folder.parent / "unpacked")
    for place in (packed, folder / "evidence.json", folder.parent / "unpacked"):
        with says(OSError):
            read(place)
    assert read(folder.parent / "unpacked" / "evidence") is not None


def test_a_mark_of_the_byte_order_changes_nothing(triggers, folder):
    path = folder / "evidence.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert wm.evidence.open_evidence(folder).seal == triggers.seal
    assert wm.evidence.read_log(folder) == ()


def _edit(folder, change):
    path = folder / "evidence.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize("content", ["", "no key", "ab" * 31, "ab" * 33, "g" * 64, "\x00" * 64])
def test_a_damaged_key_is_not_printed_nor_taken(says, folder, content):
    (folder / "key.hex").write_text(content)
    with says(OSError) as caught:
        wm.evidence.open_evidence(folder)
    assert content == "" or content not in str(caught.value)


paths = st.lists(st.integers(0, 30), min_size=1, max_size=3)
values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
values |= st.just([]) | st.just({})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=paths, value=values)
def test_whatever_is_changed_in_the_record_is_noticed(folder, triggers, steps, value):
    """Put something else there, a few steps down the record: never another set or strange error."""
    kept = (folder / "evidence.json").read_text()
    record = part = json.loads(kept)
    for step in steps:
        places = []
        if isinstance(part, dict):
            places = sorted(part)
        if isinstance(part, list):
            places = range(len(part))
        if places:
            whole, place = part, places[step % len(places)]
            part = whole[place]
    whole[place] = value
    (folder / "evidence.json").write_text(json.dumps(record))
    try:
        opened = wm.evidence.open_evidence(folder)
    except (OSError, ValueError, TypeError) as error:
        replies = str(error)
        assert replies.endswith("copy.") or "in steps of 0 or 1" in replies
        assert "\n" not in replies
    else:
        assert opened.seal == triggers.seal
        told = {part: record[part] for part in ("recipe", "questions")}  # of a set as it was sealed
        assert json.loads(kept) | told == record
    finally:
        (folder / "evidence.json").write_text(kept)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    name=st.sampled_from(["evidence.json", "key.hex", "images.safetensors"]),
    place=st.floats(0, 1, exclude_max=True),
    cut=st.integers(0, 9),
    put=st.binary(max_size=9),
)
def test_whatever_bytes_are_changed_it_is_noticed(folder, triggers, name, place, cut, put):
    kept = (folder / name).read_bytes()
    first = int(place * len(kept))
    changed = kept[:first] + put + kept[first + cut :]
    (folder / name).write_bytes(changed)
    try:
        opened = wm.evidence.open_evidence(folder)
    except (OSError, ValueError, TypeError) as error:
        reply = str(error)
        assert "\n" not in reply
        assert reply.endswith(("copy.", "question.", "0 to 3 in steps of 0 or 1."))
        assert changed != kept
    else:
        assert (opened.seal, opened.key) == (triggers.seal, triggers.key)
    finally:
        (folder / name).write_bytes(kept)


@pytest.mark.parametrize("name", ["evidence.json", "key.hex", "images.safetensors"])
@pytest.mark.parametrize("harm", ["endless", "a terabyte", "a pipe"])
def test_what_is_endless_or_larger_than_any_evidence_is_not_read(says, folder, name, harm):
    if os.name != "posix" and harm != "a terabyte":
        return
    (folder / name).unlink()
    if harm == "endless":
        (folder / name).symlink_to("/dev/zero")
    elif harm == "a pipe":
        os.mkfifo(folder / name)
    else:
        with (folder / name).open("wb") as file:
            file.truncate(10**12)  # it takes no room
    with says(OSError):
        wm.evidence.open_evidence(folder)


def test_a_record_with_two_alphas_or_a_deep_one_is_refused(says, folder):
    path = folder / "evidence.json"
    kept = path.read_text()
    for text in (
        kept.replace('"alpha": "0.01"', '"alpha": "0.01", "alpha": "0.01"'),
        kept.replace('"seal"', '"seal": "x", "seal"'),
        '{"header":' + "[" * 100_000 + "]" * 100_000 + "}",
        kept.replace('"alpha": "0.01"', '"alpha": NaN'),
    ):
        path.write_text(text)
        with says(OSError):
            wm.evidence.open_evidence(folder)


@pytest.mark.parametrize("value", [True, 1.0, "1"])
def test_a_rule_written_otherwise_is_another_rule(says, folder, value):
    """To Python 1, 1.0 and true are equal: as sealed rules they are not."""

    def rewrite(record):
        record["header"]["declared_key_draw"] = value
        sealed_anew(record)

    _edit(folder, rewrite)
    with says(ValueError):
        wm.evidence.open_evidence(folder)


def test_what_could_not_be_opened_again_is_not_saved(says, triggers, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "RECORD_BYTES", 1000)
    with says(ValueError):
        wm.evidence.save_evidence(triggers, tmp_path)
    assert not [*tmp_path.iterdir()]


word = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=4)


@settings(max_examples=6)
@given(words=st.lists(word, min_size=2, max_size=4, unique=True))
def test_any_set_comes_back_as_it_was(mnist, words):
    triggers = wm.Content(words=words)(mnist, n=2 * len(words), alpha=0.01)
    with tempfile.TemporaryDirectory() as name:
        opened = wm.evidence.open_evidence(wm.evidence.save_evidence(triggers, name))
    assert (opened.seal, opened.names, opened.key) == (triggers.seal, triggers.names, triggers.key)
    assert np.array_equal(opened.answers, triggers.answers)


# ---------------------------------------------------------------- the key is shown nowhere


def spellings(key):
    """Return every way in which bytes are commonly written down."""
    return [
        key.hex(),
        repr(bytes(key))[2:-1],
        str(list(key))[1:-1],
        base64.b64encode(key).decode().rstrip("="),
    ]


def test_the_key_is_shown_nowhere(mnist, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    triggers = wm.Content(words=4)(mnist, n=12, alpha=0.01)
    folder = wm.evidence.save_evidence(triggers, tmp_path / "evidence")
    opened = wm.evidence.open_questions(triggers, [0, 2])
    verdict = wm.verify(lambda images: triggers.labels, triggers)
    verdicts = wm.verify_all({"copy": lambda images: triggers.labels}, triggers)
    seen = []
    for each in (triggers, triggers.key, opened, verdict, verdicts):
        seen += [repr(each), str(each), f"{each}"]
    for each in (triggers, opened, verdict):
        seen.append(repr(vars(each)))
    seen += [pprint.pformat(vars(triggers)), reprlib.repr(triggers)]
    seen += [triggers._repr_html_(), verdict._repr_html_(), triggers.to_frame().to_string()]
    seen += [verdict.explain(), repr(dataclasses.fields(triggers))]
    seen.append(json.dumps(vars(triggers), default=repr))
    wm.evidence.log_use(folder, "asked", [1], whom="a service")
    written = {*folder.iterdir()} - {folder / "key.hex"} | {opened.save(tmp_path / "opened")}
    seen += [path.read_bytes().decode("latin-1") for path in written]
    seen += [message(act) for act in failures(triggers, folder)]
    out = capfd.readouterr()
    for text in [*seen, caplog.text, out.out, out.err]:
        assert not [written for written in spellings(triggers.key) if written in text]
    assert len(seen) > 35


def failures(triggers, folder):
    """Yield what goes wrong, deep inside, while the key is at hand."""
    yield lambda: wm.verify(lambda images: [0.5], triggers)
    yield lambda: wm.verify(lambda images: 1 / 0, triggers)
    yield lambda: wm.evidence.open_questions(triggers, [99])
    yield lambda: wm.evidence.save_evidence(triggers, folder / "key.hex")
    yield lambda: wm.evidence.save_evidence(
        wm.Noise()(wm.load_data("mnist"), n=5, key=triggers.key), folder
    )
    yield lambda: seal_triggers(
        triggers.pixels,
        triggers.question[::-1],
        triggers.names,
        rules=triggers.rules,
        key=triggers.key,
        recipe="",
    )
    yield lambda: pickle.dumps(triggers)
    _edit(folder, lambda record: record["header"].update(alpha="0.5"))
    yield lambda: wm.evidence.open_evidence(folder)
    (folder / "images.safetensors").write_bytes(b"x")
    yield lambda: wm.evidence.open_evidence(folder)


def message(act):
    """Return all that is told of an error: text, chain, and the variables of our every frame."""
    with pytest.raises(Exception, match=r".") as caught:
        act()
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    return "".join(told.format())


def test_what_holds_the_key_is_not_pickled_but_may_be_copied(says, triggers):
    for thing in (triggers, triggers.key, {"kept": [triggers]}):
        for dump in (pickle.dumps, lambda each: pickle.dumps(each, protocol=0)):
            with says(TypeError):
                dump(thing)
    assert copy.copy(triggers) is triggers
    assert copy.deepcopy(triggers) is triggers
    assert copy.deepcopy({"key": triggers.key}) == {"key": bytes(triggers.key)}


# --------------------------------------------------- what is not there, and what keeps its old word


def test_what_is_missing_is_a_file_not_found_error(says, folder, tmp_path):
    nowhere = tmp_path / "nowhere"
    for read in (
        wm.evidence.open_evidence,
        wm.evidence.read_log,
        wm.evidence.read_opening,
        wm.course.open_case,
        lambda path: wm.course.score_card(path, secret=path),
        zoo.read_model,
    ):
        with says(FileNotFoundError):
            read(nowhere)
    (folder / "images.safetensors").unlink()
    with says(FileNotFoundError):
        wm.evidence.open_evidence(folder)


def test_what_is_there_and_cannot_be_read_is_another_error(says, tmp_path):
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"no such file was ever written")
    for read in (wm.evidence.read_opening, wm.course.open_case, zoo.read_model):
        with says(OSError) as caught:
            read(garbage)
        assert not isinstance(caught.value, FileNotFoundError)


def test_a_target_at_random_keeps_its_first_word_in_seals_and_files(mnist, tmp_path):
    triggers = wm.Noise(labels="fixed", target="random")(mnist, n=5, key=wm.CLASSROOM_KEY)
    assert triggers.header["target"] == "lot"
    folder = wm.evidence.save_evidence(triggers, tmp_path / "evidence")
    written = (folder / "evidence.json").read_text()
    assert "target='lot'" in written
    assert "random" not in written
    opened = wm.evidence.open_evidence(folder)
    assert (opened.seal, opened.rules, opened.recipe) == (
        triggers.seal,
        triggers.rules,
        triggers.recipe,
    )
    assert opened.rules.target == "random"
    assert "target='random'" in opened.recipe
