"""Fingerprints: two values share one only if they hold the same, whichever process makes them."""

import collections
import dataclasses
import enum
import functools
import importlib.metadata
import io
import os
import pathlib
import pickle
import random
import socket
import subprocess
import sys
import threading
import types
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn
from torch.nn.utils import parametrizations

import wmlearn as wm
from wmlearn import _content
from wmlearn._fingerprint import fingerprint

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.complex_numbers()
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=10,
)


def spelt(value):
    """Return a text that is the same for two such values only if they are: the oracle, slow and
    plain.
    """
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({','.join(map(spelt, value))})"
    if isinstance(value, dict):
        return f"dict({','.join(f'{spelt(name)}:{spelt(part)}' for name, part in value.items())})"
    return f"{type(value).__name__}<{value!r}>"


def cell(source, **names):
    """Run a cell of a notebook, and return what it defines."""
    space = {"__name__": "__main__", "wm": wm, "np": np, **names}
    exec(source, space)
    return types.SimpleNamespace(**space)


# ---------------------------------------------------------------- values


@given(VALUES, VALUES)
def test_plain_values_share_a_fingerprint_only_if_they_are_the_same(one, other):
    assert (fingerprint(one) == fingerprint(other)) == (spelt(one) == spelt(other))


@given(VALUES)
def test_it_does_not_matter_which_parts_are_one_object(value):
    assert fingerprint([value, value]) == fingerprint([value, pickle.loads(pickle.dumps(value))])


def test_kinds_are_not_confused():
    alike = [
        *(
            1,
            True,
            1.0,
            1 + 0j,
            "1",
            b"1",
            np.int64(1),
            np.int32(1),
            np.float64(1),
            np.bool_(True),
            np.array(1),
        ),
        *(
            [1],
            (1,),
            {1},
            frozenset({1}),
            {1: 1},
            [[1]],
            np.array([1]),
            torch.tensor(1),
            torch.tensor([1]),
        ),
        *(
            None,
            "None",
            ...,
            NotImplemented,
            [],
            (),
            {},
            set(),
            "",
            b"",
            0,
            False,
            0.0,
            -0.0,
            float("nan"),
            [None],
        ),
        *(
            range(1),
            slice(1),
            pathlib.PurePosixPath("1"),
            bytearray(b"1"),
            int,
            float,
            collections.OrderedDict({1: 1}),
        ),
        *(
            collections.defaultdict(list, {1: 1}),
            collections.defaultdict(set, {1: 1}),
            types.MappingProxyType({1: 1}),
        ),
    ]
    assert len({fingerprint(value) for value in alike}) == len(alike)


@given(
    arrays.arrays(
        st.sampled_from(["u1", "i8", "f4", "f8", "?"]), arrays.array_shapes(max_dims=3, max_side=3)
    )
)
def test_arrays_count_by_kind_shape_and_numbers_not_by_their_place_in_memory(array):
    assert fingerprint(np.asfortranarray(array)) == fingerprint(array.copy())
    assert fingerprint(array[..., None]) != fingerprint(array)
    assert fingerprint(array.view(f"V{array.itemsize}")) != fingerprint(array)
    assert fingerprint(torch.from_numpy(array.copy())) != fingerprint(array)
    changed = array.copy()
    changed.flat[-1] = changed.flat[-1] != 1
    assert (fingerprint(changed) == fingerprint(array)) == (changed.tobytes() == array.tobytes())


def test_sets_have_no_order_and_dicts_have_one():
    """What goes through a dict sees its order."""
    words = [f"word {place}" for place in range(50)]
    one, other = set(words), set()
    for word in reversed(words):
        other.add(word)
    assert list(one) != list(other)
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(dict.fromkeys("ab")) != fingerprint(dict.fromkeys("ba"))


def test_the_order_in_which_fields_were_set_does_not_matter():
    class Own:
        pass

    one, other = Own(), Own()
    one.a, one.b = 1, 2
    other.b, other.a = 2, 1
    assert fingerprint(one) == fingerprint(other)


def test_circles_end_and_differ_by_what_they_hold():
    def ring(size, last=0):
        first = rest = []
        for _ in range(size - 1):
            rest.append([])
            rest = rest[0]
        rest += [first] if last == 0 else [first, last]
        return first

    assert fingerprint(ring(1)) == fingerprint(ring(1))
    assert fingerprint(ring(3)) == fingerprint(
        ring(1)
    )  # whoever walks them sees the same, for ever
    assert fingerprint(ring(3, last=1)) != fingerprint(ring(3))
    assert fingerprint(ring(3, last=1)) != fingerprint(ring(4, last=1))
    assert fingerprint(ring(3, last=1)) != fingerprint(ring(3, last=2))


def test_a_long_chain_is_no_deep_recursion():
    chain = []
    for _ in range(300):
        chain = [chain]
    assert fingerprint(chain) != fingerprint([chain])


def test_a_fingerprint_is_the_same_in_another_process(tmp_path):
    """Hashes of texts, addresses in memory and the order of sets differ there."""
    (tmp_path / "own.py").write_text(
        "import dataclasses, numpy as np, wmlearn as wm\n"
        "from wmlearn._fingerprint import fingerprint\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Own:\n"
        "    words: frozenset = frozenset('abcdefghij')\n"
        "    def read(self): return [word for word in {'x', 'y', 'z'} if word in self.words]\n"
        "print(fingerprint([Own(), Own.read, lambda x: helper(x), {'a', 'b'}, wm.Content, "
        "np.arange(3)]))\n"
        "def helper(x): return x\n"
    )
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(wm.__file__).parents[1])}
    command = [sys.executable, str(tmp_path / "own.py")]
    replies = {
        subprocess.run(
            command,
            env=environment | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(replies) == 1


# ---------------------------------------------------------------- functions

DEFINE = {
    "a constant": ("f = lambda x: x + 1", "f = lambda x: x + 2"),
    "a step": ("f = lambda x: x + 1", "f = lambda x: x - 1"),
    "a name": ("f = lambda x: x.real", "f = lambda x: x.imag"),
    "a default": ("def f(x=1): return x", "def f(x=2): return x"),
    "a default by name": ("def f(*, x=1): return x", "def f(*, x=2): return x"),
    "a closure": ("f = (lambda y: lambda x: x + y)(1)", "f = (lambda y: lambda x: x + y)(2)"),
    "a function within": ("def f(x):\n g = lambda: 1\n return g", "def f(x):\n g = lambda: 2\n return g"),
    "a generator within": ("f = lambda x: [y + 1 for y in x]", "f = lambda x: [y + 2 for y in x]"),
    "a set of constants": ("f = lambda x: x in {1, 2}", "f = lambda x: x in {1, 3}"),
    "a global": ("y = 1\nf = lambda x: x + y", "y = 2\nf = lambda x: x + y"),
    "a global of a function within": ("y = 1\nf = lambda: lambda: y", "y = 2\nf = lambda: lambda: y"),
    "a function it calls": ("g = lambda: 1\nf = lambda: g()", "g = lambda: 2\nf = lambda: g()"),
    "two calls away": (
        "h = lambda: 1\ng = lambda: h()\nf = lambda: g()",
        "h = lambda: 2\ng = lambda: h()\nf = lambda: g()",
    ),
    "a global array": ("y = np.zeros(3)\nf = lambda: y", "y = np.ones(3)\nf = lambda: y"),
    "a global that was not there": ("f = lambda: y", "y = None\nf = lambda: y"),
    "a builtin that is replaced": ("f = lambda x: len(x)", "len = lambda x: 3\nf = lambda x: len(x)"),
    "a function of a package": ("f = np.add", "f = np.subtract"),
    "a partial": (
        "from functools import partial\nf = partial(int, base=2)",
        "from functools import partial\nf = partial(int, base=3)",
    ),
    "what is partial": (
        "from functools import partial\nf = partial(int)",
        "from functools import partial\nf = partial(float)",
    ),
    "an attribute": ("def f(): pass\nf.x = 1", "def f(): pass\nf.x = 2"),
    "what is cached": (
        "import functools\n@functools.lru_cache\ndef f(x): return x + 1",
        "import functools\n@functools.lru_cache\ndef f(x): return x + 2",
    ),
    "what is wrapped": (
        "import functools\ng = lambda: 1\nf = functools.wraps(g)(lambda: g())",
        "import functools\ng = lambda: 2\nf = functools.wraps(g)(lambda: g())",
    ),
    "a method": ("f = [1].count", "f = [2].count"),
    "whose method": ("f = [1].count", "f = [1].index"),
    "handling an error": (
        "def f():\n try: return 1\n except ValueError: return 2",
        "def f():\n try: return 1\n except TypeError: return 2",
    ),
    # ------------------------------------------------------------ classes and objects
    "a method of a class": (
        "class C:\n def f(self): return 1\nf = C()",
        "class C:\n def f(self): return 2\nf = C()",
    ),
    "a method of its base": (
        "class B:\n def f(self): return 1\nclass C(B): pass\nf = C()",
        "class B:\n def f(self): return 2\nclass C(B): pass\nf = C()",
    ),
    "an attribute of a class": ("class C: x = 1\nf = C()", "class C: x = 2\nf = C()"),
    "a property": (
        "class C:\n @property\n def x(self): return 1\nf = C()",
        "class C:\n @property\n def x(self): return 2\nf = C()",
    ),
    "a static method": (
        "class C:\n @staticmethod\n def x(): return 1\nf = C()",
        "class C:\n @staticmethod\n def x(): return 2\nf = C()",
    ),
    "a class method": (
        "class C:\n @classmethod\n def x(cls): return 1\nf = C.x",
        "class C:\n @classmethod\n def x(cls): return 2\nf = C.x",
    ),
    "a cached property": (
        "import functools\nclass C:\n @functools.cached_property\n def x(self): return 1\nf = C()",
        "import functools\nclass C:\n @functools.cached_property\n def x(self): return 2\nf = C()",
    ),
    "the class itself": ("class C:\n x = 1\nf = C", "class C:\n x = 2\nf = C"),
    "a class without content": ("class C: pass\nclass D: pass\nf = C", "class C: pass\nclass D: pass\nf = D"),
    "a field": ("class C: pass\nf = C()\nf.x = 1", "class C: pass\nf = C()\nf.x = 2"),
    "a hidden field": ("class C: pass\nf = C()\nf._x = 1", "class C: pass\nf = C()\nf._x = 2"),
    "a slot": ("class C: __slots__ = 'x'\nf = C()\nf.x = 1", "class C: __slots__ = 'x'\nf = C()\nf.x = 2"),
    "a private slot": (
        "class C:\n __slots__ = ['__x']\n def __init__(self): self.__x = 1\nf = C()",
        "class C:\n __slots__ = ['__x']\n def __init__(self): self.__x = 2\nf = C()",
    ),
    "a field that is not pickled": (
        "class C:\n def __getstate__(self): return {}\nf = C()\nf.x = 1",
        "class C:\n def __getstate__(self): return {}\nf = C()\nf.x = 2",
    ),
    "a field of a list": ("class C(list): pass\nf = C()\nf.x = 1", "class C(list): pass\nf = C()\nf.x = 2"),
    "an item of a list of one's own": ("class C(list): pass\nf = C([1])", "class C(list): pass\nf = C([2])"),
    "a dict of one's own": ("class C(dict): pass\nf = C(a=1)", "class C(dict): pass\nf = C(a=2)"),
    "a number of one's own": ("class C(int): pass\nf = C(1)", "class C(int): pass\nf = C(2)"),
    "a set of one's own": ("class C(set): pass\nf = C([1])", "class C(set): pass\nf = C([2])"),
    "a named tuple": (
        "from collections import namedtuple\nf = namedtuple('C', 'x')(1)",
        "from collections import namedtuple\nf = namedtuple('C', 'y')(1)",
    ),
    "a member of an enum": (
        "import enum\nclass E(enum.Enum):\n A = 1\n B = 2\nf = E.A",
        "import enum\nclass E(enum.Enum):\n A = 1\n B = 2\nf = E.B",
    ),
    "the value of a member": (
        "import enum\nclass E(enum.Enum): A = 1\nf = E.A",
        "import enum\nclass E(enum.Enum): A = 2\nf = E.A",
    ),
    "a default of a dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n x: int = 1\nf = C",
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n x: int = 2\nf = C",
    ),
    "a factory of a dataclass": (
        ("from dataclasses import *\n@dataclass\nclass C:\n x: list = "
        "field(default_factory=list)\nf = C"),
        ("from dataclasses import *\n@dataclass\nclass C:\n x: list = field(default_factory=set)\nf "
        "= C"),
    ),
    "a metaclass": (
        "class M(type):\n def x(cls): return 1\nclass C(metaclass=M): pass\nf = C",
        "class M(type):\n def x(cls): return 2\nclass C(metaclass=M): pass\nf = C",
    ),
    "a method that is replaced": (
        "class C:\n def x(self): return 1\nf = C()",
        "class C:\n def x(self): return 1\nf = C()\nC.x = lambda self: 2",
    ),
    "a function made a method": (
        "import types\nclass C: pass\nf = types.MethodType(lambda self: 1, C())",
        "import types\nclass C: pass\nf = types.MethodType(lambda self: 2, C())",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DEFINE)
def test_another_content_is_another_fingerprint_and_the_same_is_the_same(what):
    one, other = DEFINE[what]
    assert fingerprint(cell(one).f) == fingerprint(cell(one).f)
    assert fingerprint(cell(one).f) != fingerprint(cell(other).f)


@pytest.mark.parametrize(
    "other",
    [
        (
            "def f(x):\n\n    # moved, and with a comment\n    return helper(x) + 1\ndef helper(y): "
            "return y"
        ),
        "unused = 3\ndef helper(y): return y\ndef f(x): return helper(x) + 1",
        "def helper(y: int) -> int: return y\ndef f(x: int) -> int: return helper(x) + 1",
    ],
)
def test_lines_comments_annotations_and_what_is_not_used_do_not_count(other):
    one = "def helper(y): return y\ndef f(x): return helper(x) + 1"
    assert fingerprint(cell(one).f) == fingerprint(cell(other).f)


def test_functions_that_call_each_other_are_known_from_wherever_one_begins():
    source = "def f(n): return g(n - 1) if n else {}\ndef g(n): return f(n - 1) if n else {}"
    one, other = cell(source.format(1, 2)), cell(source.format(1, 3))
    assert fingerprint(one.f) != fingerprint(other.f)
    assert fingerprint(one.g) != fingerprint(other.g)
    assert fingerprint(one.f) == fingerprint(cell(source.format(1, 2)).f)


def test_many_functions_that_all_call_each_other_take_no_time():
    """To walk every way through them would."""
    names = [f"f{place}" for place in range(40)]
    calls = " + ".join(f"{name}()" for name in names)
    assert fingerprint(cell("\n".join(f"def {name}(): return {calls}" for name in names)).f0)


def test_two_functions_of_one_code_are_told_apart_by_what_they_reach():
    one, other = (cell(f"def inner(): return {n}\ndef f(): return inner()").f for n in (1, 2))
    assert (
        len(
            {fingerprint(pair) for pair in ([one, other], [other, one], [one, one], [other, other])}
        )
        == 4
    )


def test_ones_own_module_counts_as_far_as_it_is_used(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def seen(theirs, ours, how):
        (tmp_path / "deeper.py").write_text(f"def deep(): return {theirs}\n")
        (tmp_path / "own_tools.py").write_text(
            f"import deeper\ndef used(): return deeper.deep()\nx = {ours}\n"
        )
        for name in ("own_tools", "deeper"):
            sys.modules.pop(name, None)
        _content._origin.cache_clear()
        return fingerprint(cell(how).f)

    for how in (
        "import own_tools\ndef f(): return own_tools.used()",
        "from own_tools import used\ndef f(): return used()",
        "def f():\n import own_tools\n return own_tools.used()",
        "def f():\n from own_tools import used\n return used()",
        "import own_tools\nf = own_tools",
    ):
        assert seen(1, 1, how) == seen(1, 1, how)
        assert seen(1, 1, how) != seen(2, 1, how), how
    for name in ("own_tools", "deeper"):
        sys.modules.pop(name, None)


def test_what_a_package_defines_counts_by_its_version(monkeypatch):
    wrapped = functools.partial(wm.small_cnn, width=3)
    before = [
        fingerprint(value) for value in (wm.small_cnn, wm.theft.Prune(0.5), wrapped, wm.theft.Prune)
    ]
    assert len(set(before)) == 4
    numpy_before, version = fingerprint(np.add), importlib.metadata.version
    monkeypatch.setattr(
        "importlib.metadata.version", lambda name: "99.0" if name == "wmlearn" else version(name)
    )
    _content._origin.cache_clear()
    after = [
        fingerprint(value) for value in (wm.small_cnn, wm.theft.Prune(0.5), wrapped, wm.theft.Prune)
    ]
    assert not set(before) & set(after)
    assert fingerprint(np.add) == numpy_before
    monkeypatch.undo()
    _content._origin.cache_clear()
    assert fingerprint(wm.small_cnn) == before[0]


def test_a_file_of_ones_own_with_the_name_of_a_library_is_ones_own(tmp_path):
    (tmp_path / "queue.py").write_text("def f(): return 1\n")
    code = "import queue\nfrom wmlearn._fingerprint import fingerprint\nprint(fingerprint(queue.f))"
    (tmp_path / "run.py").write_text(code)
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(wm.__file__).parents[1])}

    def run():
        command = [sys.executable, "-B", str(tmp_path / "run.py")]
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout

    first = run()
    (tmp_path / "queue.py").write_text("def f(): return 2\n")
    assert run() != first


# ---------------------------------------------------------- tensors, networks, objects of libraries


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))


def test_networks_count_by_their_weights_and_settings(mnist):
    with torch.random.fork_rng():
        plain, dropped, frozen, other = network(), network(), network(), network(1)
        dropped[1].p = 0.6
        frozen[0].weight.requires_grad_(False)
        normed, also = (parametrizations.weight_norm(network()[0]) for _ in range(2))
        hooked = network()
        hooked.register_forward_hook(lambda *_: None)
        learning = network().eval()
        assert fingerprint(network()) == fingerprint(plain)
    assert fingerprint(normed) == fingerprint(also)
    seen = [
        plain,
        dropped,
        frozen,
        other,
        normed,
        hooked,
        learning,
        wm.small_cnn(mnist),
        wm.small_cnn(mnist, width=2),
    ]
    assert len({fingerprint(value) for value in seen}) == len(seen)


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.complex64, torch.bool, torch.int8]
)
def test_tensors_of_any_kind(dtype):
    zeros, ones = torch.zeros(2, 3, dtype=dtype), torch.ones(2, 3, dtype=dtype)
    assert fingerprint(zeros) == fingerprint(zeros.clone())
    assert (
        len(
            {fingerprint(each) for each in (zeros, ones, zeros.T, zeros[0], zeros[0, 0], zeros[:0])}
        )
        == 6
    )


def test_a_transform_of_a_library_counts_by_its_settings():
    from torchvision.transforms import v2

    crops = [v2.RandomCrop(28, padding=padding) for padding in (2, 2, 3)]
    assert fingerprint(crops[0]) == fingerprint(crops[1]) != fingerprint(crops[2])


def test_a_theft_counts_by_its_fields(mnist):
    pool = mnist.loot.take(slice(300))
    black = wm.data.Split(np.zeros_like(pool.pixels), pool.labels)
    assert repr(wm.theft.StealByQueries(300, pool=pool)) == repr(
        wm.theft.StealByQueries(300, pool=black)
    )
    seen = [
        *(wm.theft.StealByQueries(300, pool=each) for each in (pool, black, "loot", "unrelated")),
        wm.theft.StealByQueries(300, pool=wm.data.Split(pool.pixels, (pool.labels + 1) % 10)),
        wm.theft.StealByQueries(300, pool=pool.varied(lambda image: image)),
        wm.theft.StealByQueries(300, pool=pool.varied(lambda image: image.flip(0))),
        wm.theft.StealByQueries(300, pool=pool, schedule=wm.Schedule(epochs=2)),
        *(
            wm.theft.Prune(1),
            wm.theft.Prune(1.0),
            wm.theft.Prune(1, by="channel"),
            wm.theft.Blur(1),
        ),
        *(wm.theft.Overwrite(wm.Noise()(mnist, n=5, key=bytes([key]) * 32)) for key in (1, 2)),
    ]
    assert len({fingerprint(each) for each in seen}) == len(seen)
    assert fingerprint(seen[0]) == fingerprint(dataclasses.replace(seen[0]))


# ---------------------------------------------------------------- what has no content


class Own:
    """An object of one's own, with something in it."""

    def __init__(self, held):
        self.held = held


def generator():
    yield 1


HAVE_NONE = {
    "lock": threading.Lock,
    "generator": generator,
    "StringIO": io.StringIO,
    "socket's file": lambda: socket.socket().makefile(),
    "iterator": lambda: iter([1]),
    "RandomState": lambda: np.random.RandomState(0),
    "random generator, Generator": lambda: np.random.default_rng(0),
    "PCG64": lambda: np.random.PCG64(0),
    "Random": lambda: random.Random(0),
    "torch's Generator": torch.Generator,
    "object()": object,
    "socket": socket.socket,
    "ReferenceType": lambda: weakref.ref(Own(1)),
    "BlackBox": lambda: wm.BlackBox(nn.Flatten()),
    "holds a secret": lambda: wm.Noise()(wm.load_data("mnist"), n=5, key=bytes(32)),
    "a module": lambda: memoryview(b"1"),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", HAVE_NONE)
def test_what_has_no_content_is_refused_in_one_sentence(says, kind):
    thing = HAVE_NONE[kind]()
    holder = {
        "a method": [Own(thing)],
        "closure": lambda: thing,
        "partial": functools.partial(len, thing),
    }
    for held in (thing, Own(thing), [thing], {"x": thing}, *holder.values()):
        with says(TypeError):
            fingerprint(held, "theft")


def test_the_error_says_where_it_is(says):
    with says(TypeError):
        fingerprint(Own({"deeper": threading.Lock()}))


def test_a_log_is_known_by_its_name():
    source = "import logging\nlog = logging.getLogger({!r})\ndef f(): log.info('x')"
    assert fingerprint(cell(source.format("a")).f) == fingerprint(cell(source.format("a")).f)
    assert fingerprint(cell(source.format("a")).f) != fingerprint(cell(source.format("b")).f)


def test_a_file_of_a_module_may_be_gone(tmp_path):
    module = types.ModuleType("gone")
    module.__file__ = str(tmp_path / "gone.py")
    module.x = 1
    first = fingerprint(module)
    module.x = 2
    assert fingerprint(module) != first


def test_flags_are_members_too():
    class Flag(enum.Flag):
        A = 1
        B = 2

    assert len({fingerprint(each) for each in (Flag.A, Flag.B, Flag.A | Flag.B)}) == 3


def test_torch_is_not_loaded_for_it(run_python):
    code = (
        "import sys; from wmlearn._fingerprint import fingerprint; fingerprint([1, {'a': len}]); "
    )
    assert run_python(code + "print('torch' in sys.modules)") == "False"
