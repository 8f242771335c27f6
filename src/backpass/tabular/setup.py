"""The table of an experiment before training: its two parts, and a summary to check."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.core.parameters import parameter_count
from backpass.errors import TableError, TableWarning, warn_caller
from backpass.tabular.column_values import as_numbers
from backpass.tabular.columns import ColumnSummary
from backpass.tabular.conventions import PLAIN
from backpass.tabular.frames import columns_named
from backpass.tabular.leakage import suspicious_columns
from backpass.tabular.preparation import (
    Encoded,
    LearntColumns,
    PreparedTable,
    learn_target,
    target_column,
)
from backpass.tabular.question import Question
from backpass.tabular.raw_table import RawTable
from backpass.tabular.relations import relations_of, split
from backpass.tabular.selection import known_column, original_rows, usable_rows
from backpass.tabular.targets import ClassTarget, explain_task

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Arrangement:
    """The parts of a table before training, and a summary of it."""

    table: Understanding
    prepared: PreparedTable  # the training part
    test: Encoded  # the rows that the model will be judged on
    rows: NDArray[np.int64] | None = None  # of the table in memory, those of the training part


def arrange(raw: RawTable, question: Question, test: Any) -> Arrangement:
    """Split a table and encode its parts; the encoder learns from the training part only.

    Parameters
    ----------
    raw : RawTable
    question : Question
    test
        As in :func:`backpass.tabular.experiment.run_experiment`.
    """
    label, line_of = raw.label, raw.line_of
    told = raw.understand(question.convention, question.categorical)
    frame = told.frame
    with original_rows(range(frame.height), label, line_of):
        check_names(frame, question)
        rows = usable_rows(frame, question.target, question.sample_weight)
    used = frame[rows]
    column, kept, held_out = used[question.target], np.arange(len(rows)), np.arange(0)
    with original_rows(rows, label, line_of):
        task, why = explain_task(column)
        if question.task != "auto":
            task, why = question.task, "as asked for"
        _warn_of_rows(raw.frame[question.target], rows, question)
        column = target_column(raw, told, question.target, task)[rows]
        used = used.with_columns(column)
        # of all rows, so that classes are found once, and unusable numbers in either part
        target = learn_target(raw, told, rows, task, question)
        if test is None:
            classes = target.classes if isinstance(target, ClassTarget) else None
            y, part = target.encode(column), question.test_fraction
            relations = relations_of(used, question.group, question.time)
            kept, held_out = split(y, part, question.seed, relations, classes=classes)
    with original_rows(rows[kept], label, line_of):
        train = used[kept]
        if task == "regression":  # the scale is learnt, as all of the encoding, in training
            target = learn_target(raw, told, rows[kept], task, question)
        prepared = PreparedTable.learn(train, target, question, told)
        warn_of_suspects(train, prepared, question)
    if test is None:
        with original_rows(rows[held_out], label, line_of):
            judged = prepared.encode_usable(used[held_out])
    else:
        judged = _encode_other(prepared, prepared.read(test))
    table = _understand(used, prepared, why, frame.height - len(rows), len(judged.y))
    return Arrangement(table, prepared, judged, rows[kept])


def warn_of_suspects(train: pl.DataFrame, prepared: LearntColumns, question: Question) -> None:
    """Warn of columns that may tell the target, which will not be known when it is predicted."""
    ignored = {*question.drop, *filter(None, [question.sample_weight, question.group])}
    ignored |= {c.name for c in prepared.encoder.describe() if c.kind == "dropped"}
    looked_at = columns_named(train, (name for name in train.columns if name not in ignored))
    for message in suspicious_columns(looked_at, question.target, prepared.task):
        _warn(message)


def _encode_other(prepared: PreparedTable, raw: RawTable) -> Encoded:
    """Return the rows of the table that was given to be judged on."""
    name = prepared.sample_weight
    if name and name not in raw.frame.columns:
        where = raw.label or "the test table"
        _warn(f"{where} has no sample weights {name!r}; rows count alike")
    return prepared.encode(raw)


def _warn(message: str) -> None:
    warn_caller(message, TableWarning)


def check_names(frame: pl.DataFrame, question: Question) -> None:
    """Refuse columns that are not there, or are meant for two things."""
    known_column(frame, question.target, "to predict")
    for name in question.categorical:
        known_column(frame, name, "to take as a category")
        if name == question.target:
            raise TableError(
                f"column {name!r} is the target; for classes, ask for task 'classification'"
            )
        other = "is dropped" if name in question.drop else ""
        other = "holds the sample weights" if name == question.sample_weight else other
        if other:
            raise TableError(f"column {name!r} {other}; it cannot be a category, too")


def _warn_of_rows(target: pl.Series, used: NDArray[np.int64], question: Question) -> None:
    import polars as pl

    left_out = np.setdiff1d(np.arange(target.len()), used)
    if left_out.size:
        name = question.sample_weight
        weight = f" or have no weight {name!r}" if name else ""
        texts = (
            target[left_out].drop_nulls().unique().to_list() if target.dtype == pl.String else []
        )
        marks = ", ".join(repr(text) for text in sorted(texts)[:3] if text.strip())
        said = f" ({marks} taken for missing)" if marks and not name else ""
        _warn(
            f"{left_out.size} row(s) have no target {question.target!r}{weight}{said} and are left"
            " out"
        )


@dataclass(frozen=True)
class Understanding:
    """A summary of a table, for a person to check before trusting a score."""

    rows: int  # with a target, and used
    left_out: int  # without a target, or with a weight of 0
    # the column predicted, "classification" or "regression", and the reason for it
    target: str
    task: str
    why: str
    # the inputs, as the encoder learnt them from the training part; what is missing is counted in
    # all rows
    columns: list[ColumnSummary]
    dropped: list[str]  # columns left out because the caller said so
    sample_weight: str | None  # the column of sample weights
    # rows of the two parts
    n_train: int
    n_test: int
    sizes: tuple[int, ...]  # units of each layer, inputs first
    parameters: int  # weights and biases
    classes: dict[str, int] = field(default_factory=dict)  # rows of each class, of a classification
    # smallest, lower quartile, median, upper quartile and largest target, of a regression
    quantiles: list[float] = field(default_factory=list)
    # what is not plain in how the table is written
    convention: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> dict[str, int]:
        """How many columns there are of each kind."""
        names = [column.kind for column in self.columns]
        return {kind: names.count(kind) for kind in dict.fromkeys(names)}

    @property
    def missing(self) -> int:
        """How many values of the inputs are missing."""
        return sum(column.missing for column in self.columns)


def _understand(
    frame: pl.DataFrame, prepared: PreparedTable, why: str, left_out: int, n_test: int
) -> Understanding:
    """Return the summary of all the rows that are used."""
    classes, quantiles, target = {}, [], frame[prepared.target.name]
    if prepared.classes:
        counts = np.bincount(prepared.target.encode(target), minlength=len(prepared.classes))
        classes = dict(zip(prepared.classes, counts.tolist(), strict=True))
    else:
        quantiles = np.quantile(as_numbers(target), [0, 0.25, 0.5, 0.75, 1]).tolist()
    columns, missing = prepared.encoder.describe(), _missing(frame)
    return Understanding(
        rows=target.len(),
        left_out=left_out,
        target=target.name,
        task=prepared.task,
        why=why,
        columns=[replace(c, missing=missing[c.name]) for c in columns],
        dropped=list(prepared.question.drop),
        sample_weight=prepared.sample_weight,
        n_train=len(prepared.rows.y),
        n_test=n_test,
        sizes=prepared.sizes,
        parameters=parameter_count(prepared.sizes),
        classes=classes,
        quantiles=quantiles,
        convention=(prepared.encoder.convention_ or PLAIN).words(),
    )


def _missing(frame: pl.DataFrame) -> dict[str, int]:
    """Return how many values each column lacks."""
    import polars as pl

    nan = frame.select(pl.selectors.float().is_nan().sum())
    missing = dict(zip(frame.columns, frame.null_count().row(0), strict=True))
    return missing | {column.name: missing[column.name] + int(column[0]) for column in nan}
