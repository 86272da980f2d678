"""Every plot of the package can be read in whatever style of matplotlib's is on: what is written is
measured against what is behind it in the rendered image.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.text import Text

import wmlearn as wm
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.tilt import Ruler, seal_tilt
from wmlearn.training.history import Epoch, History
from wmlearn.watermarks.embedding import Marked

PACKAGE = Path(wm.__file__).parent
STYLES = [
    "default",
    "dark_background",
    "seaborn-v0_8-dark",
    "ggplot",
    "grayscale",
    "bmh",
    "Solarize_Light2",
    {"figure.facecolor": "navy", "axes.facecolor": "none"},
    {"figure.constrained_layout.use": True, "figure.figsize": (2.0, 1.5), "text.color": "0.6"},
]


@pytest.fixture(scope="module")
def plots() -> dict[str, Callable[..., Axes]]:
    """The plot of one of each class that has one; made before there is any style."""
    data = wm.load_data("cifar10")
    triggers = wm.Content()(data, n=60, key=wm.CLASSROOM_KEY)
    verdict = wm.verify(lambda images: triggers.labels, triggers)
    nonce = b"three dice"
    named = wm.evidence.challenge(triggers.seal, nonce, questions=30, count=20)
    opening = wm.evidence.open_questions(triggers, named)
    labels = triggers.labels[np.isin(triggers.question, named)]
    judged = wm.evidence.judge(
        lambda images: labels[: len(images)], opening, seal=triggers.seal, named=named
    )
    history = History(tuple(Epoch(i, 1 / i, 0.1 * i, 0.2 * i) for i in range(1, 5)))
    marked = Marked(None, history, triggers, complete=True)
    verdicts = wm.verify_all(
        {"copy": lambda images: triggers.labels, "another": lambda images: 0 * triggers.labels},
        triggers,
    )
    pixels = np.zeros((4, 1, 4, 4), np.uint8)
    pixels[:, 0, 0] = np.arange(4)[:, None] * 60
    numbers = np.ones((2, 4), int), np.zeros(2, int), np.zeros(2, int)
    ruler = Ruler(*numbers, np.ones((4, 2), int), np.ones((2, 2), int))
    rules = Rules(("a", "b"), 0.05)
    tilt = seal_tilt(pixels, ruler, rules, size=1.0, test="signs", key=wm.CLASSROOM_KEY)
    leans = wm.evidence.verify_tilt(lambda images: np.arange(len(images)) % 2, tilt)
    made = [data, triggers, verdict, judged, verdicts, history, marked, leans]
    return {type(each).__name__: each.plot for each in made}


def written(ax: Axes) -> list[Text]:
    """Return all that is written on and around axes, once it is drawn."""
    ax.figure.canvas.draw()
    texts = [ax.title, *ax.texts]
    if ax.get_legend():
        texts += [ax.get_legend().get_title(), *ax.get_legend().get_texts()]
    if ax.axison:
        texts += [ax.xaxis.label, ax.yaxis.label]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            texts += [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    box = ax.figure.bbox
    drawn = [each for each in texts if each.get_visible() and each.get_text()]
    return [each for each in drawn if box.overlaps(each.get_window_extent())]


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """The contrast of two colours as W3C defines it, 1 to 21."""
    luminance = []
    for color in (one, other):
        linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
        luminance.append(linear @ [0.2126, 0.7152, 0.0722])
    return (max(luminance) + 0.05) / (min(luminance) + 0.05)


def measure(ax: Axes) -> dict[str, float]:
    """Return the contrast of each text to the commonest colour of the pixels around it."""
    texts = written(ax)
    image = np.asarray(ax.figure.canvas.buffer_rgba())[::-1, :, :3]
    found = {}
    for text in texts:
        box = text.get_window_extent()
        rows = slice(max(int(box.y0), 0), int(box.y1) + 1)
        columns = slice(max(int(box.x0), 0), int(box.x1) + 1)
        around = image[rows, columns].reshape(-1, 3)
        colors, counts = np.unique(around, axis=0, return_counts=True)
        color = np.array(to_rgb(text.get_color()))
        found[text.get_text()] = contrast(color, colors[counts.argmax()] / 255)
        assert abs(around / 255 - color).max(axis=1).min() < 0.35, f"{text} is not drawn"
    return found


def test_every_class_with_a_plot_is_here(plots):
    classes = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                own = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
                classes |= {node.name} & ({node.name} if "plot" in own else set())
    # One is abstract, and one says that there is nothing to draw.
    assert classes - {"Verdict", "FixedVerdict"} == set(plots)


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_plots_are_legible_in_every_style(plots, style):
    for name, plot in plots.items():
        with plt.style.context(style), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", module="pyparsing|matplotlib")  # of an old one
            measured = measure(plot())
            plt.close("all")
        assert measured, name
        faint = {text: round(ratio, 1) for text, ratio in measured.items() if ratio < 4.5}
        assert not faint, (name, faint)


def test_a_plot_keeps_to_the_axes_it_is_given(plots):
    for name, plot in plots.items():
        with plt.style.context("dark_background"):
            _, (ax, other) = plt.subplots(1, 2)
            assert plot(ax=ax) is ax, name
            assert not other.texts + other.lines + other.patches + other.images, name
            assert min(measure(ax).values()) >= 4.5
            plt.close("all")


def test_lines_and_bars_stand_out_in_the_dark(plots):
    with plt.style.context("dark_background"):
        for name in ("KeyedVerdict", "JudgedVerdict", "Verdicts", "History"):
            ax = plots[name]()
            drawn = [line for line in ax.lines if np.isfinite(line.get_xydata()).all()]
            colors = [line.get_color() for line in drawn]
            colors += [bar.get_facecolor() for bar in ax.patches]
            for color in colors:
                assert contrast(np.array(to_rgb(color)), np.zeros(3)) >= 3, name


def test_a_figure_without_a_ground_keeps_the_colours_of_its_style(plots):
    style = {"figure.facecolor": "none", "text.color": "w", "axes.titlecolor": "w"}
    with plt.style.context(style):
        ax = plots["TriggerSet"]()
        assert {text.get_color() for text in ax.texts} == {"w"}
        assert plots["Splits"]().title.get_color() == "w"


def test_the_ground_of_a_mosaic_is_the_styles(plots):
    with plt.style.context("dark_background"):
        ax = plots["TriggerSet"]()
        ax.figure.canvas.draw()
        image = np.asarray(ax.figure.canvas.buffer_rgba())[..., :3]
    assert (image[0, 0] == 0).all()
    share_of_white = (image == 255).all(axis=2).mean()
    assert share_of_white < 0.05, SimpleNamespace(share=share_of_white)
