"""What a class handed in, as one table: its score cards, and what its journals report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wmlearn._checks import sentence
from wmlearn.course._lessons import read_lessons
from wmlearn.course.journal import GUESSES, SOLVED, Notes, count
from wmlearn.course.tribunal import PRACTICE_KEY, Score, read_secret, score_card

if TYPE_CHECKING:
    import pandas as pd

_VERDICTS = ("accused_rightly", "accused_wrongly", "cleared_rightly", "cleared_wrongly")
_SCORE = ("points", *_VERDICTS, "abstained", "asked")
_REPORTED = ("reported", "guesses")
# A spreadsheet takes for a formula what begins like this, also behind a sign that splits columns.
_FORMULA = re.compile(r"(^|[;,|])(\s*)(?=[-=+@＝＋－＠])")


def grades(folder: str | Path, *, secret: str | Path = PRACTICE_KEY) -> pd.DataFrame:
    """Return a row per learner: the tribunal's points, and the exercises reported as solved.

    Nothing that a learner handed in stops the others: what cannot be read is in `problem`. Points
    are calculated here, from the verdicts and the truth. All else is the learner's own word:
    anyone can edit a journal, or what a card says was asked.

    Parameters
    ----------
    folder : holds a folder per learner, as Moodle and nbgrader make it; cards (`*.json`) and
        journals (`.solved.json`, `.guesses.json`) may be anywhere in that
    secret : the teacher's file; left out, that of the practice case

    Returns
    -------
    DataFrame
        Indexed by the learner's folder. `points`; how many services were accused and cleared,
        rightly and wrongly, or `abstained` on; images `asked`, and the name by which the card is
        `signed`; exercises `reported` as solved, in all and by lesson; `guesses` made; `problem`. A
        number is missing where nothing was handed in. Texts are safe to open in a spreadsheet.

    Raises
    ------
    OSError
        If the secret cannot be read, or no learner's folder is there.
    """
    import pandas as pd

    read_secret(secret)  # first: without it no card can be scored
    folder = Path(folder)
    rows = [_row(learner, secret) for learner in _learners(folder)]
    frame = pd.DataFrame(rows).set_index("learner")
    numbers = [*_SCORE, *_REPORTED, *read_lessons()]
    return frame.astype(dict.fromkeys(numbers, "Int64"))


def _learners(folder: Path) -> list[Path]:
    """Return the folders of the learners, sorted."""
    found = []
    if folder.is_dir():
        found = [path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    if not found:
        raise FileNotFoundError(
            f"{folder} should be a folder with a folder for each learner in it; it is not. Unpack "
            "what was handed in, and give the folder around it."
        )
    return sorted(found)


def _row(learner: Path, secret: str | Path) -> dict[str, Any]:
    problems: list[str] = []
    files = sorted(_json_files(learner, problems))
    score = _score([path for path in files if _visible(path, learner)], secret, problems)
    solved = _journal(SOLVED, files, problems)
    guesses = _journal(GUESSES, files, problems)
    counted = count(solved or {}, guesses or {})
    row = dict.fromkeys((*_SCORE, *_REPORTED, *counted.index)) | score
    if solved is not None:
        row |= counted["solved"].to_dict() | {"reported": counted["solved"].sum()}
    if guesses is not None:
        row["guesses"] = counted["guessed"].sum()
    told = " | ".join(problems).replace(f"{learner}/", "").replace(f"{learner}\\", "")
    signed = _text(score.get("signed", ""))
    return {"learner": _text(learner.name), **row, "signed": signed, "problem": _text(told)}


def _json_files(learner: Path, problems: list[str]) -> Iterator[Path]:
    try:
        yield from (path for path in learner.rglob("*") if path.suffix.lower() == ".json")
    except OSError as error:
        problems.append(sentence(error))


def _visible(path: Path, learner: Path) -> bool:
    """Whether a file is neither hidden nor in a folder that a program made for itself."""
    return not any(part[0] == "." or part == "__MACOSX" for part in path.relative_to(learner).parts)


def _score(cards: list[Path], secret: str | Path, problems: list[str]) -> dict[str, Any]:
    """Return what a learner's card brings; nothing if there is none, or if two differ."""
    scores: dict[str, Score] = {}
    for card in cards:
        try:
            scores[str(card)] = score_card(card, secret=secret)
        except (OSError, ValueError, TypeError) as error:
            problems.append(f"{card}: {sentence(error).removeprefix(f'{card} ')}")
    if not cards:
        problems.append("no score card")
    found = list(scores.values())
    if any(each != found[0] for each in found):
        problems.append(f"cards that differ, so none counts: {', '.join(scores)}")
        found = []
    return found[0].to_dict() if found else {}


def _journal(notes: Notes, files: list[Path], problems: list[str]) -> dict[str, Any] | None:
    """Return all that a learner's journals of one kind hold; None if there is none to read."""
    kept = None
    for path in files:
        if path.name == notes.path.name:
            copy = Notes(path, notes.content, "Ask for it again.")
            problem = copy.problem()
            if problem:
                problems.append(problem)
            else:
                kept = (kept or {}) | copy.kept()
    return kept


def _text(text: str) -> str:
    """Return a text that is safe in a terminal and in a spreadsheet."""
    shown = "".join(each if each.isprintable() else "�" for each in text)
    return _FORMULA.sub(r"\1\2'", shown)
