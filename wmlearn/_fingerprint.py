"""The fingerprint of a value: a SHA-256 of its content, whatever its name and however it prints.

Measurements are cached under fingerprints, so two values may share one only if their contents are
equal. A value whose content does not identify it (a lock, an open file, a random generator) is
refused. A function or class of an installed package is identified by its address and the version
of that package; your own are identified by their code and everything that the code reaches.
"""

import builtins
import copyreg
import dis
import functools
import hashlib
import importlib.metadata
import itertools
import pkgutil
import random
import sys
import sysconfig
import types
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wmlearn._checks import first_line

_PLAIN = {bool, int, float, complex, str, bytes, type(None)}  # repr is their whole content
_BY_VALUE = {*_PLAIN, tuple}  # Python may keep equal ones as one object, or not
_PARTS: dict[type, tuple[str, ...]] = {  # these attributes are the whole content
    types.MethodType: ("__func__", "__self__"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
    functools.cached_property: ("func",),
    types.CodeType: (  # without its name and line numbers
        "co_code",
        "co_consts",
        "co_exceptiontable",  # from Python 3.11
        "co_flags",
        "co_names",
        "co_varnames",
        "co_freevars",
        "co_cellvars",
        "co_argcount",
        "co_posonlyargcount",
        "co_kwonlyargcount",
    ),
}
_OF_PYTHON = {  # entries that Python adds to classes and modules, some at the first use
    "__doc__",
    "__dict__",
    "__weakref__",
    "__slotnames__",
    "_abc_impl",
    "__annotations_cache__",
    "__firstlineno__",
    "__static_attributes__",
    "__builtins__",
    "__cached__",
    "__file__",
    "__loader__",
    "__path__",
    "__spec__",
    "__warningregistry__",
}
_MADE_BY_A_STATEMENT = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_GENERATORS = (
    random.Random,
    np.random.RandomState,
    np.random.Generator,
    np.random.BitGenerator,
    torch.Generator,
)
_PYTHON = f"python {sys.version_info.major}.{sys.version_info.minor}"


class NoContent(Exception):
    """A value whose content does not identify it."""


def fingerprint(value: object, name: str = "value") -> str:
    """Return the SHA-256 of a value's content, 64 hexadecimal digits.

    Parameters
    ----------
    value : a number, text, array, tensor, network, function or object of your own, or a container
        of these
    name : the name of the value in the error

    Raises
    ------
    TypeError
        If a part of the value has no content to compare, such as a lock or a random generator.

    Examples
    --------
    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
    False
    >>> len({fingerprint(one) for one in (1, True, 1.0, "1", b"1", [1], (1,))})
    7
    """
    found = hashlib.sha256()
    queue: list[tuple[Any, str]] = [(value, type(value).__name__)]
    places: dict[int, int] = {}  # by id: the queue keeps its values alive, so no id is reused
    for place, (here, way) in enumerate(queue):  # the queue grows during the loop
        first = places.setdefault(id(here), place)
        text = f"again {first}"
        parts: list[Any] = []
        if first == place or type(here) in _BY_VALUE:
            try:
                text, parts = _content(here)
            except NoContent as reason:
                raise TypeError(
                    f"{name} must be made of what cache= can recognize (numbers, texts, arrays, "
                    f"functions, objects of these); got {reason} ({way}). Leave cache= out, or "
                    "keep that out of it."
                ) from None
        found.update(f"{len(text)} {len(parts)} {text}".encode())
        for label, part in zip([None, *parts], parts):
            named = isinstance(label, str) and label.isidentifier()
            queue.append((part, f"{way}.{label}" if named else way))
    return found.hexdigest()


def _content(value: object) -> tuple[str, list[Any]]:
    """Return a text that is the whole content of a value, or a note and the value's parts."""
    kind = type(value)
    if kind in _PLAIN:
        return f"{kind.__name__} {value!r}", []
    try:
        address = _address(value, getattr(value, "__qualname__", ""))
        if address:
            return address, []
        return "made of", [kind, *_parts(value)]
    except NoContent:
        raise
    except Exception as error:  # a class may refuse inspection with any error
        raise NoContent(f"a {kind.__name__}: {first_line(error)}") from None


def _parts(value: Any) -> Iterable[Any]:
    """Return the parts of a value besides its class, by the first rule that applies."""
    kind = type(value)
    if kind in (list, tuple):
        return list(value)
    if kind in (dict, types.MappingProxyType):  # in order, as a loop over them depends on it
        return itertools.chain.from_iterable(value.items())
    if kind in (set, frozenset):
        return sorted(value, key=repr)
    if kind in _PARTS:
        return [getattr(value, name, None) for name in _PARTS[kind]]
    if kind is np.ndarray and not value.dtype.hasobject:
        return [value.dtype.descr, value.shape, hashlib.sha256(value.tobytes()).hexdigest()]
    if isinstance(value, torch.Tensor):
        return [value.requires_grad, vars(value), value.numpy(force=True)]
    if kind is types.FunctionType:
        return _function(value)
    if isinstance(value, (type, types.ModuleType)):
        held = {name: part for name, part in vars(value).items() if name not in _OF_PYTHON}
        return [value.__name__, getattr(value, "__bases__", None), held]
    return _object(value)


def _function(value: types.FunctionType) -> list[Any]:
    """Return the parts of a user's function: its code, its defaults, and what it reads by name."""
    codes = [value.__code__]
    for code in codes:  # the list grows by the code of inner functions
        codes += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    space = vars(builtins) | value.__globals__
    read = {}
    for step in itertools.chain.from_iterable(map(dis.get_instructions, codes)):
        if step.opname == "IMPORT_NAME":
            raise NoContent(f"a function that imports {step.argval or 'something'} when called")
        of_an_object = step.opname.endswith(("_ATTR", "_METHOD"))
        if step.opcode in dis.hasname and step.argval in space and not of_an_object:
            read[step.argval] = space[step.argval]
    closure = [cell.cell_contents for cell in value.__closure__ or ()]
    given = [value.__defaults__, value.__kwdefaults__, vars(value), closure]
    return [value.__qualname__, value.__code__, *given, read]


def _object(value: Any) -> list[Any]:
    """Return the parts of any other object as pickled, plus all fields for a user's own class."""
    kind = type(value)
    if isinstance(value, _GENERATORS):
        raise NoContent(f"a random generator, {kind.__name__}, which changes with every use")
    if hasattr(kind, "__next__"):
        raise NoContent(f"a {kind.__name__}, which is used up by reading")
    if kind is object:
        raise NoContent("a bare object(), which has no content")
    reduce = copyreg.dispatch_table.get(kind)
    reduced: Any = reduce(value) if reduce else value.__reduce_ex__(4)
    if isinstance(reduced, str):
        address = _address(value, reduced)
        if not address:
            raise NoContent(f"a {kind.__name__} that is known only by its name, {reduced}")
        return [address]
    parts = []
    for part in reduced:
        if hasattr(part, "__next__"):  # an iterator over the items of a list or dict
            part = list(part)
        parts.append(part)
    if origin(kind.__module__) is None:
        parts.append(_fields(value))
    return parts


def _fields(value: object) -> dict[str, Any]:
    """Return all fields of an object by name; pickling may leave some out."""
    fields = dict(getattr(value, "__dict__", {}))
    for name in dir(type(value)):
        if isinstance(getattr(type(value), name, None), types.MemberDescriptorType):  # a slot
            fields[name] = getattr(value, name, None)
    return fields


def _address(value: Any, name: str) -> str:
    """Return address and version of what an installed package defines; otherwise an empty text."""
    module = getattr(value, "__module__", None) or type(value).__module__
    if isinstance(value, types.ModuleType):
        module = value.__name__
    version = origin(module)
    if version and isinstance(value, type) and not value.__flags__ & _MADE_BY_A_STATEMENT:
        return f"{module}:{name} {version}"  # built-in; some cannot be imported
    with suppress(ImportError, AttributeError, ValueError):
        if version and pkgutil.resolve_name(f"{module}:{name}") is value:
            return f"{module}:{name} {version}"
    return ""


@functools.cache
def origin(module: str) -> str | None:
    """Return the version a module was installed with; None for your own, whose code may change."""
    top = module.partition(".")[0]
    if top == "__main__":
        return None
    file = getattr(sys.modules.get(top), "__file__", None)
    folders = Path(file or "").parts
    if top == "wmlearn" or "site-packages" in folders or "dist-packages" in folders:
        return _version(top)  # wmlearn may be an editable install, outside site-packages
    known = top in sys.stdlib_module_names
    if known and (file is None or Path(file).is_relative_to(sysconfig.get_path("stdlib"))):
        return _PYTHON
    return None


def _version(top: str) -> str | None:
    """Return the version of the distribution that installed a module.

    Most distributions have the module's own name, which is tried first: the full search is slow.
    """
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(top)
    for name in importlib.metadata.packages_distributions().get(top, []):
        return f"{name} {importlib.metadata.version(name)}"
    return None
