"""The command line: lessons, a service, the tools of owner and judge, cases, and `doctor`.

Exit codes are part of the interface. A script must never take an error for a verdict, so only
`verify` and `judge` return 1 and 2; every error, click's own included, ends with 3 or more.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import numpy as np

from wmlearn._checks import check_count, sentence, shown
from wmlearn._display import plural
from wmlearn._extras import extras
from wmlearn._files import SMALL_BYTES, read_text, readable, whole
from wmlearn.course.copies import copy_lessons, lessons_in
from wmlearn.course.environment import findings
from wmlearn.evidence.beacon import Beacon
from wmlearn.evidence.commitment import check_digest
from wmlearn.evidence.judging import challenge, judge
from wmlearn.evidence.log import log_head, log_use, read_log
from wmlearn.evidence.opening import open_questions, read_opening
from wmlearn.evidence.sequential import SequentialTest
from wmlearn.evidence.storage import open_evidence, open_sealed
from wmlearn.evidence.verdict import Verdict
from wmlearn.service.blackbox import BlackBox
from wmlearn.service.options import ServiceOptions
from wmlearn.service.remote import RemoteModel
from wmlearn.service.server import serve

if TYPE_CHECKING:
    from wmlearn.service._protocol import Encode

EXIT_CODES = {"found": 0, "not found": 1, "cannot tell": 2}
FAILED, MISUSED, INTERRUPTED = 3, 4, 130
HERE = Path(__file__).parent
Box = BlackBox | RemoteModel
INSTALLED, CHECKOUT = HERE / "_notebooks", HERE.parent / "notebooks"  # of the lessons
# With it JupyterLab's server sends the result of moving a slider at once.
PROMPT = "--ServerApp.kernel_websocket_connection_class="
PROMPT += "wmlearn.course.connection.PromptConnection"

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit with its code; an error never exits with 1 or 2, as click would."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        sys.exit(_exit_code(arguments))


def _exit_code(arguments: list[str] | None) -> int:
    try:
        with extras():
            code: int | None = commands.main(arguments, prog_name="wmlearn", standalone_mode=False)
        return code or 0
    except click.ClickException as error:
        error.show()
        return MISUSED if isinstance(error, click.UsageError) else FAILED
    except click.Abort:
        return INTERRUPTED
    except SystemExit as end:  # raised by click when a pipe is closed, or by JupyterLab
        return FAILED if end.code else 0
    except Exception as error:
        if not isinstance(error, (OSError, ValueError, TypeError, RuntimeError, ImportError)):
            traceback.print_exc()  # not the user's mistake: the traceback says where to fix it
        click.echo(f"Error: {sentence(error)}", err=True)
        return FAILED


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"Warning: {message}", err=True)


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wmlearn")
def commands() -> None:
    """Show that a service depends on a secret key: lessons, a service to query, and the verdict.

    Exit codes: 3 an error, 4 a wrong command line, 130 stopped by Ctrl+C; for those of a verdict
    see `wmlearn verify --help`.
    """


# ---------------------------------------------------------------- lab


@commands.command("lab", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[DIR] [JUPYTERLAB OPTIONS]")
@click.option("--copy-only", is_flag=True, help="Copy the lessons, and open nothing.")
def _lab(arguments: tuple[str, ...], copy_only: bool) -> None:
    """Open your own copy of the lessons in JupyterLab, on the map of the course.

    The copy is put into DIR ("learn" if left out); a lesson that you have worked on is never
    overwritten. All further options go to JupyterLab: wmlearn lab learn --no-browser --port 9999
    With --copy-only nothing is opened: for VS Code, or a JupyterLab that runs already.
    """
    folder, options = "learn", list(arguments)
    if options and not options[0].startswith("-"):
        folder = options.pop(0)
    from jupyterlab.labapp import main as open_lab

    copied = copy_lessons(INSTALLED if INSTALLED.is_dir() else CHECKOUT, folder)
    counts = f"{len(copied.new)} new, {len(copied.refreshed)} refreshed."
    if copied.kept:
        kept = ", ".join(path.name for path in copied.kept)
        counts += f" Left as you have them: {kept} (delete one to start afresh)."
    click.echo(f"Your lessons are in {folder}: {counts}")
    for problem in copied.failed:
        click.echo(f"Not copied: {problem}", err=True)
    if copy_only:
        return
    # One thread, also where a lesson trains by hand: two lose far more beside busy neighbours than
    # they gain, and give other last digits (docs/results/threads.csv).
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.insert(
            0, "--allow-root"
        )  # without it JupyterLab refuses; containers are often root
    options.insert(0, PROMPT)
    open_lab([str(lessons_in(Path(folder))[0]), *options])


# ---------------------------------------------------------------- serve


@commands.command("serve")
@click.argument("model")
@click.option("--name", default="model", show_default=True, help="The model's name in the address.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on; by default only this machine can reach it.",
)
@click.option("--port", type=int, default=0, help="The port; any free one if left out.")
@click.option("--scores", is_flag=True, help="Also return the probability of each class.")
@click.option("--rate", type=float, help="Images per second; faster clients have to wait.")
@click.option("--latency", type=float, default=0.0, help="Seconds of delay before each answer.")
@click.option("--faults", type=float, default=0.0, help="Share of the requests that fail, 0 to 1.")
@click.option("--network", metavar="MODULE:NAME", help="A function that builds your own network.")
@_json
def _serve(model: str, name: str, host: str, port: int, as_json: bool, **options: Any) -> None:
    """Serve MODEL over HTTP until Ctrl+C, and print its address.

    MODEL is a model that ships ("mnist/content") or a file that wm.save_model wrote
    ("mine.safetensors"). For a network of your own add --network. If the environment variable
    WMLEARN_TOKEN is set, the service answers only clients that send it as bearer token.
    """
    from wmlearn import zoo

    factory = options.pop("network")
    if factory is not None:
        factory = _of_ones_own(factory, "--network")
    served = zoo.load_model(model, network=factory)
    behaviour = ServiceOptions(token=_token(), **options)
    with serve(served, name=name, host=host, port=port, options=behaviour) as service:
        _say(service.url, {"url": service.url, "name": name, "model": model}, as_json)
        click.echo("It answers until you press Ctrl+C.", err=True)
        while True:
            time.sleep(3600)


def _token() -> str | None:
    """Return the bearer token; it is no option, as any user of a machine can read command lines."""
    return os.environ.get("WMLEARN_TOKEN") or None


# ---------------------------------------------------------------- verify

STEP = 25  # questions per step: an interruption loses the answers to no more than these

_ASKING = {  # how to query a service whose own description is wrong or missing
    "timeout": (float, "Seconds that one request may take; 10 if left out."),
    "ca": (str, "A PEM file of the authorities that may have signed the service's certificate."),
    "input": (str, "The name of the input that takes the images."),
    "output": (str, "The name of the output that holds labels or scores."),
    "datatype": (str, "The data type of the input: UINT8 (0 to 255), FP32 (0 to 1), ..."),
    "layout": (str, "The layout of the images: NCHW, NHWC, NHW or flat."),
    "high": (float, "Scale pixels to the range from 0 to this number."),
    "mean": (str, "Subtract this from the pixels: a number, or one per channel: 0.5,0.4,0.4"),
    "std": (str, "Then divide the pixels by this: a number, or one per channel."),
    "names": (str, "The service's class names by number: a,b,c, or a file with one per line."),
    "batch": (int, "The largest number of images in one request."),
}
_header = click.option(
    "--header",
    multiple=True,
    metavar="NAME:VALUE",
    help="Send this with each request. NAME:@FILE keeps the value out of the list of processes.",
)
_outcome = click.option(
    "--outcome", default="", help="The outcome of the public draw that the seal names, if any."
)


def _asks(command: Callable[..., int]) -> Callable[..., int]:
    """Add to a command the options that `_service` reads."""
    for name, (kind, text) in reversed(_ASKING.items()):
        command = click.option(f"--{name}", type=kind, help=text)(command)
    return _header(command)


def _service(url: str, options: dict[str, Any]) -> RemoteModel:
    """Return the service at a URL; the options that describe it are removed from `options`."""
    told = {"budget": options.get("budget")}
    for name in _ASKING:
        told[name] = options.pop(name)
    told["encode"] = _encode(told.pop("high"), told.pop("mean"), told.pop("std"))
    told["verify"] = told.pop("ca")
    told["classes"] = _names(told.pop("names"))
    told["headers"] = dict(map(_read_header, options.pop("header")))
    given = {name: value for name, value in told.items() if value is not None}
    return RemoteModel(url, token=_token(), **given)


def _read_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    value = value.strip()
    if not colon:
        raise click.UsageError("--header must be NAME:VALUE; got one without a colon.")
    if value.startswith("@"):
        value = Path(value[1:]).read_text(encoding="utf-8").strip()
    return name, value


def _names(text: str | None) -> list[str] | None:
    """Return class names from a file with one per line, or from a text a,b,c."""
    if text is None:
        return None
    if Path(text).is_file():
        return Path(text).read_text(encoding="utf-8").splitlines()
    return text.split(",")


def _encode(high: float | None, mean: str | None, std: str | None) -> Encode | None:
    """Return the function that scales and normalises pixels for a service, if any option asks."""
    if (high, mean, std) == (None, None, None):
        return None
    top = 1.0 if high is None else high
    centre, spread = _channels(mean or "0", "--mean"), _channels(std or "1", "--std")
    return lambda images: (images * top - centre) / spread


def _channels(text: str, option: str) -> np.ndarray:
    try:
        numbers = np.array(text.split(","), dtype=float)
    except ValueError:
        raise click.UsageError(
            f"{option} must be numbers such as 0.5 or 0.485,0.456,0.406; got {shown(text)}."
        ) from None
    return numbers.reshape(-1, 1, 1)


def _own(place: str, one_by_one: bool, options: dict[str, Any]) -> Box:
    """Return a function or black box in a module of the user's own, as a black box."""
    names = _names(options.pop("names")) or ()
    if any(options.pop(name) for name in (*_ASKING, "header") if name in options):
        raise click.UsageError("With --suspect, only --names and --budget apply.")
    found = _of_ones_own(place, "--suspect")
    if isinstance(found, Box):
        return found
    return BlackBox(found, budget=options["budget"], one_by_one=one_by_one, classes=names)


def _of_ones_own(place: str, option: str) -> Any:
    """Return the object MODULE:NAME from a module of the user's own."""
    module, _, name = place.partition(":")
    sys.path.insert(0, os.getcwd())
    found = getattr(importlib.import_module(module), name, None)
    if found is None:
        raise click.UsageError(
            f"{option} must be MODULE:NAME, such as mine:ask for ask in mine.py; got {place!r}."
        )
    return found


@commands.command("verify")
@click.argument("url")
@click.argument("evidence", required=False)
@click.option(
    "--suspect", metavar="MODULE:NAME", help="A function or black box of your own, instead of URL."
)
@click.option("--one-by-one", is_flag=True, help="The function takes one image, (c, h, w).")
@click.option(
    "--questions",
    type=int,
    help="How many questions to ask in total, in sealed order; all if left out.",
)
@click.option(
    "--family",
    type=int,
    help="How many tests share alpha; declared with the first test, for all tests of this folder.",
)
@click.option("--anew", is_flag=True, help="Begin another test even if the last is not finished.")
@click.option("--seal", help="The published seal: if the evidence has another, nothing is sent.")
@_outcome
@_asks
@click.option("--budget", type=int, help="The largest number of images to send now.")
@_json
def _verify(
    url: str,
    evidence: str | None,
    questions: int | None,
    family: int | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Ask the service at URL the questions in the folder EVIDENCE, and decide whether it carries
    the watermark: the owner's own test.

    EVIDENCE is a folder that wm.evidence.save_evidence wrote. Its log notes the test before
    anything is sent, and then every answer. If you run the command again with more --questions, the
    same test continues; no image is sent twice. Publish the head of the log, which is printed: it
    commits to all lines of the log. Without --family the s-th test in the log counts as one of
    s (s + 1), so alpha covers all tests, however many follow. If the service needs a bearer token,
    set the environment variable WMLEARN_TOKEN. If it describes itself wrongly or not at all, use
    the options --input to --batch. If it speaks no common protocol, pass a function of your own
    that wm.BlackBox accepts: wmlearn verify --suspect mine:ask_one --one-by-one EVIDENCE. Exit
    codes: 0 found, 1 not found (which does not clear the service), 2 cannot tell, 3 an error, 4 a
    wrong command line, 130 stopped by Ctrl+C.
    """
    suspect, one_by_one = options.pop("suspect"), options.pop("one_by_one")
    alone = evidence is None
    evidence, url = evidence or url, suspect or url
    if "://" in evidence or alone == (suspect is None):
        raise click.UsageError("Give URL and then the folder EVIDENCE; or --suspect and EVIDENCE.")
    _check_url(url)
    triggers = open_evidence(evidence, options.pop("outcome"))
    published = options.pop("seal")
    if published is not None and check_digest(published, "seal") != triggers.seal:
        raise ValueError(
            f"the evidence must be under the published seal, {published[:8]}…; it is under "
            f"{triggers.seal[:8]}…. Nothing was sent. Give the folder that was sealed."
        )
    anew = options.pop("anew")
    if questions is None:
        questions = triggers.n
    check_count(questions, "questions", low=1, high=triggers.n, why="sealed")
    asked: Box = _own(url, one_by_one, options) if suspect else _service(url, options)
    with asked:
        if not isinstance(asked, BlackBox):
            asked.connect(triggers.images[:1])  # first: an unreachable service is no test
        test = SequentialTest(asked, triggers, folder=evidence, whom=url, family=family, anew=anew)
        if test.asked:
            before = f"{plural(test.asked, 'question')} already asked"
            click.echo(f"The last test of this service continues: {before}.", err=True)
        end = _within(options["budget"], test, questions)
        while test.asked < end:
            test.ask(min(STEP, end - test.asked))
    _complain(asked)
    if end < questions:
        first, last = np.searchsorted(triggers.question, [end, questions])
        left = plural(int(last - first), "image")
        click.echo(f"The budget is spent: {left} not sent.", err=True)
    proof = {"seal": triggers.seal, "head": log_head(evidence)}
    return _tell(test.verdict, proof, as_json)


def _check_url(url: str) -> None:
    if re.search(r"//[^/]*@", url):
        raise click.UsageError(
            "URL must not hold a password: the log would show it. Leave out everything before @."
        )


def _within(budget: int | None, test: SequentialTest, questions: int) -> int:
    """Return how many whole questions fit in the budget, after the images of the calibration."""
    if budget is None:
        return questions
    if test.clean is not None and test.calibration is None:
        budget -= len(test.clean.pixels)
    question = test.triggers.question
    first_beyond = test.answers.queries + max(budget, 0)
    if first_beyond >= len(question):
        return questions
    return min(questions, int(question[first_beyond]))


def _complain(suspect: Box) -> None:
    if suspect.faults:
        missed = f"{plural(suspect.n_unreachable, 'image')} got no valid answer"
        click.echo(f"{missed}; the last fault: {suspect.faults[-1]}", err=True)


def _tell(verdict: Verdict, proof: dict[str, Any], as_json: bool) -> int:
    """Print a verdict and the facts to check it against, and return its exit code."""
    if as_json:
        proof = verdict.to_dict() | {"explanation": verdict.explain()} | proof
    else:
        click.echo(verdict.explain())
    _show(proof, as_json)
    return EXIT_CODES[verdict.decision]


def _show(facts: dict[str, Any], as_json: bool) -> None:
    lines = [f"{name.capitalize()}: {facts[name]}" for name in facts]
    _say("\n".join(lines), facts, as_json)


def _say(text: str, facts: dict[str, Any], as_json: bool, *, err: bool = False) -> None:
    """Print a text, or the same facts as one JSON object; `err` sends a text to stderr."""
    if as_json:
        text = json.dumps(facts)
    click.echo(text, err=err and not as_json)


# ---------------------------------------------------------------- owner and judge


@commands.command("seal")
@click.argument("evidence")
@click.option("--head", help="A published head of the log: the log must continue from it.")
@_json
def _seal(evidence: str, head: str | None, as_json: bool) -> None:
    """Print the seal of the folder EVIDENCE and the head of its log: what to publish."""
    seal = open_sealed(evidence).seal
    read_log(evidence, head)
    _show({"seal": seal, "head": log_head(evidence)}, as_json)


@commands.command("challenge")
@click.argument("seal")
@click.option("--nonce", required=True, help="A text that the owner could not know beforehand.")
@click.option("--questions", type=int, required=True, help="How many questions the seal covers.")
@click.option("--count", type=int, required=True, help="How many questions to name.")
def _challenge(seal: str, nonce: str, questions: int, count: int) -> None:
    """Name questions of the set under SEAL, drawn by the judge's nonce after it was published.

    For the judge: send the numbers and the nonce to the owner, who opens them (wmlearn open).
    """
    named = challenge(seal, nonce.encode(), questions=questions, count=count)
    click.echo(",".join(map(str, named)))


@commands.command("open")
@click.argument("evidence")
@click.option("--named", required=True, help="The numbers: 4,7,12, or a file that holds them.")
@click.option("--case", required=True, help="The case they are opened for, noted in the log.")
@click.option("--nonce", default="", help="The judge's nonce, by which they were named.")
@_outcome
@click.option(
    "--out", default="opened.safetensors", show_default=True, help="The file for the judge."
)
def _open(evidence: str, named: str, case: str, nonce: str, outcome: str, out: str) -> None:
    """Open the questions named by --named in the folder EVIDENCE for a judge, without the key.

    Opened questions are no longer secret: against a model that is changed later they prove nothing.
    """
    triggers = open_evidence(evidence, outcome)
    opened = open_questions(triggers, _numbers(named), nonce=nonce.encode(), case=case)
    log_use(evidence, "opened", opened.indices, whom=case)  # before saving: a file is easily copied
    opened.save(out)
    click.echo(f"{out}: {plural(len(opened.indices), 'question')} for {case}.")
    click.echo(f"Head: {log_head(evidence)}")


def _numbers(named: str) -> list[int]:
    """Return numbers from a text such as 4,7,12, or from a file."""
    text = named
    if os.path.isfile(named):  # Path raises an error for a text too long for a name
        with readable(f"{named} should hold the named questions", "Give another file."):
            text = read_text(named, SMALL_BYTES).removeprefix("\ufeff")
    if not re.fullmatch(r"\s*\d+([\s,]+\d+)*\s*", text):
        raise click.UsageError(
            f"--named must be numbers such as 4,7,12, or a file of them; got {shown(text)}."
        )
    return list(map(int, re.findall(r"\d+", text)))


@commands.command("judge")
@click.argument("url")
@click.argument("opened")
@click.option("--seal", required=True, help="The published seal.")
@click.option("--nonce", default="", help="The judge's nonce, for which the questions were opened.")
@click.option("--count", type=int, help="How many questions were named by that nonce.")
@click.option("--named", help="The numbers that were named: 4,7,12, or a file; instead of --count.")
@click.option("--owner", default="", help="Who brings the case: the seal must name them or nobody.")
@click.option(
    "--alpha", type=float, default=1e-3, show_default=True, help="The significance level."
)
@click.option("--family", type=int, default=1, show_default=True, help="Tests that share alpha.")
@click.option("--beacon", help="The outcome of the public draw that the seal names.")
@click.option("--seals", type=int, help="How many seals were published before that draw.")
@click.option("--outcomes", type=int, help="Possible outcomes of it: at least 2^64, as 25 dice.")
@_asks
@_json
def _judge(url: str, opened: str, as_json: bool, **rules: Any) -> int:
    """Ask the service at URL the questions in the file OPENED, and decide without key or owner.

    Give --named, or --nonce and --count. The decision is made once, at the end, on the judge's p.
    The judge must find out how many seals were published before the draw; without --beacon the
    verdict allows for 2^48 seals that the owner may have tried. Exit codes: as those of wmlearn
    verify.
    """
    _check_url(url)
    if rules["beacon"] is None and (rules["seals"], rules["outcomes"]) != (None, None):
        raise click.UsageError("--seals and --outcomes describe a draw: add --beacon.")
    opening = read_opening(opened)
    nonce = rules["nonce"].encode()
    opening.brought_by(rules["owner"], nonce=nonce)
    if rules["named"] is not None:
        named = _numbers(rules["named"])
    elif nonce and rules["count"] is not None:
        sealed = opening.header["questions"]
        named = challenge(rules["seal"], nonce, questions=sealed, count=rules["count"])
    else:
        raise click.UsageError("Say which questions were named: --named, or --nonce and --count.")
    beacon = None
    if rules["beacon"] is not None:
        beacon = Beacon(rules["beacon"], rules["seals"], rules["outcomes"])
    with _service(url, rules) as suspect:
        verdict = judge(
            suspect,
            opening,
            seal=rules["seal"],
            named=named,
            alpha=rules["alpha"],
            family=rules["family"],
            beacon=beacon,
        )
    _complain(suspect)
    return _tell(verdict, {"seal": opening.seal, "named": named}, as_json)


# ---------------------------------------------------------------- case


@commands.group("case")
def _case() -> None:
    """Make a case for the tribunal (lesson 13), and score the cards that students hand in."""


@_case.command("new")
@click.option(
    "--secret",
    required=True,
    help="Where to write the truth, only for the teacher: a new JSON file.",
)
@click.option(
    "--out", default="case.safetensors", show_default=True, help="The file for the students."
)
@click.option(
    "--budget", type=int, default=300, show_default=True, help="Questions for all six services."
)
def _new(secret: str, out: str, budget: int) -> None:
    """Train six networks, and write a case for students and its truth to two files.

    It takes about a minute.
    """
    from wmlearn.course._cases import new_case

    name = new_case(out, secret, budget=budget)
    then = "to your students (wm.course.open_case)"
    click.echo(f"{name}: give {out} {then}, and keep {secret} to yourself.")


@_case.command("score")
@click.argument("cards", nargs=-1, required=True)
@click.option("--secret", required=True, help="The truth that `wmlearn case new` wrote.")
@_json
def _score(cards: tuple[str, ...], secret: str, as_json: bool) -> int:
    """Score the CARDS that students saved with case.card(...).save(path).

    Cards that cannot be scored are named at the end, after all others. Exit codes: 0 all cards were
    scored, 3 one or more were not.
    """
    from wmlearn.course.tribunal import read_secret, score_card

    read_secret(secret)  # first: without it no card can be scored
    failed = {}
    for card in cards:
        try:
            score = score_card(card, secret=secret)
        except (OSError, ValueError, TypeError) as error:
            failed[card] = sentence(error).removeprefix(f"{card} ")
            continue
        whose = f"{card}, signed {shown(score.name)}" if score.name else card
        _say(f"{whose}: {score!r}", {"card": card} | score.to_dict(), as_json)
    for card, problem in failed.items():
        _say(f"Error: {card}: {problem}", {"card": card, "error": problem}, as_json, err=True)
    return FAILED if failed else 0


@commands.command("grades")
@click.argument("folder")
@click.option("--secret", help="The truth of your case; that of the practice case if left out.")
@click.option("--csv", "table", help="Write the table to this new file, for a spreadsheet.")
@_json
def _grades(folder: str, secret: str | None, table: str | None, as_json: bool) -> int:
    """Show what a class handed in as one table: a row for each folder in FOLDER.

    A learner's folder holds their score card (any *.json) and, if you want to see it, their journal
    (.solved.json, .guesses.json). Points are calculated here. The exercises reported as solved, in
    --csv and --json also by lesson, are only what the learners' own files say: anyone can edit
    these. Exit codes: 0 a table, whatever problems are in it; 3 nothing could be read.
    """
    from wmlearn.course._lessons import read_lessons
    from wmlearn.course.gradebook import grades
    from wmlearn.course.tribunal import PRACTICE_KEY

    frame = grades(folder, secret=secret or PRACTICE_KEY)
    if table is not None:
        with whole(table, new=True) as file:
            file.write(frame.to_csv().encode("utf-8-sig"))  # the mark tells Excel that it is UTF-8
    if as_json:
        click.echo(frame.reset_index().to_json(orient="records", lines=True), nl=False)
    elif table is None:
        short = frame.drop(columns=["problem", *read_lessons()]).dropna(axis="columns", how="all")
        click.echo(short.astype(object).where(short.notna(), "").to_string())
    problems = frame["problem"][frame["problem"] != ""]
    for learner, problem in problems.items():
        click.echo(f"{learner}: {problem}", err=True)
    nothing = frame[["points", "reported", "guesses"]].isna().all(axis=None)
    return FAILED if nothing else 0


# ---------------------------------------------------------------- doctor


@commands.command("doctor")
@_json
def _doctor(as_json: bool) -> int:
    """Check that this machine has what the course needs. Exit code 0 if all is well, else 3."""
    found: dict[str, str] = {}
    problems: list[str] = []
    for what, value, problem in findings():
        if not problem:
            found[what] = value
        elif problem not in problems:
            problems.append(problem)
        if not as_json:
            mark = "!!" if problem else "ok"
            click.echo(f"{mark}  {what}: {problem or value}")
    end = "All is well."
    if problems:
        end = f"{plural(len(problems), 'problem')} to fix."
    _say(end, {"ok": not problems, "found": found, "problems": problems}, as_json)
    return FAILED if problems else 0


if __name__ == "__main__":
    main()
