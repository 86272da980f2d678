"""What every test may use, and `--no-skips`, under which a skipped test fails the run."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _sentences
import pytest
from hypothesis import HealthCheck, settings

# The machine may be busy, and a run that fails must fail again: no deadline, few examples, the same
# ones each time.
settings.register_profile(
    "house",
    deadline=None,
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips", action="store_true", help="fail if anything was skipped (.ci/run)"
    )
    parser.addoption(
        "--write-sentences",
        action="store_true",
        help="record what is said as right (sentences.json)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: starts JupyterLab and drives it in Chromium")
    if config.getoption("write_sentences") and config.getoption("numprocesses", None):
        raise pytest.UsageError("--write-sentences writes one file from one process: add -n 0")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file together, side by side with those of other files.

    They share what the file has trained, and a page in the browser. Lessons go one by one.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if "again_offline" in nodeid else nodeid.partition("::")[0]

    return ByFile(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Count what was skipped anywhere: here, in doctests, in a lesson's cells."""
    config = session.config
    if config.getoption("no_skips") and _skipped(config) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for name, value in itertools.chain.from_iterable(
        report.user_properties for report in _reports(config, "passed", "failed")
    ):
        terminalreporter.write_line(f"{name}: {value}")
    if config.getoption("no_skips"):
        for name, reason in _skipped(config):
            terminalreporter.write_line(f"FAILED by --no-skips: {name}: {reason}", red=True)


def _reports(config: pytest.Config, *kinds: str) -> list[pytest.TestReport]:
    """Return what came of the tests so far; nothing in a worker, which leaves it to the others."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    stats = getattr(reporter, "stats", {})
    return [report for kind in kinds for report in stats.get(kind, [])]


def _skipped(config: pytest.Config) -> list[tuple[str, str]]:
    """Return (test, reason) for everything skipped or given up on.

    Cells after a time-out are what nbval calls xfailed.
    """
    return [
        (report.nodeid, report.longrepr[2] if isinstance(report.longrepr, tuple) else "xfailed")
        for report in _reports(config, "skipped", "xfailed")
    ]


@pytest.fixture(autouse=True)
def settings_of_matplotlib() -> Iterator[None]:
    """Undo what a test sets in matplotlib, such as a style, for the tests after it."""
    yield
    if "matplotlib" in sys.modules:
        import matplotlib

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of settings that are on their way out
            matplotlib.rcdefaults()


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """Return what notes a figure under its name: it is printed at the end of the run."""
    return record_property


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command in this process: its exit code, what it printed, what
    it complained of.
    """
    from wmlearn import cli

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(argument) for argument in arguments])
        return (int(end.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def project_files() -> list[Path]:
    """Return every file that belongs to the project: what git tracks or would add; all but hidden
    ones outside git.
    """
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if (ROOT / ".git").exists() and listed.returncode == 0:
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        ours = [path for path in ROOT.iterdir() if not path.name.startswith((".", "__"))]
        files = [file for path in ours for file in ([path] if path.is_file() else path.rglob("*"))]
    return [file for file in files if file.is_file() and "__pycache__" not in file.parts]


@pytest.fixture(scope="session")
def run_python():
    """Return a function that runs code in a fresh Python and returns what it printed; it fails if
    the code fails.
    """

    def run(code: str, cwd: Path = ROOT) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture(scope="session")
def full_data() -> Path:
    """Return the folder with the full data sets; skip where there is none."""
    folder = Path(os.environ.get("WMLEARN_DATA", ""))
    if not os.environ.get("WMLEARN_DATA") or not any(folder.glob("*")):
        pytest.skip("the full data sets are not here: set WMLEARN_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Chromium; skip where there is none."""
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if not found:
        pytest.skip("Chromium is not installed: apt-get install chromium, or the like")
    return found


@pytest.fixture(scope="session")
def sentence_book(request: pytest.FixtureRequest) -> Iterator[dict[str, list[str]]]:
    """Yield the recorded sentences; write down what was said, if asked to."""
    said: dict[str, list[str]] = {}
    yield said if request.config.getoption("write_sentences") else _sentences.read()
    if said:
        _sentences.write(said)


@pytest.fixture
def says(
    request: pytest.FixtureRequest,
    sentence_book: dict[str, list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[_sentences.Says]:
    """Yield what compares the words of errors, warnings and results with those recorded."""
    test = request.node.nodeid.removeprefix("tests/")
    writing = request.config.getoption("write_sentences")
    places = {str(tmp_path_factory.getbasetemp()): "{tmp}", str(ROOT): "{root}"}
    fixture = _sentences.Says(None if writing else sentence_book.get(test, []), places)
    yield fixture
    if writing:
        sentence_book[test] = fixture.said


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Use one thread: sums over several may differ in the last bit."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    """Close what a test has drawn, if anything has drawn yet."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
