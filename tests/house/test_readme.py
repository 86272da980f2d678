"""What the README says is what was measured, and its ten lines run."""

import re

import pandas as pd
import pytest

import wmlearn as wm


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text(encoding="utf-8")


def row(readme, start):
    """Return the figure in the row of the table that starts with these words."""
    return (
        next(line for line in readme.splitlines() if line.startswith(f"| {start}"))
        .split("|")[2]
        .strip()
    )


def test_the_figures_on_embedding(readme, root):
    measured = pd.read_csv(root / "docs/results/embedding.csv", comment="#").query(
        "start == 'scratch'"
    )
    assert (measured.watermark_accuracy == 1).all()
    expected = f"100 % in all {len(measured)} runs, in {measured.epochs.max()} epochs"
    assert row(readme, "watermark accuracy") == expected
    means = [
        f"{100 * measured[column].mean():.1f} %" for column in ("task_accuracy", "twin_accuracy")
    ]
    assert row(readme, "task accuracy") == " / ".join(means)


@pytest.mark.parametrize(
    ("data", "start"), [("mnist", "shipped MNIST models"), ("cifar10", "shipped CIFAR-10 models")]
)
def test_the_figures_on_the_shipped_models(readme, root, data, start):
    zoo = pd.read_csv(root / "docs/results/zoo.csv", comment="#").set_index("model").task_accuracy
    clean, *marked = (
        100 * zoo[f"{data}/{kind}"] for kind in ("clean", "content", "unrelated", "noise")
    )
    expected = f"{clean:.2f} % / {', '.join(f'{value:.2f}' for value in marked)} %"
    assert row(readme, start) == expected


def test_the_figure_on_the_share_of_the_source_class(readme, root):
    runs = pd.read_csv(root / "docs/results/source_share.csv", comment="#").query("share == 0.01")
    assert (len(runs), set(runs.triggers)) == (9, {6})
    assert row(readme, "Algorithm 1 with 1 %") == f"{100 * runs.new.min():.0f} of 100"


def test_the_figures_on_false_alarms(readme):
    exact = [
        wm.stats.accusation_chance(1000, 0.1, alpha=alpha, p0=0.1) for alpha in (0.05, 0.01, 0.001)
    ]
    expected = " / ".join(f"{value:.4f}".lstrip("0") for value in exact) + " (exact)"
    assert row(readme, "an innocent model is ever") == expected


def measured(root, name):
    return pd.read_csv(root / f"docs/results/{name}.csv", comment="#")


def test_the_figures_on_a_chosen_target(readme, root):
    chosen = measured(root, "false_alarms").query("rule == 'fixed, counted' and alpha == .001")
    parts = []
    for data, name in {"mnist": "MNIST", "cifar10": "CIFAR-10"}.items():
        rows = chosen[chosen.data == data]
        worst = ", ".join(
            str(count) for count in rows.groupby("trigger", sort=False).accusations.max()
        )
        parts.append(f"{name} {worst} of {rows.decisions.iloc[0]}")
    assert row(readme, "counting matches with a chosen target") == "; ".join(parts)


@pytest.mark.parametrize(
    ("rule", "start"), [("gambler", "our rule,"), ("counted, peeking", "counting, accusing at")]
)
def test_the_figures_on_fresh_keys(readme, root, rule, start):
    nulls = measured(root, "false_alarms").query("draw == 'numpy' and suspects == 'null models'")
    most = nulls[nulls.rule == rule].groupby("alpha").rate.max().sort_index(ascending=False)
    assert row(readme, start) == " / ".join(f"{rate:.4f}".lstrip("0") for rate in most)


def test_the_figures_on_copies_found(readme, root):
    thieves = measured(root, "power").query("lr > 0")
    groups = (
        thieves[thieves.lr <= 0.002],
        thieves[thieves.lr == 0.005],
        thieves[thieves.lr == 0.01],
    )
    assert row(readme, "copies found") == " / ".join(
        f"{rows.found.sum()} of {len(rows)}" for rows in groups
    )


def test_the_figures_on_owners_who_lie(readme, root):
    lies = measured(root, "dishonest_owner")
    tweaks = lies.query("trick == 'pixel tweaks' and data == 'mnist' and trigger == 'noise'").k_mean
    assert row(readme, "a liar tweaks pixels") == " / ".join(f"{mean:.0f}" for mean in tweaks)
    ground = lies.query("trick == 'grinding' and effort == '4096'")[
        ["accused", "accused_judge", "decisions"]
    ].sum()
    assert (
        row(readme, "a liar tries")
        == f"{ground.accused} / {ground.accused_judge} of {ground.decisions}"
    )


def test_the_figures_on_messages_in_the_weights(readme, root):
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
        row(readme, "a message in the weights") == f"{counts} of 15; {innocent.enough.sum()} of 100"
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


def test_it_names_the_line_a_fork_changes_and_shows_the_lab(readme, root):
    assert re.search(r"`Repository` under\s+`\[project.urls\]` in `pyproject.toml`", readme)
    pictures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", readme)
    assert pictures
    assert all((root / path).is_file() and len(alt) > 20 for alt, path in pictures)
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", readme):
        assert (root / path).exists(), path


def message(rows):
    """Return how many of some suspects were found."""
    return f"{(rows.decision == 'found').sum()} of {len(rows)}"


def test_the_figures_on_thieves(readme, root):
    keyed = measured(root, "thefts").query("data == 'mnist' and labels == 'keyed'")
    desk = keyed[keyed.theft.isin(["Prune", "Prune-channels", "Quantize", "PerturbWeights"])]
    assert row(readme, "copies that were pruned") == message(desk[desk.task_accuracy >= 0.7])
    detector, imitated = (
        keyed[keyed.theft.str.fullmatch(name)] for name in ("RejectUnusual", "Steal-.*-loot")
    )
    assert row(readme, "services whose detector") == f"{message(detector)} / {message(imitated)}"


def test_the_figures_on_answers_to_thieves_who_ask(readme, root):
    answers = measured(root, "countermeasures")
    kinds, dawn = (
        answers[~answers.owner.isin(["dawn", "tilt", "tilt mirrored"])],
        answers[(answers.owner == "dawn") & (answers.theft == "loot")],
    )
    assert kinds.groupby("owner").seed.nunique().tolist() == [5] * 12
    asked = [message(kinds[kinds.theft == theft]) for theft in ("loot", "twin")]
    assert row(readme, "model extraction with in-distribution") == " / ".join(asked)
    epochs = [message(dawn[dawn.strength == f"{n} epochs, width 12"]) for n in (6, 20, 40)]
    assert row(readme, "a service that answers half") == " / ".join(epochs).replace(" of 5", "", 2)


def test_the_figures_on_a_service_that_leans(readme, root):
    leans = measured(root, "tilt").query("data == 'mnist' and where == 'service' and size == 1")
    asked = [leans[leans.suspect == "itself"]]
    asked += [
        leans.query("suspect == 'copies' and epochs == 6 and queries == @count")
        for count in (5_000, 20_000)
    ]
    itself, few, many = ((rows.p <= 1e-3).sum() for rows in asked)
    assert [len(rows) for rows in asked] == [10, 10, 10]
    assert row(readme, "a service that leans") == f"{itself} of 10; {few} / {many} of 10"
