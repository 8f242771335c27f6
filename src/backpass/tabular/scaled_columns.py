"""What all columns share, and the columns that are scaled: numbers and dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from backpass.errors import TableError, TableWarning, warn_caller
from backpass.storage.schema import Int, ListOf, Number, OneOf, Schema, Text
from backpass.tabular.column_values import as_dates, as_days, number_blocks
from backpass.tabular.conventions import PLAIN, Convention

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


@dataclass
class Remarks:
    """What is odd about the rows of a table, noted while they are encoded and told once."""

    # rows without a value, where training had none without
    missing: Counter[str] = field(default_factory=Counter)
    # levels that training had not, None for a missing one, and the rows that have them
    strange: dict[str, tuple[list[str | None], int]] = field(default_factory=dict)

    def add(self, other: Remarks) -> None:
        """Add what was noted of later rows."""
        self.missing.update(other.missing)
        for name, (levels, rows) in other.strange.items():
            before, known = self.strange.get(name, ([], 0))
            self.strange[name] = [*dict.fromkeys([*before, *levels])], known + rows

    def tell(self) -> None:
        """Warn of what was noted."""
        for name, rows in self.missing.items():
            warn_caller(
                f"column {name!r}: missing in {rows} row(s), but never in training; the median"
                " takes its place",
                TableWarning,
            )
        for name, (levels, rows) in self.strange.items():
            shown = ", ".join("missing" if level is None else repr(level) for level in levels[:3])
            more = ", …" if len(levels) > 3 else ""
            warn_caller(
                f"column {name!r}: not among the levels in training: {shown}{more}, in {rows}"
                " row(s); encoded as none of the known levels",
                TableWarning,
            )


@dataclass(frozen=True)
class Rules:
    """What `TableEncoder` was told, as far as single columns care, and how texts are written."""

    max_levels: int
    min_count: int
    clip: float
    convention: Convention = PLAIN
    remarks: Remarks = field(default_factory=Remarks)


@dataclass(frozen=True)
class Record:
    """What all kinds share; the kinds add what they learnt."""

    kind: ClassVar[str]
    schema: ClassVar[dict[str, Schema]] = {"kind": Text(), "name": Text(), "missing": Int(min=0)}

    name: str
    missing: int  # how many values were missing in training

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        return []

    @property
    def width(self) -> int:
        """How many outputs there are."""
        return len(self.outputs)

    def formula(self, clip: float) -> str:
        """Return how a cell x becomes the outputs; here one for each level."""
        return "one-hot: 1 for its level, 0 for the others"


@dataclass(frozen=True)
class DroppedColumn(Record):
    """A column that tells nothing: no outputs."""

    kind: ClassVar[str] = "dropped"
    schema: ClassVar[dict[str, Schema]] = Record.schema | {"note": Text()}

    note: str

    def formula(self, clip: float) -> str:
        """Return why there is no output."""
        return self.note

    def encode(self, values: pl.Series, rules: Rules, out: NDArray[Any]) -> None:
        """Write nothing."""


# --- numbers ---------------------------------------------------------------------------------


def ratio_formula(x: str, center: float, scale: float) -> str:
    """Return how x is scaled, as a formula.

    Examples
    --------
    >>> ratio_formula("x", -2.5, 4.0)
    '(x + 2.5) / 4'
    """
    return f"({x} {'+' if center < 0 else '−'} {abs(center):.9g}) / {scale:.9g}"


def _scaling(x: str, center: float, scale: float, clip: float) -> str:
    """Return what :func:`_scaled` does, as a formula; nothing for a constant."""
    ratio = ratio_formula(x, center, scale)
    return f"t / √(1 + (t/{clip:g})²), t = {ratio}" if scale else ""


def _joined(*formulas: str, missing: int) -> str:
    marked = ["1 where missing, all else 0"] * (missing > 0)
    return "; ".join(filter(None, [*formulas, *marked]))


_QUARTILES = [0, 0.25, 0.5, 0.75, 1]


def _robust_scale(quartiles: NDArray[np.float64]) -> tuple[float, float]:
    """Return median and interquartile range, which outliers do not move.

    Where that range is 0, because half of the values or more are equal, half the range of all
    values takes its place; for a constant that is 0 as well.
    """
    low, first, center, third, high = quartiles
    return float(center), float(third - first) or float(high - low) / 2


def _scaled(
    values: NDArray[np.float64], center: Any, scale: Any, clip: float
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

    def formula(self, clip: float) -> str:
        """Return how a cell x becomes the outputs."""
        return _joined(_scaling("x", self.center, self.scale, clip), missing=self.missing)

    def encode(self, values: pl.Series, rules: Rules, out: NDArray[Any]) -> None:
        """Write scaled numbers: the median for a missing one, marked where training had some."""
        encode_numbers([(self, 0)], {self.name: values}, rules, out)


def fit_numbers(frame: pl.DataFrame, names: Sequence[str]) -> list[NumberColumn | DroppedColumn]:
    """Learn location and scale of columns of numbers, and whether values are missing.

    They are learnt together, since a wide table has thousands.
    """
    found: list[NumberColumn | DroppedColumn] = []
    for place, numbers in number_blocks([frame[name] for name in names]):
        missing = np.isnan(numbers).sum(axis=0)
        quartiles = np.empty((5, len(missing)))
        whole = missing == 0
        quartiles[:, whole] = np.quantile(numbers[:, whole], _QUARTILES, axis=0)
        for i in np.flatnonzero((missing > 0) & (missing < len(numbers))):
            known = numbers[:, i]
            quartiles[:, i] = np.quantile(known[~np.isnan(known)], _QUARTILES)
        for name, absent, values in zip(names[place], missing, quartiles.T, strict=True):
            if absent == len(numbers):
                found.append(DroppedColumn(name, int(absent), "no value at all"))
                continue
            center, scale = _robust_scale(values)
            if scale == 0 and absent == 0:
                found.append(DroppedColumn(name, 0, "constant"))
            else:
                found.append(NumberColumn(name, int(absent), center, scale))
    return found


def encode_numbers(
    columns: Sequence[tuple[NumberColumn, int]],
    given: Mapping[str, pl.Series],
    rules: Rules,
    out: NDArray[Any],
) -> None:
    """Write columns of numbers, each from its place in `out` on, as `NumberColumn.encode` does."""
    for place, numbers in number_blocks([given[c.name] for c, _ in columns], rules.convention):
        part = columns[place]
        begins, centers, scales = (
            np.array(values)
            for values in zip(*((b, c.center, c.scale) for c, b in part), strict=True)
        )
        varied = scales > 0
        scaled = _scaled(numbers[:, varied], centers[varied], scales[varied], rules.clip)
        out[:, begins[varied]] = scaled
        absent = np.isnan(numbers)
        for i, ((column, begin), some) in enumerate(
            zip(part, np.any(absent, axis=0).tolist(), strict=True)
        ):
            if not (some or column.missing):
                continue
            _mark_missing(column, absent[:, i], out[:, begin : begin + column.width], rules.remarks)


def _mark_missing(
    column: Record, absent: NDArray[np.bool_], out: NDArray[Any], remarks: Remarks
) -> None:
    """Fill the indicator, the last output; without one, note that the median is taken."""
    if column.missing:
        out[:, -1] = absent
    elif absent.any():
        remarks.missing[column.name] += int(absent.sum())


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
        center, scale = _robust_scale(np.quantile(known, _QUARTILES))
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

    def _refuse_other_kind(self, values: pl.Series) -> None:
        """Refuse times of day where training had dates, and the reverse: both become days."""
        import polars as pl

        of_day, times = 0 <= self.center < 1, values.dtype == pl.Time
        if values.count() and times != of_day and (self.cycles or not of_day):
            given, wanted = ("times of day", "dates")[:: 1 if times else -1]
            raise TableError(
                f"column {self.name!r} holds {given} where training had {wanted}; give those"
            )

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

    def formula(self, clip: float) -> str:
        """Return how the days d since 1970, or the part of a day, become the outputs."""
        waves = (f"sin and cos of 2π d / {self.periods[cycle]:.9g}" for cycle in self.cycles)
        scaled = _scaling("d", self.center, self.scale, clip)
        return f"d days: {_joined(scaled, *waves, missing=self.missing)}"

    def encode(self, values: pl.Series, rules: Rules, out: NDArray[Any]) -> None:
        """Write the scaled days and the cycles: 0 where one is missing, and a mark that it is."""
        dates = as_dates(values, rules.convention)
        self._refuse_other_kind(dates)
        days = as_days(dates)
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
        _mark_missing(self, absent, out, rules.remarks)
