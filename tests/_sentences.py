"""What the package says to people, pinned in one file: `sentences.json`, a list for each test.

Tests assert numbers, types and exit codes; whatever is worded stands in that file, so that a change
of wording shows there, all of it and nowhere else. After one: `pytest --write-sentences`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).with_name("sentences.json")


def read() -> dict[str, list[str]]:
    """Return the sentences of every test."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def write(said: dict[str, list[str]]) -> None:
    """Put the sentences of some tests in place of what is recorded for them."""
    book = {test: texts for test, texts in (read() | said).items() if texts}
    text = json.dumps(book, indent=1, sort_keys=True, ensure_ascii=False)
    FILE.write_text(text + "\n", encoding="utf-8")


class Says:
    """The fixture `says`: compares the sentences of one test, in order, with those recorded.

    `says(text)` for a text, `with says(ValueError):` for what an error or a warning of a kind says.
    Where lines break is no matter of wording.
    `varies` is a regular expression for what differs from run to run, or between versions of a
    library.
    """

    def __init__(self, recorded: list[str] | None, places: dict[str, str]) -> None:
        self.said: list[str] = []
        self._recorded = recorded  # None: whatever is said is right, and will be written down
        self._places = places

    def __call__(self, what: Any, *, varies: str | None = None) -> Any:
        if isinstance(what, str):
            return self._compare(what, varies)
        return self._spoken(what, varies)

    @contextmanager
    def _spoken(self, kind: Any, varies: str | None) -> Iterator[Any]:
        if isinstance(kind, type) and issubclass(kind, Warning):
            with pytest.warns(kind) as warned:
                yield warned
            first = next(each.message for each in warned if isinstance(each.message, kind))
            self._compare(str(first), varies)
        else:
            with pytest.raises(kind) as raised:
                yield raised
            self._compare(str(raised.value), varies)

    def _compare(self, text: str, varies: str | None) -> None:
        for place, name in self._places.items():
            text = text.replace(place, name)
        text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:{port}", text)
        if varies is not None:
            text, found = re.subn(varies, "{…}", text)
            assert found, f"nothing varies as {varies!r} says in: {text}"
        # pytest counts the folders of tests whose names begin alike
        text = re.sub(r"(\{tmp\}/test_\w*?)\d+\b", r"\1{n}", text)
        self.said.append(text)
        if self._recorded is None:
            return
        number = len(self.said)
        assert number <= len(self._recorded), f"not in {FILE.name}: {text!r}"
        assert text.split() == self._recorded[number - 1].split()
