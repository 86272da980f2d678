"""Time each lab from a key press to the last change on the screen, beside the same figure drawn by
matplotlib into an `Output`, in one notebook, in a real JupyterLab and a real browser.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "labs"))  # where the browser tests keep their harness

SETUP = """import warnings
import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import clear_output
import wmlearn as wm
warnings.simplefilter("ignore")
mnist = wm.load_data("mnist")
triggers = wm.Content(words=30)(mnist, n=150, key=wm.CLASSROOM_KEY)
owner = wm.load_model("mnist/content")
suspect = wm.BlackBox(owner)

def by_matplotlib(first, last, draw):
    slider, output = widgets.IntSlider(first, first, last), widgets.Output()
    def show(change):
        with output:
            clear_output(wait=True)
            draw(slider.value)
            plt.show()
    slider.observe(show, "value")
    show(None)
    return widgets.VBox([slider, output])

def by_button(draw):
    button, output, presses = widgets.Button(description="again"), widgets.Output(), []
    def show(press):
        presses.append(press)
        with output:
            clear_output(wait=True)
            draw(len(presses))
            plt.show()
    button.on_click(show)
    show(None)
    return widgets.VBox([button, output])
"""

# What moves, what must change, and the same figure as somebody would draw it who has no lab.
VERIFICATION = """path = wm.verify(suspect, triggers).path
line = -np.log(triggers.alpha)
def draw(asked):
    figure, ax = plt.subplots(figsize=(7, 3))
    ax.step(range(asked + 1), path[:asked + 1], where="post")
    ax.axhline(line, linestyle="--")
    ax.set(xlim=(0, triggers.n), ylim=(min(path), max(path)), xlabel="questions asked")
by_matplotlib(0, 30, draw)"""
STUDIO = """nulls = wm.null_models("mnist", n=20)
boxes = [wm.BlackBox(model) for model in nulls]
images = mnist.loot.images[:12]
noise = np.random.RandomState(0).normal(size=images.shape).astype(np.float32)
def draw(sigma):
    noisy = np.clip(images + sigma / 20 * noise, 0, 1)
    answers = np.concatenate([box(noisy) for box in boxes])
    figure, axes = plt.subplots(1, 13, figsize=(9, 2), width_ratios=[1] * 12 + [4])
    for ax, image in zip(axes, noisy):
        ax.imshow(image[0], cmap="gray", vmin=0, vmax=1)
        ax.axis("off")
    axes[-1].bar(range(10), np.bincount(answers, minlength=10))
by_matplotlib(1, 40, draw)"""
THEFT = """points = []
for place in range(21):
    made = wm.theft.PerturbWeights(place / 10 or 1e-9)(owner, None)
    box = wm.BlackBox(made.model if hasattr(made, "model") else made)
    right = (box(mnist.test.images) == mnist.test.labels).mean()
    points.append((right, wm.verify(box, triggers).k / triggers.n))
points = np.array(points)
def draw(place):
    figure, ax = plt.subplots(figsize=(7, 3))
    ax.plot(points, "o-")
    ax.axvline(place)
    ax.set(ylim=(0, 1.02), xlabel="noise", ylabel="what is left")
by_matplotlib(0, 20, draw)"""
EMBEDDING = """def draw(each):
    figure, ax = plt.subplots(figsize=(7, 3))
    ax.set(xlim=(0, 8), ylim=(0, 1.02), xlabel="epochs", ylabel="accuracy")
    ax.set_title(f"30 secret words, each written on {each} images: 30 questions.")
by_matplotlib(0, 30, draw)"""
LOTTERY = """answers = suspect(triggers.images)
rng, counts = np.random.default_rng(0), np.zeros(31, int)
def draw(presses):
    labels = rng.integers(0, 10, triggers.n)[triggers.question]
    right = np.bincount(triggers.question, weights=answers == labels) > 2.5
    counts[right.sum()] += 1
    figure, ax = plt.subplots(figsize=(7, 3))
    ax.bar(range(31), counts)
    ax.set(xlabel="questions matched", ylabel="draws")
by_button(draw)"""
TRIBUNAL = """path = wm.verify(suspect, triggers).path
line = -np.log(triggers.alpha)
def draw(presses):
    figure, axes = plt.subplots(6, 1, figsize=(7, 6), sharex=True)
    for place, ax in enumerate(axes):
        asked = presses % 30 if place == 0 else 10
        ax.step(range(asked + 1), path[:asked + 1], where="post")
        ax.axhline(line, linestyle="--")
        ax.set(xlim=(0, 30), ylim=(min(path), max(path)))
by_button(draw)"""


@dataclass(frozen=True)
class Drawn:
    """A lab, and the cell that draws its figure by hand.

    Attributes
    ----------
    name : of the lab
    lab, by_hand : the cells that show them
    handle : the slider of the lab that moves, by the words beside it; the first one if ""
    button : the button of the lab that is pressed instead, by its words
    place : the element that changes last on each move, as a CSS selector within the lab
    before : the options to choose first, by their labels
    """

    name: str
    lab: str
    by_hand: str
    handle: str = ""
    button: str = ""
    place: str = ".widget-html"
    before: tuple[str, ...] = ()


LABS = (
    Drawn("VerificationLab", 'wm.VerificationLab(triggers, {"owner": suspect})', VERIFICATION),
    Drawn(
        "TriggerStudio",
        "wm.TriggerStudio(mnist, key=wm.CLASSROOM_KEY)",
        STUDIO,
        handle="sigma",
        # the secret answers come when the hand pauses: no move waits for them
        place=".widget-html:has(pre.wm-code)",
        before=("Noise",),
    ),
    Drawn(
        "TheftLab",
        "wm.TheftLab(owner, mnist, triggers)",
        THEFT,
        before=("weight noise",),
    ),
    Drawn("EmbeddingLab", "wm.EmbeddingLab(mnist, key=wm.CLASSROOM_KEY)", EMBEDDING),
    Drawn("LotteryLab", "wm.LotteryLab(triggers, suspect)", LOTTERY, button="draw 1"),
    Drawn("TribunalBoard", "wm.TribunalBoard(wm.course.open_case())", TRIBUNAL, button="A +1"),
)
WARM_UP, MOVES, BLOCKS = 4, 12, 3
FEW = 4  # moves in one direction, then as many back: no slider comes to its end
QUIET = 250  # milliseconds without a change: the move is over
OUTPUT = ".jupyter-widgets-output-area, .widget-output"  # without the slider beside it
SETTLED = f"""() => {{ const {{pressed, changed}} = window.stopwatch;
    return changed > pressed && performance.now() - changed > {QUIET}; }}"""


def measure() -> Iterator[tuple[str, list[float], list[float]]]:
    """Yield each lab with the seconds of its moves, and with those of the figure drawn by hand."""
    import browser

    with tempfile.TemporaryDirectory() as folder, browser.desk(Path(folder)) as desk:
        for drawn in LABS:
            name = f"{drawn.name}.ipynb"
            browser.write_notebook(desk.folder / name, SETUP, drawn.lab, drawn.by_hand)
            with desk.run(name) as notebook:
                yield drawn.name, *_in_turn(notebook.page, drawn)


def _in_turn(page: object, drawn: Drawn) -> tuple[list[float], list[float]]:
    """Return the seconds of some moves of the lab and of the figure, in alternating blocks."""
    lab, by_hand = page.locator(".wm-lab").first, page.locator(".jp-CodeCell").nth(2)
    for words in drawn.before:
        lab.get_by_role("button", name=words, exact=True).click()
    page.wait_for_timeout(3_000)  # what a choice begins in the background is over
    ours, theirs = [], []
    for _ in range(BLOCKS):
        ours += _moves(page, lab, drawn.handle, drawn.button, drawn.place)
        theirs += _moves(page, by_hand, "", "again" if drawn.button else "", OUTPUT)
    return ours, theirs


def _moves(page: object, lab: object, handle: str, button: str, place: str) -> list[float]:
    """Return the seconds from each key press to the last change, without the first moves."""
    import browser

    lab.evaluate(browser.STOPWATCH.replace(".widget-html", place))
    sliders = lab.locator(".widget-slider", has_text=handle) if handle else lab
    moved = sliders.locator(".noUi-handle").first
    if button:
        moved = lab.get_by_role("button", name=button, exact=True)
    moved.focus()
    times = []
    for move in range(WARM_UP + MOVES):
        key = "ArrowLeft" if move // FEW % 2 else "ArrowRight"
        page.keyboard.press("Enter" if button else key)
        page.wait_for_function(SETTLED)
        times.append(browser.taken(page) / 1000)
    return times[WARM_UP:]
