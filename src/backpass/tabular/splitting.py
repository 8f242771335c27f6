"""Splitting rows: seeded, stratified by class, with classes of one row kept in training."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from backpass.errors import TableError, TableWarning

__all__ = ["split_rows"]

Rows = NDArray[np.int64]


def split_rows(
    y: NDArray[Any], fraction: float, seed: int, *, classes: tuple[str, ...] | None = None
) -> tuple[Rows, Rows]:
    """Return the rows to keep and the rows to hold out, both in ascending order.

    Parameters
    ----------
    y : array of shape (N,)
        The encoded target.
    fraction : float
        Part of the rows to hold out, between 0 and 1.
    seed : int
    classes : tuple of str, optional
        Names of the classes 0 … k−1; given, each keeps its share in both parts.

    Raises
    ------
    TableError
        When either part would be empty.

    Warns
    -----
    TableWarning
        When a class has one row only: it is kept in training.

    Examples
    --------
    >>> kept, held_out = split_rows(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, 0, classes=("a", "b"))
    >>> len(kept), held_out.tolist()
    (6, [0, 7])
    """
    n = len(y)
    n_held_out = round(n * fraction)
    if not 1 <= n_held_out < n:
        raise TableError(f"{n} rows are too few to hold out {fraction:g} of them; give more rows")
    rows, stratify = np.arange(n), None
    alone = np.zeros(n, dtype=bool)
    if classes is not None:
        counts = np.bincount(y, minlength=len(classes))
        alone = counts[y] == 1
        for code in y[alone]:
            warnings.warn(
                f"class {classes[code]!r} has one row only; it is kept in training and cannot "
                "be tested",
                TableWarning,
                stacklevel=3,
            )
        n_classes = int((counts > 1).sum())
        # fewer rows than classes in a part: shares cannot be kept, so rows are drawn freely
        if n_classes <= n_held_out <= n - alone.sum() - n_classes:
            stratify = y[~alone]
    free = rows[~alone]
    if len(free) <= n_held_out:
        raise TableError(f"{n} rows are too few to hold out {n_held_out} of them; give more rows")
    kept, held_out = train_test_split(
        free, test_size=n_held_out, random_state=seed, stratify=stratify
    )
    return np.sort(np.concatenate([kept, rows[alone]])), np.sort(held_out)
