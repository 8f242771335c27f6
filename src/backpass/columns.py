"""How one column of a table becomes numbers: one frozen record per kind of column.

A record is what was learnt from the training rows. To add a kind, write one more record
(`outputs`, `encode`, `state`, `from_state`), name it in `KINDS`, and choose it in `fit_column`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np

from backpass.schema import Int, Number, Schema, Text

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = [
    "KINDS",
    "CategoryColumn",
    "Column",
    "DateColumn",
    "DroppedColumn",
    "NumberColumn",
    "Rules",
    "as_days",
    "as_levels",
    "as_numbers",
    "fit_column",
]

_LARGEST = 1e300  # beyond it, x - median could overflow; no measured quantity comes near
_MOSTLY = 0.9  # a text column with more numbers than this was meant to be a number column


class Rules(NamedTuple):
    """What :class:`~backpass.table.TableEncoder` was told, as far as columns care."""

    max_levels: int
    min_count: int
    clip: float


class Column(Protocol):
    """What every kind of column offers."""

    kind: ClassVar[str]
    schema: ClassVar[dict[str, Schema]]

    @property
    def name(self) -> str:
        """The column's name in the table."""

    @property
    def missing(self) -> int:
        """How many values were missing in training."""

    @property
    def warning(self) -> str:
        """What the user should know about this column; empty as a rule."""

    @property
    def note(self) -> str:
        """What was decided about this column, in a few words."""

    @property
    def outputs(self) -> list[str]:
        """The names of the numbers that the column becomes."""

    def encode(self, values: pl.Series, rules: Rules, out: NDArray[Any]) -> None:
        """Write the encoded values into `out`: zeros, one row each, one column per output."""


def state_of(column: Column) -> dict[str, Any]:
    """Return a record as JSON values."""
    return {"kind": column.kind, **asdict(column)}  # type: ignore[call-overload, no-any-return]


# --- numbers ---------------------------------------------------------------------------------


class Scaling(NamedTuple):
    """``(x − center) / scale``, then a smooth clip; scale 0 stands for a constant."""

    center: float
    scale: float

    @classmethod
    def fit(cls, known: NDArray[np.float64]) -> Scaling:
        """Return median and interquartile range, which outliers do not move.

        Where more than half of the values are equal the interquartile range is 0, and half
        the range of the values takes its place.
        """
        low, first, center, third, high = np.quantile(known, [0, 0.25, 0.5, 0.75, 1])
        return cls(float(center), float(third - first) or float(high - low) / 2)

    def apply(self, values: NDArray[np.float64], clip: float) -> NDArray[np.float64]:
        """Return the scaled values, 0 for NaN and within ±clip."""
        with np.errstate(over="ignore"):  # a tiny scale: the next line bounds the infinity
            scaled = (values - self.center) / self.scale
        scaled = np.clip(np.nan_to_num(scaled, nan=0.0), -1e100, 1e100)
        return scaled / np.sqrt(1 + (scaled / clip) ** 2)


@dataclass(frozen=True)
class NumberColumn:
    """A number: one scaled output, and one that says "missing" where training rows were."""

    kind: ClassVar[str] = "number"
    schema: ClassVar[dict[str, Schema]] = {
        "kind": Text(),
        "name": Text(),
        "missing": Int(min=0),
        "center": Number(-_LARGEST, _LARGEST),
        "scale": Number(0, 2 * _LARGEST),
    }

    name: str
    missing: int
    center: float
    scale: float

    @classmethod
    def fit(cls, values: pl.Series, rules: Rules) -> NumberColumn | DroppedColumn:
        numbers = as_numbers(values)
        absent = np.isnan(numbers)
        missing = int(absent.sum())
        scaling = Scaling.fit(numbers[~absent])
        if scaling.scale == 0 and missing == 0:
            return DroppedColumn(values.name, 0, "constant")
        return cls(values.name, missing, *scaling)

    @property
    def warning(self) -> str:  # noqa: D102 - see Column
        return ""

    @property
    def note(self) -> str:  # noqa: D102
        if self.scale == 0:
            return "constant where known, so only its absence counts"
        return f"median {self.center:.4g}, scale {self.scale:.4g}"

    @property
    def outputs(self) -> list[str]:  # noqa: D102
        value = [self.name] if self.scale else []
        return value + ([f"{self.name}=(missing)"] if self.missing else [])

    def encode(self, values: pl.Series, rules: Rules, out: NDArray[Any]) -> None:  # noqa: D102
        numbers = as_numbers(values)
        if self.scale:
            out[:, 0] = Scaling(self.center, self.scale).apply(numbers, rules.clip)
        _mark_missing(self.name, self.missing, np.isnan(numbers), out, "the median")
