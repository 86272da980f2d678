"""The slides that are made of each lesson: everything is told, nothing is too high for a slide."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))
import slides  # noqa: E402
import website  # noqa: E402
from course import HEADER, SETUP, read_course, tags  # noqa: E402

COURSE = read_course(ROOT)
IDS = [lesson.id for lesson in COURSE.lessons]


class NoLabs:
    """A lesson's labs before anything was recorded."""

    def next(self, cell: nbformat.NotebookNode) -> None:
        """Return no page."""


def deck_of(cells: list[nbformat.NotebookNode], lesson: object = COURSE.lessons[0]) -> slides.Deck:
    """Return the slides of a lesson of these cells."""
    return slides.Deck(nbformat.v4.new_notebook(cells=cells), lesson, NoLabs())


def text(*sources: str) -> slides.Deck:
    """Return the slides of a lesson of these cells of text."""
    return deck_of([nbformat.v4.new_markdown_cell(source) for source in sources])


def squeezed(words: str) -> str:
    return re.sub(r"\s+", " ", words)


@pytest.fixture(scope="module", params=COURSE.lessons, ids=IDS)
def told(request: pytest.FixtureRequest) -> tuple[nbformat.NotebookNode, slides.Deck]:
    """Return a lesson and its slides."""
    nb = nbformat.read(COURSE.path(request.param), 4)
    return nb, slides.Deck(nb, request.param, NoLabs())


def test_nothing_is_too_high(told):
    _, deck = told
    assert len(deck.slides) > 20
    assert [each.title for each in deck.slides if each.height > slides.ROOM] == []
    assert deck.slides[-1].title == "What to remember"


def test_every_sentence_of_the_lesson_is_in_the_notes_or_on_a_slide(told):
    nb, deck = told
    told_at_all = squeezed(" ".join(" ".join(slide.notes) for slide in deck.slides))
    shown = squeezed(" ".join(slides.page(deck).split()))
    missing = []
    for cell in nb.cells:
        if cell.cell_type != "markdown" or HEADER in tags(cell):
            continue
        for kind, source in slides.blocks(slides.FOLDED.sub("", cell.source)):
            if kind == "paragraph" and squeezed(source) not in told_at_all:
                first = re.sub(r"\s+", " ", slides.rendered(source)).strip()
                if first not in shown and "![" not in source:
                    missing.append(source)
    assert missing == []


def test_solutions_and_answers_are_not_given_away(told):
    nb, deck = told
    visible = "".join(part.html for slide in deck.slides for part in slide.parts)
    notes = "".join("".join(slide.notes) for slide in deck.slides)
    solutions = [
        inside
        for cell in nb.cells
        for name, inside in slides.FOLDED.findall(cell.source)
        if name == "Solution"
    ]
    assert solutions
    for solution in solutions:
        assert solution in notes
        assert slides.rendered(solution) not in visible
    titles = [slide.title for slide in deck.slides]
    for each in deck.lesson.predictions:
        asked = [
            place
            for place, slide in enumerate(deck.slides)
            if slide.parts[0] == slides.words(each.question)
        ]
        assert [titles[place] for place in asked] == ["What do you expect?", "The answer"]
        assert slides.words(each.why) in deck.slides[asked[1]].parts


def test_every_picture_says_what_it_shows(told):
    _, deck = told
    visible = "".join(part.html for slide in deck.slides for part in slide.parts)
    assert visible.count("<img ") == len(re.findall(r"<img [^>]*?alt='[^']{20,}'", visible)) > 0


def test_code_is_shown_or_noted_whole(told):
    nb, deck = told
    visible = "".join(part.html for slide in deck.slides for part in slide.parts)
    notes = "".join("".join(slide.notes) for slide in deck.slides)
    for cell in nb.cells:
        if cell.cell_type == "code" and SETUP not in tags(cell):
            left_out = cell.source.startswith("wm.check(") or "wm.Predict(" in cell.source
            assert left_out or cell.source in notes or slides.code(cell.source).html in visible


def test_what_is_bold_stands_on_the_slide_and_the_rest_is_read_out():
    (slide,) = text("## A case\n\nFirst one. They are **one coin**, i.e. glued. More.").slides[1:]
    assert slide.title == "A case"
    assert [part.html.strip() for part in slide.parts] == [
        "<p>They are <strong>one coin</strong>, i.e. glued.</p>"
    ]
    assert slide.notes == ["First one. They are **one coin**, i.e. glued. More."]


def test_a_long_list_and_a_long_table_go_on_on_the_next_slide():
    points = "\n".join(f"{n}. point {n}" for n in range(1, 31))
    deck = text(f"## Points\n\n{points}")
    assert [slide.title for slide in deck.slides[1:]] == ["Points"] * 3
    assert '<ol start="14">' in "".join(part.html for part in deck.slides[2].parts)
    rows = "\n".join(f"| {n} | row |" for n in range(40))
    deck = text(f"## Rows\n\n| n | what |\n|---|---|\n{rows}")
    pieces = [part.html for slide in deck.slides for part in slide.parts if "<td>" in part.html]
    assert len(deck.slides) == 4
    assert all("<th>what</th>" in piece for piece in pieces)
    assert "".join(pieces).count("<td>row</td>") == 40


def test_a_formula_stays_as_mathjax_reads_it():
    assert slides.rendered("With $K \\ge k$.") == "<p>With \\(K \\ge k\\).</p>\n"
    assert "\\[" in slides.rendered("$$\nP < 1\n$$")


def test_code_that_draws_is_noted_and_its_picture_shown():
    cell = nbformat.v4.new_code_cell("plt.plot([1, 2])\nprint(3)")
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="3\n")]
    (slide,) = deck_of([nbformat.v4.new_markdown_cell("## Drawn"), cell]).slides[1:]
    assert "plt.plot" in slide.notes[0]
    assert "plt" not in "".join(part.html for part in slide.parts)
    assert slide.parts[0] == slides.printed("3\n")


def test_much_that_was_printed_is_cut_and_says_so():
    assert slides.printed("\n".join(map(str, range(99)))).html.endswith("14\n...</pre>")


def test_the_site_leads_to_slides_and_to_what_runs_in_a_browser():
    whole = []
    for lesson in COURSE.lessons:
        nb = website.prepared(nbformat.read(COURSE.path(lesson), 4), NoLabs(), lesson)
        header = nb.cells[0].source
        assert f'href="../slides/{lesson.id}.html"' in header
        if f'href="../lite/lab/index.html?path={lesson.file}"' in header:
            whole.append(lesson.id)
    assert whole == ["07", "08", "A1"]


def test_on_the_site_a_prediction_is_asked_and_its_answer_folded():
    lesson = COURSE.lessons[0]
    nb = website.prepared(nbformat.read(COURSE.path(lesson), 4), NoLabs(), lesson)
    shown = "".join(
        output.get("data", {}).get("text/html", "")
        for cell in nb.cells
        for output in cell.get("outputs", [])
    )
    for asked in lesson.predictions:
        assert shown.count(f"name='{asked.id}'") == len(asked.options)
        folded = shown.partition("<details class='wm-guess'>")[2].partition("</details>")[0]
        assert website.html.escape(asked.why) in folded
    assert "wm-reopened" not in shown
