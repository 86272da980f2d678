"""How the tests are written: nothing private is read, and words are pinned in one file."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import _sentences
import pytest

TESTS = Path(__file__).resolve().parents[1]
TREES = {
    str(path.relative_to(TESTS)): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(TESTS.rglob("*.py"))
}


def private_reads(tree: ast.AST) -> Iterator[str]:
    """Yield what is read of another object that keeps it to itself.

    What IPython calls (`_repr_html_`) is public by its own word.
    """
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and re.match(r"_[a-z](?!epr_)", node.attr)
            and ast.unparse(node.value) not in ("self", "cls")
        ):
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("name", TREES)
def test_no_test_reads_a_private_attribute(name):
    assert list(private_reads(TREES[name])) == []


@pytest.mark.parametrize(
    ("code", "count"),
    [("lab._chart", 1), ("f(x)._seen.y", 1), ("lab._repr_html_()", 0), ("self._seen", 0)],
)
def test_the_rule_sees_what_is_private(code, count):
    assert len(list(private_reads(ast.parse(code)))) == count


def test_every_module_that_tests_load_by_its_bare_name_has_one_of_its_own():
    """Tests, tools and benchmarks share one search path, where the first file of a name wins."""
    files = [
        path.stem
        for folder in ("tests", "tools", "benchmarks")
        for path in (TESTS.parent / folder).rglob("*.py")
        if path.stem != "conftest"
    ]
    assert [name for name, count in Counter(files).items() if count > 1] == []
    assert sys.stdlib_module_names.isdisjoint(files)


def test_words_are_pinned_in_one_file():
    """Elsewhere a pattern is a word or two, where a property is tried on many values."""
    patterns = [
        node.value.value
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "match"
    ]
    assert all(len(each) < 10 for each in patterns)


def test_no_sentence_is_left_of_a_test_that_is_gone():
    for test in _sentences.read():
        name, _, function = test.partition("::")
        defined = {node.name for node in ast.walk(TREES[name]) if isinstance(node, ast.FunctionDef)}
        assert function.partition("[")[0] in defined, test
