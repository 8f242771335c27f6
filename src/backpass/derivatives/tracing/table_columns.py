"""The rows of a table as they were, and which inputs, targets and weights their columns became."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backpass.derivatives.tracing.formatter import printed

SHOWN_ROWS, SHOWN_COLUMNS, SHOWN_NUMBERS = 4, 12, 6
"""The most that are shown where arrays are cut; the numbers are those of one column."""


@dataclass(frozen=True)
class TableColumn:
    """A column of a table in the rows that are traced."""

    name: str
    cells: tuple[str, ...]  # what stood there, one a row
    formula: str  # by which a cell x became numbers, or why it became none
    kind: str  # what these are to the network: "input", "target" or "weight"
    places: tuple[int, ...]  # which inputs or outputs of it, from 0, one after the other
    numbers: Any = None  # as the passes were given them, (N, len(places))

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain lists, texts and numbers."""
        lists = {"cells": [*self.cells], "places": [*self.places], "numbers": self.numbers.tolist()}
        return vars(self) | lists


def table_rows(trace: Any) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Yield each row's title, and for each column its name, cell, numbers and formula."""
    columns, n, whole = trace.table_columns, len(trace["s"]), trace.limits.max_elements is None
    inputs = [column for column in columns if column.kind == "input"]
    others = [column for column in columns if column.kind != "input"]
    wide = inputs if whole else inputs[:SHOWN_COLUMNS]
    left = len(inputs) - len(wide)
    rows = (n if whole else min(n, SHOWN_ROWS)) if columns else 0
    for row in range(rows):
        lines = [_line(trace, column, row) for column in wide]
        lines += [(f"… ({left} more columns)", "", "", "")] * (left > 0)
        lines += [_line(trace, column, row) for column in others]
        which = "the row" if n == 1 else f"sample {row + 1 - trace.notation.from_zero}"
        more = f" ({n - rows} more rows not shown)" if row + 1 == rows < n else ""
        yield f"{which} as it was, and what became of it{more}", lines


def _line(trace: Any, column: TableColumn, row: int) -> tuple[str, ...]:
    digits, places = trace.limits.digits, [i + 1 - trace.notation.from_zero for i in column.places]
    told = [printed(number, digits) for number in column.numbers[row]]
    if len(told) > SHOWN_NUMBERS and trace.limits.max_elements is not None:
        pairs = zip(told, places, strict=True)
        others = [f"{text} at {place}" for text, place in pairs if text != "0"]
        left = len(others) - SHOWN_NUMBERS
        told = others[:SHOWN_NUMBERS] + [f"… ({left} more)"] * (left > 0)
        told += ["else 0"] * (len(others) < len(places))
    became = "no input"
    if places:
        which = "–".join(map(str, dict.fromkeys([places[0], places[-1]])))
        which = f"{'s' * (len(places) > 1)} {which}" if column.kind == "input" else ""
        became = f"{column.kind}{which} = {', '.join(told)}"
    return column.name, column.cells[row], became, column.formula
