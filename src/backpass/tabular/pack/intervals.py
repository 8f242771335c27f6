"""Intervals around predicted numbers, from the errors on rows that networks had not seen.

CV+ of Barber, Candès, Ramdas and Tibshirani, "Predictive inference with the jackknife+", Annals of
Statistics 49(1), 2021, theorem 4: for n rows that are exchangeable and dealt by chance, an interval
of coverage 1 − α holds at least 1 − 2α − √(2/n) of them whatever the networks do, and about 1 − α
where they are stable. Errors are told in units of the usual error at a prediction of that size
(Gupta, Kuchibhotla and Ramdas, "Nested conformal prediction and quantile out-of-bag ensemble
methods", Pattern Recognition 127, 2022, have the theorem for them): who errs by more on dear houses
gets wider intervals there. The encoding, the weights of the recipes and the usual errors have seen
all rows, and folds are dealt by target: all three move it little, and no theorem covers them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backpass.errors import InputError, brief
from backpass.tabular.pack.folds import Folds

Floats = NDArray[np.float64]

HALVINGS = 60  # of the range in which a quantile is looked for: to the last bit of float64


PARTS = 10  # of the predictions, from small to large, each with its usual error …
ROWS = 50  # … of as many rows or more; and as many rows' worth of the mean error of all


class FoldErrors(NamedTuple):
    """How far off a fold's rows were predicted, by networks that had not seen it."""

    errors: Floats  # |y − ŷ| of each row in usual errors at ŷ, in ascending order, (n,)
    # predictions in ascending order, and the usual error there, told by the other folds, (P,)
    at: Floats
    usual: Floats

    def usual_at(self, predictions: Floats) -> Floats:
        """Return the usual error at each prediction: on straight lines between those known."""
        return np.interp(predictions, self.at, self.usual)


def errors_by_fold(out_of_fold: NDArray[Any], y: NDArray[Any], folds: Folds) -> list[FoldErrors]:
    """Return the errors on the rows of each fold, by networks that had not seen it.

    Those of all folds as one where they go forward: the networks that predict have then seen all
    rows, and the intervals no guarantee.

    Examples
    --------
    >>> predicted, y = np.array([[1.0], [3.0], [0.0]]), np.array([2.0, 0.0, 2.0])
    >>> [fold.errors.tolist() for fold in errors_by_fold(predicted, y, Folds(np.array([0, 0, 1])))]
    [[0.5, 1.5], [1.0]]
    """
    predicted = out_of_fold[:, 0].astype(np.float64)
    errors = np.abs(y - predicted).astype(np.float64)

    def of(rows: NDArray[np.bool_], others: NDArray[np.bool_]) -> FoldErrors:
        told = FoldErrors(errors[rows], *usual_errors(predicted[others], errors[others]))
        return told._replace(errors=np.sort(told.errors / told.usual_at(predicted[rows])))

    if folds.forward:
        return [of(folds.predicted, folds.predicted)]
    return [of(folds.fold == k, folds.fold != k) for k in range(folds.count)]


def usual_errors(predicted: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Return predictions from small to large, and how large errors are there on average.

    Each is the mean over a part of the rows, drawn to the mean over all of them.

    Parameters
    ----------
    predicted, errors : arrays of shape (n,)

    Examples
    --------
    >>> at, usual = usual_errors(np.arange(100.0), np.arange(100.0))
    >>> at.tolist(), usual.tolist()
    ([24.5, 74.5], [37.0, 62.0])
    """
    whole = float(errors.mean())
    if whole == 0:
        return np.zeros(1), np.ones(1)
    parts = max(1, min(PARTS, len(errors) // ROWS))
    edges = np.unique(np.quantile(predicted, np.arange(1, parts) / parts))
    part = np.searchsorted(edges, predicted, side="right")
    rows = np.bincount(part)
    there = rows > 0
    rows = rows[there]
    at = np.bincount(part, predicted)[there] / rows
    usual: Floats = (np.bincount(part, errors)[there] + ROWS * whole) / (rows + ROWS)
    return at, usual


def interval(
    predictions: NDArray[Any], errors: Sequence[FoldErrors], coverage: float
) -> tuple[Floats, Floats]:
    """Return the lower and upper ends of the CV+ interval of each row, (N,) each.

    Parameters
    ----------
    predictions : array of shape (K, N)
        By the networks that have not seen fold k.
    errors : sequence of K FoldErrors
        Of the rows of each fold.
    coverage : float
        Between 0 and 1.

    Raises
    ------
    InputError
        When the coverage is none, or the training rows are too few for it.

    Examples
    --------
    >>> errors = FoldErrors(np.arange(1.0, 11.0), np.zeros(1), np.ones(1))
    >>> low, high = interval(np.array([[0.0], [0.0]]), [errors, errors], 0.9)
    >>> low.round(6).tolist(), high.round(6).tolist()
    ([-10.0], [10.0])
    """
    if isinstance(coverage, bool) or not (isinstance(coverage, Real) and 0 < coverage < 1):
        raise InputError(f"coverage must be a number between 0 and 1, not {brief(coverage)}")
    n = sum(len(fold.errors) for fold in errors)
    rank = math.ceil(coverage * (n + 1))
    if rank > n:
        raise InputError(
            f"{n} training rows are too few for intervals of coverage {coverage:g}; ask for at most"
            f" {math.floor(1e4 * n / (n + 1)) / 1e4:g}"
        )
    P = predictions.astype(np.float64)
    usual = np.stack([fold.usual_at(p) for fold, p in zip(errors, P, strict=True)])
    sorted_errors = [fold.errors for fold in errors]
    return -_of_rank(-P, usual, sorted_errors, rank), _of_rank(P, usual, sorted_errors, rank)


def _of_rank(predictions: Floats, usual: Floats, errors: Sequence[Floats], rank: int) -> Floats:
    """Return for each row the rank-th smallest of all ŷ_k + u_k e, where e are fold k's errors."""
    most = max(float(e[-1]) for e in errors if len(e))
    low, high = predictions.min(axis=0) - 1, (predictions + usual * most).max(axis=0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = sum(
            np.searchsorted(e, (middle - p) / u, side="right")
            for e, p, u in zip(errors, predictions, usual, strict=True)
        )
        enough = below >= rank
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    found: Floats = high
    return found
