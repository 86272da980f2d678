"""What the trigger studio works out and draws, without any widget: triggers, what innocents answer,
how visible.
"""

from __future__ import annotations

import hashlib
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from wmlearn._display import percent, plural, png_uri
from wmlearn._types import Labels, Pixels
from wmlearn.data.splits import Splits
from wmlearn.evidence._sentences import expected
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.svg import BOTTOM, HEIGHT, LEFT, NARROW, WIDTH, Chart, is_narrow
from wmlearn.labs._kit.views import small
from wmlearn.labs.studio.likeness import psnr, ssim
from wmlearn.training._inference import predict
from wmlearn.triggers.trigger import Trigger

SHOWN = 12  # triggers in the preview: what 20 networks answer to them is known in a blink


@dataclass(frozen=True, eq=False)
class Preview:
    """Triggers as they would be sealed, and what innocent models answer to some of them.

    Sealing takes 50 ms on purpose, and no picture and no innocent answer waits for it. Until it is
    done `triggers` is None, and secret answers that come out of it are not known.

    Attributes
    ----------
    recipe, rules : what makes the triggers, and the rules for their answers
    pixels, before : the triggers, and the images they were made from, (n, c, h, w); None where
        there are none
    question, names : the question of each image, (n,), and what each question shows
    shown, asked : the positions of the images that are shown, and of those that the models were
        asked
    answers : what they said, one row a model, shape (models, asked)
    secret : the secret label of every image; None until it is drawn
    triggers : the sealed set
    """

    recipe: Trigger
    rules: Rules
    pixels: Pixels
    before: Pixels | None
    question: Labels
    names: tuple[str, ...]
    shown: Labels
    asked: Labels
    answers: Labels
    secret: Labels | None
    triggers: TriggerSet | None = None

    @property
    def shares(self) -> np.ndarray:
        """The share of the answers that each class got, 0 to 1."""
        classes = len(self.rules.classes)
        return np.bincount(self.answers.ravel(), minlength=classes)[:classes] / self.answers.size

    @property
    def target(self) -> str | None:
        """The class that fixed labels aim at, by name; None where each question has its own answer,
        or none yet.
        """
        return self.answer(0) if self.rules.fixed else None

    @property
    def all_asked(self) -> bool:
        """Whether the models were asked about every image, not only about those shown."""
        return len(self.asked) == len(self.pixels)

    @property
    def asked_which(self) -> str:
        """The images that the models were asked, in words."""
        if self.all_asked:
            return f"all {plural(len(self.asked), 'trigger')}"
        return f"the {len(self.asked)} triggers shown"

    def answer(self, image: int) -> str | None:
        """Return the secret answer to an image, by name; None until it is drawn."""
        if self.secret is None:
            return None
        return self.rules.classes[int(self.secret[image])]

    def ask_all(self, innocents: Witnesses) -> Preview:
        """Return the same triggers with what innocents answer to all of them."""
        answers = innocents.ask(self.pixels)
        return replace(self, asked=np.arange(len(self.pixels)), answers=answers)


def preview(recipe: Trigger, data: Splits, *, n: int, key: bytes, innocents: Witnesses) -> Preview:
    """Make the triggers, and ask the innocents about those to be shown, the first image of a
    question; seal nothing.
    """
    # wrong rules are refused here, before anything is made
    rules = recipe.rules(data.classes, 1e-3)
    before, pixels, question, names = recipe.sketch(data, n=n, key=key)
    secret = None
    if rules.fixed and rules.target != "random":
        secret = np.full(n, rules.target)
    shown = np.searchsorted(question, np.arange(min(SHOWN, len(names))))
    return Preview(
        recipe=recipe,
        rules=rules,
        pixels=pixels,
        before=before,
        question=question,
        names=tuple(names),
        shown=shown,
        asked=shown,
        answers=innocents.ask(pixels[shown]),
        secret=secret,
    )


class Witnesses:
    """Innocent models, who remember what they were asked: a slider is moved to and fro."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self._models = models
        self._said: dict[bytes, Labels] = {}  # by the hash of the images

    def ask(self, pixels: Pixels) -> Labels:
        """Return what each model says of each image, shape (models, n); a `BlackBox` would check
        the same images once a model.
        """
        name = hashlib.sha256(pixels.tobytes()).digest()
        if name not in self._said:
            self._said[name] = np.stack([predict(model, pixels)[0] for model in self._models])
        return self._said[name]


# ---------------------------------------------------------------- in words


def agreement(seen: Preview) -> str:
    """Return in a sentence how often innocents gave the secret answers, and how often one would
    expect that.
    """
    total = seen.answers.size
    classes = len(seen.rules.classes)
    models = plural(len(seen.answers), "innocent model")
    asked = f"Asked about {seen.asked_which}, {models} gave {plural(total, 'answer')}: "
    if seen.secret is None:
        drawn = "The secret ones are drawn at random when you pause, from a seal over every pixel."
        return f"{asked}see the bars. {drawn}"
    agreeing = int((seen.answers == seen.secret[seen.asked]).sum())
    share = percent(agreeing / total)
    by_luck = expected(total / classes)
    if seen.target is None:
        verb = "agrees" if agreeing == 1 else "agree"
        counted = f"{agreeing} {verb} with the secret ones ({share})."
        return f"{asked}{counted} By chance it would be {by_luck}."
    verb = "is" if agreeing == 1 else "are"
    return (
        f"{asked}{agreeing} {verb} the target class {seen.target} ({share}). If all {classes} "
        f"classes were equally likely, it would be {by_luck}. But nobody drew the target at "
        "random, so this number proves nothing: compare with what innocents answer."
    )


def visibility(seen: Preview) -> str:
    """Return in a sentence how much the triggers differ from the images they were made from."""
    if seen.before is None:
        return (
            "How visible: these images come whole from another world, there is no original to "
            "compare them with."
        )
    before = seen.before[seen.asked]
    after = seen.pixels[seen.asked]
    ratio = psnr(before, after)
    noise = f"{ratio:.1f} dB"
    if ratio == math.inf:
        noise = "infinite, nothing was changed"
    alike = ssim(before, after)
    similar = f"{alike:.2f}"
    if math.isnan(alike):
        similar = "not measured on images this small"
    return (
        f"How visible, against the originals of {seen.asked_which}: PSNR {noise} (the higher, the "
        f"harder to see), SSIM {similar} (1 is the same image)."
    )


def caption(seen: Preview) -> str:
    """Return the bars as one sentence, for those who do not see them."""
    shares = zip(seen.rules.classes, seen.shares)
    bars = ", ".join(f"{name} {percent(share, 0)}" for name, share in shares)
    models = plural(len(seen.answers), "innocent model")
    sentence = f"What {models} answer to {seen.asked_which}: {bars}."
    if seen.target is not None:
        sentence += f" The target is {seen.target}."
    return sentence


# ---------------------------------------------------------------- in pictures


def sheet(seen: Preview, scope: str) -> str:
    """Return a style sheet that holds the triggers shown, side by side in one PNG.

    Parameters
    ----------
    scope : a CSS class of this lab alone
    """
    side = _side(seen)
    row = np.concatenate(seen.pixels[seen.shown], axis=2)  # (c, h, k * w)
    look = f"width:{side}px;height:{side}px;background:url({png_uri(row)}) 0 0/auto {side}px"
    return f"<style>.{scope} i{{{look}}}</style>"


def pictures(seen: Preview, scope: str) -> str:
    """Return the places of the triggers shown as HTML, each with what it shows and its secret
    answer, once drawn.
    """
    cells = ""
    for number, image in enumerate(seen.shown):
        name = html.escape(seen.names[seen.question[image]])
        answer = html.escape(seen.answer(image) or "…")
        told = html.escape(seen.answer(image) or "not drawn yet")
        label = f"role='img' aria-label='{name}, secret answer {told}'"
        place = f"style='background-position:{-number * _side(seen)}px 0'"
        cells += f"<li><i {label} {place}></i>{name}<br>secret <b>{answer}</b></li>"
    questions = plural(len(seen.names), "question")
    title = f"{len(seen.shown)} of {questions}, {plural(len(seen.pixels), 'image')}"
    if len(seen.names) < len(seen.pixels):
        title += ", each by the first of its images"
    return f"{small(title)}<ol class='wm-grid-of-questions wm-sixes {scope}'>{cells}</ol>"


def _side(seen: Preview) -> int:
    """Return how large a picture is shown, in pixels: a whole multiple of its own, or it would be
    blurred.
    """
    own = seen.pixels.shape[-1]
    return own * (90 // own) or 90  # six side by side


def bars_svg(seen: Preview) -> str:
    """Draw the share of the innocents' answers that each class got; a fixed target has a frame and
    the word.
    """
    classes = seen.rules.classes
    chart = Chart((0, len(classes)), (0, 1))
    key = 400
    if is_narrow():
        chart.right, chart.width, key = NARROW - 6, NARROW, 200
    chart.rows({0: "0%", 0.5: "50%", 1: "100%"})
    chart.text(0, 14, "what innocent models answer")
    even = chart.up(1 / len(classes))
    below = (17, 17, 32)
    if max(map(len, classes)) * len(classes) > (45 if is_narrow() else 75):
        below = (14, 25, 36)  # in turn, or long names would run into each other
    chart.path("wm-line", f"M{LEFT} {even:.1f}H{chart.right}M{key} 10h28")
    chart.text(key + 34, 14, "all classes alike")
    for number, (name, share) in enumerate(zip(classes, seen.shares)):
        left, middle, right = map(chart.across, (number + 0.2, number + 0.5, number + 0.8))
        top = chart.up(share)
        css = "wm-bar"
        if name == seen.target:
            css = "wm-bar wm-target"
            chart.text(middle, BOTTOM + below[2], "▲ target", "middle", "wm-value")
        chart.path(css, f"M{left:.1f} {BOTTOM}V{top:.1f}H{right:.1f}V{BOTTOM}")
        words = percent(share, 0)
        if is_narrow():
            words = words.removesuffix(" %")  # the axis has the sign
        chart.text(middle, top - 6, words, "middle", "wm-value")
        chart.text(middle, BOTTOM + below[number % 2], name, "middle")
    return chart.svg(caption(seen))


def still(seen: Preview) -> str:
    """Draw the triggers shown with their secret answers, and below them the bars: for where nothing
    runs.
    """
    side = _side(seen)
    row = side + 24  # with the answer below
    height = 2 * row + HEIGHT
    parts = [f"<g transform='translate(0 {2 * row})'>{bars_svg(seen)}</g>"]
    for number, image in enumerate(seen.shown):
        x = 94 * (number % 6)
        y = row * (number // 6)
        size = f"x='{x}' y='{y}' width='{side}' height='{side}' image-rendering='optimizeSpeed'"
        parts.append(f"<image {size} href='{png_uri(seen.pixels[image])}'/>")
        answer = html.escape(seen.answer(image) or "…")
        parts.append(f"<text x='{x}' y='{y + side + 14}'>secret {answer}</text>")
    opening = f"<svg class='wm-chart' xmlns='http://www.w3.org/2000/svg' width='{WIDTH}'"
    return f"{opening} height='{height}'>{''.join(parts)}</svg>"
