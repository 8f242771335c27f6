"""Rows, targets and weights as a network takes them, and what it must not give."""

from typing import Any

import numpy as np

from backpass.core.arrays import Array, in_dtype, is_sparse, namespace
from backpass.core.parameters import Model
from backpass.core.requirements import as_numbers, usable_weights
from backpass.errors import InputError


def rows_for(model: Model, X: Array) -> Array:
    """Return X as an array whose rows can be taken, of its own dtype, and of fitting shape.

    Raises
    ------
    InputError
        When it holds no numbers, or does not fit the input layer.
    """
    width = model.parameters.sizes[0]
    X = X.tocsr() if is_sparse(X) else as_numbers("X", X, namespace(model.parameters.flat))
    if X.ndim != 2 or X.shape[1] != width:
        raise InputError(f"X has shape {tuple(X.shape)}; this network takes (n_samples, {width})")
    return X


def check_rows(
    model: Model, X: Array, y: Array, sample_weight: Array | None = None
) -> tuple[Array, Array, Array | None]:
    """Return rows and targets as arrays of their own dtypes, the targets not yet encoded.

    Parameters
    ----------
    model : Model
    X : array of shape (N, n_0)
    y : array of shape (N,) or (N, k)
        Targets as the loss takes them.
    sample_weight : array of shape (N,), optional
        Returned in the dtype of the parameters.

    Raises
    ------
    InputError
        When they hold no numbers, or do not fit the network or each other.
    """
    X = rows_for(model, X)
    y = as_numbers("y", y, namespace(model.parameters.flat))
    n_rows, n_targets = X.shape[0], y.shape[0] if y.ndim else 0
    if n_rows == 0 or n_targets != n_rows:
        raise InputError(
            f"X has {n_rows} rows and y has {n_targets}; they must match and not be empty"
        )
    if sample_weight is not None:
        sample_weight = usable_weights(sample_weight, n_rows, model.parameters.flat)
    return X, y, sample_weight


def check_batch(
    model: Model, X: Array, y: Array, sample_weight: Array | None = None
) -> tuple[Array, Array, Array]:
    """Return rows, encoded targets (N, k) and weights (N,) as the equations take them.

    Parameters
    ----------
    model, X, y, sample_weight
        As in :func:`check_rows`.

    Raises
    ------
    InputError
        When shapes, targets or weights cannot be used.
    """
    X, y, s = check_rows(model, X, y, sample_weight)
    flat = model.parameters.flat
    xp = namespace(flat)
    targets = model.loss.encode(y, model.parameters.sizes[-1], xp, flat.dtype)
    return in_dtype(X, flat), targets, xp.ones(X.shape[0], dtype=flat.dtype) if s is None else s


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
