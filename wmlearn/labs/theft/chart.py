"""What a thief pays and removes, over all strengths: a live drawing, a picture, and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wmlearn._display import BLUE, VERMILLION, percent, plural
from wmlearn.evidence import stats
from wmlearn.evidence._sentences import expected
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.accuracy_chart import BOTTOM, LEFT, RIGHT, TOP, axes, up
from wmlearn.labs._kit.static import png
from wmlearn.labs._kit.svg import drawing, text
from wmlearn.labs.theft.bench import Point
from wmlearn.labs.theft.thieves import Thief

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT = {
    "found": "the evidence is still there",
    "not found": "there is not enough evidence left to accuse",
    "cannot tell": "nobody can tell from these answers whether it is marked",
}


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """One thief at all strengths, as far as they are known.

    Attributes
    ----------
    points : what is left, by the place of the slider
    """

    thief: Thief
    points: Mapping[int, Point]
    triggers: TriggerSet

    @property
    def known(self) -> list[int]:
        """The places that are joined by a line; whoever trains starts no line from the model as it
        was.
        """
        return sorted(place for place in self.points if place or not self.thief.epochs)

    @property
    def levels(self) -> dict[str, tuple[float, str]]:
        """How many matches are always enough to accuse, and how many luck gives: by CSS class, a
        share and words.
        """
        n, p0 = self.triggers.n, self.triggers.p0
        if p0 is None:
            return {}
        enough = int(stats.matches_needed(n, self.triggers.alpha, p0))
        found = (
            {"wm-line": (enough / n, f"enough to accuse: {enough} of {n}")} if enough <= n else {}
        )
        return found | {"wm-explored": (p0, f"expected by luck: at most {expected(p0 * n)}")}

    @property
    def otherwise(self) -> str:
        """What a verdict is that finds nothing; with fixed labels that number alone decides
        nothing.
        """
        return "not found" if self.levels else "cannot tell"

    # ------------------------------------------------------------ drawn

    def svg(self, chosen: int) -> str:
        """Draw both curves, the line of accusation, and where the slider stands."""
        ticks = {self._across(place): self.thief.labels[place] for place in self._ticks()}
        parts = axes(
            "what is left: task accuracy, and secret questions matched", self.thief.strength, ticks
        )
        parts += [
            f"<path class='{css}' d='M{LEFT} {up(y):.1f}H{RIGHT}'/>"
            for css, (y, _) in self.levels.items()
        ]
        parts.append(f"<path class='wm-now' d='M{self._across(chosen):.1f} {TOP}V{BOTTOM}'/>")
        for css, height in (("wm-task", self._task), ("wm-mark", self._matched)):
            line = "L".join(
                f"{self._across(place):.1f} {up(height(place)):.1f}" for place in self.known
            )
            parts += [f"<path class='{css} wm-thin' d='M{line}'/>"] if line else []
        for place in sorted(
            self.points
        ):  # a square for the mark, filled where there is evidence; a dot for the task
            x, half = self._across(place), 7.5 if place == chosen else 4.5
            parts.append(
                _square(
                    x,
                    up(self._matched(place)),
                    half,
                    self.points[place].verdict.decision == "found",
                )
            )
            dot = f"cx='{x:.1f}' cy='{up(self._task(place)):.1f}' r='{half - 1.5}'"
            parts.append(f"<circle class='wm-task wm-apart' {dot}/>")
        return drawing([*parts, *self._legend(chosen)], self.caption(chosen))

    def _across(self, place: int) -> float:
        return LEFT + 8 + (RIGHT - LEFT - 16) * place / len(self.thief.values)

    def _ticks(self) -> list[int]:
        """Return the places whose strength is written below the axis: the last, and few others not
        too near it.
        """
        last = len(self.thief.values)
        step = -(-last // 6)
        return [*range(0, last - step + 1, step), last]

    def _task(self, place: int) -> float:
        return self.points[place].task_accuracy

    def _matched(self, place: int) -> float:
        return self.points[place].verdict.k / self.triggers.n

    def _legend(self, chosen: int) -> list[str]:
        """Write what is what right of the plot, with the numbers at the chosen strength."""
        rows, point = (
            {"wm-task": "task accuracy", "wm-mark": "questions matched"},
            self.points.get(chosen),
        )
        if point is not None:
            rows["wm-task"] += f" {percent(point.task_accuracy)}"
            rows["wm-mark"] += f" {point.verdict.k} of {self.triggers.n}"
        rows |= {css: words for css, (_, words) in self.levels.items()}
        parts, y = [], TOP + 14
        for css, words in rows.items():
            parts.append(f"<path class='{css} wm-sample' d='M{RIGHT + 12} {y}h26'/>")
            parts.append(text(RIGHT + 43, y + 4, words, "start"))
            y += 26
        for filled, x, words in ((True, RIGHT + 25, "found"), (False, RIGHT + 105, self.otherwise)):
            parts += [_square(x, y, 5, filled), text(x + 18, y + 4, words, "start")]
        return parts

    def caption(self, chosen: int) -> str:
        """Return the drawing as a sentence, for those who do not see it."""
        labels, point = self.thief.labels, self.points.get(chosen)
        now = "not measured yet"
        if point is not None:
            matched = f"{point.verdict.k} of {plural(point.verdict.n, 'question')} matched"
            now = (
                f"task accuracy {percent(point.task_accuracy)}, {matched}, {point.verdict.decision}"
            )
        described = [f"{self.thief.name}, {self.thief.strength} {labels[chosen]}: {now}"]
        described += [words for _, words in self.levels.values()]
        if len(self.known) > 1:
            (first, task, k), (last, least, fewest) = (
                (labels[end], percent(self._task(end)), self.points[end].verdict.k)
                for end in (self.known[0], self.known[-1])
            )
            described.append(
                f"from {first} to {last} the task accuracy goes from {task} to {least}"
            )
            described.append(f"the matches from {k} to {fewest}")
        return "; ".join(described) + "."

    def png(self) -> bytes:
        """Draw the same for where nothing runs, and return the PNG file."""

        def draw(ax: Axes) -> None:
            """Draw both curves and the levels, and right of them what they are."""
            known, matched = self.known, [self._matched(place) for place in self.known]
            task = [self._task(place) for place in known]
            ax.plot(known, task, "o--", color=BLUE, markersize=4, label="task accuracy")
            ax.plot(known, matched, "s-", color=VERMILLION, markersize=5, label="questions matched")
            bare = [
                (x, y) for x, y in zip(known, matched) if self.points[x].verdict.decision != "found"
            ]
            if bare:
                ax.plot(
                    *zip(*bare),
                    "s",
                    color=VERMILLION,
                    markersize=5,
                    mfc="white",
                    label=f"questions: {self.otherwise}",
                )
            for (y, words), style in zip(self.levels.values(), ("--", ":")):
                ax.axhline(y, color="black", linestyle=style, linewidth=1, label=words)
            ax.legend(
                loc="center left",
                bbox_to_anchor=(1, 0.6),
                frameon=False,
                fontsize=9,
                handlelength=1.6,
            )
            ax.set_xticks(self._ticks(), [self.thief.labels[place] for place in self._ticks()])
            ax.set(
                ylim=(-0.04, 1.05),
                xlabel=f"{self.thief.name}: {self.thief.strength}",
                ylabel="what is left",
            )
            ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")

        return png(draw)


def _square(x: float, y: float, half: float, filled: bool) -> str:
    kind = "wm-square" if filled else "wm-square wm-hollow"
    return f"<path class='{kind}' d='M{x - half:.1f} {y - half:.1f}h{2 * half}v{2 * half}h-{2 * half}z'/>"


# ---------------------------------------------------------------- in words


def account(point: Point, owner: Point, tests: int) -> tuple[str, str]:
    """Return what a theft has done to the task and to the evidence, and what it cost besides."""
    low, high = (percent(share) for share in stats.match_interval(point.right, point.seen))
    of = (
        f"{point.seen:,} of the {tests:,} test images"
        if point.seen < tests
        else f"the {tests:,} test images"
    )
    described = f"Task accuracy {percent(point.task_accuracy)} on {of} (95 %: {low} to {high})"
    if point is owner:
        return f"{described}.", "Nothing has been done to it: this is what the thief takes."
    lost = 100 * (owner.right - point.right) / point.seen
    paid = f"he has paid {lost:.1f} points" if lost > 0 else "he has paid nothing"
    described += f", the owner's own model {percent(owner.task_accuracy)} on the same: {paid}, "
    described += f"and {_LEFT[point.verdict.decision]}."
    cost = f"It cost him {plural(point.images, 'image')} of his own, {point.queries:,} answers of the owner's service"
    if point.seconds is None:
        return described, f"{cost}; every image he is asked goes through it first."
    stopped = (
        f", stopped after {plural(len(point.made.history.epochs), 'epoch')}"
        if point.stopped
        else ""
    )
    return described, f"{cost}, {point.seconds:.2g} seconds{stopped}."
