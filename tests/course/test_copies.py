"""The learner's copies: cleared, brought up to date, and never written over once worked on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest

from wmlearn.course.copies import Copied, clear_outputs, copy_lessons, lessons_in, main

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


@pytest.fixture
def docs(source):
    """Return a folder of pages beside the lessons, to which lesson 00 refers."""
    folder = source.parent / "docs"
    (folder / "results").mkdir(parents=True)
    (folder / "glossary.md").write_text("# Wörter\n[safe](security.md), see [a](results/a.csv)\n")
    (folder / "results.md").write_text("| [a.csv](results/a.csv) | all | `python a.py` |\n")
    (folder / "results" / "a.csv").write_text("# python a.py\nx,y\n1,2\n")
    (folder / "teaching.md").write_text("The answers are 3 and 4.\n")
    links = "[words](../docs/glossary.md), [all](../docs/results.md), [a](../docs/results/a.csv)"
    text = lesson().replace("# Ä lesson", f"# Ä lesson: {links}")
    (source / "00_start.ipynb").write_text(text, encoding="utf-8")
    return folder


def test_the_pages_that_lessons_refer_to_come_along_and_the_guide_does_not(source, docs, into):
    assert len(copy_lessons(source, into).new) == 3
    references = {path.relative_to(into).as_posix() for path in into.glob("reference/**/*.*")}
    assert references == {
        "reference/glossary.ipynb",
        "reference/results.ipynb",
        "reference/results/a.csv",
    }
    table = (docs / "results" / "a.csv").read_bytes()
    assert (into / "reference" / "results" / "a.csv").read_bytes() == table
    page = nbformat.read(into / "reference" / "glossary.ipynb", as_version=4)
    nbformat.validate(page)
    assert [cell.cell_type for cell in page.cells] == ["markdown"]
    # What is not copied is no link.
    assert page.cells[0].source == "# Wörter\nsafe, see [a](results/a.csv)\n"


def test_links_lead_to_the_copies_and_stay_as_they_are_where_lessons_are_cleared(
    source, docs, into
):
    copy_lessons(source, into)
    copy = nbformat.read(into / "00_start.ipynb", as_version=4).cells[0].source
    links = re.findall(r"\]\(([^)]*)\)", copy)
    assert len(links) == 3
    assert all((into / link).is_file() for link in links)
    clear_outputs(source / "00_start.ipynb")
    assert "](../docs/glossary.md)" in (source / "00_start.ipynb").read_text(encoding="utf-8")


def test_pages_follow_the_docs_unless_they_were_worked_on(source, docs, into):
    copy_lessons(source, into)
    page, table = into / "reference" / "glossary.ipynb", into / "reference" / "results" / "a.csv"
    table.write_text("mine", encoding="utf-8")
    (docs / "glossary.md").write_text("anew", encoding="utf-8")
    (docs / "results" / "a.csv").write_text("anew", encoding="utf-8")
    assert copy_lessons(source, into) == Copied()  # lessons alone are counted
    assert "anew" in page.read_text(encoding="utf-8")
    assert table.read_text(encoding="utf-8") == "mine"


def test_a_damaged_page_stops_no_lesson(says, source, docs, into):
    (docs / "glossary.md").write_bytes(b"\xff")
    copied = copy_lessons(source, into)
    assert len(copied.new) == 3
    says(*copied.failed)
    assert (into / "reference" / "results.ipynb").exists()


def test_every_link_of_the_real_lessons_copies_leads_somewhere(root, into):
    copied = copy_lessons(root / "notebooks", into)
    assert copied.failed == ()
    pages = [*copied.new, *into.glob("reference/*.ipynb")]
    links = 0
    for path in pages:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                words = re.sub(r"(```|~~~).*?\1", "", cell.source, flags=re.DOTALL)
                for link in re.findall(r"\]\(([^):#]+)[)#]", words):
                    assert (path.parent / link).is_file(), (path.name, link)
                    links += 1
    assert links > 3 * len(copied.new)
    for path in copied.new:
        cells = nbformat.read(path, as_version=4).cells
        made = "".join(cell.source for cell in cells if cell.id in ("wm-header", "wm-map"))
        assert "](reference/glossary.ipynb)" in made
        assert "](reference/results.ipynb)" in made
    assert "teaching" not in "".join(path.name for path in into.rglob("*"))
    tables = sum(path.stat().st_size for path in into.rglob("*.csv"))
    assert 0 < tables < 500_000


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


def test_the_front_page_comes_first_and_is_the_learners_own(source, into):
    (source / "start.ipynb").write_text(lesson("the map"), encoding="utf-8")
    assert copy_lessons(source, into).new[0] == into / "start.ipynb"
    assert lessons_in(into)[0] == into / "start.ipynb"
    (into / "start.ipynb").write_text(lesson("the map"), encoding="utf-8")  # run, and saved
    (source / "start.ipynb").write_text(lesson("another map"), encoding="utf-8")
    assert copy_lessons(source, into).kept == (into / "start.ipynb",)
    main([str(source)])
    assert nbformat.read(source / "start.ipynb", as_version=4).cells[1].outputs == []


def test_without_a_front_page_the_first_lesson_comes_first(source):
    assert [path.name[:2] for path in lessons_in(source)] == ["00", "10", "A1"]


def test_the_command_line_says_what_it_did(source, capsys):
    main([str(source)])
    assert capsys.readouterr().out == f"Cleared the outputs of 3 lessons in {source}.\n"


def test_the_command_line_has_no_traceback(tmp_path):
    command = [sys.executable, "-m", "wmlearn.course.copies", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "should hold lessons" in done.stderr
