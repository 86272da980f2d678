"""The learner's and the instructor's edition, and the assignments for nbgrader: made from the same
lessons, whole, and without what learners should not see.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from _tool import ROOT, editions, tool
from test_built import BUILT, RIGHT

from wmlearn.course._lessons import read_lessons

LESSONS = list(read_lessons().values())
RUN = [lesson for lesson in LESSONS if lesson.id in ("00", "A1")]  # the first, and a cheap one


def project(folder: Path) -> Path:
    """Return a folder with all that the editions are made from."""
    for name in ("pyproject.toml", "notebooks", "docs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "wmlearn" / "course").mkdir(parents=True)
    lessons = "wmlearn/course/lessons"
    (folder / lessons).symlink_to(ROOT / lessons)
    return folder


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    root = project(tmp_path_factory.mktemp("editions"))
    assert editions.main([], root) == 0
    return root / "build"


@pytest.fixture(scope="module")
def course():
    return editions.read_course(ROOT)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def of_learners(lesson) -> nbformat.NotebookNode:
    """Return a lesson as learners get it."""
    nb = read(ROOT / "notebooks" / lesson.file)
    editions.for_learners(nb, lesson)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nb


# ---------------------------------------------------------------- both


@pytest.mark.parametrize("edition", editions.EDITIONS)
def test_an_edition_is_valid_and_every_link_leads_somewhere(build, edition):
    folder = build / edition
    names = {path.name for path in folder.glob("*.ipynb")}
    assert names == {"start.ipynb", *(lesson.file for lesson in LESSONS)}
    links = 0
    for path in folder.rglob("*.ipynb"):
        nb = read(path)
        nbformat.validate(nb)
        for cell in nb.cells:
            words = re.sub(r"(```|~~~).*?\1", "", cell.source, flags=re.DOTALL)
            if cell.cell_type == "markdown":
                for link in re.findall(r"\]\(([^):#]+)[)#]", words):
                    assert (path.parent / link).is_file(), (path.name, link)
                    links += 1
    assert links > 3 * len(LESSONS)


def test_editions_are_the_same_bytes_each_time(build, tmp_path):
    again = project(tmp_path) / "build"
    assert editions.main([], again.parent) == 0
    files = {path.relative_to(build) for path in build.rglob("*") if path.is_file()}
    assert files == {path.relative_to(again) for path in again.rglob("*") if path.is_file()}
    for name in files:
        assert (build / name).read_bytes() == (again / name).read_bytes(), name


def test_what_somebody_has_changed_is_left_and_named(says, tmp_path, capsys):
    root = project(tmp_path)
    mine = root / "build" / "instructor" / "00_the_copied_map.ipynb"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", "utf-8")
    assert editions.main([], root) == 1
    assert mine.read_text("utf-8") == "mine"
    says(capsys.readouterr().err)


# ---------------------------------------------------------------- the learner's


def test_the_learners_edition_gives_nothing_away(build, course):
    for path in (build / "learner").glob("*.ipynb"):
        assert editions.giveaways(read(path), course) == [], path.name
        assert "metadata" in read(path)
        assert "widgets" not in read(path).metadata


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_a_lesson_as_it_is_committed_gives_everything_away(course, lesson):
    found = "\n".join(editions.giveaways(read(ROOT / "notebooks" / lesson.file), course))
    assert "holds an output" in found
    assert found.count("holds a solution") == len(lesson.exercises)
    for exercise in lesson.exercises:
        assert f"holds the answer of {exercise.id}:" in found


def add(text):
    return lambda nb: nb.cells.append(nbformat.v4.new_markdown_cell(text))


def fill(nb):
    (cell,) = [cell for cell in nb.cells if "def matched" in cell.source]
    cell.source = cell.source.replace(editions.LEFT_OUT, "return [True]")


FIRST = LESSONS[0]
TELLING = {
    "a reason": add(f"Because {FIRST.predictions[0].why}"),
    "praise": add(FIRST.exercises[0].praise.replace(" ", "\n", 3)),
    "a hint": add(FIRST.exercises[3].mistakes[0]["hint"]),
    "an answer": lambda nb: nb.cells.append(nbformat.v4.new_code_cell('wm.check("00.1", 3)')),
    "a function": fill,
    "another function": add("```python\ndef matched(replies, secrets):\n    return [True]\n```"),
    "an output": lambda nb: nb.cells[1].update(execution_count=1),
    "a picture": lambda nb: nb.cells[0].update(attachments={"a.png": {"image/png": "AAAA"}}),
    "a solution": add("<details><summary>Solution</summary>\n\n3\n\n</details>"),
}


@pytest.mark.parametrize("what", TELLING)
def test_whatever_gives_something_away_is_found(course, what):
    nb = of_learners(FIRST)
    assert editions.giveaways(nb, course) == []
    TELLING[what](nb)
    assert len(editions.giveaways(nb, course)) == 1


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_the_lines_of_a_solution_stand_nowhere_else(build, lesson):
    (exercise,) = filter(editions.is_built, lesson.exercises)
    _, _, solution = editions.built(read(ROOT / "notebooks" / lesson.file), exercise)
    body = {line.strip() for line in solution.splitlines()[1:] if line.strip()}
    texts = "\n".join(cell.source for cell in read(build / "learner" / lesson.file).cells)
    known = body & {line.strip() for line in texts.splitlines()}
    assert len(known) <= len(body) / 2, known


@pytest.mark.parametrize("lesson", RUN, ids=lambda lesson: lesson.id)
def test_a_learner_can_work_through_it(build, lesson):
    nb = read(build / "learner" / lesson.file)
    (exercise,) = filter(editions.is_built, lesson.exercises)
    name, _, solution = editions.built(read(ROOT / "notebooks" / lesson.file), exercise)
    (stub,) = [cell for cell in nb.cells if f"def {name}(" in cell.source]
    stub.source = solution.rpartition("wm.check")[0]
    tool.execute(nb)
    assert [text for cell in nb.cells for text in errors(cell)] == []
    (checked,) = [cell for cell in nb.cells if cell.source == f'wm.check("{exercise.id}", {name})']
    assert checked.outputs[0].data["text/plain"].startswith("Right: ")


def errors(cell) -> list[str]:
    outputs = cell.get("outputs", [])
    return [output.evalue for output in outputs if output.output_type == "error"]


# ---------------------------------------------------------------- the instructor's


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_the_instructors_edition_has_all_that_is_known_of_a_lesson(build, course, lesson):
    nb = read(build / "instructor" / lesson.file)
    asked = [*lesson.predictions, *lesson.exercises]
    notes = {cell.id: unquoted(cell.source) for cell in nb.cells if cell.id.startswith("note-")}
    names = {f"note-{each.id.replace('.', '-')}" for each in asked}
    assert notes.keys() == {f"note-{lesson.id}", *names}
    first = notes[f"note-{lesson.id}"]
    assert f"**Minutes.** {lesson.reading} to read and run; {lesson.working} with" in first
    assert editions.unlinked(lesson.teacher.strip()) in first
    for each in lesson.predictions:
        note = notes[f"note-{each.id.replace('.', '-')}"]
        assert each.options[each.answer] in note
        assert each.why in note
    for each in lesson.exercises:
        note = notes[f"note-{each.id.replace('.', '-')}"]
        hints = [mistake["hint"] for mistake in each.mistakes]
        assert all(text in note for text in (each.praise, each.hint, *hints))
    rest = [cell for cell in nb.cells if not cell.id.startswith("note-")]
    committed = read(ROOT / "notebooks" / lesson.file).cells
    assert [cell.get("outputs") for cell in rest] == [cell.get("outputs") for cell in committed]
    assert len(rest) == len(committed)


def unquoted(source: str) -> str:
    return re.sub("^> ?", "", source, flags=re.MULTILINE)


def test_a_note_stands_right_below_what_it_is_about(build):
    cells = read(build / "instructor" / FIRST.file).cells
    before = {cell.id: cells[place - 1].source for place, cell in enumerate(cells)}
    assert before["note-00-a"] == 'wm.Predict("00.a")'
    assert 'wm.check("00.2", 30 * 1 / 2)' in before["note-00-2"]


# ---------------------------------------------------------------- nbgrader


@pytest.fixture(scope="module")
def assignments(tmp_path_factory):
    """Return the assignment of each lesson."""
    folder = tmp_path_factory.mktemp("nbgrader")
    assert editions.main(["--nbgrader", str(folder), "--seed", "7"]) == 0
    compile((folder / "nbgrader_config.py").read_text("utf-8"), "nbgrader_config.py", "exec")
    files = {lesson.id: folder / f"source/{lesson.id}/{lesson.id}.ipynb" for lesson in LESSONS}
    assert sorted(files.values()) == sorted(folder.rglob("*.ipynb"))
    return {lesson: read(path) for lesson, path in files.items()}


BOOLEAN = ("grade", "solution", "locked", "task")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_an_assignment_is_what_version_3_of_nbgraders_format_asks_for(assignments, lesson):
    nb = assignments[lesson.id]
    nbformat.validate(nb)
    roles = [cell.metadata.nbgrader for cell in nb.cells]
    for role in roles:
        points = {"points"} if role.grade else set()
        assert role.keys() == {"schema_version", "grade_id", *BOOLEAN} | points
        assert role.schema_version == 3
        assert all(type(role[name]) is bool for name in BOOLEAN)
        assert re.fullmatch(r"[\w-]+", role.grade_id)
        assert role.locked is not role.solution
    assert len({role.grade_id for role in roles}) == len(roles)
    assert [role.get("points") for role in roles if role.grade] == [editions.POINTS]
    assert sum(role.solution for role in roles) == 1


def released(source: str, what: str, stub: str) -> str:
    """Return a cell as nbgrader hands it out: a stub in place of what its marks enclose."""
    region = re.compile(rf"^( *)### BEGIN {what}\n.*### END {what}$", re.DOTALL | re.MULTILINE)
    text, count = region.subn(rf"\g<1>{stub}", source)
    assert count == 1
    return text


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_learners_get_the_cell_of_the_lesson_and_no_hidden_test(assignments, lesson):
    cells = {cell.id: cell for cell in assignments[lesson.id].cells}
    committed = [cell.source for cell in read(ROOT / "notebooks" / lesson.file).cells]
    assert released(cells["solution"].source, "SOLUTION", editions.LEFT_OUT) in committed
    assert all(cells[name].source in committed for name in ("question", "words", "check"))
    left = released(cells["graded"].source, "HIDDEN TESTS", "")
    assert left.startswith("# Graded")
    assert len(left.splitlines()) == 1


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_the_solution_runs_on_what_the_assignment_brings(assignments, lesson, capsys):
    cells = {cell.id: cell.source for cell in assignments[lesson.id].cells}
    (exercise,) = filter(editions.is_built, lesson.exercises)
    names: dict = {}
    exec(cells["setup"], names)
    exec(cells["solution"], names)
    assert BUILT[exercise.id]
    called = cells["check"].partition(", ")[2].rstrip(")")
    assert names["wm"].check(exercise.id, names[called]).right is True
    assert f'"{exercise.id}", "{called}", "7"' in cells["graded"]
    assert RIGHT[exercise.id].__name__ == called


def test_what_a_teacher_has_changed_is_not_written_over(says, tmp_path, capsys):
    assert editions.main(["--nbgrader", str(tmp_path)]) == 0
    assert editions.main(["--nbgrader", str(tmp_path)]) == 0  # nothing differs
    mine = tmp_path / "source" / "05" / "05.ipynb"
    mine.write_text("mine", "utf-8")
    (tmp_path / "source" / "04" / "04.ipynb").unlink()
    assert editions.main(["--nbgrader", str(tmp_path)]) == 1
    assert mine.read_text("utf-8") == "mine"
    assert not (tmp_path / "source" / "04" / "04.ipynb").exists()
    says(capsys.readouterr().err)
