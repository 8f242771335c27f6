r"""Mini-batches: which rows each step sees (note 4, slides Gradient descent to Mini-batch).

With N samples and batches of M, an epoch has ⌈N/M⌉ updates of M sample gradients each; M = N is
(full-batch) gradient descent with 1 update of N, M = 1 is stochastic gradient descent with N
updates of 1. Whatever M is, the expectation of the mini-batch gradient over uniformly drawn rows
is the full gradient:

>>> import numpy as np
>>> from backpass.network.network import Network
>>> network, rng = Network([2, 3, 1], "tanh", seed=0), np.random.default_rng(0)
>>> X, y = rng.normal(size=(5, 2)), rng.normal(size=5)
>>> def gradient(rows):
...     return network.loss_and_gradients(X[rows], y[rows])[1].flat
>>> expectation = sum(1 / 5 * gradient([i]) for i in range(5))  # E[∇C] = Σ P(i_k = i) ∇C_i
>>> bool(np.allclose(expectation, gradient([0, 1, 2, 3, 4]), rtol=1e-14))
True
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.errors import InputError

Rows = NDArray[np.integer[Any]]

SAMPLINGS = ("shuffle", "replacement", "sequential", "blocks")
"""Ways to draw batches: a new order each epoch, uniform draws (note 4's i_k), as the rows lie, or
blocks of them in a new order, shuffled within a window: for rows that lie on a disk."""

BLOCK = 1 << 20  # bytes that are read at once: a disk takes longer to find less than to read it
WINDOW = 64  # blocks whose rows are shuffled together: 64 MB, which any page cache holds


def steps_per_epoch(n_samples: int, batch_size: int) -> int:
    """Return the updates in an epoch, ⌈N/M⌉ (note 4's summary table).

    Examples
    --------
    >>> N = 1000  # gradient descent, stochastic, mini-batch
    >>> steps_per_epoch(N, N), steps_per_epoch(N, 1), steps_per_epoch(N, 32)
    (1, 1000, 32)
    """
    return -(-n_samples // batch_size)


def block_edges(n: int, row_bytes: int) -> Rows:
    """Return the numbers of the rows with which blocks begin, and that with which the last ends.

    Examples
    --------
    >>> block_edges(5, BLOCK // 2)
    array([0, 2, 4, 6])
    """
    rows = max(1, BLOCK // row_bytes)
    return np.arange(0, n + rows, rows)


def row_numbers(n: int) -> Rows:
    """Return 0 … n−1 in four bytes each where they suffice: 5 million rows are 20 MB, not 40."""
    return np.arange(n, dtype=np.int32 if n < 2**31 else np.int64)


FEW = 1 << 20
"""Rows up to which their order is kept in eight bytes each, which NumPy shuffles twice as fast."""


def _order_of(n: int) -> Rows:
    return np.arange(n) if n <= FEW else row_numbers(n)


class Sampler:
    """Draws the batches of each epoch.

    Parameters
    ----------
    rows : array of int
        The row indices to train on.
    batch_size : int
        M, at least 1; the last batch of an epoch has what is left.
    sampling : {"shuffle", "replacement", "sequential"}
        ``"shuffle"`` reorders the previous epoch's order, as scikit-learn does.
    rng : Generator or RandomState
        What the order is drawn from.
    edges : array of int, optional
        The numbers of the rows with which blocks begin and the last one ends, of ``"blocks"``.

    Examples
    --------
    >>> sampler = Sampler(np.arange(5), 2, "shuffle", np.random.default_rng(0))
    >>> sampler.epoch()  # three mini-batches: 2 and 4, 3 and 0, 1
    array([2, 4, 3, 0, 1])
    """

    def __init__(
        self, rows: Rows, batch_size: int, sampling: str, rng: Any, edges: Rows | None = None
    ) -> None:
        if sampling not in SAMPLINGS:
            raise InputError(f"sampling must be one of {', '.join(SAMPLINGS)}, not {sampling!r}")
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, not {batch_size}")
        if sampling == "blocks" and (rows[1:] < rows[:-1]).any():
            rows = np.sort(rows)
        self.rows, self.batch_size, self.sampling, self.rng = rows, batch_size, sampling, rng
        self.edges = np.array([0, len(rows)]) if edges is None else edges
        self.on_window: Callable[[int], object] = lambda window: None
        """Called with the number of each window of ``"blocks"`` before its rows are given."""
        # of the present epoch: places in `rows`, or the key of all that its blocks are drawn by
        self.order = np.zeros(1, dtype=np.int64) if sampling == "blocks" else _order_of(len(rows))

    def __len__(self) -> int:
        return steps_per_epoch(len(self.rows), self.batch_size)

    def epoch(self) -> Any:
        """Draw the order of an epoch: every `batch_size` row indices are a mini-batch."""
        n = len(self.rows)
        if self.sampling == "blocks":
            self.order = np.frombuffer(self.rng.bytes(8), np.int64) & (2**62 - 1)
        if self.sampling == "shuffle":
            shuffled = _order_of(n)
            self.rng.shuffle(shuffled)
            self.order = self.order[shuffled]
            del shuffled
        elif self.sampling == "replacement":
            self.order = self.rng.choice(n, size=n)
        return self.again()

    def again(self) -> Any:
        """Return the order of the present epoch without drawing another."""
        if self.sampling == "blocks":
            return BlockOrder(self.rows, self.edges, int(self.order[0]), self.on_window)
        order: Rows = self.rows[self.order]
        return order


class BlockOrder:
    """The rows of an epoch in blocks, of which no more than a window is looked up at a time.

    Blocks are of all rows of a table, whichever are in `rows`, which ascend: networks on other
    rows of it take the same blocks at the same time.

    Examples
    --------
    >>> order = BlockOrder(np.arange(8), np.arange(0, 10, 2), 0, lambda window: None)
    >>> len(order), sorted(order[0:8].tolist())
    (8, [0, 1, 2, 3, 4, 5, 6, 7])
    """

    def __init__(
        self, rows: Rows, edges: Any, key: int, on_window: Callable[[int], object]
    ) -> None:
        self.rows, self.key, self.on_window = rows, key, on_window
        self.bounds = np.searchsorted(rows, edges)
        self.blocks = np.random.Generator(np.random.Philox(key)).permutation(len(edges) - 1)
        sizes = np.diff(self.bounds)[self.blocks]
        self.ends = np.cumsum(np.add.reduceat(sizes, np.arange(0, len(sizes), WINDOW)))
        self._window = lru_cache(maxsize=1)(self._rows_of)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: slice) -> Rows:
        begin, end, _ = places.indices(len(self))
        first = int(np.searchsorted(self.ends, begin, side="right"))
        parts = [self.rows[:0]]
        while begin < end:
            start = int(self.ends[first - 1]) if first else 0
            part = self._window(first)[begin - start : end - start]
            parts.append(part)
            begin, first = begin + len(part), first + 1
        return np.concatenate(parts)

    def _rows_of(self, window: int) -> Rows:
        self.on_window(window)
        blocks = self.blocks[window * WINDOW : (window + 1) * WINDOW]
        rows = np.concatenate([self.rows[self.bounds[b] : self.bounds[b + 1]] for b in blocks])
        np.random.Generator(np.random.Philox([self.key, window])).shuffle(rows)
        return rows
