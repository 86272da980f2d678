"""The page of the bench says what was measured: its plots, tables and sentences are what the files
in `docs/results` make of themselves.
"""

import importlib
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

PLOTS = ["faster", "floors", "screen", "growth"]
INK = {"#1f2328", "#59636e", "#0072b2", "#d55e00", "#009e73"}  # on a white ground
INK_IN_THE_DARK = {"#f0f6fc", "#9198a1", "#56b4e9", "#d55e00", "#009e73"}
GROUNDS = {"#ffffff": INK, "#0d1117": INK_IN_THE_DARK}


@pytest.fixture(scope="module")
def scripts(root):
    """Return the modules of the bench and of its page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # which the bench sets for itself
        patch.setenv("TQDM_DISABLE", "1")
        patch.syspath_prepend(str(root / "benchmarks"))
        yield [importlib.import_module(name) for name in ("side_by_side", "bench_page")]


@pytest.fixture(scope="module")
def bench(scripts):
    return scripts[0]


@pytest.fixture(scope="module")
def page(scripts):
    return scripts[1]


@pytest.fixture(scope="module")
def rows(root):
    return pd.read_csv(root / "docs/results/bench.csv", comment="#")


def test_the_page_is_made_from_the_files(page, root):
    text = (root / "docs/bench.md").read_text(encoding="utf-8")
    for name, block in page.blocks().items():
        assert page.between(name).findall(text) == [block + "\n"], name


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_made_from_the_files_and_says_what_it_shows(page, root, name):
    drawn, caption = page.PLOTS[name]()
    assert (root / f"docs/img/bench-{name}.svg").read_text(encoding="utf-8") == drawn
    picture = ElementTree.fromstring(drawn)
    assert picture.find("{*}title").text == caption
    assert len(caption) > 20


@pytest.mark.parametrize("name", PLOTS)
def test_nothing_of_a_plot_lies_outside_it(page, name):
    picture = ElementTree.fromstring(page.PLOTS[name]()[0])
    width, height = (float(picture.get(side)) for side in ("width", "height"))
    for text in picture.iterfind("{*}text"):
        long = 6.4 * len(text.text)  # pixels; about the widest letters there are, on the average
        share = {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor")]
        left = float(text.get("x")) - share * long
        assert -0.1 * long <= left, text.text
        assert left + 0.9 * long <= width, text.text
        assert 0 < float(text.get("y")) < height


def luminance(color):
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_plots_can_be_read_in_both_themes(page):
    light, dark = page.STYLE.split("@media")
    assert set(re.findall("#[0-9a-f]{6}", light)) - {"#8b949e"} == INK  # less than the grid's
    for ground, inks in GROUNDS.items():
        for color in inks:
            low, high = sorted([luminance(color), luminance(ground)])
            least = 4.5 if color in ("#1f2328", "#59636e", "#f0f6fc", "#9198a1") else 3
            assert (high + 0.05) / (low + 0.05) >= least, (ground, color)
    assert "prefers-color-scheme:dark" in dark


def test_a_ratio_is_taken_within_each_turn(bench):
    pair = bench.Pair("training", "ours", "theirs", [1.0, 2.0, 4.0], [2.0, 8.0, 4.0])
    row = pair.row()
    assert (row["ratio"], row["ratio_low"], row["ratio_high"]) == ("2", "1.1", "3.8")
    slower = bench.replace(pair, reads="slower").row()
    assert slower["ratio"] == "0.5"
    assert set(row) == {*bench.TABLE.case, *bench.TABLE.measured}


def test_the_machine_is_described_without_its_name(bench, rows):
    import socket

    assert rows.cpu.notna().all()
    assert (rows.cores > 0).all()
    assert socket.gethostname() not in rows.to_csv()
    assert rows.versions.str.contains("torch").all()
    assert socket.gethostname() not in str(bench.machine())


def test_a_row_takes_the_place_of_the_one_before(bench, tmp_path):
    table = bench.replace(bench.TABLE, path=tmp_path / "bench.csv")
    first, second = (bench.Pair("http", work, "alone", [1.0], [3.0]) for work in ("one", "two"))
    for pair in (first, second, bench.replace(first, theirs=[5.0])):
        table.put(pair.row())
    assert [(row["work"], row["ratio"]) for row in table.known()] == [("one", "5"), ("two", "3")]


def test_what_was_not_measured_says_so(bench):
    row = bench.Pair("extraction", "ours", "theirs", note="unmeasured").row()
    assert (row["ours"], row["theirs"], row["ratio"], row["turns"]) == ("", "", "", "")


def test_a_part_that_is_none_is_refused(bench):
    with pytest.raises(SystemExit, match="nonsense"):
        bench.main(["nonsense"])


def test_what_the_page_says_in_words(root, rows):
    steps = rows.query("part == 'training' and reads == 'slower'")
    assert steps.ratio.max() < 1.1  # of our epoch, and of what torch offers for a faster step
    growth = pd.read_csv(root / "docs/results/growth.csv", comment="#")
    assert growth.exponent.max() < 1.02  # "nothing grows faster than that"
    threads = pd.read_csv(root / "docs/results/threads.csv", comment="#").query(
        "setting == 'default'"
    )
    slow = threads.pivot(index=["run", "work"], columns="neighbours", values="seconds")
    assert [round(each) for each in (slow[2] / slow[0]).agg(["min", "max"])] == [3, 24]
