"""Write the course as two editions from the committed lessons, and its exercises for nbgrader.

`make editions` calls this. `build/learner` has the lessons without outputs and solutions,
`build/instructor` has them with both, and with what `wmlearn/course/lessons/NN.toml` says to
teachers, each thing where it is needed. Both hold the map and the pages that lessons link to. A
file that somebody has changed there is left as it is.

    python tools/editions.py                       both editions
    python tools/editions.py --nbgrader FOLDER     what is to be built, as assignments of a course
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import nbformat
from course import (
    SETUP,
    START,
    Course,
    Lesson,
    LessonError,
    is_built,
    minutes,
    read_course,
    tags,
    wrong_answers,
)
from lessons import read_notebook, render
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from wmlearn.course._lessons import Exercise
from wmlearn.course.copies import copy_lessons, unlinked

ROOT = Path(__file__).resolve().parents[1]
SOLUTION = re.compile(r"<details><summary>Solution</summary>\n+(.*?)\n*</details>", re.DOTALL)
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
LEFT_OUT = "return ..."  # what stands where learners write their own lines
POINTS = 5
CHECK = re.compile(r"wm\.check\(\"(\w+\.\w+)\", ([^\n]+)\)$", re.MULTILINE)


# -------------------------------------------------------------------------------- the two editions


def for_learners(nb: NotebookNode, lesson: Lesson) -> None:
    """Take the solutions out, in place."""
    for cell in nb.cells:
        cell.source = SOLUTION.sub("", cell.source).strip("\n")
    nb.cells = [cell for cell in nb.cells if cell.source]


def for_instructors(nb: NotebookNode, lesson: Lesson) -> None:
    """Put what teachers should know where they need it, in place: below the header, below what
    asks for a prediction, and below each solution.
    """
    cells = []
    for cell in nb.cells:
        cells.append(cell)
        if SETUP in tags(cell) and lesson is not START:
            cells.append(note(lesson.id, f"{minutes(lesson)}\n\n{lesson.teacher.strip()}"))
        for each in lesson.predictions:
            if cell.source.strip() == f'wm.Predict("{each.id}")':
                cells.append(note(each.id, f"*{each.options[each.answer]}*. {each.why}"))
        for each in lesson.exercises:
            if SOLUTION.search(cell.source) and f'wm.check("{each.id}",' in cell.source:
                cells.append(note(each.id, told(each)))
    nb.cells = cells


def note(name: str, text: str) -> NotebookNode:
    """Return a note to teachers about a lesson, a prediction or an exercise."""
    source = f"**For teachers: {name}**\n\n{unlinked(text)}"
    quoted = "\n".join(f"> {line}".rstrip() for line in source.splitlines())
    return new_markdown_cell(quoted, id=f"note-{name.replace('.', '-')}")


def told(exercise: Exercise) -> str:
    """Return what a learner is told about their answer to an exercise."""
    hints = [*wrong_answers(exercise), f"anything else: {exercise.hint}"]
    listed = "\n".join(f"- {hint}" for hint in hints)
    return f"A right answer is praised: {exercise.praise}\n\nWrong ones, and the hint:\n\n{listed}"


EDITIONS: dict[str, Callable[[NotebookNode, Lesson], None]] = {
    "learner": for_learners,
    "instructor": for_instructors,
}


def write_edition(course: Course, name: str) -> list[str]:
    """Write one edition into its folder in build/; return a sentence for each file that is not as
    it should be there.
    """
    into = course.root / "build" / name
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "notebooks")
        source.mkdir()
        shutil.copytree(course.root / "docs", Path(folder, "docs"))
        for lesson in (*course.lessons, START):
            nb = read_notebook(course.path(lesson))
            EDITIONS[name](nb, lesson)
            nbformat.validate(nb)
            (source / lesson.file).write_text(render(nb), "utf-8", newline="\n")
        copied = copy_lessons(source, into, outputs=name == "instructor")
    kept = [
        f"{path} is left as somebody has changed it; delete it to have it." for path in copied.kept
    ]
    return [*copied.failed, *kept]


# -------------------------------------------------------------------------------- what is secret


def giveaways(nb: NotebookNode, course: Course) -> list[str]:
    """Return one sentence for each thing in a notebook that gives away an answer."""
    secrets = {
        each.why: f"the answer of {each.id}" for x in course.lessons for each in x.predictions
    }
    for exercise in (each for lesson in course.lessons for each in lesson.exercises):
        hints = [exercise.praise, exercise.hint, *(each["hint"] for each in exercise.mistakes)]
        secrets |= dict.fromkeys(hints, f"what is told about {exercise.id}")
    found = []
    for place, cell in enumerate(nb.cells):
        if cell.get("outputs") or cell.get("attachments") or cell.get("execution_count"):
            found.append(f"cell {place} holds an output")
        if "<summary>Solution" in cell.source:
            found.append(f"cell {place} holds a solution")
        for name, answer in CHECK.findall(cell.source):
            if answer != "..." and not (answer.isidentifier() and is_open(nb, answer)):
                found.append(f"cell {place} holds the answer of {name}: {answer}")
        squeezed = " ".join(cell.source.split())
        found += [
            f"cell {place} holds {what}" for text, what in secrets.items() if text in squeezed
        ]
    return found


def is_open(nb: NotebookNode, name: str) -> bool:
    """Return whether a function or class stands once in a notebook, and is to be written there."""
    sources = [
        cell.source
        for cell in nb.cells
        if re.search(rf"^\s*(def|class) {name}\b", cell.source, re.M)
    ]
    return len(sources) == 1 and LEFT_OUT in sources[0]


# -------------------------------------------------------------------------------- nbgrader

CONFIG = '''\
"""Settings of nbgrader for the exercises of wmlearn; what nbgrader asks for in a cell stays as in
the lessons."""

c = get_config()
c.CourseDirectory.course_id = "wmlearn"
c.ClearSolutions.code_stub = {{"python": "{stub}"}}
c.Execute.timeout = 120  # seconds; the longest check takes ten
'''
GRADED = """\
# Graded: what you built is tried in a process of its own, also on cases drawn anew.
### BEGIN HIDDEN TESTS
import os, secrets, subprocess, sys, tempfile
token = secrets.token_hex()
graded = [os.path.abspath("{file}"), "{id}", "{name}", "{seed}"]
command = [sys.executable, "-m", "wmlearn.course.grading", *graded]
with tempfile.TemporaryDirectory() as empty:  # where nothing that was handed in can be imported
    said = subprocess.run(command, input=token, cwd=empty, capture_output=True, text=True).stdout
assert said.endswith(token), (said.splitlines() or ["it stopped"])[-1]
### END HIDDEN TESTS"""


def assignment(nb: NotebookNode, lesson: Lesson, seed: int) -> NotebookNode:
    """Return what a lesson asks to be built as an assignment for nbgrader.

    Its cells are those of the lesson, after its imports and what else they use. All or nothing is
    graded: who gets the typical cases right and the others wrong has not built it.
    """
    (exercise,) = filter(is_built, lesson.exercises)
    name, place, solution = built(nb, exercise)
    prompt, stub, words, check = nb.cells[place - 3 : place + 1]
    file = f"{lesson.id}.ipynb"
    graded = GRADED.format(file=file, id=exercise.id, name=name, seed=seed)
    title = f"# {lesson.name}: build it\n\nFrom the lesson `{lesson.file}`, which explains it."
    made = nbformat.v4.new_notebook(
        metadata=nb.metadata,
        cells=[
            new_markdown_cell(title, id="title"),
            new_code_cell(setup(nb, place - 2, solution), id="setup"),
            new_markdown_cell(prompt.source, id="question"),
            new_code_cell(solved(stub.source, solution), id="solution"),
            new_markdown_cell(words.source, id="words"),
            new_code_cell(check.source, id="check"),
            new_code_cell(graded, id="graded"),
        ],
    )
    for cell in made.cells:
        role = {"grade": cell.id == "graded", "solution": cell.id == "solution", "task": False}
        points = {"points": POINTS} if role["grade"] else {}
        own = {"schema_version": 3, "grade_id": f"{lesson.id}-{cell.id}"}
        cell.metadata["nbgrader"] = {**own, **role, "locked": not role["solution"], **points}
    return made


def built(nb: NotebookNode, exercise: Exercise) -> tuple[str, int, str]:
    """Return the name of what an exercise asks for, the place of the cell that checks it, and a
    solution.
    """
    asked = {place: CHECK.search(cell.source) for place, cell in enumerate(nb.cells)}
    ours = {place: found for place, found in asked.items() if found and found[1] == exercise.id}
    (place, found), (folded, _) = ours.items()
    (solution,) = CODE.findall(nb.cells[folded].source)
    return found[2], place, solution


def solved(stub: str, solution: str) -> str:
    """Return a cell with the body of a solution, between nbgrader's marks, where learners write."""
    (head, *_) = ast.parse(solution).body
    function = head.body[-1] if isinstance(head, ast.ClassDef) else head
    first = function.body[0].lineno
    body = "\n".join(solution.splitlines()[first - 1 : function.end_lineno])
    (left_out,) = re.findall(rf"^( *){re.escape(LEFT_OUT)}$", stub, re.MULTILINE)
    marked = f"{left_out}### BEGIN SOLUTION\n{body}\n{left_out}### END SOLUTION"
    return stub.replace(f"{left_out}{LEFT_OUT}", marked)


def setup(nb: NotebookNode, place: int, solution: str) -> str:
    """Return the imports of a lesson, and what a cell and a solution use of the lines above it."""
    wanted = used(nb.cells[place].source) | used(solution)
    imports: list[str] = []
    others: list[str] = []
    for cell in reversed(nb.cells[:place]):
        if cell.cell_type == "code" and SETUP not in tags(cell):
            for node in reversed(ast.parse(cell.source).body):
                line = ast.get_source_segment(cell.source, node) or ""
                if isinstance(node, ast.Import | ast.ImportFrom):
                    imports.insert(0, line)
                elif isinstance(node, ast.Assign | ast.FunctionDef) and wanted & made(node):
                    wanted = (wanted - made(node)) | used(line)
                    others.insert(
                        0, f"\n\n{line}\n\n" if isinstance(node, ast.FunctionDef) else line
                    )
    return "\n".join([*imports, "", *others]).strip()


def used(code: str) -> set[str]:
    """Return the names that code takes from elsewhere."""
    taken: set[str] = set()
    ready: set[str] = set()
    for node in ast.parse(code).body:
        inner = list(ast.walk(node))
        own = {each.arg for each in inner if isinstance(each, ast.arg)}.union(*map(made, inner))
        names = {each.id for each in inner if isinstance(each, ast.Name)}
        taken |= names - own - ready
        ready |= made(node)
    return taken


def made(node: ast.AST) -> set[str]:
    """Return the names that a piece of code makes; of a function or class its own name alone."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    names = [each for each in ast.walk(node) if isinstance(each, ast.Name)]
    return {each.id for each in names if isinstance(each.ctx, ast.Store)}


def write_assignments(course: Course, folder: Path, seed: int) -> None:
    """Write the assignments and nbgrader's settings into a folder, over nothing that differs."""
    files = {folder / "nbgrader_config.py": CONFIG.format(stub=LEFT_OUT)}
    for lesson in course.lessons:
        nb = assignment(read_notebook(course.path(lesson)), lesson, seed)
        nbformat.validate(nb)
        files[folder / "source" / lesson.id / f"{lesson.id}.ipynb"] = render(nb)
    for path, text in files.items():
        if path.exists() and path.read_text("utf-8") != text:
            raise LessonError(f"{path} exists and differs; nothing was written. Give a new folder.")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="\n")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--nbgrader", metavar="FOLDER", type=Path, help="the exercises, for nbgrader"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="by which nbgrader's hidden cases are drawn; keep yours"
    )
    options = parser.parse_args(arguments)
    try:
        course = read_course(root)
        if options.nbgrader:
            write_assignments(course, options.nbgrader, options.seed)
            print(f"{len(course.lessons)} assignments are in {options.nbgrader / 'source'}.")
            return 0
        found = []
        for name in EDITIONS:
            found += write_edition(course, name)
            print(f"{len(course.lessons) + 1} notebooks are in {root / 'build' / name}.")
        for lesson in (*course.lessons, START):
            nb = read_notebook(root / "build" / "learner" / lesson.file)
            found += [f"{lesson.file}: {what}." for what in giveaways(nb, course)]
    except LessonError as problem:
        found = [str(problem)]
    for problem in found:
        print(problem, file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
