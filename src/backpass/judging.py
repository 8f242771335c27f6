"""A network's output and loss on many rows, a block at a time: X is never copied or cast whole."""

import math
from typing import Any

import numpy as np

from backpass.network import Network
from backpass.ops import Array, take_rows
from backpass.parameters import row_blocks

__all__ = ["mean_loss", "outputs"]


def _part(x: Array, rows: Any, block: slice) -> Array:
    """Return the rows of a block: ``x[block]``, or those that `rows` names."""
    return x[block] if rows is None else take_rows(x, rows[block])


def outputs(network: Network, X: Array, rows: Any = None, *, engine: str = "auto") -> Any:
    """Return the network's output, (n, k), for all rows of `X`, or for the given ones in order.

    Parameters
    ----------
    network : Network
        With NumPy parameters.
    X : array or CSR matrix of shape (N, n_0)
        In any dtype.
    rows : array of int, optional
    engine : str
        ``"auto"`` or an engine's name.

    Examples
    --------
    >>> network = Network([2, 3, 1], seed=0)
    >>> X = np.array([[0, 1], [1, 0], [1, 1]], dtype="uint8")
    >>> bool(np.allclose(outputs(network, X, np.array([2, 0])), network.predict(X)[[2, 0]]))
    True
    """
    n = X.shape[0] if rows is None else len(rows)
    result = np.empty((n, network.sizes[-1]), dtype=network.parameters.flat.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in row_blocks(n, network.sizes):
            result[block] = network.predict(_part(X, rows, block), engine=engine)
    return result


def mean_loss(
    network: Network,
    X: Array,
    y: Array,
    weights: Any = None,
    rows: Any = None,
    *,
    engine: str = "auto",
) -> float:
    """Return J without penalty over all rows, or over the given ones.

    Parameters
    ----------
    network : Network
        With NumPy parameters.
    X : array or CSR matrix of shape (N, n_0)
        In any dtype.
    y : array of shape (N,) or (N, k)
        Targets as the loss takes them.
    weights : array of shape (N,), optional
    rows : array of int, optional
    engine : str
        ``"auto"`` or an engine's name.

    Examples
    --------
    >>> network = Network([2, 3, 1], seed=0)
    >>> X, y = np.array([[0, 1], [1, 0], [1, 1]], dtype="uint8"), np.array([1.0, 2.0, 3.0])
    >>> bool(np.isclose(mean_loss(network, X, y), network.loss(X, y)))
    True
    """
    n = X.shape[0] if rows is None else len(rows)
    total, mass = 0.0, 0.0
    for block in row_blocks(n, network.sizes):
        y_here = _part(y, rows, block)
        s = None if weights is None else _part(weights, rows, block)
        here = len(y_here) if s is None else float(s.sum())
        if here > 0:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                total += network.loss(_part(X, rows, block), y_here, s, engine=engine) * here
            mass += here
    return total / mass if mass else math.nan
