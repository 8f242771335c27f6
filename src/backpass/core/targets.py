"""Targets: from the user's y, (N,) or (N, k), to the (N, k) that a loss is evaluated on."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.core.arrays import Array, dtype_name
from backpass.errors import InputError


def numeric_targets(y: Array, k: int, xp: Any, dtype: Any, *, name: str) -> Array:
    """Return numeric targets (N,) or (N, k) as (N, k) in `dtype`.

    Parameters
    ----------
    y : array of shape (N,) or (N, k)
    k : int
        Outputs of the network.
    xp : array namespace
        Of the network's arrays.
    dtype : dtype
        Of the network's arrays.
    name : str
        The loss, for messages.

    Raises
    ------
    InputError
        When the shape does not fit, or a number is too large for `dtype`.

    Examples
    --------
    >>> numeric_targets([1, 2], 1, np, np.float64, name="squared_error")
    array([[1.],
           [2.]])
    """
    y = xp.asarray(y)
    if y.ndim == 1:
        y = y[:, None]
    if y.ndim != 2 or y.shape[1] != k:
        raise InputError(
            f"{name}: targets of shape {tuple(y.shape)} do not fit {k} output(s); "
            f"give shape (n_samples, {k})"
            + (" or (n_samples,)" if k == 1 else "; class labels go with loss='cross_entropy'")
        )
    with np.errstate(over="ignore"):
        encoded = xp.astype(y, dtype, copy=False)
    if "float64" in dtype_name(y.dtype) and "float32" in dtype_name(dtype):
        lost = xp.any(xp.isinf(encoded) & xp.isfinite(y), axis=1)
        if bool(xp.any(lost)):
            row = int(xp.argmax(xp.astype(lost, xp.int8)))
            raise InputError(
                f"{name}: row {row} of the targets is {y[row, :]}, too large for float32; scale "
                "the targets, or compute in float64"
            )
    return encoded


def checked_targets(
    y: Array, k: int, xp: Any, dtype: Any, *, name: str, good: Callable[[Array], Array], needs: str
) -> Array:
    """Return numeric targets after checking that every one of them is `good`."""
    y = numeric_targets(y, k, xp, dtype, name=name)
    ok = good(y)
    if not bool(xp.all(ok)):
        row = int(xp.argmin(xp.astype(xp.all(ok, axis=1), xp.int8)))
        raise InputError(f"{name}: targets must be {needs}; row {row} is {y[row, :]}")
    return y


def class_targets(y: Array, k: int, xp: Any, dtype: Any, *, smoothing: float) -> Array:
    """Return integer labels 0 … k−1, one-hot or soft targets as rows (N, k) of sum 1."""
    y = xp.asarray(y)
    if y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1 and k > 1):
        e = one_hot(y if y.ndim == 1 else y[:, 0], k, xp, dtype)
    else:
        e = checked_targets(
            y, k, xp, dtype, name="cross_entropy",
            good=lambda t: (t >= 0) & (abs(xp.sum(t, axis=1, keepdims=True) - 1) < 1e-6 * k),
            needs="integer labels, or rows of probabilities with sum 1",
        )  # fmt: skip
    return e if smoothing == 0 else (1 - smoothing) * e + smoothing / k


def one_hot(labels: Array, k: int, xp: Any, dtype: Any) -> Array:
    """Return e_ℓ by row (note 3's E, samples in rows) of integer `labels` 0 … k−1."""
    kind = dtype_name(labels.dtype)
    if kind.startswith("float"):
        whole = xp.isfinite(labels) & (labels == xp.floor(labels))
        if not bool(xp.all(whole)):
            row = int(xp.argmin(xp.astype(whole, xp.int8)))
            raise InputError(
                f"cross_entropy: labels must be integers 0 … {k - 1}; row {row} is "
                f"{float(labels[row]):g}"
            )
    elif not kind.startswith(("int", "uint", "bool")):
        raise InputError(f"cross_entropy: labels must be integers 0 … {k - 1}, not {kind}")
    if kind == "bool":  # the standard has no minimum of booleans
        labels = xp.astype(labels, xp.uint8)
    if labels.shape[0] and not (int(xp.min(labels)) >= 0 and int(xp.max(labels)) < k):
        found = " … ".join(map(str, sorted({int(xp.min(labels)), int(xp.max(labels))})))
        raise InputError(
            f"cross_entropy: labels must lie in 0 … {k - 1} (one of {k} outputs each); "
            f"found {found}"
        )
    columns = xp.arange(k)
    labels = xp.astype(labels, columns.dtype, copy=False)
    return xp.astype(labels[:, None] == columns[None, :], dtype)


def is_sign(y: Array) -> Array:
    """Return where `y` is 1 or −1."""
    return (y == 1) | (y == -1)
