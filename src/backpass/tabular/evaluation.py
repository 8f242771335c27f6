"""What became of the predictions on rows with known targets: metrics, and where they err."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.tabular.metrics import class_metrics, number_metrics

__all__ = ["QUANTILES", "Evaluation", "evaluate_classes", "evaluate_numbers"]

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""The quantiles of the errors that a residual summary shows."""

MOST_PAIRS = 1500  # of a scatter plot: more hide each other, and make the page heavy


@dataclass(frozen=True)
class Evaluation:
    """Predictions against known targets.

    Parameters
    ----------
    rows : int
        Rows with a known target.
    metrics : dict of str to float
        Weighted, where rows have weights.
    classes : tuple of str
        Of a classification.
    confusion : array of int of shape (k, k), optional
        Rows of actual class i predicted as class j, of a classification.
    residuals : dict of float to float, optional
        Quantiles of predicted − actual, of a regression.
    pairs : array of shape (m, 2), optional
        Actual and predicted numbers of up to 1500 rows, evenly spread over the actual ones.
    """

    rows: int
    metrics: dict[str, float]
    classes: tuple[str, ...] = ()
    confusion: NDArray[np.int64] | None = None
    residuals: dict[float, float] | None = None
    pairs: NDArray[np.float64] | None = None


def evaluate_classes(
    y: NDArray[np.int64],
    probabilities: NDArray[Any],
    weights: NDArray[np.float64] | None,
    classes: tuple[str, ...],
) -> Evaluation:
    """Judge predicted probabilities (N, k) by the classes (N,) that were true.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> evaluate_classes(np.array([0, 1, 1]), p, None, ("no", "yes")).confusion.tolist()
    [[1, 0], [1, 1]]
    """
    k = len(classes)
    pairs = y * k + probabilities.argmax(axis=1)
    confusion = np.bincount(pairs, minlength=k * k).reshape(k, k)
    return Evaluation(len(y), class_metrics(y, probabilities, weights), classes, confusion)


def evaluate_numbers(
    y: NDArray[np.float64], predicted: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> Evaluation:
    """Judge predicted numbers (N,) by the true ones.

    Examples
    --------
    >>> y = np.array([1.0, 2.0, 3.0])
    >>> evaluate_numbers(y, y + [0, 0, 1], None).residuals[1.0]
    1.0
    """
    errors = predicted - y
    residuals = dict(zip(QUANTILES, np.quantile(errors, QUANTILES).tolist(), strict=True))
    order = np.argsort(y, kind="stable")
    shown = order[np.unique(np.linspace(0, len(y) - 1, min(len(y), MOST_PAIRS)).astype(int))]
    pairs = np.column_stack([y[shown], predicted[shown]])
    return Evaluation(
        len(y), number_metrics(y, predicted, weights), residuals=residuals, pairs=pairs
    )
