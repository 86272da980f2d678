"""The learner's own copy of the lessons: outputs cleared, and never written over once it has been
worked on.

`wmlearn lab` and `make lab` copy; Binder, where the whole machine is the learner's own, clears in
place with `python -m wmlearn.course.copies notebooks`. Needs nothing but Python.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LESSONS = "??_*.ipynb"  # 00_the_copied_map.ipynb, A1_betting_against_chance.ipynb
RECORD = ".lessons.json"  # in the learner's folder: the SHA-256 of each file as written there

Paths = tuple[Path, ...]


@dataclass(frozen=True)
class Copied:
    """What `copy_lessons` did: lessons that are new, lessons brought up to date, lessons left as
    the learner has them.

    Examples
    --------
    >>> Copied(new=(Path("learn/00_start.ipynb"),), kept=(Path("learn/01_next.ipynb"),))
    Copied(1 new, 0 refreshed, 1 kept)
    """

    new: Paths = ()
    refreshed: Paths = ()
    kept: Paths = ()

    def __repr__(self) -> str:
        return (
            f"Copied({len(self.new)} new, {len(self.refreshed)} refreshed, {len(self.kept)} kept)"
        )


def copy_lessons(source: Path | str, into: Path | str) -> Copied:
    """Copy the lessons with their outputs cleared, but never over a copy that was edited or run.

    A copy counts as worked on when it is no longer what was written here. To start a lesson again,
    delete its copy.

    Parameters
    ----------
    source : the folder with the lessons
    into : the learner's folder; made if it is not there

    Returns
    -------
    Copied
        Lessons new in the folder; lessons that had changed since and were still untouched; lessons
        worked on and therefore kept. Lessons that are up to date are in none of the three.

    Raises
    ------
    FileNotFoundError
        If there is no lesson in `source`.
    """
    into = Path(into)
    into.mkdir(parents=True, exist_ok=True)
    written = _read_record(into)
    lessons = _lessons_in(Path(source))
    cleared = list(map(_cleared, lessons))  # all are read before the first is written
    new, refreshed, kept = [], [], []
    for lesson, content in zip(lessons, cleared):
        path = into / lesson.name
        if not path.exists():
            new.append(path)
        elif path.read_bytes() != content:
            if _digest(path.read_bytes()) != written.get(path.name):
                kept.append(path)
                continue
            refreshed.append(path)
        _write(path, content)
        written[path.name] = _digest(content)
    _write(into / RECORD, json.dumps(written, indent=1).encode())
    return Copied(tuple(new), tuple(refreshed), tuple(kept))


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
    """Return the notebook as it is stored, without what running it leaves behind."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)  # when it ran
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
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
    """Write a file whole or not at all; one that is there stays as it is until then."""
    if path.exists() and path.read_bytes() == content:
        return
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)


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
    for lesson in lessons:
        clear_outputs(lesson)
    print(f"Cleared the outputs of {len(lessons)} lessons in {folder}.")


if __name__ == "__main__":
    main()
