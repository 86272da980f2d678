"""Measure the null models that are trained on demand: the 160 that `wm.null_models("mnist", n=200)`
adds.

Each row is one model: its network (`small` or `deep`), which half of the mini training images it
saw (0 or 1), its seed, and the share of the 10,000 test images that it classifies correctly.
Missing models are trained in a few seconds each and kept in `$WMLEARN_DATA`. The script needs the
full data
set::

    OMP_NUM_THREADS=1 python benchmarks/nulls_on_demand.py
"""

from __future__ import annotations

from collections.abc import Iterator

from _rows import FOLDER, Row, Table

import wmlearn as wm

SHIPPED, ALL = 40, 200
COMMAND = "# OMP_NUM_THREADS=1 python benchmarks/nulls_on_demand.py"
TABLE = Table(
    COMMAND,
    ("model", "network", "half", "seed"),
    ("task_accuracy",),
    FOLDER / "nulls_on_demand.csv",
)


def cases() -> Iterator[Row]:
    """Yield what is known of each model before it is trained."""
    for i in range(SHIPPED, ALL):
        network = "deep" if i % 4 > 1 else "small"
        yield {"model": f"mnist/null-{i:03d}", "network": network, "half": i % 2, "seed": 100 + i}


def main() -> None:
    models = wm.null_models("mnist", n=ALL)[SHIPPED:]
    of_name = dict(zip((case["model"] for case in cases()), models))
    test = wm.load_data("mnist", size="full").test
    TABLE.fill(
        cases(),
        lambda case: {"task_accuracy": f"{wm.accuracy(of_name[case['model']], test):.4f}"},
        keep=[],
    )


if __name__ == "__main__":
    main()
