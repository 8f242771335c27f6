"""How one column of a table becomes numbers: one frozen record per kind of column.

A record is what was learnt from the training rows, as plain values. To add a kind, write one
more record, list it in `KINDS`, and choose it in :func:`fit_column`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from backpass.errors import ModelFileError, TableError
from backpass.storage.schema import Bool, Int, ListOf, OneOf, Rule, Schema, Text, check
from backpass.tabular.csv_text import parse_dates
from backpass.tabular.frames import as_levels
from backpass.tabular.scaled_columns import (
    DateColumn,
    DroppedColumn,
    NumberColumn,
    Record,
    Rules,
    warn_of_values,
)

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
_FEW = 20  # rows up to which levels are not called rare, nor text free text
_NUMBER_LIKE = r"^[^\w\s]? ?[0-9][0-9.,' ]* ?[^\w\s]?$"  # $1,200 or 35 % or 1 234,5
_MONTH_FIRST = r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}\b"


# --- categories ------------------------------------------------------------------------------


@dataclass(frozen=True)
class CategoryColumn(Record):
    """A category: one 0/1 output for each level, for "(other)" and for "(missing)".

    Two levels make two outputs as well: with a single one, a level that training never saw
    could not be told from the first.

    The names of rare levels are not kept, since they may be thousands or personal. So levels
    unseen in training join them silently in "(other)"; only where there is no "(other)" are
    they all zeros and reported.
    """

    kind: ClassVar[str] = "category"
    schema: ClassVar[dict[str, Schema]] = Record.schema | {
        "levels": ListOf(Text()),
        "rare": Int(min=0),
        "text": Bool(),
        "remark": Text(),
    }

    levels: tuple[str, ...]
    rare: int  # how many levels were merged into "(other)"
    text: bool  # whether the column held text, so that 007 is not 7
    remark: str  # something odd about the training rows

    @classmethod
    def fit(
        cls, column: pl.Series, rules: Rules, categorical: bool = False
    ) -> CategoryColumn | DroppedColumn:
        """Learn the levels that are frequent enough to have a weight each."""
        import polars as pl

        text = as_levels(column).alias("level")
        counts = text.drop_nulls().value_counts(name="rows")
        missing, known = text.null_count(), text.len() - text.null_count()
        remark = _remark(column) if column.dtype == pl.String else ""
        if counts.height == 1 and missing == 0:
            return DroppedColumn(column.name, missing, "constant")
        if not categorical and counts.height > known / 2 and known > _FEW:
            return DroppedColumn(column.name, missing, remark or "almost every value differs")
        fewest = min(rules.min_count, max(1, known // _FEW))
        kept = counts.filter(pl.col("rows") >= fewest)
        if kept.height == 0 and missing == 0:
            return DroppedColumn(column.name, missing, remark or "every value is rare")
        # the name decides between equal counts, so that the order of the rows does not
        kept = kept.sort("rows", "level", descending=[True, False]).head(rules.max_levels)
        rare = counts.height - kept.height
        levels = tuple(sorted(kept["level"], key=_natural))
        return cls(column.name, missing, levels, rare, not column.dtype.is_numeric(), remark)

    @property
    def note(self) -> str:
        """What was decided, in a few words."""
        merged = f"{self.rare} rare level{'s' * (self.rare > 1)} merged" if self.rare else ""
        return "; ".join(filter(None, [self.remark, merged]))

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        extra = ["(other)"] * bool(self.rare) + ["(missing)"] * bool(self.missing)
        return [f"{self.name}={level}" for level in (*self.levels, *extra)]

    def encode(self, values: pl.Series, rules: Rules, out: NDArray[Any]) -> None:
        """Write a 1 for each row's level, also for a missing one where training had some."""
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
        warn_of_values(
            f"column {self.name!r}: not among the levels in training: {shown}{more}, in"
            f" {strange.len()} row(s); encoded as none of the known levels"
        )


def _natural(level: str) -> tuple[bool, float, str]:
    """Sort numbers by value and before texts."""
    try:
        return False, float(int(level)), level
    except (ValueError, OverflowError):
        return True, 0.0, level


def _remark(column: pl.Series) -> str:
    """Return what to say about text that was probably meant to be numbers or dates."""
    import polars as pl

    text = column.str.strip_chars()
    enough = _MOSTLY * (text.len() - text.null_count())
    numbers = text.cast(pl.Float64, strict=False)
    bad = (text.is_not_null() & numbers.is_null()).arg_true()
    if bad.len() == 0:  # all are numbers, and text on purpose: postcodes
        return ""
    row = int(bad[0])
    if numbers.count() >= enough:
        return f"text because of {bad.len()} value(s) such as {column[row]!r} in row {row + 1}"
    if text.str.contains(_MONTH_FIRST).sum() >= enough:
        return f"text: write dates such as {column[row]!r} with the year first, as 2020-12-31"
    if text.str.contains(_NUMBER_LIKE).sum() >= enough:
        return f"text: write {column[row]!r} and the like as plain numbers, as 1234.5"
    return ""


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
        column = column_of(value)  # type: ignore[arg-type]
        levels = column.levels if isinstance(column, CategoryColumn) else ()
        if len(set(levels)) < len(levels):
            raise ModelFileError(f"{where}.levels: one appears twice")
        try:  # JSON can spell half a character, which polars cannot hold
            "".join([column.name, *levels]).encode()
        except UnicodeEncodeError:
            raise ModelFileError(f"{where}: not valid Unicode") from None


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
    dates = dtype.is_temporal() and not isinstance(dtype, pl.Duration)
    if dtype == pl.String and not categorical:  # read_table parses dates, pandas may not have
        parsed = parse_dates(column)
        dates = parsed is not None and parsed.null_count() == missing
    if dates and not categorical:
        return DateColumn.fit(column)
    if categorical or dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
        return CategoryColumn.fit(column, rules, categorical)
    if dtype.is_numeric() or isinstance(dtype, pl.Duration):
        return NumberColumn.fit(column)
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
