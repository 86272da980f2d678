"""tools/lessons.py on a small project of its own: what it makes, what it leaves alone, what it
refuses.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from _tool import ROOT, course, tool
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

PYPROJECT = """
[project]
version = "1.2.dev0"
dependencies = [
    "numpy>=1.24", "lazy_loader>=0.3", "Some_New.Thing[x]>=2; python_version > '3'", "torch",
    "ipywidgets",
]
[project.urls]
Repository = "https://github.com/someone/fork"
"""
LESSON = """
file = "{0}.ipynb"
title = "Title {0}"
reading = 7
working = 12
core = {1}
objectives = ["see this", "do that"]
prerequisites = {2}
teacher = "**Before class.** Nothing for {0}."

[[exercises]]
id = "{0}.1"
right = [{{ number = 3 }}]
praise = "three."
hint = "count."
mistakes = [
    {{ answer = {{ below = 2 }}, hint = "more." }},
    {{ answer = {{ number = 4 }}, hint = "less." }},
]
"""
CLASSROOM = """# python benchmarks/a.py
torch,what,figure,value,unit,load
9.0+cu13,packages,disk,6374,MB,1.0
9.0+cpu,packages,disk,1591,MB,1.0
9.0+cpu,lesson 00,"seconds, one core",9.4,s,1.0
"""
FILES = Path("wmlearn", "course", "lessons")
STUDY = '"""What is measured, A | B,\nin one paragraph.\n\nAnd more.\n"""\n'
NEVER_TOUCHED = {"torch", "torchvision", "numpy", "scipy", "pandas", "matplotlib", "ipywidgets"}
# A cell for each thing that differs from run to run: an address, a port, a widget, streams in
# pieces.
SOURCES = [
    "import sys\nprint('a', flush=True)\nprint('b')",
    "print(object(), 'http://127.0.0.1:54321/v2')",
    "import ipywidgets\nipywidgets.IntSlider(3)",
    "1 + 1",
]


@pytest.fixture
def project(tmp_path) -> Path:
    """Return a project of two lessons and a front page, as an author would leave them: never run,
    no header.
    """
    for folder in (
        "notebooks",
        "tests/course",
        "docs/diagrams",
        "docs/results",
        "docs/howto",
        "benchmarks",
        FILES,
    ):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    first, second = ("true", "[]"), ("false", '["00", "some Python"]')
    (tmp_path / FILES / "00.toml").write_text(LESSON.format("00", *first))
    (tmp_path / FILES / "01.toml").write_text(LESSON.format("01", *second))
    empty = "".join(f"<!-- {name} --><!-- /{name} -->\n" for name in ("hours", "launch", "start"))
    (tmp_path / "README.md").write_text(f"# Fork\n{empty}The end.\n")
    (tmp_path / "docs" / "lessons.md").write_text("All.\n<!-- lessons --><!-- /lessons -->\n")
    (tmp_path / "docs" / "teaching.md").write_text("Teach.\n<!-- lessons --><!-- /lessons -->\n")
    (tmp_path / "docs" / "results.md").write_text("All.\n<!-- results --><!-- /results -->\n")
    (tmp_path / "docs" / "results" / "a.csv").write_text("# python benchmarks/a.py\nx,y\n")
    (tmp_path / "docs" / "results" / "classroom.csv").write_text(CLASSROOM)
    parts = ("classroom", "one_line", "hub_install", "hub_link")
    empty = "".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in parts)
    (tmp_path / "docs" / "howto" / "class.md").write_text(empty)
    (tmp_path / "benchmarks" / "a.py").write_text(STUDY)
    shutil.copy(ROOT / "tests" / "course" / "nbval.cfg", tmp_path / "tests" / "course")
    write(
        tmp_path,
        "00",
        new_notebook(cells=[new_markdown_cell("Look."), *map(new_code_cell, SOURCES)]),
    )
    write(tmp_path, "01", new_notebook(cells=[new_code_cell("2 + 2")]))
    map_cell = new_markdown_cell("Old.", metadata={"tags": ["wm-map"]})
    write(tmp_path, "start", new_notebook(cells=[new_code_cell("'first'"), map_cell]))
    return tmp_path


def write(project: Path, lesson: str, nb) -> None:
    nbformat.write(nb, project / "notebooks" / f"{lesson}.ipynb")


def read(project: Path, lesson: str = "00"):
    return nbformat.read(project / "notebooks" / f"{lesson}.ipynb", as_version=4)


def made(project: Path, monkeypatch=None) -> Path:
    """Bring the project into the form that --check accepts; with monkeypatch, without running
    anything.
    """
    if monkeypatch:
        monkeypatch.setattr(tool, "execute", lambda nb: None)
    assert tool.main([], project) == 0
    return project


def checked(project: Path, capsys) -> list[str]:
    capsys.readouterr()
    code = tool.main(["--check"], project)
    lines = capsys.readouterr().out.splitlines()
    assert code == (not lines[0].endswith("as they should be."))
    return lines if code else []


# ------------------------------------------------------------------------------ running and writing


def test_lessons_are_run_and_left_in_normal_form(project, capsys):
    assert tool.main([], project) == 0
    assert "00.ipynb: written" in capsys.readouterr().out
    nb = read(project)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4, 5]
    assert code[0].outputs == []
    assert [output.text for output in code[1].outputs] == ["a\nb\n"]
    assert code[2].outputs[0].text == "<object object at 0xADDRESS> http://127.0.0.1:PORT/v2\n"
    assert list(code[3].outputs[0].data) == ["text/plain"]
    assert code[4].outputs[0].execution_count == 5
    assert nb.metadata == tool.METADATA
    assert all(set(cell.metadata) <= {"tags", "jupyter"} for cell in nb.cells)
    assert checked(project, capsys) == []

    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert tool.main([], project) == 0
    assert "00.ipynb: unchanged" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
    text = (project / "notebooks" / "00.ipynb").read_text("utf-8")
    assert text.endswith("}\n")
    assert json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n" == text


def test_a_failing_lesson_is_named_and_left_as_it_was(project, capsys):
    write(project, "01", new_notebook(cells=[new_code_cell("1 / 0")]))
    before = (project / "notebooks" / "01.ipynb").read_bytes()
    assert tool.main(["--only", "01"], project) == 1
    assert "01.ipynb, cell 2 ends in ZeroDivisionError: division by zero" in capsys.readouterr().err
    assert (project / "notebooks" / "01.ipynb").read_bytes() == before


def test_warnings_are_refused_and_bars_are_off(project, capsys):
    code = "import os, warnings\nprint(os.environ['TQDM_DISABLE'])\nwarnings.warn('beware')"
    write(project, "01", new_notebook(cells=[new_code_cell(code)]))
    assert tool.main(["--only", "01"], project) == 1
    assert "writes to stderr" in capsys.readouterr().err


def test_a_lesson_that_does_not_end_is_given_up(project, capsys, monkeypatch):
    monkeypatch.setattr(tool, "SECONDS_PER_CELL", 1)
    write(project, "01", new_notebook(cells=[new_code_cell("import time\ntime.sleep(60)")]))
    assert tool.main(["--only", "01"], project) == 1
    assert "01.ipynb did not run to its end" in capsys.readouterr().err


# --------------------------------------------------------------------------------------- the header


def test_the_header_says_what_the_list_says(project, monkeypatch):
    made(project, monkeypatch)
    first, second = (read(project, lesson).cells[0].source for lesson in ("00", "01"))
    assert first.startswith("# 00 · Title 00\n")
    minutes = "7 minutes to read, 12 with exercises and labs"
    assert f"{minutes} · core path · before this: nothing" in first
    assert "- see this\n- do that" in first
    assert "side door: [01 · Title 01](01.ipynb) | [map of the course](start.ipynb)" in first
    assert "→" not in first
    assert "[the glossary](../docs/glossary.md)" in first
    assert "](../docs/results.md)" in first
    assert "teaching" not in first
    assert "← " not in first
    assert "side door · before this: [00 · Title 00](00.ipynb), some Python" in second
    assert "← [00 · Title 00](00.ipynb)" in second
    assert "[![Open in Binder](https://mybinder.org/badge_logo.svg)]" in first
    assert (
        "https://mybinder.org/v2/gh/someone/fork/main?urlpath=lab/tree/notebooks/00.ipynb" in first
    )
    assert (
        "https://colab.research.google.com/github/someone/fork/blob/main/notebooks/00.ipynb"
        in first
    )
    assert "https://github.com/someone/fork/blob/main/notebooks/00.ipynb" in first


def test_the_way_on_follows_the_core_path_and_extras_are_side_doors(project, monkeypatch):
    for lesson, core in (("02", "false"), ("03", "true"), ("04", "false")):
        (project / FILES / f"{lesson}.toml").write_text(LESSON.format(lesson, core, "[]"))
        write(project, lesson, new_notebook())
    made(project, monkeypatch)
    lessons = tool.read_course(project)
    ways = [course.neighbours(lessons, lesson) for lesson in lessons.lessons]
    names = [f"[{n} · Title {n}]({n}.ipynb)" for n in ("00", "01", "02", "03", "04")]
    first, second, third, fourth, fifth = names
    to_map = "[map of the course](start.ipynb)"
    assert ways == [
        f"next: {fourth} → | side doors: {second}, {third} | {to_map}",
        f"← {first} | back to the core path: {fourth} → | side door: {third} | {to_map}",
        f"← {first} | back to the core path: {fourth} → | {to_map}",
        f"← {first} | side door: {fifth} | {to_map}",
        f"← {fourth} | {to_map}",
    ]


def test_the_front_page_leads_to_every_lesson(project, monkeypatch):
    made(project, monkeypatch)
    first, setup, _, course_map = read(project, "start").cells
    assert "[00 · Title 00](00.ipynb) takes 12 minutes" in first.source
    assert setup.source == setup_cell(project)
    assert "1 lessons: about 0 hours" in course_map.source
    assert "| [00 · Title 00](00.ipynb) | 7 min | 12 min |" in course_map.source
    assert "| ↳ side door [01 · Title 01](01.ipynb) | 7 min | 12 min |" in course_map.source
    here = "someone/fork/main?urlpath=lab/tree/notebooks/start.ipynb"
    assert f"https://mybinder.org/v2/gh/{here}" in course_map.source
    assert course_map.id == "wm-map"


def test_check_finds_an_old_map(project, monkeypatch, capsys):
    made(project, monkeypatch)
    nb = read(project, "start")
    nb.cells[3].source = nb.cells[3].source.replace("7 min", "8 min")
    write(project, "start", nb)
    assert checked(project, capsys) == [
        "start.ipynb: the map is not what the lessons' files say; run `make lessons`."
    ]


def test_what_an_author_has_solved_is_not_on_the_front_page(project):
    """Notebooks run in an empty folder, not among an author's own files."""
    cell = new_code_cell("import os\nos.listdir()")
    write(project, "start", new_notebook(cells=[cell]))
    (project / "notebooks" / ".solved.json").write_text("{}")
    assert tool.main(["--only", "start"], project) == 0
    assert ".solved.json" not in read(project, "start").cells[2].outputs[0].data["text/plain"]


def test_the_made_cells_have_tags_and_stable_ids(project, monkeypatch):
    nb = read(made(project, monkeypatch))
    assert [cell.id for cell in nb.cells] == [
        "wm-header",
        "wm-setup",
        *(f"cell-{n:02d}" for n in range(2, 7)),
    ]
    assert [cell.metadata.tags for cell in nb.cells[:2]] == [["wm-header"], ["wm-setup"]]
    assert nb.cells[1].metadata.jupyter.source_hidden is True


def run_setup(source: str, monkeypatch, *, colab: bool, fails: str = "") -> list[list[str]]:
    """Run the set-up cell as a notebook does; return the commands that it would have started."""
    started: list[list[str]] = []

    def pip(command, **options):
        started.append(command)
        return subprocess.CompletedProcess(command, int(bool(fails)), stderr=fails)

    monkeypatch.setattr(subprocess, "run", pip)
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # put back at the end
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    if colab:
        monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    done = InteractiveShell().run_cell(source)
    assert done.success == (not (colab and fails))
    return started


def test_outside_colab_the_setup_cell_does_nothing(project, monkeypatch):
    assert run_setup(setup_cell(project), monkeypatch, colab=False) == []
    assert "OMP_NUM_THREADS" not in os.environ


def test_in_colab_it_installs_wmlearn_and_what_colab_lacks(project, monkeypatch):
    [[python, *words]] = run_setup(setup_cell(project), monkeypatch, colab=True)
    assert python == sys.executable
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert words[:5] == ["-m", "pip", "install", "--quiet", "--no-deps"]
    assert words[5:] == [
        "wmlearn @ https://github.com/someone/fork/archive/refs/heads/main.zip",
        "Some_New.Thing[x]>=2; python_version > '3'",
    ]


def test_the_real_setup_cell_never_touches_what_colab_brings(monkeypatch):
    [[*words]] = run_setup(setup_cell(ROOT), monkeypatch, colab=True)
    names = {course.package_name(word) for word in words[words.index("--no-deps") + 1 :]}
    assert "wmlearn" in names
    assert not names & NEVER_TOUCHED
    assert NEVER_TOUCHED <= course.COLAB_SHIPS
    assert "--upgrade" not in words


def test_in_colab_a_wrong_address_ends_in_a_sentence(says, project, monkeypatch, capsys):
    words = "ERROR: HTTP error 404"
    run_setup(setup_cell(project), monkeypatch, colab=True, fails=words + "\n")
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    says(said)


@pytest.mark.parametrize(
    ("version", "ref"),
    [("1.2.dev0", "main"), ("1.2", "v1.2"), ("0.1.0", "v0.1.0"), ("2rc1", "main"), ("", "main")],
)
def test_a_release_leads_to_its_tag(project, version, ref):
    """A class in session sees no change, in the lesson or in the package."""
    path = project / "pyproject.toml"
    path.write_text(path.read_text().replace("1.2.dev0", version))
    read_again = tool.read_course(project)
    kind = "heads" if ref == "main" else "tags"
    assert f"/archive/refs/{kind}/{ref}.zip" in course.colab_setup(read_again)
    links = course.badges(read_again, read_again.lessons[0])
    assert (links.count(f"/{ref}/"), links.count(f"/{ref}?")) == (2, 1)


def test_headers_are_written_without_running_anything(project, monkeypatch, capsys):
    made(project, monkeypatch)
    monkeypatch.setattr(tool, "execute", lambda nb: 1 / 0)
    before = read(project)
    file = project / FILES / "00.toml"
    file.write_text(file.read_text().replace("Title 00", "Another title"))
    assert tool.main(["--headers"], project) == 0
    after = read(project)
    assert "Another title" in after.cells[0].source
    assert after.cells[2:] == before.cells[2:]
    assert checked(project, capsys) == []


def test_the_page_about_classes_follows_the_address(project, monkeypatch):
    made(project, monkeypatch)
    page = (project / "docs" / "howto" / "class.md").read_text()
    archive = "https://github.com/someone/fork/archive/refs/heads/main.zip"
    assert f'\nuvx --from "wmlearn[lab] @ {archive}" wmlearn lab\n' in page
    assert f'\n   sudo -E pip install "wmlearn[lab] @ {archive}"\n' in page
    (link,) = re.findall(r"^   (https://HUB/hub/user-redirect/git-pull\?.*)$", page, re.MULTILINE)
    assert parse_qs(urlsplit(link).query) == {
        "repo": ["https://github.com/someone/fork"],
        "branch": ["main"],
        "urlpath": ["lab/tree/fork/notebooks/start.ipynb"],
    }


def test_the_page_about_classes_shows_what_was_measured(project, monkeypatch):
    made(project, monkeypatch)
    page = (project / "docs" / "howto" / "class.md").read_text()
    assert "| | PyTorch 9.0+cpu | PyTorch 9.0+cu13 |" in page
    assert "| packages on disk | 1591 MB | 6374 MB |" in page
    assert "| lesson 00, run to its end: seconds of one core | 9.4 s |  |" in page


def test_every_figure_of_the_page_about_classes_was_measured():
    table = course.classroom(ROOT)
    assert len(table.splitlines()) == 2 + len(course.SHOWN)
    first = [line.split(" | ")[1].strip() for line in table.splitlines()[2:]]
    assert "+cpu" in table.splitlines()[0].split(" | ")[1]
    assert all(first)
    page = (ROOT / "docs" / "howto" / "class.md").read_text(encoding="utf-8")
    assert table in page
    how = (ROOT / "tasks.py").read_text(encoding="utf-8").split('HOW_TO_INSTALL = """')[1]
    line, start = [line.strip() for line in how.splitlines() if line.startswith("    ")][:2]
    assert line.replace("{extras}", "[lab]") in page
    assert start in page


def setup_cell(project: Path) -> str:
    return course.colab_setup(tool.read_course(project))


# ------------------------------------------------------------------------------------------ --check


def test_check_finds_what_is_not_as_it_should_be(project, monkeypatch, capsys):
    assert any("header" in line for line in checked(project, capsys))
    made(project, monkeypatch)
    assert checked(project, capsys) == []


def changed(nb, change: str):
    """Return the notebook with one thing wrong with it."""
    cell = nb.cells[-1]
    if change == "header":
        nb.cells[0].source = nb.cells[0].source.replace("7 minutes", "8 minutes")
    elif change == "setup":
        nb.cells[1].source += "\n"
    elif change == "count":
        cell.execution_count = 9
    elif change == "id":
        cell.id = "a1b2c3d4"
    elif change == "timing":
        cell.metadata.execution = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    elif change == "kernel":
        nb.metadata.kernelspec.display_name = "my kernel"
    elif change == "state":
        nb.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    elif change == "view":
        cell.outputs = [
            new_output(
                "display_data", data={tool.WIDGET_VIEW: {"model_id": "1"}, "text/plain": "x"}
            )
        ]
    elif change == "address":
        cell.outputs = [new_output("stream", name="stdout", text="at 0x7fab12345678")]
    return nb


@pytest.mark.parametrize("change", ["count", "id", "timing", "kernel", "state", "view", "address"])
def test_check_finds_each_departure_from_normal_form(project, monkeypatch, capsys, change):
    made(project, monkeypatch)
    write(project, "00", changed(read(project), change))
    assert checked(project, capsys) == [
        "00.ipynb is not in its normal form (counts, ids, metadata); run `make lessons`."
    ]


@pytest.mark.parametrize("change", ["header", "setup"])
def test_check_finds_an_edited_header(project, monkeypatch, capsys, change):
    made(project, monkeypatch)
    write(project, "00", changed(read(project), change))
    assert checked(project, capsys) == [
        "00.ipynb: the header is not what 00.toml says; run `make lessons`."
    ]


def test_a_table_is_written_from_its_file_and_an_old_one_found(project, monkeypatch, capsys):
    monkeypatch.setattr(tool, "execute", lambda nb: None)
    monkeypatch.setattr(tool.tables, "TABLES", {"wm-lean": lambda root: "| 1 |"})
    nb = read(project)
    nb.cells.append(new_markdown_cell("| 0 |", metadata={"tags": ["wm-lean"]}))
    write(project, "00", nb)
    made(project)
    assert read(project).cells[-1].source == "| 1 |"
    monkeypatch.setattr(tool.tables, "TABLES", {"wm-lean": lambda root: "| 2 |"})
    assert checked(project, capsys)[0] == (
        "00.ipynb: a table or diagram is not what it is made from; run `make lessons`."
    )


def test_check_finds_a_missing_final_newline(project, monkeypatch, capsys):
    path = made(project, monkeypatch) / "notebooks" / "00.ipynb"
    path.write_text(path.read_text("utf-8").rstrip("\n"), "utf-8")
    assert "normal form" in checked(project, capsys)[0]


HOME = "/".join(["", "home", "me"])  # put together: no file of the project may hold such a path


def picture(size: int, alt: str = "three dots in a row of 5"):
    data = {"image/png": base64.b64encode(bytes(size)).decode()}
    return new_output("display_data", data=data, metadata={"image/png": {"alt": alt}})


DEFECTS = {
    "was never run": {"execution_count": None, "outputs": []},
    "ends in KeyError: 'x'": {
        "outputs": [new_output("error", ename="KeyError", evalue="'x'", traceback=[])]
    },
    "writes to stderr": {"outputs": [new_output("stream", name="stderr", text="beware")]},
    "has a picture of 80,001 bytes": {"outputs": [picture(80_001)]},
    "has a picture without words": {"outputs": [picture(10, alt="dots")]},
    "absolute path": {"outputs": [new_output("stream", name="stdout", text=f"saved to {HOME}")]},
}


@pytest.mark.parametrize("sentence", DEFECTS)
def test_check_names_what_normalising_cannot_mend(project, monkeypatch, capsys, sentence):
    nb = read(made(project, monkeypatch))
    nb.cells[-1].update(DEFECTS[sentence])
    write(project, "00", nb)
    [found] = checked(project, capsys)
    assert found.startswith("00.ipynb, cell 6 ")
    assert sentence in found


@pytest.mark.parametrize(
    "text", ["https://x.org/home/me", "../tmp/a", "P:\\theta", "and/or", "a /b/ c"]
)
def test_what_only_looks_like_an_absolute_path_may_stand(text):
    assert tool.defects(new_notebook(cells=[new_markdown_cell(text)]), "x") == []


def test_pictures_up_to_the_limit_may_stand():
    cell = new_code_cell("1", execution_count=1, outputs=[picture(80_000)])
    assert tool.defects(new_notebook(cells=[cell]), "x") == []


def test_a_picture_gets_the_words_beside_it():
    figure = new_output(
        "display_data",
        data={"image/png": "iVBO", "text/plain": "<Figure size 500x300 with 1 Axes>"},
    )
    lab = new_output(
        "execute_result",
        data={"image/png": "iVBO", "text/plain": "30 of 30\n  found"},
        execution_count=1,
    )
    replies = [
        new_output("stream", name="stdout", text=text) for text in ("20 bars,\n", "the highest 7\n")
    ]
    kept = tool.normal_outputs([replies[0], figure, replies[1], lab], 1, [])
    alts = {output.data["text/plain"]: tool.alt_text(output) for output in kept if "data" in output}
    assert list(alts.values()) == ["20 bars, the highest 7", "30 of 30 found"]


# ---------------------------------------------------------------------- the list, README, bad input


def test_readme_gets_hours_buttons_and_commands_between_the_markers(project, monkeypatch, capsys):
    """All that holds the repository's address is made from the one line in pyproject.toml."""
    text = (made(project, monkeypatch) / "README.md").read_text("utf-8")
    assert text.startswith("# Fork\n<!-- hours -->\n")
    assert text.endswith("<!-- /start -->\nThe end.\n")
    assert "The core path of the 2 lessons takes about " in text
    assert "git clone https://github.com/someone/fork\ncd fork\nmake lab " in text
    assert "mybinder.org/v2/gh/someone/fork/" in text
    (project / "README.md").write_text(text.replace("2 lessons", "3 lessons"), "utf-8")
    assert checked(project, capsys) == [old("README.md")]


def test_the_page_of_lessons_has_a_row_for_each(project, monkeypatch, capsys):
    page = made(project, monkeypatch) / "docs" / "lessons.md"
    row = "| [00 · Title 00](../notebooks/00.ipynb) | 7 min | 12 min | core | see this; do that |"
    assert row in page.read_text("utf-8")
    page.write_text(page.read_text("utf-8").replace("| 7 min", "| 8 min"), "utf-8")
    assert checked(project, capsys) == [old("lessons.md")]


def old(name: str) -> str:
    return f"{name}: what is made from other files is old; run `make lessons`."


def test_the_guide_has_each_lessons_minutes_notes_and_typical_mistakes(
    project, monkeypatch, capsys
):
    page = made(project, monkeypatch) / "docs" / "teaching.md"
    text = page.read_text("utf-8")
    assert text.startswith("Teach.\n<!-- lessons -->\n\n## Lesson 00 · Title 00\n")
    assert "**Minutes.** 7 to read and run; 12 with exercises and labs." in text
    assert "**Before class.** Nothing for 01." in text
    assert "- 01.1: *below 2*: more. *4*: less.\n" in text
    hint = project / FILES / "01.toml"
    hint.write_text(hint.read_text("utf-8").replace("less.", "fewer."), "utf-8")
    assert checked(project, capsys) == [old("teaching.md")]


def test_the_page_of_results_has_a_row_for_each_file(project, monkeypatch, capsys):
    page = made(project, monkeypatch) / "docs" / "results.md"
    row = (
        "| [a.csv](results/a.csv) | What is measured, A \\| B, in one paragraph. | "
        "`python benchmarks/a.py` |"
    )
    assert row in page.read_text("utf-8").splitlines()
    (project / "docs" / "results" / "b.csv").write_text("# LEVEL=1 python benchmarks/a.py\nx\n")
    assert checked(project, capsys) == [old("results.md")]


def test_a_readme_without_markers_is_left_alone(project, monkeypatch):
    (project / "README.md").write_text("# None\n")
    assert (made(project, monkeypatch) / "README.md").read_text() == "# None\n"


def test_a_notebook_that_is_listed_must_exist_and_the_other_way_round(project, monkeypatch, capsys):
    made(project, monkeypatch)
    (project / "notebooks" / "01.ipynb").rename(project / "notebooks" / "stray.ipynb")
    assert checked(project, capsys) == [
        "01.ipynb has a file in wmlearn/course/lessons/ but is not in notebooks/.",
        "stray.ipynb is in notebooks/ but no file of wmlearn/course/lessons/ names it.",
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        (FILES / "00.toml", "reading = 7\n", "", "should hold lesson 00"),
        (FILES / "00.toml", "reading = 7\n", "", "'reading'"),
        (FILES / "00.toml", "core = true", "core = true\nlevel = 3", "'level'"),
        (FILES / "01.toml", "praise", "prize", "'prize'"),
        (
            "pyproject.toml",
            "https://github.com/someone/fork",
            "https://example.org/x",
            "Repository must be https://git",
        ),
        ("notebooks/00.ipynb", "{", "<", "00.ipynb is not a notebook"),
    ],
)
def test_bad_files_get_one_sentence(project, capsys, file, old, new, sentence):
    path = project / file
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    assert tool.main(["--only", "00"], project) == 1
    assert sentence in capsys.readouterr().err


def test_an_unknown_lesson_is_answered_with_the_list(project, capsys):
    assert tool.main(["--only", "07"], project) == 1
    assert capsys.readouterr().err == "There is no lesson '07'; there are 00, 01, start.\n"


def test_jupytext_takes_a_lesson_apart_and_puts_it_together_again(project, monkeypatch):
    path = made(project, monkeypatch) / "notebooks" / "00.ipynb"
    command = [
        sys.executable,
        "-m",
        "jupytext",
        "--quiet",
        "--test",
        "--to",
        "py:percent",
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
