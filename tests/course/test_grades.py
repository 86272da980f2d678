"""What a class handed in becomes one table, whatever is in it; the points follow the truth."""

from __future__ import annotations

import json
import os
import re
import shlex

import pandas as pd
import pytest
from _tool import ROOT
from hypothesis import given
from hypothesis import strategies as st

import wmlearn as wm
from wmlearn.course import tribunal
from wmlearn.course._lessons import read_lessons, read_predictions

ABSTAIN = dict.fromkeys("ABCDEF", "abstain")
SOLVED = {"00.1": True, "00.2": True, "13.4": True, "13.3": 1, "99.9": True, "00.3": "yes"}
GUESSED = {"00.a": read_predictions()["00.a"].options[0], "01.a": "no option of it"}
ACCUSE = ABSTAIN | {"A": "accuse"}


@pytest.fixture
def case():
    return wm.course.open_case()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "submitted"


@pytest.fixture
def hand_in(folder, case):
    """Return a function that puts what a learner hands in into their folder: files by name, of a
    text, of bytes, or of what is written as JSON.
    """

    def hand_in(learner, **files):
        (folder / learner).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / learner / name.replace("__", "/").replace("_json", ".json")
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, tribunal.Card):
                content.save(path)
            elif isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_text(json.dumps(content), encoding="utf-8")

    return hand_in


@pytest.fixture
def text(case, tmp_path):
    """Return the text of a sound card."""
    return case.card(ABSTAIN).save(tmp_path / "sound.json").read_text()


BAD = {
    "truncated": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "foreign": lambda text: '{"name": "wmlearn", "version": "0.1.0"}',
    "a list": lambda text: "[1, 2]",
    "deep": lambda text: "[" * 100_000,
    "huge": lambda text: text + " " * 2_000_000,
    "twice": lambda text: text.replace('"A": "abstain"', '"A": "abstain", "A": "accuse"'),
    "of another case": lambda text: text.replace("case-7f", "case-00"),
    "latin": lambda text: text.replace("{", '{"name": "Zoé",', 1).encode("latin-1"),
    "lists": lambda text: text.replace('"abstain"', "[]"),
    "the secret itself": lambda text: tribunal.PRACTICE_KEY.read_text(),
}


def test_a_row_per_learner(hand_in, folder, case):
    wm.verify(case.services["A"], case.triggers, questions=20)
    hand_in("zoe", card_json=case.card(ACCUSE))
    hand_in("Anna Ä_123_assignsubmission_file_", my_card_json=case.card(ABSTAIN))
    (folder / "Anna Ä_123_assignsubmission_file_" / "my_card.json").rename(
        folder / "Anna Ä_123_assignsubmission_file_" / "My card.JSON"
    )
    hand_in("nina", **{"13__card_json": case.card(ABSTAIN), "00__.solved_json": SOLVED})
    hand_in("nina", **{"01__.solved_json": {"01.4": True}, "01__.guesses_json": GUESSED})
    hand_in("nobody")
    (folder / "notes.txt").write_text("of the teacher")
    (folder / ".git").mkdir()
    table = wm.course.grades(folder)
    names = ["Anna Ä_123_assignsubmission_file_", "nina", "nobody", "zoe"]
    assert list(table.index) == names
    assert table.points.fillna(-1).tolist() == [0, 0, -1, 2]
    assert table.loc["zoe", ["accused_rightly", "abstained", "asked"]].tolist() == [1, 5, 20]
    assert table.problem.tolist() == ["", "", "no score card", ""]
    assert table.loc["nina", ["reported", "guesses", "00", "01", "13"]].tolist() == [4, 1, 2, 1, 1]
    lessons = table[list(read_lessons())]
    assert lessons.loc["nina"].sum() == 4
    assert lessons.drop("nina").isna().all(axis=None)  # not handed in is not zero


@pytest.mark.parametrize("kind", BAD)
def test_a_card_that_says_nothing_is_named_and_stops_no_other(
    says, hand_in, folder, case, text, kind
):
    content = BAD[kind](text)
    content = content if isinstance(content, bytes) else content.encode()
    hand_in("anna", card_json=case.card(ACCUSE))
    hand_in("bert", card_json=content)
    hand_in("carl", bad_json=content, good_json=case.card(ACCUSE))
    hand_in(
        "zoe", **{".solved_json": content, ".guesses_json": GUESSED, "c_json": case.card(ACCUSE)}
    )
    table = wm.course.grades(folder)
    assert table.points.fillna(-1).tolist() == [2, -1, 2, 2]
    assert (table.problem != "").tolist()[:3] == [False, True, True]
    assert table.loc["zoe", "guesses"] == 1
    for problem in table.problem:
        assert str(folder) not in problem
    says(table.problem["bert"])


def test_of_cards_that_differ_none_counts_and_copies_are_one(says, hand_in, folder, case):
    hand_in("anna", a_json=case.card(ABSTAIN), b_json=case.card(ACCUSE))
    hand_in(
        "bert",
        a_json=case.card(ACCUSE),
        **{"__MACOSX__b_json": b"", "old__a_json": case.card(ACCUSE)},
    )
    table = wm.course.grades(folder)
    assert table.points.fillna(-1).tolist() == [-1, 2]
    assert table.problem["bert"] == ""
    says(table.problem["anna"])


def test_what_is_no_file_stops_nothing(hand_in, folder, case):
    hand_in("anna", card_json=case.card(ABSTAIN))
    (folder / "bert").mkdir()
    (folder / "bert" / "card.json").mkdir()
    if os.name == "posix":
        os.mkfifo(folder / "bert" / "pipe.json")
        (folder / "bert" / "zero.json").symlink_to("/dev/zero")
        (folder / "bert" / "loop.json").symlink_to("loop.json")
        (folder / "bert" / "round").symlink_to("..")
    table = wm.course.grades(folder)
    assert table.points.fillna(-1).tolist() == [0, -1]
    assert "card.json" in table.problem["bert"]


@given(
    record=st.dictionaries(
        st.sampled_from(["case", "verdicts", "asked", "p", "name"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from("ABCDEF"), inner, max_size=6)
            ),
            max_leaves=12,
        ),
    )
)
def test_no_card_stops_the_table(tmp_path_factory, record):
    folder = tmp_path_factory.mktemp("any")
    for name, content in {"a": record, "b": {"case": tribunal.PRACTICE_NAME} | record}.items():
        (folder / name).mkdir()
        (folder / name / "card.json").write_text(json.dumps(content))
        (folder / name / ".solved.json").write_text(json.dumps(content))
    table = wm.course.grades(folder)
    assert list(table.index) == ["a", "b"]
    assert len(table.reset_index().to_json(orient="records", lines=True).splitlines()) == 2


# ---------------------------------------------------------------- the command line


def test_the_command_shows_the_table_and_names_the_problems(says, run, hand_in, folder, case):
    hand_in("anna", card_json=case.card(ACCUSE), **{".solved_json": SOLVED})
    hand_in("bert", card_json=b"{")
    code, out, err = run("grades", folder)
    assert code == 0
    says(out)
    says(err)
    code, out, err = run("grades", folder, "--json")
    assert code == 0
    anna, bert = map(json.loads, out.splitlines())
    assert (anna["learner"], anna["points"], anna["reported"], anna["00"]) == ("anna", 2, 3, 2)
    assert (bert["points"], bert["reported"]) == (None, None)


def test_a_class_has_a_case_of_its_own(says, run, hand_in, folder, case, tmp_path):
    secret = {"truth": json.loads(tribunal.PRACTICE_KEY.read_text())["truth"], "salt": "00" * 16}
    secret["case"] = tribunal.name_of(**secret)
    (tmp_path / "teacher.json").write_text(json.dumps(secret))
    card = tribunal.Card(secret["case"], ACCUSE, {}, {})
    hand_in("anna", card_json=card)
    hand_in("bert", card_json=case.card(ACCUSE))
    _, out, err = run("grades", folder, "--secret", tmp_path / "teacher.json", "--json")
    assert [json.loads(line)["points"] for line in out.splitlines()] == [2, None]
    says(err, varies="case-[0-9a-f]{32}")
    assert run("grades", folder, "--secret", tmp_path / "none.json")[0] == 3
    assert run("grades", folder, "--secret", folder / "anna" / "card.json")[0] == 3


@pytest.mark.parametrize("content", [None, "empty", "files"])
def test_where_nothing_can_be_read_a_script_notices(says, run, hand_in, folder, content):
    if content:
        hand_in("anna", card_json=b"{", **{".solved_json": b"{"})
    if content == "files":
        (folder / "anna" / "card.json").rename(folder / "card.json")
        (folder / "anna" / ".solved.json").rename(folder / ".solved.json")
        (folder / "anna").rmdir()
    code, _, err = run("grades", folder)
    assert code == 3
    says(err)


# ---------------------------------------------------------------- spreadsheets and terminals

FORMULAS = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", " =1", "＝1", "a;=1", "a, -1", "\r=1", "a\n=1"]


@pytest.mark.skipif(os.name != "posix", reason="no such names")
@pytest.mark.parametrize("name", FORMULAS)
def test_no_name_becomes_a_formula(run, hand_in, folder, case, tmp_path, name):
    hand_in(name, **{f"{name}_json": b"{"})
    hand_in("signs")
    case.card(ACCUSE).save(folder / "signs" / "card.json", name=name)
    hand_in("zoe", card_json=case.card(ABSTAIN | {"E": "accuse"}))
    assert run("grades", folder, "--csv", tmp_path / "grades.csv")[0] == 0
    written = (tmp_path / "grades.csv").read_text("utf-8-sig")
    for text in [*pd.read_csv(tmp_path / "grades.csv", dtype=str).fillna("").to_numpy().flat]:
        if not re.fullmatch(r"-?\d*", text):
            for cell in re.split("[;,|]", text):
                assert not re.match(r"\s*[-=+@＝]", cell), text
    assert not set("\t\r\x1b") & set(written)
    assert len(written.splitlines()) == 4  # no row is cut in two


@pytest.mark.skipif(os.name != "posix", reason="no such names")
def test_no_name_writes_to_the_terminal(run, hand_in, folder, tmp_path):
    os.makedirs(os.fsencode(folder) + b"/\xff\x1b[31m")
    hand_in("Zo\u0308e")
    _, out, err = run("grades", folder, "--csv", tmp_path / "grades.csv")
    assert "\x1b" not in out + err
    table = pd.read_csv(tmp_path / "grades.csv")
    assert set(table.learner) == {"\ufffd\ufffd[31m", "Zo\u0308e"}


def test_a_table_is_not_written_over(says, run, hand_in, folder, case, tmp_path):
    hand_in("anna", card_json=case.card(ABSTAIN))
    (tmp_path / "grades.csv").write_text("mine")
    code, _, err = run("grades", folder, "--csv", tmp_path / "grades.csv")
    assert code == 3
    says(err)
    assert (tmp_path / "grades.csv").read_text() == "mine"


# ---------------------------------------------------------------- the teacher's guide


def test_the_commands_of_the_guide_run(run, hand_in, folder, case, monkeypatch):
    guide = (ROOT / "docs" / "teaching.md").read_text("utf-8")
    section = re.findall(r"^## Assessment$(.*?)^## ", guide, re.DOTALL | re.MULTILINE)[0]
    commands = re.findall(r"^wmlearn (.*)$", section, re.MULTILINE)
    assert len(commands) == 1
    hand_in("anna", card_json=case.card(ACCUSE), **{".solved_json": SOLVED})
    monkeypatch.chdir(folder.parent)
    (folder.parent / "teacher.json").write_bytes(tribunal.PRACTICE_KEY.read_bytes())
    assert run(*shlex.split(commands[0])) == (0, "", "")
    table = pd.read_csv("grades.csv", index_col="learner")
    made = wm.course.grades("submitted", secret="teacher.json")
    assert list(table) == list(made)
    assert table.loc["anna", "points"] == made.loc["anna", "points"] == 2
    assert table.loc["anna", "reported"] == made.loc["anna", "reported"] == 3
