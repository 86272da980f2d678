"""Types: what a docstring names is what is there, and of the type that is annotated.

Whether the code keeps its annotations, `mypy --strict` says: the first part of `make test`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import wmlearn as wm

PACKAGE = Path(wm.__file__).parent
TREES = {
    str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
ARRAYS = r"array|NDArray|Pixels|Images|Labels|Floats|Tensor|Any|Bits|Scores"
# What a docstring may call a type, and one of these must then be in the annotation.
MEANINGS = {
    "int": r"\bint\b",
    "float": r"\bfloat\b|" + ARRAYS,
    "bool": r"\bbool\b",
    "str": r"\bstr\b|Literal",
    "bytes": r"\bbytes\b",
    "list": r"\blist\b|Sequence|Iterable",
    "tuple": r"\btuple\b|Sequence",
    "dict": r"\bdict\b|Mapping",
    "None": r"\bNone\b",
    "Path": r"\bPath\b",
    **dict.fromkeys(["array", "array_like", "ndarray", "uint8", "int64", "float32"], ARRAYS),
}
CLASSES = {
    node.name for tree in TREES.values() for node in tree.body if isinstance(node, ast.ClassDef)
}


class Documented(NamedTuple):
    """One line of a docstring's section, and the annotation it belongs to."""

    where: str
    name: str
    text: str
    annotation: str | None


def sections(docstring: str) -> dict[str, str]:
    """Return the text below each heading of a docstring in NumPy's style."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", docstring, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def annotations(node: ast.AST, classes: dict[str, ast.ClassDef]) -> dict[str, str]:
    """Return the annotation of each parameter; of a class its fields', properties' and bases'."""
    if isinstance(node, ast.FunctionDef):
        a = node.args
        every = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
        return {
            each.arg: ast.unparse(each.annotation) for each in every if each and each.annotation
        }
    found = {}
    for base in node.bases:
        name = ast.unparse(base).partition("[")[0].rpartition(".")[2]
        found |= annotations(classes[name], classes) if name in classes else {}
    for part in node.body:
        if isinstance(part, ast.AnnAssign):
            found[part.target.id] = ast.unparse(part.annotation)
        if isinstance(part, ast.FunctionDef):
            if part.name in ("__init__", "__new__"):
                found |= annotations(part, classes)
            elif part.returns:
                found[part.name] = ast.unparse(part.returns)
    for part in ast.walk(node):  # set without an annotation: of which type, mypy knows
        if isinstance(part, (ast.Attribute, ast.Name)) and isinstance(part.ctx, ast.Store):
            found.setdefault(part.attr if isinstance(part, ast.Attribute) else part.id, "")
    return found


def documented(trees: dict[str, ast.Module]) -> Iterator[Documented]:
    """Yield what the docstrings say of parameters, attributes and results."""
    nodes = [(name, node) for name, tree in trees.items() for node in ast.walk(tree)]
    classes = {node.name: node for _, node in nodes if isinstance(node, ast.ClassDef)}
    for name, node in nodes:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        parts, known = sections(ast.get_docstring(node) or ""), annotations(node, classes)
        where = f"{name}: {node.name}"
        for heading in ("Parameters", "Attributes"):
            for match in re.finditer(
                r"^([\w*]+(?:, [\w*]+)*) : (.+)", parts.get(heading, ""), re.M
            ):
                for each in match[1].replace("*", "").split(", "):
                    yield Documented(where, each, match[2], known.get(each))
        returns = getattr(node, "returns", None)
        if "Returns" in parts and returns is not None:
            first = parts["Returns"].strip().splitlines()[0]
            yield Documented(where, "returns", first, ast.unparse(returns))


def named_type(text: str) -> str | None:
    """Return the type that a description begins with; None where it begins with prose."""
    match = re.match(r"(\w+)(?:\[.*?\])?(?= of |,|:| or |$)", text)
    word = match[1] if match else text.partition(" ")[0]
    begins = match or re.match(r"(?:float|integer|uint8|int64|float32) (?:ndarray|array)\b", text)
    return word if begins and (word in MEANINGS or word in CLASSES) else None


def fault(line: Documented) -> str | None:
    if line.annotation is None:
        return f"{line.where} has no {line.name}"
    word = named_type(line.text)
    if (
        word is None
        or not line.annotation
        or re.search(MEANINGS.get(word, rf"\b{word}\b"), line.annotation)
    ):
        return None
    return f"{line.where}: {line.name} is {line.annotation}, not {word}"


def test_docstrings_name_what_is_there_and_its_type():
    lines = list(documented(TREES))
    assert len(lines) > 300
    assert sum(named_type(line.text) is not None for line in lines) > 15
    assert [fault(line) for line in lines if fault(line)] == []


@pytest.mark.parametrize(
    ("text", "annotation", "right"),
    [
        ("int, how many", "int", True),
        ("int", "float", False),
        ("float array of shape (n,)", "Images", True),
        ("uint8 array of shape (n,)", "str", False),
        ("Verdict, over all of them", "Verdict | None", True),
        ("Verdict", "float", False),
        ("the int that is meant", "str", True),
        ("anything", None, False),
    ],
)
def test_the_rule_sees_a_wrong_type(text, annotation, right):
    assert (fault(Documented("here", "it", text, annotation)) is None) == right
