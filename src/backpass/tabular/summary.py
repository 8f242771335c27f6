"""The summary of a table before training: columns, target, rows, for a person to check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from backpass.tabular.encoder import ColumnSummary
from backpass.tabular.frames import as_levels, as_numbers
from backpass.tabular.model import TabularModel
from backpass.tabular.targets import ClassTarget

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Understanding", "understand"]


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
    weights : str or None
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
    weights: str | None
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
        weights=model.weights,
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
