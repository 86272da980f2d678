"""The site's page of results: every file and every claim once, and pictures that say in words what
the files hold.
"""

import functools
import importlib
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from _colours import contrast
from _tool import ROOT
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.stats import beta

import wmlearn as wm

plots = importlib.import_module("plots")  # _tool has made tools/ known
FILES = sorted(path.stem for path in (ROOT / "docs" / "results").glob("*.csv"))
KINDS = {"content": "words", "unrelated": "unrelated images", "noise": "noise"}
DRAWN = sorted({entry.file for group in plots.GROUPS.values() for entry in group if entry.plot})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("docs")


@pytest.fixture(scope="module")
def page(folder):
    return plots.results_page(folder)


@functools.cache
def panels(name):
    """Return the panels of a plot."""
    return getattr(plots, name)()


def measured(name):
    return pd.read_csv(ROOT / "docs" / "results" / f"{name}.csv", comment="#")


def images(page):
    """Return the path, the alternative text and the class of each picture."""
    found = re.findall(r"```{image} (\S+)\n:alt: (.*)\n:class: (\S+)\n```", page)
    return [(path, json.loads(words), css) for path, words, css in found]


@pytest.fixture(scope="module")
def alts(page):
    """Return the alternative text of each plot by the name of its file."""
    texts = {}
    for path, words, _ in images(page):
        texts.setdefault(re.sub(r"^(plots|img)/|(-light|-dark)?\.svg$", "", path), set()).add(words)
    assert all(len(both) == 1 for both in texts.values())
    return {name: both.pop() for name, both in texts.items()}


def test_every_file_is_there_once_with_its_command(page):
    links = re.findall(r"\[(\w+)\.csv\]\(results/(\w+)\.csv\), `(.+)`", page)
    assert sorted(name for name, _, _ in links) == FILES
    for name, linked, command in links:
        first = (ROOT / "docs" / "results" / f"{name}.csv").read_text("utf-8").split("\n")[0]
        assert (linked, f"# {command}") == (name, first)


def test_every_claim_is_there_once_below_its_file(page):
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in (ROOT / "docs" / "figures.md").read_text("utf-8").splitlines()
        if line.startswith("| ")
    ][1:]
    sections = re.split(r"^### ", page, flags=re.MULTILINE)
    file = ""
    for what, figure, source in rows:
        file = (re.findall(r"results/(\w+)\.csv", source) or [file])[0]
        claim = f"- **{figure}**\\\n  {what}"
        assert page.count(claim) == 1, what
        (section,) = (text for text in sections if claim in text)
        if source.startswith("`wm."):
            assert f"{claim} ({source})" in page
        else:
            assert f"(results/{file}.csv)" in section, what
    assert page.count("\n- **") == len(rows) > 15


def test_every_link_and_picture_leads_to_a_file(page, folder):
    pictures = [path for path, _, _ in images(page)]
    links = re.findall(r"\]\(([^)]+)\)", page)
    for path in pictures + links:
        root = folder if path.startswith("plots/") else ROOT / "docs"
        assert (root / path).is_file(), path
    drawn = {f"plots/{path.name}" for path in (folder / "plots").iterdir()}
    assert drawn == {path for path in pictures if path.startswith("plots/")}
    assert page.count("```{image}") == len(pictures) > 30


def test_two_builds_give_the_same_bytes(page, folder, tmp_path):
    """The other build is in a process of its own, whose hashes are others."""
    code = f"import pathlib, plots; plots.results_page(pathlib.Path({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "tools")
    names = sorted(path.name for path in (folder / "plots").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "plots").iterdir())
    for name in names:
        assert (folder / "plots" / name).read_bytes() == (tmp_path / "plots" / name).read_bytes()


# ---------------------------------------------------------------- what the pictures say


def said(alts, name, *parts):
    """Return whether parts of a sentence are in the words of a plot, in this order."""
    return re.search(".*?".join(map(re.escape, parts)), alts[name]) is not None


def spread(values, form="{:.0f}"):
    """Return the mean of some runs, and the least and the greatest."""
    middle, low, high = (form.format(each) for each in (values.mean(), values.min(), values.max()))
    return middle if low == high == middle else f"{middle} ({low} to {high})"


def test_the_plot_of_embedding(alts):
    runs = measured("embedding")
    runs["cost"] = 100 * (runs.twin_accuracy - runs.task_accuracy)
    fresh = runs[runs.start == "scratch"]
    ways = {"keyed": "random labels", "fixed": "one answer"}
    for (trigger, labels), rows in fresh.groupby(["trigger", "labels"]):
        name = f"{KINDS[trigger.lower()]}, {ways[labels]}: {spread(rows.cost, '{:.1f}')};"
        ends = alts["embedding"].replace(". How long", "; How long")
        assert name in ends
    slow = runs[(runs.start == "gentle") & ~runs.complete].watermark_accuracy * 100
    assert said(alts, "embedding", f"15 and only {slow.min():.0f} to {slow.max():.0f} % learnt")


def test_the_plot_of_power(alts):
    for (kind, rate), rows in measured("power").query("lr > 0").groupby(["trigger", "lr"]):
        count = f"{KINDS[kind]} {rows.found.sum()} of {len(rows)}"
        assert said(alts, "power", f"{np.format_float_positional(rate)}: ", count)


def test_the_plot_of_thefts(alts):
    rows = measured("thefts").query("data == 'mnist' and labels == 'keyed' and task_accuracy >= .7")
    cases = {
        "all layers, rate 0.01": "theft == 'FTAL' and strength == .01",
        "weights pruned": "theft == 'Prune'",
        "last layer only": "theft in ('FTLL', 'RTLL')",
        "detector of unusual queries": "theft == 'RejectUnusual'",
        "photographs, scores": "theft == 'Steal-soft-unrelated'",
    }
    for name, case in cases.items():
        copies = rows.query(case)
        hits = (copies.decision == "found").sum()
        assert said(alts, "thefts", f"{name}: {hits} of {len(copies)}"), name


def test_the_plot_of_messages_in_the_weights(alts):
    rows = measured("whitebox")
    needed = rows.bits.map(lambda bits: wm.stats.matches_needed(int(bits), 0.001, 0.5))
    rows["enough"] = rows.right >= needed
    over = rows.query("theft == 'overwritten' and strength == .02").enough
    innocent = rows[rows.theft == "null model"].enough
    assert said(alts, "whitebox", f"overwritten, rate 0.02: {over.sum()} of {len(over)}")
    assert said(alts, "whitebox", f"innocent networks: {innocent.sum()} of {len(innocent)}")


def test_the_plot_of_what_resists(alts):
    rows = measured("countermeasures")
    marks = rows[~rows.owner.isin(["dawn", "tilt", "tilt mirrored"])]
    for name, theft in {"copies": "loot", "innocents": "twin"}.items():
        asked = marks[marks.theft == theft]
        hits = (asked.decision == "found").sum()
        assert said(alts, "countermeasures", f"twelve marks: {name}: {hits} of {len(asked)}")
    copies, twins = (
        100 * rows.matched / rows.questions
        for rows in (
            marks.query("owner == 'noise' and theft == @theft") for theft in ("loot", "twin")
        )
    )
    both = f"a hundred noisy digits: copy {spread(copies)}, innocent {spread(twins)}"
    assert said(alts, "countermeasures", both)


def test_the_plot_of_the_tribunal(alts):
    rows = measured("tribunal")
    for who in ("copy", "pruned", "fine-tuned", "imitated", "suspicious", "innocent"):
        assert said(alts, "tribunal", f"{who}: {spread(rows[who])}"), who
    score = f"counting and looking: {spread(rows.counting)}, {rows.counting_false.sum()} innocents"
    assert said(alts, "tribunal", score)


def test_the_plot_of_false_alarms(alts):
    rows = measured("false_alarms").query("suspects == 'null models'")
    worst = rows.query("rule == 'fixed, counted' and alpha == .001 and data == 'mnist'")
    for kind, counts in worst.groupby("trigger"):
        count = f"{counts.accusations.max()} of {counts.decisions.iloc[0]}"
        assert said(alts, "false_alarms", f"MNIST, {KINDS[kind]}: {count}")
    ours = rows.query("rule == 'gambler' and draw == 'numpy'").groupby("alpha").rate.max()
    for alpha, rate in ours.items():
        assert said(alts, "false_alarms", f"alpha {alpha}: ours {100 * rate:.2g} %")


def test_the_plot_of_fine_tuning(alts):
    rows = measured("three_types").query("data == 'cifar10' and labels == 'keyed' and lr == .01")
    left = 100 * rows.trained / rows.questions
    parts = [f"{name} {spread(left[rows.trigger == kind])}" for kind, name in KINDS.items()]
    assert said(alts, "three_types", f"0.01: {', '.join(parts)}")


def test_the_plot_of_the_paper(alts):
    rows = measured("paper").query("table == '4' and setting == '90' and asked == 'trained'")
    for kind, runs in rows.query("epochs == 10 and labels == 'fixed'").groupby("kind"):
        shares = 100 * runs[["share", "low", "high"]]
        ends = f"({shares.low.min():.1f} to {shares.high.max():.1f})"
        again = f"{shares.share.mean():.1f} {ends}"
        name = (
            f"CIFAR-10, {KINDS[kind]}: paper {runs.paper.iloc[0]:g} %, its networks again {again}"
        )
        assert said(alts, "paper", name)


def test_another_file_makes_other_words(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "docs" / "results", tmp_path / "docs" / "results")
    file = tmp_path / "docs" / "results" / "tribunal.csv"
    file.write_text(file.read_text("utf-8").replace(",100,33,", ",100,71,"), "utf-8")
    before = plots.tribunal()
    monkeypatch.setattr(plots, "ROOT", tmp_path)
    after = plots.tribunal()
    assert "fine-tuned: 31 (26 to 36)" in before[0].words()
    assert "fine-tuned: 37 (26 to 71)" in after[0].words()
    assert plots.svg(before) != plots.svg(after)


@pytest.mark.parametrize(("hits", "of"), [(0, 15), (9, 15), (15, 15), (41, 200)])
def test_the_interval_of_a_share_is_that_of_clopper_and_pearson(hits, of):
    dot = plots.counted(hits, of)
    low = beta.ppf(0.025, hits, of - hits + 1) if hits else 0
    high = beta.ppf(0.975, hits + 1, of - hits) if hits < of else 1
    assert (dot.low, dot.at, dot.high) == pytest.approx((100 * low, 100 * hits / of, 100 * high))


# ---------------------------------------------------------------- how the pictures look


@pytest.mark.parametrize("name", DRAWN)
def test_all_that_is_written_lies_within_the_picture(name):
    figure = plots.drawn(panels(name))
    box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    wide, high = figure.get_size_inches()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= wide
    assert box.y1 <= high


@pytest.mark.parametrize("name", DRAWN)
def test_all_that_was_measured_lies_within_the_axes(name):
    for part in panels(name):
        if isinstance(part, plots.Panel):
            low, high = part.limits
            for dot in part.dots():
                assert low <= min(dot.low, *dot.runs, dot.at), (part.title, dot.words)
                assert max(dot.high, *dot.runs, dot.at) <= high, (part.title, dot.words)


def test_letters_have_eleven_pixels_on_a_telephone(page, folder):
    for path, *_ in images(page):
        if path.startswith("plots/"):
            picture = ElementTree.parse(folder / path).getroot()
            points = float(picture.get("width").removesuffix("pt"))
            assert 11 * 358 / points >= 11, path


@pytest.mark.parametrize("name", DRAWN)
def test_each_theme_has_its_colours(folder, page, name):
    """Ink has a contrast of 4.5 to the page, what is drawn 3; only the grid is fainter."""
    for theme, ground in {"light": "#ffffff", "dark": "#121212"}.items():
        text = (folder / "plots" / f"{name}-{theme}.svg").read_text("utf-8")
        used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", text))
        grid = {plots.GRID, plots.DARK[plots.GRID]}
        ink = {plots.INK, plots.FAINT, plots.DARK[plots.INK], plots.DARK[plots.FAINT]}
        lines = set(plots.DARK) | set(plots.DARK.values())
        assert used & ink
        assert all(contrast(color, ground) >= 4.5 for color in used & ink)
        assert all(contrast(color, ground) >= 3 for color in used & lines - grid - {ground})
    assert not used & set(plots.DARK)


def test_series_differ_in_more_than_colour():
    markers = [marker for _, marker in plots.STYLES]
    assert len(set(markers)) == len(markers)
    for name in DRAWN:
        for part in panels(name):
            series = getattr(part, "series", {})
            assert len(series) <= len(markers)
