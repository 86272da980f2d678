"""What every lesson must have, as rules that can be read off the file: each broken one gives a
sentence.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from nbformat import NotebookNode

from wmlearn.course._lessons import Lesson

MOST_LINES = 12
WIDEST = 138  # characters; a page of JupyterLab 1,280 pixels wide cuts or breaks what is longer
FEWEST_CHECKED_TEXTS = 3
SHORTEST_ALT = 20  # characters
UNCHECKED = {"nbval-ignore-output", "nbval-skip"}
WORDS_A_MINUTE, SECONDS_A_LINE = 180, 5
MINUTES_AN_EXERCISE, MINUTES_TO_BUILD, MINUTES_A_LAB = 2, 10, 5
ASK = re.compile(r"wm\.Predict\((.*?)\)(\.compare\(\))?$", re.MULTILINE | re.DOTALL)
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


def broken_rules(nb: NotebookNode, lesson: Lesson, notes: str) -> list[str]:
    """Return one sentence for each rule that a lesson breaks; `notes` is the text of
    docs/teaching.md.
    """
    return [
        *cell_rules(nb),
        *content_rules(nb),
        *picture_rules(nb),
        *prediction_rules(nb, lesson),
        *secret_rules(nb, lesson),
        *threshold_rules(nb, lesson),
        *exercise_rules(nb, lesson),
        *minute_rules(nb, lesson),
        *note_rules(lesson.id, notes),
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
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden")
        printed = "".join(output.get("text", "") for output in cell.outputs)
        seen = printed if hidden else f"{cell.source}\n{printed}"
        if max(map(len, seen.splitlines()), default=0) > WIDEST:
            yield f"cell {place} has a line of more than {WIDEST} characters"
        if cell in own and nb.cells[place - 1].cell_type != "markdown":
            yield f"cell {place} has no words before it"
        for pattern, why in TRAPS.items():
            if re.search(pattern, cell.source):
                yield f"cell {place} {why}"
    texts = [text for text in checked_texts(nb) if not text.startswith("Your guess beside")]
    if len(texts) < FEWEST_CHECKED_TEXTS:
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
    lines = words.splitlines()
    for line in lines:
        number = re.match(r" *(\d+)[.)] ", line)
        if number and int(number[1]) > 1:
            before = rf" *{int(number[1]) - 1}[.)] "
            if not any(re.match(before, other) for other in lines):
                yield f"a sentence goes on with a number, which markdown takes for a list: {line!r}"
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


def prediction_rules(nb: NotebookNode, lesson: Lesson) -> Iterator[str]:
    """Each prediction of the file is asked for once, by its number alone, and compared once the
    lesson has shown something.
    """
    cells = code_cells(nb)
    asked, compared = {}, {}
    for place, cell in enumerate(cells):
        for what, compares in ASK.findall(cell.source):
            number = literal(what)
            if number is None:
                yield f"a prediction is not asked for by its number alone: {what[:40]}"
            elif number in (compared if compares else asked):
                yield f"prediction {number} stands in two cells"
            (compared if compares else asked)[number] = place
    known = {each.id for each in lesson.predictions}
    for number in sorted({*asked, *compared} - known - {None}):
        yield f"prediction {number} is in no file of this lesson"
    for number in sorted(known - asked.keys()):
        yield f"prediction {number} is never asked for"
    for number in sorted(known & asked.keys()):
        if compared.get(number, 0) < asked[number] + 2:
            yield f"prediction {number} is not compared after a cell that shows something"


def literal(code: str) -> str | None:
    """Return the text that code writes; None if it is something else."""
    try:
        value = ast.literal_eval(code)
    except (SyntaxError, ValueError):
        return None
    return value if isinstance(value, str) else None


def secret_rules(nb: NotebookNode, lesson: Lesson) -> Iterator[str]:
    """No answer and no reason of a prediction stands anywhere in the notebook."""
    for place, cell in enumerate(nb.cells):
        told = squeezed([cell.source, *map(str, cell.get("outputs", []))])
        for each in lesson.predictions:
            if squeezed([each.why]) in told:
                yield f"cell {place} holds the reason of prediction {each.id}"
        outputs = squeezed(map(str, cell.get("outputs", [])))
        if ".compare()" in cell.source and re.search("✔|✘|Whatwasseen:|Yourguess:", outputs):
            yield f"cell {place} holds a guess beside its answer"
        if "wm.Predict(" in cell.source and re.search(r"\banswer *=|\bwhy *=", cell.source):
            yield f"cell {place} holds the answer of a prediction"


def squeezed(texts: Iterator[str] | list[str]) -> str:
    """Return texts as one, without what a line's end, a quote or a backslash may change."""
    return re.sub(r"[\s'\"\\]+", "", " ".join(texts).replace("\\n", " "))


def threshold_rules(nb: NotebookNode, lesson: Lesson) -> Iterator[str]:
    """Each cell whose output nobody compares has a threshold, and each threshold has one cell."""
    tagged = Counter()
    for place, cell in enumerate(nb.cells):
        tags = set(cell.metadata.get("tags", []))
        own = {tag for tag in tags if re.fullmatch(r"\w\w\.t\d+", tag)}
        tagged.update(own)
        if UNCHECKED & tags and not own:
            yield f"cell {place} is not compared and has no threshold"
    known = {each.id for each in lesson.thresholds}
    for tag in sorted(tagged.keys() | known):
        if tag not in known:
            yield f"threshold {tag} is in no file of this lesson"
        elif tagged[tag] != 1:
            yield f"threshold {tag} is the tag of {tagged[tag]} cells, where 1 is wanted"


def minute_rules(nb: NotebookNode, lesson: Lesson) -> Iterator[str]:
    """The minutes of the header are those of the words and the code, and leave time to work."""
    needed = reading_minutes(nb)
    if abs(lesson.reading - needed) > max(3, 0.2 * needed):
        yield f"{lesson.reading} minutes of reading, where the formula gives {needed:.0f}"
    code = "\n".join(cell.source for cell in code_cells(nb))
    labs = len(re.findall(r"wm\.(?:\w+Lab|TriggerStudio|TribunalBoard)\(", code))
    work = MINUTES_A_LAB * labs
    for exercise in lesson.exercises:
        work += MINUTES_TO_BUILD if "built" in exercise.right[0] else MINUTES_AN_EXERCISE
    if lesson.working < lesson.reading + work:
        yield f"{lesson.working} minutes with exercises, where {lesson.reading} + {work} are needed"


def reading_minutes(nb: NotebookNode) -> float:
    """Return how long the lesson's own words and code take; what is folded away is not read."""
    own = [cell for cell in nb.cells if "wm-header" not in cell.metadata.get("tags", [])]
    words = prose(NotebookNode(cells=own))
    unfolded = re.sub(r"<details>.*?</details>", "", words, flags=re.DOTALL)
    lines = [line for cell in code_cells(nb) for line in cell.source.splitlines() if line.strip()]
    return len(unfolded.split()) / WORDS_A_MINUTE + len(lines) * SECONDS_A_LINE / 60


def exercise_rules(nb: NotebookNode, lesson: Lesson) -> Iterator[str]:
    """Two to four exercises, those of the file, each with a solution folded away."""
    call = re.compile(r"wm\.check\(\s*[\"']([^\"']*)[\"']")
    asked = [number for cell in code_cells(nb) for number in call.findall(cell.source)]
    folded = "\n".join(re.findall(r"<details>.*?</details>", prose(nb), re.DOTALL))
    if not 2 <= len(set(asked)) <= 4:
        yield f"{len(set(asked))} exercises, where 2 to 4 are wanted"
    known = {each.id for each in lesson.exercises}
    for number in sorted(known - set(asked)):
        yield f"exercise {number} is never asked"
    for number in sorted(set(asked)):
        if number not in known:
            yield f"exercise {number} is in no file of this lesson"
        if number not in call.findall(folded):
            yield f"exercise {number} has no solution folded in <details>"


def note_rules(lesson_id: str, notes: str) -> Iterator[str]:
    """A teacher's note: how long it takes, and what learners typically get wrong."""
    found = re.search(rf"^## Lesson {lesson_id}\b.*?(?=^## |\Z)", notes, re.MULTILINE | re.DOTALL)
    for wanted in ("Minutes", "Typical wrong answers"):
        if not found or not re.search(
            rf"^\*\*{wanted}(\.\*\*\s+\S|\*\*, and what)", found[0], re.MULTILINE
        ):
            yield f"docs/teaching.md: no '**{wanted}.**' under '## Lesson {lesson_id}'"
