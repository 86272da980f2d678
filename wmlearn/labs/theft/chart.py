"""What a thief pays and removes, at every strength: a drawing, and sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from wmlearn._display import percent, plural
from wmlearn.evidence import stats
from wmlearn.evidence.verdict_kinds import FixedVerdict, KeyedVerdict
from wmlearn.labs._kit.accuracy_chart import RIGHT, SHARES, TOP, share_chart
from wmlearn.labs._kit.svg import BOTTOM, HEIGHT, LEFT, NARROW, Chart, is_narrow
from wmlearn.labs.theft.bench import Attempt, Point
from wmlearn.labs.theft.thieves import Thief

PAID = (20, 10, 5)  # points of accuracy at most, in the corner that the thief wants
_TEXT = 30  # pixels between the signs of the legend and their words
_LEFT = {
    "found": "the evidence is still there",
    "not found": "there is not enough evidence left to accuse",
    "cannot tell": "nobody can tell from these answers whether it is marked",
}


@dataclass(eq=False)
class Tradeoff:
    """One thief at all strengths, as far as they are known, and where the slider is.

    Attributes
    ----------
    points : what is left, by the place of the slider
    place : where the slider is
    attempt : the last run
    fault : why this thief can do nothing with this model, if so
    """

    thief: Thief
    points: Mapping[int, Point]
    place: int = 0
    attempt: Attempt | None = None
    fault: str = ""

    @property
    def point(self) -> Point | None:
        """What is left where the slider is; None before it is known."""
        return self.points.get(self.place)

    @property
    def strength(self) -> str:
        """The strength where the slider is."""
        return self.thief.labels[self.place]

    @property
    def missing(self) -> list[int]:
        """The places that can be worked out without training, and are not yet."""
        if self.thief.epochs or self.fault:
            return []
        places = range(1, len(self.thief.values) + 1)
        return [place for place in places if place not in self.points]

    def keep(self, place: int, point: Point) -> None:
        """Keep a point, in a new dictionary: another thread may be looking at the old one."""
        self.points = {**self.points, place: point}

    @property
    def known(self) -> list[int]:
        """The places that are joined by a line; that of a thief who trains does not begin at the
        model as it was.
        """
        return sorted(place for place in self.points if place or not self.thief.epochs)

    @cached_property
    def levels(self) -> dict[str, tuple[float, str]]:
        """How many matches are always enough to accuse, and how many chance gives: by CSS class, a
        share and words.
        """
        verdict = self.points[0].verdict
        n, p0 = verdict.n, verdict.terms.p0
        levels: dict[str, tuple[float, str]] = {}
        if isinstance(verdict, KeyedVerdict):  # of signs the weight decides, and no number
            enough = int(stats.matches_needed(n, verdict.alpha, p0))
            if enough <= n:
                levels["wm-line"] = enough / n, f"enough to accuse: {enough} of {n}"
        if not isinstance(verdict, FixedVerdict):
            levels["wm-explored"] = p0, f"expected by chance: {verdict.by_luck}"
        return levels

    # ------------------------------------------------------------ drawn

    def chart(self) -> Chart:
        """Draw what is left at every strength, the corner that the thief wants, and, as what moves,
        where they are now.
        """
        chart = share_chart(0, 1)
        if is_narrow():
            chart.width, chart.height = NARROW, HEIGHT + 176
        chart.columns(SHARES)
        chart.frame(f"{self.points[0].verdict.unit.name}s matched", "task accuracy")
        for css, (share, _) in self.levels.items():
            chart.level(css, share)
        self._legend(chart)
        known = [self.points[place] for place in self.known]
        chart.line("wm-mark wm-thin", [(point.task_accuracy, point.matched) for point in known])
        for point in self.points.values():
            _mark(chart, point, 4.5)
        chart.behind = len(chart.parts)
        self._here(chart)
        return chart

    def _legend(self, chart: Chart) -> None:
        """Write what is what, below the numbers at the chosen strength."""
        x, y = _words_at()
        y += 58
        for css, (_, words) in self.levels.items():
            chart.path(f"{css} wm-sample", f"M{x} {y}h26")
            chart.text(x + _TEXT, y + 4, words)
            y += 24
        # with fixed labels the number alone decides nothing
        otherwise = "not found" if self.levels else "cannot tell"
        _square(chart, x + 13, y, 5, filled=True)
        chart.text(x + _TEXT, y + 4, "found")
        _square(chart, x + _TEXT + 56, y, 5, filled=False)
        chart.text(x + _TEXT + 68, y + 4, otherwise)
        if "wm-line" in self.levels:
            self._corner(chart, x, y + 24)

    def _corner(self, chart: Chart, x: int, y: int) -> None:
        """Shade where the watermark is gone and the accuracy kept, the more the less is paid; at a
        place of the legend say so.
        """
        owner, enough = self.points[0].task_accuracy, chart.up(self.levels["wm-line"][0])
        for paid in PAID:
            left = chart.across(owner - paid / 100)
            chart.path("wm-corner", f"M{left:.1f} {enough:.1f}H{RIGHT}V{BOTTOM}H{left:.1f}z")
        chart.path("wm-corner", f"M{x} {y - 8}h26v16h-26z")
        chart.text(x + _TEXT, y + 4, "where the thief wants to be,")
        chart.text(x + _TEXT, y + 20, "20, 10, 5 points paid at most")

    def _here(self, chart: Chart) -> None:
        """Draw the chosen strength, and write its numbers."""
        point, (x, y) = self.point, _words_at()
        chart.text(x, y, f"{self.thief.name}, {self.strength}")
        if point is None:
            chart.text(x, y + 17, "not measured yet")
            return
        _mark(chart, point, 7.5)
        verdict, accuracy = point.verdict, percent(point.task_accuracy)
        chart.text(x, y + 17, f"task accuracy {accuracy}", css="wm-value")
        matched = f"{verdict.unit.name}s matched {verdict.k} of {verdict.n}"
        chart.text(x, y + 34, matched, css="wm-value")

    def caption(self) -> str:
        """Return the drawing as a sentence, for those who do not see it."""
        now = "not measured yet"
        if self.point is not None:
            verdict, accuracy = self.point.verdict, percent(self.point.task_accuracy)
            matched = f"{verdict.k} of {plural(verdict.n, verdict.unit.name)} matched"
            now = f"task accuracy {accuracy}, {matched}, {verdict.decision}"
        described = [f"{self.thief.name}, {self.thief.strength} {self.strength}: {now}"]
        described += [words for _, words in self.levels.values()]
        if len(self.known) > 1:
            first, last = self.known[0], self.known[-1]
            start, end = self.points[first], self.points[last]
            described.append(
                f"from {self.thief.labels[first]} to {self.thief.labels[last]} the task accuracy "
                f"goes from {percent(start.task_accuracy)} to {percent(end.task_accuracy)}"
            )
            described.append(f"the matches from {start.verdict.k} to {end.verdict.k}")
        return "; ".join(described) + "."


def _words_at() -> tuple[int, int]:
    """Return where the words begin: right of the plot, or where there is no room, below it."""
    return (LEFT, HEIGHT + 14) if is_narrow() else (RIGHT + 12, TOP + 4)


def _mark(chart: Chart, point: Point, half: float) -> None:
    """Draw what is left of a model: a square, filled where there is evidence."""
    x, y = chart.across(point.task_accuracy), chart.up(point.matched)
    _square(chart, x, y, half, point.verdict.decision == "found")


def _square(chart: Chart, x: float, y: float, half: float, filled: bool) -> None:
    """Draw the sign of the watermark around a pixel, filled where there is evidence."""
    css = "wm-square" if filled else "wm-square wm-hollow"
    side = 2 * half
    chart.path(css, f"M{x - half:.1f} {y - half:.1f}h{side}v{side}h-{side}z")


# ---------------------------------------------------------------- in words


def account(point: Point, owner: Point, tests: int) -> tuple[str, str]:
    """Return what a theft has done to the task and to the evidence, and what it cost besides."""
    low, high = stats.match_interval(point.right, point.seen)
    of = f"the {tests:,} test images"
    if point.seen < tests:
        of = f"{point.seen:,} of {of}"
    described = (
        f"Task accuracy {percent(point.task_accuracy)} on {of} "
        f"(95 %: {percent(float(low))} to {percent(float(high))})"
    )
    if point is owner:
        return f"{described}.", "Nothing has been done to it: this is what the thief takes."
    lost = 100 * (owner.right - point.right) / point.seen
    paid = f"{lost:.1f} points" if lost > 0 else "nothing"
    described += (
        f", the owner's own model {percent(owner.task_accuracy)} on the same: the thief has paid "
        f"{paid}, and {_LEFT[point.verdict.decision]}."
    )
    own = plural(point.images, "image")
    cost = f"It cost the thief {own} of their own, {point.queries:,} answers of the owner's service"
    if point.filters:
        return described, f"{cost}; every image goes through the filter first."
    if point.made is not None and point.made.history.stopped:
        cost += f", stopped after {plural(len(point.made.history.epochs), 'epoch')}"
    return described, f"{cost}."
