"""Tables of other libraries as polars frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import date
from numbers import Integral, Number
from typing import TYPE_CHECKING, Any

from backpass.core.hints import closest
from backpass.errors import InputError, TableError, brief
from backpass.tabular.rows import (
    fields_of,
    joined,
    of_matrix,
    of_records,
    of_rows,
    read_other,
    refuse_patterns,
)
from backpass.tabular.series import as_series, of_pandas

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


# --- tables ----------------------------------------------------------------------------------


def has_names(X: Any) -> bool:
    """Return whether the columns of a table have names, by which they are found in any order.

    All have but arrays and lists of rows; those that pandas numbers by itself are none either.
    """
    if hasattr(X, "iloc") or _is_mapping(X):
        labels = [*(X if _is_mapping(X) else X.columns)]
        return labels != [*range(len(labels))]
    if isinstance(X, list | tuple):
        return bool(X) and fields_of(X[0]) is not None
    if getattr(getattr(X, "dtype", None), "names", None):  # a structured array
        return True
    # to ask a lazy frame for its columns warns
    told = ("collect_schema", "__arrow_c_stream__", "__dataframe__", "fetchall")
    return any(hasattr(X, name) for name in told)


def as_frame(X: Any) -> pl.DataFrame:
    """Return a table as a polars frame.

    Parameters
    ----------
    X : DataFrame, mapping of name to column, 2-D array-like or list of records
        The table: a frame of polars or pandas (which is taken column by column, so pyarrow is not
        needed), a table of pyarrow, a result of DuckDB or of another database, or any object with
        ``__arrow_c_stream__`` or ``__dataframe__``; a structured array; a list of dicts, named
        tuples or dataclasses. The columns of an array or of a list of rows are called x0, x1, …
        and may hold numbers in one and text in another. Names that are no texts become theirs.

    Returns
    -------
    polars.DataFrame
        The same columns and rows; None, NaN, NaT and pandas' NA are missing, whatever held them.

    Raises
    ------
    TableError
        If it is no table, two columns have the same name or columns differ in length.
    InputError
        In a process that was forked from one that had used tables.

    Examples
    --------
    >>> as_frame({"size": [1, None], "city": ["Bonn", "Oslo"]}).rows()
    [(1, 'Bonn'), (None, 'Oslo')]
    >>> as_frame([{"size": 1}, {"size": 2, "city": "Oslo"}]).rows()
    [(1, None), (2, 'Oslo')]
    """
    import polars as pl

    check_not_forked()
    if isinstance(X, pl.LazyFrame):
        X = read_other(X, X.collect)
    if isinstance(X, pl.DataFrame):
        refuse_patterns(X.columns)
        held = [n for n, dtype in X.schema.items() if dtype == pl.Object]
        return X.with_columns(as_series(X[n], n).alias(n) for n in held) if held else X
    _refuse_no_table(X)
    if _is_mapping(X):
        return joined((name, as_series(column, str(name))) for name, column in X.items())
    if hasattr(X, "columns") and hasattr(X, "iloc"):
        return joined((name, of_pandas(column)) for name, column in X.items())
    # DuckDB gives its intervals as Arrow's of months, days and nanoseconds, which polars has not
    months = hasattr(X, "fetchall") and "INTERVAL" in str(getattr(X, "types", ""))
    if hasattr(X, "__arrow_c_stream__") and not months:
        whole = getattr(X, "read_all", lambda: X)  # old polars takes a reader for a list
        return as_frame(read_other(X, lambda: pl.DataFrame(whole())))
    if hasattr(X, "__dataframe__"):
        return as_frame(read_other(X, lambda: pl.from_dataframe(X)))
    if hasattr(X, "fetchall") and getattr(X, "description", None):  # of any database's cursor
        rows = read_other(X, X.fetchall)
        return of_rows(rows, [column[0] for column in X.description])
    if isinstance(X, list | tuple):
        return of_records(X)
    return of_matrix(X)


def columns_named(frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """Return some columns of a frame, in the order of their names.

    polars' own ``select``, ``drop`` and ``col`` take ``*`` for all of them.

    Examples
    --------
    >>> columns_named(as_frame({"*": [1], "size": [2]}), ["*"]).columns
    ['*']
    """
    wanted = [*names]
    return frame[wanted] if wanted else frame.select([])  # frame[[]] has rows to choose


def text_name(name: Any, columns: Sequence[str]) -> Any:
    """Return the name in a frame that `as_frame` made of the column that a caller means.

    Parameters
    ----------
    name : object
        A text, a label that is none (an integer, a tuple), or a position where there are no names.
    columns : sequence of str
        Names in the frame.

    Returns
    -------
    str or object
        `name` itself where no column is meant by it.

    Examples
    --------
    >>> text_name(1, ["x0", "x1"]), text_name(2020, ["2019", "2020"]), text_name(2, ["a", "b"])
    ('x1', '2020', 2)
    """
    if isinstance(name, str):
        return str(name)
    if not isinstance(name, Number | tuple | date) or isinstance(name, bool):
        return name
    if isinstance(name, Integral) and [*columns] == [f"x{i}" for i in range(len(columns))]:
        return columns[int(name)] if 0 <= int(name) < len(columns) else name
    return str(name) if str(name) in columns else name


def _is_mapping(X: Any) -> bool:
    # one of SciPy's sparse formats is a dict, too
    return isinstance(X, Mapping) and not hasattr(X, "toarray")


def _refuse_no_table(X: Any) -> None:
    """Refuse what is no table, without a word of the data in it."""
    kind = "None" if X is None else f"of type {type(X).__name__}"
    if isinstance(X, str | bytes | os.PathLike):
        mend = "read a file with read_table of backpass.tabular.files"
    elif isinstance(X, Iterator) and not (
        hasattr(X, "fetchall") or hasattr(X, "__arrow_c_stream__")
    ):
        mend = "make a list of it"
    elif hasattr(X, "toarray"):
        raise TableError(f"X is sparse ({type(X).__name__}), and a table dense; give X.toarray()")
    elif hasattr(X, "compute") and hasattr(X, "columns"):  # of Dask
        mend = "give X.compute()"
    elif hasattr(X, "to_frame") and not hasattr(X, "columns"):
        mend = "one column becomes a table by its to_frame()"
    elif hasattr(X, "to_pylist") and not hasattr(X, "schema"):  # of pyarrow
        mend = "one column becomes a table in a dict, as {'x': column}"
    elif X is None or isinstance(X, Number | Set | type):
        mend = "give one"
    else:
        return
    raise TableError(
        f"a table is a DataFrame, a mapping of columns or an array, not {kind}; {mend}"
    )


def with_columns_of_training(frame: pl.DataFrame, needed: Sequence[str]) -> pl.DataFrame:
    """Return a table that has the columns of training; others are left where they are.

    To leave them out takes longer than all else with a row that is predicted alone.

    Raises
    ------
    TableError
        When one is not there.
    """
    present = {*frame.columns}  # polars makes the list anew each time
    absent = [name for name in needed if name not in present]
    if absent:
        raise TableError(f"{no_columns(absent, frame.columns)}; give the columns of training")
    return frame


def no_columns(absent: Sequence[Any], present: Sequence[str]) -> str:
    """Return what to say of columns that are not there, with the names that were meant.

    Examples
    --------
    >>> no_columns(["citty"], ["city", "size"])
    "the table has no column 'citty' (did you mean 'city'?)"
    """
    parts = []
    for name in absent[:5]:
        meant = closest(name, present, elsewhere=()) if isinstance(name, str) else None
        parts.append(brief(name) + (f" (did you mean {meant!r}?)" if meant else ""))
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    return f"the table has no column {', '.join(parts)}{more}"
