"""What the trigger studio works out and draws, without any widget: triggers, what innocents answer,
how visible.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from wmlearn._display import BLUE, VERMILLION, mosaic, percent, plural, png_uri
from wmlearn._types import Labels, Pixels
from wmlearn.data.splits import Splits
from wmlearn.evidence._sentences import expected
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import TriggerSet
from wmlearn.labs._kit.static import png
from wmlearn.labs._kit.svg import drawing, text
from wmlearn.labs.studio.likeness import psnr, ssim
from wmlearn.triggers.trigger import Trigger

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 12  # triggers in the preview: what 20 networks answer to them is known in a blink
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 642, 40, 222  # the edges of the plot, in pixels


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
    triggers: TriggerSet | None = None

    @property
    def secret(self) -> Labels | None:
        """The secret label of every image; None where a lot has to be drawn first."""
        if self.triggers is not None:
            return self.triggers.labels
        known = self.rules.fixed and self.rules.target != "random"
        return np.full(len(self.pixels), self.rules.target) if known else None

    @property
    def agreeing(self) -> int:
        """How many of the answers are the secret ones."""
        return 0 if self.secret is None else int((self.answers == self.secret[self.asked]).sum())

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
        return (
            self.rules.classes[self.secret[0]]
            if self.rules.fixed and self.secret is not None
            else None
        )

    @property
    def asked_which(self) -> str:
        """The images that the models were asked, in words."""
        everything = len(self.asked) == len(self.pixels)
        return (
            f"all {plural(len(self.asked), 'trigger')}"
            if everything
            else f"the {len(self.asked)} triggers shown"
        )

    def seal(self, data: Splits, key: bytes) -> Preview:
        """Return the same triggers, sealed, their secret answers drawn; 50 ms of it are on purpose."""
        return replace(self, triggers=self.recipe(data, n=len(self.pixels), key=key))

    def ask_all(self, models: Sequence[nn.Module]) -> Preview:
        """Return the same triggers with what innocents answer to all of them."""
        return replace(self, asked=np.arange(len(self.pixels)), answers=_ask(models, self.pixels))


def preview(
    recipe: Trigger, data: Splits, *, n: int, key: bytes, models: Sequence[nn.Module]
) -> Preview:
    """Make the triggers, and ask the innocents about those to be shown, the first image of a
    question; seal nothing.
    """
    rules = recipe.rules(
        data.classes, 1e-3
    )  # wrong ones are refused here, before anything is sealed
    before, pixels, question, names = recipe.sketch(data, n=n, key=key)
    shown = np.searchsorted(question, np.arange(min(SHOWN, len(names))))
    answers = _ask(models, pixels[shown])
    return Preview(recipe, rules, pixels, before, question, tuple(names), shown, shown, answers)


def _ask(models: Sequence[nn.Module], pixels: Pixels) -> Labels:
    """Return what each model says of each image; a `BlackBox` would check the same images once a
    model.
    """
    batches = torch.from_numpy(pixels / np.float32(255)).split(1000)
    with torch.inference_mode():
        return np.stack(
            [
                torch.cat([model(batch).argmax(dim=1) for batch in batches]).numpy()
                for model in models
            ]
        )


# ---------------------------------------------------------------- in words


def agreement(seen: Preview) -> str:
    """Return in a sentence how often innocents gave the secret answers, and how often one would
    expect that.
    """
    models, count = seen.answers.shape
    total, classes = models * count, len(seen.rules.classes)
    beginning = f"Asked about {seen.asked_which}, {plural(models, 'innocent model')} gave {plural(total, 'answer')}: "
    if seen.secret is None:
        return f"{beginning}see the bars. The secret ones are drawn by lot when you pause, from a seal over every pixel."
    share, by_luck = percent(seen.agreeing / total), expected(total / classes)
    agree, are = ("agrees", "is") if seen.agreeing == 1 else ("agree", "are")
    if not seen.rules.fixed:
        return f"{beginning}{seen.agreeing} {agree} with the secret ones ({share}). Luck alone would give {by_luck}."
    return (
        f"{beginning}{seen.agreeing} {are} the target class {seen.target} ({share}). With all "
        f"{classes} classes alike "
        f"it would be {by_luck}; but a fixed target is no lottery, which is why innocents are "
        "asked."
    )


def visibility(seen: Preview) -> str:
    """Return in a sentence how much the triggers differ from the images they were made from."""
    if seen.before is None:
        return "How visible: these images come whole from another world, there is no original to compare them with."
    before, after = (pixels[seen.asked] for pixels in (seen.before, seen.pixels))
    ratio, alike = psnr(before, after), ssim(before, after)
    noise = "infinite, nothing was changed" if ratio == math.inf else f"{ratio:.1f} dB"
    similar = "not measured on images this small" if math.isnan(alike) else f"{alike:.2f}"
    return (
        f"How visible, against the originals of {seen.asked_which}: PSNR {noise} (the higher, the "
        "harder to see), "
        f"SSIM {similar} (1 is the same image)."
    )


def caption(seen: Preview) -> str:
    """Return the bars as one sentence, for those who do not see them."""
    bars = ", ".join(
        f"{name} {percent(share, 0)}" for name, share in zip(seen.rules.classes, seen.shares)
    )
    target = f" The target is {seen.target}." if seen.target is not None else ""
    return f"What {plural(len(seen.answers), 'innocent model')} answer to {seen.asked_which}: {bars}.{target}"


# ---------------------------------------------------------------- in pictures


def sheet(seen: Preview, scope: str) -> str:
    """Return a style sheet that holds the triggers shown, side by side in one PNG.

    Parameters
    ----------
    scope : a CSS class of this lab alone
    """
    side, shown = _side(seen), seen.pixels[seen.shown]  # (k, c, h, w)
    uri = png_uri(shown.transpose(1, 2, 0, 3).reshape(*shown.shape[1:3], -1))
    return f"<style>.{scope} i{{width:{side}px;height:{side}px;background:url({uri}) 0 0/auto {side}px}}</style>"


def pictures(seen: Preview, scope: str) -> str:
    """Return the places of the triggers shown as HTML, each with what it shows and its secret
    answer, once drawn.
    """
    secret, cells = seen.secret, []
    for i, place in enumerate(seen.shown):
        name = html.escape(seen.names[seen.question[place]])
        drawn = "…" if secret is None else html.escape(seen.rules.classes[secret[place]])
        label = f"{name}, secret answer {'not drawn yet' if secret is None else drawn}"
        look = f"style='background-position:{-i * _side(seen)}px 0'"
        cells.append(
            f"<li><i role='img' aria-label='{label}' {look}></i>{name}<br>secret "
            f"<b>{drawn}</b></li>"
        )
    every = "" if len(seen.pixels) == len(seen.names) else ", each by the first of its images"
    title = f"{len(cells)} of {plural(len(seen.names), 'question')}, {plural(len(seen.pixels), 'image')}{every}"
    return f"<p class='wm-small'>{title}</p><ol class='wm-grid-of-questions wm-sixes {scope}'>{''.join(cells)}</ol>"


def _side(seen: Preview) -> int:
    """Return how large a picture is shown, in pixels: a whole multiple of its own, so that none is
    blurred.
    """
    own = seen.pixels.shape[-1]
    return own * (96 // own) or 96


def bars_svg(seen: Preview) -> str:
    """Draw the share of the innocents' answers that each class got; a fixed target has a frame and
    the word.
    """
    classes, height = seen.rules.classes, _BOTTOM - _TOP
    slot = (_RIGHT - _LEFT) / len(classes)
    parts = [text(0, 14, "what innocent models answer", "start")]
    for share in (0, 0.5, 1):
        y = _BOTTOM - height * share
        parts += [
            f"<path class='wm-grid' d='M{_LEFT} {y}H{_RIGHT}'/>",
            text(_LEFT - 7, y + 4, f"{share:.0%}", "end"),
        ]
    even = _BOTTOM - height / len(classes)
    parts += [f"<path class='wm-line' d='M{_LEFT} {even:.1f}H{_RIGHT}M430 10h28'/>"]
    parts += [text(464, 14, "all classes alike", "start")]
    for i, (name, share) in enumerate(zip(classes, seen.shares)):
        x, y = _LEFT + (i + 0.5) * slot, _BOTTOM - height * share
        aimed = name == seen.target
        kind = "wm-bar wm-target" if aimed else "wm-bar"
        parts.append(
            f"<path class='{kind}' d='M{x - 0.3 * slot:.1f} "
            f"{_BOTTOM}V{y:.1f}h{0.6 * slot:.1f}V{_BOTTOM}'/>"
        )
        parts += [
            text(x, y - 6, percent(share, 0), "middle", "wm-value"),
            text(x, _BOTTOM + 17, name, "middle"),
        ]
        parts += [text(x, _BOTTOM + 32, "▲ target", "middle", "wm-value")] if aimed else []
    return drawing(parts, caption(seen))


def studio_png(seen: Preview) -> bytes:
    """Return the picture for where nothing runs: the triggers shown, and beside them what innocents
    answer.
    """
    shown, classes = seen.pixels[seen.shown], seen.rules.classes
    secrets = (
        ["…"] * len(shown)
        if seen.secret is None
        else [classes[label] for label in seen.secret[seen.shown]]
    )

    def draw(ax: Axes) -> None:
        """Draw the triggers left, each of their pixels as two by two, for that stays a small file;
        the bars right.
        """
        across, down = ax.figure.get_size_inches() * ax.figure.dpi / 2
        room = (
            0.01,
            0.12,
            6 * (shown.shape[3] + 4) / across,
            -(-len(shown) // 6) * (shown.shape[2] + 10) / down,
        )
        mosaic(shown, secrets, ax.figure.add_axes(room)).set_title(
            "triggers, and the secret answers", fontsize=9
        )
        ax.set_position((0.72, 0.16, 0.26, 0.76))
        colors = [VERMILLION if name == seen.target else BLUE for name in classes]
        ax.barh(range(len(classes)), 100 * seen.shares, color=colors)
        ticks = [f"target {name}" if name == seen.target else name for name in classes]
        ax.set_yticks(range(len(classes)), ticks, fontsize=8)
        ax.set(xlim=(0, 100), xlabel="% of innocent answers")
        ax.invert_yaxis()

    return png(draw)
