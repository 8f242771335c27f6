"""What must be known of a table before it is encoded: from a sample of its rows, and from all.

Column kinds, how cells are written and quantiles are learnt from rows drawn by chance; what chance
could leave out is taken from every row: the smallest and largest number, how many values are
missing, how often each level and class occurs. Of n rows drawn by chance a quantile lies, with a
probability of 99.9 %, within √(ln 2000 / 2n) of its rank in the table (Dvoretzky, Kiefer and
Wolfowitz, with the constant of Massart, 1990). Where the sample is all of the rows to train on,
it is exact.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import TableError, TableWarning
from backpass.tabular.column_values import as_dates, as_levels, as_numbers
from backpass.tabular.columns import CategoryColumn, Column, DroppedColumn, Rules, warn_of_columns
from backpass.tabular.conventions import Convention
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.large.source import Source
from backpass.tabular.preparation import LearntColumns, check_loss, learn_target, target_column
from backpass.tabular.question import Question
from backpass.tabular.raw_table import RawTable
from backpass.tabular.selection import input_columns, original_rows, with_target
from backpass.tabular.setup import check_names, warn_of_suspects
from backpass.tabular.targets import ClassTarget, explain_task
from backpass.tabular.text_columns import Understood

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

SAMPLE_ROWS = 1 << 18  # whose quantiles are right to 0.4 % of the rows
SAMPLE_CELLS = 1 << 23  # of wide tables fewer rows: 64 MB of numbers, and as much encoded
TEST_ROWS = 1 << 16  # that judge at most: an accuracy is then right to 0.4 %
TEST_CELLS = 1 << 22  # of wide tables fewer rows: what mattered takes 50 bytes for each
PARTS = 1 << 16  # of all keys: into how many the rows are counted
COARSEST = 1 << 10  # parts, where the rows are few: what is held out is right to a thousandth
MOST_LEVELS = 1 << 18  # of a category, of which 64 have an output: more would fill the memory
FEWEST = 100  # rows: fewer leave no row to some of the parts that judge


def keys_of(first: int, count: int, seed: int) -> NDArray[np.uint64]:
    """Return a random number for each row by its number alone: SplitMix64 (Steele et al., 2014).

    Rows in the order of their keys are scattered; those with the lowest are tested on, and those
    with the highest are the sample.
    """
    begin = (seed * 0xD1342543DE82EF95 + first + 1) % 2**64  # far apart for different seeds
    z = (np.arange(count, dtype=np.uint64) + np.uint64(begin)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def part_of(keys: NDArray[np.uint64], parts: int = PARTS) -> NDArray[np.int64]:
    """Return which of the parts of all keys, of which 2ⁿ are equal, each lies in."""
    return (keys >> np.uint64(65 - parts.bit_length())).astype(np.int64)


@dataclass
class Survey:
    """What was learnt of a table."""

    learnt: LearntColumns
    question: Question  # with names as the table has them
    why: str  # the target is what it is
    sampled: int  # rows that quantiles are of
    rows: int  # with a target or without
    test_parts: int  # the rows with these lowest keys, of `PARTS`, are tested on
    parts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(PARTS, dtype=np.int64))
    classes: Counter[str] = field(default_factory=Counter)

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
        exact = self.sampled == self.n_train
        return 0.0 if exact else math.sqrt(math.log(2000) / (2 * self.sampled))

    def look_at(self, source: Source, look: Look, skipped: int = 0) -> None:
        """Have the rows of each piece that have a target looked at, but for the first ones.

        What is said of them meanwhile names their file and line.
        """
        first = 0
        for piece in source.pieces():
            height, first = piece.frame.height, first + piece.frame.height
            if first <= skipped:
                continue
            left_out = max(0, skipped - (first - height))
            piece = replace(piece, frame=piece.frame.slice(left_out))
            with original_rows(range(left_out, height), piece.label, piece.line_of):
                frame = self.learnt.encoder.understood(self.learnt.read(piece).frame)
                kept = np.flatnonzero(with_target(frame, self.learnt.target.name).to_numpy())
                keys = keys_of(first - frame.height, frame.height, self.question.seed)
                with original_rows(kept):
                    look(frame[kept], keys[kept], first)


Look = Callable[["pl.DataFrame", "NDArray[np.uint64]", int], object]
"""Takes usable rows, their keys and how many rows of the table were read with them."""


def survey(source: Source, question: Question) -> Survey:
    """Learn what the encoding of a table needs in two passes; a `TableError` says what is wrong."""
    sample, keys, rows = sample_of(source, question.seed)
    question = question.named(sample.frame.columns)
    told = sample.understand(question.convention, question.categorical)
    most = min(TEST_ROWS, max(1, TEST_CELLS // sample.frame.width))
    share = min(question.test_fraction, most / rows)
    test_parts = max(1, round(share * COARSEST)) * (PARTS // COARSEST)
    with original_rows(range(rows), source.label, sample.line_of):
        check_names(told.frame, question)
        usable = np.flatnonzero(with_target(told.frame, question.target).to_numpy())
        if len(usable) < FEWEST:
            raise TableError(f"{len(usable)} row(s) with a target are too few; give {FEWEST}")
        used = usable[part_of(keys[usable]) >= test_parts]
        task, why = explain_task(told.frame[question.target][usable])
        if question.task != "auto":
            task, why = question.task, "as asked for"
        of_target = usable if task == "classification" else used
        target = learn_target(sample, told, of_target, task, question)
        check_loss(question.recipe.loss, target)
        column = target_column(sample, told, target.name, task)
        known = told.frame.with_columns(column)[used]
        told = replace(
            told, frame=input_columns(told.frame, target.name, None, question.drop)[used]
        )
        learnt = LearntColumns(target, _encoder(told, question), None)
    found = Survey(learnt, question, why, len(used), rows, test_parts)
    counts = _look_at_all(source, found, told, column[usable])
    if found.bound:
        told = replace(told, frame=told.frame.with_columns(c.completed() for c in counts))
        learnt.encoder = _encoder(told, question)
        columns = zip(counts, learnt.encoder.columns_, strict=True)
        learnt.encoder.columns_ = [counted.corrected(column) for counted, column in columns]
    warn_of_columns(learnt.encoder.columns_, found.n_train)
    warn_of_suspects(known, learnt, question)
    return found


def _encoder(told: Understood, question: Question) -> TableEncoding:
    encoder = TableEncoding(categorical=tuple(question.categorical))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)  # of columns, which are told in the end
        return encoder.learn(told)


def sample_of(source: Source, seed: int) -> tuple[RawTable, NDArray[np.uint64], int]:
    """Return the rows with the highest keys, in their order, their keys, and how many there are."""
    import polars as pl

    frames, found, lines = list[Any](), list[Any](), list[Any]()
    rows, floor = 0, np.uint64(0)
    for piece in source.pieces():
        keys = keys_of(rows, piece.frame.height, seed)
        high = np.flatnonzero(keys >= floor)
        frames, found = [*frames, piece.frame[high]], [*found, keys[high]]
        lines += map(piece.named_line, high.tolist())
        rows += len(keys)
        size = min(SAMPLE_ROWS, max(1, SAMPLE_CELLS // piece.frame.width))
        if (count := sum(map(len, found))) > size:
            keys = np.concatenate(found)
            highest = np.sort(np.argpartition(keys, count - size)[count - size :])
            frames = [pl.concat(frames, how="vertical_relaxed")[highest]]
            found, floor = [keys[highest]], keys[highest].min()
            lines = [lines[i] for i in highest]
    frame = pl.concat(frames, how="vertical_relaxed")
    sample = RawTable(frame, source.label, piece.separator, lines.__getitem__)
    return sample, np.concatenate(found), rows


@dataclass
class _Counted:
    """What all rows to train on hold in a column, beside what the sample says of it."""

    sample: pl.Series
    kind: str  # "number", "date" or "level"
    as_level: CategoryColumn  # which tells the levels of cells
    asked: bool  # for a category
    missing: int = 0
    low: float = math.inf
    high: float = -math.inf
    levels: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, sample: pl.Series, asked: bool) -> _Counted:
        number, date = sample.dtype.is_numeric(), sample.dtype.is_temporal()
        kind = "level" if asked or not (number or date) else "number" if number else "date"
        known = tuple(as_levels(sample).drop_nulls().unique()) if kind == "level" else ()
        return cls(sample, kind, CategoryColumn(sample.name, 0, known, 0, not number, ""), asked)

    def add(self, cells: pl.Series, convention: Convention) -> None:
        """Count more cells."""
        if self.kind == "number":
            values = as_numbers(cells, convention)
            known = values[~np.isnan(values)]
            self.missing += len(values) - len(known)
            self.low = min(self.low, known.min(initial=math.inf))
            self.high = max(self.high, known.max(initial=-math.inf))
        elif self.kind == "date":
            self.missing += as_dates(cells, convention).null_count()
        else:
            counts = cells.value_counts(name="rows")
            levels = self.as_level.levels_of(counts[cells.name], convention)
            for level, rows in zip(levels, counts["rows"], strict=True):
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
        return sample.scatter(2, None) if self.missing and self.kind != "level" else sample

    def corrected(self, column: Column) -> Column:
        """Return what was learnt of the completed sample with the counts of all rows."""
        import polars as pl

        if self.kind != "level" or not self.levels:
            return replace(column, missing=self.missing)
        if len(self.levels) > MOST_LEVELS:
            return DroppedColumn(column.name, self.missing, f"more than {MOST_LEVELS} levels")
        usual, remark = TableEncoding(), getattr(column, "remark", "")
        rules = Rules(usual.max_levels, usual.min_count, usual.clip)
        counts = pl.DataFrame({"level": [*self.levels], "rows": [*self.levels.values()]})
        found = CategoryColumn.of_counts(
            column.name, counts, self.missing, rules, self.asked, remark
        )
        if isinstance(found, CategoryColumn):
            return replace(found, text=self.as_level.text)
        return found


def _look_at_all(
    source: Source, found: Survey, told: Understood, of_sample: pl.Series
) -> list[_Counted]:
    """Count what every row holds into `found`, and return the counts of each column."""
    learnt = found.learnt
    counts = [_Counted.of(c, c.name in found.question.categorical) for c in told.frame]

    def look(frame: pl.DataFrame, keys: NDArray[np.uint64], last: int) -> None:
        parts, target = part_of(keys), frame[learnt.target.name]
        found.parts += np.bincount(parts, minlength=PARTS)
        if isinstance(learnt.target, ClassTarget):
            learnt.target = _with_all_classes(learnt.target, target, of_sample)
            classes = np.array(learnt.classes)[learnt.target.encode(target)]
            found.classes.update(dict(zip(*np.unique(classes, return_counts=True), strict=True)))
        rows = np.flatnonzero(parts >= found.test_parts)
        with original_rows(rows):
            for counted in counts:
                counted.add(frame[counted.sample.name][rows], told.convention)

    found.look_at(source, look)
    return counts


def _with_all_classes(target: ClassTarget, column: pl.Series, of_sample: pl.Series) -> ClassTarget:
    """Return a target that has the classes of more rows, too."""
    import polars as pl

    try:
        target.encode(column.unique())
    except TableError:
        further = column.unique().cast(of_sample.dtype, strict=False)
        if further.null_count() or target.costs:  # no value of its kind, or one without a cost
            raise
        return ClassTarget.fit(pl.concat([of_sample.unique(), further]))
    return target
