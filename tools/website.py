"""Build the site: the lessons with live labs, the pages, every public name, as plain files.

    python tools/website.py [FOLDER]     build/site, if left out; `make site` installs what it needs

The pages are Sphinx's, from a copy of notebooks and docs in which links lead where they lead in the
repository. Where a lesson shows a lab, its page is recorded by running the lesson (`lab.to_html`);
recordings are kept in build/labs as long as lesson and package stay as they are. Nothing on the
site is fetched from elsewhere.
"""

from __future__ import annotations

import html
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import lite
import nbformat
import slides
from course import HEADER, SETUP, START, Lesson, read_course, tags
from plots import results_page
from recordings import LABS, Labs
from slides import PREDICTION

import wmlearn as wm

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).with_name("sphinx")
DOORS = ("", "data", "triggers", "training", "watermarks", "theft", "service", "evidence", "course")
PAGES = ("CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "CHANGELOG.md")
PAGES += ("LICENSE", "CITATION.cff")
FRAME = """<iframe class="wm-live" src="{root}_static/labs/{file}" title="{title}, live"
loading="lazy" onload="this.style.height =
this.contentDocument.documentElement.scrollHeight + 24 + 'px'"></iframe>
<p><a href="{root}_static/labs/{file}">This lab on a page of its own</a></p>"""

LABS_PAGE = """# Labs

Each lab of the lessons as a page of its own: live on a telephone, too, and nothing is installed.
How to put one into a course on a learning platform: [there](docs/howto/platforms.md). In the lines
below, write the address of this site in place of ADDRESS."""
EMBED = """<iframe src="ADDRESS/{address}" title="{title}"
        width="100%" height="660" style="border: 0" sandbox="allow-scripts"></iframe>"""

# ---------------------------------------------------------------- the copy that Sphinx reads


def assemble(source: Path, labs: Path) -> None:
    """Copy notebooks, docs and README to where Sphinx reads them."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source / "docs")
    shutil.copytree(HERE, source, dirs_exist_ok=True)
    (source / "notebooks").mkdir()
    lessons = read_course(ROOT).lessons
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        lesson = next((each for each in lessons if each.file == path.name), START)
        nb = prepared(nbformat.read(path, 4), Labs(path, labs), lesson)
        nbformat.write(nb, source / "notebooks" / path.name)
    shutil.copytree(labs, source / "_static" / "labs", ignore=shutil.ignore_patterns("*.stamp"))
    (source / "index.md").write_text(front_page(), "utf-8")
    (source / "labs.md").write_text(labs_page(labs), "utf-8")
    (source / "docs" / "results.md").write_text(results_page(source / "docs"), "utf-8")
    api(source / "api")
    for name in PAGES:
        shutil.copy(ROOT / name, source)


def prepared(nb: nbformat.NotebookNode, labs: Labs, lesson: Lesson) -> nbformat.NotebookNode:
    """Return a lesson for the site: without the cell for Colab, with live labs in place of their
    pictures, with predictions to click on, and with a link to its slides.
    """
    whole = not lite.needs(nb, lesson)
    nb.cells = [cell for cell in nb.cells if SETUP not in tags(cell)]
    for cell in nb.cells:
        cell.source = in_words(cell.source)
        if HEADER in tags(cell) and lesson is not START:
            cell.source += elsewhere(lesson, whole)
        page = labs.next(cell)
        if "outputs" in cell:
            shown = [for_site(output, cell, page, lesson) for output in cell.outputs]
            cell.outputs = list(filter(None, shown))
    return nb


def elsewhere(lesson: Lesson, whole: bool) -> str:
    """Return links to the slides of a lesson and, if all of it runs in a browser, to there."""
    slides_of = f'<a href="../slides/{lesson.id}.html">Slides of this lesson</a>'
    if not whole:
        return f" | {slides_of}"
    runs = f'<a href="../lite/lab/index.html?path={lesson.file}">Run it in this browser</a>'
    return f" | {slides_of} | {runs}"


def for_site(
    output: nbformat.NotebookNode, cell: nbformat.NotebookNode, page: Path | None, lesson: Lesson
) -> nbformat.NotebookNode | None:
    """Return an output as the site shows it; None of what only a notebook needs."""
    data = output.get("data", {})
    plain, markup = data.get("text/plain", ""), data.get("text/html", "")
    lab, asked = re.match(LABS, plain), PREDICTION.search(cell.source)
    if "wm-reopened" in markup:
        return None
    if markup:
        data["text/html"] = re.sub(r"(href=.\w+)\.ipynb", r"\1.html", markup)
    elif lab and page is not None:
        output.data = {"text/html": FRAME.format(root="../", file=page.name, title=lab[1])}
    elif asked and plain:
        output.data = {"text/html": prediction(lesson, *asked.groups())}
    return output


def prediction(lesson: Lesson, name: str, compared: str | None) -> str:
    """Return a prediction to click on, or what became of it, folded."""
    (asked,) = (each for each in lesson.predictions if each.id == name)
    question = html.escape(asked.question)
    if compared:
        right, why = html.escape(asked.options[asked.answer]), html.escape(asked.why)
        return (
            f"<details class='wm-guess'><summary>What was seen: {question}</summary>"
            f"<p><b>{right}</b></p><p>{why}</p></details>"
        )
    options = [
        f"<label><input type='radio' name='{name}'> {html.escape(option)}</label>"
        for option in asked.options
    ]
    rows = "".join(options)
    return f"<fieldset class='wm-guess'><legend>{question}</legend>{rows}</fieldset>"


def in_words(text: str) -> str:
    """Return text whose buttons are links in words: their pictures are on other servers."""
    return re.sub(r"\[!\[([^\]]+)\]\(https://[^)]+\)\](?=\()", r"[\1]", text)


def front_page() -> str:
    """Return README as the front page, with the contents of the site."""
    text = (ROOT / "README.md").read_text("utf-8")
    return in_words(text) + (HERE / "contents.md").read_text("utf-8")


def labs_page(labs: Path) -> str:
    """Return the page that lists the recorded labs, each with the lines that embed it."""
    names = {lesson.id: lesson for lesson in read_course(ROOT).lessons}
    parts = [LABS_PAGE]
    for page in sorted(labs.glob("*.html")):
        lesson = names[page.stem[:2]]
        link = f"[{lesson.name}](notebooks/{lesson.file})"
        address, size = f"_static/labs/{page.name}", page.stat().st_size / 1000
        title = title_of(page)
        lines = EMBED.format(address=address, title=title)
        parts.append(
            f"## {title}\n\nFrom {link}: "
            f'<a href="{address}">open the lab</a>, {size:.0f} kB.\n\n```html\n{lines}\n```'
        )
    return "\n\n".join(parts) + "\n"


def title_of(page: Path) -> str:
    """Return the title of a page."""
    return re.search(r"<title>(.*?)</title>", page.read_text("utf-8"))[1]


# ---------------------------------------------------------------- every public name


def api(folder: Path) -> None:
    """Write a page for each door of the package: its names, what they are, where they are used."""
    folder.mkdir()
    lessons = read_course(ROOT).lessons
    cells = {
        lesson.id: "\n".join(
            cell.source
            for cell in nbformat.read(ROOT / "notebooks" / lesson.file, 4).cells
            if cell.cell_type == "code"
        )
        for lesson in lessons
    }
    for door in DOORS:
        full = f"wmlearn.{door}".rstrip(".")
        module = importlib.import_module(full)
        alias = f"wm.{door}".rstrip(".")
        parts = [f"# {alias}", inspect.getdoc(module).partition("\n\n")[0]]
        for name in sorted(module.__all__, key=str.lower):
            value = getattr(module, name)
            if inspect.ismodule(value):
                continue
            written = re.compile(rf"\b{re.escape(alias)}\.{name}\b")
            taught = [lesson for lesson in lessons if written.search(cells[lesson.id])]
            links = ", ".join(f"[{each.id}](../notebooks/{each.file})" for each in taught)
            parts.append(f"## {alias}.{name}")
            if links:
                parts.append(f"Used in lesson {links}.")
            kind = "autoclass" if inspect.isclass(value) else "autofunction"
            kind = kind if callable(value) else "autodata"
            once = "\n   :no-index:" if door and name in wm.__all__ else ""
            once += "" if callable(value) else "\n   :no-value:"
            parts.append(f"```{{eval-rst}}\n.. {kind}:: {full}.{name}{once}\n```")
        (folder / f"{door or 'wm'}.md").write_text("\n\n".join(parts) + "\n", "utf-8")


def main(arguments: list[str]) -> int:
    """Build the site."""
    folder = Path(arguments[0] if arguments else ROOT / "build" / "site").resolve()
    source = ROOT / "build" / "site-source"
    assemble(source, ROOT / "build" / "labs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run([*command, str(source), str(folder)])
    slides.write(folder / "slides", ROOT / "build" / "labs")
    lite.build(read_course(ROOT), folder / "lite", pyodide="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
