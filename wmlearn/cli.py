"""The command line: lessons, a service, the owner's and the judge's tools, cases, and `doctor`.

Exit codes are part of it. A script must never take an error for a verdict, so 1 and 2 are said by
`verify` and `judge` alone; whatever goes wrong, click's own errors included, ends with 3 or more.
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
from wmlearn._files import SMALL_BYTES, read_text, readable
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
INSTALLED, CHECKOUT = HERE / "_notebooks", HERE.parent / "notebooks"  # where the lessons may lie
# JupyterLab's server then sends at once what a slider has brought about.
PROMPT = "--ServerApp.kernel_websocket_connection_class="
PROMPT += "wmlearn.course.connection.PromptConnection"

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command, and end with its exit code: for an error never one of click's own, 1 and 2."""
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
    except SystemExit as end:  # click's where the reader of a pipe went away, or JupyterLab's
        return FAILED if end.code else 0
    except Exception as error:
        if not isinstance(error, (OSError, ValueError, TypeError, RuntimeError, ImportError)):
            traceback.print_exc()  # no user's mistake: whoever mends it needs to see where
        click.echo(f"Error: {sentence(error)}", err=True)
        return FAILED


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"Warning: {message}", err=True)


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wmlearn")
def commands() -> None:
    """Show that a service depends on a secret key: lessons, a service to question, and the verdict.

    Exit codes: 3 an error, 4 a command that makes no sense, 130 stopped by Ctrl+C; for those of a
    verdict see `wmlearn verify --help`.
    """


# ---------------------------------------------------------------- lab


@commands.command("lab", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[DIR] [JUPYTERLAB OPTIONS]")
def _lab(arguments: tuple[str, ...]) -> None:
    """Open your own copy of the lessons in JupyterLab, on the map of the course.

    The copy is put into DIR ("learn" if left out); a lesson that you have worked on is never
    overwritten. What follows is passed on: wmlearn lab learn --no-browser --port 9999
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
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.insert(
            0, "--allow-root"
        )  # without it JupyterLab refuses; containers are often root
    options.insert(0, PROMPT)
    open_lab([str(lessons_in(Path(folder))[0]), *options])


# ---------------------------------------------------------------- serve


@commands.command("serve")
@click.argument("model")
@click.option("--name", default="model", show_default=True, help="Its name in the address.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen; this machine only by default.",
)
@click.option("--port", type=int, default=0, help="The port; any free one if left out.")
@click.option("--scores", is_flag=True, help="Tell the probability of each class, too.")
@click.option("--rate", type=float, help="Images per second; whoever is faster has to wait.")
@click.option("--latency", type=float, default=0.0, help="Seconds that each answer is held back.")
@click.option("--faults", type=float, default=0.0, help="Share of the requests that fail, 0 to 1.")
@click.option("--network", metavar="MODULE:NAME", help="What builds your own network, untrained.")
@_json
def _serve(model: str, name: str, host: str, port: int, as_json: bool, **options: Any) -> None:
    """Put MODEL on the network until Ctrl+C, and print its address.

    MODEL is a model that ships ("mnist/content") or a file that wm.save_model wrote
    ("mine.safetensors"), of a network of your own with --network. Where the environment variable
    WMLEARN_TOKEN is set, only those who send it as bearer token are answered.
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
    """Return the bearer token: no option, as all users of a machine can read its command lines."""
    return os.environ.get("WMLEARN_TOKEN") or None


# ---------------------------------------------------------------- verify

STEP = 25  # questions that are asked at once: what is cut off costs no more than these

_ASKING = {  # how a service is asked: what it describes wrongly, or not at all
    "timeout": (float, "Seconds that one request may take; 10 if left out."),
    "ca": (str, "A file (PEM) of those who may have signed its certificate."),
    "input": (str, "The name of the input that takes the images."),
    "output": (str, "The name of the output that holds labels or scores."),
    "datatype": (str, "Of the input: UINT8 (0 to 255), FP32 (0 to 1), ..."),
    "layout": (str, "Of the images: NCHW, NHWC, NHW or flat."),
    "high": (float, "Send numbers from 0 to this one."),
    "mean": (str, "Take this from them: one number, or one for each channel: 0.5,0.4,0.4"),
    "std": (str, "Then divide them by this."),
    "names": (str, "What it calls the classes, by number: a,b,c, or a file of lines."),
    "batch": (int, "The most images in one request."),
}
_header = click.option(
    "--header",
    multiple=True,
    metavar="NAME:VALUE",
    help="Send it with each request. NAME:@FILE keeps the value out of the list of processes.",
)
_outcome = click.option(
    "--outcome", default="", help="What came of the public draw that the seal names, if any."
)


def _asks(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options by which `_service` asks."""
    for name, (kind, text) in reversed(_ASKING.items()):
        command = click.option(f"--{name}", type=kind, help=text)(command)
    return _header(command)


def _service(url: str, options: dict[str, Any]) -> RemoteModel:
    """Return the service that a command is to ask, and take what describes it from the options."""
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
    """Return names that stand in a file, line by line, or are given one by one."""
    if text is None:
        return None
    if Path(text).is_file():
        return Path(text).read_text(encoding="utf-8").splitlines()
    return text.split(",")


def _encode(high: float | None, mean: str | None, std: str | None) -> Encode | None:
    """Return the function that scales and normalises as networks were trained to want it."""
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
    """Return what stands in a module of the user's own, as a black box."""
    names = _names(options.pop("names")) or ()
    if any(options.pop(name) for name in (*_ASKING, "header") if name in options):
        raise click.UsageError("Of a --suspect only --names and --budget can be said.")
    found = _of_ones_own(place, "--suspect")
    if isinstance(found, Box):
        return found
    return BlackBox(found, budget=options["budget"], one_by_one=one_by_one, classes=names)


def _of_ones_own(place: str, option: str) -> Any:
    """Return what stands under a name in a module of the user's own."""
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
    "--suspect", metavar="MODULE:NAME", help="A function or black box of your own; without URL."
)
@click.option("--one-by-one", is_flag=True, help="It takes one image, (c, h, w).")
@click.option(
    "--questions",
    type=int,
    help="How many to have asked in all, in sealed order; all if left out.",
)
@click.option(
    "--family",
    type=int,
    help="How many tests share alpha: declared with the first test, for all of this folder.",
)
@click.option("--anew", is_flag=True, help="Begin another test, though the last is not finished.")
@click.option("--seal", help="The seal as it was published: nothing is sent under another one.")
@_outcome
@_asks
@click.option("--budget", type=int, help="The most images to send now.")
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

    EVIDENCE is what wm.evidence.save_evidence wrote. Its log notes the test before anything is
    sent, and every answer. Asked again with more --questions, the same test goes on; no image is
    sent twice. Publish the head of the log, which is printed: it stands for all its lines. Without
    --family the s-th test in the log counts as one of s (s + 1), so alpha covers all of them,
    however many follow. A service that wants a bearer token gets that of the environment variable
    WMLEARN_TOKEN. One that describes itself wrongly, or not at all, is asked as --input to --batch
    say. One of no common protocol is asked by a function of your own, as wm.BlackBox takes it:
    wmlearn verify --suspect mine:ask_one --one-by-one EVIDENCE. Exit codes: 0 found, 1 not found
    (which does not clear the service), 2 cannot tell, 3 an error, 4 a command that makes no sense,
    130 stopped by Ctrl+C.
    """
    suspect, one_by_one = options.pop("suspect"), options.pop("one_by_one")
    alone = evidence is None
    evidence, url = evidence or url, suspect or url
    if "://" in evidence or alone == (suspect is None):
        raise click.UsageError("Give URL, then the folder EVIDENCE; or --suspect and EVIDENCE.")
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
            asked.connect(triggers.images[:1])  # first: what is not there was not asked
        test = SequentialTest(asked, triggers, folder=evidence, whom=url, family=family, anew=anew)
        if test.asked:
            before = f"{plural(test.asked, 'question')} asked before"
            click.echo(f"The last test of this service goes on: {before}.", err=True)
        end = _within(options["budget"], test, questions)
        while test.asked < end:
            test.ask(min(STEP, end - test.asked))
    _complain(asked)
    if end < questions:
        first, last = np.searchsorted(triggers.question, [end, questions])
        left = plural(int(last - first), "image")
        click.echo(f"The budget was spent: {left} not sent.", err=True)
    proof = {"seal": triggers.seal, "head": log_head(evidence)}
    return _tell(test.verdict, proof, as_json)


def _check_url(url: str) -> None:
    if re.search(r"//[^/]*@", url):
        raise click.UsageError(
            "URL must hold no password: it would stand in the log. Leave out what is before @."
        )


def _within(budget: int | None, test: SequentialTest, questions: int) -> int:
    """Return up to which question to ask: whole ones within the budget, after the clean images."""
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
        click.echo(f"{missed}; the last time: {suspect.faults[-1]}", err=True)


def _tell(verdict: Verdict, proof: dict[str, Any], as_json: bool) -> int:
    """Print a verdict and what it can be checked by, and return its exit code."""
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
    """Print a text (an error's, it may be) or, for programs, what it says as one JSON object."""
    if as_json:
        text = json.dumps(facts)
    click.echo(text, err=err and not as_json)


# ---------------------------------------------------------------- owner and judge


@commands.command("seal")
@click.argument("evidence")
@click.option("--head", help="A head of the log that was published: the log must continue it.")
@_json
def _seal(evidence: str, head: str | None, as_json: bool) -> None:
    """Print the seal of the folder EVIDENCE and the head of its log: what to publish."""
    seal = open_sealed(evidence).seal
    read_log(evidence, head)
    _show({"seal": seal, "head": log_head(evidence)}, as_json)


@commands.command("challenge")
@click.argument("seal")
@click.option("--nonce", required=True, help="A text that the owner could not know.")
@click.option("--questions", type=int, required=True, help="How many the sealed set has.")
@click.option("--count", type=int, required=True, help="How many to name.")
def _challenge(seal: str, nonce: str, questions: int, count: int) -> None:
    """Name questions of the set under SEAL, drawn from the judge's own words after it was out.

    For the judge: send the numbers and the nonce to the owner, who opens them (wmlearn open).
    """
    named = challenge(seal, nonce.encode(), questions=questions, count=count)
    click.echo(",".join(map(str, named)))


@commands.command("open")
@click.argument("evidence")
@click.option("--named", required=True, help="The numbers: 4,7,12, or a file that holds them.")
@click.option("--case", required=True, help="Whom they are opened for; it is noted in the log.")
@click.option("--nonce", default="", help="The judge's, by which they were named.")
@_outcome
@click.option(
    "--out", default="opened.safetensors", show_default=True, help="The file for the judge."
)
def _open(evidence: str, named: str, case: str, nonce: str, outcome: str, out: str) -> None:
    """Open the NAMED questions of the folder EVIDENCE for a judge, without the key.

    They are burnt by it: against a model that is changed later they prove nothing.
    """
    triggers = open_evidence(evidence, outcome)
    opened = open_questions(triggers, _numbers(named), nonce=nonce.encode(), case=case)
    log_use(evidence, "opened", opened.indices, whom=case)  # first: a file is soon copied
    opened.save(out)
    click.echo(f"{out}: {plural(len(opened.indices), 'question')} for {case}.")
    click.echo(f"Head: {log_head(evidence)}")


def _numbers(named: str) -> list[int]:
    """Return numbers that are given one by one, or stand in a file."""
    text = named
    if os.path.isfile(named):  # a Path refuses what is too long for a name
        with readable(f"{named} should hold the named questions", "Give another file."):
            text = read_text(named, SMALL_BYTES).removeprefix("\ufeff")
    if not re.fullmatch(r"\s*\d+([\s,]+\d+)*\s*", text):
        raise click.UsageError(
            f"--named must be numbers such as 4,7,12, or a file of such; got {shown(text)}."
        )
    return list(map(int, re.findall(r"\d+", text)))


@commands.command("judge")
@click.argument("url")
@click.argument("opened")
@click.option("--seal", required=True, help="The seal as it was published.")
@click.option("--nonce", default="", help="The judge's own, for which the questions were opened.")
@click.option("--count", type=int, help="How many questions were named by that nonce.")
@click.option("--named", help="Or the numbers that were named: 4,7,12, or a file.")
@click.option("--owner", default="", help="Who brings it: the seal must name them, or nobody.")
@click.option("--alpha", type=float, default=1e-3, show_default=True, help="The judge's bound.")
@click.option("--family", type=int, default=1, show_default=True, help="Tests that share it.")
@click.option("--beacon", help="The outcome of the public draw that the seal names.")
@click.option("--seals", type=int, help="How many seals were published before that draw.")
@click.option("--outcomes", type=int, help="How many outcomes it has: at least 2^64, as 25 dice.")
@_asks
@_json
def _judge(url: str, opened: str, as_json: bool, **rules: Any) -> int:
    """Ask the service at URL what an owner has OPENED, and decide without key and owner.

    Give --named, or --nonce and --count. The decision is made at the end, on the judge's p. The
    number of seals that were published before the draw is the judge's to know; without --beacon the
    owner may have tried 2^48. Exit codes: as those of wmlearn verify.
    """
    _check_url(url)
    if rules["beacon"] is None and (rules["seals"], rules["outcomes"]) != (None, None):
        raise click.UsageError("--seals and --outcomes say something of a draw: add --beacon.")
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
    """Make a case for the tribunal (lesson 13), and score what students hand in."""


@_case.command("new")
@click.option(
    "--secret",
    required=True,
    help="Where to write the truth, for the teacher alone: a new JSON file.",
)
@click.option(
    "--out", default="case.safetensors", show_default=True, help="The file for the students."
)
@click.option(
    "--budget", type=int, default=300, show_default=True, help="Questions, over all six services."
)
def _new(secret: str, out: str, budget: int) -> None:
    """Train six networks, and write a case for students and its truth as two files; it takes about
    a minute.
    """
    from wmlearn.course._cases import new_case

    name = new_case(out, secret, budget=budget)
    then = "to your students (wm.course.open_case)"
    click.echo(f"{name}: give {out} {then}, and keep {secret} to yourself.")


@_case.command("score")
@click.argument("cards", nargs=-1, required=True)
@click.option("--secret", required=True, help="The truth, as `wmlearn case new` wrote it.")
@_json
def _score(cards: tuple[str, ...], secret: str, as_json: bool) -> int:
    """Score the CARDS that students saved with case.card(...).save(path).

    One that cannot be scored is named at the end, after all others. Exit codes: 0 all were scored,
    3 one or more were not.
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
        _say(f"{card}: {score!r}", {"card": card, "points": score.points}, as_json)
    for card, problem in failed.items():
        _say(f"Error: {card}: {problem}", {"card": card, "error": problem}, as_json, err=True)
    return FAILED if failed else 0


# ---------------------------------------------------------------- doctor


@commands.command("doctor")
@_json
def _doctor(as_json: bool) -> int:
    """Look whether this machine has what the course needs. Exit code 0 if all is well, else 3."""
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
        end = f"{plural(len(problems), 'problem')} to mend."
    _say(end, {"ok": not problems, "found": found, "problems": problems}, as_json)
    return FAILED if problems else 0


if __name__ == "__main__":
    main()
