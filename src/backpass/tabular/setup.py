"""The question put to a table (target, task, columns, weights), and the arrays it becomes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import TableError, TableWarning
from backpass.tabular.encoder import ColumnSummary, suspicious_columns
from backpass.tabular.frames import as_frame, as_levels, as_numbers
from backpass.tabular.model import Encoded, TabularModel
from backpass.tabular.recipe import RECIPE, Recipe
from backpass.tabular.selection import (
    check_asked,
    known_column,
    original_rows,
    split_rows,
    usable_rows,
)
from backpass.tabular.targets import ClassTarget, NumberTarget, explain_task

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "Arrangement",
    "Question",
    "Understanding",
    "arrange",
    "understand",
]


@dataclass(frozen=True)
class Question:
    """What is asked of a table, and how it is to be answered.

    Parameters
    ----------
    target : str
        The column to predict.
    task : {"auto", "classification", "regression"}
    sample_weight : str, optional
        A column of sample weights.
    categorical, drop : sequence of str
        Number columns to be taken as categories; columns to leave out.
    test_fraction : float
        Part of the rows that the model is judged on, where there is no other table for it.
    recipe : Recipe
    seed : int
        The same seed gives the same split and the same network.
    time_limit : float, optional
        Most seconds of training.
    gradient_norms : bool
        Whether each layer's gradient norm and the noise of one row's are recorded every epoch.
    baselines : bool
        Whether other models are trained for comparison.
    """

    target: str
    task: str = "auto"
    sample_weight: str | None = None
    categorical: Sequence[str] = ()
    drop: Sequence[str] = ()
    test_fraction: float = 0.2
    recipe: Recipe = RECIPE
    seed: int = 0
    time_limit: float | None = None
    gradient_norms: bool = False
    baselines: bool = True


if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Arrangement:
    """All that is known before training.

    Parameters
    ----------
    table : Understanding
    model : TabularModel
        Not trained yet.
    train, test : Encoded
        The rows of the two parts.
    """

    table: Understanding
    model: TabularModel
    train: Encoded
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
    check_asked(question.task, question.categorical, question.drop, question.seed, question.recipe)
    with original_rows(np.arange(frame.height), names[0]):
        _check_names(frame, question)
        rows = usable_rows(frame, question.target, question.sample_weight)
    target = frame[question.target][rows]
    kept, held_out = np.arange(len(rows)), np.arange(0)
    with original_rows(rows, names[0]):
        task, why = _task(target, question.task)
        _warn_of_rows(frame.height - len(rows), question)
        if test is None:
            kept, held_out = _split(target, task, question)
    with original_rows(rows[kept], names[0]):
        model, train = _learn(frame[rows[kept]], task, question)
    if test is None:
        judged = _encode(model, frame[rows[held_out]], rows[held_out], names[0])
    else:
        other = as_frame(test(model.text_columns()) if callable(test) else test)
        judged = _encode(model, other, np.arange(other.height), names[1])
    table = understand(
        frame[rows],
        model,
        why=why,
        left_out=frame.height - len(rows),
        dropped=question.drop,
        n_train=len(train.y),
        n_test=len(judged.y),
    )
    return Arrangement(table, model, train, judged)


def _learn(train: pl.DataFrame, task: str, question: Question) -> tuple[TabularModel, Encoded]:
    """Let the encoder learn from the training part, and doubt its columns."""
    model, encoded = TabularModel.prepare(
        train,
        question.target,
        task=task,
        sample_weight=question.sample_weight,
        categorical=question.categorical,
        drop=question.drop,
        recipe=question.recipe,
        seed=question.seed,
    )
    ignored = {*question.drop, *filter(None, [question.sample_weight])}
    ignored |= {c.name for c in model.encoder.describe() if c.kind == "dropped"}
    for message in suspicious_columns(train.drop(ignored), question.target, task):  # type: ignore[arg-type]
        _warn(message)
    return model, encoded


def _encode(
    model: TabularModel, frame: pl.DataFrame, rows: NDArray[np.int64], label: str
) -> Encoded:
    with original_rows(rows, label):
        if model.sample_weight and model.sample_weight not in frame.columns:
            where = label or "the test table"
            _warn(f"{where} has no sample weights {model.sample_weight!r}; rows count alike")
        return model.encode(frame)


def _warn(message: str) -> None:
    warnings.warn(message, TableWarning, stacklevel=2)


def _check_names(frame: pl.DataFrame, question: Question) -> None:
    """Refuse columns that are not there, or are meant for two things."""
    known_column(frame, question.target, "to predict")
    for name in question.categorical:
        known_column(frame, name, "to take as a category")
        if name == question.target:
            raise TableError(
                f"column {name!r} is the target; for classes, ask for task 'classification'"
            )
        if name in question.drop:
            raise TableError(f"column {name!r} is dropped; it cannot be a category, too")
        if name == question.sample_weight:
            raise TableError(
                f"column {name!r} holds the sample weights; it cannot be a category, too"
            )


def _task(target: pl.Series, task: str) -> tuple[str, str]:
    guessed, why = explain_task(target)
    if task == "auto":
        return guessed, why
    return task, "as asked for"


def _warn_of_rows(left_out: int, question: Question) -> None:
    if left_out:
        weight = f" or have no weight {question.sample_weight!r}" if question.sample_weight else ""
        _warn(f"{left_out} row(s) have no target {question.target!r}{weight} and are left out")


def _split(
    target: pl.Series, task: str, question: Question
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if task == "classification":
        learnt = ClassTarget.fit(target)
        y, classes = learnt.encode(target), learnt.classes
        return split_rows(y, question.test_fraction, question.seed, classes=classes)
    NumberTarget.fit(target)  # finds what is wrong with it, and in which row
    return split_rows(np.zeros(target.len()), question.test_fraction, question.seed)


@dataclass(frozen=True)
class Understanding:
    """A table as the model sees it.

    Parameters
    ----------
    rows : int
        With a target, and used.
    left_out : int
        Without a target, or with a weight of 0.
    target, task, why : str
        What is predicted, ``"classification"`` or ``"regression"``, and what says so.
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


def understand(
    frame: pl.DataFrame,
    model: TabularModel,
    *,
    why: str,
    left_out: int,
    dropped: Sequence[str],
    n_train: int,
    n_test: int,
) -> Understanding:
    """Return what was understood.

    Parameters
    ----------
    frame : polars.DataFrame
        All rows that are used.
    model : TabularModel
        Prepared on the training part.
    why, left_out, dropped, n_train, n_test
        As in :class:`Understanding`.
    """
    classes, quantiles, target = {}, [], frame[model.target.name]
    if isinstance(model.target, ClassTarget):
        found = as_levels(target).value_counts()
        counts = dict(zip(*found, strict=True))
        classes = {name: counts.get(name, 0) for name in model.target.classes}
    else:
        quantiles = np.quantile(as_numbers(target), [0, 0.25, 0.5, 0.75, 1]).tolist()
    return Understanding(
        rows=target.len(),
        left_out=left_out,
        target=target.name,
        task=model.task,
        why=why,
        columns=[replace(c, missing=_missing(frame[c.name])) for c in model.encoder.describe()],
        dropped=list(dropped),
        sample_weight=model.sample_weight,
        n_train=n_train,
        n_test=n_test,
        sizes=model.network.sizes,
        parameters=int(model.network.parameters.flat.size),
        classes=classes,
        quantiles=quantiles,
    )


def _missing(column: pl.Series) -> int:
    nan = int(column.is_nan().sum()) if column.dtype.is_float() else 0
    return column.null_count() + nan
