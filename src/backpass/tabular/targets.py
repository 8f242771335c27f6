"""The target column: what is predicted, as numbers for the network and back again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from backpass.errors import (
    InputError,
    ModelFileError,
    TableError,
    TableWarning,
    brief,
    warn_caller,
)
from backpass.storage.schema import ListOf, Number, OneOf, Optional, Schema, Text
from backpass.tabular.column_values import alike, as_levels, as_numbers
from backpass.tabular.scaled_columns import ratio_formula

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

EXTREME = 50  # interquartile ranges from the median, further than a heavy tail reaches by itself
MOST_CLASSES_OF_NUMBERS = 20
"""Whole numbers with more distinct values than this are a quantity, not classes."""


def explain_task(column: pl.Series) -> tuple[str, str]:
    """Return ``"classification"`` or ``"regression"``, and what about the values says so.

    Text and truth values are classes. Numbers are classes when they are whole, have at most 20
    distinct values and each value occurs 10 times on average; everything else is a quantity.

    Examples
    --------
    >>> import polars
    >>> explain_task(polars.Series([0, 1] * 20)), explain_task(polars.Series(["a", "b"]))
    (('classification', '2 distinct whole numbers'), ('classification', 'text'))
    >>> explain_task(polars.Series([1.5, 2.0])), explain_task(polars.Series(range(40)))
    (('regression', 'numbers with decimals'), ('regression', '40 distinct whole numbers'))
    """
    import polars as pl

    if column.dtype == pl.Boolean:
        return "classification", "true or false"
    if not column.dtype.is_numeric():
        if column.dtype.is_temporal():
            return "regression", "dates, times or durations"
        return "classification", "text"
    values = column.cast(pl.Float64).fill_nan(None).drop_nulls()
    distinct = values.n_unique()
    if (values != values.round()).any():
        return "regression", "numbers with decimals"
    why = f"{distinct} distinct whole numbers"
    return ("classification" if are_few(values) else "regression"), why


def are_few(values: pl.Series) -> bool:
    """Return whether there are so few distinct values that they are classes."""
    distinct = values.n_unique()
    repeated = distinct <= MOST_CLASSES_OF_NUMBERS and values.len() >= 10 * distinct
    return repeated or distinct <= 2


@dataclass(frozen=True)
class ClassTarget:
    """Classes, each by its text."""

    name: str  # the column
    classes: tuple[str, ...]  # in sorted order, numbers by value; class i is output i
    # how predictions are given back; one of "text", "integer", "float", "boolean"
    values: str = "text"
    dtype: str = ""  # the narrower type of such numbers in the table, as "Int8" or "Float32"
    # what it costs not to find a row of each class; empty where all cost the same
    costs: tuple[float, ...] = ()
    task: ClassVar[str] = "classification"
    formula: ClassVar[str] = "one-hot: 1 for its class, 0 for the others"

    @classmethod
    def fit(cls, column: pl.Series) -> ClassTarget:
        """Learn the classes of a column without missing values."""
        import polars as pl

        texts = _texts(column).unique().to_list()
        if len(texts) < 2:
            raise TableError(
                f"target {column.name!r} has one class only, {texts[0]!r}: there is nothing to "
                "learn; give rows of at least two classes"
            )
        _warn_of_alike(column.name, texts)
        dtype = column.dtype
        values = "boolean" if dtype == pl.Boolean else "text"
        if dtype.is_integer() and all(map(_is_integer, texts)):
            values = "integer"
        elif dtype.is_float():
            values = "float"
        narrow = values in ("integer", "float") and dtype not in (pl.Int64, pl.Float64)
        classes = tuple(sorted(texts, key=_by_number))
        return cls(column.name, classes, values, str(dtype) if narrow else "")

    def encode(self, column: pl.Series) -> NDArray[np.int64]:
        """Return the class of every row, 0 … k−1."""
        levels = _texts(column).to_list()
        codes = {text: code for code, text in enumerate(self.classes)}
        if not {*levels} <= codes.keys():  # the same value may be spelled otherwise in a file
            codes |= {_value(text): codes[text] for text in self.classes}
            # truth in words and in numbers is the same, as R and spreadsheets write it
            for own, other in (_TRUTHS, _TRUTHS[::-1]):
                if {_value(text) for text in self.classes} == {*own}:
                    codes |= {new: codes[old] for new, old in zip(other, own, strict=True)}
            levels = [text if text in codes else _value(text) for text in levels]
        unknown = sorted(set(levels) - codes.keys())
        if unknown:
            raise TableError(
                f"target {column.name!r} has a class that training had not: {unknown[0]!r} in row "
                f"{levels.index(unknown[0]) + 1}; known: {', '.join(self.classes[:10])}"
            )
        return np.array([codes[text] for text in levels], dtype=np.int64)

    def with_costs(self, costs: Mapping[Any, float]) -> ClassTarget:
        """Return the target with costs by class; those not named cost 1.

        Raises
        ------
        InputError
            When there is no such class, or a cost is no number above 0.

        Examples
        --------
        >>> ClassTarget("churn", ("no", "yes")).with_costs({"yes": 5}).costs
        (1.0, 5.0)
        """
        known = dict.fromkeys(self.classes, 1.0)
        for name, cost in costs.items():
            text = {True: "true", False: "false"}.get(name, str(name))
            if text not in known:
                raise InputError(
                    f"costs: target {self.name!r} has no class {brief(name)}; it has"
                    f" {', '.join(map(repr, self.classes[:10]))}"
                )
            if not isinstance(cost, Real) or isinstance(cost, bool) or not 0 < cost < math.inf:
                raise InputError(f"costs: that of {text!r} must be above 0, not {brief(cost)}")
            known[text] = float(cost)
        return replace(self, costs=tuple(known.values()))

    def decide(self, probabilities: NDArray[Any]) -> NDArray[np.int64]:
        """Return the class of each row (N,): the most probable one, or that which costs least.

        Not to find a row of class k costs c_k: to say k saves p_k · c_k, and that is largest where
        the expected cost is least.

        Examples
        --------
        >>> p = np.array([[0.8, 0.2], [0.9, 0.1]])
        >>> target = ClassTarget("churn", ("no", "yes"))
        >>> target.decide(p).tolist(), target.with_costs({"yes": 5}).decide(p).tolist()
        ([0, 0], [1, 0])
        """
        saved = probabilities * np.array(self.costs) if self.costs else probabilities
        return np.asarray(saved.argmax(axis=1), dtype=np.int64)

    def decode(self, codes: NDArray[np.int64]) -> pl.Series:
        """Return the classes that `codes` stand for, as the column had them."""
        import polars as pl

        classes = pl.Series(self.name, self.classes, dtype=pl.String)
        if self.values == "boolean":
            classes = classes == "true"
        elif self.values != "text":
            classes = classes.cast(getattr(pl, self.dtype or _WIDEST[self.values]))
        return classes.gather(codes)

    def state(self) -> dict[str, Any]:
        """Return JSON values for the model file."""
        told = {"task": self.task, **vars(self), "classes": list(self.classes)}
        if not self.costs:  # so that a model without has the file that it always had
            del told["costs"]
        return told | ({"costs": list(self.costs)} if self.costs else {})


def _texts(column: pl.Series) -> pl.Series:
    """Return classes as texts; what is text stays as it is spelled."""
    import polars as pl

    return column if column.dtype == pl.String else as_levels(column)


_TRUTHS = (("false", "true"), ("0.0", "1.0"))
_WIDEST = {"integer": "Int64", "float": "Float64"}
_NARROWER = ("", "Int8", "Int16", "Int32", "UInt8", "UInt16", "UInt32", "UInt64", "Float32")


def _value(text: str) -> str:
    """Return what a text spells, however it does: ``1.0`` is 1, ``TRUE`` is true."""
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        return repr(float(text))
    except ValueError:
        return text


def _warn_of_alike(name: str, texts: list[str]) -> None:
    if groups := alike(texts):
        warn_caller(
            f"target {name!r}: classes that differ only in case or blanks: {groups}; if they are"
            " one class, spell them alike",
            TableWarning,
        )


def _is_integer(text: str) -> bool:
    """Return whether a class can be given back as an integer of 64 bits."""
    return bool(re.fullmatch("-?[0-9]{1,19}", text)) and -(2**63) <= int(text) < 2**63


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _by_number(text: str) -> tuple[bool, float, str]:
    """Sort numbers by value, before texts."""
    try:
        return (False, float(text), text)
    except ValueError:
        return (True, 0.0, text)


@dataclass(frozen=True)
class NumberTarget:
    """A quantity, scaled so that the network sees numbers around 0 and of size 1."""

    name: str  # the column
    # the network learns (y − center) / scale
    center: float
    scale: float
    task: ClassVar[str] = "regression"

    @classmethod
    def fit(cls, column: pl.Series, *, robust: bool = False) -> NumberTarget:
        """Learn mean and standard deviation (or median and IQR) of a column."""
        y = numbers_of(column)
        if y.min() == y.max():
            raise TableError(
                f"target {column.name!r} is {y[0]:g} in every row: there is nothing to learn; "
                "choose another target"
            )
        _warn_of_extremes(column.name, y)
        center = float(y.mean())
        largest = np.abs(y - center).max()  # squares of huge or tiny numbers leave float64
        scale = float(largest * np.sqrt(np.mean(((y - center) / largest) ** 2)))
        if robust:
            low, center, high = (float(q) for q in np.quantile(y, [0.25, 0.5, 0.75]))
            scale = (high - low) / 1.349 or scale  # of a normal distribution: its deviation
        return cls(column.name, center, scale)

    def encode(self, column: pl.Series) -> NDArray[np.float64]:
        """Return the scaled numbers of a column without missing values."""
        return (numbers_of(column) - self.center) / self.scale

    @property
    def formula(self) -> str:
        """How a cell x becomes the target."""
        return ratio_formula("x", self.center, self.scale)

    def decode(self, scaled: NDArray[Any]) -> pl.Series:
        """Return the numbers that `scaled` (N,) stand for."""
        import polars as pl

        return pl.Series(self.name, scaled.astype(np.float64) * self.scale + self.center)

    def state(self) -> dict[str, Any]:
        """Return JSON values for the model file."""
        return {"task": self.task, **vars(self)}


Target = ClassTarget | NumberTarget

TARGET_SCHEMAS: dict[str, dict[str, Schema]] = {
    "classification": {
        "task": OneOf("classification"),
        "name": Text(),
        "classes": ListOf(Text(), shortest=2),
        "values": OneOf("text", "integer", "float", "boolean"),
        "dtype": Optional(OneOf(*_NARROWER)),
        "costs": Optional(ListOf(Number(min=1e-300))),
    },
    "regression": {
        "task": OneOf("regression"),
        "name": Text(),
        "center": Number(),
        "scale": Number(),
    },
}
"""What a target in a model file must look like, by task."""


def target_from_state(state: dict[str, Any]) -> Target:
    """Return the target that `state` described, which fits its schema.

    Raises
    ------
    ModelFileError
        When the classes are not of the type that predictions are given back in.
    """
    numbers = {key: value for key, value in state.items() if key != "task"}
    classes = tuple(numbers.get("classes", ()))
    try:  # JSON can spell half a character, which polars cannot hold
        "".join([numbers["name"], *classes]).encode()
    except UnicodeEncodeError:
        raise ModelFileError("target: not valid Unicode") from None
    if numbers.get("dtype") is None:
        numbers.pop("dtype", None)
    if state["task"] == "regression":
        return NumberTarget(**numbers)
    if len(set(classes)) < len(classes):
        raise ModelFileError("target.classes: one appears twice")
    numbers["costs"] = tuple(numbers.get("costs") or ())
    if len(numbers["costs"]) not in (0, len(classes)):
        raise ModelFileError("target.costs: there must be one for each class")
    values = numbers["values"]
    if (
        (values == "integer" and not all(map(_is_integer, classes)))
        or (values == "boolean" and not {*classes} <= {"false", "true"})
        or (values == "float" and not all(map(_is_number, classes)))
    ):
        raise ModelFileError(f"target.classes: not all can be of type {values}")
    return ClassTarget(**{**numbers, "classes": classes})


def _warn_of_extremes(name: str, y: NDArray[np.float64]) -> None:
    low, middle, high = np.quantile(y, [0.25, 0.5, 0.75])
    if high > low and np.abs(y - middle).max() > EXTREME * (high - low):
        warn_caller(
            f"target {name!r} has extreme values, {y.min():g} to {y.max():g}, where half of them "
            f"lie between {low:g} and {high:g}: a few rows may decide the fit; check them",
            TableWarning,
        )


def numbers_of(column: pl.Series) -> NDArray[np.float64]:
    """Return a numeric target as float64; text or infinite values raise a :class:`TableError`."""
    import polars as pl

    if column.dtype.is_temporal() and not isinstance(column.dtype, pl.Duration):
        raise TableError(
            f"target {column.name!r} holds dates or times, and a network predicts numbers or "
            "classes; predict a number of days, say, or take another target"
        )
    return as_numbers(column)
