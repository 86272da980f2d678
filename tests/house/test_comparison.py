"""What must not change while the house is rebuilt: see `_comparison.py`, which says how to compare
bit for bit, too.
"""

from __future__ import annotations

import json
from dataclasses import replace

import _comparison as comparison
import _comparison_rows
import pytest

import wmlearn as wm
from wmlearn.evidence import stats


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("group", comparison.GROUPS)
def test_nothing_has_changed(group):
    lines = comparison.compared(group)
    assert not lines, f"{len(lines)} facts differ from those recorded:\n" + "\n".join(lines[:20])


def test_the_record_holds_every_group_and_nothing_of_one_machine():
    record = json.loads(comparison.RECORD.read_text(encoding="utf-8"))
    assert set(record) == set(comparison.GROUPS)
    assert all(record[group] for group in record)
    assert not any("weights" in facts for facts in record["trained"].values())


def test_a_changed_figure_is_told(monkeypatch):
    monkeypatch.setattr(stats, "JUDGE_FACTOR", 2.0**47)
    lines = comparison.compared("statistics")
    assert "constants: [0] was 281474976711000.0, is 140737488355000.0" in lines
    assert all(line.startswith(("constants", "judge_p")) for line in lines)


def test_another_image_gives_another_seal_another_digest_and_other_answers():
    mnist = wm.load_data("mnist")
    kind = wm.Noise(sigma=0.4)
    one, other = (
        comparison.trigger_facts(each(mnist, n=30, key=wm.CLASSROOM_KEY))
        for each in (kind, wm.Noise(0.3))
    )
    message = {line.partition(":")[0] for line in comparison.differences(one, other)}
    assert {"seal", "pixels", "header", "recipe"} <= message
    assert any(line.startswith("labels") for line in comparison.differences(one, other))


def test_a_file_of_before_that_was_touched_is_not_opened(says, tmp_path, monkeypatch):
    comparison.shutil.copytree(comparison.BEFORE, tmp_path / "before")
    record = tmp_path / "before" / "keyed" / "evidence.json"
    record.write_text(record.read_text().replace('"alpha": "0.001"', '"alpha": "0.01"'))
    monkeypatch.setattr(comparison, "BEFORE", tmp_path / "before")
    with says(ValueError):
        comparison.files()


def test_other_words_in_a_file_are_told(tmp_path, monkeypatch):
    comparison.shutil.copytree(comparison.BEFORE, tmp_path / "before")
    card = tmp_path / "before" / "card.json"
    card.write_text(card.read_text() + "\n")
    monkeypatch.setattr(comparison, "BEFORE", tmp_path / "before")
    assert comparison.compared("files") == ["same bytes: card.json: was True, is False"]


@pytest.mark.usefixtures("one_thread")
def test_other_weights_have_another_digest_and_the_command_fails(tmp_path, monkeypatch, capsys):
    few = comparison.few("mnist")

    def learn(seed: int) -> dict:
        model = wm.fit(
            wm.small_cnn(few), few.train, schedule=replace(comparison.SHORT, epochs=1), seed=seed
        ).model
        return {"fit": comparison.learnt(model, few)}

    monkeypatch.setattr(comparison, "GROUPS", {"shipped": comparison.shipped})
    monkeypatch.setattr(comparison, "trained", lambda: learn(0))
    file = tmp_path / "weights.json"
    assert comparison.main(["--weights", str(file)]) == 0
    assert comparison.main(["--against", str(file)]) == 0
    assert capsys.readouterr().out == "0 differences\n"
    monkeypatch.setattr(comparison, "trained", lambda: learn(1))
    assert comparison.main(["--against", str(file)]) == 1
    assert capsys.readouterr().out.startswith("weights: fit: was ")


# ---------------------------------------------------------------- rows of the studies


SAME_EVERYWHERE = [cheap for cheap in _comparison_rows.CHEAP if not cheap.learns]


@pytest.mark.parametrize("cheap", SAME_EVERYWHERE, ids=lambda cheap: cheap.file)
def test_a_row_of_a_study_is_what_it_was(cheap, request):
    if cheap.full:
        request.getfixturevalue("full_data")
    now = _comparison_rows.as_written(cheap.measure())
    assert now == _comparison_rows.before(cheap, now)


def test_every_study_has_a_row():
    files = {path.stem for path in _comparison_rows.RESULTS.glob("*.csv")}
    assert files - _comparison_rows.LEFT_OUT == {cheap.file for cheap in _comparison_rows.CHEAP}


def test_a_row_that_is_another_is_told():
    study = next(cheap for cheap in SAME_EVERYWHERE if cheap.file == "dishonest_owner")
    now = _comparison_rows.as_written(study.measure() | {"k_mean": "29.00"})
    assert now != _comparison_rows.before(study, now)
    message = comparison.differences(_comparison_rows.before(study, now), now)
    assert message == ["k_mean: was '30.00', is '29.00'"]


# ---------------------------------------------------------------- how facts are compared


@pytest.mark.parametrize(
    ("before", "now", "absolute", "message"),
    [
        ({"a": 1}, {"b": 1}, 0, ["a: gone", "b: new"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, 0, ["a: [1] was 2, is 3"]),
        ({"a": [1, 2]}, {"a": [1]}, 0, ["a: was [1, 2], is [1]"]),
        (0.5, 0.5 + 1e-12, 0, []),
        (0.5, 0.5 + 1e-6, 0, ["was 0.5, is 0.500001"]),
        (0.5, 0.51, 0.015, []),
        (0.5, 0.52, 0.015, ["was 0.5, is 0.52"]),
        (7, 8, 0.015, ["was 7, is 8"]),
        (True, 1, 0, ["was True, is 1"]),
        ("found", "not found", 0, ["was 'found', is 'not found'"]),
    ],
)
def test_differences(before, now, absolute, message):
    assert comparison.differences(before, now, absolute=absolute) == message
