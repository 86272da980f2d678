"""Build the course for a browser: JupyterLite, with the light core and Pyodide as the kernel.

    python tools/lite.py [FOLDER]          build/lite, if left out; `make lite` installs what it
                                           needs
    python tools/lite.py --pyodide WHERE   with an unpacked Pyodide that comes along, or from the
                                           address of one
    python tools/lite.py --cells           run every lesson without what a browser lacks, and note
                                           which cells fail for that: tools/lite.json

The site brings wmlearn and what it depends on in pure Python; compiled packages come from Pyodide's
own distribution. Models stay behind: no browser has torch, and their answers to the questions of
lessons 07, 08 and A1 stand in for them. Above each cell that needs an installed course a sentence
says so.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib.metadata
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from course import HEADER, MAP, SETUP, START, Course, Lesson, package_name, read_course, tags
from lessons import read_notebook, render
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from packaging.requirements import Requirement

from wmlearn.course.copies import copy_lessons

ROOT = Path(__file__).resolve().parents[1]
CELLS = Path(__file__).with_suffix(".json")
LACKS = re.compile(r"needs the package (\w+)|No module named '(\w+)")
ABOVE = "above"  # in the table: a cell that fails because one above it has

# What the light core's wheel leaves out for a browser: models, and what `wmlearn lab` copies.
LEFT_OUT = re.compile(r"\.safetensors$|^wmlearn/(_notebooks|docs)/")
# JupyterLite's kernel brings these itself.
OF_THE_KERNEL = {"ipython", "ipykernel", "traitlets", "widgetsnbextension"}

BLOCK = f"""import sys
sys.path.insert(0, {str(ROOT / "tools")!r})
import as_in_browser
as_in_browser.block()
del sys.path[0]"""
SETUP_CELL = """\
# Installs wmlearn in this browser: run it first, each time the kernel has started.
%pip install --quiet wmlearn=={version} ipywidgets cryptography"""
WHOLE = (
    "> **In the browser:** every cell of this lesson runs here. Models are stood in for by their "
    "answers to the questions of this lesson; other questions need an [installed course]({url})."
)
IN_PART = (
    "> **In the browser:** of the {cells} cells of code below, {here} run here. The others need an "
    "[installed course]({url}); each is marked."
)
NEEDS = "> **Needs an installed course.** This cell uses `{package}`, which no browser has."
GOES_ON = "> **Needs an installed course.** This cell goes on from one above that does."


# ---------------------------------------------------------------- which cells need more


def lacking(nb: NotebookNode) -> dict[str, str]:
    """Return the package that each failing cell of a notebook lacks, by the id of the cell.

    The notebook runs in a kernel without what a browser lacks.
    """
    ran = nbformat.from_dict({**nb, "cells": [new_code_cell(BLOCK), *nb.cells]})
    with tempfile.TemporaryDirectory() as empty:
        resources = {"metadata": {"path": empty}}
        NotebookClient(ran, timeout=300, allow_errors=True, resources=resources).execute()
    found = {}
    for cell in ran.cells:
        for output in cell.get("outputs", []):
            said = output.get("evalue", output.get("data", {}).get("text/plain", ""))
            if output.output_type == "error" or LACKS.search(
                said
            ):  # a check tells it as its answer
                found[cell.id] = lacks(said)
    return found


def lacks(said: str) -> str:
    """Return the package whose absence an error names; of any other, that it comes from above."""
    named = LACKS.search(said)
    return next(filter(None, named.groups())) if named else ABOVE


def write_cells(course: Course) -> None:
    """Write the table of the cells that need an installed course."""
    table = {}
    for lesson in course.lessons:
        nb = read_notebook(course.path(lesson))
        found = lacking(nb)
        table[lesson.id] = {"code": digest(nb), "lacking": found}
        print(f"{lesson.name}: {len(found)} cells need an installed course", flush=True)
    CELLS.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


def read_cells() -> dict[str, dict[str, Any]]:
    """Return, by lesson, the digest of its code and the package that each cell lacks."""
    return json.loads(CELLS.read_text("utf-8"))


def digest(nb: NotebookNode) -> str:
    """Return the SHA-256 of a lesson's code, for which alone its part of the table holds."""
    code = [(cell.id, cell.source) for cell in code_cells(nb)]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


def code_cells(nb: NotebookNode) -> list[NotebookNode]:
    """Return the cells of code but the one that installs."""
    return [cell for cell in nb.cells if cell.cell_type == "code" and SETUP not in tags(cell)]


def needs(nb: NotebookNode, lesson: Lesson) -> dict[str, str]:
    """Return the package that each cell of a lesson lacks, by the id of the cell.

    The table says so; a lesson whose code has changed since is run.
    """
    if lesson is START:
        return {}
    noted = read_cells().get(lesson.id, {"code": ""})
    if noted["code"] != digest(nb):
        print(f"{lesson.name} has changed: run `python tools/lite.py --cells`, and commit that.")
        return lacking(nb)
    return noted["lacking"]


# ---------------------------------------------------------------- the edition for a browser


def for_browsers(nb: NotebookNode, lesson: Lesson, course: Course) -> None:
    """Have a lesson install wmlearn in a browser, and mark what cannot run there, in place."""
    url = f"https://github.com/{course.repository}#readme"
    lacking, code = needs(nb, lesson), code_cells(nb)
    summary = WHOLE.format(url=url)
    if lacking:
        here = len(code) - len(lacking)
        summary = IN_PART.format(url=url, cells=len(code), here=here)
    cells: list[NotebookNode] = []
    for cell in nb.cells:
        if cell.id in lacking:
            cells.append(mark(cell.id, lacking[cell.id]))
        cells.append(cell)
        if {HEADER, MAP} & tags(cell):  # its buttons lead elsewhere, and load pictures from there
            kept = [line for line in cell.source.split("\n") if not line.startswith("[![")]
            cell.source = "\n".join(kept)
        if SETUP in tags(cell):
            cell.source = SETUP_CELL.format(version=importlib.metadata.version("wmlearn"))
            cell.metadata.pop("jupyter", None)  # it is shown
            if lesson is not START:
                cells.append(new_markdown_cell(summary, id="in-the-browser"))
    nb.cells = cells
    nb.metadata.kernelspec = {
        "name": "python",
        "display_name": "Python (Pyodide)",
        "language": "python",
    }


def mark(cell: str, package: str) -> NotebookNode:
    """Return the sentence above a cell that needs an installed course."""
    sentence = GOES_ON if package == ABOVE else NEEDS.format(package=package)
    return new_markdown_cell(sentence, id=f"needs-{cell}")


def write_lessons(course: Course, folder: Path) -> None:
    """Write the learner's copy of lessons and pages into a folder, for a browser."""
    copied = copy_lessons(course.root / "notebooks", folder)
    if copied.failed:
        sys.exit("\n".join(copied.failed))
    for lesson in (*course.lessons, START):
        path = folder / lesson.file
        nb = read_notebook(path)
        for_browsers(nb, lesson, course)
        nbformat.validate(nb)
        path.write_text(render(nb), "utf-8", newline="\n")


# ---------------------------------------------------------------- wheels


def write_wheels(folder: Path) -> None:
    """Write the wheels of the light core and of what it needs in pure Python into a folder."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", folder, ROOT], check=True)
    (wheel,) = folder.glob("wmlearn-*.whl")
    lighten(wheel)
    wanted = sorted(pure_needs(["wmlearn", "ipywidgets", "comm"]))
    download = [*pip, "download", "-q", "--no-deps", "--only-binary=:all:", "--platform=any"]
    subprocess.run([*download, "-d", folder, *wanted], check=True)


def pure_needs(roots: Iterable[str]) -> set[str]:
    """Return what packages need in pure Python, all the way down, as `name==version`."""
    left, seen, pinned = list(roots), set(OF_THE_KERNEL), set()
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        package = importlib.metadata.distribution(name)
        if "Root-Is-Purelib: true" in (package.read_text("WHEEL") or ""):
            pinned.add(f"{name}=={package.version}")
        left += needs_of(package)
    return {each for each in pinned if not each.startswith("wmlearn==")}


def needs_of(package: importlib.metadata.Distribution) -> list[str]:
    """Return the names of what a package needs in a browser, without its extras."""
    requirements = map(Requirement, package.requires or [])
    here = {"extra": "", "sys_platform": "emscripten", "platform_system": "Emscripten"}
    return [
        package_name(each.name)
        for each in requirements
        if each.marker is None or each.marker.evaluate(here)
    ]


def lighten(wheel: Path) -> None:
    """Take what no browser needs out of a wheel, and out of its list of files."""
    whole = io.BytesIO(wheel.read_bytes())
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.endswith(".dist-info/RECORD"):
                content = shortened(content.decode()).encode()
            if not LEFT_OUT.search(entry.filename):
                new.writestr(entry, content)


def shortened(record: str) -> str:
    """Return a wheel's list of files without those that are left out."""
    kept = [row for row in csv.reader(record.splitlines()) if not LEFT_OUT.search(row[0])]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(kept)
    return text.getvalue()


# ---------------------------------------------------------------- the site


def settings(pyodide: str) -> dict[str, object]:
    """Return JupyterLite's settings, with the address of a Pyodide that is not its default."""
    data: dict[str, object] = {"appName": "wmlearn in the browser"}
    if pyodide.startswith("http"):
        kernel = {"pyodideUrl": f"{pyodide.rstrip('/')}/pyodide.mjs"}
        data["litePluginSettings"] = {"@jupyterlite/pyodide-kernel-extension:kernel": kernel}
    return {"jupyter-lite-schema-version": 0, "jupyter-config-data": data}


def build(course: Course, folder: Path, pyodide: str) -> None:
    """Build the site in a folder, anew if it holds an older one; in no other that holds files."""
    if folder.exists():
        if any(folder.iterdir()) and not (folder / "jupyter-lite.json").exists():
            sys.exit(f"{folder} holds files of something else. Give a new folder.")
        shutil.rmtree(folder)
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        (source / "pypi").mkdir()
        write_wheels(source / "pypi")
        write_lessons(course, source / "files")
        text = json.dumps(settings(pyodide), indent=1)
        (source / "jupyter-lite.json").write_text(text, "utf-8")
        if pyodide and not pyodide.startswith("http"):
            shutil.copytree(pyodide, source / "static" / "pyodide")
        command = [sys.executable, "-m", "jupyterlite_core", "build", "--no-sourcemaps"]
        command += ["--lite-dir", source, "--output-dir", folder]
        subprocess.run(command, cwd=source, check=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "lite")
    parser.add_argument("--pyodide", default="", metavar="WHERE", help="a folder, or an address")
    parser.add_argument("--cells", action="store_true", help="write tools/lite.json, nothing else")
    options = parser.parse_args(arguments)
    course = read_course(ROOT)
    if options.cells:
        write_cells(course)
        return 0
    build(course, options.folder.resolve(), options.pyodide)
    print(f"The course for a browser is in {options.folder}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
