"""Run every lesson with the oldest instruction set that its libraries still have, and compare the
outputs.

A learner's processor is rarely the one on which the outputs were made, and sums of floating-point
numbers depend on it. Here torch, oneDNN, MKL, OpenBLAS and numpy are kept from every instruction
newer than SSE4 (2008), and pytest compares each cell with the committed output, as `make test`
does::

    OMP_NUM_THREADS=1 python benchmarks/reproduce.py

`cells` are those of code, `compared` those of them whose outputs count (a few show times, say),
`equal` those that gave the same output.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import _rows
import nbformat

ROOT = Path(__file__).resolve().parents[1]
RESULTS = _rows.FOLDER / "reproduce.csv"
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/reproduce.py"
NEWER = "X86_V3 X86_V4 AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_ICL AVX512_SPR"
OLD = {
    "ATEN_CPU_CAPABILITY": "default",
    "DNNL_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": NEWER,
}
Row = dict[str, object]


def lessons() -> list[Row]:
    """Return a case per lesson."""
    return [{"lesson": path.stem} for path in sorted((ROOT / "notebooks").glob("??_*.ipynb"))]


def measure(case: Row) -> Row:
    """Run a lesson in an empty folder under nbval, and count its cells."""
    path = ROOT / "notebooks" / f"{case['lesson']}.ipynb"
    code = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    free = {"nbval-ignore-output", "nbval-skip"}
    compared = [cell for cell in code if not free & set(cell.metadata.get("tags", []))]
    rules = ROOT / "tests" / "course" / "nbval.cfg"
    options = ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={rules}", "-q"]
    options += ["-p", "no:cacheprovider", "-c", os.devnull, "--junitxml=result.xml"]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, path.name).write_bytes(path.read_bytes())
        command = [sys.executable, "-m", "pytest", *options, f"--rootdir={folder}", path.name]
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        subprocess.run(
            command,
            cwd=folder,
            env=os.environ | OLD | {"TQDM_DISABLE": "1", "PYTHONPATH": paths},
            stdout=subprocess.DEVNULL,
        )
        cells = list(ET.parse(Path(folder, "result.xml")).iter("testcase"))
    failed = [cell for cell in cells if len(cell.findall("failure") + cell.findall("error"))]
    assert len(cells) == len(code)
    return {
        "cells": len(code),
        "compared": len(compared),
        "equal": len(compared) - len(failed),
        "processor": platform.machine(),
        "seconds": round(time.perf_counter() - began),
    }


if __name__ == "__main__":
    columns = ("cells", "compared", "equal", "processor", "seconds")
    _rows.Table(COMMAND, ("lesson",), columns, RESULTS).fill(lessons(), measure)
