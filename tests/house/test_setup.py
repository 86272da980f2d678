"""Setting up: tasks.py, the Makefile over it, noxfile.py; conda's and Binder's files."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from _noxfile import NOXFILE
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rattler import MatchSpec

from wmlearn._extras import EXTRAS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CURRENT = f"{sys.version_info.major}.{sys.version_info.minor}"
CONDA_NAMES = {"torch": "pytorch-cpu"}  # PyPI's name: conda-forge's, where they differ
OUR_CHANNELS = {"conda-forge", "nodefaults"}


# ---------------------------------------------------------------- conda and Binder


@pytest.fixture(scope="module")
def pyproject(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def environment(root):
    return yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))


def with_extras(project, *names):
    """Return the requirements of the package with some extras, and with those that these name."""
    found = list(map(Requirement, project["dependencies"]))
    waiting = list(names)
    while waiting:
        for line in map(Requirement, project["optional-dependencies"][waiting.pop()]):
            waiting += line.extras if line.name == "wmlearn" else []
            found += [line] if line.name != "wmlearn" else []
    return found


@pytest.fixture(scope="module")
def needed(pyproject):
    """Return the requirements of the package and of [lab], but for those of older Pythons."""
    every = with_extras(pyproject["project"], "lab")
    return [line for line in every if line.marker is None]


@pytest.fixture(scope="module")
def conda(environment):
    """Return {package: its version bounds} as environment.yml has them, those from PyPI too."""
    *lines, rest = environment["dependencies"]
    specs = [MatchSpec(line) for line in lines]
    found = {spec.name.normalized: str(spec.version or "") for spec in specs}
    return found | {line.name: str(line.specifier) for line in map(Requirement, rest["pip"])}


def test_binder_has_the_same_environment(root):
    assert (root / "binder" / "environment.yml").read_bytes() == (
        root / "environment.yml"
    ).read_bytes()


def test_the_environment_is_plain_conda_forge(environment):
    assert set(environment["channels"]) == OUR_CHANNELS
    *lines, rest = environment["dependencies"]
    assert all("::" not in line for line in lines)
    assert rest == {"pip": ["resvg_py>=0.4"]}  # what conda-forge lacks


def test_conda_and_pip_want_the_same(needed, conda):
    for line in needed:
        name = CONDA_NAMES.get(line.name, line.name)
        assert name in conda, f"environment.yml lacks {name}"
        assert SpecifierSet(conda[name]) == line.specifier, (
            f"{name}: conda wants {conda[name]}, pip {line.specifier}"
        )


def test_conda_installs_nothing_else(needed, conda):
    assert set(conda) == {CONDA_NAMES.get(line.name, line.name) for line in needed} | {
        "python",
        "pip",
    }


def test_conda_pins_a_python_we_support(pyproject, conda):
    minor = conda["python"].strip("=.*")
    assert re.fullmatch(r"3\.\d+", minor), "repo2docker takes 3.10 when no minor version is pinned"
    assert minor in SpecifierSet(pyproject["project"]["requires-python"])


def test_post_build_stops_at_the_first_failure(root):
    lines = (root / "binder" / "postBuild").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith("#")]
    assert lines[0] == "#!/usr/bin/env bash"
    assert commands[0] == "set -e"
    assert "--no-deps" in commands[1]


def test_repo2docker_builds_from_it(project_files, root, conda, tmp_path):
    for file in project_files:
        if file.suffix not in {".npz", ".safetensors"}:
            copy = tmp_path / file.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert '--file "binder/environment.yml"' in output
    assert f"Building conda environment for python={conda['python'].strip('=.*')}" in output
    assert "RUN ./binder/postBuild" in output
    assert re.search(r'ENV R2D_ENTRYPOINT="?\S*binder/start"?', output)


@pytest.mark.parametrize(("before", "after"), [({}, "1"), ({"OMP_NUM_THREADS": "2"}, "2")])
def test_binder_starts_what_it_is_given_on_one_thread(root, before, after):
    code = "import os, sys; print(os.environ['OMP_NUM_THREADS'], *sys.argv[1:])"
    command = [root / "binder" / "start", sys.executable, "-c", code, "a word", "--port=9"]
    alone = {"PATH": os.environ["PATH"]} | before
    done = subprocess.run(command, env=alone, capture_output=True, text=True, check=True)
    assert done.stdout == f"{after} a word --port=9\n"


# ---------------------------------------------------------------- the dev container


def test_the_dev_container_installs_checks_and_copies(root, tasks):
    file = root / ".devcontainer" / "devcontainer.json"
    container = json.loads(file.read_text(encoding="utf-8"))
    assert container["containerEnv"] == {"OMP_NUM_THREADS": "1"}
    install, copy = container["postCreateCommand"].split(" && ")
    assert install == "python tasks.py check"
    assert copy == ".venv/bin/wmlearn lab learn --copy-only"  # tests/test_cli.py
    image, minor = container["image"].rsplit(":", 1)
    assert image == "mcr.microsoft.com/devcontainers/python"
    assert tuple(map(int, minor.split("."))) >= (3, 10)
    settings = container["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"].endswith("/.venv/bin/python")


# ---------------------------------------------------------------- a light core, and extras


def modules_of(lines):
    return {line.name.replace("-", "_") for line in lines}


def test_the_core_has_nothing_that_only_training_serving_or_labs_need(pyproject):
    assert not modules_of(with_extras(pyproject["project"])) & set(EXTRAS)


def test_errors_name_an_extra_that_brings_what_is_missing(pyproject):
    project = pyproject["project"]
    core = modules_of(with_extras(project))
    for package, extra in EXTRAS.items():
        if package != "IPython":  # comes with ipywidgets
            assert package in modules_of(with_extras(project, extra)), package
    brought = modules_of(with_extras(project, "train", "serve", "lab", "court"))
    assert brought - core - {"ipykernel"} <= set(EXTRAS)


# ---------------------------------------------------------------- one licence, one address


def test_the_licence_is_mit_everywhere(pyproject, root):
    assert pyproject["project"]["license"] == "MIT"
    assert (root / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert "MIT" in (root / "README.md").read_text(encoding="utf-8")


def test_the_citation_file_is_valid(root):
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == "MIT"
    assert {"message", "title", "authors"} <= set(citation)
    for work in [citation, *citation["references"]]:
        assert work["title"]
        assert all(
            {"name"} <= set(a) or {"family-names", "given-names"} <= set(a) for a in work["authors"]
        )
    assert all(re.fullmatch(r"10\.\d{4,}/\S+", work["doi"]) for work in citation["references"])


# ---------------------------------------------------------------- tasks.py and the Makefile


def test_make_only_calls_tasks(root, tasks):
    text = (root / "Makefile").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^([\w-]+):\n\t(.*)$", text, re.MULTILINE))
    assert set(recipes) == {*tasks.TASKS, "help"}
    for target, recipe in recipes.items():
        assert re.fullmatch(rf"@\$\(PYTHON\) tasks\.py {target}( \$\((LAB_)?ARGS\))?", recipe)
    assert len(re.findall(r"^\t", text, re.MULTILINE)) == len(recipes)


def test_tasks_needs_nothing_but_python(root):
    tree = ast.parse((root / "tasks.py").read_text(encoding="utf-8"), feature_version=(3, 10))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in imports
        for alias in node.names
    }
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_a_first_run_makes_and_fills_the_environment(tasks, machine, tmp_path):
    python = tasks.set_up("lab")
    venv, pip = machine.commands
    assert venv[1:] == ["-m", "venv", str(tmp_path / ".venv")]
    assert pip[0] == str(python) == str(tmp_path / ".venv" / "bin" / "python")
    assert pip[1:4] == ["-m", "pip", "install"]
    assert pip[-2:] == ["-e", ".[lab]"]


def test_a_second_run_starts_at_once(tasks, machine):
    for _ in range(3):
        tasks.set_up("lab")
    assert len(machine.commands) == 2


def test_dev_holds_lab_but_not_the_reverse(tasks, machine):
    tasks.set_up("lab")
    machine.commanded()
    tasks.set_up("dev")
    assert machine.commanded("pip", ".[dev]")
    tasks.set_up("lab")
    tasks.set_up("dev")
    assert not machine.commanded()


def test_a_changed_pyproject_is_installed_again(tasks, machine, tmp_path):
    tasks.set_up("dev")
    machine.commanded()
    with (tmp_path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    tasks.set_up("dev")
    assert machine.traces() == 2
    assert machine.commanded("pip")


@pytest.mark.parametrize("ended", [KeyboardInterrupt(), -9], ids=["Ctrl-C", "killed"])
def test_an_interrupted_installation_starts_again_from_nothing(tasks, machine, ended):
    machine.pip_ends = ended
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        tasks.set_up("dev")
    machine.commanded()
    machine.pip_ends = 0
    tasks.set_up("dev")
    assert machine.traces() == 1
    assert machine.commanded("pip", ".[dev]")
    tasks.set_up("dev")
    assert not machine.commanded()


def test_a_failed_installation_is_tried_again_in_place(says, tasks, machine):
    machine.pip_ends = 1
    with says(SystemExit):
        tasks.set_up("dev")
    machine.commanded()
    machine.pip_ends = 0
    tasks.set_up("dev")
    assert machine.traces() == 2
    assert machine.commanded("pip")


def test_another_python_gets_a_new_environment(tasks, machine, monkeypatch):
    tasks.set_up("dev")
    machine.commanded()
    monkeypatch.setattr(tasks, "PYTHON", "3.99")
    tasks.set_up("dev")
    assert machine.traces() == 1
    assert machine.commanded("pip")


def test_a_copied_checkout_does_not_use_the_old_one(tasks, machine, tmp_path, monkeypatch):
    tasks.set_up("dev")
    machine.commanded()
    shutil.copytree(tmp_path / ".venv", tmp_path / "elsewhere" / ".venv")
    shutil.copy(tmp_path / "pyproject.toml", tmp_path / "elsewhere")
    monkeypatch.setattr(tasks, "ROOT", tmp_path / "elsewhere")
    tasks.set_up("dev")
    assert machine.commanded("pip")


def test_an_environment_made_by_hand_is_filled_not_cleared(tasks, machine, tmp_path):
    machine.make_environment(tmp_path / ".venv")
    (tmp_path / ".venv" / "mine").touch()
    tasks.set_up("dev")
    assert (tmp_path / ".venv" / "mine").exists()


def test_lab_is_that_of_the_command_line(tasks, machine):
    assert tasks.main(["lab", "--no-browser", "--port", "9999"]) == 0
    assert machine.commands[-1][1:] == [
        "-m",
        "wmlearn.cli",
        "lab",
        "learn",
        "--no-browser",
        "--port",
        "9999",
    ]


def test_ctrl_c_is_left_to_jupyterlab(tasks, machine, monkeypatch):
    answers = [KeyboardInterrupt, KeyboardInterrupt, 0]

    def wait():
        answer = answers.pop(0)
        if answer is KeyboardInterrupt:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(machine, "wait", wait)
    assert tasks.lab([]) == 0
    assert not answers


def test_test_checks_style_and_runs_everything(tasks, machine):
    tasks.set_up("dev")
    machine.commanded()
    assert tasks.main(["test", "-k", "stats"]) == 0
    commands = [command[1:] for command in machine.commands]
    assert commands == [
        ["-m", "ruff", "check"],
        ["-m", "ruff", "format", "--check"],
        ["-m", "mypy"],
        ["-m", "pytest", *tasks.SIDE_BY_SIDE, "-k", "stats"],
    ]


def test_check_asks_the_doctor_where_the_lessons_run(tasks, machine, tmp_path):
    assert tasks.main(["check", "--json"]) == 0
    python = str(tmp_path / ".venv" / "bin" / "python")
    assert machine.commands[-1] == [python, "-m", "wmlearn.cli", "doctor", "--json"]


@pytest.fixture
def activated(tasks, monkeypatch):
    """Activate a conda environment with some packages."""

    def activate(*packages):
        monkeypatch.setenv("CONDA_PREFIX", sys.prefix)
        monkeypatch.setattr(tasks, "version", lambda name: "1.0" if name in packages else "")

    return activate


def test_lab_opens_in_an_activated_conda_environment(tasks, machine, activated, tmp_path):
    activated("torch", "wmlearn")
    assert tasks.main(["lab"]) == 0
    assert machine.commands == [[sys.executable, "-m", "wmlearn.cli", "lab", "learn"]]
    assert not (tmp_path / ".venv").exists()


def test_a_conda_environment_without_the_package_is_told_what_to_do(
    says, tasks, machine, activated
):
    activated("torch")
    with says(SystemExit):
        tasks.lab([])
    assert not machine.commands


def test_a_conda_environment_for_other_things_is_left_alone(tasks, machine, activated):
    activated("numpy")
    tasks.main(["lab"])
    assert machine.commanded("pip", ".[lab]")


def test_a_wheelhouse_has_the_versions_of_the_environment(
    says, tasks, machine, tmp_path, monkeypatch
):
    """What was tried is what the class gets; test-all installs a real one without a network."""
    run = machine.run

    def pip(command, **options):
        done = run(command, **options)
        if "list" in command:
            done.stdout = "numpy==2.0\ntorch==9.0+cpu\n"
        if "wheel" in command:
            folder = Path(command[command.index("--wheel-dir") + 1])
            folder.mkdir()
            (folder / "torch-9.0+cpu-py3-none-any.whl").write_bytes(bytes(10**6))
            kept.append(Path(command[command.index("--constraint") + 1]).read_text())
        return done

    kept = []
    monkeypatch.setattr(machine, "run", pip)
    assert tasks.main(["wheelhouse"]) == 0
    assert kept == ["numpy==2.0\ntorch==9.0+cpu\n"]
    (command,) = machine.commanded("wheel")
    assert command[-3:] == ["--extra-index-url", tasks.CPU_BUILDS, ".[lab]"]
    how = (tmp_path / "wheelhouse" / "README.txt").read_text(encoding="utf-8")
    assert '--no-index --find-links . "wmlearn[lab]"' in how
    assert f"Python {tasks.PYTHON} on " in how
    with says(SystemExit):
        tasks.main(["wheelhouse"])


def test_editions_are_those_of_the_tool(tasks, machine):
    assert tasks.main(["editions", "--nbgrader", "course"]) == 0
    assert machine.commands[-1][1:] == ["tools/editions.py", "--nbgrader", "course"]


# ---------------------------------------------------------------- test-all


@pytest.fixture(scope="module")
def noxfile():
    return NOXFILE


def test_a_dependency_at_its_lowest_is_the_one_that_is_promised(noxfile, pyproject):
    promised = with_extras(pyproject["project"], "train", "serve", "widgets")
    session = SimpleNamespace(python=CURRENT)
    here = {each.name for each in promised if each.marker is None or each.marker.evaluate()}
    assert {each.name for each in noxfile.promised(session)} == here
    for each in promised:
        (exact,) = Requirement(noxfile.at_its_lowest(each)).specifier
        assert exact.operator == "=="
        assert f">={exact.version}" in str(each.specifier).split(",")
        assert each.specifier.contains(exact.version)


def test_the_sessions_of_test_all_are_whole(noxfile, root):
    command = [sys.executable, "-m", "nox", "--list", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    sessions = {each["session"] for each in json.loads(done.stdout)}
    others = {f"lesson-{minor}" for minor in noxfile.SUPPORTED if minor != CURRENT}
    libraries = {"lazy-loader", "ipywidgets-7", "art", "dask", "notebook-tools", "nbgrader"}
    services = {"mlserver", "kserve", "tritonclient", "apis", "nginx"}
    ours = {"lowest", "wheel", "light", "wheelhouse", "package", "accessibility", "site", "lite"}
    assert sessions == others | libraries | services | ours
    written = (root / "noxfile.py").read_text(encoding="utf-8")
    assert all((root / path).exists() for path in re.findall(r"tests/[\w/.]+", written))


def test_the_smoke_test_runs_here(noxfile, tmp_path):
    command = [sys.executable, "-c", noxfile.SMOKE]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


class Session:
    """Stands for nox's, and keeps what was asked of it."""

    def __init__(self, folder):
        self.ran, self.installed, self.folder = [], [], folder
        self.virtualenv = SimpleNamespace(location=str(folder / "environment"))
        self.bin = str(folder / "environment/bin")
        (folder / "environment").mkdir()

    def install(self, *what):
        self.installed += what

    def skip(self, why):
        raise RuntimeError(why)

    def chdir(self, folder):
        self.folder = Path(folder)

    def run(self, *command, env=None, external=False):
        self.ran.append((self.folder, command))
        self.env = env


def test_a_wheel_is_tried_where_nothing_of_the_checkout_is_found(noxfile, tmp_path):
    session = Session(tmp_path)
    noxfile.wheel(session)
    ((folder, command),) = session.ran
    assert command == ("python", "-c", noxfile.SMOKE)
    assert tmp_path not in (folder, *folder.parents)
    assert session.installed == [".[lab]"]
    assert not (tmp_path / "environment").exists()  # several gigabytes


def test_what_others_wrote_runs_beside_ours_and_not_with_it(noxfile, tmp_path):
    session = Session(tmp_path)
    noxfile.kserve(session)
    ((_, command),) = session.ran
    assert command[:3] == (sys.executable, "-m", "pytest")
    assert session.env["OTHER_PYTHON"] == str(tmp_path / "environment/bin/python")
    assert session.installed == ["kserve"]
    assert not (tmp_path / "environment").exists()


def test_a_session_without_its_nginx_says_so(noxfile, tmp_path, monkeypatch):
    session = Session(tmp_path)
    monkeypatch.setattr(noxfile.shutil, "which", lambda *_, **__: None)
    with pytest.raises(RuntimeError, match="apt-get"):
        noxfile.nginx(session)
    assert session.ran == []


def test_a_session_that_failed_can_be_looked_at(noxfile, tmp_path, monkeypatch):
    session = Session(tmp_path)
    monkeypatch.setattr(session, "run", lambda *command, env: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        noxfile.dask(session)
    assert (tmp_path / "environment").exists()


def test_test_all_fails_where_one_of_its_two_parts_does(tasks, machine, monkeypatch):
    for here, there in ((0, 0), (1, 0), (0, 1)):
        monkeypatch.setattr(tasks, "test", lambda arguments, here=here: here)
        monkeypatch.setattr(tasks, "call", lambda *command, there=there: there)
        monkeypatch.setattr(tasks, "set_up", lambda extras: "python")
        assert tasks.test_all([]) == max(here, there)


def test_an_unknown_task_lists_the_known_ones(tasks, capsys):
    assert tasks.main(["lap"]) == 2
    text = capsys.readouterr().out
    assert all(f"    {name} " in text for name in tasks.TASKS)


def test_the_stamp_can_be_read(tasks, machine, tmp_path):
    tasks.set_up("lab")
    stamp = json.loads((tmp_path / ".venv" / "installed.json").read_text(encoding="utf-8"))
    assert (stamp["extras"], stamp["python"]) == ("lab", tasks.PYTHON)


# ---------------------------------------------------------------- --no-skips


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        ("def test(): pass", True),
        ("import pytest\ndef test(): pytest.skip('no browser')", False),
        ("import pytest\npytest.importorskip('nowhere')", False),
        ("import pytest\n@pytest.mark.xfail\ndef test(): assert 0", False),
    ],
    ids=["passed", "skipped", "module skipped", "xfailed"],
)
def test_no_skips_means_none(root, tmp_path, body, passes):
    (tmp_path / "tests").mkdir()
    for name in ("conftest.py", "_sentences.py"):
        shutil.copy(root / "tests" / name, tmp_path / "tests")
    (tmp_path / "tests" / "test_it.py").write_text(
        "def test_good(): pass\n" + body, encoding="utf-8"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests",
        "--no-skips",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        tmp_path,
    ]
    alone = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"
    }  # other plugins take seconds to load
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert (done.returncode == 0) == passes, done.stdout
    assert ("FAILED by --no-skips: tests/test_it.py" in done.stdout) != passes
    assert re.search(r"=+ .*\bin [\d.]+s.* =+$", done.stdout.strip())


# ---------------------------------------------------------------- a checkout on Windows


def test_a_checkout_of_windows_has_the_same_bytes(root, tmp_path):
    """With core.autocrlf a script of bash, a result and a hashed file would get other line ends."""
    if not (root / ".git").exists():  # an unpacked archive is no checkout
        return

    def git(*arguments, text=""):
        command = ["git", "-c", "core.autocrlf=true", "-c", "safe.directory=*", *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        return done.stdout

    copy = tmp_path / "copy"
    git("clone", "--quiet", "--shared", "-c", "core.autocrlf=true", str(root), str(copy))
    shutil.copy(root / ".gitattributes", copy)  # as it is now, committed or not
    blobs = {}
    for line in git("-C", str(copy), "ls-tree", "-r", "-z", "HEAD").split("\0")[:-1]:
        kind, name = line.split("\t")
        blobs[name] = kind.split()[2]
        (copy / name).unlink(missing_ok=True)
    shutil.copy(root / ".gitattributes", copy)
    git("-C", str(copy), "checkout", "--force", "--", ":(exclude).gitattributes")
    blobs.pop(".gitattributes", None)
    names = list(blobs)
    paths = "\n".join(str(copy / name) for name in names)
    found = git("hash-object", "--no-filters", "--stdin-paths", text=paths).split()
    assert [name for name, blob in zip(names, found) if blob != blobs[name]] == []
    assert b"\r" not in (copy / "binder" / "postBuild").read_bytes()
    assert len(names) > 300
