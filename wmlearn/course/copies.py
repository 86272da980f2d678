"""The learner's own copy of the lessons, and of the pages that lessons refer to: outputs cleared,
and never written over once it has been worked on.

`wmlearn lab` and `make lab` copy; Binder, where the whole machine is the learner's own, clears in
place with `python -m wmlearn.course.copies notebooks`.
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

LESSONS = "??_*.ipynb"  # 00_the_copied_map.ipynb, A1_betting_against_chance.ipynb
RECORD = ".lessons.json"  # in the learner's folder: the SHA-256 of each file as written there
# What the lessons refer to: in `docs` beside their folder, in the learner's folder in `reference`.
PAGES = ("glossary.md", "results.md", "results/*.csv", "diagrams/*.svg")

_KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
_EMPTY = {"metadata": {"kernelspec": _KERNEL}, "nbformat": 4, "nbformat_minor": 5}

Paths = tuple[Path, ...]


@dataclass(frozen=True)
class Copied:
    """What `copy_lessons` did: lessons that are new, lessons brought up to date, lessons left as
    the learner has them, and in a sentence each what could not be copied.

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


def copy_lessons(source: Path | str, into: Path | str) -> Copied:
    """Copy the lessons with their outputs cleared, but never over a copy that was edited or run.

    A copy counts as worked on when it is no longer what was written here. To start a lesson again,
    delete its copy. The glossary, the page of results, its files and the diagrams come along into
    `reference/`; JupyterLab would show a page of markdown as text to be edited, so each becomes a
    notebook.

    Parameters
    ----------
    source : the folder with the lessons; the folder `docs` beside it holds the pages
    into : the learner's folder; made if it is not there

    Returns
    -------
    Copied
        Lessons new in the folder; lessons that had changed since and were still untouched; lessons
        worked on and therefore kept; lessons that are damaged, or could not be written, which
        stop none of the others. Lessons that are up to date are in none of the four.

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
    for original in _lessons_in(source):
        try:
            state = _bring(_for_learners(original), into, original.name, written)
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
    """Bring a copy up to date unless it was worked on; return what became of it."""
    path = into / name
    path.parent.mkdir(parents=True, exist_ok=True)
    state = _state(path, content, written.get(name))
    if state != "kept":
        _write(path, content)
        written[name] = _digest(content)
    return state


def _state(path: Path, content: bytes, noted: str | None) -> str:
    """Return what is to become of a copy, by what is there and the digest of what was written."""
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
    _write(path, _cleared(path))


def _lessons_in(folder: Path) -> list[Path]:
    lessons = sorted(folder.glob(LESSONS))
    if not lessons:
        raise FileNotFoundError(
            f"expected lessons such as 00_the_copied_map.ipynb in {folder}; found none. Name the "
            "folder 'notebooks' of the checkout."
        )
    return lessons


def _cleared(path: Path) -> bytes:
    """Return the notebook as it is stored, without what running it leaves behind.

    Raises
    ------
    OSError
        If it cannot be read, or is no notebook.
    """
    with readable(f"{path} should be a notebook of format 4", "Restore it, with git perhaps."):
        text = path.read_text(encoding="utf-8-sig")
        if "\n<<<<<<< " in text:
            raise UnfitError("it holds merge markers of git")
        notebook = json.loads(text)
        if notebook["nbformat"] != 4:
            raise UnfitError(f"its format is {notebook['nbformat']}")
        notebook["metadata"].pop("widgets", None)
        for cell in notebook["cells"]:
            cell["metadata"].pop("execution", None)  # when it ran
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
    return _stored(notebook)


def _for_learners(lesson: Path) -> bytes:
    """Return a lesson that was cleared, its links to the pages turned to where their copies are."""
    content = re.sub(rb"\]\(\.\./docs/(\w+)\.md\b", rb"](reference/\1.ipynb", _cleared(lesson))
    return re.sub(rb"\]\(\.\./docs/(results|diagrams)/", rb"](reference/\1/", content)


def _as_notebook(page: Path) -> bytes:
    """Return a page of markdown as a notebook of one cell; links to pages that stay behind are
    words.
    """
    with readable(f"{page} should be a page of text", "Restore it, with git perhaps."):
        text = re.sub(r"\[([^]]+)\]\([\w./]+\.md\)", r"\1", page.read_text(encoding="utf-8"))
    cell = {"cell_type": "markdown", "id": page.stem, "metadata": {}, "source": text}
    return _stored({"cells": [cell], **_EMPTY})


def _stored(notebook: dict[str, Any]) -> bytes:
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_record(folder: Path) -> dict[str, str]:
    """Return the digests noted in the folder; none if the record is lost or damaged, so every file
    is kept.
    """
    try:
        return dict(json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def _write(path: Path, content: bytes) -> None:
    """Write a file, if it is not what is there."""
    if path.exists() and path.read_bytes() == content:
        return
    with whole(path) as file:
        file.write(content)


def main(arguments: Sequence[str] | None = None) -> None:
    """Clear the lessons in the FOLDER named, in place, and say in a line what was done."""
    parser = argparse.ArgumentParser(
        prog="python -m wmlearn.course.copies", description="Clear the outputs of the lessons."
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    try:
        lessons = _lessons_in(folder)
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
