"""Make header cells, links and the map of the course from the lessons' files
(`wmlearn/course/lessons/NN.toml`), and from them the page of lessons, the lessons' part of the
teacher's guide, and README's hours, buttons and first commands; the page of results, and what the
page about classes says of address and measurements, from the files in `docs/results`.
"""

from __future__ import annotations

import ast
import csv
import itertools
import json
import re
import sys
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from wmlearn.course._lessons import RULES, Exercise, Lesson, read_lesson

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# The tags, and the ids, of the cells made here; the map is on the front page alone.
HEADER, SETUP, MAP = "wm-header", "wm-setup", "wm-map"

# Made notebooks, with such links, when they are copied for the learner (`wmlearn.course.copies`).
REFERENCE = (
    "Words: [the glossary](../docs/glossary.md) | figures: [the results, and the command behind "
    "each](../docs/results.md)"
)

# What Google Colab has installed, of the packages this project may ever ask for
# (googlecolab/backend-info, pip freeze of June 2026). These are never installed over: an upgraded
# numpy or ipywidgets breaks the running session.
COLAB_SHIPS = {
    "filelock",
    "httpx",
    "ipywidgets",
    "joblib",
    "lazy-loader",
    "matplotlib",
    "numpy",
    "pandas",
    "pillow",
    "platformdirs",
    "safetensors",
    "scikit-learn",
    "scipy",
    "seaborn",
    "starlette",
    "torch",
    "torchvision",
    "tqdm",
    "uvicorn",
    "tomli",  # as tomllib
}
COLAB_SETUP = """\
# Only for Google Colab; anywhere else this cell does nothing.
import os, subprocess, sys

if "google.colab" in sys.modules:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread, as everywhere in this course
    wanted = {wanted}
    # --no-deps: what Colab brings along stays as it is.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *wanted]
    done = subprocess.run(pip, stderr=subprocess.PIPE, text=True)
    sentence = {failed} + done.stderr.strip()[-200:]
    if done.returncode:  # an error that shows the sentence alone
        raise type("NotInstalled", (Exception,), {{"_render_traceback_": lambda self: [sentence]}})"""  # noqa: E501 - a cell

FAILED = (
    "wmlearn could not be installed. Open {address} in a new tab. If a file is downloaded, run "
    "this cell again. If not, this copy of the lesson has moved, or is not public: ask whoever "
    "gave it to you for its new address. The last words of pip: "
)

START_COMMANDS = """\
```sh
git clone https://github.com/{}
cd {}
make lab      # installs into .venv, says first how much, and opens the course in JupyterLab
make check    # says whether this machine has all that the lessons need
make test     # checks style and types, runs every test and every lesson once
```"""

# The front page, a notebook without a file among the lessons': it has no lesson.
START = Lesson(
    id="start",
    title="Start here",
    file="start.ipynb",
    reading=0,
    working=0,
    core=False,
    objectives=(),
    prerequisites=(),
    exercises=(),
)


# What the page about classes shows of docs/results/classroom.csv, and in which words.
SHOWN = (
    ("packages", "wheels", "to download"),
    ("packages", "disk", "packages on disk"),
    ("JupyterLab", "memory, private", "JupyterLab's server: private memory"),
    *(
        (f"lesson {lesson}", figure, f"lesson {lesson}, run to its end: {words}")
        for lesson in ("00", "07", "09")
        for figure, words in (
            ("peak memory, resident", "peak of resident memory"),
            ("peak memory, private", "peak of private memory"),
            ("seconds, one core", "seconds of one core"),
        )
    ),
    ("lesson 00", "to slider, one core", "lesson 00, until its first slider moves: the same"),
    (
        "lesson 01",
        "times fair share, one thread",
        "lesson 01 beside two busy processes, on one thread: times its fair share of seconds",
    ),
    ("lesson 01", "times fair share, torch's default", "the same on torch's default of threads"),
)


class LessonError(Exception):
    """One sentence that says what is wrong with a lesson, or with the list of lessons."""


@dataclass(frozen=True)
class Course:
    """The lessons, and what their headers need to know of the project."""

    root: Path
    lessons: tuple[Lesson, ...]
    repository: str  # "owner/name" on GitHub
    ref: str  # the tag or branch to which badges and the cell for Colab lead
    dependencies: tuple[str, ...]

    def path(self, lesson: Lesson) -> Path:
        return self.root / "notebooks" / lesson.file


def read_course(root: Path) -> Course:
    """Read the lessons' files and pyproject.toml under root."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    address = project["urls"]["Repository"]
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", address)
    if not found:
        raise LessonError(
            "[project.urls] Repository must be https://github.com/OWNER/NAME, for Binder and "
            f"Colab; got {address!r}."
        )
    paths = sorted((root / "wmlearn" / "course" / "lessons").glob("??.toml"))
    try:
        lessons = tuple(map(read_lesson, paths))
    except OSError as error:
        cause = error.__context__ or ""  # which key is missing, say
        raise LessonError(f"{error} {cause}".strip()) from None
    ref = ref_of(project.get("version", ""))
    return Course(root, lessons, found[1], ref, tuple(needs_of_lessons(project)))


def ref_of(version: str) -> str:
    """Return the tag of a released version, so that a class in session sees no change; main for any
    other, such as 1.2.dev0.
    """
    return f"v{version}" if re.fullmatch(r"[\d.]+", version) else "main"


def needs_of_lessons(project: dict[str, Any]) -> list[str]:
    """Return what a lesson imports, by pyproject.toml: all of [lab] but JupyterLab itself."""
    extras = project.get("optional-dependencies", {})
    more = [extras.get(name, []) for name in ("widgets", "train", "serve")]
    return sum(more, list(project["dependencies"]))


def header(course: Course, lesson: Lesson) -> str:
    """Return the first cell: title, both times, objectives, prerequisites, badges, where to go
    next; of the front page where to begin.
    """
    if lesson is START:
        first = course.lessons[0]
        return (
            f"# {START.title}\n\nClick on a lesson to open it. Each leads to the next, and back to "
            f"this page. New here? {link(first)} takes {first.working} minutes, with exercises."
        )
    titles = {other.id: link(other) for other in course.lessons}
    before = ", ".join(titles.get(item, item) for item in lesson.prerequisites) or "nothing"
    path = "core path" if lesson.core else "side door"
    objectives = "\n".join(f"- {objective}" for objective in lesson.objectives)
    return "\n\n".join(
        [
            f"# {lesson.name}",
            f"{lesson.reading} minutes to read, {lesson.working} with exercises and labs · {path} "
            f"· before this: {before}",
            f"In this lesson you will\n\n{objectives}",
            badges(course, lesson),
            neighbours(course, lesson),
            REFERENCE,
        ]
    )


def course_map(course: Course) -> str:
    """Return the map: how long the core path is, a row per lesson, and this page elsewhere."""
    core = [lesson for lesson in course.lessons if lesson.core]
    hours = round(sum(lesson.working for lesson in core) / 60)
    rows = ["| Lesson | To read | With exercises |", "| :-- | --: | --: |"]
    for lesson in course.lessons:
        door = "" if lesson.core else "↳ side door "
        minutes = f"{lesson.reading} min | {lesson.working} min"
        rows.append(f"| {door}{link(lesson)} | {minutes} |")
    return "\n\n".join(
        [
            f"The core path has {len(core)} lessons: about {hours} hours with exercises. A side "
            "door opens from the core lesson above it, and may be left out.",
            "\n".join(rows),
            REFERENCE,
            badges(course, START),
        ]
    )


def badges(course: Course, lesson: Lesson) -> str:
    """Return the three links that open this lesson elsewhere."""
    here, file = course.repository, f"notebooks/{lesson.file}"
    places = {
        "Open in Binder": (
            "https://mybinder.org/badge_logo.svg",
            f"https://mybinder.org/v2/gh/{here}/{course.ref}?urlpath=lab/tree/{file}",
        ),
        "Open in Google Colab": (
            "https://colab.research.google.com/assets/colab-badge.svg",
            f"https://colab.research.google.com/github/{here}/blob/{course.ref}/{file}",
        ),
        "View on GitHub": (
            "https://img.shields.io/badge/view%20on-GitHub-24292f?logo=github",
            f"https://github.com/{here}/blob/{course.ref}/{file}",
        ),
    }
    return "\n".join(f"[![{words}]({image})]({link})" for words, (image, link) in places.items())


def neighbours(course: Course, lesson: Lesson) -> str:
    """Return the links along the core path, to the side doors that open here, and to the map."""
    place = course.lessons.index(lesson)
    before = [other for other in course.lessons[:place] if other.core]
    rest = course.lessons[place + 1 :]
    after = [other for other in rest if other.core]
    doors = [link(other) for other in itertools.takewhile(lambda other: not other.core, rest)]
    onward = "next" if lesson.core else "back to the core path"
    links = [f"← {link(other)}" for other in before[-1:]]
    links += [f"{onward}: {link(other)} →" for other in after[:1]]
    links += [f"side door{'s' * (len(doors) > 1)}: {', '.join(doors)}"] if doors else []
    return " | ".join([*links, f"[map of the course]({START.file})"])


def link(lesson: Lesson) -> str:
    """Return a Markdown link to a lesson in the same folder."""
    return f"[{lesson.name}]({lesson.file})"


def colab_setup(course: Course) -> str:
    """Return the second cell, which installs wmlearn and its missing requirements on Colab, and
    does nothing elsewhere.
    """
    missing = [
        requirement
        for requirement in course.dependencies
        if package_name(requirement) not in COLAB_SHIPS
    ]
    address = archive(course)
    wanted = json.dumps([f"wmlearn @ {address}", *missing])
    return COLAB_SETUP.format(wanted=wanted, failed=json.dumps(FAILED.format(address=address)))


def archive(course: Course) -> str:
    """Return the address from which pip can install the package."""
    kind = "heads" if course.ref == "main" else "tags"
    return f"https://github.com/{course.repository}/archive/refs/{kind}/{course.ref}.zip"


def package_name(requirement: str) -> str:
    """Return the package that a requirement asks for, in the registry's spelling: 'lazy_loader>=1'
    is lazy-loader.
    """
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0] if name else requirement).lower()


def write_header(nb: NotebookNode, course: Course, lesson: Lesson) -> None:
    """Put the two made cells at the head of the notebook, in place of older ones; fill the map."""
    own = [cell for cell in nb.cells if not {HEADER, SETUP} & tags(cell)]
    title = new_markdown_cell(header(course, lesson), metadata={"tags": [HEADER]})
    setup = new_code_cell(
        colab_setup(course), metadata={"tags": [SETUP], "jupyter": {"source_hidden": True}}
    )
    for cell in own:
        if MAP in tags(cell):
            cell.source = course_map(course)
    nb.cells = [title, setup, *own]


def made_sources(nb: NotebookNode) -> list[str]:
    """Return the sources of the cells that are made here: they are the first two, and the map."""
    return [cell.source for cell in nb.cells[:2] + [x for x in nb.cells if MAP in tags(x)]]


def tags(cell: NotebookNode) -> set[str]:
    """Return the tags of a cell."""
    return set(cell.metadata.get("tags", []))


def with_readme(text: str, course: Course) -> str:
    """Return README with what follows from lessons and address: hours, buttons, first commands."""
    core = sum(lesson.working for lesson in course.lessons if lesson.core)
    whole = sum(lesson.working for lesson in course.lessons)
    hours = (
        f"The core path of the {len(course.lessons)} lessons takes about {round(core / 60)} hours "
        f"with exercises, all of them about {round(whole / 60)}."
    )
    commands = START_COMMANDS.format(course.repository, course.repository.partition("/")[2])
    made = {"hours": hours, "launch": badges(course, START), "start": commands}
    for name, part in made.items():
        text = filled(text, name, part)
    return text


def with_table(text: str, course: Course) -> str:
    """Return the page of lessons with its table."""
    rows = ["| Lesson | Reading | With exercises | Path | You will |", "|---|--:|--:|---|---|"]
    for lesson in course.lessons:
        cells = [f"[{lesson.name}](../notebooks/{lesson.file})"]
        cells += [f"{lesson.reading} min", f"{lesson.working} min"]
        cells += ["core" if lesson.core else "side door", "; ".join(lesson.objectives)]
        rows.append(f"| {' | '.join(cells)} |")
    return filled(text, "lessons", "\n".join(rows))


def with_guide(text: str, course: Course) -> str:
    """Return the teacher's guide with the lessons' part in its place."""
    return filled(text, "lessons", "\n\n".join(map(teachers_notes, course.lessons)))


def with_class(text: str, course: Course) -> str:
    """Return the page about classes with what follows from the address, and what was measured."""
    package = f'"wmlearn[lab] @ {archive(course)}"'
    folder = course.repository.partition("/")[2]
    pulled = {
        "repo": f"https://github.com/{course.repository}",
        "branch": course.ref,
        "urlpath": f"lab/tree/{folder}/notebooks/{START.file}",
    }
    link = f"https://HUB/hub/user-redirect/git-pull?{urllib.parse.urlencode(pulled)}"
    index = "--index-url https://download.pytorch.org/whl/cpu"
    one_line = [f"uvx --from {package} wmlearn lab", f"pipx run --spec {package} wmlearn lab"]
    install = [f"sudo -E pip install torch torchvision {index}", f"sudo -E pip install {package}"]
    text = filled(text, "one_line", "\n".join(["```sh", *one_line, "```"]))
    text = filled(text, "hub_install", "\n   ".join(["```sh", *install, "```"]), indent="   ")
    text = filled(text, "hub_link", "\n   ".join(["```", link, "```"]), indent="   ")
    return filled(text, "classroom", classroom(course.root))


def classroom(root: Path) -> str:
    """Return the table of what a learner needs, a column per build of PyTorch."""
    path = root / "docs" / "results" / "classroom.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if line[0] != "#"))
    builds = sorted({row["torch"] for row in rows}, key=lambda build: not build.endswith("+cpu"))
    cells = {(row["what"], row["figure"], row["torch"]): row for row in rows}
    head = [f"PyTorch {build}" for build in builds]
    lines = [f"| | {' | '.join(head)} |", f"|---|{'--:|' * len(builds)}"]
    for what, figure, words in SHOWN:
        found = [cells.get((what, figure, build)) for build in builds]
        shown = [f"{row['value']} {row['unit']}".strip() if row else "" for row in found]
        lines.append(f"| {words} | {' | '.join(shown)} |")
    return "\n".join(lines)


def with_results(text: str, course: Course) -> str:
    """Return the page of results, with one row per file: its name, what was measured, the
    command.
    """
    rows = ["| file | what was measured | command |", "| --- | --- | --- |"]
    for path in sorted(course.root.glob("docs/results/*.csv")):
        command = path.read_text("utf-8").partition("\n")[0].lstrip("# ")
        script = course.root / re.findall(r"\S+\.py", command)[0]
        measured = first_paragraph(script).replace("|", "\\|")
        rows.append(f"| [{path.name}](results/{path.name}) | {measured} | `{command}` |")
    return filled(text, "results", "\n".join(rows))


def first_paragraph(script: Path) -> str:
    """Return the first paragraph of a script's docstring, on one line."""
    words = ast.get_docstring(ast.parse(script.read_text("utf-8"))) or ""
    return " ".join(words.partition("\n\n")[0].split())


def filled(text: str, name: str, made: str, indent: str = "") -> str:
    """Return the text with the new content between the two markers of a name; unchanged if there
    are no markers.
    """
    new = f"<!-- {name} -->\n\n{indent}{made}\n\n{indent}<!-- /{name} -->"
    return re.sub(f"<!-- {name} -->.*?<!-- /{name} -->", lambda _: new, text, flags=re.DOTALL)


def teachers_notes(lesson: Lesson) -> str:
    """Return what a teacher should know about a lesson: minutes, notes, typical wrong answers."""
    parts = [f"## Lesson {lesson.name}", minutes(lesson), lesson.teacher.strip()]
    wrong = []
    for exercise in lesson.exercises:
        if exercise.mistakes:
            name = f"{exercise.id}{', to be built' if is_built(exercise) else ''}"
            wrong.append(f"- {name}: {' '.join(wrong_answers(exercise))}")
    if wrong:
        parts += ["**Typical wrong answers**, and what the learner is told:", "\n".join(wrong)]
    return "\n\n".join(filter(None, parts))


def minutes(lesson: Lesson) -> str:
    """Return how long a lesson takes, in a sentence."""
    return (
        f"**Minutes.** {lesson.reading} to read and run; {lesson.working} with exercises and labs."
    )


def is_built(exercise: Exercise) -> bool:
    """Return whether an exercise asks for something to be built."""
    return "built" in exercise.right[0]


def wrong_answers(exercise: Exercise) -> list[str]:
    """Return each typical wrong answer to an exercise, with what the learner is told."""
    return [f"*{words(each['answer'])}*: {each['hint']}" for each in exercise.mistakes]


def words(meant: dict[str, Any]) -> str:
    """Return an expected answer in words: "3", "below 4"."""
    ((rule, value),) = [each for each in meant.items() if each[0] in RULES]
    return f"{value}" if rule in ("number", "word", "built") else f"{rule} {value}"
