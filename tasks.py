"""What there is to do with this checkout. `make lab` and its sisters call this file; on Windows:
`py tasks.py lab`.

    lab        open the map of the lessons in JupyterLab: your own copy of them, in learn/
    test       check style and types, run every test, execute every lesson once
    test-all   the same, then what needs an environment of its own: lowest versions, old widgets,
               wheel, other Pythons, imitation beside the adversarial-robustness-toolbox
    lessons    write the lessons' headers, execute and normalise them
    zoo        train the models that ship with the package
    bench      time the package against what people would use instead: docs/bench.md
    set-up     make .venv and install everything into it, no more

What follows the name is passed on: `python tasks.py lab --no-browser`. Needs Python 3.10 or newer
and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# Not the Python of an environment: the one in .venv may be deleted with it.
BASE_PYTHON = getattr(sys, "_base_executable", None) or sys.executable
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

# One thread: two gain a sixth on networks this small, and lose far more when the machine is busy
# (docs/results/threads.csv).
# No progress bars: they would be part of a lesson's output.
QUIET = {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
# By file (tests/conftest.py). Four at most: each holds torch, the data and perhaps a browser.
SIDE_BY_SIDE = ["-n", "auto", "--maxprocesses", "4"]


# ---------------------------------------------------------------- running and installing


def call(*command: object, cwd: Path | None = None) -> int:
    """Run a command in the checkout and return its exit code."""
    return subprocess.run(
        [str(part) for part in command], cwd=cwd or ROOT, env=os.environ | QUIET
    ).returncode


def run(*command: object) -> None:
    """Run a command in the checkout; if it fails it has said why, so that all that is left is to
    stop.
    """
    code = call(*command)
    if code:
        sys.exit(code)


def python_in(environment: Path) -> Path:
    """Return the Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def wanted(extras: str) -> dict[str, str]:
    """Return what an installation depends on: when any of it changes, it is made anew."""
    pyproject = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return {"extras": extras, "python": PYTHON, "folder": str(ROOT), "pyproject.toml": pyproject}


def read_stamp(stamp: Path) -> dict[str, str] | None:
    """Return what was installed; {} after an interrupted installation, None before any."""
    if not stamp.exists():
        return None
    try:
        return json.loads(stamp.read_text(encoding="utf-8"))
    except ValueError:
        return {}


def set_up(extras: str) -> Path:
    """Install the package with its extras, "lab" or "dev", into .venv; return the Python there.

    A stamp in .venv says what is installed, so that the next call returns at once. It is empty
    until all is there: an installation that was interrupted may have left half a package behind, so
    it starts again from nothing.
    """
    environment = ROOT / ".venv"
    python, stamp = python_in(environment), environment / "installed.json"
    done = read_stamp(stamp)
    if python.exists() and done in (wanted(extras), wanted("dev")):  # [dev] holds all of [lab]
        return python
    print(
        (
            "Installing into .venv: a few minutes and up to 6 GB the first time (most of it is "
            "PyTorch)."
        ),
        flush=True,
    )
    if done is not None and done.get("python") != PYTHON:
        shutil.rmtree(environment)
    environment.mkdir(exist_ok=True)
    stamp.write_text("", encoding="utf-8")
    run(BASE_PYTHON, "-m", "venv", environment)
    # torch and torchvision must come from the same place: both plainly, by one pip.
    code = call(python, "-m", "pip", "install", "--disable-pip-version-check", "-e", f".[{extras}]")
    if code:
        if (
            code > 0
            # pip gave up by itself and put back what it had replaced; only a killed one does not
        ):
            stamp.unlink()
        sys.exit(
            "The installation failed, see above. Check the network and the free space, then run "
            "the same again."
        )
    stamp.write_text(json.dumps(wanted(extras)), encoding="utf-8")
    return python


# ---------------------------------------------------------------- the tasks


def lab(arguments: list[str]) -> int:
    """Open JupyterLab on the learner's copy of the front page; it never overwrites a copy that was
    worked on.
    """
    return stay(set_up("lab"), "-m", "wmlearn.cli", "lab", "learn", *arguments)


def stay(*command: object) -> int:
    """Run a program that answers Ctrl-C itself (JupyterLab asks whether to stop), and wait until it
    ends.
    """
    with subprocess.Popen([str(part) for part in command], cwd=ROOT) as program:
        while True:
            try:
                return program.wait()
            except KeyboardInterrupt:
                continue


def test(arguments: list[str]) -> int:
    """Check style and types, then run pytest: unit tests, doctests, lessons, browser."""
    python = set_up("dev")
    return (
        call(python, "-m", "ruff", "check")
        or call(python, "-m", "ruff", "format", "--check")
        or call(python, "-m", "mypy")
        or call(python, "-m", "pytest", *SIDE_BY_SIDE, *arguments)
    )


def lessons(arguments: list[str]) -> int:
    """Write the lessons' headers, execute and normalise them."""
    return call(set_up("dev"), "tools/lessons.py", *arguments)


def zoo(arguments: list[str]) -> int:
    """Train the models that ship with the package."""
    return call(set_up("dev"), "tools/zoo.py", *arguments)


def bench(arguments: list[str]) -> int:
    """Time the package against what people would use instead, and draw the page; parts may be
    named.
    """
    python = set_up("dev")
    code = call(python, "benchmarks/side_by_side.py", *arguments)
    return code or call(python, "benchmarks/bench_page.py")


def set_up_only(arguments: list[str]) -> int:
    """Make .venv with everything in it and stop there."""
    set_up("dev")
    return 0


def test_all(arguments: list[str]) -> int:
    """Run `test`, then each session of noxfile.py, which says at the end how each went."""
    here = test(arguments)
    return call(set_up("dev"), "-m", "nox") or here


# ---------------------------------------------------------------- the command line

TASKS = {
    "lab": lab,
    "test": test,
    "test-all": test_all,
    "lessons": lessons,
    "zoo": zoo,
    "bench": bench,
    "set-up": set_up_only,
}


def main(arguments: list[str]) -> int:
    """Run the task named first; the rest is passed on to it."""
    if sys.version_info < (3, 10):  # noqa: UP036 - this file is what an older Python meets first
        sys.exit(
            f"wmlearn needs Python 3.10 or newer; this is {PYTHON}. Run tasks.py with a newer one."
        )
    name, *rest = arguments or ["help"]
    if name not in TASKS:
        print(__doc__)
        return 0 if name in ("help", "-h", "--help") else 2
    try:
        return TASKS[name](rest)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
