"""Lists of rows or of records, and arrays, as polars frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set, Sized
from dataclasses import fields, is_dataclass
from numbers import Number
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from backpass.errors import TableError
from backpass.tabular.series import is_missing, of_array, of_values, reason_of

if TYPE_CHECKING:
    import polars as pl


def read_other(X: Any, read: Callable[[], Any]) -> Any:
    """Return what another library makes of a table, or say why it cannot."""
    try:
        return read()
    except BaseException as error:  # a panic of polars is no Exception
        if not (isinstance(error, Exception) or "Panic" in type(error).__name__):
            raise
        raise TableError(
            f"a table of type {type(X).__name__} cannot be read ({reason_of(error)}); make a "
            "DataFrame of it that can"
        ) from None


def joined(columns: Iterable[tuple[Any, pl.Series]]) -> pl.DataFrame:
    """Return a frame of columns, each with its name, which becomes a text."""
    import polars as pl

    # a name that is missing is as an empty one in a file
    pairs = [("" if is_missing(name) else str(name), series) for name, series in columns]
    names = [name for name, _ in pairs]
    twice = [repr(name) for name, n in Counter(names).items() if n > 1]
    refuse_nameless(names if "''" in twice else [])
    if twice:
        raise TableError(f"column names appear twice: {', '.join(twice[:5])}; rename them")
    lengths = {name: series.len() for name, series in pairs}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r} has {n}" for name, n in list(lengths.items())[:4])
        raise TableError(f"columns differ in their number of rows: {shown}")
    refuse_patterns(names)
    try:
        return pl.DataFrame(dict(pairs))  # of a list, columns without a name would get one
    except UnicodeEncodeError as error:
        raise TableError(
            f"column {error.object!r}: the name is no valid Unicode; rename it"
        ) from None


def fields_of(row: Any) -> list[Any] | None:
    """Return the names of a record's values; None of a row without."""
    if isinstance(row, Mapping):
        return list(row)
    if is_dataclass(row) and not isinstance(row, type):
        return [field.name for field in fields(row)]
    if hasattr(row, "_fields"):  # a named tuple
        return list(row._fields)
    # a row of SQLite
    return list(row.keys()) if hasattr(row, "keys") and hasattr(row, "__getitem__") else None


def of_records(X: Sequence[Any]) -> pl.DataFrame:
    """Return a list of rows, or of records, in which a value that is not there is missing."""
    names: dict[Any, None] = {}
    found = [fields_of(row) for row in X]
    for own in found:
        names.update(dict.fromkeys(own or []))
    if not names and all(own is None for own in found):
        return of_rows(X)
    if None in found:
        i = found.index(None)
        raise TableError(
            f"row {i + 1} is of type {type(X[i]).__name__}, but others have names; give records of "
            "one kind"
        )
    rows = [_as_dict(row, own or []) for row, own in zip(X, found, strict=True)]
    return joined((name, of_values([row.get(name) for row in rows])) for name in names)


def _as_dict(row: Any, names: list[Any]) -> Mapping[Any, Any]:
    if isinstance(row, Mapping):
        return row
    if is_dataclass(row) or hasattr(row, "_fields"):
        return {name: getattr(row, name) for name in names}
    return {name: row[name] for name in names}


def of_rows(rows: Sequence[Any], names: Sequence[Any] = ()) -> pl.DataFrame:
    """Return rows of values without names; text and numbers stay what they are."""
    for i, row in enumerate(rows):
        if hasattr(row, "to_frame"):
            raise TableError("a list of Series may be rows or columns; give a DataFrame")
        scalar = isinstance(row, str | bytes | Number | Set) or getattr(row, "ndim", 1) == 0
        if scalar or not isinstance(row, Sized):
            _refuse_dimensions("1D list")
        if len(row) != len(rows[0]):
            raise TableError(
                f"rows differ in length: row 1 has {len(rows[0])}, row {i + 1} has {len(row)}"
            )
    names = names or [f"x{i}" for i in range(len(rows[0]) if len(rows) else 0)]
    if not (rows and names):
        _refuse_empty((len(rows), len(names)))
    columns = [list(column) for column in zip(*rows, strict=True)]
    return joined((name, of_values(column)) for name, column in zip(names, columns, strict=True))


def of_matrix(X: Any) -> pl.DataFrame:
    """Return an array of two dimensions, or a structured one, as a frame."""
    array = X if isinstance(X, np.ma.MaskedArray) else read_other(X, lambda: np.asarray(X))
    if array.dtype.names:
        if array.ndim != 1:
            raise TableError(
                f"a structured array has one dimension, not {array.ndim}; give X.ravel()"
            )
        return joined((name, of_array(array[name], name)) for name in array.dtype.names)
    if array.ndim == 0 and not hasattr(X, "__array__"):
        raise TableError(
            "a table is a DataFrame, a mapping of columns or an array, not of type "
            f"{type(X).__name__}; give one"
        )
    if array.ndim < 2:
        _refuse_dimensions(f"{array.ndim}D array")
    if array.ndim > 2:
        raise TableError(
            f"Expected 2D array, got {array.ndim}D array instead: X has the shape {array.shape}; "
            "make a row of each sample: X.reshape(len(X), -1)"
        )
    if array.dtype.kind == "c":
        raise TableError("Complex data not supported: make columns of X.real and X.imag")
    if 0 in array.shape:
        _refuse_empty(array.shape)
    return joined((f"x{i}", of_array(array[:, i], f"x{i}")) for i in range(array.shape[1]))


def _refuse_dimensions(kind: str) -> NoReturn:
    raise TableError(  # scikit-learn's own words, which its users and checks know
        f"Expected 2D array, got {kind} instead. Reshape your data: X.reshape(-1, 1) if it is "
        "one column, X.reshape(1, -1) if it is one row"
    )


def _refuse_empty(shape: tuple[int, ...]) -> NoReturn:
    what = f"{shape[0]} sample(s)" if shape[0] == 0 else f"{shape[1]} feature(s)"
    raise TableError(f"Found array with {what} (shape={shape}) while a minimum of 1 is required.")


def refuse_nameless(columns: Sequence[str]) -> None:
    """Raise :class:`TableError` for a column without a name; the first may number the rows."""
    if "" in columns[1:]:
        place = columns[1:].index("") + 2
        raise TableError(f"column {place} of {len(columns)} has no name; name it, or leave it out")


def refuse_patterns(columns: Iterable[str], label: str = "") -> None:
    """Raise :class:`TableError` for a name that polars takes for a pattern, such as ``^a.*$``."""
    for name in columns:
        if name[:1] == "^" and name[-1:] == "$":
            where = f"{label}: " if label else ""
            raise TableError(
                f"{where}column {name!r}: a name that begins with '^' and ends with '$' is taken"
                " for a pattern; rename it"
            )
