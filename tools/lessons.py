"""Write the lessons' headers, run the lessons, and save them in one normal form.

`make lessons` calls this. So that each fact is kept in one place only, the header of a lesson
(title, minutes, objectives, badges, links) and the map on the front page are made from
`wmlearn/course/lessons/NN.toml`, the repository's address from `pyproject.toml`, each table of
figures from its file (`tables.py`), and each diagram from its drawing (`diagrams.py`). README's
hours, buttons and first commands, the pages of lessons and of results (`docs/lessons.md`,
`docs/results.md`), parts of the page about classes (`docs/howto/class.md`) and the lessons' part of
the teacher's guide are made in the same way.

    python tools/lessons.py              write, run and normalise every lesson, and the pages
    python tools/lessons.py --only 00    one lesson; `--only start` is the front page
    python tools/lessons.py --headers    write headers, tables, diagrams and pages; run nothing
    python tools/lessons.py --check      run nothing: report what is out of date, and exit with 1
"""

from __future__ import annotations

import argparse
import base64
import copy
import os
import re
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import diagrams
import nbformat
import tables
from course import (
    HEADER,
    MAP,
    SETUP,
    START,
    Course,
    Lesson,
    LessonError,
    made_sources,
    read_course,
    tags,
    with_class,
    with_guide,
    with_readme,
    with_results,
    with_table,
    write_header,
)
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.reader import NotJSONError

ROOT = Path(__file__).resolve().parents[1]
SECONDS_PER_CELL = 120
PNG_LIMIT = 80_000  # bytes
SHORTEST_ALT = 20  # characters of a picture's alternative text
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}
KEPT_CELL_METADATA = ("tags", "jupyter")
ABSOLUTE_PATH = re.compile(
    r"(?<![\w.:/<~-])/(?:home|Users|root|tmp|work|mnt|opt|var|private)/\w|\b[A-Z]:\\+Users\b"
)


# -------------------------------------------------------------------------------- run and normalise


def execute(nb: NotebookNode) -> None:
    """Run the notebook top to bottom, in place; an error stays in the outputs, where `defects`
    finds it.
    """
    # Neither IPython's start-up files nor what an author has solved must leak in.
    with tempfile.TemporaryDirectory() as empty:
        env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
        env |= {"TQDM_DISABLE": "1", "IPYTHONDIR": empty}
        client = NotebookClient(
            nb,
            timeout=SECONDS_PER_CELL,
            kernel_name="python3",
            resources={"metadata": {"path": empty}},
            store_widget_state=False,
            record_timing=False,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
        with suppress(CellExecutionError):
            client.execute(env=env)


def sanitisers(root: Path) -> list[tuple[re.Pattern[str], str]]:
    """Return the replacements of tests/course/nbval.cfg: what is committed has to match what the
    tests compare.
    """
    text = (root / "tests" / "course" / "nbval.cfg").read_text("utf-8")
    pairs = re.findall(r"^regex: (.*)$\n+^replace: (.*)$", text, re.MULTILINE)
    return [(re.compile(pattern), new) for pattern, new in pairs]


def normalise(nb: NotebookNode, root: Path) -> None:
    """Keep only what a reader needs, in place: counts 1 to n, ids by position, no widget state, no
    timings.
    """
    nb.metadata = nbformat.from_dict(METADATA)
    nb.nbformat, nb.nbformat_minor = 4, 5
    count = 0
    for place, cell in enumerate(nb.cells):
        cell.id = next(iter({HEADER, SETUP, MAP} & tags(cell)), f"cell-{place:02d}")
        cell.metadata = NotebookNode(
            {key: cell.metadata[key] for key in KEPT_CELL_METADATA if key in cell.metadata}
        )
        cell.source = cell.source.rstrip("\n")
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = normal_outputs(cell.outputs, count, sanitisers(root))


def normal_outputs(outputs: list[NotebookNode], count: int, replace: list) -> list[NotebookNode]:
    """Return the outputs of one cell without widget views, neighbouring streams joined, volatile
    text replaced.
    """
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text  # the kernel cuts streams where it happens to flush
        else:
            kept.append(output)
    for output in kept:
        if "execution_count" in output:
            output.execution_count = count
        for part in (output, output.get("data", {})):
            part.pop(WIDGET_VIEW, None)
            for kind in [key for key in part if key == "text" or key.startswith("text/")]:
                for pattern, new in replace:
                    part[kind] = pattern.sub(new, part[kind])
    describe_pictures(kept)
    return kept


def describe_pictures(outputs: list[NotebookNode]) -> None:
    """Give every picture of a cell an alternative text, in place: a lab's own words, or what the
    cell printed.
    """
    printed = " ".join(output.text for output in outputs if output.get("name") == "stdout")
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            own = data.get("text/plain", "")
            # "<Figure size 500x300 with 1 Axes>" says nothing.
            words = printed if own.startswith("<") else own
            output.metadata["image/png"] = {"alt": " ".join(words.split())}
        elif "metadata" in output:
            output.metadata.pop("image/png", None)  # words of a picture that a lab has not drawn


def defects(nb: NotebookNode, name: str) -> list[str]:
    """Return one sentence for each defect of a run notebook that normalising cannot fix."""
    found = []
    for place, cell in enumerate(nb.cells):
        where = f"{name}, cell {place}"
        outputs = cell.get("outputs", [])
        if cell.cell_type == "code" and cell.execution_count is None:
            found.append(f"{where} was never run; run `make lessons`.")
        for output in outputs:
            if output.output_type == "error":
                found.append(f"{where} ends in {output.ename}: {output.evalue}")
            if output.get("name") == "stderr":
                found.append(
                    f"{where} writes to stderr, which strict nbval compares: "
                    f"{output.text.strip()[:200]!r}."
                )
            if "image/png" in output.get("data", {}) and len(alt_text(output)) < SHORTEST_ALT:
                found.append(
                    f"{where} has a picture without words; print a line that says in numbers what "
                    "it shows."
                )
            size = len(base64.b64decode(output.get("data", {}).get("image/png", "")))
            if size > PNG_LIMIT:
                found.append(
                    f"{where} has a picture of {size:,} bytes; draw it smaller than {PNG_LIMIT:,}."
                )
        texts = [cell.source, *(text for output in outputs for text in output_texts(output))]
        for path in filter(None, map(ABSOLUTE_PATH.search, texts)):
            found.append(f"{where} holds the absolute path {path[0]!r}..., which is nobody else's.")
    return found


def alt_text(output: NotebookNode) -> str:
    """Return the alternative text of an output's picture."""
    return output.metadata.get("image/png", {}).get("alt", "")


def output_texts(output: NotebookNode) -> list[str]:
    """Return every text of one output: the stream, or each text/* form of a display."""
    data = output.get("data", {})
    return [output.get("text", ""), *(data[kind] for kind in data if kind.startswith("text/"))]


# -------------------------------------------------------------------------------------------- files


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook, or report that the file is not one."""
    try:
        return nbformat.reads(path.read_text("utf-8"), as_version=4)
    except FileNotFoundError:
        raise LessonError(
            f"{path.name} has a file in wmlearn/course/lessons/ but is not in notebooks/."
        ) from None
    except NotJSONError:
        raise LessonError(f"{path.name} is not a notebook: it holds no JSON.") from None


def render(nb: NotebookNode) -> str:
    """Return the notebook as the text of its file."""
    return nbformat.writes(nb, version=nbformat.NO_CONVERT) + "\n"


def build(course: Course, lesson: Lesson, *, running: bool = True) -> bool:
    """Write the header, run, normalise; return whether the file changed.

    A lesson with a defect is not written. Without running, the outputs stay as they are.
    """
    path = course.path(lesson)
    nb = read_notebook(path)
    write_header(nb, course, lesson)
    tables.write_tables(nb, course.root)
    diagrams.write_cells(nb)
    try:
        if running:
            execute(nb)
    except (CellTimeoutError, DeadKernelError) as stopped:
        reason = str(stopped).strip().splitlines()[0]
        raise LessonError(f"{lesson.file} did not run to its end: {reason}") from None
    normalise(nb, course.root)
    if found := defects(nb, lesson.file):
        raise LessonError("\n".join(found))
    return write_if_changed(path, render(nb))


def check(course: Course, lesson: Lesson) -> list[str]:
    """Return one sentence for each respect in which this lesson differs from what `build` writes;
    run nothing.
    """
    path = course.path(lesson)
    try:
        nb = read_notebook(path)
    except LessonError as problem:
        return [str(problem)]
    found = defects(nb, lesson.file)
    wanted = copy.deepcopy(nb)
    write_header(wanted, course, lesson)
    if made_sources(nb) != made_sources(wanted):
        made = "map is not what the lessons' files say"
        if lesson is not START:
            made = f"header is not what {lesson.id}.toml says"
        return [*found, f"{lesson.file}: the {made}; run `make lessons`."]
    tables.write_tables(wanted, course.root)
    diagrams.write_cells(wanted)
    if [cell.source for cell in wanted.cells] != [cell.source for cell in nb.cells]:
        found.append(
            f"{lesson.file}: a table or diagram is not what it is made from; run `make lessons`."
        )
    normalise(wanted, course.root)
    if not found and render(wanted) != path.read_text("utf-8"):
        found.append(
            f"{lesson.file} is not in its normal form (counts, ids, metadata); run `make lessons`."
        )
    return found


def check_list(course: Course) -> list[str]:
    """Return one sentence for each notebook that no lesson's file names, and for each page whose
    generated part is out of date.
    """
    listed = {lesson.file for lesson in notebooks(course)}
    present = sorted(path.name for path in (course.root / "notebooks").glob("*.ipynb"))
    found = [
        f"{name} is in notebooks/ but no file of wmlearn/course/lessons/ names it."
        for name in present
        if name not in listed
    ]
    for path, made in {**pages(course), **diagrams.files(course.root)}.items():
        if not path.exists() or made != path.read_text("utf-8"):
            found.append(f"{path.name}: what is made from other files is old; run `make lessons`.")
    return found


def pages(course: Course) -> dict[Path, str]:
    """Return the up-to-date text of each page that has a generated part."""
    makers = {
        "README.md": with_readme,
        "docs/lessons.md": with_table,
        "docs/teaching.md": with_guide,
        "docs/results.md": with_results,
        "docs/howto/class.md": with_class,
    }
    paths = {course.root / name: make for name, make in makers.items()}
    return {path: make(path.read_text("utf-8"), course) for path, make in paths.items()}


def write_if_changed(path: Path, text: str) -> bool:
    """Write the text unless the file holds it already; return whether it was written."""
    if path.exists() and path.read_text("utf-8") == text:
        return False
    path.write_text(text, "utf-8", newline="\n")
    return True


def notebooks(course: Course) -> tuple[Lesson, ...]:
    """Return the lessons and the front page."""
    return (*course.lessons, START)


def chosen(course: Course, only: str | None) -> tuple[Lesson, ...]:
    """Return all lessons and the front page, or the one asked for."""
    found = tuple(lesson for lesson in notebooks(course) if only in (None, lesson.id))
    if only is not None and not found:
        raise LessonError(
            f"There is no lesson {only!r}; there are {', '.join(x.id for x in notebooks(course))}."
        )
    return found


def run(course: Course, lessons: tuple[Lesson, ...], *, running: bool) -> None:
    """Build each lesson and report the result, then bring the pages up to date."""
    for lesson in lessons:
        start = time.perf_counter()
        changed = build(course, lesson, running=running)
        print(
            f"{lesson.file}: {'written' if changed else 'unchanged'}, "
            f"{time.perf_counter() - start:.1f} s"
        )
    for path, made in {**pages(course), **diagrams.files(course.root)}.items():
        write_if_changed(path, made)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="run nothing: list what is not as it should be"
    )
    parser.add_argument(
        "--headers", action="store_true", help="run nothing: write what is made from other files"
    )
    parser.add_argument("--only", metavar="ID", help="one lesson, by its id, or start")
    options = parser.parse_args(arguments)
    try:
        course = read_course(root)
        lessons = chosen(course, options.only)
        if options.check:
            found = [
                sentence for lesson in lessons for sentence in check(course, lesson)
            ] + check_list(course)
            print("\n".join(found) or f"{len(lessons)} notebooks are as they should be.")
            return int(bool(found))
        run(course, lessons, running=not options.headers)
    except LessonError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
