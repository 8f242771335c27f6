"""A column of categories, as its levels were learnt from the training rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from backpass.storage.schema import Bool, Int, ListOf, Schema, Text
from backpass.tabular.column_values import alike, as_levels
from backpass.tabular.conventions import Convention, numbers_of_text, without_missing
from backpass.tabular.scaled_columns import DroppedColumn, Record, Remarks, Rules

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

_OTHER, _ABSENT = -1, -2  # in place of a level's place
_FEW_ROWS = 1000  # up to here Python looks levels up faster than polars
_FEW = 20  # rows up to which levels are not called rare, nor text free text


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
        cls, column: pl.Series, rules: Rules, categorical: bool = False, remark: str = ""
    ) -> CategoryColumn | DroppedColumn:
        """Learn the levels that are frequent enough to have a weight each."""
        text = as_levels(column).alias("level")
        counts = text.drop_nulls().value_counts(name="rows")
        numeric = column.dtype.is_numeric()
        found = cls.of_counts(column.name, counts, text.null_count(), rules, categorical, remark)
        return replace(found, text=not numeric) if isinstance(found, CategoryColumn) else found

    @classmethod
    def of_counts(
        cls,
        name: str,
        counts: pl.DataFrame,
        missing: int,
        rules: Rules,
        categorical: bool = False,
        remark: str = "",
    ) -> CategoryColumn | DroppedColumn:
        """Learn from how many rows each level has: columns ``level`` and ``rows``."""
        import polars as pl

        known = int(counts["rows"].sum())
        if groups := alike(counts["level"]):
            twins = f"a category with levels that differ only in case: {groups}"
            remark = "; ".join(filter(None, [remark, twins]))
        if counts.height == 1 and missing == 0:
            return DroppedColumn(name, missing, "constant")
        if not categorical and counts.height > known / 2 and known > _FEW:
            return DroppedColumn(name, missing, remark or "almost every value differs")
        fewest = min(rules.min_count, max(1, known // _FEW))
        kept = counts.filter(pl.col("rows") >= fewest)
        if kept.height == 0 and missing == 0:
            return DroppedColumn(name, missing, remark or "every value is rare")
        # the name decides between equal counts, so that the order of the rows does not
        kept = kept.sort("rows", "level", descending=[True, False]).head(rules.max_levels)
        rare = counts.height - kept.height
        levels = tuple(sorted(kept["level"], key=_natural))
        return cls(name, missing, levels, rare, True, remark)

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

    @property
    def width(self) -> int:
        """How many outputs there are."""
        return len(self.levels) + bool(self.rare) + bool(self.missing)

    def encode(self, values: pl.Series, rules: Rules, out: NDArray[Any]) -> None:
        """Write a 1 for each row's level, also for a missing one where training had some."""
        codes, others = self._codes(values, rules.convention)
        if len(codes) == 1 and codes[0] >= 0:  # half the time of a row that is predicted alone
            out[0, codes[0]] = 1
            return
        strange, absent = codes == _OTHER, codes == _ABSENT
        if self.missing:
            out[absent, -1] = 1
        else:
            strange |= absent
        if self.rare:
            out[strange, len(self.levels)] = 1
        elif strange.any():
            missing = bool(absent.any() and not self.missing)
            noted = Remarks(strange={self.name: (others + [None] * missing, int(strange.sum()))})
            rules.remarks.add(noted)
        rows = np.flatnonzero(codes >= 0)
        out[rows, codes[rows]] = 1

    def _codes(
        self, values: pl.Series, convention: Convention
    ) -> tuple[NDArray[np.int64], list[str | None]]:
        """Return the place of each row's level, or `_OTHER` or `_ABSENT`, and the other levels."""
        import polars as pl

        if values.dtype.is_float():
            values = values.fill_nan(None)
        few = values.len() <= _FEW_ROWS
        given = values.to_list() if few else values.unique(maintain_order=True).to_list()
        codes: dict[Any, int] = {level: place for place, level in enumerate(self.levels)}
        # what stands there as a level does needs no look at its spelling
        strange = [v for v in dict.fromkeys(given) if v is not None and v not in codes]
        known, others = dict(codes), []
        if strange:
            asked = pl.Series(values.name, strange, values.dtype)
            for value, level in zip(strange, self.levels_of(asked, convention), strict=True):
                codes[value] = _ABSENT if level is None else known.get(level, _OTHER)
                if codes[value] == _OTHER and level not in others:
                    others.append(level)
        codes[None] = _ABSENT
        if few:
            return np.array([codes[value] for value in given], dtype=np.int64), others
        distinct = [value for value in given if value is not None]
        places = values.replace_strict(
            pl.Series(distinct, dtype=values.dtype),
            [codes[value] for value in distinct],
            default=_ABSENT,
            return_dtype=pl.Int64,
        )
        return places.to_numpy(), others

    def levels_of(self, values: pl.Series, convention: Convention) -> pl.Series:
        """Return values as the texts of levels; cells of a file as what training had, numbers too.

        What was a level in training is none of the marks for missing.
        """
        import polars as pl

        if values.dtype != pl.String:
            return as_levels(values)
        text = without_missing(values, self.levels)
        if not self.text:
            numbers = numbers_of_text(text, convention)
            if numbers.null_count() == text.null_count():
                return as_levels(numbers)
        if {*self.levels} <= {"true", "false"}:
            text = text.str.to_lowercase()
        return as_levels(text)


def _natural(level: str) -> tuple[bool, float, str]:
    """Sort numbers by value and before texts."""
    try:
        return False, float(int(level)), level
    except (ValueError, OverflowError):
        return True, 0.0, level
