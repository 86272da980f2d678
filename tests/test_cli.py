"""The command line: exit codes that a script may rely on, one sentence for an error, lessons inside
the wheel.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from packaging.requirements import Requirement
from torch import nn

import wmlearn as wm
from wmlearn import cli, zoo
from wmlearn._extras import EXTRAS
from wmlearn.course import environment

TRIGGERS = wm.Content(words=30)(
    wm.load_data("mnist"), n=60
)  # under a key of its own, which nobody may ever see
NOBODY = "http://127.0.0.1:9/v2/models/none"


class Knows(nn.Module):
    """A "thief": gives a sealed image its secret label, by looking up the nearest one."""

    input_shape = (1, 28, 28)

    def forward(self, images):
        known = torch.tensor(TRIGGERS.images).flatten(1)
        nearest = torch.cdist(images.flatten(1), known).argmin(dim=1)
        return nn.functional.one_hot(torch.tensor(TRIGGERS.labels)[nearest], 10).float()


class AlwaysOne(nn.Module):
    """An innocent model, as far as one can be told by its answers."""

    input_shape = (1, 28, 28)

    def forward(self, images):
        return nn.functional.one_hot(torch.ones(len(images), dtype=torch.int64), 10).float()


@pytest.fixture(scope="module")
def thief():
    with wm.serve(Knows(), name="thief") as service:
        yield service.url


@pytest.fixture(scope="module")
def innocent():
    with wm.serve(AlwaysOne(), name="innocent") as service:
        yield service.url


@pytest.fixture
def evidence(tmp_path):
    return wm.evidence.save_evidence(TRIGGERS, tmp_path / "evidence")


@pytest.fixture
def run(run):
    """Return the same, which also sees that no key is printed."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code, out, err = run(*arguments)
        assert TRIGGERS.key.hex() not in out + err
        return code, out, err.replace(" -h' for help", " --help' for help")  # click 8.1

    return call


def in_a_shell(*arguments: object, **options) -> subprocess.CompletedProcess:
    """Run a command as a script would."""
    command = [sys.executable, "-m", "wmlearn.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


# ---------------------------------------------------------------- verify


@pytest.mark.parametrize(
    ("whom", "options", "code"),
    [("thief", [], 0), ("innocent", [], 1), ("thief", ["--questions", 3], 2)],
    ids=["found", "not found", "cannot tell"],
)
def test_the_exit_code_is_the_verdict(request, evidence, whom, options, code):
    url = request.getfixturevalue(whom)
    done = in_a_shell("verify", url, evidence, "--json", *options)
    expected = wm.verify(
        wm.RemoteModel(url), TRIGGERS, questions=options[1] if options else None, family=2
    )
    assert (done.returncode, done.stderr) == (code, "")
    replies = json.loads(done.stdout)
    assert cli.EXIT_CODES[expected.decision] == code
    proof = {"seal": TRIGGERS.seal, "head": wm.evidence.log_head(evidence)}
    assert replies == expected.to_dict() | {"explanation": expected.explain()} | proof
    assert (replies["unanswered"], replies["family"]) == (0, 2)


def test_numbers_are_those_of_the_log_and_nothing_is_rounded(run, thief, evidence):
    replies = json.loads(run("verify", thief, evidence, "--json")[1])
    last = wm.evidence.read_log(evidence, replies["head"])[-1]
    verdict = wm.verify(wm.RemoteModel(thief), TRIGGERS, family=2)
    assert replies["p"] == last.p == verdict.p
    assert replies["p_judge"] == last.p_judge == verdict.p_judge
    assert (replies["n"], replies["k"]) == (last.n, last.k) == (30, 30)


def test_people_read_what_a_judge_would(run, thief, evidence):
    code, out, err = run("verify", thief, evidence)
    assert (code, err) == (0, "")
    verdict = wm.verify(wm.RemoteModel(thief), TRIGGERS, family=2)
    head = wm.evidence.log_head(evidence)
    assert out == f"{verdict.explain()}\nSeal: {TRIGGERS.seal}\nHead: {head}\n"


def test_fixed_labels_have_no_p_value(run, innocent, tmp_path):
    triggers = wm.Content(labels="fixed")(wm.load_data("mnist"), n=20)
    code, out, _ = run(
        "verify", innocent, wm.evidence.save_evidence(triggers, tmp_path / "fixed"), "--json"
    )
    replies = json.loads(out)
    assert (code, replies["decision"], replies["p"]) == (2, "cannot tell", None)
    assert wm.evidence.read_log(tmp_path / "fixed")[-1].p is None


def test_more_questions_continue_the_test_and_no_image_is_sent_twice(run, evidence):
    with wm.serve(Knows(), name="counted") as service:
        _, out, err = run("verify", service.url, evidence, "--questions", 12, "--json")
        assert (json.loads(out)["n"], err, service.queries) == (12, "", 24)
        code, out, err = run("verify", service.url, evidence, "--questions", 12, "--json")
        assert (code, json.loads(out)["n"], service.queries) == (0, 12, 24)
        assert err == "The last test of this service continues: 12 questions already asked.\n"
        _, out, _ = run("verify", service.url, evidence, "--json")
        assert service.queries == 60
    verdict = wm.verify(lambda images: TRIGGERS.labels, TRIGGERS, family=2)
    assert json.loads(out).items() >= verdict.to_dict().items()
    asked = [line.questions for line in wm.evidence.read_log(evidence) if line.what == "asked"]
    assert [number for questions in asked for number in questions] == list(range(30))


def test_alpha_covers_all_tests_in_the_log(run, innocent, evidence):
    """The s-th of an open list is one of s (s + 1): the sum over all that may follow is alpha, and
    no more.
    """
    for family in (2, 6, 12):
        assert json.loads(run("verify", innocent, evidence, "--json")[1])["family"] == family
    _, out, _ = run("verify", innocent, evidence, "--questions", 3, "--json")
    assert json.loads(out)["family"] == 20
    _, out, _ = run("verify", innocent, evidence, "--anew", "--questions", 3, "--json")
    assert json.loads(out)["family"] == 30


def test_a_family_is_declared_with_the_first_test(says, run, evidence):
    with wm.serve(AlwaysOne(), name="counted") as service:
        for declared in (["--family", 2], []):
            _, out, _ = run("verify", service.url, evidence, "--json", *declared)
            assert json.loads(out)["family"] == 2
        asked = service.queries
        for declared in (["--family", 3], ["--family", 1], []):
            code, out, err = run("verify", service.url, evidence, *declared)
            assert (code, out, service.queries) == (3, "", asked)
            says(err)


def test_nothing_is_sent_under_another_seal(says, run, evidence):
    with wm.serve(Knows(), name="unasked") as service:
        for seal in ("ab" * 32, "nonsense"):
            code, out, err = run("verify", service.url, evidence, "--seal", seal)
            assert (code, out, service.queries) == (3, "", 0)
            says(err.replace(TRIGGERS.seal[:8], "{seal}"))
        assert wm.evidence.read_log(evidence) == ()
        assert run("verify", service.url, evidence, "--seal", TRIGGERS.seal)[0] == 0


def test_whole_questions_are_asked_within_the_budget(run, evidence):
    with wm.serve(Knows(), name="counted") as service:
        code, out, err = run("verify", service.url, evidence, "--budget", 1, "--json")
        assert (code, json.loads(out)["n"], service.queries) == (2, 0, 0)
        assert err == "The budget is spent: 60 images not sent.\n"
        for sent in (4, 8):
            _, out, err = run("verify", service.url, evidence, "--budget", 5, "--json")
            assert (json.loads(out)["n_unreachable"], service.queries) == (0, sent)
            assert err.endswith(f"The budget is spent: {60 - sent} images not sent.\n")
        assert run("verify", service.url, evidence)[0] == 0
        assert service.queries == 60


def test_clean_images_are_part_of_the_budget(run, tmp_path):
    mnist = wm.load_data("mnist")
    sealed = wm.Content(words=10).seal(mnist, n=10, clean=mnist.test.take(range(50)))
    evidence = wm.evidence.save_evidence(sealed, tmp_path / "clean")
    with wm.serve(AlwaysOne(), name="counted") as service:
        for budget, sent in ((50, 0), (53, 53), (3, 56)):
            run("verify", service.url, evidence, "--budget", budget)
            assert service.queries == sent


def test_a_token_in_the_clear_is_warned_of_in_one_line(evidence):
    environment = {**os.environ, "WMLEARN_TOKEN": "open-sesame"}
    done = in_a_shell(
        "verify",
        "http://no-such-host.invalid/v2/models/x",
        evidence,
        "--timeout",
        2,
        env=environment,
    )
    assert done.returncode == 3
    first, second = done.stderr.splitlines()
    assert first.startswith(
        "Warning: the value of Authorization will be sent to no-such-host.invalid unencrypted"
    )
    assert second.startswith("Error: expected a model at http://no-such-host.invalid")
    assert "sesame" not in done.stderr


@pytest.mark.parametrize("end", [KeyboardInterrupt(), ValueError("broken")])
def test_what_a_stopped_test_sent_is_in_the_log_and_it_goes_on(
    run, thief, evidence, monkeypatch, end
):
    """Questions go in batches: what is cut off costs no more than one of them."""
    really = wm.RemoteModel.__call__

    def ask_and_stop(self, images):
        if self.queries:
            raise end
        return really(self, images)

    monkeypatch.setattr(wm.RemoteModel, "__call__", ask_and_stop)
    code = run("verify", thief, evidence)[0]
    assert code == (130 if isinstance(end, KeyboardInterrupt) else 3)
    monkeypatch.undo()
    log = wm.evidence.read_log(evidence)
    assert [line.what for line in log] == ["began", "asked", "answered", "asked"]
    assert log[1].questions + log[3].questions == tuple(range(30))
    replies = json.loads(run("verify", thief, evidence, "--json")[1])
    assert replies["family"] == 6  # all were sent, so this is another test


def test_what_cannot_be_noted_is_not_asked(run, evidence):
    (evidence / "log.jsonl").mkdir()
    with wm.serve(Knows(), name="unasked") as service:
        code, out, err = run("verify", service.url, evidence)
        assert service.queries == 0
    assert (code, out) == (3, "")
    assert "log.jsonl" in err


def test_two_tests_at_once_have_a_place_each(thief, innocent, evidence):
    command = [sys.executable, "-m", "wmlearn.cli", "verify"]
    processes = [
        subprocess.Popen([*command, url, evidence, "--json"], stdout=subprocess.PIPE, text=True)
        for url in (thief, innocent)
    ]
    replies = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert sorted(reply["family"] for reply in replies) == [2, 6]
    assert [process.returncode for process in processes] == [0, 1]


def test_answers_that_did_not_come_are_reported(run, evidence, monkeypatch):
    monkeypatch.setattr(cli, "RemoteModel", lambda url, **options: Silent())
    code, out, err = run("verify", "http://silent", evidence, "--json")
    assert (code, json.loads(out)["unanswered"], json.loads(out)["queries"]) == (2, 30, 60)
    assert err == "60 images got no valid answer; the last fault: the line is dead.\n"


class Silent:
    """A box that was asked and never heard anything."""

    n_unreachable, faults = 60, ("the line is dead.",)

    def connect(self, images):
        pass

    def __call__(self, images):
        return np.full(len(images), -1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


# ---------------------------------------------------------------- owner and judge


@pytest.fixture(scope="module")
def many():
    """Enough questions for a judge who trusts nobody."""
    declared = wm.evidence.Declared(owner="Alice Ltd")
    return wm.Content(words=60).seal(wm.load_data("mnist"), n=120, declared=declared).draw()


class KnowsMany(Knows):
    """A copy of the model marked with `many`."""

    def __init__(self, triggers):
        super().__init__()
        self.triggers = triggers

    def forward(self, images):
        known = torch.tensor(self.triggers.images).flatten(1)
        nearest = torch.cdist(images.flatten(1), known).argmin(dim=1)
        return nn.functional.one_hot(torch.tensor(self.triggers.labels)[nearest], 10).float()


@pytest.fixture(scope="module")
def copied(many):
    with wm.serve(KnowsMany(many), name="copied") as service:
        yield service.url


@pytest.fixture
def opened(run, many, tmp_path):
    """Return the file that an owner opened for a judge, by the command line alone."""
    folder = wm.evidence.save_evidence(many, tmp_path / "many")
    _, seal, _ = run("seal", folder, "--json")
    assert json.loads(seal) == {"seal": many.seal, "head": wm.evidence.log_head(folder)}
    _, named, _ = run("challenge", many.seal, "--nonce", "4 1 6", "--questions", 60, "--count", 30)
    (tmp_path / "named.txt").write_text(named)
    case, out = ["--case", "7 C 12/26", "--nonce", "4 1 6"], tmp_path / "opened.safetensors"
    code, told, _ = run("open", folder, "--named", tmp_path / "named.txt", *case, "--out", out)
    assert (code, told.splitlines()[0]) == (0, f"{out}: 30 questions for 7 C 12/26.")
    (use,) = wm.evidence.read_log(folder)
    assert (use.what, use.whom) == ("opened", "7 C 12/26")
    assert use.questions == tuple(map(int, named.split(",")))
    return out


def test_a_judge_needs_the_seal_and_a_nonce(run, many, copied, innocent, opened):
    rules = ["--seal", many.seal, "--nonce", "4 1 6", "--count", 30, "--owner", "Alice Ltd"]
    code, out, _ = run("judge", copied, opened, *rules, "--json")
    replies = json.loads(out)
    assert (code, replies["n"], replies["seal"]) == (0, 30, many.seal)
    assert replies["p_judge"] <= 0.001
    named = wm.evidence.challenge(many.seal, b"4 1 6", questions=60, count=30)
    expected = wm.evidence.judge(
        wm.RemoteModel(copied), wm.evidence.read_opening(opened), seal=many.seal, named=named
    )
    assert replies == expected.to_dict() | {
        "explanation": expected.explain(),
        "seal": many.seal,
        "named": named,
    }
    assert run("judge", innocent, opened, *rules)[0] == 1
    assert run("judge", copied, opened, *rules, "--alpha", "1e-40")[0] == 2


def test_what_is_opened_for_one_judge_and_by_one_owner_convicts_nobody_for_another(
    says, run, many, copied, opened
):
    seal = ["--seal", many.seal, "--count", 30]
    for options in (
        ["--nonce", "4 1 6", "--owner", "Mallory Ltd"],
        ["--nonce", "5 5 5", "--owner", "Alice Ltd"],
        ["--nonce", "4 1 6"],
    ):
        code, out, err = run("judge", copied, opened, *seal, *options)
        assert (code, out) == (3, "")
        says(err)


def test_a_published_draw_counts_few_seals(run, tmp_path):
    declared = wm.evidence.Declared(beacon="three dice")
    sealed = wm.Content(words=12).seal(wm.load_data("mnist"), n=12, declared=declared)
    folder = wm.evidence.save_evidence(sealed, tmp_path / "waits")
    assert run("seal", folder)[0] == 0
    numbers = ",".join(map(str, range(12)))
    out = tmp_path / "opened.safetensors"
    named = ["--named", numbers]
    assert run("open", folder, *named, "--case", "x", "--outcome", "4 1 6", "--out", out)[0] == 0
    with wm.serve(KnowsMany(sealed.draw("4 1 6")), name="copied") as service:
        rules = ["judge", service.url, out, "--seal", sealed.seal, *named]
        assert run(*rules)[0] == 2
        many = ["--seals", 3, "--outcomes", 6**25]
        assert run(*rules, "--beacon", "4 1 6", *many)[0] == 0
        assert run(*rules, "--beacon", "5 5 5", *many)[0] == 3
        assert run(*rules, "--beacon", "4 1 6", "--seals", 3, "--outcomes", 216)[0] == 3
        assert run(*rules, "--beacon", "4 1 6")[0] == 3
        assert run("verify", service.url, folder)[0] == 3
        assert run("verify", service.url, folder, "--outcome", "4 1 6")[0] == 0


def test_a_lost_log_is_noticed_by_whoever_holds_its_head(says, run, thief, evidence):
    head = json.loads(run("verify", thief, evidence, "--json")[1])["head"]
    assert run("seal", evidence, "--head", head)[0] == 0
    (evidence / "log.jsonl").unlink()
    code, out, err = run("seal", evidence, "--head", head)
    assert (code, out) == (3, "")
    says(err, varies=head[:8])


# ---------------------------------------------------------------- errors


def damage(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([NOBODY, "{evidence}"], "Is the service running"),
        (["{thief}x", "{evidence}"], "404"),
        (["nonsense", "{evidence}"], "http://"),
        (["http://127.0.0.1:1", "{evidence}"], "/v2/models/"),
        (["{thief}", "{evidence}/nowhere"], "Restore it from a copy"),
        (["{thief}", "{damaged}"], "Restore it from a copy"),
        (["{thief}", "{evidence}", "--questions", "0"], "questions must be from 1 to 30"),
        (["{thief}", "{evidence}", "--questions", "31"], "questions must be from 1 to 30"),
        (["{thief}", "{evidence}", "--family", "0"], "family must be at least 1"),
        (["{thief}", "{evidence}", "--timeout", "0"], "timeout (seconds) must be"),
        (["{thief}", "{evidence}", "--budget", "-1"], "budget must be at least 0"),
    ],
)
def test_an_error_is_one_sentence_and_no_verdict(run, thief, evidence, tmp_path, arguments, word):
    damaged = Path(shutil.copytree(evidence, tmp_path / "damaged"))
    damage(damaged, "images.safetensors")
    places = {"thief": thief, "evidence": evidence, "damaged": damaged}
    code, out, err = run("verify", *(argument.format(**places) for argument in arguments))
    assert (code, out) == (3, "")
    assert word in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert wm.evidence.read_log(evidence) == ()


@pytest.mark.parametrize("name", ["evidence.json", "key.hex", "log.jsonl"])
def test_damaged_evidence_is_not_asked(run, thief, evidence, name):
    wm.evidence.log_use(evidence, "asked", [0], whom="somebody")
    damage(evidence, name)
    if name == "log.jsonl":  # half a line at the end is a crash's; with its end it is somebody's
        (evidence / name).write_bytes((evidence / name).read_bytes() + b"\n")
    code, out, err = run("verify", thief, evidence)
    assert (code, out, err.count("\n")) == (3, "", 1)


@pytest.mark.filterwarnings("default")
def test_a_line_of_the_log_that_a_crash_cut_off_stops_no_test(run, thief, evidence):
    wm.evidence.log_use(evidence, "asked", [0], whom="somebody")
    damage(evidence, "log.jsonl")
    torn = (evidence / "log.jsonl").read_bytes()
    code, out, err = run("verify", thief, evidence)
    assert (code, out.count("Head: ")) == (0, 1)
    assert err.startswith("Warning: line 1 of ")
    assert (evidence / "log.jsonl").read_bytes().startswith(torn + b"\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["prove"],
        ["--loud"],
        ["verify"],
        ["verify", NOBODY],
        ["verify", NOBODY, "evidence", "twice"],
        ["verify", NOBODY, "evidence", "--questions", "many"],
        ["verify", "http://me:secret@127.0.0.1:9/v2/models/none", "evidence"],
        ["serve", "mnist/clean", "--port", "any"],
        ["doctor", "--loud"],
        ["verify", "evidence", NOBODY],
        ["judge", NOBODY, "opened"],
        ["challenge", "seal"],
        ["open", "evidence", "--named", "4"],
        ["seal"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_does_not_look_like_a_verdict(run, arguments):
    """Click's own exit code for these is 2: cannot tell."""
    code, out, err = run(*arguments)
    assert (code, out) == (4, "")
    assert "Error: " in err
    assert "secret" not in err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["--version"], ["verify", "--help"], ["lab", "-h"]]
)
def test_help_is_no_error(run, arguments):
    code, out, err = run(*arguments)
    assert (code, err) == (0, "")
    assert "wmlearn" in out


def test_a_fault_of_ours_shows_where(run, thief, evidence, monkeypatch):
    monkeypatch.setattr(cli, "open_evidence", lambda *_: {}["missing"])
    code, out, err = run("verify", thief, evidence)
    assert (code, out) == (3, "")
    assert "Traceback" in err
    assert "KeyError" in err


@pytest.mark.skipif(os.name != "posix", reason="rights are other things on Windows")
def test_what_the_system_refuses_is_named(run, tmp_path, jupyterlab):
    (tmp_path / "file").touch()
    code, _, err = run("lab", tmp_path / "file")
    assert code == 3
    assert f"{tmp_path / 'file'}: File exists." in err


@pytest.mark.skipif(os.name != "posix", reason="pipes break otherwise on Windows")
def test_a_reader_that_went_away_is_no_verdict(innocent, evidence):
    """Click's own exit code for this is 1: not found."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "wmlearn.cli", "verify", innocent, str(evidence)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.DEVNULL, timeout=120)
    os.close(write)
    assert done.returncode >= 3


@pytest.mark.parametrize("options", [["--seals", 3], ["--outcomes", 2**64]])
def test_what_is_said_of_a_draw_needs_the_draw(says, run, opened, many, options):
    rules = ["--seal", many.seal, "--nonce", "4 1 6", "--count", 30]
    code, out, err = run("judge", NOBODY, opened, *rules, *options)
    assert (code, out) == (4, "")
    says(err)


def test_questions_may_be_named_one_by_one_however_many(run, many, tmp_path):
    """A list is soon longer than any name of a file may be."""
    folder = wm.evidence.save_evidence(many, tmp_path / "evidence")
    numbers = ",".join(f"{number:06d}" for number in range(60))
    out = tmp_path / "opened.safetensors"
    assert run("open", folder, "--named", numbers, "--case", "x", "--out", out)[0] == 0
    assert wm.evidence.read_opening(out).indices == tuple(range(60))


@pytest.mark.parametrize("content", ["a terabyte", b"\xff", b"4,x"])
def test_a_file_of_numbers_is_read_within_limits(says, run, evidence, tmp_path, content):
    path = tmp_path / "named.txt"
    if content == "a terabyte":
        with path.open("wb") as file:
            file.truncate(10**12)
    else:
        path.write_bytes(content)
    code, out, err = run("open", evidence, "--named", path, "--case", "x")
    assert code in (3, 4)
    assert out == ""
    says(err)
    path.write_bytes(b"\xef\xbb\xbf2, 1\r\n")  # as an editor of Windows saves it
    out = tmp_path / "opened.safetensors"
    assert run("open", evidence, "--named", path, "--case", "x", "--out", out)[0] == 0


def test_lab_names_a_damaged_lesson_and_opens_the_others(run, tmp_path, monkeypatch, jupyterlab):
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    for name in ("00_the_copied_map", "05_the_embedding_stage"):
        shutil.copy(cli.CHECKOUT / f"{name}.ipynb", lessons)
    with (lessons / "05_the_embedding_stage.ipynb").open("r+") as file:
        file.write("<<<<<<< HEAD\n")
    monkeypatch.setattr(cli, "CHECKOUT", lessons)
    code, out, err = run("lab", tmp_path / "learn")
    assert code == 0
    assert "1 new" in out
    assert "05_the_embedding_stage.ipynb" in err
    assert [path.name for path in (tmp_path / "learn").glob("*.ipynb")] == [
        "00_the_copied_map.ipynb"
    ]
    assert jupyterlab[0][0] == str(tmp_path / "learn" / "00_the_copied_map.ipynb")


# ---------------------------------------------------------------- serve


@pytest.mark.skipif(
    os.name != "posix",
    reason="Windows has no signal for Ctrl+C that a test can send to one process",
)
@pytest.mark.parametrize("options", [[], ["--json", "--name", "mine"]], ids=["text", "json"])
def test_serve_answers_until_ctrl_c(tmp_path, options):
    model, images = zoo.load_model("mnist/clean"), wm.load_data("mnist").test.images[:20]
    zoo.save_model(model, tmp_path / "mine.safetensors")
    command = [
        sys.executable,
        "-m",
        "wmlearn.cli",
        "serve",
        str(tmp_path / "mine.safetensors"),
        *options,
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        line = program.stdout.readline().strip()
        url = json.loads(line)["url"] if options else line
        np.testing.assert_array_equal(wm.RemoteModel(url)(images), wm.BlackBox(model)(images))
        program.send_signal(signal.SIGINT)
        _, complaints = program.communicate(timeout=120)
    assert program.returncode == 130
    assert url.endswith("/v2/models/mine" if options else "/v2/models/model")
    assert complaints == "It answers until you press Ctrl+C.\n\n"


def while_it_runs(monkeypatch, act):
    """Act while `serve` takes its first long rest, and then stop it by Ctrl+C."""
    really = time.sleep

    def rest(seconds):
        if seconds < 3600:
            return really(seconds)
        act()
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", rest)


def test_serve_builds_a_network_of_ones_own(run, monkeypatch, tmp_path):
    text = "from torch import nn\nnet = lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\n"
    (tmp_path / "its_builder.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    model.input_shape = (1, 28, 28)
    wm.save_model(model, "mine.safetensors")
    images, labels = wm.load_data("mnist").test.images[:20], []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v2/models/model"
    while_it_runs(monkeypatch, lambda: labels.append(wm.RemoteModel(url)(images)))
    asked = ("serve", "mine.safetensors", "--port", port, "--network")
    assert run(*asked, "its_builder:net")[0] == 130
    np.testing.assert_array_equal(labels[0], wm.BlackBox(model)(images))
    assert run(*asked, "its_builder:nothing")[0] == 4  # wrong use


def test_serve_takes_what_ships(run, monkeypatch):
    images = wm.load_data("mnist").test.images[:20]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, labels = f"http://127.0.0.1:{port}/v2/models/shop", []
    while_it_runs(monkeypatch, lambda: labels.append(wm.RemoteModel(url)(images)))
    code, out, _ = run("serve", "mnist/content", "--name", "shop", "--port", port, "--json")
    assert (code, json.loads(out)) == (130, {"url": url, "name": "shop", "model": "mnist/content"})
    np.testing.assert_array_equal(labels[0], wm.BlackBox(wm.load_model("mnist/content"))(images))


def test_serve_behaves_as_it_is_told(run, monkeypatch):
    given = []
    monkeypatch.setenv("WMLEARN_TOKEN", "open-sesame")
    monkeypatch.setattr(
        cli, "serve", lambda model, *, options, **rest: given.append(options) or 1 / 0
    )
    options = ["--scores", "--rate", 50, "--latency", 0.5, "--faults", 0.25]
    _, out, err = run("serve", "mnist/clean", *options)
    assert given == [
        wm.ServiceOptions(scores=True, rate=50, latency=0.5, faults=0.25, token="open-sesame")
    ]
    assert "open-sesame" not in out + err


@pytest.mark.parametrize(("token", "code"), [("open-sesame", 0), ("another-one", 3), ("", 3)])
def test_the_token_comes_from_the_environment_and_is_never_shown(
    run, evidence, monkeypatch, token, code
):
    monkeypatch.setenv("WMLEARN_TOKEN", token)
    with wm.serve(
        Knows(), name="closed", options=wm.ServiceOptions(token="open-sesame")
    ) as service:
        got, out, err = run("verify", service.url, evidence)
    assert got == code
    assert err.count("\n") == (code == 3)
    assert not token or token not in out + err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["mnist/contnet"], "Did you mean 'mnist/content'?"),
        (["missing.safetensors"], "it is missing"),
        (["{damaged}"], "it is damaged or another file"),
        (["mnist/clean", "--port", "{taken}"], "port=0 to take a free one"),
        (["mnist/clean", "--name", "a b"], "a letter or digit first"),
        (["mnist/clean", "--faults", "2"], "faults must be"),
        (["mnist/clean", "--rate", "0"], "rate (images per second) must be"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(run, tmp_path, arguments, word):
    (tmp_path / "damaged.safetensors").write_bytes(b"nothing of the kind")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        places = {"damaged": tmp_path / "damaged.safetensors", "taken": taken.getsockname()[1]}
        code, out, err = run("serve", *(argument.format(**places) for argument in arguments))
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert word in err


# ---------------------------------------------------------------- check


def test_all_is_well_here(run):
    code, out, err = run("doctor", "--json")
    replies = json.loads(out)
    assert (code, err, replies["ok"], replies["problems"]) == (0, "", True, [])
    assert {
        "Python",
        "wmlearn",
        "torch",
        "torchvision",
        "ipywidgets",
        "jupyterlab",
        "mnist",
        "cifar10",
    } <= set(replies["found"])
    assert replies["found"]["torch"] == importlib.metadata.version("torch")
    assert "s over HTTP" in replies["found"]["1,000 images"]


@pytest.fixture
def quick(monkeypatch):
    """Leave the slow looks out."""
    monkeypatch.setattr(environment, "_released", lambda name: "as released")
    monkeypatch.setattr(environment, "_seconds", lambda: "0.1 s")


def test_check_for_people(run, quick):
    code, out, _ = run("doctor")
    assert code == 0
    assert out.endswith("All is well.\n")
    assert "ok  mnist: as released\n" in out


@pytest.mark.parametrize("name", ["torch", "torchvision", "ipywidgets", "jupyterlab"])
def test_a_missing_package_is_a_problem(run, quick, monkeypatch, name):
    existing = importlib.metadata.version

    def version(asked):
        if asked == name:
            raise importlib.metadata.PackageNotFoundError(asked)
        return existing(asked)

    monkeypatch.setattr(importlib.metadata, "version", version)
    code, out, _ = run("doctor")
    assert code == 3
    wanted = f'pip install "wmlearn[{EXTRAS[name]}]".\n'
    (line,) = [line for line in out.splitlines(keepends=True) if line.startswith(f"!!  {name}: ")]
    assert line.endswith(wanted)
    assert out.endswith("1 problem to fix.\n")


def test_a_version_that_will_not_do_is_a_problem(run, quick, monkeypatch):
    existing = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda name: "9.1" if name == "ipywidgets" else existing(name),
    )
    code, out, _ = run("doctor", "--json")
    (problem,) = json.loads(out)["problems"]
    assert code == 3
    assert problem.startswith(
        "ipywidgets should be <9,>=7.7.1; version 9.1 is installed. Install it: pip install 'ipyw"
    )


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Put modules in the place of packages, as every new process finds them."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")

    for line in map(Requirement, importlib.metadata.requires("wmlearn")):
        write(module_of(line.name), "")  # the true ones take seconds
    write("torchvision", "class ops: nms = staticmethod(lambda *boxes: None)")
    write("torch", "ones = lambda *shape: None")
    return write


def module_of(package):
    return {"pillow": "PIL"}.get(package, package.replace("-", "_"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        # what PyPI's torchvision does beside PyTorch's own torch, and an older torchvision
        ("torchvision", "raise RuntimeError('operator torchvision::nms does not exist')"),
        ("torchvision", "class ops:\n    def nms(*boxes): raise NotImplementedError('no kernel')"),
        ("torch", "raise OSError('libtorch_cuda.so: cannot open shared object file')"),
        ("seaborn", "print('noise')\nraise ImportError('numpy.dtype size changed\\n\\n  may be')"),
        ("PIL", "import os\nos.abort()"),
        ("scipy", "import sys\nsys.exit(0)"),
    ],
    ids=["builds", "old builds", "torch", "of two lines", "crash", "exit"],
)
def test_a_package_that_cannot_be_imported_is_a_problem(says, run, quick, installed, name, text):
    installed(name, text)
    code, out, _ = run("doctor", "--json")
    problem, *others = json.loads(out)["problems"]
    assert code == 3
    assert len(others) == (name == "torch")  # torchvision needs it
    says(re.sub(r"\d+\.[\d.]+(\+\w+)?", "9.9", problem))
    found = set(map(module_of, json.loads(out)["found"]))
    assert {"torch", "torchvision", "seaborn", "PIL", "scipy", "uvicorn"} - found == (
        {name, "torchvision"} if others else {name}
    )


def test_the_doctor_and_the_set_up_name_one_place(root):
    assert f'"{environment.CPU_BUILDS}"' in (root / "tasks.py").read_text(encoding="utf-8")


def test_a_damaged_model_is_a_problem(run, monkeypatch):
    digests = json.loads(zoo.DIGESTS.read_text(encoding="utf-8")) | {"mnist/clean": "0" * 64}
    monkeypatch.setattr(zoo, "_released", lambda: digests)
    monkeypatch.setattr(
        environment, "load_data", lambda name: None
    )  # its own damage is tested where it is read
    monkeypatch.setattr(environment, "_seconds", lambda: "0.1 s")
    code, out, _ = run("doctor")
    assert code == 3
    assert "clean.safetensors should be the model 'mnist/clean' as released; it is damaged" in out


def test_a_service_that_answers_otherwise_is_a_problem(run, monkeypatch):
    monkeypatch.setattr(environment, "_released", lambda name: "as released")
    monkeypatch.setattr(
        cli.RemoteModel, "__call__", lambda suspect, images: np.zeros(len(images), np.int64)
    )
    code, out, _ = run("doctor")
    assert code == 3
    assert "a service should give the same labels as its model" in out


# ---------------------------------------------------------------- lab


@pytest.fixture
def jupyterlab(monkeypatch):
    """Put a JupyterLab in place that only notes what it was opened with."""
    opened: list[list[str]] = []
    lab = types.ModuleType("jupyterlab.labapp")
    lab.main = opened.append
    monkeypatch.setitem(sys.modules, "jupyterlab", types.ModuleType("jupyterlab"))
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", lab)
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    return opened


def test_lab_copies_the_lessons_and_opens_the_front_page(run, jupyterlab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("lab")
    assert (code, err) == (0, "")
    assert out.startswith("Your lessons are in learn: ")
    assert jupyterlab == [[str(Path("learn", "start.ipynb")), cli.PROMPT]]
    assert Path("learn", "start.ipynb").exists()
    assert Path("learn", "00_the_copied_map.ipynb").exists()


def test_lab_keeps_what_was_worked_on(run, jupyterlab, tmp_path):
    lesson = tmp_path / "mine" / "00_the_copied_map.ipynb"
    run("lab", lesson.parent)
    lesson.write_text("my own work", encoding="utf-8")
    code, out, _ = run("lab", lesson.parent)
    assert code == 0
    assert "0 new, 0 refreshed. Left as you have them: 00_the_copied_map.ipynb (delete one" in out
    assert lesson.read_text(encoding="utf-8") == "my own work"


def test_lab_passes_options_on(run, jupyterlab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)  # a container
    for place in ([], ["there"]):
        assert run("lab", *place, "--no-browser", "--port", 9999)[0] == 0
        page = str(Path(*(place or ["learn"]), "start.ipynb"))
        assert jupyterlab.pop() == [
            page,
            cli.PROMPT,
            "--allow-root",
            "--no-browser",
            "--port",
            "9999",
        ]


def test_lab_can_copy_and_open_nothing(run, jupyterlab, tmp_path):
    assert run("lab", tmp_path / "mine", "--copy-only")[0] == 0
    assert (tmp_path / "mine" / "start.ipynb").exists()
    assert jupyterlab == []


@pytest.mark.parametrize(("set_before", "reaches"), [(None, "1"), ("3", "3")])
def test_kernels_of_lab_calculate_on_one_thread(
    run, jupyterlab, tmp_path, monkeypatch, set_before, reaches
):
    """JupyterLab hands its environment on to every kernel."""
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # put back at the end
    if set_before is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", set_before)
    run("lab", tmp_path / "mine")
    assert os.environ["OMP_NUM_THREADS"] == reaches


def test_lab_without_jupyterlab_says_how_to_get_it(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    code, out, err = run("lab", tmp_path / "learn")
    assert (code, out) == (3, "")
    assert err.startswith("Error: ")
    assert err.endswith('pip install "wmlearn[lab]".\n')
    assert not (tmp_path / "learn").exists()


# ---------------------------------------------------------------- what is installed


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    """Build the wheel as pip would, but without the network."""
    from hatchling.builders.wheel import WheelBuilder

    (path,) = WheelBuilder(str(root)).build(
        directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"]
    )
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_the_lessons_and_the_command(wheel, root):
    inside = [
        Path(name).name for name in wheel.namelist() if name.startswith("wmlearn/_notebooks/")
    ]
    assert sorted(inside) == sorted(path.name for path in root.glob("notebooks/*.ipynb"))
    docs = {name for name in wheel.namelist() if name.startswith("wmlearn/docs/")}
    tables = {f"wmlearn/docs/results/{path.name}" for path in root.glob("docs/results/*.csv")}
    tables |= {f"wmlearn/docs/diagrams/{path.name}" for path in root.glob("docs/diagrams/*.svg")}
    assert docs == tables | {"wmlearn/docs/glossary.md", "wmlearn/docs/results.md"}
    assert {name.split("/")[0] for name in wheel.namelist()} == {
        "wmlearn",
        f"wmlearn-{wheel_version(wheel)}.dist-info",
        f"wmlearn-{wheel_version(wheel)}.data",
    }
    (scripts,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "wmlearn = wmlearn.cli:main" in wheel.read(scripts).decode().splitlines()


def wheel_version(wheel):
    return Path(wheel.filename).name.split("-")[1]


def test_lab_works_from_the_wheel(wheel, tmp_path):
    """Nothing of the checkout is used: the package lies elsewhere, and so does the folder one works
    in.
    """
    wheel.extractall(tmp_path / "site")
    (tmp_path / "site" / "jupyterlab").mkdir()
    stand_in = (
        "import wmlearn\ndef main(opened): print('opened', opened[0], 'with', wmlearn.__file__)\n"
    )
    (tmp_path / "site" / "jupyterlab" / "labapp.py").write_text(stand_in, encoding="utf-8")
    (tmp_path / "site" / "jupyterlab" / "__init__.py").touch()
    (tmp_path / "work").mkdir()
    done = in_a_shell(
        "lab", cwd=tmp_path / "work", env=os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    )
    assert done.returncode == 0, done.stderr
    page = Path("learn", "start.ipynb")
    assert f"opened {page} with {tmp_path / 'site' / 'wmlearn' / '__init__.py'}" in done.stdout
    assert (tmp_path / "work" / page).exists()
    assert (tmp_path / "work" / "learn" / "00_the_copied_map.ipynb").exists()
    references = tmp_path / "work" / "learn" / "reference"
    assert (references / "glossary.ipynb").exists()
    assert (references / "results" / "power.csv").exists()


def test_only_the_command_line_needs_click(run_python):
    run_python(
        "import sys; sys.modules['click'] = None; import wmlearn; wmlearn.RemoteModel, "
        "wmlearn.verify, wmlearn.serve"
    )


def test_verify_needs_no_torch(run_python):
    run_python("import sys; sys.modules['torch'] = None; import wmlearn.cli")
