"""The encoding of a table: columns of numbers, texts and dates become one matrix of finite numbers.

It takes the columns by name, says in words what it cannot use, and its fitted state is plain
numbers and texts, which a model file can hold without executing anything when it is read. Nothing
here needs scikit-learn: a model is loaded and used without importing it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from backpass.core.hints import closest
from backpass.errors import InputError, ModelFileError, TableError, TableWarning, warn_caller
from backpass.storage.schema import Bool, Int, ListOf, Number, OneOf, Schema, Text, check
from backpass.tabular.columns import (
    CategoryColumn,
    Column,
    ColumnRule,
    DroppedColumn,
    Rules,
    column_of,
    fit_column,
    state_of,
)
from backpass.tabular.frames import as_frame, has_names

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import ArrayLike, NDArray

#: What `TableEncoding.to_state` returns, for checking a model file.
STATE_SCHEMA: dict[str, Schema] = {
    "categorical": ListOf(Text()),
    "max_levels": Int(min=1),
    "min_count": Int(min=1),
    "clip": Number(min=0.01),
    "dtype": OneOf("float32", "float64"),
    "named": Bool(),
    "columns": ListOf(ColumnRule(), shortest=1),
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


class TableEncoding:
    """What turns the columns of a table into numbers that a network learns well from.

    Of a model; :class:`~backpass.tabular.encoder.TableEncoder` is the same as a transformer of
    scikit-learn, and says what becomes of which column.

    Parameters
    ----------
    categorical, max_levels, min_count, clip, dtype
        As of :class:`~backpass.tabular.encoder.TableEncoder`.

    Attributes
    ----------
    columns_ : list of Column
        What was learnt, one record for each column of the table in fit.

    Examples
    --------
    >>> table = {"size": [1.0, 2.0, 3.0, None], "city": ["Bonn", "Oslo", "Oslo", "Bonn"]}
    >>> encoding = TableEncoding().fit(table)
    >>> encoding.transform(table).round(2).tolist()[3]
    [0.0, 1.0, 1.0, 0.0]
    """

    def __init__(
        self,
        *,
        categorical: Sequence[str] = (),
        max_levels: int = 64,
        min_count: int = 5,
        clip: float = 3.0,
        dtype: str = "float32",
    ) -> None:
        self.categorical = categorical
        self.max_levels = max_levels
        self.min_count = min_count
        self.clip = clip
        self.dtype = dtype

    # --- fit and transform -------------------------------------------------------------------

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn how to encode each column.

        Parameters
        ----------
        X : polars or pandas DataFrame, mapping of name to column, or 2-D array-like
            The training rows, without the target.
        y : ignored
            For scikit-learn's pipelines.

        Returns
        -------
        TableEncoding
            The fitted encoder.

        Raises
        ------
        TableError
            If the table has no row or no useful column, or a value cannot be used.
        """
        rules = self._rules()
        frame = as_frame(X)
        if frame.width == 0 or frame.height == 0:
            raise TableError(f"the table has {frame.height} rows and {frame.width} columns")
        unknown = [name for name in self.categorical if name not in frame.columns]
        if unknown:
            raise InputError(f"categorical: {_missing_columns(unknown, frame.columns)}")
        self.columns_: list[Column] = [
            fit_column(column, rules, categorical=column.name in self.categorical)
            for column in frame
        ]
        self._set_names(frame.columns, named=has_names(X))
        self._warn_about_columns(frame.height)
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """Encode rows; the columns may come in any order, and others are ignored.

        Parameters
        ----------
        X : polars or pandas DataFrame, mapping of name to column, or 2-D array-like
            Rows with the columns of the training rows.

        Returns
        -------
        ndarray of shape (rows, outputs)
            C-contiguous, of `dtype`, without NaN or infinity.

        Raises
        ------
        TableError
            If columns are missing, or a value is not of its column's kind.
        """
        self._check_fitted()
        rules = self._rules()
        frame = self._matched(as_frame(X), named=has_names(X))
        widths = [len(column.outputs) for column in self.columns_]
        out = np.zeros((frame.height, sum(widths)), dtype=self.dtype)
        begin = 0
        for column, width in zip(self.columns_, widths, strict=True):
            if width:
                column.encode(frame[column.name], rules, out[:, begin : begin + width])
            begin += width
        return out

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return the names of the outputs, such as ``size``, ``city=Oslo``, ``city=(other)``.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Must be the names of the columns, if given.

        Returns
        -------
        ndarray of str
            One name for each output, all different.
        """
        self._check_fitted()
        known = [column.name for column in self.columns_]
        if input_features is not None and list(np.asarray(input_features)) != known:
            raise ValueError("input_features is not equal to feature_names_in_")
        names: dict[str, None] = {}
        for name in (name for column in self.columns_ for name in column.outputs):
            unique, number = name, 2
            while unique in names:  # a column may be called as another's level
                unique, number = f"{name} [{number}]", number + 1
            names[unique] = None
        return np.array(list(names), dtype=object)

    def describe(self) -> list[ColumnSummary]:
        """Return what was understood of each column, in the order of the table.

        Returns
        -------
        list of ColumnSummary
            Name, kind (number, category, date or dropped), number of missing values in
            training, of levels and of outputs, and a note.

        Examples
        --------
        >>> from backpass.tabular.encoding import TableEncoding
        >>> TableEncoding().fit({"city": ["Bonn", "Oslo"]}).describe()
        [ColumnSummary(name='city', kind='category', missing=0, levels=2, outputs=2, note='')]
        """
        self._check_fitted()
        return [
            ColumnSummary(
                name=column.name,
                kind=column.kind,
                missing=column.missing,
                levels=len(column.levels) + column.rare
                if isinstance(column, CategoryColumn)
                else 0,
                outputs=len(column.outputs),
                note=column.note,
            )
            for column in self.columns_
        ]

    def text_columns(self) -> list[str]:
        """Return the categories that were text in training, for ``read_table(as_text=…)``.

        A file of few rows may hold only numbers there, and as numbers 007 and 7 are the same.

        Returns
        -------
        list of str
            Names of columns.
        """
        self._check_fitted()
        categories = (c for c in self.columns_ if isinstance(c, CategoryColumn))
        return [column.name for column in categories if column.text]

    # --- state -------------------------------------------------------------------------------

    def to_state(self) -> dict[str, Any]:
        """Return settings and everything learnt as JSON values, in which every number is exact."""
        self._check_fitted()
        settings = {name: getattr(self, name) for name in STATE_SCHEMA if hasattr(self, name)}
        settings["categorical"] = list(self.categorical)
        columns = [state_of(column) for column in self.columns_]
        return {**settings, "named": hasattr(self, "feature_names_in_"), "columns": columns}

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Rebuild an encoder, which encodes as the original does, bit for bit.

        Parameters
        ----------
        state : dict
            What `to_state` returned; it is checked, since it may come from a stranger's file.

        Raises
        ------
        ModelFileError
            If `to_state` could not have returned it.

        Examples
        --------
        >>> from backpass.tabular.encoding import TableEncoding
        >>> encoder = TableEncoding().fit({"size": [1.0, 2.0]})
        >>> TableEncoding.from_state(encoder.to_state()).describe() == encoder.describe()
        True
        """
        check(state, STATE_SCHEMA, "encoder")
        columns = [column_of(column) for column in state["columns"]]
        names = [column.name for column in columns]
        if len(set(names)) < len(names):
            raise ModelFileError("encoder.columns: two have the same name")
        settings = {key: state[key] for key in STATE_SCHEMA if key not in ("named", "columns")}
        encoder = cls(**{**settings, "categorical": tuple(settings["categorical"])})
        encoder.columns_ = columns
        encoder._set_names(names, named=state["named"])
        return encoder

    # --- helpers -----------------------------------------------------------------------------

    def _check_fitted(self) -> None:
        if not hasattr(self, "columns_"):
            raise InputError("this encoding has learnt nothing yet; call fit first")

    def _rules(self) -> Rules:
        """Return the settings after checking them."""
        for name in ("max_levels", "min_count"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise InputError(f"{name} must be an integer of at least 1, not {value!r}")
        if not (isinstance(self.clip, Real) and 0.01 <= self.clip < math.inf):
            raise InputError(f"clip must be a number of at least 0.01, not {self.clip!r}")
        if self.dtype not in ("float32", "float64"):
            raise InputError(f"dtype must be 'float32' or 'float64', not {self.dtype!r}")
        if isinstance(self.categorical, str):
            raise InputError(f"categorical must list names: [{self.categorical!r}]")
        return Rules(int(self.max_levels), int(self.min_count), float(self.clip))

    def _set_names(self, names: list[str], *, named: bool) -> None:
        self.n_features_in_ = len(names)
        if named:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _warn_about_columns(self, rows: int) -> None:
        dropped: dict[str, list[str]] = {}
        for column in self.columns_:
            if isinstance(column, DroppedColumn):
                dropped.setdefault(column.note, []).append(column.name)
            elif isinstance(column, CategoryColumn) and column.remark:
                _warn(f"column {column.name!r} is {column.remark}")
        for reason, names in dropped.items():
            _warn(f"dropped {_listed(names)}: {reason}")
        if sum(map(len, dropped.values())) == len(self.columns_):
            reasons = "; ".join(f"{_listed(names)}: {reason}" for reason, names in dropped.items())
            raise TableError(
                f"no column tells anything: {rows} sample(s), all columns dropped ({reasons}); "
                "give others"
            )

    def _matched(self, frame: pl.DataFrame, *, named: bool) -> pl.DataFrame:
        """Return the frame with the columns of fit, by name if both have names."""
        names = [column.name for column in self.columns_]
        was_named = hasattr(self, "feature_names_in_")
        if named and was_named:
            needed = [column.name for column in self.columns_ if column.outputs]
            present = {*frame.columns}  # polars makes the list anew each time
            absent = [name for name in needed if name not in present]
            if absent:
                missing = _missing_columns(absent, frame.columns)
                raise TableError(f"{missing}; give the columns of training")
            return frame.select(needed)
        if frame.width != self.n_features_in_:
            raise TableError(  # scikit-learn's own words, which its users and checks know
                f"X has {frame.width} features, but {type(self).__name__} is expecting"
                f" {self.n_features_in_} features as input"
            )
        if named != was_named:
            having = "has no column names, but training had" if was_named else "has column names"
            _warn(f"X {having}; columns are taken in the order of training")
        return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _warn(message: str) -> None:
    warn_caller(message, TableWarning)


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _missing_columns(absent: list[str], present: list[str]) -> str:
    """Return ``the table has no column 'citty' (did you mean 'city'?)``."""
    parts = []
    for name in absent[:5]:
        meant = closest(name, present, elsewhere=())
        parts.append(repr(name) + (f" (did you mean {meant!r}?)" if meant else ""))
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    return f"the table has no column {', '.join(parts)}{more}"
