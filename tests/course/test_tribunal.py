"""The tribunal: what students hold says nothing of the truth, and the honest reading of the
evidence pays best.
"""

from __future__ import annotations

import errno
import json
import os
import re

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import wmlearn as wm
from wmlearn.course import _cases, tribunal
from wmlearn.evidence import stats

ABSTAIN = dict.fromkeys("ABCDEF", "abstain")


@pytest.fixture
def case():
    return wm.course.open_case()


@pytest.fixture
def truth():
    return json.loads(tribunal.PRACTICE_KEY.read_text(encoding="utf-8"))["truth"]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Make a case as a teacher would, with whatever luck it brings."""
    folder = tmp_path_factory.mktemp("case")
    _cases.new_case(folder / "case.safetensors", folder / "teacher.json")
    return folder


def everything(case):
    """Return the verdicts of whoever is not bound by the budget."""
    case.budget = 6 * case.triggers.n
    return wm.verify_all(case.services, case.triggers)


# ---------------------------------------------------------------- the case


def test_a_fresh_case_is_what_it_should_be(fresh):
    case = wm.course.open_case(fresh / "case.safetensors")
    key = json.loads((fresh / "teacher.json").read_text())
    of = {kind: letter for letter, kind in key["truth"].items()}
    assert sorted(of) == sorted(
        ["copy", "fine-tuned", "pruned", "imitated", "innocent", "suspicious"]
    )
    verdicts = everything(case)
    assert all(verdicts[of[kind]].decision == "found" for kind in ("copy", "fine-tuned", "pruned"))
    suspicious = verdicts[of["suspicious"]]
    assert suspicious.p > tribunal.ALPHA  # not even where one forgets that six were asked
    counted = stats.binomial_p(suspicious.matched.cumsum(), np.arange(1, 101), 0.1)
    assert counted.min() <= _cases.USUAL  # but whoever counts and peeks would accuse it
    assert not case.triggers.public_key
    assert (fresh / "case.safetensors").stat().st_size < 2e6


def test_the_students_file_does_not_hold_the_truth(fresh):
    raw = (fresh / "case.safetensors").read_bytes()
    for word in (
        *tribunal.TAKEN,
        "innocent",
        "suspicious",
        json.loads((fresh / "teacher.json").read_text())["salt"],
    ):
        assert word.encode() not in raw
    with safe_open(fresh / "case.safetensors", framework="np") as file:
        names = [name for name in file.keys() if name != "pixels"]  # noqa: SIM118 (not a dict)
        kinds = {
            letter: sorted((n[2:], file.get_slice(n).get_dtype()) for n in names if n[0] == letter)
            for letter in "ABCDEF"
        }
        assert set(file.metadata()) == {"wmlearn"}
    assert all(kind == kinds["A"] for kind in kinds.values())  # same layers, same precision


def test_the_order_is_drawn_each_time(monkeypatch, tmp_path):
    triggers, model = wm.course.open_case().triggers, wm.null_models("mnist", n=1)[0]
    monkeypatch.setattr(
        _cases,
        "_suspects",
        lambda key, seed: (triggers, dict.fromkeys([*tribunal.TAKEN, "x", "y"], model)),
    )
    orders, names = set(), set()
    for i in range(6):
        names.add(_cases.new_case(tmp_path / f"{i}.safetensors", tmp_path / f"{i}.json", seed=0))
        orders.add(tuple(json.loads((tmp_path / f"{i}.json").read_text())["truth"].values()))
    assert len(orders) > 1
    assert len(names) == 6


def test_the_practice_case_can_be_solved_and_nobody_innocent_is_found(case, truth):
    verdicts = everything(case)
    found = {truth[letter] for letter, verdict in verdicts.items() if verdict.decision == "found"}
    assert found == {"copy", "fine-tuned", "pruned"}
    assert case.triggers.public_key


# ---------------------------------------------------------------- asking


def test_all_services_share_one_budget_and_nothing_is_paid_twice(case):
    wm.verify(case.services["A"], case.triggers, questions=10)
    wm.verify(case.services["A"], case.triggers, questions=25)
    wm.verify(case.services["B"], case.triggers, questions=5)
    assert (case.asked["A"], case.asked["B"], case.left) == (25, 5, 270)
    assert (
        wm.verify(case.services["A"], case.triggers, questions=25).k
        == wm.verify(case.services["A"], case.triggers, questions=25).matched.sum()
    )


def test_what_is_beyond_the_budget_is_refused_and_costs_nothing(says, case):
    for letter in "ABC":
        wm.verify(case.services[letter], case.triggers)
    assert case.left == 0
    with says(ValueError):
        case.services["D"](case.triggers.images[:1])
    assert case.asked["D"] == 0
    assert wm.verify(case.services["A"], case.triggers).n == 100  # remembered


def test_each_service_has_one_test_that_is_continued(case):
    assert [case.ask("B", more).n for more in (3, 5)] == [3, 8]
    verdict = case.ask("C", 5)
    assert (verdict.n, verdict.family, case.left) == (5, 6, 287)
    assert case.tests["C"].verdict.p == verdict.p == case.services["C"].verdict.p


@pytest.mark.parametrize(
    ("letter", "questions"),
    [("Z", 5), ("b", 5), (1, 5), ("B", 500), ("B", 98), ("B", 0), ("B", 2.5)],
)
def test_no_such_service_and_overspending_are_announced_and_cost_nothing(
    says, case, letter, questions
):
    case.ask("B", 3)
    with says((ValueError, TypeError)):
        case.ask(letter, questions)
    assert (case.asked["B"], case.left, case.tests["B"].asked) == (3, 297, 3)


def test_the_budget_ends_the_asking_before_a_question_is_missed(says, case):
    for letter in "ABC":
        case.ask(letter, 99)
    assert case.ask("D", 2).n == 2
    with says(ValueError):
        case.ask("D", 2)
    assert (case.tests["D"].answers.n_unanswered, case.left) == (0, 1)


def test_the_answers_are_those_of_the_networks(case):
    images = wm.load_data("mnist").test.images[:30]
    once = case.services["C"](images)
    np.testing.assert_array_equal(case.services["C"](images[::-1]), once[::-1])
    assert (once == wm.load_data("mnist").test.labels[:30]).mean() > 0.7


# ---------------------------------------------------------------- cards and scores


def test_a_card_says_what_was_asked_and_holds_no_secret(case, tmp_path):
    verdict = wm.verify(case.services["A"], case.triggers, questions=30)
    path = case.card(ABSTAIN).save(tmp_path / "card.json")
    message = json.loads(path.read_text())
    assert (message["case"], message["verdicts"], message["asked"]["A"]) == (case.name, ABSTAIN, 30)
    assert (message["p"]["A"], message["p"]["B"]) == (verdict.p, 1.0)
    assert "name" not in message  # unsigned, a card is what it always was
    assert case.triggers.key.hex() not in path.read_text()
    with pytest.raises(FileExistsError):
        case.card(ABSTAIN).save(path)
    assert wm.course.score_card(path).points == wm.course.score_card(case.card(ABSTAIN)).points == 0


def test_the_prices(case, truth):
    def points(of):
        return wm.course.score_card(
            case.card({letter: of(kind) for letter, kind in truth.items()})
        ).points

    assert points(lambda kind: "accuse") == 4 * 2 - 2 * 20
    assert points(lambda kind: "clear") == -4 * 5
    assert (
        points(lambda kind: "accuse" if kind in ("copy", "fine-tuned", "pruned") else "abstain")
        == 6
    )
    assert points(lambda kind: "accuse" if kind == "suspicious" else "abstain") == -20
    frame = wm.course.score_card(case.card(ABSTAIN)).to_frame()
    assert frame.truth.to_dict() == truth
    assert not any(
        kind in repr(wm.course.score_card(case.card(ABSTAIN))) for kind in truth.values()
    )


@pytest.mark.parametrize(
    "verdicts",
    [
        {"A": "abstain"},
        ABSTAIN | {"G": "clear"},
        ABSTAIN | {"B": "acuse"},
        ABSTAIN | {"B": 3},
        "accuse",
    ],
    ids=["missing", "unknown", "misspelt", "no text", "no mapping"],
)
def test_a_card_that_says_too_little_is_refused(says, case, verdicts):
    with says((ValueError, TypeError)):
        case.card(verdicts)


def test_bad_files_are_one_sentence(says, case, tmp_path):
    card = case.card(ABSTAIN).save(tmp_path / "card.json")
    changed = json.loads(tribunal.PRACTICE_KEY.read_text())
    another = {"truth": changed["truth"], "salt": "00" * 16}
    another["case"] = tribunal.name_of(**another)
    (tmp_path / "another.json").write_text(json.dumps(another))
    with says(ValueError):
        wm.course.score_card(card, secret=tmp_path / "another.json")
    changed["truth"]["A"], changed["truth"]["B"] = changed["truth"]["B"], changed["truth"]["A"]
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    with says(ValueError):
        wm.course.score_card(card, secret=tmp_path / "changed.json")
    for text in ("", "[1]", "{}", '{"case": "x"}', '{"case": 1, "verdicts": {}}'):
        (tmp_path / "odd.json").write_text(text)
        with says(OSError):
            wm.course.score_card(tmp_path / "odd.json")
    with says(OSError):
        wm.course.score_card(tmp_path / "none.json")


def test_the_name_of_a_case_fixes_its_truth_in_128_bits(says, fresh, case, truth, tmp_path):
    """With 64 bits a teacher could prepare two truths in 2**32 tries, and choose one afterwards."""
    key = json.loads((fresh / "teacher.json").read_text())
    name = wm.course.open_case(fresh / "case.safetensors").name
    assert re.fullmatch("case-[0-9a-f]{32}", name)
    assert name == key["case"] == tribunal.name_of(key["truth"], key["salt"])
    card = {"case": name[:21], "verdicts": ABSTAIN}
    (tmp_path / "card.json").write_text(json.dumps(card))
    (tmp_path / "short.json").write_text(json.dumps(key | {"case": name[:21]}))
    with says(ValueError, varies="case-[0-9a-f]+"):
        wm.course.score_card(tmp_path / "card.json", secret=tmp_path / "short.json")
    with safe_open(fresh / "case.safetensors", framework="np") as file:
        record = json.loads(file.metadata()["wmlearn"]) | {"name": name[:21]}
    weights = load_file(fresh / "case.safetensors")
    save_file(weights, tmp_path / "short.safetensors", {"wmlearn": json.dumps(record)})
    with says(OSError):
        wm.course.open_case(tmp_path / "short.safetensors")


def test_the_practice_case_keeps_its_short_name(case, truth):
    assert case.name == tribunal.PRACTICE_NAME
    salt = json.loads(tribunal.PRACTICE_KEY.read_text())["salt"]
    assert tribunal.name_of(truth, salt).startswith(case.name)
    assert wm.course.score_card(case.card(ABSTAIN)).points == 0


def test_a_card_that_can_be_read_in_two_ways_is_refused(says, case, tmp_path):
    path = case.card(ABSTAIN).save(tmp_path / "card.json")
    kept = path.read_text()
    for text in (kept.replace('"A": "abstain"', '"A": "abstain", "A": "accuse"'), "[" * 100_000):
        path.write_text(text)
        with says(OSError):
            wm.course.score_card(path)
    with says(OSError):
        wm.course.score_card("/dev/zero")


@pytest.mark.parametrize("place", [0.02, 0.5, 0.999])
def test_a_damaged_case_is_refused(says, tmp_path, place):
    raw = bytearray(tribunal.PRACTICE.read_bytes())
    raw[int(place * len(raw))] ^= 8
    (tmp_path / "case.safetensors").write_bytes(raw)
    with says(OSError):
        wm.course.open_case(tmp_path / "case.safetensors")


@pytest.mark.parametrize("content", [None, b"", b"nothing of the kind"])
def test_no_case_at_all(says, tmp_path, content):
    if content is not None:
        (tmp_path / "case.safetensors").write_bytes(content)
    with says(OSError):
        wm.course.open_case(tmp_path / "case.safetensors")


# ---------------------------------------------------------------- the command line


def test_the_command_scores_cards(run, case, tmp_path):
    card = case.card(ABSTAIN).save(tmp_path / "card.json")
    code, out, err = run("case", "score", "--secret", tribunal.PRACTICE_KEY, card)
    assert (code, err) == (0, "")
    assert out == f"{card}: Score(0 points: 0 accused rightly, 0 wrongly, 0 cleared wrongly)\n"
    code, out, _ = run("case", "score", "--secret", tribunal.PRACTICE_KEY, "--json", card)
    told = {"accused_rightly": 0, "accused_wrongly": 0, "cleared_rightly": 0, "cleared_wrongly": 0}
    told |= {"points": 0, "abstained": 6, "asked": 0, "signed": ""}
    assert json.loads(out) == {"card": str(card)} | told


def test_a_card_says_who_signed_it_and_what_was_asked(run, case, truth, tmp_path):
    wm.verify(case.services["B"], case.triggers, questions=7)
    of = {kind: letter for letter, kind in truth.items()}
    verdicts = ABSTAIN | {of["copy"]: "accuse", of["innocent"]: "accuse", of["pruned"]: "clear"}
    card = case.card(verdicts | {of["suspicious"]: "clear"})
    path = card.save(tmp_path / "card.json", name="Zoë =1")
    told = {"accused_rightly": 1, "accused_wrongly": 1, "cleared_rightly": 1, "cleared_wrongly": 1}
    told |= {"points": 2 - 20 - 5, "abstained": 2, "asked": 7, "signed": "Zoë =1"}
    assert wm.course.score_card(path).to_dict() == told
    assert wm.course.score_card(card).to_dict() == told | {"signed": ""}
    code, out, _ = run("case", "score", "--secret", tribunal.PRACTICE_KEY, path)
    assert (code, out.partition(": Score(")[0]) == (0, f"{path}, signed 'Zoë =1'")


@pytest.mark.parametrize("name", [None, 3, ["Anna"], {}, "x" * 900])
@pytest.mark.parametrize(
    "asked", [None, 3, [], {}, {"A": "30"}, {"A": -1}, {"A": 1e9}, {"A": True}]
)
def test_what_a_card_says_of_itself_may_be_anything(case, tmp_path, name, asked):
    path = case.card(ABSTAIN).save(tmp_path / "card.json")
    record = json.loads(path.read_text()) | {"name": name, "asked": asked}
    path.write_text(json.dumps(record))
    told = wm.course.score_card(path).to_dict()
    assert (told["points"], told["asked"]) == (0, None)
    assert told["signed"] == ("x" * 100 if isinstance(name, str) else "")


BAD = {
    "capitals": lambda text: text.replace('"abstain"', '"Abstain"', 1),
    "a service missing": lambda text: re.sub(r'"F": "abstain",?', "", text, count=1).replace(
        '"E": "abstain",', '"E": "abstain"'
    ),
    "no verdicts": lambda text: text.replace('"verdicts"', '"verdict"'),
    "another case": lambda text: text.replace("case-7f", "case-00"),
    "verdicts in a list": lambda text: json.dumps(json.loads(text) | {"verdicts": ["accuse"]}),
    "empty": lambda text: "",
    "no JSON": lambda text: text[1:],
    "UTF-16": lambda text: text.encode("utf-16"),
    "the secret itself": lambda text: tribunal.PRACTICE_KEY.read_text(),
}


@pytest.mark.parametrize("as_json", [False, True])
def test_one_bad_card_stops_no_other_and_comes_at_the_end(says, run, case, tmp_path, as_json):
    paths = [case.card(ABSTAIN).save(tmp_path / f"{name}.json") for name in ("anna", "zoe")]
    text = paths[0].read_text()
    bom = tmp_path / "bert.json"
    bom.write_text(text, encoding="utf-8-sig")  # an editor's mark, nothing more
    for name, change in BAD.items():
        changed = change(text)
        content = changed if isinstance(changed, bytes) else changed.encode()
        (tmp_path / f"{name}.json").write_bytes(content)
    cards = [*sorted(tmp_path.glob("*.json")), tmp_path / "gone.json"]
    assert len(cards) == len(BAD) + 4
    options = ["--secret", tribunal.PRACTICE_KEY] + ["--json"] * as_json
    code, out, err = run("case", "score", *cards, *options)
    assert code == 3
    says(err or out)
    if as_json:
        records = list(map(json.loads, out.splitlines()))
        scored = [record["card"] for record in records if "points" in record]
        assert [record["card"] for record in records[:3]] == scored
        assert all(record.keys() == {"card", "error"} for record in records[3:])
        assert len(records) == len(cards)
    else:
        scored = [line.partition(": Score(0")[0] for line in out.splitlines()]
        assert len(err.splitlines()) == len(cards) - 3
    assert scored == [str(tmp_path / f"{name}.json") for name in ("anna", "bert", "zoe")]


def test_without_the_truth_no_card_is_tried(says, run, case, tmp_path):
    cards = [case.card(ABSTAIN).save(tmp_path / f"{name}.json") for name in "ab"]
    code, out, err = run("case", "score", *cards, "--secret", cards[0])
    assert (code, out) == (3, "")
    says(err)


def test_a_case_is_written_with_its_truth_or_not_at_all(fresh, monkeypatch, tmp_path):
    triggers, model = wm.course.open_case().triggers, wm.null_models("mnist", n=1)[0]
    suspects = dict.fromkeys([*tribunal.TAKEN, "x", "y"], model)
    monkeypatch.setattr(_cases, "_suspects", lambda key, seed: (triggers, suspects))
    really, calls = os.fsync, []

    def full(descriptor):  # the one file goes to the disk, the other does not
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(descriptor)

    names = (tmp_path / "case.safetensors", tmp_path / "truth.json")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(OSError):  # noqa: PT011
            _cases.new_case(*names, seed=0)
    assert not names[0].exists()  # never a case that nobody can score


def test_the_command_makes_a_case(run, monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(
        _cases,
        "new_case",
        lambda out, secret, budget: made.append((out, secret, budget)) or "case-1",
    )
    code, out, err = run(
        "case", "new", "--secret", "t.json", "--out", "c.safetensors", "--budget", 200
    )
    assert (code, err, made) == (0, "", [("c.safetensors", "t.json", 200)])
    assert out.startswith("case-1: give c.safetensors to your students")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("new", 4),
        ("new --secret new.json --budget 0", 3),
        ("new --secret card.json", 3),
        ("new --secret new.json --out card.json", 3),
        ("new --secret new.json --out new.json", 3),
        ("new --secret new.json/deep/t.json", 3),
        ("score card.json", 4),
        ("score --secret new.json card.json", 3),
        ("score --secret key new.json", 3),
    ],
)
def test_a_wrong_command_is_one_sentence(says, run, case, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    case.card(ABSTAIN).save("card.json")
    words = [tribunal.PRACTICE_KEY if word == "key" else word for word in arguments.split()]
    got, out, err = run("case", *words)
    assert (got, out) == (code, "")
    says(err.replace(" -h' for help", " --help' for help"))  # click 8.1 names the short one
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


# ---------------------------------------------------------------- which policy pays


RATES = {"copy": 1.0, "fine-tuned": 0.3, "pruned": 0.98, "imitated": 0.1, "innocent": 0.1}
CASES = 400


def drawn(seed):
    """Return for many cases what six stand-ins match, (cases, 6, 100); the last is the
    worst-looking of fifty.
    """
    rng = np.random.RandomState(seed)  # its stream never changes: the lesson quotes what comes out
    five = np.stack([rng.random_sample((CASES, 100)) < rate for rate in RATES.values()], 1)
    many = rng.random_sample((CASES, 50, 100)) < 0.1
    counted = stats.binomial_p(many.cumsum(-1), np.arange(1, 101), 0.1).min(-1)
    counted[anytime(many)[..., -1] <= tribunal.ALPHA] = 1
    worst = many[np.arange(CASES), counted.argmin(1)]
    return np.concatenate([five, worst[:, None]], 1)


# The log of the wealth after k of n matches, at [k, n]: worked out once, looked up a million times.
LOG_WEALTH = np.zeros((101, 101))
for asked in range(1, 101):
    LOG_WEALTH[: asked + 1, asked] = stats.log_wealth(np.arange(asked + 1), asked, 0.1)


def anytime(matched):
    """Return the anytime p-value after each question, shape (..., n)."""
    n = np.arange(1, matched.shape[-1] + 1)
    peak = np.maximum.accumulate(LOG_WEALTH[matched.cumsum(-1), n], -1)
    return np.exp(-np.maximum(peak, 0))


def in_turns(p, line):
    """Ask everybody who is not yet found five questions more, until the budget is spent; return the
    final p-values.
    """
    at, left = np.zeros(6, int), 300
    while left >= 5:
        open_ones = [s for s in range(6) if at[s] < 100 and (at[s] == 0 or p[s, at[s] - 1] > line)]
        if not open_ones:
            break
        for s in open_ones[: left // 5]:
            at[s], left = at[s] + 5, left - 5
    return np.array([p[s, at[s] - 1] for s in range(6)])


def score(accused, otherwise="abstain"):
    """Return the mean score over cases: the first four were taken, the last two are innocent."""
    taken = np.arange(6) < 4
    yes, no = (
        np.array([tribunal.PRICES[v][0 if t else 1] for t in taken]) for v in ("accuse", otherwise)
    )
    return float(np.where(accused, yes, no).sum(1).mean())


def test_the_honest_reading_pays_best():
    matched = drawn(1)
    path, line = anytime(matched), tribunal.ALPHA / 6
    p = np.array([in_turns(each, line) for each in path])
    counted = stats.binomial_p(matched[..., :50].cumsum(-1), np.arange(1, 51), 0.1).min(-1)
    policies = {
        "honest": score(p <= line),
        "honest, clears the others": score(p <= line, "clear"),
        "everybody asked fifty": score(path[..., 49] <= line),
        "accuses at 0.05": score(p <= 0.05),
        "accuses at 0.2": score(p <= 0.2),
        "counts and peeks": score(counted <= _cases.USUAL),
        "accuses everybody": score(np.ones((CASES, 6), bool)),
        "clears everybody": score(np.zeros((CASES, 6), bool), "clear"),
        "abstains": score(np.zeros((CASES, 6), bool)),
    }
    assert max(policies, key=policies.get) == "honest", policies
    quoted = {
        "honest": 5.6,
        "everybody asked fifty": 5.1,
        "accuses at 0.05": -4.0,
        "counts and peeks": -14.6,
    }
    assert {
        name: round(policies[name], 1) for name in quoted
    } == quoted  # lesson 13 and its note say these
    unshared = score(np.array([in_turns(each, tribunal.ALPHA) for each in path]) <= tribunal.ALPHA)
    assert (
        round(unshared - policies["honest"], 1) == 0.1
    )  # a little more, and six times the false alarms: the note
    assert (
        min(
            policies["accuses everybody"],
            policies["clears everybody"],
            policies["counts and peeks"],
        )
        < 0
    )
    assert policies["accuses everybody"] < 0 > policies["clears everybody"]


def test_clearing_never_beats_abstaining_and_accusing_takes_certainty():
    (right, wrong), abstain = tribunal.PRICES["accuse"], tribunal.PRICES["abstain"]
    assert all(c <= a for c, a in zip(tribunal.PRICES["clear"], abstain))
    assert -wrong / (right - wrong) == pytest.approx(
        10 / 11
    )  # below this chance of guilt, abstaining is better


def test_innocents_that_somebody_else_chose_are_accused_in_few_cases():
    """However the budget is spent: the line at any time counts.

    Two innocents and an imitation in each case.
    """
    matched = np.random.default_rng(2).random((40_000, 3, 100)) < 0.1
    accused = (anytime(matched)[..., -1] <= tribunal.ALPHA / 6).any(1)
    assert accused.mean() <= tribunal.ALPHA
    assert accused.mean() > 0  # the test could fail


# ---------------------------------------------------------------- the lesson keeps the secret


def test_the_lesson_does_not_give_the_truth_away(root, truth):
    nb = json.loads((root / "notebooks" / "13_the_tribunal.ipynb").read_text(encoding="utf-8"))
    outputs = json.dumps([cell.get("outputs", []) for cell in nb["cells"]])
    kinds = "|".join({*truth.values()} - {"copy"})
    assert not re.search(kinds, outputs), "no output may name a kind"
    whole = "\n".join("".join(cell["source"]) for cell in nb["cells"]) + outputs
    for letter in truth:  # no verdict of one service, in text or outputs, but for "abstain"
        assert not re.search(rf"['\"]{letter}['\"]: ['\"](accuse|clear)", whole)
        assert not re.search(
            rf"\b{letter}\b[^\n]{{0,20}}\b(found|accuse|copy|innocent|imitated|pruned)", outputs
        )
