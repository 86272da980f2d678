"""The learner's journal: which exercises are solved and which guesses made, and where to go on.

Both are kept in the folder that the notebooks run in, and sent nowhere.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wmlearn._checks import sentence
from wmlearn._files import SMALL_BYTES, UnfitError, locked, read_json, readable, whole
from wmlearn._progress import compared
from wmlearn.course._lessons import Lesson, read_lessons

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Notes:
    """What a folder keeps of one kind, each by its name: the guesses, or what was solved.

    Attributes
    ----------
    path : the file, in whatever folder a notebook runs in
    content : what the file should hold, in words
    step : what to do about one that holds anything else
    unwritten : by folder, what its file would not take; this kernel still knows it
    """

    path: Path
    content: str
    step: str = "Delete it."
    unwritten: dict[Path, dict[str, Any]] = field(default_factory=dict)

    def kept(self) -> dict[str, Any]:
        """Return all that was kept in this folder, as far as it can be read."""
        unwritten = self.unwritten.get(Path.cwd(), {})
        try:
            return self._read() | unwritten
        except OSError:
            return unwritten

    def keep(self, name: str, value: Any) -> str:
        """Keep a value in this folder; where that fails, in this kernel, and return why."""
        try:
            unwritten = self.unwritten.setdefault(Path.cwd(), {})
            unwritten[name] = value
            with locked(self.path.with_suffix(".lock")):
                kept = self._read() if self.path.exists() else {}
                with whole(self.path) as file:
                    file.write(json.dumps(kept | unwritten, indent=1).encode())
        except OSError as error:
            return f"It will be forgotten when the kernel stops: {sentence(error)}"
        unwritten.clear()
        return ""

    def problem(self) -> str:
        """Return why the file in this folder cannot be read; "" where it can, or there is none."""
        try:
            self._read()
        except FileNotFoundError:
            return ""
        except OSError as error:
            return sentence(error)
        return ""

    def _read(self) -> dict[str, Any]:
        with readable(f"{self.path} should hold {self.content}", self.step):
            notes = read_json(self.path, SMALL_BYTES)
            if not isinstance(notes, dict):
                raise UnfitError("it holds something else")
            return notes


GUESSES = Notes(Path(".guesses.json"), "the guesses that were locked in")
SOLVED = Notes(Path(".solved.json"), "the exercises that were solved")
_LEFT = "style='text-align:left;white-space:nowrap'"


@dataclass(frozen=True, repr=False, eq=False)
class Progress:
    """How far a learner has come; shown as a table with links to the lessons.

    Attributes
    ----------
    table : by lesson: core, solved, exercises, guessed, predictions
    problem : why a file of the journal cannot be read, in a sentence; empty where it can
    """

    table: pd.DataFrame
    problem: str = ""

    @property
    def next(self) -> Lesson | None:
        """The first lesson with an open exercise on the core path; after that, of the others."""
        left = self.table[self.table["solved"] < self.table["exercises"]]
        lessons = [read_lessons()[name] for name in left.index]
        return min(lessons, key=lambda lesson: not lesson.core, default=None)

    def to_frame(self) -> pd.DataFrame:
        """Return the table, a row per lesson.

        Examples
        --------
        >>> list(progress().to_frame())
        ['core', 'solved', 'exercises', 'guessed', 'predictions']
        """
        return self.table.copy()

    def __repr__(self) -> str:
        done, ahead = self.table.sum(), self.next
        name = ahead.name if ahead else "whatever you like"
        return (
            f"Next: {name}. {done.solved} of {done.exercises} exercises solved, "
            f"{done.guessed} of {done.predictions} guesses made."
        )

    def _repr_html_(self) -> str:
        words, ahead = html.escape(f"{self} {self.problem}".rstrip()), self.next
        if ahead:
            words = words.replace(html.escape(ahead.name), _link(ahead))
        heads = "<th>Exercises solved</th><th>Guesses made</th>"
        body = f"<tr><th></th><th {_LEFT}>Lesson</th>{heads}</tr>\n"
        for row in self.table.itertuples():
            lesson = read_lessons()[row.Index]
            state = "✔ done" if row.solved == row.exercises else ""
            if lesson is ahead:
                state = "→ next"
            door = "" if lesson.core else "↳ side door "
            body += (
                f"<tr><td {_LEFT}>{state}</td><td {_LEFT}>{door}{_link(lesson)}</td>"
                f"<td>{row.solved} of {row.exercises}</td>"
                f"<td>{row.guessed} of {row.predictions}</td></tr>\n"
            )
        return f"<p>{words}</p>\n<table>{body}</table>"


def _link(lesson: Lesson) -> str:
    return f"<a href='{lesson.file}'>{html.escape(lesson.name)}</a>"


def progress() -> Progress:
    """Return what is done of the course, and which lesson is next, as far as this folder knows.

    An exercise is solved once `wm.check` has called an answer to it right, a guess made once it was
    locked in. Where outputs are compared (pytest, nbval) nothing is done yet, whatever was kept.

    Examples
    --------
    >>> progress().next.name
    '00 · The copied map'
    """
    solved, guesses, problem = {}, {}, ""
    if not compared():
        solved, guesses = SOLVED.kept(), GUESSES.kept()
        problem = SOLVED.problem() or GUESSES.problem()
    return Progress(count(solved, guesses), problem)


def count(solved: dict[str, Any], guesses: dict[str, Any]) -> pd.DataFrame:
    """Return by lesson how many exercises are solved and guesses made, and of how many."""
    import pandas as pd

    rows = []
    for lesson in read_lessons().values():
        exercises, predictions = lesson.exercises, lesson.predictions
        right = [each for each in exercises if solved.get(each.id) is True]
        made = [each for each in predictions if guesses.get(each.id) in each.options]
        counts = map(len, (right, exercises, made, predictions))
        rows.append((lesson.id, lesson.core, *counts))
    columns = ["lesson", "core", "solved", "exercises", "guessed", "predictions"]
    return pd.DataFrame(rows, columns=columns).set_index("lesson")
