"""What there is to do with this checkout. `make lab` and its sisters call this file; on Windows:
`py tasks.py lab`.

    lab        open the lessons in JupyterLab: your own copy of them, in learn/
    test       check the style, run every test, execute every lesson once
    test-all   the same, then what needs an environment of its own: lowest versions, old widgets,
               wheel, other Pythons, imitation beside the adversarial-robustness-toolbox
    lessons    write the lessons' headers, execute and normalise them
    zoo        train the models that ship with the package
    set-up     make .venv and install everything into it, no more

What follows the name is passed on: `python tasks.py lab --no-browser`. Needs Python 3.10 or newer
and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# Not the Python of an environment: the one in .venv may be deleted with it.
BASE_PYTHON = getattr(sys, "_base_executable", None) or sys.executable
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SUPPORTED = ("3.10", "3.11", "3.12", "3.13")

# One thread: two gain a sixth on networks this small, and lose far more when the machine is busy
# (docs/results/threads.csv).
# No progress bars: they would be part of a lesson's output.
QUIET = {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}


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
    """Open JupyterLab on the learner's copy of lesson 00; it never overwrites a copy that was
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
    """Check the style, then run pytest: unit tests, doctests, lessons, browser."""
    python = set_up("dev")
    style = call(python, "-m", "ruff", "check") or call(python, "-m", "ruff", "format", "--check")
    return style or call(python, "-m", "pytest", *arguments)


def lessons(arguments: list[str]) -> int:
    """Write the lessons' headers, execute and normalise them."""
    return call(set_up("dev"), "tools/lessons.py", *arguments)


def zoo(arguments: list[str]) -> int:
    """Train the models that ship with the package."""
    return call(set_up("dev"), "tools/zoo.py", *arguments)


def set_up_only(arguments: list[str]) -> int:
    """Make .venv with everything in it and stop there."""
    set_up("dev")
    return 0


def test_all(arguments: list[str]) -> int:
    """Run `test`, then each leg in an environment of its own; say at the end how each went."""
    results = {"here": "failed" if test(arguments) else "passed"}
    for leg in legs():
        results[leg.name] = run_leg(leg)
    print("\n".join(f"{name:12} {result}" for name, result in results.items()))
    return int(any(result.startswith("failed") for result in results.values()))


# ---------------------------------------------------------------- the legs of test-all


@dataclass(frozen=True)
class Leg:
    """One environment: its Python (none: not on this machine), what pip installs there, what Python
    then runs.
    """

    name: str
    python: str | None
    install: list[str]
    check: list[str]
    outside: bool = (
        False  # run in an empty folder, so that nothing of the checkout is found by accident
    )


LESSON = ["-m", "pytest", "tests/course/test_notebooks.py", "-k", "outputs_again and 00"]
WITH_ITS_OWN_WARNINGS = [
    "-m",
    "pytest",
    "-W",
    "default",
]  # ipywidgets 7 uses what is deprecated since
ART, DASK = "tests/extra/art_imitation.py", "tests/extra/dask_sweep.py"
# Every name of the front door and of the wings behind it, and data that must have come along in the
# wheel.
SMOKE = [
    "-c",
    "import wmlearn as wm; doors = [wm, wm.data, wm.evidence, wm.training, wm.watermarks, "
    "wm.course, wm.theft]; "
    "[getattr(door, name) for door in doors for name in door.__all__]; assert "
    "callable(wm.evidence.judge); "
    "print(wm.load_data('mnist'))",
]


def legs() -> list[Leg]:
    """Return what `test-all` runs besides the tests in .venv."""
    labs = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if uses_labs(path)]
    others = [minor for minor in SUPPORTED if minor != PYTHON]
    (lazy_loader,) = [bound for bound in lowest_bounds() if bound.startswith("lazy_loader")]
    return [
        Leg("lowest", oldest_python(), ["-e", ".[dev]", *lowest_bounds()], ["-m", "pytest"]),
        Leg("lazy-loader", BASE_PYTHON, [".", lazy_loader], SMOKE, outside=True),
        Leg(
            "ipywidgets-7",
            BASE_PYTHON,
            ["-e", ".[dev]", "ipywidgets==7.7.1"],
            [*WITH_ITS_OWN_WARNINGS, *labs],
        ),
        Leg("wheel", BASE_PYTHON, ["."], SMOKE, outside=True),
        Leg(
            "art",
            BASE_PYTHON,
            ["-e", ".[dev]", "adversarial-robustness-toolbox"],
            [*WITH_ITS_OWN_WARNINGS, ART],
        ),
        Leg(
            "dask",
            BASE_PYTHON,
            ["-e", ".[dev]", "dask", "distributed"],
            [*WITH_ITS_OWN_WARNINGS, DASK],
        ),
        *(Leg(f"python{minor}", find_python(minor), ["-e", ".[dev]"], LESSON) for minor in others),
    ]


def run_leg(leg: Leg) -> str:
    """Make the leg's environment, install, check; say how it went.

    The environment goes again if all is well.
    """
    if leg.python is None:
        return "not here (needs another Python)"
    print(f"\n=== {leg.name}", flush=True)
    environment = ROOT / ".venv-all" / leg.name
    python = python_in(environment)
    with tempfile.TemporaryDirectory() as empty:
        failed = (
            call(leg.python, "-m", "venv", "--clear", environment)
            or call(
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                *leg.install,
            )
            or call(python, *leg.check, cwd=Path(empty) if leg.outside else ROOT)
        )
    if failed:
        return f"failed (its environment is in {environment.relative_to(ROOT)})"
    shutil.rmtree(environment)  # several gigabytes each
    return "passed"


def uses_labs(test: Path) -> bool:
    """Return whether a file of tests has to do with the widgets."""
    return re.search(r"wmlearn\.labs|Lab\(", test.read_text(encoding="utf-8")) is not None


def lowest_bounds() -> list[str]:
    """Return every dependency of the package at the lowest version it promises to work with."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    return [
        f"{name}=={version}" for name, version in re.findall(r'"([\w-]+)>=([\w.]+)', block.group(1))
    ]


def oldest_python() -> str | None:
    """Return the oldest supported Python that is found."""
    return next(filter(None, map(find_python, SUPPORTED)), None)


def find_python(minor: str) -> str | None:
    """Return a Python of this minor version that starts: on PATH, or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in [f"python{minor}", *sorted(map(str, pyenv.glob(f"{minor}.*/bin/python")))]:
        found = shutil.which(
            candidate
        )  # pyenv puts a python3.x on PATH that may refuse to start, hence the call
        if found and subprocess.run([found, "--version"], capture_output=True).returncode == 0:
            return found
    return None


# ---------------------------------------------------------------- the command line

TASKS = {
    "lab": lab,
    "test": test,
    "test-all": test_all,
    "lessons": lessons,
    "zoo": zoo,
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
