"""The encoding of a table: columns of numbers, texts and dates become one matrix of finite numbers.

It takes the columns by name, says in words what it cannot use, and its fitted state is plain
numbers and texts, which a model file can hold. A model is used without importing scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self, TypeGuard

import numpy as np

from backpass.core.requirements import check_values
from backpass.errors import (
    InputError,
    ModelFileError,
    TableError,
    TableWarning,
    brief,
    warn_caller,
)
from backpass.storage.schema import Bool, Int, ListOf, Number, OneOf, Optional, Schema, Text, check
from backpass.tabular.columns import (
    CategoryColumn,
    ColumnRule,
    ColumnSummary,
    Rules,
    column_of,
    encode_piece,
    encode_rows,
    fit_columns,
    number_places,
    state_of,
    warn_of_columns,
)
from backpass.tabular.conventions import CONVENTION_SCHEMA, PLAIN, Convention, without_marks
from backpass.tabular.frames import (
    as_frame,
    columns_named,
    has_names,
    no_columns,
    text_name,
    with_columns_of_training,
)
from backpass.tabular.number_bins import BINS_ASKED, BINS_SCHEMA, NO_BINS, NumberBins, fit_bins
from backpass.tabular.rows import refuse_nameless
from backpass.tabular.scaled_columns import Remarks
from backpass.tabular.text_columns import Understood, understand

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
    "convention": Optional(CONVENTION_SCHEMA),  # older files have none
    "bins": Optional(BINS_SCHEMA),
}
PART = 1 << 17  # rows that are encoded and predicted at a time
_SETTINGS = ("categorical", "max_levels", "min_count", "clip", "dtype")
# Older versions told the convention of each table anew, and took the day of a date to come first.
_BEFORE_CONVENTIONS = Convention(dates="day-first")


class TableEncoding:
    """What turns the columns of a table into numbers that a network learns well from.

    Of a model; :class:`~backpass.tabular.encoder.TableEncoder` is the same as a transformer of
    scikit-learn, and says what becomes of which column.

    Parameters
    ----------
    categorical, max_levels, min_count, clip, dtype, convention, bins
        As of :class:`~backpass.tabular.encoder.TableEncoder`.

    Attributes
    ----------
    columns_ : list of Column
        What was learnt, one record for each column of the table in fit.
    convention_ : Convention or None
        How the texts of the table were written, which holds for others; None in a model of an
        older version, which tells it anew from each table.
    bins_ : NumberBins
        The bins of numbers and dates, whose outputs come after those of all columns.

    Examples
    --------
    >>> table = {"size": [1.0, 2.0, 3.0, None], "city": ["Bonn", "Oslo", "Oslo", "Bonn"]}
    >>> encoding = TableEncoding().fit(table)
    >>> encoding.transform(table).round(2).tolist()[3]
    [0.0, 1.0, 1.0, 0.0]
    """

    bins: str | int = "none"  # pickles of older versions have neither of the two
    bins_: NumberBins = NO_BINS
    _remarks: Remarks | None = None  # where those of several tables are told once

    def __init__(
        self,
        *,
        categorical: Sequence[Any] | None = (),
        max_levels: int = 64,
        min_count: int = 5,
        clip: float = 3.0,
        dtype: str = "float32",
        convention: Convention | None = None,
        bins: str | int = "none",
    ) -> None:
        self.categorical = categorical
        self.max_levels = max_levels
        self.min_count = min_count
        self.clip = clip
        self.dtype = dtype
        self.convention = convention
        self.bins = bins

    # --- fit and transform -------------------------------------------------------------------

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn how to encode each column.

        Parameters
        ----------
        X : table
            What :func:`~backpass.tabular.frames.as_frame` takes: the training rows, without the
            target.
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
        self._rules()  # refuses wrong settings first
        frame = as_frame(X)
        told = understand(frame, self.convention, as_text=self._categories(frame.columns))
        return self.learn(told, named=has_names(X))

    def learn(self, told: Understood, *, named: bool = True) -> Self:
        """Learn from a table whose texts are understood.

        Parameters
        ----------
        told : Understood
            The training rows, without the target.
        named : bool
            Whether its columns have names.

        Raises
        ------
        TableError
            As `fit`.
        """
        rules, frame = self._rules(), told.frame
        if frame.width == 0 or frame.height == 0:
            raise TableError(f"the table has {frame.height} rows and {frame.width} columns")
        refuse_nameless(frame.columns)
        categorical = self._categories(frame.columns)
        unknown = [name for name in categorical if name not in frame.columns]
        if unknown:
            raise InputError(f"categorical: {no_columns(unknown, frame.columns)}")
        self.columns_ = fit_columns(frame, rules, categorical=categorical, remarks=told.reasons)
        self.convention_ = told.convention
        self.bins_ = self._fit_bins(frame)
        self._set_names(frame.columns, named=named)
        warn_of_columns(self.columns_, frame.height)
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """Encode rows; the columns may come in any order, and others are ignored.

        Parameters
        ----------
        X : table
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
        return self.encode(as_frame(X), named=has_names(X))

    def encode(self, frame: pl.DataFrame, *, named: bool = True) -> NDArray[Any]:
        """Encode the rows of a polars frame, as `transform` does those of any table."""
        (whole,) = self.encode_in_parts(frame, rows=max(1, frame.height), named=named)
        return whole

    def encode_in_parts(
        self, frame: pl.DataFrame, rows: int = PART, *, named: bool = True
    ) -> Iterator[NDArray[Any]]:
        """Encode the rows of a polars frame so many at a time, in order; none make one part."""
        self._check_fitted()
        frame = self.understood(self._matched(frame, named=named))
        rules = replace(self._rules(), convention=self.convention_ or PLAIN)
        width, remarks = self.width, self._remarks or Remarks()
        for begin in range(0, max(1, frame.height), rows):
            part = frame.slice(begin, rows) if rows < frame.height else frame
            out = np.zeros((part.height, width), dtype=self.dtype)
            try:
                remarks.add(encode_rows(self.columns_, part, rules, out, self.bins_))
            except TableError:  # which names a row of a part: of the whole, it names the table's
                whole = np.zeros((frame.height, width), dtype=self.dtype)
                encode_piece(self.columns_, frame, rules, whole, self.bins_)
                raise
            yield out
        if self._remarks is None:
            remarks.tell()

    @contextmanager
    def telling_once(self) -> Iterator[None]:
        """Tell what is odd about the rows of several tables at the end of the ``with``."""
        self._remarks = remarks = Remarks()
        try:
            yield
            remarks.tell()
        finally:
            self._remarks = None

    def understood(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a table without the marks for missing that training was told, numbers too.

        For a model of an older version, which tells each table's convention anew, all its texts are
        what they mean.
        """
        if self.convention_ is not None:
            return without_marks(frame, self.convention_.missing)
        return understand(frame, _BEFORE_CONVENTIONS, as_text=self.text_columns()).frame

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
        outputs = [name for column in self.columns_ for name in column.outputs]
        for name in [*outputs, *self.bins_.names(outputs)]:
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
            training, of levels and of outputs (without bins), and a note.

        Examples
        --------
        >>> TableEncoding().fit({"city": ["Bonn", "Oslo"]}).describe()
        [ColumnSummary(name='city', kind='category', missing=0, levels=2, outputs=2, note='')]
        """
        self._check_fitted()
        return [ColumnSummary.of(column) for column in self.columns_]

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
        settings = {name: getattr(self, name) for name in _SETTINGS}
        settings["categorical"] = self._categories([column.name for column in self.columns_])
        bins = self.bins_.state() | {"asked": str(self.bins)}
        return {
            **settings,
            **({} if self.bins == "none" else {"bins": bins}),
            "named": hasattr(self, "feature_names_in_"),
            "columns": [state_of(column) for column in self.columns_],
            "convention": self.convention_ and self.convention_.state(),
        }

    @classmethod
    def from_state(cls, state: Any, *, checked: bool = False) -> Self:
        """Rebuild an encoder, which encodes as the original does, bit for bit.

        Parameters
        ----------
        state : dict
            What `to_state` returned; it is checked, since it may come from a stranger's file.
        checked : bool
            Whether that has been done.

        Raises
        ------
        ModelFileError
            If `to_state` could not have returned it.

        Examples
        --------
        >>> encoder = TableEncoding().fit({"size": [1.0, 2.0]})
        >>> TableEncoding.from_state(encoder.to_state()).describe() == encoder.describe()
        True
        """
        if not checked:
            check(state, STATE_SCHEMA, "encoder")
        columns = [column_of(column) for column in state["columns"]]
        names = [column.name for column in columns]
        if len(set(names)) < len(names):
            raise ModelFileError("encoder.columns: two have the same name")
        settings = {key: state[key] for key in _SETTINGS}
        encoder = cls(**{**settings, "categorical": tuple(settings["categorical"])})
        encoder.columns_ = columns
        told = state.get("convention")
        try:
            encoder.convention_ = told and Convention.of(told)
        except InputError as error:
            raise ModelFileError(f"encoder.convention: {error}") from None
        encoder.bins_ = NO_BINS
        if bins := state.get("bins"):
            encoder.bins_ = NumberBins.of(bins, encoder.plain_width)
            encoder.bins = int(bins["asked"]) if bins["asked"].isdecimal() else "auto"
        encoder._set_names(names, named=state["named"])
        return encoder

    @property
    def plain_width(self) -> int:
        """How many outputs there are beside bins: the first ones."""
        return sum(column.width for column in self.columns_)

    @property
    def width(self) -> int:
        """How many outputs there are."""
        return self.plain_width + self.bins_.width

    # --- helpers -----------------------------------------------------------------------------

    def _check_fitted(self) -> None:
        if not hasattr(self, "columns_"):
            raise InputError("this encoding has learnt nothing yet; call fit first")

    def _rules(self) -> Rules:
        """Return the settings after checking them."""
        for name in ("max_levels", "min_count"):
            value = getattr(self, name)
            if not _is_integer(value) or value < 1:
                raise InputError(f"{name} must be an integer of at least 1, not {brief(value)}")
        if not (isinstance(self.clip, Real) and 0.01 <= self.clip < math.inf):
            raise InputError(f"clip must be a number of at least 0.01, not {brief(self.clip)}")
        if not isinstance(self.dtype, str) or self.dtype not in ("float32", "float64"):
            raise InputError(f"dtype must be 'float32' or 'float64', not {brief(self.dtype)}")
        if isinstance(self.categorical, str):
            raise InputError(f"categorical must list names: [{self.categorical!r}]")
        if not isinstance(self.categorical, Iterable | None):
            raise InputError(f"categorical must list names, not {brief(self.categorical)}")
        check_values(self, {"bins": BINS_ASKED})
        return Rules(int(self.max_levels), int(self.min_count), float(self.clip))

    def _fit_bins(self, frame: pl.DataFrame) -> NumberBins:
        """Learn the bins of the columns of numbers and dates, as they are encoded."""
        if self.bins == "none":
            return NO_BINS
        rules = replace(self._rules(), convention=self.convention_ or PLAIN)
        X = np.zeros((frame.height, self.plain_width), dtype=self.dtype)
        encode_rows(self.columns_, frame, rules, X)
        count = None if isinstance(self.bins, str) else int(self.bins)
        return fit_bins(X, number_places(self.columns_), count)

    def _categories(self, columns: list[str]) -> list[Any]:
        """Return the names in `categorical` as the frame has them."""
        wanted = () if self.categorical is None else self.categorical
        return [text_name(name, columns) for name in wanted]

    def _set_names(self, names: list[str], *, named: bool) -> None:
        self.n_features_in_ = len(names)
        if named:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _matched(self, frame: pl.DataFrame, *, named: bool) -> pl.DataFrame:
        """Return the frame with the columns of fit, by name if both have names."""
        names = [column.name for column in self.columns_]
        needed = [column.name for column in self.columns_ if column.width]
        if named and hasattr(self, "feature_names_in_"):
            return with_columns_of_training(frame, needed)
        if frame.width != self.n_features_in_:
            raise TableError(  # scikit-learn's own words, which its users and checks know
                f"X has {frame.width} features, but {type(self).__name__} is expecting"
                f" {self.n_features_in_} features as input"
            )
        if {*frame.columns} == {*names}:  # some numbered by pandas, and put in another order
            return columns_named(frame, needed)
        if named or hasattr(self, "feature_names_in_"):
            having = "has column names" if named else "has no column names, but training had"
            _warn(f"X {having}; columns are taken in the order of training")
        return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _warn(message: str) -> None:
    warn_caller(message, TableWarning)
