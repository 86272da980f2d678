"""What appendix A1 says without printing it is true: figures in its prose, from the studies and
from the package.
"""

import numpy as np
import pandas as pd
import pytest
from _words import words_of

import wmlearn as wm

P0 = 0.1


@pytest.fixture(scope="module")
def appendix():
    return words_of("A1")


def measured(root, study):
    return pd.read_csv(root / f"docs/results/{study}.csv", comment="#")


def test_what_real_networks_did_to_the_gambler(appendix, root):
    study = measured(root, "false_alarms").query(
        "data == 'mnist' and suspects == 'null models' and rule == 'gambler' and alpha == 0.05 and "
        "draw == 'numpy'"
    )
    noise, words = (study[study.trigger == kind].squeeze() for kind in ("noise", "content"))
    exact = wm.stats.accusation_chance(noise.questions, P0, alpha=0.05, p0=P0)
    assert (noise.questions, noise.decisions, words.questions) == (100, 1_000_000, 30)
    assert f"{100 * noise.rate:.1f}" == f"{100 * exact:.1f}" == "2.6"
    assert "the bettor accused in 2.6 % of them, which is what the exact method says" in appendix
    assert f"With thirty words it was {100 * words.rate:.2f} %" in appendix


def test_which_real_copies_slip_through(appendix, root):
    copies = measured(root, "power").query("lr > 0")
    kept = copies.k / copies.n
    found = copies.found.astype(bool)
    assert set(copies.n) == {30, 100}
    least = f"{kept[found].min():.0%}"[:-1]
    assert kept[found].min() > kept[~found].max()
    assert f"asked {len(copies)} copies 30 or 100 questions each" in appendix
    assert f"every copy that still matched {least} % or more was found" in appendix
    assert f"none of the {(~found).sum()} that matched less" in appendix


def test_what_graphics_cards_would_need(appendix):
    seals_a_second = 960e9 / (128 * 1.25 * 2**14 * 8)  # as docs/security.md has it
    years = wm.stats.JUDGE_FACTOR / seals_a_second / (3600 * 24 * 365.25)
    assert f"tries some {seals_a_second // 1000 * 1000:,.0f} seals a second" in appendix
    assert f"2⁴⁸ of them in {years:.0f} years; a thousand cards need ten weeks" in appendix
    assert 10 <= years / 1000 * 365.25 / 7 < 10.5


def test_why_just_69_words():
    """Fewer words would not do: the wrong gambler's line is crossed by the 69th miss in a row."""
    silent = -np.arange(71) * np.log1p(-P0) - np.log(
        np.arange(71) + 1
    )  # log of (1/0.9)^n / (n + 1)
    assert int(np.argmax(wm.stats.reaches(silent, 0.05))) == 69
