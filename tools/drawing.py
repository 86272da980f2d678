"""Drawings in SVG that can be read on a light and on a dark page: cards, arrows, words.

A picture in a page cannot know the page's theme. So the ground is transparent, lines are of a grey
that stands out from white and from black, and all writing lies on a card of its own.
"""

from __future__ import annotations

import html

INK, LINE = "#1f1f1f", "#808080"  # what is written on a card; what is drawn between cards
# A card's ground and its edge: Okabe and Ito's colours and pale ones of the same hue.
GROUNDS = {
    "owner": ("#d6e8f5", "#0072b2"),
    "thief": ("#fbdfcb", "#d55e00"),
    "judge": ("#cfeee2", "#009e73"),
    "plain": ("#ececec", "#808080"),
}
SIZE, LEADING = 14, 19  # of letters and of lines, in pixels
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
Point = tuple[float, float]


class Drawing:
    """What is drawn so far, as SVG; places are in pixels from the top left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height, self.parts = width, height, list[str]()

    def add(self, element: str) -> None:
        self.parts.append(element)

    def rect(
        self, x: float, y: float, w: float, h: float, fill: str, edge: str, rx: float = 6
    ) -> None:
        self.add(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{rx:g}" fill="{fill}" '
            f'stroke="{edge}" stroke-width="1.5"/>'
        )

    def path(self, steps: str, color: str = LINE, width: float = 2, dashed: bool = False) -> None:
        dashes = ' stroke-dasharray="7 5"' if dashed else ""
        self.add(
            f'<path d="{steps}" fill="none" stroke="{color}" stroke-width="{width:g}"'
            f'{dashes} stroke-linecap="round" stroke-linejoin="round"/>'
        )

    def text(self, x: float, y: float, words: str, bold: bool = False, anchor: str = "middle"):
        weight = ' font-weight="bold"' if bold else ""
        self.add(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{weight}>{html.escape(words)}</text>'
        )

    def card(
        self, x: float, y: float, w: float, h: float, *lines: str, who: str = "plain", bold: int = 1
    ) -> None:
        """Draw a card with lines of text in its middle, so many of them bold."""
        self.rect(x, y, w, h, *GROUNDS[who])
        top = y + h / 2 - (len(lines) - 1) * LEADING / 2 + SIZE / 3
        for i, words in enumerate(lines):
            self.text(x + w / 2, top + i * LEADING, words, bold=i < bold)

    def pill(self, x: float, y: float, words: str) -> None:
        """Write words around a place, on a small ground of their own."""
        width = 7.3 * len(words) + 14
        self.add(
            f'<rect x="{x - width / 2:g}" y="{y - 11:g}" width="{width:g}" height="22" rx="11" '
            f'fill="{GROUNDS["plain"][0]}"/>'
        )
        self.text(x, y + 5, words)

    def arrow(
        self, *points: Point, words: str = "", dashed: bool = False, at: float | None = None
    ) -> None:
        """Draw an arrow along points; words go to the middle of it, or to height `at`."""
        (x0, y0), (x1, y1) = points[-2:]
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        neck = (x1 - 9 * ux, y1 - 9 * uy)
        along = "L".join(f"{x:g} {y:g}" for x, y in (*points[:-1], neck))
        self.path(f"M{along}", dashed=dashed)
        left = f"{neck[0] - 5 * uy:.1f} {neck[1] + 5 * ux:.1f}"
        right = f"{neck[0] + 5 * uy:.1f} {neck[1] - 5 * ux:.1f}"
        self.add(f'<path d="M{x1:g} {y1:g}L{left}L{right}Z" fill="{LINE}"/>')
        if words:
            first, last = points[0], points[-1]
            middle = (first[1] + last[1]) / 2 if at is None else at
            self.pill((first[0] + last[0]) / 2, middle, words)

    def svg(self, words: str) -> str:
        """Return the whole as a file, with words for those who do not see it."""
        size = f'width="{self.width}" height="{self.height}"'
        box = f'viewBox="0 0 {self.width} {self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img"'
        font = f'font-family="{FONT}" font-size="{SIZE}" fill="{INK}"'
        body = "\n".join(self.parts)
        return f"{head} {font}>\n<title>{html.escape(words)}</title>\n{body}\n</svg>\n"
