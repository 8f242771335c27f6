"""A column of any library, or a list of Python's values, as a polars Series.

The same values become the same Series whatever held them. What has no place among numbers, texts
and dates is kept as it is, as ``Object``, so that it can still be left out; who needs the column
asks :func:`refuse_other_types` first.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
from collections.abc import Iterable, Mapping, Set, Sized
from dataclasses import is_dataclass
from decimal import Decimal
from enum import Enum
from numbers import Complex, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import TableError, brief

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

_PLAIN = {bool: "number", int: "number", float: "number", str: "text", type(None): ""}
_DAYS = 2**63 // 86_400_000_000 - 1  # in 64 bits of microseconds
_ADVICE = {
    "lists": "make a column of each entry",
    "records": "make a column of each field",
    "bytes": "decode them to texts",
    "complex numbers": "make a column of each part",
}


def as_series(column: Any, name: str) -> pl.Series:
    """Return a column, whatever holds it, as a Series without a name.

    Parameters
    ----------
    column : Series of polars or pandas, array of NumPy or Arrow, or sized iterable of values
    name : str
        What messages call it.

    Raises
    ------
    TableError
        If it is no column.

    Examples
    --------
    >>> as_series([1, None, float("nan"), 2.5], "size").to_list()
    [1.0, None, None, 2.5]
    """
    import polars as pl

    if isinstance(column, pl.Series):
        return of_values(column.to_list()) if column.dtype == pl.Object else column
    if isinstance(column, str | bytes | Mapping | Set) or not isinstance(column, Iterable):
        raise TableError(
            f"column {name!r} is one {type(column).__name__} instead of a list of values; "
            "a table of one row is a list of one dict"
        )
    if hasattr(column, "columns"):  # a frame
        raise TableError(f"column {name!r} has 2 dimensions instead of one")
    if "pandas" in sys.modules and hasattr(column, "isna") and hasattr(column, "dtype"):
        return of_pandas(sys.modules["pandas"].Series(column))
    values: Any = column
    try:
        if hasattr(column, "__arrow_c_stream__") or hasattr(column, "__arrow_c_array__"):
            return pl.Series(column)
        if hasattr(column, "__array__"):
            masked = isinstance(column, np.ma.MaskedArray)
            return of_array(values if masked else np.asarray(column), name)
    except TableError:
        raise
    except Exception as error:  # of whatever library
        why = reason_of(error)
        raise TableError(f"column {name!r} cannot be read from {brief(column)}: {why}") from error
    if not isinstance(column, Sized):
        raise TableError(f"column {name!r} is a {type(column).__name__}; make a list of it")
    return of_values(list(column))


def reason_of(error: BaseException) -> str:
    """Return the first sentence of what another library says, or its kind of error."""
    told = str(error).rpartition('ErrString("')[2]  # in a panic of polars
    told = re.split(r"\n|\. ", told)[0].rstrip(".")
    return f"{told[:150]}…" if len(told) > 150 else told or type(error).__name__


def of_array(array: NDArray[Any], name: str) -> pl.Series:
    """Return a one-dimensional array of NumPy as a Series; what is masked is missing."""
    import polars as pl

    if array.ndim != 1:
        raise TableError(f"column {name!r} has {array.ndim} dimensions instead of one")
    if isinstance(array, np.ma.MaskedArray):
        absent = np.ma.getmaskarray(array)
        known = of_array(array.data[~absent], name)
        places = pl.Series(np.where(absent, 0, np.cumsum(~absent) - 1)).set(pl.Series(absent), None)
        return known.gather(places) if known.len() else pl.Series([None] * len(array))
    kind = array.dtype.kind
    if (kind in "mM" and np.datetime_data(array.dtype)[0] not in "YM") or kind == "M":
        # polars knows no seconds, and pandas' default are ns
        return pl.Series(array.astype(f"{kind}8[us]"))
    if kind == "S":  # what NumPy calls bytes are its texts of one byte a character
        try:
            array, kind = np.char.decode(array, "utf-8"), "U"
        except UnicodeDecodeError:
            kind = "O"
    if kind not in "biuf":  # months have no length in days, and NumPy makes numbers of them
        return of_values([None if v != v else v for v in array] if kind == "m" else array.tolist())
    if kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float64)
    return pl.Series(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")))


def of_pandas(column: Any) -> pl.Series:
    """Return a Series of pandas, for which pyarrow is needed only where it holds the values."""
    import polars as pl

    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biufmM":
        return of_array(column.to_numpy(), "")
    if str(dtype).startswith("dictionary"):
        column = column.astype(object).astype("category")
    if str(column.dtype) == "category":  # whoever made numbers a category meant levels
        known = [_spelled(_plain(v)) for v in column.cat.categories.astype(object)]
        codes = column.cat.codes.to_numpy()
        levels = of_values([*known, None]).gather(np.where(codes < 0, len(known), codes))
        return levels if levels.dtype == pl.Object else levels.cast(pl.Categorical)
    if getattr(dtype, "pyarrow_dtype", None) is not None:
        return pl.Series(column.array.__arrow_array__())
    if getattr(dtype, "tz", None) is not None:
        return of_array(column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), "")
    return of_values(column.astype(object).to_numpy().tolist())


# --- values of Python ------------------------------------------------------------------------


def of_values(values: list[Any]) -> pl.Series:
    """Return Python's values as a Series: numbers, truth values, texts, dates or times.

    Numbers of different types become one, dates of different zones are put into UTC, and any other
    mixture becomes texts.

    Examples
    --------
    >>> of_values([Decimal("1.5"), 2, None]).to_list()
    [1.5, 2.0, None]
    >>> of_values(["a", 1.0, True]).to_list()
    ['a', '1', 'True']
    """
    import polars as pl

    types = {type(value) for value in values}
    if types <= _PLAIN.keys():
        plain = [None if value != value else value for value in values]
    else:
        plain = [None if is_missing(value) else _plain(value) for value in values]
    types = {type(value) for value in plain}
    types.discard(type(None))
    if not types:
        return pl.Series([None] * len(values))
    zones = _AwareTime in types and types & {dt.date, dt.datetime}
    if types <= _TEXT_LIKE.keys() and not zones:
        try:
            return _of_plain(plain, types)
        except (OverflowError, UnicodeEncodeError, pl.exceptions.PolarsError):
            pass
    return pl.Series([None if is_missing(value) else value for value in values], dtype=pl.Object)


def _of_plain(plain: list[Any], types: set[type]) -> pl.Series:
    import polars as pl

    if types <= {bool, int, float}:
        return _of_numbers(plain, types)
    if types <= {dt.date, dt.datetime}:
        days = types == {dt.date}
        return pl.Series(
            plain if days else [_midnight(v) if type(v) is dt.date else v for v in plain],
            dtype=pl.Date if days else pl.Datetime("us"),
        )
    if types == {_AwareTime}:
        return pl.Series([v and v.utc for v in plain], dtype=pl.Datetime("us"))
    if types == {dt.timedelta} and any(v and abs(v.days) > _DAYS for v in plain):
        raise OverflowError
    if len(types) == 1 and types != {str}:
        return pl.Series(plain, dtype=pl.Time if dt.time in types else pl.Duration("us"))
    texts = [value if value is None else _spelled(value) for value in plain]
    return pl.Series(texts, dtype=pl.String)


def is_missing(value: object) -> bool:
    """Return whether a value says that there is none: None, NaN, NaT or pandas' NA.

    Examples
    --------
    >>> [is_missing(x) for x in (None, np.float32("nan"), np.datetime64("NaT"), Decimal("NaN"), "")]
    [True, True, True, True, False]
    """
    if value is None:
        return True
    if isinstance(value, float | np.floating | np.datetime64 | np.timedelta64 | dt.datetime):
        return bool(value != value)
    if isinstance(value, Decimal):
        return value.is_nan()
    return type(value).__name__ in ("NAType", "NaTType")  # pandas need not be installed


class _AwareTime:
    """A time with a zone, in UTC."""

    def __init__(self, value: dt.datetime) -> None:
        try:
            self.utc = _naive(value.astimezone(dt.UTC))
        except OverflowError:  # in the first or last hours that there are
            self.utc = _naive(value)

    def __str__(self) -> str:
        return f"{self.utc}+00:00"


_TEXT_LIKE = dict.fromkeys(
    [bool, int, float, str, dt.date, dt.datetime, dt.time, dt.timedelta, _AwareTime]
)


def _plain(value: Any) -> Any:
    """Return a value as one of the types in `_TEXT_LIKE` or, if it is none, as it is."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        months = np.datetime_data(value.dtype)[0] in "YM" and isinstance(value, np.timedelta64)
        told = value.astype(int if months else f"{value.dtype.kind}8[us]").item()
        if isinstance(told, int) and not months:  # beyond the year 9999
            return str(value)
        value = told
    elif isinstance(value, np.generic) and not isinstance(value, np.longdouble):
        value = value.item()
    if isinstance(value, Enum) and not isinstance(value, int | str):
        return value.name
    if hasattr(value, "start_time") and hasattr(value, "freqstr"):  # a Period of pandas
        value = value.start_time
    if type(value) in _TEXT_LIKE and not isinstance(value, dt.datetime):
        return value
    if isinstance(value, dt.datetime):
        return _naive(value) if value.tzinfo is None else _AwareTime(value)
    if isinstance(value, dt.timedelta):
        return dt.timedelta(value.days, value.seconds, value.microseconds)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Real | Decimal):
        return _float(value)
    return _text(value)


def _text(value: Any) -> Any:
    """Return the text of a value that has one, such as an UUID; others as they are."""
    kind: Any = type(value)
    tells = kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__
    if not tells or _kind_of_object(value) in _ADVICE or kind.__hash__ is None:
        return value
    return str(value)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _of_numbers(plain: list[Any], types: set[type]) -> pl.Series:
    import polars as pl

    if types == {bool}:
        return pl.Series(plain, dtype=pl.Boolean)
    if float not in types:
        for dtype in (pl.Int64, pl.Int128):
            try:
                return pl.Series([v if v is None else int(v) for v in plain], dtype=dtype)
            except (OverflowError, TypeError, pl.exceptions.PolarsError):
                continue
    return pl.Series([v if v is None else _float(v) for v in plain], dtype=pl.Float64)


def _naive(value: dt.datetime) -> dt.datetime:
    """Return a time without its zone and, of a Timestamp of pandas, without its nanoseconds."""
    return dt.datetime.combine(value.date(), value.time())


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day)


def _spelled(value: Any) -> str:
    """Return the text of a value in a mixed column; a whole number has no ``.0``."""
    if type(value) is float and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


# --- what is no column of values ----------------------------------------------------------------


def refuse_other_types(
    column: pl.Series, what: str = "column", otherwise: str = "leave it out"
) -> None:
    """Refuse a column of lists, records, bytes or objects, which are no single values.

    Parameters
    ----------
    column : polars.Series
    what : str
        ``"column"``, or what else the column is, for the message.
    otherwise : str
        What may be done instead of mending it.

    Raises
    ------
    TableError
        It says in plain words what the column holds, and what to do.

    Examples
    --------
    >>> import polars
    >>> refuse_other_types(polars.Series("tags", [["a", "b"], []]))
    Traceback (most recent call last):
    backpass.errors.TableError: column 'tags' holds lists; make a column of each entry, or leave it
    out
    """
    import polars as pl

    dtype = column.dtype
    base = dtype.base_type()  # whose identity is known faster than whether two are equal
    if not (base is pl.Binary or base is pl.Object or dtype.is_nested()):
        return
    if dtype == pl.Object:
        values = [value for value in column.to_list() if value is not None]
        strange = [value for value in values if not isinstance(_plain(value), tuple(_TEXT_LIKE))]
        held = _kind_of_object((strange or values)[0])
        if not strange:
            times = any(isinstance(value, dt.date) for value in values)
            texts = any(isinstance(value, str) for value in values)
            held = "times with and without a zone" if times else "values out of range"
            held = "text that is no valid Unicode" if texts else held
    elif dtype == pl.Binary:
        held = "bytes"
    else:
        held = "records" if dtype in (pl.Struct,) else "lists"
    mend = _ADVICE.get(held, "convert them to numbers, texts or dates")
    raise TableError(f"{what} {column.name!r} holds {held}; {mend}, or {otherwise}")


def _kind_of_object(value: Any) -> str:
    if isinstance(value, Mapping | np.void) or is_dataclass(value) or hasattr(value, "_fields"):
        return "records"
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "lists"
    if isinstance(value, Complex) and not isinstance(value, Real):
        return "complex numbers"
    return f"objects ({type(value).__name__})"
