"""Fingerprints: two values share one only if they hold the same, whichever process makes them."""

import collections
import dataclasses
import enum
import functools
import importlib.metadata
import io
import pathlib
import random
import socket
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

import wmlearn as wm
from wmlearn._fingerprint import fingerprint, origin

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


def cell(source):
    """Run a cell of a notebook, and return what it defines."""
    modules = (collections, dataclasses, enum, functools, types)
    space = {"__name__": "__main__", "wm": wm, "np": np} | {each.__name__: each for each in modules}
    exec(source, space)
    return types.SimpleNamespace(**space)


# ---------------------------------------------------------------- values


@given(VALUES, VALUES)
def test_plain_values_share_a_fingerprint_only_if_they_are_the_same(one, other):
    assert (fingerprint(one) == fingerprint(other)) == (spelt(one) == spelt(other))


def test_whether_python_keeps_equal_constants_as_one_does_not_matter():
    one, other = ("a b", 10**9, 1.5), ("".join(("a", " b")), int("1" + "0" * 9), float("1.5"))
    assert fingerprint([one, one]) == fingerprint([one, other])


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


def ring(size, last=0):
    """Return the first of some lists, each in the one before it; the last holds the first."""
    first = rest = []
    for _ in range(size - 1):
        rest.append([])
        rest = rest[0]
    rest += [first, last]
    return first


def test_circles_end_and_differ_by_what_they_hold():
    assert fingerprint(ring(3)) == fingerprint(ring(3))
    assert len({fingerprint(each) for each in (ring(1), ring(3), ring(4), ring(3, last=2))}) == 4


def test_what_is_referred_to_in_a_circle_is_told_apart():
    one, other, inner = ["one"], ["other"], []
    inner.append(one)
    pairs = []
    for seen in (one, other):
        inner[0] = seen
        pairs.append(fingerprint([one, other, inner]))
    one.append(inner)
    other.append([one])
    before = fingerprint([one, other])
    other[1][0] = other
    assert len({*pairs, before, fingerprint([one, other])}) == 4


def test_a_long_chain_is_no_deep_recursion():
    chain = []
    for _ in range(300):
        chain = [chain]
    assert fingerprint(chain) != fingerprint([chain])


ONES_OWN = """
import dataclasses, numpy as np, wmlearn as wm
@dataclasses.dataclass(frozen=True)
class Own(wm.theft.Theft):
    words: frozenset = frozenset('abcdefghij')
    def read(self): return [word for word in {'x', 'y', 'z'} if word in self.words]
values = [Own(), Own.read, lambda x: helper(x), {'a', 'b'}, wm.Content, np.arange(3)]
def helper(x): return x
"""


def test_a_fingerprint_is_the_same_in_another_process(run_python, monkeypatch):
    """Hashes of texts, addresses in memory and the order of sets differ there."""
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    told = "from wmlearn._fingerprint import fingerprint\nprint(fingerprint(values))"
    assert run_python(ONES_OWN + told) == fingerprint(cell(ONES_OWN).values)


# ---------------------------------------------------------------- functions

# A cell with a gap, and two ways to fill it.
DEFINE = {
    "a constant": ("f = lambda x: x + ?", "1", "2"),
    "a step": ("f = lambda x: x ? 1", "+", "-"),
    "a name": ("f = lambda x: x.?", "real", "imag"),
    "a default": ("def f(x=?): return x", "1", "2"),
    "a default by name": ("def f(*, x=?): return x", "1", "2"),
    "a closure": ("f = (lambda y: lambda x: x + y)(?)", "1", "2"),
    "a function within": ("def f(x):\n g = lambda: ?\n return g", "1", "2"),
    "a generator within": ("f = lambda x: [y + ? for y in x]", "1", "2"),
    "a set of constants": ("f = lambda x: x in {1, ?}", "2", "3"),
    "a global": ("y = ?\nf = lambda x: x + y", "1", "2"),
    "a global of a function within": ("y = ?\nf = lambda: lambda: y", "1", "2"),
    "a function it calls": ("g = lambda: ?\nf = lambda: g()", "1", "2"),
    "two calls away": ("h = lambda: ?\ng = lambda: h()\nf = lambda: g()", "1", "2"),
    "a global array": ("y = np.?(3)\nf = lambda: y", "zeros", "ones"),
    "a global that was not there": ("f = lambda: y?", "", "\ny = None"),
    "a builtin that is replaced": ("f = lambda x: len(x)?", "", "\nlen = lambda x: 3"),
    "a function of a package": ("f = np.?", "add", "subtract"),
    "a partial": ("f = functools.partial(int, base=?)", "2", "3"),
    "what is partial": ("f = functools.partial(?)", "int", "float"),
    "an attribute": ("def f(): pass\nf.x = ?", "1", "2"),
    "what is wrapped": ("g = lambda: ?\nf = functools.wraps(g)(lambda: g())", "1", "2"),
    "a method": ("f = [?].count", "1", "2"),
    "whose method": ("f = [1].?", "count", "index"),
    "handling an error": (
        "def f():\n try: return 1\n except ?: return 2",
        "ValueError",
        "TypeError",
    ),
    # classes and objects
    "a method of a class": ("class C:\n def f(self): return ?\nf = C()", "1", "2"),
    "a method of its base": (
        "class B:\n def f(self): return ?\nclass C(B): pass\nf = C()",
        "1",
        "2",
    ),
    "an attribute of a class": ("class C: x = ?\nf = C()", "1", "2"),
    "a property": ("class C:\n @property\n def x(self): return ?\nf = C()", "1", "2"),
    "a static method": ("class C:\n @staticmethod\n def x(): return ?\nf = C()", "1", "2"),
    "a class method": ("class C:\n @classmethod\n def x(cls): return ?\nf = C.x", "1", "2"),
    "a cached property": (
        "class C:\n @functools.cached_property\n def x(self): return ?\nf = C()",
        "1",
        "2",
    ),
    "the class itself": ("class C:\n x = ?\nf = C", "1", "2"),
    "a class without content": ("class C: pass\nclass D: pass\nf = ?", "C", "D"),
    "a field": ("class C: pass\nf = C()\nf.x = ?", "1", "2"),
    "a hidden field": ("class C: pass\nf = C()\nf._x = ?", "1", "2"),
    "a slot": ("class C: __slots__ = 'x'\nf = C()\nf.x = ?", "1", "2"),
    "a private slot": (
        "class C:\n __slots__ = ['__x']\n def __init__(self): self.__x = ?\nf = C()",
        "1",
        "2",
    ),
    "a field that is not pickled": (
        "class C:\n def __getstate__(self): return {}\nf = C()\nf.x = ?",
        "1",
        "2",
    ),
    "a field of a list": ("class C(list): pass\nf = C()\nf.x = ?", "1", "2"),
    "an item of a list of one's own": ("class C(list): pass\nf = C([?])", "1", "2"),
    "a dict of one's own": ("class C(dict): pass\nf = C(a=?)", "1", "2"),
    "a number of one's own": ("class C(int): pass\nf = C(?)", "1", "2"),
    "a set of one's own": ("class C(set): pass\nf = C([?])", "1", "2"),
    "a named tuple": ("f = collections.namedtuple('C', '?')(1)", "x", "y"),
    "a member of an enum": ("class E(enum.Enum):\n A = 1\n B = 2\nf = E.?", "A", "B"),
    "the value of a member": ("class E(enum.Enum): A = ?\nf = E.A", "1", "2"),
    "a default of a dataclass": ("@dataclasses.dataclass\nclass C:\n x: int = ?\nf = C", "1", "2"),
    "a factory of a dataclass": (
        "@dataclasses.dataclass\nclass C:\n x: list = dataclasses.field(default_factory=?)\nf = C",
        "list",
        "set",
    ),
    "a metaclass": (
        "class M(type):\n def x(cls): return ?\nclass C(metaclass=M): pass\nf = C",
        "1",
        "2",
    ),
    "a method that is replaced": (
        "class C:\n def x(self): return 1\nf = C()?",
        "",
        "\nC.x = lambda self: 2",
    ),
    "a function made a method": (
        "class C: pass\nf = types.MethodType(lambda self: ?, C())",
        "1",
        "2",
    ),
}


@pytest.mark.parametrize("what", DEFINE)
def test_another_content_is_another_fingerprint_and_the_same_is_the_same(what):
    source, *fillings = DEFINE[what]
    one, again, other = (cell(source.replace("?", text)).f for text in (*fillings[:1], *fillings))
    assert fingerprint(one) == fingerprint(again) != fingerprint(other)


@pytest.mark.parametrize(
    "other",
    [
        "def f(x):\n\n    # moved\n    return helper(x) + 1\ndef helper(y): return y",
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


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """Return a function that writes a module of one's own, which the next import reads."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    written = set()

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)
        origin.cache_clear()
        written.add(name)

    yield write
    for name in written:
        del sys.modules[name]
    origin.cache_clear()


@pytest.mark.parametrize(
    "how",
    [
        "import own_tools\ndef f(): return own_tools.used()",
        "from own_tools import used\ndef f(): return used()",
        "import own_tools\nf = own_tools",
        "import own_tools\ndef f(): return own_tools.by_name",
    ],
)
def test_ones_own_module_counts_with_all_it_reaches(write_module, how):
    def seen(deep):
        write_module("deeper", f"def deep(): return {deep}\n")
        text = "def used(): return deeper.deep()\ndef __getattr__(name): return used()\n"
        write_module("own_tools", "import deeper\n" + text)
        return fingerprint(cell(how).f)

    assert seen(1) == seen(1) != seen(2)


def test_a_module_with_the_name_of_a_library_is_ones_own(write_module):
    def seen(returned):
        write_module("turtle", f"def f(): return {returned}\n")
        return fingerprint(cell("import turtle\nf = turtle.f").f)

    assert seen(1) == seen(1) != seen(2)


def test_what_a_package_defines_counts_by_its_version(monkeypatch):
    wrapped = functools.partial(wm.small_cnn, width=3)
    ours = [wm.small_cnn, wm.theft.Prune(0.5), wrapped, wm.theft.Prune]
    before = [fingerprint(value) for value in ours]
    assert len(set(before)) == 4
    numpy_before, version = fingerprint(np.add), importlib.metadata.version
    monkeypatch.setattr(
        "importlib.metadata.version", lambda name: "99.0" if name == "wmlearn" else version(name)
    )
    origin.cache_clear()
    assert not set(before) & {fingerprint(value) for value in ours}
    assert fingerprint(np.add) == numpy_before
    monkeypatch.undo()
    origin.cache_clear()
    assert fingerprint(wm.small_cnn) == before[0]


# ---------------------------------------------------------- tensors, networks, objects of libraries


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))


def test_networks_count_by_their_weights_and_settings(mnist):
    with torch.random.fork_rng():
        plain, dropped, frozen, other = network(), network(), network(), network(1)
        dropped[1].p = 0.6
        frozen[0].weight.requires_grad_(False)
        hooked = network()
        hooked.register_forward_hook(lambda *_: None)
        learning = network().eval()
        assert fingerprint(network()) == fingerprint(plain)
    seen = [
        plain,
        dropped,
        frozen,
        other,
        hooked,
        learning,
        wm.small_cnn(mnist),
        wm.small_cnn(mnist, width=2),
    ]
    assert len({fingerprint(value) for value in seen}) == len(seen)


@pytest.fixture(scope="module")
def mnist():
    return wm.load_data("mnist")


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.bool, torch.int8])
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
    "a secret": lambda: wm.Noise()(wm.load_data("mnist"), n=5, key=bytes(32)),
    "memoryview": lambda: memoryview(b"1"),
    "cached function": lambda: functools.lru_cache(lambda x: x),
    "universal function": lambda: np.frompyfunc(lambda x: x, 1, 1),
    "imports": lambda: cell("def f():\n import json\n return json").f,
    "imports within": lambda: cell("def f():\n from . import own\n return lambda: own").f,
    "empty cell": lambda: cell("def g():\n f = lambda: later\n return f\n later = 1\nf = g()").f,
    "bfloat16": lambda: torch.zeros(2, dtype=torch.bfloat16),
    "sparse": lambda: torch.eye(2).to_sparse(),
}


def holders(thing):
    """Yield all that something can be in."""
    yield from (thing, Own(thing), [thing], {"x": thing}, [Own(thing)], Own({"deeper": thing}))
    yield lambda: thing
    yield functools.partial(len, thing)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", HAVE_NONE)
def test_what_has_no_content_is_refused(kind):
    for held in holders(HAVE_NONE[kind]()):
        with pytest.raises(TypeError):
            fingerprint(held)


def test_the_error_says_what_it_is_and_where(says):
    for held in holders(threading.Lock()):
        with says(TypeError):
            fingerprint(held, "theft")
    for kind in ("StringIO", "RandomState", "object()", "cached function", "imports", "a secret"):
        with says(TypeError):
            fingerprint(HAVE_NONE[kind]())


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
