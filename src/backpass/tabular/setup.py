"""The table of an experiment before training: its two parts, and a summary to check."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.core.parameters import parameter_count
from backpass.errors import TableError, TableWarning, warn_caller
from backpass.tabular.encoding import ColumnSummary
from backpass.tabular.frames import as_frame, as_levels, as_numbers
from backpass.tabular.leakage import suspicious_columns
from backpass.tabular.preparation import Encoded, PreparedTable, Question, learn_target
from backpass.tabular.selection import known_column, original_rows, split_rows, usable_rows
from backpass.tabular.targets import ClassTarget, explain_task

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Arrangement:
    """The parts of a table before training, and a summary of it.

    Parameters
    ----------
    table : Understanding
    prepared : PreparedTable
        The training part.
    test : Encoded
        The rows that the model will be judged on.
    """

    table: Understanding
    prepared: PreparedTable
    test: Encoded


def arrange(
    frame: pl.DataFrame, question: Question, test: Any, names: tuple[str, str]
) -> Arrangement:
    """Split a table and encode its parts; the encoder learns from the training part only.

    Parameters
    ----------
    frame : polars.DataFrame
    question : Question
    test, names
        As in :func:`backpass.tabular.experiment.run_experiment`.
    """
    with original_rows(np.arange(frame.height), names[0]):
        _check_names(frame, question)
        rows = usable_rows(frame, question.target, question.sample_weight)
    used = frame[rows]
    column, kept, held_out = used[question.target], np.arange(len(rows)), np.arange(0)
    with original_rows(rows, names[0]):
        task, why = explain_task(column)
        if question.task != "auto":
            task, why = question.task, "as asked for"
        _warn_of_rows(frame.height - len(rows), question)
        # of all rows, so that classes are found once, and unusable numbers in either part
        target = learn_target(column, task, question.recipe)
        if test is None:
            classes = target.classes if isinstance(target, ClassTarget) else None
            y, part = target.encode(column), question.test_fraction
            kept, held_out = split_rows(y, part, question.seed, classes=classes)
    with original_rows(rows[kept], names[0]):
        train = used[kept]
        if task == "regression":  # the scale is learnt, as all of the encoding, in training
            target = learn_target(train[question.target], task, question.recipe)
        prepared = PreparedTable.learn(train, target, question)
        _warn_of_suspects(train, prepared)
    if test is None:
        with original_rows(rows[held_out], names[0]):
            judged = prepared.encode_usable(used[held_out])
    else:
        other = as_frame(test(prepared.text_columns()) if callable(test) else test)
        judged = _encode_other(prepared, other, names[1])
    table = _understand(used, prepared, why, frame.height - len(rows), len(judged.y))
    return Arrangement(table, prepared, judged)


def _warn_of_suspects(train: pl.DataFrame, prepared: PreparedTable) -> None:
    question = prepared.question
    ignored = {*question.drop, *filter(None, [question.sample_weight])}
    ignored |= {c.name for c in prepared.encoder.describe() if c.kind == "dropped"}
    for message in suspicious_columns(train.drop(ignored), question.target, prepared.task):
        _warn(message)


def _encode_other(prepared: PreparedTable, frame: pl.DataFrame, label: str) -> Encoded:
    """Return the rows of the table that was given to be judged on."""
    with original_rows(np.arange(frame.height), label):
        name = prepared.sample_weight
        if name and name not in frame.columns:
            where = label or "the test table"
            _warn(f"{where} has no sample weights {name!r}; rows count alike")
        return prepared.encode(frame)


def _warn(message: str) -> None:
    warn_caller(message, TableWarning)


def _check_names(frame: pl.DataFrame, question: Question) -> None:
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


def _warn_of_rows(left_out: int, question: Question) -> None:
    if left_out:
        name = question.sample_weight
        weight = f" or have no weight {name!r}" if name else ""
        _warn(f"{left_out} row(s) have no target {question.target!r}{weight} and are left out")


@dataclass(frozen=True)
class Understanding:
    """A summary of a table, for a person to check before trusting a score.

    Parameters
    ----------
    rows : int
        With a target, and used.
    left_out : int
        Without a target, or with a weight of 0.
    target, task, why : str
        The column predicted, ``"classification"`` or ``"regression"``, and the reason for it.
    columns : list of ColumnSummary
        The inputs, as the encoder learnt them from the training part; what is missing is
        counted in all rows.
    dropped : list of str
        Columns left out because the caller said so.
    sample_weight : str or None
        The column of sample weights.
    classes : dict of str to int
        Rows of each class, of a classification.
    quantiles : list of float
        Smallest, lower quartile, median, upper quartile and largest target, of a regression.
    n_train, n_test : int
        Rows of the two parts.
    sizes : tuple of int
        Units of each layer, inputs first.
    parameters : int
        Weights and biases.
    """

    rows: int
    left_out: int
    target: str
    task: str
    why: str
    columns: list[ColumnSummary]
    dropped: list[str]
    sample_weight: str | None
    n_train: int
    n_test: int
    sizes: tuple[int, ...]
    parameters: int
    classes: dict[str, int] = field(default_factory=dict)
    quantiles: list[float] = field(default_factory=list)

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
        counts = dict(zip(*as_levels(target).value_counts(), strict=True))
        classes = {name: counts.get(name, 0) for name in prepared.classes}
    else:
        quantiles = np.quantile(as_numbers(target), [0, 0.25, 0.5, 0.75, 1]).tolist()
    columns = prepared.encoder.describe()
    return Understanding(
        rows=target.len(),
        left_out=left_out,
        target=target.name,
        task=prepared.task,
        why=why,
        columns=[replace(c, missing=_missing(frame[c.name])) for c in columns],
        dropped=list(prepared.question.drop),
        sample_weight=prepared.sample_weight,
        n_train=len(prepared.rows.y),
        n_test=n_test,
        sizes=prepared.sizes,
        parameters=parameter_count(prepared.sizes),
        classes=classes,
        quantiles=quantiles,
    )


def _missing(column: pl.Series) -> int:
    nan = int(column.is_nan().sum()) if column.dtype.is_float() else 0
    return column.null_count() + nan
