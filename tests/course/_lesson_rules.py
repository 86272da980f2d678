"""What every lesson must have, as rules that can be read off the file: each broken one gives a
sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbformat import NotebookNode

MOST_LINES = 12
FEWEST_CHECKED_TEXTS = 3
SHORTEST_ALT = 20  # characters
UNCHECKED = {"nbval-ignore-output", "nbval-skip"}
# Each of these prints something else under nbval than in JupyterLab, or flickers there.
TRAPS = {
    r";[ \t]*\Z": (
        "ends in ';', which nbval does not obey: write `_ = ...` or end with plt.show()"
    ),
    r"\binteract(ive|ive_output)?\(|\bOutput\(|\bclear_output\(": (
        "uses interact, Output or clear_output"
    ),
    r"from wmlearn|import wmlearn\.": (
        "reaches past the front door: `import wmlearn as wm` and nothing deeper"
    ),
    r"NBVAL_": "steers nbval by a comment: use a cell tag",
}


def broken_rules(nb: NotebookNode, lesson_id: str, notes: str) -> list[str]:
    """Return one sentence for each rule that a lesson breaks; `notes` is the text of
    docs/teaching.md.
    """
    return [
        *cell_rules(nb),
        *content_rules(nb),
        *picture_rules(nb),
        *exercise_rules(nb, lesson_id),
        *note_rules(lesson_id, notes),
    ]


def code_cells(nb: NotebookNode) -> list[NotebookNode]:
    """Return the lesson's own code cells, without the set-up cell that is made for it."""
    return [
        cell
        for cell in nb.cells
        if cell.cell_type == "code" and "wm-setup" not in cell.metadata.get("tags", [])
    ]


def prose(nb: NotebookNode) -> str:
    """Return everything in markdown, as one text."""
    return "\n\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")


def cell_rules(nb: NotebookNode) -> Iterator[str]:
    """Short cells, a sentence before each, and nothing that behaves differently under nbval."""
    own = code_cells(nb)
    for place, cell in enumerate(nb.cells):
        if cell.cell_type != "code":
            continue
        if len(cell.source.splitlines()) > MOST_LINES:
            yield f"cell {place} has more than {MOST_LINES} lines"
        if cell in own and nb.cells[place - 1].cell_type != "markdown":
            yield f"cell {place} has no words before it"
        for pattern, why in TRAPS.items():
            if re.search(pattern, cell.source):
                yield f"cell {place} {why}"
    if len(checked_texts(nb)) < FEWEST_CHECKED_TEXTS:
        yield f"fewer than {FEWEST_CHECKED_TEXTS} text outputs that nbval compares"


def checked_texts(nb: NotebookNode) -> list[str]:
    """Return the texts that strict nbval compares; a bare `<Figure ...>` says nothing."""
    compared = [
        cell for cell in code_cells(nb) if not UNCHECKED & set(cell.metadata.get("tags", []))
    ]
    outputs = [
        output for cell in compared for output in cell.outputs if cell.execution_count is not None
    ]
    texts = [
        output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs
    ]
    return [text for text in texts if text and not text.startswith("<Figure")]


def content_rules(nb: NotebookNode) -> Iterator[str]:
    """Objectives, a prediction, the two closing sections, words for those who see no pictures."""
    words, code = prose(nb), "\n".join(cell.source for cell in code_cells(nb))
    if not re.search(r"In this lesson you will\n\n- ", words):
        yield "no objectives"
    if "wm.Predict(" not in code:
        yield "no wm.Predict(...)"
    for section in ("What to remember", "Sources"):
        if not re.search(rf"^##+ {section}\s*\n+\S", words, re.MULTILINE | re.IGNORECASE):
            yield f"no section '{section}'"
    markdown_images = re.findall(r"!\[(.*?)\]\(", words)
    html_images = [
        re.search(r"\balt=(['\"])(.*?)\1", tag) for tag in re.findall(r"<img\b[^>]*>", words)
    ]
    if not all(text.strip() for text in markdown_images) or not all(
        alt and alt[2].strip() for alt in html_images
    ):
        yield "a picture without alt text"


def picture_rules(nb: NotebookNode) -> Iterator[str]:
    """Those who cannot see a picture are told in numbers what it shows."""
    for place, cell in enumerate(nb.cells):
        for output in cell.get("outputs", []):
            if any(kind.startswith("image/") for kind in output.get("data", {})):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                if len(alt) < SHORTEST_ALT or not re.search(r"\d", alt):
                    missing = f"whose alternative text holds no numbers: {alt!r}"
                    yield f"cell {place} has a picture {missing}"


def exercise_rules(nb: NotebookNode, lesson_id: str) -> Iterator[str]:
    """Two to four exercises, numbered after the lesson, each with a solution folded away."""
    call = re.compile(r"wm\.check\(\s*[\"']([^\"']*)[\"']")
    asked = [number for cell in code_cells(nb) for number in call.findall(cell.source)]
    folded = "\n".join(re.findall(r"<details>.*?</details>", prose(nb), re.DOTALL))
    if not 2 <= len(set(asked)) <= 4:
        yield f"{len(set(asked))} exercises, where 2 to 4 are wanted"
    for number in sorted(set(asked)):
        if not number.startswith(f"{lesson_id}."):
            yield f"exercise {number} is numbered after another lesson"
        if number not in call.findall(folded):
            yield f"exercise {number} has no solution folded in <details>"


def note_rules(lesson_id: str, notes: str) -> Iterator[str]:
    """A teacher's note: how long it takes, and what learners typically get wrong."""
    found = re.search(rf"^## Lesson {lesson_id}\b.*?(?=^## |\Z)", notes, re.MULTILINE | re.DOTALL)
    for wanted in ("Minutes", "Typical wrong answers"):
        if not found or not re.search(rf"^\*\*{wanted}\.\*\*\s+\S", found[0], re.MULTILINE):
            yield f"docs/teaching.md: no '**{wanted}.**' under '## Lesson {lesson_id}'"
