"""The rows of a table as the inputs of an exported model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import InputError, TableError
from backpass.export.columns import free_text, level_numbers, missing_text, used_columns
from backpass.tabular.columns import CategoryColumn, Column, DateColumn
from backpass.tabular.encoder import TableEncoder
from backpass.tabular.frames import as_days, as_frame, as_levels, as_numbers

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["onnx_inputs"]


def onnx_inputs(model: Any, table: Any) -> dict[str, NDArray[Any]]:
    """Return the columns of a table as the inputs of the model's ONNX form.

    Parameters
    ----------
    model : TabularModel, TableEncoder, or Pipeline that begins with one
        Fitted.
    table : DataFrame of polars or pandas, or mapping of columns
        With the columns of training, in any order; others are ignored.

    Returns
    -------
    dict of str to ndarray of shape (N, 1)
        float64 or texts (objects), for ``InferenceSession.run(None, …)``.

    Raises
    ------
    InputError, TableError
        When the model encodes no table, a column is not there, or a value is not of its kind.

    Examples
    --------
    >>> encoder = TableEncoder().fit({"size": [1.0, 2.0], "city": ["Bonn", "Oslo"]})
    >>> onnx_inputs(encoder, {"size": [1.5], "city": [None]})
    {'size': array([[1.5]]), 'city': array([['']], dtype=object)}
    """
    encoder = _encoder_of(model)
    frame = as_frame(table)
    absent = [c.name for c in used_columns(encoder) if c.name not in frame.columns]
    if absent:
        raise TableError(f"the table has no column {absent[0]!r}")
    return {c.name: _values(c, frame[c.name])[:, None] for c in used_columns(encoder)}


def _encoder_of(model: Any) -> TableEncoder:
    first = model[0] if hasattr(model, "steps") else getattr(model, "encoder", model)
    if not isinstance(first, TableEncoder):
        raise InputError(f"this {type(model).__name__} encodes no table; give its rows as they are")
    return first


def _values(column: Column, values: pl.Series) -> NDArray[Any]:
    """Return the values of a column as its graph input takes them."""
    if isinstance(column, DateColumn):
        return as_days(values)
    if not isinstance(column, CategoryColumn):
        return as_numbers(values)
    levels, numbers = as_levels(values), level_numbers(column)
    if numbers is None:
        # a real text that reads like what stands for a missing one is no level: any other unseen
        # text means the same
        missing = missing_text(column)
        told = levels.replace(missing, free_text(column, "(unseen)")).fill_null(missing)
        return np.array(told.to_list(), dtype=object)
    # here it is any number that is none of the levels
    known: dict[str | None, float] = dict(zip(column.levels, numbers, strict=True))
    known[None] = math.nan
    return np.array([known.get(level, math.inf) for level in levels.to_list()])
