"""What a value holds: fields, hidden ones too, arrays, and the code, closure and globals of
functions of one's own.

What comes with an installed package is told by its address and the version of that package. What
has no content that lasts (a lock, an open file, a random generator) is refused.
"""

from __future__ import annotations

import builtins
import contextlib
import copyreg
import dataclasses
import dis
import functools
import hashlib
import importlib.metadata
import itertools
import os
import random
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wmlearn._checks import first_line

_NO_MEANING = {  # of a class: made anew by Python, or for people and type checkers only
    *("__module__", "__doc__", "__dict__", "__weakref__", "__slotnames__", "_abc_impl"),
    *(
        "__annotations__",
        "__annotations_cache__",
        "__annotate__",
        "__annotate_func__",
        "__type_params__",
    ),
    *("__orig_bases__", "__parameters__", "__firstlineno__", "__static_attributes__"),
}
_TEXTS = {
    bool,
    float,
    complex,
    str,
    bytes,
    type(None),
    type(...),
    type(NotImplemented),
}  # repr is all they are
_PARTS: dict[
    type, tuple[str, ...]
] = {  # what has nothing but these; of code neither its name nor its lines
    types.CodeType: (
        *(
            "co_code",
            "co_consts",
            "co_exceptiontable",
            "co_flags",
            "co_names",
            "co_varnames",
            "co_freevars",
        ),
        *("co_cellvars", "co_argcount", "co_posonlyargcount", "co_kwonlyargcount"),
    ),
    types.MethodType: ("__func__", "__self__"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
    functools.cached_property: ("func",),
    dataclasses.Field: (
        "name",
        "default",
        "default_factory",
        "init",
        "compare",
        "kw_only",
        "metadata",
    ),
}
_PYTHON = f"python {sys.version_info.major}.{sys.version_info.minor}"
_MADE_BY_A_STATEMENT = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_READS_GLOBALS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}


class Node(NamedTuple):
    """What a value is by itself, and what it refers to."""

    kind: str
    text: bytes = b""
    below: list[Any] = []
    ordered: bool = True


class Used(NamedTuple):
    """One's own module, as far as some code uses it."""

    module: types.ModuleType
    names: frozenset[str]


class NoContent(Exception):
    """Something that cannot be told from others of its kind by what it holds."""


def node(value: Any) -> Node:
    """Return what a value is and refers to, by the first rule that knows its kind."""
    kind = type(value)
    if kind is Node:
        return value
    if kind is Used:
        return _used(value)
    if kind is int:
        return Node("int", hex(value).encode())  # repr refuses the very long ones
    if kind in _TEXTS:
        return Node(kind.__name__, repr(value).encode())
    below = _plain_parts(value, kind)
    if below is not None:
        return Node(kind.__name__, b"", below)
    _refuse_what_changes(value, kind)
    known = _address(value)
    if known is not None:
        return Node("address", known.encode())
    rule = next((rule for base, rule in _rules() if isinstance(value, base)), _object)
    return rule(value)


def _plain_parts(value: Any, kind: type) -> list[Any] | None:
    """Return the parts of what has nothing else; None for all other kinds."""
    if kind in (list, tuple):
        return list(value)
    if kind in (
        dict,
        types.MappingProxyType,
    ):  # in their order, which is seen by what goes through them
        return list(itertools.chain.from_iterable(value.items()))
    if kind in _PARTS:
        return [getattr(value, name, None) for name in _PARTS[kind]]
    return None


def _rules() -> Iterator[tuple[type, Callable[[Any], Node]]]:
    """Yield the rules for kinds that may have kinds of their own, torch's only where somebody has
    loaded it.
    """
    yield types.FunctionType, _function
    yield types.ModuleType, _module
    yield type, _class
    yield Enum, _member
    yield set, _set
    yield frozenset, _set
    yield np.ndarray, _array
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        yield torch.Tensor, _tensor
        yield torch.nn.Module, _network


def _refuse_what_changes(value: object, kind: type) -> None:
    """Refuse what is another thing after it was used."""
    dice = [random.Random, np.random.RandomState, np.random.Generator, np.random.BitGenerator]
    if "torch" in sys.modules:
        dice.append(sys.modules["torch"].Generator)
    if isinstance(value, tuple(dice)):
        raise NoContent(f"a random generator, {kind.__name__}, which changes whenever it is used")
    if hasattr(kind, "__next__"):
        raise NoContent(f"a {kind.__name__}, which is used up by reading")
    if kind is object:
        raise NoContent("a bare object(), which is like any other")


def _address(value: Any) -> str | None:
    """Return the address and the version of what an installed package defines by name; None for all
    else.
    """
    if isinstance(value, types.ModuleType):
        module, name = value.__name__, ""
    else:
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if type(module) is not str or type(name) is not str or _origin(module) is None:
        return None
    found = sys.modules.get(module)
    for part in name.split(".") if name else ():
        found = getattr(found, part, None)
    return f"{module}.{name} {_origin(module)}" if found is value else None


@functools.cache
def _origin(module: str) -> str | None:
    """Return which version of what a module comes with; None for one's own, whose code may change
    any time.
    """
    top = module.partition(".")[0]
    if top == "__main__":
        return None
    if top == "wmlearn":
        return f"wmlearn {_version(top)}"
    loaded = [sys.modules[name] for name in (module, top) if name in sys.modules]
    file = next((each.__file__ for each in loaded if getattr(each, "__file__", None)), None)
    if file is None:
        return _PYTHON if top in sys.stdlib_module_names else None
    if {"site-packages", "dist-packages"} & set(
        Path(file).parts
    ):  # what is installed as editable lies elsewhere
        version = _version(top)
        return None if version is None else f"{top} {version}"
    return _PYTHON if Path(file).is_relative_to(sysconfig.get_path("stdlib")) else None


def _version(top: str) -> str | None:
    """Return the version of what installed a module: most have its name, and to look for the others
    is slow.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(top)
    names = importlib.metadata.packages_distributions().get(top)
    return None if names is None else importlib.metadata.version(names[0])


def _member(value: Enum) -> Node:
    return Node("enum", b"", [type(value), value.name, value.value])


def _set(value: Any) -> Node:
    """Return a set, whose order cannot be relied on."""
    kind = Node("set of", b"", [type(value), *_state(value)])
    return Node("set", b"", [*value, kind], ordered=False)


def _array(value: np.ndarray) -> Node:
    if type(value) is not np.ndarray:  # masked, or a class of one's own
        return _object(value)
    about = [value.dtype.str, value.dtype.descr if value.dtype.names else None, value.shape]
    if value.dtype.hasobject:
        return Node("array", b"", [about, value.ravel().tolist()])
    return Node("array", hashlib.sha256(np.ascontiguousarray(value).tobytes()).digest(), [about])


def _tensor(value: Any) -> Node:
    torch = sys.modules["torch"]
    if value.layout is not torch.strided or value.is_quantized:
        raise NoContent("a tensor that is sparse or quantised")
    flat = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    about = [type(value), value.dtype, tuple(value.shape), value.requires_grad]
    return Node(
        "tensor", hashlib.sha256(flat.view(torch.uint8).numpy().tobytes()).digest(), [about]
    )


def _network(value: Any) -> Node:
    """Return a network by all it holds: pickling leaves some of it out, and refuses some networks."""
    held = dict(vars(value))
    for name in held:
        if name.startswith("_") and "_hooks" in name:
            held[name] = list(
                held[name].values()
            )  # their keys count the hooks of the whole process
    return Node("network", b"", [type(value), *_by_name(held)])


def _function(value: types.FunctionType) -> Node:
    """Return one's own function by its code and all that this code can reach."""
    below = [value.__code__, value.__defaults__, value.__kwdefaults__, vars(value)]
    for cell in value.__closure__ or ():
        try:
            below.append(cell.cell_contents)
        except ValueError:  # not filled yet
            below.append(Node("empty cell"))
    return Node("function", value.__qualname__.encode(), [*below, *_by_name(_reached(value))])


def _reached(function: types.FunctionType) -> dict[str, Any]:
    """Return what a function reads from its module or imports, by name."""
    codes = [function.__code__]
    for code in codes:
        codes += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    space = vars(builtins) | function.__globals__
    names = frozenset(name for code in codes for name in code.co_names)
    found = {}
    for step in itertools.chain.from_iterable(map(dis.get_instructions, codes)):
        if step.opname in _READS_GLOBALS:
            found[step.argval] = _as_used(space.get(step.argval, Node("missing")), names)
        if step.opname == "IMPORT_NAME":  # there, or relative to the package; perhaps neither
            for name in {step.argval, f"{space.get('__package__') or ''}.{step.argval}".strip(".")}:
                with contextlib.suppress(ImportError, ValueError):
                    found[f"import {name}"] = _as_used(importlib.import_module(name), names)
    return found


def _as_used(value: object, names: frozenset[str]) -> object:
    """Return a value; of one's own module only what is used of it."""
    return (
        Used(value, names)
        if isinstance(value, types.ModuleType) and _address(value) is None
        else value
    )


def _module(value: types.ModuleType) -> Node:
    return _used(Used(value, frozenset(name for name in vars(value) if not name.startswith("__"))))


def _used(value: Used) -> Node:
    """Return one's own module: its file, for what is looked up by a text, and what is used of it by
    name.
    """
    file, held = getattr(value.module, "__file__", None), vars(value.module)
    text = Path(file).read_bytes() if file and os.path.exists(file) else b""
    used = {name: _as_used(held[name], value.names) for name in value.names & held.keys()}
    return Node("module", text, _by_name(used))


def _class(value: type) -> Node:
    """Return one's own class: its bases, its methods and whatever else it holds."""
    if (
        not value.__flags__ & _MADE_BY_A_STATEMENT
    ):  # the interpreter's, not all of which have an address
        return Node("address", f"{value.__module__}.{value.__qualname__}".encode())
    held = {name: part for name, part in vars(value).items() if name not in _NO_MEANING}
    return Node(
        "class", value.__qualname__.encode(), [type(value), value.__bases__, *_by_name(held)]
    )


def _object(value: Any) -> Node:
    """Return any other object: what it would be pickled as; of one's own classes every field,
    hidden ones too.
    """
    kind = type(value)
    try:
        reduced = copyreg.dispatch_table.get(kind, lambda one: one.__reduce_ex__(4))(value)
    except Exception as error:  # whatever a class says that does not want to be pickled
        raise NoContent(f"a {kind.__name__}: {first_line(error)}") from None
    wrapped = (
        [value.__wrapped__] if hasattr(value, "__wrapped__") else []
    )  # as functools.lru_cache leaves it
    if isinstance(reduced, str):
        if not wrapped and _origin(getattr(value, "__module__", None) or kind.__module__) is None:
            raise NoContent(f"a {kind.__name__} that is known by its name only, {reduced}")
        return Node("named", reduced.encode(), [kind, *wrapped])
    parts = [list(part) if hasattr(part, "__next__") else part for part in reduced]
    if parts[0] is copyreg.__newobj__ and _origin(kind.__module__) is None:
        parts[2:3] = []  # its fields, which follow whole
    return Node("object", b"", [*parts, kind, *wrapped, *_state(value)])


def _state(value: object) -> list[object]:
    """Return the fields of an object of one's own class, by name."""
    if _origin(type(value).__module__) is not None:
        return []
    held = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = [
            name
            for name, part in vars(kind).items()
            if isinstance(part, types.MemberDescriptorType)
        ]
        held |= {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return _by_name(held)


def _by_name(held: dict[str, Any]) -> list[Any]:
    return list(itertools.chain.from_iterable(sorted(held.items(), key=lambda pair: pair[0])))
