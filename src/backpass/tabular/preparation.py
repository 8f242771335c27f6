"""A question about a table, what is learnt of its columns, and the rows to train on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from backpass.core.settings import Settings
from backpass.errors import InputError, TableError, brief
from backpass.network.network import Network
from backpass.tabular.column_values import as_numbers
from backpass.tabular.conventions import (
    UNDECIDED,
    Convention,
    as_convention,
    without_marks,
    without_missing,
)
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.files import RawTable, raw_table
from backpass.tabular.frames import columns_named, text_name
from backpass.tabular.pack.recipes import EFFORTS
from backpass.tabular.recipe import RECIPE, Recipe
from backpass.tabular.relations import Relations, relations_of
from backpass.tabular.selection import (
    check_name,
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

COMPARE = ("none", "fast", "all")
TASKS = ("auto", "classification", "regression")


@dataclass(frozen=True)
class Question:
    """The column to predict from a table, and every choice of how.

    Parameters
    ----------
    target : str, int or tuple
        The column to predict, by its name or, where there are no names, its position.
    task : {"auto", "classification", "regression"}
    sample_weight : str, int or tuple, optional
        A column of sample weights, at least 0; it is not an input.
    group : str, int or tuple, optional
        A column whose equal values mark rows that belong together, such as a customer's: they stay
        on one side of every split; it is no input.
    time : str, int or tuple, optional
        A column of dates or numbers that tells when each row was: later rows are predicted from
        earlier ones, and judge the model.
    categorical, drop : sequence of str, int or tuple, or None
        Number columns to be taken as categories; columns to leave out.
    test_fraction : float
        Part of the rows that an experiment holds back to judge the model on.
    recipe : Recipe
        Of a single network.
    effort : {"", "quick", "default", "best"}
        How much work a pack may take, in place of a single network.
    seed : int
        The same seed gives the same split and the same network.
    time_limit : float, optional
        Most seconds of training.
    gradient_norms : bool
        Whether each layer's gradient norm and the noise of one row's are recorded every epoch.
    compare : {"none", "fast", "all"}
        Which other models an experiment trains for comparison: a linear one and boosted trees, for
        no longer than its own training; or also LightGBM, XGBoost and CatBoost, where they are
        installed, for as long as they take.
    convention : Convention
        How the table is written; what is None in it is told from the cells.

    Raises
    ------
    InputError
        When one of them fits no table whatever.
    """

    target: Any
    task: str = "auto"
    sample_weight: Any = None
    group: Any = None
    time: Any = None
    categorical: Sequence[Any] = ()
    drop: Sequence[Any] = ()
    test_fraction: float = 0.2
    recipe: Recipe = RECIPE
    effort: str = ""
    seed: int = 0
    time_limit: float | None = None
    gradient_norms: bool = False
    compare: str = "fast"
    convention: Convention = UNDECIDED

    def __post_init__(self) -> None:
        if not isinstance(self.task, str) or self.task not in TASKS:
            task = brief(self.task)
            raise InputError(f"task must be auto, classification or regression, not {task}")
        for option in ("categorical", "drop"):
            names = getattr(self, option)
            if isinstance(names, str):  # whose letters would be taken for names
                raise InputError(f"{option} must be a list of names, such as [{names!r}]")
            if names is None:
                object.__setattr__(self, option, ())
            elif not isinstance(names, Iterable) or isinstance(names, Mapping):
                kind = type(names).__name__
                raise InputError(f"{option} must be a list of names, not of type {kind}")
        if not (isinstance(self.seed, Integral) and 0 <= self.seed < 2**32):
            raise InputError(f"seed must be an integer from 0 to 2**32 − 1, not {brief(self.seed)}")
        if not isinstance(self.test_fraction, Real):
            raise InputError(f"test_fraction must be a number, not {brief(self.test_fraction)}")
        if not isinstance(self.effort, str) or self.effort not in ("", *EFFORTS):
            known = ", ".join(map(repr, EFFORTS))
            raise InputError(
                f"effort must be one of {known}, or '' for a single network, not"
                f" {brief(self.effort)}"
            )
        if self.group is not None and self.time is not None:
            raise InputError("rows are split by group or by time; give one of the two")
        if not isinstance(self.compare, str) or self.compare not in COMPARE:
            raise InputError(
                f"compare must be one of {', '.join(COMPARE)}, not {brief(self.compare)}"
            )
        as_convention(self.convention)  # refuses what is none
        if not isinstance(self.recipe, Recipe):
            raise InputError(f"recipe must be a Recipe, not {brief(self.recipe)}")

    def texts(self) -> list[str] | None:
        """Return the columns to keep as text when a file is opened; None to keep all."""
        if not self.convention.allows_points():
            return None
        return [name for name in (self.target, *self.categorical) if isinstance(name, str)]

    def named(self, columns: Sequence[str]) -> Question:
        """Return the question with every name as a frame of these columns has it."""
        target, weights = (text_name(n, columns) for n in (self.target, self.sample_weight))
        categorical, drop = (
            [text_name(name, columns) for name in names] for names in (self.categorical, self.drop)
        )
        check_name(target, "to predict")
        check_name("" if weights is None else weights, "to take sample weights from")
        for name in drop:
            check_name(name, "to drop")
        group, time = (text_name(n, columns) for n in (self.group, self.time))
        return replace(
            self,
            target=target,
            sample_weight=weights,
            group=group,
            time=time,
            categorical=categorical,
            drop=drop,
        )


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
    """What was learnt of a table's columns: how rows become numbers, and numbers predictions.

    Parameters
    ----------
    target : ClassTarget or NumberTarget
    encoder : TableEncoding
        Fitted.
    sample_weight : str or None
        The column of sample weights, which is not an input.
    """

    target: Target
    encoder: TableEncoding
    sample_weight: str | None

    @property
    def task(self) -> str:
        """``"classification"`` or ``"regression"``."""
        return self.target.task

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the network's outputs; none of a regression."""
        return self.target.classes if isinstance(self.target, ClassTarget) else ()

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
            weighted = self.sample_weight in raw.frame.columns
            weights = self.sample_weight if weighted else None
            rows = usable_rows(raw.frame, self.target.name, weights)
            if len(rows) == raw.frame.height:  # polars loads NumPy's masked arrays to take rows
                return self.encode_usable(raw.frame)
            with original_rows(rows):
                return self.encode_usable(raw.frame[rows])

    def read(self, table: Any) -> RawTable:
        """Return a table whose targets and weights are read as those of training were.

        Its inputs may be texts: the encoder reads them.

        Parameters
        ----------
        table : DataFrame of polars or pandas, mapping of columns, or name of a file

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
        return replace(raw, frame=raw.frame.with_columns(columns))

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
        The rows to train on.
    question : Question
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
    relations: Relations = field(default_factory=Relations)

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
        relations = relations_of(frame, question.group, question.time)
        none = [*question.drop, *filter(None, [question.group])]
        inputs = input_columns(frame, target.name, question.sample_weight, none)
        bins = "auto" if question.recipe.bins or question.effort else "none"
        encoder = TableEncoding(categorical=tuple(question.categorical), bins=bins)
        encoder.learn(replace(told, frame=inputs))
        learnt = LearntColumns(target, encoder, question.sample_weight)
        rows = learnt.encode_usable(frame)
        return cls(**vars(learnt), rows=rows, question=question, relations=relations)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of each layer of the network to be trained, inputs first."""
        widths = self.question.recipe.hidden_layer_sizes
        return (self.rows.X.shape[1], *widths, len(self.classes) or 1)

    def new_network(self, recipe: Recipe, n_inputs: int, seed: Any) -> Network:
        """Return a network of a recipe before it is trained."""
        smoothing = f":label_smoothing={recipe.label_smoothing}" if recipe.label_smoothing else ""
        return Network(
            (n_inputs, *recipe.hidden_layer_sizes, len(self.classes) or 1),
            recipe.activation,
            "softmax" if self.classes else "identity",
            f"cross_entropy{smoothing}" if self.classes else "squared_error",
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
        )


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
        return ClassTarget.fit(column)
    return NumberTarget.fit(column, robust=question.recipe.robust)
