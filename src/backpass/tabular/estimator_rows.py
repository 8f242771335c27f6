"""The rows that an estimator is given: prepared for training, and what is found of them after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from backpass.errors import TableError, TableWarning, warn_caller
from backpass.estimators.data import in_one_line
from backpass.network.batch import refuse_overflow
from backpass.tabular.baselines import compared_with, predict_baseline
from backpass.tabular.frames import as_frame, has_names
from backpass.tabular.large.source import too_large
from backpass.tabular.model import TabularModel
from backpass.tabular.pack.folds import FEWEST
from backpass.tabular.preparation import PreparedTable, learn_target
from backpass.tabular.question import Question
from backpass.tabular.raw_table import RawTable
from backpass.tabular.selection import original_rows, usable_rows, with_target
from backpass.tabular.series import as_series


def separated(X: Any, y: str) -> tuple[pl.DataFrame, pl.Series]:
    """Return the columns of a table to learn from, and the one that is its target, without gaps."""
    table = as_frame(X)
    table = table.filter(with_target(table, y))
    return table.drop(y), table[y]


def frames_of(X: Any, fitted: Any) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table with the columns of an estimator's fit, of files as written."""
    if isinstance(X, str | Path):
        source = too_large(X)
        for table in [X] if source is None else source.pieces():
            yield fitted.model_.read(table).frame
    else:
        yield _matched(as_frame(X), has_names(X), fitted)


def _matched(frame: pl.DataFrame, named: bool, fitted: Any) -> pl.DataFrame:
    """Return a table with the columns of an estimator's fit, by name where both have names."""
    was_named = "feature_names_in_" in vars(fitted)
    if named and was_named:
        return frame  # the encoder finds them, and says which are not there
    if frame.width != fitted.n_features_in_:
        raise TableError(  # scikit-learn's own words, which its users and checks know
            f"X has {frame.width} features, but {type(fitted).__name__} is expecting"
            f" {fitted.n_features_in_} features as input"
        )
    names = [column.name for column in fitted.model_.encoder.columns_]
    if {*frame.columns} == {*names}:
        return frame
    if named or was_named:
        having = "has column names" if named else "has no column names, but training had"
        warn_caller(f"X {having}; columns are taken in the order of training", TableWarning)
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


class AskedTable(NamedTuple):
    """A table with its targets, weights and groups as columns, and the names of these."""

    table: pl.DataFrame
    target: str
    sample_weight: str | None
    group: str | None


def asked_table(
    frame: pl.DataFrame, y: NDArray[Any], name: object, sample_weight: Any, groups: Any
) -> AskedTable:
    """Return what fit was given as one table.

    Raises
    ------
    TableError
        When there are no rows or columns, or not as many rows of each.
    InputError
        When a sample weight is none.
    """
    if not (frame.height and frame.width):
        raise TableError(f"X has {frame.height} rows and {frame.width} columns; give some")
    if frame.height != len(y):
        raise TableError(f"X has {frame.height} rows, but y {len(y)}; give as many")
    target = free_name(name, "target", frame.columns)
    table = frame.with_columns(as_series(y, target).alias(target))
    weights = group = None
    if sample_weight is not None:
        with in_one_line():
            checked = _check_sample_weight(sample_weight, y, dtype=np.float64)
        weights = free_name("", "sample_weight", table.columns)
        table = table.with_columns(pl.Series(weights, checked))
    if groups is not None:
        group = free_name("", "groups", table.columns)
        column = as_series(groups, group).alias(group)
        if column.len() != frame.height:
            raise TableError(f"X has {frame.height} rows, but groups {column.len()}")
        table = table.with_columns(column)
    return AskedTable(table, target, weights, group)


class EstimatorRows(NamedTuple):
    """Rows of a table: those that count, with their numbers in it, and others, of weight 0."""

    prepared: PreparedTable
    numbers: NDArray[np.int64]
    others: NDArray[np.int64]
    encoded_others: NDArray[Any]

    def weighed(self, weights: NDArray[np.float64]) -> EstimatorRows:
        """Return the rows with weights in training, times their own; scores keep these."""
        own = self.prepared.rows
        if own.sample_weight is not None:
            weights = weights * own.sample_weight
        weights = weights / weights.mean()  # as all weights are: a penalty then weighs the same
        prepared = replace(self.prepared, rows=own._replace(sample_weight=weights))
        return self._replace(prepared=prepared)


def prepared_rows(table: pl.DataFrame, question: Question) -> EstimatorRows:
    """Return the rows of a table that count, as a model is trained on them.

    It is what :meth:`PreparedTable.of` does, but labels stay what they are: "NA" is one, and
    " a" another than "a".
    """
    raw = RawTable(table)
    told = raw.understand()
    told = replace(told, frame=told.frame.with_columns(table[question.target]))
    rows = usable_rows(told.frame, question.target, question.sample_weight)
    if len(rows) < FEWEST:
        counting = "" if question.sample_weight is None else " of a weight above 0"
        raise TableError(
            f"{len(rows)} sample(s){counting} are too few to train on some and judge by others;"
            f" give at least {FEWEST}"
        )
    target = learn_target(raw, told, rows, question.task, question)
    others = np.setdiff1d(np.arange(table.height), rows)
    with original_rows(rows) if len(others) else nullcontext():
        prepared = PreparedTable.learn(told.frame[rows], target, question, told)
    with original_rows(others) if len(others) else nullcontext():
        # before training, which a value that cannot be encoded would let go to waste
        encoded = prepared.encoder.encode(table[others])
    return EstimatorRows(prepared, rows, others, encoded)


def out_of_fold(model: TabularModel, rows: EstimatorRows) -> NDArray[Any]:
    """Return what networks make of the training rows that have not seen them, (N, k)."""
    assert model.training is not None
    output = model.training.cross_fitted
    if output is None:  # cut short: of the only recipe, as far as its networks got
        output = model.training.out_of_fold[0]
    if len(rows.others):  # which none has seen
        others = refuse_overflow(model.predictor.predict(rows.encoded_others))
        order = np.argsort(np.concatenate([rows.numbers, rows.others]))
        output = np.vstack([output, others])[order]
    return output


def compared_out_of_fold(model: TabularModel, prepared: PreparedTable) -> dict[str, float]:
    """Return the scores of other models on the folds of a pack: accuracy, or R².

    Each is trained for every fold on the others, for no longer than the pack where only fast ones
    are asked for, and judged as `model.out_of_fold` is.
    """
    training, question = model.training, prepared.question
    if training is None or not training.complete:
        return {}
    folds, rows = training.folds, prepared.rows
    limit = None if question.compare == "all" else model.seconds / folds.count
    judged, scores = rows._replace(sample_weight=prepared.weights), dict[str, float]()
    for name in compared_with(question.compare):
        output = np.zeros((len(rows.y), len(model.classes) or 1))
        for k in range(folds.count):
            held_out = folds.held_out(k)
            output[held_out], _ = predict_baseline(
                name,
                model,
                rows.of(folds.trained_on(k)),
                rows.X[held_out],
                seed=question.seed,
                time_limit=limit,
            )
        scores[name] = model.scored(judged, output).metrics[model.main_metric]
    return scores


def free_name(wish: object, otherwise: str, taken: list[str]) -> str:
    """Return a name for a column beside others, none that polars takes for a pattern.

    Examples
    --------
    >>> free_name("price", "target", ["x0"]), free_name(None, "target", ["target"])
    ('price', 'target_')
    """
    name = str(wish) if isinstance(wish, str) and wish else otherwise
    while name in taken or (name[0] == "^" and name[-1] == "$"):
        name += "_"
    return name
