"""The page "Your own data, your own model": each of its blocks is run, with fewer pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "own_data_and_model.md"
SHORTER = {
    "range(150)": "range(10)",
    "words=30": "words=['AB', 'CD']",
    "n=90": "n=4, alpha=0.05",
    "epochs=8": "epochs=1",
    "epochs=2": "epochs=1",
}


def test_every_block_runs_on_pictures_in_a_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    code = "".join(re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S))
    for long, short in SHORTER.items():
        assert long in code
        code = code.replace(long, short)
    names: dict[str, Any] = {}
    exec(compile(code, PAGE.name, "exec"), names)
    assert repr(names["pets"]) == ("Splits('pets': 60 train, 20 loot, 20 test, 4 classes, 3x32x32)")
    shapes = names["shapes"]
    assert (shapes.name, shapes.shape, len(shapes.classes)) == ("shapes", (3, 64, 64), 5)
    assert (len(shapes.train), len(shapes.loot), len(shapes.test)) == (30, 10, 10)
    assert names["triggers"].n == 2
    assert capsys.readouterr().out.count("matched") == 2
