"""Count the files, import arrows and import cycles of a package, and print its wings as a table.

    python tools/structure.py                  # the package of this checkout
    python tools/structure.py ../before        # the package of another one

A wing is a folder directly below the package; a file beside the folders is a wing of its own. An
arrow is an import of one file by another, at its top or inside a function; imports under `if
TYPE_CHECKING:` never run and are not counted. An arrow between wings is counted once, however many
files it joins. A circle is a group of files, or of wings, each of which reaches every other.
`tests/house/test_house.py` sets the limits for these counts.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

NAME = "wmlearn"
ROOT = Path(__file__).resolve().parents[1]
Arrows = dict[str, set[str]]  # what each imports


def modules(package: Path) -> dict[str, Path]:
    """Return the files of a package by name below it: 'cli', 'theft.modify'; 'theft' for the
    folder's own file.
    """
    named = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        named[".".join(parts) or NAME] = path
    return named


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk everything that is executed: all but the code under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield from (other, *statements(other))
            continue
        yield node
        yield from statements(node)


def imported(
    tree: ast.AST, importer: str, known: Iterable[str], *, is_folder: bool = False
) -> set[str]:
    """Return the modules of the package that this one imports, also inside its functions."""
    found = set()
    for node in statements(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _from_where(node, importer, is_folder)
            targets = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        ours = [target for target in targets if target.split(".")[0] == NAME]
        found |= {_resolve(target, known) for target in ours}
    return found


def _from_where(node: ast.ImportFrom, importer: str, is_folder: bool) -> str:
    """Return the absolute name of the module after `from`."""
    if not node.level:
        return node.module or ""
    here = [NAME] if importer == NAME else [NAME, *importer.split(".")]
    folder = here[: len(here) - node.level + is_folder]
    return ".".join([*folder, *(node.module or "").split(".")]).rstrip(".")


def _resolve(target: str, known: Iterable[str]) -> str:
    """Return the module of 'wmlearn.evidence.stats.power': 'evidence.stats'; otherwise the package
    itself.
    """
    name = target.removeprefix(NAME).lstrip(".")
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or NAME


def arrows(package: Path) -> Arrows:
    """Return what each file of a package imports from the package."""
    files = modules(package)
    found = {}
    for name, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found[name] = imported(tree, name, files, is_folder=path.name == "__init__.py") - {name}
    return found


def wing_of(module: str) -> str:
    """Return the wing of a file: 'theft' for 'theft.modify'; the file itself if it is in no
    folder.
    """
    return module.split(".")[0]


def between_wings(found: Mapping[str, set[str]]) -> Arrows:
    """Return which wings each wing imports."""
    wings: Arrows = {}
    for module, targets in found.items():
        here = wing_of(module)
        wings.setdefault(here, set()).update(wing_of(target) for target in targets)
        wings[here].discard(here)
    return wings


def circles(found: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of two or more, each of which reaches every other."""
    reached = {name: _reached(name, found) for name in found}
    groups = {
        frozenset(other for other in reached[name] if name in reached[other]) for name in found
    }
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reached(start: str, found: Mapping[str, set[str]]) -> set[str]:
    """Return everything that is imported by a file, and by what it imports, and so on."""
    reached: set[str] = set()
    left = [start]
    while left:
        for target in found.get(left.pop(), set()) - reached:
            reached.add(target)
            left.append(target)
    return reached


def main(root: Path) -> None:
    """Print the table of a checkout's package, and the totals."""
    found = arrows(root / NAME)
    wings = between_wings(found)
    for wing, targets in sorted(wings.items(), key=lambda each: len(_reached(each[0], wings))):
        files = sum(wing_of(module) == wing for module in found)
        print(f"{wing:<12} {files:>3} files   imports {', '.join(sorted(targets)) or 'nothing'}")
    several = [wing for wing in wings if sum(wing_of(module) == wing for module in found) > 1]
    print(
        f"{len(found)} files, {sum(map(len, found.values()))} arrows, {len(circles(found))} "
        "circles of files"
    )
    print(
        f"{len(wings)} rooms ({len(several)} wings, {len(wings) - len(several)} files beside "
        "them), "
        f"{sum(map(len, wings.values()))} arrows, {len(circles(wings))} circles of rooms"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
