"""The columns of a fitted `TableEncoder` in ONNX: one graph input each, encoded as it does.

A number or date comes as float64 (N, 1), since the encoder computes in float64 before it rounds:
2024.25 or a day of this century would lose in float32 what the network looks at.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import InputError, TableError
from backpass.export.graph import ML, Arithmetic, Graph
from backpass.tabular.column_values import as_days, as_numbers
from backpass.tabular.columns import CategoryColumn, Column, DateColumn, NumberColumn
from backpass.tabular.conventions import PLAIN, Convention
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.frames import as_frame
from backpass.tabular.number_bins import NumberBins

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

BOUND = 1e100  # of a scaled number, as in backpass.tabular.scaled_columns
OTHER_SPELLINGS = {"true": ("True", "TRUE"), "false": ("False", "FALSE")}


def used_columns(encoder: TableEncoding) -> list[Column]:
    """Return the columns that the encoder takes anything from, in the order of the table.

    Raises
    ------
    InputError
        Before fit.
    """
    if not hasattr(encoder, "columns_"):
        raise InputError("the TableEncoder has not learnt from a table yet; call fit first")
    return [column for column in encoder.columns_ if column.outputs]


def input_names(encoder: TableEncoding) -> list[str]:
    """Return the names of the graph inputs: those of the used columns.

    Raises
    ------
    InputError
        When a column has an empty name, which no input can have.
    """
    names = [column.name for column in used_columns(encoder)]
    if "" in names:
        raise InputError("a column has an empty name, which no ONNX input can have; name it")
    return names


def level_numbers(column: Column) -> list[float] | None:
    """Return the levels of a category of numbers as numbers, None for a category of texts.

    Examples
    --------
    >>> from backpass.tabular.columns import CategoryColumn
    >>> level_numbers(CategoryColumn("rooms", 0, ("1", "2.5"), 0, text=False, remark=""))
    [1.0, 2.5]
    """
    if not isinstance(column, CategoryColumn) or column.text:
        return None
    try:
        numbers = [float(level) for level in column.levels]
    except ValueError:
        return None
    # numbers that float64 cannot tell apart, or not compare, stay texts
    finite = all(map(math.isfinite, numbers))
    return numbers if finite and len(set(numbers)) == len(numbers) else None


def _takes_texts(column: Column) -> bool:
    return isinstance(column, CategoryColumn) and level_numbers(column) is None


def free_text(column: Column, wish: str) -> str:
    """Return `wish`, with stars where it is a level of the column.

    Examples
    --------
    >>> from backpass.tabular.columns import CategoryColumn
    >>> column = CategoryColumn("city", 1, ("Bonn", "(none)"), 0, text=True, remark="")
    >>> free_text(column, "(none)")
    '(none)*'
    """
    while isinstance(column, CategoryColumn) and wish in column.levels:
        wish += "*"
    return wish


def missing_text(column: Column) -> str:
    """Return what stands for a missing text: the empty one, unless that is a level itself."""
    levels = column.levels if isinstance(column, CategoryColumn) else ()
    return free_text(column, "(missing)") if "" in levels else ""


def input_dtype(column: Column) -> np.dtype[Any]:
    """Return the dtype of the graph input of a column: object (texts) or float64."""
    return np.dtype(object if _takes_texts(column) else np.float64)


def input_meaning(column: Column) -> str:
    """Return what the graph input of a column takes, in words."""
    if isinstance(column, DateColumn):
        return "days since 1970-01-01, or part of a day; NaN where missing"
    if isinstance(column, NumberColumn):
        return "number; NaN where missing"
    if not _takes_texts(column):
        return "category by its number; NaN where missing"
    kind = "category by its text"
    if set(getattr(column, "levels", ())) <= set(OTHER_SPELLINGS):
        kind = "truth value: 'true' or 'false'"
    return f"{kind}; {missing_text(column)!r} where missing"


def encoder_nodes(graph: Graph, encoder: TableEncoding, names: list[str]) -> str:
    """Add the encoding of every column, and return the name of the matrix (N, outputs).

    Parameters
    ----------
    graph : Graph
    encoder : TableEncoding
        Fitted.
    names : list of str
        The values that hold the used columns, (N, 1) each.
    """
    parts = []
    for column, x in zip(used_columns(encoder), names, strict=True):
        if isinstance(column, CategoryColumn):
            numbers = level_numbers(column)
            if numbers is None:
                parts += [_text_levels(graph, column, x)]
            else:
                parts += _number_levels(graph, column, numbers, x)
        elif isinstance(column, DateColumn):
            parts += _date(graph, column, x, encoder.clip)
        elif isinstance(column, NumberColumn):
            parts += _number(graph, column, x, encoder.clip)
    dtype = np.dtype(encoder.dtype)
    plain = graph.op("Concat", *(graph.cast(part, dtype) for part in parts), axis=1)
    if not encoder.bins_.places:
        return plain
    return graph.op("Concat", plain, _bins(graph, encoder.bins_, plain, dtype), axis=1)


def _bins(graph: Graph, bins: NumberBins, plain: str, dtype: np.dtype[Any]) -> str:
    """Return the bins of the columns of the encoded matrix, all at once."""
    f, (places, *bounds) = Arithmetic(graph, dtype), bins.by_bin
    begins, scales, lows, highs = (graph.constant(b.astype(dtype)[None, :]) for b in bounds)
    x = graph.op("Gather", plain, graph.constant(places.astype(np.int64)), axis=1)
    inside = f("Mul", f("Sub", x, begins), scales)
    return f("Min", f("Max", inside, lows), highs)


# --- numbers and dates -----------------------------------------------------------------------


def _scaled(f: Arithmetic, column: NumberColumn | DateColumn, x: str, clip: float) -> str:
    """Return ``t / √(1 + (t/clip)²)`` of ``t = (x − center) / scale``, and 0 for NaN."""
    # not Sub, which onnxruntime drops where float32 has no such small center (below 1e-45)
    ratio = f("Div", f("Sum", x, -column.center), column.scale)
    ratio = f("Where", f("IsNaN", ratio), 0.0, ratio)
    ratio = f("Clip", ratio, -BOUND, BOUND)
    part = f("Div", ratio, float(clip))
    return f("Div", ratio, f("Sqrt", f("Add", 1.0, f("Mul", part, part))))


def _number(graph: Graph, column: NumberColumn | DateColumn, x: str, clip: float) -> list[str]:
    f = Arithmetic(graph, np.float64)
    value = [_scaled(f, column, x, clip)] if column.scale > 0 else []
    return value + ([f("IsNaN", x)] if column.missing else [])


def _date(graph: Graph, column: DateColumn, x: str, clip: float) -> list[str]:
    f = Arithmetic(graph, np.float64)
    scaled = [_scaled(f, column, x, clip)] if column.scale > 0 else []
    waves = []
    for cycle in column.cycles:
        turns = f("Div", x, column.periods[cycle])
        angle = f("Mul", 2 * np.pi, f("Sub", turns, f("Floor", turns)))
        # cos t = sin(t + π/2): onnxruntime 1.20 has no cosine of float64
        for shifted in (angle, f("Add", angle, np.pi / 2)):
            waves.append(f("Where", f("IsNaN", x), 0.0, f("Sin", shifted)))
    return scaled + waves + ([f("IsNaN", x)] if column.missing else [])


# --- categories ------------------------------------------------------------------------------


def _text_levels(graph: Graph, column: CategoryColumn, x: str) -> str:
    """Return which output is 1: the level's, that of "(other)" or of "(missing)", or none."""
    other = len(column.levels) if column.rare else -1
    places = {missing_text(column): len(column.outputs) - 1 if column.missing else other}
    for place, level in enumerate(column.levels):
        places |= dict.fromkeys((level, *OTHER_SPELLINGS.get(level, ())), place)
    code = graph.op(
        "LabelEncoder",
        x,
        domain=ML,
        keys_strings=list(places),
        values_int64s=list(places.values()),
        default_int64=other,
    )
    return graph.op("Equal", code, graph.constant(np.arange(len(column.outputs))[None, :]))


def _number_levels(graph: Graph, column: CategoryColumn, numbers: list[float], x: str) -> list[str]:
    absent = graph.op("IsNaN", x)
    named = [absent] if column.missing else []
    levels = [graph.op("Equal", x, graph.constant(np.array([numbers])))] if numbers else []
    parts = [*levels, *named]
    if not column.rare:
        return parts
    if not parts:
        ones = graph.constant(np.ones((1, 1), dtype=bool))
        return [graph.op("Or", absent, ones)]
    known = graph.op("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    count = graph.op(
        "ReduceSum", graph.cast(known, np.int64), graph.constant(np.array([1])), keepdims=1
    )
    return [*levels, graph.op("Equal", count, graph.constant(np.array([[0]]))), *named]


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
    >>> encoder = TableEncoding().fit({"size": [1.0, 2.0], "city": ["Bonn", "Oslo"]})
    >>> onnx_inputs(encoder, {"size": [1.5], "city": [None]})
    {'size': array([[1.5]]), 'city': array([['']], dtype=object)}
    """
    encoder = _encoder_of(model)
    frame = as_frame(table)
    absent = [c.name for c in used_columns(encoder) if c.name not in frame.columns]
    if absent:
        raise TableError(f"the table has no column {absent[0]!r}")
    used, frame = used_columns(encoder), encoder.understood(frame)
    convention = encoder.convention_ or PLAIN
    return {c.name: _values(c, frame[c.name], convention)[:, None] for c in used}


def _encoder_of(model: Any) -> TableEncoding:
    first = model[0] if hasattr(model, "steps") else getattr(model, "encoder", model)
    if not isinstance(first, TableEncoding):
        raise InputError(f"this {type(model).__name__} encodes no table; give its rows as they are")
    return first


def _values(column: Column, values: pl.Series, convention: Convention) -> NDArray[Any]:
    """Return the values of a column as its graph input takes them."""
    if isinstance(column, DateColumn):
        return as_days(values, convention)
    if not isinstance(column, CategoryColumn):
        return as_numbers(values, convention)
    levels, numbers = column.levels_of(values, convention), level_numbers(column)
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
