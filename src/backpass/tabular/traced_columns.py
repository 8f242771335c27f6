"""What each column of a table is to a network, for a trace of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backpass.derivatives.tracing.table_columns import TableColumn
from backpass.tabular.selection import usable_rows

if TYPE_CHECKING:
    import polars as pl

    from backpass.network.network import Network
    from backpass.tabular.preparation import LearntColumns
    from backpass.tabular.raw_table import RawTable

_LONGEST = 40  # characters of a cell
_IN_BINS = (
    "(r − p) / (q − p) of its input r, for a bin from p to q: from 0 (first: −1) to 1 (last: 2)"
)


def traced_columns(
    learnt: LearntColumns, raw: RawTable, network: Network
) -> tuple[TableColumn, ...]:
    """Return the columns of the rows that the network is given: inputs, target and weight."""
    target, encoder, frame = learnt.target, learnt.encoder, raw.frame
    weight = learnt.sample_weight if learnt.sample_weight in frame.columns else None
    usable = usable_rows(frame, target.name, weight).tolist()
    frame = (frame if raw.written is None else raw.written)[usable]
    counts = dict(zip(encoder.bins_.places, map(len, encoder.bins_.edges), strict=True))
    found, begin, bin_begin = list[TableColumn](), 0, encoder.plain_width
    for column in encoder.columns_:
        places = range(begin, begin := begin + column.width)
        bins = range(bin_begin, bin_begin := bin_begin + sum(counts.get(i, 1) - 1 for i in places))
        if column.name not in frame.columns:
            continue
        cells, name = _cells(frame[column.name]), _printable(column.name)
        formula = column.formula(encoder.clip)
        found.append(TableColumn(name, cells, formula, "input", tuple(places)))
        if bins and network.sizes[0] > encoder.plain_width:
            found.append(TableColumn(name, cells, _IN_BINS, "input", tuple(bins)))
    outputs, formula = tuple(range(network.sizes[-1])), target.formula
    if smoothing := network.model.loss.numbers.get("label_smoothing"):
        formula += f", times {1 - smoothing:g}, plus {smoothing:g} / {len(outputs)}"
    cells = _cells(frame[target.name])
    found.append(TableColumn(_printable(target.name), cells, formula, "target", outputs))
    if weight is not None:
        cells, formula = _cells(frame[weight]), "x / the mean of these rows"
        found.append(TableColumn(_printable(weight), cells, formula, "weight", (0,)))
    return tuple(found)


def _cells(column: pl.Series) -> tuple[str, ...]:
    texts = ("(missing)" if cell is None else _printable(cell) for cell in column.to_list())
    return tuple(f"{t[:_LONGEST]}…" if len(t) > _LONGEST else t for t in texts)


def _printable(text: object) -> str:
    """Return a text from a file without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in str(text))
