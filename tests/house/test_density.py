"""How densely the package is written, whatever its layout: one thought a statement, and thin."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import wmlearn as wm

PACKAGE = Path(wm.__file__).parent
TEXTS = {
    str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
}

# The best-written packages of the field have 9 to 11 tokens a statement.
TOKENS_PER_STATEMENT, IN_ANY_FILE = 10.7, 13.0
COMPREHENSIONS, CONDITIONALS = 25, 20  # in 10,000 tokens
BUDGET = 138_200  # tokens, for everything below `wmlearn/`; raised by what an issue needs
FEW = 10  # statements: a shorter file says nothing about how it is written

LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
COMPREHENSION = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Density:
    """What was counted in a text."""

    tokens: int = 0
    statements: int = 0
    comprehensions: int = 0
    conditionals: int = 0

    def __add__(self, other: Density) -> Density:
        return Density(*map(sum, zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def mean(self) -> float:
        return self.tokens / self.statements


def is_docstring(node: ast.AST) -> bool:
    constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return constant and isinstance(node.value.value, str)


def words(text: str) -> Iterator[tokenize.TokenInfo]:
    """Yield the tokens of a text; an f-string is one, as it was before Python 3.12."""
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name == "FSTRING_START":
            depth += 1
        if depth == 0 or (depth == 1 and name == "FSTRING_START"):
            yield token
        if name == "FSTRING_END":
            depth -= 1


def density(text: str) -> Density:
    """Count: a statement is a logical line; docstrings, comments and layout do not count."""
    nodes = list(ast.walk(ast.parse(text)))
    prose = set()
    for node in filter(is_docstring, nodes):
        prose.update(range(node.lineno, node.end_lineno + 1))
    kept = [each for each in words(text) if each.type not in LAYOUT and each.start[0] not in prose]
    statements = sum(each.type == tokenize.NEWLINE for each in kept)
    comprehensions = sum(isinstance(node, COMPREHENSION) for node in nodes)
    conditionals = sum(isinstance(node, ast.IfExp) for node in nodes)
    return Density(len(kept) - statements, statements, comprehensions, conditionals)


WHOLE = sum(map(density, TEXTS.values()), Density())


def test_layout_does_not_count():
    assert density("x = 1  # one\n") == Density(3, 1)
    assert density('"""A module."""\n\nx = (\n    1\n)\ny = f"{x} and {x:{x}}"\n') == Density(8, 2)
    assert density("y = [a if a else b for a in c]\n") == Density(13, 1, 1, 1)


def test_one_thought_a_statement():
    assert WHOLE.mean <= TOKENS_PER_STATEMENT, WHOLE
    assert WHOLE.comprehensions <= COMPREHENSIONS * WHOLE.tokens / 10_000, WHOLE
    assert WHOLE.conditionals <= CONDITIONALS * WHOLE.tokens / 10_000, WHOLE


@pytest.mark.parametrize("name", TEXTS)
def test_no_file_is_packed(name):
    counted = density(TEXTS[name])
    assert counted.statements < FEW or counted.mean <= IN_ANY_FILE, counted


def test_the_package_stays_thin():
    """One budget for everything below `wmlearn/`, labs and course included."""
    assert WHOLE.tokens <= BUDGET, {name: density(text).tokens for name, text in TEXTS.items()}


# ---------------------------------------------------------------- thoughts that must stand apart


def nested(node: ast.AST) -> bool:
    """Whether a choice stands within a choice."""
    return isinstance(node, ast.IfExp) and any(
        isinstance(each, ast.IfExp) for each in (node.body, node.test, node.orelse)
    )


def unpacked(node: ast.AST) -> bool:
    """Whether a generator fills several names."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.GeneratorExp)
    )


def steered(node: ast.AST) -> bool:
    """Whether `and` or `or` stands where an `if` belongs."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.BoolOp)


@pytest.mark.parametrize("rule", [nested, unpacked, steered])
def test_thoughts_stand_apart(rule):
    found = [
        f"{name}:{node.lineno}"
        for name, text in TEXTS.items()
        for node in ast.walk(ast.parse(text))
        if rule(node)
    ]
    assert not found


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (nested, "x = 1 if a else 2 if b else 3"),
        (unpacked, "x, y = (a.part for a in pair)"),
        (steered, "a and b()"),
    ],
)
def test_the_rules_see_what_they_forbid(rule, code):
    assert any(map(rule, ast.walk(ast.parse(code))))
