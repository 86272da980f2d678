"""The command line: `wmlearn lab`, `serve`, `verify`, `case` and `doctor`.

Exit codes are part of it. A script must never take an error for a verdict, so 1 and 2 are said by
`verify` alone; whatever goes wrong, click's own errors included, ends with 3 or more.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wmlearn._checks import file_error, sentence
from wmlearn._display import plural
from wmlearn.course.copies import LESSONS, copy_lessons
from wmlearn.course.environment import findings
from wmlearn.evidence.stats import open_list_family
from wmlearn.evidence.storage import LOG, exclusive, log_use, open_evidence, read_log
from wmlearn.evidence.verification import verify
from wmlearn.service.options import ServiceOptions
from wmlearn.service.remote import RemoteModel
from wmlearn.service.server import serve

if TYPE_CHECKING:
    from torch import nn

EXIT_CODES = {"found": 0, "not found": 1, "cannot tell": 2}
FAILED, MISUSED, INTERRUPTED = 3, 4, 130
HERE = Path(__file__).parent
INSTALLED, CHECKOUT = HERE / "_notebooks", HERE.parent / "notebooks"  # where the lessons may lie

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command, and end with its exit code: for an error never one of click's own, 1 and 2."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        sys.exit(_exit_code(arguments))


def _exit_code(arguments: list[str] | None) -> int:
    try:
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

# A lab in a notebook that was saved yesterday has no kernel behind it. JupyterLab then shows its
# picture and text, but only where it does not trust the notebook; where it does, it shows an error
# in their place.
FORGET_TRUST = "--NotebookNotary.db_file=:memory:"


@commands.command("lab", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[DIR] [JUPYTERLAB OPTIONS]")
def _lab(arguments: tuple[str, ...]) -> None:
    """Open your own copy of the lessons in JupyterLab.

    The copy is put into DIR ("learn" if left out); a lesson that you have worked on is never
    overwritten. What follows is passed on: wmlearn lab learn --no-browser --port 9999
    """
    folder, options = "learn", list(arguments)
    if options and not options[0].startswith("-"):
        folder = options.pop(0)
    try:
        from jupyterlab.labapp import main as open_lab
    except ImportError:
        raise ImportError(
            "JupyterLab is missing. Install it: pip install 'jupyterlab>=4'."
        ) from None
    copied = copy_lessons(INSTALLED if INSTALLED.is_dir() else CHECKOUT, folder)
    counts = f"{len(copied.new)} new, {len(copied.refreshed)} refreshed."
    if copied.kept:
        kept = ", ".join(path.name for path in copied.kept)
        counts += f" Left as you have them: {kept} (delete one to start afresh)."
    click.echo(f"Your lessons are in {folder}: {counts}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.insert(
            0, "--allow-root"
        )  # without it JupyterLab refuses; containers are often root
    open_lab([str(min(Path(folder).glob(LESSONS))), FORGET_TRUST, *options])


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
@_json
def _serve(model: str, name: str, host: str, port: int, as_json: bool, **options: Any) -> None:
    """Put MODEL on the network until Ctrl+C, and print its address.

    MODEL is a model that ships ("mnist/content") or a file that wmlearn.zoo.save_model wrote
    ("mine.safetensors"). Where the environment variable WMLEARN_TOKEN is set, only those who send
    it as bearer token are answered.
    """
    behaviour = ServiceOptions(token=_token(), **options)
    with serve(_load(model), name=name, host=host, port=port, options=behaviour) as service:
        address = service.url
        if as_json:
            address = json.dumps({"url": service.url, "name": name, "model": model})
        click.echo(address)
        click.echo("It answers until you press Ctrl+C.", err=True)
        while True:
            time.sleep(3600)


def _token() -> str | None:
    """Return the bearer token: no option, as all users of a machine can read its command lines."""
    return os.environ.get("WMLEARN_TOKEN") or None


def _load(model: str) -> nn.Module:
    """Return a shipped model by its name, or one from a file."""
    from wmlearn import zoo

    path = Path(model)
    if path.suffix != ".safetensors":
        return zoo.load_model(model)
    try:
        return zoo.read_model(path)
    except OSError as error:
        state = "damaged or another's" if path.is_file() else "not there"
        text = f"{model} should be a model written by wmlearn.zoo.save_model; it is {state}."
        raise file_error(error, text) from None


# ---------------------------------------------------------------- verify


@commands.command("verify")
@click.argument("url")
@click.argument("evidence")
@click.option("--questions", type=int, help="How many to ask, in sealed order; all if left out.")
@click.option(
    "--family",
    type=int,
    help="How many tests share alpha: suspects, repetitions; see above if left out.",
)
@click.option(
    "--timeout",
    type=float,
    default=10.0,
    show_default=True,
    help="Seconds that one request may take.",
)
@click.option("--budget", type=int, help="The most images to send.")
@_json
def _verify(
    url: str, evidence: str, questions: int | None, family: int | None, as_json: bool, **asking: Any
) -> int:
    """Ask the service at URL the questions in the folder EVIDENCE, and decide whether it carries
    the watermark.

    EVIDENCE is what wm.evidence.save_evidence wrote; its log notes what was asked. Without --family
    the s-th test in the log counts as one of s (s + 1), so alpha covers all of them, however many
    follow. A service that wants a bearer token gets that of the environment variable WMLEARN_TOKEN.
    Exit codes: 0 found, 1 not found (which does not clear the service), 2 cannot tell, 3 an error,
    4 a command that makes no sense, 130 stopped by Ctrl+C.
    """
    if re.search(r"//[^/]*@", url):
        raise click.UsageError(
            "URL must hold no password: it would stand in the log. Leave out what is before @."
        )
    if "://" in evidence:
        raise click.UsageError("URL comes first, then the folder EVIDENCE.")
    triggers = open_evidence(evidence)
    with exclusive(evidence), RemoteModel(url, token=_token(), **asking) as suspect:
        family = _place(evidence, family)
        (Path(evidence) / LOG).open("a").close()  # what cannot be noted is better not asked
        try:
            verdict = verify(suspect, triggers, questions=questions, family=family)
        finally:  # also after an error or Ctrl+C: what was sent is known to the service
            if suspect.queries:
                asked = set(triggers.question[: suspect.queries].tolist())
                log_use(evidence, "asked", sorted(asked), whom=url)
    if suspect.faults:
        missed = f"{plural(suspect.n_unreachable, 'image')} got no valid answer"
        click.echo(f"{missed}; the last time: {suspect.faults[-1]}", err=True)
    if suspect.refused:
        click.echo(f"The budget was spent: {plural(suspect.refused, 'image')} not sent.", err=True)
    if as_json:
        found = verdict.to_dict() | {"queries": suspect.queries, "seal": triggers.seal}
        click.echo(json.dumps(found))
    else:
        click.echo(f"{verdict.explain()}\nSeal: {triggers.seal}")
    return EXIT_CODES[verdict.decision]


def _place(evidence: str, family: int | None) -> int:
    """Return how many tests share alpha: as declared, or by the place of this one in the log."""
    before = [use.what for use in read_log(evidence)].count("asked")
    if family is None:
        return open_list_family(before + 1)
    if 0 < family <= before:
        times = f"{plural(before, 'test')} before this one (see {LOG})"
        click.echo(
            f"There were {times}: a family of {family} does not cover them. Leave --family out.",
            err=True,
        )
    return family


# ---------------------------------------------------------------- case


@commands.group("case")
def _case() -> None:
    """Make a case for the tribunal (lesson 12), and score what students hand in."""


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
def _score(cards: tuple[str, ...], secret: str, as_json: bool) -> None:
    """Score the CARDS that students saved with case.card(...).save(path)."""
    from wmlearn.course.tribunal import score_card

    for card in cards:
        score = score_card(card, secret=secret)
        if as_json:
            click.echo(json.dumps({"card": card, "points": score.points}))
        else:
            click.echo(f"{card}: {score!r}")


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
    if as_json:
        click.echo(json.dumps({"ok": not problems, "found": found, "problems": problems}))
    elif problems:
        click.echo(f"{plural(len(problems), 'problem')} to mend.")
    else:
        click.echo("All is well.")
    return FAILED if problems else 0


if __name__ == "__main__":
    main()
