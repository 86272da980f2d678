"""The table of a long study: known rows are kept, missing ones are written as soon as measured."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "results"
Row = Mapping[str, object]


@dataclass(frozen=True)
class Table:
    """A CSV file whose first line is the command that makes it.

    Parameters
    ----------
    command : "# " and the command
    case : the columns that identify what was measured; no two rows share them
    measured : the columns with the results
    path : the file
    """

    command: str
    case: tuple[str, ...]
    measured: tuple[str, ...]
    path: Path

    def known(self) -> list[dict[str, str]]:
        """Return the rows that were measured before."""
        if not self.path.exists():
            return []
        with self.path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(line for line in file if line[0] != "#"))

    def fill(
        self, cases: Iterable[Row], measure: Callable[[Row], Row], keep: Iterable[Row] | None = None
    ) -> None:
        """Measure the missing cases, and write each row as soon as it is known.

        Parameters
        ----------
        cases : what to measure, in this order
        measure : from a case to the columns `measured`
        keep : the known rows that are still valid, in their order; all by default
        """
        old = self.known() if keep is None else list(keep)
        self._replace(old)
        done = {self._name(row) for row in old}
        with self.path.open("a", encoding="utf-8", newline="") as file:
            for case in cases:
                if self._name(case) not in done:
                    row = {**case, **measure(case)}
                    self._writer(file).writerow(row)
                    file.flush()
                    print(*row.values(), flush=True)

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows that were measured together, all of them or none."""
        self._replace([*self.known(), *rows])

    def put(self, row: Row) -> None:
        """Replace the row of the same case, or add the row at the end."""
        rows = [row if self.same(row, each) else each for each in self.known()]
        if row not in rows:
            rows.append(row)
        self._replace(rows)

    def same(self, row: Row, other: Row) -> bool:
        """Return whether two rows are of the same case."""
        return self._name(row) == self._name(other)

    def _replace(self, rows: list[Row]) -> None:
        """Rewrite the file with these rows, completely or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(self.command + "\n")
            writer = self._writer(file)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(part, self.path)

    def _writer(self, file: object) -> csv.DictWriter:
        return csv.DictWriter(file, [*self.case, *self.measured], lineterminator="\n")

    def _name(self, row: Row) -> tuple[str, ...]:
        return tuple(str(row[column]) for column in self.case)
