"""The tests that need an environment of their own: `make test-all` runs them after those in .venv.

    nox --list                 what there is
    nox -s wheel lazy-loader   some of it

A session whose Python, or whose nginx, is not on this machine is skipped, and says so. Environments
are deleted again where all went well: most have several gigabytes.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nox
from packaging.requirements import Requirement

SUPPORTED = ["3.10", "3.11", "3.12", "3.13"]
OTHERS = [minor for minor in SUPPORTED if not sys.version.startswith(f"{minor}.")]
LESSON = ["tests/course/test_notebooks.py", "-k", "outputs_again and 00"]
ITS_OWN_WARNINGS = ["-W", "default"]  # of another library, or of an old version: not ours to mend
# Torch 2.1 draws dropout otherwise, so what is learnt with it is another network; it has no
# convolution of 16 bits on a CPU, and its AdamW counts its steps on the default device. The
# stand-in for a device needs a newer one. Pandas 2.0 breaks a line of a table elsewhere. Filelock
# before 3.25 takes a share that refuses chmod for one without locks, and says so.
OF_THE_LOWEST = [
    "--deselect=tests/house/test_comparison.py::test_nothing_has_changed[trained]",
    "--deselect=tests/training/test_training.py::test_half_precision_can_be_asked_but_not_trained",
    "--deselect=tests/course/test_notebooks.py::"
    "test_a_lesson_gives_its_outputs_again_offline_and_in_time[A1]",
    "--deselect=tests/house/test_whole_files.py::test_a_share_that_refuses_chmod_is_survived"
    "[evidence-95]",
    "--deselect=tests/course/test_in_browser.py::"
    "test_a_lesson_gives_its_outputs_again_in_a_browser[A1]",
    "--deselect=tests/training/test_training.py::"
    "test_everything_works_beside_another_default_device",
    "--ignore=tests/house/test_devices.py",
    "--ignore=tests/house/_elsewhere.py",
]
NO_BROWSER = ["--ignore-glob=*test_browser*"]  # JupyterLab 4 does not show the widgets of 7
# Every name of the front door and of the wings behind it, and data that must have come along in
# the wheel.
SMOKE = """
import wmlearn as wm
for door in [wm, wm.data, wm.evidence, wm.training, wm.watermarks, wm.course, wm.theft]:
    for name in door.__all__:
        getattr(door, name)
assert callable(wm.evidence.judge)
print(wm.load_data("mnist"))
"""
CORE = "print(wm.load_data('mnist'), wm.stats.matches_needed(30, 0.001, 0.1))"
COLLECT = """
import sys, tasks
from pathlib import Path
sys.exit(tasks.collect(Path(sys.executable), ".", Path(sys.argv[1])))
"""

# Tests that read the files around the package.
OF_THE_SOURCE = [
    *("tests/house/test_setup.py", "tests/house/test_public.py", "tests/house/test_readme.py"),
    *("tests/house/test_paper.py", "tests/house/test_house.py", "tests/course/test_sources.py"),
    "tests/course/test_lessons_tool.py",
]
# Files of forms that others read, by the names of their schemas.
FORMS = {
    "github-workflows": [".github/workflows/*.yml"],
    "github-issue-forms": [".github/ISSUE_TEMPLATE/[!c]*.yml"],
    "github-issue-config": [".github/ISSUE_TEMPLATE/config.yml"],
    "citation-file-format": ["CITATION.cff"],
}

nox.options.envdir = ".venv-all"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False

# Those of pyenv: what it puts on PATH itself starts only one of them.
pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
newest = [
    str(path / "bin") for minor in SUPPORTED for path in sorted(pyenv.glob(f"{minor}.*"))[-1:]
]
os.environ["PATH"] = os.pathsep.join([*newest, os.environ["PATH"]])


def promised(session: nox.Session) -> list[Requirement]:
    """Return what package and lessons depend on under the Python of this session."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    more = [project["optional-dependencies"][extra] for extra in ("train", "serve", "widgets")]
    every = map(Requirement, sum(more, project["dependencies"]))
    here = {"python_version": session.python or ".".join(map(str, sys.version_info[:2]))}
    return [each for each in every if each.marker is None or each.marker.evaluate(here)]


def at_its_lowest(requirement: Requirement) -> str:
    """Return a dependency at the lowest version that is promised to work."""
    (lowest,) = [each.version for each in requirement.specifier if each.operator == ">="]
    return f"{requirement.name}=={lowest}"


def test(session: nox.Session, *arguments: str) -> None:
    """Run pytest in this environment, then delete it."""
    environment = {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    session.run("python", "-m", "pytest", *arguments, env=environment)
    shutil.rmtree(session.virtualenv.location)


def beside(session: nox.Session, *arguments: str) -> None:
    """Run pytest in .venv, beside what others wrote in this environment; then delete that.

    So it may depend on whatever it likes, and torch is not installed again.
    """
    environment = {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    environment["OTHER_PYTHON"] = str(Path(session.bin, "python"))
    command = [sys.executable, "-m", "pytest", *ITS_OWN_WARNINGS, *arguments]
    session.run(*command, env=environment, external=True)
    shutil.rmtree(session.virtualenv.location)


def smoke(session: nox.Session) -> None:
    """Import all that there is in an empty folder, where nothing of the checkout is found."""
    with tempfile.TemporaryDirectory() as empty:
        session.chdir(empty)
        session.run("python", "-c", SMOKE)
    shutil.rmtree(session.virtualenv.location)


@nox.session(python=SUPPORTED[0])
def lowest(session: nox.Session) -> None:
    """Run every test on the oldest Python, each dependency at its lowest version."""
    session.install("-e", ".[dev]", *map(at_its_lowest, promised(session)))
    test(session, *ITS_OWN_WARNINGS, *OF_THE_LOWEST, *NO_BROWSER, "-n", "auto")


@nox.session
def wheel(session: nox.Session) -> None:
    """Install as a user does."""
    session.install(".[lab]")
    smoke(session)


@nox.session
def package(session: nox.Session) -> None:
    """Build what a release publishes, into dist/, and check it; a tag may follow `--`."""
    version = nox.project.load_toml("pyproject.toml")["project"]["version"]
    if session.posargs not in ([], [f"v{version}"]):
        session.error(f"the tag must be v{version}, as in pyproject.toml; got {session.posargs}")
    session.install("build", "check-jsonschema>=0.30", "twine>=6")
    for schema, files in FORMS.items():
        paths = sorted(path for pattern in files for path in Path().glob(pattern))
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, paths))
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")  # the wheel is made from the sdist
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    (source,) = Path("dist").glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as unpacked:
        shutil.unpack_archive(source, unpacked)
        (folder,) = Path(unpacked).iterdir()
        session.chdir(folder)
        environment = {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
        for what in (["--collect-only", "-qq"], ["-q", *ITS_OWN_WARNINGS, *OF_THE_SOURCE]):
            command = [sys.executable, "-m", "pytest", *what]
            session.run(*command, env=environment, external=True, silent="--collect-only" in what)
    shutil.rmtree(session.virtualenv.location)


@nox.session
def light(session: nox.Session) -> None:
    """Install the wheel alone, as a judge does: it is small, and says what it lacks."""
    session.install(".")
    beside(session, "tests/extra/light.py")


@nox.session
def wheelhouse(session: nox.Session) -> None:
    """Fill a wheelhouse with the light core, and do where there is no network what it says."""
    session.install(".")
    with tempfile.TemporaryDirectory() as room:
        house = Path(room, "wheelhouse")
        session.run("python", "-c", COLLECT, str(house))
        install = re.findall("^    (.*)", (house / "README.txt").read_text(), re.MULTILINE)[0]
        session.chdir(house)
        settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
        session.run("unshare", "-rn", "sh", "-c", install, env=settings, external=True)
        session.run("../wm/bin/python", "-c", f"import wmlearn as wm; {CORE}", external=True)
    shutil.rmtree(session.virtualenv.location)


@nox.session(name="lazy-loader")
def lazy_loader(session: nox.Session) -> None:
    """Open every door with the oldest lazy_loader, which once took a module for a function."""
    (oldest,) = [each for each in promised(session) if each.name == "lazy_loader"]
    session.install(".[lab]", at_its_lowest(oldest))
    smoke(session)


@nox.session(name="ipywidgets-7")
def ipywidgets_7(session: nox.Session) -> None:
    """Run the labs under the widgets of older classrooms, whose JupyterLab 3 is not installed."""
    session.install("-e", ".[dev]", "ipywidgets==7.7.1")
    test(session, *ITS_OWN_WARNINGS, *NO_BROWSER, "tests/labs")


@nox.session
def art(session: nox.Session) -> None:
    """Imitate beside the adversarial-robustness-toolbox."""
    session.install("-e", ".[dev]", "adversarial-robustness-toolbox")
    test(session, *ITS_OWN_WARNINGS, "tests/extra/art_imitation.py")


@nox.session
def dask(session: nox.Session) -> None:
    """Sweep on dask's workers."""
    session.install("-e", ".[dev]", "dask", "distributed")
    test(session, *ITS_OWN_WARNINGS, "tests/extra/dask_sweep.py")


@nox.session(name="notebook-tools")
def notebook_tools(session: nox.Session) -> None:
    """Run an author's notebook by nbmake, papermill and nbconvert."""
    session.install("-e", ".[dev]", "nbmake", "papermill")
    test(session, *ITS_OWN_WARNINGS, "tests/extra/notebook_tools.py")


@nox.session
def nbgrader(session: nox.Session) -> None:
    """Let nbgrader grade what learners may build in each lesson, right and wrong."""
    session.install("-e", ".[dev]", "nbgrader")
    test(session, *ITS_OWN_WARNINGS, "tests/extra/nbgrader_course.py")


@nox.session
def accessibility(session: nox.Session) -> None:
    """Let axe-core look at every lesson as a page, and at the labs in JupyterLab."""
    session.install("--no-deps", "axe-playwright-python")
    beside(session, "tests/extra/accessibility.py")


@nox.session
def site(session: nox.Session) -> None:
    """Build the site, and let a browser and axe-core open each of its pages."""
    session.run(sys.executable, "tasks.py", "site", external=True)
    session.install("--no-deps", "axe-playwright-python")
    beside(session, "tests/extra/built_site.py")


@nox.session
def lite(session: nox.Session) -> None:
    """Build the course for a browser, open it, and run in WebAssembly what can be had of it."""
    session.run(sys.executable, "tasks.py", "lite", external=True)
    beside(session, "tests/extra/in_browser.py", "tests/extra/wasm.py")


@nox.session
def mlserver(session: nox.Session) -> None:
    """Verify a model behind MLServer."""
    session.install("mlserver")
    beside(session, "tests/extra/servers.py", "-k", "mlserver")


@nox.session
def kserve(session: nox.Session) -> None:
    """Verify a model behind KServe's server for Python, and let its client ask a service."""
    session.install("kserve")
    beside(session, "tests/extra/servers.py", "tests/extra/clients.py", "-k", "kserve")


@nox.session
def tritonclient(session: nox.Session) -> None:
    """Ask a service by Triton's client."""
    session.install("tritonclient[http]")
    beside(session, "tests/extra/clients.py", "-k", "tritonclient")


@nox.session
def apis(session: nox.Session) -> None:
    """Verify a model behind servers of no common protocol, and models that are no torch modules."""
    light = [str(each) for each in promised(session) if not each.name.startswith("torch")]
    session.install("litserve", "bentoml", "gradio", "onnx", "onnxruntime", "scikit-learn", *light)
    session.install("--no-deps", "-e", ".")
    beside(session, "tests/extra/apis.py")


@nox.session
def nginx(session: nox.Session) -> None:
    """Verify a model behind nginx and its limit on a request."""
    if not shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"])):
        session.skip("nginx is not on this machine: apt-get install nginx-light, or the like")
    beside(session, "tests/extra/nginx.py")


@nox.session(python=OTHERS)
def lesson(session: nox.Session) -> None:
    """Run the first lesson under the other Pythons."""
    session.install("-e", ".[dev]")
    test(session, *LESSON)
