"""The house rules: which way imports point, what the names promise, what an import costs, how large
things grow.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import wmlearn as wm

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))
from structure import arrows, between_wings, circles, imported, modules, wing_of  # noqa: E402

PACKAGE = Path(wm.__file__).parent

# Each may import those before it, never one after it.
GROUND = [
    "_extras",
    "_types",
    "_forms",
    "_checks",
    "_files",
    "_random",
    "_display",
    "_answers",
    "_fingerprint",
    "_progress",
]
WINGS = [*GROUND, "data", "evidence", "triggers", "training", "service", "watermarks", "theft"]
ABOVE = ["figures", "zoo", "experiments", "course", "labs", "cli"]
ORDER = [*WINGS, *ABOVE, "wmlearn"]  # the last is the front door

WITHOUT_TORCH = ("data", "evidence", "triggers", "service")  # every file of these wings
HEAVY = ("torch", "matplotlib", "scipy.stats", "starlette", "ipywidgets")

MAY_PRINT = {"course.copies", "cli"}  # command lines
# To processes of its own; no file that somebody else made is read.
MAY_SEND_TO_WORKERS = {"experiments": {"joblib"}}


# ---------------------------------------------------------------- reading the package

MODULES = modules(PACKAGE)
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
ARROWS = arrows(PACKAGE)


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield ('stats.wealth', node) for every function and method, nested ones too."""
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{module}.{node.name}", node


# ---------------------------------------------------------------- wings, and arrows that point down


def test_every_file_is_in_a_wing_or_named_above_them():
    assert {wing_of(module) for module in MODULES} == set(ORDER)


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_down(module):
    place = ORDER.index(wing_of(module))
    above = {target for target in ARROWS[module] if ORDER.index(wing_of(target)) > place}
    assert not above, f"wmlearn.{module} must not import {above}: they are above it"


def test_there_is_no_circle():
    assert circles(ARROWS) == []
    assert circles(between_wings(ARROWS)) == []


@pytest.mark.parametrize(
    "wing",
    [name for name, path in MODULES.items() if path.name == "__init__.py" and "." not in name],
)
def test_a_wing_says_in_a_few_lines_what_is_in_it_and_what_it_imports(wing):
    """The front door has no such line: it imports by its typed twin."""
    if wing == "wmlearn":
        return
    text = ast.get_docstring(TREES[wing])
    assert text.count(". ") + text.count(".\n") >= 2
    message = text.rpartition("Imports: ")[2].rstrip(".").split(", ")
    named = {"ground" if target in GROUND else target for target in between_wings(ARROWS)[wing]}
    assert set(message) == named
    assert message == sorted(message, key=["ground", *ORDER].index)


def test_the_page_draws_the_tree(root):
    drawn = re.findall(
        r"^  (\w+)(?:/|\.py) ", (root / "docs" / "package.md").read_text(encoding="utf-8"), re.M
    )
    known = [name for name in reversed(ORDER) if name not in ("wmlearn", *GROUND)]
    assert sorted(drawn) == sorted([*known, "_checks"])
    for upper, lower in itertools.pairwise(drawn):
        assert ORDER.index(lower) < ORDER.index(upper) or {upper, lower} == {"zoo", "experiments"}


def test_a_lab_imports_the_kit_and_no_other_lab():
    for module, targets in ARROWS.items():
        parts = module.split(".")
        if parts[0] == "labs" and len(parts) > 2:
            labs = {target.split(".")[1] for target in targets if target.startswith("labs.")}
            assert labs <= {"_kit", parts[1]}, module
            assert parts[1] != "_kit" or labs <= {"_kit"}


def test_the_base_of_triggers_knows_none_of_its_children():
    for module in ("triggers.trigger", "evidence.trigger_set"):
        children = {f"triggers.{name}" for name in ("content", "unrelated", "noise")}
        assert not ARROWS[module] & children, module
    text = MODULES["triggers.trigger"].read_text(encoding="utf-8")
    assert not re.findall(r"\b(Content|Unrelated|Noise|Composite)\b", text)


def test_the_evidence_can_be_taken_out_and_used_alone(tmp_path):
    """Without the rest of the package and without torch: an auditor can read and run it alone."""
    alone = tmp_path / "wmlearn"
    shutil.copytree(
        PACKAGE / "evidence", alone / "evidence", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in GROUND:
        shutil.copy(MODULES[name], alone)
    (alone / "__init__.py").touch()
    names = [f"wmlearn.{name}" for name in MODULES if wing_of(name) == "evidence"]
    code = "import importlib, sys; sys.modules['torch'] = None; "
    code += f"[importlib.import_module(n) for n in {names}]; "
    code += (
        "from wmlearn import evidence; print(evidence.__file__); print(evidence.verify is not None)"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.stdout.split() == [str(alone / "evidence" / "__init__.py"), "True"], done.stderr


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import wmlearn.stats", {"stats"}),
        ("from wmlearn.stats import power", {"stats"}),
        ("from wmlearn import stats", {"stats"}),
        ("from wmlearn import load_data", {"wmlearn"}),
        ("import wmlearn as wm", {"wmlearn"}),
        ("from .modify import FineTune", {"theft.modify"}),
        ("from . import modify", {"theft.modify"}),
        ("from .. import stats", {"stats"}),
        ("from ..stats import power", {"stats"}),
        ("def f():\n    from wmlearn import stats", {"stats"}),
        ("if TYPE_CHECKING:\n    from wmlearn.stats import power", set()),
        ("if TYPE_CHECKING:\n    import wmlearn.data\nelse:\n    import wmlearn.stats", {"stats"}),
        ("import numpy, os.path", set()),
    ],
)
def test_the_layer_test_sees_every_kind_of_import(code, found):
    known = {"wmlearn", "stats", "data", "theft", "theft.modify", "theft.imitate"}
    assert imported(ast.parse(code), "theft.imitate", known) == found


# ---------------------------------------------------------------- names


def test_dir_all_and_stub_agree():
    stub = ast.parse(Path(wm.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    names = {alias.asname or alias.name for node in imports for alias in node.names}
    listed = next(
        ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign)
    )
    assert set(dir(wm)) == set(wm.__all__) == names == set(listed)


def test_the_front_door_is_narrow():
    assert len(wm.__all__) <= 40


WITH_DOORS = ("data", "evidence", "triggers", "training", "service", "watermarks", "theft")
WITH_DOORS += ("course",)


@pytest.mark.parametrize("wing", WITH_DOORS)
def test_the_doors_of_the_wings_agree_with_their_stubs(wing):
    door = importlib.import_module(f"wmlearn.{wing}")
    stub = ast.parse(Path(door.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    listed = next(
        ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign)
    )
    assert set(dir(door)) == set(door.__all__) == set(listed)
    assert all(getattr(door, name) is not None for name in listed)


def test_no_module_shares_a_name_with_what_a_module_defines():
    """`wm.judge` was once a module or a function, as the imports before it had it."""
    last = {module.rpartition(".")[2]: module for module in MODULES}
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = {
        node.name: module
        for module, tree in TREES.items()
        for node in tree.body
        if isinstance(node, kinds)
    }
    public = {name: module for name, module in defined.items() if not name.startswith("_")}
    assert not {name: (public[name], last[name]) for name in public.keys() & last.keys()}


def test_statistics_show_statistics_only():
    assert dir(wm.stats) == sorted(wm.stats.__all__)
    assert {"np", "special", "as_array", "check_count", "shown"}.isdisjoint(dir(wm.stats))
    public = {
        node.name for node in TREES["evidence.stats"].body if isinstance(node, ast.FunctionDef)
    }
    assert {name for name in public if not name.startswith("_")} <= set(wm.stats.__all__)


@pytest.mark.parametrize("name", sorted(wm.__all__))
def test_every_name_of_the_front_door_is_there(name):
    thing = getattr(wm, name)
    if inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing):
        text = inspect.getdoc(thing) or ""
        assert len(text.split()) >= 3, f"wm.{name} has no docstring"


def test_every_public_function_and_class_has_a_docstring():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    without = [
        f"{module}.{node.name}"
        for module, tree in TREES.items()
        for node in tree.body
        if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node)
        if module not in MAY_PRINT or node.name != "main"
    ]
    assert not without


def written_names(root: Path) -> Iterator[tuple[str, str]]:
    """Yield ('verify', 'README.md') for each `wm.verify` in pages, lessons and the package."""
    pages = [
        root / "README.md",
        *(root / "docs").glob("*.md"),
        *(root / "notebooks").glob("*.ipynb"),
    ]
    for path in [*pages, *MODULES.values()]:
        for found in re.finditer(r"\bwm\.(\w+(?:\.\w+)?)", path.read_text(encoding="utf-8")):
            yield found[1], path.name


def test_every_name_that_is_written_exists(root):
    for name, where in sorted(set(written_names(root))):
        first, _, second = name.partition(".")
        assert first in wm.__all__, f"wm.{name} in {where}"
        door = getattr(wm, first)
        if second and inspect.ismodule(door):
            assert second in door.__all__, f"wm.{name} in {where}"


def test_every_public_name_is_taught(root):
    """A name that no lesson and no page for teachers mentions does not belong at the front door."""
    cells = [
        "".join(cell["source"])
        for lesson in sorted((root / "notebooks").glob("??_*.ipynb"))
        for cell in json.loads(lesson.read_text(encoding="utf-8"))["cells"]
    ]
    guide = root / "docs" / "teaching.md"
    taught = "\n".join([*cells, guide.read_text(encoding="utf-8") if guide.exists() else ""])
    # As it is written in code: `fit` and `verify` are English words too.
    untaught = [
        name
        for name in sorted(wm.__all__)
        if not re.search(rf"\bwm\.{name}\b|`{name}\b|\b{name}\(", taught)
    ]
    assert not untaught, f"neither in a lesson nor in docs/teaching.md: {', '.join(untaught)}"


# ---------------------------------------------------------------- what an import costs


def test_import_loads_nothing_heavy(run_python):
    loaded = run_python(
        f"import sys, wmlearn; print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert loaded == "[]"


def test_import_takes_no_time():
    def best(code: str) -> float:
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    assert best("import wmlearn") - best("pass") < 0.3


@pytest.mark.parametrize("module", [name for name in MODULES if wing_of(name) in WITHOUT_TORCH])
def test_works_without_torch(module, run_python):
    run_python(f"import sys; sys.modules['torch'] = None; import wmlearn.{module}")


# ---------------------------------------------------------------- sizes


def test_functions_take_few_parameters():
    """Six; or eight, of which four or more are settings, given by name or left to their default; or
    three and settings, as many as there are things to be said of it.
    """

    def parameters(node: ast.FunctionDef) -> tuple[int, int]:
        a = node.args
        names = [
            arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if arg
        ]
        settings = sum(default is not None for default in a.kw_defaults)
        return len(names) - (names[:1] in (["self"], ["cls"])), settings

    counted = {name: parameters(node) for name, node in functions()}
    many = {name: (count, settings) for name, (count, settings) in counted.items() if count > 6}
    for count, settings in many.values():
        assert settings >= count - 3 or (count <= 8 and settings >= count - 4), many


# ---------------------------------------------------------------- manners


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_the_package_does_not_print():
    assert not [
        name
        for name, tree in TREES.items()
        if name not in MAY_PRINT
        for f, _ in calls(tree)
        if f == "print"
    ]


def test_public_doors_take_no_kwargs():
    def public(name: str) -> bool:
        """Whether neither the function nor what it lies in begins with an underscore."""
        last = name.rpartition(".")[2]
        return "._" not in f".{name.removesuffix(last)}" and (
            not last.startswith("_") or last in ("__init__", "__call__")
        )

    assert not [name for name, node in functions() if public(name) and node.args.kwarg]
    assert public("theft.tune.__init__")
    assert not public("_checks.checked")


def test_nothing_is_unpickled():
    loaders = {
        "torch.load",
        "pickle.load",
        "pickle.loads",
        "joblib.load",
        "pd.read_pickle",
        "pandas.read_pickle",
    }
    for name, tree in TREES.items():
        for function, node in calls(tree):
            assert function not in loaders, (
                f"wmlearn.{name} calls {function}; model files are safetensors only"
            )
            allowed = [
                k
                for k in node.keywords
                if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"
            ]
            assert not allowed, f"wmlearn.{name} lets numpy unpickle"
        names = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        picklers = {"pickle", "cloudpickle", "dill", "joblib", "shelve"} - MAY_SEND_TO_WORKERS.get(
            name, set()
        )
        assert not names & picklers, f"wmlearn.{name} imports a pickler"


def test_nothing_is_left_unfinished():
    unfinished = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")
    assert not [
        name
        for name, path in MODULES.items()
        if unfinished.search(path.read_text(encoding="utf-8"))
    ]


def test_files_are_small(project_files, root):
    def limit(path: Path) -> float:
        if path.suffix == ".safetensors":
            return 1.5e6
        return 16e6 if path.is_relative_to(PACKAGE / "data" / "_files") else 2e6

    assert not [
        str(path.relative_to(root)) for path in project_files if path.stat().st_size > limit(path)
    ]


# Someone's own folder. In the pattern each name is broken by brackets, so that it does not find
# itself.
MACHINE_PATH = re.compile(
    r"(?<![\w.])/(?:h[o]me|U[s]ers|r[o]ot|w[o]rk|t[m]p)/\w|\b[A-Z]:\\+U[s]ers\b"
)


def test_no_path_of_a_machine(project_files, root):
    found = []
    for path in project_files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(root)}: {match.group(0)}" for match in MACHINE_PATH.finditer(text)
        ]
    assert not found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see /ho" + "me/ada/x.py", True),
        (r"C:\Us" + r"ers\ada", True),
        ('"/tm' + 'p/a"', True),
        ("https://example.org/ho" + "me/page", False),
        ("../ho" + "me/page", False),
        ("a/ro" + "ot/b", False),
    ],
)
def test_the_path_test_knows_a_path(text, found):
    assert bool(MACHINE_PATH.search(text)) == found
