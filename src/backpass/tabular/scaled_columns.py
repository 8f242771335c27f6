"""What all columns share, and the columns that are scaled: numbers and dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from backpass.errors import TableWarning, warn_caller
from backpass.storage.schema import Int, ListOf, Number, OneOf, Schema, Text
from backpass.tabular.frames import as_days, as_numbers

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


class Rules(NamedTuple):
    """What `TableEncoder` was told, as far as single columns care."""

    max_levels: int
    min_count: int
    clip: float


@dataclass(frozen=True)
class Record:
    """What all kinds share; the kinds add what they learnt."""

    kind: ClassVar[str]
    schema: ClassVar[dict[str, Schema]] = {"kind": Text(), "name": Text(), "missing": Int(min=0)}

    name: str
    missing: int  # how many values were missing in training


@dataclass(frozen=True)
class DroppedColumn(Record):
    """A column that tells nothing: no outputs."""

    kind: ClassVar[str] = "dropped"
    schema: ClassVar[dict[str, Schema]] = Record.schema | {"note": Text()}

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
class NumberColumn(Record):
    """A number: one scaled output, and one for "missing" if training rows were."""

    kind: ClassVar[str] = "number"
    schema: ClassVar[dict[str, Schema]] = Record.schema | {
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
        """Write scaled numbers: the median for a missing one, marked where training had some."""
        numbers = as_numbers(values)
        if self.scale > 0:
            out[:, 0] = _scaled(numbers, self.center, self.scale, rules.clip)
        _mark_missing(self, np.isnan(numbers), out)


def _mark_missing(column: Record, absent: NDArray[np.bool_], out: NDArray[Any]) -> None:
    """Fill the indicator, the last output; without one, warn that the median is taken."""
    if column.missing:
        out[:, -1] = absent
    elif absent.any():
        warn_of_values(
            f"column {column.name!r}: missing in {int(absent.sum())} row(s), but never in"
            " training; the median takes its place"
        )


def warn_of_values(message: str) -> None:
    """Warn about rows in transform."""
    warn_caller(message, TableWarning)


# --- dates -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class DateColumn(Record):
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
        """Write the scaled days and the cycles: 0 where one is missing, and a mark that it is."""
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
