"""One column of a table as numbers, days or levels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from backpass.errors import TableError
from backpass.tabular.conventions import PLAIN, Convention, numbers_of_text, without_missing
from backpass.tabular.dates import dates_of_text

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

_BLOCK, _FEW_ROWS = 1 << 20, 16  # numbers taken at once; rows that Python turns faster than polars
_LARGEST = 1e300  # x − median would overflow beyond; no measured quantity comes near
_DAY = 86_400_000_000  # microseconds


def as_numbers(column: pl.Series, convention: Convention = PLAIN) -> NDArray[np.float64]:
    """Return a column as float64, NaN where a value is missing.

    Numbers written as text are read in the given convention, that of training. Anything else is a
    :class:`TableError` that names column, row (the first row of data is row 1) and value.

    Examples
    --------
    >>> import polars
    >>> as_numbers(polars.Series("size", ["1.5", None, "?"]))
    array([1.5, nan, nan])
    >>> as_numbers(polars.Series("size", ["1.5", "big"]))
    Traceback (most recent call last):
    backpass.errors.TableError: column 'size', row 2: 'big' is not a number like 1234.5; correct ...
    """
    import polars as pl

    dtype = column.dtype
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        text = without_missing(column.cast(pl.String))
        column = numbers_of_text(text, convention)
        _refuse_first(text, column, f"is not a number{convention.numbers_like(text.name)}")
    elif isinstance(dtype, pl.Duration):
        column = _in_days(column)
    elif not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
        raise TableError(
            f"column {column.name!r} holds {dtype} values where numbers belong; convert them"
        )
    numbers = column.cast(pl.Float64).to_numpy()
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(np.abs(numbers) > _LARGEST)
    if wrong.size:
        raise TableError(
            f"column {column.name!r}, row {wrong[0] + 1}: {numbers[wrong[0]]:g} is infinite or"
            " too large to compute with; correct it, or leave the cell empty"
        )
    return numbers


def number_blocks(
    columns: Sequence[pl.Series], convention: Convention = PLAIN
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield columns as `as_numbers` returns each, many at once: a wide table has thousands.

    Yields
    ------
    place : slice
        Of the columns.
    numbers : array of shape (rows, columns)
    """
    width = max(1, _BLOCK // max(1, len(columns[0]))) if columns else 1
    for begin in range(0, len(columns), width):
        part = columns[begin : begin + width]
        yield slice(begin, begin + len(part)), _matrix(part, convention)


def _matrix(columns: Sequence[pl.Series], convention: Convention) -> NDArray[np.float64]:
    import polars as pl

    numbers = np.empty((len(columns[0]), len(columns)), order="F")
    bare = convention.decimal in (None, ".")
    easy = [
        i
        for i, column in enumerate(columns)
        if column.dtype.is_numeric()
        or (column.dtype == pl.String and bare and convention.is_bare(column.name))
    ]
    read: set[int] = set()
    if easy:
        values, whole = _at_once([columns[i] for i in easy], convention)
        with np.errstate(invalid="ignore"):
            whole &= ~(np.abs(values) > _LARGEST).any(axis=0)
        read = {*np.array(easy)[whole].tolist()}
        numbers[:, sorted(read)] = values[:, whole]
    for i, column in enumerate(columns):
        if i not in read:  # marks for missing, other types, or an error to be told
            numbers[:, i] = as_numbers(column, convention)
    return numbers


def _at_once(
    columns: Sequence[pl.Series], convention: Convention
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return columns as numbers where Python writes them so, and which of them are all read."""
    import polars as pl

    if len(columns[0]) <= _FEW_ROWS and all(column.dtype.is_numeric() for column in columns):
        rows = np.array([column.to_list() for column in columns], dtype=np.float64).T
        return rows, np.ones(len(columns), bool)
    frame = pl.DataFrame(columns)
    floats = frame.select(pl.all().cast(pl.Float64, strict=False))
    whole = floats.null_count().to_numpy()[0] == frame.null_count().to_numpy()[0]
    if convention.decimal is None:  # 1.500 may be a whole number
        texts = (column if column.dtype == pl.String else None for column in columns)
        whole &= [t is None or not t.str.contains(".", literal=True).any() for t in texts]
    return floats.to_numpy(), whole


def as_dates(column: pl.Series, convention: Convention = PLAIN) -> pl.Series:
    """Return a column with its texts read as dates, moments or times of day."""
    import polars as pl

    if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return column
    text = without_missing(column.cast(pl.String))
    dates = dates_of_text(text, convention.dates)
    read = pl.Series(column.name, [None] * len(text)) if dates is None else dates
    _refuse_first(text, read, f"is not a date{convention.dates_like()}")
    return read


def date_of_day(days: float) -> str:
    """Return the date that so many days since 1970-01-01 are, or the time of a part of the first.

    Examples
    --------
    >>> date_of_day(18262.0), date_of_day(0.5)
    ('2020-01-01', '12:00')
    """
    try:
        moment = datetime(1970, 1, 1) + timedelta(days=days)
    except OverflowError:  # before the year 1, or after 9999
        return f"day {days:.0f}"
    return moment.strftime("%H:%M" if 0 <= days < 1 else "%Y-%m-%d")


def as_days(column: pl.Series, convention: Convention = PLAIN) -> NDArray[np.float64]:
    """Return dates as days since 1970-01-01 and times as parts of a day, NaN where missing.

    Dates written as text are read in the given convention; one that cannot be is a
    :class:`TableError`.

    Examples
    --------
    >>> import polars
    >>> as_days(polars.Series("day", ["1970-01-03", None]))
    array([ 2., nan])
    """
    import polars as pl

    column = as_dates(column, convention)
    dtype = column.dtype
    if dtype == pl.Date:
        days = column.cast(pl.Float64)
    elif isinstance(dtype, pl.Datetime):
        days = _in_days(column)
    elif dtype == pl.Time:
        days = column.cast(pl.Int64) / (1000 * _DAY)
    elif column.null_count() == column.len():
        days = column.cast(pl.Float64, strict=False)
    else:
        raise TableError(
            f"column {column.name!r} holds {dtype} values where dates belong; convert them"
        )
    return days.to_numpy()


def _in_days(column: pl.Series) -> pl.Series:
    """Return times or durations as numbers of days, whatever their unit."""
    import polars as pl

    if column.dtype.time_unit == "ns":  # type: ignore[attr-defined]
        column = column.cast(type(column.dtype)("us"))  # type: ignore[call-arg]
    # milliseconds may be too far away for polars to turn them into microseconds
    day = _DAY / 1000 if column.dtype.time_unit == "ms" else _DAY  # type: ignore[attr-defined]
    return column.cast(pl.Int64) / day


def as_levels(column: pl.Series) -> pl.Series:
    """Return a column as texts, one for each value however it was stored.

    Whole numbers lose their ``.0``, which a single missing value adds in pandas, and truth
    values are ``true`` and ``false``, so that the levels of a category do not depend on the
    file format.

    Examples
    --------
    >>> import polars
    >>> as_levels(polars.Series([1.0, 2.5, None])).to_list()
    ['1', '2.5', None]
    """
    import polars as pl

    dtype = column.dtype
    if dtype.is_numeric() and not dtype.is_integer():
        column = column.cast(pl.Float64).fill_nan(None)
        whole = (column == column.round()) & (column.abs() < 1e15)
        integers = column.cast(pl.Int64, strict=False).cast(pl.String)
        # spelled by Python: polars has spelled 1e20 in two ways, and levels are kept in files
        others = column.filter(~whole).drop_nulls().unique().to_list()
        spelled = column.replace_strict(
            [*others, None], [*map(repr, others), None], default=None, return_dtype=pl.String
        )
        return integers.zip_with(whole.fill_null(False), spelled)
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        raise TableError(
            f"column {column.name!r} holds {dtype} values, which cannot be levels; convert them, "
            "or choose another"
        )
    text = column.cast(pl.String)
    truths = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
    return text.replace(truths)


def alike(texts: Iterable[str]) -> str:
    """Return the texts that differ only in case or blanks, in words; empty where none do.

    Examples
    --------
    >>> alike(["yes", "no", "Yes", "YES "])
    "'YES ', 'Yes', 'yes'"
    """
    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault("".join(text.split()).casefold(), []).append(text)
    found = [", ".join(map(repr, sorted(group))) for group in groups.values() if len(group) > 1]
    return "; ".join(found[:3]) + ("; …" if len(found) > 3 else "")


def _refuse_first(text: pl.Series, read: pl.Series, complaint: str) -> None:
    """Raise `TableError` for the first value that was there but could not be read."""
    lost = (text.is_not_null() & read.is_null()).arg_true()
    if lost.len():
        row = int(lost[0])
        raise TableError(
            f"column {text.name!r}, row {row + 1}: {text[row]!r} {complaint}; correct it, or leave"
            " the cell empty"
        )
