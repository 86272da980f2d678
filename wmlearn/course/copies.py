"""The learner's copy of the lessons and of the pages they refer to: its outputs are cleared, and it
is never overwritten once the learner has worked on it.

`wmlearn lab` and `make lab` make the copy. On Binder the whole machine is the learner's own, so
`python -m wmlearn.course.copies notebooks` clears the lessons in place.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmlearn._checks import sentence
from wmlearn._files import UnfitError, readable, whole

START = "start.ipynb"  # the front page: the map of the course, and what is done
LESSONS = "??_*.ipynb"  # 00_the_copied_map.ipynb, A1_betting_against_chance.ipynb
RECORD = ".lessons.json"  # in the learner's folder: the SHA-256 of each file as written there
# Pages and pictures that lessons refer to, in the folder `docs`; copied to the learner's folder
# `reference`.
PAGES = ("glossary.md", "results.md", "results/*.csv", "diagrams/*.svg")

_KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
_EMPTY = {"metadata": {"kernelspec": _KERNEL}, "nbformat": 4, "nbformat_minor": 5}

Paths = tuple[Path, ...]


@dataclass(frozen=True)
class Copied:
    """The result of `copy_lessons`: lessons new, updated, and left as the learner has them.

    `failed` has one sentence per file that could not be copied.

    Examples
    --------
    >>> Copied(new=(Path("learn/00_start.ipynb"),), kept=(Path("learn/01_next.ipynb"),))
    Copied(1 new, 0 refreshed, 1 kept)
    """

    new: Paths = ()
    refreshed: Paths = ()
    kept: Paths = ()
    failed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return (
            f"Copied({len(self.new)} new, {len(self.refreshed)} refreshed, {len(self.kept)} kept"
            f"{failed})"
        )


def copy_lessons(source: Path | str, into: Path | str, *, outputs: bool = False) -> Copied:
    """Copy the lessons with their outputs cleared, but never over a copy that was edited or run.

    A copy counts as edited when it differs from what this function wrote. To start a lesson again,
    delete its copy. The glossary, the page of results, its files and the diagrams are copied to
    `reference/`. JupyterLab opens a markdown page as text for editing, so each page becomes a
    notebook.

    Parameters
    ----------
    source : the folder with the lessons; the folder `docs` beside it holds the pages
    into : the learner's folder; made if it does not exist
    outputs : whether to keep the outputs

    Returns
    -------
    Copied
        `new`: lessons that were not in the folder; `refreshed`: untouched copies of lessons that
        have changed since; `kept`: copies that the learner has edited or run; `failed`: damaged
        lessons and files that could not be written, which do not stop the others. Lessons that are
        up to date are in none of the four.

    Raises
    ------
    FileNotFoundError
        If there is no lesson in `source`.
    OSError
        If no lesson at all could be copied.
    """
    source, into = Path(source), Path(into)
    into.mkdir(parents=True, exist_ok=True)
    written = _read_record(into)
    copies: dict[str, list[Path]] = {"new": [], "same": [], "kept": [], "refreshed": []}
    failed = []
    for original in lessons_in(source):
        try:
            state = _bring(_for_learners(original, outputs), into, original.name, written)
            copies[state].append(into / original.name)
        except OSError as error:
            failed.append(sentence(error))
    if not any(copies.values()):
        raise OSError(failed[0])
    docs = source.parent / "docs"
    for page in [page for pattern in PAGES for page in docs.glob(pattern)]:
        try:
            name = f"reference/{page.relative_to(docs).as_posix()}"
            if page.suffix == ".md":
                _bring(_as_notebook(page), into, name.replace(".md", ".ipynb"), written)
            else:
                _bring(page.read_bytes(), into, name, written)
        except OSError as error:
            failed.append(sentence(error))
    try:
        _write(into / RECORD, json.dumps(written, indent=1).encode())
    except OSError as error:
        failed.append(sentence(error))
    new, refreshed, kept = map(tuple, (copies["new"], copies["refreshed"], copies["kept"]))
    return Copied(new, refreshed, kept, tuple(failed))


def _bring(content: bytes, into: Path, name: str, written: dict[str, str]) -> str:
    """Update a copy unless the learner has changed it; return its state, as `_state` does."""
    path = into / name
    path.parent.mkdir(parents=True, exist_ok=True)
    state = _state(path, content, written.get(name))
    if state != "kept":
        _write(path, content)
        written[name] = _digest(content)
    return state


def _state(path: Path, content: bytes, noted: str | None) -> str:
    """Return "new", "same", "refreshed" or "kept": what to do with the copy at a path."""
    if not path.exists():
        return "new"
    there = path.read_bytes()
    if there == content:
        return "same"
    return "refreshed" if _digest(there) == noted else "kept"


def clear_outputs(path: Path | str) -> None:
    """Clear a notebook in place: outputs, execution counts, saved widgets.

    Text, code, cell ids and tags stay.
    """
    path = Path(path)
    _write(path, _stored(_read_notebook(path)))


def lessons_in(folder: Path) -> list[Path]:
    """Return the notebooks of the course in a folder: the front page, and the lessons in order."""
    lessons = sorted(folder.glob(LESSONS))
    if not lessons:
        raise FileNotFoundError(
            f"{folder} should hold lessons such as 00_the_copied_map.ipynb; it holds none. Give "
            "the folder 'notebooks' of the checkout."
        )
    return [*folder.glob(START), *lessons]


def _read_notebook(path: Path, outputs: bool = False) -> dict[str, Any]:
    """Return a notebook without traces of running it, and without outputs unless they are kept.

    Raises
    ------
    OSError
        If the file cannot be read or is not a notebook.
    """
    with readable(f"{path} should be a notebook of format 4", "Restore it, for example with git."):
        text = path.read_text(encoding="utf-8-sig")
        if "\n<<<<<<< " in text:
            raise UnfitError("it holds git merge markers")
        notebook: dict[str, Any] = json.loads(text)
        if notebook["nbformat"] != 4:
            raise UnfitError(f"its format is {notebook['nbformat']}")
        notebook["metadata"].pop("widgets", None)
        for cell in notebook["cells"]:
            cell["metadata"].pop("execution", None)  # times of execution
            if cell["cell_type"] == "code" and not outputs:
                cell["outputs"], cell["execution_count"] = [], None
    return notebook


def _for_learners(lesson: Path, outputs: bool) -> bytes:
    """Return a lesson whose links to pages point to the learner's copies of them."""
    content = _stored(_read_notebook(lesson, outputs))
    content = re.sub(rb"\]\(\.\./docs/(\w+)\.md\b", rb"](reference/\1.ipynb", content)
    return re.sub(rb"\]\(\.\./docs/(results|diagrams)/", rb"](reference/\1/", content)


def _as_notebook(page: Path) -> bytes:
    """Return a markdown page as a notebook of one cell; links to other pages become plain text."""
    with readable(f"{page} should be a page of text", "Restore it, for example with git."):
        text = unlinked(page.read_text(encoding="utf-8"))
    cell = {"cell_type": "markdown", "id": page.stem, "metadata": {}, "source": text}
    return _stored({"cells": [cell], **_EMPTY})


def unlinked(text: str) -> str:
    """Return a text whose links to pages are plain words."""
    return re.sub(r"\[([^]]+)\]\([\w./]+\.md\)", r"\1", text)


def _stored(notebook: dict[str, Any]) -> bytes:
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_record(folder: Path) -> dict[str, str]:
    """Return the digests recorded in the folder; none if the record is lost, so files are kept."""
    try:
        return dict(json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def _write(path: Path, content: bytes) -> None:
    """Write a file unless it already has this content."""
    if path.exists() and path.read_bytes() == content:
        return
    with whole(path) as file:
        file.write(content)


def main(arguments: Sequence[str] | None = None) -> None:
    """Clear the lessons in a folder in place, and print how many."""
    parser = argparse.ArgumentParser(
        prog="python -m wmlearn.course.copies", description="Clear the outputs of the lessons."
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    try:
        lessons = lessons_in(folder)
    except FileNotFoundError as error:
        sys.exit(str(error))
    failed = []
    for lesson in lessons:
        try:
            clear_outputs(lesson)
        except OSError as error:
            failed.append(sentence(error))
    print(f"Cleared the outputs of {len(lessons) - len(failed)} lessons in {folder}.")
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
