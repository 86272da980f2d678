"""The learner's copies: cleared, brought up to date, and never written over once worked on."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import nbformat
import pytest

from wmlearn.course.copies import Copied, clear_outputs, copy_lessons, main

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def lesson(text: str = "1 + 1") -> str:
    """Return an executed notebook with everything that running one leaves behind."""
    notebook = nbformat.v4.new_notebook(metadata={"widgets": {"state": {}}, "kernelspec": KERNEL})
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# Ä lesson", id="intro"),
        nbformat.v4.new_code_cell(
            text,
            id="sum",
            execution_count=3,
            metadata={"tags": ["keep-me"], "execution": {"iopub.execute_input": "now"}},
            outputs=[
                nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=3)
            ],
        ),
    ]
    return nbformat.writes(notebook)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("00_start.ipynb", "10_later.ipynb", "A1_more.ipynb", "scratch.ipynb"):
        (folder / name).write_text(lesson(), encoding="utf-8")
    return folder


@pytest.fixture
def into(tmp_path):
    return tmp_path / "learn"


def test_copies_every_lesson_and_nothing_else(source, into):
    copied = copy_lessons(source, into)
    assert [path.name for path in copied.new] == [
        "00_start.ipynb",
        "10_later.ipynb",
        "A1_more.ipynb",
    ]
    assert sorted(path.name for path in into.glob("*.ipynb")) == [path.name for path in copied.new]
    assert repr(copied) == "Copied(3 new, 0 refreshed, 0 kept)"


def test_a_copy_is_cleared_but_whole(source, into):
    copy_lessons(source, into)
    notebook = nbformat.read(into / "00_start.ipynb", as_version=4)
    nbformat.validate(notebook)
    text, code = notebook.cells
    assert (text.source, text.id) == ("# Ä lesson", "intro")
    assert (code.source, code.id, code.metadata) == ("1 + 1", "sum", {"tags": ["keep-me"]})
    assert (code.outputs, code.execution_count) == ([], None)
    assert notebook.metadata == {"kernelspec": KERNEL}


def test_the_lesson_itself_is_not_touched(source, into):
    before = (source / "00_start.ipynb").read_bytes()
    copy_lessons(source, into)
    assert (source / "00_start.ipynb").read_bytes() == before


def test_a_second_copy_changes_nothing(source, into):
    copy_lessons(source, into)
    times = {path: path.stat().st_mtime_ns for path in into.iterdir()}
    assert copy_lessons(source, into) == Copied()
    assert {path: path.stat().st_mtime_ns for path in into.iterdir()} == times


def test_an_untouched_copy_follows_the_lesson(source, into):
    copy_lessons(source, into)
    (source / "00_start.ipynb").write_text(lesson("2 + 2"), encoding="utf-8")
    assert copy_lessons(source, into) == Copied(refreshed=(into / "00_start.ipynb",))
    assert "2 + 2" in (into / "00_start.ipynb").read_text(encoding="utf-8")


@pytest.mark.parametrize("changed_too", [False, True], ids=["lesson same", "lesson changed"])
@pytest.mark.parametrize("with_record", [True, False], ids=["record there", "record lost"])
def test_work_is_kept_for_ever(source, into, changed_too, with_record):
    copy_lessons(source, into)
    mine = lesson("my own work")
    (into / "00_start.ipynb").write_text(mine, encoding="utf-8")
    if not with_record:
        (into / ".lessons.json").unlink()
    if changed_too:
        (source / "00_start.ipynb").write_text(lesson("2 + 2"), encoding="utf-8")
    for _ in range(2):
        assert copy_lessons(source, into) == Copied(kept=(into / "00_start.ipynb",))
        assert (into / "00_start.ipynb").read_text(encoding="utf-8") == mine


def test_running_a_cell_counts_as_work(source, into):
    copy_lessons(source, into)
    (into / "00_start.ipynb").write_text(lesson(), encoding="utf-8")  # outputs are back
    assert copy_lessons(source, into).kept == (into / "00_start.ipynb",)


def test_work_undone_by_hand_is_a_copy_again(source, into):
    copy_lessons(source, into)
    copy = into / "00_start.ipynb"
    untouched = copy.read_bytes()
    copy.write_text(lesson("mine"), encoding="utf-8")
    copy_lessons(source, into)
    copy.write_bytes(untouched)
    (source / "00_start.ipynb").write_text(lesson("2 + 2"), encoding="utf-8")
    assert copy_lessons(source, into).refreshed == (copy,)


def test_a_deleted_copy_comes_back(source, into):
    copy_lessons(source, into)
    (into / "00_start.ipynb").unlink()
    assert copy_lessons(source, into) == Copied(new=(into / "00_start.ipynb",))


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"00_start.ipynb": 7}'])
def test_a_damaged_record_costs_nothing(source, into, damage):
    copy_lessons(source, into)
    (into / ".lessons.json").write_text(damage, encoding="utf-8")
    assert copy_lessons(source, into) == Copied()
    assert len(json.loads((into / ".lessons.json").read_text(encoding="utf-8"))) == 3


def test_a_write_that_fails_leaves_the_old_file(says, source, into, monkeypatch):
    copy_lessons(source, into)
    before = (into / "00_start.ipynb").read_bytes()
    (source / "00_start.ipynb").write_text(lesson("2 + 2"), encoding="utf-8")

    def no_space(*paths):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", no_space)
    copied = copy_lessons(source, into)
    says(*copied.failed)
    assert (copied.new, copied.refreshed) == ((), ())
    assert (into / "00_start.ipynb").read_bytes() == before
    for path in source.iterdir():
        path.write_text(lesson("3 + 3"), encoding="utf-8")
    with says(OSError):  # nothing at all could be copied
        copy_lessons(source, into)


DAMAGE = {
    "merge markers": lambda path: path.write_text("{\n<<<<<<< HEAD\n" + lesson()[1:]),
    "an older format": lambda path: path.write_text('{"nbformat": 3, "worksheets": []}'),
    "no cells": lambda path: path.write_text('{"nbformat": 4, "metadata": {}}'),
    "no notebook": lambda path: path.write_text("[1]"),
    "empty": lambda path: path.write_text(""),
    "latin-1": lambda path: path.write_text(lesson(), encoding="latin-1"),
    "too deep": lambda path: path.write_text("[" * 100_000),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a dangling link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_lesson_is_named_and_the_others_are_copied(says, source, into, kind):
    if kind == "a dangling link" and os.name != "posix":
        return
    DAMAGE[kind](source / "10_later.ipynb")
    copied = copy_lessons(source, into)
    assert [path.name for path in copied.new] == ["00_start.ipynb", "A1_more.ipynb"]
    (failed,) = copied.failed
    says(failed)
    says(repr(copied))
    DAMAGE["empty"](source / "A1_more.ipynb")
    assert len(copy_lessons(source, into).failed) == 2
    assert (into / "A1_more.ipynb").stat().st_size  # an older copy stays


def test_a_mark_of_the_byte_order_is_no_damage(source, into):
    (source / "10_later.ipynb").write_text(lesson(), encoding="utf-8-sig")
    assert not copy_lessons(source, into).failed
    assert (into / "10_later.ipynb").read_bytes() == (into / "00_start.ipynb").read_bytes()


def test_a_copy_that_cannot_be_read_stops_no_other(says, source, into):
    (into / "00_start.ipynb").mkdir(parents=True)
    copied = copy_lessons(source, into)
    says(*copied.failed)
    assert len(copied.new) == 2


def test_clearing_in_place_names_the_damaged_and_clears_the_others(says, source, capsys):
    DAMAGE["merge markers"](source / "00_start.ipynb")
    with says(SystemExit):
        main([str(source)])
    says(capsys.readouterr().out)
    assert "outputs" in (source / "10_later.ipynb").read_text(encoding="utf-8")
    assert nbformat.read(source / "10_later.ipynb", as_version=4).cells[1].outputs == []


def test_an_empty_folder_is_said_in_a_sentence(says, tmp_path, into):
    with says(FileNotFoundError):
        copy_lessons(tmp_path, into)


def test_clear_outputs_in_place(source):
    path = source / "00_start.ipynb"
    clear_outputs(path)
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[1].outputs == []
    assert notebook.cells[1].execution_count is None
    assert not list(source.glob("*.part"))


def test_the_command_line_says_what_it_did(source, capsys):
    main([str(source)])
    assert capsys.readouterr().out == f"Cleared the outputs of 3 lessons in {source}.\n"


def test_the_command_line_has_no_traceback(tmp_path):
    command = [sys.executable, "-m", "wmlearn.course.copies", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("expected lessons")
