"""Build slides from the lessons: one deck for each, opened by a browser, without any network.

    python tools/slides.py [FOLDER]     build/slides, if left out

`make slides` installs what it needs.

On the slides stand a lesson's headings, what it prints in bold, its lists, formulas, code, figures,
predictions and exercises; each lab is live. All prose, and each solution, is in the speaker's notes
(press S). Whatever would be too high for a slide goes on to the next.
"""

from __future__ import annotations

import base64
import html
import importlib.util
import itertools
import math
import re
import shutil
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import nbformat
from course import HEADER, SETUP, Course, Lesson, read_course, tags
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from recordings import Labs, shows_a_lab

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).with_name("slides")
ROOM, WIDE = 560, 1180  # pixels for what stands below a title, of a slide of 1280 by 720
LINE, LETTERS = 40, 84  # pixels of a line of text, and how many letters it takes
ROW, CELLS = 31, 116  # pixels of a line in a table, and how many letters it takes
MOST_PRINTED = 16  # lines of what a cell printed
OPENING = 240  # letters of a paragraph that opens a part of the lesson
FOLDED = re.compile(r"<details><summary>(.*?)</summary>\n+(.*?)\n*</details>", re.DOTALL)
PREDICTION = re.compile(r'wm\.Predict\("(\w+\.\w+)"\)(\.compare\(\))?$')
DRAWS = re.compile(r"plt\.|wm\.show\(")
EXERCISE = re.compile(r"\*\*(\w\w\.\d)\*\*")
GUESS = "And your guess?"
UNTITLED = ("Sources", "Next")  # headings whose text is for readers


class Part(NamedTuple):
    """Something on a slide, and how high it is, in pixels."""

    html: str
    height: float


@dataclass
class Slide:
    """A slide: its title, what stands below it, and what its speaker reads."""

    title: str
    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def height(self) -> float:
        """Return how high its parts are together, in pixels."""
        return sum(part.height for part in self.parts)


# ---------------------------------------------------------------- words

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table").use(dollarmath_plugin)


def rendered(text: str) -> str:
    """Return markdown as HTML; formulas stay as MathJax reads them."""
    made = MARKDOWN.render(text)
    made = re.sub(r'<span class="math inline">(.*?)</span>', r"\\(\1\\)", made, flags=re.S)
    return re.sub(r'<div class="math block">(.*?)</div>', r"\\[\1\\]", made, flags=re.S)


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield the blocks of markdown: what each is, such as "paragraph", and its source."""
    lines = text.splitlines()
    for node in SyntaxTreeNode(MARKDOWN.parse(text)).children:
        first, last = node.map
        yield node.type, "\n".join(lines[first:last])


def sentences(paragraph: str) -> list[str]:
    """Return the sentences of a paragraph; what is bold, in italics or code stays in one piece."""
    found: list[str] = []
    for piece in re.split(r"(?<=[.!?])\s+(?=[^a-z])", " ".join(paragraph.split())):
        if found and is_open(found[-1]):
            found[-1] += f" {piece}"
        else:
            found.append(piece)
    return found


def is_open(text: str) -> bool:
    """Return whether something that began in a text ends after it."""
    halves = any(text.count(sign) % 2 for sign in ("*", "`", "$", '"'))
    return halves or text.count("(") > text.count(")")


def opening(every: Sequence[str]) -> list[str]:
    """Return the first sentences of a paragraph, as many as are quickly read."""
    lengths = itertools.accumulate(map(len, every))
    return [each for each, length in zip(every, lengths) if length <= OPENING] or list(every[:1])


def plain(text: str) -> str:
    """Return what is read of markdown."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[*`$]", "", text)


def lines_of(text: str) -> int:
    """Return how many lines a text takes on a slide."""
    return max(1, math.ceil(len(plain(text)) / LETTERS))


def words(text: str) -> Part:
    """Return a paragraph of a slide."""
    return Part(rendered(text), LINE * lines_of(text) + 14)


def bullets(source: str) -> Iterator[Part]:
    """Yield the points of a list, each as a list that goes on where the one before ends."""
    points = re.split(r"^(?=(?:[-*]|\d+\.) )", source, flags=re.M)
    for point in filter(str.strip, points):
        yield Part(rendered(point), LINE * lines_of(point) + 8)


def tables(source: str) -> Iterator[Part]:
    """Yield a table that was written in markdown, in pieces that fit a slide."""
    head, rule, *rows = source.splitlines()
    columns = max(1, head.count("|") - 1)
    piece, height = [head, rule], float(2 * ROW)
    for row in rows:
        longest = max(len(plain(cell)) for cell in row.split("|"))
        lines = math.ceil(longest / (CELLS / columns))
        if height + ROW * lines > ROOM - 2 * LINE:
            yield Part(rendered("\n".join(piece)), height)
            piece, height = [head, rule], float(2 * ROW)
        piece.append(row)
        height += ROW * lines
    yield Part(rendered("\n".join(piece)), height)


# ---------------------------------------------------------------- code and what it shows


def fixed(text: str, most: int = 20) -> tuple[str, float]:
    """Return a style for text in fixed width that does not wrap, and its height in pixels."""
    lines = text.splitlines() or [""]
    size = min(most, WIDE / (0.61 * max(map(len, lines))))
    size = min(size, 0.9 * ROOM / (1.35 * len(lines)))
    return f"font-size: {size:.1f}px", 1.35 * size * len(lines) + 26


def code(source: str) -> Part:
    """Return a cell's code."""
    style, height = fixed(source)
    made = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))
    return Part(f"<pre class='code' style='{style}'><code>{made}</code></pre>", height)


def printed(text: str) -> Part:
    """Return what a cell printed; of much, the beginning."""
    lines = text.rstrip().splitlines()
    if len(lines) > MOST_PRINTED:
        lines = [*lines[: MOST_PRINTED - 1], "..."]
    text = "\n".join(lines)
    style, height = fixed(text)
    return Part(f"<pre class='printed' style='{style}'>{html.escape(text)}</pre>", height)


def picture(data: str, alt: str) -> Part:
    """Return a picture in its own size, or smaller; `on_a_slide` fits its height."""
    width, height = struct.unpack(">II", base64.b64decode(data)[16:24])
    shrunk = min(1.25, WIDE / width, (ROOM - 40) / height)
    source = f"data:image/png;base64,{''.join(data.split())}"
    return image(source, alt, shrunk * height)


def image(source: str, alt: str, height: float) -> Part:
    """Return a picture so high, in pixels."""
    style = f"height: {height:.0f}px; max-width: {WIDE}px"
    return Part(f"<img src='{source}' alt='{html.escape(alt, True)}' style='{style}'>", height + 24)


def diagram(source: str) -> Part:
    """Return a diagram that markdown shows: as wide as the slide, or as high."""
    alt, path = re.search(r"!\[([^\]]*)\]\(([^)]+)\)", source).groups()
    drawn = (ROOT / "docs" / "diagrams" / Path(path).name).read_text("utf-8")
    width, height = map(float, re.search(r"viewBox=.0 0 ([\d.]+) ([\d.]+)", drawn).groups())
    shrunk = min(1.6, WIDE / width, (ROOM - 40) / height)
    return image(f"diagrams/{Path(path).name}", alt, shrunk * height)


def outputs(cell: NotebookNode) -> Iterator[Part]:
    """Yield what a cell has shown, as far as it can be shown on a slide."""
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if output.output_type == "stream":
            yield printed(output.text)
        elif "image/png" in data:
            alt = output.metadata.get("image/png", {}).get("alt", "")
            yield picture(data["image/png"], alt)
        elif "<table" in data.get("text/html", ""):
            shown = data["text/html"]
            yield Part(f"<div class='table'>{shown}</div>", ROW * shown.count("<tr") + 20)
        elif "text/plain" in data and "<IPython" not in data["text/plain"]:
            yield printed(data["text/plain"])


# ---------------------------------------------------------------- a deck


class Deck:
    """The slides of a lesson, made from its cells.

    Parameters
    ----------
    nb, lesson : the lesson
    labs : the recorded pages of its labs
    """

    def __init__(self, nb: NotebookNode, lesson: Lesson, labs: Labs) -> None:
        self.lesson, self.slides = lesson, [Slide(lesson.title)]
        self._labs = labs
        self._lead = ""  # announces the next cell of code
        self._predictions = {each.id: each for each in lesson.predictions}
        self._open()
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                self._tell(cell)
            elif SETUP not in tags(cell):
                self._show(cell)
        self.slides = [slide for slide in self.slides if slide.parts]

    @property
    def slide(self) -> Slide:
        """Return the last slide."""
        return self.slides[-1]

    def _open(self) -> None:
        self._put(words("In this lesson you will"))
        for objective in self.lesson.objectives:
            self._put(*bullets(f"- {objective}"))

    def _put(self, *group: Part) -> None:
        """Put parts on the slide that belong together, or on the next one."""
        if self.slide.parts and self.slide.height + sum(part.height for part in group) > ROOM:
            self.slides.append(Slide(self.slide.title))
        for part in group:
            if self.slide.parts and self.slide.height + part.height > ROOM:
                self.slides.append(Slide(self.slide.title))
            self.slide.parts.append(part)

    def _turn(self, title: str = "") -> None:
        """Begin a slide."""
        self.slides.append(Slide(title or self.slide.title))

    def _note(self, text: str) -> None:
        self.slide.notes.append(text)

    # ------------------------------------------------------------ markdown

    def _tell(self, cell: NotebookNode) -> None:
        """Put on slides what a cell of text has for them, and everything into the notes."""
        if HEADER in tags(cell):
            return
        folded = FOLDED.findall(cell.source)
        text = FOLDED.sub("", cell.source)
        if EXERCISE.match(text):
            self._turn()
            self._put(words(text))
        else:
            for kind, source in blocks(text):
                self._block(kind, source)
        for summary, inside in folded:
            self._note(f"**{summary}.**\n\n{inside}")

    def _block(self, kind: str, source: str) -> None:
        if kind == "heading":
            self._turn(plain(source.lstrip("# ")))
        elif self.slide.title in UNTITLED:
            self._note(source)
        elif kind in ("bullet_list", "ordered_list"):
            for point in bullets(source):
                self._put(point)
        elif kind == "table":
            for piece in tables(source):
                self._put(piece)
        elif kind == "math_block":
            self._put(Part(rendered(source), 2.5 * LINE))
        elif kind == "fence":
            self._put(code(source.strip("`").partition("\n")[2]))
        elif "![" in source:
            self._put(diagram(source))
        elif kind == "paragraph":
            self._paragraph(source)
        else:
            self._note(source)

    def _paragraph(self, source: str) -> None:
        """Put on the slide what is bold in a paragraph, or what opens a part of the lesson."""
        self._note(source)
        every = sentences(source)
        self._lead = every.pop() if every[-1].endswith(":") else ""
        kept = [each for each in every if "**" in each or each.endswith("?")]
        kept = [each for each in kept if each != GUESS]  # the answer has a slide of its own
        if not kept and not self.slide.parts:
            kept = opening(every)
        if kept:
            self._put(words(" ".join(kept)))

    # ------------------------------------------------------------ code

    def _show(self, cell: NotebookNode) -> None:
        """Put a cell of code on slides, with what it shows."""
        lead, self._lead = self._lead, ""
        asked = PREDICTION.search(cell.source)
        if asked:
            self._ask(*asked.groups())
        elif cell.source.startswith("wm.check("):
            return
        elif shows_a_lab(cell):
            self._lab(cell)
        else:
            shown = list(outputs(cell))
            if DRAWS.search(cell.source):  # how a figure is drawn is not the matter
                self._note(f"```python\n{cell.source}\n```")
            else:
                shown.insert(0, code(cell.source))
            if lead:
                shown.insert(0, words(lead))
            self._put(*shown)

    def _ask(self, name: str, compared: str | None) -> None:
        """Put a prediction on a slide of its own, and later its answer."""
        asked = self._predictions[name]
        self._turn("The answer" if compared else "What do you expect?")
        self._put(words(asked.question))
        if compared:
            self._put(words(f"**{asked.options[asked.answer]}**"), words(asked.why))
        else:
            for option in asked.options:
                self._put(*bullets(f"- {option}"))
        self._turn(self.slides[-2].title)

    def _lab(self, cell: NotebookNode) -> None:
        """Put a lab on a slide of its own: live, if it was recorded."""
        page = self._labs.next(cell)
        self._turn()
        if page is None:
            self._put(*outputs(cell))
        else:
            title = f"{self.slide.title}, live"
            frame = f"<iframe data-src='labs/{page.name}' title='{html.escape(title, True)}'>"
            self._put(Part(f"{frame}</iframe>", ROOM))
        self._note(f"```python\n{cell.source}\n```")
        self._turn()


# ---------------------------------------------------------------- pages


def page(deck: Deck) -> str:
    """Return a deck as a page."""
    sections = []
    for place, slide in enumerate(deck.slides):
        level = "h2" if place else "h1"
        inside = "\n".join(part.html for part in slide.parts)
        notes = rendered("\n\n".join(slide.notes))
        sections.append(
            f"<section>\n<{level}>{html.escape(slide.title)}</{level}>\n{inside}\n"
            f"<aside class='notes'>{notes}</aside>\n</section>"
        )
    frame = (HERE / "deck.html").read_text("utf-8")
    colours = HtmlFormatter().get_style_defs(".code")
    given = {"title": html.escape(deck.lesson.name), "colours": colours}
    for name, value in (given | {"slides": "\n".join(sections)}).items():
        frame = frame.replace(f"{{{{ {name} }}}}", value)
    return frame


def contents(course: Course) -> str:
    """Return the page that lists the decks."""
    rows = [f"<li><a href='{each.id}.html'>{each.name}</a></li>" for each in course.lessons]
    frame = (HERE / "index.html").read_text("utf-8")
    return frame.replace("{{ decks }}", "\n".join(rows))


def static(module: str) -> Path:
    """Return where an installed package keeps the files that a page loads."""
    return Path(importlib.util.find_spec(module).submodule_search_locations[0])


def write(folder: Path, labs: Path) -> None:
    """Write all decks, and everything that they load."""
    course = read_course(ROOT)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for lesson in course.lessons:
        path = course.path(lesson)
        deck = Deck(nbformat.read(path, 4), lesson, Labs(path, labs))
        (folder / f"{lesson.id}.html").write_text(page(deck), "utf-8")
    (folder / "index.html").write_text(contents(course), "utf-8")
    shutil.copy(HERE / "slides.css", folder)
    shutil.copytree(labs, folder / "labs", ignore=shutil.ignore_patterns("*.stamp"))
    shutil.copytree(ROOT / "docs" / "diagrams", folder / "diagrams")
    shutil.copytree(static("sphinx_revealjs") / "_static" / "revealjs" / "dist", folder / "reveal")
    notes = static("sphinx_revealjs") / "_static" / "revealjs" / "plugin" / "notes"
    shutil.copytree(notes, folder / "notes")
    mathjax = static("sphinx-mathjax-offline") / "static" / "mathjax" / "tex-svg.js"
    shutil.copy(mathjax, folder)


def main(arguments: list[str]) -> int:
    """Build the slides."""
    folder = Path(arguments[0] if arguments else ROOT / "build" / "slides").resolve()
    write(folder, ROOT / "build" / "labs")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
