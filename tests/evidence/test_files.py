"""Files from adversaries: read within limits, in one way only, or refused by an announced error."""

import contextlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmlearn._files import check_file, parse_json, read_json, read_text, readable, texts

letters = st.characters(exclude_categories=["Cs"])  # but halves of characters
plain = st.none() | st.booleans() | st.integers() | st.text(letters)
plain |= st.floats(allow_nan=False, allow_infinity=False)
records = st.recursive(
    plain, lambda inside: st.lists(inside) | st.dictionaries(st.text("abc"), inside), max_leaves=20
)


@given(records)
def test_what_json_holds_comes_back(record):
    deep = json.dumps(record).count("[") + json.dumps(record).count("{") > 16
    try:
        assert parse_json(json.dumps(record)) == record
    except ValueError:
        assert deep


@given(st.text() | st.binary().map(repr))
def test_any_text_is_json_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        json.dumps(parse_json(text), allow_nan=False).encode()


TWO_READINGS = {
    "a name twice": '{"alpha": "0.01", "alpha": "0.5"}',
    "a name twice, further down": '[{"a": {"b": 1, "b": 1}}]',
    "NaN": '{"p": NaN}',
    "infinity": "[-Infinity]",
    "infinity, written as a number": "[1e999]",
    "half a character": '["\\ud800"]',
    "half a character for a name": '{"\\udfff": 1}',
    "a little too deep": "[" * 17 + "]" * 17,
    "far too deep": "[" * 100_000 + "]" * 100_000,
    "far too deep, in names": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "no end": "[" * 100_000,
    "a number without end": "9" * 100_000,
}


@pytest.mark.parametrize("text", TWO_READINGS.values(), ids=TWO_READINGS)
def test_what_can_be_read_in_two_ways_or_not_at_all_is_refused(says, tmp_path, text):
    path = tmp_path / "record.json"
    path.write_text(text)
    with says(OSError), readable("It should hold a record", "Ask again."):
        read_json(path, 1_000_000)


def test_sixteen_lists_are_not_too_deep():
    assert parse_json("[" * 16 + "]" * 16) is not None


def test_a_file_is_read_up_to_its_limit(says, tmp_path):
    path = tmp_path / "record.json"
    path.write_text("ä" * 500_000, encoding="utf-8")
    assert read_text(path, 1_000_000) == "ä" * 500_000
    with says(ValueError):
        read_text(path, 999_999)
    with path.open("wb") as file:
        file.truncate(10**12)  # a terabyte that takes no room
    with says(ValueError):
        read_json(path, 1_000_000)
    with says(ValueError):
        check_file(tmp_path, 1)
    with pytest.raises(FileNotFoundError):
        check_file(tmp_path / "nothing", 1)


@pytest.mark.skipif(os.name != "posix", reason="devices and pipes are files on POSIX only")
def test_devices_and_pipes_are_not_even_opened(says, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in ("/dev/zero", tmp_path / "pipe", tmp_path / "link"):
        with says(ValueError):
            read_text(path, 1000)


@pytest.mark.parametrize("values", ["abc", {"a": 1}, None, 3, [1], ["a", None], [["a"]], [True]])
def test_lists_of_texts_are_lists_of_texts(says, values):
    with says(ValueError):
        texts(values)


def test_errors_of_memory_and_recursion_are_told_as_damage(says):
    for error in (MemoryError, RecursionError, IndexError, KeyError, AttributeError):
        with says(OSError), readable("It should be whole", "Restore it."):
            raise error
