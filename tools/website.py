"""Build the site: the lessons with live labs, the pages, every public name, as plain files.

    python tools/website.py [FOLDER]     build/site, if left out; `make site` installs what it needs

The pages are Sphinx's, from a copy of notebooks and docs in which links lead where they lead in the
repository. Where a lesson shows a lab, its page is recorded by running the lesson (`lab.to_html`);
recordings are kept in build/labs as long as lesson and package stay as they are. Nothing on the
site is fetched from elsewhere.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from course import SETUP, read_course, tags
from nbclient import NotebookClient

import wmlearn as wm

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).with_name("sphinx")
DOORS = ("", "data", "triggers", "training", "watermarks", "theft", "service", "evidence", "course")
LABS = r"(VerificationLab|TheftLab|EmbeddingLab|TriggerStudio|LotteryLab|TribunalBoard):"
# Runs before a lesson: every lab that is displayed and can be recorded is.
RECORDER = """
from pathlib import Path
from wmlearn.labs._kit.lab import Lab
shown = Lab._ipython_display_
recorded = []
def display_and_record(lab):
    shown(lab)
    recorded.append(lab)
    try:
        lab.to_html(Path({folder!r}, f"{name}-{{len(recorded)}}.html"), title={title!r})
    except TypeError as error:
        print(error)
Lab._ipython_display_ = display_and_record
"""
FRAME = """<iframe class="wm-live" src="{root}_static/labs/{file}" title="{title}, live"
loading="lazy" onload="this.style.height =
this.contentDocument.documentElement.scrollHeight + 24 + 'px'"></iframe>
<p><a href="{root}_static/labs/{file}">This lab on a page of its own</a></p>"""


# ---------------------------------------------------------------- labs


def fingerprint(lesson: Path) -> str:
    """Return what a recording depends on: the lesson and the whole package."""
    digest = hashlib.sha256(lesson.read_bytes())
    for path in sorted((ROOT / "wmlearn").rglob("*")):
        if path.suffix in (".py", ".css", ".js", ".toml"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def record(lesson: Path, folder: Path) -> list[Path]:
    """Return the pages of a lesson's labs, recorded unless they are known."""
    stamp, name = folder / f"{lesson.stem}.stamp", lesson.stem[:2]
    wanted = fingerprint(lesson)
    if not stamp.exists() or stamp.read_text() != wanted:
        nb = nbformat.read(lesson, 4)
        if any(re.match(LABS, words) for cell in nb.cells for words in texts(cell)):
            folder.mkdir(parents=True, exist_ok=True)
            run = copy.deepcopy(nb)
            title = f"Lesson {name}"
            first = RECORDER.format(folder=str(folder), name=name, title=title)
            run.cells.insert(0, nbformat.v4.new_code_cell(first))
            where = {"metadata": {"path": str(lesson.parent)}}
            NotebookClient(run, timeout=1200, resources=where, allow_errors=False).execute()
            stamp.write_text(wanted)
    return sorted(folder.glob(f"{name}-*.html"))


def texts(cell: nbformat.NotebookNode) -> Iterator[str]:
    """Yield the outputs of a cell, in words."""
    for output in cell.get("outputs", []):
        yield "".join(output.get("data", {}).get("text/plain", ""))


# ---------------------------------------------------------------- the copy that Sphinx reads


def assemble(source: Path, labs: Path) -> None:
    """Copy notebooks, docs and README to where Sphinx reads them."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source / "docs")
    shutil.copytree(HERE, source, dirs_exist_ok=True)
    (source / "notebooks").mkdir()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        pages = record(path, labs)
        nbformat.write(prepared(nbformat.read(path, 4), pages), source / "notebooks" / path.name)
    shutil.copytree(labs, source / "_static" / "labs", ignore=shutil.ignore_patterns("*.stamp"))
    (source / "index.md").write_text(front_page(), "utf-8")
    api(source / "api")
    for name in ("LICENSE", "CITATION.cff", "CONTRIBUTING.md", "CHANGELOG.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)


def prepared(nb: nbformat.NotebookNode, pages: list[Path]) -> nbformat.NotebookNode:
    """Return a lesson for the site: without the cell for Colab, with live labs after their
    pictures.
    """
    nb.cells = [cell for cell in nb.cells if SETUP not in tags(cell)]
    for cell in nb.cells:
        cell.source = in_words(cell.source)
    waiting = iter(pages)
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            found = re.match(LABS, "".join(output.get("data", {}).get("text/plain", "")))
            page = next(waiting, None) if found else None
            if page is not None:
                live = FRAME.format(root="../", file=page.name, title=found[1])
                output["data"] = {"text/html": live}
    return nb


def in_words(text: str) -> str:
    """Return text whose buttons are links in words: their pictures are on other servers."""
    return re.sub(r"\[!\[([^\]]+)\]\(https://[^)]+\)\](?=\()", r"[\1]", text)


def front_page() -> str:
    """Return README as the front page, with the contents of the site."""
    text = (ROOT / "README.md").read_text("utf-8")
    return in_words(text) + (HERE / "contents.md").read_text("utf-8")


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
    return subprocess.run([*command, str(source), str(folder)]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
