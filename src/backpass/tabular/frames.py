"""Tables of other libraries as polars frames."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import InputError, TableError
from backpass.tabular.csv_text import MISSING, parse_dates

_first_user: int | None = None  # the process that used polars first


def check_not_forked() -> None:
    """Refuse a process whose parent has used polars before it was forked.

    Threads are not copied by a fork, and polars hands its work to some that it has started once.

    Raises
    ------
    InputError
        It says how workers are to be started.
    """
    global _first_user
    if _first_user is None:
        _first_user = os.getpid()
    elif _first_user != os.getpid():
        raise InputError(
            "tables cannot be used in this process: it was forked from one that has used some, and "
            "the threads of polars do not survive that; start workers by 'spawn' or 'forkserver', "
            "or with joblib's 'loky'"
        )


if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


_LARGEST = 1e300  # x − median would overflow beyond; no measured quantity comes near
_DAY = 86_400_000_000  # microseconds


# --- tables ----------------------------------------------------------------------------------


def has_names(X: Any) -> bool:
    """Return whether all columns of a table have texts as names, as in a frame or a dict."""
    if hasattr(X, "collect_schema"):  # polars; to ask a lazy frame for its columns warns
        return True
    names = X if _is_mapping(X) else getattr(X, "columns", [0])
    return all(isinstance(name, str) for name in names)


def as_frame(X: Any) -> pl.DataFrame:
    """Return a table as a polars frame.

    Parameters
    ----------
    X : polars or pandas DataFrame, mapping of name to column, or 2-D array-like
        The table. A pandas frame is taken column by column, so pyarrow is not needed. The
        columns of an array are called x0, x1, … and an array of objects may hold numbers in
        one column and text in another.

    Returns
    -------
    polars.DataFrame
        The same columns and rows.

    Raises
    ------
    TableError
        If two columns have the same name or columns differ in length.
    InputError
        In a process that was forked from one that had used tables.

    Examples
    --------
    >>> as_frame({"size": [1, None], "city": ["Bonn", "Oslo"]}).rows()
    [(1, 'Bonn'), (None, 'Oslo')]
    """
    import polars as pl

    check_not_forked()
    if X is None or isinstance(X, str | bytes | os.PathLike):
        raise TableError(
            f"a table is a DataFrame, a mapping of columns or an array, not {X!r}; "
            "read a file with read_table of backpass.tabular.files"
        )
    if isinstance(X, pl.LazyFrame):
        return X.collect()
    if isinstance(X, pl.DataFrame):
        return X
    if _is_mapping(X):
        return _join((str(name), _to_series(column, str(name))) for name, column in X.items())
    if hasattr(X, "columns") and hasattr(X, "iloc"):
        names = [str(name) for name in X.columns]
        return _join((name, _from_pandas(X.iloc[:, i])) for i, name in enumerate(names))
    array = _two_dimensional(X)
    return _join((f"x{i}", _to_series(array[:, i])) for i in range(array.shape[1]))


def _is_mapping(X: Any) -> bool:
    # one of SciPy's sparse formats is a dict, too
    return isinstance(X, Mapping) and not hasattr(X, "toarray")


def _join(columns: Iterable[tuple[str, pl.Series]]) -> pl.DataFrame:
    import polars as pl

    pairs = list(columns)
    twice = [repr(name) for name, n in Counter(name for name, _ in pairs).items() if n > 1]
    if twice:
        raise TableError(f"column names appear twice: {', '.join(twice)}; rename them")
    lengths = {name: series.len() for name, series in pairs}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r} has {n}" for name, n in list(lengths.items())[:4])
        raise TableError(f"columns differ in their number of rows: {shown}")
    return pl.DataFrame([series.alias(name) for name, series in pairs])


def _two_dimensional(X: Any) -> NDArray[Any]:
    """Return an array that scikit-learn's own checks find two-dimensional and dense."""
    from sklearn.utils import check_array

    # a list of rows may mix text and numbers; as objects they stay what they are
    X = np.array(X, dtype=object) if isinstance(X, list | tuple) else X
    array: NDArray[Any] = check_array(X, dtype=None, ensure_all_finite=False)
    return array


def _from_pandas(column: Any) -> pl.Series:
    zone = getattr(column.dtype, "tz", None)
    if zone is not None:
        return _to_series(column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufmM":
        return _to_series(column.to_numpy())
    values = column.astype(object).to_numpy(copy=True)
    values[column.isna().to_numpy()] = None
    series = _to_series(values)
    # whoever made numbers a pandas category meant levels
    return as_levels(series) if str(column.dtype) == "category" else series


def _to_series(column: Any, name: str = "") -> pl.Series:
    import polars as pl

    if isinstance(column, pl.Series):
        return column
    if not isinstance(column, np.ndarray):
        column = np.asarray(column, dtype=object)
    if column.ndim != 1:
        raise TableError(f"column {name!r} has {column.ndim} dimensions instead of one")
    if column.dtype.kind in "mM":  # polars knows no seconds, and pandas' default are ns
        return pl.Series(column.astype(f"{column.dtype.kind}8[us]"))
    if column.dtype.kind in "OSU":
        values = [None if _absent(value) else value for value in column.tolist()]
        try:
            return pl.Series(values)
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            return pl.Series([None if value is None else str(value) for value in values])
    if column.dtype.kind == "f" and column.dtype.itemsize not in (4, 8):
        column = column.astype(np.float64)
    native = column.dtype.newbyteorder("=")
    return pl.Series(np.ascontiguousarray(column, dtype=native))


def _absent(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


# --- columns ---------------------------------------------------------------------------------


def as_numbers(column: pl.Series) -> NDArray[np.float64]:
    """Return a column as float64, NaN where a value is missing.

    Numbers written as text are read. Anything else is a :class:`TableError` that names
    column, row (the first row of data is row 1) and value.

    Examples
    --------
    >>> import polars
    >>> as_numbers(polars.Series("size", ["1.5", None, "?"]))
    array([1.5, nan, nan])
    >>> as_numbers(polars.Series("size", ["1.5", "big"]))
    Traceback (most recent call last):
    backpass.errors.TableError: column 'size', row 2: 'big' is not a number; ...
    """
    import polars as pl

    dtype = column.dtype
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        text = _tidy(column)
        column = text.cast(pl.Float64, strict=False)
        _refuse_first(text, column, "is not a number; correct it, or leave the cell empty")
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


def as_days(column: pl.Series) -> NDArray[np.float64]:
    """Return dates as days since 1970-01-01 and times as parts of a day, NaN where missing.

    Dates written as text are parsed; one that cannot be is a :class:`TableError`.

    Examples
    --------
    >>> import polars
    >>> as_days(polars.Series("day", ["1970-01-03", None]))
    array([ 2., nan])
    """
    import polars as pl

    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        text = _tidy(column)
        dates = parse_dates(text)
        column = pl.Series(column.name, [None] * len(text)) if dates is None else dates
        _refuse_first(text, column, "is not a date; write it as 2020-12-31")
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


def _tidy(column: pl.Series) -> pl.Series:
    import polars as pl

    return column.cast(pl.String).str.strip_chars().replace(list(MISSING), None)


def _refuse_first(text: pl.Series, parsed: pl.Series, complaint: str) -> None:
    """Raise `TableError` for the first value that was there but could not be parsed."""
    lost = (text.is_not_null() & parsed.is_null()).arg_true()
    if lost.len():
        row = int(lost[0])
        raise TableError(f"column {text.name!r}, row {row + 1}: {text[row]!r} {complaint}")
