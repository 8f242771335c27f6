"""Folds: every row of a table in one of K parts, alike in their targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FEWEST_ROWS = 5  # of a fold: fewer say nothing of the networks that did not see them


def fold_count(n_rows: int, wanted: int) -> int:
    """Return how many folds so many rows are dealt into: at least two, of five rows or more.

    Examples
    --------
    >>> fold_count(1000, 8), fold_count(20, 8), fold_count(3, 8)
    (8, 4, 2)
    """
    return max(2, min(wanted, n_rows // FEWEST_ROWS))


def deal(y: NDArray[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row: in the order of their targets, each K rows in a row to K folds.

    So every fold has its share of each class and of each range of a quantity, rare and extreme
    ones too.

    Parameters
    ----------
    y : array of shape (N,)
        Targets: classes 0 … k−1, or numbers.
    folds : int
        K.
    seed : int

    Examples
    --------
    >>> fold = deal(np.array([0, 1, 0, 1, 0, 1]), 2, 0)
    >>> np.bincount(fold).tolist(), np.bincount(fold, weights=[0, 1, 0, 1, 0, 1]).tolist()
    ([3, 3], [1.0, 2.0])
    """
    rng, n = np.random.default_rng(seed), len(y)
    shuffled = rng.permutation(n)
    order = shuffled[np.argsort(y[shuffled], kind="stable")]
    keys = rng.random((-(-n // folds), folds))
    fold = np.empty(n, dtype=np.int64)
    fold[order] = np.argsort(keys, axis=1).ravel()[:n]
    return fold
