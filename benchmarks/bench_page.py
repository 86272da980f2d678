"""Draw the four plots of `docs/bench.md` and write its tables, from the files in `docs/results`.

The drawings are SVG: transparent, in the colours of Okabe and Ito, with ink that follows the
reader's theme. The text between the page's markers is rewritten, the rest stays::

    python benchmarks/bench_page.py
"""

from __future__ import annotations

import csv
import html
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from _rows import FOLDER

from wmlearn.evidence import stats

DOCS = FOLDER.parent
PAGE, PICTURES = DOCS / "bench.md", DOCS / "img"
Row = Mapping[str, str]

PARTS = ("training", "embedding", "extraction", "http", "neighbours", "labs", "learner", "install")
PARTS += ("test",)
MEDIAN_AIM, SLOW_AIM = 35, 60  # milliseconds from key to screen: median, 95th percentile
STYLE = """<style>
text{font:12px system-ui,sans-serif;fill:#1f2328}
.faint{fill:#59636e}
.grid{stroke:#8b949e;stroke-opacity:.35}
.ours{stroke:#0072b2;fill:#0072b2;stroke-width:2}
.theirs{stroke:#d55e00;fill:#d55e00;stroke-width:2}
.aim{stroke:#009e73;fill:none;stroke-width:2}
.line{fill:none}
@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.faint{fill:#9198a1}
.ours{stroke:#56b4e9;fill:#56b4e9}.line{fill:none}}
</style>"""


def read(name: str) -> list[Row]:
    """Return the rows of a file in `docs/results`."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if line[0] != "#"))


def measured(reads: str = "") -> list[Row]:
    """Return the rows of the bench that could be measured, part by part."""
    rows = [row for row in read("bench") if row["note"] != "unmeasured"]
    rows = [row for row in rows if not reads or (row["ratio"] and row["reads"] == reads)]
    return sorted(rows, key=lambda row: PARTS.index(row["part"]))


def aim(row: Row) -> float | None:
    """Return the ratio that was aimed at, if there is one."""
    return float(row["aim"]) if row["aim"] else None


# ---------------------------------------------------------------- drawing


@dataclass
class Drawing:
    """An SVG picture with a logarithmic scale.

    Attributes
    ----------
    left, right : the pixels of the ends of the scale
    low, high : the numbers there
    """

    low: float
    high: float
    height: int
    left: int = 450
    right: int = 720
    width: int = 840
    parts: list[str] = field(default_factory=list)

    def across(self, value: float) -> float:
        """Return the horizontal position of a number."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.left + share * (self.right - self.left)

    def text(self, x: float, y: float, words: str, css: str = "", anchor: str = "start") -> None:
        """Write words at a position."""
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}"'
        self.parts.append(f"<text {place}>{html.escape(words)}</text>")

    def path(self, steps: str, css: str) -> None:
        """Draw a line, given in SVG's notation."""
        self.parts.append(f'<path d="{steps}" class="{css}"/>')

    def scale(self, ticks: Iterable[float], unit: str) -> None:
        """Draw a vertical line at each number, with the number below it."""
        bottom = self.height - 34
        for tick in ticks:
            x = self.across(tick)
            self.path(f"M{x:.1f} 20V{bottom}", "grid")
            self.text(x, bottom + 15, f"{tick:g}", "faint", "middle")
        self.text(self.right, bottom + 31, unit, "faint", "end")

    def spread(self, y: float, figures: Sequence[float], css: str) -> None:
        """Draw a median (our disc or their square) on the line of its spread."""
        middle, low, high = map(self.across, figures)
        self.path(f"M{low:.1f} {y}H{high:.1f}", css)
        if css == "ours":
            self.parts.append(f'<circle cx="{middle:.1f}" cy="{y}" r="5" class="{css}"/>')
        else:
            self.path(f"M{middle - 4.5:.1f} {y - 4.5}h9v9h-9z", css)

    def aim(self, y: float, value: float) -> None:
        """Draw the aim of a median: a triangle on its tip."""
        self.path(f"M{self.across(value):.1f} {y}l-5 -9h10z", "aim")

    def svg(self, caption: str) -> str:
        """Return the picture, with a sentence for readers who cannot see it."""
        size = f'width="{self.width}" height="{self.height}"'
        box = f'viewBox="0 0 {self.width} {self.height}"'
        start = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img">'
        title = f"<title>{html.escape(caption)}</title>"
        return "\n".join([start, title, STYLE, *self.parts, "</svg>", ""])


def three(row: Row, name: str) -> list[float]:
    """Return a median and the ends of its spread."""
    return [float(row[f"{name}{end}"]) for end in ("", "_low", "_high")]


def ticks_between(low: float, high: float) -> list[float]:
    """Return the numbers 1, 2 and 5 times powers of ten within a range, at most eight.

    Examples
    --------
    >>> ticks_between(0.8, 30)
    [1, 2, 5, 10, 20]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    inside = [int(tick) if tick >= 1 else tick for tick in ticks if low <= tick <= high]
    return inside if len(inside) <= 8 else [tick for tick in inside if f"{tick:.0e}"[0] == "1"]


def times(value: float) -> str:
    """Return a ratio as text."""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def ratios(rows: Sequence[Row], unit: str) -> Drawing:
    """Draw the ratio of each row, with its aim."""
    goals = [aim(row) for row in rows]
    ends = [end for row in rows for end in three(row, "ratio")]
    ends += [1, *(goal for goal in goals if goal)]
    drawing = Drawing(min(ends) / 1.1, max(ends) * 1.1, 34 * len(rows) + 64)
    drawing.scale(ticks_between(drawing.low, drawing.high), unit)
    for number, (row, goal) in enumerate(zip(rows, goals)):
        y = 36 + 34 * number
        figures = three(row, "ratio")
        drawing.text(0, y - 2, row["work"])
        drawing.text(0, y + 13, f"against {row['against']}", "faint")
        drawing.spread(y, figures, "ours")
        words = times(figures[0])
        if goal:
            drawing.aim(y - 5, goal)
            words = f"{words} (aim {goal:g})"
        drawing.text(drawing.right + 8, y + 4, words)
    return drawing


def summed(what: str, rows: Sequence[Row]) -> str:
    """Return a plot of ratios as a sentence."""
    middles = sorted(float(row["ratio"]) for row in rows)
    ends = f"from {times(middles[0])} to {times(middles[-1])}"
    return f"{what}: {len(rows)} medians, {ends}; the table of all rows lists each."


# ---------------------------------------------------------------- the four


def faster() -> tuple[str, str]:
    """Return the plot of the tasks that are faster than their peer, and its caption."""
    rows = [row for row in measured("faster") if row["part"] != "labs"]
    caption = summed("How many times faster than its peer each task is", rows)
    return ratios(rows, "times faster").svg(caption), caption


def floors() -> tuple[str, str]:
    """Return the plot of the tasks beside their baseline, and its caption."""
    rows = measured("slower")
    caption = summed("How many times as long as its baseline each task takes", rows)
    return ratios(rows, "times as long").svg(caption), caption


def screen() -> tuple[str, str]:
    """Return the plot of the labs, from key to screen, and its caption."""
    rows = [row for row in measured("faster") if row["part"] == "labs"]
    ends = [1000 * end for row in rows for who in ("ours", "theirs") for end in three(row, who)]
    drawing = Drawing(min(ends) / 1.1, max(ends) * 1.1, 44 * len(rows) + 64, left=200)
    drawing.scale(ticks_between(drawing.low, drawing.high), "milliseconds from key to screen")
    said = []
    for number, row in enumerate(rows):
        y = 36 + 44 * number
        drawing.text(0, y + 8, row["work"].partition(":")[0])
        for shift, who, words in ((0, "ours", "lab"), (18, "theirs", "matplotlib")):
            figures = [1000 * end for end in three(row, who)]
            drawing.spread(y + shift, figures, who)
            drawing.text(drawing.right + 8, y + shift + 4, f"{words} {figures[0]:.0f}")
        drawing.aim(y - 5, MEDIAN_AIM)
        drawing.aim(y - 5, SLOW_AIM)
        ours, theirs = (f"{1000 * float(row[who]):.0f} ms" for who in ("ours", "theirs"))
        said.append(f"{row['work']} {ours}, by matplotlib {theirs}")
    caption = f"From key to screen, median. {'; '.join(said)}."
    return drawing.svg(caption), caption


GROWN = {
    ("epoch", "images"): "an epoch, by images",
    ("ask", "queries"): "asking a service, by queries",
    ("compare", "nulls"): "a verdict, by null models",
    ("verify_all", "suspects"): "verdicts, by suspects",
    ("verify", "triggers"): "a verdict, by triggers",
    ("tilt", "images"): "signs of a lean, by images",
    ("tilt", "pixels"): "the same, by pixels",
    ("judge", "triggers"): "a judge's verdict, by triggers",
    ("epoch", "classes"): "an epoch, by classes",
}


def growth() -> tuple[str, str]:
    """Return the plot of how cost grows, and its caption."""
    curves = {case: [] for case in GROWN}
    for row in read("growth"):
        curves.get((row["act"], row["over"]), []).append(row)
    drawing = Drawing(1, 20, 420, left=50, right=480)
    bottom, top = 386, 20

    def up(value: float) -> float:
        return bottom - (bottom - top) * math.log(value / 0.8) / math.log(20 / 0.8)

    drawing.scale((1, 2, 5, 10, 20), "size, in multiples of the smallest")
    for tick in (1, 2, 5, 10, 20):
        drawing.path(f"M50 {up(tick):.1f}H480", "grid")
        drawing.text(44, up(tick) + 4, f"{tick}", "faint", "end")
    drawing.text(0, 12, "time, in multiples of the smallest", "faint")
    ends = []
    for case, rows in curves.items():
        sizes = [float(row["size"]) / float(rows[0]["size"]) for row in rows]
        taken = [float(row["seconds"]) / float(rows[0]["seconds"]) for row in rows]
        places = [f"{drawing.across(x):.1f} {up(y):.1f}" for x, y in zip(sizes, taken)]
        drawing.path("M" + "L".join(places), "ours line")
        end = drawing.across(sizes[-1]), up(taken[-1])
        ends.append((*end, f"{GROWN[case]}: n^{rows[0]['exponent']}"))
    floor = math.inf
    for x, y, words in sorted(ends, key=lambda end: -end[1]):  # upwards, labels pushed apart
        floor = min(y, floor - 16)
        drawing.path(f"M{x + 3:.1f} {y:.1f}L494 {floor:.1f}", "grid")
        drawing.text(498, floor + 4, words)
    said = [words for *_, words in ends]
    caption = f"How time grows with size, as an exponent. {'; '.join(said)}."
    return drawing.svg(caption), caption


PLOTS = {"faster": faster, "floors": floors, "screen": screen, "growth": growth}


# ---------------------------------------------------------------- the page


def seconds(value: float | str) -> str:
    """Return seconds for people: three digits, in milliseconds below one second.

    Examples
    --------
    >>> seconds("0.0377"), seconds("13.43"), seconds("2894.1")
    ('37.7 ms', '13.4 s', '2,890 s')
    """
    value = float(f"{float(value):.3g}")
    return f"{1000 * value:g} ms" if value < 1 else f"{value:,g} s"


def table() -> str:
    """Return all rows as one table."""
    lines = [
        "| task | against | ours | theirs | ratio (5 to 95 %) | aim | accuracy |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows = measured()
    for row in rows:
        ratio = ""
        if row["ratio"]:
            middle, low, high = map(times, three(row, "ratio"))
            ratio = f"{middle} times {row['reads'].replace('slower', 'as long')} ({low} to {high})"
        accuracies = [row["our_accuracy"], row["their_accuracy"]]
        learnt = " / ".join(f"{100 * float(each):.1f} %" for each in accuracies if each)
        theirs = seconds(row["theirs"]) if row["theirs"] else row["note"]
        start = (row["work"], row["against"], seconds(row["ours"]), theirs)
        cells = (*start, ratio, row["aim"], learnt)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def machines() -> str:
    """Return the machine and versions on which the rows were measured."""
    rows = read("bench")
    said = " and on ".join(sorted({f"{row['cpu']}, {row['cores']} cores" for row in rows}))
    versions = sorted({each for row in rows for each in row["versions"].split("; ")})
    loads = [float(row["load"]) for row in rows]
    load = f"The load average at the end of a row was {min(loads):.1f} to {max(loads):.1f}."
    return textwrap.fill(f"Measured on {said}, with {', '.join(versions)}. {load}", 100)


def limits() -> str:
    """Return what the first limit is at a thousand, and what to use then."""
    rows = {(row["act"], row["over"], row["size"]): float(row["seconds"]) for row in read("growth")}
    suspect, query = (
        rows["verify_all", "suspects", "80"] / 80,
        rows["ask", "queries", "8000"] / 8000,
    )
    asked = suspect + 150 * query
    perfect = [stats.questions_needed(0.001, 0.1, family=family) for family in (1, 1000)]
    worn = [stats.questions_needed(0.001, 0.1, family=family, rate=0.5) for family in (1, 1000)]
    (note,) = (row["note"] for row in read("bench") if row["part"] == "learner")
    memory = float(note.split()[0])
    suspects = (
        "**A thousand suspects.** Time is not the limit. The limit is alpha, because all suspects "
        "that are tried share it. Declare `family=1000` with the first test, seal more than thirty "
        "questions, and distribute the work over several machines with `wm.sweep` on a "
        "[cluster](howto/cluster.md)."
    )
    at_scale = [
        "| | one suspect | a thousand |",
        "| --- | --- | --- |",
        f"| processor time, in this process | {seconds(suspect)} | {1000 * suspect:.0f} s |",
        f"| the same over HTTP, 150 images each | {seconds(asked)} | {1000 * asked:.0f} s |",
        f"| questions, for a perfect copy | {perfect[0]} | {perfect[1]} |",
        f"| questions, for a copy that answers half of them (median) | {worn[0]} | {worn[1]} |",
    ]
    learners = (
        "**A thousand learners.** The first limit is memory, the next is cores: each live training "
        "takes one. A service that all learners ask is not the limit as long as they send batches; "
        "but it is one process, which keeps its log in memory. For so many learners use JupyterHub "
        "on several machines (Zero to JupyterHub, with a memory limit per learner) or Binder, and "
        "put the service behind a server built for load, such as Triton or MLServer: "
        "`wm.RemoteModel` asks it in the same way."
    )
    room = [
        "| | |",
        "| --- | --- |",
        f"| memory of a kernel that has trained, served and asked | {memory:.1f} GB |",
        f"| learners that fit on a machine of 64 GB | {64 / memory:.0f} |",
        f"| memory for a thousand learners | {1000 * memory:,.0f} GB |",
        f"| one core's time for one image of a shared service | {1000 * query:.2f} ms |",
        f"| images that it answers per second | {1 / query:,.0f} |",
    ]
    paragraphs = [textwrap.fill(each, 100) for each in (suspects, learners)]
    tables = ["\n".join(lines) for lines in (at_scale, room)]
    return "\n\n".join(part for pair in zip(paragraphs, tables) for part in pair)


def picture(name: str, caption: str) -> str:
    """Return a picture in Markdown."""
    words = re.sub(r"[\[\]]", "", caption)
    return f"![{words}](img/bench-{name}.svg)"


def blocks() -> dict[str, str]:
    """Return the text between the page's markers, by name; draw nothing."""
    drawn = {name: picture(name, plot()[1]) for name, plot in PLOTS.items()}
    return drawn | {"table": table(), "machines": machines(), "limits": limits()}


def between(name: str) -> re.Pattern[str]:
    """Return the pattern of a block of the page."""
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)


def main() -> None:
    for name, plot in PLOTS.items():
        (PICTURES / f"bench-{name}.svg").write_text(plot()[0], encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    for name, text in blocks().items():
        page = between(name).sub(lambda _: text + "\n", page)  # noqa: B023
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
