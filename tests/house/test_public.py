"""What makes the project public: workflows and forms of GitHub, the package, the pages around."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import nox
import pytest
import yaml
from _noxfile import NOXFILE

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")["project"]
ADDRESS = PROJECT["urls"]["Repository"]
READ_ONLY = {"contents": "read"}


def tasks() -> dict:
    """Return the tasks of tasks.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("tasks_of_the_project", ROOT / "tasks.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.TASKS


TASKS = tasks()
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text("utf-8"))
    for path in sorted((GITHUB / "workflows").glob("*.yml"))
}
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("[1-9]*.yml"))
JOBS = [(name, job) for name, flow in WORKFLOWS.items() for job in flow["jobs"].values()]
STEPS = [step for _, job in JOBS for step in job["steps"]]
ON = True  # how YAML reads the key `on`


# ---------------------------------------------------------------- workflows


def test_there_is_a_workflow_for_changes_for_versions_and_for_releases():
    assert WORKFLOWS.keys() == {"test", "versions", "release", "site"}
    assert {"push", "pull_request"} <= WORKFLOWS["test"][ON].keys()
    ((_, cron),) = WORKFLOWS["versions"][ON]["schedule"][0].items()
    assert re.fullmatch(r"\d+ \d+ \d+ \* \*", cron)  # once a month
    assert WORKFLOWS["release"][ON] == {"push": {"tags": ["v*"]}}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_and_nothing_else_but_to_publish(name):
    assert WORKFLOWS[name]["permissions"] == READ_ONLY
    extra = {
        job: each["permissions"]
        for job, each in WORKFLOWS[name]["jobs"].items()
        if "permissions" in each
    }
    may = {"id-token": "write"}
    publishing = {"release": {"publish": may}, "site": {"publish": may | {"pages": "write"}}}
    assert extra == publishing.get(name, {})
    assert "secrets" not in (GITHUB / "workflows" / f"{name}.yml").read_text("utf-8")


def test_each_action_is_pinned_to_a_major_version():
    used = {step["uses"] for step in STEPS if "uses" in step}
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@(v\d+|release/v1)", each) for each in used)
    names = [each.partition("@")[0] for each in used]
    assert len(names) == len(set(names)), "one version of each"
    assert {each.partition("/")[0] for each in used} == {"actions", "pypa"}


def test_each_job_ends_in_time():
    assert all(job["timeout-minutes"] <= 120 for _, job in JOBS)


def test_workflows_call_what_anybody_can_call():
    commands = [step["run"] for step in STEPS if "run" in step]
    called = [re.match(r"(?:make|python tasks\.py) ([\w-]+)", each) for each in commands]
    targets = {found[1] for found in called if found}
    assert targets == {"test", "session", "site"}
    assert targets <= TASKS.keys()
    rest = [each for each, found in zip(commands, called) if not found]
    assert all(re.match(r"sudo apt-get|command -v", each) for each in rest)


def sessions(job: dict) -> list[str]:
    return job.get("strategy", {}).get("matrix", {}).get("session", [])


def test_every_session_has_its_job():
    command = [sys.executable, "-m", "nox", "--list", "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    known = {each["session"] for each in yaml.safe_load(listed)}
    named = [each for _, job in JOBS for each in sessions(job)]
    assert len(named) == len(set(named))
    # The whole suite runs under each Python, and the package is built with each change.
    lessons = {each for each in known if each.startswith("lesson-")}
    assert set(named) | lessons | {"package"} == known
    assert "make session PYTHON=python ARGS=package" in [step.get("run") for step in STEPS]


def test_all_three_systems_and_all_supported_pythons_are_tested():
    systems = {"ubuntu-latest", "macos-latest", "windows-latest"}
    assert set(WORKFLOWS["test"]["jobs"]["test"]["strategy"]["matrix"]["os"]) == systems
    newest = WORKFLOWS["versions"]["jobs"]["newest"]["strategy"]["matrix"]
    assert newest["python"] == NOXFILE.SUPPORTED
    assert {each["os"] for each in newest["include"]} | set(newest["os"]) == systems
    assert {each["python"] for each in newest["include"]} == {NOXFILE.SUPPORTED[-1]}
    pythons = {str(step.get("with", {}).get("python-version", "")) for step in STEPS}
    minors = set(re.findall(r"\b3\.\d+\b", " ".join(pythons)))
    assert minors <= set(NOXFILE.SUPPORTED)
    oldest = WORKFLOWS["versions"]["jobs"]["oldest"]["steps"][1]["with"]["python-version"]
    assert oldest.split()[0] == NOXFILE.SUPPORTED[0]


def test_only_what_was_built_and_checked_is_published():
    jobs = WORKFLOWS["release"]["jobs"]
    assert jobs["publish"]["needs"] == "build"
    assert [step.get("uses", "").partition("@")[0] for step in jobs["publish"]["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_at_least_one_thing_and_each_once(path):
    form = yaml.safe_load(path.read_text("utf-8"))
    assert {"name", "description", "labels", "body"} <= form.keys()
    asked = [each for each in form["body"] if each["type"] != "markdown"]
    ids, labels = [each["id"] for each in asked], [each["attributes"]["label"] for each in asked]
    assert len(set(ids)) == len(ids)
    assert len(set(labels)) == len(labels)
    assert any(each.get("validations", {}).get("required") for each in asked)


def test_there_is_a_form_for_a_fault_a_claim_a_lesson_and_a_wish():
    names = [path.stem.partition("-")[2] for path in FORMS]
    assert names == ["bug", "wrong-claim", "lesson", "feature"]
    config = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "config.yml").read_text("utf-8"))
    assert config["blank_issues_enabled"] is False


def test_commands_that_the_forms_name_exist(root):
    text = "\n".join(path.read_text("utf-8") for path in [*FORMS, *GITHUB.glob("*.md")])
    assert set(re.findall(r"`wmlearn (\w+)`", text)) == {"doctor"}
    assert set(re.findall(r"`make ([\w-]+)`", text)) <= TASKS.keys()
    assert all((root / name).exists() for name in re.findall(r"\b[A-Z]+\.md\b", text))


# ---------------------------------------------------------------- one address, one version


MADE = re.compile(
    r"^ *<!-- (\w+) -->$.*?^ *<!-- /\1 -->$", re.MULTILINE | re.DOTALL
)  # `make lessons`
TEXTS = {".md", ".py", ".toml", ".yml", ".cff", ".bib", ".json", ""}


def test_the_address_is_in_one_line(project_files):
    """Notebooks and the parts of README that are made get it from there."""
    texts = {
        path.relative_to(ROOT).as_posix(): MADE.sub("", path.read_text("utf-8"))
        for path in project_files
        if path.suffix in TEXTS and path.name != "PKG-INFO"  # it is made from README
    }
    place = ADDRESS.partition("//")[2]
    lines = [name for name, text in texts.items() for line in text.splitlines() if place in line]
    assert lines == ["pyproject.toml"]


def test_the_version_is_in_pyproject_and_in_the_change_log():
    version, _, unfinished = PROJECT["version"].partition(".dev")
    log = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest, note = re.findall(r"^## ([\d.]+) \((.*)\)$", log, re.MULTILINE)[0]
    assert newest == version
    assert (note == "not released yet") == bool(unfinished)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert not {"version", "date-released", "doi"} & citation.keys()  # the publisher's tag has them


@pytest.mark.parametrize("name", ["CITATION.cff", "LICENSE", "paper.md", "pyproject.toml"])
def test_the_author_is_the_same_everywhere(name):
    assert "The wmlearn authors" in (ROOT / name).read_text("utf-8")


# ---------------------------------------------------------------- the package


def test_classifiers_name_the_pythons_that_are_tested():
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert named == NOXFILE.SUPPORTED
    assert PROJECT["requires-python"] == f">={NOXFILE.SUPPORTED[0]}"
    # The licence is an expression (PEP 639); a classifier beside it would be refused.
    assert not [each for each in PROJECT["classifiers"] if each.startswith("License")]
    assert ("Typing :: Typed" in PROJECT["classifiers"]) == (ROOT / "wmlearn/py.typed").exists()
    assert PROJECT["classifiers"] == sorted(PROJECT["classifiers"])


def test_the_source_package_is_all_that_git_tracks():
    """So its tests have what they need; and nothing that lies beside it is published."""
    from hatchling.builders.sdist import SdistBuilder

    if not (ROOT / ".git").exists():  # an unpacked source package
        return
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = set(filter(None, tracked.stdout.split("\0")))
    built = {
        Path(each.relative_path).as_posix()
        for each in SdistBuilder(str(ROOT)).recurse_included_files()
    }
    assert files - {".gitignore", "pyproject.toml"} <= built  # the builder adds these two
    assert not [name for name in built if name.split("/")[0] in {"evidence", "learn", "dist"}]


# ---------------------------------------------------------------- what is left to a publisher


def test_the_list_for_a_publisher_names_what_the_files_need():
    text = (ROOT / "docs" / "publishing.md").read_text("utf-8")
    labels = {
        label for path in FORMS for label in yaml.safe_load(path.read_text("utf-8"))["labels"]
    }
    publish = WORKFLOWS["release"]["jobs"]["publish"]
    wanted = [*labels, publish["environment"], PROJECT["name"], *PROJECT["urls"]]
    assert [each for each in wanted if f"`{each}`" not in text] == []
    named = re.findall(r"`([\w./-]+\.(?:md|yml|toml|cff|bib))`|\]\(([^)#]+)\)", text)
    paths = [path or f"docs/{link}" for path, link in named]
    workflows = {f"{name}.yml" for name in WORKFLOWS}
    assert [path for path in paths if path not in workflows and not (ROOT / path).exists()] == []


AROUND = ["CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "CHANGELOG.md", "paper.md"]


@pytest.mark.parametrize("name", [*AROUND, "docs/accessibility.md", "docs/security.md"])
def test_links_of_these_pages_lead_to_files(name):
    path = ROOT / name
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_page_on_accessibility_names_tests_that_exist():
    text = (ROOT / "docs" / "accessibility.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/*.]+)`", text)
    assert len(named) > 10
    assert [pattern for pattern in named if not list(ROOT.glob(pattern))] == []
    (session,) = re.findall(r"`make session ARGS=([\w-]+)`", text)
    assert hasattr(NOXFILE, session)


@pytest.mark.parametrize("name", ["CHANGELOG.md", "paper.md", "CONTRIBUTING.md"])
def test_names_of_the_package_in_these_pages_exist(name):
    import wmlearn as wm

    text = (ROOT / name).read_text("utf-8")
    assert set(re.findall(r"\bwm\.([a-zA-Z_]+)", text)) <= set(wm.__all__)
    every = {*wm.__all__, *wm.watermarks.__all__}
    classes = re.findall(r"`((?:[A-Z][a-z]+){1,3})`", text) if name == "CHANGELOG.md" else []
    assert set(classes) <= every
