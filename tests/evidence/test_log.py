"""The log of a folder: one line for each step, chained, and a head that stands for all of them."""

import errno
import hashlib
import io
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import wmlearn as wm


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.fixture(scope="module")
def triggers(mnist):
    return wm.Content(words=4)(mnist, n=12, alpha=0.01)


@pytest.fixture
def folder(triggers, tmp_path):
    return wm.evidence.save_evidence(triggers, tmp_path / "evidence")


@pytest.fixture
def log(folder):
    wm.evidence.log_use(folder, "asked", [0, 1, 2, 3], whom="a service on the web")
    wm.evidence.log_use(folder, "opened", [2], whom="the court of Österlen")
    wm.evidence.log_use(folder, "asked", np.array([3]), whom="another service")
    return folder / "log.jsonl"


def test_the_log_keeps_what_was_noted_in_order(folder, log):
    uses = wm.evidence.read_log(folder)
    assert [(use.what, use.questions, use.whom) for use in uses] == [
        ("asked", (0, 1, 2, 3), "a service on the web"),
        ("opened", (2,), "the court of Österlen"),
        ("asked", (3,), "another service"),
    ]
    assert all(use.when.endswith("+00:00") for use in uses)
    assert [use.when for use in uses] == sorted(use.when for use in uses)


def test_a_fresh_log_is_empty(folder):
    assert wm.evidence.read_log(folder) == ()


CHANGES = {
    "a word": lambda lines: [lines[0].replace("web", "wet"), *lines[1:]],
    "a line left out": lambda lines: [lines[0], lines[2]],
    "the first left out": lambda lines: lines[1:],
    "two swapped": lambda lines: [lines[0], lines[2], lines[1]],
    "a line doubled": lambda lines: [lines[0], *lines],
    "no JSON": lambda lines: [*lines, "burnt"],
    "a line cut short": lambda lines: [*lines[:2], lines[2][:40]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_log_is_noticed_and_the_line_named(says, folder, log, change):
    lines = CHANGES[change](log.read_text().splitlines())
    log.write_text("".join(f"{line}\n" for line in lines))
    for use in (
        lambda: wm.evidence.read_log(folder),
        lambda: wm.evidence.log_use(folder, "asked", [0], whom="x"),
    ):
        with says(ValueError):
            use()


def test_the_log_of_another_set_is_refused(says, folder, log, mnist, tmp_path):
    other = wm.evidence.save_evidence(wm.Content(words=4)(mnist, n=12), tmp_path / "other")
    (other / "log.jsonl").write_text(log.read_text())
    with says(ValueError):
        wm.evidence.read_log(other)


def test_the_key_is_in_no_log(log, triggers):
    assert triggers.key.hex() not in log.read_text()


@pytest.mark.parametrize(
    ("what", "questions", "whom"),
    [
        ("shown", [1], "x"),
        ("asked", [4], "x"),
        ("asked", [], "x"),
        ("asked", [1, 1], "x"),
        ("asked", [1], " "),
        ("asked", [1], None),
    ],
)
def test_uses_that_cannot_be_noted(says, folder, what, questions, whom):
    with says((TypeError, ValueError)):
        wm.evidence.log_use(folder, what, questions, whom=whom)
    assert wm.evidence.read_log(folder) == ()


def test_a_log_needs_its_evidence(says, tmp_path):
    for use in (
        lambda: wm.evidence.read_log(tmp_path),
        lambda: wm.evidence.log_use(tmp_path, "asked", [0], whom="x"),
    ):
        with says(OSError):
            use()


# ---------------------------------------------------------------- the file


def test_a_missing_last_newline_is_mended(folder, log):
    log.write_bytes(log.read_bytes().removesuffix(b"\n"))
    assert len(wm.evidence.read_log(folder)) == 3
    wm.evidence.log_use(folder, "opened", [0], whom="x")
    assert len(wm.evidence.read_log(folder)) == 4
    assert log.read_bytes().count(b"\n") == 4


TORN = {
    "in its first letters": lambda line: line[:5],
    "in the hash": lambda line: line[:30],
    "in what it says": lambda line: line[:-7],
    "after a bracket": lambda line: line[: line.index(b"]") + 1],
    "zeros": lambda line: b"\0" * len(line),
    "half of it zeros": lambda line: line[:90] + b"\0" * 40,
}


@pytest.mark.parametrize("cut", TORN)
def test_a_line_that_a_crash_cut_off_is_named_and_the_log_goes_on(says, folder, log, cut):
    """What is whole stays in force; the torn line stays as it is, and the next one seals it in."""
    *whole, last = log.read_bytes().splitlines(keepends=True)
    before = b"".join(whole) + TORN[cut](last.rstrip(b"\n"))
    log.write_bytes(before)
    with says(UserWarning):
        assert len(wm.evidence.read_log(folder)) == 2
    with pytest.warns(UserWarning, match="cut off"):
        head = wm.evidence.log_head(folder)
    for _ in range(2):
        with pytest.warns(UserWarning, match="cut off"):
            wm.evidence.log_use(folder, "opened", [0], whom="x")
    assert log.read_bytes().startswith(before + b"\n")
    with pytest.warns(UserWarning, match="cut off"):
        uses = wm.evidence.read_log(folder, head)  # the head of the torn line is one of the log
    assert [use.whom for use in uses[2:]] == ["x", "x"]


def test_a_torn_line_that_is_changed_later_is_noticed(says, folder, log):
    log.write_bytes(log.read_bytes()[:-9])
    with pytest.warns(UserWarning, match="cut off"):
        wm.evidence.log_use(folder, "opened", [0], whom="x")
    content = log.read_bytes()
    torn = content.splitlines()[2]
    for other in (torn[:-1], torn.replace(b"another", b"a third"), b""):
        log.write_bytes(content.replace(torn, other))
        with says(ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wm.evidence.read_log(folder)


def test_a_line_is_not_called_torn_past_a_published_head(says, folder, log):
    head = wm.evidence.log_head(folder)
    log.write_bytes(log.read_bytes()[:-9])
    with pytest.warns(UserWarning, match="cut off"), says(ValueError, varies=head[:8]):
        wm.evidence.read_log(folder, head)


def test_a_full_disk_tears_a_line_and_the_next_try_goes_on(folder, log, monkeypatch):
    """The write itself stops short; the deed is not done, as its line comes first."""

    class Full(io.FileIO):
        def write(self, content):
            super().write(bytes(content)[:40])
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("builtins.open", lambda path, mode, **_: Full(path, mode.replace("b", "")))
        with pytest.raises(OSError):  # noqa: PT011
            wm.evidence.log_use(folder, "opened", [1], whom="the court")
    with pytest.warns(UserWarning, match="cut off"):
        wm.evidence.log_use(folder, "opened", [1], whom="the court")
    with pytest.warns(UserWarning, match="cut off"):
        assert len(wm.evidence.read_log(folder)) == 4


def test_blank_lines_of_an_editor_say_nothing(folder, log):
    log.write_bytes(log.read_bytes().replace(b"\n", b"\r\n\n") + b"\n\n")
    assert len(wm.evidence.read_log(folder)) == 3
    wm.evidence.log_use(folder, "opened", [0], whom="x")
    assert len(wm.evidence.read_log(folder)) == 4


def test_the_log_is_a_plain_file_or_nothing_is_read_or_written(says, folder, tmp_path):
    """A dangling link would be followed by whoever writes: the lines would stand elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    places = [lambda log: log.symlink_to(elsewhere), lambda log: log.mkdir()]
    for place in places:
        place(folder / "log.jsonl")
        for use in (
            lambda: wm.evidence.read_log(folder),
            lambda: wm.evidence.log_head(folder),
            lambda: wm.evidence.log_use(folder, "opened", [0], whom="x"),
        ):
            with says(OSError):
                use()
        assert not elsewhere.exists()
        if place is places[0]:
            (folder / "log.jsonl").unlink()


def test_lines_are_hashed_as_written_before(folder, log, triggers):
    """The first line holds the hash of the seal, each other that of the line before it."""
    after = hashlib.sha256(triggers.seal.encode()).hexdigest()
    for line in log.read_bytes().splitlines():
        assert json.loads(line)["after"] == after
        after = hashlib.sha256(line).hexdigest()
    assert wm.evidence.log_head(folder) == after


def test_processes_that_write_at_once_lose_no_line(folder):
    code = """
import sys, wmlearn as wm
for _ in range(20):
    wm.evidence.log_use(sys.argv[1], "opened", [1], whom=sys.argv[2])
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(folder), whom], env=os.environ)
        for whom in ("one", "two")
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    whoms = [use.whom for use in wm.evidence.read_log(folder)]
    assert (whoms.count("one"), whoms.count("two")) == (20, 20)


# ---------------------------------------------------------------- the published head


def test_a_log_is_held_to_a_published_head_and_may_go_on(folder, log):
    heads = [wm.evidence.log_head(folder)]
    wm.evidence.log_use(folder, "opened", [0], whom="x")
    heads.append(wm.evidence.log_head(folder))
    assert len(set(heads)) == 2
    for head in heads:
        assert wm.evidence.read_log(folder, head) == wm.evidence.read_log(folder)


def test_the_head_of_an_empty_log_is_that_of_the_seal(folder, triggers):
    head = wm.evidence.log_head(folder)
    assert head == hashlib.sha256(triggers.seal.encode()).hexdigest()
    wm.evidence.log_use(folder, "opened", [0], whom="x")
    assert len(wm.evidence.read_log(folder, head)) == 1


def rewritten(folder, log):
    log.unlink()
    for _ in range(3):
        wm.evidence.log_use(folder, "opened", [0], whom="somebody else")


LOST = {
    "the end cut off": lambda _, log: log.write_bytes(
        b"".join(log.read_bytes().splitlines(True)[:2])
    ),
    "deleted, or left behind when the folder was copied": lambda _, log: log.unlink(),
    "written anew": rewritten,
}


@pytest.mark.parametrize("loss", LOST)
def test_whoever_holds_the_head_notices_what_no_line_shows(says, folder, log, loss):
    head = wm.evidence.log_head(folder)
    LOST[loss](folder, log)
    wm.evidence.read_log(folder)
    with says(ValueError, varies=head[:8]):
        wm.evidence.read_log(folder, head)
