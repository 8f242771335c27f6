"""Intervals around predicted numbers, from the errors on rows that networks had not seen.

CV+ of Barber, Candès, Ramdas and Tibshirani, "Predictive inference with the jackknife+", Annals of
Statistics 49(1), 2021, theorem 4: for n rows that are exchangeable and dealt by chance, an interval
of coverage 1 − α holds at least 1 − 2α − √(2/n) of them whatever the networks do, and about 1 − α
where they are stable. The encoding and the weights of the recipes have seen all rows, and folds are
dealt by target: both move it little, and the theorem does not cover them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.errors import InputError, brief
from backpass.tabular.pack.folds import Folds

Floats = NDArray[np.float64]

HALVINGS = 60  # of the range in which a quantile is looked for: to the last bit of float64


def errors_by_fold(out_of_fold: NDArray[Any], y: NDArray[Any], folds: Folds) -> list[Floats]:
    """Return for each fold |y − ŷ| of its rows, by networks that had not seen it, in order.

    One list of all where the folds go forward: the networks that predict have then seen all rows,
    and the intervals no guarantee.

    Examples
    --------
    >>> predicted, y = np.array([[1.0], [3.0], [0.0]]), np.array([2.0, 0.0, 0.0])
    >>> errors_by_fold(predicted, y, Folds(np.array([0, 0, 1])))
    [array([1., 3.]), array([0.])]
    """
    errors = np.abs(y - out_of_fold[:, 0]).astype(np.float64)
    if folds.forward:
        return [np.sort(errors[folds.predicted])]
    return [np.sort(errors[folds.fold == k]) for k in range(folds.count)]


def interval(
    predictions: NDArray[Any], errors: Sequence[Floats], coverage: float
) -> tuple[Floats, Floats]:
    """Return the lower and upper ends of the CV+ interval of each row, (N,) each.

    Parameters
    ----------
    predictions : array of shape (K, N)
        By the networks that have not seen fold k.
    errors : sequence of K arrays
        Of the rows of each fold, in ascending order.
    coverage : float
        Between 0 and 1.

    Raises
    ------
    InputError
        When the coverage is none, or the training rows are too few for it.

    Examples
    --------
    >>> errors = [np.arange(1.0, 11.0), np.arange(1.0, 11.0)]
    >>> low, high = interval(np.array([[0.0], [0.0]]), errors, 0.9)
    >>> low.round(6).tolist(), high.round(6).tolist()
    ([-10.0], [10.0])
    """
    if isinstance(coverage, bool) or not (isinstance(coverage, Real) and 0 < coverage < 1):
        raise InputError(f"coverage must be a number between 0 and 1, not {brief(coverage)}")
    n = sum(map(len, errors))
    rank = math.ceil(coverage * (n + 1))
    if rank > n:
        raise InputError(
            f"{n} training rows are too few for intervals of coverage {coverage:g}; ask for at most"
            f" {math.floor(1e4 * n / (n + 1)) / 1e4:g}"
        )
    P = predictions.astype(np.float64)
    return -_of_rank(-P, errors, rank), _of_rank(P, errors, rank)


def _of_rank(predictions: Floats, errors: Sequence[Floats], rank: int) -> Floats:
    """Return for each row the rank-th smallest of all ŷ_k + e, where e are the errors of fold k."""
    low = predictions.min(axis=0) - 1
    high = predictions.max(axis=0) + max(float(e[-1]) for e in errors if len(e))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = sum(
            np.searchsorted(e, middle - p, side="right")
            for e, p in zip(errors, predictions, strict=True)
        )
        enough = below >= rank
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    found: Floats = high
    return found
