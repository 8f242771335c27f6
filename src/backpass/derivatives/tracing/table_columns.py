"""The rows of a table as they were, and which inputs, targets and weights their columns became."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backpass.derivatives.tracing.formatter import printed

SHOWN_ROWS, SHOWN_COLUMNS, SHOWN_NUMBERS = 4, 12, 6
"""The most that are shown where arrays are cut; the numbers are those of one column."""


@dataclass(frozen=True)
class TableColumn:
    """A column of a table in the rows that are traced.

    Parameters
    ----------
    name : str
    cells : tuple of str
        What stood there, one a row.
    formula : str
        By which a cell x became numbers, or why it became none.
    kind : {"input", "target", "weight"}
        What these are to the network.
    places : tuple of int
        Which inputs or outputs of it, from 0.
    numbers : array of shape (N, len(places)), optional
        As the passes were given them.
    """

    name: str
    cells: tuple[str, ...]
    formula: str
    kind: str
    places: tuple[int, ...]
    numbers: Any = None

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
    first = 1 - trace.notation.from_zero
    texts = [printed(number, trace.limits.digits) for number in column.numbers[row]]
    places = [str(place + first) for place in column.places]
    if len(texts) > SHOWN_NUMBERS and trace.limits.max_elements is not None:
        pairs = zip(texts, places, strict=True)
        told = [f"{text} at {place}" for text, place in pairs if text != "0"]
        left = len(told) - SHOWN_NUMBERS
        numbers = ", ".join(told[:SHOWN_NUMBERS]) + (f", … ({left} more)" if left > 0 else "")
        numbers += ", else 0" if len(told) < len(texts) else ""
    else:
        numbers = ", ".join(texts)
    what = column.kind
    if what == "input":
        what += f"{'s' * (len(places) > 1)} {', '.join(_runs(column.places, first))}"
    became = f"{what} = {numbers}" if places else "no input"
    return column.name, column.cells[row], became, column.formula


def _runs(places: tuple[int, ...], first: int) -> Iterator[str]:
    """Yield places in words, consecutive ones together: ``"2–4"``."""
    begin = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end] != places[end - 1] + 1:
            one, last = places[begin] + first, places[end - 1] + first
            yield str(one) if one == last else f"{one}–{last}"
            begin = end
