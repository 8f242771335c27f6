"""A network's output and loss on many rows, a block at a time: X is never copied or cast whole."""

import math
from typing import Any

import numpy as np

from backpass.core.arrays import Array, take_rows
from backpass.core.parameters import row_blocks
from backpass.errors import InputError
from backpass.network.network import Network

__all__ = ["mean_loss", "outputs", "power_of_two_near", "r_squared", "refuse_overflow"]


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


def refuse_overflow(output: Any) -> Any:
    """Return the network's output (N, k) for given rows, all of it finite.

    Raises
    ------
    InputError
        When it is not: it names the first such row.

    Examples
    --------
    >>> refuse_overflow(np.array([[1.0], [np.inf]]))
    Traceback (most recent call last):
    backpass.errors.InputError: X, row 2: the network's output is inf, because its features are ...
    """
    finite = np.isfinite(output)
    if not finite.all():
        row, unit = np.argwhere(~finite)[0]
        raise InputError(
            f"X, row {row + 1}: the network's output is {output[row, unit]}, because its features "
            f"are too large for {output.dtype}; correct them, or scale them as in training"
        )
    return output


def power_of_two_near(*arrays: Any) -> Any:
    """Return, for each column, the power of two at or below the largest number of all `arrays`.

    To divide by it loses nothing, and keeps squares and sums in the range of floats.

    Examples
    --------
    >>> power_of_two_near(np.array([[3.0, 0.0], [-5.0, 0.0]]))
    array([4., 1.])
    """
    largest = np.max([np.abs(x).max(axis=0, initial=0) for x in arrays], axis=0)
    usable = np.isfinite(largest) & (largest > 0)
    exponents = np.frexp(np.where(usable, largest, 1).astype(np.float64))[1]
    return np.ldexp(1.0, exponents - 1)


def r_squared(y: Any, predicted: Any, weights: Any = None) -> float:
    """Return R² as scikit-learn does, of numbers whose squares leave the range of floats, too.

    Examples
    --------
    >>> y = np.array([1.0, 2.0, 3.0])
    >>> [round(r_squared(y * size, (y + 0.5) * size), 12) for size in (1e300, 1, 1e-300)]
    [0.625, 0.625, 0.625]
    """
    from sklearn.metrics import r2_score

    y, predicted = np.asarray(y), np.asarray(predicted)
    if np.iscomplexobj(y) or y.dtype.kind == "O":
        return float(r2_score(y, predicted, sample_weight=weights))
    unit = power_of_two_near(y, predicted)
    if not ((unit > 1e-12) & (unit < 1e12)).all():
        y, predicted = y / unit, predicted / unit
    if weights is not None:
        weights = weights / power_of_two_near(weights)
    with np.errstate(over="ignore"):  # −∞, of predictions beyond 1e154 times the spread of y
        return float(r2_score(y, predicted, sample_weight=weights))


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
    unit = 1.0 if weights is None else float(power_of_two_near(weights))
    for block in row_blocks(n, network.sizes):
        y_here = _part(y, rows, block)
        s = None if weights is None else _part(weights, rows, block)
        here = len(y_here) if s is None else float(s.sum()) / unit  # it changes no bit
        if here > 0:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                total += network.loss(_part(X, rows, block), y_here, s, engine=engine) * here
            mass += here
    return total / mass if mass else math.nan
