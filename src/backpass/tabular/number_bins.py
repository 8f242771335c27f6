"""Numbers as bins: each scaled number once more, as where it lies between quantiles of training.

A network bends slowly; trees jump at thresholds. With a weight for every bin, the first layer is
any piecewise-linear function of a number before it has learnt anything else: the piecewise-linear
encoding of Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning",
NeurIPS 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.core.requirements import COUNT, Requirement
from backpass.errors import ModelFileError
from backpass.storage.schema import Int, ListOf, Number, Schema, Text

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS_SCHEMA: dict[str, Schema] = {
    "places": ListOf(Int(min=0)),
    "edges": ListOf(ListOf(Number(min=-1e30, max=1e30), shortest=3)),
    "asked": Text(),  # "auto", or how many
}
"""What bins in a model file must look like."""

WIDEST = 4096  # inputs with all bins: the first layer of 128 units then has half a million weights
BINS = 24  # of as many quantiles; 12 lose on tables with thresholds, 48 win nothing on most
MOST_BINS = 256  # of one column: more are narrower than a network learns from
BINS_ASKED = Requirement(
    lambda asked: (
        asked in ("auto", "none")
        if isinstance(asked, str)
        else COUNT.met_by(asked) and 2 <= asked <= MOST_BINS
    ),
    f"'none', 'auto' or a number from 2 to {MOST_BINS}",
    ("auto", "none"),
)
_ROWS_PER_BIN = 8  # fewer tell noise
_FEW_VALUES = 3  # which the number itself and one bend can say
_SAMPLE = 1 << 16  # rows whose quantiles are those of all, to a part of a bin
_NARROWEST = 1e-5  # of a bin, in interquartile ranges: float32 has 1e-7 of the largest numbers
_PIECE = 1 << 11  # rows whose bins stay in the cache while they are computed
_BELOW, _BEYOND = -1.0, 2.0  # how far the outermost bins go on, in their own widths


@dataclass(frozen=True)
class NumberBins:
    """Which outputs of an encoding are cut into bins, and where.

    Examples
    --------
    >>> bins = NumberBins((0,), ((0.0, 1.0, 3.0),))
    >>> X = np.array([[-2.0], [0.5], [2.0], [99.0]], dtype=np.float32)
    >>> out = np.empty((4, bins.width), dtype=np.float32)
    >>> bins.encode(X, out)
    >>> out.tolist()
    [[-1.0, 0.0], [0.5, 0.0], [1.0, 0.5], [1.0, 2.0]]
    """

    places: tuple[int, ...] = ()  # columns of the encoded matrix
    # of each, in ascending order: one more than it has bins
    edges: tuple[tuple[float, ...], ...] = ()

    @property
    def width(self) -> int:
        """How many outputs the bins add."""
        return sum(len(edges) - 1 for edges in self.edges)

    @cached_property
    def by_bin(self) -> tuple[NDArray[Any], ...]:
        """For each bin: its column, where it begins, 1 / its width, and its lowest and highest."""
        counts = [len(edges) - 1 for edges in self.edges]
        begins = [np.array(edges[:-1]) for edges in self.edges]
        scales = [1 / np.diff(edges) for edges in self.edges]
        lows = [np.r_[_BELOW, np.zeros(count - 1)] for count in counts]
        highs = [np.r_[np.ones(count - 1), _BEYOND] for count in counts]
        parts = (begins, scales, lows, highs)
        floats = (np.concatenate([*part, []]).astype(np.float32) for part in parts)
        return (np.repeat(np.array(self.places, dtype=np.intp), counts), *floats)

    def encode(self, X: NDArray[Any], out: NDArray[Any]) -> None:
        """Write the bins of the encoded rows `X` (N, d) to `out` (N, width).

        In the bin from p to q, x becomes (x − p) / (q − p), 0 below and 1 above; the outermost
        bins go on to −1 and 2.
        """
        places, begins, scales, lows, highs = self.by_bin
        for start in range(0, len(X), _PIECE):
            rows = slice(start, start + _PIECE)
            part = np.take(X[rows], places, axis=1)
            part -= begins
            part *= scales
            np.clip(part, lows, highs, out=out[rows])

    def names(self, outputs: Sequence[str]) -> list[str]:
        """Return the names of the bins of the outputs so named: ``size=(bin 3)``."""
        return [
            f"{outputs[place]}=(bin {i + 1})"
            for place, edges in zip(self.places, self.edges, strict=True)
            for i in range(len(edges) - 1)
        ]

    def state(self) -> dict[str, Any]:
        """Return JSON values for the model file."""
        return {"places": list(self.places), "edges": [list(edges) for edges in self.edges]}

    @classmethod
    def of(cls, state: dict[str, Any], width: int) -> NumberBins:
        """Return the bins that :meth:`state` told, of an encoding of so many outputs.

        Raises
        ------
        ModelFileError
            If it could not have told them.
        """
        places, edges = state["places"], state["edges"]
        if (
            len(places) != len(edges)
            or sorted({*places}) != places
            or max(places, default=0) >= width
        ):
            raise ModelFileError("encoder.bins: the places do not fit the columns")
        if any(b - a < _NARROWEST / 2 for each in edges for a, b in pairwise(each)):
            raise ModelFileError("encoder.bins: edges do not ascend")
        return cls(tuple(places), tuple(tuple(each) for each in edges))


NO_BINS = NumberBins()
"""Numbers as they are scaled, and nothing more."""


def fit_bins(X: NDArray[Any], places: Sequence[int], bins: int | None = None) -> NumberBins:
    """Learn the edges of bins from the encoded rows of training: quantiles, each once.

    Parameters
    ----------
    X : array of shape (N, d)
        The encoded rows.
    places : sequence of int
        The columns of numbers; those of three values or fewer stay as they are.
    bins : int, optional
        How many of each column; by default as many as the rows carry. Fewer where there were
        more than 4 096 inputs.

    Examples
    --------
    >>> X = np.arange(1000.0, dtype=np.float32)[:, None] / 1000
    >>> [round(edge, 2) for edge in fit_bins(X, [0], 4).edges[0]]
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    rows = X[np.linspace(0, len(X) - 1, min(len(X), _SAMPLE)).astype(np.intp)]
    count = max(2, min(BINS, len(rows) // _ROWS_PER_BIN)) if bins is None else bins
    columns = [place for place in places if _has_many(rows[:, place])]
    count = min(count, (WIDEST - X.shape[1]) // max(1, len(columns)))
    if count < 2:
        return NO_BINS
    found = {place: _edges(rows[:, place], count) for place in columns}
    found = {place: edges for place, edges in found.items() if len(edges) > 2}
    return NumberBins(tuple(found), tuple(found.values()))


def _has_many(values: NDArray[Any]) -> bool:
    first = np.unique(values[:100])
    return len(first) > _FEW_VALUES or len(np.unique(values)) > _FEW_VALUES


def _edges(values: NDArray[Any], count: int) -> tuple[float, ...]:
    quantiles = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)).astype(np.float32))
    edges = [float(quantiles[0])]
    for edge in quantiles[1:].tolist():
        if edge - edges[-1] >= _NARROWEST:
            edges.append(edge)
    return tuple(edges)
