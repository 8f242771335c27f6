"""How one column of a table becomes numbers: one frozen record per kind of column.

A record is what was learnt from the training rows, as plain values. To add a kind, write one
more record, list it in `KINDS`, and choose it in :func:`fit_column`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from backpass.errors import ModelFileError, TableError, TableWarning
from backpass.frames import as_days, as_levels, as_numbers
from backpass.schema import Int, ListOf, Number, OneOf, Rule, Schema, Text, check

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = [
    "KINDS",
    "CategoryColumn",
    "Column",
    "ColumnRule",
    "DateColumn",
    "DroppedColumn",
    "NumberColumn",
    "Rules",
    "column_of",
    "fit_column",
    "state_of",
]

_MOSTLY = 0.9  # a text column with a larger share of numbers was meant to be a number column


class Rules(NamedTuple):
    """What `TableEncoder` was told, as far as single columns care."""

    max_levels: int
    min_count: int
    clip: float


@dataclass(frozen=True)
class _Record:
    """What all kinds share; the kinds add what they learnt."""

    kind: ClassVar[str]
    schema: ClassVar[dict[str, Schema]] = {"kind": Text(), "name": Text(), "missing": Int(min=0)}

    name: str
    missing: int  # how many values were missing in training


@dataclass(frozen=True)
class DroppedColumn(_Record):
    """A column that tells nothing: no outputs."""

    kind: ClassVar[str] = "dropped"
    schema: ClassVar[dict[str, Schema]] = _Record.schema | {"note": Text()}

    note: str
    outputs: ClassVar[list[str]] = []

    def encode(self, values: pl.Series, rules: Rules, out: NDArray[Any]) -> None:
        """Write nothing."""


# --- numbers ---------------------------------------------------------------------------------


def _robust_scale(known: NDArray[np.float64]) -> tuple[float, float]:
    """Return median and interquartile range, which outliers do not move.

    Where that range is 0, because half of the values or more are equal, half the range of all
    values takes its place; for a constant that is 0 as well.
    """
    low, first, center, third, high = np.quantile(known, [0, 0.25, 0.5, 0.75, 1])
    return float(center), float(third - first) or float(high - low) / 2


def _scaled(
    values: NDArray[np.float64], center: float, scale: float, clip: float
) -> NDArray[np.float64]:
    """Return ``t = (x − center) / scale`` bent to stay within ±clip, and 0 for NaN.

    ``t / √(1 + (t/clip)²)`` is t near 0 and never flat, so that outliers keep their order
    without dominating the first layer.
    """
    with np.errstate(over="ignore"):  # the next line bounds the infinity of a tiny scale
        ratio = (values - center) / scale
    ratio = np.clip(np.nan_to_num(ratio, nan=0.0), -1e100, 1e100)
    bent: NDArray[np.float64] = ratio / np.sqrt(1 + (ratio / clip) ** 2)
    return bent


@dataclass(frozen=True)
class NumberColumn(_Record):
    """A number: one scaled output, and one for "missing" if training rows were."""

    kind: ClassVar[str] = "number"
    schema: ClassVar[dict[str, Schema]] = _Record.schema | {
        "center": Number(),
        "scale": Number(min=0),
    }

    center: float
    scale: float

    @classmethod
    def fit(cls, column: pl.Series) -> NumberColumn | DroppedColumn:
        """Learn location, scale and whether values are missing."""
        numbers = as_numbers(column)
        absent = np.isnan(numbers)
        missing = int(absent.sum())
        center, scale = _robust_scale(numbers[~absent])
        if scale == 0 and missing == 0:
            return DroppedColumn(column.name, 0, "constant")
        return cls(column.name, missing, center, scale)

    @property
    def note(self) -> str:
        """What was decided, in a few words."""
        if self.scale == 0:
            return "constant; whether it is missing counts"
        return f"median {self.center:.4g}, scale {self.scale:.4g}"

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        value = [self.name] if self.scale > 0 else []
        return value + ([f"{self.name}=(missing)"] if self.missing else [])

    def encode(self, values: pl.Series, rules: Rules, out: NDArray[Any]) -> None:
        """Write the scaled numbers."""
        numbers = as_numbers(values)
        if self.scale > 0:
            out[:, 0] = _scaled(numbers, self.center, self.scale, rules.clip)
        _mark_missing(self, np.isnan(numbers), out)


def _mark_missing(column: _Record, absent: NDArray[np.bool_], out: NDArray[Any]) -> None:
    """Fill the indicator, the last output; without one, say what missing values became."""
    if column.missing:
        out[:, -1] = absent
    elif absent.any():
        _warn(
            f"column {column.name!r}: {int(absent.sum())} values are missing, none was in"
            " training; they are taken as the median"
        )


def _warn(message: str) -> None:
    # the level of the code that called TableEncoder.transform, through scikit-learn's wrapper
    warnings.warn(message, TableWarning, stacklevel=6)


# --- dates -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class DateColumn(_Record):
    """A date, a date with time, or a time of day: one scaled number and its cycles.

    Of the cycles year, week and day those are added that the training rows go round more than
    once: over a shorter span the number itself says the season. A cycle is a sine and a
    cosine, so that December 31 lies next to January 1.
    """

    kind: ClassVar[str] = "date"
    schema: ClassVar[dict[str, Schema]] = NumberColumn.schema | {
        "cycles": ListOf(OneOf("year", "week", "day"), longest=3)
    }
    periods: ClassVar[dict[str, float]] = {"year": 365.2425, "week": 7.0, "day": 1.0}

    center: float
    scale: float
    cycles: tuple[str, ...]

    @classmethod
    def fit(cls, column: pl.Series) -> DateColumn | DroppedColumn:
        """Learn location, scale and which cycles the rows go through."""
        days = as_days(column)
        absent = np.isnan(days)
        missing = int(absent.sum())
        known = days[~absent]
        center, scale = _robust_scale(known)
        if scale == 0 and missing == 0:
            return DroppedColumn(column.name, 0, "constant")
        span = known.max() - known.min()
        cycles = [name for name, period in cls.periods.items() if span > period]
        parts = known % 1
        if (parts == parts[0]).all():
            cycles = [name for name in cycles if name != "day"]
        elif known.min() >= 0 and known.max() < 1:  # times of day
            cycles = ["day"]
        return cls(column.name, missing, center, scale, tuple(cycles))

    @property
    def note(self) -> str:
        """What was decided, in a few words."""
        return "days" + "".join(f" + {name}" for name in self.cycles)

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        value = [self.name] if self.scale > 0 else []
        waves = [f"{self.name}=({wave} of {c})" for c in self.cycles for wave in ("sin", "cos")]
        return value + waves + ([f"{self.name}=(missing)"] if self.missing else [])

    def encode(self, values: pl.Series, rules: Rules, out: NDArray[Any]) -> None:
        """Write the scaled days and the cycles; 0 where the date is missing."""
        days = as_days(values)
        absent = np.isnan(days)
        place = 0
        if self.scale > 0:
            out[:, 0] = _scaled(days, self.center, self.scale, rules.clip)
            place = 1
        for period in (self.periods[cycle] for cycle in self.cycles):
            angle = 2 * np.pi * (days % period) / period
            out[:, place] = np.where(absent, 0, np.sin(angle))
            out[:, place + 1] = np.where(absent, 0, np.cos(angle))
            place += 2
        _mark_missing(self, absent, out)


# --- categories ------------------------------------------------------------------------------


@dataclass(frozen=True)
class CategoryColumn(_Record):
    """A category: one 0/1 output for each level, for "(other)" and for "(missing)".

    Two levels make two outputs as well: with a single one, a level that training never saw
    could not be told from the first.

    The names of rare levels are not kept, since they may be thousands or personal. So levels
    unseen in training join them silently in "(other)"; only where there is no "(other)" are
    they all zeros and reported.
    """

    kind: ClassVar[str] = "category"
    schema: ClassVar[dict[str, Schema]] = _Record.schema | {
        "levels": ListOf(Text()),
        "rare": Int(min=0),
        "remark": Text(),
    }

    levels: tuple[str, ...]
    rare: int  # how many levels were merged into "(other)"
    remark: str  # something odd about the training rows

    @classmethod
    def fit(cls, column: pl.Series, rules: Rules) -> CategoryColumn | DroppedColumn:
        """Learn the levels that are frequent enough to have a weight each."""
        import polars as pl

        text = as_levels(column).alias("level")
        counts = text.drop_nulls().value_counts(name="rows")
        kept = counts.filter(pl.col("rows") >= rules.min_count)
        # the name decides between equal counts, so that the order of the rows does not
        kept = kept.sort("rows", "level", descending=[True, False]).head(rules.max_levels)
        missing, rare = text.null_count(), counts.height - kept.height
        if kept.height + (rare > 0) + (missing > 0) == 1:
            reason = "almost every value differs" if rare else "constant"
            return DroppedColumn(column.name, missing, reason)
        levels = tuple(sorted(kept["level"], key=_natural))
        return cls(column.name, missing, levels, rare, _number_remark(column))

    @property
    def note(self) -> str:
        """What was decided, in a few words."""
        merged = f"{self.rare} rare levels merged" if self.rare else ""
        return "; ".join(filter(None, [self.remark, merged]))

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        extra = ["(other)"] * bool(self.rare) + ["(missing)"] * bool(self.missing)
        return [f"{self.name}={level}" for level in (*self.levels, *extra)]

    def encode(self, values: pl.Series, rules: Rules, out: NDArray[Any]) -> None:
        """Write a 1 for the level of each row."""
        import polars as pl

        text = as_levels(values)
        places = list(range(len(self.levels)))
        codes = text.replace_strict(
            list(self.levels), places, default=-1, return_dtype=pl.Int32
        ).to_numpy()
        absent = text.is_null().to_numpy()
        strange = codes < 0
        if self.missing:
            out[absent, -1] = 1
            strange = strange & ~absent
        if self.rare:
            out[strange, len(self.levels)] = 1
        elif strange.any():
            self._report(text.filter(pl.Series(strange)))
        rows = np.flatnonzero(codes >= 0)
        out[rows, codes[rows]] = 1

    def _report(self, strange: pl.Series) -> None:
        found = strange.unique(maintain_order=True)
        shown = ", ".join("missing" if x is None else repr(x) for x in found[:3])
        more = ", …" if found.len() > 3 else ""
        _warn(
            f"column {self.name!r}: {strange.len()} values that training did not have"
            f" ({shown}{more}); they are encoded as none of the known levels"
        )


def _natural(level: str) -> tuple[bool, float, str]:
    """Sort numbers by value and before texts."""
    try:
        return False, float(int(level)), level
    except (ValueError, OverflowError):
        return True, 0.0, level


def _number_remark(column: pl.Series) -> str:
    """Return what to say about a text column of which almost all values are numbers."""
    import polars as pl

    if column.dtype != pl.String:
        return ""
    numbers = column.cast(pl.Float64, strict=False)
    known = column.len() - column.null_count()
    bad = (column.is_not_null() & numbers.is_null()).arg_true()
    if bad.len() == 0 or numbers.count() < _MOSTLY * known:
        return ""
    row = int(bad[0])
    return f"text because of {bad.len()} values such as {column[row]!r} in row {row + 1}"


# --- all kinds -------------------------------------------------------------------------------

Column: TypeAlias = NumberColumn | DateColumn | CategoryColumn | DroppedColumn

KINDS: dict[str, type[Column]] = {
    record.kind: record for record in (NumberColumn, DateColumn, CategoryColumn, DroppedColumn)
}


class ColumnRule(Rule):
    """A JSON value that `state_of` could have returned."""

    def require(self, value: object, where: str) -> None:
        """Raise `ModelFileError` naming `where` unless `value` is a column's state."""
        kind = value.get("kind") if isinstance(value, dict) else None
        check(kind, OneOf(*KINDS), f"{where}.kind")
        check(value, KINDS[str(kind)].schema, where)
        levels = value["levels"] if kind == "category" and isinstance(value, dict) else []
        if len(set(levels)) < len(levels):
            raise ModelFileError(f"{where}.levels: one appears twice")
        try:  # JSON can spell half a character, which polars cannot hold
            "".join(levels).encode()
        except UnicodeEncodeError:
            raise ModelFileError(f"{where}.levels: not valid Unicode") from None


def fit_column(column: pl.Series, rules: Rules, *, categorical: bool = False) -> Column:
    """Learn how to encode a column from its training rows.

    Parameters
    ----------
    column : polars.Series
        The training rows.
    rules : Rules
        The encoder's settings.
    categorical : bool
        Whether numbers, too, are taken as levels.

    Returns
    -------
    Column
        The record of the kind that fits the column's type.

    Examples
    --------
    >>> import polars
    >>> fit_column(polars.Series("size", [1, 2, 3, None]), Rules(32, 5, 3.0)).outputs
    ['size', 'size=(missing)']
    """
    import polars as pl

    dtype = column.dtype
    missing = column.null_count()
    if dtype.is_float():
        missing += int(column.is_nan().sum())
    if missing == column.len():
        return DroppedColumn(column.name, missing, "no value at all")
    if categorical or dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
        return CategoryColumn.fit(column, rules)
    if dtype.is_numeric() or isinstance(dtype, pl.Duration):
        return NumberColumn.fit(column)
    if dtype.is_temporal():
        return DateColumn.fit(column)
    raise TableError(f"column {column.name!r} holds {dtype} values; leave it out")


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
