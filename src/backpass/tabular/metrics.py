"""Metrics: their values, intervals and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.core.arrays import power_of_two_near

Floats = NDArray[Any]

MAIN_METRIC = {"classification": "accuracy", "regression": "R²"}
"""The metric shown first."""


def accuracy(y: NDArray[Any], probabilities: Floats, weights: Floats | None = None) -> float:
    """Return the part of the rows (N,) whose most probable class (N, k) is right."""
    return float(np.average(probabilities.argmax(axis=1) == y, weights=weights))


def r_squared(y: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """Return R² of predicted numbers (N,), or NaN where all true ones are equal."""
    y, predicted = y.astype(np.float64), predicted.astype(np.float64)
    spread = np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)
    error = np.average((y - predicted) ** 2, weights=weights)
    return float(1 - error / spread) if spread > 0 else float("nan")


def roc_area(positive: NDArray[np.bool_], scores: Floats, weights: Floats | None = None) -> float:
    """Return the area under the ROC curve: how likely a positive row scores above another.

    Parameters
    ----------
    positive : array of bool of shape (N,)
        Some true, some false.
    scores : array of shape (N,)
        Equal ones count half.
    weights : array of shape (N,), optional

    Examples
    --------
    >>> roc_area(np.array([False, True, True, False]), np.array([0.1, 0.9, 0.4, 0.4]))
    0.875
    """
    weights = np.ones(len(scores)) if weights is None else weights
    _, place = np.unique(scores, return_inverse=True)
    ours = np.bincount(place, weights * positive)
    others = np.bincount(place, weights * ~positive)
    return roc_area_of_counts(ours, others)


def roc_area_of_counts(ours: Floats, others: Floats) -> float:
    """Return the area under the ROC curve of how many rows of each class have each score."""
    below = np.cumsum(others) - others
    return float((ours * (below + others / 2)).sum() / (ours.sum() * others.sum()))


def confusion(
    y: NDArray[Any], decided: NDArray[Any], k: int, weights: Floats | None = None
) -> NDArray[Any]:
    """Return the rows, or their weight, of each of k classes that are taken for each, (k, k)."""
    return np.bincount(y * k + decided, weights, minlength=k * k).reshape(k, k)


def by_class(counts: NDArray[Any]) -> dict[str, float]:
    """Return the means over the classes that occur, of how many were taken for which (k, k)."""
    rows, claimed, found = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    there = rows > 0
    return {
        "balanced accuracy": float((found[there] / rows[there]).mean()),
        "F1": float((2 * found[there] / (rows + claimed)[there]).mean()),
    }


def class_metrics(
    y: NDArray[Any],
    probabilities: Floats,
    weights: Floats | None = None,
    decided: NDArray[np.int64] | None = None,
    costs: Sequence[float] = (),
) -> dict[str, float]:
    """Return what classes and probabilities are worth.

    Accuracy, balanced accuracy (the mean over the classes of the part that is found), F1 (the mean
    over the classes), log-loss (nats), Brier score (mean squared error of the probabilities: of one
    class where there are two, else summed over them) and, for two classes, the ROC area.

    Parameters
    ----------
    y : array of shape (N,)
        Classes 0 … k−1.
    probabilities : array of shape (N, k)
    weights : array of shape (N,), optional
    decided : array of int of shape (N,), optional
        The classes that are predicted, by default the most probable ones.
    costs : sequence of k numbers, optional
        Of not finding a row of each class; their mean over the rows is then told, too.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> class_metrics(np.array([0, 1, 1]), p)["balanced accuracy"]
    0.75
    """
    p = np.clip(probabilities.astype(np.float64), np.finfo(np.float64).eps, 1)
    p /= p.sum(axis=1, keepdims=True)
    decided = probabilities.argmax(axis=1) if decided is None else decided
    right = decided == y
    counts = confusion(y, decided, p.shape[1], weights)
    wrong = p.copy()
    wrong[np.arange(len(y)), y] -= 1
    brier = (wrong**2).sum(axis=1) / (2 if p.shape[1] == 2 else 1)
    result = {
        "accuracy": np.average(right, weights=weights),
        **by_class(counts),
        "log-loss": -np.average(np.log(p[np.arange(len(y)), y]), weights=weights),
        "Brier": np.average(brier, weights=weights),
    }
    if len(costs):
        result["cost"] = np.average(np.array(costs)[y] * ~right, weights=weights)
    if p.shape[1] == 2 and counts.sum(axis=1).all():
        result["ROC area"] = roc_area(y == 1, p[:, 1], weights)
    return {name: float(value) for name, value in result.items()}


def number_metrics(y: Floats, predicted: Floats, weights: Floats | None = None) -> dict[str, float]:
    """Return R², the root of the mean squared error and the mean absolute error.

    Parameters
    ----------
    y, predicted : arrays of shape (N,)
    weights : array of shape (N,), optional

    Examples
    --------
    >>> number_metrics(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))["R²"]
    0.5
    """
    unit = float(power_of_two_near(y, predicted))  # squares of huge or tiny numbers leave float64
    y, predicted = y / unit, predicted / unit
    with np.errstate(over="ignore"):  # −∞, of predictions beyond 1e154 times the spread of y
        r2 = r_squared(y, predicted, weights)
    error, absolute = (y - predicted) ** 2, np.abs(y - predicted)
    return {
        "R²": r2,
        "RMSE": float(np.sqrt(np.average(error, weights=weights))) * unit,
        "MAE": float(np.average(absolute, weights=weights)) * unit,
    }


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
    decided: NDArray[np.int64] | None = None,
    costs: Sequence[float] = (),
) -> Evaluation:
    """Judge probabilities (N, k), and what was decided by them, by the classes (N,) that were true.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> evaluate_classes(np.array([0, 1, 1]), p, None, ("no", "yes")).confusion.tolist()
    [[1, 0], [1, 1]]
    """
    decided = probabilities.argmax(axis=1) if decided is None else decided
    metrics = class_metrics(y, probabilities, weights, decided, costs)
    return Evaluation(len(y), metrics, classes, confusion(y, decided, len(classes)))


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
