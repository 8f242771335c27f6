"""What each column of a table is to a network, for a trace of its rows."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from backpass.derivatives.tracing.table_columns import TableColumn
from backpass.tabular.selection import usable_rows

if TYPE_CHECKING:
    import polars as pl

    from backpass.network.network import Network
    from backpass.tabular.files import RawTable
    from backpass.tabular.preparation import LearntColumns

_LONGEST = 40  # characters of a cell


def traced_columns(
    learnt: LearntColumns, raw: RawTable, network: Network
) -> tuple[TableColumn, ...]:
    """Return the columns of the rows that the network is given: inputs, target and weight.

    Parameters
    ----------
    learnt : LearntColumns
    raw : RawTable
        As :meth:`~backpass.tabular.preparation.LearntColumns.read` returns it.
    network : Network
        Which takes the bins, or none.
    """
    target, encoder, frame = learnt.target, learnt.encoder, raw.frame
    weight = learnt.sample_weight if learnt.sample_weight in frame.columns else None
    frame = frame[usable_rows(frame, target.name, weight).tolist()]
    bins = _bins(learnt) if network.sizes[0] > encoder.plain_width else {}
    ends = [0, *accumulate(column.width for column in encoder.columns_)]
    found = []
    for column, (begin, end) in zip(encoder.columns_, pairwise(ends), strict=True):
        if column.name not in frame.columns:
            continue
        places, formula = [*range(begin, end)], column.formula(encoder.clip)
        if cut := [place for own in places for place in bins.get(own, ())]:
            formula += "; r of these, in its bin from p to q: (r − p) / (q − p), 1 below, 0 above"
        cells = _cells(frame[column.name])
        found.append(TableColumn(_printable(column.name), cells, formula, "input", (*places, *cut)))
    outputs, formula = tuple(range(network.sizes[-1])), target.formula
    if smoothing := network.model.loss.numbers.get("label_smoothing"):
        formula += f", times {1 - smoothing:g}, plus {smoothing:g} / {len(outputs)}"
    cells = _cells(frame[target.name])
    found.append(TableColumn(_printable(target.name), cells, formula, "target", outputs))
    if weight is not None:
        cells, formula = _cells(frame[weight]), "x / the mean of these rows"
        found.append(TableColumn(_printable(weight), cells, formula, "weight", (0,)))
    return tuple(found)


def _bins(learnt: LearntColumns) -> dict[int, range]:
    """Return the places of the bins of each input that has some."""
    bins = learnt.encoder.bins_
    counts = (len(edges) - 1 for edges in bins.edges)
    ends = accumulate(counts, initial=learnt.encoder.plain_width)
    return {p: range(*ends_of) for p, ends_of in zip(bins.places, pairwise(ends), strict=True)}


def _cells(column: pl.Series) -> tuple[str, ...]:
    texts = ("(missing)" if cell is None else _printable(cell) for cell in column.to_list())
    return tuple(f"{t[:_LONGEST]}…" if len(t) > _LONGEST else t for t in texts)


def _printable(text: object) -> str:
    """Return a text from a file without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in str(text))
