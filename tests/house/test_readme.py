"""What README and the page of figures say is what was measured, and the ten lines run."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from scipy.stats import binom

import wmlearn as wm


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def figures(root):
    return (root / "docs" / "figures.md").read_text(encoding="utf-8")


def row(page, start):
    """Return the figure in the row of the table that starts with these words."""
    return (
        next(line for line in page.splitlines() if line.startswith(f"| {start}"))
        .split("|")[2]
        .strip()
    )


def test_the_figures_on_embedding(figures, root):
    measured = pd.read_csv(root / "docs/results/embedding.csv", comment="#").query(
        "start == 'scratch'"
    )
    assert (measured.watermark_accuracy == 1).all()
    expected = f"100 % in all {len(measured)} runs, in {measured.epochs.max()} epochs"
    assert row(figures, "watermark accuracy") == expected
    means = [
        f"{100 * measured[column].mean():.1f} %" for column in ("task_accuracy", "twin_accuracy")
    ]
    assert row(figures, "task accuracy") == " / ".join(means)


@pytest.mark.parametrize(
    ("data", "start"), [("mnist", "shipped MNIST models"), ("cifar10", "shipped CIFAR-10 models")]
)
def test_the_figures_on_the_shipped_models(figures, root, data, start):
    zoo = pd.read_csv(root / "docs/results/zoo.csv", comment="#").set_index("model").task_accuracy
    clean, *marked = (
        100 * zoo[f"{data}/{kind}"] for kind in ("clean", "content", "unrelated", "noise")
    )
    expected = f"{clean:.2f} % / {', '.join(f'{value:.2f}' for value in marked)} %"
    assert row(figures, start) == expected


def test_the_figure_on_the_share_of_the_source_class(figures, root):
    runs = pd.read_csv(root / "docs/results/source_share.csv", comment="#").query("share == 0.01")
    assert (len(runs), set(runs.triggers)) == (9, {6})
    assert row(figures, "Algorithm 1 with 1 %") == f"{100 * runs.new.min():.0f} of 100"


def test_the_figures_on_false_alarms(figures):
    exact = [
        wm.stats.accusation_chance(1000, 0.1, alpha=alpha, p0=0.1) for alpha in (0.05, 0.01, 0.001)
    ]
    expected = " / ".join(f"{value:.4f}".lstrip("0") for value in exact) + " (exact)"
    assert row(figures, "an innocent model is ever") == expected


def measured(root, name):
    return pd.read_csv(root / f"docs/results/{name}.csv", comment="#")


def test_the_figures_on_a_chosen_target(figures, root):
    chosen = measured(root, "false_alarms").query("rule == 'fixed, counted' and alpha == .001")
    parts = []
    for data, name in {"mnist": "MNIST", "cifar10": "CIFAR-10"}.items():
        rows = chosen[chosen.data == data]
        worst = ", ".join(
            str(count) for count in rows.groupby("trigger", sort=False).accusations.max()
        )
        parts.append(f"{name} {worst} of {rows.decisions.iloc[0]}")
    assert row(figures, "counting matches with a chosen target") == "; ".join(parts)


@pytest.mark.parametrize(
    ("rule", "start"), [("gambler", "our rule,"), ("counted, peeking", "counting, accusing at")]
)
def test_the_figures_on_fresh_keys(figures, root, rule, start):
    nulls = measured(root, "false_alarms").query("draw == 'numpy' and suspects == 'null models'")
    most = nulls[nulls.rule == rule].groupby("alpha").rate.max().sort_index(ascending=False)
    assert row(figures, start) == " / ".join(f"{rate:.4f}".lstrip("0") for rate in most)


def test_the_figures_on_copies_found(figures, root):
    thieves = measured(root, "power").query("lr > 0")
    groups = (
        thieves[thieves.lr <= 0.002],
        thieves[thieves.lr == 0.005],
        thieves[thieves.lr == 0.01],
    )
    assert row(figures, "copies found") == " / ".join(
        f"{rows.found.sum()} of {len(rows)}" for rows in groups
    )


def test_the_figures_on_owners_who_lie(figures, root):
    lies = measured(root, "dishonest_owner")
    tweaks = lies.query("trick == 'pixel tweaks' and data == 'mnist' and trigger == 'noise'").k_mean
    assert row(figures, "a liar tweaks pixels") == " / ".join(f"{mean:.0f}" for mean in tweaks)
    ground = lies.query("trick == 'grinding' and effort == '4096'")[
        ["accused", "accused_judge", "decisions"]
    ].sum()
    assert (
        row(figures, "a liar tries")
        == f"{ground.accused} / {ground.accused_judge} of {ground.decisions}"
    )


def test_the_figures_on_messages_in_the_weights(figures, root):
    runs = measured(root, "whitebox")
    needed = {bits: int(wm.stats.matches_needed(bits, 0.001, 0.5)) for bits in runs.bits.unique()}
    runs["enough"] = runs.right >= runs.bits.map(needed)
    groups = [
        runs[runs.theft == theft]
        for theft in ("fine-tuned", "overwritten", "shuffled", "null model")
    ]
    tuned, over, shuffled, innocent = (
        groups[0][groups[0].strength == 0.01],
        groups[1].query("strength == .02"),
        *groups[2:],
    )
    assert [len(rows) for rows in (tuned, over, shuffled, innocent)] == [15, 15, 15, 100]
    counts = " / ".join(str(rows.enough.sum()) for rows in (tuned, over, shuffled))
    assert (
        row(figures, "a message in the weights")
        == f"{counts} of 15; {innocent.enough.sum()} of 100"
    )


def test_the_ten_lines_run_and_find_the_thief(readme):
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
    assert len(code.strip().splitlines()) <= 12
    names: dict = {}
    exec(code.replace("print(", "str("), names)
    try:
        assert names["verdict"].decision == "found"
        assert names["verdict"].k >= 27
        assert not names["triggers"].public_key
    finally:
        names["service"].stop()


def test_the_numbers_that_open_the_readme(readme, root):
    alarms = measured(root, "false_alarms")
    usual = alarms.query("rule == 'fixed, counted' and alpha == .001 and data == 'mnist'")
    worst = usual.loc[usual.accusations.idxmax()]
    assert row(readme, "Innocent networks accused") == (
        f"up to {worst.accusations} of {worst.decisions}"
    )
    ours = alarms.query("rule == 'gambler' and suspects == 'null models' and draw == 'numpy'")
    rate = ours[ours.alpha == 0.001].rate.max()
    assert row(readme, "The same with our test") == f"{rate:.4f}".lstrip("0")
    answers = measured(root, "countermeasures")
    usual = answers[~answers.owner.isin(["dawn", "tilt", "tilt mirrored"])].query("theft == 'loot'")
    leans = measured(root, "tilt").query(
        "data == 'mnist' and where == 'service' and size == 1 and suspect == 'copies'"
        " and epochs == 6"
    )
    few, many = (leans[leans.queries == count].p <= 1e-3 for count in (5_000, 20_000))
    assert (len(few), len(many)) == (10, 10)
    found = f"{few.sum()}; {many.sum()} of {len(many)}"
    assert row(readme, "Copies extracted") == f"{message(usual)} / {found}"
    cells = measured(root, "reproduce")
    assert row(readme, "Cells of the lessons") == f"{cells.equal.sum()} of {cells.compared.sum()}"


def test_every_lesson_was_run_with_another_instruction_set(root):
    lessons = {path.stem for path in (root / "notebooks").glob("??_*.ipynb")}
    assert set(measured(root, "reproduce").lesson) == lessons


def test_a_page_of_the_package_needs_no_file_beside_it(root):
    """Its links lead to the repository, at the tag of the version, and each to a file."""
    command = [sys.executable, "-m", "hatchling", "metadata"]
    told = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    metadata = json.loads(told.stdout)
    version = metadata["version"]
    tag = f"v{version}" if re.fullmatch(r"[\d.]+", version) else "main"
    start = f"{metadata['urls']['Repository']}/(?:blob|raw)/{tag}/"
    links = re.findall(r"\]\(([^)]+)\)", metadata["readme"]["text"])
    ours = [re.sub(start, "", link) for link in links if re.match(start, link)]
    assert len(ours) > 10
    assert all((root / link).is_file() for link in ours)
    assert [link for link in links if not link.startswith("https://")] == []


def test_it_names_the_line_a_fork_changes_and_shows_the_lab(readme, root):
    assert re.search(r"`Repository` under\s+`\[project.urls\]` in `pyproject.toml`", readme)
    pictures = re.findall(r"!\[([^\]]+)\]\((?!http)([^)]+)\)", readme)
    assert pictures
    assert all((root / path).is_file() and len(alt) > 20 for alt, path in pictures)
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", readme):
        assert (root / path).exists(), path


def message(rows):
    """Return how many of some suspects were found."""
    return f"{(rows.decision == 'found').sum()} of {len(rows)}"


def test_the_figures_on_thieves(figures, root):
    keyed = measured(root, "thefts").query("data == 'mnist' and labels == 'keyed'")
    desk = keyed[keyed.theft.isin(["Prune", "Prune-channels", "Quantize", "PerturbWeights"])]
    assert row(figures, "copies that were pruned") == message(desk[desk.task_accuracy >= 0.7])
    detector, imitated = (
        keyed[keyed.theft.str.fullmatch(name)] for name in ("RejectUnusual", "Steal-.*-loot")
    )
    assert row(figures, "services whose detector") == f"{message(detector)} / {message(imitated)}"


def test_the_figures_on_answers_to_thieves_who_ask(figures, root):
    answers = measured(root, "countermeasures")
    kinds, dawn = (
        answers[~answers.owner.isin(["dawn", "tilt", "tilt mirrored"])],
        answers[(answers.owner == "dawn") & (answers.theft == "loot")],
    )
    assert kinds.groupby("owner").seed.nunique().tolist() == [5] * 12
    asked = [message(kinds[kinds.theft == theft]) for theft in ("loot", "twin")]
    assert row(figures, "model extraction with in-distribution") == " / ".join(asked)
    epochs = [message(dawn[dawn.strength == f"{n} epochs, width 12"]) for n in (6, 20, 40)]
    assert row(figures, "a service that answers half") == " / ".join(epochs).replace(" of 5", "", 2)


def test_the_figures_on_a_service_that_leans(figures, root):
    leans = measured(root, "tilt").query("data == 'mnist' and where == 'service' and size == 1")
    asked = [leans[leans.suspect == "itself"]]
    asked += [
        leans.query("suspect == 'copies' and epochs == 6 and queries == @count")
        for count in (5_000, 20_000)
    ]
    itself, few, many = ((rows.p <= 1e-3).sum() for rows in asked)
    assert [len(rows) for rows in asked] == [10, 10, 10]
    assert row(figures, "a service that leans") == f"{itself} of 10; {few} / {many} of 10"


def test_the_figures_on_thieves_who_know_how_a_service_leans(figures, root):
    leans = measured(root, "tilt").query("data == 'mnist' and where == 'service' and size == 1")
    thieves = [f"{count} true labels" for count in ("500", "2,000", "5,000")]
    found = []
    for thief in (*thieves, "asks two owners", "subtracts what it can tell"):
        rows = leans[leans.suspect == thief]
        assert len(rows) == 10
        found.append(str((rows.p <= 1e-3).sum()))
    assert row(figures, "thieves who know how a service leans") == f"{' / '.join(found)} of 10"


def test_the_figures_on_services_that_lean_about_photographs(figures, root):
    leans = measured(root, "tilt").query("data == 'cifar10' and where == 'service'")
    unmarked = leans[leans.suspect == "untouched"].task_accuracy.mean()
    costs, found = [], []
    for size in (0.25, 0.5, 1):
        of_size = leans[leans["size"] == size]
        service = of_size[of_size.suspect == "itself"]
        copies = of_size.query("suspect == 'copies' and queries == 10_000 and epochs == 6")
        assert (len(service), len(copies)) == (4, 4)
        costs.append(f"{100 * (unmarked - service.task_accuracy.mean()):.1f}")
        found.append(str((copies.p <= 1e-3).sum()))
    expected = f"{' / '.join(costs)}; {' / '.join(found)} of 4"
    assert row(figures, "a service that leans about photographs") == expected


def test_the_figures_on_innocents_tested_for_a_lean(figures, root):
    rows = measured(root, "tilt_innocents").query("test == 'weighted'")
    assert (len(rows), set(rows["keys"])) == (54, {2000})
    seals = [f"{rows[at].mean():.2g}, {rows[at].max()}" for at in ("at_01", "at_001")]
    seals.insert(0, f"{rows.at_05.mean():.0f}, {rows.at_05.max()}")
    assert row(figures, "54 innocents tested for a lean") == f"{' / '.join(seals)} of 2,000"


def test_no_innocent_is_found_more_often_than_chance_allows(root):
    rows = measured(root, "tilt_innocents")
    for alpha, at in {0.05: "at_05", 0.01: "at_01", 0.001: "at_001"}.items():
        least = binom.sf(rows[at] - 1, rows["keys"], alpha).min()
        assert least > 0.05 / len(rows)
