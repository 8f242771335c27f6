"""How one column of a table becomes numbers: one frozen record per kind of column.

A record is what was learnt from the training rows, as plain values. To add a kind, write one
more record, list it in `KINDS`, and choose it in :func:`fit_columns`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from backpass.engines.threads import available_threads
from backpass.errors import ModelFileError, TableError, TableWarning, warn_caller
from backpass.storage.schema import OneOf, Rule, check
from backpass.tabular.category_column import CategoryColumn
from backpass.tabular.number_bins import NO_BINS, NumberBins
from backpass.tabular.scaled_columns import (
    DateColumn,
    DroppedColumn,
    NumberColumn,
    Remarks,
    Rules,
    encode_numbers,
    fit_numbers,
)
from backpass.tabular.series import refuse_other_types

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = [
    "KINDS",
    "CategoryColumn",
    "Column",
    "ColumnRule",
    "ColumnSummary",
    "DateColumn",
    "DroppedColumn",
    "NumberColumn",
    "Rules",
    "column_of",
    "fit_columns",
    "state_of",
]

_PIECE = 1 << 15  # rows whose encoding stays in the cache while it is written
_INDEX = re.compile(r"Unnamed: 0|__index_level_\d+__")  # pandas' names of none

Column: TypeAlias = NumberColumn | DateColumn | CategoryColumn | DroppedColumn

KINDS: dict[str, type[Column]] = {
    record.kind: record for record in (NumberColumn, DateColumn, CategoryColumn, DroppedColumn)
}


@dataclass(frozen=True)
class ColumnSummary:
    """How one column is encoded, for a person to read."""

    name: str
    kind: str
    missing: int
    levels: int
    outputs: int
    note: str

    @classmethod
    def of(cls, column: Column) -> ColumnSummary:
        """Return the summary of what was learnt of a column."""
        levels = len(column.levels) + column.rare if isinstance(column, CategoryColumn) else 0
        return cls(column.name, column.kind, column.missing, levels, column.width, column.note)


class ColumnRule(Rule):
    """A JSON value that `state_of` could have returned."""

    def require(self, value: object, where: str) -> None:
        """Raise `ModelFileError` naming `where` unless `value` is a column's state."""
        kind = value.get("kind") if isinstance(value, dict) else None
        check(kind, OneOf(*KINDS), f"{where}.kind")
        check(value, KINDS[str(kind)].schema, where)
        column = column_of(value)  # type: ignore[arg-type]
        levels = column.levels if isinstance(column, CategoryColumn) else ()
        if len(set(levels)) < len(levels):
            raise ModelFileError(f"{where}.levels: one appears twice")
        try:  # JSON can spell half a character, which polars cannot hold
            "".join([column.name, *levels]).encode()
        except UnicodeEncodeError:
            raise ModelFileError(f"{where}: not valid Unicode") from None


def fit_columns(
    frame: pl.DataFrame,
    rules: Rules,
    *,
    categorical: Collection[str] = (),
    remarks: Mapping[str, str] | None = None,
) -> list[Column]:
    """Learn how to encode the columns of a table from its training rows.

    Parameters
    ----------
    frame : polars.DataFrame
        The training rows.
    rules : Rules
        The encoder's settings.
    categorical : collection of str
        Columns of numbers or dates that are taken as levels.
    remarks : mapping of str to str, optional
        Why columns are text that were meant to be more.

    Returns
    -------
    list of Column
        For each column the record of the kind that fits its type.

    Raises
    ------
    TableError
        If a column holds no single values.

    Examples
    --------
    >>> import polars
    >>> (size,) = fit_columns(polars.DataFrame({"size": [1, 2, 3, None]}), Rules(32, 5, 3.0))
    >>> size.outputs
    ['size', 'size=(missing)']
    """
    import polars as pl

    for column in frame:
        refuse_other_types(column)
    plain = [
        name
        for name, dtype in frame.schema.items()
        if (dtype.is_numeric() or isinstance(dtype, pl.Duration)) and name not in categorical
    ]
    found: dict[str, Column] = dict(zip(plain, fit_numbers(frame, plain), strict=True))
    for column in frame:
        name, missing = column.name, column.null_count()
        if _INDEX.fullmatch(name):
            found[name] = DroppedColumn(name, missing, "the index of a data frame")
        elif name not in found:
            remark = (remarks or {}).get(name, "")
            found[name] = _fit_other(column, rules, name in categorical, remark)
    return [found[name] for name in frame.columns]


def _fit_other(column: pl.Series, rules: Rules, categorical: bool, remark: str) -> Column:
    """Learn how to encode a column that is none of numbers, or is taken as levels."""
    missing = column.null_count()
    if column.dtype.is_float():
        missing += int(column.is_nan().sum())
    if missing == column.len():
        return DroppedColumn(column.name, missing, "no value at all")
    if column.dtype.is_temporal() and not categorical:
        return DateColumn.fit(column)
    return CategoryColumn.fit(column, rules, categorical, remark)


def number_places(columns: Sequence[Column]) -> list[int]:
    """Return which outputs are of numbers and dates: those that bins are made of.

    Marks for missing are among them, and have too few values for bins.
    """
    begin, places = 0, list[int]()
    for column in columns:
        end = begin + column.width
        places += range(begin, end) if isinstance(column, NumberColumn | DateColumn) else ()
        begin = end
    return places


def encode_rows(
    columns: Sequence[Column],
    frame: pl.DataFrame,
    rules: Rules,
    out: NDArray[Any],
    bins: NumberBins = NO_BINS,
) -> Remarks:
    """Encode rows into `out`: many in pieces that stay in the cache, several at a time.

    Parameters
    ----------
    columns : sequence of Column
        Of the outputs, in their order.
    frame : polars.DataFrame
        With a column of each name, and others.
    rules : Rules
        Without remarks.
    out : array of shape (rows, outputs)
        Zeros.
    bins : NumberBins
        Whose outputs are the last ones.

    Returns
    -------
    Remarks
        What is odd about the rows.
    """
    if frame.height <= _PIECE:
        return encode_piece(columns, frame, rules, out, bins)
    from concurrent.futures import ThreadPoolExecutor

    def encode(begin: int) -> Remarks:
        end = begin + _PIECE
        return encode_piece(columns, frame.slice(begin, _PIECE), rules, out[begin:end], bins)

    remarks = Remarks()
    with ThreadPoolExecutor(available_threads()) as pool:
        for found in pool.map(encode, range(0, frame.height, _PIECE)):
            remarks.add(found)
    return remarks


def encode_piece(
    columns: Sequence[Column],
    frame: pl.DataFrame,
    rules: Rules,
    out: NDArray[Any],
    bins: NumberBins = NO_BINS,
) -> Remarks:
    """Encode rows into `out` at once; see :func:`encode_rows`."""
    rules = replace(rules, remarks=Remarks())
    used, end = [], 0
    for column in columns:
        begin, end = end, end + column.width
        if end > begin:
            used.append((column, begin, end))
    given = {values.name: values for values in frame.get_columns()}
    for column, _, _ in used:
        refuse_other_types(given[column.name], otherwise="give what it held in training")
    numbers = [(c, begin) for c, begin, _ in used if isinstance(c, NumberColumn)]
    encode_numbers(numbers, given, rules, out)
    for column, begin, end in used:
        if not isinstance(column, NumberColumn):
            column.encode(given[column.name], rules, out[:, begin:end])
    if bins.places:
        plain = out.shape[1] - bins.width
        bins.encode(out[:, :plain], out[:, plain:])
    return rules.remarks


def state_of(column: Column) -> dict[str, Any]:
    """Return a record as JSON values, from which `KINDS` rebuilds it.

    Examples
    --------
    >>> state_of(DroppedColumn("id", 0, "constant"))
    {'kind': 'dropped', 'name': 'id', 'missing': 0, 'note': 'constant'}
    """
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(column).items()}
    return {"kind": column.kind, **values}


def column_of(state: Mapping[str, Any]) -> Column:
    """Return the record of a state that `ColumnRule` has accepted.

    Examples
    --------
    >>> column_of(state_of(DroppedColumn("id", 0, "constant"))).note
    'constant'
    """
    values: dict[str, Any] = dict(state)
    del values["kind"]
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return KINDS[state["kind"]](**values)


def warn_of_columns(columns: Sequence[Column], rows: int) -> None:
    """Say which columns are dropped and which are text after all; refuse where none is left."""
    dropped: dict[str, list[str]] = {}
    for column in columns:
        if isinstance(column, DroppedColumn):
            dropped.setdefault(column.note, []).append(repr(column.name))
        elif isinstance(column, CategoryColumn) and column.remark:
            warn_caller(f"column {column.name!r} is {column.remark}", TableWarning)
    reasons = []
    for reason, names in dropped.items():
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        reasons.append(f"{', '.join(names[:5])}{more}: {reason}")
        warn_caller(f"dropped {reasons[-1]}", TableWarning)
    if sum(map(len, dropped.values())) == len(columns):
        raise TableError(
            f"no column tells anything: {rows} sample(s), all columns dropped"
            f" ({'; '.join(reasons)}); give others"
        )
