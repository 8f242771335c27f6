"""What must be known of a table before it is encoded: from a sample of its rows, and from all.

Column kinds, how cells are written and quantiles are learnt from rows drawn by chance; what chance
could leave out is taken from every row: the smallest and largest number, whether values are
missing, how often each level and class occurs. Of n rows drawn by chance a quantile lies, with a
probability of 99.9 %, within √(ln 2000 / 2n) of its rank in the table (Dvoretzky, Kiefer and
Wolfowitz, with the constant of Massart, 1990). Where the sample is all of the rows to train on,
it is exact.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import TableError, TableWarning
from backpass.tabular.column_values import as_dates, as_levels, as_numbers
from backpass.tabular.columns import (
    CategoryColumn,
    Column,
    DroppedColumn,
    Rules,
    warn_of_columns,
)
from backpass.tabular.conventions import Convention
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.large.source import Source
from backpass.tabular.preparation import LearntColumns, check_loss, learn_target, target_column
from backpass.tabular.question import Question
from backpass.tabular.raw_table import RawTable
from backpass.tabular.selection import (
    checked_weights,
    input_columns,
    original_rows,
    usable_part,
    usable_rows,
)
from backpass.tabular.targets import ClassTarget, explain_task
from backpass.tabular.text_columns import Understood

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

SAMPLE_ROWS = 1 << 18  # whose quantiles are right to 0.4 % of the rows
SAMPLE_CELLS = 1 << 23  # of wide tables fewer rows: 64 MB of numbers, and as much encoded
TEST_ROWS = 1_000_000  # that judge at most: an accuracy is then right to 0.1 %
PARTS = 1 << 16  # of all keys: into how many the rows are counted
COARSEST = 1 << 10  # parts, where the rows are few: what is held out is right to a thousandth
MOST_LEVELS = 1 << 18  # of a category, of which 64 have an output: more would fill the memory
FEWEST = 100  # rows: fewer leave no row to some of the parts that judge
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def keys_of(first: int, count: int, seed: int) -> NDArray[np.uint64]:
    """Return a random number for each row by its number alone: SplitMix64 (Steele et al., 2014).

    Rows in the order of their keys are scattered; those with the lowest are tested on, and those
    with the highest are the sample.
    """
    begin = (seed * 0xD1342543DE82EF95 + first) % 2**64  # far apart for different seeds
    z = np.arange(count, dtype=np.uint64) + np.uint64(begin)
    z = (z + np.uint64(1)) * np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
    return z ^ (z >> np.uint64(31))


@dataclass
class Survey:
    """What was learnt of a table.

    Parameters
    ----------
    learnt : LearntColumns
    question : Question
        With names as the table has them.
    why : str
        Why the target is what it is.
    sampled : int
        Rows that quantiles are of.
    test_parts : int
        Of the `PARTS` of all keys: the rows with these lowest ones are tested on.
    rows : int
        All rows, with a target or without.
    parts : array of int of shape (PARTS,)
        Usable rows with a key in each part.
    total_weight : float
        Sum of the weights of the rows to train on.
    classes : dict of str to int
        Rows of each class, of a classification.
    exact : bool
        Whether the sample is all of the rows to train on.
    """

    learnt: LearntColumns
    question: Question
    why: str
    sampled: int
    test_parts: int
    rows: int
    parts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(PARTS, dtype=np.int64))
    total_weight: float = 0.0
    classes: dict[str, int] = field(default_factory=dict)
    exact: bool = False

    @property
    def n_test(self) -> int:
        """How many rows are tested on."""
        return int(self.parts[: self.test_parts].sum())

    @property
    def n_train(self) -> int:
        """How many rows are trained on."""
        return int(self.parts.sum()) - self.n_test

    @property
    def bound(self) -> float:
        """How far a quantile's rank may be off, as a part of the rows."""
        return 0.0 if self.exact else math.sqrt(math.log(2000) / (2 * self.sampled))


def part_of(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return which of the `PARTS` of all keys each lies in."""
    return (keys >> np.uint64(48)).astype(np.int64)


def numbered(source: Source, seed: int, skip: int = 0) -> Iterator[tuple[RawTable, Any]]:
    """Yield the pieces of a table with the keys of their rows."""
    first = skip
    for piece in source.pieces(skip):
        count = piece.frame.height
        yield piece, keys_of(first, count, seed)
        first += count


def survey(source: Source, question: Question) -> Survey:
    """Learn what the encoding of a table needs, in two passes over it.

    Raises
    ------
    TableError
        When the table cannot be used; the message says which file, column and row, and why.
    """
    sample, keys, rows = _sample(source, question.seed)
    question = question.named(sample.frame.columns)
    told = sample.understand(question.convention, question.categorical)
    share = min(question.test_fraction, TEST_ROWS / rows)
    test_parts = max(1, round(share * COARSEST)) * (PARTS // COARSEST)
    with original_rows(range(rows), source.label):
        usable = usable_rows(told.frame, question.target, question.sample_weight)
        used = usable[part_of(keys[usable]) >= test_parts]
        if len(usable) < FEWEST:
            raise TableError(f"{len(usable)} row(s) are too few to be cached; give {FEWEST}")
        task, why = explain_task(told.frame[question.target][usable])
        if question.task != "auto":
            task, why = question.task, "as asked for"
        of_target = usable if task == "classification" else used
        target = learn_target(sample, told, of_target, task, question)
        check_loss(question.recipe.loss, target)
        column = target_column(sample, told, target.name, task)[usable]
        inputs = input_columns(told.frame, target.name, question.sample_weight, question.drop)
        told = replace(told, frame=inputs[used])
        learnt = LearntColumns(target, _encoder(told, question), question.sample_weight)
    found = Survey(learnt, question, why, len(used), test_parts, rows)
    counts = _look_at_all(source, found, told, column)
    found.exact = len(used) == found.n_train
    if not found.exact:
        told = replace(told, frame=told.frame.with_columns(c.completed() for c in counts))
        learnt.encoder = _encoder(told, question)
        encoder = learnt.encoder
        rules = Rules(encoder.max_levels, encoder.min_count, encoder.clip)
        encoder.columns_ = [
            c.corrected(column, rules) for c, column in zip(counts, encoder.columns_, strict=True)
        ]
    warn_of_columns(learnt.encoder.columns_, found.n_train)
    return found


def _encoder(told: Understood, question: Question) -> TableEncoding:
    bins = question.bins if question.recipe.bins else "none"
    encoder = TableEncoding(categorical=tuple(question.categorical), bins=bins)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)  # of columns, which are told in the end
        return encoder.learn(told)


def _sample(source: Source, seed: int) -> tuple[RawTable, NDArray[np.uint64], int]:
    """Return the rows with the highest keys, in their order, their keys, and how many there are."""
    parts: list[tuple[pl.DataFrame, NDArray[np.uint64]]] = []
    floor, rows, kept, size = np.uint64(0), 0, 0, SAMPLE_ROWS
    first: RawTable | None = None
    for piece, keys in numbered(source, seed):
        if first is None:
            first = piece
            size = min(SAMPLE_ROWS, max(1, SAMPLE_CELLS // max(1, piece.frame.width)))
        rows += len(keys)
        high = np.flatnonzero(keys >= floor)
        parts.append((piece.frame[high].rechunk(), keys[high]))
        kept += len(high)
        if kept > 2 * size:
            parts = [_highest(parts, size)]
            kept, floor = size, parts[0][1].min()
    assert first is not None  # a source without a row is refused
    frame, keys = _highest(parts, size)
    return RawTable(frame, source.label, first.separator), keys, rows


def _highest(
    parts: list[tuple[pl.DataFrame, NDArray[np.uint64]]], size: int
) -> tuple[pl.DataFrame, NDArray[np.uint64]]:
    import polars as pl

    frame = pl.concat([part for part, _ in parts], how="vertical_relaxed")
    keys = np.concatenate([part for _, part in parts])
    if len(keys) > size:
        places = np.sort(np.argpartition(keys, len(keys) - size)[len(keys) - size :])
        frame, keys = frame[places], keys[places]
    return frame, keys


# --- every row -----------------------------------------------------------------------------------


@dataclass
class _Counted:
    """What all rows to train on hold in a column, beside what the sample says of it.

    Parameters
    ----------
    sample : polars.Series
        Understood.
    kind : {"number", "date", "level"}
    as_level : CategoryColumn
        Which tells the levels of cells.
    """

    sample: pl.Series
    kind: str
    as_level: CategoryColumn
    asked: bool
    missing: int = 0
    low: float = math.inf
    high: float = -math.inf
    levels: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, sample: pl.Series, asked: bool) -> _Counted:
        number, kind = sample.dtype.is_numeric(), "level"
        if not asked:
            kind = "number" if number else "date" if sample.dtype.is_temporal() else "level"
        known = tuple(as_levels(sample).drop_nulls().unique()) if kind == "level" else ()
        as_level = CategoryColumn(sample.name, 0, known, 0, not number, "")
        return cls(sample, kind, as_level, asked)

    def add(self, cells: pl.Series, convention: Convention) -> None:
        """Count more cells."""
        if self.kind == "number":
            values = as_numbers(cells, convention)
            known = values[~np.isnan(values)]
            self.missing += len(values) - len(known)
            if len(known):
                self.low, self.high = min(self.low, known.min()), max(self.high, known.max())
        elif self.kind == "date":
            self.missing += as_dates(cells, convention).null_count()
        else:
            self._add_levels(cells, convention)

    def _add_levels(self, cells: pl.Series, convention: Convention) -> None:
        if cells.dtype.is_float():
            cells = cells.fill_nan(None)
        found = cells.drop_nulls().value_counts(name="rows")
        levels = self.as_level.levels_of(found[cells.name], convention)
        self.missing += cells.null_count()
        for level, rows in zip(levels, found["rows"], strict=True):
            if level is None:
                self.missing += rows
            elif level in self.levels or len(self.levels) <= MOST_LEVELS:
                self.levels[level] += rows

    def completed(self) -> pl.Series:
        """Return the sample with the smallest and the largest number, and a gap where one is."""
        import polars as pl

        sample = self.sample
        if self.kind == "number" and self.low <= self.high:
            sample = sample.cast(pl.Float64).scatter([0, 1], [self.low, self.high])
        if self.missing and self.kind != "level":
            sample = sample.scatter(2, None)
        return sample

    def corrected(self, column: Column, rules: Rules) -> Column:
        """Return what was learnt of the completed sample with the counts of all rows."""
        import polars as pl

        if self.kind != "level":
            return replace(column, missing=self.missing)
        name, remark = column.name, getattr(column, "remark", "")
        if not self.levels or len(self.levels) > MOST_LEVELS:
            note = f"more than {MOST_LEVELS} levels" if self.levels else "no value at all"
            return DroppedColumn(name, self.missing, note)
        counts = pl.DataFrame({"level": [*self.levels], "rows": [*self.levels.values()]})
        found = CategoryColumn.of_counts(name, counts, self.missing, rules, self.asked, remark)
        if isinstance(found, CategoryColumn):
            return replace(found, text=self.as_level.text)
        return found


def _look_at_all(
    source: Source, found: Survey, told: Understood, of_sample: pl.Series
) -> list[_Counted]:
    """Count what every row holds into `found`, and return the counts of each column."""
    learnt, name, by_class = found.learnt, found.learnt.target.name, Counter[str]()
    counts = [_Counted.of(c, c.name in found.question.categorical) for c in told.frame]
    for piece, keys in numbered(source, found.question.seed):
        with original_rows(range(piece.frame.height), piece.label, piece.line_of):
            frame = learnt.encoder.understood(learnt.read(piece).frame)
            _, keep = usable_part(frame, name, learnt.sample_weight)
            parts = part_of(keys)
            found.parts += np.bincount(parts[keep], minlength=PARTS)
            if isinstance(learnt.target, ClassTarget):
                column = frame[name].filter(keep)
                learnt.target = _with_all_classes(learnt.target, column, of_sample)
                of_class = np.bincount(learnt.target.encode(column)).tolist()
                by_class.update(dict(zip(learnt.classes, of_class, strict=False)))
            rows = np.flatnonzero(keep & (parts >= found.test_parts))
            with original_rows(rows):
                part = frame[rows]
                if learnt.sample_weight is not None:
                    found.total_weight += float(checked_weights(part, learnt.sample_weight).sum())
                for counted in counts:
                    counted.add(part[counted.sample.name], told.convention)
    found.classes = {one: by_class[one] for one in learnt.classes}
    return counts


def _with_all_classes(target: ClassTarget, column: pl.Series, of_sample: pl.Series) -> ClassTarget:
    """Return a target that has the classes of more rows, too."""
    import polars as pl

    distinct = column.unique()
    try:
        target.encode(distinct)
    except TableError:
        further = distinct.cast(of_sample.dtype, strict=False)
        if further.null_count() or target.costs:  # no value of that column, or a class unasked for
            raise
        return ClassTarget.fit(pl.concat([of_sample.unique(), further]))
    return target
