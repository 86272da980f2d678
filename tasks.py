"""What there is to do with this checkout. `make lab` and its sisters call this file; on Windows:
`py tasks.py lab`.

    lab        open the map of the lessons in JupyterLab: your own copy of them, in learn/
    check      say whether this machine has all that the lessons need
    test       check style and types, run every test, execute every lesson once
    test-all   the same, then what needs an environment of its own: lowest versions, old widgets,
               wheel, other Pythons, imitation beside the adversarial-robustness-toolbox
    session    one part of test-all by its name: `python tasks.py session lowest`; `package` builds
               what a release publishes, into dist/, and checks it
    lessons    write the lessons' headers, execute and normalise them
    editions   write the lessons without solutions for learners, and with notes for instructors:
               build/learner and build/instructor; `--nbgrader FOLDER` what is to be graded
    zoo        train the models that ship with the package
    site       build the site from lessons and pages: build/site
    slides     build slides from the lessons, a deck for each: build/slides
    lite       build the course for a browser, where nothing is installed: build/lite
    bench      time the package against what people would use instead: docs/bench.md
    set-up     make .venv and install everything into it, no more
    wheelhouse collect what .venv has in wheelhouse/, to install it where there is no network

What follows the name is passed on: `python tasks.py lab --no-browser`. Needs Python 3.10 or newer
and nothing else.

On Linux without an NVIDIA GPU, PyTorch comes from its own index of builds without CUDA if that
answers at once, else from PyPI. Two variables of the environment, which `make` also takes as
`make lab WMLEARN_TORCH=pypi`, decide otherwise:

    WMLEARN_TORCH         cpu or pypi: take it from there, whatever the machine has
    WMLEARN_TORCH_INDEX   another address with builds without CUDA, such as a school's mirror
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# Not the Python of an environment: the one in .venv may be deleted with it.
BASE_PYTHON = getattr(sys, "_base_executable", None) or sys.executable
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

# One thread: two gain a sixth on networks this small, and lose far more when the machine is busy
# (docs/results/threads.csv).
# No progress bars: they would be part of a lesson's output.
QUIET = {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
PATIENCE = 6.0  # seconds for both pages of an index; PyPI has PyTorch, too
DEVICES = Path("/dev")
# Gigabytes: to download, and then in .venv; measured on Linux (docs/results/classroom.csv; the
# downloads with CUDA are the sizes that PyPI names).
SIZES = {
    ("lab", "cpu"): (0.4, 1.6),
    ("lab", "cuda"): (3.2, 6.4),
    ("dev", "cpu"): (0.5, 2.1),
    ("dev", "cuda"): (3.3, 6.9),
}

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
    index = torch_index()
    print(announced(extras, index), flush=True)
    if done is not None and done.get("python") != PYTHON:
        shutil.rmtree(environment)
    environment.mkdir(exist_ok=True)
    stamp.write_text("", encoding="utf-8")
    run(BASE_PYTHON, "-m", "venv", environment)
    code = install(python, extras, index)
    if code:
        if code > 0:  # pip put back what it had replaced; a killed one does not
            stamp.unlink()
        sys.exit(
            "The installation failed, see above. Check the network and the free space, then run "
            "the same again."
        )
    stamp.write_text(json.dumps(wanted(extras)), encoding="utf-8")
    return python


def install(python: Path, extras: str, index: str | None) -> int:
    """Install the package; return pip's exit code.

    torch and torchvision must come from the same place: by one pip, from the index if there is one.
    The second pip finds both installed, and leaves them.
    """
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    if index:
        code = call(*pip, "--index-url", index, *torch_requirements())
        if code < 0 or (code and os.environ.get("WMLEARN_TORCH") == "cpu"):
            return code
        if code:
            print(f"It failed there. {announced(extras, None)}", flush=True)
    return call(*pip, "-e", f".[{extras}]")


def torch_requirements() -> list[str]:
    """Return what pyproject.toml says of torch and torchvision."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r'"(torch(?:vision)?[<>=!~][^"]*)"', project)


# ---------------------------------------------------------------- where PyTorch comes from


def torch_index() -> str | None:
    """Return the index with builds of PyTorch without CUDA, or None for PyPI."""
    wish = os.environ.get("WMLEARN_TORCH", "")
    index = os.environ.get("WMLEARN_TORCH_INDEX", CPU_BUILDS)
    if wish not in ("", "cpu", "pypi"):
        sys.exit(f"WMLEARN_TORCH should be cpu or pypi; got {wish!r}.")
    if wish == "pypi" or (not wish and (sys.platform != "linux" or has_nvidia())):
        return None
    if answers(index):
        return index
    problem = f"{host(index)} does not answer at once, or lists no PyTorch for this machine"
    if wish == "cpu":
        sys.exit(f"{problem}. Try again later, or leave out WMLEARN_TORCH=cpu.")
    print(f"{problem}: taking what PyPI has.", flush=True)
    return None


def has_nvidia() -> bool:
    """Return whether there is an NVIDIA GPU: a device file, or (in WSL) what nvidia-smi lists."""
    if any(DEVICES.glob("nvidia[0-9]*")):
        return True
    program = shutil.which("nvidia-smi")
    return program is not None and call(program, "-L") == 0


def answers(index: str) -> bool:
    """Return whether an index lists torch and torchvision for this machine, soon enough."""
    listed: list[bool] = []

    def ask() -> None:
        with contextlib.suppress(Exception):  # absent, broken, no index at all: PyPI will do
            listed.extend(lists(index, package) for package in ("torch", "torchvision"))

    # A daemon: no time limit of urllib holds where a server sends a byte now and then.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return listed == [True, True]


def lists(index: str, package: str) -> bool:
    """Return whether an index lists wheels of a package for this operating system and processor."""
    system = {"linux": "linux", "darwin": "macosx", "win32": "win"}.get(sys.platform, sys.platform)
    wheel = rf"{package}-[^\"'<>]*{system}[^\"'<>]*{platform.machine().lower()}\.whl"
    with urllib.request.urlopen(f"{index.rstrip('/')}/{package}/", timeout=PATIENCE) as page:
        return re.search(wheel, page.read().decode(errors="replace").lower()) is not None


def host(index: str) -> str:
    """Return the name of an index's machine: a mirror's address may hold a password."""
    return urllib.parse.urlsplit(index).hostname or index


def announced(extras: str, index: str | None) -> str:
    """Return what will be installed, and its size."""
    if index is None and sys.platform != "linux":
        return "Installing into .venv, from PyPI: a few minutes the first time."
    down, disk = SIZES[extras, "cuda" if index is None else "cpu"]
    origin = "all of it from PyPI, PyTorch with CUDA"
    if index:
        origin = f"PyTorch without CUDA from {host(index)}, the rest from PyPI"
    return (
        f"Installing into .venv, {origin}: about {down:.1f} GB to download, {disk:.1f} GB on disk, "
        "a few minutes the first time."
    )


# ---------------------------------------------------------------- the tasks


def for_lessons() -> Path:
    """Return the Python that has [lab]: that of an activated conda environment, or of .venv."""
    if Path(os.environ.get("CONDA_PREFIX", "")) != Path(sys.prefix) or not version("torch"):
        return set_up("lab")
    if not version("wmlearn"):
        sys.exit(
            "The activated conda environment has PyTorch, but not yet wmlearn. Run "
            "`pip install --no-deps -e .`, then the same again."
        )
    return Path(sys.executable)


def version(package: str) -> str:
    """Return the version of a package that this Python has, or nothing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def lab(arguments: list[str]) -> int:
    """Open JupyterLab on the learner's copy of the front page; it never overwrites a copy that was
    worked on.
    """
    python = for_lessons()
    if python == python_in(ROOT / ".venv"):
        activate = r".venv\Scripts\activate" if os.name == "nt" else "source .venv/bin/activate"
        print(f"`make check` checks this machine. For `wmlearn` in another shell: {activate}")
    return stay(python, "-m", "wmlearn.cli", "lab", "learn", *arguments)


def check(arguments: list[str]) -> int:
    """Run `wmlearn doctor` where the lessons run."""
    return call(for_lessons(), "-m", "wmlearn.cli", "doctor", *arguments)


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


def editions(arguments: list[str]) -> int:
    """Write the learner's and the instructor's edition, or the exercises for nbgrader."""
    return call(set_up("dev"), "tools/editions.py", *arguments)


def zoo(arguments: list[str]) -> int:
    """Train the models that ship with the package."""
    return call(set_up("dev"), "tools/zoo.py", *arguments)


def site(arguments: list[str]) -> int:
    """Build the site; what that needs comes into .venv."""
    return call(set_up_and_more("site,lite"), "tools/website.py", *arguments)


def slides(arguments: list[str]) -> int:
    """Build the slides; what that needs comes into .venv."""
    return call(set_up_and_more("site"), "tools/slides.py", *arguments)


def lite(arguments: list[str]) -> int:
    """Build the course for a browser; what that needs comes into .venv."""
    return call(set_up_and_more("lite"), "tools/lite.py", *arguments)


def set_up_and_more(extras: str) -> Path:
    """Make .venv with what development needs and with further extras; return its Python."""
    python = set_up("dev")
    package = f".[{extras}]"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", package)
    return python


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


def wheelhouse(arguments: list[str]) -> int:
    """Collect wheels of the package and of all that .venv has for the lessons in wheelhouse/."""
    return collect(set_up("lab"), ".[lab]", ROOT / "wheelhouse")


HOW_TO_INSTALL = """\
The course and all that it needs, for Python {python} on {machine}.
In this folder, without a network:

    python3 -m venv ../wm && ../wm/bin/pip install --no-index --find-links . "wmlearn{extras}"
    ../wm/bin/wmlearn lab ../learn

On Windows:

    py -m venv ..\\wm
    ..\\wm\\Scripts\\pip install --no-index --find-links . "wmlearn{extras}"
    ..\\wm\\Scripts\\wmlearn lab ..\\learn
"""


def collect(python: Path, requirement: str, folder: Path) -> int:
    """Fill a new folder with wheels in the versions that an environment has; return pip's exit
    code.
    """
    if folder.exists():
        sys.exit(f"{folder} exists. Delete it: old wheels would be installed with the new ones.")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    there = subprocess.run(
        [*pip, "list", "--format=freeze", "--exclude-editable"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    with tempfile.TemporaryDirectory() as temporary:
        versions = Path(temporary, "versions.txt")
        versions.write_text(there, encoding="utf-8")
        command = [*pip, "wheel", "--wheel-dir", folder, "--constraint", versions]
        if "+cpu" in there:
            index = os.environ.get("WMLEARN_TORCH_INDEX", CPU_BUILDS)
            command += ["--extra-index-url", index]
        code = call(*command, requirement)
    if code:
        return code
    wheels = list(folder.glob("*.whl"))
    size = sum(wheel.stat().st_size for wheel in wheels) / 1e6
    extras = requirement.lstrip(".")
    text = HOW_TO_INSTALL.format(python=PYTHON, machine=sysconfig.get_platform(), extras=extras)
    (folder / "README.txt").write_text(text, encoding="utf-8")
    print(f"{folder.name}: {len(wheels)} wheels, {size:,.0f} MB; its README.txt says what to do.")
    return 0


def test_all(arguments: list[str]) -> int:
    """Run `test`, then each session of noxfile.py, which says at the end how each went."""
    here = test(arguments)
    return call(set_up("dev"), "-m", "nox") or here


def session(arguments: list[str]) -> int:
    """Run sessions of noxfile.py, by their names; what follows `--` is passed on to them."""
    return call(set_up("dev"), "-m", "nox", "-s", *arguments)


# ---------------------------------------------------------------- the command line

TASKS = {
    "lab": lab,
    "check": check,
    "test": test,
    "test-all": test_all,
    "session": session,
    "lessons": lessons,
    "editions": editions,
    "zoo": zoo,
    "site": site,
    "slides": slides,
    "lite": lite,
    "bench": bench,
    "set-up": set_up_only,
    "wheelhouse": wheelhouse,
}


def main(arguments: list[str]) -> int:
    """Run the task named first; the rest is passed on to it."""
    if sys.version_info < (3, 10):  # noqa: UP036 - this file is what an older Python meets first
        sys.exit(
            f"wmlearn needs Python 3.10 or newer; this is {PYTHON}. Name a newer one: "
            "make lab PYTHON=python3.12"
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
