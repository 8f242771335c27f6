"""A question about a table, what is learnt of its columns, and the rows to train on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from backpass.core.losses import LOSSES, Loss
from backpass.core.settings import Settings
from backpass.errors import InputError, TableError
from backpass.network.network import Network
from backpass.tabular.column_values import as_numbers
from backpass.tabular.conventions import (
    without_marks,
    without_missing,
)
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.files import raw_table
from backpass.tabular.frames import columns_named
from backpass.tabular.pack.folds import Folds, folds_of, judging_rows
from backpass.tabular.pack.recipes import Effort
from backpass.tabular.question import Question
from backpass.tabular.raw_table import RawTable
from backpass.tabular.recipe import Recipe
from backpass.tabular.relations import Relations, relations_of, split
from backpass.tabular.selection import (
    input_columns,
    original_rows,
    sample_weights,
    usable_rows,
)
from backpass.tabular.targets import (
    ClassTarget,
    NumberTarget,
    Target,
    are_few,
    explain_task,
)
from backpass.tabular.text_columns import Understood

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


class Encoded(NamedTuple):
    """Rows as the network takes them: inputs (N, d), targets (N,), sample weights (N,) or None."""

    X: NDArray[Any]
    y: NDArray[Any]
    sample_weight: NDArray[np.float64] | None

    def of(self, rows: Any) -> Encoded:
        """Return some of the rows."""
        s = self.sample_weight
        return Encoded(self.X[rows], self.y[rows], None if s is None else s[rows])


@dataclass
class LearntColumns:
    """What was learnt of a table's columns: how rows become numbers, and numbers predictions."""

    target: Target
    encoder: TableEncoding  # fitted
    sample_weight: str | None  # the column of sample weights, which is not an input

    @property
    def task(self) -> str:
        """``"classification"`` or ``"regression"``."""
        return self.target.task

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the network's outputs; none of a regression."""
        return self.target.classes if isinstance(self.target, ClassTarget) else ()

    def targets(self, y: NDArray[Any], loss: Loss) -> NDArray[Any]:
        """Return encoded targets as a loss takes them: of classes as numbers, or one-hot."""
        if not self.classes or loss.task == "classification":
            return y
        one_hot: NDArray[Any] = np.eye(len(self.classes), dtype=self.encoder.dtype)[y]
        return one_hot

    def text_columns(self) -> list[str]:
        """Return the columns to keep as text when a file is read: ``read_table(as_text=…)``."""
        texts = isinstance(self.target, ClassTarget) and self.target.values == "text"
        return self.encoder.text_columns() + [self.target.name] * texts

    def encode(self, table: Any) -> Encoded:
        """Return the rows that have a target (and a weight above 0, where there are weights).

        Parameters
        ----------
        table : DataFrame of polars or pandas, mapping of columns, or name of a file
            With the target and the columns of training.

        Raises
        ------
        TableError
            When a column is missing, or a value is not of its column's kind.
        """
        raw = self.read(table)
        with original_rows(range(raw.frame.height), raw.label, raw.line_of):
            rows = self.usable(raw)
            if len(rows) == raw.frame.height:  # polars loads NumPy's masked arrays to take rows
                return self.encode_usable(raw.frame)
            with original_rows(rows):
                return self.encode_usable(raw.frame[rows])

    def usable(self, raw: RawTable) -> NDArray[np.int64]:
        """Return the numbers, from 0, of the rows of a table as it is read that can be encoded."""
        weights = self.sample_weight if self.sample_weight in raw.frame.columns else None
        return usable_rows(raw.frame, self.target.name, weights)

    def read(self, table: Any) -> RawTable:
        """Return a table whose targets and weights are read as those of training were.

        Its inputs may be texts: the encoder reads them.

        Raises
        ------
        TableError
            When it cannot be read, or a target or weight is written otherwise.
        """
        import polars as pl

        raw, convention = self._opened(table), self.encoder.convention_
        if convention is None:  # of an older version: all texts are understood together
            return replace(raw, frame=self.encoder.understood(raw.frame))
        own = [n for n in (self.target.name, self.sample_weight) if n in raw.frame.columns]
        columns = []
        with original_rows(range(raw.frame.height), raw.label, raw.line_of):
            for column in without_marks(columns_named(raw.frame, own), convention.missing):
                if column.dtype == pl.String:
                    column = without_missing(column, self.classes)
                    if not self.classes or column.name == self.sample_weight:
                        numbers = as_numbers(column, convention)
                        column = pl.Series(column.name, numbers, nan_to_null=True)
                columns.append(column)
        written = raw.frame if raw.written is None else raw.written
        return replace(raw, frame=raw.frame.with_columns(columns), written=written)

    def _opened(self, table: Any) -> RawTable:
        """Return a table, of a file with the texts that training had."""
        convention = self.encoder.convention_
        if convention is None or not convention.allows_points():
            return raw_table(table)
        return raw_table(table, [*self.text_columns(), *convention.marks])

    def encode_usable(self, frame: pl.DataFrame) -> Encoded:
        """Return rows that all have a target, encoded."""
        name = self.sample_weight if self.sample_weight in frame.columns else None
        X, y = self.encoder.encode(frame), self.target.encode(frame[self.target.name])
        return Encoded(X, y, sample_weights(frame, name))


@dataclass
class PreparedTable(LearntColumns):
    """A table that a network can be trained on; training leaves it as it is.

    Parameters
    ----------
    target, encoder, sample_weight
        As in :class:`LearntColumns`.
    rows : Encoded
        The rows to train on, with the weights that they have in training.
    question : Question
    weights : array of shape (N,), optional
        What they count where a score is taken.
    relations : Relations
        How these rows are related.

    Examples
    --------
    >>> table = {"x": [i / 100 for i in range(200)], "high": [i > 99 for i in range(200)]}
    >>> prepared = PreparedTable.of(table, Question("high"))
    >>> prepared.task, prepared.sizes
    ('classification', (1, 128, 128, 2))
    """

    rows: Encoded
    question: Question
    weights: NDArray[np.float64] | None = None
    relations: Relations = field(default_factory=Relations)

    @property
    def identity(self) -> str:
        """What identifies the rows where reading them all would take long; here nothing does."""
        return ""

    @classmethod
    def of(cls, table: Any, question: Question) -> PreparedTable:
        """Return a table with all its rows that have a target.

        Raises
        ------
        TableError
            When the table cannot be used; the message says which column and row, and why.
        """
        raw = raw_table(table, question.texts())
        question = question.named(raw.frame.columns)
        told = raw.understand(question.convention, question.categorical)
        whole = told.frame
        with original_rows(range(whole.height), raw.label, raw.line_of):
            rows = usable_rows(whole, question.target, question.sample_weight)
            frame = whole[rows]
            with original_rows(rows):
                task = explain_task(frame[question.target])[0]
                task = task if question.task == "auto" else question.task
                target = learn_target(raw, told, rows, task, question)
                frame = frame.with_columns(target_column(raw, told, target.name, task)[rows])
                return cls.learn(frame, target, question, told)

    @classmethod
    def learn(
        cls, frame: pl.DataFrame, target: Target, question: Question, told: Understood
    ) -> PreparedTable:
        """Return a table whose rows all have a target, after its inputs were learnt from.

        Parameters
        ----------
        frame : polars.DataFrame
            Rows of `told.frame`.
        target, question
        told : Understood
            The whole table.
        """
        check_loss(question.recipe.loss, target)
        relations = relations_of(frame, question.group, question.time)
        none = [*question.drop, *filter(None, [question.group])]
        inputs = input_columns(frame, target.name, question.sample_weight, none)
        bins = question.bins if question.effort else "auto" if question.recipe.bins else "none"
        encoder = TableEncoding(categorical=tuple(question.categorical), bins=bins)
        encoder.learn(replace(told, frame=inputs))
        learnt = LearntColumns(target, encoder, question.sample_weight)
        rows = learnt.encode_usable(frame)
        weights = rows.sample_weight
        if question.class_weight is not None:
            rows = rows._replace(sample_weight=_balanced(target, rows))
        return cls(
            **vars(learnt), rows=rows, question=question, weights=weights, relations=relations
        )

    # --- what a table of another kind may do in its own way

    @property
    def work(self) -> Effort:
        """How much work the pack may take."""
        return self.question.work

    def folds(self, wanted: int) -> Folds:
        """Return the folds of a pack."""
        return folds_of(self.rows.y, wanted, self.question.seed, self.relations)

    def judged(self, rows: NDArray[Any], seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the rows of those that a network of a pack learns from, and that judge it."""
        judging = judging_rows(self.rows.y[rows], seed, self.relations.of(rows))
        return rows[~judging], rows[judging]

    def split(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the rows that a single network learns from, and those that judge it."""
        part, seed, classes = (
            self.question.recipe.validation_fraction,
            self.question.seed,
            self.classes,
        )
        return split(self.rows.y, part, seed, self.relations, classes=classes or None, quiet=True)

    def location(self, rows: NDArray[Any]) -> tuple[float, float]:
        """Return mean and standard deviation of the targets of some rows, 1 where all are equal."""
        y, s = self.rows.y[rows], self.rows.sample_weight
        weights = None if s is None else s[rows]
        center = float(np.average(y, weights=weights))
        spread = float(np.sqrt(np.average((y - center) ** 2, weights=weights)))
        return center, spread if spread > 0 else 1.0

    def generator(self, seed: list[int]) -> np.random.Generator:
        """Return what draws the order of the rows of a network of a pack."""
        return np.random.default_rng([*seed, 1])

    def in_step(self, trainer: Any, number: int, halt: Any) -> AbstractContextManager[None]:
        """Return the context of the training of a network of a pack."""
        return nullcontext()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of each layer of the network to be trained, inputs first."""
        widths = self.question.recipe.hidden_layer_sizes
        return (self.rows.X.shape[1], *widths, len(self.classes) or 1)

    def new_network(self, recipe: Recipe, n_inputs: int, seed: Any) -> Network:
        """Return a network of a recipe before it is trained."""
        smoothing = f":label_smoothing={recipe.label_smoothing}" if recipe.label_smoothing else ""
        usual = f"cross_entropy{smoothing}" if self.classes else "squared_error"
        return Network(
            (n_inputs, *recipe.hidden_layer_sizes, len(self.classes) or 1),
            recipe.activation,
            "softmax" if self.classes else "identity",
            recipe.loss or usual,
            init=recipe.init,
            seed=seed,
            dtype=self.rows.X.dtype,
        )

    def settings(self, recipe: Recipe, n_rows: int) -> Settings:
        """Return how a network is trained by a recipe on so many of the rows."""
        return Settings(
            optimizer=recipe.optimizer,
            schedule=recipe.schedule,
            learning_rate=recipe.learning_rate,
            # small tables take smaller batches, so that an epoch has some steps
            batch_size=max(8, min(recipe.batch_size, n_rows // recipe.min_steps)),
            epochs=recipe.epochs,
            alpha=recipe.weight_decay,
            dropout=recipe.dropout if recipe.hidden_layer_sizes else 0.0,
            clip_norm=recipe.clip_norm,
            tolerance=0.0,
            patience=recipe.patience,
            early_stopping=True,
            time_limit=self.question.time_limit,
            gradient_norms=self.question.gradient_norms,
            n_threads=self.question.n_threads,
        )


def check_loss(loss: str | None, target: Target) -> None:
    """Refuse a loss that does not go with what the target is."""
    classes = isinstance(target, ClassTarget)

    def fits(one: Loss) -> bool:
        if classes:
            return "softmax" in one.outputs
        return one.task == "regression" and "identity" in one.outputs

    if loss is not None and not fits(LOSSES.get_record(loss)):
        what = "classes, predicted by softmax" if classes else "a quantity, scaled"
        raise InputError(
            f"loss {loss!r} does not fit the target {target.name!r}, which is {what}; these do: "
            + ", ".join(one.name for one in LOSSES.records() if fits(one))
        )


def _balanced(target: Target, rows: Encoded) -> NDArray[np.float64]:
    """Return weights by which every class counts alike, times those that the rows have."""
    if not isinstance(target, ClassTarget):
        raise InputError(f"class_weight: the target {target.name!r} is a quantity, not classes")
    s = np.ones(len(rows.y)) if rows.sample_weight is None else rows.sample_weight
    whole = np.bincount(rows.y, s)
    weights = s / whole[rows.y]
    alike: NDArray[np.float64] = weights / weights.mean()
    return alike


def target_column(raw: RawTable, told: Understood, name: str, task: str) -> pl.Series:
    """Return the target of all rows: classes as they are written, numbers as they are read."""
    return raw.as_written(name, told) if task == "classification" else told.frame[name]


def learn_target(
    raw: RawTable, told: Understood, rows: NDArray[np.int64], task: str, question: Question
) -> Target:
    """Return the record of the target in some rows, for one task.

    Parameters
    ----------
    raw, told
        The table before and after its texts were understood.
    rows : array of int
        Those that have a target.
    task : {"classification", "regression"}
    question : Question

    Raises
    ------
    TableError
        When it was meant to be numbers and a cell is none, or it cannot be learnt.
    """
    column = target_column(raw, told, question.target, task)[rows]
    reason = told.reasons.get(question.target)
    meant = question.task == "regression" or (question.task == "auto" and not are_few(column))
    if reason and meant:
        raise TableError(
            f"target {column.name!r} is {reason}; for classes, ask for task 'classification'"
        )
    if task == "classification":
        classes = ClassTarget.fit(column)
        return classes if question.costs is None else classes.with_costs(question.costs)
    if question.costs is not None:
        raise InputError(f"costs: the target {column.name!r} is a quantity, not classes")
    return NumberTarget.fit(column, robust=question.recipe.robust)
