"""CONTRIBUTING.md, followed word by word in a copy of the checkout: its trigger, its theft, its
lesson, and the test of each.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "course"))
from _lesson_rules import broken_rules
from _nbval import run_strict, with_solutions
from _tool import ROOT, tool

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
# Each block of a file comes after a paragraph that names it: "..., `path`:" or "This is `path`:".
NAMED = re.compile(r"`([\w/.]+)`[^`]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(part: str, folder: Path) -> list[str]:
    """Write the files of a part of the page, and return their paths."""
    (text,) = re.findall(rf"^## {part}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    files = dict(NAMED.findall(text))
    for path, content in files.items():
        assert not (ROOT / path).exists(), f"{path} is taken; choose another example"
        (folder / path).write_text(content, encoding="utf-8", newline="\n")
    return list(files)


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr


pytestmark = pytest.mark.timeout(600)  # several runs of pytest, and a kernel


@pytest.fixture(scope="module")
def copy(project_files, tmp_path_factory) -> Path:
    """Return a copy of the checkout, where nobody works; of the networks it has one."""
    folder = tmp_path_factory.mktemp("contributor")
    for file in project_files:
        path = file.relative_to(ROOT)
        if file.suffix != ".safetensors" or path.parts[-2:] == ("mnist", "clean.safetensors"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / path)
    return folder


@pytest.mark.parametrize("part", ["A trigger", "A theft"])
def test_a_file_and_a_test_of_it_pass_in_the_style_of_the_house(copy, part):
    files = follow(part, copy)
    assert [Path(each).parts[0] for each in files] == ["wmlearn", "tests"]
    assert f"`.venv/bin/python -m pytest -n 0 {files[1]} {files[0]}`" in PAGE.replace("\n", " ")
    run(copy, "ruff", "check", *files)
    run(copy, "ruff", "format", "--check", *files)
    rules = ["tests/house/test_house.py", "tests/house/test_types.py"]
    quick = "arrows or circle or wing or docstring or private or not house"
    run(copy, "pytest", "-q", "-n", "0", *files[::-1], *rules, "-k", quick)


def test_a_lesson_and_a_test_of_it_pass(copy, tmp_path, monkeypatch):
    toml, _, test = follow("A lesson", copy)
    run(copy, "ruff", "format", "--check", test)
    commands = re.findall(r"^\.venv/bin/(\S+) (.*?)(?:  +#.*)?$", PAGE, re.MULTILINE)
    assert [name for name, _ in commands] == ["jupytext", "python", "python"]
    run(copy, "jupytext", "--quiet", *commands[0][1].split())
    monkeypatch.setenv("PYTHONPATH", str(copy))  # where kernels find the package
    tools = [words.removeprefix("tools/lessons.py ").split() for _, words in commands[1:]]
    assert tool.main(tools[0], copy) == 0
    course = tool.read_course(copy)
    (lesson,) = tool.chosen(course, Path(toml).stem)
    assert tool.check(course, lesson) == []
    assert tools[1] == ["--check"]
    nb = tool.read_notebook(course.path(lesson))
    assert broken_rules(nb, lesson, (copy / "docs/teaching.md").read_text("utf-8")) == []
    outcome = run_strict(with_solutions(nb), tmp_path)
    assert outcome.failed == {}, outcome.output
    run(copy, "pytest", "-q", "-n", "0", test)
