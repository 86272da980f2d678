"""What a thief pays and removes, over all strengths: a drawing, and sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from wmlearn._display import percent, plural
from wmlearn.evidence import stats
from wmlearn.evidence.verdict_kinds import FixedVerdict, KeyedVerdict
from wmlearn.labs._kit.accuracy_chart import RIGHT, TOP, share_chart
from wmlearn.labs._kit.svg import LEFT, Chart, Layers
from wmlearn.labs.theft.bench import Attempt, Point
from wmlearn.labs.theft.thieves import Thief

_MARGIN = 8  # pixels at both ends of the axis, where a square must not be cut
_LEFT = {
    "found": "the evidence is still there",
    "not found": "there is not enough evidence left to accuse",
    "cannot tell": "nobody can tell from these answers whether it is marked",
}


@dataclass(eq=False)
class Tradeoff:
    """One thief at all strengths, as far as they are known, and where the slider stands.

    Attributes
    ----------
    points : what is left, by the place of the slider
    place : where the slider stands
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
        """What is left where the slider stands; None before it is known."""
        return self.points.get(self.place)

    @property
    def strength(self) -> str:
        """The strength where the slider stands."""
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
        """The places that are joined by a line; whoever trains starts no line from the model as it
        was.
        """
        return sorted(place for place in self.points if place or not self.thief.epochs)

    @cached_property
    def levels(self) -> dict[str, tuple[float, str]]:
        """How many matches are always enough to accuse, and how many luck gives: by CSS class, a
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

    def svg(self) -> str:
        """Draw both curves, the line of accusation, and where the slider stands."""
        return self._chart().svg(self.caption())

    def layers(self) -> Layers:
        """Draw the same in two pieces."""
        return self._chart().layers(self.caption())

    def _chart(self) -> Chart:
        last = len(self.thief.values)
        margin = _MARGIN * last / (RIGHT - LEFT - 2 * _MARGIN)
        chart = share_chart(-margin, last + margin)
        step = -(-last // 6)  # words only below the last place, and few others not too near it
        labelled = [*range(0, last - step + 1, step), last]
        chart.columns({place: self.thief.labels[place] for place in labelled})
        chart.frame("what is left: task accuracy, and secrets matched", self.thief.strength)
        for css, (share, _) in self.levels.items():
            chart.level(css, share)
        chart.now(self.place)
        task = {place: self.points[place].task_accuracy for place in self.known}
        matched = {place: self.points[place].matched for place in self.known}
        chart.line("wm-task wm-thin", task.items())
        chart.line("wm-mark wm-thin", matched.items())
        for place, point in sorted(self.points.items()):
            half = 7.5 if place == self.place else 4.5
            found = point.verdict.decision == "found"
            _square(chart, chart.across(place), chart.up(point.matched), half, found)
            chart.dot("wm-task wm-apart", place, point.task_accuracy, half - 1.5)
        self._legend(chart)
        return chart

    def _legend(self, chart: Chart) -> None:
        """Write what is what right of the plot, with the numbers at the chosen strength."""
        verdict = self.points[0].verdict
        rows = {"wm-task": "task accuracy", "wm-mark": f"{verdict.unit.name}s matched"}
        if self.point is not None:
            rows["wm-task"] += f" {percent(self.point.task_accuracy)}"
            rows["wm-mark"] += f" {self.point.verdict.k} of {verdict.n}"
        rows |= {css: words for css, (_, words) in self.levels.items()}
        y = TOP + 14
        for css, words in rows.items():
            chart.path(f"{css} wm-sample", f"M{RIGHT + 12} {y}h26")
            chart.text(RIGHT + 43, y + 4, words)
            y += 26
        # with fixed labels the number alone decides nothing
        otherwise = "not found" if self.levels else "cannot tell"
        _square(chart, RIGHT + 25, y, 5, filled=True)
        chart.text(RIGHT + 43, y + 4, "found")
        _square(chart, RIGHT + 100, y, 5, filled=False)
        chart.text(RIGHT + 118, y + 4, otherwise)

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
    if point.seconds is None:
        return described, f"{cost}; every image goes through it first."
    cost += f", {point.seconds:.2g} seconds"
    if point.made is not None and point.made.history.stopped:
        cost += f", stopped after {plural(len(point.made.history.epochs), 'epoch')}"
    return described, f"{cost}."
