"""A question about a table, what is learnt of its columns, and the rows to train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

from backpass.errors import InputError
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.frames import as_frame
from backpass.tabular.recipe import RECIPE, Recipe
from backpass.tabular.selection import input_columns, original_rows, sample_weights, usable_rows
from backpass.tabular.targets import ClassTarget, NumberTarget, Target, explain_task

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

TASKS = ("auto", "classification", "regression")


@dataclass(frozen=True)
class Question:
    """The column to predict from a table, and every choice of how.

    Parameters
    ----------
    target : str
        The column to predict.
    task : {"auto", "classification", "regression"}
    sample_weight : str, optional
        A column of sample weights, at least 0; it is not an input.
    categorical, drop : sequence of str
        Number columns to be taken as categories; columns to leave out.
    test_fraction : float
        Part of the rows that an experiment holds back to judge the model on.
    recipe : Recipe
    seed : int
        The same seed gives the same split and the same network.
    time_limit : float, optional
        Most seconds of training.
    gradient_norms : bool
        Whether each layer's gradient norm and the noise of one row's are recorded every epoch.
    baselines : bool
        Whether an experiment trains other models for comparison.

    Raises
    ------
    InputError
        When one of them fits no table whatever.
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

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise InputError(f"task must be auto, classification or regression, not {self.task!r}")
        for option in ("categorical", "drop"):
            names = getattr(self, option)
            if isinstance(names, str):  # whose letters would be taken for names
                raise InputError(f"{option} must be a list of names, such as [{names!r}]")
        if not (isinstance(self.seed, Integral) and 0 <= self.seed < 2**32):
            raise InputError(f"seed must be an integer from 0 to 2**32 − 1, not {self.seed!r}")
        if not isinstance(self.recipe, Recipe):
            raise InputError(f"recipe must be a Recipe, not {self.recipe!r}")


class Encoded(NamedTuple):
    """Rows as the network takes them: inputs (N, d), targets (N,), sample weights (N,) or None."""

    X: NDArray[Any]
    y: NDArray[Any]
    sample_weight: NDArray[np.float64] | None


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
        table : DataFrame of polars or pandas, or mapping of columns
            With the target and the columns of training.

        Raises
        ------
        TableError
            When a column is missing, or a value is not of its column's kind.
        """
        whole = as_frame(table)
        weighted = self.sample_weight in whole.columns
        rows = usable_rows(whole, self.target.name, self.sample_weight if weighted else None)
        with original_rows(rows):
            return self.encode_usable(whole[rows])

    def encode_usable(self, frame: pl.DataFrame) -> Encoded:
        """Return rows that all have a target, encoded."""
        name = self.sample_weight if self.sample_weight in frame.columns else None
        X, y = self.encoder.transform(frame), self.target.encode(frame[self.target.name])
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

    Examples
    --------
    >>> table = {"x": [i / 100 for i in range(200)], "high": [i > 99 for i in range(200)]}
    >>> prepared = PreparedTable.of(table, Question("high"))
    >>> prepared.task, prepared.sizes
    ('classification', (1, 128, 128, 2))
    """

    rows: Encoded
    question: Question

    @classmethod
    def of(cls, table: Any, question: Question) -> PreparedTable:
        """Return a table with all its rows that have a target.

        Raises
        ------
        TableError
            When the table cannot be used; the message says which column and row, and why.
        """
        whole = as_frame(table)
        rows = usable_rows(whole, question.target, question.sample_weight)
        frame = whole[rows]
        with original_rows(rows):
            column = frame[question.target]
            task = question.task if question.task != "auto" else explain_task(column)[0]
            return cls.learn(frame, learn_target(column, task, question.recipe), question)

    @classmethod
    def learn(cls, frame: pl.DataFrame, target: Target, question: Question) -> PreparedTable:
        """Return a table whose rows all have a target, after its inputs were learnt from."""
        inputs = input_columns(frame, target.name, question.sample_weight, question.drop)
        encoder = TableEncoding(categorical=tuple(question.categorical)).fit(inputs)
        learnt = LearntColumns(target, encoder, question.sample_weight)
        return cls(**vars(learnt), rows=learnt.encode_usable(frame), question=question)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of each layer of the network to be trained, inputs first."""
        widths = self.question.recipe.hidden_layer_sizes
        return (self.rows.X.shape[1], *widths, len(self.classes) or 1)


def learn_target(column: pl.Series, task: str, recipe: Recipe) -> Target:
    """Return the record of a target column without missing values, for one task."""
    if task == "classification":
        return ClassTarget.fit(column)
    return NumberTarget.fit(column, robust=recipe.robust)
